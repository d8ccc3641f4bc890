/*
 * password_reset.c
 *	  Tokens for users who forgot their password: unpredictable digits,
 *	  compared in constant time.
 */
#include "postgres.h"

#include <sodium.h>

#include "fmgr.h"
#include "password_reset.h"
#include "utils/builtins.h"
#include "utils/guc.h"

static int token_digits = 12;
static int token_lifetime = 900;
static int token_tries = 5;
static int requests_per_hour = 5;
static bool expose_tokens = false;

/*
 * Registers the settings.
 */
void
password_reset_init(void)
{
	DefineCustomIntVariable("murallink.reset_token_digits", "Digits of a token to reset a password.", NULL, &token_digits,
							12, 4, 20, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.reset_token_lifetime", "Time for which a token to reset a password is valid.", NULL,
							&token_lifetime, 900, 10, 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.reset_token_tries", "Wrong guesses after which a token is invalid.", NULL,
							&token_tries, 5, 1, 100, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.reset_requests_per_hour",
							"Number of tokens to reset a password that an account gets in an hour.", NULL, &requests_per_hour, 5, 1,
							100, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("murallink.expose_reset_tokens", "Shows tokens to admins; for test systems only.", NULL,
							 &expose_tokens, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * murallink_private.random_digits(count): digits from the system's strong random
 * source, all equally likely.
 */
PG_FUNCTION_INFO_V1(password_reset_random_digits);
Datum
password_reset_random_digits(PG_FUNCTION_ARGS)
{
	int count = Max(PG_GETARG_INT32(0), 0);
	text *result = palloc(VARHDRSZ + count);
	char *digits = VARDATA(result);

	if (sodium_init() < 0)
		elog(ERROR, "libsodium could not be initialized");
	SET_VARSIZE(result, VARHDRSZ + count);
	for (int i = 0; i < count; i++)
		digits[i] = '0' + randombytes_uniform(10);
	PG_RETURN_TEXT_P(result);
}

/*
 * murallink_private.same_secret(secret, tried): whether both are equal, in a time that
 * does not depend on how many bytes agree.
 */
PG_FUNCTION_INFO_V1(password_reset_same_secret);
Datum
password_reset_same_secret(PG_FUNCTION_ARGS)
{
	text *secret = PG_GETARG_TEXT_PP(0);
	text *tried = PG_GETARG_TEXT_PP(1);
	int len = VARSIZE_ANY_EXHDR(secret);

	PG_RETURN_BOOL(VARSIZE_ANY_EXHDR(tried) == len &&
				   sodium_memcmp(VARDATA_ANY(secret), VARDATA_ANY(tried), len) == 0);
}
