/*
 * audit_position.c
 *	  The position of an event in the feed: an order in which no reader skips
 *	  what is committed later.
 *
 * A position is an epoch and the id of the transaction; within a transaction
 * events are counted.  A reader is shown only what lies below the oldest
 * transaction that is still open, and so nothing can appear below it later.
 * Ids of transactions begin again when a dump is restored, and go back when the
 * server is recovered to an earlier point: the database is another place then,
 * and gets the next epoch.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "audit.h"
#include "fmgr.h"
#include "install.h"
#include "place.h"
#include "utils/builtins.h"
#include "utils/xid8.h"

/* The bits of a position below the epoch. */
#define XID_BITS 44

static int64 epoch = 0; /* of this place; 0: not known */
static Oid epoch_table;

static void forget_epoch(Datum arg, Oid relation);
static int64 epoch_here(void);
static int64 read_epoch(void);

/*
 * Registers the callback that forgets the epoch.  Called once, from _PG_init.
 */
void
audit_position_init(void)
{
	install_when_changed(forget_epoch);
}

/*
 * Forgets the epoch when its table changes: a dump is restored over it.
 */
static void
forget_epoch(Datum arg, Oid relation)
{
	if (relation == epoch_table || !OidIsValid(relation))
		epoch = 0;
}

/*
 * Returns the position of the events of this transaction.  Assumes
 * owner_enter().  Raises busy if this is the first event at this place, and the
 * epoch could not be begun.
 */
int64
audit_position(void)
{
	FullTransactionId id = GetTopFullTransactionId();

	return (epoch_here() << XID_BITS) + (int64) U64FromFullTransactionId(id);
}

/*
 * Returns the number of the next event in this transaction, from 1.  Those of
 * subtransactions that are rolled back are missing.
 */
int32
audit_step(void)
{
	static FullTransactionId counted = {0};
	static int32 step = 0;
	FullTransactionId id = GetTopFullTransactionId();

	if (!FullTransactionIdEquals(id, counted))
	{
		counted = id;
		step = 0;
	}
	return ++step;
}

/*
 * Returns the epoch of this place, and begins one if the last one is of another
 * place.  Another process does that, so that it stays if this transaction is
 * rolled back, and no other one waits for its end.
 */
static int64
epoch_here(void)
{
	static SavedPlan begin = PLAN("SELECT murallink_private.apart('audit_epoch_begin', '{}')", "");

	if (epoch != 0)
		return epoch;
	SPI_connect();
	epoch_table = install_relation("audit_epoch");
	epoch = read_epoch();
	if (epoch == 0)
	{
		plan_execute(&begin, NULL, NULL, 1);
		epoch = read_epoch();
	}
	SPI_finish();
	if (epoch == 0)
		elog(ERROR, "murallink: no epoch of events was begun");
	return epoch;
}

/*
 * Returns the last epoch if it is of this place, else 0.  Assumes SPI_connect().
 */
static int64
read_epoch(void)
{
	static SavedPlan find =
		PLAN("SELECT e.epoch FROM (SELECT * FROM murallink_private.audit_epoch ORDER BY epoch DESC LIMIT 1) e"
			 " WHERE e.place = murallink_private.audit_place()",
			 "");
	bool isnull;

	if (plan_execute_latest(&find, NULL, NULL, 1) == 0)
		return 0;
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * murallink_private.audit_place(): the place of this database.
 */
PG_FUNCTION_INFO_V1(audit_place);
Datum
audit_place(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(place_here()));
}

/*
 * murallink_private.audit_writer(): the id of the present transaction or subtransaction.
 */
PG_FUNCTION_INFO_V1(audit_writer);
Datum
audit_writer(PG_FUNCTION_ARGS)
{
	PG_RETURN_FULLTRANSACTIONID(GetCurrentFullTransactionId());
}

/*
 * murallink_private.event_sequence(position, step): both as hexadecimal digits, which
 * sort as they do.
 */
PG_FUNCTION_INFO_V1(audit_event_sequence);
Datum
audit_event_sequence(PG_FUNCTION_ARGS)
{
	char digits[25];

	snprintf(digits, sizeof(digits), "%016llx%08x", (unsigned long long) PG_GETARG_INT64(0),
			 (unsigned) PG_GETARG_INT32(1));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(digits, sizeof(digits) - 1));
}
