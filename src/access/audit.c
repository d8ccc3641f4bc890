/*
 * audit.c
 *	  The trigger that records who changed what from what to what.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "error.h"
#include "fmgr.h"
#include "identity.h"
#include "install.h"
#include "isolation.h"
#include "ksuid.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Whether audit_record() is about to insert. */
static bool recording = false;

/* The columns of audit_event that place it in the hierarchy. */
static const char *const place_columns[] = {"client_uid", "contract_uid", "trial_uid", "site_uid"};

static Datum value_in(HeapTuple row, int i, TupleDesc desc, bool *isnull);
static bool same_value(TupleDesc desc, int i, HeapTuple old_row, HeapTuple new_row);
static void append_value(StringInfo out, TupleDesc desc, int i, HeapTuple row);
static Datum changes_between(TupleDesc desc, HeapTuple old_row, HeapTuple new_row);
static void set_places(TupleDesc desc, const char *table, HeapTuple row, Datum *values, char *nulls);

/*
 * Returns attribute i (from 0) of a row; of a row that is no more (NULL), all
 * are null.
 */
static Datum
value_in(HeapTuple row, int i, TupleDesc desc, bool *isnull)
{
	*isnull = true;
	return row == NULL ? (Datum) 0 : heap_getattr(row, i + 1, desc, isnull);
}

/*
 * Returns whether attribute i (from 0) is the same in both rows.
 */
static bool
same_value(TupleDesc desc, int i, HeapTuple old_row, HeapTuple new_row)
{
	Form_pg_attribute att = TupleDescAttr(desc, i);
	bool old_null,
		new_null;
	Datum old_value = value_in(old_row, i, desc, &old_null);
	Datum new_value = value_in(new_row, i, desc, &new_null);

	if (old_null || new_null)
		return old_null == new_null;
	return datum_image_eq(old_value, new_value, att->attbyval, att->attlen);
}

/*
 * Appends an attribute as a JSON string, or null; days and moments in ISO
 * 8601 and UTC, whatever the session has set.
 */
static void
append_value(StringInfo out, TupleDesc desc, int i, HeapTuple row)
{
	bool isnull;
	Datum value = value_in(row, i, desc, &isnull);
	Oid type = TupleDescAttr(desc, i)->atttypid;
	Oid output;
	bool varlena;

	if (isnull)
		appendStringInfoString(out, "null");
	else if (type == DATEOID || type == TIMESTAMPTZOID)
	{
		char text[MAXDATELEN + 1];
		int utc = 0;

		escape_json(out, JsonEncodeDateTime(text, value, type, &utc));
	}
	else
	{
		getTypeOutputInfo(type, &output, &varlena);
		escape_json(out, OidOutputFunctionCall(output, value));
	}
}

/*
 * Returns {"column": {"from": "...", "to": "..."}, ...} for the columns that
 * differ, or 0 when none does.  old_row is NULL for a row that was created,
 * new_row for one that was deleted.
 */
static Datum
changes_between(TupleDesc desc, HeapTuple old_row, HeapTuple new_row)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attisdropped || same_value(desc, i, old_row, new_row))
			continue;
		appendStringInfoChar(&out, out.len == 0 ? '{' : ',');
		escape_json(&out, NameStr(TupleDescAttr(desc, i)->attname));
		appendStringInfoString(&out, ":{\"from\":");
		append_value(&out, desc, i, old_row);
		appendStringInfoString(&out, ",\"to\":");
		append_value(&out, desc, i, new_row);
		appendStringInfoChar(&out, '}');
	}
	if (out.len == 0)
		return (Datum) 0;
	appendStringInfoChar(&out, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

/*
 * Sets the place_columns of an event by those of a row.  The row's own uid also
 * places it: a contract's event stands at that contract.
 */
static void
set_places(TupleDesc desc, const char *table, HeapTuple row, Datum *values, char *nulls)
{
	int len = strlen(table);

	for (int i = 0; i < lengthof(place_columns); i++)
	{
		int column = SPI_fnumber(desc, place_columns[i]);
		bool isnull = true;

		if (column <= 0 && strncmp(place_columns[i], table, len) == 0 && strcmp(place_columns[i] + len, "_uid") == 0)
			column = SPI_fnumber(desc, "uid");
		if (column > 0)
			values[i] = heap_getattr(row, column, desc, &isnull);
		nulls[i] = isnull ? 'n' : ' ';
	}
}

/*
 * Trigger after INSERT, UPDATE or DELETE of a row: writes one audit_event.  An
 * update that changes nothing writes none.  With an argument, an INSERT has the
 * values in it.
 */
PG_FUNCTION_INFO_V1(audit_record);
Datum
audit_record(PG_FUNCTION_ARGS)
{
	static SavedPlan insert = PLAN("INSERT INTO murallink.audit_event"
								   " (app_user_uid, switched_by_uid, resource, resource_uid,"
								   " action, changes, client_uid, contract_uid, trial_uid, site_uid)"
								   " VALUES ($1, $2, $3, $4, $5::murallink.audit_action, $6, $7, $8, $9, $10)",
								   "kktktjkkkk");
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc desc;
	HeapTuple row;
	const char *table;
	const char *action = "created";
	const Caller *who;
	Datum values[10] = {0};
	char nulls[11] = "          ";
	bool isnull;
	Owner saved;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "audit_record is a trigger");
	/* The first statement of a session that has not preloaded the library was not asked. */
	isolation_check();
	desc = RelationGetDescr(trigger->tg_relation);
	table = RelationGetRelationName(trigger->tg_relation);
	row = trigger->tg_trigtuple;
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && trigger->tg_trigger->tgnargs > 0)
		values[5] = changes_between(desc, NULL, row);
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		action = "changed";
		row = trigger->tg_newtuple;
		values[5] = changes_between(desc, trigger->tg_trigtuple, row);
		if (values[5] == (Datum) 0)
			return PointerGetDatum(NULL);
	}
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
	{
		action = "deleted";
		values[5] = changes_between(desc, row, NULL);
	}
	nulls[5] = values[5] == (Datum) 0 ? 'n' : ' ';

	who = identity_caller_if_any();
	nulls[0] = who == NULL ? 'n' : ' ';
	nulls[1] = who == NULL || !who->switched ? 'n' : ' ';
	if (who != NULL)
	{
		values[0] = KsuidPGetDatum(&who->user);
		values[1] = KsuidPGetDatum(&who->switched_by);
	}
	values[2] = CStringGetTextDatum(table);
	values[3] = heap_getattr(row, SPI_fnumber(desc, "uid"), desc, &isnull);
	values[4] = CStringGetTextDatum(action);
	set_places(desc, table, row, values + 6, nulls + 6);

	saved = owner_enter();
	SPI_connect();
	PG_TRY();
	{
		recording = true;
		plan_execute(&insert, values, nulls, 0);
	}
	PG_FINALLY();
	{
		recording = false;
	}
	PG_END_TRY();
	SPI_finish();
	owner_leave(saved);
	return PointerGetDatum(NULL);
}

/*
 * Trigger before INSERT into audit_event: raises guarded unless audit_record()
 * writes, once for each of its statements, so that what a trigger of anybody's
 * inserts beside it is refused.
 */
PG_FUNCTION_INFO_V1(audit_guard);
Datum
audit_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "audit_guard is a trigger");
	if (!recording)
		ereport(ERROR, errnamed(ERR_GUARDED, RelationGetRelationName(trigger->tg_relation)));
	recording = false;
	return PointerGetDatum(NULL);
}
