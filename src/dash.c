/*
 * dash.c
 *	  Dash, the card issuer: signing in, ordering a card, loading it.
 *
 * Assumptions, where its document is silent: login is a POST of username and
 * password and answers a sessionId; an answer says "status": "success" or
 * "failure"; its other names stand anywhere in it; referenceId is allowed in a
 * load's row.  Dash recognises no repeated call.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "partner.h"

static bool build(const PartnerConfig *config, const char *operation, json_t *params, HttpRequest *request);
static json_t *order_body(const PartnerConfig *config, json_t *params);
static json_t *load_body(const PartnerConfig *config, json_t *params);
static json_int_t program_of(json_t *params);
static bool address(const PartnerConfig *config, const char *path_setting, const char *path, HttpRequest *request);
static bool add_session(const PartnerConfig *config, json_t *body, HttpRequest *request);
static char *join(const char *a, const char *b, const char *c);
static Verdict understand(const char *operation, json_t *params, json_t *answer, json_t *facts);
static void count_statuses(json_t *value, int *accepted, int *refused);
static bool same_card(const char *a, const char *b);

static const PartnerSetting settings[] = {
	PARTNER_SETTINGS,
	{.name = "customer_id", .kind = SETTING_ID},
	{.name = "cust_prog_id", .kind = SETTING_ID},
	{.name = "funding_id", .kind = SETTING_ID},
	{.name = "currency", .kind = SETTING_TEXT, .initial = "\"USD\""},
	{.name = "login_path", .kind = SETTING_PATH, .initial = "\"/authendpoint/v1/login\""},
	{.name = "order_path", .kind = SETTING_PATH, .initial = "\"/orderendpoint/v1\""},
	{.name = "session_in", .kind = SETTING_TEXT, .initial = "\"header\"", .choices = "|header|body|query|"},
	{.name = "card_type", .kind = SETTING_TEXT, .initial = "\"Digital\"", .choices = "|Digital|Physical|"},
	{.name = "order_prod_type", .kind = SETTING_TEXT, .initial = "\"Personalized Payroll Order\""},
	{.name = "send_reference", .kind = SETTING_FLAG, .initial = "true"},
	{.name = NULL},
};

static const PartnerSetting secrets[] = {
	{.name = "username", .kind = SETTING_TEXT},
	{.name = "password", .kind = SETTING_TEXT},
	{.name = NULL},
};

const Partner dash_partner = {
	.name = "dash", .settings = settings, .secrets = secrets, .login = "login", .build = build, .read = understand};

static const char *const session_names[] = {"sessionId", NULL};
static const char *const message_names[] = {"message", "errorMessage", "error", "description", NULL};
static const char *const order_names[] = {"orderId", NULL};
static const char *const proxy_names[] = {"proxyKey", "panProxy", NULL};
static const char *const person_names[] = {"personId", NULL};
static const char *const balance_names[] = {"balance", NULL};

/*
 * Fills in the request of an operation: login; order (params program,
 * first_name, last_name, phone, email); load (params program, proxy_key,
 * amount, reference).
 */
static bool
build(const PartnerConfig *config, const char *operation, json_t *params, HttpRequest *request)
{
	json_t *body = NULL;
	bool built;

	if (strcmp(operation, "login") == 0)
	{
		body = json_copy(config->secrets);
		built = address(config, "login_path", "", request);
	}
	else if (strcmp(operation, "order") == 0)
	{
		body = order_body(config, params);
		built = address(config, "order_path", "/orderCards", request) && add_session(config, body, request);
	}
	else
	{
		body = load_body(config, params);
		built = address(config, "order_path", "/loadCards", request) && add_session(config, body, request);
	}
	request->body = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return built && request->body != NULL;
}

/*
 * Returns the body of an order for one card.  A missing param is an empty text.
 */
static json_t *
order_body(const PartnerConfig *config, json_t *params)
{
	static const char *const names[][2] = {
		{"firstName", "first_name"}, {"lastName", "last_name"}, {"phone", "phone"}, {"email", "email"}};
	json_t *row = json_pack("{}");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set(row, names[i][0], json_object_get(params, names[i][1]));
	return json_pack("{s:I, s:I, s:O, s:O, s:[o]}",
					 "custProgId", program_of(params),
					 "customerId", json_integer_value(json_object_get(config->settings, "customer_id")),
					 "orderProdType", json_object_get(config->settings, "order_prod_type"),
					 "cardType", json_object_get(config->settings, "card_type"),
					 "orderDetails", row);
}

/*
 * Returns the body of a load of one card: a batch that half succeeds could not
 * be told apart.
 */
static json_t *
load_body(const PartnerConfig *config, json_t *params)
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
 * Returns the number of the program, which the params have as text.
 */
static json_int_t
program_of(json_t *params)
{
	const char *program = json_string_value(json_object_get(params, "program"));

	return program == NULL ? 0 : strtoll(program, NULL, 10);
}

/*
 * Sets the URL: base URL, a path that is a setting, and the rest of the path.
 */
static bool
address(const PartnerConfig *config, const char *path_setting, const char *path, HttpRequest *request)
{
	request->url = join(config->base_url, json_string_value(json_object_get(config->settings, path_setting)), path);
	return request->url != NULL;
}

/*
 * Puts the session where the setting session_in wants it.
 */
static bool
add_session(const PartnerConfig *config, json_t *body, HttpRequest *request)
{
	const char *place = json_string_value(json_object_get(config->settings, "session_in"));
	char *session;
	char *url;

	if (strcmp(place, "body") == 0)
		return json_object_set_new(body, "sessionId", json_string(config->session)) == 0;
	if (strcmp(place, "header") == 0)
	{
		request->headers[0] = join("sessionId: ", config->session, "");
		return request->headers[0] != NULL;
	}
	session = http_escape(config->session);
	url = join(request->url, "?sessionId=", session);
	free(session);
	free(request->url);
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
 * Returns what an answer means.  Statuses that contradict each other are
 * unclear; so is an order without the card's key, for it could not be loaded,
 * and an answer that speaks of another card than was loaded.
 */
static Verdict
understand(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	int accepted = 0;
	int refused = 0;
	bool complete = true;

	count_statuses(answer, &accepted, &refused);
	partner_fact(facts, "message", answer, message_names);
	if (strcmp(operation, "login") == 0)
		complete = partner_fact(facts, "session", answer, session_names);
	else
	{
		partner_fact(facts, "order_id", answer, order_names);
		partner_fact(facts, "person_id", answer, person_names);
		partner_fact(facts, "balance", answer, balance_names);
		complete = partner_fact(facts, "proxy_key", answer, proxy_names);
	}
	if (strcmp(operation, "load") == 0)
		complete = !complete || same_card(json_string_value(json_object_get(facts, "proxy_key")),
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
 * Returns whether two keys are of one card: one of them may have been a number
 * on its way and have lost its leading zeros.
 */
static bool
same_card(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a + strspn(a, "0"), b + strspn(b, "0")) == 0;
}
