/*
 * call_guard.c
 *	  Who may call the functions that are no client's, and how long each waits.
 *
 * GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA murallink is easily said, and would
 * give those who have a web server's role the functions of operators and what
 * runs inside of ours.  So the right to execute these counts only where it
 * comes from membership in one of our roles.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "call_guard.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "error.h"
#include "identity.h"
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
 * Has PostgreSQL ask here before it calls a function for a statement.
 */
void
call_guard_init(void)
{
	next_hook = object_access_hook;
	object_access_hook = guard_call;
}

/*
 * Raises forbidden where a function of ours that neither clients nor analysts
 * execute is called by one who is no member of a role of ours that does.  What
 * changes something for its caller waits for no lock without end, whoever that
 * is: many such functions ask for nobody's identity.
 */
static void
guard_call(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	Oid schema;

	if (next_hook != NULL)
		next_hook(access, class, object, sub, argument);
	if (access != OAT_FUNCTION_EXECUTE || object < FirstNormalObjectId)
		return;
	schema = get_func_namespace(object);
	if (!OidIsValid(schema) || (schema != get_namespace_oid("murallink", true) &&
								schema != get_namespace_oid("murallink_private", true)))
		return;
	if (GetUserId() == get_role_oid("murallink_owner", true))
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
	if (has_privs_of_role(GetUserId(), get_role_oid("murallink_owner", true)) ||
		role_executes("murallink_client", function) || role_executes("murallink_analyst", function))
		return true;
	for (int i = 0; i < lengthof(staff); i++)
		if (has_privs_of_role(GetUserId(), get_role_oid(staff[i], true)) && role_executes(staff[i], function))
			return true;
	return false;
}

/*
 * Returns whether a role, or everybody, may execute a function.
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
