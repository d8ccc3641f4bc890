/*
 * clock.c
 *		The time, and pauses that can be ended early.
 */
#include "sandbox.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t end = PTHREAD_COND_INITIALIZER;
static bool stopping = false;
static unsigned wakes = 0;

/*
 * clock_ms returns milliseconds of a clock that only goes forward.
 */
int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * clock_now returns the time of day in UTC, to the microsecond, as JSON text.
 */
json_t *
clock_now(void)
{
	struct timespec now;
	struct tm utc;
	char day[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
	return json_sprintf("%s.%06ldZ", day, now.tv_nsec / 1000);
}

/*
 * clock_pause sleeps until the time is over, or clock_wake is called; it returns
 * false, early, when the sandbox stops.
 */
bool
clock_pause(unsigned ms)
{
	struct timespec until;
	unsigned before;
	int rc = 0;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long) (ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000)
	{
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}

	pthread_mutex_lock(&lock);
	before = wakes;
	while (!stopping && wakes == before && rc == 0)
		rc = pthread_cond_clockwait(&end, &lock, CLOCK_MONOTONIC, &until);
	go_on = !stopping;
	pthread_mutex_unlock(&lock);
	return go_on;
}

/*
 * clock_wake ends the pauses that have begun.
 */
void
clock_wake(void)
{
	pthread_mutex_lock(&lock);
	wakes++;
	pthread_cond_broadcast(&end);
	pthread_mutex_unlock(&lock);
}

/*
 * clock_stop ends all pauses, now and later.
 */
void
clock_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&end);
	pthread_mutex_unlock(&lock);
}
