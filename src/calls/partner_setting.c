/*
 * partner_setting.c
 *	  The settings and the secrets of partners for configure_partner(): their
 *	  names, the values allowed, and the defaults.
 */
#include "postgres.h"

#include "error.h"
#include "fmgr.h"
#include "funcapi.h"
#include "money.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "partner_json.h"

/* The longest text, in bytes. */
#define SETTING_LONGEST 1000

static const PartnerSetting *setting_named(const PartnerSetting *known, const char *name);
static bool is_choice(const char *choices, const char *text);
static bool is_zone(const char *name);
static bool setting_fits(const PartnerSetting *setting, const json_t *value);
static ErrorName complete(json_t *given, const PartnerSetting *known, const char **name);
static Jsonb *checked(Jsonb *value, const PartnerSetting *known, const char *argument);

/*
 * Returns the setting of that name, or NULL.
 */
static const PartnerSetting *
setting_named(const PartnerSetting *known, const char *name)
{
	for (; known->name != NULL; known++)
		if (strcmp(known->name, name) == 0)
			return known;
	return NULL;
}

/*
 * Returns whether a text is one of "|one|other|".
 */
static bool
is_choice(const char *choices, const char *text)
{
	size_t size = strlen(text);

	for (const char *choice = choices; choice[1] != '\0'; choice = strchr(choice + 1, '|'))
		if (strcspn(choice + 1, "|") == size && strncmp(choice + 1, text, size) == 0)
			return true;
	return false;
}

/*
 * Returns whether a name is UTC or a time zone of the tz database by an
 * unmistakable name: CET, too, is an abbreviation without summer time.
 */
static bool
is_zone(const char *name)
{
	pg_tz *zone;

	if (strcmp(name, "UTC") == 0)
		return true;
	if (strlen(name) > TZ_STRLEN_MAX || name[0] < 'A' || name[0] > 'Z' || strchr(name, '/') == NULL)
		return false;
	zone = pg_tzset(name);
	return zone != NULL && strcmp(pg_get_timezone_name(zone), name) == 0;
}

/*
 * Returns whether a value is allowed for a setting.
 */
static bool
setting_fits(const PartnerSetting *setting, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t size = text == NULL ? 0 : strlen(text);

	if (text != NULL && size > SETTING_LONGEST)
		return false;
	switch (setting->kind)
	{
		case SETTING_TEXT:
			return size > 0 && size >= setting->least && (setting->choices == NULL || is_choice(setting->choices, text));
		case SETTING_CURRENCY:
			return text != NULL && money_decimals(cstring_to_text(text)) == 2;
		case SETTING_PATH:
			return text != NULL && text[0] == '/' &&
				   strspn(text, "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == size;
		case SETTING_ID:
			return json_integer_value(value) > 0 ||
				   (text != NULL && size <= 18 && strspn(text, "0123456789") == size && strspn(text, "0") < size);
		case SETTING_FLAG:
			return json_is_boolean(value);
		case SETTING_ADDRESS:
			return text != NULL && mail_address_fits(text);
		case SETTING_ZONE:
			return text != NULL && is_zone(text);
		case SETTING_LINK:
			return text != NULL && strncmp(text, "https://", strlen("https://")) == 0 && size > strlen("https://") &&
				   strspn(text, "/-._~:?=&%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == size;
		case SETTING_NUMBER:
			return json_is_number(value) && json_number_value(value) >= setting->least &&
				   json_number_value(value) <= setting->most;
	}
	return false;
}

/*
 * Checks settings against the known ones, adds the defaults of absent ones,
 * and turns numbers given as text into numbers, because 012 and 12 are the
 * same program.  Returns the error and the name of the first wrong one, or
 * ERR_COUNT.
 */
static ErrorName
complete(json_t *given, const PartnerSetting *known, const char **name)
{
	json_t *value;

	json_object_foreach (given, *name, value)
	{
		const PartnerSetting *setting = setting_named(known, *name);

		if (setting == NULL)
			return ERR_UNKNOWN_KEY;
		if (!setting_fits(setting, value))
			return ERR_INVALID_VALUE;
	}
	for (; known->name != NULL; known++)
	{
		*name = known->name;
		value = json_object_get(given, known->name);
		if (value == NULL && known->optional && (known->with == NULL || json_object_get(given, known->with) == NULL))
			continue;
		if (value == NULL && known->initial == NULL)
			return ERR_MISSING_FIELD;
		if (value == NULL)
			json_object_set_new(given, known->name, json_loads(known->initial, JSON_DECODE_ANY, NULL));
		else if (known->kind == SETTING_ID && json_is_string(value))
			json_object_set_new(given, known->name, json_integer(strtoll(json_string_value(value), NULL, 10)));
	}
	return ERR_COUNT;
}

/*
 * Returns an argument with settings or secrets, completed.  Raises wrong_type,
 * unknown_key, invalid_value or missing_field.
 */
static Jsonb *
checked(Jsonb *value, const PartnerSetting *known, const char *argument)
{
	char *text = JsonbToCString(NULL, &value->root, VARSIZE(value));
	json_t *given = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *name = "";
	ErrorName error = json_is_object(given) ? complete(given, known, &name) : ERR_WRONG_TYPE;
	char *field = *name == '\0' ? pstrdup(argument) : psprintf("%s.%s", argument, name);

	if (error != ERR_COUNT)
	{
		json_decref(given);
		ereport(ERROR, errnamed(error, field));
	}
	return DatumGetJsonbP(partner_jsonb(given));
}

/*
 * murallink_private.partner_checked(partner, base_url, settings, secrets): the
 * settings and the secrets, completed with defaults.  Raises not_found for an
 * unknown partner, insecure_url, and what checked() raises.
 */
PG_FUNCTION_INFO_V1(partner_checked);
Datum
partner_checked(PG_FUNCTION_ARGS)
{
	const Partner *partner = partner_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char *url = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const char *wrong;
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false};

	if (partner == NULL)
		ereport(ERROR, errnamed(ERR_NOT_FOUND, "partner"), errhint("partner_operations() lists those called by HTTP."));
	wrong = partner_by_mail(partner) ? mail_url_wrong(url) : http_url_wrong(url);
	if (wrong != NULL)
		ereport(ERROR, errnamed(ERR_INSECURE_URL, "base_url"), errhint("This URL cannot be used: %s.", wrong));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "partner_checked must return a row");
	values[0] = JsonbPGetDatum(checked(PG_GETARG_JSONB_P(2), partner->settings, "settings"));
	values[1] = JsonbPGetDatum(checked(PG_GETARG_JSONB_P(3), partner->secrets, "secrets"));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
