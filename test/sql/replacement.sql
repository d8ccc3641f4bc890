-- Who may replace a card, how often, and what is answered; what no statement does to a card that has ended.
\set SHOW_CONTEXT never
CREATE ROLE regress_replacement_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_replacement_user LOGIN IN ROLE murallink_client;
CREATE ROLE regress_replacement_operator LOGIN IN ROLE murallink_operator, murallink_client;
SELECT email FROM murallink.create_admin('admin.replacement@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS "user" FROM murallink.register('user.replacement@example.com', 'correct horse', 'Ute', 'User') \gset
SELECT murallink.set_db_role(name || '.replacement@example.com', 'regress_replacement_' || name) FROM unnest('{admin,user}'::text[]) AS name;
SELECT uid AS debit FROM murallink_private.payment_type WHERE name = 'debit' \gset
SET SESSION AUTHORIZATION regress_replacement_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Cards') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Cards', currency => 'USD', default_payment_type_uid => :'debit') \gset
SELECT uid AS other_contract FROM murallink.create_contract(client_uid => :'client', name => 'Other', currency => 'USD') \gset
SELECT murallink.add_funding(:'contract', 1000, 'USD');
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Cards') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid AS far_site FROM murallink.create_site(contract_uid => :'other_contract', name => 'Far') \gset
SELECT uid AS far FROM murallink.add_trial_site(trial_uid => :'trial', site_uid => :'far_site') \gset
SELECT uid AS pat FROM murallink.add_patient(:'site', 'Pat', 'Payee', email => 'pat@example.com') \gset
SELECT uid AS quin FROM murallink.add_patient(:'far_site', 'Quin', 'Payee', email => 'quin@example.com') \gset
SELECT uid AS new FROM murallink.add_patient(:'site', 'New', 'Payee', email => 'new@example.com') \gset
SELECT count(murallink.enroll(p::murallink.ksuid, :'trial', s::murallink.ksuid, p)) FROM (VALUES (:'pat', :'site'), (:'quin', :'far_site')) AS e (p, s);
RESET SESSION AUTHORIZATION;
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key)
SELECT p, 'dash', '1', 'done', '6001' || place FROM unnest(ARRAY[:'pat', :'quin', :'new']::murallink.ksuid[]) WITH ORDINALITY AS a (p, place);
CREATE VIEW test.card AS
SELECT c.proxy_key, c.status, c.ended_reason, c.ended_note, c.ended_at = 'infinity' AS present FROM murallink_private.card c
WHERE c.proxy_key LIKE '6001%' OR c.patient_uid IN (:'pat', :'quin') ORDER BY c.created_at;

-- Nothing is revealed to those who hold nothing; a site of another contract is not enough, because the card has the money of the trial
SET SESSION AUTHORIZATION regress_replacement_user;
SELECT jsonb_build_object('patient_uid', :'pat', 'reason', 'lost', 'note', 'in the bus') AS fine \gset
SELECT jsonb_build_object('patient_uid', :'quin') AS quins \gset
SELECT test.answer('replace_card', :'fine'::jsonb) AS nothing, test.answer('replace_card', :'fine'::jsonb || '{"patient_uid": "0ujtsYcgvSTl8PAuAdqWYSMnLOv"}') AS nobody;
SET SESSION AUTHORIZATION regress_replacement_admin;
SELECT murallink.grant(:'site', 'view_patients', :'user'), murallink.grant(:'far_site', 'replace_card', :'user');
SET SESSION AUTHORIZATION regress_replacement_user;
SELECT test.answer('replace_card', :'fine'::jsonb) AS another_permission, test.answer('replace_card', :'fine'::jsonb || :'quins'::jsonb) AS site_of_another_contract;
SET SESSION AUTHORIZATION regress_replacement_admin;
SELECT murallink.grant(:'far', 'replace_card', :'user'), murallink.grant(:'site', 'replace_card', :'user');
SET SESSION AUTHORIZATION regress_replacement_user;
SELECT test.answer('replace_card', :'fine'::jsonb || jsonb_build_object('patient_uid', :'new')) AS in_no_trial;

-- What is refused
SELECT changed, test.answer('replace_card', :'fine'::jsonb || changed)
FROM (VALUES
    (jsonb '{"patient_uid": ""}'), ('{"patient_uid": "x"}'), ('{"reason": ""}'), ('{"reason": "mislaid"}'), ('{"note": ""}'), ('{"note": null}'),
    ('{"note": 1}'), ('{"proxy_key": "12x"}'), ('{"proxy_key": "000"}'), ('{"proxy_key": "60011"}'), ('{"proxy_key": "0060012"}'), ('{"uid": ""}')) AS refused (changed);
SELECT field, longest, test.answer('replace_card', :'fine'::jsonb || jsonb_build_object(field, repeat('1', longest + 1)))
FROM (VALUES ('note', 1000), ('proxy_key', 100)) AS limited (field, longest);

-- A client replaces a card as often as the setting says; an order that is under way is no further one
SELECT status, reason, in_flight, waiting, balance FROM murallink.replace_card(:'quin', 'stolen', 'out of the bag', '60014');
SELECT test.answer('replace_card', :'fine'::jsonb || :'quins'::jsonb) AS too_often,
    test.answer('replace_card', :'fine'::jsonb || :'quins'::jsonb || '{"proxy_key": "60011"}') AS whether_a_key_is_known;
SELECT status, reason, in_flight, waiting, balance FROM murallink.replace_card(:'pat', 'lost', 'in the bus');
SELECT test.answer('replace_card', :'fine'::jsonb) AS under_way;
SET SESSION AUTHORIZATION regress_replacement_operator;
SELECT status, reason, in_flight, waiting, balance FROM murallink.replace_card(:'quin', 'damaged', 'the dog', '60015');
SELECT status, reason, in_flight, waiting, balance FROM murallink.replace_card(:'pat', 'never_arrived', 'handed out', '60016');
SELECT since IS NOT NULL AS since, until IS NOT NULL AS until, ended_reason, ended_note FROM murallink.cards(:'quin');
SELECT test.answer('replace_card', :'fine'::jsonb || '{"patient_uid": "0ujtsYcgvSTl8PAuAdqWYSMnLOv"}') AS nobody;
RESET SESSION AUTHORIZATION;
SELECT * FROM test.card;
SELECT changes -> 'ended_reason' AS reason, changes -> 'ended_note' AS note, db_user, app_user_uid = :'user' AS by_user
FROM murallink.audit_event WHERE resource = 'card' AND changes ? 'ended_at' AND db_user ~ 'replacement' ORDER BY at, uid;

-- No statement brings a card back, orders one that has ended, or makes a second one
SELECT uid AS ended FROM murallink_private.card WHERE proxy_key = '60012' \gset
SELECT uid AS cancelled FROM murallink_private.card WHERE patient_uid = :'pat' AND status = 'cancelled' \gset
SELECT change, test.refusal(format('UPDATE murallink_private.card SET %s WHERE uid = %L', change, :'ended'))
FROM unnest('{"ended_at = ''infinity'', ended_reason = '''', ended_note = ''''","ended_reason = ''lost''","ended_note = ''other''","ended_at = now()","proxy_key = ''6''"}'::text[]) AS change;
SELECT change, test.refusal(format('UPDATE murallink_private.card SET %s WHERE uid = %L', change, :'cancelled'))
FROM unnest('{"status = ''waiting''","status = ''ready''","status = ''done'', proxy_key = ''60019''"}'::text[]) AS change;
SELECT test.refusal(format('UPDATE murallink_private.card SET ended_at = now() WHERE proxy_key = %L', '60015')) AS without_a_reason,
    test.refusal(format('UPDATE murallink_private.card SET status = %L WHERE proxy_key = %L', 'cancelled', '60015')) AS present_one,
    test.refusal(format('INSERT INTO murallink_private.card (patient_uid, partner, program) VALUES (%L, %L, %L)', :'quin', 'dash', '1')) AS second,
    test.refusal(format('INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key) VALUES (%L, %L, %L, %L, %L)',
        :'quin', 'dash', '2', 'done', '060014')) AS key_of_an_ended_one;

DROP VIEW test.card;
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_replacement_%';
DROP ROLE regress_replacement_admin, regress_replacement_user, regress_replacement_operator;
