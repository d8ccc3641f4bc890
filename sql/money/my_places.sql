-- The places of a caller: trials at sites, with what there is to do.

CREATE TYPE murallink.place_info AS (
    trial_site_uid murallink.ksuid, trial_uid murallink.ksuid, trial murallink.optional_text, protocol_id murallink.optional_text,
    site_uid murallink.ksuid, site murallink.optional_text, enrolled murallink.optional_integer, payable murallink.optional_integer,
    pending murallink.optional_integer, paid murallink.optional_integer);
COMMENT ON TYPE murallink.place_info IS
'A trial at a site, as my_places answers. trial, protocol_id, site: absent if the caller may not see them; enrolled: patients who are enrolled; payable: how many milestones are payable to them now, in all; pending, paid: payments that wait for approval, and that are paid. A number that the caller may not see is absent.';

CREATE FUNCTION murallink_private.payable_at(trial_site_uid murallink.ksuid) RETURNS integer
LANGUAGE sql STABLE AS $$
    WITH version AS (
        SELECT m.uid, murallink_private.label_key(m.code) AS key, m.num_payments, m.per,
            murallink_private.rivals(t.exclusive_milestones, m.code) AS rivals
        FROM murallink.trial_site a JOIN murallink.trial t ON t.uid = a.trial_uid
        CROSS JOIN LATERAL murallink_private.versions_in_force(a.uid) m
        WHERE a.uid = $1 AND m.num_payments > 0),
    enrolled AS (
        SELECT e.uid, e.chain_uid FROM murallink.enrollment e WHERE e.trial_site_uid = $1 AND e.status = 'enrolled'),
    paid AS (
        SELECT e.uid AS enrollment_uid, p.enrollment_uid AS paid_in_uid, murallink_private.label_key(p.milestone_code) AS key, p.occurrence
        FROM enrolled e JOIN murallink_private.payment p ON p.chain_uid = e.chain_uid AND p.counts AND p.milestone_code IS NOT NULL),
    over AS (
        SELECT FROM paid p JOIN version v ON (v.key = p.key OR p.key = ANY (v.rivals)) AND (
            v.per IS NULL OR murallink_private.screening_of(p.paid_in_uid) = murallink_private.screening_of(p.enrollment_uid))
        GROUP BY p.enrollment_uid, v.uid, v.num_payments
        HAVING pg_catalog.bool_or(p.key = ANY (v.rivals))
            OR pg_catalog.count(DISTINCT p.occurrence) FILTER (WHERE p.key = v.key) >= v.num_payments)
    SELECT ((SELECT pg_catalog.count(*) FROM enrolled) * (SELECT pg_catalog.count(*) FROM version) - (SELECT pg_catalog.count(*) FROM over))::integer
$$;
COMMENT ON FUNCTION murallink_private.payable_at(murallink.ksuid) IS
'How many milestones payable_milestones() would show in all for the patients who are enrolled in a trial at a site.';

CREATE FUNCTION murallink.my_places(
    trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL, after_uid murallink.ksuid DEFAULT NULL,
    most integer DEFAULT 100
) RETURNS SETOF murallink.place_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
BEGIN
    IF coalesce(most, 0) NOT BETWEEN 1 AND 10000 THEN
        PERFORM murallink_private.raise('invalid_value', 'most', 'It is 1 to 10000.');
    END IF;
    RETURN QUERY
    SELECT a.uid, a.trial_uid, CASE WHEN m.sees_trial THEN t.name END::murallink.optional_text,
        CASE WHEN m.sees_trial THEN t.protocol_id END::murallink.optional_text, a.site_uid,
        CASE WHEN m.sees_site THEN s.name END::murallink.optional_text,
        CASE WHEN m.sees_enrolled THEN (
            SELECT pg_catalog.count(*)::integer FROM murallink.enrollment e WHERE e.trial_site_uid = a.uid AND e.status = 'enrolled')
            END::murallink.optional_integer,
        CASE WHEN m.pays THEN murallink_private.payable_at(a.uid) END::murallink.optional_integer, p.pending::murallink.optional_integer,
        p.paid::murallink.optional_integer
    FROM (
        SELECT l.* FROM murallink.trial_site l
        WHERE murallink_private.visible(l.client_uid, l.contract_uid, l.trial_uid, l.site_uid)
            AND (my_places.trial_uid IS NULL OR l.trial_uid = my_places.trial_uid)
            AND (my_places.site_uid IS NULL OR l.site_uid = my_places.site_uid)
            AND (after_uid IS NULL OR l.uid > after_uid)
        ORDER BY l.uid LIMIT most) AS a
    JOIN murallink.trial t ON t.uid = a.trial_uid JOIN murallink.site s ON s.uid = a.site_uid
    CROSS JOIN LATERAL (
        SELECT murallink_private.permitted('view_trials', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid) AS sees_trial,
            murallink_private.permitted('view_sites', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid)
                OR murallink_private.permitted('view_sites', s.client_uid, s.contract_uid, NULL, s.uid) AS sees_site,
            murallink_private.permitted('view_enrollments', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid)
                OR murallink_private.permitted('view_patients', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid) AS sees_enrolled,
            murallink_private.permitted('view_payments', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid) AS sees_payments,
            murallink_private.permitted('milestone_payment', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid) AS pays) AS m
    LEFT JOIN LATERAL (
        SELECT (pg_catalog.count(*) FILTER (WHERE q.status = 'pending'))::integer AS pending,
            (pg_catalog.count(*) FILTER (WHERE q.status = 'paid'))::integer AS paid
        FROM murallink_private.payment q WHERE q.site_uid = a.site_uid AND q.trial_site_uid = a.uid) AS p ON m.sees_payments
    ORDER BY a.uid;
END
$$;
COMMENT ON FUNCTION murallink.my_places(murallink.ksuid, murallink.ksuid, murallink.ksuid, integer) IS
'The trials at sites where the caller may do anything, in the order of their creation, with names and numbers as far as the caller''s permissions go: names with view_trials and view_sites there, enrolled with view_enrollments or view_patients, payable with milestone_payment, pending and paid with view_payments. trial_uid, site_uid: only those, where given; after_uid: those that follow this one, such as the last of the page before; most: the most rows, 1 to 10000. Errors: unauthenticated, invalid_value.';
