/*
 * identity_parallel.c
 *	  Parallel workers act as the caller of their leader.
 *
 * PostgreSQL copies the leader's settings to its parallel workers.  The setting
 * murallink.parallel_caller carries the caller.  SET cannot change it: only a
 * backend that starts a parallel query can.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "identity_part.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/*
 * The value of the setting: the caller, in hexadecimal; NOBODY if the session was
 * lost; empty if the caller has not been found yet.  Then a parallel worker looks
 * up the user of the login role itself.
 */
#define NOBODY "nobody"
static char *parallel_caller = NULL;

static bool passing_on = false;
static ExecutorRun_hook_type next_run = NULL;

static bool check_parallel_caller(char **value, void **extra, GucSource source);
static void run_query(QueryDesc *query, ScanDirection direction, uint64 count, bool once);
static void pass_on(void);

/*
 * Registers the setting, and the hook that sets it.
 */
void
identity_parallel_init(void)
{
	DefineCustomStringVariable("murallink.parallel_caller", "The caller, as passed to parallel workers.",
							   "Only murallink sets it, when a parallel query runs.", &parallel_caller, "",
							   PGC_USERSET,
							   GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL | GUC_NO_RESET_ALL | GUC_NOT_IN_SAMPLE |
								   GUC_DISALLOW_IN_FILE,
							   check_parallel_caller, NULL, NULL);
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
}

/*
 * Check hook: returns whether the value comes from pass_on(), here or in the
 * leader, or is the default.
 */
static bool
check_parallel_caller(char **value, void **extra, GucSource source)
{
	return passing_on || InitializingParallelWorker || (source == PGC_S_DEFAULT && *value[0] == '\0');
}

/*
 * Executor hook: passes the caller on if the query may start parallel workers.
 * Not when it starts, because there may be another caller before it runs.
 */
static void
run_query(QueryDesc *query, ScanDirection direction, uint64 count, bool once)
{
	if (query->plannedstmt->parallelModeNeeded)
		pass_on();
	if (next_run)
		next_run(query, direction, count, once);
	else
		standard_ExecutorRun(query, direction, count, once);
}

/*
 * Stores the caller in the setting, for the rest of the transaction.  Does
 * nothing within a parallel query, because it starts no other one.
 */
static void
pass_on(void)
{
	char text[2 * sizeof(Caller) + 1] = "";
	const Caller *caller = identity_found();

	if (IsInParallelMode())
		return;
	if (identity_is_lost())
		strlcpy(text, NOBODY, sizeof(text));
	else if (caller != NULL)
		text[hex_encode((const char *) caller, sizeof(*caller), text)] = '\0';
	if (strcmp(text, parallel_caller) == 0)
		return;
	PG_TRY();
	{
		passing_on = true;
		(void) set_config_option("murallink.parallel_caller", text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	}
	PG_FINALLY();
	{
		passing_on = false;
	}
	PG_END_TRY();
}

/*
 * Takes on, in a parallel worker, the identity that pass_on() stored in the
 * leader.
 */
void
identity_take_over(void)
{
	size_t length = strlen(parallel_caller);
	Caller caller;

	if (strcmp(parallel_caller, NOBODY) == 0)
		identity_lose();
	else if (length == 2 * sizeof(Caller))
	{
		(void) hex_decode(parallel_caller, length, (char *) &caller);
		identity_become(&caller);
	}
}
