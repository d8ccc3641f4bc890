/*
 * brake.c
 *	  The place for which payouts are enabled: no copy of the database has the
 *	  same one.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "place.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * murallink_private.payout_place(): the place of this database, and the table of the
 * switch, because a dump that is restored has new tables.
 */
PG_FUNCTION_INFO_V1(payout_place);
Datum
payout_place(PG_FUNCTION_ARGS)
{
	Oid schema = get_namespace_oid("murallink_private", false);

	PG_RETURN_TEXT_P(
		cstring_to_text(psprintf("%s, switch %u", place_here(), get_relname_relid("payout_switch", schema))));
}
