/*
 * worker_transaction.c
 *	  How a worker runs a transaction, and how signals are kept from ending it
 *	  in the middle.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "install.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "worker_slot.h"

#include "worker_run.h"

/* In milliseconds: how often the same error is logged. */
#define REPEAT_INTERVAL 60000

static volatile sig_atomic_t stop_requested = false;
static volatile sig_atomic_t committing = false;

static void handle_sigterm(SIGNAL_ARGS);
static void handle_sigint(SIGNAL_ARGS);
static void commit(Owner *saved);
static void report_error(void);
static bool murallink_is_there(void);

/*
 * Installs the signal handlers below.
 */
void
worker_signals(void)
{
	pqsignal(SIGINT, handle_sigint);
	pqsignal(SIGTERM, handle_sigterm);
}

/*
 * Returns whether the worker has been asked to stop.
 */
bool
worker_stopping(void)
{
	return stop_requested;
}

/*
 * Handler of SIGTERM: asks the worker to stop at the next safe moment.  die()
 * would end it in the middle of a transaction, and leave answered calls in
 * doubt.  Only a commit that waits for a standby must end at once.
 */
static void
handle_sigterm(SIGNAL_ARGS)
{
	int saved = errno;

	stop_requested = true;
	if (committing)
		InterruptPending = ProcDiePending = true;
	SetLatch(MyLatch);
	errno = saved;
}

/*
 * Handler of SIGINT: lets lock_timeout cancel a statement, but not
 * pg_cancel_backend(), because a commit that is cancelled while it waits for a
 * standby would report success.
 */
static void
handle_sigint(SIGNAL_ARGS)
{
	int saved = errno;

	if (get_timeout_indicator(LOCK_TIMEOUT, false))
		InterruptPending = QueryCancelPending = true;
	SetLatch(MyLatch);
	errno = saved;
}

/*
 * Does some work in a transaction if murallink is installed.  It runs as
 * murallink_owner to the very end, because deferred triggers may be other
 * roles' and the session is a superuser's.  Returns whether it has committed;
 * an error is logged.  Leaves the memory context as it was.
 */
bool
worker_transact(const char *activity, MemoryContext context, void (*work)(void *), void *arg)
{
	volatile bool done = false;
	Owner saved = {false};

	pgstat_report_activity(STATE_RUNNING, activity);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (murallink_is_there())
		{
			saved = owner_enter();
			SPI_connect();
			work(arg);
			SPI_finish();
		}
		PopActiveSnapshot();
		commit(&saved);
		done = true;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		disable_all_timeouts(false);
		committing = QueryCancelPending = ProcDiePending = false;
		MemoryContextSwitchTo(context);
		report_error();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, "");
	return done;
}

/*
 * Commits, and undoes owner_enter() only then.  If the server is stopping, it
 * does not wait for a standby: PostgreSQL checks ProcDiePending for that.
 */
static void
commit(Owner *saved)
{
	HOLD_INTERRUPTS();
	committing = true;
	if (stop_requested)
		InterruptPending = ProcDiePending = true;
	CommitTransactionCommand();
	owner_committed(*saved);
	committing = false;
	ProcDiePending = false;
	RESUME_INTERRUPTS();
}

/*
 * Logs the current error, but the same one only once in REPEAT_INTERVAL.
 */
static void
report_error(void)
{
	static char last[128];
	static Moment last_at = 0;
	ErrorData *error = CopyErrorData();
	Moment now = clock_now();

	worker_slot_error(NULL, error->message);
	if (strncmp(last, error->message, sizeof(last) - 1) == 0 &&
		now - last_at < REPEAT_INTERVAL * CLOCK_MS)
		return;
	strlcpy(last, error->message, sizeof(last));
	last_at = now;
	errcontext("%s", MyBgworkerEntry->bgw_name);
	EmitErrorReport();
}

/*
 * Returns whether the extension and its tables exist, and locks the extension
 * until the transaction ends.  Raises unknown_data_version.
 */
static bool
murallink_is_there(void)
{
	Oid extension = get_extension_oid("murallink", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	if (get_extension_oid("murallink", true) != extension || !OidIsValid(install_relation("payout")))
		return false;
	install_check();
	return true;
}
