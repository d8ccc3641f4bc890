-- What the scale benchmark measures: :patients patients at :sites sites, each patient with ten payments of forty possible
-- ones, a coordinator at each site, and somebody who may do everything for every client. Ten sites are a contract with its
-- trial, ten contracts a client.
-- Uids are numbers behind a prefix, so that pgbench can name them without a look-up.
CREATE SCHEMA bench;
CREATE FUNCTION bench.uid(kind text, n bigint) RETURNS murallink.ksuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('2D5YrMBp4s5Z4oz' || kind || pg_catalog.lpad(n::text, 9, '0'))::murallink.ksuid;
CREATE FUNCTION bench.last_name(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.initcap(pg_catalog.translate(pg_catalog.to_char(n * 7919 % 1000000, 'FM000000'), '0123456789', 'aeioulnrst'));

-- Rows are written with no index and no trigger on the way, then the indexes are built.
SET session_replication_role = replica;
SET work_mem = '256MB';
SET maintenance_work_mem = '1GB';
CREATE TABLE bench.large AS
SELECT unnest('{murallink.patient,murallink.patient_site,murallink.enrollment,murallink.milestone,murallink_private.payment,
    murallink.fund_entry,murallink.app_user,murallink.permission_grant}'::regclass[]) AS name;
UPDATE pg_catalog.pg_index SET indisready = false, indisvalid = false
WHERE indrelid IN (SELECT name FROM bench.large);
SELECT format('ALTER TABLE %s SET (autovacuum_enabled = off)', name) FROM bench.large \gexec

INSERT INTO murallink.client (uid, name)
SELECT bench.uid('cli', n), 'Client ' || n FROM generate_series(0, (:sites - 1) / 100) n;
INSERT INTO murallink.contract (uid, client_uid, name, currency)
SELECT bench.uid('con', n), bench.uid('cli', n / 10), 'Contract ' || n, 'USD' FROM generate_series(0, (:sites - 1) / 10) n;
INSERT INTO murallink.trial (uid, client_uid, contract_uid, name)
SELECT bench.uid('tri', n), bench.uid('cli', n / 10), bench.uid('con', n), 'Trial ' || n FROM generate_series(0, (:sites - 1) / 10) n;
INSERT INTO murallink.site (uid, client_uid, contract_uid, name)
SELECT bench.uid('sit', n), bench.uid('cli', n / 100), bench.uid('con', n / 10), 'Site ' || n FROM generate_series(0, :sites - 1) n;
INSERT INTO murallink.trial_site (uid, client_uid, contract_uid, trial_uid, site_uid)
SELECT bench.uid('tsi', n), client_uid, contract_uid, bench.uid('tri', n / 10), uid
FROM generate_series(0, :sites - 1) n JOIN murallink.site ON uid = bench.uid('sit', n);
INSERT INTO murallink.milestone (
    uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, sort_order, code)
SELECT bench.uid('mil', n * 100 + w), client_uid, contract_uid, trial_uid, site_uid, uid, 'Week ' || w, '2026-01-01', 100, 'USD', w, 'Week ' || w
FROM generate_series(0, :sites - 1) n JOIN murallink.trial_site ON uid = bench.uid('tsi', n), generate_series(0, 39) w;

INSERT INTO murallink.patient (uid, first_name, last_name, email)
SELECT bench.uid('pat', n), ('{Ada,Bill,Carol,Dan,Eve,Frank,Grace,Henry,Iris,Jim}'::text[])[n * 31 % 10 + 1], bench.last_name(n),
    'patient' || n || '@example.com'
FROM generate_series(0, :patients - 1) n;
INSERT INTO murallink.patient_site (uid, patient_uid, client_uid, contract_uid, site_uid)
SELECT bench.uid('psi', n), bench.uid('pat', n), client_uid, contract_uid, uid
FROM generate_series(0, :patients - 1) n JOIN murallink.site ON uid = bench.uid('sit', n % :sites) ORDER BY n;
INSERT INTO murallink.enrollment (uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id,
    chain_uid)
SELECT bench.uid('enr', n), client_uid, contract_uid, trial_uid, site_uid, uid, bench.uid('pat', n), 'S-' || n, bench.uid('enr', n)
FROM generate_series(0, :patients - 1) n JOIN murallink.trial_site ON uid = bench.uid('tsi', n % :sites) ORDER BY n;

INSERT INTO murallink.app_user (uid, email)
SELECT bench.uid('usr', n), 'user' || n || '@example.com' FROM generate_series(0, :sites - 1) n;
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, site_uid)
SELECT bench.uid('usr', n), permission, 'site', uid, client_uid, contract_uid, uid
FROM generate_series(0, :sites - 1) n JOIN murallink.site ON uid = bench.uid('sit', n),
    unnest('{add_patient,enroll,milestone_payment,view_enrollments,view_patients,view_payments}'::murallink.permission[]) AS permission;
INSERT INTO murallink.app_user (uid, email) VALUES (bench.uid('usr', :sites), 'clients@example.com');
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid)
SELECT bench.uid('usr', :sites), permission, 'client', uid, uid
FROM murallink.client, unnest(enum_range(NULL::murallink.permission)) AS permission;

-- The weeks one after the other, so that the payments of a patient lie as far apart as they do where time goes by.
DO $$
BEGIN
    FOR w IN 0..9 LOOP
        INSERT INTO murallink_private.payment (
            client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, enrollment_uid, payment_type,
            milestone_uid, milestone_name, milestone_code, occurrence, amount, currency, created_at, chain_uid)
        SELECT client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, e.uid, 'milestone',
            m.uid, m.milestone, m.code, 1, m.amount, m.currency, now() - (10 - w) * interval '1 week', e.uid
        FROM murallink.enrollment e JOIN murallink.milestone m USING (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid)
        WHERE m.sort_order = w ORDER BY e.uid;
    END LOOP;
END
$$;
RESET session_replication_role;
INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency)
SELECT uid, client_uid, 100000000, 'USD' FROM murallink.contract;
SET session_replication_role = replica;
INSERT INTO murallink.fund_entry (uid, contract_uid, client_uid, currency, movement, amount, source_uid, at)
SELECT murallink.gen_ksuid(), contract_uid, client_uid, currency, 'reserve', amount, uid, created_at FROM murallink.payment;
UPDATE murallink.fund_slot s SET available = available - p.amount, reserved = p.amount
FROM (SELECT contract_uid, sum(amount) AS amount FROM murallink.payment GROUP BY contract_uid) AS p
WHERE s.contract_uid = p.contract_uid AND s.slot = 0;

SELECT format('REINDEX TABLE %s', name) FROM bench.large \gexec
RESET session_replication_role;
VACUUM ANALYZE;
CHECKPOINT;
