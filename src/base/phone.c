/*
 * phone.c
 *	  Phone numbers as people write them: in E.164, or as national numbers of
 *	  North America.
 *
 * Only separators between digits are ignored: a text with letters, an
 * extension or a second number is not a number.  A text means a foreign
 * country only if it says so, by a plus, 00 or 011.  Otherwise it is read as
 * North American if its digits are grouped like that, because ten digits in
 * other groups may be a foreign number.
 */
#include "postgres.h"

#include "fmgr.h"
#include "phone.h"
#include "utils/builtins.h"

#include <string.h>

/* A plus, 15 digits and the final zero byte. */
#define PHONE_SIZE 17

#define MOST_DIGITS 20
#define DIGITS "0123456789"

/* A number as written: digits, whether the country comes first, and a bit for each number of digits before a gap. */
typedef struct Spelling
{
	char digits[MOST_DIGITS + 1];
	int count;
	bool abroad;
	bool trunk; /* it has (0), which is not dialled from abroad */
	unsigned gaps;
} Spelling;

/* Between digits; the rest is no-break spaces, dashes and minus signs. */
static const char *const separators[] = {
	" ", "\t", "-", ".", "/", "(", ")", "\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x90",
	"\xe2\x80\x91", "\xe2\x80\x92", "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x80\x95", "\xe2\x88\x92"};

/* Invisible characters around a number that was copied from a list of contacts: U+200B, U+200E, U+202A, U+202C, U+2060,
 * U+2066, U+2068, U+2069, U+FEFF.  They do not change the order of the digits. */
static const char *const unseen[] = {"\xe2\x80\x8b", "\xe2\x80\x8e", "\xe2\x80\xaa", "\xe2\x80\xac", "\xe2\x81\xa0",
									 "\xe2\x81\xa6", "\xe2\x81\xa8", "\xe2\x81\xa9", "\xef\xbb\xbf"};

/* Gaps of a North American number of ten digits, such as 610-555-1212 and 610-555-12-12. */
#define GAPS (1U << 3 | 1U << 6 | 1U << 8)

static int size_of(const char *text, const char *const *spellings, int count);
static bool spelt(const char *text, Spelling *spelling);
static bool dialled(const char *text, char number[PHONE_SIZE]);
static bool number_meant(const char *text, char number[PHONE_SIZE]);
static Datum number_of(PG_FUNCTION_ARGS, bool (*reader)(const char *text, char number[PHONE_SIZE]));

/*
 * Returns the size of the character with which a text begins, if it is one of
 * these, else 0.
 */
static int
size_of(const char *text, const char *const *spellings, int count)
{
	for (int i = 0; i < count; i++)
		if (strncmp(text, spellings[i], strlen(spellings[i])) == 0)
			return strlen(spellings[i]);
	return 0;
}

/*
 * Reads a text.  Returns false if it has too many digits, or anything but
 * digits, a plus before them, and separators. 00 and 011 are not among the
 * digits read.
 */
static bool
spelt(const char *text, Spelling *spelling)
{
	int prefix;

	memset(spelling, 0, sizeof(*spelling));
	spelling->trunk = strstr(text, "(0)") != NULL;
	while (*text != '\0')
	{
		int size = size_of(text, separators, lengthof(separators));

		if (size > 0)
			spelling->gaps |= 1U << spelling->count;
		else if ((spelling->count == 0 || text[strcspn(text, DIGITS)] == '\0') &&
				 (size = size_of(text, unseen, lengthof(unseen))) > 0)
			;
		else if (*text == '+' && spelling->count == 0 && !spelling->abroad)
			spelling->abroad = true;
		else if (*text >= '0' && *text <= '9' && spelling->count < MOST_DIGITS)
			spelling->digits[spelling->count++] = *text;
		else
			return false;
		text += size == 0 ? 1 : size;
	}
	spelling->gaps &= ~(1U | 1U << spelling->count);
	prefix = spelling->abroad							? 0
			 : strncmp(spelling->digits, "00", 2) == 0	? 2
			 : strncmp(spelling->digits, "011", 3) == 0 ? 3
														: 0;
	/* A prefix is not divided: 0/039 is none, and 01 123 45678 begins with an area code. */
	if ((spelling->gaps & ((1U << prefix) - 1)) != 0)
	{
		if (prefix == 2)
			return false;
		prefix = 0;
	}
	spelling->abroad = spelling->abroad || prefix > 0;
	spelling->count -= prefix;
	memmove(spelling->digits, spelling->digits + prefix, spelling->count + 1);
	return true;
}

/*
 * Returns whether these are ten digits of a North American number: neither the
 * area code nor the exchange begins with 0 or 1, and the area code does not end
 * with 11.
 */
bool
phone_north_american(const char *digits)
{
	return strlen(digits) == 10 && strspn(digits, DIGITS) == 10 && digits[0] > '1' && digits[3] > '1' &&
		   strncmp(digits + 1, "11", 2) != 0;
}

/*
 * Writes what to dial for a text: a plus, the country and the rest, or digits
 * alone if the text does not say the country; these mean different numbers in
 * different countries.  Returns false if the text is not clear.
 */
static bool
dialled(const char *text, char number[PHONE_SIZE])
{
	Spelling spelling;

	if (!spelt(text, &spelling) || spelling.count < 7 || spelling.count > 15)
		return false;
	if (spelling.abroad)
	{
		bool fits = spelling.digits[0] == '1' ? phone_north_american(spelling.digits + 1) : spelling.digits[0] != '0';

		if (!fits || spelling.trunk)
			return false;
	}
	strcpy(number, spelling.abroad ? "+" : "");
	strcat(number, spelling.digits);
	return true;
}

/*
 * Writes the number that a text means, in E.164.  One without a country is
 * North American.  Returns false if the text is not clear.
 */
static bool
number_meant(const char *text, char number[PHONE_SIZE])
{
	Spelling spelling;
	int first;

	if (!dialled(text, number))
		return false;
	if (number[0] == '+')
		return true;
	spelt(text, &spelling);
	first = spelling.count == 11 && spelling.digits[0] == '1';
	if (!phone_north_american(spelling.digits + first) || (spelling.gaps & ~(GAPS << first | 1U << first)) != 0)
		return false;
	strcpy(number, "+1");
	strcat(number, spelling.digits + first);
	return true;
}

/*
 * Returns, as text, what a reader (of the functions above) writes for the
 * first argument, or NULL if it returns false.
 */
static Datum
number_of(PG_FUNCTION_ARGS, bool (*reader)(const char *text, char number[PHONE_SIZE]))
{
	char number[PHONE_SIZE];

	if (!reader(text_to_cstring(PG_GETARG_TEXT_PP(0)), number))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(number));
}

/*
 * murallink_private.phone_number(phone): see number_meant().
 */
PG_FUNCTION_INFO_V1(phone_number_sql);
Datum
phone_number_sql(PG_FUNCTION_ARGS)
{
	return number_of(fcinfo, number_meant);
}

/*
 * murallink_private.phone_dialled(phone): see dialled().
 */
PG_FUNCTION_INFO_V1(phone_dialled_sql);
Datum
phone_dialled_sql(PG_FUNCTION_ARGS)
{
	return number_of(fcinfo, dialled);
}
