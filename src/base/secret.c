/*
 * secret.c
 *	  Keeps passwords, and what configure_partner() is given, out of the
 *	  server's log and out of pg_stat_activity.
 *
 * The server logs the statement that an error broke off, and any statement
 * where log_statement and its like say so.  A statement with secrets is known
 * by the name of a function that takes some, there or in what it runs, and also
 * by having called it, for an error may come before, and a function of the
 * user's own may be what calls it.  A request in JSON may be shown in part, so
 * that its action is not seen: then by its keys, and whatever is no JSON at all.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xact.h"
#include "fmgr.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/elog.h"

#include "secret.h"

#define SHOWN_INSTEAD "<statement with secrets>"

/* What takes secrets: functions, actions of api(), a key of webhooks. */
static const char *const names[] = {"accessKey", "change_password", "change_user_password", "configure_partner",
									"create_admin", "reset_password", "update_user"};

/* Others with a name that is an everyday word. */
static const char *const words[] = {"authenticate", "login", "register"};

/* Keys of a request, wherever a statement calls what is ours. */
static const char *const keys[] = {"\"password\"", "\"new_password\"", "\"current_password\"", "\"token\"",
								   "\"secrets\""};

/* Where PostgreSQL reads JSON: its errors show what stands before the place. */
#define JSON_READER "jsonfuncs.c"

static emit_log_hook_type next_hook;
static TimestampTz called_at = 0; /* when the statement began that has called it */

static void hide_log(ErrorData *error);
static bool has_secrets(const ErrorData *error);
static bool names_one(const char *text);
static bool shows_request(const ErrorData *error);
static bool has_key(const char *text);
static bool is_letter(char c);
static bool is_called(const char *text, const char *word, const char *end);

/*
 * Registers the hook.  Called once, from _PG_init.
 */
void
secret_init(void)
{
	next_hook = emit_log_hook;
	emit_log_hook = hide_log;
}

/*
 * Hook: has the server log that there was a statement with secrets, and not
 * what it was.  The client is told all, for it knows its secrets.
 */
static void
hide_log(ErrorData *error)
{
	static bool hiding = false;

	if (!hiding && has_secrets(error))
	{
		hiding = true;
		pgstat_report_activity(STATE_RUNNING, SHOWN_INSTEAD);
		error->hide_stmt = error->hide_ctx = true;
		if (error->elevel < FATAL)
		{
			error->output_to_server = false;
			ereport(LOG_SERVER_ONLY, errcode(error->sqlerrcode), errhidestmt(true), errhidecontext(true),
					errmsg("murallink: a statement is not shown because it may contain secrets; SQLSTATE %s",
						   unpack_sql_state(error->sqlerrcode)));
		}
		hiding = false;
	}
	if (next_hook)
		next_hook(error);
}

/*
 * Returns whether what is about to be logged may tell secrets.
 */
static bool
has_secrets(const ErrorData *error)
{
	return (called_at != 0 && called_at == GetCurrentStatementStartTimestamp()) ||
		   names_one(debug_query_string) || names_one(error->message) || names_one(error->detail) ||
		   names_one(error->context) || names_one(error->internalquery) || shows_request(error);
}

/*
 * Returns whether what is about to be logged shows a request that has secrets,
 * or one that cannot be read.
 */
static bool
shows_request(const ErrorData *error)
{
	if (debug_query_string == NULL || strcasestr(debug_query_string, "murallink") == NULL)
		return false;
	return (error->filename != NULL && strcmp(error->filename, JSON_READER) == 0) || has_key(error->message) ||
		   has_key(error->detail) || has_key(error->context);
}

/*
 * Returns whether a text, or NULL, has a key whose value is a secret.
 */
static bool
has_key(const char *text)
{
	for (int i = 0; text != NULL && i < lengthof(keys); i++)
		if (strstr(text, keys[i]) != NULL)
			return true;
	return false;
}

/*
 * Returns whether a text, or NULL, names what takes secrets.
 */
static bool
names_one(const char *text)
{
	if (text == NULL)
		return false;
	for (int i = 0; i < lengthof(names); i++)
		if (strcasestr(text, names[i]) != NULL)
			return true;
	for (int i = 0; i < lengthof(words); i++)
		for (const char *found = text; (found = strcasestr(found, words[i])) != NULL; found++)
			if (is_called(text, found, found + strlen(words[i])))
				return true;
	return false;
}

/*
 * Returns whether a name may have that letter.
 */
static bool
is_letter(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || IS_HIGHBIT_SET(c);
}

/*
 * Returns whether a word, from there to end, stands in a text for a function
 * that is given something, or within quotes, as an action does.
 */
static bool
is_called(const char *text, const char *word, const char *end)
{
	char before = word == text ? ' ' : word[-1];

	if (is_letter(before))
		return false;
	if ((*end == '"' || *end == '\'') && before == *end)
		return true;
	end += strspn(end, "\" \t\r\n");
	return *end == '(' && end[1 + strspn(end + 1, " \t\r\n")] != ')';
}

/*
 * Has nobody see the statement that is running.
 */
void
secret_hide_statement(void)
{
	called_at = GetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, SHOWN_INSTEAD);
}

/*
 * murallink_private.hide_statement(): has nobody see the statement that is running.
 */
PG_FUNCTION_INFO_V1(secret_hide);
Datum
secret_hide(PG_FUNCTION_ARGS)
{
	secret_hide_statement();
	PG_RETURN_VOID();
}
