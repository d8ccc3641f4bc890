/*
 * enrollment.c
 *	  Row level security of patients, who belong to many places.  The policy
 *	  checks the places of each patient, which is fast for one patient and for
 *	  a caller who sees most.  For a caller who sees few sites, this offers the
 *	  planner an index condition that finds the patients of these.
 */
#include "postgres.h"

#include "fmgr.h"
#include "install.h"
#include "optimizer/optimizer.h"
#include "permission.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

static Node *condition(List *arguments);

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
 * murallink_private.viewable_patients(): the uids of the patients on whom the caller
 * holds view_patients, in the snapshot of the statement.
 */
PG_FUNCTION_INFO_V1(enrollment_viewable_patients);
Datum
enrollment_viewable_patients(PG_FUNCTION_ARGS)
{
	static SavedPlan select = PLAN("SELECT DISTINCT seen FROM murallink_private.visible_patients() AS seen", "");
	MemoryContext context = CurrentMemoryContext;
	Owner saved = owner_enter();
	Datum *uids;
	ArrayType *result;
	bool isnull;

	SPI_connect();
	if (SPI_execute_plan(plan_saved(&select), NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "murallink: could not read the caller's patients");
	uids = palloc_extended(sizeof(Datum) * SPI_processed, MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < SPI_processed; i++)
		uids[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
	context = MemoryContextSwitchTo(context);
	result = construct_array(uids, (int) SPI_processed, install_ksuid_type(), KSUID_LEN, false, TYPALIGN_CHAR);
	MemoryContextSwitchTo(context);
	SPI_finish();
	owner_leave(saved);
	PG_RETURN_ARRAYTYPE_P(result);
}
