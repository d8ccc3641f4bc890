/*
 * bastion_member.c
 *		Bastion's members: endorsements add, remove and change them.
 *
 * Bastion recognises a repeated endorsement only where the setting says so: otherwise
 * the person becomes a member twice.
 */
#include "bastion.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_MEMBER 100004976

/* By memberId: what was endorsed, as it is now, with "status". */
static json_t *members;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * wrong_policy checks a policy.
 */
static const char *
wrong_policy(const json_t *value)
{
	char known[SETTING_SIZE];
	char number[32];

	setting_get("bastion.policy_id", known);
	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return list_has(known, json_is_string(value) ? json_string_value(value) : number) ? NULL : "is not known";
}

/*
 * wrong_relation checks a relation: an answer shows one that is not among the choices.
 */
static const char *
wrong_relation(const json_t *value)
{
	const char *text = json_string_value(value);

	if (list_has("Spouse,Son,Sibling,Daughter,Mother,Father,Grand Father,Grand Mother,Cousin,Friend", text) ||
		(strcmp(text, "Self") == 0 && setting_is("bastion.relation_self", "allowed")))
		return NULL;
	return "is none of the choices";
}

/*
 * wrong_size checks a height or a weight.
 */
static const char *
wrong_size(const json_t *value)
{
	return json_number_value(value) > 0 ? NULL : "must be above 0";
}

/*
 * wrong_customer checks what the keys of a customer say together.
 */
static const char *
wrong_customer(const json_t *customer)
{
	const json_t *list = json_object_get(customer, "condition");
	json_t *id;
	size_t i;

	if (!bastion_has_place(json_object_get(customer, "country"), json_object_get(customer, "state"),
						   json_object_get(customer, "city")))
		return "country, state and city are not known together";
	if (json_integer_value(json_object_get(customer, "preExistingCondition")) == 1 && list == NULL)
		return "condition is missing";
	json_array_foreach (list, i, id)
	{
		if (!bastion_has_condition(id))
			return "condition is not known";
	}
	return NULL;
}

static const Key customer_keys[] = {
	{.name = "firstName", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "middleName", .type = KEY_TEXT},
	{.name = "lastName", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "maidenName", .type = KEY_TEXT},
	{.name = "_email", .type = KEY_TEXT, .wrong = strict_email},
	{.name = "dob", .type = KEY_TEXT, .required = true, .wrong = strict_date},
	{.name = "gender", .type = KEY_TEXT, .required = true, .choices = "Male,Female"},
	{.name = "phone", .type = KEY_TEXT, .required = true, .least = 1, .wrong = strict_phone},
	{.name = "relation", .type = KEY_TEXT, .required = true, .wrong = wrong_relation},
	{.name = "maritalStatus", .type = KEY_NUMBER, .required = true, .choices = "1,2,3,4,5"},
	{.name = "country", .type = KEY_NUMBER, .required = true},
	{.name = "state", .type = KEY_NUMBER, .required = true},
	{.name = "city", .type = KEY_NUMBER, .required = true},
	{.name = "address", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "genotype", .type = KEY_NUMBER, .choices = "1,2,3,4,5,6"},
	{.name = "bloodGroup", .type = KEY_NUMBER, .choices = "1,2,3,4,5,6,7,8"},
	{.name = "religion", .type = KEY_NUMBER, .choices = "1,2,3,4,5"},
	{.name = "employeeId", .type = KEY_TEXT},
	{.name = "nationalId", .type = KEY_TEXT},
	{.name = "ninNumber", .type = KEY_TEXT},
	{.name = "height", .type = KEY_FRACTION, .wrong = wrong_size},
	{.name = "weight", .type = KEY_FRACTION, .wrong = wrong_size},
	{.name = "preExistingCondition", .type = KEY_NUMBER, .choices = "0,1"},
	{.name = "condition", .type = KEY_IDS},
	{.name = NULL},
};

static const Key details_keys[] = {
	{.name = "firstName", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "middleName", .type = KEY_TEXT},
	{.name = "lastName", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = "maidenName", .type = KEY_TEXT},
	{.name = "_email", .type = KEY_TEXT, .wrong = strict_email},
	{.name = "dob", .type = KEY_TEXT, .required = true, .wrong = strict_date},
	{.name = "gender", .type = KEY_TEXT, .required = true, .choices = "Male,Female"},
	{.name = "phone", .type = KEY_TEXT, .required = true, .least = 1, .wrong = strict_phone},
	{.name = "address", .type = KEY_TEXT, .required = true, .wrong = strict_blank},
	{.name = NULL},
};

static const Key add_keys[] = {
	{.name = "reference", .type = KEY_ID, .required = true},
	{.name = "plan_id", .type = KEY_ID, .required = true},
	{.name = "policyId", .type = KEY_ID, .required = true, .wrong = wrong_policy},
	{.name = "customer", .type = KEY_OBJECT, .required = true, .wrong = wrong_customer, .row = customer_keys},
	{.name = NULL},
};

static const Key remove_keys[] = {
	{.name = "memberId", .type = KEY_ID, .required = true},
	{.name = "policyId", .type = KEY_ID, .required = true},
	{.name = NULL},
};

static const Key member_keys[] = {
	{.name = "memberId", .type = KEY_ID, .required = true},
	{.name = NULL},
};

static const Key change_plan_keys[] = {
	{.name = "memberId", .type = KEY_ID, .required = true},
	{.name = "oldPlanId", .type = KEY_ID, .required = true},
	{.name = "newPlanId", .type = KEY_ID, .required = true},
	{.name = NULL},
};

static const Key change_details_keys[] = {
	{.name = "memberId", .type = KEY_ID, .required = true},
	{.name = "policyId", .type = KEY_ID, .required = true},
	{.name = "customer", .type = KEY_OBJECT, .required = true, .row = details_keys},
	{.name = NULL},
};

/*
 * text_of returns text from an object that has it.
 */
static const char *
text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/*
 * shown_dob returns a date of birth as answers show it: they turn it round.
 */
static json_t *
shown_dob(const json_t *customer)
{
	const char *dob = text_of(customer, "dob");

	if (setting_is("bastion.dob", "iso"))
		return json_string(dob);
	return json_sprintf("%.2s-%.2s-%.4s", dob + 8, dob + 5, dob);
}

/*
 * shown_age returns how old a customer is today.
 */
static json_t *
shown_age(const json_t *customer)
{
	time_t now = time(NULL);
	struct tm today;
	struct tm born;

	gmtime_r(&now, &today);
	strptime(text_of(customer, "dob"), "%Y-%m-%d", &born);
	return json_sprintf("%d", today.tm_year - born.tm_year -
								  (today.tm_mon * 31 + today.tm_mday < born.tm_mon * 31 + born.tm_mday));
}

/*
 * shown returns a member as answers and events show it.
 */
static json_t *
shown(const json_t *member)
{
	static const char *const ids[] = {"planId", "memberId", "policyId"};
	const json_t *customer = json_object_get(member, "customer");
	json_t *details = json_object();

	for (size_t i = 0; i < lengthof(ids); i++)
		json_object_set_new(details, ids[i], answer_number(json_object_get(member, ids[i]), "bastion.numbers"));
	json_object_update(details, (json_t *) customer);
	json_object_set_new(details, "dob", shown_dob(customer));
	if (json_object_get(customer, "_email") != NULL)
		json_object_set(details, "email", json_object_get(customer, "_email"));
	json_object_del(details, "_email");
	if (setting_is("bastion.shows_reference", "yes"))
		json_object_set(details, "reference", json_object_get(member, "reference"));
	return details;
}

/*
 * succeed answers a call that was carried out; it takes over the value of the answer.
 */
static void
succeed(Answer *answer, const char *message, json_t *more)
{
	json_t *data = json_pack("{s:i, s:s}", "success", 1, "message", message);

	json_object_update(data, more);
	json_decref(more);
	bastion_answer(answer, json_pack("{s:b, s:o}", "status", 1, "data", data));
}

/*
 * find_member returns the member that a call means, who must be active or deleted
 * unless status is NULL; or NULL with the refusal in the answer.  The lock is held.
 */
static const json_t *
find_member(const json_t *call, const char *status, Answer *answer)
{
	const json_t *member = json_object_get(members, text_of(call, "memberId"));
	const json_t *policy = json_object_get(call, "policyId");
	Message message;

	if (member == NULL)
		bastion_refuse(answer, 404, "memberId: is not known");
	else if (policy != NULL && !json_equal(policy, json_object_get(member, "policyId")))
		bastion_refuse(answer, 400, "policyId: is not the member's");
	else if (status != NULL && strcmp(text_of(member, "status"), status) != 0)
	{
		snprintf(message, sizeof(message), "memberId: is not %s", status);
		bastion_refuse(answer, 400, message);
	}
	else
		return member;
	return NULL;
}

/*
 * has_reference returns whether a reference has been used.  The lock is held.
 */
static bool
has_reference(const json_t *reference)
{
	const char *id;
	json_t *member;

	json_object_foreach (members, id, member)
	{
		if (json_equal(json_object_get(member, "reference"), reference))
			return true;
	}
	return false;
}

/*
 * bastion_add makes a person a member.
 */
void
bastion_add(const Request *request, Answer *answer)
{
	json_t *call = bastion_open(request, add_keys, answer);
	json_t *plan;
	json_t *id;
	json_t *details;

	if (call == NULL)
		return;
	plan = bastion_find_plan(text_of(call, "plan_id"));
	pthread_mutex_lock(&lock);
	if (plan == NULL)
		bastion_refuse(answer, 404, "plan_id: is not known");
	else if (setting_is("bastion.reference", "unique") && has_reference(json_object_get(call, "reference")))
		bastion_refuse(answer, 409, "reference: has been used");
	else
	{
		id = json_sprintf("%zu", FIRST_MEMBER + json_object_size(members));
		ledger_write("endorsement", "bastion",
					 json_pack("{s:O, s:O, s:O, s:O, s:O}", "memberId", id, "reference",
							   json_object_get(call, "reference"), "planId", json_object_get(call, "plan_id"),
							   "policyId", json_object_get(call, "policyId"), "customer",
							   json_object_get(call, "customer")));
		details = shown(json_object_get(members, json_string_value(id)));
		bastion_notify("added-policy-member", details);
		succeed(answer, "Endorsement created successfully.", json_pack("{s:o}", "membersDetails", details));
		json_decref(id);
	}
	pthread_mutex_unlock(&lock);
	json_decref(plan);
	json_decref(call);
}

/*
 * bastion_remove ends a membership.
 */
void
bastion_remove(const Request *request, Answer *answer)
{
	json_t *call = bastion_open(request, remove_keys, answer);

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	if (find_member(call, "Active", answer) != NULL)
	{
		json_t *more = json_object();

		json_object_set_new(more, "memberId", answer_number(json_object_get(call, "memberId"), "bastion.numbers"));
		json_object_set_new(more, "policyId", answer_number(json_object_get(call, "policyId"), "bastion.numbers"));
		ledger_write("removal", "bastion", json_incref(call));
		succeed(answer, "Endorsement deleted successfully.", more);
	}
	pthread_mutex_unlock(&lock);
	json_decref(call);
}

/*
 * bastion_undo takes an ended membership up again.
 */
void
bastion_undo(const Request *request, Answer *answer)
{
	json_t *call = bastion_open(request, member_keys, answer);
	const json_t *member;

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	member = find_member(call, "Deleted", answer);
	if (member != NULL)
	{
		json_t *details = shown(member);

		ledger_write("restoration", "bastion", json_incref(call));
		bastion_notify("re-endorsed-member", details);
		succeed(answer, "Re-endorsed Member Successfully.", json_pack("{s:o}", "membersDetails", details));
	}
	pthread_mutex_unlock(&lock);
	json_decref(call);
}

/*
 * change_plan gives a member another plan.  The lock is held.
 */
static void
change_plan(json_t *call, Answer *answer)
{
	const json_t *member = find_member(call, "Active", answer);
	json_t *plan = bastion_find_plan(text_of(call, "newPlanId"));

	if (member != NULL && strcmp(text_of(member, "planId"), text_of(call, "oldPlanId")) != 0)
		bastion_refuse(answer, 400, "oldPlanId: is not the member's");
	else if (member != NULL && plan == NULL)
		bastion_refuse(answer, 404, "newPlanId: is not known");
	else if (member != NULL)
	{
		ledger_write("plan_change", "bastion", json_incref(call));
		succeed(answer, "Re-endorsed Member Successfully.", json_pack("{s:o}", "membersDetails", shown(member)));
	}
	json_decref(plan);
}

/*
 * bastion_change_plan gives a member another plan.
 */
void
bastion_change_plan(const Request *request, Answer *answer)
{
	json_t *call = bastion_open(request, change_plan_keys, answer);

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	change_plan(call, answer);
	pthread_mutex_unlock(&lock);
	json_decref(call);
}

/*
 * changed returns what the answer to changed details shows of a member.
 */
static json_t *
changed(const json_t *member)
{
	static const char *const names[] = {"memberId", "policyId", "firstName", "middleName",
										"maidenName", "lastName", "email", "dob", "relation"};
	json_t *all = shown(member);
	json_t *details = json_object();

	for (size_t i = 0; i < lengthof(names); i++)
	{
		json_t *value = json_object_get(all, names[i]);

		json_object_set_new(details, names[i], value == NULL ? json_string("") : json_incref(value));
	}
	json_object_set_new(details, "age", shown_age(json_object_get(member, "customer")));
	json_decref(all);
	return details;
}

/*
 * bastion_change_details changes what is known of a member.
 */
void
bastion_change_details(const Request *request, Answer *answer)
{
	json_t *call = bastion_open(request, change_details_keys, answer);
	const json_t *member;

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	member = find_member(call, "Active", answer);
	if (member != NULL)
	{
		ledger_write("details_change", "bastion", json_incref(call));
		succeed(answer, "Member Information Updated Successfully.",
				json_pack("{s:o}", "membersDetails", changed(member)));
	}
	pthread_mutex_unlock(&lock);
	json_decref(call);
}

/*
 * tell answers a call about a member, with further fields that more returns.
 */
static void
tell(const Request *request, const char *message, const char *name, json_t *(*more)(const json_t *member),
	 Answer *answer)
{
	json_t *call = bastion_open(request, member_keys, answer);
	const json_t *member;

	if (call == NULL)
		return;
	pthread_mutex_lock(&lock);
	member = find_member(call, NULL, answer);
	if (member != NULL)
	{
		json_t *details = shown(member);
		json_t *fields = more(member);

		json_object_update(details, fields);
		json_decref(fields);
		succeed(answer, message, json_pack("{s:o}", name, details));
	}
	pthread_mutex_unlock(&lock);
	json_decref(call);
}

/*
 * status_of, plan_of and use_of return what each of these calls shows of a member.
 */
static json_t *
status_of(const json_t *member)
{
	return json_pack("{s:O}", "status", json_object_get(member, "status"));
}

static json_t *
plan_of(const json_t *member)
{
	json_t *plan = bastion_find_plan(text_of(member, "planId"));
	json_t *fields = json_pack("{s:O}", "planName", json_object_get(plan, "name"));

	json_decref(plan);
	return fields;
}

static json_t *
use_of(const json_t *member)
{
	json_t *fields = plan_of(member);

	json_object_update_new(fields, json_pack("{s:s, s:i, s:i}", "provider", "ABC Health", "totalSpent", 999, "balance",
											 9999999));
	return fields;
}

/*
 * bastion_status, bastion_member_plan and bastion_utilization tell of a member.
 */
void
bastion_status(const Request *request, Answer *answer)
{
	tell(request, "Member Status Details", "member", status_of, answer);
}

void
bastion_member_plan(const Request *request, Answer *answer)
{
	tell(request, "Member Plan Details", "member", plan_of, answer);
}

void
bastion_utilization(const Request *request, Answer *answer)
{
	tell(request, "Fetched Member Utilization Successfully.", "membersDetails", use_of, answer);
}

/*
 * bastion_member_reset forgets all members.
 */
void
bastion_member_reset(void)
{
	pthread_mutex_lock(&lock);
	json_decref(members);
	members = json_object();
	pthread_mutex_unlock(&lock);
}

/*
 * bastion_member_replay brings members forward by an entry of the ledger.
 */
void
bastion_member_replay(const char *kind, json_t *entry)
{
	json_t *member = json_object_get(members, text_of(entry, "memberId"));

	if (strcmp(kind, "endorsement") == 0)
	{
		member = json_deep_copy(entry);
		json_object_set_new(member, "status", json_string("Active"));
		json_object_set_new(members, text_of(entry, "memberId"), member);
	}
	else if (strcmp(kind, "removal") == 0)
		json_object_set_new(member, "status", json_string("Deleted"));
	else if (strcmp(kind, "restoration") == 0)
		json_object_set_new(member, "status", json_string("Active"));
	else if (strcmp(kind, "plan_change") == 0)
		json_object_set(member, "planId", json_object_get(entry, "newPlanId"));
	else if (strcmp(kind, "details_change") == 0)
		json_object_update(json_object_get(member, "customer"), json_object_get(entry, "customer"));
}
