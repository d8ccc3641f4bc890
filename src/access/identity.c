/*
 * identity.c
 *	  The caller: one app_user for one transaction, kept here, where no SET can
 *	  forge it.  The other files say where it comes from: identity_session.c,
 *	  identity_key.c, identity_token.c, identity_role.c and, in parallel workers,
 *	  identity_parallel.c.  Plans that suit it alone are in identity_plan.c.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "error.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "identity_part.h"
#include "identity_token.h"
#include "install.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"

/* The caller of this transaction, and the subtransaction that found it. */
static bool known = false;
static Caller caller;
static SubTransactionId known_since;

/*
 * The session has ended, or taking on its identity was rolled back.  There is no
 * caller until another session is taken on: the user of the login role is not one.
 */
static bool lost = false;

/* app_user has changed since the caller was looked up, so the caller may be nobody any more. */
static bool doubted = false;
static Oid app_user_relation = InvalidOid;

static bool require_current_password = false;
static int login_max_failures = 5;
static int login_lockout = 900;
static int lock_wait = 10000;
static int known_place_lifetime = 90 * 24 * 3600;

static void forget_at_end(XactEvent event, void *arg);
static void forget_at_subxact_end(SubXactEvent event, SubTransactionId self,
								  SubTransactionId parent, void *arg);
static void doubt_caller(Datum arg, Oid relation);
static bool find_again(Caller *found);
static bool is_same(Caller *found);
static void look_again(void);
static Datum caller_uid(const Caller *who);

/*
 * Registers settings and the callbacks that end an identity.
 */
void
identity_init(void)
{
	DefineCustomBoolVariable("murallink.require_current_password",
							 "Whether a change of one's own password or e-mail address needs the current password.", NULL,
							 &require_current_password, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.login_max_failures", "Failed logins after which an account is locked.",
							NULL, &login_max_failures, 5, 1, 1000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.login_lockout", "Time for which an account stays locked.", NULL,
							&login_lockout, 900, 1, 30 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL,
							NULL);
	DefineCustomIntVariable("murallink.lock_timeout", "Longest time for which a request waits for a lock.",
							"lock_timeout takes precedence if it is set. 0 means no limit.", &lock_wait, 10000, 0, 3600 * 1000, PGC_SIGHUP,
							GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("murallink.known_place_lifetime",
							"Time for which a client that has logged in is recognised by its session id.", NULL,
							&known_place_lifetime, 90 * 24 * 3600, 0, 3650 * 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL,
							NULL, NULL);
	identity_session_init();
	identity_claims_init();
	identity_parallel_init();
	identity_request_init();
	identity_plan_init();
	RegisterXactCallback(forget_at_end, NULL);
	RegisterSubXactCallback(forget_at_subxact_end, NULL);
	install_when_changed(doubt_caller);
}

/*
 * Transaction callback: an identity ends with its transaction.
 */
static void
forget_at_end(XactEvent event, void *arg)
{
	known = false;
	lost = false;
}

/*
 * Relcache callback: app_user has changed.  It is one for both, because PostgreSQL
 * has room for few.
 */
static void
doubt_caller(Datum arg, Oid relation)
{
	if (OidIsValid(relation) && relation != app_user_relation)
		return;
	doubted = true;
	identity_forget_role();
}

/*
 * Notices changes of app_user from here on.  Must be called before a user is
 * looked up who may become the caller.  A caller who is known stays in doubt.
 */
void
identity_looks_up(void)
{
	app_user_relation = install_relation("app_user");
	if (!known)
		doubted = false;
}

/*
 * Subtransaction callback: an identity taken on in a subtransaction is lost if
 * that is rolled back, and passes to the parent if it is committed.
 */
static void
forget_at_subxact_end(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *arg)
{
	if (!known || known_since != self)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		lost = caller.by != BY_LOGIN_ROLE;
		known = false;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		known_since = parent;
}

/*
 * Makes a user the caller until this subtransaction is rolled back or the
 * transaction ends.
 */
void
identity_become(const Caller *found)
{
	if (found->by != BY_LOGIN_ROLE)
		identity_forget_plans();
	caller = *found;
	known = true;
	known_since = GetCurrentSubTransactionId();
}

/*
 * Leaves this transaction without a caller because its session has ended.  What
 * needs a caller raises unauthenticated from here on; the rest works.
 */
void
identity_lose(void)
{
	identity_forget_plans();
	known = false;
	lost = true;
}

/*
 * Returns whether this transaction has no caller because it lost its session.
 */
bool
identity_is_lost(void)
{
	return lost;
}

/*
 * Returns the caller if it has been found already, else NULL.
 */
const Caller *
identity_found(void)
{
	return known ? &caller : NULL;
}

/*
 * Finds the caller in the way in which it has come in.  Returns false if there is
 * none any more.
 */
static bool
find_again(Caller *found)
{
	const Caller *user;

	switch (caller.by)
	{
		case BY_SESSION:
			return identity_of_session(found);
		case BY_API_KEY:
			return identity_of_key(found);
		case BY_TOKEN:
			return identity_of_token(found);
		default:
			user = identity_of_role(caller.role);
			if (user != NULL)
				*found = *user;
			return user != NULL;
	}
}

/*
 * Returns whether the caller is still the same.
 */
static bool
is_same(Caller *found)
{
	*found = caller;
	return find_again(found) && ksuid_equal(&found->user, &caller.user) && found->switched == caller.switched;
}

/*
 * Looks the caller up again, because app_user has changed: the user may have been
 * deactivated, or be an admin no longer.  Leaves the transaction without a caller
 * then.  Raises unauthenticated within one of murallink's functions, so that none
 * goes on for nobody.
 */
static void
look_again(void)
{
	static const char *const fields[] = {NULL, "session_id", "api_key", "token"};
	Caller found;

	/* A change that arrives during the query raises a new doubt. */
	doubted = false;
	if (is_same(&found))
	{
		caller = found;
		return;
	}
	identity_lose();
	if (GetUserId() == install_owner())
		ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, fields[caller.by]));
}

/*
 * Returns the caller, or NULL if there is none.
 */
const Caller *
identity_caller_if_any(void)
{
	const Caller *user;

	if (known && doubted && !IsParallelWorker())
		look_again();
	if (known)
		return &caller;
	install_check();
	if (IsParallelWorker() && !lost)
		identity_take_over();
	if (!known && !lost && (user = identity_of_role(GetSessionUserId())) != NULL)
		identity_become(user);
	return identity_found();
}

/*
 * Returns the caller.  Raises unauthenticated if there is none.
 */
const Caller *
identity_caller(void)
{
	const Caller *who = identity_caller_if_any();

	if (who == NULL)
		ereport(ERROR, errnamed(ERR_UNAUTHENTICATED, lost ? "session_id" : NULL));
	identity_bound_waits();
	return who;
}

/*
 * Returns an active user by uid, or NULL if there is none.  Valid until the next call.
 * Reads what is committed now, whatever the snapshot of the transaction.
 */
const Caller *
identity_user(const Ksuid *uid)
{
	static SavedPlan find = PLAN("SELECT u.user_role = 'admin' FROM murallink.app_user u"
								 " WHERE u.uid = $1 AND murallink_private.is_active(u.deactivated)",
								 "k");
	static Caller user;
	Datum value = KsuidPGetDatum(uid);
	bool isnull;
	bool exists;
	Owner saved = owner_enter();

	SPI_connect();
	exists = plan_execute_latest(&find, &value, NULL, 1) == 1;
	memset(&user, 0, sizeof(user));
	user.user = *uid;
	if (exists)
		user.admin = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	owner_leave(saved);
	return exists ? &user : NULL;
}

/*
 * Sets lock_timeout for the rest of the transaction, unless it is set: the
 * holder of a lock may be a client that never commits.
 */
void
identity_bound_waits(void)
{
	char text[16];

	if (LockTimeout != 0 || lock_wait == 0 || IsInParallelMode())
		return;
	snprintf(text, sizeof(text), "%d", lock_wait);
	(void) set_config_option("lock_timeout", text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Returns the uid of a caller, for SQL.
 */
static Datum
caller_uid(const Caller *who)
{
	Ksuid *result = palloc(sizeof(Ksuid));

	*result = who->user;
	return KsuidPGetDatum(result);
}

/*
 * murallink_private.caller(): the uid of the caller, NULL if there is none.
 */
PG_FUNCTION_INFO_V1(identity_caller_uid);
Datum
identity_caller_uid(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();

	if (who == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(caller_uid(who));
}

/*
 * murallink_private.caller_lost(): whether the caller was one when the transaction
 * began and is none any more.  Raises nothing, and leaves the caller in doubt.
 */
PG_FUNCTION_INFO_V1(identity_caller_lost);
Datum
identity_caller_lost(PG_FUNCTION_ARGS)
{
	Caller found;

	if (!known || !doubted || IsParallelWorker())
		PG_RETURN_BOOL(lost);
	PG_RETURN_BOOL(!is_same(&found));
}

/*
 * murallink_private.caller_is_admin(): whether the caller is an admin; false if there is
 * no caller.
 */
PG_FUNCTION_INFO_V1(identity_caller_is_admin);
Datum
identity_caller_is_admin(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();

	PG_RETURN_BOOL(who != NULL && who->admin);
}

/*
 * murallink_private.require_caller(): the uid of the caller.  Raises unauthenticated.
 */
PG_FUNCTION_INFO_V1(identity_require_caller);
Datum
identity_require_caller(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller();

	identity_role_seen(who);
	PG_RETURN_DATUM(caller_uid(who));
}

/*
 * murallink_private.require_admin(): the uid of the caller, who must be an admin.
 * Raises unauthenticated or forbidden.
 */
PG_FUNCTION_INFO_V1(identity_require_admin);
Datum
identity_require_admin(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller();

	identity_role_seen(who);
	if (!who->admin)
		ereport(ERROR, errnamed(ERR_FORBIDDEN, NULL), errhint("Only administrators may do this."));
	PG_RETURN_DATUM(caller_uid(who));
}

/*
 * murallink_private.caller_switched_by(): the admin who acts as the caller after
 * switch_user(), else NULL.
 */
PG_FUNCTION_INFO_V1(identity_caller_switched_by);
Datum
identity_caller_switched_by(PG_FUNCTION_ARGS)
{
	const Caller *who = identity_caller_if_any();
	Ksuid *result;

	if (who == NULL || !who->switched)
		PG_RETURN_NULL();
	result = palloc(sizeof(Ksuid));
	*result = who->switched_by;
	PG_RETURN_KSUID_P(result);
}
