/*
 * enrollment_visit.c
 *	  To which enrollment of a patient a visit is paid, whether the visit was in
 *	  its time, and which enrollments are one screening.
 */
#include "postgres.h"

#include "enrollment_visit.h"
#include "error.h"
#include "fmgr.h"
#include "install.h"
#include "install_row.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* The columns of murallink.enrollment, by their number from 0. */
enum EnrollmentColumn
{
	ENROLLMENT_UID,
	ENROLLMENT_CLIENT,
	ENROLLMENT_CONTRACT,
	ENROLLMENT_TRIAL,
	ENROLLMENT_SITE,
	ENROLLMENT_TRIAL_SITE,
	ENROLLMENT_PATIENT,
	ENROLLMENT_SUBJECT_ID,
	ENROLLMENT_PAYMENT_TYPE,
	ENROLLMENT_STATUS,
	ENROLLMENT_LEFT_ON,
	ENROLLMENT_CREATED_AT,
	ENROLLMENT_PREVIOUS,
	ENROLLMENT_CHAIN,
	ENROLLMENT_SUBJECT_HELD,
	ENROLLMENT_UPDATED_AT,
	ENROLLMENT_COLUMNS
};

/* Where the last enrollment was read: the one that a visit was paid to is looked up again by the payment. */
static ItemPointerData last_read;

static void read_enrolled(RowScan *scan, Enrolled *enrolled);
static bool is_better(const Enrolled *one, const Enrolled *other, DateADT visit);
static void refuse_not_enrolled(Datum patient);
static void refuse_visit(ErrorName error);
static ErrorName visit_refusal(const Enrolled *enrolled, bool no_visit, DateADT visit);
static bool follows_move(const Enrolled *enrolled, const Enrolled *previous, const Oid states[2]);

/*
 * Fills in the enrollment that a scan has found.
 */
static void
read_enrolled(RowScan *scan, Enrolled *enrolled)
{
	Ksuid *const uids[] = {&enrolled->uid, &enrolled->client, &enrolled->contract, &enrolled->trial,
						   &enrolled->site, &enrolled->trial_site, &enrolled->patient};
	Datum value;
	bool isnull;

	for (int i = 0; i < lengthof(uids); i++)
		*uids[i] = *DatumGetKsuidP(row_value(scan, ENROLLMENT_UID + i, &isnull));
	enrolled->chain = *DatumGetKsuidP(row_value(scan, ENROLLMENT_CHAIN, &isnull));
	enrolled->status = DatumGetObjectId(row_value(scan, ENROLLMENT_STATUS, &isnull));
	/* In UTC, as timestamps are stored. */
	value = row_value(scan, ENROLLMENT_CREATED_AT, &isnull);
	enrolled->since = DatumGetDateADT(DirectFunctionCall1(timestamp_date, value));
	value = row_value(scan, ENROLLMENT_LEFT_ON, &isnull);
	enrolled->left_on = isnull ? DATEVAL_NOEND : DatumGetDateADT(value);
	value = row_value(scan, ENROLLMENT_PREVIOUS, &isnull);
	enrolled->follows = !isnull;
	if (!isnull)
		enrolled->previous = *DatumGetKsuidP(value);
	last_read = scan->slot->tts_tid;
}

/*
 * Finds an enrollment.  Returns false if there is none.
 */
bool
enrollment_look_up(Datum uid, Enrolled *enrolled)
{
	RowScan scan;
	bool found;

	row_begin_seen(&scan, "enrollment_pkey", AccessShareLock, ENROLLMENT_COLUMNS, &uid, 1, &last_read);
	found = row_next(&scan);
	if (found)
		read_enrolled(&scan, enrolled);
	row_end(&scan);
	return found;
}

/*
 * Returns whether a visit is paid to one enrollment of a patient rather than to
 * another one at the same site: to the first that was not over on that day, else
 * to the last; to one that was double only if there is no other.
 */
static bool
is_better(const Enrolled *one, const Enrolled *other, DateADT visit)
{
	Oid merged = install_enum("enrollment_status", "merged");

	if ((one->status == merged) != (other->status == merged))
		return other->status == merged;
	if (one->left_on < visit)
		return other->left_on < one->left_on;
	return other->left_on < visit || one->left_on < other->left_on;
}

/*
 * Raises not_enrolled, or not_found if the caller may not learn that the
 * patient exists.  Assumes SPI_connect().
 */
static void
refuse_not_enrolled(Datum patient)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.patient_visible($1)", "k");
	bool isnull;

	plan_execute(&plan, &patient, NULL, 1);
	if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)))
		ereport(ERROR, errnamed(ERR_NOT_ENROLLED, "patient_uid"));
	ereport(ERROR, errnamed(ERR_NOT_FOUND, "patient_uid"));
}

/*
 * Finds the enrollment of a patient in a trial at a site to which a visit is
 * paid.  Assumes SPI_connect().  Raises not_enrolled, or not_found if the caller
 * may not learn that the patient exists.
 */
void
enrollment_of_visit(Datum patient, const Ksuid *trial, const Ksuid *trial_site, DateADT visit, Enrolled *enrolled)
{
	Datum keys[] = {patient, KsuidPGetDatum(trial)};
	RowScan scan;
	bool found = false;

	row_begin(&scan, "enrollment_patient", AccessShareLock, ENROLLMENT_COLUMNS, keys, lengthof(keys));
	while (row_next(&scan))
	{
		Enrolled next;

		read_enrolled(&scan, &next);
		if (!ksuid_equal(&next.trial_site, trial_site))
			continue;
		if (!found || is_better(&next, enrolled, visit))
			*enrolled = next;
		found = true;
	}
	row_end(&scan);
	if (!found)
		refuse_not_enrolled(patient);
}

/*
 * Returns the first day that is paid to an enrollment, in every time zone, or
 * the day after the last one at the site from which the patient came.
 */
DateADT
enrollment_paid_from(const Enrolled *enrolled)
{
	Enrolled previous;

	if (!enrolled->follows || !enrollment_look_up(KsuidPGetDatum(&enrolled->previous), &previous))
		return enrolled->since - 1;
	if (previous.status == install_enum("enrollment_status", "transferred"))
		return previous.left_on + 1;
	if (previous.status == install_enum("enrollment_status", "merged"))
		return enrolled->since - 1;
	return Max(previous.left_on + 1, enrolled->since - 1);
}

/*
 * Raises an error about the day of a visit.
 */
static void
refuse_visit(ErrorName error)
{
	ereport(ERROR, errnamed(error, "visit_date"),
			error == ERR_NOT_ENROLLED
				? errhint("A visit is paid at the site where the patient was on that day: send visit_date, and the milestone of "
						  "that site.")
				: 0,
			error == ERR_INVALID_VALUE ? errhint("A visit is paid on days from the enrollment to today.") : 0);
}

/*
 * Returns what speaks against a visit, or ERR_COUNT: invalid_value if it is in
 * the future in every time zone, or before the enrollment in every time zone;
 * dropped if it is after the patient left the trial, and not_enrolled if it is
 * in the time of another site.
 */
static ErrorName
visit_refusal(const Enrolled *enrolled, bool no_visit, DateADT visit)
{
	if (!no_visit && (DATE_NOT_FINITE(visit) || visit > GetCurrentTimestamp() / USECS_PER_DAY + 1))
		return ERR_INVALID_VALUE;
	if (!no_visit && visit < enrollment_paid_from(enrolled))
		return enrolled->follows ? ERR_NOT_ENROLLED : ERR_INVALID_VALUE;
	if (!DATE_IS_NOEND(enrolled->left_on) && (no_visit || visit > enrolled->left_on))
		return enrolled->status == install_enum("enrollment_status", "transferred") ? ERR_NOT_ENROLLED : ERR_DROPPED;
	return ERR_COUNT;
}

/*
 * Raises invalid_value, dropped or not_enrolled for a visit that is not paid to
 * an enrollment.
 */
void
enrollment_check_visit(const Enrolled *enrolled, bool no_visit, DateADT visit)
{
	ErrorName refusal = visit_refusal(enrolled, no_visit, visit);

	if (refusal != ERR_COUNT)
		refuse_visit(refusal);
}

/*
 * murallink_private.visit_refusal(enrollment, visit_date): the stable name of
 * what enrollment_check_visit() raises, or null.
 */
PG_FUNCTION_INFO_V1(enrollment_visit_refusal);
Datum
enrollment_visit_refusal(PG_FUNCTION_ARGS)
{
	Enrolled enrolled;
	ErrorName refusal = ERR_NOT_ENROLLED;

	if (enrollment_look_up(PG_GETARG_DATUM(0), &enrolled))
		refusal = visit_refusal(&enrolled, false, PG_GETARG_DATEADT(1));
	if (refusal == ERR_COUNT)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(error_row(refusal)->name));
}

/*
 * murallink_private.refuse_visit(error): raises an error of visit_refusal(), by
 * its stable name.
 */
PG_FUNCTION_INFO_V1(enrollment_refuse_visit);
Datum
enrollment_refuse_visit(PG_FUNCTION_ARGS)
{
	refuse_visit(error_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	PG_RETURN_VOID();
}

/*
 * Returns whether one of the enrollments has this uid.
 */
bool
enrollment_is_among(const List *enrollments, const Ksuid *uid)
{
	ListCell *cell;

	foreach (cell, enrollments)
		if (ksuid_equal(&((const Enrolled *) lfirst(cell))->uid, uid))
			return true;
	return false;
}

/*
 * Returns whether an enrollment follows another that has one of two states.
 */
static bool
follows_move(const Enrolled *enrolled, const Enrolled *previous, const Oid states[2])
{
	return enrolled->follows && (previous->status == states[0] || previous->status == states[1]) &&
		   ksuid_equal(&enrolled->previous, &previous->uid);
}

/*
 * Returns the enrollments between which a patient was only transferred, or merged
 * as another record, this one included: one screening.
 */
List *
enrollment_screening(const Enrolled *enrolled)
{
	Oid moved[] = {install_enum("enrollment_status", "transferred"), install_enum("enrollment_status", "merged")};
	Datum chain = KsuidPGetDatum(&enrolled->chain);
	List *all = NIL;
	List *result = list_make1((void *) enrolled);
	RowScan scan;

	row_begin(&scan, "enrollment_chain", AccessShareLock, ENROLLMENT_COLUMNS, &chain, 1);
	while (row_next(&scan))
	{
		Enrolled *next = palloc(sizeof(Enrolled));

		read_enrolled(&scan, next);
		all = lappend(all, next);
	}
	row_end(&scan);
	/* A chain is short: the neighbours of what was found are found as often as there are enrollments. */
	for (int round = 0; round < list_length(all); round++)
	{
		ListCell *cell;

		foreach (cell, all)
		{
			Enrolled *next = lfirst(cell);
			bool linked = false;
			ListCell *known;

			if (enrollment_is_among(result, &next->uid))
				continue;
			foreach (known, result)
			{
				const Enrolled *other = lfirst(known);

				linked |= follows_move(other, next, moved) || follows_move(next, other, moved);
			}
			if (linked)
				result = lappend(result, next);
		}
	}
	return result;
}
