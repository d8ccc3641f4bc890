/*
 * partner.h
 *	  What a partner must know: to build requests and to read answers.
 *
 * A partner knows nothing of SQL, and nothing of PostgreSQL's memory or
 * errors: its file needs jansson, malloc and this header alone.
 */
#ifndef MURALLINK_PARTNER_H
#define MURALLINK_PARTNER_H

#include <stdbool.h>

#include "http.h"
#include "mail.h"
#include "mail_address.h"

/*
 * PostgreSQL has a json_object() of its own, which the dynamic linker prefers:
 * jansson's is out of reach, and json_pack("{}") makes an object instead.
 * PostgreSQL's headers go first, for jansson has a macro json_typeof.
 */
#define json_object unreachable_json_object
#include <jansson.h>
#undef json_object

#define PARTNER_REASON_SIZE 256

/* What has become of something that was to be done once. */
typedef enum Outcome
{
	OUTCOME_DONE,
	OUTCOME_DECLINED, /* surely not done, and it will not be by itself */
	OUTCOME_NOT_SENT, /* surely not done: to be sent again later */
	OUTCOME_IN_DOUBT, /* nobody knows: never sent again by itself */
} Outcome;

/* What an answer that is JSON says. */
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
	SETTING_ZONE, /* UTC, or a name of the tz database with a slash: others are abbreviations, too */
	SETTING_LINK, /* the beginning of a URL of https */
	SETTING_NUMBER, /* from least to most */
} SettingKind;

/* One thing that configure_partner() takes. */
typedef struct PartnerSetting
{
	const char *name;
	SettingKind kind;
	const char *initial; /* as JSON; NULL: must be given */
	bool optional; /* or may be absent */
	const char *with; /* unless this is there */
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

/* How a partner is called in one database. */
typedef struct PartnerConfig
{
	char *base_url;
	json_t *settings;
	json_t *secrets;
	const char *session; /* what login answered; NULL: not signed in */
} PartnerConfig;

/* What an answer says; reason and facts are for people and for the tables. */
typedef struct PartnerAnswer
{
	Outcome outcome;
	bool signed_out; /* the session is no longer good */
	bool works; /* that it was not sent is no failure of the partner's */
	int retry_after; /* in seconds; 0: the partner does not say */
	char reason[PARTNER_REASON_SIZE];
	bool quoted; /* the reason has the partner's words, which may name a person */
	json_t *facts; /* text by name, in ASCII */
	json_t *answer; /* all of it, or how it begins; NULL where there was none */
} PartnerAnswer;

struct PartnerOperation;

typedef struct Partner
{
	const char *name;
	const PartnerSetting *settings; /* up to one without a name, as the next */
	const PartnerSetting *secrets;

	/* What murallink.partner_request() takes, up to one without a name; NULL: nothing.  See partner_field.h. */
	const struct PartnerOperation *operations;

	/* The operation that answers the fact "session", NULL where none is needed. */
	const char *login;
	const char *sessionless; /* the operation that is done without one, or NULL */
	const char *session_lifetime; /* the setting that says how many seconds it is good, 0: always; NULL: always */

	bool conflict_refuses; /* a 409 says that it was not done */

	const char *key_header; /* has the secret api_key, where fields_request() builds; NULL: no header does */

	/*
	 * Fills in url, headers and body, by the table of operations where it is
	 * fields_request().  Returns false when memory is short or the operation is
	 * not known.
	 */
	bool (*build)(const struct Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				  HttpRequest *request);

	/* Returns what an answer means, with the facts that it tells. */
	Verdict (*read)(const char *operation, json_t *params, json_t *answer, json_t *facts);

	/*
	 * Of a partner that is sent mail, in the place of build and read: fills in a
	 * message, and returns what its ending means.  NULL: it is called by HTTP.
	 */
	bool (*compose)(const PartnerConfig *config, const char *operation, json_t *params, MailRequest *request);
	PartnerAnswer (*judge)(const MailAnswer *answer);
} Partner;

#define PARTNER(name) extern const Partner name##_partner;
#include "partner_table.h"
#undef PARTNER

/* How many there are. */
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

/* For the partners' files. */
extern bool partner_same_word(const char *x, const char *y);
extern bool partner_has_word(const char *text, const char *const *words);
extern bool partner_is_named(const char *name, const char *const *names);
extern bool partner_fact(json_t *facts, const char *fact, const json_t *answer, const char *const *names);
extern bool partner_words(json_t *facts, const char *fact, const json_t *answer, const char *const *names);
extern void partner_say(PartnerAnswer *answer, const char *text);

#endif /* MURALLINK_PARTNER_H */
