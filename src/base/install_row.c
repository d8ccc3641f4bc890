/*
 * install_row.c
 *	  Rows found and written without a statement, as logical replication finds
 *	  and writes them: starting the statements would cost most of the time of a
 *	  payment.
 *
 * Constraints, also of domains, indexes and triggers for each row work as in a
 * statement.  Triggers for statements are not fired: those of these tables only
 * refuse what no role may do by a statement.  Column defaults are not filled in,
 * and no rights are checked.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "error.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "install.h"
#include "install_prepared.h"
#include "install_row.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

static void check_columns(Relation table, int columns);
static ResultRelInfo *open_target(EState *estate, Relation table, CmdType operation);
static void close_target(EState *estate, ResultRelInfo *target);
static TupleTableSlot *new_row(EState *estate, Relation table, const Datum *values, const bool *nulls);
static bool insert_once(ResultRelInfo *target, EState *estate, TupleTableSlot *slot, Oid once);
static void begin(RowScan *scan, const char *index, LOCKMODE lock, int columns, const Datum *keys, int count,
				  Snapshot snapshot, ItemPointer seen);
static void open_index(RowScan *scan, const char *name, LOCKMODE lock);
static bool find_seen(RowScan *scan, ScanKey keys, int count, ItemPointer seen);

/*
 * Raises unknown_data_version unless the table has this many columns.
 */
static void
check_columns(Relation table, int columns)
{
	if (table->rd_rel->relkind != RELKIND_RELATION || RelationGetNumberOfAttributes(table) != columns)
		ereport(ERROR, errnamed(ERR_UNKNOWN_DATA_VERSION, NULL));
}

/*
 * Opens a table of murallink's that has this many columns, to write into;
 * it is closed at the end of the transaction at the latest.  Raises
 * not_installed or unknown_data_version for another table.
 */
Relation
row_table(const char *name, int columns)
{
	Oid oid = install_relation(name);
	Relation table;

	if (!OidIsValid(oid))
		ereport(ERROR, errnamed(ERR_NOT_INSTALLED, NULL));
	table = table_open(oid, RowExclusiveLock);
	check_columns(table, columns);
	return table;
}

/*
 * Finds the row that was seen somewhere, if it is still there and has these
 * values in the index.  Returns false if not.
 */
static bool
find_seen(RowScan *scan, ScanKey keys, int count, ItemPointer seen)
{
	if (!ItemPointerIsValid(seen) || ItemPointerGetBlockNumber(seen) >= RelationGetNumberOfBlocks(scan->table) ||
		!table_tuple_fetch_row_version(scan->table, seen, scan->snapshot, scan->slot))
		return false;
	for (int i = 0; i < count; i++)
	{
		bool isnull;
		Datum value = slot_getattr(scan->slot, scan->index->rd_index->indkey.values[i], &isnull);

		if (isnull || !DatumGetBool(FunctionCall2Coll(&keys[i].sk_func, keys[i].sk_collation, value, keys[i].sk_argument)))
			return false;
	}
	return true;
}

/*
 * Opens an index of murallink's and its table.  Raises not_installed.
 */
static void
open_index(RowScan *scan, const char *name, LOCKMODE lock)
{
	Oid oid;

	/* Another index may have the name after a wait for the locks; so it may after REINDEX CONCURRENTLY. */
	while (OidIsValid(oid = install_relation(name)))
	{
		Oid table = IndexGetRelation(oid, true);

		CHECK_FOR_INTERRUPTS();
		if (!OidIsValid(table))
			continue;
		LockRelationOid(table, lock);
		LockRelationOid(oid, lock);
		if (install_relation(name) == oid)
		{
			scan->table = table_open(table, NoLock);
			scan->index = index_open(oid, NoLock);
			return;
		}
		UnlockRelationOid(oid, lock);
		UnlockRelationOid(table, lock);
	}
	ereport(ERROR, errnamed(ERR_NOT_INSTALLED, NULL));
}

/*
 * Does what row_begin() does, with a snapshot, or with a new one (NULL), which
 * also shows what was committed while the locks were waited for.  If seen is
 * not NULL, it is a place where to look first.
 */
static void
begin(RowScan *scan, const char *index, LOCKMODE lock, int columns, const Datum *keys, int count, Snapshot snapshot,
	  ItemPointer seen)
{
	ScanKeyData scan_keys[INDEX_MAX_KEYS];

	open_index(scan, index, lock);
	check_columns(scan->table, columns);
	if (!scan->index->rd_index->indisvalid)
		elog(ERROR, "murallink: the index %s is not valid", index);
	for (int i = 0; i < count; i++)
	{
		Oid type = scan->index->rd_opcintype[i];
		TypeCacheEntry *known = lookup_type_cache(type, TYPECACHE_EQ_OPR_FINFO);

		if (known->btree_opf != scan->index->rd_opfamily[i])
			elog(ERROR, "murallink: the index %s has not the default operators", index);
		ScanKeyEntryInitializeWithInfo(&scan_keys[i], 0, i + 1, BTEqualStrategyNumber, type,
									   scan->index->rd_indcollation[i], &known->eq_opr_finfo, keys[i]);
	}
	if (snapshot == NULL)
	{
		/* Makes visible what an earlier row of the same statement has written. */
		CommandCounterIncrement();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
	}
	scan->snapshot = snapshot;
	scan->slot = table_slot_create(scan->table, NULL);
	scan->scan = NULL;
	scan->seen = seen != NULL && find_seen(scan, scan_keys, count, seen);
	if (scan->seen)
		return;
	scan->scan = index_beginscan(scan->table, scan->index, snapshot, count, 0);
	index_rescan(scan->scan, scan_keys, count, NULL, 0);
}

/*
 * Starts a scan for the rows that have these values in the first columns of an
 * index of murallink's, in its order.  It sees what is committed now and what
 * this transaction has written.  The table must have this many columns; it and
 * the index stay locked until the end of the transaction.  No rights are checked.
 * Raises not_installed or unknown_data_version.
 */
void
row_begin(RowScan *scan, const char *index, LOCKMODE lock, int columns, const Datum *keys, int count)
{
	begin(scan, index, lock, columns, keys, count, NULL, NULL);
}

/*
 * Does what row_begin() does for the one row with these values in all columns of
 * a unique index, which it looks for at a place first.  If the row is still
 * there, the scan passes over none of its dead versions, however many an old
 * snapshot keeps.
 */
void
row_begin_seen(RowScan *scan, const char *index, LOCKMODE lock, int columns, const Datum *keys, int count,
			   ItemPointer seen)
{
	begin(scan, index, lock, columns, keys, count, NULL, seen);
}

/*
 * Does what row_begin() does, but also sees what other transactions are
 * inserting or changing.  xmin or xmax of the snapshot says which transaction
 * it is.
 */
void
row_begin_uncommitted(RowScan *scan, const char *index, LOCKMODE lock, int columns, const Datum *keys, int count)
{
	InitDirtySnapshot(scan->uncommitted);
	begin(scan, index, lock, columns, keys, count, &scan->uncommitted, NULL);
}

/*
 * Finds the next row.  Returns false if there is none.
 */
bool
row_next(RowScan *scan)
{
	bool seen = scan->seen;

	scan->seen = false;
	if (scan->scan == NULL)
		return seen;
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

/*
 * Returns a column (from 0) of the row found.  The value is valid until the
 * next row is found.
 */
Datum
row_value(RowScan *scan, int column, bool *isnull)
{
	return slot_getattr(scan->slot, column + 1, isnull);
}

/*
 * Ends the scan.
 */
void
row_end(RowScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->scan != NULL)
		index_endscan(scan->scan);
	if (scan->snapshot != &scan->uncommitted)
		UnregisterSnapshot(scan->snapshot);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
}

/*
 * Opens a table for the executor to write.  close_target() fires the AFTER
 * triggers.
 */
static ResultRelInfo *
open_target(EState *estate, Relation table, CmdType operation)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	ResultRelInfo *target = makeNode(ResultRelInfo);

	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(table);
	entry->relkind = table->rd_rel->relkind;
	entry->rellockmode = RowExclusiveLock;
	ExecInitRangeTable(estate, list_make1(entry));
	InitResultRelInfo(target, table, 1, NULL, 0);
	estate->es_opened_result_relations = list_make1(target);
	estate->es_output_cid = GetCurrentCommandId(true);
	AfterTriggerBeginQuery();
	prepared_open(target, operation);
	return target;
}

/*
 * Fires the AFTER triggers and closes the table.  What was written is visible
 * to the next command.  Closes the indexes first: the triggers lock others, and
 * a backend can hold only 16 relations without the shared table of locks.
 */
static void
close_target(EState *estate, ResultRelInfo *target)
{
	ExecCloseIndices(target);
	target->ri_NumIndices = 0;
	AfterTriggerEndQuery(estate);
	ExecCloseResultRelations(estate);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
	CommandCounterIncrement();
}

/*
 * Returns a slot with a value for each column of a table.  Raises an error if
 * a domain's constraint does not allow a value.
 */
static TupleTableSlot *
new_row(EState *estate, Relation table, const Datum *values, const bool *nulls)
{
	/* A slot of the table's own kind keeps the tuple that is formed of the values once. */
	TupleTableSlot *slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(table), table_slot_callbacks(table));

	memcpy(slot->tts_values, values, RelationGetNumberOfAttributes(table) * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, RelationGetNumberOfAttributes(table) * sizeof(bool));
	prepared_check_domains(table, slot);
	return ExecStoreVirtualTuple(slot);
}

/*
 * Inserts a row into a table of row_table(), with a value for each column, and
 * closes the table.  Assumes owner_enter(), because row triggers of others may
 * be fired.
 */
void
row_insert(Relation table, const Datum *values, const bool *nulls)
{
	EState *estate = CreateExecutorState();
	MemoryContext caller_context = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *target = open_target(estate, table, CMD_INSERT);

	ExecSimpleRelationInsert(target, estate, new_row(estate, table, values, nulls));
	MemoryContextSwitchTo(caller_context);
	close_target(estate, target);
	table_close(table, NoLock);
}

/*
 * Inserts a row, which is complete and checked, unless another one has its key
 * in a unique index: then returns false.  Waits for the end of a transaction
 * that is inserting such a row.  Works as INSERT ... ON CONFLICT DO NOTHING does
 * in ExecInsert(), but looks for the other row only after a conflict, because
 * the caller expects none.
 */
static bool
insert_once(ResultRelInfo *target, EState *estate, TupleTableSlot *slot, Oid once)
{
	Relation table = target->ri_RelationDesc;
	List *indexes = list_make1_oid(once);
	bool conflict = false;

	do
	{
		ItemPointerData other;
		uint32 token;

		CHECK_FOR_INTERRUPTS();
		if (conflict && !ExecCheckIndexConstraints(target, slot, estate, &other, indexes))
			return false;
		conflict = false;
		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
		table_tuple_insert_speculative(table, slot, estate->es_output_cid, 0, NULL, token);
		list_free(ExecInsertIndexTuples(target, slot, estate, false, true, &conflict, indexes));
		table_tuple_complete_speculative(table, slot, token, !conflict);
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	} while (conflict);
	return true;
}

/*
 * Inserts a row into a table of row_table() as row_insert() does, unless another
 * one, which should be rare, has its key in a unique index of murallink's: then
 * returns false.  values and nulls become what the triggers before INSERT and the
 * generated columns have made of the row.  The table has no constraint that can
 * be deferred.
 */
bool
row_insert_once(Relation table, const char *once, Datum *values, bool *nulls)
{
	EState *estate = CreateExecutorState();
	MemoryContext caller_context = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *target = open_target(estate, table, CMD_INSERT);
	TupleTableSlot *slot = new_row(estate, table, values, nulls);
	TupleDesc desc = RelationGetDescr(table);
	bool inserted;

	if (target->ri_TrigDesc != NULL && target->ri_TrigDesc->trig_insert_before_row &&
		!ExecBRInsertTriggers(estate, target, slot))
		elog(ERROR, "murallink: a trigger has refused a row without an error");
	if (desc->constr != NULL && desc->constr->has_generated_stored)
		ExecComputeStoredGenerated(target, estate, slot, CMD_INSERT);
	if (desc->constr != NULL)
		ExecConstraints(target, slot, estate);
	inserted = insert_once(target, estate, slot, install_relation(once));
	if (inserted)
		ExecARInsertTriggers(estate, target, slot, NIL, NULL);

	slot_getallattrs(slot);
	MemoryContextSwitchTo(caller_context);
	for (int i = 0; inserted && i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		nulls[i] = slot->tts_isnull[i];
		if (!nulls[i])
			values[i] = datumCopy(slot->tts_values[i], column->attbyval, column->attlen);
	}
	close_target(estate, target);
	table_close(table, NoLock);
	return inserted;
}

/*
 * Replaces the values of the row that row_next() has found, or deletes it
 * (NULL), and sets scan->written.  Raises an error if another transaction has
 * changed the row meanwhile: the caller must hold a lock that prevents this.
 * Assumes what row_insert() does, and a scan with RowExclusiveLock.
 */
void
row_replace(RowScan *scan, const Datum *values, const bool *nulls)
{
	EState *estate = CreateExecutorState();
	MemoryContext caller_context = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *target = open_target(estate, scan->table, values == NULL ? CMD_DELETE : CMD_UPDATE);
	EPQState epqstate;

	ItemPointerSetInvalid(&scan->written);
	estate->es_snapshot = scan->snapshot;
	EvalPlanQualInit(&epqstate, estate, NULL, NIL, -1);
	if (values == NULL)
		ExecSimpleRelationDelete(target, estate, &epqstate, scan->slot);
	else
	{
		TupleTableSlot *slot = new_row(estate, scan->table, values, nulls);

		ExecSimpleRelationUpdate(target, estate, &epqstate, scan->slot, slot);
		scan->written = slot->tts_tid;
	}
	EvalPlanQualEnd(&epqstate);
	MemoryContextSwitchTo(caller_context);
	close_target(estate, target);
}
