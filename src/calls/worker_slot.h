/*
 * worker_slot.h
 *	  What workers report in shared memory, and how they are woken.
 */
#ifndef MURALLINK_WORKER_SLOT_H
#define MURALLINK_WORKER_SLOT_H

#include "clock.h"
#include "datatype/timestamp.h"

struct Partner;

/* The workers of a database, in the order in which they are started. */
typedef enum WorkerSort
{
	WORKER_HTTP, /* calls partners by HTTP */
	WORKER_MAIL, /* sends mail */
	WORKER_EVENTS, /* announces events and posts them to webhooks */
	WORKER_SORTS
} WorkerSort;

/* The size of the sequence of an event, with a zero. */
#define WORKER_SEQUENCE_SIZE 32

extern void worker_slot_init(void);
extern bool worker_slot_taken(Oid database, WorkerSort sort);
extern bool worker_slot_take(WorkerSort sort);
extern void worker_slot_beat(void);
extern void worker_slot_announced(char *sequence, TimestampTz *since);
extern void worker_slot_announce(const char *sequence);
extern void worker_slot_count(const struct Partner *partner, int outcome, bool payout, int64 duration);
extern void worker_slot_failing(const struct Partner *partner, int failures, Moment resume_at);
extern void worker_slot_error(const struct Partner *partner, const char *error);

#endif /* MURALLINK_WORKER_SLOT_H */
