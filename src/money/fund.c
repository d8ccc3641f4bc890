/*
 * fund.c
 *	  Movements of funds, and their entries in the books.  No other code moves
 *	  funds.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "fund.h"
#include "fund_slot.h"
#include "install.h"
#include "install_row.h"
#include "ksuid.h"
#include "utils/builtins.h"
#include "utils/datum.h"
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

static void record(const FundMove *move, const char *movement);
static void settle(const FundMove *move, const char *movement, bool below, int available, int reserved, int disbursed);

/*
 * Inserts a movement.  A constraint of fund_entry refuses a second one of the
 * same kind.
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
	Owner saved = owner_enter();

	fund_slot_take(move, true);
	record(move, "reserve");
	owner_leave(saved);
}

/*
 * Records a movement of what a payment had reserved, and adds it as
 * fund_slot_add() does.
 */
static void
settle(const FundMove *move, const char *movement, bool below, int available, int reserved, int disbursed)
{
	Datum keys[] = {move->source, ObjectIdGetDatum(install_enum("fund_movement", "reserve"))};
	FundMove kept = {.source = move->source};
	Owner saved = owner_enter();
	RowScan scan;
	bool isnull;

	row_begin(&scan, "fund_entry_pkey", RowExclusiveLock, ENTRY_COLUMNS, keys, lengthof(keys));
	if (!row_next(&scan))
		elog(ERROR, "murallink: the payment to be settled has no reservation");
	kept.contract = datumCopy(row_value(&scan, ENTRY_CONTRACT, &isnull), false, KSUID_LEN);
	kept.client = datumCopy(row_value(&scan, ENTRY_CLIENT, &isnull), false, KSUID_LEN);
	kept.currency = datumCopy(row_value(&scan, ENTRY_CURRENCY, &isnull), false, -1);
	kept.amount = datumCopy(row_value(&scan, ENTRY_AMOUNT, &isnull), false, -1);
	row_end(&scan);
	record(&kept, movement);
	fund_slot_add(&kept, below, available, reserved, disbursed);
	owner_leave(saved);
}

/*
 * Releases what a payment had reserved.
 */
void
fund_release(const FundMove *move)
{
	settle(move, "release", false, 1, -1, 0);
}

/*
 * Turns what a payment had reserved into a disbursement.
 */
void
fund_disburse(const FundMove *move)
{
	settle(move, "disburse", true, 0, -1, 1);
}

/*
 * Returns an amount that was disbursed, and has come back by the reversal that
 * is the source, to the available amount.
 */
void
fund_return(const FundMove *move)
{
	Owner saved = owner_enter();

	record(move, "return");
	fund_slot_add(move, false, 1, 0, -1);
	owner_leave(saved);
}

/*
 * Trigger after INSERT of a funding: adds it to the fund, or takes it from what
 * is available there, as its movement says.  Raises insufficient_funds.
 */
PG_FUNCTION_INFO_V1(fund_deposit);
Datum
fund_deposit(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc desc;
	FundMove move;
	const char *movement;
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
	movement = install_enum_label(DatumGetObjectId(COLUMN("movement")));
#undef COLUMN
	saved = owner_enter();
	if (strcmp(movement, "deposit") == 0)
		fund_slot_deposit(&move);
	else
		fund_slot_take(&move, false);
	record(&move, movement);
	owner_leave(saved);
	return PointerGetDatum(NULL);
}
