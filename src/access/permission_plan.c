/*
 * permission_plan.c
 *	  Planner support for the functions of murallink_private.permitted(): how many rows
 *	  the caller's grants cover, and which indexes find them.
 *
 * The index conditions call functions, so that a plan stays correct when the
 * grants or the caller change.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "install.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "permission.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static Oid family(void);
static Expr *operand(List *arguments);
static Node *condition(List *arguments);
static Selectivity covered(SupportRequestSelectivity *asked);

/*
 * Returns a call of a function of schema murallink_private, on which the caller
 * has no USAGE.
 */
Expr *
permission_call(const char *name, Oid result, List *arguments)
{
	Oid types[FUNC_MAX_ARGS];
	int count = 0;
	ListCell *argument;

	foreach (argument, arguments)
		types[count++] = exprType(lfirst(argument));
	return (Expr *) makeFuncExpr(install_function(name, count, types), result, arguments, InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

/*
 * Returns the B-tree operator family of ksuid.
 */
static Oid
family(void)
{
	return lookup_type_cache(install_ksuid_type(), TYPECACHE_BTREE_OPFAMILY)->btree_opf;
}

/*
 * Returns "uid = ANY (array)".
 */
Node *
permission_any(Expr *uid, Expr *array)
{
	Oid ksuid = install_ksuid_type();
	ScalarArrayOpExpr *any = makeNode(ScalarArrayOpExpr);

	any->opno = get_opfamily_member(family(), ksuid, ksuid, BTEqualStrategyNumber);
	any->opfuncid = get_opcode(any->opno);
	any->useOr = true;
	any->args = list_make2(uid, array);
	any->location = -1;
	return (Node *) any;
}

/*
 * Returns the arguments of the call for which the planner looks for an index
 * condition, if the index is one of ksuids on the last argument, else NIL.
 */
List *
permission_indexed(SupportRequestIndexCondition *asked)
{
	List *arguments = IsA(asked->node, FuncExpr) ? ((FuncExpr *) asked->node)->args : NIL;

	return asked->indexarg == list_length(arguments) - 1 && asked->opfamily == family() ? arguments : NIL;
}

/*
 * Returns the expression with which condition() compares the last argument of
 * a function.
 */
static Expr *
operand(List *arguments)
{
	Oid ksuid = install_ksuid_type();

	if (list_length(arguments) == 1)
		return permission_call("granted_from", ksuid, NIL);
	if (exprType(lsecond(arguments)) == TEXTOID)
		return permission_call("granted", get_array_type(ksuid), list_make2(linitial(arguments), lsecond(arguments)));
	return permission_call("granted_sites", get_array_type(ksuid), list_make1(linitial(arguments)));
}

/*
 * Returns the index condition for a function:
 *
 * granted_all(uid): uid >= granted_from();
 * granted_on(permission, kind, uid): uid = ANY (granted(permission, kind));
 * granted_at(permission, contract, trial, site): site = ANY (granted_sites(permission)).
 */
static Node *
condition(List *arguments)
{
	Oid ksuid = install_ksuid_type();
	Oid at_or_above;
	Expr *uid = llast(arguments);

	if (list_length(arguments) > 1)
		return permission_any(uid, operand(arguments));
	at_or_above = get_opfamily_member(family(), ksuid, ksuid, BTGreaterEqualStrategyNumber);
	return (Node *) make_opclause(at_or_above, BOOLOID, false, uid, operand(arguments), InvalidOid, InvalidOid);
}

/*
 * Returns the share of rows that have one of the granted uids.  The planner's
 * own estimate for = ANY takes the uids as independent of each other if their
 * shares sum up to more than 1, which rounding alone does where the grants
 * cover all rows.
 */
static Selectivity
covered(SupportRequestSelectivity *asked)
{
	Oid ksuid = install_ksuid_type();
	Node *array = list_length(asked->args) > 1 ? estimate_expression_value(asked->root, (Node *) operand(asked->args))
											   : NULL;
	Oid equal = get_opfamily_member(family(), ksuid, ksuid, BTEqualStrategyNumber);
	Selectivity sum = 0;
	Datum *uids;
	int count;

	if (array == NULL || !IsA(array, Const) || ((Const *) array)->constisnull)
		return clause_selectivity(asked->root, condition(asked->args), asked->varRelid, asked->jointype, asked->sjinfo);
	deconstruct_array(DatumGetArrayTypeP(((Const *) array)->constvalue), ksuid, KSUID_LEN, false, TYPALIGN_CHAR, &uids,
					  NULL, &count);
	for (int i = 0; i < count && sum < 1; i++)
	{
		Const *uid = makeConst(ksuid, -1, InvalidOid, KSUID_LEN, uids[i], false, false);
		Expr *same = make_opclause(equal, BOOLOID, false, llast(asked->args), (Expr *) uid, InvalidOid, InvalidOid);

		sum += clause_selectivity(asked->root, (Node *) same, asked->varRelid, asked->jointype, asked->sjinfo);
	}
	return Min(sum, 1);
}

/*
 * murallink_private.granted_support(internal): answers the planner for granted_all,
 * granted_on and granted_at.
 */
PG_FUNCTION_INFO_V1(permission_granted_support);
Datum
permission_granted_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSimplify))
	{
		List *arguments = ((SupportRequestSimplify *) request)->fcall->args;
		Node *uid = llast(arguments);

		/* NULL has no grants. */
		if (list_length(arguments) > 1 && IsA(uid, Const) && ((Const *) uid)->constisnull)
			PG_RETURN_POINTER(makeBoolConst(false, false));
	}
	else if (IsA(request, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *asked = (SupportRequestSelectivity *) request;

		asked->selectivity = covered(asked);
		PG_RETURN_POINTER(request);
	}
	else if (IsA(request, SupportRequestIndexCondition))
	{
		SupportRequestIndexCondition *asked = (SupportRequestIndexCondition *) request;
		List *arguments = permission_indexed(asked);

		/* The permission must not depend on the row. */
		if (arguments != NIL && is_pseudo_constant_for_index(asked->root, (Node *) operand(arguments), asked->index))
			PG_RETURN_POINTER(list_make1(condition(arguments)));
	}
	PG_RETURN_POINTER(NULL);
}
