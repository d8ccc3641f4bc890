/*
 * worker_http.c
 *	  The worker that calls partners by HTTP.
 */
#include "postgres.h"

#include "worker_run.h"

static const char *send_call(Call *call);
static Call *next_ended(void);
static int stop(int grace);

const WorkerKind worker_http = {.sort = WORKER_HTTP,
								.open = http_open,
								.wait = http_wait,
								.turn = http_turn,
								.work = worker_work,
								.under_way = calls_in_flight,
								.send = send_call,
								.next_ended = next_ended,
								.stop = stop};

/*
 * Sends a call.  Returns why it could not, or NULL.
 */
static const char *
send_call(Call *call)
{
	HttpRequest request = {0};
	const char *problem = call_open(call);
	bool built;

	if (problem != NULL)
		return problem;
	built = partner_build(call->channel->partner, &call->channel->config, call->operation, call->params, &request);
	call_close(call);
	if (!built)
	{
		http_request_free(&request);
		return "the request could not be built";
	}
	return http_start(&request, call) ? NULL : "memory or file descriptors are exhausted";
}

/*
 * Returns a call that has ended, with its answer, or NULL.
 */
static Call *
next_ended(void)
{
	HttpCall *http = http_next_ended();
	HttpAnswer answer;
	Call *call;

	if (http == NULL)
		return NULL;
	answer = http_answer(http);
	call = http_owner(http);
	call->http_status = answer.status;
	/* If the key is gone meanwhile, the answer is read without. */
	call_open(call);
	call->answer = partner_read(call->channel->partner, &call->channel->config, call->operation, call->params, &answer);
	call_close(call);
	http_free(http);
	return call;
}

/*
 * Returns for how many milliseconds to wait for calls under way.
 */
static int
stop(int grace)
{
	return grace;
}
