-- S43: payments come back because they have not reached the patient: each return counts once, and its milestone can be paid again.
\set SHOW_CONTEXT never
CALL test.begin_day();
CREATE ROLE regress_return_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_return_operator LOGIN IN ROLE murallink_operator;
SELECT email FROM murallink.create_admin('admin.return@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('admin.return@example.com', 'regress_return_admin');
SET SESSION AUTHORIZATION regress_return_admin;
SELECT uid AS client FROM murallink.create_client('Return') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Return', currency => 'USD',
    default_payment_type_uid => (SELECT uid FROM murallink.get_payment_types() WHERE name = 'Cash App')) \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Return', approve_milestones => true) \gset
SELECT uid AS site FROM murallink.create_site('Return', :'trial', time_zone => 'America/New_York') \gset
SELECT murallink.add_funding(:'contract', 1000);
SELECT uid AS week FROM murallink.add_milestone('Week 1', 100, 'USD', :'trial', :'site') \gset
SELECT uid AS pat FROM murallink.add_patient(:'site', 'Pat', 'Street', email => 'pat.return@example.com', email_enabled => true, sms_enabled => true,
    phone => '6105551213') \gset
SELECT murallink.enroll(:'pat', :'trial', :'site', '1');
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.settled(made murallink.ksuid) RETURNS murallink.ksuid LANGUAGE sql AS $$
    UPDATE murallink_private.payment SET status = 'approved' WHERE uid = made AND status = 'pending';
    SELECT murallink_private.payout_begin(made) WHERE NOT EXISTS (SELECT FROM murallink_private.payout WHERE payment_uid = made);
    SELECT p.payment_uid FROM murallink_private.payout o, murallink.settle_payout(o.uid, 'paid', 'sent') p WHERE o.payment_uid = made
$$;
CREATE FUNCTION pg_temp.state(made murallink.ksuid) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', p.status, trim_scale(p.net_amount), o.status, p.decision_note, (
        SELECT string_agg(concat_ws(' ', r.reason, r.status, trim_scale(r.returned)), ', ' ORDER BY r.created_at) FROM murallink.reversal r WHERE r.payment_uid = made))
    FROM murallink.payment p JOIN murallink.payout o ON o.payment_uid = p.uid WHERE p.uid = made
$$;
SET SESSION AUTHORIZATION regress_return_admin;
SELECT uid AS first, status FROM murallink.milestone_payment(:'pat', :'week') \gset
RESET SESSION AUTHORIZATION;

-- Who may, and when
SELECT test.refusal(format('SELECT murallink.return_payment(%L, ''1'', ''x'')', :'first')) AS not_paid_yet;
SELECT count(pg_temp.settled(:'first'));
SET SESSION AUTHORIZATION regress_return_admin;
SELECT test.refusal(format('SELECT murallink.return_payment(%L, ''1'', ''x'')', :'first')) AS no_operator;
SET SESSION AUTHORIZATION regress_return_operator;
SELECT args, test.refusal(format('SELECT murallink.return_payment(%s)', format(args, :'first'))) FROM unnest(ARRAY[
    '', '%L', '%L, ''1''', '%L, '' '', ''x''', '%L, ''1'', '' ''', 'murallink.gen_ksuid(), ''1'', ''x''']) AS args;

-- All of it comes back, once; the milestone is payable once more
SELECT amount, status, reference FROM murallink.return_payment(:'first', 'R02 7', 'the account is closed');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.state(:'first');
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SET SESSION AUTHORIZATION regress_return_operator;
SELECT status FROM murallink.return_payment(:'first', 'R02 7', 'the account is closed');
SELECT test.refusal(format('SELECT murallink.return_payment(%L, ''R02 8'', ''again'')', :'first')) AS another_return;
RESET SESSION AUTHORIZATION;
SELECT murallink_private.payment_came_back(:'first', :'first' || ' R02 7', 'x') AS again;
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SET SESSION AUTHORIZATION regress_return_admin;
SELECT milestone, paid FROM murallink.payable_milestones(:'pat', :'trial');
SELECT amount, reason, note, status, returned, net_amount, decision_note FROM murallink.get_reversals(:'pat', :'trial');
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, NULL, ''other'', ''x'')', :'first')) AS nothing_to_take_back;
SELECT uid AS second, status FROM murallink.milestone_payment(:'pat', :'week') \gset
SELECT test.refusal(format('SELECT murallink.milestone_payment(%L, %L)', :'pat', :'week')) AS once;
SELECT step, trim_scale(amount) AS amount FROM murallink.payment_history WHERE payment_uid = :'first' ORDER BY at, step;
SELECT payments, trim_scale(paid) AS paid, trim_scale(returned) AS returned FROM murallink.paid_by_month WHERE contract_uid = :'contract';
RESET SESSION AUTHORIZATION;
SELECT event, changes - 'decision_note' - 'returned_by_uid' AS changes FROM murallink_private.audit_event
WHERE resource_uid = :'first' AND event IS NOT NULL ORDER BY at;
SELECT n.kind, n.channel, m.params ->> 'subject' AS subject, coalesce(m.params ->> 'text', (
    SELECT string_agg(value, '' ORDER BY key) FROM jsonb_each_text(m.params -> 'input_parameters'))) AS text
FROM murallink_private.notice n, murallink_private.notice_message(n.uid) m WHERE n.payment_uid = :'first' ORDER BY n.kind, n.channel;

-- A reversal that waits for a decision needs none any more, also if it was for a part
SELECT count(pg_temp.settled(:'second'));
SET SESSION AUTHORIZATION regress_return_admin;
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, NULL, ''came_back'', ''x'')', :'second')) AS no_such_reason;
SELECT status FROM murallink.request_reversal(:'second', NULL, 'not_due', 'not done');
SELECT uid AS third FROM murallink.manual_payment(:'pat', :'trial', 30) \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.settled(:'third'));
SET SESSION AUTHORIZATION regress_return_admin;
SELECT status FROM murallink.request_reversal(:'third', 10, 'wrong_amount', 'too much');
SET SESSION AUTHORIZATION regress_return_operator;
SELECT status FROM murallink.return_payment(:'second', '9', 'nobody lives there');
SELECT status FROM murallink.return_payment(:'third', '9', 'nobody lives there');
SELECT kind, why FROM murallink.needs_person WHERE contract_uid = :'contract';
RESET SESSION AUTHORIZATION;
SELECT pg_temp.state(:'second') AS second, pg_temp.state(:'third') AS third;

-- What was kept of it for an earlier payment never left, and is owed back: a person decides
SET SESSION AUTHORIZATION regress_return_admin;
SELECT name FROM murallink.set_recovery(:'contract', 50, 'x');
SELECT uid AS owing FROM murallink.manual_payment(:'pat', :'trial', 20) \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.settled(:'owing'));
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'owing', 20, 'other', 'x');
UPDATE murallink_private.reversal SET status = 'owed_back' WHERE payment_uid = :'owing';
SET SESSION AUTHORIZATION regress_return_operator;
SELECT r.status FROM murallink.reversal o, murallink.recover(o.uid, 'x') r WHERE o.payment_uid = :'owing';
SET SESSION AUTHORIZATION regress_return_admin;
SELECT uid AS kept FROM murallink.manual_payment(:'pat', :'trial', 40) \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.settled(:'kept'));
SET SESSION AUTHORIZATION regress_return_operator;
SELECT amount, status FROM murallink.return_payment(:'kept', '10', 'the account is closed');
SELECT kind, why, remedy, amount FROM murallink.needs_person WHERE contract_uid = :'contract';
RESET SESSION AUTHORIZATION;
SELECT pg_temp.state(:'owing') AS owing, pg_temp.state(:'kept') AS kept;
SELECT n.kind, m.params ->> 'text' AS text FROM murallink_private.notice n, murallink_private.notice_message(n.uid) m
WHERE n.payment_uid = :'kept' AND n.channel = 'email' ORDER BY n.kind;

-- and when that has come back, too, the payment is returned
SET SESSION AUTHORIZATION regress_return_operator;
SELECT r.status FROM murallink.reversal o, murallink.recover(o.uid, 'x') r WHERE o.payment_uid = :'kept';
SET SESSION AUTHORIZATION regress_return_admin;
SELECT uid AS later FROM murallink.manual_payment(:'pat', :'trial', 50) \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.settled(:'later'));
SELECT pg_temp.state(:'kept') AS kept;

-- What is on a card is taken off it; and no statement makes a payment returned by itself
SELECT statement, test.refusal(format(statement, :'second', :'kept')) FROM unnest(ARRAY[
    'UPDATE murallink_private.payment SET status = ''returned'', returned = amount, returned_by_uid = uid, decision_note = ''x'' WHERE uid = %2$L',
    'UPDATE murallink_private.payment SET status = ''reversed'' WHERE uid = %1$L',
    'UPDATE murallink_private.payment SET status = ''paid'' WHERE uid = %1$L',
    'UPDATE murallink_private.reversal SET return_key = ''x'' WHERE payment_uid = %1$L',
    'INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (%1$L, 1, ''other'', ''x'')']) AS statement;
SET SESSION AUTHORIZATION regress_return_admin;
SELECT uid AS fourth FROM murallink.manual_payment(:'pat', :'trial', 60) \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.settled(:'fourth'));
BEGIN;
INSERT INTO murallink_private.card (uid, patient_uid, partner, program, status, proxy_key)
VALUES ('0ujtsYcgvSTl8PAuAdqWYSMnLOv', :'pat', 'dash', '2', 'done', '7800000001');
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.payout SET card_uid = '0ujtsYcgvSTl8PAuAdqWYSMnLOv', partner = 'dash' WHERE payment_uid = :'fourth';
SET LOCAL session_replication_role = origin;
SELECT test.refusal(format('SELECT murallink.return_payment(%L, ''11'', ''x'')', :'fourth')) AS on_a_card;
ROLLBACK;
SELECT * FROM murallink.verify_ledger();
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.payment SET status = 'reversed' WHERE uid = :'second';
SET LOCAL session_replication_role = origin;
SELECT regexp_replace(problem, '[0-9A-Za-z]{27}', 'UID', 'g') AS problem FROM murallink.verify_ledger();
ROLLBACK;
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;
DROP ROLE regress_return_admin, regress_return_operator;
