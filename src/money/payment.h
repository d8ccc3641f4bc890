/*
 * payment.h
 *	  The columns of payments, and what limits them.
 */
#ifndef MURALLINK_PAYMENT_H
#define MURALLINK_PAYMENT_H

#include "enrollment_visit.h"
#include "schedule.h"

/* The columns of murallink_private.payment, by their number from 0. */
enum PaymentColumn
{
	PAYMENT_UID,
	PAYMENT_CLIENT,
	PAYMENT_CONTRACT,
	PAYMENT_TRIAL,
	PAYMENT_SITE,
	PAYMENT_TRIAL_SITE,
	PAYMENT_PATIENT,
	PAYMENT_ENROLLMENT,
	PAYMENT_TYPE,
	PAYMENT_MILESTONE,
	PAYMENT_MILESTONE_NAME,
	PAYMENT_OCCURRENCE,
	PAYMENT_AMOUNT,
	PAYMENT_CURRENCY,
	PAYMENT_NOTE,
	PAYMENT_VISIT_DATE,
	PAYMENT_STATUS,
	PAYMENT_UPDATED_AT,
	PAYMENT_PAID_AT,
	PAYMENT_REQUESTED_BY,
	PAYMENT_DECIDED_BY,
	PAYMENT_CREATED_AT,
	PAYMENT_COUNTS,
	PAYMENT_MILESTONE_CODE,
	PAYMENT_CHAIN,
	PAYMENT_DECISION_NOTE,
	PAYMENT_RETURNED,
	PAYMENT_RETURNED_BY,
	PAYMENT_RECOVERED,
	PAYMENT_MOVED_FROM,
	PAYMENT_TOP_UP_OF,
	PAYMENT_TOP_UP_VERSION,
	PAYMENT_FRACTION,
	PAYMENT_COMPLETES,
	PAYMENT_CAPPED_FROM,
	PAYMENT_COLUMNS
};

/* Sets a column of a row. */
#define FILL(column, datum) (values[column] = (datum), nulls[column] = false)

extern int payment_occurrence(const Enrolled *enrolled, const Milestone *milestone, int asked);
extern bool payment_is_elsewhere(const Datum *values);
extern DateADT payment_visit_day(const Terms *terms, const Datum *values, const bool *nulls);
extern void payment_pricing(void);
extern void payment_limit(const Milestone *milestone, Datum *values, bool *nulls);
extern void payment_recheck(const Datum *values, const bool *nulls);

#endif /* MURALLINK_PAYMENT_H */
