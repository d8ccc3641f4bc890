/*
 * payment_limit.c
 *	  What limits payments: how often each milestone is paid, milestones that
 *	  exclude one another, and the cap of a day.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "error.h"
#include "fmgr.h"
#include "install.h"
#include "install_row.h"
#include "miscadmin.h"
#include "payment.h"
#include "schedule.h"
#include "storage/lmgr.h"
#include "time_zone.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* The generation of schedules by which the payments were priced that have not been inserted yet. */
static uint64 priced_since = 0;
static bool rechecked = true;

static bool wait_for(bool inserting, const Datum *keys, int count);
static int free_occurrence(const Enrolled *enrolled, const Milestone *milestone);
static void lock_chain(const Ksuid *chain);
static bool is_paid(const Datum *keys, int count, const List *enrollments);
static void check_limits(const Datum *values, const Milestone *milestone);
static Datum left_of_day(const Terms *terms, const Datum *values, const bool *nulls);
static bool is_capped(const Terms *terms, const Datum *values);
static void fill_capped(const Terms *terms, Datum *values, bool *nulls);

/*
 * Waits for the end of a transaction that is inserting one of the payments that
 * payment_once has with these first values, or that is changing one.  Returns
 * false if there is none.
 */
static bool
wait_for(bool inserting, const Datum *keys, int count)
{
	RowScan scan;
	TransactionId other = InvalidTransactionId;

	row_begin_uncommitted(&scan, "payment_once", AccessShareLock, PAYMENT_COLUMNS, keys, count);
	while (!TransactionIdIsValid(other) && row_next(&scan))
		other = inserting ? scan.snapshot->xmin : scan.snapshot->xmax;
	row_end(&scan);
	if (TransactionIdIsValid(other))
		XactLockTableWait(other, NULL, NULL, XLTW_None);
	return TransactionIdIsValid(other);
}

/*
 * Returns the lowest number that no live payment of the milestone in the chain
 * of enrollments has, or 0 if the milestone has been paid as often as it may be:
 * over the chain, or over the screening of the enrollment.
 * A part and its rest have one number.
 */
static int
free_occurrence(const Enrolled *enrolled, const Milestone *milestone)
{
	Datum keys[] = {KsuidPGetDatum(&enrolled->chain), milestone->key};
	bool per_screening = milestone->version.per_screening;
	List *counted = per_screening ? enrollment_screening(enrolled) : NIL;
	RowScan scan;
	int live = 0;
	int next = 1;
	int last = 0;
	bool isnull;

	/* The lock that the insert has already. */
	row_begin(&scan, "payment_once", RowExclusiveLock, PAYMENT_COLUMNS, keys, lengthof(keys));
	while (row_next(&scan))
	{
		int occurrence = DatumGetInt32(row_value(&scan, PAYMENT_OCCURRENCE, &isnull));

		if (!per_screening || enrollment_is_among(counted, DatumGetKsuidP(row_value(&scan, PAYMENT_ENROLLMENT, &isnull))))
			live += occurrence != last;
		next += occurrence == next;
		last = occurrence;
	}
	row_end(&scan);
	return (per_screening ? live + 1 : Max(live + 1, next)) <= milestone->version.num_payments ? next : 0;
}

/*
 * Returns the number of a payment of the milestone in the chain of enrollments:
 * the one that was asked for, if the schedule has so many, which payment_once
 * may refuse; else the next.  If a transaction is rejecting a payment, waits for
 * its end first.  Raises already_paid if no more payments are allowed.
 */
int
payment_occurrence(const Enrolled *enrolled, const Milestone *milestone, int asked)
{
	Datum keys[] = {KsuidPGetDatum(&enrolled->chain), milestone->key};
	int next;

	while ((next = free_occurrence(enrolled, milestone)) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (!wait_for(false, keys, lengthof(keys)))
			ereport(ERROR, errnamed(ERR_ALREADY_PAID, "milestone_uid"));
	}
	return asked > 0 && asked <= milestone->version.num_payments ? asked : next;
}

/*
 * Returns whether a payment says that somebody else has paid the milestone.
 * No funds move for it, and it belongs to no visit.
 */
bool
payment_is_elsewhere(const Datum *values)
{
	return DatumGetObjectId(values[PAYMENT_STATUS]) == install_enum("payment_status", "elsewhere");
}

/*
 * Returns the day of the visit that a payment pays, which is that of the
 * payment, where the site is, if none is given.
 */
DateADT
payment_visit_day(const Terms *terms, const Datum *values, const bool *nulls)
{
	if (!nulls[PAYMENT_VISIT_DATE])
		return DatumGetDateADT(values[PAYMENT_VISIT_DATE]);
	return time_zone_day(DatumGetTimestampTz(values[PAYMENT_CREATED_AT]), DatumGetTextPP(terms->time_zone));
}

/*
 * Locks the first enrollment of a chain, so that payments in the chain that
 * limit one another are made one after the other.
 */
static void
lock_chain(const Ksuid *chain)
{
	static SavedPlan lock = PLAN("SELECT FROM murallink.enrollment WHERE uid = $1 FOR NO KEY UPDATE", "k");
	Datum value = KsuidPGetDatum(chain);
	Owner saved = owner_enter();

	SPI_connect();
	plan_execute(&lock, &value, NULL, 1);
	SPI_finish();
	owner_leave(saved);
}

/*
 * Returns whether a payment of a milestone with these values in payment_once
 * counts, to one of the enrollments; NIL: to any.
 */
static bool
is_paid(const Datum *keys, int count, const List *enrollments)
{
	RowScan scan;
	bool found = false;
	bool isnull;

	row_begin(&scan, "payment_once", AccessShareLock, PAYMENT_COLUMNS, keys, count);
	while (!found && row_next(&scan))
		found = enrollments == NIL ||
				enrollment_is_among(enrollments, DatumGetKsuidP(row_value(&scan, PAYMENT_ENROLLMENT, &isnull)));
	row_end(&scan);
	return found;
}

/*
 * Makes payments that limit one another wait for one another to the end of
 * their transactions, and raises already_paid if another milestone of the
 * group has been paid: over the chain, or over the screening if the milestone
 * is paid for each.
 *
 * A transaction that sees the limit locks the chain.  Transactions that began
 * to insert a payment before there was a limit do not see it: this waits for
 * them before it takes the lock, which they may need themselves.  Those that
 * insert later see the limit after they have inserted: see payment_recheck().
 */
static void
check_limits(const Datum *values, const Milestone *milestone)
{
	Datum *rivals = NULL;
	int count = 0;
	Datum keys[2] = {values[PAYMENT_CHAIN]};
	List *counted = NIL;
	Enrolled enrolled;

	if (milestone->rivals != 0)
		deconstruct_array(DatumGetArrayTypeP(milestone->rivals), TEXTOID, -1, false, TYPALIGN_INT, &rivals, NULL,
						  &count);
	for (int i = 0; i < count; i++)
	{
		keys[1] = rivals[i];
		while (wait_for(true, keys, lengthof(keys)))
			CHECK_FOR_INTERRUPTS();
	}
	while (milestone->terms.day_cap != 0 && wait_for(true, keys, 1))
		CHECK_FOR_INTERRUPTS();
	lock_chain(DatumGetKsuidP(values[PAYMENT_CHAIN]));
	if (count > 0 && milestone->version.per_screening && enrollment_look_up(values[PAYMENT_ENROLLMENT], &enrolled))
		counted = enrollment_screening(&enrolled);
	for (int i = 0; i < count; i++)
	{
		keys[1] = rivals[i];
		while (is_paid(keys, lengthof(keys), counted))
		{
			CHECK_FOR_INTERRUPTS();
			if (!wait_for(false, keys, lengthof(keys)))
				ereport(ERROR, errnamed(ERR_ALREADY_PAID, "milestone_uid"));
		}
	}
}

/*
 * Returns how much the cap of a visit's day leaves for a payment, below 0 if
 * more has been paid; 0, which is no numeric, if there is no cap any more.
 * Assumes check_limits().
 */
static Datum
left_of_day(const Terms *terms, const Datum *values, const bool *nulls)
{
	static SavedPlan paid = PLAN("SELECT murallink_private.left_of_day($1, $2, $3, $4)", "kktd");
	Datum arguments[] = {values[PAYMENT_TRIAL_SITE], values[PAYMENT_CHAIN], terms->cap_currency,
						 DateADTGetDatum(payment_visit_day(terms, values, nulls))};
	MemoryContext caller_context = CurrentMemoryContext;
	Owner saved = owner_enter();
	Datum left;
	bool isnull;

	SPI_connect();
	plan_execute(&paid, arguments, NULL, 1);
	MemoryContextSwitchTo(caller_context);
	left = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	left = isnull ? (Datum) 0 : datumCopy(left, false, -1);
	SPI_finish();
	owner_leave(saved);
	return left;
}

/*
 * Returns whether the cap of the day holds for a payment.
 */
static bool
is_capped(const Terms *terms, const Datum *values)
{
	return terms->day_cap != 0 && !payment_is_elsewhere(values) &&
		   DatumGetBool(DirectFunctionCall2Coll(texteq, DEFAULT_COLLATION_OID, terms->cap_currency,
												values[PAYMENT_CURRENCY]));
}

/*
 * Cuts a payment to what the cap of its day leaves.  Raises day_capped if this
 * is nothing.
 */
static void
fill_capped(const Terms *terms, Datum *values, bool *nulls)
{
	Datum left = left_of_day(terms, values, nulls);

	if (left == (Datum) 0)
		return;
	if (!DatumGetBool(DirectFunctionCall2(numeric_gt, left, NumericGetDatum(int64_to_numeric(0)))))
		ereport(ERROR, errnamed(ERR_DAY_CAPPED, "visit_date"));
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, values[PAYMENT_AMOUNT], left)))
	{
		FILL(PAYMENT_CAPPED_FROM, values[PAYMENT_AMOUNT]);
		FILL(PAYMENT_AMOUNT, DirectFunctionCall1(numeric_trim_scale, left));
	}
}

/*
 * Makes a new payment of a milestone, or one that tops it up, wait for those
 * that it limits and that limit it, and cuts it to what the cap of its visit's
 * day leaves.  Raises already_paid or day_capped.
 */
void
payment_limit(const Milestone *milestone, Datum *values, bool *nulls)
{
	if (!MILESTONE_LIMITED(milestone))
		return;
	check_limits(values, milestone);
	if (is_capped(&milestone->terms, values))
		fill_capped(&milestone->terms, values, nulls);
}

/*
 * Notes that a payment is about to be priced.
 */
void
payment_pricing(void)
{
	if (rechecked)
		priced_since = schedule_generation();
	rechecked = false;
}

/*
 * Checks a payment of a milestone, or one that tops it up, again after it has
 * been inserted, if a schedule has changed since it was priced: a limit that
 * its transaction could not see then holds for it, too.  Raises already_paid
 * or conflict.
 */
void
payment_recheck(const Datum *values, const bool *nulls)
{
	Datum version = values[nulls[PAYMENT_MILESTONE] ? PAYMENT_TOP_UP_VERSION : PAYMENT_MILESTONE];
	Milestone milestone;
	Datum left;

	rechecked = true;
	if (schedule_generation() == priced_since ||
		!schedule_look_up(version, DatumGetTimestampTz(values[PAYMENT_CREATED_AT]),
						  DatumGetDateADT(values[PAYMENT_VISIT_DATE]), &milestone))
		return;
	if (nulls[PAYMENT_MILESTONE])
		milestone.rivals = (Datum) 0;
	if (!MILESTONE_LIMITED(&milestone))
		return;
	check_limits(values, &milestone);
	if (!is_capped(&milestone.terms, values))
		return;
	left = left_of_day(&milestone.terms, values, nulls);
	if (left != (Datum) 0 &&
		DatumGetBool(DirectFunctionCall2(numeric_lt, left, NumericGetDatum(int64_to_numeric(0)))))
		ereport(ERROR, errnamed(ERR_CONFLICT, "visit_date"));
}
