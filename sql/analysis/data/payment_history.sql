-- The steps of each payment, with the time and the person of each.

CREATE VIEW murallink_private.payout_sent WITH (security_barrier) AS
SELECT o.payment_uid, o.client_uid, o.contract_uid, o.trial_uid, o.site_uid, o.enrollment_uid, o.amount, o.currency, a.claimed_at AS sent_at
FROM murallink.payout o, LATERAL (
    SELECT h.claimed_at, h.outcome FROM murallink_private.call_attempt h WHERE h.call_uid = o.uid
    UNION ALL
    SELECT c.claimed_at, c.outcome FROM murallink_private.call c
    WHERE c.uid = o.uid AND c.attempt > 0 AND NOT EXISTS (
        SELECT FROM murallink_private.call_attempt h WHERE h.call_uid = c.uid AND h.attempt = c.attempt)) a
WHERE a.outcome IS DISTINCT FROM 'not_sent';
COMMENT ON VIEW murallink_private.payout_sent IS
'Each attempt to pay out, of the payouts that the reader sees, without those that have certainly not been sent.';

-- The outer query keeps the barrier, as that of murallink.payout.
CREATE VIEW murallink.payment_history WITH (security_invoker, security_barrier) AS
SELECT s.* FROM (
SELECT p.uid AS payment_uid, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid,
    CASE WHEN p.status IN ('elsewhere', 'unmarked') THEN 'marked' ELSE 'requested' END AS step,
    p.created_at AS at, p.requested_by_uid AS app_user_uid, NULL::murallink.ksuid AS switched_by_uid, p.amount, p.currency::text
FROM murallink_private.payment p
UNION ALL
SELECT p.uid, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid, 'approved', a.at, a.app_user_uid, a.switched_by_uid,
    p.amount, p.currency::text
FROM murallink_private.payment p JOIN murallink_private.approval a ON a.payment_uid = p.uid
UNION ALL
-- Approved without a person.
SELECT p.uid, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid, 'approved', p.created_at, NULL, NULL,
    p.amount, p.currency::text
FROM murallink_private.payment p
WHERE p.status NOT IN ('pending', 'rejected', 'elsewhere', 'unmarked')
    AND NOT EXISTS (SELECT FROM murallink_private.approval a WHERE a.payment_uid = p.uid)
    AND NOT EXISTS (
        SELECT FROM murallink_private.audit_event e
        WHERE e.resource_uid = p.uid AND e.resource = 'payment' AND e.changes #>> '{status,from}' = 'pending')
UNION ALL
SELECT o.payment_uid, o.client_uid, o.contract_uid, o.trial_uid, o.site_uid, o.enrollment_uid, 'sent', o.sent_at, NULL, NULL,
    o.amount, o.currency
FROM murallink_private.payout_sent o
UNION ALL
SELECT p.uid, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid,
    CASE WHEN e.changes #>> '{status,to}' = 'approved' AND e.changes #>> '{status,from}' <> 'pending' THEN 'retried'
        ELSE e.changes #>> '{status,to}' END,
    e.at, e.app_user_uid, e.switched_by_uid, p.amount, p.currency::text
FROM murallink_private.payment p JOIN murallink_private.audit_event e ON e.resource_uid = p.uid
WHERE e.resource = 'payment' AND e.changes ? 'status' AND e.changes #>> '{status,to}' NOT IN ('reversed', 'returned')
    AND NOT (e.changes #>> '{status,to}' = 'approved' AND EXISTS (
        SELECT FROM murallink_private.approval a WHERE a.payment_uid = p.uid AND e.changes #>> '{status,from}' = 'pending'))
UNION ALL
SELECT r.payment_uid, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid, r.enrollment_uid, 'reversal_requested', r.created_at,
    r.requested_by_uid, NULL, r.amount, r.currency::text
FROM murallink_private.reversal r WHERE r.reason <> 'came_back'
UNION ALL
SELECT p.uid, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid,
    CASE e.changes #>> '{status,to}' WHEN 'returned' THEN 'returned' ELSE 'reversed' END, e.at, e.app_user_uid, e.switched_by_uid,
    (e.changes #>> '{returned,to}')::numeric - coalesce((e.changes #>> '{returned,from}')::numeric, 0), p.currency::text
FROM murallink_private.payment p JOIN murallink_private.audit_event e ON e.resource_uid = p.uid
WHERE e.resource = 'payment' AND e.changes ? 'returned') s;
COMMENT ON VIEW murallink.payment_history IS
'What has happened to each payment: a row for each step. The steps are requested, approved (one for each approver), rejected, cancelled, sent (one for each attempt), failed, in_doubt, retried, paid, reversal_requested, reversed (one for each part that came back) and returned (it did not reach the patient); of what somebody else has paid marked and unmarked.';
COMMENT ON COLUMN murallink.payment_history.payment_uid IS 'The payment.';
COMMENT ON COLUMN murallink.payment_history.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.payment_history.contract_uid IS 'The trial''s contract.';
COMMENT ON COLUMN murallink.payment_history.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.payment_history.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.payment_history.enrollment_uid IS 'The patient in the trial at the site.';
COMMENT ON COLUMN murallink.payment_history.step IS 'What has happened.';
COMMENT ON COLUMN murallink.payment_history.at IS 'When. A payment that its trial approves by itself is approved at the moment of its request.';
COMMENT ON COLUMN murallink.payment_history.app_user_uid IS
'The user who did it; null for the worker, for an operator without a user, and where the trial approves by itself.';
COMMENT ON COLUMN murallink.payment_history.switched_by_uid IS 'The admin who acted as that user; null otherwise.';
COMMENT ON COLUMN murallink.payment_history.amount IS
'In currency units: of the payment; of sent, what is paid out; of reversal_requested and reversed, what is taken back; of returned, what came back.';
COMMENT ON COLUMN murallink.payment_history.currency IS 'Of the amount.';
