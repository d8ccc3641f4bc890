/*
 * worker_breaker.c
 *	  Whether a partner works: one that fails is not called for a while, longer
 *	  each time.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "worker_slot.h"

#include "worker_run.h"

/* A partner that fails is called again after this (in milliseconds) at first, and never later than that. */
#define PAUSE_FIRST 100
#define PAUSE_MAX 60000

/* In milliseconds: by then, a call that was not sent has certainly been tried again, unless it was cancelled. */
#define FAILING_MAX 600000

static bool refused_again(Call *call);
static uint32 card_of(const Call *call);
static void note_success(Call *call);
static void note_failure(Call *call);

/*
 * Records whether a partner works.  That signing in succeeds does not prove
 * it.
 *
 * ending                     | is about    | outcome  | breaker
 * ---------------------------+-------------+----------+----------------------
 * done                       | the call    | done     | closes
 * declined                   | the call    | declined | closes
 * declined alike, again and  | the         | not sent | opens
 *   again: see refused_again |   operation |          |
 * signed out (401)           | the login   | not sent | opens; only the same
 *                            |             |          |   operation closes it
 * too many calls (429)       | the partner | not sent | opens, as long as asked
 * nothing was sent           | the partner | not sent | opens
 * no answer, 5xx, not clear  | the partner | in doubt | opens
 *
 * A call that was not sent is tried again, later each time.  After a 401 or
 * 429, a payout is tried again only if a look-up does not show it.
 * worker_status() shows a breaker that is not closed; needs_person shows what
 * was declined, what stays in doubt, and what was not sent several times.
 */
void
breaker_judge(Call *call)
{
	PartnerAnswer *answer = &call->answer;
	bool login = call->uid == NULL;

	if (login && answer->outcome == OUTCOME_DONE)
		return;
	if (refused_again(call))
		answer->outcome = OUTCOME_NOT_SENT;
	else if (!login && (answer->works || answer->outcome == OUTCOME_DONE || answer->outcome == OUTCOME_DECLINED))
	{
		note_success(call);
		return;
	}
	note_failure(call);
}

/*
 * Returns whether a payout or a card was refused like those before it: in the
 * same words, with no success between, and by a status that is not about the
 * content of the call, or each time for another card.  Then the path, the
 * rights or the settings are wrong, so other calls are not sent.
 */
static bool
refused_again(Call *call)
{
	Channel *channel = call->channel;
	int status = call->http_status;
	bool counted = false;
	char refusal[PARTNER_REASON_SIZE];
	uint32 card;

	if (strcmp(call->operation, "load") != 0 && strcmp(call->operation, "pay") != 0 &&
		strcmp(call->operation, "order") != 0)
		return false;
	if (call->answer.outcome == OUTCOME_DONE)
		channel->refusals = 0;
	if (call->answer.outcome != OUTCOME_DECLINED || json_object_get(call->answer.facts, "order_id") != NULL)
		return false;
	snprintf(refusal, sizeof(refusal), "%s %s", call->operation, call->answer.reason);
	if (strcmp(refusal, channel->refusal) != 0)
		channel->refusals = 0;
	strlcpy(channel->refusal, refusal, sizeof(channel->refusal));
	card = card_of(call);
	if (status != 403 && status != 404 && status != 405 && status != 410)
		for (int i = 0; i < channel->refusals; i++)
			counted = counted || channel->refused[i] == card;
	if (!counted && channel->refusals < REFUSALS_MAX)
		channel->refused[channel->refusals++] = card;
	return channel->refusals >= REFUSALS_MAX;
}

/*
 * Returns a hash of the card that a call loads, or of the person for whom it
 * orders one.
 */
static uint32
card_of(const Call *call)
{
	const char *proxy_key = json_string_value(json_object_get(call->params, "proxy_key"));
	char *person = proxy_key != NULL ? NULL : json_dumps(call->params, JSON_SORT_KEYS);
	const char *card = proxy_key != NULL ? proxy_key : person != NULL ? person
																	  : "";
	uint32 hash = hash_bytes((const unsigned char *) card, strlen(card));

	free(person);
	return hash;
}

/*
 * Closes the breaker of a partner.  A call that started before the partner
 * asked for a pause does not end the pause.  For some time, another operation
 * does not prove that a refused one works again.
 */
static void
note_success(Call *call)
{
	Channel *channel = call->channel;
	Moment now = clock_now();

	if (now < channel->asked_until)
		return;
	if (channel->failing != NULL && strcmp(channel->failing, call->operation) != 0 &&
		now - channel->failed_at < FAILING_MAX * CLOCK_MS)
		return;
	if (channel->fails_logged)
		ereport(LOG, errmsg("%s: %s works again", MyBgworkerEntry->bgw_name, channel->partner->name));
	breaker_reset(channel);
}

/*
 * Opens the breaker of a partner for a while, longer each time.  A call that
 * fails while it is open was sent before, and counts as the same failure.
 */
static void
note_failure(Call *call)
{
	Channel *channel = call->channel;
	const char *name = channel->partner->name;
	Moment now = clock_now();

	worker_slot_error(channel->partner, psprintf("%s: %s", name, call->answer.reason));
	free(channel->failing);
	channel->failing = call->uid != NULL && call->http_status != 0 && call->answer.outcome == OUTCOME_NOT_SENT
						   ? strdup(call->operation)
						   : NULL;
	channel->failed_at = now;
	if (now >= channel->resume_at)
	{
		int64 pause = PAUSE_FIRST << Min(channel->failures, 10);

		if (channel->failures++ > 0 && !channel->fails_logged &&
			(channel->fails_at == 0 || now - channel->fails_at >= LOG_INTERVAL * CLOCK_MS))
		{
			ereport(LOG, errmsg("%s: %s fails: %s", MyBgworkerEntry->bgw_name, name, call_reason(call)),
					errhint("It is called rarely until it works; murallink.worker_status() shows when."));
			channel->fails_logged = true;
			channel->fails_at = now;
		}
		pause = Min(pause, PAUSE_MAX) * (0.5 + pg_prng_double(&pg_global_prng_state));
		channel->resume_at = now + pause * CLOCK_MS;
	}
	if (call->answer.retry_after > 0)
		channel->asked_until = Max(channel->asked_until, now + call->answer.retry_after * CLOCK_S);
	channel->resume_at = Max(channel->resume_at, channel->asked_until);
	worker_slot_failing(channel->partner, channel->failures, channel->resume_at);
}

/*
 * Closes the breaker.
 */
void
breaker_reset(Channel *channel)
{
	channel->fails_logged = false;
	channel->failures = 0;
	channel->resume_at = channel->asked_until = 0;
	free(channel->failing);
	channel->failing = NULL;
	worker_slot_failing(channel->partner, 0, 0);
}
