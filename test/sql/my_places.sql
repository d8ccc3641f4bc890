-- The places of a caller, with what there is to do.
\set SHOW_CONTEXT never
CREATE ROLE regress_place_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_place_ann LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.place@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS ann FROM murallink.register('ann.place@example.com', 'correct horse', 'Ann', 'Place') \gset
SELECT murallink.set_db_role(name || '.place@example.com', 'regress_place_' || name) FROM unnest('{admin,ann}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_place_admin;
SELECT uid AS client FROM murallink.create_client('Placed') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Placed', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Sleep', 'PL-1') \gset
SELECT uid AS other FROM murallink.create_trial(:'contract', 'Awake') \gset
SELECT uid AS north FROM murallink.create_site('North', :'trial') \gset
SELECT uid AS south FROM murallink.create_site('South', :'trial') \gset
SELECT murallink.add_funding(:'contract', 1000), murallink.add_trial_site(:'other', :'north') IS NOT NULL AS added;
SELECT (murallink.add_milestone(name, 10, 'USD', :'trial', :'north', most)).milestone FROM (VALUES ('Visit', 2), ('Early', 1), ('Late', 1), ('Gone', 0)) AS added (name, most);
SELECT murallink.set_exclusive_milestones(:'trial', 'end', '["Early", "Late"]', 'one end');
SELECT uid AS pat FROM murallink.add_patient(:'north', 'Pat', 'Place', trial_uid => :'trial', subject_id => 'PL-001', email => 'pat.place@example.com') \gset
SELECT uid AS sue FROM murallink.add_patient(:'north', 'Sue', 'Place', trial_uid => :'trial', subject_id => 'PL-002') \gset
SELECT uid AS dan FROM murallink.add_patient(:'north', 'Dan', 'Place', trial_uid => :'trial', subject_id => 'PL-003') \gset
SELECT (murallink.set_enrollment_status(patient_uid => :'dan', trial_uid => :'trial', status => 'dropped')).status;
SELECT m.milestone, p.status FROM murallink.get_payment_schedule(trial_uid => :'trial', site_uid => :'north') m, LATERAL murallink.milestone_payment(:'pat', m.uid) p WHERE m.milestone IN ('Visit', 'Late');

SELECT p.uid AS rejected FROM murallink.get_payment_schedule(trial_uid => :'trial', site_uid => :'north') m, LATERAL murallink.milestone_payment(:'sue', m.uid) p WHERE m.milestone = 'Late' \gset
SELECT status FROM murallink.reject_payment(:'rejected', 'a mistake');
-- Of two patients with three milestones, one has had an end, so that neither end is payable, and a visit, which is payable once more
SELECT trial, protocol_id, site, enrolled, payable, pending, paid FROM murallink.my_places() WHERE trial_uid IN (:'trial', :'other') ORDER BY trial, site;
SELECT trial, site, enrolled, payable, pending FROM murallink.my_places(trial_uid => :'trial', site_uid => :'north');
SELECT p.trial_site_uid > f.trial_site_uid AS follows FROM murallink.my_places(trial_uid => :'trial', most => 1) AS f, LATERAL murallink.my_places(trial_uid => :'trial', after_uid => f.trial_site_uid) AS p;
SELECT test.answer('my_places', jsonb_build_object('most', most)) FROM unnest('{0,10001}'::integer[]) AS most;

-- Names and numbers as far as the permissions go; where there is none, there is no place
RESET SESSION AUTHORIZATION;
SELECT session_id AS admin_session FROM murallink.login('admin.place@example.com', 'correct horse') \gset
SELECT session_id AS ann_session FROM murallink.login('ann.place@example.com', 'correct horse') \gset
CREATE FUNCTION pg_temp.sees(permission text, place murallink.ksuid, ann murallink.ksuid, admin_session text, ann_session text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink.authenticate(admin_session);
    PERFORM murallink.grant(place, permission, ann);
    RETURN QUERY SELECT concat_ws(' ', p.info ->> 'trial', p.info ->> 'site', (
            SELECT string_agg(e.key || ' ' || e.value, ' ' ORDER BY e.key) FROM jsonb_each_text(p.info) e
            WHERE e.key IN ('enrolled', 'payable', 'pending', 'paid') AND e.value <> ''))
        FROM jsonb_array_elements(murallink.api(jsonb_build_object('action', 'my_places', 'session_id', ann_session)) -> 'payload') AS p (info);
    RETURN QUERY SELECT (m.may ->> 'resource') || ': ' || (m.may ->> 'permissions')
        FROM jsonb_array_elements(murallink.api(jsonb_build_object('action', 'my_permissions', 'session_id', ann_session)) -> 'payload') AS m (may);
    DELETE FROM murallink.permission_grant WHERE app_user_uid = ann;
END
$$;
SELECT permission, s FROM unnest('{view_payments,milestone_payment,view_sites,view_trials,enroll}'::text[]) AS permission,
    LATERAL pg_temp.sees(permission, :'north', :'ann', :'admin_session', :'ann_session') AS s ORDER BY permission, s COLLATE "C";
SELECT place, permission, s FROM (VALUES ('client', 'view_enrollments', :'client'::murallink.ksuid), ('trial', 'view_enrollments', :'other'),
        ('trial', 'view_sites', :'other')) AS given (place, permission, uid),
    LATERAL pg_temp.sees(permission, uid, :'ann', :'admin_session', :'ann_session') AS s ORDER BY place, permission, s COLLATE "C";
SET SESSION AUTHORIZATION regress_place_ann;
SELECT count(*) FROM murallink.my_places();
SELECT count(*) FROM murallink.my_permissions();
RESET SESSION AUTHORIZATION;

-- What the caller may do: everything below the place of the grant; nothing of a place that is not seen
SET SESSION AUTHORIZATION regress_place_admin;
SELECT murallink.grant(:'contract', permissions => '{view_trials,enroll}', user_uid => :'ann'), murallink.grant(:'north', permissions => '{manual_payment,view_patients}', user_uid => :'ann');
SELECT cardinality(permissions) = (SELECT count(*) FROM murallink.list_permissions()) AS an_admin_may_all FROM murallink.my_permissions(:'north');
SET SESSION AUTHORIZATION regress_place_ann;
SELECT resource, CASE resource_uid WHEN :'trial' THEN 'Sleep' WHEN :'other' THEN 'Awake' WHEN :'north' THEN 'North' WHEN :'south' THEN 'South' END AS name, permissions
FROM murallink.my_permissions() ORDER BY resource COLLATE "C", name, permissions;
SELECT resource, permissions FROM murallink.my_permissions(:'north');
SELECT count(*) AS of_the_client FROM murallink.my_permissions(:'client');
SELECT test.answer('my_permissions', '{"resource_uid": "x"}');
RESET SESSION AUTHORIZATION;
SELECT test.answer(action) AS nobody FROM unnest('{my_places,my_permissions,get_documents}'::text[]) AS action;

-- A patient is found by subject id, e-mail address and phone number, with trial, site and subject id
SET SESSION AUTHORIZATION regress_place_admin;
SELECT phone FROM murallink.update_patient(:'sue', phone => '(610) 555-1299');
SELECT query, p.first_name, e.trial, e.site, e.subject_id, e.status
FROM unnest('{pl-001,Pat.Place@example.com,"+1 610 555 1299","610.555.1299",PL-003,"pat place"}'::text[]) AS query, LATERAL murallink.search_patients(query) AS p
    LEFT JOIN LATERAL unnest(p.enrollments) AS e ON true
WHERE p.last_name = 'Place';
SET SESSION AUTHORIZATION regress_place_ann;
SELECT query, p.first_name, e.trial, e.site, e.subject_id FROM unnest('{PL-002,pat.place@example.com}'::text[]) AS query, LATERAL murallink.search_patients(query) AS p
    LEFT JOIN LATERAL unnest(p.enrollments) AS e ON true ORDER BY query COLLATE "C";
SET SESSION AUTHORIZATION regress_place_admin;
SELECT murallink.grant(:'trial', 'view_sites', :'ann');
SET SESSION AUTHORIZATION regress_place_ann;
SELECT e.trial, e.site AS named_at_the_trial FROM murallink.search_patients('PL-002') AS p, LATERAL unnest(p.enrollments) AS e;
SET SESSION AUTHORIZATION regress_place_admin;
SELECT murallink.revoke_all(:'ann', :'contract', 'over') IS NOT NULL AS revoked, murallink.grant(:'south', 'view_patients', :'ann');
SELECT uid AS una FROM murallink.add_patient(:'south', 'Una', 'Place', email => 'una.place@example.com') \gset
SET SESSION AUTHORIZATION regress_place_ann;
SELECT query, p.first_name, p.enrollments FROM unnest('{PL-002,pat.place@example.com,una.place@example.com}'::text[]) AS query, LATERAL murallink.search_patients(query) AS p;
RESET SESSION AUTHORIZATION;

-- PostgREST keeps plans for all callers: one who sees more than few sites gets a plan of their own for a table
CREATE FUNCTION pg_temp.planned(path text, session_id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.path', path, true), set_config('request.headers', jsonb_build_object('session-id', session_id)::text, true);
    PERFORM murallink.authenticate();
    RETURN current_setting('plan_cache_mode');
END
$$;
SELECT pg_temp.planned('/payment', :'admin_session') AS admin;
SELECT pg_temp.planned('/rpc/ping', :'admin_session') AS of_a_function;
SELECT pg_temp.planned('/payment', :'ann_session') AS at_a_site;
SELECT pg_temp.planned('/payment', '') AS nobody;
SELECT (murallink.register('cro.place@example.com', 'correct horse', 'Cro', 'Place')).uid AS cro \gset
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid) VALUES (:'cro', 'view_payments', 'client', :'client', :'client');
SELECT session_id AS cro_session FROM murallink.login('cro.place@example.com', 'correct horse') \gset
SELECT pg_temp.planned('/payment', :'cro_session') AS of_a_client;
-- A patient who is screened again may be paid what is paid for each screening, and nothing else, once more: as payable_milestones shows it
SET SESSION AUTHORIZATION regress_place_admin;
SELECT uid AS twice FROM murallink.create_trial(:'contract', 'Twice') \gset
SELECT murallink.add_trial_site(:'twice', :'north') IS NOT NULL AS added;
SELECT (murallink.add_milestone(name, 10, 'USD', :'twice', :'north', per => per)).milestone FROM (VALUES ('Lab', 'enrollment'), ('Start', 'person')) AS added (name, per);
SELECT murallink.enroll(:'sue', :'twice', :'north', 'TW-1');
SELECT m.milestone, p.status FROM murallink.get_payment_schedule(trial_uid => :'twice', site_uid => :'north') m, LATERAL murallink.milestone_payment(:'sue', m.uid) p;
SELECT payable FROM murallink.my_places(trial_uid => :'twice', site_uid => :'north');
SELECT (murallink.set_enrollment_status(patient_uid => :'sue', trial_uid => :'twice', status => 'screen_failed')).status;
SELECT murallink.enroll(:'sue', :'twice', :'north', 'TW-2');
SELECT payable, (SELECT string_agg(m.milestone, ', ') FROM murallink.payable_milestones(:'sue', :'twice') m) AS what FROM murallink.my_places(trial_uid => :'twice', site_uid => :'north');
RESET SESSION AUTHORIZATION;
DROP ROLE regress_place_admin, regress_place_ann;
