/*
 * identity.h
 *	  The caller: one app_user for one transaction.
 */
#ifndef MURALLINK_IDENTITY_H
#define MURALLINK_IDENTITY_H

#include "ksuid.h"
#include "nodes/pathnodes.h"

/* How a caller has come in. */
typedef enum Means
{
	BY_LOGIN_ROLE,
	BY_SESSION,
	BY_API_KEY,
	BY_TOKEN,
} Means;

typedef struct Caller
{
	Ksuid user; /* the permissions are this user's */
	bool admin;
	Means by;
	Oid role; /* the login role with that db_role */
	bool switched; /* an admin acts as this user */
	Ksuid switched_by; /* that admin, when switched */
} Caller;

/* identity.c */
extern void identity_init(void);
extern const Caller *identity_caller(void);
extern const Caller *identity_caller_if_any(void);
extern const Caller *identity_user(const Ksuid *uid);
extern void identity_lose(void);
extern void identity_bound_waits(void);

/* identity_plan.c */
extern const Caller *identity_plan_for(PlannerGlobal *plan);

/* identity_session.c */
extern bool identity_authenticate(const char *session_id);
extern void identity_role_seen(const Caller *who);

/* identity_key.c */
extern bool identity_is_api_key(const char *session_id);

/* identity_request.c */
extern char *identity_request_header(const char *name);
extern char *identity_request_path(void);
extern bool identity_request_begins(void);

/* Returns whether the caller sees little of the large tables.  The grants say so, which come later. */
extern bool (*identity_sees_little)(void);

#endif /* MURALLINK_IDENTITY_H */
