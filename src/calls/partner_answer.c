/*
 * partner_answer.c
 *	  What the end of a call means, and what is stored of an answer.
 */
#include "postgres.h"

#include "text.h"

#include "partner.h"

/* The longest fact, in bytes. */
#define FACT_LONGEST 4000

/* The longest answer that is stored whole, in bytes: many are settled together, in one value. */
#define ANSWER_LONGEST (256 * 1024)

/* What an answer may say, as a set. */
#define NOT_JSON (1 << 3)
#define UNCLEAR (1 << VERDICT_UNCLEAR)
#define ACCEPTED (1 << VERDICT_ACCEPTED)
#define REFUSED (1 << VERDICT_REFUSED)
#define TRACED (1 << 4) /* it has what only a call that was carried out produces */
#define ANY (NOT_JSON | UNCLEAR | ACCEPTED | REFUSED)

/* In seconds: longer pauses that a partner asks for are cut to this. */
#define RETRY_AFTER_MAX 3600

/* Instead of an HTTP status, for calls that ended without a whole answer. */
#define NOT_SENT (-1)
#define NO_ANSWER 0

/*
 * What the end of a call means; the first row that fits applies.
 *
 * The rule behind it: done and declined need the partner's own word in a whole
 * answer; not_sent needs the certainty that the partner did not act; all else is
 * in doubt, because a wrong guess pays twice or not at all.
 *
 * Not sent: the connection was refused or took too long, the name is unknown,
 * TLS failed or the certificate was wrong, memory or descriptors were short.
 * No answer: the timeout was reached, before or after the first byte; the
 * connection was closed or reset; the body was cut off or too long.
 *
 * Signed out or too many calls: a partner checks this before it acts, so the
 * call was not carried out, unless the answer shows a result.  An issuer may
 * act first nevertheless; so a load is looked up, if the setting look_up
 * allows it, before it is sent again: see payout_judge().
 */
static const struct
{
	int first; /* status, from */
	int last; /* to */
	int says;
	Outcome outcome;
	const char *why;
} endings[] = {
	{NOT_SENT, NOT_SENT, ANY, OUTCOME_NOT_SENT, "no complete request has left this process"},
	{NO_ANSWER, NO_ANSWER, ANY, OUTCOME_IN_DOUBT, "the request may have arrived, and the answer is missing or incomplete"},
	{200, 299, ACCEPTED, OUTCOME_DONE, "done"},
	{200, 299, TRACED, OUTCOME_IN_DOUBT, "the answer does not confirm it, but shows a result of it"},
	{200, 299, REFUSED, OUTCOME_DECLINED, "refused"},
	{200, 299, NOT_JSON, OUTCOME_IN_DOUBT, "the answer is not JSON"},
	{200, 299, ANY, OUTCOME_IN_DOUBT, "the answer does not say whether it was done"},
	{300, 399, ANY, OUTCOME_IN_DOUBT, "redirected: the partner may have acted before it redirected"},
	{400, 499, ACCEPTED, OUTCOME_IN_DOUBT, "the answer contradicts its status"},
	{400, 499, TRACED, OUTCOME_IN_DOUBT, "refused, but the answer shows a result of it"},
	{401, 401, ANY, OUTCOME_NOT_SENT, "the session has ended: refused before it was processed"},
	{429, 429, ANY, OUTCOME_NOT_SENT, "too many calls: refused before it was processed"},
	{408, 409, ANY, OUTCOME_IN_DOUBT, "a time-out or a conflict: part of it may have been done"},
	{400, 499, UNCLEAR | REFUSED, OUTCOME_DECLINED, "refused"},
	{400, 499, NOT_JSON, OUTCOME_IN_DOUBT, "the answer is not JSON"},
	{500, 599, ANY, OUTCOME_IN_DOUBT, "the partner failed while processing it"},
	{0, 999, ANY, OUTCOME_IN_DOUBT, "the status is unknown"},
};

static bool is_traced(json_t *params, json_t *facts);
static json_t *masked(json_t *value, const PartnerConfig *config, json_t *account);
static void hide_in_text(char *text, const PartnerConfig *config, json_t *account);
static void hide_account(char *text, json_t *account);
static void hide_secret(char *text, const char *secret);
static const json_t *find(const json_t *answer, const char *const *names);
static json_t *ascii_of(const char *text, size_t size, bool exact);

/*
 * Returns what the end of a call means; partner_answer_free() frees it.
 * Secrets that the partner repeats are masked, and so are the details of the
 * account in params.
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
	json_t *account = json_object_get(params, "account");
	json_t *whole;

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
	whole = answer.answer;
	answer.answer = masked(whole, config, account);
	json_decref(whole);
	if (account != NULL)
		json_decref(masked(answer.facts, config, account));
	else if (json_object_get(answer.facts, "message") != NULL)
		json_object_set_new(answer.facts, "message", masked(json_object_get(answer.facts, "message"), config, account));

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
 * Returns what the end of a mail means; partner_answer_free() frees it.  A
 * mail that we have stopped is not a failure of the server.  Secrets that the
 * server repeats are masked.
 */
PartnerAnswer
partner_judge(const Partner *partner, const PartnerConfig *config, json_t *params, const MailAnswer *mail)
{
	PartnerAnswer answer = partner->judge(mail);

	if (mail->stopped && mail->status == 0)
	{
		answer.works = true;
		partner_say(&answer, "the worker stopped before the server answered");
	}
	hide_in_text(answer.reason, config, NULL);
	hide_secret(answer.reason, json_string_value(json_object_get(params, "secret")));
	return answer;
}

/*
 * Returns whether an answer has what only a call that was carried out
 * produces: a number that was not sent.
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
 * Returns a copy of a value with the secrets in its texts masked, which the
 * caller frees.  The texts are copied, because jansson's are constant; a text
 * becomes null if memory is short.
 */
static json_t *
masked(json_t *value, const PartnerConfig *config, json_t *account)
{
	json_t *member;
	size_t i;

	if (json_is_string(value))
	{
		char *text = strdup(json_string_value(value));
		json_t *result = NULL;

		if (text != NULL)
		{
			hide_in_text(text, config, account);
			result = json_string(text);
		}
		free(text);
		return result == NULL ? json_null() : result;
	}
	json_array_foreach (value, i, member)
		json_array_set_new(value, i, masked(member, config, account));
	for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at))
		json_object_iter_set_new(value, at, masked(json_object_iter_value(at), config, account));
	return json_incref(value);
}

/*
 * Masks the secrets in a text.
 */
static void
hide_in_text(char *text, const PartnerConfig *config, json_t *account)
{
	const char *name;
	json_t *secret;

	json_object_foreach (config->secrets, name, secret)
		hide_secret(text, json_string_value(secret));
	hide_secret(text, config->session);
	hide_account(text, account);
}

/*
 * Masks the details of an account in a text, in whatever case, and a phone
 * number also without its country.
 */
static void
hide_account(char *text, json_t *account)
{
	const char *name;
	json_t *detail;

	json_object_foreach (account, name, detail)
	{
		const char *value = json_string_value(detail);
		size_t size = json_string_length(detail);

		hide_account(text, detail);
		if (value != NULL && strncmp(value, "+1", 2) == 0)
		{
			value += 2;
			size -= 2;
		}
		for (char *at = text; size >= 4 && strlen(at) >= size; at++)
			if (pg_strncasecmp(at, value, size) == 0)
				memset(at, '*', size);
	}
}

/*
 * Masks a secret in a text, unless it is so short that many texts contain it
 * by chance.
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
 * Returns whether two words are equal without regard to the case of ASCII
 * letters.  strcasecmp() uses the server's locale: in a Turkish one, FAILURE
 * does not equal failure.
 */
bool
partner_same_word(const char *x, const char *y)
{
	return pg_strcasecmp(x, y) == 0;
}

/*
 * Returns whether a name is one of those (up to NULL), without regard to case.
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
 * Returns whether a text contains one of the words (up to NULL), which are in
 * lower case, whatever the case of its letters.
 */
bool
partner_has_word(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (text_find(text, *words) != NULL)
			return true;
	return false;
}

/*
 * Adds a fact that an answer has under one of the names (up to NULL).  Returns
 * false if there is none, or if it is too long or not in printable ASCII,
 * because it will be sent back to the partner.
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
 * Adds a fact for people to read.  Returns false if the answer does not have it.
 */
bool
partner_words(json_t *facts, const char *fact, const json_t *answer, const char *const *names)
{
	const json_t *value = find(answer, names);

	if (!json_is_string(value))
		return partner_fact(facts, fact, answer, names);
	return json_object_set_new(facts, fact, json_string(json_string_value(value))) == 0;
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
 * Returns a text as JSON in printable ASCII.  Other bytes become question
 * marks; if the text must be exact, the result is NULL instead.
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
