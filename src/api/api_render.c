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
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define MOMENT_ZERO "\"0001-01-01T00:00:00Z\""

static void render_columns(StringInfo out, Datum *values, bool *nulls, TupleDesc desc, bool absent);
static void render_scalar(StringInfo out, Datum value, Oid base);
static void render_absent(StringInfo out, Oid base, bool inside_absent);
static void render_composite(StringInfo out, Datum value, bool isnull, Oid type);
static void render_array(StringInfo out, Datum value, Oid type);
static void append_moment(StringInfo out, TimestampTz moment);
static bool left_out(Datum value, bool isnull, Oid type);

/*
 * Appends a moment in UTC, with microseconds if it has any.
 */
static void
append_moment(StringInfo out, TimestampTz moment)
{
	struct pg_tm tm;
	fsec_t fraction;

	if (TIMESTAMP_NOT_FINITE(moment) || timestamp2tm(moment, NULL, &tm, &fraction, NULL, NULL) != 0)
		appendStringInfoString(out, "\"\"");
	else
	{
		appendStringInfo(out, "\"%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour,
						 tm.tm_min, tm.tm_sec);
		if (fraction != 0)
			appendStringInfo(out, ".%06d", fraction);
		appendStringInfoString(out, "Z\"");
	}
}

/*
 * Returns whether a key is omitted from the answer: its value is absent, and
 * its type is optional_.
 */
static bool
left_out(Datum value, bool isnull, Oid type)
{
	const char *name;

	if (get_typtype(type) != TYPTYPE_DOMAIN)
		return false;
	name = install_type_name(type);
	if (name == NULL || strncmp(name, "optional_", 9) != 0)
		return false;
	return isnull || (getBaseType(type) == TEXTOID && VARSIZE_ANY_EXHDR(DatumGetTextPP(value)) == 0);
}

/*
 * Appends the JSON for an absent value of a type.
 */
static void
render_absent(StringInfo out, Oid base, bool inside_absent)
{
	switch (base)
	{
		case BOOLOID:
			appendStringInfoString(out, "false");
			break;
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
			appendStringInfoChar(out, '0');
			break;
		case JSONBOID:
			appendStringInfoString(out, "null");
			break;
		case TIMESTAMPTZOID:
			appendStringInfoString(out, inside_absent ? MOMENT_ZERO : "\"\"");
			break;
		default:
			appendStringInfoString(out, type_is_array(base) ? "null" : "\"\"");
	}
}

/*
 * Appends a value that is neither composite nor an array.
 */
static void
render_scalar(StringInfo out, Datum value, Oid base)
{
	Oid output;
	bool varlena;

	switch (base)
	{
		case BOOLOID:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			return;
		case TIMESTAMPTZOID:
			append_moment(out, DatumGetTimestampTz(value));
			return;
		case DATEOID:
		{
			int y,
				m,
				d;

			j2date(DatumGetDateADT(value) + POSTGRES_EPOCH_JDATE, &y, &m, &d);
			appendStringInfo(out, "\"%04d-%02d-%02d\"", y, m, d);
			return;
		}
		case JSONBOID:
			(void) JsonbToCString(out, &DatumGetJsonbP(value)->root, 0);
			return;
		case NUMERICOID:
			if (numeric_is_nan(DatumGetNumeric(value)) || numeric_is_inf(DatumGetNumeric(value)))
				appendStringInfoString(out, "null");
			else
				appendStringInfoString(out, numeric_normalize(DatumGetNumeric(value)));
			return;
		default:
			break;
	}
	getTypeOutputInfo(base, &output, &varlena);
	if (base == INT4OID || base == INT8OID)
		appendStringInfoString(out, OidOutputFunctionCall(output, value));
	else
		escape_json(out, OidOutputFunctionCall(output, value));
}

/*
 * Appends the columns of a row as an object.
 */
static void
render_columns(StringInfo out, Datum *values, bool *nulls, TupleDesc desc, bool absent)
{
	bool first = true;

	appendStringInfoChar(out, '{');
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || left_out(values[i], nulls[i], att->atttypid))
			continue;
		if (!first)
			appendStringInfoChar(out, ',');
		first = false;
		escape_json(out, NameStr(att->attname));
		appendStringInfoChar(out, ':');
		if (absent && !type_is_rowtype(att->atttypid))
			render_absent(out, getBaseType(att->atttypid), true);
		else
			api_render(out, values[i], nulls[i], att->atttypid);
	}
	appendStringInfoChar(out, '}');
}

/*
 * Appends a composite value, or the empty form of its type.
 */
static void
render_composite(StringInfo out, Datum value, bool isnull, Oid type)
{
	TupleDesc desc = lookup_rowtype_tupdesc_copy(type, -1);
	Datum *values = palloc0(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));

	memset(nulls, true, desc->natts * sizeof(bool));
	if (!isnull)
	{
		HeapTupleHeader header = DatumGetHeapTupleHeader(value);
		HeapTupleData row = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

		heap_deform_tuple(&row, desc, values, nulls);
	}
	render_columns(out, values, nulls, desc, isnull);
}

/*
 * Appends an array of one dimension.
 */
static void
render_array(StringInfo out, Datum value, Oid type)
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
	appendStringInfoChar(out, '[');
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoChar(out, ',');
		api_render(out, values[i], nulls[i], element);
	}
	appendStringInfoChar(out, ']');
}

/*
 * Appends a value as JSON.
 */
void
api_render(StringInfo out, Datum value, bool isnull, Oid type)
{
	Oid base = getBaseType(type);

	if (type_is_rowtype(base))
		render_composite(out, value, isnull, base);
	else if (isnull)
		render_absent(out, base, false);
	else if (type_is_array(base))
		render_array(out, value, base);
	else
		render_scalar(out, value, base);
}

/*
 * Appends a row of a query: an object, or the value itself if the query has
 * one column.
 */
void
api_render_row(StringInfo out, HeapTuple row, TupleDesc desc)
{
	Datum *values = palloc(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));

	heap_deform_tuple(row, desc, values, nulls);
	render_columns(out, values, nulls, desc, false);
}
