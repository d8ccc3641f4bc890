/*
 * api_idempotency.c
 *	  A request that is repeated with the same idempotency key gets the same
 *	  answer, and is carried out once.
 */
#include "postgres.h"

#include <sodium.h>

#include "api.h"
#include "identity.h"
#include "install.h"
#include "install_row.h"
#include "permission.h"
#include "secret.h"
#include "utils/builtins.h"

/* The columns of murallink_private.idempotency, by their number from 0. */
enum KeptColumn
{
	KEPT_APP_USER,
	KEPT_KEY,
	KEPT_HASH,
	KEPT_ANSWER,
	KEPT_CREATED_AT,
	KEPT_ENDED_GRANTS,
	KEPT_COLUMNS
};

static bool has_secret(const Request *request);
static bytea *hash_request(const Request *request);
static void repeat_answer(const Datum *values, Outcome *outcome, Jsonb **kept);

/*
 * Returns whether a request brings a password, a token to set one, or a
 * partner's secrets.
 */
static bool
has_secret(const Request *request)
{
	JsonbValue buffer;

	if (request->payload == NULL)
		return false;
	for (const char *const *key = secret_keys; *key != NULL; key++)
		if (getKeyJsonValueFromContainer(request->payload->val.binary.data, *key, strlen(*key), &buffer) != NULL)
			return true;
	return false;
}

/*
 * Returns the SHA-256 of the action and the payload of a request.  The caller
 * is stored beside it.
 */
static bytea *
hash_request(const Request *request)
{
	bytea *hash = palloc(VARHDRSZ + crypto_hash_sha256_BYTES);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s\n", request->action);
	if (request->payload != NULL)
		(void) JsonbToCString(&text, request->payload->val.binary.data, request->payload->val.binary.len);
	SET_VARSIZE(hash, VARHDRSZ + crypto_hash_sha256_BYTES);
	crypto_hash_sha256((unsigned char *) VARDATA(hash), (const unsigned char *) text.data, text.len);
	return hash;
}

/*
 * Gets the answer to the first request of a caller with a key, or sets the
 * outcome: for another request with the same key, and if a grant of the caller
 * has ended since, because the answer may show what the caller may see no more.
 */
static void
repeat_answer(const Datum *values, Outcome *outcome, Jsonb **kept)
{
	static SavedPlan select = PLAN("SELECT answer, ended_grants FROM murallink_private.idempotency"
								   " WHERE app_user_uid = $1 AND key = $2 AND hash = $3",
								   "kty");
	const Caller *who;
	HeapTuple row;
	TupleDesc desc;
	int64 ended;
	bool isnull;

	if (plan_execute(&select, values, NULL, 1) != 1)
	{
		api_fail(outcome, ERR_IDEMPOTENCY_CONFLICT, "idempotency_key");
		return;
	}
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	ended = DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));
	/* While this request has waited for the first one, grants may have ended. */
	who = identity_caller();
	if (permission_kept(&who->user, who->admin, ended))
		*kept = (Jsonb *) DatumGetPointer(
			SPI_datumTransfer(PointerGetDatum(PG_DETOAST_DATUM(SPI_getbinval(row, desc, 1, &isnull))), false, -1));
	else
		api_fail(outcome, ERR_FORBIDDEN, "idempotency_key");
}

/*
 * Returns whether the caller uses the idempotency key for the first time.  A
 * repeat waits for the first request to end, and gets its answer in `kept`;
 * for another request with the same key, sets the outcome.  A request with a
 * secret is carried out each time, because neither a fast hash of it nor the
 * session id that login answers may be stored.
 */
bool
api_first_time(Request *request, Outcome *outcome, Jsonb **kept)
{
	static SavedPlan insert = PLAN("INSERT INTO murallink_private.idempotency (app_user_uid, key, hash, ended_grants)"
								   " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
								   "ktyI");
	const Caller *who = identity_caller_if_any();
	Datum values[4];
	bool first;
	Owner saved;

	if (who == NULL)
	{
		api_fail(outcome, ERR_UNAUTHENTICATED, request->session_id != NULL ? "session_id" : "idempotency_key");
		return false;
	}
	if (has_secret(request))
		return false;
	request->keyed_by = who->user;
	values[0] = KsuidPGetDatum(&request->keyed_by);
	values[1] = CStringGetTextDatum(request->idempotency_key);
	values[2] = PointerGetDatum(hash_request(request));
	values[3] = Int64GetDatum(permission_ended(who));
	saved = owner_enter();
	SPI_connect();
	first = plan_execute(&insert, values, NULL, 0) == 1;
	if (!first)
		repeat_answer(values, outcome, kept);
	SPI_finish();
	owner_leave(saved);
	return first;
}

/*
 * Stores the answer for repeats of the request, without a statement, because
 * statements on that table are refused.
 */
void
api_keep_answer(const Request *request, Jsonb *kept)
{
	Datum keys[] = {KsuidPGetDatum(&request->keyed_by), CStringGetTextDatum(request->idempotency_key)};
	Datum values[KEPT_COLUMNS];
	bool nulls[KEPT_COLUMNS];
	RowScan scan;
	Owner saved = owner_enter();

	row_begin(&scan, "idempotency_pkey", RowExclusiveLock, KEPT_COLUMNS, keys, lengthof(keys));
	if (!row_next(&scan))
		elog(ERROR, "murallink: the request to be answered is gone");
	for (int i = 0; i < KEPT_COLUMNS; i++)
		values[i] = row_value(&scan, i, &nulls[i]);
	values[KEPT_ANSWER] = JsonbPGetDatum(kept);
	nulls[KEPT_ANSWER] = false;
	row_replace(&scan, values, nulls);
	row_end(&scan);
	owner_leave(saved);
}
