/*
 * worker_claim.c
 *	  What a worker does in the tables: it settles the calls that have ended,
 *	  and claims those that are due.
 *
 * A claim is committed before a byte of its call is sent; no transaction is
 * open while calls are under way; each call is settled by the number of its
 * attempt.  Whatever was claimed by a worker that ended without settling it is
 * put in doubt by the next one of its kind.  So nothing is ever sent twice by
 * itself.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "crash_point.h"
#include "install.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "worker_run.h"

/* In milliseconds: how often all that is due is looked at; in seconds: since when what has become due is, otherwise. */
#define LOOK_WHOLE 1000
#define LOOK_BACK 2

/* In milliseconds: how often outcomes are applied that could not be at once. */
#define LATE_INTERVAL 5000

/* In milliseconds: for how long somebody keeps everything from being claimed before people are shown who does. */
#define LOCKED_LEAST 60000

static Moment next_late = 0;
static Moment next_count = 0; /* of what is held up by others */
static bool recovered = false; /* from the end of an earlier worker */

static int put_forward = -1; /* worker_set_backs, when what a clock that was ahead had put off was put forward */

/* What the open transaction does, and has claimed, to be sent when it has committed. */
static bool recovering;
static int putting_forward = -1; /* what put_forward is to be */
static bool more_late; /* outcomes that could not be applied at once: some were, and others are left */
static dlist_head claimed = DLIST_STATIC_INIT(claimed);

static json_t *result_of(const Call *call);
static void keep_house(void);
static bool lock_table(const char *name, LOCKMODE mode);
static void note_locked(bool locked);
static void recover(void);
static TimestampTz look_from(Channel *channel, bool some);
static void claim(Channel *channel);

/*
 * Writes the outcomes of the calls that have ended.
 */
void
worker_settle(void)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.settle_calls($1)", "j");
	json_t *results = json_array();
	dlist_iter iter;
	char *text;
	Datum value;

	dlist_foreach(iter, calls_ended())
	{
		Call *call = dlist_container(Call, node, iter.cur);

		json_array_append_new(results, result_of(call));
		call->channel->settling++;
	}
	text = json_dumps(results, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(results);
	if (text == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	value = CStringGetDatum(pstrdup(text));
	free(text);
	value = DirectFunctionCall1(jsonb_in, value);
	CRASH_POINT("settling");
	plan_execute(&plan, &value, NULL, 0);
	CRASH_POINT("settled");
}

/*
 * Returns how a call ended, as settle_calls() takes it.  The answer is text,
 * so that an encoding that lacks some of its characters can keep it.
 */
static json_t *
result_of(const Call *call)
{
	const PartnerAnswer *answer = &call->answer;
	char *whole = json_dumps(answer->answer, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	json_t *result = json_pack("{s:s, s:i, s:s, s:s, s:O?, s:s?}",
							   "call_uid", call->uid,
							   "attempt", call->attempt,
							   "outcome", partner_outcome_name(answer->outcome),
							   "reason", answer->reason,
							   "facts", answer->facts,
							   "answer", whole);

	free(whole);
	if (call->http_status != 0)
		json_object_set_new(result, "http_status", json_integer(call->http_status));
	return result;
}

/*
 * Forgets the calls that worker_settle() has settled, if that was committed;
 * otherwise they are kept for later.
 */
void
worker_settled(bool committed)
{
	dlist_mutable_iter iter;

	if (committed)
		CRASH_POINT("settle_committed");
	dlist_foreach_modify(iter, calls_ended())
	{
		Call *call = dlist_container(Call, node, iter.cur);

		call->channel->settling = 0;
		if (committed)
		{
			dlist_delete(iter.cur);
			call_free(call);
		}
	}
}

/*
 * Reads how payments are made here and at the partners, and claims what is due.
 * The partners and what is held stay as they are until the claims are
 * committed; while somebody changes them, nothing is claimed.
 * What has been sent comes to its end also where payouts are off.
 */
void
worker_look(void)
{
	static SavedPlan partners =
		PLAN("SELECT p.name, p.revision, p.base_url, p.settings, s.secrets"
			 " FROM murallink_private.partner p JOIN murallink_private.partner_secret s ON s.partner_uid = p.uid",
			 "");
	SPITupleTable *rows;
	Moment now = clock_now();
	bool locked;
	bool on;

	locked = !lock_table("payout_switch", RowShareLock);
	if (locked || !worker_payouts_here(&on))
	{
		note_locked(locked);
		return;
	}
	if (!recovered)
		recover();
	if (!worker_kind->mail)
		keep_house();
	locked = on && (!lock_table("partner", ShareLock) || !lock_table("payout_hold", ShareLock));
	note_locked(locked);
	if (!on || locked)
		return;
	plan_execute(&partners, NULL, NULL, 0);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < rows->numvals; i++)
	{
		HeapTuple row = rows->vals[i];
		TupleDesc desc = rows->tupdesc;
		Channel *channel = channel_configure(SPI_getvalue(row, desc, 1), atoi(SPI_getvalue(row, desc, 2)),
											 SPI_getvalue(row, desc, 3), SPI_getvalue(row, desc, 4),
											 SPI_getvalue(row, desc, 5));

		if (channel != NULL && channel_room(channel, now) > 0)
			claim(channel);
	}
}

/*
 * Applies outcomes that could not be at once, and puts forward what a clock that
 * was ahead has put off: of all partners, for one worker can do it.
 */
static void
keep_house(void)
{
	static SavedPlan late =
		PLAN("SELECT murallink_private.apply_late($1), CASE WHEN $2 THEN murallink_private.reroute_late() END", "bb");
	static SavedPlan forward = PLAN("SELECT murallink_private.calls_set_back()", "");
	Moment now = clock_now();

	if (!recovering && (now >= next_late || now >= next_count))
	{
		bool counted = now >= next_count;
		Datum arguments[] = {BoolGetDatum(counted), BoolGetDatum(!worker_kind->mail)};
		bool isnull;

		plan_execute(&late, arguments, NULL, 1);
		if (counted)
			next_count = now + LATE_INTERVAL * CLOCK_MS;
		more_late = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		next_late = more_late ? now : now + LATE_INTERVAL * CLOCK_MS;
	}
	if (put_forward != worker_set_backs)
	{
		plan_execute(&forward, NULL, NULL, 0);
		putting_forward = worker_set_backs;
	}
}

/*
 * Sends what worker_look() has claimed, and returns whether to look again at
 * once.  What the transaction could not commit is not sent; nor is what it
 * committed while the server was told to stop, because the commit may then have
 * reached no standby.
 */
bool
worker_looked(bool committed)
{
	dlist_mutable_iter iter;
	bool again;

	if (committed)
	{
		recovered |= recovering;
		put_forward = putting_forward;
		if (recovering)
			CRASH_POINT("recovery_committed");
		if (!dlist_is_empty(&claimed))
			CRASH_POINT("claim_committed");
	}
	dlist_foreach_modify(iter, &claimed)
	{
		Call *call = dlist_container(Call, node, iter.cur);

		dlist_delete(iter.cur);
		if (!committed)
			call_free(call);
		else if (worker_stopping())
			call_give_up(call, "the worker stopped before it was sent");
		else
			call_send(call);
	}
	if (committed && !worker_stopping())
		calls_sign_in();
	again = committed && more_late;
	recovering = more_late = false;
	putting_forward = put_forward;
	return again;
}

/*
 * Locks a table of schema murallink_private, until the transaction ends, where
 * this needs no waiting; returns whether it did.
 */
static bool
lock_table(const char *name, LOCKMODE mode)
{
	return ConditionalLockRelationOid(get_relname_relid(name, get_namespace_oid("murallink_private", false)), mode);
}

/*
 * Takes note of whether somebody keeps everything from being claimed, by a
 * transaction that holds, sets up or switches and does not end: needs_person
 * shows who does after a minute, until it has ended.
 */
static void
note_locked(bool locked)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.calls_locked($1)", "b");
	static Moment since = 0; /* 0: nobody does */
	static Moment next = 0;
	static bool noted = true; /* by an earlier worker, perhaps */
	Moment now = clock_now();
	Datum value = BoolGetDatum(locked);

	if (worker_kind->mail)
		return; /* the other worker meets the same locks */
	if (!locked)
		since = 0;
	else if (since == 0)
	{
		since = now;
		next = now + LOCKED_LEAST * CLOCK_MS;
	}
	if (locked ? now < next : !noted)
		return;
	plan_execute(&plan, &value, NULL, 0);
	noted = locked;
	next = now + LATE_INTERVAL * CLOCK_MS;
}

/*
 * Returns whether what has been sent was sent from here, and whether this
 * database pays out; logs when that changes, by one of the workers.  Nobody turns payouts off until
 * the transaction ends; while somebody does, nothing is here.
 */
bool
worker_payouts_here(bool *on)
{
	static SavedPlan plan =
		PLAN("SELECT murallink_private.payouts_state(), place = murallink_private.payout_place()"
			 " FROM murallink_private.payout_switch",
			 "");
	static char last[16] = "";
	char *database = get_database_name(MyDatabaseId);
	bool here;
	bool isnull;
	char *state;

	if (!lock_table("payout_switch", RowShareLock) || plan_execute(&plan, NULL, NULL, 1) == 0)
		return false;
	state = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	here = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	if (!worker_kind->mail && strcmp(state, last) != 0)
	{
		if (strcmp(state, "elsewhere") == 0)
			ereport(LOG, errmsg("murallink: database \"%s\" is a copy of one that pays out, so it does not", database),
					errhint("If it replaces the original, run SELECT murallink.enable_payouts();"));
		else
			ereport(LOG, errmsg("murallink: payouts are %s in database \"%s\"", state, database));
		strlcpy(last, state, sizeof(last));
	}
	*on = strcmp(state, "on") == 0;
	return here;
}

/*
 * Puts in doubt what an earlier worker of this kind had under way when it ended;
 * no other of the kind is running.  Assumes that this one has nothing under way.
 */
static void
recover(void)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.recover_calls($1)", "b");
	Datum mail = BoolGetDatum(worker_kind->mail);
	char *count;

	CRASH_POINT("recovering");
	plan_execute(&plan, &mail, NULL, 1);
	CRASH_POINT("recovered");
	count = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (strcmp(count, "0") != 0)
		ereport(LOG, errmsg("%s: %s calls were under way when the last worker ended, and are in doubt",
							MyBgworkerEntry->bgw_name, count));
	recovering = true;
}

/*
 * Returns since when what is due is to be looked for.  Dead rows of calls that
 * have ended stand before it in the index for as long as an old snapshot needs
 * them, so what has been looked at is looked at again only once a second: a
 * transaction that takes longer than LOOK_BACK may commit a call that was due
 * before.  Everything, where only some operation is wanted.
 */
static TimestampTz
look_from(Channel *channel, bool some)
{
	Moment now = clock_now();

	if (some)
		return DT_NOBEGIN;
	if (now >= channel->look_whole)
	{
		channel->look_whole = now + LOOK_WHOLE * CLOCK_MS;
		return DT_NOBEGIN;
	}
	return channel->looked_until;
}

/*
 * Claims what is due for a partner, as much as may be begun now; where it must
 * be signed in to first, this is noted, and only what needs no session claimed.
 */
static void
claim(Channel *channel)
{
	static SavedPlan due =
		PLAN("SELECT FROM murallink_private.call"
			 " WHERE partner = $1 AND open AND status = 'ready' AND due_at <= pg_catalog.clock_timestamp()",
			 "t");
	static SavedPlan plan =
		PLAN("SELECT call_uid, attempt, operation, params, due_at FROM murallink_private.claim_calls($1, $2, $3, $4)", "tizt");
	Datum values[4] = {CStringGetTextDatum(channel->partner->name)};
	char nulls[] = "   n";
	bool some = false;
	TimestampTz begun = GetCurrentTimestamp();
	TimestampTz last = DT_NOBEGIN;
	SPITupleTable *rows;
	int most;

	if (!channel_signed_in(channel))
	{
		channel->due = plan_execute(&due, values, NULL, 1) > 0;
		if (channel->partner->sessionless == NULL)
			return;
		some = true;
		values[3] = CStringGetTextDatum(channel->partner->sessionless);
		nulls[3] = ' ';
	}
	most = channel_room(channel, clock_now());
	values[1] = Int32GetDatum(most);
	values[2] = TimestampTzGetDatum(look_from(channel, some));
	CRASH_POINT("claiming");
	if (plan_execute(&plan, values, nulls, 0) > 0)
		CRASH_POINT("claimed");
	rows = SPI_tuptable;
	for (uint64 i = 0; i < rows->numvals; i++)
	{
		HeapTuple row = rows->vals[i];
		bool isnull;
		TimestampTz due_at = DatumGetTimestampTz(SPI_getbinval(row, rows->tupdesc, 5, &isnull));
		Call *call = call_make(channel, SPI_getvalue(row, rows->tupdesc, 1), atoi(SPI_getvalue(row, rows->tupdesc, 2)),
							   SPI_getvalue(row, rows->tupdesc, 3), SPI_getvalue(row, rows->tupdesc, 4));

		last = Max(last, due_at);
		dlist_push_tail(&claimed, &call->node);
	}
	if (!some)
		channel->looked_until = rows->numvals < most ? begun - LOOK_BACK * USECS_PER_SEC : last;
}
