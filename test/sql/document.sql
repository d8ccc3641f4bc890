-- Files of patients and of their caregivers.
\set SHOW_CONTEXT never
CREATE ROLE regress_document_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_document_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.document@example.com', 'correct horse', 'Doc', 'Admin');
SELECT uid AS "user" FROM murallink.register('user.document@example.com', 'correct horse', 'Ute', 'User') \gset
SELECT murallink.set_db_role(name || '.document@example.com', 'regress_document_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_document_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Files') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Files', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Files') \gset
SELECT uid AS north FROM murallink.create_site(trial_uid => :'trial', name => 'North') \gset
SELECT uid AS south FROM murallink.create_site(trial_uid => :'trial', name => 'South') \gset
SELECT uid AS al FROM murallink.add_patient(site_uid => :'north', first_name => 'Al', last_name => 'Patient') \gset
SELECT uid AS secret FROM murallink.add_patient(site_uid => :'south', first_name => 'Secret', last_name => 'Patient') \gset
SELECT uid AS caregiver FROM murallink.register_caregiver(patient_uid => :'al', first_name => 'Cara', last_name => 'Carer') \gset
SELECT uid AS secret_caregiver FROM murallink.register_caregiver(patient_uid => :'secret', first_name => 'Cora', last_name => 'Carer') \gset
SELECT murallink.upload_document(patient_uid => :'secret', filename => 'secret.txt', data => 'c2VjcmV0');
SELECT murallink.grant(:'north', 'upload_document', :'user');

-- What goes in comes out, byte by byte; line breaks in base64 do not count
SET SESSION AUTHORIZATION regress_document_user;
SELECT murallink.upload_document(patient_uid => :'al', filename => 'example.pdf', data => 'JVBERi0x' || E'\r\n' || 'LjQK');
SELECT test.answer('get_document', jsonb_build_object('patient_uid', :'al', 'filename', 'example.pdf')) AS upload_is_no_download;
SET SESSION AUTHORIZATION regress_document_admin;
SELECT murallink.grant(:'north', 'get_document', :'user');
SET SESSION AUTHORIZATION regress_document_user;
SELECT answer - 'request_id' #- '{payload,patient_uid}' AS answer, answer #>> '{payload,patient_uid}' = :'al' AS of_al
FROM murallink.api(jsonb_build_object('action', 'get_document', 'payload',
    jsonb_build_object('patient_uid', :'al', 'caregiver_uid', '', 'filename', 'example.pdf'))) AS answer;
RESET SESSION AUTHORIZATION;
CREATE TEMP TABLE file AS
SELECT n, size, translate(encode((SELECT string_agg(decode(md5(n || ' ' || i), 'hex'), '') FROM generate_series(0, size / 16) AS i), 'base64'),
    E'\n', '') AS data
FROM (VALUES (1, 1), (2, 57), (3, 58), (4, 2000000)) AS sized (n, size);
GRANT SELECT ON file TO PUBLIC;
SET SESSION AUTHORIZATION regress_document_user;
SELECT n, test.answer('upload_document', jsonb_build_object('patient_uid', :'al', 'filename', n || '.bin', 'data', data)) AS uploaded FROM file ORDER BY n;
SELECT n, (murallink.get_document(patient_uid => :'al', filename => n || '.bin')).data = data AS same FROM file ORDER BY n;

-- The media type is the one given, or goes by the name
SELECT murallink.upload_document(patient_uid => :'al', filename => filename, data => 'AAEC/v8=', content_type => content_type)
FROM (VALUES ('a.PDF', ''), ('b', NULL), ('c.png', 'Image/WebP'), (' größe 文.csv ', NULL)) AS uploaded (filename, content_type);
SELECT d.filename, d.content_type, d.data
FROM unnest('{a.PDF,b,c.png,größe 文.csv}'::text[]) AS name, murallink.get_document(patient_uid => :'al', filename => name) AS d;

-- Of several of a name the newest is in use, also out of one transaction; none is lost, and a caregiver's is another
SELECT murallink.upload_document(patient_uid => :'al', filename => 'example.pdf', data => 'Mg=='),
    murallink.upload_document(patient_uid => :'al', filename => 'example.pdf', data => 'Mw=='),
    murallink.upload_document(caregiver_uid => :'caregiver', filename => 'example.pdf', data => 'NA==', content_type => 'text/plain');
SELECT data, patient_uid = :'al' AS of_al, caregiver_uid FROM murallink.get_document(patient_uid => :'al', filename => 'example.pdf');
SELECT data, content_type, patient_uid, caregiver_uid = :'caregiver' AS of_caregiver
FROM murallink.get_document(caregiver_uid => :'caregiver', filename => 'example.pdf');
SELECT murallink.upload_document(patient_uid => :'al', filename => 'example.pdf', data => 'NQ==');
SELECT convert_from(decode((murallink.get_document(:'al', NULL, 'example.pdf')).data, 'base64'), 'UTF8');
-- The list has the newest of each name, the patient's own first, for those who see the patient
SELECT test.answer('get_documents', jsonb_build_object('patient_uid', :'al')) AS get_document_does_not_list;
SET SESSION AUTHORIZATION regress_document_admin;
SELECT murallink.grant(:'north', 'view_patients', :'user');
SET SESSION AUTHORIZATION regress_document_user;
SELECT caregiver_uid = :'caregiver' AS of_caregiver, filename, content_type, size, versions, created_at <= clock_timestamp() AS uploaded,
    uid IN (SELECT uid FROM murallink.document) AS in_table FROM murallink.get_documents(:'al');
SELECT test.answer('get_documents', jsonb_build_object('patient_uid', uid)) FROM unnest(ARRAY[:'secret', '', :'caregiver']) AS uid;
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user' AND permission = 'view_patients';
SELECT d.caregiver_uid IS NOT NULL AS of_caregiver, size, content, content_type, app_user_uid = :'user' AS by_user
FROM murallink.document d JOIN murallink_private.document_content ON document_uid = d.uid
WHERE patient_uid = :'al' AND filename = 'example.pdf' ORDER BY created_at;

-- A name has one spelling in all its versions: one in another case or width is refused, by whatever door
SELECT given, test.refusal(format('INSERT INTO murallink.document (patient_uid, filename, content_type, size, app_user_uid)'
    ' VALUES (%L, %L, %L, 1, %L)', :'al', given, 'a/b', :'user')) AS by_hand
FROM unnest(ARRAY['Example.pdf', 'EXAMPLE.PDF', 'ｅxample.pdf']) AS given;
SET SESSION AUTHORIZATION regress_document_user;
SELECT given, test.answer('upload_document', jsonb_build_object('patient_uid', :'al', 'filename', given, 'data', 'eA==')) AS patient,
    test.answer('upload_document', jsonb_build_object('caregiver_uid', :'caregiver', 'filename', given, 'data', 'eA==')) AS caregiver
FROM unnest(ARRAY['Example.pdf', 'EXAMPLE.PDF', 'ｅxample.pdf']) AS given;

-- What is refused
SET SESSION AUTHORIZATION regress_document_user;
SELECT jsonb_build_object('patient_uid', :'al', 'filename', 'refused.txt', 'data', 'eA==') AS fine \gset
SELECT changed, test.answer('upload_document', :'fine' || changed) AS upload_document,
    test.answer('get_document', (:'fine' || changed) - 'data' - 'content_type') AS get_document
FROM (VALUES
    (jsonb '{"patient_uid": ""}'), ('{"patient_uid": "x"}'), ('{"patient_uid": "000000000000000000000000000"}'),
    ('{"patient_uid": "", "caregiver_uid": "000000000000000000000000000"}'), ('{"caregiver_uid": "000000000000000000000000000"}'),
    ('{"filename": ""}'), ('{"filename": null}'), ('{"filename": "a/b"}'), ('{"filename": ".."}'), ('{"filename": "a\\b"}'),
    ('{"filename": "a\u0001b"}'), ('{"filename": 1}'), ('{"name": ""}')) AS refused (changed);
SELECT changed, test.answer('upload_document', :'fine' || changed)
FROM (VALUES
    (jsonb '{"data": ""}'), ('{"data": null}'), ('{"data": "x"}'), ('{"data": "===="}'), ('{"data": "€"}'), ('{"data": 1}'), ('{"data": "\n"}'),
    ('{"content_type": "pdf"}'), ('{"content_type": "text/html; charset"}'), ('{"content_type": "a/b\r\nX: y"}')) AS refused (changed);
SELECT test.answer('upload_document', :'fine' || jsonb_build_object('caregiver_uid', :'caregiver')) AS both,
    test.answer('get_document', (:'fine' || jsonb_build_object('caregiver_uid', :'caregiver')) - 'data') AS get_both,
    test.answer('upload_document', :'fine' || jsonb_build_object('filename', repeat('ß', 201))) AS long_name,
    test.answer('get_document', jsonb_build_object('patient_uid', :'al', 'filename', 'EXAMPLE.pdf')) AS other_name,
    test.answer('get_document', jsonb_build_object('patient_uid', :'al', 'filename', 'refused.txt')) AS none;
SELECT kind, test.answer('upload_document', :'fine' || jsonb_build_object('patient_uid', '') || jsonb_build_object(field, uid)) AS upload_document,
    test.answer('get_document', jsonb_build_object('filename', 'secret.txt', field, uid)) AS get_document
FROM (VALUES ('patient elsewhere', 'patient_uid', :'secret'), ('caregiver elsewhere', 'caregiver_uid', :'secret_caregiver'),
    ('patient as caregiver', 'caregiver_uid', :'al'), ('caregiver as patient', 'patient_uid', :'caregiver')) AS other (kind, field, uid);
SHOW murallink.document_limit;
SELECT murallink.upload_document(patient_uid => :'al', filename => 'largest.bin', data => repeat('AAAA', 10 * 1024 * 1024 / 3) || 'AA==');
SELECT test.refusal(format('SELECT murallink.upload_document(patient_uid => %L, filename => ''larger.bin'', data => repeat(''AAAA'', %s))', :'al',
    10 * 1024 * 1024 / 3 + 1)) AS larger;
SELECT decode(data, 'base64') = decode(repeat('00', 10 * 1024 * 1024), 'hex') AS same
FROM murallink.get_document(patient_uid => :'al', filename => 'largest.bin');

-- also if the clock was set back after the last one
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink.document SET created_at = created_at + interval '1 hour' WHERE patient_uid = :'al' AND filename = 'example.pdf';
COMMIT;
SET SESSION AUTHORIZATION regress_document_user;
SELECT murallink.upload_document(patient_uid => :'al', filename => 'example.pdf', data => 'Ng==');
SELECT data AS newest FROM murallink.get_document(patient_uid => :'al', filename => 'example.pdf');
RESET SESSION AUTHORIZATION;

-- That there is a file is seen with view_patients; what is in it, by get_document alone
SET SESSION AUTHORIZATION regress_document_user;
SELECT count(*) FROM murallink.document;
SELECT test.refusal('SELECT content FROM murallink_private.document_content');
SET SESSION AUTHORIZATION regress_document_admin;
SELECT murallink.grant(:'north', 'view_patients', :'user');
SET SESSION AUTHORIZATION regress_document_user;
SELECT filename, content_type, size FROM murallink.document WHERE filename LIKE '%.pdf' ORDER BY created_at;
SELECT count(*) FROM murallink.document WHERE patient_uid = :'secret';
RESET SESSION AUTHORIZATION;

-- Nothing is ever changed or deleted, and the audit has no bytes
SELECT statement, test.refusal(statement) FROM (VALUES
    ('UPDATE murallink.document SET filename = ''x'''), ('DELETE FROM murallink.document'), ('TRUNCATE murallink.document CASCADE'),
    ('UPDATE murallink_private.document_content SET content = ''x'''), ('DELETE FROM murallink_private.document_content'),
    ('TRUNCATE murallink_private.document_content')) AS tried (statement);
SELECT test.refusal(format('INSERT INTO murallink.document (patient_uid, caregiver_uid, filename, content_type, size, app_user_uid)'
    ' VALUES (%L, %L, ''x'', ''x'', 1, %L)', :'al', :'secret_caregiver', :'user')) AS caregiver_of_another;
SELECT action, changes, count(*) FROM murallink.audit_event WHERE resource LIKE 'document%' GROUP BY action, changes;
SELECT action, test.answer(action) FROM unnest('{upload_document,get_document}'::text[]) AS action;

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_document_%';
DROP ROLE regress_document_admin, regress_document_user;
