/*
 * report_xlsx.c
 *	  Reports as workbooks of Office Open XML, by libxlsxwriter.
 *
 * The library writes each row to a temporary file at once, so that its memory
 * does not grow with the report.  At the end it packs the rows into the
 * workbook, which is a temporary file, too.  It does not call PostgreSQL.
 * After an error, release() frees what it holds.
 */
#include "postgres.h"

#include <xlsxwriter.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "report.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/wait_event.h"

/* Workbooks count days, correctly since 1 March 1900. */
#define SERIAL_OF_2000 36526
#define SERIAL_FIRST 61

/* The most characters of a cell. */
#define CELL_LONGEST 32767

/* The widths of columns, in characters. */
#define TEXT_WIDTH 24
#define NUMBER_WIDTH 16
#define DATE_WIDTH 12

/* The formats of numbers, by decimals of the currency. */
static const char *const number_formats[] = {"#,##0", "#,##0.0", "#,##0.00", "#,##0.000", "#,##0.0000"};

typedef struct XlsxWriter
{
	ReportWriter base;
	File file;
	lxw_workbook *workbook;
	lxw_format *heading_format;
	lxw_format *date_format;
	lxw_format *number_format[lengthof(number_formats)];
	const char *title;
	int part; /* number of sheets with this title */
	lxw_worksheet *sheet;
	lxw_row_t row; /* the next row of the sheet */
} XlsxWriter;

static void check(lxw_error error);
static lxw_format *add_format(XlsxWriter *writer, const char *number_format);
static void open_workbook(XlsxWriter *writer);
static void add_sheet(XlsxWriter *writer);
static char *escaped(const char *text);
static void write_text(XlsxWriter *writer, int column, const char *text, lxw_format *format);
static void write_number(XlsxWriter *writer, int column, Datum number);
static void write_date(XlsxWriter *writer, int column, Datum date);
static void start_sheet(ReportWriter *base, const char *title);
static void add_row(ReportWriter *base, const ReportCell *cells);
static bytea *finish(ReportWriter *base);
static void release(ReportWriter *base);

/*
 * Returns a writer of a workbook.
 */
ReportWriter *
report_xlsx(void)
{
	XlsxWriter *writer = palloc0(sizeof(XlsxWriter));

	writer->base.start_sheet = start_sheet;
	writer->base.add_row = add_row;
	writer->base.finish = finish;
	writer->base.release = release;
	return &writer->base;
}

/*
 * Raises an error if the library reports one.
 */
static void
check(lxw_error error)
{
	if (error == LXW_ERROR_MEMORY_MALLOC_FAILED)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	if (error != LXW_NO_ERROR)
		ereport(ERROR, errcode(ERRCODE_IO_ERROR), errmsg("could not write a workbook: %s", lxw_strerror(error)));
}

/*
 * Adds a format to the workbook.
 */
static lxw_format *
add_format(XlsxWriter *writer, const char *number_format)
{
	lxw_format *format = workbook_add_format(writer->workbook);

	check(format == NULL ? LXW_ERROR_MEMORY_MALLOC_FAILED : LXW_NO_ERROR);
	if (number_format != NULL)
		format_set_num_format(format, number_format);
	return format;
}

/*
 * Opens the workbook, among PostgreSQL's own temporary files.
 */
static void
open_workbook(XlsxWriter *writer)
{
	lxw_workbook_options options = {.constant_memory = LXW_TRUE};
	char *path;

	writer->file = OpenTemporaryFile(false);
	path = pstrdup(FilePathName(writer->file));
	options.tmpdir = pstrdup(path);
	get_parent_directory(options.tmpdir);
	writer->workbook = workbook_new_opt(path, &options);
	check(writer->workbook == NULL ? LXW_ERROR_MEMORY_MALLOC_FAILED : LXW_NO_ERROR);
	writer->heading_format = add_format(writer, NULL);
	format_set_bold(writer->heading_format);
	writer->date_format = add_format(writer, "yyyy-mm-dd");
	for (int i = 0; i < lengthof(number_formats); i++)
		writer->number_format[i] = add_format(writer, number_formats[i]);
}

/*
 * Adds a sheet with the headings, which do not scroll.
 */
static void
add_sheet(XlsxWriter *writer)
{
	static const int widths[] = {[CELL_TEXT] = TEXT_WIDTH, [CELL_NUMBER] = NUMBER_WIDTH, [CELL_DATE] = DATE_WIDTH};
	const char *name = ++writer->part == 1 ? writer->title : psprintf("%s %d", writer->title, writer->part);

	writer->sheet = workbook_add_worksheet(writer->workbook, name);
	if (writer->sheet == NULL)
		elog(ERROR, "murallink: could not add a sheet \"%s\"", name);
	worksheet_freeze_panes(writer->sheet, 1, 0);
	for (int i = 0; i < writer->base.count; i++)
		check(worksheet_set_column(writer->sheet, i, i, widths[writer->base.columns[i].kind], NULL));
	writer->row = 0;
	for (int i = 0; i < writer->base.count; i++)
		write_text(writer, i, writer->base.columns[i].heading, writer->heading_format);
	writer->row++;
}

/*
 * Returns a text in which everything that looks like an escape, such as
 * _x0041_, is escaped, so that programs show it unchanged.  Lines end with LF,
 * because CR would be written as an escape, which many programs show.
 */
static char *
escaped(const char *text)
{
	StringInfoData out;

	initStringInfo(&out);
	for (const char *at = text; *at != '\0'; at++)
	{
		if (at[0] == '\r' && at[1] == '\n')
			continue;
		if (at[0] == '_' && at[1] == 'x' && strspn(at + 2, "0123456789abcdefABCDEF") >= 4 && at[6] == '_')
			appendStringInfoString(&out, "_x005F");
		appendStringInfoChar(&out, *at == '\r' ? '\n' : *at);
	}
	return out.data;
}

/*
 * Writes a text, cut to the length of a cell.  It is a string whatever it
 * begins with; U+FFFE and U+FFFF, which XML does not allow, become U+FFFD.
 */
static void
write_text(XlsxWriter *writer, int column, const char *text, lxw_format *format)
{
	char *written = escaped(text);

	written[pg_encoding_mbcliplen(PG_UTF8, written, strlen(written), CELL_LONGEST)] = '\0';
	for (char *at = strstr(written, "\xEF\xBF"); at != NULL; at = strstr(at + 3, "\xEF\xBF"))
		if ((unsigned char) at[2] > 0xBD)
			at[2] = '\xBD';
	check(worksheet_write_string(writer->sheet, writer->row, column, written, format));
	pfree(written);
}

/*
 * Writes a number with its decimals.
 */
static void
write_number(XlsxWriter *writer, int column, Datum number)
{
	int decimals = Min(DatumGetInt32(DirectFunctionCall1(numeric_scale, number)), lengthof(number_formats) - 1);

	check(worksheet_write_number(writer->sheet, writer->row, column,
								 DatumGetFloat8(DirectFunctionCall1(numeric_float8, number)),
								 writer->number_format[decimals]));
}

/*
 * Writes a date, as text if workbooks cannot have it.
 */
static void
write_date(XlsxWriter *writer, int column, Datum date)
{
	int serial = DatumGetDateADT(date) + SERIAL_OF_2000;

	if (serial < SERIAL_FIRST)
		write_text(writer, column, report_date(date), NULL);
	else
		check(worksheet_write_number(writer->sheet, writer->row, column, serial, writer->date_format));
}

/*
 * Starts a sheet.
 */
static void
start_sheet(ReportWriter *base, const char *title)
{
	XlsxWriter *writer = (XlsxWriter *) base;

	if (writer->workbook == NULL)
		open_workbook(writer);
	writer->title = title;
	writer->part = 0;
	add_sheet(writer);
}

/*
 * Writes a row, on another sheet if this one is full.
 */
static void
add_row(ReportWriter *base, const ReportCell *cells)
{
	XlsxWriter *writer = (XlsxWriter *) base;

	if (writer->row == LXW_ROW_MAX)
		add_sheet(writer);
	for (int i = 0; i < base->count; i++)
	{
		if (cells[i].isnull)
			continue;
		switch (base->columns[i].kind)
		{
			case CELL_TEXT:
				write_text(writer, i, cells[i].text, NULL);
				break;
			case CELL_NUMBER:
				write_number(writer, i, cells[i].value);
				break;
			case CELL_DATE:
				write_date(writer, i, cells[i].value);
				break;
		}
	}
	writer->row++;
}

/*
 * Packs the workbook and returns it.  Checks the temporary files, because the
 * library does not check whether its rows could be written.
 */
static bytea *
finish(ReportWriter *base)
{
	XlsxWriter *writer = (XlsxWriter *) base;
	lxw_workbook *workbook = writer->workbook;
	lxw_worksheet *sheet;
	off_t size;
	bytea *result;

	STAILQ_FOREACH (sheet, workbook->worksheets, list_pointers)
	{
		if (fflush(sheet->optimize_tmpfile) != 0 || ferror(sheet->optimize_tmpfile))
			ereport(ERROR, errcode_for_file_access(), errmsg("could not write a temporary file: %m"));
	}
	writer->workbook = NULL;
	check(workbook_close(workbook));

	size = FileSize(writer->file);
	report_check_length(size);
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	if (FileRead(writer->file, VARDATA(result), size, 0, WAIT_EVENT_BUFFILE_READ) != size)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not read a temporary file: %m"));
	return result;
}

/*
 * Frees what the library holds and removes the file.
 */
static void
release(ReportWriter *base)
{
	XlsxWriter *writer = (XlsxWriter *) base;
	lxw_worksheet *sheet;

	if (writer->workbook != NULL)
	{
		/* lxw_workbook_free() leaves these open. */
		STAILQ_FOREACH (sheet, writer->workbook->worksheets, list_pointers)
			fclose(sheet->optimize_tmpfile);
		lxw_workbook_free(writer->workbook);
	}
	if (writer->file > 0)
		FileClose(writer->file);
}
