/*
 * bastion.c
 *		Bastion, the health insurer: who may call, and what its files do together.
 *
 * What its document leaves open is a setting: a reading that a client must cope with.
 */
#include "bastion.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/api/v2"

/* What the ledger says it was changed to; NULL: still the setting's. */
static json_t *password;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * wrong_seconds checks how long a token is to be good.
 */
static const char *
wrong_seconds(const json_t *value)
{
	double seconds = json_number_value(value);

	return seconds >= 1 && seconds < 1e9 ? NULL : "must be from 1 to a billion";
}

static const Key token_keys[] = {
	{.name = "expiresIn", .type = KEY_FRACTION, .wrong = wrong_seconds},
	{.name = NULL},
};

static const Key password_keys[] = {
	{.name = "oldPassword", .type = KEY_TEXT, .required = true},
	{.name = "newPassword", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "newConfirmPassword", .type = KEY_TEXT, .required = true},
	{.name = NULL},
};

static const Key reset_keys[] = {
	{.name = "email", .type = KEY_TEXT, .required = true, .least = 1, .wrong = strict_email},
	{.name = NULL},
};

/*
 * bastion_refuse answers a call that is not carried out.
 */
void
bastion_refuse(Answer *answer, unsigned status, const char *message)
{
	bool refused = status == 400 || status == 404 || status == 409;

	if (refused && setting_is("bastion.refusal", "success"))
		answer_json(answer, 200,
					json_pack("{s:b, s:{s:i, s:o}}", "status", 1, "data", "success", 0, "message",
							  answer_message(message)));
	else
		answer_json(answer, refused && setting_is("bastion.refusal", "200") ? 200 : status,
					json_pack("{s:b, s:o}", "status", 0, "message", answer_message(message)));
}

/*
 * bastion_answer answers a call that was carried out; it takes the body over.
 */
void
bastion_answer(Answer *answer, json_t *body)
{
	answer_json(answer, 200, body);
	answer->done = true;
}

/*
 * has_token returns whether a call has a good token.
 */
static bool
has_token(const Request *request)
{
	const char *token = json_string_value(json_object_get(request->headers, "api-key"));
	const char *prefix = setting_is("bastion.bearer", "prefix") ? "Bearer " : "";

	return token != NULL && strncmp(token, prefix, strlen(prefix)) == 0 &&
		   session_use("bastion", token + strlen(prefix), setting_number("bastion.token_calls"),
					   setting_number("bastion.token_ms"));
}

/*
 * open_call returns the object that a call carries, checked against the keys, or NULL
 * with the refusal in the answer.  Calls without a body have a Content-Type too.
 */
static json_t *
open_call(const Request *request, const Key *keys, bool allowed, Answer *answer)
{
	json_t *call = NULL;
	Message message = "api-key: is missing, wrong or has expired";
	unsigned status = !allowed ? 401 : strict_json(request, message) ? strict_call(request, keys, &call, message)
																	 : 415;

	if (status != 0)
		bastion_refuse(answer, status, message);
	return call;
}

/*
 * bastion_open does so for a call with a token.  Identifiers, which may be numbers,
 * become text.
 */
json_t *
bastion_open(const Request *request, const Key *keys, Answer *answer)
{
	json_t *call = open_call(request, keys, has_token(request), answer);

	for (const Key *key = keys; call != NULL && key->name != NULL; key++)
	{
		json_t *value = json_object_get(call, key->name);

		if (key->type == KEY_ID && json_is_integer(value))
			json_object_set_new(call, key->name, json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value)));
	}
	return call;
}

/*
 * is_password returns whether a password is the one of now.
 */
static bool
is_password(const char *value)
{
	bool is;

	pthread_mutex_lock(&lock);
	is = password == NULL ? setting_is("bastion.password", value) : strcmp(json_string_value(password), value) == 0;
	pthread_mutex_unlock(&lock);
	return is;
}

/*
 * decoded returns text from Base64, for the caller to free, or NULL.
 */
static char *
decoded(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t length = strspn(text, digits);
	size_t padding = strspn(text + length, "=");
	char *bytes = calloc(1, length + 1);
	unsigned bits = 0;

	for (size_t i = 0; bytes != NULL && i < length; i++)
	{
		bits = bits << 6 | (unsigned) (strchr(digits, text[i]) - digits);
		if (i % 4 != 0)
			bytes[i / 4 * 3 + i % 4 - 1] = (char) (bits >> (6 - i % 4 * 2));
	}
	if (text[length + padding] == '\0' && (length + padding) % 4 == 0 && padding < 3)
		return bytes;
	free(bytes);
	return NULL;
}

/*
 * has_credentials returns whether a call has the user's name and password.
 */
static bool
has_credentials(const Request *request)
{
	const char *key = json_string_value(json_object_get(request->headers, "api-key"));
	char *text = key == NULL ? NULL : decoded(key);
	char *colon = text == NULL ? NULL : strchr(text, ':');
	bool good = false;

	if (colon != NULL)
	{
		*colon = '\0';
		good = setting_is("bastion.username", text) && is_password(colon + 1);
	}
	free(text);
	return good;
}

/*
 * run_token hands out a token.
 */
static void
run_token(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, token_keys, has_credentials(request), answer);
	double seconds = json_number_value(json_object_get(call, "expiresIn"));
	char token[SESSION_SIZE];

	if (call == NULL)
		return;
	json_decref(call);
	session_open("bastion", (int64_t) (seconds * 1000), token);
	bastion_answer(answer, json_pack("{s:b, s:s}", "status", 1, "token", token));
}

/*
 * run_change_password changes the password; the tokens of the earlier one end.
 */
static void
run_change_password(const Request *request, Answer *answer)
{
	json_t *call = bastion_open(request, password_keys, answer);
	json_t *next = json_object_get(call, "newPassword");

	if (call == NULL)
		return;
	if (!is_password(json_string_value(json_object_get(call, "oldPassword"))))
		bastion_refuse(answer, 400, "oldPassword: is wrong");
	else if (!json_equal(next, json_object_get(call, "newConfirmPassword")))
		bastion_refuse(answer, 400, "newConfirmPassword: is another than newPassword");
	else
	{
		pthread_mutex_lock(&lock);
		ledger_write("password_change", "bastion", json_pack("{s:O}", "password", next));
		pthread_mutex_unlock(&lock);
		session_end("bastion");
		bastion_answer(answer, json_pack("{s:{s:b, s:s}}", "data", "success", 1, "message",
										 "Password Successfully updated!"));
	}
	json_decref(call);
}

/*
 * run_reset_password sends the vendor what a new password is chosen with.
 */
static void
run_reset_password(const Request *request, Answer *answer)
{
	json_t *call = open_call(request, reset_keys, true, answer);

	if (call == NULL)
		return;
	if (!setting_is("bastion.email", json_string_value(json_object_get(call, "email"))))
	{
		bastion_refuse(answer, 404, "email: is not known");
		json_decref(call);
		return;
	}
	ledger_write("password_reset", "bastion", call);
	bastion_answer(answer, json_pack("{s:b, s:s}", "status", 1, "message", "Successful!"));
}

/*
 * reset forgets what was changed.
 */
static void
reset(void)
{
	pthread_mutex_lock(&lock);
	json_decref(password);
	password = NULL;
	pthread_mutex_unlock(&lock);
	bastion_member_reset();
	bastion_webhook_reset();
}

/*
 * replay brings the state forward by an entry of the ledger.  The lock of its file is
 * held, or the sandbox is starting.
 */
static void
replay(json_t *entry)
{
	const char *kind = json_string_value(json_object_get(entry, "ledger"));

	if (strcmp(kind, "password_change") == 0)
	{
		json_decref(password);
		password = json_incref(json_object_get(entry, "password"));
	}
	bastion_member_replay(kind, entry);
	bastion_webhook_replay(kind, entry);
}

static Setting settings[] = {
	{.name = "bastion.username", .initial = "murallink"},
	{.name = "bastion.password", .initial = "sandbox"},
	{.name = "bastion.email", .initial = "vendor@example.org"},
	{.name = "bastion.policy_id", .initial = "2058"},
	{.name = "bastion.bearer", .initial = "bare", .choices = "bare,prefix"},
	{.name = "bastion.token_calls", .initial = "0", .wrong = setting_wrong_number},
	{.name = "bastion.token_ms", .initial = "0", .wrong = setting_wrong_number},
	{.name = "bastion.refusal", .initial = "4xx", .choices = "4xx,200,success"},
	{.name = "bastion.numbers", .initial = "mixed", .choices = "mixed,text,number"},
	{.name = "bastion.dob", .initial = "reversed", .choices = "reversed,iso"},
	{.name = "bastion.relation_self", .initial = "refused", .choices = "refused,allowed"},
	{.name = "bastion.reference", .initial = "repeatable", .choices = "repeatable,unique"},
	{.name = "bastion.shows_reference", .initial = "no", .choices = "no,yes"},
	{.name = "bastion.webhook", .initial = "off", .choices = "off,on,held"},
	{.name = "bastion.webhook_times", .initial = "1", .wrong = setting_wrong_number},
	{.name = "bastion.webhook_delay_ms", .initial = "0", .wrong = setting_wrong_number},
	{.name = "bastion.webhook_order", .initial = "oldest", .choices = "oldest,newest"},
	{.name = NULL},
};

static const Operation operations[] = {
	{.name = "bastion.generateAuthToken", .method = "POST", .path = PREFIX "/auth/generateAuthToken", .run = run_token},
	{.name = "bastion.changePassword",
	 .method = "POST",
	 .path = PREFIX "/auth/change-password",
	 .run = run_change_password},
	{.name = "bastion.resetPassword",
	 .method = "GET",
	 .path = PREFIX "/auth/password-reset",
	 .run = run_reset_password},
	{.name = "bastion.plans", .method = "GET", .path = PREFIX "/vendors/plans", .run = bastion_plans},
	{.name = "bastion.plan", .method = "GET", .path = PREFIX "/vendors/plans/*", .run = bastion_plan},
	{.name = "bastion.addEndorsement", .method = "POST", .path = PREFIX "/endorsement/add", .run = bastion_add},
	{.name = "bastion.conditions", .method = "GET", .path = PREFIX "/conditions", .run = bastion_conditions},
	{.name = "bastion.removeEndorsement",
	 .method = "POST",
	 .path = PREFIX "/endorsement/remove",
	 .run = bastion_remove},
	{.name = "bastion.enrolleeStatus", .method = "GET", .path = PREFIX "/enrollee-status", .run = bastion_status},
	{.name = "bastion.enrolleePlan", .method = "GET", .path = PREFIX "/enrollee-plan", .run = bastion_member_plan},
	{.name = "bastion.enrolleeUtilization",
	 .method = "GET",
	 .path = PREFIX "/enrollee-utilization",
	 .run = bastion_utilization},
	{.name = "bastion.undoDelete", .method = "POST", .path = PREFIX "/endorsement/undo-delete", .run = bastion_undo},
	{.name = "bastion.updateMemberPlan",
	 .method = "POST",
	 .path = PREFIX "/endorsement/update-member-plan",
	 .run = bastion_change_plan},
	{.name = "bastion.updateEnrolleeDetails",
	 .method = "POST",
	 .path = PREFIX "/endorsement/update-enrollee-details",
	 .run = bastion_change_details},
	{.name = "bastion.config", .method = "PATCH", .path = PREFIX "/vendors/config", .run = bastion_config},
	{.name = "bastion.states", .method = "GET", .path = PREFIX "/miscs/states", .run = bastion_states},
	{.name = "bastion.cities", .method = "GET", .path = PREFIX "/miscs/cities", .run = bastion_cities},
	{.name = "bastion.providers", .method = "GET", .path = PREFIX "/miscs/providers-list", .run = bastion_providers},
	{.name = NULL},
};

static const Partner bastion = {
	.name = "bastion",
	.operations = operations,
	.settings = settings,
	.replay = replay,
	.reset = reset,
	.refuse = bastion_refuse,
};

PARTNER(bastion)
