/*
 * permission_plan.c
 *	  What the planner is told about the functions that murallink.permitted()
 *	  is made of: how many rows the caller's grants reach, and which indexes
 *	  find them.
 *
 * The conditions for indexes call functions themselves, so that a plan stays
 * right when grants change or somebody else asks.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "install.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static Expr *call(const char *name, Oid result, List *arguments);
static Node *condition(List *arguments);
static Oid family(void);

/*
 * Returns a call of a function of schema murallink.
 */
static Expr *
call(const char *name, Oid result, List *arguments)
{
	Oid types[FUNC_MAX_ARGS];
	int count = 0;
	ListCell *argument;

	foreach (argument, arguments)
		types[count++] = exprType(lfirst(argument));
	return (Expr *) makeFuncExpr(LookupFuncName(list_make2(makeString("murallink"), makeString(pstrdup(name))), count,
												types, false),
								 result, arguments, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/*
 * Returns the family of ksuid's operators in B-trees.
 */
static Oid
family(void)
{
	return lookup_type_cache(install_ksuid_type(), TYPECACHE_BTREE_OPFAMILY)->btree_opf;
}

/*
 * Returns what an index can be asked in place of a function, given its
 * arguments, the last of which is what is looked up:
 *
 * granted_all(uid): uid >= granted_from();
 * granted_on(permission, kind, uid): uid = ANY (granted(permission, kind));
 * granted_at(permission, trial, site): site = ANY (granted_sites(permission)).
 */
static Node *
condition(List *arguments)
{
	Oid ksuid = install_ksuid_type();
	Oid ksuids = get_array_type(ksuid);
	Expr *uid = llast(arguments);
	ScalarArrayOpExpr *any;
	Expr *array;

	if (list_length(arguments) == 1)
	{
		Oid at_least = get_opfamily_member(family(), ksuid, ksuid, BTGreaterEqualStrategyNumber);

		return (Node *) make_opclause(at_least, BOOLOID, false, uid, call("granted_from", ksuid, NIL), InvalidOid,
									  InvalidOid);
	}
	if (exprType(lsecond(arguments)) == TEXTOID)
		array = call("granted", ksuids, list_make2(linitial(arguments), lsecond(arguments)));
	else
		array = call("granted_sites", ksuids, list_make1(linitial(arguments)));
	any = makeNode(ScalarArrayOpExpr);
	any->opno = get_opfamily_member(family(), ksuid, ksuid, BTEqualStrategyNumber);
	any->opfuncid = get_opcode(any->opno);
	any->useOr = true;
	any->args = list_make2(uid, array);
	any->location = -1;
	return (Node *) any;
}

/*
 * murallink.granted_support(internal): answers the planner for granted_all,
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

		/* On nothing there is no grant. */
		if (list_length(arguments) > 1 && IsA(uid, Const) && ((Const *) uid)->constisnull)
			PG_RETURN_POINTER(makeBoolConst(false, false));
	}
	else if (IsA(request, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *asked = (SupportRequestSelectivity *) request;

		asked->selectivity =
			clause_selectivity(asked->root, condition(asked->args), asked->varRelid, asked->jointype, asked->sjinfo);
		PG_RETURN_POINTER(request);
	}
	else if (IsA(request, SupportRequestIndexCondition))
	{
		SupportRequestIndexCondition *asked = (SupportRequestIndexCondition *) request;

		if (IsA(asked->node, FuncExpr) && asked->opfamily == family() &&
			asked->indexarg == list_length(((FuncExpr *) asked->node)->args) - 1)
			PG_RETURN_POINTER(list_make1(condition(((FuncExpr *) asked->node)->args)));
	}
	PG_RETURN_POINTER(NULL);
}
