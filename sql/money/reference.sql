-- References of other systems: what they call a trial, a site, an enrollment, a milestone or a payment.

CREATE FUNCTION murallink_private.is_source(name text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN name ~ '^[a-z0-9][a-z0-9._:-]*$' AND pg_catalog.length(name) <= 50;
COMMENT ON FUNCTION murallink_private.is_source(text) IS
'Whether a text names another system: up to 50 lower-case letters, digits and . _ : -, so that no system has two spellings.';

CREATE FUNCTION murallink_private.checked_source(source text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    source := murallink_private.checked_text(source, 'source', 50, true);
    IF NOT murallink_private.is_source(source) THEN
        PERFORM murallink_private.raise('invalid_value', 'source', 'A source is written in lower-case letters and digits, with . _ : - between them.');
    END IF;
    RETURN source;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_source(text) IS 'The name of another system. Errors: missing_field, too_long, invalid_value.';

CREATE TYPE murallink.reference_info AS (
    kind text, source text, ref text, resource_uid murallink.ksuid, milestone murallink.optional_text);
COMMENT ON TYPE murallink.reference_info IS
'A reference of another system, as set_reference and find_reference answer. resource_uid: the trial, site, enrollment or payment, or the trial of the milestone; milestone: the code of the milestone.';

CREATE TYPE murallink.reference_place AS (
    needed murallink.permission, client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid);
COMMENT ON TYPE murallink.reference_place IS 'The place of a resource, and the permission that is needed to set its references.';

CREATE FUNCTION murallink_private.reference_place(kind text, resource_uid murallink.ksuid) RETURNS murallink.reference_place
LANGUAGE plpgsql STABLE AS $$
DECLARE
    place murallink.reference_place;
BEGIN
    CASE kind
        WHEN 'trial', 'milestone' THEN
            SELECT t.client_uid, t.contract_uid, t.uid INTO place.client_uid, place.contract_uid, place.trial_uid
            FROM murallink.trial t WHERE t.uid = reference_place.resource_uid;
            place.needed := CASE kind WHEN 'trial' THEN 'edit_trial' ELSE 'add_milestone' END;
        WHEN 'site' THEN
            SELECT s.client_uid, s.contract_uid, s.uid INTO place.client_uid, place.contract_uid, place.site_uid
            FROM murallink.site s WHERE s.uid = reference_place.resource_uid;
            place.needed := 'add_trial_site';
        WHEN 'enrollment' THEN
            SELECT e.client_uid, e.contract_uid, e.trial_uid, e.site_uid
            INTO place.client_uid, place.contract_uid, place.trial_uid, place.site_uid
            FROM murallink.enrollment e WHERE e.uid = reference_place.resource_uid;
            place.needed := 'enroll';
        WHEN 'payment' THEN
            SELECT p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.payment_type || '_payment'
            INTO place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, place.needed
            FROM murallink_private.payment p WHERE p.uid = reference_place.resource_uid;
            place.needed := coalesce(place.needed, 'milestone_payment');
        ELSE
            PERFORM murallink_private.raise('invalid_value', 'kind', 'It is trial, site, enrollment, milestone or payment.');
    END CASE;
    RETURN place;
END
$$;
COMMENT ON FUNCTION murallink_private.reference_place(text, murallink.ksuid) IS
'The place of a resource, null if there is none, and the permission that is needed to set its references. Errors: invalid_value (kind).';

CREATE FUNCTION murallink_private.code_in_trial(trial_uid murallink.ksuid, called text, field text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    key CONSTANT text := murallink_private.label_key(called);
    its_code text;
BEGIN
    SELECT m.code INTO its_code FROM murallink.milestone m
    WHERE m.trial_uid = code_in_trial.trial_uid AND key IN (murallink_private.label_key(m.code), murallink_private.label_key(m.milestone))
    ORDER BY murallink_private.label_key(m.code) = key DESC, m.effective_date DESC, m.uid DESC LIMIT 1;
    IF its_code IS NULL THEN
        PERFORM murallink_private.raise('not_found', field, 'get_payment_schedule shows the milestones and their codes.');
    END IF;
    RETURN its_code;
END
$$;
COMMENT ON FUNCTION murallink_private.code_in_trial(murallink.ksuid, text, text) IS
'The code of the milestone of a trial that has this code or name at any of its sites. field: the argument, for the error. Errors: not_found.';

CREATE FUNCTION murallink_private.refuse_reference() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM murallink_private.raise('already_exists', 'ref', 'Another resource has this reference there: find_reference shows it.');
END
$$;
COMMENT ON FUNCTION murallink_private.refuse_reference() IS 'Refuses a reference that another resource has. Errors: already_exists.';

CREATE FUNCTION murallink_private.reference_write(
    kind text, resource_uid murallink.ksuid, place murallink.reference_place, source text, ref text, milestone_code text, corrects boolean, note text
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    present murallink.external_reference;
BEGIN
    SELECT * INTO present FROM murallink.external_reference r
    WHERE r.resource_uid = reference_write.resource_uid AND r.kind = reference_write.kind AND r.source = reference_write.source
    AND r.ended_at IS NULL
    AND murallink_private.label_key(coalesce(r.milestone_code, '')) = murallink_private.label_key(coalesce(reference_write.milestone_code, ''))
    FOR UPDATE;
    IF FOUND AND present.ref <> reference_write.ref THEN
        IF NOT corrects THEN
            PERFORM murallink_private.raise('already_exists', 'source', 'It has another reference there: set_reference corrects it, with a note.');
        END IF;
        UPDATE murallink.external_reference r SET ended_at = pg_catalog.clock_timestamp(), ended_by_uid = murallink_private.caller(),
            ended_note = murallink_private.checked_text(reference_write.note, 'note', 1000, true)
        WHERE r.uid = present.uid;
    END IF;
    IF reference_write.ref <> '' AND present.ref IS DISTINCT FROM reference_write.ref THEN
        INSERT INTO murallink.external_reference (
            kind, source, ref, resource_uid, milestone_code, client_uid, contract_uid, trial_uid, site_uid, app_user_uid)
        VALUES (
            reference_write.kind, reference_write.source, reference_write.ref, reference_write.resource_uid, reference_write.milestone_code,
            place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, murallink_private.caller())
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            PERFORM murallink_private.refuse_reference();
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.reference_write(text, murallink.ksuid, murallink.reference_place, text, text, text, boolean, text) IS
'Sets, corrects or, if ref is empty, removes the reference of a resource in a system. corrects: whether it may replace or remove one that is there; note: why, required then. Errors: missing_field, too_long, invalid_value, already_exists.';

CREATE FUNCTION murallink_private.reference_unused(kind text, scope_uid murallink.ksuid, source text, ref text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(source, '') = '' AND coalesce(ref, '') = '' THEN
        RETURN false;
    ELSIF EXISTS (
        SELECT FROM murallink.external_reference r
        WHERE r.scope_uid = reference_unused.scope_uid AND r.kind = reference_unused.kind
        AND r.source = murallink_private.checked_source(reference_unused.source)
        AND r.ref = murallink_private.checked_label(reference_unused.ref, 'ref', 200, true) AND r.ended_at IS NULL) THEN
        PERFORM murallink_private.refuse_reference();
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION murallink_private.reference_unused(text, murallink.ksuid, text, text) IS
'Checks the source and ref of an action that makes a resource, before it is made, so that a repetition is refused with an error of its own. Returns whether there are any. scope_uid: the trial for an enrollment, else the client. Errors: missing_field, too_long, invalid_value, already_exists (the reference is used).';

CREATE FUNCTION murallink_private.refer(kind text, resource_uid murallink.ksuid, source text, ref text, milestone_code text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    place murallink.reference_place;
BEGIN
    IF coalesce(source, '') = '' AND coalesce(ref, '') = '' THEN
        RETURN;
    END IF;
    place := murallink_private.reference_place(kind, resource_uid);
    -- The permission to price a milestone at one site does not let a caller name it for all sites.
    IF kind = 'milestone' THEN
        PERFORM murallink_private.permit(place.needed, place.client_uid, place.contract_uid, place.trial_uid, NULL, 'source');
    END IF;
    PERFORM murallink_private.reference_write(
        kind, resource_uid, place, murallink_private.checked_source(source), murallink_private.checked_label(ref, 'ref', 200, true), milestone_code,
        false, NULL);
END
$$;
COMMENT ON FUNCTION murallink_private.refer(text, murallink.ksuid, text, text, text) IS
'Sets the reference with which an action has made or changed a resource; nothing if source and ref are absent. For a milestone its trial is the resource, and the caller needs add_milestone on it. Errors: forbidden, missing_field, too_long, invalid_value, already_exists (another resource has the reference, or the resource has another one).';

CREATE FUNCTION murallink.set_reference(
    kind text DEFAULT NULL, resource_uid murallink.ksuid DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL,
    milestone text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.reference_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    of_kind CONSTANT text := murallink_private.checked_text(set_reference.kind, 'kind', 20, true);
    place CONSTANT murallink.reference_place :=
        murallink_private.reference_place(of_kind, murallink_private.required(set_reference.resource_uid, 'resource_uid'));
    system text;
    called text;
    its_code text;
BEGIN
    caller := murallink_private.permit(
        place.needed, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, 'resource_uid');
    system := murallink_private.checked_source(set_reference.source);
    called := murallink_private.checked_label(set_reference.ref, 'ref', 200, false);
    IF of_kind = 'milestone' THEN
        its_code := murallink_private.code_in_trial(place.trial_uid, murallink_private.checked_label(set_reference.milestone, 'milestone', 200, true),
            'milestone');
    END IF;
    PERFORM murallink_private.reference_write(of_kind, set_reference.resource_uid, place, system, called, its_code, true, set_reference.note);
    RETURN ROW(of_kind, system, called, set_reference.resource_uid, its_code::murallink.optional_text);
END
$$;
COMMENT ON FUNCTION murallink.set_reference(text, murallink.ksuid, text, text, text, text) IS
'Says what another system calls a resource, so that visit_done and find_reference find it by that reference. kind: trial, site, enrollment, milestone or payment; resource_uid: the resource, for a milestone its trial; source: the name of the system, in lower case; ref: what it is called there, at most 200 characters, of one trial or site of the client, enrollment or milestone of the trial, or payment of the client; empty: the reference is removed; milestone: the code or name of the milestone; note: why, required where a reference is corrected or removed. A reference to an enrollment holds for the patient in the trial, also after a transfer or a merge. Needs edit_trial on the trial, add_trial_site on the site, enroll on the trial at the site of the enrollment, add_milestone on the trial of the milestone, or the permission with which such a payment is made there. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, already_exists (another resource has the reference).';

CREATE FUNCTION murallink.find_reference(
    kind text DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL
) RETURNS SETOF murallink.reference_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    of_kind CONSTANT text := murallink_private.checked_text(find_reference.kind, 'kind', 20, true);
    system CONSTANT text := murallink_private.checked_source(find_reference.source);
    called CONSTANT text := murallink_private.checked_label(find_reference.ref, 'ref', 200, true);
BEGIN
    IF of_kind NOT IN ('trial', 'site', 'enrollment', 'milestone', 'payment') THEN
        PERFORM murallink_private.raise('invalid_value', 'kind', 'It is trial, site, enrollment, milestone or payment.');
    END IF;
    RETURN QUERY
    SELECT r.kind, r.source, r.ref, r.resource_uid, r.milestone_code::murallink.optional_text FROM murallink.external_reference r
    WHERE r.kind = of_kind AND r.source = system AND r.ref = called AND r.ended_at IS NULL
    AND r.trial_uid IS NOT DISTINCT FROM coalesce(find_reference.trial_uid, r.trial_uid)
    AND CASE r.kind
        WHEN 'trial' THEN murallink_private.permitted('view_trials', r.client_uid, r.contract_uid, r.trial_uid, NULL)
        WHEN 'site' THEN murallink_private.permitted('view_sites', r.client_uid, r.contract_uid, NULL, r.site_uid)
        WHEN 'enrollment' THEN EXISTS (
            SELECT FROM murallink.enrollment e
            WHERE e.uid = r.resource_uid AND e.uid IN (
                SELECT murallink_private.enrollments_seen(e.patient_uid, e.trial_uid, 'view_patients', 'view_enrollments')))
        WHEN 'milestone' THEN EXISTS (
            SELECT FROM murallink.milestone m
            WHERE m.trial_uid = r.trial_uid AND murallink_private.label_key(m.code) = murallink_private.label_key(r.milestone_code)
            AND murallink_private.permitted('view_payment_schedule', m.client_uid, m.contract_uid, m.trial_uid, m.site_uid))
        ELSE murallink_private.permitted('view_payments', r.client_uid, r.contract_uid, r.trial_uid, r.site_uid)
            OR EXISTS (SELECT FROM murallink_private.payment p
                WHERE p.uid = r.resource_uid AND murallink_private.granted_moved('view_payments', p.enrollment_uid)) END
    ORDER BY r.created_at, r.uid;
END
$$;
COMMENT ON FUNCTION murallink.find_reference(text, text, text, murallink.ksuid) IS
'The resources that have a reference in another system, of those that the caller may see: one, unless several clients or trials have the same reference. kind: trial, site, enrollment, milestone or payment; source, ref: as set_reference took them; trial_uid: only of this trial. Shows a trial to a holder of view_trials, a site of view_sites, an enrollment of view_enrollments or view_patients, a milestone of view_payment_schedule, a payment of view_payments. Errors: unauthenticated, missing_field, too_long, invalid_value.';
