/*
 * mail.c
 *	  Mails in flight: libcurl sends each one in a thread of its own, and the
 *	  caller's thread does not wait for them.
 *
 * At the end of a message, libcurl blocks until the server has answered, also
 * with its multi interface.  So each mail has a thread, in which libcurl may
 * block: see mail_send.c.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "mail_part.h"
#include "storage/fd.h"
#include "storage/ipc.h"

static int pipe_in = -1; /* pointers to mails whose threads end */
static int pipe_out = -1;
static Moment stop_at = MOMENT_NEVER; /* when to set STOP_ALL */
static dlist_head waiting = DLIST_STATIC_INIT(waiting); /* for what those under way use */
static dlist_head under_way = DLIST_STATIC_INIT(under_way);
static dlist_head ended = DLIST_STATIC_INIT(ended);

static void stop_all(int code, Datum arg);
static void begin_waiting(void);
static bool begin(Mail *mail);
static void release(Mail *mail);
static void join(Mail *mail);

/*
 * Prepares this process for mails and returns the descriptor to wait for.
 * Raises an error if libcurl or the kernel fails.  libcurl must not be
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
	mail_stop_init();
	before_shmem_exit(stop_all, (Datum) 0);
	return pipe_out;
}

/*
 * Ends all threads before the process ends, because they use what exit()
 * destroys, such as OpenSSL.  Each thread checks at least once in a second
 * whether it must stop.
 */
static void
stop_all(int code, Datum arg)
{
	dlist_mutable_iter iter;

	mail_say_stop(STOP_ALL);
	dlist_foreach_modify(iter, &under_way)
		join(dlist_container(Mail, node, iter.cur));
}

/*
 * Starts a mail; mail_owner() returns owner.  If descriptors or threads are
 * short, it waits until another mail has ended.  Returns false if memory is
 * short; then nothing was sent.  Takes over the strings of the request in any
 * case.
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
 * Starts the waiting mails for which there is room.  A mail that cannot be
 * started although no other is under way ends without being sent, and so do
 * all waiting mails after mail_stop().
 */
static void
begin_waiting(void)
{
	while (!dlist_is_empty(&waiting))
	{
		Mail *mail = dlist_head_element(Mail, node, &waiting);

		mail->stopped = mail_said_stop() != STOP_NONE;
		if (!mail->stopped && begin(mail))
		{
			dlist_delete(&mail->node);
			dlist_push_tail(&under_way, &mail->node);
			continue;
		}
		if (!mail->stopped && !(dlist_is_empty(&under_way) && dlist_is_empty(&ended)))
			return;
		strlcpy(mail->error, "memory, file descriptors or threads are exhausted", sizeof(mail->error));
		mail->ending = CURLE_FAILED_INIT;
		dlist_delete(&mail->node);
		dlist_push_tail(&ended, &mail->node);
	}
}

/*
 * Starts a mail.  Returns false if memory, descriptors or threads are short.
 */
static bool
begin(Mail *mail)
{
	mail->connection = mail_connection_for(&mail->request);
	if (mail->connection == NULL)
		return false;
	if (mail_configure(mail) && mail_start_thread(mail, pipe_in))
		return true;
	mail->ending = CURLE_FAILED_INIT;
	release(mail);
	return false;
}

/*
 * Returns after how many milliseconds, at most that many, mail_turn() must be
 * called even if the descriptor is not ready.
 */
long
mail_wait(long most)
{
	Moment until = mail_connections_until();

	return dlist_is_empty(&ended) ? clock_wait(Min(stop_at, until), most) : 0;
}

/*
 * Collects the mails that have ended, and does what depends on time alone.
 */
void
mail_turn(void)
{
	void *back;

	while (read(pipe_out, &back, sizeof(back)) == sizeof(back))
	{
		Mail *mail = back;

		join(mail);
		dlist_push_tail(&ended, &mail->node);
	}
	if (stop_at <= clock_now())
	{
		stop_at = MOMENT_NEVER;
		mail_say_stop(STOP_ALL);
	}
	begin_waiting();
	mail_connections_turn();
}

/*
 * Waits for the end of the thread of a mail that has been sent or has failed.
 */
static void
join(Mail *mail)
{
	dlist_delete(&mail->node);
	(void) pthread_join(mail->thread, NULL);
}

/*
 * Returns a mail that has ended, which the caller frees, or NULL.
 */
Mail *
mail_next_ended(void)
{
	return dlist_is_empty(&ended) ? NULL : dlist_container(Mail, node, dlist_pop_head_node(&ended));
}

/*
 * Returns the owner that mail_start() was given.
 */
void *
mail_owner(const Mail *mail)
{
	return mail->owner;
}

/*
 * Returns how a mail ended.  The result points into the mail.  The server has
 * accepted the message if libcurl and the last reply both say so.
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
 * Frees a mail that has ended, which makes room for others.
 */
void
mail_free(Mail *mail)
{
	release(mail);
	mail_request_free(&mail->request);
	free(mail);
	begin_waiting();
}

/*
 * Frees what was allocated to send a mail.  Keeps its connection for other
 * mails if the server has accepted the message.
 */
static void
release(Mail *mail)
{
	MailConnection *connection = mail->connection;

	if (connection != NULL)
		curl_easy_reset(connection->easy);
	curl_mime_free(mail->message);
	curl_slist_free_all(mail->headers);
	curl_slist_free_all(mail->recipients);
	if (connection != NULL && mail->ending == CURLE_OK)
		mail_connection_keep(connection);
	else if (connection != NULL)
		mail_connection_close(connection);
	mail->connection = NULL;
	mail->message = NULL;
	mail->headers = mail->recipients = NULL;
}

/*
 * Ends the mails under way: at once those of which no part has been sent, the
 * others after this many milliseconds.  They end at most a second later.
 */
void
mail_stop(int grace)
{
	mail_say_stop(STOP_UNSENT);
	stop_at = clock_now() + grace * CLOCK_MS;
}
