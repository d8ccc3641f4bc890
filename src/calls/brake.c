/*
 * brake.c
 *	  The place where payouts are made, which no copy of it shares.
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
 * database, and the table that holds the switch.  A server that is promoted
 * begins a timeline; a copy of the files lies in a directory of its own; a
 * dump is restored into another database, or into new tables.
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
 * Returns what tells the data directory from a copy of it: when its control
 * file was made, which nothing that copies files can set.  The server writes
 * to that file in place for as long as the cluster lives.  Where the file
 * system does not keep that time, it is the number of the file.
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
