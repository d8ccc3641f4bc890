-- Payouts: what an approved payment waits for, what people settle, and the steps that nobody skips.
\set SHOW_CONTEXT never
CREATE ROLE regress_payout_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_payout_operator LOGIN IN ROLE murallink_operator;
CREATE ROLE regress_payout_analyst LOGIN IN ROLE murallink_analyst;
CREATE ROLE regress_payout_stranger LOGIN IN ROLE murallink_analyst;
SELECT email FROM murallink.create_admin('payout.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT (murallink.register('payout.analyst@example.com', 'correct horse', 'Ann', 'Analyst')).uid AS analyst,
    (murallink.register('payout.stranger@example.com', 'correct horse', 'Stan', 'Stranger')).uid AS stranger \gset
SELECT murallink.set_db_role('payout.' || name || '@example.com', 'regress_payout_' || name)
FROM unnest('{admin,analyst,stranger}'::text[]) AS name;
SELECT uid AS check FROM murallink_private.payment_type WHERE name = 'check' \gset
SELECT uid AS debit FROM murallink_private.payment_type WHERE name = 'debit' \gset

SET SESSION AUTHORIZATION regress_payout_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Payer') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Payer', currency => 'USD') \gset
SELECT murallink.add_funding(:'contract', 1000, 'USD');
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT murallink.grant(:'trial', 'view_payments', :'analyst');
SELECT uid AS pat FROM murallink.add_patient(site_uid => :'site', first_name => 'Pat', last_name => 'Payee', email => 'pat@example.com') \gset
SELECT murallink.enroll(:'pat', :'trial', :'site', 'P-1');

-- An approved payment has one payout, which says what it waits for
SELECT uid AS unknown FROM murallink.manual_payment(:'pat', :'trial', 10) \gset
SELECT uid AS pending FROM murallink.manual_payment(:'pat', :'trial', 11) \gset
SELECT status FROM murallink.approve_payment(:'unknown');
RESET SESSION AUTHORIZATION;
CREATE VIEW test.payout AS
SELECT o.amount, o.currency, o.status, o.reason, o.partner, p.status AS payment, o.reference, o.note, o.uid, o.payment_uid, o.contract_uid
FROM murallink.payout o JOIN murallink.payment p ON p.uid = o.payment_uid;
SELECT amount, currency, status, reason, partner, payment FROM test.payout WHERE contract_uid = :'contract' ORDER BY amount;
BEGIN;
UPDATE murallink_private.payment_type SET partner = 'another' WHERE uid = :'debit';
SET SESSION AUTHORIZATION regress_payout_admin;
SELECT payment_type_uid = :'debit' AS set FROM murallink.set_payment_type(:'debit', :'trial', :'pat');
RESET SESSION AUTHORIZATION;
SELECT amount, currency, status, reason, partner, payment FROM test.payout WHERE contract_uid = :'contract' ORDER BY amount;
ROLLBACK;
SET SESSION AUTHORIZATION regress_payout_admin;
SELECT payment_type_uid = :'check' AS set FROM murallink.set_payment_type(:'check', :'trial', :'pat');
SELECT uid AS lost FROM murallink.manual_payment(:'pat', :'trial', 12) \gset
SELECT uid AS dropped FROM murallink.manual_payment(:'pat', :'trial', 13) \gset
SELECT status FROM unnest(ARRAY[:'lost', :'dropped']::murallink.ksuid[]) AS made, murallink.approve_payment(made);
SELECT status FROM murallink.cancel_payment(:'dropped', 'a mistake');
RESET SESSION AUTHORIZATION;
SELECT amount, currency, status, reason, partner, payment FROM test.payout WHERE contract_uid = :'contract' ORDER BY amount;
-- No statement takes one for paid, or for refused, that waits for something else than a person
BEGIN;
UPDATE murallink.contract SET default_payment_type_uid = NULL WHERE uid = :'contract';
UPDATE murallink.enrollment SET payment_type_uid = NULL WHERE contract_uid = :'contract';
SELECT reason, outcome, test.refusal(format('UPDATE murallink_private.payment SET status = %L WHERE uid = %L', outcome, payment_uid)),
    test.refusal(format('UPDATE murallink_private.payout SET settled_at = now() WHERE uid = %L', uid)) AS settled
FROM test.payout, unnest('{paid,failed,in_doubt}'::text[]) AS outcome WHERE payment_uid = :'lost' ORDER BY outcome;
ROLLBACK;
SELECT uid AS paid_by_check FROM test.payout WHERE payment_uid = :'unknown' \gset
SELECT uid AS lost_check FROM test.payout WHERE payment_uid = :'lost' \gset
SELECT uid AS dropped_check FROM test.payout WHERE payment_uid = :'dropped' \gset

-- An operator settles what no partner does
SET SESSION AUTHORIZATION regress_payout_admin;
SELECT test.refusal(format('SELECT murallink.settle_payout(%L, ''paid'')', :'paid_by_check')) AS no_operator;
SET SESSION AUTHORIZATION regress_payout_operator;
SELECT outcome, test.refusal(format('SELECT murallink.settle_payout(%L, %L, %L, %L)', payout, outcome, reference, note))
FROM (VALUES
    (NULL, 'paid', '', ''), (:'site', 'paid', '', ''), (:'paid_by_check', NULL, '', ''), (:'paid_by_check', 'Paid', '', ''),
    (:'paid_by_check', 'paid', repeat('1', 201), ''), (:'paid_by_check', 'paid', '', repeat('1', 1001)),
    (:'paid_by_check', 'paid', E'\t1\u0007', ''), (:'dropped_check', 'paid', '', '')) AS wrong (payout, outcome, reference, note);
SELECT amount, status, reason, reference, note FROM murallink.settle_payout(:'paid_by_check', 'paid', ' 1017 ', 'by mail');
SELECT amount, status, reason, reference, note FROM murallink.settle_payout(:'lost_check', 'failed', note => 'came back');
SELECT test.refusal(format('SELECT murallink.settle_payout(%L, ''paid'')', payout)) FROM unnest(ARRAY[:'paid_by_check', :'lost_check']) AS payout;
SELECT test.refusal(format('SELECT murallink.retry_payout(%L, %L)', payout, note))
FROM (VALUES (:'paid_by_check', 'why'), (:'lost_check', ' '), (NULL, 'why')) AS wrong (payout, note);
SELECT amount, status, reason, note FROM murallink.retry_payout(:'lost_check', 'new address');
SELECT test.refusal(format('SELECT murallink.resolve_payout(%L, %L, %L)', payout, outcome, note))
FROM (VALUES (:'lost_check', 'paid', 'seen'), (:'lost_check', 'done', 'seen'), (NULL, 'paid', 'seen')) AS wrong (payout, outcome, note);
RESET SESSION AUTHORIZATION;
SELECT amount, status, reason, payment, reference, note FROM test.payout WHERE contract_uid = :'contract' ORDER BY amount;
SELECT db_user, resource, changes - '{due_at,settled_at}'::text[] AS changes FROM murallink.audit_event
WHERE resource_uid IN (:'paid_by_check', :'lost_check', :'unknown', :'lost') AND db_user = 'regress_payout_operator' ORDER BY at;
SELECT reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SELECT * FROM murallink.verify_ledger() WHERE contract_uid = :'contract';

-- Nobody skips a step, not even who owns the table
SELECT attempted, test.refusal(format(statement, payout)) FROM (VALUES
    ('a payout of a pending payment', :'pending', 'INSERT INTO murallink_private.payout (payment_uid) VALUES (%L)'),
    ('a second payout', :'lost', 'INSERT INTO murallink_private.payout (payment_uid) VALUES (%L)'),
    ('to pay again', :'unknown', 'UPDATE murallink_private.payment SET status = ''approved'' WHERE uid = %L'),
    ('to claim what waits', :'lost', 'UPDATE murallink_private.payment SET status = ''processing'' WHERE uid = %L'),
    ('to be in doubt unsent', :'lost', 'UPDATE murallink_private.payment SET status = ''in_doubt'' WHERE uid = %L'),
    ('to be paid unsettled', :'lost', 'UPDATE murallink_private.payment SET status = ''paid'' WHERE uid = %L'),
    ('to fail unsettled', :'lost', 'UPDATE murallink_private.payment SET status = ''failed'' WHERE uid = %L'),
    ('to revive what is cancelled', :'dropped', 'UPDATE murallink_private.payment SET status = ''approved'' WHERE uid = %L'),
    ('to settle what is cancelled', :'dropped_check', 'UPDATE murallink_private.payout SET settled_at = now() WHERE uid = %L'),
    ('another amount', :'lost', 'UPDATE murallink_private.payment SET amount = 1 WHERE uid = %L'),
    ('another payment', :'lost_check', 'UPDATE murallink_private.payout SET payment_uid = uid WHERE uid = %L'),
    ('another contract', :'lost_check', 'UPDATE murallink_private.payout SET contract_uid = uid WHERE uid = %L'),
    ('another patient', :'lost_check', 'UPDATE murallink_private.payout SET patient_uid = uid WHERE uid = %L'),
    ('to write to the view', :'lost_check', 'UPDATE murallink.payout SET status = ''done'' WHERE uid = %L'),
    ('to delete it', :'lost_check', 'DELETE FROM murallink_private.payout WHERE uid = %L'),
    ('to empty the table', :'lost_check', 'TRUNCATE murallink_private.payout -- %L')) AS wrong (attempted, payout, statement);
SELECT amount, status, payment FROM test.payout WHERE contract_uid = :'contract' ORDER BY amount;

-- A payout that begins as if it were settled is not, and a call that is made for what no partner pays is not sent
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_payout_admin;
SELECT uid AS begun FROM murallink.manual_payment(:'pat', :'trial', 14) \gset
RESET SESSION AUTHORIZATION;
UPDATE murallink_private.payment SET status = 'approved' WHERE uid = :'begun';
INSERT INTO murallink_private.payout (payment_uid, reason, settled_at) VALUES (:'begun', 'settled_by_person', now());
SELECT test.refusal(format('UPDATE murallink_private.payment SET status = ''paid'' WHERE uid = %L', :'begun')) AS paid;
SELECT murallink.enable_payouts();
INSERT INTO murallink_private.call (uid, partner, resource, subject_uid, operation) SELECT uid, 'dash', 'payout', uid, 'load' FROM test.payout WHERE contract_uid = :'contract';
SELECT count(*) AS claimed FROM murallink_private.claim_calls('dash', 100) c JOIN test.payout o ON o.uid = c.call_uid WHERE o.contract_uid = :'contract';
ROLLBACK;

-- Who may view payments sees their payouts
SET SESSION AUTHORIZATION regress_payout_analyst;
SELECT amount, status FROM murallink.payout WHERE contract_uid = :'contract' ORDER BY amount;
SET SESSION AUTHORIZATION regress_payout_stranger;
SELECT amount, status FROM murallink.payout;
RESET SESSION AUTHORIZATION;

-- The switch: off at first, on for this database of this cluster alone
SELECT murallink_private.payouts_state();
SET SESSION AUTHORIZATION regress_payout_analyst;
SELECT test.refusal('SELECT murallink.enable_payouts()'), test.refusal('SELECT murallink.disable_payouts()');
SET SESSION AUTHORIZATION regress_payout_operator;
SELECT murallink.enable_payouts();
RESET SESSION AUTHORIZATION;
SELECT murallink_private.payouts_state();
BEGIN;
UPDATE murallink_private.payout_switch SET place = 'another';
SELECT murallink_private.payouts_state();
ROLLBACK;
SET SESSION AUTHORIZATION regress_payout_operator;
SELECT murallink.disable_payouts();
RESET SESSION AUTHORIZATION;
SELECT murallink_private.payouts_state();

DROP ROLE regress_payout_admin, regress_payout_operator, regress_payout_analyst, regress_payout_stranger;
