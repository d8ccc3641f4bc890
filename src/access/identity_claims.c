/*
 * identity_claims.c
 *	  Sign-on by an identity provider: which claims count, and what they say.
 *
 * PostgREST passes the claims of a token that it has verified as the setting
 * request.jwt.claims, which any client of SQL can set.  So they count only in
 * connections of the login roles that murallink.sign_on_roles names, and only at the
 * first authenticate() of a transaction, which is PostgREST's pre-request: to set
 * them later changes nothing.  PostgREST checks the signature.  Issuer, audience and
 * expiry are checked here as well, because PostgREST does not insist on them.
 */
#include "postgres.h"

#include <jansson.h>

#include "error.h"
#include "identity_token.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

/* How far the clock of an issuer may be behind, as PostgREST allows. */
#define CLOCK_SKEW (30 * USECS_PER_SEC)

/* The most bytes of a claim that is looked up. */
#define CLAIM_LONGEST 500

/* The transaction whose claims have been looked at. */
static LocalTransactionId looked_at = InvalidLocalTransactionId;

static char *sign_on_roles = NULL;
static char *sign_on_issuers = NULL;
static bool sign_on_admin_mfa = true;

static bool check_roles(char **value, void **extra, GucSource source);
static bool check_issuers(char **value, void **extra, GucSource source);
static const char *problem_of(const json_t *issuers);
static bool is_list_of_texts(const json_t *value);
static bool role_is_trusted(void);
static const json_t *find_issuer(const char *name);
static const char *text_of(const json_t *object, const char *key);
static char *copy_of(const json_t *object, const char *key);
static const char *name_of_claim(const json_t *issuer, const char *key, const char *otherwise);
static bool contains(const json_t *list, const char *text);
static TimestampTz moment_of(const json_t *claims, const char *name);
static bool is_yes(const json_t *value);
static char *verified_email(const json_t *issuer, const json_t *claims);
static const char *problem_of_token(const json_t *claims, Token *token);

/*
 * Registers settings.
 */
void
identity_claims_init(void)
{
	DefineCustomStringVariable("murallink.sign_on_roles", "Login roles whose request.jwt.claims are trusted.",
							   "Separated by commas: only roles with which PostgREST connects.", &sign_on_roles, "",
							   PGC_SIGHUP, GUC_LIST_INPUT, check_roles, NULL, NULL);
	DefineCustomStringVariable("murallink.sign_on_issuers", "Identity providers whose tokens are accepted.",
							   "A JSON array of objects with the keys issuer, audience, subject, email, email_verified and domains.",
							   &sign_on_issuers, "[]", PGC_SIGHUP, 0, check_issuers, NULL, NULL);
	DefineCustomBoolVariable("murallink.sign_on_admin_mfa",
							 "Whether administrators sign on only by several factors (\"mfa\" in the claim amr).", NULL,
							 &sign_on_admin_mfa, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * Check hook: returns whether a text is a list of names.
 */
static bool
check_roles(char **value, void **extra, GucSource source)
{
	List *names;

	return SplitIdentifierString(pstrdup(*value), ',', &names);
}

/*
 * Check hook: returns whether a text is a list of issuers.
 */
static bool
check_issuers(char **value, void **extra, GucSource source)
{
	json_t *issuers = json_loads(*value, JSON_REJECT_DUPLICATES, NULL);
	const char *problem = issuers == NULL ? "It is not JSON." : problem_of(issuers);

	if (problem != NULL)
		GUC_check_errdetail("%s", problem);
	json_decref(issuers);
	return problem == NULL;
}

/*
 * Returns whether a value is an array of texts that is not empty.
 */
static bool
is_list_of_texts(const json_t *value)
{
	size_t i;
	json_t *element;

	if (!json_is_array(value) || json_array_size(value) == 0)
		return false;
	json_array_foreach (value, i, element)
		if (!json_is_string(element))
			return false;
	return true;
}

/*
 * Returns what is wrong with a list of issuers, NULL for nothing.
 */
static const char *
problem_of(const json_t *issuers)
{
	static const char *const texts[] = {"issuer", "audience", "subject", "email", "email_verified"};
	size_t i;
	json_t *issuer;
	json_t *value;
	const char *key;

	if (!json_is_array(issuers))
		return "It is not an array.";
	json_array_foreach (issuers, i, issuer)
	{
		if (text_of(issuer, "issuer") == NULL || text_of(issuer, "audience") == NULL)
			return "Each issuer has the keys issuer and audience.";
		if (json_object_get(issuer, "email") != NULL && json_object_get(issuer, "domains") == NULL)
			return "An issuer with the key email has the key domains: the addresses that it may speak for.";
		json_object_foreach (issuer, key, value)
		{
			bool known = strcmp(key, "domains") == 0;

			if (known && !is_list_of_texts(value))
				return "domains is an array of texts.";
			for (int t = 0; t < lengthof(texts); t++)
				if (strcmp(key, texts[t]) == 0)
				{
					known = true;
					if (text_of(issuer, key) == NULL)
						return "The values of an issuer are texts that are not empty.";
				}
			if (!known)
				return "An issuer has the keys issuer, audience, subject, email, email_verified and domains.";
		}
	}
	return NULL;
}

/*
 * Returns whether the claims in connections of this login role are trusted.
 */
static bool
role_is_trusted(void)
{
	char *role;
	List *names;
	ListCell *name;

	if (sign_on_roles[0] == '\0')
		return false;
	role = GetUserNameFromId(GetSessionUserId(), true);
	if (role == NULL || !SplitIdentifierString(pstrdup(sign_on_roles), ',', &names))
		return false;
	foreach (name, names)
		if (strcmp(lfirst(name), role) == 0)
			return true;
	return false;
}

/*
 * Returns the settings of an issuer, or NULL if there are none.  Valid until the
 * setting changes.
 */
static const json_t *
find_issuer(const char *name)
{
	static json_t *issuers = NULL;
	static char *read = NULL;
	size_t i;
	json_t *issuer;

	if (read == NULL || strcmp(read, sign_on_issuers) != 0)
	{
		json_decref(issuers);
		issuers = json_loads(sign_on_issuers, JSON_REJECT_DUPLICATES, NULL);
		free(read);
		read = strdup(sign_on_issuers);
	}
	json_array_foreach (issuers, i, issuer)
	{
		if (strcmp(text_of(issuer, "issuer"), name) == 0)
			return issuer;
	}
	return NULL;
}

/*
 * Returns the text of a key, NULL for anything else and for an empty one.
 */
static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL || text[0] == '\0' || strlen(text) > CLAIM_LONGEST ? NULL : text;
}

/*
 * Returns a copy of the text of a key, NULL where text_of() returns it.
 */
static char *
copy_of(const json_t *object, const char *key)
{
	const char *text = text_of(object, key);

	return text == NULL ? NULL : pstrdup(text);
}

/*
 * Returns the name of a claim, as an issuer is set to use it, or the usual one.
 */
static const char *
name_of_claim(const json_t *issuer, const char *key, const char *otherwise)
{
	const char *name = text_of(issuer, key);

	return name == NULL ? otherwise : name;
}

/*
 * Returns whether a claim is a text, or an array that has it.
 */
static bool
contains(const json_t *list, const char *text)
{
	size_t i;
	json_t *element;

	if (json_is_string(list))
		return strcmp(json_string_value(list), text) == 0;
	json_array_foreach (list, i, element)
	{
		if (json_is_string(element) && strcmp(json_string_value(element), text) == 0)
			return true;
	}
	return false;
}

/*
 * Returns the time of a claim, 0 if it has none.
 */
static TimestampTz
moment_of(const json_t *claims, const char *name)
{
	const json_t *value = json_object_get(claims, name);
	double seconds = json_number_value(value);

	/* Until the year 9999. */
	if (!json_is_number(value) || !(seconds > 0 && seconds < 253402300800.0))
		return 0;
	return time_t_to_timestamptz((pg_time_t) seconds);
}

/*
 * Returns whether a claim says yes: Entra ID writes 1 or "1" as well.
 */
static bool
is_yes(const json_t *value)
{
	const char *text = json_string_value(value);

	return json_is_true(value) || (json_is_integer(value) && json_integer_value(value) == 1) ||
		   (text != NULL && (strcmp(text, "1") == 0 || pg_strcasecmp(text, "true") == 0));
}

/*
 * Returns the e-mail address of a token, in lower case, if the issuer says that it
 * has verified it and is set to speak for its domain; else NULL.
 */
static char *
verified_email(const json_t *issuer, const json_t *claims)
{
	const char *claim = text_of(issuer, "email");
	char *email = claim == NULL ? NULL : copy_of(claims, claim);
	const char *domain;

	if (email == NULL ||
		!is_yes(json_object_get(claims, name_of_claim(issuer, "email_verified", "email_verified"))))
		return NULL;
	for (char *c = email; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	domain = strrchr(email, '@');
	return domain != NULL && contains(json_object_get(issuer, "domains"), domain + 1) ? email : NULL;
}

/*
 * Reads the claims of a token.  Returns what is wrong with it, NULL for nothing: its
 * issuer or audience is not ours, it has expired, or lacks what it must have.
 */
static const char *
problem_of_token(const json_t *claims, Token *token)
{
	const json_t *issuer;
	TimestampTz expires = moment_of(claims, "exp");

	token->issuer = copy_of(claims, "iss");
	issuer = token->issuer == NULL ? NULL : find_issuer(token->issuer);
	if (issuer == NULL)
		return "The issuer of the token is not accepted: see murallink.sign_on_issuers.";
	if (!contains(json_object_get(claims, "aud"), text_of(issuer, "audience")))
		return "The token is for another audience.";
	if (expires == 0 || expires + CLOCK_SKEW <= GetCurrentTimestamp())
		return "The token has expired, or does not say when it does.";
	token->subject = copy_of(claims, name_of_claim(issuer, "subject", "sub"));
	token->issued = moment_of(claims, "iat");
	if (token->subject == NULL || token->issued == 0)
		return "The token does not say whose it is, or when it was issued.";
	token->email = verified_email(issuer, claims);
	token->signed_on = moment_of(claims, "auth_time");
	token->mfa = contains(json_object_get(claims, "amr"), "mfa");
	return NULL;
}

/*
 * Reads the claims of a token.  Raises unauthenticated, with a hint that says why, if
 * the token is not accepted.
 */
void
identity_read_token(const char *text, Token *token)
{
	json_t *claims = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *problem = "The claims of the token cannot be read.";

	if (claims != NULL)
		problem = problem_of_token(claims, token);
	json_decref(claims);
	if (problem != NULL)
		identity_refuse_token(problem);
}

/*
 * Returns the claims of a PostgREST request that count, NULL if there are none: a
 * request without a token has claims without an issuer.  Only the first call in a
 * transaction returns them.
 */
const char *
identity_claims(void)
{
	const char *claims;

	if (sign_on_roles[0] == '\0' || looked_at == MyProc->lxid || !role_is_trusted())
		return NULL;
	looked_at = MyProc->lxid;
	claims = GetConfigOption("request.jwt.claims", true, false);
	return claims != NULL && strstr(claims, "\"iss\"") != NULL ? claims : NULL;
}

/*
 * Returns whether the tokens of an issuer are accepted.
 */
bool
identity_accepts_issuer(const char *name)
{
	return find_issuer(name) != NULL;
}

/*
 * Returns whether an administrator may sign on with a token that has mfa or not.
 */
bool
identity_admin_may_sign_on(bool mfa)
{
	return mfa || !sign_on_admin_mfa;
}
