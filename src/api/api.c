/*
 * api.c
 *	  murallink.api(jsonb): answers a request of the JSON protocol.
 */
#include "postgres.h"

#include "access/xact.h"
#include "answer.h"
#include "api.h"
#include "error.h"
#include "fmgr.h"
#include "identity.h"
#include "install.h"
#include "utils/resowner.h"

static ErrorData *undo(MemoryContext context, ResourceOwner owner);
static void perform(const Request *request, Oid self, Outcome *outcome);
static bool use_key(Request *request, Outcome *outcome, Jsonb **kept, bool *first);
static bool passes_by(const Outcome *outcome);
static Jsonb *answer_once(const Request *request, Oid self, Outcome *outcome, bool keep);
static Jsonb *answer_keyed(const Request *request, Oid self, Outcome *outcome, Jsonb *kept, bool keep,
						   ResourceOwner owner);

/*
 * Registers what the files of the protocol need.
 */
void
api_init(void)
{
	api_action_init();
	api_body_init();
	api_keyed_init();
	api_render_init();
}

/*
 * Rolls back the subtransaction that an error has left, with these as they were
 * before it, and returns the error, in that memory context.
 */
static ErrorData *
undo(MemoryContext context, ResourceOwner owner)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/*
 * Runs the action of a request in a subtransaction, so that only the answer
 * remains after an error.
 */
static void
perform(const Request *request, Oid self, Outcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Action *volatile action = NULL;
	ErrorName refusal;

	answer_reset();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		action = api_find_action(request->action, self);
		api_call_action(action, request, &outcome->answer);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		api_release_action(action);
	}
	PG_CATCH();
	{
		ErrorData *error = undo(context, owner);

		outcome->answer = NULL;
		if (action != NULL)
			api_release_action(action);
		api_fail_with(outcome, error);
	}
	PG_END_TRY();

	if (outcome->error == NULL)
	{
		outcome->status = 200;
		outcome->message = answer_message();
		if (answer_refused(&refusal))
			api_fail(outcome, refusal, NULL);
	}
}

/*
 * Opens a subtransaction and calls api_first_time() in it; first is its
 * result.  If that raises an error, for example because a repeat has waited
 * too long for the first request, ends the subtransaction, sets the outcome
 * and returns false.
 */
static bool
use_key(Request *request, Outcome *outcome, Jsonb **kept, bool *first)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool used = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*first = api_first_time(request, outcome, kept);
		used = true;
	}
	PG_CATCH();
	{
		api_fail_with(outcome, undo(context, owner));
	}
	PG_END_TRY();
	return used;
}

/*
 * Returns whether a request failed with a temporary error.  Then nothing was
 * done, and its idempotency key is not used up.
 */
static bool
passes_by(const Outcome *outcome)
{
	return outcome->status == 503;
}

/*
 * Performs the action of a request that is well formed, and returns the answer.
 * keep: stores the answer for repeats of the request.
 */
static Jsonb *
answer_once(const Request *request, Oid self, Outcome *outcome, bool keep)
{
	Jsonb *result;

	if (outcome->error == NULL && request->action != NULL)
		perform(request, self, outcome);
	result = api_answer(request, outcome);
	if (keep && !passes_by(outcome))
		api_keep_answer(&request->keyed_by, request->idempotency_key, result);
	return result;
}

/*
 * Does what answer_once() does in the subtransaction that use_key() has opened,
 * and ends it, also if an error is raised, so that what catches the error finds
 * the caller's own subtransaction.  kept: the answer to an earlier request with
 * the key, NULL if there is none.
 */
static Jsonb *
answer_keyed(const Request *request, Oid self, Outcome *outcome, Jsonb *kept, bool keep,
			 ResourceOwner owner)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb *volatile result = kept;

	PG_TRY();
	{
		if (kept == NULL)
			result = answer_once(request, self, outcome, keep);
	}
	PG_CATCH();
	{
		ReThrowError(undo(context, owner));
	}
	PG_END_TRY();
	if (keep && passes_by(outcome))
		RollbackAndReleaseCurrentSubTransaction();
	else
		ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return result;
}

/*
 * murallink.api(request): answers a request of the JSON protocol.
 */
PG_FUNCTION_INFO_V1(api);
Datum
api(PG_FUNCTION_ARGS)
{
	Request request = {0};
	Outcome outcome = {0};
	Jsonb *result = NULL;
	ResourceOwner owner = CurrentResourceOwner;
	int version;
	bool keyed = false;
	bool keep = false;

	identity_bound_waits();
	if (api_read_request(PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0), &request, &outcome))
	{
		ErrorName problem = install_problem(&version);

		if (problem != ERR_COUNT)
			api_fail(&outcome, problem, NULL);
		else
		{
			/* An ended session is no error here: the action may need none. */
			if (request.session_id != NULL && !identity_authenticate(request.session_id))
				identity_lose();
			if (request.idempotency_key == NULL && api_key_given() != NULL)
				request.idempotency_key = pstrdup(api_key_given());
			if (request.idempotency_key != NULL && IsolationUsesXactSnapshot())
				api_fail(&outcome, ERR_WRONG_ISOLATION, "idempotency_key");
			else if (request.idempotency_key != NULL)
				keyed = use_key(&request, &outcome, &result, &keep);
		}
	}
	if (keyed)
		result = answer_keyed(&request, fcinfo->flinfo->fn_oid, &outcome, result, keep, owner);
	else
		result = answer_once(&request, fcinfo->flinfo->fn_oid, &outcome, keep);
	answer_set_status(api_status_of(result));
	if (outcome.error != NULL && strcmp(outcome.error, error_row(ERR_BUSY)->name) == 0)
		answer_retry_after(ERR_BUSY);
	PG_RETURN_JSONB_P(result);
}
