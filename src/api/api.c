/*
 * api.c
 *	  murallink.api(jsonb): calls the function of an action.
 *
 * is_action() says which functions are actions.  The function is found by the
 * name of the action.  The keys of the payload are bound to its arguments by
 * name, and its result is rendered by type.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "answer.h"
#include "api.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "error.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity.h"
#include "install.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define KEY_LONGEST 200

/* A function that is an action, in a memory context of its own. */
typedef struct Action
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
	FmgrInfo call;
	SPIPlanPtr set_plan;
} Action;

/* The actions that have been called, by name. */
typedef struct KnownAction
{
	char name[NAMEDATALEN]; /* hash key */
	Action *action;
} KnownAction;

static HTAB *actions = NULL;
static uint64 changes = 0; /* of functions, that this session has received */

static void mark_stale(Datum arg, int cache, uint32 hash);
static void release_action(Action *action);
static bool read_request(Jsonb *body, Request *request, Outcome *outcome);
static char *short_string(const JsonbValue *value, int longest);
static void fail_with(Outcome *outcome, ErrorData *error);
static bool is_action(Form_pg_proc function);
static Action *read_action(const char *name, Oid self);
static Action *find_action(const char *name, Oid self);
static void bind_payload(Action *action, const Request *request, NullableDatum *arguments);
static char *call_action(Action *action, const NullableDatum *arguments);
static char *call_for_set(Action *action, const char *name, const NullableDatum *arguments);
static void perform(const Request *request, Oid self, Outcome *outcome);
static Jsonb *answer(const Request *request, const Outcome *outcome);
static int status_of(Jsonb *kept);
static bool use_key(Request *request, Outcome *outcome, Jsonb **kept, bool *first);
static bool passes_by(const Outcome *outcome);

/*
 * Registers the callback that marks actions whose functions change, and the
 * hooks of api_body.c.
 */
void
api_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, mark_stale, (Datum) 0);
	api_body_init();
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
 * Frees an action if it has no users left.
 */
static void
release_action(Action *action)
{
	if (--action->users > 0)
		return;
	if (action->set_plan != NULL)
		SPI_freeplan(action->set_plan);
	MemoryContextDelete(action->context);
}

/*
 * Sets the outcome to an error of the table.
 */
void
api_fail(Outcome *outcome, ErrorName error, const char *field)
{
	const ErrorRow *row = error_row(error);

	outcome->status = atoi(row->sqlstate + 2);
	outcome->message = row->message;
	outcome->error = row->name;
	outcome->field = error_field(field);
	outcome->hint = row->hint;
}

/*
 * Sets the outcome to an error that was raised.  PostgreSQL's own messages go
 * to the server's log only, because they may show values that the caller may
 * not see.  Raises the error again if no answer can be given to it.
 */
static void
fail_with(Outcome *outcome, ErrorData *error)
{
	int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	if (error_http_status(error->sqlerrcode) != 0)
	{
		outcome->status = error_http_status(error->sqlerrcode);
		outcome->message = error->message;
		outcome->error = error->constraint_name == NULL ? "" : error->constraint_name;
		outcome->field = error->column_name;
		outcome->hint = error->hint;
	}
	else
	{
		if (category == ERRCODE_DATA_EXCEPTION)
			api_fail(outcome, ERR_INVALID_VALUE, NULL);
		else if (category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
			api_fail(outcome, ERR_CONFLICT, NULL);
		else if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
			api_fail(outcome, ERR_BLOCKED, NULL);
		else if (error->sqlerrcode == ERRCODE_STATEMENT_TOO_COMPLEX)
			api_fail(outcome, ERR_INVALID_REQUEST, NULL);
		else
			ReThrowError(error);
		error->elevel = LOG_SERVER_ONLY;
		ThrowErrorData(error);
	}
}

/*
 * Returns a string that is not empty and not longer than allowed, else NULL.
 */
static char *
short_string(const JsonbValue *value, int longest)
{
	if (value->type != jbvString || value->val.string.len > longest)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Parses a request.  Returns false and sets the outcome if it is not well
 * formed.
 */
static bool
read_request(Jsonb *body, Request *request, Outcome *outcome)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;

	if (body == NULL || !JB_ROOT_IS_OBJECT(body))
	{
		api_fail(outcome, ERR_INVALID_REQUEST, NULL);
		return false;
	}
	iterator = JsonbIteratorInit(&body->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char *key;
		char **target = NULL;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (strcmp(key, "action") == 0)
			target = &request->action;
		else if (strcmp(key, "session_id") == 0)
			target = &request->session_id;
		else if (strcmp(key, "idempotency_key") == 0)
			target = &request->idempotency_key;
		else if (strcmp(key, "payload") == 0)
		{
			if (value.type != jbvNull)
			{
				request->payload = palloc(sizeof(JsonbValue));
				*request->payload = value;
			}
			continue;
		}
		else
		{
			api_fail(outcome, ERR_UNKNOWN_KEY, key);
			return false;
		}
		*target = value.type == jbvNull ? NULL : short_string(&value, KEY_LONGEST);
		if (*target == NULL && value.type != jbvNull)
		{
			api_fail(outcome, value.type == jbvString ? ERR_TOO_LONG : ERR_WRONG_TYPE, key);
			return false;
		}
		if (*target != NULL && (*target)[0] == '\0')
			*target = NULL;
	}
	if (request->action == NULL)
		api_fail(outcome, ERR_MISSING_FIELD, "action");
	else if (request->payload != NULL && (request->payload->type != jbvBinary ||
										  !JsonContainerIsObject(request->payload->val.binary.data)))
		api_fail(outcome, ERR_WRONG_TYPE, "payload");
	return outcome->error == NULL;
}

/*
 * Returns whether a function of schema murallink is an action: it runs with the
 * owner's rights, answers with no file, and is not for superusers alone.  Who
 * may perform an action is a question of EXECUTE.
 */
static bool
is_action(Form_pg_proc function)
{
	static const char *const superusers[] = {"create_admin", "install", "set_db_role", "upgrade"};

	for (int i = 0; i < lengthof(superusers); i++)
		if (strcmp(NameStr(function->proname), superusers[i]) == 0)
			return false;
	return function->prokind == PROKIND_FUNCTION && function->prosecdef && getBaseType(function->prorettype) != BYTEAOID;
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

		if (form->pronamespace != schema || form->oid == self || !is_action(form) ||
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
		fmgr_info_cxt(form->oid, &action->call, context);
		MemoryContextSwitchTo(caller);
		MemoryContextSetParent(context, CacheMemoryContext);
	}
	ReleaseSysCacheList(functions);
	return action;
}

/*
 * Returns the action of a name, read again after its function has changed.
 * Raises unknown_action, also for api() itself and for functions that the
 * current role may not execute, and what call_guard.c raises.
 */
static Action *
find_action(const char *name, Oid self)
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
			release_action(old);
	}
	if (pg_proc_aclcheck(known->action->function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		ereport(ERROR, errnamed(ERR_UNKNOWN_ACTION, "action"));
	/* As the executor does before it calls a function. */
	InvokeFunctionExecuteHook(known->action->function);
	return known->action;
}

/*
 * Binds the keys of the payload to the arguments of the action; a missing one
 * is NULL, which is the default of every argument.  Raises unknown_key and
 * what api_bind() raises.
 */
static void
bind_payload(Action *action, const Request *request, NullableDatum *arguments)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;

	for (int i = 0; i < action->nargs; i++)
	{
		arguments[i].value = (Datum) 0;
		arguments[i].isnull = true;
	}
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
 * Calls an action that returns one value; returns it as JSON, NULL for void.
 */
static char *
call_action(Action *action, const NullableDatum *arguments)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	StringInfoData out;
	Datum result;

	InitFunctionCallInfoData(*fcinfo, &action->call, action->nargs, InvalidOid, NULL, NULL);
	memcpy(fcinfo->args, arguments, action->nargs * sizeof(NullableDatum));
	PushActiveSnapshot(GetTransactionSnapshot());
	result = FunctionCallInvoke(fcinfo);
	PopActiveSnapshot();
	if (action->result == VOIDOID)
		return NULL;
	initStringInfo(&out);
	api_render(&out, result, fcinfo->isnull, action->result);
	return out.data;
}

/*
 * Calls an action that returns a set; returns it as a JSON array.
 */
static char *
call_for_set(Action *action, const char *name, const NullableDatum *arguments)
{
	Datum values[FUNC_MAX_ARGS];
	char nulls[FUNC_MAX_ARGS];
	StringInfoData out;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext rendering = AllocSetContextCreate(context, "murallink row", ALLOCSET_DEFAULT_SIZES);
	bool rows = type_is_rowtype(action->result);

	initStringInfo(&out);
	SPI_connect();
	if (action->set_plan == NULL)
	{
		StringInfoData sql;

		initStringInfo(&sql);
		appendStringInfo(&sql, "SELECT * FROM murallink.%s(", quote_identifier(name));
		for (int i = 0; i < action->nargs; i++)
			appendStringInfo(&sql, "%s%s => $%d", i > 0 ? ", " : "", quote_identifier(action->names[i]), i + 1);
		appendStringInfoChar(&sql, ')');
		action->set_plan = SPI_prepare(sql.data, action->nargs, action->types);
		if (action->set_plan == NULL || SPI_keepplan(action->set_plan) != 0)
			elog(ERROR, "murallink: could not plan \"%s\"", sql.data);
	}
	for (int i = 0; i < action->nargs; i++)
	{
		values[i] = arguments[i].value;
		nulls[i] = arguments[i].isnull ? 'n' : ' ';
	}
	if (SPI_execute_plan(action->set_plan, values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "murallink: could not call %s", name);
	MemoryContextSwitchTo(rendering);
	appendStringInfoChar(&out, '[');
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(rendering);
		if (i > 0)
			appendStringInfoChar(&out, ',');
		if (rows)
			api_render_row(&out, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		else
		{
			bool isnull;
			Datum value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

			api_render(&out, value, isnull, action->result);
		}
	}
	appendStringInfoChar(&out, ']');
	SPI_finish();
	MemoryContextDelete(rendering);
	return out.data;
}

/*
 * Runs the action of a request in a subtransaction, so that only the answer
 * remains after an error.
 */
static void
perform(const Request *request, Oid self, Outcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Action *volatile action = NULL;
	ErrorName refusal;

	answer_reset();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		NullableDatum *arguments = palloc(sizeof(NullableDatum) * FUNC_MAX_ARGS);

		action = find_action(request->action, self);
		action->users++;
		bind_payload(action, request, arguments);
		outcome->payload = action->returns_set ? call_for_set(action, request->action, arguments)
											   : call_action(action, arguments);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		release_action(action);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		outcome->payload = NULL;
		if (action != NULL)
			release_action(action);
		fail_with(outcome, error);
	}
	PG_END_TRY();

	if (outcome->error == NULL)
	{
		outcome->status = 200;
		outcome->message = answer_message();
		if (answer_refused(&refusal))
			api_fail(outcome, refusal, NULL);
	}
}

/*
 * Returns the answer to a request.
 */
static Jsonb *
answer(const Request *request, const Outcome *outcome)
{
	StringInfoData out;
	Ksuid id;
	char request_id[KSUID_TEXT_LEN + 1];

	ksuid_generate(&id);
	ksuid_format(&id, request_id);
	initStringInfo(&out);
	appendStringInfoString(&out, "{\"action\":");
	escape_json(&out, request->action == NULL ? "" : request->action);
	if (outcome->payload != NULL)
		appendStringInfo(&out, ",\"payload\":%s", outcome->payload);
	appendStringInfo(&out, ",\"status_code\":%d,\"message\":", outcome->status);
	escape_json(&out, outcome->message);
	if (outcome->error != NULL)
	{
		appendStringInfoString(&out, ",\"error\":{\"code\":");
		escape_json(&out, outcome->error);
		appendStringInfoString(&out, ",\"field\":");
		escape_json(&out, outcome->field == NULL ? "" : outcome->field);
		appendStringInfoString(&out, ",\"hint\":");
		escape_json(&out, outcome->hint == NULL ? "" : outcome->hint);
		appendStringInfoChar(&out, '}');
	}
	appendStringInfo(&out, ",\"request_id\":\"%s\"}", request_id);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}

/*
 * Returns the status_code of a stored answer.
 */
static int
status_of(Jsonb *kept)
{
	JsonbValue buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&kept->root, "status_code", 11, &buffer);

	return DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric)));
}

/*
 * Opens a subtransaction and calls api_first_time() in it; first is its
 * result.  If that raises an error, for example because a repeat has waited
 * too long for the first request, ends the subtransaction, sets the outcome
 * and returns false.
 */
static bool
use_key(Request *request, Outcome *outcome, Jsonb **kept, bool *first)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool used = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*first = api_first_time(request, outcome, kept);
		used = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		fail_with(outcome, error);
	}
	PG_END_TRY();
	return used;
}

/*
 * Returns whether a request failed with a temporary error.  Then nothing was
 * done, and its idempotency key is not used up.
 */
static bool
passes_by(const Outcome *outcome)
{
	return outcome->status == 503;
}

/*
 * murallink.api(request): answers a request of the JSON protocol.
 */
PG_FUNCTION_INFO_V1(api);
Datum
api(PG_FUNCTION_ARGS)
{
	Request request = {0};
	Outcome outcome = {0};
	Jsonb *result = NULL;
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int version;
	bool keyed = false;
	bool keep = false;

	identity_bound_waits();
	if (read_request(PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0), &request, &outcome))
	{
		ErrorName problem = install_problem(&version);

		if (problem != ERR_COUNT)
			api_fail(&outcome, problem, NULL);
		else
		{
			/* An ended session is no error here: the action may need none. */
			if (request.session_id != NULL && !identity_authenticate(request.session_id))
				identity_lose();
			if (request.idempotency_key != NULL && IsolationUsesXactSnapshot())
				api_fail(&outcome, ERR_WRONG_ISOLATION, "idempotency_key");
			else if (request.idempotency_key != NULL)
				keyed = use_key(&request, &outcome, &result, &keep);
		}
	}
	if (result == NULL)
	{
		if (outcome.error == NULL && request.action != NULL)
			perform(&request, fcinfo->flinfo->fn_oid, &outcome);
		result = answer(&request, &outcome);
		if (keep && !passes_by(&outcome))
			api_keep_answer(&request, result);
	}
	if (keyed)
	{
		if (keep && passes_by(&outcome))
			RollbackAndReleaseCurrentSubTransaction();
		else
			ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	answer_set_status(status_of(result));
	if (outcome.error != NULL && strcmp(outcome.error, error_row(ERR_BUSY)->name) == 0)
		answer_retry_after(ERR_BUSY);
	PG_RETURN_JSONB_P(result);
}
