/*
 * api_keyed.c
 *	  Idempotency keys of functions that are called by themselves, by
 *	  /rpc/<action> or in SQL: the setting murallink.idempotency_key has the key,
 *	  which authenticate() takes from the header of a PostgREST request.
 *
 * PostgreSQL calls a hook before and after each SECURITY DEFINER function, as
 * all actions are.  Where a key is given, it has keyed_call() called in place of
 * the function, which calls the function only for the first request with the
 * key.  Functions that an action calls belong to its request.  Functions that
 * change nothing are carried out each time, and so is one in a read-only
 * transaction.  A refusal is an error, which ends the transaction with the key.
 *
 * The result is kept as rows of texts, as the types write and read them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "api.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "error.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity.h"
#include "install.h"
#include "miscadmin.h"
#include "secret.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static char *key_setting = NULL;
static fmgr_hook_type next_hook = NULL;

/* Whether an action of the client is being carried out: what it calls has no key of its own. */
static bool inside = false;

/* The function in whose place keyed_call() is called next. */
static PGFunction original;

static bool check_key(char **value, void **extra, GucSource source);
static void around_call(FmgrHookEventType event, FmgrInfo *function, Datum *arg);
static bool is_keyed(Oid function);
static Datum keyed_call(PG_FUNCTION_ARGS);
static int pin_output(void);
static bool write_call(FunctionCallInfo call, StringInfo text);
static Datum call_once(FunctionCallInfo call, PGFunction function);
static bool returns_row(FunctionCallInfo call, TupleDesc *desc, Oid *type);
static void keep_value(JsonbParseState **out, Oid type, Datum value, bool isnull);
static void keep_row(JsonbParseState **out, HeapTuple row, TupleDesc desc);
static Jsonb *keep_result(FunctionCallInfo call, Datum result);
static char *kept_text(const JsonbValue *value);
static HeapTuple kept_row(JsonbValue *row, TupleDesc desc);
static Datum repeat_result(FunctionCallInfo call, Jsonb *kept);
static void repeat_set(FunctionCallInfo call, Jsonb *kept);

/*
 * Registers the setting and the hook.
 */
void
api_keyed_init(void)
{
	DefineCustomStringVariable("murallink.idempotency_key", "The idempotency key of the next action.",
							   "A repeat of the action with the same key gets the first result and does nothing.",
							   &key_setting, "", PGC_USERSET, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, check_key, NULL,
							   NULL);
	next_hook = fmgr_hook;
	fmgr_hook = around_call;
}

/*
 * Check hook: a key has the length that the JSON protocol allows.
 */
static bool
check_key(char **value, void **extra, GucSource source)
{
	if (strlen(*value) <= API_KEY_LONGEST)
		return true;
	GUC_check_errdetail("An idempotency key has at most %d bytes.", API_KEY_LONGEST);
	return false;
}

/*
 * Returns the idempotency key that is given for functions, or NULL.
 */
const char *
api_key_given(void)
{
	return key_setting[0] == '\0' ? NULL : key_setting;
}

/*
 * Says whether actions that are called from here on are part of another one, and
 * returns what was said before.
 */
bool
api_calls_are_inside(bool now)
{
	bool before = inside;

	inside = now;
	return before;
}

/*
 * Hook: has keyed_call() called in place of an action with a key.
 */
static void
around_call(FmgrHookEventType event, FmgrInfo *function, Datum *arg)
{
	if (next_hook != NULL)
		next_hook(event, function, arg);
	if (function->fn_addr == keyed_call)
		function->fn_addr = original;
	else if (event == FHET_START && key_setting[0] != '\0' && !inside && !XactReadOnly && is_keyed(function->fn_oid))
	{
		original = function->fn_addr;
		function->fn_addr = keyed_call;
	}
}

/*
 * Returns whether a function is an action that may change something.
 */
static bool
is_keyed(Oid function)
{
	HeapTuple row = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool keyed = false;

	if (HeapTupleIsValid(row))
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(row);

		keyed = form->provolatile == PROVOLATILE_VOLATILE && form->pronamespace == get_namespace_oid("murallink", true) &&
				api_is_action(form);
		ReleaseSysCache(row);
	}
	return keyed;
}

/*
 * Calls the action whose place it takes, unless this is a repeat.  Raises what
 * the action raises, and for its key: unauthenticated, wrong_isolation,
 * idempotency_conflict, or forbidden.
 */
static Datum
keyed_call(PG_FUNCTION_ARGS)
{
	PGFunction function = original;
	Datum result;

	fcinfo->flinfo->fn_addr = function;
	PG_TRY();
	{
		inside = true;
		result = call_once(fcinfo, function);
	}
	PG_FINALLY();
	{
		inside = false;
	}
	PG_END_TRY();
	return result;
}

/*
 * Has values written in the same way whatever the settings of the session are,
 * until AtEOXact_GUC() with the level that this returns.
 */
static int
pin_output(void)
{
	static const char *const settings[][2] = {{"TimeZone", "UTC"},
											  {"DateStyle", "ISO, YMD"},
											  {"IntervalStyle", "postgres"},
											  {"extra_float_digits", "1"},
											  {"bytea_output", "hex"}};
	int level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	return level;
}

/*
 * Writes the action and its arguments.  Returns false if one of them is a secret.
 */
static bool
write_call(FunctionCallInfo call, StringInfo text)
{
	HeapTuple row = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->flinfo->fn_oid));
	Oid *types;
	char **names;
	char *modes;
	int count;
	int input = 0;
	bool secret;

	if (!HeapTupleIsValid(row))
		elog(ERROR, "murallink: the function %u is gone", call->flinfo->fn_oid);
	appendStringInfo(text, "%s(", NameStr(((Form_pg_proc) GETSTRUCT(row))->proname));
	secret = api_answers_secret(NameStr(((Form_pg_proc) GETSTRUCT(row))->proname));
	count = get_func_arg_info(row, &types, &names, &modes);
	for (int i = 0; i < count && input < call->nargs; i++)
	{
		const NullableDatum *value = &call->args[input];
		/* The argument of a function that takes the body of a request has no name. */
		const char *argument = names != NULL ? names[i] : "";
		Oid output;
		bool varlena;
		char *written;

		if (modes != NULL && modes[i] != PROARGMODE_IN && modes[i] != PROARGMODE_INOUT)
			continue;
		input++;
		if (value->isnull)
			continue;
		for (const char *const *key = secret_keys; *key != NULL; key++)
			secret |= strcmp(*key, argument) == 0;
		getTypeOutputInfo(types[i], &output, &varlena);
		written = OidOutputFunctionCall(output, value->value);
		appendStringInfo(text, "%s:%zu:%s,", argument, strlen(written), written);
	}
	ReleaseSysCache(row);
	return !secret;
}

/*
 * Calls an action if its key is used for the first time, and keeps the result;
 * otherwise returns that result.  An action with a secret is carried out each
 * time, as in the JSON protocol.
 */
static Datum
call_once(FunctionCallInfo call, PGFunction function)
{
	char key[API_KEY_LONGEST + 1];
	StringInfoData text;
	const Caller *who;
	Jsonb *kept;
	Ksuid user;
	Datum result;
	ErrorName problem;
	int level = pin_output();

	initStringInfo(&text);
	if (!write_call(call, &text))
	{
		AtEOXact_GUC(true, level);
		return function(call);
	}
	AtEOXact_GUC(true, level);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, errnamed(ERR_WRONG_ISOLATION, "idempotency_key"));
	who = identity_caller_if_any();
	if (who == NULL)
		ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, "idempotency_key"));
	identity_bound_waits();
	user = who->user;
	strlcpy(key, key_setting, sizeof(key));
	problem = api_use_key(who, key, &text, &kept);
	if (problem != ERR_COUNT)
		ereport(ERROR, errnamed(problem, "idempotency_key"));
	if (kept == NULL)
	{
		ReturnSetInfo *set = (ReturnSetInfo *) call->resultinfo;

		if (set != NULL)
			set->allowedModes |= SFRM_Materialize_Random | SFRM_Materialize_Preferred;
		result = function(call);
		level = pin_output();
		kept = keep_result(call, result);
		AtEOXact_GUC(true, level);
		api_keep_answer(&user, key, kept);
		return result;
	}
	level = pin_output();
	result = repeat_result(call, kept);
	AtEOXact_GUC(true, level);
	return result;
}

/*
 * Returns whether an action returns a row, and its descriptor; otherwise the type
 * of its value.
 */
static bool
returns_row(FunctionCallInfo call, TupleDesc *desc, Oid *type)
{
	switch (get_call_result_type(call, type, desc))
	{
		case TYPEFUNC_COMPOSITE:
		case TYPEFUNC_COMPOSITE_DOMAIN:
			*desc = BlessTupleDesc(*desc);
			return true;
		case TYPEFUNC_SCALAR:
			return false;
		default:
			elog(ERROR, "murallink: the result of the function %u cannot be kept", call->flinfo->fn_oid);
	}
}

/*
 * Adds a value to a row that is kept.
 */
static void
keep_value(JsonbParseState **out, Oid type, Datum value, bool isnull)
{
	JsonbValue text = {.type = jbvNull};
	Oid output;
	bool varlena;

	if (!isnull && type != VOIDOID)
	{
		getTypeOutputInfo(type, &output, &varlena);
		text.type = jbvString;
		text.val.string.val = OidOutputFunctionCall(output, value);
		text.val.string.len = strlen(text.val.string.val);
	}
	(void) pushJsonbValue(out, WJB_ELEM, &text);
}

/*
 * Adds a row to a result that is kept.
 */
static void
keep_row(JsonbParseState **out, HeapTuple row, TupleDesc desc)
{
	(void) pushJsonbValue(out, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < desc->natts; i++)
	{
		bool isnull;
		Datum value = heap_getattr(row, i + 1, desc, &isnull);

		keep_value(out, TupleDescAttr(desc, i)->atttypid, value, isnull || TupleDescAttr(desc, i)->attisdropped);
	}
	(void) pushJsonbValue(out, WJB_END_ARRAY, NULL);
}

/*
 * Returns what is kept of a result: an array of its rows, each an array of texts
 * or nulls, or null for a row that is null.
 */
static Jsonb *
keep_result(FunctionCallInfo call, Datum result)
{
	JsonbParseState *out = NULL;
	ReturnSetInfo *set = (ReturnSetInfo *) call->resultinfo;
	TupleDesc desc;
	Oid type;

	(void) pushJsonbValue(&out, WJB_BEGIN_ARRAY, NULL);
	if (call->flinfo->fn_retset)
	{
		TupleTableSlot *slot;

		if (set->returnMode != SFRM_Materialize)
			elog(ERROR, "murallink: the set of the function %u cannot be kept", call->flinfo->fn_oid);
		if (set->setResult == NULL)
			return JsonbValueToJsonb(pushJsonbValue(&out, WJB_END_ARRAY, NULL));
		slot = MakeSingleTupleTableSlot(set->setDesc, &TTSOpsMinimalTuple);
		tuplestore_rescan(set->setResult);
		while (tuplestore_gettupleslot(set->setResult, true, false, slot))
		{
			bool free;
			HeapTuple row = ExecFetchSlotHeapTuple(slot, false, &free);

			CHECK_FOR_INTERRUPTS();
			keep_row(&out, row, set->setDesc);
		}
		ExecDropSingleTupleTableSlot(slot);
		tuplestore_rescan(set->setResult);
	}
	else if (!returns_row(call, &desc, &type))
	{
		(void) pushJsonbValue(&out, WJB_BEGIN_ARRAY, NULL);
		keep_value(&out, type, result, call->isnull);
		(void) pushJsonbValue(&out, WJB_END_ARRAY, NULL);
	}
	else if (call->isnull)
		(void) pushJsonbValue(&out, WJB_ELEM, &(JsonbValue){.type = jbvNull});
	else
	{
		HeapTupleHeader header = DatumGetHeapTupleHeader(result);
		HeapTupleData row = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

		keep_row(&out, &row, desc);
	}
	return JsonbValueToJsonb(pushJsonbValue(&out, WJB_END_ARRAY, NULL));
}

/*
 * Returns a text that is kept, or NULL.
 */
static char *
kept_text(const JsonbValue *value)
{
	return value->type == jbvNull ? NULL : pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Returns the row of these columns that is kept.
 */
static HeapTuple
kept_row(JsonbValue *row, TupleDesc desc)
{
	char **values = palloc0(desc->natts * sizeof(char *));

	for (int i = 0; i < desc->natts; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(row->val.binary.data, i);

		values[i] = value == NULL ? NULL : kept_text(value);
	}
	return BuildTupleFromCStrings(TupleDescGetAttInMetadata(desc), values);
}

/*
 * Returns the result that is kept.
 */
static Datum
repeat_result(FunctionCallInfo call, Jsonb *kept)
{
	JsonbValue *row;
	TupleDesc desc;
	Oid type;
	Oid input;
	Oid parameter;
	char *text;

	if (call->flinfo->fn_retset)
	{
		repeat_set(call, kept);
		return (Datum) 0;
	}
	row = getIthJsonbValueFromContainer(&kept->root, 0);
	call->isnull = row->type == jbvNull;
	if (returns_row(call, &desc, &type))
		return call->isnull ? (Datum) 0 : HeapTupleGetDatum(kept_row(row, desc));
	text = kept_text(getIthJsonbValueFromContainer(row->val.binary.data, 0));
	call->isnull = text == NULL && type != VOIDOID;
	if (text == NULL)
		return (Datum) 0;
	getTypeInputInfo(type, &input, &parameter);
	return OidInputFunctionCall(input, text, parameter, -1);
}

/*
 * Returns the set that is kept.
 */
static void
repeat_set(FunctionCallInfo call, Jsonb *kept)
{
	ReturnSetInfo *set = (ReturnSetInfo *) call->resultinfo;

	InitMaterializedSRF(call, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < JB_ROOT_COUNT(kept); i++)
	{
		CHECK_FOR_INTERRUPTS();
		tuplestore_puttuple(set->setResult, kept_row(getIthJsonbValueFromContainer(&kept->root, i), set->setDesc));
	}
}
