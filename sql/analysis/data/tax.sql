-- What payees were paid in a year, for those who file it.

-- Like the dim_ views, it checks permissions itself: view_tax shows sums, but no payments.
CREATE VIEW murallink.tax_year_totals WITH (security_barrier) AS
SELECT EXTRACT(year FROM p.paid_at AT TIME ZONE coalesce(NULLIF(s.time_zone, ''), 'UTC'))::integer AS year, p.client_uid, p.patient_uid,
    p.currency::text AS currency, pg_catalog.count(*) AS payments, pg_catalog.sum(p.amount - coalesce(p.returned, 0)) AS stipends
FROM murallink_private.payment p JOIN murallink.site s ON s.uid = p.site_uid
WHERE p.paid_at IS NOT NULL AND p.payment_type <> 'travel' AND murallink_private.shown('view_tax', p.client_uid, NULL, NULL, NULL)
GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW murallink.tax_year_totals IS
'The stipends that each payee was paid by a client in a calendar year, over all its trials, for those who hold view_tax on the client: milestone and manual payments. Travel expenses and what others have paid are not in it, and what came back is subtracted in the year of its payment. It has no threshold: what has to be reported changes from year to year.';
COMMENT ON COLUMN murallink.tax_year_totals.year IS 'The year of the day on which the payments became paid, at the site.';
COMMENT ON COLUMN murallink.tax_year_totals.client_uid IS 'The client.';
COMMENT ON COLUMN murallink.tax_year_totals.patient_uid IS 'The payee. murallink.patient has names and addresses, for those who may see them.';
COMMENT ON COLUMN murallink.tax_year_totals.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.tax_year_totals.payments IS 'How many payments these are, also those of which all came back.';
COMMENT ON COLUMN murallink.tax_year_totals.stipends IS 'What is left of their amounts, in currency units, with what was kept of them for earlier payments.';
