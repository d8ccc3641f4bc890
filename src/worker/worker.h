/*
 * worker.h
 *	  What the launcher, the workers and other sessions share.
 */
#ifndef MURALLINK_WORKER_H
#define MURALLINK_WORKER_H

/* launcher.c */
extern void launcher_init(void);
extern PGDLLEXPORT void launcher_main(Datum arg);

/* worker.c */
extern int worker_shutdown_grace;

extern PGDLLEXPORT void worker_main(Datum arg);
extern PGDLLEXPORT void worker_mail_main(Datum arg);
extern PGDLLEXPORT void worker_events_main(Datum arg);

#endif /* MURALLINK_WORKER_H */
