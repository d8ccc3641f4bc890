/*
 * partner_json.h
 *	  JSON of jansson's as PostgreSQL's.
 */
#ifndef MURALLINK_PARTNER_JSON_H
#define MURALLINK_PARTNER_JSON_H

#include "partner.h"

extern Datum partner_jsonb(json_t *value);

#endif /* MURALLINK_PARTNER_JSON_H */
