/*
 * name.c
 *	  Names of people in the form in which they are searched: without case and
 *	  accents, by any part.
 *
 * For each name, the index has all its parts of one, two and three letters.  A
 * name that contains the pattern has all parts of the pattern, too, so the
 * index finds the few names to compare.
 */
#include "postgres.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf16.h>
#include <unicode/ustring.h>
#include <unicode/utrans.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "text.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/pg_locale.h"

/* A part of a name has at most this many letters, of 21 bits each. */
#define PART_LONGEST 3
#define LETTER_BITS 21

/* Lengthens an Arabic word, and has no meaning. */
#define TATWEEL 0x0640

/* Marks that turn a Japanese letter into another one. */
#define IS_KANA_MARK(c) ((c) == 0x3099 || (c) == 0x309a)

static pg_wchar plain_sign(pg_wchar letter);
static bool is_accent(UChar32 letter);
static int32 without_accents(const UChar *text, int32 length, UChar **result);
static bool is_plain(const UChar *text, int32 length);
static int32 without_latin(const UChar *text, int32 length, UChar **result);
static pg_wchar *letters_of(const char *name, int length);
static pg_wchar *folded(const text *name, int *length);
static int parts_of(const pg_wchar *letters, int length, int size, uint64 *out);
static int compare_parts(const void *x, const void *y);
static Datum part_array(uint64 *parts, int count);

/*
 * Returns one sign for all apostrophes, one for all quotation marks and one
 * for all dashes.  Returns other letters unchanged, except that those of ASCII
 * become lower case.
 */
static pg_wchar
plain_sign(pg_wchar letter)
{
	pg_wchar plain = (pg_wchar) text_plain_sign((UChar32) letter);

	return plain < 0x80 ? pg_ascii_tolower((unsigned char) plain) : plain;
}

/*
 * Returns whether a mark is an accent: names are written with and without it,
 * in scripts that are readable by their letters alone.
 */
static bool
is_accent(UChar32 letter)
{
	UErrorCode status = U_ZERO_ERROR;

	if (letter == TATWEEL)
		return true;
	if ((U_GET_GC_MASK(letter) & (U_GC_MN_MASK | U_GC_ME_MASK)) == 0 || IS_KANA_MARK(letter))
		return false;
	switch (uscript_getScript(letter, &status))
	{
		case USCRIPT_INHERITED:
		case USCRIPT_LATIN:
		case USCRIPT_GREEK:
		case USCRIPT_CYRILLIC:
		case USCRIPT_HEBREW:
		case USCRIPT_ARABIC:
			return true;
		default:
			return false;
	}
}

/*
 * Writes a text in NFKD without its accents to new memory, and returns its
 * length.
 */
static int32
without_accents(const UChar *text, int32 length, UChar **result)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar *plain;
	int32 size = 0;

	length = text_normalized(unorm2_getNFKDInstance(&status), text, length, &plain);
	for (int32 i = 0; i < length;)
	{
		UChar32 c;

		U16_NEXT(plain, i, length, c);
		if (!is_accent(c))
			U16_APPEND_UNSAFE(plain, size, c);
	}
	*result = plain;
	return size;
}

/*
 * Returns whether a text has only letters of ASCII.
 */
static bool
is_plain(const UChar *text, int32 length)
{
	for (int32 i = 0; i < length; i++)
		if (text[i] > 0x7f)
			return false;
	return true;
}

/*
 * Replaces Latin letters that Unicode does not decompose, such as those with a
 * stroke, by the ASCII that people write for them.  Returns the length.
 */
static int32
without_latin(const UChar *text, int32 length, UChar **result)
{
	static UTransliterator *to_ascii = NULL;
	UErrorCode status = U_ZERO_ERROR;
	int32 capacity = length * 8 + 1;
	int32 limit = length;

	if (to_ascii == NULL)
	{
		UChar id[sizeof("Latin-ASCII")];

		to_ascii = utrans_openU(u_uastrcpy(id, "Latin-ASCII"), -1, UTRANS_FORWARD, NULL, 0, NULL, &status);
	}
	*result = palloc(capacity * sizeof(UChar));
	memcpy(*result, text, length * sizeof(UChar));
	if (U_SUCCESS(status))
		utrans_transUChars(to_ascii, *result, &length, capacity, 0, &limit, &status);
	if (U_FAILURE(status))
		elog(ERROR, "murallink: could not write a name in ASCII: %s", u_errorName(status));
	return length;
}

/*
 * Returns the letters of a name in one case and in plain form, without accents
 * and invisible characters, up to a zero; by the rules of Unicode, in every
 * locale.
 */
static pg_wchar *
letters_of(const char *name, int length)
{
	pg_wchar *letters = palloc((length + 1) * sizeof(pg_wchar));
	UErrorCode status = U_ZERO_ERROR;
	UChar *text;
	char *plain;
	int32 count, n = 0;

	count = pg_mb2wchar_with_len(name, letters, length);
	for (int32 i = 0; i < count; i++)
		letters[i] = plain_sign(letters[i]);
	if (text_is_ascii(name, length))
		return letters;
	plain = palloc(count * MAX_MULTIBYTE_CHAR_LEN + 1);
	length = pg_wchar2mb_with_len(letters, plain, count);
	count = icu_to_uchar(&text, plain, length);
	count = text_normalized(unorm2_getNFKCCasefoldInstance(&status), text, count, &text);
	count = without_accents(text, count, &text);
	/* Most names in Latin letters are plain here, which saves the slowest step. */
	if (!is_plain(text, count))
	{
		count = without_latin(text, count, &text);
		count = without_accents(text, count, &text);
	}
	letters = palloc((count + 1) * sizeof(pg_wchar));
	for (int32 i = 0; i < count;)
	{
		UChar32 c;

		U16_NEXT(text, i, count, c);
		letters[n++] = text_is_blank(c) ? ' ' : plain_sign((pg_wchar) c);
	}
	letters[n] = 0;
	return letters;
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
	out = palloc((n + 2) * sizeof(pg_wchar));
	out[0] = ' ';
	*length = 1;
	for (int i = 0; i < n; i++)
	{
		if (letters[i] > ' ')
			out[(*length)++] = letters[i];
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
 * Writes the parts of a size, and returns their number.  A blank alone is no
 * part, because every name has it.
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
 * murallink_private.name_folded(name): the name in the form in which it is searched.
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
 * murallink_private.name_parts(name): all parts of a name, for its index.
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
 * murallink_private.pattern_parts(pattern): the longest parts of a folded pattern, which
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
 * murallink_private.name_has(name, patterns): whether a name has any of these folded
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
