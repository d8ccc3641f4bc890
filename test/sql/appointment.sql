-- Appointments: when they are, whose, who makes and sees them.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_appointment_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_appointment_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.appointment@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS user FROM murallink.register('user.appointment@example.com', 'correct horse', 'Cora', 'Coordinator') \gset
SELECT murallink.set_db_role(name || '.appointment@example.com', 'regress_appointment_' || name)
FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_appointment_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Appointments') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Appointments', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS other_trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Other') \gset
SELECT uid AS north FROM murallink.create_site(trial_uid => :'trial', name => 'North', time_zone => 'America/New_York') \gset
SELECT uid AS nowhere FROM murallink.create_site(trial_uid => :'trial', name => 'Nowhere') \gset
SELECT uid IS NOT NULL AS associated FROM murallink.add_trial_site(:'other_trial', :'north');
SELECT uid AS al FROM murallink.add_patient(site_uid => :'north', first_name => 'Al', last_name => 'Patient', time_zone => 'Europe/Berlin') \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'north', first_name => 'Bea', last_name => 'Patient') \gset
SELECT uid AS cy FROM murallink.add_patient(site_uid => :'nowhere', first_name => 'Cy', last_name => 'Patient') \gset
SELECT uid AS none FROM murallink.add_patient(site_uid => :'north', first_name => 'None', last_name => 'Patient') \gset
SELECT murallink.enroll(:'al', :'trial', :'north', 'AP-1'), murallink.enroll(:'bea', :'trial', :'north', 'AP-2'),
    murallink.enroll(:'cy', :'trial', :'nowhere', 'AP-3');
RESET SESSION AUTHORIZATION;
SELECT uid AS al_enrolled FROM murallink.enrollment WHERE patient_uid = :'al' \gset

-- The document's own example; the clock is the patient's, else the site's, else UTC
SET SESSION AUTHORIZATION regress_appointment_admin;
SELECT jsonb_pretty(regexp_replace((answer -> 'payload')::text, '"[0-9A-Za-z]{27}"', '"<uid>"', 'g')::jsonb) AS payload,
    answer #>> '{payload,patient_uid}' = :'al' AS of_patient, answer #>> '{payload,enrollment_uid}' = :'al_enrolled' AS of_enrollment
FROM murallink.api(jsonb_build_object('action', 'schedule_appointment', 'payload', jsonb_build_object(
    'patient_uid', :'al', 'datetime', '2122-08-15T20:30:00', 'description', 'Visit 03'))) AS answer;
SELECT datetime, description FROM murallink.schedule_appointment(patient_uid => :'bea', datetime => '2122-08-15T20:30:00');
SELECT datetime, description FROM murallink.schedule_appointment(patient_uid => :'cy', datetime => '2122-08-15T20:30:00', description => ' x ');
RESET SESSION AUTHORIZATION;
SELECT p.first_name, a.at, a.local_time, a.time_zone, a.status,
    (a.client_uid, a.contract_uid, a.trial_uid, a.site_uid, a.patient_uid) = (e.client_uid, e.contract_uid, e.trial_uid, e.site_uid, e.patient_uid)
    AS placed
FROM murallink.appointment a JOIN murallink.patient p ON p.uid = a.patient_uid JOIN murallink.enrollment e ON e.uid = a.enrollment_uid
WHERE a.contract_uid = :'contract' ORDER BY p.first_name;

-- An hour that the clock skips is none, of one that it repeats the second is meant
SET SESSION AUTHORIZATION regress_appointment_admin;
SELECT datetime AS tried, test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'bea', 'datetime', datetime))
FROM (VALUES ('2035-03-11T01:59:59'), ('2035-03-11T02:00:00'), ('2035-03-11T02:59:59'), ('2035-03-11T03:00:00'), ('2035-11-04T01:30:00'),
    ('2036-02-29T00:00:00'), ('9999-12-31T23:59:59')) AS at (datetime);
RESET SESSION AUTHORIZATION;
SELECT at, local_time FROM murallink.appointment WHERE patient_uid = :'bea' AND at < '2100-01-01' ORDER BY at;

-- What is no such moment
SET SESSION AUTHORIZATION regress_appointment_admin;
SELECT value, test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'al', 'datetime', value))
FROM (VALUES
    (jsonb 'null'), ('""'), ('1'), ('{}'), ('"2122-08-15"'), ('"2122-08-15 20:30:00"'), ('"2122-08-15T20:30"'), ('"2122-08-15T20:30:00Z"'),
    ('"2122-08-15T20:30:00+02:00"'), ('"2122-08-15T20:30:00.5"'), ('"2122-08-15T24:00:00"'), ('"2122-08-15T23:60:00"'),
    ('"2122-08-15T23:59:60"'), ('"2122-02-30T20:30:00"'), ('"2122-13-01T20:30:00"'), ('"0000-01-01T00:00:00"'), ('"12122-01-01T00:00:00"'),
    ('"2022-08-15T20:30:00"'), ('"tomorrow"'), ('"infinity"'), ('"2122-08-15T20:30:00\n"'), ('"٢١٢٢-08-15T20:30:00"')) AS wrong (value);
SELECT test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'al')) AS no_datetime,
    test.answer('schedule_appointment', '{"datetime": "2122-08-16T20:30:00"}') AS nobody;
SELECT test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'al', 'datetime', '2122-08-16T20:30:00',
    'description', description)) FROM (VALUES (repeat('ß', 1001)), (E'\x07')) AS wrong (description);

-- The same again is refused, by the moment; another time is another appointment
SELECT test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'al', 'datetime', '2122-08-15T20:30:00')) AS again,
    test.answer('schedule_appointment', jsonb_build_object('enrollment_uid', :'al_enrolled', 'datetime', '2122-08-15T20:30:00')) AS by_enrollment,
    test.answer('schedule_appointment', jsonb_build_object('enrollment_uid', :'al_enrolled', 'datetime', '2122-08-15T20:30:01')) AS later;

-- Whose: one who takes part in several trials is named by the enrollment; one whose part is over only so
SELECT test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'bea', 'enrollment_uid', :'al_enrolled', 'datetime', '2122-08-17T09:00:00'))
    AS another_patient, test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'none', 'datetime', '2122-08-17T09:00:00'))
    AS not_enrolled, test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'trial', 'datetime', '2122-08-17T09:00:00'))
    AS no_patient, test.answer('schedule_appointment', jsonb_build_object('enrollment_uid', :'al', 'datetime', '2122-08-17T09:00:00'))
    AS no_enrollment;
SELECT murallink.enroll(:'al', :'other_trial', :'north', 'AP-1');
SELECT test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'al', 'datetime', '2122-08-17T09:00:00')) AS two_trials,
    test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'al', 'enrollment_uid', :'al_enrolled', 'datetime', '2122-08-17T09:00:00'))
    AS named;
SELECT (murallink.set_enrollment_status('completed', :'other_trial', :'al')).status;
SELECT enrollment_uid = :'al_enrolled' AS the_other FROM murallink.schedule_appointment(patient_uid => :'al', datetime => '2122-08-18T09:00:00');
SELECT (murallink.set_enrollment_status('dropped', :'trial', :'al')).status;
SELECT test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'al', 'datetime', '2122-08-19T09:00:00')) AS over,
    test.answer('schedule_appointment', jsonb_build_object('enrollment_uid', :'al_enrolled', 'datetime', '2122-08-19T09:00:00')) AS named;

-- Who may, and what one who may not gets to know: a trial that is hidden does not count
RESET SESSION AUTHORIZATION;
SELECT test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'bea', 'datetime', '2122-08-20T09:00:00')) AS nobody;
CREATE TEMP TABLE patient AS SELECT patient_uid AS patient, uid AS enrollment FROM murallink.enrollment WHERE patient_uid = :'bea';
SELECT uid AS trial_site FROM murallink.trial_site WHERE trial_uid = :'trial' AND site_uid = :'north' \gset
GRANT SELECT ON pg_temp.patient TO PUBLIC;
CREATE FUNCTION pg_temp.tried(at text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(', ', test.answer('schedule_appointment', jsonb_build_object('patient_uid', p.patient, 'datetime', '2122-08-20T' || at)),
        test.answer('schedule_appointment', jsonb_build_object('enrollment_uid', p.enrollment, 'datetime', '2122-08-21T' || at)))
    FROM pg_temp.patient p
$$;
SET SESSION AUTHORIZATION regress_appointment_user;
SELECT pg_temp.tried('09:00:00') AS stranger;
SET SESSION AUTHORIZATION regress_appointment_admin;
SELECT murallink.grant(:'trial_site', 'view_patients', :'user');
SELECT murallink.enroll(:'bea', :'other_trial', :'north', 'AP-2');
SET SESSION AUTHORIZATION regress_appointment_user;
SELECT pg_temp.tried('09:00:00') AS may_only_look;
SET SESSION AUTHORIZATION regress_appointment_admin;
SELECT murallink.grant(:'trial_site', 'create_appointment', :'user');
SET SESSION AUTHORIZATION regress_appointment_user;
SELECT pg_temp.tried('09:00:00') AS may;
SET SESSION AUTHORIZATION regress_appointment_admin;
SELECT pg_temp.tried('10:00:00') AS sees_both_trials;

-- Lists and row level security show what is permitted
SELECT datetime, description FROM murallink.get_appointments(patient_uid => :'al');
SELECT count(*) FROM murallink.get_appointments(enrollment_uid => :'al_enrolled');
SELECT count(*) AS of_another FROM murallink.get_appointments(patient_uid => :'bea', enrollment_uid => :'al_enrolled');
SELECT test.answer('get_appointments'), test.answer('get_appointments', jsonb_build_object('patient_uid', :'trial'));
SET SESSION AUTHORIZATION regress_appointment_user;
SELECT count(*) AS of_al FROM murallink.get_appointments(patient_uid => :'al');
SELECT count(*) AS of_bea FROM murallink.get_appointments(patient_uid => :'bea');
SELECT test.answer('get_appointments', jsonb_build_object('patient_uid', :'cy')) AS hidden_patient,
    test.answer('get_appointments', jsonb_build_object('enrollment_uid', :'trial')) AS no_enrollment;
SELECT count(DISTINCT patient_uid) AS patients, count(DISTINCT trial_uid) AS trials FROM murallink.appointment;
SELECT count(*) > 0 AS audited, bool_and(action = 'created' AND site_uid = :'north') AS at_site
FROM murallink.audit_event WHERE resource = 'appointment';
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user' AND permission = 'view_patients';
SET SESSION AUTHORIZATION regress_appointment_user;
SELECT count(*) AS without_view_patients FROM murallink.appointment;
SELECT count(*) AS without_view_patients FROM murallink.audit_event WHERE resource = 'appointment';
SELECT test.answer('get_appointments', jsonb_build_object('patient_uid', patient)),
    test.answer('get_appointments', jsonb_build_object('enrollment_uid', enrollment)) FROM pg_temp.patient;

-- Moving: to a time at which one could be scheduled, in the time zone that holds now
RESET SESSION AUTHORIZATION;
SELECT uid AS first, to_char(local_time, 'YYYY-MM-DD"T"HH24:MI:SS') AS first_time
FROM murallink.appointment WHERE patient_uid = :'bea' AND trial_uid = :'trial' ORDER BY at LIMIT 1 \gset
SELECT uid AS hidden FROM murallink.appointment WHERE patient_uid = :'cy' \gset
SELECT test.answer('move_appointment', jsonb_build_object('appointment_uid', :'first', 'datetime', '2035-05-01T10:00:00')) AS nobody;
UPDATE murallink.patient SET time_zone = 'Asia/Tokyo' WHERE uid = :'bea';
SET SESSION AUTHORIZATION regress_appointment_user;
-- the audit has it in ISO 8601, whatever the session's settings
SET DateStyle = 'SQL, DMY';
SELECT datetime FROM murallink.move_appointment(:'first', '2035-05-01T10:00:00');
SET DateStyle = 'ISO';
SELECT datetime AS not_moved FROM murallink.move_appointment(:'first', '2035-05-01T10:00:00');
SELECT test.answer('move_appointment', jsonb_build_object('appointment_uid', uid, 'datetime', datetime))
FROM (VALUES (:'hidden', '2035-05-02T10:00:00'), ('', '2035-05-02T10:00:00'), (:'bea', '2035-05-02T10:00:00'), (:'first', ''),
    (:'first', '2035-05-02'), (:'first', '2001-05-02T10:00:00')) AS refused (uid, datetime);
RESET SESSION AUTHORIZATION;
SELECT at, local_time, time_zone, moves FROM murallink.appointment WHERE uid = :'first';
SELECT action, changes - 'at' AS changes FROM murallink.audit_event WHERE resource = 'appointment' AND resource_uid = :'first' AND changes ? 'moves';
UPDATE murallink.patient SET time_zone = '' WHERE uid = :'bea';
SELECT to_char(local_time, 'YYYY-MM-DD"T"HH24:MI:SS') AS taken FROM murallink.appointment
WHERE patient_uid = :'bea' AND trial_uid = :'trial' AND status = 'scheduled' AND uid <> :'first' ORDER BY at LIMIT 1 \gset
SET SESSION AUTHORIZATION regress_appointment_user;
SELECT test.answer('move_appointment', jsonb_build_object('appointment_uid', :'first', 'datetime', :'taken')) AS taken;
SELECT datetime = :'first_time' AS back FROM murallink.move_appointment(:'first', :'first_time');
RESET SESSION AUTHORIZATION;

-- Cancelling
SELECT test.answer('cancel_appointment', jsonb_build_object('appointment_uid', :'first')) AS nobody;
SET SESSION AUTHORIZATION regress_appointment_user;
SELECT datetime FROM murallink.cancel_appointment(:'first');
SELECT test.answer('cancel_appointment', jsonb_build_object('appointment_uid', uid))
FROM (VALUES (:'first'), (:'hidden'), (''), (:'bea')) AS refused (uid);
SELECT test.answer('move_appointment', jsonb_build_object('appointment_uid', :'first', 'datetime', '2035-05-01T10:00:00')) AS cancelled;
SELECT test.answer('schedule_appointment', jsonb_build_object('enrollment_uid', enrollment, 'datetime', '2035-03-11T01:59:59')) AS free_again
FROM pg_temp.patient;

-- It is never changed otherwise, nor deleted
RESET SESSION AUTHORIZATION;
SELECT assignment, test.refusal(format('UPDATE murallink.appointment SET %s WHERE uid = %L', assignment, :'hidden')) FROM (VALUES
    ('at = now()'), ('local_time = now()'), ('moves = 7'), ('description = ''y'''), ('patient_uid = client_uid')) AS tried (assignment);
SELECT test.refusal(format('UPDATE murallink.appointment SET status = ''scheduled'' WHERE uid = %L', :'first'));
SELECT test.refusal('DELETE FROM murallink.appointment'), test.refusal('TRUNCATE murallink.appointment CASCADE');

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_appointment_%';
DROP ROLE regress_appointment_admin, regress_appointment_user;
