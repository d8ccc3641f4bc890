/*
 * password.h
 *	  Passwords and what hashing them costs.
 */
#ifndef MURALLINK_PASSWORD_H
#define MURALLINK_PASSWORD_H

extern void password_init(void);

#endif /* MURALLINK_PASSWORD_H */
