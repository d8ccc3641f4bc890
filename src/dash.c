/*
 * dash.c
 *	  Dash, the card issuer: signing in, ordering a card, loading and unloading
 *	  it, sending its link again, and looking things up.
 *
 * Assumptions, where its document is silent: login is a POST of username and
 * password and answers a sessionId; an answer says "status": "success" or
 * "failure"; its other names stand anywhere in it; referenceId is allowed in a
 * load's row, and shown with it; order details show the loads of a card in a
 * list beside its proxyKey; unloadCards takes what loadCards takes; the lists of
 * customers, programs and accounts are under the same path as the orders; a
 * profile is sent like an order's row, with the personId as text.  Dash
 * recognises no repeated call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "partner.h"

/* An operation: what it is called with, and where. */
typedef struct Operation
{
	const char *name;
	bool get; /* with a query string; otherwise a POST of JSON */
	const char *path_setting;
	const char *path; /* after that */
	json_t *(*arguments)(const PartnerConfig *config, json_t *params);
	const char *rows; /* the fact that lists what the answer shows; NULL: none */
} Operation;

static bool build(const PartnerConfig *config, const char *operation, json_t *params, HttpRequest *request);
static const Operation *operation_named(const char *name);
static json_t *login_arguments(const PartnerConfig *config, json_t *params);
static json_t *order_arguments(const PartnerConfig *config, json_t *params);
static json_t *load_arguments(const PartnerConfig *config, json_t *params);
static json_t *details_arguments(const PartnerConfig *config, json_t *params);
static json_t *no_arguments(const PartnerConfig *config, json_t *params);
static json_t *customer_arguments(const PartnerConfig *config, json_t *params);
static json_t *card_arguments(const PartnerConfig *config, json_t *params);
static json_t *order_id_arguments(const PartnerConfig *config, json_t *params);
static json_t *alert_arguments(const PartnerConfig *config, json_t *params);
static json_t *profile_arguments(const PartnerConfig *config, json_t *params);
static void set_person(json_t *object, json_t *params);
static json_int_t program_of(json_t *params);
static bool add_session(const PartnerConfig *config, bool get, json_t *arguments, json_t *query, HttpRequest *request);
static bool address(const PartnerConfig *config, const Operation *operation, json_t *query, HttpRequest *request);
static char *join(const char *a, const char *b, const char *c);
static Verdict understand(const char *operation, json_t *params, json_t *answer, json_t *facts);
static Verdict understand_change(const char *operation, json_t *params, json_t *answer, json_t *facts);
static Verdict understand_rows(const char *rows, json_t *answer, json_t *facts);
static Verdict understand_loads(json_t *params, json_t *answer, json_t *facts);
static Verdict own_status(const json_t *answer);
static void add_rows(const char *rows, json_t *value, json_t *list);
static void count_statuses(json_t *value, int *accepted, int *refused);
static bool same_card(const json_t *shown, const char *proxy_key);
static json_t *loads_of(json_t *value, const char *proxy_key);
static json_t *load_facts(json_t *load);

static const PartnerSetting settings[] = {
	PARTNER_SETTINGS,
	{.name = "customer_id", .kind = SETTING_ID},
	{.name = "cust_prog_id", .kind = SETTING_ID},
	{.name = "funding_id", .kind = SETTING_ID},
	{.name = "currency", .kind = SETTING_CURRENCY, .initial = "\"USD\""},
	{.name = "login_path", .kind = SETTING_PATH, .initial = "\"/authendpoint/v1/login\""},
	{.name = "order_path", .kind = SETTING_PATH, .initial = "\"/orderendpoint/v1\""},
	{.name = "send_profile", .kind = SETTING_FLAG, .initial = "false"},
	{.name = "profile_path", .kind = SETTING_PATH, .initial = "\"/orderendpoint/v1/updateCardholder\""},
	{.name = "session_in", .kind = SETTING_TEXT, .initial = "\"header\"", .choices = "|header|body|query|"},
	{.name = "card_type", .kind = SETTING_TEXT, .initial = "\"Digital\"", .choices = "|Digital|Physical|"},
	{.name = "order_prod_type", .kind = SETTING_TEXT, .initial = "\"Personalized Payroll Order\""},
	{.name = "send_reference", .kind = SETTING_FLAG, .initial = "true"},
	{.name = "look_up", .kind = SETTING_FLAG, .initial = "true"},
	{.name = "settling", .kind = SETTING_NUMBER, .initial = "900", .least = 0, .most = 2592000},
	{.name = NULL},
};

static const PartnerSetting secrets[] = {
	{.name = "username", .kind = SETTING_TEXT},
	{.name = "password", .kind = SETTING_TEXT},
	{.name = "webhook_access_key", .kind = SETTING_TEXT, .optional = true},
	{.name = NULL},
};

const Partner dash_partner = {
	.name = "dash", .settings = settings, .secrets = secrets, .login = "login", .build = build, .read = understand};

static const Operation operations[] = {
	{"login", false, "login_path", "", login_arguments, NULL},
	{"order", false, "order_path", "/orderCards", order_arguments, NULL},
	{"load", false, "order_path", "/loadCards", load_arguments, NULL},
	{"unload", false, "order_path", "/unloadCards", load_arguments, NULL},
	{"look_up", true, "order_path", "/getOrderDetailsByOrderId", details_arguments, NULL},
	{"details", true, "order_path", "/getOrderDetailsByOrderId", details_arguments, "cards"},
	{"shipping", true, "order_path", "/getShippingInformation", card_arguments, "cards"},
	{"tracking", true, "order_path", "/getOrderTrackingInfo", order_id_arguments, "cards"},
	{"alert", true, "order_path", "/sendDigitalCardAlert", alert_arguments, NULL},
	{"profile", false, "profile_path", "", profile_arguments, NULL},
	{"customers", true, "order_path", "/getCustomerList", no_arguments, "customers"},
	{"programs", true, "order_path", "/getCustomerProgramList", customer_arguments, "programs"},
	{"accounts", true, "order_path", "/getAllVirtualAccountsByCustomer", customer_arguments, "accounts"},
	{.name = NULL},
};

static const char *const session_names[] = {"sessionId", NULL};
static const char *const message_names[] = {"message", "errorMessage", "error", "description", NULL};
static const char *const order_names[] = {"orderId", NULL};
static const char *const proxy_names[] = {"proxyKey", "panProxy", NULL};
static const char *const person_names[] = {"personId", NULL};
static const char *const balance_names[] = {"balance", NULL};
static const char *const loads_names[] = {"loads", "loadDetails", "transactions", NULL};
static const char *const reference_names[] = {"referenceId", NULL};
static const char *const amount_names[] = {"amount", "loadAmount", NULL};
static const char *const time_names[] = {"loadDate", "date", "time", "createdDate", NULL};
static const char *const customer_names[] = {"customerId", NULL};
static const char *const program_names[] = {"custProgId", "custProgramId", "customerProgramId", "cpId", NULL};
static const char *const account_names[] = {"fundingId", NULL};
static const char *const name_names[] = {"name", "customerName", "programName", "accountName", NULL};
static const char *const held_names[] = {"balance", "availableBalance", NULL};
static const char *const shipping_names[] = {"shippingStatus", NULL};
static const char *const carrier_names[] = {"carrier", NULL};
static const char *const tracking_names[] = {"trackingNumber", NULL};

/* What is shown of a row, by the fact that lists the rows; the first name makes it one. */
static const struct
{
	const char *rows;
	const char *fact;
	const char *const *names;
} row_facts[] = {
	{"cards", "proxy_key", proxy_names},
	{"cards", "person_id", person_names},
	{"cards", "shipping_status", shipping_names},
	{"cards", "carrier", carrier_names},
	{"cards", "tracking_number", tracking_names},
	{"customers", "id", customer_names},
	{"customers", "name", name_names},
	{"programs", "id", program_names},
	{"programs", "name", name_names},
	{"accounts", "id", account_names},
	{"accounts", "name", name_names},
	{"accounts", "balance", held_names},
};

/*
 * Fills in the request of an operation: see the operations for their params.
 */
static bool
build(const PartnerConfig *config, const char *name, json_t *params, HttpRequest *request)
{
	const Operation *operation = operation_named(name);
	json_t *arguments = operation == NULL ? NULL : operation->arguments(config, params);
	json_t *query = json_pack("{}");
	bool built = arguments != NULL && (operation->arguments == login_arguments ||
									   add_session(config, operation->get, arguments, query, request));

	if (built && operation->get)
		built = json_object_update(query, arguments) == 0;
	else if (built)
		built = (request->body = json_dumps(arguments, JSON_COMPACT)) != NULL;
	built = built && address(config, operation, query, request);
	json_decref(arguments);
	json_decref(query);
	return built;
}

/*
 * Returns the operation of that name, or NULL.
 */
static const Operation *
operation_named(const char *name)
{
	for (const Operation *operation = operations; operation->name != NULL; operation++)
		if (strcmp(operation->name, name) == 0)
			return operation;
	return NULL;
}

/*
 * login: no params.
 */
static json_t *
login_arguments(const PartnerConfig *config, json_t *params)
{
	(void) params;
	return json_pack("{s:O, s:O}", "username", json_object_get(config->secrets, "username"), "password",
					 json_object_get(config->secrets, "password"));
}

/*
 * order: one card; params program, first_name, last_name, phone, email.
 */
static json_t *
order_arguments(const PartnerConfig *config, json_t *params)
{
	json_t *row = json_pack("{}");

	set_person(row, params);
	return json_pack("{s:I, s:I, s:O, s:O, s:[o]}",
					 "custProgId", program_of(params),
					 "customerId", json_integer_value(json_object_get(config->settings, "customer_id")),
					 "orderProdType", json_object_get(config->settings, "order_prod_type"),
					 "cardType", json_object_get(config->settings, "card_type"),
					 "orderDetails", row);
}

/*
 * load, unload: one card, for a batch that half succeeds could not be told apart;
 * params program, proxy_key, amount, reference.
 */
static json_t *
load_arguments(const PartnerConfig *config, json_t *params)
{
	json_t *row = json_pack("{}");

	json_object_set(row, "amount", json_object_get(params, "amount"));
	json_object_set(row, "proxyKey", json_object_get(params, "proxy_key"));
	if (json_is_true(json_object_get(config->settings, "send_reference")))
		json_object_set(row, "referenceId", json_object_get(params, "reference"));
	return json_pack("{s:I, s:I, s:I, s:[o]}",
					 "customerId", json_integer_value(json_object_get(config->settings, "customer_id")),
					 "custProgId", program_of(params),
					 "fundingId", json_integer_value(json_object_get(config->settings, "funding_id")),
					 "orderDetails", row);
}

/*
 * customers: no params.
 */
static json_t *
no_arguments(const PartnerConfig *config, json_t *params)
{
	(void) config;
	(void) params;
	return json_pack("{}");
}

/*
 * programs, accounts: no params.
 */
static json_t *
customer_arguments(const PartnerConfig *config, json_t *params)
{
	(void) params;
	return json_pack("{s:o}", "customerId",
					 json_sprintf("%" JSON_INTEGER_FORMAT,
								  json_integer_value(json_object_get(config->settings, "customer_id"))));
}

/*
 * shipping: params program, proxy_key.
 */
static json_t *
card_arguments(const PartnerConfig *config, json_t *params)
{
	(void) config;
	return json_pack("{s:O, s:O}", "proxyKey", json_object_get(params, "proxy_key"), "customerProgramId",
					 json_object_get(params, "program"));
}

/*
 * tracking: params order_id.
 */
static json_t *
order_id_arguments(const PartnerConfig *config, json_t *params)
{
	(void) config;
	return json_pack("{s:O}", "orderId", json_object_get(params, "order_id"));
}

/*
 * alert: params program, proxy_key, method (email or sms).
 */
static json_t *
alert_arguments(const PartnerConfig *config, json_t *params)
{
	(void) config;
	return json_pack("{s:O, s:O, s:O, s:s}", "cpId", json_object_get(params, "program"), "proxyKey",
					 json_object_get(params, "proxy_key"), "resendMethod", json_object_get(params, "method"), "alertType",
					 "Initial");
}

/*
 * profile: what is known of a patient now; params program, proxy_key, person_id,
 * first_name, last_name, phone, email.
 */
static json_t *
profile_arguments(const PartnerConfig *config, json_t *params)
{
	json_t *arguments = json_pack("{s:I, s:I, s:O}",
								  "custProgId", program_of(params),
								  "customerId", json_integer_value(json_object_get(config->settings, "customer_id")),
								  "personId", json_object_get(params, "person_id"));

	set_person(arguments, params);
	return arguments;
}

/*
 * Adds name, phone and e-mail address.
 */
static void
set_person(json_t *object, json_t *params)
{
	static const char *const names[][2] = {
		{"firstName", "first_name"}, {"lastName", "last_name"}, {"phone", "phone"}, {"email", "email"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set(object, names[i][0], json_object_get(params, names[i][1]));
}

/*
 * Returns the number of the program, which the params have as text.
 */
static json_int_t
program_of(json_t *params)
{
	const char *program = json_string_value(json_object_get(params, "program"));

	return program == NULL ? 0 : strtoll(program, NULL, 10);
}

/*
 * look_up, details: by the order, if its number is known, or by the card; params
 * program, proxy_key, order_id.
 */
static json_t *
details_arguments(const PartnerConfig *config, json_t *params)
{
	json_t *order_id = json_object_get(params, "order_id");

	return json_string_length(order_id) > 0 ? order_id_arguments(config, params) : card_arguments(config, params);
}

/*
 * Puts the session where the setting session_in wants it; a GET has no body.
 */
static bool
add_session(const PartnerConfig *config, bool get, json_t *arguments, json_t *query, HttpRequest *request)
{
	const char *place = json_string_value(json_object_get(config->settings, "session_in"));

	if (strcmp(place, "header") == 0)
	{
		request->headers[0] = join("sessionId: ", config->session, "");
		return request->headers[0] != NULL;
	}
	return json_object_set_new(get || strcmp(place, "query") == 0 ? query : arguments, "sessionId",
							   json_string(config->session)) == 0;
}

/*
 * Sets the URL: base URL, a path that is a setting, the rest of the path, and
 * texts as a query string.
 */
static bool
address(const PartnerConfig *config, const Operation *operation, json_t *query, HttpRequest *request)
{
	char *url = join(config->base_url, json_string_value(json_object_get(config->settings, operation->path_setting)),
					 operation->path);
	const char *separator = "?";
	const char *name;
	json_t *value;

	json_object_foreach (query, name, value)
	{
		char *before = url;
		char *escaped = http_escape(json_string_value(value));
		char *pair = join(name, "=", escaped);

		url = join(before, separator, pair);
		separator = "&";
		free(before);
		free(escaped);
		free(pair);
	}
	request->url = url;
	return url != NULL;
}

/*
 * Returns three texts as one, from malloc, or NULL when one of them is NULL or
 * memory is short.
 */
static char *
join(const char *a, const char *b, const char *c)
{
	char *joined = a == NULL || b == NULL || c == NULL ? NULL : malloc(strlen(a) + strlen(b) + strlen(c) + 1);

	if (joined != NULL)
		strcat(strcat(strcpy(joined, a), b), c);
	return joined;
}

/*
 * Returns what an answer means.
 */
static Verdict
understand(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	const char *rows = operation_named(operation)->rows;

	partner_fact(facts, "message", answer, message_names);
	if (rows != NULL)
		return understand_rows(rows, answer, facts);
	return strcmp(operation, "look_up") == 0 ? understand_loads(params, answer, facts)
											 : understand_change(operation, params, answer, facts);
}

/*
 * Returns what the answer to a call that changes something means.  Statuses
 * that contradict each other are unclear; so is an order without the card's key,
 * for it could not be loaded, and an answer that speaks of another card than was
 * meant.
 */
static Verdict
understand_change(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	int accepted = 0;
	int refused = 0;
	bool complete = true;

	count_statuses(answer, &accepted, &refused);
	if (strcmp(operation, "login") == 0)
		complete = partner_fact(facts, "session", answer, session_names);
	else
	{
		partner_fact(facts, "order_id", answer, order_names);
		partner_fact(facts, "person_id", answer, person_names);
		partner_fact(facts, "balance", answer, balance_names);
		complete = partner_fact(facts, "proxy_key", answer, proxy_names);
	}
	if (json_object_get(params, "proxy_key") != NULL)
		complete = !complete || same_card(json_object_get(facts, "proxy_key"),
										  json_string_value(json_object_get(params, "proxy_key")));

	if (refused > 0)
		return accepted > 0 ? VERDICT_UNCLEAR : VERDICT_REFUSED;
	return accepted > 0 && complete ? VERDICT_ACCEPTED : VERDICT_UNCLEAR;
}

/*
 * Counts the statuses anywhere in an answer that mean success or failure.
 */
static void
count_statuses(json_t *value, int *accepted, int *refused)
{
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (value, i, member)
		count_statuses(member, accepted, refused);
	json_object_foreach (value, name, member)
	{
		const char *text = json_string_value(member);

		count_statuses(member, accepted, refused);
		if (strcasecmp(name, "status") != 0 || text == NULL)
			continue;
		*accepted += strcasecmp(text, "success") == 0;
		*refused += strcasecmp(text, "failure") == 0;
	}
}

/*
 * Returns whether a key that an answer shows is a card's: as a number it has
 * lost its leading zeros.
 */
static bool
same_card(const json_t *shown, const char *proxy_key)
{
	char number[32] = "";
	const char *text = json_is_string(shown) ? json_string_value(shown) : number;

	if (proxy_key == NULL || (!json_is_string(shown) && !json_is_integer(shown)))
		return false;
	if (json_is_integer(shown))
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(shown));
	return strcmp(text + strspn(text, "0"), proxy_key + strspn(proxy_key, "0")) == 0;
}

/*
 * Returns what the answer to a look-up means: its own status, for those within
 * may be of loads.  The fact "loads" is there only if each load of the card was
 * understood.
 */
static Verdict
understand_loads(json_t *params, json_t *answer, json_t *facts)
{
	json_t *listed = loads_of(answer, json_string_value(json_object_get(params, "proxy_key")));
	json_t *loads = json_array();
	json_t *load;
	size_t i;

	json_array_foreach (listed, i, load)
		json_array_append_new(loads, load_facts(load));
	if (listed != NULL && json_array_size(loads) == json_array_size(listed))
		json_object_set(facts, "loads", loads);
	json_decref(loads);
	return own_status(answer);
}

/*
 * Returns what an answer that shows rows means, which it says at its top, and
 * adds the rows to the facts.
 */
static Verdict
understand_rows(const char *rows, json_t *answer, json_t *facts)
{
	json_t *list = json_array();

	add_rows(rows, answer, list);
	json_object_set_new(facts, rows, list);
	return own_status(answer);
}

/*
 * Returns what an answer says at its top.
 */
static Verdict
own_status(const json_t *answer)
{
	const char *status = json_string_value(json_object_get(answer, "status"));

	if (status != NULL && strcasecmp(status, "success") == 0)
		return VERDICT_ACCEPTED;
	return status != NULL && strcasecmp(status, "failure") == 0 ? VERDICT_REFUSED : VERDICT_UNCLEAR;
}

/*
 * Adds the rows that a value holds, but not those within a row.
 */
static void
add_rows(const char *rows, json_t *value, json_t *list)
{
	const char *const *key = NULL;
	bool is_row = false;
	const char *name;
	json_t *member;
	json_t *row;
	size_t i;

	for (i = 0; key == NULL; i++)
		key = strcmp(row_facts[i].rows, rows) == 0 ? row_facts[i].names : NULL;
	json_array_foreach (value, i, member)
		add_rows(rows, member, list);
	json_object_foreach (value, name, member)
		is_row = is_row || partner_is_named(name, key);
	if (!is_row)
	{
		json_object_foreach (value, name, member)
			add_rows(rows, member, list);
		return;
	}
	row = json_pack("{}");
	for (i = 0; i < sizeof(row_facts) / sizeof(row_facts[0]); i++)
		if (strcmp(row_facts[i].rows, rows) == 0)
			partner_fact(row, row_facts[i].fact, value, row_facts[i].names);
	json_array_append_new(list, row);
}

/*
 * Returns the list of loads beside a card's key, anywhere in an answer, or NULL.
 */
static json_t *
loads_of(json_t *value, const char *proxy_key)
{
	json_t *found = NULL;
	json_t *key = NULL;
	json_t *list = NULL;
	const char *name;
	json_t *member;
	size_t i;

	json_array_foreach (value, i, member)
		found = found == NULL ? loads_of(member, proxy_key) : found;
	json_object_foreach (value, name, member)
	{
		if (partner_is_named(name, proxy_names))
			key = member;
		if (partner_is_named(name, loads_names) && json_is_array(member))
			list = member;
		found = found == NULL ? loads_of(member, proxy_key) : found;
	}
	return list != NULL && same_card(key, proxy_key) ? list : found;
}

/*
 * Returns a load by murallink's names, or NULL where its amount is not
 * understood or it is said to have failed.
 */
static json_t *
load_facts(json_t *load)
{
	json_t *facts = json_pack("{}");
	const char *amount;
	int accepted = 0;
	int refused = 0;

	count_statuses(load, &accepted, &refused);
	partner_fact(facts, "amount", load, amount_names);
	partner_fact(facts, "reference", load, reference_names);
	partner_fact(facts, "order_id", load, order_names);
	partner_fact(facts, "at", load, time_names);
	amount = json_string_value(json_object_get(facts, "amount"));
	if (refused == 0 && amount != NULL && *amount != '\0' && strspn(amount, "0123456789.") == strlen(amount) &&
		strchr(amount, '.') == strrchr(amount, '.') && strcmp(amount, ".") != 0)
		return facts;
	json_decref(facts);
	return NULL;
}
