-- Who is asking: accounts, passwords, sessions, and the login role of PostgreSQL.
\set SHOW_CONTEXT never
CREATE ROLE regress_identity_app LOGIN IN ROLE murallink_client;
CREATE ROLE regress_identity_stranger LOGIN IN ROLE murallink_client;

-- An account: the address in lower case, the password as Argon2id with at least what OWASP asks for
SELECT uid AS ida, email, first_name, last_name, phone, (address).city, email_verified, sms_verified
FROM murallink.register(
    email => ' Ida.Identity@Example.COM ', password => 'correct horse', first_name => ' Ida ', last_name => 'Identity',
    phone => '(212) 555-1212', address => '{"city": "Hampton", "state": "VA"}') \gset
\echo :email :first_name :last_name :phone :city :email_verified :sms_verified
SELECT user_role, db_role FROM murallink.app_user WHERE uid = :'ida';
SELECT parameter[1] = 'argon2id' AS argon2id, parameter[2]::int >= 19456 AS memory, parameter[3]::int >= 2 AS passes
FROM murallink_private.credential, regexp_match(password_hash, '^\$(\w+)\$v=19\$m=(\d+),t=(\d+),p=1\$') AS parameter
WHERE app_user_uid = :'ida';

-- One account for an address, in any case
SELECT test.answer('register', jsonb_build_object('email', email, 'password', 'correct horse', 'first_name', 'I', 'last_name', 'I'))
FROM (VALUES ('ida.identity@example.com'), ('IDA.IDENTITY@EXAMPLE.COM'), (E'\tida.identity@Example.com\n')) AS taken (email);

-- What is refused
SELECT changed AS without_or_with,
    test.answer('register', '{"email": "ivo@example.com", "password": "correct horse", "first_name": "Ivo", "last_name": "I"}' || changed)
FROM (VALUES
    (jsonb '{"email": null}'), ('{"email": ""}'), ('{"email": "  "}'), ('{"password": null}'), ('{"password": ""}'),
    ('{"first_name": ""}'), ('{"last_name": null}'),
    ('{"email": "ivo"}'), ('{"email": "ivo@"}'), ('{"email": "@example.com"}'), ('{"email": "ivo@b@c"}'), ('{"email": "i vo@example.com"}'),
    ('{"email": "ivo@example.com, ida@example.com"}'), ('{"email": "Ivo <ivo@example.com>"}'), ('{"email": "ivo\n@example.com"}'),
    ('{"email": "ivo\u0001@example.com"}'), ('{"first_name": "I\u0008vo"}'),
    ('{"address": "Hampton"}'), ('{"address": {"town": "Hampton"}}'), ('{"address": {"city": 1}}'),
    ('{"user_role": "admin"}'), ('{"uid": "0ujtsYcgvSTl8PAuAdqWYSMnLOv"}')) AS refused (changed);
SELECT field, longest, test.answer('register',
    '{"email": "ivo@example.com", "password": "correct horse", "first_name": "Ivo", "last_name": "I"}'
    || jsonb_build_object(field, repeat('ü', longest + 1 - length(ending)) || ending))
FROM (VALUES ('email', 254, '@example.com'), ('first_name', 100, ''), ('last_name', 100, ''), ('phone', 50, '')) AS limited (field, longest, ending);
SELECT count(*) FROM murallink.app_user WHERE email LIKE 'ivo%';

-- A password has 8 to 1024 bytes, whatever they are
SELECT length(password) AS characters, octet_length(password) AS bytes, test.answer('register', jsonb_build_object(
    'email', 'ivo' || row_number() OVER () || '@example.com', 'password', password, 'first_name', 'Ivo', 'last_name', 'I'))
FROM (VALUES ('1234567'), ('äöü€'), ('        '), ('äöü1'), (repeat('x', 1024)), (repeat('x', 1025)), (repeat('ä', 513)),
    (repeat('x', 10000000))) AS chosen (password);
SELECT test.answer('login', jsonb_build_object('email', 'ivo3@example.com', 'password', '        ')) AS same,
    test.answer('login', jsonb_build_object('email', 'ivo3@example.com', 'password', '       ')) AS shorter,
    test.answer('login', jsonb_build_object('email', 'ivo5@example.com', 'password', repeat('x', 1024))) AS longest,
    test.answer('login', jsonb_build_object('email', 'ivo5@example.com', 'password', repeat('x', 1025))) AS longer;

-- Logging in opens a session; what is stored of its id is the SHA-256
SELECT session_id AS session, length(session_id), user_role, invalid_attempts
FROM murallink.login('ida.identity@EXAMPLE.com', 'correct horse') \gset
\echo :length :user_role :invalid_attempts
SELECT count(*) FROM murallink_private.session WHERE app_user_uid = :'ida' AND hash = sha256(:'session');
SELECT murallink.api(jsonb_build_object('action', 'my_info', 'session_id', :'session')) #>> '{payload,uid}' = :'ida' AS myself;
SELECT murallink.api(jsonb_build_object('action', 'login', 'session_id', :'session', 'idempotency_key', 'twice',
    'payload', '{"email": "ida.identity@example.com", "password": "correct horse"}'::jsonb)) #>> '{payload,session_id}' AS session_with_key \gset
\if :{?session_with_key}
\else
\set session_with_key none
\endif
CREATE FUNCTION pg_temp.tables_with(secret text) RETURNS SETOF regclass LANGUAGE plpgsql AS $$
DECLARE
    relation regclass;
    found boolean;
BEGIN
    FOR relation IN SELECT oid FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'murallink%' AND relkind = 'r' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0)', relation)
        INTO found USING secret, encode(secret::bytea, 'hex');
        IF found THEN
            RETURN NEXT relation;
        END IF;
    END LOOP;
END
$$;
SELECT pg_temp.tables_with(secret) FROM (VALUES (:'session'), (:'session_with_key'), ('correct horse')) AS secret (secret);
SELECT pg_temp.tables_with('ida.identity@example.com');

-- Sessions that are none
SELECT test.answer('my_info', '{}', session_id) FROM (VALUES
    (NULL), (''), ('000000000000000000000000000'), ('x'), (:'session' || ' '), (lower(:'session')), (encode(sha256(:'session'), 'hex')),
    (repeat('x', 201))) AS none (session_id);
SELECT action, test.answer(action) FROM unnest('{my_info,keepalive,logout,list_permissions,get_payment_types}'::text[]) AS action;
-- also with plans made for somebody else, that now find no row to ask about
SET enable_indexscan = off;
SET enable_bitmapscan = off;
DISCARD PLANS;
SELECT action, test.answer(action, '{}', session_id)
FROM unnest('{my_info,keepalive,logout}'::text[]) AS action, murallink.login('ida.identity@example.com', 'correct horse');
BEGIN;
DELETE FROM murallink_private.session;
SELECT action, test.answer(action) FROM unnest('{my_info,keepalive,logout}'::text[]) AS action;
ROLLBACK;
RESET enable_indexscan;
RESET enable_bitmapscan;

-- A session ends after murallink.session_timeout without use; use moves its end, but writes at most ten times in that time
SHOW murallink.session_timeout;
SELECT expires_at AS opened_until, ctid AS opened_at FROM murallink_private.session WHERE hash = sha256(:'session') \gset
SELECT test.answer('my_info', '{}', :'session');
SELECT ctid = :'opened_at' AS not_written FROM murallink_private.session WHERE hash = sha256(:'session');
UPDATE murallink_private.session SET expires_at = now() + interval '10 min' WHERE hash = sha256(:'session');
SELECT test.answer('my_info', '{}', :'session');
SELECT expires_at > :'opened_until' AS moved FROM murallink_private.session WHERE hash = sha256(:'session');
SELECT expires_at AS used_until FROM murallink_private.session WHERE hash = sha256(:'session') \gset
SELECT murallink.api(jsonb_build_object('action', 'keepalive', 'session_id', :'session')) - 'request_id';
SELECT expires_at > :'used_until' AS moved FROM murallink_private.session WHERE hash = sha256(:'session');
UPDATE murallink_private.session SET expires_at = now() - interval '1 us' WHERE hash = sha256(:'session');
SELECT action, test.answer(action, '{}', :'session') FROM unnest('{my_info,keepalive,logout}'::text[]) AS action;
UPDATE murallink_private.session SET expires_at = now() + interval '10 min' WHERE hash = sha256(:'session');

-- Logging out ends this session and no other
SELECT session_id AS other_session FROM murallink.login('ida.identity@example.com', 'correct horse') \gset
SELECT murallink.api(jsonb_build_object('action', 'logout', 'session_id', :'other_session')) - 'request_id';
SELECT test.answer('my_info', '{}', :'other_session'), test.answer('logout', '{}', :'other_session'), test.answer('my_info', '{}', :'session');

-- Failures are counted and answered as data, so that the count stays; a success forgets them
CREATE FUNCTION pg_temp.logs_in(email text, password text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', answer -> 'status_code', answer #>> '{error,code}', 'attempts ' || (answer #>> '{payload,invalid_attempts}'),
        CASE WHEN answer #>> '{payload,session_id}' <> '' THEN 'session' END)
    FROM murallink.api(jsonb_build_object('action', 'login', 'payload', jsonb_build_object('email', email, 'password', password))) AS answer
$$;
SELECT pg_temp.logs_in('ida.identity@example.com', password) FROM (VALUES
    ('wrong horse'), ('Correct horse'), ('correct horse '), ('correct horse'), ('wrong horse')) AS tried (password);
SELECT session_id = '' AS refused, user_role, invalid_attempts FROM murallink.login('ida.identity@example.com', 'wrong horse');
SELECT test.answer('login', payload) FROM (VALUES
    (jsonb '{}'), ('{"email": "ida.identity@example.com"}'), ('{"password": "correct horse"}'),
    ('{"email": "ida.identity@example.com", "password": ""}'),
    ('{"email": "ida", "password": "correct horse"}')) AS incomplete (payload);
SELECT failures FROM murallink_private.login_attempt WHERE email = 'ida.identity@example.com';

-- After murallink.login_max_failures the address is locked for murallink.login_lockout, whether there is such an account or not
SHOW murallink.login_max_failures;
SHOW murallink.login_lockout;
SELECT pg_temp.logs_in('ida.identity@example.com', 'wrong horse') AS known, pg_temp.logs_in('nobody.identity@example.com', 'wrong horse') AS unknown
FROM generate_series(1, 6);
SELECT pg_temp.logs_in('Ida.Identity@example.com', 'correct horse'), pg_temp.logs_in('NOBODY.identity@example.com', 'correct horse');
SELECT email, locked_until - now() BETWEEN interval '14 min' AND interval '15 min' AS locked FROM murallink_private.login_attempt
WHERE email LIKE '%.identity@example.com' ORDER BY email;
SELECT test.answer('my_info', '{}', :'session') AS open_sessions_stay;

-- A lock ends by itself; until the next success one more failure locks again
UPDATE murallink_private.login_attempt SET locked_until = now() - interval '1 us' WHERE email LIKE '%.identity@example.com';
SELECT pg_temp.logs_in('ida.identity@example.com', password) FROM (VALUES ('wrong horse'), ('correct horse')) AS tried (password);
UPDATE murallink_private.login_attempt SET locked_until = now() - interval '1 us' WHERE email LIKE '%.identity@example.com';
SELECT pg_temp.logs_in('ida.identity@example.com', password) FROM (VALUES ('correct horse'), ('wrong horse')) AS tried (password);
SELECT session_id AS session FROM murallink.login('ida.identity@example.com', 'correct horse') \gset

-- In SQL, authenticate() takes on an identity until the end of the transaction
SELECT murallink.caller();
BEGIN;
SELECT murallink.authenticate(:'session');
SELECT murallink.caller() = :'ida' AS ida, murallink.caller_is_admin() AS admin, email FROM murallink.my_info();
COMMIT;
SELECT murallink.caller();
BEGIN;
SELECT murallink.authenticate(:'session');
ROLLBACK;
SELECT murallink.caller();
BEGIN;
SAVEPOINT taken_on;
SELECT murallink.authenticate(:'session');
ROLLBACK TO taken_on;
SELECT murallink.caller();
SELECT murallink.authenticate(:'session');
RELEASE taken_on;
SELECT murallink.caller() = :'ida' AS ida;
SAVEPOINT failed;
SELECT murallink.authenticate('000000000000000000000000000');
ROLLBACK TO failed;
SELECT murallink.caller() = :'ida' AS still_ida;
ROLLBACK;
SELECT murallink.caller();

-- PostgREST's header, which authenticate() reads by default
BEGIN;
SELECT set_config('request.headers', headers::text, true) IS NOT NULL AS set, test.refusal('SELECT murallink.authenticate()'), murallink.caller()
FROM (VALUES (NULL), (jsonb '{}'), ('{"session-id": ""}'), ('{"session-id": 1}'), ('{"session-id": "x"}'), ('{"cookie": "session-id"}'),
    ('[]')) AS request (headers);
SELECT set_config('request.headers', jsonb_build_object('host', 'localhost', 'session-id', :'session')::text, true) IS NOT NULL AS set;
SELECT murallink.authenticate();
SELECT murallink.caller() = :'ida' AS ida;
COMMIT;

-- No SET forges an identity
SET murallink.caller = 'ida';
SET murallink.app_user_uid TO '000000000000000000000000000';
SELECT set_config('murallink.session_id', :'session', false);
SET murallink.session_timeout = '1 day';
SET murallink.login_max_failures = 1000;
SELECT count(*) AS settings_of_a_session FROM pg_settings WHERE name LIKE 'murallink.%' AND context = 'user';

-- The login role of PostgreSQL is an identity by itself, for a role that is bound to a user. A session comes first
SELECT murallink.set_db_role('nobody.identity@example.com', 'regress_identity_app');
SELECT murallink.set_db_role('IVO3@example.com', 'regress_identity_app');
SET SESSION AUTHORIZATION regress_identity_app;
SELECT email FROM murallink.my_info();
SELECT test.answer('my_info');
BEGIN;
SELECT murallink.authenticate(:'session');
SELECT email FROM murallink.my_info();
COMMIT;
SELECT email FROM murallink.my_info();
SELECT test.answer('keepalive'), test.answer('logout'), test.answer('my_info');
SET SESSION AUTHORIZATION regress_identity_stranger;
SELECT murallink.my_info();
RESET SESSION AUTHORIZATION;
SET ROLE regress_identity_app;
SELECT murallink.my_info();
RESET ROLE;

-- One user for a role; unbound, it is nobody at once
SELECT test.refusal('SELECT murallink.set_db_role(''ivo5@example.com'', ''regress_identity_app'')');
SELECT murallink.set_db_role('ivo3@example.com', NULL);
SET SESSION AUTHORIZATION regress_identity_app;
SELECT murallink.my_info();
RESET SESSION AUTHORIZATION;
SELECT murallink.set_db_role('ivo5@example.com', 'regress_identity_app');
SET SESSION AUTHORIZATION regress_identity_app;
SELECT email FROM murallink.my_info();
RESET SESSION AUTHORIZATION;

SELECT murallink.set_db_role('ivo3@example.com', SESSION_USER);
SELECT email FROM murallink.my_info();
SELECT murallink.set_db_role('ivo3@example.com', NULL);
SELECT murallink.my_info();

-- Administrators are made by superusers, and nobody else makes users what they are not
SELECT email, first_name FROM murallink.create_admin('Ada.Identity@example.com', 'correct horse', 'Ada', 'Identity');
SELECT user_role FROM murallink.login('ada.identity@example.com', 'correct horse');
SET SESSION AUTHORIZATION regress_identity_app;
SELECT statement, test.refusal(statement) FROM (VALUES
    ($$SELECT murallink.create_admin('a@example.com', 'correct horse', 'A', 'B')$$),
    ($$SELECT murallink.set_db_role('ada.identity@example.com', 'regress_identity_app')$$),
    ($$SELECT murallink.add_user('a@example.com', 'correct horse', 'A', 'B', NULL, NULL, 'admin')$$),
    ($$SELECT murallink.open_session(uid) FROM murallink.my_info()$$),
    ($$SELECT murallink.password_matches(NULL, 'correct horse')$$),
    ($$SELECT * FROM murallink.app_user$$),
    ($$SELECT * FROM murallink_private.session$$)) AS tried (statement);
RESET SESSION AUTHORIZATION;

UPDATE murallink.app_user SET db_role = NULL WHERE db_role = 'regress_identity_app';
DROP ROLE regress_identity_app, regress_identity_stranger;

-- A login that could not be counted says nothing, right or wrong: PostgREST runs GET in a read-only transaction.
BEGIN READ ONLY;
SELECT test.refusal($$SELECT murallink.login('ida.identity@example.com', 'correct horse')$$),
    test.refusal($$SELECT murallink.login('ida.identity@example.com', 'wrong horse')$$);
ROLLBACK;
