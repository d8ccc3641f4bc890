-- Who is asking: accounts, passwords, sessions, and the login role of PostgreSQL.
\set SHOW_CONTEXT never
CREATE ROLE regress_identity_app LOGIN IN ROLE murallink_client;
CREATE ROLE regress_identity_stranger LOGIN IN ROLE murallink_client;

-- An account: the address in lower case, the password as Argon2id at the costs that are set, by default at least what OWASP asks for
SELECT uid AS ida, email, first_name, last_name, phone, (address).city, email_verified, sms_verified
FROM murallink.register(
    email => ' Ida.Identity@Example.COM ', password => 'correct horse', first_name => ' Ida ', last_name => 'Identity',
    phone => '(212) 555-1212', address => '{"city": "Hampton", "state": "VA"}') \gset
\echo :email :first_name :last_name :phone :city :email_verified :sms_verified
SELECT user_role, db_role FROM murallink.app_user WHERE uid = :'ida';
SELECT parameter[1] = 'argon2id' AS argon2id, parameter[2] = m.setting AS memory, parameter[3] = p.setting AS passes
FROM murallink_private.credential, regexp_match(password_hash, '^\$(\w+)\$v=19\$m=(\d+),t=(\d+),p=1\$') AS parameter, pg_settings m, pg_settings p
WHERE app_user_uid = :'ida' AND m.name = 'murallink.password_memory' AND p.name = 'murallink.password_passes';
SELECT name, boot_val FROM pg_settings WHERE name ~ '^murallink.password_' ORDER BY name;

-- One account for an address, in any case
SELECT test.answer('register', jsonb_build_object('email', email, 'password', 'correct horse', 'first_name', 'I', 'last_name', 'I'))
FROM (VALUES ('ida.identity@example.com'), ('IDA.IDENTITY@EXAMPLE.COM'), (E'\tida.identity@Example.com\n')) AS taken (email);

-- What is refused
SELECT changed AS without_or_with,
    test.answer('register', '{"email": "ivo@example.com", "password": "correct horse", "first_name": "Ivo", "last_name": "I"}' || changed)
FROM (VALUES
    (jsonb '{"email": null}'), ('{"email": ""}'), ('{"email": "  "}'), ('{"password": null}'), ('{"password": ""}'),
    ('{"first_name": ""}'), ('{"last_name": "\u0001"}'),
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

-- One password however a keyboard writes its letters and blanks: what is hashed is its NFC; what has no other form stays what it is
SELECT test.answer('register', jsonb_build_object('email', 'ivo20@example.com', 'password', U&'m\1EADt kh\1EA9u', 'first_name', 'Ivo', 'last_name', 'I'));
SELECT test.answer('login', jsonb_build_object('email', 'ivo20@example.com', 'password', normalize(U&'m\1EADt kh\1EA9u', NFD))) AS nfd,
    test.answer('login', jsonb_build_object('email', 'ivo20@example.com', 'password', U&'m\1EADt\00A0kh\1EA9u')) AS no_break,
    test.answer('login', jsonb_build_object('email', 'ivo20@example.com', 'password', U&'m\1EADt kh\1EA8u')) AS other_case,
    test.answer('login', jsonb_build_object('email', 'ivo20@example.com', 'password', U&'mat khau')) AS without,
    test.answer('login', jsonb_build_object('email', 'ivo20@example.com', 'password', U&'m\1EADt kh\1EA9u' || repeat('ä', 3000))) AS longer;

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

-- Sessions that have ended go away with later logins, few at a time
INSERT INTO murallink_private.session (hash, app_user_uid, expires_at)
SELECT sha256(n::text::bytea), uid, now() - interval '1 day' FROM murallink.app_user, generate_series(1, 12) AS n
WHERE email = 'ida.identity@example.com';
SELECT invalid_attempts FROM murallink.login('ida.identity@example.com', 'correct horse');
SELECT count(*) AS left_over FROM murallink_private.session WHERE expires_at < now() - interval '1 hour';

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
SELECT murallink_private.caller();
BEGIN;
SELECT murallink.authenticate(:'session');
SELECT murallink_private.caller() = :'ida' AS ida, murallink_private.caller_is_admin() AS admin, email FROM murallink.my_info();
COMMIT;
SELECT murallink_private.caller();
BEGIN;
SELECT murallink.authenticate(:'session');
ROLLBACK;
SELECT murallink_private.caller();
BEGIN;
SAVEPOINT taken_on;
SELECT murallink.authenticate(:'session');
ROLLBACK TO taken_on;
SELECT murallink_private.caller();
SELECT murallink.authenticate(:'session');
RELEASE taken_on;
SELECT murallink_private.caller() = :'ida' AS ida;
SAVEPOINT failed;
SELECT murallink.authenticate('000000000000000000000000000');
ROLLBACK TO failed;
SELECT murallink.authenticate('');
ROLLBACK TO failed;
SELECT murallink_private.caller() = :'ida' AS still_ida;
ROLLBACK;
SELECT murallink_private.caller();

-- PostgREST's header, which authenticate() reads by default
BEGIN;
SELECT set_config('request.headers', headers::text, true) IS NOT NULL AS set, test.refusal('SELECT murallink.authenticate()'), murallink_private.caller()
FROM (VALUES (NULL), (jsonb '{}'), ('{"session-id": ""}'), ('{"session-id": 1}'), ('{"session-id": "x"}'), ('{"cookie": "session-id"}'),
    ('[]')) AS request (headers);
SELECT set_config('request.headers', jsonb_build_object('host', 'localhost', 'session-id', :'session')::text, true) IS NOT NULL AS set;
SELECT murallink.authenticate();
SELECT murallink_private.caller() = :'ida' AS ida;
COMMIT;

-- No SET forges an identity
SET murallink.caller = 'ida';
SET murallink.app_user_uid TO '000000000000000000000000000';
SELECT set_config('murallink.session_id', :'session', false);
SET murallink.session_timeout = '1 day';
SET murallink.login_max_failures = 1000;
SELECT name AS settings_of_a_session FROM pg_settings WHERE name LIKE 'murallink.%' AND context = 'user';

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
    ($$SELECT murallink_private.add_user('a@example.com', 'correct horse', 'A', 'B', NULL, NULL, 'admin')$$),
    ($$SELECT murallink_private.open_session(uid) FROM murallink.my_info()$$),
    ($$SELECT murallink_private.password_matches(NULL, 'correct horse')$$),
    ($$SELECT * FROM murallink.app_user$$),
    ($$SELECT * FROM murallink_private.session$$)) AS tried (statement);
RESET SESSION AUTHORIZATION;

-- For what follows: a session of somebody, and whose it is
CREATE FUNCTION pg_temp.session(email text, password text DEFAULT 'correct horse') RETURNS text LANGUAGE sql AS $$
    SELECT session_id FROM murallink.login(email, password)
$$;
CREATE FUNCTION pg_temp.is_of(session_id text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(answer #>> '{payload,email}', answer #>> '{error,code}')
    FROM murallink.api(jsonb_build_object('action', 'my_info', 'session_id', session_id)) AS answer
$$;
CREATE FUNCTION pg_temp.app_user(email text) RETURNS murallink.ksuid LANGUAGE sql RETURN (
    SELECT uid FROM murallink.app_user u WHERE u.email = app_user.email);
SELECT pg_temp.app_user('ada.identity@example.com') AS ada, pg_temp.session('ada.identity@example.com') AS ada_session \gset
SELECT uid AS ian FROM murallink.register('ian.identity@example.com', 'correct horse', 'Ian', 'Identity', '1', '{"city": "York"}') \gset
SELECT pg_temp.session('ian.identity@example.com') AS ian_session \gset

-- All users, for administrators, by name
SELECT murallink.api(jsonb_build_object('action', 'get_users', 'session_id', :'ada_session')) AS users \gset
SELECT count(*) = (SELECT count(*) FROM murallink.app_user) AS all_of_them, bool_and(position = place) AS in_order
FROM jsonb_array_elements(:'users'::jsonb -> 'payload') WITH ORDINALITY AS listed (info, position)
    JOIN (SELECT uid, row_number() OVER (ORDER BY murallink_private.name_folded(last_name || ' ' || first_name) COLLATE "C", uid) AS place FROM murallink.app_user) AS u ON u.uid::text = info ->> 'uid';
SELECT info - 'uid' #- '{address,uid}' FROM jsonb_array_elements(:'users'::jsonb -> 'payload') AS info WHERE info ->> 'uid' = :'ian';
SELECT test.answer('get_users', '{}', :'ian_session');
SELECT test.answer('get_users');

-- An account is changed by whom it is of, and by administrators; what is absent stays, what is sent back changes nothing, and
-- is refused where it says something else
SELECT murallink.api(jsonb_build_object('action', 'update_user', 'session_id', :'ian_session', 'payload', jsonb_build_object(
    'uid', :'ian', 'first_name', ' Ivan ', 'address', '{"street1": "559 Freeland Ave", "valid": true}'::jsonb, 'email_verified', false,
    'sms_verified', false))) #- '{request_id}' #- '{payload,uid}' #- '{payload,address,uid}';
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'phone', '', 'address', null, 'password', null), :'ian_session');
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'first_name', 'Not', key, true), :'ian_session')
FROM unnest('{email_verified,sms_verified}'::text[]) AS key;
SELECT first_name, phone, email_verified, murallink_private.address_text(address) FROM murallink.app_user WHERE uid = :'ian';
SELECT test.answer('update_user', jsonb_build_object('uid', uid, 'last_name', 'I'), session_id)
FROM (VALUES (:'ian', :'ada_session'), (:'ada', :'ian_session'), ('000000000000000000000000000', :'ian_session'),
    ('000000000000000000000000000', :'ada_session'), ('', :'ada_session'), ('x', :'ada_session')) AS tried (uid, session_id);
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'last_name', 'Nobody'));
SELECT last_name FROM murallink.app_user WHERE uid IN (:'ian', :'ada') ORDER BY 1;
SELECT changed, test.answer('update_user', jsonb_build_object('uid', :'ian') || changed, :'ian_session')
FROM (VALUES
    (jsonb '{"email": ""}'), ('{"email": null}'), ('{"email": "ian"}'), ('{"email": 1}'), ('{"first_name": " "}'), ('{"last_name": "\u0001"}'),
    ('{"first_name": "I\u0008"}'), ('{"address": {"town": "York"}}'), ('{"address": "York"}'), ('{"password": "1234567"}'), ('{"phone": []}'),
    ('{"user_role": "admin"}'), ('{"db_role": "postgres"}'), ('{"session_id": "x"}')) AS refused (changed);
SELECT field, test.answer('update_user', jsonb_build_object('uid', :'ian', field, repeat('x', longest - 12) || 'y@example.com'), :'ian_session')
FROM (VALUES ('email', 254), ('first_name', 100), ('last_name', 100), ('phone', 50)) AS limited (field, longest);

-- An address is one user's, in any case; a new address or phone is not verified yet
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'email', ' ADA.Identity@Example.com'), :'ian_session');
UPDATE murallink.app_user SET email_verified = true, sms_verified = true, email = 'ian.identity@example.com', phone = '1' WHERE uid = :'ian';
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'email', 'IAN.identity@example.com', 'phone', ' 1', 'last_name', 'Identity'),
    :'ada_session');
SELECT email_verified, sms_verified FROM murallink.app_user WHERE uid = :'ian';
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'phone', '2'), :'ian_session');
SELECT email_verified, sms_verified FROM murallink.app_user WHERE uid = :'ian';
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'email', 'Ivan.identity@example.com'), :'ian_session');
SELECT email, email_verified, sms_verified FROM murallink.app_user WHERE uid = :'ian';
SELECT pg_temp.logs_in('ian.identity@example.com', 'correct horse'), pg_temp.logs_in('ivan.identity@example.com', 'correct horse');

-- Who sets a password ends the other sessions of the account, and its lock
SELECT pg_temp.session('ivan.identity@example.com') AS other_session \gset
SELECT pg_temp.logs_in('ivan.identity@example.com', 'wrong horse') FROM generate_series(1, 5);
SELECT test.answer('change_password', '{"new_password": "a new horse"}', :'ian_session');
SELECT pg_temp.is_of(:'ian_session') AS own, pg_temp.is_of(:'other_session') AS other, pg_temp.is_of(:'ada_session') AS of_another;
SELECT pg_temp.logs_in('ivan.identity@example.com', 'correct horse') AS old, pg_temp.logs_in('ivan.identity@example.com', 'a new horse') AS new;
SELECT payload, test.answer('change_password', payload, :'ian_session')
FROM (VALUES (jsonb '{}'), ('{"new_password": ""}'), ('{"new_password": null}'), ('{"new_password": "1234567"}'), ('{"new_password": 12345678}'),
    ('{"password": "a new horse"}')) AS refused (payload);
SELECT test.answer('change_password', '{"new_password": "a new horse"}');

SELECT pg_temp.session('ivan.identity@example.com', 'a new horse') AS other_session \gset
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'password', 'e84269fee79d~'), :'ian_session');
SELECT pg_temp.is_of(:'ian_session') AS own, pg_temp.is_of(:'other_session') AS other;
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'password', 'by the admin'), :'ada_session');
SELECT pg_temp.is_of(:'ian_session') AS own, pg_temp.is_of(:'ada_session') AS of_the_admin;
-- not when anything else in the same request is refused
SELECT pg_temp.session('ivan.identity@example.com', 'by the admin') AS ian_session \gset
SELECT test.answer('update_user', jsonb_build_object('uid', :'ian', 'password', 'correct horse', 'email', 'ada.identity@example.com'), :'ada_session');
SELECT pg_temp.is_of(:'ian_session') AS still_open, pg_temp.logs_in('ivan.identity@example.com', 'by the admin');

SELECT pg_temp.logs_in('ivan.identity@example.com', 'wrong horse') FROM generate_series(1, 5);
SELECT test.answer('change_user_password', jsonb_build_object('user_uid', :'ian', 'new_password', 'the user forgot'), :'ada_session');
SELECT pg_temp.is_of(:'ian_session') AS of_the_user, pg_temp.is_of(:'ada_session') AS of_the_admin,
    pg_temp.logs_in('ivan.identity@example.com', 'the user forgot') AS new;
SELECT pg_temp.session('ivan.identity@example.com', 'the user forgot') AS ian_session \gset
SELECT n, test.answer('change_user_password', payload, CASE WHEN n < 7 THEN :'ada_session' ELSE :'ian_session' END)
FROM (VALUES (1, jsonb '{}'), (2, jsonb_build_object('user_uid', :'ian')), (3, '{"new_password": "correct horse"}'),
    (4, jsonb_build_object('user_uid', :'ian', 'new_password', '1234567')),
    (5, '{"user_uid": "000000000000000000000000000", "new_password": "correct horse"}'), (6, '{"user_uid": "x", "new_password": "correct horse"}'),
    (7, jsonb_build_object('user_uid', :'ian', 'new_password', 'correct horse')), (8, '{"user_uid": "000000000000000000000000000"}')) AS refused (n, payload)
ORDER BY n;
SELECT test.answer('change_user_password', jsonb_build_object('user_uid', :'ian', 'new_password', 'correct horse'));
-- an administrator may also mean the own account, whose sessions then all end
SELECT test.answer('change_user_password', jsonb_build_object('user_uid', :'ada', 'new_password', 'correct horse'), :'ada_session');
SELECT pg_temp.is_of(:'ada_session');
SELECT pg_temp.session('ada.identity@example.com') AS ada_session \gset

-- No password is kept for a repeat of its request, nor anywhere else
SELECT murallink.api(jsonb_build_object('action', action, 'session_id', session_id, 'idempotency_key', 'secret', 'payload', payload)) - 'request_id'
FROM (VALUES ('change_password', :'ian_session', jsonb '{"new_password": "a secret horse"}'),
    ('change_user_password', :'ada_session', jsonb_build_object('user_uid', :'ian', 'new_password', 'a secret horse'))) AS request (action, session_id, payload);
SELECT count(*) FROM murallink_private.idempotency WHERE key = 'secret';
SELECT pg_temp.tables_with(secret) FROM unnest('{a new horse,e84269fee79d~,by the admin,the user forgot,a secret horse}'::text[]) AS secret;
SELECT test.answer('change_user_password', jsonb_build_object('user_uid', :'ian', 'new_password', 'correct horse'), :'ada_session');

-- Who came in by a PostgreSQL role has no session that could go on
SELECT murallink.set_db_role('ivo5@example.com', NULL), murallink.set_db_role('ivan.identity@example.com', 'regress_identity_app');
SELECT pg_temp.session('ivan.identity@example.com') AS ian_session \gset
SET SESSION AUTHORIZATION regress_identity_app;
SELECT test.answer('change_password', '{"new_password": "correct horse"}'), test.answer('switch_user', jsonb_build_object('uid', :'ada'));
RESET SESSION AUTHORIZATION;
SELECT pg_temp.is_of(:'ian_session');
UPDATE murallink.app_user SET user_role = 'admin' WHERE uid = :'ian';
SET SESSION AUTHORIZATION regress_identity_app;
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ada'));
RESET SESSION AUTHORIZATION;
UPDATE murallink.app_user SET user_role = 'user' WHERE uid = :'ian';
-- A caller who came in by a role is still the same when accounts change, although the role of the session does
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_identity_app;
SELECT count(*) >= 0 AS found FROM murallink.get_payment_types();
RESET SESSION AUTHORIZATION;
UPDATE murallink.app_user SET phone = phone WHERE uid = :'ian';
SELECT murallink_private.require_caller() = :'ian' AS same;
ROLLBACK;
SELECT pg_temp.session('ivan.identity@example.com') AS ian_session \gset

-- An admin's session acts as another user, with the other's permissions; one's own uid leads back
SELECT pg_temp.app_user('ivo5@example.com') AS ivo \gset
SELECT murallink.api(jsonb_build_object('action', 'switch_user', 'session_id', :'ada_session', 'payload', jsonb_build_object('uid', :'ian')))
    - 'request_id';
SELECT pg_temp.is_of(:'ada_session'), test.answer('get_users', '{}', :'ada_session'),
    test.answer('update_user', jsonb_build_object('uid', :'ada', 'phone', '3'), :'ada_session') AS the_admin,
    test.answer('update_user', jsonb_build_object('uid', :'ian', 'phone', '3'), :'ada_session') AS the_other;
SELECT u.email AS who, s.email AS switched_by, changes FROM murallink.audit_event e
    JOIN murallink.app_user u ON u.uid = e.app_user_uid LEFT JOIN murallink.app_user s ON s.uid = e.switched_by_uid
WHERE e.resource_uid = :'ian' ORDER BY e.at DESC LIMIT 1;
SELECT pg_temp.is_of(:'ian_session'), test.answer('switch_user', jsonb_build_object('uid', :'ada'), :'ian_session') AS the_other_s_own;
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ivo'), :'ada_session'), test.answer('keepalive', '{}', :'ada_session');
SELECT pg_temp.is_of(:'ada_session'), test.answer('switch_user', jsonb_build_object('uid', :'ada'), :'ada_session'),
    test.answer('get_users', '{}', :'ada_session');
SELECT pg_temp.is_of(:'ada_session'), app_user_uid = :'ada' AS own, switched_by_uid FROM murallink_private.session WHERE hash = sha256(:'ada_session');
SELECT payload, test.answer('switch_user', payload, :'ada_session'), test.answer('switch_user', payload, :'ian_session') AS no_admin
FROM (VALUES (jsonb '{}'), ('{"uid": ""}'), ('{"uid": "x"}'), ('{"uid": "000000000000000000000000000"}'), ('{"user_uid": ""}')) AS refused (payload);
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ian'));

-- Who acts as another sets no password, not by mistake either; the sessions of the other are not the admin's, nor the other way round
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ian'), :'ada_session');
SELECT test.answer('change_password', '{"new_password": "a new horse"}', :'ada_session'),
    test.answer('update_user', jsonb_build_object('uid', :'ian', 'password', 'a new horse'), :'ada_session'),
    test.answer('change_user_password', jsonb_build_object('user_uid', :'ian', 'new_password', 'a new horse'), :'ada_session');
SELECT test.answer('change_password', '{"new_password": "correct horse"}', :'ian_session');
SELECT pg_temp.is_of(:'ada_session') AS switched, pg_temp.is_of(:'ian_session') AS own;
SELECT pg_temp.session('ada.identity@example.com') AS other_session \gset
SELECT test.answer('change_password', '{"new_password": "correct horse"}', :'other_session');
SELECT pg_temp.is_of(:'ada_session') AS switched, pg_temp.is_of(:'other_session') AS own;
SELECT :'other_session' AS ada_session \gset

-- Logging out ends a switched session, as does the end of being an admin; who acts as another admin is one, but for passwords
SELECT pg_temp.session('ada.identity@example.com') AS other_session \gset
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ian'), :'other_session');
SELECT test.answer('logout', '{}', :'other_session');
SELECT pg_temp.is_of(:'other_session');
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ian'), :'ada_session');
UPDATE murallink.app_user SET user_role = 'user' WHERE uid = :'ada';
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ada'), :'ada_session');
UPDATE murallink.app_user SET user_role = 'admin' WHERE uid IN (:'ada', :'ian');
SELECT test.answer('get_users', '{}', :'ada_session'),
    test.answer('change_user_password', jsonb_build_object('user_uid', :'ivo', 'new_password', 'correct horse'), :'ada_session');

-- In SQL the switch holds at once, and is undone with what did it
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ada'), :'ada_session');
BEGIN;
SELECT murallink.authenticate(:'ada_session');
SELECT murallink.switch_user(:'ivo');
SELECT murallink_private.caller() = :'ivo' AS ivo, murallink_private.caller_is_admin() AS admin, murallink_private.caller_switched_by() = :'ada' AS by_ada;
SELECT test.refusal('SELECT murallink.get_users()');
SELECT murallink.switch_user(:'ada');
SELECT murallink_private.caller() = :'ada' AS ada, murallink_private.caller_is_admin() AS admin, murallink_private.caller_switched_by();
SAVEPOINT switched;
SELECT murallink.switch_user(:'ivo');
ROLLBACK TO switched;
SELECT murallink_private.caller();
ROLLBACK;
SELECT pg_temp.is_of(:'ada_session');
UPDATE murallink.app_user SET user_role = 'user' WHERE uid = :'ian';

UPDATE murallink.app_user SET db_role = NULL WHERE db_role = 'regress_identity_app';
DROP ROLE regress_identity_app, regress_identity_stranger;

-- A login that could not be counted says nothing, right or wrong: PostgREST runs GET in a read-only transaction.
BEGIN READ ONLY;
SELECT test.refusal($$SELECT murallink.login('ida.identity@example.com', 'correct horse')$$),
    test.refusal($$SELECT murallink.login('ida.identity@example.com', 'wrong horse')$$);
ROLLBACK;
