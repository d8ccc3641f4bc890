/*
 * secret.c
 *	  Keeps passwords, accounts of payees, and what configure_partner() is given,
 *	  out of the server's log and out of pg_stat_activity.
 *
 * The server logs the statement that raised an error, and other statements as
 * log_statement and similar settings say.  A statement has secrets if it, or
 * what it runs, names a function that takes secrets.  It also has secrets if
 * it has called such a function, because a function of the user's own may be
 * what names it.  If an error shows only a part of a JSON request, without the
 * action, the keys decide; a text that is not JSON counts as secret.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/elog.h"

#include "secret.h"
#include "text.h"

#define SHOWN_INSTEAD "<statement with secrets>"

/* Names of what takes secrets, in lower case: functions, actions of api(), a key of webhooks; how API keys begin. */
static const char *const names[] = {"accesskey", "change_password", "change_user_password", "configure_partner",
									"create_admin", "mlk_", "reset_password", "rotate_webhook", "set_payment_type", "set_webhook",
									"update_user"};

/* The same, for names that are everyday words. */
static const char *const words[] = {"approve_payment", "approve_payments", "authenticate", "login", "register"};

const char *const secret_keys[] = {"password", "new_password", "current_password", "token", "secrets",
								   "secret", "account", NULL};

/* The file in which PostgreSQL reads JSON: its errors show the text before the error. */
#define JSON_READER "jsonfuncs.c"

static emit_log_hook_type next_hook;
static TimestampTz called_at = 0; /* start of the statement that has called such a function */

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
 * Hook: replaces a statement with secrets in the log by a note.  The client
 * receives the whole error, because the secrets are its own.
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
 * Returns whether the message to be logged may show secrets.
 */
static bool
has_secrets(const ErrorData *error)
{
	return (called_at != 0 && called_at == GetCurrentStatementStartTimestamp()) ||
		   names_one(debug_query_string) || names_one(error->message) || names_one(error->detail) ||
		   names_one(error->context) || names_one(error->internalquery) || shows_request(error);
}

/*
 * Returns whether the message to be logged shows a request with secrets, or
 * one that cannot be read.
 */
static bool
shows_request(const ErrorData *error)
{
	if (debug_query_string == NULL || text_find(debug_query_string, "murallink") == NULL)
		return false;
	return (error->filename != NULL && strcmp(error->filename, JSON_READER) == 0) || has_key(error->message) ||
		   has_key(error->detail) || has_key(error->context);
}

/*
 * Returns whether a text has a key whose value is a secret; false for NULL.
 */
static bool
has_key(const char *text)
{
	char quoted[NAMEDATALEN];

	for (const char *const *key = secret_keys; text != NULL && *key != NULL; key++)
	{
		snprintf(quoted, sizeof(quoted), "\"%s\"", *key);
		if (strstr(text, quoted) != NULL)
			return true;
	}
	return false;
}

/*
 * Returns whether a text names something that takes secrets; false for NULL.
 */
static bool
names_one(const char *text)
{
	if (text == NULL)
		return false;
	for (int i = 0; i < lengthof(names); i++)
		if (text_find(text, names[i]) != NULL)
			return true;
	for (int i = 0; i < lengthof(words); i++)
		for (const char *found = text; (found = text_find(found, words[i])) != NULL; found++)
			if (is_called(text, found, found + strlen(words[i])))
				return true;
	return false;
}

/*
 * Returns whether a name may contain that letter.
 */
static bool
is_letter(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || IS_HIGHBIT_SET(c);
}

/*
 * Returns whether a word of a text, which ends at end, is followed by
 * arguments like a function, or is in quotes like an action.
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
 * Hides the running statement from pg_stat_activity and the log.
 */
void
secret_hide_statement(void)
{
	called_at = GetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, SHOWN_INSTEAD);
}

/*
 * murallink_private.hide_statement(): hides the running statement from
 * pg_stat_activity and the log.
 */
PG_FUNCTION_INFO_V1(secret_hide);
Datum
secret_hide(PG_FUNCTION_ARGS)
{
	secret_hide_statement();
	PG_RETURN_VOID();
}
