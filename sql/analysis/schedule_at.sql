-- The schedule as it was, and as it was known.

CREATE FUNCTION murallink.schedule_at(
    at murallink.moment DEFAULT NULL, known_at murallink.moment DEFAULT NULL,
    OUT uid murallink.ksuid, OUT client_uid murallink.ksuid, OUT contract_uid murallink.ksuid, OUT trial_uid murallink.ksuid,
    OUT site_uid murallink.ksuid, OUT trial_site_uid murallink.ksuid, OUT code text, OUT milestone text, OUT effective_date timestamptz,
    OUT known_from timestamptz, OUT amount numeric, OUT currency text, OUT num_payments integer, OUT sort_order integer)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT m.uid, m.client_uid, m.contract_uid, m.trial_uid, m.site_uid, m.trial_site_uid, m.code, m.milestone, m.effective_date, m.known_from,
        m.amount, m.currency, m.num_payments, m.sort_order
    FROM (
        SELECT DISTINCT ON (v.trial_site_uid, v.code_key) v.*
        FROM murallink.schedule_version v
        WHERE v.approved AND v.effective_date <= coalesce(schedule_at.at::timestamptz, pg_catalog.now())
            AND v.known_from <= coalesce(schedule_at.known_at::timestamptz, pg_catalog.now())
        ORDER BY v.trial_site_uid, v.code_key, v.effective_date DESC, (v.approval_ref <> '') DESC) m
    WHERE m.num_payments > 0
$$;
COMMENT ON FUNCTION murallink.schedule_at(murallink.moment, murallink.moment) IS
'The versions of milestones in force at a moment, as they were known at another one: a version that was added later, even one that is backdated, was not known then. Row level security shows the caller those of murallink.milestone. at: when they are in force, default now; known_at: when they are known, default now. Whether versions need approval_ref is what the trial says today.';
