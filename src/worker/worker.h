/*
 * worker.h
 *	  What the launcher, the workers and other sessions share.
 */
#ifndef MURALLINK_WORKER_H
#define MURALLINK_WORKER_H

#include "clock.h"

struct Partner;

/* launcher.c */
extern void launcher_init(void);
extern PGDLLEXPORT void launcher_main(Datum arg);

/* worker.c */
extern int worker_shutdown_grace;

extern PGDLLEXPORT void worker_main(Datum arg);

/* worker_slot.c */
extern void worker_slot_init(void);
extern bool worker_slot_taken(Oid database);
extern bool worker_slot_take(void);
extern void worker_slot_beat(void);
extern void worker_slot_count(const struct Partner *partner, int outcome, bool payout, int64 duration);
extern void worker_slot_failing(const struct Partner *partner, int failures, Moment resume_at);
extern void worker_slot_error(const struct Partner *partner, const char *error);

#endif /* MURALLINK_WORKER_H */
