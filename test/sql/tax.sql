-- What was paid by month, and what payees were paid in a tax year.
\set SHOW_CONTEXT never
SET jit = off;
SET datestyle = 'ISO';
SET timezone = 'Asia/Tokyo';
CREATE ROLE regress_tax_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_tax_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.tax@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS user FROM murallink.register('user.tax@example.com', 'correct horse', 'Tara', 'Tax') \gset
SELECT murallink.set_db_role(name || '.tax@example.com', 'regress_tax_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_tax_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Tax') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Tax', currency => 'USD',
    default_payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'A', approve_milestones => true) \gset
SELECT uid AS other FROM murallink.create_trial(contract_uid => :'contract', name => 'B') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site', time_zone => 'America/New_York') \gset
SELECT uid IS NOT NULL AS associated FROM murallink.add_trial_site(:'other', :'site');
SELECT murallink.add_funding(:'contract', 10000);
SELECT uid AS milestone FROM murallink.add_milestone('Week 1', 100, 'USD', :'trial', :'site', 5) \gset
SELECT uid AS al FROM murallink.add_patient(site_uid => :'site', first_name => 'Al', last_name => 'Patient') \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'site', first_name => 'Bea', last_name => 'Patient') \gset
SELECT murallink.enroll(:'al', :'trial', :'site', 'T-1'), murallink.enroll(:'al', :'other', :'site', 'T-1'), murallink.enroll(:'bea', :'trial', :'site', 'T-2');
RESET SESSION AUTHORIZATION;
-- Makes a payment, has it paid at a time, and takes a part back at another one
CREATE FUNCTION pg_temp.pays(patient murallink.ksuid, trial murallink.ksuid, kind text, amount numeric, at timestamptz, back numeric DEFAULT NULL,
    back_at timestamptz DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    made murallink.ksuid;
    reversal murallink.ksuid;
BEGIN
    SET LOCAL SESSION AUTHORIZATION regress_tax_admin;
    made := CASE kind WHEN 'milestone' THEN (murallink.milestone_payment(patient, (
            SELECT s.uid FROM murallink.payment_schedule s WHERE s.trial_uid = pays.trial))).uid
        WHEN 'travel' THEN (murallink.travel_payment(patient, trial, amount)).uid ELSE (murallink.manual_payment(patient, trial, amount)).uid END;
    IF kind <> 'milestone' THEN
        PERFORM murallink.approve_payment(made);
    END IF;
    RESET SESSION AUTHORIZATION;
    PERFORM murallink.settle_payout(o.uid, 'paid', 'check') FROM murallink.payout o WHERE o.payment_uid = made;
    IF back IS NOT NULL THEN
        SET LOCAL SESSION AUTHORIZATION regress_tax_admin;
        SELECT r.uid INTO reversal FROM murallink.request_reversal(made, back, 'wrong_amount', 'too much') r;
        RESET SESSION AUTHORIZATION;
        PERFORM murallink.decide_reversal(reversal, true, 'so it is') WHERE EXISTS (
            SELECT FROM murallink.reversal r WHERE r.uid = reversal AND r.status = 'requested');
    END IF;
    SET LOCAL session_replication_role = replica;
    UPDATE murallink_private.payment SET paid_at = at WHERE uid = made;
    UPDATE murallink.fund_entry e SET at = back_at WHERE e.source_uid = reversal AND e.movement = 'return';
    SET LOCAL session_replication_role = origin;
END
$$;
-- S13. 31 December at 23:30 in New York is 1 January in UTC; 1 March at 0:30 in Tokyo is February in UTC
SELECT pg_temp.pays(:'al', :'trial', 'milestone', NULL, '2026-01-01T04:30:00Z'), pg_temp.pays(:'al', :'trial', 'milestone', NULL, '2026-02-28T15:30:00Z'),
    pg_temp.pays(:'al', :'other', 'manual', 250, '2026-02-10T12:00:00Z', 50, '2027-03-01T12:00:00Z'),
    pg_temp.pays(:'al', :'other', 'manual', 40, '2026-02-11T12:00:00Z', 40, '2026-02-12T12:00:00Z'),
    pg_temp.pays(:'al', :'other', 'travel', 75, '2026-02-10T12:00:00Z'), pg_temp.pays(:'bea', :'trial', 'milestone', NULL, '2027-03-15T12:00:00Z');
SET SESSION AUTHORIZATION regress_tax_admin;
SELECT p.status FROM murallink.manual_payment(:'bea', :'trial', 11) p;
SELECT p.status FROM murallink.mark_paid_elsewhere(:'bea', :'trial', 'Week 1', 'the sponsor') p;

-- Cash: paid in the month of the payment, returned in that in which it came back
CREATE FUNCTION pg_temp.months(OUT month date, OUT trial text, OUT payments bigint, OUT paid numeric, OUT returned numeric, OUT net numeric)
RETURNS SETOF record LANGUAGE sql AS $$
    SELECT m.month, t.name, m.payments, m.paid, m.returned, m.net FROM murallink.paid_by_month m JOIN murallink.dim_trial t ON t.uid = m.trial_uid
    WHERE t.name IN ('A', 'B') AND m.contract_uid IN (SELECT c.uid FROM murallink.dim_contract c WHERE c.client_name = 'Tax') ORDER BY 1, 2
$$;
SELECT * FROM pg_temp.months();
-- It agrees with the ledger of the funds, and with the payments
SELECT sum(net) = (SELECT disbursed FROM murallink.fund_balance WHERE contract_uid = :'contract') AS as_disbursed,
    sum(net) = (SELECT sum(net_amount) FROM murallink.payment WHERE contract_uid = :'contract' AND status IN ('paid', 'reversed')) AS as_paid
FROM murallink.paid_by_month WHERE contract_uid = :'contract';

-- The tax year: stipends by payee over all trials of the client, without travel; what came back counts in the year of its payment
SELECT y.year, p.first_name, y.currency, y.payments, y.stipends FROM murallink.tax_year_totals y JOIN murallink.patient p ON p.uid = y.patient_uid
WHERE y.client_uid = :'client' ORDER BY 1, 2;
-- For those who hold view_tax on the client, and nobody else; it shows sums and nothing more
SET SESSION AUTHORIZATION regress_tax_user;
SELECT count(*) FROM murallink.tax_year_totals;
SET SESSION AUTHORIZATION regress_tax_admin;
SELECT murallink.grant(:'contract', 'view_tax', :'user'), murallink.grant(:'client', 'view_payments', :'user');
SET SESSION AUTHORIZATION regress_tax_user;
SELECT (SELECT count(*) FROM murallink.tax_year_totals) AS on_the_contract, (SELECT count(*) FROM murallink.paid_by_month) AS months;
SET SESSION AUTHORIZATION regress_tax_admin;
SELECT murallink.revoke_all(:'user', :'client', 'other'), murallink.grant(:'client', 'view_tax', :'user');
SET SESSION AUTHORIZATION regress_tax_user;
SELECT year, currency, payments, stipends FROM murallink.tax_year_totals ORDER BY 1, 4;
SELECT (SELECT count(*) FROM murallink.payment) + (SELECT count(*) FROM murallink.patient) + (SELECT count(*) FROM murallink.paid_by_month) AS nothing_else;
RESET SESSION AUTHORIZATION;
