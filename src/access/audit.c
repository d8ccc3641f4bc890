/*
 * audit.c
 *	  The trigger that records each change: by whom, of which row, the old and
 *	  new values.
 */
#include "postgres.h"

#include "audit.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "error.h"
#include "fmgr.h"
#include "identity.h"
#include "install.h"
#include "install_row.h"
#include "isolation.h"
#include "ksuid.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The columns of murallink_private.audit_event, by their number from 0. */
enum AuditColumn
{
	AUDIT_UID,
	AUDIT_AT,
	AUDIT_APP_USER,
	AUDIT_SWITCHED_BY,
	AUDIT_DB_USER,
	AUDIT_DB_ROLE,
	AUDIT_RESOURCE,
	AUDIT_RESOURCE_UID,
	AUDIT_ACTION,
	AUDIT_CHANGES,
	AUDIT_PLACE,
	AUDIT_POSITION = AUDIT_PLACE + 4,
	AUDIT_STEP,
	AUDIT_EVENT,
	AUDIT_AMOUNT,
	AUDIT_CURRENCY,
	AUDIT_COLUMNS
};

/* The columns of audit_event for its place in the hierarchy, from AUDIT_PLACE. */
static const char *const place_columns[] = {"client_uid", "contract_uid", "trial_uid", "site_uid"};

/* The columns of an event that say how much, from AUDIT_AMOUNT. */
static const char *const amount_columns[] = {"amount", "currency"};

/* Where a table has what its events take from a row: numbers of columns, 0 or less for those that it has not. */
typedef struct Audited
{
	Oid table; /* hash key */
	bool known;
	int uid;
	int places[lengthof(place_columns)];
	int amounts[lengthof(amount_columns)];
} Audited;

static HTAB *audited = NULL;

static Datum value_in(HeapTuple row, int i, TupleDesc desc, bool *isnull);
static bool same_value(TupleDesc desc, int i, HeapTuple old_row, HeapTuple new_row);
static void append_value(StringInfo out, TupleDesc desc, int i, HeapTuple row);
static Datum changes_between(TupleDesc desc, HeapTuple old_row, HeapTuple new_row);
static void forget_columns(Datum arg, Oid relation);
static const Audited *audited_columns(Relation table);
static void set_columns(TupleDesc desc, HeapTuple row, const int *columns, int count, Datum *values, bool *nulls);
static bool has_argument(const Trigger *trigger, const char *argument);
static const char *event_of(const TriggerData *trigger, TupleDesc desc, HeapTuple old_row, HeapTuple new_row);
static void set_event(const Audited *columns, TupleDesc desc, HeapTuple row, const char *event, Datum *values,
					  bool *nulls);
static void set_caller(Datum *values, bool *nulls);
static void insert_event(const char *resource, Datum resource_uid, Datum action, Datum *values, bool *nulls);
static void record(const TriggerData *trigger);

/*
 * Returns attribute i (from 0) of a row.  All attributes of a missing row
 * (NULL) are null.
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
 * Appends an attribute as a JSON string, or null.  Dates and times are in ISO
 * 8601, those with a time zone in UTC, whatever the session's settings.
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
	else if (type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID)
	{
		char text[MAXDATELEN + 1];
		int utc = 0;

		escape_json(out, JsonEncodeDateTime(text, value, type, &utc));
	}
	else
	{
		int level = NewGUCNestLevel();

		/* Ranges of times are written as the settings say. */
		if (type == TSTZMULTIRANGEOID)
		{
			(void) set_config_option("TimeZone", "UTC", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
			(void) set_config_option("DateStyle", "ISO", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		}
		getTypeOutputInfo(type, &output, &varlena);
		escape_json(out, OidOutputFunctionCall(output, value));
		AtEOXact_GUC(true, level);
	}
}

/*
 * Returns {"column": {"from": "...", "to": "..."}, ...} for the columns that
 * differ, or 0 if none does, without columns that have the time of the event
 * itself.  old_row is NULL for a row that was created,
 * new_row for one that was deleted.
 */
static Datum
changes_between(TupleDesc desc, HeapTuple old_row, HeapTuple new_row)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);

		if (TupleDescAttr(desc, i)->attisdropped || same_value(desc, i, old_row, new_row) ||
			strcmp(name, "updated_at") == 0 || strcmp(name, "paid_at") == 0)
			continue;
		appendStringInfoChar(&out, out.len == 0 ? '{' : ',');
		escape_json(&out, name);
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
 * Registers what forgets the columns of tables that change.
 */
void
audit_init(void)
{
	install_when_changed(forget_columns);
}

/*
 * Forgets the columns of a relation, or of all (InvalidOid).
 */
static void
forget_columns(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS all;
	Audited *each;

	if (audited == NULL)
		return;
	hash_seq_init(&all, audited);
	while ((each = hash_seq_search(&all)) != NULL)
		each->known &= OidIsValid(relation) && each->table != relation;
}

/*
 * Returns the columns of a table, which is locked.  The row's own uid is a
 * place, too: the event of a contract belongs to that contract.
 */
static const Audited *
audited_columns(Relation table)
{
	TupleDesc desc = RelationGetDescr(table);
	const char *name = RelationGetRelationName(table);
	int len = strlen(name);
	Oid oid = RelationGetRelid(table);
	Audited *result;
	bool found;

	if (audited == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Audited)};

		audited = hash_create("murallink audited tables", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	result = hash_search(audited, &oid, HASH_ENTER, &found);
	if (found && result->known)
		return result;
	result->uid = SPI_fnumber(desc, "uid");
	for (int i = 0; i < lengthof(place_columns); i++)
	{
		bool own = strncmp(place_columns[i], name, len) == 0 && strcmp(place_columns[i] + len, "_uid") == 0;

		result->places[i] = SPI_fnumber(desc, place_columns[i]);
		if (result->places[i] <= 0 && own)
			result->places[i] = result->uid;
	}
	for (int i = 0; i < lengthof(amount_columns); i++)
		result->amounts[i] = SPI_fnumber(desc, amount_columns[i]);
	result->known = true;
	return result;
}

/*
 * Sets columns of an event from those of a row; null for those that the table
 * has not.
 */
static void
set_columns(TupleDesc desc, HeapTuple row, const int *columns, int count, Datum *values, bool *nulls)
{
	for (int i = 0; i < count; i++)
	{
		nulls[i] = true;
		if (columns[i] > 0)
			values[i] = heap_getattr(row, columns[i], desc, &nulls[i]);
	}
}

/*
 * Returns whether the trigger has an argument of that name.
 */
static bool
has_argument(const Trigger *trigger, const char *argument)
{
	for (int i = 0; i < trigger->tgnargs; i++)
		if (strcmp(trigger->tgargs[i], argument) == 0)
			return true;
	return false;
}

/*
 * Returns the type of the event that a change of a row is, or NULL.  The
 * arguments of the trigger say so, and the first that fits counts:
 * "event=TYPE" fits every change, "event:COLUMN=TYPE" one by which that column
 * gets a value that is neither null nor empty, "event:COLUMN:VALUE=TYPE" one by
 * which it gets this value.  If TYPE ends with "*", the value stands for that.
 */
static const char *
event_of(const TriggerData *trigger, TupleDesc desc, HeapTuple old_row, HeapTuple new_row)
{
	for (int i = 0; i < trigger->tg_trigger->tgnargs; i++)
	{
		char *argument = pstrdup(trigger->tg_trigger->tgargs[i]);
		char *type = strchr(argument, '=');
		char *wanted;
		char *value;
		int column;

		if (strncmp(argument, "event", 5) != 0 || type == NULL)
			continue;
		*type++ = '\0';
		if (argument[5] == '\0')
			return type;
		wanted = strchr(argument + 6, ':');
		if (wanted != NULL)
			*wanted++ = '\0';
		column = SPI_fnumber(desc, argument + 6);
		if (column <= 0)
			elog(ERROR, "murallink: there is no column for an event of \"%s\"", argument);
		if (new_row == NULL || same_value(desc, column - 1, old_row, new_row))
			continue;
		value = SPI_getvalue(new_row, desc, column);
		if (value == NULL || value[0] == '\0' || (wanted != NULL && strcmp(value, wanted) != 0))
			continue;
		if (type[strlen(type) - 1] != '*')
			return type;
		type[strlen(type) - 1] = '\0';
		return psprintf("%s%s", type, value);
	}
	return NULL;
}

/*
 * Sets the columns of an event: its position in the feed, its type, and the
 * amount and currency of the row, if it has them.  Without an event (NULL) they
 * are null.
 */
static void
set_event(const Audited *columns, TupleDesc desc, HeapTuple row, const char *event, Datum *values, bool *nulls)
{
	for (int i = AUDIT_POSITION; i < AUDIT_COLUMNS; i++)
		nulls[i] = true;
	if (event == NULL)
		return;
	values[AUDIT_POSITION] = Int64GetDatum(audit_position());
	values[AUDIT_STEP] = Int32GetDatum(audit_step());
	values[AUDIT_EVENT] = ObjectIdGetDatum(install_enum("event_type", event));
	nulls[AUDIT_POSITION] = nulls[AUDIT_STEP] = nulls[AUDIT_EVENT] = false;
	set_columns(desc, row, columns->amounts, lengthof(amount_columns), values + AUDIT_AMOUNT, nulls + AUDIT_AMOUNT);
}

/*
 * Sets the columns for who makes the change: the caller, if there is one, and
 * the roles of the session.
 */
static void
set_caller(Datum *values, bool *nulls)
{
	const Caller *who = identity_caller_if_any();
	const char *role = GetConfigOption("role", false, false);

	nulls[AUDIT_APP_USER] = who == NULL;
	nulls[AUDIT_SWITCHED_BY] = who == NULL || !who->switched;
	if (who != NULL)
	{
		values[AUDIT_APP_USER] = KsuidPGetDatum(&who->user);
		values[AUDIT_SWITCHED_BY] = KsuidPGetDatum(&who->switched_by);
	}
	values[AUDIT_DB_USER] =
		DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetSessionUserId(), false)));
	nulls[AUDIT_DB_ROLE] = strcmp(role, "none") == 0;
	values[AUDIT_DB_ROLE] = CStringGetTextDatum(role);
}

/*
 * Inserts an audit_event, of which the changes, the places and the event are
 * set.  Assumes owner_enter().
 */
static void
insert_event(const char *resource, Datum resource_uid, Datum action, Datum *values, bool *nulls)
{
	Ksuid uid;

	ksuid_generate(&uid);
	values[AUDIT_UID] = KsuidPGetDatum(&uid);
	values[AUDIT_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	set_caller(values, nulls);
	values[AUDIT_RESOURCE] = CStringGetTextDatum(resource);
	values[AUDIT_RESOURCE_UID] = resource_uid;
	values[AUDIT_ACTION] = action;
	row_insert(row_table("audit_event", AUDIT_COLUMNS), values, nulls);
}

/*
 * Writes the audit_event of the row for which a trigger is fired, unless an
 * UPDATE changes nothing.
 */
static void
record(const TriggerData *trigger)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	const char *table = RelationGetRelationName(trigger->tg_relation);
	HeapTuple row = trigger->tg_trigtuple;
	HeapTuple old_row = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? NULL : trigger->tg_trigtuple;
	HeapTuple new_row = TRIGGER_FIRED_BY_INSERT(trigger->tg_event)	 ? trigger->tg_trigtuple
						: TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple
																	 : NULL;
	const char *action = "created";
	Datum values[AUDIT_COLUMNS] = {0};
	bool nulls[AUDIT_COLUMNS] = {false};
	const Audited *columns;
	Datum resource_uid;
	Owner saved;

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && has_argument(trigger->tg_trigger, "values"))
		values[AUDIT_CHANGES] = changes_between(desc, NULL, row);
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		action = "changed";
		row = trigger->tg_newtuple;
		values[AUDIT_CHANGES] = changes_between(desc, trigger->tg_trigtuple, row);
		if (values[AUDIT_CHANGES] == (Datum) 0)
			return;
	}
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
	{
		action = "deleted";
		values[AUDIT_CHANGES] = changes_between(desc, row, NULL);
	}
	nulls[AUDIT_CHANGES] = values[AUDIT_CHANGES] == (Datum) 0;

	columns = audited_columns(trigger->tg_relation);
	set_columns(desc, row, columns->places, lengthof(place_columns), values + AUDIT_PLACE, nulls + AUDIT_PLACE);
	resource_uid = heap_getattr(row, columns->uid, desc, &nulls[AUDIT_RESOURCE_UID]);

	saved = owner_enter();
	set_event(columns, desc, row, event_of(trigger, desc, old_row, new_row), values, nulls);
	insert_event(table, resource_uid, ObjectIdGetDatum(install_enum("audit_action", action)), values, nulls);
	owner_leave(saved);
}

/*
 * Trigger after INSERT, UPDATE or DELETE of a row: writes one audit_event.
 * With the argument values, the event of an INSERT contains the values.  With
 * the argument remembered, also does what install_changed() does, even if
 * replication writes the row; replication copies the audit_event itself.  Those
 * that begin with "event" make events of the feed: see event_of().  With the
 * argument awaited, others can wait until no session has an older copy of
 * the row.
 */
PG_FUNCTION_INFO_V1(audit_record);
Datum
audit_record(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "audit_record is a trigger");
	if (SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA)
	{
		/* If the library is not preloaded, the first statement of a session was not checked. */
		isolation_check();
		record(trigger);
	}
	if (has_argument(trigger->tg_trigger, "remembered"))
		CacheInvalidateRelcache(trigger->tg_relation);
	if (has_argument(trigger->tg_trigger, "awaited") && !TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		install_hold_told(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple);
	return PointerGetDatum(NULL);
}

/*
 * murallink_private.audit_note(resource, resource_uid, action, changes): writes an
 * audit_event that belongs to no place.
 */
PG_FUNCTION_INFO_V1(audit_note);
Datum
audit_note(PG_FUNCTION_ARGS)
{
	Datum values[AUDIT_COLUMNS] = {0};
	bool nulls[AUDIT_COLUMNS] = {false};
	Owner saved;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		elog(ERROR, "audit_note needs a resource, its uid and an action");
	for (int i = AUDIT_PLACE; i < AUDIT_COLUMNS; i++)
		nulls[i] = true;
	nulls[AUDIT_CHANGES] = PG_ARGISNULL(3);
	values[AUDIT_CHANGES] = PG_GETARG_DATUM(3);
	saved = owner_enter();
	insert_event(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), values, nulls);
	owner_leave(saved);
	PG_RETURN_VOID();
}
