/*
 * install.c
 *	  The installed data: its version, its owner, and plans on its tables.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "error.h"
#include "fmgr.h"
#include "install.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/sinval.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define PINNED_PATH "pg_catalog, pg_temp"

/* The kind of advisory lock that a transaction holds until all sessions have been told what it changed. */
#define TOLD_LOCK_KIND 6

/* Settings that our processes need, whatever the server, the database or a role sets. */
static const char *const settings[][2] = {
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"row_security", "on"}, /* off, the policies of the tables are errors */
	{"session_replication_role", "origin"},
	{"statement_timeout", "0"},
};

static Oid ksuid_type = InvalidOid;
static uint32 ksuid_type_hash;
static Oid ksuid_schema; /* of that type */
static Oid owner_role = InvalidOid;
static bool version_checked = false;
static char *public_url;

/* The oids of tables and indexes of ours, and of labels of our enums, by their names, that have been looked up. */
typedef struct KnownOid
{
	char name[2 * NAMEDATALEN]; /* hash key */
	Oid oid;
} KnownOid;

static HTAB *relations = NULL;
static HTAB *labels = NULL;

/* What our other files forget when a relation changes. */
static RelcacheCallbackFunction forgetters[8];
static int forgetter_count = 0;

static LOCKTAG told_lock(TransactionId changed_by);
static void forget_type(Datum arg, int cache, uint32 hash);
static void forget_role(Datum arg, int cache, uint32 hash);
static void forget_of_relation(Datum arg, Oid relation);
static void forget_labels(Datum arg, int cache, uint32 hash);
static void forget_oids(HTAB *table, Oid oid);
static KnownOid *known_oid(HTAB **table, const char *name);
static Oid look_up_relation(const char *name);
static Oid type_of_letter(char letter);

/*
 * Registers a setting, and callbacks that clear cached oids and the version
 * when the catalog changes.
 */
void
install_init(void)
{
	DefineCustomStringVariable("murallink.public_url", "Address of PostgREST for clients; links begin with it.", NULL,
							   &public_url, "http://localhost:3000", PGC_SIGHUP, 0, NULL, NULL, NULL);
	CacheRegisterSyscacheCallback(TYPEOID, forget_type, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_role, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, forget_labels, (Datum) 0);
	CacheRegisterRelcacheCallback(forget_of_relation, (Datum) 0);
}

/*
 * Has a function called whenever a relation changes, or InvalidOid for all.
 * Called from _PG_init only.  All share one callback of PostgreSQL, because a
 * process has room for ten, and logical replication needs several.
 */
void
install_when_changed(RelcacheCallbackFunction forget)
{
	if (forgetter_count == lengthof(forgetters))
		elog(ERROR, "murallink: too many functions wait for changes of relations");
	forgetters[forgetter_count++] = forget;
}

/*
 * Forgets the oid of the type ksuid when its catalog row changes, because DROP
 * and CREATE EXTENSION in one session give it a new one.
 */
static void
forget_type(Datum arg, int cache, uint32 hash)
{
	if (hash == 0 || hash == ksuid_type_hash)
		ksuid_type = InvalidOid;
}

static void
forget_role(Datum arg, int cache, uint32 hash)
{
	owner_role = InvalidOid;
}

/*
 * Forgets the oid of a table or index that changes, or of all, and the version,
 * because any table may be the one with the version.  To read it again costs
 * little, and tables rarely change.
 */
static void
forget_of_relation(Datum arg, Oid relation)
{
	version_checked = false;
	forget_oids(relations, relation);
	for (int i = 0; i < forgetter_count; i++)
		forgetters[i](arg, relation);
}

/*
 * Forgets the oids of all labels when a type changes, or the labels of one.
 */
static void
forget_labels(Datum arg, int cache, uint32 hash)
{
	forget_oids(labels, InvalidOid);
}

/*
 * Forgets an oid, or with InvalidOid all, in a table that may not have been made
 * yet.
 */
static void
forget_oids(HTAB *table, Oid oid)
{
	HASH_SEQ_STATUS all;
	KnownOid *known;

	if (table == NULL)
		return;
	hash_seq_init(&all, table);
	while ((known = hash_seq_search(&all)) != NULL)
		if (!OidIsValid(oid) || known->oid == oid)
			known->oid = InvalidOid;
}

/*
 * Returns what is known by a name, with InvalidOid where nothing is.  Names are
 * few, and are never removed.
 */
static KnownOid *
known_oid(HTAB **table, const char *name)
{
	KnownOid *known;
	bool found;

	if (*table == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(known->name), .entrysize = sizeof(KnownOid)};

		*table = hash_create("murallink oids", 64, &ctl, HASH_ELEM | HASH_STRINGS);
	}
	known = hash_search(*table, name, HASH_ENTER, &found);
	if (!found)
		known->oid = InvalidOid;
	return known;
}

/*
 * Returns the oid of the type ksuid.  Raises not_installed if the extension
 * has been dropped.
 */
Oid
install_ksuid_type(void)
{
	if (!OidIsValid(ksuid_type))
	{
		ksuid_schema = get_namespace_oid("murallink", true);
		ksuid_type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("ksuid"),
									 ObjectIdGetDatum(ksuid_schema));
		if (!OidIsValid(ksuid_type))
			ereport(ERROR, errnamed(ERR_NOT_INSTALLED, NULL));
		ksuid_type_hash = GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(ksuid_type));
	}
	return ksuid_type;
}

/*
 * Returns the name of a type of schema murallink, never quoted, or NULL for
 * any other type.  Raises not_installed if the extension has been dropped.
 */
const char *
install_type_name(Oid type)
{
	HeapTuple tuple;
	Form_pg_type row;
	char *name = NULL;

	(void) install_ksuid_type();
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "murallink: no type %u", type);
	row = (Form_pg_type) GETSTRUCT(tuple);
	if (row->typnamespace == ksuid_schema)
		name = pstrdup(NameStr(row->typname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * Returns the oid of the role that owns the data.
 */
Oid
install_owner(void)
{
	if (!OidIsValid(owner_role))
		owner_role = get_role_oid("murallink_owner", false);
	return owner_role;
}

/*
 * Returns whether the current role is the owner; false where murallink was never
 * installed.
 */
bool
install_is_owner(void)
{
	Oid owner = OidIsValid(owner_role) ? owner_role : get_role_oid("murallink_owner", true);

	return OidIsValid(owner) && GetUserId() == owner;
}

/*
 * Returns whether a schema is one of murallink's.
 */
bool
install_is_schema(Oid schema)
{
	return OidIsValid(schema) && (schema == get_namespace_oid("murallink", true) ||
								  schema == get_namespace_oid("murallink_private", true));
}

/*
 * Looks up the oid of a table or index of schema murallink_private or murallink;
 * returns InvalidOid where there is none.
 */
static Oid
look_up_relation(const char *name)
{
	static const char *const schemas[] = {"murallink_private", "murallink"};
	Oid oid = InvalidOid;

	for (int i = 0; i < lengthof(schemas) && !OidIsValid(oid); i++)
	{
		Oid schema = get_namespace_oid(schemas[i], true);

		if (OidIsValid(schema))
			oid = get_relname_relid(name, schema);
	}
	return oid;
}

/*
 * Returns the oid of a table or index of schema murallink_private or murallink,
 * or InvalidOid.
 */
Oid
install_relation(const char *name)
{
	KnownOid *known = known_oid(&relations, name);
	Oid oid;

	if (OidIsValid(known->oid))
		return known->oid;
	/* The look-up may process an invalidation of this name, so the result is stored after it. */
	oid = look_up_relation(name);
	return known->oid = oid;
}

/*
 * Returns the oid of a function of schema murallink_private.  Raises
 * not_installed where there is none.
 */
Oid
install_function(const char *name, int count, const Oid *types)
{
	Oid schema = get_namespace_oid("murallink_private", true);
	Oid oid = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
							  PointerGetDatum(buildoidvector(types, count)), ObjectIdGetDatum(schema));

	if (!OidIsValid(oid))
		ereport(ERROR, errnamed(ERR_NOT_INSTALLED, NULL));
	return oid;
}

/*
 * Returns the oid of a label of an enum of schema murallink, or InvalidOid.
 * The name of the enum must be shorter than NAMEDATALEN; the label may be any.
 */
Oid
install_enum(const char *type, const char *label)
{
	char name[2 * NAMEDATALEN];
	char *end;
	KnownOid *known;
	Oid schema;
	Oid oid;

	end = stpcpy(name, type);
	*end++ = '.';
	strlcpy(end, label, NAMEDATALEN);
	known = known_oid(&labels, name);
	if (OidIsValid(known->oid))
		return known->oid;
	schema = get_namespace_oid("murallink", true);
	oid = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(type), ObjectIdGetDatum(schema));
	oid = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid, ObjectIdGetDatum(oid), CStringGetDatum(label));
	return known->oid = oid;
}

/*
 * Returns the label of a value of an enum.
 */
char *
install_enum_label(Oid value)
{
	HeapTuple row = SearchSysCache1(ENUMOID, ObjectIdGetDatum(value));
	char *label;

	if (!HeapTupleIsValid(row))
		elog(ERROR, "murallink: no label of an enum has the oid %u", value);
	label = pstrdup(NameStr(((Form_pg_enum) GETSTRUCT(row))->enumlabel));
	ReleaseSysCache(row);
	return label;
}

/*
 * Returns not_installed or unknown_data_version if the tables do not exist or
 * have a version other than DATA_VERSION, else ERR_COUNT.
 */
ErrorName
install_problem(int *version)
{
	static SavedPlan select = PLAN("SELECT version FROM murallink_private.data_version", "");
	Oid schema;
	Owner saved;
	bool isnull;

	*version = 0;
	if (version_checked)
		return ERR_COUNT;
	schema = get_namespace_oid("murallink_private", true);
	if (!OidIsValid(schema) || !OidIsValid(get_relname_relid("data_version", schema)))
		return ERR_NOT_INSTALLED;

	saved = owner_enter();
	SPI_connect();
	if (plan_execute(&select, NULL, NULL, 1) == 1)
		*version = DatumGetInt32(
			SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	owner_leave(saved);
	version_checked = *version == DATA_VERSION;
	return version_checked ? ERR_COUNT : ERR_UNKNOWN_DATA_VERSION;
}

/*
 * Raises what install_problem() finds.
 */
void
install_check(void)
{
	int version;
	ErrorName problem = install_problem(&version);

	if (problem == ERR_UNKNOWN_DATA_VERSION)
		ereport(ERROR, errnamed(problem, NULL),
				errdetail("unknown_data_version: the tables have version %d, the library supports %d.",
						  version, DATA_VERSION));
	if (problem != ERR_COUNT)
		ereport(ERROR, errnamed(problem, NULL));
}

/*
 * Sets the settings that all our background processes need, and those given,
 * so that nothing else changes them.
 */
void
install_pin_settings(const char *const (*own)[2], int count)
{
	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	for (int i = 0; i < count; i++)
		SetConfigOption(own[i][0], own[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * Becomes murallink_owner with the search path and row_security pinned, until
 * owner_leave() or the end of the (sub)transaction.  Does nothing inside a
 * SECURITY DEFINER function, which has set both.
 */
Owner
owner_enter(void)
{
	Owner saved = {false};

	GetUserIdAndSecContext(&saved.user, &saved.sec_context);
	if (saved.user == install_owner() && strcmp(namespace_search_path, PINNED_PATH) == 0 && row_security)
		return saved;

	saved.changed = true;
	saved.guc_nest_level = NewGUCNestLevel();
	SetUserIdAndSecContext(install_owner(), saved.sec_context | SECURITY_LOCAL_USERID_CHANGE);
	(void) set_config_option("search_path", PINNED_PATH, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (!row_security)
		(void) set_config_option("row_security", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return saved;
}

/*
 * Undoes owner_enter().
 */
void
owner_leave(Owner saved)
{
	if (!saved.changed)
		return;
	AtEOXact_GUC(true, saved.guc_nest_level);
	SetUserIdAndSecContext(saved.user, saved.sec_context);
}

/*
 * Raises forbidden unless this runs with the rights of murallink_owner or of a
 * superuser.  For C functions that only our own functions may call.
 */
void
owner_require(void)
{
	if (GetUserId() != install_owner() && !superuser())
		ereport(ERROR, errnamed(ERR_FORBIDDEN, NULL));
}

/*
 * Undoes owner_enter() after the commit of the transaction that called it.
 * The commit has undone the search path only; an abort undoes both.
 */
void
owner_committed(Owner saved)
{
	if (saved.changed)
		SetUserIdAndSecContext(saved.user, saved.sec_context);
}

/*
 * Returns the type that a letter of SavedPlan.types stands for.
 */
static Oid
type_of_letter(char letter)
{
	switch (letter)
	{
		case 'b':
			return BOOLOID;
		case 'd':
			return DATEOID;
		case 'i':
			return INT4OID;
		case 'I':
			return INT8OID;
		case 'j':
			return JSONBOID;
		case 'k':
			return install_ksuid_type();
		case 'n':
			return NUMERICOID;
		case 't':
			return TEXTOID;
		case 'y':
			return BYTEAOID;
		case 'z':
			return TIMESTAMPTZOID;
	}
	elog(ERROR, "murallink: there is no type for the letter \"%c\"", letter);
}

/*
 * Returns the saved plan.  Makes it at the first use, and again if the
 * extension was created again.  Assumes SPI_connect() and owner_enter().
 */
SPIPlanPtr
plan_saved(SavedPlan *p)
{
	Oid types[FUNC_MAX_ARGS];
	int count = strlen(p->types);

	if (p->plan != NULL && p->ksuid == install_ksuid_type())
		return p->plan;
	if (p->plan != NULL)
	{
		SPI_freeplan(p->plan);
		p->plan = NULL;
	}
	for (int i = 0; i < count; i++)
		types[i] = type_of_letter(p->types[i]);
	/* They differ in a key alone: without the option, each connection would plan each of them six times. */
	p->plan = SPI_prepare_cursor(p->sql, count, types, CURSOR_OPT_GENERIC_PLAN);
	if (p->plan == NULL)
		elog(ERROR, "murallink: could not plan \"%s\": %s", p->sql, SPI_result_code_string(SPI_result));
	SPI_keepplan(p->plan);
	p->ksuid = install_ksuid_type();
	return p->plan;
}

/*
 * Runs a saved plan and returns the number of rows, which SPI_tuptable holds.
 * Assumes SPI_connect() and owner_enter().
 */
int
plan_execute(SavedPlan *p, const Datum *values, const char *nulls, long limit)
{
	int result = SPI_execute_plan(plan_saved(p), unconstify(Datum *, values), nulls, false, limit);

	if (result < 0)
		elog(ERROR, "murallink: could not run \"%s\": %s", p->sql, SPI_result_code_string(result));
	return (int) SPI_processed;
}

/*
 * Does what plan_execute() does, for a plan that only reads, with a snapshot.
 */
int
plan_execute_with(SavedPlan *p, const Datum *values, const char *nulls, long limit, Snapshot snapshot)
{
	int result = SPI_execute_snapshot(plan_saved(p), unconstify(Datum *, values), nulls, snapshot, InvalidSnapshot,
									  true, false, limit);

	if (result < 0)
		elog(ERROR, "murallink: could not run \"%s\": %s", p->sql, SPI_result_code_string(result));
	return (int) SPI_processed;
}

/*
 * Does what plan_execute() does, for a plan that only reads, with a snapshot
 * of its own: that of a repeatable read transaction may be older than a change
 * that must be seen.  GetLatestSnapshot() fails in a parallel query.
 */
int
plan_execute_latest(SavedPlan *p, const Datum *values, const char *nulls, long limit)
{
	for (;;)
	{
		uint64 messages = SharedInvalidMessageCounter;
		int count = plan_execute_with(p, values, nulls, limit, GetCatalogSnapshot(InvalidOid));

		/* The snapshot was taken before the tables were locked; a change that held a lock comes with a message. */
		if (messages == SharedInvalidMessageCounter)
			return count;
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * murallink_private.known_data_version(): DATA_VERSION.
 */
PG_FUNCTION_INFO_V1(install_known_data_version);
Datum
install_known_data_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(DATA_VERSION);
}

/*
 * murallink_private.require_installed(): raises what install_problem() finds.
 */
PG_FUNCTION_INFO_V1(install_require);
Datum
install_require(PG_FUNCTION_ARGS)
{
	install_check();
	PG_RETURN_VOID();
}

/*
 * murallink_private.asked_by_owner(): whether the role outside of all functions is a
 * superuser or has the privileges of murallink_owner.
 */
PG_FUNCTION_INFO_V1(install_asked_by_owner);
Datum
install_asked_by_owner(PG_FUNCTION_ARGS)
{
	Oid role = GetOuterUserId();

	PG_RETURN_BOOL(superuser_arg(role) || has_privs_of_role(role, install_owner()));
}

/*
 * Trigger: invalidates the table's relcache entry.  Other sessions receive
 * this when this transaction commits, this one at its next command.  TRUNCATE
 * needs no trigger for that, because it gives the table another file.
 */
PG_FUNCTION_INFO_V1(install_changed);
Datum
install_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "install_changed is a trigger");
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}

/*
 * Returns the lock that stands for what a transaction, or a part of one, has
 * changed.
 */
static LOCKTAG
told_lock(TransactionId changed_by)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, changed_by, 0, TOLD_LOCK_KIND);
	return tag;
}

/*
 * Lets install_wait_told() wait until all sessions have been told of a row that
 * this transaction has written.  Its own lock on its number does not last as
 * long if it has written the row in a subtransaction, as api() does.
 */
void
install_hold_told(HeapTuple row)
{
	LOCKTAG tag = told_lock(HeapTupleHeaderGetRawXmin(row->t_data));

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * Waits until a transaction that has committed, and has called
 * install_hold_told(), has told all sessions to forget what it changed, which it
 * does before it releases its locks.
 */
void
install_wait_told(TransactionId changed_by)
{
	LOCKTAG tag = told_lock(changed_by);

	(void) LockAcquire(&tag, ShareLock, false, false);
	(void) LockRelease(&tag, ShareLock, false);
}

/*
 * Trigger: refuses the statement.  Raises guarded for INSERT, else
 * append_only.
 */
PG_FUNCTION_INFO_V1(install_append_only);
Datum
install_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	ErrorName error;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "install_append_only is a trigger");
	error = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? ERR_GUARDED : ERR_APPEND_ONLY;
	ereport(ERROR, errnamed(error, RelationGetRelationName(trigger->tg_relation)));
}

/*
 * Trigger: refuses every statement on a table that only this library writes.
 * Raises guarded.
 */
PG_FUNCTION_INFO_V1(install_guarded);
Datum
install_guarded(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "install_guarded is a trigger");
	ereport(ERROR, errnamed(ERR_GUARDED, RelationGetRelationName(trigger->tg_relation)));
}
