/*
 * answer.c
 *	  What an action says besides its result.
 */
#include "postgres.h"

#include "answer.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

static char message[128];
static bool refused = false;
static ErrorName refusal;

/*
 * Forgets what the last action said.
 */
void
answer_reset(void)
{
	message[0] = '\0';
	refused = false;
}

/*
 * Returns the message of the action, "OK" when it said nothing.
 */
const char *
answer_message(void)
{
	return message[0] == '\0' ? "OK" : message;
}

/*
 * Returns whether the action refused without raising, and why.
 */
bool
answer_refused(ErrorName *error)
{
	*error = refusal;
	return refused;
}

/*
 * Tells PostgREST the HTTP status of this transaction's answer.
 */
void
answer_set_status(int http_status)
{
	char text[12];

	snprintf(text, sizeof(text), "%d", http_status);
	(void) set_config_option("response.status", text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
}

/*
 * Tells the HTTP client when to try again, where the error is one that passes.
 */
void
answer_retry_after(ErrorName error)
{
	if (error == ERR_BUSY)
		(void) set_config_option("response.headers", "[{\"Retry-After\": \"1\"}]", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * murallink_private.say(message): sets the message of the answer, cut to its size.
 */
PG_FUNCTION_INFO_V1(answer_say);
Datum
answer_say(PG_FUNCTION_ARGS)
{
	text_to_cstring_buffer(PG_GETARG_TEXT_PP(0), message, sizeof(message));
	PG_RETURN_VOID();
}

/*
 * murallink_private.refuse(error): answers with an error of the table while keeping
 * what has been written, such as the count of failed logins.
 */
PG_FUNCTION_INFO_V1(answer_refuse);
Datum
answer_refuse(PG_FUNCTION_ARGS)
{
	refusal = error_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	refused = true;
	answer_set_status(atoi(error_row(refusal)->sqlstate + 2));
	answer_retry_after(refusal);
	PG_RETURN_VOID();
}
