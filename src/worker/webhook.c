/*
 * webhook.c
 *	  The addresses of webhooks.
 */
#include "postgres.h"

#include "error.h"
#include "fmgr.h"
#include "http.h"
#include "utils/builtins.h"

#define URL_MAX 1000

/*
 * murallink_private.checked_webhook_url(url): the URL.  Raises missing_field, too_long,
 * invalid_value or insecure_url.
 */
PG_FUNCTION_INFO_V1(webhook_checked_url);
Datum
webhook_checked_url(PG_FUNCTION_ARGS)
{
	text *url = error_checked_text(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0), "url", URL_MAX, true);
	const char *wrong = http_url_wrong(text_to_cstring(url));

	if (wrong != NULL)
		ereport(ERROR, errnamed(ERR_INSECURE_URL, "url"), errhint("This URL cannot be used: %s.", wrong));
	PG_RETURN_TEXT_P(url);
}
