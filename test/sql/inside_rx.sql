-- Inside Rx: what the request is, its error codes raised before anything is sent, and what an answer means.
\set SHOW_CONTEXT never
SELECT murallink.configure_partner('inside_rx', 'https://services.insiderx.com', '{"group": "SAVE11"}', '{"api_key": "secret"}');
CREATE TEMP TABLE whole (params jsonb);
INSERT INTO whole VALUES ('{
    "action": "create", "active": true, "member_id": "AB12345678", "group": "SAVE12", "sub_id": "1", "first_name": "Jane", "middle_name": "Q",
    "last_name": "Doe", "suffix": "Jr", "gender": "female", "dob": "1980-03-23", "email": "jane@example.com", "phone": "5125458080",
    "address": {"line1": "123 Main Street", "line2": "Apt #1104", "city": "Austin", "state": "TX", "zip": "78701", "zip_extension": "1234"},
    "start_date": "2018-09-26", "end_date": "2019-09-26", "origin_date": "2018-01-01", "or_update": true}');
SELECT jsonb_pretty(murallink.partner_preview('inside_rx', 'enroll_person', params)) FROM whole;
SELECT murallink.partner_preview('inside_rx', 'enroll_card', '{"action": "create", "member_id": "A"}') - 'headers' AS least_card;
SELECT murallink.partner_preview('inside_rx', 'enroll_card', '{"action": "update", "active": false, "member_id": "A"}') -> 'body' AS deactivated;

-- The partner's code for each wrong field
CREATE FUNCTION test.code(operation text, params jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    name text;
    field text;
BEGIN
    PERFORM murallink.partner_preview('inside_rx', operation, params);
    RETURN '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, name = CONSTRAINT_NAME, field = COLUMN_NAME;
    RETURN concat_ws(' ', name, field, substring(hint FROM 'error code is (.*)\.'));
END
$$;
SELECT path, value, test.code('enroll_person', jsonb_set(params, path::text[], value::jsonb)) AS person,
    test.code('enroll_card', jsonb_set(params, path::text[], value::jsonb)) AS card
FROM whole, (VALUES
    ('{action}', 'null'), ('{action}', '"delete"'), ('{active}', '"yes"'), ('{member_id}', '""'), ('{member_id}', '7'), ('{group}', '7'),
    ('{sub_id}', '1'), ('{first_name}', '""'), ('{last_name}', '""'), ('{middle_name}', '1'), ('{gender}', '"f"'), ('{dob}', '""'), ('{dob}', '"03/23/1980"'),
    ('{dob}', '"1981-02-29"'), ('{dob}', '"1980-02-29"'), ('{email}', '"jane"'), ('{email}', '"jane@@example.com"'), ('{phone}', '"15125458080"'), ('{phone}', '"512-545-8080"'),
    ('{address}', '"123 Main Street"'), ('{address,line1}', '1'), ('{address,county}', '"x"'), ('{address,state}', '"Texas"'),
    ('{address,zip}', '"787"'), ('{address,zip_extension}', '"12"'), ('{start_date}', '"soon"'), ('{end_date}', '"2019-13-01"'),
    ('{origin_date}', '20180101')) AS wrong (path, value);
SELECT test.code('enroll_card', '{"action": "update", "member_id": "A"}') AS active_is_said;

-- Where all are wrong, the first in the document's order is named; with that one put right, the next
CREATE TEMP TABLE wrong AS
SELECT '{"action": 1, "active": 1, "member_id": 1, "group": 1, "first_name": 1, "last_name": 1, "gender": 1, "dob": 1, "email": 1, "phone": 1,
    "address": 1, "start_date": 1, "end_date": 1, "origin_date": 1}'::jsonb AS params;
WITH RECURSIVE step AS (
    SELECT 1 AS number, params, test.code('enroll_person', params) AS says FROM wrong
    UNION ALL
    SELECT number + 1, r.params, test.code('enroll_person', r.params)
    FROM step s, whole w, LATERAL (SELECT split_part(s.says, ' ', 2) AS field) f, LATERAL (SELECT CASE f.field
        WHEN 'address' THEN jsonb_set(s.params, '{address}', '{"state": "t", "zip": "1", "zip_extension": "1"}')
        ELSE jsonb_set(s.params, string_to_array(f.field, '.'), w.params #> string_to_array(f.field, '.')) END AS params) r
    WHERE s.says <> '' AND s.number < 30
)
SELECT number, says FROM step ORDER BY number;
SELECT count(DISTINCT code) AS codes FROM murallink.partner_operations() WHERE partner = 'inside_rx';

-- What answers mean
CREATE FUNCTION test.enrolled(status integer, answer text, action text DEFAULT 'create', active boolean DEFAULT true) RETURNS jsonb
LANGUAGE sql AS $$
    SELECT murallink_private.partner_meaning('inside_rx', 'enroll_card',
        jsonb_build_object('action', action, 'member_id', 'AB12345678', 'active', active), status, answer)
$$;
SELECT test.enrolled(200, '{"id": "d54c", "action": "create", "active": true, "memberId": "AB12345678", "group": "SAVE11", "gender": "unknown"}') AS enrolled;
SELECT test.enrolled(200, '{"id": "d54c", "action": "update", "active": false, "memberId": "AB12345678"}', 'update', false) ->> 'outcome' AS deactivated,
    test.enrolled(200, '{"id": "d54c", "action": "update", "active": true, "memberId": "AB12345678"}', 'update', false) ->> 'outcome' AS still_active,
    test.enrolled(200, '{"id": "d54c", "action": "create", "active": true, "memberId": "AB1"}') ->> 'outcome' AS another,
    test.enrolled(200, '{}') ->> 'outcome' AS nothing;
SELECT f.code, test.enrolled(400, jsonb_build_object('id', 'x', 'message', 'Incorrect or missing required parameters.', 'statusCode', 400, 'errorCode', f.code)::text)
    #>> '{facts,field}' AS field
FROM (SELECT DISTINCT code FROM murallink.partner_operations() WHERE partner = 'inside_rx' AND code IS NOT NULL) f ORDER BY 1;
SELECT test.enrolled(status, answer) FROM (VALUES
    (400, '{"message": "Enrollment Already Exists. Use update action instead.", "statusCode": 400}'),
    (400, '{"message": "ENROLLMENT ALREADY EXISTS", "statusCode": 400}'),
    (403, '{"message": "Lack of permissions to process enrollment.", "statusCode": 403}'), (404, '{"message": "Member not found.", "statusCode": 404}'),
    (400, '{"message": "x", "errorCode": "NEW_CODE"}'), (500, '{"message": "Internal server error, something went wrong.", "statusCode": 500}')) AS answered (status, answer);

-- What exists already: is updated where that was asked for, is there after an attempt in doubt, and is refused else
SELECT murallink.enable_payouts();
CREATE TABLE test.enrollment (name text, uid murallink.ksuid);
CREATE FUNCTION test.enroll(name text, more jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO test.enrollment
    SELECT name, murallink.partner_request('inside_rx', 'enroll_card', '{"action": "create", "member_id": "A"}' || more)
$$;
CREATE FUNCTION test.answer_enroll(outcome text, facts jsonb) RETURNS TABLE (params jsonb) LANGUAGE plpgsql AS $$
DECLARE
    call record;
BEGIN
    UPDATE murallink_private.call c SET due_at = now() WHERE c.status = 'ready' AND c.partner = 'inside_rx';
    FOR call IN SELECT * FROM murallink_private.claim_calls('inside_rx', 10) LOOP
        params := call.params;
        RETURN NEXT;
        PERFORM murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', call.call_uid, 'attempt', call.attempt, 'outcome', outcome,
            'http_status', 400, 'reason', 'because', 'facts', facts, 'answer', '{}')));
    END LOOP;
END
$$;
SELECT test.enroll('refused', '{}');
SELECT test.answer_enroll('declined', '{"code": "ENROLLMENT_ALREADY_EXISTS"}');
SELECT test.enroll('updated', '{"or_update": true}');
SELECT test.answer_enroll('declined', '{"code": "ENROLLMENT_ALREADY_EXISTS"}');
SELECT test.answer_enroll('done', '{}');
SELECT test.enroll('doubtful', '{}');
SELECT test.answer_enroll('in_doubt', '{}');
SELECT test.answer_enroll('declined', '{"code": "ENROLLMENT_ALREADY_EXISTS"}');
SELECT test.enroll('wrong', '{"or_update": true}');
SELECT test.answer_enroll('declined', '{"code": "GROUP_INCORRECT_OR_MISSING"}');
SELECT e.name, t.status, t.reason, t.attempt FROM test.enrollment e, murallink.partner_tasks(e.uid) t ORDER BY e.name;
SELECT murallink.disable_payouts();
