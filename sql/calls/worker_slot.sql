-- Wakes the workers, and reads their state in shared memory.

CREATE FUNCTION murallink_private.worker_wake() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_wake';
COMMENT ON FUNCTION murallink_private.worker_wake() IS 'Wakes the workers of this database when the transaction commits.';

CREATE FUNCTION murallink_private.worker_slot(
    partner text, OUT pid integer, OUT started_at timestamptz, OUT heartbeat_at timestamptz, OUT last_error text,
    OUT last_error_at timestamptz, OUT failures integer, OUT resume_at timestamptz,
    OUT done bigint, OUT declined bigint, OUT not_sent bigint, OUT in_doubt bigint,
    OUT recent_calls bigint, OUT recent_payouts bigint, OUT latency interval, OUT latency_max interval
) LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_slot';
COMMENT ON FUNCTION murallink_private.worker_slot(text) IS
'The state of the worker of this database that calls a partner, and of these calls; null if it is not running. partner: null: the worker that calls by HTTP. recent_calls to latency_max: of the last 60 seconds.';
