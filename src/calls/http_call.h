/*
 * http_call.h
 *	  What the files of calls in flight share.
 */
#ifndef MURALLINK_HTTP_CALL_H
#define MURALLINK_HTTP_CALL_H

#include <curl/curl.h>

#include "http.h"
#include "lib/ilist.h"

/*
 * A connection idle for longer than this (in seconds) is not used again: a
 * server that closes it at the same moment would leave the call in doubt.
 */
#define IDLE_MAX 4L

struct HttpCall
{
	dlist_node node; /* in ended */
	CURL *easy; /* NULL for a mail */
	struct curl_slist *headers;
	HttpRequest request;
	size_t body_size;
	size_t given; /* of the body, to libcurl */
	bool repeated; /* libcurl has tried to send it again */
	bool counted; /* as an external descriptor */
	char *received;
	size_t received_size;
	CURLcode ending;
	char error[CURL_ERROR_SIZE];
	void *owner;
	struct Mail *mail; /* while it is under way */
	MailStep step; /* that a mail has come to */
	int reply; /* a mail's last; 0: none */
};

extern bool http_watch(int fd, int slot, int what);
extern void http_end(HttpCall *call, CURLcode ending);
extern int64 http_clock(void);

extern bool mail_start(HttpCall *call);
extern void mail_event(int slot, int fd, int what);
extern void mail_turn(void);
extern int64 mail_due(void);
extern void mail_stop(HttpCall *call);

#endif /* MURALLINK_HTTP_CALL_H */
