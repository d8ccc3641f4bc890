/*
 * password_reset.h
 *	  New passwords for users who forgot theirs.
 */
#ifndef MURALLINK_PASSWORD_RESET_H
#define MURALLINK_PASSWORD_RESET_H

extern void password_reset_init(void);

#endif /* MURALLINK_PASSWORD_RESET_H */
