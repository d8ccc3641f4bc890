-- What the payment benchmark pays: 64 contracts with a trial at a site each, and one contract with all the patients again.
-- Uids are numbers behind a prefix, so that pgbench can name them without a look-up.
CREATE SCHEMA bench;
CREATE FUNCTION bench.uid(kind text, n bigint) RETURNS murallink.ksuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('2D5YrMBp4s5Z4oz' || kind || pg_catalog.lpad(n::text, 9, '0'))::murallink.ksuid;

SELECT FROM murallink.create_admin('bench@example.com', 'bench password', 'Ben', 'Chmark');
SELECT murallink.set_db_role('bench@example.com', 'bench');
SET session_replication_role = replica;
-- Group 0 to 63 are the many contracts, group 64 is the one.
INSERT INTO murallink.client (uid, name) VALUES (bench.uid('cli', 0), 'Bench');
INSERT INTO murallink.contract (uid, client_uid, name, currency)
SELECT bench.uid('con', g), bench.uid('cli', 0), 'Contract ' || g, 'USD' FROM generate_series(0, 64) g;
INSERT INTO murallink.trial (uid, client_uid, contract_uid, name)
SELECT bench.uid('tri', g), bench.uid('cli', 0), bench.uid('con', g), 'Trial ' || g FROM generate_series(0, 64) g;
INSERT INTO murallink.site (uid, client_uid, contract_uid, name)
SELECT bench.uid('sit', g), bench.uid('cli', 0), bench.uid('con', g), 'Site ' || g FROM generate_series(0, 64) g;
INSERT INTO murallink.trial_site (uid, client_uid, contract_uid, trial_uid, site_uid)
SELECT bench.uid('tsi', g), bench.uid('cli', 0), bench.uid('con', g), bench.uid('tri', g), bench.uid('sit', g)
FROM generate_series(0, 64) g;
INSERT INTO murallink.patient (uid, first_name, last_name)
SELECT bench.uid('pat', n), 'Pat', 'Ient' FROM generate_series(0, 19999) n;
INSERT INTO murallink.enrollment (uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id, chain_uid)
SELECT bench.uid(CASE g WHEN 64 THEN 'en1' ELSE 'enr' END, n), bench.uid('cli', 0), bench.uid('con', g), bench.uid('tri', g),
    bench.uid('sit', g), bench.uid('tsi', g), bench.uid('pat', n), n::text,
    bench.uid(CASE g WHEN 64 THEN 'en1' ELSE 'enr' END, n)
FROM generate_series(0, 19999) n, LATERAL (VALUES (n % 64), (64)) AS in_group (g);
INSERT INTO murallink.milestone (
    uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, sort_order, code)
SELECT bench.uid('mil', g * 100 + w), bench.uid('cli', 0), bench.uid('con', g), bench.uid('tri', g), bench.uid('sit', g),
    bench.uid('tsi', g), 'Week ' || w, '2026-01-01', 100, 'USD', w, 'Week ' || w
FROM generate_series(0, 64) g, generate_series(0, 39) w;
RESET session_replication_role;
INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency)
SELECT bench.uid('con', g), bench.uid('cli', 0), 100000000, 'USD' FROM generate_series(0, 64) g;

-- The same rows with no check at all: tables with the same columns and indexes, no constraint, no trigger.
CREATE TABLE bench.payment (LIKE murallink_private.payment INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES);
CREATE TABLE bench.fund_entry (LIKE murallink.fund_entry INCLUDING DEFAULTS INCLUDING INDEXES);
CREATE TABLE bench.audit_event (LIKE murallink.audit_event INCLUDING DEFAULTS INCLUDING INDEXES);
CREATE TABLE bench.fund_slot (LIKE murallink.fund_slot INCLUDING DEFAULTS INCLUDING INDEXES) WITH (fillfactor = 50);
ALTER TABLE bench.fund_entry ALTER uid SET DEFAULT murallink.gen_ksuid(), ALTER at SET DEFAULT clock_timestamp();
ALTER TABLE bench.audit_event ALTER uid SET DEFAULT murallink.gen_ksuid(), ALTER at SET DEFAULT clock_timestamp(),
    ALTER "position" SET DEFAULT pg_current_xact_id()::text::bigint, ALTER step SET DEFAULT 1,
    ALTER event SET DEFAULT 'payment.pending', ALTER amount SET DEFAULT 100, ALTER currency SET DEFAULT 'USD',
    ALTER db_user SET DEFAULT SESSION_USER, ALTER db_role SET DEFAULT NULLIF(current_setting('role'), 'none');
ALTER TABLE bench.payment ALTER currency TYPE text;
ALTER TABLE bench.fund_entry ALTER currency TYPE text;
ALTER TABLE bench.fund_slot ALTER currency TYPE text;
ALTER TABLE bench.fund_entry ALTER amount TYPE numeric;
ALTER TABLE bench.fund_slot ALTER available TYPE numeric, ALTER reserved TYPE numeric, ALTER disbursed TYPE numeric;
INSERT INTO bench.fund_slot SELECT contract_uid, currency, 0, sum(available) FROM murallink.fund_slot GROUP BY 1, 2;

CREATE FUNCTION bench.unchecked(g bigint, patient murallink.ksuid, enrollment murallink.ksuid, week bigint)
RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    client CONSTANT murallink.ksuid := bench.uid('cli', 0);
    contract CONSTANT murallink.ksuid := bench.uid('con', g);
    trial CONSTANT murallink.ksuid := bench.uid('tri', g);
    site CONSTANT murallink.ksuid := bench.uid('sit', g);
    payment CONSTANT murallink.ksuid := murallink.gen_ksuid();
BEGIN
    INSERT INTO bench.payment (
        uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, enrollment_uid, payment_type,
        milestone_uid, milestone_name, milestone_code, occurrence, amount, currency, note, requested_by_uid, chain_uid)
    VALUES (
        payment, client, contract, trial, site, bench.uid('tsi', g), patient, enrollment, 'milestone',
        bench.uid('mil', g * 100 + week), 'Week ' || week, 'Week ' || week, 1, 100, 'USD', 'bench', client, enrollment);
    INSERT INTO bench.audit_event (app_user_uid, resource, resource_uid, action, client_uid, contract_uid, trial_uid, site_uid)
    VALUES (client, 'payment', payment, 'created', client, contract, trial, site);
    INSERT INTO bench.fund_entry (contract_uid, client_uid, currency, movement, amount, source_uid)
    VALUES (contract, client, 'USD', 'reserve', 100, payment);
    UPDATE bench.fund_slot SET available = available - 100, reserved = reserved + 100
    WHERE contract_uid = contract AND currency = 'USD' AND slot = 0;
    RETURN payment;
END
$$;
CREATE FUNCTION bench.unchecked_sql(
    client murallink.ksuid, contract murallink.ksuid, trial murallink.ksuid, site murallink.ksuid, trial_site murallink.ksuid,
    patient murallink.ksuid, enrollment murallink.ksuid, milestone murallink.ksuid, name text, payment murallink.ksuid)
RETURNS murallink.ksuid LANGUAGE sql AS $$
    INSERT INTO bench.payment (
        uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, enrollment_uid, payment_type,
        milestone_uid, milestone_name, milestone_code, occurrence, amount, currency, note, requested_by_uid, chain_uid)
    VALUES (
        payment, client, contract, trial, site, trial_site, patient, enrollment, 'milestone', milestone, name, name, 1, 100, 'USD',
        'bench', client, enrollment);
    INSERT INTO bench.audit_event (app_user_uid, resource, resource_uid, action, client_uid, contract_uid, trial_uid, site_uid)
    VALUES (client, 'payment', payment, 'created', client, contract, trial, site);
    INSERT INTO bench.fund_entry (contract_uid, client_uid, currency, movement, amount, source_uid)
    VALUES (contract, client, 'USD', 'reserve', 100, payment);
    UPDATE bench.fund_slot SET available = available - 100, reserved = reserved + 100
    WHERE contract_uid = contract AND currency = 'USD' AND slot = 0;
    SELECT payment;
$$;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA bench TO PUBLIC;
VACUUM ANALYZE;
