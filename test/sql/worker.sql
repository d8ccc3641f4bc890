-- What operators see and do: what needs them, and that all they do leaves an audit_event, which they can read.
\set SHOW_CONTEXT never
-- The policies of audit_event are much to compile for few rows
SET jit = off;
CREATE ROLE regress_worker_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_worker_operator LOGIN IN ROLE murallink_operator;
CREATE ROLE regress_worker_analyst LOGIN IN ROLE murallink_analyst;
CREATE ROLE regress_worker_front LOGIN NOINHERIT IN ROLE regress_worker_operator;
SELECT email FROM murallink.create_admin('worker.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('worker.admin@example.com', 'regress_worker_admin');
SET SESSION AUTHORIZATION regress_worker_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Worker') \gset
SELECT uid AS debit FROM murallink.get_payment_types() WHERE name = 'debit' \gset
SELECT uid AS "check" FROM murallink.get_payment_types() WHERE name = 'check' \gset
SELECT uid AS contract FROM murallink.create_contract(
    client_uid => :'client', name => 'Worker', currency => 'USD', default_payment_type_uid => :'debit') \gset
SELECT murallink.add_funding(:'contract', 1000, 'USD');
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid AS carded FROM murallink.add_patient(site_uid => :'site', first_name => 'Pat', last_name => 'Carded', email => 'carded@example.com') \gset
SELECT uid AS cardless FROM murallink.add_patient(site_uid => :'site', first_name => 'Pat', last_name => 'Cardless', email => 'cardless@example.com') \gset
SELECT uid AS paper FROM murallink.add_patient(site_uid => :'site', first_name => 'Pat', last_name => 'Paper') \gset
SELECT count(murallink.enroll(p.uid::murallink.ksuid, :'trial', :'site', p.name))
FROM (VALUES (:'carded', 'CARDED'), (:'cardless', 'CARDLESS'), (:'paper', 'PAPER')) AS p (uid, name);
SELECT murallink.set_payment_type(trial_uid => :'trial', patient_uid => :'paper', payment_type_uid => :'check') IS NOT NULL AS set;
RESET SESSION AUTHORIZATION;
SELECT murallink.configure_partner('dash', 'https://dash.example.com', '{"customer_id": 1, "cust_prog_id": 78, "funding_id": 3, "look_up": false}',
    '{"username": "x", "password": "y", "webhook_access_key": "a key long enough"}');
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key, order_id)
VALUES (:'carded', 'dash', '78', 'done', '0252000000778', '70002');
SELECT murallink.enable_payouts();
-- What other tests have left is not due
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;

-- An approved payment, and what becomes of the call that it makes due; without an outcome it makes none due
CREATE FUNCTION test.paid(subject text, amount numeric, outcome text DEFAULT NULL) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
    SELECT e.uid, 'manual', paid.amount, 'USD' FROM murallink.enrollment e WHERE e.subject_id = paid.subject RETURNING uid INTO made;
    UPDATE murallink_private.payment p SET status = 'approved' WHERE p.uid = made;
    PERFORM murallink_private.payout_begin(made);
    PERFORM test.answered(outcome);
    RETURN (SELECT o.uid FROM murallink.payout o WHERE o.payment_uid = made);
END
$$;
CREATE FUNCTION test.answered(outcome text) RETURNS void LANGUAGE sql AS $$
    SELECT murallink_private.settle_calls(jsonb_agg(jsonb_build_object(
        'call_uid', c.call_uid, 'attempt', c.attempt, 'outcome', outcome, 'reason', 'so', 'facts', '{"order_id": "71", "proxy_key": "79"}'::jsonb)))
    FROM murallink_private.claim_calls('dash', CASE WHEN outcome IS NULL THEN 0 ELSE 1 END) c
$$;
CREATE FUNCTION test.failed(call murallink.ksuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink_private.call c SET due_at = '2001-01-01' WHERE c.uid = failed.call;
    PERFORM test.answered('not_sent');
END
$$;
-- What a statement leaves in the audit, as its caller sees it
CREATE FUNCTION test.audited(statement text) RETURNS TABLE (db_user name, db_role text, resource text, action murallink.audit_action, changes jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    start timestamptz := clock_timestamp();
BEGIN
    EXECUTE statement;
    RETURN QUERY SELECT e.db_user, e.db_role, e.resource, e.action,
        e.changes - '{uid,card_uid,client_uid,contract_uid,trial_uid,site_uid,patient_uid,enrollment_uid,chain_uid,subject_uid,payment_uid,once,created_at,delayed_at,due_at,settled_at,held_at,heard_at,secrets_changed_at,revision,params}'::text[]
            || CASE WHEN e.changes ? 'secrets_changed_at' THEN '{"secrets": "changed"}' ELSE '{}' END::jsonb
    -- What payouts wait for changes last, in no particular order.
    FROM murallink.audit_event e WHERE e.at >= start
    ORDER BY CASE WHEN e.resource = 'payout' AND e.changes - 'reason' = '{}' THEN 'infinity' ELSE e.at END, e.resource, e.changes::text;
END
$$;
SELECT test.paid('CARDED', 1, 'done') AS done, test.paid('CARDED', 2, 'declined') AS declined, test.paid('CARDED', 3, 'in_doubt') AS doubtful,
    test.paid('PAPER', 4) AS by_check, test.paid('CARDLESS', 5, 'in_doubt') AS cardless_payout \gset
SELECT uid AS card FROM murallink_private.card WHERE patient_uid = :'cardless' \gset
SET SESSION AUTHORIZATION regress_worker_operator;
SELECT uid AS link FROM murallink.resend_card_link(:'carded', 'sms') \gset
RESET SESSION AUTHORIZATION;
SELECT test.answered('in_doubt');

-- What needs a person: for operators, who find the place, and for nobody else
SET SESSION AUTHORIZATION regress_worker_operator;
SELECT kind, why, remedy, attempt, partner, amount, currency, (client_uid, contract_uid, trial_uid, site_uid)
        = (:'client'::murallink.ksuid, :'contract'::murallink.ksuid, :'trial'::murallink.ksuid, :'site'::murallink.ksuid) AS placed,
    since > now() - interval '1 h' AS since, uid = ANY (ARRAY[:'declined', :'doubtful', :'by_check', :'cardless_payout', :'card', :'link']::murallink.ksuid[]) AS known
FROM murallink.needs_person WHERE contract_uid = :'contract' OR patient_uid IN (:'carded', :'cardless') ORDER BY amount, kind;
SET SESSION AUTHORIZATION regress_worker_analyst;
SELECT * FROM murallink.needs_person;
SET SESSION AUTHORIZATION regress_worker_operator;

-- Tasks are found by what they are about, newest first
SELECT operation, status, requested_by FROM murallink.partner_tasks(patient_uid => :'carded');
SELECT count(*) FROM murallink.partner_tasks(patient_uid => :'cardless');
SELECT count(*) FROM murallink.partner_tasks(operation => 'alert', status => 'in_doubt', subject_uid => (
    SELECT subject_uid FROM murallink.partner_tasks(:'link')));
SELECT count(*) FROM murallink.partner_tasks(most => 0);
SELECT test.refusal(format('SELECT * FROM murallink.partner_tasks(%s)', wrong))
FROM unnest('{status => ''lost'',most => -1}'::text[]) AS wrong;

-- However many payouts there are, none of this reads all of them
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL enable_seqscan = off;
CREATE TEMP VIEW scanned AS SELECT relname, seq_scan FROM pg_stat_xact_user_tables
WHERE relname IN ('payment', 'payout', 'call', 'call_attempt', 'notice');
CREATE TEMP TABLE scanned_before AS SELECT * FROM scanned;
SELECT count(*) > 0 AS needs_person FROM murallink.needs_person;
SELECT count(*) AS attempts FROM murallink.payout_attempts(:'doubtful');
SELECT count(*) AS tasks FROM murallink.partner_tasks(subject_uid => :'doubtful');
SELECT count(*) AS tasks FROM murallink.partner_tasks(patient_uid => :'carded');
SELECT count(*) > 0 AS notices FROM murallink.notices();
SELECT count(*) > 0 AS status FROM murallink.worker_status();
SELECT test.refusal(format('SELECT murallink.look_up_payout(%L)', :'doubtful')) AS look_up;
SELECT status FROM murallink.reverse_payment((SELECT payment_uid FROM murallink_private.payout WHERE uid = :'done'), 'paid by mistake');
SELECT status FROM murallink.resolve_task(:'link', false, 'not sent');
SELECT relname FROM scanned s JOIN scanned_before b USING (relname) WHERE s.seq_scan > b.seq_scan ORDER BY relname;
ROLLBACK;
SET SESSION AUTHORIZATION regress_worker_operator;

-- Each leaves an audit_event: who, what, from what to what, and why
\pset format unaligned
SELECT * FROM test.audited($$SELECT murallink.configure_partner('dash', settings => '{"customer_id": 1, "cust_prog_id": 78, "funding_id": 4, "look_up": false}')$$);
SELECT * FROM test.audited($$SELECT murallink.configure_partner('dash', secrets => '{"username": "x", "password": "new", "webhook_access_key": "a key long enough"}')$$);
SELECT * FROM test.audited(format($$SELECT murallink.hold_payouts('audit', contract_uid => %L)$$, :'contract'));
SELECT count(*) FROM murallink.audit_event WHERE resource = 'payout_hold' AND action = 'created' AND changes #>> '{subject_uid,to}' = :'contract';
SELECT * FROM test.audited(format($$SELECT murallink.release_payouts(contract_uid => %L, note => 'all is well')$$, :'contract'));
SELECT * FROM test.audited(format($$SELECT murallink.settle_payout(%L, 'paid', 'check 17', 'by mail')$$, :'by_check'));
SELECT * FROM test.audited(format($$SELECT murallink.resolve_payout(%L, 'paid', 'seen at Dash')$$, :'doubtful'));
SELECT * FROM test.audited(format($$SELECT murallink.retry_payout(%L, 'the card is open again')$$, :'declined'));
SELECT * FROM test.audited(format($$SELECT murallink.reverse_payment(payment_uid, 'paid by mistake') FROM murallink.payout WHERE uid = %L$$, :'done'));
SELECT * FROM test.audited(format($$SELECT murallink.resolve_card(%L, true, 'seen at Dash', '0252')$$, :'card'));
SELECT * FROM test.audited(format($$SELECT murallink.resolve_task(%L, false, 'not sent')$$, :'link'));
SELECT * FROM test.audited(format($$SELECT murallink.ask_card(%L, 'details')$$, :'carded'));
SELECT * FROM test.audited(format($$SELECT murallink.resend_card_link(%L, 'email')$$, :'carded'));
SELECT * FROM test.audited('SELECT count(*) FROM murallink.refresh_dash()');
SELECT uid AS failing FROM murallink.ask_card(:'carded', 'shipping') \gset
RESET SESSION AUTHORIZATION;
SELECT count(test.failed(:'failing')) FROM generate_series(1, 5);
SET SESSION AUTHORIZATION regress_worker_operator;
SELECT * FROM test.audited(format($$SELECT murallink.resolve_task(%L, false, 'it never answers')$$, :'failing'));
BEGIN;
SELECT * FROM test.audited($$SELECT murallink.set_template('payment', 'sms', '{amount} {currency}')$$);
SELECT * FROM test.audited(format($$SELECT murallink.set_payment_notices(%L, false)$$, :'contract'));
ROLLBACK;
SELECT * FROM test.audited('SELECT murallink.disable_payouts()');

-- Behind PostgREST all log in as one: the role tells who it was
SET SESSION AUTHORIZATION regress_worker_front;
SELECT murallink.enable_payouts();
SET ROLE regress_worker_operator;
SELECT db_user, db_role, resource, action, changes -> 'enabled' AS enabled
FROM test.audited('SELECT murallink.enable_payouts()') WHERE changes ? 'enabled';

-- Dash's own
SET SESSION AUTHORIZATION regress_worker_admin;
SELECT murallink.dash_shipping_update('{"accessKey": "a key long enough", "orderId": "70002", "status": "Shipped", "trackingNumber": "1Z"}');
SELECT murallink.dash_shipping_update('{"accessKey": "a key long enough", "orderId": "70002", "status": "Delivered"}');
SET SESSION AUTHORIZATION regress_worker_operator;
SELECT db_user, resource, action, changes -> 'status' AS status FROM murallink.audit_event WHERE resource = 'card_shipment' ORDER BY at DESC LIMIT 2;
-- and nothing but what operators work with
SELECT DISTINCT resource FROM murallink.audit_event
WHERE resource NOT IN (
    'card', 'card_shipment', 'participation_detail', 'partner', 'payment_notice', 'call', 'payout', 'payout_hold', 'payout_switch', 'reversal', 'template',
    'trial_partner');
\pset format aligned

-- The status, without a worker: what is to be done, by kind
SELECT partner, payouts, pid, held, breaker, calls_per_second, latency FROM murallink.worker_status() ORDER BY partner;
RESET SESSION AUTHORIZATION;
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open;
UPDATE murallink_private.call SET due_at = '2001-01-01' WHERE uid = :'declined';
SELECT s.ready = q.all AS ready, ready_payouts > 0 AS payouts, s.ready_tasks = q.tasks AS tasks, s.ready = ready_payouts + ready_cards + ready_tasks AS sum,
    s.oldest_due_at, s.in_flight
FROM murallink.worker_status() s, (
    SELECT count(*), count(*) FILTER (WHERE operation NOT IN ('load', 'order'))
    FROM murallink_private.call WHERE partner = 'dash' AND status = 'ready') AS q ("all", tasks)
WHERE s.partner = 'dash';
SELECT * FROM murallink.verify_ledger() WHERE contract_uid = :'contract';
SELECT murallink.disable_payouts();
DROP ROLE regress_worker_admin, regress_worker_front, regress_worker_operator, regress_worker_analyst;
