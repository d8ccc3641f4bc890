-- The schedule of payments of a trial.

CREATE TYPE murallink.milestone_info AS (
    uid murallink.ksuid,
    trial_site_uid murallink.ksuid,
    effective_date timestamptz,
    milestone text,
    amount numeric,
    num_payments integer,
    currency text,
    sort_order integer,
    site_uid murallink.ksuid,
    trial_uid murallink.ksuid
);
COMMENT ON TYPE murallink.milestone_info IS 'A version of a milestone, as add_milestone and get_payment_schedule answer.';

CREATE FUNCTION murallink.add_milestone(
    milestone text DEFAULT NULL, amount numeric DEFAULT NULL, currency text DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL,
    site_uid murallink.ksuid DEFAULT NULL, num_payments integer DEFAULT 1, effective_date murallink.moment DEFAULT NULL,
    sort_order integer DEFAULT NULL
) RETURNS murallink.milestone_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place_uid CONSTANT murallink.ksuid :=
        murallink_private.trial_at_site(add_milestone.trial_uid, add_milestone.site_uid, 'add_milestone');
    place murallink.trial_site;
    payer text := currency;
    named text;
    place_in_schedule integer := sort_order;
    begins CONSTANT timestamptz := add_milestone.effective_date;
    added murallink.milestone;
BEGIN
    SELECT * INTO place FROM murallink.trial_site WHERE uid = place_uid;
    named := murallink_private.checked_label(add_milestone.milestone, 'milestone', 200, true);
    IF coalesce(payer, '') = '' THEN
        SELECT c.currency INTO payer FROM murallink.contract c WHERE c.uid = place.contract_uid;
    END IF;
    PERFORM murallink_private.check_money(add_milestone.amount, payer);
    IF coalesce(add_milestone.num_payments, 1) NOT BETWEEN 0 AND 1000 THEN
        PERFORM murallink_private.raise('invalid_value', 'num_payments');
    ELSIF begins NOT BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 23:59:59.999999Z' THEN
        PERFORM murallink_private.raise('invalid_value', 'effective_date');
    ELSIF place_in_schedule NOT BETWEEN 0 AND 1000000 THEN
        PERFORM murallink_private.raise('invalid_value', 'sort_order');
    END IF;
    IF place_in_schedule IS NULL THEN
        SELECT coalesce(
            pg_catalog.max(m.sort_order) FILTER (WHERE murallink_private.label_key(m.milestone) = murallink_private.label_key(named)),
            pg_catalog.max(m.sort_order) + 1, 0)
        INTO place_in_schedule FROM murallink.milestone m WHERE m.trial_site_uid = place.uid;
    END IF;
    -- If concurrent or manual inserts have made two spellings, each continues.
    IF (SELECT pg_catalog.bool_and(m.milestone <> named) FROM murallink.milestone m
        WHERE m.trial_site_uid = place.uid AND murallink_private.label_key(m.milestone) = murallink_private.label_key(named)) THEN
        PERFORM murallink_private.raise('already_exists', 'milestone');
    END IF;
    INSERT INTO murallink.milestone (
        client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, num_payments,
        sort_order)
    VALUES (
        place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, place.uid, named,
        coalesce(begins, pg_catalog.now()), add_milestone.amount, payer,
        coalesce(add_milestone.num_payments, 1), place_in_schedule)
    ON CONFLICT DO NOTHING RETURNING * INTO added;
    IF added.uid IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'effective_date');
    END IF;
    RETURN ROW(added.uid, added.trial_site_uid, added.effective_date, added.milestone, pg_catalog.trim_scale(added.amount),
        added.num_payments, added.currency::text, added.sort_order, added.site_uid, added.trial_uid);
END
$$;
COMMENT ON FUNCTION murallink.add_milestone(text, numeric, text, murallink.ksuid, murallink.ksuid, integer, murallink.moment, integer) IS
'Adds a milestone of a trial at a site, or with the name of one that is there a new version of it (document: Add Milestone). milestone: its name; one that differs from another there by case, the width of letters, or the sign of an apostrophe, a quotation mark or a hyphen alone is refused; amount: in units of currency, which defaults to the contract''s; num_payments: how often one enrollment may be paid it, 0 retires it; effective_date: from when it is in force, default now; sort_order: its place in the schedule, from 0 to 1,000,000, default: unchanged, or last. Needs add_milestone on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, too_long, unknown_currency, invalid_amount, invalid_value, already_exists.';

CREATE FUNCTION murallink.get_payment_schedule(
    trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL, include_future boolean DEFAULT false
) RETURNS SETOF murallink.milestone_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place murallink.ksuid :=
        murallink_private.trial_at_site(get_payment_schedule.trial_uid, get_payment_schedule.site_uid, 'view_payment_schedule');
BEGIN
    RETURN QUERY
    SELECT m.uid, m.trial_site_uid, m.effective_date, m.milestone, pg_catalog.trim_scale(m.amount), m.num_payments,
        m.currency::text, m.sort_order, m.site_uid, m.trial_uid
    FROM murallink.milestone m
    WHERE m.trial_site_uid = place
    AND (m.uid IN (SELECT s.uid FROM murallink.payment_schedule s WHERE s.trial_site_uid = place)
         OR get_payment_schedule.include_future AND m.effective_date > pg_catalog.now())
    ORDER BY m.sort_order, m.milestone COLLATE "C", m.effective_date;
END
$$;
COMMENT ON FUNCTION murallink.get_payment_schedule(murallink.ksuid, murallink.ksuid, boolean) IS
'The milestones in force now of a trial at a site, in the order of the schedule (document: Get Payment Schedule). include_future: also the versions to come. Needs view_payment_schedule on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field.';
