/*
 * http.h
 *	  HTTP requests in flight, while the caller also waits for other events.
 *	  Only http_open() raises errors; later failures are how a call ends.
 */
#ifndef MURALLINK_HTTP_H
#define MURALLINK_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEADERS 4

/*
 * What to send.  The strings are from malloc; http_start() takes them over.
 * It is sent at most once, also if the connection fails.
 */
typedef struct HttpRequest
{
	char *url;
	char *headers[HTTP_HEADERS]; /* "Name: value", or NULL */
	char *body; /* sent by POST unless there is a method; NULL: sent by GET */
	const char *content_type; /* of the body; NULL: JSON */
	const char *method; /* NULL: POST or GET, by the body */
	int connect_timeout; /* in milliseconds, as the next */
	int timeout;
} HttpRequest;

/* How a call ended. */
typedef struct HttpAnswer
{
	bool sent; /* a part of the body, or a request without one, may have left this process */
	bool complete; /* there is a whole answer */
	int status;
	bool json; /* by its Content-Type */
	const char *body;
	size_t size;
	int retry_after; /* in seconds; 0: the answer does not say */
	const char *error; /* why it is not complete */
} HttpAnswer;

typedef struct HttpCall HttpCall;

extern int http_open(void);
extern const char *http_url_wrong(const char *url);
extern bool http_is_here(const char *url);
extern char *http_escape(const char *text);
extern bool http_header(HttpRequest *request, const char *name, const char *value);
extern bool http_start(HttpRequest *request, void *owner);
extern void http_request_free(HttpRequest *request);
extern long http_wait(long most);
extern void http_turn(void);
extern HttpCall *http_next_ended(void);
extern void *http_owner(HttpCall *call);
extern HttpAnswer http_answer(HttpCall *call);
extern void http_free(HttpCall *call);

#endif /* MURALLINK_HTTP_H */
