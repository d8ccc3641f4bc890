/*
 * worker_mail.c
 *	  The worker that sends mail.  It is a process of its own, so that no mail
 *	  server can hold up a payout.
 */
#include "postgres.h"

#include "worker_run.h"

/* In milliseconds: new calls are read no more often, because the latch is set for payouts, too. */
#define LOOK_PAUSE 100

/*
 * In milliseconds: how long a stopping worker waits for messages that are
 * being sent, and how long it takes at most to end them after that.
 */
#define GRACE_MAX 1000
#define END_MAX 1500

static const char *send_mail(Call *call);
static Call *next_ended(void);
static int stop(int grace);

const WorkerKind worker_mail = {.sort = WORKER_MAIL,
								.mail = true,
								.look_pause = LOOK_PAUSE,
								.open = mail_open,
								.wait = mail_wait,
								.turn = mail_turn,
								.work = worker_work,
								.under_way = calls_in_flight,
								.send = send_mail,
								.next_ended = next_ended,
								.stop = stop};

/*
 * Sends a mail.  Returns why it could not, or NULL.
 */
static const char *
send_mail(Call *call)
{
	MailRequest request = {0};

	if (!partner_compose(call->channel->partner, &call->channel->config, call->operation, call->params, &request))
	{
		mail_request_free(&request);
		return "the message could not be built";
	}
	return mail_start(&request, call) ? NULL : "memory is exhausted";
}

/*
 * Returns a call that has ended, with its answer, or NULL.
 */
static Call *
next_ended(void)
{
	Mail *mail = mail_next_ended();
	MailAnswer answer;
	Call *call;

	if (mail == NULL)
		return NULL;
	answer = mail_answer(mail);
	call = mail_owner(mail);
	call->http_status = answer.status;
	call->answer = partner_judge(call->channel->partner, &call->channel->config, call->params, &answer);
	mail_free(mail);
	return call;
}

/*
 * Ends the mails under way, and returns for how many milliseconds to wait for
 * them.
 */
static int
stop(int grace)
{
	grace = Min(grace, GRACE_MAX);
	mail_stop(grace);
	return grace + END_MAX;
}
