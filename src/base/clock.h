/*
 * clock.h
 *	  Elapsed time, on a clock that nobody can set.
 */
#ifndef MURALLINK_CLOCK_H
#define MURALLINK_CLOCK_H

#include "datatype/timestamp.h"

/* In the units of Moment. */
#define CLOCK_MS INT64CONST(1000)
#define CLOCK_S INT64CONST(1000000)

/* Microseconds of a clock that only goes forward, as long as the machine runs. */
typedef int64 Moment;

#define MOMENT_NEVER PG_INT64_MAX

extern void clock_init(void);
extern Moment clock_now(void);
extern long clock_wait(Moment moment, long most);
extern TimestampTz clock_time(Moment moment);
extern bool clock_set_back(void);

#endif /* MURALLINK_CLOCK_H */
