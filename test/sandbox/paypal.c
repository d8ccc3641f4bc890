/*
 * paypal.c
 *		PayPal's Payouts API, which pays accounts of PayPal and Venmo.
 *
 * Requests are held against its OpenAPI.  A batch with a sender_batch_id that was used
 * before is refused, and the refusal links to the first one; nothing else recognises a
 * repetition.  Accepting a batch pays nobody: its items say what has become of them.
 */
#include "sandbox.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCHES "/v1/payments/payouts/"
#define ITEMS "/v1/payments/payouts-item/"
#define PAGE_SIZE_MAX 1000
#define ITEMS_MAX 15000
#define DAY_S 86400

/* What the ledger's entries add up to: batches and items by PayPal's number of them. */
static json_t *batches;
static json_t *items;

/* How often each item has been looked at since the start. */
static json_t *looks;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What an item of a status may become. */
static const struct
{
	const char *before;
	const char *after;
} steps[] = {
	{"PENDING", "SUCCESS,FAILED,UNCLAIMED,ONHOLD,BLOCKED,RETURNED,REFUNDED,REVERSED"},
	{"ONHOLD", "SUCCESS,FAILED,BLOCKED,RETURNED"},
	{"UNCLAIMED", "SUCCESS,RETURNED,BLOCKED"},
	{"SUCCESS", "REFUNDED,REVERSED"},
};

/* The test values of PayPal's own sandbox, in the note of the first item. */
static const struct
{
	const char *note;
	unsigned status;
	const char *name;
} test_values[] = {
	{"ERRPYO001", 403, "SENDER_RESTRICTED"},
	{"ERRPYO002", 403, "SENDER_EMAIL_UNCONFIRMED"},
	{"ERRPYO003", 403, "AUTHORIZATION_ERROR"},
	{"ERRPYO005", 422, "INSUFFICIENT_FUNDS"},
	{"ERRPYO006", 500, "INTERNAL_ERROR"},
	{"ERRPYO010", 400, "VALIDATION_ERROR"},
	{"ERRPYO011", 403, "REQUIRED_SCOPE_MISSING"},
	{"ERRPYO012", 403, "SENDER_LOCKED"},
	{"ERRPYO013", 400, "VALIDATION_ERROR"},
	{"ERRPYO014", 400, "USER_BUSINESS_ERROR"},
	{"ERRPYO035", 429, "RATE_LIMIT_VALIDATION"},
	{"ERRPYO036", 504, "REQUEST_TIMEOUT_EXCEEDED"},
	{"ERRPYO038", 400, "NON_HOLDING_CURRENCY"},
	{"ERRPYO039", 409, "PREVIOUS_REQUEST_IN_PROGRESS"},
	{"ERRPYO040", 403, "CIP_NOT_VERIFIED"},
};

/*
 * wrong_amount checks an amount: text above zero, with the decimals of its currency,
 * which most have two of.
 */
static const char *
wrong_amount(const json_t *amount)
{
	const char *text = json_string_value(json_object_get(amount, "value"));
	const char *currency = json_string_value(json_object_get(amount, "currency"));
	size_t whole = strspn(text, "0123456789");
	size_t decimals = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;

	if (strlen(currency) != 3 || strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
		return "is of no known currency";
	if (whole == 0 || whole > 9 || text[whole + (decimals > 0 ? decimals + 1 : 0)] != '\0' || strtod(text, NULL) <= 0)
		return "must be above zero";
	return decimals == (list_has("HUF,JPY,TWD", currency) ? 0 : 2) ? NULL : "has not the decimals of its currency";
}

/*
 * wrong_ascii is a check of single-byte characters.
 */
static const char *
wrong_ascii(const json_t *value)
{
	for (const char *c = json_string_value(value); *c != '\0'; c++)
		if (!isascii((unsigned char) *c))
			return "must be single-byte characters";
	return strict_blank(value);
}

/*
 * wrong_receiver checks that an item names its receiver as its type and its wallet ask
 * for.  A type may also be the batch's, which is checked by then.
 */
static const char *
wrong_receiver(const json_t *item)
{
	const char *type = json_string_value(json_object_get(item, "recipient_type"));
	const char *wallet = json_string_value(json_object_get(item, "recipient_wallet"));
	const char *currency = json_string_value(json_object_get(json_object_get(item, "amount"), "currency"));
	json_t *receiver = json_object_get(item, "receiver");
	bool venmo = wallet != NULL && strcmp(wallet, "VENMO") == 0;

	if (type == NULL)
		return NULL;
	if (venmo && (json_string_length(json_object_get(item, "note")) == 0 || strcmp(currency, "USD") != 0))
		return "needs a note and US dollars for Venmo";
	if (strcmp(type, venmo ? "PAYPAL_ID" : "USER_HANDLE") == 0)
		return "has a type of receiver that its wallet does not know";
	if (strcmp(type, "EMAIL") == 0)
		return strict_email(receiver);
	return strcmp(type, "PHONE") == 0 ? strict_phone(receiver) : NULL;
}

static const Key header_keys[] = {
	{.name = "sender_batch_id", .type = KEY_TEXT, .most = 256},
	{.name = "recipient_type", .type = KEY_TEXT, .choices = "EMAIL,PHONE,PAYPAL_ID,USER_HANDLE"},
	{.name = "email_subject", .type = KEY_TEXT, .most = 255, .wrong = wrong_ascii},
	{.name = "email_message", .type = KEY_TEXT, .most = 1000},
	{.name = "note", .type = KEY_TEXT, .most = 1000},
	{.name = NULL},
};

static const Key amount_keys[] = {
	{.name = "currency", .type = KEY_TEXT, .required = true},
	{.name = "value", .type = KEY_TEXT, .required = true},
	{.name = NULL},
};

static const Key phone_keys[] = {
	{.name = "country_code", .type = KEY_TEXT, .required = true, .least = 1, .most = 3, .wrong = strict_digits},
	{.name = "national_number", .type = KEY_TEXT, .required = true, .least = 1, .most = 14, .wrong = strict_digits},
	{.name = "extension_number", .type = KEY_TEXT, .least = 1, .most = 15, .wrong = strict_digits},
	{.name = NULL},
};

static const Key notification_keys[] = {
	{.name = "phone", .type = KEY_OBJECT, .row = phone_keys},
	{.name = NULL},
};

static const Key context_keys[] = {
	{.name = "social_feed_privacy", .type = KEY_TEXT, .choices = "PUBLIC,FRIENDS_ONLY,PRIVATE"},
	{.name = "holler_url", .type = KEY_TEXT, .least = 1, .most = 1000},
	{.name = "logo_url", .type = KEY_TEXT, .most = 1000},
	{.name = NULL},
};

static const Key item_keys[] = {
	{.name = "recipient_type", .type = KEY_TEXT, .choices = "EMAIL,PHONE,PAYPAL_ID,USER_HANDLE"},
	{.name = "amount", .type = KEY_OBJECT, .required = true, .row = amount_keys, .wrong = wrong_amount},
	{.name = "note", .type = KEY_TEXT, .most = 4000},
	{.name = "receiver", .type = KEY_TEXT, .required = true, .most = 127, .wrong = wrong_ascii},
	{.name = "sender_item_id", .type = KEY_TEXT, .most = 63},
	{.name = "recipient_wallet", .type = KEY_TEXT, .choices = "PAYPAL,VENMO,RECIPIENT_SELECTED"},
	{.name = "alternate_notification_method", .type = KEY_OBJECT, .row = notification_keys},
	{.name = "notification_language", .type = KEY_TEXT, .least = 2, .most = 10},
	{.name = "application_context", .type = KEY_OBJECT, .row = context_keys},
	{.name = "purpose", .type = KEY_TEXT, .choices = "AWARDS,PRIZES,DONATIONS,GOODS,SERVICES,"
													 "REBATES,CASHBACK,DISCOUNTS,NON_GOODS_OR_SERVICES"},
	{.name = NULL},
};

static const Key pay_keys[] = {
	{.name = "sender_batch_header", .type = KEY_OBJECT, .required = true, .row = header_keys},
	{.name = "items", .type = KEY_LIST, .required = true, .row = item_keys},
	{.name = NULL},
};

static const Key batch_keys[] = {
	{.name = "fields", .type = KEY_TEXT, .least = 1, .most = 1000},
	{.name = "page", .type = KEY_TEXT, .wrong = strict_digits},
	{.name = "page_size", .type = KEY_TEXT, .wrong = strict_digits},
	{.name = "total_required", .type = KEY_TEXT, .choices = "true,false"},
	{.name = NULL},
};

static const Key no_keys[] = {{.name = NULL}};

/*
 * fail answers an error with its name, and with the details, NULL for none, which it
 * takes over.
 */
static void
fail(Answer *answer, unsigned status, const char *name, const char *message, json_t *details)
{
	answer_json(answer, status,
				json_pack("{s:s, s:o, s:s, s:o, s:[]}", "name", name, "message", answer_message(message), "debug_id",
						  "5f1c0d7a3be24", "details", details == NULL ? json_array() : details, "links"));
}

/*
 * fail_token answers an error of the sign-in or of the token, which looks otherwise.
 */
static void
fail_token(Answer *answer, unsigned status, const char *error, const char *description)
{
	answer_json(answer, status, json_pack("{s:s, s:s}", "error", error, "error_description", description));
}

/*
 * refuse answers a call that is not carried out, with the error that PayPal has for a
 * status.
 */
static void
refuse(Answer *answer, unsigned status, const char *message)
{
	static const struct
	{
		unsigned status;
		const char *name;
	} names[] = {
		{400, "INVALID_REQUEST"},
		{401, "AUTHENTICATION_FAILURE"},
		{403, "NOT_AUTHORIZED"},
		{404, "INVALID_RESOURCE_ID"},
		{409, "PREVIOUS_REQUEST_IN_PROGRESS"},
		{413, "INVALID_REQUEST"},
		{415, "UNSUPPORTED_MEDIA_TYPE"},
		{422, "UNPROCESSABLE_ENTITY"},
		{429, "RATE_LIMIT_REACHED"},
		{503, "SERVICE_UNAVAILABLE"},
	};
	const char *name = "INTERNAL_ERROR";

	for (size_t i = 0; i < lengthof(names); i++)
		if (names[i].status == status)
			name = names[i].name;
	fail(answer, status, name, message, NULL);
}

/*
 * refuse_field answers a body that is wrong; message is "field: what is wrong".
 */
static void
refuse_field(Answer *answer, const char *message)
{
	const char *colon = strstr(message, ": ");

	if (colon == NULL)
		fail(answer, 400, "MALFORMED_REQUEST_JSON", message, NULL);
	else
		fail(answer, 400, "VALIDATION_ERROR", "Invalid request - see details",
			 json_pack("[{s:o, s:s, s:o}]", "field", json_stringn(message, (size_t) (colon - message)), "location", "body",
					   "issue", answer_message(colon + 2)));
}

/*
 * open_call returns the object that a call carries, checked against the keys, or NULL
 * with the refusal in the answer.  A cancellation may have no body.
 */
static json_t *
open_call(const Request *request, const Key *keys, Answer *answer)
{
	const char *token = json_string_value(json_object_get(request->headers, "authorization"));
	json_t *call = NULL;
	Message message;
	unsigned status;

	if (token == NULL || strncmp(token, "Bearer ", strlen("Bearer ")) != 0 ||
		!session_use("paypal", token + strlen("Bearer "), setting_number("paypal.token_calls"),
					 setting_number("paypal.token_ms")))
	{
		fail_token(answer, 401, "invalid_token", "Token signature verification failed");
		return NULL;
	}
	if (setting_is("paypal.scope", "none"))
	{
		fail(answer, 403, "REQUIRED_SCOPE_MISSING", "Access token does not have required scope.", NULL);
		return NULL;
	}
	if (keys == no_keys && request->size == 0)
		return json_object();
	status = strict_call(request, keys, &call, message);
	if (status == 400)
		refuse_field(answer, message);
	else if (status != 0)
		refuse(answer, status, message);
	return call;
}

/*
 * run_token signs in: a form, with the client's id and secret by Basic authentication.
 */
static void
run_token(const Request *request, Answer *answer)
{
	const char *given = json_string_value(json_object_get(request->headers, "authorization"));
	const char *type = json_string_value(json_object_get(request->headers, "content-type"));
	const char *grant = "grant_type=client_credentials";
	char token[SESSION_SIZE];
	char basic[SETTING_SIZE + 8];
	char value[SETTING_SIZE];

	setting_get("paypal.basic", value);
	snprintf(basic, sizeof(basic), "Basic %s", value);
	if (given == NULL || strcmp(given, basic) != 0)
		fail_token(answer, 401, "invalid_client", "Client Authentication failed");
	else if (type == NULL || strcmp(type, "application/x-www-form-urlencoded") != 0 || request->size != strlen(grant) ||
			 memcmp(request->body, grant, request->size) != 0)
		fail_token(answer, 400, "unsupported_grant_type", "Grant Type is NULL");
	else
	{
		session_open("paypal", (int64_t) setting_number("paypal.expires_in") * 1000, token);
		answer_json(answer, 200,
					json_pack("{s:s, s:s, s:s, s:s, s:i}", "scope", "https://uri.paypal.com/payments/payouts",
							  "access_token", token, "token_type", "Bearer", "app_id", "APP-80W284485P519543T", "expires_in",
							  (int) setting_number("paypal.expires_in")));
		answer->done = true;
	}
}

/*
 * pair_find gives what a setting like "ann@example.org=UNCLAIMED,..." says of a
 * receiver, and returns whether it says anything.
 */
static bool
pair_find(const char *setting, const char *receiver, char value[SETTING_SIZE])
{
	char pairs[SETTING_SIZE];
	size_t size = strlen(receiver);

	setting_get(setting, pairs);
	for (char *pair = strtok(pairs, ","); pair != NULL; pair = strtok(NULL, ","))
		if (strncmp(pair, receiver, size) == 0 && pair[size] == '=')
		{
			snprintf(value, SETTING_SIZE, "%s", pair + size + 1);
			return true;
		}
	return false;
}

/*
 * step lets an item become what the settings say, if it can, and writes that in the
 * ledger.  The lock is held.
 */
static void
step(const char *id)
{
	json_t *item = json_object_get(items, id);
	const char *receiver = json_string_value(json_object_get(item, "receiver"));
	const char *before = json_string_value(json_object_get(item, "transaction_status"));
	json_t *changed;
	char wanted[SETTING_SIZE];
	char *error;

	if (json_integer_value(json_object_get(looks, id)) < setting_number("paypal.looks"))
		return;
	if (!pair_find("paypal.items", receiver, wanted))
		setting_get("paypal.outcome", wanted);
	error = strchr(wanted, ':');
	if (error != NULL)
		*error++ = '\0';
	for (size_t i = 0; i < lengthof(steps); i++)
		if (strcmp(steps[i].before, before) == 0 && list_has(steps[i].after, wanted))
		{
			changed = json_copy(item);
			json_object_set_new(changed, "transaction_status", json_string(wanted));
			json_object_set_new(changed, "error", json_string(error == NULL ? "" : error));
			ledger_write("item", "paypal", changed);
			return;
		}
}

/*
 * look counts that an item is looked at, and lets it become what it is.
 */
static void
look(const char *id)
{
	step(id);
	json_object_set_new(looks, id, json_integer(json_integer_value(json_object_get(looks, id)) + 1));
}

/*
 * links_to returns the list of links of an answer.
 */
static json_t *
links_to(const char *path, const char *id)
{
	json_t *href = json_sprintf("https://api-m.paypal.com%s%s", path, id);

	return json_pack("[{s:o, s:s, s:s, s:s}]", "href", href, "rel", "self",
					 "method", "GET", "encType", "application/json");
}

/*
 * batch_status returns what a batch is, by its items.  The lock is held.
 */
static const char *
batch_status(json_t *batch)
{
	json_t *id;
	size_t i;
	size_t failed = 0;
	json_t *list = json_object_get(batch, "item_ids");

	json_array_foreach (list, i, id)
	{
		const char *status =
			json_string_value(json_object_get(json_object_get(items, json_string_value(id)), "transaction_status"));

		if (strcmp(status, "PENDING") == 0)
			return "PROCESSING";
		failed += strcmp(status, "FAILED") == 0;
	}
	return failed == json_array_size(list) ? "DENIED" : "SUCCESS";
}

/*
 * first_batch returns the batch that has used a sender_batch_id in the days before, or
 * NULL.  An empty one is never used.  The lock is held.
 */
static json_t *
first_batch(const char *sender_batch_id)
{
	json_int_t since = (json_int_t) time(NULL) - (json_int_t) setting_number("paypal.batch_days") * DAY_S;
	const char *id;
	json_t *batch;

	if (sender_batch_id == NULL || *sender_batch_id == '\0')
		return NULL;
	json_object_foreach (batches, id, batch)
	{
		if (strcmp(json_string_value(json_object_get(batch, "sender_batch_id")), sender_batch_id) == 0 &&
			json_integer_value(json_object_get(batch, "accepted_s")) > since)
			return batch;
	}
	return NULL;
}

/*
 * linked_batch returns the number that the refusal of a repetition links to: the first
 * batch's, unless the setting says another one's.  The lock is held.
 */
static const char *
linked_batch(json_t *batch)
{
	const char *ours = json_string_value(json_object_get(batch, "payout_batch_id"));
	const char *id;
	json_t *other;

	json_object_foreach (batches, id, other)
	{
		if (setting_is("paypal.duplicate", "foreign") && strcmp(id, ours) != 0)
			return id;
	}
	return setting_is("paypal.duplicate", "foreign") ? "NOSUCHBATCH00" : ours;
}

/*
 * refuse_duplicate answers a batch whose sender_batch_id was used before.
 */
static void
refuse_duplicate(Answer *answer, json_t *batch)
{
	json_t *detail = json_pack("{s:s, s:s, s:s}", "field", "SENDER_BATCH_ID", "location", "body", "issue",
							   "Batch with given sender_batch_id already exists");

	if (setting_is("paypal.duplicate", "unlinked"))
		json_object_set_new(detail, "issue", json_string("Duplicate batch request"));
	else
		json_object_set_new(detail, "link", links_to(BATCHES, linked_batch(batch)));
	fail(answer, 400, "USER_BUSINESS_ERROR", "User business error.", json_pack("[o]", detail));
}

/*
 * wrong_batch returns what is wrong with the items of a batch together, or NULL.
 */
static const char *
wrong_batch(json_t *call, Message message)
{
	json_t *rows = json_object_get(call, "items");
	json_t *type = json_object_get(json_object_get(call, "sender_batch_header"), "recipient_type");
	json_t *first = json_object_get(json_object_get(json_array_get(rows, 0), "amount"), "currency");
	json_t *seen = json_object();
	const char *wrong = NULL;
	json_t *row;
	size_t i;

	if (json_array_size(rows) > ITEMS_MAX)
		wrong = "has too many items";
	json_array_foreach (rows, i, row)
	{
		const char *id = json_string_value(json_object_get(row, "sender_item_id"));

		if (wrong != NULL)
			break;
		if (json_object_get(row, "recipient_type") == NULL && type != NULL)
			json_object_set(row, "recipient_type", type);
		if (json_object_get(row, "recipient_type") == NULL)
			wrong = "has no type of receiver";
		else if (!json_equal(json_object_get(json_object_get(row, "amount"), "currency"), first))
			wrong = "has another currency";
		else if (id != NULL && *id != '\0' && json_object_get(seen, id) != NULL)
			wrong = "DUPLICATE_ITEM";
		else
			wrong = wrong_receiver(row);
		if (id != NULL)
			json_object_set_new(seen, id, json_true());
		if (wrong != NULL)
			snprintf(message, sizeof(Message), "items[%zu]: %s", i, wrong);
	}
	if (json_array_size(rows) > ITEMS_MAX)
		snprintf(message, sizeof(Message), "items: %s", wrong);
	json_decref(seen);
	return wrong;
}

/*
 * test_value answers as the note of the first item asks for; it returns whether it did.
 */
static bool
test_value(json_t *call, Answer *answer)
{
	const char *note = json_string_value(json_object_get(json_array_get(json_object_get(call, "items"), 0), "note"));

	for (size_t i = 0; note != NULL && i < lengthof(test_values); i++)
		if (strcmp(note, test_values[i].note) == 0)
		{
			fail(answer, test_values[i].status, test_values[i].name, "a test value", NULL);
			return true;
		}
	return false;
}

/*
 * accept takes a batch on, with its items, and answers with its head.  The lock is held.
 */
static void
accept_batch(json_t *call, Answer *answer)
{
	json_t *header = json_object_get(call, "sender_batch_header");
	const char *sender = json_string_value(json_object_get(header, "sender_batch_id"));
	json_t *batch_id = json_sprintf("Q%012zX", json_object_size(batches) + 1);
	json_t *ids = json_array();
	size_t known = json_object_size(items);
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(call, "items"), i, row)
	{
		json_array_append_new(ids, json_sprintf("8AELMXH8UB2P%06zX", known + i + 1));
	}
	ledger_write("batch", "paypal",
				 json_pack("{s:O, s:s, s:O, s:O, s:I}", "payout_batch_id", batch_id, "sender_batch_id",
						   sender == NULL ? "" : sender, "header", header, "item_ids", ids, "accepted_s",
						   (json_int_t) time(NULL)));
	json_array_foreach (json_object_get(call, "items"), i, row)
	{
		json_t *amount = json_object_get(row, "amount");
		json_t *entry = json_deep_copy(row);

		json_object_set(entry, "currency", json_object_get(amount, "currency"));
		json_object_set(entry, "amount", json_object_get(amount, "value"));
		json_object_set(entry, "payout_item_id", json_array_get(ids, i));
		json_object_set(entry, "payout_batch_id", batch_id);
		json_object_set_new(entry, "sender_batch_id", json_string(sender == NULL ? "" : sender));
		json_object_set_new(entry, "transaction_status", json_string("PENDING"));
		json_object_set_new(entry, "error", json_string(""));
		ledger_write("item", "paypal", entry);
		step(json_string_value(json_array_get(ids, i)));
	}
	json_decref(ids);
	answer_json(answer, 201,
				json_pack("{s:{s:O, s:s, s:O}, s:o}", "batch_header", "payout_batch_id", batch_id, "batch_status", "PENDING",
						  "sender_batch_header", header, "links", links_to(BATCHES, json_string_value(batch_id))));
	answer->done = true;
	json_decref(batch_id);
}

/*
 * run_pay takes a batch on.
 */
static void
run_pay(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, pay_keys, answer);
	json_t *first;
	Message message;

	if (call == NULL)
		return;
	if (wrong_batch(call, message) != NULL)
		refuse_field(answer, message);
	else if (!test_value(call, answer))
	{
		pthread_mutex_lock(&lock);
		first = first_batch(json_string_value(
			json_object_get(json_object_get(call, "sender_batch_header"), "sender_batch_id")));
		if (first != NULL)
			refuse_duplicate(answer, first);
		else
			accept_batch(call, answer);
		pthread_mutex_unlock(&lock);
	}
	json_decref(call);
}

/*
 * fee returns what a payout costs.
 */
static json_t *
fee(void)
{
	return json_pack("{s:s, s:s}", "currency", "USD", "value", "0.25");
}

/*
 * amount_shown returns an amount as answers show it: another one where the setting
 * says so.
 */
static json_t *
amount_shown(const char *value, const char *currency)
{
	return json_pack("{s:o, s:s}", "currency", json_string(currency), "value",
					 setting_is("paypal.amounts", "wrong") ? "9999.99" : value);
}

/*
 * item_shown returns an item as answers show it.  The lock is held.
 */
static json_t *
item_shown(const json_t *item)
{
	static const char *const names[] = {"recipient_type", "note", "receiver",
										"sender_item_id", "recipient_wallet", "purpose"};
	const char *id = json_string_value(json_object_get(item, "payout_item_id"));
	const char *error = json_string_value(json_object_get(item, "error"));
	json_t *sent = json_pack("{s:o}", "amount",
							 amount_shown(json_string_value(json_object_get(item, "amount")),
										  json_string_value(json_object_get(item, "currency"))));
	json_t *shown;

	for (size_t i = 0; i < lengthof(names); i++)
		if (json_object_get(item, names[i]) != NULL)
			json_object_set(sent, names[i], json_object_get(item, names[i]));
	shown = json_pack("{s:s, s:s, s:O, s:o, s:O, s:O, s:o, s:o, s:o}", "payout_item_id", id, "transaction_id", id,
					  "transaction_status", json_object_get(item, "transaction_status"), "payout_item_fee", fee(),
					  "payout_batch_id", json_object_get(item, "payout_batch_id"), "sender_batch_id",
					  json_object_get(item, "sender_batch_id"), "payout_item", sent, "time_processed", clock_now(), "links",
					  links_to(ITEMS, id));
	if (*error != '\0')
		json_object_set_new(shown, "errors",
							json_pack("{s:s, s:s, s:s, s:[]}", "name", error, "message", "See the name.", "debug_id",
									  "5f1c0d7a3be24", "details"));
	return shown;
}

/*
 * head_shown returns the head of a batch as answers show it.  The lock is held.
 */
static json_t *
head_shown(json_t *batch)
{
	json_t *ids = json_object_get(batch, "item_ids");
	json_t *first = json_object_get(items, json_string_value(json_array_get(ids, 0)));
	const char *currency = json_string_value(json_object_get(first, "currency"));
	double sum = 0;
	char total[32];
	json_t *id;
	size_t i;

	json_array_foreach (ids, i, id)
	{
		sum += strtod(
			json_string_value(json_object_get(json_object_get(items, json_string_value(id)), "amount")), NULL);
	}
	snprintf(total, sizeof(total), "%.*f", list_has("HUF,JPY,TWD", currency) ? 0 : 2, sum);
	return json_pack("{s:O, s:s, s:O, s:s, s:o, s:o}", "payout_batch_id",
					 json_object_get(batch, "payout_batch_id"), "batch_status", batch_status(batch),
					 "sender_batch_header", json_object_get(batch, "header"), "funding_source", "BALANCE", "amount",
					 amount_shown(total, currency), "fees", fee());
}

/*
 * page_of returns an argument that is a number, or a default.
 */
static size_t
page_of(const json_t *call, const char *name, size_t otherwise)
{
	const char *text = json_string_value(json_object_get(call, name));

	return text == NULL ? otherwise : strtoul(text, NULL, 10);
}

/*
 * show_batch answers with a page of a batch.  The lock is held.
 */
static void
show_batch(json_t *batch, const json_t *call, Answer *answer)
{
	const char *fields = json_string_value(json_object_get(call, "fields"));
	const char *total = json_string_value(json_object_get(call, "total_required"));
	json_t *ids = json_object_get(batch, "item_ids");
	size_t page = page_of(call, "page", 1);
	size_t size = page_of(call, "page_size", PAGE_SIZE_MAX);
	json_t *list = json_array();
	json_t *shown;
	json_t *id;
	size_t i;

	json_array_foreach (ids, i, id)
	{
		look(json_string_value(id));
		if (i / size + 1 == page)
			json_array_append_new(list, item_shown(json_object_get(items, json_string_value(id))));
	}
	shown = json_pack("{s:o, s:o}", "batch_header", head_shown(batch), "links",
					  links_to(BATCHES, json_string_value(json_object_get(batch, "payout_batch_id"))));
	if (total != NULL && strcmp(total, "true") == 0)
	{
		json_object_set_new(shown, "total_items", json_integer((json_int_t) json_array_size(ids)));
		json_object_set_new(shown, "total_pages", json_integer((json_int_t) ((json_array_size(ids) + size - 1) / size)));
	}
	if (fields == NULL || strstr(fields, "items") != NULL)
		json_object_set(shown, "items", list);
	json_decref(list);
	answer_json(answer, 200, shown);
	answer->done = true;
}

/*
 * run_batch shows a batch.
 */
static void
run_batch(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, batch_keys, answer);
	json_t *batch;
	size_t size = page_of(call, "page_size", PAGE_SIZE_MAX);

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	batch = json_object_get(batches, request->path + strlen(BATCHES));
	if (batch == NULL)
		refuse(answer, 404, "Requested resource ID was not found.");
	else if (size == 0 || size > PAGE_SIZE_MAX || page_of(call, "page", 1) == 0)
		refuse_field(answer, "page_size: is not from 1 to 1000");
	else
		show_batch(batch, call, answer);
	pthread_mutex_unlock(&lock);
	json_decref(call);
}

/*
 * cancel returns the money of an item that nobody has claimed.  The lock is held.
 */
static void
cancel(json_t *item, Answer *answer)
{
	const char *status = json_string_value(json_object_get(item, "transaction_status"));
	const char *batch_id = json_string_value(json_object_get(item, "payout_batch_id"));
	json_t *changed;

	if (strcmp(batch_status(json_object_get(batches, batch_id)), "PROCESSING") == 0)
		fail(answer, 400, "BATCH_NOT_COMPLETED", "The batch is being processed: try later.", NULL);
	else if (strcmp(status, "UNCLAIMED") != 0)
		fail(answer, 400, "ITEM_INCORRECT_STATUS", "Only items that are unclaimed can be cancelled.", NULL);
	else
	{
		changed = json_copy(item);
		json_object_set_new(changed, "transaction_status", json_string("RETURNED"));
		ledger_write("item", "paypal", changed);
	}
}

/*
 * run_item shows an item, or cancels it first.
 */
static void
run_item(const Request *request, Answer *answer)
{
	bool cancels = strcmp(request->method, "POST") == 0;
	json_t *call = open_call(request, no_keys, answer);
	char id[64];

	if (call == NULL)
		return;
	snprintf(id, sizeof(id), "%.*s", (int) strcspn(request->path + strlen(ITEMS), "/"), request->path + strlen(ITEMS));
	pthread_mutex_lock(&lock);
	if (json_object_get(items, id) == NULL)
		refuse(answer, 404, "Requested resource ID was not found.");
	else
	{
		look(id);
		if (cancels)
			cancel(json_object_get(items, id), answer);
		if (answer->status == 0)
		{
			answer_json(answer, 200, item_shown(json_object_get(items, id)));
			answer->done = true;
		}
	}
	pthread_mutex_unlock(&lock);
	json_decref(call);
}

/*
 * reset forgets all batches.
 */
static void
reset(void)
{
	pthread_mutex_lock(&lock);
	json_decref(batches);
	json_decref(items);
	json_decref(looks);
	batches = json_object();
	items = json_object();
	looks = json_object();
	pthread_mutex_unlock(&lock);
}

/*
 * replay brings batches and items forward by an entry of the ledger.  The lock is held,
 * or the sandbox is starting.
 */
static void
replay(json_t *entry)
{
	bool batch = strcmp(json_string_value(json_object_get(entry, "ledger")), "batch") == 0;
	json_t *state = json_copy(entry);

	json_object_del(state, "ledger");
	json_object_del(state, "seq");
	json_object_del(state, "time");
	json_object_del(state, "partner");
	json_object_set_new(batch ? batches : items,
						json_string_value(json_object_get(state, batch ? "payout_batch_id" : "payout_item_id")), state);
}

static Setting settings[] = {
	/* "murallink:sandbox" */
	{.name = "paypal.basic", .initial = "bXVyYWxsaW5rOnNhbmRib3g="},
	{.name = "paypal.expires_in", .initial = "32400", .wrong = setting_wrong_number},
	{.name = "paypal.token_calls", .initial = "0", .wrong = setting_wrong_number},
	{.name = "paypal.token_ms", .initial = "0", .wrong = setting_wrong_number},
	{.name = "paypal.scope", .initial = "payouts", .choices = "payouts,none"},
	{.name = "paypal.batch_days", .initial = "30", .wrong = setting_wrong_number},
	{.name = "paypal.duplicate", .initial = "linked", .choices = "linked,unlinked,foreign"},
	{.name = "paypal.outcome",
	 .initial = "SUCCESS",
	 .choices = "PENDING,SUCCESS,FAILED,UNCLAIMED,ONHOLD,BLOCKED,RETURNED,REFUNDED,REVERSED"},
	{.name = "paypal.items", .initial = ""},
	{.name = "paypal.looks", .initial = "0", .wrong = setting_wrong_number},
	{.name = "paypal.amounts", .initial = "right", .choices = "right,wrong"},
	{.name = NULL},
};

static const Operation operations[] = {
	{.name = "paypal.token", .method = "POST", .path = "/v1/oauth2/token", .run = run_token},
	{.name = "paypal.pay", .method = "POST", .path = "/v1/payments/payouts", .run = run_pay},
	{.name = "paypal.batch", .method = "GET", .path = BATCHES "*", .run = run_batch},
	{.name = "paypal.item", .method = "GET", .path = ITEMS "*", .run = run_item},
	{.name = "paypal.cancel", .method = "POST", .path = ITEMS "*/cancel", .run = run_item},
	{.name = NULL},
};

static const Partner paypal = {
	.name = "paypal",
	.operations = operations,
	.settings = settings,
	.replay = replay,
	.reset = reset,
	.refuse = refuse,
};

PARTNER(paypal)
