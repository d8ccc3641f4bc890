/*
 * inside_rx.c
 *		Inside Rx, which enrolls cards and persons into an eligibility program.
 *
 * What its document leaves open is a setting: a reading that a client must cope with.
 * Its answers say no more of what is wrong than the document's do.
 */
#include "sandbox.h"

#include <ctype.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX "/eligibility/v1/enrollment"

/* What the ledger's entries add up to: the last entry of each enrollment, by identity. */
static json_t *enrollments;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * wrong_state checks the abbreviation of a state.
 */
static const char *
wrong_state(const json_t *value)
{
	const char *text = json_string_value(value);

	return isupper((unsigned char) text[0]) && isupper((unsigned char) text[1]) ? NULL : "is no state";
}

static const Key address_keys[] = {
	{.name = "line1", .type = KEY_TEXT},
	{.name = "line2", .type = KEY_TEXT},
	{.name = "city", .type = KEY_TEXT},
	{.name = "state", .type = KEY_TEXT, .most = 2, .wrong = wrong_state},
	{.name = "zip", .type = KEY_TEXT, .least = 5, .most = 5, .wrong = strict_digits},
	{.name = "zipExtension", .type = KEY_TEXT, .least = 4, .most = 4, .wrong = strict_digits},
	{.name = NULL},
};

/* Of a card; a person has more that are required, and so may have an account. */
static const Key member_keys[] = {
	{.name = "action", .type = KEY_TEXT, .required = true, .choices = "create,update"},
	{.name = "active", .type = KEY_FLAG},
	{.name = "memberId", .type = KEY_TEXT, .required = true},
	{.name = "group", .type = KEY_TEXT, .required = true},
	{.name = "subId", .type = KEY_TEXT},
	{.name = "firstName", .type = KEY_TEXT},
	{.name = "middleName", .type = KEY_TEXT},
	{.name = "lastName", .type = KEY_TEXT},
	{.name = "suffix", .type = KEY_TEXT},
	{.name = "gender", .type = KEY_TEXT, .choices = "unknown,male,female"},
	{.name = "dob", .type = KEY_TEXT, .wrong = strict_date},
	{.name = "email", .type = KEY_TEXT, .least = 1, .wrong = strict_email},
	{.name = "phone", .type = KEY_TEXT, .least = 10, .most = 10, .wrong = strict_digits},
	{.name = "address", .type = KEY_OBJECT, .row = address_keys},
	{.name = "startDate", .type = KEY_TEXT, .wrong = strict_date},
	{.name = "endDate", .type = KEY_TEXT, .wrong = strict_date},
	{.name = "originDate", .type = KEY_TEXT, .wrong = strict_date},
	{.name = NULL},
};

/* What the document's codes begin with, by key. */
static const struct
{
	const char *place;
	const char *code;
} codes[] = {
	{"action", "ACTION"},
	{"active", "ACTIVE"},
	{"memberId", "MEMBER_ID"},
	{"group", "GROUP"},
	{"firstName", "FIRST_NAME"},
	{"lastName", "LAST_NAME"},
	{"gender", "GENDER"},
	{"dob", "DOB"},
	{"email", "EMAIL"},
	{"phone", "PHONE"},
	{"address.state", "ADDRESS_STATE"},
	{"address.zip", "ADDRESS_ZIP"},
	{"address.zipExtension", "ADDRESS_ZIP_EXT"},
	{"address", "ADDRESS"},
	{"address.line1", "ADDRESS"},
	{"address.line2", "ADDRESS"},
	{"address.city", "ADDRESS"},
	{"startDate", "START_DATE"},
	{"endDate", "END_DATE"},
	{"originDate", "ORIGIN_DATE"},
};

/* The document's words for what a status means. */
static const struct
{
	unsigned status;
	const char *message;
} meanings[] = {
	{400, "Incorrect or missing required parameters."},
	{403, "Lack of permissions to process enrollment."},
	{404, "Member not found."},
	{500, "Internal server error, something went wrong."},
};

/*
 * new_id returns an identifier for tracking, a random UUID.
 */
static json_t *
new_id(void)
{
	uint16_t r[8];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		fatal("no random bytes");
	r[3] = (uint16_t) (0x4000 | (r[3] & 0xFFF));
	r[4] = (uint16_t) (0x8000 | (r[4] & 0x3FFF));
	return json_sprintf("%04x%04x-%04x-%04x-%04x-%04x%04x%04x", r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]);
}

/*
 * say refuses a call in these words.
 */
static void
say(Answer *answer, unsigned status, const char *message)
{
	answer_json(answer, status,
				json_pack("{s:o, s:o, s:i}", "id", new_id(), "message", answer_message(message), "statusCode",
						  (int) status));
}

/*
 * refuse answers a call that is not carried out, in the document's words if it has any.
 */
static void
refuse(Answer *answer, unsigned status, const char *message)
{
	for (size_t i = 0; i < lengthof(meanings); i++)
		if (meanings[i].status == status)
			message = meanings[i].message;
	say(answer, status, message);
}

/*
 * refuse_key answers a call with a wrong key: the message of strict_check begins with
 * its place.
 */
static void
refuse_key(Answer *answer, const char *message)
{
	size_t length = strcspn(message, ":");
	json_t *body = json_pack("{s:o, s:s, s:i}", "id", new_id(), "message", meanings[0].message, "statusCode", 400);

	for (size_t i = 0; i < lengthof(codes); i++)
		if (strlen(codes[i].place) == length && strncmp(codes[i].place, message, length) == 0)
			json_object_set_new(body, "errorCode", json_sprintf("%s_INCORRECT_OR_MISSING", codes[i].code));
	answer_json(answer, 400, body);
}

/*
 * check_keys checks a call: a person has names and a date of birth, and an account may
 * have required fields of its own.  Free text that is required must not be blank.
 */
static bool
check_keys(const json_t *call, bool person, Message message)
{
	Key keys[lengthof(member_keys)];
	char required[SETTING_SIZE];

	setting_get("inside_rx.required", required);
	memcpy(keys, member_keys, sizeof(keys));
	for (Key *key = keys; key->name != NULL; key++)
	{
		key->required |= (person && list_has("firstName,lastName,dob", key->name)) || list_has(required, key->name);
		if (key->required && key->wrong == NULL && key->choices == NULL && key->type == KEY_TEXT)
			key->wrong = strict_blank;
	}
	return strict_check(call, keys, message);
}

/*
 * decoded returns a part of a form, for curl_free, or NULL.
 */
static char *
decoded(char *part)
{
	for (char *c = part; c != NULL && *c != '\0'; c++)
		if (*c == '+')
			*c = ' ';
	return part == NULL ? NULL : curl_easy_unescape(NULL, part, 0, NULL);
}

/*
 * add_field adds a field of a form to a call: a dot in its name means an object.
 * Returns whether it is new and UTF-8.
 */
static bool
add_field(json_t *call, char *name, const char *value)
{
	char *key = strsep(&name, ".");
	bool is_flag = strcmp(key, "active") == 0 && list_has("true,false", value);

	if (name != NULL)
	{
		if (json_object_get(call, key) == NULL)
			json_object_set_new(call, key, json_object());
		call = json_object_get(call, key);
		key = name;
	}
	return json_object_get(call, key) == NULL &&
		   json_object_set_new(call, key, is_flag ? json_boolean(*value == 't') : json_string(value)) == 0;
}

/*
 * read_form is strict_call for the other reading of how fields are sent.
 */
static unsigned
read_form(const Request *request, json_t **call, Message message)
{
	const char *type = json_string_value(json_object_get(request->headers, "content-type"));
	char *body = strndup(request->body == NULL ? "" : request->body, request->size);
	char *rest = body;
	char *field;
	bool good = true;

	strcpy(message, "body is no form");
	*call = json_object();
	while (good && (field = strsep(&rest, "&")) != NULL)
	{
		char *name = decoded(strsep(&field, "="));
		char *value = decoded(field);

		good = name != NULL && value != NULL && add_field(*call, name, value);
		curl_free(name);
		curl_free(value);
	}
	free(body);
	if (type == NULL || strcmp(type, "application/x-www-form-urlencoded") != 0)
		return 415;
	return good ? 0 : 400;
}

/*
 * open_call returns the object that a call carries, or NULL with the refusal in the
 * answer.
 */
static json_t *
open_call(const Request *request, bool person, Answer *answer)
{
	json_t *call = NULL;
	Message message;
	unsigned status;
	char groups[SETTING_SIZE];

	setting_get("inside_rx.groups", groups);
	if (!strict_key(request, "x-api-key", "inside_rx.api_key"))
	{
		refuse(answer, 403, "");
		return NULL;
	}
	status = setting_is("inside_rx.body", "form") ? read_form(request, &call, message)
												  : strict_call(request, NULL, &call, message);
	if (status != 0)
		refuse(answer, status, message);
	else if (!check_keys(call, person, message))
		refuse_key(answer, message);
	else if (*groups != '\0' && !list_has(groups, json_string_value(json_object_get(call, "group"))))
		refuse(answer, 403, "");
	else
		return call;
	json_decref(call);
	return NULL;
}

/*
 * identity returns the key of an enrollment or a call.
 */
static json_t *
identity(const json_t *enrollment, const char *type)
{
	const char *sub_id = json_string_value(json_object_get(enrollment, "subId"));

	return json_sprintf("%s\n%s\n%s\n%s", type, json_string_value(json_object_get(enrollment, "memberId")),
						json_string_value(json_object_get(enrollment, "group")), sub_id == NULL ? "" : sub_id);
}

/*
 * picked returns what an enrollment's entry says of its member, in the document's order.
 */
static json_t *
picked(const json_t *entry)
{
	json_t *member = json_object();

	for (const Key *key = member_keys; key->name != NULL; key++)
		if (json_object_get(entry, key->name) != NULL)
			json_object_set_new(member, key->name, json_deep_copy(json_object_get(entry, key->name)));
	return member;
}

/*
 * becomes returns what an enrollment is after a call; before is NULL at its creation.
 */
static json_t *
becomes(const json_t *before, json_t *call)
{
	bool kept = before != NULL && setting_is("inside_rx.active", "kept");
	json_t *active = kept ? json_object_get(before, "active") : json_true();
	json_t *after = before != NULL && setting_is("inside_rx.update", "merge") ? picked(before) : json_object();

	json_object_set(after, "active", active);
	json_object_update_recursive(after, call);
	if (json_object_get(after, "gender") == NULL)
		json_object_set_new(after, "gender", json_string("unknown"));
	return after;
}

/*
 * succeed answers with the fields of an enrollment that are not empty.
 */
static void
succeed(Answer *answer, const json_t *id, const json_t *enrollment)
{
	json_t *body = json_pack("{s:O}", "id", id);
	json_t *member = picked(enrollment);
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(json_object_get(member, "address"), next, name, value)
	{
		if (json_is_string(value) && json_string_length(value) == 0)
			json_object_del(json_object_get(member, "address"), name);
	}
	json_object_foreach (member, name, value)
	{
		if (json_string_length(value) > 0 || json_is_boolean(value) || json_object_size(value) > 0)
			json_object_set(body, name, value);
	}
	json_decref(member);
	answer_json(answer, 200, body);
	answer->done = true;
}

/*
 * enroll creates an enrollment, or changes one.
 */
static void
enroll(const Request *request, const char *type, Answer *answer)
{
	json_t *call = open_call(request, strcmp(type, "person") == 0, answer);
	json_t *key;
	json_t *id;
	json_t *after;
	const json_t *before;
	bool creates;

	if (call == NULL)
		return;
	creates = strcmp(json_string_value(json_object_get(call, "action")), "create") == 0;
	key = identity(call, type);

	pthread_mutex_lock(&lock);
	before = json_object_get(enrollments, json_string_value(key));
	if (creates && before != NULL)
		say(answer, 400, "Enrollment Already Exists. Use update action instead.");
	else if (!creates && before == NULL)
		refuse(answer, 404, "");
	else
	{
		id = new_id();
		after = becomes(before, call);
		json_object_set(after, "id", id);
		json_object_set_new(after, "type", json_string(type));
		succeed(answer, id, after);
		ledger_write("enrollment", "inside_rx", after);
		json_decref(id);
	}
	pthread_mutex_unlock(&lock);
	json_decref(key);
	json_decref(call);
}

/*
 * run_card and run_person enroll a card, and a person.
 */
static void
run_card(const Request *request, Answer *answer)
{
	enroll(request, "card", answer);
}

static void
run_person(const Request *request, Answer *answer)
{
	enroll(request, "person", answer);
}

/*
 * reset forgets all enrollments.
 */
static void
reset(void)
{
	pthread_mutex_lock(&lock);
	json_decref(enrollments);
	enrollments = json_object();
	pthread_mutex_unlock(&lock);
}

/*
 * replay brings enrollments forward by an entry of the ledger.  The lock is held, or
 * the sandbox is starting.
 */
static void
replay(json_t *entry)
{
	json_t *key = identity(entry, json_string_value(json_object_get(entry, "type")));

	json_object_set(enrollments, json_string_value(key), entry);
	json_decref(key);
}

/*
 * wrong_required checks a list of fields that an account requires.
 */
static const char *
wrong_required(const char *value)
{
	char list[SETTING_SIZE];
	char *rest = list;
	const char *name;
	const Key *key;

	snprintf(list, sizeof(list), "%s", value);
	while (*value != '\0' && (name = strsep(&rest, ",")) != NULL)
	{
		for (key = member_keys; key->name != NULL && strcmp(key->name, name) != 0; key++)
			;
		if (key->name == NULL)
			return "must be fields";
	}
	return NULL;
}

static Setting settings[] = {
	{.name = "inside_rx.api_key", .initial = "inside-rx-key"},
	{.name = "inside_rx.body", .initial = "json", .choices = "json,form"},
	{.name = "inside_rx.groups", .initial = ""},
	{.name = "inside_rx.required", .initial = "", .wrong = wrong_required},
	{.name = "inside_rx.update", .initial = "merge", .choices = "merge,replace"},
	{.name = "inside_rx.active", .initial = "true", .choices = "true,kept"},
	{.name = NULL},
};

static const Operation operations[] = {
	{.name = "inside_rx.card", .method = "POST", .path = PREFIX "/card", .run = run_card},
	{.name = "inside_rx.person", .method = "POST", .path = PREFIX "/person", .run = run_person},
	{.name = NULL},
};

static const Partner inside_rx = {
	.name = "inside_rx",
	.operations = operations,
	.settings = settings,
	.replay = replay,
	.reset = reset,
	.refuse = refuse,
};

PARTNER(inside_rx)
