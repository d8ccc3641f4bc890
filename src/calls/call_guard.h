/*
 * call_guard.h
 *	  Who may call the functions that are no client's.
 */
#ifndef MURALLINK_CALL_GUARD_H
#define MURALLINK_CALL_GUARD_H

extern void call_guard_init(void);

#endif /* MURALLINK_CALL_GUARD_H */
