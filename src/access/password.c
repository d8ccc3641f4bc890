/*
 * password.c
 *	  Passwords, kept as Argon2id (libsodium).
 */
#include "postgres.h"

#include <sodium.h>
#include <unicode/unorm2.h>

#include "error.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "password.h"
#include "secret.h"
#include "storage/lock.h"
#include "text.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/pg_locale.h"

#define PASSWORD_SHORTEST 8
#define PASSWORD_LONGEST 1024

/* A text with more bytes is too long in every form. */
#define FORM_LONGEST (4 * PASSWORD_LONGEST)

/*
 * The least costs of a hash, which are OWASP's.  Only the build for the tests
 * takes less, because they hash a thousand passwords.
 */
#ifdef MURALLINK_CRASH_POINTS
#define LEAST_MEMORY 8
#define LEAST_PASSES 1
#else
#define LEAST_MEMORY 19456
#define LEAST_PASSES 2
#endif

/* Keys of the locks that limit how many hashes run at once. */
#define HASH_LOCK_CLASS 0x6d6c
#define HASH_LOCK_KIND 4

static int password_memory = 19456;
static int password_passes = 2;
static int passwords_at_once = 2;

static void slot_tag(LOCKTAG *tag, int slot);
static bool take_hash_slot(bool known);
static void leave_hash_slot(void);
static bool take_if_free(int slot);
static char *password_form(const text *password);
static char *password_argument(FunctionCallInfo fcinfo);

/*
 * Registers settings.
 */
void
password_init(void)
{
	DefineCustomIntVariable("murallink.password_memory", "Memory that is used to hash a password.", NULL,
							&password_memory, 19456, LEAST_MEMORY, 4194304, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL,
							NULL);
	DefineCustomIntVariable("murallink.password_passes", "Number of passes that are made to hash a password.", NULL,
							&password_passes, 2, LEAST_PASSES, 100, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.passwords_at_once", "Number of passwords hashed at the same time in one database.",
							NULL, &passwords_at_once, 2, 1, 1000, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * Sets the tag of one of the locks.  Each hash must hold one of them, so that
 * many logins at once cannot use all memory and processors.
 */
static void
slot_tag(LOCKTAG *tag, int slot)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, HASH_LOCK_CLASS, slot, HASH_LOCK_KIND);
}

/*
 * Takes a slot for hashing passwords until leave_hash_slot() or the end of the
 * transaction; if this backend has one, takes it once more.  Returns false if
 * none is free.  The last slot is reserved for known callers, so that many
 * unknown ones cannot keep them out.
 */
static bool
take_hash_slot(bool known)
{
	LOCKTAG tag;

	for (int i = 0; i <= passwords_at_once; i++)
	{
		slot_tag(&tag, i);
		if (LockHeldByMe(&tag, ExclusiveLock))
			return take_if_free(i);
	}
	for (int i = 0; i < passwords_at_once; i++)
	{
		if (take_if_free((MyProcPid + i) % passwords_at_once))
			return true;
	}
	return known && take_if_free(passwords_at_once);
}

/*
 * Takes one slot.  Returns false if another backend has it.
 */
static bool
take_if_free(int slot)
{
	LOCKTAG tag;

	slot_tag(&tag, slot);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Releases the slot that take_hash_slot() took last.
 */
static void
leave_hash_slot(void)
{
	LOCKTAG tag;

	for (int i = 0; i <= passwords_at_once; i++)
	{
		slot_tag(&tag, i);
		if (LockHeldByMe(&tag, ExclusiveLock))
		{
			LockRelease(&tag, ExclusiveLock, false);
			return;
		}
	}
}

/*
 * murallink_private.take_hash_slot(known): takes a slot for several steps.  Returns
 * false if none is free.
 */
PG_FUNCTION_INFO_V1(password_take_hash_slot);
Datum
password_take_hash_slot(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(take_hash_slot(PG_GETARG_BOOL(0)));
}

/*
 * murallink_private.leave_hash_slot(): releases it.
 */
PG_FUNCTION_INFO_V1(password_leave_hash_slot);
Datum
password_leave_hash_slot(PG_FUNCTION_ARGS)
{
	leave_hash_slot();
	PG_RETURN_VOID();
}

/*
 * Returns a password in the form that is hashed: in NFC, with a space for each
 * other blank (RFC 8265, OpaqueString), because keyboards write the same
 * letter in several ways.
 */
static char *
password_form(const text *password)
{
	const char *bytes = VARDATA_ANY(password);
	int len = VARSIZE_ANY_EXHDR(password);
	UErrorCode status = U_ZERO_ERROR;
	UChar *given, *normal;
	int32 count, size;
	char *result;

	if (len > FORM_LONGEST || text_is_ascii(bytes, len))
		return text_to_cstring(password);
	count = icu_to_uchar(&given, bytes, len);
	for (int32 i = 0; i < count; i++)
		if (given[i] > 0x7f && text_is_blank(given[i]))
			given[i] = ' ';
	size = text_normalized(unorm2_getNFCInstance(&status), given, count, &normal);
	icu_from_uchar(&result, normal, size);
	sodium_memzero(given, count * sizeof(UChar));
	sodium_memzero(normal, size * sizeof(UChar));
	return result;
}

/*
 * Returns the password in the first argument as a string.  Raises
 * missing_field, or weak_password if its length is not allowed, for the field
 * named in the second argument.
 */
static char *
password_argument(FunctionCallInfo fcinfo)
{
	const char *field = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *password;
	int len;

	secret_hide_statement();
	password = PG_ARGISNULL(0) ? NULL : password_form(PG_GETARG_TEXT_PP(0));
	len = password == NULL ? 0 : strlen(password);
	if (len == 0)
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, field));
	if (len < PASSWORD_SHORTEST || len > PASSWORD_LONGEST)
		ereport(ERROR, errnamed(ERR_WEAK_PASSWORD, field));
	return password;
}

/*
 * murallink_private.password_hash(password, field, known): its Argon2id hash.  known:
 * whether the client has logged in before.  Raises missing_field,
 * weak_password or busy.
 */
PG_FUNCTION_INFO_V1(password_hash);
Datum
password_hash(PG_FUNCTION_ARGS)
{
	char *password = password_argument(fcinfo);
	char hash[crypto_pwhash_STRBYTES];
	int failed;

	if (sodium_init() < 0)
		elog(ERROR, "libsodium could not be initialized");
	if (!take_hash_slot(PG_GETARG_BOOL(2)))
		ereport(ERROR, errnamed(ERR_BUSY, NULL));
	failed = crypto_pwhash_str_alg(hash, password, strlen(password), password_passes,
								   (size_t) password_memory * 1024, crypto_pwhash_ALG_ARGON2ID13);
	leave_hash_slot();
	sodium_memzero(password, strlen(password));
	if (failed)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				errdetail("Hashing a password needs %d kB.", password_memory));
	PG_RETURN_TEXT_P(cstring_to_text(hash));
}

/*
 * murallink_private.password_matches(hash, password): whether the password is the one
 * that was hashed.  Without a hash the result is false after the same time, so
 * that an unknown e-mail address takes as long as a wrong password.  Raises
 * busy.
 */
PG_FUNCTION_INFO_V1(password_matches);
Datum
password_matches(PG_FUNCTION_ARGS)
{
	char *password;
	int len;
	bool matches;

	secret_hide_statement();
	if (PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	password = password_form(PG_GETARG_TEXT_PP(1));
	if (sodium_init() < 0)
		elog(ERROR, "libsodium could not be initialized");
	len = Min(strlen(password), PASSWORD_LONGEST + 1);
	if (!take_hash_slot(false))
		ereport(ERROR, errnamed(ERR_BUSY, NULL));
	if (PG_ARGISNULL(0))
	{
		char unused[crypto_pwhash_STRBYTES];

		matches = crypto_pwhash_str_alg(unused, password, len, password_passes,
										(size_t) password_memory * 1024, crypto_pwhash_ALG_ARGON2ID13) > 0;
	}
	else
		matches = crypto_pwhash_str_verify(text_to_cstring(PG_GETARG_TEXT_PP(0)), password, len) == 0;
	leave_hash_slot();
	sodium_memzero(password, strlen(password));
	PG_RETURN_BOOL(matches);
}
