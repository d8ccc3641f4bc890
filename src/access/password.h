/*
 * password.h
 *	  Hashing of passwords.
 */
#ifndef MURALLINK_PASSWORD_H
#define MURALLINK_PASSWORD_H

extern void password_init(void);

#endif /* MURALLINK_PASSWORD_H */
