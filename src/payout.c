/*
 * payout.c
 *	  The place where payouts are made, which no copy of it shares.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

/*
 * murallink.payout_place(): the system identifier of this cluster and the oid
 * of this database.
 */
PG_FUNCTION_INFO_V1(payout_place);
Datum
payout_place(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[2] = {Int64GetDatum((int64) GetSystemIdentifier()), ObjectIdGetDatum(MyDatabaseId)};
	bool nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "payout_place must return a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
