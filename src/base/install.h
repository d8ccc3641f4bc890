/*
 * install.h
 *	  What all SQL run from C needs: the installed data, its owner, and plans
 *	  that are saved for the life of the backend.
 */
#ifndef MURALLINK_INSTALL_H
#define MURALLINK_INSTALL_H

#include "error.h"
#include "executor/spi.h"
#include "utils/inval.h"
#include "utils/snapshot.h"

/* The version of the tables that this library works with. */
#define DATA_VERSION 1

/* What owner_enter() changed, for owner_leave(). */
typedef struct Owner
{
	bool changed;
	Oid user;
	int sec_context;
	int guc_nest_level;
} Owner;

/*
 * A statement planned once a backend.  types has one letter an argument:
 * b boolean, d date, i integer, I bigint, j jsonb, k ksuid, n numeric, t text,
 * y bytea, z timestamptz.
 */
typedef struct SavedPlan
{
	const char *sql;
	const char *types;
	SPIPlanPtr plan;
	Oid ksuid;
} SavedPlan;

#define PLAN(sql, types)             \
	{                                \
		sql, types, NULL, InvalidOid \
	}

extern void install_init(void);
extern void install_when_changed(RelcacheCallbackFunction forget);
extern ErrorName install_problem(int *version);
extern void install_check(void);
extern Oid install_owner(void);
extern bool install_is_owner(void);
extern bool install_is_schema(Oid schema);
extern Oid install_ksuid_type(void);
extern const char *install_type_name(Oid type);
extern Oid install_relation(const char *name);
extern Oid install_function(const char *name, int count, const Oid *types);
extern Oid install_enum(const char *type, const char *label);
extern char *install_enum_label(Oid value);
extern void install_hold_told(HeapTuple row);
extern void install_wait_told(TransactionId changed_by);
extern void install_pin_settings(const char *const (*own)[2], int count);

extern Owner owner_enter(void);
extern void owner_leave(Owner saved);
extern void owner_require(void);
extern void owner_committed(Owner saved);

extern SPIPlanPtr plan_saved(SavedPlan *p);
extern int plan_execute(SavedPlan *p, const Datum *values, const char *nulls, long limit);
extern int plan_execute_with(SavedPlan *p, const Datum *values, const char *nulls, long limit, Snapshot snapshot);
extern int plan_execute_latest(SavedPlan *p, const Datum *values, const char *nulls, long limit);

#endif /* MURALLINK_INSTALL_H */
