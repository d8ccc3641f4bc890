/*
 * isolation.h
 *	  The isolation level at which murallink's tables are changed.
 */
#ifndef MURALLINK_ISOLATION_H
#define MURALLINK_ISOLATION_H

extern void isolation_init(void);
extern void isolation_check(void);
extern void isolation_check_insert(void);

#endif /* MURALLINK_ISOLATION_H */
