/*
 * api_outcome.c
 *	  The outcome of a request, and its answer.
 */
#include "postgres.h"

#include "api.h"
#include "error.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"

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
void
api_fail_with(Outcome *outcome, ErrorData *error)
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
 * Returns the answer to a request.
 */
Jsonb *
api_answer(const Request *request, const Outcome *outcome)
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
int
api_status_of(Jsonb *kept)
{
	JsonbValue buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&kept->root, "status_code", 11, &buffer);

	return DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric)));
}
