/*
 * error.c
 *	  The errors that murallink raises, and the checks of a field that every
 *	  subject needs.
 */
#include "postgres.h"

#include "error.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
#include "utils/builtins.h"

#define FIELD_SHOWN 200 /* bytes */

static const ErrorRow error_rows[] = {
#define ERROR_ROW(symbol, name, sqlstate, message, hint) {name, sqlstate, message, hint},
#include "error_table.h"
#undef ERROR_ROW
};

/*
 * Returns the row of an error.
 */
const ErrorRow *
error_row(ErrorName name)
{
	return &error_rows[name];
}

/*
 * Returns the name of a field as errors show it: a long one, which a client
 * has sent, is cut.  PostgREST casts answers to types that the client names;
 * some of these, such as xml, take hours for a long text and cannot be
 * cancelled.
 */
const char *
error_field(const char *field)
{
	int len = field == NULL ? 0 : strlen(field);

	return len <= FIELD_SHOWN ? field : pnstrdup(field, pg_mbcliplen(field, len, FIELD_SHOWN));
}

/*
 * Fills in the error being reported from the table.  The stable name is sent
 * as constraint name and the field as column name.  The detail has both, too,
 * because some clients show nothing else.
 */
int
errnamed(ErrorName name, const char *field)
{
	const ErrorRow *row = &error_rows[name];
	const char *s = row->sqlstate;

	field = error_field(field);
	errcode(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4]));
	errmsg("%s", row->message);
	if (field != NULL)
	{
		errdetail("%s: %s", row->name, field);
		err_generic_string(PG_DIAG_COLUMN_NAME, field);
	}
	else
		errdetail("%s", row->name);
	if (row->hint != NULL)
		errhint("%s", row->hint);
	err_generic_string(PG_DIAG_CONSTRAINT_NAME, row->name);
	return 0;
}

/*
 * Returns the HTTP status in an SQLSTATE of the form PTxyz, or 0 for any other
 * SQLSTATE.
 */
int
error_http_status(int sqlstate)
{
	const char *text = unpack_sql_state(sqlstate);
	int status = strncmp(text, "PT", 2) == 0 ? atoi(text + 2) : 0;

	return status >= 400 && status < 600 ? status : 0;
}

/*
 * Returns the error with a stable name.  Raises an internal error if there is
 * none, because then our own SQL is wrong.
 */
ErrorName
error_by_name(const char *name)
{
	for (int i = 0; i < ERR_COUNT; i++)
		if (strcmp(error_rows[i].name, name) == 0)
			return (ErrorName) i;
	elog(ERROR, "murallink has no error named \"%s\"", name);
}

/*
 * murallink_private.raise(error, field, hint): raises an error of the table,
 * with another hint than its own if there is one.
 */
PG_FUNCTION_INFO_V1(error_raise);
Datum
error_raise(PG_FUNCTION_ARGS)
{
	ErrorName name;

	if (PG_ARGISNULL(0))
		elog(ERROR, "murallink_private.raise needs the name of an error");
	name = error_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	ereport(ERROR, errnamed(name, PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))),
			PG_ARGISNULL(2) ? 0 : errhint("%s", text_to_cstring(PG_GETARG_TEXT_PP(2))));
}

/*
 * murallink.errors(): the table, for people and for the documentation.
 */
PG_FUNCTION_INFO_V1(error_list);
Datum
error_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < ERR_COUNT; i++)
	{
		const ErrorRow *row = &error_rows[i];
		Datum values[5];
		bool nulls[5] = {false};

		values[0] = CStringGetTextDatum(row->name);
		values[1] = CStringGetTextDatum(row->sqlstate);
		values[2] = Int32GetDatum(atoi(row->sqlstate + 2));
		values[3] = CStringGetTextDatum(row->message);
		nulls[4] = row->hint == NULL;
		values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(row->hint);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * Returns a text without white space at its ends, empty for NULL.  Raises
 * missing_field when it is required and empty, too_long when it has more than
 * `longest` characters, invalid_value when it has control characters other
 * than tab and new line.
 */
text *
error_checked_text(text *value, const char *field, int longest, bool required)
{
	const char *start = value == NULL ? "" : VARDATA_ANY(value);
	int len = value == NULL ? 0 : VARSIZE_ANY_EXHDR(value);

	while (len > 0 && scanner_isspace(start[0]))
		start++, len--;
	while (len > 0 && scanner_isspace(start[len - 1]))
		len--;

	if (len == 0 && required)
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, field));
	if (len > longest && pg_mbstrlen_with_len(start, len) > longest)
		ereport(ERROR, errnamed(ERR_TOO_LONG, field), errhint("It may have at most %d characters.", longest));
	for (int i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) start[i];

		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			ereport(ERROR, errnamed(ERR_INVALID_VALUE, field), errhint("It has no control characters."));
	}
	return cstring_to_text_with_len(start, len);
}

/*
 * murallink_private.checked_text(value, field, longest, required).
 */
PG_FUNCTION_INFO_V1(error_checked_text_sql);
Datum
error_checked_text_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(error_checked_text(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0),
										PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_INT32(2),
										PG_GETARG_BOOL(3)));
}

/*
 * murallink_private.required(value, field): the value.  Raises missing_field for
 * NULL.
 */
PG_FUNCTION_INFO_V1(error_required);
Datum
error_required(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
