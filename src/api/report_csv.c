/*
 * report_csv.c
 *	  Reports as CSV of RFC 4180, in UTF-8.
 *
 * Spreadsheets read a text that begins with one of = + - @ as a formula, so it
 * is prefixed with an apostrophe.  In locales that separate cells by
 * semicolons, as in most of Europe, they do so also after a semicolon or an
 * end of line within a text.  The byte order mark makes them read UTF-8.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "report.h"
#include "utils/builtins.h"

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

typedef struct CsvWriter
{
	ReportWriter base;
	StringInfoData out; /* a bytea, whose length is set at the end */
} CsvWriter;

static bool begins_formula(const char *text);
static void append_text(StringInfo out, const char *text);
static void start_sheet(ReportWriter *writer, const char *title);
static void add_row(ReportWriter *writer, const ReportCell *cells);
static bytea *finish(ReportWriter *writer);
static void release(ReportWriter *writer);

/*
 * Returns a writer of CSV.  It writes no titles; the sheets follow each other.
 */
ReportWriter *
report_csv(void)
{
	CsvWriter *writer = palloc0(sizeof(CsvWriter));

	writer->base.start_sheet = start_sheet;
	writer->base.add_row = add_row;
	writer->base.finish = finish;
	writer->base.release = release;
	initStringInfo(&writer->out);
	appendStringInfoSpaces(&writer->out, VARHDRSZ);
	appendStringInfoString(&writer->out, BYTE_ORDER_MARK);
	return &writer->base;
}

/*
 * Returns whether a spreadsheet reads a text as a formula, by its first
 * character.
 */
static bool
begins_formula(const char *text)
{
	/* In ASCII, then in full width. */
	static const char *const signs[] = {"=", "+", "-", "@",
										"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};

	for (int i = 0; i < lengthof(signs); i++)
		if (strncmp(text, signs[i], strlen(signs[i])) == 0)
			return true;
	return false;
}

/*
 * Appends a text so that no program reads it as several fields or as a
 * formula.
 */
static void
append_text(StringInfo out, const char *text)
{
	/* Whether some spreadsheet starts a cell here. */
	bool begins = true;

	if (!begins_formula(text) && text[strcspn(text, "\",;\t\r\n")] == '\0')
	{
		appendStringInfoString(out, text);
		return;
	}
	appendStringInfoChar(out, '"');
	for (; *text != '\0'; text++)
	{
		if (begins && begins_formula(text))
			appendStringInfoChar(out, '\'');
		if (*text == '"')
			appendStringInfoChar(out, '"');
		appendStringInfoChar(out, *text);
		begins = strchr(";\t\r\n", *text) != NULL || (begins && strchr(" \"", *text) != NULL);
	}
	appendStringInfoChar(out, '"');
}

/*
 * Writes the headings.
 */
static void
start_sheet(ReportWriter *writer, const char *title)
{
	StringInfo out = &((CsvWriter *) writer)->out;

	for (int i = 0; i < writer->count; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		append_text(out, writer->columns[i].heading);
	}
	appendStringInfoString(out, "\r\n");
}

/*
 * Writes a row.
 */
static void
add_row(ReportWriter *writer, const ReportCell *cells)
{
	StringInfo out = &((CsvWriter *) writer)->out;

	for (int i = 0; i < writer->count; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		if (cells[i].isnull)
			continue;
		switch (writer->columns[i].kind)
		{
			case CELL_TEXT:
				append_text(out, cells[i].text);
				break;
			case CELL_NUMBER:
				appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(numeric_out, cells[i].value)));
				break;
			case CELL_DATE:
				appendStringInfoString(out, report_date(cells[i].value));
				break;
		}
	}
	appendStringInfoString(out, "\r\n");
	report_check_length(out->len);
}

/*
 * Returns the file.
 */
static bytea *
finish(ReportWriter *writer)
{
	StringInfo out = &((CsvWriter *) writer)->out;

	SET_VARSIZE(out->data, out->len);
	return (bytea *) out->data;
}

/*
 * Nothing to do: all memory is PostgreSQL's.
 */
static void
release(ReportWriter *writer)
{
}
