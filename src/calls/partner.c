/*
 * partner.c
 *	  The partners, by name, and what is asked of one of them.
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
 * Returns whether a partner is sent mail; the others are called by HTTP.
 */
bool
partner_by_mail(const Partner *partner)
{
	return partner->compose != NULL;
}

/*
 * murallink_private.partner_by_mail(partner): whether the worker of mail calls the
 * partner; the other worker calls all others, known or not.
 */
PG_FUNCTION_INFO_V1(partner_by_mail_sql);
Datum
partner_by_mail_sql(PG_FUNCTION_ARGS)
{
	const Partner *partner = partner_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_BOOL(partner != NULL && partner_by_mail(partner));
}

/*
 * Returns an outcome's name in the tables.
 */
const char *
partner_outcome_name(Outcome outcome)
{
	return outcome_names[outcome];
}

/*
 * Returns a setting that is a number.
 */
double
partner_number(const PartnerConfig *config, const char *setting)
{
	return json_number_value(json_object_get(config->settings, setting));
}

/*
 * Fills in the request of an operation, for http_start() or for the caller to
 * free.  Returns false when it cannot be built.
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
 * Fills in the message of an operation, for mail_start() or for the caller to
 * free.  Returns false when it cannot be made.
 */
bool
partner_compose(const Partner *partner, const PartnerConfig *config, const char *operation, json_t *params,
				MailRequest *request)
{
	request->timeout = (int) (partner_number(config, "timeout") * 1000);
	return partner->compose(config, operation, params, request);
}
