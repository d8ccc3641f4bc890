/*
 * mail_address.c
 *	  E-mail addresses, in the form to which mail is sent.
 *
 * Mail is sent without SMTPUTF8, so the part before the @ must be ASCII, in
 * which two spellings of one mailbox differ in case only.  A domain in other
 * letters is stored as DNS has it (xn--).  No other letter is turned into one
 * of ASCII: Unicode folds some letters that look like "k" or "i" into these,
 * which would name another person's mailbox.
 */
#include "postgres.h"

#include <unicode/uidna.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mail_address.h"
#include "mb/pg_wchar.h"
#include "text.h"
#include "utils/builtins.h"

#define ADDRESS_LONGEST 254
#define LOCAL_LONGEST 64
#define LABEL_LONGEST 63
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static bool is_dotted(const char *text, size_t length, const char *letters);
static bool append_label(StringInfo out, const char *label, size_t length);
static bool encode_label(const char *label, size_t length, char *encoded);
static char *mail_address(const char *text);

/*
 * Returns whether a text consists of words of these characters, separated by
 * single dots.
 */
static bool
is_dotted(const char *text, size_t length, const char *letters)
{
	for (size_t word; length > 0; text += word + 1, length -= word + 1)
	{
		word = strspn(text, letters);
		if (word == 0 || word > length)
			return false;
		if (word == length)
			return true;
		if (text[word] != '.')
			return false;
	}
	return false;
}

/*
 * Writes a label of a domain as DNS has it.  Returns false if there is no such
 * form, or if it does not begin with xn--, because then Unicode has turned
 * letters into those of ASCII.
 */
static bool
encode_label(const char *label, size_t length, char *encoded)
{
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode status = U_ZERO_ERROR;
	UIDNA *idna;
	int32 size;

	for (const char *c = label; c < label + length; c += pg_utf_mblen((const unsigned char *) c))
		if (text_is_unseen((UChar32) utf8_to_unicode((const unsigned char *) c)))
			return false;
	idna = uidna_openUTS46(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
							   UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
						   &status);
	size = uidna_labelToASCII_UTF8(idna, label, length, encoded, LABEL_LONGEST + 1, &info, &status);
	uidna_close(idna);
	return U_SUCCESS(status) && info.errors == 0 && size <= LABEL_LONGEST && strncmp(encoded, "xn--", 4) == 0;
}

/*
 * Appends a label of a domain, in lower case and as DNS has it; returns false
 * if it is not a label.
 */
static bool
append_label(StringInfo out, const char *label, size_t length)
{
	char encoded[LABEL_LONGEST + 1] = {0};

	if (!text_is_ascii(label, length) || (length >= 4 && pg_strncasecmp(label, "xn--", 4) == 0))
	{
		if (!encode_label(label, length, encoded))
			return false;
		appendStringInfoString(out, encoded);
		return true;
	}
	if (length == 0 || length > LABEL_LONGEST || label[0] == '-' || label[length - 1] == '-' ||
		strspn(label, LETTERS DIGITS "-") < length)
		return false;
	for (size_t i = 0; i < length; i++)
		appendStringInfoChar(out, pg_ascii_tolower(label[i]));
	return true;
}

/*
 * Returns an e-mail address as it is stored and mailed to, in lower case.
 * Returns NULL for other texts, and for addresses that are quoted, have a
 * comment, an IP address, blanks or invisible characters.  The text is in
 * UTF-8.
 */
static char *
mail_address(const char *text)
{
	const char *at = strchr(text, '@');
	const char *label;
	StringInfoData out;

	if (at == NULL || at - text > LOCAL_LONGEST || strlen(text) > 4 * ADDRESS_LONGEST ||
		!is_dotted(text, at - text, LETTERS DIGITS "!#$%&'*+-/=?^_`{|}~"))
		return NULL;
	initStringInfo(&out);
	for (const char *c = text; c <= at; c++)
		appendStringInfoChar(&out, pg_ascii_tolower(*c));
	for (label = at + 1;; label++)
	{
		size_t length = strcspn(label, ".");

		if (!append_label(&out, label, length))
			return NULL;
		/* A last label of digits belongs to an IP address. */
		if (label[length] == '\0' && strspn(label, DIGITS) == length)
			return NULL;
		label += length;
		if (*label == '\0')
			break;
		appendStringInfoChar(&out, '.');
	}
	return out.len <= ADDRESS_LONGEST ? out.data : NULL;
}

/*
 * Returns whether a text is an address in ASCII, which can be written
 * unchanged into a message and a command to a mail server.
 */
bool
mail_address_fits(const char *text)
{
	return text_is_ascii(text, strlen(text)) && mail_address(text) != NULL;
}

/*
 * murallink_private.mail_address(value): the address, or null.
 */
PG_FUNCTION_INFO_V1(mail_address_sql);
Datum
mail_address_sql(PG_FUNCTION_ARGS)
{
	char *address = mail_address(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (address == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(address));
}

/*
 * murallink_private.is_mail_address(value): whether it is an address in the form that
 * is stored.
 */
PG_FUNCTION_INFO_V1(mail_address_is);
Datum
mail_address_is(PG_FUNCTION_ARGS)
{
	char *value = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *address = mail_address(value);

	PG_RETURN_BOOL(address != NULL && strcmp(value, address) == 0);
}
