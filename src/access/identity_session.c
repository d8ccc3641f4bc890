/*
 * identity_session.c
 *	  Sessions: what login() opens, and whose user is the caller.  The tables
 *	  have only the SHA-256 of a session id.
 */
#include "postgres.h"

#include <sodium.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "error.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "identity_part.h"
#include "install.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

/* The hash of the session id last given to this transaction, even if the session has ended. */
static bool presented = false;
static unsigned char presented_hash[crypto_hash_sha256_BYTES];

/* The hash of the caller's session id, if the caller has come in by one. */
static unsigned char session_hash[crypto_hash_sha256_BYTES];

/* How often the user of a login role is seen at most. */
#define SEEN_INTERVAL USECS_PER_HOUR

/* The user of a login role who was seen last, and when, as this backend has written it. */
static Ksuid seen_user;
static TimestampTz seen_at = DT_NOBEGIN;

static int session_timeout = 1800;
static int session_lifetime = 12 * 3600;
static int fresh_sign_on = 900;
static int api_key_lifetime = 365 * 24 * 3600;

static void forget_at_end(XactEvent event, void *arg);
static void forget_at_subxact_end(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *arg);
static Datum hash_datum(const unsigned char *hash);
static bool writes_aside(void);
static void refresh_session(Datum hash, TimestampTz until);
static void see(const Ksuid *user, TimestampTz since);
static bool find_session(Datum hash, bool used, Caller *found, TimestampTz *expires, TimestampTz *created);
static bool take_on(Datum hash);

/*
 * Registers settings, and the callback that forgets which session id was given.
 */
void
identity_session_init(void)
{
	DefineCustomIntVariable("murallink.session_timeout", "Time after which an unused session ends.", NULL,
							&session_timeout, 1800, 10, 30 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL,
							NULL);
	DefineCustomIntVariable("murallink.session_lifetime", "Time after which a session ends, even if it is used.", NULL,
							&session_lifetime, 12 * 3600, 10, 365 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.fresh_sign_on", "Time after login for which a sign-on counts as fresh.", NULL,
							&fresh_sign_on, 900, 10, 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.api_key_lifetime", "Longest time for which an API key is valid.", NULL,
							&api_key_lifetime, 365 * 24 * 3600, 3600, 3650 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL,
							NULL, NULL);
	RegisterXactCallback(forget_at_end, NULL);
	RegisterSubXactCallback(forget_at_subxact_end, NULL);
}

/*
 * Transaction callback: forgets which session id was given, and who was seen if
 * that was rolled back.
 */
static void
forget_at_end(XactEvent event, void *arg)
{
	presented = false;
	if (event == XACT_EVENT_ABORT)
		seen_at = DT_NOBEGIN;
}

/*
 * Subtransaction callback: forgets who was seen if that was rolled back.
 */
static void
forget_at_subxact_end(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		seen_at = DT_NOBEGIN;
}

/*
 * Returns a SHA-256 as a bytea.
 */
static Datum
hash_datum(const unsigned char *hash)
{
	bytea *result = palloc(VARHDRSZ + crypto_hash_sha256_BYTES);

	SET_VARSIZE(result, VARHDRSZ + crypto_hash_sha256_BYTES);
	memcpy(VARDATA(result), hash, crypto_hash_sha256_BYTES);
	return PointerGetDatum(result);
}

/*
 * Returns the SHA-256 of a session id or an API key as a bytea.
 */
Datum
identity_hash_of(const char *secret)
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *) secret, strlen(secret));
	return hash_datum(hash);
}

/*
 * Returns whether something can be written aside in this transaction.
 */
static bool
writes_aside(void)
{
	return !RecoveryInProgress() && !IsolationUsesXactSnapshot() && !IsInParallelMode() &&
		   SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA;
}

/*
 * Writes something that is no part of what a request does, if this is possible,
 * also for one that only reads: PostgREST runs it in a read-only transaction, which
 * protects against writes of the request, not against this one.  The statement must
 * skip rows that are locked, because no read may fail or wait for it.
 */
void
identity_write_aside(SavedPlan *plan, const Datum *values)
{
	bool read_only = XactReadOnly;

	if (!writes_aside())
		return;
	PG_TRY();
	{
		XactReadOnly = false;
		plan_execute(plan, values, NULL, 0);
	}
	PG_FINALLY();
	{
		XactReadOnly = read_only;
	}
	PG_END_TRY();
}

/*
 * Moves the end of a session, if this is possible.  A request that only reads
 * extends its session, too.
 */
static void
refresh_session(Datum hash, TimestampTz until)
{
	static SavedPlan refresh =
		PLAN("UPDATE murallink_private.session SET expires_at = $2 WHERE hash ="
			 " (SELECT hash FROM murallink_private.session WHERE hash = $1 FOR UPDATE SKIP LOCKED)",
			 "yz");
	Datum values[2] = {hash, TimestampTzGetDatum(until)};

	identity_write_aside(&refresh, values);
}

/*
 * Remembers that a user was seen now, if this is possible and the user was not
 * seen since a moment.  Assumes SPI_connect() and owner_enter().
 */
static void
see(const Ksuid *user, TimestampTz since)
{
	static SavedPlan seen =
		PLAN("UPDATE murallink_private.last_seen SET seen_at = pg_catalog.clock_timestamp() WHERE app_user_uid ="
			 " (SELECT app_user_uid FROM murallink_private.last_seen WHERE app_user_uid = $1"
			 " AND (seen_at > $2) IS NOT TRUE FOR UPDATE SKIP LOCKED)",
			 "kz");
	Datum values[2] = {KsuidPGetDatum(user), TimestampTzGetDatum(since)};

	identity_write_aside(&seen, values);
}

/*
 * Returns whether a user or a key that was last seen then is to be seen again: a
 * tenth of session_timeout has passed.
 */
bool
identity_long_ago(TimestampTz seen)
{
	return GetCurrentTimestamp() - seen > session_timeout * (USECS_PER_SEC / 10);
}

/*
 * Remembers that a user was seen now, if this is possible.  Assumes SPI_connect()
 * and owner_enter().
 */
void
identity_see_user(const Ksuid *user)
{
	see(user, GetCurrentTimestamp());
}

/*
 * Remembers that the user of the login role has called an action, once an hour.
 */
void
identity_role_seen(const Caller *who)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	Owner saved;

	if (who->by != BY_LOGIN_ROLE || !writes_aside() ||
		(ksuid_equal(&seen_user, &who->user) && seen_at > now - SEEN_INTERVAL))
		return;
	saved = owner_enter();
	SPI_connect();
	see(&who->user, now - SEEN_INTERVAL);
	SPI_finish();
	owner_leave(saved);
	seen_user = who->user;
	seen_at = now;
}

/*
 * murallink_private.see(user_uid): remembers that a user was seen now.  Raises
 * forbidden.
 */
PG_FUNCTION_INFO_V1(identity_see);
Datum
identity_see(PG_FUNCTION_ARGS)
{
	owner_require();
	SPI_connect();
	see(PG_GETARG_KSUID_P(0), GetCurrentTimestamp());
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * Finds the user of a session, and when the session ends and began.  Returns false
 * if the session does not exist, if its user is deactivated or was so since it
 * began, or if that holds for the admin who acts through it as another user, or
 * if this one is not an admin any more; also if it has ended by time, unless it is
 * used already.  Assumes SPI_connect() and owner_enter().
 */
static bool
find_session(Datum hash, bool used, Caller *found, TimestampTz *expires, TimestampTz *created)
{
	static SavedPlan find = PLAN("SELECT u.uid, u.user_role = 'admin', s.switched_by_uid, s.expires_at, s.created_at"
								 " FROM murallink_private.session s"
								 " JOIN murallink.app_user u ON u.uid = s.app_user_uid"
								 " WHERE s.hash = $1 AND murallink_private.active_since(u.deactivated, s.created_at)"
								 " AND ($3 OR s.expires_at > pg_catalog.clock_timestamp() AND s.created_at > $2)"
								 " AND (s.switched_by_uid IS NULL OR EXISTS (SELECT FROM murallink.app_user a"
								 " WHERE a.uid = s.switched_by_uid AND a.user_role = 'admin'"
								 " AND murallink_private.active_since(a.deactivated, s.created_at)))",
								 "yzb");
	Datum values[3] = {hash, TimestampTzGetDatum(GetCurrentTimestamp() - session_lifetime * USECS_PER_SEC),
					   BoolGetDatum(used)};
	HeapTuple row;
	TupleDesc desc;
	Datum datum;
	bool isnull;

	if (plan_execute_latest(&find, values, NULL, 1) != 1)
		return false;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	memset(found, 0, sizeof(*found));
	found->user = *DatumGetKsuidP(SPI_getbinval(row, desc, 1, &isnull));
	found->admin = DatumGetBool(SPI_getbinval(row, desc, 2, &isnull));
	found->by = BY_SESSION;
	datum = SPI_getbinval(row, desc, 3, &isnull);
	found->switched = !isnull;
	if (found->switched)
		found->switched_by = *DatumGetKsuidP(datum);
	*expires = DatumGetTimestampTz(SPI_getbinval(row, desc, 4, &isnull));
	*created = DatumGetTimestampTz(SPI_getbinval(row, desc, 5, &isnull));
	return true;
}

/*
 * Makes the user of a session the caller of this transaction.  Moves the
 * session's end if a tenth of session_timeout has passed, but not beyond
 * session_lifetime.  Returns false if find_session() finds none.
 */
static bool
take_on(Datum hash)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz expires;
	TimestampTz created;
	Caller found;
	bool exists;
	Owner saved = owner_enter();

	identity_looks_up();
	SPI_connect();
	exists = find_session(hash, false, &found, &expires, &created);
	if (exists)
	{
		TimestampTz fresh =
			Min(now + session_timeout * USECS_PER_SEC, created + session_lifetime * USECS_PER_SEC);

		if (fresh - expires > session_timeout * (USECS_PER_SEC / 10))
		{
			refresh_session(hash, fresh);
			see(found.switched ? &found.switched_by : &found.user, GetCurrentTimestamp());
		}
	}
	SPI_finish();
	owner_leave(saved);

	if (!exists)
		return false;
	memcpy(session_hash, VARDATA(DatumGetPointer(hash)), sizeof(session_hash));
	identity_become(&found);
	return true;
}

/*
 * Finds the user of the caller's session.  Returns false if there is
 * none any more.
 */
bool
identity_of_session(Caller *found)
{
	TimestampTz expires;
	TimestampTz created;
	bool exists;
	Owner saved = owner_enter();

	SPI_connect();
	exists = find_session(hash_datum(session_hash), true, found, &expires, &created);
	SPI_finish();
	owner_leave(saved);
	return exists;
}

/*
 * Makes the user of a session, or of an API key in its place, the caller of this
 * transaction.  Returns false if it does not exist or has ended.
 */
bool
identity_authenticate(const char *session_id)
{
	Datum hash;

	install_check();
	if (identity_is_api_key(session_id))
		return identity_authenticate_key(session_id);
	hash = identity_hash_of(session_id);
	memcpy(presented_hash, VARDATA(DatumGetPointer(hash)), sizeof(presented_hash));
	presented = true;
	return take_on(hash);
}

/*
 * murallink_private.open_session(app_user_uid): starts a session and returns its id,
 * which is not stored.
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
	values[0] = identity_hash_of(session_id);
	values[1] = PG_GETARG_DATUM(0);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp() + Min(session_timeout, session_lifetime) * USECS_PER_SEC);
	plan_execute(&insert, values, NULL, 0);
	SPI_finish();
	owner_leave(saved);
	PG_RETURN_TEXT_P(cstring_to_text(session_id));
}

/*
 * murallink_private.caller_session(): the hash of the caller's session, NULL for a
 * caller without one.  Raises unauthenticated.
 */
PG_FUNCTION_INFO_V1(identity_caller_session);
Datum
identity_caller_session(PG_FUNCTION_ARGS)
{
	if (identity_caller()->by != BY_SESSION)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(hash_datum(session_hash));
}

/*
 * murallink_private.reload_session(): makes the session's current user the caller.
 * Raises unauthenticated, also for a caller without a session.
 */
PG_FUNCTION_INFO_V1(identity_reload_session);
Datum
identity_reload_session(PG_FUNCTION_ARGS)
{
	if (identity_caller()->by != BY_SESSION || !take_on(hash_datum(session_hash)))
		ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, "session_id"));
	PG_RETURN_VOID();
}

/*
 * murallink_private.presented_session(): the hash of the session id that was given to
 * this transaction, even if the session has ended: by authenticate(), beside an
 * action, or in the Session-Id header.  NULL if there was none.
 */
PG_FUNCTION_INFO_V1(identity_presented_session);
Datum
identity_presented_session(PG_FUNCTION_ARGS)
{
	char *session_id;

	if (presented)
		PG_RETURN_DATUM(hash_datum(presented_hash));
	session_id = identity_request_header("session-id");
	if (session_id == NULL || session_id[0] == '\0')
		PG_RETURN_NULL();
	PG_RETURN_DATUM(identity_hash_of(session_id));
}
