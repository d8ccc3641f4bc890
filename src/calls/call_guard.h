/*
 * call_guard.h
 *	  Which roles may call functions that are not for clients.
 */
#ifndef MURALLINK_CALL_GUARD_H
#define MURALLINK_CALL_GUARD_H

extern void call_guard_init(void);

#endif /* MURALLINK_CALL_GUARD_H */
