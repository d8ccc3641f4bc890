/*
 * identity_request.c
 *	  authenticate(), and what PostgREST says about a request: its headers, and
 *	  that its pre-request has run.
 */
#include "postgres.h"

#include <ctype.h>

#include "error.h"
#include "fmgr.h"
#include "identity_part.h"
#include "identity_token.h"
#include "storage/proc.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

/* The transaction of a PostgREST request whose pre-request has just run. */
static LocalTransactionId request_began = InvalidLocalTransactionId;

/* The transaction of the last PostgREST request. */
static LocalTransactionId last_request = InvalidLocalTransactionId;

static ProcessUtility_hook_type next_utility = NULL;

bool (*identity_sees_little)(void) = NULL;

static void settle_request(const char *path);
static void take_key(void);
static char *session_of_request(void);
static void run_utility(PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context,
						ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination,
						QueryCompletion *completion);

/*
 * Registers the hook.  Called once, from _PG_init.
 */
void
identity_request_init(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = run_utility;
}

/*
 * Hook: raises invalid_value for EXPLAIN in a request of PostgREST's, which it
 * makes for count=planned, count=estimated and for plans: the planner estimates
 * from all rows, also from those that the caller may not see.
 */
static void
run_utility(PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context,
			ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination, QueryCompletion *completion)
{
	if (IsA(statement->utilityStmt, ExplainStmt) && last_request != InvalidLocalTransactionId &&
		last_request == MyProc->lxid)
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, "Prefer"),
				errhint("Estimates would show what is hidden: use count=exact, which counts what you see."));
	(next_utility ? next_utility : standard_ProcessUtility)(statement, text, read_only_tree, context, params,
															environment, destination, completion);
}

/*
 * Returns a header of a PostgREST request, or NULL if there is none.  The name
 * must be in lower case.  Most requests have few of them, so the headers are parsed
 * only if they may have this one.
 */
char *
identity_request_header(const char *name)
{
	const char *headers = GetConfigOption("request.headers", true, false);
	char key[NAMEDATALEN];
	Jsonb *parsed;
	JsonbValue buffer;
	JsonbValue *value;

	snprintf(key, sizeof(key), "\"%s\"", name);
	if (headers == NULL || strstr(headers, key) == NULL)
		return NULL;
	parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(headers)));
	if (!JB_ROOT_IS_OBJECT(parsed))
		return NULL;
	value = getKeyJsonValueFromContainer(&parsed->root, name, strlen(name), &buffer);
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Returns the path of a PostgREST request, or NULL if there is none.  PostgREST
 * finds the function by the decoded path and shows the path as it was sent, so
 * it is decoded here, too: /rpc/pin%67 is /rpc/ping.
 */
char *
identity_request_path(void)
{
	const char *sent = GetConfigOption("request.path", true, false);
	char *path;
	char *end;

	if (sent == NULL)
		return NULL;
	path = end = palloc(strlen(sent) + 1);
	while (*sent != '\0')
	{
		bool encoded = sent[0] == '%' && isxdigit((unsigned char) sent[1]) && isxdigit((unsigned char) sent[2]);

		if (encoded)
			(void) hex_decode(sent + 1, 2, end);
		else
			*end = *sent;
		end++;
		sent += encoded ? 3 : 1;
	}
	*end = '\0';
	return path;
}

/*
 * Sets, for the rest of a PostgREST request's transaction, how times are read
 * and written, whatever the server's settings or a header of the request are;
 * and that a plan is made for a caller who reads tables, unless it is one of
 * many who see little.  PostgREST's connections keep plans for all callers, and
 * one that finds the rows of few sites reads all of a table for the others.
 */
static void
settle_request(const char *path)
{
	static const char *const settings[][2] = {
		{"TimeZone", "UTC"}, {"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}};

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
								 true, 0, false);
	if (strncmp(path, "/rpc/", strlen("/rpc/")) != 0 && identity_sees_little != NULL && !identity_sees_little())
		(void) set_config_option("plan_cache_mode", "force_custom_plan", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
								 true, 0, false);
	request_began = last_request = MyProc->lxid;
}

/*
 * Makes the idempotency key in the header of a PostgREST request that of the
 * actions in its transaction.  Raises too_long.
 */
static void
take_key(void)
{
	char *key = identity_request_header("idempotency-key");

	if (key == NULL || key[0] == '\0')
		return;
	if (set_config_option("murallink.idempotency_key", key, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true,
						  DEBUG5, false) <= 0)
		ereport(ERROR, errnamed(ERR_TOO_LONG, "idempotency_key"));
}

/*
 * Returns whether the pre-request of this transaction has run since the last
 * call of this function.
 */
bool
identity_request_begins(void)
{
	bool begins = request_began != InvalidLocalTransactionId && request_began == MyProc->lxid;

	request_began = InvalidLocalTransactionId;
	return begins;
}

/*
 * Returns the session id or the API key in the headers of a PostgREST request; NULL
 * if there is none.  An empty header counts as none.  Raises invalid_request if it
 * has both, because they may be of two users.
 */
static char *
session_of_request(void)
{
	char *session_id = identity_request_header("session-id");
	char *key = identity_request_header("api-key");

	if (session_id != NULL && session_id[0] == '\0')
		session_id = NULL;
	if (key == NULL || key[0] == '\0')
		return session_id;
	if (session_id != NULL)
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, "api_key"), errhint("Send one of Session-Id and Api-Key."));
	return identity_is_api_key(key) ? key : pstrdup("none");
}

/*
 * murallink.authenticate(session_id): takes on the identity of a session for
 * the rest of this transaction; by default, that in the header Session-Id or
 * Api-Key of PostgREST, or of the token that PostgREST has verified.  As
 * PostgREST's pre-request, it also sets UTC for the request and its answer, and
 * its idempotency key.  Raises unauthenticated, invalid_request or too_long.
 *
 * If PostgREST calls a function, a session that has ended is not an error here:
 * a function that needs a caller raises it, and login(), which needs none, runs.
 */
PG_FUNCTION_INFO_V1(identity_authenticate_sql);
Datum
identity_authenticate_sql(PG_FUNCTION_ARGS)
{
	char *session_id = PG_ARGISNULL(0) ? session_of_request() : text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char *path = identity_request_path();
	const char *claims = PG_ARGISNULL(0) ? identity_claims() : NULL;

	identity_bound_waits();
	if (claims != NULL && session_id != NULL)
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, "token"),
				errhint("Send one of them: a token of the identity provider, Session-Id or Api-Key."));
	if (claims != NULL)
		identity_authenticate_token(claims);
	/* An empty argument is a session that does not exist. */
	if (session_id != NULL && !identity_authenticate(session_id))
	{
		if (!PG_ARGISNULL(0) || path == NULL || strncmp(path, "/rpc/", strlen("/rpc/")) != 0)
			ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, "session_id"));
		identity_lose();
	}
	if (PG_ARGISNULL(0) && path != NULL && path[0] != '\0')
	{
		settle_request(path);
		take_key();
	}
	PG_RETURN_VOID();
}
