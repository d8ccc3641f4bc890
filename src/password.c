/*
 * password.c
 *	  Passwords, kept as Argon2id (libsodium).
 */
#include "postgres.h"

#include <sodium.h>

#include "error.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "password.h"
#include "secret.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#define PASSWORD_SHORTEST 8
#define PASSWORD_LONGEST 1024

/* Keys of the locks that hold down how many hashes run at once. */
#define HASH_LOCK_CLASS 0x6d6c
#define HASH_LOCK_KIND 4

static int password_memory = 19456;
static int password_passes = 2;
static int passwords_at_once = 2;

static void hash_lock_tag(LOCKTAG *tag);
static char *password_argument(FunctionCallInfo fcinfo);

/*
 * Registers the cost of a password hash.  The least values are OWASP's.
 */
void
password_init(void)
{
	DefineCustomIntVariable("murallink.password_memory", "Memory that hashing a password takes.", NULL,
							&password_memory, 19456, 19456, 4194304, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL,
							NULL);
	DefineCustomIntVariable("murallink.password_passes", "Passes that hashing a password makes.", NULL,
							&password_passes, 2, 2, 100, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.passwords_at_once", "Passwords hashed at the same time in one database.",
							NULL, &passwords_at_once, 2, 1, 1000, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * Names one of the locks of which a hash must hold one: so many logins at
 * once cannot take all memory and processors.
 */
static void
hash_lock_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, HASH_LOCK_CLASS, MyProcPid % passwords_at_once,
						 HASH_LOCK_KIND);
}

/*
 * Returns the password in the first argument, of the field named in the
 * second, as a string.  Raises missing_field, or weak_password outside of the
 * lengths allowed.
 */
static char *
password_argument(FunctionCallInfo fcinfo)
{
	const char *field = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	text *password = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	int len = password == NULL ? 0 : VARSIZE_ANY_EXHDR(password);

	secret_hide_statement();
	if (len == 0)
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, field));
	if (len < PASSWORD_SHORTEST || len > PASSWORD_LONGEST)
		ereport(ERROR, errnamed(ERR_WEAK_PASSWORD, field));
	return text_to_cstring(password);
}

/*
 * murallink.password_hash(password, field): its Argon2id hash.  Raises
 * missing_field or weak_password.
 */
PG_FUNCTION_INFO_V1(password_hash);
Datum
password_hash(PG_FUNCTION_ARGS)
{
	char *password = password_argument(fcinfo);
	char hash[crypto_pwhash_STRBYTES];
	LOCKTAG tag;
	int failed;

	if (sodium_init() < 0)
		elog(ERROR, "libsodium could not be initialized");
	hash_lock_tag(&tag);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	failed = crypto_pwhash_str_alg(hash, password, strlen(password), password_passes,
								   (size_t) password_memory * 1024, crypto_pwhash_ALG_ARGON2ID13);
	LockRelease(&tag, ExclusiveLock, false);
	sodium_memzero(password, strlen(password));
	if (failed)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				errdetail("Hashing a password needs %d kB.", password_memory));
	PG_RETURN_TEXT_P(cstring_to_text(hash));
}

/*
 * murallink.password_matches(hash, password): whether the password is the
 * one.  Without a hash it takes as long and is false: an e-mail address that
 * is not known costs the same time as a wrong password.
 */
PG_FUNCTION_INFO_V1(password_matches);
Datum
password_matches(PG_FUNCTION_ARGS)
{
	text *password;
	int len;
	LOCKTAG tag;
	bool matches;

	secret_hide_statement();
	if (PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	password = PG_GETARG_TEXT_PP(1);
	len = VARSIZE_ANY_EXHDR(password);
	if (sodium_init() < 0)
		elog(ERROR, "libsodium could not be initialized");
	len = Min(len, PASSWORD_LONGEST + 1);
	hash_lock_tag(&tag);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	if (PG_ARGISNULL(0))
	{
		char unused[crypto_pwhash_STRBYTES];

		matches = crypto_pwhash_str_alg(unused, VARDATA_ANY(password), len, password_passes,
										(size_t) password_memory * 1024, crypto_pwhash_ALG_ARGON2ID13) > 0;
	}
	else
		matches = crypto_pwhash_str_verify(text_to_cstring(PG_GETARG_TEXT_PP(0)), VARDATA_ANY(password),
										   len) == 0;
	LockRelease(&tag, ExclusiveLock, false);
	PG_RETURN_BOOL(matches);
}
