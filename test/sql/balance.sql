-- Moves of the balance of a card that was replaced: what a copy of the database makes of one that was under way, and who is asked.
\set SHOW_CONTEXT never
CREATE ROLE regress_balance_admin LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('balance.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('balance.admin@example.com', 'regress_balance_admin');
SELECT murallink.configure_partner('dash', 'http://127.0.0.1', '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "settling": 0}', '{"username": "x", "password": "y"}');
SET SESSION AUTHORIZATION regress_balance_admin;
SELECT uid AS client FROM murallink.create_client('Balance') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Balance', currency => 'USD',
    default_payment_type_uid => (SELECT uid FROM murallink.get_payment_types() WHERE name = 'debit')) \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Balance') \gset
SELECT uid AS site FROM murallink.create_site('Balance', :'trial') \gset
SELECT murallink.add_funding(:'contract', 1000);
SELECT uid AS pat FROM murallink.add_patient(:'site', 'Pat', 'Street', email => 'pat@balance.example.com', trial_uid => :'trial', subject_id => '1') \gset
RESET SESSION AUTHORIZATION;
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key) VALUES (:'pat', 'dash', '2', 'done', '62001') RETURNING uid AS old \gset
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;

-- The worker, in short: what is due, and what it comes to
CREATE FUNCTION pg_temp.due(said text, facts jsonb DEFAULT NULL) RETURNS TABLE (operation text, key text, amount text, reference text) LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT c.* FROM murallink_private.call k, murallink_private.call_claim(ARRAY[k.uid]) c
        -- What other tests have left may be due again after a change of the partner
        WHERE k.status = 'ready' AND (k.operation = 'load' AND k.uid IN (SELECT o.uid FROM murallink.payout o JOIN murallink.patient p ON p.uid = o.patient_uid WHERE p.email ~ 'balance')
            OR k.operation ~ '_balance$') LOOP
        operation := one.operation;
        key := one.params ->> 'proxy_key';
        amount := one.params ->> 'amount';
        reference := CASE one.params ->> 'reference' WHEN (SELECT uid::text FROM murallink_private.call m WHERE m.operation = 'unload_balance' ORDER BY m.created_at DESC LIMIT 1)
            THEN 'of the move' WHEN one.call_uid::text THEN 'its own' END;
        PERFORM murallink_private.settle_calls(jsonb_build_array(jsonb_build_object(
            'call_uid', one.call_uid, 'attempt', one.attempt, 'outcome', said, 'reason', 'so they say', 'facts', facts)));
        RETURN NEXT;
    END LOOP;
END
$$;
CREATE FUNCTION pg_temp.suspects() RETURNS void LANGUAGE sql AS $$
    SELECT murallink_private.call_doubt(ARRAY(SELECT c.uid FROM murallink_private.call c WHERE c.suspect AND c.status = 'ready'))
$$;
CREATE VIEW pg_temp.move AS
SELECT c.operation, c.params ->> 'proxy_key' AS key, c.status, c.suspect, c.reason FROM murallink_private.call c
WHERE c.operation ~ 'load_balance' AND c.params ->> 'proxy_key' ~ '^6200' ORDER BY c.created_at, c.uid;
-- What a look-up shows, with the reference of the move
CREATE FUNCTION pg_temp.shown(what text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT '{"loads": [], "unloads": []}'::jsonb || jsonb_build_object(what, jsonb_build_array(jsonb_build_object('amount', '100.00', 'reference', m.uid)))
    FROM murallink_private.call m WHERE m.operation = 'unload_balance' ORDER BY m.created_at DESC LIMIT 1
$$;

SET SESSION AUTHORIZATION regress_balance_admin;
SELECT (murallink.approve_payment((murallink.manual_payment(:'pat', :'trial', 100)).uid)).status;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.due('done');
SELECT status, balance FROM murallink.replace_card(:'pat', 'lost', 'in the bus', '62002');
SELECT uid AS move, status FROM murallink.move_balance(:'old', 100, 'hers') \gset

-- The load has the reference of the move, also when it is asked for again
BEGIN;
SELECT * FROM pg_temp.due('done');
SELECT * FROM pg_temp.due('declined');
SELECT operation, status FROM murallink.move_balance(:'old', 100, 'again');
SELECT * FROM pg_temp.due('done');
SELECT * FROM pg_temp.move;
SELECT * FROM murallink.verify_ledger();
ROLLBACK;

-- A copy that was made before the card was unloaded: there both may have been done meanwhile, so both are looked up
BEGIN;
SELECT murallink_private.suspect_calls(), pg_temp.suspects();
SELECT operation, key FROM pg_temp.due('done', pg_temp.shown('unloads'));
SELECT * FROM pg_temp.move;
SELECT pg_temp.suspects();
SELECT operation, key FROM pg_temp.due('done', pg_temp.shown('loads'));
SELECT * FROM pg_temp.move;
SELECT * FROM murallink.verify_ledger();
ROLLBACK;
-- likewise while the unload is in doubt; a load that the issuer certainly has not is sent then
BEGIN;
SELECT * FROM pg_temp.due('in_doubt');
SELECT murallink_private.suspect_calls();
SELECT operation, key FROM pg_temp.due('done', pg_temp.shown('unloads'));
INSERT INTO murallink_private.look_up_shown SELECT 'dash', base_url, '1', false, 'load', :'move' FROM murallink_private.partner WHERE name = 'dash';
SELECT pg_temp.suspects();
SELECT operation, key FROM pg_temp.due('done', '{"loads": [], "unloads": []}');
SELECT * FROM pg_temp.move;
SELECT * FROM pg_temp.due('done');
SELECT * FROM pg_temp.move;
ROLLBACK;
-- and after the load was declined, because there it may have been asked for again
BEGIN;
SELECT * FROM pg_temp.due('done');
SELECT * FROM pg_temp.due('declined');
SELECT murallink_private.suspect_calls();
SELECT operation, status FROM murallink.move_balance(:'old', 100, 'again');
SELECT * FROM pg_temp.move;
ROLLBACK;
-- One whose load is to be sent keeps it when the card is replaced once more, until it is looked up
BEGIN;
SELECT * FROM pg_temp.due('done');
SELECT murallink_private.suspect_calls();
SELECT status, in_flight FROM murallink.replace_card(:'pat', 'lost', 'again', '62003');
SELECT why, remedy FROM murallink.needs_person WHERE patient_uid = :'pat';
SELECT pg_temp.suspects();
SELECT operation, key FROM pg_temp.due('done', pg_temp.shown('loads'));
SELECT * FROM pg_temp.move;
ROLLBACK;
-- What is done is done; and where nothing was sent elsewhere, nothing is looked up
BEGIN;
SELECT * FROM pg_temp.due('done');
SELECT * FROM pg_temp.due('done');
SELECT murallink_private.suspect_calls();
SELECT * FROM pg_temp.move;
ROLLBACK;
BEGIN;
SELECT murallink_private.suspect_calls(), murallink_private.trust_calls();
SELECT * FROM pg_temp.due('done');
SELECT * FROM pg_temp.move;
ROLLBACK;

-- Asked for again, a declined move is nobody's decision any more, whatever the clock says: it would load the new card twice
BEGIN;
SELECT * FROM pg_temp.due('declined');
SELECT why, remedy FROM murallink.needs_person WHERE patient_uid = :'pat';
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.call SET created_at = created_at + interval '1 hour' WHERE uid = :'move';
SET LOCAL session_replication_role = origin;
SELECT operation, status FROM murallink.move_balance(:'old', 100, 'again');
SELECT operation, key FROM pg_temp.due('done');
SELECT operation, key FROM pg_temp.due('done');
SELECT why, remedy FROM murallink.needs_person WHERE patient_uid = :'pat';
SELECT test.refusal(format('SELECT murallink.resolve_task(%L, true, ''the issuer has taken it off'')', :'move')) AS decided;
SELECT operation, key FROM pg_temp.due('done');
SELECT note FROM murallink_private.call WHERE uid = :'move';
SELECT * FROM murallink.verify_ledger();
ROLLBACK;

-- What the lists of a partner prove of a move in doubt: of 60 after one of 40. The last entry that is known must be there
BEGIN;
CREATE FUNCTION pg_temp.ends(operation text, said text, order_id text) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    SELECT c.* INTO one FROM murallink_private.call k, murallink_private.call_claim(ARRAY[k.uid]) c
    WHERE k.status = 'ready' AND k.operation = ends.operation AND (k.params ->> 'proxy_key' ~ '^6200' OR k.operation = 'load')
    ORDER BY k.created_at DESC LIMIT 1;
    PERFORM murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', one.call_uid, 'attempt', one.attempt,
        'outcome', said, 'reason', 'so they say', 'facts', jsonb_build_object('order_id', order_id))));
    RETURN one.call_uid;
END
$$;
CREATE TEMP TABLE listed (number integer, what text, entries text, whole boolean DEFAULT true);
INSERT INTO listed VALUES
    (1, 'no list', NULL), (2, 'nothing', '[]'), (3, 'the last', '[LAST]'), (4, 'its order', '[{"order_id": "LASTORDER", "amount": "1.00"}]'),
    (5, 'ours', '[{"reference": "OURS", "amount": "60.00"}]'), (6, 'another amount', '[{"reference": "OURS", "amount": "1.00"}]'),
    (7, 'another currency', '[{"reference": "OURS", "amount": "60.00", "currency": "EUR"}]'),
    (8, 'twice', '[{"reference": "OURS", "amount": "60.00"}, {"reference": "OURS", "amount": "60.00"}]'),
    (9, 'without a reference', '[LAST, {"amount": "60.00"}]'), (10, 'without one, another amount', '[LAST, {"amount": "2.00"}]'),
    (11, 'the reference of a payout', '[LAST, {"reference": "PAYOUT", "amount": "60.00"}]'),
    (12, 'the reference of the other move', '[LAST, {"reference": "MOVE", "amount": "60.00"}]');
INSERT INTO listed VALUES (13, 'a part', '[LAST]', false);
CREATE FUNCTION pg_temp.judged(doubt murallink.ksuid, last murallink.ksuid, looked timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (number integer, what text, verdict text, why text) LANGUAGE sql AS $$
    SELECT n.number, n.what, j.verdict, j.why
    FROM listed n, murallink_private.calls(ARRAY[doubt]) c, (
        SELECT coalesce(k.facts ->> 'order_id', 'none') AS order_id, coalesce(k.params ->> 'reference', murallink_private.balance_reference(k.uid, k.params)) AS reference
        FROM murallink_private.call k WHERE k.uid = last) l, (
        SELECT k.uid FROM murallink_private.call k WHERE k.operation = 'unload_balance' AND k.params ->> 'amount' = '40.00') m, (
        SELECT o.uid FROM murallink.payout o JOIN murallink.patient p ON p.uid = o.patient_uid WHERE p.email ~ 'balance' ORDER BY o.created_at LIMIT 1) o,
        LATERAL (SELECT replace(replace(replace(replace(replace(n.entries, 'LASTORDER', l.order_id), 'LAST', '{"reference": "SHOWN", "amount": "1.00"}'),
            'SHOWN', l.reference), 'OURS', murallink_private.balance_reference(c.uid, c.params)), 'MOVE', m.uid::text) AS entries) e,
        LATERAL murallink_private.balance_judge(c, looked, replace(e.entries, 'PAYOUT', o.uid::text)::jsonb, n.whole) j
    ORDER BY n.number
$$;
CREATE FUNCTION pg_temp.verdicts(doubt murallink.ksuid, last murallink.ksuid) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(j.number || ' ' || j.verdict, ', ' ORDER BY j.number) FROM pg_temp.judged(doubt, last) j
$$;
SELECT FROM pg_temp.ends('unload_balance', 'declined', NULL);
SELECT status FROM murallink.move_balance(:'old', 40, 'a part');
SELECT pg_temp.ends('unload_balance', 'done', '91') AS unloaded \gset
SELECT pg_temp.ends('load_balance', 'done', '92') AS loaded \gset
SELECT status FROM murallink.move_balance(:'old', 60, 'the rest');
SELECT pg_temp.ends('unload_balance', 'in_doubt', NULL) AS doubt \gset
SELECT pg_temp.verdicts(:'doubt', :'unloaded') AS never_shown;
SELECT claimed_at AS looked FROM murallink_private.call WHERE uid = :'unloaded' \gset
SELECT number, verdict FROM pg_temp.judged(:'doubt', :'unloaded', :'looked') WHERE number < 3;
INSERT INTO murallink_private.look_up_shown SELECT 'dash', base_url, '1', false, w, :'doubt' FROM murallink_private.partner, unnest('{load,unload}'::text[]) AS w WHERE name = 'dash';
SELECT * FROM pg_temp.judged(:'doubt', :'unloaded');
-- What is not known to be there, or was not when the partner was asked, need not be listed
SELECT verdict FROM pg_temp.judged(:'doubt', :'unloaded', :'looked') WHERE number = 2;
SAVEPOINT known;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.call SET settled_at = settled_at + interval '1 h' WHERE uid = :'unloaded';
SELECT verdict AS set_back FROM pg_temp.judged(:'doubt', :'unloaded') WHERE number = 2;
ROLLBACK TO known;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.call SET outcome = 'declined' WHERE uid = :'unloaded';
SELECT verdict AS declined FROM pg_temp.judged(:'doubt', :'unloaded') WHERE number = 2;
ROLLBACK TO known;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.call SET facts = facts - 'order_id' WHERE uid = :'unloaded';
SELECT verdict AS by_a_person FROM pg_temp.judged(:'doubt', :'unloaded') WHERE number = 2;
ROLLBACK TO known;
-- Of the load, where a payout and an unload are known of the new card
SET SESSION AUTHORIZATION regress_balance_admin;
SELECT (murallink.approve_payment(uid)).status, uid AS paid FROM murallink.manual_payment(:'pat', :'trial', 10) \gset
RESET SESSION AUTHORIZATION;
SELECT pg_temp.ends('load', 'done', '93') AS payout \gset
SELECT status FROM murallink.reverse_payment(:'paid', 'not due');
SELECT pg_temp.ends('unload', 'done', '94') AS reversed \gset
SELECT status FROM murallink.resolve_task(:'doubt', true, 'the issuer shows it');
SELECT pg_temp.ends('load_balance', 'in_doubt', NULL) AS load_doubt \gset
SELECT pg_temp.verdicts(:'load_doubt', :'payout') AS the_payout_is_last, pg_temp.verdicts(:'load_doubt', :'loaded') AS before_the_last;
SAVEPOINT loaded;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.call SET outcome = 'declined' WHERE uid = :'payout';
SELECT verdict AS the_move_is_last FROM pg_temp.judged(:'load_doubt', :'loaded') WHERE number = 3;
ROLLBACK TO loaded;
-- Of an unload of that card, where the reversal, another payment, is known, and loads are not expected
SELECT status FROM murallink.resolve_task(:'load_doubt', true, 'the issuer shows it');
SET SESSION AUTHORIZATION regress_balance_admin;
SELECT (murallink.approve_payment((murallink.manual_payment(:'pat', :'trial', 20)).uid)).status;
RESET SESSION AUTHORIZATION;
SELECT FROM pg_temp.ends('load', 'done', '95');
SELECT uid AS new FROM murallink_private.card WHERE proxy_key = '62002' \gset
SELECT status FROM murallink.replace_card(:'pat', 'lost', 'again', '62003');
SELECT status FROM murallink.move_balance(:'new', 60, 'on');
SELECT pg_temp.ends('unload_balance', 'in_doubt', NULL) AS doubt \gset
SELECT pg_temp.verdicts(:'doubt', :'reversed') AS the_reversal_is_last;
ROLLBACK;

-- A program that moves balances itself is asked for nothing
BEGIN;
SELECT murallink.configure_partner('dash', settings => settings || '{"replacement_moves_balance": true}') FROM murallink_private.partner WHERE name = 'dash';
SELECT test.refusal(format('SELECT murallink.move_balance(%L, 100, ''hers'')', :'old')) AS it_moves_itself;
ROLLBACK;

-- In doubt, a person is told the amount to ask for
SELECT murallink.configure_partner('dash', settings => settings || '{"look_up": false}') FROM murallink_private.partner WHERE name = 'dash';
SELECT * FROM pg_temp.due('in_doubt');
SELECT why, remedy, amount FROM murallink.needs_person WHERE patient_uid = :'pat';
SELECT status FROM murallink.resolve_task(:'move', true, 'the issuer shows it');
SELECT * FROM pg_temp.due('in_doubt');
SELECT why, remedy, amount FROM murallink.needs_person WHERE patient_uid = :'pat';
SELECT status FROM murallink.resolve_task((SELECT uid FROM murallink.partner_tasks(operation => 'load_balance', status => 'in_doubt', patient_uid => :'pat')), true, 'the issuer shows it');
SELECT * FROM pg_temp.move;
SELECT * FROM murallink.verify_ledger();
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;
UPDATE murallink.app_user SET db_role = NULL WHERE db_role = 'regress_balance_admin';
DROP ROLE regress_balance_admin;
