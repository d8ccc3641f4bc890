/*
 * secret.h
 *	  Keeps secrets out of the server's log and pg_stat_activity.
 */
#ifndef MURALLINK_SECRET_H
#define MURALLINK_SECRET_H

/* Keys of a request whose values are secrets, up to NULL. */
extern const char *const secret_keys[];

extern void secret_init(void);
extern void secret_hide_statement(void);

#endif /* MURALLINK_SECRET_H */
