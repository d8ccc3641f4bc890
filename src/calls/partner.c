/*
 * partner.c
 *	  The partners by name, and how a call to one of them is built.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "partner.h"

const Partner *const all_partners[] = {
#define PARTNER(name) &name##_partner,
#include "partner_table.h"
#undef PARTNER
	NULL,
};

StaticAssertDecl(lengthof(all_partners) == PARTNER_COUNT + 1, "each line of partner_table.h is counted once");

static const char *const outcome_names[] = {"done", "declined", "not_sent", "in_doubt"};

/*
 * Returns the place of a partner in the table, from 0.
 */
int
partner_place(const Partner *partner)
{
	int place = 0;

	while (all_partners[place] != partner)
		place++;
	return place;
}

/*
 * Returns the partner of that name, or NULL.
 */
const Partner *
partner_named(const char *name)
{
	const Partner *const *partner = all_partners;

	while (*partner != NULL && strcmp((*partner)->name, name) != 0)
		partner++;
	return *partner;
}

/*
 * Returns whether calls to a partner are mails; the others are called by HTTP.
 */
bool
partner_by_mail(const Partner *partner)
{
	return partner->compose != NULL;
}

/*
 * murallink_private.partner_by_mail(partner): whether the worker of mail calls the
 * partner; the other worker calls all others, also unknown ones.
 */
PG_FUNCTION_INFO_V1(partner_by_mail_sql);
Datum
partner_by_mail_sql(PG_FUNCTION_ARGS)
{
	const Partner *partner = partner_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_BOOL(partner != NULL && partner_by_mail(partner));
}

/*
 * Returns the name of an outcome in the tables.
 */
const char *
partner_outcome_name(Outcome outcome)
{
	return outcome_names[outcome];
}

/*
 * Returns the value of a number setting.
 */
double
partner_number(const PartnerConfig *config, const char *setting)
{
	return json_number_value(json_object_get(config->settings, setting));
}

/*
 * Fills in the request of an operation, which http_start() or the caller
 * frees.  Returns false if it cannot be built.
 */
bool
partner_build(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
			  HttpRequest *request)
{
	request->connect_timeout = (int) (partner_number(config, "connect_timeout") * 1000);
	request->timeout = (int) (partner_number(config, "timeout") * 1000);
	return partner->build(partner, config, operation, params, request);
}

/*
 * Fills in the message of an operation, which mail_start() or the caller
 * frees.  Returns false if it cannot be made.
 */
bool
partner_compose(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				MailRequest *request)
{
	request->timeout = (int) (partner_number(config, "timeout") * 1000);
	return partner->compose(config, operation, params, request);
}
