/*
 * relation.c
 *	  Plans of pages: the rows of a table in order, up to a limit, with what
 *	  belongs to them.
 *
 * PostgREST embeds by outer joins, and PostgreSQL sorts after it has joined unless
 * an index gives the order.  So a page of 50 rows would look up what belongs to all
 * rows that the caller sees.  Here the planner is offered to sort the rows of the
 * table first: an outer join keeps their order and drops none, so that the limit
 * ends it once it has looked up what belongs to 50.
 */
#include "postgres.h"

#include "api.h"
#include "install.h"
#include "nodes/pathnodes.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "utils/lsyscache.h"

static set_rel_pathlist_hook_type next_paths = NULL;

static void add_paths(PlannerInfo *root, RelOptInfo *rel, Index number, RangeTblEntry *entry);
static bool is_page(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *entry);
static Path *copy_of(const Path *path);
static Path *cheapest(RelOptInfo *rel);

/*
 * Registers the hook.
 */
void
relation_init(void)
{
	next_paths = set_rel_pathlist_hook;
	set_rel_pathlist_hook = add_paths;
}

/*
 * Hook: offers the rows of a table in the order of the page that they are on.
 */
static void
add_paths(PlannerInfo *root, RelOptInfo *rel, Index number, RangeTblEntry *entry)
{
	Path *rows;

	if (next_paths)
		next_paths(root, rel, number, entry);
	if (is_page(root, rel, entry) && (rows = cheapest(rel)) != NULL)
		add_path(rel, (Path *) create_sort_path(root, rel, rows, root->query_pathkeys, -1));
}

/*
 * Returns whether a query shows a part of the rows of one of murallink's tables, in an
 * order that they have themselves, with what belongs to them, if anything does.
 */
static bool
is_page(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *entry)
{
	ListCell *key;

	if (root->parse->limitCount == NULL || root->query_pathkeys == NIL || entry->rtekind != RTE_RELATION ||
		!install_is_schema(get_rel_namespace(entry->relid)))
		return false;
	/* All other tables are on the optional side of an outer join. */
	if (bms_is_empty(root->nullable_baserels) || bms_is_member(rel->relid, root->nullable_baserels) ||
		bms_num_members(root->nullable_baserels) != bms_num_members(root->all_baserels) - 1)
		return false;
	foreach (key, root->query_pathkeys)
		if (!relation_can_be_sorted_early(root, rel, ((PathKey *) lfirst(key))->pk_eclass, false))
			return false;
	return true;
}

/*
 * Returns a copy of the cheapest path to all rows of a table, or NULL if that is of a
 * kind which copy_of() does not know.
 */
static Path *
cheapest(RelOptInfo *rel)
{
	Path *found = NULL;
	ListCell *item;

	foreach (item, rel->pathlist)
	{
		Path *path = lfirst(item);

		if (path->param_info == NULL && (found == NULL || compare_path_costs(path, found, TOTAL_COST) < 0))
			found = path;
	}
	return found == NULL ? NULL : copy_of(found);
}

/*
 * Returns a copy of a scan, because add_path() frees the scan if the sorted one takes its
 * place; NULL for other paths.
 */
static Path *
copy_of(const Path *path)
{
	switch (nodeTag(path))
	{
		case T_Path:
			return memcpy(palloc(sizeof(Path)), path, sizeof(Path));
		case T_IndexPath:
			return memcpy(palloc(sizeof(IndexPath)), path, sizeof(IndexPath));
		case T_BitmapHeapPath:
			return memcpy(palloc(sizeof(BitmapHeapPath)), path, sizeof(BitmapHeapPath));
		default:
			return NULL;
	}
}
