/*
 * identity_plan.c
 *	  Plans that are made for an admin, or for a user who is not one, so that
 *	  row level security need not ask this for each row.
 *
 * Only plans for the user of the login role are made like this, because that
 * seldom changes within a connection.  They are made again when app_user
 * changes, and when the connection takes on a session.  The executor refuses one
 * that is executed for another caller nevertheless, as it does the rest of a
 * cursor.  While one runs, no session is taken on.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "error.h"
#include "executor/executor.h"
#include "identity_part.h"
#include "install.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/plancache.h"

/*
 * Marks these plans among what they depend on: no cache has this number.  The
 * hash is 1 for an admin, else 0.
 */
#define MARK (-1)

/* Whether this backend has such plans, and for whom. */
static bool made = false;
static bool made_for_admin;
static Oid made_for_role;

/* How many of these plans run, one within the other. */
static int running = 0;

static ExecutorStart_hook_type next_start = NULL;
static ExecutorRun_hook_type next_run = NULL;
static ExecutorFinish_hook_type next_finish = NULL;

static void forget_plans(void);
static const PlanInvalItem *mark_of(List *items);
static void check_plan(const PlanInvalItem *mark);
static void start_query(QueryDesc *query, int flags);
static void run_query(QueryDesc *query, ScanDirection direction, uint64 count, bool once);
static void run_on(QueryDesc *query, ScanDirection direction, uint64 count, bool once);
static void finish_query(QueryDesc *query);
static void finish_on(QueryDesc *query);

/*
 * Registers the hooks of these plans.
 */
void
identity_plan_init(void)
{
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = start_query;
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish_query;
}

/*
 * Returns the caller for whom alone the plan that is being made may be, or NULL
 * if it must suit everybody.
 */
const Caller *
identity_plan_for(PlannerGlobal *plan)
{
	const Caller *who = identity_caller_if_any();
	const Caller *next;
	PlanInvalItem *mark;

	if (who == NULL || who->by != BY_LOGIN_ROLE || IsParallelWorker())
		return NULL;
	/* app_user may have changed since the caller was looked up. */
	next = identity_of_role(GetSessionUserId());
	if (next == NULL || next->admin != who->admin)
		return NULL;
	if (made_for_admin != who->admin || made_for_role != GetSessionUserId())
		forget_plans();
	made = true;
	made_for_admin = who->admin;
	made_for_role = GetSessionUserId();
	plan->relationOids = list_append_unique_oid(plan->relationOids, install_relation("app_user"));
	if (mark_of(plan->invalItems) != NULL)
		return who;
	mark = makeNode(PlanInvalItem);
	mark->cacheId = MARK;
	mark->hashValue = who->admin;
	plan->invalItems = lappend(plan->invalItems, mark);
	return who;
}

/*
 * Has the plans made again that may be for another caller.
 */
static void
forget_plans(void)
{
	if (made)
		ResetPlanCache();
	made = false;
}

/*
 * Forgets the plans that were made for the user of the login role, because there
 * will be another caller, or none.  Raises conflict while one of them runs, also
 * if it suits the next caller: a rollback may end that session before the plan.
 */
void
identity_forget_plans(void)
{
	if (running > 0)
		ereport(ERROR, errnamed(ERR_CONFLICT, NULL));
	forget_plans();
}

/*
 * Returns the mark among what a plan depends on, or NULL.
 */
static const PlanInvalItem *
mark_of(List *items)
{
	ListCell *item;

	foreach (item, items)
		if (((const PlanInvalItem *) lfirst(item))->cacheId == MARK)
			return lfirst(item);
	return NULL;
}

/*
 * Raises conflict if a plan with this mark is for an admin and the caller is not
 * one, or the other way round.
 */
static void
check_plan(const PlanInvalItem *mark)
{
	const Caller *who = identity_caller_if_any();

	if (who != NULL && who->admin == (mark->hashValue != 0))
		return;
	forget_plans();
	ereport(ERROR, errnamed(ERR_CONFLICT, NULL));
}

/*
 * Executor hook: has grants forgotten that other sessions have revoked.  Nothing
 * else does that where a transaction has locked the tables of a generic plan
 * already.
 */
static void
start_query(QueryDesc *query, int flags)
{
	AcceptInvalidationMessages();
	if (made && made_for_role != GetSessionUserId())
		forget_plans();
	if (next_start)
		next_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/*
 * Executor hook: checks a plan before it runs, or runs on, and remembers that it
 * runs.
 */
static void
run_query(QueryDesc *query, ScanDirection direction, uint64 count, bool once)
{
	const PlanInvalItem *mark = mark_of(query->plannedstmt->invalItems);

	if (mark == NULL)
	{
		run_on(query, direction, count, once);
		return;
	}
	check_plan(mark);
	running++;
	PG_TRY();
	{
		run_on(query, direction, count, once);
	}
	PG_FINALLY();
	{
		running--;
	}
	PG_END_TRY();
}

/*
 * Calls the next hook, or the executor.
 */
static void
run_on(QueryDesc *query, ScanDirection direction, uint64 count, bool once)
{
	if (next_run)
		next_run(query, direction, count, once);
	else
		standard_ExecutorRun(query, direction, count, once);
}

/*
 * Executor hook: remembers that a plan runs while it finishes, because the
 * statements of a WITH that change rows may read only then.  Does not check it,
 * because a cursor is also closed for another caller.
 */
static void
finish_query(QueryDesc *query)
{
	if (mark_of(query->plannedstmt->invalItems) == NULL)
	{
		finish_on(query);
		return;
	}
	running++;
	PG_TRY();
	{
		finish_on(query);
	}
	PG_FINALLY();
	{
		running--;
	}
	PG_END_TRY();
}

/*
 * Calls the next hook, or the executor.
 */
static void
finish_on(QueryDesc *query)
{
	if (next_finish)
		next_finish(query);
	else
		standard_ExecutorFinish(query);
}
