/*
 * api_request.c
 *	  Parses a request of the JSON protocol.
 */
#include "postgres.h"

#include "api.h"
#include "error.h"

static char *short_string(const JsonbValue *value, int longest);

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
bool
api_read_request(Jsonb *body, Request *request, Outcome *outcome)
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
		*target = value.type == jbvNull ? NULL : short_string(&value, API_KEY_LONGEST);
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
