-- What may still have to be paid, and how long the funds last.

-- Materialized, because label_key() of each payment and each patient would take most of the time: it is asked of each code once.
CREATE VIEW murallink.liability WITH (security_invoker) AS
WITH codes AS MATERIALIZED (
    SELECT c.code, murallink_private.label_key(c.code) AS key
    FROM (SELECT DISTINCT p.milestone_code AS code FROM murallink_private.payment p WHERE p.milestone_code IS NOT NULL) c
), requested AS MATERIALIZED (
    SELECT p.chain_uid, p.enrollment_uid, c.key, pg_catalog.count(*) AS times
    FROM murallink_private.payment p JOIN codes c ON c.code = p.milestone_code WHERE p.counts AND p.completes_uid IS NULL
    GROUP BY p.chain_uid, p.enrollment_uid, c.key
), schedule AS MATERIALIZED (
    SELECT m.trial_site_uid, murallink_private.label_key(m.code) AS key, m.amount, m.currency::text AS currency, m.num_payments, m.per
    FROM murallink.payment_schedule m
)
SELECT l.client_uid, l.contract_uid, l.trial_uid, l.site_uid, l.currency, pg_catalog.count(DISTINCT l.enrollment_uid) AS enrolled,
    pg_catalog.sum(l.amount * l.remaining) AS remaining
FROM (
    SELECT e.client_uid, e.contract_uid, e.trial_uid, e.site_uid, m.currency, e.uid AS enrollment_uid, m.amount,
        GREATEST(m.num_payments - coalesce(CASE m.per WHEN 'person' THEN c.times ELSE n.times END, 0), 0) AS remaining
    FROM murallink.enrollment e JOIN schedule m ON m.trial_site_uid = e.trial_site_uid
        LEFT JOIN (SELECT r.chain_uid, r.key, pg_catalog.sum(r.times) AS times FROM requested r GROUP BY r.chain_uid, r.key) c
            ON c.chain_uid = e.chain_uid AND c.key = m.key
        LEFT JOIN requested n ON n.enrollment_uid = e.uid AND n.key = m.key AND m.per = 'enrollment'
    WHERE e.status = 'enrolled' AND murallink_private.shown('view_payments', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)) l
GROUP BY l.client_uid, l.contract_uid, l.trial_uid, l.site_uid, l.currency;
COMMENT ON VIEW murallink.liability IS
'What the schedules promise to enrolled patients, without what was requested already, at the prices in force now: the most that may be payable, because visits may be missed and milestones may exclude each other. For callers who hold view_enrollments, view_payment_schedule and view_payments there. What was requested and is not paid is in murallink.owed.';
COMMENT ON COLUMN murallink.liability.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.liability.contract_uid IS 'The trial''s contract, whose funds pay.';
COMMENT ON COLUMN murallink.liability.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.liability.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.liability.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.liability.enrolled IS 'How many patients are enrolled there.';
COMMENT ON COLUMN murallink.liability.remaining IS 'What their schedules still promise, in currency units.';

CREATE VIEW murallink.funding_runway WITH (security_invoker) AS
WITH promised AS MATERIALIZED (
    SELECT l.contract_uid, l.client_uid, l.currency, pg_catalog.sum(l.remaining) AS remaining FROM murallink.liability l GROUP BY 1, 2, 3
)
SELECT b.contract_uid, b.client_uid, b.currency, b.available, b.reserved, coalesce(l.remaining, 0) AS remaining,
    b.available - coalesce(l.remaining, 0) AS after_all,
    pg_catalog.round(coalesce(p.paid * 30 / p.days, 0), 2) AS a_month,
    CASE WHEN p.paid > 0 THEN pg_catalog.round(b.available * p.days / (p.paid * 30), 1) END AS months_left,
    c.low_funds, b.available < c.low_funds AS is_low
FROM (
    SELECT f.contract_uid, f.client_uid, f.currency::text AS currency, f.available, f.reserved FROM murallink.fund_balance f
    UNION ALL
    -- A currency that was never funded has no balance.
    SELECT l.contract_uid, l.client_uid, l.currency, 0, 0 FROM promised l
    WHERE (murallink_private.shown('view_contract', l.client_uid, l.contract_uid, NULL, NULL)
            OR murallink_private.shown('view_report', l.client_uid, l.contract_uid, NULL, NULL))
        AND NOT EXISTS (SELECT FROM murallink.fund f WHERE f.contract_uid = l.contract_uid AND f.currency::text = l.currency)) b
    LEFT JOIN promised l ON l.contract_uid = b.contract_uid AND l.currency = b.currency
    LEFT JOIN murallink.contract c ON c.uid = b.contract_uid AND c.currency::text = b.currency
    LEFT JOIN (
        SELECT f.contract_uid, f.currency::text AS currency,
            pg_catalog.sum(CASE f.movement WHEN 'reserve' THEN f.amount ELSE -f.amount END) AS paid,
            LEAST(GREATEST(EXTRACT(epoch FROM pg_catalog.now() - pg_catalog.min(f.at)) / 86400, 30), 90) AS days
        FROM murallink.fund_entry f
        WHERE f.movement IN ('reserve', 'release', 'return')
            AND f.at >= pg_catalog.now() - interval '90 days'
        GROUP BY 1, 2) p
        ON p.contract_uid = b.contract_uid AND p.currency = b.currency;
COMMENT ON VIEW murallink.funding_runway IS
'How long the funds of each contract last in each currency: what is available against what the schedules still promise, and against what was requested in the last 90 days. For callers who may see the funds; remaining is what murallink.liability shows them, so that it is complete only for those who see all trials of the contract.';
COMMENT ON COLUMN murallink.funding_runway.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink.funding_runway.client_uid IS 'The client.';
COMMENT ON COLUMN murallink.funding_runway.currency IS 'Of all amounts.';
COMMENT ON COLUMN murallink.funding_runway.available IS 'What no payment has reserved, in currency units.';
COMMENT ON COLUMN murallink.funding_runway.reserved IS 'What payments that are not paid yet have reserved, in currency units.';
COMMENT ON COLUMN murallink.funding_runway.remaining IS 'What the schedules still promise to enrolled patients, in currency units.';
COMMENT ON COLUMN murallink.funding_runway.after_all IS 'What is left of the available amount once all of that is requested; negative if funds are missing.';
COMMENT ON COLUMN murallink.funding_runway.a_month IS
'What payments took of the available amount in 30 days: an average over the last 90 days, or since the first payment in them, but over at least 30 days.';
COMMENT ON COLUMN murallink.funding_runway.months_left IS 'For how many times 30 days the available amount lasts at that rate; null if nothing was taken.';
COMMENT ON COLUMN murallink.funding_runway.low_funds IS 'Funds of less than this are low (set_low_funds); null if that is off, for another currency than the contract''s, and for callers without view_contract.';
COMMENT ON COLUMN murallink.funding_runway.is_low IS 'Whether less than that is available.';
