-- The state of the workers.

CREATE FUNCTION murallink.worker_status(
    OUT partner text, OUT payouts text, OUT pid integer, OUT started_at timestamptz, OUT heartbeat_at timestamptz,
    OUT last_error text, OUT last_error_at timestamptz, OUT held boolean, OUT breaker text, OUT failures integer,
    OUT resume_at timestamptz, OUT ready bigint, OUT ready_payouts bigint, OUT ready_cards bigint, OUT ready_tasks bigint,
    OUT oldest_due_at timestamptz, OUT in_flight bigint, OUT calls_per_second numeric, OUT payouts_per_second numeric,
    OUT latency interval, OUT latency_max interval, OUT done bigint, OUT declined bigint, OUT not_sent bigint, OUT in_doubt bigint
) RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 5 AS $$
    SELECT p.name, murallink_private.payouts_state(), w.pid, w.started_at, w.heartbeat_at, w.last_error, w.last_error_at,
        h.uid IS NOT NULL,
        CASE WHEN w.failures = 0 THEN 'closed' WHEN w.failures > 0 AND w.resume_at IS NULL THEN 'probing' WHEN w.failures > 0 THEN 'open' END,
        w.failures, w.resume_at, coalesce(q.payouts + q.cards + q.tasks, 0), coalesce(q.payouts, 0), coalesce(q.cards, 0),
        coalesce(q.tasks, 0), q.oldest, coalesce(q.in_flight, 0), pg_catalog.round(w.recent_calls / 60.0, 1),
        pg_catalog.round(w.recent_payouts / 60.0, 1), w.latency, w.latency_max, w.done, w.declined, w.not_sent, w.in_doubt
    FROM murallink_private.worker_slot(NULL) anyway
    LEFT JOIN murallink_private.partner p ON true
    LEFT JOIN murallink_private.payout_hold h ON h.subject_uid = p.uid
    LEFT JOIN (
        SELECT c.partner, count(*) FILTER (WHERE c.operation IN ('load', 'pay') AND c.status = 'ready') AS payouts,
            count(*) FILTER (WHERE c.operation = 'order' AND c.status = 'ready') AS cards,
            count(*) FILTER (WHERE c.operation NOT IN ('load', 'pay', 'order', 'message') AND c.status = 'ready') AS tasks,
            pg_catalog.min(c.due_at) FILTER (WHERE c.status = 'ready' AND c.due_at <= pg_catalog.clock_timestamp() AND NOT c.suspect) AS oldest,
            count(*) FILTER (WHERE c.status = 'claimed') AS in_flight
        FROM murallink_private.call c WHERE c.open GROUP BY c.partner) q ON q.partner = p.name
    CROSS JOIN LATERAL murallink_private.worker_slot(p.name) w
    ORDER BY p.name
$$;
COMMENT ON FUNCTION murallink.worker_status() IS
'The workers of this database that call partners, one for mail and one for all others, with each configured partner. payouts: on, off, elsewhere (see enable_payouts); pid: of the worker that calls the partner, null if it is not running; held: by hold_payouts(); breaker: closed: the partner is called; open: after several successive failures it is not called until resume_at; probing: it gets one call as a test; ready: number of payouts, cards and tasks to be sent, now or later; oldest_due_at: since when the first of them has been due; in_flight: being sent; calls_per_second, payouts_per_second (paid), latency (from sending to the answer, on average), latency_max: of the last 60 seconds; done to in_doubt: calls since the worker started. For operators.';
