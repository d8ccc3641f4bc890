/*
 * worker_claim.c
 *	  The transactions of a worker: it settles the calls that have ended, and
 *	  claims those that are due.
 *
 * A claim is committed before a byte of its call is sent; no transaction is
 * open while calls are under way; each call is settled by the number of its
 * attempt.  If a worker ends without settling a call, the next worker of its
 * kind puts it in doubt.  So nothing is ever sent twice automatically.
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
#include "utils/lsyscache.h"

#include "partner_json.h"
#include "worker_run.h"

/* In milliseconds: how often all calls that are due are read; in seconds: how far back the other times. */
#define LOOK_WHOLE 1000
#define LOOK_BACK 2

/* In milliseconds: how often to try again to apply outcomes. */
#define LATE_INTERVAL 5000

/* In milliseconds: if another session prevents all claims for longer than this, needs_person shows it. */
#define LOCKED_LEAST 60000

static Moment next_late = 0;
static Moment next_count = 0; /* when to count again what other sessions hold up */
static bool recovered = false; /* the calls of an earlier worker are in doubt */

static int put_forward = -1; /* worker_set_backs when delayed calls were last put forward */

/* What the open transaction does, and the calls that it has claimed. */
static bool recovering;
static int putting_forward = -1; /* the next value of put_forward */
static bool more_late; /* of the outcomes to be tried again, some were applied and others are left */
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
	Datum value;

	dlist_foreach(iter, calls_ended())
	{
		Call *call = dlist_container(Call, node, iter.cur);

		json_array_append_new(results, result_of(call));
		call->channel->settling++;
	}
	value = partner_jsonb(results);
	CRASH_POINT("settling");
	plan_execute(&plan, &value, NULL, 0);
	CRASH_POINT("settled");
}

/*
 * Returns how a call ended, in the form that settle_calls() takes.  The answer
 * is text, because its column has the type json, which keeps it as it is.
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
 * Frees the calls that worker_settle() has settled, if that was committed;
 * otherwise keeps them for the next time.
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
 * Reads the configuration of the partners, and claims the calls that are due.
 * Partners and holds are locked until the claims are committed; while another
 * session changes them, nothing is claimed.  Calls that have been sent are
 * settled also while payouts are disabled.
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
 * Applies outcomes that could not be applied before, routes payouts again that
 * may have missed a change, and puts forward calls that were delayed by a clock
 * that was ahead; for all partners, because one worker can do it.
 */
static void
keep_house(void)
{
	static SavedPlan late =
		PLAN("SELECT murallink_private.apply_late($1), murallink_private.reroute_late()", "b");
	static SavedPlan forward = PLAN("SELECT murallink_private.calls_set_back()", "");
	Moment now = clock_now();

	if (!recovering && (now >= next_late || now >= next_count))
	{
		bool counted = now >= next_count;
		Datum look = BoolGetDatum(counted);
		bool isnull;

		plan_execute(&late, &look, NULL, 1);
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
 * Sends the calls that worker_look() has claimed, and returns whether to look
 * again at once.  If the transaction was not committed, nothing is sent; nor
 * if it was committed while the server is stopping, because the commit may not
 * have reached a standby.
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
 * Locks a table of schema murallink_private until the transaction ends,
 * without waiting.  Returns whether it did.
 */
static bool
lock_table(const char *name, LOCKMODE mode)
{
	return ConditionalLockRelationOid(get_relname_relid(name, get_namespace_oid("murallink_private", false)), mode);
}

/*
 * Records whether another session prevents all claims, by a transaction that
 * changes holds, partners or the switch and does not end.  needs_person shows
 * that session after a minute, until it has ended.
 */
static void
note_locked(bool locked)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.calls_locked($1)", "b");
	static Moment since = 0; /* 0: no session does */
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
 * Returns whether open calls were sent from this place, and whether this
 * database pays out.  One of the workers logs when that changes.  The switch
 * is locked until the transaction ends; while another session changes it, the
 * result is false for both.
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
 * Puts in doubt the calls that an earlier worker of this kind had under way
 * when it ended.  Assumes that this worker has none under way and that no
 * other one of its kind is running.
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
 * Returns the least due_at of the calls to read.  As long as an old snapshot
 * needs them, dead rows of ended calls come first in the index.  So earlier
 * calls are read only once a second: a transaction that takes longer than
 * LOOK_BACK may commit one.  Returns -infinity if only some operation may be
 * claimed.
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
 * Claims the calls that are due for a partner, as many as may be started now.
 * If there is no session, records that one is needed, and claims only what
 * needs none.
 */
static void
claim(Channel *channel)
{
	static SavedPlan due =
		PLAN("SELECT FROM murallink_private.call"
			 " WHERE partner = $1 AND open AND status = 'ready' AND due_at <= pg_catalog.clock_timestamp()",
			 "t");
	static SavedPlan plan =
		PLAN("SELECT call_uid, attempt, operation, params, due_at"
			 " FROM murallink_private.claim_calls($1, $2, $3, $4)",
			 "tizt");
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
