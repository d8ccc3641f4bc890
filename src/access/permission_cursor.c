/*
 * permission_cursor.c
 *	  Refuses the rest of a query whose caller has lost rights since it began.
 *
 * Policies are asked of each row when it is read.  A sort, a hash or the list of
 * a function has read rows that it returns later, and nothing asks again.  So a
 * cursor, or a loop of PL/pgSQL, could show them after a grant has ended.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "error.h"
#include "executor/executor.h"
#include "install.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "permission.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* A query that may run on later, and whose rights it began with. */
typedef struct Reading
{
	const QueryDesc *query;
	bool nobody; /* there was no caller */
	Ksuid user;
	int64 ended; /* permission_ended() */
	struct Reading *next;
	MemoryContextCallback ends;
} Reading;

static Reading *readings = NULL;

static ExecutorRun_hook_type next_run = NULL;

static void run_query(QueryDesc *query, ScanDirection direction, uint64 count, bool once);
static bool is_asked(const QueryDesc *query);
static bool lists_rows(PlanState *state, void *context);
static bool calls_action(Node *node, void *context);
static bool is_action(Oid function, void *context);
static void remember(const QueryDesc *query);
static void forget(void *arg);
static void check(const Reading *reading);

/*
 * Registers the hook.
 */
void
permission_cursor_init(void)
{
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
}

/*
 * Executor hook: remembers whose rights a query begins to run with, unless it
 * runs once, and checks this before it runs on.
 */
static void
run_query(QueryDesc *query, ScanDirection direction, uint64 count, bool once)
{
	const Reading *reading = readings;

	while (reading != NULL && reading->query != query)
		reading = reading->next;
	if (reading != NULL)
		check(reading);
	else if (!once && is_asked(query))
		remember(query);
	if (next_run)
		next_run(query, direction, count, once);
	else
		standard_ExecutorRun(query, direction, count, once);
}

/*
 * Returns whether a query reads tables of murallink, or lists that its functions
 * return, as a role that does not see all of their rows.
 */
static bool
is_asked(const QueryDesc *query)
{
	ListCell *relation;

	if (IsParallelWorker() || install_is_owner() || has_bypassrls_privilege(GetUserId()))
		return false;
	foreach (relation, query->plannedstmt->relationOids)
		if (install_is_schema(get_rel_namespace(lfirst_oid(relation))))
			return true;
	return query->planstate != NULL && lists_rows(query->planstate, NULL);
}

/*
 * Tree walker: returns whether a part of a plan keeps the list of an action.
 */
static bool
lists_rows(PlanState *state, void *context)
{
	Plan *plan = state->plan;

	if (IsA(plan, FunctionScan) && calls_action((Node *) ((FunctionScan *) plan)->functions, NULL))
		return true;
	if (IsA(plan, ProjectSet) && calls_action((Node *) plan->targetlist, NULL))
		return true;
	return planstate_tree_walker(state, lists_rows, context);
}

/*
 * Tree walker: returns whether an expression calls an action.
 */
static bool
calls_action(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_action, context) || expression_tree_walker(node, calls_action, context);
}

/*
 * Returns whether a function of murallink shows what its own rights see.
 */
static bool
is_action(Oid function, void *context)
{
	HeapTuple row;
	bool definer;

	if (function < FirstNormalObjectId || !install_is_schema(get_func_namespace(function)))
		return false;
	row = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(row))
		return false;
	definer = ((Form_pg_proc) GETSTRUCT(row))->prosecdef;
	ReleaseSysCache(row);
	return definer;
}

/*
 * Remembers with whose rights a query begins to run, until it ends.
 */
static void
remember(const QueryDesc *query)
{
	const Caller *who;
	Reading *reading = MemoryContextAllocZero(query->estate->es_query_cxt, sizeof(Reading));

	/* The first FETCH may come long after the cursor was opened; only this finds what has ended since. */
	AcceptInvalidationMessages();
	who = identity_caller_if_any();
	reading->query = query;
	reading->nobody = who == NULL;
	if (who != NULL)
	{
		reading->user = who->user;
		reading->ended = permission_ended(who);
	}
	reading->next = readings;
	readings = reading;
	reading->ends.func = forget;
	reading->ends.arg = reading;
	MemoryContextRegisterResetCallback(query->estate->es_query_cxt, &reading->ends);
}

/*
 * Memory context callback: forgets a query that has ended.
 */
static void
forget(void *arg)
{
	for (Reading **link = &readings; *link != NULL; link = &(*link)->next)
		if (*link == arg)
		{
			*link = (*link)->next;
			return;
		}
}

/*
 * Raises conflict if the caller is another one than when a query began to run, or if a
 * grant of the caller has ended since.
 */
static void
check(const Reading *reading)
{
	const Caller *who;

	AcceptInvalidationMessages();
	who = identity_caller_if_any();
	if (who == NULL ? reading->nobody
					: !reading->nobody && ksuid_equal(&who->user, &reading->user) && permission_ended(who) == reading->ended)
		return;
	ereport(ERROR, errnamed(ERR_CONFLICT, NULL));
}
