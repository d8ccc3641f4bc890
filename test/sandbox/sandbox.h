/*
 * sandbox.h
 *		The partner sandbox: an HTTP server that plays murallink's partners
 *		strictly and keeps a truth ledger of what it applied.
 *
 * One file is one subject.  README.md describes the use.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* What is wrong, in words for the caller. */
typedef char Message[256];

/* A call, read completely.  Header names are in lower case. */
typedef struct Request
{
	const char *method;
	const char *path;
	json_t *headers;
	json_t *arguments; /* of the query string; NULL: not UTF-8 */
	char *body;
	size_t size;
	size_t capacity;
	bool oversized; /* the rest of the body was thrown away */
	unsigned port; /* the client's: equal on a warm connection */
} Request;

/* How an answer leaves. */
typedef enum Manner
{
	MANNER_WHOLE, /* as HTTP asks */
	MANNER_CLOSE, /* nothing is said, the connection ends by FIN */
	MANNER_RESET, /* nothing is said, the connection ends by RST */
	MANNER_CRASH, /* nothing is said, the sandbox is dead */
	MANNER_TRUNCATED, /* half the body, then FIN */
	MANNER_MALFORMED, /* the last byte is missing; HTTP sees nothing wrong */
	MANNER_EMPTY, /* no body */
	MANNER_SLOW, /* byte by byte */
	MANNER_ENDLESS /* a body that never ends */
} Manner;

typedef struct Answer
{
	unsigned status;
	char *body; /* from malloc */
	size_t size;
	char content_type[64];
	char location[256]; /* empty: no such header, as below */
	char retry_after[32];
	char allow[16];
	bool done; /* the operation was carried out */
	Manner manner;
	unsigned pause_ms; /* between the parts of a slow or endless body */
} Answer;

/* clock.c */
extern int64_t clock_ms(void);
extern json_t *clock_now(void);
extern bool clock_pause(unsigned ms);
extern void clock_wake(void);
extern void clock_stop(void);

/* settings.c: what may be switched at the start and by control */
#define SETTING_SIZE 256

typedef struct Setting
{
	const char *name;
	const char *initial;
	const char *choices; /* "a,b": one of these */
	const char *(*wrong)(const char *value); /* what is wrong, or NULL */
	char value[SETTING_SIZE];
	char at_start[SETTING_SIZE];
} Setting;

extern bool list_has(const char *list, const char *value);
extern void settings_init(void);
extern void settings_started(void);
extern void settings_reset(void);
extern const char *setting_wrong_number(const char *value);
extern bool setting_set(const char *name, const char *value, Message message);
extern void setting_get(const char *name, char value[SETTING_SIZE]);
extern bool setting_is(const char *name, const char *value);
extern unsigned setting_number(const char *name);
extern json_t *settings_json(void);

/* strict.c: what a call may hold */
typedef enum KeyType
{
	KEY_TEXT,
	KEY_NUMBER, /* an integer */
	KEY_FRACTION, /* any number */
	KEY_FLAG, /* true or false */
	KEY_ID, /* text that is not blank, or an integer */
	KEY_IDS, /* a list of them, at least one */
	KEY_OBJECT, /* of the keys in row */
	KEY_LIST /* such objects, at least one */
} KeyType;

typedef struct Key
{
	const char *name; /* with a * in it: all names that fit and are not listed before it */
	KeyType type;
	bool required;
	unsigned least; /* characters of text */
	unsigned most; /* 0: any number of them */
	const char *choices; /* of text or a number: "a,b": one of these */
	const char *known; /* of a number: the setting that lists the known ones */
	const char *(*wrong)(const json_t *value); /* what is wrong, or NULL */
	const struct Key *row;
} Key;

extern bool strict_json(const Request *request, Message message);
extern unsigned strict_read(const Request *request, json_t **value, Message message);
extern bool strict_check(const json_t *object, const Key *keys, Message message);
extern unsigned strict_call(const Request *request, const Key *keys, json_t **call, Message message);
extern bool strict_key(const Request *request, const char *header, const char *setting);
extern const char *strict_blank(const json_t *value);
extern const char *strict_phone(const json_t *value);
extern const char *strict_email(const json_t *value);
extern const char *strict_digits(const json_t *value);
extern const char *strict_date(const json_t *value);

/* answer.c: putting an answer together */
extern void answer_text(Answer *answer, unsigned status, const char *type, const char *body);
extern void answer_json(Answer *answer, unsigned status, json_t *body);
extern json_t *answer_message(const char *message);
extern void answer_failure(Answer *answer, unsigned status, const char *message);
extern json_t *answer_number(json_t *value, const char *setting);

/* journal.c: the calls seen */
extern void journal_add(const Request *request);
extern json_t *journal_json(json_int_t after);
extern void journal_reset(void);

/* ledger.c: the effects applied */
extern void ledger_open(const char *path, bool sync);
extern void ledger_write(const char *kind, const char *partner, json_t *fields);
extern void ledger_sync(void);
extern json_t *ledger_json(const json_t *filter);
extern json_t *ledger_summary(void);
extern void ledger_reset(void);

/* money.c: text with two decimals, cents inside */
extern bool money_read(const char *text, int64_t *cents);
extern json_t *money_text(int64_t cents);
extern const char *money_wrong(const json_t *value);

/* session.c */
#define SESSION_SIZE 60

extern void session_open(const char *partner, int64_t life_ms, char id[SESSION_SIZE]);
extern bool session_use(const char *partner, const char *id, unsigned calls_max, unsigned ms_max);
extern void session_end(const char *partner);
extern void session_reset(void);

typedef void Run(const Request *request, Answer *answer);

/* A partner.  Operations, keys and settings end with an entry without a name. */
typedef struct Operation
{
	const char *name; /* partner.operation */
	const char *method;
	const char *path; /* a * is any part of it; NULL: the setting below says */
	const char *path_setting;
	Run *run;
} Operation;

typedef struct Partner
{
	const char *name;
	const Operation *operations;
	Setting *settings;
	void (*reset)(void); /* empties its state, also at the start; NULL: it has none, as the next */
	void (*replay)(json_t *entry); /* brings its state forward by a ledger entry */
	void (*refuse)(Answer *answer, unsigned status, const char *message); /* as its document says */
} Partner;

/* Registers a partner before main() begins, in the partner's own file. */
#define PARTNER(partner)                                            \
	static void __attribute__((constructor)) register_partner(void) \
	{                                                               \
		partner_register(&(partner));                               \
	}

/* dispatch.c: who answers a call */
extern const Partner *partners[]; /* up to NULL */
extern void partner_register(const Partner *partner);
extern void partners_reset(void);
extern const Partner *partner_named(const char *name);
extern bool operation_exists(const char *pattern);
extern void dispatch(const Request *request, Answer *answer);

/* faults.c: when is "before" the operation is applied, or "after" */
extern bool faults_add(const json_t *list, Message message);
extern void faults_clear(void);
extern void faults_seed(unsigned seed);
extern json_t *faults_json(void);
extern bool fault_strike(const Partner *partner, const Operation *operation, const char *when, const Request *request,
						 Answer *answer);

/* control.c: /sandbox/ */
extern void control(const Request *request, Answer *answer);

/* http.c */
extern unsigned http_start(unsigned port);
extern void http_stop(void);

/* sandbox.c */
extern void fatal(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
