-- Accounts that end: who may deactivate and reactivate a user, what that ends, and what closing an account leaves.
\set SHOW_CONTEXT never
CREATE ROLE regress_account_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_account_lead LOGIN IN ROLE murallink_client;
CREATE ROLE regress_account_ann LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT uid AS admin FROM murallink.create_admin('admin.account@example.com', 'correct horse', 'Ada', 'Admin') \gset
SELECT uid AS other_admin FROM murallink.create_admin('other.account@example.com', 'correct horse', 'Odo', 'Other') \gset
SELECT uid AS lead FROM murallink.register('lead.account@example.com', 'correct horse', 'Lea', 'Lead') \gset
SELECT uid AS ann FROM murallink.register('ann.account@example.com', 'correct horse', 'Ann', 'Lyst') \gset
SELECT uid AS bob FROM murallink.register('bob.account@example.com', 'correct horse', 'Bob', 'Both') \gset
SELECT murallink.set_db_role(name || '.account@example.com', 'regress_account_' || name) FROM unnest('{admin,lead,ann}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT uid AS client FROM murallink.create_client('Accounts') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Accounts', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Accounts') \gset
SELECT uid AS other_trial FROM murallink.create_trial(:'contract', 'Other accounts') \gset
SELECT murallink.grant(:'trial', permissions => '{grant,view_trials}', user_uid => :'lead'), murallink.grant(:'trial', 'view_trials', :'ann'),
    murallink.grant(:'trial', 'view_trials', :'bob'), murallink.grant(:'other_trial', 'view_trials', :'bob');
RESET SESSION AUTHORIZATION;
SELECT session_id AS ann_session FROM murallink.login('ann.account@example.com', 'correct horse') \gset
SELECT session_id AS admin_session FROM murallink.login('admin.account@example.com', 'correct horse') \gset
SELECT session_id AS acting FROM murallink.login('admin.account@example.com', 'correct horse') \gset
SELECT test.answer('switch_user', jsonb_build_object('uid', :'ann'), :'acting') AS acts;
CREATE FUNCTION pg_temp.asks(session text, key text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', a ->> 'status_code', a #>> '{error,code}', a #>> '{error,field}', jsonb_array_length(a -> 'payload'))
    FROM murallink.api(jsonb_build_object('action', 'get_trials', 'session_id', session)
        || CASE WHEN key IS NULL THEN '{}' ELSE jsonb_build_object('idempotency_key', key) END) AS a
$$;

-- Who may: an administrator, and who holds grant wherever the user has a grant; nobody oneself, and no administrator's
SELECT jsonb_build_object('note', 'left us') AS fine \gset
SELECT action, n, test.answer(action, :'fine' || changed)
FROM unnest('{deactivate_user,reactivate_user}'::text[]) AS action,
    (VALUES (1, jsonb '{}'), (2, jsonb_build_object('user_uid', :'ann'))) AS asked (n, changed) ORDER BY action, n;
SET SESSION AUTHORIZATION regress_account_lead;
SELECT action, who, test.answer(action, :'fine' || jsonb_build_object('user_uid', uid))
FROM unnest('{deactivate_user,reactivate_user}'::text[]) AS action,
    (VALUES (1, 'oneself', :'lead'), (2, 'an admin', :'admin'), (3, 'nobody', murallink.gen_ksuid()::text), (4, 'who holds more', :'bob')) AS asked (n, who, uid)
ORDER BY action, n;
SET SESSION AUTHORIZATION regress_account_ann;
SELECT test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'lead')) AS without_grant;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT n, test.answer('deactivate_user', :'fine' || changed)
FROM (VALUES (1, jsonb '{}'), (2, '{"user_uid": ""}'), (3, '{"user_uid": "x"}'), (4, '{"user_uid": "000000000000000000000000000"}'),
    (5, jsonb_build_object('user_uid', :'admin')), (6, jsonb_build_object('user_uid', :'ann', 'note', ' ')),
    (7, jsonb_build_object('user_uid', :'ann', 'note', repeat('x', 1001)))) AS asked (n, changed) ORDER BY n;
SELECT test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'ann')) AS is_active;
RESET SESSION AUTHORIZATION;
-- an administrator who acts as another does not lock out the one who acts
SELECT test.answer('switch_user', jsonb_build_object('uid', :'other_admin'), :'admin_session') AS acts,
    test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'admin'), :'admin_session') AS oneself,
    test.answer('close_account', :'fine' || jsonb_build_object('user_uid', :'admin'), :'admin_session') AS oneself_too,
    test.answer('switch_user', jsonb_build_object('uid', :'admin'), :'admin_session') AS ends;

-- What it ends (S2): sessions, acting as the user, logging in, tokens, the login role, and what was answered already; not the grants
SELECT pg_temp.asks(:'ann_session', 'kept') AS kept, pg_temp.asks(:'ann_session', 'kept') AS again, pg_temp.asks(:'acting') AS acting;
SELECT test.answer('request_password_reset', '{"email": "ann.account@example.com"}') AS asked;
SELECT token FROM murallink_private.live_reset_token WHERE app_user_uid = :'ann' \gset
SELECT count(*) AS messages FROM murallink_private.notice WHERE app_user_uid = :'ann' AND kind = 'password_reset' \gset
SET SESSION AUTHORIZATION regress_account_ann;
SELECT count(*) AS rows, test.answer('get_trials') AS answer FROM murallink.trial;
SET SESSION AUTHORIZATION regress_account_lead;
SELECT test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'ann')) AS deactivated,
    test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'ann')) AS twice;
SET SESSION AUTHORIZATION regress_account_ann;
SELECT count(*) AS rows, test.answer('get_trials') AS answer FROM murallink.trial;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.asks(:'ann_session') AS session, pg_temp.asks(:'ann_session', 'kept') AS kept, pg_temp.asks(:'acting') AS acting,
    test.answer('login', '{"email": "ann.account@example.com", "password": "correct horse"}') AS login,
    test.answer('login', '{"email": "ann.account@example.com", "password": "wrong horse"}') AS wrong;
-- the right password counts as a failure, as a wrong one does
SELECT n, (murallink.login('ann.account@example.com', 'correct horse')).invalid_attempts FROM generate_series(1, 2) AS n;
SELECT test.answer('reset_password', jsonb_build_object('email', 'ann.account@example.com', 'password', 'another horse', 'token', :'token')) AS token,
    test.answer('request_password_reset', '{"email": "ann.account@example.com"}') AS another,
    test.answer('switch_user', jsonb_build_object('uid', :'ann'), :'admin_session') AS acting;
SELECT count(*) - :messages AS more_messages, count(*) FILTER (WHERE murallink_private.is_active(u.deactivated)) AS active
FROM murallink_private.notice n JOIN murallink.app_user u ON u.uid = n.app_user_uid WHERE u.uid = :'ann' AND n.kind = 'password_reset';
SELECT operation, problem FROM murallink_private.notice n, murallink_private.notice_message(n.uid) WHERE n.app_user_uid = :'ann' AND n.kind = 'password_reset';
SELECT count(*) AS grants FROM murallink.permission_grant WHERE app_user_uid = :'ann' AND ended_at IS NULL;
-- also a session that is opened all the same, which is none after a reactivation either
SELECT murallink_private.open_session(:'ann') AS late_session \gset
SELECT pg_temp.asks(:'late_session') AS late;
SET SESSION AUTHORIZATION regress_account_lead;
SELECT test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'ann', 'note', 'is back')) AS reactivated,
    test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'ann', 'note', 'is back')) AS twice;
SET SESSION AUTHORIZATION regress_account_ann;
SELECT count(*) AS rows, test.answer('get_trials') AS answer FROM murallink.trial;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.asks(:'ann_session') AS session, pg_temp.asks(:'late_session') AS late, pg_temp.asks(:'acting') AS acting,
    test.answer('reset_password', jsonb_build_object('email', 'ann.account@example.com', 'password', 'another horse', 'token', :'token')) AS token;
SELECT session_id AS ann_session FROM murallink.login('ann.account@example.com', 'correct horse') \gset
SELECT pg_temp.asks(:'ann_session') AS session, pg_temp.asks(:'ann_session', 'kept') AS kept;

-- The audit says who and why, and since when in UTC, whatever the session's settings
SELECT e.app_user_uid = :'lead' AS by_lead, changes #>> '{status_note,to}' AS note,
    changes #>> '{deactivated,from}' ~ '^{(\["20..-..-.. ..:..:..[0-9.]*\+00",\))?}$' AS from_when,
    changes #>> '{deactivated,to}' ~ '^{\["20..-..-.. ..:..:..[0-9.]*\+00",("20.*\+00")?\)}$' AS to_when
FROM murallink.audit_event e WHERE e.resource_uid = :'ann' AND e.changes ? 'deactivated' ORDER BY e.at;

-- Whom an administrator has locked out, only an administrator lets in again, whatever others grant: also one who acts as another, or
-- whose account was closed since
SET SESSION AUTHORIZATION regress_account_admin;
SELECT uid AS cy FROM murallink.register('cy.account@example.com', 'correct horse', 'Cy', 'Gone') \gset
SELECT test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS by_admin;
SET SESSION AUTHORIZATION regress_account_lead;
SELECT test.answer('grant', jsonb_build_object('resource_uid', :'trial', 'permission', 'view_trials', 'user_uid', :'cy')) AS granted,
    test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS back;
RESET SESSION AUTHORIZATION;
BEGIN;
UPDATE murallink.app_user SET user_role = 'user', admin_until = clock_timestamp() WHERE uid = :'admin';
SELECT murallink_private.deactivated_by_admin(:'cy') AS closed_since;
ROLLBACK;
-- and if the clock was set back after another had done so
SET SESSION AUTHORIZATION regress_account_admin;
SELECT test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS back;
SET SESSION AUTHORIZATION regress_account_lead;
SELECT test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS by_lead,
    test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS back;
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.audit_event SET at = at + interval '1 hour' WHERE resource_uid = :'cy' AND app_user_uid = :'lead';
COMMIT;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS by_admin;
SET SESSION AUTHORIZATION regress_account_lead;
SELECT test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS back;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS back;
SET SESSION AUTHORIZATION regress_account_lead;
SELECT test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS by_lead,
    test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS back;
RESET SESSION AUTHORIZATION;
UPDATE murallink.app_user SET deactivated = '{[2020-01-01,)}' WHERE uid = :'cy';
SET SESSION AUTHORIZATION regress_account_lead;
SELECT test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'cy')) AS by_hand;
RESET SESSION AUTHORIZATION;

-- The last administrator stays; there are others in this database
BEGIN;
UPDATE murallink.app_user SET deactivated = '{[2020-01-01,)}' WHERE user_role = 'admin' AND uid NOT IN (:'admin', :'other_admin');
SET SESSION AUTHORIZATION regress_account_admin;
SELECT test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'other_admin')) AS not_the_last,
    test.answer('reactivate_user', :'fine' || jsonb_build_object('user_uid', :'other_admin')) AS back;
RESET SESSION AUTHORIZATION;
UPDATE murallink.app_user SET user_role = 'user' WHERE uid = :'admin';
SELECT murallink.set_db_role('other.account@example.com', NULL);
SAVEPOINT last;
-- only who has just ceased to be one can try: as two who end each other do, see the isolation tests
SELECT test.refusal(format('SELECT murallink_private.lock_account(%L)', :'other_admin')) AS last_one;
ROLLBACK;

-- Closing an account ends the grants as well; a closed account that is deactivated stays out
SET SESSION AUTHORIZATION regress_account_admin;
SELECT test.answer('close_account', :'fine' || jsonb_build_object('user_uid', :'bob')) AS closed,
    test.answer('deactivate_user', :'fine' || jsonb_build_object('user_uid', :'bob')) AS deactivated,
    test.answer('close_account', :'fine' || jsonb_build_object('user_uid', :'other_admin')) AS admin_closed;
RESET SESSION AUTHORIZATION;
SELECT murallink_private.set_password(:'bob', murallink_private.password_hash('correct horse', 'password'), NULL);
SELECT test.answer('login', '{"email": "bob.account@example.com", "password": "correct horse"}') AS login;
SELECT user_role, admin_until > now() - interval '1 hour' AS was_admin, status_note FROM murallink.app_user WHERE uid IN (:'bob', :'other_admin') ORDER BY email;

DELETE FROM murallink_private.password_reset WHERE email LIKE '%.account@example.com';
DELETE FROM murallink_private.reset_request WHERE email LIKE '%.account@example.com';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_account_%';
DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'lead', :'ann', :'bob');
DROP ROLE regress_account_admin, regress_account_lead, regress_account_ann;
