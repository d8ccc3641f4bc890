-- Partners: how they are set up, what makes a payout ready, and the claims and outcomes that the worker writes.
\set SHOW_CONTEXT never
CREATE ROLE regress_partner_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_partner_operator LOGIN IN ROLE murallink_operator;
CREATE ROLE regress_partner_analyst LOGIN IN ROLE murallink_analyst;
SELECT email FROM murallink.create_admin('partner.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('partner.admin@example.com', 'regress_partner_admin');

-- What configure_partner() refuses
\set settings '{"customer_id": 12345, "cust_prog_id": "0987654", "funding_id": 54850}'
\set secrets '{"username": "someone", "password": "very secret"}'
SET SESSION AUTHORIZATION regress_partner_admin;
SELECT test.refusal('SELECT murallink.configure_partner(''dash'')') AS no_operator;
SET SESSION AUTHORIZATION regress_partner_operator;
SELECT base_url, test.refusal(format('SELECT murallink.configure_partner(''dash'', %L, %L, %L)', base_url, :'settings', :'secrets'))
FROM unnest(ARRAY[
    NULL, '', 'dash', 'http://dash.example.com', 'ftp://dash.example.com', 'https://user@dash.example.com',
    'https://dash.example.com/?x=1', 'https://dash.example.com/#', 'http://localhost.example.com', 'http://127.0.0.1@dash.example.com',
    'http://10.0.0.1', 'https://dash example.com', 'file:///etc/passwd']) AS base_url;
SELECT settings, test.refusal(format('SELECT murallink.configure_partner(''dash'', ''https://dash.example.com'', %L, %L)', settings, :'secrets'))
FROM unnest(ARRAY[
    '[]', '{}', '{"customer_id": 1, "cust_prog_id": 2}', '{"customer_id": 1, "cust_prog_id": 2, "funding_id": null}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 0}', '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 1.5}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": "x"}', '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "fundingid": 3}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "currency": "usd"}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "currency": "KWD"}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "session_in": "header|body"}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "session_in": "cookie"}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "login_path": "login"}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "login_path": "/login?x"}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "send_reference": "yes"}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "concurrency": 0}',
    '{"customer_id": 1, "cust_prog_id": 2, "funding_id": 3, "timeout": 1e9}']) AS settings;
SELECT secrets, test.refusal(format('SELECT murallink.configure_partner(''dash'', ''https://dash.example.com'', %L, %L)', :'settings', secrets))
FROM unnest(ARRAY['{}', '{"username": "x"}', '{"username": "x", "password": ""}', '{"username": "x", "password": "x", "key": "x"}']) AS secrets;
SELECT partner, test.refusal(format('SELECT murallink.configure_partner(%L, ''https://example.com'')', partner))
FROM unnest(ARRAY[NULL, 'Dash', 'visa']) AS partner;

-- What it keeps: all settings; what is not given stays as it was; secrets are for nobody's eyes
SELECT murallink.configure_partner('dash', 'https://dash.example.com/', :'settings', :'secrets');
SELECT murallink.configure_partner('dash', settings => '{"customer_id": 1, "cust_prog_id": "0987654", "funding_id": 3, "rate": 2.5}');
SELECT relation, test.refusal('TABLE murallink_private.' || relation)
FROM unnest('{partner,partner_secret,call,call_attempt,payout,card}'::text[]) AS relation;
RESET SESSION AUTHORIZATION;
SELECT name, base_url, jsonb_pretty(settings), revision FROM murallink_private.partner;
SELECT secrets = :'secrets' AS kept FROM murallink_private.partner_secret;
SELECT count(*) AS audited, count(*) FILTER (WHERE (changes - 'secrets_changed_at')::text LIKE '%secret%') AS told
FROM murallink.audit_event WHERE resource LIKE 'partner%';

-- Payouts of a patient who can be told of a card and of one who cannot, and money that the cards do not hold
SET SESSION AUTHORIZATION regress_partner_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Cards') \gset
SELECT uid AS debit FROM murallink.get_payment_types() WHERE name = 'debit' \gset
SELECT uid AS contract FROM murallink.create_contract(
    client_uid => :'client', name => 'Cards', currency => 'USD', default_payment_type_uid => :'debit') \gset
SELECT murallink.add_funding(:'contract', 1000, 'USD'), murallink.add_funding(:'contract', 1000, 'EUR');
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid AS ann FROM murallink.add_patient(site_uid => :'site', first_name => 'Ann', last_name => 'Known', email => 'ann@example.com') \gset
SELECT uid AS bob FROM murallink.add_patient(site_uid => :'site', first_name => 'Bob', last_name => 'Unknown') \gset
SELECT uid AS cy FROM murallink.add_patient(site_uid => :'site', first_name => 'Cy', last_name => 'Late') \gset
SELECT murallink.enroll(:'ann', :'trial', :'site', 'ANN'), murallink.enroll(:'bob', :'trial', :'site', 'BOB'), murallink.enroll(:'cy', :'trial', :'site', 'CY');
RESET SESSION AUTHORIZATION;
-- What other tests have left is not due
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;
CREATE FUNCTION test.pay(patient text, amount numeric, currency text DEFAULT 'USD') RETURNS text
LANGUAGE sql SECURITY DEFINER AS $$
    WITH made AS (
        INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
        SELECT e.uid, 'manual', pay.amount, pay.currency FROM murallink.enrollment e WHERE e.subject_id = pay.patient
        RETURNING uid)
    SELECT uid::text FROM made
$$;
CREATE FUNCTION test.approve(payment text) RETURNS void LANGUAGE sql AS $$
    UPDATE murallink_private.payment SET status = 'approved' WHERE uid = approve.payment::murallink.ksuid;
    SELECT murallink_private.payout_begin(approve.payment::murallink.ksuid);
$$;
CREATE VIEW test.payouts AS
SELECT e.subject_id AS patient, o.amount, o.status, o.reason, p.status AS payment, o.attempt,
    o.reference, c.status AS card, k.status AS call, CASE WHEN k.open THEN k.due_at > k.delayed_at END AS later
FROM murallink.payout o JOIN murallink.payment p ON p.uid = o.payment_uid JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
LEFT JOIN murallink_private.card c ON c.uid = o.card_uid LEFT JOIN murallink_private.call k ON k.uid = o.uid
WHERE e.subject_id IN ('ANN', 'BOB', 'CY');
SELECT test.approve(test.pay('ANN', 10)), test.approve(test.pay('ANN', 11.5)), test.approve(test.pay('ANN', 12, 'EUR')), test.approve(test.pay('BOB', 13));
SELECT * FROM test.payouts ORDER BY amount;
SELECT count(*) AS cards FROM murallink_private.card WHERE patient_uid IN (:'ann', :'bob');
-- A card that waits, though nothing says for what, is no card to load
BEGIN;
INSERT INTO murallink_private.card (patient_uid, partner, program)
SELECT :'cy', p.name, p.settings ->> 'cust_prog_id' FROM murallink_private.partner p WHERE p.name = 'dash';
SELECT test.approve(test.pay('CY', 99));
SELECT status, reason FROM test.payouts WHERE amount = 99;
ROLLBACK;

-- The claims of one transaction, by what is called and with what; and their outcomes
CREATE TABLE test.claim (number integer GENERATED ALWAYS AS IDENTITY, call_uid murallink.ksuid, attempt integer, operation text, params jsonb);
CREATE FUNCTION test.claim() RETURNS TABLE (operation text, params jsonb) LANGUAGE sql AS $$
    -- Whether a look-up is due by now depends on the time: none is claimed here.
    UPDATE murallink_private.call c SET due_at = '2999-01-01' WHERE c.operation = 'look_up' AND c.status = 'ready';
    INSERT INTO test.claim (call_uid, attempt, operation, params)
    SELECT c.call_uid, c.attempt, c.operation, c.params FROM murallink_private.claim_calls('dash', 10) c
    RETURNING operation, params - 'reference'
$$;
CREATE FUNCTION test.settle(claim integer, outcome text, facts jsonb DEFAULT '{}', reason text DEFAULT 'HTTP 200: so') RETURNS void
LANGUAGE sql AS $$
    SELECT murallink_private.settle_calls(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'call_uid', c.call_uid, 'attempt', c.attempt, 'outcome', settle.outcome, 'http_status', 200, 'reason', settle.reason, 'facts', settle.facts,
        'answer', '{"status": "\u0000 \ud83d\ude00"}')))
    FROM test.claim c WHERE c.number = settle.claim
$$;
SELECT * FROM test.claim();
SET SESSION AUTHORIZATION regress_partner_operator;
SELECT murallink.enable_payouts();
RESET SESSION AUTHORIZATION;

-- The card is ordered first; what was not sent is sent again later, with the same content
SELECT * FROM test.claim();
SELECT * FROM test.claim();
SELECT * FROM test.payouts ORDER BY amount;
SELECT test.settle(1, 'not_sent');
SELECT c.status AS card, k.status, k.attempt, k.due_at > k.delayed_at AS later, k.reason
FROM murallink_private.card c JOIN murallink_private.call k ON k.uid = c.uid WHERE c.patient_uid = :'ann';
UPDATE murallink_private.call SET due_at = LEAST(due_at, delayed_at) WHERE open AND due_at < '2100-01-01';
SELECT * FROM test.claim();
CREATE VIEW test.attempt AS
SELECT c.uid AS call_uid, c.attempt, c.content_hash, c.claimed_at, c.settled_at, c.outcome, c.http_status, c.reason
FROM murallink_private.call c WHERE c.attempt > 0 AND NOT EXISTS (
    SELECT FROM murallink_private.call_attempt a WHERE a.call_uid = c.uid AND a.attempt = c.attempt)
UNION ALL
SELECT a.call_uid, a.attempt, a.content_hash, a.claimed_at, a.settled_at, a.outcome, a.http_status, a.reason FROM murallink_private.call_attempt a;
SELECT count(*) AS attempts, count(DISTINCT content_hash) AS contents, bool_and(octet_length(content_hash) = 32) AS sha256
FROM test.attempt a JOIN murallink_private.card c ON c.uid = a.call_uid WHERE c.patient_uid = :'ann';

-- An order in doubt is not repeated; a person decides
SELECT test.settle(2, 'in_doubt', reason => 'nobody answered');
SELECT test.settle(2, 'done', '{"proxy_key": "late"}');
SELECT * FROM test.payouts ORDER BY amount;
SELECT * FROM test.claim();
SELECT uid AS card FROM murallink_private.card WHERE patient_uid = :'ann' \gset
BEGIN;
UPDATE murallink_private.call SET status = 'ready' WHERE uid = :'card';
SELECT * FROM test.claim();
ROLLBACK;
SET SESSION AUTHORIZATION regress_partner_operator;
SELECT test.refusal(format('SELECT murallink.resolve_card(%L, %L, %L, %L)', card, ordered, note, proxy_key))
FROM (VALUES (NULL, 'true', 'seen', '1'), (:'site', 'true', 'seen', '1'), (:'card', NULL, 'seen', '1'), (:'card', 'true', '', '1'), (:'card', 'true', 'seen', ''))
    AS wrong (card, ordered, note, proxy_key);
-- What was found out of an order is not taken for another one: that would be a second card
SELECT status, attempt FROM murallink.cards(:'ann');
SELECT asked, ordered, test.refusal(format('SELECT murallink.resolve_card(%L, %L, %L, %L, %s)', :'card', ordered, 'the issuer does not show it', '1', asked))
FROM unnest('{-1,0,2}'::integer[]) AS asked, unnest('{false,true}'::boolean[]) AS ordered ORDER BY 1, 2;
SELECT murallink.resolve_card(:'card', false, 'the issuer does not show it', attempt => attempt) FROM murallink.needs_person WHERE uid = :'card';
RESET SESSION AUTHORIZATION;
SELECT operation FROM test.claim();
SELECT test.settle(max(number), 'in_doubt', reason => 'nobody answered again') FROM test.claim;
SET SESSION AUTHORIZATION regress_partner_operator;
SELECT test.refusal(format('SELECT murallink.resolve_card(%L, false, %L, attempt => 1)', :'card', 'the issuer does not show it'));
SELECT murallink.resolve_card(:'card', true, 'the issuer shows it', '0252000000017', attempt) FROM murallink.needs_person WHERE uid = :'card';
SELECT test.refusal(format('SELECT murallink.resolve_card(%L, false, ''again'')', :'card'));
RESET SESSION AUTHORIZATION;
SELECT * FROM test.payouts ORDER BY amount;

-- What was never sent has no outcome, and is in no order that has one
SELECT step, test.refusal(format('UPDATE murallink_private.card SET %s WHERE patient_uid = %L', step, :'bob'))
FROM unnest('{status = ''done'',status = ''declined'',status = ''in_doubt'',status = ''claimed''}'::text[]) AS step;

-- Loads: declined, tried again, answered late for the first time, in doubt, resolved
SELECT * FROM test.claim() ORDER BY params ->> 'amount';
SELECT * FROM test.payouts WHERE amount < 12 ORDER BY amount;
SELECT number AS ten FROM test.claim WHERE params ->> 'amount' = '10.00' \gset
SELECT number AS eleven FROM test.claim WHERE params ->> 'amount' = '11.50' \gset
-- What is being sent is shown as such in the table and by the function
BEGIN;
GRANT murallink_analyst TO regress_partner_admin;
SET LOCAL SESSION AUTHORIZATION regress_partner_admin;
SELECT amount, status FROM murallink.payment WHERE patient_uid = :'ann' ORDER BY amount;
SELECT amount, status FROM murallink.get_patient_payments(:'ann', :'trial') ORDER BY amount;
SELECT count(*) FROM murallink.payment WHERE status = 'processing' AND patient_uid = :'ann';
ROLLBACK;
-- No statement has what is being sent sent a second time, or says what became of it, whoever makes it
SELECT step, test.refusal(format('UPDATE murallink_private.call SET %s WHERE uid IN (SELECT call_uid FROM test.claim) AND status = ''claimed''', step))
FROM unnest(ARRAY['status = ''ready''', 'status = ''waiting'', reason = ''held''', 'status = ''declined'', reason = ''x''',
    'status = ''in_doubt'', reason = ''x''', 'status = ''done''', 'status = ''cancelled''', 'attempt = attempt + 1', 'attempt = attempt - 1',
    'status = ''ready'', attempt = attempt + 1', 'status = ''ready'', repeatable = true, outcome = ''in_doubt'', settled_at = now()',
    'status = ''ready'', outcome = ''in_doubt'', settled_at = now()', 'status = ''ready'', outcome = ''declined'', settled_at = now()',
    'status = ''ready'', outcome = ''done'', settled_at = now()', 'status = ''declined'', outcome = ''done'', settled_at = now()',
    'status = ''done'', outcome = ''declined'', settled_at = now()', 'outcome = ''done'', settled_at = now()',
    'uid = murallink.gen_ksuid()', 'resource = ''notice''', 'operation = ''details''', 'repeatable = true', 'partner = ''relay''',
    'subject_uid = murallink.gen_ksuid()', 'claimed_at = NULL', 'claimed_at = now()', 'content_hash = NULL', 'revision = 0']) AS step;
SELECT status, test.refusal(format(
    'UPDATE murallink_private.payment SET status = %L WHERE contract_uid = %L AND murallink_private.payment_being_sent(uid)', status, :'contract'))
FROM unnest('{paid,failed,in_doubt,cancelled,processing}'::text[]) AS status;
SELECT change, test.refusal(format('UPDATE murallink_private.payout SET %s WHERE uid IN (SELECT call_uid FROM test.claim)', change))
FROM unnest('{partner = NULL,partner = ''relay'',card_uid = NULL,payment_type_uid = NULL}'::text[]) AS change;
-- Nor does a call begin with an outcome, or with attempts, or twice
SELECT begun, test.refusal(format('INSERT INTO murallink_private.call (uid, partner, resource, subject_uid, operation, status, attempt, claimed_at, outcome, settled_at)'
    ' SELECT %s FROM murallink_private.payout o WHERE o.contract_uid = %L AND o.reason = ''no_contact''', begun, :'contract'))
FROM unnest(ARRAY['uid, ''dash'', ''payout'', uid, ''load'', ''done'', 1, now(), ''done'', now()',
    'uid, ''dash'', ''payout'', uid, ''load'', ''in_doubt'', 1, now(), ''in_doubt'', now()',
    'uid, ''dash'', ''payout'', uid, ''load'', ''declined'', 0, NULL, NULL, NULL',
    'uid, ''dash'', ''payout'', uid, ''load'', ''claimed'', 1, now(), NULL, NULL',
    'uid, ''dash'', ''payout'', uid, ''load'', ''ready'', 1, now(), ''not_sent'', now()']) AS begun;
SELECT test.refusal(format('INSERT INTO murallink_private.call (uid, partner, resource, subject_uid, operation)'
    ' SELECT uid, partner, resource, subject_uid, operation FROM murallink_private.call WHERE uid = (SELECT call_uid FROM test.claim WHERE number = %s)', :ten)) AS twice;
SELECT test.settle(:ten, 'declined', reason => 'HTTP 400: no funds'), test.settle(:eleven, 'done', '{"order_id": "70001"}');
SELECT * FROM test.payouts WHERE amount < 12 ORDER BY amount;
SELECT uid AS payout FROM murallink.payout WHERE contract_uid = :'contract' AND amount = 10 \gset
SELECT amount, status, attempt FROM murallink.retry_payout(:'payout', 'funds are there');
SELECT operation, params ->> 'amount' AS amount FROM test.claim();
SELECT test.settle(:ten, 'done', '{"order_id": "70002"}');
SELECT relation, change, test.refusal(format('UPDATE murallink_private.%s SET %s WHERE outcome IS NOT NULL', relation, change))
FROM (VALUES ('call'), ('call_attempt')) AS written (relation),
    unnest(ARRAY['outcome = ''done'', reason = ''another''', 'outcome = NULL, settled_at = NULL', 'settled_at = now()', 'claimed_at = now()', 'content_hash = ''x''']) AS change
ORDER BY relation, change;
SELECT relation, write, test.refusal(format('%s murallink_private.%s', write, relation))
FROM unnest('{call,call_attempt,payout,card}'::text[]) AS relation, unnest('{DELETE FROM,TRUNCATE}'::text[]) AS write WHERE write = 'DELETE FROM' OR relation = 'call_attempt';
SELECT test.refusal('TRUNCATE murallink_private.call CASCADE') AS empty_calls, test.refusal('TRUNCATE murallink_private.card CASCADE') AS empty_cards;
SELECT count(*) AS attempts FROM test.attempt WHERE call_uid = :'payout';
SELECT test.settle(:ten, 'done', '{"order_id": "70002"}');
SELECT * FROM test.payouts WHERE amount < 12 ORDER BY amount;
SELECT max(number) AS again FROM test.claim \gset
SELECT test.settle(:again, 'in_doubt', reason => 'nobody answered');
SELECT * FROM test.payouts WHERE amount < 12 ORDER BY amount;
SELECT step, test.refusal(format('UPDATE murallink_private.call SET %s WHERE uid = %L', step, :'payout')) AS sent_again_by_hand
FROM unnest(ARRAY['status = ''ready''', 'status = ''waiting''', 'status = ''claimed'', attempt = attempt + 1', 'status = ''declined''', 'suspect = false, due_at = now(), status = ''ready''']) AS step;
SELECT * FROM test.claim();
-- What was found out of an attempt is not taken for another one
SELECT asked - attempt AS asked_of, test.refusal(format('SELECT murallink.resolve_payout(%L, %L, %L, %L)', uid, outcome, 'the issuer does not show it', asked))
FROM murallink.payout, unnest(ARRAY['not_paid', 'cancelled', 'paid']) AS outcome, unnest(ARRAY[attempt - 1, attempt + 1]) AS asked
WHERE uid = :'payout' ORDER BY 1, outcome;
SELECT d.status, d.note FROM murallink.payout p, murallink.resolve_payout(p.uid, 'not_paid', 'the issuer does not show it', p.attempt) d WHERE p.uid = :'payout';
SELECT operation FROM test.claim();
-- A worker that ended without an outcome leaves doubt behind, but not in what the other worker calls
SELECT murallink_private.recover_calls(mail => true) AS of_mail;
SELECT murallink_private.recover_calls(mail => false);
SELECT * FROM test.payouts WHERE amount < 12 ORDER BY amount;
SELECT status, note FROM murallink.resolve_payout(:'payout', 'paid', 'the issuer shows it now');
SELECT k.operation, a.attempt, a.outcome, a.http_status, a.reason, a.settled_at >= a.claimed_at AS in_order
FROM test.attempt a JOIN murallink_private.call k ON k.uid = a.call_uid WHERE a.call_uid IN (:'card', :'payout') ORDER BY a.claimed_at;
SELECT operation, attempt, outcome, http_status, reason, reference, settled_at >= claimed_at AS in_order FROM murallink.payout_attempts(:'payout')
WHERE operation <> 'look_up';
SELECT string_agg(h.step, ' ' ORDER BY h.at) AS history FROM murallink.payment_history h JOIN murallink.payout o USING (payment_uid)
WHERE o.uid = :'payout';

-- What comes late changes nothing: neither for an earlier attempt, whatever was asked, nor for one that was left in doubt
CREATE FUNCTION test.claim_again(claim integer) RETURNS integer LANGUAGE sql AS $$
    SELECT test.settle(claim, 'not_sent');
    UPDATE murallink_private.call k SET due_at = k.delayed_at FROM test.claim c WHERE c.number = claim AND k.uid = c.call_uid;
    SELECT test.claim();
    SELECT max(d.number) FROM test.claim c JOIN test.claim d ON d.call_uid = c.call_uid WHERE c.number = claim;
$$;
SELECT test.approve(test.pay('ANN', 11.75));
SELECT uid AS task FROM murallink_private.task_begin('dash', 'customers', '{}', true) \gset
SELECT operation FROM test.claim() ORDER BY operation;
SELECT max(number) FILTER (WHERE operation = 'load') AS load, max(number) FILTER (WHERE operation = 'customers') AS task_claim FROM test.claim \gset
SELECT test.claim_again(:load) AS load_again, test.claim_again(:task_claim) AS task_again \gset
CREATE VIEW test.late_ones AS
SELECT o.status AS payout, o.attempt, o.reference, t.status AS task, t.attempt AS task_attempt, t.facts
FROM murallink.payout o JOIN murallink_private.call t ON t.operation = 'customers' WHERE o.amount = 11.75;
SELECT test.settle(:load, 'declined'), test.settle(:task_claim, 'declined');
TABLE test.late_ones;
SELECT test.settle(:load_again, 'in_doubt'), test.settle(:task_again, 'done', '{"customers": []}');
SELECT test.settle(:load_again, 'done', '{"order_id": "70009"}'), test.settle(:task_again, 'declined');
TABLE test.late_ones;
SELECT murallink.resolve_payout(uid, 'not_paid', 'the issuer does not show it') IS NOT NULL AS sent_again FROM murallink.payout WHERE amount = 11.75;
SELECT operation FROM test.claim() WHERE operation = 'load';
SELECT test.claim_again(max(number)) AS load FROM test.claim WHERE operation = 'load' \gset
SELECT test.settle(:load, 'done', '{"order_id": "70010"}');
TABLE test.late_ones;

-- Bob has an e-mail address now; and his card is ordered again when a person says so; then the cards hold other money
UPDATE murallink.patient SET email = 'bob@example.com' WHERE uid = :'bob';
SELECT * FROM test.payouts WHERE patient = 'BOB';
SELECT * FROM test.claim();
SELECT max(number) AS ordered FROM test.claim \gset
SELECT test.settle(:ordered, 'declined', reason => 'HTTP 400: no such town');
SELECT test.settle(:ordered, 'done', '{"proxy_key": "0252000000033"}');
SELECT * FROM test.payouts WHERE patient = 'BOB';
SELECT murallink.resolve_card(uid, false, 'the town is known now') FROM murallink_private.card WHERE patient_uid = :'bob';
SELECT operation FROM test.claim();
SELECT max(number) AS ordered FROM test.claim \gset
SELECT test.settle(:ordered, 'done', '{"proxy_key": "0252000000025", "order_id": "70003", "person_id": "5000002"}');
SELECT * FROM test.payouts WHERE patient = 'BOB';
SELECT murallink.configure_partner('dash', settings => '{"customer_id": 1, "cust_prog_id": "0987654", "funding_id": 3, "currency": "EUR"}');
SELECT * FROM test.payouts WHERE status IN ('waiting', 'ready') ORDER BY amount;

-- One that cannot be claimed, and one that cannot be settled, stop no other
CREATE FUNCTION test.poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'poisoned';
END
$$;
CREATE FUNCTION test.amount(call murallink.ksuid) RETURNS numeric LANGUAGE sql AS $$
    SELECT o.amount FROM murallink_private.payout_shown o WHERE o.uid = call
$$;
CREATE TRIGGER poison BEFORE UPDATE ON murallink_private.call FOR EACH ROW
    WHEN ((test.amount(NEW.uid), NEW.status) IN ((20, 'claimed'), (21, 'done'))) EXECUTE FUNCTION test.poison();
SELECT count(test.approve(test.pay('ANN', 19 + n, 'EUR'))) FROM generate_series(1, 3) AS n;
\set VERBOSITY sqlstate
SELECT operation, params ->> 'amount' AS amount FROM test.claim() WHERE operation <> 'look_up' ORDER BY amount;
SELECT murallink_private.settle_calls(jsonb_agg(jsonb_build_object(
    'call_uid', c.call_uid, 'attempt', c.attempt, 'outcome', 'done', 'reason', 'done', 'facts', '{}'::jsonb)))
FROM test.claim c JOIN murallink_private.call k ON k.uid = c.call_uid AND k.attempt = c.attempt WHERE k.status = 'claimed';
\set VERBOSITY default
SELECT * FROM test.payouts WHERE amount >= 20 ORDER BY amount;
-- which somebody hears of once
SELECT murallink_private.apply_late();
SELECT kind, why, remedy, amount FROM murallink.needs_person WHERE amount >= 20 AND contract_uid = :'contract' ORDER BY amount;
-- The outcome is kept meanwhile: another does not take its place, nor is it in doubt when the worker ends
SELECT outcome, reason, kept FROM murallink_private.call_attempt WHERE kept;
SELECT murallink_private.settle_calls(jsonb_agg(jsonb_build_object('call_uid', a.call_uid, 'attempt', a.attempt, 'outcome', 'declined', 'reason', 'another')))
FROM murallink_private.call_attempt a WHERE a.kept;
SELECT murallink_private.recover_calls();
SELECT outcome, reason, kept FROM murallink_private.call_attempt WHERE kept;
SELECT change, test.refusal(format('UPDATE murallink_private.call SET %s WHERE uid = (SELECT call_uid FROM murallink_private.call_attempt WHERE kept)', change))
FROM unnest('{status = ''ready'',status = ''in_doubt''}'::text[]) AS change;
DROP TRIGGER poison ON murallink_private.call;
SELECT murallink_private.apply_late();
SELECT * FROM test.payouts WHERE amount >= 20 ORDER BY amount;
SELECT kind, why, amount FROM murallink.needs_person WHERE amount >= 21 AND contract_uid = :'contract';

-- In another place: what was open is put in doubt before it is sent, what is approved there is sent, and questions are asked again
CREATE FUNCTION test.move(look_first boolean) RETURNS void LANGUAGE sql AS $$
    UPDATE murallink_private.payout_switch SET place = 'another';
    SELECT murallink.enable_payouts(look_first);
$$;
CREATE VIEW test.tasks AS
SELECT operation, status, attempt, reason FROM murallink.partner_tasks() WHERE subject_uid IN (SELECT uid FROM murallink_private.card)
    AND operation <> 'look_up';
SET SESSION AUTHORIZATION regress_partner_operator;
SELECT test.refusal('SELECT murallink.enable_payouts(NULL)');
RESET SESSION AUTHORIZATION;
SELECT test.approve(test.pay('ANN', 30, 'EUR')), test.approve(test.pay('ANN', 31, 'EUR'));
SELECT uid AS held FROM murallink.payout WHERE contract_uid = :'contract' AND amount = 31 \gset
SELECT murallink.hold_payouts('not yet', :'held');
SELECT test.approve(test.pay('ANN', 35, 'EUR')), test.approve(test.pay('ANN', 36, 'EUR')), test.approve(test.pay('ANN', 37, 'EUR'));
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE status = 'ready' AND test.amount(uid) = 30;
SELECT operation, params ->> 'amount' AS amount FROM test.claim() WHERE operation <> 'look_up' ORDER BY amount;
SELECT test.settle(number, 'in_doubt', reason => 'nobody answered') FROM test.claim WHERE params ->> 'amount' IN ('35.00', '36.00');
UPDATE murallink_private.call SET due_at = now() WHERE status = 'ready' AND test.amount(uid) = 30;
SELECT murallink.resend_card_link(:'ann', 'email') IS NULL, murallink.ask_card(:'ann', 'shipping') IS NULL;
UPDATE murallink.patient SET email = 'cy@example.com' WHERE uid = :'cy';
SELECT test.approve(test.pay('CY', 32, 'EUR'));
SELECT test.move(true);
SELECT test.approve(test.pay('ANN', 33, 'EUR'));
-- What was being sent, or in doubt, there is a person's decision; not_paid has it looked up again before it is sent
SELECT o.amount, d.status
FROM (VALUES (35, 'cancelled'), (36, 'not_paid'), (37, 'cancelled')) AS decided (amount, outcome) JOIN murallink.payout o ON o.amount = decided.amount AND o.contract_uid = :'contract',
    murallink.resolve_payout(o.uid, outcome, 'the issuer does not show it') d ORDER BY o.amount;
-- Nor is it cancelled before it is looked up: the money may be gone
SELECT amount, test.refusal(format('UPDATE murallink_private.payment SET status = %L WHERE uid = %L', 'cancelled', payment_uid))
FROM murallink.payout WHERE contract_uid = :'contract' AND amount IN (30, 31) ORDER BY amount;
SELECT operation, params ->> 'amount' AS amount FROM test.claim() WHERE operation <> 'look_up' ORDER BY operation;
SELECT amount, status, reason, card, attempt FROM test.payouts WHERE amount >= 30 ORDER BY amount;
SELECT * FROM test.tasks ORDER BY operation;
SELECT murallink.release_payouts(:'held');
SELECT * FROM test.claim() WHERE operation <> 'look_up';
SELECT amount, status, reason, attempt FROM test.payouts WHERE amount = 31;
SELECT status FROM murallink.resolve_payout(:'held', 'not_paid', 'the issuer does not show it');
SELECT murallink.resolve_card(uid, false, 'the issuer does not know it') FROM murallink_private.card WHERE patient_uid = :'cy';
SELECT operation, params ->> 'amount' AS amount FROM test.claim() WHERE operation <> 'look_up' ORDER BY operation;
SELECT a.attempt, a.outcome, a.reason FROM test.attempt a WHERE a.call_uid = :'held' ORDER BY a.attempt;
-- Unless somebody knows better: then only what had been claimed is in doubt
SELECT test.approve(test.pay('ANN', 34, 'EUR'));
SELECT test.move(false);
SELECT operation, params ->> 'amount' AS amount FROM test.claim() WHERE operation <> 'look_up';
SELECT amount, status, reason, card, attempt FROM test.payouts WHERE amount >= 30 ORDER BY amount;
SELECT (SELECT count(*) FROM murallink_private.call WHERE suspect) AS calls, (SELECT count(*) FROM murallink_private.payout WHERE suspect) AS payouts,
    (SELECT count(*) FROM murallink_private.card WHERE suspect) AS cards;

SELECT currency, funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract' ORDER BY currency;
SELECT * FROM murallink.verify_ledger() WHERE contract_uid = :'contract';
SELECT partner, payouts, pid FROM murallink.worker_status();
-- What other tests count is not under way
SELECT murallink_private.recover_calls();
SELECT murallink.disable_payouts();
DROP ROLE regress_partner_admin, regress_partner_operator, regress_partner_analyst;
