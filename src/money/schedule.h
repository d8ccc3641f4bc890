/*
 * schedule.h
 *	  Which version of a milestone is in force.
 */
#ifndef MURALLINK_SCHEDULE_H
#define MURALLINK_SCHEDULE_H

#include "datatype/timestamp.h"
#include "ksuid.h"

/* One version of a milestone. */
typedef struct Version
{
	Ksuid uid;
	TimestampTz effective_date;
	Datum name; /* text */
	Datum amount; /* numeric, without trailing zeros */
	Datum currency; /* text */
	int32 num_payments;
	int32 sort_order;
} Version;

/* A milestone of a trial at a site, at some moment. */
typedef struct Milestone
{
	Ksuid client;
	Ksuid contract;
	Ksuid trial;
	Ksuid site;
	Ksuid trial_site;
	bool approved; /* its payments are made with the status approved */
	Datum code; /* text */
	Datum key; /* text: label_key() of its code */
	bool in_force; /* whether a version is in force */
	bool was_more_often; /* an earlier version allowed more payments */
	Version version; /* the version in force */
} Milestone;

extern void schedule_init(void);
extern bool schedule_look_up(Datum version_uid, TimestampTz at, Milestone *milestone);
extern void schedule_version(Datum version_uid, Version *version);

#endif /* MURALLINK_SCHEDULE_H */
