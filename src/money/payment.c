/*
 * payment.c
 *	  Payments: their rows are completed and checked here, and their funds
 *	  follow each change of status.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "enrollment_visit.h"
#include "error.h"
#include "fmgr.h"
#include "fund.h"
#include "funcapi.h"
#include "identity.h"
#include "install.h"
#include "install_row.h"
#include "isolation.h"
#include "ksuid.h"
#include "miscadmin.h"
#include "moment.h"
#include "money.h"
#include "payment.h"
#include "permission.h"
#include "schedule.h"
#include "time_zone.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define NOTE_LONGEST 1000

/* The payment that milestone_payment() has made. */
typedef struct Made
{
	Ksuid uid;
	Ksuid enrollment;
	Ksuid version;
	bool approved;
	TimestampTz at;
	Datum amount; /* numeric */
	NullableDatum fraction; /* numeric */
	NullableDatum capped_from; /* numeric */
} Made;

/* The columns of murallink.payment_info that are composite or absent, by their number from 0. */
#define INFO_MILESTONE 9
#define INFO_NET_AMOUNT 11
#define INFO_MOVED_FROM 12
#define INFO_MOVED_TO 13
#define INFO_FRACTION 14
#define INFO_COMPLETES 15
#define INFO_CAPPED_FROM 16
#define INFO_COLUMNS 17

static void check_columns(Relation payment);
static void check_covered(const Terms *terms, const Datum *values, const bool *nulls);
static void check_top_up(const Datum *values, const bool *nulls);
static void check_version(const Milestone *milestone);
static NullableDatum checked_fraction(NullableDatum fraction, const text *note);
static bool insert_milestone_payment(Made *made, Datum milestone, Datum note, NullableDatum visit,
									 NullableDatum fraction);
static void use_reference(SavedPlan *plan, const Ksuid *uid, FunctionCallInfo fcinfo);
static Datum payment_result(FunctionCallInfo fcinfo, const Made *made, Datum note);
static Datum part_of(Datum amount, Datum fraction, Datum currency);
static void fill_version(Datum *values, bool *nulls, const Milestone *milestone, const Version *version);
static void fill_milestone(const Enrolled *enrolled, Datum *values, bool *nulls, Milestone *milestone, TimestampTz at);
static void fill_rest(const Enrolled *enrolled, Datum *values, bool *nulls, Milestone *milestone, TimestampTz at);
static void fill_status(const Milestone *milestone, Datum *values, bool *nulls);
static void fill_moved(const Enrolled *enrolled, Datum *values, bool *nulls, Milestone *milestone);
static void move_funds(FundMove *move, const Datum *old, const bool *old_nulls, const Datum *values, const bool *nulls);

/*
 * Raises an error unless the table has the columns of enum PaymentColumn.
 */
static void
check_columns(Relation payment)
{
	if (RelationGetNumberOfAttributes(payment) != PAYMENT_COLUMNS)
		ereport(ERROR, errnamed(ERR_UNKNOWN_DATA_VERSION, NULL));
}

/*
 * Raises not_covered for a visit on a day that the contract does not cover.
 */
static void
check_covered(const Terms *terms, const Datum *values, const bool *nulls)
{
	DateADT day;

	if (DATE_IS_NOBEGIN(terms->first_day) && DATE_IS_NOEND(terms->last_day))
		return;
	day = payment_visit_day(terms, values, nulls);
	if (day < terms->first_day || day > terms->last_day)
		ereport(ERROR, errnamed(ERR_NOT_COVERED, "visit_date"));
}

/*
 * Raises invalid_value if a payment that tops up another one is not due, or
 * missing_field.
 */
static void
check_top_up(const Datum *values, const bool *nulls)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.top_up_allowed($1, $2, $3, $4, $5)", "kkknt");
	Datum arguments[] = {values[PAYMENT_TOP_UP_OF], values[PAYMENT_TOP_UP_VERSION], values[PAYMENT_ENROLLMENT],
						 values[PAYMENT_AMOUNT], values[PAYMENT_CURRENCY]};
	Owner saved;
	bool allowed;
	bool isnull;

	if (nulls[PAYMENT_TOP_UP_VERSION] || nulls[PAYMENT_AMOUNT] || nulls[PAYMENT_CURRENCY])
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "top_up_version_uid"));
	saved = owner_enter();
	SPI_connect();
	plan_execute(&plan, arguments, NULL, 1);
	allowed = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	owner_leave(saved);
	if (!allowed)
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, "top_up_of_uid"));
}

/*
 * Raises not_payable if no version is in force, or if the one in force retires
 * the milestone.
 */
static void
check_version(const Milestone *milestone)
{
	if (!milestone->in_force || milestone->version.num_payments == 0)
		ereport(ERROR, errnamed(ERR_NOT_PAYABLE, "milestone_uid"));
}

/*
 * Returns the fraction of a visit, null for all of it.  Raises invalid_value,
 * or missing_field for a part without a note.
 */
static NullableDatum
checked_fraction(NullableDatum fraction, const text *note)
{
	Datum whole = NumericGetDatum(int64_to_numeric(1));

	if (fraction.isnull)
		return fraction;
	if (numeric_is_nan(DatumGetNumeric(fraction.value)) ||
		!DatumGetBool(DirectFunctionCall2(numeric_gt, fraction.value, NumericGetDatum(int64_to_numeric(0)))) ||
		!DatumGetBool(DirectFunctionCall2(numeric_le, fraction.value, whole)) ||
		DatumGetInt32(DirectFunctionCall1(numeric_min_scale, fraction.value)) > 2)
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, "fraction"),
				errhint("A number above 0 and up to 1, with at most two decimals."));
	fraction.isnull = DatumGetBool(DirectFunctionCall2(numeric_eq, fraction.value, whole));
	if (!fraction.isnull && VARSIZE_ANY_EXHDR(note) == 0)
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "note"));
	fraction.value = DirectFunctionCall1(numeric_trim_scale, fraction.value);
	return fraction;
}

/*
 * Inserts a milestone payment, which the trigger completes, and reads the row
 * back.  Returns false if another session has paid this occurrence.
 */
static bool
insert_milestone_payment(Made *made, Datum milestone, Datum note, NullableDatum visit, NullableDatum fraction)
{
	Datum values[PAYMENT_COLUMNS] = {0};
	bool nulls[PAYMENT_COLUMNS];

	memset(nulls, true, sizeof(nulls));
	FILL(PAYMENT_UID, KsuidPGetDatum(&made->uid));
	FILL(PAYMENT_ENROLLMENT, KsuidPGetDatum(&made->enrollment));
	FILL(PAYMENT_TYPE, ObjectIdGetDatum(install_enum("payment_kind", "milestone")));
	FILL(PAYMENT_MILESTONE, milestone);
	FILL(PAYMENT_NOTE, note);
	FILL(PAYMENT_REQUESTED_BY, KsuidPGetDatum(&identity_caller()->user));
	if (!visit.isnull)
		FILL(PAYMENT_VISIT_DATE, visit.value);
	if (!fraction.isnull)
		FILL(PAYMENT_FRACTION, fraction.value);
	if (!row_insert_once(row_table("payment", PAYMENT_COLUMNS), "payment_once", values, nulls))
		return false;
	made->version = *DatumGetKsuidP(values[PAYMENT_MILESTONE]);
	made->approved = DatumGetObjectId(values[PAYMENT_STATUS]) == install_enum("payment_status", "approved");
	made->at = DatumGetTimestampTz(values[PAYMENT_CREATED_AT]);
	made->amount = values[PAYMENT_AMOUNT];
	made->fraction = fraction;
	made->capped_from = (NullableDatum){values[PAYMENT_CAPPED_FROM], nulls[PAYMENT_CAPPED_FROM]};
	return true;
}

/*
 * Executes a plan with a uid and the source and ref of milestone_payment(),
 * which has them.  Assumes SPI_connect().  Raises what reference_unused() and
 * refer() raise.
 */
static void
use_reference(SavedPlan *plan, const Ksuid *uid, FunctionCallInfo fcinfo)
{
	Datum arguments[] = {KsuidPGetDatum(uid), PG_GETARG_DATUM(5), PG_GETARG_DATUM(6)};
	char nulls[] = {' ', PG_ARGISNULL(5) ? 'n' : ' ', PG_ARGISNULL(6) ? 'n' : ' ', '\0'};

	plan_execute(plan, arguments, nulls, 1);
}

/*
 * murallink.milestone_payment(patient, milestone, note, visit_date, fraction,
 * source, ref).
 */
PG_FUNCTION_INFO_V1(milestone_payment);
Datum
milestone_payment(PG_FUNCTION_ARGS)
{
	NullableDatum visit = {PG_GETARG_DATUM(3), PG_ARGISNULL(3) || PG_GETARG_DATEADT(3) == NO_DAY};
	NullableDatum fraction = {PG_GETARG_DATUM(4), PG_ARGISNULL(4)};
	static SavedPlan unused = PLAN("SELECT murallink_private.reference_unused('payment', $1, $2, $3)", "ktt");
	static SavedPlan refer = PLAN("SELECT murallink_private.refer('payment', $1, $2, $3)", "ktt");
	bool referred = !PG_ARGISNULL(5) || !PG_ARGISNULL(6);
	Datum note;
	Milestone milestone;
	Enrolled enrolled;
	Place place = {NULL};
	Made made;
	Datum result;

	(void) identity_caller();
	if (PG_ARGISNULL(0))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "patient_uid"));
	if (PG_ARGISNULL(1))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "milestone_uid"));
	note = PointerGetDatum(
		error_checked_text(PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2), "note", NOTE_LONGEST, false));
	fraction = checked_fraction(fraction, DatumGetTextPP(note));

	SPI_connect();
	if (schedule_look_up(PG_GETARG_DATUM(1), GetCurrentTimestamp(), PG_GETARG_DATEADT(3), &milestone))
	{
		place.client = &milestone.client;
		place.contract = &milestone.contract;
		place.trial = &milestone.trial;
		place.site = &milestone.site;
	}
	permission_require(permission_named("milestone_payment"), &place, "milestone_uid");
	if (referred)
		use_reference(&unused, &milestone.client, fcinfo);
	enrollment_of_visit(PG_GETARG_DATUM(0), &milestone.trial, &milestone.trial_site,
						visit.isnull ? DATEVAL_NOEND : DatumGetDateADT(visit.value), &enrolled);

	isolation_check_insert();
	ksuid_generate(&made.uid);
	made.enrollment = enrolled.uid;
	while (!insert_milestone_payment(&made, PG_GETARG_DATUM(1), note, visit, fraction))
		CHECK_FOR_INTERRUPTS();
	if (made.approved)
	{
		static SavedPlan begin = PLAN("SELECT murallink_private.payout_begin($1)", "k");
		Datum value = KsuidPGetDatum(&made.uid);

		plan_execute(&begin, &value, NULL, 1);
	}
	if (referred)
		use_reference(&refer, &made.uid, fcinfo);
	result = payment_result(fcinfo, &made, note);
	SPI_finish();
	return result;
}

/*
 * Returns the payment_info of the milestone payment that was made.  Assumes
 * SPI_connect(); the result outlives it.
 */
static Datum
payment_result(FunctionCallInfo fcinfo, const Made *made, Datum note)
{
	Version version;
	TupleDesc desc,
		milestone_desc;

	schedule_version(KsuidPGetDatum(&made->version), &version);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != INFO_COLUMNS)
		elog(ERROR, "milestone_payment does not return murallink.payment_info");
	milestone_desc = lookup_rowtype_tupdesc(TupleDescAttr(desc, INFO_MILESTONE)->atttypid, -1);
	{
		Datum priced_by[] = {KsuidPGetDatum(&version.uid),
							 TimestampTzGetDatum(version.effective_date),
							 version.name,
							 version.amount,
							 Int32GetDatum(version.num_payments),
							 version.currency,
							 Int32GetDatum(version.sort_order)};
		Datum payment[] = {KsuidPGetDatum(&made->uid),
						   KsuidPGetDatum(&made->enrollment),
						   CStringGetTextDatum("milestone"),
						   KsuidPGetDatum(&version.uid),
						   made->amount,
						   version.currency,
						   note,
						   CStringGetTextDatum(made->approved ? "approved" : "pending"),
						   DateADTGetDatum(made->at / USECS_PER_DAY),
						   (Datum) 0,
						   CStringGetTextDatum(""),
						   (Datum) 0,
						   (Datum) 0,
						   (Datum) 0,
						   made->fraction.value,
						   (Datum) 0,
						   made->capped_from.value};
		bool nulls[lengthof(payment)] = {false};

		payment[INFO_MILESTONE] = HeapTupleGetDatum(heap_form_tuple(milestone_desc, priced_by, nulls));
		nulls[INFO_FRACTION] = made->fraction.isnull;
		nulls[INFO_CAPPED_FROM] = made->capped_from.isnull;
		/* Nothing of it has come back, and it takes the place of no other payment. */
		nulls[INFO_NET_AMOUNT] = nulls[INFO_MOVED_FROM] = nulls[INFO_MOVED_TO] = nulls[INFO_COMPLETES] = true;
		ReleaseTupleDesc(milestone_desc);
		return PointerGetDatum(SPI_returntuple(heap_form_tuple(desc, payment, nulls), desc));
	}
}

/*
 * Returns a part of an amount, rounded half up to the decimals of its
 * currency.  Raises invalid_value if nothing is left.
 */
static Datum
part_of(Datum amount, Datum fraction, Datum currency)
{
	Datum part = DirectFunctionCall2(numeric_round, DirectFunctionCall2(numeric_mul, amount, fraction),
									 Int32GetDatum(money_decimals(DatumGetTextPP(currency))));

	if (!DatumGetBool(DirectFunctionCall2(numeric_gt, part, NumericGetDatum(int64_to_numeric(0)))))
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, "fraction"), errhint("The part would be less than the smallest coin."));
	return DirectFunctionCall1(numeric_trim_scale, part);
}

/*
 * Completes a milestone payment from a version of its milestone.
 */
static void
fill_version(Datum *values, bool *nulls, const Milestone *milestone, const Version *version)
{
	FILL(PAYMENT_MILESTONE, KsuidPGetDatum(&version->uid));
	FILL(PAYMENT_MILESTONE_NAME, version->name);
	FILL(PAYMENT_MILESTONE_CODE, milestone->code);
	FILL(PAYMENT_CURRENCY, version->currency);
}

/*
 * Completes a milestone payment, which may name its number, from the version in
 * force at a moment, or on the day of the visit if the trial prices by visit; what somebody else has
 * paid belongs to no visit, and has the price of the present day at the site.  Raises
 * not_found, missing_field, not_payable, already_paid or invalid_value.
 */
static void
fill_milestone(const Enrolled *enrolled, Datum *values, bool *nulls, Milestone *milestone, TimestampTz at)
{
	DateADT visit = nulls[PAYMENT_VISIT_DATE] ? at / USECS_PER_DAY : DatumGetDateADT(values[PAYMENT_VISIT_DATE]);

	if (!schedule_look_up(values[PAYMENT_MILESTONE], at, visit, milestone) ||
		!ksuid_equal(&milestone->trial_site, &enrolled->trial_site))
		ereport(ERROR, errnamed(ERR_NOT_FOUND, "milestone_uid"));
	if (milestone->by_visit && nulls[PAYMENT_VISIT_DATE])
	{
		if (!payment_is_elsewhere(values))
			ereport(ERROR, errnamed(ERR_MISSING_FIELD, "visit_date"));
		visit = payment_visit_day(&milestone->terms, values, nulls);
		(void) schedule_look_up(values[PAYMENT_MILESTONE], at, visit, milestone);
	}
	check_version(milestone);
	FILL(PAYMENT_OCCURRENCE,
		 Int32GetDatum(payment_occurrence(enrolled, milestone,
										  nulls[PAYMENT_OCCURRENCE] ? 0 : DatumGetInt32(values[PAYMENT_OCCURRENCE]))));
	fill_version(values, nulls, milestone, &milestone->version);
	FILL(PAYMENT_AMOUNT, milestone->version.amount);
	if (!nulls[PAYMENT_FRACTION])
		FILL(PAYMENT_AMOUNT,
			 part_of(milestone->version.amount, values[PAYMENT_FRACTION], milestone->version.currency));
}

/*
 * Completes the payment of the rest of a milestone from the payment of the
 * part, with its price, number and visit.  Raises not_found, wrong_status or
 * already_paid.
 */
static void
fill_rest(const Enrolled *enrolled, Datum *values, bool *nulls, Milestone *milestone, TimestampTz at)
{
	static SavedPlan rest = PLAN("SELECT milestone_uid, occurrence, pg_catalog.trim_scale(amount), visit_date"
								 " FROM murallink_private.payment_rest($1, $2)",
								 "kk");
	static const int columns[] = {PAYMENT_MILESTONE, PAYMENT_OCCURRENCE, PAYMENT_AMOUNT, PAYMENT_VISIT_DATE};
	Datum arguments[] = {values[PAYMENT_COMPLETES], KsuidPGetDatum(&enrolled->uid)};
	MemoryContext caller_context = CurrentMemoryContext;
	Owner saved = owner_enter();

	SPI_connect();
	plan_execute(&rest, arguments, NULL, 1);
	MemoryContextSwitchTo(caller_context);
	for (int i = 0; i < lengthof(columns); i++)
	{
		Form_pg_attribute column = TupleDescAttr(SPI_tuptable->tupdesc, i);
		Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &nulls[columns[i]]);

		values[columns[i]] = datumCopy(value, column->attbyval, column->attlen);
	}
	SPI_finish();
	owner_leave(saved);
	if (!schedule_look_up(values[PAYMENT_MILESTONE], at, DatumGetDateADT(values[PAYMENT_VISIT_DATE]), milestone))
		ereport(ERROR, errnamed(ERR_NOT_FOUND, "milestone_uid"));
	schedule_version(values[PAYMENT_MILESTONE], &milestone->version);
	fill_version(values, nulls, milestone, &milestone->version);
}

/*
 * Fills in the status of a milestone payment that has none: approved if its
 * trial approves milestones up to this amount; a part of one, up to the amount
 * of the whole, which two parts must not avoid.  Raises wrong_status for
 * another status than this, pending, or elsewhere.  milestone: NULL for a payment that is
 * for no milestone.
 */
static void
fill_status(const Milestone *milestone, Datum *values, bool *nulls)
{
	Oid pending = install_enum("payment_status", "pending");
	Oid usual = pending;
	bool whole = nulls[PAYMENT_FRACTION] && nulls[PAYMENT_COMPLETES];

	if (milestone != NULL && milestone->approved &&
		(milestone->version.free_up_to == (Datum) 0 ||
		 DatumGetBool(DirectFunctionCall2(numeric_le, whole ? values[PAYMENT_AMOUNT] : milestone->version.amount,
										  milestone->version.free_up_to))))
		usual = install_enum("payment_status", "approved");
	if (milestone != NULL && nulls[PAYMENT_STATUS])
		FILL(PAYMENT_STATUS, ObjectIdGetDatum(usual));
	if (nulls[PAYMENT_STATUS] || (DatumGetObjectId(values[PAYMENT_STATUS]) != pending &&
								  DatumGetObjectId(values[PAYMENT_STATUS]) != usual &&
								  !(milestone != NULL && payment_is_elsewhere(values))))
		ereport(ERROR, errnamed(ERR_WRONG_STATUS, "status"));
}

/*
 * Completes a payment that is made in the place of another one to a patient of
 * the same trial at the same site: it has the same kind, price and visit, but
 * not the cut to the cap of a day of another patient.  Raises not_found,
 * not_payable or already_paid.
 */
static void
fill_moved(const Enrolled *enrolled, Datum *values, bool *nulls, Milestone *milestone)
{
	static const int taken[] = {PAYMENT_TYPE, PAYMENT_MILESTONE, PAYMENT_MILESTONE_NAME, PAYMENT_MILESTONE_CODE,
								PAYMENT_AMOUNT, PAYMENT_CURRENCY, PAYMENT_VISIT_DATE,
								PAYMENT_FRACTION, PAYMENT_CAPPED_FROM};
	static const int added[] = {PAYMENT_COMPLETES, PAYMENT_TOP_UP_OF};
	TupleDesc desc;
	TimestampTz at;
	DateADT day;
	RowScan scan;
	bool isnull;

	row_begin(&scan, "payment_pkey", AccessShareLock, PAYMENT_COLUMNS, &values[PAYMENT_MOVED_FROM], 1);
	if (!row_next(&scan) ||
		!ksuid_equal(DatumGetKsuidP(row_value(&scan, PAYMENT_TRIAL_SITE, &isnull)), &enrolled->trial_site))
		ereport(ERROR, errnamed(ERR_NOT_FOUND, "payment_uid"));
	/* The rest of a part is that patient's who was paid the part, and so is the difference to a raised price. */
	for (int i = 0; i < lengthof(added); i++)
	{
		(void) row_value(&scan, added[i], &isnull);
		if (!isnull || !nulls[added[i]])
			ereport(ERROR, errnamed(ERR_WRONG_STATUS, "payment_uid"));
	}
	desc = RelationGetDescr(scan.table);
	for (int i = 0; i < lengthof(taken); i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, taken[i]);
		Datum value = row_value(&scan, taken[i], &nulls[taken[i]]);

		values[taken[i]] = nulls[taken[i]] ? (Datum) 0 : datumCopy(value, att->attbyval, att->attlen);
	}
	at = DatumGetTimestampTz(row_value(&scan, PAYMENT_CREATED_AT, &isnull));
	row_end(&scan);
	/* What had been paid to the other patient that day has cut the amount. */
	if (!nulls[PAYMENT_CAPPED_FROM])
		FILL(PAYMENT_AMOUNT, values[PAYMENT_CAPPED_FROM]);
	nulls[PAYMENT_CAPPED_FROM] = true;
	nulls[PAYMENT_OCCURRENCE] = true;
	if (nulls[PAYMENT_MILESTONE])
		return;
	if (!schedule_look_up(values[PAYMENT_MILESTONE], at, DatumGetDateADT(values[PAYMENT_VISIT_DATE]), milestone))
		ereport(ERROR, errnamed(ERR_NOT_FOUND, "milestone_uid"));
	schedule_version(values[PAYMENT_MILESTONE], &milestone->version);
	check_version(milestone);
	FILL(PAYMENT_OCCURRENCE, Int32GetDatum(payment_occurrence(enrolled, milestone, 0)));
	day = time_zone_day(at, DatumGetTextPP(milestone->terms.time_zone));
	if (nulls[PAYMENT_VISIT_DATE] && day >= enrollment_paid_from(enrolled))
		FILL(PAYMENT_VISIT_DATE, DateADTGetDatum(day));
}

/*
 * Trigger before INSERT of a payment: completes it from its enrollment, and a
 * milestone payment from the version in force, so that no statement can pay
 * another amount, for another milestone or too often.
 */
PG_FUNCTION_INFO_V1(payment_price);
Datum
payment_price(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TimestampTz at = GetCurrentTimestamp();
	Datum values[PAYMENT_COLUMNS];
	bool nulls[PAYMENT_COLUMNS];
	bool of_milestone;
	bool elsewhere;
	Enrolled enrolled;
	Milestone milestone;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "payment_price is a trigger");
	check_columns(trigger->tg_relation);
	heap_deform_tuple(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation), values, nulls);
	if (nulls[PAYMENT_ENROLLMENT])
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "enrollment_uid"));
	if (!enrollment_look_up(values[PAYMENT_ENROLLMENT], &enrolled))
		ereport(ERROR, errnamed(ERR_NOT_ENROLLED, "enrollment_uid"));
	FILL(PAYMENT_CHAIN, KsuidPGetDatum(&enrolled.chain));
	FILL(PAYMENT_CREATED_AT, TimestampTzGetDatum(at));
	FILL(PAYMENT_UPDATED_AT, TimestampTzGetDatum(at));
	nulls[PAYMENT_PAID_AT] = true;
	payment_pricing();
	nulls[PAYMENT_CAPPED_FROM] = true;
	if (!nulls[PAYMENT_MOVED_FROM])
		fill_moved(&enrolled, values, nulls, &milestone);
	of_milestone = !nulls[PAYMENT_TYPE] &&
				   DatumGetObjectId(values[PAYMENT_TYPE]) == install_enum("payment_kind", "milestone");
	if (of_milestone && nulls[PAYMENT_MILESTONE])
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "milestone_uid"));
	elsewhere = of_milestone && !nulls[PAYMENT_STATUS] && payment_is_elsewhere(values);
	if (of_milestone && !nulls[PAYMENT_COMPLETES])
		fill_rest(&enrolled, values, nulls, &milestone, at);
	/* The visit of a top-up has been paid, so it was checked. */
	if (!nulls[PAYMENT_TOP_UP_OF])
		check_top_up(values, nulls);
	else if (!elsewhere)
		enrollment_check_visit(&enrolled, nulls[PAYMENT_VISIT_DATE], DatumGetDateADT(values[PAYMENT_VISIT_DATE]));
	if (of_milestone && nulls[PAYMENT_MOVED_FROM] && nulls[PAYMENT_COMPLETES])
		fill_milestone(&enrolled, values, nulls, &milestone, at);
	else if (!of_milestone)
	{
		nulls[PAYMENT_MILESTONE_NAME] = nulls[PAYMENT_MILESTONE_CODE] = nulls[PAYMENT_OCCURRENCE] = true;
		schedule_terms(KsuidPGetDatum(&enrolled.trial_site), &milestone.terms);
		milestone.rivals = (Datum) 0;
	}
	if (nulls[PAYMENT_TOP_UP_OF] && !elsewhere)
		check_covered(&milestone.terms, values, nulls);
	FILL(PAYMENT_CLIENT, KsuidPGetDatum(&enrolled.client));
	FILL(PAYMENT_CONTRACT, KsuidPGetDatum(&enrolled.contract));
	FILL(PAYMENT_TRIAL, KsuidPGetDatum(&enrolled.trial));
	FILL(PAYMENT_SITE, KsuidPGetDatum(&enrolled.site));
	FILL(PAYMENT_TRIAL_SITE, KsuidPGetDatum(&enrolled.trial_site));
	FILL(PAYMENT_PATIENT, KsuidPGetDatum(&enrolled.patient));
	FILL(PAYMENT_DECISION_NOTE, PointerGetDatum(cstring_to_text("")));
	if (of_milestone || !nulls[PAYMENT_TOP_UP_OF])
		payment_limit(&milestone, values, nulls);
	fill_status(of_milestone ? &milestone : NULL, values, nulls);
	return PointerGetDatum(heap_form_tuple(RelationGetDescr(trigger->tg_relation), values, nulls));
}

/*
 * Moves the funds of a payment that an UPDATE has changed: by the step of its
 * status, or what has come back of it.
 */
static void
move_funds(FundMove *move, const Datum *old, const bool *old_nulls, const Datum *values, const bool *nulls)
{
	const char *status = install_enum_label(DatumGetObjectId(values[PAYMENT_STATUS]));

	if (!nulls[PAYMENT_RETURNED])
	{
		move->source = values[PAYMENT_RETURNED_BY];
		move->amount = values[PAYMENT_RETURNED];
		if (!old_nulls[PAYMENT_RETURNED])
			move->amount = DirectFunctionCall2(numeric_sub, move->amount, old[PAYMENT_RETURNED]);
		fund_return(move);
	}
	else if (strcmp(status, "rejected") == 0 || strcmp(status, "cancelled") == 0)
		fund_release(move);
	else if (strcmp(status, "paid") == 0)
		fund_disburse(move);
}

/*
 * Trigger after INSERT of a payment, or UPDATE of its status or of what has
 * come back of it: moves its funds.
 */
PG_FUNCTION_INFO_V1(payment_funds);
Datum
payment_funds(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc desc;
	Datum old[PAYMENT_COLUMNS];
	Datum values[PAYMENT_COLUMNS];
	bool old_nulls[PAYMENT_COLUMNS];
	bool nulls[PAYMENT_COLUMNS];
	bool updated;
	FundMove move;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "payment_funds is a trigger");
	check_columns(trigger->tg_relation);
	desc = RelationGetDescr(trigger->tg_relation);
	updated = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	heap_deform_tuple(updated ? trigger->tg_newtuple : trigger->tg_trigtuple, desc, values, nulls);
	move.contract = values[PAYMENT_CONTRACT];
	move.client = values[PAYMENT_CLIENT];
	move.currency = values[PAYMENT_CURRENCY];
	move.amount = values[PAYMENT_AMOUNT];
	move.source = values[PAYMENT_UID];
	if (updated)
	{
		heap_deform_tuple(trigger->tg_trigtuple, desc, old, old_nulls);
		move_funds(&move, old, old_nulls, values, nulls);
	}
	else
	{
		if (!nulls[PAYMENT_MILESTONE] || !nulls[PAYMENT_TOP_UP_OF])
			payment_recheck(values, nulls);
		if (!payment_is_elsewhere(values))
			fund_reserve(&move);
	}
	return PointerGetDatum(NULL);
}
