/*
 * mail_part.h
 *	  What the files of mails in flight share.
 */
#ifndef MURALLINK_MAIL_PART_H
#define MURALLINK_MAIL_PART_H

#include <curl/curl.h>
#include <pthread.h>

#include "clock.h"
#include "lib/ilist.h"
#include "mail.h"

/* The most bytes of all replies to a message: this limits how much a server can make us read. */
#define REPLIES_MAX 16384

/* A line of a reply may have 512 bytes; a longer one is cut. */
#define LINE_SIZE 1024

/* Which mails under way must stop. */
typedef enum Stop
{
	STOP_NONE,
	STOP_UNSENT, /* those of which no part has been sent */
	STOP_ALL,
} Stop;

/* A handle of libcurl's with the connection that it keeps, while no mail uses it. */
typedef struct MailConnection
{
	dlist_node node;
	CURL *easy;
	char *key; /* server and user: see key_of() */
	Moment until; /* when it is closed, unless it is used before */
} MailConnection;

struct Mail
{
	dlist_node node; /* in waiting, under_way or ended */
	MailRequest request;
	void *owner;
	MailConnection *connection;
	curl_mime *message;
	struct curl_slist *headers;
	struct curl_slist *recipients;
	pthread_t thread;
	int pipe; /* through which the thread returns it */

	/* Only the thread uses what follows, until the mail has ended. */
	MailStep step;
	bool quitting; /* what follows is not about the message */
	bool stopped;
	int reply; /* status of the reply to the last command; 0: none yet */
	int heard; /* bytes of replies */
	char words[LINE_SIZE]; /* the reply */
	char error[CURL_ERROR_SIZE];
	CURLcode ending;
};

/* mail_send.c */
extern void mail_stop_init(void);
extern void mail_say_stop(Stop stop);
extern Stop mail_said_stop(void);
extern bool mail_configure(Mail *mail);
extern bool mail_start_thread(Mail *mail, int pipe);

/* mail_connection.c */
extern MailConnection *mail_connection_for(const MailRequest *request);
extern void mail_connection_keep(MailConnection *connection);
extern void mail_connection_close(MailConnection *connection);
extern Moment mail_connections_until(void);
extern void mail_connections_turn(void);

#endif /* MURALLINK_MAIL_PART_H */
