/*
 * file.c
 *	  The setting for the size of files.
 */
#include "postgres.h"

#include "file.h"
#include "utils/guc.h"

/* In kB. A string of jsonb can have 256 MB, and base64 makes a file a third longer. */
static int document_limit = 10 * 1024;

/*
 * Registers the setting.
 */
void
file_init(void)
{
	DefineCustomIntVariable("murallink.document_limit", "Size of the largest document that can be uploaded.", NULL,
							&document_limit, 10 * 1024, 1, 180 * 1024, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
}
