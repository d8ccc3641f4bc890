/*
 * mail.h
 *	  Mails in flight, while the caller also waits for other events.  Only
 *	  mail_open() raises errors; later failures are how a mail ends.
 */
#ifndef MURALLINK_MAIL_H
#define MURALLINK_MAIL_H

#include <stdbool.h>
#include <stddef.h>

#define MAIL_HEADERS 12

/*
 * What to send to one recipient.  The strings are from malloc; mail_start() takes
 * them over.  Texts are in UTF-8, headers and addresses in ASCII.
 */
typedef struct MailRequest
{
	char *url; /* of the server: smtp:// or smtps:// */
	char *sender;
	char *recipient;
	char *username; /* NULL: no authentication */
	char *password;
	char *ca_file; /* NULL: the system's */
	bool plain; /* without TLS */
	int timeout; /* in milliseconds */
	char *headers[MAIL_HEADERS]; /* "Name: value", of one line or folded; up to NULL */
	char *text; /* lines that end with CR and LF */
} MailRequest;

/* How far a mail has come. */
typedef enum MailStep
{
	MAIL_CONNECT,
	MAIL_SENDER,
	MAIL_RECIPIENT,
	MAIL_DATA,
	MAIL_BODY, /* a part of the message may have left this process */
} MailStep;

/* How a mail ended. */
typedef struct MailAnswer
{
	MailStep step;
	int status; /* of the server's reply to this step; 0: no whole reply */
	bool stopped; /* mail_stop() has ended it */
	const char *words; /* the server's words, or why there are none */
} MailAnswer;

typedef struct Mail Mail;

extern int mail_open(void);
extern const char *mail_url_wrong(const char *url);
extern bool mail_header(MailRequest *request, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern bool mail_start(MailRequest *request, void *owner);
extern void mail_request_free(MailRequest *request);
extern long mail_wait(long most);
extern void mail_turn(void);
extern Mail *mail_next_ended(void);
extern void *mail_owner(const Mail *mail);
extern MailAnswer mail_answer(const Mail *mail);
extern void mail_free(Mail *mail);
extern void mail_stop(int grace);

#endif /* MURALLINK_MAIL_H */
