/*
 * time_zone.h
 *	  Local days.
 */
#ifndef MURALLINK_TIME_ZONE_H
#define MURALLINK_TIME_ZONE_H

#include "utils/date.h"

extern DateADT time_zone_day(TimestampTz moment, const text *zone);

#endif /* MURALLINK_TIME_ZONE_H */
