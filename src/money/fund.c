/*
 * fund.c
 *	  The only door through which funds move.
 *
 * What is available is spread over slots.  Whoever writes a slot holds its lock
 * until the end of the transaction: not a lock of the row, which would stay
 * behind where a slot turns out to have too little.  A payer takes the slot of
 * its backend, else any slot that nobody holds and has enough; only when there
 * is none does it wait for all slots, in order, and gather.  So payers on one
 * contract seldom wait for each other, none waits out of order, and nobody
 * hears "insufficient" while there is enough.
 *
 * Nothing else waits for a slot, and least of all the worker.  What is paid out
 * has left its slot when it was reserved; it is counted in slots below zero,
 * which payers do not write.  What is given back, or counted, goes to the slot
 * of the backend, or where that is held to a slot of the transaction's own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "error.h"
#include "fmgr.h"
#include "fund.h"
#include "identity.h"
#include "install.h"
#include "install_row.h"
#include "ksuid.h"
#include "miscadmin.h"
#include "storage/backendid.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* The columns of murallink.fund_entry, by their number from 0. */
enum EntryColumn
{
	ENTRY_UID,
	ENTRY_CONTRACT,
	ENTRY_CLIENT,
	ENTRY_CURRENCY,
	ENTRY_MOVEMENT,
	ENTRY_AMOUNT,
	ENTRY_SOURCE,
	ENTRY_AT,
	ENTRY_COLUMNS
};

/* The kind of advisory locks that are the lock of a slot. */
#define SLOT_LOCK_KIND 5

/* The most slots that a fund is made with; the slots of transactions have higher numbers. */
#define SLOTS_MAX 256

/* The slot of this backend, for payers and for what is paid out. */
#define OWN_SLOT (MyBackendId % fund_slots)
#define OWN_SLOT_OF_DISBURSED (-1 - OWN_SLOT)

/* Funds and slots are written only while this is set. */
static bool moving = false;

static int fund_slots = 8;

static void stop_moving(XactEvent event, void *arg);
static void stop_moving_sub(SubXactEvent event, SubTransactionId self, SubTransactionId parent,
							void *arg);
static void wait_for_slot(const LOCKTAG *tag);
static LOCKTAG slot_lock(const Ksuid *contract, int64 slot);
static bool take_slot(const FundMove *move, int64 slot);
static bool take_other_slot(const FundMove *move, int64 *slot);
static bool gather(const FundMove *move, int64 *slot);
static void add(const FundMove *move, int64 slot, int available, int reserved, int disbursed);
static void record(const FundMove *move, const char *movement);
static void settle(const FundMove *move, const char *movement, int64 slot, int available, int reserved, int disbursed);

/*
 * Registers settings and the callbacks that close the door after an error.
 */
void
fund_init(void)
{
	DefineCustomIntVariable("murallink.fund_slots", "Number of slots over which the balance of a new fund is spread.",
							"A new value applies to funds that get their first deposit after the change.",
							&fund_slots, 8, 1, SLOTS_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
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
slot_lock(const Ksuid *contract, int64 slot)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, hash_bytes(contract->bytes, KSUID_LEN), (uint32) slot,
						 SLOT_LOCK_KIND);
	return tag;
}

/*
 * Reserves in a slot; returns false when somebody else holds the slot or it
 * has not enough.
 */
static bool
take_slot(const FundMove *move, int64 slot)
{
	static SavedPlan plan =
		PLAN("UPDATE murallink.fund_slot SET available = available - $3, reserved = reserved + $3"
			 " WHERE contract_uid = $1 AND currency = $2 AND slot = $4 AND available >= $3",
			 "ktnI");
	Datum values[] = {move->contract, move->currency, move->amount, Int64GetDatum(slot)};
	LOCKTAG tag = slot_lock(DatumGetKsuidP(move->contract), slot);

	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	if (plan_execute(&plan, values, NULL, 0) == 1)
		return true;
	LockRelease(&tag, ExclusiveLock, false);
	return false;
}

/*
 * Reserves in some slot that has enough and that nobody holds; returns false
 * when there is none.
 */
static bool
take_other_slot(const FundMove *move, int64 *slot)
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
		*slot = DatumGetInt64(SPI_getbinval(found->vals[i], found->tupdesc, 1, &isnull));
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
gather(const FundMove *move, int64 *slot)
{
	static SavedPlan plan = PLAN("SELECT murallink.fund_gather($1, $2, $3)", "ktn");
	Datum values[] = {move->contract, move->currency, move->amount};
	bool isnull;

	plan_execute(&plan, values, NULL, 0);
	*slot = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return !isnull;
}

/*
 * Writes a movement down.  The constraint of fund_entry refuses a second one of
 * the same kind.
 */
static void
record(const FundMove *move, const char *movement)
{
	Ksuid uid;
	Datum values[ENTRY_COLUMNS];
	bool nulls[ENTRY_COLUMNS] = {false};

	ksuid_generate(&uid);
	values[ENTRY_UID] = KsuidPGetDatum(&uid);
	values[ENTRY_CONTRACT] = move->contract;
	values[ENTRY_CLIENT] = move->client;
	values[ENTRY_CURRENCY] = move->currency;
	values[ENTRY_MOVEMENT] = ObjectIdGetDatum(install_enum("fund_movement", movement));
	values[ENTRY_AMOUNT] = move->amount;
	values[ENTRY_SOURCE] = move->source;
	values[ENTRY_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	row_insert(row_table("fund_entry", ENTRY_COLUMNS), values, nulls);
}

/*
 * Reserves funds for a payment.  Raises insufficient_funds.
 */
void
fund_reserve(const FundMove *move)
{
	int64 slot = OWN_SLOT;
	Owner saved = owner_enter();

	SPI_connect();
	moving = true;
	if (!take_slot(move, slot) && !take_other_slot(move, &slot) && !(gather(move, &slot) && take_slot(move, slot)))
		ereport(ERROR, errnamed(ERR_INSUFFICIENT_FUNDS, "amount"));
	moving = false;
	record(move, "reserve");
	SPI_finish();
	owner_leave(saved);
}

/*
 * Adds the amount of a movement to what a slot has, as many times as the
 * factors say.  Waits for nobody: where the slot is held, the transaction's own
 * is taken, which fund_gather() closes when it is empty.
 */
static void
add(const FundMove *move, int64 slot, int available, int reserved, int disbursed)
{
	static SavedPlan plan =
		PLAN("INSERT INTO murallink.fund_slot AS s (contract_uid, currency, slot, available, reserved, disbursed)"
			 " VALUES ($1, $2, $3, $4 * $5, $4 * $6, $4 * $7) ON CONFLICT (contract_uid, currency, slot)"
			 " DO UPDATE SET available = s.available + EXCLUDED.available,"
			 " reserved = s.reserved + EXCLUDED.reserved, disbursed = s.disbursed + EXCLUDED.disbursed",
			 "ktIniii");
	LOCKTAG tag = slot_lock(DatumGetKsuidP(move->contract), slot);
	Datum values[] = {move->contract, move->currency, Int64GetDatum(slot), move->amount,
					  Int32GetDatum(available), Int32GetDatum(reserved), Int32GetDatum(disbursed)};

	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		values[2] = Int64GetDatum(SLOTS_MAX + U64FromFullTransactionId(GetTopFullTransactionId()));
	plan_execute(&plan, values, NULL, 0);
}

/*
 * Records what becomes of what a payment had reserved, and adds it as add()
 * does.
 */
static void
settle(const FundMove *move, const char *movement, int64 slot, int available, int reserved, int disbursed)
{
	static SavedPlan plan =
		PLAN("SELECT contract_uid, client_uid, currency::pg_catalog.text, amount::pg_catalog.numeric"
			 " FROM murallink.fund_entry WHERE source_uid = $1 AND movement = 'reserve'",
			 "k");
	FundMove kept = {.source = move->source};
	Datum *const columns[] = {&kept.contract, &kept.client, &kept.currency, &kept.amount};
	Owner saved = owner_enter();
	bool isnull;

	SPI_connect();
	if (plan_execute(&plan, &kept.source, NULL, 0) != 1)
		elog(ERROR, "murallink: the payment to be settled has no reservation");
	for (int i = 0; i < lengthof(columns); i++)
		*columns[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &isnull);
	record(&kept, movement);
	moving = true;
	add(move, slot, available, reserved, disbursed);
	moving = false;
	SPI_finish();
	owner_leave(saved);
}

/*
 * Gives back what a payment had reserved.
 */
void
fund_release(const FundMove *move)
{
	settle(move, "release", OWN_SLOT, 1, -1, 0);
}

/*
 * Turns what a payment had reserved into what was paid out.
 */
void
fund_disburse(const FundMove *move)
{
	settle(move, "disburse", OWN_SLOT_OF_DISBURSED, 0, -1, 1);
}

/*
 * Takes back what a payment had paid out.
 */
void
fund_return(const FundMove *move)
{
	settle(move, "return", OWN_SLOT, 1, 0, -1);
}

/*
 * Waits for the lock of a slot.  Raises blocked where that takes too long.
 */
static void
wait_for_slot(const LOCKTAG *tag)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		(void) LockAcquire(tag, ExclusiveLock, false, false);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ereport(ERROR, errnamed(ERR_BLOCKED, NULL));
	}
	PG_END_TRY();
}

/*
 * murallink.fund_hold(contract, slot): waits for the lock of a slot.  Raises
 * blocked.
 */
PG_FUNCTION_INFO_V1(fund_hold);
Datum
fund_hold(PG_FUNCTION_ARGS)
{
	LOCKTAG tag = slot_lock(PG_GETARG_KSUID_P(0), PG_GETARG_INT64(1));

	identity_bound_waits();
	wait_for_slot(&tag);
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
	FundMove move;
	Datum values[2];
	bool isnull;
	Owner saved;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "fund_deposit is a trigger");
	desc = RelationGetDescr(trigger->tg_relation);
#define COLUMN(name) heap_getattr(trigger->tg_trigtuple, SPI_fnumber(desc, name), desc, &isnull)
	move.contract = COLUMN("contract_uid");
	move.client = COLUMN("client_uid");
	move.currency = COLUMN("currency");
	move.amount = COLUMN("amount");
	move.source = COLUMN("uid");
#undef COLUMN
	values[0] = move.source;
	values[1] = Int32GetDatum(fund_slots);
	saved = owner_enter();
	SPI_connect();
	moving = true;
	plan_execute(&spread, values, NULL, 0);
	moving = false;
	record(&move, "deposit");
	SPI_finish();
	owner_leave(saved);
	return PointerGetDatum(NULL);
}

/*
 * Trigger on fund and fund_slot: refuses whoever does not come through
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
