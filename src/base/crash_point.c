/*
 * crash_point.c
 *	  The setting that says where a process ends, for tests.
 */
#include "postgres.h"

#include "crash_point.h"

#ifdef MURALLINK_CRASH_POINTS

#include <signal.h>
#include <unistd.h>

#include "postmaster/bgworker.h"
#include "utils/guc.h"

/* What a point in the worker of mail begins with: both workers come by the same ones. */
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
 * Begins to count, and says so in the log: the setting holds from here on in
 * this process.
 */
static void
assign_crash_point(const char *value, void *extra)
{
	passed = 0;
	if (value[0] != '\0')
		ereport(LOG, errmsg("crash point %s", value));
}

/*
 * Ends this process if it has been told to end here.
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
