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
#include "payment.h"
#include "permission.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define NOTE_LONGEST 1000

/* The columns that both queries below select, by their number from 1. */
enum PricedColumn
{
	PRICED_CLIENT = 1,
	PRICED_CONTRACT,
	PRICED_TRIAL,
	PRICED_SITE,
	PRICED_TRIAL_SITE,
	PRICED_ENROLLMENT,
	PRICED_ENROLLED_AT,
	PRICED_PATIENT,
	PRICED_DROPPED_ON,
	PRICED_APPROVED,
	PRICED_VERSION,
	PRICED_EFFECTIVE_DATE,
	PRICED_NAME,
	PRICED_AMOUNT,
	PRICED_NUM_PAYMENTS,
	PRICED_CURRENCY,
	PRICED_SORT_ORDER
};

#define PRICED_SELECT(place)                                                                          \
	"SELECT " place ".client_uid, " place ".contract_uid, " place ".trial_uid, " place ".site_uid, "  \
	place ".trial_site_uid, e.uid, e.trial_site_uid, e.patient_uid, e.dropped_on,"                    \
	" t.approve_milestones, v.uid, v.effective_date, v.milestone, v.amount, v.num_payments,"          \
	" v.currency::pg_catalog.text, v.sort_order"

#define VERSION_IN_FORCE                                                                              \
	" LEFT JOIN LATERAL (SELECT * FROM murallink.milestone i"                                         \
	"  WHERE i.trial_site_uid = m.trial_site_uid AND i.milestone = m.milestone"                       \
	"  AND i.effective_date <= $3 ORDER BY i.effective_date DESC LIMIT 1) v ON true"

/* What a payment is made of: one row of either query. */
typedef struct Priced
{
	Datum		values[PRICED_SORT_ORDER + 1];
	bool		nulls[PRICED_SORT_ORDER + 1];
} Priced;

/* The payment that milestone_payment() has checked and is about to insert. */
static Ksuid checked_payment;
static bool checked = false;

static bool look_up(SavedPlan *plan, const Datum *arguments, const char *nulls, Priced *priced);
static void check_visit(const Priced *priced, bool no_visit, DateADT visit);
static void check_version(const Priced *priced);
static void refuse_not_enrolled(Datum patient);
static int	next_occurrence(Datum enrollment, Datum name, int num_payments);
static bool insert_milestone_payment(const Ksuid *uid, const Priced *priced, int occurrence, Datum note,
									 Datum visit, bool no_visit, Datum at);
static const char *enum_label(Datum value);
static Datum payment_result(FunctionCallInfo fcinfo, const Ksuid *uid, const Priced *priced, Datum note,
							TimestampTz at);

/*
 * Fills in what a payment is made of; returns false when there is no such
 * row.  Assumes SPI_connect() and owner_enter().
 */
static bool
look_up(SavedPlan *plan, const Datum *arguments, const char *nulls, Priced *priced)
{
	if (plan_execute(plan, arguments, nulls, 1) != 1)
		return false;
	for (int i = 1; i <= PRICED_SORT_ORDER; i++)
		priced->values[i] =
			SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i, &priced->nulls[i]);
	return true;
}

/*
 * Raises invalid_value for a visit that is tomorrow everywhere, and dropped
 * for one after the patient was dropped: what was earned until then is owed.
 */
static void
check_visit(const Priced *priced, bool no_visit, DateADT visit)
{
	if (!no_visit && (DATE_NOT_FINITE(visit) ||
					  visit > GetCurrentTimestamp() / USECS_PER_DAY + 1))
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, "visit_date"));
	if (!priced->nulls[PRICED_DROPPED_ON] &&
		(no_visit || visit > DatumGetDateADT(priced->values[PRICED_DROPPED_ON])))
		ereport(ERROR, errnamed(ERR_DROPPED, "visit_date"));
}

/*
 * Raises not_payable when no version is in force, or the one in force retires
 * the milestone.
 */
static void
check_version(const Priced *priced)
{
	if (priced->nulls[PRICED_VERSION] || DatumGetInt32(priced->values[PRICED_NUM_PAYMENTS]) == 0)
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
	bool		isnull;

	plan_execute(&plan, &patient, NULL, 1);
	if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)))
		ereport(ERROR, errnamed(ERR_NOT_ENROLLED, "patient_uid"));
	ereport(ERROR, errnamed(ERR_NOT_FOUND, "patient_uid"));
}

/*
 * Returns the lowest number that no live payment of the milestone to the
 * enrollment has.  Raises already_paid when there is none up to num_payments.
 */
static int
next_occurrence(Datum enrollment, Datum name, int num_payments)
{
	static SavedPlan plan =
		PLAN("SELECT n FROM pg_catalog.generate_series(1, $3) n WHERE NOT EXISTS"
			 " (SELECT FROM murallink.payment p WHERE p.enrollment_uid = $1 AND p.milestone_name = $2"
			 "  AND p.occurrence = n AND p.status NOT IN ('rejected', 'cancelled', 'reversed'))"
			 " ORDER BY n LIMIT 1",
			 "kti");
	Datum		values[] = {enrollment, name, Int32GetDatum(num_payments)};
	bool		isnull;

	if (plan_execute(&plan, values, NULL, 1) != 1)
		ereport(ERROR, errnamed(ERR_ALREADY_PAID, "milestone_uid"));
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * Inserts a milestone payment that has been checked; returns false when
 * another session has paid this occurrence.
 */
static bool
insert_milestone_payment(const Ksuid *uid, const Priced *priced, int occurrence, Datum note, Datum visit,
						 bool no_visit, Datum at)
{
	static SavedPlan plan =
		PLAN("INSERT INTO murallink.payment (uid, client_uid, contract_uid, trial_uid, site_uid,"
			 " trial_site_uid, patient_uid, enrollment_uid, payment_type, milestone_uid, milestone_name,"
			 " occurrence, amount, currency, note, visit_date, status, requested_by_uid, created_at)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'milestone', $9, $10, $11, $12, $13, $14, $15,"
			 " CASE WHEN $16 THEN 'approved' ELSE 'pending' END::murallink.payment_status, $17, $18)"
			 " ON CONFLICT (enrollment_uid, milestone_name, occurrence)"
			 " WHERE status NOT IN ('rejected', 'cancelled', 'reversed') DO NOTHING",
			 "kkkkkkkkktinttdbkz");
	const Datum *from = priced->values;
	Datum		values[] = {KsuidPGetDatum(uid), from[PRICED_CLIENT], from[PRICED_CONTRACT],
					  from[PRICED_TRIAL], from[PRICED_SITE], from[PRICED_TRIAL_SITE],
					  from[PRICED_PATIENT], from[PRICED_ENROLLMENT], from[PRICED_VERSION],
					  from[PRICED_NAME], Int32GetDatum(occurrence), from[PRICED_AMOUNT],
					  from[PRICED_CURRENCY], note, visit, from[PRICED_APPROVED],
					  KsuidPGetDatum(&identity_caller()->user), at};
	char		nulls[] = "                  ";

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
	static SavedPlan plan =
		PLAN(PRICED_SELECT("m") " FROM murallink.milestone m JOIN murallink.trial t ON t.uid = m.trial_uid"
			 " LEFT JOIN murallink.enrollment e ON e.patient_uid = $1 AND e.trial_uid = m.trial_uid"
			 VERSION_IN_FORCE " WHERE m.uid = $2",
			 "kkz");
	TimestampTz at = GetCurrentTimestamp();
	Datum		arguments[3];
	Datum		note;
	Priced		priced;
	Place		place = {NULL};
	Ksuid		uid;
	Datum		result;
	int			num_payments;
	int			occurrence = 1;

	(void) identity_caller();
	if (PG_ARGISNULL(0))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "patient_uid"));
	if (PG_ARGISNULL(1))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "milestone_uid"));
	note = PointerGetDatum(error_checked_text(PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2), "note", NOTE_LONGEST, false));
	arguments[0] = PG_GETARG_DATUM(0);
	arguments[1] = PG_GETARG_DATUM(1);
	arguments[2] = TimestampTzGetDatum(at);

	SPI_connect();
	if (look_up(&plan, arguments, NULL, &priced))
	{
		place.client = DatumGetKsuidP(priced.values[PRICED_CLIENT]);
		place.contract = DatumGetKsuidP(priced.values[PRICED_CONTRACT]);
		place.trial = DatumGetKsuidP(priced.values[PRICED_TRIAL]);
		place.site = DatumGetKsuidP(priced.values[PRICED_SITE]);
	}
	permission_require(permission_named("milestone_payment"), &place, "milestone_uid");
	if (priced.nulls[PRICED_ENROLLMENT] || ksuid_compare(DatumGetKsuidP(priced.values[PRICED_ENROLLED_AT]),
														 DatumGetKsuidP(priced.values[PRICED_TRIAL_SITE])) != 0)
		refuse_not_enrolled(arguments[0]);
	check_visit(&priced, PG_ARGISNULL(3), PG_ARGISNULL(3) ? 0 : PG_GETARG_DATEADT(3));
	check_version(&priced);

	num_payments = DatumGetInt32(priced.values[PRICED_NUM_PAYMENTS]);
	ksuid_generate(&uid);
	while (!insert_milestone_payment(&uid, &priced, occurrence, note, PG_GETARG_DATUM(3), PG_ARGISNULL(3),
									 arguments[2]))
		occurrence = next_occurrence(priced.values[PRICED_ENROLLMENT], priced.values[PRICED_NAME], num_payments);
	result = payment_result(fcinfo, &uid, &priced, note, at);
	SPI_finish();
	return result;
}

/*
 * Returns the payment_info of a milestone payment just inserted.  Assumes
 * SPI_connect(); the result outlives it.
 */
static Datum
payment_result(FunctionCallInfo fcinfo, const Ksuid *uid, const Priced *priced, Datum note, TimestampTz at)
{
	const Datum *from = priced->values;
	Datum		amount = DirectFunctionCall1(numeric_trim_scale, from[PRICED_AMOUNT]);
	Datum		milestone[] = {from[PRICED_VERSION], from[PRICED_EFFECTIVE_DATE], from[PRICED_NAME],
						   amount, from[PRICED_NUM_PAYMENTS], from[PRICED_CURRENCY],
						   from[PRICED_SORT_ORDER]};
	Datum		payment[] = {KsuidPGetDatum(uid),
						 from[PRICED_ENROLLMENT],
						 CStringGetTextDatum("milestone"),
						 from[PRICED_VERSION],
						 amount,
						 from[PRICED_CURRENCY],
						 note,
						 CStringGetTextDatum(DatumGetBool(from[PRICED_APPROVED]) ? "approved" : "pending"),
						 DateADTGetDatum(at / USECS_PER_DAY),
						 (Datum) 0};
	bool		nulls[lengthof(payment)] = {false};
	TupleDesc	desc,
				milestone_desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != lengthof(payment))
		elog(ERROR, "milestone_payment does not return murallink.payment_info");
	milestone_desc = lookup_rowtype_tupdesc(TupleDescAttr(desc, desc->natts - 1)->atttypid, -1);
	payment[desc->natts - 1] = HeapTupleGetDatum(heap_form_tuple(milestone_desc, milestone, nulls));
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
	static SavedPlan plan =
		PLAN(PRICED_SELECT("e") " FROM murallink.enrollment e JOIN murallink.trial t ON t.uid = e.trial_uid"
			 " LEFT JOIN murallink.milestone m ON m.uid = $2 AND m.trial_site_uid = e.trial_site_uid"
			 VERSION_IN_FORCE " WHERE e.uid = $1",
			 "kkz");
	static const int filled[] = {PAYMENT_CLIENT, PAYMENT_CONTRACT, PAYMENT_TRIAL, PAYMENT_SITE,
								 PAYMENT_TRIAL_SITE, PAYMENT_PATIENT, PAYMENT_MILESTONE,
								 PAYMENT_MILESTONE_NAME, PAYMENT_OCCURRENCE, PAYMENT_AMOUNT,
								 PAYMENT_CURRENCY};
	static const int priced_from[] = {PRICED_CLIENT, PRICED_CONTRACT, PRICED_TRIAL, PRICED_SITE,
									  PRICED_TRIAL_SITE, PRICED_PATIENT, PRICED_VERSION, PRICED_NAME,
									  0, PRICED_AMOUNT, PRICED_CURRENCY};
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	row;
	Datum		values[PAYMENT_COLUMNS];
	bool		nulls[PAYMENT_COLUMNS];
	bool		of_milestone;
	const char *status;
	Datum		arguments[3];
	char		argument_nulls[] = "   ";
	Priced		priced;
	MemoryContext caller_context = CurrentMemoryContext;
	Owner		saved;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "payment_price is a trigger");
	row = trigger->tg_trigtuple;
	desc = RelationGetDescr(trigger->tg_relation);
	heap_deform_tuple(row, desc, values, nulls);
	if (checked && ksuid_compare(DatumGetKsuidP(values[PAYMENT_UID]), &checked_payment) == 0)
	{
		checked = false;
		return PointerGetDatum(row);
	}

	of_milestone = !nulls[PAYMENT_TYPE] && strcmp(enum_label(values[PAYMENT_TYPE]), "milestone") == 0;
	if (nulls[PAYMENT_ENROLLMENT])
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "enrollment_uid"));
	if (of_milestone && nulls[PAYMENT_MILESTONE])
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "milestone_uid"));
	arguments[0] = values[PAYMENT_ENROLLMENT];
	arguments[1] = values[PAYMENT_MILESTONE];
	arguments[2] = values[PAYMENT_CREATED_AT];
	argument_nulls[1] = of_milestone ? ' ' : 'n';

	saved = owner_enter();
	SPI_connect();
	if (!look_up(&plan, arguments, argument_nulls, &priced))
		ereport(ERROR, errnamed(ERR_NOT_ENROLLED, "enrollment_uid"));
	check_visit(&priced, nulls[PAYMENT_VISIT_DATE], DatumGetDateADT(values[PAYMENT_VISIT_DATE]));
	status = nulls[PAYMENT_STATUS] ? "" : enum_label(values[PAYMENT_STATUS]);
	if (strcmp(status, "pending") != 0 &&
		!(of_milestone && strcmp(status, "approved") == 0 && DatumGetBool(priced.values[PRICED_APPROVED])))
		ereport(ERROR, errnamed(ERR_WRONG_STATUS, "status"));
	if (of_milestone)
	{
		int			occurrence;

		check_version(&priced);
		occurrence = next_occurrence(arguments[0], priced.values[PRICED_NAME],
									 DatumGetInt32(priced.values[PRICED_NUM_PAYMENTS]));
		values[PAYMENT_OCCURRENCE] = Int32GetDatum(occurrence);
		nulls[PAYMENT_OCCURRENCE] = false;
	}
	for (int i = 0; i < lengthof(filled); i++)
	{
		if (priced_from[i] == 0 || (!of_milestone && filled[i] >= PAYMENT_MILESTONE))
			continue;
		values[filled[i]] = priced.values[priced_from[i]];
		nulls[filled[i]] = false;
	}
	MemoryContextSwitchTo(caller_context);
	row = heap_form_tuple(desc, values, nulls);
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
	HeapTuple	row = SearchSysCache1(ENUMOID, value);
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
	Datum		values[PAYMENT_COLUMNS];
	bool		nulls[PAYMENT_COLUMNS];
	FundMove	move;
	const char *status;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "payment_funds is a trigger");
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
