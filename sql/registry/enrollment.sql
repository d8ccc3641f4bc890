-- Enrollments, and which patients a caller may see.

CREATE TYPE murallink.enrollment_status AS ENUM ('enrolled', 'dropped', 'completed', 'transferred', 'screen_failed', 'merged');
COMMENT ON TYPE murallink.enrollment_status IS 'The state of an enrollment.';

CREATE FUNCTION murallink_private.enrollment_keeps() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (
            SELECT FROM murallink.contract c, murallink.site s, LATERAL (
                SELECT murallink_private.local_day(pg_catalog.clock_timestamp(), s.time_zone) AS today
            ) AS there
            WHERE c.uid = NEW.contract_uid AND s.uid = NEW.site_uid
            AND c.enforce_dates AND (today < c.contract_start_date OR today > c.contract_end_date))
            AND NOT EXISTS (SELECT FROM murallink.enrollment e WHERE e.uid = NEW.previous_uid AND e.status = 'transferred') THEN
            PERFORM murallink_private.raise(
                'not_covered', 'trial_uid', 'Patients are enrolled on days of the contract: edit_contract changes its dates, or enforce_dates.');
        END IF;
        NEW.chain_uid := coalesce((SELECT e.chain_uid FROM murallink.enrollment e WHERE e.uid = NEW.previous_uid), NEW.uid);
        RETURN NEW;
    ELSIF TG_OP = 'DELETE'
        OR (OLD.uid, OLD.client_uid, OLD.contract_uid, OLD.trial_uid, OLD.site_uid, OLD.trial_site_uid)
            <> (NEW.uid, NEW.client_uid, NEW.contract_uid, NEW.trial_uid, NEW.site_uid, NEW.trial_site_uid)
        OR (OLD.patient_uid, OLD.previous_uid, OLD.chain_uid) IS DISTINCT FROM (NEW.patient_uid, NEW.previous_uid, NEW.chain_uid)
            AND NOT murallink_private.merged_into(OLD.patient_uid, NEW.patient_uid)
        OR (NEW.status, NEW.left_on) IS DISTINCT FROM (OLD.status, OLD.left_on)
            AND EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = OLD.uid)
    THEN
        PERFORM murallink_private.raise('append_only', 'enrollment');
    END IF;
    NEW.updated_at := pg_catalog.clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.enrollment_keeps() IS
'Trigger: a patient is enrolled on a day of the contract, where the site is, unless the contract enforces no dates; a new enrollment belongs to the chain of the one that it follows. An enrollment is not deleted and keeps its patient, trial, site and chain, because payments refer to it, unless its patient is merged into another one; and its end, once another follows. updated_at shows each change. Errors: not_covered, append_only.';

CREATE TYPE murallink.enrollment_info AS (
    uid murallink.ksuid,
    trial_uid murallink.ksuid,
    site_uid murallink.ksuid,
    trial_site_uid murallink.ksuid,
    patient_uid murallink.ksuid,
    subject_id text,
    payment_type_uid murallink.ksuid,
    status text,
    patient murallink.patient_info,
    trial_site murallink.trial_site_info,
    left_on murallink.optional_date,
    account_shown murallink.optional_text
);
COMMENT ON TYPE murallink.enrollment_info IS
'An enrollment, as get_enrollments answers. patient: always empty, since the enrollment stands for the person; left_on: the last day whose visits it is paid for, absent while it goes on; account_shown: the account to which the payment type pays, masked, for callers who hold view_patients there; absent if there is none.';

CREATE FUNCTION murallink_private.enrollment_infos() RETURNS SETOF murallink.enrollment_info
LANGUAGE sql STABLE AS $$
    SELECT e.uid, e.trial_uid, e.site_uid, e.trial_site_uid, e.patient_uid, e.subject_id, e.payment_type_uid, e.status::text,
        NULL::murallink.patient_info,
        ROW(e.trial_site_uid, e.site_uid, e.trial_uid,
            CASE WHEN murallink_private.permitted('view_sites', s.client_uid, s.contract_uid, NULL, s.uid)
                THEN ROW(s.uid, s.name)::murallink.site_name END,
            CASE WHEN murallink_private.permitted('view_trials', t.client_uid, t.contract_uid, t.uid, NULL)
                THEN ROW(t.uid, t.contract_uid, t.name, t.protocol_id)::murallink.trial_info END)::murallink.trial_site_info,
        e.left_on,
        CASE WHEN murallink_private.permitted('view_patients', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid) THEN (
            SELECT a.shown FROM murallink_private.payout_account a
            WHERE a.patient_uid OPERATOR(pg_catalog.=) e.patient_uid AND a.ended_at IS NULL
                AND a.payment_type_uid OPERATOR(pg_catalog.=) coalesce(e.payment_type_uid, (
                    SELECT c.default_payment_type_uid FROM murallink.contract c WHERE c.uid OPERATOR(pg_catalog.=) e.contract_uid))) END
    FROM murallink.enrollment e JOIN murallink.trial t ON t.uid OPERATOR(pg_catalog.=) e.trial_uid
    JOIN murallink.site s ON s.uid OPERATOR(pg_catalog.=) e.site_uid
$$;
COMMENT ON FUNCTION murallink_private.enrollment_infos() IS
'The enrollments as clients see them, without the person; the site and the trial are named if the caller may see them. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink_private.patient_places(
    OUT patient_uid murallink.ksuid, OUT client_uid murallink.ksuid, OUT contract_uid murallink.ksuid,
    OUT trial_uid murallink.ksuid, OUT site_uid murallink.ksuid
) RETURNS SETOF record
LANGUAGE sql STABLE AS $$
    SELECT patient_uid, client_uid, contract_uid, NULL::murallink.ksuid, site_uid FROM murallink.patient_site
    UNION ALL
    SELECT patient_uid, client_uid, contract_uid, trial_uid, site_uid FROM murallink.enrollment
$$;
COMMENT ON FUNCTION murallink_private.patient_places() IS
'The places of patients: the sites of each, and the trials at the sites of their enrollments. A permission at one of them is a permission on the patient. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink_private.patient_visible(patient_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink_private.patient_places() p
        WHERE p.patient_uid = $1 AND murallink_private.visible(p.client_uid, p.contract_uid, p.trial_uid, p.site_uid))
$$;
COMMENT ON FUNCTION murallink_private.patient_visible(murallink.ksuid) IS
'Whether the caller holds any permission at one of the patient''s sites or trials, and so may learn that the patient exists.';

CREATE FUNCTION murallink_private.patient_left(patient_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid)
RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(pg_catalog.bool_and(EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = e.uid)), false)
    FROM murallink.enrollment e
    WHERE e.patient_uid = patient_left.patient_uid AND e.site_uid = patient_left.site_uid
        AND e.trial_uid = coalesce(patient_left.trial_uid, e.trial_uid)
$$;
COMMENT ON FUNCTION murallink_private.patient_left(murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether all enrollments of a patient at a place of patient_places() have been followed by others elsewhere, by a transfer, a new screening or a merge. The place goes on seeing the patient, and changes nothing.';

CREATE FUNCTION murallink_private.permit_patient(
    patient_uid murallink.ksuid, permission murallink.permission, field text DEFAULT 'patient_uid'
) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    changes CONSTANT boolean := permission IN ('add_patient', 'update_patient', 'upload_document');
    place record;
BEGIN
    SELECT p.*, l.gone INTO place FROM murallink_private.patient_places() p,
        LATERAL (SELECT changes AND murallink_private.patient_left(p.patient_uid, p.trial_uid, p.site_uid) AS gone) AS l
    WHERE p.patient_uid = murallink_private.required(permit_patient.patient_uid, field)
    ORDER BY murallink_private.permitted(permission, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid) AND NOT l.gone DESC,
        murallink_private.visible(p.client_uid, p.contract_uid, p.trial_uid, p.site_uid) DESC LIMIT 1;
    IF place.gone AND murallink_private.visible(place.client_uid, place.contract_uid, place.trial_uid, place.site_uid) THEN
        PERFORM murallink_private.raise('forbidden', field, 'The patient has left this site for another one, which now changes these records.');
    END IF;
    RETURN murallink_private.permit(permission, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, field);
END
$$;
COMMENT ON FUNCTION murallink_private.permit_patient(murallink.ksuid, murallink.permission, text) IS
'Checks that the caller holds the permission on a patient, one that changes the patient at a site that the patient has not left for another one; and returns the caller''s uid. field: named in errors. Errors: unauthenticated, missing_field, forbidden, not_found.';

CREATE FUNCTION murallink_private.visible_patients(trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL)
RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT p.patient_uid FROM murallink_private.patient_places() p
    WHERE ($1 IS NULL OR p.trial_uid OPERATOR(pg_catalog.=) $1) AND ($2 IS NULL OR p.site_uid OPERATOR(pg_catalog.=) $2)
    AND murallink_private.permitted('view_patients', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
$$;
COMMENT ON FUNCTION murallink_private.visible_patients(murallink.ksuid, murallink.ksuid) IS
'The patients on whom the caller holds view_patients, some more than once: those in a trial, at a site, at both, or all for nulls. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink_private.viewable_patients() RETURNS murallink.ksuid[]
LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'enrollment_viewable_patients';
COMMENT ON FUNCTION murallink_private.viewable_patients() IS
'The patients on whom the caller, who is not an administrator, holds view_patients. It changes nothing, but is volatile so that the planner does not run it to estimate.';

CREATE FUNCTION murallink_private.maybe_viewable_support(internal) RETURNS internal
LANGUAGE c AS 'MODULE_PATHNAME', 'enrollment_maybe_viewable_support';
COMMENT ON FUNCTION murallink_private.maybe_viewable_support(internal) IS
'Planner support for maybe_viewable(): if the caller holds view_patients at few sites, offers an index condition on viewable_patients().';

CREATE FUNCTION murallink_private.maybe_viewable(patient_uid murallink.ksuid) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE SUPPORT murallink_private.maybe_viewable_support AS 'MODULE_PATHNAME', 'enrollment_maybe_viewable';
COMMENT ON FUNCTION murallink_private.maybe_viewable(murallink.ksuid) IS
'Always true. If the caller holds view_patients at few sites only, its support function offers an index condition on viewable_patients(). The policy of patients has it beside the condition that decides.';

CREATE FUNCTION murallink_private.moved_enrollments(permission murallink.permission) RETURNS murallink.ksuid[]
LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'enrollment_moved_enrollments';
COMMENT ON FUNCTION murallink_private.moved_enrollments(murallink.permission) IS
'The enrollments that others have followed, the last of them at a place where the caller holds the permission. It changes nothing, but is volatile so that the planner does not run it to estimate.';

CREATE FUNCTION murallink_private.granted_moved_support(internal) RETURNS internal
LANGUAGE c AS 'MODULE_PATHNAME', 'enrollment_granted_moved_support';
COMMENT ON FUNCTION murallink_private.granted_moved_support(internal) IS
'Planner support for granted_moved(): offers an index condition on moved_enrollments().';

CREATE FUNCTION murallink_private.granted_moved(permission murallink.permission, enrollment_uid murallink.ksuid) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE SUPPORT murallink_private.granted_moved_support AS 'MODULE_PATHNAME', 'enrollment_granted_moved';
COMMENT ON FUNCTION murallink_private.granted_moved(murallink.permission, murallink.ksuid) IS
'Whether the enrollment is one of moved_enrollments(): the place to which a patient has come sees what others have paid before. An index on enrollment_uid finds the rows.';

CREATE FUNCTION murallink_private.text_shown(
    client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid,
    enrollment_uid murallink.ksuid, author_uid murallink.ksuid
) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN NOT murallink_private.caller_lost() THEN
    murallink_private.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid)
    OR murallink_private.granted_moved('view_patients', enrollment_uid)
    OR author_uid = murallink_private.caller()
    OR pg_catalog.pg_has_role('murallink_operator', 'USAGE')
    OR murallink_private.caller() IS NULL AND pg_catalog.pg_has_role('murallink_owner', 'USAGE')
    ELSE false END;
COMMENT ON FUNCTION murallink_private.text_shown(murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether what people have written about a patient in a trial at a site is shown: to those who may see patients there, to its author, to operators, and to functions without a caller. A note can say what the blinded must not learn. enrollment_uid: the one that it is about, because of patients who have moved; author_uid: the user who wrote it; null: not known.';

CREATE FUNCTION murallink_private.screening_of(enrollment_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE back AS (
        SELECT e.uid, e.previous_uid, 0 AS steps FROM murallink.enrollment e WHERE e.uid = enrollment_uid
        UNION ALL
        SELECT e.uid, e.previous_uid, b.steps + 1 FROM back b JOIN murallink.enrollment e ON e.uid = b.previous_uid AND e.status IN ('transferred', 'merged'))
    SELECT b.uid FROM back b ORDER BY b.steps DESC LIMIT 1
$$;
COMMENT ON FUNCTION murallink_private.screening_of(murallink.ksuid) IS
'The first of the enrollments from which a patient was transferred, or merged as another record, to this one: it stands for the screening.';

CREATE FUNCTION murallink_private.visit_refusal(enrollment_uid murallink.ksuid, visit_date date) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'enrollment_visit_refusal';
COMMENT ON FUNCTION murallink_private.visit_refusal(murallink.ksuid, date) IS
'The error with which a payment to an enrollment for a visit on a day is refused, by its stable name: invalid_value (in the future, or before the enrollment), dropped, or not_enrolled (in the time of another site); null if it is not.';

CREATE FUNCTION murallink_private.refuse_visit(error text) RETURNS void
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'enrollment_refuse_visit';
COMMENT ON FUNCTION murallink_private.refuse_visit(text) IS 'Raises an error of visit_refusal() about visit_date, with what to do about it.';

CREATE FUNCTION murallink_private.enrolled(
    patient_uid murallink.ksuid, trial_uid murallink.ksuid, permission murallink.permission, visit_date date DEFAULT NULL
) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    the_enrollment murallink.enrollment;
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
BEGIN
    PERFORM murallink_private.required(enrolled.patient_uid, 'patient_uid'), murallink_private.required(enrolled.trial_uid, 'trial_uid');
    SELECT e.* INTO the_enrollment FROM murallink.enrollment e LEFT JOIN murallink.enrollment b ON b.uid = e.previous_uid
    WHERE e.patient_uid = enrolled.patient_uid AND e.trial_uid = enrolled.trial_uid
    ORDER BY murallink_private.permitted(permission, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid) DESC,
        murallink_private.visible(e.client_uid, e.contract_uid, e.trial_uid, e.site_uid) DESC,
        e.status = 'merged', (coalesce(enrolled.visit_date, 'infinity') <= coalesce(e.left_on, 'infinity')
            AND coalesce(enrolled.visit_date, 'infinity') > coalesce(b.left_on, '-infinity')) DESC,
        e.left_on DESC NULLS FIRST, e.created_at DESC LIMIT 1;
    IF FOUND THEN
        PERFORM murallink_private.permit(permission, the_enrollment.client_uid, the_enrollment.contract_uid,
            the_enrollment.trial_uid, the_enrollment.site_uid, 'trial_uid');
        RETURN the_enrollment.uid;
    END IF;
    IF NOT murallink_private.trial_visible(enrolled.trial_uid) THEN
        PERFORM murallink_private.raise('not_found', 'trial_uid');
    ELSIF NOT murallink_private.patient_visible(enrolled.patient_uid) THEN
        PERFORM murallink_private.raise('not_found', 'patient_uid');
    END IF;
    PERFORM murallink_private.raise('not_enrolled', 'patient_uid');
END
$$;
COMMENT ON FUNCTION murallink_private.enrolled(murallink.ksuid, murallink.ksuid, murallink.permission, date) IS
'The enrollment of a patient in a trial, where the caller holds the permission: of several, the one in whose time the visit was, else the last. Errors: unauthenticated, missing_field, forbidden, not_found, not_enrolled.';

CREATE FUNCTION murallink_private.enrolled_now(
    patient_uid murallink.ksuid, trial_uid murallink.ksuid, permission murallink.permission
) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    present murallink.ksuid;
BEGIN
    LOOP
        present := murallink_private.enrolled(enrolled_now.patient_uid, enrolled_now.trial_uid, permission);
        IF EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = present) THEN
            PERFORM murallink_private.raise('not_enrolled', 'patient_uid');
        END IF;
        -- In the order of enrollments_lock(), because some change the others of the chain, too.
        PERFORM FROM murallink.enrollment e
        WHERE e.uid = present OR e.chain_uid = (SELECT p.chain_uid FROM murallink.enrollment p WHERE p.uid = present)
        ORDER BY e.uid <> e.chain_uid, e.uid FOR NO KEY UPDATE;
        -- If another one followed meanwhile, that is the present one.
        EXIT WHEN NOT EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = present);
    END LOOP;
    RETURN present;
END
$$;
COMMENT ON FUNCTION murallink_private.enrolled_now(murallink.ksuid, murallink.ksuid, murallink.permission) IS
'The present enrollment of a patient in a trial, locked with all of its chain, where the caller holds the permission. Errors: unauthenticated, missing_field, forbidden, not_found, not_enrolled.';

CREATE FUNCTION murallink_private.enrollments_lock(enrollments murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    concerned CONSTANT murallink.ksuid[] := ARRAY(
        SELECT u FROM murallink.enrollment o, pg_catalog.unnest(ARRAY[o.uid, o.chain_uid]) AS u WHERE o.uid = ANY (enrollments));
BEGIN
    IF EXISTS (
        SELECT FROM murallink.enrollment e JOIN murallink.trial t ON t.uid = e.trial_uid JOIN murallink.trial_site a ON a.uid = e.trial_site_uid
        WHERE e.uid = ANY (enrollments) AND (a.day_cap IS NOT NULL OR t.exclusive_milestones <> '{}')) THEN
        PERFORM FROM murallink.enrollment e WHERE e.uid = ANY (concerned) ORDER BY e.uid <> e.chain_uid, e.uid FOR NO KEY UPDATE;
    ELSE
        -- So that a payment that has been inserted already, and is approved as it is made, need not wait for the caller.
        PERFORM FROM murallink.enrollment e WHERE e.uid = ANY (concerned) ORDER BY e.uid <> e.chain_uid, e.uid FOR SHARE;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.enrollments_lock(murallink.ksuid[]) IS
'Locks enrollments, and before them the first of the chain of each, for an action that locks a payment before it makes another one: payments that a limit holds for lock the first, and payouts lock their enrollment.';

CREATE FUNCTION murallink_private.enrollments_seen(patient_uid murallink.ksuid, trial_uid murallink.ksuid, VARIADIC permissions murallink.permission[])
RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT e.uid FROM murallink.enrollment e
    WHERE e.patient_uid = enrollments_seen.patient_uid AND e.trial_uid = enrollments_seen.trial_uid AND EXISTS (
        SELECT FROM pg_catalog.unnest(permissions) AS permission
        WHERE murallink_private.permitted(permission, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
        OR EXISTS (
            SELECT FROM murallink.enrollment l
            WHERE l.chain_uid = e.chain_uid AND murallink_private.permitted(permission, l.client_uid, l.contract_uid, l.trial_uid, l.site_uid)
            AND NOT EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = l.uid)))
$$;
COMMENT ON FUNCTION murallink_private.enrollments_seen(murallink.ksuid, murallink.ksuid, murallink.permission[]) IS
'The enrollments of a patient in a trial of which the caller sees what one of the permissions shows: those at places where the caller holds it, and all of a chain that is now at such a place.';

CREATE FUNCTION murallink.enroll(
    patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL,
    subject_id text DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    added murallink.ksuid;
    subject text := murallink_private.checked_label(enroll.subject_id, 'subject_id', 100, true);
    previous murallink.ksuid;
    place_uid CONSTANT murallink.ksuid := murallink_private.trial_at_site(enroll.trial_uid, enroll.site_uid, 'enroll');
    place murallink.trial_site;
BEGIN
    SELECT * INTO place FROM murallink.trial_site WHERE uid = place_uid;
    -- Enrolling a patient of another site must not show the caller more than before.
    PERFORM murallink_private.required(enroll.patient_uid, 'patient_uid');
    IF NOT EXISTS (
        SELECT FROM murallink_private.patient_places() p
        WHERE p.patient_uid = enroll.patient_uid AND (
            p.site_uid = enroll.site_uid
            OR murallink_private.permitted('view_patients', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid))) THEN
        PERFORM murallink_private.raise('not_found', 'patient_uid');
    END IF;
    PERFORM murallink_private.reference_unused('enrollment', enroll.trial_uid, enroll.source, enroll.ref);
    INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
    SELECT enroll.patient_uid, s.client_uid, s.contract_uid, s.uid FROM murallink.site s WHERE s.uid = enroll.site_uid
    ON CONFLICT ON CONSTRAINT patient_site_patient_uid_site_uid_key DO NOTHING;
    LOOP
        SELECT e.uid INTO previous FROM murallink.enrollment e
        WHERE e.patient_uid = enroll.patient_uid AND e.trial_uid = enroll.trial_uid AND e.status = 'screen_failed'
        AND NOT EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = e.uid) FOR NO KEY UPDATE;
        INSERT INTO murallink.enrollment (
            client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id, previous_uid)
        VALUES (
            place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, place.uid, enroll.patient_uid, subject, previous)
        ON CONFLICT DO NOTHING RETURNING uid INTO added;
        EXIT WHEN FOUND;
        IF EXISTS (
            SELECT FROM murallink.enrollment e WHERE e.patient_uid = enroll.patient_uid AND e.trial_uid = enroll.trial_uid
            AND e.status NOT IN ('transferred', 'screen_failed', 'merged')) THEN
            PERFORM murallink_private.raise('already_exists', 'patient_uid');
        ELSIF EXISTS (
            SELECT FROM murallink.enrollment e WHERE e.trial_uid = enroll.trial_uid AND e.subject_held
            AND murallink_private.label_key(e.subject_id) = murallink_private.label_key(subject)) THEN
            PERFORM murallink_private.raise('already_exists', 'subject_id');
        END IF;
        -- The screening of the patient has ended meanwhile.
    END LOOP;
    PERFORM murallink_private.refer('enrollment', added, enroll.source, enroll.ref);
END
$$;
COMMENT ON FUNCTION murallink.enroll(murallink.ksuid, murallink.ksuid, murallink.ksuid, text, text, text) IS
'Enrolls a patient in a trial at a site (document: Enroll); also a second time after screen_failed, with another subject_id. subject_id: the patient''s number, unique in the trial in any case and with any blanks; source, ref: what another system calls the enrollment, as set_reference takes them; a repetition with the same is refused (already_exists, field ref), and find_reference shows what there is. On a day of the contract, unless it enforces no dates. Needs enroll on the trial at the site, and for a patient of another site view_patients on the patient. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, too_long, invalid_value, already_exists (the patient, the number or the reference), not_covered.';

CREATE FUNCTION murallink_private.changed_enrollment(enrollment_uid murallink.ksuid) RETURNS murallink.enrollment_info
LANGUAGE plpgsql STABLE AS $$
DECLARE
    answer murallink.enrollment_info;
BEGIN
    SELECT * INTO answer FROM murallink_private.enrollment_infos() i WHERE i.uid = enrollment_uid;
    IF NOT EXISTS (
        SELECT FROM murallink.enrollment e WHERE e.uid = enrollment_uid AND (
            murallink_private.permitted('view_enrollments', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
            OR murallink_private.permitted('view_patients', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)))
    THEN
        answer.subject_id := NULL;
        answer.payment_type_uid := NULL;
        answer.status := NULL;
        answer.left_on := NULL;
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink_private.changed_enrollment(murallink.ksuid) IS
'An enrollment that the caller has changed; a caller who may not see it gets only its uids.';

CREATE FUNCTION murallink_private.today_at(site_uid murallink.ksuid) RETURNS date
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.local_day(pg_catalog.clock_timestamp(), s.time_zone)
    FROM murallink.site s WHERE s.uid = site_uid
$$;
COMMENT ON FUNCTION murallink_private.today_at(murallink.ksuid) IS 'The date where a site is.';

CREATE FUNCTION murallink.set_enrollment_status(
    status text DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, patient_uid murallink.ksuid DEFAULT NULL,
    dropped_on murallink.day DEFAULT NULL
) RETURNS murallink.enrollment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present CONSTANT murallink.ksuid :=
        murallink_private.enrolled_now(set_enrollment_status.patient_uid, set_enrollment_status.trial_uid, 'set_enrollment_status');
    answer murallink.enrollment_info;
    last_day date := murallink_private.checked_date(set_enrollment_status.dropped_on, 'dropped_on');
    ended CONSTANT boolean := set_enrollment_status.status IN ('dropped', 'screen_failed');
BEGIN
    IF murallink_private.required(set_enrollment_status.status, 'status')
        NOT IN ('enrolled', 'dropped', 'completed', 'screen_failed') THEN
        PERFORM murallink_private.raise('invalid_value', 'status', 'One of enrolled, dropped, completed and screen_failed.');
    ELSIF NOT ended AND last_day IS NOT NULL
        OR last_day > (pg_catalog.clock_timestamp() AT TIME ZONE 'UTC')::date + 1 THEN
        PERFORM murallink_private.raise('invalid_value', 'dropped_on', 'A day that is not in the future, and only with a status that ends the enrollment.');
    END IF;
    UPDATE murallink.enrollment e
    SET status = set_enrollment_status.status::murallink.enrollment_status,
        left_on = CASE WHEN ended THEN coalesce(last_day, e.left_on, murallink_private.today_at(e.site_uid)) END
    WHERE e.uid = present;
    answer := murallink_private.changed_enrollment(present);
    answer.status := set_enrollment_status.status;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.set_enrollment_status(text, murallink.ksuid, murallink.ksuid, murallink.day) IS
'Sets whether a patient takes part (document: Set Enrollment Status). status: enrolled, dropped, completed, or screen_failed, after which the patient may be enrolled again; dropped_on: the last day whose visits are still owed, not after tomorrow (UTC), default today where the site is. Needs set_enrollment_status on the trial at the site; a caller without view_enrollments and view_patients gets only the values that were sent. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, invalid_value.';

CREATE FUNCTION murallink.set_payment_type(
    payment_type_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, patient_uid murallink.ksuid DEFAULT NULL,
    account jsonb DEFAULT NULL
) RETURNS murallink.enrollment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given CONSTANT jsonb := NULLIF(set_payment_type.account, 'null');
    present murallink.ksuid;
    former murallink.ksuid;
    entered murallink.ksuid;
    answer murallink.enrollment_info;
BEGIN
    IF given IS NOT NULL THEN
        PERFORM murallink_private.hide_statement();
    END IF;
    present := murallink_private.enrolled_now(set_payment_type.patient_uid, set_payment_type.trial_uid, 'set_payment_type');
    IF NOT EXISTS (
        SELECT FROM murallink_private.payment_type
        WHERE uid = murallink_private.required(set_payment_type.payment_type_uid, 'payment_type_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'payment_type_uid');
    END IF;
    SELECT coalesce(e.payment_type_uid, c.default_payment_type_uid) INTO former
    FROM murallink.enrollment e JOIN murallink.contract c ON c.uid = e.contract_uid WHERE e.uid = present;
    IF given IS NOT NULL THEN
        entered := murallink_private.account_enter(
            set_payment_type.patient_uid, set_payment_type.payment_type_uid, given, coalesce(former <> set_payment_type.payment_type_uid, false));
    END IF;
    UPDATE murallink.enrollment e SET payment_type_uid = set_payment_type.payment_type_uid
    WHERE e.chain_uid = (SELECT p.chain_uid FROM murallink.enrollment p WHERE p.uid = present);
    IF entered IS NOT NULL THEN
        PERFORM murallink_private.follow('account of enrollment', present), murallink_private.follow('account', entered);
    END IF;
    answer := murallink_private.changed_enrollment(present);
    answer.payment_type_uid := set_payment_type.payment_type_uid;
    IF given IS NOT NULL THEN
        answer.account_shown := murallink_private.account_shown(set_payment_type.patient_uid, set_payment_type.payment_type_uid);
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.set_payment_type(murallink.ksuid, murallink.ksuid, murallink.ksuid, jsonb) IS
'Sets a patient''s payment type in a trial (document: Set Payment Type), also for what sites that the patient has left still pay. payment_type_uid: one of get_payment_types; account: where it pays to, for all trials of the patient: an object with email (PayPal), phone or handle (Venmo), routing_number, account_number and kind, which is checking or savings (ACH), iban and perhaps bic, or routing_number and account_number (wire), address and perhaps name (check). It is kept sealed, so that nobody is shown more than the last characters; absent: as before. A changed account is paid to after murallink.account_cooling, and the patient is told at the address from before. Needs set_payment_type on the trial at the site; a caller without view_enrollments and view_patients gets only the values that were sent. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, wrong_type, unknown_key, too_long, invalid_email, invalid_value, no_key.';

CREATE FUNCTION murallink.get_enrollments(patient_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.enrollment_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.permit_patient(get_enrollments.patient_uid, 'view_patients');
BEGIN
    RETURN QUERY
    SELECT i.* FROM murallink_private.enrollment_infos() i JOIN murallink.enrollment e ON e.uid = i.uid
    WHERE e.patient_uid = get_enrollments.patient_uid AND e.uid IN (
        SELECT murallink_private.enrollments_seen(e.patient_uid, e.trial_uid, 'view_patients', 'view_enrollments'))
    ORDER BY e.created_at, e.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_enrollments(murallink.ksuid) IS
'The enrollments of a patient, oldest first (document: Get Enrollments). Needs view_patients on the patient; shows those in trials at sites where the caller holds view_patients or view_enrollments, and the earlier ones of a patient who is there now. Errors: unauthenticated, forbidden, not_found, missing_field.';

CREATE TYPE murallink.enrolled_info AS (
    uid murallink.ksuid,
    site_uid murallink.ksuid,
    email text,
    phone text,
    first_name text,
    last_name text,
    enrollment_uid murallink.ksuid,
    email_enabled boolean,
    sms_enabled boolean,
    address murallink.address,
    emergency_contact text,
    emergency_phone text,
    time_zone text,
    audit_history murallink.audit_entry[],
    enrollments murallink.enrollment_info[]
);
COMMENT ON TYPE murallink.enrolled_info IS
'A patient enrolled in a trial at a site, as get_enrolled answers; the person only for callers who hold view_patients.';

CREATE FUNCTION murallink.get_enrolled(trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL)
RETURNS SETOF murallink.enrolled_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid := murallink_private.trial_at_site(get_enrolled.trial_uid, get_enrolled.site_uid, 'view_enrollments');
    all_visible CONSTANT boolean := (
        SELECT murallink_private.permitted('view_patients', s.client_uid, s.contract_uid, s.trial_uid, s.site_uid)
        FROM murallink.trial_site s WHERE s.uid = place);
BEGIN
    RETURN QUERY
    SELECT e.patient_uid, p.site_uid, p.email, p.phone, p.first_name, p.last_name, e.uid, p.email_enabled, p.sms_enabled,
        p.address, p.emergency_contact, p.emergency_phone, p.time_zone, p.audit_history, ARRAY[e]
    FROM murallink_private.enrollment_infos() e
    LEFT JOIN murallink_private.patient_infos() p
        ON p.uid = e.patient_uid AND (all_visible OR p.uid IN (SELECT seen FROM murallink_private.visible_patients() AS seen))
    WHERE e.trial_uid = get_enrolled.trial_uid AND e.site_uid = get_enrolled.site_uid AND e.trial_site_uid = place
    ORDER BY murallink_private.name_folded(p.last_name || ' ' || p.first_name) COLLATE "C", e.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_enrolled(murallink.ksuid, murallink.ksuid) IS
'The patients enrolled in a trial at a site, by last and first name, each with the enrollment (document: Get Enrolled). Needs view_enrollments on the trial at the site; if the caller does not hold view_patients on a patient, it shows only the enrollment. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field.';
