/*
 * permission_grant.c
 *	  The grants of users, as a backend keeps them.
 *
 * The grants of a user are read once and cached until permission_grant
 * changes: a trigger invalidates the table's relcache entry, and every backend
 * receives this before it next opens the table or starts a query.  They are
 * read again as well when the first of them comes to its end.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "install.h"
#include "permission_part.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

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

/* If the cache has the grants of this many users, it is cleared. */
#define USERS_KEPT 64

uint64 permission_generation = 0;

static MemoryContext grants_context = NULL;
static HTAB *users = NULL;
static UserGrants *last_user = NULL;
static Oid grant_relation = InvalidOid;

static void forget_grants(Datum arg, Oid relation);
static void load_grant(HeapTuple row, TupleDesc desc, UserGrants *result);
static void load_grants(const Ksuid *user, UserGrants *result);
static void add_key(HTAB *grants, Oid permission, Kind kind, const Ksuid *place, const Ksuid *site);
static bool has_key(HTAB *grants, Oid permission, Kind kind, const Ksuid *place, const Ksuid *site);

/*
 * Registers the callback that forgets grants when they change.
 */
void
permission_grant_init(void)
{
	install_when_changed(forget_grants);
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
		permission_generation++;
		users = NULL;
		last_user = NULL;
	}
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
Kind
permission_kind(const text *name)
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
	grant->kind = permission_kind(DatumGetTextPP(SPI_getbinval(row, desc, 2, &isnull)));
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
UserGrants *
permission_grants_of(const Ksuid *user)
{
	UserGrants *entry;
	UserGrants *loading;
	uint64 loaded;

	entry = last_user != NULL && ksuid_equal(&last_user->user, user) ? last_user
			: users != NULL											 ? hash_search(users, user, HASH_FIND, NULL)
																	 : NULL;
	if (entry != NULL && !permission_is_over(entry->valid_until))
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
	loaded = permission_generation;
	loading = palloc(sizeof(UserGrants));
	load_grants(user, loading);
	if (loaded != permission_generation)
		return loading;
	entry = hash_search(users, user, HASH_ENTER, NULL);
	*entry = *loading;
	return last_user = entry;
}

/*
 * Returns whether a user has a grant on a resource itself; false for NULL.
 */
bool
permission_has(const UserGrants *grants, Oid permission, Kind kind, const Ksuid *resource)
{
	return has_key(grants->places, permission, kind, resource, NULL);
}

/*
 * Returns whether a user has a grant on a site that includes what belongs to
 * the contract there, or a grant on the trial at that site.
 */
bool
permission_holds_at_site(const UserGrants *grants, Oid permission, const Place *place)
{
	return has_key(grants->places, permission, KIND_SITE, place->site, NULL) ||
		   (place->contract != NULL && has_key(grants->places, permission, KIND_SITE, place->site, place->contract)) ||
		   (place->site != NULL && has_key(grants->places, permission, KIND_TRIAL_SITE, place->trial, place->site));
}

/*
 * Returns whether a user has a grant on a place or on any level above it.
 */
bool
permission_holds(const UserGrants *grants, Oid permission, const Place *place)
{
	return has_key(grants->places, permission, KIND_CLIENT, place->client, NULL) ||
		   has_key(grants->places, permission, KIND_CONTRACT, place->contract, NULL) ||
		   has_key(grants->places, permission, KIND_TRIAL, place->trial, NULL) ||
		   permission_holds_at_site(grants, permission, place);
}
