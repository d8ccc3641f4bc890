/*
 * money.c
 *	  Currencies of ISO 4217 and the amounts that can be paid in them.
 */
#include "postgres.h"

#include "error.h"
#include "fmgr.h"
#include "money.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* Currencies by the decimals of their minor unit. */
static const char *const codes_by_decimals[] = {
	" BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ",
	"",
	" AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN"
	" BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP"
	" GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP"
	" LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR"
	" NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN"
	" SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW"
	" ZWG ",
	" BHD IQD JOD KWD LYD OMR TND ",
	" CLF UYW ",
};

/* Amounts are less than this, so that all of them fit numeric(14,2). */
#define AMOUNT_LIMIT INT64CONST(1000000000000)

static bool amount_fits(Numeric amount, int decimals);

/*
 * Returns the number of decimals of a currency, -1 for an unknown code.
 */
int
money_decimals(text *code)
{
	char word[] = "     ";

	if (VARSIZE_ANY_EXHDR(code) != 3)
		return -1;
	memcpy(word + 1, VARDATA_ANY(code), 3);
	if (strcspn(word + 1, " ") != 3)
		return -1;
	for (int decimals = 0; decimals < lengthof(codes_by_decimals); decimals++)
		if (strstr(codes_by_decimals[decimals], word) != NULL)
			return decimals;
	return -1;
}

/*
 * Returns whether the amount is a number above zero, below the limit, with no
 * more decimals than given.
 */
static bool
amount_fits(Numeric amount, int decimals)
{
	Datum value = NumericGetDatum(amount);

	if (numeric_is_nan(amount) || numeric_is_inf(amount))
		return false;
	return DatumGetBool(
			   DirectFunctionCall2(numeric_gt, value, NumericGetDatum(int64_to_numeric(0)))) &&
		   DatumGetBool(DirectFunctionCall2(
			   numeric_lt, value, NumericGetDatum(int64_to_numeric(AMOUNT_LIMIT)))) &&
		   DatumGetInt32(DirectFunctionCall1(numeric_min_scale, value)) <= decimals;
}

/*
 * murallink_private.currency_decimals(currency): the decimals of its minor unit, NULL
 * for an unknown code.
 */
PG_FUNCTION_INFO_V1(money_currency_decimals);
Datum
money_currency_decimals(PG_FUNCTION_ARGS)
{
	int decimals = money_decimals(PG_GETARG_TEXT_PP(0));

	if (decimals < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(decimals);
}

/*
 * murallink_private.amount_fits(amount, currency): whether it can be paid; false for
 * an unknown currency.
 */
PG_FUNCTION_INFO_V1(money_amount_fits);
Datum
money_amount_fits(PG_FUNCTION_ARGS)
{
	int decimals = money_decimals(PG_GETARG_TEXT_PP(1));

	PG_RETURN_BOOL(decimals >= 0 && amount_fits(PG_GETARG_NUMERIC(0), decimals));
}

/*
 * murallink_private.check_money(amount, currency): raises missing_field,
 * unknown_currency or invalid_amount unless the amount can be paid.
 */
PG_FUNCTION_INFO_V1(money_check);
Datum
money_check(PG_FUNCTION_ARGS)
{
	int decimals;

	if (PG_ARGISNULL(0))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "amount"));
	if (PG_ARGISNULL(1))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "currency"));
	decimals = money_decimals(PG_GETARG_TEXT_PP(1));
	if (decimals < 0)
		ereport(ERROR, errnamed(ERR_UNKNOWN_CURRENCY, "currency"));
	if (!amount_fits(PG_GETARG_NUMERIC(0), decimals))
		ereport(ERROR, errnamed(ERR_INVALID_AMOUNT, "amount"));
	PG_RETURN_VOID();
}
