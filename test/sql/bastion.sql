-- Bastion: what each request is, what answers mean, the lists that are kept, a new password, and what the webhook tells.
\set SHOW_CONTEXT never
CREATE ROLE regress_bastion_operator LOGIN IN ROLE murallink_operator;
CREATE ROLE regress_bastion_client LOGIN IN ROLE murallink_client;
CREATE ROLE regress_bastion_analyst LOGIN IN ROLE murallink_analyst;
CREATE ROLE regress_bastion_stranger LOGIN IN ROLE murallink_analyst;
SELECT email FROM murallink.create_admin('bastion.analyst@example.com', 'correct horse', 'Ada', 'Analyst');
SELECT murallink.set_db_role('bastion.analyst@example.com', 'regress_bastion_analyst');
\set settings '{"plan_id": "85", "policy_id": 2058, "country": 162, "concurrency": 1}'
\set secrets '{"username": "u", "password": "old secret", "webhook_access_key": "a key long enough"}'
SELECT murallink.configure_partner('bastion', 'https://bastion.example.com', :'settings', :'secrets');
SELECT murallink.enable_payouts();

-- Every request
CREATE FUNCTION test.bastion(operation text, params jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', p ->> 'method', p ->> 'url', p -> 'headers', p -> 'body', CASE p ->> 'repeatable' WHEN 'true' THEN 'repeatable' END)
    FROM murallink.partner_preview('bastion', operation, params) p
$$;
SELECT operation, test.bastion(operation, params::jsonb) FROM (VALUES
    ('login', '{}'), ('reset_password', '{"email": "vendor@example.com"}'), ('plans', '{}'), ('plan', '{}'), ('plan', '{"id": "1/2"}'),
    ('conditions', '{}'), ('conditions', '{"query": "abdominal & more"}'), ('remove', '{"member_id": "100004976"}'),
    ('member_status', '{"member_id": 100004976}'), ('member_plan', '{"member_id": "100004976"}'), ('utilization', '{"member_id": "100004976"}'),
    ('undo_remove', '{"member_id": "100004976"}'), ('change_plan', '{"member_id": "100004976", "old_plan_id": 85, "new_plan_id": "86"}'),
    ('change_details', '{"member_id": "100004976", "first_name": "Jonny", "last_name": "Doe", "dob": "1962-01-10", "gender": "Male", "phone": "+2349029111111", "address": "1 Road"}'),
    ('webhook', '{"webhook_url": "https://pay.example.com/rpc/bastion_event"}'), ('states', '{"and_cities": true}'), ('cities', '{"state_id": 15}'),
    ('providers', '{}'), ('providers', '{"provider_type": "Hospital", "state_id": 10, "city_id": "115", "search_text": "ABC Health", "plan_id": 85}'))
    AS asked (operation, params);
SELECT test.refusal('SELECT test.bastion(''change_password'')') AS no_new_password;

CREATE TEMP TABLE member (params jsonb);
INSERT INTO member VALUES ('{"reference": "r1", "first_name": "John", "middle_name": "M", "last_name": "Doe", "maiden_name": "Roe",
    "email": "john@example.com", "dob": "1962-01-10", "gender": "Male", "phone": "2349029111111", "relation": "Friend", "marital_status": "Single",
    "state": 15, "city": "271", "address": "1 Road", "genotype": "AS", "blood_group": "AB-", "religion": "Other", "employee_id": "E", "national_id": "N",
    "nin_number": "I", "height": 1.8, "weight": 80, "pre_existing_condition": true, "condition": ["651", 652]}');
SELECT jsonb_pretty(murallink.partner_preview('bastion', 'endorse', params) -> 'body') FROM member;

-- The enumerations, as they are sent
SELECT f.field, string_agg(concat(c, '=', p.body #>> e.path), ', ' ORDER BY n) AS sent
FROM member m, murallink.partner_operations() f, unnest(string_to_array(f.choices, ', ')) WITH ORDINALITY c (c, n),
    LATERAL (SELECT murallink.partner_preview('bastion', 'endorse', m.params || jsonb_build_object(f.field, c)) -> 'body' AS body) p,
    LATERAL (SELECT ARRAY['customer', CASE f.field WHEN 'marital_status' THEN 'maritalStatus' WHEN 'blood_group' THEN 'bloodGroup' ELSE f.field END] AS path) e
WHERE f.operation = 'endorse' AND f.choices IS NOT NULL AND f.field <> 'payment_plan' GROUP BY f.field ORDER BY f.field;
SELECT c, substring(test.bastion('providers', jsonb_build_object('provider_type', c)) FROM '\?\S*') AS sent
FROM murallink.partner_operations() f, unnest(string_to_array(f.choices, ', ')) WITH ORDINALITY c (c, n) WHERE f.field = 'provider_type' ORDER BY n;

-- What is wrong
SELECT more, test.refusal(format('SELECT test.bastion(''endorse'', %L)', params || more::jsonb)) FROM member, (VALUES
    ('{"reference": ""}'), ('{"plan_id": {}}'), ('{"first_name": null}'), ('{"dob": "10-01-1962"}'), ('{"gender": "male"}'), ('{"phone": "12"}'),
    ('{"phone": "+12 345 678 90"}'), ('{"relation": "Self"}'), ('{"relation": null}'), ('{"marital_status": 1}'), ('{"marital_status": "single"}'),
    ('{"state": "Lagos"}'), ('{"city": null}'), ('{"address": ""}'), ('{"genotype": "SS"}'), ('{"blood_group": "A"}'), ('{"religion": "None"}'),
    ('{"height": "1.8"}'), ('{"weight": 0}'), ('{"pre_existing_condition": 1}'), ('{"pre_existing_condition": false}'), ('{"condition": []}'),
    ('{"condition": "651"}'), ('{"payment_plan": "Monthly"}'), ('{"pre_existing_condition": false, "condition": null}'), ('{"firstName": "J"}')) AS wrong (more);
SELECT operation, params, test.refusal(format('SELECT test.bastion(%L, %L)', operation, params)) FROM (VALUES
    ('plan', '{"id": []}'), ('remove', '{}'), ('change_plan', '{"member_id": "1", "old_plan_id": 1}'), ('change_details', '{"member_id": "1"}'),
    ('webhook', '{"webhook_url": "http://pay.example.com"}'), ('cities', '{}'), ('providers', '{"provider_type": "4"}'), ('reset_password', '{}')) AS wrong (operation, params);

-- What settings change
SELECT murallink.configure_partner('bastion', settings => '{"relation": "Self", "token_expires": 0, "bearer_prefix": true, "payment_plan_field": "paymentPlan"}');
SELECT test.bastion('login'), test.bastion('plans');
SELECT body #>> '{customer,relation}' AS relation, body -> 'paymentPlan' AS payment_plan
FROM member, LATERAL (SELECT murallink.partner_preview('bastion', 'endorse',
    params - 'relation' || '{"payment_plan": "Bi-annually", "plan_id": 1, "policy_id": 2, "country": 3}') -> 'body' AS body) p;
SELECT murallink.configure_partner('bastion', settings => :'settings');

-- What answers mean: the documented forms, refusals in each of them, and what speaks of another member
CREATE FUNCTION test.meaning(operation text, status integer, answer text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', m ->> 'outcome', m -> 'facts') FROM murallink_private.partner_meaning('bastion', operation, '{"member_id": "100004976"}', status, answer) m
$$;
SELECT operation, status, test.meaning(operation, status, answer) FROM (VALUES
    ('login', 200, '{"status": true, "token": "eyJ"}'), ('login', 200, '{"status": true}'), ('login', 401, '{"status": false, "message": "Wrong password"}'),
    ('change_password', 200, '{"data": {"success": true, "message": "Password Successfully updated!"}}'),
    ('change_password', 200, '{"data": {"success": false, "message": "Wrong password"}}'),
    ('reset_password', 200, '{"status": true, "message": "Successful!"}'),
    ('plans', 200, '{"status": true, "message": "m", "data": [{"id": 10052, "name": "Gold Plan", "description": "Lorem", "category": "string", "state": "Published", "premium": 64500.00}, {"name": "no id"}]}'),
    ('plan', 200, '{"status": true, "message": "m", "data": {"id": 10052, "name": "Gold Plan", "premium": "free"}}'),
    ('plans', 200, '{"status": true, "message": "m"}'),
    ('endorse', 200, '{"status": true, "data": {"success": 1, "message": "m", "membersDetails": {"planId": "85", "memberId": "100004976", "policyId": 2058, "firstName": "John", "dob": "10-01-1962"}}}'),
    ('endorse', 200, '{"status": true, "data": {"success": 1, "message": "m", "membersDetails": {}}}'),
    ('endorse', 200, '{"status": true, "data": {"success": 0, "message": "Duplicate"}}'), ('endorse', 422, '{"message": "Invalid dob"}'),
    ('endorse', 200, '{}'), ('endorse', 500, '{"message": "m"}'), ('webhook', 400, '{"status": true, "message": "m"}'),
    ('conditions', 200, '{"statusCode": 200, "message": "m", "data": [{"id": "651", "pec_name": "Abdominal pregnancy", "pec_chapter_id": "14", "pec_status": "1"}]}'),
    ('conditions', 200, '{"statusCode": 400, "message": "m", "data": []}'),
    ('remove', 200, '{"status": true, "data": {"success": 1, "message": "m", "memberId": "100004976", "policyId": "2058"}}'),
    ('remove', 200, '{"status": true, "data": {"success": 1, "message": "m", "memberId": "1", "policyId": "2058"}}'),
    ('member_status', 200, '{"status": true, "data": {"success": 1, "message": "m", "member": {"memberId": 100004976, "dob": "1962-01-10", "status": "Active"}}}'),
    ('member_plan', 200, '{"status": true, "data": {"success": 1, "message": "m", "member": {"memberId": "100004976", "planId": "85", "planName": "Plan"}}}'),
    ('utilization', 200, '{"status": true, "data": {"success": 1, "message": "m", "membersDetails": {"memberId": "100004976", "planName": "Plan", "provider": "HOSPITAL", "totalSpent": 999, "balance": 9999999}}}'),
    ('undo_remove', 200, '{"status": true, "data": {"success": 1, "message": "m", "membersDetails": {"planId": "85", "memberId": "100004976"}}}'),
    ('change_plan', 200, '{"status": true, "data": {"success": 1, "message": "m", "membersDetails": {"memberId": "100004976", "planId": "86"}}}'),
    ('change_details', 200, '{"status": true, "data": {"success": 1, "message": "m", "membersDetails": {"memberId": "100004976", "relation": "Self"}}}'),
    ('webhook', 200, '{"status": true, "message": "Configuration updated successfully!"}'),
    ('states', 200, '{"status": true, "message": "m", "data": [{"id": 15, "name": "Abuja (FCT)", "country_id": 162}]}'),
    ('cities', 200, '{"status": true, "message": "m", "data": [{"id": 271, "name": "Gwagwalada", "state_id": 15}]}'),
    ('providers', 200, '{"status": true, "message": "m", "data": [{"name": "ABC Health", "code": "ABC-HEALTH", "email": "abc@health.com", "addressLine1": "Line 1", "longitude": "0.000000024", "rating": "5"}]}'),
    ('plans', 401, '{"status": false, "message": "Token expired"}')) AS answered (operation, status, answer);

-- The lists: a whole one replaces, a part of one adds; each state's cities are asked for
CREATE FUNCTION test.answer_bastion(facts jsonb, outcome text DEFAULT 'done') RETURNS TABLE (operation text, params jsonb) LANGUAGE plpgsql AS $$
DECLARE
    call record;
BEGIN
    FOR call IN SELECT * FROM murallink_private.claim_calls('bastion', 50) LOOP
        operation := call.operation;
        params := call.params;
        RETURN NEXT;
        PERFORM murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', call.call_uid, 'attempt', call.attempt, 'outcome', outcome,
            'http_status', 200, 'reason', 'because', 'facts', facts, 'answer', '{}')));
    END LOOP;
END
$$;
SET SESSION AUTHORIZATION regress_bastion_operator;
SELECT operation, status FROM murallink.refresh_bastion();
RESET SESSION AUTHORIZATION;
\set lists '{"plans": [{"id": "1", "name": "Gold", "premium": "64500"}, {"id": "2", "name": "Silver"}, {"id": "2", "name": "Silver again"}], "conditions": [{"id": "651", "name": "Pain"}], "states": [{"id": "15", "name": "Abuja"}, {"id": "16", "name": "Lagos"}], "providers": [{"code": "A", "name": "ABC", "longitude": "0.000000024"}, {"code": "B", "name": "BCD"}]}'
SELECT * FROM test.answer_bastion(:'lists') ORDER BY operation;
SELECT * FROM test.answer_bastion('{"cities": [{"id": "271", "name": "Gwagwalada", "state_id": "15"}, {"id": "272", "name": "Ikeja", "state_id": "16"}]}') ORDER BY params;
SELECT murallink.partner_request('bastion', 'cities', '{"state_id": 15}') IS NOT NULL, murallink.partner_request('bastion', 'plan', '{"id": 1}') IS NOT NULL,
    murallink.partner_request('bastion', 'providers', '{"state_id": 15}') IS NOT NULL, murallink.partner_request('bastion', 'conditions', '{"query": "x"}') IS NOT NULL;
SELECT * FROM test.answer_bastion('{"cities": [{"id": "300", "name": "Only"}], "plans": [{"id": "1", "name": "Gold", "premium": "70000"}], "providers": [{"code": "A", "name": "New"}, {"code": "C"}], "conditions": []}') ORDER BY operation;
SET SESSION AUTHORIZATION regress_bastion_analyst;
SELECT id, name, premium, heard_at IS NOT NULL AS heard FROM murallink.bastion_plan ORDER BY id;
SELECT id, name, state_id FROM murallink.bastion_city ORDER BY id, state_id;
SELECT code, name, longitude FROM murallink.bastion_provider ORDER BY code;
SELECT (SELECT count(*) FROM murallink.bastion_condition) AS conditions, (SELECT count(*) FROM murallink.bastion_state) AS states;
SET SESSION AUTHORIZATION regress_bastion_operator;
SELECT count(*) AS for_operators FROM murallink.bastion_plan;
SET SESSION AUTHORIZATION regress_bastion_stranger;
SELECT count(*) AS for_strangers FROM murallink.bastion_plan;
RESET SESSION AUTHORIZATION;

-- A new password: it is the password once Bastion says so, and gone when it refuses
SELECT murallink.configure_partner('bastion', secrets => :'secrets'::jsonb || '{"new_password": "new secret"}');
SELECT test.bastion('change_password');
SELECT murallink.partner_request('bastion', 'change_password') IS NOT NULL AS asked;
SELECT test.refusal('SELECT murallink.partner_request(''bastion'', ''change_password'')') AS one_at_a_time;
SELECT count(*) AS noted FROM murallink_private.route_change c JOIN murallink_private.partner p ON p.uid = c.subject_uid WHERE p.name = 'bastion' \gset
SELECT * FROM test.answer_bastion('{}');
SELECT count(*) - :noted AS follows FROM murallink_private.route_change c JOIN murallink_private.partner p ON p.uid = c.subject_uid WHERE p.name = 'bastion';
SELECT secrets FROM murallink_private.partner_secret s JOIN murallink_private.partner p ON p.uid = s.partner_uid WHERE p.name = 'bastion';
SELECT murallink.configure_partner('bastion', secrets => :'secrets'::jsonb || '{"new_password": "weak"}');
SELECT murallink.partner_request('bastion', 'change_password') IS NOT NULL AS asked;
SELECT * FROM test.answer_bastion('{}', 'declined');
SELECT secrets FROM murallink_private.partner_secret s JOIN murallink_private.partner p ON p.uid = s.partner_uid WHERE p.name = 'bastion';

-- The webhook
SET SESSION AUTHORIZATION regress_bastion_client;
SELECT event, test.refusal(format('SELECT murallink.bastion_event(%L)', event)) FROM unnest(ARRAY[
    '{}', '[]', 'null', '"a key long enough"', '{"accessKey": "a long"}', '{"accessKey": "a key long enough"}', '{"accessKey": "a key long enough", "event": 7}', '{"accessKey": "a key long enough", "event": "plan-renamed", "data": {"planId": 1}}']) AS event;
SELECT test.refusal('SELECT murallink.bastion_events()') AS for_operators;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION test.hear(event text, data jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT murallink.bastion_event(jsonb_build_object('accessKey', 'a key long enough', 'event', event, 'data', data))
$$;
CREATE FUNCTION test.ask(operation text, params jsonb) RETURNS murallink.ksuid LANGUAGE sql AS $$
    SELECT murallink.partner_request('bastion', operation, params)
$$;
CREATE VIEW test.members AS
SELECT t.operation, coalesce(t.params ->> 'reference', t.params ->> 'member_id') AS of, t.status, t.facts, t.note <> '' AS noted
FROM murallink_private.call t WHERE t.partner = 'bastion' AND t.operation IN ('endorse', 'undo_remove');
\set details '{"last_name": "Doe", "dob": "1962-01-10", "gender": "Male", "phone": "2349029111111", "relation": "Friend", "marital_status": "Single", "state": 15, "city": 271, "address": "1 Road"}'
-- Told before it was asked for: that was another. Told of after the doubt; and while the call was under way
SELECT test.hear('added-policy-member', '{"memberId": "90", "phone": "2349029111111", "firstName": "Ann", "lastName": "Doe"}');
SELECT test.ask('endorse', :'details'::jsonb || '{"reference": "ann", "first_name": "Ann"}') IS NOT NULL AS asked;
SELECT operation FROM test.answer_bastion('{}', 'in_doubt');
SELECT * FROM test.members ORDER BY of;
SELECT test.hear('added-policy-member', '{"memberId": "91", "firstName": "Bob", "lastName": "Doe", "dob": "10-01-1962"}');
SELECT test.hear('added-policy-member', '{"memberId": "92", "phone": "2349029111111", "firstName": "ann", "lastName": "DOE", "dob": "11-01-1962"}');
SELECT test.hear('added-policy-member', '{"firstName": "Ann", "lastName": "Doe"}');
SELECT test.hear('re-endorsed-member', '{"memberId": "93", "firstName": "Ann", "lastName": "Doe"}');
SELECT * FROM test.members ORDER BY of;
SELECT test.hear('added-policy-member', '{"memberId": "94", "phone": "2349029111111", "firstName": "ann", "lastName": "DOE", "dob": "10-01-1962", "planId": "85", "policyId": "2058"}') FROM generate_series(1, 3);
SELECT * FROM test.members ORDER BY of;
SELECT test.ask('endorse', :'details'::jsonb || '{"reference": "bob", "first_name": "Bob"}') IS NOT NULL AS asked;
SELECT call_uid AS bob, attempt AS bobs_attempt FROM murallink_private.claim_calls('bastion', 1) \gset
SELECT test.hear('added-policy-member', '{"memberId": "95", "reference": "bob"}');
SELECT * FROM test.members WHERE of = 'bob';
SELECT murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', :'bob', 'attempt', :bobs_attempt, 'outcome', 'in_doubt', 'reason', 'lost', 'facts', '{}'::jsonb)));
SELECT * FROM test.members WHERE of = 'bob';
-- An event is heard while Dan's call is under way, and Eve is asked for after it: it was another Eve
SELECT test.ask('endorse', :'details'::jsonb || '{"reference": "dan", "first_name": "Dan"}') IS NOT NULL AS asked;
SELECT call_uid AS dan, attempt AS dans_attempt FROM murallink_private.claim_calls('bastion', 1) \gset
SELECT test.hear('added-policy-member', '{"memberId": "97", "phone": "2349029111111", "firstName": "Eve", "lastName": "Doe"}');
SELECT test.ask('endorse', :'details'::jsonb || '{"reference": "eve", "first_name": "Eve"}') IS NOT NULL AS asked;
SELECT operation FROM test.answer_bastion('{}', 'in_doubt');
SELECT murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', :'dan', 'attempt', :dans_attempt, 'outcome', 'in_doubt', 'reason', 'lost', 'facts', '{}'::jsonb)));
SELECT * FROM test.members WHERE of IN ('dan', 'eve') ORDER BY of;
-- Two who might be meant; then the return of one who was removed
SELECT test.ask('endorse', :'details'::jsonb || '{"reference": "twin1", "first_name": "Cat"}') IS NOT NULL, test.ask('endorse', :'details'::jsonb || '{"reference": "twin2", "first_name": "Cat"}') IS NOT NULL;
SELECT test.ask('undo_remove', '{"member_id": 94}') IS NOT NULL AS asked;
SELECT operation FROM test.answer_bastion('{}', 'in_doubt') ORDER BY 1;
SELECT test.hear('added-policy-member', '{"memberId": "96", "phone": "2349029111111", "firstName": "Cat", "lastName": "Doe"}');
SELECT test.hear('re-endorsed-member', '{"memberId": "94", "firstName": "Ann", "lastName": "Doe"}') FROM generate_series(1, 2);
SELECT * FROM test.members WHERE of ~ 'twin|94' ORDER BY of;
-- While a restoration is in doubt the clock is set forward by an hour, as if the attempt were an hour ago: it may be on its way
SELECT murallink_private.request_begin('bastion', 'undo_remove', '{"member_id": 194}', 'participation', murallink.gen_ksuid()) AS restoration \gset
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE open AND uid <> :'restoration';
SELECT operation FROM test.answer_bastion('{}', 'in_doubt');
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.call SET claimed_at = claimed_at - interval '1 h', settled_at = settled_at - interval '1 h'
WHERE uid = :'restoration';
COMMIT;
CREATE FUNCTION test.look_at(restoration murallink.ksuid) RETURNS TABLE (operation text, status text) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink_private.call c SET due_at = clock_timestamp() WHERE c.subject_uid = restoration;
    RETURN QUERY SELECT a.operation, NULL FROM test.answer_bastion('{"status": "Inactive"}') AS a;
    RETURN QUERY SELECT t.operation, t.status::text FROM murallink_private.call t WHERE t.uid = restoration;
END
$$;
SELECT * FROM test.look_at(:'restoration');
-- When so much time has passed by a clock that nobody sets, it is asked for again
UPDATE murallink_private.call t SET counted_from = ROW((t.counted_from).run, (t.counted_from).seconds - 900)::murallink.server_moment
WHERE t.subject_uid = :'restoration';
SELECT * FROM test.look_at(:'restoration');
SET SESSION AUTHORIZATION regress_bastion_operator;
SELECT event, content #> '{data}' AS data, task_uid IS NOT NULL AS settled, times FROM murallink.bastion_events();
RESET SESSION AUTHORIZATION;
SELECT murallink.disable_payouts();
DROP ROLE regress_bastion_operator, regress_bastion_client, regress_bastion_analyst, regress_bastion_stranger;
