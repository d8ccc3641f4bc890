/*
 * answer.c
 *		Putting an answer together.
 */
#include "sandbox.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * answer_text sets an answer's status, type and body, in place of those it had.
 */
void
answer_text(Answer *answer, unsigned status, const char *type, const char *body)
{
	free(answer->body);
	answer->status = status;
	answer->body = strdup(body);
	answer->size = strlen(body);
	snprintf(answer->content_type, sizeof(answer->content_type), "%s", type);
}

/*
 * answer_json sets an answer's status and body; it takes the body over.
 */
void
answer_json(Answer *answer, unsigned status, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	if (text == NULL)
		fatal("an answer cannot be written as JSON");
	answer_text(answer, status, "application/json", text);
	free(text);
}

/*
 * answer_message returns a message, which may quote the call, as JSON: what is not
 * ASCII there might be half a character and is masked.
 */
json_t *
answer_message(const char *message)
{
	Message masked;

	snprintf(masked, sizeof(masked), "%s", message);
	for (char *byte = masked; *byte != '\0'; byte++)
		if (!isascii((unsigned char) *byte))
			*byte = '?';
	return json_string(masked);
}

/*
 * answer_failure refuses a call.
 */
void
answer_failure(Answer *answer, unsigned status, const char *message)
{
	answer_json(answer, status, json_pack("{s:s, s:o}", "status", "failure", "message", answer_message(message)));
}

/*
 * answer_number returns a number, or text that is one, as answers show it: some APIs
 * write numbers as text, or the reverse.  The setting says "text", "number" or "mixed".
 */
json_t *
answer_number(json_t *value, const char *setting)
{
	const char *text = json_string_value(value);

	if (json_is_integer(value) && setting_is(setting, "text"))
		return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (text != NULL && setting_is(setting, "number"))
		return strchr(text, '.') == NULL ? json_integer(strtoll(text, NULL, 10)) : json_real(strtod(text, NULL));
	return json_incref(value);
}
