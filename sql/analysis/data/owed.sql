-- What is owed to patients: earned and not paid.

-- The outer query keeps the barrier, as that of murallink.payout: a condition sees no value of a hidden row, nor a constant of a branch.
CREATE VIEW murallink.owed WITH (security_invoker, security_barrier) AS
WITH made AS MATERIALIZED (
    SELECT a.client_uid, a.contract_uid, a.trial_uid, a.site_uid, e.trial_site_uid, a.enrollment_uid, e.chain_uid, a.patient_uid,
        a.milestone_code AS called, a.local_time::date AS visit_date, a.uid AS appointment_uid, NULL::murallink.ksuid AS visit_uid,
        '' AS reason, NULL::integer AS occurrence, a.at AS since
    FROM murallink.appointment a JOIN murallink.enrollment e ON e.uid = a.enrollment_uid
    WHERE a.status = 'kept' AND a.milestone_code IS NOT NULL
        AND murallink_private.shown('view_payments', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid)
    UNION ALL
    SELECT v.client_uid, v.contract_uid, v.trial_uid, v.site_uid, e.trial_site_uid, v.enrollment_uid, e.chain_uid, e.patient_uid,
        o.code, v.visit_date, NULL, v.uid, v.reason, v.occurrence,
        LEAST(v.created_at, v.visit_date::timestamp AT TIME ZONE 'UTC')
    FROM murallink.visit v JOIN murallink.enrollment e ON e.uid = v.enrollment_uid
        JOIN murallink.milestone o ON o.uid = v.milestone_uid
    WHERE v.state IN ('payable', 'waiting')
        AND murallink_private.shown('view_payments', v.client_uid, v.contract_uid, v.trial_uid, v.site_uid)
), priced AS MATERIALIZED (
    -- Many visits have few days and milestones.
    SELECT d.*, murallink_private.visit_version(d.trial_site_uid, d.called, d.visit_date) AS version_uid
    FROM (SELECT DISTINCT v.trial_site_uid, v.called, v.visit_date FROM made v) d
)
SELECT s.* FROM (
SELECT p.uid AS payment_uid, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid, p.patient_uid, p.payment_type,
    p.milestone_code, p.milestone_name, p.visit_date, NULL::murallink.ksuid AS appointment_uid, NULL::murallink.ksuid AS visit_uid,
    CASE WHEN p.status <> 'approved' THEN p.status::text
        WHEN murallink_private.payment_being_sent(p.uid) THEN 'processing'
        WHEN murallink_private.payment_waits(p.uid) <> '' THEN 'waiting'
        ELSE 'approved' END AS state,
    coalesce(CASE WHEN p.status <> 'pending' AND NOT murallink_private.payment_being_sent(p.uid)
        THEN murallink_private.payment_waits(p.uid) END, '') AS reason,
    p.amount - coalesce(p.recovered, 0) AS amount, p.currency, p.created_at AS since,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.now() - p.created_at) / 86400)::integer AS days
FROM murallink_private.payment p WHERE p.status IN ('pending', 'approved', 'failed', 'in_doubt')
UNION ALL
-- Of the visits of a milestone that are not paid, as many as are payable, the oldest first.
SELECT NULL, k.client_uid, k.contract_uid, k.trial_uid, k.site_uid, k.enrollment_uid, k.patient_uid, 'milestone', k.code, k.milestone,
    k.visit_date, k.appointment_uid, k.visit_uid, 'payable', k.reason, k.amount, k.currency, k.since,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.now() - k.since) / 86400)::integer
FROM (
    SELECT d.*, pg_catalog.row_number() OVER (PARTITION BY d.per_uid, d.key ORDER BY d.visit_date, d.since, d.appointment_uid, d.visit_uid) AS n
    FROM (
        -- A kept appointment and a report of the same day are one visit.
        SELECT DISTINCT ON (u.per_uid, u.key, u.visit_date, u.nth) u.*
        FROM (
            SELECT w.*, pg_catalog.row_number() OVER (
                PARTITION BY w.per_uid, w.key, w.visit_date, w.visit_uid IS NULL ORDER BY w.since, w.appointment_uid, w.visit_uid) AS nth
            FROM (
                SELECT v.*, m.code, m.milestone, m.amount, m.currency, m.num_payments, c.key, c.per_uid, r.times, r.last,
                    -- Of an appointment: which one it is; of a visit: which report of it.
                    pg_catalog.row_number() OVER (
                        PARTITION BY c.per_uid, c.key, v.visit_uid IS NULL, v.occurrence,
                            CASE WHEN v.visit_uid IS NOT NULL AND v.occurrence IS NULL THEN v.visit_date END
                        ORDER BY v.visit_date, v.since, v.appointment_uid, v.visit_uid) AS turn
                FROM made v JOIN priced f USING (trial_site_uid, called, visit_date)
                JOIN murallink.milestone m ON m.uid = f.version_uid
                CROSS JOIN LATERAL (
                    SELECT murallink_private.label_key(m.code) AS key,
                        CASE m.per WHEN 'person' THEN v.chain_uid ELSE v.enrollment_uid END AS per_uid) c
                CROSS JOIN LATERAL (
                    SELECT pg_catalog.count(*) AS times, pg_catalog.max(p.occurrence) AS last FROM murallink_private.payment p
                    WHERE p.chain_uid = v.chain_uid AND p.counts AND p.completes_uid IS NULL AND (m.per = 'person' OR p.enrollment_uid = v.enrollment_uid)
                        AND murallink_private.label_key(p.milestone_code) = murallink_private.label_key(m.code)) r) w
            WHERE CASE WHEN w.visit_uid IS NULL THEN w.turn > w.times ELSE w.turn = 1 AND coalesce(w.last < w.occurrence, true) END) u
        ORDER BY u.per_uid, u.key, u.visit_date, u.nth, u.visit_uid NULLS FIRST) d) k
WHERE k.n <= k.num_payments - k.times) s;
COMMENT ON VIEW murallink.owed IS
'What patients have earned and have not been paid: a row for each payment that is not decided or not paid yet, and for each visit, kept or reported by another system, for which nobody has requested a payment. A visit that is both kept and reported on the same day, or reported twice, is one; a milestone has no more rows than payments that it allows. For callers who may see patients, enrollments, the schedule and payments there.';
COMMENT ON COLUMN murallink.owed.payment_uid IS 'The payment; null where none was requested.';
COMMENT ON COLUMN murallink.owed.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.owed.contract_uid IS 'The trial''s contract, whose funds pay.';
COMMENT ON COLUMN murallink.owed.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.owed.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.owed.enrollment_uid IS 'The patient in the trial at the site.';
COMMENT ON COLUMN murallink.owed.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink.owed.payment_type IS 'milestone, manual or travel.';
COMMENT ON COLUMN murallink.owed.milestone_code IS 'The code of the milestone; null for other payments.';
COMMENT ON COLUMN murallink.owed.milestone_name IS 'The name of the milestone; null for other payments.';
COMMENT ON COLUMN murallink.owed.visit_date IS 'The day of the visit, where given.';
COMMENT ON COLUMN murallink.owed.appointment_uid IS 'The kept visit, where no payment was requested.';
COMMENT ON COLUMN murallink.owed.visit_uid IS 'The visit that another system has reported, where no payment was requested.';
COMMENT ON COLUMN murallink.owed.state IS
'pending: it waits for approval; approved: it is paid next; waiting: it is approved and waits, see reason; processing: it is being sent; failed: it was refused, and can be sent again; in_doubt: it may have been paid; payable: the visit was made, and no payment was requested.';
COMMENT ON COLUMN murallink.owed.reason IS 'Why it waits, or was not done: as murallink.payout says it; empty where there is no reason.';
COMMENT ON COLUMN murallink.owed.amount IS
'What is to be paid out, in currency units, without what is kept for earlier payments; of a visit without a payment the price that milestone_payment would pay now, in full also where the reason is partial.';
COMMENT ON COLUMN murallink.owed.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.owed.since IS 'When the payment was made, or the visit was; of a reported visit, the beginning of its day in UTC.';
COMMENT ON COLUMN murallink.owed.days IS 'How many whole days ago that was.';
