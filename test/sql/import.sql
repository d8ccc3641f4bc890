-- Tables in CSV: read as spreadsheets write them, carried out row by row or only tried; and REDCap's data entry trigger.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET datestyle = 'ISO';
CREATE ROLE regress_import_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_import_redcap LOGIN IN ROLE murallink_client;

-- Fields are separated by commas, semicolons or tabs, quoted or not; the byte order mark, empty lines and blanks around fields go
SELECT n, r FROM (VALUES (1, E'a,b\r\n1,2\r\n'), (2, E'a;b\n"1;,";"2 ""x"""\n\n\n3;4'), (3, E'a\tb\n1\t\n'), (4, E'\uFEFFa,b\n"1\n2", ü '), (5, E'a,b\r1,2\r'),
    (6, ''), (7, E'"a;b",c\n1,2'), (8, E' a , b \n'), (9, E'\r\n\na;b\n1;2')) AS t (n, csv), murallink_private.csv_rows(csv) AS r ORDER BY n;
SELECT n, test.refusal(format('SELECT murallink_private.csv_rows(%L)', csv)) FROM (VALUES (1, E'a,b\n"1,2'), (2, E'a,b\n1"2,3'), (3, E'a\n"1"2'), (4, E'a\n1\n\n2\nO"Hara')) AS t (n, csv);
SELECT murallink_private.url_decoded(value), value FROM unnest('{a+b%20c,%C3%BC,100%,%zz,""}'::text[]) AS value;
SELECT test.refusal(format('SELECT murallink_private.url_decoded(%L)', value)) FROM unnest('{%00,%FF,%C3}'::text[]) AS value;

CREATE TEMPORARY TABLE thing (name text PRIMARY KEY, uid murallink.ksuid NOT NULL);
GRANT SELECT, INSERT ON thing TO PUBLIC;
CREATE FUNCTION pg_temp.uid(name text) RETURNS murallink.ksuid LANGUAGE sql AS 'SELECT uid FROM thing t WHERE t.name = uid.name';
-- A table in which a name in braces stands for its uid
CREATE FUNCTION pg_temp.filled(csv text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    known record;
BEGIN
    FOR known IN SELECT * FROM thing LOOP
        csv := replace(csv, format('{%s}', known.name), known.uid::text);
    END LOOP;
    RETURN csv;
END
$$;
CREATE FUNCTION pg_temp.imports(kind text, csv text, dry_run boolean DEFAULT false)
RETURNS TABLE (row_number integer, known boolean, state text, reason text, error text, field text) LANGUAGE sql AS $$
    SELECT i.row_number, i.uid IS NOT NULL, i.state, i.reason, i.error, i.field FROM murallink.import_csv(kind, pg_temp.filled(csv), dry_run) i
$$;
SELECT email FROM murallink.create_admin('import.admin@example.com', 'correct horse', 'Ada', 'Admin');
INSERT INTO thing SELECT 'redcap', uid FROM murallink.register('import.redcap@example.com', 'correct horse', 'Red', 'Cap');
SELECT murallink.set_db_role('import.' || name || '@example.com', 'regress_import_' || name) FROM unnest('{admin,redcap}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_import_admin;
INSERT INTO thing SELECT 'client', uid FROM murallink.create_client('Imports');
INSERT INTO thing SELECT 'contract', uid FROM murallink.create_contract(pg_temp.uid('client'), 'I', currency => 'USD');
INSERT INTO thing SELECT 'trial', uid FROM murallink.create_trial(pg_temp.uid('contract'), 'I', 'I-1');
INSERT INTO thing SELECT 'site', uid FROM murallink.create_site('I', pg_temp.uid('trial'));
SELECT murallink.add_funding(pg_temp.uid('contract'), 1000);

-- Each kind, first to try
SELECT * FROM pg_temp.imports('milestones', E'milestone;amount;trial_uid;site_uid;num_payments\nWeek 1;10;{trial};{site};\nWeek 2;10,5;{trial};{site};1\nweek 1;20;{trial};{site};\nCall;5.25;{trial};{site};3', true);
RESET SESSION AUTHORIZATION;
SELECT count(*) AS tried FROM murallink.milestone WHERE trial_uid = pg_temp.uid('trial');
SET SESSION AUTHORIZATION regress_import_admin;
SELECT * FROM pg_temp.imports('milestones', E'milestone;amount;trial_uid;site_uid;num_payments\nWeek 1;10;{trial};{site};\nWeek 2;10,5;{trial};{site};1\nweek 1;20;{trial};{site};\nCall;5.25;{trial};{site};3');
SELECT * FROM pg_temp.imports('patients', E'Site_UID,First_name,Last_name,email,email_enabled,street1,trial_uid,subject_id\n{site},Ann,"O''Import, Jr.",ann.import@example.com,yes,"1 Main St\nApt 2",{trial},1\n{site},Bob,B,nomail,maybe,,{trial},2\n{site},Bob,B,,,,{trial},2\n{site},Cid,C,,,,{trial},2\n{site},Dan\n{site},Ann,"O''Import, Jr.",,,,,\nnone,Eve,E,,,,,\n,,,,,,,\n{site},Fay,F,,,,,');
RESET SESSION AUTHORIZATION;
SELECT p.first_name, p.last_name, p.email, p.email_enabled, (p.address).street1, e.subject_id
FROM murallink.patient p JOIN murallink.patient_site s ON s.patient_uid = p.uid LEFT JOIN murallink.enrollment e ON e.patient_uid = p.uid
WHERE s.site_uid = pg_temp.uid('site') ORDER BY p.first_name, p.email;
INSERT INTO thing SELECT p.first_name, p.uid FROM murallink.patient p JOIN murallink.patient_site s ON s.patient_uid = p.uid
WHERE s.site_uid = pg_temp.uid('site') AND p.first_name <> 'Ann';
SET SESSION AUTHORIZATION regress_import_admin;
SELECT * FROM pg_temp.imports('enrollments', E'patient_uid,trial_uid,site_uid,subject_id\n{Fay},{trial},{site},3\n{Fay},{trial},{site},4\n{Bob},{trial},{site},5');
SELECT * FROM pg_temp.imports('visits', format(E'source,source_ref,protocol_id,subject_id,visit_code,visit_date,repeat\nctms,1,I-1,1,Week 1,%1$s,\nctms,2,I-1,2,Call,%1$s,2\nctms,3,I-1,2,Call,%1$s,x\nctms,4,I-1,9,Call,31.12.2026,\nctms,5,I-1,9,Call,%1$s\n\nctms,6,I-1,9,Call,%1$s,', (now() AT TIME ZONE 'UTC')::date));
-- A row that is refused says which field, and what is expected there
SELECT row_number, error, field, hint FROM murallink.import_csv('milestones', pg_temp.filled(
    E'milestone,amount,trial_uid,site_uid,effective_date,approval_ref,approved_on\nA,1,{trial},{site},31.01.2027,,\nB,1,{trial},{site},,x,31.01.2027\nC,"1,5",{trial},{site},,,'));
SELECT row_number, error, field, hint FROM murallink.import_csv('visits', E'source,source_ref,protocol_id,subject_id,visit_code,visit_date,repeat,status
ctms,a,I-1,1,Week 1,31.01.2027,,\nctms,a,I-1,1,Week 1,2020-01-31,x,\nctms,a,I-1,1,Week 1,2020-01-31,0,\nctms,a,I-1,1,Week 1,2020-01-31,,kept\nctms,a,I-1,1,Week 1,,,\nctms,a,I-1');
-- what is no table of this kind is refused as a whole
SELECT test.answer('import_csv', jsonb_build_object('kind', kind, 'csv', csv)) FROM (VALUES (1, 'visits', E'source,amount\n'), (2, 'patients', E'first_name,first_name\n'),
    (3, 'payments', 'x'), (4, 'patients', ''), (5, 'patients', E'first_name\n"A'), (6, 'patients', NULL), (7, NULL, 'x'), (8, 'patients', 'first_name'), (9, 'visits', E'source;source_ref;;\n')) AS t (n, kind, csv) ORDER BY n;
SELECT murallink.api(jsonb_build_object('action', 'import_csv', 'payload', jsonb_build_object('kind', 'patients', 'dry_run', true,
    'csv', pg_temp.filled(E'site_uid,first_name\n{site},Gus\n{site},')))) - 'request_id' AS answer;
RESET SESSION AUTHORIZATION;
-- The header Dry-Run in any case; what is neither yes nor no carries out nothing, and no key keeps what was only tried
SET SESSION AUTHORIZATION regress_import_admin;
CREATE FUNCTION pg_temp.with_headers(headers text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.headers', headers, true);
    RETURN (SELECT string_agg(i.state || CASE WHEN i.uid IS NULL THEN ', tried' ELSE ', done' END, '') FROM murallink.import_patients(pg_temp.filled(E'site_uid,first_name\n{site},Hal')) i);
END
$$;
SELECT headers, CASE WHEN refused THEN test.refusal(format('SELECT pg_temp.with_headers(%L)', headers)) ELSE pg_temp.with_headers(headers) END
FROM (VALUES ('{"dry-run": "True"}', false), ('{"dry-run": " YES "}', false), ('{"dry-run": "on"}', true), ('{"dry-run": "true", "idempotency-key": "k"}', true),
    ('{"dry-run": "False"}', false), ('{}', false)) AS h (headers, refused);
RESET SESSION AUTHORIZATION;
SELECT count(*) AS done FROM murallink.patient p JOIN murallink.patient_site s ON s.patient_uid = p.uid WHERE p.first_name = 'Hal' AND s.site_uid = pg_temp.uid('site');
-- a row needs the permission of its action
SET SESSION AUTHORIZATION regress_import_redcap;
SELECT * FROM pg_temp.imports('patients', E'site_uid,first_name\n{site},Gus');
RESET SESSION AUTHORIZATION;

-- REDCap sends every save of every form: the complete ones that are visits are reported, each once, on its first day
CREATE FUNCTION pg_temp.saves(record text, form text, complete integer, more text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT concat_ws(' ', v.state, v.reason) FROM murallink.redcap_trigger(format('project_id=77&username=jo%%40x&instrument=%s&record=%s'
        '&redcap_event_name=visit_1_arm_1&%s_complete=%s&redcap_url=https%%3A%%2F%%2Fx%%2F&project_url=y%s', form, record, form, complete, more)) v WHERE v.source IS NOT NULL), 'nothing')
$$;
SET SESSION AUTHORIZATION regress_import_redcap;
SELECT test.refusal($$SELECT pg_temp.saves('1', 'payment_visit', 2)$$) AS no_permission;
SET SESSION AUTHORIZATION regress_import_admin;
SELECT murallink.grant(pg_temp.uid('trial'), 'visit_done', pg_temp.uid('redcap'));
SET SESSION AUTHORIZATION regress_import_redcap;
SELECT test.refusal($$SELECT pg_temp.saves('1', 'payment_visit', 2)$$) AS no_trial, test.refusal($$SELECT murallink.redcap_trigger('record=1&instrument=x')$$) AS no_project,
    test.refusal($$SELECT murallink.redcap_trigger('')$$) AS nothing;
SET SESSION AUTHORIZATION regress_import_admin;
SELECT count(murallink.set_reference('trial', pg_temp.uid('trial'), 'redcap', '77'));
SELECT count(murallink.set_reference('milestone', pg_temp.uid('trial'), 'redcap', 'visit_1_arm_1:payment_visit', 'Call'));
SET SESSION AUTHORIZATION regress_import_redcap;
SELECT pg_temp.saves('2', 'payment_visit', 0) AS incomplete, pg_temp.saves('2', 'payment_visit', 1) AS unverified, pg_temp.saves('2', 'diary', 2) AS other_form,
    pg_temp.saves('2', 'payment_visit', 2) AS complete, pg_temp.saves('2', 'payment_visit', 2) AS again, pg_temp.saves('2', 'payment_visit', 0) AS opened_again,
    pg_temp.saves('2', 'payment_visit', 2, '&redcap_repeat_instance=2') AS second, pg_temp.saves('404', 'payment_visit', 2) AS unknown;
RESET SESSION AUTHORIZATION;
UPDATE murallink.visit SET visit_date = visit_date - 1 WHERE source = 'redcap' AND subject_id = '404';
SET SESSION AUTHORIZATION regress_import_redcap;
SELECT pg_temp.saves('404', 'payment_visit', 2) AS saved_a_day_later;
RESET SESSION AUTHORIZATION;
SELECT source_ref, subject_id, visit_code, repeat, state, (now() AT TIME ZONE 'UTC')::date - visit_date AS days_ago FROM murallink.visit
WHERE source = 'redcap' ORDER BY source_ref;
SELECT count(*) FROM murallink.visit_change c JOIN murallink.visit v ON v.uid = c.visit_uid WHERE v.source = 'redcap';

-- a form whose reference was removed is one of the others
SET SESSION AUTHORIZATION regress_import_admin;
SELECT count(murallink.set_reference('milestone', pg_temp.uid('trial'), 'redcap', '', 'Call', 'no visit'));
SET SESSION AUTHORIZATION regress_import_redcap;
SELECT pg_temp.saves('1', 'payment_visit', 2) AS removed;
SET SESSION AUTHORIZATION regress_import_admin;
SELECT count(murallink.set_reference('milestone', pg_temp.uid('trial'), 'redcap', 'visit_1_arm_1:payment_visit', 'Call'));
-- a table has 10,000 rows at most
SELECT test.refusal(format('SELECT murallink.import_csv(''patients'', %L, true)', E'site_uid\n' || repeat(E'x\n', 10001)));

-- the day is that of the patient's site, which may be another one than in UTC
SET SESSION AUTHORIZATION regress_import_admin;
INSERT INTO thing SELECT 'far', uid FROM murallink.create_site('Far', pg_temp.uid('trial'),
    time_zone => CASE WHEN EXTRACT(hour FROM now() AT TIME ZONE 'UTC') < 11 THEN 'Etc/GMT+12' ELSE 'Pacific/Kiritimati' END);
SELECT count(murallink.add_milestone('Call', 5, NULL, pg_temp.uid('trial'), pg_temp.uid('far')));
SELECT count(murallink.add_patient(pg_temp.uid('far'), 'Far', 'Away', trial_uid => pg_temp.uid('trial'), subject_id => '9'));
SET SESSION AUTHORIZATION regress_import_redcap;
SELECT pg_temp.saves('9', 'payment_visit', 2) AS far_away;
RESET SESSION AUTHORIZATION;
SELECT v.visit_date = (now() AT TIME ZONE s.time_zone)::date AS there, v.visit_date = (now() AT TIME ZONE 'UTC')::date AS in_utc
FROM murallink.visit v JOIN murallink.site s ON s.uid = v.site_uid WHERE v.source = 'redcap' AND v.subject_id = '9';

-- A function whose argument has no name takes an idempotency key as the others do, and refuses strangers
BEGIN;
SET LOCAL murallink.idempotency_key = 'import';
SELECT test.refusal($$SELECT murallink.import_patients('site_uid')$$), test.refusal($$SELECT murallink.redcap_trigger('x=1')$$);
COMMIT;
SET SESSION AUTHORIZATION regress_import_admin;
SET murallink.idempotency_key = 'import';
SELECT n, (SELECT i.state FROM murallink.import_patients(pg_temp.filled(E'site_uid,first_name,last_name\n{site},Twice,Once')) i) FROM generate_series(1, 2) AS n;
SELECT test.refusal($$SELECT murallink.import_patients(pg_temp.filled(E'site_uid,first_name,last_name\n{site},Twice,Other'))$$);
RESET murallink.idempotency_key;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM murallink.patient WHERE first_name = 'Twice';
