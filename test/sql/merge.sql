-- A patient who has two records: they become one, of which nothing is paid twice, and the other exists no more.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
CALL test.begin_day();
SET client_min_messages = warning;
CREATE ROLE regress_merge_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_merge_operator LOGIN IN ROLE murallink_operator;
SELECT email FROM murallink.create_admin('merge.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('merge.admin@example.com', 'regress_merge_admin');
SELECT (now() AT TIME ZONE 'UTC')::date AS today \gset

-- Ann was added at two sites, enrolled in one trial at both and in other trials at one each
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Merger') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Merges', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Both') \gset
SELECT uid AS one_trial FROM murallink.create_trial(contract_uid => :'contract', name => 'One') \gset
SELECT uid AS two_trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Two') \gset
SELECT uid AS a FROM murallink.create_site(trial_uid => :'trial', name => 'Aberdeen') \gset
SELECT uid AS b FROM murallink.create_site(trial_uid => :'trial', name => 'Boston') \gset
SELECT count(murallink.add_trial_site(trial::murallink.ksuid, site::murallink.ksuid))
FROM (VALUES (:'one_trial', :'a'), (:'two_trial', :'b')) AS t (trial, site);
SELECT murallink.add_funding(contract_uid => :'contract', amount => 10000);
SELECT uid AS week_1_a FROM murallink.add_milestone('Week 1', 100, 'USD', :'trial', :'a') \gset
SELECT uid AS week_1_b FROM murallink.add_milestone('Week 1', 70, 'USD', :'trial', :'b') \gset
SELECT uid AS week_2_a FROM murallink.add_milestone('Week 2', 110, 'USD', :'trial', :'a') \gset
SELECT uid AS week_2_b FROM murallink.add_milestone('Week 2', 80, 'USD', :'trial', :'b') \gset
SELECT uid AS diary_a FROM murallink.add_milestone('Diary', 10, 'USD', :'trial', :'a', 3) \gset
SELECT uid AS diary_b FROM murallink.add_milestone('Diary', 7, 'USD', :'trial', :'b', 3) \gset
SELECT uid AS ann FROM murallink.add_patient(site_uid => :'a', first_name => 'Ann', last_name => 'Double', email => 'ann@merge.example.com',
    email_enabled => true, sms_enabled => true, phone => '6105551212', trial_uid => :'trial', subject_id => 'A-1') \gset
SELECT uid AS anna FROM murallink.add_patient(site_uid => :'b', first_name => 'Anna', last_name => 'Double', email => 'anna@merge.example.com',
    email_enabled => true, trial_uid => :'trial', subject_id => 'B-1') \gset
SELECT uid AS other FROM murallink.add_patient(site_uid => :'a', first_name => 'Other', last_name => 'Person', trial_uid => :'trial', subject_id => 'A-2') \gset
SELECT murallink.enroll(:'ann', :'one_trial', :'a', '1'), murallink.enroll(:'anna', :'two_trial', :'b', '1');
SELECT uid AS carer FROM murallink.register_caregiver(:'anna', 'Carl', 'Carer', 'carl@merge.example.com') \gset
SELECT murallink.upload_document(:'anna', filename => 'consent.pdf', data => 'UGVyc29uYWw=');
SELECT murallink.upload_document(caregiver_uid => :'carer', filename => 'proxy.pdf', data => 'UGVyc29uYWw=');
SELECT murallink.upload_document(:'ann', filename => 'consent.pdf', data => 'UGVyc29uYWw=');
SELECT murallink.upload_document(:'anna', filename => 'Visit.pdf', data => 'UGVyc29uYWw=');
SELECT murallink.upload_document(:'ann', filename => 'visit.pdf', data => 'UGVyc29uYWw=');
SELECT description FROM murallink.schedule_appointment((SELECT uid FROM murallink.enrollment WHERE patient_uid = :'anna' AND trial_uid = :'trial'),
    NULL, '2999-01-02T09:00:00', 'Week 9');
SELECT murallink.bulk_email(:'trial', site::murallink.ksuid, 'Hello', 'Hello') FROM unnest(ARRAY[:'a', :'b']) AS site;
-- Diary was paid once to Ann and twice to Anna, Week 1 to Ann; Week 2 to both
SELECT amount FROM murallink.milestone_payment(:'ann', :'diary_a');
SELECT amount FROM murallink.milestone_payment(:'anna', :'diary_b');
SELECT amount FROM murallink.milestone_payment(:'anna', :'diary_b');
SELECT amount FROM murallink.milestone_payment(:'ann', :'week_1_a');
SELECT amount FROM murallink.milestone_payment(:'ann', :'week_2_a');
SELECT uid AS too_much FROM murallink.milestone_payment(:'anna', :'week_2_b') \gset
-- and one of two people has approved what waits
SELECT trial_uid = :'two_trial' AS of_trial FROM murallink.set_approval_rules(trial_uid => :'two_trial',
    tiers => '[{"above": 0, "currency": "USD", "approvers": 2}]', note => 'two people');
SELECT uid AS waits FROM murallink.manual_payment(:'anna', :'two_trial', 3) \gset
SELECT status FROM murallink.approve_payment(:'waits');
RESET SESSION AUTHORIZATION;
SELECT murallink.set_consent(:'anna', 'email', false, 'a letter');

-- What is refused: nobody else than operators; without a reason; what is unknown or the same; and what would be paid twice
SELECT n, caller, test.outcome('regress_merge_' || caller, format('SELECT murallink.merge_patients(%L, %L, %L)', keep, drop, note))
FROM (VALUES
    (1, 'admin', :'ann', :'anna', 'double'), (2, 'operator', :'ann', :'anna', ' '), (3, 'operator', :'ann', :'ann', 'double'),
    (4, 'operator', NULL, :'anna', 'double'), (5, 'operator', :'ann', NULL, 'double'), (6, 'operator', :'a', :'anna', 'double'),
    (7, 'operator', :'ann', :'a', 'double'), (8, 'operator', :'ann', :'anna', 'double')) AS refused (n, caller, keep, drop, note) ORDER BY n;
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT status FROM murallink.reject_payment(:'too_much', 'paid too much');
RESET SESSION AUTHORIZATION;

-- The merge (S33), in each direction
SELECT $$SELECT t.name AS trial, s.name AS site, e.subject_id, e.status, :'today'::date - e.left_on AS days_ago, e.previous_uid IS NOT NULL AS follows,
        e.chain_uid = first_value(e.chain_uid) OVER (PARTITION BY e.trial_uid) AS one_chain, (SELECT n.note FROM murallink.enrollment_note n WHERE n.enrollment_uid = e.uid ORDER BY n.at DESC, n.uid DESC LIMIT 1) AS note
    FROM murallink.enrollment e JOIN murallink.trial t ON t.uid = e.trial_uid JOIN murallink.site s ON s.uid = e.site_uid
    WHERE e.patient_uid = :'kept' ORDER BY t.name, e.left_on NULLS LAST; $$
    || $$SELECT s.name, p.milestone_name, p.occurrence, p.amount, p.status, p.chain_uid = e.chain_uid AS agrees
    FROM murallink.payment p JOIN murallink.site s ON s.uid = p.site_uid JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
    WHERE p.patient_uid = :'kept' ORDER BY p.created_at; $$ AS merged \gset
BEGIN;
SELECT murallink.merge_patients(:'anna', :'ann', 'the other way');
\set kept :anna
:merged
SELECT * FROM murallink.verify_ledger();
ROLLBACK;
BEGIN;
-- An enrollment that is not over goes on, also under the uid that is dropped
SET LOCAL SESSION AUTHORIZATION regress_merge_admin;
SELECT status FROM murallink.set_enrollment_status('dropped', :'trial', :'ann', :'today'::date - 1);
RESET SESSION AUTHORIZATION;
SELECT murallink.merge_patients(:'ann', :'anna', 'only Anna is enrolled');
\set kept :ann
:merged
SELECT * FROM murallink.verify_ledger();
ROLLBACK;
SET SESSION AUTHORIZATION regress_merge_operator;
SELECT murallink.merge_patients(:'ann', :'anna', ' added twice ');
SELECT murallink.merge_patients(:'ann', :'anna', 'added twice');
SELECT uid = :'anna' AS anna, into_uid = :'ann' AS ann, note, merged_by FROM murallink.merged_patient WHERE uid = :'anna';
RESET SESSION AUTHORIZATION;
:merged
SELECT * FROM murallink.verify_ledger();

-- All that she had is hers
SELECT first_name, last_name, email, email_enabled, sms_enabled FROM murallink.patient WHERE last_name = 'Double';
SELECT channel, given, source FROM murallink.consent WHERE patient_uid = :'ann' ORDER BY number;
SELECT s.name FROM murallink.patient_site p JOIN murallink.site s ON s.uid = p.site_uid WHERE p.patient_uid = :'ann' ORDER BY 1;
SELECT c.first_name, c.patient_uid = :'ann' AS hers FROM murallink.caregiver c WHERE c.uid = :'carer';
SELECT filename, caregiver_uid = :'carer' AS of_carer FROM murallink.document WHERE patient_uid = :'ann' ORDER BY created_at;
-- A file that each had, in another spelling, goes on in both
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT murallink.upload_document(:'ann', filename => name, data => 'UGVyc29uYWw=') FROM unnest(ARRAY['Visit.pdf', 'visit.pdf']) AS name;
RESET SESSION AUTHORIZATION;
SELECT a.description, e.patient_uid = :'ann' AS hers FROM murallink.appointment a JOIN murallink.enrollment e ON e.uid = a.enrollment_uid
WHERE a.patient_uid = :'ann';
SELECT kind, channel, count(*) FROM murallink_private.notice WHERE patient_uid = :'ann' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT resource, count(*) FROM murallink.audit_event WHERE changes #>> '{patient_uid,from}' = :'anna' AND changes #>> '{patient_uid,to}' = :'ann'
GROUP BY 1 ORDER BY 1;
SELECT action, changes #>> '{first_name,from}' AS first_name FROM murallink.audit_event WHERE resource_uid = :'anna' AND action = 'deleted';

-- The token of each message ends her consent, and nobody sees one in a table
SELECT count(*), count(*) FILTER (WHERE former) AS former FROM murallink_private.unsubscribe_token WHERE patient_uid = :'ann';
SELECT count(*) AS columns FROM information_schema.columns WHERE table_schema = 'murallink' AND column_name ~ 'token';
BEGIN;
SELECT murallink.unsubscribe(u.token) FROM murallink_private.unsubscribe_token u WHERE u.patient_uid = :'ann' AND NOT u.former;
SELECT email_enabled AS present FROM murallink.patient WHERE uid = :'ann';
ROLLBACK;
BEGIN;
SELECT murallink.unsubscribe(u.token) FROM murallink_private.unsubscribe_token u WHERE u.patient_uid = :'ann' AND u.former;
SELECT email_enabled AS former FROM murallink.patient WHERE uid = :'ann';
ROLLBACK;

-- The old uid is nobody's any more, to anybody
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT action, test.answer(action, jsonb_build_object('patient_uid', :'anna') || more, session_id) FROM (VALUES
    ('get_patient', jsonb '{}'), ('get_enrollments', '{}'), ('get_appointments', '{}'), ('get_caregivers', '{}'),
    ('get_patient_payments', jsonb_build_object('trial_uid', :'trial')), ('manual_payment', jsonb_build_object('trial_uid', :'trial', 'amount', 1)),
    ('milestone_payment', jsonb_build_object('milestone_uid', :'week_1_b')),
    ('enroll', jsonb_build_object('trial_uid', :'trial', 'site_uid', :'b', 'subject_id', '9')),
    ('upload_document', '{"filename": "a.txt", "data": "QQ=="}'), ('register_caregiver', '{"first_name": "X", "last_name": "Y"}'),
    ('set_payment_type', jsonb_build_object('trial_uid', :'trial', 'payment_type_uid', '28LLqy3paByy5jcqpoU9wXuTiYo'))) AS asked (action, more),
    murallink.login('merge.admin@example.com', 'correct horse');
SELECT test.answer('update_patient', jsonb_build_object('uid', :'anna', 'phone', '1'), session_id)
FROM murallink.login('merge.admin@example.com', 'correct horse');
SELECT count(*) FROM murallink.search_patients('Anna Double');
RESET SESSION AUTHORIZATION;
SELECT test.refusal(format('SELECT murallink.set_consent(%L, ''email'', true, ''x'')', :'anna')),
    test.refusal(format('SELECT murallink.merge_patients(%L, %L, ''x'')', :'anna', :'other')),
    test.refusal(format('INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
        SELECT %L, client_uid, contract_uid, uid FROM murallink.site WHERE uid = %L', :'anna', :'a'));

-- Nothing is payable twice; each site pays the visits of its time; another merge takes the first along
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(:'ann', :'trial');
SELECT amount FROM murallink.milestone_payment(:'ann', :'week_1_b');
SELECT amount FROM murallink.milestone_payment(:'ann', :'week_2_b', visit_date => :'today');
SELECT amount FROM murallink.milestone_payment(:'ann', :'diary_a');
RESET SESSION AUTHORIZATION;
SELECT test.outcome('regress_merge_operator', format('SELECT murallink.merge_patients(%L, %L, ''x'')', :'other', :'ann'));
SELECT * FROM murallink.verify_ledger();

-- A part of a visit and its rest are one payment of it, with one number, also if the part does not count any more
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT uid AS parts FROM murallink.create_trial(contract_uid => :'contract', name => 'Parts') \gset
SELECT uid AS parts_a FROM murallink.add_trial_site(:'parts', :'a') \gset
SELECT uid AS visit FROM murallink.add_milestone('Visit', 100, 'USD', :'parts', :'a') \gset
SELECT uid AS call FROM murallink.add_milestone('Call', 10, 'USD', :'parts', :'a', 4) \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'a', first_name => 'Bea', last_name => 'Part', trial_uid => :'parts', subject_id => '1') \gset
SELECT uid AS bee FROM murallink.add_patient(site_uid => :'a', first_name => 'Bee', last_name => 'Part', trial_uid => :'parts', subject_id => '2') \gset
SELECT r.amount FROM murallink.milestone_payment(:'bea', :'visit', 'half', fraction => 0.5) p, murallink.complete_payment(p.uid, 'the rest') r;
SELECT amount FROM murallink.milestone_payment(:'bee', :'call');
SELECT uid AS part FROM murallink.milestone_payment(:'bea', :'call', 'half', fraction => 0.5) \gset
SELECT amount FROM murallink.complete_payment(:'part', 'the rest');
SELECT status FROM murallink.reject_payment(:'part', 'a mistake');
SELECT r.amount FROM murallink.milestone_payment(:'bea', :'call', 'half', fraction => 0.5) p, murallink.complete_payment(p.uid, 'the rest') r;
-- nor are two that were paid milestones of which only one is payable merged, whichever is kept
SELECT murallink.set_exclusive_milestones(:'parts', 'one', '["Visit", "Call"]', 'one of them');
RESET SESSION AUTHORIZATION;
SELECT test.refusal(format('SELECT murallink.merge_patients(%L, %L, ''x'')', :'bea', :'bee')),
    test.refusal(format('SELECT murallink.merge_patients(%L, %L, ''x'')', :'bee', :'bea'));
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT murallink.set_exclusive_milestones(:'parts', 'one', '[]', 'both');
RESET SESSION AUTHORIZATION;
SELECT murallink.merge_patients(:'bea', :'bee', 'added twice');
SELECT milestone_name, occurrence, amount, completes_uid IS NOT NULL AS rest, status FROM murallink.payment WHERE trial_uid = :'parts' ORDER BY created_at;
SELECT * FROM murallink.verify_ledger();
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(:'bea', :'parts');
RESET SESSION AUTHORIZATION;

-- Two records that were enrolled at the same time are one screening: what is paid for each screening is paid once, too
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT uid AS lab FROM murallink.add_milestone('Lab', 20, 'USD', :'parts', :'a', per => 'enrollment') \gset
SELECT uid AS cia FROM murallink.add_patient(site_uid => :'a', first_name => 'Cia', last_name => 'Lab', trial_uid => :'parts', subject_id => '3') \gset
SELECT uid AS cie FROM murallink.add_patient(site_uid => :'a', first_name => 'Cie', last_name => 'Lab', trial_uid => :'parts', subject_id => '4') \gset
SELECT uid AS cia_lab FROM murallink.milestone_payment(:'cia', :'lab') \gset
SELECT uid AS cie_lab FROM murallink.milestone_payment(:'cie', :'lab') \gset
RESET SESSION AUTHORIZATION;
SELECT test.refusal(format('SELECT murallink.merge_patients(%L, %L, ''x'')', :'cia', :'cie'));
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT status FROM murallink.reject_payment(:'cia_lab', 'a mistake');
RESET SESSION AUTHORIZATION;
SELECT murallink.merge_patients(:'cia', :'cie', 'added twice');
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(:'cia', :'parts');
SELECT test.refusal(format('SELECT murallink.milestone_payment(%L, %L)', :'cia', :'lab'));
-- unless one of them failed
SELECT uid AS eva FROM murallink.add_patient(site_uid => :'a', first_name => 'Eva', last_name => 'Lab', trial_uid => :'parts', subject_id => '5') \gset
SELECT uid AS eve FROM murallink.add_patient(site_uid => :'a', first_name => 'Eve', last_name => 'Lab', trial_uid => :'parts', subject_id => '6') \gset
SELECT amount FROM murallink.milestone_payment(:'eva', :'lab');
SELECT amount FROM murallink.milestone_payment(:'eve', :'lab');
SELECT status FROM murallink.set_enrollment_status('screen_failed', :'parts', :'eve');
RESET SESSION AUTHORIZATION;
SELECT murallink.merge_patients(:'eva', :'eve', 'added twice');
SET SESSION AUTHORIZATION regress_merge_admin;
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(:'eva', :'parts');
RESET SESSION AUTHORIZATION;

-- Milestones that exclude one another: paid in one record, or rejected, they do not matter; of those for each screening, only the same one
-- does, and of two kinds the later one decides
SET SESSION AUTHORIZATION regress_merge_admin;
CREATE TEMP TABLE blood AS
SELECT m.milestone AS name, m.uid FROM (VALUES ('Urine', 'enrollment'), ('Blood', 'person'), ('Scan', 'enrollment')) AS added (name, per),
    LATERAL murallink.add_milestone(name, 5, 'USD', :'parts', :'a', per => per) AS m
UNION ALL VALUES ('Visit', :'visit'::murallink.ksuid), ('Call', :'call'), ('Lab', :'lab');
CREATE TEMP TABLE twin AS
SELECT n, who, p.uid FROM generate_series(1, 6) AS n, unnest('{keep,drop}'::text[]) AS who,
    LATERAL murallink.add_patient(site_uid => :'a', first_name => who, last_name => 'Twin', trial_uid => :'parts', subject_id => who || n) AS p;
PREPARE pay(text[]) AS
SELECT n, who, what, p.amount FROM unnest($1) WITH ORDINALITY AS paid (entry, n)
    CROSS JOIN LATERAL (SELECT split_part(entry, ' ', 1) AS who, split_part(entry, ' ', 2) AS what) AS e
    JOIN twin USING (n, who) JOIN blood ON blood.name = what CROSS JOIN LATERAL murallink.milestone_payment(twin.uid, blood.uid) AS p ORDER BY n;
EXECUTE pay('{keep Visit,keep Visit,keep Visit,keep Lab,keep Lab,keep Blood}');
EXECUTE pay('{keep Call,drop Call,drop Call,drop Urine,drop Urine,drop Scan}');
SELECT n, p.milestone_name, (murallink.reject_payment(p.uid, 'a mistake')).status FROM murallink.payment p JOIN twin ON twin.uid = p.patient_uid
WHERE (n, who) IN ((2, 'keep'), (3, 'drop')) ORDER BY n;
SELECT n, (murallink.set_enrollment_status('screen_failed', :'parts', uid)).status FROM twin WHERE who = 'drop' AND n IN (4, 6) ORDER BY n;
SELECT murallink.set_exclusive_milestones(:'parts', name, codes, 'one of them')
FROM (VALUES ('one', '["Visit", "Call"]'::jsonb), ('two', '["Lab", "Urine"]'), ('three', '["Blood", "Scan"]')) AS groups (name, codes);
RESET SESSION AUTHORIZATION;
SELECT n, test.refusal(format('SELECT murallink.merge_patients(%L, %L, ''x'')', k.uid, d.uid))
FROM twin k JOIN twin d USING (n) WHERE (k.who, d.who) = ('keep', 'drop') ORDER BY n;
SELECT * FROM murallink.verify_ledger();
DROP TABLE twin, blood;
UPDATE murallink.app_user SET db_role = NULL WHERE db_role ~ '^regress_merge_';
DROP ROLE regress_merge_admin, regress_merge_operator;
