/*
 * apart.c
 *	  Runs a function in a transaction of its own, in another process.
 *
 * A client can roll its transaction back after a function has written
 * something: a cast that fails in PostgREST's select= is enough.  So what must
 * stay, such as the count of a failed login, is written by a background
 * worker, which commits before this process continues.  It is started for one
 * call, needs nothing in shared_preload_libraries, and runs as
 * murallink_owner.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "apart.h"
#include "catalog/pg_type.h"
#include "error.h"
#include "fmgr.h"
#include "install.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#define RESULT_SIZE 1024
#define START_TRIES 100
#define START_PAUSE 10 /* in milliseconds */

/* A call, in memory that both processes share. */
typedef struct ApartCall
{
	Oid database;
	bool done; /* it has committed, and result holds what it returned */
	char function[NAMEDATALEN]; /* of schema murallink_private, from jsonb to jsonb */
	char result[RESULT_SIZE];
	char argument[FLEXIBLE_ARRAY_MEMBER];
} ApartCall;

/* Settings of this process, beside those of all our processes. */
static const char *const settings[][2] = {
	{"lock_timeout", "3s"}, /* the caller waits, and may hold the lock that this waits for */
	{"synchronous_commit", "local"},
};

static BackgroundWorkerHandle *start(dsm_segment *segment);
static void run(ApartCall *call);

/*
 * The other process: arg is the handle of the memory with the call.
 */
void
apart_main(Datum arg)
{
	dsm_segment *segment;
	ApartCall *call;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "murallink apart");
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		proc_exit(0); /* the caller was cancelled */
	dsm_pin_mapping(segment);
	call = dsm_segment_address(segment);
	BackgroundWorkerInitializeConnectionByOid(call->database, InvalidOid, 0);
	install_pin_settings(settings, lengthof(settings));
	run(call);
	proc_exit(0);
}

/*
 * Runs the function and commits.
 */
static void
run(ApartCall *call)
{
	Oid types[] = {JSONBOID};
	Datum values[1];
	StringInfoData statement;
	char *result;
	Owner saved;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, call->function);
	saved = owner_enter();
	SPI_connect();
	values[0] = DirectFunctionCall1(jsonb_in, CStringGetDatum(call->argument));
	initStringInfo(&statement);
	appendStringInfo(&statement, "SELECT murallink_private.%s($1)", quote_identifier(call->function));
	if (SPI_execute_with_args(statement.data, 1, types, values, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "murallink: %s returned nothing", call->function);
	result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (strlcpy(call->result, result == NULL ? "null" : result, RESULT_SIZE) >= RESULT_SIZE)
		elog(ERROR, "murallink: %s returned too much", call->function);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	owner_committed(saved);
	call->done = true;
}

/*
 * Starts the other process.  If the server has reached max_worker_processes,
 * waits for a moment; raises busy if no background worker ends.
 */
static BackgroundWorkerHandle *
start(dsm_segment *segment)
{
	BackgroundWorker worker = {
		.bgw_name = "murallink apart",
		.bgw_type = "murallink apart",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "murallink",
		.bgw_function_name = "apart_main",
		.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment)),
		.bgw_notify_pid = MyProcPid,
	};

	for (int i = 0; i < START_TRIES; i++)
	{
		BackgroundWorkerHandle *handle;

		if (RegisterDynamicBackgroundWorker(&worker, &handle))
			return handle;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, START_PAUSE, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	ereport(ERROR, errnamed(ERR_BUSY, NULL));
}

/*
 * murallink_private.apart(function, argument): runs a function of that schema in
 * another process, and returns its result when it has committed.  Assumes that
 * this transaction holds no lock that the function waits for.  Raises busy if
 * the process cannot be started, invalid_request on a standby.
 */
PG_FUNCTION_INFO_V1(apart);
Datum
apart(PG_FUNCTION_ARGS)
{
	char *function = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *argument = JsonbToCString(NULL, &PG_GETARG_JSONB_P(1)->root, VARSIZE(PG_GETARG_JSONB_P(1)));
	dsm_segment *segment;
	ApartCall *call;
	Datum result;

	if (RecoveryInProgress())
		ereport(ERROR, errnamed(ERR_INVALID_REQUEST, NULL));
	segment = dsm_create(offsetof(ApartCall, argument) + strlen(argument) + 1, 0);
	call = dsm_segment_address(segment);
	call->database = MyDatabaseId;
	call->done = false;
	strlcpy(call->function, function, NAMEDATALEN);
	strcpy(call->argument, argument);
	if (WaitForBackgroundWorkerShutdown(start(segment)) == BGWH_POSTMASTER_DIED)
		proc_exit(1);
	if (!call->done)
		ereport(ERROR, errnamed(ERR_BUSY, NULL));
	result = DirectFunctionCall1(jsonb_in, CStringGetDatum(call->result));
	dsm_detach(segment);
	PG_RETURN_DATUM(result);
}
