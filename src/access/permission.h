/*
 * permission.h
 *	  Whether the caller may do something somewhere in the hierarchy
 *	  client > contract > {trial, site} > trial at site.
 */
#ifndef MURALLINK_PERMISSION_H
#define MURALLINK_PERMISSION_H

#include "identity.h"
#include "ksuid.h"
#include "nodes/supportnodes.h"

/* A place in the hierarchy; NULL for the levels below it. */
typedef struct Place
{
	const Ksuid *client;
	const Ksuid *contract;
	const Ksuid *trial;
	const Ksuid *site;
} Place;

extern void permission_init(void);
extern void permission_require(Oid permission, const Place *place, const char *field);
extern bool permission_few_sites(void);
extern int64 permission_ended(const Caller *who);
extern bool permission_kept(const Ksuid *user, bool admin, int64 ended);
extern Oid permission_named(const char *name);

extern void permission_cursor_init(void);

extern Expr *permission_call(const char *name, Oid result, List *arguments);
extern Node *permission_any(Expr *uid, Expr *array);
extern List *permission_indexed(SupportRequestIndexCondition *asked);

#endif /* MURALLINK_PERMISSION_H */
