-- What the time of a claim is measured on: :waiting payouts that are ready, to patients who have their cards.
SET session_replication_role = replica;
CREATE SCHEMA bench;
CREATE FUNCTION bench.uid(kind text, n bigint) RETURNS murallink.ksuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('2D5YrMBp4s5Z4oz' || kind || pg_catalog.lpad(n::text, 9, '0'))::murallink.ksuid;
INSERT INTO murallink_private.partner (name, base_url, settings) VALUES ('dash', 'http://127.0.0.1', '{"currency": "USD"}');
INSERT INTO murallink.patient (uid, first_name, last_name)
SELECT bench.uid('pat', n), 'Pat', n FROM generate_series(0, 999) n;
INSERT INTO murallink_private.card (uid, patient_uid, partner, program, status, proxy_key)
SELECT bench.uid('car', n), bench.uid('pat', n), 'dash', '987654', 'done', '0252' || n FROM generate_series(0, 999) n;
INSERT INTO murallink_private.payment (
    uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, enrollment_uid, payment_type, amount,
    currency, status, chain_uid)
SELECT bench.uid('pay', n), bench.uid('cli', 0), bench.uid('con', 0), bench.uid('tri', 0), bench.uid('sit', 0),
    bench.uid('tsi', 0), bench.uid('pat', n % 1000), bench.uid('enr', n % 1000), 'manual', 100, 'USD', 'approved',
    bench.uid('enr', n % 1000)
FROM generate_series(0, :waiting - 1) n;
INSERT INTO murallink_private.payout (
    uid, payment_uid, client_uid, contract_uid, trial_uid, site_uid, patient_uid, partner, card_uid)
SELECT bench.uid('out', n), bench.uid('pay', n), bench.uid('cli', 0), bench.uid('con', 0), bench.uid('tri', 0),
    bench.uid('sit', 0), bench.uid('pat', n % 1000), 'dash', bench.uid('car', n % 1000)
FROM generate_series(0, :waiting - 1) n;
INSERT INTO murallink_private.call (uid, partner, resource, subject_uid, operation)
SELECT uid, partner, 'payout', uid, 'load' FROM murallink_private.payout;
SET session_replication_role = origin;
SELECT murallink.enable_payouts();
