-- What is owed to patients: earned and not paid.

-- The outer query keeps the barrier, as that of murallink.payout: a condition sees no value of a hidden row, nor a constant of a branch.
CREATE VIEW murallink.owed WITH (security_invoker, security_barrier) AS
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
SELECT NULL, k.client_uid, k.contract_uid, k.trial_uid, k.site_uid, k.enrollment_uid, k.patient_uid, 'milestone', k.code, k.milestone,
    k.local_time::date, k.uid, NULL, 'payable', '', k.amount, k.currency, k.at,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.now() - k.at) / 86400)::integer
FROM (
    SELECT a.*, e.chain_uid, m.code, m.milestone, m.amount, m.currency, m.num_payments, m.per, pg_catalog.row_number() OVER (
            PARTITION BY CASE m.per WHEN 'person' THEN e.chain_uid ELSE e.uid END, murallink_private.label_key(m.code) ORDER BY a.at, a.uid) AS n
    FROM murallink.appointment a JOIN murallink.enrollment e ON e.uid = a.enrollment_uid
        JOIN murallink.payment_schedule m ON m.trial_site_uid = e.trial_site_uid
            AND murallink_private.label_key(m.code) = murallink_private.label_key(a.milestone_code)
    WHERE a.status = 'kept' AND murallink_private.shown('view_payments', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid)) k
WHERE k.n <= k.num_payments AND k.n > (
    SELECT pg_catalog.count(*) FROM murallink_private.payment p
    WHERE p.chain_uid = k.chain_uid AND p.counts AND p.completes_uid IS NULL AND (k.per = 'person' OR p.enrollment_uid = k.enrollment_uid)
        AND murallink_private.label_key(p.milestone_code) = murallink_private.label_key(k.code))
UNION ALL
SELECT NULL, v.client_uid, v.contract_uid, v.trial_uid, v.site_uid, v.enrollment_uid, e.patient_uid, 'milestone', m.code, m.milestone,
    v.visit_date, NULL, v.uid, 'payable', v.reason, m.amount, m.currency, v.created_at,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.now() - v.created_at) / 86400)::integer
FROM murallink.visit v JOIN murallink.enrollment e ON e.uid = v.enrollment_uid JOIN murallink.milestone m ON m.uid = v.milestone_uid
WHERE v.state IN ('payable', 'waiting') AND murallink_private.shown('view_payments', v.client_uid, v.contract_uid, v.trial_uid, v.site_uid)
    -- A visit that was paid by hand is not payable, and one with a kept appointment is there already.
    AND NOT EXISTS (
        SELECT FROM murallink_private.payment p WHERE p.chain_uid = e.chain_uid AND p.counts AND p.completes_uid IS NULL
        AND p.occurrence >= v.occurrence AND murallink_private.label_key(p.milestone_code) = murallink_private.label_key(m.code))
    AND NOT EXISTS (
        SELECT FROM murallink.appointment a WHERE a.enrollment_uid = v.enrollment_uid AND a.status = 'kept' AND a.local_time::date = v.visit_date
        AND murallink_private.label_key(a.milestone_code) = murallink_private.label_key(m.code))) s;
COMMENT ON VIEW murallink.owed IS
'What patients have earned and have not been paid: a row for each payment that is not decided or not paid yet, and for each visit that was kept, or that another system has reported, whose milestone nobody has requested, for callers who may see patients, enrollments, the schedule and payments there.';
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
'What is to be paid out, in currency units, without what is kept for earlier payments; of a kept visit the price in force now.';
COMMENT ON COLUMN murallink.owed.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.owed.since IS 'When the payment was made, or the visit was.';
COMMENT ON COLUMN murallink.owed.days IS 'How many whole days ago that was.';
