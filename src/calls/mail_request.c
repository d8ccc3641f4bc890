/*
 * mail_request.c
 *	  What is sent, and to which servers.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <stdarg.h>

#include "mail.h"

/*
 * Returns what is wrong with the URL of a mail server, or NULL.  It must be
 * smtps, or smtp, which starts TLS first, without user, path, query and
 * fragment.  libcurl parses it here as it does for mails.
 */
const char *
mail_url_wrong(const char *url)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL;
	char *path = NULL;
	const char *wrong = NULL;

	if (parsed == NULL || curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK ||
		curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(parsed, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		wrong = "it is not a URL";
	else if (strpbrk(url, "?#") != NULL)
		wrong = "it has a query or a fragment";
	else if (strcmp(path, "/") != 0)
		wrong = "it has a path";
	else if (strcmp(scheme, "smtps") != 0 && strcmp(scheme, "smtp") != 0)
		wrong = "it uses neither smtps nor smtp";
	curl_free(scheme);
	curl_free(path);
	curl_url_cleanup(parsed);
	return wrong;
}

/*
 * Adds a header to a request.  Returns false if memory is short or the request
 * has too many headers.
 */
bool
mail_header(MailRequest *request, const char *format, ...)
{
	va_list args;
	int i = 0;
	int size;

	while (i < MAIL_HEADERS - 1 && request->headers[i] != NULL)
		i++;
	if (request->headers[i] != NULL)
		return false;
	va_start(args, format);
	size = vasprintf(&request->headers[i], format, args);
	va_end(args);
	if (size < 0)
		request->headers[i] = NULL;
	return size >= 0;
}

/*
 * Frees the strings of a request.
 */
void
mail_request_free(MailRequest *request)
{
	free(request->url);
	free(request->sender);
	free(request->recipient);
	free(request->username);
	free(request->password);
	free(request->ca_file);
	for (int i = 0; i < MAIL_HEADERS; i++)
		free(request->headers[i]);
	free(request->text);
}
