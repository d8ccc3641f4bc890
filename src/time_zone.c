/*
 * time_zone.c
 *	  Which names are time zones.
 */
#include "postgres.h"

#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"

static bool may_be_asked(const char *name);

/*
 * Returns whether PostgreSQL may be asked for a name.  It takes POSIX rules
 * too (FOO+3), and remembers each for as long as the session lasts: they all
 * have a digit, which few names of the tz database have.  Names in lower case
 * (localtime, posix/...) are other ways to the same zones.
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
 * murallink.known_time_zone(name): whether the tz database has the name.
 * PostgreSQL looks names up in any case and says how they are written.
 */
PG_FUNCTION_INFO_V1(time_zone_known);
Datum
time_zone_known(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	pg_tz *zone = may_be_asked(name) ? pg_tzset(name) : NULL;

	PG_RETURN_BOOL(zone != NULL && strcmp(pg_get_timezone_name(zone), name) == 0);
}
