/*
 * api_bind.c
 *	  Values of a JSON request as arguments of a function.  JSON types are
 *	  held to: a number is no text, a text is no number.
 */
#include "postgres.h"

#include "api.h"
#include "catalog/pg_type.h"
#include "error.h"
#include "install.h"
#include "ksuid.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static bool domain_named(Oid type, const char *name);
static char *string_of(const JsonbValue *value, const char *field);
static bool parse_date(const char *text, DateADT *date, const char **rest);
static bool parse_moment(const char *text, TimestampTz *moment);
static bool digits(const char *text, int count, int *number);
static int32 integer_of(const JsonbValue *value, const char *field);
static Datum uid_of(const JsonbValue *value, const char *field, bool *isnull);
static Datum uids_of(const JsonbValue *value, Oid element, const char *field);

/*
 * Returns whether a type is murallink's domain of that name.
 */
static bool
domain_named(Oid type, const char *name)
{
	char *found;

	if (get_typtype(type) != TYPTYPE_DOMAIN)
		return false;
	found = format_type_be_qualified(type);
	return strncmp(found, "murallink.", 10) == 0 && strcmp(found + 10, name) == 0;
}

/*
 * Returns a JSON string.  Raises wrong_type for anything else.
 */
static char *
string_of(const JsonbValue *value, const char *field)
{
	if (value->type != jbvString)
		ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It is a string."));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Reads exactly `count` digits.
 */
static bool
digits(const char *text, int count, int *number)
{
	*number = 0;
	for (int i = 0; i < count; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		*number = *number * 10 + (text[i] - '0');
	}
	return true;
}

/*
 * Reads a date that exists, as yyyy-mm-dd; `rest` is what follows it.
 */
static bool
parse_date(const char *text, DateADT *date, const char **rest)
{
	int year,
		month,
		day,
		julian,
		y,
		m,
		d;

	if (!digits(text, 4, &year) || text[4] != '-' || !digits(text + 5, 2, &month) || text[7] != '-' ||
		!digits(text + 8, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1)
		return false;
	julian = date2j(year, month, day);
	j2date(julian, &y, &m, &d);
	*date = julian - POSTGRES_EPOCH_JDATE;
	*rest = text + 10;
	return y == year && m == month && d == day;
}

/*
 * Reads a moment as RFC 3339 writes it, without an offset as UTC; a date
 * alone is its start in UTC.
 */
static bool
parse_moment(const char *text, TimestampTz *moment)
{
	DateADT date;
	int hour,
		minute,
		second,
		offset_hour = 0,
		offset_minute = 0,
		sign = 1;
	int64 microseconds = 0;

	if (!parse_date(text, &date, &text))
		return false;
	*moment = (int64) date * USECS_PER_DAY;
	if (*text == '\0')
		return true;
	if ((*text != 'T' && *text != ' ') || !digits(text + 1, 2, &hour) || text[3] != ':' ||
		!digits(text + 4, 2, &minute) || text[6] != ':' || !digits(text + 7, 2, &second))
		return false;
	text += 9;
	if (*text == '.')
	{
		int64 unit = USECS_PER_SEC / 10;

		text++;
		if (*text < '0' || *text > '9')
			return false;
		for (; *text >= '0' && *text <= '9'; text++, unit /= 10)
			microseconds += (*text - '0') * unit;
	}
	if (*text == '+' || *text == '-')
	{
		sign = *text == '+' ? 1 : -1;
		if (!digits(text + 1, 2, &offset_hour) || text[3] != ':' || !digits(text + 4, 2, &offset_minute))
			return false;
		text += 6;
	}
	else if (*text == 'Z')
		text++;
	*moment += ((hour * 60 + minute - sign * (offset_hour * 60 + offset_minute)) * 60 + second) * USECS_PER_SEC +
			   microseconds;
	return *text == '\0' && hour < 24 && minute < 60 && second < 60 && offset_hour < 16 && offset_minute < 60;
}

/*
 * Returns a JSON number that is an integer.  Raises wrong_type, or
 * invalid_value for one out of range.
 */
static int32
integer_of(const JsonbValue *value, const char *field)
{
	int32 result;
	bool failed = false;

	if (value->type != jbvNumeric ||
		DatumGetInt32(DirectFunctionCall1(numeric_min_scale, NumericGetDatum(value->val.numeric))) != 0)
		ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It is an integer."));
	result = numeric_int4_opt_error(value->val.numeric, &failed);
	if (failed)
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, field));
	return result;
}

/*
 * Returns a JSON string as a uid, which "" is none of.  Raises wrong_type or
 * invalid_uid.
 */
static Datum
uid_of(const JsonbValue *value, const char *field, bool *isnull)
{
	Ksuid *uid = palloc(sizeof(Ksuid));
	char *text = string_of(value, field);

	*isnull = text[0] == '\0';
	if (!*isnull && !ksuid_parse(text, strlen(text), uid))
		ereport(ERROR, errnamed(ERR_INVALID_UID, field));
	return KsuidPGetDatum(uid);
}

/*
 * Returns a JSON array of uids as one of type element.  Raises wrong_type or
 * invalid_uid.
 */
static Datum
uids_of(const JsonbValue *value, Oid element, const char *field)
{
	ArrayBuildState *uids = initArrayResult(element, CurrentMemoryContext, false);
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue member;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It is an array of uids."));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &member, true)) != WJB_DONE)
	{
		Datum uid;
		bool isnull;

		if (token != WJB_ELEM)
			continue;
		uid = uid_of(&member, field, &isnull);
		if (isnull)
			ereport(ERROR, errnamed(ERR_INVALID_UID, field));
		uids = accumArrayResult(uids, uid, false, element, CurrentMemoryContext);
	}
	return makeArrayResult(uids, CurrentMemoryContext);
}

/*
 * Returns a JSON value as a value of an argument's type.  null is NULL, or ""
 * for text; "" for a uid, date or moment is NULL: absent.  Raises wrong_type,
 * invalid_value or invalid_uid, naming the field.
 */
Datum
api_bind(const JsonbValue *value, Oid type, const char *field, bool *isnull)
{
	Oid base = getBaseType(type);
	char *text;
	const char *rest;
	DateADT date;
	TimestampTz moment;

	*isnull = value->type == jbvNull || domain_named(type, "read_only");
	if (*isnull && base == TEXTOID)
	{
		*isnull = false;
		return CStringGetTextDatum("");
	}
	if (*isnull)
		return (Datum) 0;
	switch (base)
	{
		case TEXTOID:
			if (value->type == jbvNumeric && domain_named(type, "numeric_text"))
				return CStringGetTextDatum(
					DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
			return CStringGetTextDatum(string_of(value, field));
		case BOOLOID:
			if (value->type != jbvBool)
				ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It is true or false."));
			return BoolGetDatum(value->val.boolean);
		case INT4OID:
			return Int32GetDatum(integer_of(value, field));
		case NUMERICOID:
			if (value->type != jbvNumeric)
				ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It is a number."));
			return NumericGetDatum(value->val.numeric);
		case JSONBOID:
			return JsonbPGetDatum(JsonbValueToJsonb(unconstify(JsonbValue *, value)));
		case DATEOID:
			text = string_of(value, field);
			*isnull = text[0] == '\0';
			if (*isnull)
				return (Datum) 0;
			if (!parse_date(text, &date, &rest) || (*rest != '\0' && strcmp(rest, "T00:00:00Z") != 0))
				ereport(ERROR, errnamed(ERR_INVALID_VALUE, field), errhint("Dates are written yyyy-mm-dd."));
			return DateADTGetDatum(date);
		case TIMESTAMPTZOID:
			text = string_of(value, field);
			*isnull = text[0] == '\0';
			if (*isnull)
				return (Datum) 0;
			if (!parse_moment(text, &moment))
				ereport(ERROR, errnamed(ERR_INVALID_VALUE, field),
						errhint("Moments are written 2022-08-08T20:30:15Z."));
			return TimestampTzGetDatum(moment);
		default:
			break;
	}
	if (base == install_ksuid_type())
		return uid_of(value, field, isnull);
	if (get_element_type(base) == install_ksuid_type())
		return uids_of(value, get_element_type(base), field);
	elog(ERROR, "murallink: no JSON for arguments of type %s", format_type_be(type));
}
