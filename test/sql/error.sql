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

-- A hint, of the table or of the place that raises the error, is a sentence, and names only what there is, or a value that a function knows; two
-- names are keys of JSON
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
    UNION SELECT enumlabel FROM pg_enum
    UNION VALUES ('idempotency_key'), ('webhook_access_key'))
AND named[1] NOT IN (
    SELECT known[1] FROM pg_proc, regexp_matches(replace(prosrc, hint, ''), $$'([a-z]+(?:_[a-z]+)+)'$$, 'g') AS known
    WHERE pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace));

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

-- What people need to know: which permission is missing, what a value may be, why a login is refused; and nothing about what
-- the caller may not see
CREATE ROLE regress_error_admin LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.error@example.com', 'correct horse', 'Erin', 'Admin');
SELECT murallink.set_db_role('admin.error@example.com', 'regress_error_admin');
SELECT uid AS erik FROM murallink.register('erik.error@example.com', 'correct horse', 'Erik', 'Error') \gset
SELECT session_id AS erik_session FROM murallink.login('erik.error@example.com', 'correct horse') \gset
SET SESSION AUTHORIZATION regress_error_admin;
SELECT uid AS client FROM murallink.create_client('Error') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Error', currency => 'USD') \gset
SELECT FROM murallink.add_funding(:'contract', 100);
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Error') \gset
SELECT uid AS site FROM murallink.create_site('Error', :'trial') \gset
SELECT uid AS patient FROM murallink.add_patient(:'site', 'Pat', 'Error') \gset
SELECT FROM murallink.enroll(:'patient', :'trial', :'site', '1');
SELECT uid AS payment FROM murallink.manual_payment(:'patient', :'trial', 10, note => 'error') \gset
SELECT FROM murallink.grant(:'trial', 'enroll', :'erik');
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.hint(action text, payload jsonb, session_id text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', a #>> '{error,code}', NULLIF(a #>> '{error,field}', ''), ':', a #>> '{error,hint}')
    FROM murallink.api(jsonb_build_object('action', action, 'payload', payload, 'session_id', session_id)) AS a
$$;
SELECT n, pg_temp.hint(action, payload, :'erik_session') FROM (VALUES
    (1, 'get_trial', jsonb_build_object('trial_uid', :'trial')),
    (2, 'edit_trial', jsonb_build_object('uid', :'trial', 'name', 'x')),
    (3, 'get_contract', jsonb_build_object('contract_uid', :'contract')),
    (4, 'create_client', '{"name": "x"}'),
    (5, 'search_trials', '{"query": "x"}'),
    (6, 'idle_users', '{}'),
    (7, 'request_reversal', jsonb_build_object('payment_uid', :'payment', 'reason', 'other', 'note', 'x')),
    (8, 'approve_payment', jsonb_build_object('payment_uid', :'payment', 'note', 'x')),
    (9, 'grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'erik', 'permission', 'enroll'))) AS asked (n, action, payload) ORDER BY n;
SET SESSION AUTHORIZATION regress_error_admin;
SELECT FROM murallink.grant(:'trial', 'view_payments', :'erik');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.hint('request_reversal', jsonb_build_object('payment_uid', :'payment', 'reason', 'other', 'note', 'x'), :'erik_session');
SELECT session_id AS admin_session FROM murallink.login('admin.error@example.com', 'correct horse') \gset
SELECT n, pg_temp.hint(action, payload, :'admin_session') FROM (VALUES
    (1, 'set_enrollment_status', jsonb_build_object('trial_uid', :'trial', 'patient_uid', :'patient', 'status', 'gone')),
    (2, 'idle_users', '{"days": 0}'),
    (3, 'idle_users', '{"days": 99999999999}'),
    (4, 'grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'erik', 'permission', 'enroll', 'until', '2020-01-01')),
    (5, 'grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'erik', 'permission', 'enroll', 'until', 'soon')),
    (6, 'trial_payment_report', jsonb_build_object('trial_uid', :'trial', 'format', 'pdf')),
    (7, 'create_client', '{"name": 1}'),
    (8, 'create_client', '{"name": "x", "client_signature_date": "1.1.2026"}')) AS asked (n, action, payload) ORDER BY n;
SELECT * FROM murallink.login('erik.error@example.com', 'wrong horse');
SELECT a #- '{request_id}' FROM murallink.api('{"action": "login", "payload": {"email": "erik.error@example.com", "password": "wrong horse"}}') AS a;
SELECT a #- '{payload,session_id}' #- '{request_id}' FROM murallink.api('{"action": "login", "payload": {"email": "erik.error@example.com", "password": "correct horse"}}') AS a;
