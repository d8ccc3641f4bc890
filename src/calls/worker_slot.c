/*
 * worker_slot.c
 *	  The running workers, in shared memory: at most one of each kind for each
 *	  database, so that never two of them pay.  A commit wakes them, and all
 *	  sessions see what they do.  Without shared_preload_libraries there are
 *	  none.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker_slot.h"

#include "partner.h"

#define TRANCHE "murallink"
#define OUTCOMES 4
#define ERROR_SIZE 256
#define RECENT 60 /* seconds for which calls are counted */

/* The calls to a partner that ended in one second. */
typedef struct Second
{
	int64 second; /* on the clock of moments */
	int64 calls;
	int64 payouts; /* of these calls, payouts that were paid */
	int64 timed; /* of these calls, sent */
	int64 duration; /* sum of their durations, in microseconds */
	int64 longest;
} Second;

/* What a worker has reported about one partner since it started. */
typedef struct Report
{
	int64 outcomes[OUTCOMES]; /* by Outcome */
	Second recent[RECENT]; /* by second, modulo RECENT */
	int failures; /* successive failures */
	Moment resume_at; /* not called before this; 0: no pause */
	char error[ERROR_SIZE]; /* the last */
	TimestampTz error_at;
} Report;

typedef struct Slot
{
	Oid database; /* InvalidOid: the slot is free */
	WorkerSort sort;
	Oid left_by; /* the database whose worker of that sort had the slot before */
	char announced[WORKER_SEQUENCE_SIZE]; /* the sequence of the last event that was announced; empty: not known */
	int pid;
	Latch *latch;
	TimestampTz started_at;
	Moment heartbeat_at;
	char error[ERROR_SIZE];
	TimestampTz error_at;
	Report reports[PARTNER_COUNT]; /* by partner_place() */
} Slot;

typedef struct Slots
{
	LWLock *lock;
	TimestampTz created_at;
	int count;
	Slot slots[FLEXIBLE_ARRAY_MEMBER];
} Slots;

static Slots *shared = NULL;
static Slot *mine = NULL;
static bool wake_at_commit = false;

static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;

static Size slots_size(void);
static void request_slots(void);
static void create_slots(void);
static Slot *slot_of(Oid database, WorkerSort sort);
static Slot *free_slot(WorkerSort sort);
static void leave_slot(int code, Datum arg);
static Second recently(const Report *report);
static Datum interval_of(int64 duration);
static void show_report(const Slot *slot, const Report *report, Datum *values, bool *nulls);
static void at_commit(XactEvent event, void *arg);

/*
 * Requests shared memory, if the library is loaded at server start, and
 * registers the callback for commits.  Called once, from _PG_init.
 */
void
worker_slot_init(void)
{
	RegisterXactCallback(at_commit, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_slots;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = create_slots;
}

static Size
slots_size(void)
{
	return add_size(offsetof(Slots, slots), mul_size(max_worker_processes, sizeof(Slot)));
}

static void
request_slots(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(slots_size());
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/*
 * Creates the slots, all free.  Called again after a crash of any backend.
 */
static void
create_slots(void)
{
	bool found;

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("murallink workers", slots_size(), &found);
	if (!found)
	{
		memset(shared, 0, slots_size());
		shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
		shared->created_at = GetCurrentTimestamp();
		shared->count = max_worker_processes;
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Returns the slot of a database's worker (InvalidOid: a free one), or NULL.
 * The caller holds the lock.
 */
static Slot *
slot_of(Oid database, WorkerSort sort)
{
	for (int i = 0; i < shared->count; i++)
		if (shared->slots[i].database == database && (shared->slots[i].sort == sort || database == InvalidOid))
			return &shared->slots[i];
	return NULL;
}

/*
 * Returns whether a database has a worker of that kind.
 */
bool
worker_slot_taken(Oid database, WorkerSort sort)
{
	bool taken;

	LWLockAcquire(shared->lock, LW_SHARED);
	taken = slot_of(database, sort) != NULL;
	LWLockRelease(shared->lock);
	return taken;
}

/*
 * Returns a free slot, or NULL: the one that the worker before this one has left,
 * if it is free.  The caller holds the lock.
 */
static Slot *
free_slot(WorkerSort sort)
{
	for (int i = 0; i < shared->count; i++)
	{
		Slot *slot = &shared->slots[i];

		if (slot->database == InvalidOid && slot->left_by == MyDatabaseId && slot->sort == sort)
			return slot;
	}
	return slot_of(InvalidOid, sort);
}

/*
 * Makes this process the worker of its database and kind until it exits.
 * Returns false when there is another one.
 */
bool
worker_slot_take(WorkerSort sort)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (slot_of(MyDatabaseId, sort) == NULL && (mine = free_slot(sort)) != NULL)
	{
		Slot before = *mine;

		memset(mine, 0, sizeof(Slot));
		if (before.left_by == MyDatabaseId && before.sort == sort)
			strlcpy(mine->announced, before.announced, sizeof(mine->announced));
		mine->database = MyDatabaseId;
		mine->sort = sort;
		mine->pid = MyProcPid;
		mine->latch = MyLatch;
		mine->started_at = GetCurrentTimestamp();
		mine->heartbeat_at = clock_now();
	}
	LWLockRelease(shared->lock);
	if (mine == NULL)
		return false;
	before_shmem_exit(leave_slot, (Datum) 0);
	return true;
}

static void
leave_slot(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mine->left_by = mine->database;
	mine->database = InvalidOid;
	LWLockRelease(shared->lock);
}

/*
 * Returns the sequence of the last event that this worker, or the one before it,
 * has announced, or an empty text; and since when this is known.
 */
void
worker_slot_announced(char *sequence, TimestampTz *since)
{
	LWLockAcquire(shared->lock, LW_SHARED);
	strlcpy(sequence, mine->announced, WORKER_SEQUENCE_SIZE);
	*since = shared->created_at;
	LWLockRelease(shared->lock);
}

/*
 * Stores the sequence of the last event that was announced.
 */
void
worker_slot_announce(const char *sequence)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	strlcpy(mine->announced, sequence, sizeof(mine->announced));
	LWLockRelease(shared->lock);
}

/*
 * Stores that the worker is alive.
 */
void
worker_slot_beat(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mine->heartbeat_at = clock_now();
	LWLockRelease(shared->lock);
}

/*
 * Counts a call to a partner that has just ended, by its outcome.  payout:
 * whether it has paid one; duration: in microseconds, below 0 if it was not
 * sent.
 */
void
worker_slot_count(const Partner *partner, int outcome, bool payout, int64 duration)
{
	int64 now = clock_now() / CLOCK_S;
	Report *report;
	Second *second;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	report = &mine->reports[partner_place(partner)];
	report->outcomes[outcome]++;
	second = &report->recent[now % RECENT];
	if (second->second != now)
		*second = (Second){.second = now};
	second->calls++;
	second->payouts += payout;
	if (duration >= 0)
	{
		second->timed++;
		second->duration += duration;
		second->longest = Max(second->longest, duration);
	}
	LWLockRelease(shared->lock);
}

/*
 * Returns the sums of the last RECENT seconds.
 */
static Second
recently(const Report *report)
{
	int64 now = clock_now() / CLOCK_S;
	Second sum = {0};

	for (const Second *second = report->recent; second < report->recent + RECENT; second++)
		if (second->second > now - RECENT)
		{
			sum.calls += second->calls;
			sum.payouts += second->payouts;
			sum.timed += second->timed;
			sum.duration += second->duration;
			sum.longest = Max(sum.longest, second->longest);
		}
	return sum;
}

/*
 * Stores whether a partner fails, and until when it is not called.
 */
void
worker_slot_failing(const Partner *partner, int failures, Moment resume_at)
{
	Report *report;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	report = &mine->reports[partner_place(partner)];
	report->failures = failures;
	report->resume_at = resume_at;
	LWLockRelease(shared->lock);
}

/*
 * Stores an error as the last one of a partner, or (NULL) of the worker
 * itself.
 */
void
worker_slot_error(const Partner *partner, const char *error)
{
	int size = pg_mbcliplen(error, strlen(error), ERROR_SIZE - 1);
	Report *report;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	report = partner == NULL ? NULL : &mine->reports[partner_place(partner)];
	strlcpy(report == NULL ? mine->error : report->error, error, size + 1);
	*(report == NULL ? &mine->error_at : &report->error_at) = GetCurrentTimestamp();
	LWLockRelease(shared->lock);
}

/*
 * Transaction callback: sets the latches of the database's workers after the
 * commit of a transaction with work for them, because the work is visible only
 * then.
 */
static void
at_commit(XactEvent event, void *arg)
{
	if (!wake_at_commit || event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		return;
	wake_at_commit = false;
	if (event != XACT_EVENT_COMMIT || shared == NULL)
		return;
	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < shared->count; i++)
		if (shared->slots[i].database == MyDatabaseId)
			SetLatch(shared->slots[i].latch);
	LWLockRelease(shared->lock);
}

/*
 * murallink_private.worker_wake(): wakes the workers when the transaction commits.
 */
PG_FUNCTION_INFO_V1(worker_wake);
Datum
worker_wake(PG_FUNCTION_ARGS)
{
	wake_at_commit = true;
	PG_RETURN_VOID();
}

/*
 * Returns microseconds as an interval.
 */
static Datum
interval_of(int64 duration)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->time = duration;
	return IntervalPGetDatum(interval);
}

/*
 * Fills in what worker_slot() shows of a partner.  While the partner fails,
 * its own error is shown, not the worker's.
 */
static void
show_report(const Slot *slot, const Report *report, Datum *values, bool *nulls)
{
	Second recent = recently(report);

	values[5] = Int32GetDatum(report->failures);
	values[6] = TimestampTzGetDatum(clock_time(report->resume_at));
	nulls[6] = report->resume_at < clock_now();
	if (report->error[0] != '\0' && (report->failures > 0 || slot->error[0] == '\0' || report->error_at >= slot->error_at))
	{
		values[3] = CStringGetTextDatum(report->error);
		values[4] = TimestampTzGetDatum(report->error_at);
		nulls[3] = nulls[4] = false;
	}
	for (int i = 0; i < OUTCOMES; i++)
		values[7 + i] = Int64GetDatum(report->outcomes[i]);
	values[7 + OUTCOMES] = Int64GetDatum(recent.calls);
	values[8 + OUTCOMES] = Int64GetDatum(recent.payouts);
	nulls[9 + OUTCOMES] = nulls[10 + OUTCOMES] = recent.timed == 0;
	if (recent.timed > 0)
		values[9 + OUTCOMES] = interval_of(recent.duration / recent.timed);
	values[10 + OUTCOMES] = interval_of(recent.longest);
}

/*
 * murallink_private.worker_slot(partner): what the worker of this database that calls
 * the partner has reported about itself and these calls; null: the worker that
 * calls by HTTP.
 */
PG_FUNCTION_INFO_V1(worker_slot);
Datum
worker_slot(PG_FUNCTION_ARGS)
{
	const Partner *partner = PG_ARGISNULL(0) ? NULL : partner_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Slot *slot = NULL;
	Slot copy;
	TupleDesc desc;
	Datum values[11 + OUTCOMES] = {0};
	bool nulls[11 + OUTCOMES];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "worker_slot must return a row");
	if (shared != NULL)
	{
		LWLockAcquire(shared->lock, LW_SHARED);
		slot = slot_of(MyDatabaseId, partner != NULL && partner_by_mail(partner) ? WORKER_MAIL : WORKER_HTTP);
		if (slot != NULL)
			copy = *slot;
		LWLockRelease(shared->lock);
	}
	memset(nulls, slot == NULL, sizeof(nulls));
	if (slot != NULL)
	{
		values[0] = Int32GetDatum(copy.pid);
		values[1] = TimestampTzGetDatum(copy.started_at);
		values[2] = TimestampTzGetDatum(clock_time(copy.heartbeat_at));
		values[3] = CStringGetTextDatum(copy.error);
		values[4] = TimestampTzGetDatum(copy.error_at);
		nulls[3] = nulls[4] = copy.error[0] == '\0';
		nulls[6] = nulls[9 + OUTCOMES] = nulls[10 + OUTCOMES] = true;
		if (partner != NULL)
			show_report(&copy, &copy.reports[partner_place(partner)], values, nulls);
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
