CREATE FUNCTION murallink.worker_wake() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_wake';
COMMENT ON FUNCTION murallink.worker_wake() IS 'Wakes the worker of this database when the transaction commits.';

CREATE FUNCTION murallink.worker_wake_trigger() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_wake_trigger';
COMMENT ON FUNCTION murallink.worker_wake_trigger() IS 'Trigger: there is work, so that the worker wakes at commit.';

CREATE FUNCTION murallink.worker_slot(
    partner text, OUT pid integer, OUT started_at timestamptz, OUT heartbeat_at timestamptz, OUT last_error text,
    OUT last_error_at timestamptz, OUT failures integer, OUT resume_at timestamptz, OUT done bigint, OUT declined bigint, OUT not_sent bigint, OUT in_doubt bigint
) LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'worker_slot';
COMMENT ON FUNCTION murallink.worker_slot(text) IS
'What the worker of this database says of itself and of its calls to a partner; null where none is running.';

CREATE FUNCTION murallink.worker_status(
    OUT partner text, OUT payouts text, OUT pid integer, OUT started_at timestamptz, OUT heartbeat_at timestamptz,
    OUT last_error text, OUT last_error_at timestamptz, OUT held boolean, OUT failures integer, OUT resume_at timestamptz,
    OUT ready bigint, OUT in_flight bigint, OUT done bigint, OUT declined bigint, OUT not_sent bigint, OUT in_doubt bigint
) RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 5 AS $$
    SELECT p.name, murallink.payouts_state(), w.pid, w.started_at, w.heartbeat_at, w.last_error, w.last_error_at,
        h.uid IS NOT NULL, w.failures, w.resume_at, coalesce(q.ready, 0), coalesce(q.in_flight, 0), w.done, w.declined, w.not_sent, w.in_doubt
    FROM murallink.worker_slot(NULL) anyway
    LEFT JOIN murallink_private.partner p ON true
    LEFT JOIN murallink_private.payout_hold h ON h.subject_uid = p.uid
    LEFT JOIN (
        SELECT partner, count(*) FILTER (WHERE due_at <> 'infinity') AS ready, count(*) FILTER (WHERE due_at = 'infinity') AS in_flight
        FROM murallink_private.partner_queue GROUP BY partner) q ON q.partner = p.name
    CROSS JOIN LATERAL murallink.worker_slot(p.name) w
    ORDER BY p.name
$$;
COMMENT ON FUNCTION murallink.worker_status() IS
'The worker of this database, with each configured partner. payouts: on, off, elsewhere (see enable_payouts); pid: null where no worker runs; held: by hold_payouts(); failures: how often the partner has failed in a row; resume_at: until then it is left alone; ready, in_flight: cards, payouts and tasks now; done to in_doubt: calls since the worker started. For operators.';
