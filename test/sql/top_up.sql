-- Top-ups: the difference after a price was raised, once for each payment and version.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_top_up_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_top_up_user LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.top_up@example.com', 'correct horse', 'Tom', 'Admin');
SELECT uid AS user FROM murallink.register('user.top_up@example.com', 'correct horse', 'Tina', 'User') \gset
SELECT murallink.set_db_role(name || '.top_up@example.com', 'regress_top_up_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_top_up_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Topper') \gset
SELECT uid AS contract FROM murallink.create_contract(
    client_uid => :'client', name => 'Topper', currency => 'USD', default_payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site', time_zone => 'America/New_York') \gset
SELECT uid AS trial_site FROM murallink.trial_site WHERE trial_uid = :'trial' \gset
SELECT murallink.add_funding(:'contract', 1000);
SELECT uid AS ann FROM murallink.add_patient(:'site', 'Ann', 'A') \gset
SELECT uid AS ben FROM murallink.add_patient(:'site', 'Ben', 'B') \gset
SELECT uid AS cyd FROM murallink.add_patient(:'site', 'Cyd', 'C') \gset
SELECT uid AS dan FROM murallink.add_patient(:'site', 'Dan', 'D') \gset
SELECT murallink.enroll(uid, :'trial', :'site', uid::text) FROM unnest(ARRAY[:'ann', :'ben', :'cyd', :'dan']::murallink.ksuid[]) AS uid;
RESET SESSION AUTHORIZATION;
UPDATE murallink.enrollment SET created_at = '2024-12-01Z' WHERE trial_uid = :'trial';
CREATE FUNCTION pg_temp.topped(place murallink.ksuid, code text, from_date date, dry_run boolean DEFAULT false, note text DEFAULT 'Amendment')
RETURNS TABLE (patient text, day text, paid numeric, due numeric, amount numeric, made boolean) LANGUAGE sql AS $$
    WITH asked AS MATERIALIZED (SELECT * FROM murallink.top_up(place, code, from_date, note, $4))
    SELECT * FROM (
        SELECT t.first_name AS name, CASE WHEN l.visit_date > '2026-01-01' THEN 'later' ELSE l.visit_date::text END AS day,
            l.paid, l.due, l.amount, l.top_up_uid IS NOT NULL
        FROM asked, unnest(asked.payments) AS l
            JOIN murallink.enrollment e ON e.uid = l.enrollment_uid JOIN murallink.patient t ON t.uid = e.patient_uid
        UNION ALL SELECT 'total', concat_ws(' ', milestone, currency), NULL, NULL, total, NOT asked.dry_run FROM asked) AS lines
    ORDER BY name = 'total', day COLLATE "C", name COLLATE "C"
$$;
GRANT EXECUTE ON FUNCTION pg_temp.topped TO PUBLIC;

-- Visits are paid, the stipend is raised, later visits are paid more: those who were paid less get the difference (S10)
SET SESSION AUTHORIZATION regress_top_up_admin;
SELECT uid AS infusion FROM murallink.add_milestone('Infusion', 50, NULL, :'trial', :'site', 10, '2025-01-01', code => 'INF') \gset
SELECT uid AS other FROM murallink.add_milestone('Other', 5, NULL, :'trial', :'site', 10, '2025-01-01') \gset
SELECT amount FROM murallink.milestone_payment(:'ann', :'infusion', visit_date => date '2025-02-10');
SELECT uid AS ann_paid FROM murallink.milestone_payment(:'ann', :'infusion', visit_date => date '2025-03-05') \gset
SELECT uid AS ben_paid FROM murallink.milestone_payment(:'ben', :'infusion', visit_date => date '2025-03-06') \gset
SELECT uid AS cyd_paid FROM murallink.milestone_payment(:'cyd', :'infusion', visit_date => date '2025-03-07') \gset
SELECT amount FROM murallink.milestone_payment(:'dan', :'infusion');
SELECT amount FROM murallink.milestone_payment(:'dan', :'other', visit_date => date '2025-03-07');
SELECT amount FROM murallink.manual_payment(:'ann', :'trial', 3, visit_date => date '2025-03-07');
SELECT p.status FROM murallink.reject_payment(:'cyd_paid', 'a mistake') AS p;
SELECT p.status FROM murallink.approve_payment(:'ben_paid') AS p;
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-01-01', true);
SELECT amount, warnings FROM murallink.add_milestone('Infusion', 60, NULL, :'trial', :'site', 10);
SELECT amount FROM murallink.milestone_payment(:'ben', :'infusion', visit_date => date '2025-03-08');
SELECT available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-03-01', true);
SELECT available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SELECT * FROM pg_temp.topped(:'trial_site', 'inf', '2025-03-01');
SELECT payment_type, amount, currency, status, note, visit_date < '2026-01-01' AS early, milestone_code, requested_by_uid IS NOT NULL AS requested, count(*)
FROM murallink.payment WHERE trial_uid = :'trial' AND top_up_of_uid IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY early;
SELECT available FROM murallink.fund_balance WHERE contract_uid = :'contract';
-- asked again, and for earlier visits: what has been topped up is not
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-03-01', true);
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-01-01');
-- they are no payments of the milestone
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(:'ann', :'trial') WHERE code = 'INF';
SELECT count(*) FILTER (WHERE milestone_uid IS NULL), count(*) FILTER (WHERE occurrence IS NOT NULL) AS occurrences FROM murallink.payment
WHERE trial_uid = :'trial' AND top_up_of_uid IS NOT NULL;

-- A later version pays what is left; a lower price takes nothing back
SELECT amount FROM murallink.add_milestone('Infusion', 65.5, NULL, :'trial', :'site', 10);
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-03-06', true);
BEGIN;
SELECT amount FROM murallink.add_milestone('Infusion', 40, NULL, :'trial', :'site', 10, now());
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-01-01', true);
SELECT amount FROM murallink.add_milestone('Infusion', 100, 'EUR', :'trial', :'site', 10, now() + interval '1 us');
SELECT total, currency FROM murallink.top_up(:'trial_site', 'INF', date '2025-01-01', dry_run => true);
ROLLBACK;

-- Two of one payment are both approved, in whatever order; one that is made in place of a rejected one is approved whole
BEGIN;
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-03-06');
SELECT uid AS first, amount FROM murallink.payment WHERE top_up_of_uid = :'ben_paid' ORDER BY created_at LIMIT 1 \gset
SELECT uid AS second FROM murallink.payment WHERE top_up_of_uid = :'ben_paid' AND uid <> :'first' \gset
SELECT p.status, p.amount FROM murallink.approve_payment(:'first') AS p;
SELECT p.status, p.amount FROM murallink.approve_payment(:'second') AS p;
ROLLBACK;
BEGIN;
SELECT p.status FROM murallink.reject_payment(:'first', 'a mistake') AS p;
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-03-06');
SELECT p.status, p.amount FROM murallink.payment t, murallink.approve_payment(t.uid) AS p WHERE t.top_up_of_uid = :'ben_paid' AND t.status = 'pending';
ROLLBACK;

-- It waits for approval, which it gets after what it adds to, and that is cancelled after it; a rejected one can be made again
SELECT uid AS anns FROM murallink.payment WHERE top_up_of_uid = :'ann_paid' \gset
SELECT uid AS bens FROM murallink.payment WHERE top_up_of_uid = :'ben_paid' \gset
SELECT p.status FROM murallink.approve_payment(:'bens') AS p;
SELECT test.answer('cancel_payment', jsonb_build_object('payment_uid', :'ben_paid', 'note', 'a mistake')) AS what_is_topped_up;
SELECT test.answer('approve_payment', jsonb_build_object('payment_uid', :'anns')) AS of_a_pending_payment;
SELECT p.status FROM murallink.reject_payment(:'ann_paid', 'a mistake') AS p;
SELECT test.answer('approve_payment', jsonb_build_object('payment_uid', :'anns')) AS of_a_rejected_payment;
SELECT p.status FROM murallink.reject_payment(:'anns', 'a mistake') AS p;
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-03-05', true);
SELECT p.status FROM murallink.cancel_payment(:'bens', 'a mistake') AS p;
SELECT * FROM pg_temp.topped(:'trial_site', 'INF', '2025-03-06', true);

-- If the funds are not enough for all, there is none
SELECT amount FROM murallink.manual_payment(:'ann', :'trial', 1000 - 40 - (
    SELECT reserved FROM murallink.fund_balance WHERE contract_uid = :'contract'));
SELECT available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SELECT amount FROM murallink.add_milestone('Infusion', 80, NULL, :'trial', :'site', 10);
SELECT total FROM murallink.top_up(:'trial_site', 'INF', date '2025-01-01', dry_run => true);
SELECT test.answer('top_up', jsonb_build_object('trial_site_uid', :'trial_site', 'milestone', 'INF', 'from_date', '2025-01-01', 'note', 'All'));
SELECT available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SELECT count(*) FROM murallink.payment WHERE trial_uid = :'trial' AND note = 'All';

-- No statement tops up more, again, another payment, or for another patient
RESET SESSION AUTHORIZATION;
SELECT uid AS dearer FROM murallink.milestone WHERE trial_uid = :'trial' AND amount = 80 \gset
SELECT uid AS medium FROM murallink.milestone WHERE trial_uid = :'trial' AND amount = 60 \gset
SELECT enrollment_uid AS bens_enrollment FROM murallink.payment WHERE uid = :'ben_paid' \gset
SELECT enrollment_uid AS anns_enrollment FROM murallink.payment WHERE uid = :'ann_paid' \gset
SELECT what, test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, top_up_of_uid, top_up_version_uid)'
    ' VALUES (%L, %L, %s, %L, %L, %L)', enrollment, kind, amount, currency, of, version))
FROM (VALUES
    (1, 'more', :'bens_enrollment', 'manual', '30.01', 'USD', :'ben_paid', :'dearer'),
    (2, 'another currency', :'bens_enrollment', 'manual', '1', 'EUR', :'ben_paid', :'dearer'),
    (3, 'another patient', :'anns_enrollment', 'manual', '1', 'USD', :'ben_paid', :'dearer'),
    (4, 'what is rejected', :'anns_enrollment', 'manual', '1', 'USD', :'ann_paid', :'dearer'),
    (5, 'an old version', :'bens_enrollment', 'manual', '1', 'USD', :'ben_paid', :'medium'),
    (6, 'no version', :'bens_enrollment', 'manual', '1', 'USD', :'ben_paid', NULL),
    (7, 'no amount', :'bens_enrollment', 'manual', 'NULL', 'USD', :'ben_paid', :'dearer'),
    (8, 'travel', :'bens_enrollment', 'travel', '1', 'USD', :'ben_paid', :'dearer'),
    (9, 'nothing', :'bens_enrollment', 'manual', '1', 'USD', :'trial', :'dearer'))
    AS wrong (n, what, enrollment, kind, amount, currency, of, version) ORDER BY n;
SELECT test.refusal(format('UPDATE murallink_private.payment SET top_up_of_uid = NULL, top_up_version_uid = NULL WHERE uid = %L', :'bens')) AS changed;
BEGIN;
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, top_up_of_uid, top_up_version_uid)
VALUES (:'bens_enrollment', 'manual', 29, 'USD', :'ben_paid', :'dearer') RETURNING amount, status;
SELECT test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, top_up_of_uid, top_up_version_uid)'
    ' VALUES (%L, ''manual'', 1, ''USD'', %L, %L)', :'bens_enrollment', :'ben_paid', :'dearer')) AS the_rest;
SET LOCAL session_replication_role = replica;
SELECT test.refusal(format('INSERT INTO murallink_private.payment (%1$s, payment_type, amount, top_up_of_uid, top_up_version_uid)'
    ' SELECT %1$s, ''manual'', 1, uid, %3$L FROM murallink_private.payment WHERE uid = %2$L',
    'client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, enrollment_uid, chain_uid, currency', :'ben_paid', :'dearer')) AS without_triggers;
-- what does not fit is a contradiction in the books
UPDATE murallink_private.payment SET top_up_version_uid = :'medium', amount = 10.01 WHERE top_up_version_uid = :'dearer';
SELECT regexp_replace(problem, '[0-9A-Za-z]{27}', '<uid>', 'g') AS problem FROM murallink.verify_ledger() WHERE problem ~ 'tops up';
ROLLBACK;
SELECT count(*) AS contradictions FROM murallink.verify_ledger();

-- A trial that prices by visit: a version that is added late prices visits that were paid, up to the next one
SET SESSION AUTHORIZATION regress_top_up_admin;
SELECT murallink.add_funding(:'contract', 1000);
SELECT price_by FROM murallink.set_pricing(:'trial', 'visit', note => 'From now on');
SELECT uid AS check_up FROM murallink.add_milestone('Check-up', 100, NULL, :'trial', :'site', 10, '2025-01-01') \gset
SELECT amount FROM murallink.add_milestone('Check-up', 120, NULL, :'trial', :'site', 10, '2025-05-01');
SELECT day, p.amount FROM unnest('{2025-02-28,2025-03-01,2025-04-30,2025-05-01}'::date[]) AS day,
    LATERAL murallink.milestone_payment(:'dan', :'check_up', visit_date => day) AS p;
SELECT total FROM murallink.top_up(:'trial_site', 'Check-up', date '2025-01-01', dry_run => true);
SELECT amount FROM murallink.add_milestone('Check-up', 110.55, NULL, :'trial', :'site', 10, '2025-03-01');
SELECT * FROM pg_temp.topped(:'trial_site', 'Check-up', '2025-01-01');
SELECT total FROM murallink.top_up(:'trial_site', 'Check-up', date '2025-01-01', dry_run => true);
-- what was paid by the other rule is not taken for less than it was
SELECT total FROM murallink.top_up(:'trial_site', 'INF', date '2025-01-01', dry_run => true);

-- What was taken back in part is due in the same part of the new price
SELECT uid AS diary FROM murallink.add_milestone('Diary', 50, NULL, :'trial', :'site', 10, '2025-01-01') \gset
SELECT uid AS kept FROM murallink.milestone_payment(:'dan', :'diary', visit_date => date '2025-03-01') \gset
SELECT p.status FROM murallink.approve_payment(:'kept') AS p;
RESET SESSION AUTHORIZATION;
SELECT status FROM murallink.settle_payout((SELECT uid FROM murallink.payout WHERE payment_uid = :'kept'), 'paid', 'Check 1', 'by mail');
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'kept', 20, 'wrong_amount', 'Too much');
SELECT murallink_private.reversal_return(uid, 20, uid) FROM murallink.reversal WHERE payment_uid = :'kept';
SET SESSION AUTHORIZATION regress_top_up_admin;
SELECT amount FROM murallink.add_milestone('Diary', 60, NULL, :'trial', :'site', 10, '2025-03-01');
SELECT * FROM pg_temp.topped(:'trial_site', 'Diary', '2025-01-01');
SELECT * FROM pg_temp.topped(:'trial_site', 'Diary', '2025-01-01', true);
-- and all of a payment is taken back after its top-up, which is not approved any more then
RESET SESSION AUTHORIZATION;
SELECT uid AS more FROM murallink.payment WHERE top_up_of_uid = :'kept' \gset
BEGIN;
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'kept', 30, 'not_due', 'The rest') RETURNING status;
SELECT test.refusal(format('UPDATE murallink_private.payment SET status = ''approved'' WHERE uid = %L', :'more')) AS approved_then;
ROLLBACK;
-- nor where less is due by then
BEGIN;
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'kept', 15, 'wrong_amount', 'Half of the rest') RETURNING status;
SELECT test.refusal(format('UPDATE murallink_private.payment SET status = ''approved'' WHERE uid = %L', :'more')) AS approved_then;
ROLLBACK;
-- one that is not to be paid any more does not hold it up
BEGIN;
UPDATE murallink_private.payment SET status = 'rejected', decision_note = 'Not due' WHERE uid = :'more';
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'kept', 30, 'not_due', 'The rest') RETURNING status;
ROLLBACK;
BEGIN;
UPDATE murallink_private.payment SET status = 'approved' WHERE uid = :'more';
SELECT test.refusal(format('INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (%L, 30, ''not_due'', ''The rest'')', :'kept')) AS the_rest;
-- and a request for the top-up is not refused while all of the payment is asked back
SELECT murallink_private.payout_begin(:'more');
SELECT status FROM murallink.settle_payout((SELECT uid FROM murallink.payout WHERE payment_uid = :'more'), 'paid', 'Check 2', 'by mail');
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'more', 6, 'not_due', 'The difference') RETURNING uid AS difference \gset
SAVEPOINT asked;
SELECT status FROM murallink.decide_reversal(:'difference', false, 'It is due');
ROLLBACK TO asked;
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'kept', 30, 'not_due', 'The rest') RETURNING uid AS rest \gset
SELECT test.refusal(format('SELECT murallink.decide_reversal(%L, false, ''It is due'')', :'difference')) AS the_difference;
SAVEPOINT asked_both;
SELECT status FROM murallink.decide_reversal(:'rest', false, 'It is due, too');
SELECT status FROM murallink.decide_reversal(:'difference', false, 'It is due');
ROLLBACK TO asked_both;
SELECT status FROM murallink.decide_reversal(:'rest', true, 'Sent back');
SELECT test.refusal(format('SELECT murallink.decide_reversal(%L, false, ''It is due'')', :'difference')) AS the_difference;
ROLLBACK TO asked;
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'kept', 29, 'not_due', 'Not all') RETURNING status;
ROLLBACK;
SET SESSION AUTHORIZATION regress_top_up_admin;

-- What it takes
SELECT changed, test.answer('top_up', jsonb_build_object('trial_site_uid', :'trial_site', 'milestone', 'INF', 'from_date', '2999-01-01',
    'note', 'Amendment') || changed)
FROM (VALUES (jsonb '{}'), ('{"note": ""}'), ('{"note": "", "dry_run": true}'), ('{"dry_run": null}'), ('{"milestone": ""}'), ('{"milestone": "Infusion"}'),
    ('{"from_date": ""}'), ('{"from_date": "2025-02-29"}'), ('{"trial_site_uid": ""}'), ('{"trial_site_uid": "000000000000000000000000000"}'))
    AS asked (changed);
CREATE FUNCTION pg_temp.asked(place text) RETURNS text LANGUAGE sql AS $$
    SELECT test.answer('top_up', jsonb_build_object('trial_site_uid', place, 'milestone', 'Check-up', 'from_date', '2999-01-01', 'note', 'Amendment'))
$$;
SET SESSION AUTHORIZATION regress_top_up_user;
SELECT pg_temp.asked(:'trial_site') AS stranger;
SET SESSION AUTHORIZATION regress_top_up_admin;
SELECT murallink.grant(:'trial_site', 'manual_payment', :'user');
SET SESSION AUTHORIZATION regress_top_up_user;
SELECT pg_temp.asked(:'trial_site') AS without_view_payments;
SET SESSION AUTHORIZATION regress_top_up_admin;
SELECT murallink.grant(:'trial_site', 'view_payments', :'user');
SET SESSION AUTHORIZATION regress_top_up_user;
SELECT pg_temp.asked(:'trial_site') AS both;
SET SESSION AUTHORIZATION regress_top_up_admin;
DROP FUNCTION pg_temp.asked(text);
RESET SESSION AUTHORIZATION;
SELECT count(*) AS contradictions FROM murallink.verify_ledger();
DROP FUNCTION pg_temp.topped;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_top_up_%';
DROP ROLE regress_top_up_admin, regress_top_up_user;
