/*
 * worker_call.c
 *	  The calls that a worker has under way, by partner: how many there may be,
 *	  when a partner is left alone, and what each of them came to.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker.h"

#include "worker_call.h"

#define CHANNELS_MAX 8

/* A partner that fails is called again after this (in milliseconds) at first, and never later than that. */
#define PAUSE_FIRST 100
#define PAUSE_MAX 60000

static Channel channels[CHANNELS_MAX];
static dlist_head ended = DLIST_STATIC_INIT(ended);

static json_t *json_of(const char *text);
static void forget_session(Channel *channel);
static void end_call(Call *call, const HttpAnswer *http);
static void end_login(Call *call);
static void pause_channel(Channel *channel, const PartnerAnswer *answer);

/*
 * Returns the channel of a partner, brought to that configuration, or NULL for
 * a partner that this library does not know.  The texts are JSON in the
 * encoding of the database.
 */
Channel *
channel_configure(const char *partner, int revision, const char *base_url, const char *settings, const char *secrets)
{
	const Partner *known = partner_named(partner);
	Channel *channel = channels;

	if (known == NULL)
		return NULL;
	while (channel->partner != NULL && channel->partner != known)
		channel++;
	Assert(channel < channels + CHANNELS_MAX);
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
	channel->failures = 0;
	channel->resume_at = 0;
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
channel_room(Channel *channel, TimestampTz now)
{
	double		most = channel->failures > 0 ? 1 : partner_number(&channel->config, "concurrency");
	double		rate = partner_number(&channel->config, "rate");

	if (now < channel->resume_at)
		return 0;
	most -= channel->in_flight;
	if (rate > 0)
	{
		channel->allowance += rate * (now - channel->allowance_at) / USECS_PER_SEC;
		channel->allowance = Min(channel->allowance, Max(rate, 1));
		channel->allowance_at = now;
		most = Min(most, channel->allowance);
	}
	return (int) Max(most, 0);
}

/*
 * Counts calls that have been claimed.
 */
void
channel_take(Channel *channel, int calls)
{
	channel->in_flight += calls;
	channel->allowance -= calls;
}

/*
 * Returns whether calls can be made as far as a session is concerned.
 */
bool
channel_signed_in(const Channel *channel)
{
	return channel->partner->login == NULL || channel->config.session != NULL;
}
