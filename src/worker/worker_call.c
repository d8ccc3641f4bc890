/*
 * worker_call.c
 *	  The calls that a worker has under way, by partner: how many there may be,
 *	  when a partner is left alone, and what each of them came to.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "crash_point.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "worker_slot.h"

#include "worker_call.h"

/* A partner that fails is called again after this (in milliseconds) at first, and never later than that. */
#define PAUSE_FIRST 100
#define PAUSE_MAX 60000

/* In milliseconds: what was not sent has surely been tried again, if it was not taken back. */
#define FAILING_MAX 600000

/* The part of its lifetime that a session is used for: clocks differ, and calls take their time. */
#define SESSION_USED 0.9

/* Of each partner the same is logged once in this time (in milliseconds). */
#define LOG_INTERVAL 60000

static Channel channels[PARTNER_COUNT]; /* by partner_place(); without a partner where it is not configured */
static dlist_head ended = DLIST_STATIC_INIT(ended);

static json_t *json_of(const char *text);
static Moment session_end(const Channel *channel, Moment asked_at);
static void forget_session(Channel *channel);
static void end_call(Call *call);
static void end_login(Call *call);
static void log_doubt(Call *call);
static const char *reason_to_log(const Call *call);
static void judge_channel(Call *call);
static bool refused_again(Call *call);
static uint32 card_of(const Call *call);
static void note_success(Call *call);
static void note_failure(Call *call);
static void reset_breaker(Channel *channel);

/*
 * Returns the channel of a partner, brought to that configuration, or NULL for
 * a partner that this library does not know.  The texts are JSON in the
 * encoding of the database.
 */
Channel *
channel_configure(const char *partner, int revision, const char *base_url, const char *settings, const char *secrets)
{
	const Partner *known = partner_named(partner);
	Channel *channel;

	if (known == NULL)
		return NULL;
	channel = &channels[partner_place(known)];
	channel->partner = known;
	if (channel->revision == revision)
		return channel;

	forget_session(channel);
	json_decref(channel->config.settings);
	json_decref(channel->config.secrets);
	free(channel->config.base_url);
	channel->config.base_url = strdup(base_url);
	channel->config.settings = json_of(settings);
	channel->config.secrets = json_of(secrets);
	channel->refusals = 0;
	reset_breaker(channel);
	channel->revision = revision;
	return channel;
}

/*
 * Returns JSON in the encoding of the database as jansson knows it, or NULL.
 */
static json_t *
json_of(const char *text)
{
	return json_loads(pg_server_to_any(text, strlen(text), PG_UTF8), 0, NULL);
}

/*
 * Returns how many calls may be begun now.  A partner that has just failed is
 * left alone for a while, and is then called once before it is called more
 * often.
 */
int
channel_room(Channel *channel, Moment now)
{
	double most = channel->failures > 0 ? 1 : partner_number(&channel->config, "concurrency");
	double rate = partner_number(&channel->config, "rate");

	if (now < channel->resume_at)
		return 0;
	most -= channel->in_flight - channel->settling;
	if (rate > 0)
	{
		channel->allowance += rate * (now - channel->allowance_at) / CLOCK_S;
		channel->allowance = Min(channel->allowance, Max(rate, 1));
		channel->allowance_at = now;
		most = Min(most, channel->allowance);
	}
	return (int) Max(most, 0);
}

/*
 * Returns whether calls can be made as far as a session is concerned.
 */
bool
channel_signed_in(const Channel *channel)
{
	return channel->partner->login == NULL ||
		   (channel->config.session != NULL && clock_now() < channel->session_ends);
}

/*
 * Returns when a session that was asked for at some moment is to be renewed:
 * before its partner ends it.
 */
static Moment
session_end(const Channel *channel, Moment asked_at)
{
	const char *setting = channel->partner->session_lifetime;
	double lifetime = setting == NULL ? 0 : partner_number(&channel->config, setting);

	return lifetime == 0 ? MOMENT_NEVER : asked_at + (Moment) (lifetime * CLOCK_S * SESSION_USED);
}

static void
forget_session(Channel *channel)
{
	free(unconstify(char *, channel->config.session));
	channel->config.session = NULL;
}

/*
 * Signs in to the partners that have work and no session.
 */
void
calls_sign_in(void)
{
	for (Channel *channel = channels; channel < channels + PARTNER_COUNT; channel++)
	{
		if (channel->due && !channel->signing_in)
		{
			channel->signing_in = true;
			call_send(call_make(channel, NULL, channel->partner->login, "{}"));
			CRASH_POINT("login_begun");
		}
		channel->due = false;
	}
}

/*
 * Returns how many calls are claimed and not yet settled.
 */
int
calls_in_flight(void)
{
	int count = 0;

	for (Channel *channel = channels; channel < channels + PARTNER_COUNT; channel++)
		count += channel->in_flight;
	return count;
}

/*
 * Returns whether any partner may be called now.
 */
bool
calls_room(void)
{
	for (Channel *channel = channels; channel < channels + PARTNER_COUNT; channel++)
		if (channel->partner != NULL && channel_room(channel, clock_now()) > 0)
			return true;
	return false;
}

/*
 * Returns when the first of the partners that are left alone may be called
 * again.
 */
Moment
calls_resume_at(void)
{
	Moment first = MOMENT_NEVER;
	Moment now = clock_now();

	for (Channel *channel = channels; channel < channels + PARTNER_COUNT; channel++)
		if (channel->resume_at > now)
			first = Min(first, channel->resume_at);
	return first;
}

/*
 * Makes a call of what was claimed: params is JSON in the encoding of the
 * database.  It counts as under way until call_free().
 */
Call *
call_make(Channel *channel, const char *attempt_uid, const char *operation, const char *params)
{
	Call *call = MemoryContextAllocZero(TopMemoryContext, sizeof(Call));

	if (attempt_uid != NULL)
	{
		call->attempt_uid = MemoryContextStrdup(TopMemoryContext, attempt_uid);
		channel->in_flight++;
		channel->allowance--;
	}
	call->operation = MemoryContextStrdup(TopMemoryContext, operation);
	call->channel = channel;
	call->params = json_of(params);
	return call;
}

/*
 * Sends a call.  Raises no error: what goes wrong is the call's outcome.
 */
void
call_send(Call *call)
{
	Channel *channel = call->channel;
	HttpRequest request = {0};

	call->session = channel->sessions;
	if (!partner_build(channel->partner, &channel->config, call->operation, call->params, &request))
	{
		http_request_free(&request);
		call_give_up(call, "the request could not be built");
	}
	else if (!http_start(&request, call))
		call_give_up(call, "memory or file descriptors are exhausted");
	else
	{
		call->sent_at = clock_now();
		CRASH_POINT("call_begun");
	}
}

/*
 * Ends a call that has not been sent.
 */
void
call_give_up(Call *call, const char *reason)
{
	call->answer.outcome = OUTCOME_NOT_SENT;
	strlcpy(call->answer.reason, reason, PARTNER_REASON_SIZE);
	end_call(call);
}

/*
 * Reads the answers that have come.  Returns how many calls have ended and wait
 * to be settled.
 */
int
calls_read(void)
{
	HttpCall *http;
	dlist_iter iter;
	int count = 0;

	while ((http = http_next_ended()) != NULL)
	{
		HttpAnswer answer = http_answer(http);
		Call *call = http_owner(http);

		call->http_status = answer.status;
		call->answer = partner_read(call->channel->partner, &call->channel->config, call->operation, call->params, &answer);
		http_free(http);
		CRASH_POINT("call_answered");
		end_call(call);
	}
	dlist_foreach(iter, &ended)
		count++;
	return count;
}

/*
 * Returns the calls that have ended and wait to be settled.
 */
dlist_head *
calls_ended(void)
{
	return &ended;
}

/*
 * Takes note of how a call ended.
 */
static void
end_call(Call *call)
{
	Channel *channel = call->channel;

	judge_channel(call);
	if (call->answer.signed_out && call->session == channel->sessions)
		forget_session(channel);
	if (call->attempt_uid == NULL)
	{
		end_login(call);
		return;
	}
	worker_slot_count(channel->partner, call->answer.outcome,
					  call->answer.outcome == OUTCOME_DONE && strcmp(call->operation, "load") == 0,
					  call->sent_at == 0 ? -1 : clock_now() - call->sent_at);
	if (call->answer.outcome == OUTCOME_IN_DOUBT)
		log_doubt(call);
	dlist_push_tail(&ended, &call->node);
}

/*
 * Logs that a call is in doubt; others that follow soon are counted, and told
 * with the next.
 */
static void
log_doubt(Call *call)
{
	Channel *channel = call->channel;
	const char *reference = json_string_value(json_object_get(call->params, "reference"));
	Moment now = clock_now();

	channel->doubts++;
	if (channel->doubt_at != 0 && now - channel->doubt_at < LOG_INTERVAL * CLOCK_MS)
		return;
	ereport(LOG,
			errmsg("%s: %s: %s%s%s is in doubt: %s", MyBgworkerEntry->bgw_name, channel->partner->name, call->operation,
				   reference == NULL					  ? ""
				   : strcmp(call->operation, "load") == 0 ? " of payout "
														  : " of ",
				   reference == NULL ? "" : reference, reason_to_log(call)),
			channel->doubts == 1 ? 0 : errdetail("Calls in doubt since the last message: %d.", channel->doubts),
			errhint("murallink.needs_person will show the calls that look-ups do not settle."));
	channel->doubts = 0;
	channel->doubt_at = now;
}

/*
 * Returns why a call ended as it did, without what the partner says of it.
 */
static const char *
reason_to_log(const Call *call)
{
	return call->answer.quoted
			   ? psprintf("%s %d", call->channel->partner->judge == NULL ? "HTTP" : "SMTP", call->http_status)
			   : call->answer.reason;
}

/*
 * Keeps the session that a login has answered.
 */
static void
end_login(Call *call)
{
	Channel *channel = call->channel;
	const char *session = json_string_value(json_object_get(call->answer.facts, "session"));

	CRASH_POINT("login_answered");
	channel->signing_in = false;
	SetLatch(MyLatch);
	if (call->answer.outcome == OUTCOME_DONE && session != NULL)
	{
		forget_session(channel);
		channel->config.session = strdup(session);
		channel->session_ends = session_end(channel, call->sent_at);
		channel->sessions++;
	}
	call_free(call);
}

/*
 * Takes note of whether a partner works; that one can sign in does not prove
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
 * What is not sent is tried again, later each time; a payout only once a look-up
 * has not shown it, if the partner has answered with 401 or 429.  A breaker that is
 * not closed is an alarm; people also see what was declined, what stays in
 * doubt, and a payout that was not sent time and again, in needs_person.
 */
static void
judge_channel(Call *call)
{
	PartnerAnswer *answer = &call->answer;
	bool login = call->attempt_uid == NULL;

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
 * Returns whether a payout or a card was refused as those before it were: in the
 * same words and with no success between, by a status that is not about what was
 * sent, or else each time about another card.  The path, the rights or the
 * settings are wrong then, so the others are spared it.
 */
static bool
refused_again(Call *call)
{
	Channel *channel = call->channel;
	int status = call->http_status;
	bool counted = false;
	char refusal[PARTNER_REASON_SIZE];
	uint32 card;

	if (strcmp(call->operation, "load") != 0 && strcmp(call->operation, "order") != 0)
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
 * Returns a hash of the card that a call loads, or of the person whom it orders one
 * for.
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
 * Has a partner called again as often as it may be.  What was begun before it
 * asked to be left alone does not change that; nor does another operation
 * prove that the one works which was refused, for some time.
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
	reset_breaker(channel);
}

/*
 * Closes the breaker.
 */
static void
reset_breaker(Channel *channel)
{
	channel->fails_logged = false;
	channel->failures = 0;
	channel->resume_at = channel->asked_until = 0;
	free(channel->failing);
	channel->failing = NULL;
	worker_slot_failing(channel->partner, 0, 0);
}

/*
 * Leaves a partner alone for a while, longer each time.  What fails meanwhile
 * was sent before, and is the same failure.
 */
static void
note_failure(Call *call)
{
	Channel *channel = call->channel;
	const char *name = channel->partner->name;
	Moment now = clock_now();

	worker_slot_error(channel->partner, psprintf("%s: %s", name, call->answer.reason));
	free(channel->failing);
	channel->failing = call->attempt_uid != NULL && call->http_status != 0 && call->answer.outcome == OUTCOME_NOT_SENT
						   ? strdup(call->operation)
						   : NULL;
	channel->failed_at = now;
	if (now >= channel->resume_at)
	{
		int64 pause = PAUSE_FIRST << Min(channel->failures, 10);

		if (channel->failures++ > 0 && !channel->fails_logged &&
			(channel->fails_at == 0 || now - channel->fails_at >= LOG_INTERVAL * CLOCK_MS))
		{
			ereport(LOG, errmsg("%s: %s fails: %s", MyBgworkerEntry->bgw_name, name, reason_to_log(call)),
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
 * Frees a call that was never sent, has been settled, or was a login.
 */
void
call_free(Call *call)
{
	if (call->attempt_uid != NULL)
	{
		call->channel->in_flight--;
		pfree(unconstify(char *, call->attempt_uid));
	}
	pfree(unconstify(char *, call->operation));
	json_decref(call->params);
	partner_answer_free(&call->answer);
	pfree(call);
}
