-- The schedule of payments of a trial.

CREATE TYPE murallink.milestone_per AS ENUM ('person', 'enrollment');
COMMENT ON TYPE murallink.milestone_per IS
'Over what a milestone is paid as often as it may be: person: over all enrollments of a patient in the trial; enrollment: over those of each screening again.';

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
    trial_uid murallink.ksuid,
    code murallink.optional_text,
    per murallink.optional_text
);
COMMENT ON TYPE murallink.milestone_info IS
'A version of a milestone, as add_milestone and get_payment_schedule answer. milestone: its name; code: what the milestone is known by, whatever its name; per: enrollment if each screening of a patient is paid it again, else absent.';

CREATE FUNCTION murallink_private.milestone_infos() RETURNS SETOF murallink.milestone_info
LANGUAGE sql STABLE AS $$
    SELECT uid, trial_site_uid, effective_date, milestone, pg_catalog.trim_scale(amount), num_payments, currency::text, sort_order,
        site_uid, trial_uid, code, NULLIF(per, 'person')::text
    FROM murallink.milestone
$$;
COMMENT ON FUNCTION murallink_private.milestone_infos() IS
'The versions of milestones as clients see them. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink_private.latest_versions(trial_uid murallink.ksuid) RETURNS SETOF murallink.milestone_info
LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (m.trial_site_uid, murallink_private.label_key(m.code)) m.*
    FROM murallink.trial_site s JOIN murallink_private.milestone_infos() m ON m.trial_site_uid = s.uid WHERE s.trial_uid = $1
    ORDER BY m.trial_site_uid, murallink_private.label_key(m.code), m.effective_date DESC
$$;
COMMENT ON FUNCTION murallink_private.latest_versions(murallink.ksuid) IS
'The last version of each milestone of a trial at each of its sites, also one to come: it has the name by which the milestone is found.';

CREATE FUNCTION murallink_private.code_named(trial_site_uid murallink.ksuid, named text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    place CONSTANT murallink.trial_site := (SELECT s FROM murallink.trial_site s WHERE s.uid = code_named.trial_site_uid);
    key CONSTANT text := murallink_private.label_key(named);
    here text;
    elsewhere text[];
BEGIN
    SELECT l.code INTO here FROM murallink_private.latest_versions(place.trial_uid) l
    WHERE l.trial_site_uid = place.uid AND murallink_private.label_key(l.milestone) = key;
    IF FOUND THEN
        RETURN here;
    END IF;
    SELECT pg_catalog.array_agg(DISTINCT murallink_private.label_key(l.code)), pg_catalog.min(l.code) INTO elsewhere, here
    FROM murallink_private.latest_versions(place.trial_uid) l WHERE murallink_private.label_key(l.milestone) = key;
    here := coalesce(here, named);
    IF pg_catalog.cardinality(elsewhere) > 1 THEN
        PERFORM murallink_private.raise('conflict', 'code');
    ELSIF EXISTS (
        SELECT FROM murallink.milestone m WHERE m.trial_site_uid = place.uid
        AND (murallink_private.label_key(m.milestone) = key OR murallink_private.label_key(m.code) = murallink_private.label_key(here))) THEN
        PERFORM murallink_private.raise('already_exists', 'milestone');
    END IF;
    RETURN here;
END
$$;
COMMENT ON FUNCTION murallink_private.code_named(murallink.ksuid, text) IS
'The code of the milestone that a name means at a trial at a site: of the one that has the name there, else of the one that has it at other sites of the trial, else the name. Errors: already_exists where that milestone has another name there by now; conflict where the sites of the trial give the name to several.';

CREATE FUNCTION murallink_private.add_version(
    trial_site_uid murallink.ksuid, version murallink.milestone_info, note text
) RETURNS murallink.milestone_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    place CONSTANT murallink.trial_site := (SELECT s FROM murallink.trial_site s WHERE s.uid = add_version.trial_site_uid);
    known murallink.milestone_info;
    added murallink.milestone_info;
BEGIN
    -- One schedule of a trial is changed after the other, so that each sees the names and codes of the one before.
    PERFORM FROM murallink.trial WHERE uid = place.trial_uid FOR NO KEY UPDATE;
    IF coalesce(version.code, '') = '' THEN
        version.milestone := murallink_private.checked_label(version.milestone, 'milestone', 200, true);
        version.code := murallink_private.code_named(place.uid, version.milestone);
    ELSE
        SELECT coalesce(pg_catalog.min(l.code), version.code) INTO version.code FROM murallink_private.latest_versions(place.trial_uid) l
        WHERE murallink_private.label_key(l.code) = murallink_private.label_key(version.code);
    END IF;
    SELECT * INTO known FROM murallink_private.latest_versions(place.trial_uid) l
    WHERE l.trial_site_uid = place.uid AND murallink_private.label_key(l.code) = murallink_private.label_key(version.code);
    version.milestone := murallink_private.checked_label(coalesce(version.milestone, known.milestone), 'milestone', 200, true);
    IF murallink_private.label_key(known.milestone) <> murallink_private.label_key(version.milestone) THEN
        PERFORM murallink_private.raise('already_exists', 'code');
    ELSIF EXISTS (
        SELECT FROM murallink_private.latest_versions(place.trial_uid) l WHERE l.trial_site_uid = place.uid
        AND murallink_private.label_key(l.milestone) = murallink_private.label_key(version.milestone)
        AND murallink_private.label_key(l.code) <> murallink_private.label_key(version.code)) THEN
        PERFORM murallink_private.raise('already_exists', 'milestone');
    END IF;
    -- If inserts by hand have made two spellings, each continues.
    IF (SELECT pg_catalog.bool_and(m.milestone <> version.milestone) FROM murallink.milestone m
        WHERE m.trial_site_uid = place.uid AND murallink_private.label_key(m.code) = murallink_private.label_key(version.code)
        AND murallink_private.label_key(m.milestone) = murallink_private.label_key(version.milestone)) THEN
        PERFORM murallink_private.raise('already_exists', 'milestone');
    END IF;
    IF version.sort_order IS NULL THEN
        SELECT coalesce(
            pg_catalog.max(m.sort_order) FILTER (
                WHERE murallink_private.label_key(m.code) = murallink_private.label_key(version.code)),
            pg_catalog.max(m.sort_order) + 1, 0)
        INTO version.sort_order FROM murallink.milestone m WHERE m.trial_site_uid = place.uid;
    END IF;
    INSERT INTO murallink.milestone (
        client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, num_payments,
        sort_order, code, note, per)
    VALUES (
        place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, place.uid, version.milestone,
        coalesce(version.effective_date, pg_catalog.now()), version.amount, version.currency, coalesce(version.num_payments, 1),
        version.sort_order, version.code, add_version.note,
        coalesce(NULLIF(version.per, ''), known.per, 'person')::murallink.milestone_per)
    ON CONFLICT DO NOTHING RETURNING uid INTO version.uid;
    IF version.uid IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'effective_date');
    END IF;
    SELECT * INTO added FROM murallink_private.milestone_infos() i WHERE i.uid = version.uid;
    RETURN added;
END
$$;
COMMENT ON FUNCTION murallink_private.add_version(murallink.ksuid, murallink.milestone_info, text) IS
'Adds a version to the schedule of a trial at a site. version: its values, which are checked except for the code, the name and whether they fit the rest of the schedule; note: why it is added. Errors: missing_field, too_long, invalid_value, already_exists, conflict.';

CREATE FUNCTION murallink.add_milestone(
    milestone text DEFAULT NULL, amount numeric DEFAULT NULL, currency text DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL,
    site_uid murallink.ksuid DEFAULT NULL, num_payments integer DEFAULT 1, effective_date murallink.moment DEFAULT NULL,
    sort_order integer DEFAULT NULL, code text DEFAULT NULL, note text DEFAULT NULL, per text DEFAULT NULL
) RETURNS murallink.milestone_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place_uid CONSTANT murallink.ksuid :=
        murallink_private.trial_at_site(add_milestone.trial_uid, add_milestone.site_uid, 'add_milestone');
    payer text := currency;
    why CONSTANT text := murallink_private.checked_text(add_milestone.note, 'note', 1000, false);
    version murallink.milestone_info;
BEGIN
    version.code := murallink_private.checked_label(add_milestone.code, 'code', 200, false);
    IF version.code = '' OR add_milestone.milestone <> '' THEN
        version.milestone := murallink_private.checked_label(add_milestone.milestone, 'milestone', 200, true);
    END IF;
    IF coalesce(payer, '') = '' THEN
        SELECT c.currency INTO payer
        FROM murallink.trial_site s JOIN murallink.contract c ON c.uid = s.contract_uid WHERE s.uid = place_uid;
    END IF;
    PERFORM murallink_private.check_money(add_milestone.amount, payer);
    version.amount := add_milestone.amount;
    version.currency := payer;
    version.num_payments := add_milestone.num_payments;
    version.effective_date := add_milestone.effective_date;
    version.sort_order := add_milestone.sort_order;
    version.per := add_milestone.per;
    IF version.num_payments NOT BETWEEN 0 AND 1000 THEN
        PERFORM murallink_private.raise('invalid_value', 'num_payments');
    ELSIF version.effective_date NOT BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 23:59:59.999999Z' THEN
        PERFORM murallink_private.raise('invalid_value', 'effective_date');
    ELSIF version.sort_order NOT BETWEEN 0 AND 1000000 THEN
        PERFORM murallink_private.raise('invalid_value', 'sort_order');
    ELSIF version.per NOT IN ('', 'person', 'enrollment') THEN
        PERFORM murallink_private.raise('invalid_value', 'per');
    END IF;
    RETURN murallink_private.add_version(place_uid, version, why);
END
$$;
COMMENT ON FUNCTION murallink.add_milestone(text, numeric, text, murallink.ksuid, murallink.ksuid, integer, murallink.moment, integer, text, text, text) IS
'Adds a milestone of a trial at a site, or with the name or the code of one that is there a new version of it (document: Add Milestone). milestone: its name; one that differs from another there by case, the width of letters, or the sign of an apostrophe, a quotation mark or a hyphen alone is refused, and so is one that a renamed milestone had there, unless code says which milestone is meant; amount: in units of currency, which defaults to the contract''s; num_payments: how often it may be paid, 0 retires it; effective_date: from when it is in force, default now; sort_order: its place in the schedule, from 0 to 1,000,000, default: unchanged, or last; code: what the milestone is known by, by default that of the milestone with this name, there or at other sites of the trial, else the name; note: why; per: person, if a patient is paid it num_payments times over all enrollments in the trial, or enrollment, if a patient who is screened again may be paid it again; default: unchanged, or person. Needs add_milestone on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, too_long, unknown_currency, invalid_amount, invalid_value, already_exists (the name or the code of another milestone, or the same moment again), conflict (the sites of the trial give the name to several milestones: send code).';

CREATE FUNCTION murallink.rename_milestone(
    trial_site_uid murallink.ksuid DEFAULT NULL, code text DEFAULT NULL, name text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.milestone_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place_uid CONSTANT murallink.ksuid :=
        murallink_private.permit_trial_site(rename_milestone.trial_site_uid, 'add_milestone', 'trial_site_uid');
    key CONSTANT text := murallink_private.label_key(murallink_private.checked_label(rename_milestone.code, 'code', 200, true));
    named CONSTANT text := murallink_private.checked_label(rename_milestone.name, 'name', 200, true);
    why CONSTANT text := murallink_private.checked_text(rename_milestone.note, 'note', 1000, true);
    place murallink.trial_site;
    latest murallink.milestone_info;
    added murallink.milestone_info;
BEGIN
    SELECT * INTO place FROM murallink.trial_site s WHERE s.uid = place_uid;
    PERFORM FROM murallink.trial t WHERE t.uid = place.trial_uid FOR NO KEY UPDATE;
    SELECT * INTO latest FROM murallink_private.latest_versions(place.trial_uid) l
    WHERE l.trial_site_uid = place.uid AND murallink_private.label_key(l.code) = key;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'code');
    ELSIF latest.milestone = named OR EXISTS (
        SELECT FROM murallink_private.latest_versions(place.trial_uid) l
        WHERE l.trial_site_uid = place.uid AND murallink_private.label_key(l.code) <> key
        AND murallink_private.label_key(l.milestone) = murallink_private.label_key(named)) THEN
        PERFORM murallink_private.raise('already_exists', 'name');
    END IF;
    -- The version in force gets the name now, those to come right after they come into force.
    WITH renamed AS (
        INSERT INTO murallink.milestone (
            client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, num_payments,
            sort_order, code, note, per)
        SELECT m.client_uid, m.contract_uid, m.trial_uid, m.site_uid, m.trial_site_uid, named,
            greatest(m.effective_date + interval '1 us', pg_catalog.now()), m.amount, m.currency, m.num_payments,
            m.sort_order, m.code, why, m.per
        FROM murallink.milestone m WHERE m.trial_site_uid = place.uid AND murallink_private.label_key(m.code) = key
        AND m.milestone <> named AND m.effective_date >= coalesce((
            SELECT pg_catalog.max(v.effective_date) FROM murallink.milestone v WHERE v.trial_site_uid = place.uid
            AND murallink_private.label_key(v.code) = key AND v.effective_date <= pg_catalog.now()), '-infinity')
        ON CONFLICT DO NOTHING RETURNING uid, effective_date)
    SELECT uid INTO added.uid FROM renamed ORDER BY effective_date LIMIT 1;
    SELECT * INTO added FROM murallink_private.milestone_infos() i WHERE i.uid = added.uid;
    RETURN added;
END
$$;
COMMENT ON FUNCTION murallink.rename_milestone(murallink.ksuid, text, text, text) IS
'Gives a milestone of a trial at a site another name from now on: a new version with the same code and price, and one for each version to come. What was paid under the old name stays paid. trial_site_uid: the trial at the site; code: of the milestone; name: the new one; note: why. Answers the version in force from now on, or the first to come. Needs add_milestone on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, already_exists (it has that name, or another milestone there has).';

CREATE FUNCTION murallink.get_payment_schedule(
    trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL, include_future boolean DEFAULT false
) RETURNS SETOF murallink.milestone_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place murallink.ksuid :=
        murallink_private.trial_at_site(get_payment_schedule.trial_uid, get_payment_schedule.site_uid, 'view_payment_schedule');
BEGIN
    RETURN QUERY
    SELECT m.* FROM murallink_private.milestone_infos() m
    WHERE m.trial_site_uid = place
    AND (m.uid IN (SELECT s.uid FROM murallink.payment_schedule s WHERE s.trial_site_uid = place)
         OR get_payment_schedule.include_future AND m.effective_date > pg_catalog.now())
    ORDER BY m.sort_order, m.milestone COLLATE "C", m.effective_date;
END
$$;
COMMENT ON FUNCTION murallink.get_payment_schedule(murallink.ksuid, murallink.ksuid, boolean) IS
'The milestones in force now of a trial at a site, in the order of the schedule (document: Get Payment Schedule). include_future: also the versions to come. Needs view_payment_schedule on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field.';
