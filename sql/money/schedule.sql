-- The schedule of payments of a trial.

CREATE TYPE murallink.milestone_per AS ENUM ('person', 'enrollment');
COMMENT ON TYPE murallink.milestone_per IS
'To what the number of payments of a milestone applies: person: to all enrollments of a patient in the trial together; enrollment: to each screening separately.';

CREATE TYPE murallink.similar_milestone AS (code text, milestone text, sort_order integer);
COMMENT ON TYPE murallink.similar_milestone IS 'A milestone that looks like the one that is added, and may be the same visit.';

CREATE DOMAIN murallink.optional_twins AS murallink.similar_milestone[];
COMMENT ON DOMAIN murallink.optional_twins IS 'Similar milestones, which the JSON protocol leaves out where there are none.';

CREATE TYPE murallink.schedule_warning AS (warning text, message text);
COMMENT ON TYPE murallink.schedule_warning IS 'A warning about a version that was added: a stable name, and a sentence.';

CREATE DOMAIN murallink.optional_warnings AS murallink.schedule_warning[];
COMMENT ON DOMAIN murallink.optional_warnings IS 'Warnings, which the JSON protocol leaves out where there are none.';

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
    per murallink.optional_text,
    approval_ref murallink.optional_text,
    approved_on murallink.optional_date,
    "similar" murallink.optional_twins,
    warnings murallink.optional_warnings
);
COMMENT ON TYPE murallink.milestone_info IS
'A version of a milestone, as add_milestone and get_payment_schedule answer. milestone: its name; code: what the milestone is known by, whatever its name; per: enrollment if it is paid again for each screening of a patient, else absent; approval_ref, approved_on: the approval by the ethics committee (IRB); similar: the milestones there that look like the one that was added; warnings: no_effect, ends, payments_keep_price, not_approved, fewer_payments, large_share.';

CREATE FUNCTION murallink_private.approval_trials() RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
    SELECT uid FROM murallink.trial WHERE need_approval_ref
$$;
COMMENT ON FUNCTION murallink_private.approval_trials() IS
'The trials in which versions of milestones without approval_ref are not in force. The view murallink.payment_schedule calls it with the rights of its reader.';

CREATE FUNCTION murallink_private.first_day(effective_date timestamptz, time_zone text) RETURNS date
LANGUAGE sql STABLE
RETURN CASE WHEN pg_catalog.date_trunc('day', effective_date, 'UTC') = effective_date THEN (effective_date AT TIME ZONE 'UTC')::date
    ELSE murallink_private.local_day(effective_date, time_zone) END;
COMMENT ON FUNCTION murallink_private.first_day(timestamptz, text) IS
'The first day whose visits a version of a milestone prices, as a whole, where the trial prices by visit: the day at the site, in its time zone, on which it comes into force; if that is at midnight in UTC, as a date without a time is read, that date.';

CREATE FUNCTION murallink_private.milestone_infos() RETURNS SETOF murallink.milestone_info
LANGUAGE sql STABLE AS $$
    SELECT uid, trial_site_uid, effective_date, milestone, pg_catalog.trim_scale(amount), num_payments, currency::text, sort_order,
        site_uid, trial_uid, code, NULLIF(per, 'person')::text, approval_ref, approved_on, NULL::murallink.similar_milestone[],
        NULL::murallink.schedule_warning[]
    FROM murallink.milestone
$$;
COMMENT ON FUNCTION murallink_private.milestone_infos() IS
'The versions of milestones as clients see them. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink_private.latest_versions(trial_uid murallink.ksuid) RETURNS SETOF murallink.milestone_info
LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (m.trial_site_uid, murallink_private.label_key(m.code)) m.*
    FROM murallink.trial_site s JOIN murallink_private.milestone_infos() m ON m.trial_site_uid = s.uid WHERE s.trial_uid = $1
    ORDER BY m.trial_site_uid, murallink_private.label_key(m.code), m.effective_date DESC, (m.approval_ref <> '') DESC
$$;
COMMENT ON FUNCTION murallink_private.latest_versions(murallink.ksuid) IS
'The last version of each milestone of a trial at each of its sites, also if it is still to come: it has the name by which the milestone is found.';

CREATE FUNCTION murallink_private.versions_in_force(
    trial_site_uid murallink.ksuid, visit_date date DEFAULT NULL, at timestamptz DEFAULT NULL
) RETURNS SETOF murallink.milestone_info
LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (murallink_private.label_key(m.code)) m.*
    FROM murallink.trial_site a JOIN murallink.trial t ON t.uid = a.trial_uid JOIN murallink.site s ON s.uid = a.site_uid
        JOIN murallink_private.milestone_infos() m ON m.trial_site_uid = a.uid,
        LATERAL (SELECT coalesce($3, pg_catalog.now()) AS moment) n
    WHERE a.uid = $1 AND (m.approval_ref <> '' OR NOT t.need_approval_ref)
        AND CASE t.price_by
            WHEN 'visit' THEN murallink_private.first_day(m.effective_date, s.time_zone)
                <= coalesce($2, murallink_private.first_day(n.moment, s.time_zone))
            ELSE m.effective_date <= n.moment END
    ORDER BY murallink_private.label_key(m.code), m.effective_date DESC, (m.approval_ref <> '') DESC
$$;
COMMENT ON FUNCTION murallink_private.versions_in_force(murallink.ksuid, date, timestamptz) IS
'The versions of a trial at a site, retired ones, too, that price payments as its trial says: those in force at a moment, by default now, or on the day of a visit, by default the day of that moment at the site. The library has the same rule (src/money/schedule.c).';

CREATE FUNCTION murallink_private.milestone_words(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.regexp_replace(murallink_private.words(murallink_private.name_folded(name)), '(^|[^0-9])0+(?=[0-9])', '\1', 'g');
COMMENT ON FUNCTION murallink_private.milestone_words(text) IS
'The words of the name of a milestone, without case, accents, punctuation and leading zeros, and with the digits of ASCII for those of other scripts.';

CREATE FUNCTION murallink_private.similar_milestones(version murallink.milestone_info, respelled boolean) RETURNS murallink.similar_milestone[]
LANGUAGE sql STABLE AS $$
    SELECT NULLIF(ARRAY(
        SELECT ROW(l.code, l.milestone, l.sort_order)::murallink.similar_milestone
        FROM murallink_private.latest_versions(version.trial_uid) l JOIN murallink.trial_site a ON a.uid = l.trial_site_uid,
            LATERAL (
                SELECT murallink_private.milestone_words(l.milestone) AS theirs, murallink_private.milestone_words(version.milestone) AS ours) n
        WHERE l.trial_site_uid = version.trial_site_uid AND CASE
            WHEN murallink_private.label_key(l.code) = murallink_private.label_key(version.code) THEN respelled
            ELSE l.num_payments > 0 AND (pg_catalog.replace(n.theirs, ' ', '') = NULLIF(pg_catalog.replace(n.ours, ' ', ''), '')
                OR l.sort_order = version.sort_order AND n.ours ~ '[0-9]'
                    AND pg_catalog.regexp_replace(n.theirs, '[^0-9]+', ' ', 'g')
                        = pg_catalog.regexp_replace(n.ours, '[^0-9]+', ' ', 'g')) END
        AND murallink_private.permitted('view_payment_schedule', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid)
        ORDER BY l.sort_order, l.milestone COLLATE "C"), '{}')
$$;
COMMENT ON FUNCTION murallink_private.similar_milestones(murallink.milestone_info, boolean) IS
'The milestones there that look like one that was added: their names differ by case, accents, blanks, punctuation, leading zeros and the script of their digits alone, or they stand at the same place of the schedule and have the same numbers in their names. respelled: whether the version was added in another spelling, so that its own milestone is one of them. Null if there are none, or if the caller may not see the schedule.';

CREATE FUNCTION murallink_private.version_warnings(version murallink.milestone_info) RETURNS murallink.schedule_warning[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    place CONSTANT murallink.trial_site := (SELECT a FROM murallink.trial_site a WHERE a.uid = version.trial_site_uid);
    the_trial CONSTANT murallink.trial := (SELECT t FROM murallink.trial t WHERE t.uid = version.trial_uid);
    zone CONSTANT text := (SELECT s.time_zone FROM murallink.site s WHERE s.uid = version.site_uid);
    most CONSTANT integer := pg_catalog.current_setting('murallink.large_share')::integer;
    seen CONSTANT boolean := murallink_private.permitted(
        'view_payment_schedule', place.client_uid, place.contract_uid, place.trial_uid, place.site_uid);
    share numeric;
    next_day date;
    payments_before integer;
    warnings murallink.schedule_warning[] := '{}';
BEGIN
    IF the_trial.need_approval_ref AND version.approval_ref = '' THEN
        warnings := warnings || ROW('not_approved',
            'Without an approval_ref it is not in force. Add it again, with its effective_date, when it is approved.')::murallink.schedule_warning;
    ELSIF EXISTS (
        SELECT FROM murallink_private.milestone_infos() m
        WHERE m.trial_site_uid = version.trial_site_uid AND murallink_private.label_key(m.code) = murallink_private.label_key(version.code)
        AND (m.approval_ref <> '' OR NOT the_trial.need_approval_ref)
        AND (m.effective_date, m.approval_ref <> '') > (version.effective_date, version.approval_ref <> '') AND CASE the_trial.price_by
            WHEN 'visit' THEN murallink_private.first_day(m.effective_date, zone) = murallink_private.first_day(version.effective_date, zone)
            ELSE m.effective_date <= pg_catalog.now() END) THEN
        warnings := warnings || ROW('no_effect', CASE the_trial.price_by
            WHEN 'visit' THEN 'It prices nothing, because a later version of the same day does.'
            ELSE 'It prices nothing, because a later version is in force.' END)::murallink.schedule_warning;
    ELSIF version.effective_date < pg_catalog.now() THEN
        SELECT pg_catalog.min(murallink_private.first_day(m.effective_date, zone)) INTO next_day FROM murallink_private.milestone_infos() m
        WHERE m.trial_site_uid = version.trial_site_uid AND murallink_private.label_key(m.code) = murallink_private.label_key(version.code)
        AND (m.approval_ref <> '' OR NOT the_trial.need_approval_ref) AND m.effective_date > version.effective_date
        AND m.effective_date <= pg_catalog.now() AND the_trial.price_by = 'visit';
        IF next_day IS NOT NULL THEN
            warnings := warnings || ROW('ends', pg_catalog.format(
                'It prices no visits from %s on, because another version does.', next_day))::murallink.schedule_warning;
        END IF;
        warnings := warnings || ROW('payments_keep_price',
            'Payments that were made keep their price; top_up pays the difference.')::murallink.schedule_warning;
    END IF;
    SELECT m.num_payments INTO payments_before FROM murallink_private.milestone_infos() m
    WHERE m.trial_site_uid = version.trial_site_uid AND murallink_private.label_key(m.code) = murallink_private.label_key(version.code)
    AND m.effective_date <= version.effective_date AND m.uid <> version.uid ORDER BY m.effective_date DESC, m.uid DESC LIMIT 1;
    IF seen AND version.num_payments BETWEEN 1 AND payments_before - 1 THEN
        warnings := warnings || ROW('fewer_payments', pg_catalog.format(
            'Its num_payments is %s, and was %s: a version that is added without it has 1.', version.num_payments, payments_before)
        )::murallink.schedule_warning;
    END IF;
    SELECT pg_catalog.round(100 * version.amount / pg_catalog.sum(v.amount)) INTO share
    FROM murallink_private.versions_in_force(version.trial_site_uid, NULL, greatest(version.effective_date, pg_catalog.now())) v
    WHERE v.num_payments > 0 AND v.currency = version.currency
    HAVING pg_catalog.count(*) > 1 AND pg_catalog.bool_or(v.uid = version.uid)
        AND 100 * version.amount > most * pg_catalog.sum(v.amount);
    IF seen AND share IS NOT NULL THEN
        warnings := warnings || ROW('large_share', pg_catalog.format(
            'It is %s %% of the sum of the schedule, which may look like a bonus for completion.', share))::murallink.schedule_warning;
    END IF;
    RETURN NULLIF(warnings, '{}');
END
$$;
COMMENT ON FUNCTION murallink_private.version_warnings(murallink.milestone_info) IS
'Warnings about a version that was added: not_approved: the trial needs an approval, which it does not have; no_effect: a later version takes its place at every moment from now on, or on every day of visits; ends: a version that is in force follows it; payments_keep_price: it is backdated; fewer_payments: it can be paid less often than the version before it; large_share: one payment of it is more than murallink.large_share percent of the amounts in its currency that are in force with it, each counted once, if there are several. Null if there is nothing.';

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
        PERFORM murallink_private.raise('conflict', 'code', 'Several milestones of the trial have this name: send the code of one.');
    ELSIF EXISTS (
        SELECT FROM murallink.milestone m WHERE m.trial_site_uid = place.uid
        AND (murallink_private.label_key(m.milestone) = key OR murallink_private.label_key(m.code) = murallink_private.label_key(here))) THEN
        PERFORM murallink_private.raise(
            'already_exists', 'milestone', 'A renamed milestone had this name: send its code, or another code for a new milestone.');
    END IF;
    RETURN here;
END
$$;
COMMENT ON FUNCTION murallink_private.code_named(murallink.ksuid, text) IS
'The code of the milestone that a name means at a trial at a site: of the one that has the name there, else of the one that has it at other sites of the trial, else the name. Errors: already_exists where that milestone has another name there now; conflict where the sites of the trial give the name to several.';

CREATE FUNCTION murallink_private.add_version(
    trial_site_uid murallink.ksuid, version murallink.milestone_info, note text
) RETURNS murallink.milestone_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    place CONSTANT murallink.trial_site := (SELECT s FROM murallink.trial_site s WHERE s.uid = add_version.trial_site_uid);
    known murallink.milestone_info;
    respelled boolean;
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
    version.milestone := murallink_private.checked_label(coalesce(NULLIF(version.milestone, ''), known.milestone), 'milestone', 200, true);
    IF murallink_private.label_key(known.milestone) <> murallink_private.label_key(version.milestone) THEN
        PERFORM murallink_private.raise('already_exists', 'code', 'The milestone with this code has another name: rename_milestone changes it.');
    ELSIF EXISTS (
        SELECT FROM murallink_private.latest_versions(place.trial_uid) l WHERE l.trial_site_uid = place.uid
        AND murallink_private.label_key(l.milestone) = murallink_private.label_key(version.milestone)
        AND murallink_private.label_key(l.code) <> murallink_private.label_key(version.code)) THEN
        PERFORM murallink_private.raise('already_exists', 'milestone', 'The milestone with another code has this name.');
    END IF;
    -- A milestone keeps its spelling. If inserts by hand have made two spellings, each continues.
    respelled := known.uid IS NOT NULL AND NOT EXISTS (
        SELECT FROM murallink.milestone m WHERE m.trial_site_uid = place.uid AND m.milestone = version.milestone
        AND murallink_private.label_key(m.code) = murallink_private.label_key(version.code));
    IF respelled THEN
        version.milestone := known.milestone;
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
        sort_order, code, note, approval_ref, approved_on, per)
    VALUES (
        place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, place.uid, version.milestone,
        coalesce(version.effective_date, (
            -- Not before one that came into force while this transaction waited for it.
            SELECT GREATEST(pg_catalog.max(m.effective_date) + interval '1 us', pg_catalog.now()) FROM murallink.milestone m
            WHERE m.trial_site_uid = place.uid AND murallink_private.label_key(m.code) = murallink_private.label_key(version.code)
            AND m.effective_date > pg_catalog.now() AND m.effective_date <= pg_catalog.clock_timestamp())),
        version.amount, version.currency, coalesce(version.num_payments, 1),
        version.sort_order, version.code, add_version.note,
        coalesce(version.approval_ref, ''), version.approved_on, coalesce(NULLIF(version.per, ''), known.per, 'person')::murallink.milestone_per)
    ON CONFLICT DO NOTHING RETURNING uid INTO version.uid;
    IF version.uid IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'effective_date', 'It has a version of this moment: send another effective_date.');
    END IF;
    SELECT * INTO added FROM murallink_private.milestone_infos() i WHERE i.uid = version.uid;
    added.similar := murallink_private.similar_milestones(added, respelled);
    RETURN added;
END
$$;
COMMENT ON FUNCTION murallink_private.add_version(murallink.ksuid, murallink.milestone_info, text) IS
'Adds a version to the schedule of a trial at a site. version: its values, which are checked except for the code, the name and whether they fit the rest of the schedule; note: why it is added. The answer has no warnings yet. Errors: missing_field, too_long, invalid_value, already_exists, conflict.';

CREATE FUNCTION murallink_private.checked_version(version murallink.milestone_info, contract_uid murallink.ksuid)
RETURNS murallink.milestone_info
LANGUAGE plpgsql STABLE AS $$
BEGIN
    version.code := murallink_private.checked_label(version.code, 'code', 200, false);
    IF version.code = '' OR version.milestone <> '' THEN
        version.milestone := murallink_private.checked_label(version.milestone, 'milestone', 200, true);
    END IF;
    IF coalesce(version.currency, '') = '' THEN
        SELECT c.currency INTO version.currency FROM murallink.contract c WHERE c.uid = checked_version.contract_uid;
    END IF;
    PERFORM murallink_private.check_money(version.amount, version.currency);
    version.approval_ref := murallink_private.checked_label(version.approval_ref, 'approval_ref', 200, false);
    version.approved_on := murallink_private.checked_date(version.approved_on, 'approved_on');
    IF version.num_payments NOT BETWEEN 0 AND 1000 THEN
        PERFORM murallink_private.raise('invalid_value', 'num_payments', 'A number from 0 to 1000.');
    ELSIF version.effective_date NOT BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 23:59:59.999999Z' THEN
        PERFORM murallink_private.raise('invalid_value', 'effective_date', 'A time in the years 1 to 9999.');
    ELSIF version.sort_order NOT BETWEEN 0 AND 1000000 THEN
        PERFORM murallink_private.raise('invalid_value', 'sort_order', 'A number from 0 to 1000000.');
    ELSIF version.per NOT IN ('', 'person', 'enrollment') THEN
        PERFORM murallink_private.raise('invalid_value', 'per', 'One of person and enrollment.');
    ELSIF version.approved_on IS NOT NULL AND version.approval_ref = '' THEN
        PERFORM murallink_private.raise('missing_field', 'approval_ref');
    ELSIF version.approved_on > (pg_catalog.now() AT TIME ZONE 'UTC')::date + 1 THEN
        PERFORM murallink_private.raise('invalid_value', 'approved_on', 'A day that is not in the future.');
    END IF;
    RETURN version;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_version(murallink.milestone_info, murallink.ksuid) IS
'The values of a new version, checked by themselves. contract_uid: whose currency is the default. Errors: missing_field, too_long, unknown_currency, invalid_amount, invalid_value.';

CREATE FUNCTION murallink.add_milestone(
    milestone text DEFAULT NULL, amount numeric DEFAULT NULL, currency text DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL,
    site_uid murallink.ksuid DEFAULT NULL, num_payments integer DEFAULT 1, effective_date murallink.moment DEFAULT NULL,
    sort_order integer DEFAULT NULL, code text DEFAULT NULL, note text DEFAULT NULL, per text DEFAULT NULL,
    approval_ref text DEFAULT NULL, approved_on murallink.day DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.milestone_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid :=
        murallink_private.trial_at_site(add_milestone.trial_uid, add_milestone.site_uid, 'add_milestone');
    why CONSTANT text := murallink_private.checked_text(add_milestone.note, 'note', 1000, false);
    version murallink.milestone_info;
BEGIN
    version.milestone := add_milestone.milestone;
    version.amount := add_milestone.amount;
    version.currency := add_milestone.currency;
    version.num_payments := add_milestone.num_payments;
    version.effective_date := add_milestone.effective_date;
    version.sort_order := add_milestone.sort_order;
    version.code := add_milestone.code;
    version.per := add_milestone.per;
    version.approval_ref := add_milestone.approval_ref;
    version.approved_on := add_milestone.approved_on;
    version := murallink_private.add_version(place, murallink_private.checked_version(
        version, (SELECT a.contract_uid FROM murallink.trial_site a WHERE a.uid = place)), why);
    PERFORM murallink_private.refer('milestone', add_milestone.trial_uid, add_milestone.source, add_milestone.ref, version.code);
    version.warnings := murallink_private.version_warnings(version);
    RETURN version;
END
$$;
COMMENT ON FUNCTION murallink.add_milestone(text, numeric, text, murallink.ksuid, murallink.ksuid, integer, murallink.moment, integer, text, text, text, text, murallink.day, text, text) IS
'Adds a milestone of a trial at a site, or with the name or the code of one that is there a new version of it (document: Add Milestone). milestone: its name, also in another spelling than the one that is kept; one that a renamed milestone had there is refused, unless code says which milestone is meant; amount: in units of currency, which defaults to the contract''s; num_payments: how often one enrollment may be paid it, default 1, also where the version before has more; 0 retires it; effective_date: from when it is in force, default now, and after a version that came into force while this one waited; sort_order: its place in the schedule, from 0 to 1,000,000, default: unchanged, or last; code: what the milestone is known by, by default that of the milestone with this name, there or at other sites of the trial, else the name; note: why; per: person, if a patient is paid it num_payments times over all enrollments in the trial, or enrollment, if a patient who is screened again may be paid it again; default: unchanged, or person; approval_ref, approved_on: the approval by the ethics committee (IRB), for a version that is there without one with the same effective_date; source, ref: what another system calls the milestone, at all sites of the trial, as set_reference takes them, if it has no other reference there, which needs add_milestone on the trial. The answer has similar, the milestones there that may be the same visit, and warnings. Needs add_milestone on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, too_long, unknown_currency, invalid_amount, invalid_value, already_exists (the name or the code of another milestone, the same moment again, or the reference), conflict (the sites of the trial give the name to several milestones: send code).';

CREATE FUNCTION murallink_private.version_in_row(given jsonb) RETURNS murallink.milestone_info
LANGUAGE plpgsql STABLE AS $$
DECLARE
    known CONSTANT jsonb := '{"milestone": "string", "code": "string", "amount": "number", "currency": "string", "num_payments": "number",
        "effective_date": "string", "sort_order": "number", "per": "string", "approval_ref": "string", "approved_on": "string",
        "source": "string", "ref": "string"}';
    version murallink.milestone_info;
    field text;
BEGIN
    FOR field IN SELECT k FROM pg_catalog.jsonb_object_keys(given) AS k LOOP
        IF NOT known OPERATOR(pg_catalog.?) field THEN
            PERFORM murallink_private.raise('unknown_key', field);
        ELSIF pg_catalog.jsonb_typeof(given -> field) NOT IN (known ->> field, 'null')
            OR field IN ('num_payments', 'sort_order') AND (given ->> field)::numeric % 1 <> 0 THEN
            PERFORM murallink_private.raise('wrong_type', field, pg_catalog.format('It must be a %s.', known ->> field));
        ELSIF field IN ('num_payments', 'sort_order') AND (given ->> field)::numeric NOT BETWEEN 0 AND 1000000 THEN
            PERFORM murallink_private.raise('invalid_value', field,
                CASE field WHEN 'num_payments' THEN 'A number from 0 to 1000.' ELSE 'A number from 0 to 1000000.' END);
        END IF;
    END LOOP;
    version.milestone := given ->> 'milestone';
    version.code := given ->> 'code';
    version.amount := given ->> 'amount';
    version.currency := given ->> 'currency';
    version.num_payments := coalesce((given ->> 'num_payments')::numeric, 1);
    version.effective_date := murallink_private.row_value(given, 'effective_date', NULL::murallink.moment);
    version.sort_order := (given ->> 'sort_order')::numeric;
    version.per := given ->> 'per';
    version.approval_ref := given ->> 'approval_ref';
    version.approved_on := murallink_private.row_value(given, 'approved_on', NULL::murallink.day);
    RETURN version;
END
$$;
COMMENT ON FUNCTION murallink_private.version_in_row(jsonb) IS
'The version that a row of add_milestones describes: a JSON object with arguments of add_milestone, of which source and ref are read where they are used. Errors: unknown_key, wrong_type, invalid_value.';

CREATE FUNCTION murallink_private.refers(given jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN '' <> ANY (ARRAY[given ->> 'source', given ->> 'ref']);
COMMENT ON FUNCTION murallink_private.refers(jsonb) IS 'Whether a row has a source or a ref.';

CREATE FUNCTION murallink_private.versions_in_rows(given jsonb, contract_uid murallink.ksuid) RETURNS murallink.milestone_info[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    row_number integer := 0;
    row_given jsonb;
    versions murallink.milestone_info[] := '{}';
    error text;
    field text;
    hint text;
BEGIN
    IF coalesce(pg_catalog.jsonb_typeof(given), 'null') = 'null' THEN
        PERFORM murallink_private.raise('missing_field', 'rows');
    ELSIF pg_catalog.jsonb_typeof(given) <> 'array' THEN
        PERFORM murallink_private.raise('wrong_type', 'rows', 'It must be an array of objects.');
    ELSIF pg_catalog.jsonb_array_length(given) = 0 THEN
        PERFORM murallink_private.raise('missing_field', 'rows');
    ELSIF pg_catalog.jsonb_array_length(given) > 500 THEN
        PERFORM murallink_private.raise('too_long', 'rows', 'At most 500 rows are taken at once.');
    END IF;
    FOR row_given IN SELECT e FROM pg_catalog.jsonb_array_elements(given) AS e LOOP
        row_number := row_number + 1;
        IF pg_catalog.jsonb_typeof(row_given) <> 'object' THEN
            PERFORM murallink_private.raise('wrong_type', pg_catalog.format('rows[%s]', row_number), 'It must be an object.');
        END IF;
        versions := versions || murallink_private.checked_version(
            murallink_private.version_in_row(row_given), versions_in_rows.contract_uid);
        IF murallink_private.refers(row_given) THEN
            PERFORM murallink_private.checked_source(row_given ->> 'source'), murallink_private.checked_label(row_given ->> 'ref', 'ref', 200, true);
        END IF;
    END LOOP;
    RETURN versions;
EXCEPTION WHEN SQLSTATE 'PT400' THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME, field = COLUMN_NAME, hint = PG_EXCEPTION_HINT;
    PERFORM murallink_private.raise(error, CASE WHEN field ~ '^rows' THEN field
        ELSE pg_catalog.concat_ws('.', pg_catalog.format('rows[%s]', row_number), NULLIF(field, '')) END, NULLIF(hint, ''));
END
$$;
COMMENT ON FUNCTION murallink_private.versions_in_rows(jsonb, murallink.ksuid) IS
'The versions that the rows of add_milestones describe, checked by themselves. contract_uid: whose currency is the default. An error names the row, from 1, such as rows[2].amount. Errors: missing_field, wrong_type, too_long, unknown_key, unknown_currency, invalid_amount, invalid_value.';

CREATE TYPE murallink.site_schedule AS (
    site_uid murallink.ksuid, trial_site_uid murallink.ksuid, added boolean, milestones murallink.milestone_info[],
    error murallink.optional_text, field murallink.optional_text);
COMMENT ON TYPE murallink.site_schedule IS
'What add_milestones did at a site. added: whether the milestones were added, all of them; error, field: why not, if they cannot be.';

CREATE FUNCTION murallink_private.add_versions(
    trial_site_uid murallink.ksuid, versions murallink.milestone_info[], given jsonb, note text, dry_run boolean
) RETURNS murallink.site_schedule
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    answer murallink.site_schedule;
    version murallink.milestone_info;
    row_number integer := 0;
BEGIN
    SELECT a.site_uid, a.uid, NOT add_versions.dry_run, '{}' INTO answer FROM murallink.trial_site a WHERE a.uid = add_versions.trial_site_uid;
    FOREACH version IN ARRAY versions LOOP
        row_number := row_number + 1;
        version := murallink_private.add_version(answer.trial_site_uid, version, add_versions.note);
        answer.milestones := answer.milestones || version;
        IF murallink_private.refers(given -> row_number - 1) THEN
            PERFORM murallink_private.refer(
                'milestone', version.trial_uid, given -> row_number - 1 ->> 'source', given -> row_number - 1 ->> 'ref', version.code);
        END IF;
    END LOOP;
    -- Each row counts beside the others, wherever it stands among them.
    FOR n IN 1 .. pg_catalog.cardinality(versions) LOOP
        version := answer.milestones[n];
        version.warnings := murallink_private.version_warnings(version);
        IF add_versions.dry_run THEN
            version.uid := NULL;
        END IF;
        answer.milestones[n] := version;
    END LOOP;
    IF add_versions.dry_run THEN
        RAISE USING ERRCODE = 'MLDRY', MESSAGE = 'takes back what was tried';
    END IF;
    RETURN answer;
EXCEPTION
    WHEN SQLSTATE 'MLDRY' THEN
        RETURN answer;
    WHEN SQLSTATE 'PT409' OR SQLSTATE 'PT400' THEN
        GET STACKED DIAGNOSTICS answer.error = CONSTRAINT_NAME, answer.field = COLUMN_NAME;
        answer.added := false;
        answer.milestones := NULL;
        answer.field := pg_catalog.format('rows[%s].%s', row_number, answer.field);
        RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink_private.add_versions(murallink.ksuid, murallink.milestone_info[], jsonb, text, boolean) IS
'Adds versions to the schedule of a trial at a site, all or, if one does not fit, none, which the answer says. given: the rows that describe them, whose source and ref are set. dry_run: adds none, but answers as if it did.';

CREATE FUNCTION murallink.add_milestones(
    trial_uid murallink.ksuid DEFAULT NULL, rows jsonb DEFAULT NULL, sites murallink.ksuid[] DEFAULT NULL, note text DEFAULT NULL,
    dry_run boolean DEFAULT false
) RETURNS SETOF murallink.site_schedule
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    places murallink.ksuid[];
    why text;
    versions murallink.milestone_info[];
BEGIN
    PERFORM murallink_private.required(add_milestones.trial_uid, 'trial_uid');
    IF coalesce(pg_catalog.cardinality(sites), 0) > 0 THEN
        places := ARRAY(
            SELECT DISTINCT murallink_private.trial_at_site(add_milestones.trial_uid, s, 'add_milestone') AS place
            FROM pg_catalog.unnest(sites) AS s ORDER BY place);
    ELSE
        places := ARRAY(
            SELECT a.uid FROM murallink.trial_site a WHERE a.trial_uid = add_milestones.trial_uid
            AND murallink_private.permitted('add_milestone', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid) ORDER BY a.uid);
        IF places = '{}' AND EXISTS (SELECT FROM murallink.trial_site a WHERE a.trial_uid = add_milestones.trial_uid) THEN
            PERFORM murallink_private.raise(
                CASE WHEN murallink_private.trial_visible(add_milestones.trial_uid) THEN 'forbidden' ELSE 'not_found' END, 'trial_uid',
                CASE WHEN murallink_private.trial_visible(add_milestones.trial_uid)
                    THEN 'The permission add_milestone is required at a site of the trial.' END);
        ELSIF places = '{}' THEN
            PERFORM murallink_private.permit_trial(add_milestones.trial_uid, 'add_milestone', 'trial_uid');
            PERFORM murallink_private.raise('not_associated', 'sites');
        END IF;
    END IF;
    why := murallink_private.checked_text(add_milestones.note, 'note', 1000, add_milestones.dry_run IS NOT TRUE);
    versions := murallink_private.versions_in_rows(
        rows, (SELECT t.contract_uid FROM murallink.trial t WHERE t.uid = add_milestones.trial_uid));
    RETURN QUERY SELECT s.* FROM pg_catalog.unnest(places) WITH ORDINALITY AS p (uid, n),
        LATERAL murallink_private.add_versions(p.uid, versions, rows, why, coalesce(add_milestones.dry_run, false)) s ORDER BY p.n;
END
$$;
COMMENT ON FUNCTION murallink.add_milestones(murallink.ksuid, jsonb, murallink.ksuid[], text, boolean) IS
'Adds milestones, or new versions of them, at many sites of a trial at once, each site in the same way. rows: an array of at most 500 objects with arguments of add_milestone: milestone, code, amount, currency, num_payments, effective_date, sort_order, per, approval_ref, approved_on, source, ref; sites: the uids of the sites, by default all sites of the trial at which the caller holds add_milestone; note: why, not needed with dry_run, which answers what would be done, and does nothing. Each site gets all rows or, where one does not fit its schedule, none, and the answer has the error; a row that is wrong anywhere refuses everything. Needs add_milestone on the trial at each site, and for source and ref on the trial. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, wrong_type, unknown_key, too_long, unknown_currency, invalid_amount, invalid_value.';

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
        PERFORM murallink_private.raise('not_found', 'code', 'get_payment_schedule shows the milestones and their codes.');
    ELSIF latest.milestone = named OR EXISTS (
        SELECT FROM murallink_private.latest_versions(place.trial_uid) l
        WHERE l.trial_site_uid = place.uid AND murallink_private.label_key(l.code) <> key
        AND murallink_private.label_key(l.milestone) = murallink_private.label_key(named)) THEN
        PERFORM murallink_private.raise('already_exists', 'name', 'It, or another milestone there, has this name: get_payment_schedule shows the names.');
    END IF;
    -- The version in force gets the name now, and one that is not approved, too; those to come right after they come into force.
    WITH renamed AS (
        INSERT INTO murallink.milestone (
            client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, num_payments,
            sort_order, code, note, approval_ref, approved_on, per)
        SELECT m.client_uid, m.contract_uid, m.trial_uid, m.site_uid, m.trial_site_uid, named,
            greatest(m.effective_date + interval '1 us', pg_catalog.now()), m.amount, m.currency, m.num_payments,
            m.sort_order, m.code, why, m.approval_ref, m.approved_on, m.per
        FROM murallink.milestone m WHERE m.trial_site_uid = place.uid AND murallink_private.label_key(m.code) = key
        AND m.milestone <> named AND (
            m.effective_date > pg_catalog.now() OR m.uid IN (
                SELECT v.uid FROM murallink_private.versions_in_force(place.uid) v WHERE murallink_private.label_key(v.code) = key)
            OR m.effective_date = (
                SELECT pg_catalog.max(v.effective_date) FROM murallink.milestone v WHERE v.trial_site_uid = place.uid
                AND murallink_private.label_key(v.code) = key AND v.effective_date <= pg_catalog.now()))
        ON CONFLICT DO NOTHING RETURNING uid, effective_date)
    SELECT uid INTO added.uid FROM renamed ORDER BY effective_date LIMIT 1;
    SELECT * INTO added FROM murallink_private.milestone_infos() i WHERE i.uid = added.uid;
    RETURN added;
END
$$;
COMMENT ON FUNCTION murallink.rename_milestone(murallink.ksuid, text, text, text) IS
'Gives a milestone of a trial at a site another name from now on: a new version with the same code and price, and one for each version to come. What was paid under the old name stays paid. trial_site_uid: the trial at the site; code: of the milestone; name: the new one; note: why. Answers the version in force from now on, or the first to come. Needs add_milestone on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, already_exists (it has that name, or another milestone there has).';

CREATE TYPE murallink.trial_pricing AS (trial_uid murallink.ksuid, price_by text, need_approval_ref boolean, note text);
COMMENT ON TYPE murallink.trial_pricing IS 'How a trial prices its milestones, as set_pricing answers. note: why it was last set.';

CREATE FUNCTION murallink.set_pricing(
    trial_uid murallink.ksuid DEFAULT NULL, price_by text DEFAULT NULL, need_approval_ref boolean DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.trial_pricing
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted CONSTANT murallink.ksuid := murallink_private.permit_trial(set_pricing.trial_uid, 'add_milestone', 'trial_uid');
    answer murallink.trial_pricing;
BEGIN
    IF coalesce(set_pricing.price_by, '') NOT IN ('', 'payment', 'visit') THEN
        PERFORM murallink_private.raise('invalid_value', 'price_by', 'One of payment and visit.');
    ELSIF coalesce(set_pricing.price_by, '') = '' AND set_pricing.need_approval_ref IS NULL THEN
        PERFORM murallink_private.raise('missing_field', 'price_by');
    END IF;
    UPDATE murallink.trial t SET price_by = coalesce(NULLIF(set_pricing.price_by, '')::murallink.price_rule, t.price_by),
        need_approval_ref = coalesce(set_pricing.need_approval_ref, t.need_approval_ref),
        pricing_note = murallink_private.checked_text(set_pricing.note, 'note', 1000, true),
        updated_at = pg_catalog.clock_timestamp()
    WHERE t.uid = permitted
    RETURNING t.uid, t.price_by::text, t.need_approval_ref, t.pricing_note INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.set_pricing(murallink.ksuid, text, boolean, text) IS
'Sets how a trial prices its milestones from now on. What is paid keeps its version and its price, and is not payable again. price_by: payment, as a new trial has it: a payment has the price in force when it is made; visit: the price in force on the day of the visit at the site, and milestone_payment needs visit_date; need_approval_ref: whether versions without approval_ref are not in force; an absent argument, or null in SQL, changes nothing; note: why. Needs add_milestone on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';

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
