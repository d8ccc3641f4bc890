/*
 * enrollment_visit.h
 *	  To which enrollment of a patient a visit is paid.
 */
#ifndef MURALLINK_ENROLLMENT_VISIT_H
#define MURALLINK_ENROLLMENT_VISIT_H

#include "ksuid.h"
#include "nodes/pg_list.h"
#include "utils/date.h"

/* An enrollment that is paid. */
typedef struct Enrolled
{
	Ksuid uid;
	Ksuid client;
	Ksuid contract;
	Ksuid trial;
	Ksuid site;
	Ksuid trial_site;
	Ksuid patient;
	Ksuid chain;
	Oid status;
	DateADT since;
	DateADT left_on; /* the last day that is paid; infinite if not over */
	bool follows; /* another enrollment, previous */
	Ksuid previous;
} Enrolled;

extern bool enrollment_look_up(Datum uid, Enrolled *enrolled);
extern void enrollment_of_visit(Datum patient, const Ksuid *trial, const Ksuid *trial_site, DateADT visit,
								Enrolled *enrolled);
extern DateADT enrollment_paid_from(const Enrolled *enrolled);
extern void enrollment_check_visit(const Enrolled *enrolled, bool no_visit, DateADT visit);
extern bool enrollment_is_among(const List *enrollments, const Ksuid *uid);
extern List *enrollment_screening(const Enrolled *enrolled);

#endif /* MURALLINK_ENROLLMENT_VISIT_H */
