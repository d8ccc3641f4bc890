/*
 * worker.c
 *	  The worker of a database: claims what is due, calls the partners, and
 *	  settles what came of it.
 *
 * A claim is committed before a byte of its call is sent; no transaction is
 * open while calls are under way; each call is settled by the number of its
 * attempt.  Whatever was claimed by a worker that ended without settling it is
 * put in doubt by the next one.  So nothing is ever sent twice by itself.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "clock.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "crash_point.h"
#include "install.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "worker.h"
#include "worker_slot.h"

#include "worker_call.h"

/* In milliseconds: how long a turn waits at most, and how often the tables are looked at when nothing happens. */
#define TURN_MAX 500
#define LOOK_INTERVAL 1000

/* In milliseconds: how long answers are gathered, to be settled together, while more are to come. */
#define GATHER_MAX 5

/* In milliseconds: how often outcomes are applied that could not be at once, and the same error is logged. */
#define LATE_INTERVAL 5000
#define REPEAT_INTERVAL 60000

/* In milliseconds: for how long somebody keeps everything from being claimed before people are shown who does. */
#define LOCKED_LEAST 60000

/* In milliseconds: how often participations are stepped at most, and while there is more to do. */
#define STEP_INTERVAL 100
#define STEP_INTERVAL_BUSY 25

/* Settings of a worker, beside those of all our processes. */
static const char *const settings[][2] = {
	{"enable_seqscan", "off"}, /* plans are kept from when the queue was empty */
	{"jit", "off"}, /* which a plan without seqscan seems worth */
	{"lock_timeout", "1s"}, /* while it waits, no answer is read */
	{"synchronous_commit", "on"},
};

int worker_shutdown_grace;

static volatile sig_atomic_t stop_requested = false;
static volatile sig_atomic_t committing = false;

static MemoryContext turn_context;
static WaitEventSet *events;
static Moment next_look = 0;
static Moment next_settle = 0;
static Moment next_late = 0;
static Moment next_count = 0; /* of what is held up by others */
static bool more_late = false; /* some were applied, and others are left */
static Moment next_step = 0;
static bool more_steps = false;
static Moment gathering_since = 0; /* 0: no call has ended */
static bool recovered = false; /* from the end of an earlier worker */

/* The clock may have been set back since these were put off; at first, while no worker was there. */
static bool queue_set_back = true;
static bool steps_set_back = true;

/* What the open transaction does. */
static bool settling;
static bool looking;
static bool recovering;
static bool putting_forward; /* what was put off by a clock that was ahead */
static bool stepping;

/* What the open transaction has claimed, to be sent when it has committed. */
static dlist_head claimed = DLIST_STATIC_INIT(claimed);

static void handle_sigterm(SIGNAL_ARGS);
static void handle_sigint(SIGNAL_ARGS);
static bool database_wanted(void);
static void work(bool stopping);
static bool wait_for_events(void);
static bool gathered(void);
static bool act(bool settles, bool looks);
static void end_settling(bool committed);
static void end_looking(bool committed);
static bool transact(const char *activity);
static void commit(Owner *saved);
static void report_error(void);
static bool murallink_is_there(void);
static void step_participations(void);
static void settle(void);
static json_t *result_of(const Call *call);
static void look(void);
static void step(void);
static bool lock_table(const char *name, LOCKMODE mode);
static void note_locked(bool locked);
static bool payouts_here(bool *on);
static void recover(void);
static void claim(Channel *channel);

/*
 * Asks the worker to stop when it can.  A plain die() would end it in the
 * middle of a transaction, and leave in doubt what has been answered; only a
 * commit that waits for a standby must end at once.
 */
static void
handle_sigterm(SIGNAL_ARGS)
{
	int saved = errno;

	stop_requested = true;
	if (committing)
		InterruptPending = ProcDiePending = true;
	SetLatch(MyLatch);
	errno = saved;
}

/*
 * Lets lock_timeout cancel a statement, and pg_cancel_backend() do nothing: a
 * commit that is cancelled while it waits for a standby would report success.
 */
static void
handle_sigint(SIGNAL_ARGS)
{
	int saved = errno;

	if (get_timeout_indicator(LOCK_TIMEOUT, false))
		InterruptPending = QueryCancelPending = true;
	SetLatch(MyLatch);
	errno = saved;
}

/*
 * A worker: arg is the oid of its database.  Ends when it is told to, or when
 * somebody wants the database for himself; the launcher starts it again.
 */
void
worker_main(Datum arg)
{
	Moment deadline = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, SIG_IGN);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	if (!worker_slot_take())
		proc_exit(0);
	install_pin_settings(settings, lengthof(settings));
	turn_context = AllocSetContextCreate(TopMemoryContext, "murallink worker turn", ALLOCSET_DEFAULT_SIZES);
	events = CreateWaitEventSet(TopMemoryContext, 3);
	AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(events, WL_SOCKET_READABLE, http_open(), NULL, NULL);
	CHECK_FOR_INTERRUPTS();
	pqsignal(SIGINT, handle_sigint);
	pqsignal(SIGTERM, handle_sigterm);

	while (deadline == 0 || (calls_in_flight() > 0 && clock_now() < deadline))
	{
		MemoryContextReset(turn_context);
		MemoryContextSwitchTo(turn_context);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (deadline == 0 && (stop_requested || database_wanted()))
			deadline = clock_now() + worker_shutdown_grace * CLOCK_MS;
		work(deadline != 0);
	}
	if (calls_in_flight() > 0)
		ereport(LOG, errmsg("%s: ending with %d calls under way, which are in doubt", MyBgworkerEntry->bgw_name,
							calls_in_flight()));
	proc_exit(0);
}

/*
 * Returns whether somebody wants the database for himself: DROP DATABASE, or
 * a copy, a move or a change of its name.  Whoever does holds a lock that
 * a session takes, for a moment, when it connects.
 */
static bool
database_wanted(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, true);
	return false;
}

/*
 * One turn: waits for something to happen, settles what has ended, and begins
 * what is due, unless the worker is stopping.  One commit serves both; where
 * it fails, each is tried by itself.
 */
static void
work(bool stopping)
{
	bool woken = wait_for_events();
	bool settles;
	bool looks;

	worker_slot_beat();
	http_turn();
	settles = gathered();
	looks = !stopping && (settles || (woken && calls_room()) || clock_now() >= next_look);
	if (!settles || !looks || !act(true, true))
	{
		if (settles)
			act(true, false);
		if (looks)
			act(false, true);
	}
	http_turn();
	if (!stopping && (woken || looks || more_steps) && clock_now() >= next_step)
		step_participations();
}

/*
 * Waits for the latch, for calls under way, and for the time of the next look.
 * Returns whether the latch was set.
 */
static bool
wait_for_events(void)
{
	WaitEvent happened[3];
	long calls = http_wait();
	Moment due;
	long timeout;
	bool woken = false;
	int count;

	next_look = Min(next_look, calls_resume_at());
	due = more_steps ? Min(next_look, next_step) : next_look;
	timeout = (long) Max(0, (due - clock_now() + CLOCK_MS - 1) / CLOCK_MS);
	if (gathering_since != 0)
		timeout = Min(timeout, GATHER_MAX);
	if (calls >= 0)
		timeout = Min(timeout, calls);
	count = WaitEventSetWait(events, Min(timeout, TURN_MAX), happened, lengthof(happened), PG_WAIT_EXTENSION);
	for (int i = 0; i < count; i++)
		woken |= (happened[i].events & WL_LATCH_SET) != 0;
	if (woken)
		ResetLatch(MyLatch);
	return woken;
}

/*
 * Returns whether the calls that have ended are to be settled now: not while
 * most are still under way, for a moment, since a commit costs more than a call.
 */
static bool
gathered(void)
{
	Moment now = clock_now();
	int count = calls_read();

	if (count == 0 || now < next_settle)
		return false;
	if (gathering_since == 0)
		gathering_since = now;
	return 2 * count >= calls_in_flight() || now - gathering_since >= GATHER_MAX * CLOCK_MS;
}

/*
 * Settles, or looks for work, or both, in one transaction.  Returns whether it
 * has committed.
 */
static bool
act(bool settles, bool looks)
{
	bool committed;

	settling = settles;
	looking = looks;
	recovering = putting_forward = false;
	if (clock_set_back())
		queue_set_back = steps_set_back = true;
	committed = transact(!looks ? "settling calls" : settles ? "settling and claiming calls"
															 : "claiming calls");
	if (settles)
		end_settling(committed);
	if (looks)
		end_looking(committed);
	return committed;
}

/*
 * Steps participations, in a transaction of its own, so that no payout is
 * delayed by what goes wrong there.
 */
static void
step_participations(void)
{
	bool done;

	settling = looking = putting_forward = false;
	stepping = true;
	done = transact("stepping participations");
	steps_set_back &= !(done && putting_forward);
	if (done)
		CRASH_POINT("step_committed");
	next_step = clock_now() + (!done ? LATE_INTERVAL : more_steps ? STEP_INTERVAL_BUSY
																  : STEP_INTERVAL) *
								  CLOCK_MS;
	stepping = false;
}

/*
 * Forgets the calls that are settled; those that are not are kept for later.
 */
static void
end_settling(bool committed)
{
	dlist_mutable_iter iter;

	gathering_since = 0;
	if (committed)
		CRASH_POINT("settle_committed");
	else
		next_settle = clock_now() + LOOK_INTERVAL * CLOCK_MS;
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
 * Sends what has been claimed.  What the transaction could not commit is not
 * sent; nor is what it committed while the server was told to stop, because
 * the commit may then have reached no standby.
 */
static void
end_looking(bool committed)
{
	dlist_mutable_iter iter;
	int wait = committed && more_late ? 0 : LOOK_INTERVAL;

	next_look = clock_now() + wait * CLOCK_MS;
	more_late = false;
	recovered |= committed && recovering;
	queue_set_back &= !(committed && putting_forward);
	if (committed && recovering)
		CRASH_POINT("recovery_committed");
	if (committed && !dlist_is_empty(&claimed))
		CRASH_POINT("claim_committed");
	dlist_foreach_modify(iter, &claimed)
	{
		Call *call = dlist_container(Call, node, iter.cur);

		dlist_delete(iter.cur);
		if (!committed)
			call_free(call);
		else if (stop_requested)
			call_give_up(call, "the worker stopped before it was sent");
		else
			call_send(call);
	}
	if (committed && !stop_requested)
		calls_sign_in();
}

/*
 * Settles and looks, as act() says, in a transaction, as murallink_owner
 * until its very end, where murallink is installed: a deferred trigger is
 * anybody's whom the owner lets make triggers, and the session a superuser's.
 * Returns whether it has committed; an error is logged.
 */
static bool
transact(const char *activity)
{
	volatile bool done = false;
	Owner saved = {false};

	pgstat_report_activity(STATE_RUNNING, activity);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (murallink_is_there())
		{
			saved = owner_enter();
			SPI_connect();
			if (settling)
				settle();
			if (looking)
				look();
			if (stepping)
				step();
			SPI_finish();
		}
		PopActiveSnapshot();
		commit(&saved);
		done = true;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		disable_all_timeouts(false);
		committing = QueryCancelPending = ProcDiePending = false;
		MemoryContextSwitchTo(turn_context);
		report_error();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(turn_context);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, "");
	return done;
}

/*
 * Commits, and only then gives up the identity that owner_enter() took, if it
 * did.  A server that is told to stop meanwhile does not wait for a standby:
 * this is what PostgreSQL looks at ProcDiePending for.
 */
static void
commit(Owner *saved)
{
	HOLD_INTERRUPTS();
	committing = true;
	if (stop_requested)
		InterruptPending = ProcDiePending = true;
	CommitTransactionCommand();
	owner_committed(*saved);
	committing = false;
	ProcDiePending = false;
	RESUME_INTERRUPTS();
}

/*
 * Logs the error at hand, but not the same one again and again.
 */
static void
report_error(void)
{
	static char last[128];
	static Moment last_at = 0;
	ErrorData *error = CopyErrorData();
	Moment now = clock_now();

	worker_slot_error(NULL, error->message);
	if (strncmp(last, error->message, sizeof(last) - 1) == 0 &&
		now - last_at < REPEAT_INTERVAL * CLOCK_MS)
		return;
	strlcpy(last, error->message, sizeof(last));
	last_at = now;
	errcontext("%s", MyBgworkerEntry->bgw_name);
	EmitErrorReport();
}

/*
 * Returns whether the extension and its tables are there, and holds on to the
 * extension until the transaction ends.  Raises unknown_data_version.
 */
static bool
murallink_is_there(void)
{
	Oid extension = get_extension_oid("murallink", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	if (get_extension_oid("murallink", true) != extension || !OidIsValid(install_relation("payout")))
		return false;
	install_check();
	return true;
}

/*
 * Writes the outcomes of the calls that have ended.
 */
static void
settle(void)
{
	static SavedPlan plan = PLAN("SELECT murallink.settle_calls($1)", "j");
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
	json_t *result = json_pack("{s:s, s:s, s:s, s:O?, s:s?}",
							   "attempt_uid", call->attempt_uid,
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
 * Reads how payments are made here and at the partners, and claims what is due.  The partners
 * and what is held stay as they are until the claims are committed; while
 * somebody changes them, nothing is claimed.
 * What has been sent comes to its end also where payouts are off.
 */
static void
look(void)
{
	static SavedPlan late = PLAN("SELECT murallink.apply_late($1)", "b");
	static SavedPlan forward = PLAN("SELECT murallink.queue_set_back()", "");
	static SavedPlan partners =
		PLAN("SELECT p.name, p.revision, p.base_url, p.settings, s.secrets"
			 " FROM murallink_private.partner p JOIN murallink_private.partner_secret s ON s.partner_uid = p.uid",
			 "");
	SPITupleTable *rows;
	Moment now = clock_now();
	bool locked;
	bool on;

	locked = !lock_table("payout_switch", RowShareLock);
	if (locked || !payouts_here(&on))
	{
		note_locked(locked);
		return;
	}
	if (!recovered)
		recover();
	else if (now >= next_late || now >= next_count)
	{
		bool isnull;

		bool counted = now >= next_count;
		Datum counts = BoolGetDatum(counted);

		plan_execute(&late, &counts, NULL, 1);
		if (counted)
			next_count = now + LATE_INTERVAL * CLOCK_MS;
		more_late = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		next_late = more_late ? now : now + LATE_INTERVAL * CLOCK_MS;
	}
	if (queue_set_back)
	{
		plan_execute(&forward, NULL, NULL, 0);
		putting_forward = true;
	}
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
 * Begins what partners are to be asked about patients of whom something has
 * changed, some at a time.
 */
static void
step(void)
{
	static SavedPlan forward = PLAN("SELECT murallink.participations_set_back()", "");
	static SavedPlan plan = PLAN("SELECT murallink.step_participations()", "");
	bool isnull;
	bool on;

	more_steps = false;
	if (!payouts_here(&on) || !on)
		return;
	if (steps_set_back)
	{
		plan_execute(&forward, NULL, NULL, 0);
		putting_forward = true;
	}
	plan_execute(&plan, NULL, NULL, 1);
	CRASH_POINT("stepped");
	more_steps = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
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
	static SavedPlan plan = PLAN("SELECT murallink.queue_locked($1)", "b");
	static Moment since = 0; /* 0: nobody does */
	static Moment next = 0;
	static bool noted = true; /* by an earlier worker, perhaps */
	Moment now = clock_now();
	Datum value = BoolGetDatum(locked);

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
 * database pays out; logs when that changes.  Nobody turns payouts off until
 * the transaction ends; while somebody does, nothing is here.
 */
static bool
payouts_here(bool *on)
{
	static SavedPlan plan =
		PLAN("SELECT murallink.payouts_state(), place = murallink.payout_place() FROM murallink_private.payout_switch", "");
	static char last[16] = "";
	char *database = get_database_name(MyDatabaseId);
	bool here;
	bool isnull;
	char *state;

	if (!lock_table("payout_switch", RowShareLock) || plan_execute(&plan, NULL, NULL, 1) == 0)
		return false;
	state = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	here = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	if (strcmp(state, last) != 0)
	{
		if (strcmp(state, "elsewhere") == 0)
			ereport(LOG, errmsg("murallink: database \"%s\" is a copy of one that pays out, so it does not pay out itself", database),
					errhint("If it replaces the original, run SELECT murallink.enable_payouts();"));
		else
			ereport(LOG, errmsg("murallink: payouts are %s in database \"%s\"", state, database));
		strlcpy(last, state, sizeof(last));
	}
	*on = strcmp(state, "on") == 0;
	return here;
}

/*
 * Puts in doubt what an earlier worker had under way when it ended; none but
 * this one is running now.  Assumes that it has nothing under way itself.
 */
static void
recover(void)
{
	static SavedPlan plan = PLAN("SELECT murallink.recover_calls()", "");
	char *count;

	CRASH_POINT("recovering");
	plan_execute(&plan, NULL, NULL, 1);
	CRASH_POINT("recovered");
	count = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (strcmp(count, "0") != 0)
		ereport(LOG, errmsg("%s: %s calls were under way when the last worker ended, and are in doubt",
							MyBgworkerEntry->bgw_name, count));
	recovering = true;
}

/*
 * Claims what is due for a partner, as much as may be begun now; where it must
 * be signed in to first, this is noted, and only what needs no session claimed.
 */
static void
claim(Channel *channel)
{
	static SavedPlan due =
		PLAN("SELECT FROM murallink_private.partner_queue WHERE partner = $1 AND due_at <= now()", "t");
	static SavedPlan plan = PLAN("SELECT attempt_uid, operation, params FROM murallink.claim_calls($1, $2, $3)", "tit");
	Datum values[3] = {CStringGetTextDatum(channel->partner->name)};
	char nulls[] = "  n";
	SPITupleTable *rows;

	if (!channel_signed_in(channel))
	{
		channel->due = plan_execute(&due, values, NULL, 1) > 0;
		if (channel->partner->sessionless == NULL)
			return;
		values[2] = CStringGetTextDatum(channel->partner->sessionless);
		nulls[2] = ' ';
	}
	values[1] = Int32GetDatum(channel_room(channel, clock_now()));
	CRASH_POINT("claiming");
	if (plan_execute(&plan, values, nulls, 0) > 0)
		CRASH_POINT("claimed");
	rows = SPI_tuptable;
	for (uint64 i = 0; i < rows->numvals; i++)
	{
		Call *call = call_make(channel, SPI_getvalue(rows->vals[i], rows->tupdesc, 1),
							   SPI_getvalue(rows->vals[i], rows->tupdesc, 2),
							   SPI_getvalue(rows->vals[i], rows->tupdesc, 3));

		dlist_push_tail(&claimed, &call->node);
	}
}
