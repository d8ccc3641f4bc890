-- Prints the types of an installed murallink for TypeScript, examples/murallink.d.ts, for psql -XqAt. It makes
-- temporary objects only.

CREATE TEMP TABLE shown AS
SELECT c.oid, c.relname::text AS name, c.relkind AS kind, c.reltype AS type
FROM pg_class c
WHERE c.relnamespace = 'murallink'::regnamespace AND c.relkind IN ('r', 'v')
    AND (has_table_privilege('murallink_analyst', c.oid, 'SELECT')
        OR has_table_privilege('murallink_operator', c.oid, 'SELECT'));

-- The functions that embed rows: see make_relation() in sql/api/relation.sql.
CREATE TEMP TABLE relation AS
SELECT f.name AS from_name, p.proname::text AS name, t.name AS to_name, p.prorows > 1 AS many,
    part[1] AS to_column, part[2] AS from_column
FROM pg_proc p JOIN shown f ON p.pronargs = 1 AND p.proargtypes[0] = f.type JOIN shown t ON p.prorettype = t.type,
    regexp_match(p.prosrc, 'WHERE t\.(\w+) OPERATOR\(pg_catalog\.=\) \(\$1\)\.(\w+)$') AS part
WHERE p.pronamespace = 'murallink'::regnamespace;

-- What rows of PostgREST embed: by foreign keys, but not to the same table, and by those functions, which go before.
CREATE TEMP TABLE relationship AS
SELECT f.name AS from_name, k.conname::text AS name, t.name AS to_name,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY u.place) AS from_columns,
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum ORDER BY u.place) AS to_columns,
    EXISTS (
        SELECT FROM pg_constraint o
        WHERE o.conrelid = k.conrelid AND o.contype IN ('p', 'u') AND o.conkey @> k.conkey AND o.conkey <@ k.conkey
    ) AS one_to_one
FROM pg_constraint k JOIN shown f ON f.oid = k.conrelid JOIN shown t ON t.oid = k.confrelid
WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
    AND NOT EXISTS (SELECT FROM relation r WHERE r.from_name = f.name AND r.name = t.name)
UNION ALL
SELECT r.from_name, r.name, r.name, ARRAY[r.from_column], ARRAY[r.to_column], false FROM relation r WHERE NOT r.many;

-- What a type is without its domains.
CREATE FUNCTION pg_temp.base(type oid) RETURNS oid LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN t.typtype = 'd' THEN pg_temp.base(t.typbasetype) ELSE t.oid END FROM pg_type t WHERE t.oid = type
$$;

-- Functions that take arguments by name and answer with JSON. Those that are actions: see api_is_action() in
-- src/api/api_action.c.
CREATE TEMP TABLE callable AS
SELECT p.oid, p.proname::text AS name, p.prosecdef AS action, p.prorettype AS result, p.proretset AS many,
    p.pronargs - p.pronargdefaults AS required, p.proargnames AS names,
    coalesce(p.proallargtypes, p.proargtypes::oid[]) AS types,
    coalesce(p.proargmodes, array_fill('i'::"char", ARRAY[p.pronargs])) AS modes
FROM pg_proc p
WHERE p.pronamespace = 'murallink'::regnamespace AND p.prokind = 'f' AND p.proname !~ '^((gen_)?ksuid|day_|moment_)'
    AND (p.pronargs = 0 OR p.proargnames IS NOT NULL) AND pg_temp.base(p.prorettype) <> 'bytea'::regtype
    AND (has_function_privilege('murallink_client', p.oid, 'EXECUTE')
        OR has_function_privilege('murallink_analyst', p.oid, 'EXECUTE')
        OR has_function_privilege('murallink_operator', p.oid, 'EXECUTE'));

-- Rows that are values, or parts of values: of PostgREST, or (told) of answers of the JSON protocol.
CREATE TEMP TABLE composite AS
WITH RECURSIVE root AS (
    SELECT a.atttypid AS type, false AS told FROM shown s JOIN pg_attribute a ON a.attrelid = s.oid
    UNION
    SELECT type, told
    FROM callable f, unnest(f.result || f.types) AS type, unnest(ARRAY[false, true]) AS told
    WHERE f.action OR NOT told
), step AS (
    SELECT type, told FROM root
    UNION
    SELECT part.type, s.told
    FROM step s JOIN pg_type b ON b.oid = pg_temp.base(s.type), LATERAL (
        SELECT b.typelem AS type WHERE b.typcategory = 'A'
        UNION ALL
        SELECT a.atttypid FROM pg_attribute a
        WHERE b.typtype = 'c' AND a.attrelid = b.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS part
)
SELECT DISTINCT c.oid, c.relname::text AS name, c.relkind AS kind, s.told
FROM step s JOIN pg_type b ON b.oid = pg_temp.base(s.type) JOIN pg_class c ON c.oid = b.typrelid
WHERE b.typtype = 'c';

-- How a value of a type is written.
CREATE FUNCTION pg_temp.form(type oid, told boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN type = 'murallink.numeric_text'::regtype AND NOT told THEN 'number | string'
        WHEN b.typcategory = 'A' THEN format('Array<%s>', pg_temp.form(b.typelem, told))
        WHEN b.typtype = 'c' AND told THEN format('Payloads[''%s'']', b.typname)
        WHEN b.typtype = 'c' AND b.oid IN (SELECT s.type FROM shown s) THEN format('Rows[''%s'']', b.typname)
        WHEN b.typtype = 'c' THEN format('CompositeTypes[''%s'']', b.typname)
        WHEN b.typtype = 'e' THEN format('Enums[''%s'']', b.typname)
        WHEN b.typname = 'ksuid' THEN 'Uid'
        WHEN b.typname IN ('day', 'date') THEN 'Day'
        WHEN b.typname IN ('moment', 'server_moment', 'timestamptz') THEN 'Moment'
        WHEN b.typcategory = 'N' THEN 'number'
        WHEN b.typcategory = 'B' THEN 'boolean'
        WHEN b.typname IN ('json', 'jsonb') THEN 'Json'
        WHEN b.typname = 'void' THEN 'undefined'
        ELSE 'string' END
    FROM pg_type b WHERE b.oid = pg_temp.base(type)
$$;

-- A column of a row. In the JSON protocol an absent value is left out or has a form of its own: see
-- src/api/api_render.c.
CREATE FUNCTION pg_temp.field(name text, type oid, required boolean, told boolean) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN told AND t.typtype = 'd' AND t.typname LIKE 'optional\_%' THEN format('%s?: %s', name, form)
        WHEN told AND b.typcategory = 'A' THEN format('%s: %s | null', name, form)
        WHEN told AND b.typtype = 'e' THEN format('%s: %s | ''''', name, form)
        WHEN told OR required OR form = 'Json' THEN format('%s: %s', name, form)
        ELSE format('%s: %s | null', name, form) END
    FROM pg_type t JOIN pg_type b ON b.oid = pg_temp.base(type), pg_temp.form(type, told)
    WHERE t.oid = type
$$;

CREATE FUNCTION pg_temp.fields(name text, relation oid, told boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format(E'\t%s: {\n%s\n\t};', name, string_agg(
        format(E'\t\t%s;', pg_temp.field(a.attname::text, a.atttypid, a.attnotnull OR t.typnotnull, told)),
        E'\n' ORDER BY a.attnum))
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
$$;

CREATE FUNCTION pg_temp.arguments(f callable) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce('{ ' || string_agg(
        format('%s%s: %s', a.name, CASE WHEN a.place > f.required THEN '?' ELSE '' END, pg_temp.form(a.type, false)),
        '; ' ORDER BY a.place) || ' }', 'Record<string, never>')
    FROM unnest(f.names, f.types, f.modes) WITH ORDINALITY AS a (name, type, mode, place) WHERE a.mode = 'i'
$$;

CREATE FUNCTION pg_temp.answer(f callable, told boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN f.many THEN format('Array<%s>', form) ELSE form END
    FROM (
        SELECT CASE WHEN f.result <> 'record'::regtype THEN pg_temp.form(f.result, told) ELSE (
            SELECT format('{ %s }', string_agg(pg_temp.field(a.name, a.type, false, told), '; ' ORDER BY a.place))
            FROM unnest(f.names, f.types, f.modes) WITH ORDINALITY AS a (name, type, mode, place)
            WHERE a.mode <> 'i') END) AS one (form)
$$;

CREATE FUNCTION pg_temp.quoted(names text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(quote_literal(name), ', ' ORDER BY place)
    FROM unnest(names) WITH ORDINALITY AS n (name, place)
$$;

CREATE FUNCTION pg_temp.table_type(name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format(E'\t\t\t%s: ReadOnly<''%1$s'', [%s]>;', name, (
        SELECT string_agg(format(E'\n\t\t\t\tTo<''%s'', [%s], ''%s'', [%s]%s>,', r.name, pg_temp.quoted(r.from_columns),
            r.to_name, pg_temp.quoted(r.to_columns), CASE WHEN r.one_to_one THEN ', true' ELSE '' END),
            '' ORDER BY r.name COLLATE "C") || E'\n\t\t\t'
        FROM relationship r WHERE r.from_name = table_type.name))
$$;

SELECT concat_ws(E'\n', $$// The types of murallink for TypeScript: for @supabase/postgrest-js, and for POST /rpc/api.
// dev/types.sql makes this file from the catalog: see CONTRIBUTING.md.
//
//	import { PostgrestClient } from '@supabase/postgrest-js';
//	import type { Database } from './murallink';
//	const client = new PostgrestClient<Database>(url, { headers: { 'Session-Id': session_id } });

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];
/** 27 characters that sort by the second in which they were made. */
export type Uid = string;
/** 2027-01-31 */
export type Day = string;
/** 2027-01-31T09:00:00Z */
export type Moment = string;

/** The stable names of errors, with their HTTP status. */
export type Errors = {$$, (
    SELECT string_agg(format(E'\t%s: %s;', e.name, e.http_status), E'\n' ORDER BY e.name COLLATE "C")
    FROM murallink.errors() e), $$};
export type ErrorName = keyof Errors;
/** The `details` of an error of PostgREST: the name, and the field if there is one. */
export type ErrorDetails = ErrorName | `${ErrorName}: ${string}`;

export type Enums = {$$, (
    SELECT string_agg(format(E'\t%s:%s;', t.typname, labels), E'\n' ORDER BY t.typname COLLATE "C")
    FROM pg_type t, LATERAL (
        SELECT string_agg(format(E'\n\t\t| %L', e.enumlabel), '' ORDER BY e.enumsortorder) AS labels
        FROM pg_enum e WHERE e.enumtypid = t.oid) AS e
    WHERE t.typnamespace = 'murallink'::regnamespace AND t.typtype = 'e'), $$};

/** The rows of tables and views. */
export type Rows = {$$, (
    SELECT string_agg(pg_temp.fields(s.name, s.oid, false), E'\n' ORDER BY s.name COLLATE "C") FROM shown s), $$};

/** The rows that functions answer, and parts of rows. */
export type CompositeTypes = {$$, (
    SELECT string_agg(pg_temp.fields(c.name, c.oid, false), E'\n' ORDER BY c.name COLLATE "C")
    FROM composite c WHERE NOT c.told AND c.kind = 'c'), $$};

/** The same in the JSON protocol: an absent value is left out, or has a form of its own such as "" or 0. */
export type Payloads = {$$, (
    SELECT string_agg(pg_temp.fields(c.name, c.oid, true), E'\n' ORDER BY c.name COLLATE "C")
    FROM composite c WHERE c.told), $$};

/** POST /rpc/NAME. An argument that has a default may be left out, but the function may answer missing_field. */
export type Functions = {
	api: { Args: ApiRequest; Returns: ApiAnswer };$$, (
    SELECT string_agg(format(E'\t%s: {\n\t\tArgs: %s;\n\t\tReturns: %s;\n\t};', f.name, pg_temp.arguments(f),
        pg_temp.answer(f, false)), E'\n' ORDER BY f.name COLLATE "C")
    FROM callable f), $$};

/** What each action answers as the payload of the JSON protocol. */
export type Actions = {$$, (
    SELECT string_agg(format(E'\t%s: %s;', f.name, pg_temp.answer(f, true)), E'\n' ORDER BY f.name COLLATE "C")
    FROM callable f WHERE f.action), $$};
export type Action = keyof Actions;

/** A request to POST /rpc/api. */
export type ApiRequest<A extends Action = Action> = {
	[K in A]: { action: K; payload?: Functions[K]['Args']; session_id?: string; idempotency_key?: string };
}[A];

/** An answer of POST /rpc/api. */
export type ApiAnswer<A extends Action = Action> = {
	[K in A]: { action: K; status_code: number; message: string; request_id: Uid } & (
		| { payload: Actions[K]; error?: undefined }
		| { payload?: Actions[K]; error: { code: ErrorName; field: string; hint: string } }
	);
}[A];

/** Nobody writes a table. */
type ReadOnly<Name extends keyof Rows, Relationships> = {
	Row: Rows[Name];
	Insert: never;
	Update: never;
	Relationships: Relationships;
};
/** "never" in the columns makes what is embedded nullable, because the caller may not see it. */
type To<Name, Columns extends string[], Relation, Referenced, OneToOne = false> = {
	foreignKeyName: Name;
	columns: [...Columns, never];
	isOneToOne: OneToOne;
	referencedRelation: Relation;
	referencedColumns: Referenced;
};

export type Database = {
	murallink: {
		Tables: {$$, (
    SELECT string_agg(pg_temp.table_type(s.name), E'\n' ORDER BY s.name COLLATE "C") FROM shown s WHERE s.kind = 'r'),
$$		};
		Views: {
			// These are embedded in other rows, and not read by themselves.$$, (
    SELECT string_agg(DISTINCT format(E'\t\t\t%s: ReadOnly<''%s'', []>;', r.name, r.to_name), E'\n')
    FROM relation r WHERE NOT r.many AND r.name <> r.to_name),
'', (
    SELECT string_agg(pg_temp.table_type(s.name), E'\n' ORDER BY s.name COLLATE "C") FROM shown s WHERE s.kind = 'v'),
$$		};
		Functions: Functions;
		Enums: Enums;
		CompositeTypes: CompositeTypes;
	};
};$$);
