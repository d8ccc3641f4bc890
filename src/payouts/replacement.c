/*
 * replacement.c
 *	  The setting for cards that take the place of others.
 */
#include "postgres.h"

#include "replacement.h"
#include "utils/guc.h"

/* More cards than anybody loses. */
#define REPLACEMENTS_MAX 1000

static int card_replacements;

/*
 * Registers the setting.
 */
void
replacement_init(void)
{
	DefineCustomIntVariable("murallink.card_replacements",
							"Cards of a patient that clients may replace; further ones are for operators.", NULL,
							&card_replacements, 1, 0, REPLACEMENTS_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
}
