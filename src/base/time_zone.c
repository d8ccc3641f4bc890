/*
 * time_zone.c
 *	  Names of time zones, and local times.
 */
#include "postgres.h"

#include "fmgr.h"
#include "pgtime.h"
#include "time_zone.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

static bool may_be_asked(const char *name);
static pg_tz *zone_named(const text *zone);

/*
 * Returns whether PostgreSQL may look up a name.  It also accepts POSIX rules
 * (FOO+3), and caches each until the session ends.  They all have a digit,
 * which few names of the tz database have.  Names in lower case (localtime,
 * posix/...) are duplicates of other zones.
 */
static bool
may_be_asked(const char *name)
{
	static const char *const with_digit[] = {"EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT",
											 "GMT0", "GMT+0", "GMT-0", "Etc/GMT0"};
	const char *offset = name + strlen("Etc/GMT");

	if (name[0] < 'A' || name[0] > 'Z')
		return false;
	if (strpbrk(name, "0123456789") == NULL)
		return true;
	for (int i = 0; i < lengthof(with_digit); i++)
		if (strcmp(name, with_digit[i]) == 0)
			return true;
	return strncmp(name, "Etc/GMT", offset - name) == 0 && (offset[0] == '+' || offset[0] == '-') &&
		   strlen(offset) <= 3 && strspn(offset + 1, "0123456789") == strlen(offset + 1);
}

/*
 * Returns the time zone of a name, or NULL if the tz database does not have
 * it.
 */
static pg_tz *
zone_named(const text *zone)
{
	char *name = text_to_cstring(zone);
	pg_tz *found = may_be_asked(name) ? pg_tzset(name) : NULL;

	return found != NULL && strcmp(pg_get_timezone_name(found), name) == 0 ? found : NULL;
}

/*
 * murallink_private.known_time_zone(name): whether the tz database has the name.
 * PostgreSQL ignores case, and returns the name as the database has it.
 */
PG_FUNCTION_INFO_V1(time_zone_known);
Datum
time_zone_known(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(zone_named(PG_GETARG_TEXT_PP(0)) != NULL);
}

/*
 * murallink_private.moment_in_zone(local_time, time_zone): NULL for an unknown zone or
 * an infinite time.  AT TIME ZONE reads CET, EET, MET and WET as
 * abbreviations, without summer time.
 */
PG_FUNCTION_INFO_V1(time_zone_moment);
Datum
time_zone_moment(PG_FUNCTION_ARGS)
{
	Timestamp local = PG_GETARG_TIMESTAMP(0);
	pg_tz *zone = zone_named(PG_GETARG_TEXT_PP(1));
	struct pg_tm tm;
	fsec_t fraction;
	int offset;
	TimestampTz moment;

	if (zone == NULL || TIMESTAMP_NOT_FINITE(local) || timestamp2tm(local, NULL, &tm, &fraction, NULL, NULL) != 0)
		PG_RETURN_NULL();
	offset = DetermineTimeZoneOffset(&tm, zone);
	if (tm2timestamp(&tm, fraction, &offset, &moment) != 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(moment);
}

/*
 * murallink_private.local_time(moment, time_zone): NULL for an unknown zone or an
 * infinite moment.
 */
PG_FUNCTION_INFO_V1(time_zone_local);
Datum
time_zone_local(PG_FUNCTION_ARGS)
{
	TimestampTz moment = PG_GETARG_TIMESTAMPTZ(0);
	pg_tz *zone = zone_named(PG_GETARG_TEXT_PP(1));
	struct pg_tm tm;
	fsec_t fraction;
	int offset;
	Timestamp local;

	if (zone == NULL || TIMESTAMP_NOT_FINITE(moment) ||
		timestamp2tm(moment, &offset, &tm, &fraction, NULL, zone) != 0 ||
		tm2timestamp(&tm, fraction, NULL, &local) != 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMP(local);
}

/*
 * Returns the day of a moment in a time zone of the tz database, in UTC if
 * there is none of this name.
 */
DateADT
time_zone_day(TimestampTz moment, const text *zone)
{
	pg_tz *found = zone_named(zone);
	struct pg_tm tm;
	fsec_t fraction;
	int offset;

	if (timestamp2tm(moment, &offset, &tm, &fraction, NULL, found != NULL ? found : pg_tzset("UTC")) != 0)
		ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range"));
	return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
}

/*
 * murallink_private.local_day(moment, time_zone): does what time_zone_day() does.
 */
PG_FUNCTION_INFO_V1(time_zone_local_day);
Datum
time_zone_local_day(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATEADT(time_zone_day(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TEXT_PP(1)));
}
