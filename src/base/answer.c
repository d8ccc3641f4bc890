/*
 * answer.c
 *	  What an action answers besides its result: a message, an HTTP status.
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
 * Clears the message and the refusal of the last action.
 */
void
answer_reset(void)
{
	message[0] = '\0';
	refused = false;
}

/*
 * Returns the message of the action, "OK" by default.
 */
const char *
answer_message(void)
{
	return message[0] == '\0' ? "OK" : message;
}

/*
 * Returns whether the action called refuse(), and with which error.
 */
bool
answer_refused(ErrorName *error)
{
	*error = refusal;
	return refused;
}

/*
 * Sets the HTTP status that PostgREST answers for this transaction.
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
 * Sets the header Retry-After if the error is a temporary one.
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
