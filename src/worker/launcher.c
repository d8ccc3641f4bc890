/*
 * launcher.c
 *	  The process that keeps the workers running in each database of
 *	  murallink.databases.
 *
 * It is not connected to a database, so that it never blocks DROP DATABASE.  A
 * worker that ends, for any reason, is started again after a pause that grows
 * with each failure.
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

/* A worker that a database should have. */
typedef struct Watched
{
	char database[NAMEDATALEN];
	WorkerSort sort;
	BackgroundWorkerHandle *handle; /* NULL: none was started */
	Moment started_at;
	Moment start_at; /* not started before this */
	int failures; /* successive ends soon after the start */
	bool missing; /* there was no such database */
} Watched;

/* What a worker of each sort is called; after the prefix its name has the database. */
static const struct
{
	const char *prefix;
	const char *type;
	const char *function;
} sorts[] = {
	[WORKER_HTTP] = {"murallink worker for ", "murallink worker", "worker_main"},
	[WORKER_MAIL] = {"murallink mail: ", "murallink mail", "worker_mail_main"},
	[WORKER_EVENTS] = {"murallink events: ", "murallink events", "worker_events_main"},
};

static char *databases = "";
static List *watched = NIL;

static bool check_databases(char **value, void **extra, GucSource source);
static void watch(void);
static Watched *watched_named(const char *name, WorkerSort sort);
static bool is_named(List *names, const char *name);
static void look_after(Watched *worker);
static Oid database_named(const char *name);
static void start_worker(Watched *worker, Oid oid);

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

	DefineCustomStringVariable("murallink.databases", "Databases in which workers pay out, send mail and post events.",
							   "A list of names, separated by commas. Needs murallink in shared_preload_libraries.",
							   &databases, "", PGC_SIGHUP, GUC_LIST_INPUT, check_databases, NULL, NULL);
	DefineCustomIntVariable("murallink.shutdown_grace", "Time for which a stopping worker waits for calls under way.",
							"Calls that have not ended by then are in doubt. DROP DATABASE waits for five seconds. "
							"Mail is waited for no longer than a second.",
							&worker_shutdown_grace, 3000, 0, 60000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		RegisterBackgroundWorker(&launcher);
}

/*
 * Check hook: accepts a list of names.
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
 * The launcher: keeps the workers running until the server stops.
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
 * Keeps all workers running in each database of the setting, and in no other.
 */
static void
watch(void)
{
	List *names;
	ListCell *cell;

	(void) SplitIdentifierString(pstrdup(databases), ',', &names);
	foreach (cell, watched)
	{
		Watched *worker = lfirst(cell);

		if (is_named(names, worker->database))
			continue;
		if (worker->handle != NULL)
		{
			TerminateBackgroundWorker(worker->handle);
			pfree(worker->handle);
		}
		watched = foreach_delete_current(watched, cell);
		pfree(worker);
	}
	foreach (cell, names)
		for (WorkerSort sort = 0; sort < WORKER_SORTS; sort++)
			look_after(watched_named(lfirst(cell), sort));
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
 * Returns the entry of a worker; adds an empty one at first.
 */
static Watched *
watched_named(const char *name, WorkerSort sort)
{
	ListCell *cell;
	MemoryContext saved;
	Watched *worker;

	foreach (cell, watched)
	{
		worker = lfirst(cell);
		if (strcmp(worker->database, name) == 0 && worker->sort == sort)
			return worker;
	}
	saved = MemoryContextSwitchTo(TopMemoryContext);
	worker = palloc0(sizeof(Watched));
	strlcpy(worker->database, name, NAMEDATALEN);
	worker->sort = sort;
	watched = lappend(watched, worker);
	MemoryContextSwitchTo(saved);
	return worker;
}

/*
 * Starts a worker if it should run and does not.
 */
static void
look_after(Watched *worker)
{
	Moment now = clock_now();
	pid_t pid;
	Oid oid;

	if (worker->handle != NULL)
	{
		if (GetBackgroundWorkerPid(worker->handle, &pid) != BGWH_STOPPED)
			return;
		pfree(worker->handle);
		worker->handle = NULL;
		worker->failures = now - worker->started_at >= SUCCESS_AFTER * CLOCK_S ? 0 : Min(worker->failures + 1, 10);
		worker->start_at = now + Min(RESTART_MAX, 1 << worker->failures) * CLOCK_S;
	}
	if (now < worker->start_at)
		return;

	oid = database_named(worker->database);
	if (OidIsValid(oid) && !worker_slot_taken(oid, worker->sort))
		start_worker(worker, oid);
	else if (!OidIsValid(oid) && !worker->missing && worker->sort == WORKER_HTTP)
		ereport(LOG, errmsg("murallink: database \"%s\" does not exist, so it has no workers", worker->database),
				errhint("It is named in murallink.databases; its workers start when the database exists."));
	worker->missing = !OidIsValid(oid);
}

/*
 * Returns the oid of a database, or InvalidOid.  It is found without an index,
 * because a process without a database may be unable to open one.
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
 * Starts a worker.
 */
static void
start_worker(Watched *worker, Oid oid)
{
	BackgroundWorker process = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "murallink",
		.bgw_main_arg = ObjectIdGetDatum(oid),
		.bgw_notify_pid = MyProcPid,
	};
	MemoryContext saved = MemoryContextSwitchTo(TopMemoryContext);

	snprintf(process.bgw_name, BGW_MAXLEN, "%s%s", sorts[worker->sort].prefix, worker->database);
	strlcpy(process.bgw_type, sorts[worker->sort].type, BGW_MAXLEN);
	strlcpy(process.bgw_function_name, sorts[worker->sort].function, BGW_MAXLEN);
	worker->started_at = clock_now();
	if (!RegisterDynamicBackgroundWorker(&process, &worker->handle))
	{
		worker->start_at = worker->started_at + RESTART_MAX * CLOCK_S;
		ereport(WARNING, errmsg("murallink: could not start a worker for database \"%s\"", worker->database),
				errhint("You may need to raise max_worker_processes."));
	}
	MemoryContextSwitchTo(saved);
}
