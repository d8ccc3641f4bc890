/*
 * identity_plan.c
 *	  Plans that are made for an admin, or for a user who is not one, so that
 *	  row level security need not ask this for each row.
 *
 * Only plans for the user of the login role are made like this, because that
 * seldom changes within a connection.  They are made again when app_user
 * changes, and when the connection takes on a session.  The executor refuses one
 * that is executed for another caller nevertheless.  A cursor keeps the rows of
 * the caller who opened it.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "error.h"
#include "executor/executor.h"
#include "identity_part.h"
#include "install.h"
#include "miscadmin.h"
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

static ExecutorStart_hook_type next_start = NULL;

static void start_query(QueryDesc *query, int flags);

/*
 * Registers the hook that checks these plans.
 */
void
identity_plan_init(void)
{
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = start_query;
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
	ListCell *item;

	if (who == NULL || who->by_session || IsParallelWorker())
		return NULL;
	/* The caller stays the same in a transaction, also where app_user has changed since. */
	next = identity_of_role();
	if (next == NULL || next->admin != who->admin)
		return NULL;
	if (made_for_admin != who->admin || made_for_role != GetSessionUserId())
		identity_forget_plans();
	made = true;
	made_for_admin = who->admin;
	made_for_role = GetSessionUserId();
	plan->relationOids = list_append_unique_oid(plan->relationOids, install_relation("app_user"));
	foreach (item, plan->invalItems)
		if (((PlanInvalItem *) lfirst(item))->cacheId == MARK)
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
void
identity_forget_plans(void)
{
	if (made)
		ResetPlanCache();
	made = false;
}

/*
 * Executor hook: raises conflict if the plan is for an admin and the caller is
 * not one, or the other way round.
 */
static void
start_query(QueryDesc *query, int flags)
{
	ListCell *item;

	if (made && made_for_role != GetSessionUserId())
		identity_forget_plans();
	foreach (item, query->plannedstmt->invalItems)
	{
		const PlanInvalItem *mark = lfirst(item);
		const Caller *who;

		if (mark->cacheId != MARK)
			continue;
		who = identity_caller_if_any();
		if (who != NULL && who->admin == (mark->hashValue != 0))
			break;
		identity_forget_plans();
		ereport(ERROR, errnamed(ERR_CONFLICT, NULL));
	}
	if (next_start)
		next_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}
