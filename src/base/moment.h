/*
 * moment.h
 *	  Days and moments as clients write them.
 */
#ifndef MURALLINK_MOMENT_H
#define MURALLINK_MOMENT_H

#include "utils/date.h"
#include "utils/timestamp.h"

/* How they are written. */
#define DAY_HINT "Dates are written yyyy-mm-dd."
#define MOMENT_HINT "Times are written 2022-08-08T20:30:15Z, or 2022-08-08T20:30 or 2022-08-08, which are in UTC."

/* The value of an empty text in the types day and moment. */
#define NO_DAY (DATEVAL_NOBEGIN + 1)
#define NO_MOMENT (DT_NOBEGIN + 1)

extern bool day_parse(const char *text, DateADT *day);
extern bool moment_parse(const char *text, TimestampTz *moment);

#endif /* MURALLINK_MOMENT_H */
