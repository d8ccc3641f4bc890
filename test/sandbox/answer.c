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
 * answer_failure refuses a call.  The message may quote it: what is not ASCII
 * there might be half a character and is masked.
 */
void
answer_failure(Answer *answer, unsigned status, const char *message)
{
	Message masked;

	snprintf(masked, sizeof(masked), "%s", message);
	for (char *byte = masked; *byte != '\0'; byte++)
		if (!isascii((unsigned char) *byte))
			*byte = '?';
	answer_json(answer, status, json_pack("{s:s, s:s}", "status", "failure", "message", masked));
}
