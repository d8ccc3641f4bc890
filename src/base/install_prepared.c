/*
 * install_prepared.c
 *	  What the executor computes for each row of a table, prepared once.
 *
 * PostgreSQL keeps CHECK constraints, generated columns, and expressions and
 * conditions of indexes as text, which each statement reads and plans again.
 * For a statement that writes one row, this costs more than the row.  Here a
 * backend keeps what it has prepared, until the table, an index of it, or any
 * type or function changes.
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "install.h"
#include "install_prepared.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* What is prepared of a table. */
typedef struct Prepared
{
	Oid table; /* hash key */
	MemoryContext context; /* holds all that follows; NULL when nothing has been prepared */
	bool outdated; /* also while it is being prepared */
	int index_count;
	Oid *indexes;
	IndexInfo **index_infos;
	ExprState **checks;
	ExprState **generated;
	int generated_count;
	void **domains; /* for domain_check(), for each column that is of a domain */
	Oid *domain_types; /* for each column; InvalidOid for other types */
} Prepared;

static HTAB *tables = NULL;

static void table_changed(Datum arg, Oid relation);
static void catalog_changed(Datum arg, int cache, uint32 hash);
static bool is_about(const Prepared *prepared, Oid relation);
static void prepare_indexes(Prepared *prepared, Relation table, EState *estate);
static void prepare_columns(Prepared *prepared, Relation table, EState *estate);
static void prepare(Prepared *prepared, Relation table);
static Prepared *prepared_of(Relation table);

/*
 * Registers the callbacks that mark what is outdated.
 */
void
prepared_init(void)
{
	install_when_changed(table_changed);
	CacheRegisterSyscacheCallback(PROCOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, catalog_changed, (Datum) 0);
}

/*
 * Returns whether a relation is the table, or one of its indexes.
 */
static bool
is_about(const Prepared *prepared, Oid relation)
{
	if (relation == prepared->table)
		return true;
	for (int i = 0; i < prepared->index_count; i++)
		if (relation == prepared->indexes[i])
			return true;
	return false;
}

/*
 * Only marks: the callback may run while what is prepared is in use.
 */
static void
table_changed(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS all;
	Prepared *prepared;

	if (tables == NULL)
		return;
	hash_seq_init(&all, tables);
	while ((prepared = hash_seq_search(&all)) != NULL)
		prepared->outdated |= !OidIsValid(relation) || prepared->context == NULL || is_about(prepared, relation);
}

static void
catalog_changed(Datum arg, int cache, uint32 hash)
{
	table_changed(arg, InvalidOid);
}

/*
 * Prepares the indexes of a table, so that each can also arbitrate.
 */
static void
prepare_indexes(Prepared *prepared, Relation table, EState *estate)
{
	List *indexes = RelationGetIndexList(table);
	ListCell *cell;

	prepared->indexes = palloc(list_length(indexes) * sizeof(Oid));
	prepared->index_infos = palloc(list_length(indexes) * sizeof(IndexInfo *));
	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo *info = BuildIndexInfo(index);

		if (info->ii_Unique && info->ii_ExclusionOps == NULL)
			BuildSpeculativeIndexInfo(index, info);
		info->ii_ExpressionsState = ExecPrepareExprList(info->ii_Expressions, estate);
		if (info->ii_Predicate != NIL)
			info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
		prepared->indexes[prepared->index_count] = RelationGetRelid(index);
		prepared->index_infos[prepared->index_count++] = info;
		index_close(index, NoLock);
	}
}

/*
 * Prepares the constraints, the generated columns and the domains of a table.
 */
static void
prepare_columns(Prepared *prepared, Relation table, EState *estate)
{
	TupleDesc desc = RelationGetDescr(table);
	const TupleConstr *constraints = desc->constr;

	prepared->domains = palloc0(desc->natts * sizeof(void *));
	prepared->domain_types = palloc0(desc->natts * sizeof(Oid));
	for (int i = 0; i < desc->natts; i++)
		if (get_typtype(TupleDescAttr(desc, i)->atttypid) == TYPTYPE_DOMAIN)
			prepared->domain_types[i] = TupleDescAttr(desc, i)->atttypid;

	if (constraints != NULL && constraints->num_check > 0)
	{
		prepared->checks = palloc(constraints->num_check * sizeof(ExprState *));
		for (int i = 0; i < constraints->num_check; i++)
			prepared->checks[i] = ExecPrepareExpr(stringToNode(constraints->check[i].ccbin), estate);
	}
	if (constraints != NULL && constraints->has_generated_stored)
	{
		ResultRelInfo *target = makeNode(ResultRelInfo);

		InitResultRelInfo(target, table, 1, NULL, 0);
		ExecInitStoredGenerated(target, estate, CMD_INSERT);
		prepared->generated = target->ri_GeneratedExprs;
		prepared->generated_count = target->ri_NumGeneratedNeeded;
	}
}

/*
 * Prepares everything of a table.
 */
static void
prepare(Prepared *prepared, Relation table)
{
	/* An executor's state only for its context, in which all is prepared; it goes with an error. */
	EState *estate = CreateExecutorState();
	MemoryContext caller_context = MemoryContextSwitchTo(estate->es_query_cxt);
	Prepared result = {.table = prepared->table, .context = estate->es_query_cxt};

	prepared->outdated = false;
	prepare_indexes(&result, table, estate);
	prepare_columns(&result, table, estate);
	result.outdated = prepared->outdated;
	MemoryContextSwitchTo(caller_context);
	MemoryContextSetParent(result.context, CacheMemoryContext);
	*prepared = result;
}

/*
 * Returns what is prepared of a table, which is locked.
 */
static Prepared *
prepared_of(Relation table)
{
	Oid oid = RelationGetRelid(table);
	Prepared *prepared;
	bool found;

	if (tables == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Prepared)};

		tables = hash_create("murallink prepared tables", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	prepared = hash_search(tables, &oid, HASH_ENTER, &found);
	if (!found)
		*prepared = (Prepared){.table = oid};
	/* An outdated one may still be in use by an outer statement of this transaction. */
	if (prepared->context != NULL && prepared->outdated)
	{
		MemoryContextSetParent(prepared->context, TopTransactionContext);
		*prepared = (Prepared){.table = oid};
	}
	if (prepared->context == NULL)
		prepare(prepared, table);
	return prepared;
}

/*
 * Opens the indexes of a table to be written, and gives the executor what is
 * prepared.  An UPDATE computes its generated columns as the executor prepares
 * them, because that also notes which columns change.
 */
void
prepared_open(ResultRelInfo *target, CmdType operation)
{
	const Prepared *prepared = prepared_of(target->ri_RelationDesc);

	target->ri_ConstraintExprs = prepared->checks;
	if (operation == CMD_INSERT)
	{
		target->ri_GeneratedExprs = prepared->generated;
		target->ri_NumGeneratedNeeded = prepared->generated_count;
	}
	target->ri_NumIndices = prepared->index_count;
	target->ri_IndexRelationInfo = prepared->index_infos;
	target->ri_IndexRelationDescs = palloc(prepared->index_count * sizeof(Relation));
	for (int i = 0; i < target->ri_NumIndices; i++)
		target->ri_IndexRelationDescs[i] = index_open(prepared->indexes[i], RowExclusiveLock);
}

/*
 * Checks the values of a row that are of domains, which a statement does where
 * it makes them.
 */
void
prepared_check_domains(Relation table, TupleTableSlot *slot)
{
	const Prepared *prepared = prepared_of(table);

	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		if (OidIsValid(prepared->domain_types[i]))
			domain_check(slot->tts_values[i], slot->tts_isnull[i], prepared->domain_types[i], &prepared->domains[i],
						 prepared->context);
}
