-- Wakes the worker, and reads its state in shared memory.

CREATE FUNCTION murallink.worker_wake() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_wake';
COMMENT ON FUNCTION murallink.worker_wake() IS 'Wakes the worker of this database when the transaction commits.';

CREATE FUNCTION murallink.worker_wake_trigger() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_wake_trigger';
COMMENT ON FUNCTION murallink.worker_wake_trigger() IS 'Trigger: there is work, so that the worker wakes at commit.';

CREATE FUNCTION murallink.worker_slot(
    partner text, OUT pid integer, OUT started_at timestamptz, OUT heartbeat_at timestamptz, OUT last_error text,
    OUT last_error_at timestamptz, OUT failures integer, OUT resume_at timestamptz,
    OUT done bigint, OUT declined bigint, OUT not_sent bigint, OUT in_doubt bigint,
    OUT recent_calls bigint, OUT recent_payouts bigint, OUT latency interval, OUT latency_max interval
) LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_slot';
COMMENT ON FUNCTION murallink.worker_slot(text) IS
'What the worker of this database says of itself and of its calls to a partner; null where none is running. recent_calls to latency_max: of the last 60 seconds.';
