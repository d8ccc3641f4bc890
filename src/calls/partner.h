/*
 * partner.h
 *	  What a partner's file must do: build requests and read answers.
 *
 * A partner's file uses no SQL and none of PostgreSQL's memory or errors: it
 * needs only jansson, malloc and this header.
 */
#ifndef MURALLINK_PARTNER_H
#define MURALLINK_PARTNER_H

#include <stdbool.h>

#include "http.h"
#include "mail.h"
#include "mail_address.h"

/*
 * PostgreSQL has a json_object() of its own, which the dynamic linker prefers
 * to jansson's.  So json_pack("{}") makes objects instead.  PostgreSQL's
 * headers come first, because jansson has a macro json_typeof.
 */
#define json_object unreachable_json_object
#include <jansson.h>
#undef json_object

#define PARTNER_REASON_SIZE 256

/* The outcome of a call, which must be carried out once. */
typedef enum Outcome
{
	OUTCOME_DONE,
	OUTCOME_DECLINED, /* certainly not done, and not to be repeated */
	OUTCOME_NOT_SENT, /* certainly not done: to be sent again later */
	OUTCOME_IN_DOUBT, /* unknown: never sent again automatically */
} Outcome;

/* What an answer in JSON says. */
typedef enum Verdict
{
	VERDICT_UNCLEAR,
	VERDICT_ACCEPTED,
	VERDICT_REFUSED,
} Verdict;

typedef enum SettingKind
{
	SETTING_TEXT,
	SETTING_CURRENCY, /* with two decimals */
	SETTING_PATH, /* of a URL */
	SETTING_ID, /* an integer above zero */
	SETTING_FLAG,
	SETTING_ADDRESS, /* of e-mail */
	SETTING_ZONE, /* UTC, or a name of the tz database with a slash, because others are abbreviations, too */
	SETTING_LINK, /* the beginning of a URL of https */
	SETTING_NUMBER, /* from least to most */
} SettingKind;

/* One setting or secret that configure_partner() takes. */
typedef struct PartnerSetting
{
	const char *name;
	SettingKind kind;
	const char *initial; /* default, as JSON; NULL: required */
	bool optional; /* not required */
	const char *with; /* required if this setting is there */
	const char *choices; /* of a text: "|one|other|"; NULL: any */
	double least; /* of a number; of a text, its bytes */
	double most;
} PartnerSetting;

/* The settings that every partner has. */
#define PARTNER_SETTINGS                                                                               \
	{.name = "concurrency", .kind = SETTING_NUMBER, .initial = "32", .least = 1, .most = 256},         \
		{.name = "rate", .kind = SETTING_NUMBER, .initial = "0", .least = 0, .most = 100000},          \
		{.name = "connect_timeout", .kind = SETTING_NUMBER, .initial = "5", .least = 0.1, .most = 60}, \
	{                                                                                                  \
		.name = "timeout", .kind = SETTING_NUMBER, .initial = "30", .least = 0.1, .most = 600          \
	}

/* The configuration of a partner in one database. */
typedef struct PartnerConfig
{
	char *base_url;
	json_t *settings;
	json_t *secrets;
	const char *session; /* as login answered it; NULL: not signed in */
} PartnerConfig;

/* What an answer means. People and the tables get reason and facts. */
typedef struct PartnerAnswer
{
	Outcome outcome;
	bool signed_out; /* the session has ended */
	bool works; /* the partner works although the call was not sent */
	int retry_after; /* in seconds; 0: the partner does not say */
	char reason[PARTNER_REASON_SIZE];
	bool quoted; /* the reason has the partner's words, which may name a person */
	json_t *facts; /* text by name, in ASCII */
	json_t *answer; /* the whole answer or its beginning; NULL: none */
} PartnerAnswer;

struct PartnerOperation;

typedef struct Partner
{
	const char *name;
	const PartnerSetting *settings; /* up to one without a name, as the next */
	const PartnerSetting *secrets;

	/* What murallink.partner_request() takes, up to one without a name; NULL: nothing.  See partner_field.h. */
	const struct PartnerOperation *operations;

	/* The operation that answers the fact "session"; NULL: no session is needed. */
	const char *login;
	const char *sessionless; /* the operation that needs no session, or NULL */
	const char *session_lifetime; /* the setting for the lifetime of a session in seconds, 0: for ever; NULL: for ever */

	bool conflict_refuses; /* a 409 means that it was not done */

	const char *key_header; /* the header in which fields_request() sends the secret api_key; NULL: none */

	/*
	 * Fills in url, headers and body; fields_request() does it from the table
	 * of operations.  Returns false if memory is short or the operation is
	 * unknown.
	 */
	bool (*build)(const struct Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				  HttpRequest *request);

	/* Returns what an answer means, and sets its facts. */
	Verdict (*read)(const char *operation, json_t *params, json_t *answer, json_t *facts);

	/*
	 * Instead of build and read, if calls are mails: fills in a message, and
	 * returns what its ending means.  NULL: it is called by HTTP.
	 */
	bool (*compose)(const PartnerConfig *config, const char *operation, json_t *params, MailRequest *request);
	PartnerAnswer (*judge)(const MailAnswer *answer);
} Partner;

#define PARTNER(name) extern const Partner name##_partner;
#include "partner_table.h"
#undef PARTNER

/* The number of partners. */
enum
{
#define PARTNER(name) PARTNER_PLACE_##name,
#include "partner_table.h"
#undef PARTNER
	PARTNER_COUNT
};

/* All of them, up to NULL. */
extern const Partner *const all_partners[];

extern const Partner *partner_named(const char *name);
extern int partner_place(const Partner *partner);
extern bool partner_by_mail(const Partner *partner);
extern bool partner_build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
						  HttpRequest *request);
extern bool partner_compose(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
							MailRequest *request);
extern PartnerAnswer partner_judge(const Partner *partner, const PartnerConfig *config, json_t *params,
								   const MailAnswer *mail);
extern PartnerAnswer partner_read(const Partner *partner, const PartnerConfig *config, const char *operation,
								  json_t *params, const HttpAnswer *answer);
extern void partner_answer_free(PartnerAnswer *answer);
extern const char *partner_outcome_name(Outcome outcome);
extern double partner_number(const PartnerConfig *config, const char *setting);

/* Helpers for the partners' files. */
extern bool partner_same_word(const char *x, const char *y);
extern bool partner_has_word(const char *text, const char *const *words);
extern bool partner_is_named(const char *name, const char *const *names);
extern bool partner_fact(json_t *facts, const char *fact, const json_t *answer, const char *const *names);
extern bool partner_words(json_t *facts, const char *fact, const json_t *answer, const char *const *names);
extern void partner_say(PartnerAnswer *answer, const char *text);

#endif /* MURALLINK_PARTNER_H */
