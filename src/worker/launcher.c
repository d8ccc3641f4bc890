/*
 * launcher.c
 *	  The process that keeps one worker running in each database of
 *	  murallink.databases.
 *
 * It is connected to no database, so that it stands in the way of nothing.  A
 * worker that ends, for whatever reason, is started again after a while that
 * grows with each failure.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"
#include "worker.h"
#include "worker_slot.h"

#define LOOK_INTERVAL 1000 /* in milliseconds */
#define RESTART_MAX 60 /* in seconds, as the next */
#define SUCCESS_AFTER 5

/* A database that is to have a worker. */
typedef struct Watched
{
	char name[NAMEDATALEN];
	BackgroundWorkerHandle *handle; /* NULL: none was started */
	Moment started_at;
	Moment start_at; /* not to be started before */
	int failures; /* ends in a row, soon after the start */
	bool missing; /* there was no such database */
} Watched;

static char *databases = "";
static List *watched = NIL;

static bool check_databases(char **value, void **extra, GucSource source);
static void watch(void);
static Watched *watched_named(const char *name);
static bool is_named(List *names, const char *name);
static void look_after(Watched *database);
static Oid database_named(const char *name);
static void start_worker(Watched *database, Oid oid);

/*
 * Registers settings and, where the library is loaded at server start, the
 * launcher.  Called once, from _PG_init.
 */
void
launcher_init(void)
{
	BackgroundWorker launcher = {
		.bgw_name = "murallink launcher",
		.bgw_type = "murallink launcher",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 5,
		.bgw_library_name = "murallink",
		.bgw_function_name = "launcher_main",
	};

	DefineCustomStringVariable("murallink.databases", "Databases in which a worker pays out.",
							   "A list of names, separated by commas. Needs murallink in shared_preload_libraries.",
							   &databases, "", PGC_SIGHUP, GUC_LIST_INPUT, check_databases, NULL, NULL);
	DefineCustomIntVariable("murallink.shutdown_grace", "Time for which a stopping worker waits for calls under way.",
							"Calls that have not ended by then are in doubt. DROP DATABASE waits for five seconds.",
							&worker_shutdown_grace, 3000, 0, 60000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		RegisterBackgroundWorker(&launcher);
}

/*
 * Accepts a list of names.
 */
static bool
check_databases(char **value, void **extra, GucSource source)
{
	char *copy = pstrdup(*value);
	List *names;

	if (!SplitIdentifierString(copy, ',', &names))
	{
		GUC_check_errdetail("The value is not a list of names.");
		return false;
	}
	list_free(names);
	pfree(copy);
	return true;
}

/*
 * The launcher: looks after the workers until the server stops.
 */
void
launcher_main(Datum arg)
{
	MemoryContext turn;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_activity(STATE_IDLE, "");

	turn = AllocSetContextCreate(TopMemoryContext, "murallink launcher turn", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		MemoryContextReset(turn);
		MemoryContextSwitchTo(turn);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		watch();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_INTERVAL, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/*
 * Has a worker in each database of the setting, and in no other.
 */
static void
watch(void)
{
	List *names;
	ListCell *cell;

	(void) SplitIdentifierString(pstrdup(databases), ',', &names);
	foreach (cell, watched)
	{
		Watched *database = lfirst(cell);

		if (is_named(names, database->name))
			continue;
		if (database->handle != NULL)
		{
			TerminateBackgroundWorker(database->handle);
			pfree(database->handle);
		}
		watched = foreach_delete_current(watched, cell);
		pfree(database);
	}
	foreach (cell, names)
		look_after(watched_named(lfirst(cell)));
}

static bool
is_named(List *names, const char *name)
{
	ListCell *cell;

	foreach (cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

/*
 * Returns what is known of a database, at first nothing.
 */
static Watched *
watched_named(const char *name)
{
	ListCell *cell;
	MemoryContext saved;
	Watched *database;

	foreach (cell, watched)
	{
		database = lfirst(cell);
		if (strcmp(database->name, name) == 0)
			return database;
	}
	saved = MemoryContextSwitchTo(TopMemoryContext);
	database = palloc0(sizeof(Watched));
	strlcpy(database->name, name, NAMEDATALEN);
	watched = lappend(watched, database);
	MemoryContextSwitchTo(saved);
	return database;
}

/*
 * Starts the worker of a database if it should run and does not.
 */
static void
look_after(Watched *database)
{
	Moment now = clock_now();
	pid_t pid;
	Oid oid;

	if (database->handle != NULL)
	{
		if (GetBackgroundWorkerPid(database->handle, &pid) != BGWH_STOPPED)
			return;
		pfree(database->handle);
		database->handle = NULL;
		database->failures = now - database->started_at >= SUCCESS_AFTER * CLOCK_S ? 0 : Min(database->failures + 1, 10);
		database->start_at = now + Min(RESTART_MAX, 1 << database->failures) * CLOCK_S;
	}
	if (now < database->start_at)
		return;

	oid = database_named(database->name);
	if (OidIsValid(oid) && !worker_slot_taken(oid))
		start_worker(database, oid);
	else if (!OidIsValid(oid) && !database->missing)
		ereport(LOG, errmsg("murallink: database \"%s\" does not exist, so it has no worker", database->name),
				errhint("It is named in murallink.databases; its worker starts when the database exists."));
	database->missing = !OidIsValid(oid);
}

/*
 * Returns the oid of a database, or InvalidOid.  It is looked for without an
 * index, because a process without a database may not be able to open one.
 */
static Oid
database_named(const char *name)
{
	Relation catalog;
	TableScanDesc scan;
	HeapTuple row;
	Oid oid = InvalidOid;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while ((row = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(row);

		if (strcmp(NameStr(database->datname), name) == 0)
			oid = database->oid;
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();
	return oid;
}

/*
 * Starts the worker of a database.
 */
static void
start_worker(Watched *database, Oid oid)
{
	BackgroundWorker worker = {
		.bgw_type = "murallink worker",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "murallink",
		.bgw_function_name = "worker_main",
		.bgw_main_arg = ObjectIdGetDatum(oid),
		.bgw_notify_pid = MyProcPid,
	};
	MemoryContext saved = MemoryContextSwitchTo(TopMemoryContext);

	snprintf(worker.bgw_name, BGW_MAXLEN, "murallink worker for %s", database->name);
	database->started_at = clock_now();
	if (!RegisterDynamicBackgroundWorker(&worker, &database->handle))
	{
		database->start_at = database->started_at + RESTART_MAX * CLOCK_S;
		ereport(WARNING, errmsg("murallink: could not start a worker for database \"%s\"", database->name),
				errhint("You may need to raise max_worker_processes."));
	}
	MemoryContextSwitchTo(saved);
}
