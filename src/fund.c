/*
 * fund.c
 *	  The only door through which funds move.
 *
 * A balance is spread over slots.  Whoever writes a slot holds its lock until
 * the end of the transaction: not a lock of the row, which would stay behind
 * where a slot turns out to have too little.  A payer takes the slot of its
 * backend, else any slot that nobody holds and has enough; only when there is
 * none does it wait for all slots, in order, and gather.  So payers on one
 * contract seldom wait for each other, none waits out of order, and nobody
 * hears "insufficient" while there is enough.
 *
 * The worker must not wait for a slot, so it might never find one free that
 * payers hand to each other.  It therefore says which slots it wants, and who
 * comes to hold one of these leaves it to the worker for a moment.
 */
#include "postgres.h"

#include "access/xact.h"
#include "clock.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "error.h"
#include "fmgr.h"
#include "fund.h"
#include "identity.h"
#include "install.h"
#include "ksuid.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/backendid.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/rel.h"

/* The kinds of advisory locks that are the lock of a slot, and the worker's wish to hold it. */
#define SLOT_LOCK_KIND 5
#define WISH_LOCK_KIND 6

/* In milliseconds: how long a payer leaves a slot to the worker at most, and how often it looks meanwhile. */
#define YIELD_MAX 200
#define YIELD_STEP 10

#define WISHES_MAX 256

/* Entries and slots are written only while this is set. */
static bool moving = false;

static int fund_slots = 8;

/* The locks of the slots that this process wants, for each of which it holds the other kind too. */
static LOCKTAG wishes[WISHES_MAX];
static int wish_count = 0;

static void stop_moving(XactEvent event, void *arg);
static void stop_moving_sub(SubXactEvent event, SubTransactionId self, SubTransactionId parent,
							void *arg);
static LockAcquireResult wait_for_slot(const LOCKTAG *tag);
static LOCKTAG slot_lock(const Ksuid *contract, int slot);
static LOCKTAG wish_lock(LOCKTAG slot);
static bool is_wanted(LOCKTAG slot);
static bool take_slot(const FundMove *move, int slot);
static bool take_other_slot(const FundMove *move, int32 *slot);
static bool gather(const FundMove *move, int32 *slot);
static void move_reserved(SavedPlan *plan, const FundMove *move);

/*
 * Registers settings and the callbacks that close the door after an error.
 */
void
fund_init(void)
{
	DefineCustomIntVariable("murallink.fund_slots", "Slots over which the balance of a new fund is spread.",
							"A new setting holds for funds that are first deposited into after it.",
							&fund_slots, 8, 1, 256, PGC_SIGHUP, 0, NULL, NULL, NULL);
	RegisterXactCallback(stop_moving, NULL);
	RegisterSubXactCallback(stop_moving_sub, NULL);
}

static void
stop_moving(XactEvent event, void *arg)
{
	moving = false;
}

static void
stop_moving_sub(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		moving = false;
}

/*
 * Returns the lock of a slot.  Contracts that share one by chance only wait
 * for each other now and then.
 */
static LOCKTAG
slot_lock(const Ksuid *contract, int slot)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, hash_bytes(contract->bytes, KSUID_LEN), slot, SLOT_LOCK_KIND);
	return tag;
}

/*
 * Returns the lock that tells that the worker wants a slot.
 */
static LOCKTAG
wish_lock(LOCKTAG slot)
{
	slot.locktag_field4 = WISH_LOCK_KIND;
	return slot;
}

/*
 * Returns whether another process wants a slot.
 */
static bool
is_wanted(LOCKTAG slot)
{
	LOCKTAG wish = wish_lock(slot);

	if (LockAcquire(&wish, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&wish, ShareLock, false);
	return false;
}

/*
 * Reserves in a slot; returns false when somebody else holds or wants the slot
 * or it has not enough.
 */
static bool
take_slot(const FundMove *move, int slot)
{
	static SavedPlan plan =
		PLAN("UPDATE murallink.fund_slot SET available = available - $3, reserved = reserved + $3"
			 " WHERE contract_uid = $1 AND currency = $2 AND slot = $4 AND available >= $3",
			 "ktni");
	Datum values[] = {move->contract, move->currency, move->amount, Int32GetDatum(slot)};
	LOCKTAG tag = slot_lock(DatumGetKsuidP(move->contract), slot);
	LockAcquireResult got = LockAcquire(&tag, ExclusiveLock, false, true);

	if (got == LOCKACQUIRE_NOT_AVAIL)
		return false;
	if ((got != LOCKACQUIRE_OK || !is_wanted(tag)) && plan_execute(&plan, values, NULL, 0) == 1)
		return true;
	LockRelease(&tag, ExclusiveLock, false);
	return false;
}

/*
 * Reserves in some slot that has enough and that nobody holds; returns false
 * when there is none.
 */
static bool
take_other_slot(const FundMove *move, int32 *slot)
{
	static SavedPlan plan = PLAN("SELECT slot FROM murallink.fund_slot"
								 " WHERE contract_uid = $1 AND currency = $2 AND available >= $3 ORDER BY slot",
								 "ktn");
	Datum values[] = {move->contract, move->currency, move->amount};
	int count = plan_execute(&plan, values, NULL, 0);
	SPITupleTable *found = SPI_tuptable;
	bool isnull;

	for (int i = 0; i < count; i++)
	{
		*slot = DatumGetInt32(SPI_getbinval(found->vals[i], found->tupdesc, 1, &isnull));
		if (take_slot(move, *slot))
			return true;
	}
	return false;
}

/*
 * Waits for all slots and gathers the amount in one of them; returns false
 * when all together have not enough.
 */
static bool
gather(const FundMove *move, int32 *slot)
{
	static SavedPlan plan = PLAN("SELECT murallink.fund_gather($1, $2, $3)", "ktn");
	Datum values[] = {move->contract, move->currency, move->amount};
	bool isnull;

	plan_execute(&plan, values, NULL, 0);
	*slot = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return !isnull;
}

/*
 * Reserves funds for a payment.  Raises insufficient_funds.
 */
void
fund_reserve(const FundMove *move)
{
	static SavedPlan insert = PLAN("INSERT INTO murallink.fund_entry"
								   " (contract_uid, client_uid, currency, movement, amount, source_uid, slot)"
								   " VALUES ($1, $2, $3, 'reserve', $4, $5, $6)",
								   "kktnki");
	int32 slot = MyBackendId % fund_slots;
	Owner saved = owner_enter();

	SPI_connect();
	moving = true;
	if (!take_slot(move, slot) && !take_other_slot(move, &slot) && !(gather(move, &slot) && take_slot(move, slot)))
		ereport(ERROR, errnamed(ERR_INSUFFICIENT_FUNDS, "amount"));
	{
		Datum values[] = {move->contract, move->client, move->currency,
						  move->amount, move->source, Int32GetDatum(slot)};

		plan_execute(&insert, values, NULL, 0);
	}
	moving = false;
	SPI_finish();
	owner_leave(saved);
}

/*
 * Moves what a payment had reserved, in the slot that holds it, and records
 * it.  The constraint of fund_entry refuses a second move of the same kind.
 */
static void
move_reserved(SavedPlan *plan, const FundMove *move)
{
	static SavedPlan hold = PLAN("SELECT murallink.fund_hold(contract_uid, slot) FROM murallink.fund_entry"
								 " WHERE source_uid = $1 AND movement = 'reserve'",
								 "kn");
	Datum values[] = {move->source, move->amount};
	Owner saved = owner_enter();

	SPI_connect();
	plan_execute(&hold, values, NULL, 0);
	moving = true;
	if (plan_execute(plan, values, NULL, 0) != 1)
		elog(ERROR, "murallink: a payment to be settled has no reserve");
	moving = false;
	SPI_finish();
	owner_leave(saved);
}

#define MOVE(movement, change)                                                                           \
	"WITH held AS (SELECT * FROM murallink.fund_entry"                                                   \
	"  WHERE source_uid = $1 AND movement = 'reserve'),"                                                 \
	" moved AS (UPDATE murallink.fund_slot s SET " change                                                \
	" FROM held h WHERE s.contract_uid = h.contract_uid AND s.currency = h.currency AND s.slot = h.slot" \
	" RETURNING h.*)"                                                                                    \
	" INSERT INTO murallink.fund_entry"                                                                  \
	" (contract_uid, client_uid, currency, movement, amount, source_uid, slot)"                          \
	" SELECT contract_uid, client_uid, currency, '" movement "', $2, source_uid, slot FROM moved"

/*
 * Gives back what a payment had reserved.
 */
void
fund_release(const FundMove *move)
{
	static SavedPlan plan = PLAN(MOVE("release", "reserved = s.reserved - $2, available = s.available + $2"), "kn");

	move_reserved(&plan, move);
}

/*
 * Turns what a payment had reserved into what was paid out.
 */
void
fund_disburse(const FundMove *move)
{
	static SavedPlan plan =
		PLAN(MOVE("disburse", "reserved = s.reserved - $2, disbursed = s.disbursed + $2"), "kn");

	move_reserved(&plan, move);
}

/*
 * Takes back what a payment had paid out.
 */
void
fund_return(const FundMove *move)
{
	static SavedPlan plan = PLAN(MOVE("return", "disbursed = s.disbursed - $2, available = s.available + $2"), "kn");

	move_reserved(&plan, move);
}

/*
 * Takes the lock of a slot, and returns whether it was held already.  Raises blocked where that takes too long, but in
 * the worker lock_not_available, which it looks for.
 */
static LockAcquireResult
wait_for_slot(const LOCKTAG *tag)
{
	MemoryContext context = CurrentMemoryContext;
	volatile LockAcquireResult got = LOCKACQUIRE_NOT_AVAIL;

	PG_TRY();
	{
		got = LockAcquire(tag, ExclusiveLock, false, false);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE || MyBackendType == B_BG_WORKER)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ereport(ERROR, errnamed(ERR_BLOCKED, NULL));
	}
	PG_END_TRY();
	return got;
}

/*
 * murallink.fund_hold(contract, slot): waits for the lock of a slot.  Where
 * the worker wants it, it is let go again for a moment: the worker is not
 * itself waited for, since nobody would see whom it waits for.  Raises blocked.
 */
PG_FUNCTION_INFO_V1(fund_hold);
Datum
fund_hold(PG_FUNCTION_ARGS)
{
	LOCKTAG tag = slot_lock(PG_GETARG_KSUID_P(0), PG_GETARG_INT32(1));
	Moment deadline = 0;

	identity_bound_waits();
	while (wait_for_slot(&tag) == LOCKACQUIRE_OK && is_wanted(tag))
	{
		Moment now = clock_now();

		if (deadline == 0)
			deadline = now + YIELD_MAX * CLOCK_MS;
		else if (now >= deadline)
			break;
		LockRelease(&tag, ExclusiveLock, false);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, YIELD_STEP, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	PG_RETURN_VOID();
}

/*
 * Trigger after INSERT of a funding: spreads it over the slots.
 */
PG_FUNCTION_INFO_V1(fund_deposit);
Datum
fund_deposit(PG_FUNCTION_ARGS)
{
	static SavedPlan spread = PLAN("SELECT murallink.fund_spread($1, $2)", "ki");
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc desc;
	Datum values[2];
	bool isnull;
	Owner saved;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "fund_deposit is a trigger");
	desc = RelationGetDescr(trigger->tg_relation);
	values[0] = heap_getattr(trigger->tg_trigtuple, SPI_fnumber(desc, "uid"), desc, &isnull);
	values[1] = Int32GetDatum(fund_slots);
	saved = owner_enter();
	SPI_connect();
	moving = true;
	plan_execute(&spread, values, NULL, 0);
	moving = false;
	SPI_finish();
	owner_leave(saved);
	return PointerGetDatum(NULL);
}

/*
 * Trigger on fund_slot and fund_entry: refuses whoever does not come through
 * this file.  Raises guarded.
 */
PG_FUNCTION_INFO_V1(fund_guard);
Datum
fund_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "fund_guard is a trigger");
	if (!moving)
		ereport(ERROR, errnamed(ERR_GUARDED, RelationGetRelationName(trigger->tg_relation)));
	return PointerGetDatum(NULL);
}

/*
 * murallink.fund_try_hold(contract, slot): takes the lock of a slot unless
 * somebody else has it; returns whether it is held.
 */
PG_FUNCTION_INFO_V1(fund_try_hold);
Datum
fund_try_hold(PG_FUNCTION_ARGS)
{
	LOCKTAG tag = slot_lock(PG_GETARG_KSUID_P(0), PG_GETARG_INT32(1));

	PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL);
}

/*
 * murallink.fund_lock_class(contract): the part of the locks of its slots that
 * tells its contract from others, as slot_lock() makes it.
 */
PG_FUNCTION_INFO_V1(fund_lock_class);
Datum
fund_lock_class(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(slot_lock(PG_GETARG_KSUID_P(0), 0).locktag_field2);
}

/*
 * murallink.fund_want(contract, slot): has payers leave a slot to this
 * process, until it wants none.
 */
PG_FUNCTION_INFO_V1(fund_want);
Datum
fund_want(PG_FUNCTION_ARGS)
{
	LOCKTAG slot = slot_lock(PG_GETARG_KSUID_P(0), PG_GETARG_INT32(1));
	LOCKTAG wish = wish_lock(slot);

	if (wish_count < WISHES_MAX && LockAcquire(&wish, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
		wishes[wish_count++] = slot;
	PG_RETURN_VOID();
}

/*
 * Wants no slot any more.
 */
void
fund_want_none(void)
{
	while (wish_count > 0)
	{
		LOCKTAG wish = wish_lock(wishes[--wish_count]);

		LockRelease(&wish, ExclusiveLock, true);
	}
}

/*
 * Returns whether this process wants a slot.
 */
bool
fund_wants(void)
{
	return wish_count > 0;
}

/*
 * Holds those of the slots that this process wants which nobody else holds,
 * until the end of the transaction; returns whether there are any.
 */
bool
fund_catch(void)
{
	bool caught = false;

	for (int i = 0; i < wish_count; i++)
		caught |= LockAcquire(&wishes[i], ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
	return caught;
}
