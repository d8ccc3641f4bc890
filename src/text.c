/*
 * text.c
 *	  Texts that name something: one spelling is kept of what looks the same,
 *	  and two that differ in case or blanks alone name one thing.
 *
 * All of it is Unicode's, whose stability policy keeps these forms of assigned
 * letters for ever: constraints and indexes can be made of them, and mean the
 * same in each locale.
 */
#include "postgres.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include "error.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "text.h"
#include "utils/builtins.h"
#include "utils/pg_locale.h"

#define BRAILLE_BLANK 0x2800

/* What is made of a text. */
typedef enum Form
{
	FORM_LABEL, /* in NFC, one blank for each run of blanks, none at the ends */
	FORM_KEY, /* also one case and one width of each letter, without what has no width */
	FORM_WORDS, /* also a blank for what is no letter and no digit */
} Form;

static bool breaks_line(UChar32 c);
static bool is_gap(UChar32 c, Form form);
static text *ascii_label(const char *value, int length, Form form);
static text *label(text *value, Form form);

/*
 * Returns whether a text has no byte but those of ASCII.
 */
bool
text_is_ascii(const char *text, int length)
{
	for (int i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(text[i]))
			return false;
	return true;
}

/*
 * Returns whether a character is a blank of some width, or an end of line.
 */
bool
text_is_blank(UChar32 c)
{
	return u_isUWhiteSpace(c) || c == BRAILLE_BLANK;
}

/*
 * Returns whether nobody sees a character, or nobody can say what it looks
 * like: controls, directions of writing, variants, what has no width, and what
 * Unicode has not assigned.
 */
bool
text_is_unseen(UChar32 c)
{
	if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
		return true;
	return (U_GET_GC_MASK(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CN_MASK | U_GC_CS_MASK)) != 0;
}

/*
 * Returns whether a text in UTF-8 has a letter, a digit or a sign that can be
 * seen.
 */
bool
text_is_visible(const char *text, int length)
{
	const char *end = text + length;

	for (; text < end; text += pg_utf_mblen((const unsigned char *) text))
	{
		UChar32 c = (UChar32) utf8_to_unicode((const unsigned char *) text);

		if (!text_is_blank(c) && !text_is_unseen(c) && (U_GET_GC_MASK(c) & U_GC_M_MASK) == 0)
			return true;
	}
	return false;
}

/*
 * Returns whether a character ends a line, is a control, or turns the direction
 * in which what follows is read.
 */
static bool
breaks_line(UChar32 c)
{
	switch (u_charDirection(c))
	{
		case U_LEFT_TO_RIGHT_EMBEDDING:
		case U_LEFT_TO_RIGHT_OVERRIDE:
		case U_RIGHT_TO_LEFT_EMBEDDING:
		case U_RIGHT_TO_LEFT_OVERRIDE:
		case U_POP_DIRECTIONAL_FORMAT:
		case U_FIRST_STRONG_ISOLATE:
		case U_LEFT_TO_RIGHT_ISOLATE:
		case U_RIGHT_TO_LEFT_ISOLATE:
		case U_POP_DIRECTIONAL_ISOLATE:
			return true;
		default:
			return (U_GET_GC_MASK(c) & (U_GC_CC_MASK | U_GC_ZL_MASK | U_GC_ZP_MASK)) != 0;
	}
}

/*
 * Returns whether a character becomes a blank in a form.
 */
static bool
is_gap(UChar32 c, Form form)
{
	return text_is_blank(c) ||
		   (form == FORM_WORDS && (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK)) == 0);
}

/*
 * Returns label() of a text in ASCII.
 */
static text *
ascii_label(const char *value, int length, Form form)
{
	text *result = palloc(VARHDRSZ + length);
	char *out = VARDATA(result);
	int n = 0;

	for (int i = 0; i < length; i++)
	{
		if (!is_gap(value[i], form))
			out[n++] = form != FORM_LABEL ? pg_ascii_tolower(value[i]) : value[i];
		else if (n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	if (n > 0 && out[n - 1] == ' ')
		n--;
	SET_VARSIZE(result, VARHDRSZ + n);
	return result;
}

/*
 * Returns a form of a text.
 */
static text *
label(text *value, Form form)
{
	const char *bytes = VARDATA_ANY(value);
	int length = VARSIZE_ANY_EXHDR(value);
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *normalizer;
	UChar *given, *normal;
	int32 count, capacity, n = 0;
	char *result;

	if (text_is_ascii(bytes, length))
		return ascii_label(bytes, length, form);
	normalizer = form == FORM_LABEL ? unorm2_getNFCInstance(&status) : unorm2_getNFKCCasefoldInstance(&status);
	count = icu_to_uchar(&given, bytes, length);
	/* No normal form of Unicode makes a letter more than 18 times as long. */
	capacity = count * 18 + 1;
	normal = palloc(capacity * sizeof(UChar));
	count = unorm2_normalize(normalizer, given, count, normal, capacity, &status);
	if (U_FAILURE(status))
		elog(ERROR, "murallink: could not normalize a text: %s", u_errorName(status));
	for (int32 i = 0; i < count;)
	{
		UChar32 c;

		U16_NEXT(normal, i, count, c);
		if (!is_gap(c, form))
			U16_APPEND_UNSAFE(normal, n, c);
		else if (n > 0 && normal[n - 1] != ' ')
			normal[n++] = ' ';
	}
	if (n > 0 && normal[n - 1] == ' ')
		n--;
	normal[n] = 0;
	length = icu_from_uchar(&result, normal, n);
	return cstring_to_text_with_len(result, length);
}

/*
 * murallink.label(value).
 */
PG_FUNCTION_INFO_V1(text_label);
Datum
text_label(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(label(PG_GETARG_TEXT_PP(0), FORM_LABEL));
}

/*
 * murallink.label_key(value).
 */
PG_FUNCTION_INFO_V1(text_label_key);
Datum
text_label_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(label(PG_GETARG_TEXT_PP(0), FORM_KEY));
}

/*
 * murallink.words(value).
 */
PG_FUNCTION_INFO_V1(text_words);
Datum
text_words(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(label(PG_GETARG_TEXT_PP(0), FORM_WORDS));
}

/*
 * murallink.is_label(value): whether it is what label() makes of it, can be
 * seen, and has nothing that cannot.
 */
PG_FUNCTION_INFO_V1(text_is_label);
Datum
text_is_label(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);
	const char *c = VARDATA_ANY(value);
	const char *end = c + VARSIZE_ANY_EXHDR(value);
	text *kept;

	if (!text_is_visible(c, VARSIZE_ANY_EXHDR(value)))
		PG_RETURN_BOOL(false);
	for (; c < end; c += pg_utf_mblen((const unsigned char *) c))
		if (text_is_unseen((UChar32) utf8_to_unicode((const unsigned char *) c)))
			PG_RETURN_BOOL(false);
	kept = label(value, FORM_LABEL);
	PG_RETURN_BOOL(VARSIZE_ANY_EXHDR(value) == VARSIZE_ANY_EXHDR(kept) &&
				   memcmp(VARDATA_ANY(value), VARDATA(kept), VARSIZE_ANY_EXHDR(kept)) == 0);
}

/*
 * murallink.is_visible(value).
 */
PG_FUNCTION_INFO_V1(text_is_visible_sql);
Datum
text_is_visible_sql(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(text_is_visible(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

/*
 * murallink.is_name(value): whether it can be seen, in one line.
 */
PG_FUNCTION_INFO_V1(text_is_name);
Datum
text_is_name(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);
	const char *c = VARDATA_ANY(value);
	const char *end = c + VARSIZE_ANY_EXHDR(value);

	if (!text_is_visible(c, VARSIZE_ANY_EXHDR(value)))
		PG_RETURN_BOOL(false);
	for (; c < end; c += pg_utf_mblen((const unsigned char *) c))
		if (breaks_line((UChar32) utf8_to_unicode((const unsigned char *) c)))
			PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(true);
}
