/*
 * api_render.c
 *	  Results of functions as JSON, in the form of the source document.
 *
 * Absent values keep their form: a uid, text or moment is "", a number 0; a
 * nested object has all its keys, with the moment 0001-01-01T00:00:00Z.  Keys
 * whose type is one of the optional_ domains are omitted instead.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api.h"
#include "catalog/pg_type.h"
#include "install.h"
#include "ksuid.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define MOMENT_ZERO "0001-01-01T00:00:00Z"

static void push_string(JsonbParseState **out, JsonbIteratorToken token, const char *text);
static void push_number(JsonbParseState **out, JsonbIteratorToken token, Datum number);
static char *moment_text(TimestampTz moment);
static char *day_text(DateADT day);
static bool left_out(Datum value, bool isnull, Oid type);
static void render_absent(JsonbParseState **out, JsonbIteratorToken token, Oid base, bool inside_absent);
static void render_jsonb(JsonbParseState **out, JsonbIteratorToken token, Jsonb *value);
static void render_scalar(JsonbParseState **out, JsonbIteratorToken token, Datum value, Oid base);
static void render_columns(JsonbParseState **out, Datum *values, bool *nulls, TupleDesc desc, bool absent);
static void render_composite(JsonbParseState **out, Datum value, bool isnull, Oid type);
static void render_array(JsonbParseState **out, Datum value, Oid type);

/*
 * Adds a string, which must live as long as the answer is built.
 */
static void
push_string(JsonbParseState **out, JsonbIteratorToken token, const char *text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	pushJsonbValue(out, token, &value);
}

/*
 * Adds a number, a Numeric, without zeros at its end.
 */
static void
push_number(JsonbParseState **out, JsonbIteratorToken token, Datum number)
{
	JsonbValue value = {.type = jbvNumeric};

	value.val.numeric = DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, number));
	pushJsonbValue(out, token, &value);
}

/*
 * Adds a key to an object.
 */
void
api_render_key(JsonbParseState **out, const char *key)
{
	push_string(out, WJB_KEY, key);
}

/*
 * Adds a key and a string to an object.
 */
void
api_render_text(JsonbParseState **out, const char *key, const char *text)
{
	push_string(out, WJB_KEY, key);
	push_string(out, WJB_VALUE, text);
}

/*
 * Adds a key and an integer to an object.
 */
void
api_render_integer(JsonbParseState **out, const char *key, int64 number)
{
	push_string(out, WJB_KEY, key);
	push_number(out, WJB_VALUE, NumericGetDatum(int64_to_numeric(number)));
}

/*
 * Returns a moment in UTC, with microseconds if it has any, "" for infinity.
 */
static char *
moment_text(TimestampTz moment)
{
	struct pg_tm tm;
	fsec_t fraction;
	char part[16] = "";

	if (TIMESTAMP_NOT_FINITE(moment) || timestamp2tm(moment, NULL, &tm, &fraction, NULL, NULL) != 0)
		return "";
	if (fraction != 0)
		snprintf(part, sizeof(part), ".%06d", fraction);
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min,
					tm.tm_sec, part);
}

/*
 * Returns a day as text.
 */
static char *
day_text(DateADT day)
{
	int y,
		m,
		d;

	j2date(day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	return psprintf("%04d-%02d-%02d", y, m, d);
}

/*
 * Returns whether a key is omitted from the answer: its value is absent, and
 * its type is optional_.
 */
static bool
left_out(Datum value, bool isnull, Oid type)
{
	const char *name;

	if (!isnull && (getBaseType(type) != TEXTOID || VARSIZE_ANY_EXHDR(DatumGetTextPP(value)) > 0))
		return false;
	if (get_typtype(type) != TYPTYPE_DOMAIN)
		return false;
	name = install_type_name(type);
	return name != NULL && strncmp(name, "optional_", 9) == 0;
}

/*
 * Adds the JSON for an absent value of a type.
 */
static void
render_absent(JsonbParseState **out, JsonbIteratorToken token, Oid base, bool inside_absent)
{
	JsonbValue value = {.type = jbvNull};

	switch (base)
	{
		case BOOLOID:
			value.type = jbvBool;
			value.val.boolean = false;
			break;
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
			value.type = jbvNumeric;
			value.val.numeric = int64_to_numeric(0);
			break;
		case JSONBOID:
			break;
		default:
			if (type_is_array(base))
				break;
			value.type = jbvString;
			value.val.string.val = base == TIMESTAMPTZOID && inside_absent ? MOMENT_ZERO : "";
			value.val.string.len = strlen(value.val.string.val);
	}
	pushJsonbValue(out, token, &value);
}

/*
 * Adds a value that is JSON.
 */
static void
render_jsonb(JsonbParseState **out, JsonbIteratorToken token, Jsonb *json)
{
	JsonbValue value;

	if (!JB_ROOT_IS_SCALAR(json) || !JsonbExtractScalar(&json->root, &value))
		JsonbToJsonbValue(json, &value);
	pushJsonbValue(out, token, &value);
}

/*
 * Adds a value that is neither composite nor an array.
 */
static void
render_scalar(JsonbParseState **out, JsonbIteratorToken token, Datum value, Oid base)
{
	JsonbValue plain;
	Oid output;
	bool varlena;
	const char *string;

	switch (base)
	{
		case BOOLOID:
			plain.type = jbvBool;
			plain.val.boolean = DatumGetBool(value);
			pushJsonbValue(out, token, &plain);
			return;
		case JSONBOID:
			render_jsonb(out, token, DatumGetJsonbPCopy(value));
			return;
		case INT4OID:
			push_number(out, token, NumericGetDatum(int64_to_numeric(DatumGetInt32(value))));
			return;
		case INT8OID:
			push_number(out, token, NumericGetDatum(int64_to_numeric(DatumGetInt64(value))));
			return;
		case NUMERICOID:
			if (numeric_is_nan(DatumGetNumeric(value)) || numeric_is_inf(DatumGetNumeric(value)))
				render_absent(out, token, JSONBOID, false);
			else
				push_number(out, token, value);
			return;
		case TEXTOID:
			string = TextDatumGetCString(value);
			break;
		case TIMESTAMPTZOID:
			string = moment_text(DatumGetTimestampTz(value));
			break;
		case DATEOID:
			string = day_text(DatumGetDateADT(value));
			break;
		default:
			getTypeOutputInfo(base, &output, &varlena);
			string = OidOutputFunctionCall(output, value);
	}
	push_string(out, token, string);
}

/*
 * Adds the columns of a row as an object.
 */
static void
render_columns(JsonbParseState **out, Datum *values, bool *nulls, TupleDesc desc, bool absent)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || left_out(values[i], nulls[i], att->atttypid))
			continue;
		push_string(out, WJB_KEY, pstrdup(NameStr(att->attname)));
		if (absent && !type_is_rowtype(att->atttypid))
			render_absent(out, WJB_VALUE, getBaseType(att->atttypid), true);
		else
			api_render(out, WJB_VALUE, values[i], nulls[i], att->atttypid);
	}
}

/*
 * Adds a composite value, or the empty form of its type.
 */
static void
render_composite(JsonbParseState **out, Datum value, bool isnull, Oid type)
{
	TupleDesc desc = lookup_rowtype_tupdesc(type, -1);
	Datum *values = palloc0(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));

	memset(nulls, true, desc->natts * sizeof(bool));
	if (!isnull)
	{
		HeapTupleHeader header = DatumGetHeapTupleHeader(value);
		HeapTupleData row = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

		heap_deform_tuple(&row, desc, values, nulls);
	}
	pushJsonbValue(out, WJB_BEGIN_OBJECT, NULL);
	render_columns(out, values, nulls, desc, isnull);
	pushJsonbValue(out, WJB_END_OBJECT, NULL);
	ReleaseTupleDesc(desc);
}

/*
 * Adds an array of one dimension.
 */
static void
render_array(JsonbParseState **out, Datum value, Oid type)
{
	Oid element = get_element_type(type);
	int16 len;
	bool byval;
	char align;
	Datum *values;
	bool *nulls;
	int count;

	get_typlenbyvalalign(element, &len, &byval, &align);
	deconstruct_array(DatumGetArrayTypeP(value), element, len, byval, align, &values, &nulls, &count);
	pushJsonbValue(out, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		api_render(out, WJB_ELEM, values[i], nulls[i], element);
	}
	pushJsonbValue(out, WJB_END_ARRAY, NULL);
}

/*
 * Adds a value to an object (WJB_VALUE) or an array (WJB_ELEM).  It is copied
 * into the current memory context.
 */
void
api_render(JsonbParseState **out, JsonbIteratorToken token, Datum value, bool isnull, Oid type)
{
	Oid base = getBaseType(type);

	if (type_is_rowtype(base))
		render_composite(out, value, isnull, base);
	else if (isnull)
		render_absent(out, token, base, false);
	else if (type_is_array(base))
		render_array(out, value, base);
	else
		render_scalar(out, token, value, base);
}

/*
 * Adds a row of a query as an object to an array.
 */
void
api_render_row(JsonbParseState **out, HeapTuple row, TupleDesc desc)
{
	Datum *values = palloc(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));

	heap_deform_tuple(row, desc, values, nulls);
	pushJsonbValue(out, WJB_BEGIN_OBJECT, NULL);
	render_columns(out, values, nulls, desc, false);
	pushJsonbValue(out, WJB_END_OBJECT, NULL);
}
