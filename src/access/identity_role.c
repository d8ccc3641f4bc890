/*
 * identity_role.c
 *	  The user of the login role: the app_user whose db_role has the name of
 *	  the role with which this backend's client logged in.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "identity_part.h"
#include "install.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* The user that was looked up, and for which role.  Valid until app_user changes. */
static bool looked_up = false;
static bool changed;
static bool has_user;
static Oid role;
static Caller user;

/*
 * Forgets the user of the login role, because app_user has changed.
 */
void
identity_forget_role(void)
{
	looked_up = false;
	changed = true;
}

/*
 * Returns the user of a login role, or NULL if it has none.
 */
const Caller *
identity_of_role(Oid login)
{
	static SavedPlan user_of_role =
		PLAN("SELECT uid, user_role = 'admin' FROM murallink.app_user"
			 " WHERE db_role = $1 AND murallink_private.is_active(deactivated)",
			 "t");
	char *role_name;
	Datum name;
	Owner saved;

	if (looked_up && role == login)
		return has_user ? &user : NULL;

	identity_looks_up();
	role = login;
	looked_up = false;
	changed = false;
	role_name = GetUserNameFromId(login, true);
	if (role_name == NULL)
		return NULL;
	name = CStringGetTextDatum(role_name);
	saved = owner_enter();
	SPI_connect();
	has_user = plan_execute_latest(&user_of_role, &name, NULL, 1) == 1;
	if (has_user)
	{
		bool isnull;
		HeapTuple row = SPI_tuptable->vals[0];
		TupleDesc desc = SPI_tuptable->tupdesc;

		memset(&user, 0, sizeof(user));
		user.user = *DatumGetKsuidP(SPI_getbinval(row, desc, 1, &isnull));
		user.admin = DatumGetBool(SPI_getbinval(row, desc, 2, &isnull));
		user.role = login;
	}
	SPI_finish();
	owner_leave(saved);
	/* A change that arrived during the query may be missing from its result. */
	looked_up = !changed;
	return has_user ? &user : NULL;
}
