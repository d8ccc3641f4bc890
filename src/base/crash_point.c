/*
 * crash_point.c
 *	  The setting that names the point at which a process ends, for tests.
 */
#include "postgres.h"

#include "crash_point.h"

#ifdef MURALLINK_CRASH_POINTS

#include <signal.h>
#include <unistd.h>

#include "postmaster/bgworker.h"
#include "utils/guc.h"

/* The prefix of points in the worker of mail: both workers that call partners run the same code. */
#define MAIL "mail."

static char *wanted = "";
static int passed; /* how often, since it was set */

static void assign_crash_point(const char *value, void *extra);

/*
 * Registers the setting.  Called once, from _PG_init.
 */
void
crash_point_init(void)
{
	DefineCustomStringVariable("murallink.crash_point", "Where the worker ends as kill -9 would.",
							   "NAME, or NAME:N for the N-th time; mail.NAME: of the worker of mail. For tests.",
							   &wanted, "", PGC_SIGHUP, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE, NULL, assign_crash_point, NULL);
}

/*
 * Assign hook: starts to count, and logs that this process uses the new value.
 */
static void
assign_crash_point(const char *value, void *extra)
{
	passed = 0;
	if (value[0] != '\0')
		ereport(LOG, errmsg("crash point %s", value));
}

/*
 * Ends this process if the setting names this point.
 */
void
crash_point(const char *name)
{
	size_t size = strlen(name);
	const char *point = wanted;
	bool mail = MyBgworkerEntry != NULL && strcmp(MyBgworkerEntry->bgw_type, "murallink mail") == 0;

	if ((strncmp(point, MAIL, strlen(MAIL)) == 0) != mail)
		return;
	if (mail)
		point += strlen(MAIL);
	if (strncmp(point, name, size) != 0 || (point[size] != '\0' && point[size] != ':'))
		return;
	if (++passed == (point[size] == ':' ? atoi(point + size + 1) : 1))
		kill(getpid(), SIGKILL);
}

#endif
