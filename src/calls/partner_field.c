/*
 * partner_field.c
 *	  Checks the params of an operation against its table of fields, and builds
 *	  its request from them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "partner_field.h"

static const char *const kind_names[] = {"text", "digits", "capital letters", "date", "e-mail address", "id", "choice",
										 "choice", "whole number", "number", "boolean", "boolean", "object",
										 "array of objects", "array of ids", "object of texts"};

static json_t *present(json_t *params, const char *name);
static json_t *value_of(const PartnerConfig *config, const PartnerField *field, json_t *params);
static const char *wire_of(const PartnerConfig *config, const PartnerField *field);
static const PartnerField *field_named(const PartnerField *fields, const char *name, bool patterns);
static bool fits_pattern(const char *pattern, const char *name);
static bool check(const PartnerConfig *config, const PartnerField *fields, json_t *params, const char *prefix,
				  const char *code, FieldWrong *wrong);
static WrongKind value_wrong(const PartnerField *field, json_t *value);
static WrongKind text_wrong(const PartnerField *field, const char *text);
static bool check_within(const PartnerConfig *config, const PartnerField *field, json_t *value, const char *prefix,
						 const char *code, FieldWrong *wrong);
static bool found_wrong(FieldWrong *wrong, WrongKind kind, const char *prefix, const char *name, const char *code);
static size_t characters(const char *text);
static bool is_date(const char *text);
static const FieldChoice *choice_named(const FieldChoice *choices, const char *name);
static json_t *object_of(const PartnerConfig *config, const PartnerField *fields, json_t *params);
static json_t *wire_value(const PartnerConfig *config, const PartnerField *field, json_t *value);
static json_t *as_text(json_t *value);
static bool set_at(json_t *object, const char *path, json_t *value);
static bool write_path(FILE *url, const PartnerConfig *config, const PartnerOperation *operation, json_t *params);
static bool write_escaped(FILE *url, json_t *value);

/*
 * Returns the operation of that name, or NULL.
 */
const PartnerOperation *
partner_operation(const Partner *partner, const char *name)
{
	const PartnerOperation *operation = partner->operations;

	while (operation != NULL && operation->name != NULL && strcmp(operation->name, name) != 0)
		operation++;
	return operation == NULL || operation->name == NULL ? NULL : operation;
}

/*
 * Returns the name of a kind of field.
 */
const char *
field_kind_name(FieldKind kind)
{
	return kind_names[kind];
}

/*
 * Writes the path of the field to which a partner's code belongs.  Returns
 * false if there is none.
 */
bool
field_of_code(const PartnerField *fields, const char *code, char *path, size_t size)
{
	for (; fields != NULL && fields->name != NULL; fields++)
	{
		size_t length = (size_t) snprintf(path, size, "%s", fields->name);

		if (fields->code != NULL && strcmp(fields->code, code) == 0)
			return true;
		if (length + 1 < size && fields->fields != NULL)
		{
			path[length] = '.';
			if (field_of_code(fields->fields, code, path + length + 1, size - length - 1))
				return true;
		}
	}
	return false;
}

/*
 * Returns what is wrong with the params of an operation: an unknown name, else
 * the first wrong field in the order of the table.
 */
FieldWrong
fields_wrong(const PartnerConfig *config, const PartnerField *fields, json_t *params)
{
	FieldWrong wrong = {WRONG_NOTHING, NULL, ""};

	check(config, fields, params, "", NULL, &wrong);
	return wrong;
}

/*
 * Returns a member of an object, or NULL if it is absent, null or an empty
 * text.
 */
static json_t *
present(json_t *params, const char *name)
{
	json_t *value = json_object_get(params, name);

	return json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0) ? NULL : value;
}

/*
 * Returns the value of a field, from the params or from its setting, or NULL.
 */
static json_t *
value_of(const PartnerConfig *config, const PartnerField *field, json_t *params)
{
	json_t *value = present(params, field->name);

	return value == NULL && field->setting != NULL ? json_object_get(config->settings, field->setting) : value;
}

/*
 * Returns the name of a field in the request, or NULL.
 */
static const char *
wire_of(const PartnerConfig *config, const PartnerField *field)
{
	return field->wire_setting == NULL ? field->wire
									   : json_string_value(json_object_get(config->settings, field->wire_setting));
}

/*
 * Returns the field with that name, or with a pattern that matches it, or
 * NULL.
 */
static const PartnerField *
field_named(const PartnerField *fields, const char *name, bool patterns)
{
	for (; fields->name != NULL; fields++)
		if (patterns ? fits_pattern(fields->name, name) : strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

/*
 * Returns whether a name matches a pattern with one *.
 */
static bool
fits_pattern(const char *pattern, const char *name)
{
	size_t before = strcspn(pattern, "*");
	size_t after = strlen(pattern + before + 1);
	size_t size = strlen(name);

	return size > before + after && strncmp(name, pattern, before) == 0 &&
		   strcmp(name + size - after, pattern + before + 1) == 0;
}

/*
 * Checks an object.  Returns false after the first error.
 */
static bool
check(const PartnerConfig *config, const PartnerField *fields, json_t *params, const char *prefix, const char *code,
	  FieldWrong *wrong)
{
	const char *name;
	json_t *value;

	json_object_foreach (params, name, value)
		if (field_named(fields, name, false) == NULL)
			return found_wrong(wrong, WRONG_UNKNOWN, prefix, name, code);
	for (; fields->name != NULL; fields++)
	{
		const char *own = fields->code == NULL ? code : fields->code;
		WrongKind kind = WRONG_NOTHING;

		value = present(params, fields->name);
		if (value != NULL)
			kind = wire_of(config, fields) == NULL && fields->wire_setting != NULL ? WRONG_UNKNOWN
																				   : value_wrong(fields, value);
		else if (fields->required && value_of(config, fields, params) == NULL)
			kind = WRONG_MISSING;
		if (kind == WRONG_NOTHING && fields->rule != NULL)
			kind = fields->rule(params, value);
		if (kind != WRONG_NOTHING)
			return found_wrong(wrong, kind, prefix, fields->name, own);
		if (value != NULL && !check_within(config, fields, value, prefix, own, wrong))
			return false;
	}
	return true;
}

/*
 * Checks the fields within a field.
 */
static bool
check_within(const PartnerConfig *config, const PartnerField *field, json_t *value, const char *prefix,
			 const char *code, FieldWrong *wrong)
{
	char within[sizeof(wrong->field)];
	const char *name;
	json_t *member;
	size_t i;

	snprintf(within, sizeof(within), "%s%s.", prefix, field->name);
	if (field->kind == FIELD_OBJECT)
		return check(config, field->fields, value, within, code, wrong);
	if (field->kind == FIELD_ROWS)
	{
		json_array_foreach (value, i, member)
		{
			snprintf(within, sizeof(within), "%s%s.%zu.", prefix, field->name, i);
			if (!check(config, field->fields, member, within, code, wrong))
				return false;
		}
	}
	if (field->kind == FIELD_MAP)
	{
		json_object_foreach (value, name, member)
		{
			const PartnerField *entry = field_named(field->fields, name, true);
			WrongKind kind = entry == NULL ? WRONG_UNKNOWN : value_wrong(entry, member);

			if (kind != WRONG_NOTHING)
				return found_wrong(wrong, kind, within, name, code);
		}
	}
	return true;
}

/*
 * Stores what is wrong.  Returns false.
 */
static bool
found_wrong(FieldWrong *wrong, WrongKind kind, const char *prefix, const char *name, const char *code)
{
	wrong->kind = kind;
	wrong->code = code;
	snprintf(wrong->field, sizeof(wrong->field), "%s%s", prefix, name);
	return false;
}

/*
 * Returns what is wrong with a value, apart from the fields within it.
 */
static WrongKind
value_wrong(const PartnerField *field, json_t *value)
{
	size_t most = field->most == 0 ? FIELD_LONGEST : field->most;
	bool fits = true;
	json_t *member;
	size_t i;

	switch (field->kind)
	{
		case FIELD_FLAG:
		case FIELD_FLAG_NUMBER:
			return json_is_boolean(value) ? WRONG_NOTHING : WRONG_TYPE;
		case FIELD_NUMBER:
			if (!json_is_number(value))
				return WRONG_TYPE;
			return json_number_value(value) > 0 ? WRONG_NOTHING : WRONG_VALUE;
		case FIELD_WHOLE:
		case FIELD_ID:
			if (json_is_integer(value))
				return json_integer_value(value) >= 0 ? WRONG_NOTHING : WRONG_VALUE;
			break;
		case FIELD_OBJECT:
		case FIELD_MAP:
			return json_is_object(value) ? WRONG_NOTHING : WRONG_TYPE;
		case FIELD_ROWS:
		case FIELD_IDS:
			json_array_foreach (value, i, member)
				fits = fits && (field->kind == FIELD_ROWS ? json_is_object(member)
														  : json_string_length(member) > 0 || json_is_integer(member));
			if (!json_is_array(value) || !fits)
				return WRONG_TYPE;
			return json_array_size(value) <= most ? WRONG_NOTHING : WRONG_LENGTH;
		default:
			break;
	}
	return json_is_string(value) ? text_wrong(field, json_string_value(value)) : WRONG_TYPE;
}

/*
 * Returns what is wrong with a text.
 */
static WrongKind
text_wrong(const PartnerField *field, const char *text)
{
	size_t size = strlen(text);
	bool fits = true;

	if (characters(text) > (size_t) (field->most == 0 ? FIELD_LONGEST : field->most))
		return WRONG_LENGTH;
	switch (field->kind)
	{
		case FIELD_DIGITS:
			fits = strspn(text, "0123456789") == size;
			break;
		case FIELD_WHOLE:
			fits = strspn(text, "0123456789") == size && size <= 18;
			break;
		case FIELD_CAPITALS:
			fits = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == size;
			break;
		case FIELD_DATE:
			fits = is_date(text);
			break;
		case FIELD_EMAIL:
			fits = mail_address_fits(text);
			break;
		case FIELD_CHOICE:
		case FIELD_NUMBERED:
			fits = choice_named(field->choices, text) != NULL;
			break;
		default:
			break;
	}
	for (const char *c = text; *c != '\0'; c++)
		fits = fits && ((unsigned char) *c >= ' ' || *c == '\t' || *c == '\n' || *c == '\r');
	return fits && characters(text) >= (size_t) field->least ? WRONG_NOTHING : WRONG_VALUE;
}

/*
 * Returns how many characters a text in UTF-8 has.
 */
static size_t
characters(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += (*text & 0xC0) != 0x80;
	return count;
}

/*
 * Returns whether a text is a day of the calendar, yyyy-mm-dd.
 */
static bool
is_date(const char *text)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = atoi(text);
	int month;
	int day;

	if (strlen(text) != 10 || strspn(text, "0123456789") != 4 || text[4] != '-' || strspn(text + 5, "0123456789") != 2 ||
		text[7] != '-' || strspn(text + 8, "0123456789") != 2)
		return false;
	month = atoi(text + 5);
	day = atoi(text + 8);
	return year > 0 && month >= 1 && month <= 12 && day >= 1 &&
		   day <= days[month - 1] + (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/*
 * Returns the choice of that name, or NULL.
 */
static const FieldChoice *
choice_named(const FieldChoice *choices, const char *name)
{
	for (; choices->name != NULL; choices++)
		if (strcmp(choices->name, name) == 0)
			return choices;
	return NULL;
}

/*
 * Fills in method, URL and body of a request from params that have been
 * checked.  Returns false if memory is short or a field of the path is
 * missing.
 */
bool
fields_build(const PartnerConfig *config, const PartnerOperation *operation, json_t *params, HttpRequest *request)
{
	json_t *content = object_of(config, operation->fields, params);
	const char *separator = "?";
	size_t size;
	FILE *url = open_memstream(&request->url, &size);
	bool built = content != NULL && url != NULL && fputs(config->base_url, url) >= 0 &&
				 write_path(url, config, operation, params);
	const char *name;
	json_t *value;

	request->method = operation->method;
	if (strcmp(operation->method, "GET") == 0)
	{
		json_object_foreach (content, name, value)
		{
			built = built && fprintf(url, "%s%s=", separator, name) > 0 && write_escaped(url, value);
			separator = "&";
		}
	}
	else if (built)
		built = (request->body = json_dumps(content, JSON_COMPACT)) != NULL;
	json_decref(content);
	return url != NULL && fclose(url) == 0 && built;
}

/*
 * Fills in the request of an operation from its table, with the partner's
 * key.  Returns false if the operation is unknown or the request cannot be
 * built.
 */
bool
fields_request(const Partner *partner, const PartnerConfig *config, const char *name, json_t *params,
			   HttpRequest *request)
{
	const PartnerOperation *operation = partner_operation(partner, name);

	return operation != NULL && fields_build(config, operation, params, request) &&
		   (partner->key_header == NULL ||
			http_header(request, partner->key_header,
						json_string_value(json_object_get(config->secrets, "api_key"))));
}

/*
 * Returns the fields of an object as they are sent, or NULL if memory is
 * short.
 */
static json_t *
object_of(const PartnerConfig *config, const PartnerField *fields, json_t *params)
{
	json_t *object = json_pack("{}");
	bool built = object != NULL;

	for (; fields->name != NULL; fields++)
	{
		const char *wire = wire_of(config, fields);
		json_t *value = wire == NULL ? NULL : value_of(config, fields, params);

		if (value != NULL)
			built = built && set_at(object, wire, wire_value(config, fields, value));
	}
	if (built)
		return object;
	json_decref(object);
	return NULL;
}

/*
 * Returns a value as it is sent, which the caller frees.
 */
static json_t *
wire_value(const PartnerConfig *config, const PartnerField *field, json_t *value)
{
	const FieldChoice *choice;
	json_t *list;
	json_t *member;
	size_t i;

	switch (field->kind)
	{
		case FIELD_ID:
			return as_text(value);
		case FIELD_WHOLE:
			return json_is_integer(value) ? json_incref(value) : json_integer(strtoll(json_string_value(value), NULL, 10));
		case FIELD_NUMBERED:
			choice = choice_named(field->choices, json_string_value(value));
			return choice == NULL ? NULL : json_integer(choice->number);
		case FIELD_FLAG_NUMBER:
			return json_integer(json_is_true(value));
		case FIELD_OBJECT:
			return object_of(config, field->fields, value);
		case FIELD_ROWS:
		case FIELD_IDS:
			list = json_array();
			json_array_foreach (value, i, member)
				json_array_append_new(list, field->kind == FIELD_IDS ? as_text(member)
																	 : object_of(config, field->fields, member));
			return list;
		default:
			return json_incref(value);
	}
}

/*
 * Returns a text or a whole number as text, which the caller frees.
 */
static json_t *
as_text(json_t *value)
{
	return json_is_integer(value) ? json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value)) : json_incref(value);
}

/*
 * Sets the member at a path of names separated by dots, and takes over the
 * value.  Returns false if memory is short.
 */
static bool
set_at(json_t *object, const char *path, json_t *value)
{
	const char *dot = strchr(path, '.');
	char name[64];
	json_t *inner;

	if (dot == NULL)
		return json_object_set_new(object, path, value) == 0;
	snprintf(name, sizeof(name), "%.*s", (int) (dot - path), path);
	inner = json_object_get(object, name);
	if (inner == NULL)
	{
		inner = json_pack("{}");
		json_object_set_new(object, name, inner);
	}
	return set_at(inner, dot + 1, value);
}

/*
 * Writes the path of an operation, with the fields that it names in braces.
 */
static bool
write_path(FILE *url, const PartnerConfig *config, const PartnerOperation *operation, json_t *params)
{
	for (const char *c = operation->path; *c != '\0'; c++)
	{
		char name[64];
		const PartnerField *field;

		if (*c != '{')
		{
			fputc(*c, url);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int) strcspn(c + 1, "}"), c + 1);
		field = field_named(operation->fields, name, false);
		if (field == NULL || !write_escaped(url, value_of(config, field, params)))
			return false;
		c = strchr(c, '}');
	}
	return true;
}

/*
 * Writes a text or a whole number escaped for a URL.
 */
static bool
write_escaped(FILE *url, json_t *value)
{
	json_t *text = as_text(value);
	char *escaped = text == NULL ? NULL : http_escape(json_string_value(text));
	bool written = escaped != NULL && fputs(escaped, url) >= 0;

	free(escaped);
	json_decref(text);
	return written;
}
