/*
 * paypal.c
 *	  PayPal's Payouts API, which pays accounts of PayPal and Venmo: signing in,
 *	  a batch of one item for each payout, the same again as a look-up, and what
 *	  has become of batches and items.
 *
 * PayPal recognizes a batch by its sender_batch_id alone, for 30 days.  Each
 * payout has one of its own, which is sent with every repetition, so that none
 * pays twice.  A batch that is accepted, or processed, pays nobody yet: only
 * its item says so.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partner_field.h"

/* The longest number of a batch or an item, in characters. */
#define ID_LONGEST 30

static bool build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				  HttpRequest *request);
static bool build_login(const PartnerConfig *config, HttpRequest *request);
static bool build_pay(const PartnerConfig *config, json_t *params, HttpRequest *request);
static bool set_receiver(json_t *item, json_t *params);
static char *join(const char *a, const char *b);
static Verdict understand(const char *operation, json_t *params, json_t *answer, json_t *facts);
static Verdict understand_error(const char *operation, json_t *answer, json_t *facts);
static Verdict understand_pay(json_t *params, json_t *answer, json_t *facts);
static Verdict understand_batch(json_t *params, json_t *answer, json_t *facts);
static Verdict understand_item(const char *operation, json_t *params, json_t *answer, json_t *facts);
static json_t *item_facts(json_t *item);
static bool set_id(json_t *facts, const char *fact, const char *id);
static void hide_people(json_t *value, bool in_details);

static const PartnerSetting settings[] = {
	PARTNER_SETTINGS,
	{.name = "currency", .kind = SETTING_CURRENCY, .initial = "\"USD\""},
	{.name = "email_subject", .kind = SETTING_TEXT, .initial = "\"You have a payment\"", .most = 255},
	{.name = "note", .kind = SETTING_TEXT, .initial = "\"Thank you\"", .most = 1000},
	{.name = "look_after", .kind = SETTING_NUMBER, .initial = "60", .least = 1, .most = 3600},
	{.name = "repeat_days", .kind = SETTING_NUMBER, .initial = "25", .least = 1, .most = 29},
	{.name = "token_lifetime", .kind = SETTING_NUMBER, .initial = "32400", .least = 60, .most = 86400},
	{.name = NULL},
};

static const PartnerSetting secrets[] = {
	{.name = "client_id", .kind = SETTING_TEXT},
	{.name = "client_secret", .kind = SETTING_TEXT},
	{.name = NULL},
};

static const PartnerField batch_fields[] = {
	{.name = "batch_id", .kind = FIELD_TEXT, .required = true, .most = ID_LONGEST},
	{.name = "page", .wire = "page", .kind = FIELD_WHOLE},
	{.name = "page_size", .wire = "page_size", .kind = FIELD_WHOLE},
	{.name = NULL},
};

static const PartnerField item_fields[] = {
	{.name = "item_id", .kind = FIELD_TEXT, .required = true, .most = ID_LONGEST},
	{.name = NULL},
};

static const PartnerOperation operations[] = {
	{"batch", "GET", "/v1/payments/payouts/{batch_id}", batch_fields, true},
	{"item", "GET", "/v1/payments/payouts-item/{item_id}", item_fields, true},
	{.name = NULL},
};

const Partner paypal_partner = {.name = "paypal",
								.settings = settings,
								.secrets = secrets,
								.operations = operations,
								.login = "login",
								.session_lifetime = "token_lifetime",
								.build = build,
								.read = understand};

/*
 * Fills in the request of an operation.
 */
static bool
build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params, HttpRequest *request)
{
	char *bearer;
	bool built;

	if (strcmp(operation, "login") == 0)
		return build_login(config, request);
	if (strcmp(operation, "pay") == 0 || strcmp(operation, "look_up") == 0)
		built = build_pay(config, params, request);
	else
		built = fields_request(partner, config, operation, params, request);
	bearer = join("Bearer ", config->session);
	built = built && http_header(request, "Authorization", bearer);
	free(bearer);
	return built;
}

/*
 * login: no params; a form, with client_id and client_secret by Basic
 * authentication.
 */
static bool
build_login(const PartnerConfig *config, HttpRequest *request)
{
	const char *id = json_string_value(json_object_get(config->secrets, "client_id"));
	const char *secret = json_string_value(json_object_get(config->secrets, "client_secret"));
	char *half = join(id, ":");
	char *pair = join(half, secret);
	size_t size = pair == NULL ? 0 : sodium_base64_ENCODED_LEN(strlen(pair), sodium_base64_VARIANT_ORIGINAL);
	char *encoded = pair == NULL ? NULL : malloc(size);
	char *basic = NULL;
	bool built;

	if (encoded != NULL)
		basic = join("Basic ", sodium_bin2base64(encoded, size, (unsigned char *) pair, strlen(pair),
												 sodium_base64_VARIANT_ORIGINAL));
	request->url = join(config->base_url, "/v1/oauth2/token");
	request->body = join("grant_type=client_credentials", "");
	request->content_type = "application/x-www-form-urlencoded";
	built = request->url != NULL && request->body != NULL && http_header(request, "Authorization", basic);
	free(half);
	free(pair);
	free(encoded);
	free(basic);
	return built;
}

/*
 * pay, look_up: a batch of one item; params reference, batch (the
 * sender_batch_id, if it is not the reference), amount, currency, and account:
 * email of PayPal, or phone or handle of Venmo.
 */
static bool
build_pay(const PartnerConfig *config, json_t *params, HttpRequest *request)
{
	json_t *reference = json_object_get(params, "reference");
	json_t *batch = json_object_get(params, "batch");
	json_t *amount = json_pack("{s:O, s:O}", "currency", json_object_get(params, "currency"), "value",
							   json_object_get(params, "amount"));
	json_t *item = json_pack("{s:o, s:O, s:O}", "amount", amount, "sender_item_id", reference, "note",
							 json_object_get(config->settings, "note"));
	json_t *whole;
	bool built = item != NULL && json_string_length(reference) > 0 && set_receiver(item, params);

	whole = json_pack("{s:{s:O, s:O}, s:[O]}", "sender_batch_header", "sender_batch_id",
					  json_string_length(batch) > 0 ? batch : reference, "email_subject",
					  json_object_get(config->settings, "email_subject"), "items", item);
	request->url = join(config->base_url, "/v1/payments/payouts");
	built = built && whole != NULL && request->url != NULL && (request->body = json_dumps(whole, JSON_COMPACT)) != NULL;
	json_decref(whole);
	json_decref(item);
	return built;
}

/*
 * Sets whom an item pays, in which wallet, and that no feed shows it.  Returns
 * false if the account has none of the details that PayPal or Venmo know.
 */
static bool
set_receiver(json_t *item, json_t *params)
{
	static const char *const types[][3] = {
		{"email", "EMAIL", "PAYPAL"}, {"phone", "PHONE", "VENMO"}, {"handle", "USER_HANDLE", "VENMO"}};
	json_t *account = json_object_get(params, "account");

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		json_t *receiver = json_object_get(account, types[i][0]);

		if (json_string_length(receiver) == 0)
			continue;
		return json_object_set(item, "receiver", receiver) == 0 &&
			   json_object_set_new(item, "recipient_type", json_string(types[i][1])) == 0 &&
			   json_object_set_new(item, "recipient_wallet", json_string(types[i][2])) == 0 &&
			   json_object_set_new(item, "application_context",
								   json_pack("{s:s}", "social_feed_privacy", "PRIVATE")) == 0;
	}
	return false;
}

/*
 * Concatenates two texts, in memory from malloc.  Returns NULL if one of them
 * is NULL or memory is short.
 */
static char *
join(const char *a, const char *b)
{
	char *joined = a == NULL || b == NULL ? NULL : malloc(strlen(a) + strlen(b) + 1);

	if (joined != NULL)
		strcat(strcpy(joined, a), b);
	return joined;
}

/*
 * Returns what an answer means.  What it says of people is removed from it.
 */
static Verdict
understand(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	static const char *const token_names[] = {"access_token", NULL};
	Verdict verdict;

	if (json_object_get(answer, "name") != NULL || json_object_get(answer, "error") != NULL)
		verdict = understand_error(operation, answer, facts);
	else if (strcmp(operation, "login") == 0)
		verdict = partner_fact(facts, "session", answer, token_names) ? VERDICT_ACCEPTED : VERDICT_UNCLEAR;
	else if (strcmp(operation, "pay") == 0 || strcmp(operation, "look_up") == 0)
		verdict = understand_pay(params, answer, facts);
	else if (strcmp(operation, "batch") == 0)
		verdict = understand_batch(params, answer, facts);
	else
		verdict = understand_item(operation, params, answer, facts);
	hide_people(answer, false);
	return verdict;
}

/*
 * Returns what an error means.  The facts: message, of which only the name
 * counts, and the field that is wrong; and of a sender_batch_id that was used
 * before, which must never count as a payment that was not made, duplicate and,
 * if there is a link, the batch_id at its end.  Its host is not followed.
 */
static Verdict
understand_error(const char *operation, json_t *answer, json_t *facts)
{
	static const char *const used_before[] = {"already exists", "duplicate batch", NULL};
	const char *name = json_string_value(json_object_get(answer, "name"));
	bool duplicate = false;
	json_t *detail;
	size_t i;

	if (name == NULL)
		name = json_string_value(json_object_get(answer, "error"));
	json_object_set_new(facts, "message", json_string(name == NULL ? "an error without a name" : name));
	if (name == NULL)
		return VERDICT_UNCLEAR;
	json_array_foreach (json_object_get(answer, "details"), i, detail)
	{
		const char *field = json_string_value(json_object_get(detail, "field"));
		const char *issue = json_string_value(json_object_get(detail, "issue"));
		const char *href =
			json_string_value(json_object_get(json_array_get(json_object_get(detail, "link"), 0), "href"));

		if (field != NULL)
			json_object_set_new(facts, "message", json_sprintf("%s: %s", name, field));
		if (issue == NULL || !partner_has_word(issue, used_before))
			continue;
		duplicate = true;
		json_object_set_new(facts, "duplicate", json_string("true"));
		if (href != NULL && strrchr(href, '/') != NULL)
			set_id(facts, "batch_id", strrchr(href, '/') + 1);
	}
	/* With the status of a refusal this leaves a payment in doubt, and answers a look-up. */
	return duplicate && strcmp(operation, "pay") == 0 ? VERDICT_ACCEPTED : VERDICT_REFUSED;
}

/*
 * Returns what the answer to a batch means: unclear if it is about another
 * batch than the one that was sent.  The fact batch_id is PayPal's number of it.
 */
static Verdict
understand_pay(json_t *params, json_t *answer, json_t *facts)
{
	json_t *header = json_object_get(answer, "batch_header");
	json_t *sender = json_object_get(json_object_get(header, "sender_batch_header"), "sender_batch_id");
	json_t *batch = json_object_get(params, "batch");

	if (!json_equal(sender, json_string_length(batch) > 0 ? batch : json_object_get(params, "reference")))
		return VERDICT_UNCLEAR;
	return set_id(facts, "batch_id", json_string_value(json_object_get(header, "payout_batch_id"))) ? VERDICT_ACCEPTED
																									: VERDICT_UNCLEAR;
}

/*
 * Returns what a batch that is shown means: unclear if it is another one than
 * was asked for.  The facts: batch_id, status, sender_batch_id, amount,
 * currency, and items.
 */
static Verdict
understand_batch(json_t *params, json_t *answer, json_t *facts)
{
	json_t *header = json_object_get(answer, "batch_header");
	json_t *amount = json_object_get(header, "amount");
	json_t *id = json_object_get(header, "payout_batch_id");
	json_t *shown = json_array();
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(answer, "items"), i, item)
	{
		json_array_append_new(shown, item_facts(item));
	}
	json_object_set_new(facts, "items", shown);
	set_id(facts, "batch_id", json_string_value(id));
	set_id(facts, "status", json_string_value(json_object_get(header, "batch_status")));
	set_id(facts, "sender_batch_id",
		   json_string_value(json_object_get(json_object_get(header, "sender_batch_header"), "sender_batch_id")));
	set_id(facts, "amount", json_string_value(json_object_get(amount, "value")));
	set_id(facts, "currency", json_string_value(json_object_get(amount, "currency")));
	return json_is_string(id) && json_equal(id, json_object_get(params, "batch_id")) &&
				   json_object_get(facts, "status") != NULL
			   ? VERDICT_ACCEPTED
			   : VERDICT_UNCLEAR;
}

/*
 * Returns what an item that is shown means: unclear if it is another one than
 * was asked for.
 */
static Verdict
understand_item(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	json_t *found = item_facts(answer);

	(void) operation;
	json_object_update(facts, found);
	json_decref(found);
	return json_object_get(facts, "status") != NULL &&
				   json_equal(json_object_get(facts, "item_id"), json_object_get(params, "item_id"))
			   ? VERDICT_ACCEPTED
			   : VERDICT_UNCLEAR;
}

/*
 * Returns the facts of an item: item_id, batch_id, sender_batch_id, reference
 * (our number of it), status, error, amount and currency.
 */
static json_t *
item_facts(json_t *item)
{
	json_t *facts = json_pack("{}");
	json_t *sent = json_object_get(item, "payout_item");
	json_t *amount = json_object_get(sent, "amount");

	set_id(facts, "item_id", json_string_value(json_object_get(item, "payout_item_id")));
	set_id(facts, "batch_id", json_string_value(json_object_get(item, "payout_batch_id")));
	set_id(facts, "sender_batch_id", json_string_value(json_object_get(item, "sender_batch_id")));
	set_id(facts, "reference", json_string_value(json_object_get(sent, "sender_item_id")));
	set_id(facts, "status", json_string_value(json_object_get(item, "transaction_status")));
	set_id(facts, "error", json_string_value(json_object_get(json_object_get(item, "errors"), "name")));
	set_id(facts, "amount", json_string_value(json_object_get(amount, "value")));
	set_id(facts, "currency", json_string_value(json_object_get(amount, "currency")));
	return facts;
}

/*
 * Sets a fact to a word of PayPal's: a number, a status, an amount.  Returns
 * false if there is none, or if it has other characters than those of such
 * words.
 */
static bool
set_id(json_t *facts, const char *fact, const char *id)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

	if (id == NULL || *id == '\0' || id[strspn(id, allowed)] != '\0' || strlen(id) > 63)
		return false;
	return json_object_set_new(facts, fact, json_string(id)) == 0;
}

/*
 * Removes from an answer who was paid, and wrong values that PayPal repeats in
 * details.
 */
static void
hide_people(json_t *value, bool in_details)
{
	static const char *const names[] = {"receiver", "recipient_name", "alternate_notification_method", NULL};
	const char *name;
	json_t *member;
	size_t i;

	for (i = 0; names[i] != NULL; i++)
		json_object_del(value, names[i]);
	if (in_details)
		json_object_del(value, "value");
	json_array_foreach (value, i, member)
	{
		hide_people(member, in_details);
	}
	json_object_foreach (value, name, member)
	{
		hide_people(member, strcmp(name, "details") == 0);
	}
}
