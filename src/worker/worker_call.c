/*
 * worker_call.c
 *	  The calls that a worker has under way, by partner: how many are allowed,
 *	  when a partner is not called, and the outcome of each.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "crash_point.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "seal.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "worker_slot.h"

#include "worker_run.h"

#include <sodium.h>

/* The part of its lifetime for which a session is used, because clocks differ and calls take time. */
#define SESSION_USED 0.9

static Channel channels[PARTNER_COUNT]; /* by partner_place(); partner is NULL if it is not configured */
static dlist_head ended = DLIST_STATIC_INIT(ended);

static uint64 hash_of(const char *text, uint64 seed);
static json_t *json_of(const char *text);
static Moment session_end(const Channel *channel, Moment asked_at);
static void forget_session(Channel *channel);
static void wipe(json_t *value);
static void end_call(Call *call);
static void end_login(Call *call);
static bool is_payout(const Call *call);
static void log_doubt(Call *call);

/*
 * Returns the channel of a partner with that configuration, or NULL for a
 * partner that this library does not have or that the other worker calls.  The
 * texts are JSON.  A revision counts again from a lower one after a dump is
 * restored in place, so the texts are compared, too.
 */
Channel *
channel_configure(const char *partner, int revision, const char *base_url, const char *settings, const char *secrets)
{
	const Partner *known = partner_named(partner);
	uint64 content = hash_of(base_url, hash_of(settings, hash_of(secrets, 0)));
	Channel *channel;

	if (known == NULL || partner_by_mail(known) != worker_kind->mail)
		return NULL;
	channel = &channels[partner_place(known)];
	channel->partner = known;
	if (channel->revision == revision && channel->content == content)
		return channel;

	forget_session(channel);
	json_decref(channel->config.settings);
	json_decref(channel->config.secrets);
	free(channel->config.base_url);
	channel->config.base_url = strdup(base_url);
	channel->config.settings = json_of(settings);
	channel->config.secrets = json_of(secrets);
	channel->refusals = 0;
	breaker_reset(channel);
	channel->revision = revision;
	channel->content = content;
	return channel;
}

/*
 * Returns a hash of a text and of what is before it.
 */
static uint64
hash_of(const char *text, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) text, strlen(text), seed);
}

/*
 * Converts JSON to a value of jansson's.  Returns NULL if memory is short.
 */
static json_t *
json_of(const char *text)
{
	return json_loads(text, 0, NULL);
}

/*
 * Returns how many calls may be started now.  A partner that has just failed
 * is not called for a while, and then gets a single call first.
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
 * Returns whether the partner needs no session, or has one.
 */
bool
channel_signed_in(const Channel *channel)
{
	return channel->partner->login == NULL ||
		   (channel->config.session != NULL && clock_now() < channel->session_ends);
}

/*
 * Returns when to renew a session that was requested at some moment: before
 * the partner ends it.
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
			call_send(call_make(channel, NULL, 0, channel->partner->login, "{}"));
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
 * Returns when the first of the pausing partners may be called again.
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
 * Makes a call from what was claimed.  params is JSON.  The call counts as under
 * way until call_free().
 */
Call *
call_make(Channel *channel, const char *uid, int attempt, const char *operation, const char *params)
{
	Call *call = MemoryContextAllocZero(TopMemoryContext, sizeof(Call));

	if (uid != NULL)
	{
		call->uid = MemoryContextStrdup(TopMemoryContext, uid);
		call->attempt = attempt;
		channel->in_flight++;
		channel->allowance--;
	}
	call->operation = MemoryContextStrdup(TopMemoryContext, operation);
	call->channel = channel;
	call->params = json_of(params);
	return call;
}

/*
 * Sends a call.  Raises no error: a failure is the outcome of the call.
 */
void
call_send(Call *call)
{
	const char *problem;

	call->session = call->channel->sessions;
	problem = worker_kind->send(call);
	if (problem != NULL)
		call_give_up(call, problem);
	else
	{
		call->sent_at = clock_now();
		CRASH_POINT("call_begun");
	}
}

/*
 * Opens the account that a call pays to, and puts its details into the params,
 * as "account", until call_close().  A call without an account is left as it is.
 * Returns why it could not, or NULL.  Raises no error.
 */
const char *
call_open(Call *call)
{
	static char problem[PARTNER_REASON_SIZE];
	const char *hex = json_string_value(json_object_get(call->params, "sealed"));
	size_t size = hex == NULL ? 0 : strlen(hex) / 2;
	unsigned char *sealed;
	const char *why = "memory is exhausted";
	char *text = NULL;
	json_t *account = NULL;

	if (hex == NULL)
		return NULL;
	sealed = malloc(Max(size, 1));
	if (sealed != NULL && sodium_hex2bin(sealed, size, hex, strlen(hex), NULL, &size, NULL) == 0)
		text = seal_opened(sealed, size, &why);
	free(sealed);
	if (text != NULL)
	{
		account = json_loads(text, 0, NULL);
		seal_wipe(text);
		why = "it is damaged";
	}
	if (account != NULL && json_object_set_new(call->params, "account", account) == 0)
		return NULL;
	snprintf(problem, sizeof(problem), "no_key: the account cannot be opened: %s", why);
	return problem;
}

/*
 * Overwrites and forgets what call_open() has put into the params of a call.
 */
void
call_close(Call *call)
{
	wipe(json_object_get(call->params, "account"));
	json_object_del(call->params, "account");
}

/*
 * Overwrites the texts of a value.
 */
static void
wipe(json_t *value)
{
	const char *name;
	json_t *member;

	if (json_is_string(value))
		sodium_memzero(unconstify(char *, json_string_value(value)), json_string_length(value));
	json_object_foreach (value, name, member)
		wipe(member);
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
 * Reads the answers that have arrived.  Returns how many calls have ended and
 * wait to be settled.
 */
int
calls_read(void)
{
	Call *call;
	dlist_iter iter;
	int count = 0;

	while ((call = worker_kind->next_ended()) != NULL)
	{
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
 * Records how a call ended.
 */
static void
end_call(Call *call)
{
	Channel *channel = call->channel;

	breaker_judge(call);
	if (call->answer.signed_out && call->session == channel->sessions)
		forget_session(channel);
	if (call->uid == NULL)
	{
		end_login(call);
		return;
	}
	worker_slot_count(channel->partner, call->answer.outcome,
					  call->answer.outcome == OUTCOME_DONE && is_payout(call),
					  call->sent_at == 0 ? -1 : clock_now() - call->sent_at);
	if (call->answer.outcome == OUTCOME_IN_DOUBT)
		log_doubt(call);
	dlist_push_tail(&ended, &call->node);
}

/*
 * Returns whether a call pays somebody.
 */
static bool
is_payout(const Call *call)
{
	return strcmp(call->operation, "load") == 0 || strcmp(call->operation, "pay") == 0;
}

/*
 * Logs that a call is in doubt.  Others that follow soon are only counted; the
 * next message has their number.
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
				   reference == NULL ? ""
				   : is_payout(call) ? " of payout "
									 : " of ",
				   reference == NULL ? "" : reference, call_reason(call)),
			channel->doubts == 1 ? 0 : errdetail("Calls in doubt since the last message: %d.", channel->doubts),
			errhint("murallink.needs_person will show the calls that look-ups do not settle."));
	channel->doubts = 0;
	channel->doubt_at = now;
}

/*
 * Returns why a call ended as it did, for the log, without the partner's
 * words.
 */
const char *
call_reason(const Call *call)
{
	return call->answer.quoted
			   ? psprintf("%s %d", worker_kind->mail ? "SMTP" : "HTTP", call->http_status)
			   : call->answer.reason;
}

/*
 * Stores the session that a login has answered.
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
 * Frees a call that was never sent, has been settled, or was a login.
 */
void
call_free(Call *call)
{
	if (call->uid != NULL)
	{
		call->channel->in_flight--;
		pfree(unconstify(char *, call->uid));
	}
	pfree(unconstify(char *, call->operation));
	json_decref(call->params);
	partner_answer_free(&call->answer);
	pfree(call);
}
