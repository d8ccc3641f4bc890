/*
 * strict.c
 *		What a call may hold: well-formed JSON, every key that is required, none
 *		that is unknown, each of the right type.
 */
#include "sandbox.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/*
 * is_json returns whether a Content-Type is application/json, with or without
 * a charset.
 */
static bool
is_json(const char *type)
{
	size_t length = strlen("application/json");

	return type != NULL && strncasecmp(type, "application/json", length) == 0 &&
		   (type[length] == '\0' || type[length] == ';' || type[length] == ' ');
}

/*
 * strict_json returns whether a call says that it is JSON; if not, message says so.
 */
bool
strict_json(const Request *request, Message message)
{
	if (is_json(json_string_value(json_object_get(request->headers, "content-type"))))
		return true;
	strcpy(message, "Content-Type must be application/json");
	return false;
}

/*
 * has_body returns whether a call carries its object in the body.
 */
static bool
has_body(const Request *request)
{
	return strcmp(request->method, "POST") == 0 || strcmp(request->method, "PATCH") == 0;
}

/*
 * strict_read gives the JSON value that a call carries, for the caller to change and
 * free: the body of a POST or PATCH, the arguments of others.  Returns 0, or the HTTP
 * status of the refusal with the reason in message.
 */
unsigned
strict_read(const Request *request, json_t **value, Message message)
{
	json_error_t error;

	*value = NULL;
	if (request->oversized)
	{
		strcpy(message, "body is too large");
		return 413;
	}
	if (request->arguments == NULL)
	{
		strcpy(message, "query string is not UTF-8");
		return 400;
	}
	if (!has_body(request))
	{
		if (request->size > 0)
		{
			strcpy(message, "body is not expected");
			return 400;
		}
		*value = json_copy(request->arguments);
		return 0;
	}
	if (!strict_json(request, message))
		return 415;
	*value = json_loadb(request->body, request->size, JSON_REJECT_DUPLICATES, &error);
	if (*value == NULL)
	{
		snprintf(message, sizeof(Message), "body is not JSON: %s", error.text);
		return 400;
	}
	return 0;
}

/*
 * ids_wrong returns what is wrong with a list of identifiers, or NULL.
 */
static const char *
ids_wrong(const json_t *list)
{
	json_t *id;
	size_t i;

	json_array_foreach (list, i, id)
	{
		if (!json_is_integer(id) && (!json_is_string(id) || strict_blank(id) != NULL))
			return "must be identifiers";
	}
	return json_array_size(list) > 0 ? NULL : "must be a list that is not empty";
}

/*
 * type_wrong returns what is wrong with the type of a value, or NULL.
 */
static const char *
type_wrong(const json_t *value, KeyType type)
{
	switch (type)
	{
		case KEY_TEXT:
			return json_is_string(value) ? NULL : "must be text";
		case KEY_NUMBER:
			return json_is_integer(value) ? NULL : "must be an integer";
		case KEY_FRACTION:
			return json_is_number(value) ? NULL : "must be a number";
		case KEY_FLAG:
			return json_is_boolean(value) ? NULL : "must be true or false";
		case KEY_ID:
			if (json_is_integer(value))
				return NULL;
			return json_is_string(value) ? strict_blank(value) : "must be an identifier";
		case KEY_IDS:
			return ids_wrong(value);
		case KEY_OBJECT:
			return json_is_object(value) ? NULL : "must be an object";
		case KEY_LIST:
			return json_array_size(value) > 0 ? NULL : "must be a list that is not empty";
	}
	return "is of no known type";
}

/*
 * length_wrong returns what is wrong with the length of a text, or NULL.
 */
static const char *
length_wrong(const char *text, const Key *key)
{
	unsigned length = 0;

	for (const char *c = text; *c != '\0'; c++)
		length += ((unsigned char) *c & 0xC0) != 0x80; /* where a character begins */
	if (length < key->least)
		return "is too short";
	return key->most > 0 && length > key->most ? "is too long" : NULL;
}

/*
 * value_wrong returns what is wrong with a value by itself, or NULL.
 */
static const char *
value_wrong(const json_t *value, const Key *key)
{
	const char *wrong = type_wrong(value, key->type);
	char number[32];
	char known[SETTING_SIZE];

	if (wrong == NULL && json_is_string(value))
		wrong = length_wrong(json_string_value(value), key);
	if (wrong != NULL)
		return wrong;
	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (key->choices != NULL && !list_has(key->choices, json_is_string(value) ? json_string_value(value) : number))
		return "is none of the choices";
	if (key->known != NULL)
	{
		setting_get(key->known, known);
		if (!list_has(known, number))
			return "is not known";
	}
	return NULL;
}

/*
 * find_key returns the key of a name, or NULL.
 */
static const Key *
find_key(const Key *keys, const char *name)
{
	for (const Key *key = keys; key->name != NULL; key++)
		if (fnmatch(key->name, name, 0) == 0)
			return key;
	return NULL;
}

static bool check_object(const json_t *object, const Key *keys, const char *place, Message message);

/*
 * check_rows checks the objects of a list that is at a place.
 */
static bool
check_rows(const json_t *list, const Key *row_keys, const char *place, Message message)
{
	json_t *row;
	size_t i;

	json_array_foreach (list, i, row)
	{
		char below[160];

		snprintf(below, sizeof(below), "%s[%zu]", place, i);
		if (!check_object(row, row_keys, below, message))
			return false;
	}
	return true;
}

/*
 * check_value checks the value of a key, NULL for none, and what is below it.
 */
static bool
check_value(const json_t *value, const Key *key, const char *place, Message message)
{
	const char *wrong = value == NULL ? "is missing" : value_wrong(value, key);

	if (wrong == NULL && key->type == KEY_LIST && !check_rows(value, key->row, place, message))
		return false;
	if (wrong == NULL && key->type == KEY_OBJECT && !check_object(value, key->row, place, message))
		return false;
	if (wrong == NULL && key->wrong != NULL)
		wrong = key->wrong(value);
	if (wrong == NULL)
		return true;
	snprintf(message, sizeof(Message), "%s: %s", place, wrong);
	return false;
}

/*
 * check_object checks an object and what is below it; place says where it is, for the
 * message.
 */
static bool
check_object(const json_t *object, const Key *keys, const char *place, Message message)
{
	const char *dot = *place == '\0' ? "" : ".";
	const char *name;
	json_t *value;

	if (!json_is_object(object))
	{
		snprintf(message, sizeof(Message), "%s: must be an object", *place == '\0' ? "body" : place);
		return false;
	}
	json_object_foreach ((json_t *) object, name, value)
	{
		if (find_key(keys, name) == NULL)
		{
			snprintf(message, sizeof(Message), "%s%s%.64s: is not known", place, dot, name);
			return false;
		}
	}
	for (const Key *key = keys; key->name != NULL; key++)
	{
		char here[160];

		if (key->required && json_object_get(object, key->name) == NULL)
		{
			snprintf(here, sizeof(here), "%s%s%s", place, dot, key->name);
			return check_value(NULL, key, here, message);
		}
		json_object_foreach ((json_t *) object, name, value)
		{
			snprintf(here, sizeof(here), "%s%s%.64s", place, dot, name);
			if (find_key(keys, name) == key && !check_value(value, key, here, message))
				return false;
		}
	}
	return true;
}

/*
 * strict_check returns whether a value is an object of these keys; if not, message
 * names the first key that is wrong.
 */
bool
strict_check(const json_t *object, const Key *keys, Message message)
{
	return check_object(object, keys, "", message);
}

/*
 * strict_call gives the object of these keys that a call carries, and nothing else, for
 * the caller to change and free, or NULL; the caller checks the keys itself where they
 * are NULL.  Returns 0, or the HTTP status of the refusal with the reason in message.
 */
unsigned
strict_call(const Request *request, const Key *keys, json_t **call, Message message)
{
	unsigned status = strict_read(request, call, message);

	if (status == 0 && has_body(request) && json_object_size(request->arguments) > 0)
	{
		strcpy(message, "query string: is not expected");
		status = 400;
	}
	if (status == 0 && keys != NULL && !strict_check(*call, keys, message))
		status = 400;
	if (status != 0)
	{
		json_decref(*call);
		*call = NULL;
	}
	return status;
}

/*
 * strict_key returns whether a call has the key that a setting says, in a header.
 */
bool
strict_key(const Request *request, const char *header, const char *setting)
{
	const char *key = json_string_value(json_object_get(request->headers, header));

	return key != NULL && setting_is(setting, key);
}

/*
 * strict_blank is a check of text that must not be blank.
 */
const char *
strict_blank(const json_t *value)
{
	const char *text = json_string_value(value);

	return text[strspn(text, " \t\r\n")] == '\0' ? "must not be blank" : NULL;
}

/*
 * strict_phone checks a phone number, which may be empty: 7 to 15 digits, a plus
 * before them and the usual signs between them.
 */
const char *
strict_phone(const json_t *value)
{
	const char *text = json_string_value(value);
	int digits = 0;

	if (*text == '\0')
		return NULL;
	for (const char *c = text; *c != '\0'; c++)
	{
		if (isdigit((unsigned char) *c))
			digits++;
		else if (strchr(" -().", *c) == NULL && !(*c == '+' && c == text))
			return "is no phone number";
	}
	return digits >= 7 && digits <= 15 ? NULL : "is no phone number";
}

/*
 * strict_email checks an e-mail address, which may be empty: something, one @, and a
 * host with a dot inside.
 */
const char *
strict_email(const json_t *value)
{
	const char *text = json_string_value(value);
	const char *at = strchr(text, '@');
	const char *dot = strrchr(text, '.');

	if (*text == '\0')
		return NULL;
	if (at == NULL || at == text || strchr(at + 1, '@') != NULL || dot == NULL || dot <= at + 1 || dot[1] == '\0' ||
		text[strcspn(text, " \t\r\n")] != '\0' || strlen(text) > 254)
		return "is no e-mail address";
	return NULL;
}

/*
 * strict_digits is a check of text that must be digits.
 */
const char *
strict_digits(const json_t *value)
{
	const char *text = json_string_value(value);

	return *text != '\0' && text[strspn(text, "0123456789")] == '\0' ? NULL : "must be digits";
}

/*
 * strict_date checks a day of the calendar, written yyyy-mm-dd.
 */
const char *
strict_date(const json_t *value)
{
	const char *text = json_string_value(value);
	struct tm date = {.tm_year = 0};
	const char *end = strptime(text, "%Y-%m-%d", &date);
	int day = date.tm_mday;

	/* strptime takes less than ten characters, or blanks; timegm carries February 30 over into March. */
	if (end == NULL || *end != '\0' || strlen(text) != strlen("yyyy-mm-dd") ||
		strspn(text, "0123456789-") != strlen(text) || timegm(&date) == -1 || date.tm_mday != day)
		return "is no date";
	return NULL;
}
