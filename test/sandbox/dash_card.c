/*
 * dash_card.c
 *		Dash's cards: they are ordered, loaded and unloaded; and what it does for the
 *		people who hold them.
 */
#include "dash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ORDER 70000001
#define FIRST_PERSON 5000001

/* What the ledger's entries add up to. */
static json_t *cards; /* by proxyKey: order (entry), loads, unloads (entries), balance (cents) */
static json_t *orders; /* by orderId: entries */
static json_t *spent; /* by fundingId: cents */

pthread_mutex_t dash_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * wrong_contacts checks that each row of an order says where the card's link goes.
 */
static const char *
wrong_contacts(const json_t *value)
{
	json_t *row;
	size_t i;

	json_array_foreach (value, i, row)
	{
		if (json_string_length(json_object_get(row, "phone")) == 0 &&
			json_string_length(json_object_get(row, "email")) == 0)
			return "phone and email must not both be empty";
	}
	return NULL;
}

/*
 * wrong_reference checks a referenceId: the document does not mention it.
 */
static const char *
wrong_reference(const json_t *value)
{
	return setting_is("dash.reference", "refused") ? "is not known" : strict_blank(value);
}

static const Key order_row_keys[] = {
	{.name = "firstName", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "lastName", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "phone", .type = KEY_TEXT, .required = true, .wrong = strict_phone},
	{.name = "email", .type = KEY_TEXT, .required = true, .wrong = strict_email},
	{.name = NULL},
};

static const Key order_keys[] = {
	{.name = "customerId", .type = KEY_NUMBER, .required = true, .known = "dash.customer_id"},
	{.name = "custProgId", .type = KEY_NUMBER, .required = true, .known = "dash.cust_prog_id"},
	{.name = "orderProdType", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "cardType", .type = KEY_TEXT, .required = true, .choices = "Digital,physical"},
	{.name = "orderDetails", .type = KEY_LIST, .required = true, .wrong = wrong_contacts, .row = order_row_keys},
	{.name = NULL},
};

static const Key profile_keys[] = {
	{.name = "customerId", .type = KEY_NUMBER, .required = true, .known = "dash.customer_id"},
	{.name = "custProgId", .type = KEY_NUMBER, .required = true, .known = "dash.cust_prog_id"},
	{.name = "personId", .type = KEY_TEXT, .required = true},
	{.name = "firstName", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "lastName", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "phone", .type = KEY_TEXT, .required = true, .wrong = strict_phone},
	{.name = "email", .type = KEY_TEXT, .required = true, .wrong = strict_email},
	{.name = NULL},
};

static const Key load_row_keys[] = {
	{.name = "amount", .type = KEY_TEXT, .required = true, .wrong = money_wrong},
	{.name = "proxyKey", .type = KEY_TEXT, .required = true},
	{.name = "referenceId", .type = KEY_TEXT, .wrong = wrong_reference},
	{.name = NULL},
};

static const Key load_keys[] = {
	{.name = "customerId", .type = KEY_NUMBER, .required = true, .known = "dash.customer_id"},
	{.name = "custProgId", .type = KEY_NUMBER, .required = true, .known = "dash.cust_prog_id"},
	{.name = "fundingId", .type = KEY_NUMBER, .required = true, .known = "dash.funding_id"},
	{.name = "orderDetails", .type = KEY_LIST, .required = true, .row = load_row_keys},
	{.name = NULL},
};

static const Key alert_keys[] = {
	{.name = "cpId", .type = KEY_TEXT, .required = true},
	{.name = "proxyKey", .type = KEY_TEXT, .required = true},
	{.name = "resendMethod", .type = KEY_TEXT, .required = true, .choices = "email,sms"},
	{.name = "alertType", .type = KEY_TEXT, .required = true, .choices = "Initial"},
	{.name = NULL},
};

/*
 * dash_card returns a card, and dash_entries what an order brought about, or NULL.  The
 * lock is held.
 */
json_t *
dash_card(const char *proxy_key)
{
	return json_object_get(cards, proxy_key);
}

json_t *
dash_entries(const char *order_id)
{
	return json_object_get(orders, order_id);
}

/*
 * succeed_order answers an order with what is known of its rows, which it takes over:
 * a single row may stand in the answer itself.
 */
static void
succeed_order(Answer *answer, json_t *order_id, json_t *rows)
{
	json_t *body = json_pack("{s:o}", "orderId", order_id);

	if (json_array_size(rows) == 1 && setting_is("dash.answer", "flat"))
		json_object_update(body, json_array_get(rows, 0));
	else if (json_array_size(rows) > 0)
		json_object_set(body, "orderDetails", rows);
	json_decref(rows);
	dash_succeed(answer, body);
}

/*
 * next_order returns the number of the next order.
 */
static json_t *
next_order(void)
{
	return json_sprintf("%zu", FIRST_ORDER + json_object_size(orders));
}

/*
 * next_card returns the proxyKey of the next card: 13 digits with a leading zero, all
 * different, for 3^18 has no factor in common with 10^9.
 */
static json_t *
next_card(void)
{
	uint64_t number = json_object_size(cards) + 1;

	return json_sprintf("0252%09" PRIu64, number * 387420489 % 1000000000);
}

/*
 * known_card returns the order of the card that somebody with this e-mail address or phone,
 * by the reading dash.recognises, has already, or NULL.  The lock is held.
 */
static json_t *
known_card(const json_t *row)
{
	char by[SETTING_SIZE];
	const char *key;
	json_t *card;
	const char *contact;

	setting_get("dash.recognises", by);
	contact = json_string_value(json_object_get(row, by));
	if (contact == NULL || *contact == '\0')
		return NULL;
	json_object_foreach (cards, key, card)
	{
		json_t *order = json_object_get(card, "order");

		if (strcmp(json_string_value(json_object_get(order, by)), contact) == 0)
			return order;
	}
	return NULL;
}

/*
 * set_expiry says when a card expires, where the setting dash.expires does.
 */
static void
set_expiry(json_t *entry)
{
	char expires[SETTING_SIZE];

	setting_get("dash.expires", expires);
	if (*expires != '\0')
		json_object_set_new(entry, "expirationDate", json_string(expires));
}

/*
 * dash_order_cards issues a card for each row.  Several are a batch, whose cards only
 * the order's details tell.
 */
void
dash_order_cards(const Request *request, Answer *answer)
{
	json_t *call = dash_open(request, order_keys, true, answer);
	json_t *rows = json_object_get(call, "orderDetails");
	json_t *results;
	json_t *order_id;
	json_t *row;
	size_t i;

	if (call == NULL)
		return;
	results = json_array();
	pthread_mutex_lock(&dash_lock);
	order_id = next_order();
	json_array_foreach (rows, i, row)
	{
		const json_t *known = known_card(row);
		json_t *entry;
		json_t *proxy_key;
		json_t *person_id;
		json_t *result;

		if (known != NULL)
		{
			json_array_append_new(results, json_pack("{s:O, s:o}", "proxyKey", json_object_get(known, "proxyKey"), "personId",
													 dash_shown(json_object_get(known, "personId"))));
			continue;
		}
		entry = json_copy(call);
		proxy_key = next_card();
		person_id = json_integer(FIRST_PERSON + (json_int_t) json_object_size(cards));
		json_object_del(entry, "orderDetails");
		json_object_update(entry, row);
		json_object_set(entry, "orderId", order_id);
		json_object_set(entry, "proxyKey", proxy_key);
		json_object_set(entry, "personId", person_id);
		set_expiry(entry);
		result = json_pack("{s:o, s:o}", "proxyKey", proxy_key, "personId", dash_shown(person_id));
		json_object_set(result, "expirationDate", json_object_get(entry, "expirationDate"));
		json_array_append_new(results, result);
		json_decref(person_id);
		ledger_write("order", "dash", entry);
	}
	pthread_mutex_unlock(&dash_lock);

	if (json_array_size(rows) > 1)
		json_array_clear(results);
	succeed_order(answer, dash_shown(order_id), results);
	json_decref(order_id);
	json_decref(call);
}

/*
 * dash_funding_left returns what a funding account has left.
 */
int64_t
dash_funding_left(const char *funding)
{
	char total[SETTING_SIZE];
	int64_t cents;

	setting_get("dash.funding_total", total);
	if (!money_read(total, &cents))
		return INT64_MAX;
	return cents - json_integer_value(json_object_get(spent, funding));
}

/*
 * can_load tells whether all rows of a load, or of an unload, can be applied.  The lock
 * is held.
 */
static bool
can_load(const json_t *call, const char *funding, bool back, Message message)
{
	json_t *program = json_object_get(call, "custProgId");
	int64_t sum = 0;
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(call, "orderDetails"), i, row)
	{
		const json_t *card = json_object_get(cards, json_string_value(json_object_get(row, "proxyKey")));
		int64_t cents = 0;

		if (!json_equal(json_object_get(json_object_get(card, "order"), "custProgId"), program))
		{
			snprintf(message, sizeof(Message), "orderDetails[%zu].proxyKey: is no card of this program", i);
			return false;
		}
		money_read(json_string_value(json_object_get(row, "amount")), &cents);
		sum += cents;
		if (back && cents > json_integer_value(json_object_get(card, "balance")))
		{
			snprintf(message, sizeof(Message), "orderDetails[%zu].amount: is not on the card", i);
			return false;
		}
	}
	if (!back && sum > dash_funding_left(funding))
	{
		strcpy(message, "fundingId: has insufficient funds");
		return false;
	}
	return true;
}

/*
 * move_money loads money on a card for each row, or takes it back: all, or none where
 * one cannot.
 */
static void
move_money(const Request *request, bool back, Answer *answer)
{
	json_t *call = dash_open(request, load_keys, true, answer);
	json_t *results;
	json_t *order_id;
	json_t *funding;
	json_t *row;
	const char *balance_key;
	size_t i;
	Message message;
	char currency[SETTING_SIZE];

	if (call == NULL)
		return;
	balance_key = setting_is("dash.balance", "balance") ? "balance" : "newBalance";
	funding = json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(call, "fundingId")));
	setting_get("dash.currency", currency);

	pthread_mutex_lock(&dash_lock);
	if (!can_load(call, json_string_value(funding), back, message))
	{
		pthread_mutex_unlock(&dash_lock);
		dash_refuse(answer, 400, message);
		json_decref(funding);
		json_decref(call);
		return;
	}
	results = json_array();
	order_id = next_order();
	json_array_foreach (json_object_get(call, "orderDetails"), i, row)
	{
		json_t *entry = json_copy(row);
		json_t *proxy_key = json_object_get(row, "proxyKey");
		json_t *card = json_object_get(cards, json_string_value(proxy_key));

		json_object_set_new(entry, "currency", json_string(currency));
		json_object_set(entry, "fundingId", funding);
		json_object_set(entry, "orderId", order_id);
		ledger_write(back ? "unload" : "load", "dash", entry);
		json_array_append_new(results,
							  json_pack("{s:O, s:o}", "proxyKey", proxy_key, balance_key,
										dash_shown_cents(json_integer_value(json_object_get(card, "balance")))));
	}
	pthread_mutex_unlock(&dash_lock);

	succeed_order(answer, dash_shown(order_id), results);
	json_decref(order_id);
	json_decref(funding);
	json_decref(call);
}

/*
 * dash_load_cards loads cards.
 */
void
dash_load_cards(const Request *request, Answer *answer)
{
	move_money(request, false, answer);
}

/*
 * dash_unload_cards takes money back from cards.
 */
void
dash_unload_cards(const Request *request, Answer *answer)
{
	move_money(request, true, answer);
}

/*
 * dash_alert sends a card's link to the patient again.
 */
void
dash_alert(const Request *request, Answer *answer)
{
	json_t *call = dash_open(request, alert_keys, true, answer);
	json_t *order;

	if (call == NULL)
		return;
	pthread_mutex_lock(&dash_lock);
	order = json_object_get(json_object_get(cards, json_string_value(json_object_get(call, "proxyKey"))), "order");
	if (order != NULL)
		ledger_write("alert", "dash", json_incref(call));
	pthread_mutex_unlock(&dash_lock);
	json_decref(call);
	if (order == NULL)
		dash_refuse(answer, 400, "proxyKey: is no card of this program");
	else
		dash_succeed(answer, json_pack("{}"));
}

/*
 * dash_update_cardholder changes what is known of a person.
 */
void
dash_update_cardholder(const Request *request, Answer *answer)
{
	json_t *call = dash_open(request, profile_keys, true, answer);
	json_int_t person;

	if (call == NULL)
		return;
	person = strtoll(json_string_value(json_object_get(call, "personId")), NULL, 10);
	pthread_mutex_lock(&dash_lock);
	if (person >= FIRST_PERSON && person < FIRST_PERSON + (json_int_t) json_object_size(cards))
	{
		ledger_write("profile", "dash", json_incref(call));
		dash_succeed(answer, json_pack("{}"));
	}
	else
		dash_refuse(answer, 400, "personId: is not known");
	pthread_mutex_unlock(&dash_lock);
	json_decref(call);
}

/*
 * dash_card_reset empties cards, orders and accounts.
 */
void
dash_card_reset(void)
{
	pthread_mutex_lock(&dash_lock);
	json_decref(cards);
	json_decref(orders);
	json_decref(spent);
	cards = json_object();
	orders = json_object();
	spent = json_object();
	pthread_mutex_unlock(&dash_lock);
}

/*
 * add_number adds to a number in an object, which is 0 where missing.
 */
static void
add_number(json_t *object, const char *name, json_int_t number)
{
	json_object_set_new(object, name, json_integer(json_integer_value(json_object_get(object, name)) + number));
}

/*
 * dash_card_replay brings cards, orders and accounts forward by an entry of the ledger.  The lock
 * is held, or the sandbox is starting.
 */
void
dash_card_replay(json_t *entry)
{
	const char *order_id = json_string_value(json_object_get(entry, "orderId"));
	const char *proxy_key = json_string_value(json_object_get(entry, "proxyKey"));
	const char *amount = json_string_value(json_object_get(entry, "amount"));
	const char *funding = json_string_value(json_object_get(entry, "fundingId"));
	bool back = strcmp(json_string_value(json_object_get(entry, "ledger")), "unload") == 0;
	json_t *card;
	int64_t cents;

	if (order_id == NULL)
		return;
	if (json_object_get(orders, order_id) == NULL)
		json_object_set_new(orders, order_id, json_array());
	json_array_append(json_object_get(orders, order_id), entry);

	if (amount == NULL)
	{
		card = json_pack("{s:O, s:[], s:[], s:i}", "order", entry, "loads", "unloads", "balance", 0);
		json_object_set_new(cards, proxy_key, card);
		return;
	}
	card = json_object_get(cards, proxy_key);
	json_array_append(json_object_get(card, back ? "unloads" : "loads"), entry);
	money_read(amount, &cents);
	add_number(card, "balance", back ? -cents : cents);
	add_number(spent, funding, back ? -cents : cents);
}
