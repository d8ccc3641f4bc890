-- Clients and their sponsors.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_client_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_client_user LOGIN IN ROLE murallink_client;
SELECT uid AS admin FROM murallink.create_admin('admin.client@example.com', 'correct horse', 'Olga', 'Admin') \gset
SELECT uid AS "user" FROM murallink.register('user.client@example.com', 'correct horse', 'Otto', 'User') \gset
SELECT murallink.set_db_role('admin.client@example.com', 'regress_client_admin'),
    murallink.set_db_role('user.client@example.com', 'regress_client_user');
SET SESSION AUTHORIZATION regress_client_admin;

-- A client needs no more than a name
SELECT name, sales_contact, client_type, tax_id, client_signature_date, contact_name, contact_phone, contact_email, (address).city, (address).valid
FROM murallink.create_client(
    name => ' Murray, Inc. ', sales_contact => 'Enrique Salas', client_type => 'CRO', tax_id => '391701535',
    client_signature_date => '2022-07-21', contact_name => 'Lynne Navarro', contact_phone => '(952) 505-1184',
    contact_email => 'Lynne.Navarro@Example.com', address => '{"city": "Hampton"}');
SELECT uid AS client, name, sales_contact, client_signature_date, address FROM murallink.create_client(name => 'Müller & Söhne') \gset
\echo :name :sales_contact :client_signature_date :address
SELECT payload, test.answer('create_client', payload)
FROM (VALUES
    (jsonb '{}'), ('{"name": null}'), ('{"name": ""}'), ('{"name": " \t"}')) AS refused (payload);
SELECT payload, test.answer('create_client', '{"name": "Refused"}' || payload)
FROM (VALUES
    (jsonb '{"name": "\u0007"}'), ('{"Name": "Refused"}'), ('{"client_name": "Refused"}'), ('{"contact_email": "lynne"}'),
    ('{"client_signature_date": "2022-02-30"}'), ('{"client_signature_date": "2022-7-21"}'), ('{"client_signature_date": "21.07.2022"}'),
    ('{"client_signature_date": "2022-07-21T10:00:00Z"}'), ('{"client_signature_date": "0000-01-01"}'), ('{"client_signature_date": "today"}'),
    ('{"client_signature_date": "infinity"}'), ('{"client_signature_date": 20220721}'), ('{"address": []}'),
    ('{"address": {"planet": ""}}')) AS refused (payload);
SELECT field, longest, test.answer('create_client', '{"name": "Refused"}' || jsonb_build_object(field, repeat('é', longest + 1)))
FROM (VALUES ('name', 200), ('sales_contact', 200), ('client_type', 100), ('tax_id', 50), ('contact_name', 200), ('contact_phone', 50),
    ('contact_email', 254)) AS limited (field, longest);
SELECT test.answer('create_client', jsonb_build_object('name', repeat('é', 200), 'client_signature_date', '2022-07-21T00:00:00Z')) AS longest;


-- A list has them in the order of their creation, with no more than create_client answers
SELECT uid AS oscar, name FROM murallink.create_client(name => 'Oscar Wilde', sales_contact => 'Enrique Salas') \gset
SELECT uid AS grouch FROM murallink.create_client(name => 'Oscar the Grouch') \gset
SELECT uid AS percent FROM murallink.create_client(name => '100% \ Trial_Works') \gset
SELECT name, audit_history FROM murallink.get_clients() WHERE uid IN (:'oscar', :'grouch', :'client', :'percent');
SELECT (answer #> '{payload,0}') - 'uid' AS shown FROM murallink.api('{"action": "search_clients", "payload": {"query": "Oscar W"}}') AS answer;
SELECT jsonb_array_length(answer -> 'payload') = (SELECT count(*) FROM murallink.get_clients()) AS all
FROM murallink.api('{"action": "get_clients"}') AS answer;

-- A search finds any part of a name in any case, and takes every character as it is
SELECT query, string_agg(name, ', ') AS finds
FROM (VALUES ('Oscar'), ('oSCAR t'), (' grouch '), ('MÜLLER'), ('muller'), ('óscar t'), ('ö'), ('%'), ('_'), ('\'), ('o%r'), ('scar_'), ('.*'), ('Murray, Inc'),
    (''';--')) AS part (query)
    LEFT JOIN LATERAL (SELECT name FROM murallink.search_clients(query)
        WHERE uid IN (:'oscar', :'grouch', :'client', :'percent')) AS hit ON true
GROUP BY query ORDER BY query COLLATE "C";
SELECT query, (SELECT count(*) FROM murallink.search_clients(query)) = (SELECT count(*) FROM murallink.get_clients()) AS all
FROM (VALUES (''), (NULL), (' ')) AS empty (query);
SELECT test.answer('search_clients', payload) FROM (VALUES
    (jsonb_build_object('query', repeat('é', 201))), ('{"query": "\u0007"}'), ('{"query": 1}'), ('{"name": "Oscar"}')) AS refused (payload);

-- What is changed and by whom is told newest first; what is absent or null stays, what is empty is set
SELECT answer -> 'payload' -> 'audit_history' #- '{0,uid}' = jsonb_build_array(
    jsonb_build_object('resource_uid', :'oscar', 'user_uid', :'admin', 'changes', 'created client')) AS as_documented
FROM murallink.api(jsonb_build_object('action', 'get_client', 'payload', jsonb_build_object('uid', :'oscar'))) AS answer;
SELECT name, sales_contact, client_signature_date, contact_email, (address).city, (address).state, (audit_history)[1].changes, cardinality(audit_history)
FROM murallink.edit_client(uid => :'oscar', name => '5d0b49235c8940a788c56ca3b4459872');
SELECT name, sales_contact, client_signature_date, contact_email, (address).city, (address).state, (audit_history)[1].changes, cardinality(audit_history)
FROM murallink.edit_client(
    uid => :'oscar', sales_contact => '', client_signature_date => '2022-07-21', contact_email => 'Oscar@Example.com', address => '{"city": "Reading", "state": "Berks"}');
SELECT (address).city, (address).state, (audit_history)[1].changes, cardinality(audit_history)
FROM murallink.edit_client(uid => :'oscar', name => NULL, address => '{"state": ""}');
SELECT cardinality(audit_history) AS nothing_changed FROM murallink.edit_client(uid => :'oscar');
SELECT murallink.api(jsonb_build_object('action', 'get_client', 'payload', jsonb_build_object('uid', :'oscar'))) -> 'payload' AS whole \gset
SELECT (answer -> 'payload') = :'whole' AS sent_back_whole
FROM murallink.api(jsonb_build_object('action', 'edit_client', 'payload', :'whole'::jsonb)) AS answer;
SELECT changed, test.answer('edit_client', jsonb_build_object('uid', :'oscar') || changed)
FROM (VALUES
    (jsonb '{"uid": ""}'), ('{"uid": null}'), ('{"uid": "000000000000000000000000000"}'), ('{"uid": "x"}'), ('{"name": ""}'), ('{"name": null}'),
    ('{"contact_email": "oscar"}'), ('{"client_signature_date": "2022-02-30"}'), ('{"address": {"planet": ""}}'), ('{"address": 1}'),
    ('{"client_uid": ""}')) AS refused (changed);
SELECT field, longest, test.answer('edit_client', jsonb_build_object('uid', :'oscar', field, repeat('é', longest + 1)))
FROM (VALUES ('name', 200), ('sales_contact', 200), ('client_type', 100), ('tax_id', 50), ('contact_name', 200), ('contact_phone', 50),
    ('contact_email', 254)) AS limited (field, longest);
SELECT name, test.answer('get_client', jsonb_build_object('uid', uid))
FROM (VALUES ('none', ''), ('another kind', :'user'), ('nothing', '000000000000000000000000000')) AS refused (name, uid);

-- A client with contracts stays, whoever the contract is for; without, it goes with its sponsors and the grants on it
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'grouch', name => 'Bins', currency => 'USD', sponsor => 'Sesame') \gset
SELECT murallink.grant(:'grouch', 'view_clients', :'user'), murallink.grant(:'contract', 'view_contract', :'user');
SELECT test.answer('delete_client', jsonb_build_object('client_uid', uid))
FROM (VALUES (:'grouch'), (''), ('000000000000000000000000000'), (:'contract'), ('x')) AS refused (uid);
SELECT test.answer('delete_contract', jsonb_build_object('contract_uid', :'contract'));
SELECT murallink.api(jsonb_build_object('action', 'delete_client', 'payload', jsonb_build_object('client_uid', :'grouch'))) - 'request_id' AS deleted;
SELECT test.answer('delete_client', jsonb_build_object('client_uid', :'grouch')), test.answer('get_client', jsonb_build_object('uid', :'grouch')),
    test.answer('edit_client', jsonb_build_object('uid', :'grouch'));
RESET SESSION AUTHORIZATION;
SELECT count(*) FILTER (WHERE client_uid = :'grouch') AS grants_left FROM murallink.permission_grant;
SELECT resource, action, count(*) FROM murallink.audit_event WHERE client_uid = :'grouch' GROUP BY resource, action ORDER BY resource, action;

-- Who may: administrators all, others see where they hold view_clients, and learn nothing of the rest
CREATE FUNCTION pg_temp.answers(client text) RETURNS TABLE (action text, answer text) LANGUAGE sql AS $$
    SELECT action, test.answer(action, payload) FROM (VALUES
        ('get_clients', jsonb '{}'), ('search_clients', '{}'), ('get_client', jsonb_build_object('uid', client)),
        ('edit_client', jsonb_build_object('uid', client, 'name', 'Mine')), ('create_client', '{"name": "Mine"}'),
        ('delete_client', jsonb_build_object('client_uid', client))) AS asked (action, payload)
$$;
SELECT * FROM pg_temp.answers(:'oscar');
SET SESSION AUTHORIZATION regress_client_user;
SELECT * FROM pg_temp.answers(:'oscar');
SET SESSION AUTHORIZATION regress_client_admin;
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'oscar', name => 'Earnest', currency => 'GBP', sponsor => 'Lane') \gset
SELECT murallink.grant(:'oscar', 'view_contract', :'user'), murallink.grant(:'contract', 'view_clients', :'user');
SET SESSION AUTHORIZATION regress_client_user;
SELECT * FROM pg_temp.answers(:'oscar');
SELECT count(*) FROM murallink.search_clients();
SET SESSION AUTHORIZATION regress_client_admin;
SELECT murallink.grant(:'oscar', 'view_clients', :'user');
SET SESSION AUTHORIZATION regress_client_user;
SELECT * FROM pg_temp.answers(:'oscar');
SELECT uid = :'oscar' AS only_that FROM murallink.search_clients();
SELECT * FROM pg_temp.answers(:'percent');
RESET SESSION AUTHORIZATION;
SELECT test.refusal(statement) FROM (VALUES
    ('INSERT INTO murallink.client (name) VALUES ('''')'), ('INSERT INTO murallink.client (name, contact_email) VALUES (''x'', ''X@example.com'')'),
    (format('INSERT INTO murallink.sponsor (client_uid, name) VALUES (%L, ''LANE'')', :'oscar')),
    (format('DELETE FROM murallink.client WHERE uid = %L', :'oscar'))) AS wrong (statement);

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_client_%';
DROP ROLE regress_client_admin, regress_client_user;
