/*
 * bastion.h
 *		What the files of Bastion know of each other.
 */
#ifndef BASTION_H
#define BASTION_H

#include "sandbox.h"

/* bastion.c: who may call, and what answers look like */
extern json_t *bastion_open(const Request *request, const Key *keys, Answer *answer);
extern void bastion_refuse(Answer *answer, unsigned status, const char *message);
extern void bastion_answer(Answer *answer, json_t *body);

/* bastion_data.c: plans, conditions, places and providers, which never change */
extern Run bastion_plans, bastion_plan, bastion_conditions, bastion_states, bastion_cities, bastion_providers;
extern json_t *bastion_find_plan(const char *id);
extern bool bastion_has_condition(const json_t *id);
extern bool bastion_has_place(const json_t *country, const json_t *state, const json_t *city);

/* bastion_member.c: endorsements and the members that they make */
extern Run bastion_add, bastion_remove, bastion_undo, bastion_change_plan, bastion_change_details;
extern Run bastion_status, bastion_member_plan, bastion_utilization;
extern void bastion_member_reset(void);
extern void bastion_member_replay(const char *kind, json_t *entry);

/* bastion_webhook.c: events, and where they go */
extern Run bastion_config;
extern void bastion_notify(const char *event, json_t *data);
extern void bastion_webhook_reset(void);
extern void bastion_webhook_replay(const char *kind, json_t *entry);

#endif
