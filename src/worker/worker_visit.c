/*
 * worker_visit.c
 *	  Visits that other systems have reported: the worker goes on with those of
 *	  which something was not found, and with those that wait for funds.
 */
#include "postgres.h"

#include "install.h"

#include "worker_run.h"

/*
 * In milliseconds: how often visits are looked at, while there are more than one
 * transaction takes, and after an error.
 */
#define VISIT_INTERVAL 1000
#define VISIT_INTERVAL_BUSY 50
#define VISIT_INTERVAL_FAILED 5000

static Moment next_visits = 0;
static bool more_visits = false;

static void go_on(void *arg);

/*
 * Returns when to call worker_visits() even if nothing else happens.
 */
Moment
worker_visits_at(void)
{
	return more_visits ? next_visits : MOMENT_NEVER;
}

/*
 * Goes on with visits if it is time.  It is a transaction of its own, so that
 * an error in it does not delay payouts.
 */
void
worker_visits(MemoryContext context)
{
	bool done;

	if (clock_now() < next_visits)
		return;
	more_visits = false;
	done = worker_transact("going on with visits", context, go_on, NULL);
	next_visits = clock_now() + (!done ? VISIT_INTERVAL_FAILED : more_visits ? VISIT_INTERVAL_BUSY
																			 : VISIT_INTERVAL) *
									CLOCK_MS;
}

/*
 * The work of that transaction.
 */
static void
go_on(void *arg)
{
	static SavedPlan plan = PLAN("SELECT murallink_private.visits_go_on()", "");
	bool isnull;
	bool on;

	if (!worker_payouts_here(&on) || !on)
		return;
	plan_execute(&plan, NULL, NULL, 1);
	more_visits = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}
