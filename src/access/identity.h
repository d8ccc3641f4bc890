/*
 * identity.h
 *	  Who is asking: one app_user for the length of one transaction.
 */
#ifndef MURALLINK_IDENTITY_H
#define MURALLINK_IDENTITY_H

#include "ksuid.h"

typedef struct Caller
{
	Ksuid user; /* whose permissions hold */
	bool admin;
	bool by_session; /* through a session, not through db_role */
	bool switched; /* an admin acting as this user */
	Ksuid switched_by; /* that admin, when switched */
} Caller;

extern void identity_init(void);
extern const Caller *identity_caller(void);
extern const Caller *identity_caller_if_any(void);
extern void identity_bound_waits(void);
extern bool identity_authenticate(const char *session_id);
extern void identity_lose(void);
extern char *identity_request_header(const char *name);
extern bool identity_request_begins(void);

#endif /* MURALLINK_IDENTITY_H */
