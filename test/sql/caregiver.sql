-- Persons who act on behalf of patients.
\set SHOW_CONTEXT never
CREATE ROLE regress_caregiver_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_caregiver_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.caregiver@example.com', 'correct horse', 'Carl', 'Admin');
SELECT uid AS "user" FROM murallink.register('user.caregiver@example.com', 'correct horse', 'Ute', 'User') \gset
SELECT murallink.set_db_role(name || '.caregiver@example.com', 'regress_caregiver_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_caregiver_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Care') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Care', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Care') \gset
SELECT uid AS north FROM murallink.create_site(trial_uid => :'trial', name => 'North') \gset
SELECT uid AS south FROM murallink.create_site(trial_uid => :'trial', name => 'South') \gset
SELECT uid AS al FROM murallink.add_patient(site_uid => :'north', first_name => 'Al', last_name => 'Patient') \gset
SELECT uid AS secret FROM murallink.add_patient(site_uid => :'south', first_name => 'Secret', last_name => 'Patient') \gset
SELECT uid AS secret_caregiver FROM murallink.register_caregiver(patient_uid => :'secret', first_name => 'Secret', last_name => 'Carer') \gset
SELECT murallink.grant(:'north', 'add_patient', :'user');

-- Added by those who add patients at one of the patient's sites
SET SESSION AUTHORIZATION regress_caregiver_user;
SELECT uid AS caregiver, patient_uid = :'al' AS of_al, email, first_name, last_name, phone, (address).city, (address).valid
FROM murallink.register_caregiver(patient_uid => :'al', first_name => ' Madelyn ', last_name => 'Sheppard', email => 'Madelyn.Sheppard@Example.com',
    address => '{"street1": "824 Main St", "street2": "", "city": "Vancouver", "state": "WA", "post_code": "98661"}') \gset
\echo :of_al :email :first_name :last_name :phone :city :valid
SELECT email, phone, address
FROM murallink.register_caregiver(patient_uid => :'al', first_name => 'Abe', last_name => 'Sheppard', email => 'madelyn.sheppard@example.com', phone => ' 1 ');
SELECT answer ->> 'message', (SELECT array_agg(key ORDER BY key) FROM jsonb_object_keys(answer -> 'payload') AS key)
FROM murallink.api(jsonb_build_object('action', 'register_caregiver', 'payload',
    jsonb_build_object('patient_uid', :'al', 'first_name', 'Zoë', 'last_name', 'Abel'))) AS answer;
SELECT jsonb_build_object('patient_uid', :'al', 'first_name', 'Refused', 'last_name', 'Refused') AS fine \gset
SELECT changed, test.answer('register_caregiver', :'fine' || changed)
FROM (VALUES
    (jsonb '{"patient_uid": ""}'), ('{"patient_uid": null}'), ('{"patient_uid": "x"}'), ('{"patient_uid": "000000000000000000000000000"}'),
    ('{"first_name": ""}'), ('{"last_name": "\u0001"}'), ('{"email": "x"}'), ('{"phone": 1}'), ('{"address": []}'), ('{"address": {"zip": "1"}}'),
    ('{"uid": ""}'), ('{"first_name": "\u0001"}')) AS refused (changed);
SELECT field, longest, test.answer('register_caregiver', :'fine' || jsonb_build_object(field, repeat('ß', longest + 1)))
FROM (VALUES ('email', 254), ('phone', 50), ('first_name', 100), ('last_name', 100)) AS limited (field, longest);
SELECT test.answer('register_caregiver', :'fine' || jsonb_build_object('patient_uid', :'secret')) AS elsewhere,
    test.answer('update_caregiver', jsonb_build_object('uid', :'caregiver', 'phone', '2')) AS update_caregiver,
    test.answer('update_caregiver', jsonb_build_object('uid', :'secret_caregiver', 'phone', '2')) AS update_elsewhere,
    test.answer('get_caregivers', jsonb_build_object('patient_uid', :'al')) AS get_caregivers,
    test.answer('get_caregivers', jsonb_build_object('patient_uid', :'secret')) AS get_elsewhere;
SELECT count(*) FROM murallink.caregiver;

-- Changed by those who change the patient: what is absent stays; without view_patients the answer is what was sent
SET SESSION AUTHORIZATION regress_caregiver_admin;
SELECT murallink.grant(:'north', 'update_patient', :'user');
SET SESSION AUTHORIZATION regress_caregiver_user;
SELECT uid = :'caregiver' AS uid, patient_uid = :'al' AS of_al, email, first_name, last_name, phone, address
FROM murallink.update_caregiver(uid => :'caregiver', phone => ' 2 ');
SET SESSION AUTHORIZATION regress_caregiver_admin;
SELECT murallink.grant(:'north', 'view_patients', :'user');
SET SESSION AUTHORIZATION regress_caregiver_user;
SELECT n, p ->> 'email' AS email, p ->> 'first_name' AS first_name, p ->> 'last_name' AS last_name, p ->> 'phone' AS phone,
    (p -> 'address') - 'uid' AS address, p ->> 'patient_uid' = :'al' AS of_al
FROM (VALUES
    (1, jsonb '{}'), (2, '{"first_name": "Maude", "last_name": "Lebowski", "email": "Maude@Example.com"}'),
    (3, '{"patient_uid": "", "address": {"city": "Gary", "valid": true}}'), (4, '{"phone": "", "email": null, "address": {}}')) AS step (n, changes),
    LATERAL (SELECT murallink.api(jsonb_build_object('action', 'update_caregiver', 'payload',
        jsonb_build_object('uid', :'caregiver') || changes)) -> 'payload' AS p) AS answer
ORDER BY n;
SELECT changed, test.answer('update_caregiver', jsonb_build_object('uid', :'caregiver') || changed)
FROM (VALUES
    (jsonb '{"uid": ""}'), ('{"uid": "x"}'), ('{"uid": "000000000000000000000000000"}'), ('{"first_name": ""}'), ('{"last_name": "\u0001"}'),
    ('{"email": "x"}'), ('{"phone": 1}'), ('{"address": ""}'), ('{"address": {"zip": ""}}'), ('{"name": ""}')) AS refused (changed);
SELECT test.answer('update_caregiver', jsonb_build_object('uid', :'al', 'phone', '2')) AS patient,
    test.answer('update_caregiver', jsonb_build_object('uid', :'secret_caregiver', 'phone', '2')) AS elsewhere;

-- Listed by last and first name, for those who see the patient; in the table too
SELECT first_name, last_name FROM murallink.get_caregivers(:'al');
SELECT first_name, last_name FROM murallink.caregiver ORDER BY first_name;
SELECT payload, test.answer('get_caregivers', payload)
FROM (VALUES (jsonb '{}'), ('{"patient_uid": "000000000000000000000000000"}'), ('{"uid": ""}')) AS asked (payload);

-- The history of a caregiver is kept, and seen by those who see the patient
SELECT action, changes IS NOT NULL AS changes FROM murallink.audit_event WHERE resource_uid = :'caregiver' ORDER BY at;
RESET SESSION AUTHORIZATION;
SELECT action, murallink_private.audit_words(changes) FROM murallink.audit_event WHERE resource_uid = :'caregiver' ORDER BY at;
SET SESSION AUTHORIZATION regress_caregiver_user;
SELECT count(*) FROM murallink.audit_event WHERE resource = 'caregiver' AND resource_uid <> :'caregiver' AND action = 'changed';
RESET SESSION AUTHORIZATION;
SELECT action, test.answer(action) FROM unnest('{register_caregiver,update_caregiver,get_caregivers}'::text[]) AS action;

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_caregiver_%';
DROP ROLE regress_caregiver_admin, regress_caregiver_user;
