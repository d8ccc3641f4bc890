-- Patients in trials: enrolling, dropping and completing, and how they want to be paid.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
CREATE ROLE regress_enrollment_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_enrollment_coordinator LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.enrollment@example.com', 'correct horse', 'Edna', 'Admin');
SELECT uid AS coordinator FROM murallink.register('coordinator.enrollment@example.com', 'correct horse', 'Cora', 'Coordinator') \gset
SELECT murallink.set_db_role(name || '.enrollment@example.com', 'regress_enrollment_' || name)
FROM (VALUES ('admin'), ('coordinator')) AS person (name);
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Enroller') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Enroller', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS other_trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Other') \gset
SELECT uid AS north FROM murallink.create_site(trial_uid => :'trial', name => 'North') \gset
SELECT uid AS south FROM murallink.create_site(trial_uid => :'trial', name => 'South') \gset
SELECT uid AS hidden FROM murallink.create_site(contract_uid => :'contract', name => 'Hidden') \gset
SELECT uid AS al FROM murallink.add_patient(site_uid => :'north', first_name => 'Al', last_name => 'Patient') \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'north', first_name => 'Bea', last_name => 'Patient') \gset
SELECT uid AS secret FROM murallink.add_patient(site_uid => :'hidden', first_name => 'Secret', last_name => 'Patient') \gset
SELECT count(murallink.grant(:'trial', permission, :'coordinator'))
FROM unnest('{enroll,set_enrollment_status,set_payment_type}'::text[]) AS permission;

-- A patient is enrolled once in a trial, at one of its sites, under a number that is the patient's alone in that trial
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT jsonb_build_object('patient_uid', :'al', 'trial_uid', :'trial', 'site_uid', :'north', 'subject_id', '5420') AS fine \gset
SELECT test.answer('enroll', :'fine' || jsonb_build_object('patient_uid', :'secret')) AS patient_of_a_site_not_known;
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT murallink.grant(:'north', 'view_patients', :'coordinator');
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT murallink.enroll(patient_uid => :'al', trial_uid => :'trial', site_uid => :'north', subject_id => ' 5420 ');
SELECT patient, site, subject,
    test.answer('enroll', :'fine' || jsonb_build_object('patient_uid', patient_uid, 'site_uid', site_uid, 'subject_id', subject))
FROM (VALUES
    ('Al', :'al', 'North', :'north', '5420'), ('Al', :'al', 'North', :'north', '5421'), ('Al', :'al', 'South', :'south', '5421'),
    ('Bea', :'bea', 'North', :'north', '5420'), ('Bea', :'bea', 'South', :'south', '5421'), ('Bea', :'bea', 'North', :'north', '5422'))
    AS enrolled (patient, patient_uid, site, site_uid, subject);
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT site_uid IS NOT NULL AS associated FROM murallink.add_trial_site(:'other_trial', :'north');
SELECT murallink.enroll(:'al', :'other_trial', :'north', '5420');
RESET SESSION AUTHORIZATION;
SELECT first_name, trial.name AS trial, site.name AS site, subject_id, status, left_on, payment_type_uid,
    enrollment.contract_uid = :'contract' AS of_contract
FROM murallink.enrollment JOIN murallink.patient ON patient.uid = patient_uid JOIN murallink.trial ON trial.uid = trial_uid
    JOIN murallink.site ON site.uid = site_uid
WHERE enrollment.client_uid = :'client' ORDER BY first_name, trial.name;
SELECT first_name, site.name FROM murallink.patient_site JOIN murallink.patient ON patient.uid = patient_uid
    JOIN murallink.site ON site.uid = site_uid
WHERE patient_site.client_uid = :'client' ORDER BY first_name, site.name;

-- What is refused; what the coordinator may not see does not exist
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT jsonb_build_object('patient_uid', :'bea', 'trial_uid', :'trial', 'site_uid', :'north', 'subject_id', '9') AS fine \gset
SELECT changed, test.answer('enroll', :'fine' || changed)
FROM (VALUES
    (jsonb '{"patient_uid": ""}'), ('{"trial_uid": null}'), ('{"site_uid": ""}'), ('{"subject_id": ""}'), ('{"subject_id": null}'),
    ('{"subject_id": 9}'), ('{"subject_id": "9\u0001"}'),
    ('{"patient_uid": "x"}'), ('{"trial_uid": 1}'), ('{"patient_uid": "000000000000000000000000000"}'),
    ('{"trial_uid": "000000000000000000000000000"}'),
    ('{"site_uid": "000000000000000000000000000"}'), ('{"subject": "9"}')) AS refused (changed);
SELECT what, test.answer('enroll', :'fine' || jsonb_build_object(field, value))
FROM (VALUES
    (1, 'long', 'subject_id', repeat('x', 101)), (2, 'site as trial', 'trial_uid', :'north'), (3, 'trial as site', 'site_uid', :'trial'),
    (4, 'site as patient', 'patient_uid', :'north'),
    (5, 'a patient elsewhere', 'patient_uid', :'secret'), (6, 'a site elsewhere', 'site_uid', :'hidden'),
    (7, 'a trial elsewhere', 'trial_uid', :'other_trial')) AS refused (n, what, field, value) ORDER BY n;
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT murallink.enroll(:'secret', :'trial', :'hidden', '9');

-- The status: enrolled, dropped (from a day on, today if none is said) or completed, and back
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT subject_id, status, trial_uid = :'trial' AS trial, patient_uid = :'al' AS patient, patient, (trial_site).site_uid = :'north' AS site
FROM murallink.set_enrollment_status(status => 'completed', trial_uid => :'trial', patient_uid => :'al');
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.today() RETURNS date LANGUAGE sql RETURN (now() AT TIME ZONE 'UTC')::date;
CREATE FUNCTION pg_temp.dropped_on(patient murallink.ksuid) RETURNS text LANGUAGE sql AS $$
    SELECT e.status || coalesce(
        ' on ' || CASE WHEN e.left_on > pg_temp.today() - 30 THEN 'today' || (e.left_on - pg_temp.today()) ELSE e.left_on::text END, '')
    FROM murallink.enrollment e JOIN murallink.trial t ON t.uid = e.trial_uid WHERE e.patient_uid = patient AND t.name = 'Trial'
$$;
SELECT pg_temp.dropped_on(:'al');
SELECT jsonb_build_object('patient_uid', :'al', 'trial_uid', :'trial', 'status', 'enrolled') AS fine \gset
SELECT n, test.answer('set_enrollment_status', :'fine' || jsonb_build_object('status', status, 'dropped_on', dropped_on), session_id),
    pg_temp.dropped_on(:'al')
FROM (VALUES
    (1, 'enrolled', NULL), (2, 'dropped', NULL), (3, 'dropped', ''), (4, 'dropped', (pg_temp.today() - 10)::text), (5, 'dropped', NULL),
    (6, 'dropped', (pg_temp.today() + 2)::text),
    (7, 'dropped', pg_temp.today()::text), (8, 'completed', pg_temp.today()::text), (9, 'completed', NULL), (10, 'dropped', NULL),
    (11, 'enrolled', NULL), (12, 'dropped', '0001-01-01')) AS step (n, status, dropped_on),
    murallink.login('coordinator.enrollment@example.com', 'correct horse') ORDER BY n;
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT changed, test.answer('set_enrollment_status', :'fine' || changed)
FROM (VALUES
    (jsonb '{"status": null}'), ('{"status": ""}'), ('{"status": "Dropped"}'), ('{"status": "withdrawn"}'), ('{"status": 1}'),
    ('{"status": "dropped", "dropped_on": "2022-02-29"}'),
    ('{"status": "dropped", "dropped_on": "yesterday"}'), ('{"status": "enrolled", "dropped_on": "2022-02-28"}'),
    ('{"patient_uid": ""}'), ('{"trial_uid": ""}'), ('{"patient_uid": "000000000000000000000000000"}'),
    ('{"trial_uid": "000000000000000000000000000"}'), ('{"site_uid": ""}')) AS refused (changed);
SELECT patient, trial,
    test.answer('set_enrollment_status', :'fine' || jsonb_build_object('patient_uid', patient_uid, 'trial_uid', trial_uid))
FROM (VALUES ('secret', :'secret', 'trial', :'trial'), ('al', :'al', 'other trial', :'other_trial'), ('trial', :'trial', 'patient', :'al'))
    AS refused (patient, patient_uid, trial, trial_uid);
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT murallink.set_enrollment_status('dropped', :'trial', :'secret');

-- Today is where the site is: one of these zones has another day than UTC, whenever that is asked. A visit of today there is
-- owed, also where the day of dropping is given.
SELECT (murallink.edit_site(:'north', time_zone => 'Pacific/Kiritimati')).time_zone;
SELECT (murallink.set_enrollment_status('enrolled', :'trial', :'al')).status;
SELECT (murallink.set_enrollment_status('dropped', :'trial', :'al')).status;
RESET SESSION AUTHORIZATION;
SELECT left_on = (now() AT TIME ZONE 'Pacific/Kiritimati')::date AS today_there FROM murallink.enrollment
WHERE patient_uid = :'al' AND trial_uid = :'trial';
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT (murallink.set_enrollment_status('dropped', :'trial', :'al', (now() AT TIME ZONE 'Pacific/Kiritimati')::date)).status AS given;
SELECT (murallink.edit_site(:'north', time_zone => 'Pacific/Honolulu')).time_zone;
SELECT (murallink.set_enrollment_status('enrolled', :'trial', :'al')).status;
SELECT (murallink.set_enrollment_status('dropped', :'trial', :'al')).status;
RESET SESSION AUTHORIZATION;
SELECT left_on = (now() AT TIME ZONE 'Pacific/Honolulu')::date AS today_there FROM murallink.enrollment
WHERE patient_uid = :'al' AND trial_uid = :'trial';
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT (murallink.set_enrollment_status('dropped', :'trial', :'al', (now() AT TIME ZONE 'Pacific/Honolulu')::date)).status AS given;
SELECT (murallink.edit_site(:'north', time_zone => '')).time_zone;
SELECT (murallink.set_enrollment_status('dropped', :'trial', :'al', '0001-01-01')).status;

-- How the patient wants to be paid in the trial, out of a list that is the same everywhere
SELECT * FROM murallink.get_payment_types();
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT payment_type_uid, status
FROM murallink.set_payment_type(payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo', trial_uid => :'trial', patient_uid => :'bea');
SELECT jsonb_build_object('patient_uid', :'bea', 'trial_uid', :'trial', 'payment_type_uid', '28LLr9EUm9f1G5S5yxoOJKNTDP0') AS fine \gset
SELECT changed, test.answer('set_payment_type', :'fine' || changed)
FROM (VALUES
    (jsonb '{}'), ('{"payment_type_uid": ""}'), ('{"payment_type_uid": "PayPal"}'),
    ('{"payment_type_uid": "000000000000000000000000000"}'), ('{"patient_uid": null}'),
    ('{"trial_uid": "000000000000000000000000000"}'), ('{"payment_type": "PayPal"}')) AS sent (changed);
SELECT test.answer('set_payment_type', :'fine' || jsonb_build_object('patient_uid', :'secret')) AS elsewhere,
    test.answer('set_payment_type', :'fine' || jsonb_build_object('payment_type_uid', :'bea')) AS no_payment_type;

-- Without the permission, and without a session
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT murallink.grant(:'other_trial', 'view_trials', :'coordinator');
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT action, test.answer(action, jsonb_build_object('patient_uid', :'al', 'trial_uid', :'other_trial') || more)
FROM (VALUES ('enroll', jsonb_build_object('site_uid', :'north', 'subject_id', '9')), ('set_enrollment_status', '{"status": "completed"}'),
    ('set_payment_type', '{"payment_type_uid": "28LLr9EUm9f1G5S5yxoOJKNTDP0"}')) AS forbidden (action, more);
RESET SESSION AUTHORIZATION;
SELECT action, test.answer(action) FROM unnest('{enroll,set_enrollment_status,set_payment_type,get_payment_types}'::text[]) AS action;

-- An enrollment stays what it is, because payments stand on it
SELECT assignment, test.refusal(format('UPDATE murallink.enrollment SET %s WHERE patient_uid = %L AND trial_uid = %L', assignment, :'al', :'trial'))
FROM (VALUES ('patient_uid = patient_uid'), ('subject_id = ''5430'''), ('uid = murallink.gen_ksuid()'),
    ('trial_uid = murallink.gen_ksuid()'), ('site_uid = murallink.gen_ksuid()'),
    ('patient_uid = murallink.gen_ksuid()'), ('client_uid = contract_uid'), ('status = ''dropped'', left_on = NULL'),
    ('status = ''enrolled'', left_on = now()')) AS tried (assignment);
SELECT test.refusal('DELETE FROM murallink.enrollment'), test.refusal('TRUNCATE murallink.enrollment CASCADE');

-- Who is enrolled: the person for those who may see patients, the subject id for all others who may know
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.grant_alone(permission text, place murallink.ksuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM murallink.permission_grant g USING murallink.app_user u
    WHERE u.uid = g.app_user_uid AND u.email = 'coordinator.enrollment@example.com';
    PERFORM murallink.authenticate(session_id) FROM murallink.login('admin.enrollment@example.com', 'correct horse');
    PERFORM murallink.grant(place, permission, uid) FROM murallink.app_user WHERE email = 'coordinator.enrollment@example.com';
END
$$;
SELECT uid AS trial_at_north FROM murallink.trial_site WHERE trial_uid = :'trial' AND site_uid = :'north' \gset
INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
SELECT :'al', client_uid, contract_uid, uid FROM murallink.site WHERE uid = :'south';
SELECT jsonb_build_object('trial_uid', :'trial', 'site_uid', :'north') AS here \gset
SELECT pg_temp.grant_alone('view_enrollments', :'trial_at_north');
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT uid IN (:'al', :'bea') AS uid, first_name, last_name, email, enrollment_uid IS NOT NULL AS enrollment, email_enabled, address,
    cardinality(enrollments) AS n, (enrollments[1]).subject_id, (enrollments[1]).status, (enrollments[1]).patient,
    (enrollments[1]).payment_type_uid IS NOT NULL AS payment_type, (((enrollments[1]).trial_site).site).name AS site,
    (((enrollments[1]).trial_site).trial).name AS trial
FROM murallink.get_enrolled(:'trial', :'north') ORDER BY (enrollments[1]).subject_id;
SELECT test.answer('get_enrollments', jsonb_build_object('patient_uid', :'al')) AS get_enrollments,
    test.answer('get_enrolled', :'here' || jsonb_build_object('site_uid', :'south')) AS elsewhere;
RESET SESSION AUTHORIZATION;
BEGIN;
SELECT murallink.authenticate(session_id) FROM murallink.login('admin.enrollment@example.com', 'correct horse');
SELECT murallink.grant(:'south', 'view_patients', :'coordinator');
COMMIT;
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT first_name, (enrollments[1]).subject_id FROM murallink.get_enrolled(:'trial', :'north');
SET SESSION AUTHORIZATION regress_enrollment_admin;
SELECT first_name, last_name, (enrollments[1]).subject_id FROM murallink.get_enrolled(:'trial', :'north');
SELECT jsonb_pretty(regexp_replace(murallink.api(jsonb_build_object('action', 'get_enrolled', 'payload', :'here'::jsonb)) #>> '{payload,0}',
    '"[0-9A-Za-z]{27}"', '"<uid>"', 'g')::jsonb) AS whole;
SELECT changed, test.answer('get_enrolled', :'here' || changed)
FROM (VALUES (jsonb '{"trial_uid": ""}'), ('{"site_uid": null}'), ('{"trial_uid": "x"}'), ('{"site_uid": "000000000000000000000000000"}'),
    ('{"trial_uid": "000000000000000000000000000"}'), ('{"patient_uid": ""}')) AS refused (changed);
SELECT test.answer('get_enrolled', :'here' || jsonb_build_object('site_uid', :'hidden')) AS no_site_of_the_trial;

-- The enrollments of a patient: those that the caller may see, oldest first
SELECT subject_id, status, trial_uid = :'trial' AS trial, site_uid = :'north' AS north, (trial_site).uid = trial_site_uid AS trial_site,
    ((trial_site).site).name AS site, ((trial_site).trial).name AS trial_name, patient
FROM murallink.get_enrollments(:'al');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.grant_alone('view_patients', :'trial');
SELECT session_id AS coordinator_session FROM murallink.login('coordinator.enrollment@example.com', 'correct horse') \gset
SELECT jsonb_path_query_array(murallink.api(jsonb_build_object('action', 'get_enrollments', 'session_id', :'coordinator_session',
    'payload', jsonb_build_object('patient_uid', :'al'))), '$.payload[*].trial_site.trial.name') AS with_the_trial;
SELECT pg_temp.grant_alone('view_patients', :'north');
SELECT jsonb_path_query_array(murallink.api(jsonb_build_object('action', 'get_enrollments', 'session_id', :'coordinator_session',
    'payload', jsonb_build_object('patient_uid', :'al'))), '$.payload[*].trial_site.trial.name') AS with_the_site;
SELECT pg_temp.grant_alone('view_patients', :'south');
SELECT jsonb_path_query_array(murallink.api(jsonb_build_object('action', 'get_enrollments', 'session_id', :'coordinator_session',
    'payload', jsonb_build_object('patient_uid', :'al'))), '$.payload[*].trial_site.trial.name') AS with_a_site_of_neither;
SET SESSION AUTHORIZATION regress_enrollment_coordinator;
SELECT payload, test.answer('get_enrollments', payload)
FROM (VALUES (jsonb '{}'), ('{"patient_uid": ""}'), ('{"patient_uid": "x"}'), ('{"patient_uid": "000000000000000000000000000"}'),
    ('{"uid": ""}')) AS asked (payload);
SELECT test.answer('get_enrollments', jsonb_build_object('patient_uid', :'secret')) AS secret,
    test.answer('get_enrollments', jsonb_build_object('patient_uid', :'bea')) AS bea;
RESET SESSION AUTHORIZATION;
SELECT action, test.answer(action) FROM unnest('{get_enrolled,get_enrollments}'::text[]) AS action;

-- A subject id is one in any case, width and blanks, with any sign for a dash, and has nothing that cannot be seen, also by hand
BEGIN;
UPDATE murallink.enrollment SET subject_id = subject_id || '-1' WHERE trial_uid = :'trial';
SELECT e.subject_id, test.refusal(format('UPDATE murallink.enrollment SET subject_id = %L WHERE uid = %L', spelled, (
    SELECT o.uid FROM murallink.enrollment o WHERE o.trial_uid = e.trial_uid AND o.uid <> e.uid ORDER BY o.created_at LIMIT 1)))
FROM (SELECT * FROM murallink.enrollment WHERE trial_uid = :'trial' ORDER BY created_at LIMIT 1) AS e,
    unnest(ARRAY[lower(e.subject_id), upper(e.subject_id), e.subject_id || ' ', e.subject_id || E'\u200b', translate(e.subject_id, '123', '１２３'),
    replace(e.subject_id, '-', '–'), replace(e.subject_id, '-', U&'\2011')]) AS spelled;
ROLLBACK;

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'coordinator';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_enrollment_%';
DROP ROLE regress_enrollment_admin, regress_enrollment_coordinator;
