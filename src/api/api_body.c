/*
 * api_body.c
 *	  Reads the body of a request for /rpc/<action> as the JSON protocol does,
 *	  before PostgREST's query reads it.
 *
 * That query silently reads numbers from texts, the last of two values of a
 * key, and the first element of an array.  It does not change a text if the
 * body has null, does not accept "" as an absent uid, and reads the digits of
 * an integer, or of a number as text, as they are written: 1e3 is none.  So
 * what the JSON protocol refuses is refused here, before anything is done, and
 * such values are replaced by those that the JSON protocol reads.  The body
 * is the first parameter of the first query after the pre-request,
 * authenticate().  A plan that is made for these parameters contains their
 * values, so the body is replaced before planning; for a generic plan, it is
 * replaced when the query starts.
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
#include "install.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/syscache.h"

static ExecutorStart_hook_type next_start = NULL;
static planner_hook_type next_planner = NULL;

static PlannedStmt *plan_query(Query *query, const char *text, int options, ParamListInfo params);
static void start_query(QueryDesc *query, int flags);
static void read_body(ParamListInfo params);
static bool has_body(ParamListInfo params);
static HeapTuple function_of_request(void);
static void count_key(void *count, char *name, bool isnull);
static bool keys_are_unique(text *body, Jsonb *parsed);
static bool is_json(void);
static Jsonb *check_body(text *body);
static bool bind_value(JsonbValue *value, Oid type, const char *name, bool json);
static Jsonb *bind_body(HeapTuple function, Jsonb *parsed);

/*
 * Registers the hooks.  Called once, from _PG_init.
 */
void
api_body_init(void)
{
	next_planner = planner_hook;
	planner_hook = plan_query;
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = start_query;
}

/*
 * Planner hook: reads the body before a plan is made for it.  Raises what
 * check_body() raises.
 */
static PlannedStmt *
plan_query(Query *query, const char *text, int options, ParamListInfo params)
{
	if (has_body(params) && identity_request_begins())
		read_body(params);
	if (next_planner)
		return next_planner(query, text, options, params);
	return standard_planner(query, text, options, params);
}

/*
 * Executor hook: reads the body when a generic plan starts.  Only the first
 * query after the pre-request has a body.  Raises what check_body() raises.
 */
static void
start_query(QueryDesc *query, int flags)
{
	if (identity_request_begins() && has_body(query->params))
		read_body(query->params);
	if (next_start)
		next_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/*
 * Checks the first of these parameters, and replaces it if the JSON protocol
 * reads another value.  The new value lives as long as the parameters.  Raises
 * what check_body() raises.
 */
static void
read_body(ParamListInfo params)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "murallink body", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Jsonb *meant = check_body(DatumGetTextPP(params->params[0].value));

	if (meant != NULL)
	{
		char *json = JsonbToCString(NULL, &meant->root, VARSIZE(meant));

		MemoryContextSwitchTo(GetMemoryChunkContext(params));
		params->params[0].value = CStringGetTextDatum(json);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/*
 * Returns whether the first of a query's parameters is JSON.
 */
static bool
has_body(ParamListInfo params)
{
	return params != NULL && params->numParams >= 1 && params->paramFetch == NULL && !params->params[0].isnull &&
		   params->params[0].ptype == JSONOID;
}

/*
 * Returns a copy of the catalog row of the function that a request names; NULL
 * if there is none.
 */
static HeapTuple
function_of_request(void)
{
	const char *path = identity_request_path();
	const char *last = path == NULL ? NULL : strrchr(path, '/');
	Oid schema = get_namespace_oid("murallink", true);
	CatCList *functions;
	HeapTuple found = NULL;

	if (last == NULL || last - path < 4 || strncmp(last - 4, "/rpc", 4) != 0 || strlen(last + 1) >= NAMEDATALEN)
		return NULL;
	functions = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(last + 1));
	for (int i = 0; i < functions->n_members && found == NULL; i++)
		if (((Form_pg_proc) GETSTRUCT(&functions->members[i]->tuple))->pronamespace == schema)
			found = heap_copytuple(&functions->members[i]->tuple);
	ReleaseSysCacheList(functions);
	return found;
}

/*
 * Semantic action of the JSON parser: counts a key of an object.
 */
static void
count_key(void *count, char *name, bool isnull)
{
	(*(int64 *) count)++;
}

/*
 * Returns whether no object of a body has the same key twice: otherwise jsonb
 * has fewer keys.
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
 * Returns whether the values have the JSON types that the client sent.  In a
 * query string, a form or CSV, all values are texts.
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
 * the JSON protocol refuses.  Returns the body with the values that the JSON
 * protocol reads, or NULL if they are the same.  Raises invalid_request,
 * unknown_key, wrong_type, invalid_value or invalid_uid.
 */
static Jsonb *
check_body(text *body)
{
	HeapTuple function = function_of_request();
	Jsonb *parsed;

	/* A function with an unnamed argument gets the body unchanged. */
	if (function == NULL || heap_attisnull(function, Anum_pg_proc_proargnames, NULL))
		return NULL;
	parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring(body))));
	if (!JB_ROOT_IS_OBJECT(parsed))
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, NULL),
				errhint("Send one object, not an array: each action is one request."));
	if (!keys_are_unique(body, parsed))
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, NULL), errhint("Send each key once."));
	return bind_body(function, parsed);
}

/*
 * Checks a value as the JSON protocol binds it to an argument.  If it reads
 * the value as null, or null as "", or may read its digits otherwise than
 * PostgREST's query, replaces the value and returns true.  Of values that were
 * not sent as JSON, only uids are checked, because the others are texts
 * whatever they mean.  Raises wrong_type, invalid_value or invalid_uid.
 */
static bool
bind_value(JsonbValue *value, Oid type, const char *name, bool json)
{
	bool was_null = value->type == jbvNull;
	Oid base = getBaseType(type);
	Datum bound;
	bool isnull;

	if (!api_can_bind(type) || (!json && base != install_ksuid_type()))
		return false;
	bound = api_bind(value, type, name, &isnull);
	if (value->type == jbvNumeric && base == INT4OID)
		value->val.numeric = int64_to_numeric(DatumGetInt32(bound));
	if (isnull == was_null)
		return value->type == jbvNumeric && (base == INT4OID || base == TEXTOID);
	value->type = isnull ? jbvNull : jbvString;
	if (!isnull)
	{
		value->val.string.val = "";
		value->val.string.len = 0;
	}
	return true;
}

/*
 * Checks the values of an object for the arguments of a function.  Returns the
 * object with the values that the JSON protocol reads, or NULL if they are the
 * same.  Raises unknown_key, and what bind_value() raises.
 */
static Jsonb *
bind_body(HeapTuple function, Jsonb *parsed)
{
	Oid *types;
	char **names;
	char *modes;
	int count = get_func_arg_info(function, &types, &names, &modes);
	bool json = is_json();
	bool changed = false;
	JsonbParseState *state = NULL;
	JsonbIterator *iterator = JsonbIteratorInit(&parsed->root);
	JsonbValue value;
	JsonbValue *meant;

	(void) JsonbIteratorNext(&iterator, &value, true);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_KEY)
	{
		char *key = pnstrdup(value.val.string.val, value.val.string.len);
		bool known = false;

		(void) pushJsonbValue(&state, WJB_KEY, &value);
		(void) JsonbIteratorNext(&iterator, &value, true);
		for (int i = 0; i < count; i++)
			if ((modes == NULL || modes[i] == PROARGMODE_IN || modes[i] == PROARGMODE_INOUT) && strcmp(names[i], key) == 0)
			{
				changed |= bind_value(&value, types[i], key, json);
				known = true;
			}
		/* PostgREST refuses it itself, unless the parameter columns names others. */
		if (!known)
			ereport(ERROR, errnamed(ERR_UNKNOWN_KEY, key));
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	meant = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return changed ? JsonbValueToJsonb(meant) : NULL;
}
