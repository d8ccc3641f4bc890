-- Sites, and trials at sites.
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
SELECT uid AS client FROM murallink.create_client(name => 'Client') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Young-4860', currency => 'USD') \gset
SELECT uid AS other_contract FROM murallink.create_contract(client_uid => :'client', name => 'Other', currency => 'JPY') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Hester-42', protocol_id => 'XK2293-75260') \gset
SELECT uid AS other_trial FROM murallink.create_trial(:'other_contract', 'Other', approve_milestones => true, separate_approver => true) \gset

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
SELECT uid AS trial_site, site_uid = :'free_site' AS site, trial_uid = :'trial' AS trial, (site).name AS site_name, (trial).protocol_id
FROM murallink.add_trial_site(:'trial', :'free_site') \gset seen_
\echo :seen_site :seen_trial :seen_site_name :seen_protocol_id
SELECT site_uid = :'other_site' AS site, trial_uid = :'trial' AS trial
FROM murallink.add_trial_site(trial_uid => :'trial', site_uid => :'other_site');
SELECT n, test.answer('add_trial_site', jsonb_build_object('trial_uid', trial, 'site_uid', site))
FROM (VALUES
    (1, :'trial', :'site'), (2, :'trial', :'free_site'), (3, :'trial', ''), (4, '', :'site'), (5, :'trial', :'trial'),
    (6, :'site', :'site'), (7, :'contract', :'site'),
    (8, :'trial', :'contract'), (9, :'trial', :'seen_trial_site'), (10, :'trial', murallink.gen_ksuid()::text),
    (11, murallink.gen_ksuid()::text, :'site')) AS refused (n, trial, site)
ORDER BY n;

-- What it takes is granted
RESET SESSION AUTHORIZATION;
SELECT contract.name, trial.name AS trial, approve_milestones, separate_approver, site.name AS site, site.time_zone,
    trial_site.client_uid = :'client' AS of_client
FROM murallink.trial_site JOIN murallink.trial ON trial.uid = trial_uid JOIN murallink.site ON site.uid = site_uid
JOIN murallink.contract ON contract.uid = trial_site.contract_uid
WHERE trial_site.client_uid = :'client' ORDER BY trial.name, site.name;
CREATE FUNCTION pg_temp.answers(contract text, trial text, site text)
RETURNS TABLE (create_trial text, create_site text, site_of_trial text, add_trial_site text)
LANGUAGE sql AS $$
    SELECT test.answer('create_trial', jsonb_build_object('name', 'Mine', 'contract_uid', contract)),
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
    ('trial_site', 'client_uid, contract_uid, trial_uid, site_uid', format('%L, %L, %L, %L', :'client', :'contract', :'other_trial', :'site')))
    AS wrong (relation, columns, vals);

-- The list shows no trials, the site by itself those that its viewer may see
SET SESSION AUTHORIZATION regress_site_admin;
SELECT name, contract_uid = :'contract' AS of_contract, time_zone, trial_sites FROM murallink.get_sites()
WHERE uid IN (:'site', :'other_site', :'free_site');
SELECT (answer #> '{payload}') @> '[{"name": "Free"}]' AS lists, answer #> '{payload,0}' ? 'trial_sites' AS with_trials
FROM murallink.api('{"action": "get_sites"}') AS answer;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.shown(site text) RETURNS TABLE (trial_site boolean, site_name text, trial_name text) LANGUAGE sql AS $$
    SELECT t ->> 'uid' <> '', t #>> '{site,name}', t #>> '{trial,name}'
    FROM murallink.api(jsonb_build_object('action', 'get_site', 'payload', jsonb_build_object('uid', site))) AS answer,
        jsonb_array_elements(answer #> '{payload,trial_sites}') AS t
$$;
SET SESSION AUTHORIZATION regress_site_admin;
SELECT * FROM pg_temp.shown(:'free_site');
SELECT * FROM pg_temp.shown(:'other_site');
SELECT uid AS new_site, trial_sites FROM murallink.create_site(name => 'New', contract_uid => :'contract', time_zone => 'UTC') \gset
SELECT (answer -> 'payload') - 'uid' - 'contract_uid' AS alone
FROM murallink.api(jsonb_build_object('action', 'get_site', 'payload', jsonb_build_object('uid', :'new_site'))) AS answer;
SELECT test.answer('get_site', jsonb_build_object('uid', uid))
FROM (VALUES (:'site'), (''), ('000000000000000000000000000'), (:'trial'), (:'seen_trial_site'), ('x')) AS asked (uid);

-- Editing: what is absent or null stays, an empty time zone is none
SELECT name, time_zone, contract_uid = :'contract' AS of_contract, trial_sites FROM murallink.edit_site(:'new_site', 'Renamed');
SELECT name, time_zone FROM murallink.edit_site(uid => :'new_site', time_zone => 'America/Chicago');
SELECT name, time_zone FROM murallink.edit_site(uid => :'new_site', name => NULL, time_zone => '');
SELECT test.answer('edit_site', (answer -> 'payload') || '{"name": "Sent back"}') AS sent_back
FROM murallink.api(jsonb_build_object('action', 'get_site', 'payload', jsonb_build_object('uid', :'free_site'))) AS answer;
SELECT changed, test.answer('edit_site', jsonb_build_object('uid', :'new_site') || changed)
FROM (VALUES
    (jsonb '{"uid": ""}'), ('{"uid": "000000000000000000000000000"}'), ('{"uid": 1}'), ('{"name": ""}'), ('{"time_zone": "utc"}'),
    ('{"time_zone": 1}'), ('{"site_uid": ""}'), ('{"contract_uid": "000000000000000000000000000"}'), ('{"contract_uid": "x"}'))
    AS refused (changed);
SELECT field, test.answer('edit_site', jsonb_build_object('uid', :'new_site', field, repeat('é', longest + 1)))
FROM (VALUES ('name', 200), ('time_zone', 60)) AS limited (field, longest);

-- A site that takes part in a trial or has patients stays; else it goes with the grants on it
SELECT uid AS patient FROM murallink.add_patient(:'new_site', 'Pat', 'Ient') \gset
SELECT uid AS spare FROM murallink.create_site(name => 'Spare', contract_uid => :'contract') \gset
SELECT murallink.grant(:'spare', 'view_sites', :'user');
SELECT test.answer('delete_site', jsonb_build_object('site_uid', uid))
FROM (VALUES (:'site'), (:'new_site'), (''), ('000000000000000000000000000'), (:'trial'), ('x')) AS refused (uid);
SELECT murallink.api(jsonb_build_object('action', 'delete_site', 'payload', jsonb_build_object('site_uid', :'spare'))) - 'request_id' AS deleted;
SELECT test.answer('delete_site', jsonb_build_object('site_uid', :'spare')) AS again,
    test.answer('get_site', jsonb_build_object('uid', :'spare')) AS get, test.answer('edit_site', jsonb_build_object('uid', :'spare')) AS edit;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM murallink.permission_grant WHERE site_uid = :'spare';

-- Who may: at the site or above it; what was granted on a trial there shows no site
CREATE FUNCTION pg_temp.reads(site text) RETURNS TABLE (action text, answer text) LANGUAGE sql AS $$
    SELECT action, test.answer(action, payload) FROM (VALUES
        ('get_sites', jsonb '{}'), ('get_site', jsonb_build_object('uid', site)), ('edit_site', jsonb_build_object('uid', site, 'name', 'Mine')),
        ('delete_site', jsonb_build_object('site_uid', site))) AS asked (action, payload)
$$;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
SELECT * FROM pg_temp.reads(:'site');
SET SESSION AUTHORIZATION regress_site_user;
SELECT * FROM pg_temp.reads(:'site');
SET SESSION AUTHORIZATION regress_site_admin;
SELECT murallink.grant(:'trial', 'view_sites', :'user'), murallink.grant(:'free_site', 'enroll', :'user');
SET SESSION AUTHORIZATION regress_site_user;
SELECT * FROM pg_temp.reads(:'site');
SELECT * FROM pg_temp.reads(:'free_site');
SELECT count(*) FROM murallink.get_sites();
SET SESSION AUTHORIZATION regress_site_admin;
SELECT murallink.grant(:'free_site', 'view_sites', :'user'), murallink.grant(:'site', 'delete_site', :'user');
SET SESSION AUTHORIZATION regress_site_user;
SELECT * FROM pg_temp.reads(:'site');
SELECT * FROM pg_temp.reads(:'free_site');
SELECT * FROM pg_temp.shown(:'free_site');
SELECT name FROM murallink.get_sites();
SET SESSION AUTHORIZATION regress_site_admin;
SELECT murallink.grant(:'contract', 'view_trials', :'user');
SET SESSION AUTHORIZATION regress_site_user;
SELECT * FROM pg_temp.shown(:'free_site');

RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_site_%';
DROP ROLE regress_site_admin, regress_site_user;
