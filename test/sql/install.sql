-- The extension and its tables: what install() makes, and the rules that every object keeps.
-- Later tests run in the same database, each with its own users, clients and roles.
\set SHOW_CONTEXT never
CREATE EXTENSION murallink;

-- What the tests use: an answer of the JSON protocol, or the refusal of a statement, in one line
CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;
CREATE FUNCTION test.answer(action text, payload jsonb DEFAULT '{}', session_id text DEFAULT NULL) RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT concat_ws(' ', answer -> 'status_code', answer #>> '{error,code}', NULLIF(answer #>> '{error,field}', ''))
    FROM murallink.api(jsonb_build_object('action', action, 'payload', payload, 'session_id', session_id)) AS answer
$$;
CREATE FUNCTION test.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text;
    field text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME, field = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, NULLIF(error, ''), NULLIF(field, ''));
END
$$;
COMMENT ON FUNCTION test.refusal(text) IS 'SQLSTATE, name and field of the error that a statement raises.';
CREATE FUNCTION test.outcome(caller text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text;
    field text;
BEGIN
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', caller);
    EXECUTE statement;
    RAISE 'done' USING ERRCODE = 'P0000';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME, field = COLUMN_NAME;
    RETURN CASE SQLSTATE WHEN 'P0000' THEN SQLERRM ELSE concat_ws(' ', SQLSTATE, NULLIF(error, ''), NULLIF(field, '')) END;
END
$$;
COMMENT ON FUNCTION test.outcome(text, text) IS
'The outcome of a statement that a login role executes: done, or SQLSTATE, name and field of the error. It is rolled back.';
CREATE FUNCTION test.problems(damage text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    problems text;
BEGIN
    PERFORM set_config('session_replication_role', 'replica', true);
    EXECUTE damage;
    problems := string_agg(shown, E'\n' ORDER BY shown) FROM murallink.verify_ledger(),
        regexp_replace(problem, '[0-9A-Za-z]{27}', 'X', 'g') AS shown;
    RAISE 'undone' USING ERRCODE = 'P0000';
EXCEPTION WHEN SQLSTATE 'P0000' THEN
    RETURN problems;
END
$$;
COMMENT ON FUNCTION test.problems(text) IS 'The problems that verify_ledger() finds after a statement that damages the tables, which is undone.';
CREATE PROCEDURE test.begin_day() LANGUAGE plpgsql AS $$
BEGIN
    IF (clock_timestamp() AT TIME ZONE 'UTC')::time > '23:57' THEN
        PERFORM pg_sleep_until(date_trunc('day', clock_timestamp(), 'UTC') + interval '24 hours');
    END IF;
END
$$;
COMMENT ON PROCEDURE test.begin_day() IS 'Waits for the next day in UTC, if the present one would end during a test of dates.';

-- Before install()
SELECT murallink.my_info();
SELECT test.answer('ping'), test.refusal('SELECT murallink.upgrade()');

SELECT murallink.install();
SELECT test.answer('my_info'), test.answer('ping');
SELECT murallink_private.known_data_version(), murallink.upgrade();

-- Once is enough, and DROP EXTENSION does not take the data along
SELECT test.refusal('SELECT murallink.install()');
SELECT test.refusal('DROP EXTENSION murallink');

-- Data of a version that the library does not know is not touched
BEGIN;
UPDATE murallink_private.data_version SET version = version + 1;
SAVEPOINT newer;
SELECT murallink.my_info();
ROLLBACK TO newer;
SELECT test.answer('ping'), test.refusal('SELECT murallink.upgrade()');
SELECT statement, test.refusal(statement) FROM (VALUES
    ('SELECT murallink.login(''a@example.com'', ''correct horse'')'),
    ('SELECT murallink.request_password_reset(''a@example.com'')'),
    ('SELECT murallink.reset_password(''a@example.com'', ''correct horse'', ''1'')'),
    ('SELECT murallink.report(murallink.gen_ksuid())')) AS asks_nobody (statement);
ROLLBACK;
SELECT test.answer('my_info');

-- The roles can do nothing by themselves
SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles
WHERE rolname LIKE 'murallink%' ORDER BY rolname;

-- The extension has no tables, and all that install() made belongs to murallink_owner
SELECT count(*) FROM pg_depend d
WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'murallink')
    AND d.classid = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = d.objid) <> 'c';
SELECT oid::regclass FROM pg_class
WHERE relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND relkind <> 'c'
    AND relowner <> 'murallink_owner'::regrole;

-- Row level security is on for every table, and holds for its owner too; needs_person is for operators alone
SELECT oid::regclass FROM pg_class
WHERE relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND relkind IN ('r', 'p')
    AND NOT (relrowsecurity AND relforcerowsecurity);
SELECT c.oid::regclass FROM pg_class c
WHERE (c.relnamespace = 'murallink'::regnamespace OR c.relname = 'payment') AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'viewer' AND p.polcmd = 'r');
SELECT polrelid::regclass, polname FROM pg_policy
WHERE polrelid::regclass::text ~ '^murallink' AND polcmd <> 'r' AND polroles <> ARRAY['murallink_owner'::regrole::oid];
SELECT oid::regclass FROM pg_class
WHERE relnamespace = 'murallink'::regnamespace AND relkind IN ('v', 'm')
    AND 'security_invoker=true' <> ALL (coalesce(reloptions, '{}')) AND relname NOT IN ('needs_person', 'payout', 'tax_year_totals') AND relname !~ '^dim_';

-- What is read in a table or view of murallink is read by analysts and operators, and written by nobody
SELECT r.rolname, n.nspname, c.relname, privilege
FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
WHERE r.rolname IN ('murallink_client', 'murallink_analyst', 'murallink_operator', 'pg_read_all_stats')
    AND n.nspname IN ('murallink', 'murallink_private') AND c.relkind IN ('r', 'p', 'v', 'm')
    AND has_table_privilege(r.oid, c.oid, privilege) <>
        (privilege = 'SELECT' AND n.nspname = 'murallink' AND r.rolname IN ('murallink_analyst', 'murallink_operator')
            AND (r.rolname, c.relname) <> ('murallink_analyst', 'needs_person'));
SELECT r.rolname, has_schema_privilege(r.oid, 'murallink', 'USAGE') AS usage, has_schema_privilege(r.oid, 'murallink', 'CREATE') AS create,
    has_schema_privilege(r.oid, 'murallink_private', 'USAGE') AS private_usage,
        has_schema_privilege(r.oid, 'murallink_private', 'CREATE') AS private_create
FROM pg_roles r WHERE r.rolname LIKE 'murallink%' ORDER BY r.rolname;

-- What runs finds its operators in a pinned search path, but for what becomes part of the statement that asks, which is the
-- owner's alone, or a relation (relation.sql), and names their schema. A body of the standard's is bound when it is made, C pins the path itself; a
-- pattern with a backslash means the same in every session
SELECT p.oid::regprocedure AS unpinned, lanname,
    EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee <> p.proowner) AS granted,
    prosrc ~ '\w\.\w+ [=<>]+ ' AS unnamed_operator
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND lanname NOT IN ('c', 'internal')
    AND prosqlbody IS NULL AND ('search_path=pg_catalog, pg_temp' = ANY (proconfig)) IS NOT TRUE
    AND NOT (prosrc ~ '^SELECT t\.\* FROM murallink\.\w+ t WHERE t\.\w+ OPERATOR\(pg_catalog\.=\) \(\$1\)\.\w+$' AND NOT prosecdef)
ORDER BY proname COLLATE "C";
SELECT p.oid::regprocedure AS pattern_of_the_session FROM pg_proc p
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND prosrc LIKE '%\\%' AND prosqlbody IS NULL
    AND ('standard_conforming_strings=on' = ANY (proconfig)) IS NOT TRUE;

-- Functions: the owner's rights come with a pinned search path; what the type ksuid needs is everybody's, all else
-- is granted by name, those of relations (relation.sql) as the tables are
SELECT oid::regprocedure FROM pg_proc
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND prosecdef
    AND (proowner <> 'murallink_owner'::regrole OR ('search_path=pg_catalog, pg_temp' = ANY (proconfig)) IS NOT TRUE);
SELECT count(*) > 0 AS found, bool_and(oid::regproc::text ~ '^murallink\.((gen_)?ksuid|day_|moment_)') AS of_types FROM pg_proc
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND has_function_privilege('public', oid, 'EXECUTE');
SELECT p.oid::regproc AS function, string_agg(substr(r.rolname, 11), ', ' ORDER BY r.rolname) AS may_execute
FROM pg_roles r JOIN pg_proc p ON has_function_privilege(r.oid, p.oid, 'EXECUTE')
WHERE r.rolname IN ('murallink_client', 'murallink_analyst', 'murallink_operator', 'murallink_monitor')
    AND p.pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
    AND NOT EXISTS (SELECT FROM pg_class c WHERE c.reltype = p.proargtypes[0] AND c.relkind <> 'c')
GROUP BY p.oid ORDER BY p.pronamespace::regnamespace::text, p.proname COLLATE "C";

-- All that is not of a type belongs to murallink_owner, and what runs with the owner's rights in C is known
SELECT oid::regprocedure FROM pg_proc
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace)
    AND oid::regproc::text !~ '^murallink\.((gen_)?ksuid|day_|moment_)' AND proowner <> 'murallink_owner'::regrole;
SELECT proname AS definer_in_c FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND prosecdef AND lanname = 'c' ORDER BY proname COLLATE "C";

-- PL/pgSQL: no variable has the name of a table, or of a column of a table that the function names, which would be what
-- a query takes it for, nor that of FOUND; and no argument that of a table, but for these
CREATE TEMP TABLE plpgsql AS
SELECT p.oid::regprocedure AS function, p.proname, p.proargnames, p.prosrc,
    ARRAY(SELECT part[1] FROM regexp_matches(prosrc, '\mDECLARE\M(.*?)\mBEGIN\M', 'g') AS part) AS declarations
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND l.lanname = 'plpgsql';
CREATE TEMP TABLE column_of AS
SELECT c.relname, c.relnamespace::regnamespace || '\.' || c.relname AS named, a.attname
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
    AND a.attnum > 0 AND NOT a.attisdropped;
SELECT DISTINCT function, variable[1] FROM plpgsql, unnest(declarations) AS declaration,
    regexp_matches(declaration, '(?:^|;)\s*(\w+)\s+(?:CONSTANT\s+)?[\w.]+', 'g') AS variable
WHERE variable[1] = 'found' OR EXISTS (
    SELECT FROM column_of WHERE relname = variable[1] OR attname = variable[1] AND prosrc ~ ('\m' || named || '\M'));
SELECT DISTINCT proname, argument FROM plpgsql, unnest(proargnames) AS argument JOIN column_of ON relname = argument
ORDER BY 1, 2;

-- What refuses the caller is no condition on rows, where there may be none; and statements are put together by format(),
-- in these functions only
SELECT function FROM plpgsql
WHERE prosrc ~ '\mWHERE\M((?!;|\mTHEN\M|\mLOOP\M).)*\mmurallink_private\.(permit|permit_\w+|require_\w+)\(';
SELECT proname, prosrc ~ '\mEXECUTE\s+(?!pg_catalog\.format\(|(ON )?FUNCTION\M)' AS otherwise FROM plpgsql
WHERE prosrc ~ '\mEXECUTE\M' ORDER BY proname COLLATE "C";

-- Every function, type, table, view and column says what it is
SELECT oid::regprocedure FROM pg_proc
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND obj_description(oid, 'pg_proc') IS NULL;
SELECT oid::regtype FROM pg_type
WHERE typnamespace = 'murallink'::regnamespace AND typtype IN ('c', 'd', 'e', 'b') AND typelem = 0
    AND (typrelid = 0 OR (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c')
    AND obj_description(oid, 'pg_type') IS NULL;
SELECT oid::regclass FROM pg_class
WHERE relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND relkind IN ('r', 'p', 'v', 'm')
    AND obj_description(oid, 'pg_class') IS NULL;
SELECT c.oid::regclass, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND c.relkind IN ('r', 'p')
    AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL;

-- Each exchange of the protocol's document is named in the comment of its action, and in no other
\getenv inputs PG_ABS_SRCDIR
\set exchanges :inputs/../../test/tap/exchanges.json
\set exchanges `cat :'exchanges'`
SELECT count(*) AS exchanges, count(*) FILTER (WHERE described_in = ARRAY[action]) AS described
FROM jsonb_to_recordset(:'exchanges') AS exchange (title text, action name), LATERAL (
    SELECT array_agg(proname) AS described_in FROM pg_proc
    WHERE pronamespace = 'murallink'::regnamespace
        AND strpos(obj_description(oid, 'pg_proc'), format('(document: %s)', title)) > 0) AS comment;
