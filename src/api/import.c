/*
 * import.c
 *	  What other programs send as text: tables in CSV, read by libcsv, and values
 *	  of a form, decoded by libcurl; and what to do about text that is not UTF-8.
 */
#include "postgres.h"

#include <csv.h>
#include <curl/curl.h>

#include "catalog/pg_type.h"
#include "error.h"
#include "fmgr.h"
#include "funcapi.h"
#include "import.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "text.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* The byte order mark of UTF-8. */
#define BOM "\xEF\xBB\xBF"

/* What libcsv has found at the last byte. */
typedef struct Found
{
	const char *field;
	size_t length;
	bool has_field;
	bool row_ended;
} Found;

static emit_log_hook_type next_hook;

static void tell_encoding(ErrorData *error);
static char delimiter_of(const char *csv, size_t length);
static void found_field(void *field, size_t length, void *found);
static void found_end(int last, void *found);
static void take(const Found *found, ArrayBuildState **row, ReturnSetInfo *result);

/*
 * Registers the hook.  Called once, from _PG_init.
 */
void
import_init(void)
{
	next_hook = emit_log_hook;
	emit_log_hook = tell_encoding;
}

/*
 * Hook: says what to do about text in another encoding.  PostgreSQL refuses it
 * before it calls a function, which therefore cannot say it.
 */
static void
tell_encoding(ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_CHARACTER_NOT_IN_REPERTOIRE && error->elevel == ERROR && error->hint == NULL &&
		debug_query_string != NULL && text_find(debug_query_string, "murallink") != NULL)
		error->hint = MemoryContextStrdup(error->assoc_context,
										  "Text is in UTF-8, or in the client_encoding of the connection. A spreadsheet "
										  "saves it as \"CSV UTF-8\"; iconv -f WINDOWS-1252 -t UTF-8 converts a file.");
	if (next_hook)
		next_hook(error);
}

/*
 * Returns the character that separates the fields of the first line that is not
 * empty: of comma, semicolon and tab the one that occurs most, outside of
 * quotation marks.
 */
static char
delimiter_of(const char *csv, size_t length)
{
	static const char candidates[] = ",;\t";
	int counts[lengthof(candidates)] = {0};
	bool quoted = false;
	int best = 0;
	size_t start = 0;

	while (start < length && (csv[start] == '\n' || csv[start] == '\r'))
		start++;
	for (size_t i = start; i < length && (quoted || (csv[i] != '\n' && csv[i] != '\r')); i++)
	{
		const char *candidate = strchr(candidates, csv[i]);

		if (csv[i] == '"')
			quoted = !quoted;
		else if (!quoted && candidate != NULL)
			counts[candidate - candidates]++;
	}
	for (int i = 1; i < lengthof(candidates) - 1; i++)
		if (counts[i] > counts[best])
			best = i;
	return candidates[best];
}

/*
 * Called by libcsv at the end of a field, which lasts until the next byte.
 */
static void
found_field(void *field, size_t length, void *found)
{
	*(Found *) found = (Found){.field = field, .length = length, .has_field = true};
}

/*
 * Called by libcsv at the end of a row.
 */
static void
found_end(int last, void *found)
{
	((Found *) found)->row_ended = true;
}

/*
 * Adds what libcsv has found to the row, and the row, once it has ended, to
 * the result.
 */
static void
take(const Found *found, ArrayBuildState **row, ReturnSetInfo *result)
{
	if (found->has_field)
	{
		Datum field = PointerGetDatum(
			cstring_to_text_with_len(found->field != NULL ? found->field : "", (int) found->length));

		*row = accumArrayResult(*row, field, found->length == 0, TEXTOID, CurrentMemoryContext);
	}
	if (found->row_ended && *row != NULL)
	{
		Datum value = makeArrayResult(*row, CurrentMemoryContext);
		bool isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
		*row = NULL;
	}
}

/*
 * murallink_private.csv_rows(csv): the rows, each an array of texts, with null
 * for an empty field.  Empty lines are left out.  Raises invalid_request.
 *
 * libcsv gets one byte at a time, so that nothing is done in its callbacks
 * that could raise an error.
 */
PG_FUNCTION_INFO_V1(csv_rows);
Datum
csv_rows(PG_FUNCTION_ARGS)
{
	text *given = PG_GETARG_TEXT_PP(0);
	const char *csv = VARDATA_ANY(given);
	size_t length = VARSIZE_ANY_EXHDR(given);
	struct csv_parser parser;
	ArrayBuildState *row = NULL;
	int error = 0;
	int rows = 0;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (length >= strlen(BOM) && memcmp(csv, BOM, strlen(BOM)) == 0)
	{
		csv += strlen(BOM);
		length -= strlen(BOM);
	}
	if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
		elog(ERROR, "libcsv cannot be initialized");
	PG_TRY();
	{
		csv_set_delim(&parser, delimiter_of(csv, length));
		for (size_t i = 0; i <= length && error == 0; i++)
		{
			Found found = {0};

			CHECK_FOR_INTERRUPTS();
			if (i == length ? csv_fini(&parser, found_field, found_end, &found) != 0
							: csv_parse(&parser, csv + i, 1, found_field, found_end, &found) != 1)
				error = csv_error(&parser);
			rows += found.row_ended && (row != NULL || found.has_field);
			take(&found, &row, (ReturnSetInfo *) fcinfo->resultinfo);
		}
	}
	PG_FINALLY();
	{
		csv_free(&parser);
	}
	PG_END_TRY();
	if (error != 0)
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, "csv"),
				errhint("The CSV cannot be read after row %d, the first line included: a quotation mark stands only around "
						"a field, and is doubled within it.",
						rows));
	return (Datum) 0;
}

/*
 * murallink_private.url_decoded(value): a name or value of a form, decoded.
 * Raises invalid_request.
 */
PG_FUNCTION_INFO_V1(url_decoded);
Datum
url_decoded(PG_FUNCTION_ARGS)
{
	char *given = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text *result = NULL;
	char *decoded;
	int length;

	for (char *c = given; *c != '\0'; c++)
		if (*c == '+')
			*c = ' ';
	decoded = curl_easy_unescape(NULL, given, 0, &length);
	if (decoded == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	PG_TRY();
	{
		if (pg_verify_mbstr(GetDatabaseEncoding(), decoded, length, true))
			result = cstring_to_text_with_len(decoded, length);
	}
	PG_FINALLY();
	{
		curl_free(decoded);
	}
	PG_END_TRY();
	if (result == NULL)
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, NULL));
	PG_RETURN_TEXT_P(result);
}
