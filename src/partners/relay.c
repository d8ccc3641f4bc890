/*
 * relay.c
 *	  Relay, which welcomes patients by SMS: its one operation.
 *
 * Assumptions where its document is silent: addresses, channels, ext and
 * power-ups are part of the customer; a country has two letters, as in its
 * length, not three, as in its example; a number of eleven digits begins with
 * 1; a text in ext, and in a power-up of no documented length, may have as
 * many characters as a text of ours; the journey of the setting
 * notice_trigger_id sends the texts input_message, input_message_2 and so on.
 */
#include <string.h>

#include "partner_field.h"
#include "phone.h"

static WrongKind number_wrong(json_t *channel, json_t *value);
static bool was_sent(json_t *params, const char *number);
static Verdict understand(const char *operation, json_t *params, json_t *answer, json_t *facts);

static const PartnerSetting settings[] = {
	PARTNER_SETTINGS,
	{.name = "client_id", .kind = SETTING_TEXT},
	{.name = "product_group_id", .kind = SETTING_TEXT},
	{.name = "trigger_id", .kind = SETTING_TEXT, .optional = true},
	{.name = "notice_trigger_id", .kind = SETTING_TEXT, .optional = true},
	{.name = "resend_after", .kind = SETTING_NUMBER, .optional = true, .least = 3600, .most = 86400}, /* notices */
	{.name = NULL},
};

static const PartnerSetting secrets[] = {
	{.name = "api_key", .kind = SETTING_TEXT},
	{.name = NULL},
};

static const FieldChoice channel_types[] = {{"sms", 0}, {NULL, 0}};
/* A patient who has said "stop", the document's third choice, must not be sent anything. */
static const FieldChoice consents[] = {{"written", 0}, {"express", 0}, {NULL, 0}};

static const PartnerField input_fields[] = {
	{.name = "input_*", .kind = FIELD_TEXT, .most = 100},
	{.name = NULL},
};

static const PartnerField ext_fields[] = {
	{.name = "*", .kind = FIELD_TEXT},
	{.name = NULL},
};

static const PartnerField powerup_fields[] = {
	{.name = "*_first", .kind = FIELD_TEXT, .most = 100},
	{.name = "*_last", .kind = FIELD_TEXT, .most = 100},
	{.name = "*_line_1", .kind = FIELD_TEXT, .most = 100},
	{.name = "*_line_2", .kind = FIELD_TEXT, .most = 100},
	{.name = "*_city", .kind = FIELD_TEXT, .most = 100},
	{.name = "*_state", .kind = FIELD_TEXT, .most = 2},
	{.name = "*_zipcode", .kind = FIELD_TEXT, .most = 10},
	{.name = "*", .kind = FIELD_TEXT},
	{.name = NULL},
};

static const PartnerField address_fields[] = {
	{.name = "address1", .wire = "address1", .kind = FIELD_TEXT, .most = 100},
	{.name = "address2", .wire = "address2", .kind = FIELD_TEXT, .most = 100},
	{.name = "city", .wire = "city", .kind = FIELD_TEXT, .most = 100},
	{.name = "state_province", .wire = "state_province", .kind = FIELD_TEXT, .most = 2},
	{.name = "postal_code", .wire = "postal_code", .kind = FIELD_TEXT, .most = 10},
	{.name = "country", .wire = "country", .kind = FIELD_CAPITALS, .least = 2, .most = 2},
	{.name = NULL},
};

static const PartnerField channel_fields[] = {
	{.name = "channel_type", .wire = "channel_type", .kind = FIELD_CHOICE, .choices = channel_types},
	{.name = "channel_addr",
	 .wire = "channel_addr",
	 .kind = FIELD_DIGITS,
	 .required = true,
	 .least = 10,
	 .most = 11,
	 .rule = number_wrong},
	{.name = "consent_type",
	 .wire = "consent_type",
	 .kind = FIELD_CHOICE,
	 .required = true,
	 .choices = consents},
	{.name = "phone_type", .wire = "phone_type", .kind = FIELD_TEXT, .most = 10},
	{.name = NULL},
};

static const PartnerField onboard_fields[] = {
	{.name = "client_id", .kind = FIELD_TEXT, .required = true, .setting = "client_id"},
	{.name = "trigger_id", .wire = "trigger_id", .kind = FIELD_TEXT, .most = 100, .setting = "trigger_id"},
	{.name = "lb_name", .wire = "launched_by.lb_name", .kind = FIELD_TEXT, .most = 255},
	{.name = "lb_source", .wire = "launched_by.lb_source", .kind = FIELD_TEXT, .most = 255},
	{.name = "product_group_id",
	 .wire = "product_group_id",
	 .kind = FIELD_TEXT,
	 .required = true,
	 .most = 100,
	 .setting = "product_group_id"},
	{.name = "deactivate_previous_connections", .wire = "deactivate_previous_connections", .kind = FIELD_FLAG},
	{.name = "input_parameters", .wire = "input_parameters", .kind = FIELD_MAP, .fields = input_fields},
	{.name = "asset_id", .wire = "asset_id", .kind = FIELD_TEXT, .most = 100},
	{.name = "client_message_tag", .wire = "client_message_tag", .kind = FIELD_TEXT, .most = 100},
	{.name = "ccid", .wire = "customer.ccid", .kind = FIELD_TEXT, .required = true, .most = 100},
	{.name = "secondary_account_id", .wire = "customer.secondary_account_id", .kind = FIELD_TEXT, .most = 100},
	{.name = "first_name", .wire = "customer.first_name", .kind = FIELD_TEXT, .most = 100},
	{.name = "middle_name", .wire = "customer.middle_name", .kind = FIELD_TEXT, .most = 100},
	{.name = "last_name", .wire = "customer.last_name", .kind = FIELD_TEXT, .most = 100},
	{.name = "date_of_birth", .wire = "customer.date_of_birth", .kind = FIELD_DATE},
	{.name = "ssn_last4", .wire = "customer.ssn_last4", .kind = FIELD_DIGITS, .least = 4, .most = 4},
	{.name = "gender", .wire = "customer.gender", .kind = FIELD_TEXT, .most = 1},
	{.name = "addresses", .wire = "customer.addresses", .kind = FIELD_ROWS, .fields = address_fields},
	{.name = "notification_channels",
	 .wire = "customer.notification_channels",
	 .kind = FIELD_ROWS,
	 .fields = channel_fields},
	{.name = "ext", .wire = "customer.ext", .kind = FIELD_MAP, .fields = ext_fields},
	{.name = "powerups_parameters",
	 .wire = "customer.powerups_parameters",
	 .kind = FIELD_MAP,
	 .fields = powerup_fields},
	{.name = NULL},
};

/* Not repeatable: another onboarding sends the patient another SMS. */
static const PartnerOperation operations[] = {
	{"onboard", "POST", "/cdm/client/{client_id}/onboard", onboard_fields, false},
	{.name = NULL},
};

const Partner relay_partner = {.name = "relay",
							   .settings = settings,
							   .secrets = secrets,
							   .operations = operations,
							   .key_header = "xx-relay-api-key",
							   .conflict_refuses = true,
							   .build = fields_request,
							   .read = understand};

static const char *const message_names[] = {"message", "error", "errorMessage", "description", NULL};

/*
 * Checks that a number is North American, with or without its 1.
 */
static WrongKind
number_wrong(json_t *channel, json_t *value)
{
	(void) channel;
	return phone_north_american(json_string_value(value) + (json_string_value(value)[0] == '1')) ? WRONG_NOTHING
																								 : WRONG_VALUE;
}

/*
 * Returns what an answer means: errors have a message, too.  The fact
 * "numbers" has the result for each number that was sent.
 */
static Verdict
understand(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	json_t *analysis = json_object_get(answer, "mobile_analysis_results");
	const char *message = json_string_value(json_object_get(answer, "message"));
	json_t *numbers = json_pack("{}");
	const char *number;
	json_t *result;

	(void) operation;
	partner_words(facts, "message", answer, message_names);
	json_object_foreach (analysis, number, result)
	{
		const char *const names[] = {number, NULL};

		if (strspn(number, "0123456789") == strlen(number) && was_sent(params, number))
			partner_fact(numbers, number, analysis, names);
	}
	json_object_set_new(facts, "numbers", numbers);
	return json_object_size(analysis) > 0 || (message != NULL && partner_same_word(message, "accepted")) ? VERDICT_ACCEPTED
																										 : VERDICT_UNCLEAR;
}

/*
 * Returns whether a number, with or without its 1, is one that was sent.
 */
static bool
was_sent(json_t *params, const char *number)
{
	json_t *channel;
	size_t i;

	json_array_foreach (json_object_get(params, "notification_channels"), i, channel)
	{
		const char *sent = json_string_value(json_object_get(channel, "channel_addr"));

		if (sent != NULL && strcmp(sent + (sent[0] == '1'), number + (number[0] == '1')) == 0)
			return true;
	}
	return false;
}
