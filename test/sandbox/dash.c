/*
 * dash.c
 *		Dash, the card issuer: who may call, what answers look like, and which operations
 *		there are.
 *
 * What its document leaves open is a setting: a reading that a client must cope with.
 * Dash never recognises a repeated call: it loads again.
 */
#include "dash.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "/orderendpoint/v1"

static const Key login_keys[] = {
	{.name = "username", .type = KEY_TEXT, .required = true},
	{.name = "password", .type = KEY_TEXT, .required = true},
	{.name = NULL},
};

/*
 * dash_refuse answers a call that is not carried out.
 */
void
dash_refuse(Answer *answer, unsigned status, const char *message)
{
	answer_failure(answer, status == 400 && setting_is("dash.refusal", "200") ? 200 : status, message);
}

/*
 * dash_succeed answers a call that was carried out; it takes the body over.
 */
void
dash_succeed(Answer *answer, json_t *body)
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
 * dash_shown returns a value as answers show it.
 */
json_t *
dash_shown(json_t *value)
{
	return answer_number(value, "dash.numbers");
}

/*
 * dash_shown_cents returns cents as answers show money.
 */
json_t *
dash_shown_cents(json_int_t cents)
{
	json_t *text = money_text(cents);
	json_t *value = dash_shown(text);

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
 * dash_open returns the object that a call carries, checked against the keys, or NULL
 * with the refusal in the answer.
 */
json_t *
dash_open(const Request *request, const Key *keys, bool signed_in, Answer *answer)
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
	dash_refuse(answer, status, message);
	json_decref(object);
	return NULL;
}

/*
 * run_login opens a session.
 */
static void
run_login(const Request *request, Answer *answer)
{
	json_t *call = dash_open(request, login_keys, false, answer);
	char session_id[SESSION_SIZE];

	if (call == NULL)
		return;
	if (!setting_is("dash.username", json_string_value(json_object_get(call, "username"))) ||
		!setting_is("dash.password", json_string_value(json_object_get(call, "password"))))
	{
		json_decref(call);
		dash_refuse(answer, 401, "username or password is wrong");
		return;
	}
	json_decref(call);

	session_open("dash", 0, session_id);
	dash_succeed(answer, json_pack("{s:s}", "sessionId", session_id));
}

/*
 * reset empties cards, orders and accounts.
 */
static void
reset(void)
{
	dash_card_reset();
	dash_details_reset();
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

/*
 * wrong_zone checks how many minutes the clock of "local" is ahead of UTC.
 */
static const char *
wrong_zone(const char *value)
{
	return setting_wrong_number(value + (*value == '-'));
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
	{.name = "dash.balance", .initial = "newBalance", .choices = "newBalance,balance"},
	{.name = "dash.expires", .initial = ""},
	{.name = "dash.recognises", .initial = "nobody", .choices = "nobody,email,phone"},
	{.name = "dash.details_by", .initial = "either", .choices = "either,order,card"},
	{.name = "dash.details_loads", .initial = "reference", .choices = "reference,anonymous,none,empty,fees"},
	{.name = "dash.details_more", .initial = "false", .choices = "false,absent"},
	{.name = "dash.details_unloads", .initial = "reference", .choices = "reference,anonymous,none,empty"},
	{.name = "dash.load_time",
	 .initial = "loadDate",
	 .choices = "loadDate,timestamp,transactionDate,split,seconds,milliseconds,offset,local,day,absent"},
	{.name = "dash.load_zone", .initial = "0", .wrong = wrong_zone},
	{.name = NULL},
};

static const Operation operations[] = {
	{.name = "dash.login", .method = "POST", .path_setting = "dash.login_path", .run = run_login},
	{.name = "dash.orderCards", .method = "POST", .path = PREFIX "/orderCards", .run = dash_order_cards},
	{.name = "dash.loadCards", .method = "POST", .path = PREFIX "/loadCards", .run = dash_load_cards},
	{.name = "dash.unloadCards", .method = "POST", .path = PREFIX "/unloadCards", .run = dash_unload_cards},
	{.name = "dash.updateCardholder",
	 .method = "POST",
	 .path = PREFIX "/updateCardholder",
	 .run = dash_update_cardholder},
	{.name = "dash.sendDigitalCardAlert", .method = "GET", .path = PREFIX "/sendDigitalCardAlert", .run = dash_alert},
	{.name = "dash.getShippingInformation",
	 .method = "GET",
	 .path = PREFIX "/getShippingInformation",
	 .run = dash_shipping},
	{.name = "dash.getOrderTrackingInfo",
	 .method = "GET",
	 .path = PREFIX "/getOrderTrackingInfo",
	 .run = dash_tracking},
	{.name = "dash.getCustomerList", .method = "GET", .path = PREFIX "/getCustomerList", .run = dash_customers},
	{.name = "dash.getCustomerProgramList",
	 .method = "GET",
	 .path = PREFIX "/getCustomerProgramList",
	 .run = dash_programs},
	{.name = "dash.getAllVirtualAccountsByCustomer",
	 .method = "GET",
	 .path = PREFIX "/getAllVirtualAccountsByCustomer",
	 .run = dash_accounts},
	{.name = "dash.getOrderDetailsByOrderId",
	 .method = "GET",
	 .path = PREFIX "/getOrderDetailsByOrderId",
	 .run = dash_order_details},
	{.name = NULL},
};

static const Partner dash = {
	.name = "dash",
	.operations = operations,
	.settings = settings,
	.replay = dash_card_replay,
	.reset = reset,
	.refuse = answer_failure,
};

PARTNER(dash)
