/*
 * payout_account.c
 *	  The numbers of bank accounts: check digits, lengths and countries.
 */
#include "postgres.h"

#include "fmgr.h"
#include "payout_account.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#define DIGITS "0123456789"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

#define IBAN_LONGEST 34

/* The countries that have IBANs, and how many characters these have, as SWIFT's registry lists them. */
static const char iban_countries[] =
	"AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
	"ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
	"LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
	"PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
	"YE30 ";

/* Territories whose banks have IBANs of another country: the country, then they. */
static const char *const territories[] = {"FR BL GF GP MF MQ NC PF PM RE TF WF YT", "GB GG IM JE", "FI AX", "ES IC EA"};

static int account_cooling = 24 * 60 * 60;

static int iban_length(const char *country);
static bool same_country(const char *iban, const char *bic);

/*
 * Registers the setting.
 */
void
payout_account_init(void)
{
	DefineCustomIntVariable("murallink.account_cooling",
							"Time for which a changed account of a payee is not paid to.", NULL, &account_cooling,
							24 * 60 * 60, 0, 30 * 24 * 60 * 60, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

/*
 * murallink_private.is_routing_number(number): whether it is a routing number of
 * the American Bankers Association, with its check digit.
 */
PG_FUNCTION_INFO_V1(payout_account_is_routing_number);
Datum
payout_account_is_routing_number(PG_FUNCTION_ARGS)
{
	char *number = text_to_cstring(PG_GETARG_TEXT_PP(0));
	static const int weights[] = {3, 7, 1};
	int first;
	int sum = 0;

	if (strlen(number) != 9 || strspn(number, DIGITS) != 9)
		PG_RETURN_BOOL(false);
	first = (number[0] - '0') * 10 + number[1] - '0';
	for (int i = 0; i < 9; i++)
		sum += (number[i] - '0') * weights[i % 3];
	/* The Federal Reserve's districts, thrift institutions, and electronic ones; others are not paid to. */
	PG_RETURN_BOOL(sum % 10 == 0 && ((first >= 1 && first <= 12) || (first >= 21 && first <= 32) ||
									 (first >= 61 && first <= 72)));
}

/*
 * Returns how many characters the IBANs of a country have, or 0.
 */
static int
iban_length(const char *country)
{
	for (const char *entry = iban_countries; *entry != '\0'; entry += strlen("AD24 "))
		if (strncmp(entry, country, 2) == 0)
			return atoi(entry + 2);
	return 0;
}

/*
 * murallink_private.is_iban(number): whether it is an IBAN, as long as its
 * country has them, with its check digits.
 */
PG_FUNCTION_INFO_V1(payout_account_is_iban);
Datum
payout_account_is_iban(PG_FUNCTION_ARGS)
{
	char *number = text_to_cstring(PG_GETARG_TEXT_PP(0));
	size_t length = strlen(number);
	int rest = 0;

	if (length < 5 || length > IBAN_LONGEST || strspn(number, CAPITALS DIGITS) != length ||
		strspn(number, CAPITALS) != 2 || strspn(number + 2, DIGITS) < 2 || iban_length(number) != length)
		PG_RETURN_BOOL(false);
	for (size_t i = 0; i < length; i++)
	{
		char c = number[(i + 4) % length];

		rest = c <= '9' ? (rest * 10 + c - '0') % 97 : (rest * 100 + c - 'A' + 10) % 97;
	}
	/* 00, 01 and 99 would do for 97, 98 and 02, too. */
	PG_RETURN_BOOL(rest == 1 && strncmp(number + 2, "02", 2) >= 0 && strncmp(number + 2, "99", 2) < 0);
}

/*
 * Returns whether a bank of that country may have that IBAN.
 */
static bool
same_country(const char *iban, const char *bic)
{
	if (strncmp(iban, bic + 4, 2) == 0)
		return true;
	for (int i = 0; i < lengthof(territories); i++)
		if (strncmp(territories[i], iban, 2) == 0)
			for (const char *entry = territories[i] + 3;; entry += 3)
			{
				if (strncmp(entry, bic + 4, 2) == 0)
					return true;
				if (entry[2] == '\0')
					break;
			}
	return false;
}

/*
 * murallink_private.is_bic(bic, iban): whether it is the BIC of a bank, of the
 * country of the IBAN.
 */
PG_FUNCTION_INFO_V1(payout_account_is_bic);
Datum
payout_account_is_bic(PG_FUNCTION_ARGS)
{
	char *bic = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *iban = text_to_cstring(PG_GETARG_TEXT_PP(1));
	size_t length = strlen(bic);

	PG_RETURN_BOOL((length == 8 || length == 11) && strspn(bic, CAPITALS DIGITS) == length &&
				   strspn(bic + 4, CAPITALS) >= 2 && strlen(iban) >= 2 && same_country(iban, bic));
}
