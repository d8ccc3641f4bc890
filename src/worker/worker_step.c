/*
 * worker_step.c
 *	  Participations: the worker begins the steps for patients whose data have
 *	  changed, some at a time.
 */
#include "postgres.h"

#include "crash_point.h"
#include "install.h"

#include "worker_run.h"

/* In milliseconds: participations are stepped no more often than this, also after an error. */
#define STEP_INTERVAL 100
#define STEP_INTERVAL_BUSY 25
#define STEP_INTERVAL_FAILED 5000

static Moment next_step = 0;
static bool more_steps = false;
static int put_forward = -1; /* worker_set_backs when delayed steps were last put forward */
static int putting_forward; /* the next value of put_forward */

static void step(void *arg);

/*
 * Returns when to call worker_step() even if nothing has changed.
 */
Moment
worker_steps_at(void)
{
	return more_steps ? next_step : MOMENT_NEVER;
}

/*
 * Steps participations if it is time, and if something has changed or is left
 * to do.  It is a transaction of its own, so that an error in it does not
 * delay payouts.
 */
void
worker_step(bool moved, MemoryContext context)
{
	bool done;

	if (!(moved || more_steps) || clock_now() < next_step)
		return;
	putting_forward = put_forward;
	done = worker_transact("stepping participations", context, step, NULL);
	if (done)
	{
		put_forward = putting_forward;
		CRASH_POINT("step_committed");
	}
	next_step = clock_now() + (!done ? STEP_INTERVAL_FAILED : more_steps ? STEP_INTERVAL_BUSY
																		 : STEP_INTERVAL) *
								  CLOCK_MS;
}

/*
 * The work of that transaction.
 */
static void
step(void *arg)
{
	static SavedPlan forward = PLAN("SELECT murallink_private.participations_set_back()", "");
	static SavedPlan plan = PLAN("SELECT murallink_private.step_participations()", "");
	bool isnull;
	bool on;

	more_steps = false;
	if (!worker_payouts_here(&on) || !on)
		return;
	if (put_forward != worker_set_backs)
	{
		plan_execute(&forward, NULL, NULL, 0);
		putting_forward = worker_set_backs;
	}
	plan_execute(&plan, NULL, NULL, 1);
	CRASH_POINT("stepped");
	more_steps = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}
