/*
 * permission.c
 *	  Permissions, as functions and row level security check them.
 *
 * The grants of a user are read once and cached until permission_grant
 * changes: a trigger invalidates the table's relcache entry, and every backend
 * receives this before it next opens the table or starts a query.  They are
 * read again as well when the first of them comes to its end.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "error.h"
#include "fmgr.h"
#include "identity.h"
#include "install.h"
#include "permission.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* The kinds of resources, and how permission_grant names them. */
typedef enum Kind
{
	KIND_CLIENT,
	KIND_CONTRACT,
	KIND_TRIAL,
	KIND_SITE,
	KIND_TRIAL_SITE,
} Kind;

static const char *const kinds[] = {"client", "contract", "trial", "site", "trial_site"};

/*
 * A grant: of one permission, or of any (InvalidOid), on one resource.  The
 * key of a trial at a site is the pair of both.  The key of a grant on a site,
 * of a permission that moves money, is the pair with the site's contract,
 * because such a permission does not include trials of other contracts there.
 */
typedef struct GrantKey
{
	Oid permission;
	Kind kind;
	Ksuid place;
	Ksuid site;
} GrantKey;

typedef struct Grant
{
	Oid permission;
	Kind kind;
	Ksuid resource;
	Ksuid site; /* if it is at a site */
} Grant;

typedef struct UserGrants
{
	Ksuid user;
	HTAB *places; /* of GrantKey */
	Grant *list;
	int count;
	int64 ended; /* a hash of the uids of those that were revoked or have come to their end; 0: none */
	TimestampTz valid_until; /* the first end of a grant in the list */
} UserGrants;

/* If the cache has the grants of this many users, it is cleared. */
#define USERS_KEPT 64

#define FEW_SITES 100

static bool separate_approver;

static MemoryContext grants_context = NULL;
static HTAB *users = NULL;
static UserGrants *last_user = NULL;
static Oid grant_relation = InvalidOid;
static uint64 generation = 0;

static void forget_grants(Datum arg, Oid relation);
static bool is_over(TimestampTz end);
static Kind kind_named(const text *name);
static UserGrants *grants_of(const Ksuid *user);
static void load_grant(HeapTuple row, TupleDesc desc, UserGrants *result);
static void load_grants(const Ksuid *user, UserGrants *result);
static void add_key(HTAB *grants, Oid permission, Kind kind, const Ksuid *place, const Ksuid *site);
static bool has_key(HTAB *grants, Oid permission, Kind kind, const Ksuid *place, const Ksuid *site);
static bool holds_at_site(HTAB *grants, Oid permission, const Ksuid *contract, const Ksuid *trial, const Ksuid *site);
static bool holds(HTAB *grants, Oid permission, const Place *place);
static void forbid(Oid permission, HTAB *grants, const Place *place, const char *field);
static Datum granted_uids(Oid permission, Kind kind, bool sites);
static Place place_arguments(FunctionCallInfo fcinfo, int first);
static bool few_sites_of(const char *name);
static bool sees_little(void);

/*
 * Registers a setting, the callback that forgets grants when they change, the
 * hook of queries that run on, and what requests ask.
 */
void
permission_init(void)
{
	DefineCustomBoolVariable("murallink.separate_approver",
							 "Whether new trials require approval by someone other than the requester.", NULL,
							 &separate_approver, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	install_when_changed(forget_grants);
	identity_sees_little = sees_little;
	permission_cursor_init();
}

/*
 * Marks all grants as outdated.  Frees nothing, because the callback may run
 * while they are used.
 */
static void
forget_grants(Datum arg, Oid relation)
{
	if (!OidIsValid(relation) || relation == grant_relation)
	{
		generation++;
		users = NULL;
		last_user = NULL;
	}
}

/*
 * Returns whether a time has come; DT_NOEND never does.
 */
static bool
is_over(TimestampTz end)
{
	return end != DT_NOEND && GetCurrentTimestamp() >= end;
}

/*
 * Adds a grant to a set, once under its permission and once under "any
 * permission".
 */
static void
add_key(HTAB *grants, Oid permission, Kind kind, const Ksuid *place, const Ksuid *site)
{
	GrantKey key = {.kind = kind, .place = *place};

	if (site != NULL)
		key.site = *site;
	(void) hash_search(grants, &key, HASH_ENTER, NULL);
	key.permission = permission;
	(void) hash_search(grants, &key, HASH_ENTER, NULL);
}

/*
 * Returns whether a set has a grant on a place; false for NULL.
 */
static bool
has_key(HTAB *grants, Oid permission, Kind kind, const Ksuid *place, const Ksuid *site)
{
	GrantKey key = {.permission = permission, .kind = kind};

	if (place == NULL)
		return false;
	key.place = *place;
	if (site != NULL)
		key.site = *site;
	return hash_search(grants, &key, HASH_FIND, NULL) != NULL;
}

/*
 * Returns the kind with a name.  Raises an internal error if there is none.
 */
static Kind
kind_named(const text *name)
{
	for (int i = 0; i < lengthof(kinds); i++)
		if (strlen(kinds[i]) == VARSIZE_ANY_EXHDR(name) &&
			memcmp(kinds[i], VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0)
			return i;
	elog(ERROR, "murallink: there is no kind of resource \"%s\"", text_to_cstring(name));
}

/*
 * Adds a row of load_grants() to a user's grants, if the grant is in force.
 */
static void
load_grant(HeapTuple row, TupleDesc desc, UserGrants *result)
{
	Grant *grant = &result->list[result->count];
	bool isnull;
	Datum until;

	if (!DatumGetBool(SPI_getbinval(row, desc, 8, &isnull)))
	{
		result->ended = hash_bytes_extended(DatumGetKsuidP(SPI_getbinval(row, desc, 10, &isnull))->bytes, KSUID_LEN,
											result->ended);
		return;
	}
	result->count++;
	until = SPI_getbinval(row, desc, 9, &isnull);
	if (!isnull)
		result->valid_until = Min(result->valid_until, DatumGetTimestampTz(until));
	grant->permission = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
	grant->kind = kind_named(DatumGetTextPP(SPI_getbinval(row, desc, 2, &isnull)));
	grant->resource = *DatumGetKsuidP(SPI_getbinval(row, desc, 3, &isnull));
	if (grant->kind == KIND_SITE || grant->kind == KIND_TRIAL_SITE)
		grant->site = *DatumGetKsuidP(SPI_getbinval(row, desc, 5, &isnull));
	if (grant->kind == KIND_TRIAL_SITE)
		add_key(result->places, grant->permission, grant->kind, DatumGetKsuidP(SPI_getbinval(row, desc, 4, &isnull)),
				&grant->site);
	else if (grant->kind == KIND_SITE && DatumGetBool(SPI_getbinval(row, desc, 7, &isnull)))
		add_key(result->places, grant->permission, grant->kind, &grant->resource,
				DatumGetKsuidP(SPI_getbinval(row, desc, 6, &isnull)));
	else
		add_key(result->places, grant->permission, grant->kind, &grant->resource, NULL);
}

/*
 * Reads the grants of a user with a new snapshot, because this transaction's
 * may be older than a revocation.
 */
static void
load_grants(const Ksuid *user, UserGrants *result)
{
	static SavedPlan select = PLAN("SELECT g.permission, g.resource, g.resource_uid, g.trial_uid, g.site_uid,"
								   " g.contract_uid, murallink_private.moves_money(g.permission),"
								   " murallink_private.in_force(g.until, g.ended_at), g.until, g.uid"
								   " FROM murallink.permission_grant g WHERE g.app_user_uid = $1 ORDER BY g.uid",
								   "k");
	HASHCTL ctl = {.keysize = sizeof(GrantKey), .entrysize = sizeof(GrantKey), .hcxt = grants_context};
	Datum value = KsuidPGetDatum(user);
	int rows;
	Owner saved = owner_enter();

	SPI_connect();
	rows = plan_execute_latest(&select, &value, NULL, 0);
	result->user = *user;
	result->count = 0;
	result->ended = 0;
	result->valid_until = DT_NOEND;
	result->places = hash_create("murallink grants", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	result->list = MemoryContextAllocExtended(grants_context, rows * sizeof(Grant), MCXT_ALLOC_HUGE);
	for (int i = 0; i < rows; i++)
		load_grant(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, result);
	SPI_finish();
	owner_leave(saved);
}

/*
 * Returns the grants of a user.  They are valid until a table or catalog is
 * opened.
 */
static UserGrants *
grants_of(const Ksuid *user)
{
	UserGrants *entry;
	UserGrants *loading;
	uint64 loaded;

	entry = last_user != NULL && ksuid_equal(&last_user->user, user) ? last_user
			: users != NULL											 ? hash_search(users, user, HASH_FIND, NULL)
																	 : NULL;
	if (entry != NULL && !is_over(entry->valid_until))
		return last_user = entry;
	if (entry != NULL)
		forget_grants((Datum) 0, InvalidOid);

	/* This comes first, because it reads the catalog, which may clear the cache. */
	grant_relation = install_relation("permission_grant");
	if (users == NULL || hash_get_num_entries(users) >= USERS_KEPT)
	{
		HASHCTL ctl = {.keysize = sizeof(Ksuid), .entrysize = sizeof(UserGrants)};

		last_user = NULL;
		if (grants_context != NULL)
			MemoryContextReset(grants_context);
		else
			grants_context = AllocSetContextCreate(CacheMemoryContext, "murallink grants", ALLOCSET_DEFAULT_SIZES);
		ctl.hcxt = grants_context;
		users = hash_create("murallink users", USERS_KEPT, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	loaded = generation;
	loading = palloc(sizeof(UserGrants));
	load_grants(user, loading);
	if (loaded != generation)
		return loading;
	entry = hash_search(users, user, HASH_ENTER, NULL);
	*entry = *loading;
	return last_user = entry;
}

/*
 * Returns whether a set has a grant on a site that includes what belongs to
 * the contract there, or a grant on the trial at that site.
 */
static bool
holds_at_site(HTAB *grants, Oid permission, const Ksuid *contract, const Ksuid *trial, const Ksuid *site)
{
	return has_key(grants, permission, KIND_SITE, site, NULL) ||
		   (contract != NULL && has_key(grants, permission, KIND_SITE, site, contract)) ||
		   (site != NULL && has_key(grants, permission, KIND_TRIAL_SITE, trial, site));
}

/*
 * Returns whether a set has a grant on a place or on any level above it.
 */
static bool
holds(HTAB *grants, Oid permission, const Place *place)
{
	return has_key(grants, permission, KIND_CLIENT, place->client, NULL) ||
		   has_key(grants, permission, KIND_CONTRACT, place->contract, NULL) ||
		   has_key(grants, permission, KIND_TRIAL, place->trial, NULL) ||
		   holds_at_site(grants, permission, place->contract, place->trial, place->site);
}

/*
 * Raises forbidden to a caller with these grants, who holds another permission at the
 * place, and names the one that is missing.  Which one takes a payment back depends on
 * its kind, which only those learn who may view payments.
 */
static void
forbid(Oid permission, HTAB *grants, const Place *place, const char *field)
{
	const char *name = install_enum_label(permission);

	if (field != NULL && strcmp(field, "payment_uid") == 0 && strstr(name, "_payment") != NULL &&
		strcmp(name, "approve_payments") != 0 && !holds(grants, permission_named("view_payments"), place))
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
	HTAB *grants;

	AcceptInvalidationMessages();
	who = identity_caller();
	identity_role_seen(who);
	if (place->client == NULL)
		ereport(ERROR, errnamed(ERR_NOT_FOUND, field));
	if (who->admin)
		return;
	grants = grants_of(&who->user)->places;
	if (holds(grants, permission, place))
		return;
	if (holds(grants, InvalidOid, place))
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
	grants = grants_of(&who->user);
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

	PG_RETURN_BOOL(who != NULL && (who->admin || holds(grants_of(&who->user)->places, InvalidOid, &place)));
}

/*
 * What a call of granted_on() or granted_at() in a query has answered last: successive
 * rows often have the same client, or the same site.
 */
typedef struct Answered
{
	bool any;
	bool same_kind; /* The query gives the kind as a constant. */
	Kind kind;
	Oid permission;
	Ksuid user;
	Ksuid uids[3];
	bool nulls[3];
	uint64 generation;
	TimestampTz valid_until;
	bool granted;
} Answered;

/*
 * Returns what a call has answered last, which lives as long as its query.
 */
static Answered *
answered_last(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		Answered *last = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Answered));

		last->same_kind = get_fn_expr_arg_stable(fcinfo->flinfo, 1);
		fcinfo->flinfo->fn_extra = last;
	}
	return fcinfo->flinfo->fn_extra;
}

/*
 * Returns whether an answer was given to this caller, for this permission, and no grant
 * has changed or come to its end since.
 */
static bool
still_holds(const Answered *last, const Caller *who, Oid permission)
{
	return last->any && last->generation == generation && last->permission == permission &&
		   ksuid_equal(&last->user, &who->user) && !is_over(last->valid_until);
}

/*
 * Keeps an answer, and for still_holds() what it was found in: the grants, and their
 * generation when it was asked for.
 */
static bool
keep_answer(Answered *last, bool granted, Oid permission, const UserGrants *grants, uint64 asked)
{
	last->any = true;
	last->permission = permission;
	last->user = grants->user;
	last->generation = asked;
	last->valid_until = grants->valid_until;
	last->granted = granted;
	return granted;
}

/*
 * murallink_private.granted_on(permission, kind, uid): whether the caller has a grant
 * of the permission on this resource itself.
 */
PG_FUNCTION_INFO_V1(permission_granted_on);
Datum
permission_granted_on(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	Answered *last = answered_last(fcinfo);
	Oid permission;
	Kind kind;
	const Ksuid *uid;
	UserGrants *grants;
	uint64 asked = generation;

	if (who == NULL || PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_BOOL(false);
	permission = PG_GETARG_OID(0);
	uid = PG_GETARG_KSUID_P(2);
	kind = last->any && last->same_kind ? last->kind : kind_named(PG_GETARG_TEXT_PP(1));
	if (last->kind == kind && ksuid_equal(&last->uids[0], uid) && still_holds(last, who, permission))
		PG_RETURN_BOOL(last->granted);

	grants = grants_of(&who->user);
	last->kind = kind;
	last->uids[0] = *uid;
	PG_RETURN_BOOL(
		keep_answer(last, has_key(grants->places, permission, kind, uid, NULL), permission, grants, asked));
}

/*
 * murallink_private.granted_at(permission, contract, trial, site): whether the caller
 * has a grant of the permission on the site that includes what belongs to the
 * contract there, or a grant on the trial at the site.
 */
PG_FUNCTION_INFO_V1(permission_granted_at);
Datum
permission_granted_at(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	Answered *last = answered_last(fcinfo);
	const Ksuid *uids[3];
	UserGrants *grants;
	uint64 asked = generation;
	bool same = true;

	if (who == NULL || PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	for (int i = 0; i < lengthof(uids); i++)
	{
		uids[i] = PG_ARGISNULL(i + 1) ? NULL : PG_GETARG_KSUID_P(i + 1);
		same &= last->nulls[i] == (uids[i] == NULL) && (uids[i] == NULL || ksuid_equal(&last->uids[i], uids[i]));
	}
	if (same && still_holds(last, who, PG_GETARG_OID(0)))
		PG_RETURN_BOOL(last->granted);

	grants = grants_of(&who->user);
	for (int i = 0; i < lengthof(uids); i++)
	{
		last->nulls[i] = uids[i] == NULL;
		if (uids[i] != NULL)
			last->uids[i] = *uids[i];
	}
	PG_RETURN_BOOL(keep_answer(last, holds_at_site(grants->places, PG_GETARG_OID(0), uids[0], uids[1], uids[2]),
							   PG_GETARG_OID(0), grants, asked));
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
	UserGrants *grants = who == NULL ? NULL : grants_of(&who->user);
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
	return granted_uids(PG_GETARG_OID(0), kind_named(PG_GETARG_TEXT_PP(1)), false);
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
	grants = grants_of(&who->user);
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
	return who->admin ? -1 : grants_of(&who->user)->ended;
}

/*
 * Returns whether a user may still be shown what was answered when
 * permission_ended() was that: no grant has ended since, or the user is an admin.
 */
bool
permission_kept(const Ksuid *user, bool admin, int64 ended)
{
	return admin || grants_of(user)->ended == ended;
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
