-- Contracts, their sponsors and their files.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_contract_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_contract_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT uid AS admin FROM murallink.create_admin('admin.contract@example.com', 'correct horse', 'Olga', 'Admin') \gset
SELECT uid AS "user" FROM murallink.register('user.contract@example.com', 'correct horse', 'Otto', 'User') \gset
SELECT murallink.set_db_role('admin.contract@example.com', 'regress_contract_admin'),
    murallink.set_db_role('user.contract@example.com', 'regress_contract_user');
SET SESSION AUTHORIZATION regress_contract_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Contractor') \gset
SELECT uid AS other_client FROM murallink.create_client(name => 'Other') \gset

-- A contract of a client: a value with or without decimals, as number or text
SELECT uid AS contract, client_uid = :'client' AS of_client, name, total_contract_value, currency, client_signature_date, contract_start_date,
    contract_end_date, document_url LIKE 'http%/rpc/contract_document?uid=' || uid AS has_document_url
FROM murallink.create_contract(
    client_uid => :'client', name => 'Young-4860', client_signature_date => '2022-07-21', contract_start_date => '2022-08-09',
    contract_end_date => '2022-08-09', total_contract_value => '371000', currency => 'USD',
    default_payment_type_uid => '28LLr8WY5tNSSIDtcjRSmWODmGW') \gset
\echo :of_client :name :total_contract_value :currency :client_signature_date :contract_start_date :contract_end_date :has_document_url
SELECT uid AS other_contract FROM murallink.create_contract(client_uid => :'client', name => 'Other', currency => 'JPY') \gset
SELECT value, currency, murallink.api(jsonb_build_object('action', 'create_contract', 'payload', jsonb_build_object(
    'client_uid', :'client', 'name', 'Valued', 'currency', currency, 'total_contract_value', value))) #>> '{payload,total_contract_value}' AS shown
FROM (VALUES (jsonb '371000', 'USD'), ('"371000"', 'USD'), ('371000.5', 'USD'), ('"371000.50"', 'USD'), ('1e3', 'USD'), ('1500', 'JPY'),
    ('"0.001"', 'KWD'),
    ('""', 'USD'), ('null', 'USD')) AS valued (value, currency);
SELECT jsonb_build_object('client_uid', :'client', 'name', 'Refused', 'currency', 'USD') AS fine \gset
SELECT changed, test.answer('create_contract', :'fine' || changed)
FROM (VALUES
    (jsonb '{"client_uid": ""}'), ('{"client_uid": null}'), ('{"name": ""}'), ('{"name": "\u200b"}'), ('{"name": "a\u202eb"}'),
    ('{"currency": ""}'), ('{"currency": null}'),
    ('{"client_uid": "x"}'), ('{"client_uid": 1}'), ('{"client_uid": "000000000000000000000000000"}'),
    ('{"currency": "usd"}'), ('{"currency": " USD "}'), ('{"currency": "XXX"}'), ('{"currency": "Dollars"}'),
    ('{"total_contract_value": 0}'), ('{"total_contract_value": -1}'), ('{"total_contract_value": "-1"}'), ('{"total_contract_value": 0.001}'),
    ('{"total_contract_value": "371,000"}'), ('{"total_contract_value": "$371000"}'), ('{"total_contract_value": "1e3"}'),
    ('{"total_contract_value": "NaN"}'),
    ('{"total_contract_value": "Infinity"}'), ('{"total_contract_value": " 1"}'), ('{"total_contract_value": "1."}'),
    ('{"total_contract_value": "."}'),
    ('{"total_contract_value": 1000000000000}'), ('{"total_contract_value": "1000000000000"}'),
    ('{"total_contract_value": true}'), ('{"total_contract_value": []}'),
    ('{"contract_start_date": "2022-08-10", "contract_end_date": "2022-08-09"}'), ('{"contract_end_date": "2023-02-29"}'),
    ('{"default_payment_type_uid": "000000000000000000000000000"}'), ('{"sponsor": "\u0007"}'),
    ('{"order_cards": "never"}'), ('{"sponsor_uid": ""}')) AS refused (changed);
SELECT test.answer('create_contract', :'fine' || jsonb_build_object('client_uid', :'contract')) AS contract_as_client,
    test.answer('create_contract', :'fine' || jsonb_build_object('default_payment_type_uid', :'client')) AS client_as_payment_type;
SELECT test.refusal(format('SELECT murallink.create_contract(client_uid => %L, name => ''x'', currency => ''USD'', %I => %L::date)',
    :'client', field, date))
FROM (VALUES ('contract_start_date', 'infinity'), ('contract_end_date', '10000-01-01'), ('client_signature_date', '0001-01-01 BC'))
    AS refused (field, date);


-- A sponsor is known to its client by name, in any case
SELECT sponsor FROM murallink.edit_contract(:'contract', sponsor => ' Acme ');
SELECT sponsor FROM murallink.edit_contract(:'other_contract', sponsor => 'ACME');
SELECT uid AS foreign_contract, sponsor FROM murallink.create_contract(:'other_client', 'Foreign', currency => 'EUR', sponsor => 'ACME') \gset
\echo :sponsor
SELECT sponsor, name FROM murallink.edit_contract(:'other_contract', sponsor => 'Zenith');
SELECT sponsor, name FROM murallink.edit_contract(:'other_contract', name => E' Rena\u0301med\u00a0\n2 ');
SELECT sponsor, name FROM murallink.edit_contract(:'other_contract', name => 'Renamed');
SELECT sponsor FROM murallink.edit_contract(:'other_contract', sponsor => '');
RESET SESSION AUTHORIZATION;
SELECT s.name, s.client_uid = :'client' AS of_client, count(c) AS contracts
FROM murallink.sponsor s LEFT JOIN murallink.contract c ON c.sponsor_uid = s.uid
WHERE s.client_uid IN (:'client', :'other_client') GROUP BY s.uid ORDER BY s.name COLLATE "C";
SET SESSION AUTHORIZATION regress_contract_admin;

-- Editing: what is absent or null stays, what is empty is none
SELECT name, total_contract_value, currency, client_signature_date, contract_start_date, contract_end_date, default_payment_type_uid, sponsor
FROM murallink.edit_contract(:'contract', name => 'Example Contract 02');
SELECT total_contract_value, contract_end_date, default_payment_type_uid FROM murallink.edit_contract(
    :'contract', total_contract_value => '1000.5', contract_end_date => '2026-11-09', default_payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo');
SELECT order_cards FROM murallink.edit_contract(:'contract', order_cards => 'enrollment');
SELECT order_cards FROM murallink.edit_contract(:'contract', order_cards => '');
SELECT murallink.api(jsonb_build_object('action', 'get_contract', 'payload', jsonb_build_object('contract_uid', :'contract'))) -> 'payload' AS whole \gset
SELECT (answer -> 'payload') = :'whole' AS sent_back_whole
FROM murallink.api(jsonb_build_object('action', 'edit_contract', 'payload', :'whole'::jsonb)) AS answer;
SELECT changed, test.answer('edit_contract', jsonb_build_object('uid', :'contract') || changed)
FROM (VALUES
    (jsonb '{"uid": ""}'), ('{"uid": null}'), ('{"uid": "000000000000000000000000000"}'), ('{"uid": "x"}'), ('{"name": ""}'),
    ('{"name": "\u00a0"}'), ('{"name": "\u202eK"}'), ('{"client_uid": "000000000000000000000000000"}'), ('{"client_uid": "x"}'),
    ('{"currency": "usd"}'), ('{"currency": "JPY"}'), ('{"total_contract_value": "$1,000.51"}'), ('{"total_contract_value": 0}'),
    ('{"total_contract_value": 0.001}'), ('{"contract_end_date": "2022-08-08"}'), ('{"contract_start_date": "2026-11-10"}'),
    ('{"contract_start_date": "2022-02-30"}'), ('{"default_payment_type_uid": "000000000000000000000000000"}'), ('{"sponsor": 1}'),
    ('{"contract_uid": ""}')) AS refused (changed);
SELECT field, test.answer('edit_contract', jsonb_build_object('uid', :'contract', field, repeat('é', 201)))
FROM (VALUES ('name'), ('sponsor')) AS limited (field);
RESET SESSION AUTHORIZATION;
SELECT changes - 'default_payment_type_uid' AS changes, app_user_uid = :'admin' AS by_admin FROM murallink.audit_event
WHERE resource_uid = :'contract' AND changes ? 'total_contract_value';
SET SESSION AUTHORIZATION regress_contract_admin;

-- The currency can be corrected until something depends on it
SELECT currency, total_contract_value FROM murallink.edit_contract(:'contract', currency => 'JPY', total_contract_value => '1000');
SELECT currency, total_contract_value FROM murallink.edit_contract(:'contract', currency => 'USD');
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Currency') \gset
SELECT murallink.add_funding(:'foreign_contract', 100);
SELECT test.answer('edit_contract', jsonb_build_object('uid', :'contract', 'currency', 'JPY')) AS with_trial,
    test.answer('edit_contract', jsonb_build_object('uid', :'contract', 'currency', 'USD')) AS same,
    test.answer('edit_contract', jsonb_build_object('uid', :'foreign_contract', 'currency', 'USD')) AS with_funds;
SELECT test.answer('delete_trial', jsonb_build_object('trial_uid', :'trial')) AS deleted,
    test.answer('edit_contract', jsonb_build_object('uid', :'contract', 'currency', 'JPY')) AS without_trial,
    test.answer('edit_contract', jsonb_build_object('uid', :'contract', 'currency', 'USD')) AS back;

-- Lists are in the order of creation, of one client or all
SELECT name FROM murallink.get_contracts(:'client') LIMIT 3;
SELECT name FROM murallink.get_contracts(client_uid => :'other_client');
SELECT count(*) AS of_nobody FROM murallink.get_contracts('000000000000000000000000000');
SELECT count(*) FILTER (WHERE client_uid IN (:'client', :'other_client')) >= 3 AS of_both FROM murallink.get_contracts();
SELECT test.answer('get_contract', jsonb_build_object('contract_uid', uid))
FROM (VALUES (:'contract'), (''), ('000000000000000000000000000'), (:'client'), ('x')) AS asked (uid);

-- A file is kept as it is, with dates and value when they are sent
SELECT test.refusal(format('SELECT murallink.contract_document(%L)', :'contract')) AS before_upload;
SELECT jsonb_build_object('contract_uid', :'contract', 'data', encode('\x255044462d00ff0a', 'base64'), 'filename', 'example.pdf') AS fine \gset
SELECT murallink.api(jsonb_build_object('action', 'upload_contract', 'payload', :'fine'::jsonb || jsonb '{"client_signature_date": "2022-05-30",
    "contract_start_date": "2022-08-09", "contract_end_date": "2026-10-13", "total_contract_value": "480000", "currency": "USD"}'))
    - 'request_id' AS uploaded;
SELECT name, total_contract_value, client_signature_date, contract_start_date, contract_end_date, sponsor FROM murallink.get_contract(:'contract');
BEGIN READ ONLY;
SELECT murallink.contract_document(:'contract'), current_setting('response.headers') AS headers;
COMMIT;
SELECT test.answer('upload_contract', :'fine' || jsonb '{"filename": "Ünterschrieben \"2\".PNG", "data": "aGVsbG8="}') AS again,
    test.answer('upload_contract', :'fine' || jsonb '{"filename": "x", "data": "aGVs\nbG8h\n", "content_type": "Text/HTML"}') AS third;
BEGIN;
SELECT convert_from(murallink.contract_document(:'contract'), 'UTF8'), current_setting('response.headers') AS headers;
COMMIT;
SELECT total_contract_value, contract_end_date FROM murallink.get_contract(:'contract');
SELECT changed, test.answer('upload_contract', :'fine' || changed)
FROM (VALUES
    (jsonb '{"contract_uid": ""}'), ('{"contract_uid": "000000000000000000000000000"}'), ('{"contract_uid": 1}'), ('{"data": ""}'),
    ('{"data": null}'), ('{"data": "?"}'), ('{"data": "aGVsbG8"}'), ('{"data": {}}'), ('{"filename": ""}'), ('{"filename": "../x.pdf"}'),
    ('{"filename": "a\\b"}'), ('{"filename": ".."}'), ('{"filename": "a\nb"}'), ('{"content_type": "pdf"}'),
    ('{"content_type": "text/html\r\nX: y"}'), ('{"currency": "JPY", "total_contract_value": 0.5}'), ('{"total_contract_value": "much"}'),
    ('{"contract_end_date": "2022-08-08"}'), ('{"name": "x"}')) AS refused (changed);
SELECT test.answer('contract_document', jsonb_build_object('uid', :'contract')) AS no_json;
RESET SESSION AUTHORIZATION;
SELECT filename, content_type, octet_length(content) FROM murallink.contract_document JOIN murallink_private.contract_content ON contract_document_uid = uid
WHERE contract_uid = :'contract' ORDER BY created_at;
SELECT count(*) FROM murallink.audit_event WHERE resource = 'contract_document' AND contract_uid = :'contract' AND changes IS NULL;
BEGIN;
-- The clock was set back after the last one
UPDATE murallink.contract_document SET created_at = created_at + interval '1 hour' WHERE contract_uid = :'contract';
SET SESSION AUTHORIZATION regress_contract_admin;
SELECT test.answer('upload_contract', :'fine' || jsonb '{"data": "bmV3ZXN0"}'), convert_from(murallink.contract_document(:'contract'), 'UTF8') AS newest;
RESET SESSION AUTHORIZATION;
ROLLBACK;

-- What was funded, and what has trials or sites, stays; else a contract goes with its files and the grants on it
SET SESSION AUTHORIZATION regress_contract_admin;
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Trial') \gset
SELECT uid AS site FROM murallink.create_site('Site', contract_uid => :'other_contract') \gset
SELECT murallink.grant(:'contract', 'view_contract', :'user');
SELECT test.answer('delete_contract', jsonb_build_object('contract_uid', uid))
FROM (VALUES (:'foreign_contract'), (:'contract'), (:'other_contract'), (''), ('000000000000000000000000000'), (:'client'), ('x')) AS refused (uid);
SELECT test.answer('delete_trial', jsonb_build_object('trial_uid', :'trial')) AS trial,
    test.answer('delete_contract', jsonb_build_object('contract_uid', :'contract')) AS contract,
    test.answer('delete_contract', jsonb_build_object('contract_uid', :'contract')) AS again,
    test.answer('get_contract', jsonb_build_object('contract_uid', :'contract')) AS get,
    test.refusal(format('SELECT murallink.contract_document(%L)', :'contract')) AS document;
RESET SESSION AUTHORIZATION;
SELECT (SELECT count(*) FROM murallink.permission_grant WHERE contract_uid = :'contract') AS grants,
    (SELECT count(*) FROM murallink.contract_document WHERE contract_uid = :'contract') AS files,
    (SELECT count(*) FROM murallink_private.contract_content WHERE contract_document_uid NOT IN (SELECT uid FROM murallink.contract_document)) AS contents;

-- Who may: others than administrators see and change what is granted, and learn nothing of the rest
CREATE FUNCTION pg_temp.answers(contract text) RETURNS TABLE (action text, answer text) LANGUAGE sql AS $$
    SELECT action, test.answer(action, payload) FROM (VALUES
        ('create_contract', jsonb '{"name": "Mine"}'), ('edit_contract', jsonb_build_object('uid', contract, 'name', 'Mine')),
        ('get_contracts', '{}'), ('get_contract', jsonb_build_object('contract_uid', contract)),
        ('upload_contract', jsonb_build_object('contract_uid', contract, 'data', 'aGVsbG8=', 'filename', 'x.pdf')),
        ('delete_contract', jsonb_build_object('contract_uid', contract))) AS asked (action, payload)
    UNION ALL SELECT 'contract_document', test.refusal(format('SELECT murallink.contract_document(%L)', contract))
$$;
SELECT * FROM pg_temp.answers(:'other_contract');
SET SESSION AUTHORIZATION regress_contract_user;
SELECT * FROM pg_temp.answers(:'other_contract');
SET SESSION AUTHORIZATION regress_contract_admin;
SELECT test.answer('upload_contract', :'fine' || jsonb_build_object('contract_uid', :'other_contract')),
    murallink.grant(:'foreign_contract', 'view_contract', :'user'), murallink.grant(:'client', 'view_trials', :'user');
SET SESSION AUTHORIZATION regress_contract_user;
SELECT * FROM pg_temp.answers(:'other_contract');
SELECT name FROM murallink.get_contracts();
SELECT count(*) AS of_other_client FROM murallink.get_contracts(:'client');
SELECT c.name, s.name AS sponsor, d.filename FROM murallink.contract c FULL JOIN murallink.sponsor s ON s.uid = sponsor_uid
    FULL JOIN murallink.contract_document d ON d.contract_uid = c.uid;
SET SESSION AUTHORIZATION regress_contract_admin;
SELECT murallink.grant(:'other_contract', 'view_contract', :'user');
SET SESSION AUTHORIZATION regress_contract_user;
SELECT * FROM pg_temp.answers(:'other_contract');
SET SESSION AUTHORIZATION regress_contract_admin;
SELECT murallink.grant(:'client', 'edit_contract', :'user');
SET SESSION AUTHORIZATION regress_contract_user;
SELECT * FROM pg_temp.answers(:'other_contract');
RESET SESSION AUTHORIZATION;

-- Nor is any of that written wrongly by hand
SELECT test.refusal(format('INSERT INTO murallink.contract (%s) VALUES (%s)', columns, vals))
FROM (VALUES
    ('client_uid, name, currency', format('%L, ''x'', ''EURO''', :'client')), ('client_uid, name, currency', format('%L, '''', ''EUR''', :'client')),
    ('client_uid, name, currency', format('%L, ''x '', ''EUR''', :'client')),
    ('client_uid, name, currency', format('%L, ''x'', ''EUR''', :'site')),
    ('client_uid, name, currency, total_contract_value', format('%L, ''x'', ''JPY'', 0.5', :'client')),
    ('client_uid, name, currency, sponsor_uid', format('%L, ''x'', ''EUR'', %L', :'client', (
        SELECT uid FROM murallink.sponsor WHERE client_uid = :'other_client')))) AS wrong (columns, vals);
SELECT test.refusal(statement) FROM (VALUES
    (format('UPDATE murallink.contract SET currency = ''USD'' WHERE uid = %L', :'foreign_contract')),
    (format('UPDATE murallink.contract SET client_uid = %L WHERE uid = %L', :'other_client', :'other_contract')),
    (format('DELETE FROM murallink.contract WHERE uid = %L', :'foreign_contract'))) AS wrong (statement);

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_contract_%';
DROP ROLE regress_contract_admin, regress_contract_user;
