/*
 * api_idempotency.c
 *	  Idempotency keys: a request that is repeated with the same key gets the
 *	  same answer, and is carried out once.  This file keeps the answers, and
 *	  says which request of the JSON protocol is the same; api_keyed.c does so
 *	  for functions that are called by themselves.
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

/* Actions whose answer has a secret, which may not be stored. */
static const char *const secret_answers[] = {"create_api_key", NULL};

static bool has_secret(const Request *request);
static ErrorName repeat_answer(const Datum *values, Jsonb **kept);

/*
 * Returns whether an action answers with a secret.
 */
bool
api_answers_secret(const char *action)
{
	for (const char *const *name = secret_answers; *name != NULL; name++)
		if (strcmp(action, *name) == 0)
			return true;
	return false;
}

/*
 * Returns whether a request brings a password, a token to set one, or a
 * partner's secrets, or is answered with a secret.
 */
static bool
has_secret(const Request *request)
{
	JsonbValue buffer;

	if (api_answers_secret(request->action))
		return true;
	if (request->payload == NULL)
		return false;
	for (const char *const *key = secret_keys; *key != NULL; key++)
		if (getKeyJsonValueFromContainer(request->payload->val.binary.data, *key, strlen(*key), &buffer) != NULL)
			return true;
	return false;
}

/*
 * Returns the SHA-256 of a text as a bytea.
 */
static bytea *
hash_text(const StringInfo text)
{
	bytea *hash = palloc(VARHDRSZ + crypto_hash_sha256_BYTES);

	SET_VARSIZE(hash, VARHDRSZ + crypto_hash_sha256_BYTES);
	crypto_hash_sha256((unsigned char *) VARDATA(hash), (const unsigned char *) text->data, text->len);
	return hash;
}

/*
 * Gets the answer to the first request of a caller with a key, or returns an
 * error: for another request with the same key, and if a grant of the caller
 * has ended since, because the answer may show what the caller may see no more.
 */
static ErrorName
repeat_answer(const Datum *values, Jsonb **kept)
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
		return ERR_IDEMPOTENCY_CONFLICT;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	ended = DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));
	/* While this request has waited for the first one, grants may have ended. */
	who = identity_caller();
	if (!permission_kept(&who->user, who->admin, ended))
		return ERR_FORBIDDEN;
	*kept = (Jsonb *) DatumGetPointer(
		SPI_datumTransfer(PointerGetDatum(PG_DETOAST_DATUM(SPI_getbinval(row, desc, 1, &isnull))), false, -1));
	return ERR_COUNT;
}

/*
 * Uses an idempotency key of the caller for a request, of which text says all
 * that makes it another one.  If it is the first with this key, `kept` is NULL.
 * A repeat waits for the first request to end, and gets its answer in `kept`.
 * Returns an error if the request is to be refused, else ERR_COUNT.
 */
ErrorName
api_use_key(const Caller *who, const char *key, const StringInfo text, Jsonb **kept)
{
	static SavedPlan insert = PLAN("INSERT INTO murallink_private.idempotency (app_user_uid, key, hash, ended_grants)"
								   " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
								   "ktyI");
	Ksuid user = who->user;
	Datum values[4] = {KsuidPGetDatum(&user), CStringGetTextDatum(key), PointerGetDatum(hash_text(text)),
					   Int64GetDatum(permission_ended(who))};
	ErrorName problem = ERR_COUNT;
	Owner saved = owner_enter();

	*kept = NULL;
	SPI_connect();
	if (plan_execute(&insert, values, NULL, 0) != 1)
		problem = repeat_answer(values, kept);
	SPI_finish();
	owner_leave(saved);
	return problem;
}

/*
 * Returns whether the caller uses the idempotency key of a request for the
 * first time; sets the outcome if the request is to be refused, or gets the
 * answer to the first one.  A request with a secret is carried out each time,
 * because neither a fast hash of it nor the session id that login answers may
 * be stored.
 */
bool
api_first_time(Request *request, Outcome *outcome, Jsonb **kept)
{
	const Caller *who = identity_caller_if_any();
	StringInfoData text;
	ErrorName problem;

	if (who == NULL)
	{
		api_fail(outcome, ERR_UNAUTHENTICATED, request->session_id != NULL ? "session_id" : "idempotency_key");
		return false;
	}
	if (has_secret(request))
		return false;
	request->keyed_by = who->user;
	initStringInfo(&text);
	appendStringInfo(&text, "%s\n", request->action);
	if (request->payload != NULL)
		(void) JsonbToCString(&text, request->payload->val.binary.data, request->payload->val.binary.len);
	problem = api_use_key(who, request->idempotency_key, &text, kept);
	if (problem != ERR_COUNT)
		api_fail(outcome, problem, "idempotency_key");
	return problem == ERR_COUNT && *kept == NULL;
}

/*
 * Stores the answer to a user's first request with a key, for repeats of it,
 * without a statement, because statements on that table are refused.
 */
void
api_keep_answer(const Ksuid *user, const char *key, Jsonb *kept)
{
	Datum keys[] = {KsuidPGetDatum(user), CStringGetTextDatum(key)};
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
