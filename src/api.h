/*
 * api.h
 *	  The JSON protocol: values of requests in, values of answers out.
 */
#ifndef MURALLINK_API_H
#define MURALLINK_API_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

extern void api_init(void);
extern Datum api_bind(const JsonbValue *value, Oid type, const char *field, bool *isnull);
extern void api_render(StringInfo out, Datum value, bool isnull, Oid type);
extern void api_render_row(StringInfo out, HeapTuple row, TupleDesc desc);

#endif							/* MURALLINK_API_H */
