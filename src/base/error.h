/*
 * error.h
 *	  The errors of error_table.h, for ereport().
 */
#ifndef MURALLINK_ERROR_H
#define MURALLINK_ERROR_H

#include "utils/elog.h"

#define ERROR_ROW(symbol, name, sqlstate, message, hint) ERR_##symbol,
typedef enum ErrorName
{
#include "error_table.h"
	ERR_COUNT
} ErrorName;
#undef ERROR_ROW

/* An error of the table as it is shown to clients. */
typedef struct ErrorRow
{
	const char *name;
	const char *sqlstate;
	const char *message;
	const char *hint;
} ErrorRow;

/* ereport(ERROR, errnamed(ERR_NOT_FOUND, "trial_uid")): field may be NULL. */
extern int errnamed(ErrorName name, const char *field);

extern const ErrorRow *error_row(ErrorName name);
extern const char *error_field(const char *field);
extern ErrorName error_by_name(const char *name);
extern int error_http_status(int sqlstate);
extern text *error_checked_text(text *value, const char *field, int longest, bool required);

#endif /* MURALLINK_ERROR_H */
