/*
 * http_mail.c
 *	  Mail in flight: one message to one recipient by SMTP.
 *
 * libcurl connects, with TLS and signing in.  The rest is said here: libcurl's
 * own way of sending mail waits, at the end of a message, until the server has
 * answered, and all other calls would wait with it; and it does not tell how
 * far a message has come, on which depends whether it may be sent again.
 *
 * Each connection has a multi handle of its own: in one that it shared, libcurl
 * would take it for an idle one, and close it.
 */
#include "postgres.h"

#include <sys/epoll.h>

#include "crash_point.h"
#include "http_call.h"
#include "storage/fd.h"

/* As many as a partner may be called at once with. */
#define MAILS_MAX 256

/* All replies to a message, in bytes: a server that says more may say so for ever. */
#define REPLIES_MAX 16384

/* A line of a reply may have 512 bytes; what is longer is cut. */
#define LINE_SIZE 1024

typedef struct Mail
{
	int slot;
	CURLM *multi;
	CURL *easy;
	char *key; /* where it is connected to, and as whom */
	HttpCall *call; /* NULL: idle */
	curl_socket_t fd; /* -1: libcurl is connecting */
	int64 timer; /* when libcurl wants to be called; -1: not at all */
	int64 until; /* when the call, or being idle, has taken too long */
	char command[LINE_SIZE];
	const char *rest; /* what is still to be sent */
	size_t rest_size;
	char line[LINE_SIZE]; /* of the reply */
	size_t line_size;
	int heard; /* bytes, during the call */
} Mail;

static Mail *mails[MAILS_MAX];

static char *key_of(const HttpRequest *request);
static char *stuffed(const char *message);
static Mail *idle_mail(const char *key);
static Mail *connect_mail(HttpCall *call, char *key);
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known);
static int set_timer(CURLM *multi, long ms, void *arg);
static void see_connected(Mail *mail);
static void say(Mail *mail, MailStep step, const char *command, const char *address);
static void talk(Mail *mail);
static CURLcode hear(Mail *mail);
static void hear_line(Mail *mail);
static void end_call(Mail *mail, CURLcode ending, const char *error);
static void close_mail(Mail *mail);

/*
 * Starts a mail.  Returns false when memory or descriptors are short.
 */
bool
mail_start(HttpCall *call)
{
	char *key = key_of(&call->request);
	char *body = stuffed(call->request.body);
	Mail *mail;

	free(call->request.body);
	call->request.body = body;
	mail = body == NULL || key == NULL ? NULL : idle_mail(key);
	if (mail == NULL && body != NULL && key != NULL)
		mail = connect_mail(call, key);
	else
		free(key);
	if (mail == NULL)
		return false;
	mail->call = call;
	mail->heard = 0;
	mail->until = http_clock() + call->request.timeout;
	call->mail = mail;
	if (mail->fd >= 0)
		say(mail, MAIL_SENDER, "MAIL FROM:", call->request.sender);
	return true;
}

/*
 * Returns what connections must have in common to be used for the same mail, or
 * NULL when memory is short.
 */
static char *
key_of(const HttpRequest *request)
{
	const char *parts[] = {request->url, request->username, request->password, request->ca_file,
						   request->plain ? "plain" : NULL};
	size_t size = 1;
	char *key;

	for (int i = 0; i < lengthof(parts); i++)
		size += 1 + (parts[i] == NULL ? 0 : strlen(parts[i]));
	if ((key = calloc(1, size)) == NULL)
		return NULL;
	for (int i = 0; i < lengthof(parts); i++)
	{
		strlcat(key, "\n", size);
		strlcat(key, parts[i] == NULL ? "" : parts[i], size);
	}
	return key;
}

/*
 * Returns a message, of lines that end with CR and LF, as it is sent: with a dot
 * before those that begin with one, and one alone at the end.  NULL: memory is
 * short.
 */
static char *
stuffed(const char *message)
{
	char *result = malloc(2 * strlen(message) + 4);
	char *next = result;

	if (result == NULL)
		return NULL;
	for (const char *c = message; *c != '\0'; c++)
	{
		if (*c == '.' && (c == message || c[-1] == '\n'))
			*next++ = '.';
		*next++ = *c;
	}
	memcpy(next, ".\r\n", 4);
	return result;
}

/*
 * Returns a connection that can be used again, or NULL.
 */
static Mail *
idle_mail(const char *key)
{
	for (int i = 0; i < MAILS_MAX; i++)
		if (mails[i] != NULL && mails[i]->call == NULL && strcmp(mails[i]->key, key) == 0 &&
			http_clock() < mails[i]->until)
			return mails[i];
	return NULL;
}

/*
 * Begins to connect, for a call; takes the key over.  Returns NULL when memory
 * or descriptors are short.  libcurl counts greeting and signing in as
 * connecting, and a server may let strangers wait for its greeting.
 */
static Mail *
connect_mail(HttpCall *call, char *key)
{
	const HttpRequest *request = &call->request;
	Mail *mail = calloc(1, sizeof(Mail));
	int slot = 0;

	/* The idle ones that are left are for other places. */
	for (int i = 0; i < MAILS_MAX && mails[slot] != NULL; i++)
		slot = mails[i] == NULL || mails[i]->call == NULL ? i : slot;
	if (mail == NULL || (mails[slot] != NULL && mails[slot]->call != NULL) || !AcquireExternalFD())
	{
		free(mail);
		free(key);
		return NULL;
	}
	if (mails[slot] != NULL)
		close_mail(mails[slot]);
	mails[slot] = mail;
	mail->slot = slot;
	mail->key = key;
	mail->fd = -1;
	mail->timer = -1;
	mail->multi = curl_multi_init();
	mail->easy = curl_easy_init();
#define SET(option, value) (curl_easy_setopt(mail->easy, option, value) == CURLE_OK)
	if (mail->multi != NULL && mail->easy != NULL &&
		curl_multi_setopt(mail->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
		curl_multi_setopt(mail->multi, CURLMOPT_SOCKETDATA, mail) == CURLM_OK &&
		curl_multi_setopt(mail->multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
		curl_multi_setopt(mail->multi, CURLMOPT_TIMERDATA, mail) == CURLM_OK &&
		SET(CURLOPT_URL, request->url) && SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps") && SET(CURLOPT_CONNECT_ONLY, 1L) &&
		SET(CURLOPT_USE_SSL, (long) (request->plain ? CURLUSESSL_NONE : CURLUSESSL_ALL)) &&
		(request->ca_file == NULL || SET(CURLOPT_CAINFO, request->ca_file)) &&
		SET(CURLOPT_USERNAME, request->username) && SET(CURLOPT_PASSWORD, request->password) &&
		SET(CURLOPT_PROXY, "") && SET(CURLOPT_NOSIGNAL, 1L) &&
		SET(CURLOPT_CONNECTTIMEOUT_MS, (long) request->timeout) &&
		SET(CURLOPT_TIMEOUT_MS, (long) request->timeout) && SET(CURLOPT_ERRORBUFFER, call->error) &&
		curl_multi_add_handle(mail->multi, mail->easy) == CURLM_OK)
		return mail;
#undef SET
	close_mail(mail);
	return NULL;
}

/*
 * Called by libcurl to have a socket watched while it connects, or no longer.
 */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	return http_watch(fd, ((Mail *) arg)->slot, what) ? 0 : -1;
}

/*
 * Called by libcurl to be called back after a time, or no longer.
 */
static int
set_timer(CURLM *multi, long ms, void *arg)
{
	((Mail *) arg)->timer = ms < 0 ? -1 : http_clock() + ms;
	return 0;
}

/*
 * Returns when mail_turn() must be called, if no descriptor asks for it before;
 * -1: it need not.
 */
int64
mail_due(void)
{
	int64 due = -1;

	for (int i = 0; i < MAILS_MAX; i++)
	{
		Mail *mail = mails[i];
		int64 own = mail == NULL ? -1 : mail->timer >= 0 ? Min(mail->timer, mail->until)
														 : mail->until;

		if (own >= 0 && (due < 0 || own < due))
			due = own;
	}
	return due;
}

/*
 * Goes on with a connection on whose descriptor something has happened.
 */
void
mail_event(int slot, int fd, int what)
{
	Mail *mail = mails[slot];
	int running;

	if (mail == NULL)
		return;
	if (mail->fd < 0)
	{
		(void) curl_multi_socket_action(mail->multi, fd, what, &running);
		see_connected(mail);
	}
	else if (mail->call != NULL)
		talk(mail);
	else
		close_mail(mail); /* whatever the server says to who is silent, it ends with */
}

/*
 * Does what is to be done by time alone.
 */
void
mail_turn(void)
{
	int64 now = http_clock();
	int running;

	for (int i = 0; i < MAILS_MAX; i++)
	{
		Mail *mail = mails[i];

		if (mail != NULL && mail->timer >= 0 && mail->timer <= now)
		{
			mail->timer = -1;
			(void) curl_multi_socket_action(mail->multi, CURL_SOCKET_TIMEOUT, 0, &running);
			see_connected(mail);
		}
		mail = mails[i];
		if (mail == NULL || now < mail->until)
			continue;
		if (mail->call == NULL)
			close_mail(mail);
		else
			end_call(mail, CURLE_OPERATION_TIMEDOUT, "the server took too long");
	}
}

/*
 * Begins the talk, or ends the call, if libcurl has done its part.
 */
static void
see_connected(Mail *mail)
{
	CURLMsg *message;
	int left;
	long reply = 0;

	if (mail->call == NULL || mail->fd >= 0 ||
		(message = curl_multi_info_read(mail->multi, &left)) == NULL || message->msg != CURLMSG_DONE)
		return;
	if (message->data.result == CURLE_OK &&
		curl_easy_getinfo(mail->easy, CURLINFO_ACTIVESOCKET, &mail->fd) == CURLE_OK && mail->fd >= 0)
	{
		mail->timer = -1;
		say(mail, MAIL_SENDER, "MAIL FROM:", mail->call->request.sender);
		return;
	}
	curl_easy_getinfo(mail->easy, CURLINFO_RESPONSE_CODE, &reply);
	mail->call->reply = (int) reply;
	end_call(mail, message->data.result == CURLE_OK ? CURLE_COULDNT_CONNECT : message->data.result, NULL);
}

/*
 * Says the command of a step, with an address or NULL.
 */
static void
say(Mail *mail, MailStep step, const char *command, const char *address)
{
	mail->call->step = step;
	mail->rest = mail->command;
	mail->rest_size = snprintf(mail->command, LINE_SIZE, "%s%s%s%s\r\n", command, address == NULL ? "" : "<",
							   address == NULL ? "" : address, address == NULL ? "" : ">");
	if (mail->rest_size >= LINE_SIZE)
		end_call(mail, CURLE_URL_MALFORMAT, "the address is too long");
	else
		talk(mail);
}

/*
 * Sends and hears what can be without waiting.
 */
static void
talk(Mail *mail)
{
	CURLcode result = CURLE_OK;
	size_t part;

	while (mail->call != NULL && mail->rest_size > 0 && result == CURLE_OK)
	{
		result = curl_easy_send(mail->easy, mail->rest, mail->rest_size, &part);
		if (result != CURLE_OK)
			break;
		mail->rest += part;
		mail->rest_size -= part;
		if (mail->rest_size == 0 && mail->call->step == MAIL_BODY)
			CRASH_POINT("call_sent");
	}
	/* A server that has refused may have closed the connection after that: its words still wait to be heard. */
	if (result != CURLE_AGAIN)
		mail->rest_size = 0;
	result = hear(mail);
	if (result == CURLE_AGAIN &&
		http_watch(mail->fd, mail->slot, mail->rest_size > 0 ? CURL_POLL_INOUT : CURL_POLL_IN))
		return;
	if (result != CURLE_OK)
		end_call(mail, CURLE_GOT_NOTHING, "the connection ended before the answer");
}

/*
 * Hears what has come, up to the end of a call: CURLE_OK then, CURLE_AGAIN while
 * there is more to come.
 */
static CURLcode
hear(Mail *mail)
{
	HttpCall *call = mail->call;
	int slot = mail->slot;

	for (;;)
	{
		char c;
		size_t size;
		CURLcode result = curl_easy_recv(mail->easy, &c, 1, &size);

		if (result != CURLE_OK || size == 0)
			return result == CURLE_OK ? CURLE_GOT_NOTHING : result;
		if (++mail->heard > REPLIES_MAX)
		{
			end_call(mail, CURLE_WEIRD_SERVER_REPLY, "the server sends too much");
			return CURLE_OK;
		}
		if (c != '\n')
		{
			if (mail->line_size < LINE_SIZE - 1)
				mail->line[mail->line_size++] = c;
			continue;
		}
		mail->line[mail->line_size] = '\0';
		mail->line_size = 0;
		hear_line(mail);
		/* The line may have ended the call, and the connection with it. */
		if (mails[slot] != mail || mail->call != call)
			return CURLE_OK;
	}
}

/*
 * Does what a line of a reply says, if it is the last.
 */
static void
hear_line(Mail *mail)
{
	/* What the first digit of a reply must be, by step. */
	static const char wanted[] = {0, '2', '2', '3', '2'};
	HttpCall *call = mail->call;
	const char *line = mail->line;

	if (strspn(line, "0123456789") != 3 || line[3] == '-')
		return;
	mail->line[strcspn(line, "\r")] = '\0';
	call->reply = atoi(line);
	if (line[0] != wanted[call->step] || (mail->rest_size > 0 && call->reply < 400))
		end_call(mail, call->reply >= 400 ? CURLE_OK : CURLE_WEIRD_SERVER_REPLY, line);
	else
		switch (call->step)
		{
			case MAIL_CONNECT:
				break;
			case MAIL_SENDER:
				say(mail, MAIL_RECIPIENT, "RCPT TO:", call->request.recipient);
				break;
			case MAIL_RECIPIENT:
				say(mail, MAIL_DATA, "DATA", NULL);
				break;
			case MAIL_DATA:
				call->step = MAIL_BODY;
				mail->rest = call->request.body;
				mail->rest_size = strlen(call->request.body);
				talk(mail);
				break;
			case MAIL_BODY:
				end_call(mail, CURLE_OK, line);
				break;
		}
}

/*
 * Ends the call of a connection, which is kept when the message was taken.
 */
static void
end_call(Mail *mail, CURLcode ending, const char *error)
{
	HttpCall *call = mail->call;

	if (call == NULL)
	{
		close_mail(mail);
		return;
	}
	if (error != NULL)
		strlcpy(call->error, error, sizeof(call->error));
	mail->call = NULL;
	call->mail = NULL;
	http_end(call, ending);
	if (ending != CURLE_OK || call->reply >= 400 || !http_watch(mail->fd, mail->slot, CURL_POLL_IN))
		close_mail(mail);
	else
	{
		curl_easy_setopt(mail->easy, CURLOPT_ERRORBUFFER, NULL);
		mail->line_size = 0;
		mail->until = http_clock() + IDLE_MAX * 1000;
	}
}

/*
 * Ends the connection of a call that is given up.
 */
void
mail_stop(HttpCall *call)
{
	close_mail(call->mail);
	call->mail = NULL;
}

/*
 * Ends a connection, without waiting for an answer to that.
 */
static void
close_mail(Mail *mail)
{
	size_t size;

	if (mail->fd >= 0)
	{
		(void) curl_easy_send(mail->easy, "QUIT\r\n", 6, &size);
		(void) http_watch(mail->fd, mail->slot, CURL_POLL_REMOVE);
	}
	mails[mail->slot] = NULL;
	if (mail->easy != NULL && mail->multi != NULL)
		(void) curl_multi_remove_handle(mail->multi, mail->easy);
	curl_easy_cleanup(mail->easy);
	(void) curl_multi_cleanup(mail->multi);
	ReleaseExternalFD();
	free(mail->key);
	free(mail);
}
