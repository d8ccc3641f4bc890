-- What was paid and what came back, by month.

CREATE INDEX payment_returned ON murallink_private.payment (uid) WHERE returned IS NOT NULL;
COMMENT ON INDEX murallink_private.payment_returned IS 'The payments of which something came back, for murallink.paid_by_month.';

CREATE VIEW murallink.paid_by_month WITH (security_invoker) AS
SELECT m.month, m.client_uid, m.contract_uid, m.trial_uid, m.site_uid, m.currency, pg_catalog.sum(m.payments)::bigint AS payments,
    pg_catalog.sum(m.paid) AS paid, pg_catalog.sum(m.returned) AS returned, pg_catalog.sum(m.paid - m.returned) AS net
FROM (
    SELECT pg_catalog.date_trunc('month', p.paid_at AT TIME ZONE 'UTC')::date AS month, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid,
        p.currency::text AS currency, pg_catalog.count(*) AS payments, pg_catalog.sum(p.amount) AS paid, 0 AS returned
    FROM murallink_private.payment p WHERE p.paid_at IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6
    UNION ALL
    SELECT pg_catalog.date_trunc('month', r.at AT TIME ZONE 'UTC')::date, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid,
        p.currency::text, 0, 0, pg_catalog.sum(r.amount)
    FROM murallink_private.payment p, LATERAL murallink_private.payment_returns(p.uid) r WHERE p.returned IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6) m
GROUP BY m.month, m.client_uid, m.contract_uid, m.trial_uid, m.site_uid, m.currency;
COMMENT ON VIEW murallink.paid_by_month IS
'Cash: what was paid in each month, and what came back in it, whenever that was paid, by trial, site and currency. What others have paid (elsewhere) is not in it.';
COMMENT ON COLUMN murallink.paid_by_month.month IS 'The first day of the month, in UTC.';
COMMENT ON COLUMN murallink.paid_by_month.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.paid_by_month.contract_uid IS 'The trial''s contract, whose funds have paid.';
COMMENT ON COLUMN murallink.paid_by_month.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.paid_by_month.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.paid_by_month.currency IS 'Of the amounts.';
COMMENT ON COLUMN murallink.paid_by_month.payments IS 'How many payments became paid in that month, also those that were reversed or returned later.';
COMMENT ON COLUMN murallink.paid_by_month.paid IS 'Their amounts, in currency units, with what was kept of them for earlier payments.';
COMMENT ON COLUMN murallink.paid_by_month.returned IS 'What came back in that month, in currency units, by unloads, by what was kept of later payments, and because it did not reach the patient.';
COMMENT ON COLUMN murallink.paid_by_month.net IS 'The difference: what the funds have disbursed in that month.';
