/*
 * identity.c
 *	  Who is asking.  The caller is found once a transaction and kept here,
 *	  where no SET can forge it.
 */
#include "postgres.h"

#include <sodium.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/trigger.h"
#include "error.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "identity.h"
#include "install.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* The caller of this transaction, and the subtransaction that found it. */
static bool known = false;
static Caller caller;
static SubTransactionId known_since;

/*
 * A session's identity was rolled back, or the session has ended: nobody asks
 * until the next one, least of all the login role.
 */
static bool lost = false;

/* SHA-256 of the session id that this transaction was given last, alive or not. */
static bool presented = false;
static unsigned char presented_hash[crypto_hash_sha256_BYTES];

/* SHA-256 of the caller's session id, when by_session. */
static unsigned char session_hash[crypto_hash_sha256_BYTES];

/* The app_user of this backend's login role, until app_user changes. */
static bool role_looked_up = false;
static bool role_changed;
static bool role_has_user;
static Oid role_of_user;
static Caller role_caller;
static Oid app_user_relation = InvalidOid;

/* The transaction of a PostgREST request whose pre-request has just run. */
static LocalTransactionId request_began = InvalidLocalTransactionId;

/*
 * What parallel workers are given: the caller of a session, in hexadecimal;
 * NOBODY where none may ask; nothing where the login role asks, which they look
 * up themselves.
 */
#define NOBODY "nobody"
static char *parallel_caller = NULL;
static bool passing_on = false;
static ExecutorStart_hook_type next_start = NULL;

static int session_timeout = 1800;
static int session_lifetime = 12 * 3600;
static bool require_current_password = false;
static int login_max_failures = 5;
static int login_lockout = 900;
static int lock_wait = 10000;
static int known_place_lifetime = 90 * 24 * 3600;

static bool check_parallel_caller(char **value, void **extra, GucSource source);
static void start_query(QueryDesc *query, int flags);
static void pass_on(void);
static void take_over(void);
static void forget_at_end(XactEvent event, void *arg);
static void forget_at_subxact_end(SubXactEvent event, SubTransactionId self,
								  SubTransactionId parent, void *arg);
static void forget_role(Datum arg, Oid relation);
static bool look_up_role(void);
static void hash_session(const char *session_id, Datum *hash);
static void refresh_session(Datum hash, TimestampTz until);
static bool take_on(Datum hash);
static void settle_request(void);
static Datum own_session(void);

/*
 * Registers settings and the callbacks that end an identity.
 */
void
identity_init(void)
{
	DefineCustomIntVariable("murallink.session_timeout", "Time after which an unused session ends.", NULL,
							&session_timeout, 1800, 10, 30 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL,
							NULL);
	DefineCustomIntVariable("murallink.session_lifetime", "Time after which a session ends, even if it is used.", NULL,
							&session_lifetime, 12 * 3600, 10, 365 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomBoolVariable("murallink.require_current_password",
							 "Whether a change of one's own password or e-mail address needs the current password.", NULL,
							 &require_current_password, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.login_max_failures", "Failed logins after which an account is locked.",
							NULL, &login_max_failures, 5, 1, 1000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.login_lockout", "Time for which an account stays locked.", NULL,
							&login_lockout, 900, 1, 30 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL,
							NULL);
	DefineCustomIntVariable("murallink.lock_timeout", "Longest time for which a request waits for a lock.",
							"lock_timeout takes precedence if it is set. 0 means no limit.", &lock_wait, 10000, 0, 3600 * 1000, PGC_SIGHUP,
							GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.known_place_lifetime",
							"Time for which a client that has logged in is recognised by its session id.", NULL,
							&known_place_lifetime, 90 * 24 * 3600, 0, 3650 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL,
							NULL, NULL);
	DefineCustomStringVariable("murallink.parallel_caller", "The caller, as passed to parallel workers.",
							   "Only murallink sets it, when a parallel query begins.", &parallel_caller, "",
							   PGC_USERSET,
							   GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL | GUC_NO_RESET_ALL | GUC_NOT_IN_SAMPLE |
								   GUC_DISALLOW_IN_FILE,
							   check_parallel_caller, NULL, NULL);
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = start_query;
	RegisterXactCallback(forget_at_end, NULL);
	RegisterSubXactCallback(forget_at_subxact_end, NULL);
	CacheRegisterRelcacheCallback(forget_role, (Datum) 0);
}

/*
 * Refuses a caller that somebody sets by hand.
 */
static bool
check_parallel_caller(char **value, void **extra, GucSource source)
{
	return passing_on || InitializingParallelWorker || (source == PGC_S_DEFAULT && *value[0] == '\0');
}

/*
 * Hook: a query that may have parallel workers passes the caller on to them.
 */
static void
start_query(QueryDesc *query, int flags)
{
	if (query->plannedstmt->parallelModeNeeded)
		pass_on();
	if (next_start)
		next_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/*
 * Has parallel workers that are begun from here on ask as the caller.  Does
 * nothing within a parallel query, which begins no other.
 */
static void
pass_on(void)
{
	char text[2 * sizeof(Caller) + 1] = "";

	if (IsInParallelMode())
		return;
	if (lost)
		strlcpy(text, NOBODY, sizeof(text));
	else if (known && caller.by_session)
		text[hex_encode((char *) &caller, sizeof(caller), text)] = '\0';
	if (strcmp(text, parallel_caller) == 0)
		return;
	PG_TRY();
	{
		passing_on = true;
		(void) set_config_option("murallink.parallel_caller", text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	}
	PG_FINALLY();
	{
		passing_on = false;
	}
	PG_END_TRY();
}

/*
 * Takes over, in a parallel worker, what pass_on() has given it.
 */
static void
take_over(void)
{
	size_t length = strlen(parallel_caller);

	if (strcmp(parallel_caller, NOBODY) == 0)
		lost = true;
	else if (length == 2 * sizeof(Caller))
	{
		(void) hex_decode(parallel_caller, length, (char *) &caller);
		known = true;
		known_since = GetCurrentSubTransactionId();
	}
}

/*
 * An identity ends with its transaction, however that ends.
 */
static void
forget_at_end(XactEvent event, void *arg)
{
	known = false;
	lost = false;
	presented = false;
}

/*
 * An identity taken on in a subtransaction is lost when that is rolled back,
 * and passes to the parent when it is committed.
 */
static void
forget_at_subxact_end(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *arg)
{
	if (!known || known_since != self)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		lost = caller.by_session;
		known = false;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		known_since = parent;
}

/*
 * Forgets the user of the login role when app_user changes.
 */
static void
forget_role(Datum arg, Oid relation)
{
	if (!OidIsValid(relation) || relation == app_user_relation)
	{
		role_looked_up = false;
		role_changed = true;
	}
}

/*
 * Finds the app_user whose db_role is the login role of this backend; returns
 * false when there is none.
 */
static bool
look_up_role(void)
{
	static SavedPlan user_of_role =
		PLAN("SELECT uid, user_role = 'admin' FROM murallink.app_user WHERE db_role = $1", "t");
	Datum role;
	Owner saved;

	if (role_looked_up && role_of_user == GetSessionUserId())
		return role_has_user;

	app_user_relation = install_relation("app_user");
	role_of_user = GetSessionUserId();
	role_looked_up = false;
	role_changed = false;
	role = CStringGetTextDatum(GetUserNameFromId(role_of_user, false));
	saved = owner_enter();
	SPI_connect();
	role_has_user = plan_execute_latest(&user_of_role, &role, NULL, 1) == 1;
	if (role_has_user)
	{
		bool isnull;
		HeapTuple row = SPI_tuptable->vals[0];
		TupleDesc desc = SPI_tuptable->tupdesc;

		memset(&role_caller, 0, sizeof(role_caller));
		role_caller.user = *DatumGetKsuidP(SPI_getbinval(row, desc, 1, &isnull));
		role_caller.admin = DatumGetBool(SPI_getbinval(row, desc, 2, &isnull));
	}
	SPI_finish();
	owner_leave(saved);
	role_looked_up = !role_changed;
	return role_has_user;
}

/*
 * Returns the caller, or NULL when nobody is known to ask.
 */
const Caller *
identity_caller_if_any(void)
{
	if (known)
		return &caller;
	install_check();
	if (IsParallelWorker() && !lost)
		take_over();
	if (!known && !lost && look_up_role())
	{
		caller = role_caller;
		known = true;
		known_since = GetCurrentSubTransactionId();
	}
	return known ? &caller : NULL;
}

/*
 * Returns the caller.  Raises unauthenticated when nobody is known to ask.
 */
const Caller *
identity_caller(void)
{
	const Caller *who = identity_caller_if_any();

	if (who == NULL)
		ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, lost ? "session_id" : NULL));
	identity_bound_waits();
	return who;
}

/*
 * Has no lock be waited for without end, for the rest of the transaction, where
 * nobody has said otherwise: whoever holds it may be anybody who does not go on.
 */
void
identity_bound_waits(void)
{
	char text[16];

	if (LockTimeout != 0 || lock_wait == 0 || IsInParallelMode())
		return;
	snprintf(text, sizeof(text), "%d", lock_wait);
	(void) set_config_option("lock_timeout", text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Stores the SHA-256 of a session id, which is all that the tables know of it.
 */
static void
hash_session(const char *session_id, Datum *hash)
{
	bytea *result = palloc(VARHDRSZ + crypto_hash_sha256_BYTES);

	SET_VARSIZE(result, VARHDRSZ + crypto_hash_sha256_BYTES);
	crypto_hash_sha256((unsigned char *) VARDATA(result), (const unsigned char *) session_id,
					   strlen(session_id));
	*hash = PointerGetDatum(result);
}

/*
 * Moves the end of a session.  A request that only reads uses its session as
 * any other, and PostgREST has it in a read-only transaction, which is there to
 * keep the request from writing and not us.  Does nothing where that is not
 * possible, or somebody else does it: no read fails because of it.
 */
static void
refresh_session(Datum hash, TimestampTz until)
{
	static SavedPlan refresh =
		PLAN("UPDATE murallink_private.session SET expires_at = $2 WHERE hash ="
			 " (SELECT hash FROM murallink_private.session WHERE hash = $1 FOR UPDATE SKIP LOCKED)",
			 "yz");
	Datum values[2] = {hash, TimestampTzGetDatum(until)};
	bool read_only = XactReadOnly;

	if (RecoveryInProgress() || IsolationUsesXactSnapshot() || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return;
	PG_TRY();
	{
		XactReadOnly = false;
		plan_execute(&refresh, values, NULL, 0);
	}
	PG_FINALLY();
	{
		XactReadOnly = read_only;
	}
	PG_END_TRY();
}

/*
 * Makes the user of a session the caller of this transaction, and moves the
 * session's end when a tenth of its time has gone by, but not beyond its
 * longest life.  Returns false when the session is unknown or has ended, or
 * acts for an admin who is none any more.
 */
static bool
take_on(Datum hash)
{
	static SavedPlan find = PLAN("SELECT u.uid, u.user_role = 'admin', s.switched_by_uid, s.expires_at, s.created_at"
								 " FROM murallink_private.session s"
								 " JOIN murallink.app_user u ON u.uid = s.app_user_uid"
								 " WHERE s.hash = $1 AND s.expires_at > pg_catalog.clock_timestamp() AND s.created_at > $2"
								 " AND (s.switched_by_uid IS NULL OR EXISTS (SELECT FROM murallink.app_user a"
								 " WHERE a.uid = s.switched_by_uid AND a.user_role = 'admin'))",
								 "yz");
	TimestampTz now = GetCurrentTimestamp();
	int64 lifetime = session_lifetime * USECS_PER_SEC;
	Datum values[2] = {hash, TimestampTzGetDatum(now - lifetime)};
	Caller found = {0};
	bool exists;
	Owner saved = owner_enter();

	SPI_connect();
	exists = plan_execute_latest(&find, values, NULL, 1) == 1;
	if (exists)
	{
		HeapTuple row = SPI_tuptable->vals[0];
		TupleDesc desc = SPI_tuptable->tupdesc;
		TimestampTz expires;
		TimestampTz fresh;
		Datum datum;
		bool isnull;

		found.user = *DatumGetKsuidP(SPI_getbinval(row, desc, 1, &isnull));
		found.admin = DatumGetBool(SPI_getbinval(row, desc, 2, &isnull));
		found.by_session = true;
		datum = SPI_getbinval(row, desc, 3, &isnull);
		found.switched = !isnull;
		if (found.switched)
			found.switched_by = *DatumGetKsuidP(datum);
		expires = DatumGetTimestampTz(SPI_getbinval(row, desc, 4, &isnull));
		fresh = Min(now + session_timeout * USECS_PER_SEC,
					DatumGetTimestampTz(SPI_getbinval(row, desc, 5, &isnull)) + lifetime);
		if (fresh - expires > session_timeout * (USECS_PER_SEC / 10))
			refresh_session(hash, fresh);
	}
	SPI_finish();
	owner_leave(saved);

	if (!exists)
		return false;
	memcpy(session_hash, VARDATA(DatumGetPointer(hash)), sizeof(session_hash));
	caller = found;
	known = true;
	known_since = GetCurrentSubTransactionId();
	return true;
}

/*
 * Makes the user of a session the caller of this transaction.  Returns false
 * when the session is unknown or has ended.
 */
bool
identity_authenticate(const char *session_id)
{
	Datum hash;

	install_check();
	hash_session(session_id, &hash);
	memcpy(presented_hash, VARDATA(DatumGetPointer(hash)), sizeof(presented_hash));
	presented = true;
	return take_on(hash);
}

/*
 * Has nobody ask in this transaction, because its session has ended: what
 * needs a caller raises unauthenticated, the rest goes on.
 */
void
identity_lose(void)
{
	known = false;
	lost = true;
}

/*
 * Returns a header of a PostgREST request, NULL without one.  Its name is in
 * lower case.
 */
char *
identity_request_header(const char *name)
{
	const char *headers = GetConfigOption("request.headers", true, false);
	Jsonb *parsed;
	JsonbValue buffer;
	JsonbValue *value;

	if (headers == NULL || headers[0] == '\0')
		return NULL;
	parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(headers)));
	if (!JB_ROOT_IS_OBJECT(parsed))
		return NULL;
	value = getKeyJsonValueFromContainer(&parsed->root, name, strlen(name), &buffer);
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Has the rest of a PostgREST request's transaction read and show times in one
 * way, whatever the server's settings or a header of the request say.
 */
static void
settle_request(void)
{
	static const char *const settings[][2] = {
		{"TimeZone", "UTC"}, {"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}};

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
								 true, 0, false);
	request_began = MyProc->lxid;
}

/*
 * Returns whether the pre-request of this transaction has just run; once.
 */
bool
identity_request_begins(void)
{
	bool begins = request_began != InvalidLocalTransactionId && request_began == MyProc->lxid;

	request_began = InvalidLocalTransactionId;
	return begins;
}

/*
 * murallink.authenticate(session_id): takes on the identity of a session, for
 * this transaction; by default the one in PostgREST's Session-Id header, as its
 * pre-request, which also has the request read and answered in UTC.
 * Raises unauthenticated.
 *
 * For a function that PostgREST calls, the session may have ended: a function
 * that needs a caller asks for it, and login, which needs none, goes on.
 */
PG_FUNCTION_INFO_V1(identity_authenticate_sql);
Datum
identity_authenticate_sql(PG_FUNCTION_ARGS)
{
	char *session_id =
		PG_ARGISNULL(0) ? identity_request_header("session-id") : text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char *path = GetConfigOption("request.path", true, false);

	identity_bound_waits();
	/* An empty header counts as none; an empty argument is a session that nobody has. */
	if (session_id != NULL && (session_id[0] != '\0' || !PG_ARGISNULL(0)) && !identity_authenticate(session_id))
	{
		if (!PG_ARGISNULL(0) || path == NULL || strncmp(path, "/rpc/", strlen("/rpc/")) != 0)
			ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, "session_id"));
		identity_lose();
	}
	if (PG_ARGISNULL(0) && path != NULL && path[0] != '\0')
		settle_request();
	PG_RETURN_VOID();
}

/*
 * murallink.caller(): the uid of the caller, NULL when nobody is known to ask.
 */
PG_FUNCTION_INFO_V1(identity_caller_uid);
Datum
identity_caller_uid(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	Ksuid *result;

	if (who == NULL)
		PG_RETURN_NULL();
	result = palloc(sizeof(Ksuid));
	*result = who->user;
	PG_RETURN_KSUID_P(result);
}

/*
 * murallink.caller_is_admin(): whether an admin asks.
 */
PG_FUNCTION_INFO_V1(identity_caller_is_admin);
Datum
identity_caller_is_admin(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();

	PG_RETURN_BOOL(who != NULL && who->admin);
}

/*
 * murallink.require_caller(): the uid of the caller.  Raises unauthenticated.
 */
PG_FUNCTION_INFO_V1(identity_require_caller);
Datum
identity_require_caller(PG_FUNCTION_ARGS)
{
	(void) identity_caller();
	return identity_caller_uid(fcinfo);
}

/*
 * murallink.require_admin(): the uid of the caller.  Raises unauthenticated
 * or forbidden.
 */
PG_FUNCTION_INFO_V1(identity_require_admin);
Datum
identity_require_admin(PG_FUNCTION_ARGS)
{
	if (!identity_caller()->admin)
		ereport(ERROR, errnamed(ERR_FORBIDDEN, NULL));
	return identity_caller_uid(fcinfo);
}

/*
 * murallink.caller_switched_by(): the admin who acts as the caller, NULL when
 * the caller is no other.
 */
PG_FUNCTION_INFO_V1(identity_caller_switched_by);
Datum
identity_caller_switched_by(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	Ksuid *result;

	if (who == NULL || !who->switched)
		PG_RETURN_NULL();
	result = palloc(sizeof(Ksuid));
	*result = who->switched_by;
	PG_RETURN_KSUID_P(result);
}

/*
 * murallink.open_session(app_user_uid): starts a session and returns its id,
 * which nothing but the client knows from here on.
 */
PG_FUNCTION_INFO_V1(identity_open_session);
Datum
identity_open_session(PG_FUNCTION_ARGS)
{
	static SavedPlan insert = PLAN("INSERT INTO murallink_private.session"
								   " (hash, app_user_uid, expires_at) VALUES ($1, $2, $3)",
								   "ykz");
	Ksuid id;
	char session_id[KSUID_TEXT_LEN + 1];
	Datum values[3];
	Owner saved;

	owner_require();
	saved = owner_enter();
	ksuid_generate(&id);
	ksuid_format(&id, session_id);
	SPI_connect();
	hash_session(session_id, &values[0]);
	values[1] = PG_GETARG_DATUM(0);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp() + Min(session_timeout, session_lifetime) * USECS_PER_SEC);
	plan_execute(&insert, values, NULL, 0);
	SPI_finish();
	owner_leave(saved);
	PG_RETURN_TEXT_P(cstring_to_text(session_id));
}

/*
 * Returns the hash of the caller's session, which there must be.
 */
static Datum
own_session(void)
{
	bytea *result = palloc(VARHDRSZ + sizeof(session_hash));

	SET_VARSIZE(result, VARHDRSZ + sizeof(session_hash));
	memcpy(VARDATA(result), session_hash, sizeof(session_hash));
	return PointerGetDatum(result);
}

/*
 * murallink.caller_session(): the hash of the caller's session, NULL for a
 * caller without one.  Raises unauthenticated.
 */
PG_FUNCTION_INFO_V1(identity_caller_session);
Datum
identity_caller_session(PG_FUNCTION_ARGS)
{
	if (!identity_caller()->by_session)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(own_session());
}

/*
 * murallink.reload_session(): makes the caller whom the session is of by now.
 * Raises unauthenticated, also for a caller without a session.
 */
PG_FUNCTION_INFO_V1(identity_reload_session);
Datum
identity_reload_session(PG_FUNCTION_ARGS)
{
	if (!identity_caller()->by_session || !take_on(own_session()))
		ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, "session_id"));
	PG_RETURN_VOID();
}

/*
 * murallink.presented_session(): the hash of the session id that this
 * transaction was given, whether the session is alive or has ended, by
 * authenticate(), beside an action or in the Session-Id header; NULL without.
 */
PG_FUNCTION_INFO_V1(identity_presented_session);
Datum
identity_presented_session(PG_FUNCTION_ARGS)
{
	bytea *result;

	if (!presented)
	{
		char *session_id = identity_request_header("session-id");
		Datum hash;

		if (session_id == NULL || session_id[0] == '\0')
			PG_RETURN_NULL();
		hash_session(session_id, &hash);
		PG_RETURN_DATUM(hash);
	}
	result = palloc(VARHDRSZ + sizeof(presented_hash));
	SET_VARSIZE(result, VARHDRSZ + sizeof(presented_hash));
	memcpy(VARDATA(result), presented_hash, sizeof(presented_hash));
	PG_RETURN_BYTEA_P(result);
}
