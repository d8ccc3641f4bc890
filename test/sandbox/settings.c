/*
 * settings.c
 *		What may be switched at the start and by control: the settings of each
 *		partner, all of them text.
 */
#include "sandbox.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_MAX 256

static Setting *settings[SETTINGS_MAX];
static int setting_count = 0;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * settings_init gathers the settings of all partners and gives them their
 * initial values.
 */
void
settings_init(void)
{
	for (int i = 0; partners[i] != NULL; i++)
		for (Setting *setting = partners[i]->settings; setting->name != NULL; setting++)
		{
			if (setting_count == SETTINGS_MAX)
				fatal("more than %d settings", SETTINGS_MAX);
			snprintf(setting->value, SETTING_SIZE, "%s", setting->initial);
			settings[setting_count++] = setting;
		}
}

/*
 * settings_started keeps the values of now for settings_reset.
 */
void
settings_started(void)
{
	for (int i = 0; i < setting_count; i++)
		memcpy(settings[i]->at_start, settings[i]->value, SETTING_SIZE);
}

/*
 * settings_reset returns to the values that the sandbox was started with.
 */
void
settings_reset(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < setting_count; i++)
		memcpy(settings[i]->value, settings[i]->at_start, SETTING_SIZE);
	pthread_mutex_unlock(&lock);
}

/*
 * find_setting returns the setting of that name, or NULL.
 */
static Setting *
find_setting(const char *name)
{
	for (int i = 0; i < setting_count; i++)
		if (strcmp(settings[i]->name, name) == 0)
			return settings[i];
	return NULL;
}

/*
 * list_has returns whether a value is one of "a,b,c".
 */
bool
list_has(const char *list, const char *value)
{
	size_t length = strlen(value);

	for (const char *item = list; item != NULL; item = strchr(item, ','))
	{
		item += (*item == ',');
		if (strcspn(item, ",") == length && strncmp(item, value, length) == 0)
			return true;
	}
	return false;
}

/*
 * setting_wrong_number is a check of settings that are natural numbers.
 */
const char *
setting_wrong_number(const char *value)
{
	size_t digits = strspn(value, "0123456789");

	return digits > 0 && digits < 10 && value[digits] == '\0' ? NULL : "must be a natural number";
}

/*
 * setting_set changes a setting; it returns false, with the reason in message,
 * for an unknown name or an unfit value.
 */
bool
setting_set(const char *name, const char *value, Message message)
{
	Setting *setting = find_setting(name);
	const char *wrong = setting == NULL || setting->wrong == NULL ? NULL : setting->wrong(value);

	if (setting == NULL)
		snprintf(message, sizeof(Message), "%.100s is no setting", name);
	else if (strlen(value) >= SETTING_SIZE)
		snprintf(message, sizeof(Message), "%s is too long", name);
	else if (setting->choices != NULL && !list_has(setting->choices, value))
		snprintf(message, sizeof(Message), "%s must be one of %s", name, setting->choices);
	else if (wrong != NULL)
		snprintf(message, sizeof(Message), "%s %s", name, wrong);
	else
	{
		pthread_mutex_lock(&lock);
		strcpy(setting->value, value);
		pthread_mutex_unlock(&lock);
		return true;
	}
	return false;
}

/*
 * setting_get copies the value of a setting, which must exist.
 */
void
setting_get(const char *name, char value[SETTING_SIZE])
{
	Setting *setting = find_setting(name);

	if (setting == NULL)
		fatal("%s is no setting", name);
	pthread_mutex_lock(&lock);
	strcpy(value, setting->value);
	pthread_mutex_unlock(&lock);
}

/*
 * setting_is returns whether a setting has a value.
 */
bool
setting_is(const char *name, const char *value)
{
	char current[SETTING_SIZE];

	setting_get(name, current);
	return strcmp(current, value) == 0;
}

/*
 * setting_number returns the value of a number setting.
 */
unsigned
setting_number(const char *name)
{
	char value[SETTING_SIZE];

	setting_get(name, value);
	return (unsigned) strtoul(value, NULL, 10);
}

/*
 * settings_json returns all settings as an object.
 */
json_t *
settings_json(void)
{
	json_t *object = json_object();

	pthread_mutex_lock(&lock);
	for (int i = 0; i < setting_count; i++)
		json_object_set_new(object, settings[i]->name, json_string(settings[i]->value));
	pthread_mutex_unlock(&lock);
	return object;
}
