/*
 * relay.c
 *		Relay, which onboards patients and sends them a text message.
 *
 * What its document leaves open is a setting: a reading that a client must cope with.
 * Relay never recognises a repeated call: it texts the patient again.
 */
#include "sandbox.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* What the ledger's entries add up to, by ccid: group, and connections by number. */
static json_t *patients;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The keys that are inside customer, or beside it. */
static const char *const movable[] = {"addresses", "notification_channels", "ext", "powerups_parameters"};

/*
 * wrong_country checks a country: its longest length is 2, its example is USA.
 */
static const char *
wrong_country(const json_t *value)
{
	const char *text = json_string_value(value);

	for (const char *c = text; *c != '\0'; c++)
		if (!isalpha((unsigned char) *c))
			return "must be letters";
	return strlen(text) <= setting_number("relay.country") ? NULL : "is too long";
}

/*
 * wrong_number checks a telephone number of 10 digits, or of 11 with the country's 1.
 */
static const char *
wrong_number(const json_t *value)
{
	const char *text = json_string_value(value);

	return strlen(text) == 11 && *text != '1' ? "must begin with 1" : strict_digits(value);
}

static const Key launched_by_keys[] = {
	{.name = "lb_name", .type = KEY_TEXT, .most = 255},
	{.name = "lb_source", .type = KEY_TEXT, .most = 255},
	{.name = NULL},
};

static const Key input_keys[] = {
	{.name = "input_*", .type = KEY_TEXT, .most = 100},
	{.name = NULL},
};

static const Key address_keys[] = {
	{.name = "address1", .type = KEY_TEXT, .most = 100},
	{.name = "address2", .type = KEY_TEXT, .most = 100},
	{.name = "city", .type = KEY_TEXT, .most = 100},
	{.name = "state_province", .type = KEY_TEXT, .most = 2},
	{.name = "postal_code", .type = KEY_TEXT, .most = 10},
	{.name = "country", .type = KEY_TEXT, .wrong = wrong_country},
	{.name = NULL},
};

static const Key channel_keys[] = {
	{.name = "channel_type", .type = KEY_TEXT, .choices = "sms"},
	{.name = "channel_addr", .type = KEY_TEXT, .required = true, .least = 10, .most = 11, .wrong = wrong_number},
	{.name = "consent_type", .type = KEY_TEXT, .required = true, .choices = "written,express,stop"},
	{.name = "phone_type", .type = KEY_TEXT, .most = 10},
	{.name = NULL},
};

static const Key ext_keys[] = {
	{.name = "member_since", .type = KEY_TEXT},
	{.name = "membership_level", .type = KEY_TEXT},
	{.name = "renewal_date", .type = KEY_TEXT},
	{.name = NULL},
};

static const Key powerups_keys[] = {
	{.name = "*_first", .type = KEY_TEXT, .most = 100},
	{.name = "*_last", .type = KEY_TEXT, .most = 100},
	{.name = "*_line_1", .type = KEY_TEXT, .most = 100},
	{.name = "*_line_2", .type = KEY_TEXT, .most = 100},
	{.name = "*_city", .type = KEY_TEXT, .most = 100},
	{.name = "*_state", .type = KEY_TEXT, .most = 2},
	{.name = "*_zipcode", .type = KEY_TEXT, .most = 10},
	{.name = "*", .type = KEY_TEXT},
	{.name = NULL},
};

static const Key customer_keys[] = {
	{.name = "ccid", .type = KEY_TEXT, .required = true, .most = 100, .wrong = strict_blank},
	{.name = "secondary_account_id", .type = KEY_TEXT, .most = 100},
	{.name = "first_name", .type = KEY_TEXT, .most = 100},
	{.name = "middle_name", .type = KEY_TEXT, .most = 100},
	{.name = "last_name", .type = KEY_TEXT, .most = 100},
	{.name = "date_of_birth", .type = KEY_TEXT, .wrong = strict_date},
	{.name = "ssn_last4", .type = KEY_TEXT, .least = 4, .most = 4, .wrong = strict_digits},
	{.name = "gender", .type = KEY_TEXT, .most = 1},
	{.name = "addresses", .type = KEY_LIST, .row = address_keys},
	{.name = "notification_channels", .type = KEY_LIST, .row = channel_keys},
	{.name = "ext", .type = KEY_OBJECT, .row = ext_keys},
	{.name = "powerups_parameters", .type = KEY_OBJECT, .row = powerups_keys},
	{.name = NULL},
};

static const Key onboard_keys[] = {
	{.name = "trigger_id", .type = KEY_TEXT, .most = 100},
	{.name = "launched_by", .type = KEY_OBJECT, .row = launched_by_keys},
	{.name = "product_group_id", .type = KEY_TEXT, .required = true, .most = 100, .wrong = strict_blank},
	{.name = "deactivate_previous_connections", .type = KEY_FLAG},
	{.name = "input_parameters", .type = KEY_OBJECT, .row = input_keys},
	{.name = "asset_id", .type = KEY_TEXT, .most = 100},
	{.name = "client_message_tag", .type = KEY_TEXT, .most = 100},
	{.name = "customer", .type = KEY_OBJECT, .required = true, .row = customer_keys},
	{.name = NULL},
};

/*
 * refuse answers a call that is not carried out.
 */
static void
refuse(Answer *answer, unsigned status, const char *message)
{
	answer_json(answer, status, json_pack("{s:o}", "message", answer_message(message)));
}

/*
 * settle moves the keys that a client writes beside customer to where the document's
 * other reading has them.
 */
static bool
settle(json_t *call, Message message)
{
	json_t *customer = json_object_get(call, "customer");

	for (size_t i = 0; i < lengthof(movable) && setting_is("relay.nesting", "beside"); i++)
	{
		json_t *value = json_object_get(call, movable[i]);

		if (json_object_get(customer, movable[i]) != NULL)
		{
			snprintf(message, sizeof(Message), "customer.%s: is not known", movable[i]);
			return false;
		}
		if (value != NULL)
			json_object_set(customer, movable[i], value);
		json_object_del(call, movable[i]);
	}
	return true;
}

/*
 * open_call returns the object that a call carries, or NULL with the refusal in the
 * answer.
 */
static json_t *
open_call(const Request *request, Answer *answer)
{
	json_t *call = NULL;
	Message message;
	unsigned status;
	char client[SETTING_SIZE];
	char path[SETTING_SIZE + 32];

	setting_get("relay.client_id", client);
	snprintf(path, sizeof(path), "/cdm/client/%s/onboard", client);
	if (!strict_key(request, "xx-relay-api-key", "relay.api_key"))
	{
		refuse(answer, 401, "Unauthorized");
		return NULL;
	}
	if (strcmp(path, request->path) != 0)
	{
		refuse(answer, 404, "Not Found - The requested resource was not found. Please verify the route parameter.");
		return NULL;
	}
	status = strict_call(request, NULL, &call, message);
	if (status == 0 && (!settle(call, message) || !strict_check(call, onboard_keys, message)))
		status = 400;
	if (status == 0)
		return call;
	refuse(answer, status, message);
	json_decref(call);
	return NULL;
}

/*
 * full_number returns a telephone number with the country's 1.
 */
static json_t *
full_number(const json_t *channel)
{
	const char *number = json_string_value(json_object_get(channel, "channel_addr"));

	return json_sprintf("%s%s", strlen(number) == 10 ? "1" : "", number);
}

/*
 * number_kind returns what is found out about a number.
 */
static const char *
number_kind(const char *number)
{
	char listed[SETTING_SIZE];

	setting_get("relay.landlines", listed);
	if (list_has(listed, number))
		return "landline";
	setting_get("relay.unresolved", listed);
	return list_has(listed, number) ? "type-not-resolved" : "mobile";
}

/*
 * send_text texts a number, unless it is a landline.
 */
static void
send_text(const json_t *call, const char *number)
{
	static const char *const names[] = {"product_group_id", "trigger_id", "asset_id", "client_message_tag"};
	json_t *ccid = json_object_get(json_object_get(call, "customer"), "ccid");
	json_t *entry;

	if (strcmp(number_kind(number), "landline") == 0)
		return;
	entry = json_pack("{s:O, s:s}", "ccid", ccid, "number", number);
	for (size_t i = 0; i < lengthof(names); i++)
		if (json_object_get(call, names[i]) != NULL)
			json_object_set(entry, names[i], json_object_get(call, names[i]));
	ledger_write("text", "relay", entry);
}

/*
 * carry_out onboards a patient and texts the numbers that the call names, or those
 * known before where it names none.  Returns what was found out about the numbers.
 */
static json_t *
carry_out(json_t *call)
{
	json_t *customer = json_object_get(call, "customer");
	json_t *ccid = json_object_get(customer, "ccid");
	json_t *channels = json_object_get(customer, "notification_channels");
	json_t *results = json_object();
	json_t *entry = json_copy(call);
	json_t *known;
	const char *number;
	json_t *value;
	size_t i;

	json_object_set(entry, "ccid", ccid);
	ledger_write("onboard", "relay", entry);
	json_array_foreach (channels, i, value)
	{
		json_t *full = full_number(value);

		number = json_string_value(full);
		json_object_set_new(results, number, json_string(number_kind(number)));
		if (strcmp(json_string_value(json_object_get(value, "consent_type")), "stop") != 0)
			send_text(call, number);
		json_decref(full);
	}
	if (channels != NULL)
		return results;
	known = json_object_get(json_object_get(patients, json_string_value(ccid)), "connections");
	json_object_foreach (known, number, value)
	{
		send_text(call, number);
	}
	return results;
}

/*
 * is_elsewhere returns whether a patient is in another product group: one can be in a
 * single one.  The lock is held.
 */
static bool
is_elsewhere(const json_t *call)
{
	const char *ccid = json_string_value(json_object_get(json_object_get(call, "customer"), "ccid"));
	const json_t *group = json_object_get(json_object_get(patients, ccid), "group");

	return group != NULL && setting_is("relay.other_group", "refused") &&
		   !json_equal(group, json_object_get(call, "product_group_id"));
}

/*
 * run_onboard onboards a patient.
 */
static void
run_onboard(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, answer);
	json_t *results = NULL;

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	if (!is_elsewhere(call))
		results = carry_out(call);
	pthread_mutex_unlock(&lock);
	json_decref(call);

	if (results == NULL)
	{
		refuse(answer, 409, "Conflict - the patient is assigned to another product group");
		return;
	}
	answer_json(answer, 200, json_pack("{s:s, s:o}", "message", "Accepted", "mobile_analysis_results", results));
	answer->done = true;
}

/*
 * reset forgets all patients.
 */
static void
reset(void)
{
	pthread_mutex_lock(&lock);
	json_decref(patients);
	patients = json_object();
	pthread_mutex_unlock(&lock);
}

/*
 * replay brings patients forward by an entry of the ledger.  The lock is held, or the
 * sandbox is starting.
 */
static void
replay(json_t *entry)
{
	const char *ccid = json_string_value(json_object_get(entry, "ccid"));
	json_t *patient = json_object_get(patients, ccid);
	json_t *connections;
	json_t *channel;
	size_t i;

	if (strcmp(json_string_value(json_object_get(entry, "ledger")), "onboard") != 0)
		return;
	if (patient == NULL)
	{
		patient = json_pack("{s:{}}", "connections");
		json_object_set_new(patients, ccid, patient);
	}
	json_object_set(patient, "group", json_object_get(entry, "product_group_id"));
	connections = json_object_get(patient, "connections");
	if (json_is_true(json_object_get(entry, "deactivate_previous_connections")))
		json_object_clear(connections);
	json_array_foreach (json_object_get(json_object_get(entry, "customer"), "notification_channels"), i, channel)
	{
		json_t *number = full_number(channel);

		if (strcmp(json_string_value(json_object_get(channel, "consent_type")), "stop") == 0)
			json_object_del(connections, json_string_value(number));
		else
			json_object_set_new(connections, json_string_value(number), json_true());
		json_decref(number);
	}
}

static Setting settings[] = {
	{.name = "relay.api_key", .initial = "relay-key"},
	{.name = "relay.client_id", .initial = "murallink"},
	{.name = "relay.nesting", .initial = "inside", .choices = "inside,beside"},
	{.name = "relay.country", .initial = "2", .choices = "2,3"},
	{.name = "relay.other_group", .initial = "refused", .choices = "refused,allowed"},
	{.name = "relay.landlines", .initial = ""},
	{.name = "relay.unresolved", .initial = ""},
	{.name = NULL},
};

static const Operation operations[] = {
	{.name = "relay.onboard", .method = "POST", .path = "/cdm/client/*/onboard", .run = run_onboard},
	{.name = NULL},
};

static const Partner relay = {
	.name = "relay",
	.operations = operations,
	.settings = settings,
	.replay = replay,
	.reset = reset,
	.refuse = refuse,
};

PARTNER(relay)
