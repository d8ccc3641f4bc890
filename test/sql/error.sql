-- The errors that murallink raises by itself, and the checks of a field that every subject uses.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';

-- All of them
SELECT name, sqlstate, message FROM murallink.errors() ORDER BY sqlstate, name COLLATE "C";

-- A name is used once; the HTTP status stands in the SQLSTATE, which is PostgREST's for a status and none of those that
-- it takes for something else; a hint is a sentence
SELECT name FROM murallink.errors() GROUP BY name HAVING count(*) > 1;
SELECT name, sqlstate, http_status FROM murallink.errors()
WHERE sqlstate !~ '^PT[45][0-9][0-9]$' OR http_status <> substr(sqlstate, 3)::int OR name !~ '^[a-z_]+$';
SELECT name, message, hint FROM murallink.errors()
WHERE message !~ '^[a-z].*[^.]$' OR hint !~ '[.;]$';

-- What the functions raise and document is in the table
SELECT oid::regprocedure, raised[1] FROM pg_proc, regexp_matches(prosrc, 'murallink_private\.(?:raise|refuse)\(''(\w*)''', 'g') AS raised
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND raised[1] NOT IN (SELECT name FROM murallink.errors());
SELECT oid::regprocedure, documented[1]
FROM pg_proc, regexp_matches(substring(obj_description(oid, 'pg_proc') FROM 'Errors: (.*)'), '\m[a-z]+_[a-z_]+\M', 'g') AS documented
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND documented[1] NOT IN (SELECT name FROM murallink.errors());
SELECT oid::regprocedure, raised[1] FROM pg_proc, regexp_matches(prosrc, 'murallink_private\.(?:raise|refuse)\(''(\w*)''', 'g') AS raised
WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND strpos(obj_description(oid, 'pg_proc'), raised[1]) = 0;

-- A hint, of the table or of the place that raises the error, is a sentence, and names only what there is; two names are keys of JSON
WITH hints (hint) AS (
    SELECT hint FROM murallink.errors() WHERE hint IS NOT NULL
    UNION ALL
    SELECT replace(h[1], $$''$$, $$'$$) FROM pg_proc,
        regexp_matches(prosrc, $$raise\(\s*'\w+',\s*(?:'\w*'|NULL|\w+(?:\[2\])?),\s*'((?:[^']|'')*)'\)$$, 'g') AS h
    WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace)
)
SELECT hint FROM hints WHERE hint !~ '[.;]$'
UNION ALL
SELECT named[1] || ': ' || hint FROM hints, regexp_matches(hint, '\m[a-z]+(?:_[a-z]+)+\M', 'g') AS named
WHERE named[1] NOT IN (
    SELECT proname FROM pg_proc UNION SELECT unnest(proargnames) FROM pg_proc UNION SELECT attname FROM pg_attribute
    UNION SELECT relname FROM pg_class UNION SELECT rolname FROM pg_roles UNION SELECT name FROM pg_settings
    UNION SELECT substr(name, length('murallink.') + 1) FROM pg_settings WHERE name LIKE 'murallink.%'
    UNION VALUES ('idempotency_key'), ('webhook_access_key'));

-- What a client of PostgreSQL sees of an error
SELECT murallink_private.raise('not_found', 'trial_uid');
SELECT murallink_private.raise('not_found', 'role', 'get_roles returns all roles.');
SELECT murallink_private.raise('login_failed');
DO $$
DECLARE
    name text;
    field text;
BEGIN
    PERFORM murallink_private.raise('invalid_amount', 'amount');
EXCEPTION WHEN SQLSTATE 'PT400' THEN
    GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME, field = COLUMN_NAME;
    RAISE INFO 'constraint_name is %, column_name is %', name, field;
END
$$;
SELECT murallink_private.raise('no_such_error');
SELECT murallink_private.raise(NULL);

-- Text: white space at the ends goes, characters are counted and not bytes, control characters are refused
SELECT murallink_private.checked_text(E' \t\n a  b \r\n', 'note', 4, true);
SELECT murallink_private.checked_text(NULL, 'note', 4, false) = '' AS empty, murallink_private.checked_text(' ', 'note', 0, false) = '' AS also;
SELECT murallink_private.checked_text('äöü€', 'note', 4, true), murallink_private.checked_text('😀😀😀😀', 'note', 4, true);
SELECT value, test.refusal(format('SELECT murallink_private.checked_text(%L, ''note'', 4, true)', value))
FROM (VALUES (NULL), (''), ('   '), ('abcde'), ('äöü€x'), ('😀😀😀😀😀')) AS refused (value);
SELECT murallink_private.checked_text('abcde', 'note', 4, true);
SELECT array_agg(code ORDER BY code) AS refused FROM generate_series(1, 255) AS code
WHERE test.refusal(format('SELECT murallink_private.checked_text(%L, ''note'', 3, true)', 'a' || chr(code) || 'b')) = 'PT400 invalid_value note';
SELECT length(murallink_private.checked_text(repeat('x', 1000000), 'note', 1000000, true)),
    test.refusal('SELECT murallink_private.checked_text(repeat(''x'', 1000001), ''note'', 1000000, true)');

-- Values that must be there, of any type, and dates that can be written
SELECT murallink_private.required(1, 'n'), murallink_private.required('x'::text, 't'), murallink_private.required(false, 'b');
SELECT murallink_private.required(NULL::date, 'visit_date');
SELECT test.refusal('SELECT murallink_private.required(NULL::date, NULL)'), test.refusal('SELECT murallink_private.checked_text(NULL, NULL, 1, true)');
SELECT murallink_private.checked_date(date, 'visit_date') FROM (VALUES (NULL), (date '0001-01-01'), ('9999-12-31')) AS fine (date);
SELECT date, test.refusal(format('SELECT murallink_private.checked_date(%L, ''visit_date'')', date))
FROM (VALUES (date '0001-12-31 BC'), ('10000-01-01'), ('infinity'), ('-infinity')) AS refused (date);
