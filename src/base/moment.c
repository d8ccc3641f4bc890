/*
 * moment.c
 *	  The types day and moment: dates and times as clients write them.
 *
 * PostgreSQL's own types read a text by the session's TimeZone and DateStyle,
 * which differ between SQL and PostgREST.  These types read one documented
 * form, everywhere alike.  An empty text is read as "none": a value that is no
 * date, and that becomes NULL when it is cast to one.
 */
#include "postgres.h"

#include "error.h"
#include "fmgr.h"
#include "moment.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

static bool digits(const char *text, int count, int *number);
static bool parse_date(const char *text, DateADT *date, const char **rest);
static bool parse_seconds(const char *text, int *second, int64 *microseconds, const char **rest);
static bool is_start(const char *text);

/*
 * Reads exactly `count` digits.
 */
static bool
digits(const char *text, int count, int *number)
{
	*number = 0;
	for (int i = 0; i < count; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		*number = *number * 10 + (text[i] - '0');
	}
	return true;
}

/*
 * Reads a date that exists, as yyyy-mm-dd; `rest` is what follows it.
 */
static bool
parse_date(const char *text, DateADT *date, const char **rest)
{
	int year,
		month,
		day,
		julian,
		y,
		m,
		d;

	if (!digits(text, 4, &year) || text[4] != '-' || !digits(text + 5, 2, &month) || text[7] != '-' ||
		!digits(text + 8, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1)
		return false;
	julian = date2j(year, month, day);
	j2date(julian, &y, &m, &d);
	*date = julian - POSTGRES_EPOCH_JDATE;
	*rest = text + 10;
	return y == year && m == month && d == day;
}

/*
 * Reads seconds, which may have decimals; `rest` is what follows them.
 */
static bool
parse_seconds(const char *text, int *second, int64 *microseconds, const char **rest)
{
	if (!digits(text, 2, second))
		return false;
	text += 2;
	if (*text == '.')
	{
		int64 unit = USECS_PER_SEC / 10;

		text++;
		if (*text < '0' || *text > '9')
			return false;
		for (; *text >= '0' && *text <= '9'; text++, unit /= 10)
			*microseconds += (*text - '0') * unit;
	}
	*rest = text;
	return true;
}

/*
 * Returns whether a text is the time of the start of a day in UTC, in the
 * forms that answers have and that clients make of these.
 */
static bool
is_start(const char *text)
{
	if (pg_strncasecmp(text, "T00:00:00", 9) != 0)
		return false;
	text += 9;
	if (text[0] == '.' && text[1] == '0')
		text += 1 + strspn(text + 1, "0");
	return pg_strcasecmp(text, "Z") == 0 || strcmp(text, "+00:00") == 0;
}

/*
 * Reads a day, as yyyy-mm-dd, or as its start in UTC.  Returns false for
 * anything else.
 */
bool
day_parse(const char *text, DateADT *day)
{
	const char *rest;

	return parse_date(text, day, &rest) && (*rest == '\0' || is_start(rest));
}

/*
 * Reads a moment in the form of RFC 3339, also without the seconds, as a form of
 * HTML has it.  Without an offset it is in UTC; a date alone is its start in UTC.
 * Digits beyond microseconds are cut off.  Returns false for anything else.
 */
bool
moment_parse(const char *text, TimestampTz *moment)
{
	DateADT date;
	int hour,
		minute,
		second = 0,
		offset_hour = 0,
		offset_minute = 0,
		sign = 1;
	int64 microseconds = 0;

	if (!parse_date(text, &date, &text))
		return false;
	*moment = (int64) date * USECS_PER_DAY;
	if (*text == '\0')
		return true;
	if (strchr("Tt ", *text) == NULL || !digits(text + 1, 2, &hour) || text[3] != ':' || !digits(text + 4, 2, &minute))
		return false;
	text += 6;
	if (*text == ':' && !parse_seconds(text + 1, &second, &microseconds, &text))
		return false;
	if (*text == '+' || *text == '-')
	{
		sign = *text == '+' ? 1 : -1;
		if (!digits(text + 1, 2, &offset_hour) || text[3] != ':' || !digits(text + 4, 2, &offset_minute))
			return false;
		text += 6;
	}
	else if (*text == 'Z' || *text == 'z')
		text++;
	*moment += ((hour * 60 + minute - sign * (offset_hour * 60 + offset_minute)) * 60 + second) * USECS_PER_SEC +
			   microseconds;
	return *text == '\0' && hour < 24 && minute < 60 && second < 60 && offset_hour < 16 && offset_minute < 60;
}

/*
 * Input of day.  Raises invalid_value.
 */
PG_FUNCTION_INFO_V1(day_in);
Datum
day_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	DateADT day = NO_DAY;

	if (text[0] != '\0' && !day_parse(text, &day))
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, NULL), errhint(DAY_HINT));
	PG_RETURN_DATEADT(day);
}

/*
 * Output of day.
 */
PG_FUNCTION_INFO_V1(day_out);
Datum
day_out(PG_FUNCTION_ARGS)
{
	DateADT day = PG_GETARG_DATEADT(0);
	int y,
		m,
		d;

	if (day == NO_DAY)
		PG_RETURN_CSTRING(pstrdup(""));
	if (DATE_NOT_FINITE(day))
		PG_RETURN_CSTRING(pstrdup(DATE_IS_NOBEGIN(day) ? "-infinity" : "infinity"));
	j2date(day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	PG_RETURN_CSTRING(psprintf("%04d-%02d-%02d", y, m, d));
}

/*
 * Cast of day to date: NULL for none.
 */
PG_FUNCTION_INFO_V1(day_date);
Datum
day_date(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_DATEADT(0) == NO_DAY)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * Input of moment.  Raises invalid_value.
 */
PG_FUNCTION_INFO_V1(moment_in);
Datum
moment_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	TimestampTz moment = NO_MOMENT;

	if (text[0] != '\0' && !moment_parse(text, &moment))
		ereport(ERROR, errnamed(ERR_INVALID_VALUE, NULL), errhint(MOMENT_HINT));
	PG_RETURN_TIMESTAMPTZ(moment);
}

/*
 * Output of moment.
 */
PG_FUNCTION_INFO_V1(moment_out);
Datum
moment_out(PG_FUNCTION_ARGS)
{
	TimestampTz moment = PG_GETARG_TIMESTAMPTZ(0);
	struct pg_tm tm;
	fsec_t fraction;

	if (moment == NO_MOMENT)
		PG_RETURN_CSTRING(pstrdup(""));
	if (TIMESTAMP_NOT_FINITE(moment) || timestamp2tm(moment, NULL, &tm, &fraction, NULL, NULL) != 0)
		PG_RETURN_CSTRING(pstrdup(TIMESTAMP_IS_NOBEGIN(moment) ? "-infinity" : "infinity"));
	PG_RETURN_CSTRING(psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year, tm.tm_mon, tm.tm_mday,
							   tm.tm_hour, tm.tm_min, tm.tm_sec, fraction));
}

/*
 * Cast of moment to timestamptz: NULL for none.
 */
PG_FUNCTION_INFO_V1(moment_timestamptz);
Datum
moment_timestamptz(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_TIMESTAMPTZ(0) == NO_MOMENT)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * Cast of date to moment: its start in UTC.  An infinite date is an infinite
 * moment.
 */
PG_FUNCTION_INFO_V1(moment_of_date);
Datum
moment_of_date(PG_FUNCTION_ARGS)
{
	DateADT date = PG_GETARG_DATEADT(0);

	PG_RETURN_TIMESTAMPTZ(date2timestamp_opt_overflow(date, NULL));
}
