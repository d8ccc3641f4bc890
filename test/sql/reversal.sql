-- Reversals: who may take back what and when, how often, and what it leaves in the books.
\set SHOW_CONTEXT never
CALL test.begin_day();
CREATE ROLE regress_back_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_back_payer LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_back_approver LOGIN IN ROLE murallink_client;
CREATE ROLE regress_back_viewer LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_back_stranger LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_back_operator LOGIN IN ROLE murallink_operator;
SELECT email FROM murallink.create_admin('admin.back@example.com', 'correct horse', 'Ada', 'Admin');
SELECT count(murallink.register(name || '.back@example.com', 'correct horse', 'Pat', 'User')) FROM unnest('{payer,approver,viewer,stranger}'::text[]) AS name;
SELECT murallink.set_db_role(name || '.back@example.com', 'regress_back_' || name) FROM unnest('{admin,payer,approver,viewer,stranger}'::text[]) AS name;
SELECT murallink.configure_partner('dash', 'http://127.0.0.1', '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "look_up": false}', '{"username": "x", "password": "y"}');
SET SESSION AUTHORIZATION regress_back_admin;
SELECT uid AS client FROM murallink.create_client('Back') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Back', currency => 'USD',
    default_payment_type_uid => (SELECT uid FROM murallink.get_payment_types() WHERE name = 'debit')) \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Back') \gset
SELECT uid AS strict FROM murallink.create_trial(:'contract', 'Strict', separate_approver => true) \gset
SELECT uid AS site FROM murallink.create_site('Back', :'trial', time_zone => 'America/New_York') \gset
SELECT count(murallink.add_trial_site(:'strict', :'site'));
SELECT murallink.add_funding(:'contract', 1000);
SELECT uid AS week FROM murallink.add_milestone('Week 1', 100, 'USD', :'trial', :'site') \gset
SELECT uid AS pat FROM murallink.add_patient(:'site', 'Pat', 'Street', email => 'pat@example.com') \gset
SELECT murallink.enroll(:'pat', :'trial', :'site', '1'), murallink.enroll(:'pat', :'strict', :'site', '2');
RESET SESSION AUTHORIZATION;
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid)
SELECT u.uid, g.permission::murallink.permission, 'contract', :'contract', :'client', :'contract'
FROM (VALUES ('payer', 'milestone_payment'), ('payer', 'manual_payment'), ('payer', 'view_payments'), ('approver', 'approve_payments'),
    ('viewer', 'view_payments')) AS g (name, permission)
JOIN murallink.app_user u ON u.email = g.name || '.back@example.com';
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key) VALUES (:'pat', 'dash', '2', 'done', '77');

-- The worker, in short: what a call comes to, and a payment that is paid
CREATE FUNCTION pg_temp.ends(wanted murallink.ksuid, outcome text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink_private.call_claim(ARRAY[wanted]);
    PERFORM murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', wanted, 'attempt', (
        SELECT attempt FROM murallink_private.call WHERE uid = wanted), 'outcome', outcome, 'reason', 'so they say'))) WHERE outcome <> '';
END
$$;
CREATE FUNCTION pg_temp.paid(made murallink.ksuid, outcome text DEFAULT 'done') RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink_private.payment SET status = 'approved' WHERE uid = made AND status = 'pending';
    IF NOT EXISTS (SELECT FROM murallink_private.payout WHERE payment_uid = made) THEN
        PERFORM murallink_private.payout_begin(made);
    END IF;
    PERFORM pg_temp.ends(uid, outcome) FROM murallink_private.payout WHERE payment_uid = made;
    RETURN made;
END
$$;
CREATE FUNCTION pg_temp.unload(reversal murallink.ksuid, said text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.ends(uid, said) FROM murallink_private.call WHERE operation = 'unload' AND params ->> 'reference' = reversal::text AND status = 'ready';
    RETURN (SELECT concat_ws(' ', r.status, trim_scale(r.returned), p.status, trim_scale(p.net_amount))
        FROM murallink.reversal r JOIN murallink.payment p ON p.uid = r.payment_uid WHERE r.uid = reversal);
END
$$;
CREATE FUNCTION pg_temp.manual(patient murallink.ksuid, trial murallink.ksuid, amount numeric, outcome text DEFAULT 'done') RETURNS murallink.ksuid
LANGUAGE plpgsql AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    SET LOCAL SESSION AUTHORIZATION regress_back_payer;
    made := uid FROM murallink.manual_payment(patient, trial, amount);
    RESET SESSION AUTHORIZATION;
    RETURN pg_temp.paid(made, outcome);
END
$$;

-- All of it, by those who may pay, and by nobody else
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS first, status FROM murallink.milestone_payment(:'pat', :'week') \gset
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, NULL, %L, %L)', :'first', 'wrong_milestone', 'other visit')) AS pending;
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.paid(:'first'));
CREATE FUNCTION pg_temp.as_role(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', who);
    said := test.refusal(statement);
    RESET SESSION AUTHORIZATION;
    RETURN coalesce(said, 'done');
END
$$;
BEGIN;
SELECT who, pg_temp.as_role(('regress_back_' || who)::name, format('SELECT murallink.request_reversal(%L, NULL, ''other'', ''x'')', :'first'))
FROM unnest('{viewer,approver,stranger}'::text[]) AS who;
ROLLBACK;
SET SESSION AUTHORIZATION regress_back_payer;
SELECT left(args, 40) AS args, test.refusal(format('SELECT murallink.request_reversal(%s)', format(args, :'first'))) FROM unnest(ARRAY[
    '', 'murallink.gen_ksuid()', '%L', '%L, 1', '%L, 1, ''other''', '%L, 1, ''other'', '' ''', '%L, 1, ''wrong'', ''x''', '%L, 0, ''other'', ''x''',
    '%L, 100.01, ''other'', ''x''', '%L, 0.001, ''other'', ''x''', format('%%L, 1, ''other'', %L', repeat('x', 1001))]) AS args;
-- Asked twice, it answers the first (S8)
SELECT uid AS back, amount, currency, reason, note, status, returned, net_amount, decision_note FROM murallink.request_reversal(:'first', NULL, 'wrong_milestone', 'other visit') \gset
\echo :amount :currency :reason :note :status :returned :net_amount
SELECT uid = :'back' AS same, status FROM murallink.request_reversal(:'first', NULL, 'wrong_milestone', 'other visit');
SELECT uid = :'back' AS same FROM murallink.request_reversal(:'first', 100, 'wrong_milestone', 'other visit');
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, %s, ''other'', %L)', :'first', amount, note)) FROM (VALUES ('NULL', 'other visit'), ('1', 'x')) AS others (amount, note);
SELECT test.refusal(format('SELECT murallink.milestone_payment(%L, %L)', :'pat', :'week')) AS not_yet;
RESET SESSION AUTHORIZATION;
SELECT params - 'program' = jsonb_build_object('amount', '100.00', 'proxy_key', '77', 'reference', :'back') AS asked FROM murallink_private.call WHERE operation = 'unload' AND params ->> 'reference' = :'back';
SELECT pg_temp.unload(:'back', 'done');
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid = :'back' AS same, status, returned, net_amount FROM murallink.request_reversal(:'first', NULL, 'wrong_milestone', 'other visit');
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, NULL, ''other'', ''x'')', :'first')) AS all_is_back;
SELECT uid AS second, amount FROM murallink.milestone_payment(:'pat', :'week') \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.paid(:'second'));

-- In parts: the payment stays paid, and its milestone is not open before all is back
UPDATE murallink.patient SET email_enabled = true, sms_enabled = true, phone = '6105551213' WHERE uid = :'pat';
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS part, status, net_amount FROM murallink.request_reversal(:'second', 30, 'wrong_amount', 'too much') \gset
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, 30, ''wrong_amount'', ''more'')', :'second')) AS one_at_a_time;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'part', 'done');
SELECT pg_temp.unload(:'part', 'done') AS once;
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid = :'part' AS same, net_amount FROM murallink.request_reversal(:'second', 30, 'wrong_amount', 'too much');
-- with the same words, but for another amount or for the rest, it is another one
BEGIN;
SAVEPOINT one;
SELECT uid = :'part' AS same, amount FROM murallink.request_reversal(:'second', 29, 'wrong_amount', 'too much');
ROLLBACK TO one;
SELECT uid = :'part' AS same, amount FROM murallink.request_reversal(:'second', NULL, 'wrong_amount', 'too much');
ROLLBACK;
SELECT amount, status, net_amount FROM murallink.get_patient_payments(:'pat', :'trial') WHERE uid = :'second';
SELECT test.refusal(format('SELECT murallink.milestone_payment(%L, %L)', :'pat', :'week')) AS still_paid;
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, 70.01, ''other'', ''x'')', :'second')) AS more_than_is_left;
SELECT uid AS again FROM murallink.request_reversal(:'second', 30, 'wrong_amount', 'still too much') \gset
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'again', 'declined');
SELECT kind, why, remedy, amount FROM murallink.needs_person WHERE contract_uid = :'contract';
-- What the partner has declined is owed, and counts
SET SESSION AUTHORIZATION regress_back_payer;
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, 41, ''other'', ''x'')', :'second')) AS more_than_is_left;
SELECT uid AS rest, amount FROM murallink.request_reversal(:'second', NULL, 'other', 'the rest') \gset
RESET SESSION AUTHORIZATION;
SELECT :amount AS rest, pg_temp.unload(:'rest', 'done');
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SET SESSION AUTHORIZATION regress_back_operator;
SELECT status FROM murallink.reverse_payment(:'second', 'ask them again');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'again', 'done');
SET SESSION AUTHORIZATION regress_back_payer;
SELECT amount, reason, note, status, returned, net_amount, decision_note FROM murallink.get_reversals(:'pat', :'trial');
SELECT status FROM murallink.milestone_payment(:'pat', :'week');
RESET SESSION AUTHORIZATION;
-- The patient is told of each part, and why, by every way that is wanted
SELECT n.channel, m.params ->> 'subject' AS subject, coalesce(m.params ->> 'text', (
    SELECT string_agg(value, '' ORDER BY key) FROM jsonb_each_text(m.params -> 'input_parameters'))) AS text
FROM murallink_private.notice n, murallink_private.notice_message(n.uid) m WHERE n.payment_uid = :'second' ORDER BY n.channel, n.returned;
SELECT test.refusal(format('INSERT INTO murallink_private.notice (kind, channel, patient_uid, payment_uid, returned, note)
    SELECT kind, channel, patient_uid, payment_uid, returned, note FROM murallink_private.notice WHERE payment_uid = %L', :'second')) AS twice;
UPDATE murallink.patient SET email_enabled = false, sms_enabled = false WHERE uid = :'pat';
SELECT movement, e.amount, e.source_uid IN (:'part', :'again', :'rest') AS of_a_reversal FROM murallink.fund_entry e
WHERE e.source_uid IN (:'second', :'part', :'again', :'rest') ORDER BY e.at;
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SELECT * FROM murallink.verify_ledger();

-- The window: the rest of the local day, or 24 hours where no time zone is known
CREATE FUNCTION pg_temp.was_paid(made murallink.ksuid, moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE murallink_private.call c SET settled_at = moment FROM murallink_private.payout o WHERE o.payment_uid = made AND c.uid = o.uid;
    SET LOCAL session_replication_role = origin;
END
$$;
CREATE FUNCTION pg_temp.in_window(made murallink.ksuid, moment timestamptz, zone text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    answer boolean;
BEGIN
    UPDATE murallink.site s SET time_zone = zone FROM murallink_private.payment p WHERE p.uid = made AND s.uid = p.site_uid;
    PERFORM pg_temp.was_paid(made, moment);
    answer := murallink_private.reversal_in_window(made);
    RAISE 'undone' USING ERRCODE = 'P0000';
EXCEPTION WHEN SQLSTATE 'P0000' THEN
    RETURN answer;
END
$$;
SELECT pg_temp.manual(:'pat', :'trial', 10) AS late \gset
SELECT zone, pg_temp.in_window(:'late', now(), zone) AS now, pg_temp.in_window(:'late', date_trunc('day', now(), zone), zone) AS since_midnight,
    pg_temp.in_window(:'late', date_trunc('day', now(), zone) - interval '1 s', zone) AS yesterday
FROM unnest('{America/New_York,Pacific/Kiritimati,UTC}'::text[]) AS zone;
SELECT pg_temp.in_window(:'late', now() - interval '23 h', '') AS hours_23, pg_temp.in_window(:'late', now() - interval '24 h', '') AS hours_24;
SELECT pg_temp.was_paid(:'late', now() - interval '25 h');

-- After it an operator decides, with a note
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS asked, status, net_amount FROM murallink.request_reversal(:'late', 4, 'duplicate', 'twice') \gset
\echo :status :net_amount
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L, ''x'')', :'asked')) AS no_approver;
SET SESSION AUTHORIZATION regress_back_approver;
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L, ''x'')', :'asked')) AS for_an_operator;
SET SESSION AUTHORIZATION regress_back_operator;
SELECT kind, why, remedy, amount FROM murallink.needs_person WHERE contract_uid = :'contract';
SELECT test.refusal(format('SELECT murallink.decide_reversal(%s)', format(args, :'asked'))) FROM unnest(ARRAY[
    '', 'murallink.gen_ksuid(), true, ''x''', '%L', '%L, true', '%L, true, '' ''', '%L, true, ''x'', false']) AS args;
SELECT test.refusal(format('SELECT murallink.reverse_payment(%L, ''x'')', :'late')) AS decide_that_one;
RESET SESSION AUTHORIZATION;
-- No decision changes what was requested, for whom and by whom
SELECT split_part(change, ' ', 1) AS change, test.refusal(format('UPDATE murallink_private.reversal SET status = ''refused'', %s WHERE uid = %L', change, :'asked')) FROM unnest(ARRAY[
    'amount = 5', 'note = ''x''', 'reason = ''other''', 'requested_by_uid = NULL', 'for_operator = false', 'created_at = now()',
    format('payment_uid = %L', :'second'), format('patient_uid = %L', :'client'), format('chain_uid = %L', :'client')]) AS change;
SET SESSION AUTHORIZATION regress_back_operator;
SELECT status, decision_note FROM murallink.decide_reversal(:'asked', false, 'it is right');
SELECT test.refusal(format('SELECT murallink.decide_reversal(%L, true, ''x'')', :'asked')) AS once;
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS anew, uid = :'asked' AS same, status FROM murallink.request_reversal(:'late', 4, 'duplicate', 'twice') \gset
SET SESSION AUTHORIZATION regress_back_operator;
SELECT status, decision_note FROM murallink.decide_reversal(:'anew', true, 'it is wrong');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'anew', 'done');

-- What no partner has shown to be on a card waits for an operator, too
SET SESSION AUTHORIZATION regress_back_admin;
SELECT (murallink.set_payment_type(uid, :'trial', :'pat')).status FROM murallink.get_payment_types() WHERE name = 'check';
RESET SESSION AUTHORIZATION;
SELECT pg_temp.manual(:'pat', :'trial', 20) AS by_check \gset
SELECT status FROM murallink.settle_payout((SELECT uid FROM murallink_private.payout WHERE payment_uid = :'by_check'), 'paid', '7', 'x');
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS check_back, status FROM murallink.request_reversal(:'by_check', 5, 'wrong_amount', 'too much') \gset
\echo :status
SET SESSION AUTHORIZATION regress_back_operator;
SELECT test.refusal(format('SELECT murallink.decide_reversal(%L, true, ''x'', true)', :'check_back')) AS on_no_card;
SELECT status, returned, net_amount, decision_note FROM murallink.decide_reversal(:'check_back', true, 'they sent it back');
RESET SESSION AUTHORIZATION;
SELECT count(*) AS unloads FROM murallink_private.call WHERE params ->> 'reference' = :'check_back';
SET SESSION AUTHORIZATION regress_back_admin;
SELECT (murallink.set_payment_type(uid, :'trial', :'pat')).status FROM murallink.get_payment_types() WHERE name = 'debit';
RESET SESSION AUTHORIZATION;
SELECT pg_temp.manual(:'pat', :'trial', 30, 'in_doubt') AS doubted \gset
SELECT status FROM murallink.resolve_payout((SELECT uid FROM murallink_private.payout WHERE payment_uid = :'doubted'), 'paid', 'x');
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS doubted_back, status FROM murallink.request_reversal(:'doubted', 5, 'wrong_amount', 'too much') \gset
\echo :status
SET SESSION AUTHORIZATION regress_back_operator;
SELECT test.refusal(format('SELECT murallink.decide_reversal(%L, true, ''x'')', :'doubted_back')) AS is_it_loaded;
SELECT status, returned, net_amount FROM murallink.decide_reversal(:'doubted_back', true, 'it is there', true);
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'doubted_back', 'in_doubt');
SELECT kind, why, remedy, amount FROM murallink.needs_person WHERE contract_uid = :'contract';
SET SESSION AUTHORIZATION regress_back_payer;
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, 5, ''wrong_amount'', ''more'')', :'doubted')) AS one_at_a_time;
SET SESSION AUTHORIZATION regress_back_operator;
SELECT status FROM murallink.resolve_task((SELECT uid FROM murallink.partner_tasks(operation => 'unload', status => 'in_doubt')), true, 'Dash shows it');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'doubted_back', '');

-- What a look-up has shown to be on a card, or an answer in doubt that has the issuer's number of the load, comes off it at once
SELECT pg_temp.manual(:'pat', :'trial', 31, 'in_doubt') AS looked_up \gset
SELECT pg_temp.manual(:'pat', :'trial', 32, '') AS numbered \gset
UPDATE murallink_private.payout SET settled_at = clock_timestamp(), note = murallink_private.note_of_look_up() WHERE payment_uid = :'looked_up';
SELECT murallink_private.call_decide(uid, 'done', 'x') FROM murallink_private.payout WHERE payment_uid = :'looked_up';
SELECT murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', c.uid, 'attempt', 1, 'outcome', 'in_doubt', 'reason', 'so they say',
    'facts', '{"order_id": "7"}'::jsonb))) FROM murallink_private.payout o JOIN murallink_private.call c ON c.uid = o.uid WHERE o.payment_uid = :'numbered';
SELECT status FROM murallink.resolve_payout((SELECT uid FROM murallink_private.payout WHERE payment_uid = :'numbered'), 'paid', 'x');
SET SESSION AUTHORIZATION regress_back_payer;
SELECT r.amount, r.status FROM murallink.request_reversal(:'looked_up', 1, 'wrong_amount', 'too much') r;
SELECT r.amount, r.status FROM murallink.request_reversal(:'numbered', 1, 'wrong_amount', 'too much') r;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(uid, 'done') FROM murallink.reversal WHERE payment_uid IN (:'looked_up', :'numbered') ORDER BY created_at;

-- Where a second person approves, a second person approves this, too
SELECT pg_temp.manual(:'pat', :'strict', 40) AS strictly \gset
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS two, status FROM murallink.request_reversal(:'strictly', 15, 'not_due', 'not done') \gset
\echo :status
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L, ''x'')', :'two')) AS may_not;
SET SESSION AUTHORIZATION regress_back_viewer;
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L, ''x'')', :'two')) AS may_not;
SET SESSION AUTHORIZATION regress_back_stranger;
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L, ''x'')', :'two')) AS knows_of_none;
SELECT test.refusal(format('SELECT murallink.approve_reversal(%s)', args)) FROM unnest('{"",murallink.gen_ksuid()}'::text[]) AS args;
RESET SESSION AUTHORIZATION;
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid)
SELECT uid, 'approve_payments', 'contract', :'contract', :'client', :'contract' FROM murallink.app_user WHERE email = 'payer.back@example.com';
SET SESSION AUTHORIZATION regress_back_payer;
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L, ''x'')', :'two')) AS requester;
-- also where the trial does not ask for one any more: what was requested before waits for one
SET SESSION AUTHORIZATION regress_back_admin;
SELECT name FROM murallink.edit_trial(:'strict', separate_approver => false);
SET SESSION AUTHORIZATION regress_back_payer;
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L, ''x'')', :'two')) AS requester;
SET SESSION AUTHORIZATION regress_back_admin;
SELECT name FROM murallink.edit_trial(:'strict', separate_approver => true);
SET SESSION AUTHORIZATION regress_back_approver;
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L)', :'two')) AS why;
SELECT amount, status, note FROM murallink.reject_reversal(:'two', 'it was done');
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS three, status FROM murallink.request_reversal(:'strictly', 15, 'not_due', 'not done') \gset
SET SESSION AUTHORIZATION regress_back_approver;
SELECT amount, status, note FROM murallink.approve_reversal(:'three', 'right, it was not');
SELECT test.refusal(format('SELECT murallink.%s(%L, ''x'')', f, :'three')) AS once FROM unnest('{approve_reversal,reject_reversal}'::text[]) AS f;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'three', 'done');

-- Travel expenses are taken back by those who pay them, and this is approved by those who approve them
SET SESSION AUTHORIZATION regress_back_admin;
SELECT uid AS taxi FROM murallink.travel_payment(:'pat', :'strict', 8) \gset
RESET SESSION AUTHORIZATION;
SELECT count(pg_temp.paid(:'taxi'));
SET SESSION AUTHORIZATION regress_back_payer;
SELECT test.refusal(format('SELECT murallink.request_reversal(%L, 1, ''other'', ''x'')', :'taxi')) AS payer_of_others;
SELECT uid AS four, status FROM murallink.request_reversal(:'strictly', 1, 'not_due', 'nor this') \gset
SET SESSION AUTHORIZATION regress_back_admin;
SELECT uid AS taxi_back, status FROM murallink.request_reversal(:'taxi', 1, 'other', 'x') \gset
\echo :status
RESET SESSION AUTHORIZATION;
UPDATE murallink.permission_grant SET permission = 'approve_travel' WHERE permission = 'approve_payments' AND contract_uid = :'contract'
    AND app_user_uid = (SELECT uid FROM murallink.app_user WHERE email = 'approver.back@example.com');
SET SESSION AUTHORIZATION regress_back_approver;
SELECT test.refusal(format('SELECT murallink.approve_reversal(%L, ''x'')', :'four')) AS of_others;
SELECT status FROM murallink.approve_reversal(:'taxi_back', 'it was no taxi');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'taxi_back', 'done');
SET SESSION AUTHORIZATION regress_back_operator;
SELECT status FROM murallink.decide_reversal(:'four', false, 'it is due');
-- A card that was replaced is unloaded when the new one is there
RESET SESSION AUTHORIZATION;
BEGIN;
SELECT status FROM murallink.replace_card(:'pat', 'lost', 'in the bus');
SELECT test.refusal(format('SELECT murallink.reverse_payment(%L, ''x'')', :'strictly')) AS not_there_yet;
ROLLBACK;

-- Each trial has its own
SET SESSION AUTHORIZATION regress_back_payer;
SELECT r.amount, r.status, r.note FROM murallink.get_reversals(:'pat', :'strict') r;

-- Rows: who sees them, and what not even the owner may do
SET SESSION AUTHORIZATION regress_back_viewer;
SELECT count(*) > 0 AS reversals, (SELECT bool_and(changes #>> '{note,to}' <> '') FROM murallink.audit_event WHERE resource = 'reversal' AND action = 'created') AS audit FROM murallink.reversal;
SET SESSION AUTHORIZATION regress_back_stranger;
SELECT count(*), (SELECT count(*) FROM murallink.audit_event WHERE resource = 'reversal') AS audit FROM murallink.reversal;
SELECT test.refusal(format('SELECT murallink.get_reversals(%L, %L)', :'pat', :'trial')) AS stranger;
SET SESSION AUTHORIZATION regress_back_approver;
SELECT test.refusal(format('SELECT murallink.get_reversals(%L, %L)', :'pat', :'trial')) AS approver;
SET SESSION AUTHORIZATION regress_back_operator;
SELECT count(*) > 0 AS reversals, (SELECT count(*) > 0 FROM murallink.audit_event WHERE resource = 'reversal') AS audit FROM murallink.reversal;
RESET SESSION AUTHORIZATION;
SELECT statement, test.refusal(format(statement, :'three', :'strictly', :'first')) FROM unnest(ARRAY[
    'UPDATE murallink_private.reversal SET amount = 1 WHERE uid = %1$L', 'UPDATE murallink_private.reversal SET note = ''x'' WHERE uid = %1$L',
    'UPDATE murallink_private.reversal SET status = ''requested'', returned = 0 WHERE uid = %1$L', 'DELETE FROM murallink_private.reversal WHERE uid = %1$L',
    'UPDATE murallink_private.reversal SET returned = 1 WHERE uid = %1$L',
    'INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (%2$L, 25.01, ''other'', ''x'')',
    'INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (%2$L, 25, ''other'', '''')',
    'INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note, status) VALUES (%2$L, 25, ''other'', ''x'', ''unloading'')',
    'INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (%3$L, 1, ''other'', ''x'')',
    'UPDATE murallink_private.payment SET returned = 20, returned_by_uid = %1$L WHERE uid = %2$L',
    'UPDATE murallink_private.payment SET returned = NULL, returned_by_uid = NULL WHERE uid = %2$L',
    'UPDATE murallink_private.payment SET status = ''reversed'', returned = amount WHERE uid = %2$L']) AS statement;
-- While it is being taken off the card, only the outcome of that ends it
SELECT pg_temp.manual(:'pat', :'trial', 50) AS fresh \gset
SET SESSION AUTHORIZATION regress_back_payer;
SELECT uid AS open, status FROM murallink.request_reversal(:'fresh', 1, 'other', 'one more') \gset
RESET SESSION AUTHORIZATION;
SELECT test.refusal(format('UPDATE murallink_private.reversal SET status = %L%s WHERE uid = %L', status, CASE status WHEN 'returned' THEN ', returned = amount' ELSE '' END, :'open'))
FROM unnest('{returned,owed_back,refused}'::text[]) AS status;
SELECT test.refusal(format('INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (%L, 1, ''other'', ''x'')', :'fresh')) AS one_at_a_time;
BEGIN;
SELECT c.uid AS unload FROM murallink_private.call c, murallink_private.call_claim(ARRAY[c.uid]) WHERE c.params ->> 'reference' = :'open' \gset
SAVEPOINT claimed;
UPDATE murallink_private.call SET status = 'declined', outcome = 'declined', settled_at = now() WHERE uid = :'unload';
SELECT test.refusal(format('UPDATE murallink_private.reversal SET status = ''returned'', returned = amount WHERE uid = %L', :'open')) AS declined;
ROLLBACK TO claimed;
UPDATE murallink_private.call SET status = 'done', outcome = 'done', settled_at = now() WHERE uid = :'unload';
SELECT test.refusal(format('UPDATE murallink_private.reversal SET status = ''owed_back'' WHERE uid = %L', :'open')) AS done;
ROLLBACK;
SELECT pg_temp.unload(:'open', 'declined');
SET SESSION AUTHORIZATION regress_back_operator;
SELECT kind, why, remedy, amount FROM murallink.needs_person WHERE contract_uid = :'contract';
SELECT status FROM murallink.resolve_task((SELECT uid FROM murallink.partner_tasks(operation => 'unload', status => 'declined', most => 1)), true, 'they paid it back');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.unload(:'open', '');
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract';
SELECT * FROM murallink.verify_ledger();
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;
DROP ROLE regress_back_admin, regress_back_payer, regress_back_approver, regress_back_viewer, regress_back_stranger, regress_back_operator;
