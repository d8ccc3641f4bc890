/*
 * text.c
 *	  Texts that name something.  Texts that look the same are stored in one
 *	  spelling, and texts that differ only in case, blanks, or the sign for an
 *	  apostrophe or a hyphen name one thing.
 *
 * The forms are those of Unicode, whose stability policy never changes them
 * for assigned letters.  So constraints and indexes can use them, and they are
 * the same in every locale.
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

/* A longer run of marks on one letter is divided, because the time to sort the marks is quadratic. */
#define MARKS_MOST 30

/* What people write as an apostrophe. */
static const UChar32 apostrophes[] = {0x0027, 0x0060, 0x00b4, 0x02b9, 0x02bb, 0x02bc, 0x02bd, 0x02be, 0x02bf,
									  0x02ca, 0x02cb, 0x05f3, 0x2018, 0x2019, 0x201b, 0x2032, 0xa78c, 0xff07};

/* What is made of a text. */
typedef enum Form
{
	FORM_LABEL, /* in NFC, one blank for each run of blanks, none at the ends */
	FORM_KEY, /* also in one case and width, with one sign of each kind, without characters of no width */
	FORM_WORDS, /* also with a blank for everything but letters and digits */
} Form;

static bool is_visible(const char *text, int length);
static bool is_visible_without(text *value, bool (*refused)(UChar32));
static bool breaks_line(UChar32 c);
static int32 piece_end(const UChar *text, int32 start, int32 length);
static int32 with_plain_signs(const UChar *text, int32 length, UChar **result);
static bool is_gap(UChar32 c, Form form);
static text *ascii_label(const char *value, int length, Form form);
static text *label(text *value, Form form);

/*
 * Returns whether a text has only bytes of ASCII.
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
 * Returns where a text has a word of ASCII in lower case, whatever the case of
 * its letters there, or NULL.  strcasestr() uses the server's locale: in a
 * Turkish one, it does not find "login" in "LOGIN".
 */
const char *
text_find(const char *text, const char *word)
{
	for (; *text != '\0'; text++)
	{
		size_t i = 0;

		while (word[i] != '\0' && pg_ascii_tolower((unsigned char) text[i]) == (unsigned char) word[i])
			i++;
		if (word[i] == '\0')
			return text;
	}
	return NULL;
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
 * Returns whether a character is invisible or has no defined look: controls,
 * directions of writing, variants, characters of no width, and those that
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
 * Returns whether a text in UTF-8 has a visible letter, digit or sign.
 */
static bool
is_visible(const char *text, int length)
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
 * Returns whether a text is visible and has no character that is refused.
 */
static bool
is_visible_without(text *value, bool (*refused)(UChar32))
{
	const char *c = VARDATA_ANY(value);
	const char *end = c + VARSIZE_ANY_EXHDR(value);

	if (!is_visible(c, VARSIZE_ANY_EXHDR(value)))
		return false;
	for (; c < end; c += pg_utf_mblen((const unsigned char *) c))
		if (refused((UChar32) utf8_to_unicode((const unsigned char *) c)))
			return false;
	return true;
}

/*
 * Returns whether a character ends a line, is a control, or changes the
 * direction in which the following text is read.
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
 * Returns the sign of ASCII for an apostrophe, a quotation mark or a hyphen,
 * of which keyboards, phones and word processors write many forms.  Returns
 * other characters unchanged.
 */
UChar32
text_plain_sign(UChar32 c)
{
	for (int i = 0; i < lengthof(apostrophes); i++)
		if (c == apostrophes[i])
			return '\'';
	if (c < 0x80)
		return c;
	if (u_hasBinaryProperty(c, UCHAR_DASH))
		return '-';
	return u_hasBinaryProperty(c, UCHAR_QUOTATION_MARK) ? '"' : c;
}

/*
 * Returns where the piece of a text ends that is normalized at once: at the
 * end of the text, or within a run of too many marks.
 */
static int32
piece_end(const UChar *text, int32 start, int32 length)
{
	int marks = 0;

	while (start < length && marks < MARKS_MOST)
	{
		UChar32 c;

		U16_NEXT(text, start, length, c);
		marks = u_getCombiningClass(c) == 0 ? 0 : marks + 1;
	}
	return start;
}

/*
 * Writes the normal form of a text to new memory, and returns its length.
 * Runs of more marks than any language uses are divided, as in Unicode's
 * Stream-Safe Text Format.
 */
int32
text_normalized(const UNormalizer2 *form, const UChar *text, int32 length, UChar **result)
{
	UErrorCode status = U_ZERO_ERROR;
	/* No normal form of Unicode is more than 18 times as long as the text. */
	int32 capacity = length * 18 + 1;
	int32 size = 0;

	*result = palloc(capacity * sizeof(UChar));
	for (int32 start = 0, end; start < length; start = end)
	{
		end = piece_end(text, start, length);
		size += unorm2_normalize(form, text + start, end - start, *result + size, capacity - size, &status);
		if (U_FAILURE(status))
			elog(ERROR, "murallink: could not normalize a text: %s", u_errorName(status));
	}
	return size;
}

/*
 * Writes a text with plain signs to new memory, and returns its length.
 */
static int32
with_plain_signs(const UChar *text, int32 length, UChar **result)
{
	int32 size = 0;

	*result = palloc((length + 1) * sizeof(UChar));
	for (int32 i = 0; i < length;)
	{
		UChar32 c;

		U16_NEXT(text, i, length, c);
		U16_APPEND_UNSAFE(*result, size, text_plain_sign(c));
	}
	return size;
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
			out[n++] = form == FORM_LABEL ? value[i] : pg_ascii_tolower((char) text_plain_sign(value[i]));
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
	int32 count, n = 0;
	char *result;

	if (text_is_ascii(bytes, length))
		return ascii_label(bytes, length, form);
	normalizer = form == FORM_LABEL ? unorm2_getNFCInstance(&status) : unorm2_getNFKCCasefoldInstance(&status);
	if (U_FAILURE(status))
		elog(ERROR, "murallink: could not normalize a text: %s", u_errorName(status));
	count = icu_to_uchar(&given, bytes, length);
	if (form != FORM_LABEL)
		count = with_plain_signs(given, count, &given);
	count = text_normalized(normalizer, given, count, &normal);
	for (int32 i = 0; i < count;)
	{
		UChar32 c;

		U16_NEXT(normal, i, count, c);
		if (form == FORM_WORDS && u_charType(c) == U_DECIMAL_DIGIT_NUMBER)
			c = '0' + u_charDigitValue(c);
		if (!is_gap(c, form))
			U16_APPEND_UNSAFE(normal, n, c);
		else if (n > 0 && normal[n - 1] != ' ')
			normal[n++] = ' ';
	}
	if (n > 0 && normal[n - 1] == ' ')
		n--;
	length = icu_from_uchar(&result, normal, n);
	return cstring_to_text_with_len(result, length);
}

/*
 * murallink_private.label(value).
 */
PG_FUNCTION_INFO_V1(text_label);
Datum
text_label(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(label(PG_GETARG_TEXT_PP(0), FORM_LABEL));
}

/*
 * murallink_private.label_key(value).
 */
PG_FUNCTION_INFO_V1(text_label_key);
Datum
text_label_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(label(PG_GETARG_TEXT_PP(0), FORM_KEY));
}

/*
 * murallink_private.words(value).
 */
PG_FUNCTION_INFO_V1(text_words);
Datum
text_words(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(label(PG_GETARG_TEXT_PP(0), FORM_WORDS));
}

/*
 * murallink_private.is_label(value): whether label() leaves it unchanged, it is
 * visible, and it has no invisible character.
 */
PG_FUNCTION_INFO_V1(text_is_label);
Datum
text_is_label(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);
	text *kept;

	if (!is_visible_without(value, text_is_unseen))
		PG_RETURN_BOOL(false);
	kept = label(value, FORM_LABEL);
	PG_RETURN_BOOL(VARSIZE_ANY_EXHDR(value) == VARSIZE_ANY_EXHDR(kept) &&
				   memcmp(VARDATA_ANY(value), VARDATA(kept), VARSIZE_ANY_EXHDR(kept)) == 0);
}

/*
 * murallink_private.is_visible(value).
 */
PG_FUNCTION_INFO_V1(text_is_visible_sql);
Datum
text_is_visible_sql(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(is_visible(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

/*
 * murallink_private.is_name(value): whether it is visible and has one line.
 */
PG_FUNCTION_INFO_V1(text_is_name);
Datum
text_is_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_visible_without(PG_GETARG_TEXT_PP(0), breaks_line));
}
