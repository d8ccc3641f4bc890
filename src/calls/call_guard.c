/*
 * call_guard.c
 *	  Which roles may call functions that are not for clients, and how long
 *	  these wait for locks.
 *
 * GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA murallink is easily executed, and
 * would give a web server's role the functions of operators.  So the right to
 * execute these counts only if it comes from membership in one of our roles.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "call_guard.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "error.h"
#include "identity.h"
#include "install.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static const char *const staff[] = {"murallink_operator", "murallink_monitor"};

static object_access_hook_type next_hook = NULL;

static void guard_call(ObjectAccessType access, Oid class, Oid object, int sub, void *argument);
static bool may_call(Oid function);
static bool role_executes(const char *role, Oid function);
static bool changes_as_owner(Oid function);

/*
 * Registers the hook that PostgreSQL calls before a statement calls a
 * function.
 */
void
call_guard_init(void)
{
	next_hook = object_access_hook;
	object_access_hook = guard_call;
}

/*
 * Hook: raises forbidden if a function of ours that is neither for clients nor
 * for analysts is called by a role that is no member of one of ours that may
 * execute it.  Limits the waits for locks of functions that make changes: many
 * of these never look for the caller, which would do it.
 */
static void
guard_call(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (next_hook != NULL)
		next_hook(access, class, object, sub, argument);
	if (access != OAT_FUNCTION_EXECUTE || object < FirstNormalObjectId)
		return;
	if (!install_is_schema(get_func_namespace(object)) || install_is_owner())
		return;
	if (!may_call(object))
		ereport(ERROR, errnamed(ERR_FORBIDDEN, NULL));
	if (changes_as_owner(object))
		identity_bound_waits();
}

/*
 * Returns whether the current user may call a function of ours.
 */
static bool
may_call(Oid function)
{
	if (role_executes("murallink_client", function) || role_executes("murallink_analyst", function) ||
		has_privs_of_role(GetUserId(), get_role_oid("murallink_owner", true)))
		return true;
	for (int i = 0; i < lengthof(staff); i++)
		if (has_privs_of_role(GetUserId(), get_role_oid(staff[i], true)) && role_executes(staff[i], function))
			return true;
	return false;
}

/*
 * Returns whether a role may execute a function, also if PUBLIC may.
 */
static bool
role_executes(const char *role, Oid function)
{
	return pg_proc_aclcheck(function, get_role_oid(role, true), ACL_EXECUTE) == ACLCHECK_OK;
}

/*
 * Returns whether a function may change something with the rights of its owner.
 */
static bool
changes_as_owner(Oid function)
{
	HeapTuple row = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool changes = false;

	if (HeapTupleIsValid(row))
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(row);

		changes = form->prosecdef && form->provolatile == PROVOLATILE_VOLATILE;
		ReleaseSysCache(row);
	}
	return changes;
}
