/*
 * install_row.c
 *	  Rows written without a statement, as logical replication writes them.
 *
 * Constraints, also of domains, indexes and triggers for each row work as in a statement.
 * Triggers for statements are not fired: those of a table that only this
 * library writes refuse every statement, whoever runs it.  Column defaults are
 * not filled in, and no rights are asked for.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "error.h"
#include "executor/executor.h"
#include "install.h"
#include "install_row.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static void check_domains(TupleTableSlot *slot);

/*
 * Checks the values of a row that are of domains, which a statement does where
 * it makes them.
 */
static void
check_domains(TupleTableSlot *slot)
{
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		Oid type = TupleDescAttr(slot->tts_tupleDescriptor, i)->atttypid;

		if (get_typtype(type) == TYPTYPE_DOMAIN)
			domain_check(slot->tts_values[i], slot->tts_isnull[i], type, NULL, NULL);
	}
}

/*
 * Opens a table of schema murallink that has this many columns, to write into;
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
	if (table->rd_rel->relkind != RELKIND_RELATION || RelationGetNumberOfAttributes(table) != columns)
		ereport(ERROR, errnamed(ERR_UNKNOWN_DATA_VERSION, NULL));
	return table;
}

/*
 * Inserts a row into a table of row_table(), with a value for each column, and
 * closes the table.  Assumes owner_enter(), because row triggers of others may
 * be fired.
 */
void
row_insert(Relation table, const Datum *values, const bool *nulls)
{
	int columns = RelationGetNumberOfAttributes(table);
	EState *estate = CreateExecutorState();
	MemoryContext caller_context = MemoryContextSwitchTo(estate->es_query_cxt);
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *slot;

	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(table);
	entry->relkind = table->rd_rel->relkind;
	entry->rellockmode = RowExclusiveLock;
	ExecInitRangeTable(estate, list_make1(entry));
	InitResultRelInfo(target, table, 1, NULL, 0);
	estate->es_opened_result_relations = list_make1(target);
	estate->es_output_cid = GetCurrentCommandId(true);
	AfterTriggerBeginQuery();
	ExecOpenIndices(target, false);

	slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(table), &TTSOpsVirtual);
	memcpy(slot->tts_values, values, columns * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, columns * sizeof(bool));
	check_domains(slot);
	ExecStoreVirtualTuple(slot);
	ExecSimpleRelationInsert(target, estate, slot);

	AfterTriggerEndQuery(estate);
	ExecCloseResultRelations(estate);
	ExecResetTupleTable(estate->es_tupleTable, false);
	MemoryContextSwitchTo(caller_context);
	FreeExecutorState(estate);
	table_close(table, NoLock);
	CommandCounterIncrement();
}
