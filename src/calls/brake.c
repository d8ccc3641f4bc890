/*
 * brake.c
 *	  The place for which payouts are enabled: no copy of the database has the
 *	  same one.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include <fcntl.h>
#include <sys/stat.h>

static char *directory(void);

/*
 * murallink_private.payout_place(): the cluster, its timeline and its directory, the
 * database, and the table of the switch.  A promoted server has a new
 * timeline; a copy of the files has another directory; a restored dump has
 * another database or new tables.
 */
PG_FUNCTION_INFO_V1(payout_place);
Datum
payout_place(PG_FUNCTION_ARGS)
{
	Oid schema = get_namespace_oid("murallink_private", false);
	TimeLineID timeline = RecoveryInProgress() ? 0 : GetWALInsertionTimeLine();

	PG_RETURN_TEXT_P(cstring_to_text(psprintf("cluster %llu, timeline %u, %s, database %u, switch %u",
											  (unsigned long long) GetSystemIdentifier(), timeline, directory(),
											  MyDatabaseId, get_relname_relid("payout_switch", schema))));
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
