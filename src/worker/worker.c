/*
 * worker.c
 *	  The workers of a database.  Those that call partners claim the calls that
 *	  are due, send them, and settle their outcomes.  See WorkerKind.
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "install.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
#include "worker.h"
#include "worker_slot.h"

#include "worker_run.h"

/* In milliseconds: how long a turn waits at most, and how often the tables are read if nothing happens. */
#define TURN_MAX 500
#define LOOK_INTERVAL 1000

/* In milliseconds: how long answers are gathered to be settled together while more calls are under way. */
#define GATHER_MAX 5

/* Settings of a worker, beside those of all our processes. */
static const char *const settings[][2] = {
	{"enable_seqscan", "off"}, /* plans may date from a time when there were no calls */
	{"jit", "off"}, /* the cost of a plan without seqscan would start it */
	{"lock_timeout", "1s"}, /* while the worker waits, it reads no answers */
	{"synchronous_commit", "on"},
};

int worker_shutdown_grace;

const WorkerKind *worker_kind;
int worker_set_backs = 0;

static MemoryContext turn_context;
static WaitEventSet *events;
static Moment looked_at = 0;
static Moment next_look = 0;
static Moment next_settle = 0;
static Moment gathering_since = 0; /* 0: no call has ended */

/* What a transaction does. */
typedef struct Turn
{
	bool settles;
	bool looks;
} Turn;

static void run(Oid database) pg_attribute_noreturn();
static bool database_wanted(void);
static bool wait_for_calls(Moment deadline);
static bool gathered(void);
static bool act(bool settles, bool looks);
static void turn_tables(void *arg);

/*
 * The worker of a database that calls its partners by HTTP: arg is the oid of
 * the database.
 */
void
worker_main(Datum arg)
{
	worker_kind = &worker_http;
	run(DatumGetObjectId(arg));
}

/*
 * The worker of a database that sends mail: arg is the oid of the database.
 */
void
worker_mail_main(Datum arg)
{
	worker_kind = &worker_mail;
	run(DatumGetObjectId(arg));
}

/*
 * The worker of a database that passes events on: arg is the oid of the
 * database.
 */
void
worker_events_main(Datum arg)
{
	worker_kind = &worker_events;
	run(DatumGetObjectId(arg));
}

/*
 * Runs a worker.  It ends when it is asked to, or when another session needs
 * exclusive access to the database; the launcher starts it again.
 */
static void
run(Oid database)
{
	Moment deadline = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, SIG_IGN);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	if (!worker_slot_take(worker_kind->sort))
		proc_exit(0);
	install_pin_settings(settings, lengthof(settings));
	turn_context = AllocSetContextCreate(TopMemoryContext, "murallink worker turn", ALLOCSET_DEFAULT_SIZES);
	events = CreateWaitEventSet(TopMemoryContext, 3);
	AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(events, WL_SOCKET_READABLE, worker_kind->open(), NULL, NULL);
	CHECK_FOR_INTERRUPTS();
	worker_signals();

	while (deadline == 0 || (worker_kind->under_way() > 0 && clock_now() < deadline))
	{
		MemoryContextReset(turn_context);
		MemoryContextSwitchTo(turn_context);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (deadline == 0 && (worker_stopping() || database_wanted()))
			deadline = clock_now() + worker_kind->stop(worker_shutdown_grace) * CLOCK_MS;
		worker_slot_beat();
		worker_kind->work(deadline, turn_context);
	}
	if (worker_kind->under_way() > 0 && worker_kind->sort != WORKER_EVENTS)
		ereport(LOG, errmsg("%s: ending with %d calls under way, which are in doubt", MyBgworkerEntry->bgw_name,
							worker_kind->under_way()));
	proc_exit(0);
}

/*
 * Returns whether another session needs exclusive access to the database, for
 * DROP DATABASE, or a copy, a move or a change of its name.  That session
 * holds a lock that every session takes briefly when it connects.
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
 * One turn: waits for an event, settles the calls that have ended, and starts
 * those that are due, unless the worker is stopping by a deadline (0: it is
 * not).  One transaction does both; if it fails, each is tried in one of its
 * own.
 */
void
worker_work(Moment deadline, MemoryContext context)
{
	bool stopping = deadline != 0;
	bool woken = wait_for_calls(deadline);
	bool settles;
	bool looks;

	worker_kind->turn();
	settles = gathered();
	if (woken && calls_room())
		next_look = Min(next_look, looked_at + worker_kind->look_pause * CLOCK_MS);
	looks = !stopping && (settles || clock_now() >= next_look);
	if (!settles || !looks || !act(true, true))
	{
		if (settles)
			act(true, false);
		if (looks)
			act(false, true);
	}
	worker_kind->turn();
	if (stopping || worker_kind->mail)
		return;
	worker_step(woken || looks, context);
	worker_visits(turn_context);
}

/*
 * Waits for the latch, for calls under way, and for the time to read the
 * tables again, which a stopping worker does not: it waits for its deadline
 * instead.  Returns whether the latch was set.
 */
static bool
wait_for_calls(Moment deadline)
{
	Moment resume_at = calls_resume_at();
	Moment step_at = worker_steps_at();
	Moment visit_at = worker_visits_at();
	Moment due;

	next_look = Min(next_look, resume_at);
	due = deadline != 0 ? deadline : Min(next_look, Min(step_at, visit_at));
	if (gathering_since != 0)
		due = Min(due, gathering_since + GATHER_MAX * CLOCK_MS);
	return worker_wait(due);
}

/*
 * Waits for the latch and for calls under way, until a moment, and half a
 * second at most.  Returns whether the latch was set.
 */
bool
worker_wait(Moment until)
{
	WaitEvent happened[3];
	long timeout = worker_kind->wait(clock_wait(until, TURN_MAX));
	int count = WaitEventSetWait(events, timeout, happened, lengthof(happened), PG_WAIT_EXTENSION);
	bool woken = false;

	for (int i = 0; i < count; i++)
		woken |= (happened[i].events & WL_LATCH_SET) != 0;
	if (woken)
		ResetLatch(MyLatch);
	return woken;
}

/*
 * Returns whether to settle the calls that have ended now.  While most are
 * still under way it waits a moment, because a commit costs more than a call.
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
 * Settles calls, or claims calls, or both, in one transaction.  Returns
 * whether it has committed.
 */
static bool
act(bool settles, bool looks)
{
	Turn turn = {settles, looks};
	bool committed;
	Moment now;

	worker_set_backs += clock_set_back();
	committed = worker_transact(!looks ? "settling calls" : settles ? "settling and claiming calls"
																	: "claiming calls",
								turn_context, turn_tables, &turn);
	now = clock_now();
	if (settles)
	{
		gathering_since = 0;
		if (!committed)
			next_settle = now + LOOK_INTERVAL * CLOCK_MS;
		worker_settled(committed);
	}
	if (looks)
	{
		looked_at = now;
		next_look = worker_looked(committed) ? now : now + LOOK_INTERVAL * CLOCK_MS;
	}
	return committed;
}

/*
 * The work of a transaction.
 */
static void
turn_tables(void *arg)
{
	const Turn *turn = arg;

	if (turn->settles)
		worker_settle();
	if (turn->looks)
		worker_look();
}
