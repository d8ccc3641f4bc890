/*
 * partner_secret.c
 *	  Keeps what configure_partner() is given out of the server's log and out
 *	  of pg_stat_activity.
 *
 * The server logs the statement that an error broke off, and any statement
 * where log_statement and its like say so.  Such a statement is known by the
 * name of the function, there or in what it runs, and also by having called it,
 * for an error may come before, and a function of the user's own may be what calls it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/elog.h"

#include "partner_secret.h"

#define NAME "configure_partner"
#define SHOWN_INSTEAD "<" NAME " with secrets>"

static emit_log_hook_type next_hook;
static TimestampTz called_at = 0; /* when the statement began that has called it */

static void hide_log(ErrorData *error);
static bool has_secrets(const ErrorData *error);
static bool is_named(const char *text);

/*
 * Registers the hook.  Called once, from _PG_init.
 */
void
partner_secret_init(void)
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
					errmsg("murallink: a statement with " NAME " is not shown, for it may have secrets; SQLSTATE %s",
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
		   is_named(debug_query_string) || is_named(error->message) || is_named(error->detail) ||
		   is_named(error->context) || is_named(error->internalquery);
}

/*
 * Returns whether a text, or NULL, names the function.
 */
static bool
is_named(const char *text)
{
	return text != NULL && strcasestr(text, NAME) != NULL;
}

/*
 * murallink.hide_statement(): has nobody see the statement that is running.
 */
PG_FUNCTION_INFO_V1(partner_hide_statement);
Datum
partner_hide_statement(PG_FUNCTION_ARGS)
{
	called_at = GetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, SHOWN_INSTEAD);
	PG_RETURN_VOID();
}
