/*
 * fund_slot.c
 *	  The slots of funds: where an amount is taken from and added to.  No other
 *	  code changes them.
 *
 * The available amount is spread over slots.  A transaction that writes a slot
 * holds its advisory lock until it ends; a row lock would remain on a slot
 * that turns out to have too little.
 *
 * A payer takes the slot of its backend, else another one that is free and has
 * enough, else it waits for one that has enough.  Only if no single slot has
 * enough, it waits for all slots, in order, and gathers the amount.  A deposit
 * waits for all slots in this order too.  So payers on one contract rarely wait
 * for each other, and insufficient_funds is raised only if all slots together
 * have too little.  A withdrawal takes as a payer does.  Transactions of one
 * movement do not deadlock with each other, because they hold no slot while they
 * wait for a single one, and only lower ones while they wait for all.
 *
 * Whatever else moves funds waits for no slot; in particular, the worker does
 * not.  An amount leaves its slot when it is reserved; disbursements are
 * counted in slots with negative numbers, which payers do not write.  A
 * returned amount goes to the first slot that is free, beginning with that of
 * the backend.  If all are held, further ones are made, one for each
 * transaction that returns amounts at that time; the next that holds all slots
 * empties and deletes them.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "error.h"
#include "fmgr.h"
#include "fund_slot.h"
#include "identity.h"
#include "install.h"
#include "install_row.h"
#include "ksuid.h"
#include "miscadmin.h"
#include "money.h"
#include "storage/backendid.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/numeric.h"

/* The columns of murallink.fund, by their number from 0. */
enum FundColumn
{
	FUND_CONTRACT,
	FUND_CURRENCY,
	FUND_CLIENT,
	FUND_COLUMNS
};

/* The columns of murallink.fund_slot, by their number from 0. */
enum SlotColumn
{
	SLOT_CONTRACT,
	SLOT_CURRENCY,
	SLOT_SLOT,
	SLOT_AVAILABLE,
	SLOT_RESERVED,
	SLOT_DISBURSED,
	SLOT_COLUMNS
};

/* A slot as it was found. */
typedef struct Slot
{
	int64 slot;
	Datum available; /* numeric */
	Datum reserved; /* numeric */
	Datum disbursed; /* numeric */
} Slot;

/* Where this backend has last written a slot. */
typedef struct SlotKey
{
	Ksuid contract;
	char currency[8];
	int64 slot;
} SlotKey;

typedef struct SlotSeen
{
	SlotKey key;
	ItemPointerData at;
} SlotSeen;

/* If the backend remembers this many slots, it forgets them. */
#define SLOTS_SEEN 1024

/* Arithmetic on numeric. */
#define NUMBER(n) NumericGetDatum(int64_to_numeric(n))
#define PLUS(a, b) DirectFunctionCall2(numeric_add, (a), (b))
#define MINUS(a, b) DirectFunctionCall2(numeric_sub, (a), (b))
#define TIMES(a, b) DirectFunctionCall2(numeric_mul, (a), (b))
#define COMPARE(a, b) DatumGetInt32(DirectFunctionCall2(numeric_cmp, (a), (b)))

/* The kind of advisory lock that a slot has. */
#define SLOT_LOCK_KIND 5

/* The most slots that a fund is made with; those that are made while all are held have higher numbers. */
#define SLOTS_MAX 256

/* The slot of this backend, for payments and for disbursements. */
#define OWN_SLOT (MyBackendId % fund_slots)
#define OWN_SLOT_OF_DISBURSED (-1 - OWN_SLOT)

static int fund_slots = 8;
static HTAB *slots_seen = NULL;

static void wait_for_slot(const Ksuid *contract, int64 slot);
static bool try_slot(const FundMove *move, int64 slot);
static LOCKTAG slot_lock(const Ksuid *contract, int64 slot);
static SlotSeen *slot_seen(const FundMove *move, int64 slot);
static bool change_slot(const FundMove *move, int64 slot, Datum available, Datum reserved, Datum disbursed);
static void new_slot(const FundMove *move, int64 slot, Datum available, Datum reserved, Datum disbursed);
static int slots_of(const FundMove *move, Slot **slots);
static bool take_held(const FundMove *move, int64 slot, bool reserved);
static bool take_own(const FundMove *move, bool reserved);
static bool take_other(const FundMove *move, bool reserved);
static void close_slot(const FundMove *move, int64 slot);
static int fold(const FundMove *move, Slot *slots, int count);
static int hold_all(const FundMove *move, Slot **slots);
static int compare_slots(const void *a, const void *b);
static bool gather(const FundMove *move, bool reserved);
static int slots_for_deposit(const FundMove *move, Slot **slots);

/*
 * Registers the setting.
 */
void
fund_slot_init(void)
{
	DefineCustomIntVariable("murallink.fund_slots", "Slots over which the balance of a new fund is spread.",
							"A new setting holds for funds that are first deposited into after it.",
							&fund_slots, 8, 1, SLOTS_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * Returns the lock of a slot.  If two contracts share one by a collision of
 * hashes, their payers sometimes wait for each other.
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
 * Takes the lock of a slot.  Returns false if another transaction holds it, or
 * waits for it.
 */
static bool
try_slot(const FundMove *move, int64 slot)
{
	LOCKTAG tag = slot_lock(DatumGetKsuidP(move->contract), slot);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Returns where this backend has last written a slot; the place is invalid for
 * one that it has not written yet.  A row that was written and rolled back, or
 * moved since, is found by the index.  The result is valid until the next call,
 * which may be that of a trigger.
 */
static SlotSeen *
slot_seen(const FundMove *move, int64 slot)
{
	SlotKey key;
	SlotSeen *result;
	bool known;

	memset(&key, 0, sizeof(key)); /* also what is between the fields, because all bytes are hashed */
	key.contract = *DatumGetKsuidP(move->contract);
	key.slot = slot;
	text_to_cstring_buffer(DatumGetTextPP(move->currency), key.currency, sizeof(key.currency));
	if (slots_seen != NULL && hash_get_num_entries(slots_seen) >= SLOTS_SEEN)
	{
		hash_destroy(slots_seen);
		slots_seen = NULL;
	}
	if (slots_seen == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(SlotKey), .entrysize = sizeof(SlotSeen)};

		slots_seen = hash_create("murallink fund slots", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	result = hash_search(slots_seen, &key, HASH_ENTER, &known);
	if (!known)
		ItemPointerSetInvalid(&result->at);
	return result;
}

/*
 * Adds to the amounts of a slot.  Returns false if the slot does not exist or
 * has too little.  Assumes that this transaction holds the slot.
 */
static bool
change_slot(const FundMove *move, int64 slot, Datum available, Datum reserved, Datum disbursed)
{
	Datum keys[] = {move->contract, move->currency, Int64GetDatum(slot)};
	Datum values[SLOT_COLUMNS];
	bool nulls[SLOT_COLUMNS] = {false};
	ItemPointerData seen = slot_seen(move, slot)->at;
	RowScan scan;
	bool found;

	row_begin_seen(&scan, "fund_slot_pkey", RowExclusiveLock, SLOT_COLUMNS, keys, lengthof(keys), &seen);
	found = row_next(&scan);
	if (found)
	{
		for (int i = 0; i < SLOT_COLUMNS; i++)
			values[i] = row_value(&scan, i, &nulls[i]);
		values[SLOT_AVAILABLE] = PLUS(values[SLOT_AVAILABLE], available);
		values[SLOT_RESERVED] = PLUS(values[SLOT_RESERVED], reserved);
		values[SLOT_DISBURSED] = PLUS(values[SLOT_DISBURSED], disbursed);
		found = COMPARE(values[SLOT_AVAILABLE], NUMBER(0)) >= 0;
	}
	if (found)
	{
		row_replace(&scan, values, nulls);
		slot_seen(move, slot)->at = scan.written;
	}
	row_end(&scan);
	return found;
}

/*
 * Adds a slot.
 */
static void
new_slot(const FundMove *move, int64 slot, Datum available, Datum reserved, Datum disbursed)
{
	const Datum values[SLOT_COLUMNS] = {move->contract, move->currency, Int64GetDatum(slot),
										available, reserved, disbursed};
	const bool nulls[SLOT_COLUMNS] = {false};

	row_insert(row_table("fund_slot", SLOT_COLUMNS), values, nulls);
}

/*
 * Finds the slots of a fund from which payers take, in order; returns how many
 * there are.
 */
static int
slots_of(const FundMove *move, Slot **slots)
{
	Datum keys[] = {move->contract, move->currency};
	int room = SLOTS_MAX;
	int count = 0;
	RowScan scan;
	bool isnull;

	*slots = palloc(room * sizeof(Slot));
	row_begin(&scan, "fund_slot_pkey", RowExclusiveLock, SLOT_COLUMNS, keys, lengthof(keys));
	while (row_next(&scan))
	{
		int64 slot = DatumGetInt64(row_value(&scan, SLOT_SLOT, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (slot < 0)
			continue;
		if (count == room)
			*slots = repalloc_huge(*slots, (room *= 2) * sizeof(Slot));
		(*slots)[count++] = (Slot){slot, datumCopy(row_value(&scan, SLOT_AVAILABLE, &isnull), false, -1),
								   datumCopy(row_value(&scan, SLOT_RESERVED, &isnull), false, -1),
								   datumCopy(row_value(&scan, SLOT_DISBURSED, &isnull), false, -1)};
	}
	row_end(&scan);
	return count;
}

/*
 * Takes the amount from what is available in a slot of which this transaction
 * has just taken the lock; reserved: and reserves it there.  If the slot has too
 * little, gives the lock back and returns false.
 */
static bool
take_held(const FundMove *move, int64 slot, bool reserved)
{
	LOCKTAG tag = slot_lock(DatumGetKsuidP(move->contract), slot);

	if (change_slot(move, slot, MINUS(NUMBER(0), move->amount), reserved ? move->amount : NUMBER(0), NUMBER(0)))
		return true;
	LockRelease(&tag, ExclusiveLock, false);
	return false;
}

/*
 * Takes the amount from the slot of this backend.  Returns false if another
 * transaction holds it or it has too little.
 */
static bool
take_own(const FundMove *move, bool reserved)
{
	return try_slot(move, OWN_SLOT) && take_held(move, OWN_SLOT, reserved);
}

/*
 * Takes the amount from any slot that has enough: from a free one, else from the
 * first one after it has waited for that.  Returns false if no slot has enough.
 */
static bool
take_other(const FundMove *move, bool reserved)
{
	bool enough;

	do
	{
		Slot *slots;
		int count = slots_of(move, &slots);
		int64 first = 0;

		CHECK_FOR_INTERRUPTS();
		enough = false;
		for (int i = 0; i < count; i++)
		{
			const Slot *other = &slots[(MyBackendId + i) % count];

			if (COMPARE(other->available, move->amount) < 0)
				continue;
			if (try_slot(move, other->slot) && take_held(move, other->slot, reserved))
				return true;
			first = enough ? first : other->slot;
			enough = true;
		}
		pfree(slots);
		if (enough)
		{
			wait_for_slot(DatumGetKsuidP(move->contract), first);
			if (take_held(move, first, reserved))
				return true;
		}
	} while (enough);
	return false;
}

/*
 * Deletes a slot.  Assumes that this transaction holds it.
 */
static void
close_slot(const FundMove *move, int64 slot)
{
	Datum keys[] = {move->contract, move->currency, Int64GetDatum(slot)};
	RowScan scan;

	row_begin(&scan, "fund_slot_pkey", RowExclusiveLock, SLOT_COLUMNS, keys, lengthof(keys));
	if (row_next(&scan))
		row_replace(&scan, NULL, NULL);
	row_end(&scan);
}

/*
 * Empties the slots that were made while all others were held into the first
 * slot, and deletes them.  Assumes that this transaction holds all; returns how
 * many are left.
 */
static int
fold(const FundMove *move, Slot *slots, int count)
{
	Slot *first = slots;
	Datum before = count > 0 ? first->available : (Datum) 0;
	Datum reserved = NUMBER(0);
	Datum disbursed = NUMBER(0);
	int left = count;

	while (left > 1 && slots[left - 1].slot >= SLOTS_MAX)
	{
		const Slot *last = &slots[--left];

		CHECK_FOR_INTERRUPTS();
		first->available = PLUS(first->available, last->available);
		reserved = PLUS(reserved, last->reserved);
		disbursed = PLUS(disbursed, last->disbursed);
		close_slot(move, last->slot);
	}
	if (left < count)
		change_slot(move, first->slot, MINUS(first->available, before), reserved, disbursed);
	return left;
}

/*
 * Waits for all slots of a fund from which payers take, in order, also for
 * those that are made meanwhile, and folds them; returns how many there are.
 */
static int
hold_all(const FundMove *move, Slot **slots)
{
	const Ksuid *contract = DatumGetKsuidP(move->contract);
	int count;
	bool waited;

	do
	{
		count = slots_of(move, slots);
		waited = false;
		for (int i = 0; i < count; i++)
		{
			LOCKTAG tag = slot_lock(contract, (*slots)[i].slot);

			if (LockHeldByMe(&tag, ExclusiveLock))
				continue;
			wait_for_slot(contract, (*slots)[i].slot);
			waited = true;
		}
	} while (waited);
	return fold(move, *slots, count);
}

/*
 * Orders slots so that those with the most come first.
 */
static int
compare_slots(const void *a, const void *b)
{
	const Slot *one = a;
	const Slot *other = b;
	int result = COMPARE(other->available, one->available);

	return result != 0 ? result : (one->slot > other->slot) - (one->slot < other->slot);
}

/*
 * Waits for all slots, gathers the amount in the one that has the most, and
 * takes it there.  Returns false if all together have too little.
 */
static bool
gather(const FundMove *move, bool reserved)
{
	Datum missing = move->amount;
	Datum gathered = NUMBER(0);
	Slot *slots;
	int count = hold_all(move, &slots);

	qsort(slots, count, sizeof(Slot), compare_slots);
	for (int i = 0; i < count; i++)
	{
		Datum taken = COMPARE(slots[i].available, missing) < 0 ? slots[i].available : missing;

		CHECK_FOR_INTERRUPTS();
		missing = MINUS(missing, taken);
		if (i == 0 || COMPARE(taken, NUMBER(0)) == 0)
			continue;
		gathered = PLUS(gathered, taken);
		change_slot(move, slots[i].slot, MINUS(NUMBER(0), taken), NUMBER(0), NUMBER(0));
	}
	if (COMPARE(missing, NUMBER(0)) > 0)
		return false;
	return change_slot(move, slots[0].slot, MINUS(gathered, move->amount), reserved ? move->amount : NUMBER(0), NUMBER(0));
}

/*
 * Takes the amount from what the fund has available; reserved: and reserves
 * it.  Raises insufficient_funds.
 */
void
fund_slot_take(const FundMove *move, bool reserved)
{
	if (!take_own(move, reserved) && !take_other(move, reserved) && !gather(move, reserved))
		ereport(ERROR, errnamed(ERR_INSUFFICIENT_FUNDS, "amount"));
}

/*
 * Adds the amount of a movement, times each factor, to the amounts of the slot of
 * this backend for payments, or for disbursements (below), or of one of those
 * after it if others hold it: those below 0 go on below 0.  Does not wait, and
 * makes the slot if it is not there.
 */
void
fund_slot_add(const FundMove *move, bool below, int available, int reserved, int disbursed)
{
	int64 slot = below ? OWN_SLOT_OF_DISBURSED : OWN_SLOT;
	Datum amounts[] = {TIMES(move->amount, NUMBER(available)), TIMES(move->amount, NUMBER(reserved)),
					   TIMES(move->amount, NUMBER(disbursed))};
	int64 first = below ? -1 - slot : slot;

	for (int i = 1; !try_slot(move, slot); i++)
	{
		CHECK_FOR_INTERRUPTS();
		slot = i < fund_slots ? (first + i) % fund_slots : SLOTS_MAX + i - fund_slots;
		if (below)
			slot = -1 - slot;
	}
	if (!change_slot(move, slot, amounts[0], amounts[1], amounts[2]))
		new_slot(move, slot, amounts[0], amounts[1], amounts[2]);
}

/*
 * Waits for the lock of a slot, at most as long as requests wait for locks.
 * Raises blocked after that.
 */
static void
wait_for_slot(const Ksuid *contract, int64 slot)
{
	LOCKTAG tag = slot_lock(contract, slot);
	MemoryContext context = CurrentMemoryContext;

	identity_bound_waits();
	PG_TRY();
	{
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
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
 * murallink_private.fund_hold(contract, slot): waits for the lock of a slot.  Raises
 * blocked.
 */
PG_FUNCTION_INFO_V1(fund_hold);
Datum
fund_hold(PG_FUNCTION_ARGS)
{
	wait_for_slot(PG_GETARG_KSUID_P(0), PG_GETARG_INT64(1));
	PG_RETURN_VOID();
}

/*
 * Waits for the slots over which a deposit is spread, in order; returns how
 * many there are.  Makes the fund if there is none; the first deposit takes
 * the lock of the first slot before that slot exists.
 */
static int
slots_for_deposit(const FundMove *move, Slot **slots)
{
	const Ksuid *contract = DatumGetKsuidP(move->contract);
	const Datum fund[FUND_COLUMNS] = {move->contract, move->currency, move->client};
	const bool nulls[FUND_COLUMNS] = {false};
	RowScan scan;
	bool found;

	wait_for_slot(contract, 0);
	row_begin(&scan, "fund_pkey", RowExclusiveLock, FUND_COLUMNS, fund, FUND_CURRENCY + 1);
	found = row_next(&scan);
	row_end(&scan);
	if (!found)
	{
		row_insert(row_table("fund", FUND_COLUMNS), fund, nulls);
		for (int i = 0; i < fund_slots; i++)
			new_slot(move, i, NUMBER(0), NUMBER(0), NUMBER(0));
	}
	return hold_all(move, slots);
}

/*
 * Spreads an amount over the slots, in equal shares; the first slot gets the
 * rest.
 */
void
fund_slot_deposit(const FundMove *move)
{
	Slot *slots;
	int count = slots_for_deposit(move, &slots);
	Datum share = DirectFunctionCall2(numeric_trunc, DirectFunctionCall2(numeric_div, move->amount, NUMBER(count)),
									  Int32GetDatum(money_decimals(DatumGetTextPP(move->currency))));

	for (int i = 0; i < count; i++)
	{
		Datum part = i > 0 ? share : MINUS(move->amount, TIMES(share, NUMBER(count - 1)));

		change_slot(move, slots[i].slot, part, NUMBER(0), NUMBER(0));
	}
}
