/*
 * api_action.c
 *	  Actions: finds the function of an action in the catalog, and calls it.
 *
 * The function is found by the name of the action.  The keys of the payload are
 * bound to its arguments by name, and its result is rendered by type.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "error.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* A function that is an action, in a memory context of its own. */
struct Action
{
	MemoryContext context;
	bool stale; /* the function was changed or dropped */
	int users; /* the entry below, and running calls: an action may call api() itself */
	Oid function;
	uint32 hash; /* hash value of the function in the cache PROCOID */
	Oid result;
	bool returns_set;
	int nargs;
	Oid *types;
	char **names;
	NullableDatum *absent; /* the values of absent arguments */
	FmgrInfo call;
	SPIPlanPtr set_plan;
};

/* The actions that have been called, by name. */
typedef struct KnownAction
{
	char name[NAMEDATALEN]; /* hash key */
	Action *action;
} KnownAction;

static HTAB *actions = NULL;
static uint64 changes = 0; /* of functions, that this session has received */

static void mark_stale(Datum arg, int cache, uint32 hash);
static void read_defaults(Action *action, HeapTuple proc);
static Action *read_action(const char *name, Oid self);
static void bind_payload(Action *action, const Request *request, NullableDatum *arguments);
static void call_for_value(Action *action, const NullableDatum *arguments, JsonbParseState **answer);
static SPIPlanPtr set_plan(Action *action, const char *name);
static void call_for_set(Action *action, const char *name, const NullableDatum *arguments, JsonbParseState **answer);

/*
 * Registers the callback that marks actions whose functions change.
 */
void
api_action_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, mark_stale, (Datum) 0);
}

/*
 * Marks actions whose functions have changed.  Frees nothing, because the
 * callback may run while one is called.
 */
static void
mark_stale(Datum arg, int cache, uint32 hash)
{
	HASH_SEQ_STATUS sequence;
	KnownAction *known;

	changes++;
	if (actions == NULL)
		return;
	hash_seq_init(&sequence, actions);
	while ((known = hash_seq_search(&sequence)) != NULL)
		if (hash == 0 || hash == known->action->hash)
			known->action->stale = true;
}

/*
 * Ends the use of an action that api_find_action() has returned: frees it if it
 * has no users left.
 */
void
api_release_action(Action *action)
{
	if (--action->users > 0)
		return;
	if (action->set_plan != NULL)
		SPI_freeplan(action->set_plan);
	MemoryContextDelete(action->context);
}

/*
 * Returns whether a function of schema murallink is an action: it runs with the
 * owner's rights, answers with no file, and is not for superusers alone.  Who
 * may perform an action is a question of EXECUTE.
 */
bool
api_is_action(Form_pg_proc function)
{
	static const char *const superusers[] = {"create_admin", "install", "set_db_role", "upgrade"};

	for (int i = 0; i < lengthof(superusers); i++)
		if (strcmp(NameStr(function->proname), superusers[i]) == 0)
			return false;
	return function->prokind == PROKIND_FUNCTION && function->prosecdef && getBaseType(function->prorettype) != BYTEAOID;
}

/*
 * Reads the values of absent arguments: the defaults of the function, which are
 * constants, as in SQL.  An argument without a default has NULL.
 */
static void
read_defaults(Action *action, HeapTuple proc)
{
	bool isnull;
	Datum stored = SysCacheGetAttr(PROCNAMEARGSNSP, proc, Anum_pg_proc_proargdefaults, &isnull);
	List *defaults = isnull ? NIL : castNode(List, stringToNode(TextDatumGetCString(stored)));
	int first = action->nargs - list_length(defaults);

	action->absent = palloc(action->nargs * sizeof(NullableDatum));
	for (int i = 0; i < action->nargs; i++)
	{
		Node *value = i < first ? NULL : eval_const_expressions(NULL, list_nth(defaults, i - first));

		if (value != NULL && !IsA(value, Const))
			elog(ERROR, "murallink: the default of the argument %s is not a constant", action->names[i]);
		action->absent[i].isnull = value == NULL || ((Const *) value)->constisnull;
		action->absent[i].value = action->absent[i].isnull ? (Datum) 0 : ((Const *) value)->constvalue;
	}
}

/*
 * Reads the action of a name from the catalog.  Returns NULL if there is none.
 */
static Action *
read_action(const char *name, Oid self)
{
	Action *action = NULL;
	Oid schema = get_namespace_oid("murallink", false);
	CatCList *functions = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));

	for (int i = 0; i < functions->n_members && action == NULL; i++)
	{
		HeapTuple proc = &functions->members[i]->tuple;
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(proc);
		MemoryContext context;
		MemoryContext caller;
		char *modes;

		if (form->pronamespace != schema || form->oid == self || !api_is_action(form) ||
			(form->pronargs > 0 && heap_attisnull(proc, Anum_pg_proc_proargnames, NULL)))
			continue;
		context = AllocSetContextCreate(CurrentMemoryContext, "murallink action", ALLOCSET_SMALL_SIZES);
		caller = MemoryContextSwitchTo(context);
		action = palloc0(sizeof(Action));
		action->context = context;
		action->users = 1;
		action->function = form->oid;
		action->hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(form->oid));
		action->result = form->prorettype;
		action->returns_set = form->proretset;
		action->nargs = form->pronargs;
		(void) get_func_arg_info(proc, &action->types, &action->names, &modes);
		read_defaults(action, proc);
		fmgr_info_cxt(form->oid, &action->call, context);
		MemoryContextSwitchTo(caller);
		MemoryContextSetParent(context, CacheMemoryContext);
	}
	ReleaseSysCacheList(functions);
	return action;
}

/*
 * Returns the action of a name for api_release_action(), read again after its
 * function has changed.  Raises unknown_action, also for api() itself and for
 * functions that the current role may not execute, and what call_guard.c
 * raises.
 */
Action *
api_find_action(const char *name, Oid self)
{
	KnownAction *known;
	bool found;
	char key[NAMEDATALEN] = {0};

	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR, errnamed(ERR_UNKNOWN_ACTION, "action"));
	strcpy(key, name);
	if (actions == NULL)
	{
		HASHCTL ctl = {.keysize = NAMEDATALEN, .entrysize = sizeof(KnownAction)};

		actions = hash_create("murallink actions", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	known = hash_search(actions, key, HASH_FIND, NULL);
	if (known == NULL || known->action->stale)
	{
		uint64 before = changes;
		Action *action = read_action(key, self);
		Action *old;

		if (action == NULL)
			ereport(ERROR, errnamed(ERR_UNKNOWN_ACTION, "action"));
		action->stale = changes != before;
		known = hash_search(actions, key, HASH_ENTER, &found);
		old = found ? known->action : NULL;
		known->action = action;
		if (old != NULL)
			api_release_action(old);
	}
	if (pg_proc_aclcheck(known->action->function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		ereport(ERROR, errnamed(ERR_UNKNOWN_ACTION, "action"));
	/* As the executor does before it calls a function. */
	InvokeFunctionExecuteHook(known->action->function);
	known->action->users++;
	return known->action;
}

/*
 * Binds the keys of the payload to the arguments of the action; an absent one
 * has its default.  Raises unknown_key and what api_bind() raises.
 */
static void
bind_payload(Action *action, const Request *request, NullableDatum *arguments)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;

	memcpy(arguments, action->absent, action->nargs * sizeof(NullableDatum));
	if (request->payload == NULL)
		return;
	iterator = JsonbIteratorInit(request->payload->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char *key;
		int i;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&iterator, &value, true);
		for (i = 0; i < action->nargs && strcmp(action->names[i], key) != 0; i++)
			;
		if (i == action->nargs)
			ereport(ERROR, errnamed(ERR_UNKNOWN_KEY, key));
		arguments[i].value = api_bind(&value, action->types[i], key, &arguments[i].isnull);
	}
}

/*
 * Calls an action that returns one value, and adds it to the answer, but
 * nothing for void.
 */
static void
call_for_value(Action *action, const NullableDatum *arguments, JsonbParseState **answer)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	Datum result;

	InitFunctionCallInfoData(*fcinfo, &action->call, action->nargs, InvalidOid, NULL, NULL);
	memcpy(fcinfo->args, arguments, action->nargs * sizeof(NullableDatum));
	PushActiveSnapshot(GetTransactionSnapshot());
	result = FunctionCallInvoke(fcinfo);
	PopActiveSnapshot();
	if (action->result == VOIDOID)
		return;
	api_render_key(answer, "payload");
	api_render(answer, WJB_VALUE, result, fcinfo->isnull, action->result);
}

/*
 * Returns the query that calls an action that returns a set.
 */
static SPIPlanPtr
set_plan(Action *action, const char *name)
{
	StringInfoData sql;

	if (action->set_plan != NULL)
		return action->set_plan;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT * FROM murallink.%s(", quote_identifier(name));
	for (int i = 0; i < action->nargs; i++)
		appendStringInfo(&sql, "%s%s => $%d", i > 0 ? ", " : "", quote_identifier(action->names[i]), i + 1);
	appendStringInfoChar(&sql, ')');
	action->set_plan = SPI_prepare_cursor(sql.data, action->nargs, action->types, CURSOR_OPT_GENERIC_PLAN);
	if (action->set_plan == NULL || SPI_keepplan(action->set_plan) != 0)
		elog(ERROR, "murallink: could not plan \"%s\"", sql.data);
	return action->set_plan;
}

/*
 * Calls an action that returns a set, and adds it to the answer as an array.
 */
static void
call_for_set(Action *action, const char *name, const NullableDatum *arguments, JsonbParseState **answer)
{
	Datum values[FUNC_MAX_ARGS];
	char nulls[FUNC_MAX_ARGS];
	MemoryContext context = CurrentMemoryContext;
	bool rows = type_is_rowtype(action->result);
	SPITupleTable *found;

	for (int i = 0; i < action->nargs; i++)
	{
		values[i] = arguments[i].value;
		nulls[i] = arguments[i].isnull ? 'n' : ' ';
	}
	SPI_connect();
	if (SPI_execute_plan(set_plan(action, name), values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "murallink: could not call %s", name);
	found = SPI_tuptable;
	MemoryContextSwitchTo(context);
	api_render_key(answer, "payload");
	pushJsonbValue(answer, WJB_BEGIN_ARRAY, NULL);
	for (uint64 i = 0; i < found->numvals; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (rows)
			api_render_row(answer, found->vals[i], found->tupdesc);
		else
		{
			bool isnull;
			Datum value = SPI_getbinval(found->vals[i], found->tupdesc, 1, &isnull);

			api_render(answer, WJB_ELEM, value, isnull, action->result);
		}
	}
	pushJsonbValue(answer, WJB_END_ARRAY, NULL);
	SPI_finish();
}

/*
 * Calls the action of a request, and begins the answer with its result as the
 * payload.  Raises what bind_payload() and the function raise.
 */
void
api_call_action(Action *action, const Request *request, JsonbParseState **answer)
{
	NullableDatum *arguments = palloc(sizeof(NullableDatum) * FUNC_MAX_ARGS);
	bool inside;

	bind_payload(action, request, arguments);
	pushJsonbValue(answer, WJB_BEGIN_OBJECT, NULL);
	inside = api_calls_are_inside(true);
	PG_TRY();
	{
		if (action->returns_set)
			call_for_set(action, request->action, arguments, answer);
		else
			call_for_value(action, arguments, answer);
	}
	PG_FINALLY();
	{
		(void) api_calls_are_inside(inside);
	}
	PG_END_TRY();
}
