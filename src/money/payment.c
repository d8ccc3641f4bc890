/*
 * payment.c
 *	  What a payment is made of, that it may be made, and the funds that follow
 *	  each of its steps.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "commands/trigger.h"
#include "error.h"
#include "fmgr.h"
#include "fund.h"
#include "funcapi.h"
#include "identity.h"
#include "install.h"
#include "ksuid.h"
#include "miscadmin.h"
#include "moment.h"
#include "payment.h"
#include "permission.h"
#include "schedule.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define NOTE_LONGEST 1000

/* Who is to be paid. */
typedef struct Enrolled
{
	bool exists;
	Ksuid uid;
	Ksuid client;
	Ksuid contract;
	Ksuid trial;
	Ksuid site;
	Ksuid trial_site;
	Ksuid patient;
	bool dropped;
	DateADT dropped_on;
	DateADT since;
} Enrolled;

#define ENROLLED                                                                                          \
	"SELECT uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, dropped_on," \
	" (created_at AT TIME ZONE 'UTC')::pg_catalog.date"                                                   \
	" FROM murallink.enrollment WHERE "

/* The payment that milestone_payment() has checked and is about to insert. */
static Ksuid checked_payment;
static bool checked = false;

static void check_columns(Relation payment);
static Enrolled look_up(SavedPlan *plan, const Datum *arguments);
static void check_visit(const Enrolled *enrolled, bool no_visit, DateADT visit);
static void check_version(const Milestone *milestone);
static void refuse_not_enrolled(Datum patient);
static int next_occurrence(const Ksuid *enrollment, const Milestone *milestone);
static bool insert_milestone_payment(const Ksuid *uid, const Enrolled *enrolled, const Milestone *milestone,
									 int occurrence, Datum note, Datum visit, bool no_visit, TimestampTz at);
static Datum payment_result(FunctionCallInfo fcinfo, const Ksuid *uid, const Enrolled *enrolled,
							const Milestone *milestone, Datum note, TimestampTz at);
static const char *enum_label(Datum value);

/*
 * Raises an error when the table has other columns than enum PaymentColumn.
 */
static void
check_columns(Relation payment)
{
	if (RelationGetNumberOfAttributes(payment) != PAYMENT_COLUMNS)
		ereport(ERROR, errnamed(ERR_UNKNOWN_DATA_VERSION, NULL));
}

/*
 * Returns an enrollment.  Assumes SPI_connect() and owner_enter().
 */
static Enrolled
look_up(SavedPlan *plan, const Datum *arguments)
{
	Enrolled enrolled = {false};
	Ksuid *const uids[] = {&enrolled.uid, &enrolled.client, &enrolled.contract, &enrolled.trial,
						   &enrolled.site, &enrolled.trial_site, &enrolled.patient};
	HeapTuple row;
	TupleDesc desc;
	bool isnull;

	if (plan_execute(plan, arguments, NULL, 1) != 1)
		return enrolled;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	enrolled.exists = true;
	for (int i = 0; i < lengthof(uids); i++)
		*uids[i] = *DatumGetKsuidP(SPI_getbinval(row, desc, i + 1, &isnull));
	enrolled.dropped_on = DatumGetDateADT(SPI_getbinval(row, desc, lengthof(uids) + 1, &isnull));
	enrolled.dropped = !isnull;
	enrolled.since = DatumGetDateADT(SPI_getbinval(row, desc, lengthof(uids) + 2, &isnull));
	return enrolled;
}

/*
 * Raises invalid_value for a visit that is tomorrow everywhere, or was before
 * the patient was enrolled wherever the site is; and dropped for one after the
 * patient was dropped: what was earned until then is owed.
 */
static void
check_visit(const Enrolled *enrolled, bool no_visit, DateADT visit)
{
	if (!no_visit && (DATE_NOT_FINITE(visit) || visit > GetCurrentTimestamp() / USECS_PER_DAY + 1 ||
					  visit < enrolled->since - 1))
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, "visit_date"));
	if (enrolled->dropped && (no_visit || visit > enrolled->dropped_on))
		ereport(ERROR, errnamed(ERR_DROPPED, "visit_date"));
}

/*
 * Raises not_payable when no version is in force, or the one in force retires
 * the milestone.
 */
static void
check_version(const Milestone *milestone)
{
	if (!milestone->in_force || milestone->version.num_payments == 0)
		ereport(ERROR, errnamed(ERR_NOT_PAYABLE, "milestone_uid"));
}

/*
 * Raises not_enrolled, or not_found when the caller may not even know of the
 * patient.
 */
static void
refuse_not_enrolled(Datum patient)
{
	static SavedPlan plan = PLAN("SELECT murallink.patient_visible($1)", "k");
	bool isnull;

	plan_execute(&plan, &patient, NULL, 1);
	if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)))
		ereport(ERROR, errnamed(ERR_NOT_ENROLLED, "patient_uid"));
	ereport(ERROR, errnamed(ERR_NOT_FOUND, "patient_uid"));
}

/*
 * Returns the lowest number that no live payment of the milestone to the
 * enrollment has.  Raises already_paid when there is none that may be made.
 */
static int
next_occurrence(const Ksuid *enrollment, const Milestone *milestone)
{
	static SavedPlan plan =
		PLAN("WITH live AS (SELECT occurrence FROM murallink.payment"
			 "  WHERE enrollment_uid = $1 AND murallink.label_key(milestone_name) = murallink.label_key($2)"
			 "  AND occurrence IS NOT NULL AND counts)"
			 " SELECT n FROM pg_catalog.generate_series(1, $3) n"
			 " WHERE n NOT IN (SELECT occurrence FROM live) AND (SELECT pg_catalog.count(*) FROM live) < $3"
			 " ORDER BY n LIMIT 1",
			 "kti");
	Datum values[] = {KsuidPGetDatum(enrollment), milestone->name,
					  Int32GetDatum(milestone->version.num_payments)};
	bool isnull;

	if (plan_execute(&plan, values, NULL, 1) != 1)
		ereport(ERROR, errnamed(ERR_ALREADY_PAID, "milestone_uid"));
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * Inserts a milestone payment that has been checked; returns false when
 * another session has paid this occurrence.
 */
static bool
insert_milestone_payment(const Ksuid *uid, const Enrolled *enrolled, const Milestone *milestone,
						 int occurrence, Datum note, Datum visit, bool no_visit, TimestampTz at)
{
	static SavedPlan plan =
		PLAN("INSERT INTO murallink.payment (uid, client_uid, contract_uid, trial_uid, site_uid,"
			 " trial_site_uid, patient_uid, enrollment_uid, payment_type, milestone_uid, milestone_name,"
			 " occurrence, amount, currency, note, visit_date, status, requested_by_uid, created_at)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'milestone', $9, $10, $11, $12, $13, $14, $15,"
			 " CASE WHEN $16 THEN 'approved' ELSE 'pending' END::murallink.payment_status, $17, $18)"
			 " ON CONFLICT (enrollment_uid, murallink.label_key(milestone_name), occurrence)"
			 " WHERE counts DO NOTHING",
			 "kkkkkkkkktinttdbkz");
	const Version *version = &milestone->version;
	Datum values[] = {KsuidPGetDatum(uid),
					  KsuidPGetDatum(&enrolled->client),
					  KsuidPGetDatum(&enrolled->contract),
					  KsuidPGetDatum(&enrolled->trial),
					  KsuidPGetDatum(&enrolled->site),
					  KsuidPGetDatum(&enrolled->trial_site),
					  KsuidPGetDatum(&enrolled->patient),
					  KsuidPGetDatum(&enrolled->uid),
					  KsuidPGetDatum(&version->uid),
					  milestone->name,
					  Int32GetDatum(occurrence),
					  version->amount,
					  version->currency,
					  note,
					  visit,
					  BoolGetDatum(milestone->approved),
					  KsuidPGetDatum(&identity_caller()->user),
					  TimestampTzGetDatum(at)};
	char nulls[] = "                  ";

	nulls[14] = no_visit ? 'n' : ' ';
	checked_payment = *uid;
	checked = true;
	return plan_execute(&plan, values, nulls, 0) == 1;
}

/*
 * murallink.milestone_payment(patient, milestone, note, visit_date).
 */
PG_FUNCTION_INFO_V1(milestone_payment);
Datum
milestone_payment(PG_FUNCTION_ARGS)
{
	static SavedPlan in_trial = PLAN(ENROLLED "patient_uid = $1 AND trial_uid = $2", "kk");
	TimestampTz at = GetCurrentTimestamp();
	bool no_visit = PG_ARGISNULL(3) || PG_GETARG_DATEADT(3) == NO_DAY;
	Datum note;
	Milestone milestone;
	Enrolled enrolled;
	Place place = {NULL};
	Datum arguments[2];
	Ksuid uid;
	Datum result;
	int occurrence;

	(void) identity_caller();
	if (PG_ARGISNULL(0))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "patient_uid"));
	if (PG_ARGISNULL(1))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "milestone_uid"));
	note = PointerGetDatum(
		error_checked_text(PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2), "note", NOTE_LONGEST, false));

	SPI_connect();
	if (schedule_look_up(PG_GETARG_DATUM(1), at, &milestone))
	{
		place.client = &milestone.client;
		place.contract = &milestone.contract;
		place.trial = &milestone.trial;
		place.site = &milestone.site;
	}
	permission_require(permission_named("milestone_payment"), &place, "milestone_uid");
	arguments[0] = PG_GETARG_DATUM(0);
	arguments[1] = KsuidPGetDatum(&milestone.trial);
	enrolled = look_up(&in_trial, arguments);
	if (!enrolled.exists || ksuid_compare(&enrolled.trial_site, &milestone.trial_site) != 0)
		refuse_not_enrolled(arguments[0]);
	check_visit(&enrolled, no_visit, no_visit ? 0 : PG_GETARG_DATEADT(3));
	check_version(&milestone);

	ksuid_generate(&uid);
	occurrence = milestone.was_more_often ? next_occurrence(&enrolled.uid, &milestone) : 1;
	while (!insert_milestone_payment(&uid, &enrolled, &milestone, occurrence, note, PG_GETARG_DATUM(3), no_visit, at))
	{
		CHECK_FOR_INTERRUPTS();
		occurrence = next_occurrence(&enrolled.uid, &milestone);
	}
	result = payment_result(fcinfo, &uid, &enrolled, &milestone, note, at);
	SPI_finish();
	return result;
}

/*
 * Returns the payment_info of a milestone payment just inserted.  Assumes
 * SPI_connect(); the result outlives it.
 */
static Datum
payment_result(FunctionCallInfo fcinfo, const Ksuid *uid, const Enrolled *enrolled, const Milestone *milestone,
			   Datum note, TimestampTz at)
{
	const Version *version = &milestone->version;
	Datum priced_by[] = {KsuidPGetDatum(&version->uid),
						 TimestampTzGetDatum(version->effective_date),
						 milestone->name,
						 version->amount,
						 Int32GetDatum(version->num_payments),
						 version->currency,
						 Int32GetDatum(version->sort_order)};
	Datum payment[] = {KsuidPGetDatum(uid),
					   KsuidPGetDatum(&enrolled->uid),
					   CStringGetTextDatum("milestone"),
					   KsuidPGetDatum(&version->uid),
					   version->amount,
					   version->currency,
					   note,
					   CStringGetTextDatum(milestone->approved ? "approved" : "pending"),
					   DateADTGetDatum(at / USECS_PER_DAY),
					   (Datum) 0};
	bool nulls[lengthof(payment)] = {false};
	TupleDesc desc,
		milestone_desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != lengthof(payment))
		elog(ERROR, "milestone_payment does not return murallink.payment_info");
	milestone_desc = lookup_rowtype_tupdesc(TupleDescAttr(desc, desc->natts - 1)->atttypid, -1);
	payment[desc->natts - 1] = HeapTupleGetDatum(heap_form_tuple(milestone_desc, priced_by, nulls));
	ReleaseTupleDesc(milestone_desc);
	return PointerGetDatum(SPI_returntuple(heap_form_tuple(desc, payment, nulls), desc));
}

/*
 * Trigger before INSERT of a payment: completes it from its enrollment, and a
 * milestone payment from the version in force, so that no statement can pay
 * another price, another milestone or too often.
 */
PG_FUNCTION_INFO_V1(payment_price);
Datum
payment_price(PG_FUNCTION_ARGS)
{
	static SavedPlan by_uid = PLAN(ENROLLED "uid = $1", "k");
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple row;
	Datum values[PAYMENT_COLUMNS];
	bool nulls[PAYMENT_COLUMNS];
	bool of_milestone;
	const char *status;
	Enrolled enrolled;
	Milestone milestone;
	MemoryContext caller_context = CurrentMemoryContext;
	Owner saved;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "payment_price is a trigger");
	check_columns(trigger->tg_relation);
	row = trigger->tg_trigtuple;
	heap_deform_tuple(row, RelationGetDescr(trigger->tg_relation), values, nulls);
	if (checked && !nulls[PAYMENT_UID] && ksuid_compare(DatumGetKsuidP(values[PAYMENT_UID]), &checked_payment) == 0)
	{
		checked = false;
		return PointerGetDatum(row);
	}

#define FILL(column, datum) (values[column] = (datum), nulls[column] = false)
	of_milestone = !nulls[PAYMENT_TYPE] && strcmp(enum_label(values[PAYMENT_TYPE]), "milestone") == 0;
	if (nulls[PAYMENT_ENROLLMENT])
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "enrollment_uid"));
	if (of_milestone && nulls[PAYMENT_MILESTONE])
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "milestone_uid"));

	saved = owner_enter();
	SPI_connect();
	enrolled = look_up(&by_uid, &values[PAYMENT_ENROLLMENT]);
	if (!enrolled.exists)
		ereport(ERROR, errnamed(ERR_NOT_ENROLLED, "enrollment_uid"));
	check_visit(&enrolled, nulls[PAYMENT_VISIT_DATE], DatumGetDateADT(values[PAYMENT_VISIT_DATE]));
	if (of_milestone)
	{
		if (!schedule_look_up(values[PAYMENT_MILESTONE], GetCurrentTimestamp(), &milestone) ||
			ksuid_compare(&milestone.trial_site, &enrolled.trial_site) != 0)
			ereport(ERROR, errnamed(ERR_NOT_FOUND, "milestone_uid"));
		check_version(&milestone);
		FILL(PAYMENT_OCCURRENCE, Int32GetDatum(next_occurrence(&enrolled.uid, &milestone)));
		FILL(PAYMENT_MILESTONE, KsuidPGetDatum(&milestone.version.uid));
		FILL(PAYMENT_MILESTONE_NAME, milestone.name);
		FILL(PAYMENT_AMOUNT, milestone.version.amount);
		FILL(PAYMENT_CURRENCY, milestone.version.currency);
	}
	else
		nulls[PAYMENT_MILESTONE_NAME] = nulls[PAYMENT_OCCURRENCE] = true;
	status = nulls[PAYMENT_STATUS] ? "" : enum_label(values[PAYMENT_STATUS]);
	if (strcmp(status, "pending") != 0 && !(of_milestone && milestone.approved && strcmp(status, "approved") == 0))
		ereport(ERROR, errnamed(ERR_WRONG_STATUS, "status"));
	FILL(PAYMENT_CLIENT, KsuidPGetDatum(&enrolled.client));
	FILL(PAYMENT_CONTRACT, KsuidPGetDatum(&enrolled.contract));
	FILL(PAYMENT_TRIAL, KsuidPGetDatum(&enrolled.trial));
	FILL(PAYMENT_SITE, KsuidPGetDatum(&enrolled.site));
	FILL(PAYMENT_TRIAL_SITE, KsuidPGetDatum(&enrolled.trial_site));
	FILL(PAYMENT_PATIENT, KsuidPGetDatum(&enrolled.patient));
	FILL(PAYMENT_CREATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
#undef FILL

	MemoryContextSwitchTo(caller_context);
	row = heap_form_tuple(RelationGetDescr(trigger->tg_relation), values, nulls);
	SPI_finish();
	owner_leave(saved);
	return PointerGetDatum(row);
}

/*
 * Returns the label of an enum value.
 */
static const char *
enum_label(Datum value)
{
	HeapTuple row = SearchSysCache1(ENUMOID, value);
	const char *label;

	if (!HeapTupleIsValid(row))
		elog(ERROR, "no enum label has the oid %u", DatumGetObjectId(value));
	label = pstrdup(NameStr(((Form_pg_enum) GETSTRUCT(row))->enumlabel));
	ReleaseSysCache(row);
	return label;
}

/*
 * Trigger after INSERT or UPDATE of the status of a payment: the funds follow.
 */
PG_FUNCTION_INFO_V1(payment_funds);
Datum
payment_funds(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Datum values[PAYMENT_COLUMNS];
	bool nulls[PAYMENT_COLUMNS];
	FundMove move;
	const char *status;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "payment_funds is a trigger");
	check_columns(trigger->tg_relation);
	heap_deform_tuple(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple,
					  RelationGetDescr(trigger->tg_relation), values, nulls);
	move.contract = values[PAYMENT_CONTRACT];
	move.client = values[PAYMENT_CLIENT];
	move.currency = values[PAYMENT_CURRENCY];
	move.amount = values[PAYMENT_AMOUNT];
	move.source = values[PAYMENT_UID];
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		fund_reserve(&move);
	else
	{
		status = enum_label(values[PAYMENT_STATUS]);
		if (strcmp(status, "rejected") == 0 || strcmp(status, "cancelled") == 0)
			fund_release(&move);
		else if (strcmp(status, "paid") == 0)
			fund_disburse(&move);
		else if (strcmp(status, "reversed") == 0)
			fund_return(&move);
	}
	return PointerGetDatum(NULL);
}
