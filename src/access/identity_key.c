/*
 * identity_key.c
 *	  API keys: a service, which is a user without a password, is the caller by a
 *	  key in place of a session id.  The table has only the SHA-256 of a key.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "identity_part.h"
#include "utils/timestamp.h"

/* How each key begins, so that it is known from a session id, and found where it was left by mistake. */
#define KEY_PREFIX "mlk_"

/* The hash of the caller's key, if the caller has come in by one. */
static Datum key_hash = (Datum) 0;
static char key_bytes[VARHDRSZ + 32];

static bool find_key(Datum hash, Caller *found, TimestampTz *used_at);

/*
 * Returns whether a text that was sent as a session id is an API key.
 */
bool
identity_is_api_key(const char *session_id)
{
	return strncmp(session_id, KEY_PREFIX, strlen(KEY_PREFIX)) == 0;
}

/*
 * Finds the service of a key, and when the key was last used.  Returns false if there is
 * no such key, if it has ended or was revoked, or if the service is deactivated or
 * was so since the key was made.  Assumes SPI_connect() and owner_enter().
 */
static bool
find_key(Datum hash, Caller *found, TimestampTz *used_at)
{
	static SavedPlan find = PLAN("SELECT u.uid, e.used_at FROM murallink_private.api_key k"
								 " JOIN murallink_private.api_key_use e ON e.api_key_uid = k.uid"
								 " JOIN murallink.app_user u ON u.uid = k.app_user_uid"
								 " WHERE k.hash = $1 AND k.ended_at IS NULL AND k.until > pg_catalog.clock_timestamp()"
								 " AND murallink_private.active_since(u.deactivated, k.created_at)",
								 "y");
	Datum used;
	bool isnull;

	if (plan_execute_latest(&find, &hash, NULL, 1) != 1)
		return false;
	memset(found, 0, sizeof(*found));
	found->by = BY_API_KEY;
	found->user = *DatumGetKsuidP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	used = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	*used_at = isnull ? 0 : DatumGetTimestampTz(used);
	return true;
}

/*
 * Makes the service of a key the caller of this transaction, and remembers now and
 * then that the key is used.  Returns false if find_key() finds none.
 */
bool
identity_authenticate_key(const char *key)
{
	static SavedPlan use =
		PLAN("UPDATE murallink_private.api_key_use SET used_at = pg_catalog.clock_timestamp() WHERE api_key_uid ="
			 " (SELECT e.api_key_uid FROM murallink_private.api_key_use e"
			 " JOIN murallink_private.api_key k ON k.uid = e.api_key_uid WHERE k.hash = $1 FOR UPDATE OF e SKIP LOCKED)",
			 "y");
	Datum hash = identity_hash_of(key);
	TimestampTz used_at;
	Caller found;
	bool exists;
	Owner saved = owner_enter();

	identity_looks_up();
	SPI_connect();
	exists = find_key(hash, &found, &used_at);
	if (exists && identity_long_ago(used_at))
	{
		identity_write_aside(&use, &hash);
		identity_see_user(&found.user);
	}
	SPI_finish();
	owner_leave(saved);

	if (!exists)
		return false;
	memcpy(key_bytes, DatumGetPointer(hash), sizeof(key_bytes));
	key_hash = PointerGetDatum(key_bytes);
	identity_become(&found);
	return true;
}

/*
 * Finds the service of the caller's key.  Returns false if there is none any more.
 */
bool
identity_of_key(Caller *found)
{
	TimestampTz used_at;
	bool exists;
	Owner saved = owner_enter();

	SPI_connect();
	exists = find_key(key_hash, found, &used_at);
	SPI_finish();
	owner_leave(saved);
	return exists;
}
