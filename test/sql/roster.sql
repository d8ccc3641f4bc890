-- Patients looked up, searched for and changed, by those who may.
\set SHOW_CONTEXT never
CREATE ROLE regress_roster_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_roster_viewer LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.roster@example.com', 'correct horse', 'Rosa', 'Admin');
SELECT uid AS viewer FROM murallink.register('viewer.roster@example.com', 'correct horse', 'Vera', 'Viewer') \gset
SELECT murallink.set_db_role(name || '.roster@example.com', 'regress_roster_' || name) FROM (VALUES ('admin'), ('viewer')) AS person (name);
SET SESSION AUTHORIZATION regress_roster_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Roster') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Roster', currency => 'USD') \gset
SELECT uid AS other_contract FROM murallink.create_contract(client_uid => :'client', name => 'Other', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Roster') \gset
SELECT uid AS other_trial FROM murallink.create_trial(contract_uid => :'other_contract', name => 'Other') \gset
SELECT uid AS north FROM murallink.create_site(trial_uid => :'trial', name => 'North') \gset
SELECT uid AS south FROM murallink.create_site(trial_uid => :'trial', name => 'South') \gset
SELECT site_uid IS NOT NULL AS at_north_too FROM murallink.add_trial_site(:'other_trial', :'north');
SELECT uid AS bill FROM murallink.add_patient(site_uid => :'north', first_name => 'Bill', last_name => 'Hicks', email => 'bill@example.com',
    address => '{"street1": "1 Elm St", "city": "Waco"}', emergency_contact => 'Joe') \gset
SELECT uid AS william FROM murallink.add_patient(site_uid => :'south', first_name => 'William', last_name => 'Hickey') \gset
SELECT uid AS jose FROM murallink.add_patient(site_uid => :'north', first_name => 'José', last_name => 'Müller') \gset
SELECT uid AS percent FROM murallink.add_patient(site_uid => :'south', first_name => '100%_\', last_name => 'O''Neil') \gset
SELECT murallink.enroll(:'bill', :'trial', :'north', 'R-1'), murallink.enroll(:'william', :'trial', :'south', 'R-2'),
    murallink.enroll(:'jose', :'other_trial', :'north', 'R-3');
-- Bill comes to the other site too
SELECT murallink.enroll(:'bill', :'other_trial', :'north', 'R-4');
RESET SESSION AUTHORIZATION;
INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid) VALUES (:'bill', :'client', :'contract', :'south');

-- A permission on a patient is one at any of the patient's sites and trials
SELECT session_id AS admin_session FROM murallink.login('admin.roster@example.com', 'correct horse') \gset
SELECT session_id AS viewer_session FROM murallink.login('viewer.roster@example.com', 'correct horse') \gset
CREATE FUNCTION pg_temp.answer_with(
    permission text, place murallink.ksuid, action text, payload jsonb, admin_session text, viewer_session text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    viewer murallink.ksuid := (SELECT uid FROM murallink.app_user WHERE email = 'viewer.roster@example.com');
    told jsonb;
BEGIN
    PERFORM murallink.authenticate(admin_session);
    PERFORM murallink.grant(place, permission, viewer);
    told := murallink.api(jsonb_build_object('action', action, 'payload', payload, 'session_id', viewer_session));
    DELETE FROM murallink.permission_grant WHERE app_user_uid = viewer;
    RETURN told;
END
$$;
CREATE TEMP TABLE place (n, place, uid) AS VALUES (1, 'client', :'client'::murallink.ksuid), (2, 'contract', :'contract'),
    (3, 'other contract', :'other_contract'), (4, 'trial', :'trial'), (5, 'other trial', :'other_trial'), (6, 'north', :'north'),
    (7, 'south', :'south');
INSERT INTO place SELECT 8, 'other trial at north', uid FROM murallink.trial_site WHERE trial_uid = :'other_trial';
CREATE TEMP TABLE person (name, uid) AS VALUES ('bill', :'bill'::murallink.ksuid), ('jose', :'jose'), ('percent', :'percent'), ('william', :'william');
SELECT permission, place, string_agg(name || ' ' || (pg_temp.answer_with(permission, place.uid, 'get_patient',
    jsonb_build_object('patient_uid', person.uid), :'admin_session', :'viewer_session') ->> 'status_code'), ', ' ORDER BY name) AS get_patient
FROM unnest('{view_patients,update_patient}'::text[]) AS permission, place, person GROUP BY permission, n, place ORDER BY permission DESC, n;
SELECT permission, place, string_agg(name || ' ' || (pg_temp.answer_with(permission, place.uid, 'update_patient',
    jsonb_build_object('uid', person.uid), :'admin_session', :'viewer_session') ->> 'status_code'), ', ' ORDER BY name) AS update_patient
FROM unnest('{update_patient,view_patients}'::text[]) AS permission, place, person GROUP BY permission, n, place ORDER BY permission, n;

-- The lists show just those patients, by last and first name whatever the locale, each once
CREATE FUNCTION pg_temp.names(answer jsonb) RETURNS text LANGUAGE sql
RETURN (
    SELECT string_agg(p ->> 'first_name', ', ' ORDER BY n) FROM jsonb_array_elements(answer -> 'payload') WITH ORDINALITY AS e (p, n));
SELECT place.place,
    pg_temp.names(pg_temp.answer_with('view_patients', place.uid, 'get_patients', '{}', :'admin_session', :'viewer_session')) AS get_patients,
    pg_temp.names(pg_temp.answer_with('view_patients', place.uid, 'get_patients', jsonb_build_object('trial_uid', :'trial'),
    :'admin_session', :'viewer_session')) AS in_trial,
    pg_temp.names(pg_temp.answer_with('view_patients', place.uid, 'get_patients', jsonb_build_object('trial_uid', :'other_trial'),
    :'admin_session', :'viewer_session')) AS in_other_trial,
    pg_temp.names(pg_temp.answer_with('view_patients', place.uid, 'get_patients', jsonb_build_object('site_uid', :'south'),
    :'admin_session', :'viewer_session')) AS at_south,
    pg_temp.names(pg_temp.answer_with('view_patients', place.uid, 'search_patients', '{}', :'admin_session', :'viewer_session')) AS search_patients
FROM place ORDER BY n;
SELECT pg_temp.names(pg_temp.answer_with('update_patient', :'client', 'get_patients', '{}', :'admin_session', :'viewer_session')) AS get_patients,
    pg_temp.answer_with('update_patient', :'client', 'search_patients', '{}', :'admin_session', :'viewer_session') #>> '{error,code}' AS search_patients,
    pg_temp.answer_with('view_patients', :'client', 'get_patients', jsonb_build_object('trial_uid', '000000000000000000000000000'),
    :'admin_session', :'viewer_session') -> 'payload' AS no_such_trial;
SELECT count(*) = (SELECT count(*) FROM murallink.patient) AS an_admin_sees_all
FROM jsonb_array_elements(murallink.api(jsonb_build_object('action', 'get_patients', 'session_id', :'admin_session')) -> 'payload');

-- Search: any part of any name, first or last or both, whatever the case and the accents; nicknames come last
BEGIN;
SELECT murallink.authenticate(:'admin_session');
SELECT count(murallink.grant(:'contract', 'view_patients', :'viewer'));
COMMIT;
SET SESSION AUTHORIZATION regress_roster_viewer;
SELECT query, (SELECT string_agg(first_name, ', ') FROM murallink.search_patients(query))
FROM unnest('{bill,BILL,william,will,memo,liam,ill,hick,"bill hick","hicks bill","l h",h,x,pepe,jose,JOSÉ,muller,müller,mueller,%,_,"\\",%%,"0% o",
    "o''neil","o’neil",oneil,"bill william","bill bill",y,"", "  ",samuel}'::text[]) AS query;
SELECT jsonb_typeof(payload), payload -> 0 -> 'email', payload -> 0 -> 'audit_history', payload -> 0 -> 'site_uid', payload -> 0 -> 'address' -> 'city'
FROM murallink.api('{"action": "search_patients", "payload": {"query": "hicks"}}') AS answer, LATERAL (SELECT answer -> 'payload' AS payload) AS p;
SELECT payload, test.answer('search_patients', payload)
FROM (VALUES (jsonb '{}'), ('{"query": null}'), ('{"query": ["bill"]}'), ('{"query": 1}'), ('{"query": "b\u0001"}'), ('{"name": "bill"}'))
    AS asked (payload);
SELECT test.answer('search_patients', jsonb_build_object('query', repeat('ß', 200))) AS longest,
    test.answer('search_patients', jsonb_build_object('query', repeat('ß', 201))) AS longer,
    test.answer('search_patients', jsonb_build_object('query', repeat('bob ', 50))) AS many_words;
RESET SESSION AUTHORIZATION;

-- It goes by the index, and reads no patient that has no part of the name
SET enable_seqscan = off;
SELECT condition FROM murallink_private.name_condition('hic', 'i.first_name || '' '' || i.last_name') \gset
EXPLAIN (COSTS off) SELECT i.uid FROM murallink_private.patient_infos() i WHERE :condition;
RESET enable_seqscan;

-- One patient, whole, with the history
SET SESSION AUTHORIZATION regress_roster_viewer;
SELECT email, phone, first_name, last_name, (address).street1, (address).uid IS NOT NULL AS address, emergency_contact, time_zone, site_uid,
    (SELECT string_agg(changes, '; ') FROM unnest(audit_history)) AS history
FROM murallink.get_patient(:'bill');
SELECT changed, test.answer('get_patient', changed) FROM (VALUES
    (jsonb '{}'), ('{"patient_uid": ""}'), ('{"patient_uid": "x"}'), ('{"patient_uid": 1}'), ('{"patient_uid": "000000000000000000000000000"}'),
    ('{"uid": ""}')) AS asked (changed);
SELECT test.answer('get_patient', jsonb_build_object('patient_uid', :'north')) AS site,
    test.answer('get_patient', jsonb_build_object('patient_uid', :'bill')) AS patient;

-- Changing: what is absent stays, what is there is set, what is read-only changes nothing
SELECT test.answer('update_patient', jsonb_build_object('uid', :'bill', 'phone', '1')) AS no_permission;
RESET SESSION AUTHORIZATION;
BEGIN;
SELECT murallink.authenticate(:'admin_session');
SELECT count(murallink.grant(:'south', 'update_patient', :'viewer'));
COMMIT;
SET SESSION AUTHORIZATION regress_roster_viewer;
SELECT p ->> 'email' AS email, p ->> 'phone' AS phone, p ->> 'first_name' AS first_name, p -> 'email_enabled' AS email_enabled,
    (p -> 'address') - 'uid' AS address, p ->> 'emergency_contact' AS emergency_contact, p ->> 'time_zone' AS time_zone,
    p #>> '{audit_history,0,changes}' AS last_change
FROM (VALUES
    (1, jsonb '{}'), (2, '{"phone": " 2 ", "email": "B@Example.com", "email_enabled": true, "time_zone": "America/Chicago"}'),
    (3, '{"address": {"city": "Rome", "valid": true, "uid": ""}, "site_uid": "", "audit_history": [1]}'),
    (4, '{"email": "", "phone": null, "email_enabled": null, "time_zone": "", "emergency_contact": ""}'),
    (5, '{"first_name": "Willy", "address": {"street1": "", "city": null}}')) AS step (n, changes),
    LATERAL (SELECT murallink.api(jsonb_build_object('action', 'update_patient', 'payload',
        jsonb_build_object('uid', :'bill') || changes)) -> 'payload' AS p) AS answer
ORDER BY n;
SELECT test.answer('update_patient', jsonb_build_object('uid', :'bill') || (murallink.api(jsonb_build_object('action', 'get_patient',
    'payload', jsonb_build_object('patient_uid', :'bill'))) -> 'payload')) AS sent_back;
SELECT changed, test.answer('update_patient', jsonb_build_object('uid', :'bill') || changed)
FROM (VALUES
    (jsonb '{"uid": ""}'), ('{"uid": null}'), ('{"uid": "x"}'), ('{"uid": "000000000000000000000000000"}'), ('{"first_name": ""}'),
    ('{"last_name": "\u0001"}'), ('{"email": "bill"}'), ('{"email_enabled": "yes"}'), ('{"time_zone": "Mars/Phobos"}'), ('{"address": ""}'),
    ('{"address": {"zip": ""}}'), ('{"address": {"city": 1}}'), ('{"patient_uid": ""}'), ('{"phone": "\u0001"}'), ('{"site_uid": "x"}'),
    ('{"site_uid": "000000000000000000000000000"}'), ('{"site_uid": []}')) AS refused (changed);
SELECT field, longest, test.answer('update_patient', jsonb_build_object('uid', :'bill', field, repeat('ß', longest + 1)))
FROM (VALUES ('email', 254), ('phone', 50), ('first_name', 100), ('last_name', 100), ('emergency_contact', 200), ('emergency_phone', 50),
    ('time_zone', 60)) AS limited (field, longest);
SELECT test.answer('update_patient', jsonb_build_object('uid', :'jose', 'phone', '1')) AS elsewhere,
    test.answer('update_patient', jsonb_build_object('uid', :'william', 'phone', '1')) AS at_south;
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'viewer' AND permission = 'view_patients';
-- Who may change but not see, sees what was sent and no more
SELECT jsonb_path_query_array(p, '$.keyvalue() ? (@.value != "" && @.value != false && @.key != "uid" && @.key != "address")."key"') AS shown,
    p ->> 'email' AS email, p -> 'address' AS address, p -> 'audit_history' AS history
FROM (SELECT murallink.api(jsonb_build_object('action', 'update_patient', 'session_id', :'viewer_session', 'payload',
    jsonb_build_object('uid', :'william', 'email', 'Bill@Example.com', 'address', '{"city": "Oslo"}'::jsonb))) -> 'payload') AS answer (p);
SELECT email, phone, (address).city FROM murallink.patient WHERE uid = :'william';

-- Nobody, and nobody's session
SELECT action, test.answer(action), test.answer(action, '{}', '2D5YrVzez9GpJqzrGbgh6TcdVVZ')
FROM unnest('{get_patient,get_patients,search_patients,update_patient}'::text[]) AS action;

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'viewer';
-- Added and enrolled in one step: if the number is taken, or anything else is wrong, nobody is added
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_roster_admin;
SELECT what, test.answer('add_patient', jsonb_build_object('site_uid', :'north', 'first_name', 'Twice', 'last_name', 'Only', 'trial_uid', :'trial') || more, session_id)
FROM (VALUES
    (1, 'the number of another', jsonb '{"subject_id": "r-1"}'), (2, 'no number', '{}'), (3, 'no trial', '{"trial_uid": "", "subject_id": "R-5"}'),
    (4, 'no such payment type', '{"subject_id": "R-5", "payment_type_uid": "000000000000000000000000000"}'),
    (5, 'a payment type alone', '{"trial_uid": null, "payment_type_uid": "28LLqy3paByy5jcqpoU9wXuTiYo"}'),
    (6, 'not there', jsonb_build_object('subject_id', 'R-5', 'site_uid', :'south', 'trial_uid', :'other_trial'))) AS refused (n, what, more),
    murallink.login('admin.roster@example.com', 'correct horse') ORDER BY n;
SELECT count(*) FROM murallink.search_patients('Twice');
SELECT first_name, enrollment_uid IS NOT NULL AS enrolled FROM murallink.add_patient(
    site_uid => :'north', first_name => 'Once', last_name => 'Only', trial_uid => :'trial', subject_id => ' R-5 ',
    payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo');
-- The same again, as after a lost answer
SELECT murallink.add_patient(site_uid => :'north', first_name => 'Once', last_name => 'Only', trial_uid => :'trial', subject_id => 'R-5');
SELECT e.subject_id, e.payment_type_uid, e.status FROM murallink.search_patients('Once') p, murallink.get_enrollments(p.uid) e;
RESET SESSION AUTHORIZATION;
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_roster_%';
DROP ROLE regress_roster_admin, regress_roster_viewer;
