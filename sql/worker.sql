CREATE FUNCTION murallink.worker_wake() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_wake';
COMMENT ON FUNCTION murallink.worker_wake() IS 'Wakes the worker of this database when the transaction commits.';

CREATE FUNCTION murallink.worker_wake_trigger() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_wake_trigger';
COMMENT ON FUNCTION murallink.worker_wake_trigger() IS 'Trigger: there is work, so that the worker wakes at commit.';

CREATE FUNCTION murallink.worker_slot(
    OUT pid integer, OUT started_at timestamptz, OUT heartbeat_at timestamptz, OUT partner text, OUT done bigint,
    OUT declined bigint, OUT not_sent bigint, OUT in_doubt bigint, OUT last_error text, OUT last_error_at timestamptz
) RETURNS SETOF record
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_slot';
COMMENT ON FUNCTION murallink.worker_slot() IS
'What the worker of this database says of itself, for each partner; no row where none is running.';

CREATE FUNCTION murallink.worker_status(
    OUT partner text, OUT payouts text, OUT pid integer, OUT started_at timestamptz, OUT heartbeat_at timestamptz,
    OUT ready bigint, OUT in_flight bigint, OUT done bigint, OUT declined bigint, OUT not_sent bigint, OUT in_doubt bigint,
    OUT last_error text, OUT last_error_at timestamptz
) RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 5 AS $$
    SELECT p.name, murallink.payouts_state(), w.pid, w.started_at, w.heartbeat_at, q.ready, q.in_flight, w.done, w.declined,
        w.not_sent, w.in_doubt, w.last_error, w.last_error_at
    FROM murallink_private.partner p
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE due_at <> 'infinity') AS ready, count(*) FILTER (WHERE due_at = 'infinity') AS in_flight
        FROM murallink_private.partner_queue WHERE partner = p.name) q
    LEFT JOIN murallink.worker_slot() w ON w.partner = p.name
    ORDER BY p.name
$$;
COMMENT ON FUNCTION murallink.worker_status() IS
'The worker of this database and each configured partner. payouts: on, off, elsewhere (see enable_payouts); pid: null where no worker runs; ready, in_flight: cards and payouts now; done to in_doubt: calls since the worker started. For operators.';
