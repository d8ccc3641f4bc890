/*
 * dispatch.c
 *		Who answers a call: control, or an operation of a partner with the faults
 *		around it.
 */
#include "sandbox.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define PARTNERS_MAX 64

const Partner *partners[PARTNERS_MAX + 1];

/*
 * partner_register adds a partner.
 */
void
partner_register(const Partner *partner)
{
	int i = 0;

	while (partners[i] != NULL)
		i++;
	if (i == PARTNERS_MAX)
		fatal("more than %d partners", PARTNERS_MAX);
	partners[i] = partner;
}

/*
 * partners_reset empties the state of all partners.
 */
void
partners_reset(void)
{
	for (int i = 0; partners[i] != NULL; i++)
		if (partners[i]->reset != NULL)
			partners[i]->reset();
}

/*
 * partner_named returns the partner of that name, or NULL.
 */
const Partner *
partner_named(const char *name)
{
	for (int i = 0; partners[i] != NULL; i++)
		if (strcmp(partners[i]->name, name) == 0)
			return partners[i];
	return NULL;
}

/*
 * operation_exists returns whether a pattern fits an operation.
 */
bool
operation_exists(const char *pattern)
{
	for (int i = 0; partners[i] != NULL; i++)
		for (const Operation *operation = partners[i]->operations; operation->name != NULL; operation++)
			if (fnmatch(pattern, operation->name, 0) == 0)
				return true;
	return false;
}

/*
 * has_path returns whether an operation is at this path.
 */
static bool
has_path(const Operation *operation, const char *path)
{
	if (operation->path_setting != NULL)
		return setting_is(operation->path_setting, path);
	return fnmatch(operation->path, path, FNM_PATHNAME) == 0;
}

/*
 * find_operation returns the operation at the path of a call, and whose it is, or
 * NULL with the refusal in the answer.
 */
static const Operation *
find_operation(const Request *request, const Partner **partner, Answer *answer)
{
	for (int i = 0; partners[i] != NULL; i++)
		for (const Operation *operation = partners[i]->operations; operation->name != NULL; operation++)
		{
			if (!has_path(operation, request->path))
				continue;
			*partner = partners[i];
			if (strcmp(operation->method, request->method) == 0)
				return operation;
			snprintf(answer->allow, sizeof(answer->allow), "%s", operation->method);
		}
	if (answer->allow[0] != '\0')
		answer_failure(answer, 405, "this path has another method");
	else
		answer_failure(answer, 404, "there is nothing at this path");
	return NULL;
}

/*
 * dispatch answers a call.
 */
void
dispatch(const Request *request, Answer *answer)
{
	const Operation *operation;
	const Partner *partner;

	if (strncmp(request->path, "/sandbox/", strlen("/sandbox/")) == 0)
	{
		control(request, answer);
		return;
	}
	journal_add(request);
	operation = find_operation(request, &partner, answer);
	if (operation == NULL || fault_strike(partner, operation, "before", request, answer))
		return;
	operation->run(request, answer);
	ledger_sync();
	if (answer->done)
		fault_strike(partner, operation, "after", request, answer);
}
