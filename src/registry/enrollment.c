/*
 * enrollment.c
 *	  Row level security of patients, who belong to many places, and of the
 *	  enrollments that they have left.  The policy of patients checks the places
 *	  of each, which is fast for one patient and for a caller who sees most.  For
 *	  a caller who sees few sites, this offers the planner an index condition
 *	  that finds the patients of these.
 *
 * The present place of a patient sees the payments at earlier ones.  Few
 * patients move, so a list of their enrollments is read, once in each
 * execution of a plan, in the snapshot of its statement.
 */
#include "postgres.h"

#include "fmgr.h"
#include "install.h"
#include "optimizer/optimizer.h"
#include "permission.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

/* The enrollments that granted_moved() has read, in fn_extra. */
typedef struct Moved
{
	Ksuid *uids; /* sorted */
	int count;
} Moved;

static Node *condition(List *arguments);
static Node *moved_condition(List *arguments);
static Datum *read_uids(SavedPlan *select, Datum *argument, int *count);
static Datum *read_moved(Oid permission, int *count);
static ArrayType *uids_array(const Datum *uids, int count);
static int compare_uids(const void *a, const void *b);
static Moved *moved(Oid permission, MemoryContext context);

/*
 * Returns "uid = ANY (viewable_patients())" for maybe_viewable(uid).
 */
static Node *
condition(List *arguments)
{
	return permission_any(linitial(arguments),
						  permission_call("viewable_patients", get_array_type(install_ksuid_type()), NIL));
}

/*
 * murallink_private.maybe_viewable(uid): true.
 */
PG_FUNCTION_INFO_V1(enrollment_maybe_viewable);
Datum
enrollment_maybe_viewable(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/*
 * murallink_private.maybe_viewable_support(internal): answers the planner for
 * maybe_viewable.
 */
PG_FUNCTION_INFO_V1(enrollment_maybe_viewable_support);
Datum
enrollment_maybe_viewable_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *asked = (SupportRequestSelectivity *) request;

		asked->selectivity = !permission_few_sites() ? 1.0
													 : clause_selectivity(asked->root, condition(asked->args), asked->varRelid,
																		  asked->jointype, asked->sjinfo);
		PG_RETURN_POINTER(request);
	}
	if (IsA(request, SupportRequestIndexCondition))
	{
		List *arguments = permission_indexed((SupportRequestIndexCondition *) request);

		if (arguments != NIL && permission_few_sites())
			PG_RETURN_POINTER(list_make1(condition(arguments)));
	}
	PG_RETURN_POINTER(NULL);
}

/*
 * Executes a query for uids as the owner, with one argument or none, in the
 * snapshot of the statement.  Returns them, and their number, in the caller's
 * memory context.
 */
static Datum *
read_uids(SavedPlan *select, Datum *argument, int *count)
{
	MemoryContext context = CurrentMemoryContext;
	Owner saved = owner_enter();
	Datum *uids;
	bool isnull;

	SPI_connect();
	if (SPI_execute_plan(plan_saved(select), argument, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "murallink: could not read what the caller sees");
	*count = (int) SPI_processed;
	context = MemoryContextSwitchTo(context);
	uids = palloc_extended(sizeof(Datum) * Max(SPI_processed, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < *count; i++)
		uids[i] = datumCopy(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull), false, KSUID_LEN);
	MemoryContextSwitchTo(context);
	SPI_finish();
	owner_leave(saved);
	return uids;
}

/*
 * Returns uids as an array.
 */
static ArrayType *
uids_array(const Datum *uids, int count)
{
	return construct_array((Datum *) uids, count, install_ksuid_type(), KSUID_LEN, false, TYPALIGN_CHAR);
}

/*
 * murallink_private.viewable_patients(): the uids of the patients on whom the caller
 * holds view_patients, in the snapshot of the statement.
 */
PG_FUNCTION_INFO_V1(enrollment_viewable_patients);
Datum
enrollment_viewable_patients(PG_FUNCTION_ARGS)
{
	static SavedPlan select = PLAN("SELECT DISTINCT seen FROM murallink_private.visible_patients() AS seen", "");
	int count;
	Datum *uids = read_uids(&select, NULL, &count);

	PG_RETURN_ARRAYTYPE_P(uids_array(uids, count));
}

/*
 * Returns "uid = ANY (moved_enrollments(permission))" for
 * granted_moved(permission, uid).
 */
static Node *
moved_condition(List *arguments)
{
	return permission_any(llast(arguments), permission_call("moved_enrollments", get_array_type(install_ksuid_type()),
															list_make1(linitial(arguments))));
}

/*
 * murallink_private.granted_moved_support(internal): answers the planner for
 * granted_moved.
 */
PG_FUNCTION_INFO_V1(enrollment_granted_moved_support);
Datum
enrollment_granted_moved_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *asked = (SupportRequestSelectivity *) request;

		asked->selectivity = clause_selectivity(asked->root, moved_condition(asked->args), asked->varRelid,
												asked->jointype, asked->sjinfo);
		PG_RETURN_POINTER(request);
	}
	if (IsA(request, SupportRequestIndexCondition))
	{
		List *arguments = permission_indexed((SupportRequestIndexCondition *) request);

		/* The permission must not depend on the row. */
		if (arguments != NIL && IsA(linitial(arguments), Const))
			PG_RETURN_POINTER(list_make1(moved_condition(arguments)));
	}
	PG_RETURN_POINTER(NULL);
}

/*
 * Returns the enrollments that others have followed, the last of them at a place
 * where the caller holds the permission, and their number.
 */
static Datum *
read_moved(Oid permission, int *count)
{
	static SavedPlan select =
		PLAN("SELECT e.uid FROM murallink.enrollment l"
			 " JOIN murallink.enrollment e ON e.chain_uid = l.chain_uid AND e.uid <> l.uid"
			 " WHERE l.previous_uid IS NOT NULL"
			 " AND NOT EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = l.uid)"
			 " AND murallink_private.permitted("
			 "$1::murallink.permission, l.client_uid, l.contract_uid, l.trial_uid, l.site_uid)",
			 "t");
	Datum argument = CStringGetTextDatum(install_enum_label(permission));

	return read_uids(&select, &argument, count);
}

/*
 * murallink_private.moved_enrollments(permission): the uids of the enrollments that
 * others have followed, the last of them at a place where the caller holds the
 * permission, in the snapshot of the statement.
 */
PG_FUNCTION_INFO_V1(enrollment_moved_enrollments);
Datum
enrollment_moved_enrollments(PG_FUNCTION_ARGS)
{
	int count;
	Datum *uids = read_moved(PG_GETARG_OID(0), &count);

	PG_RETURN_ARRAYTYPE_P(uids_array(uids, count));
}

/*
 * Compares two uids for qsort() and bsearch().
 */
static int
compare_uids(const void *a, const void *b)
{
	return memcmp(a, b, KSUID_LEN);
}

/*
 * Reads what moved_enrollments() returns into a memory context.
 */
static Moved *
moved(Oid permission, MemoryContext context)
{
	int count;
	Datum *uids = read_moved(permission, &count);
	Moved *result = MemoryContextAlloc(context, sizeof(Moved));

	result->uids = MemoryContextAllocHuge(context, sizeof(Ksuid) * Max(count, 1));
	result->count = count;
	for (int i = 0; i < count; i++)
		result->uids[i] = *DatumGetKsuidP(uids[i]);
	qsort(result->uids, count, sizeof(Ksuid), compare_uids);
	return result;
}

/*
 * murallink_private.granted_moved(permission, uid): whether the enrollment is one of
 * moved_enrollments(permission).  The permission is the same in all calls of an
 * expression.
 */
PG_FUNCTION_INFO_V1(enrollment_granted_moved);
Datum
enrollment_granted_moved(PG_FUNCTION_ARGS)
{
	Moved *known;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = moved(PG_GETARG_OID(0), fcinfo->flinfo->fn_mcxt);
	known = fcinfo->flinfo->fn_extra;
	PG_RETURN_BOOL(bsearch(PG_GETARG_POINTER(1), known->uids, known->count, sizeof(Ksuid), compare_uids) != NULL);
}
