/*
 * identity_part.h
 *	  What the files of the caller's identity share.
 */
#ifndef MURALLINK_IDENTITY_PART_H
#define MURALLINK_IDENTITY_PART_H

#include "identity.h"
#include "install.h"
#include "utils/timestamp.h"

/* identity.c */
extern const Caller *identity_found(void);
extern bool identity_is_lost(void);
extern void identity_become(const Caller *found);
extern void identity_looks_up(void);

/* identity_role.c */
extern void identity_forget_role(void);
extern const Caller *identity_of_role(Oid login);

/* identity_session.c */
extern void identity_session_init(void);
extern bool identity_of_session(Caller *found);
extern Datum identity_hash_of(const char *secret);
extern void identity_write_aside(SavedPlan *plan, const Datum *values);
extern bool identity_long_ago(TimestampTz seen);
extern void identity_see_user(const Ksuid *user);

/* identity_key.c */
extern bool identity_authenticate_key(const char *key);
extern bool identity_of_key(Caller *found);

/* identity_token.c */
extern void identity_authenticate_token(const char *text);
extern bool identity_of_token(Caller *found);

/* identity_request.c */
extern void identity_request_init(void);

/* identity_parallel.c */
extern void identity_parallel_init(void);
extern void identity_take_over(void);

/* identity_plan.c */
extern void identity_plan_init(void);
extern void identity_forget_plans(void);

#endif /* MURALLINK_IDENTITY_PART_H */
