/*
 * worker_event.c
 *	  The worker that finds funds that are low, announces events to sessions that
 *	  listen, and posts them to webhooks.  It is a process of its own, so that none of
 *	  this is ever in the way of a payout.
 *
 * For each webhook one batch is under way at a time.  When all posts of a batch
 * have ended, one transaction stores how: so after a crash a batch is posted
 * again, and nothing is skipped.
 */
#include "postgres.h"

#include <sodium.h>
#include <time.h>

#include "install.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "http.h"
#include "partner_json.h"
#include "worker_run.h"

/* In milliseconds: events are read no more often, and at least so often; how long to wait after an error. */
#define LOOK_PAUSE 100
#define LOOK_INTERVAL 1000
#define FAILED_INTERVAL 5000

/* In milliseconds: how often funds are looked at. */
#define FUNDS_INTERVAL 1000

/* In milliseconds: how long a webhook may take. */
#define POST_TIMEOUT 10000

/* The longest key of a secret, in bytes. */
#define KEY_MAX 64

/* The posts to a webhook that are under way together. */
typedef struct Batch
{
	dlist_node node; /* in batches */
	char *webhook; /* its uid */
	char *as_of; /* when it was changed last */
	char *next; /* how far it has come when all have ended; NULL: no further */
	json_t *results;
	int open; /* posts that have not ended */
} Batch;

/* One post. */
typedef struct Post
{
	Batch *batch;
	char event[64]; /* its uid */
} Post;

static dlist_head batches = DLIST_STATIC_INIT(batches);
static char announced[WORKER_SEQUENCE_SIZE]; /* what the open transaction has announced */
static bool more_to_announce = false;
static Moment looked_at = 0;
static Moment next_look = 0;
static Moment next_settle = 0;
static Moment next_funds = 0;

static void work(Moment deadline, MemoryContext context);
static int under_way(void);
static int stop(int grace);
static void read_ended(void);
static void end_post(Post *post, int status, const char *reason);
static bool any_ended(void);
static void watch_funds(void *arg);
static void announce(void *arg);
static void settle(void *arg);
static void take(void *arg);
static Batch *batch_of(const char *webhook, const char *as_of, const char *next);
static void post_event(Batch *batch, const char *event, const char *url, const char *body, const char *secrets);
static char *signatures(const char *secrets, const char *id, const char *timestamp, const char *body);
static void forget_ended(void);

const WorkerKind worker_events = {.sort = WORKER_EVENTS,
								  .open = http_open,
								  .wait = http_wait,
								  .turn = http_turn,
								  .work = work,
								  .under_way = under_way,
								  .stop = stop};

/*
 * One turn: waits, reads the answers, stores how batches have ended, announces
 * new events and posts them, each in a transaction of its own, so that an error
 * in one does not hold up the others.  A stopping worker only stores.
 */
static void
work(Moment deadline, MemoryContext context)
{
	bool woken = worker_wait(deadline != 0 ? deadline : next_look);
	Moment now;
	bool done = true;

	http_turn();
	read_ended();
	now = clock_now();
	if (woken)
		next_look = Min(next_look, looked_at + LOOK_PAUSE * CLOCK_MS);
	if (now >= next_settle && any_ended())
	{
		if (worker_transact("storing posts", context, settle, NULL))
			forget_ended();
		else
			next_settle = now + FAILED_INTERVAL * CLOCK_MS;
		next_look = Min(next_look, now);
	}
	if (deadline != 0 || now < next_look)
		return;
	looked_at = now;
	more_to_announce = false;
	if (now >= next_funds)
	{
		bool watched = worker_transact("looking at funds", context, watch_funds, NULL);

		next_funds = now + (watched ? FUNDS_INTERVAL : FAILED_INTERVAL) * CLOCK_MS;
	}
	if (worker_transact("announcing events", context, announce, NULL))
		worker_slot_announce(announced);
	else
		done = false;
	done &= worker_transact("reading events to post", context, take, NULL);
	http_turn();
	next_look = now + (!done ? FAILED_INTERVAL : more_to_announce ? LOOK_PAUSE
																  : LOOK_INTERVAL) *
						  CLOCK_MS;
}

/*
 * Returns how many posts have not ended.
 */
static int
under_way(void)
{
	dlist_iter iter;
	int count = 0;

	dlist_foreach(iter, &batches)
		count += dlist_container(Batch, node, iter.cur)->open;
	return count;
}

/*
 * Returns for how many milliseconds to wait for posts under way: not at all,
 * because they are posted again.
 */
static int
stop(int grace)
{
	return 0;
}

/*
 * Reads the answers that have arrived.
 */
static void
read_ended(void)
{
	HttpCall *http;

	while ((http = http_next_ended()) != NULL)
	{
		HttpAnswer answer = http_answer(http);

		if (answer.complete && answer.status >= 200 && answer.status < 300)
			end_post(http_owner(http), answer.status, NULL);
		else if (answer.complete)
			end_post(http_owner(http), answer.status, psprintf("HTTP %d", answer.status));
		else
			end_post(http_owner(http), 0, answer.error);
		http_free(http);
	}
}

/*
 * Records how a post has ended.  status: 0 without an answer; reason: NULL if
 * the event was accepted.
 */
static void
end_post(Post *post, int status, const char *reason)
{
	json_t *result = json_pack("{s:s, s:s?}", "event_uid", post->event, "reason", reason);

	if (result == NULL)
		result = json_pack("{s:s, s:s}", "event_uid", post->event, "reason", "the error is no text");
	if (status != 0)
		json_object_set_new(result, "http_status", json_integer(status));
	json_array_append_new(post->batch->results, result);
	post->batch->open--;
	pfree(post);
}

/*
 * Returns whether all posts of a batch have ended.
 */
static bool
any_ended(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &batches) if (dlist_container(Batch, node, iter.cur)->open == 0) return true;
	return false;
}

/*
 * Work of a transaction: finds funds that have become low, which is an event.
 */
static void
watch_funds(void *arg)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.funds_watch()", "");

	plan_execute(&plan, NULL, NULL, 1);
}

/*
 * Work of a transaction: announces new events.  How far it has come is kept in
 * shared memory only, because a client that listens loses its connection with it.
 */
static void
announce(void *arg)
{
	static SavedPlan plan = PLAN("SELECT next, more FROM murallink_private.events_announce($1, $2)", "tz");
	TimestampTz since;
	Datum values[2];
	bool isnull;

	worker_slot_announced(announced, &since);
	values[0] = CStringGetTextDatum(announced);
	values[1] = TimestampTzGetDatum(since);
	plan_execute(&plan, values, NULL, 1);
	strlcpy(announced, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), sizeof(announced));
	more_to_announce = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
}

/*
 * Work of a transaction: stores how the posts of ended batches have ended.
 */
static void
settle(void *arg)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.webhooks_settle($1)", "j");
	json_t *all = json_array();
	dlist_iter iter;
	Datum value;

	dlist_foreach(iter, &batches)
	{
		Batch *batch = dlist_container(Batch, node, iter.cur);

		if (batch->open == 0)
			json_array_append_new(all, json_pack("{s:s, s:s, s:s?, s:O}", "webhook_uid", batch->webhook, "as_of",
												 batch->as_of, "next", batch->next, "results", batch->results));
	}
	value = partner_jsonb(all);
	plan_execute(&plan, &value, NULL, 0);
}

/*
 * Work of a transaction: reads what to post to the webhooks that have no batch
 * under way, and posts it.  If the transaction fails after that, nothing is
 * lost, because it stores nothing about it.
 */
static void
take(void *arg)
{
	static SavedPlan plan =
		PLAN("SELECT webhook_uid, as_of, next, event_uid, url, body, secrets"
			 " FROM murallink_private.webhooks_take(ARRAY(SELECT v.u::murallink.ksuid"
			 " FROM pg_catalog.jsonb_array_elements_text($1) AS v (u)))",
			 "j");
	StringInfoData busy;
	dlist_iter iter;
	Datum value;
	SPITupleTable *rows;

	initStringInfo(&busy);
	appendStringInfoChar(&busy, '[');
	dlist_foreach(iter, &batches)
		appendStringInfo(&busy, "%s\"%s\"", busy.len > 1 ? "," : "", dlist_container(Batch, node, iter.cur)->webhook);
	appendStringInfoChar(&busy, ']');
	value = DirectFunctionCall1(jsonb_in, CStringGetDatum(busy.data));
	plan_execute(&plan, &value, NULL, 0);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < rows->numvals; i++)
	{
		HeapTuple row = rows->vals[i];
		TupleDesc desc = rows->tupdesc;

		CHECK_FOR_INTERRUPTS();
		post_event(batch_of(SPI_getvalue(row, desc, 1), SPI_getvalue(row, desc, 2), SPI_getvalue(row, desc, 3)),
				   SPI_getvalue(row, desc, 4), SPI_getvalue(row, desc, 5), SPI_getvalue(row, desc, 6),
				   SPI_getvalue(row, desc, 7));
	}
}

/*
 * Returns the batch of a webhook; makes one at first.  as_of: when the webhook
 * was changed last; next: how far it has come when all posts have ended, or NULL.
 */
static Batch *
batch_of(const char *webhook, const char *as_of, const char *next)
{
	dlist_iter iter;
	Batch *batch;

	dlist_foreach(iter, &batches)
	{
		batch = dlist_container(Batch, node, iter.cur);
		if (strcmp(batch->webhook, webhook) == 0)
			return batch;
	}
	batch = MemoryContextAllocZero(TopMemoryContext, sizeof(Batch));
	batch->webhook = MemoryContextStrdup(TopMemoryContext, webhook);
	batch->as_of = MemoryContextStrdup(TopMemoryContext, as_of);
	batch->next = next == NULL ? NULL : MemoryContextStrdup(TopMemoryContext, next);
	batch->results = json_array();
	dlist_push_tail(&batches, &batch->node);
	return batch;
}

/*
 * Posts an event.  secrets: in hexadecimal digits, with a blank between them.
 * Raises no error: a failure is how the post ends.
 */
static void
post_event(Batch *batch, const char *event, const char *url, const char *body, const char *secrets)
{
	Post *post = MemoryContextAllocZero(TopMemoryContext, sizeof(Post));
	HttpRequest request = {.connect_timeout = POST_TIMEOUT, .timeout = POST_TIMEOUT};
	char *timestamp = psprintf("%lld", (long long) time(NULL));

	post->batch = batch;
	strlcpy(post->event, event, sizeof(post->event));
	batch->open++;
	request.url = strdup(url);
	request.body = strdup(body);
	if (request.url == NULL || request.body == NULL || !http_header(&request, "webhook-id", event) ||
		!http_header(&request, "webhook-timestamp", timestamp) ||
		!http_header(&request, "webhook-signature", signatures(secrets, event, timestamp, body)))
	{
		http_request_free(&request);
		end_post(post, 0, "memory is exhausted");
	}
	else if (!http_start(&request, post))
		end_post(post, 0, "memory or file descriptors are exhausted");
}

/*
 * Returns the signatures of a post, one for each secret, as Standard Webhooks
 * writes them: HMAC-SHA256 of the id, the timestamp and the body, in base64.
 */
static char *
signatures(const char *secrets, const char *id, const char *timestamp, const char *body)
{
	StringInfoData out;
	char *content = psprintf("%s.%s.%s", id, timestamp, body);

	initStringInfo(&out);
	while (*secrets != '\0')
	{
		size_t digits = strcspn(secrets, " ");
		unsigned char key[KEY_MAX];
		size_t size = 0;
		unsigned char hash[crypto_auth_hmacsha256_BYTES];
		char text[sodium_base64_ENCODED_LEN(sizeof(hash), sodium_base64_VARIANT_ORIGINAL)];
		crypto_auth_hmacsha256_state state;

		(void) sodium_hex2bin(key, sizeof(key), secrets, digits, NULL, &size, NULL);
		crypto_auth_hmacsha256_init(&state, key, size);
		crypto_auth_hmacsha256_update(&state, (const unsigned char *) content, strlen(content));
		crypto_auth_hmacsha256_final(&state, hash);
		sodium_memzero(key, sizeof(key));
		sodium_bin2base64(text, sizeof(text), hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL);
		appendStringInfo(&out, "%sv1,%s", out.len > 0 ? " " : "", text);
		secrets += digits + (secrets[digits] == ' ' ? 1 : 0);
	}
	return out.data;
}

/*
 * Frees the batches whose posts have ended, which have been stored.
 */
static void
forget_ended(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &batches)
	{
		Batch *batch = dlist_container(Batch, node, iter.cur);

		if (batch->open > 0)
			continue;
		dlist_delete(iter.cur);
		json_decref(batch->results);
		pfree(batch->webhook);
		pfree(batch->as_of);
		if (batch->next != NULL)
			pfree(batch->next);
		pfree(batch);
	}
}
