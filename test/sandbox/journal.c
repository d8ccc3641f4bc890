/*
 * journal.c
 *		The last calls that partners were sent, as they came in, for tests that
 *		look at what went over the wire.
 */
#include "sandbox.h"

#include <pthread.h>

#define JOURNAL_SIZE 1000

static json_t *calls;
static json_int_t call_count = 0;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * journal_add notes a call.  Text that is not UTF-8 is noted as null.
 */
void
journal_add(const Request *request)
{
	json_t *call = json_pack("{s:o, s:s, s:o?, s:O?, s:O, s:o?, s:i}", "time", clock_now(), "method", request->method,
							 "path", json_string(request->path), "arguments", request->arguments, "headers",
							 request->headers, "body", json_stringn(request->body, request->size), "port",
							 (int) request->port);

	pthread_mutex_lock(&lock);
	if (calls == NULL)
		calls = json_array();
	json_object_set_new(call, "number", json_integer(++call_count));
	if (json_array_size(calls) == JOURNAL_SIZE)
		json_array_remove(calls, 0);
	json_array_append_new(calls, call);
	pthread_mutex_unlock(&lock);
}

/*
 * journal_json returns the calls noted after that number, the oldest first.
 */
json_t *
journal_json(json_int_t after)
{
	json_t *copy = json_array();
	json_t *call;
	size_t place;

	pthread_mutex_lock(&lock);
	json_array_foreach (calls, place, call)
	{
		if (json_integer_value(json_object_get(call, "number")) > after)
			json_array_append(copy, call);
	}
	pthread_mutex_unlock(&lock);
	return copy;
}

/*
 * journal_reset forgets all calls.
 */
void
journal_reset(void)
{
	pthread_mutex_lock(&lock);
	json_decref(calls);
	calls = NULL;
	call_count = 0;
	pthread_mutex_unlock(&lock);
}
