-- What limits the payments to a patient: the cap of a day, and groups of milestones of which only one is paid.

CREATE FUNCTION murallink.set_day_cap(
    trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL,
    currency text DEFAULT NULL, note text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid :=
        murallink_private.trial_at_site(set_day_cap.trial_uid, set_day_cap.site_uid, 'add_milestone');
    payer text := NULLIF(set_day_cap.currency, '');
    why CONSTANT text := murallink_private.checked_text(set_day_cap.note, 'note', 1000, true);
BEGIN
    IF payer IS NULL THEN
        SELECT c.currency INTO payer FROM murallink.trial_site s JOIN murallink.contract c ON c.uid = s.contract_uid WHERE s.uid = place;
    END IF;
    IF set_day_cap.amount IS NULL THEN
        PERFORM murallink_private.raise('missing_field', 'amount');
    ELSIF set_day_cap.amount <> 0 THEN
        PERFORM murallink_private.check_money(set_day_cap.amount, payer);
    END IF;
    UPDATE murallink.trial_site s SET day_cap = NULLIF(set_day_cap.amount, 0),
        day_cap_currency = CASE WHEN set_day_cap.amount <> 0 THEN payer END, day_cap_note = why,
        updated_at = pg_catalog.clock_timestamp()
    WHERE s.uid = place;
END
$$;
COMMENT ON FUNCTION murallink.set_day_cap(murallink.ksuid, murallink.ksuid, numeric, text, text) IS
'Limits what a patient is paid for milestones, and by top_up, for the visits of one day (visit_date, or the day of the payment where the site is) in a trial at a site: a later payment that goes beyond it is cut, and shows the amount before as capped_from. What other sites of the trial have paid for that day counts, and what has come back does not. Other manual payments and travel payments have no cap. amount: in units of currency, which defaults to the contract''s; 0 takes the cap away; milestones in other currencies have none; note: why. Needs add_milestone on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, too_long, unknown_currency, invalid_amount.';

CREATE FUNCTION murallink_private.codes_called(trial_uid murallink.ksuid, called jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    one text;
    its_code text;
    codes text[] := '{}';
BEGIN
    IF pg_catalog.jsonb_typeof(called) <> 'array' OR called @? '$[*] ? (@.type() != "string")' THEN
        PERFORM murallink_private.raise('wrong_type', 'milestones', 'It must be an array of strings.');
    END IF;
    FOR one IN SELECT pg_catalog.jsonb_array_elements_text(called) LOOP
        its_code := murallink_private.code_in_trial(codes_called.trial_uid, one, 'milestones');
        IF murallink_private.label_key(its_code) <> ALL (SELECT murallink_private.label_key(c) FROM pg_catalog.unnest(codes) AS c) THEN
            codes := codes || its_code;
        END IF;
    END LOOP;
    RETURN pg_catalog.to_jsonb(codes);
END
$$;
COMMENT ON FUNCTION murallink_private.codes_called(murallink.ksuid, jsonb) IS
'The codes of the milestones of a trial that have these codes or names, at any of its sites, each once. Errors: wrong_type (no array of texts), not_found.';

CREATE FUNCTION murallink.set_exclusive_milestones(
    trial_uid murallink.ksuid DEFAULT NULL, group_name text DEFAULT NULL, milestones jsonb DEFAULT NULL, note text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid := murallink_private.permit_trial(set_exclusive_milestones.trial_uid, 'add_milestone', 'trial_uid');
    named text := murallink_private.checked_label(set_exclusive_milestones.group_name, 'group_name', 100, true);
    why CONSTANT text := murallink_private.checked_text(set_exclusive_milestones.note, 'note', 1000, true);
    codes jsonb;
    groups jsonb;
BEGIN
    IF set_exclusive_milestones.milestones IS NULL THEN
        PERFORM murallink_private.raise('missing_field', 'milestones');
    END IF;
    codes := murallink_private.codes_called(place, set_exclusive_milestones.milestones);
    SELECT t.exclusive_milestones INTO groups FROM murallink.trial t WHERE t.uid = place FOR NO KEY UPDATE;
    SELECT g INTO named FROM pg_catalog.jsonb_object_keys(groups) AS g WHERE murallink_private.label_key(g) = murallink_private.label_key(named);
    named := coalesce(named, murallink_private.label(set_exclusive_milestones.group_name));
    groups := groups - named;
    IF pg_catalog.jsonb_array_length(codes) = 1 THEN
        PERFORM murallink_private.raise('invalid_value', 'milestones', 'A group has at least two milestones; an empty array dissolves it.');
    ELSIF EXISTS (
        SELECT FROM pg_catalog.jsonb_each(groups) g, pg_catalog.jsonb_array_elements_text(g.value) other, pg_catalog.jsonb_array_elements_text(codes) own
        WHERE murallink_private.label_key(other) = murallink_private.label_key(own)) THEN
        PERFORM murallink_private.raise('already_exists', 'milestones', 'One is in another group: get_payment_rules shows the groups.');
    ELSIF pg_catalog.jsonb_array_length(codes) > 1 THEN
        groups := groups || pg_catalog.jsonb_build_object(named, codes);
    END IF;
    UPDATE murallink.trial t SET exclusive_milestones = groups, exclusive_note = why, updated_at = pg_catalog.clock_timestamp()
    WHERE t.uid = place;
    RETURN groups;
END
$$;
COMMENT ON FUNCTION murallink.set_exclusive_milestones(murallink.ksuid, text, jsonb, text) IS
'Makes milestones of a trial exclude one another, such as "Early termination" and "Week 10": as soon as one of the group is paid to a patient or marked as paid elsewhere, at any site of the trial, even before this call, the others are not payable (already_paid); that one stays payable, as often as its num_payments says. One that is paid for each screening (per of add_milestone) is excluded only by what was paid for the same screening. group_name: a name for the group, of which this sets all members; milestones: an array of their names or codes; empty: the group is dissolved; note: why. Answers with all groups of the trial and the codes in them. Needs add_milestone on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, wrong_type, invalid_value (only one), already_exists (one is in another group).';

CREATE TYPE murallink.payment_rules AS (
    trial_uid murallink.ksuid, site_uid murallink.ksuid, trial_site_uid murallink.ksuid, price_by text, need_approval_ref boolean,
    exclusive_milestones jsonb, day_cap murallink.optional_amount, day_cap_currency murallink.optional_text);
COMMENT ON TYPE murallink.payment_rules IS
'How the milestones of a trial at a site are priced and limited, as get_payment_rules answers: price_by and need_approval_ref as set_pricing has set them; exclusive_milestones: the groups of set_exclusive_milestones by their name, with the codes that are in the schedule of the site; day_cap: see set_day_cap, absent if there is none.';

CREATE FUNCTION murallink.get_payment_rules(trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL)
RETURNS murallink.payment_rules
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid :=
        murallink_private.trial_at_site(get_payment_rules.trial_uid, get_payment_rules.site_uid, 'view_payment_schedule');
    answer murallink.payment_rules;
BEGIN
    SELECT a.trial_uid, a.site_uid, a.uid, t.price_by::text, t.need_approval_ref, coalesce((
        SELECT pg_catalog.jsonb_object_agg(g.key, g.codes) FROM (
            SELECT e.key, (
                SELECT pg_catalog.jsonb_agg(c.code ORDER BY c.n)
                FROM pg_catalog.jsonb_array_elements_text(e.value) WITH ORDINALITY AS c (code, n)
                WHERE EXISTS (
                    SELECT FROM murallink.milestone m WHERE m.trial_site_uid = a.uid
                    AND murallink_private.label_key(m.code) = murallink_private.label_key(c.code))) AS codes
            FROM pg_catalog.jsonb_each(t.exclusive_milestones) e) g
        WHERE g.codes IS NOT NULL), '{}'), pg_catalog.trim_scale(a.day_cap), a.day_cap_currency
    INTO answer FROM murallink.trial_site a JOIN murallink.trial t ON t.uid = a.trial_uid WHERE a.uid = place;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.get_payment_rules(murallink.ksuid, murallink.ksuid) IS
'How the milestones of a trial at a site are priced, which of them exclude one another, and what the visits of a day are paid at most. Needs view_payment_schedule on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field.';
