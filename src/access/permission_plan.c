/*
 * permission_plan.c
 *	  Planner support for the functions of murallink_private.permitted(): how many rows
 *	  the caller's grants cover, and which indexes find them.
 *
 * The index conditions call functions, so that a plan stays correct when the
 * grants or the caller change.  Whether the caller is an admin may be decided in
 * the plan: see identity_plan.c.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "identity.h"
#include "install.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "permission.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static Oid family(void);
static Expr *operand(List *arguments);
static Node *condition(List *arguments);
static Selectivity covered(SupportRequestSelectivity *asked);
static bool never_null(PlannerInfo *root, Node *uid);
static Node *simplified(PlannerInfo *root, List *arguments);

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
 * Returns whether an expression is a column that is NOT NULL, in a query that has
 * no outer join.
 */
static bool
never_null(PlannerInfo *root, Node *uid)
{
	Var *column = (Var *) uid;
	RangeTblEntry *table;
	HeapTuple attribute;
	bool result;
	ListCell *entry;

	if (!IsA(uid, Var) || column->varlevelsup > 0 || column->varattno <= 0)
		return false;
	foreach (entry, root->parse->rtable)
	{
		table = lfirst(entry);
		if (table->rtekind == RTE_JOIN && IS_OUTER_JOIN(table->jointype))
			return false;
	}
	table = rt_fetch(column->varno, root->parse->rtable);
	if (table->rtekind != RTE_RELATION)
		return false;
	attribute = SearchSysCache2(ATTNUM, ObjectIdGetDatum(table->relid), Int16GetDatum(column->varattno));
	if (!HeapTupleIsValid(attribute))
		return false;
	result = ((Form_pg_attribute) GETSTRUCT(attribute))->attnotnull;
	ReleaseSysCache(attribute);
	return result;
}

/*
 * Returns what a function can be replaced with in a plan, or NULL.  Nothing is
 * granted on NULL.  Where row level security calls granted_all(), the plan may be
 * for the caller alone.  It is not if the caller sees few sites, because then
 * indexes find the rows, and an OR leaves the planner the choice of them; nor in
 * functions of murallink, whose owner sees all rows.
 */
static Node *
simplified(PlannerInfo *root, List *arguments)
{
	Node *uid = llast(arguments);
	const Caller *who;
	NullTest *is_not_null;

	if (IsA(uid, Const) && ((Const *) uid)->constisnull)
		return makeBoolConst(false, false);
	/* An expression outside of a query has a root, but no query in it. */
	if (list_length(arguments) > 1 || root == NULL || root->parse == NULL || !root->parse->hasRowSecurity ||
		GetUserId() == install_owner() || permission_few_sites() ||
		(who = identity_plan_for(root->glob)) == NULL)
		return NULL;
	if (!who->admin || never_null(root, uid))
		return makeBoolConst(who->admin, false);
	is_not_null = makeNode(NullTest);
	is_not_null->arg = (Expr *) uid;
	is_not_null->nulltesttype = IS_NOT_NULL;
	is_not_null->location = -1;
	return (Node *) is_not_null;
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
		SupportRequestSimplify *asked = (SupportRequestSimplify *) request;

		PG_RETURN_POINTER(simplified(asked->root, asked->fcall->args));
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
