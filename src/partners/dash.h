/*
 * dash.h
 *	  What the files of Dash share.
 */
#ifndef MURALLINK_DASH_H
#define MURALLINK_DASH_H

#include "partner.h"

/* dash_answer.c */
extern Verdict dash_understand(const char *operation, const char *rows, json_t *params, json_t *answer, json_t *facts);

#endif /* MURALLINK_DASH_H */
