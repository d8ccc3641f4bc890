-- Every function that call_kind names is there, with the arguments and the result with which it is called
SELECT k.resource, k.partner, k.operation, f.purpose, f.name
FROM murallink_private.call_kind k, LATERAL (VALUES
    ('asks', k.asks, 'ksuid[]', 'SETOF murallink.call_asked'), ('judges', k.judges, 'call_state', 'murallink.call_state'),
    ('follows', k.follows, 'ksuid[]', 'void')) AS f (purpose, name, argument, result)
WHERE f.name <> '' AND pg_get_function_result(to_regprocedure(format('murallink_private.%I(murallink.%s)', f.name, f.argument)))
    IS DISTINCT FROM f.result;
-- The way of each kind of call
SELECT resource, partner, operation, asks, judges, follows FROM murallink_private.call_kind
ORDER BY resource COLLATE "C", partner COLLATE "C", operation COLLATE "C";
-- A key of which there is one call at a time is given up by a call that is declined
BEGIN;
SELECT murallink_private.call_make('dash', 'request', NULL, 'accounts', '{}', true, 'one') AS first \gset
SELECT murallink_private.call_make('dash', 'request', NULL, 'accounts', '{}', true, 'one') IS NULL AS refused;
UPDATE murallink_private.call SET status = 'declined', reason = 'no longer wanted' WHERE uid = :'first';
SELECT murallink_private.call_make('dash', 'request', NULL, 'accounts', '{}', true, 'one') IS NULL AS refused;
ROLLBACK;
