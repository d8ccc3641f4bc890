/*
 * strict.c
 *		What a call may hold: well-formed JSON, every key that is required, none
 *		that is unknown, each of the right type.
 */
#include "sandbox.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * is_json tells whether a Content-Type is application/json, with or without
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
 * strict_read gives the JSON value that a call carries, for the caller to change and
 * free: the body of a POST, the arguments of a GET.  Returns 0, or the HTTP status of the refusal with the
 * reason in message.
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
	if (strcmp(request->method, "POST") != 0)
	{
		if (request->size > 0)
		{
			strcpy(message, "body is not expected");
			return 400;
		}
		*value = json_copy(request->arguments);
		return 0;
	}
	if (!is_json(json_string_value(json_object_get(request->headers, "content-type"))))
	{
		strcpy(message, "Content-Type must be application/json");
		return 415;
	}
	*value = json_loadb(request->body, request->size, JSON_REJECT_DUPLICATES, &error);
	if (*value == NULL)
	{
		snprintf(message, sizeof(Message), "body is not JSON: %s", error.text);
		return 400;
	}
	return 0;
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
		case KEY_LIST:
			return json_array_size(value) > 0 ? NULL : "must be a list that is not empty";
	}
	return "is of no known type";
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

	if (wrong != NULL)
		return wrong;
	if (key->choices != NULL && !list_has(key->choices, json_string_value(value)))
		return "is none of the choices";
	if (key->known != NULL)
	{
		setting_get(key->known, known);
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		if (!list_has(known, number))
			return "is not known";
	}
	return NULL;
}

/*
 * has_key tells whether a name is among the keys.
 */
static bool
has_key(const Key *keys, const char *name)
{
	for (const Key *key = keys; key->name != NULL; key++)
		if (strcmp(key->name, name) == 0)
			return true;
	return false;
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
		if (!has_key(keys, name))
		{
			snprintf(message, sizeof(Message), "%s%s%.64s: is not known", place, dot, name);
			return false;
		}
	}
	for (const Key *key = keys; key->name != NULL; key++)
	{
		char here[128];
		const char *wrong;

		value = json_object_get(object, key->name);
		if (value == NULL && !key->required)
			continue;
		snprintf(here, sizeof(here), "%s%s%s", place, dot, key->name);
		wrong = value == NULL ? "is missing" : value_wrong(value, key);
		if (wrong == NULL && key->type == KEY_LIST && !check_rows(value, key->row, here, message))
			return false;
		if (wrong == NULL && key->wrong != NULL)
			wrong = key->wrong(value);
		if (wrong != NULL)
		{
			snprintf(message, sizeof(Message), "%s: %s", here, wrong);
			return false;
		}
	}
	return true;
}

/*
 * strict_check tells whether a value is an object of these keys; if not, message
 * names the first key that is wrong.
 */
bool
strict_check(const json_t *object, const Key *keys, Message message)
{
	return check_object(object, keys, "", message);
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
