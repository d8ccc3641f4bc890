-- The visits that are to come, and what they cost.

CREATE VIEW murallink.expected_visit WITH (security_invoker) AS
SELECT v.enrollment_uid, v.client_uid, v.contract_uid, v.trial_uid, v.site_uid, v.milestone_uid, v.code, v.milestone, v.amount, v.currency,
    v.due_on, v.due_on - v.due_window AS earliest, v.due_on + v.due_window AS latest,
    coalesce(a.status::text, CASE WHEN v.due_on + v.due_window < (pg_catalog.now() AT TIME ZONE 'UTC')::date THEN 'overdue' ELSE 'expected' END)
        AS state,
    a.uid AS appointment_uid
FROM (
    SELECT e.uid AS enrollment_uid, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid, m.uid AS milestone_uid, m.code, m.milestone, m.amount,
        m.currency::text AS currency, d.due_window,
        (coalesce(f.created_at, e.created_at) AT TIME ZONE 'UTC')::date + d.due_after AS due_on
    FROM murallink.enrollment e JOIN murallink.payment_schedule m ON m.trial_site_uid = e.trial_site_uid
        LEFT JOIN murallink.enrollment f ON f.uid = e.chain_uid AND m.per = 'person'
        JOIN murallink.visit_due d ON d.trial_uid = e.trial_uid AND murallink_private.label_key(d.code) = murallink_private.label_key(m.code)
    WHERE e.status = 'enrolled' AND d.due_after IS NOT NULL
        AND murallink_private.shown('view_payments', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
        AND NOT EXISTS (
            SELECT FROM murallink.visit_due l WHERE l.trial_uid = d.trial_uid
            AND murallink_private.label_key(l.code) = murallink_private.label_key(d.code)
            AND (l.created_at, l.uid) > (d.created_at, d.uid))
        AND NOT EXISTS (
            SELECT FROM murallink_private.payment p WHERE p.chain_uid = e.chain_uid AND p.counts AND (m.per = 'person' OR p.enrollment_uid = e.uid)
            AND murallink_private.label_key(p.milestone_code) = murallink_private.label_key(m.code))) v
    LEFT JOIN LATERAL (
        SELECT a.uid, a.status FROM murallink.appointment a
        WHERE a.enrollment_uid = v.enrollment_uid AND a.status <> 'cancelled'
            AND murallink_private.label_key(a.milestone_code) = murallink_private.label_key(v.code)
        ORDER BY (a.status = 'kept') DESC, a.at DESC LIMIT 1) a ON true;
COMMENT ON VIEW murallink.expected_visit IS
'The forecast: for each enrolled patient the visits that set_visit_due has given a day and that were not paid yet, with what they cost at the prices in force now; a milestone with several payments until the first of them. For callers who hold view_enrollments, view_payment_schedule and view_payments there.';
COMMENT ON COLUMN murallink.expected_visit.enrollment_uid IS 'The patient in the trial at the site.';
COMMENT ON COLUMN murallink.expected_visit.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.expected_visit.contract_uid IS 'The trial''s contract, whose funds pay.';
COMMENT ON COLUMN murallink.expected_visit.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.expected_visit.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.expected_visit.milestone_uid IS 'The version of the milestone in force now.';
COMMENT ON COLUMN murallink.expected_visit.code IS 'The code of the milestone.';
COMMENT ON COLUMN murallink.expected_visit.milestone IS 'Its name.';
COMMENT ON COLUMN murallink.expected_visit.amount IS 'In currency units.';
COMMENT ON COLUMN murallink.expected_visit.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.expected_visit.due_on IS
'The day, counted from the day (UTC) on which the patient was enrolled in the trial, or was screened again where the milestone is paid for each screening.';
COMMENT ON COLUMN murallink.expected_visit.earliest IS 'The first day of the window.';
COMMENT ON COLUMN murallink.expected_visit.latest IS 'The last day of the window.';
COMMENT ON COLUMN murallink.expected_visit.state IS
'scheduled, kept or missed as its appointment says, for callers who may see that; else expected, or overdue after the window.';
COMMENT ON COLUMN murallink.expected_visit.appointment_uid IS 'The appointment that names the milestone; null if there is none, or the caller may not see it.';
