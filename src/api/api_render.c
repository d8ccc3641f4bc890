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
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define MOMENT_ZERO "0001-01-01T00:00:00Z"

/* How values of a type are written. */
typedef struct Form
{
	Oid type; /* hash key */
	Oid base; /* that of a domain, else the type */
	Oid element; /* of an array; InvalidOid: none */
	bool composite;
	bool optional; /* absent values are omitted */
	Oid output; /* function */
} Form;

static HTAB *forms = NULL;
static bool forms_stale = false;

static void forget_forms(Datum arg, int cache, uint32 hash);
static Form form_of(Oid type);
static void push_string(JsonbParseState **out, JsonbIteratorToken token, const char *text);
static void push_number(JsonbParseState **out, JsonbIteratorToken token, Datum number);
static char *moment_text(TimestampTz moment);
static char *day_text(DateADT day);
static bool left_out(Datum value, bool isnull, const Form *form);
static void render_absent(JsonbParseState **out, JsonbIteratorToken token, const Form *form, bool inside_absent);
static void render_form(JsonbParseState **out, JsonbIteratorToken token, Datum value, bool isnull, const Form *form);
static void render_jsonb(JsonbParseState **out, JsonbIteratorToken token, Jsonb *value);
static void render_scalar(JsonbParseState **out, JsonbIteratorToken token, Datum value, const Form *form);
static void render_columns(JsonbParseState **out, Datum *values, bool *nulls, TupleDesc desc, bool absent);
static void render_composite(JsonbParseState **out, Datum value, bool isnull, Oid type);
static void render_array(JsonbParseState **out, Datum value, Oid element);

/*
 * Registers the callback that forgets the forms of types when one changes.
 */
void
api_render_init(void)
{
	CacheRegisterSyscacheCallback(TYPEOID, forget_forms, (Datum) 0);
}

/*
 * Marks the forms as outdated.
 */
static void
forget_forms(Datum arg, int cache, uint32 hash)
{
	forms_stale = true;
}

/*
 * Returns the form of a type.  It is kept, because a set has it for each value
 * of each row.
 */
static Form
form_of(Oid type)
{
	Form *form;
	Form found = {.type = type};
	const char *name;
	bool varlena;

	if (forms_stale && forms != NULL)
	{
		hash_destroy(forms);
		forms = NULL;
	}
	if (forms == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Form)};

		forms = hash_create("murallink forms", 64, &ctl, HASH_ELEM | HASH_BLOBS);
		forms_stale = false;
	}
	form = hash_search(forms, &type, HASH_FIND, NULL);
	if (form != NULL)
		return *form;
	found.base = getBaseType(type);
	found.composite = type_is_rowtype(found.base);
	found.element = get_element_type(found.base);
	name = get_typtype(type) == TYPTYPE_DOMAIN ? install_type_name(type) : NULL;
	found.optional = name != NULL && strncmp(name, "optional_", 9) == 0;
	getTypeOutputInfo(found.base, &found.output, &varlena);
	*(Form *) hash_search(forms, &type, HASH_ENTER, NULL) = found;
	return found;
}

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
left_out(Datum value, bool isnull, const Form *form)
{
	return form->optional &&
		   (isnull || (form->base == TEXTOID && VARSIZE_ANY_EXHDR(DatumGetTextPP(value)) == 0));
}

/*
 * Adds the JSON for an absent value of a type.
 */
static void
render_absent(JsonbParseState **out, JsonbIteratorToken token, const Form *form, bool inside_absent)
{
	JsonbValue value = {.type = jbvNull};

	switch (form->base)
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
			if (OidIsValid(form->element))
				break;
			value.type = jbvString;
			value.val.string.val = form->base == TIMESTAMPTZOID && inside_absent ? MOMENT_ZERO : "";
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
render_scalar(JsonbParseState **out, JsonbIteratorToken token, Datum value, const Form *form)
{
	JsonbValue plain = {.type = jbvNull};
	const char *string;

	switch (form->base)
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
				pushJsonbValue(out, token, &plain);
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
			string = OidOutputFunctionCall(form->output, value);
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
		Form form;

		if (att->attisdropped)
			continue;
		form = form_of(att->atttypid);
		if (left_out(values[i], nulls[i], &form))
			continue;
		push_string(out, WJB_KEY, pstrdup(NameStr(att->attname)));
		if (absent && !form.composite)
			render_absent(out, WJB_VALUE, &form, true);
		else
			render_form(out, WJB_VALUE, values[i], nulls[i], &form);
	}
}

/*
 * Adds a composite value, or the empty form of its type.
 */
static void
render_composite(JsonbParseState **out, Datum value, bool isnull, Oid type)
{
	TupleDesc desc = lookup_rowtype_tupdesc(type, -1);
	HeapTupleData row = {0};

	if (!isnull)
	{
		row.t_data = DatumGetHeapTupleHeader(value);
		row.t_len = HeapTupleHeaderGetDatumLength(row.t_data);
	}
	api_render_row(out, isnull ? NULL : &row, desc);
	ReleaseTupleDesc(desc);
}

/*
 * Adds an array of one dimension, of values of a type.
 */
static void
render_array(JsonbParseState **out, Datum value, Oid element)
{
	Form form = form_of(element);
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
		render_form(out, WJB_ELEM, values[i], nulls[i], &form);
	}
	pushJsonbValue(out, WJB_END_ARRAY, NULL);
}

/*
 * Adds a value in its form.
 */
static void
render_form(JsonbParseState **out, JsonbIteratorToken token, Datum value, bool isnull, const Form *form)
{
	if (form->composite)
		render_composite(out, value, isnull, form->base);
	else if (isnull)
		render_absent(out, token, form, false);
	else if (OidIsValid(form->element))
		render_array(out, value, form->element);
	else
		render_scalar(out, token, value, form);
}

/*
 * Adds a value of a type to an object (WJB_VALUE) or an array (WJB_ELEM).  It
 * is copied into the current memory context.
 */
void
api_render(JsonbParseState **out, JsonbIteratorToken token, Datum value, bool isnull, Oid type)
{
	Form form = form_of(type);

	render_form(out, token, value, isnull, &form);
}

/*
 * Adds a row as an object.  NULL: the empty form of its type.
 */
void
api_render_row(JsonbParseState **out, HeapTuple row, TupleDesc desc)
{
	Datum *values = palloc0(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));

	memset(nulls, true, desc->natts * sizeof(bool));
	if (row != NULL)
		heap_deform_tuple(row, desc, values, nulls);
	pushJsonbValue(out, WJB_BEGIN_OBJECT, NULL);
	render_columns(out, values, nulls, desc, row == NULL);
	pushJsonbValue(out, WJB_END_OBJECT, NULL);
}
