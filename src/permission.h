/*
 * permission.h
 *	  Whether the caller may do something somewhere in the hierarchy
 *	  client > contract > {trial, site} > trial at site.
 */
#ifndef MURALLINK_PERMISSION_H
#define MURALLINK_PERMISSION_H

#include "ksuid.h"

/* Where something stands; NULL for levels above which it stands. */
typedef struct Place
{
	const Ksuid *client;
	const Ksuid *contract;
	const Ksuid *trial;
	const Ksuid *site;
} Place;

extern void permission_init(void);
extern void permission_require(Oid permission, const Place *place, const char *field);
extern Oid permission_named(const char *name);

#endif /* MURALLINK_PERMISSION_H */
