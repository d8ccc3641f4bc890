-- What partners can be asked for, who may ask, and waiting for an answer; the worker's part is played here.
\set SHOW_CONTEXT never
CREATE ROLE regress_request_operator LOGIN IN ROLE murallink_operator;
CREATE ROLE regress_request_client LOGIN IN ROLE murallink_client;
SELECT murallink.enable_payouts();
SET SESSION AUTHORIZATION regress_request_client;
SELECT test.refusal('SELECT murallink.partner_request(''relay'', ''onboard'')') AS no_operator;
SET SESSION AUTHORIZATION regress_request_operator;
SELECT test.refusal('SELECT murallink.partner_request(''relay'', ''onboard'')') AS not_configured;
SELECT murallink.configure_partner('relay', 'https://api.relay.example.com', '{"client_id": "acme & sons", "product_group_id": "default"}', '{"api_key": "secret"}');
SELECT murallink.configure_partner('bastion', 'https://bastion.example.com', '{}', '{"username": "u", "password": "secret"}');

-- What is refused
SELECT partner, operation, test.refusal(format('SELECT murallink.partner_request(%L, %L, %L)', partner, operation, params))
FROM (VALUES
    (NULL, 'onboard', '{}'), ('visa', 'onboard', '{}'), ('dash', 'load', '{}'), ('inside_rx', 'enroll_card', '{}'), ('relay', NULL, '{}'),
    ('relay', 'welcome', '{}'), ('bastion', 'login', '{}'), ('relay', 'onboard', '[]'), ('relay', 'onboard', '{}'),
    ('bastion', 'change_password', '{}'), ('bastion', 'reset_password', '{"email": "a..b@example.com"}')) AS asked (partner, operation, params);

-- Whatever is sent, what is refused is an error of ours
SELECT DISTINCT o.partner, o.operation, left(p.params::text, 20) AS params, r.refusal
FROM murallink.partner_operations() o, (VALUES (1), (3000)) AS depth (n),
    LATERAL (VALUES (repeat('[', n) || repeat(']', n)), (repeat('{"a": ', n) || '1' || repeat('}', n)), ('{"a": 1e400}'), ('"\u00e9"'),
        (format('{"%s": 1}', repeat(U&'\00E9', 300))), (format('{"%s": %s}', o.field, repeat('[', n) || repeat(']', n))),
        (format('{"%s": %s}', o.field, repeat('9', 100))), (format('{"%s": "\u0001"}', o.field)),
        (format('{"%s": "%s"}', o.field, repeat('x', 100000)))) AS p (params),
    LATERAL test.refusal(format('SELECT murallink.partner_preview(%L, %L, %L)', o.partner, o.operation, p.params)) AS r (refusal)
WHERE o.partner <> 'inside_rx' AND r.refusal !~ '^(PT\d{3} |$)';

-- The operations, and the fields of some
SELECT partner, operation, count(field) AS fields, count(*) FILTER (WHERE required) AS required
FROM murallink.partner_operations() WHERE partner IN ('relay', 'inside_rx', 'bastion')
GROUP BY partner, operation ORDER BY partner, operation;
SELECT field, kind, required, longest, setting, choices FROM murallink.partner_operations()
WHERE operation = 'onboard' AND field ~ '^(ccid|ssn|notification|product)';

-- A request that nobody answers; one that is answered; what the transaction itself has asked for
SELECT murallink.partner_request('relay', 'onboard', '{"ccid": "A"}') AS asked \gset
SELECT murallink.await_partner(:'asked', 0.01) - 'uid' AS state;
SELECT number, test.refusal(format('SELECT murallink.await_partner(%L, %L)', task_uid, timeout))
FROM (VALUES (1, NULL, 0.1), (2, :'asked', NULL), (3, '0ujtsYcgvSTl8PAuAdqWYSMnLOv', 0.1), (4, :'asked', -1), (5, :'asked', 301), (6, :'asked', 'NaN')) AS wrong (number, task_uid, timeout) ORDER BY number;
BEGIN;
SAVEPOINT asking;
SELECT murallink.partner_request('relay', 'onboard', '{"ccid": "B"}') AS own \gset
RELEASE asking;
SELECT test.refusal(format('SELECT murallink.await_partner(%L, 0.01)', :'own')) AS own_transaction;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT test.refusal(format('SELECT murallink.await_partner(%L, 0.01)', :'asked')) AS sees_no_commit;
ROLLBACK;
RESET SESSION AUTHORIZATION;
SELECT operation, params, call_uid AS call, attempt FROM murallink_private.claim_calls('relay', 10) \gset
SELECT :'operation' AS operation, :'params' AS params;
SELECT murallink_private.settle_calls(jsonb_build_array(jsonb_build_object('call_uid', :'call', 'attempt', :attempt, 'outcome', 'done', 'http_status', 200,
    'reason', 'HTTP 200: Accepted', 'facts', '{"numbers": {"16105551212": "landline"}}'::jsonb, 'answer', '{"message": "Accepted"}')));
SET SESSION AUTHORIZATION regress_request_operator;
SELECT murallink.await_partner(:'asked') - 'uid' AS state;
SELECT status, facts FROM murallink.partner_tasks(:'asked');

-- Without a session only what needs none is claimed
SELECT murallink.partner_request('bastion', 'plans') AS plans \gset
SELECT murallink.partner_request('bastion', 'reset_password', '{"email": "vendor@example.com"}') AS reset \gset
RESET SESSION AUTHORIZATION;
SELECT operation, params FROM murallink_private.claim_calls('bastion', 10, wanted => 'reset_password');
SELECT operation, params FROM murallink_private.claim_calls('bastion', 10, wanted => 'reset_password');
SELECT operation, params FROM murallink_private.claim_calls('bastion', 10);

-- What a call in doubt comes to: asked again where that does no harm, else a person decides
SELECT murallink_private.recover_calls();
SELECT operation, status, reason FROM murallink.partner_tasks() WHERE uid IN (:'plans', :'reset') ORDER BY operation;
SET SESSION AUTHORIZATION regress_request_operator;
SELECT why, remedy FROM murallink.needs_person WHERE uid = :'reset';
SELECT asked, test.refusal(format('SELECT murallink.resolve_task(%L, false, %L, %s)', :'reset', 'no mail came', asked)) FROM unnest('{0,2}'::integer[]) AS asked;
SELECT status FROM murallink.resolve_task(:'reset', false, 'no mail came', 1);
RESET SESSION AUTHORIZATION;
SELECT murallink.disable_payouts();
UPDATE murallink_private.call SET due_at = '2999-01-01' WHERE uid = :'plans';
DROP ROLE regress_request_operator, regress_request_client;
