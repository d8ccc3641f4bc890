-- What is owed back: written off, or kept of later payments, at most the share that the contract sets.
\set SHOW_CONTEXT never
CALL test.begin_day();
CREATE ROLE regress_owed_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_owed_approver LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_owed_stranger LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_owed_operator LOGIN IN ROLE murallink_operator;
SELECT email FROM murallink.create_admin('admin.owed@example.com', 'correct horse', 'Ada', 'Admin');
SELECT count(murallink.register(name || '.owed@example.com', 'correct horse', 'Pat', 'User')) FROM unnest('{approver,stranger}'::text[]) AS name;
SELECT murallink.set_db_role(name || '.owed@example.com', 'regress_owed_' || name) FROM unnest('{admin,approver,stranger}'::text[]) AS name;
SELECT murallink.configure_partner('dash', 'http://127.0.0.1', '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "look_up": false}', '{"username": "x", "password": "y"}');
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT uid AS client FROM murallink.create_client('Owed') \gset
SELECT uid AS contract, recovery_share FROM murallink.create_contract(:'client', 'Owed', currency => 'USD',
    default_payment_type_uid => (SELECT uid FROM murallink.get_payment_types() WHERE name = 'debit')) \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Owed') \gset
SELECT uid AS other FROM murallink.create_trial(:'contract', 'Other') \gset
SELECT uid AS site FROM murallink.create_site('Owed', :'trial') \gset
SELECT count(murallink.add_trial_site(:'other', :'site'));
SELECT murallink.add_funding(:'contract', 1000);
SELECT uid AS week1 FROM murallink.add_milestone('Week 1', 100, 'USD', :'trial', :'site') \gset
SELECT uid AS week2 FROM murallink.add_milestone('Week 2', 100, 'USD', :'trial', :'site', 9) \gset
SELECT uid AS pat FROM murallink.add_patient(:'site', 'Pat', 'Street', email => 'pat@example.com') \gset
SELECT murallink.enroll(:'pat', :'trial', :'site', '1'), murallink.enroll(:'pat', :'other', :'site', '1');
RESET SESSION AUTHORIZATION;
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid)
SELECT u.uid, permission, 'contract', :'contract', :'client', :'contract'
FROM murallink.app_user u, unnest('{approve_payments,view_payments}'::murallink.permission[]) AS permission WHERE u.email = 'approver.owed@example.com';
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key) VALUES (:'pat', 'dash', '2', 'done', '78');

-- The worker, in short
CREATE FUNCTION pg_temp.ends(wanted murallink.ksuid, outcome text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    asked jsonb;
BEGIN
    asked := (SELECT params FROM murallink_private.call_claim(ARRAY[wanted]));
    PERFORM murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', wanted, 'attempt', (
        SELECT attempt FROM murallink_private.call WHERE uid = wanted), 'outcome', outcome, 'reason', 'so they say')));
    RETURN asked;
END
$$;
CREATE FUNCTION pg_temp.approve(made murallink.ksuid) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL SESSION AUTHORIZATION regress_owed_admin;
    PERFORM murallink.approve_payment(made);
    RESET SESSION AUTHORIZATION;
    RETURN made;
END
$$;
CREATE FUNCTION pg_temp.load(made murallink.ksuid, said text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.ends(o.uid, said) ->> 'amount' FROM murallink_private.payout o WHERE o.payment_uid = made
$$;
CREATE FUNCTION pg_temp.unload(made murallink.ksuid, said text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.ends(c.uid, said) ->> 'amount' FROM murallink_private.payout o JOIN murallink_private.call c ON c.subject_uid = o.uid
    WHERE o.payment_uid = made AND c.operation = 'unload' AND c.status = 'ready'
$$;
CREATE FUNCTION pg_temp.week(milestone murallink.ksuid, patient murallink.ksuid) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    SET LOCAL SESSION AUTHORIZATION regress_owed_admin;
    made := uid FROM murallink.milestone_payment(patient, milestone);
    RESET SESSION AUTHORIZATION;
    RETURN made;
END
$$;
CREATE FUNCTION pg_temp.back(made murallink.ksuid, amount numeric, note text) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    asked murallink.ksuid;
BEGIN
    SET LOCAL SESSION AUTHORIZATION regress_owed_admin;
    asked := uid FROM murallink.request_reversal(made, amount, 'not_due', note);
    RESET SESSION AUTHORIZATION;
    RETURN asked;
END
$$;
CREATE VIEW pg_temp.books AS
SELECT m.milestone_name AS milestone, trim_scale(m.amount) AS amount, m.status, trim_scale(m.recovered) AS recovered, trim_scale(m.net_amount) AS net,
    trim_scale(o.amount) AS payout, (SELECT string_agg(concat_ws(' ', trim_scale(r.amount), r.status, 'back', trim_scale(r.returned), 'recovered', trim_scale(r.recovered),
        'kept', trim_scale(r.kept), 'off', trim_scale(r.written_off)), ', ' ORDER BY r.created_at) FROM murallink.reversal r WHERE r.payment_uid = m.uid) AS reversals,
    (SELECT string_agg(concat_ws(' ', trim_scale(k.amount), k.status), ', ' ORDER BY k.created_at) FROM murallink.recovery k WHERE k.payment_uid = m.uid) AS recoveries, m.created_at, m.uid
FROM murallink.payment m LEFT JOIN murallink.payout o ON o.payment_uid = m.uid JOIN murallink.contract c ON c.uid = m.contract_uid WHERE c.name = 'Owed';
CREATE VIEW pg_temp.funds AS SELECT trim_scale(funded) AS funded, trim_scale(reserved) AS reserved, trim_scale(disbursed) AS disbursed, trim_scale(available) AS available,
    (SELECT count(*) FROM murallink.verify_ledger()) AS problems
FROM murallink.fund_balance b JOIN murallink.contract c ON c.uid = b.contract_uid WHERE c.name = 'Owed';

-- The issuer declines: the money is owed back
SELECT pg_temp.approve(pg_temp.week(:'week1', :'pat')) AS wrong \gset
SELECT pg_temp.load(:'wrong', 'done') AS loaded, pg_temp.back(:'wrong', NULL, 'not done') AS debt \gset
SELECT :'loaded' AS loaded, pg_temp.unload(:'wrong', 'declined') AS asked;
SET SESSION AUTHORIZATION regress_owed_operator;
SELECT kind, uid = :'debt' AS uid, why, remedy, amount FROM murallink.needs_person WHERE contract_uid = :'contract';
SELECT test.refusal(format('SELECT murallink.recover(%s)', format(args, :'debt'))) AS recover, test.refusal(format('SELECT murallink.write_off(%s)', format(args, :'debt'))) AS write_off
FROM unnest(ARRAY['', 'murallink.gen_ksuid(), ''x''', '%L', '%L, '' ''']) AS args;
SELECT test.refusal(format('SELECT murallink.recover(%L, ''x'')', :'debt')) AS off_by_default,
    test.refusal(format('SELECT murallink.decide_reversal(%L, true, ''x'')', :'debt')) AS not_requested;

-- Off by default; an admin sets the share, with a note
SET SESSION AUTHORIZATION regress_owed_approver;
SELECT test.refusal(format('SELECT murallink.set_recovery(%L, 50, ''x'')', :'contract')) AS no_admin;
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT test.refusal(format('SELECT murallink.set_recovery(%s)', format(args, :'contract'))) FROM unnest(ARRAY[
    '', '%L', '%L, 50', '%L, 100, ''x''', '%L, -1, ''x''', 'murallink.gen_ksuid(), 50, ''x''']) AS args;
SELECT recovery_share FROM murallink.set_recovery(:'contract', 50, 'the board allows half');
SELECT recovery_share FROM murallink.get_contract(:'contract');
SELECT changes FROM murallink.audit_event WHERE resource = 'contract' AND resource_uid = :'contract' AND changes ? 'recovery_share';
SET SESSION AUTHORIZATION regress_owed_stranger;
SELECT test.refusal(format('SELECT murallink.%s(%L, ''x'')', f, :'debt')) FROM unnest('{recover,write_off}'::text[]) AS f;
SET SESSION AUTHORIZATION regress_owed_operator;
SELECT remedy FROM murallink.needs_person WHERE contract_uid = :'contract';
SELECT status, decision_note FROM murallink.recover(:'debt', 'half of each visit');
SELECT status, decision_note FROM murallink.recover(:'debt', 'again');
SELECT count(*) AS needs_person FROM murallink.needs_person WHERE contract_uid = :'contract';
RESET SESSION AUTHORIZATION;

-- 100 are 50 kept and 50 paid out; nothing of travel, and nothing in another trial
UPDATE murallink.patient SET email_enabled = true WHERE uid = :'pat';
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS second \gset
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT uid AS taxi FROM murallink.travel_payment(:'pat', :'trial', 40) \gset
SELECT uid AS elsewhere FROM murallink.manual_payment(:'pat', :'other', 60) \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.approve(uid)) FROM unnest(ARRAY[:'taxi', :'elsewhere']::murallink.ksuid[]) AS uid;
SELECT milestone, amount, status, recovered, net, payout, reversals, recoveries FROM pg_temp.books ORDER BY created_at;
SELECT * FROM pg_temp.funds;
SELECT pg_temp.load(:'second', 'done') AS loaded, pg_temp.load(:'taxi', 'done') AS taxi, pg_temp.load(:'elsewhere', 'done') AS elsewhere;
SELECT milestone, amount, status, recovered, net, payout, reversals, recoveries FROM pg_temp.books ORDER BY created_at;
SELECT movement, trim_scale(e.amount) AS amount, e.source_uid = k.uid AS by_recovery FROM murallink.fund_entry e, murallink.recovery k
WHERE k.payment_uid = :'second' AND e.source_uid IN (:'wrong', :'second', k.uid) ORDER BY e.at, movement;
SELECT * FROM pg_temp.funds;
SELECT test.refusal(format('UPDATE murallink_private.reversal SET status = ''owed_back'', recovered = 49 WHERE uid = %L', :'debt')) AS never_less;
-- All of it has been asked back, though not all has come
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, %s, ''other'', ''more'')', :'wrong', amount)) FROM unnest(ARRAY['NULL', '1']) AS amount;
RESET SESSION AUTHORIZATION;
-- What was recovered is not taken from the card as well
BEGIN;
SELECT status FROM murallink.reverse_payment(:'wrong', 'ask again');
SELECT pg_temp.unload(:'wrong', 'done') AS asked;
SELECT status, net, reversals FROM pg_temp.books WHERE uid = :'wrong';
SELECT * FROM pg_temp.funds;
ROLLBACK;
-- and the patient is told so
SELECT murallink_private.template_filled(t.body, jsonb_build_object('amount', '50.00', 'currency', 'USD', 'kept', '; 50.00 USD were kept')) FROM murallink_private.template t WHERE t.kind = 'payment' AND t.channel = 'sms';

-- What is not paid is not kept: cancelled, declined, in doubt and cancelled; approved again it is kept again
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS third \gset
SELECT recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'third';
SELECT test.refusal(format('SELECT murallink.reverse_payment(%L, ''ask again'')', :'wrong')) AS while_it_is_kept;
SELECT pg_temp.load(:'third', 'declined') AS loaded;
SELECT status, recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'third';
SELECT status, reversals FROM pg_temp.books WHERE uid = :'wrong';
-- nor is anything kept in another trial, also when it is tried again
BEGIN;
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT uid AS far FROM murallink.manual_payment(:'pat', :'other', 60) \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.approve(:'far')), pg_temp.load(:'far', 'declined') AS loaded;
SELECT status, amount FROM murallink.retry_payout((SELECT uid FROM murallink.payout WHERE payment_uid = :'far'), 'it is open again');
SELECT status, recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'far';
-- or in another currency
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT murallink.add_funding(:'contract', 100, 'EUR');
SELECT uid AS euros FROM murallink.manual_payment(:'pat', :'trial', 60, 'EUR') \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.approve(:'euros'));
SELECT status, recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'euros';
ROLLBACK;
SET SESSION AUTHORIZATION regress_owed_operator;
SELECT status, amount FROM murallink.retry_payout((SELECT uid FROM murallink.payout WHERE payment_uid = :'third'), 'it is open again');
RESET SESSION AUTHORIZATION;
SELECT status, recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'third';
SELECT pg_temp.load(:'third', 'in_doubt') AS loaded;
SELECT status, recovered, recoveries FROM pg_temp.books WHERE uid = :'third';
SET SESSION AUTHORIZATION regress_owed_operator;
SELECT status, amount FROM murallink.resolve_payout((SELECT uid FROM murallink.payout WHERE payment_uid = :'third'), 'not_paid', 'it was not');
RESET SESSION AUTHORIZATION;
SELECT status, recovered, recoveries FROM pg_temp.books WHERE uid = :'third';
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT status FROM murallink.cancel_payment(:'third', 'not this one');
RESET SESSION AUTHORIZATION;
SELECT status, recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'third';
SELECT status, reversals FROM pg_temp.books WHERE uid = :'wrong';
SELECT * FROM pg_temp.funds;

-- With the last part all of it is back: the payment is reversed, and its milestone is open
SELECT test.refusal(format('SELECT pg_temp.week(%L, %L)', :'week1', :'pat')) AS not_yet;
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS fourth \gset
SELECT pg_temp.load(:'fourth', 'done') AS loaded;
SELECT milestone, amount, status, recovered, net, payout, reversals, recoveries FROM pg_temp.books WHERE uid IN (:'wrong', :'fourth') ORDER BY created_at;
-- What was recovered stays on the card
SELECT trim_scale(murallink_private.card_balance(c.uid)) AS on_card, trim_scale(sum(o.amount)) AS loaded
FROM murallink_private.card c JOIN murallink.payout o ON o.patient_uid = c.patient_uid AND o.status = 'done' WHERE c.proxy_key = '78' GROUP BY c.uid;
SELECT pg_temp.approve(pg_temp.week(:'week1', :'pat')) AS right \gset
SELECT recovered, payout FROM pg_temp.books WHERE uid = :'right';
SELECT pg_temp.load(:'right', 'done') AS loaded;
SELECT * FROM pg_temp.funds;

-- A payment of which a part was kept is taken back: what was paid out comes from the card, the rest is owed again
SELECT pg_temp.back(:'fourth', NULL, 'not done either') AS again \gset
SELECT pg_temp.unload(:'fourth', 'done') AS asked;
SELECT milestone, amount, status, recovered, net, payout, reversals, recoveries FROM pg_temp.books WHERE uid = :'fourth';
SET SESSION AUTHORIZATION regress_owed_operator;
SELECT why, remedy, amount FROM murallink.needs_person WHERE contract_uid = :'contract';
SELECT test.refusal(format('SELECT murallink.reverse_payment(%L, ''x'')', :'fourth')) AS nothing_is_there;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.funds;
SET SESSION AUTHORIZATION regress_owed_approver;
SELECT status, returned, net_amount, decision_note FROM murallink.recover(:'again', 'go on');
RESET SESSION AUTHORIZATION;

-- In parts: what was recovered is still on the card, and what was kept of the payment never was
BEGIN;
SELECT status FROM murallink.write_off(:'again', 'let it be');
SAVEPOINT parts;
SELECT pg_temp.back(:'second', 50, 'half') AS half \gset
SELECT pg_temp.unload(:'second', 'declined') AS asked;
SELECT status FROM murallink.recover(:'half', 'half of each visit');
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS later \gset
SELECT pg_temp.load(:'later', 'done') AS loaded, pg_temp.back(:'second', NULL, 'the other half') AS rest \gset
SELECT pg_temp.unload(:'second', 'done') AS asked;
SELECT status, net, reversals FROM pg_temp.books WHERE uid = :'second';
SELECT * FROM pg_temp.funds;
ROLLBACK TO parts;
SELECT pg_temp.back(:'second', 50, 'half') AS half \gset
SELECT pg_temp.unload(:'second', 'done') AS asked;
SELECT pg_temp.back(:'second', NULL, 'the other half') AS rest \gset
SELECT pg_temp.unload(:'second', 'done') AS asked;
SELECT status, net, reversals FROM pg_temp.books WHERE uid = :'second';
SELECT why, remedy, amount FROM murallink.needs_person WHERE uid = :'rest';
SELECT * FROM pg_temp.funds;
ROLLBACK;

-- The card does not give what it got, and it comes back in another way: the rest is still owed, or recovered as before
BEGIN;
SELECT pg_temp.back(:'second', NULL, 'nor that') AS late \gset
SELECT pg_temp.unload(:'second', 'declined') AS asked;
SELECT uid AS unload FROM murallink.partner_tasks(operation => 'unload', status => 'declined', most => 1) \gset
SELECT why, remedy, amount FROM murallink.needs_person WHERE uid = :'late';
SAVEPOINT owed;
SELECT status FROM murallink.resolve_task(:'unload', true, 'in cash');
SELECT net, reversals FROM pg_temp.books WHERE uid = :'second';
SELECT why, remedy, amount FROM murallink.needs_person WHERE uid = :'late';
SELECT test.refusal(format('SELECT murallink.resolve_task(%L, true, ''twice'')', :'unload')) AS once,
    test.refusal(format('UPDATE murallink_private.reversal SET status = ''recovering'', returned = 49 WHERE uid = %L', :'late')) AS never_less;
SELECT * FROM pg_temp.funds;
ROLLBACK TO owed;
-- of two debts the older one comes first
SELECT status FROM murallink.recover(:'late', 'half of each visit');
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS keeps \gset
SELECT recovered, recoveries FROM pg_temp.books WHERE uid = :'keeps';
SELECT reversals FROM pg_temp.books WHERE uid IN (:'second', :'fourth') ORDER BY created_at;
ROLLBACK TO owed;
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT recovery_share FROM murallink.set_recovery(:'contract', 70, 'more');
RESET SESSION AUTHORIZATION;
SELECT status FROM murallink.recover(:'late', 'half of each visit');
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS keeps \gset
SELECT recovered, recoveries FROM pg_temp.books WHERE uid = :'keeps';
SELECT reversals FROM pg_temp.books WHERE uid IN (:'second', :'fourth') ORDER BY created_at;
ROLLBACK TO owed;
-- also while a part is kept of a payment that is not paid yet
SELECT status FROM murallink.write_off(:'again', 'let it be');
SELECT status FROM murallink.recover(:'late', 'half of each visit');
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS keeps \gset
SELECT net, reversals FROM pg_temp.books WHERE uid = :'second';
SELECT status FROM murallink.resolve_task(:'unload', true, 'in cash');
SELECT net, reversals FROM pg_temp.books WHERE uid = :'second';
SELECT pg_temp.load(:'keeps', 'done') AS loaded;
SELECT status, net, reversals FROM pg_temp.books WHERE uid = :'second';
SELECT * FROM pg_temp.funds;
ROLLBACK TO owed;
-- but not while the card is asked once more: that one would be taken off as well
SELECT status FROM murallink.reverse_payment(:'second', 'ask again');
SELECT test.refusal(format('SELECT murallink.resolve_task(%L, true, ''in cash'')', :'unload')) AS a_person,
    test.refusal(format('SELECT murallink_private.call_decide(%L, ''done'', ''in cash'')', :'unload')) AS any_way;
SELECT pg_temp.unload(:'second', 'declined') AS asked;
SELECT net, reversals FROM pg_temp.books WHERE uid = :'second';
SELECT * FROM pg_temp.funds;
ROLLBACK;

-- Written off meanwhile: what is kept is recovered if it is paid, and borne if it is not
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS fifth \gset
SELECT recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'fifth';
BEGIN;
SET SESSION AUTHORIZATION regress_owed_approver;
SELECT status FROM murallink.write_off(:'again', 'let it be');
SELECT status, decision_note FROM murallink.write_off(:'again', 'let it be, I said');
SELECT test.refusal(format('SELECT murallink.recover(%L, ''x'')', :'again')) AS too_late;
RESET SESSION AUTHORIZATION;
SELECT reversals FROM pg_temp.books WHERE uid = :'fourth';
SELECT pg_temp.load(:'fifth', 'done') AS loaded;
SELECT status, reversals FROM pg_temp.books WHERE uid = :'fourth';
SELECT * FROM pg_temp.funds;
ROLLBACK;
BEGIN;
SET SESSION AUTHORIZATION regress_owed_approver;
SELECT status FROM murallink.write_off(:'again', 'let it be');
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT status FROM murallink.cancel_payment(:'fifth', 'not this one');
RESET SESSION AUTHORIZATION;
SELECT status, reversals FROM pg_temp.books WHERE uid = :'fourth';
SELECT * FROM pg_temp.funds;
ROLLBACK;

-- The share is a limit for each payment, to the currency's decimals; several debts share it, the oldest first
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT recovery_share FROM murallink.set_recovery(:'contract', 33, 'a third');
SELECT uid AS small FROM murallink.manual_payment(:'pat', :'trial', 0.05) \gset
SELECT uid AS least FROM murallink.manual_payment(:'pat', :'trial', 0.02) \gset
RESET SESSION AUTHORIZATION;
BEGIN;
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT status FROM murallink.cancel_payment(:'fifth', 'not this one');
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.approve(uid)) FROM unnest(ARRAY[:'small', :'least']::murallink.ksuid[]) AS uid;
SELECT amount, recovered, payout, recoveries FROM pg_temp.books WHERE uid IN (:'small', :'least') ORDER BY created_at;
ROLLBACK;
SELECT pg_temp.back(:'right', 20, 'too much') AS other_debt \gset
SELECT pg_temp.unload(:'right', 'declined') AS asked;
SET SESSION AUTHORIZATION regress_owed_approver;
SELECT status FROM murallink.recover(:'other_debt', 'this, too');
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT recovery_share FROM murallink.set_recovery(:'contract', 60, 'more');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.load(:'fifth', 'done') AS loaded;
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS sixth \gset
SELECT recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'sixth';
-- Two records of a patient become one: what the one owes is recovered of payments to the other, and taken back from the card that is left
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT uid AS patty FROM murallink.add_patient(:'site', 'Patty', 'Street', email => 'patty@example.com', trial_uid => :'trial', subject_id => '2') \gset
RESET SESSION AUTHORIZATION;
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key) VALUES (:'patty', 'dash', '2', 'done', '79');
SELECT test.refusal(format('SELECT murallink.merge_patients(%L, %L, ''added twice'')', keep, drop)) AS while_it_is_to_be_sent FROM (VALUES (:'pat', :'patty'), (:'patty', :'pat')) AS pair (keep, drop);
CREATE FUNCTION pg_temp.merged(keep murallink.ksuid, dropped murallink.ksuid) RETURNS TABLE (hers boolean, chained boolean, reversals bigint, recoveries bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink.merge_patients(keep, dropped, 'added twice');
    RETURN QUERY SELECT bool_and(r.patient_uid = keep), bool_and(r.chain_uid = p.chain_uid AND p.chain_uid = e.chain_uid), count(DISTINCT r.uid), count(k.uid)
    FROM murallink.reversal r JOIN murallink_private.payment p ON p.uid = r.payment_uid JOIN murallink.enrollment e ON e.uid = r.enrollment_uid
    LEFT JOIN murallink.recovery k ON k.reversal_uid = r.uid JOIN murallink.contract c ON c.uid = r.contract_uid WHERE c.name = 'Owed';
END
$$;
BEGIN;
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT status FROM murallink.cancel_payment(:'sixth', 'not this one');
RESET SESSION AUTHORIZATION;
SAVEPOINT one;
SELECT * FROM pg_temp.merged(:'patty', :'pat');
SELECT pg_temp.approve(pg_temp.week(:'week2', :'patty')) AS hers \gset
SELECT recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'hers';
SELECT pg_temp.load(:'hers', 'done') AS loaded;
SELECT status, net, reversals FROM pg_temp.books WHERE uid = :'right';
SELECT * FROM pg_temp.funds;
ROLLBACK TO one;
SELECT * FROM pg_temp.merged(:'pat', :'patty');
SELECT pg_temp.approve(pg_temp.week(:'week2', :'pat')) AS hers \gset
SELECT recovered, payout, recoveries FROM pg_temp.books WHERE uid = :'hers';
SELECT * FROM pg_temp.funds;
ROLLBACK TO one;
-- no statement does so without a merge, or more than that
SELECT test.refusal(format('UPDATE murallink_private.reversal SET patient_uid = %L WHERE uid = %L', :'patty', :'other_debt')) AS without;
INSERT INTO murallink.merged_patient (uid, into_uid, note) VALUES (:'pat', :'patty', 'x');
SELECT test.refusal(format('UPDATE murallink_private.reversal SET patient_uid = %L, status = ''owed_back'' WHERE uid = %L', :'patty', :'other_debt')) AS more;
ROLLBACK TO one;
-- not while a card is being unloaded, or may be
SELECT status FROM murallink.reverse_payment(:'right', 'ask again');
SELECT test.refusal(format('SELECT murallink.merge_patients(%L, %L, ''added twice'')', :'patty', :'pat')) AS to_be_unloaded;
SELECT pg_temp.unload(:'right', 'in_doubt') AS asked;
SELECT test.refusal(format('SELECT murallink.merge_patients(%L, %L, ''added twice'')', :'patty', :'pat')) AS in_doubt;
SELECT status FROM murallink.resolve_task((SELECT uid FROM murallink.partner_tasks(operation => 'unload', status => 'in_doubt')), false, 'it was not');
SELECT * FROM pg_temp.merged(:'patty', :'pat');
SELECT status FROM murallink.reverse_payment(:'right', 'ask the other card');
SELECT c.params ->> 'proxy_key' AS key, c.params ->> 'amount' AS amount FROM murallink_private.call c JOIN murallink_private.payout o ON o.uid = c.subject_uid WHERE o.payment_uid = :'right' AND c.status = 'ready';
SELECT pg_temp.unload(:'right', 'done') AS asked;
SELECT status, net, reversals FROM pg_temp.books WHERE uid = :'right';
SELECT * FROM pg_temp.funds;
ROLLBACK;

-- Nothing is to come: a person is told
SET SESSION AUTHORIZATION regress_owed_admin;
SELECT status FROM murallink.cancel_payment(:'sixth', 'not this one');
SELECT status FROM murallink.set_enrollment_status('completed', :'trial', :'pat');
SET SESSION AUTHORIZATION regress_owed_operator;
SELECT why, remedy, amount FROM murallink.needs_person WHERE contract_uid = :'contract';
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.funds;

-- The message about a payment tells what was kept of it; that all has come back, or what the card gave, is a message of its own
SELECT n.kind, b.milestone, b.amount, trim_scale(n.returned) AS returned, split_part(m.params ->> 'text', E'\n', 3) AS text
FROM murallink_private.notice n JOIN pg_temp.books b ON b.uid = n.payment_uid, murallink_private.notice_message(n.uid) m
WHERE n.patient_uid = :'pat' ORDER BY n.created_at, n.kind, b.amount;

-- What contradicts itself is seen
SELECT damage, test.problems(format(statement, :'debt', :'second', :'other_debt', :'taxi', :'again')) FROM (VALUES
    (1, 'a recovery grew', 'UPDATE murallink.recovery SET amount = 51 WHERE payment_uid = %2$L'),
    (2, 'a recovery is another reversal''s', 'UPDATE murallink.recovery SET reversal_uid = %3$L WHERE payment_uid = %2$L'),
    (3, 'a recovery was given back', 'UPDATE murallink.recovery SET status = ''given_back'' WHERE payment_uid = %2$L'),
    (4, 'a recovery is kept for ever', 'UPDATE murallink.recovery SET status = ''kept'', ended_at = NULL WHERE payment_uid = %2$L'),
    (5, 'less was recovered', 'UPDATE murallink_private.reversal SET recovered = recovered - 1 WHERE uid = %1$L'),
    (6, 'less came back', 'UPDATE murallink_private.reversal SET returned = 99, recovered = 99, status = ''recovering'' WHERE uid = %1$L'),
    (7, 'less came back of the payment', 'UPDATE murallink_private.payment p SET returned = 99, status = ''paid'', occurrence = 100 FROM murallink.reversal r WHERE r.uid = %1$L AND p.uid = r.payment_uid'),
    (8, 'a reversal of another contract', 'UPDATE murallink_private.reversal SET contract_uid = murallink.gen_ksuid() WHERE uid = %1$L'),
    (9, 'a reversal of another chain', 'UPDATE murallink_private.reversal SET chain_uid = murallink.gen_ksuid() WHERE uid = %1$L'),
    (10, 'something is kept of no payment', 'UPDATE murallink_private.reversal SET kept = 5 WHERE uid = %3$L'),
    (11, 'a payment lacks what nobody has', 'UPDATE murallink_private.payment SET recovered = 1 WHERE uid = %4$L'),
    (12, 'something was kept of travel expenses', 'UPDATE murallink_private.payment SET payment_type = ''travel'', milestone_uid = NULL, milestone_code = NULL WHERE uid = %2$L'),
    (13, 'an unload took something else', 'UPDATE murallink_private.call SET params = params || ''{"amount": "1.00"}'' WHERE operation = ''unload'' AND params ->> ''reference'' = %5$L'),
    (14, 'an unload is open again', 'UPDATE murallink_private.call SET status = ''in_doubt'' WHERE operation = ''unload'' AND params ->> ''reference'' = %5$L'))
    AS damages (n, damage, statement) ORDER BY n;
SELECT * FROM pg_temp.funds;

-- Who sees it, and what not even the owner may do
SET SESSION AUTHORIZATION regress_owed_approver;
SELECT count(*) > 0 AS recoveries FROM murallink.recovery;
SET SESSION AUTHORIZATION regress_owed_stranger;
SELECT count(*) FROM murallink.recovery;
RESET SESSION AUTHORIZATION;
SELECT statement, test.refusal(format(statement, :'other_debt', :'second', :'taxi')) FROM unnest(ARRAY[
    'UPDATE murallink_private.reversal SET kept = 1 WHERE uid = %1$L', 'UPDATE murallink_private.reversal SET status = ''returned'', returned = amount - 1 WHERE uid = %1$L',
    'UPDATE murallink_private.reversal SET written_off = amount WHERE uid = %1$L', 'UPDATE murallink_private.payment SET recovered = 20 WHERE uid = %2$L',
    'UPDATE murallink_private.payment SET recovered = NULL WHERE uid = %2$L', 'UPDATE murallink_private.payment SET recovered = 1 WHERE uid = %3$L',
    'UPDATE murallink_private.reversal SET status = ''written_off'', written_off = 21 WHERE uid = %1$L',
    'UPDATE murallink_private.reversal SET status = ''owed_back'', recovered = 1 WHERE uid = %1$L',
    'UPDATE murallink_private.reversal SET status = ''owed_back'', written_off = 1 WHERE uid = %1$L',
    'INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) SELECT payment_uid, 0.001, ''other'', ''x'' FROM murallink_private.reversal WHERE uid = %1$L',
    'INSERT INTO murallink.recovery (client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, reversal_uid, payment_uid, amount, currency)
        SELECT client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, reversal_uid, payment_uid, 1, currency FROM murallink.recovery WHERE payment_uid = %2$L',
    'UPDATE murallink.recovery SET ended_at = NULL WHERE payment_uid = %2$L']) AS statement;
-- even where no trigger looks
BEGIN;
SET LOCAL session_replication_role = replica;
SELECT statement, test.refusal(format(statement, :'other_debt', :'second')) FROM unnest(ARRAY[
    'UPDATE murallink_private.payment SET recovered = amount WHERE uid = %2$L', 'UPDATE murallink_private.payment SET returned = amount, returned_by_uid = %1$L WHERE uid = %2$L',
    'UPDATE murallink_private.payment SET returned = 1 WHERE uid = %2$L', 'UPDATE murallink_private.reversal SET kept = 1, status = ''owed_back'' WHERE uid = %1$L']) AS statement;
ROLLBACK;
SET SESSION AUTHORIZATION regress_owed_operator;
SELECT count(*) > 0 AS recoveries FROM murallink.recovery;
RESET SESSION AUTHORIZATION;
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;
DROP ROLE regress_owed_admin, regress_owed_approver, regress_owed_stranger, regress_owed_operator;
