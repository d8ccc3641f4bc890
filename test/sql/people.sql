-- Patients and the sites that they stand below.
\set SHOW_CONTEXT never
CREATE ROLE regress_people_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_people_coordinator LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.people@example.com', 'correct horse', 'Pablo', 'Admin');
SELECT uid AS coordinator FROM murallink.register('coordinator.people@example.com', 'correct horse', 'Cora', 'Coordinator') \gset
SELECT murallink.set_db_role(name || '.people@example.com', 'regress_people_' || name) FROM (VALUES ('admin'), ('coordinator')) AS person (name);
SET SESSION AUTHORIZATION regress_people_admin;
SELECT uid AS client FROM murallink.create_client(name => 'People') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'People', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'People') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'North') \gset
SELECT uid AS other_site FROM murallink.create_site(trial_uid => :'trial', name => 'South') \gset
SELECT murallink.grant(:'site', 'add_patient', :'coordinator'), murallink.grant(:'other_site', 'view_sites', :'coordinator');

-- A coordinator adds a patient to a site
SET SESSION AUTHORIZATION regress_people_coordinator;
SELECT uid AS patient, site_uid, email, phone, first_name, last_name, email_enabled, sms_enabled, (address).city, (address).valid,
    emergency_contact, emergency_phone, time_zone, audit_history
FROM murallink.add_patient(
    site_uid => :'site', first_name => 'Grover', last_name => 'Briggs', email => 'Grover.Briggs@example.com', phone => '(536) 595-0599',
    email_enabled => true,
    address => '{"street1": "595 Tulip St", "city": "Biloxi", "state": "MS", "post_code": "39530"}', emergency_contact => 'Joe Pesci',
    emergency_phone => '(212) 555-1212', time_zone => 'America/Chicago') \gset
\echo :email :phone :first_name :last_name :email_enabled :sms_enabled :city :valid :emergency_contact :emergency_phone :time_zone
RESET SESSION AUTHORIZATION;
SELECT patient_site.site_uid = :'site' AS site, contract_uid = :'contract' AS contract, client_uid = :'client' AS client, first_name,
    email_enabled, sms_enabled
FROM murallink.patient_site JOIN murallink.patient ON patient.uid = patient_uid WHERE patient_uid = :'patient';

-- Families share an address, and a name is all that must be known
SET SESSION AUTHORIZATION regress_people_coordinator;
SELECT email, phone, email_enabled, sms_enabled, address FROM murallink.add_patient(:'site', 'Gina', 'Briggs', 'grover.briggs@example.com');
SELECT email, phone, email_enabled, sms_enabled, time_zone
FROM murallink.add_patient(site_uid => :'site', first_name => ' 文 ', last_name => 'O''Neil', sms_enabled => NULL, email => '');

SELECT jsonb_build_object('site_uid', :'site', 'first_name', 'Refused', 'last_name', 'Refused') AS fine \gset
SELECT changed, test.answer('add_patient', :'fine' || changed)
FROM (VALUES
    (jsonb '{"site_uid": ""}'), ('{"site_uid": null}'), ('{"site_uid": "x"}'), ('{"site_uid": "000000000000000000000000000"}'),
    ('{"first_name": ""}'), ('{"last_name": "\u0001"}'),
    ('{"first_name": {"text": "Al"}}'), ('{"email": "grover"}'), ('{"email": ["grover@example.com"]}'), ('{"email_enabled": "true"}'),
    ('{"sms_enabled": 1}'),
    ('{"time_zone": "Mars/Phobos"}'), ('{"time_zone": "america/chicago"}'), ('{"address": "595 Tulip St"}'),
    ('{"address": {"zip": "39530"}}'), ('{"patient_uid": ""}'),
    ('{"emergency_contact": "Joe\u001b"}')) AS refused (changed);
SELECT field, longest, test.answer('add_patient', :'fine' || jsonb_build_object(field, repeat('ß', longest + 1)))
FROM (VALUES ('email', 254), ('phone', 50), ('first_name', 100), ('last_name', 100), ('emergency_contact', 200), ('emergency_phone', 50),
    ('time_zone', 60)) AS limited (field, longest);
SELECT kind, test.answer('add_patient', :'fine' || jsonb_build_object('site_uid', uid))
FROM (VALUES ('other site', :'other_site'), ('trial', :'trial'), ('contract', :'contract'), ('client', :'client'), ('patient', :'patient'))
    AS other (kind, uid);
RESET SESSION AUTHORIZATION;
SELECT test.answer('add_patient', :'fine') AS nobody;
SELECT count(*) FROM murallink.patient WHERE first_name = 'Refused';

-- Not even by hand
SELECT test.refusal(statement) FROM (VALUES
    ('INSERT INTO murallink.patient (first_name, last_name, email) VALUES (''x'', ''x'', ''X@example.com'')'),
    ('INSERT INTO murallink.patient (first_name, last_name) VALUES ('''', ''x'')'),
    (format('INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid) VALUES (%L, %L, %L, %L)', :'patient',
    :'client', :'contract', :'site')),
    (format('INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid) VALUES (%L, %L, %L, %L)', :'patient',
    :'contract', :'contract', :'other_site'))) AS wrong (statement);

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'coordinator';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_people_%';
DROP ROLE regress_people_admin, regress_people_coordinator;
