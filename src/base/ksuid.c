/*
 * ksuid.c
 *	  The type ksuid: input and output, generation, comparison, casts.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "ksuid.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/sortsupport.h"
#include "utils/timestamp.h"

/*
 * Between text and bytes a ksuid is a number in limbs of 32 bits, the most
 * significant first.  Five digits go in and out at a time, since 62^5 is the
 * greatest power that fits a limb; 27 digits are one group of two, then five
 * groups of five.
 */
#define LIMBS ((int) (KSUID_LEN / sizeof(uint32)))
#define GROUP_DIGITS 5
#define GROUP_BASE UINT64CONST(916132832) /* 62^5 */
#define FIRST_GROUP_END (KSUID_TEXT_LEN % GROUP_DIGITS)

/* From Unix time to the time of PostgreSQL, in seconds */
#define POSTGRES_EPOCH ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static const char base62_digit[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void take_random(uint8 *bytes);
static int base62_value(char digit);
static int ksuid_sort_compare(Datum x, Datum y, SortSupport ssup);
static Datum ksuid_abbrev_convert(Datum original, SortSupport ssup);
static bool ksuid_abbrev_abort(int memtupcount, SortSupport ssup);

PG_FUNCTION_INFO_V1(ksuid_in);
PG_FUNCTION_INFO_V1(ksuid_out);
PG_FUNCTION_INFO_V1(ksuid_recv);
PG_FUNCTION_INFO_V1(ksuid_send);
PG_FUNCTION_INFO_V1(gen_ksuid);
PG_FUNCTION_INFO_V1(ksuid_timestamp);
PG_FUNCTION_INFO_V1(ksuid_from_timestamp);
PG_FUNCTION_INFO_V1(ksuid_from_bytea);
PG_FUNCTION_INFO_V1(ksuid_lt);
PG_FUNCTION_INFO_V1(ksuid_le);
PG_FUNCTION_INFO_V1(ksuid_eq);
PG_FUNCTION_INFO_V1(ksuid_ge);
PG_FUNCTION_INFO_V1(ksuid_gt);
PG_FUNCTION_INFO_V1(ksuid_ne);
PG_FUNCTION_INFO_V1(ksuid_cmp);
PG_FUNCTION_INFO_V1(ksuid_smaller);
PG_FUNCTION_INFO_V1(ksuid_larger);
PG_FUNCTION_INFO_V1(ksuid_sortsupport);
PG_FUNCTION_INFO_V1(ksuid_hash);
PG_FUNCTION_INFO_V1(ksuid_hash_extended);

/*
 * take_random fills in random bytes of a ksuid.  They are read for many ksuids at
 * once, and used once.  Raises an error if the system's random source fails.
 */
static void
take_random(uint8 *bytes)
{
	static uint8 kept[KSUID_RANDOM_LEN * 32];
	static int left = 0;
	static int owner = 0;

	/* Another child may have the same numbers from the parent process. */
	if (owner != MyProcPid || left == 0)
	{
		left = 0;
		if (!pg_strong_random(kept, sizeof(kept)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		owner = MyProcPid;
		left = sizeof(kept);
	}
	left -= KSUID_RANDOM_LEN;
	memcpy(bytes, kept + left, KSUID_RANDOM_LEN);
	explicit_bzero(kept + left, KSUID_RANDOM_LEN);
}

/*
 * ksuid_generate makes a new ksuid of the current time.  The 32 bits of
 * seconds last until 2150.  Raises an error if the system's random source
 * fails.
 */
void
ksuid_generate(Ksuid *ksuid)
{
	int64 unix_time = GetCurrentTimestamp() / USECS_PER_SEC + POSTGRES_EPOCH;
	uint32 seconds = pg_hton32((uint32) (unix_time - KSUID_EPOCH));

	memcpy(ksuid->bytes, &seconds, KSUID_TIME_LEN);
	take_random(ksuid->bytes + KSUID_TIME_LEN);
}

/*
 * ksuid_parse reads the text of a ksuid, which need not end in a zero byte.
 * Returns false, leaving *ksuid alone, unless it is 27 digits of base 62 whose
 * number fits 160 bits.
 */
bool
ksuid_parse(const char *text, size_t len, Ksuid *ksuid)
{
	uint32 limb[LIMBS] = {0};
	int i = 0;

	if (len != KSUID_TEXT_LEN)
		return false;

	for (int end = FIRST_GROUP_END; end <= KSUID_TEXT_LEN; end += GROUP_DIGITS)
	{
		uint64 carry = 0;

		for (; i < end; i++)
		{
			int value = base62_value(text[i]);

			if (value < 0)
				return false;
			carry = carry * 62 + value;
		}

		for (int j = LIMBS - 1; j >= 0; j--)
		{
			carry += limb[j] * GROUP_BASE;
			limb[j] = (uint32) carry;
			carry >>= 32;
		}
		if (carry > 0)
			return false;
	}

	for (int j = 0; j < LIMBS; j++)
		limb[j] = pg_hton32(limb[j]);
	memcpy(ksuid->bytes, limb, KSUID_LEN);
	return true;
}

/*
 * ksuid_format writes the text of a ksuid, 27 characters and a zero byte.
 */
void
ksuid_format(const Ksuid *ksuid, char out[KSUID_TEXT_LEN + 1])
{
	uint32 limb[LIMBS];
	int i = KSUID_TEXT_LEN;

	memcpy(limb, ksuid->bytes, KSUID_LEN);
	for (int j = 0; j < LIMBS; j++)
		limb[j] = pg_ntoh32(limb[j]);

	out[i] = '\0';
	while (i > 0)
	{
		int start = Max(i - GROUP_DIGITS, 0);
		uint64 dividend = 0;
		uint32 group;

		for (int j = 0; j < LIMBS; j++)
		{
			dividend = ((dividend % GROUP_BASE) << 32) | limb[j];
			limb[j] = (uint32) (dividend / GROUP_BASE);
		}

		for (group = (uint32) (dividend % GROUP_BASE); i > start; group /= 62)
			out[--i] = base62_digit[group % 62];
	}
}

/*
 * base62_value returns what a digit of base 62 stands for, or -1 for any other
 * character.
 */
static int
base62_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A' + 10;
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 36;
	return -1;
}

/*
 * ksuid_in reads the text of a ksuid.  Raises invalid_text_representation.
 */
Datum
ksuid_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	Ksuid *ksuid = palloc(sizeof(Ksuid));

	if (!ksuid_parse(text, strlen(text), ksuid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "ksuid", text)));
	PG_RETURN_KSUID_P(ksuid);
}

/*
 * ksuid_out returns the text of a ksuid.
 */
Datum
ksuid_out(PG_FUNCTION_ARGS)
{
	char *text = palloc(KSUID_TEXT_LEN + 1);

	ksuid_format(PG_GETARG_KSUID_P(0), text);
	PG_RETURN_CSTRING(text);
}

/*
 * ksuid_recv reads the 20 bytes of a ksuid.  Raises protocol_violation if there
 * are fewer; the caller refuses more.
 */
Datum
ksuid_recv(PG_FUNCTION_ARGS)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	Ksuid *ksuid = palloc(sizeof(Ksuid));

	pq_copymsgbytes(buf, (char *) ksuid->bytes, KSUID_LEN);
	PG_RETURN_KSUID_P(ksuid);
}

/*
 * ksuid_send returns the 20 bytes of a ksuid; it is the cast to bytea as well.
 */
Datum
ksuid_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (char *) PG_GETARG_KSUID_P(0)->bytes, KSUID_LEN);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/*
 * gen_ksuid returns a new ksuid.  Raises as ksuid_generate does.
 */
Datum
gen_ksuid(PG_FUNCTION_ARGS)
{
	Ksuid *ksuid = palloc(sizeof(Ksuid));

	ksuid_generate(ksuid);
	PG_RETURN_KSUID_P(ksuid);
}

/*
 * ksuid_timestamp returns the second in which a ksuid was made.
 */
Datum
ksuid_timestamp(PG_FUNCTION_ARGS)
{
	uint32 seconds;

	memcpy(&seconds, PG_GETARG_KSUID_P(0)->bytes, KSUID_TIME_LEN);
	PG_RETURN_TIMESTAMPTZ((pg_ntoh32(seconds) + KSUID_EPOCH - POSTGRES_EPOCH) * USECS_PER_SEC);
}

/*
 * ksuid_from_timestamp returns the least ksuid that can have been made in the
 * second of a time; before the first one, or after the last one, of that.
 */
Datum
ksuid_from_timestamp(PG_FUNCTION_ARGS)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
	TimestampTz first = (KSUID_EPOCH - POSTGRES_EPOCH) * USECS_PER_SEC;
	TimestampTz last = first + (TimestampTz) PG_UINT32_MAX * USECS_PER_SEC;
	uint32 seconds = pg_hton32((uint32) ((Min(Max(at, first), last) - first) / USECS_PER_SEC));
	Ksuid *ksuid = palloc0(sizeof(Ksuid));

	memcpy(ksuid->bytes, &seconds, KSUID_TIME_LEN);
	PG_RETURN_KSUID_P(ksuid);
}

/*
 * ksuid_from_bytea returns the ksuid of these bytes.  Raises
 * invalid_binary_representation unless there are 20.
 */
Datum
ksuid_from_bytea(PG_FUNCTION_ARGS)
{
	bytea *bytes = PG_GETARG_BYTEA_PP(0);
	Ksuid *ksuid = palloc(sizeof(Ksuid));

	if (VARSIZE_ANY_EXHDR(bytes) != KSUID_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid length for type %s: %zu bytes, not %d",
						"ksuid", VARSIZE_ANY_EXHDR(bytes), KSUID_LEN)));
	memcpy(ksuid->bytes, VARDATA_ANY(bytes), KSUID_LEN);
	PG_RETURN_KSUID_P(ksuid);
}

/*
 * ksuid_lt returns whether the first ksuid is less than the second.  Like all
 * the comparisons it is leakproof: it raises no error and reveals nothing else
 * about its arguments.
 */
Datum
ksuid_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ksuid_compare(PG_GETARG_KSUID_P(0), PG_GETARG_KSUID_P(1)) < 0);
}

/*
 * ksuid_le returns whether the first ksuid is less than or equal to the second.
 */
Datum
ksuid_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ksuid_compare(PG_GETARG_KSUID_P(0), PG_GETARG_KSUID_P(1)) <= 0);
}

/*
 * ksuid_eq returns whether the first ksuid is equal to the second.
 */
Datum
ksuid_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ksuid_equal(PG_GETARG_KSUID_P(0), PG_GETARG_KSUID_P(1)));
}

/*
 * ksuid_ge returns whether the first ksuid is greater than or equal to the second.
 */
Datum
ksuid_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ksuid_compare(PG_GETARG_KSUID_P(0), PG_GETARG_KSUID_P(1)) >= 0);
}

/*
 * ksuid_gt returns whether the first ksuid is greater than the second.
 */
Datum
ksuid_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ksuid_compare(PG_GETARG_KSUID_P(0), PG_GETARG_KSUID_P(1)) > 0);
}

/*
 * ksuid_ne returns whether the first ksuid is other than the second.
 */
Datum
ksuid_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!ksuid_equal(PG_GETARG_KSUID_P(0), PG_GETARG_KSUID_P(1)));
}

/*
 * ksuid_cmp returns the order of two ksuids, as ksuid_compare does.
 */
Datum
ksuid_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(ksuid_compare(PG_GETARG_KSUID_P(0), PG_GETARG_KSUID_P(1)));
}

/*
 * ksuid_smaller returns the smaller of two ksuids, for min().
 */
Datum
ksuid_smaller(PG_FUNCTION_ARGS)
{
	Ksuid *a = PG_GETARG_KSUID_P(0);
	Ksuid *b = PG_GETARG_KSUID_P(1);

	PG_RETURN_KSUID_P(ksuid_compare(a, b) < 0 ? a : b);
}

/*
 * ksuid_larger returns the larger of two ksuids, for max().
 */
Datum
ksuid_larger(PG_FUNCTION_ARGS)
{
	Ksuid *a = PG_GETARG_KSUID_P(0);
	Ksuid *b = PG_GETARG_KSUID_P(1);

	PG_RETURN_KSUID_P(ksuid_compare(a, b) > 0 ? a : b);
}

/*
 * ksuid_sortsupport sets up a sort that compares the first bytes as one number
 * and the whole ksuid only where these are equal.
 */
Datum
ksuid_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = ksuid_sort_compare;
	if (ssup->abbreviate)
	{
		ssup->comparator = ssup_datum_unsigned_cmp;
		ssup->abbrev_converter = ksuid_abbrev_convert;
		ssup->abbrev_abort = ksuid_abbrev_abort;
		ssup->abbrev_full_comparator = ksuid_sort_compare;
	}
	PG_RETURN_VOID();
}

/*
 * ksuid_sort_compare compares two whole ksuids in a sort.  The first bytes nearly
 * always decide, and as numbers they compare faster than memcmp can.
 */
static int
ksuid_sort_compare(Datum x, Datum y, SortSupport ssup)
{
	Datum a = ksuid_abbrev_convert(x, ssup);
	Datum b = ksuid_abbrev_convert(y, ssup);

	if (a != b)
		return a < b ? -1 : 1;
	return ksuid_compare(DatumGetKsuidP(x), DatumGetKsuidP(y));
}

/*
 * ksuid_abbrev_convert returns the first bytes of a ksuid as a number that
 * orders as they do.
 */
static Datum
ksuid_abbrev_convert(Datum original, SortSupport ssup)
{
	Datum abbreviated;

	memcpy(&abbreviated, DatumGetKsuidP(original)->bytes, sizeof(Datum));
	return DatumBigEndianToNative(abbreviated);
}

/*
 * ksuid_abbrev_abort never gives up: beside the time the first bytes hold random
 * ones, so two ksuids that agree in them are nearly always the same.
 */
static bool
ksuid_abbrev_abort(int memtupcount, SortSupport ssup)
{
	return false;
}

/*
 * ksuid_hash returns the hash of a ksuid, 32 bits.
 */
Datum
ksuid_hash(PG_FUNCTION_ARGS)
{
	return hash_any(PG_GETARG_KSUID_P(0)->bytes, KSUID_LEN);
}

/*
 * ksuid_hash_extended returns the hash of a ksuid from a seed, 64 bits.
 */
Datum
ksuid_hash_extended(PG_FUNCTION_ARGS)
{
	return hash_any_extended(PG_GETARG_KSUID_P(0)->bytes, KSUID_LEN, PG_GETARG_INT64(1));
}
