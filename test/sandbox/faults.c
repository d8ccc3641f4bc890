/*
 * faults.c
 *		What goes wrong on purpose: before an operation is applied or after, for
 *		a number of calls or by chance.
 *
 * A fault is kept as the JSON object that control was given, in which the calls
 * "seen" and "fired" are counted.
 */
#include "sandbox.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Without another seed, every run gets the same chances. */
#define FIRST_SEED 1

#define DELAY "delay"

/* The names of what may happen to an answer; a delay alone leaves it be. */
static const struct
{
	const char *name;
	Manner manner;
} actions[] = {
	{DELAY, MANNER_WHOLE},
	{"answer", MANNER_WHOLE},
	{"close", MANNER_CLOSE},
	{"reset", MANNER_RESET},
	{"crash", MANNER_CRASH},
	{"truncate", MANNER_TRUNCATED},
	{"malformed", MANNER_MALFORMED},
	{"empty", MANNER_EMPTY},
	{"slow", MANNER_SLOW},
	{"endless", MANNER_ENDLESS},
};

static json_t *faults;
static unsigned short chance[3] = {0x330E, FIRST_SEED};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *wrong_operation(const json_t *value);
static const char *wrong_action(const json_t *value);
static const char *wrong_natural(const json_t *value);
static const char *wrong_probability(const json_t *value);
static const char *wrong_status(const json_t *value);

static const Key fault_keys[] = {
	{.name = "operation", .type = KEY_TEXT, .required = true, .wrong = wrong_operation},
	{.name = "when", .type = KEY_TEXT, .required = true, .choices = "before,after"},
	{.name = "action", .type = KEY_TEXT, .required = true, .wrong = wrong_action},
	{.name = "skip", .type = KEY_NUMBER, .wrong = wrong_natural},
	{.name = "count", .type = KEY_NUMBER, .wrong = wrong_natural},
	{.name = "probability", .type = KEY_FRACTION, .wrong = wrong_probability},
	{.name = "delay_ms", .type = KEY_NUMBER, .wrong = wrong_natural},
	{.name = "status", .type = KEY_NUMBER, .wrong = wrong_status},
	{.name = "retry_after", .type = KEY_NUMBER, .wrong = wrong_natural},
	{.name = "retry_at", .type = KEY_NUMBER, .wrong = wrong_natural},
	{.name = "location", .type = KEY_TEXT},
	{.name = "content_type", .type = KEY_TEXT},
	{.name = "body", .type = KEY_TEXT},
	{.name = NULL},
};

/*
 * text_of returns a fault's text, or NULL where it has none.
 */
static const char *
text_of(const json_t *fault, const char *name)
{
	return json_string_value(json_object_get(fault, name));
}

/*
 * number_of returns a fault's number, or 0 where it has none.
 */
static unsigned
number_of(const json_t *fault, const char *name)
{
	return (unsigned) json_integer_value(json_object_get(fault, name));
}

/*
 * wrong_operation checks a pattern like "partner.operation" or "partner.*": one that
 * fits no operation is misspelt.
 */
static const char *
wrong_operation(const json_t *value)
{
	return operation_exists(json_string_value(value)) ? NULL : "fits no operation";
}

/*
 * wrong_action checks the name of an action.
 */
static const char *
wrong_action(const json_t *value)
{
	for (size_t i = 0; i < lengthof(actions); i++)
		if (strcmp(actions[i].name, json_string_value(value)) == 0)
			return NULL;
	return "is no action";
}

/*
 * wrong_natural checks a count or a time.
 */
static const char *
wrong_natural(const json_t *value)
{
	json_int_t number = json_integer_value(value);

	return number >= 0 && number <= 1000000000 ? NULL : "must be from 0 to 1000000000";
}

/*
 * wrong_probability checks a probability.
 */
static const char *
wrong_probability(const json_t *value)
{
	double number = json_number_value(value);

	return number >= 0 && number <= 1 ? NULL : "must be from 0 to 1";
}

/*
 * wrong_status checks an HTTP status that ends a call.
 */
static const char *
wrong_status(const json_t *value)
{
	json_int_t number = json_integer_value(value);

	return number >= 200 && number <= 599 ? NULL : "must be from 200 to 599";
}

/*
 * faults_add adds a list of faults to those there are: all, or none with the reason
 * in message.
 */
bool
faults_add(const json_t *list, Message message)
{
	json_t *fault;
	size_t i;

	if (!json_is_array(list))
	{
		strcpy(message, "body must be a list of faults");
		return false;
	}
	json_array_foreach (list, i, fault)
	{
		if (!strict_check(fault, fault_keys, message))
			return false;
	}

	pthread_mutex_lock(&lock);
	if (faults == NULL)
		faults = json_array();
	json_array_foreach (list, i, fault)
	{
		fault = json_copy(fault);
		json_object_set_new(fault, "seen", json_integer(0));
		json_object_set_new(fault, "fired", json_integer(0));
		json_array_append_new(faults, fault);
	}
	pthread_mutex_unlock(&lock);
	return true;
}

/*
 * faults_clear removes all faults and starts the chances again.
 */
void
faults_clear(void)
{
	pthread_mutex_lock(&lock);
	json_decref(faults);
	faults = NULL;
	pthread_mutex_unlock(&lock);
	faults_seed(FIRST_SEED);
}

/*
 * faults_seed starts the chances from a seed.
 */
void
faults_seed(unsigned seed)
{
	pthread_mutex_lock(&lock);
	chance[0] = 0x330E;
	chance[1] = (unsigned short) seed;
	chance[2] = (unsigned short) (seed >> 16);
	pthread_mutex_unlock(&lock);
}

/*
 * faults_json returns the faults with what they did.
 */
json_t *
faults_json(void)
{
	json_t *copy;

	pthread_mutex_lock(&lock);
	copy = faults == NULL ? json_array() : json_deep_copy(faults);
	pthread_mutex_unlock(&lock);
	return copy;
}

/*
 * increment adds one to a number of a fault.
 */
static void
increment(json_t *fault, const char *name)
{
	json_object_set_new(fault, name, json_integer(number_of(fault, name) + 1));
}

/*
 * is_due counts a call against a fault and returns whether the fault strikes it.
 */
static bool
is_due(json_t *fault, const char *operation, const char *when)
{
	const json_t *probability = json_object_get(fault, "probability");
	const json_t *limit = json_object_get(fault, "count");

	if (fnmatch(text_of(fault, "operation"), operation, 0) != 0 || strcmp(text_of(fault, "when"), when) != 0)
		return false;
	increment(fault, "seen");
	if (number_of(fault, "seen") <= number_of(fault, "skip"))
		return false;
	if (limit != NULL && number_of(fault, "fired") >= number_of(fault, "count"))
		return false;
	if (probability != NULL && erand48(chance) >= json_number_value(probability))
		return false;
	increment(fault, "fired");
	return true;
}

/*
 * choose returns a copy of the fault that strikes a call, or NULL, and how long the
 * call is delayed: delays on the way to that fault add up.
 */
static json_t *
choose(const char *operation, const char *when, unsigned *delay_ms)
{
	json_t *chosen = NULL;
	json_t *fault;
	size_t i;

	*delay_ms = 0;
	pthread_mutex_lock(&lock);
	json_array_foreach (faults, i, fault)
	{
		if (!is_due(fault, operation, when))
			continue;
		if (strcmp(text_of(fault, "action"), DELAY) != 0)
		{
			chosen = json_deep_copy(fault);
			break;
		}
		*delay_ms += number_of(fault, "delay_ms");
	}
	pthread_mutex_unlock(&lock);
	return chosen;
}

/*
 * change makes an answer what the fault says.
 */
static void
change(Answer *answer, const json_t *fault, const Partner *partner, const char *path)
{
	unsigned status = number_of(fault, "status");
	const char *type = text_of(fault, "content_type");
	const char *body = text_of(fault, "body");
	const char *location = text_of(fault, "location");

	if (status != 0)
		partner->refuse(answer, status, "a fault on purpose");
	if (body != NULL)
		answer_text(answer, answer->status, "application/json", body);
	if (type != NULL)
		snprintf(answer->content_type, sizeof(answer->content_type), "%s", type);
	if (status >= 300 && status < 400)
		snprintf(answer->location, sizeof(answer->location), "%s", location == NULL ? path : location);
	if (json_object_get(fault, "retry_after") != NULL)
		snprintf(answer->retry_after, sizeof(answer->retry_after), "%u", number_of(fault, "retry_after"));

	if (json_object_get(fault, "retry_at") != NULL)
	{
		time_t at = time(NULL) + number_of(fault, "retry_at");
		struct tm parts;

		strftime(answer->retry_after, sizeof(answer->retry_after), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &parts));
	}

	for (size_t i = 0; i < lengthof(actions); i++)
		if (strcmp(actions[i].name, text_of(fault, "action")) == 0)
			answer->manner = actions[i].manner;
	answer->pause_ms = number_of(fault, "delay_ms");
}

/*
 * fault_strike lets the faults of an operation happen.  Returns whether one of them
 * took the answer over; before the operation this means that it is not applied.
 */
bool
fault_strike(const Partner *partner, const Operation *operation, const char *when, const Request *request,
			 Answer *answer)
{
	unsigned delay_ms;
	json_t *fault = choose(operation->name, when, &delay_ms);

	if (delay_ms > 0 && !clock_pause(delay_ms))
		answer->manner = MANNER_CLOSE;
	if (fault == NULL)
		return answer->manner == MANNER_CLOSE;
	if (answer->body == NULL)
		partner->refuse(answer, 200, "a fault on purpose");
	change(answer, fault, partner, request->path);
	json_decref(fault);
	return true;
}
