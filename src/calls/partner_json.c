/*
 * partner_json.c
 *	  JSON of jansson's as PostgreSQL's.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "partner_json.h"

/*
 * Returns a value of jansson's as jsonb, and frees it.  Raises an error if memory is
 * exhausted.
 */
Datum
partner_jsonb(json_t *value)
{
	char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);
	char *text = dumped == NULL ? NULL : pstrdup(dumped);

	free(dumped);
	json_decref(value);
	if (text == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}
