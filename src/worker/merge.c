/*
 * merge.c
 *	  The rows of a patient that are moved to another one, also in tables whose
 *	  rows no statement changes.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/index.h"
#include "error.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "install.h"
#include "install_row.h"
#include "ksuid.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/*
 * Sets one column (from 0) of the first row that has a uid in an index.  Returns
 * false if there is none.  The table has this many columns.
 */
static bool
move_row(const char *index, int columns, int column, Datum from, Datum to)
{
	RowScan scan;
	bool found;

	row_begin(&scan, index, RowExclusiveLock, columns, &from, 1);
	found = row_next(&scan);
	if (found)
	{
		Datum *values = palloc(sizeof(Datum) * columns);
		bool *nulls = palloc(sizeof(bool) * columns);

		for (int i = 0; i < columns; i++)
			values[i] = row_value(&scan, i, &nulls[i]);
		values[column] = to;
		row_replace(&scan, values, nulls);
	}
	row_end(&scan);
	return found;
}

/*
 * murallink_private.move_rows(index, from, to): sets patient_uid of the rows that the
 * index finds by it.  Row triggers are fired, those of statements are not.
 */
PG_FUNCTION_INFO_V1(merge_move_rows);
Datum
merge_move_rows(PG_FUNCTION_ARGS)
{
	char *index = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid oid = install_relation(index);
	Relation table;
	int columns;
	int column;
	int64 moved = 0;
	Owner saved;

	if (!OidIsValid(oid))
		ereport(ERROR, errnamed(ERR_NOT_INSTALLED, NULL));
	table = table_open(IndexGetRelation(oid, false), RowExclusiveLock);
	columns = RelationGetNumberOfAttributes(table);
	column = get_attnum(RelationGetRelid(table), "patient_uid") - 1;
	table_close(table, NoLock);
	saved = owner_enter();
	while (move_row(index, columns, column, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)))
	{
		CHECK_FOR_INTERRUPTS();
		moved++;
	}
	owner_leave(saved);
	PG_RETURN_INT64(moved);
}
