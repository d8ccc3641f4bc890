/*
 * worker.c
 *	  The worker of a database: claims what is due, calls the partners, and
 *	  settles what came of it.
 *
 * A claim is committed before a byte of its call is sent; no transaction is
 * open while calls are under way; each call is settled by the number of its
 * attempt.  Whatever was claimed by a worker that ended without settling it is
 * put in doubt by the next one.  So nothing is ever sent twice by itself.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "common/pg_prng.h"
#include "install.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker.h"

#include "partner.h"

/* In milliseconds: a turn at most, and the time between looks for work. */
#define TURN_MAX 500
#define LOOK_INTERVAL 1000

/* How long a statement waits for a lock: meanwhile no answer is read. */
#define LOCK_TIMEOUT_TEXT "1s"

/* A partner that fails is called again after a while, at most this (in milliseconds). */
#define PAUSE_MAX 60000

/* The same error is logged no more often than this (in milliseconds). */
#define REPEAT_INTERVAL 60000

/* A partner as this database has configured it. */
typedef struct Channel
{
	const Partner *partner;
	int			revision;		/* of the configuration; 0: none */
	PartnerConfig config;
	int			in_flight;		/* calls that are not settled */
	bool		signing_in;
	bool		due;			/* there is work, but no session */
	int			failures;		/* in a row */
	TimestampTz resume_at;		/* not to be called before */
	double		allowance;		/* calls that the rate allows now */
	TimestampTz allowance_at;
} Channel;

/* A call, from its claim until it is settled.  A login is never claimed. */
typedef struct Call
{
	dlist_node	node;
	Channel    *channel;
	char	   *attempt_uid;	/* NULL: a login */
	char	   *operation;
	json_t	   *params;
	const char *session;		/* the one it was sent with, to compare only */
	int			http_status;
	PartnerAnswer answer;
} Call;
