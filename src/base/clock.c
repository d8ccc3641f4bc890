/*
 * clock.c
 *	  Elapsed time, on a clock that nobody can set.
 *
 * The time of day can jump: somebody or NTP sets the clock, or a machine was
 * paused.  So durations are measured in moments.  A moment is valid only on
 * this machine and until its reboot; a table that stores one has the number of
 * the server's run beside it.
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/timestamp.h"

#include "clock.h"

/* If the clock is set back by less than this, nothing is delayed for long. */
#define SET_BACK_LEAST CLOCK_S

/* All processes of a server have this number from the postmaster. */
static int64 run;

/*
 * Chooses the number of this run.  Called once, from _PG_init.
 */
void
clock_init(void)
{
	if (!pg_strong_random(&run, sizeof(run)))
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random number"));
}

/*
 * Returns the present moment.
 */
Moment
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * CLOCK_S + now.tv_nsec / 1000;
}

/*
 * Returns for how many milliseconds to wait for a moment: at least 0, and at
 * most that many.
 */
long
clock_wait(Moment moment, long most)
{
	Moment now = clock_now();

	if (moment <= now)
		return 0;
	return moment - now >= most * CLOCK_MS ? most : (long) ((moment - now + CLOCK_MS - 1) / CLOCK_MS);
}

/*
 * Returns the time of day of a moment, as the clock stands now, or DT_NOEND for
 * MOMENT_NEVER.
 */
TimestampTz
clock_time(Moment moment)
{
	return moment == MOMENT_NEVER ? DT_NOEND : GetCurrentTimestamp() + (moment - clock_now());
}

/*
 * Returns whether the time of day was set back since the last call.
 */
bool
clock_set_back(void)
{
	static int64 last = 0;
	int64 ahead = GetCurrentTimestamp() - clock_now();
	bool back = last != 0 && ahead < last - SET_BACK_LEAST;

	last = ahead;
	return back;
}

/*
 * murallink_private.server_moment(): the run of this server, and its seconds.
 */
PG_FUNCTION_INFO_V1(clock_server_moment);
Datum
clock_server_moment(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[2] = {Int64GetDatum(run), Float8GetDatum((double) clock_now() / CLOCK_S)};
	bool nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "server_moment must return a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
