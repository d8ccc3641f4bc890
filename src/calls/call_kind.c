/*
 * call_kind.c
 *	  Calls the functions that table call_kind names, without a statement: each
 *	  EXECUTE would parse and plan one.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "install.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(call_judge);
PG_FUNCTION_INFO_V1(call_follow);

/*
 * murallink_private.call_judge(judges, ended): what the function of that name
 * returns for a call.  Raises forbidden, and not_installed if there is none.
 */
Datum
call_judge(PG_FUNCTION_ARGS)
{
	HeapTupleHeader ended = PG_GETARG_HEAPTUPLEHEADER(1);
	Oid type = HeapTupleHeaderGetTypeId(ended);

	owner_require();
	return OidFunctionCall1(install_function(text_to_cstring(PG_GETARG_TEXT_PP(0)), 1, &type),
							HeapTupleHeaderGetDatum(ended));
}

/*
 * murallink_private.call_follow(follows, calls): calls the function of that name.
 * Raises forbidden, and not_installed if there is none.
 */
Datum
call_follow(PG_FUNCTION_ARGS)
{
	Oid type = get_array_type(install_ksuid_type());

	owner_require();
	(void) OidFunctionCall1(install_function(text_to_cstring(PG_GETARG_TEXT_PP(0)), 1, &type), PG_GETARG_DATUM(1));
	PG_RETURN_VOID();
}
