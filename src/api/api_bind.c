/*
 * api_bind.c
 *	  Converts values of a JSON request to arguments of a function.  JSON types
 *	  are strict: a number is not a text, a text is not a number.
 */
#include "postgres.h"

#include "api.h"
#include "catalog/pg_type.h"
#include "error.h"
#include "install.h"
#include "ksuid.h"
#include "moment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

static bool type_named(Oid type, const char *name);
static char *string_of(const JsonbValue *value, const char *field);
static Datum day_of(const JsonbValue *value, const char *field, bool *isnull);
static Datum moment_of(const JsonbValue *value, const char *field, bool *isnull);
static int32 integer_of(const JsonbValue *value, const char *field);
static Datum uid_of(const JsonbValue *value, const char *field, bool *isnull);
static Datum array_of(const JsonbValue *value, Oid element, const char *field);

/*
 * Returns whether a type is the one of schema murallink with that name.
 */
static bool
type_named(Oid type, const char *name)
{
	const char *found = install_type_name(type);

	return found != NULL && strcmp(found, name) == 0;
}

/*
 * Returns a JSON string.  Raises wrong_type for other values.
 */
static char *
string_of(const JsonbValue *value, const char *field)
{
	if (value->type != jbvString)
		ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It must be a string."));
	return pnstrdup(value->val.string.val, value->val.string.len);
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
		ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It must be an integer."));
	result = numeric_int4_opt_error(value->val.numeric, &failed);
	if (failed)
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, field), errhint("It has at most 31 bits."));
	return result;
}

/*
 * Returns a JSON string as a uid; "" is not one.  Raises wrong_type or
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
 * Returns a JSON array of uids or texts as one of type element.  Raises
 * wrong_type or invalid_uid.
 */
static Datum
array_of(const JsonbValue *value, Oid element, const char *field)
{
	ArrayBuildState *members = initArrayResult(element, CurrentMemoryContext, false);
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue member;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It must be an array."));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &member, true)) != WJB_DONE)
	{
		Datum found;
		bool isnull = false;

		if (token != WJB_ELEM)
			continue;
		if (element == TEXTOID)
			found = CStringGetTextDatum(string_of(&member, field));
		else
			found = uid_of(&member, field, &isnull);
		if (isnull)
			ereport(ERROR, errnamed(ERR_INVALID_UID, field));
		members = accumArrayResult(members, found, false, element, CurrentMemoryContext);
	}
	return makeArrayResult(members, CurrentMemoryContext);
}

/*
 * Returns a JSON string as a day; "" is not one.  Raises wrong_type or
 * invalid_value.
 */
static Datum
day_of(const JsonbValue *value, const char *field, bool *isnull)
{
	char *text = string_of(value, field);
	DateADT day = 0;

	*isnull = text[0] == '\0';
	if (!*isnull && !day_parse(text, &day))
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, field), errhint(DAY_HINT));
	return DateADTGetDatum(day);
}

/*
 * Returns a JSON string as a moment; "" is not one.  Raises wrong_type or
 * invalid_value.
 */
static Datum
moment_of(const JsonbValue *value, const char *field, bool *isnull)
{
	char *text = string_of(value, field);
	TimestampTz moment = 0;

	*isnull = text[0] == '\0';
	if (!*isnull && !moment_parse(text, &moment))
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, field), errhint(MOMENT_HINT));
	return TimestampTzGetDatum(moment);
}

/*
 * Returns whether api_bind() supports the type of an argument.
 */
bool
api_can_bind(Oid type)
{
	Oid base = getBaseType(type);

	return base == TEXTOID || base == BOOLOID || base == INT4OID || base == NUMERICOID || base == JSONBOID ||
		   base == TEXTARRAYOID || base == install_ksuid_type() || get_element_type(base) == install_ksuid_type() ||
		   type_named(type, "day") || type_named(type, "moment");
}

/*
 * Returns a JSON value as a value of an argument's type.  null becomes NULL, or
 * "" for text. "" for a uid, date or moment becomes NULL (absent).  Raises
 * wrong_type, invalid_value or invalid_uid, naming the field.
 */
Datum
api_bind(const JsonbValue *value, Oid type, const char *field, bool *isnull)
{
	Oid base = getBaseType(type);

	*isnull = value->type == jbvNull;
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
			if (value->type == jbvNumeric && type_named(type, "numeric_text"))
				return CStringGetTextDatum(
					DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
			return CStringGetTextDatum(string_of(value, field));
		case BOOLOID:
			if (value->type != jbvBool)
				ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It must be true or false."));
			return BoolGetDatum(value->val.boolean);
		case INT4OID:
			return Int32GetDatum(integer_of(value, field));
		case NUMERICOID:
			if (value->type != jbvNumeric)
				ereport(ERROR, errnamed(ERR_WRONG_TYPE, field), errhint("It must be a number."));
			return NumericGetDatum(value->val.numeric);
		case JSONBOID:
			return JsonbPGetDatum(JsonbValueToJsonb(unconstify(JsonbValue *, value)));
		default:
			break;
	}
	if (type_named(type, "day"))
		return day_of(value, field, isnull);
	if (type_named(type, "moment"))
		return moment_of(value, field, isnull);
	if (base == install_ksuid_type())
		return uid_of(value, field, isnull);
	if (base == TEXTARRAYOID || get_element_type(base) == install_ksuid_type())
		return array_of(value, get_element_type(base), field);
	elog(ERROR, "murallink: arguments of type %s have no JSON form", format_type_be(type));
}
