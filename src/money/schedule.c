/*
 * schedule.c
 *	  A cache of the milestones of schedules.
 *
 * Versions of a milestone are never changed, and new ones are rare compared
 * with payments.  So each backend keeps what it has read until one of the
 * tables that it was read from changes.  It receives the invalidation before
 * its next payment.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "install.h"
#include "miscadmin.h"
#include "schedule.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* If the cache has this many milestones, it is cleared. */
#define MILESTONES_KEPT 4096

/* A milestone with all its versions, the latest first. */
typedef struct Known
{
	Ksuid uid; /* hash key: of any version */
	Milestone milestone;
	int count;
	Version *versions;
} Known;

/* What decides how the versions of a milestone are read. */
typedef struct Place
{
	Datum tiers; /* jsonb: of the trial */
	bool need_approval_ref;
	TransactionId trial_by; /* the transaction that wrote the trial */
	TransactionId site_by; /* and the trial at the site */
} Place;

static MemoryContext context = NULL;
static HTAB *milestones = NULL;
static int large_share;
static uint64 generation = 0;

/* The tables that milestones are read from. */
static const char *const table_names[] = {"milestone", "trial", "trial_site", "site", "contract"};
static Oid tables[lengthof(table_names)];

/* The columns of Terms, of a contract c, a site s, and a trial at it a. */
#define TERMS                                                                                           \
	"CASE WHEN c.enforce_dates THEN coalesce(c.contract_start_date, '-infinity') ELSE '-infinity' END," \
	" CASE WHEN c.enforce_dates THEN coalesce(c.contract_end_date, 'infinity') ELSE 'infinity' END,"    \
	" s.time_zone, pg_catalog.trim_scale(a.day_cap), a.day_cap_currency::pg_catalog.text"

static void forget(Datum arg, Oid relation);
static bool load(Datum uid, Known *known);
static int load_rows(SavedPlan *select, const Datum *arguments, long limit, Snapshot snapshot);
static bool load_milestone(Datum uid, Snapshot snapshot, Milestone *milestone);
static Place load_place(Snapshot snapshot, Milestone *milestone);
static void load_versions(const Place *place, Snapshot snapshot, Known *known);
static void make_cache(void);
static Known *find(Datum uid, Known *buffer);
static bool in_force(const Milestone *milestone, const Version *version, TimestampTz at, DateADT visit);
static Version version_copy(const Version *version);
static Datum read_copy(HeapTuple row, TupleDesc desc, int column);
static Terms read_terms(HeapTuple row, TupleDesc desc, int first);
static void read_version(HeapTuple row, TupleDesc desc, Version *version);

/*
 * Defines the setting, and registers the callback that clears the cache.
 */
void
schedule_init(void)
{
	DefineCustomIntVariable("murallink.large_share",
							"Percent of the sum of a schedule above which a milestone is warned of.", NULL, &large_share,
							25, 1, 100, PGC_SIGHUP, 0, NULL, NULL, NULL);
	install_when_changed(forget);
}

/*
 * Marks the cache as outdated.  Frees nothing, because the callback may run
 * while a milestone is used.
 */
static void
forget(Datum arg, Oid relation)
{
	bool used = !OidIsValid(relation);

	for (int i = 0; i < lengthof(tables); i++)
		used |= relation == tables[i];
	if (used)
	{
		generation++;
		milestones = NULL;
	}
}

/*
 * Returns the Terms that a row has from this column on (from 1).  What they
 * point to is in the current memory context.
 */
static Terms
read_terms(HeapTuple row, TupleDesc desc, int first)
{
	Terms terms;
	bool isnull;

	terms.first_day = DatumGetDateADT(SPI_getbinval(row, desc, first, &isnull));
	terms.last_day = DatumGetDateADT(SPI_getbinval(row, desc, first + 1, &isnull));
	terms.time_zone = read_copy(row, desc, first + 2);
	terms.day_cap = read_copy(row, desc, first + 3);
	terms.cap_currency = read_copy(row, desc, first + 4);
	return terms;
}

/*
 * Returns a copy of a column, 0 if it is null.
 */
static Datum
read_copy(HeapTuple row, TupleDesc desc, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(row, desc, column, &isnull);

	return isnull ? (Datum) 0 : datumCopy(value, false, -1);
}

#define COLUMN(n) SPI_getbinval(row, desc, n, &isnull)

/*
 * Reads a version of a milestone from a row of load_versions().
 */
static void
read_version(HeapTuple row, TupleDesc desc, Version *version)
{
	bool isnull;

	version->uid = *DatumGetKsuidP(COLUMN(1));
	version->effective_date = DatumGetTimestampTz(COLUMN(2));
	version->first_day = DatumGetDateADT(COLUMN(3));
	version->approved = DatumGetBool(COLUMN(4));
	version->name = read_copy(row, desc, 5);
	version->amount = read_copy(row, desc, 6);
	version->currency = read_copy(row, desc, 7);
	version->free_up_to = read_copy(row, desc, 8);
	version->num_payments = DatumGetInt32(COLUMN(9));
	version->per_screening = DatumGetBool(COLUMN(10));
	version->sort_order = DatumGetInt32(COLUMN(11));
}

/*
 * Runs one of the queries of load() and returns the number of rows.  Leaves the
 * memory context to be that of the cache, until the next one or SPI_finish().
 */
static int
load_rows(SavedPlan *select, const Datum *arguments, long limit, Snapshot snapshot)
{
	int count = plan_execute_with(select, arguments, NULL, limit, snapshot);

	MemoryContextSwitchTo(context);
	return count;
}

/*
 * Reads where a milestone is paid, by the uid of one of its versions.  Returns
 * false if there is none.
 */
static bool
load_milestone(Datum uid, Snapshot snapshot, Milestone *milestone)
{
	static SavedPlan select = PLAN("SELECT client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, code,"
								   " murallink_private.label_key(code)"
								   " FROM murallink.milestone WHERE uid = $1",
								   "k");
	HeapTuple row;
	TupleDesc desc;
	bool isnull;

	if (load_rows(&select, &uid, 1, snapshot) == 0)
		return false;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	milestone->client = *DatumGetKsuidP(COLUMN(1));
	milestone->contract = *DatumGetKsuidP(COLUMN(2));
	milestone->trial = *DatumGetKsuidP(COLUMN(3));
	milestone->site = *DatumGetKsuidP(COLUMN(4));
	milestone->trial_site = *DatumGetKsuidP(COLUMN(5));
	milestone->code = read_copy(row, desc, 6);
	milestone->key = read_copy(row, desc, 7);
	return true;
}

/*
 * Reads what its trial at the site decides about a milestone.
 */
static Place
load_place(Snapshot snapshot, Milestone *milestone)
{
	static SavedPlan select =
		PLAN("SELECT t.approval_tiers, t.need_approval_ref, t.xmin, a.xmin, t.approve_milestones, t.price_by = 'visit',"
			 " CASE WHEN t.exclusive_milestones <> '{}'"
			 " THEN murallink_private.rivals(t.exclusive_milestones, $2) END, " TERMS
			 " FROM murallink.trial_site a, murallink.trial t, murallink.contract c, murallink.site s"
			 " WHERE a.uid = $1 AND t.uid = $3 AND c.uid = $4 AND s.uid = $5",
			 "ktkkk");
	Datum arguments[] = {KsuidPGetDatum(&milestone->trial_site), milestone->code, KsuidPGetDatum(&milestone->trial),
						 KsuidPGetDatum(&milestone->contract), KsuidPGetDatum(&milestone->site)};
	HeapTuple row;
	TupleDesc desc;
	Place place;
	bool isnull;

	if (load_rows(&select, arguments, 1, snapshot) == 0)
		elog(ERROR, "murallink: a trial at a site is gone");
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	place.tiers = COLUMN(1);
	place.need_approval_ref = DatumGetBool(COLUMN(2));
	place.trial_by = DatumGetTransactionId(COLUMN(3));
	place.site_by = DatumGetTransactionId(COLUMN(4));
	milestone->approved = DatumGetBool(COLUMN(5));
	milestone->by_visit = DatumGetBool(COLUMN(6));
	milestone->rivals = read_copy(row, desc, 7);
	milestone->terms = read_terms(row, desc, 8);
	return place;
}

#undef COLUMN

/*
 * Reads the versions of a milestone, the latest first.
 */
static void
load_versions(const Place *place, Snapshot snapshot, Known *known)
{
	static SavedPlan select =
		PLAN("SELECT uid, effective_date, murallink_private.first_day(effective_date, $3), approval_ref <> '' OR NOT $5,"
			 " milestone, pg_catalog.trim_scale(amount), currency::pg_catalog.text,"
			 " CASE WHEN $4 <> '[]' THEN murallink_private.free_up_to($4, currency) END, num_payments,"
			 " per = 'enrollment', sort_order"
			 " FROM murallink.milestone WHERE trial_site_uid = $1 AND murallink_private.label_key(code) = $2"
			 " ORDER BY effective_date DESC, (approval_ref <> '') DESC",
			 "kttjb");
	Datum arguments[] = {KsuidPGetDatum(&known->milestone.trial_site), known->milestone.key,
						 known->milestone.terms.time_zone, place->tiers, BoolGetDatum(place->need_approval_ref)};

	known->count = load_rows(&select, arguments, 0, snapshot);
	known->versions = palloc(sizeof(Version) * known->count);
	for (int i = 0; i < known->count; i++)
		read_version(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &known->versions[i]);
}

/*
 * Reads a milestone by the uid of one of its versions, with one new snapshot.
 * Returns false if there is none.
 */
static bool
load(Datum uid, Known *known)
{
	Owner saved = owner_enter();
	Snapshot snapshot;
	Place place;
	bool found;

	memset(known, 0, sizeof(Known));
	known->uid = *DatumGetKsuidP(uid);
	SPI_connect();
	snapshot = RegisterSnapshot(GetCatalogSnapshot(InvalidOid));
	found = load_milestone(uid, snapshot, &known->milestone);
	if (found)
	{
		place = load_place(snapshot, &known->milestone);
		load_versions(&place, snapshot, known);
	}
	UnregisterSnapshot(snapshot);
	SPI_finish();
	owner_leave(saved);
	if (found && MILESTONE_LIMITED(&known->milestone))
	{
		/* From then on, sessions that see this limit also see all payments that were made without it: see
		 * payment_limit.c. */
		install_wait_told(place.trial_by);
		install_wait_told(place.site_by);
	}
	return found;
}

/*
 * Returns a number that grows when anything that schedules are read from has
 * changed.
 */
uint64
schedule_generation(void)
{
	AcceptInvalidationMessages();
	return generation;
}

/*
 * Makes the cache, where there is none or it is full, and notices changes of
 * the tables from here on.
 */
static void
make_cache(void)
{
	HASHCTL ctl = {.keysize = sizeof(Ksuid), .entrysize = sizeof(Known)};

	for (int i = 0; i < lengthof(tables); i++)
		tables[i] = install_relation(table_names[i]);
	if (milestones != NULL && hash_get_num_entries(milestones) < MILESTONES_KEPT)
		return;
	if (context == NULL)
		context = AllocSetContextCreate(CacheMemoryContext, "murallink schedule", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	ctl.hcxt = context;
	milestones = hash_create("murallink milestones", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Returns the milestone that has a version with this uid, from the cache or
 * read into the buffer; NULL if there is none.  It is valid until a table or
 * catalog is opened.
 */
static Known *
find(Datum uid, Known *buffer)
{
	Known *kept;
	uint64 messages;
	bool found;

	if (milestones != NULL && (kept = hash_search(milestones, DatumGetKsuidP(uid), HASH_FIND, NULL)) != NULL)
		return kept;
	/* As in plan_execute_latest(): the snapshot may be older than a change that held a lock. */
	do
	{
		messages = SharedInvalidMessageCounter;
		make_cache();
		found = load(uid, buffer);
		CHECK_FOR_INTERRUPTS();
	} while (messages != SharedInvalidMessageCounter);
	if (!found)
		return NULL;
	*(Known *) hash_search(milestones, &buffer->uid, HASH_ENTER, NULL) = *buffer;
	return buffer;
}

/*
 * Returns a copy of a version in the caller's memory context.
 */
static Version
version_copy(const Version *version)
{
	Version result = *version;

	result.name = datumCopy(version->name, false, -1);
	result.amount = datumCopy(version->amount, false, -1);
	result.currency = datumCopy(version->currency, false, -1);
	if (version->free_up_to != (Datum) 0)
		result.free_up_to = datumCopy(version->free_up_to, false, -1);
	return result;
}

/*
 * Fills in the version with this uid, which must exist.  What it points to is
 * in the caller's memory context.
 */
void
schedule_version(Datum version_uid, Version *version)
{
	Known buffer;
	Known *known = find(version_uid, &buffer);

	for (int i = 0; known != NULL && i < known->count; i++)
		if (ksuid_equal(&known->versions[i].uid, DatumGetKsuidP(version_uid)))
		{
			*version = version_copy(&known->versions[i]);
			return;
		}
	elog(ERROR, "murallink: the version of a milestone is gone");
}

/*
 * Returns whether a version may price a payment that is made at a moment, of a
 * visit on a day, if no later one does.  versions_in_force() has the same rule.
 */
static bool
in_force(const Milestone *milestone, const Version *version, TimestampTz at, DateADT visit)
{
	return version->approved && (milestone->by_visit ? version->first_day <= visit : version->effective_date <= at);
}

/*
 * Fills in the milestone that has a version with this uid, and the version that
 * prices a payment made at a moment, of a visit on a day; the day counts if the
 * trial prices by visit.  Returns false if there is no such milestone.  What it
 * points to is in the caller's memory context.
 */
bool
schedule_look_up(Datum version_uid, TimestampTz at, DateADT visit, Milestone *milestone)
{
	Known buffer;
	Known *known;

	AcceptInvalidationMessages();
	known = find(version_uid, &buffer);
	if (known == NULL)
		return false;
	*milestone = known->milestone;
	milestone->key = datumCopy(milestone->key, false, -1);
	milestone->code = datumCopy(milestone->code, false, -1);
	milestone->terms.time_zone = datumCopy(milestone->terms.time_zone, false, -1);
	if (milestone->rivals != 0)
		milestone->rivals = datumCopy(milestone->rivals, false, -1);
	if (milestone->terms.day_cap != 0)
	{
		milestone->terms.day_cap = datumCopy(milestone->terms.day_cap, false, -1);
		milestone->terms.cap_currency = datumCopy(milestone->terms.cap_currency, false, -1);
	}
	for (int i = 0; i < known->count && !milestone->in_force; i++)
		if (in_force(milestone, &known->versions[i], at, visit))
		{
			milestone->in_force = true;
			milestone->version = version_copy(&known->versions[i]);
		}
	return true;
}

/*
 * Fills in what holds at a trial at a site, which must exist, for payments
 * for no milestone.  What it points to is in the caller's memory
 * context.
 */
void
schedule_terms(Datum trial_site, Terms *terms)
{
	static SavedPlan select =
		PLAN("SELECT " TERMS ", a.xmin FROM murallink.trial_site a JOIN murallink.contract c ON c.uid = a.contract_uid"
			 " JOIN murallink.site s ON s.uid = a.site_uid WHERE a.uid = $1",
			 "k");
	MemoryContext caller_context = CurrentMemoryContext;
	Owner saved = owner_enter();
	TransactionId set_by;
	bool isnull;

	SPI_connect();
	plan_execute_latest(&select, &trial_site, NULL, 1);
	if (SPI_processed == 0)
		elog(ERROR, "murallink: a trial at a site is gone");
	MemoryContextSwitchTo(caller_context);
	*terms = read_terms(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	set_by = DatumGetTransactionId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 6, &isnull));
	SPI_finish();
	owner_leave(saved);
	if (terms->day_cap != 0)
		install_wait_told(set_by);
}
