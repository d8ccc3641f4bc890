-- Clients, contracts, trials, sites, and trials at sites.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_site_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_site_user LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.site@example.com', 'correct horse', 'Olga', 'Admin');
SELECT uid AS "user" FROM murallink.register('user.site@example.com', 'correct horse', 'Otto', 'User') \gset
SELECT murallink.set_db_role('admin.site@example.com', 'regress_site_admin'),
    murallink.set_db_role('user.site@example.com', 'regress_site_user');
SET SESSION AUTHORIZATION regress_site_admin;

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
    (jsonb '{"client_uid": ""}'), ('{"client_uid": null}'), ('{"name": ""}'), ('{"currency": ""}'), ('{"currency": null}'),
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
    ('{"default_payment_type_uid": "000000000000000000000000000"}'), ('{"sponsor": "Acme"}')) AS refused (changed);
SELECT test.answer('create_contract', :'fine' || jsonb_build_object('client_uid', :'contract')) AS contract_as_client,
    test.answer('create_contract', :'fine' || jsonb_build_object('default_payment_type_uid', :'client')) AS client_as_payment_type;
SELECT test.refusal(format('SELECT murallink.create_contract(client_uid => %L, name => ''x'', currency => ''USD'', %I => %L)',
    :'client', field, date))
FROM (VALUES ('contract_start_date', 'infinity'), ('contract_end_date', '10000-01-01'), ('client_signature_date', '0001-01-01 BC'))
    AS refused (field, date);

-- A trial of a contract
SELECT uid AS trial, contract_uid = :'contract' AS of_contract, name, protocol_id
FROM murallink.create_trial(contract_uid => :'contract', name => 'Hester-42', protocol_id => 'XK2293-75260') \gset
\echo :of_contract :name :protocol_id
SELECT uid AS other_trial FROM murallink.create_trial(:'other_contract', 'Other', approve_milestones => true, separate_approver => true) \gset
SELECT jsonb_build_object('contract_uid', :'contract', 'name', 'Refused') AS fine \gset
SELECT changed, test.answer('create_trial', :'fine' || changed)
FROM (VALUES
    (jsonb '{"contract_uid": ""}'), ('{"name": null}'), ('{"contract_uid": "000000000000000000000000000"}'), ('{"contract_uid": "!"}'),
    ('{"approve_milestones": "yes"}'), ('{"separate_approver": 1}'), ('{"protocol": "1"}')) AS refused (changed);
SELECT field, test.answer('create_trial', :'fine' || jsonb_build_object(field, value))
FROM (VALUES ('name', repeat('x', 201)), ('protocol_id', repeat('x', 101)), ('contract_uid', :'client')) AS refused (field, value);

-- A site of a contract, which takes part in a trial at once when that is named
SELECT uid AS site, name, contract_uid = :'contract' AS of_contract
FROM murallink.create_site(name => 'Lawrence Clinic', trial_uid => :'trial', contract_uid => :'contract') \gset
\echo :name :of_contract
SELECT uid AS other_site, contract_uid = :'other_contract' AS of_contract
FROM murallink.create_site(name => 'Dana', trial_uid => :'other_trial', time_zone => 'Europe/Zurich') \gset
\echo :of_contract
SELECT uid AS free_site, contract_uid = :'contract' AS of_contract FROM murallink.create_site(name => 'Free', contract_uid => :'contract') \gset
\echo :of_contract
SELECT jsonb_build_object('name', 'Refused') AS fine \gset
SELECT changed - '{trial_uid,contract_uid}'::text[] AS changed, test.answer('create_site', :'fine' || changed)
FROM (VALUES
    (1, jsonb '{}'), (2, '{"trial_uid": "", "contract_uid": ""}'), (3, '{"trial_uid": "000000000000000000000000000"}'),
    (4, '{"contract_uid": "000000000000000000000000000"}'), (5, jsonb_build_object('trial_uid', :'contract')),
    (6, jsonb_build_object('contract_uid', :'trial')),
    (7, jsonb_build_object('trial_uid', :'trial', 'contract_uid', :'other_contract')),
    (8, jsonb_build_object('contract_uid', :'contract', 'name', '')),
    (9, jsonb_build_object('contract_uid', :'contract', 'time_zone', 'Mars/Phobos')),
    (10, jsonb_build_object('contract_uid', :'contract', 'time_zone', 'utc')),
    (11, jsonb_build_object('contract_uid', :'contract', 'time_zone', '+02:00'))) AS refused (n, changed)
ORDER BY n;
SELECT jsonb_build_object('name', 'x', 'contract_uid', :'contract') AS fine \gset
SELECT field, test.answer('create_site', :'fine' || jsonb_build_object(field, repeat('x', longest + 1)))
FROM (VALUES ('name', 200), ('time_zone', 60)) AS limited (field, longest);

-- A site may take part in trials of other contracts too, in each once
SELECT uid AS trial_site, site_uid = :'free_site' AS site, trial_uid = :'trial' AS trial, site, trial
FROM murallink.add_trial_site(:'trial', :'free_site') \gset seen_
\echo :seen_site :seen_trial
SELECT site_uid = :'other_site' AS site, trial_uid = :'trial' AS trial
FROM murallink.add_trial_site(trial_uid => :'trial', site_uid => :'other_site');
SELECT n, test.answer('add_trial_site', jsonb_build_object('trial_uid', trial, 'site_uid', site))
FROM (VALUES
    (1, :'trial', :'site'), (2, :'trial', :'free_site'), (3, :'trial', ''), (4, '', :'site'), (5, :'trial', :'trial'),
    (6, :'site', :'site'), (7, :'contract', :'site'),
    (8, :'trial', :'contract'), (9, :'trial', :'seen_trial_site'), (10, :'trial', murallink.gen_ksuid()::text),
    (11, murallink.gen_ksuid()::text, :'site')) AS refused (n, trial, site)
ORDER BY n;

-- What it takes: clients and contracts are made by administrators, the rest is granted
RESET SESSION AUTHORIZATION;
SELECT contract.name, trial.name AS trial, approve_milestones, separate_approver, site.name AS site, site.time_zone,
    trial_site.client_uid = :'client' AS of_client
FROM murallink.trial_site JOIN murallink.trial ON trial.uid = trial_uid JOIN murallink.site ON site.uid = site_uid
JOIN murallink.contract ON contract.uid = trial_site.contract_uid
WHERE trial_site.client_uid = :'client' ORDER BY trial.name, site.name;
CREATE FUNCTION pg_temp.answers(contract text, trial text, site text)
RETURNS TABLE (create_client text, create_contract text, create_trial text, create_site text, site_of_trial text, add_trial_site text)
LANGUAGE sql AS $$
    SELECT test.answer('create_client', '{"name": "Mine"}'), test.answer('create_contract', '{"name": "Mine"}'),
        test.answer('create_trial', jsonb_build_object('name', 'Mine', 'contract_uid', contract)),
        test.answer('create_site', jsonb_build_object('name', 'Mine', 'contract_uid', contract)),
        test.answer('create_site', jsonb_build_object('name', 'Mine', 'trial_uid', trial)),
        test.answer('add_trial_site', jsonb_build_object('trial_uid', trial, 'site_uid', site))
$$;
SELECT * FROM pg_temp.answers(:'contract', :'trial', :'free_site');
SET SESSION AUTHORIZATION regress_site_user;
SELECT * FROM pg_temp.answers(:'contract', :'other_trial', :'free_site');
SET SESSION AUTHORIZATION regress_site_admin;
SELECT murallink.grant(:'contract', 'view_contract', :'user'), murallink.grant(:'other_trial', 'add_trial_site', :'user');
SET SESSION AUTHORIZATION regress_site_user;
SELECT * FROM pg_temp.answers(:'contract', :'other_trial', :'free_site');
SET SESSION AUTHORIZATION regress_site_admin;
SELECT murallink.grant(:'contract', 'create_trial', :'user'), murallink.grant(:'contract', 'create_site', :'user'),
    murallink.grant(:'other_trial', 'create_site', :'user'),
    murallink.grant(:'free_site', 'add_trial_site', :'user');
SET SESSION AUTHORIZATION regress_site_user;
SELECT * FROM pg_temp.answers(:'contract', :'other_trial', :'free_site');
RESET SESSION AUTHORIZATION;

-- What stands where cannot be written wrongly, not even by hand
SELECT relation, test.refusal(format('INSERT INTO murallink.%I (%s) VALUES (%s)', relation, columns, vals))
FROM (VALUES
    ('trial', 'client_uid, contract_uid, name', format('%L, %L, ''x''', murallink.gen_ksuid(), :'contract')),
    ('site', 'client_uid, contract_uid, name', format('%L, %L, ''x''', murallink.gen_ksuid(), :'contract')),
    ('trial_site', 'client_uid, contract_uid, trial_uid, site_uid', format('%L, %L, %L, %L', :'client', :'other_contract', :'trial', :'site')),
    ('contract', 'client_uid, name, currency', format('%L, ''x'', ''EURO''', :'client')),
    ('contract', 'client_uid, name, currency, total_contract_value', format('%L, ''x'', ''JPY'', 0.5', :'client')),
    ('client', 'name', ''''''), ('client', 'name, contact_email', '''x'', ''X@example.com''')) AS wrong (relation, columns, vals);

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_site_%';
DROP ROLE regress_site_admin, regress_site_user;
