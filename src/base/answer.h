/*
 * answer.h
 *	  What an action answers besides its result: a message, and a refusal that
 *	  does not roll back what the action has written.
 */
#ifndef MURALLINK_ANSWER_H
#define MURALLINK_ANSWER_H

#include "error.h"

extern void answer_reset(void);
extern const char *answer_message(void);
extern bool answer_refused(ErrorName *error);
extern void answer_set_status(int http_status);
extern void answer_retry_after(ErrorName error);

#endif /* MURALLINK_ANSWER_H */
