/*
 * partner.c
 *	  What all partners have in common: their settings, and what the ending of
 *	  a call means.
 */
#include "postgres.h"

#include "error.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "money.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "partner_field.h"

/* Of a text, in bytes. */
#define SETTING_LONGEST 1000
#define FACT_LONGEST 4000

/* Of an answer that is kept whole, in bytes: many are settled together, as one value. */
#define ANSWER_LONGEST (256 * 1024)

const Partner *const all_partners[] = {
#define PARTNER(name) &name##_partner,
#include "partner_table.h"
#undef PARTNER
	NULL,
};

static const char *const outcome_names[] = {"done", "declined", "not_sent", "in_doubt"};

/* What an answer may say, as a set. */
#define NOT_JSON (1 << 3)
#define UNCLEAR (1 << VERDICT_UNCLEAR)
#define ACCEPTED (1 << VERDICT_ACCEPTED)
#define REFUSED (1 << VERDICT_REFUSED)
#define TRACED (1 << 4) /* it names what comes of something that was done */
#define ANY (NOT_JSON | UNCLEAR | ACCEPTED | REFUSED)

/* In seconds: a partner that asks to be left alone for longer is called again after this. */
#define RETRY_AFTER_MAX 3600

/* In the place of an HTTP status, for a call that ended without a whole answer. */
#define NOT_SENT (-1)
#define NO_ANSWER 0

/*
 * What the ending of a call means; the first row that fits holds.
 *
 * The rule behind it: done and declined need the partner's own word in a whole
 * answer; not_sent needs the certainty that the partner did not act; all else is
 * in doubt, for a wrong guess pays twice or not at all.
 *
 * Not sent: the connection was refused or took too long, the name is unknown,
 * TLS failed or the certificate was wrong, memory or descriptors were short.  No
 * answer: the time was over, before the first byte or after it; the connection
 * was closed or reset; the body was cut off or too long.
 *
 * Signed out or too many calls: whoever says so says it at the door, as long as
 * no word of the answer is of something done.  An issuer may be careless enough to
 * act and say it after that; so a load is looked up, where the setting look_up
 * allows it, before it is sent again: see apply_together().
 */
static const struct
{
	int first; /* status, from */
	int last; /* to */
	int says;
	Outcome outcome;
	const char *why;
} endings[] = {
	{NOT_SENT, NOT_SENT, ANY, OUTCOME_NOT_SENT, "nothing that could be acted on has left this process"},
	{NO_ANSWER, NO_ANSWER, ANY, OUTCOME_IN_DOUBT, "the request may have arrived, and there is no whole answer"},
	{200, 299, ACCEPTED, OUTCOME_DONE, "done"},
	{200, 299, TRACED, OUTCOME_IN_DOUBT, "the answer does not say that it was done, but tells of what comes of it"},
	{200, 299, REFUSED, OUTCOME_DECLINED, "refused"},
	{200, 299, NOT_JSON, OUTCOME_IN_DOUBT, "the answer is not JSON"},
	{200, 299, ANY, OUTCOME_IN_DOUBT, "the answer does not say whether it was done"},
	{300, 399, ANY, OUTCOME_IN_DOUBT, "redirected: who redirects may have acted before"},
	{400, 499, ACCEPTED, OUTCOME_IN_DOUBT, "the answer contradicts its status"},
	{400, 499, TRACED, OUTCOME_IN_DOUBT, "refused, but the answer tells of something that was done"},
	{401, 401, ANY, OUTCOME_NOT_SENT, "signed out: refused before it was looked at"},
	{429, 429, ANY, OUTCOME_NOT_SENT, "too many calls: refused before it was looked at"},
	{408, 409, ANY, OUTCOME_IN_DOUBT, "a time-out or a conflict: a part of it may have been done"},
	{400, 499, UNCLEAR | REFUSED, OUTCOME_DECLINED, "refused"},
	{400, 499, NOT_JSON, OUTCOME_IN_DOUBT, "the answer is not JSON"},
	{500, 599, ANY, OUTCOME_IN_DOUBT, "the partner failed while it was doing it"},
	{0, 999, ANY, OUTCOME_IN_DOUBT, "no such status is known"},
};

static bool is_traced(json_t *params, json_t *facts);
static void hide_secrets(json_t *value, const PartnerConfig *config);
static void hide_in_text(char *text, const PartnerConfig *config);
static void hide_secret(char *text, const char *secret);
static const json_t *find(const json_t *answer, const char *const *names);
static json_t *ascii_of(const char *text, size_t size, bool exact);
static const PartnerSetting *setting_named(const PartnerSetting *known, const char *name);
static bool is_choice(const char *choices, const char *text);
static bool is_zone(const char *name);
static bool setting_fits(const PartnerSetting *setting, const json_t *value);
static ErrorName complete(json_t *given, const PartnerSetting *known, const char **name);
static Jsonb *checked(Jsonb *value, const PartnerSetting *known, const char *argument);

/*
 * Returns the partner of that name, or NULL.
 */
const Partner *
partner_named(const char *name)
{
	const Partner *const *partner = all_partners;

	while (*partner != NULL && strcmp((*partner)->name, name) != 0)
		partner++;
	return *partner;
}

/*
 * Returns an outcome's name in the tables.
 */
const char *
partner_outcome_name(Outcome outcome)
{
	return outcome_names[outcome];
}

/*
 * Returns a setting that is a number.
 */
double
partner_number(const PartnerConfig *config, const char *setting)
{
	return json_number_value(json_object_get(config->settings, setting));
}

/*
 * Fills in the request of an operation, for http_start() or for the caller to
 * free.  Returns false when it cannot be built.
 */
bool
partner_build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
			  HttpRequest *request)
{
	request->connect_timeout = (int) (partner_number(config, "connect_timeout") * 1000);
	request->timeout = (int) (partner_number(config, "timeout") * 1000);
	return partner->build == NULL ? fields_request(partner, config, operation, params, request)
								  : partner->build(config, operation, params, request);
}

/*
 * Returns what the ending of a call means, for partner_answer_free().  What the
 * partner repeats of secrets is masked.
 */
PartnerAnswer
partner_read(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
			 const HttpAnswer *http)
{
	PartnerAnswer answer = {.retry_after = Min(http->retry_after, RETRY_AFTER_MAX), .facts = json_pack("{}")};
	int status = http->complete ? http->status : http->sent ? NO_ANSWER
															: NOT_SENT;
	int says = NOT_JSON;
	json_error_t error;

	if (partner->judge != NULL)
	{
		json_decref(answer.facts);
		answer = partner->judge(params, http);
		hide_in_text(answer.reason, config);
		hide_secret(answer.reason, json_string_value(json_object_get(params, "secret")));
		return answer;
	}
	if (http->complete && http->json)
		answer.answer = json_loadb(http->body, http->size, JSON_REJECT_DUPLICATES, &error);
	if (answer.answer != NULL)
	{
		says = 1 << partner->read(operation, params, answer.answer, answer.facts);
		if (is_traced(params, answer.facts))
			says |= TRACED;
	}
	if (http->size > 0 && (answer.answer == NULL || http->size > ANSWER_LONGEST))
	{
		json_decref(answer.answer);
		answer.answer = ascii_of(http->body, Min(http->size, 1000), false);
	}
	hide_secrets(answer.answer, config);
	hide_secrets(json_object_get(answer.facts, "message"), config);

	if (status == 409 && partner->conflict_refuses)
		status = 400;
	for (int i = 0; i < lengthof(endings); i++)
		if (status >= endings[i].first && status <= endings[i].last && (says & endings[i].says) != 0)
		{
			const char *message = json_string_value(json_object_get(answer.facts, "message"));
			char words[PARTNER_REASON_SIZE];

			answer.outcome = endings[i].outcome;
			answer.quoted = http->complete && message != NULL;
			if (message == NULL)
				message = endings[i].says == NOT_JSON && http->size == 0 ? "the answer is empty" : endings[i].why;
			snprintf(words, sizeof(words), "HTTP %d: %s", http->status, http->complete ? message : http->error);
			partner_say(&answer, http->status == 0 ? http->error : words);
			break;
		}
	answer.signed_out = status == 401;
	return answer;
}

/*
 * Returns whether an answer tells what only comes of something that was done: a
 * number that was not sent.
 */
static bool
is_traced(json_t *params, json_t *facts)
{
	static const char *const traces[] = {"order_id", "proxy_key", "person_id", "member_id"};

	for (int i = 0; i < lengthof(traces); i++)
		if (json_object_get(facts, traces[i]) != NULL && json_object_get(params, traces[i]) == NULL)
			return true;
	return false;
}

/*
 * Frees what partner_read() returned.
 */
void
partner_answer_free(PartnerAnswer *answer)
{
	json_decref(answer->facts);
	json_decref(answer->answer);
}

/*
 * Masks the secrets in a value.
 */
static void
hide_secrets(json_t *value, const PartnerConfig *config)
{
	char *text = unconstify(char *, json_string_value(value));
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (value, i, member)
		hide_secrets(member, config);
	json_object_foreach (value, name, member)
		hide_secrets(member, config);
	if (text != NULL)
		hide_in_text(text, config);
}

/*
 * Masks the secrets in a text.
 */
static void
hide_in_text(char *text, const PartnerConfig *config)
{
	const char *name;
	json_t *secret;

	json_object_foreach (config->secrets, name, secret)
		hide_secret(text, json_string_value(secret));
	hide_secret(text, config->session);
}

/*
 * Masks a secret in a text, unless it is so short that any text has it.
 */
static void
hide_secret(char *text, const char *secret)
{
	size_t size = secret == NULL ? 0 : strlen(secret);

	if (size < 4)
		return;
	while ((text = strstr(text, secret)) != NULL)
	{
		memset(text, '*', size);
		text += size;
	}
}

/*
 * Sets the reason of an answer, in ASCII.
 */
void
partner_say(PartnerAnswer *answer, const char *text)
{
	strlcpy(answer->reason, text, PARTNER_REASON_SIZE);
	for (char *c = answer->reason; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/*
 * Returns whether two words are one, in any case: by the letters of ASCII, not
 * by the server's locale, as strcasecmp() has it, to which FAILURE is no
 * failure in Turkish.
 */
bool
partner_same_word(const char *x, const char *y)
{
	return pg_strcasecmp(x, y) == 0;
}

/*
 * Returns whether a name is one of those (up to NULL), however it is spelt.
 */
bool
partner_is_named(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (partner_same_word(name, *names))
			return true;
	return false;
}

/*
 * Returns whether a text has one of the words (up to NULL) in it, in any case.
 */
bool
partner_has_word(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		for (const char *c = text; *c != '\0'; c++)
			if (pg_strncasecmp(c, *words, strlen(*words)) == 0)
				return true;
	return false;
}

/*
 * Adds a fact that an answer has under one of the names (up to NULL).  Returns
 * whether it has it, not too long and wholly in printable ASCII: it will be sent
 * back.
 */
bool
partner_fact(json_t *facts, const char *fact, const json_t *answer, const char *const *names)
{
	const json_t *value = find(answer, names);
	json_t *text;

	if (json_string_length(value) > FACT_LONGEST)
		return false;
	if (json_is_string(value))
		text = ascii_of(json_string_value(value), json_string_length(value), true);
	else if (json_is_integer(value))
		text = json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		text = json_sprintf("%.15g", json_real_value(value));
	else
		return false;
	return json_object_set_new(facts, fact, text) == 0;
}

/*
 * Adds a fact that is words for people: an encoding that may lack some of their
 * characters has question marks instead.  Returns whether the answer has it.
 */
bool
partner_words(json_t *facts, const char *fact, const json_t *answer, const char *const *names)
{
	const json_t *value = find(answer, names);

	if (!json_is_string(value))
		return partner_fact(facts, fact, answer, names);
	return json_object_set_new(facts, fact,
							   GetDatabaseEncoding() == PG_UTF8
								   ? json_string(json_string_value(value))
								   : ascii_of(json_string_value(value), json_string_length(value), false)) == 0;
}

/*
 * Adds a header to a request.  Returns false when memory is short, or the value
 * has what would end a header.
 */
bool
partner_header(HttpRequest *request, const char *name, const char *value)
{
	size_t size = strlen(name) + 2 + (value == NULL ? 0 : strlen(value)) + 1;
	int i = 0;

	while (i < HTTP_HEADERS && request->headers[i] != NULL)
		i++;
	for (const char *c = value; c != NULL && *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			return false;
	if (value == NULL || i == HTTP_HEADERS || (request->headers[i] = malloc(size)) == NULL)
		return false;
	snprintf(request->headers[i], size, "%s: %s", name, value);
	return true;
}

/*
 * Returns the first text or number, not empty, that an answer has anywhere
 * under one of the names (up to NULL), or NULL.
 */
static const json_t *
find(const json_t *answer, const char *const *names)
{
	const json_t *found = NULL;
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (answer, i, member)
		if (found == NULL)
			found = find(member, names);
	json_object_foreach (unconstify(json_t *, answer), name, member)
	{
		if (found == NULL && partner_is_named(name, names) && (json_is_number(member) || json_string_length(member) > 0))
			found = member;
		if (found == NULL)
			found = find(member, names);
	}
	return found;
}

/*
 * Returns a text of printable ASCII as JSON.  Other bytes become question
 * marks, or the result NULL where it must be exact.
 */
static json_t *
ascii_of(const char *text, size_t size, bool exact)
{
	char *copy = malloc(size);
	json_t *result;

	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < size; i++)
	{
		bool printable = text[i] >= ' ' && text[i] <= '~';

		if (!printable && exact)
		{
			free(copy);
			return NULL;
		}
		copy[i] = printable ? text[i] : '?';
	}
	result = json_stringn(copy, size);
	free(copy);
	return result;
}

/*
 * Returns the setting of that name, or NULL.
 */
static const PartnerSetting *
setting_named(const PartnerSetting *known, const char *name)
{
	for (; known->name != NULL; known++)
		if (strcmp(known->name, name) == 0)
			return known;
	return NULL;
}

/*
 * Returns whether a text is one of "|one|other|".
 */
static bool
is_choice(const char *choices, const char *text)
{
	size_t size = strlen(text);

	for (const char *choice = choices; choice[1] != '\0'; choice = strchr(choice + 1, '|'))
		if (strcspn(choice + 1, "|") == size && strncmp(choice + 1, text, size) == 0)
			return true;
	return false;
}

/*
 * Returns whether a name is UTC or a time zone of the tz database by an
 * unmistakable name: CET, too, is an abbreviation without summer time.
 */
static bool
is_zone(const char *name)
{
	pg_tz *zone;

	if (strcmp(name, "UTC") == 0)
		return true;
	if (strlen(name) > TZ_STRLEN_MAX || name[0] < 'A' || name[0] > 'Z' || strchr(name, '/') == NULL)
		return false;
	zone = pg_tzset(name);
	return zone != NULL && strcmp(pg_get_timezone_name(zone), name) == 0;
}

/*
 * Returns whether a value fits a setting.
 */
static bool
setting_fits(const PartnerSetting *setting, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t size = text == NULL ? 0 : strlen(text);

	if (text != NULL && size > SETTING_LONGEST)
		return false;
	switch (setting->kind)
	{
		case SETTING_TEXT:
			return size > 0 && size >= setting->least && (setting->choices == NULL || is_choice(setting->choices, text));
		case SETTING_CURRENCY:
			return text != NULL && money_decimals(cstring_to_text(text)) == 2;
		case SETTING_PATH:
			return text != NULL && text[0] == '/' &&
				   strspn(text, "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == size;
		case SETTING_ID:
			return json_integer_value(value) > 0 ||
				   (text != NULL && size <= 18 && strspn(text, "0123456789") == size && strspn(text, "0") < size);
		case SETTING_FLAG:
			return json_is_boolean(value);
		case SETTING_ADDRESS:
			return text != NULL && mail_address_fits(text);
		case SETTING_ZONE:
			return text != NULL && is_zone(text);
		case SETTING_LINK:
			return text != NULL && strncmp(text, "https://", strlen("https://")) == 0 && size > strlen("https://") &&
				   strspn(text, "/-._~:?=&%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == size;
		case SETTING_NUMBER:
			return json_is_number(value) && json_number_value(value) >= setting->least &&
				   json_number_value(value) <= setting->most;
	}
	return false;
}

/*
 * Checks given settings against the known ones, adds the initial values of
 * those that are absent, and makes numbers of numbers given as text: 012 and 12
 * are one program.  Returns the error and the name of the first that does not
 * fit, or ERR_COUNT.
 */
static ErrorName
complete(json_t *given, const PartnerSetting *known, const char **name)
{
	json_t *value;

	json_object_foreach (given, *name, value)
	{
		const PartnerSetting *setting = setting_named(known, *name);

		if (setting == NULL)
			return ERR_UNKNOWN_KEY;
		if (!setting_fits(setting, value))
			return ERR_INVALID_VALUE;
	}
	for (; known->name != NULL; known++)
	{
		*name = known->name;
		value = json_object_get(given, known->name);
		if (value == NULL && known->optional && (known->with == NULL || json_object_get(given, known->with) == NULL))
			continue;
		if (value == NULL && known->initial == NULL)
			return ERR_MISSING_FIELD;
		if (value == NULL)
			json_object_set_new(given, known->name, json_loads(known->initial, JSON_DECODE_ANY, NULL));
		else if (known->kind == SETTING_ID && json_is_string(value))
			json_object_set_new(given, known->name, json_integer(strtoll(json_string_value(value), NULL, 10)));
	}
	return ERR_COUNT;
}

/*
 * Returns an argument that is settings or secrets, completed.  Raises
 * wrong_type, unknown_key, invalid_value or missing_field.
 */
static Jsonb *
checked(Jsonb *value, const PartnerSetting *known, const char *argument)
{
	char *text = JsonbToCString(NULL, &value->root, VARSIZE(value));
	json_t *given = json_loads(pg_server_to_any(text, strlen(text), PG_UTF8), JSON_REJECT_DUPLICATES, NULL);
	const char *name = "";
	ErrorName error = json_is_object(given) ? complete(given, known, &name) : ERR_WRONG_TYPE;
	char *field = *name == '\0' ? pstrdup(argument) : psprintf("%s.%s", argument, name);
	char *completed = json_dumps(given, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(given);
	if (error != ERR_COUNT)
	{
		free(completed);
		ereport(ERROR, errnamed(error, field));
	}
	text = pstrdup(completed);
	free(completed);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

/*
 * murallink.partner_checked(partner, base_url, settings, secrets): the settings
 * and the secrets, completed with initial values.  Raises not_found for an
 * unknown partner, insecure_url, and what checked() raises.
 */
PG_FUNCTION_INFO_V1(partner_checked);
Datum
partner_checked(PG_FUNCTION_ARGS)
{
	const Partner *partner = partner_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	const char *wrong;
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false};

	if (partner == NULL)
		ereport(ERROR, errnamed(ERR_NOT_FOUND, "partner"));
	wrong = http_url_wrong(text_to_cstring(PG_GETARG_TEXT_PP(1)), partner->judge != NULL);
	if (wrong != NULL)
		ereport(ERROR, errnamed(ERR_INSECURE_URL, "base_url"), errhint("This one cannot be used: %s.", wrong));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "partner_checked must return a row");
	values[0] = JsonbPGetDatum(checked(PG_GETARG_JSONB_P(2), partner->settings, "settings"));
	values[1] = JsonbPGetDatum(checked(PG_GETARG_JSONB_P(3), partner->secrets, "secrets"));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
