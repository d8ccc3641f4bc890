/*
 * inside_rx.c
 *	  Inside Rx, the pharmacy programme: creates and updates enrollments of
 *	  cards and persons, and deactivates them.
 *
 * Assumptions where its document is silent: bodies are JSON, as its header
 * says, not forms, as its examples show; the key of an enrollment is memberId,
 * group and subId, so that repeating a request changes nothing; an update
 * without "active" could activate it again, so "active" is required; a state
 * is two capital letters; "already exists" is recognized by its words, because
 * it has no code.
 */
#include <string.h>

#include "partner_field.h"

static WrongKind active_wrong(json_t *params, json_t *value);
static bool build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				  HttpRequest *request);
static Verdict understand(const char *operation, json_t *params, json_t *answer, json_t *facts);
static bool same(json_t *asked, json_t *answered);

static const PartnerSetting settings[] = {
	PARTNER_SETTINGS,
	{.name = "group", .kind = SETTING_TEXT},
	{.name = NULL},
};

static const PartnerSetting secrets[] = {
	{.name = "api_key", .kind = SETTING_TEXT},
	{.name = NULL},
};

static const FieldChoice actions[] = {{"create", 0}, {"update", 0}, {NULL, 0}};
static const FieldChoice genders[] = {{"unknown", 0}, {"male", 0}, {"female", 0}, {NULL, 0}};

static const PartnerField address_fields[] = {
	{.name = "line1", .wire = "line1", .kind = FIELD_TEXT},
	{.name = "line2", .wire = "line2", .kind = FIELD_TEXT},
	{.name = "city", .wire = "city", .kind = FIELD_TEXT},
	{.name = "state",
	 .wire = "state",
	 .kind = FIELD_CAPITALS,
	 .least = 2,
	 .most = 2,
	 .code = "ADDRESS_STATE_INCORRECT_OR_MISSING"},
	{.name = "zip",
	 .wire = "zip",
	 .kind = FIELD_DIGITS,
	 .least = 5,
	 .most = 5,
	 .code = "ADDRESS_ZIP_INCORRECT_OR_MISSING"},
	{.name = "zip_extension",
	 .wire = "zipExtension",
	 .kind = FIELD_DIGITS,
	 .least = 4,
	 .most = 4,
	 .code = "ADDRESS_ZIP_EXT_INCORRECT_OR_MISSING"},
	{.name = NULL},
};

/*
 * The fields of both operations, in the document's order; a person's name and
 * date of birth are required.  or_update is ours: if the enrollment exists
 * already, it is updated.
 */
#define ENROLL_FIELDS(person)                                                                                          \
	{.name = "action",                                                                                                 \
	 .wire = "action",                                                                                                 \
	 .kind = FIELD_CHOICE,                                                                                             \
	 .required = true,                                                                                                 \
	 .choices = actions,                                                                                               \
	 .code = "ACTION_INCORRECT_OR_MISSING"},                                                                           \
		{.name = "active",                                                                                             \
		 .wire = "active",                                                                                             \
		 .kind = FIELD_FLAG,                                                                                           \
		 .rule = active_wrong,                                                                                         \
		 .code = "ACTIVE_INCORRECT_OR_MISSING"},                                                                       \
		{.name = "member_id",                                                                                          \
		 .wire = "memberId",                                                                                           \
		 .kind = FIELD_TEXT,                                                                                           \
		 .required = true,                                                                                             \
		 .code = "MEMBER_ID_INCORRECT_OR_MISSING"},                                                                    \
		{.name = "group",                                                                                              \
		 .wire = "group",                                                                                              \
		 .kind = FIELD_TEXT,                                                                                           \
		 .required = true,                                                                                             \
		 .setting = "group",                                                                                           \
		 .code = "GROUP_INCORRECT_OR_MISSING"},                                                                        \
		{.name = "sub_id", .wire = "subId", .kind = FIELD_TEXT},                                                       \
		{.name = "first_name",                                                                                         \
		 .wire = "firstName",                                                                                          \
		 .kind = FIELD_TEXT,                                                                                           \
		 .required = (person),                                                                                         \
		 .code = "FIRST_NAME_INCORRECT_OR_MISSING"},                                                                   \
		{.name = "middle_name", .wire = "middleName", .kind = FIELD_TEXT},                                             \
		{.name = "last_name",                                                                                          \
		 .wire = "lastName",                                                                                           \
		 .kind = FIELD_TEXT,                                                                                           \
		 .required = (person),                                                                                         \
		 .code = "LAST_NAME_INCORRECT_OR_MISSING"},                                                                    \
		{.name = "suffix", .wire = "suffix", .kind = FIELD_TEXT},                                                      \
		{.name = "gender",                                                                                             \
		 .wire = "gender",                                                                                             \
		 .kind = FIELD_CHOICE,                                                                                         \
		 .choices = genders,                                                                                           \
		 .code = "GENDER_INCORRECT_OR_MISSING"},                                                                       \
		{.name = "dob", .wire = "dob", .kind = FIELD_DATE, .required = (person), .code = "DOB_INCORRECT_OR_MISSING"},  \
		{.name = "email", .wire = "email", .kind = FIELD_EMAIL, .code = "EMAIL_INCORRECT_OR_MISSING"},                 \
		{.name = "phone",                                                                                              \
		 .wire = "phone",                                                                                              \
		 .kind = FIELD_DIGITS,                                                                                         \
		 .least = 10,                                                                                                  \
		 .most = 10,                                                                                                   \
		 .code = "PHONE_INCORRECT_OR_MISSING"},                                                                        \
		{.name = "address",                                                                                            \
		 .wire = "address",                                                                                            \
		 .kind = FIELD_OBJECT,                                                                                         \
		 .fields = address_fields,                                                                                     \
		 .code = "ADDRESS_INCORRECT_OR_MISSING"},                                                                      \
		{.name = "start_date", .wire = "startDate", .kind = FIELD_DATE, .code = "START_DATE_INCORRECT_OR_MISSING"},    \
		{.name = "end_date", .wire = "endDate", .kind = FIELD_DATE, .code = "END_DATE_INCORRECT_OR_MISSING"},          \
		{.name = "origin_date", .wire = "originDate", .kind = FIELD_DATE, .code = "ORIGIN_DATE_INCORRECT_OR_MISSING"}, \
		{.name = "or_update", .kind = FIELD_FLAG},                                                                     \
	{                                                                                                                  \
		.name = NULL                                                                                                   \
	}

static const PartnerField card_fields[] = {ENROLL_FIELDS(false)};
static const PartnerField person_fields[] = {ENROLL_FIELDS(true)};

static const PartnerOperation operations[] = {
	{"enroll_card", "POST", "/eligibility/v1/enrollment/card", card_fields, true},
	{"enroll_person", "POST", "/eligibility/v1/enrollment/person", person_fields, true},
	{.name = NULL},
};

const Partner inside_rx_partner = {.name = "inside_rx",
								   .settings = settings,
								   .secrets = secrets,
								   .operations = operations,
								   .key_header = "x-api-key",
								   .build = build,
								   .read = understand};

static const char *const id_names[] = {"id", NULL};
static const char *const message_names[] = {"message", NULL};
static const char *const code_names[] = {"errorCode", NULL};
static const char *const exists_words[] = {"already exists", NULL};
static const char *const absent_words[] = {"member not found", NULL};

/*
 * Checks that an update says whether the enrollment is active.  A new one is.
 */
static WrongKind
active_wrong(json_t *params, json_t *value)
{
	const char *action = json_string_value(json_object_get(params, "action"));

	return value == NULL && strcmp(action, "update") == 0 ? WRONG_MISSING : WRONG_NOTHING;
}

/*
 * Fills in the request of an operation.
 */
static bool
build(const Partner *partner, const PartnerConfig *config, const char *name, json_t *params, HttpRequest *request)
{
	json_t *whole = json_pack("{s:b}", "active", true);
	bool built = json_object_update(whole, params) == 0 &&
				 fields_request(partner, config, name, whole, request);

	json_decref(whole);
	return built;
}

/*
 * Returns what an answer means.  It is unclear if it shows another enrollment
 * than was sent, or another state of it.  The facts: code, the partner's
 * (ENROLLMENT_ALREADY_EXISTS or MEMBER_NOT_FOUND), and field, our name of the
 * field to which the code belongs.
 */
static Verdict
understand(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	const PartnerField *fields = partner_operation(&inside_rx_partner, operation)->fields;
	json_t *message = json_object_get(answer, "message");
	char field[100];

	partner_words(facts, "message", answer, message_names);
	partner_fact(facts, "id", answer, id_names);
	if (partner_fact(facts, "code", answer, code_names))
	{
		if (field_of_code(fields, json_string_value(json_object_get(facts, "code")), field, sizeof(field)))
			json_object_set_new(facts, "field", json_string(field));
		return VERDICT_REFUSED;
	}
	if (message != NULL || json_object_get(answer, "statusCode") != NULL)
	{
		if (json_is_string(message) && partner_has_word(json_string_value(message), exists_words))
			json_object_set_new(facts, "code", json_string("ENROLLMENT_ALREADY_EXISTS"));
		else if (json_is_string(message) && partner_has_word(json_string_value(message), absent_words))
			json_object_set_new(facts, "code", json_string("MEMBER_NOT_FOUND"));
		return VERDICT_REFUSED;
	}
	return same(json_object_get(params, "member_id"), json_object_get(answer, "memberId")) &&
				   same(json_object_get(params, "action"), json_object_get(answer, "action")) &&
				   json_is_false(json_object_get(params, "active")) == json_is_false(json_object_get(answer, "active"))
			   ? VERDICT_ACCEPTED
			   : VERDICT_UNCLEAR;
}

/*
 * Returns whether an answer shows the enrollment and the state that were sent.
 */
static bool
same(json_t *asked, json_t *answered)
{
	return json_is_string(asked) && json_equal(asked, answered);
}
