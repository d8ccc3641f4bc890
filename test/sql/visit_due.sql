-- When visits are due, whether they are kept, and what is to come.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_due_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_due_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.due@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS user FROM murallink.register('user.due@example.com', 'correct horse', 'Cora', 'Coordinator') \gset
SELECT murallink.set_db_role(name || '.due@example.com', 'regress_due_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_due_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Due') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Due', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial', protocol_id => 'P-DUE') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site', time_zone => 'America/New_York') \gset
SELECT murallink.add_funding(:'contract', 1000);
SELECT (murallink.add_milestone(name, price, 'USD', :'trial', :'site', often, code => code)).code
FROM (VALUES ('Week 1', 10, 1, 'V1'), ('Week 2', 20, 1, 'V2'), ('Diary', 5, 3, 'D')) AS m (name, price, often, code);
SELECT uid AS al FROM murallink.add_patient(site_uid => :'site', first_name => 'Al', last_name => 'Patient') \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'site', first_name => 'Bea', last_name => 'Patient') \gset
SELECT murallink.enroll(:'al', :'trial', :'site', 'D-1'), murallink.enroll(:'bea', :'trial', :'site', 'D-2');

-- The day of a visit is set by name or code, the last word counts, and nothing is one, too
SELECT code, due_after, due_window, note FROM murallink.set_visit_due(:'trial', 'week  1', 7, 2, 'protocol');
SELECT code, due_after, due_window, note FROM murallink.set_visit_due(:'trial', 'v2', 0);
SELECT code, due_after, due_window FROM murallink.set_visit_due(:'trial', 'V2', 14, 3);
SELECT code, due_after, due_window FROM murallink.set_visit_due(:'trial', 'D', 1);
SELECT code, due_after, due_window FROM murallink.set_visit_due(:'trial', 'D', due_window => 4);
SELECT wrong, test.answer('set_visit_due', jsonb_build_object('trial_uid', :'trial', 'milestone', 'V1', 'due_after', 7) || wrong)
FROM (VALUES (jsonb '{"milestone": "V3"}'), ('{"milestone": ""}'), ('{"due_after": -1}'), ('{"due_after": 36501}'), ('{"due_window": -1}'),
    ('{"due_window": 3651}'), ('{"due_after": 1.5}'), ('{"trial_uid": ""}')) AS w (wrong);

-- What is expected: each visit that was not requested yet, from the day of the enrollment
CREATE FUNCTION pg_temp.expected(OUT subject_id text, OUT code text, OUT amount numeric, OUT days integer, OUT early integer, OUT late integer,
    OUT state text) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT e.subject_id, v.code, v.amount, v.due_on - (e.created_at AT TIME ZONE 'UTC')::date, v.due_on - v.earliest, v.latest - v.due_on, v.state
    FROM murallink.expected_visit v JOIN murallink.enrollment e ON e.uid = v.enrollment_uid WHERE v.trial_uid = e.trial_uid ORDER BY 1, 2
$$;
SELECT * FROM pg_temp.expected() WHERE subject_id LIKE 'D-%';
SELECT amount FROM murallink.milestone_payment(:'bea', (SELECT uid FROM murallink.payment_schedule WHERE trial_uid = :'trial' AND code = 'V1'));
SELECT * FROM pg_temp.expected() WHERE subject_id LIKE 'D-%';

-- An appointment names the milestone that it reaches
SELECT description, status, milestone_code FROM murallink.schedule_appointment(
    patient_uid => :'al', datetime => '2999-01-01T09:00:00', description => 'first', milestone => 'week 1');
SELECT * FROM pg_temp.expected() WHERE subject_id = 'D-1';
SELECT test.answer('schedule_appointment', jsonb_build_object('patient_uid', :'al', 'datetime', '2999-01-02T09:00:00', 'milestone', 'V3')) AS unknown;
RESET SESSION AUTHORIZATION;
SELECT uid AS to_come FROM murallink.appointment WHERE patient_uid = :'al' \gset
SELECT uid AS al_enrolled FROM murallink.enrollment WHERE patient_uid = :'al' \gset
-- Today at midnight and yesterday, at the site
INSERT INTO murallink.appointment (enrollment_uid, at, local_time, time_zone, description)
SELECT :'al_enrolled', local AT TIME ZONE 'America/New_York', local, 'America/New_York', name
FROM (VALUES ('yesterday', date_trunc('day', clock_timestamp() AT TIME ZONE 'America/New_York') - interval '1 day'),
    ('tonight', date_trunc('day', clock_timestamp() AT TIME ZONE 'America/New_York') + interval '23 h 59 min 59 s')) AS t (name, local);
SELECT uid AS yesterday FROM murallink.appointment WHERE patient_uid = :'al' AND description = 'yesterday' \gset
SELECT uid AS tonight FROM murallink.appointment WHERE patient_uid = :'al' AND description = 'tonight' \gset
SET SESSION AUTHORIZATION regress_due_admin;

-- It is kept from its day on, and missed once it is over; each corrects the other, and none comes back
SELECT name, status, test.answer('set_appointment_status', jsonb_build_object('appointment_uid', uid, 'status', status))
FROM (VALUES ('to come', :'to_come', 'kept'), ('to come', :'to_come', 'missed'), ('tonight', :'tonight', 'missed'), ('tonight', :'tonight', 'kept'),
    ('yesterday', :'yesterday', 'missed'), ('yesterday', :'yesterday', 'kept'), ('yesterday', :'yesterday', 'scheduled'),
    ('yesterday', :'yesterday', 'cancelled'), ('yesterday', :'yesterday', ''), ('yesterday', :'trial', 'kept')) AS t (name, uid, status);
SELECT test.answer('cancel_appointment', jsonb_build_object('appointment_uid', :'yesterday')) AS cancel,
    test.answer('move_appointment', jsonb_build_object('appointment_uid', :'yesterday', 'datetime', '2999-01-02T09:00:00')) AS move,
    test.answer('set_appointment_status', jsonb_build_object('appointment_uid', :'yesterday', 'status', 'kept', 'milestone', 'V3')) AS unknown;
SELECT status FROM murallink.cancel_appointment(:'to_come');
SELECT test.answer('set_appointment_status', jsonb_build_object('appointment_uid', :'to_come', 'status', 'kept')) AS cancelled;
SELECT description, status FROM murallink.get_appointments(:'al') ORDER BY description;

-- What was kept is owed once it names a milestone, as often as that is paid, until it is requested
SELECT milestone_code, milestone_name, state, amount, payment_uid, days FROM murallink.owed WHERE enrollment_uid = :'al_enrolled';
SELECT description, status, milestone_code FROM murallink.set_appointment_status(:'yesterday', 'kept', 'week 2');
SELECT description, status, milestone_code FROM murallink.set_appointment_status(:'tonight', 'kept', 'v2');
SELECT milestone_code, milestone_name, state, amount, payment_uid, appointment_uid = :'yesterday' AS yesterday, days >= 0 AS past
FROM murallink.owed WHERE enrollment_uid = :'al_enrolled';
SELECT * FROM pg_temp.expected() WHERE subject_id = 'D-1';
SELECT description, status, milestone_code FROM murallink.set_appointment_status(:'tonight', 'kept', 'D');
SELECT milestone_code, amount FROM murallink.owed WHERE enrollment_uid = :'al_enrolled' ORDER BY 1;
SELECT p.status FROM murallink.milestone_payment(:'al', (SELECT uid FROM murallink.payment_schedule WHERE trial_uid = :'trial' AND code = 'V2')) AS p;
SELECT milestone_code, state, amount, payment_uid IS NOT NULL AS requested FROM murallink.owed WHERE enrollment_uid = :'al_enrolled' ORDER BY 1;
RESET SESSION AUTHORIZATION;
SELECT resource, changes -> 'status' AS status, changes -> 'milestone_code' AS milestone FROM murallink.audit_event
WHERE resource_uid = :'yesterday' AND action = 'changed' ORDER BY at, uid;

-- The rules stand against every statement
SELECT statement, test.refusal(format(statement, :'yesterday')) FROM unnest(ARRAY[
    'UPDATE murallink.appointment SET status = ''scheduled'' WHERE uid = %L', 'UPDATE murallink.appointment SET status = ''cancelled'' WHERE uid = %L',
    'UPDATE murallink.appointment SET local_time = local_time + interval ''1 day'' WHERE uid = %L',
    'UPDATE murallink.appointment SET milestone_code = '' '' WHERE uid = %L']) AS statement;

-- Who sees it: the forecast needs all three, and appointments are of those who see patients
SET SESSION AUTHORIZATION regress_due_admin;
SELECT murallink.grant(:'trial', permission::text, :'user') FROM unnest('{view_enrollments,view_payment_schedule}'::text[]) AS permission;
SET SESSION AUTHORIZATION regress_due_user;
SELECT * FROM pg_temp.expected();
SELECT code, due_after FROM murallink.visit_due ORDER BY created_at;
SELECT test.answer('set_visit_due', jsonb_build_object('trial_uid', :'trial', 'milestone', 'V1', 'due_after', 7)) AS set;
SET SESSION AUTHORIZATION regress_due_admin;
SELECT murallink.grant(:'trial', 'view_payments', :'user');
SET SESSION AUTHORIZATION regress_due_user;
SELECT * FROM pg_temp.expected();
SELECT state, count(*) FROM murallink.owed GROUP BY state ORDER BY state;
RESET SESSION AUTHORIZATION;
SELECT statement, test.refusal('SET LOCAL ROLE murallink_owner; ' || statement) FROM unnest(ARRAY[
    'UPDATE murallink.visit_due SET due_after = 1', 'DELETE FROM murallink.visit_due', 'TRUNCATE murallink.visit_due']) AS statement;
-- A visit that another system has reported is owed, too, until it is paid, and once if there is a kept appointment of it
SET SESSION AUTHORIZATION regress_due_admin;
SELECT v.state FROM murallink.visit_done('ctms', 'due 1', protocol_id => 'P-DUE', subject_id => 'D-2', visit_code => 'V2', visit_date => current_date) v;
SELECT milestone_code, state, amount, visit_uid IS NOT NULL AS reported FROM murallink.owed WHERE trial_uid = :'trial' ORDER BY 1, 2;
RESET SESSION AUTHORIZATION;
INSERT INTO murallink.appointment (enrollment_uid, at, local_time, time_zone, milestone_code, status)
SELECT uid, local AT TIME ZONE 'UTC', local, 'UTC', 'v2', 'kept' FROM murallink.enrollment,
    LATERAL (SELECT current_date + interval '1 min' AS local) AS t WHERE trial_uid = :'trial' AND patient_uid = :'bea';
SET SESSION AUTHORIZATION regress_due_admin;
SELECT milestone_code, state, amount, visit_uid IS NOT NULL AS reported FROM murallink.owed WHERE trial_uid = :'trial' AND milestone_code = 'V2' ORDER BY 1, 2;
SELECT p.status FROM murallink.milestone_payment(:'bea', (SELECT uid FROM murallink.payment_schedule WHERE trial_uid = :'trial' AND code = 'V2')) p;
SELECT milestone_code, state, amount, visit_uid IS NOT NULL AS reported FROM murallink.owed WHERE trial_uid = :'trial' AND milestone_code = 'V2' ORDER BY 1, 2;
RESET SESSION AUTHORIZATION;
-- However often one visit is reported, and whichever day an appointment has, no more is owed than can be paid; and at the price that is paid
SET SESSION AUTHORIZATION regress_due_admin;
SELECT uid AS cy FROM murallink.add_patient(site_uid => :'site', first_name => 'Cy', last_name => 'Patient') \gset
SELECT murallink.enroll(:'cy', :'trial', :'site', 'D-3');
SELECT count(murallink.add_milestone(name, price, 'USD', :'trial', :'site', often, code => code, effective_date => from_day::murallink.moment))
FROM (VALUES ('Week 1', 500, 1, 'V1', '2090-01-01'), ('Diary', 7, 3, 'D', '2090-01-01')) AS m (name, price, often, code, from_day);
RESET SESSION AUTHORIZATION;
INSERT INTO murallink.appointment (enrollment_uid, at, local_time, time_zone, milestone_code, status)
SELECT uid, local AT TIME ZONE 'UTC', local, 'UTC', code, 'kept' FROM murallink.enrollment,
    LATERAL (VALUES (current_date - 1 + interval '9 h', 'V1'), (current_date - 1 + interval '9 h', 'D')) AS t (local, code)
WHERE trial_uid = :'trial' AND patient_uid = :'cy';
SET SESSION AUTHORIZATION regress_due_admin;
SELECT array_agg(v.state) AS states FROM (VALUES (1, 'V1', 1, 0), (2, 'V1', 1, 0), (3, 'D', 1, 1), (4, 'D', 2, 0), (5, 'D', 2, 0), (6, 'V2', 1, 1)) AS r (n, code, repeat, ago),
    LATERAL murallink.visit_done('ctms', 'due 3.' || n, protocol_id => 'P-DUE', subject_id => 'D-3', visit_code => code,
        visit_date => current_date - ago, repeat => repeat) v;
SELECT o.milestone_code, o.amount, current_date - o.visit_date AS days_ago, CASE WHEN o.visit_uid IS NOT NULL THEN o.days END AS days_of_reported
FROM murallink.owed o JOIN murallink.enrollment e ON e.uid = o.enrollment_uid WHERE e.subject_id = 'D-3' AND o.trial_uid = :'trial' ORDER BY 1, 3 DESC;
SELECT p.amount FROM murallink.milestone_payment(:'cy', (SELECT uid FROM murallink.payment_schedule WHERE trial_uid = :'trial' AND code = 'D')) p;
SELECT o.milestone_code, o.state, o.amount, current_date - o.visit_date AS days_ago, o.visit_uid IS NOT NULL AS reported
FROM murallink.owed o JOIN murallink.enrollment e ON e.uid = o.enrollment_uid WHERE e.subject_id = 'D-3' AND o.trial_uid = :'trial' ORDER BY 1, 2, 4 DESC;
-- where the trial prices by visit, at the price of its day
SELECT price_by FROM murallink.set_pricing(:'trial', 'visit', note => 'the protocol');
SELECT (murallink.add_milestone('Week 1', 10, 'USD', :'trial', :'site', code => 'V1', effective_date => (current_date - 3)::text::murallink.moment)).amount;
SELECT (murallink.add_milestone('Week 1', 12, 'USD', :'trial', :'site', code => 'V1', effective_date => current_date::text::murallink.moment)).amount;
SELECT o.milestone_code, o.amount FROM murallink.owed o JOIN murallink.enrollment e ON e.uid = o.enrollment_uid
WHERE e.subject_id = 'D-3' AND o.trial_uid = :'trial' AND o.milestone_code = 'V1';
RESET SESSION AUTHORIZATION;
