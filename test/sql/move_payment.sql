-- A payment to the wrong patient is moved to the right one, in every state, at the original price, once.
\set SHOW_CONTEXT never
CALL test.begin_day();
CREATE ROLE regress_moved_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_moved_payer LOGIN IN ROLE murallink_client;
CREATE ROLE regress_moved_viewer LOGIN IN ROLE murallink_client;
CREATE ROLE regress_moved_stranger LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.moved@example.com', 'correct horse', 'Ada', 'Admin');
SELECT count(murallink.register(name || '.moved@example.com', 'correct horse', 'Pat', 'User')) FROM unnest('{payer,viewer,stranger}'::text[]) AS name;
SELECT murallink.set_db_role(name || '.moved@example.com', 'regress_moved_' || name) FROM unnest('{admin,payer,viewer,stranger}'::text[]) AS name;
SELECT murallink.configure_partner('dash', 'http://127.0.0.1', '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "look_up": false}', '{"username": "x", "password": "y"}');
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT uid AS client FROM murallink.create_client('Moved') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Moved', currency => 'USD',
    default_payment_type_uid => (SELECT uid FROM murallink.get_payment_types() WHERE name = 'debit')) \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Moved') \gset
SELECT uid AS auto FROM murallink.create_trial(:'contract', 'Auto', approve_milestones => true) \gset
SELECT uid AS site FROM murallink.create_site('Moved', :'trial') \gset
SELECT uid AS other_site FROM murallink.create_site('Elsewhere', :'trial') \gset
SELECT count(murallink.add_trial_site(:'auto', :'site'));
SELECT murallink.add_funding(:'contract', 1000);
SELECT uid AS week FROM murallink.add_milestone('Week 1', 10, 'USD', :'trial', :'site') \gset
SELECT uid AS often FROM murallink.add_milestone('Often', 3, 'USD', :'trial', :'site', 2) \gset
SELECT uid AS auto_week FROM murallink.add_milestone('Week 1', 7, 'USD', :'auto', :'site') \gset
SELECT uid AS bill FROM murallink.add_patient(:'site', 'Bill', 'Wrong', email => 'bill@example.com', email_enabled => true) \gset
SELECT uid AS will FROM murallink.add_patient(:'site', 'Will', 'Right', email => 'will@example.com') \gset
SELECT uid AS phil FROM murallink.add_patient(:'site', 'Phil', 'Other', email => 'phil@example.com') \gset
SELECT uid AS far FROM murallink.add_patient(:'other_site', 'Fay', 'Far', email => 'fay@example.com') \gset
SELECT uid AS none FROM murallink.add_patient(:'site', 'Nell', 'None', email => 'nell@example.com') \gset
SELECT murallink.enroll(:'bill', :'trial', :'site', '1'), murallink.enroll(:'will', :'trial', :'site', '2'), murallink.enroll(:'phil', :'trial', :'site', '3'),
    murallink.enroll(:'far', :'trial', :'other_site', '4'), murallink.enroll(:'bill', :'auto', :'site', '1'), murallink.enroll(:'will', :'auto', :'site', '2');
RESET SESSION AUTHORIZATION;
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid)
SELECT u.uid, g.permission::murallink.permission, 'contract', :'contract', :'client', :'contract'
FROM (VALUES ('payer', 'milestone_payment'), ('payer', 'manual_payment'), ('payer', 'view_payments'), ('payer', 'view_patients'), ('viewer', 'view_payments')) AS g (name, permission)
JOIN murallink.app_user u ON u.email = g.name || '.moved@example.com';
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key)
SELECT u, 'dash', '2', 'done', '90' || n FROM unnest(ARRAY[:'bill', :'will', :'phil']::murallink.ksuid[]) WITH ORDINALITY AS p (u, n);
CREATE FUNCTION pg_temp.ends(wanted murallink.ksuid, outcome text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink_private.call_claim(ARRAY[wanted]);
    PERFORM murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', wanted, 'attempt', (
        SELECT attempt FROM murallink_private.call WHERE uid = wanted), 'outcome', outcome, 'reason', 'so they say'))) WHERE outcome <> '';
END
$$;
-- Brings a payment to a state: pending, approved, claimed, failed, in_doubt, paid
CREATE FUNCTION pg_temp.brought(made murallink.ksuid, state text) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
BEGIN
    IF state <> 'pending' THEN
        SET LOCAL SESSION AUTHORIZATION regress_moved_admin;
        PERFORM murallink.approve_payment(made);
        RESET SESSION AUTHORIZATION;
        IF state <> 'approved' THEN
            PERFORM pg_temp.ends(o.uid, CASE state WHEN 'claimed' THEN '' WHEN 'failed' THEN 'declined' WHEN 'paid' THEN 'done' ELSE state END)
            FROM murallink_private.payout o WHERE o.payment_uid = made;
        END IF;
    END IF;
    RETURN made;
END
$$;
CREATE VIEW pg_temp.books AS
SELECT s.first_name AS who, m.milestone_name AS milestone, trim_scale(m.amount) AS amount, m.status, m.visit_date IS NOT NULL AS dated, m.occurrence AS n,
    m.moved_from_uid IS NOT NULL AS moved_from, m.moved_to_uid IS NOT NULL AS moved_to,
    (SELECT string_agg(concat_ws(' ', trim_scale(r.amount), r.reason, r.status), ', ') FROM murallink.reversal r WHERE r.payment_uid = m.uid) AS reversal, m.created_at, m.uid
FROM murallink.payment m JOIN murallink.patient s ON s.uid = m.patient_uid JOIN murallink.contract c ON c.uid = m.contract_uid WHERE c.name = 'Moved';
CREATE VIEW pg_temp.funds AS SELECT trim_scale(reserved) AS reserved, trim_scale(disbursed) AS disbursed, trim_scale(available) AS available,
    (SELECT count(*) FROM murallink.verify_ledger()) AS problems
FROM murallink.fund_balance b JOIN murallink.contract c ON c.uid = b.contract_uid WHERE c.name = 'Moved';

-- Who may, and what is refused
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT uid AS wrong FROM murallink.milestone_payment(:'bill', :'week', 'by mistake') \gset
SELECT test.refusal(format('SELECT murallink.move_payment(%s)', format(args, :'wrong', :'will', :'bill', :'far', :'none'))) FROM unnest(ARRAY[
    '', 'murallink.gen_ksuid(), %2$L, ''x''', '%1$L', '%1$L, %2$L', '%1$L, %2$L, '' ''', '%1$L, %3$L, ''x''', '%1$L, %4$L, ''x''', '%1$L, %5$L, ''x''', '%1$L, murallink.gen_ksuid(), ''x''']) AS args;
SET SESSION AUTHORIZATION regress_moved_viewer;
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'wrong', :'will')) AS viewer;
SET SESSION AUTHORIZATION regress_moved_stranger;
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'wrong', :'will')) AS stranger;

-- The price has risen since: the right patient gets the original one. Pending is rejected
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT amount FROM murallink.add_milestone('Week 1', 25, 'USD', :'trial', :'site', effective_date => now());
SET SESSION AUTHORIZATION regress_moved_payer;
BEGIN;
SELECT uid AS right, amount, status, note, moved_from_uid = :'wrong' AS from_the_wrong, (milestone).amount AS version FROM murallink.move_payment(:'wrong', :'will', 'it was Will') \gset
\echo :amount :status :note :from_the_wrong :version
SELECT uid = :'right' AS same FROM murallink.move_payment(:'wrong', :'will', 'it was Will, really');
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'wrong', :'phil')) AS to_another;
SELECT amount, status, moved_to_uid = :'right' AS to_the_right FROM murallink.get_patient_payments(:'bill', :'trial');
SELECT test.refusal(format('SELECT murallink.milestone_payment(%L, %L)', :'will', :'week')) AS paid_once;
SELECT amount FROM murallink.milestone_payment(:'bill', :'week');
RESET SESSION AUTHORIZATION;
SELECT who, milestone, amount, status, moved_from, moved_to, reversal FROM pg_temp.books ORDER BY created_at;
SELECT * FROM pg_temp.funds;
ROLLBACK;

-- Every state
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.moved(made murallink.ksuid, whom murallink.ksuid, state text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    PERFORM pg_temp.brought(made, state);
    SET LOCAL SESSION AUTHORIZATION regress_moved_payer;
    said := test.refusal(format('SELECT murallink.move_payment(%L, %L, ''it was Will'')', made, whom));
    RESET SESSION AUTHORIZATION;
    said := coalesce(said, (SELECT string_agg(concat_ws(' ', who, amount, status, reversal), ', ' ORDER BY created_at) FROM pg_temp.books
        WHERE milestone = 'Week 1' AND uid IN (made, (SELECT moved_to_uid FROM murallink.payment WHERE uid = made))));
    RAISE 'undone' USING ERRCODE = 'P0000';
EXCEPTION WHEN SQLSTATE 'P0000' THEN
    RETURN said;
END
$$;
SELECT state, pg_temp.moved(:'wrong', :'will', state) FROM unnest('{pending,approved,claimed,failed,in_doubt,paid}'::text[]) AS state;

-- Paid (S6): the reversal is requested, and the right payment does not wait for it
SELECT count(pg_temp.brought(:'wrong', 'paid'));
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT uid AS right, status FROM murallink.move_payment(:'wrong', :'will', 'it was Will') \gset
SELECT status, reason, note, returned FROM murallink.get_reversals(:'bill', :'trial');
RESET SESSION AUTHORIZATION;
SELECT who, milestone, amount, status, moved_from, moved_to, reversal FROM pg_temp.books ORDER BY created_at;
SELECT count(pg_temp.brought(:'right', 'paid'));
SELECT pg_temp.ends(c.uid, 'done') FROM murallink_private.call c JOIN murallink_private.payout o ON o.uid = c.subject_uid WHERE o.payment_uid = :'wrong' AND c.operation = 'unload';
SELECT who, milestone, amount, status, moved_from, moved_to, reversal FROM pg_temp.books ORDER BY created_at;
SELECT * FROM pg_temp.funds;
-- Bill is told that it was taken back, and not whose it is
SELECT m.params ->> 'text' AS told FROM murallink_private.notice n, murallink_private.notice_message(n.uid) m WHERE n.payment_uid = :'wrong' AND n.kind = 'reversal';
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT amount FROM murallink.milestone_payment(:'bill', :'week');
SELECT test.refusal(format('SELECT murallink.milestone_payment(%L, %L)', :'will', :'week')) AS paid_once;
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'wrong', :'phil')) AS moved_once;
-- What was wrong again is moved on
SELECT amount, status FROM murallink.move_payment(:'right', :'phil', 'no, Phil');
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'right', :'bill')) AS to_one;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.funds;

-- By occurrence: as often as the schedule says, and no more
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT uid AS often1 FROM murallink.milestone_payment(:'bill', :'often') \gset
SELECT uid AS often2 FROM murallink.milestone_payment(:'bill', :'often', visit_date => (now() AT TIME ZONE 'UTC')::date) \gset
SELECT amount FROM murallink.milestone_payment(:'will', :'often');
SELECT amount FROM murallink.move_payment(:'often2', :'will', 'the second');
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'often1', :'will')) AS twice_only;
RESET SESSION AUTHORIZATION;
SELECT who, milestone, amount, status, dated, n FROM pg_temp.books WHERE milestone = 'Often' ORDER BY created_at;

-- A part, and what the cap of a day has cut: the right patient has the original price and the same part, and a day of his own
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT uid AS long FROM murallink.add_milestone('Long', 100, 'USD', :'trial', :'site', 3) \gset
SELECT uid AS short FROM murallink.add_milestone('Short', 80, 'USD', :'trial', :'site') \gset
SELECT murallink.set_day_cap(:'trial', :'site', 120, note => 'two visits on a day');
SELECT to_char(day + 1, 'YYYY-MM-DD') AS tomorrow, to_char(day, 'YYYY-MM-DD') AS today FROM date(now() AT TIME ZONE 'UTC') AS day \gset
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT amount FROM murallink.milestone_payment(:'bill', :'short', visit_date => :'tomorrow');
SELECT uid AS cut, amount, capped_from FROM murallink.milestone_payment(:'bill', :'long', visit_date => :'tomorrow') \gset
\echo :amount :capped_from
SELECT amount, capped_from FROM murallink.move_payment(:'cut', :'will', 'it was Will');
SELECT uid AS part, amount, fraction, capped_from FROM murallink.milestone_payment(:'bill', :'long', 'left early', :'tomorrow', 0.5) \gset
\echo :amount :fraction :capped_from
SELECT uid AS his_part, amount, fraction, capped_from FROM murallink.move_payment(:'part', :'will', 'it was Will') \gset
\echo :amount :fraction :capped_from
SELECT test.refusal(format('SELECT murallink.complete_payment(%L, ''x'')', uid)) AS rest FROM unnest(ARRAY[:'part', :'his_part']) AS uid;
SELECT uid AS full, amount FROM murallink.milestone_payment(:'bill', :'long', visit_date => :'tomorrow') \gset
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'full', :'will')) AS his_day_is_full;
SELECT status FROM murallink.get_patient_payments(:'bill', :'trial') WHERE uid = :'full';
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT murallink.set_day_cap(:'trial', :'site', 0, note => 'no more');
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT uid AS his_rest, amount, fraction, completes_uid = :'his_part' AS of_his_part FROM murallink.complete_payment(:'his_part', 'came back') \gset
\echo :amount :of_his_part
-- the rest is not moved, and the part not without it: it is undone first, and paid to the right patient
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'his_rest', :'phil')) AS the_rest,
    test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'his_part', :'phil')) AS the_part;
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT status FROM murallink.reject_payment(:'his_rest', 'it was Phil');
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.brought(:'his_part', 'paid'));
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT uid AS phils, amount, fraction FROM murallink.move_payment(:'his_part', :'phil', 'no, Phil') \gset
\echo :amount :fraction
SELECT test.refusal(format('SELECT murallink.complete_payment(%L, ''x'')', :'his_part')) AS not_while_it_comes_back;
SELECT amount FROM murallink.complete_payment(:'phils', 'came back');
RESET SESSION AUTHORIZATION;
SELECT who, milestone, amount, status, n FROM pg_temp.books WHERE milestone IN ('Long', 'Short') ORDER BY created_at;
SELECT uid AS trial_site FROM murallink.trial_site WHERE trial_uid = :'trial' AND site_uid = :'site' \gset
-- The difference to a raised price is paid again by top_up, and not moved: it would be paid twice
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT amount FROM murallink.add_milestone('Short', 90, 'USD', :'trial', :'site', effective_date => now());
SELECT (l).top_up_uid AS difference, (l).amount FROM murallink.top_up(:'trial_site', 'Short', :'tomorrow', 'raised') t, unnest(t.payments) AS l \gset
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT :amount AS difference, test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'difference', :'will')) AS the_difference;

-- Travel expenses are moved by those who pay them
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT uid AS taxi FROM murallink.travel_payment(:'bill', :'trial', 2) \gset
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'taxi', :'will')) AS travel;

-- Who was screened twice is paid for the screening in whose time the visit was
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT uid AS sue FROM murallink.add_patient(:'site', 'Sue', 'Twice', email => 'sue@example.com', trial_uid => :'trial', subject_id => 'S-1') \gset
SELECT status FROM murallink.set_enrollment_status('screen_failed', :'trial', :'sue', :'today');
SELECT murallink.enroll(:'sue', :'trial', :'site', 'S-2');
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT uid AS first_visit FROM murallink.milestone_payment(:'bill', :'long', visit_date => :'today') \gset
SELECT uid AS next_visit FROM murallink.milestone_payment(:'bill', :'long', visit_date => :'tomorrow') \gset
SELECT amount FROM murallink.move_payment(:'first_visit', :'sue', 'it was Sue');
SELECT amount FROM murallink.move_payment(:'next_visit', :'sue', 'it was Sue');
RESET SESSION AUTHORIZATION;
SELECT e.subject_id, p.visit_date - :'today' AS days FROM murallink.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid WHERE p.patient_uid = :'sue' ORDER BY p.created_at;
SELECT * FROM pg_temp.funds;

-- Who had two records is paid for the enrollment that goes on, also for a visit in the time of the one that was merged
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT uid AS sam FROM murallink.add_patient(:'site', 'Sam', 'Merged', email => 'sam@example.com', trial_uid => :'trial', subject_id => 'M-1') \gset
SELECT uid AS samuel FROM murallink.add_patient(:'site', 'Samuel', 'Merged', email => 'samuel@example.com', trial_uid => :'trial', subject_id => 'M-2') \gset
RESET SESSION AUTHORIZATION;
SELECT murallink.merge_patients(:'sam', :'samuel', 'added twice');
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT uid AS sams_visit FROM murallink.milestone_payment(:'bill', :'long', visit_date => :'today') \gset
SELECT amount, status FROM murallink.move_payment(:'sams_visit', :'sam', 'it was Sam');
RESET SESSION AUTHORIZATION;
SELECT e.subject_id, e.status, e.left_on - :'today' AS days, p.uid IS NOT NULL AS paid
FROM murallink.enrollment e LEFT JOIN murallink.payment p ON p.enrollment_uid = e.uid WHERE e.patient_uid = :'sam' ORDER BY 1;

-- Others than milestones; where nobody approves, the right payment is approved
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT uid AS one_off FROM murallink.manual_payment(:'bill', :'trial', 4.5, note => 'parking') \gset
SELECT amount, payment_type, status FROM murallink.move_payment(:'one_off', :'will', 'Will had parked');
SELECT uid AS at_once, status FROM murallink.milestone_payment(:'bill', :'auto_week') \gset
\echo :status
SELECT amount, status FROM murallink.move_payment(:'at_once', :'will', 'it was Will');
SELECT status FROM murallink.get_patient_payments(:'bill', :'auto');
-- Nothing happens if the right payment cannot be made
SELECT uid AS stays FROM murallink.manual_payment(:'bill', :'trial', 5) \gset
SET SESSION AUTHORIZATION regress_moved_admin;
SELECT status FROM murallink.set_enrollment_status('dropped', :'trial', :'phil');
SET SESSION AUTHORIZATION regress_moved_payer;
SELECT test.refusal(format('SELECT murallink.move_payment(%L, %L, ''x'')', :'stays', :'phil')) AS dropped;
SELECT status FROM murallink.get_patient_payments(:'bill', :'trial') WHERE uid = :'stays';
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.funds;
SELECT test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, moved_from_uid, amount, currency) SELECT e.uid, ''manual'', %L, 99, ''USD'' FROM murallink.enrollment e WHERE e.patient_uid = %L AND e.trial_uid = %L', :'wrong', :'will', :'trial')) AS moved_once;
SELECT test.refusal(format('UPDATE murallink_private.payment SET moved_from_uid = %L WHERE uid = %L', :'wrong', :'stays')) AS kept;
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;
DROP ROLE regress_moved_admin, regress_moved_payer, regress_moved_viewer, regress_moved_stranger;
