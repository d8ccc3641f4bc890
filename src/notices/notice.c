/*
 * notice.c
 *	  Settings for the messages to patients.
 */
#include "postgres.h"

#include "notice.h"
#include "utils/guc.h"

/* In seconds: reminders are not sent earlier than this. */
#define LEAD_MAX (90 * 24 * 3600)

static char *reminder_lead;
static char *stop_words;
static bool payment_notices;

static bool check_leads(char **value, void **extra, GucSource source);

/*
 * Registers the settings.
 */
void
notice_init(void)
{
	DefineCustomStringVariable("murallink.reminder_lead",
							   "How long before an appointment the patient is reminded: times, separated by commas.",
							   NULL, &reminder_lead, "1d", PGC_SIGHUP, 0, check_leads, NULL, NULL);
	DefineCustomStringVariable("murallink.stop_words",
							   "Answers of a patient that end messages: words, separated by commas.", NULL,
							   &stop_words,
							   "stop, stop all, stopall, quit, end, revoke, opt out, optout, cancel, unsubscribe", PGC_SIGHUP, 0, NULL, NULL,
							   NULL);
	DefineCustomBoolVariable("murallink.payment_notices",
							 "Whether patients are notified of payments, unless their contract decides.", NULL,
							 &payment_notices, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * Check hook: returns whether each element of the list is a time.
 */
static bool
check_leads(char **value, void **extra, GucSource source)
{
	char *copy = pstrdup(*value);
	char *rest = copy;
	char *lead;

	while ((lead = strsep(&rest, ",")) != NULL)
	{
		int seconds;

		if (lead[strspn(lead, " ")] == '\0' && rest == NULL && lead == copy)
			break; /* the list is empty */
		if (!parse_int(lead, &seconds, GUC_UNIT_S, NULL) || seconds < 0 || seconds > LEAD_MAX)
		{
			GUC_check_errdetail("A time is written like 1d, 2h or 30min, and is at most 90 days.");
			return false;
		}
	}
	pfree(copy);
	return true;
}
