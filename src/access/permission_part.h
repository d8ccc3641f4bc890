/*
 * permission_part.h
 *	  What the files of permissions share.
 */
#ifndef MURALLINK_PERMISSION_PART_H
#define MURALLINK_PERMISSION_PART_H

#include "permission.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

/* The kinds of resources, and how permission_grant names them. */
typedef enum Kind
{
	KIND_CLIENT,
	KIND_CONTRACT,
	KIND_TRIAL,
	KIND_SITE,
	KIND_TRIAL_SITE,
} Kind;

/* A grant of one permission on one resource. */
typedef struct Grant
{
	Oid permission;
	Kind kind;
	Ksuid resource;
	Ksuid site; /* if it is at a site */
} Grant;

/* The grants of a user that are in force. */
typedef struct UserGrants
{
	Ksuid user;
	HTAB *places; /* the keys of the list, in permission_grant.c */
	Grant *list;
	int count;
	int64 ended; /* a hash of the uids of those that were revoked or have come to their end; 0: none */
	TimestampTz valid_until; /* the first end of a grant in the list */
} UserGrants;

/* How often any grants may have changed. */
extern uint64 permission_generation;

/* permission_grant.c */
extern void permission_grant_init(void);
extern Kind permission_kind(const text *name);
extern UserGrants *permission_grants_of(const Ksuid *user);
extern bool permission_has(const UserGrants *grants, Oid permission, Kind kind, const Ksuid *place);
extern bool permission_holds_at_site(const UserGrants *grants, Oid permission, const Place *place);
extern bool permission_holds(const UserGrants *grants, Oid permission, const Place *place);

/*
 * Returns whether a time has come; DT_NOEND never does.
 */
static inline bool
permission_is_over(TimestampTz end)
{
	return end != DT_NOEND && GetCurrentTimestamp() >= end;
}

#endif /* MURALLINK_PERMISSION_PART_H */
