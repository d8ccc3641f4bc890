/*
 * mail.c
 *	  Mails in flight: libcurl sends each in a thread of its own, and the thread
 *	  that the caller runs in waits for none of them.
 *
 * libcurl waits, at the end of a message, until the server has answered, also
 * where it serves many transfers at once.  So each mail has a thread, in which
 * libcurl may wait.  Such a thread calls libcurl, and libcurl the functions
 * under "In the thread of a mail" below.  These neither allocate with palloc nor
 * raise errors, and all signals are blocked there.  The thread hands its mail back through a
 * pipe; from then on it is the caller's again.
 *
 * How far a mail has come, on which depends whether it may be sent again, is seen
 * in what libcurl says and hears: the commands pass watch(), the replies hear().
 */
#include "postgres.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <sys/socket.h>

#include "clock.h"
#include "crash_point.h"
#include "lib/ilist.h"
#include "mail.h"
#include "port/atomics.h"
#include "storage/fd.h"
#include "storage/ipc.h"

/* All replies to a message, in bytes: this bounds what a server can make us read. */
#define REPLIES_MAX 16384

/* A line of a reply may have 512 bytes; what is longer is cut. */
#define LINE_SIZE 1024

/* Descriptors that a handle of libcurl's uses: its socket, and a pair to wake its thread. */
#define DESCRIPTORS 3

/*
 * A connection idle for longer than this (in milliseconds) is not used again: a
 * server that closes it at the same moment would make the next mail fail.
 */
#define IDLE_MAX 4000

/* What mails that are under way are told. */
typedef enum Stop
{
	STOP_NONE,
	STOP_UNSENT, /* those of which no part has been sent end at once */
	STOP_ALL,
} Stop;

/* A handle of libcurl's with the connection that it keeps, while no mail uses it. */
typedef struct Connection
{
	dlist_node node;
	CURL *easy;
	char *key; /* where it is connected to, and as whom */
	int64 until; /* when it has been idle for too long */
} Connection;

struct Mail
{
	dlist_node node; /* in waiting, under_way or ended */
	MailRequest request;
	void *owner;
	Connection *connection;
	curl_mime *message;
	struct curl_slist *headers;
	struct curl_slist *recipients;
	pthread_t thread;

	/* The thread's, until it has ended. */
	MailStep step;
	bool quitting; /* what libcurl says from here on is not about the message */
	bool stopped;
	int reply; /* to the last command; 0: none yet */
	int heard; /* bytes */
	char words[LINE_SIZE]; /* of the reply */
	char error[CURL_ERROR_SIZE];
	CURLcode ending;
};

static int pipe_in = -1; /* mails whose threads end, as pointers */
static int pipe_out = -1;
static pg_atomic_uint32 stopping; /* a Stop */
static int64 stop_at = -1; /* when STOP_ALL is said; -1: not at all */
static dlist_head waiting = DLIST_STATIC_INIT(waiting); /* for what those under way use */
static dlist_head under_way = DLIST_STATIC_INIT(under_way);
static dlist_head ended = DLIST_STATIC_INIT(ended);
static dlist_head idle = DLIST_STATIC_INIT(idle);

static int64 now_ms(void);
static void stop_all(int code, Datum arg);
static void begin_waiting(void);
static bool begin(Mail *mail);
static void release(Mail *mail);
static char *key_of(const MailRequest *request);
static Connection *connection_for(const MailRequest *request);
static bool acquire_descriptors(void);
static void close_connection(Connection *connection);
static bool configure(Mail *mail);
static bool add_message(Mail *mail);
static bool start_thread(Mail *mail);
static void join(Mail *mail);
static void *perform(void *arg);
static int watch(CURL *easy, curl_infotype type, char *data, size_t size, void *arg);
static size_t hear(char *data, size_t size, size_t count, void *arg);
static int may_go_on(void *arg, curl_off_t download_size, curl_off_t downloaded, curl_off_t size, curl_off_t sent);

/*
 * Prepares this process for mails and returns the descriptor to wait for.
 * Raises an error when libcurl or the kernel refuses.  libcurl must not be
 * initialised in the postmaster: it does not survive a fork.
 */
int
mail_open(void)
{
	int ends[2];

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		ereport(ERROR, errmsg("murallink: could not initialise libcurl"));
	if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		ereport(ERROR, errmsg("murallink: could not create a pipe: %m"));
	ReserveExternalFD();
	ReserveExternalFD();
	pipe_out = ends[0];
	pipe_in = ends[1];
	pg_atomic_init_u32(&stopping, STOP_NONE);
	before_shmem_exit(stop_all, (Datum) 0);
	return pipe_out;
}

/*
 * Returns the present moment in milliseconds.
 */
static int64
now_ms(void)
{
	return clock_now() / CLOCK_MS;
}

/*
 * Ends all threads before the process ends: what exit() takes down, such as
 * OpenSSL, they still use.  Each looks at least once in a second whether it may
 * go on.
 */
static void
stop_all(int code, Datum arg)
{
	dlist_mutable_iter iter;

	pg_atomic_write_u32(&stopping, STOP_ALL);
	dlist_foreach_modify(iter, &under_way)
		join(dlist_container(Mail, node, iter.cur));
}

/*
 * Returns what is wrong with the URL of a mail server, or NULL: smtps, or smtp,
 * which begins TLS before all else; without user, path, query and fragment.
 * libcurl parses it, as it will when it is used.
 */
const char *
mail_url_wrong(const char *url)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL;
	char *path = NULL;
	const char *wrong = NULL;

	if (parsed == NULL || curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK ||
		curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(parsed, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		wrong = "it is not a URL";
	else if (strpbrk(url, "?#") != NULL)
		wrong = "it has a query or a fragment";
	else if (strcmp(path, "/") != 0)
		wrong = "it has a path";
	else if (strcmp(scheme, "smtps") != 0 && strcmp(scheme, "smtp") != 0)
		wrong = "it uses neither smtps nor smtp";
	curl_free(scheme);
	curl_free(path);
	curl_url_cleanup(parsed);
	return wrong;
}

/*
 * Adds a header to a request.  Returns false when memory is short, or the request
 * has no room for it.
 */
bool
mail_header(MailRequest *request, const char *format, ...)
{
	va_list args;
	int i = 0;
	int size;

	while (i < MAIL_HEADERS - 1 && request->headers[i] != NULL)
		i++;
	if (request->headers[i] != NULL)
		return false;
	va_start(args, format);
	size = vasprintf(&request->headers[i], format, args);
	va_end(args);
	if (size < 0)
		request->headers[i] = NULL;
	return size >= 0;
}

/*
 * Starts a mail; owner is what mail_owner() gives back.  Where descriptors or
 * threads are short, it waits until another mail has ended.  Returns false when
 * memory is short: nothing was sent then.  Takes the strings of the request over
 * in any case.
 */
bool
mail_start(MailRequest *request, void *owner)
{
	Mail *mail = calloc(1, sizeof(Mail));

	if (mail == NULL)
	{
		mail_request_free(request);
		return false;
	}
	mail->request = *request;
	mail->owner = owner;
	dlist_push_tail(&waiting, &mail->node);
	begin_waiting();
	return true;
}

/*
 * Begins the mails that wait, as far as there is room for them.  One that cannot
 * be begun though nothing else is under way has ended, without being sent; and
 * so have all of them when all are to end.
 */
static void
begin_waiting(void)
{
	while (!dlist_is_empty(&waiting))
	{
		Mail *mail = dlist_head_element(Mail, node, &waiting);

		mail->stopped = pg_atomic_read_u32(&stopping) != STOP_NONE;
		if (!mail->stopped && begin(mail))
		{
			dlist_delete(&mail->node);
			dlist_push_tail(&under_way, &mail->node);
			continue;
		}
		if (!mail->stopped && !dlist_is_empty(&under_way))
			return;
		strlcpy(mail->error, "memory, file descriptors or threads are exhausted", sizeof(mail->error));
		mail->ending = CURLE_FAILED_INIT;
		dlist_delete(&mail->node);
		dlist_push_tail(&ended, &mail->node);
	}
}

/*
 * Begins a mail.  Returns false when memory, descriptors or threads are short.
 */
static bool
begin(Mail *mail)
{
	mail->connection = connection_for(&mail->request);
	if (mail->connection == NULL)
		return false;
	if (configure(mail) && start_thread(mail))
		return true;
	mail->ending = CURLE_FAILED_INIT;
	release(mail);
	return false;
}

/*
 * Returns what connections must have in common to be used for the same mail, or
 * NULL when memory is short.
 */
static char *
key_of(const MailRequest *request)
{
	const char *parts[] = {request->username, request->password, request->ca_file};
	char *key;

	for (int i = 0; i < lengthof(parts); i++)
		parts[i] = parts[i] == NULL ? "" : parts[i];
	return asprintf(&key, "%s\n%s\n%s\n%s\n%d", request->url, parts[0], parts[1], parts[2], request->plain) < 0 ? NULL
																												: key;
}

/*
 * Returns a connection for a request: an idle one, or a new one, which libcurl
 * will connect.  Returns NULL when memory or descriptors are short.
 */
static Connection *
connection_for(const MailRequest *request)
{
	char *key = key_of(request);
	Connection *connection;
	dlist_iter iter;

	if (key == NULL)
		return NULL;
	dlist_reverse_foreach(iter, &idle)
	{
		connection = dlist_container(Connection, node, iter.cur);
		if (strcmp(connection->key, key) == 0 && now_ms() < connection->until)
		{
			dlist_delete(iter.cur);
			free(key);
			return connection;
		}
	}
	connection = calloc(1, sizeof(Connection));
	if (connection == NULL || !acquire_descriptors())
	{
		free(connection);
		free(key);
		return NULL;
	}
	connection->key = key;
	connection->easy = curl_easy_init();
	if (connection->easy != NULL)
		return connection;
	close_connection(connection);
	return NULL;
}

/*
 * Has PostgreSQL leave the descriptors to us that a connection uses, if need be
 * those of idle connections, which are to other places.  Returns false when
 * there are too few.
 */
static bool
acquire_descriptors(void)
{
	for (int i = 0; i < DESCRIPTORS; i++)
	{
		while (!AcquireExternalFD())
		{
			if (dlist_is_empty(&idle))
			{
				while (i-- > 0)
					ReleaseExternalFD();
				return false;
			}
			close_connection(dlist_container(Connection, node, dlist_pop_head_node(&idle)));
		}
	}
	return true;
}

/*
 * Closes a connection that no mail uses.  libcurl says QUIT and would wait for
 * the answer, for minutes; that no more can be received ends this wait at once.
 */
static void
close_connection(Connection *connection)
{
	curl_socket_t fd;

	if (connection->easy != NULL && curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
		fd != CURL_SOCKET_BAD)
		(void) shutdown(fd, SHUT_RD);
	curl_easy_cleanup(connection->easy);
	for (int i = 0; i < DESCRIPTORS; i++)
		ReleaseExternalFD();
	free(connection->key);
	free(connection);
}

/*
 * Sets all that libcurl must know; returns false when memory is short.  libcurl
 * counts greeting and signing in as connecting, and a server may let strangers
 * wait for its greeting.
 *
 * A name that is still being resolved when its time is over would be waited for
 * but for CURLOPT_QUICK_EXIT.
 */
static bool
configure(Mail *mail)
{
	CURL *easy = mail->connection->easy;
	const MailRequest *request = &mail->request;

	curl_easy_reset(easy);
	mail->recipients = curl_slist_append(NULL, request->recipient);
	if (mail->recipients == NULL || !add_message(mail))
		return false;
#define SET(option, value)                                 \
	if (curl_easy_setopt(easy, option, value) != CURLE_OK) \
	return false
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_USE_SSL, (long) (request->plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	if (request->ca_file != NULL)
		SET(CURLOPT_CAINFO, request->ca_file);
	SET(CURLOPT_USERNAME, request->username);
	SET(CURLOPT_PASSWORD, request->password);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) request->timeout);
	SET(CURLOPT_SERVER_RESPONSE_TIMEOUT, (long) (request->timeout + 999) / 1000);
	SET(CURLOPT_TIMEOUT_MS, (long) request->timeout);
	SET(CURLOPT_ERRORBUFFER, mail->error);
	SET(CURLOPT_MAIL_FROM, request->sender);
	SET(CURLOPT_MAIL_RCPT, mail->recipients);
	SET(CURLOPT_HTTPHEADER, mail->headers);
	SET(CURLOPT_MIMEPOST, mail->message);
	SET(CURLOPT_VERBOSE, 1L);
	SET(CURLOPT_DEBUGFUNCTION, watch);
	SET(CURLOPT_DEBUGDATA, mail);
	SET(CURLOPT_HEADERFUNCTION, hear);
	SET(CURLOPT_HEADERDATA, mail);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, may_go_on);
	SET(CURLOPT_XFERINFODATA, mail);
#undef SET
	return true;
}

/*
 * Makes the message of a mail's headers and text; returns false when memory is
 * short.
 */
static bool
add_message(Mail *mail)
{
	curl_mimepart *part;

	for (int i = 0; i < MAIL_HEADERS && mail->request.headers[i] != NULL; i++)
	{
		struct curl_slist *longer = curl_slist_append(mail->headers, mail->request.headers[i]);

		if (longer == NULL)
			return false;
		mail->headers = longer;
	}
	mail->message = curl_mime_init(mail->connection->easy);
	part = mail->message == NULL ? NULL : curl_mime_addpart(mail->message);
	return part != NULL && curl_mime_type(part, "text/plain; charset=utf-8") == CURLE_OK &&
		   curl_mime_encoder(part, "quoted-printable") == CURLE_OK &&
		   curl_mime_data(part, mail->request.text, CURL_ZERO_TERMINATED) == CURLE_OK;
}

/*
 * Has a thread send a mail; returns false when there can be no other thread.
 * PostgreSQL's handlers of signals must run in no thread but the first.
 */
static bool
start_thread(Mail *mail)
{
	sigset_t all;
	sigset_t saved;
	int failure;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	failure = pthread_create(&mail->thread, NULL, perform, mail);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return failure == 0;
}

/*
 * Returns in how many milliseconds mail_turn() must be called, if the descriptor
 * does not ask for it before; -1: it need not.
 */
long
mail_wait(void)
{
	int64 first = stop_at;

	if (!dlist_is_empty(&ended))
		return 0;
	if (!dlist_is_empty(&idle))
	{
		int64 until = dlist_container(Connection, node, dlist_head_node(&idle))->until;

		first = first < 0 ? until : Min(first, until);
	}
	return first < 0 ? -1 : (long) Max(0, first - now_ms());
}

/*
 * Gathers the mails that have ended, and does what is to be done by time alone.
 */
void
mail_turn(void)
{
	int64 now = now_ms();
	dlist_mutable_iter iter;
	Mail *mail;

	while (read(pipe_out, &mail, sizeof(mail)) == sizeof(mail))
	{
		join(mail);
		dlist_push_tail(&ended, &mail->node);
	}
	if (stop_at >= 0 && stop_at <= now)
	{
		stop_at = -1;
		pg_atomic_write_u32(&stopping, STOP_ALL);
	}
	begin_waiting();
	dlist_foreach_modify(iter, &idle)
	{
		Connection *connection = dlist_container(Connection, node, iter.cur);

		if (now < connection->until)
			continue;
		dlist_delete(iter.cur);
		close_connection(connection);
	}
}

/*
 * Waits for the thread of a mail, which is about to end.
 */
static void
join(Mail *mail)
{
	dlist_delete(&mail->node);
	(void) pthread_join(mail->thread, NULL);
}

/*
 * Returns a mail that has ended, for the caller to free, or NULL.
 */
Mail *
mail_next_ended(void)
{
	return dlist_is_empty(&ended) ? NULL : dlist_container(Mail, node, dlist_pop_head_node(&ended));
}

/*
 * Returns the owner that mail_start() was told.
 */
void *
mail_owner(const Mail *mail)
{
	return mail->owner;
}

/*
 * Returns how a mail ended; what it points at lives as long as the mail.  A
 * message was taken where libcurl says so and the last reply does, too.
 */
MailAnswer
mail_answer(const Mail *mail)
{
	bool taken = mail->ending == CURLE_OK && mail->step == MAIL_BODY && mail->reply >= 200 && mail->reply < 300;
	bool refused = mail->ending != CURLE_OK && mail->reply >= 400;
	MailAnswer answer = {.step = mail->step, .stopped = mail->stopped};

	answer.status = taken || refused ? mail->reply : 0;
	if (answer.status != 0)
		answer.words = mail->words;
	else if (mail->heard > REPLIES_MAX)
		answer.words = "the server sends too much";
	else
		answer.words = mail->error[0] != '\0' ? mail->error : curl_easy_strerror(mail->ending);
	return answer;
}

/*
 * Frees the strings of a request.
 */
void
mail_request_free(MailRequest *request)
{
	free(request->url);
	free(request->sender);
	free(request->recipient);
	free(request->username);
	free(request->password);
	free(request->ca_file);
	for (int i = 0; i < MAIL_HEADERS; i++)
		free(request->headers[i]);
	free(request->text);
}

/*
 * Frees a mail that has ended.
 */
void
mail_free(Mail *mail)
{
	release(mail);
	mail_request_free(&mail->request);
	free(mail);
}

/*
 * Frees what was made to send a mail.  Its connection is kept for others where
 * the message was taken.
 */
static void
release(Mail *mail)
{
	Connection *connection = mail->connection;

	if (connection != NULL)
		curl_easy_reset(connection->easy);
	curl_mime_free(mail->message);
	curl_slist_free_all(mail->headers);
	curl_slist_free_all(mail->recipients);
	if (connection != NULL && mail->ending == CURLE_OK)
	{
		connection->until = now_ms() + IDLE_MAX;
		dlist_push_tail(&idle, &connection->node);
	}
	else if (connection != NULL)
		close_connection(connection);
	mail->connection = NULL;
	mail->message = NULL;
	mail->headers = mail->recipients = NULL;
}

/*
 * Ends the mails under way: at once those of which no part has been sent, and
 * the others after so many milliseconds.  They end within a second after that.
 */
void
mail_stop(int grace)
{
	pg_atomic_write_u32(&stopping, STOP_UNSENT);
	stop_at = now_ms() + grace;
}

/* In the thread of a mail. */

/*
 * Sends a mail, and hands it back.
 */
static void *
perform(void *arg)
{
	Mail *mail = arg;

	mail->ending = curl_easy_perform(mail->connection->easy);
	while (write(pipe_in, &mail, sizeof(mail)) < 0 && errno == EINTR)
		;
	return NULL;
}

/*
 * Called by libcurl with what it says, commands and parts of the message: with
 * each the mail comes to the step that it is of.
 */
static int
watch(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
	static const struct
	{
		const char *command;
		MailStep step;
	} steps[] = {{"MAIL FROM:", MAIL_SENDER}, {"RCPT TO:", MAIL_RECIPIENT}, {"DATA\r\n", MAIL_DATA}};
	Mail *mail = arg;

	if (type == CURLINFO_DATA_OUT)
		mail->step = MAIL_BODY;
	if (type != CURLINFO_HEADER_OUT || mail->quitting)
		return 0;
	if (size >= 4 && memcmp(data, "QUIT", 4) == 0)
	{
		mail->quitting = true;
		return 0;
	}
	mail->reply = 0;
	for (int i = 0; i < lengthof(steps); i++)
		if (size >= strlen(steps[i].command) && memcmp(data, steps[i].command, strlen(steps[i].command)) == 0)
			mail->step = steps[i].step;
	return 0;
}

/*
 * Called by libcurl with each line of a reply; to take less than that ends the
 * mail.
 */
static size_t
hear(char *data, size_t size, size_t count, void *arg)
{
	Mail *mail = arg;
	size_t length = size * count;

	if (mail->quitting)
		return length;
	mail->heard += Min(length, REPLIES_MAX);
	if (mail->heard > REPLIES_MAX)
	{
		mail->reply = 0;
		return 0;
	}
	/* This is how libcurl finds the last line of a reply. */
	if (length < 4 || strspn(data, "0123456789") < 3 || (data[3] != ' ' && length != 5))
		return length;
	if (mail->step == MAIL_BODY)
		CRASH_POINT("call_sent");
	mail->reply = atoi(data);
	/* libcurl sends the message after this reply, and after no other. */
	if (mail->step == MAIL_DATA && mail->reply == 354)
		mail->step = MAIL_BODY;
	length = Min(length, LINE_SIZE - 1);
	memcpy(mail->words, data, length);
	mail->words[length] = '\0';
	mail->words[strcspn(mail->words, "\r\n")] = '\0';
	return size * count;
}

/*
 * Called by libcurl at least once in a second; to return anything but 0 ends the
 * mail.  After QUIT there is nothing to wait for.
 */
static int
may_go_on(void *arg, curl_off_t download_size, curl_off_t downloaded, curl_off_t size, curl_off_t sent)
{
	Mail *mail = arg;
	uint32 stop = pg_atomic_read_u32(&stopping);

	if (!mail->quitting && (stop == STOP_ALL || (stop == STOP_UNSENT && mail->step < MAIL_BODY)))
		mail->stopped = true;
	return mail->stopped || mail->quitting;
}
