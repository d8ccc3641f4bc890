/*
 * place.c
 *	  Which database of which server this is: no copy of it is the same.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "place.h"

#include <fcntl.h>
#include <sys/stat.h>

static char *directory(void);

/*
 * Returns the cluster, its timeline and its directory, and the database, in
 * words.  A promoted server has a new timeline; a copy of the files has another
 * directory; a dump may have been restored in another database.  A server that
 * follows another one has no timeline yet.  Raises an error if the control file
 * cannot be found.
 */
char *
place_here(void)
{
	TimeLineID timeline = RecoveryInProgress() ? 0 : GetWALInsertionTimeLine();

	return psprintf("cluster %llu, timeline %u, %s, database %u", (unsigned long long) GetSystemIdentifier(), timeline,
					directory(), MyDatabaseId);
}

/*
 * Returns what differs between the data directory and a copy of it: the time
 * at which its control file was created, which no program that copies files
 * can set.  The server always writes that file in place.  If the file system
 * does not store that time, returns the inode number.
 */
static char *
directory(void)
{
	struct statx file;

	if (statx(AT_FDCWD, XLOG_CONTROL_FILE, 0, STATX_BTIME | STATX_INO, &file) != 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not stat file \"%s\": %m", XLOG_CONTROL_FILE));
	if ((file.stx_mask & STATX_BTIME) == 0)
		return psprintf("file %llu", (unsigned long long) file.stx_ino);
	return psprintf("born %lld.%09u", (long long) file.stx_btime.tv_sec, file.stx_btime.tv_nsec);
}
