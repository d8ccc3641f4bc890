/*
 * bastion_data.c
 *		What Bastion's look-ups tell: plans, conditions, states, cities and providers.
 */
#include "bastion.h"

#include <stdio.h>
#include <string.h>

static const char plans[] =
	"[{\"id\": 10052, \"name\": \"Gold Plan\", \"description\": \"Hospitals, dentists and opticians\","
	"  \"category\": \"Individual\", \"state\": \"Published\", \"premium\": 64500.00},"
	" {\"id\": 86, \"name\": \"Silver Plan\", \"description\": \"Hospitals and dentists\","
	"  \"category\": \"Individual\", \"state\": \"Published\", \"premium\": 42000.00},"
	" {\"id\": 85, \"name\": \"Plan\", \"description\": \"Hospitals\","
	"  \"category\": \"Individual\", \"state\": \"Published\", \"premium\": 21500.50}]";

static const char conditions[] =
	"[{\"id\": \"650\", \"pec_name\": \"Abdominal pain\", \"pec_chapter_id\": \"11\", \"pec_status\": \"1\"},"
	" {\"id\": \"651\", \"pec_name\": \"Abdominal pregnancy\", \"pec_chapter_id\": \"14\", \"pec_status\": \"1\"},"
	" {\"id\": \"702\", \"pec_name\": \"Asthma\", \"pec_chapter_id\": \"10\", \"pec_status\": \"1\"},"
	" {\"id\": \"815\", \"pec_name\": \"Type 2 diabetes\", \"pec_chapter_id\": \"4\", \"pec_status\": \"1\"}]";

static const char states[] = "[{\"id\": 10, \"name\": \"Lagos\", \"country_id\": 162},"
							 " {\"id\": 15, \"name\": \"Abuja (FCT)\", \"country_id\": 162}]";

static const char cities[] = "[{\"id\": 115, \"name\": \"Ikeja\", \"state_id\": 10},"
							 " {\"id\": 116, \"name\": \"Epe\", \"state_id\": 10},"
							 " {\"id\": 271, \"name\": \"Gwagwalada\", \"state_id\": 15},"
							 " {\"id\": 272, \"name\": \"Kuje\", \"state_id\": 15}]";

/* What they are found by, beside what is shown of them. */
static const char providers[] =
	"[{\"provider_type\": 1, \"state_id\": 10, \"city_id\": 115, \"plans\": \"85,86,10052\", \"shown\":"
	"  {\"name\": \"ABC Health\", \"category\": \"Hospital\", \"email\": \"abc@health.example\","
	"   \"phone\": \"+2349092911111\", \"code\": \"ABC-HEALTH\", \"addressLine1\": \"1 Allen Avenue\","
	"   \"addressLine2\": \"\", \"state\": \"Lagos\", \"city\": \"Ikeja\", \"longitude\": \"3.3515\","
	"   \"latitude\": \"6.6018\", \"rating\": \"5\"}},"
	" {\"provider_type\": 6, \"state_id\": 10, \"city_id\": 116, \"plans\": \"86,10052\", \"shown\":"
	"  {\"name\": \"Epe Dental Care\", \"category\": \"Dentist\", \"email\": \"epe@dental.example\","
	"   \"phone\": \"+2349092911112\", \"code\": \"EPE-DENTAL\", \"addressLine1\": \"2 Lagos Road\","
	"   \"addressLine2\": \"\", \"state\": \"Lagos\", \"city\": \"Epe\", \"longitude\": \"3.9783\","
	"   \"latitude\": \"6.5841\", \"rating\": \"4\"}},"
	" {\"provider_type\": 1, \"state_id\": 15, \"city_id\": 271, \"plans\": \"85\", \"shown\":"
	"  {\"name\": \"Gwagwalada Health\", \"category\": \"Hospital\", \"email\": \"info@gwagwalada.example\","
	"   \"phone\": \"+2349092911113\", \"code\": \"GWA-HEALTH\", \"addressLine1\": \"3 Hospital Road\","
	"   \"addressLine2\": \"\", \"state\": \"Abuja (FCT)\", \"city\": \"Gwagwalada\", \"longitude\": \"7.0833\","
	"   \"latitude\": \"8.9411\", \"rating\": \"3\"}}]";

static const Key nothing_keys[] = {
	{.name = NULL},
};

static const Key condition_keys[] = {
	{.name = "query", .type = KEY_TEXT},
	{.name = NULL},
};

static const Key city_keys[] = {
	{.name = "state_id", .type = KEY_TEXT, .required = true, .wrong = strict_digits},
	{.name = NULL},
};

static const Key provider_keys[] = {
	{.name = "state_id", .type = KEY_TEXT, .wrong = strict_digits},
	{.name = "city_id", .type = KEY_TEXT, .wrong = strict_digits},
	{.name = "provider_type", .type = KEY_TEXT, .choices = "1,2,3,5,6,7,8,9,10,11,12,13,14,15,16,17,18"},
	{.name = "search_text", .type = KEY_TEXT},
	{.name = "plan_id", .type = KEY_TEXT, .wrong = strict_digits},
	{.name = NULL},
};

/*
 * read_rows returns one of the lists above.
 */
static json_t *
read_rows(const char *text)
{
	json_error_t error;
	json_t *rows = json_loads(text, 0, &error);

	if (rows == NULL)
		fatal("Bastion's data: %s", error.text);
	return rows;
}

/*
 * is_id returns whether a value is an identifier, which may be written as a number.
 */
static bool
is_id(const json_t *value, const char *id)
{
	char number[32];

	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return strcmp(json_is_string(value) ? json_string_value(value) : number, id) == 0;
}

/*
 * find_row returns the row with an identifier, or NULL, for the caller to free.
 */
static json_t *
find_row(const char *text, const json_t *id)
{
	json_t *rows = read_rows(text);
	json_t *found = NULL;
	json_t *row;
	size_t i;
	char number[32];

	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(id));
	json_array_foreach (rows, i, row)
	{
		if (is_id(json_object_get(row, "id"), json_is_string(id) ? json_string_value(id) : number))
			found = json_incref(row);
	}
	json_decref(rows);
	return found;
}

/*
 * bastion_find_plan returns a plan, or NULL, for the caller to free.
 */
json_t *
bastion_find_plan(const char *id)
{
	json_t *text = json_string(id);
	json_t *plan = find_row(plans, text);

	json_decref(text);
	return plan;
}

/*
 * bastion_has_condition returns whether there is a condition.
 */
bool
bastion_has_condition(const json_t *id)
{
	json_t *condition = find_row(conditions, id);

	json_decref(condition);
	return condition != NULL;
}

/*
 * bastion_has_place returns whether there is such a city in the state, and that in the
 * country.
 */
bool
bastion_has_place(const json_t *country, const json_t *state, const json_t *city)
{
	json_t *state_row = find_row(states, state);
	json_t *city_row = find_row(cities, city);
	bool has = json_equal(json_object_get(state_row, "country_id"), country) &&
			   json_equal(json_object_get(city_row, "state_id"), state);

	json_decref(state_row);
	json_decref(city_row);
	return has;
}

/*
 * show_ids changes the identifiers in a row to what answers show.
 */
static void
show_ids(json_t *row)
{
	static const char *const names[] = {"id", "pec_chapter_id", "country_id", "state_id"};

	for (size_t i = 0; i < lengthof(names); i++)
		if (json_object_get(row, names[i]) != NULL)
			json_object_set_new(row, names[i], answer_number(json_object_get(row, names[i]), "bastion.numbers"));
}

/*
 * fits returns whether a row is one that a call asks for.
 */
static bool
fits(const json_t *row, const json_t *call)
{
	const char *name;
	json_t *wanted;

	json_object_foreach ((json_t *) call, name, wanted)
	{
		const char *text = json_string_value(wanted);
		bool fit;

		if (strcmp(name, "query") == 0)
			fit = strcasestr(json_string_value(json_object_get(row, "pec_name")), text) != NULL;
		else if (strcmp(name, "search_text") == 0)
			fit = strcasestr(json_string_value(json_object_get(json_object_get(row, "shown"), "name")), text) != NULL;
		else if (strcmp(name, "plan_id") == 0)
			fit = list_has(json_string_value(json_object_get(row, "plans")), text);
		else
			fit = is_id(json_object_get(row, name), text);
		if (!fit)
			return false;
	}
	return true;
}

/*
 * look_up answers with the rows that a call asks for; it takes the rest of the answer
 * over.
 */
static void
look_up(const Request *request, const Key *keys, const char *text, json_t *body, Answer *answer)
{
	json_t *call = bastion_open(request, keys, answer);
	json_t *list = json_array();
	json_t *rows;
	json_t *row;
	size_t i;

	if (call == NULL)
	{
		json_decref(list);
		json_decref(body);
		return;
	}
	rows = read_rows(text);
	json_array_foreach (rows, i, row)
	{
		json_t *shown = json_object_get(row, "shown");

		if (!fits(row, call))
			continue;
		show_ids(row);
		json_array_append(list, shown == NULL ? row : shown);
	}
	json_decref(rows);
	json_decref(call);
	json_object_set_new(body, "data", list);
	bastion_answer(answer, body);
}

/*
 * found returns the head of an answer.
 */
static json_t *
found(const char *message)
{
	return json_pack("{s:b, s:s}", "status", 1, "message", message);
}

/*
 * bastion_plans answers all plans.
 */
void
bastion_plans(const Request *request, Answer *answer)
{
	look_up(request, nothing_keys, plans, found("Broker Plans Retrieved Successfully!"), answer);
}

/*
 * bastion_plan answers one plan, whose identifier ends the path.
 */
void
bastion_plan(const Request *request, Answer *answer)
{
	json_t *call = bastion_open(request, nothing_keys, answer);
	json_t *plan = bastion_find_plan(strrchr(request->path, '/') + 1);
	json_t *body;

	if (call != NULL && plan == NULL)
		bastion_refuse(answer, 404, "id: is no plan");
	else if (call != NULL)
	{
		body = found("Broker Plan Retrieved Successfully!");
		show_ids(plan);
		json_object_set(body, "data", plan);
		bastion_answer(answer, body);
	}
	json_decref(plan);
	json_decref(call);
}

/*
 * bastion_conditions answers the pre-existing conditions of a name.
 */
void
bastion_conditions(const Request *request, Answer *answer)
{
	look_up(request, condition_keys, conditions, json_pack("{s:i, s:s}", "statusCode", 200, "message", "Successful!"),
			answer);
}

/*
 * bastion_states answers all states.
 */
void
bastion_states(const Request *request, Answer *answer)
{
	look_up(request, nothing_keys, states, found("States/Regions Retrieved Successfully!"), answer);
}

/*
 * bastion_cities answers the cities of a state.
 */
void
bastion_cities(const Request *request, Answer *answer)
{
	look_up(request, city_keys, cities, found("Cities Retrieved Successfully!"), answer);
}

/*
 * bastion_providers answers the providers that all filters let pass.
 */
void
bastion_providers(const Request *request, Answer *answer)
{
	look_up(request, provider_keys, providers, found("Providers List Retrieved Successfully!"), answer);
}
