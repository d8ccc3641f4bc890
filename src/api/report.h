/*
 * report.h
 *	  Reports: sheets of rows, written as CSV or as a workbook.
 */
#ifndef MURALLINK_REPORT_H
#define MURALLINK_REPORT_H

/* The largest report: it is stored and sent as one value. */
#define REPORT_LONGEST (256 * 1024 * 1024)

typedef enum CellKind
{
	CELL_TEXT,
	CELL_NUMBER,
	CELL_DATE
} CellKind;

typedef struct ReportColumn
{
	const char *heading; /* in UTF-8 */
	CellKind kind;
} ReportColumn;

/* A cell of a column; an empty text is null. */
typedef struct ReportCell
{
	bool isnull;
	Datum value; /* of a number or date */
	const char *text; /* of a text, in UTF-8 */
} ReportCell;

/* The writer of a format. Its own data follow this in memory. */
typedef struct ReportWriter ReportWriter;
struct ReportWriter
{
	const ReportColumn *columns; /* of the sheet being written */
	int count;
	void (*start_sheet)(ReportWriter *writer, const char *title);
	void (*add_row)(ReportWriter *writer, const ReportCell *cells);
	bytea *(*finish)(ReportWriter *writer);
	void (*release)(ReportWriter *writer); /* called at the end, also after an error */
};

extern void report_init(void);
extern ReportWriter *report_csv(void);
extern ReportWriter *report_xlsx(void);
extern void report_check_length(Size length);
extern char *report_date(Datum date);

#endif /* MURALLINK_REPORT_H */
