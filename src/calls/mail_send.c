/*
 * mail_send.c
 *	  The thread in which libcurl sends a mail.
 *
 * The thread calls libcurl, which calls the functions under "In the thread of
 * a mail" below.  These neither allocate with palloc nor raise errors, and all
 * signals are blocked in the thread.  It returns the mail to the caller
 * through a pipe, and does not use it after that.
 *
 * The step that a mail has reached decides whether it may be sent again.  It
 * follows from the commands that libcurl sends, which watch() sees, and from
 * the replies, which hear() sees.
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "crash_point.h"
#include "mail_part.h"
#include "port/atomics.h"

static pg_atomic_uint32 stopping; /* a Stop */

static bool add_message(Mail *mail);
static void *perform(void *arg);
static int watch(CURL *easy, curl_infotype type, char *data, size_t size, void *arg);
static size_t hear(char *data, size_t size, size_t count, void *arg);
static int may_go_on(void *arg, curl_off_t download_size, curl_off_t downloaded, curl_off_t size, curl_off_t sent);

/*
 * Initializes what mails under way must do.  Called once, before the first
 * mail.
 */
void
mail_stop_init(void)
{
	pg_atomic_init_u32(&stopping, STOP_NONE);
}

/*
 * Sets which mails under way must stop.
 */
void
mail_say_stop(Stop stop)
{
	pg_atomic_write_u32(&stopping, stop);
}

/*
 * Returns which mails under way must stop.
 */
Stop
mail_said_stop(void)
{
	return (Stop) pg_atomic_read_u32(&stopping);
}

/*
 * Sets all options of libcurl.  Returns false if memory is short.
 *
 * The timeout for connecting is that of the mail, because libcurl includes
 * greeting and authentication in it, and a server may delay its greeting to
 * unknown clients.  Without CURLOPT_QUICK_EXIT, libcurl would wait for a name
 * that is still being resolved at the timeout.
 */
bool
mail_configure(Mail *mail)
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
 * Makes the message from a mail's headers and text.  Returns false if memory
 * is short.
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
 * Starts the thread that sends a mail.  Returns false if no thread can be
 * started.  Signals are blocked in it, because PostgreSQL's handlers must run
 * only in the first thread.
 */
bool
mail_start_thread(Mail *mail, int pipe)
{
	sigset_t all;
	sigset_t saved;
	int failure;

	mail->pipe = pipe;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	failure = pthread_create(&mail->thread, NULL, perform, mail);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return failure == 0;
}

/* In the thread of a mail. */

/*
 * Sends a mail, and returns it through the pipe.
 */
static void *
perform(void *arg)
{
	Mail *mail = arg;

	mail->ending = curl_easy_perform(mail->connection->easy);
	while (write(mail->pipe, &arg, sizeof(arg)) < 0 && errno == EINTR)
		;
	return NULL;
}

/*
 * Called by libcurl with what it sends, commands and parts of the message.
 * Each sets the step of the mail.
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
 * Called by libcurl with each line of a reply.  To return less than its size
 * ends the mail.
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
 * Called by libcurl at least once in a second.  To return anything but 0 ends
 * the mail.  After QUIT, nothing is waited for.
 */
static int
may_go_on(void *arg, curl_off_t download_size, curl_off_t downloaded, curl_off_t size, curl_off_t sent)
{
	Mail *mail = arg;
	Stop stop = mail_said_stop();

	if (!mail->quitting && (stop == STOP_ALL || (stop == STOP_UNSENT && mail->step < MAIL_BODY)))
		mail->stopped = true;
	return mail->stopped || mail->quitting;
}
