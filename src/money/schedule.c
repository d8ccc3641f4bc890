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
#include "schedule.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
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
static Known *find(Datum uid, Known *buffer);
static bool in_force(const Milestone *milestone, const Version *version, TimestampTz at, DateADT visit);
static Version version_copy(const Version *version);
static Datum read_copy(HeapTuple row, TupleDesc desc, int column);
static Terms read_terms(HeapTuple row, TupleDesc desc, int first);
static void read_milestone(HeapTuple row, TupleDesc desc, Milestone *milestone);
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
	CacheRegisterRelcacheCallback(forget, (Datum) 0);
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
 * Reads what is the same in all rows of a milestone, from a row of load().
 */
static void
read_milestone(HeapTuple row, TupleDesc desc, Milestone *milestone)
{
	bool isnull;

	milestone->client = *DatumGetKsuidP(COLUMN(1));
	milestone->contract = *DatumGetKsuidP(COLUMN(2));
	milestone->trial = *DatumGetKsuidP(COLUMN(3));
	milestone->site = *DatumGetKsuidP(COLUMN(4));
	milestone->trial_site = *DatumGetKsuidP(COLUMN(5));
	milestone->approved = DatumGetBool(COLUMN(6));
	milestone->key = read_copy(row, desc, 7);
	milestone->code = read_copy(row, desc, 15);
	milestone->rivals = read_copy(row, desc, 20);
	milestone->terms = read_terms(row, desc, 21);
	milestone->by_visit = DatumGetBool(COLUMN(26));
}

/*
 * Reads a version of a milestone from a row of load().
 */
static void
read_version(HeapTuple row, TupleDesc desc, Version *version)
{
	bool isnull;

	version->uid = *DatumGetKsuidP(COLUMN(8));
	version->effective_date = DatumGetTimestampTz(COLUMN(9));
	version->amount = read_copy(row, desc, 10);
	version->currency = read_copy(row, desc, 11);
	version->num_payments = DatumGetInt32(COLUMN(12));
	version->sort_order = DatumGetInt32(COLUMN(13));
	version->name = read_copy(row, desc, 14);
	version->free_up_to = read_copy(row, desc, 16);
	version->per_screening = DatumGetBool(COLUMN(17));
	version->first_day = DatumGetDateADT(COLUMN(27));
	version->approved = DatumGetBool(COLUMN(28));
}

#undef COLUMN

/*
 * Reads a milestone by the uid of one of its versions, with a new snapshot.
 * Returns false if there is none.
 */
static bool
load(Datum uid, Known *known)
{
	static SavedPlan select =
		PLAN("SELECT m.client_uid, m.contract_uid, m.trial_uid, m.site_uid, m.trial_site_uid,"
			 " t.approve_milestones, murallink_private.label_key(m.code), v.uid, v.effective_date,"
			 " pg_catalog.trim_scale(v.amount),"
			 " v.currency::pg_catalog.text, v.num_payments, v.sort_order, v.milestone, m.code,"
			 " CASE WHEN t.approval_tiers <> '[]' THEN murallink_private.free_up_to(t.approval_tiers, v.currency) END,"
			 " v.per = 'enrollment',"
			 " t.xmin, a.xmin,"
			 " CASE WHEN t.exclusive_milestones <> '{}' THEN murallink_private.rivals(t.exclusive_milestones, m.code) END," TERMS
			 ", t.price_by = 'visit', murallink_private.first_day(v.effective_date, s.time_zone),"
			 " v.approval_ref <> '' OR NOT t.need_approval_ref"
			 " FROM murallink.milestone m JOIN murallink.trial t ON t.uid = m.trial_uid"
			 " JOIN murallink.contract c ON c.uid = m.contract_uid JOIN murallink.site s ON s.uid = m.site_uid"
			 " JOIN murallink.trial_site a ON a.uid = m.trial_site_uid"
			 " JOIN murallink.milestone v ON v.trial_site_uid = m.trial_site_uid"
			 " AND murallink_private.label_key(v.code) = murallink_private.label_key(m.code)"
			 " WHERE m.uid = $1 ORDER BY v.effective_date DESC, (v.approval_ref <> '') DESC",
			 "k");
	TransactionId trial_by = InvalidTransactionId;
	TransactionId site_by = InvalidTransactionId;
	MemoryContext caller_context;
	Owner saved = owner_enter();

	SPI_connect();
	plan_execute_latest(&select, &uid, NULL, 0);
	caller_context = MemoryContextSwitchTo(context);
	memset(known, 0, sizeof(Known));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;

		if (known->count == 0)
		{
			known->uid = *DatumGetKsuidP(uid);
			known->versions = palloc(sizeof(Version) * SPI_processed);
			read_milestone(row, desc, &known->milestone);
			trial_by = DatumGetTransactionId(SPI_getbinval(row, desc, 18, &isnull));
			site_by = DatumGetTransactionId(SPI_getbinval(row, desc, 19, &isnull));
		}
		read_version(row, desc, &known->versions[known->count++]);
	}
	MemoryContextSwitchTo(caller_context);
	SPI_finish();
	owner_leave(saved);
	if (known->count > 0 && MILESTONE_LIMITED(&known->milestone))
	{
		/* From then on, no session makes a payment without this limit that those who know it do not see: see
		 * payment_limit.c. */
		install_wait_told(trial_by);
		install_wait_told(site_by);
	}
	return known->count > 0;
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
 * Returns the milestone that has a version with this uid, from the cache or
 * read into the buffer; NULL if there is none.  It is valid until a table or
 * catalog is opened.
 */
static Known *
find(Datum uid, Known *buffer)
{
	Known *kept;
	uint64 loaded;

	if (milestones != NULL && (kept = hash_search(milestones, DatumGetKsuidP(uid), HASH_FIND, NULL)) != NULL)
		return kept;
	for (int i = 0; i < lengthof(tables); i++)
		tables[i] = install_relation(table_names[i]);
	if (milestones == NULL || hash_get_num_entries(milestones) >= MILESTONES_KEPT)
	{
		HASHCTL ctl = {.keysize = sizeof(Ksuid), .entrysize = sizeof(Known)};

		if (context == NULL)
			context = AllocSetContextCreate(CacheMemoryContext, "murallink schedule", ALLOCSET_DEFAULT_SIZES);
		MemoryContextReset(context);
		ctl.hcxt = context;
		milestones = hash_create("murallink milestones", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	loaded = generation;
	if (!load(uid, buffer))
		return NULL;
	if (loaded == generation)
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
 * that are no milestone's.  What it points to is in the caller's memory
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
