/*
 * install_row.h
 *	  Rows found and written without a statement.
 */
#ifndef MURALLINK_INSTALL_ROW_H
#define MURALLINK_INSTALL_ROW_H

#include "access/genam.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* The rows that an index finds. */
typedef struct RowScan
{
	Relation table;
	Relation index;
	Snapshot snapshot;
	SnapshotData uncommitted;
	IndexScanDesc scan; /* NULL if the row was found where it was seen */
	bool seen; /* it was, and row_next() has not returned it yet */
	TupleTableSlot *slot; /* the row that row_next() has found */
	ItemPointerData written; /* where row_replace() has put the row */
} RowScan;

extern void row_begin(RowScan *scan, const char *index, LOCKMODE lock, int columns, const Datum *keys, int count);
extern void row_begin_seen(RowScan *scan, const char *index, LOCKMODE lock, int columns, const Datum *keys, int count,
						   ItemPointer seen);
extern void row_begin_uncommitted(RowScan *scan, const char *index, LOCKMODE lock, int columns, const Datum *keys,
								  int count);
extern bool row_next(RowScan *scan);
extern Datum row_value(RowScan *scan, int column, bool *isnull);
extern void row_end(RowScan *scan);

extern Relation row_table(const char *name, int columns);
extern void row_replace(RowScan *scan, const Datum *values, const bool *nulls);
extern void row_insert(Relation table, const Datum *values, const bool *nulls);
extern bool row_insert_once(Relation table, const char *once, Datum *values, bool *nulls);

#endif /* MURALLINK_INSTALL_ROW_H */
