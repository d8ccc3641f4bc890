/*
 * api_outcome.c
 *	  The outcome of a request, and its answer.
 */
#include "postgres.h"

#include "api.h"
#include "error.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
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
 * Returns the answer to a request: the payload, if there is one, and the rest.
 */
Jsonb *
api_answer(const Request *request, Outcome *outcome)
{
	JsonbParseState **out = &outcome->answer;
	Ksuid id;
	char request_id[KSUID_TEXT_LEN + 1];

	ksuid_generate(&id);
	ksuid_format(&id, request_id);
	if (*out == NULL)
		pushJsonbValue(out, WJB_BEGIN_OBJECT, NULL);
	api_render_text(out, "action", request->action == NULL ? "" : request->action);
	api_render_integer(out, "status_code", outcome->status);
	api_render_text(out, "message", outcome->message);
	if (outcome->error != NULL)
	{
		api_render_key(out, "error");
		pushJsonbValue(out, WJB_BEGIN_OBJECT, NULL);
		api_render_text(out, "code", outcome->error);
		api_render_text(out, "field", outcome->field == NULL ? "" : outcome->field);
		api_render_text(out, "hint", outcome->hint == NULL ? "" : outcome->hint);
		pushJsonbValue(out, WJB_END_OBJECT, NULL);
	}
	api_render_text(out, "request_id", request_id);
	return JsonbValueToJsonb(pushJsonbValue(out, WJB_END_OBJECT, NULL));
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
