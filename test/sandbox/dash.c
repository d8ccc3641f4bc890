/*
 * dash.c
 *		Dash, the card issuer: orders cards, loads money on them and takes it back, and tells
 *		of cards, programs and accounts.
 *
 * What its document leaves open is a setting: a reading that a client must cope with.
 * Dash never recognises a repeated call: it loads again.
 */
#include "sandbox.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/orderendpoint/v1"

#define FIRST_ORDER 70000001
#define FIRST_PERSON 5000001

/* What the ledger's entries add up to. */
static json_t *cards; /* by proxyKey: order (entry), loads (entries), balance (cents) */
static json_t *orders; /* by orderId: entries */
static json_t *spent; /* by fundingId: cents */

static json_t *asked; /* by orderId: calls for its details so far */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

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

/*
 * wrong_customer checks the number of a customer in a query string.
 */
static const char *
wrong_customer(const json_t *value)
{
	return setting_is("dash.customer_id", json_string_value(value)) ? NULL : "is not known";
}

static const Key login_keys[] = {
	{.name = "username", .type = KEY_TEXT, .required = true},
	{.name = "password", .type = KEY_TEXT, .required = true},
	{.name = NULL},
};

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
	{.name = "cardType", .type = KEY_TEXT, .required = true, .choices = "Digital,Physical"},
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

static const Key nothing_keys[] = {
	{.name = NULL},
};

static const Key customer_keys[] = {
	{.name = "customerId", .type = KEY_TEXT, .required = true, .wrong = wrong_customer},
	{.name = NULL},
};

static const Key alert_keys[] = {
	{.name = "cpId", .type = KEY_TEXT, .required = true},
	{.name = "proxyKey", .type = KEY_TEXT, .required = true},
	{.name = "resendMethod", .type = KEY_TEXT, .required = true, .choices = "email,sms"},
	{.name = "alertType", .type = KEY_TEXT, .required = true, .choices = "Initial"},
	{.name = NULL},
};

static const Key details_by_order_keys[] = {
	{.name = "orderId", .type = KEY_TEXT, .required = true},
	{.name = NULL},
};

static const Key details_by_card_keys[] = {
	{.name = "proxyKey", .type = KEY_TEXT, .required = true},
	{.name = "customerProgramId", .type = KEY_TEXT, .required = true},
	{.name = NULL},
};

/*
 * refuse answers a call that is not carried out.
 */
static void
refuse(Answer *answer, unsigned status, const char *message)
{
	answer_failure(answer, status == 400 && setting_is("dash.refusal", "200") ? 200 : status, message);
}

/*
 * succeed answers a call that was carried out; it takes the body over.
 */
static void
succeed(Answer *answer, json_t *body)
{
	json_t *success = json_pack("{s:s}", "status", "success");

	if (setting_is("dash.answer", "nested"))
		json_object_set(success, "data", body);
	else
		json_object_update(success, body);
	json_decref(body);
	answer_json(answer, 200, success);
	answer->done = true;
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
	succeed(answer, body);
}

/*
 * shown returns a value as answers show it.
 */
static json_t *
shown(json_t *value)
{
	return answer_number(value, "dash.numbers");
}

/*
 * shown_cents returns cents as answers show money.
 */
static json_t *
shown_cents(json_int_t cents)
{
	json_t *text = money_text(cents);
	json_t *value = shown(text);

	json_decref(text);
	return value;
}

/*
 * has_session tells whether a call has a good session where the reading wants it, and
 * takes it out of the call's object.
 */
static bool
has_session(const Request *request, json_t *object)
{
	unsigned calls = setting_number("dash.session_calls");
	unsigned ms = setting_number("dash.session_ms");
	const json_t *place = object;
	bool good;

	if (setting_is("dash.session", "header"))
		return session_use("dash", json_string_value(json_object_get(request->headers, "sessionid")), calls, ms);
	if (setting_is("dash.session", "query"))
		place = request->arguments;
	good = session_use("dash", json_string_value(json_object_get(place, "sessionId")), calls, ms);
	if (place == object || strcmp(request->method, "GET") == 0)
		json_object_del(object, "sessionId");
	return good;
}

/*
 * open_call returns the object that a call carries, checked against the keys, or NULL
 * with the refusal in the answer.
 */
static json_t *
open_call(const Request *request, const Key *keys, bool signed_in, Answer *answer)
{
	bool posted = strcmp(request->method, "POST") == 0;
	bool in_query = signed_in && setting_is("dash.session", "query");
	json_t *object;
	Message message;
	unsigned status = strict_read(request, &object, message);

	if (status == 0 && posted && json_object_size(request->arguments) != in_query)
	{
		strcpy(message, "query string: is not as expected");
		status = 400;
	}
	if (status == 0 && signed_in && !has_session(request, object))
	{
		strcpy(message, "sessionId: is missing or has expired");
		status = 401;
	}
	if (status == 0 && !strict_check(object, keys, message))
		status = 400;
	if (status == 0)
		return object;
	refuse(answer, status, message);
	json_decref(object);
	return NULL;
}

/*
 * run_login opens a session.
 */
static void
run_login(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, login_keys, false, answer);
	char session_id[SESSION_SIZE];

	if (call == NULL)
		return;
	if (!setting_is("dash.username", json_string_value(json_object_get(call, "username"))) ||
		!setting_is("dash.password", json_string_value(json_object_get(call, "password"))))
	{
		json_decref(call);
		refuse(answer, 401, "username or password is wrong");
		return;
	}
	json_decref(call);

	session_open("dash", 0, session_id);
	succeed(answer, json_pack("{s:s}", "sessionId", session_id));
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
 * run_order_cards issues a card for each row.  Several are a batch, whose cards only
 * the order's details tell.
 */
static void
run_order_cards(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, order_keys, true, answer);
	json_t *rows = json_object_get(call, "orderDetails");
	json_t *results;
	json_t *order_id;
	json_t *row;
	size_t i;

	if (call == NULL)
		return;
	results = json_array();
	pthread_mutex_lock(&lock);
	order_id = next_order();
	json_array_foreach (rows, i, row)
	{
		json_t *entry = json_copy(call);
		json_t *proxy_key = next_card();
		json_t *person_id = json_integer(FIRST_PERSON + (json_int_t) json_object_size(cards));

		json_object_del(entry, "orderDetails");
		json_object_update(entry, row);
		json_object_set(entry, "orderId", order_id);
		json_object_set(entry, "proxyKey", proxy_key);
		json_object_set(entry, "personId", person_id);
		json_array_append_new(results,
							  json_pack("{s:o, s:o}", "proxyKey", proxy_key, "personId", shown(person_id)));
		json_decref(person_id);
		ledger_write("order", "dash", entry);
	}
	pthread_mutex_unlock(&lock);

	if (json_array_size(rows) > 1)
		json_array_clear(results);
	succeed_order(answer, shown(order_id), results);
	json_decref(order_id);
	json_decref(call);
}

/*
 * funding_left returns what a funding account has left.
 */
static int64_t
funding_left(const char *funding)
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
	if (!back && sum > funding_left(funding))
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
	json_t *call = open_call(request, load_keys, true, answer);
	json_t *results;
	json_t *order_id;
	json_t *funding;
	json_t *row;
	size_t i;
	Message message;
	char currency[SETTING_SIZE];

	if (call == NULL)
		return;
	funding = json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(call, "fundingId")));
	setting_get("dash.currency", currency);

	pthread_mutex_lock(&lock);
	if (!can_load(call, json_string_value(funding), back, message))
	{
		pthread_mutex_unlock(&lock);
		refuse(answer, 400, message);
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
							  json_pack("{s:O, s:o}", "proxyKey", proxy_key, "balance",
										shown_cents(json_integer_value(json_object_get(card, "balance")))));
	}
	pthread_mutex_unlock(&lock);

	succeed_order(answer, shown(order_id), results);
	json_decref(order_id);
	json_decref(funding);
	json_decref(call);
}

/*
 * run_load_cards loads cards.
 */
static void
run_load_cards(const Request *request, Answer *answer)
{
	move_money(request, false, answer);
}

/*
 * run_unload_cards takes money back from cards.
 */
static void
run_unload_cards(const Request *request, Answer *answer)
{
	move_money(request, true, answer);
}

/*
 * load_details returns a load as order details show it.
 */
static json_t *
load_details(json_t *entry)
{
	json_t *details =
		json_pack("{s:o, s:O, s:O, s:O}", "orderId", shown(json_object_get(entry, "orderId")), "proxyKey",
				  json_object_get(entry, "proxyKey"), "amount", json_object_get(entry, "amount"), "loadDate",
				  json_object_get(entry, "time"));
	json_t *reference = json_object_get(entry, "referenceId");

	if (reference != NULL && setting_is("dash.details_loads", "reference"))
		json_object_set(details, "referenceId", reference);
	return details;
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
 * is_made tells whether the entries of an order have their keys: those of a batch only
 * after some calls for its details.
 */
static bool
is_made(const json_t *list)
{
	const char *order_id = json_string_value(json_object_get(json_array_get(list, 0), "orderId"));

	return json_array_size(list) == 1 ||
		   json_integer_value(json_object_get(asked, order_id)) > (json_int_t) setting_number("dash.bulk_calls");
}

/*
 * card_details returns a card as order details show it; one that is not made yet has
 * neither key nor balance.
 */
static json_t *
card_details(const json_t *entry, bool made)
{
	static const char *const names[] = {"firstName", "lastName", "phone", "email", "cardType", "proxyKey"};
	const json_t *card = json_object_get(cards, json_string_value(json_object_get(entry, "proxyKey")));
	json_t *details = json_object();
	json_t *load;
	size_t i;

	for (i = 0; i < lengthof(names) - !made; i++)
		json_object_set(details, names[i], json_object_get(entry, names[i]));
	if (!made)
		return details;
	json_object_set_new(details, "personId", shown(json_object_get(entry, "personId")));
	json_object_set_new(details, "balance", shown_cents(json_integer_value(json_object_get(card, "balance"))));
	if (!setting_is("dash.details_loads", "none"))
	{
		json_t *loads = json_array();

		json_array_foreach (json_object_get(card, "loads"), i, load)
		{
			json_array_append_new(loads, load_details(load));
		}
		json_object_set_new(details, "loads", loads);
	}
	return details;
}

/*
 * order_details returns entries of one order as order details show them, and counts the
 * call.
 */
static json_t *
order_details(const json_t *list)
{
	json_t *first = json_array_get(list, 0);
	json_t *rows = json_array();
	bool made;
	json_t *entry;
	size_t i;

	add_number(asked, json_string_value(json_object_get(first, "orderId")), 1);
	made = is_made(list);
	json_array_foreach (list, i, entry)
	{
		bool is_card = strcmp(json_string_value(json_object_get(entry, "ledger")), "order") == 0;

		json_array_append_new(rows, is_card ? card_details(entry, made) : load_details(entry));
	}
	return json_pack("{s:o, s:s, s:O, s:o}", "orderId", shown(json_object_get(first, "orderId")), "orderStatus",
					 made ? "Completed" : "Processing", "orderDate", json_object_get(first, "time"), "orderDetails",
					 rows);
}

/*
 * find_entries returns the entries that a call for details means, or NULL.
 */
static json_t *
find_entries(const json_t *call, bool by_card)
{
	const char *program = json_string_value(json_object_get(call, "customerProgramId"));
	const json_t *card = json_object_get(cards, json_string_value(json_object_get(call, "proxyKey")));
	json_t *order = json_object_get(card, "order");

	if (!by_card)
		return json_incref(json_object_get(orders, json_string_value(json_object_get(call, "orderId"))));
	if (order == NULL || strtoll(program, NULL, 10) != json_integer_value(json_object_get(order, "custProgId")))
		return NULL;
	return json_pack("[O]", order);
}

/*
 * run_order_details answers what an order brought about: by its orderId, or by one of
 * its cards, for the document says both.
 */
static void
run_order_details(const Request *request, Answer *answer)
{
	bool has_order = json_object_get(request->arguments, "orderId") != NULL;
	bool by_card = setting_is("dash.details_by", "either") ? !has_order : setting_is("dash.details_by", "card");
	json_t *call = open_call(request, by_card ? details_by_card_keys : details_by_order_keys, true, answer);
	json_t *list;
	json_t *details;

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	list = find_entries(call, by_card);
	details = list == NULL ? NULL : order_details(list);
	pthread_mutex_unlock(&lock);
	json_decref(list);
	json_decref(call);

	if (details == NULL)
		refuse(answer, 400, by_card ? "proxyKey: is no card of this program" : "orderId: is not known");
	else
		succeed(answer, details);
}

/*
 * run_list answers a list of what the settings say there is.
 */
static void
run_list(const Request *request, const Key *keys, const char *name, const char *setting, Answer *answer)
{
	json_t *call = open_call(request, keys, true, answer);
	json_t *list = json_array();
	char known[SETTING_SIZE];
	char *rest = known;
	char *id;

	if (call == NULL)
	{
		json_decref(list);
		return;
	}
	json_decref(call);
	setting_get(setting, known);
	pthread_mutex_lock(&lock);
	while ((id = strsep(&rest, ",")) != NULL)
	{
		json_t *row = json_pack("{s:I, s:s}", name, (json_int_t) strtoll(id, NULL, 10), "name", "Example");

		if (strcmp(name, "fundingId") == 0 && funding_left(id) != INT64_MAX)
			json_object_set_new(row, "balance", shown_cents(funding_left(id)));
		json_array_append_new(list, row);
	}
	pthread_mutex_unlock(&lock);
	succeed(answer, json_pack("{s:o}", "list", list));
}

/*
 * run_customers, run_programs and run_accounts answer what there is.
 */
static void
run_customers(const Request *request, Answer *answer)
{
	run_list(request, nothing_keys, "customerId", "dash.customer_id", answer);
}

static void
run_programs(const Request *request, Answer *answer)
{
	run_list(request, customer_keys, "custProgId", "dash.cust_prog_id", answer);
}

static void
run_accounts(const Request *request, Answer *answer)
{
	run_list(request, customer_keys, "fundingId", "dash.funding_id", answer);
}

/*
 * run_alert sends a card's link to the patient again.
 */
static void
run_alert(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, alert_keys, true, answer);
	json_t *order;

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	order = json_object_get(json_object_get(cards, json_string_value(json_object_get(call, "proxyKey"))), "order");
	if (order != NULL)
		ledger_write("alert", "dash", json_incref(call));
	pthread_mutex_unlock(&lock);
	json_decref(call);
	if (order == NULL)
		refuse(answer, 400, "proxyKey: is no card of this program");
	else
		succeed(answer, json_pack("{}"));
}

/*
 * run_update_cardholder changes what is known of a person.
 */
static void
run_update_cardholder(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, profile_keys, true, answer);
	json_int_t person;

	if (call == NULL)
		return;
	person = strtoll(json_string_value(json_object_get(call, "personId")), NULL, 10);
	pthread_mutex_lock(&lock);
	if (person >= FIRST_PERSON && person < FIRST_PERSON + (json_int_t) json_object_size(cards))
	{
		ledger_write("profile", "dash", json_incref(call));
		succeed(answer, json_pack("{}"));
	}
	else
		refuse(answer, 400, "personId: is not known");
	pthread_mutex_unlock(&lock);
	json_decref(call);
}

/*
 * shipment returns where a card is: only physical ones are sent, once they are made.
 */
static json_t *
shipment(const json_t *entry, bool made)
{
	json_t *proxy_key = json_object_get(entry, "proxyKey");

	if (!made)
		return json_pack("{s:s}", "shippingStatus", "Not shipped");
	if (strcmp(json_string_value(json_object_get(entry, "cardType")), "Physical") != 0)
		return json_pack("{s:O, s:s}", "proxyKey", proxy_key, "shippingStatus", "Not shipped");
	return json_pack("{s:O, s:s, s:s, s:o}", "proxyKey", proxy_key, "shippingStatus", "Shipped", "carrier", "USPS",
					 "trackingNumber", json_sprintf("9400%s", json_string_value(proxy_key)));
}

/*
 * run_shipments answers where the cards of an order are, or one card.
 */
static void
run_shipments(const Request *request, bool by_card, Answer *answer)
{
	json_t *call = open_call(request, by_card ? details_by_card_keys : details_by_order_keys, true, answer);
	json_t *rows = json_array();
	json_t *list;
	json_t *entry;
	size_t i;

	if (call != NULL)
	{
		pthread_mutex_lock(&lock);
		list = find_entries(call, by_card);
		json_array_foreach (list, i, entry)
		{
			json_array_append_new(rows, shipment(entry, is_made(list)));
		}
		pthread_mutex_unlock(&lock);
		if (list == NULL)
			refuse(answer, 400, by_card ? "proxyKey: is no card of this program" : "orderId: is not known");
		else
			succeed(answer, json_pack("{s:O}", "shipments", rows));
		json_decref(list);
	}
	json_decref(rows);
	json_decref(call);
}

/*
 * run_shipping and run_tracking answer where a card is, and the cards of an order.
 */
static void
run_shipping(const Request *request, Answer *answer)
{
	run_shipments(request, true, answer);
}

static void
run_tracking(const Request *request, Answer *answer)
{
	run_shipments(request, false, answer);
}

/*
 * reset empties cards, orders and accounts.
 */
static void
reset(void)
{
	pthread_mutex_lock(&lock);
	json_decref(cards);
	json_decref(orders);
	json_decref(spent);
	json_decref(asked);
	cards = json_object();
	orders = json_object();
	spent = json_object();
	asked = json_object();
	pthread_mutex_unlock(&lock);
}

/*
 * replay brings cards, orders and accounts forward by an entry of the ledger.  The lock
 * is held, or the sandbox is starting.
 */
static void
replay(json_t *entry)
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
		json_object_set_new(cards, proxy_key, json_pack("{s:O, s:[], s:i}", "order", entry, "loads", "balance", 0));
		return;
	}
	card = json_object_get(cards, proxy_key);
	if (!back)
		json_array_append(json_object_get(card, "loads"), entry);
	money_read(amount, &cents);
	add_number(card, "balance", back ? -cents : cents);
	add_number(spent, funding, back ? -cents : cents);
}

/*
 * wrong_total checks what the funding accounts were filled with: an amount, or
 * nothing for no limit.
 */
static const char *
wrong_total(const char *value)
{
	int64_t cents;

	return *value == '\0' || money_read(value, &cents) ? NULL : "must be an amount or empty";
}

static Setting settings[] = {
	{.name = "dash.username", .initial = "murallink"},
	{.name = "dash.password", .initial = "sandbox"},
	{.name = "dash.login_path", .initial = "/authendpoint/v1/login"},
	{.name = "dash.customer_id", .initial = "12345"},
	{.name = "dash.cust_prog_id", .initial = "987654"},
	{.name = "dash.funding_id", .initial = "54850"},
	{.name = "dash.funding_total", .initial = "", .wrong = wrong_total},
	{.name = "dash.currency", .initial = "USD"},
	{.name = "dash.session", .initial = "header", .choices = "header,body,query"},
	{.name = "dash.session_calls", .initial = "0", .wrong = setting_wrong_number},
	{.name = "dash.session_ms", .initial = "0", .wrong = setting_wrong_number},
	{.name = "dash.reference", .initial = "allowed", .choices = "allowed,refused"},
	{.name = "dash.refusal", .initial = "400", .choices = "400,200"},
	{.name = "dash.answer", .initial = "flat", .choices = "flat,nested"},
	{.name = "dash.numbers", .initial = "mixed", .choices = "mixed,text,number"},
	{.name = "dash.bulk_calls", .initial = "0", .wrong = setting_wrong_number},
	{.name = "dash.details_by", .initial = "either", .choices = "either,order,card"},
	{.name = "dash.details_loads", .initial = "reference", .choices = "reference,anonymous,none"},
	{.name = NULL},
};

static const Operation operations[] = {
	{.name = "dash.login", .method = "POST", .path_setting = "dash.login_path", .run = run_login},
	{.name = "dash.orderCards", .method = "POST", .path = PREFIX "/orderCards", .run = run_order_cards},
	{.name = "dash.loadCards", .method = "POST", .path = PREFIX "/loadCards", .run = run_load_cards},
	{.name = "dash.unloadCards", .method = "POST", .path = PREFIX "/unloadCards", .run = run_unload_cards},
	{.name = "dash.updateCardholder",
	 .method = "POST",
	 .path = PREFIX "/updateCardholder",
	 .run = run_update_cardholder},
	{.name = "dash.sendDigitalCardAlert", .method = "GET", .path = PREFIX "/sendDigitalCardAlert", .run = run_alert},
	{.name = "dash.getShippingInformation",
	 .method = "GET",
	 .path = PREFIX "/getShippingInformation",
	 .run = run_shipping},
	{.name = "dash.getOrderTrackingInfo",
	 .method = "GET",
	 .path = PREFIX "/getOrderTrackingInfo",
	 .run = run_tracking},
	{.name = "dash.getCustomerList", .method = "GET", .path = PREFIX "/getCustomerList", .run = run_customers},
	{.name = "dash.getCustomerProgramList",
	 .method = "GET",
	 .path = PREFIX "/getCustomerProgramList",
	 .run = run_programs},
	{.name = "dash.getAllVirtualAccountsByCustomer",
	 .method = "GET",
	 .path = PREFIX "/getAllVirtualAccountsByCustomer",
	 .run = run_accounts},
	{.name = "dash.getOrderDetailsByOrderId",
	 .method = "GET",
	 .path = PREFIX "/getOrderDetailsByOrderId",
	 .run = run_order_details},
	{.name = NULL},
};

static const Partner dash = {
	.name = "dash",
	.operations = operations,
	.settings = settings,
	.replay = replay,
	.reset = reset,
	.refuse = answer_failure,
};

PARTNER(dash)
