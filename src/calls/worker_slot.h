/*
 * worker_slot.h
 *	  What workers report in shared memory, and how they are woken.
 */
#ifndef MURALLINK_WORKER_SLOT_H
#define MURALLINK_WORKER_SLOT_H

#include "clock.h"

struct Partner;

extern void worker_slot_init(void);
extern bool worker_slot_taken(Oid database, bool mail);
extern bool worker_slot_take(bool mail);
extern void worker_slot_beat(void);
extern void worker_slot_count(const struct Partner *partner, int outcome, bool payout, int64 duration);
extern void worker_slot_failing(const struct Partner *partner, int failures, Moment resume_at);
extern void worker_slot_error(const struct Partner *partner, const char *error);

#endif /* MURALLINK_WORKER_SLOT_H */
