/*
 * isolation.c
 *	  Refuses to change murallink's tables where rules would not hold: at a
 *	  level at which they would be looked at as they were, and while triggers
 *	  are not fired.
 *
 * A rule holds because whoever comes second sees what the first has committed.
 * A transaction with one snapshot for all of its statements does not, whatever
 * it locks.  All statements that change a table have their rights checked
 * first, those of functions, triggers and COPY too, so this is asked there.
 *
 * Where session_replication_role is replica, rows are brought as they are: by
 * the statements of somebody who may, not by functions, which need triggers.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
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
 * Registers the hook that is called where a statement's rights are checked.
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
 * Returns whether one of our functions is running and its triggers are not
 * fired.
 */
static bool
triggers_missed(void)
{
	return SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA && GetUserId() == install_owner() &&
		   GetOuterUserId() != GetUserId();
}

/*
 * Returns whether a statement has the rights that it needs, as far as they are
 * looked at here; raises wrong_isolation where it does not see enough to
 * change what it changes, and triggers_off where too little would happen.
 */
static bool
check_rights(List *range_table, bool raise)
{
	bool missed = triggers_missed();

	if (missed || IsolationUsesXactSnapshot())
	{
		Oid schemas[] = {get_namespace_oid("murallink", true), get_namespace_oid("murallink_private", true)};
		ListCell *cell;

		foreach (cell, range_table)
		{
			RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
			Oid schema;

			if (entry->rtekind != RTE_RELATION || (entry->requiredPerms & CHANGES) == 0)
				continue;
			schema = get_rel_namespace(entry->relid);
			if (schema != schemas[0] && schema != schemas[1])
				continue;
			if (missed)
				ereport(ERROR, errnamed(ERR_TRIGGERS_OFF, NULL));
			isolation_check();
		}
	}
	return previous_hook == NULL || previous_hook(range_table, raise);
}
