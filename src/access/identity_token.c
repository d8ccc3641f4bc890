/*
 * identity_token.c
 *	  Sign-on by an identity provider: the issuer and the subject of a token are an
 *	  identity, which is bound to a user.  identity_claims.c reads the token.
 */
#include "postgres.h"

#include "error.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "identity_part.h"
#include "identity_token.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* The caller's identity, if the caller has come in by a token. */
static Ksuid bound;
static TimestampTz token_issued;
static TimestampTz token_signed_on;
static bool token_mfa;

static bool find_identity(const Token *token, Caller *found, TimestampTz *seen_at);
static void bind_by_email(const Token *token);

/*
 * Raises unauthenticated for a token, with a hint that says why.
 */
void
identity_refuse_token(const char *hint)
{
	ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, "token"), errhint("%s", hint));
}

/*
 * Finds the user to whom the identity of a token is bound, and when the user was last
 * seen, and remembers the identity.  Returns false if there is none, or if the user
 * is deactivated or was so since the token was issued.  Assumes SPI_connect() and
 * owner_enter().
 */
static bool
find_identity(const Token *token, Caller *found, TimestampTz *seen_at)
{
	static SavedPlan find = PLAN("SELECT u.uid, u.user_role = 'admin', i.uid, l.seen_at FROM murallink_private.identity i"
								 " JOIN murallink.app_user u ON u.uid = i.app_user_uid"
								 " LEFT JOIN murallink_private.last_seen l ON l.app_user_uid = u.uid"
								 " WHERE i.issuer = $1 AND i.subject = $2 AND i.ended_at IS NULL"
								 " AND murallink_private.active_since(u.deactivated, $3)",
								 "ttz");
	Datum values[3] = {CStringGetTextDatum(token->issuer), CStringGetTextDatum(token->subject),
					   TimestampTzGetDatum(token->issued)};
	HeapTuple row;
	TupleDesc desc;
	Datum seen;
	bool isnull;

	if (plan_execute_latest(&find, values, NULL, 1) != 1)
		return false;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	memset(found, 0, sizeof(*found));
	found->by = BY_TOKEN;
	found->user = *DatumGetKsuidP(SPI_getbinval(row, desc, 1, &isnull));
	found->admin = DatumGetBool(SPI_getbinval(row, desc, 2, &isnull));
	bound = *DatumGetKsuidP(SPI_getbinval(row, desc, 3, &isnull));
	seen = SPI_getbinval(row, desc, 4, &isnull);
	*seen_at = isnull ? 0 : DatumGetTimestampTz(seen);
	return true;
}

/*
 * Binds the identity of a token to the user who has its verified e-mail address, if
 * neither was ever bound at this issuer.  Not to an administrator, and not to a user
 * with a password: somebody else may have registered that address.  Assumes
 * SPI_connect() and owner_enter().
 */
static void
bind_by_email(const Token *token)
{
	static SavedPlan bind =
		PLAN("INSERT INTO murallink_private.identity (app_user_uid, issuer, subject, note)"
			 " SELECT u.uid, $1, $2, 'by the e-mail address ' || $3 FROM murallink.app_user u"
			 " WHERE u.email = $3 AND u.kind = 'person' AND u.user_role = 'user'"
			 " AND murallink_private.active_since(u.deactivated, $4)"
			 " AND NOT EXISTS (SELECT FROM murallink_private.credential c WHERE c.app_user_uid = u.uid)"
			 " AND NOT EXISTS (SELECT FROM murallink_private.identity i"
			 " WHERE i.issuer = $1 AND (i.app_user_uid = u.uid OR i.subject = $2))"
			 " ON CONFLICT DO NOTHING",
			 "tttz");
	Datum values[4] = {CStringGetTextDatum(token->issuer), CStringGetTextDatum(token->subject),
					   CStringGetTextDatum(token->email), TimestampTzGetDatum(token->issued)};

	identity_write_aside(&bind, values);
}

/*
 * Makes the user of a token the caller of this transaction.  Raises unauthenticated
 * if the token is not accepted, if its identity is bound to nobody who is active, or
 * if the user is an administrator and has not signed on by several factors.
 */
void
identity_authenticate_token(const char *text)
{
	Token token = {0};
	TimestampTz seen_at;
	Caller found;
	bool exists;
	Owner saved;

	install_check();
	identity_read_token(text, &token);
	saved = owner_enter();
	identity_looks_up();
	SPI_connect();
	exists = find_identity(&token, &found, &seen_at);
	if (!exists && token.email != NULL)
	{
		bind_by_email(&token);
		exists = find_identity(&token, &found, &seen_at);
	}
	if (exists && identity_long_ago(seen_at))
		identity_see_user(&found.user);
	SPI_finish();
	owner_leave(saved);

	if (!exists)
		identity_refuse_token("Your account of the identity provider is bound to no active user: ask an administrator.");
	if (found.admin && !identity_admin_may_sign_on(token.mfa))
		identity_refuse_token("Administrators sign on by several factors: the claim amr must have mfa.");
	token_issued = token.issued;
	token_signed_on = token.signed_on;
	token_mfa = token.mfa;
	identity_become(&found);
}

/*
 * Finds the user of the caller's token.  Returns false if there is none any more.
 */
bool
identity_of_token(Caller *found)
{
	static SavedPlan find = PLAN("SELECT u.uid, u.user_role = 'admin' FROM murallink_private.identity i"
								 " JOIN murallink.app_user u ON u.uid = i.app_user_uid"
								 " WHERE i.uid = $1 AND i.ended_at IS NULL"
								 " AND murallink_private.active_since(u.deactivated, $2)",
								 "kz");
	Datum values[2] = {KsuidPGetDatum(&bound), TimestampTzGetDatum(token_issued)};
	bool isnull;
	bool exists;
	Owner saved = owner_enter();

	SPI_connect();
	exists = plan_execute_latest(&find, values, NULL, 1) == 1;
	if (exists)
	{
		memset(found, 0, sizeof(*found));
		found->by = BY_TOKEN;
		found->user = *DatumGetKsuidP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		found->admin = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	}
	SPI_finish();
	owner_leave(saved);
	return exists && (!found->admin || identity_admin_may_sign_on(token_mfa));
}

/*
 * murallink_private.caller_signed_on(): when the caller, who has come in by a token, has
 * signed on at the identity provider; NULL if the token does not say so, and for other
 * callers.  Raises unauthenticated.
 */
PG_FUNCTION_INFO_V1(identity_caller_signed_on);
Datum
identity_caller_signed_on(PG_FUNCTION_ARGS)
{
	if (identity_caller()->by != BY_TOKEN || token_signed_on == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(token_signed_on);
}

/*
 * murallink_private.is_issuer(name): whether tokens of an issuer are accepted.
 */
PG_FUNCTION_INFO_V1(identity_is_issuer);
Datum
identity_is_issuer(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(identity_accepts_issuer(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
