-- The same person added twice: who is told, and by what they are recognized.
\set SHOW_CONTEXT never
CREATE ROLE regress_similar_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_similar_here LOGIN IN ROLE murallink_client;
CREATE ROLE regress_similar_blind LOGIN IN ROLE murallink_client;
CREATE ROLE regress_similar_operator LOGIN IN ROLE murallink_operator;
SELECT email FROM murallink.create_admin('admin.similar@example.com', 'correct horse', 'Sim', 'Admin');
SELECT (murallink.register('here.similar@example.com', 'correct horse', 'Hera', 'Here')).uid AS here,
    (murallink.register('blind.similar@example.com', 'correct horse', 'Bea', 'Blind')).uid AS blind \gset
SELECT murallink.set_db_role(name || '.similar@example.com', 'regress_similar_' || name) FROM unnest('{admin,here,blind}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_similar_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Similar') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Similar', currency => 'USD') \gset
SELECT uid AS north FROM murallink.create_site(contract_uid => :'contract', name => 'North') \gset
SELECT uid AS south FROM murallink.create_site(contract_uid => :'contract', name => 'South') \gset
SELECT count(murallink.grant(:'north', permission, :'here')) FROM unnest('{add_patient,view_patients}'::text[]) AS permission;
SELECT murallink.grant(:'north', 'add_patient', :'blind');
SELECT uid AS will FROM murallink.add_patient(site_uid => :'north', first_name => 'William', last_name => 'Hïcks', email => 'will@similar.example.com',
    phone => '(610) 555-1212', address => '{"street1": "1 Elm St.", "city": "Waco", "post_code": "76701"}') \gset
SELECT uid AS twin FROM murallink.add_patient(site_uid => :'south', first_name => 'Wilma', last_name => 'Hicks', phone => '+1 610 555 1212') \gset

RESET SESSION AUTHORIZATION;

-- Spelled otherwise, as far as what is stored allows (S33)
CREATE FUNCTION pg_temp.similar_to(added murallink.added_patient) RETURNS text LANGUAGE sql
RETURN (
    SELECT string_agg(concat_ws(' ', s.first_name, s.last_name, 'by', array_to_string(s.by, ' ')), ', ' ORDER BY cardinality(s.by) DESC, s.first_name COLLATE "C", s.last_name COLLATE "C")
    FROM unnest(added."similar") AS s);
SET SESSION AUTHORIZATION regress_similar_here;
BEGIN;
SELECT n, pg_temp.similar_to(murallink.add_patient(
    site_uid => :'north', first_name => first, last_name => last, email => email, phone => phone, address => address))
FROM (VALUES
    (1, 'Bill', 'Hicks', NULL, '610.555.1212', NULL::jsonb), (2, 'HICKS', 'William', 'WILL@similar.example.com', NULL, NULL),
    (3, 'Bill J.', 'Hicks', NULL, NULL, jsonb '{"street1": "1 ELM ST", "city": "Waco", "post_code": "76701"}'),
    (4, 'Wanda', 'Hicks', NULL, NULL, '{"street1": "1 Elm St", "city": "Waco", "post_code": "76701"}'),
    (5, 'Jill', 'Hicks', 'will@similar.example.com', '6105551212', NULL), (6, 'William', 'Hicks', NULL, '555', NULL),
    (7, 'William', 'Hicks', NULL, NULL, '{"street1": "2 Elm St", "city": "Waco", "post_code": "76701"}'))
    AS added (n, first, last, email, phone, address) ORDER BY n;
-- at one address a name is one in whatever script and form it is written, with or without what stands between its parts
SELECT name, pg_temp.similar_to(murallink.add_patient(site_uid => :'north', first_name => split_part(name, ',', 1), last_name => split_part(name, ',', 2),
    address => jsonb_build_object('street1', n || ' Elm St', 'city', 'Waco', 'post_code', '76701')))
FROM unnest(ARRAY[['O''Brien,Pat', 'O’Brien,Pat', 'OBrien,Pat', 'O Brien,Pat', 'Pat,O''Brien'], ['Anne-Marie,Roux', 'Anne Marie,Roux', 'AnneMarie,Roux', 'Anne‑Marie,ROUX', 'Anne,Roux'],
    ['김,민준', '김민준,', U&'\1100\1175\11b7,민준', '김,민', '민준,김'], ['José,García', U&'Jose\0301,Garci\0301a', 'JOSE,GARCIA', 'Ｊｏｓｅ,Ｇａｒｃｉａ', U&'Jos\0435,Garcia'],
    ['محمد,أحمد', 'مُحَمَّد,احمد', 'محمد,احمد', 'محمود,احمد', 'احمد,محمد'], ['İpek,Işık', 'ipek,ışık', 'IPEK,ISIK', 'İPEK,IŞIK', 'Ipek,Isik'],
    ['Σοφία,Παπαδοπούλου', 'ΣΟΦΙΑ,ΠΑΠΑΔΟΠΟΥΛΟΥ', 'σοφια,παπαδοπουλου', 'Sofia,Papadopoulou', 'Παπαδοπούλου,Σοφία'], ['文,太郎', '文 太郎,', '太郎,文', '文太郎,', '文,太'],
    ['Łukasz,Żak', 'Lukasz,Zak', U&'\0141ukasz,Z\0307ak', U&'Łu\200dkasz,Żak', 'Łucja,Żak']]) WITH ORDINALITY AS flat (name, i), LATERAL (SELECT (i - 1) / 5 + 10 AS n) g
ORDER BY i;
ROLLBACK;
-- In the JSON protocol the key is there only if somebody is similar; and who may see nobody is told of nobody
RESET SESSION AUTHORIZATION;
BEGIN;
SELECT name, murallink.api(jsonb_build_object('action', 'add_patient',
    'session_id', (murallink.login(name || '.similar@example.com', 'correct horse')).session_id,
    'payload', jsonb_build_object('site_uid', :'north', 'first_name', 'W', 'last_name', 'H', 'phone', phone))) #> '{payload,similar}' #- '{0,uid}' AS similar
FROM (VALUES ('here', '6105551212'), ('here', ''), ('blind', '6105551212')) AS caller (name, phone);
ROLLBACK;

-- Operators see all pairs
SET SESSION AUTHORIZATION regress_similar_operator;
SELECT (patient_uid, similar_uid) IN ((:'will'::murallink.ksuid, :'twin'::murallink.ksuid), (:'twin', :'will')) AS both, by
FROM murallink.similar_patients() WHERE :'will' IN (patient_uid::text, similar_uid::text);
SELECT similar_uid = :'will' AS will, by FROM murallink.similar_patients(:'twin');
SELECT * FROM murallink.similar_patients('000000000000000000000000000');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_similar_admin;
SELECT * FROM murallink.similar_patients();
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'here', :'blind');
UPDATE murallink.app_user SET db_role = NULL WHERE db_role ~ '^regress_similar_';
DROP ROLE regress_similar_admin, regress_similar_here, regress_similar_blind, regress_similar_operator;
