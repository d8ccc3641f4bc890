/*
 * dash.h
 *		What the files of Dash know of each other.
 */
#ifndef DASH_H
#define DASH_H

#include "sandbox.h"

#include <pthread.h>

/* dash.c: who may call, and what answers look like */
extern json_t *dash_open(const Request *request, const Key *keys, bool signed_in, Answer *answer);
extern void dash_refuse(Answer *answer, unsigned status, const char *message);
extern void dash_succeed(Answer *answer, json_t *body);
extern json_t *dash_shown(json_t *value);
extern json_t *dash_shown_cents(json_int_t cents);

/* dash_card.c: cards and the money on them, which the lock guards */
extern Run dash_order_cards, dash_load_cards, dash_unload_cards, dash_alert, dash_update_cardholder;
extern pthread_mutex_t dash_lock;
extern json_t *dash_card(const char *proxy_key);
extern json_t *dash_entries(const char *order_id);
extern int64_t dash_funding_left(const char *funding);
extern void dash_card_reset(void);
extern void dash_card_replay(json_t *entry);

/* dash_details.c: what it tells */
extern Run dash_order_details, dash_shipping, dash_tracking, dash_customers, dash_programs, dash_accounts;
extern void dash_details_reset(void);

#endif
