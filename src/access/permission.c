/*
 * permission.c
 *	  Permissions, as functions check them, and what row level security asks once
 *	  in a query.  permission_row.c has what it asks of each row.
 */
#include "postgres.h"

#include "error.h"
#include "fmgr.h"
#include "install.h"
#include "permission_part.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"

#define FEW_SITES 100

static bool separate_approver;

static void forbid(Oid permission, const UserGrants *grants, const Place *place, const char *field);
static Datum granted_uids(Oid permission, Kind kind, bool sites);
static Place place_arguments(FunctionCallInfo fcinfo, int first);
static bool few_sites_of(const char *name);
static bool sees_little(void);

/*
 * Registers a setting, what requests ask, and what other files of permissions need.
 */
void
permission_init(void)
{
	DefineCustomBoolVariable("murallink.separate_approver",
							 "Whether new trials require approval by someone other than the requester.", NULL,
							 &separate_approver, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	identity_sees_little = sees_little;
	permission_grant_init();
	permission_cursor_init();
}

/*
 * Raises forbidden to a caller with these grants, who holds another permission at the
 * place, and names the one that is missing.  Which one takes a payment back depends on
 * its kind, which only those learn who may view payments.
 */
static void
forbid(Oid permission, const UserGrants *grants, const Place *place, const char *field)
{
	const char *name = install_enum_label(permission);

	if (field != NULL && strcmp(field, "payment_uid") == 0 && strstr(name, "_payment") != NULL &&
		strcmp(name, "approve_payments") != 0 && !permission_holds(grants, permission_named("view_payments"), place))
		ereport(ERROR, errnamed(ERR_FORBIDDEN, field));
	ereport(ERROR, errnamed(ERR_FORBIDDEN, field), errhint("The permission %s is required there.", name));
}

/*
 * Raises forbidden if the caller does not hold a permission at a place, or
 * not_found if the caller holds no permission there at all, and so may not
 * learn that it exists.  A place without a client does not exist, also for
 * admins.  Raises unauthenticated if there is no caller.
 */
void
permission_require(Oid permission, const Place *place, const char *field)
{
	const Caller *who;
	const UserGrants *grants;

	AcceptInvalidationMessages();
	who = identity_caller();
	identity_role_seen(who);
	if (place->client == NULL)
		ereport(ERROR, errnamed(ERR_NOT_FOUND, field));
	if (who->admin)
		return;
	grants = permission_grants_of(&who->user);
	if (permission_holds(grants, permission, place))
		return;
	if (permission_holds(grants, InvalidOid, place))
		forbid(permission, grants, place, field);
	ereport(ERROR, errnamed(ERR_NOT_FOUND, field));
}

/*
 * Returns whether the caller holds a permission at few sites only, or nowhere,
 * so that rows can be found site by site.
 */
static bool
few_sites_of(const char *name)
{
	const Caller *who = identity_caller_if_any();
	Oid permission;
	UserGrants *grants;
	int sites = 0;

	if (who == NULL || who->admin)
		return who == NULL;
	permission = permission_named(name);
	grants = permission_grants_of(&who->user);
	for (int i = 0; i < grants->count; i++)
	{
		if (grants->list[i].permission != permission)
			continue;
		if (grants->list[i].kind < KIND_SITE || ++sites > FEW_SITES)
			return false;
	}
	return true;
}

/*
 * Returns whether the caller sees the patients of few sites only.
 */
bool
permission_few_sites(void)
{
	return few_sites_of("view_patients");
}

/*
 * Returns whether the caller sees of the large tables what few sites have.
 */
static bool
sees_little(void)
{
	return permission_few_sites() && few_sites_of("view_enrollments") && few_sites_of("view_payments");
}

/*
 * Returns the oid of a permission by its name.  Raises unknown_permission if
 * there is none.
 */
Oid
permission_named(const char *name)
{
	Oid label = install_enum("permission", name);

	if (!OidIsValid(label))
		ereport(ERROR, errnamed(ERR_UNKNOWN_PERMISSION, "permission"));
	return label;
}

/*
 * Returns the place in four arguments: client, contract, trial, site.
 */
static Place
place_arguments(FunctionCallInfo fcinfo, int first)
{
	Place place;

	place.client = PG_ARGISNULL(first) ? NULL : PG_GETARG_KSUID_P(first);
	place.contract = PG_ARGISNULL(first + 1) ? NULL : PG_GETARG_KSUID_P(first + 1);
	place.trial = PG_ARGISNULL(first + 2) ? NULL : PG_GETARG_KSUID_P(first + 2);
	place.site = PG_ARGISNULL(first + 3) ? NULL : PG_GETARG_KSUID_P(first + 3);
	return place;
}

/*
 * murallink_private.permit(permission, client, contract, trial, site, field): the uid
 * of the caller, who holds the permission there.  Raises unauthenticated,
 * forbidden or not_found.
 */
PG_FUNCTION_INFO_V1(permission_permit);
Datum
permission_permit(PG_FUNCTION_ARGS)
{
	Place place = place_arguments(fcinfo, 1);
	char *field = PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5));
	Ksuid *result = palloc(sizeof(Ksuid));

	if (PG_ARGISNULL(0))
		elog(ERROR, "murallink_private.permit needs a permission");
	permission_require(PG_GETARG_OID(0), &place, field);
	*result = identity_caller()->user;
	PG_RETURN_KSUID_P(result);
}

/*
 * murallink_private.visible(client, contract, trial, site): whether the caller holds
 * any permission there; false if there is no caller.
 */
PG_FUNCTION_INFO_V1(permission_visible);
Datum
permission_visible(PG_FUNCTION_ARGS)
{
	Place place = place_arguments(fcinfo, 0);
	const Caller *who = identity_caller_if_any();

	PG_RETURN_BOOL(who != NULL && (who->admin || permission_holds(permission_grants_of(&who->user), InvalidOid, &place)));
}

/*
 * Returns, as an array, the resources of a kind on which the caller has a
 * grant of the permission; with sites, the sites that these are, or at which
 * they are.
 */
static Datum
granted_uids(Oid permission, Kind kind, bool sites)
{
	const Caller *who = identity_caller_if_any();
	UserGrants *grants = who == NULL ? NULL : permission_grants_of(&who->user);
	Datum *uids = palloc(sizeof(Datum) * (grants == NULL ? 0 : grants->count));
	int count = 0;

	for (int i = 0; grants != NULL && i < grants->count; i++)
	{
		Grant *grant = &grants->list[i];

		if (grant->permission != permission)
			continue;
		if (sites && (grant->kind == KIND_SITE || grant->kind == KIND_TRIAL_SITE))
			uids[count++] = KsuidPGetDatum(&grant->site);
		else if (!sites && grant->kind == kind)
			uids[count++] = KsuidPGetDatum(&grant->resource);
	}
	return PointerGetDatum(construct_array(uids, count, install_ksuid_type(), KSUID_LEN, false, TYPALIGN_CHAR));
}

/*
 * murallink_private.granted(permission, kind): the uids of the resources of that kind
 * on which the caller has a grant of the permission.
 */
PG_FUNCTION_INFO_V1(permission_granted);
Datum
permission_granted(PG_FUNCTION_ARGS)
{
	return granted_uids(PG_GETARG_OID(0), permission_kind(PG_GETARG_TEXT_PP(1)), false);
}

/*
 * murallink_private.granted_sites(permission): the uids of the sites on which, or on
 * trials at which, the caller has a grant of the permission.
 */
PG_FUNCTION_INFO_V1(permission_granted_sites);
Datum
permission_granted_sites(PG_FUNCTION_ARGS)
{
	return granted_uids(PG_GETARG_OID(0), KIND_SITE, true);
}

/*
 * murallink_private.granted_all(client): whether the caller is an admin, who needs no
 * grants; false for NULL.
 */
PG_FUNCTION_INFO_V1(permission_granted_all);
Datum
permission_granted_all(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();

	PG_RETURN_BOOL(who != NULL && who->admin && !PG_ARGISNULL(0));
}

/*
 * murallink_private.granted_from(): the least ksuid if the caller is an admin, else
 * the greatest.
 */
PG_FUNCTION_INFO_V1(permission_granted_from);
Datum
permission_granted_from(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	Ksuid *result = palloc(sizeof(Ksuid));

	memset(result, who != NULL && who->admin ? 0 : 0xff, sizeof(Ksuid));
	PG_RETURN_KSUID_P(result);
}

/*
 * murallink_private.granted_somewhere(permission): whether the caller is an admin or
 * has a grant of the permission anywhere; false if there is no caller.
 */
PG_FUNCTION_INFO_V1(permission_granted_somewhere);
Datum
permission_granted_somewhere(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	UserGrants *grants;

	if (who == NULL || who->admin)
		PG_RETURN_BOOL(who != NULL);
	grants = permission_grants_of(&who->user);
	for (int i = 0; i < grants->count; i++)
		if (grants->list[i].permission == PG_GETARG_OID(0))
			PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(false);
}

/*
 * Returns a number that says which grants of a caller have ended, -1 for an
 * admin.  It is a hash and not a count, because the grants on a resource are
 * deleted with it, so that a count could become again what it was.
 */
int64
permission_ended(const Caller *who)
{
	return who->admin ? -1 : permission_grants_of(&who->user)->ended;
}

/*
 * Returns whether a user may still be shown what was answered when
 * permission_ended() was that: no grant has ended since, or the user is an admin.
 */
bool
permission_kept(const Ksuid *user, bool admin, int64 ended)
{
	return admin || permission_grants_of(user)->ended == ended;
}

/*
 * murallink_private.ended_grants(): which grants of the caller have ended, as
 * permission_ended() returns it.  Raises unauthenticated.
 */
PG_FUNCTION_INFO_V1(permission_ended_grants);
Datum
permission_ended_grants(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(permission_ended(identity_caller()));
}

/*
 * murallink_private.still_entitled(user, ended_grants): whether the user may still be
 * shown what was answered when ended_grants() was that.
 */
PG_FUNCTION_INFO_V1(permission_still_entitled);
Datum
permission_still_entitled(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_user(PG_GETARG_KSUID_P(0));

	PG_RETURN_BOOL(who != NULL && permission_kept(&who->user, who->admin, PG_GETARG_INT64(1)));
}
