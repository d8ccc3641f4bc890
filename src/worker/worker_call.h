/*
 * worker_call.h
 *	  The calls that a worker has under way.
 */
#ifndef MURALLINK_WORKER_CALL_H
#define MURALLINK_WORKER_CALL_H

#include "clock.h"
#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "partner.h"

/* After this many equal refusals of payouts or cards, the cause is the configuration of the partner. */
#define REFUSALS_MAX 5

/* The same message about a partner is logged once in this time (in milliseconds). */
#define LOG_INTERVAL 60000

/* A partner as this database has configured it. */
typedef struct Channel
{
	const Partner *partner;
	int revision; /* of the configuration */
	uint64 content; /* a hash of it */
	PartnerConfig config;
	int in_flight; /* calls claimed and not yet settled */
	int settling; /* of these, settled by the open transaction */
	bool due; /* there are calls due, but no session */
	bool signing_in;
	int sessions; /* how often the worker has signed in */
	Moment session_ends;
	int failures; /* successive failures */
	Moment failed_at; /* when the last failure was */
	char *failing; /* the operation that was refused; NULL: the partner fails as a whole */
	Moment resume_at; /* not called before this */
	Moment asked_until; /* the partner has asked for a pause until then */
	char refusal[PARTNER_REASON_SIZE]; /* operation and words of the last refusals, which are equal */
	int refusals; /* how many, at most REFUSALS_MAX */
	uint32 refused[REFUSALS_MAX]; /* hashes of the cards refused */
	double allowance; /* calls that rate_limit allows now */
	Moment allowance_at;
	TimestampTz looked_until; /* calls due before this have been claimed, except those that were not yet visible */
	Moment look_whole; /* when to read all calls that are due again */
	bool fails_logged; /* so that its end is logged, too */
	Moment fails_at; /* when it was logged */
	int doubts; /* calls in doubt since the last that was logged */
	Moment doubt_at; /* when it was */
} Channel;

/* A call that was claimed, until it is settled; or a login. */
typedef struct Call
{
	dlist_node node;
	Channel *channel;
	const char *uid; /* NULL: a login */
	int attempt;
	const char *operation;
	json_t *params;
	int session; /* number of the session it was sent in */
	Moment sent_at; /* 0: it was not */
	int http_status; /* of a mail: of the reply; 0: no answer */
	PartnerAnswer answer;
} Call;

extern Channel *channel_configure(const char *partner, int revision, const char *base_url, const char *settings,
								  const char *secrets);
extern int channel_room(Channel *channel, Moment now);
extern bool channel_signed_in(const Channel *channel);

extern Call *call_make(Channel *channel, const char *uid, int attempt, const char *operation, const char *params);
extern void call_send(Call *call);
extern void call_give_up(Call *call, const char *reason);
extern int calls_read(void);
extern dlist_head *calls_ended(void);
extern int calls_in_flight(void);
extern bool calls_room(void);
extern Moment calls_resume_at(void);
extern void calls_sign_in(void);
extern const char *call_reason(const Call *call);
extern void call_free(Call *call);
extern const char *call_open(Call *call);
extern void call_close(Call *call);

/* worker_breaker.c */
extern void breaker_judge(Call *call);
extern void breaker_reset(Channel *channel);

#endif /* MURALLINK_WORKER_CALL_H */
