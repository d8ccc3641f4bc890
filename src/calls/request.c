/*
 * request.c
 *	  Which operations partners have, what a request would be, and what an
 *	  answer to it would mean.
 */
#include "postgres.h"

#include "access/xact.h"
#include "error.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "partner_field.h"
#include "partner_json.h"

/* Our errors, by what is wrong with a field. */
static const ErrorName errors[] = {ERR_COUNT, ERR_UNKNOWN_KEY, ERR_MISSING_FIELD, ERR_WRONG_TYPE, ERR_TOO_LONG,
								   ERR_INVALID_VALUE};

static const Partner *partner_of(text *name);
static const PartnerOperation *operation_of(const Partner *partner, text *name);
static json_t *json_of(Datum value);
static void raise_wrong(const FieldWrong *wrong);
static json_t *names_of(const PartnerSetting *secrets);
static json_t *headers_of(const HttpRequest *request);
static void list_fields(ReturnSetInfo *result, const Partner *partner, const PartnerOperation *operation,
						const PartnerField *fields, const char *prefix, const char *code);
static char *choices_of(const PartnerField *field);

/*
 * Returns the partner of that name.  Raises not_found.
 */
static const Partner *
partner_of(text *name)
{
	const Partner *partner = partner_named(text_to_cstring(name));

	if (partner == NULL)
		ereport(ERROR, errnamed(ERR_NOT_FOUND, "partner"), errhint("partner_operations() lists those called by HTTP."));
	return partner;
}

/*
 * Returns the operation of that name.  Raises not_found.
 */
static const PartnerOperation *
operation_of(const Partner *partner, text *name)
{
	const PartnerOperation *operation = partner_operation(partner, text_to_cstring(name));

	if (operation == NULL)
		ereport(ERROR, errnamed(ERR_NOT_FOUND, "operation"), errhint("partner_operations() lists them."));
	return operation;
}

/*
 * Converts jsonb to a value of jansson's.
 */
static json_t *
json_of(Datum value)
{
	Jsonb *jsonb = DatumGetJsonbP(value);
	char *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

	return json_loads(text, JSON_DECODE_ANY, NULL);
}

/*
 * Raises an error if the params of an operation are wrong, with the partner's
 * code as hint.  A long name of a field is cut between characters.
 */
static void
raise_wrong(const FieldWrong *wrong)
{
	int size = (int) strlen(wrong->field);

	if (wrong->kind == WRONG_NOTHING)
		return;
	size = pg_encoding_mbcliplen(PG_UTF8, wrong->field, size, size);
	ereport(ERROR, errnamed(errors[wrong->kind], pnstrdup(wrong->field, size)),
			wrong->code == NULL ? 0 : errhint("The partner's error code is %s.", wrong->code));
}

/*
 * murallink_private.partner_built(partner, base_url, settings, secrets, operation,
 * params): the request as it would be sent, and whether it may be repeated.
 * Raises not_found, or what is wrong with the params.
 */
PG_FUNCTION_INFO_V1(partner_built);
Datum
partner_built(PG_FUNCTION_ARGS)
{
	const Partner *partner = partner_of(PG_GETARG_TEXT_PP(0));
	const PartnerOperation *operation = operation_of(partner, PG_GETARG_TEXT_PP(4));
	PartnerConfig config = {.base_url = text_to_cstring(PG_GETARG_TEXT_PP(1)), .session = "<session>"};
	HttpRequest request = {0};
	json_t *params = json_of(PG_GETARG_DATUM(5));
	FieldWrong wrong = {WRONG_TYPE, NULL, "params"};
	json_t *result = NULL;

	config.settings = json_of(PG_GETARG_DATUM(2));
	config.secrets = json_of(PG_GETARG_DATUM(3));
	if (json_is_null(config.secrets))
		config.secrets = names_of(partner->secrets);
	if (json_is_object(params))
		wrong = fields_wrong(&config, operation->fields, params);
	if (wrong.kind == WRONG_NOTHING && partner_build(partner, &config, operation->name, params, &request))
		result = json_pack("{s:s, s:s, s:o, s:o?, s:b}", "method", operation->method, "url", request.url,
						   "headers", headers_of(&request), "body",
						   request.body == NULL ? NULL : json_loads(request.body, 0, NULL),
						   "repeatable", operation->repeatable);
	http_request_free(&request);
	json_decref(params);
	json_decref(config.settings);
	json_decref(config.secrets);
	raise_wrong(&wrong);
	if (result == NULL)
		ereport(ERROR, errnamed(ERR_MISSING_FIELD, "secrets"));
	PG_RETURN_DATUM(partner_jsonb(result));
}

/*
 * Returns placeholders for secrets: their names.
 */
static json_t *
names_of(const PartnerSetting *secrets)
{
	json_t *names = json_pack("{}");

	for (; secrets->name != NULL; secrets++)
		json_object_set_new(names, secrets->name, json_string(secrets->name));
	return names;
}

/*
 * Returns the headers of a request, by name.
 */
static json_t *
headers_of(const HttpRequest *request)
{
	json_t *headers = json_pack("{}");

	for (int i = 0; i < HTTP_HEADERS && request->headers[i] != NULL; i++)
	{
		char *name = pnstrdup(request->headers[i], strcspn(request->headers[i], ":"));

		json_object_set_new(headers, name, json_string(request->headers[i] + strlen(name) + 2));
	}
	return headers;
}

/*
 * murallink_private.partner_meaning(partner, operation, params, http_status, answer):
 * what that answer would mean.  Raises not_found.
 */
PG_FUNCTION_INFO_V1(partner_meaning);
Datum
partner_meaning(PG_FUNCTION_ARGS)
{
	const Partner *partner = partner_of(PG_GETARG_TEXT_PP(0));
	const PartnerOperation *operation = operation_of(partner, PG_GETARG_TEXT_PP(1));
	json_t *params = json_of(PG_GETARG_DATUM(2));
	char *body = text_to_cstring(PG_GETARG_TEXT_PP(4));
	HttpAnswer http = {.sent = true,
					   .complete = true,
					   .json = true,
					   .status = PG_GETARG_INT32(3),
					   .body = body,
					   .size = strlen(body)};
	const PartnerConfig secretless = {NULL};
	PartnerAnswer answer;
	json_t *result;

	answer = partner_read(partner, &secretless, operation->name, params, &http);
	result = json_pack("{s:s, s:s, s:O}", "outcome", partner_outcome_name(answer.outcome), "reason", answer.reason,
					   "facts", answer.facts);
	partner_answer_free(&answer);
	json_decref(params);
	PG_RETURN_DATUM(partner_jsonb(result));
}

/*
 * murallink.partner_operations(): what partner_request() takes, a row for each
 * field, and one for each operation without any.
 */
PG_FUNCTION_INFO_V1(partner_operations);
Datum
partner_operations(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (const Partner *const *partner = all_partners; *partner != NULL; partner++)
		for (const PartnerOperation *operation = (*partner)->operations; operation != NULL && operation->name != NULL;
			 operation++)
			if ((*partner)->login == NULL || strcmp((*partner)->login, operation->name) != 0)
				list_fields(result, *partner, operation, operation->fields, "", NULL);
	return (Datum) 0;
}

/*
 * Lists the fields of an operation, and those within them.
 */
static void
list_fields(ReturnSetInfo *result, const Partner *partner, const PartnerOperation *operation,
			const PartnerField *fields, const char *prefix, const char *code)
{
	bool first = *prefix == '\0';

	for (; fields->name != NULL || first; fields++)
	{
		const char *own = fields->name != NULL && fields->code != NULL ? fields->code : code;
		Datum values[9] = {CStringGetTextDatum(partner->name), CStringGetTextDatum(operation->name)};
		bool nulls[9] = {false, false, true, true, true, true, true, true, true};
		char *name = fields->name == NULL ? NULL : psprintf("%s%s", prefix, fields->name);

		first = false;
		if (name != NULL)
		{
			values[2] = CStringGetTextDatum(name);
			values[3] = CStringGetTextDatum(field_kind_name(fields->kind));
			values[4] = BoolGetDatum(fields->required);
			values[5] = Int32GetDatum(fields->most == 0 ? FIELD_LONGEST : fields->most);
			nulls[2] = nulls[3] = nulls[4] = nulls[5] = false;
			nulls[6] = fields->setting == NULL;
			values[6] = nulls[6] ? (Datum) 0 : CStringGetTextDatum(fields->setting);
			nulls[7] = fields->choices == NULL;
			values[7] = nulls[7] ? (Datum) 0 : CStringGetTextDatum(choices_of(fields));
			nulls[8] = own == NULL;
			values[8] = nulls[8] ? (Datum) 0 : CStringGetTextDatum(own);
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		if (name == NULL)
			return;
		if (fields->fields != NULL)
			list_fields(result, partner, operation, fields->fields, psprintf("%s.", name), own);
	}
}

/*
 * Returns the choices of a field, separated by commas.
 */
static char *
choices_of(const PartnerField *field)
{
	char *list = "";

	for (const FieldChoice *choice = field->choices; choice->name != NULL; choice++)
		list = psprintf("%s%s%s", list, *list == '\0' ? "" : ", ", choice->name);
	return list;
}

/*
 * murallink_private.is_ours(xid): whether that is this transaction or one of its
 * subtransactions.
 */
PG_FUNCTION_INFO_V1(request_is_ours);
Datum
request_is_ours(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(TransactionIdIsCurrentTransactionId(PG_GETARG_TRANSACTIONID(0)));
}
