/*
 * install_row.h
 *	  Rows written without a statement.
 */
#ifndef MURALLINK_INSTALL_ROW_H
#define MURALLINK_INSTALL_ROW_H

#include "utils/relcache.h"

extern Relation row_table(const char *name, int columns);
extern void row_insert(Relation table, const Datum *values, const bool *nulls);

#endif /* MURALLINK_INSTALL_ROW_H */
