/*
 * permission_row.c
 *	  Permissions, as row level security asks for them of each row.
 */
#include "postgres.h"

#include "fmgr.h"
#include "permission_part.h"

/*
 * What a call of granted_on() or granted_at() in a query has answered last: successive
 * rows often have the same client, or the same site.
 */
typedef struct Answered
{
	bool any;
	bool same_kind; /* The query gives the kind as a constant. */
	Kind kind;
	Oid permission;
	Ksuid user;
	Ksuid uids[3];
	bool nulls[3];
	uint64 generation;
	TimestampTz valid_until;
	bool granted;
} Answered;

/*
 * Returns what a call has answered last, which lives as long as its query.
 */
static Answered *
answered_last(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		Answered *last = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Answered));

		last->same_kind = get_fn_expr_arg_stable(fcinfo->flinfo, 1);
		fcinfo->flinfo->fn_extra = last;
	}
	return fcinfo->flinfo->fn_extra;
}

/*
 * Returns whether an answer was given to this caller, for this permission, and no grant
 * has changed or come to its end since.
 */
static bool
still_holds(const Answered *last, const Caller *who, Oid permission)
{
	return last->any && last->generation == permission_generation && last->permission == permission &&
		   ksuid_equal(&last->user, &who->user) && !permission_is_over(last->valid_until);
}

/*
 * Keeps an answer, and for still_holds() what it was found in: the grants, and their
 * generation when it was asked for.
 */
static bool
keep_answer(Answered *last, bool granted, Oid permission, const UserGrants *grants, uint64 asked)
{
	last->any = true;
	last->permission = permission;
	last->user = grants->user;
	last->generation = asked;
	last->valid_until = grants->valid_until;
	last->granted = granted;
	return granted;
}

/*
 * murallink_private.granted_on(permission, kind, uid): whether the caller has a grant
 * of the permission on this resource itself.
 */
PG_FUNCTION_INFO_V1(permission_granted_on);
Datum
permission_granted_on(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	Answered *last = answered_last(fcinfo);
	Oid permission;
	Kind kind;
	const Ksuid *uid;
	UserGrants *grants;
	uint64 asked;

	if (who == NULL || PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_BOOL(false);
	permission = PG_GETARG_OID(0);
	uid = PG_GETARG_KSUID_P(2);
	kind = last->any && last->same_kind ? last->kind : permission_kind(PG_GETARG_TEXT_PP(1));
	if (last->kind == kind && ksuid_equal(&last->uids[0], uid) && still_holds(last, who, permission))
		PG_RETURN_BOOL(last->granted);

	asked = permission_generation;
	grants = permission_grants_of(&who->user);
	last->kind = kind;
	last->uids[0] = *uid;
	PG_RETURN_BOOL(
		keep_answer(last, permission_has(grants, permission, kind, uid), permission, grants, asked));
}

/*
 * murallink_private.granted_at(permission, contract, trial, site): whether the caller
 * has a grant of the permission on the site that includes what belongs to the
 * contract there, or a grant on the trial at the site.
 */
PG_FUNCTION_INFO_V1(permission_granted_at);
Datum
permission_granted_at(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	Answered *last = answered_last(fcinfo);
	const Ksuid *uids[3];
	Place place;
	UserGrants *grants;
	uint64 asked;
	bool same = true;

	if (who == NULL || PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	for (int i = 0; i < lengthof(uids); i++)
	{
		uids[i] = PG_ARGISNULL(i + 1) ? NULL : PG_GETARG_KSUID_P(i + 1);
		same &= last->nulls[i] == (uids[i] == NULL) && (uids[i] == NULL || ksuid_equal(&last->uids[i], uids[i]));
	}
	if (same && still_holds(last, who, PG_GETARG_OID(0)))
		PG_RETURN_BOOL(last->granted);

	asked = permission_generation;
	grants = permission_grants_of(&who->user);
	for (int i = 0; i < lengthof(uids); i++)
	{
		last->nulls[i] = uids[i] == NULL;
		if (uids[i] != NULL)
			last->uids[i] = *uids[i];
	}
	place = (Place){.contract = uids[0], .trial = uids[1], .site = uids[2]};
	PG_RETURN_BOOL(keep_answer(last, permission_holds_at_site(grants, PG_GETARG_OID(0), &place), PG_GETARG_OID(0), grants,
							   asked));
}
