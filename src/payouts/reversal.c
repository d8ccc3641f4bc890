/*
 * reversal.c
 *	  The setting for the time in which a payment is taken back without an
 *	  operator.
 */
#include "postgres.h"

#include "reversal.h"
#include "utils/guc.h"

/* In seconds. */
#define WINDOW_MAX (366 * 24 * 3600)

static int void_window;

/*
 * Registers the setting.
 */
void
reversal_init(void)
{
	DefineCustomIntVariable("murallink.void_window",
							"Time after a payment in which it is taken back without an operator.",
							"-1: the rest of that day at the site, and 24 hours for a site without a time zone.",
							&void_window, -1, -1, WINDOW_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}
