/*
 * report.c
 *	  Reports: reads the rows of cursors in batches and passes them to the
 *	  writer of a format.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "error.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "report.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#define ROWS_A_BATCH 1000

static int lifetime = 3600;

static CellKind kind_of(Oid type);
static ReportCell cell_of(HeapTuple row, TupleDesc desc, int i, CellKind kind);
static void write_sheet(ReportWriter *writer, const char *title, const char *cursor);

/*
 * Registers the setting.
 */
void
report_init(void)
{
	DefineCustomIntVariable("murallink.report_lifetime", "Time for which the link to a report works.", NULL,
							&lifetime, 3600, 1, 30 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

/*
 * Raises too_long if a report of that many bytes cannot be stored.
 */
void
report_check_length(Size length)
{
	if (length > REPORT_LONGEST)
		ereport(ERROR, errnamed(ERR_TOO_LONG, NULL),
				errhint("A report has at most %d MB.", REPORT_LONGEST / 1024 / 1024));
}

/*
 * Returns a date as yyyy-mm-dd.
 */
char *
report_date(Datum date)
{
	int year,
		month,
		day;

	j2date(DatumGetDateADT(date) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return psprintf("%04d-%02d-%02d", year, month, day);
}

/*
 * Returns the kind of cell for a type.
 */
static CellKind
kind_of(Oid type)
{
	switch (getBaseType(type))
	{
		case NUMERICOID:
			return CELL_NUMBER;
		case DATEOID:
			return CELL_DATE;
		default:
			return CELL_TEXT;
	}
}

/*
 * Returns column i (from 0) of a row.
 */
static ReportCell
cell_of(HeapTuple row, TupleDesc desc, int i, CellKind kind)
{
	ReportCell cell = {0};

	cell.value = SPI_getbinval(row, desc, i + 1, &cell.isnull);
	if (kind == CELL_TEXT && !cell.isnull)
	{
		cell.text = SPI_getvalue(row, desc, i + 1);
		cell.isnull = cell.text[0] == '\0';
	}
	return cell;
}

/*
 * Writes the rows of an open cursor as a sheet and closes it.  The names of
 * the columns are the headings.
 */
static void
write_sheet(ReportWriter *writer, const char *title, const char *cursor)
{
	Portal portal = SPI_cursor_find(cursor);
	MemoryContext context = CurrentMemoryContext;
	MemoryContext batch = AllocSetContextCreate(context, "murallink report", ALLOCSET_DEFAULT_SIZES);
	ReportColumn *columns;
	ReportCell *cells;
	int count;

	if (portal == NULL || portal->tupDesc == NULL)
		elog(ERROR, "murallink: there is no cursor \"%s\" for a report", cursor);
	count = portal->tupDesc->natts;
	columns = palloc(sizeof(ReportColumn) * count);
	cells = palloc(sizeof(ReportCell) * count);
	for (int i = 0; i < count; i++)
	{
		columns[i].heading = NameStr(TupleDescAttr(portal->tupDesc, i)->attname);
		columns[i].kind = kind_of(TupleDescAttr(portal->tupDesc, i)->atttypid);
	}
	writer->columns = columns;
	writer->count = count;
	writer->start_sheet(writer, title);

	for (SPI_cursor_fetch(portal, true, ROWS_A_BATCH); SPI_processed > 0;
		 SPI_cursor_fetch(portal, true, ROWS_A_BATCH))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(batch);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			for (int i = 0; i < count; i++)
				cells[i] = cell_of(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, i, columns[i].kind);
			writer->add_row(writer, cells);
		}
		MemoryContextSwitchTo(context);
		MemoryContextReset(batch);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(batch);
}

/*
 * murallink_private.report_file(format, titles, cursors): the file of a report with
 * one sheet for each cursor.
 */
PG_FUNCTION_INFO_V1(report_file);
Datum
report_file(PG_FUNCTION_ARGS)
{
	bool csv = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(0)), "csv") == 0;
	Datum *titles;
	Datum *cursors;
	int title_count,
		count;
	ReportWriter *writer;
	bytea *result;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &titles, NULL, &title_count);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), REFCURSOROID, -1, false, TYPALIGN_INT, &cursors, NULL, &count);
	if (title_count != count)
		elog(ERROR, "murallink: a report needs a title for each sheet");

	writer = csv ? report_csv() : report_xlsx();
	PG_TRY();
	{
		SPI_connect();
		for (int i = 0; i < count; i++)
			write_sheet(writer, TextDatumGetCString(titles[i]), TextDatumGetCString(cursors[i]));
		SPI_finish();
		result = writer->finish(writer);
	}
	PG_FINALLY();
	{
		writer->release(writer);
	}
	PG_END_TRY();
	PG_RETURN_BYTEA_P(result);
}
