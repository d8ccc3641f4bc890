/*
 * worker_run.h
 *	  What the files of a worker share.  A database has three workers: one calls
 *	  partners by HTTP, one sends mail, one passes events on.  They differ only
 *	  in their WorkerKind.
 */
#ifndef MURALLINK_WORKER_RUN_H
#define MURALLINK_WORKER_RUN_H

#include "worker_call.h"
#include "worker_slot.h"

typedef struct WorkerKind
{
	WorkerSort sort;
	bool mail; /* it calls the partners of mail, the others none of them */
	int look_pause; /* in milliseconds: new calls are read no more often than this */
	int (*open)(void); /* prepares for calls; returns the descriptor to wait for */
	long (*wait)(long most); /* after how many milliseconds, at most that, turn() must be called even if it is not ready */
	void (*turn)(void); /* does what can be done without waiting */
	void (*work)(Moment deadline, MemoryContext context); /* waits and works; deadline: of a stopping worker, else 0 */
	int (*under_way)(void); /* how many calls are */
	int (*stop)(int grace); /* returns for how many milliseconds to wait for calls under way */

	/* Of those that call partners. */
	const char *(*send)(Call *call); /* returns why it could not be sent, or NULL */
	Call *(*next_ended)(void); /* a call that has ended, with its answer, or NULL */
} WorkerKind;

/* worker.c */
extern const WorkerKind *worker_kind; /* of this process */
extern int worker_set_backs; /* how often the clock has been set back */

extern bool worker_wait(Moment until);
extern void worker_work(Moment deadline, MemoryContext context);

/* worker_http.c, worker_mail.c, worker_event.c */
extern const WorkerKind worker_http;
extern const WorkerKind worker_mail;
extern const WorkerKind worker_events;

/* worker_transaction.c */
extern void worker_signals(void);
extern bool worker_stopping(void);
extern bool worker_transact(const char *activity, MemoryContext context, void (*work)(void *), void *arg);

/* worker_claim.c */
extern void worker_settle(void);
extern void worker_settled(bool committed);
extern void worker_look(void);
extern bool worker_looked(bool committed);
extern bool worker_payouts_here(bool *on);

/* worker_step.c */
extern Moment worker_steps_at(void);
extern void worker_step(bool moved, MemoryContext context);

/* worker_visit.c */
extern Moment worker_visits_at(void);
extern void worker_visits(MemoryContext context);

#endif /* MURALLINK_WORKER_RUN_H */
