-- The audit of one patient, in one statement and as a report.
\set SHOW_CONTEXT never
SET jit = off;
SET datestyle = 'ISO';
SET timezone = 'Asia/Tokyo';
CREATE ROLE regress_trail_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_trail_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.trail@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS user FROM murallink.register('user.trail@example.com', 'correct horse', 'Moni', 'Tor') \gset
SELECT murallink.set_db_role(name || '.trail@example.com', 'regress_trail_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_trail_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Trail') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Trail', currency => 'USD',
    default_payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS other FROM murallink.create_trial(contract_uid => :'contract', name => 'Other') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid AS place FROM murallink.add_trial_site(:'other', :'site') \gset
SELECT murallink.add_funding(:'contract', 1000);
SELECT uid AS al FROM murallink.add_patient(site_uid => :'site', first_name => 'Al', last_name => 'Patient') \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'site', first_name => 'Bea', last_name => 'Patient') \gset
SELECT murallink.enroll(p, :'trial', :'site', n), murallink.enroll(p, :'other', :'site', n) FROM (VALUES (:'al'::murallink.ksuid, '1'), (:'bea', '2')) AS e (p, n);
SELECT (murallink.update_patient(:'al', last_name => 'Other')).last_name;
SELECT uid AS appointment FROM murallink.schedule_appointment(
    enrollment_uid => (SELECT uid FROM murallink.enrollment WHERE patient_uid = :'al' AND trial_uid = :'trial'), datetime => '2999-01-01T09:00:00') \gset
SELECT (murallink.cancel_appointment(:'appointment')).status;
SELECT uid AS paid FROM murallink.manual_payment(:'al', :'trial', 12.5) \gset
SELECT status FROM murallink.approve_payment(:'paid', 'a secret');
SELECT status FROM murallink.manual_payment(:'al', :'other', 7) UNION ALL SELECT status FROM murallink.manual_payment(:'bea', :'trial', 8);
SELECT murallink.upload_document(patient_uid => :'al', filename => 'al.txt', data => 'QWw=');

SELECT resource, action, regexp_replace(changes, '[0-9A-Za-z]{27}', 'x') AS changes, "user", user_uid IS NOT NULL AS known, switched_by_uid, db_role FROM murallink.patient_audit(:'al');
-- Nothing is left out: as many events as the audit has about these rows
SELECT (SELECT count(*) FROM murallink.patient_audit(:'al')) = count(*) AS all_of_it FROM murallink.audit_event e
WHERE e.resource_uid = :'al' OR e.resource_uid IN (
    SELECT uid FROM murallink.enrollment WHERE patient_uid = :'al' UNION ALL SELECT uid FROM murallink.payment WHERE patient_uid = :'al'
    UNION ALL SELECT uid FROM murallink.payout WHERE patient_uid = :'al' UNION ALL SELECT uid FROM murallink.document WHERE patient_uid = :'al'
    UNION ALL SELECT uid FROM murallink.patient_site WHERE patient_uid = :'al' UNION ALL SELECT uid FROM murallink.appointment WHERE patient_uid = :'al');

-- Each part needs what shows it
SET SESSION AUTHORIZATION regress_trail_user;
SELECT test.refusal(format('SELECT count(*) FROM murallink.patient_audit(%L)', :'al')) AS stranger,
    test.refusal(format('SELECT murallink.patient_audit_report(%L)', :'al')) AS report;
SET SESSION AUTHORIZATION regress_trail_admin;
SELECT murallink.grant(:'trial', permission::text, :'user') FROM unnest('{view_payments,view_enrollments}'::text[]) AS permission;
SET SESSION AUTHORIZATION regress_trail_user;
SELECT test.refusal(format('SELECT count(*) FROM murallink.patient_audit(%L)', :'al')) AS blinded;
SET SESSION AUTHORIZATION regress_trail_admin;
SELECT murallink.grant(:'place', 'view_patients', :'user');
SET SESSION AUTHORIZATION regress_trail_user;
SELECT resource, action, regexp_replace(changes, '[0-9A-Za-z]{27}', 'x') AS changes FROM murallink.patient_audit(:'al');
-- The same as the tables show this caller
SELECT count(*) FROM (
    (SELECT resource_uid, action::text FROM murallink.audit_event WHERE resource NOT IN ('caregiver', 'permission_grant')
        AND resource_uid NOT IN (SELECT uid FROM murallink.payment WHERE patient_uid = :'bea')
        AND resource_uid NOT IN (SELECT uid FROM murallink.enrollment WHERE patient_uid = :'bea') AND resource_uid <> :'bea')
    EXCEPT ALL SELECT resource_uid, action FROM murallink.patient_audit(:'al')) AS too_few;

-- The report has the same, in UTC, and ends with the grants of who made it
SELECT split_part(murallink.patient_audit_report(:'al'), '=', 2) AS report \gset
SELECT split_part(murallink.patient_audit_report(:'al', 'xlsx'), '=', 2) AS sheet \gset
SELECT test.refusal(format('SELECT murallink.patient_audit_report(%L, ''pdf'')', :'al')) AS format;
RESET SESSION AUTHORIZATION;
SELECT regexp_replace(filename, '[0-9A-Za-z]{27}|\d{4}-\d\d-\d\d', 'x', 'g') AS filename, content_type FROM murallink_private.report WHERE uid IN (:'report', :'sheet') ORDER BY 1;
SELECT regexp_replace(line, '[0-9A-Za-z]{27}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+', 'x', 'g') AS line
FROM murallink_private.report r, regexp_split_to_table(convert_from(r.content, 'UTF8'), E'\r\n') WITH ORDINALITY AS l (line, n) WHERE uid = :'report' ORDER BY n;
SELECT abs(EXTRACT(epoch FROM substring(convert_from(r.content, 'UTF8') FROM E'\r\n([-0-9]+ [0-9:.]+)')::timestamp - now() AT TIME ZONE 'UTC')) < 600 AS in_utc
FROM murallink_private.report r WHERE uid = :'report';
SET SESSION AUTHORIZATION regress_trail_admin;
SELECT (murallink.revoke(:'user', 'view_patients', :'place', 'gone')) IS NOT NULL AS revoked;
SET SESSION AUTHORIZATION regress_trail_user;
SELECT test.refusal(format('SELECT murallink.report(%L)', :'report')) AS link;
RESET SESSION AUTHORIZATION;
DELETE FROM murallink_private.report WHERE uid IN (:'report', :'sheet');
