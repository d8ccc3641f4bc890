/*
 * isolation.c
 *	  Refuses to change murallink's tables if rules would not be enforced: at
 *	  an isolation level with an old snapshot, and while triggers are disabled.
 *
 * A rule is enforced because the second of two transactions sees what the
 * first has committed.  A transaction with one snapshot for all statements
 * does not see it, whatever it locks.  PostgreSQL checks the rights of every
 * statement that changes a table, also in functions, triggers and COPY, so the
 * hook for that check does this one, too.
 *
 * With session_replication_role replica, a role that has the rights may write
 * rows as they are.  Functions may not, because they depend on triggers.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "error.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "install.h"
#include "isolation.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#define CHANGES (ACL_INSERT | ACL_UPDATE | ACL_DELETE)

static ExecutorCheckPerms_hook_type previous_hook = NULL;

static bool triggers_missed(void);
static bool check_rights(List *range_table, bool raise);

/*
 * Registers the hook that PostgreSQL calls when it checks a statement's
 * rights.
 */
void
isolation_init(void)
{
	previous_hook = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_rights;
}

/*
 * Raises wrong_isolation unless each statement sees what was committed before
 * it.
 */
void
isolation_check(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, errnamed(ERR_WRONG_ISOLATION, NULL));
}

/*
 * Returns whether one of our functions is running while triggers are disabled.
 */
static bool
triggers_missed(void)
{
	return SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA && GetUserId() == install_owner() &&
		   GetOuterUserId() != GetUserId();
}

/*
 * Raises what a statement that inserts into one of murallink's tables raises
 * where it may not change anything.  For functions that write rows without a
 * statement and are not called by a trigger of one.
 */
void
isolation_check_insert(void)
{
	PreventCommandIfReadOnly("INSERT");
	PreventCommandIfParallelMode("INSERT");
	if (triggers_missed())
		ereport(ERROR, errnamed(ERR_TRIGGERS_OFF, NULL));
	isolation_check();
}

/*
 * Hook: raises wrong_isolation or triggers_off if the statement changes a
 * table of murallink's where rules would not be enforced.  Otherwise returns
 * what the next hook returns, or true.
 */
static bool
check_rights(List *range_table, bool raise)
{
	bool missed = triggers_missed();

	if (missed || IsolationUsesXactSnapshot())
	{
		ListCell *cell;

		foreach (cell, range_table)
		{
			RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

			if (entry->rtekind != RTE_RELATION || (entry->requiredPerms & CHANGES) == 0 ||
				!install_is_schema(get_rel_namespace(entry->relid)))
				continue;
			if (missed)
				ereport(ERROR, errnamed(ERR_TRIGGERS_OFF, NULL));
			isolation_check();
		}
	}
	return previous_hook == NULL || previous_hook(range_table, raise);
}
