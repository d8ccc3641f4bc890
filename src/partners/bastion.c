/*
 * bastion.c
 *	  Bastion, the insurer: its plans, the endorsements of members and what has
 *	  become of them, and the lists of values to choose from.
 *
 * Assumptions where its document is silent: the token is the whole header
 * api-key (setting bearer_prefix); ids are sent as text, but country, state
 * and city as numbers; "Self" is no documented relation (setting relation);
 * there is a list of payment plans and no field that takes one (setting
 * payment_plan_field); a refusal has the HTTP status of an error and a
 * message, or status false or success 0; a reference may not be unique.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partner_field.h"

static WrongKind phone_wrong(json_t *params, json_t *value);
static WrongKind condition_wrong(json_t *params, json_t *value);
static WrongKind url_wrong(json_t *params, json_t *value);
static bool build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				  HttpRequest *request);
static bool add_key(const PartnerConfig *config, const char *operation, HttpRequest *request);
static const char *secret(const PartnerConfig *config, const char *name);
static bool add_to_body(HttpRequest *request, const char *name, json_t *value);
static Verdict understand(const char *operation, json_t *params, json_t *answer, json_t *facts);
static Verdict own_status(const json_t *answer);
static void count_status(const json_t *value, int *accepted, int *refused);
static Verdict understand_member(const char *operation, json_t *params, json_t *answer, json_t *facts);
static Verdict understand_rows(const char *rows, json_t *answer, json_t *facts);
static bool other_plan(const char *operation, json_t *params, json_t *facts);
static void add_birthday(json_t *facts, json_t *member);
static bool is_number(const char *text);

static const PartnerSetting settings[] = {
	PARTNER_SETTINGS,
	{.name = "plan_id", .kind = SETTING_ID, .optional = true},
	{.name = "policy_id", .kind = SETTING_ID, .optional = true},
	{.name = "country", .kind = SETTING_ID, .optional = true},
	{.name = "relation", .kind = SETTING_TEXT, .optional = true},
	{.name = "token_expires", .kind = SETTING_NUMBER, .initial = "3600", .least = 0, .most = 31536000},
	{.name = "settling", .kind = SETTING_NUMBER, .initial = "900", .least = 0, .most = 2592000},
	{.name = "bearer_prefix", .kind = SETTING_FLAG, .initial = "false"},
	{.name = "payment_plan_field", .kind = SETTING_TEXT, .optional = true},
	{.name = NULL},
};

static const PartnerSetting secrets[] = {
	{.name = "username", .kind = SETTING_TEXT},
	{.name = "password", .kind = SETTING_TEXT},
	{.name = "new_password", .kind = SETTING_TEXT, .optional = true},
	{.name = "webhook_access_key", .kind = SETTING_TEXT, .optional = true, .least = 16},
	{.name = NULL},
};

static const FieldChoice genders[] = {{"Male", 0}, {"Female", 0}, {NULL, 0}};
static const FieldChoice marital_statuses[] = {
	{"Single", 1}, {"Married", 2}, {"Divorced", 3}, {"Widowed", 4}, {"SingleParents", 5}, {NULL, 0}};
static const FieldChoice payment_plans[] = {
	{"Annually", 1}, {"Bi-annually", 2}, {"Quarterly", 4}, {"Monthly", 12}, {NULL, 0}};
static const FieldChoice genotypes[] = {{"AA", 1}, {"AO", 2}, {"BB", 3}, {"BO", 4}, {"OO", 5}, {"AS", 6}, {NULL, 0}};
static const FieldChoice blood_groups[] = {
	{"A+", 1}, {"O+", 2}, {"B+", 3}, {"AB+", 4}, {"A-", 5}, {"O-", 6}, {"B-", 7}, {"AB-", 8}, {NULL, 0}};
static const FieldChoice religions[] = {
	{"Islam", 1}, {"Christianity", 2}, {"Hinduism", 3}, {"Buddhism", 4}, {"Other", 5}, {NULL, 0}};
static const FieldChoice relations[] = {
	{"Spouse", 0},
	{"Son", 0},
	{"Sibling", 0},
	{"Daughter", 0},
	{"Mother", 0},
	{"Father", 0},
	{"Grand Father", 0},
	{"Grand Mother", 0},
	{"Cousin", 0},
	{"Friend", 0},
	{NULL, 0},
};
static const FieldChoice provider_types[] = {
	{"Hospital", 1},
	{"Pharmacy", 2},
	{"Optical / Ophthalmology", 3},
	{"Physiotherapist", 5},
	{"Dentist", 6},
	{"Polyclinic", 7},
	{"Doctor", 8},
	{"Ambulatory Center", 9},
	{"Diagnostic Centres", 10},
	{"Radiology", 11},
	{"Medical Supplies Company", 12},
	{"Gym/Fitness Centres", 13},
	{"Mental Wellbeing", 14},
	{"Child Care", 15},
	{"Maternal Health", 16},
	{"Emergency Service", 17},
	{"Public Health Facility", 18},
	{NULL, 0},
};

/* Fields of several operations. */
#define MEMBER_ID                                                                   \
	{                                                                               \
		.name = "member_id", .wire = "memberId", .kind = FIELD_ID, .required = true \
	}
#define POLICY_ID                                                                                           \
	{                                                                                                       \
		.name = "policy_id", .wire = "policyId", .kind = FIELD_ID, .required = true, .setting = "policy_id" \
	}
#define PERSON                                                                                               \
	{.name = "first_name", .wire = "customer.firstName", .kind = FIELD_TEXT, .required = true},              \
		{.name = "middle_name", .wire = "customer.middleName", .kind = FIELD_TEXT},                          \
		{.name = "last_name", .wire = "customer.lastName", .kind = FIELD_TEXT, .required = true},            \
		{.name = "maiden_name", .wire = "customer.maidenName", .kind = FIELD_TEXT},                          \
		{.name = "email", .wire = "customer._email", .kind = FIELD_EMAIL},                                   \
		{.name = "dob", .wire = "customer.dob", .kind = FIELD_DATE, .required = true},                       \
		{.name = "gender",                                                                                   \
		 .wire = "customer.gender",                                                                          \
		 .kind = FIELD_CHOICE,                                                                               \
		 .required = true,                                                                                   \
		 .choices = genders},                                                                                \
	{                                                                                                        \
		.name = "phone", .wire = "customer.phone", .kind = FIELD_TEXT, .required = true, .rule = phone_wrong \
	}
#define ADDRESS                                                                             \
	{                                                                                       \
		.name = "address", .wire = "customer.address", .kind = FIELD_TEXT, .required = true \
	}
#define NAMELESS     \
	{                \
		.name = NULL \
	}

static const PartnerField no_fields[] = {NAMELESS};
static const PartnerField reset_fields[] = {
	{.name = "email", .wire = "email", .kind = FIELD_EMAIL, .required = true}, NAMELESS};
static const PartnerField plan_fields[] = {
	{.name = "id", .kind = FIELD_ID, .required = true, .setting = "plan_id"}, NAMELESS};
static const PartnerField endorse_fields[] = {
	{.name = "reference", .wire = "reference", .kind = FIELD_TEXT, .required = true},
	{.name = "plan_id", .wire = "plan_id", .kind = FIELD_ID, .required = true, .setting = "plan_id"},
	POLICY_ID,
	PERSON,
	{.name = "relation",
	 .wire = "customer.relation",
	 .kind = FIELD_CHOICE,
	 .required = true,
	 .setting = "relation",
	 .choices = relations},
	{.name = "marital_status",
	 .wire = "customer.maritalStatus",
	 .kind = FIELD_NUMBERED,
	 .required = true,
	 .choices = marital_statuses},
	{.name = "country", .wire = "customer.country", .kind = FIELD_WHOLE, .required = true, .setting = "country"},
	{.name = "state", .wire = "customer.state", .kind = FIELD_WHOLE, .required = true},
	{.name = "city", .wire = "customer.city", .kind = FIELD_WHOLE, .required = true},
	ADDRESS,
	{.name = "genotype", .wire = "customer.genotype", .kind = FIELD_NUMBERED, .choices = genotypes},
	{.name = "blood_group", .wire = "customer.bloodGroup", .kind = FIELD_NUMBERED, .choices = blood_groups},
	{.name = "religion", .wire = "customer.religion", .kind = FIELD_NUMBERED, .choices = religions},
	{.name = "employee_id", .wire = "customer.employeeId", .kind = FIELD_TEXT},
	{.name = "national_id", .wire = "customer.nationalId", .kind = FIELD_TEXT},
	{.name = "nin_number", .wire = "customer.ninNumber", .kind = FIELD_TEXT},
	{.name = "height", .wire = "customer.height", .kind = FIELD_NUMBER},
	{.name = "weight", .wire = "customer.weight", .kind = FIELD_NUMBER},
	{.name = "pre_existing_condition", .wire = "customer.preExistingCondition", .kind = FIELD_FLAG_NUMBER},
	{.name = "condition", .wire = "customer.condition", .kind = FIELD_IDS, .rule = condition_wrong},
	{.name = "payment_plan", .wire_setting = "payment_plan_field", .kind = FIELD_NUMBERED, .choices = payment_plans},
	NAMELESS};
static const PartnerField conditions_fields[] = {{.name = "query", .wire = "query", .kind = FIELD_TEXT}, NAMELESS};
static const PartnerField remove_fields[] = {MEMBER_ID, POLICY_ID, NAMELESS};
static const PartnerField member_fields[] = {MEMBER_ID, NAMELESS};
static const PartnerField change_plan_fields[] = {
	MEMBER_ID,
	{.name = "old_plan_id", .wire = "oldPlanId", .kind = FIELD_ID, .required = true},
	{.name = "new_plan_id", .wire = "newPlanId", .kind = FIELD_ID, .required = true},
	NAMELESS};
static const PartnerField change_details_fields[] = {MEMBER_ID, POLICY_ID, PERSON, ADDRESS, NAMELESS};
static const PartnerField webhook_fields[] = {
	{.name = "webhook_url", .wire = "webhookURL", .kind = FIELD_TEXT, .required = true, .rule = url_wrong}, NAMELESS};
static const PartnerField states_fields[] = {{.name = "and_cities", .kind = FIELD_FLAG}, NAMELESS};
static const PartnerField cities_fields[] = {
	{.name = "state_id", .wire = "state_id", .kind = FIELD_ID, .required = true}, NAMELESS};
static const PartnerField providers_fields[] = {
	{.name = "state_id", .wire = "state_id", .kind = FIELD_ID},
	{.name = "city_id", .wire = "city_id", .kind = FIELD_ID},
	{.name = "provider_type", .wire = "provider_type", .kind = FIELD_NUMBERED, .choices = provider_types},
	{.name = "search_text", .wire = "search_text", .kind = FIELD_TEXT},
	{.name = "plan_id", .wire = "plan_id", .kind = FIELD_ID},
	NAMELESS};

static const PartnerOperation operations[] = {
	{"login", "POST", "/api/v2/auth/generateAuthToken", no_fields, true},
	{"change_password", "POST", "/api/v2/auth/change-password", no_fields, false},
	{"reset_password", "GET", "/api/v2/auth/password-reset", reset_fields, false},
	{"plans", "GET", "/api/v2/vendors/plans", no_fields, true},
	{"plan", "GET", "/api/v2/vendors/plans/{id}", plan_fields, true},
	{"endorse", "POST", "/api/v2/endorsement/add", endorse_fields, false},
	{"conditions", "GET", "/api/v2/conditions", conditions_fields, true},
	{"remove", "POST", "/api/v2/endorsement/remove", remove_fields, false},
	{"member_status", "GET", "/api/v2/enrollee-status", member_fields, true},
	{"member_plan", "GET", "/api/v2/enrollee-plan", member_fields, true},
	{"utilization", "GET", "/api/v2/enrollee-utilization", member_fields, true},
	{"undo_remove", "POST", "/api/v2/endorsement/undo-delete", member_fields, false},
	{"change_plan", "POST", "/api/v2/endorsement/update-member-plan", change_plan_fields, false},
	{"change_details", "POST", "/api/v2/endorsement/update-enrollee-details", change_details_fields, true},
	{"webhook", "PATCH", "/api/v2/vendors/config", webhook_fields, true},
	{"states", "GET", "/api/v2/miscs/states", states_fields, true},
	{"cities", "GET", "/api/v2/miscs/cities", cities_fields, true},
	{"providers", "GET", "/api/v2/miscs/providers-list", providers_fields, true},
	NAMELESS,
};

const Partner bastion_partner = {.name = "bastion",
								 .settings = settings,
								 .secrets = secrets,
								 .operations = operations,
								 .login = "login",
								 .sessionless = "reset_password",
								 .session_lifetime = "token_expires",
								 .conflict_refuses = true,
								 .build = build,
								 .read = understand};

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The facts of a row, by the fact that lists the rows. The first is required. */
static const struct
{
	const char *rows;
	const char *fact;
	const char *name;
	bool number; /* omitted if it is not a number */
} row_facts[] = {
	{"plans", "id", "id", false},
	{"plans", "name", "name", false},
	{"plans", "description", "description", false},
	{"plans", "category", "category", false},
	{"plans", "state", "state", false},
	{"plans", "premium", "premium", true},
	{"conditions", "id", "id", false},
	{"conditions", "name", "pec_name", false},
	{"conditions", "chapter_id", "pec_chapter_id", false},
	{"conditions", "status", "pec_status", false},
	{"states", "id", "id", false},
	{"states", "name", "name", false},
	{"states", "country_id", "country_id", false},
	{"cities", "id", "id", false},
	{"cities", "name", "name", false},
	{"cities", "state_id", "state_id", false},
	{"providers", "code", "code", false},
	{"providers", "name", "name", false},
	{"providers", "category", "category", false},
	{"providers", "email", "email", false},
	{"providers", "phone", "phone", false},
	{"providers", "address_line1", "addressLine1", false},
	{"providers", "address_line2", "addressLine2", false},
	{"providers", "state", "state", false},
	{"providers", "city", "city", false},
	{"providers", "longitude", "longitude", true},
	{"providers", "latitude", "latitude", true},
	{"providers", "rating", "rating", true},
};

/* The facts of a member. */
static const char *const member_facts[][2] = {
	{"member_id", "memberId"},
	{"policy_id", "policyId"},
	{"plan_id", "planId"},
	{"plan_name", "planName"},
	{"status", "status"},
	{"provider", "provider"},
	{"total_spent", "totalSpent"},
	{"balance", "balance"},
	{"relation", "relation"},
};

/*
 * Checks that a phone number has 7 to 15 digits, with or without a plus before
 * them.
 */
static WrongKind
phone_wrong(json_t *params, json_t *value)
{
	const char *phone = json_string_value(value) + (json_string_value(value)[0] == '+');
	size_t size = strlen(phone);

	(void) params;
	return size >= 7 && size <= 15 && strspn(phone, "0123456789") == size ? WRONG_NOTHING : WRONG_VALUE;
}

/*
 * Checks that a member with a condition names it, and that one without does
 * not.
 */
static WrongKind
condition_wrong(json_t *params, json_t *value)
{
	bool has = json_is_true(json_object_get(params, "pre_existing_condition"));

	if (has)
		return json_array_size(value) == 0 ? WRONG_MISSING : WRONG_NOTHING;
	return json_array_size(value) == 0 ? WRONG_NOTHING : WRONG_VALUE;
}

/*
 * Checks that the URL to which Bastion reports on members follows the rules
 * for a partner's URL.
 */
static WrongKind
url_wrong(json_t *params, json_t *value)
{
	(void) params;
	return http_url_wrong(json_string_value(value)) == NULL ? WRONG_NOTHING : WRONG_VALUE;
}

/*
 * Fills in the request of an operation.
 */
static bool
build(const Partner *partner, const PartnerConfig *config, const char *name, json_t *params, HttpRequest *request)
{
	const PartnerOperation *operation = partner_operation(partner, name);
	json_int_t lifetime = (json_int_t) partner_number(config, "token_expires");

	if (operation == NULL || !fields_build(config, operation, params, request) || !add_key(config, name, request))
		return false;
	/* By the document, each request has this header, also without a body. */
	if (request->body == NULL && !http_header(request, "Content-Type", "application/json"))
		return false;
	if (strcmp(name, "login") == 0)
		return lifetime == 0 || add_to_body(request, "expiresIn", json_integer(lifetime));
	if (strcmp(name, "change_password") == 0)
		return add_to_body(request, "oldPassword", json_string(secret(config, "password"))) &&
			   add_to_body(request, "newPassword", json_string(secret(config, "new_password"))) &&
			   add_to_body(request, "newConfirmPassword", json_string(secret(config, "new_password")));
	if (strcmp(name, "webhook") == 0)
		return add_to_body(request, "webhookAccessKey", json_string(secret(config, "webhook_access_key")));
	return true;
}

/*
 * Adds the header api-key: for login, the name and the password in Base64; for
 * other operations, the token.  The reset of a password needs none.
 */
static bool
add_key(const PartnerConfig *config, const char *operation, HttpRequest *request)
{
	bool prefix = json_is_true(json_object_get(config->settings, "bearer_prefix"));
	bool login = strcmp(operation, "login") == 0;
	const char *first = login ? secret(config, "username") : prefix ? "Bearer "
																	: "";
	const char *second = login ? secret(config, "password") : config->session;
	size_t size = first == NULL || second == NULL ? 0 : strlen(first) + strlen(second) + 2;
	size_t encoded_size = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL);
	char *key;
	char *encoded;
	bool added;

	if (strcmp(operation, bastion_partner.sessionless) == 0)
		return true;
	key = size == 0 ? NULL : malloc(size);
	encoded = key == NULL ? NULL : malloc(encoded_size);
	if (encoded != NULL)
	{
		snprintf(key, size, "%s%s%s", first, login ? ":" : "", second);
		sodium_bin2base64(encoded, encoded_size, (unsigned char *) key, strlen(key), sodium_base64_VARIANT_ORIGINAL);
	}
	added = encoded != NULL && http_header(request, "api-key", login ? encoded : key);
	free(key);
	free(encoded);
	return added;
}

/*
 * Returns a secret, or NULL.
 */
static const char *
secret(const PartnerConfig *config, const char *name)
{
	return json_string_value(json_object_get(config->secrets, name));
}

/*
 * Adds a member to the body, and takes over the value.  Returns false if there
 * is no value, or if memory is short.
 */
static bool
add_to_body(HttpRequest *request, const char *name, json_t *value)
{
	json_t *body = json_loads(request->body, 0, NULL);
	bool added = value != NULL && json_object_set(body, name, value) == 0;

	free(request->body);
	request->body = added ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	json_decref(value);
	return request->body != NULL;
}

/*
 * Returns what an answer means.
 */
static Verdict
understand(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	Verdict verdict = own_status(answer);

	partner_words(facts, "message", answer, NAMES("message", "error"));
	if (verdict != VERDICT_ACCEPTED)
		return verdict;
	if (strcmp(operation, "login") == 0)
		return partner_fact(facts, "session", answer, NAMES("token")) ? verdict : VERDICT_UNCLEAR;
	if (strcmp(operation, "plan") == 0)
		return understand_rows("plans", answer, facts);
	for (size_t i = 0; i < sizeof(row_facts) / sizeof(row_facts[0]); i++)
		if (strcmp(row_facts[i].rows, operation) == 0)
			return understand_rows(operation, answer, facts);
	if (strcmp(operation, "endorse") == 0)
		return understand_member(operation, params, answer, facts);
	for (const PartnerField *field = partner_operation(&bastion_partner, operation)->fields; field->name != NULL; field++)
		if (strcmp(field->name, "member_id") == 0)
			return understand_member(operation, params, answer, facts);
	return verdict;
}

/*
 * Returns the verdict of an answer on itself, at its top or in its data.
 */
static Verdict
own_status(const json_t *answer)
{
	int accepted = 0;
	int refused = 0;

	count_status(answer, &accepted, &refused);
	count_status(json_object_get(answer, "data"), &accepted, &refused);
	if (refused > 0)
		return VERDICT_REFUSED;
	return accepted > 0 ? VERDICT_ACCEPTED : VERDICT_UNCLEAR;
}

/*
 * Counts the signs of success and of failure: status and success, as booleans
 * or as 1 and 0, and statusCode.
 */
static void
count_status(const json_t *value, int *accepted, int *refused)
{
	const char *const names[] = {"status", "success"};
	json_t *code = json_object_get(value, "statusCode");

	for (size_t i = 0; i < 2; i++)
	{
		json_t *says = json_object_get(value, names[i]);

		*accepted += json_is_true(says) || json_integer_value(says) == 1;
		*refused += json_is_false(says) || (json_is_integer(says) && json_integer_value(says) == 0);
	}
	*accepted += json_integer_value(code) >= 200 && json_integer_value(code) < 300;
	*refused += json_integer_value(code) >= 400;
}

/*
 * Returns what an answer about a member means: unclear if it is about another
 * member, or has no id by which the member can be looked up later.
 */
static Verdict
understand_member(const char *operation, json_t *params, json_t *answer, json_t *facts)
{
	json_t *data = json_object_get(answer, "data");
	json_t *member = json_object_get(data, "membersDetails");
	json_t *asked = json_object_get(params, "member_id");
	json_t *text = json_is_integer(asked) ? json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(asked))
										  : json_incref(asked);
	bool same;

	if (member == NULL)
		member = json_object_get(data, "member");
	if (member == NULL)
		member = data;
	for (size_t i = 0; i < sizeof(member_facts) / sizeof(member_facts[0]); i++)
		partner_words(facts, member_facts[i][0], member, NAMES(member_facts[i][1]));
	add_birthday(facts, member);
	same = strcmp(operation, "endorse") == 0 ? json_object_get(facts, "member_id") != NULL
											 : json_equal(json_object_get(facts, "member_id"), text);
	json_decref(text);
	return same && !other_plan(operation, params, facts) ? VERDICT_ACCEPTED : VERDICT_UNCLEAR;
}

/*
 * Returns whether a member is shown with another plan than the one requested.
 */
static bool
other_plan(const char *operation, json_t *params, json_t *facts)
{
	const char *shown = json_string_value(json_object_get(facts, "plan_id"));
	json_t *wanted = json_object_get(params, "new_plan_id");
	bool other;

	if (strcmp(operation, "change_plan") != 0 || shown == NULL || wanted == NULL)
		return false;
	if (json_is_integer(wanted))
		wanted = json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(wanted));
	else
		json_incref(wanted);
	other = json_is_string(wanted) && strcmp(shown, json_string_value(wanted)) != 0;
	json_decref(wanted);
	return other;
}

/*
 * Adds a date of birth as yyyy-mm-dd.  Answers have day and month in either
 * order.
 */
static void
add_birthday(json_t *facts, json_t *member)
{
	const char *dob = json_string_value(json_object_get(member, "dob"));
	size_t first = dob == NULL ? 0 : strspn(dob, "0123456789");

	if (first == 4)
		json_object_set_new(facts, "dob", json_sprintf("%.10s", dob));
	else if (first == 2 && strlen(dob) == 10)
		json_object_set_new(facts, "dob", json_sprintf("%s-%.2s-%.2s", dob + 6, dob + 3, dob));
}

/*
 * Returns what an answer with rows means, and adds them to the facts.  A
 * single object counts as a list of one.
 */
static Verdict
understand_rows(const char *rows, json_t *answer, json_t *facts)
{
	json_t *data = json_object_get(answer, "data");
	json_t *list = json_is_object(data) ? json_pack("[O]", data) : json_incref(data);
	json_t *shown = json_array();
	json_t *member;
	size_t i;

	json_array_foreach (list, i, member)
	{
		json_t *row = json_pack("{}");
		bool is_row = true;
		bool first = true;

		for (size_t n = 0; n < sizeof(row_facts) / sizeof(row_facts[0]); n++)
		{
			if (strcmp(row_facts[n].rows, rows) != 0)
				continue;
			if (!partner_words(row, row_facts[n].fact, member, NAMES(row_facts[n].name)))
				is_row = is_row && !first;
			else if (row_facts[n].number && !is_number(json_string_value(json_object_get(row, row_facts[n].fact))))
				json_object_del(row, row_facts[n].fact);
			first = false;
		}
		if (is_row)
			json_array_append(shown, row);
		json_decref(row);
	}
	json_object_set_new(facts, rows, shown);
	json_decref(list);
	return json_is_array(data) || json_is_object(data) ? VERDICT_ACCEPTED : VERDICT_UNCLEAR;
}

/*
 * Returns whether a text is a decimal number.
 */
static bool
is_number(const char *text)
{
	const char *digits = text + (text[0] == '-');
	const char *point = strchr(digits, '.');

	return *digits >= '0' && *digits <= '9' && strspn(digits, "0123456789.") == strlen(digits) &&
		   (point == NULL || strchr(point + 1, '.') == NULL);
}
