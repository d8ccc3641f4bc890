-- Who may do what: now, on any day in the past, for whom it is shown, and who is idle.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE ROLE regress_list_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_list_lead LOGIN IN ROLE murallink_client;
CREATE ROLE regress_list_ann LOGIN IN ROLE murallink_client;
SELECT uid AS admin FROM murallink.create_admin('admin.list@example.com', 'correct horse', 'Ada', 'Admin') \gset
SELECT uid AS former FROM murallink.create_admin('former.list@example.com', 'correct horse', 'Fay', 'Former') \gset
SELECT uid AS lead FROM murallink.register('lead.list@example.com', 'correct horse', 'Lea', 'Lead') \gset
SELECT uid AS ann FROM murallink.register('ann.list@example.com', 'correct horse', 'Ann', 'Lyst') \gset
SELECT uid AS bob FROM murallink.register('bob.list@example.com', 'correct horse', 'Bob', '') \gset
SELECT murallink.set_db_role(name || '.list@example.com', 'regress_list_' || name) FROM unnest('{admin,lead,ann}'::text[]) AS name;
CREATE FUNCTION pg_temp.list(resource text, at timestamptz DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', split_part(l.email, '.', 1), l.permission, l.status, l.description, 'by ' || l.granted_by, 'until ' || l.until)
    FROM murallink.access_list(resource::murallink.ksuid, at) AS l WHERE l.email LIKE '%.list@example.com'
$$;
GRANT EXECUTE ON FUNCTION pg_temp.list TO PUBLIC;
SET SESSION AUTHORIZATION regress_list_admin;
SELECT uid AS client FROM murallink.create_client('Lister') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Listed', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'First') \gset
SELECT uid AS other_trial FROM murallink.create_trial(:'contract', 'Second') \gset
SELECT uid AS site FROM murallink.create_site('Here', :'trial') \gset
SELECT uid AS far_client FROM murallink.create_client('Far') \gset
SELECT uid AS far_contract FROM murallink.create_contract(:'far_client', 'Far', currency => 'USD') \gset
SELECT uid AS far_trial FROM murallink.create_trial(:'far_contract', 'Far') \gset
SELECT uid AS far_trial_site FROM murallink.add_trial_site(:'far_trial', :'site') \gset
SELECT murallink.grant(:'client', 'view_payments', :'ann'), murallink.grant(:'trial', permissions => '{grant,enroll}', user_uid => :'lead'),
    murallink.grant(:'other_trial', 'enroll', :'bob'), murallink.grant(:'site', permissions => '{manual_payment,view_patients}', user_uid => :'bob'),
    murallink.grant(:'far_trial_site', 'manual_payment', :'ann');
SET SESSION AUTHORIZATION regress_list_lead;
SELECT murallink.grant(:'trial', 'enroll', :'ann', until => '2999-01-01'::date);

-- What reaches the place, and what is below it where the caller holds grant; names of places only to those who may view them
SELECT * FROM pg_temp.list(:'trial');
SELECT test.answer('access_list', jsonb_build_object('resource_uid', uid)) FROM unnest(ARRAY[:'client', :'contract', :'other_trial', :'far_client', '', 'x']) AS uid;
SET SESSION AUTHORIZATION regress_list_admin;
SELECT * FROM pg_temp.list(:'client');
SELECT * FROM pg_temp.list(:'site');
SELECT * FROM pg_temp.list(:'far_trial_site');
SELECT email FROM murallink.access_list(:'far_trial') WHERE permission IS NOT NULL;
SELECT count(*) FILTER (WHERE grant_uid IS NULL) > 1 AS admins, bool_and(granted_at < now()) AS granted, bool_and(last_seen IS NULL OR last_seen <= clock_timestamp()) AS seen
FROM murallink.access_list(:'client');
SELECT e.key, jsonb_typeof(e.value) FROM jsonb_array_elements(murallink.api(jsonb_build_object('action', 'access_list', 'payload', jsonb_build_object('resource_uid', :'far_trial')))
    -> 'payload') AS row, jsonb_each(row) AS e WHERE row ->> 'email' LIKE 'ann.list%' ORDER BY e.key COLLATE "C";
SET SESSION AUTHORIZATION regress_list_ann;
SELECT test.answer('access_list', jsonb_build_object('resource_uid', :'client')) AS client, test.answer('access_list', jsonb_build_object('resource_uid', :'far_client')) AS far;
RESET SESSION AUTHORIZATION;
SELECT test.answer('access_list', jsonb_build_object('resource_uid', :'client')) AS nobody;

-- On days in the past (S2): what was granted, revoked, expired, replaced and deactivated meanwhile
UPDATE murallink.permission_grant SET created_at = '2024-01-10', until = CASE WHEN until IS NOT NULL THEN '2024-03-01'::timestamptz END
WHERE app_user_uid IN (:'ann', :'bob', :'lead');
UPDATE murallink.app_user SET created_at = '2024-01-01' WHERE uid IN (:'admin', :'former', :'lead', :'ann', :'bob');
SET SESSION AUTHORIZATION regress_list_admin;
SELECT murallink.revoke(:'ann', 'view_payments', :'client', 'no longer needed');
SELECT murallink.grant(:'trial', 'enroll', :'ann', until => '2999-01-01'::date);
SELECT murallink.deactivate_user(:'bob', 'left'), murallink.close_account(:'former', 'left');
RESET SESSION AUTHORIZATION;
UPDATE murallink.permission_grant SET ended_at = '2024-02-01' WHERE app_user_uid = :'ann' AND ended_note = 'no longer needed';
UPDATE murallink.permission_grant SET ended_at = '2024-05-01' WHERE app_user_uid = :'ann' AND ended_note = 'granted again';
UPDATE murallink.permission_grant SET created_at = '2024-05-01' WHERE app_user_uid = :'ann' AND until > '2998-01-01';
UPDATE murallink.app_user SET deactivated = '{[2024-02-01,2024-03-01),[2024-04-01,)}' WHERE uid = :'bob';
UPDATE murallink.app_user SET admin_until = '2024-02-01' WHERE uid = :'former';
SET SESSION AUTHORIZATION regress_list_admin;
SELECT at, pg_temp.list(:'client', at) FROM unnest('{2023-12-31,2024-01-05,2024-01-10,2024-02-01,2024-03-01,2024-04-01,2024-05-01}'::timestamptz[]) AS at;
SELECT pg_temp.list(:'client') AS now;
SELECT test.answer('access_list', jsonb_build_object('resource_uid', :'client', 'at', at)) FROM unnest('{2024-01-05,2024-01-05T12:00:00Z,yesterday}'::text[]) AS at;

-- Who is idle: seen are those who log in, use a session, or call an action by a login role; reading tables is no call
RESET SESSION AUTHORIZATION;
UPDATE murallink_private.last_seen SET seen_at = NULL WHERE app_user_uid IN (:'lead', :'ann');
UPDATE murallink_private.last_seen SET seen_at = now() - interval '200 days' WHERE app_user_uid = :'bob';
UPDATE murallink.app_user SET deactivated = '{}' WHERE uid = :'bob';
CREATE FUNCTION pg_temp.idle(days integer DEFAULT 180) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', split_part(i.email, '.', 1), i.grants, i.db_role, date_trunc('day', now() - i.last_seen)::text)
    FROM murallink.idle_users(days) AS i WHERE i.email LIKE '%.list@example.com'
$$;
SET SESSION AUTHORIZATION regress_list_admin;
SELECT pg_temp.idle() AS idle;
SELECT pg_temp.idle(201) AS longer;
SELECT days, test.answer('idle_users', jsonb_build_object('days', days)) FROM unnest('{-1,0,1,36500,36501}'::integer[]) AS days;
SET SESSION AUTHORIZATION regress_list_ann;
SELECT test.answer('idle_users') AS without_grant, test.answer('my_info') AS a_call;
SET SESSION AUTHORIZATION regress_list_lead;
SELECT pg_temp.idle() AS to_the_lead;
RESET SESSION AUTHORIZATION;
SELECT u.email, l.seen_at > now() - interval '1 minute' AS seen FROM murallink_private.last_seen l JOIN murallink.app_user u ON u.uid = l.app_user_uid
WHERE u.uid IN (:'lead', :'ann', :'bob') ORDER BY 1;
SELECT session_id AS bobs FROM murallink.login('bob.list@example.com', 'correct horse') \gset
SELECT seen_at > now() - interval '1 minute' AS by_login FROM murallink_private.last_seen WHERE app_user_uid = :'bob';
UPDATE murallink_private.last_seen SET seen_at = NULL WHERE app_user_uid = :'bob';
SELECT test.answer('my_info', '{}', :'bobs') AS soon_after;
SELECT seen_at IS NULL AS not_written_each_time FROM murallink_private.last_seen WHERE app_user_uid = :'bob';
UPDATE murallink_private.session SET expires_at = expires_at - interval '4 minutes' WHERE app_user_uid = :'bob';
BEGIN READ ONLY;
SELECT test.answer('my_info', '{}', :'bobs') AS by_session;
COMMIT;
SELECT seen_at > now() - interval '1 minute' AS by_session FROM murallink_private.last_seen WHERE app_user_uid = :'bob';
SET SESSION AUTHORIZATION regress_list_admin;
SELECT count(*) AS idle FROM pg_temp.idle();

RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'lead', :'ann', :'bob');
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_list_%';
DROP ROLE regress_list_admin, regress_list_lead, regress_list_ann;
