-- What the loads that a partner shows on a card say of a payout in doubt.
\set SHOW_CONTEXT never
CREATE ROLE regress_look_up_admin LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('look.up.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('look.up.admin@example.com', 'regress_look_up_admin');
SET SESSION AUTHORIZATION regress_look_up_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Look') \gset
SELECT uid AS debit FROM murallink.get_payment_types() WHERE name = 'debit' \gset
SELECT uid AS contract FROM murallink.create_contract(
    client_uid => :'client', name => 'Look', currency => 'USD', default_payment_type_uid => :'debit') \gset
SELECT murallink.add_funding(:'contract', 1000, 'USD');
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid AS pat FROM murallink.add_patient(site_uid => :'site', first_name => 'Pat', last_name => 'Payee', email => 'look.up@example.com') \gset
SELECT murallink.enroll(:'pat', :'trial', :'site', 'LOOK');
RESET SESSION AUTHORIZATION;
SELECT murallink.configure_partner('dash', 'https://dash.example.com', '{"customer_id": 1, "cust_prog_id": 77, "funding_id": 3}', '{"username": "x", "password": "y"}');
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key, order_id)
VALUES (:'pat', 'dash', '77', 'done', '0252000000777', '70001') RETURNING uid AS card \gset
SELECT murallink.enable_payouts();
-- What other tests have left is not due
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;

-- A payout that is done, and then one in doubt, which is to be looked up
CREATE FUNCTION test.send(amount numeric, outcome text, order_id text) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    sent murallink.ksuid;
BEGIN
    INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
    SELECT e.uid, 'manual', send.amount, 'USD' FROM murallink.enrollment e WHERE e.subject_id = 'LOOK' RETURNING uid INTO sent;
    -- Whether the look-up of an earlier payout is due by now depends on the time: it must not be claimed instead
    UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;
    UPDATE murallink_private.payment p SET status = 'approved' WHERE p.uid = sent;
    PERFORM murallink_private.payout_begin(sent);
    PERFORM murallink_private.settle_calls(jsonb_agg(jsonb_build_object(
        'call_uid', c.call_uid, 'attempt', c.attempt, 'outcome', outcome, 'reason', 'so', 'facts', jsonb_build_object('order_id', order_id))))
    FROM murallink_private.claim_calls('dash', 1) c;
    RETURN (SELECT o.uid FROM murallink.payout o WHERE o.payment_uid = sent);
END
$$;
SELECT test.send(10, 'done', '71') IS NOT NULL AS done;
SELECT test.send(10, 'in_doubt', NULL) AS payout \gset
SELECT o.status, t.operation, t.params, t.repeatable, t.subject_attempt, t.due_at >= o.settled_at + interval '1 s' AS later
FROM murallink.payout o JOIN murallink_private.call t ON t.subject_uid = o.uid AND t.uid <> o.uid WHERE o.uid = :'payout';

CREATE FUNCTION test.iso(timestamptz) RETURNS text LANGUAGE sql AS $$ SELECT to_json($1) #>> '{}' $$;
-- The times that are shown go by the attempt, however long ago it is
CREATE TEMP TABLE tried AS SELECT claimed_at, settled_at FROM murallink_private.call WHERE uid = :'payout';
CREATE FUNCTION test.tried() RETURNS timestamptz LANGUAGE sql AS 'SELECT claimed_at FROM tried';
CREATE FUNCTION test.load(reference text, amount text, order_id text, at text DEFAULT test.iso(test.tried()), currency text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('reference', reference, 'amount', amount, 'order_id', order_id, 'at', at, 'currency', currency))
$$;
CREATE TEMP TABLE shown (number integer, what text, loads jsonb, whole boolean DEFAULT true);
INSERT INTO shown VALUES
    (1, 'no list', NULL),
    (2, 'a list without the load that is known', '[]'),
    (3, 'our reference', jsonb_build_array(test.load(:'payout', '10.00', '72'), test.load('other', '10.00', '71'))),
    (4, 'our reference, another amount', jsonb_build_array(test.load(:'payout', '1.00', '72'))),
    (5, 'our reference, another currency', jsonb_build_array(test.load(:'payout', '10.00', '72', NULL, 'EUR'))),
    (6, 'our reference twice', jsonb_build_array(test.load(:'payout', '10.00', '72'), test.load(:'payout', '10.00', '73'))),
    (7, 'other references', jsonb_build_array(test.load('other', '10.00', '71'))),
    (8, 'no references, the other payout''s order', jsonb_build_array(test.load(NULL, '10.00', '71'))),
    (9, 'no references, one order more', jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.00', '72', test.iso(test.tried()), 'USD'))),
    (10, 'no references, two orders more',
        jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.00', '72'), test.load('', '10.00', '73'))),
    (11, 'no references, another amount', jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.01', '72'))),
    (12, 'no references, another currency', jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.00', '72', test.iso(test.tried()), 'EUR'))),
    (13, 'no references, two days ago',
        jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.00', '72', test.iso(test.tried() - interval '2 d')))),
    (14, 'no references, two minutes before',
        jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.00', '72', test.iso(test.tried() - interval '2 min')))),
    (15, 'no references, two minutes after',
        jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.00', '72', test.iso((SELECT settled_at FROM tried) + interval '2 min')))),
    (16, 'no references, today', jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.00', '72', left(test.iso(test.tried()), 10)))),
    (17, 'no references, a time that nobody understands',
        jsonb_build_array(test.load(NULL, '10.00', '71'), test.load('', '10.00', '72', 'yesterday evening'))),
    (18, 'no references, no orders', jsonb_build_array(test.load(NULL, '10.00', NULL))),
    (19, 'others have references, this one has none',
        jsonb_build_array(test.load('other', '10.00', '71'), test.load('', '10.00', '72'))),
    (20, 'our reference in capitals', jsonb_build_array(test.load('other', '10.00', '71'), test.load(upper(:'payout'), '10.00', '72'))),
    (21, 'our reference cut off', jsonb_build_array(test.load('other', '10.00', '71'), test.load(left(:'payout', 20), '10.00', '72'))),
    (22, 'a reference of the issuer''s, another amount', jsonb_build_array(test.load('other', '10.00', '71'), test.load('R9', '10.01', '72'))),
    (23, 'the other payout''s order twice', jsonb_build_array(test.load(NULL, '10.00', '71'), test.load(NULL, '10.00', '71'))),
    (24, 'the other payout''s order, with two amounts', jsonb_build_array(test.load(NULL, '10.00', '71'), test.load(NULL, '3.00', '71'))),
    (28, 'a reference of the issuer''s, at that time', jsonb_build_array(test.load('other', '10.00', '71'), test.load('R9', '10.00', '72'))),
    (29, 'a reference of the issuer''s, long before', jsonb_build_array(
        test.load('other', '10.00', '71'), test.load('R9', '10.00', '72', test.iso(test.tried() - interval '2 h')))),
    (25, 'the other payout''s order, with another amount alone', jsonb_build_array(test.load(NULL, '1000', '71')));
INSERT INTO shown VALUES
    (26, 'a part without it', jsonb_build_array(test.load(NULL, '10.00', '71')), false),
    (27, 'a part with it', jsonb_build_array(test.load(:'payout', '10.00', '72')), false);
CREATE FUNCTION test.judged(payout murallink.ksuid) RETURNS TABLE (number integer, what text, verdict text, reference text, why text)
LANGUAGE sql AS $$
    SELECT s.number, s.what, j.verdict, j.reference, j.why
    FROM shown s, LATERAL murallink_private.look_up_judge(payout, clock_timestamp(), s.loads, s.whole) j ORDER BY s.number
$$;
-- The issuer has shown nothing so far; then one of our loads, by the order that its own answer told; then a reference
SELECT * FROM test.judged(:'payout');
SELECT murallink_private.look_up_learn(:'payout', :'card', jsonb_build_array(test.load(NULL, '10.00', '72')));
SELECT what FROM murallink_private.look_up_shown WHERE payout_uid = :'payout';
SELECT murallink_private.look_up_learn(:'payout', :'card', jsonb_build_array(test.load(NULL, '10.00', '71')));
SELECT what, customer, by_order FROM murallink_private.look_up_shown WHERE payout_uid = :'payout';
SELECT number, what, verdict, reference FROM test.judged(:'payout') WHERE verdict = 'none';
BEGIN;
SELECT murallink_private.look_up_learn(:'payout', :'card', jsonb_build_array(test.load('other', '1.00', '75')));
SELECT * FROM test.judged(:'payout') WHERE number = 9;
ROLLBACK;
-- One that has shown our references as they are shows whose a load is by them, unless we sent none
BEGIN;
SELECT murallink_private.look_up_learn(:'payout', :'card', jsonb_build_array(test.load(:'payout', '1000', '72'), test.load(NULL, '1000', '71')));
SELECT what FROM murallink_private.look_up_shown WHERE what = 'own';
SELECT murallink_private.look_up_learn(:'payout', :'card', jsonb_build_array(test.load(:'payout', '10.00', '72')));
SELECT what FROM murallink_private.look_up_shown WHERE what = 'own';
SELECT number, what, verdict FROM test.judged(:'payout') WHERE number IN (20, 21, 22, 23, 28, 29);
UPDATE murallink_private.partner SET settings = jsonb_set(settings, '{send_reference}', 'false') WHERE name = 'dash';
SELECT number, verdict FROM test.judged(:'payout') WHERE number IN (20, 21, 29);
ROLLBACK;
-- What was sent before the partner was set up with another address, customer or choice of references is not looked for there
BEGIN;
SELECT murallink.configure_partner('dash', settings => settings || '{"settling": 60}') FROM murallink_private.partner WHERE name = 'dash';
SELECT verdict FROM test.judged(:'payout') WHERE number = 8;
SELECT murallink.configure_partner('dash', settings => settings || '{"send_reference": false}') FROM murallink_private.partner WHERE name = 'dash';
SELECT number, what, verdict, why FROM test.judged(:'payout') WHERE number IN (3, 8, 9);
ROLLBACK;
BEGIN;
SELECT murallink.configure_partner('dash', settings => settings || '{"customer_id": 2}') FROM murallink_private.partner WHERE name = 'dash';
SELECT verdict, why FROM test.judged(:'payout') WHERE number = 8;
ROLLBACK;
BEGIN;
SELECT murallink.configure_partner('dash', 'https://dash.example.net', settings, '{"username": "x", "password": "y"}') FROM murallink_private.partner WHERE name = 'dash';
INSERT INTO murallink_private.look_up_shown SELECT 'dash', base_url, '1', true, 'load', :'payout' FROM murallink_private.partner WHERE name = 'dash';
SELECT verdict, why FROM test.judged(:'payout') WHERE number = 8;
ROLLBACK;
-- With another customer or at another address it is another issuer
BEGIN;
UPDATE murallink_private.partner SET settings = jsonb_set(settings, '{customer_id}', '2') WHERE name = 'dash';
SELECT verdict FROM test.judged(:'payout') WHERE number = 8;
ROLLBACK;
BEGIN;
UPDATE murallink_private.partner SET base_url = 'https://dash.example.org' WHERE name = 'dash';
SELECT verdict FROM test.judged(:'payout') WHERE number = 8;
ROLLBACK;

-- Times, as they may be written
SELECT shown, zone, murallink_private.look_up_moment(shown, zone) AT TIME ZONE 'UTC' AS utc FROM (VALUES
    ('2026-11-29T02:46:10.146Z', ''), ('2026-11-29t02:46z', ''), ('2026-11-29 02:46:10 UTC', ''), ('2026-11-29T02:46:10,5+05:45', ''),
    ('2026-11-29T02:46:10-0800', ''), ('2026-11-29T02:46:10+01', 'UTC'), ('Sun, 29 Nov 2026 02:46:10 GMT', ''),
    ('29 Nov 2026 02:46:10 +0100', ''), ('1795920370', ''), ('1795920370.146', ''), ('1795920370146', ''),
    ('2026-11-29T02:46:10', ''), ('2026-11-29T02:46:10', 'America/Chicago'), ('2026-07-01 02:46', 'America/Chicago'),
    ('2026-11-01 01:30:00', 'America/Chicago'), ('2026-03-08 02:30:00', 'America/Chicago'), ('2026-11-29', 'UTC'), ('2026-11-29', ''),
    ('11/29/2026 02:46:10', 'UTC'), ('02:46:10', 'UTC'), ('2026-13-29T02:46:10Z', ''), ('infinity', ''), ('now', ''), ('179592037', ''),
    ('20261129', ''), ('2026-11-29T02:46:10 CST', ''), ('', 'UTC'), (NULL, '')) AS t(shown, zone);

-- Where another payout of the same amount is in doubt, too, one load proves nothing for either
SELECT test.send(10, 'in_doubt', NULL) IS NOT NULL AS in_doubt;
SELECT number, what, verdict, reference FROM test.judged(:'payout') WHERE number IN (3, 8, 9, 18);
SELECT amount, status, reserved FROM murallink.payout o JOIN murallink.fund_balance b USING (contract_uid) WHERE o.contract_uid = :'contract' ORDER BY o.status;

-- What was loaded after the partner was asked need not be shown; what was before and after ours must be, if it was known
SELECT clock_timestamp() AS looked \gset
SELECT test.send(11, 'done', '74') IS NOT NULL AS done;
CREATE TEMP TABLE page (number integer, what text, loads jsonb);
INSERT INTO page VALUES
    (1, 'until ours', jsonb_build_array(test.load('other', '10.00', '71'))),
    (2, 'all', jsonb_build_array(test.load('other', '10.00', '71'), test.load('other', '11.00', '74'))),
    (3, 'the last', jsonb_build_array(test.load('other', '11.00', '74')));
SELECT p.number, p.what, j.verdict, k.verdict AS asked_before
FROM page p, LATERAL murallink_private.look_up_judge(:'payout', clock_timestamp(), p.loads, true) j,
    LATERAL murallink_private.look_up_judge(:'payout', :'looked', p.loads, true) k ORDER BY p.number;

-- Where the clock was set back since, the others ended in the time to come, and are known all the same
BEGIN;
SELECT verdict, why FROM murallink_private.look_up_judge(:'payout', clock_timestamp(), '[]', true);
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.call c SET settled_at = c.settled_at + interval '1 h'
FROM murallink.payout o WHERE c.uid = o.uid AND o.contract_uid = :'contract' AND o.status = 'done';
SELECT verdict, why FROM murallink_private.look_up_judge(:'payout', clock_timestamp(), '[]', true);
ROLLBACK;

-- An unload of a card that is not the payout's is looked up by that card: what look-ups by the number of an order have shown says
-- nothing of those by a key
SELECT p.uid AS paid, o.uid AS its_payout FROM murallink.payout o JOIN murallink_private.payment p ON p.uid = o.payment_uid
WHERE o.contract_uid = :'contract' AND o.amount = 11 \gset
SELECT c.status FROM murallink.replace_card(:'pat', 'lost', 'in the bus', '0252000000787') c;
SELECT murallink.configure_partner('dash', settings => settings || '{"settling": 0}') FROM murallink_private.partner WHERE name = 'dash';
CREATE FUNCTION pg_temp.ends(wanted murallink.ksuid, said text, facts jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink_private.call_claim(ARRAY[wanted]);
    PERFORM murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', wanted, 'attempt', (
        SELECT attempt FROM murallink_private.call WHERE uid = wanted), 'outcome', said, 'http_status', CASE said WHEN 'not_sent' THEN 401 END,
        'reason', 'so they say', 'facts', facts)));
END
$$;
CREATE FUNCTION pg_temp.asked(payout murallink.ksuid, unloads jsonb, said text DEFAULT 'in_doubt')
RETURNS TABLE (key text, order_id text, status murallink.payout_status, why text, shown text) LANGUAGE plpgsql AS $$
DECLARE
    unload murallink.ksuid := uid FROM murallink_private.call c WHERE c.subject_uid = payout AND c.operation = 'unload' AND c.status = 'ready';
    look murallink.call_state;
BEGIN
    PERFORM pg_temp.ends(unload, said, NULL);
    SELECT c.uid, c.params INTO look.uid, look.params FROM murallink_private.call c WHERE c.subject_uid = unload AND c.operation = 'look_up';
    PERFORM pg_temp.ends(look.uid, 'done', jsonb_build_object('loads', jsonb_build_array(), 'unloads', replace(unloads::text, 'OURS', (
        SELECT c.params ->> 'reference' FROM murallink_private.call c WHERE c.uid = unload))::jsonb));
    RETURN QUERY SELECT look.params ->> 'proxy_key', look.params ->> 'order_id', c.status, c.reason, (
        SELECT string_agg(CASE WHEN s.by_order THEN 'by order' ELSE 'by key' END, ', ' ORDER BY s.by_order) FROM murallink_private.look_up_shown s WHERE s.what = 'unload')
    FROM murallink_private.call c WHERE c.uid = unload;
END
$$;
BEGIN;
INSERT INTO murallink_private.look_up_shown SELECT 'dash', base_url, settings ->> 'customer_id', true, 'unload', :'payout' FROM murallink_private.partner WHERE name = 'dash';
SELECT status FROM murallink.reverse_payment(:'paid', 'not due');
SAVEPOINT reversed;
SELECT * FROM pg_temp.asked(:'its_payout', '[]');
ROLLBACK TO reversed;
SELECT * FROM pg_temp.asked(:'its_payout', '[]', 'not_sent');
ROLLBACK;
-- What shows one by the key of the other card is noted so, and then an empty list of it counts
BEGIN;
SELECT status FROM murallink.reverse_payment(:'paid', 'not due');
SELECT * FROM pg_temp.asked(:'its_payout', '[{"reference": "OURS", "amount": "11.00"}]');
SELECT status FROM murallink.reverse_payment((SELECT payment_uid FROM murallink.payout WHERE contract_uid = :'contract' AND status = 'done' AND amount = 10), 'nor this');
SELECT * FROM pg_temp.asked((SELECT uid FROM murallink.payout WHERE contract_uid = :'contract' AND status = 'done' AND amount = 10),
    '[{"reference": "other", "amount": "11.00"}]');
ROLLBACK;

-- What the unloads that a partner lists prove of one in doubt: of 10, beside a known one of 11, on the same card
BEGIN;
SELECT status FROM murallink.reverse_payment(:'paid', 'not due');
SELECT uid AS known FROM murallink_private.call WHERE subject_uid = :'its_payout' AND operation = 'unload' \gset
SELECT pg_temp.ends(:'known', 'done', '{"order_id": "81"}');
SELECT uid AS doubted, payment_uid AS other_paid FROM murallink.payout WHERE contract_uid = :'contract' AND status = 'done' AND amount = 10 \gset
SELECT status FROM murallink.reverse_payment(:'other_paid', 'nor this');
SELECT uid AS doubt FROM murallink_private.call WHERE subject_uid = :'doubted' AND operation = 'unload' \gset
SELECT pg_temp.ends(:'doubt', 'in_doubt', NULL);
CREATE TEMP TABLE unloaded (number integer, what text, unloads text, whole boolean DEFAULT true);
INSERT INTO unloaded VALUES
    (1, 'no list', NULL), (2, 'nothing', '[]'), (3, 'the known one', '[KNOWN]'), (4, 'its order', '[{"order_id": "81", "amount": "11.00"}]'),
    (5, 'ours', '[KNOWN, {"reference": "OURS", "amount": "10.00"}]'), (6, 'another amount', '[{"reference": "OURS", "amount": "1.00"}]'),
    (7, 'another currency', '[{"reference": "OURS", "amount": "10.00", "currency": "EUR"}]'),
    (8, 'twice', '[{"reference": "OURS", "amount": "10.00"}, {"reference": "OURS", "amount": "10.00"}]'),
    (9, 'without a reference', '[KNOWN, {"amount": "10.00"}]'), (10, 'without one, another amount', '[KNOWN, {"amount": "1.00"}]'),
    (11, 'the reference of the load', '[KNOWN, {"reference": "LOADED", "amount": "10.00"}]'),
    (12, 'a known reference', '[{"reference": "EARLIER", "amount": "10.00"}]');
INSERT INTO unloaded VALUES (13, 'a part without it', '[KNOWN]', false);
CREATE FUNCTION pg_temp.unload_judged(unload murallink.ksuid, looked timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (number integer, what text, verdict text, why text) LANGUAGE sql AS $$
    WITH known AS (
        SELECT (SELECT c.params ->> 'reference' FROM murallink_private.call c WHERE c.operation = 'unload' AND c.facts ->> 'order_id' = '81') AS reference)
    SELECT u.number, u.what, j.verdict, j.why FROM unloaded u, known k, murallink_private.call c, LATERAL murallink_private.unload_judge(c.uid, looked,
        replace(replace(replace(replace(u.unloads, 'KNOWN', '{"reference": "EARLIER", "amount": "11.00"}'), 'OURS', c.params ->> 'reference'),
        'EARLIER', coalesce(k.reference, 'EARLIER')), 'LOADED', c.subject_uid::text)::jsonb, u.whole) j
    WHERE c.uid = unload ORDER BY u.number
$$;
SELECT string_agg(number || ' ' || verdict, ', ' ORDER BY number) AS never_shown FROM pg_temp.unload_judged(:'doubt');
SELECT number, verdict FROM pg_temp.unload_judged(:'doubt', :'looked') WHERE number < 3;
INSERT INTO murallink_private.look_up_shown SELECT 'dash', base_url, settings ->> 'customer_id', false, 'unload', :'payout' FROM murallink_private.partner WHERE name = 'dash';
SELECT * FROM pg_temp.unload_judged(:'doubt');
-- What is not known to be there, or was not when the partner was asked, need not be listed
SELECT verdict FROM pg_temp.unload_judged(:'doubt', :'looked') WHERE number = 2;
SET LOCAL session_replication_role = replica;
SAVEPOINT known;
UPDATE murallink_private.call SET settled_at = settled_at + interval '1 h' WHERE uid = :'known';
SELECT verdict AS set_back FROM pg_temp.unload_judged(:'doubt') WHERE number = 2;
ROLLBACK TO known;
UPDATE murallink_private.call SET status = 'declined' WHERE uid = :'known';
SELECT verdict AS declined FROM pg_temp.unload_judged(:'doubt') WHERE number = 2;
ROLLBACK TO known;
UPDATE murallink_private.call SET facts = NULL WHERE uid = :'known';
SELECT verdict AS by_a_person FROM pg_temp.unload_judged(:'doubt') WHERE number = 2;
ROLLBACK;

SELECT murallink.disable_payouts();
SELECT * FROM murallink.verify_ledger() WHERE contract_uid = :'contract';
DROP ROLE regress_look_up_admin;
