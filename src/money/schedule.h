/*
 * schedule.h
 *	  Which version of a milestone is in force.
 */
#ifndef MURALLINK_SCHEDULE_H
#define MURALLINK_SCHEDULE_H

#include "datatype/timestamp.h"
#include "ksuid.h"
#include "utils/date.h"

/* One version of a milestone. */
typedef struct Version
{
	Ksuid uid;
	TimestampTz effective_date;
	DateADT first_day; /* whose visits it prices, if the trial prices by visit */
	bool approved; /* by the ethics committee, or needs no approval */
	Datum name; /* text */
	Datum amount; /* numeric, without trailing zeros */
	Datum free_up_to; /* numeric: payments above it are not approved as they are made; 0 without a limit */
	Datum currency; /* text */
	int32 num_payments;
	bool per_screening; /* each screening of a patient is paid that often */
	int32 sort_order;
} Version;

/* What else holds at a trial at a site. */
typedef struct Terms
{
	DateADT first_day; /* of the contract; -infinity if there is no limit */
	DateADT last_day; /* of the contract; infinity if there is no limit */
	Datum time_zone; /* text: of the site */
	Datum day_cap; /* numeric: the most that the visits of one day are paid; 0: no limit */
	Datum cap_currency; /* text */
} Terms;

/* A milestone of a trial at a site, at some moment. */
typedef struct Milestone
{
	Ksuid client;
	Ksuid contract;
	Ksuid trial;
	Ksuid site;
	Ksuid trial_site;
	bool by_visit; /* the day of the visit decides which version is in force */
	bool approved; /* its payments are made with the status approved, up to free_up_to of the version */
	Datum code; /* text */
	Datum key; /* text: label_key() of its code */
	bool in_force; /* whether a version is in force */
	Version version; /* the version in force */
	Terms terms;
	Datum rivals; /* text[]: the keys of the milestones that exclude it; 0: none */
} Milestone;

/* Whether payments of a milestone limit one another, and so wait for one another. */
#define MILESTONE_LIMITED(milestone) ((milestone)->rivals != 0 || (milestone)->terms.day_cap != 0)

extern void schedule_init(void);
extern bool schedule_look_up(Datum version_uid, TimestampTz at, DateADT visit, Milestone *milestone);
extern void schedule_version(Datum version_uid, Version *version);
extern uint64 schedule_generation(void);
extern void schedule_terms(Datum trial_site, Terms *terms);

#endif /* MURALLINK_SCHEDULE_H */
