/*
 * money.c
 *		Amounts: text with exactly two decimals outside, cents inside.
 */
#include "sandbox.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

/* Digits before the point: sums of many such amounts still fit. */
#define MONEY_DIGITS 9

/*
 * money_read sets the cents of an amount like "75.00".
 * Returns false for any other writing of it: signs, spaces, leading zeros.
 */
bool
money_read(const char *text, int64_t *cents)
{
	int digits = 0;

	while (isdigit((unsigned char) text[digits]))
		digits++;
	if (digits == 0 || digits > MONEY_DIGITS || (text[0] == '0' && digits > 1))
		return false;
	if (text[digits] != '.' || !isdigit((unsigned char) text[digits + 1]) || !isdigit((unsigned char) text[digits + 2]) ||
		text[digits + 3] != '\0')
		return false;

	*cents = strtoll(text, NULL, 10) * 100 + (text[digits + 1] - '0') * 10 + (text[digits + 2] - '0');
	return true;
}

/*
 * money_text returns an amount that is not negative as JSON text.
 */
json_t *
money_text(int64_t cents)
{
	return json_sprintf("%" PRId64 ".%02" PRId64, cents / 100, cents % 100);
}

/*
 * money_wrong is a check of amounts above zero.
 */
const char *
money_wrong(const json_t *value)
{
	int64_t cents;

	if (money_read(json_string_value(value), &cents) && cents > 0)
		return NULL;
	return "must be text, above zero, with two decimals";
}
