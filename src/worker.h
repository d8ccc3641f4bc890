/*
 * worker.h
 *	  What the launcher, the workers and other sessions share.
 */
#ifndef MURALLINK_WORKER_H
#define MURALLINK_WORKER_H

#include "datatype/timestamp.h"

#define WORKER_PARTNERS 8
#define WORKER_ERROR_SIZE 256

/* What a worker tells of one partner, since it started. */
typedef struct WorkerReport
{
	char		partner[NAMEDATALEN];	/* empty: not used */
	int64		outcomes[4];	/* by Outcome */
	char		error[WORKER_ERROR_SIZE];
	TimestampTz error_at;
} WorkerReport;

/* A worker that is running, in shared memory. */
typedef struct WorkerSlot
{
	Oid			database;		/* InvalidOid: the slot is free */
	int			pid;
	int			pgprocno;
	TimestampTz started_at;
	TimestampTz heartbeat_at;
	WorkerReport reports[WORKER_PARTNERS];
} WorkerSlot;

/* launcher.c */
extern int	worker_shutdown_grace;	/* in milliseconds */

extern void launcher_init(void);
extern bool worker_attach(void);
extern void worker_beat(void);
extern void worker_count(const char *partner, int outcome);
extern void worker_error(const char *partner, const char *error);
extern PGDLLEXPORT void launcher_main(Datum arg);

/* worker.c */
extern PGDLLEXPORT void worker_main(Datum arg);

#endif							/* MURALLINK_WORKER_H */
