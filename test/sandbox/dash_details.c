/*
 * dash_details.c
 *		What Dash tells: of orders, of cards on their way, and of customers, programs and
 *		accounts.
 */
#include "dash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *asked; /* by orderId: calls for its details so far */

/*
 * wrong_customer checks the number of a customer in a query string.
 */
static const char *
wrong_customer(const json_t *value)
{
	return setting_is("dash.customer_id", json_string_value(value)) ? NULL : "is not known";
}

static const Key nothing_keys[] = {
	{.name = NULL},
};

static const Key customer_keys[] = {
	{.name = "customerId", .type = KEY_TEXT, .required = true, .wrong = wrong_customer},
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
 * show_time adds the time of a load to its details, in the way that the reading says: the
 * document shows none.
 */
static void
show_time(json_t *details, const json_t *entry)
{
	const char *time = json_string_value(json_object_get(entry, "time"));
	char reading[SETTING_SIZE];
	char zone[SETTING_SIZE];
	char text[64];
	struct tm tm = {0};
	time_t moment;
	long ahead;

	setting_get("dash.load_time", reading);
	setting_get("dash.load_zone", zone);
	strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);
	moment = timegm(&tm);
	ahead = strtol(zone, NULL, 10);
	if (strcmp(reading, "offset") == 0 || strcmp(reading, "local") == 0 || strcmp(reading, "split") == 0)
	{
		moment += ahead * 60;
		gmtime_r(&moment, &tm);
	}
	if (strcmp(reading, "loadDate") == 0 || strcmp(reading, "timestamp") == 0 || strcmp(reading, "transactionDate") == 0)
		json_object_set_new(details, reading, json_string(time));
	else if (strcmp(reading, "seconds") == 0 || strcmp(reading, "milliseconds") == 0)
		json_object_set_new(details, "timestamp", json_integer(*reading == 's' ? moment : moment * 1000));
	else if (strcmp(reading, "offset") == 0)
	{
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		json_object_set_new(details, "loadDate",
							json_sprintf("%s%c%02ld:%02ld", text, ahead < 0 ? '-' : '+', labs(ahead) / 60, labs(ahead) % 60));
	}
	else if (strcmp(reading, "local") == 0)
	{
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		json_object_set_new(details, "loadDate", json_string(text));
	}
	else if (strcmp(reading, "absent") != 0)
	{
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
		json_object_set_new(details, "date", json_string(text));
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
		if (strcmp(reading, "split") == 0)
			json_object_set_new(details, "time", json_string(text));
	}
}

/*
 * load_details returns a load, or an unload, as order details show it; what is shown of
 * them is a setting.
 */
static json_t *
load_details(json_t *entry, const char *setting)
{
	json_t *details = json_pack("{s:o, s:O, s:O}", "orderId", dash_shown(json_object_get(entry, "orderId")), "proxyKey",
								json_object_get(entry, "proxyKey"), "amount", json_object_get(entry, "amount"));
	json_t *reference = json_object_get(entry, "referenceId");

	show_time(details, entry);
	if (reference != NULL && setting_is(setting, "reference"))
		json_object_set(details, "referenceId", reference);
	return details;
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
	json_t *expires = json_object_get(entry, "expirationDate");
	const json_t *card = dash_card(json_string_value(json_object_get(entry, "proxyKey")));
	json_t *details = json_object();
	json_t *load;
	size_t i;

	for (i = 0; i < lengthof(names) - !made; i++)
		json_object_set(details, names[i], json_object_get(entry, names[i]));
	if (!made)
		return details;
	json_object_set_new(details, "personId", dash_shown(json_object_get(entry, "personId")));
	if (expires != NULL)
		json_object_set(details, "expirationDate", expires);
	json_object_set_new(details, "balance", dash_shown_cents(json_integer_value(json_object_get(card, "balance"))));
	if (!setting_is("dash.details_loads", "none"))
	{
		json_t *loads = json_array();

		if (setting_is("dash.details_loads", "fees"))
			json_array_append_new(loads, json_pack("{s:s, s:s, s:s}", "amount", "4.95", "status", "success", "description",
												   "card fee"));
		else if (!setting_is("dash.details_loads", "empty"))
			json_array_foreach (json_object_get(card, "loads"), i, load)
			{
				json_array_append_new(loads, load_details(load, "dash.details_loads"));
			}
		json_object_set_new(details, setting_is("dash.details_loads", "fees") ? "transactions" : "loads", loads);
		if (setting_is("dash.details_more", "false"))
			json_object_set_new(details, "hasMore", json_false());
	}
	if (!setting_is("dash.details_unloads", "none"))
	{
		json_t *unloads = json_array();

		if (!setting_is("dash.details_unloads", "empty"))
			json_array_foreach (json_object_get(card, "unloads"), i, load)
			{
				json_array_append_new(unloads, load_details(load, "dash.details_unloads"));
			}
		json_object_set_new(details, "unloads", unloads);
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
	const char *order_id = json_string_value(json_object_get(first, "orderId"));
	json_t *rows = json_array();
	bool made;
	json_t *entry;
	size_t i;

	json_object_set_new(asked, order_id, json_integer(json_integer_value(json_object_get(asked, order_id)) + 1));
	made = is_made(list);
	json_array_foreach (list, i, entry)
	{
		bool is_card = strcmp(json_string_value(json_object_get(entry, "ledger")), "order") == 0;

		json_array_append_new(rows, is_card ? card_details(entry, made) : load_details(entry, "dash.details_loads"));
	}
	return json_pack("{s:o, s:s, s:O, s:o}", "orderId", dash_shown(json_object_get(first, "orderId")), "orderStatus",
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
	const json_t *card = dash_card(json_string_value(json_object_get(call, "proxyKey")));
	json_t *order = json_object_get(card, "order");

	if (!by_card)
		return json_incref(dash_entries(json_string_value(json_object_get(call, "orderId"))));
	if (order == NULL || strtoll(program, NULL, 10) != json_integer_value(json_object_get(order, "custProgId")))
		return NULL;
	return json_pack("[O]", order);
}

/*
 * dash_order_details answers what an order brought about: by its orderId, or by one of
 * its cards, for the document says both.
 */
void
dash_order_details(const Request *request, Answer *answer)
{
	bool has_order = json_object_get(request->arguments, "orderId") != NULL;
	bool by_card = setting_is("dash.details_by", "either") ? !has_order : setting_is("dash.details_by", "card");
	json_t *call = dash_open(request, by_card ? details_by_card_keys : details_by_order_keys, true, answer);
	json_t *list;
	json_t *details;

	if (call == NULL)
		return;
	pthread_mutex_lock(&dash_lock);
	list = find_entries(call, by_card);
	details = list == NULL ? NULL : order_details(list);
	pthread_mutex_unlock(&dash_lock);
	json_decref(list);
	json_decref(call);

	if (details == NULL)
		dash_refuse(answer, 400, by_card ? "proxyKey: is no card of this program" : "orderId: is not known");
	else
		dash_succeed(answer, details);
}

/*
 * run_list answers a list of what the settings say there is.
 */
static void
run_list(const Request *request, const Key *keys, const char *name, const char *setting, Answer *answer)
{
	json_t *call = dash_open(request, keys, true, answer);
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
	pthread_mutex_lock(&dash_lock);
	while ((id = strsep(&rest, ",")) != NULL)
	{
		json_t *row = json_pack("{s:I, s:s}", name, (json_int_t) strtoll(id, NULL, 10), "name", "Example");

		if (strcmp(name, "fundingId") == 0 && dash_funding_left(id) != INT64_MAX)
			json_object_set_new(row, "balance", dash_shown_cents(dash_funding_left(id)));
		json_array_append_new(list, row);
	}
	pthread_mutex_unlock(&dash_lock);
	dash_succeed(answer, json_pack("{s:o}", "list", list));
}

/*
 * dash_customers, dash_programs and dash_accounts answer what there is.
 */
void
dash_customers(const Request *request, Answer *answer)
{
	run_list(request, nothing_keys, "customerId", "dash.customer_id", answer);
}

void
dash_programs(const Request *request, Answer *answer)
{
	run_list(request, customer_keys, "custProgId", "dash.cust_prog_id", answer);
}

void
dash_accounts(const Request *request, Answer *answer)
{
	run_list(request, customer_keys, "fundingId", "dash.funding_id", answer);
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
	if (strcmp(json_string_value(json_object_get(entry, "cardType")), "physical") != 0)
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
	json_t *call = dash_open(request, by_card ? details_by_card_keys : details_by_order_keys, true, answer);
	json_t *rows = json_array();
	json_t *list;
	json_t *entry;
	size_t i;

	if (call != NULL)
	{
		pthread_mutex_lock(&dash_lock);
		list = find_entries(call, by_card);
		json_array_foreach (list, i, entry)
		{
			json_array_append_new(rows, shipment(entry, is_made(list)));
		}
		pthread_mutex_unlock(&dash_lock);
		if (list == NULL)
			dash_refuse(answer, 400, by_card ? "proxyKey: is no card of this program" : "orderId: is not known");
		else
			dash_succeed(answer, json_pack("{s:O}", "shipments", rows));
		json_decref(list);
	}
	json_decref(rows);
	json_decref(call);
}

/*
 * dash_shipping and dash_tracking answer where a card is, and the cards of an order.
 */
void
dash_shipping(const Request *request, Answer *answer)
{
	run_shipments(request, true, answer);
}

void
dash_tracking(const Request *request, Answer *answer)
{
	run_shipments(request, false, answer);
}

/*
 * dash_details_reset forgets how often was asked.
 */
void
dash_details_reset(void)
{
	pthread_mutex_lock(&dash_lock);
	json_decref(asked);
	asked = json_object();
	pthread_mutex_unlock(&dash_lock);
}
