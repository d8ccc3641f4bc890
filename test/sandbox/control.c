/*
 * control.c
 *		/sandbox/: how tests look at the sandbox and steer it.
 */
#include "sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * answer_ok says that a command was carried out.
 */
static void
answer_ok(Answer *answer)
{
	answer_json(answer, 200, json_pack("{s:s}", "status", "ok"));
}

/*
 * get_health answers that the sandbox is up.
 */
static void
get_health(const Request *request, Answer *answer)
{
	(void) request;
	answer_ok(answer);
}

/*
 * get_ledger answers the entries that have the values of the query string.
 */
static void
get_ledger(const Request *request, Answer *answer)
{
	answer_json(answer, 200, ledger_json(request->arguments));
}

/*
 * get_summary answers the sums of the ledger.
 */
static void
get_summary(const Request *request, Answer *answer)
{
	(void) request;
	answer_json(answer, 200, ledger_summary());
}

/*
 * get_requests answers the last calls that partners were sent; ?after=N those with greater numbers.
 */
static void
get_requests(const Request *request, Answer *answer)
{
	const char *after = json_string_value(json_object_get(request->arguments, "after"));

	answer_json(answer, 200, journal_json(after == NULL ? 0 : strtoll(after, NULL, 10)));
}

/*
 * get_faults answers the faults and how often each was seen and fired.
 */
static void
get_faults(const Request *request, Answer *answer)
{
	(void) request;
	answer_json(answer, 200, faults_json());
}

/*
 * post_faults adds faults; ?seed=N starts their chances again.
 */
static void
post_faults(const Request *request, Answer *answer)
{
	const char *seed = json_string_value(json_object_get(request->arguments, "seed"));
	json_t *list;
	Message message;
	unsigned status = strict_read(request, &list, message);

	if (status == 0 && !faults_add(list, message))
		status = 400;
	json_decref(list);
	if (status != 0)
	{
		answer_failure(answer, status, message);
		return;
	}
	if (seed != NULL)
		faults_seed((unsigned) strtoul(seed, NULL, 10));
	answer_ok(answer);
}

/*
 * delete_faults removes all faults, and ends the delays under way.
 */
static void
delete_faults(const Request *request, Answer *answer)
{
	(void) request;
	faults_clear();
	clock_wake();
	answer_ok(answer);
}

/*
 * get_settings answers all settings.
 */
static void
get_settings(const Request *request, Answer *answer)
{
	(void) request;
	answer_json(answer, 200, settings_json());
}

/*
 * change_settings sets the settings that an object names; it returns false, with
 * the reason in message, at the first that does not fit.
 */
static bool
change_settings(const json_t *object, Message message)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
	{
		strcpy(message, "body must be an object of settings");
		return false;
	}
	json_object_foreach ((json_t *) object, name, value)
	{
		char number[32];

		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		if (!json_is_string(value) && !json_is_integer(value))
		{
			snprintf(message, sizeof(Message), "%.100s must be text or a number", name);
			return false;
		}
		if (!setting_set(name, json_is_string(value) ? json_string_value(value) : number, message))
			return false;
	}
	return true;
}

/*
 * post_settings changes settings and answers all.
 */
static void
post_settings(const Request *request, Answer *answer)
{
	json_t *object;
	Message message;
	unsigned status = strict_read(request, &object, message);

	if (status == 0 && !change_settings(object, message))
		status = 400;
	json_decref(object);
	if (status != 0)
		answer_failure(answer, status, message);
	else
		answer_json(answer, 200, settings_json());
}

/*
 * post_reset returns to the state of the start, with an empty ledger.  Calls that
 * are being delayed are applied to the new one at once.
 */
static void
post_reset(const Request *request, Answer *answer)
{
	(void) request;
	faults_clear();
	settings_reset();
	session_reset();
	partners_reset();
	ledger_reset();
	journal_reset();
	clock_wake();
	answer_ok(answer);
}

static const struct
{
	const char *method;
	const char *path;
	void (*run)(const Request *request, Answer *answer);
} commands[] = {
	{"GET", "/sandbox/health", get_health},
	{"GET", "/sandbox/ledger", get_ledger},
	{"GET", "/sandbox/summary", get_summary},
	{"GET", "/sandbox/requests", get_requests},
	{"GET", "/sandbox/faults", get_faults},
	{"POST", "/sandbox/faults", post_faults},
	{"DELETE", "/sandbox/faults", delete_faults},
	{"GET", "/sandbox/settings", get_settings},
	{"POST", "/sandbox/settings", post_settings},
	{"POST", "/sandbox/reset", post_reset},
};

/*
 * control answers a call under /sandbox/.
 */
void
control(const Request *request, Answer *answer)
{
	for (size_t i = 0; i < lengthof(commands); i++)
		if (strcmp(commands[i].method, request->method) == 0 && strcmp(commands[i].path, request->path) == 0)
		{
			commands[i].run(request, answer);
			return;
		}
	answer_failure(answer, 404, "there is no such command");
}
