-- Trials.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_trial_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_trial_user LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.trial@example.com', 'correct horse', 'Olga', 'Admin');
SELECT uid AS "user" FROM murallink.register('user.trial@example.com', 'correct horse', 'Otto', 'User') \gset
SELECT murallink.set_db_role('admin.trial@example.com', 'regress_trial_admin'),
    murallink.set_db_role('user.trial@example.com', 'regress_trial_user');
SET SESSION AUTHORIZATION regress_trial_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Client') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Young-4860', currency => 'USD') \gset
SELECT uid AS other_contract FROM murallink.create_contract(client_uid => :'client', name => 'Other', currency => 'JPY') \gset

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


-- Lists are in the order of creation, of one contract or all; a search finds any part of name or protocol id, in any case
SELECT uid AS wide, name FROM murallink.create_trial(:'contract', 'Ångström_50%', 'microphone') \gset
SELECT name, protocol_id FROM murallink.get_trials(:'contract');
SELECT name FROM murallink.get_trials(contract_uid => :'other_contract');
SELECT count(*) AS of_nothing FROM murallink.get_trials('000000000000000000000000000');
SELECT jsonb_array_length(answer -> 'payload') = (SELECT count(*) FROM murallink.get_trials()) AS all
FROM murallink.api('{"action": "get_trials"}') AS answer;
SELECT query, string_agg(name, ', ') AS finds
FROM (VALUES ('MICRO'), ('hester'), ('ÅNG'), ('xk2293'), ('-75260 '), ('ang'), ('Mícro'), ('%'), ('_'), ('e%r'), ('.'), ('Hester-42XK')) AS part (query)
    LEFT JOIN LATERAL (SELECT name FROM murallink.search_trials(query) WHERE uid IN (:'trial', :'other_trial', :'wide')) AS hit ON true
GROUP BY query ORDER BY query COLLATE "C";
SELECT query, (SELECT count(*) FROM murallink.search_trials(query)) = (SELECT count(*) FROM murallink.get_trials()) AS all
FROM (VALUES (''), (NULL), (' ')) AS empty (query);
SELECT test.answer('search_trials', payload) FROM (VALUES
    (jsonb_build_object('query', repeat('é', 201))), ('{"query": "\u0007"}'), ('{"query": 1}'), ('{"name": "Oscar"}')) AS refused (payload);
SELECT test.answer('get_trial', jsonb_build_object('trial_uid', uid))
FROM (VALUES (:'trial'), (''), ('000000000000000000000000000'), (:'contract'), ('x')) AS asked (uid);

-- A protocol id has one spelling in a contract: by whatever door, one in another case or width is no other
BEGIN;
SELECT uid AS spelled FROM murallink.create_trial(:'contract', 'Spelled', ' Café  1'::text) \gset
SELECT row_number() OVER () AS n, test.answer('create_trial', jsonb_build_object('contract_uid', :'contract', 'name', 'Spelled', 'protocol_id', given)) AS created,
    test.answer('edit_trial', jsonb_build_object('uid', :'trial', 'protocol_id', given)) AS edited
FROM unnest(ARRAY['CAFÉ 1', E'Cafe\u0301\u00a01', 'Ｃafé 1', 'Café 2', 'Café 1']) AS given;
SELECT test.answer('create_trial', jsonb_build_object('contract_uid', :'other_contract', 'name', 'Elsewhere', 'protocol_id', 'CAFÉ 1')) AS elsewhere;
RESET SESSION AUTHORIZATION;
SELECT test.refusal(format('INSERT INTO murallink.trial (client_uid, contract_uid, name, protocol_id) SELECT client_uid, contract_uid, name, %L'
    ' FROM murallink.trial WHERE uid = %L', 'cafÉ 1', :'spelled')) AS by_hand;
SELECT protocol_id, count(*) FROM murallink.trial WHERE name IN ('Spelled', 'Elsewhere') GROUP BY 1 ORDER BY 1 COLLATE "C";
ROLLBACK;

-- Editing: what is absent or null stays, an empty protocol id is none
SELECT uid = :'trial' AS same, name, protocol_id FROM murallink.edit_trial(:'trial', 'Trial 02', 'potato');
SELECT name, protocol_id FROM murallink.edit_trial(uid => :'trial', approve_milestones => true);
SELECT name, protocol_id FROM murallink.edit_trial(uid => :'trial', name => 'Trial 03', protocol_id => '', separate_approver => true);
SELECT (answer -> 'payload') - 'uid' - 'contract_uid' AS sent_back
FROM murallink.api(jsonb_build_object('action', 'edit_trial', 'payload', (SELECT to_jsonb(t) FROM murallink.get_trial(:'trial') t))) AS answer;
SELECT changed, test.answer('edit_trial', jsonb_build_object('uid', :'trial') || changed)
FROM (VALUES
    (jsonb '{"uid": ""}'), ('{"uid": "000000000000000000000000000"}'), ('{"uid": 1}'), ('{"name": ""}'), ('{"approve_milestones": "yes"}'),
    ('{"separate_approver": 0}'), ('{"trial_uid": ""}'), ('{"contract_uid": "000000000000000000000000000"}'), ('{"contract_uid": "x"}'))
    AS refused (changed);
SELECT field, test.answer('edit_trial', jsonb_build_object('uid', :'trial', field, repeat('é', longest + 1)))
FROM (VALUES ('name', 200), ('protocol_id', 100)) AS limited (field, longest);
RESET SESSION AUTHORIZATION;
SELECT name, protocol_id, approve_milestones, separate_approver FROM murallink.trial WHERE uid = :'trial';

-- A trial with enrolled patients or a schedule stays; else it goes with its places at sites, which stay, and all grants there
SET SESSION AUTHORIZATION regress_trial_admin;
SELECT uid AS site FROM murallink.create_site('Site', trial_uid => :'trial') \gset
SELECT uid AS trial_site FROM murallink.add_trial_site(:'wide', :'site') \gset
SELECT uid AS patient FROM murallink.add_patient(:'site', 'Pat', 'Ient') \gset
SELECT murallink.enroll(:'patient', :'trial', :'site', '1'), murallink.grant(:'wide', 'view_trials', :'user'),
    murallink.grant(:'trial_site', 'enroll', :'user'), murallink.grant(:'site', 'view_sites', :'user');
SELECT uid AS scheduled_site FROM murallink.create_site('Scheduled', trial_uid => :'other_trial') \gset
SELECT milestone FROM murallink.add_milestone('Week 1', 10, NULL, :'other_trial', :'scheduled_site');
SELECT test.answer('delete_trial', jsonb_build_object('trial_uid', uid))
FROM (VALUES (:'trial'), (:'other_trial'), (''), ('000000000000000000000000000'), (:'site'), ('x')) AS refused (uid);
SELECT test.answer('delete_trial', jsonb_build_object('trial_uid', :'wide')) AS deleted,
    test.answer('delete_trial', jsonb_build_object('trial_uid', :'wide')) AS again,
    test.answer('get_trial', jsonb_build_object('trial_uid', :'wide')) AS get, test.answer('edit_trial', jsonb_build_object('uid', :'wide')) AS edit;
RESET SESSION AUTHORIZATION;
SELECT resource, permission FROM murallink.permission_grant WHERE app_user_uid = :'user';
SELECT (SELECT count(*) FROM murallink.trial_site WHERE site_uid = :'site') AS other_places;
SELECT resource, action, count(*) FROM murallink.audit_event WHERE trial_uid = :'wide' GROUP BY resource, action ORDER BY resource, action;

-- Who may: at the contract, the trial or above, not by what stands below
CREATE FUNCTION pg_temp.answers(trial text) RETURNS TABLE (action text, answer text) LANGUAGE sql AS $$
    SELECT action, test.answer(action, payload) FROM (VALUES
        ('get_trials', jsonb '{}'), ('search_trials', '{}'), ('get_trial', jsonb_build_object('trial_uid', trial)),
        ('edit_trial', jsonb_build_object('uid', trial, 'name', 'Mine')),
        ('delete_trial', jsonb_build_object('trial_uid', trial))) AS asked (action, payload)
$$;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
SELECT uid AS trial_site FROM murallink.trial_site WHERE trial_uid = :'trial' \gset
SELECT * FROM pg_temp.answers(:'trial');
SET SESSION AUTHORIZATION regress_trial_user;
SELECT * FROM pg_temp.answers(:'trial');
SET SESSION AUTHORIZATION regress_trial_admin;
SELECT murallink.grant(:'trial_site', 'view_trials', :'user'), murallink.grant(:'other_trial', 'view_trials', :'user');
SET SESSION AUTHORIZATION regress_trial_user;
SELECT * FROM pg_temp.answers(:'trial');
SELECT name FROM murallink.get_trials();
SELECT name FROM murallink.search_trials();
SELECT count(*) FROM murallink.get_trials(:'contract');
SET SESSION AUTHORIZATION regress_trial_admin;
SELECT murallink.grant(:'contract', 'edit_trial', :'user'), murallink.grant(:'trial', 'delete_trial', :'user');
SET SESSION AUTHORIZATION regress_trial_user;
SELECT * FROM pg_temp.answers(:'trial');
SET SESSION AUTHORIZATION regress_trial_admin;
SELECT murallink.grant(:'client', 'view_trials', :'user');
SET SESSION AUTHORIZATION regress_trial_user;
SELECT name FROM murallink.get_trial(:'trial');
SELECT name FROM murallink.get_trials();

-- What does away with an approver is for those who approve; what asks for one is not
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.loosened(trial text, contract text) RETURNS TABLE (changed jsonb, answer text) LANGUAGE sql AS $$
    SELECT changed, test.answer('edit_trial', jsonb_build_object('uid', trial) || changed)
    FROM (VALUES
        (1, jsonb '{"separate_approver": true}'), (2, '{"approve_milestones": false}'), (3, '{"separate_approver": false}'),
        (4, '{"approve_milestones": true, "name": "Loose"}'), (5, '{"separate_approver": true, "approve_milestones": false}'))
        AS sent (n, changed)
    UNION ALL
    SELECT changed, test.answer('create_trial', jsonb_build_object('contract_uid', contract, 'name', 'Loose') || changed)
    FROM (VALUES (jsonb '{"approve_milestones": true}'), ('{"approve_milestones": false, "separate_approver": true}')) AS sent (changed)
$$;
SET SESSION AUTHORIZATION regress_trial_admin;
SELECT murallink.grant(:'contract', 'create_trial', :'user');
SET SESSION AUTHORIZATION regress_trial_user;
SELECT * FROM pg_temp.loosened(:'trial', :'contract');
SET SESSION AUTHORIZATION regress_trial_admin;
SELECT murallink.grant(:'contract', 'approve_payments', :'user');
SET SESSION AUTHORIZATION regress_trial_user;
SELECT * FROM pg_temp.loosened(:'trial', :'contract');

RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_trial_%';
DROP ROLE regress_trial_admin, regress_trial_user;
