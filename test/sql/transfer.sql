-- A patient who moves to another site of the trial: who pays which visit at which price, and that nothing is paid twice.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
CALL test.begin_day();
SET client_min_messages = warning;
CREATE ROLE regress_move_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_move_old LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_move_new LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_move_both LOGIN IN ROLE murallink_client;
CREATE ROLE regress_move_none LOGIN IN ROLE murallink_client;


-- The indexes that a plan takes, if it has to
CREATE FUNCTION pg_temp.indexes(query text) RETURNS SETOF text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        RETURN QUERY SELECT (regexp_match(line, '(BitmapOr|Index Scan on \w+)'))[1] WHERE line ~ 'BitmapOr|Index Scan';
    END LOOP;
END
$$;

-- A trial at three sites with other prices, and the people: of the old site, of the new one, one of both, and one of neither
SELECT email FROM murallink.create_admin('move.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT (murallink.register('move.old@example.com', 'correct horse', 'Olga', 'Old')).uid AS old,
    (murallink.register('move.new@example.com', 'correct horse', 'Nora', 'New')).uid AS new,
    (murallink.register('move.both@example.com', 'correct horse', 'Bob', 'Both')).uid AS both,
    (murallink.register('move.none@example.com', 'correct horse', 'Nick', 'None')).uid AS none \gset
SELECT murallink.set_db_role('move.' || name || '@example.com', 'regress_move_' || name)
FROM unnest('{admin,old,new,both,none}'::text[]) AS name;
SELECT (now() AT TIME ZONE 'UTC')::date AS today \gset
SET SESSION AUTHORIZATION regress_move_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Mover') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Moves', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Moving') \gset
SELECT uid AS other_trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Other') \gset
SELECT uid AS a FROM murallink.create_site(trial_uid => :'trial', name => 'Aberdeen') \gset
SELECT uid AS b FROM murallink.create_site(trial_uid => :'trial', name => 'Boston') \gset
SELECT uid AS c FROM murallink.create_site(trial_uid => :'trial', name => 'Chicago') \gset
SELECT uid AS elsewhere FROM murallink.create_site(contract_uid => :'contract', name => 'Elsewhere') \gset
SELECT murallink.add_funding(contract_uid => :'contract', amount => 10000);
SELECT count(murallink.grant(site::murallink.ksuid, permission, person::murallink.ksuid))
FROM (VALUES (:'a', :'old'), (:'b', :'new'), (:'a', :'both'), (:'b', :'both')) AS at (site, person),
    unnest('{add_patient,view_patients,enroll,view_enrollments,set_enrollment_status,set_payment_type,milestone_payment,manual_payment,
        view_payments,approve_payments,create_appointment}'::text[]) AS permission;
SELECT uid AS week_1_a FROM murallink.add_milestone('Week 1', 100, 'USD', :'trial', :'a') \gset
SELECT uid AS week_1_b FROM murallink.add_milestone('week 1', 70, 'USD', :'trial', :'b') \gset
SELECT uid AS week_2_a FROM murallink.add_milestone('Week 2', 110, 'USD', :'trial', :'a') \gset
SELECT uid AS week_2_b FROM murallink.add_milestone('Week 2', 80, 'USD', :'trial', :'b') \gset
SELECT uid AS diary_a FROM murallink.add_milestone('Diary', 10, 'USD', :'trial', :'a', 3) \gset
SELECT uid AS diary_b FROM murallink.add_milestone('Diary', 7, 'USD', :'trial', :'b', 3) \gset
SELECT uid AS diary_c FROM murallink.add_milestone('Diary', 5, 'USD', :'trial', :'c', 4) \gset
SELECT uid AS pat FROM murallink.add_patient(site_uid => :'a', first_name => 'Pat', last_name => 'Mover', email => 'pat@example.com') \gset
SELECT uid AS sue FROM murallink.add_patient(site_uid => :'b', first_name => 'Sue', last_name => 'Stays') \gset
SELECT murallink.enroll(:'pat', :'trial', :'a', '001');
SELECT murallink.enroll(:'sue', :'trial', :'b', '002');
RESET SESSION AUTHORIZATION;
-- As if the patient had been enrolled 30 days ago, of 24 hours, whatever the clock of the session's time zone does
UPDATE murallink.enrollment SET created_at = now() - interval '720 hours' WHERE patient_uid = :'pat';
SELECT uid AS first FROM murallink.enrollment WHERE patient_uid = :'pat' \gset
SET SESSION AUTHORIZATION regress_move_old;
SELECT amount FROM murallink.milestone_payment(:'pat', :'week_1_a', visit_date => :'today'::date - 20);
SELECT amount FROM murallink.milestone_payment(:'pat', :'diary_a', visit_date => :'today'::date - 20);
SELECT uid AS early FROM murallink.schedule_appointment(:'first', NULL, to_char(:'today'::date + 1, 'YYYY-MM-DD"T23:59:59"'), 'Last') \gset
SELECT uid AS late FROM murallink.schedule_appointment(:'first', NULL, '2999-01-02T09:00:00', 'Week 9') \gset
SELECT uid AS later FROM murallink.schedule_appointment(:'first', NULL, '2999-01-09T09:00:00', 'Week 10') \gset
SELECT description FROM murallink.cancel_appointment(:'later');

-- What is refused: without the permissions, to a site that does not take part, on a day that cannot be, and without a reason
RESET SESSION AUTHORIZATION;
SELECT n, caller, test.outcome('regress_move_' || caller,
    format('SELECT murallink.transfer_enrollment(%L, %L, %L, %L, %L, %L)', patient, trial, site, day, note, subject))
FROM (VALUES
    (1, 'none', :'pat', :'trial', :'b', NULL, 'moved', NULL), (2, 'old', :'pat', :'trial', :'b', NULL, 'moved', NULL),
    (3, 'new', :'pat', :'trial', :'b', NULL, 'moved', NULL), (4, 'both', :'pat', :'trial', :'b', NULL, NULL, NULL),
    (5, 'both', :'pat', :'trial', :'b', NULL, ' ', NULL), (6, 'both', :'pat', :'trial', :'a', NULL, 'moved', NULL),
    (7, 'admin', :'pat', :'trial', :'elsewhere', NULL, 'moved', NULL), (8, 'both', :'pat', :'trial', :'elsewhere', NULL, 'moved', NULL),
    (9, 'admin', :'pat', :'other_trial', :'b', NULL, 'moved', NULL), (10, 'admin', NULL, :'trial', :'b', NULL, 'moved', NULL),
    (11, 'admin', :'pat', NULL, :'b', NULL, 'moved', NULL), (12, 'admin', :'pat', :'trial', NULL, NULL, 'moved', NULL),
    (13, 'both', :'pat', :'trial', :'b', :'today'::date + 2, 'moved', NULL), (14, 'both', :'pat', :'trial', :'b', :'today'::date + 1, 'moved', NULL),
    (15, 'both', :'pat', :'trial', :'b', NULL, 'moved', '002'), (16, 'both', :'pat', :'trial', :'b', NULL, 'moved', repeat('x', 101)),
    (17, 'both', :'pat', :'trial', :'b', NULL, repeat('x', 1001), NULL), (18, 'both', :'b', :'trial', :'b', NULL, 'moved', NULL))
    AS refused (n, caller, patient, trial, site, day, note, subject) ORDER BY n;
-- Nobody sees a person more by moving them here
SET SESSION AUTHORIZATION regress_move_admin;
SELECT uid AS shy FROM murallink.add_patient(site_uid => :'c', first_name => 'Shy', last_name => 'Person') \gset
SELECT murallink.enroll(:'shy', :'trial', :'c', '003');
SELECT murallink.grant(:'c', 'set_enrollment_status', :'new');
RESET SESSION AUTHORIZATION;
SELECT test.outcome('regress_move_new', format('SELECT murallink.transfer_enrollment(%L, %L, %L, NULL, %L)', :'shy', :'trial', :'b', 'look'));

-- The transfer, ten days ago: the appointments after it go along
SET SESSION AUTHORIZATION regress_move_both;
SELECT (enrollment).subject_id, (enrollment).status, (enrollment).site_uid = :'b' AS at_new, (enrollment).trial_uid = :'trial' AS in_trial,
    previous_uid = :'first' AS from_old, :'today'::date - left_on AS days_ago, appointments = ARRAY[:'early', :'late']::murallink.ksuid[] AS moved
FROM murallink.transfer_enrollment(:'pat', :'trial', :'b', :'today'::date - 10, ' family moved ');
-- Asked twice
SELECT murallink.transfer_enrollment(:'pat', :'trial', :'b', :'today'::date - 10, 'family moved');
RESET SESSION AUTHORIZATION;
SELECT s.name, e.subject_id, e.subject_held, e.status, :'today'::date - e.left_on AS days_ago, (SELECT n.note FROM murallink.enrollment_note n WHERE n.enrollment_uid = e.uid ORDER BY n.at DESC, n.uid DESC LIMIT 1) AS note, e.chain_uid = :'first' AS in_chain,
    e.previous_uid = :'first' AS follows
FROM murallink.enrollment e JOIN murallink.site s ON s.uid = e.site_uid WHERE e.patient_uid = :'pat' ORDER BY e.previous_uid NULLS FIRST;
SELECT a.description, s.name, a.status, e.uid <> :'first' AS with_new, a.trial_uid = e.trial_uid AND a.site_uid = e.site_uid AS agrees
FROM murallink.appointment a JOIN murallink.enrollment e ON e.uid = a.enrollment_uid JOIN murallink.site s ON s.uid = a.site_uid
WHERE a.patient_uid = :'pat' ORDER BY a.at;
SELECT s.name FROM murallink.patient_site p JOIN murallink.site s ON s.uid = p.site_uid WHERE p.patient_uid = :'pat' ORDER BY 1;
SELECT resource, action, changes - 'left_on' AS changes FROM murallink.audit_event
WHERE resource_uid = :'first' AND changes ? 'status' ORDER BY at DESC LIMIT 1;

-- S1: the old site pays visits up to the day, at its prices, the new one later ones at its own; Week 1 never twice
SELECT n, caller, test.outcome('regress_move_' || caller, format('SELECT murallink.milestone_payment(%L, %L, visit_date => %L)', :'pat', milestone, day))
FROM (VALUES
    (1, 'old', :'week_2_a', :'today'::date - 9), (2, 'old', :'week_2_a', NULL), (3, 'old', :'week_2_b', :'today'::date - 10),
    (4, 'new', :'week_2_b', :'today'::date - 10), (5, 'new', :'week_2_a', :'today'::date - 9),
    (6, 'new', :'week_1_b', :'today'::date - 9), (7, 'both', :'week_1_a', :'today'::date - 10), (8, 'old', :'week_2_a', :'today'::date - 10),
    (9, 'new', :'week_2_b', :'today'::date - 9), (10, 'new', :'week_2_b', NULL), (11, 'new', :'week_2_b', :'today'::date + 2),
    (12, 'old', :'week_2_a', :'today'::date - 32)) AS paid (n, caller, milestone, day) ORDER BY n;
SET SESSION AUTHORIZATION regress_move_old;
SELECT milestone, amount, paid FROM murallink.payable_milestones(:'pat', :'trial');
SET SESSION AUTHORIZATION regress_move_new;
SELECT milestone, amount, num_payments, paid FROM murallink.payable_milestones(:'pat', :'trial');
SELECT amount, p.status FROM murallink.milestone_payment(:'pat', :'week_2_b', visit_date => :'today'::date - 9) p;
SELECT amount FROM murallink.milestone_payment(:'pat', :'diary_b');
SELECT amount FROM murallink.milestone_payment(:'pat', :'diary_b');
SELECT amount FROM murallink.milestone_payment(:'pat', :'diary_b');
SET SESSION AUTHORIZATION regress_move_old;
SELECT amount FROM murallink.milestone_payment(:'pat', :'week_2_a', visit_date => :'today'::date - 11);
SELECT amount, p.status FROM murallink.manual_payment(:'pat', :'trial', 3, visit_date => :'today'::date - 10) p;
SELECT amount FROM murallink.manual_payment(:'pat', :'trial', 4, visit_date => :'today'::date - 9);
SET SESSION AUTHORIZATION regress_move_both;
SELECT count((murallink.manual_payment(:'pat', :'trial', 4 + n, visit_date => day)).uid)
FROM unnest(ARRAY[:'today'::date - 10, :'today'::date - 9, NULL]) WITH ORDINALITY AS visit (day, n);
RESET SESSION AUTHORIZATION;
SELECT s.name, p.milestone_name, p.occurrence, p.amount, p.status, :'today'::date - p.visit_date AS days_ago, p.chain_uid = :'first' AS in_chain
FROM murallink.payment p JOIN murallink.site s ON s.uid = p.site_uid WHERE p.patient_uid = :'pat' ORDER BY p.created_at;

-- The new site sees all of the chain, the old one its own; and the old site decides what is pending there
SELECT caller, test.outcome('regress_move_' || caller, format('SELECT count(*) FROM murallink.get_patient_payments(%L, %L)', :'pat', :'trial'))
FROM unnest('{old,new,none}'::text[]) AS caller;
SET SESSION AUTHORIZATION regress_move_old;
SELECT count(*) FROM murallink.get_patient_payments(:'pat', :'trial');
SELECT uid AS early_one FROM murallink.get_patient_payments(:'pat', :'trial') WHERE amount = 100 \gset
SET SESSION AUTHORIZATION regress_move_new;
SELECT count(*), sum(amount) FROM murallink.get_patient_payments(:'pat', :'trial');
SELECT murallink.approve_payment(:'early_one');
SET SESSION AUTHORIZATION regress_move_old;
SELECT status FROM murallink.approve_payment(:'early_one');
RESET SESSION AUTHORIZATION;
SELECT caller, test.outcome('regress_move_' || caller, format('SELECT 1 / count(*) FROM murallink.get_approvals(%L)', :'early_one'))
FROM unnest('{old,new,both,none}'::text[]) AS caller;

-- So do analysts: the rows of the chain, its payouts, and who did what
SELECT 'SELECT (SELECT string_agg(s.name, '' '' ORDER BY e.created_at, s.name) FROM murallink.enrollment e JOIN all_sites s ON s.uid = e.site_uid
        WHERE e.patient_uid = pat) AS enrollments,
    (SELECT count(*) FROM murallink.payment WHERE patient_uid = pat) AS payments,
    (SELECT count(*) FROM murallink.payout WHERE patient_uid = pat) AS payouts,
    (SELECT count(*) FROM murallink.audit_event WHERE resource = ''payment'') AS payment_events,
    (SELECT count(*) FROM murallink.audit_event WHERE resource = ''enrollment'') AS enrollment_events
    FROM (SELECT ' || quote_literal(:'pat') || '::murallink.ksuid AS pat) p' AS seen \gset
RESET SESSION AUTHORIZATION;
CREATE TEMP VIEW all_sites AS SELECT uid, name FROM murallink.site;
GRANT SELECT ON all_sites TO PUBLIC;
SET SESSION AUTHORIZATION regress_move_old;
:seen;
SET SESSION AUTHORIZATION regress_move_new;
:seen;
SELECT count(*), sum(amount) FROM murallink.payment WHERE enrollment_uid = :'first';
-- By indexes, each of which finds some of the rows
SELECT index FROM pg_temp.indexes('SELECT count(*) FROM murallink.payment') AS index;
-- What is taken back of a payment of the old site, and kept for it, both see, too, each in a transaction of its own
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.taken_back(paid murallink.ksuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE murallink_private.payment SET status = 'paid', paid_at = now() WHERE uid = paid;
    SET LOCAL session_replication_role = origin;
    INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (paid, 1, 'other', 'x');
    INSERT INTO murallink.recovery (client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, reversal_uid, payment_uid, amount, currency)
    SELECT client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, uid, payment_uid, 1, currency FROM murallink.reversal WHERE payment_uid = paid;
    RETURN 'taken back';
END
$$;
SELECT 'SELECT (SELECT count(*) FROM murallink.reversal) AS reversals, (SELECT count(*) FROM murallink.recovery) AS recoveries,
    (SELECT count(*) FROM murallink.audit_event WHERE resource = ''reversal'') AS events,
    (SELECT count(*) FROM murallink.get_reversals(' || quote_literal(:'pat') || ', ' || quote_literal(:'trial') || ')) AS got' AS taken_back \gset
BEGIN;
SELECT pg_temp.taken_back(:'early_one');
SET SESSION AUTHORIZATION regress_move_old;
:taken_back;
ROLLBACK;
RESET SESSION AUTHORIZATION;
BEGIN;
SELECT pg_temp.taken_back(:'early_one');
SET SESSION AUTHORIZATION regress_move_new;
:taken_back;
ROLLBACK;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_move_old;

-- Only the present enrollment changes, by the people of the new site; the payment type holds for the whole chain
SELECT murallink.set_enrollment_status('completed', :'trial', :'pat');
SELECT murallink.set_payment_type('28LLqy3paByy5jcqpoU9wXuTiYo', :'trial', :'pat');
SET SESSION AUTHORIZATION regress_move_new;
SELECT status FROM murallink.set_enrollment_status('transferred', :'trial', :'pat');
SELECT payment_type_uid FROM murallink.set_payment_type('28LLqy3paByy5jcqpoU9wXuTiYo', :'trial', :'pat');
RESET SESSION AUTHORIZATION;
SELECT count(*), count(payment_type_uid) FROM murallink.enrollment WHERE patient_uid = :'pat';

-- S1: the old site sees the person, and changes nothing any more: neither the person, nor documents, caregivers and later appointments;
-- nor does it open a milestone that the new one has marked as paid elsewhere. Sue's site changes Sue, and both sites of Pat do at theirs
SET SESSION AUTHORIZATION regress_move_admin;
SELECT count(murallink.grant(site::murallink.ksuid, permission, person::murallink.ksuid))
FROM (VALUES (:'a', :'old'), (:'b', :'new'), (:'a', :'both'), (:'b', :'both')) AS at (site, person),
    unnest('{update_patient,upload_document,get_document,replace_card}'::text[]) AS permission;
SELECT uid AS carer FROM murallink.register_caregiver(:'pat', 'Cara', 'Mover') \gset
SELECT (murallink.add_milestone('Marked', 5, 'USD', :'trial', site::murallink.ksuid)).milestone FROM unnest(ARRAY[:'a', :'b']) AS site;
SET SESSION AUTHORIZATION regress_move_new;
SELECT status FROM murallink.mark_paid_elsewhere(:'pat', :'trial', 'Marked', 'the sponsor paid it');
RESET SESSION AUTHORIZATION;
SELECT n, caller, test.outcome('regress_move_' || caller, format(statement, :'pat', :'trial', :'carer', :'first', :'sue'))
FROM unnest(ARRAY['SELECT murallink.update_patient(%1$L, email => ''p@example.com'')', 'SELECT murallink.update_caregiver(%3$L, phone => ''1'')',
    'SELECT murallink.register_caregiver(%1$L, ''Carl'', ''Mover'')', 'SELECT murallink.upload_document(%1$L, filename => ''a.txt'', data => ''QQ=='')',
    'SELECT murallink.upload_document(caregiver_uid => %3$L, filename => ''a.txt'', data => ''QQ=='')',
    'SELECT murallink.replace_card(%1$L, ''lost'', ''x'')', 'SELECT murallink.unmark_paid_elsewhere(%1$L, %2$L, ''Marked'', ''x'')',
    'SELECT murallink.schedule_appointment(%4$L, NULL, ''2999-02-02T09:00:00'')', 'SELECT murallink.get_patient(%1$L)',
    'SELECT murallink.get_caregivers(%1$L)', 'SELECT murallink.update_patient(%5$L, phone => ''1'')']) WITH ORDINALITY AS s (statement, n),
    unnest('{old,new,both,none}'::text[]) AS caller ORDER BY n, caller;
-- A mark of the old site's own stays the old site's
SET SESSION AUTHORIZATION regress_move_new;
SELECT status FROM murallink.unmark_paid_elsewhere(:'pat', :'trial', 'Marked', 'it did not');
SET SESSION AUTHORIZATION regress_move_old;
SELECT status FROM murallink.mark_paid_elsewhere(:'pat', :'trial', 'Marked', 'we paid it');
SELECT status FROM murallink.unmark_paid_elsewhere(:'pat', :'trial', 'Marked', 'we did not');
RESET SESSION AUTHORIZATION;
SELECT statement, test.refusal(format(statement, :'first')) FROM (VALUES
    ('UPDATE murallink.enrollment SET status = ''enrolled'', left_on = NULL WHERE uid = %L'),
    ('UPDATE murallink.enrollment SET left_on = left_on + 1 WHERE uid = %L'),
    ('UPDATE murallink.enrollment SET chain_uid = uid, previous_uid = NULL WHERE previous_uid = %L'),
    ('DELETE FROM murallink.enrollment WHERE uid = %L')) AS kept (statement);

-- Not before the last transfer, and only while enrolled; the number may change; the way back is another transfer
SET SESSION AUTHORIZATION regress_move_both;
SELECT murallink.transfer_enrollment(:'pat', :'trial', :'a', :'today'::date - 11, 'back');
SELECT (murallink.set_enrollment_status('dropped', :'trial', :'pat')).status;
SELECT murallink.transfer_enrollment(:'pat', :'trial', :'a', NULL, 'back');
SELECT (murallink.set_enrollment_status('enrolled', :'trial', :'pat')).status;
SELECT (enrollment).subject_id FROM murallink.transfer_enrollment(:'pat', :'trial', :'a', :'today'::date - 5, 'back', 'A-1');
RESET SESSION AUTHORIZATION;
SELECT n, test.outcome('regress_move_both', format('SELECT murallink.milestone_payment(%L, %L, visit_date => %L)', :'pat', milestone, day))
FROM (VALUES
    (1, :'week_2_a', :'today'::date - 10), (2, :'week_2_a', :'today'::date - 9), (3, :'week_2_a', :'today'::date - 5),
    (4, :'week_2_a', :'today'::date - 4), (5, :'week_2_b', :'today'::date - 5), (6, :'week_2_b', :'today'::date - 4)) AS paid (n, milestone, day)
ORDER BY n;

-- A number is one patient's, also that of a site which the patient has left
SET SESSION AUTHORIZATION regress_move_both;
SELECT uid AS pia FROM murallink.add_patient(site_uid => :'a', first_name => 'Pia', last_name => 'Next') \gset
SELECT test.answer('enroll', jsonb_build_object('patient_uid', :'pia', 'trial_uid', :'trial', 'site_uid', :'a', 'subject_id', subject))
FROM unnest('{001,a-1}'::text[]) AS subject;
SELECT (enrollment).subject_id FROM murallink.transfer_enrollment(:'pat', :'trial', :'b', :'today'::date - 5, 'mistake', '001');
RESET SESSION AUTHORIZATION;
SELECT s.name, e.subject_id, e.subject_held, e.status, :'today'::date - e.left_on AS days_ago, (SELECT n.note FROM murallink.enrollment_note n WHERE n.enrollment_uid = e.uid ORDER BY n.at DESC, n.uid DESC LIMIT 1) AS note
FROM murallink.enrollment e JOIN murallink.site s ON s.uid = e.site_uid WHERE e.patient_uid = :'pat' ORDER BY e.left_on, e.created_at;
SELECT test.outcome('regress_move_both', format('SELECT murallink.enroll(%L, %L, %L, %L)', :'pia', :'trial', :'a', subject))
FROM unnest('{001,a-1}'::text[]) AS subject;
SET SESSION AUTHORIZATION regress_move_both;
SELECT murallink.enroll(:'pia', :'trial', :'a', '004');

-- Screening failed: what was earned until then is paid; a second screening has another number, and Week 1 is not paid again
SELECT amount FROM murallink.milestone_payment(:'pia', :'week_1_a');
SELECT status FROM murallink.set_enrollment_status('screen_failed', :'trial', :'pia');
SELECT amount FROM murallink.milestone_payment(:'pia', :'week_2_a');
SELECT amount FROM murallink.milestone_payment(:'pia', :'week_2_a', visit_date => :'today');
SELECT murallink.enroll(:'pia', :'trial', :'a', '004');
SELECT murallink.enroll(:'pia', :'trial', :'a', '005');
SELECT murallink.enroll(:'pia', :'trial', :'a', '006');
SELECT amount FROM murallink.milestone_payment(:'pia', :'week_1_a');
SELECT milestone, paid FROM murallink.payable_milestones(:'pia', :'trial');
-- unless the milestone is paid for each screening; a transfer is none
SET SESSION AUTHORIZATION regress_move_admin;
SELECT test.answer('add_milestone', jsonb_build_object(
    'milestone', 'Screening', 'amount', 20, 'trial_uid', :'trial', 'site_uid', :'a', 'per', 'visit'), session_id)
FROM murallink.login('move.admin@example.com', 'correct horse');
SELECT uid AS screening_a, per FROM murallink.add_milestone('Screening', 20, 'USD', :'trial', :'a', per => 'enrollment', num_payments => 2) \gset
SELECT uid AS screening_b, per FROM murallink.add_milestone('Screening', 15, 'USD', :'trial', :'b', per => 'enrollment', num_payments => 2) \gset
SELECT milestone, amount, per FROM murallink.add_milestone('Screening', 21, 'USD', :'trial', :'a', 2);
SELECT milestone, per FROM murallink.get_payment_schedule(:'trial', :'a');
SELECT amount FROM murallink.milestone_payment(:'pia', :'screening_a', visit_date => :'today');
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(:'pia', :'trial');
SELECT amount FROM murallink.milestone_payment(:'pia', :'screening_a', visit_date => :'today');
SELECT amount FROM murallink.milestone_payment(:'pia', :'screening_a');
SELECT (enrollment).subject_id FROM murallink.transfer_enrollment(:'pia', :'trial', :'b', :'today', 'moved');
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(:'pia', :'trial') WHERE milestone = 'Screening';
SELECT amount FROM murallink.milestone_payment(:'pia', :'screening_b');
SELECT (murallink.set_enrollment_status('screen_failed', :'trial', :'pia', :'today')).status;
SELECT murallink.enroll(:'pia', :'trial', :'b', '007');
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(:'pia', :'trial') WHERE milestone = 'Screening';
-- of a group of milestones one is payable in each screening, at whatever site, if they are paid for each
SELECT uid AS failure_b, per FROM murallink.add_milestone('Screen failure', 9, 'USD', :'trial', :'b', per => 'enrollment') \gset
BEGIN;
SELECT murallink.set_exclusive_milestones(:'trial', 'Outcome', '["Screening", "Screen failure"]', 'protocol');
SELECT string_agg(milestone, ', ') FROM murallink.payable_milestones(:'pia', :'trial');
SELECT amount FROM murallink.milestone_payment(:'pia', :'failure_b');
SELECT string_agg(milestone, ', ') FROM murallink.payable_milestones(:'pia', :'trial');
SELECT test.refusal(format('SELECT murallink.milestone_payment(%L, %L)', :'pia', :'screening_b')) AS excluded;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_move_admin;
SELECT (enrollment).subject_id FROM murallink.transfer_enrollment(:'pia', :'trial', :'a', :'today', 'moved');
SELECT test.refusal(format('SELECT murallink.milestone_payment(%L, %L)', :'pia', :'screening_a')) AS excluded_there;
SELECT string_agg(milestone, ', ') AS payable FROM murallink.payable_milestones(:'pia', :'trial');
ROLLBACK;
SET SESSION AUTHORIZATION regress_move_admin;
SELECT amount FROM murallink.milestone_payment(:'pia', :'screening_b');
SELECT amount FROM murallink.milestone_payment(:'pia', :'screening_b');
SELECT amount FROM murallink.milestone_payment(:'pia', :'screening_b');
SELECT amount FROM murallink.milestone_payment(:'pia', :'week_1_b');
RESET SESSION AUTHORIZATION;
SELECT s.name, e.subject_id, e.status, p.amount, p.occurrence
FROM murallink.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid JOIN murallink.site s ON s.uid = e.site_uid
WHERE p.patient_uid = :'pia' AND p.milestone_code = 'Screening' ORDER BY p.occurrence;

-- A number that was wrong is corrected where the patient has it, with the reason, and reports show the present one
SELECT n, caller, test.outcome('regress_move_' || caller, format('SELECT murallink.correct_subject_id(%L, %L, %L, %L)', patient, trial, subject, note))
FROM (VALUES
    (1, 'none', :'pat', :'trial', 'X', 'typo'), (2, 'old', :'pat', :'trial', 'X', 'typo'), (3, 'new', :'pat', :'trial', '', 'typo'),
    (4, 'new', :'pat', :'trial', 'X', ''), (5, 'new', :'pat', :'trial', '002', 'typo'), (6, 'new', :'pat', :'trial', 'A-1', 'typo'),
    (7, 'new', :'pat', :'trial', '005', 'typo'), (8, 'admin', :'pat', :'other_trial', 'X', 'typo'), (9, 'new', :'pat', :'trial', '001', 'typo'),
    (10, 'new', :'pia', :'trial', '004', 'typo')) AS tried (n, caller, patient, trial, subject, note) ORDER BY n;
SET SESSION AUTHORIZATION regress_move_new;
SELECT subject_id, status FROM murallink.correct_subject_id(:'pat', :'trial', ' 010 ', 'typo');
SELECT subject_id FROM murallink.correct_subject_id(:'pat', :'trial', '010', 'again');
SELECT subject_id FROM murallink.correct_subject_id(:'pat', :'trial', 'a-1', 'as there');
RESET SESSION AUTHORIZATION;
SELECT s.name, e.subject_id, e.subject_held, e.status, (SELECT n.note FROM murallink.enrollment_note n WHERE n.enrollment_uid = e.uid ORDER BY n.at DESC, n.uid DESC LIMIT 1) AS note
FROM murallink.enrollment e JOIN murallink.site s ON s.uid = e.site_uid WHERE e.patient_uid = :'pat' ORDER BY e.left_on, e.created_at;
SELECT a.changes FROM murallink.audit_event a JOIN murallink.enrollment e ON e.uid = a.resource_uid
WHERE e.patient_uid = :'pat' AND e.status = 'enrolled' AND a.changes ? 'subject_id' ORDER BY a.at;
RESET SESSION AUTHORIZATION;
SELECT e.subject_id, e.status, e.previous_uid IS NOT NULL AS follows FROM murallink.enrollment e WHERE e.patient_uid = :'pia' ORDER BY e.created_at;
SELECT test.refusal(format('UPDATE murallink.enrollment SET status = ''enrolled'', left_on = NULL WHERE patient_uid = %L AND subject_id = ''004''', :'pia'));
SELECT * FROM murallink.verify_ledger();
-- The proof sees a chain that is broken, by whatever door
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.payment SET chain_uid = enrollment_uid WHERE patient_uid = :'pat' AND amount = 80;
UPDATE murallink.enrollment SET status = 'screen_failed', left_on = :'today' WHERE patient_uid = :'pia';
UPDATE murallink.enrollment SET status = 'dropped' WHERE patient_uid = :'pia' AND subject_id = '004';
UPDATE murallink.enrollment SET status = 'transferred', left_on = :'today' WHERE patient_uid = :'sue';
SELECT contract_uid = :'contract' AS here, currency, said
FROM murallink.verify_ledger(), regexp_replace(problem, '[0-9A-Za-z]{27}', 'UID', 'g') AS said ORDER BY said COLLATE "C";
ROLLBACK;

-- Nor does a site change the patient any more where the screening failed, and the next is at another site
SET SESSION AUTHORIZATION regress_move_both;
SELECT uid AS rex FROM murallink.add_patient(site_uid => :'a', first_name => 'Rex', last_name => 'Next', trial_uid => :'trial', subject_id => '090') \gset
RESET SESSION AUTHORIZATION;
SELECT test.outcome('regress_move_old', format('SELECT murallink.update_patient(%L, phone => ''1'')', :'rex')) AS before;
SET SESSION AUTHORIZATION regress_move_both;
SELECT status FROM murallink.set_enrollment_status('screen_failed', :'trial', :'rex');
SELECT murallink.enroll(:'rex', :'trial', :'b', '091');
RESET SESSION AUTHORIZATION;
SELECT test.outcome('regress_move_old', format(statement, :'rex', (SELECT uid FROM murallink.enrollment WHERE subject_id = '090' AND patient_uid = :'rex')))
FROM unnest('{"SELECT murallink.update_patient(%1$L, phone => ''1'')","SELECT murallink.replace_card(%1$L, ''lost'', ''x'')",
    "SELECT murallink.schedule_appointment(%2$L, NULL, ''2999-02-02T09:00:00'')","SELECT murallink.get_patient(%1$L)"}'::text[]) AS statement;
-- unless the patient takes part in another trial there
SET SESSION AUTHORIZATION regress_move_admin;
SELECT murallink.add_trial_site(:'other_trial', :'a') IS NOT NULL AS added, murallink.enroll(:'rex', :'other_trial', :'a', '1');
RESET SESSION AUTHORIZATION;
SELECT test.outcome('regress_move_old', format('SELECT murallink.update_patient(%L, phone => ''1'')', :'rex')) AS in_another;
UPDATE murallink.app_user SET db_role = NULL WHERE db_role ~ '^regress_move_';
DROP ROLE regress_move_admin, regress_move_old, regress_move_new, regress_move_both, regress_move_none;
