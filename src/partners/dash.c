/*
 * dash.c
 *	  Dash, the card issuer: login, card orders, loads and unloads, sending the
 *	  link of a card again, and look-ups.
 *
 * Assumptions where its document is silent: login is a POST of username and
 * password and answers a sessionId; an answer says "status": "success" or
 * "failure"; its other names may be at any depth; referenceId is allowed in
 * the row of a load, and shown with it; order details show the loads of a card
 * in a list beside its proxyKey, and unloads in another one; unloadCards takes
 * the same body as loadCards; the lists of customers, programs and accounts
 * are under the same path as the orders; a profile is sent like the row of an
 * order, with the personId as text; the details of a bulk order show each
 * row's names, phone or e-mail beside its proxyKey and personId once there are
 * any.  Dash does not recognize repeated calls.
 */
#include <stdlib.h>
#include <string.h>

#include "dash.h"

/* An operation and its request. */
typedef struct Operation
{
	const char *name;
	bool get; /* GET with a query string; otherwise POST of JSON */
	const char *path_setting;
	const char *path; /* after the path of the setting */
	json_t *(*arguments)(const PartnerConfig *config, json_t *params);
	const char *rows; /* the fact that lists the rows of the answer; NULL: none */
} Operation;

static bool build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				  HttpRequest *request);
static const Operation *operation_named(const char *name);
static json_t *login_arguments(const PartnerConfig *config, json_t *params);
static json_t *order_arguments(const PartnerConfig *config, json_t *params);
static json_t *bulk_order_arguments(const PartnerConfig *config, json_t *params);
static json_t *order_of(const PartnerConfig *config, json_t *params, json_t *rows);
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
	{.name = "card_type", .kind = SETTING_TEXT, .initial = "\"Digital\"", .choices = "|Digital|Physical|physical|"},
	{.name = "order_prod_type", .kind = SETTING_TEXT, .initial = "\"Personalized Payroll Order\""},
	{.name = "send_reference", .kind = SETTING_FLAG, .initial = "true"},
	{.name = "replacement_moves_balance", .kind = SETTING_FLAG, .initial = "false"},
	{.name = "look_up", .kind = SETTING_FLAG, .initial = "true"},
	{.name = "settling", .kind = SETTING_NUMBER, .initial = "900", .least = 0, .most = 2592000},
	{.name = "clock_tolerance", .kind = SETTING_NUMBER, .initial = "60", .least = 0, .most = 3600},
	{.name = "load_time_zone", .kind = SETTING_ZONE, .optional = true},
	{.name = NULL},
};

static const PartnerSetting secrets[] = {
	{.name = "username", .kind = SETTING_TEXT},
	{.name = "password", .kind = SETTING_TEXT},
	{.name = "webhook_access_key", .kind = SETTING_TEXT, .optional = true, .least = 16},
	{.name = NULL},
};

const Partner dash_partner = {
	.name = "dash", .settings = settings, .secrets = secrets, .login = "login", .build = build, .read = understand};

static const Operation operations[] = {
	{"login", false, "login_path", "", login_arguments, NULL},
	{"order", false, "order_path", "/orderCards", order_arguments, NULL},
	{"bulk_order", false, "order_path", "/orderCards", bulk_order_arguments, NULL},
	{"bulk_details", true, "order_path", "/getOrderDetailsByOrderId", order_id_arguments, "ordered"},
	{"load", false, "order_path", "/loadCards", load_arguments, NULL},
	{"unload", false, "order_path", "/unloadCards", load_arguments, NULL},
	{"unload_balance", false, "order_path", "/unloadCards", load_arguments, NULL},
	{"load_balance", false, "order_path", "/loadCards", load_arguments, NULL},
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

/*
 * Fills in the request of an operation: see the functions of the operations
 * for their params.
 */
static bool
build(const Partner *partner, const PartnerConfig *config, const char *name, json_t *params, HttpRequest *request)
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
	return order_of(config, params, json_pack("[o]", row));
}

/*
 * bulk_order: params program, and rows with first_name, last_name, phone, email.
 */
static json_t *
bulk_order_arguments(const PartnerConfig *config, json_t *params)
{
	json_t *rows = json_array();
	json_t *person;
	size_t i;

	json_array_foreach (json_object_get(params, "rows"), i, person)
	{
		json_t *row = json_pack("{}");

		set_person(row, person);
		json_array_append_new(rows, row);
	}
	return order_of(config, params, rows);
}

/*
 * Returns the body that orders cards for the rows, which it takes over.
 */
static json_t *
order_of(const PartnerConfig *config, json_t *params, json_t *rows)
{
	json_t *type = json_object_get(config->settings, "card_type");

	/* The document writes one type with a capital letter and the other without. */
	return json_pack("{s:I, s:I, s:O, s:o, s:o}",
					 "custProgId", program_of(params),
					 "customerId", json_integer_value(json_object_get(config->settings, "customer_id")),
					 "orderProdType", json_object_get(config->settings, "order_prod_type"),
					 "cardType", strcmp(json_string_value(type), "Physical") == 0 ? json_string("physical") : json_incref(type),
					 "orderDetails", rows);
}

/*
 * load, unload, load_balance, unload_balance: one card, because the answer to a batch that succeeds in part
 * could not be assigned; params program, proxy_key, amount, reference.
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
 * bulk_details, tracking: params order_id.
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
 * profile: the current data of a patient; params program, proxy_key,
 * person_id, first_name, last_name, phone, email.
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
 * Returns the number of the program, which is text in the params.
 */
static json_int_t
program_of(json_t *params)
{
	const char *program = json_string_value(json_object_get(params, "program"));

	return program == NULL ? 0 : strtoll(program, NULL, 10);
}

/*
 * look_up, details: by the number of the order if it is known, else by the
 * card; params program, proxy_key, order_id.
 */
static json_t *
details_arguments(const PartnerConfig *config, json_t *params)
{
	json_t *order_id = json_object_get(params, "order_id");

	return json_string_length(order_id) > 0 ? order_id_arguments(config, params) : card_arguments(config, params);
}

/*
 * Adds the session in the place that the setting session_in names; a GET has
 * no body.
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
 * Concatenates three texts, in memory from malloc.  Returns NULL if one of
 * them is NULL or memory is short.
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
	return dash_understand(operation, operation_named(operation)->rows, params, answer, facts);
}
