/*
 * name.c
 *	  Names of people as they are searched for: without regard to case and
 *	  accents, by any part.
 *
 * The index of names holds for each name all its parts of one, two and three
 * letters.  A name that has what is looked for has all parts of that too, so
 * the index finds the few names to look at.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/unicode_norm.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

/* A part of a name has at most this many letters, of 21 bits each. */
#define PART_LONGEST 3
#define LETTER_BITS 21

/* What Unicode does not take apart. */
static const struct
{
	pg_wchar letter;
	const char *plain;
} plain_letters[] = {
	{0x00df, "ss"},
	{0x00e6, "ae"},
	{0x00f0, "d"},
	{0x00f8, "o"},
	{0x00fe, "th"},
	{0x0111, "d"},
	{0x0131, "i"},
	{0x0142, "l"},
	{0x0153, "oe"},
	{0x2019, "'"},
};

/* What is in a name without being seen: soft hyphens, blanks of no width, directions of writing. */
static const struct
{
	pg_wchar first;
	pg_wchar last;
} unseen_letters[] = {
	{0x00ad, 0x00ad},
	{0x200b, 0x200f},
	{0x202a, 0x202e},
	{0x2060, 0x206f},
	{0xfeff, 0xfeff},
};

static pg_wchar *letters_of(const char *name, int length);
static pg_wchar *folded(const text *name, int *length);
static int append_plain(pg_wchar *out, pg_wchar letter);
static int parts_of(const pg_wchar *letters, int length, int size, uint64 *out);
static int compare_parts(const void *x, const void *y);
static Datum part_array(uint64 *parts, int count);

/*
 * Writes a letter in its plain form, and returns how many letters that is: at
 * most two, none for an accent and for what nobody sees.
 */
static int
append_plain(pg_wchar *out, pg_wchar letter)
{
	if (letter >= 0x0300 && letter <= 0x036f)
		return 0;
	for (int i = 0; letter >= 0x80 && i < lengthof(unseen_letters); i++)
		if (letter >= unseen_letters[i].first && letter <= unseen_letters[i].last)
			return 0;
	for (int i = 0; letter >= 0x80 && i < lengthof(plain_letters); i++)
	{
		int n = 0;

		if (plain_letters[i].letter != letter)
			continue;
		for (; plain_letters[i].plain[n] != '\0'; n++)
			out[n] = (pg_wchar) plain_letters[i].plain[n];
		return n;
	}
	*out = letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter;
	return 1;
}

/*
 * Returns the letters of a name, not yet plain, but lower case where they are
 * not ASCII: as Unicode has it, whatever the locale of the database, if the
 * server knows.
 */
static pg_wchar *
letters_of(const char *name, int length)
{
	pg_wchar *letters;
	Oid collation = InvalidOid;
	bool ascii = true;

	for (int i = 0; ascii && i < length; i++)
		ascii = !IS_HIGHBIT_SET(name[i]);
	if (!ascii)
	{
		if (GetDatabaseEncoding() == PG_UTF8)
			collation = get_collation_oid(list_make2(makeString("pg_catalog"), makeString("und-x-icu")), true);
		name = str_tolower(name, length, OidIsValid(collation) ? collation : DEFAULT_COLLATION_OID);
		length = strlen(name);
	}
	letters = palloc((length + 1) * sizeof(pg_wchar));
	(void) pg_mb2wchar_with_len(name, letters, length);
	return !ascii && GetDatabaseEncoding() == PG_UTF8 ? unicode_normalize(UNICODE_NFKD, letters) : letters;
}

/*
 * Returns the letters of a name, lower case and plain, with one blank before,
 * between and after its words; none for a name without words.
 */
static pg_wchar *
folded(const text *name, int *length)
{
	pg_wchar *letters = letters_of(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	pg_wchar *out;
	int n = 0;

	while (letters[n] != 0)
		n++;
	out = palloc((2 * n + 2) * sizeof(pg_wchar));
	out[0] = ' ';
	*length = 1;
	for (int i = 0; i < n; i++)
	{
		if (letters[i] > ' ')
			*length += append_plain(out + *length, letters[i]);
		else if (out[*length - 1] != ' ')
			out[(*length)++] = ' ';
	}
	if (*length == 1)
		*length = 0;
	else if (out[*length - 1] != ' ')
		out[(*length)++] = ' ';
	return out;
}

/*
 * Writes the parts of a size, and returns how many there are.  A blank alone
 * is none: every name has it.
 */
static int
parts_of(const pg_wchar *letters, int length, int size, uint64 *out)
{
	int count = 0;

	for (int i = 0; i + size <= length; i++)
	{
		uint64 part = 0;

		for (int j = 0; j < size; j++)
			part = part << LETTER_BITS | (letters[i + j] & ((1 << LETTER_BITS) - 1));
		if (part != ' ')
			out[count++] = part;
	}
	return count;
}

static int
compare_parts(const void *x, const void *y)
{
	uint64 a = *(const uint64 *) x;
	uint64 b = *(const uint64 *) y;

	return (a > b) - (a < b);
}

/*
 * Returns parts, each once, as bigint[].
 */
static Datum
part_array(uint64 *parts, int count)
{
	Datum *values = palloc(count * sizeof(Datum));
	int n = 0;

	qsort(parts, count, sizeof(uint64), compare_parts);
	for (int i = 0; i < count; i++)
		if (i == 0 || parts[i] != parts[i - 1])
			values[n++] = Int64GetDatum((int64) parts[i]);
	return PointerGetDatum(construct_array(values, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * murallink.name_folded(name): the name as it is searched for.
 */
PG_FUNCTION_INFO_V1(name_folded);
Datum
name_folded(PG_FUNCTION_ARGS)
{
	int length;
	pg_wchar *letters = folded(PG_GETARG_TEXT_PP(0), &length);
	char *result = palloc(length * MAX_MULTIBYTE_CHAR_LEN + 1);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(result, pg_wchar2mb_with_len(letters, result, length)));
}

/*
 * murallink.name_parts(name): all parts of a name, for its index.
 */
PG_FUNCTION_INFO_V1(name_parts);
Datum
name_parts(PG_FUNCTION_ARGS)
{
	int length;
	pg_wchar *letters = folded(PG_GETARG_TEXT_PP(0), &length);
	uint64 *parts = palloc((PART_LONGEST * length + 1) * sizeof(uint64));
	int count = 0;

	for (int size = 1; size <= PART_LONGEST; size++)
		count += parts_of(letters, length, size, parts + count);
	return part_array(parts, count);
}

/*
 * murallink.pattern_parts(pattern): the longest parts of a folded pattern, which
 * a name that has the pattern has too.
 */
PG_FUNCTION_INFO_V1(pattern_parts);
Datum
pattern_parts(PG_FUNCTION_ARGS)
{
	text *pattern = PG_GETARG_TEXT_PP(0);
	pg_wchar *letters = palloc((VARSIZE_ANY_EXHDR(pattern) + 1) * sizeof(pg_wchar));
	int length = pg_mb2wchar_with_len(VARDATA_ANY(pattern), letters, VARSIZE_ANY_EXHDR(pattern));
	uint64 *parts = palloc((length + 1) * sizeof(uint64));

	return part_array(parts, parts_of(letters, length, Min(length, PART_LONGEST), parts));
}

/*
 * murallink.name_has(name, patterns): whether a name has any of these folded
 * patterns in it.
 */
PG_FUNCTION_INFO_V1(name_has);
Datum
name_has(PG_FUNCTION_ARGS)
{
	text *name = DatumGetTextPP(DirectFunctionCall1(name_folded, PG_GETARG_DATUM(0)));
	Datum *patterns;
	bool *nulls;
	int count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &patterns, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text *pattern = nulls[i] ? NULL : DatumGetTextPP(patterns[i]);

		if (pattern != NULL && memmem(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), VARDATA_ANY(pattern),
									  VARSIZE_ANY_EXHDR(pattern)) != NULL)
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}
