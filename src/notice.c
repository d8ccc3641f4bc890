/*
 * notice.c
 *	  When patients are reminded of their appointments.
 */
#include "postgres.h"

#include "notice.h"
#include "utils/guc.h"

static int reminder_lead = 24 * 3600;

/*
 * Registers the setting.
 */
void
notice_init(void)
{
	DefineCustomIntVariable("murallink.reminder_lead", "How long before an appointment the patient is reminded.",
							NULL, &reminder_lead, 24 * 3600, 0, 90 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL,
							NULL, NULL);
}
