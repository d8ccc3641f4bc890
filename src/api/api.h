/*
 * api.h
 *	  The JSON protocol: requests in, answers out.
 */
#ifndef MURALLINK_API_H
#define MURALLINK_API_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "catalog/pg_proc.h"
#include "error.h"
#include "identity.h"
#include "ksuid.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* The most bytes of an idempotency key, a session id and the name of an action. */
#define API_KEY_LONGEST 200

/* A parsed request. */
typedef struct Request
{
	char *action;
	char *session_id;
	char *idempotency_key;
	JsonbValue *payload;
	Ksuid keyed_by; /* the user to whom the idempotency key belongs */
} Request;

/* The answer to a request. */
typedef struct Outcome
{
	int status;
	const char *message;
	const char *error; /* stable name; NULL: success */
	const char *field;
	const char *hint;
	JsonbParseState *answer; /* begun with the payload; NULL: not begun */
} Outcome;

/* A function that is an action, as this session has read it. */
typedef struct Action Action;

/* api.c, api_body.c */
extern void api_init(void);
extern void api_body_init(void);

/* relation.c */
extern void relation_init(void);

/* api_request.c */
extern bool api_read_request(Jsonb *body, Request *request, Outcome *outcome);

/* api_outcome.c */
extern void api_fail(Outcome *outcome, ErrorName error, const char *field);
extern void api_fail_with(Outcome *outcome, ErrorData *error);
extern Jsonb *api_answer(const Request *request, Outcome *outcome);
extern int api_status_of(Jsonb *kept);

/* api_action.c */
extern void api_action_init(void);
extern Action *api_find_action(const char *name, Oid self);
extern void api_call_action(Action *action, const Request *request, JsonbParseState **answer);
extern void api_release_action(Action *action);
extern bool api_is_action(Form_pg_proc function);

/* api_idempotency.c */
extern bool api_first_time(Request *request, Outcome *outcome, Jsonb **kept);
extern bool api_answers_secret(const char *action);
extern ErrorName api_use_key(const Caller *who, const char *key, const StringInfo text, Jsonb **kept);
extern void api_keep_answer(const Ksuid *user, const char *key, Jsonb *kept);

/* api_keyed.c */
extern void api_keyed_init(void);
extern const char *api_key_given(void);
extern bool api_calls_are_inside(bool now);

/* api_bind.c, api_render.c */
extern bool api_can_bind(Oid type);
extern Datum api_bind(const JsonbValue *value, Oid type, const char *field, bool *isnull);
extern void api_render_init(void);
extern void api_render(JsonbParseState **out, JsonbIteratorToken token, Datum value, bool isnull, Oid type);
extern void api_render_row(JsonbParseState **out, HeapTuple row, TupleDesc desc);
extern void api_render_key(JsonbParseState **out, const char *key);
extern void api_render_text(JsonbParseState **out, const char *key, const char *text);
extern void api_render_integer(JsonbParseState **out, const char *key, int64 number);

#endif /* MURALLINK_API_H */
