/*
 * fund.c
 *	  The only door through which funds move.
 *
 * A balance is spread over slots.  A reserver takes the slot of its backend,
 * else any slot that is not locked and has enough; only when there is none
 * does it lock all slots and gather.  So payers on one contract seldom wait
 * for each other, and nobody hears "insufficient" while there is enough.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "error.h"
#include "fmgr.h"
#include "fund.h"
#include "install.h"
#include "ksuid.h"
#include "miscadmin.h"
#include "storage/backendid.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/rel.h"

/* The kind of advisory lock that a payer holds on the slot it is at work on. */
#define SLOT_LOCK_KIND 5

/* Entries and slots are written only while this is set. */
static bool moving = false;

static int fund_slots = 8;

static void stop_moving(XactEvent event, void *arg);
static void stop_moving_sub(SubXactEvent event, SubTransactionId self, SubTransactionId parent,
							void *arg);
static bool take_slot(SavedPlan *plan, const FundMove *move, int preferred, int32 *slot);
static bool own_slot(const FundMove *move, int slot);
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
 * Runs one of the plans of fund_reserve(); returns whether it found a slot,
 * and which.
 */
static bool
take_slot(SavedPlan *plan, const FundMove *move, int preferred, int32 *slot)
{
	Datum values[] = {move->contract, move->currency, move->amount, Int32GetDatum(preferred)};
	bool isnull;

	if (plan_execute(plan, values, NULL, 0) == 0)
		return false;
	*slot = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return !isnull;
}

/*
 * Returns whether no other payer is at work on a slot, and keeps others off it
 * until the end of the transaction.
 */
static bool
own_slot(const FundMove *move, int slot)
{
	LOCKTAG tag;
	uint32 contract = hash_bytes(DatumGetKsuidP(move->contract)->bytes, KSUID_LEN);

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, contract, slot, SLOT_LOCK_KIND);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Reserves funds for a payment.  Raises insufficient_funds.
 */
void
fund_reserve(const FundMove *move)
{
	static SavedPlan take_own =
		PLAN("UPDATE murallink.fund_slot SET available = available - $3, reserved = reserved + $3"
			 " WHERE contract_uid = $1 AND currency = $2 AND slot = $4 AND available >= $3"
			 " RETURNING slot",
			 "ktni");
	static SavedPlan take_any =
		PLAN("UPDATE murallink.fund_slot SET available = available - $3, reserved = reserved + $3"
			 " WHERE contract_uid = $1 AND currency = $2 AND slot = ("
			 "  SELECT slot FROM murallink.fund_slot WHERE contract_uid = $1 AND currency = $2 AND slot <> $4"
			 "  AND available >= $3 ORDER BY slot LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)"
			 " RETURNING slot",
			 "ktni");
	static SavedPlan gather = PLAN("SELECT murallink.fund_gather($1, $2, $3)", "ktni");
	static SavedPlan insert = PLAN("INSERT INTO murallink.fund_entry"
								   " (contract_uid, client_uid, currency, movement, amount, source_uid, slot)"
								   " VALUES ($1, $2, $3, 'reserve', $4, $5, $6)",
								   "kktnki");
	int preferred = MyBackendId % fund_slots;
	int32 slot;
	Owner saved = owner_enter();

	SPI_connect();
	moving = true;
	if (!(own_slot(move, preferred) && take_slot(&take_own, move, preferred, &slot)) && !take_slot(&take_any, move, preferred, &slot) &&
		!(take_slot(&gather, move, preferred, &slot) && take_slot(&take_own, move, slot, &slot)))
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
	Datum values[] = {move->source, move->amount};
	Owner saved = owner_enter();

	SPI_connect();
	moving = true;
	if (plan_execute(plan, values, NULL, 0) != 1)
		elog(ERROR, "murallink: a payment to be settled has no reserve");
	moving = false;
	SPI_finish();
	owner_leave(saved);
}

#define MOVE(movement, change)                                                                           \
	"WITH held AS (SELECT * FROM murallink.fund_entry WHERE source_uid = $1 AND movement = 'reserve'),"  \
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
