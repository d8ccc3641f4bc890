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
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* The facts about a function that are the same for every caller. */
typedef struct Guarded
{
	Oid function;
	bool ours;
	bool open; /* clients or analysts may execute it */
	bool changes; /* it may change something with the rights of its owner */
} Guarded;

static const char *const staff[] = {"murallink_operator", "murallink_monitor"};

/* The functions that were called, because PostgreSQL asks for each one at the beginning of each query. */
static HTAB *functions = NULL;
static bool outdated = true;

static object_access_hook_type next_hook = NULL;

static void guard_call(ObjectAccessType access, Oid class, Oid object, int sub, void *argument);
static void forget(Datum argument, int cache, uint32 hash);
static Guarded known(Oid function);
static Guarded look_up(Oid function);
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
	CacheRegisterSyscacheCallback(PROCOID, forget, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget, (Datum) 0);
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
	Guarded guarded;

	if (next_hook != NULL)
		next_hook(access, class, object, sub, argument);
	if (access != OAT_FUNCTION_EXECUTE || object < FirstNormalObjectId)
		return;
	guarded = known(object);
	if (!guarded.ours || install_is_owner())
		return;
	if (!guarded.open && !may_call(object))
		ereport(ERROR, errnamed(ERR_FORBIDDEN, NULL));
	if (guarded.changes)
		identity_bound_waits();
}

/*
 * Syscache callback: functions, schemas or roles have changed.
 */
static void
forget(Datum argument, int cache, uint32 hash)
{
	outdated = true;
}

/*
 * Returns what is known of a function.
 */
static Guarded
known(Oid function)
{
	Guarded *entry;
	Guarded result;

	if (outdated)
	{
		HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Guarded)};

		if (functions != NULL)
			hash_destroy(functions);
		functions = NULL;
		functions = hash_create("murallink functions", 128, &ctl, HASH_ELEM | HASH_BLOBS);
		outdated = false;
	}
	entry = hash_search(functions, &function, HASH_FIND, NULL);
	if (entry != NULL)
		return *entry;
	result = look_up(function);
	/* A change that arrived while it was looked up may be missing from the result. */
	if (!outdated)
		*(Guarded *) hash_search(functions, &function, HASH_ENTER, NULL) = result;
	return result;
}

/*
 * Looks up a function.
 */
static Guarded
look_up(Oid function)
{
	Guarded result = {.function = function, .ours = install_is_schema(get_func_namespace(function))};

	if (result.ours)
	{
		result.open = role_executes("murallink_client", function) || role_executes("murallink_analyst", function);
		result.changes = changes_as_owner(function);
	}
	return result;
}

/*
 * Returns whether the current user may call a function of ours that is neither for
 * clients nor for analysts.
 */
static bool
may_call(Oid function)
{
	if (has_privs_of_role(GetUserId(), get_role_oid("murallink_owner", true)))
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
