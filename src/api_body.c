/*
 * api_body.c
 *	  Looks at the body of a request for /rpc/<action> before PostgREST's
 *	  query takes it apart.
 *
 * That query reads numbers from texts, the last of two values of a key, and of
 * an array the first element, all without a word.  So what the JSON protocol
 * refuses is refused here, before anything is done.  The body is the first
 * parameter of the first query after the pre-request, authenticate().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static ExecutorStart_hook_type next_hook = NULL;

static void look_at_body(QueryDesc *query, int flags);
static text *body_of(const QueryDesc *query);
static HeapTuple function_of_request(char **name);
static void count_key(void *count, char *name, bool isnull);
static bool keys_are_unique(text *body, Jsonb *parsed);
static bool is_json(void);
static void check_body(text *body);
static void check_arguments(HeapTuple function, Jsonb *parsed);

/*
 * Registers the hook.  Called once, from _PG_init.
 */
void
api_body_init(void)
{
	next_hook = ExecutorStart_hook;
	ExecutorStart_hook = look_at_body;
}

/*
 * Hook: checks the body that a query of PostgREST has.  Raises what
 * check_body() raises.
 */
static void
look_at_body(QueryDesc *query, int flags)
{
	if (identity_request_begins())
	{
		text *body = body_of(query);

		if (body != NULL)
		{
			MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "murallink body", ALLOCSET_DEFAULT_SIZES);
			MemoryContext caller = MemoryContextSwitchTo(context);

			check_body(body);
			MemoryContextSwitchTo(caller);
			MemoryContextDelete(context);
		}
	}
	if (next_hook)
		next_hook(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/*
 * Returns the first parameter of a query if it is JSON, else NULL.
 */
static text *
body_of(const QueryDesc *query)
{
	ParamListInfo params = query->params;

	if (params == NULL || params->numParams < 1 || params->paramFetch != NULL || params->params[0].isnull ||
		params->params[0].ptype != JSONOID)
		return NULL;
	return DatumGetTextPP(params->params[0].value);
}

/*
 * Returns the function that a request names, as a copy; NULL when there is
 * none.
 */
static HeapTuple
function_of_request(char **name)
{
	const char *path = GetConfigOption("request.path", true, false);
	const char *last = path == NULL ? NULL : strrchr(path, '/');
	Oid schema = get_namespace_oid("murallink", true);
	CatCList *functions;
	HeapTuple found = NULL;

	if (last == NULL || last - path < 4 || strncmp(last - 4, "/rpc", 4) != 0 || strlen(last + 1) >= NAMEDATALEN)
		return NULL;
	*name = pstrdup(last + 1);
	functions = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(*name));
	for (int i = 0; i < functions->n_members && found == NULL; i++)
		if (((Form_pg_proc) GETSTRUCT(&functions->members[i]->tuple))->pronamespace == schema)
			found = heap_copytuple(&functions->members[i]->tuple);
	ReleaseSysCacheList(functions);
	return found;
}

/*
 * Counts a key of an object.
 */
static void
count_key(void *count, char *name, bool isnull)
{
	(*(int64 *) count)++;
}

/*
 * Returns whether no object of a body has a key twice: jsonb would have fewer.
 */
static bool
keys_are_unique(text *body, Jsonb *parsed)
{
	JsonLexContext *lex =
		makeJsonLexContextCstringLen(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), GetDatabaseEncoding(), false);
	int64 written = 0,
		  kept = 0;
	JsonSemAction count = {.semstate = &written, .object_field_start = count_key};
	JsonbIterator *iterator = JsonbIteratorInit(&parsed->root);
	JsonbIteratorToken token;
	JsonbValue value;

	if (pg_parse_json(lex, &count) != JSON_SUCCESS)
		return false;
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_KEY)
			kept++;
	}
	return written == kept;
}

/*
 * Returns whether the request has JSON as it was sent: in a query string, a
 * form or a table of CSV all values are texts.
 */
static bool
is_json(void)
{
	const char *method = GetConfigOption("request.method", true, false);
	const char *type = identity_request_header("content-type");

	return method != NULL && strcmp(method, "POST") == 0 &&
		   (type == NULL || pg_strncasecmp(type, "application/json", strlen("application/json")) == 0);
}

/*
 * Refuses a body that is not one object with each key once, and values that
 * the JSON protocol refuses.  Raises invalid_request, wrong_type,
 * invalid_value or invalid_uid.
 */
static void
check_body(text *body)
{
	char *name;
	HeapTuple function = function_of_request(&name);
	bool whole; /* the function takes the body as it is */
	Jsonb *parsed;

	if (function == NULL)
		return;
	whole = heap_attisnull(function, Anum_pg_proc_proargnames, NULL);
	if (whole && strcmp(name, "api") != 0)
		return;
	parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring(body))));
	if (!whole && !JB_ROOT_IS_OBJECT(parsed))
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, NULL),
				errhint("Send one object, not an array: each action is a request of its own."));
	if (!keys_are_unique(body, parsed))
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, NULL), errhint("Send each key once."));
	if (!whole && is_json())
		check_arguments(function, parsed);
}

/*
 * Binds the values of an object to the arguments of a function, to have them
 * refused as the JSON protocol does.  Raises wrong_type, invalid_value or
 * invalid_uid.
 */
static void
check_arguments(HeapTuple function, Jsonb *parsed)
{
	Oid *types;
	char **names;
	char *modes;
	int count = get_func_arg_info(function, &types, &names, &modes);

	for (int i = 0; i < count; i++)
	{
		JsonbValue buffer;
		JsonbValue *value;
		bool isnull;

		if (modes != NULL && modes[i] != PROARGMODE_IN && modes[i] != PROARGMODE_INOUT)
			continue;
		value = getKeyJsonValueFromContainer(&parsed->root, names[i], strlen(names[i]), &buffer);
		if (value != NULL && api_can_bind(types[i]))
			(void) api_bind(value, types[i], names[i], &isnull);
	}
}
