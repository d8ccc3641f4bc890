-- The JSON protocol: its answers as documented, what it refuses, idempotency keys, and requests of every wrong kind.
\set SHOW_CONTEXT never
CALL test.begin_day();
SET datestyle = 'ISO';
CREATE ROLE regress_api_admin LOGIN IN ROLE murallink_client, murallink_operator;
SELECT email FROM murallink.create_admin('admin@example.com', '259otqjIbYNDeFd2rx5XNpNX4Si', 'Api', 'Admin');

-- The document's own requests and answers, with other uids. exchange() says where an answer differs from the documented
-- one. It keeps the payload, and the uid of what was made under the name of the action, which payloads call <action>
CREATE TEMP TABLE made (action text PRIMARY KEY, uid text);
CREATE TEMP TABLE sent (action text, payload jsonb);
CREATE FUNCTION pg_temp.with_uids(payload text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    m made;
BEGIN
    FOR m IN SELECT * FROM made LOOP
        payload := replace(payload, '<' || m.action || '>', m.uid);
    END LOOP;
    RETURN payload;
END
$$;
CREATE FUNCTION pg_temp.without_uids(answer jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(regexp_replace(answer::text, '"[0-9A-Za-z]{27}"', '"<uid>"', 'g'),
        '"2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"', '"<moment>"', 'g'),
        format('"%s"', (now() AT TIME ZONE 'UTC')::date), '"<today>"', 'g')::jsonb
$$;
CREATE FUNCTION pg_temp.exchange(action text, payload text, documented jsonb, message text DEFAULT 'OK') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    request jsonb := jsonb_strip_nulls(jsonb_build_object(
        'action', action, 'payload', pg_temp.with_uids(payload), 'session_id', (SELECT uid FROM made WHERE made.action = 'login')));
    answer jsonb := murallink.api(request);
    shown jsonb := pg_temp.without_uids(answer);
    expected jsonb := jsonb_strip_nulls(jsonb_build_object('action', action, 'status_code', 200, 'message', message, 'request_id', '<uid>'));
BEGIN
    INSERT INTO made SELECT exchange.action, uid FROM coalesce(answer #>> '{payload,session_id}', answer #>> '{payload,uid}') AS uid
    WHERE uid IS NOT NULL ON CONFLICT DO NOTHING;
    INSERT INTO sent VALUES (action, request -> 'payload');
    IF documented IS NOT NULL THEN
        expected := expected || jsonb_build_object('payload', documented);
    END IF;
    -- A list of names may have ours after those of the document.
    IF jsonb_typeof(documented) = 'array' AND jsonb_typeof(documented -> 0) = 'string' THEN
        shown := shown || jsonb_build_object('payload', (
            SELECT jsonb_agg(name ORDER BY place) FROM jsonb_array_elements(shown -> 'payload') WITH ORDINALITY AS named(name, place)
            WHERE place <= jsonb_array_length(documented)));
    END IF;
    IF shown = expected THEN
        RETURN NEXT 'as documented';
    ELSIF shown - 'payload' <> expected - 'payload' OR jsonb_typeof(shown -> 'payload') IS DISTINCT FROM 'object' THEN
        RETURN NEXT shown;
    ELSE
        RETURN QUERY SELECT format('%s: %s, document: %s', key, coalesce(s.value::text, 'absent'), coalesce(d.value::text, 'absent'))
        FROM jsonb_each(shown -> 'payload') AS s FULL JOIN jsonb_each(documented) AS d USING (key)
        WHERE s.value IS DISTINCT FROM d.value ORDER BY key;
    END IF;
END
$$;

SELECT pg_temp.exchange('ping', NULL, NULL, 'pong');
SELECT pg_temp.exchange('login', '{"email": "admin@example.com", "password": "259otqjIbYNDeFd2rx5XNpNX4Si"}',
    '{"session_id": "<uid>", "user_role": "admin", "invalid_attempts": 0}');
SELECT pg_temp.exchange('keepalive', NULL, NULL, 'session valid');
SELECT pg_temp.exchange('register',
    '{"email": "seth.randall@example.com", "phone": "(212) 555-1212", "first_name": "Seth", "last_name": "Randall",
      "password": "c9f656ccf86a~",
      "address": {"street1": "168 Old Pinbrick Dr", "street2": "", "city": "Hampton", "state": "VA", "post_code": "23670"}}',
    '{"uid": "<uid>", "email": "seth.randall@example.com", "first_name": "Seth", "last_name": "Randall",
      "address": {"uid": "<uid>", "street1": "168 Old Pinbrick Dr", "city": "Hampton", "state": "VA", "post_code": "23670", "valid": false},
      "phone": "(212) 555-1212", "email_verified": false, "sms_verified": false}');
SELECT pg_temp.exchange('my_info', NULL,
    '{"uid": "<uid>", "email": "admin@example.com", "first_name": "Api", "last_name": "Admin", "address": {"valid": false},
      "phone": "", "email_verified": false, "sms_verified": false}');
SELECT pg_temp.exchange('create_client',
    '{"name": "Murray, Inc.", "sales_contact": "Enrique Salas", "tax_id": "391701535", "contact_name": "Lynne Navarro",
      "contact_phone": "(952) 505-1184", "contact_email": "lynne.navarro@example.com"}',
    '{"uid": "<uid>", "name": "Murray, Inc.", "sales_contact": "", "client_type": "", "tax_id": "", "client_signature_date": "",
      "address": {"valid": false}}');
SELECT pg_temp.exchange('create_contract',
    '{"client_uid": "<create_client>", "name": "Example Contract Young-4860", "client_signature_date": "2022-07-21",
      "contract_start_date": "2022-08-09", "contract_end_date": "2024-11-07", "total_contract_value": "371000", "currency": "USD"}',
    '{"uid": "<uid>", "client_uid": "<uid>", "name": "Example Contract Young-4860", "total_contract_value": "$371,000.00",
      "currency": "USD", "client_signature_date": "2022-07-21T00:00:00Z", "contract_start_date": "2022-08-09T00:00:00Z",
      "contract_end_date": "2024-11-07T00:00:00Z", "document_url": "http://api:6666/contracts/2D5YrV6UslqVXWtlg1SI6J8ZohY"}')
    ~ '^document_url: "http://[^"]*/rpc/contract_document\?uid=[0-9A-Za-z]{27}"' AS document_url_is_ours;
-- The document's contract has ended.
SELECT test.answer('edit_contract', pg_temp.with_uids('{"uid": "<create_contract>", "enforce_dates": false}'), (SELECT uid FROM made WHERE action = 'login'));
SELECT pg_temp.exchange('create_trial', '{"contract_uid": "<create_contract>", "name": "Trial Hester-42", "protocol_id": "XK2293-75260"}',
    '{"uid": "<uid>", "contract_uid": "<uid>", "name": "Trial Hester-42", "protocol_id": "XK2293-75260"}');
SELECT pg_temp.exchange('create_site', '{"name": "Lawrence Clinic", "trial_uid": "<create_trial>", "contract_uid": "<create_contract>"}',
    '{"uid": "<uid>", "name": "Lawrence Clinic", "contract_uid": "<uid>"}');
SELECT pg_temp.exchange('add_patient',
    '{"site_uid": "<create_site>", "first_name": "Grover", "last_name": "Briggs", "email": "Grover.Briggs@example.com",
      "phone": "(536) 595-0599", "email_enabled": true,
      "address": {"street1": "595 Tulip St", "street2": "", "city": "Biloxi", "state": "MS", "post_code": "39530"},
      "emergency_contact": "Joe Pesci", "emergency_phone": "(212) 555-1212"}',
    '{"uid": "<uid>", "site_uid": "", "email": "grover.briggs@example.com", "phone": "(536) 595-0599", "first_name": "Grover",
      "last_name": "Briggs", "email_enabled": false, "sms_enabled": false,
      "address": {"uid": "<uid>", "street1": "595 Tulip St", "city": "Biloxi", "state": "MS", "post_code": "39530", "valid": false},
      "emergency_contact": "Joe Pesci", "emergency_phone": "(212) 555-1212", "time_zone": "", "audit_history": null}', 'patient added');
SELECT pg_temp.exchange('add_funding', '{"contract_uid": "<create_contract>", "amount": 10000, "currency": "USD"}', NULL);
SELECT pg_temp.exchange('grant',
    '{"action": "grant", "resource_uid": "<create_contract>", "permission": "create_trial", "user_uid": "<register>"}', NULL);
SELECT pg_temp.exchange('get_permissions', '{"user_uid": "<register>"}',
    '{"create_trial": [{"uid": "<uid>", "description": "Contract: Example Contract Young-4860"}]}');
SELECT pg_temp.exchange('list_permissions', NULL,
    '["add_milestone", "add_patient", "add_trial_site", "approve_payments", "approve_travel", "bulk_email", "create_appointment",
      "create_site", "create_trial", "delete_site", "delete_trial", "edit_contract", "edit_trial", "enroll", "get_document", "grant",
      "manual_payment", "milestone_payment", "set_enrollment_status", "set_payment_type", "travel_payment", "update_patient",
      "upload_document", "view_clients", "view_contract", "view_enrollments", "view_patients", "view_payment_schedule",
      "view_payments", "view_report", "view_sites", "view_trials"]');
INSERT INTO made SELECT 'other site', murallink.api(pg_temp.with_uids(
    '{"action": "create_site", "session_id": "<login>", "payload": {"name": "Dana", "contract_uid": "<create_contract>"}}')) #>> '{payload,uid}';
\set empty_site '"site": {"uid": "", "name": ""}, "trial": {"uid": "", "contract_uid": "", "name": "", "protocol_id": ""}'
SELECT pg_temp.exchange('add_trial_site', '{"trial_uid": "<create_trial>", "site_uid": "<other site>"}',
    '{"uid": "<uid>", "site_uid": "<uid>", "trial_uid": "<uid>", "site": {"uid": "<uid>", "name": "Dana"},
      "trial": {"uid": "<uid>", "contract_uid": "<uid>", "name": "Trial Hester-42", "protocol_id": "XK2293-75260"}}');
SELECT pg_temp.exchange('enroll',
    '{"patient_uid": "<add_patient>", "trial_uid": "<create_trial>", "site_uid": "<create_site>", "subject_id": "5420"}', NULL);
SELECT '{"uid": "<uid>", "trial_uid": "<uid>", "site_uid": "", "trial_site_uid": "<uid>", "patient_uid": "<uid>",
    "subject_id": "5420", "payment_type_uid": "", "status": "completed",
    "patient": {"uid": "", "site_uid": "", "email": "", "phone": "", "first_name": "", "last_name": "", "email_enabled": false,
        "sms_enabled": false, "address": {"valid": false}, "emergency_contact": "", "emergency_phone": "", "time_zone": "",
        "audit_history": null},
    "trial_site": {"uid": "<uid>", "site_uid": "<uid>", "trial_uid": "<uid>", ' || :'empty_site' || '}}' AS enrollment \gset
SELECT pg_temp.exchange('set_enrollment_status',
    '{"status": "completed", "trial_uid": "<create_trial>", "patient_uid": "<add_patient>"}', :'enrollment');
SELECT pg_temp.exchange('add_milestone',
    '{"milestone": "Week 01", "amount": 75, "currency": "USD", "trial_uid": "<create_trial>", "site_uid": "<create_site>",
      "num_payments": 1}',
    '{"uid": "<uid>", "trial_site_uid": "<uid>", "effective_date": "<moment>", "milestone": "Week 01", "amount": 75,
      "num_payments": 0, "currency": "USD", "sort_order": 0, "site_uid": "<uid>", "trial_uid": "<uid>"}');
SELECT pg_temp.exchange('get_payment_schedule', '{"trial_uid": "<create_trial>", "site_uid": "<create_site>"}', NULL);
SELECT '{"uid": "<uid>", "enrollment_uid": "<uid>", "currency": "USD", "status": "pending",
    "milestone": {"uid": "", "effective_date": "0001-01-01T00:00:00Z", "milestone": "", "amount": 0, "num_payments": 0,
        "currency": "", "sort_order": 0}}' AS payment \gset
SELECT pg_temp.exchange('milestone_payment',
    '{"patient_uid": "<add_patient>", "milestone_uid": "<add_milestone>", "note": "test suite"}',
    :'payment' || jsonb '{"payment_type": "milestone", "milestone_uid": "<uid>", "amount": 75, "note": "test suite"}');
SELECT pg_temp.exchange('manual_payment',
    '{"patient_uid": "<add_patient>", "trial_uid": "<create_trial>", "amount": 123, "currency": "USD", "note": "test of manual"}',
    :'payment' || jsonb '{"payment_type": "manual", "amount": 123, "note": "test of manual"}');
SELECT pg_temp.exchange('approve_payment', '{"payment_uid": "<manual_payment>"}',
    :'payment' || jsonb '{"payment_type": "manual", "amount": 123, "note": "test of manual", "status": "approved", "date": "<today>"}');
SELECT pg_temp.exchange('travel_payment',
    '{"patient_uid": "<add_patient>", "trial_uid": "<create_trial>", "amount": 225, "currency": "USD", "note": "test of travel"}',
    :'payment' || jsonb '{"payment_type": "travel", "amount": 225, "note": "test of travel"}');
SELECT pg_temp.exchange('get_patient_payments', '{"patient_uid": "<add_patient>", "trial_uid": "<create_trial>"}', NULL);
SELECT pg_temp.exchange('get_payment_types', NULL, NULL);
SELECT pg_temp.exchange('set_payment_type',
    '{"payment_type_uid": "28LLqy3paByy5jcqpoU9wXuTiYo", "trial_uid": "<create_trial>", "patient_uid": "<add_patient>"}',
    :'enrollment' || jsonb '{"payment_type_uid": "<uid>"}');

-- Beyond the document
SELECT pg_temp.exchange('payable_milestones', '{"patient_uid": "<add_patient>", "trial_uid": "<create_trial>"}', NULL);
SELECT pg_temp.exchange('reject_payment', '{"payment_uid": "<travel_payment>", "note": "a mistake"}',
    :'payment' || jsonb '{"payment_type": "travel", "amount": 225, "note": "test of travel", "status": "rejected", "date": "<today>", "decision_note": "a mistake"}');
SELECT pg_temp.exchange('cancel_payment', '{"payment_uid": "<manual_payment>", "note": "a mistake"}',
    :'payment' || jsonb '{"payment_type": "manual", "amount": 123, "note": "test of manual", "status": "cancelled", "date": "<today>", "decision_note": "a mistake"}');

-- A request is an object with action, payload, session_id and idempotency_key
SELECT request, pg_temp.without_uids(murallink.api(request)) - 'request_id' AS answer
FROM (VALUES (NULL::jsonb), ('null'), ('1'), ('"ping"'), ('[]'), ('[{"action": "ping"}]'), ('{}'), ('{"action": "ping", "sessionid": ""}'))
    AS refused (request);
SELECT request, concat_ws(' ', answer -> 'action', answer -> 'status_code', answer #>> '{error,code}', answer #>> '{error,field}') AS answer
FROM (VALUES
    (jsonb '{"action": ""}'), ('{"action": null}'), ('{"action": 1}'), ('{"action": ["ping"]}'), ('{"action": {}}'), ('{"payload": {}}'),
    ('{"action": "ping", "session_id": null}'), ('{"action": "ping", "session_id": ""}'), ('{"action": "ping", "session_id": 1}'),
    ('{"action": "ping", "session_id": "x"}'),
    ('{"action": "ping", "payload": null}'), ('{"action": "ping", "payload": {}}'), ('{"action": "ping", "payload": ""}'),
    ('{"action": "ping", "payload": []}'), ('{"action": "ping", "payload": 0}'),
    ('{"action": "ping", "payload": {"x": 1}}'), ('{"action": "ping", "": 1}'), ('{"action": "ping", "Payload": {}}'),
    ('{"action": "ping", "request_id": ""}'), ('{"action": "ping", "idempotency_key": {}}'),
    ('{"action": "ping", "idempotency_key": ""}')) AS sent (request), murallink.api(request) AS answer;
SELECT field, longest, concat_ws(' ', answer -> 'status_code', answer #>> '{error,code}', answer #>> '{error,field}') AS answer
FROM (VALUES ('action', 200), ('session_id', 200), ('idempotency_key', 200)) AS limited (field, longest), generate_series(0, 1) AS more,
    murallink.api(jsonb_build_object('action', 'ping') || jsonb_build_object(field, repeat('x', longest + more))) AS answer;

-- What is no JSON for PostgreSQL never gets here
SELECT statement, test.refusal(statement) FROM (VALUES
    ($$SELECT murallink.api('{"action": "ping"')$$), ($$SELECT murallink.api('{"action": "\u0000"}')$$),
    ($$SELECT murallink.api('{"action": "\ud800"}')$$), ($$SELECT murallink.api('{"action": "\udc00\ud800"}')$$),
    ($$SELECT murallink.api('{"action": NaN}')$$), ($$SELECT murallink.api('{"action": 1e200000}')$$), ($$SELECT murallink.api('')$$))
    AS no_json (statement);

-- Actions are the functions of the schema that run with the owner's rights, except superusers', and no others, for every role
-- and whatever was granted; and no file is an answer
SELECT name, test.answer(name) FROM unnest(ARRAY[
    'install', 'upgrade', 'permitted', 'permit', 'authenticate', 'errors', 'caller', 'gen_ksuid', 'ksuid_in', 'api', 'raise',
    'create_admin', 'set_db_role', 'open_session', 'password_hash', 'PING', 'ping ', ' ping', 'murallink.ping', 'ping()', '"ping"',
    'ping; DROP TABLE murallink.payment', 'pg_sleep', 'current_setting', 'péng', repeat('ping', 16)]) AS name;
SELECT proname FROM pg_proc p
WHERE pronamespace = 'murallink'::regnamespace
    AND NOT (prosecdef AND prorettype <> 'murallink."*/*"'::regtype
        AND proname <> ALL ('{create_admin,install,set_db_role,upgrade}'))
    AND test.answer(proname) <> '404 unknown_action action';
BEGIN;
GRANT EXECUTE ON FUNCTION murallink.create_admin, murallink.errors, murallink_private.set_password TO murallink_client;
SELECT name, test.answer(name) FROM unnest(ARRAY['create_admin', 'errors', 'set_password']) AS name;
ROLLBACK;
-- and not beyond the rights of the role that asks
CREATE ROLE regress_api_client LOGIN IN ROLE murallink_client;
SET SESSION AUTHORIZATION regress_api_client;
SELECT test.answer('ping') AS ping, test.answer('disable_payouts') AS disable_payouts, test.answer('configure_partner') AS configure_partner;
RESET SESSION AUTHORIZATION;
REVOKE murallink_client FROM regress_api_client;
GRANT USAGE ON SCHEMA murallink TO regress_api_client;
GRANT EXECUTE ON FUNCTION murallink.api, murallink.ping TO regress_api_client;
SET SESSION AUTHORIZATION regress_api_client;
SELECT test.answer('ping') AS ping, test.answer('my_info') AS my_info;
RESET SESSION AUTHORIZATION;
DROP OWNED BY regress_api_client;

-- An error that PostgreSQL or somebody's trigger raises is told without what it says, or is raised when it is nobody's
-- fault but ours
CREATE FUNCTION test.fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.name = 'no error' THEN
        RETURN NEW;
    END IF;
    RAISE 'secret' USING ERRCODE = NEW.name, DETAIL = 'secret', HINT = 'secret';
END
$$;
CREATE TRIGGER fail BEFORE INSERT ON murallink.client FOR EACH ROW EXECUTE FUNCTION test.fail();
SELECT murallink.set_db_role('admin@example.com', 'regress_api_admin');
SET SESSION AUTHORIZATION regress_api_admin;
SELECT error, answer - '{action,request_id,payload}'::text[] AS answer
FROM unnest('{no error,22012,22003,23505,23514,54001,PT409}'::text[]) AS error,
    murallink.api(jsonb_build_object('action', 'create_client', 'payload', jsonb_build_object('name', error))) AS answer;
SELECT error, test.refusal(format('SELECT test.answer(''create_client'', %L)', jsonb_build_object('name', error)))
FROM unnest('{P0001,42501,40001,XX000,PT200}'::text[]) AS error;
RESET SESSION AUTHORIZATION;
DROP TRIGGER fail ON murallink.client;

-- A function that changes is read again, also when it changes and is called again while it runs, and what was known of it
-- is freed
CREATE FUNCTION murallink.renew(calls integer) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    ALTER FUNCTION murallink.renew ROWS 2;
    RETURN NEXT calls;
    IF calls > 0 THEN
        RETURN QUERY SELECT jsonb_array_elements_text(answer -> 'payload')
        FROM murallink.api(jsonb_build_object('action', 'renew', 'payload', jsonb_build_object('calls', calls - 1))) AS answer;
    END IF;
END
$$;
GRANT EXECUTE ON FUNCTION murallink.renew TO murallink_client;
SELECT murallink.api('{"action": "renew", "payload": {"calls": 3}}') -> 'payload' AS calls;
SELECT count(*) AS known FROM pg_backend_memory_contexts WHERE name = 'murallink action' \gset
SELECT count(murallink.api('{"action": "renew", "payload": {"calls": 3}}')) FROM generate_series(1, 10);
SELECT count(*) - :known AS not_freed FROM pg_backend_memory_contexts WHERE name = 'murallink action';
CREATE OR REPLACE FUNCTION murallink.renew(calls integer) RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT $$new$$';
SELECT murallink.api('{"action": "renew"}') -> 'payload' AS payload;
DROP FUNCTION murallink.renew;
SELECT test.answer('renew');

-- A number is one of JSON's, with no more digits than it needs
CREATE FUNCTION murallink.numbers() RETURNS SETOF numeric LANGUAGE sql SECURITY DEFINER AS $$
    SELECT unnest('{75,75.50,0.00,-0.10,1e20,1e-20,NaN,Infinity}'::numeric[])
$$;
GRANT EXECUTE ON FUNCTION murallink.numbers TO murallink_client;
SELECT murallink.api('{"action": "numbers"}') -> 'payload' AS payload;
DROP FUNCTION murallink.numbers;
-- An absent argument has the default of its function, null has not
CREATE FUNCTION murallink.defaults(
    a integer, b numeric DEFAULT 30, c text DEFAULT 'c', d jsonb DEFAULT '{"e": 1}', f boolean DEFAULT true,
    g murallink.ksuid DEFAULT NULL, h murallink.moment DEFAULT NULL, i murallink.read_only DEFAULT NULL, VARIADIC j murallink.ksuid[] DEFAULT '{}'
) RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$
    SELECT jsonb_build_array(a, b, c, d, f, g, h::timestamptz, i, j)
$$;
GRANT EXECUTE ON FUNCTION murallink.defaults TO murallink_client;
SELECT murallink.api('{"action": "defaults"}') -> 'payload' AS absent,
    murallink.api('{"action": "defaults", "payload": {"a": null, "b": null, "c": null, "d": null, "f": null, "j": null}}') -> 'payload' AS null,
    murallink.api('{"action": "defaults", "payload": {"a": 1, "b": 2, "c": "", "d": {}, "f": false, "j": []}}') -> 'payload' AS given;
DROP FUNCTION murallink.defaults;

-- The HTTP status follows, for this transaction
BEGIN;
SELECT action, test.answer(action), current_setting('response.status') AS http FROM unnest('{ping,pong,my_info,login}'::text[]) AS action;
SELECT session_id, current_setting('response.status') AS http FROM murallink.login('nobody.api@example.com', 'correct horse');
COMMIT;
SELECT current_setting('response.status', true) AS http;

-- What is no field is shown, as far as it is no longer than a field may be
SELECT octet_length(murallink.api(request) #>> '{error,field}') FROM (VALUES
    (jsonb_build_object('action', 'ping', repeat('ü', 300000), 1)),
    (jsonb_build_object('action', 'ping', 'payload', jsonb_build_object(repeat('€', 300000), 1)))) AS sent (request);

-- Under a key a request is done once (S31): a repeat gets the first answer, whatever that was
CREATE FUNCTION test.keyed(key jsonb, action text, payload jsonb, session_id text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT murallink.api(jsonb_build_object('action', action, 'payload', payload, 'idempotency_key', key, 'session_id', session_id))
$$;
SELECT test.keyed('"1"', 'ping', '{}') - 'request_id' AS without_session;
SET SESSION AUTHORIZATION regress_api_admin;
SELECT test.keyed('"1"', 'create_client', '{"name": "Once", "tax_id": "1"}') AS first \gset
SELECT test.keyed('"1"', 'create_client', '{"tax_id": "1", "name": "Once"}') = :'first' AS repeated, :'first'::jsonb ->> 'status_code' AS status;
SELECT test.keyed('"2"', 'create_client', '{"name": ""}') AS failed \gset
SELECT test.keyed('"2"', 'create_client', '{"name": ""}') = :'failed' AS repeated, :'failed'::jsonb ->> 'status_code' AS status;
SELECT test.keyed('"3"', 'pong', '{}') AS failed \gset
SELECT test.keyed('"3"', 'pong', '{}') = :'failed' AS repeated, :'failed'::jsonb ->> 'status_code' AS status;
SELECT n, answer ->> 'status_code' AS status, answer #>> '{error,code}' AS error, answer #>> '{error,field}' AS field, answer = :'first' AS the_first
FROM (VALUES
        (1, jsonb '"1"', 'create_client', jsonb '{"name": "Twice", "tax_id": "1"}'),
        (2, '"1"', 'create_client', '{"name": "Once"}'),
        (3, '"1"', 'create_client', '{"name": "Once", "tax_id": "1", "client_type": ""}'),
        (4, '"1"', 'create_trial', '{"name": "Once", "tax_id": "1"}'),
        (5, '" 1"', 'create_client', '{"name": "Once", "tax_id": "1"}'),
        (6, '""', 'create_client', '{"name": "Once", "tax_id": "1"}'),
        (7, 'null', 'create_client', '{"name": "Once", "tax_id": "1"}'),
        (8, '1', 'create_client', '{"name": "Once", "tax_id": "1"}'),
        (9, '"1"', 'create_client', '{"name": "Once", "tax_id": "1"}')) AS sent (n, key, action, payload),
    test.keyed(key, action, payload) AS answer
ORDER BY n;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM murallink.client WHERE name = 'Once';
SELECT test.refusal('UPDATE murallink_private.idempotency SET answer = ''{}''') AS another_answer;
SELECT session_id AS seth FROM murallink.login('seth.randall@example.com', 'c9f656ccf86a~') \gset
SELECT test.keyed('"1"', 'my_info', '{}', :'seth') #>> '{payload,first_name}' AS key_of_another_user,
    test.keyed('"1"', 'my_info', '{}', 'none') #>> '{error,code}' AS no_session;
BEGIN;
SELECT test.keyed('"4"', 'my_info', '{}', :'seth') #>> '{payload,first_name}' AS first;
ROLLBACK;
SELECT test.keyed('"4"', 'list_permissions', '{}', :'seth') ->> 'status_code' AS not_used_by_what_was_rolled_back;
-- A function that is called by itself has its key as a setting, with the same rules: a repeat gets the first result, of each kind
CREATE FUNCTION test.under_key(key text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    error text;
    field text;
BEGIN
    PERFORM set_config('murallink.idempotency_key', key, true);
    EXECUTE format('SELECT coalesce(json_agg(r), ''[]'') FROM %s AS r', call) INTO result;
    PERFORM set_config('murallink.idempotency_key', '', true);
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME, field = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, error, field);
END
$$;
SELECT uid AS keyed_trial FROM made WHERE action = 'create_trial' \gset
SELECT uid AS keyed_patient FROM made WHERE action = 'add_patient' \gset
SET SESSION AUTHORIZATION regress_api_admin;
CREATE TEMP TABLE keyed AS
SELECT n, call, test.under_key('own ' || n, call) AS first, NULL AS repeated FROM (VALUES
    (1, 'murallink.ping()'),
    (2, 'murallink.create_client(''Own'', client_signature_date => ''2022-07-21'')'),
    (3, format('murallink.manual_payment(%L, %L, 1.50, note => ''own'')', :'keyed_patient', :'keyed_trial')),
    (4, 'murallink.approve_payments(''{}'', ''own'')'),
    (5, format('murallink.set_exclusive_milestones(%L, ''none'', ''[]'', ''own'')', :'keyed_trial')),
    (6, format('murallink.trial_payment_report(%L)', :'keyed_trial'))) AS c (n, call);
INSERT INTO keyed SELECT 7, call, test.under_key('own 7', call)
FROM (SELECT format('murallink.approve_payments(%L, ''own'')', ARRAY[first::json -> 0 ->> 'uid', murallink.gen_ksuid()::text]) AS call FROM keyed WHERE n = 3) AS c;
SET datestyle = 'SQL, DMY';
SET extra_float_digits = 0;
UPDATE keyed SET repeated = test.under_key('own ' || n, call);
SET datestyle = 'ISO';
RESET extra_float_digits;
SELECT n, regexp_replace(call, '\(.*', '') AS call, CASE WHEN first ~ '^\[' THEN json_array_length(first::json)::text ELSE first END AS rows,
    CASE WHEN first = repeated THEN 'the first' ELSE repeated END AS repeated
FROM keyed ORDER BY n;
-- and another call under the key is refused, whatever it is; what it was called with decides, not how it is written
SELECT n, test.under_key('own 2', call) AS answer FROM (VALUES
    (1, 'murallink.create_client(''Own'')'),
    (2, 'murallink.create_client(''Own '', client_signature_date => ''2022-07-21'')'),
    (3, 'murallink.ping()'),
    (4, 'murallink.create_trial()'),
    (5, '(SELECT a #>> ''{error,code}'' FROM murallink.api(''{"action": "ping"}'') AS a)')) AS c (n, call) ORDER BY n;
SELECT test.under_key('own 2', 'murallink.create_client(client_signature_date => ''2022-07-21'', sales_contact => NULL, name => ''Own'')')
    = first AS the_first FROM keyed WHERE n = 2;
-- A call that is refused leaves the key free: the error has ended its transaction
SELECT test.under_key('own 8', 'murallink.create_client()') AS refused, json_array_length(test.under_key('own 8', 'murallink.create_client(''Later'')')::json) AS later;
-- What only reads is read again, and what brings a secret is done again
SELECT test.under_key('own 9', 'murallink.get_users()') ~ 'admin@' AS first, test.under_key('own 9', 'murallink.list_permissions()') ~ 'enroll' AS other;
SELECT test.under_key('own 10', 'murallink.change_password(''259otqjIbYNDeFd2rx5XNpNX4Sj'')') AS first, test.under_key('own 10', 'murallink.change_password(''259otqjIbYNDeFd2rx5XNpNX4Si'')') AS other;
-- A key that the request brings itself comes first
SELECT json_array_length(test.under_key('own 2', 'murallink.api(''{"action": "ping", "idempotency_key": "own 11"}'')')::json) AS rows;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT test.under_key('own 2', 'murallink.create_client(''Own'', client_signature_date => ''2022-07-21'')') AS repeatable_read;
COMMIT;
BEGIN READ ONLY;
SELECT test.under_key('own 12', 'murallink.ping()') AS read_only;
COMMIT;
SET murallink.idempotency_key = 'of the session';
SELECT count(murallink.ping()) FROM generate_series(1, 3);
SELECT test.refusal($$SELECT FROM murallink.ping(), murallink.create_client('Second')$$) AS second;
RESET murallink.idempotency_key;
SELECT test.under_key(repeat('x', 200), 'murallink.ping()') AS longest, test.under_key(repeat('x', 201), 'murallink.ping()') AS too_long;
RESET SESSION AUTHORIZATION;
SELECT name, count(*) FROM murallink.client WHERE name IN ('Own', 'Later', 'Second') GROUP BY name ORDER BY name;
SELECT count(*) FROM murallink.payment WHERE note = 'own';
SELECT count(*) AS none FROM murallink_private.idempotency WHERE key IN ('own 9', 'own 10', 'own 12') OR answer IS NULL;
-- without a caller, and after a grant of the caller has ended
CREATE ROLE regress_api_other LOGIN IN ROLE murallink_client;
SET SESSION AUTHORIZATION regress_api_other;
SELECT test.under_key('own 2', 'murallink.ping()') AS nobody;
BEGIN;
SELECT murallink.authenticate(:'seth');
SELECT test.under_key('own 2', 'murallink.ping()') AS key_of_another_user;
COMMIT;
RESET SESSION AUTHORIZATION;
-- An error that is no answer ends the subtransaction of the caller, and no other
CREATE TEMP TABLE went (what text);
GRANT ALL ON went TO PUBLIC;
CREATE FUNCTION pg_temp.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE SQLSTATE '53100' USING MESSAGE = 'the disk is full';
END
$$;
CREATE TRIGGER full_disk BEFORE INSERT ON murallink.client FOR EACH ROW WHEN (NEW.name = 'Full') EXECUTE FUNCTION pg_temp.full_disk();
SET SESSION AUTHORIZATION regress_api_admin;
DO $$
BEGIN
    INSERT INTO went VALUES ('before');
    BEGIN
        INSERT INTO went VALUES ('undone');
        PERFORM test.keyed('"5"', 'create_client', '{"name": "Full"}');
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO went VALUES (SQLERRM);
    END;
END
$$;
SELECT test.keyed('"5"', 'create_client', '{"name": "Full"}');
SELECT what FROM went;
RESET SESSION AUTHORIZATION;
DROP TRIGGER full_disk ON murallink.client;

-- Every action, with a payload that was fine but for one value, is answered, and no value of a wrong type is taken
CREATE TEMP TABLE tried (action text, argument text, type regtype, value jsonb, answer text);
CREATE FUNCTION pg_temp.rolled_back(action text, payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    answer := test.answer(action, payload);
    RAISE SQLSTATE 'ZZ000';
EXCEPTION
    WHEN SQLSTATE 'ZZ000' THEN RETURN answer;
    WHEN OTHERS THEN RETURN format('%s %s', SQLSTATE, SQLERRM);
END
$$;
GRANT ALL ON made, sent, tried TO regress_api_admin;
SET SESSION AUTHORIZATION regress_api_admin;
INSERT INTO tried
SELECT p.proname, a.name, a.type, v.value, pg_temp.rolled_back(p.proname, coalesce(s.payload, '{}') || jsonb_build_object(a.name, v.value))
FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargnames[:p.pronargs], p.proargtypes::regtype[]) AS a (name, type)
    LEFT JOIN LATERAL (SELECT sent.payload FROM sent WHERE sent.action = p.proname LIMIT 1) AS s ON true,
    (VALUES
        (jsonb 'null'), ('true'), ('false'), ('0'), ('-1'), ('1.5'), ('2147483648'), ('1e400'), ('-1e-400'), ('""'), ('" "'), ('"x"'),
        ('"ö\u0001"'), ('"NaN"'), ('"2022-02-30"'), ('"infinity"'), ('"000000000000000000000000000"'), ('"aWgEPTl1tmebfsQzFP4bxwgy80W"'),
        ('"\u202e\ufeff😀"'), ('"'';--"'), ('"%s%n"'), ('[]'), ('{}'), ('[null]'), ('{"": {"": []}}'), ('{"uid": 1}'),
        (to_jsonb(repeat('x', 100000))),
        ((repeat('[', 1000) || repeat(']', 1000))::jsonb),
        ((repeat('{"a":', 1000) || '1' || repeat('}', 1000))::jsonb)) AS v (value)
WHERE p.pronamespace = 'murallink'::regnamespace AND p.prosecdef AND p.prorettype <> 'murallink."*/*"'::regtype
    AND has_function_privilege(p.oid, 'EXECUTE') AND a.name IS NOT NULL;
RESET SESSION AUTHORIZATION;
SELECT count(DISTINCT action) > 20 AS actions, count(*) > 2000 AS requests FROM tried;
SELECT action, argument, left(value::text, 40) AS value, answer FROM tried
WHERE answer !~ '^(200|4[0-9][0-9] [a-z_]+( [a-z0-9_.]+)?)$'
    OR answer ~ '^4' AND split_part(answer, ' ', 2) NOT IN (SELECT name FROM murallink.errors());
SELECT action, argument, type, left(value::text, 40) AS value, answer FROM tried
WHERE value <> 'null' AND jsonb_typeof(value) <> ALL (CASE
        WHEN type IN ('numeric'::regtype, 'integer'::regtype) THEN '{number}'
        WHEN type = 'boolean'::regtype THEN '{boolean}'
        WHEN type = 'murallink.numeric_text'::regtype THEN '{number,string}'
        WHEN type IN ('murallink.ksuid[]'::regtype, 'text[]'::regtype) THEN '{array}'
        WHEN type IN ('jsonb'::regtype, 'murallink.read_only'::regtype) THEN '{number,boolean,string,array,object}'
        ELSE '{string}' END::text[])
    AND answer <> '400 wrong_type ' || argument;
-- each by an error that its function documents, or that is the protocol's own
SELECT DISTINCT t.action, split_part(t.answer, ' ', 2) AS undocumented
FROM tried AS t JOIN pg_proc p ON p.proname = t.action AND p.pronamespace = 'murallink'::regnamespace
WHERE t.answer ~ '^4' AND t.answer !~ '^400 (wrong_type|invalid_uid)'
    AND obj_description(p.oid, 'pg_proc') !~ ('rrors as|' || split_part(t.answer, ' ', 2));
-- no uid is made of anything, and no text takes what is too long
SELECT action, argument, left(value::text, 40) AS value, answer FROM tried
WHERE type = 'murallink.ksuid'::regtype AND jsonb_typeof(value) = 'string' AND value NOT IN ('""', '"000000000000000000000000000"')
    AND answer <> '400 invalid_uid ' || argument;
SELECT action, argument, answer FROM tried
WHERE length(value::text) > 100000 AND jsonb_typeof(value) = 'string' AND type <> 'murallink.read_only'::regtype AND answer !~ '^400'
ORDER BY action COLLATE "C", argument COLLATE "C";
SELECT DISTINCT answer FROM (
    SELECT pg_temp.rolled_back(action, jsonb_build_object('no_such_key', 1)) AS answer
    FROM (SELECT DISTINCT action FROM tried) AS every) AS unknown_key;

-- A thing of another kind is not there, for any argument that takes a uid
CREATE FUNCTION pg_temp.kind(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN name IN ('register', 'my_info', 'user_uid') THEN 'user'
        WHEN name ~ 'payment_type' THEN 'payment type'
        WHEN name = 'set_enrollment_status' THEN 'enrollment'
        WHEN name ~ 'payment' THEN 'payment'
        ELSE substring(name FROM 'trial_site|client|contract|milestone|patient|trial|site|resource') END
$$;
SET SESSION AUTHORIZATION regress_api_admin;
SELECT t.action, argument, m.action AS made_by, answer
FROM (SELECT DISTINCT action, argument FROM tried WHERE type = 'murallink.ksuid'::regtype) AS t, made m,
    LATERAL (SELECT sent.payload FROM sent WHERE sent.action = t.action) AS s,
    LATERAL (SELECT pg_temp.rolled_back(t.action, s.payload || jsonb_build_object(t.argument, m.uid)) AS answer) AS a
WHERE pg_temp.kind(m.action) <> pg_temp.kind(argument) AND answer <> '404 not_found ' || argument
    AND NOT (t.action = 'create_site' AND answer = '400 invalid_value contract_uid')
    AND NOT (argument = 'resource_uid' AND pg_temp.kind(m.action) IN ('client', 'contract', 'trial', 'site', 'trial_site'));

-- The functions are the API: called in SQL, with values that JSON does not have, they refuse by name too
SELECT DISTINCT called.function, argument, left(value, 20) AS value, refusal
FROM (
    SELECT p.oid::regprocedure AS function, bad.name AS argument, bad.value,
        test.refusal(format('SELECT murallink.%I(%s)', p.proname, string_agg(format('%I => %L::%s',
            a.name, CASE WHEN bad.name IN ('all', a.name) THEN bad.value ELSE s.payload ->> a.name END, a.type), ', '))) AS refusal
    FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargnames[:p.pronargs], p.proargtypes::regtype[]) AS a (name, type)
        LEFT JOIN LATERAL (SELECT sent.payload FROM sent WHERE sent.action = p.proname LIMIT 1) AS s ON true
        CROSS JOIN LATERAL (
            SELECT 'all', NULL
            UNION ALL
            SELECT b.name, v.value FROM unnest(p.proargnames[:p.pronargs], p.proargtypes::regtype[]) AS b (name, type)
            JOIN (VALUES
                ('numeric', 'NaN'), ('numeric', 'Infinity'), ('numeric', '-Infinity'), ('numeric', '1e1000'), ('numeric', '-0.000'),
                ('integer', '2147483647'), ('integer', '-2147483648'),
                ('date', 'infinity'), ('date', '-infinity'), ('date', '4713-01-01 BC'), ('date', '5874897-12-31'),
                ('timestamptz', 'infinity'), ('timestamptz', '-infinity'), ('timestamptz', '4713-01-01 BC'), ('timestamptz', '294276-12-31'),
                ('text', ''), ('text', E'\r\n'), ('text', E'\x7f'), ('text', repeat('ü', 3000)),
                ('murallink.numeric_text', '1e5'), ('murallink.numeric_text', 'x'), ('jsonb', '[]'), ('jsonb', '{"a": "b"}'),
                ('murallink.ksuid', 'aWgEPTl1tmebfsQzFP4bxwgy80V'))
                AS v (type, value) ON v.type::regtype = b.type
        ) AS bad (name, value)
    WHERE p.pronamespace = 'murallink'::regnamespace AND p.prosecdef AND has_function_privilege(p.oid, 'EXECUTE')
        AND a.type <> 'murallink.read_only'::regtype AND a.name IS NOT NULL
    GROUP BY p.oid, p.proname, bad.name, bad.value) AS called
WHERE refusal !~ '^PT4[0-9][0-9] [a-z_]+( [a-z0-9_.]+)?$';
RESET SESSION AUTHORIZATION;
SELECT * FROM murallink.verify_ledger();

DROP FUNCTION test.keyed, test.fail;
UPDATE murallink.app_user SET db_role = NULL WHERE db_role = 'regress_api_admin';
DROP OWNED BY regress_api_admin;
DROP ROLE regress_api_client, regress_api_admin;
