-- Services and their API keys: who makes them, where they are valid, and how they end. A service has no password.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE ROLE regress_key_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_key_client LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT uid AS admin FROM murallink.create_admin('admin.key@example.com', 'correct horse', 'Kay', 'Admin') \gset
SELECT uid AS person FROM murallink.register('person.key@example.com', 'correct horse', 'Per', 'Son') \gset
SELECT murallink.set_db_role('admin.key@example.com', 'regress_key_admin');
SELECT session_id AS person_session FROM murallink.login('person.key@example.com', 'correct horse') \gset

SET SESSION AUTHORIZATION regress_key_admin;
SELECT uid AS service, email, first_name, last_name FROM murallink.create_service(' EDC.key@Example.com', 'Data capture') \gset
SELECT :'email' AS email, :'first_name' AS first_name, :'last_name' AS last_name;
SELECT n, test.answer('create_service', payload::jsonb) FROM (VALUES
    (1, '{}'), (2, '{"email": "x"}'), (3, '{"email": "x@example.com"}'), (4, '{"email": "edc.key@example.com", "name": "Other"}'),
    (5, '{"email": "person.key@example.com", "name": "Other"}')) AS refused (n, payload) ORDER BY n;
SELECT uid AS first_uid, key AS first_key, until - clock_timestamp() BETWEEN interval '364 d' AND interval '365 d' AS a_year, name
FROM murallink.create_api_key(:'service', 'old server', 'asked for by the sponsor') \gset
SELECT :'a_year' AS a_year, :'name' AS name, :'first_key' ~ '^mlk_[0-9a-f]{64}$' AS form;
SELECT n, test.answer('create_api_key', payload) FROM (VALUES
    (1, jsonb_build_object('name', 'x', 'note', 'x')), (2, jsonb_build_object('user_uid', :'service', 'note', 'x')),
    (3, jsonb_build_object('user_uid', :'service', 'name', 'x')), (4, jsonb_build_object('user_uid', :'person', 'name', 'x', 'note', 'x')),
    (5, jsonb_build_object('user_uid', murallink.gen_ksuid(), 'name', 'x', 'note', 'x')),
    (6, jsonb_build_object('user_uid', :'service', 'name', 'x', 'note', 'x', 'until', '2020-01-01')),
    (7, jsonb_build_object('user_uid', :'service', 'name', 'x', 'note', 'x', 'until', '2999-01-01'))) AS refused (n, payload) ORDER BY n;
-- A new key beside the old one; under one idempotency key each time another, because none is stored
SELECT a #>> '{payload,key}' AS second_key, b #>> '{payload,key}' AS third_key, b #>> '{payload,uid}' AS third_uid
FROM (SELECT jsonb_build_object('action', 'create_api_key', 'idempotency_key', 'key',
        'payload', jsonb_build_object('user_uid', :'service', 'name', 'new server', 'note', 'to replace the old one'))) AS r (request),
    murallink.api(request) AS a, murallink.api(request) AS b \gset
SELECT :'second_key' <> :'third_key' AS another;
BEGIN;
SET LOCAL murallink.idempotency_key = 'key';
SELECT key AS fourth_key, uid AS fourth_uid FROM murallink.create_api_key(:'service', 'test', 'test', clock_timestamp() + interval '1 hour') \gset
SELECT key <> :'fourth_key' AS another FROM murallink.create_api_key(:'service', 'test', 'test', clock_timestamp() + interval '1 hour');
COMMIT;
SELECT uid AS client FROM murallink.create_client('Key') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Key', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Key') \gset
SELECT FROM murallink.grant(:'trial', 'view_trials', :'service');
RESET SESSION AUTHORIZATION;
SELECT count(*) AS none FROM murallink_private.idempotency WHERE key = 'key';
CREATE FUNCTION pg_temp.tables_with(secret text) RETURNS SETOF regclass LANGUAGE plpgsql AS $$
DECLARE
    relation regclass;
    found boolean;
BEGIN
    FOR relation IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE strpos(t::text, $1) > 0)', relation) INTO found USING secret;
        IF found THEN
            RETURN NEXT relation;
        END IF;
    END LOOP;
END
$$;
SELECT pg_temp.tables_with(:'first_key'), pg_temp.tables_with(substr(:'first_key', 5));

-- A key is valid in place of a session id, in functions and tables, read-only as well
CREATE FUNCTION test.caller_of_key(key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text;
    field text;
BEGIN
    PERFORM murallink.authenticate(key);
    RETURN (SELECT first_name FROM murallink.my_info()) || ', ' || (SELECT count(*) FROM murallink.get_trials());
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME, field = COLUMN_NAME;
    RETURN concat_ws(' ', error, field);
END
$$;
SET SESSION AUTHORIZATION regress_key_client;
SELECT n, test.caller_of_key(key) FROM (VALUES (1, :'first_key'), (2, :'second_key'), (3, :'third_key'), (4, :'fourth_key'),
    (5, 'mlk_'), (6, :'first_key' || '0'), (7, upper(:'first_key'))) AS given (n, key) ORDER BY n;
SELECT test.answer('my_info', '{}', :'first_key') AS by_api, test.answer('keepalive', '{}', :'first_key') AS keepalive,
    test.answer('logout', '{}', :'first_key') AS logout, test.answer('create_client', '{"name": "x"}', :'first_key') AS create_client;
SELECT test.answer('switch_user', jsonb_build_object('uid', :'admin'), :'first_key') AS switch_user;
BEGIN READ ONLY;
SELECT murallink.authenticate(:'first_key');
SELECT name FROM murallink.trial;
COMMIT;
SELECT test.answer(action, '{}', session_id) FROM (VALUES ('create_service'), ('create_api_key'), ('get_api_keys'), ('revoke_api_key')) AS a (action),
    (VALUES (:'person_session'), (:'first_key'), (NULL)) AS s (session_id);

-- Its use is seen
RESET SESSION AUTHORIZATION;
SELECT used_at > clock_timestamp() - interval '1 min' AS used, seen_at > clock_timestamp() - interval '1 min' AS seen
FROM murallink_private.api_key k JOIN murallink_private.api_key_use u ON u.api_key_uid = k.uid JOIN murallink_private.last_seen USING (app_user_uid)
WHERE k.uid = :'first_uid';
UPDATE murallink_private.api_key_use SET used_at = now() - interval '1 hour' WHERE api_key_uid = :'first_uid';
UPDATE murallink_private.last_seen SET seen_at = now() - interval '1 hour' WHERE app_user_uid = :'service';
SET SESSION AUTHORIZATION regress_key_client;
BEGIN READ ONLY;
SELECT murallink.authenticate(:'first_key');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT used_at > clock_timestamp() - interval '1 min' AS used, seen_at > clock_timestamp() - interval '1 min' AS seen
FROM murallink_private.api_key k JOIN murallink_private.api_key_use u ON u.api_key_uid = k.uid JOIN murallink_private.last_seen USING (app_user_uid)
WHERE k.uid = :'first_uid';

-- A service has no password, by any door, and is never an administrator
SET SESSION AUTHORIZATION regress_key_admin;
SELECT test.answer('change_user_password', jsonb_build_object('user_uid', :'service', 'new_password', 'correct horse')) AS by_admin,
    test.answer('update_user', jsonb_build_object('uid', :'service', 'password', 'correct horse')) AS by_update,
    test.answer('change_password', jsonb_build_object('new_password', 'correct horse'), :'first_key') AS by_itself;
RESET SESSION AUTHORIZATION;
SELECT murallink.request_password_reset('edc.key@example.com');
SELECT count(*) AS tokens, count(app_user_uid) AS of_a_user FROM murallink_private.password_reset WHERE email = 'edc.key@example.com';
SELECT test.refusal(format('INSERT INTO murallink_private.credential (app_user_uid, password_hash) VALUES (%L, ''x'')', :'service')) AS password,
    test.refusal(format('UPDATE murallink.app_user SET user_role = ''admin'' WHERE uid = %L', :'service')) AS admin,
    test.refusal(format('INSERT INTO murallink_private.api_key (app_user_uid, name, hash, note, created_by_uid, until)
        VALUES (%1$L, ''x'', ''x'', ''x'', %1$L, ''2999-01-01'')', :'person')) AS key_of_a_person,
    test.refusal(format('UPDATE murallink.app_user SET kind = ''person'' WHERE uid = %L', :'service')) AS other_kind;
SELECT session_id, invalid_attempts FROM murallink.login('edc.key@example.com', 'correct horse');

-- It is listed
SET SESSION AUTHORIZATION regress_key_admin;
SELECT email, permission, kind, api_keys, api_keys_until > now() AS until FROM murallink.access_list(:'trial') WHERE kind = 'service';
SELECT api_keys FROM murallink.access_list(:'trial', clock_timestamp() + interval '2 hours') WHERE kind = 'service';
SELECT name, status, note, last_used IS NOT NULL AS used, ended_note FROM murallink.get_api_keys(:'service');
SELECT count(*) > 0 AS all_services FROM murallink.get_api_keys();
RESET SESSION AUTHORIZATION;
UPDATE murallink_private.last_seen SET seen_at = now() - interval '1 year' WHERE app_user_uid = :'service';
SET SESSION AUTHORIZATION regress_key_admin;
SELECT email, kind, grants FROM murallink.idle_users() WHERE user_uid = :'service';

-- A key ends by itself, and when it is revoked, also in an open transaction
SELECT n, test.answer('revoke_api_key', payload) FROM (VALUES (1, '{}'::jsonb), (2, jsonb_build_object('api_key_uid', :'first_uid')),
    (3, jsonb_build_object('api_key_uid', murallink.gen_ksuid(), 'note', 'x'))) AS refused (n, payload) ORDER BY n;
SELECT murallink.revoke_api_key(:'first_uid', 'replaced');
SELECT test.answer('revoke_api_key', jsonb_build_object('api_key_uid', :'first_uid', 'note', 'replaced')) AS again;
RESET SESSION AUTHORIZATION;
UPDATE murallink_private.api_key SET created_at = '2020-01-01', until = '2020-01-02' WHERE uid = :'fourth_uid';
SET SESSION AUTHORIZATION regress_key_client;
SELECT test.caller_of_key(:'first_key') AS revoked, test.caller_of_key(:'second_key') AS second, test.caller_of_key(:'fourth_key') AS expired;
RESET SESSION AUTHORIZATION;
-- When the service is deactivated (S2), all its keys end, for good
SET SESSION AUTHORIZATION regress_key_admin;
SELECT murallink.deactivate_user(:'service', 'leaked');
SELECT test.answer('create_api_key', jsonb_build_object('user_uid', :'service', 'name', 'x', 'note', 'x')) AS deactivated;
SET SESSION AUTHORIZATION regress_key_client;
SELECT test.caller_of_key(:'second_key') AS deactivated;
SET SESSION AUTHORIZATION regress_key_admin;
SELECT murallink.reactivate_user(:'service', 'clean');
SELECT key AS fifth_key FROM murallink.create_api_key(:'service', 'clean server', 'after the leak') \gset
SELECT name, status, note, ended_note FROM murallink.get_api_keys(:'service');
SELECT api_keys FROM murallink.access_list(:'trial') WHERE kind = 'service';
SET SESSION AUTHORIZATION regress_key_client;
SELECT test.caller_of_key(:'second_key') AS second, test.caller_of_key(:'fifth_key') AS fifth;
SET SESSION AUTHORIZATION regress_key_admin;
SELECT murallink.close_account(:'service', 'no longer used');
SELECT name, status, ended_note FROM murallink.get_api_keys(:'service') WHERE ended_note <> 'replaced';
SET SESSION AUTHORIZATION regress_key_client;
SELECT test.caller_of_key(:'fifth_key') AS closed;
RESET SESSION AUTHORIZATION;
SELECT DISTINCT e.changes -> 'status_note' ->> 'to' AS audited FROM murallink.audit_event e
WHERE e.resource_uid = :'service' AND e.app_user_uid = :'admin' ORDER BY 1;
DROP FUNCTION test.caller_of_key;
