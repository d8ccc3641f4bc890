-- Granting permissions, and showing what was granted.
\set SHOW_CONTEXT never
CREATE ROLE regress_grant_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_grant_lead LOGIN IN ROLE murallink_client;
CREATE ROLE regress_grant_user LOGIN IN ROLE murallink_client;
SELECT uid AS admin FROM murallink.create_admin('admin.grant@example.com', 'correct horse', 'Greta', 'Admin') \gset
SELECT uid AS lead FROM murallink.register('lead.grant@example.com', 'correct horse', 'Lea', 'Lead') \gset
SELECT uid AS "user" FROM murallink.register('user.grant@example.com', 'correct horse', 'Uma', 'User') \gset
SELECT murallink.set_db_role(name || '.grant@example.com', 'regress_grant_' || name) FROM (VALUES ('admin'), ('lead'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Grantor') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Paul-2295', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS other_trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Other') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid AS trial_site FROM murallink.add_trial_site(trial_uid => :'other_trial', site_uid => :'site') \gset
SELECT uid AS patient FROM murallink.add_patient(site_uid => :'site', first_name => 'Pia', last_name => 'Patient') \gset

-- An administrator grants anything on anything; granting again changes nothing
SELECT murallink.grant(resource_uid => :'contract', permission => 'create_trial', user_uid => :'user');
SELECT murallink.grant(resource_uid => :'contract', permission => 'create_trial', user_uid => :'user');
SELECT murallink.grant(:'client', 'view_clients', :'user'), murallink.grant(:'trial', 'enroll', :'user'), murallink.grant(:'site', 'enroll', :'user'),
    murallink.grant(:'trial_site', 'enroll', :'user');
RESET SESSION AUTHORIZATION;
SELECT permission, resource, client_uid = :'client' AS client, contract_uid = :'contract' AS contract,
    trial_uid IN (:'trial', :'other_trial') AS trial,
    site_uid = :'site' AS site, granted_by_uid = :'admin' AS by_admin
FROM murallink.permission_grant WHERE app_user_uid = :'user' ORDER BY permission, array_position('{client,contract,trial,site,trial_site}', resource);

-- What was granted to a user, for administrators
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT permission, resource ->> 'description' AS description, resource ->> 'uid' IN (:'client', :'contract', :'trial', :'site', :'trial_site') AS uid
FROM murallink.get_permissions(user_uid => :'user') AS granted, jsonb_each(granted) AS each (permission, resources),
    jsonb_array_elements(resources) AS resource
ORDER BY permission, description;
SELECT murallink.get_permissions(:'lead');
SELECT n, test.answer('get_permissions', jsonb_build_object('user_uid', uid))
FROM (VALUES (1, NULL), (2, ''), (3, 'uma'), (4, :'client'), (5, murallink.gen_ksuid()::text)) AS asked (n, uid) ORDER BY n;
SET SESSION AUTHORIZATION regress_grant_user;
SELECT test.answer('get_permissions', jsonb_build_object('user_uid', :'user')), murallink.list_permissions() LIMIT 1;
RESET SESSION AUTHORIZATION;
SELECT test.answer('get_permissions', jsonb_build_object('user_uid', :'user')), test.answer('list_permissions');

-- What is refused to everybody
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT jsonb_build_object('resource_uid', :'contract', 'permission', 'enroll', 'user_uid', :'user') AS fine \gset
SELECT changed, test.answer('grant', :'fine' || changed)
FROM (VALUES
    (jsonb '{"permission": null}'), ('{"permission": ""}'), ('{"permission": "Enroll"}'), ('{"permission": "enroll "}'), ('{"permission": "all"}'),
    ('{"permission": ["enroll", "grant"]}'), ('{"resource_uid": ""}'), ('{"resource_uid": "x"}'), ('{"resource_uid": "000000000000000000000000000"}'),
    ('{"user_uid": ""}'), ('{"user_uid": "000000000000000000000000000"}'), ('{"users": []}')) AS refused (changed);
SELECT kind, test.answer('grant', jsonb_build_object('resource_uid', uid, 'permission', 'enroll', 'user_uid', :'user')) AS as_resource,
    test.answer('grant', jsonb_build_object('resource_uid', :'contract', 'permission', 'enroll', 'user_uid', uid)) AS as_user
FROM (VALUES ('patient', :'patient'), ('payment type', '28LLr8WY5tNSSIDtcjRSmWODmGW')) AS other (kind, uid);
SELECT test.answer('grant', jsonb_build_object('action', action, 'resource_uid', :'contract', 'permission', 'create_trial', 'user_uid', :'user'))
FROM (VALUES (jsonb '"grant"'), ('null'), ('{}')) AS sent_back (action);

-- Everybody else grants what they hold, where they hold it together with grant, and below
SELECT murallink.grant(:'trial', 'grant', :'lead'), murallink.grant(:'contract', 'enroll', :'lead'),
    murallink.grant(:'trial', 'view_trials', :'lead'),
    murallink.grant(:'other_trial', 'view_trials', :'lead'), murallink.grant(:'site', 'add_patient', :'lead');
SET SESSION AUTHORIZATION regress_grant_lead;
SELECT place, permission, test.answer('grant', jsonb_build_object('resource_uid', uid, 'permission', permission, 'user_uid', :'lead'))
FROM (VALUES (1, 'client', :'client'), (2, 'contract', :'contract'), (3, 'trial', :'trial'), (4, 'other trial', :'other_trial'), (5, 'site', :'site'),
        (6, 'other trial at site', :'trial_site')) AS place (n, place, uid),
    unnest('{grant,enroll,view_trials,add_patient,approve_payments}'::text[]) WITH ORDINALITY AS permission (permission, m) ORDER BY n, m;
SELECT murallink.grant(:'trial', 'enroll', :'user');
SET SESSION AUTHORIZATION regress_grant_user;
SELECT murallink.grant(:'trial', 'enroll', :'lead');
RESET SESSION AUTHORIZATION;
SELECT murallink.grant(:'trial', 'enroll', :'lead');
SELECT count(*) FROM murallink.permission_grant WHERE granted_by_uid = :'lead'
    AND NOT (permission IN ('grant', 'enroll', 'view_trials') AND resource_uid = :'trial');

-- What one user was granted is copied to another, who keeps the rest; a repeat says the same
CREATE FUNCTION pg_temp.copies(from_uid text, to_uid text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', answer -> 'status_code', answer ->> 'message', NULLIF(answer #>> '{error,field}', ''))
    FROM murallink.api(jsonb_build_object('action', 'copy_permissions', 'payload', jsonb_build_object('from_uid', from_uid, 'to_uid', to_uid))) AS answer
$$;
SELECT uid AS "copy" FROM murallink.register('copy.grant@example.com', 'correct horse', 'Cora', 'Copy') \gset
SELECT resource, permission, count(*) OVER () FROM murallink.permission_grant WHERE app_user_uid = :'user' ORDER BY permission, resource;
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT murallink.grant(:'contract', 'view_report', :'copy');
SELECT pg_temp.copies(:'user', :'copy');
SELECT pg_temp.copies(:'user', :'copy'), pg_temp.copies(:'copy', :'copy'), pg_temp.copies(:'admin', :'copy');
RESET SESSION AUTHORIZATION;
SELECT count(*), count(*) FILTER (WHERE granted_by_uid = :'admin') AS by_admin FROM murallink.permission_grant WHERE app_user_uid = :'copy';
SELECT (SELECT array_agg((permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid) ORDER BY permission, resource)
    FROM murallink.permission_grant WHERE app_user_uid = :'user')
    = (SELECT array_agg((permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid) ORDER BY permission, resource)
    FROM murallink.permission_grant WHERE app_user_uid = :'copy' AND permission <> 'view_report') AS the_same;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'copy';

-- Who is no administrator copies what may be granted, and learns of grants only where `grant` is held
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT murallink.grant(:'trial', permission, :'user') FROM unnest('{view_trials,approve_payments,bulk_email}'::text[]) AS permission;
SET SESSION AUTHORIZATION regress_grant_lead;
SELECT pg_temp.copies(:'user', :'copy'), pg_temp.copies(:'copy', :'copy'), pg_temp.copies(:'admin', :'copy');
SELECT pg_temp.copies(:'lead', :'copy') AS own;
RESET SESSION AUTHORIZATION;
SELECT permission, resource, resource_uid = :'trial' AS trial, granted_by_uid = :'lead' AS by_lead FROM murallink.permission_grant
WHERE app_user_uid = :'copy' ORDER BY permission, resource;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'copy';

-- What is refused: without grant anywhere everything, whether the users exist or not
SET SESSION AUTHORIZATION regress_grant_lead;
SELECT n, pg_temp.copies(from_uid, to_uid)
FROM (VALUES (1, NULL, :'copy'), (2, :'user', NULL), (3, '', :'copy'), (4, 'x', :'copy'), (5, '000000000000000000000000000', :'copy'),
    (6, :'user', '000000000000000000000000000'), (7, :'trial', :'copy')) AS refused (n, from_uid, to_uid) ORDER BY n;
SELECT test.answer('copy_permissions', jsonb_build_object('from_uid', :'user', 'to_uid', :'copy', 'permission', 'enroll'));
SET SESSION AUTHORIZATION regress_grant_user;
SELECT pg_temp.copies(:'lead', :'copy'), pg_temp.copies(:'user', :'user'), pg_temp.copies('000000000000000000000000000', :'copy'), pg_temp.copies(NULL, NULL);
RESET SESSION AUTHORIZATION;
SELECT pg_temp.copies(:'user', :'copy');
SELECT count(*) FROM murallink.permission_grant WHERE app_user_uid = :'copy';

-- What was granted is taken back, at once, of sessions that are open too, by those who hold grant there
BEGIN;
SELECT uid AS leaver FROM murallink.register('leaver.grant@example.com', 'correct horse', 'Lee', 'Aver') \gset
SET LOCAL SESSION AUTHORIZATION regress_grant_admin;
SELECT murallink.grant(:'trial', 'view_trials', :'leaver'), murallink.grant(:'contract', 'view_trials', :'leaver'), murallink.grant(:'trial', 'grant', :'leaver');
RESET SESSION AUTHORIZATION;
COMMIT;
SELECT session_id AS leaver_session FROM murallink.login('leaver.grant@example.com', 'correct horse') \gset
CREATE FUNCTION pg_temp.sees(session text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', a -> 'status_code', jsonb_array_length(a -> 'payload')) FROM murallink.api(jsonb_build_object('action', 'get_trials', 'session_id', session)) AS a
$$;
SELECT pg_temp.sees(:'leaver_session') AS before;
SELECT jsonb_build_object('resource_uid', :'contract', 'permission', 'view_trials', 'user_uid', :'leaver', 'note', 'has left') AS fine \gset
SELECT test.answer('revoke', :'fine'::jsonb, :'leaver_session') AS without_grant;
SET SESSION AUTHORIZATION regress_grant_lead;
SELECT test.answer('revoke', :'fine'), test.answer('close_account', jsonb_build_object('user_uid', :'leaver', 'note', 'has left')),
    test.answer('revoke', :'fine' || jsonb_build_object('resource_uid', :'client')) AS nothing_there;
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT n, test.answer('revoke', :'fine' || changed)
FROM (VALUES (1, jsonb '{"permission": null}'), (2, '{"permission": "all"}'), (3, '{"permission": "enroll"}'), (4, '{"resource_uid": ""}'), (5, '{"user_uid": ""}'),
    (6, '{"user_uid": "000000000000000000000000000"}'), (7, '{"all": true}'), (8, jsonb_build_object('resource_uid', :'site')), (9, '{"note": " "}'),
    (10, '{}'), (11, '{}')) AS asked (n, changed) ORDER BY n;
SELECT murallink.get_permissions(:'leaver') -> 'view_trials' @> jsonb_build_array(jsonb_build_object('uid', :'trial')) AS holds_on;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.sees(:'leaver_session') AS after_one;
-- and all that a user may do, of an administrator too
UPDATE murallink.app_user SET user_role = 'admin' WHERE uid = :'leaver';
CREATE ROLE regress_grant_leaver LOGIN IN ROLE murallink_client;
SELECT murallink.set_db_role('leaver.grant@example.com', 'regress_grant_leaver');
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT n, test.answer('close_account', jsonb_build_object('user_uid', uid, 'note', 'has left'))
FROM (VALUES (1, NULL), (2, ''), (3, :'admin'), (4, '000000000000000000000000000'), (5, :'leaver'), (6, :'leaver')) AS asked (n, uid) ORDER BY n;
SELECT murallink.get_permissions(:'leaver');
SET SESSION AUTHORIZATION regress_grant_leaver;
SELECT test.answer('my_info') AS by_role;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.sees(:'leaver_session') AS by_session, test.answer('login', '{"email": "leaver.grant@example.com", "password": "correct horse"}') AS by_password;
SELECT user_role, db_role FROM murallink.app_user WHERE uid = :'leaver';
SELECT resource, action, count(*) FROM murallink.audit_event
WHERE resource_uid = :'leaver' AND action = 'changed' AND changes ? 'user_role' OR changes #>> '{ended_note,to}' = 'has left' AND resource = 'permission_grant'
GROUP BY 1, 2 ORDER BY 1, 2;
DROP ROLE regress_grant_leaver;
SELECT murallink_private.open_session(:'leaver') AS leaver_session \gset

-- Exactly one grant is revoked, with or without the permission itself; the answer says where it is still held. The row stays
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT murallink.grant(uid, 'view_report', :'leaver') FROM unnest(ARRAY[:'client', :'contract', :'trial', :'other_trial', :'trial_site']::murallink.ksuid[]) AS uid;
SELECT murallink.grant(:'site', 'milestone_payment', :'leaver'), murallink.grant(:'trial_site', 'milestone_payment', :'leaver'),
    murallink.grant(:'site', 'grant', :'lead');
SET SESSION AUTHORIZATION regress_grant_lead;
SELECT murallink.revoke(:'leaver', 'view_report', :'trial_site', 'moved') -> 'still_holds' @> jsonb_build_array(
        jsonb_build_object('resource_uid', :'client', 'description', 'Client: Grantor'),
        jsonb_build_object('resource_uid', :'contract', 'description', 'Contract: Paul-2295'),
        jsonb_build_object('resource_uid', :'other_trial', 'description', 'Trial: Other')) AS by_three,
    murallink.revoke(:'leaver', 'milestone_payment', :'trial_site', 'moved') -> 'still_holds' -> 0 ->> 'description' AS by_one,
    murallink.revoke(:'leaver', 'milestone_payment', :'site', 'moved') AS by_none;
SELECT test.answer('revoke', jsonb_build_object('user_uid', :'leaver', 'permission', 'view_report', 'resource_uid', :'trial_site', 'note', 'again')) AS again;
RESET SESSION AUTHORIZATION;
SELECT permission, resource, ended_note, ended_by_uid = :'lead' AS by_lead, ended_at > created_at AS later FROM murallink.permission_grant
WHERE app_user_uid = :'leaver' AND ended_note = 'moved' ORDER BY permission, resource;

-- All grants on a place and below it, where the caller holds grant: no others, and none twice
SET SESSION AUTHORIZATION regress_grant_lead;
SELECT n, test.answer('revoke_all', jsonb_build_object('user_uid', user_uid, 'resource_uid', resource_uid, 'note', note))
FROM (VALUES (1, :'leaver', :'client', 'has left'), (2, :'leaver', :'contract', 'has left'), (3, '', :'trial', 'has left'),
    (4, '000000000000000000000000000', :'trial', 'has left'), (5, :'leaver', :'trial', ''), (6, :'leaver', '', 'has left')) AS asked (n, user_uid, resource_uid, note) ORDER BY n;
SELECT murallink.revoke_all(:'leaver', :'trial', 'has left') AS revoked, murallink.revoke_all(:'leaver', :'trial', 'has left') AS again;
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT jsonb_object_agg(key, value -> 0 -> 'description') AS left_over FROM jsonb_each(murallink.get_permissions(:'leaver'));
SELECT murallink.revoke_all(:'leaver', :'client', 'has left') AS revoked, murallink.get_permissions(:'leaver');
-- Where a transaction does not see the grants of others, it does not say that there are none.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT murallink.revoke_all(:'leaver', :'client', 'has left') AS revoked;
ROLLBACK;
SELECT murallink.revoke(:'lead', 'grant', :'site', 'no longer needed');

-- Several permissions at once: all or none
SELECT test.answer('grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'leaver') || asked)
FROM (VALUES (jsonb '{"permissions": []}'), ('{"permissions": null}'), ('{"permissions": ["enroll", "all"]}'), ('{"permissions": ["enroll", null]}'),
    ('{"permissions": "enroll"}'), ('{"permissions": [1]}'), ('{"permissions": ["enroll"], "permission": "grant"}'),
    ('{"permissions": ["view_trials", "enroll", "enroll"]}'), ('{"permissions": ["bulk_email", "enroll"], "permission": ""}')) AS sent (asked);
SET SESSION AUTHORIZATION regress_grant_lead;
SELECT test.answer('grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'leaver', 'permissions', permissions))
FROM (VALUES (jsonb '["view_report", "view_trials"]'), ('["view_trials", "grant"]')) AS sent (permissions);
RESET SESSION AUTHORIZATION;
SELECT permission FROM murallink.permission_grant WHERE app_user_uid = :'leaver' AND ended_at IS NULL ORDER BY permission;

-- A grant with an end: as if absent from then on, also in an open transaction, in functions and tables
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT test.answer('grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'leaver', 'permission', 'bulk_email', 'until', until))
FROM (VALUES (jsonb '"2020-01-01"'), ('"x"'), ('1'), ('"2999-01-01T00:00:00+01:00"'), ('"2999-01-01"'), ('"2998-01-01"'), ('"2998-01-01"'), ('""'), ('null'), ('"2999-01-01"')) AS sent (until);
SELECT murallink.get_permissions(:'leaver') #> '{bulk_email,0,until}' AS until, murallink.get_permissions(:'leaver') #> '{enroll,0,until}' AS none;
RESET SESSION AUTHORIZATION;
SELECT until AT TIME ZONE 'UTC' AS until, ended_note, granted_by_uid = :'admin' AS by_admin FROM murallink.permission_grant
WHERE app_user_uid = :'leaver' AND permission = 'bulk_email' ORDER BY created_at, uid;
GRANT murallink_analyst TO regress_grant_user;
BEGIN;
SELECT murallink.authenticate(murallink_private.open_session(:'leaver'));
CREATE FUNCTION pg_temp.looks(user_uid text, trial text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ends timestamptz := clock_timestamp() + '300 ms';
    place record;
    before timestamptz;
    seen boolean;
    rows integer;
    held integer := 0;
BEGIN
    UPDATE murallink.permission_grant g SET created_at = '2020-01-01', until = ends
    WHERE g.app_user_uid = user_uid::murallink.ksuid AND g.ended_at IS NULL;
    SELECT * INTO place FROM murallink_private.resource(trial::murallink.ksuid);
    LOOP
        before := clock_timestamp();
        seen := murallink_private.visible(place.client_uid, place.contract_uid, place.trial_uid, NULL);
        SET LOCAL ROLE regress_grant_user;
        rows := count(*) FROM murallink.trial t;
        RESET ROLE;
        IF before >= ends THEN
            RETURN format('then %s and %s rows%s', seen, rows, CASE WHEN held > 0 THEN ', before it was there' END);
        ELSIF seen AND rows = 1 THEN
            held := held + 1;
        ELSIF clock_timestamp() < ends THEN
            RETURN 'too early';
        END IF;
    END LOOP;
END
$$;
SELECT pg_temp.looks(:'leaver', :'trial');
SAVEPOINT expired;
SELECT murallink.get_trials();
SELECT test.answer('search_trials', '{"query": ""}') AS nowhere;
ROLLBACK;
SELECT count(*) AS held FROM murallink.permission_grant WHERE app_user_uid = :'leaver' AND murallink_private.in_force(until, ended_at);
UPDATE murallink.permission_grant SET created_at = '2020-01-01', until = '2020-01-02' WHERE app_user_uid = :'leaver' AND permission = 'view_trials' AND ended_at IS NULL;
SELECT pg_temp.sees(:'leaver_session') AS by_session;
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT test.answer('revoke', jsonb_build_object('user_uid', :'leaver', 'permission', 'view_trials', 'resource_uid', :'trial', 'note', 'x')) AS expired;
SELECT murallink.grant(:'trial', 'view_trials', :'leaver');
RESET SESSION AUTHORIZATION;
SELECT until AT TIME ZONE 'UTC' AS until, ended_note FROM murallink.permission_grant
WHERE app_user_uid = :'leaver' AND permission = 'view_trials' ORDER BY ended_at DESC NULLS FIRST LIMIT 2;
-- Nobody grants for longer than they hold it themselves, not even to themselves, and copies end with what was copied
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT murallink.grant(:'other_trial', permissions => '{grant,enroll}', user_uid => :'leaver', until => '2999-01-01 00:00Z'::timestamptz);
SELECT murallink.grant(:'other_trial', 'enroll', :'copy', until => '2997-01-01 00:00Z'::timestamptz);
RESET SESSION AUTHORIZATION;
SELECT until, test.answer('grant', jsonb_build_object('resource_uid', :'other_trial', 'permission', permission, 'user_uid', :'leaver', 'until', until), :'leaver_session')
FROM unnest('{"","2999-01-02","2999-01-01"}'::text[]) AS until, unnest('{enroll,grant}'::text[]) AS permission ORDER BY permission, until;
SELECT test.answer('copy_permissions', jsonb_build_object('from_uid', from_uid, 'to_uid', to_uid), :'leaver_session')
FROM (VALUES (:'leaver', :'user'), (:'copy', :'lead')) AS copied (from_uid, to_uid);
SELECT CASE app_user_uid WHEN :'user' THEN 'user' ELSE 'lead' END AS of, permission, until AT TIME ZONE 'UTC' AS until FROM murallink.permission_grant
WHERE granted_by_uid = :'leaver' ORDER BY 1, 2, 3;

-- What was answered before a grant ended is not answered again, and does not happen again; for an administrator it is. It makes no
-- difference that a grant that had ended before is deleted with its resource
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT uid AS closed_site FROM murallink.create_site(contract_uid => :'contract', name => 'Closed') \gset
SELECT murallink.grant(:'closed_site', 'view_sites', :'leaver');
SELECT murallink.revoke(:'leaver', 'view_sites', :'closed_site', 'closes') AS ended;
RESET SESSION AUTHORIZATION;
SELECT murallink.api(jsonb_build_object('action', 'get_trial', 'idempotency_key', 'kept', 'session_id', :'leaver_session', 'payload', jsonb_build_object('trial_uid', :'trial')))
    -> 'status_code' AS answered;
CREATE FUNCTION pg_temp.repeated(session text, trial text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', a ->> 'status_code', a #>> '{error,code}', a #>> '{error,field}', a #>> '{payload,name}')
    FROM murallink.api(jsonb_build_object('action', 'get_trial', 'idempotency_key', 'kept', 'session_id', session, 'payload', jsonb_build_object('trial_uid', trial))) AS a
$$;
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT murallink.grant(:'trial', 'view_patients', :'leaver');
SELECT pg_temp.repeated(:'leaver_session', :'trial') AS more_is_granted;
SELECT murallink.revoke(:'leaver', 'view_trials', :'trial', 'has left');
SELECT pg_temp.repeated(:'leaver_session', :'trial') AS revoked;
SELECT murallink.delete_site(:'closed_site');
SELECT pg_temp.repeated(:'leaver_session', :'trial') AS site_deleted;
RESET SESSION AUTHORIZATION;
UPDATE murallink.app_user SET user_role = 'admin' WHERE uid = :'leaver';
SELECT pg_temp.repeated(:'leaver_session', :'trial') AS as_admin;
UPDATE murallink.app_user SET user_role = 'user' WHERE uid = :'leaver';

-- Nor are documents given out any more, which were a moment before
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT murallink.upload_contract(contract_uid => :'contract', data => 'JVBERg==', filename => 'paper.pdf') IS NOT NULL AS contract,
    murallink.upload_document(patient_uid => :'patient', filename => 'paper.txt', data => 'QQ==') IS NOT NULL AS document;
SELECT murallink.grant(:'contract', permissions => '{view_contract,get_document}', user_uid => :'leaver');
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.downloads(session text, contract text, patient text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink.authenticate(session);
    RETURN concat_ws(', ', coalesce(test.refusal(format('SELECT murallink.contract_document(%L)', contract)), 'contract'),
        test.answer('get_document', jsonb_build_object('patient_uid', patient, 'filename', 'paper.txt'), session));
END
$$;
SELECT pg_temp.downloads(:'leaver_session', :'contract', :'patient') AS before;
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT murallink.revoke_all(:'leaver', :'contract', 'has left') > 1 AS revoked;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.downloads(:'leaver_session', :'contract', :'patient') AS after;

-- Who means another thing than to grant is not obeyed
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT action, test.answer('grant', jsonb_build_object('resource_uid', :'other_trial', 'permission', 'bulk_email', 'user_uid', :'lead', 'action', action))
FROM (VALUES (jsonb '"revoke"'), ('"deny"'), ('{"x": 1}'), ('"GRANT"'), ('true'), ('["grant"]')) AS meant (action);
SELECT test.refusal(format('SELECT murallink.grant(%L, ''bulk_email'', %L, ''"revoke"'')', :'other_trial', :'lead')) AS by_name;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM murallink.permission_grant WHERE app_user_uid = :'lead' AND permission = 'bulk_email';
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT test.answer('grant', jsonb_build_object('resource_uid', :'other_trial', 'permission', 'bulk_email', 'user_uid', :'lead', 'action', 'grant'));
RESET SESSION AUTHORIZATION;

-- What an update may not set is refused where it says something else than what is stored, and taken where it says the same
SET SESSION AUTHORIZATION regress_grant_admin;
SELECT action, key, value IN (:'contract', :'client', :'site') AS same, test.answer(action, jsonb_build_object('uid', uid, key, value))
FROM (VALUES (1, 'edit_contract', :'contract', 'client_uid', :'client'), (2, 'edit_contract', :'contract', 'client_uid', :'trial'),
    (3, 'edit_trial', :'trial', 'contract_uid', :'contract'), (4, 'edit_trial', :'trial', 'contract_uid', :'trial'),
    (5, 'edit_site', :'site', 'contract_uid', :'contract'), (6, 'edit_site', :'site', 'contract_uid', :'trial'),
    (7, 'update_patient', :'patient', 'site_uid', :'site'), (8, 'update_patient', :'patient', 'site_uid', :'trial'))
    AS sent (n, action, uid, key, value) ORDER BY n;
SELECT uid AS caregiver FROM murallink.register_caregiver(patient_uid => :'patient', first_name => 'Cara', last_name => 'Carer') \gset
SELECT test.answer('update_caregiver', jsonb_build_object('uid', :'caregiver', 'patient_uid', uid))
FROM (VALUES (1, :'patient'), (2, :'trial')) AS sent (n, uid) ORDER BY n;
RESET SESSION AUTHORIZATION;

-- A grant stands where its resource stands, even one made by hand
SELECT test.refusal(format('INSERT INTO murallink.permission_grant'
    ' (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid)'
    ' VALUES (%L, ''view_sites'', %L, %L, %L, %L, %L, %L)', :'user', resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid))
FROM (VALUES
    ('trial', :'trial', murallink.gen_ksuid()::text, :'contract', :'trial', NULL), ('trial', :'trial', :'client', murallink.gen_ksuid()::text, :'trial', NULL),
    ('contract', :'contract', murallink.gen_ksuid()::text, :'contract', NULL, NULL), ('trial_site', :'trial_site', :'client', :'contract', :'trial', :'site'),
    ('client', :'trial', :'trial', NULL, NULL, NULL), ('trial', :'trial', :'client', :'contract', :'trial', NULL))
    AS wrong (resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid);
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user' AND permission = 'view_sites';
-- and it says where it stands
SELECT test.refusal(format('INSERT INTO murallink.permission_grant'
    ' (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid)'
    ' VALUES (%L, ''enroll'', %L, %L, %L, %L, %L, %L)', :'user', resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid))
FROM (VALUES
    ('client', :'client', :'client', :'contract', NULL, NULL), ('contract', :'contract', :'client', NULL, NULL, NULL),
    ('trial', :'other_trial', :'client', :'contract', NULL, NULL),
    ('trial', :'trial', :'client', :'contract', :'trial', :'site'), ('site', :'site', :'client', :'contract', :'trial', :'site'),
    ('trial_site', :'trial_site', :'client', :'contract', :'other_trial', NULL), ('patient', :'patient', :'client', NULL, NULL, NULL))
    AS wrong (resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid);

DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'admin', :'lead', :'user', :'copy', :'leaver');
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_grant_%';
DROP ROLE regress_grant_admin, regress_grant_lead, regress_grant_user;
