-- Patients: add, get, list, search, change.

CREATE TYPE murallink.added_patient AS (
    uid murallink.ksuid,
    site_uid murallink.ksuid,
    email text,
    phone text,
    first_name text,
    last_name text,
    email_enabled boolean,
    sms_enabled boolean,
    address murallink.address,
    emergency_contact text,
    emergency_phone text,
    time_zone text,
    audit_history murallink.audit_entry[],
    enrollment_uid murallink.optional_uid,
    "similar" murallink.optional_similar
);
COMMENT ON TYPE murallink.added_patient IS
'A patient, as add_patient answers. audit_history: for callers who hold view_patients; enrollment_uid: the enrollment, if the patient was enrolled at once; similar: the patients whom the caller may see and who may be the same person; absent if there are none.';

CREATE FUNCTION murallink.add_patient(
    site_uid murallink.ksuid DEFAULT NULL, first_name text DEFAULT NULL, last_name text DEFAULT NULL, email text DEFAULT NULL,
    phone text DEFAULT NULL, email_enabled boolean DEFAULT false, sms_enabled boolean DEFAULT false, address jsonb DEFAULT NULL,
    emergency_contact text DEFAULT NULL, emergency_phone text DEFAULT NULL, time_zone text DEFAULT NULL,
    trial_uid murallink.ksuid DEFAULT NULL, subject_id text DEFAULT NULL, payment_type_uid murallink.ksuid DEFAULT NULL,
    source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.added_patient
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    the_site murallink.site;
    added murallink.ksuid;
    answer murallink.added_patient;
BEGIN
    SELECT * INTO the_site FROM murallink.site WHERE uid = murallink_private.required(add_patient.site_uid, 'site_uid');
    PERFORM murallink_private.permit('add_patient', the_site.client_uid, the_site.contract_uid, NULL, the_site.uid, 'site_uid');
    IF add_patient.payment_type_uid IS NOT NULL
        AND NOT EXISTS (SELECT FROM murallink_private.payment_type t WHERE t.uid = add_patient.payment_type_uid) THEN
        PERFORM murallink_private.raise('not_found', 'payment_type_uid');
    ELSIF add_patient.trial_uid IS NOT NULL THEN
        PERFORM murallink_private.trial_at_site(add_patient.trial_uid, add_patient.site_uid, 'enroll');
        PERFORM murallink_private.checked_label(add_patient.subject_id, 'subject_id', 100, true);
        PERFORM murallink_private.reference_unused('enrollment', add_patient.trial_uid, add_patient.source, add_patient.ref);
    ELSIF '' <> ANY (ARRAY[add_patient.subject_id, add_patient.source, add_patient.ref]) OR add_patient.payment_type_uid IS NOT NULL THEN
        PERFORM murallink_private.raise('missing_field', 'trial_uid');
    END IF;
    IF add_patient.payment_type_uid IS NOT NULL THEN
        PERFORM murallink_private.trial_at_site(add_patient.trial_uid, add_patient.site_uid, 'set_payment_type');
    END IF;
    INSERT INTO murallink.patient (
        first_name, last_name, email, phone, email_enabled, sms_enabled, address, emergency_contact, emergency_phone, time_zone)
    VALUES (
        murallink_private.checked_name(add_patient.first_name, 'first_name', true),
        murallink_private.checked_name(add_patient.last_name, 'last_name', false),
        murallink_private.checked_email(add_patient.email, 'email', false),
        murallink_private.checked_text(add_patient.phone, 'phone', 50, false),
        coalesce(add_patient.email_enabled, false), coalesce(add_patient.sms_enabled, false),
        murallink_private.checked_address(add_patient.address),
        murallink_private.checked_text(add_patient.emergency_contact, 'emergency_contact', 200, false),
        murallink_private.checked_text(add_patient.emergency_phone, 'emergency_phone', 50, false),
        murallink_private.checked_time_zone(add_patient.time_zone, 'time_zone'))
    RETURNING uid INTO added;
    INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
    VALUES (added, the_site.client_uid, the_site.contract_uid, the_site.uid);
    PERFORM murallink_private.say('patient added');
    IF add_patient.trial_uid IS NOT NULL THEN
        -- If it is refused, nobody is added.
        PERFORM murallink.enroll(
            added, add_patient.trial_uid, add_patient.site_uid, add_patient.subject_id, add_patient.source, add_patient.ref);
        IF add_patient.payment_type_uid IS NOT NULL THEN
            PERFORM murallink.set_payment_type(add_patient.payment_type_uid, add_patient.trial_uid, added);
        END IF;
        answer.enrollment_uid := murallink_private.enrolled(added, add_patient.trial_uid, 'enroll');
    END IF;
    SELECT pg_catalog.array_agg(s) INTO answer."similar" FROM murallink_private.similar_to(added) s
    WHERE EXISTS (
        SELECT FROM murallink_private.patient_places() p
        WHERE p.patient_uid = s.uid AND murallink_private.permitted('view_patients', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid));
    SELECT i.*, answer.enrollment_uid, answer."similar" INTO answer FROM murallink_private.patient_infos() i WHERE i.uid = added;
    IF murallink_private.permitted('view_patients', the_site.client_uid, the_site.contract_uid, NULL, the_site.uid) THEN
        answer.audit_history := murallink_private.audit_history(added);
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.add_patient(murallink.ksuid, text, text, text, text, boolean, boolean, jsonb, text, text, text, murallink.ksuid, text, murallink.ksuid, text, text) IS
'Adds a patient to a site (document: Add Patient). address: an object with street1, street2, city, state, post_code; time_zone: a name of the tz database; trial_uid, subject_id, payment_type_uid: enrolls the patient in this trial at the site under this number, as enroll does, and sets the payment type; if that is refused, nobody is added; source, ref: what another system calls the enrollment, as enroll takes them. The answer names similar patients on whom the caller holds view_patients, but not one who is added at the same moment. Needs add_patient on the site, and to enroll what enroll and set_payment_type need. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, already_exists, too_long, invalid_email, invalid_value, wrong_type, unknown_key.';

CREATE FUNCTION murallink.get_patient(patient_uid murallink.ksuid DEFAULT NULL) RETURNS murallink.patient_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.permit_patient(get_patient.patient_uid, 'view_patients');
    answer murallink.patient_info;
BEGIN
    SELECT * INTO answer FROM murallink_private.patient_infos() WHERE uid = get_patient.patient_uid;
    answer.audit_history := murallink_private.audit_history(get_patient.patient_uid);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.get_patient(murallink.ksuid) IS
'A patient (document: Get Patient). Needs view_patients on the patient: at one of the patient''s sites or trials. Errors: unauthenticated, forbidden, not_found, missing_field.';

CREATE FUNCTION murallink.get_patients(trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL)
RETURNS SETOF murallink.patient_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
BEGIN
    RETURN QUERY
    SELECT i.* FROM murallink_private.patient_infos() i
    WHERE i.uid IN (SELECT seen FROM murallink_private.visible_patients(get_patients.trial_uid, get_patients.site_uid) AS seen)
    ORDER BY murallink_private.name_folded(i.last_name || ' ' || i.first_name) COLLATE "C", i.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_patients(murallink.ksuid, murallink.ksuid) IS
'The patients on whom the caller holds view_patients, by last and first name (document: Get Patients). trial_uid: only those enrolled in it; site_uid: only those of that site; for an unknown trial or site, or one without permission, the list is empty. Errors: unauthenticated.';

CREATE TYPE murallink.found_enrollment AS (
    uid murallink.ksuid, trial_uid murallink.ksuid, trial murallink.optional_text, site_uid murallink.ksuid, site murallink.optional_text,
    subject_id text, status text);
COMMENT ON TYPE murallink.found_enrollment IS
'An enrollment of a patient who was found. uid: of the enrollment; trial, site: their names, absent if the caller may not see them.';

CREATE DOMAIN murallink.optional_found AS murallink.found_enrollment[];
COMMENT ON DOMAIN murallink.optional_found IS 'Enrollments that the JSON protocol leaves out where there are none.';

CREATE TYPE murallink.found_patient AS (
    uid murallink.ksuid,
    site_uid murallink.ksuid,
    email text,
    phone text,
    first_name text,
    last_name text,
    email_enabled boolean,
    sms_enabled boolean,
    address murallink.address,
    emergency_contact text,
    emergency_phone text,
    time_zone text,
    audit_history murallink.audit_entry[],
    enrollments murallink.optional_found
);
COMMENT ON TYPE murallink.found_patient IS
'A patient, as search_patients answers. enrollments: those that the caller may see, with the names of trial and site and the subject id, oldest first.';

CREATE FUNCTION murallink_private.found_enrollments(patient_uid murallink.ksuid) RETURNS murallink.found_enrollment[]
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.array_agg(ROW(e.uid, e.trial_uid,
        CASE WHEN murallink_private.permitted('view_trials', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid) THEN t.name END, e.site_uid,
        CASE WHEN murallink_private.permitted('view_sites', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
            OR murallink_private.permitted('view_sites', s.client_uid, s.contract_uid, NULL, s.uid) THEN s.name END,
        e.subject_id, e.status::text)::murallink.found_enrollment ORDER BY e.created_at, e.uid)
    FROM murallink.enrollment e JOIN murallink.trial t ON t.uid = e.trial_uid JOIN murallink.site s ON s.uid = e.site_uid
    WHERE e.patient_uid = found_enrollments.patient_uid AND e.uid IN (
        SELECT murallink_private.enrollments_seen(e.patient_uid, e.trial_uid, 'view_patients', 'view_enrollments'))
$$;
COMMENT ON FUNCTION murallink_private.found_enrollments(murallink.ksuid) IS
'The enrollments of a patient that get_enrollments shows the caller, with names; null if there are none.';

CREATE FUNCTION murallink_private.patients_known_by(mark text) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT p.uid FROM murallink.patient p WHERE p.email <> '' AND p.email = murallink_private.lowered(mark)
    UNION
    SELECT p.uid FROM murallink.patient p WHERE p.phone <> '' AND murallink_private.phone_key(p.phone) = murallink_private.phone_key(mark)
    UNION
    SELECT e.patient_uid FROM murallink.enrollment e
    WHERE murallink_private.label_key(e.subject_id) = murallink_private.label_key(mark) AND e.uid IN (
        SELECT murallink_private.enrollments_seen(e.patient_uid, e.trial_uid, 'view_patients', 'view_enrollments'))
$$;
COMMENT ON FUNCTION murallink_private.patients_known_by(text) IS
'The patients with this e-mail address or phone number, which the caller may not all see, and those with this subject id in an enrollment that the caller may see.';

CREATE FUNCTION murallink.search_patients(query text DEFAULT NULL) RETURNS SETOF murallink.found_patient
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.permit_somewhere('view_patients');
    words CONSTANT text := murallink_private.checked_text(search_patients.query, 'query', 200, false);
    exactly CONSTANT murallink.ksuid[] := ARRAY(SELECT murallink_private.patients_known_by(pg_catalog.btrim(words)));
    matches record;
BEGIN
    SELECT * INTO matches FROM murallink_private.name_condition(words, 'i.first_name || '' '' || i.last_name');
    RETURN QUERY EXECUTE pg_catalog.format($query$
        SELECT i.*, murallink_private.found_enrollments(i.uid)::murallink.optional_found FROM murallink_private.patient_infos() i
        WHERE (%s OR i.uid = ANY ($1)) AND %s
        ORDER BY NOT (%s OR i.uid = ANY ($1)), murallink_private.name_folded(i.last_name || ' ' || i.first_name) COLLATE "C", i.uid
        $query$,
        matches.condition,
        CASE WHEN murallink_private.caller_is_admin() THEN 'true'
            ELSE 'i.uid IN (SELECT seen FROM murallink_private.visible_patients() AS seen)' END,
        matches.verbatim) USING exactly;
END
$$;
COMMENT ON FUNCTION murallink.search_patients(text) IS
'The patients on whom the caller holds view_patients and whose name has every word of the query (document: Search Patients): anywhere in it, without regard to case and accents, or by a nickname, as "bill" finds William; or whose e-mail address, phone number or subject id is the query, however it is spelled. Those by a nickname come last, all by last and first name. The answer names the trials, sites and subject ids of each that the caller may see. query: at most 200 characters; all patients for an empty one. Needs view_patients somewhere. Errors: unauthenticated, forbidden, too_long, invalid_value.';

CREATE FUNCTION murallink.update_patient(
    uid murallink.ksuid DEFAULT NULL, email text DEFAULT NULL, phone text DEFAULT NULL, first_name text DEFAULT NULL,
    last_name text DEFAULT NULL, email_enabled boolean DEFAULT NULL, sms_enabled boolean DEFAULT NULL, address jsonb DEFAULT NULL,
    emergency_contact text DEFAULT NULL, emergency_phone text DEFAULT NULL, time_zone text DEFAULT NULL,
    site_uid murallink.read_only DEFAULT NULL, audit_history murallink.read_only DEFAULT NULL
) RETURNS murallink.patient_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.permit_patient(update_patient.uid, 'update_patient', 'uid');
    answer murallink.patient_info;
BEGIN
    PERFORM murallink_private.unchanged(update_patient.site_uid, ARRAY(
        SELECT p.site_uid::text FROM murallink_private.patient_places() p
        WHERE p.patient_uid = update_patient.uid
        AND murallink_private.visible(p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)), 'site_uid');
    answer.uid := update_patient.uid;
    answer.email := CASE WHEN update_patient.email IS NOT NULL THEN murallink_private.checked_email(email, 'email', false) END;
    answer.phone := CASE WHEN phone IS NOT NULL THEN murallink_private.checked_text(phone, 'phone', 50, false) END;
    answer.first_name := CASE WHEN first_name IS NOT NULL THEN murallink_private.checked_name(first_name, 'first_name', true) END;
    answer.last_name := CASE WHEN last_name IS NOT NULL THEN murallink_private.checked_name(last_name, 'last_name', false) END;
    answer.email_enabled := email_enabled;
    answer.sms_enabled := sms_enabled;
    answer.emergency_contact := CASE WHEN emergency_contact IS NOT NULL THEN
        murallink_private.checked_text(emergency_contact, 'emergency_contact', 200, false) END;
    answer.emergency_phone := CASE WHEN emergency_phone IS NOT NULL THEN
        murallink_private.checked_text(emergency_phone, 'emergency_phone', 50, false) END;
    answer.time_zone := CASE WHEN time_zone IS NOT NULL THEN murallink_private.checked_time_zone(time_zone, 'time_zone') END;
    UPDATE murallink.patient p SET
        email = coalesce(answer.email, p.email), phone = coalesce(answer.phone, p.phone),
        first_name = coalesce(answer.first_name, p.first_name), last_name = coalesce(answer.last_name, p.last_name),
        email_enabled = coalesce(answer.email_enabled, p.email_enabled), sms_enabled = coalesce(answer.sms_enabled, p.sms_enabled),
        address = murallink_private.changed_address(p.address, update_patient.address),
        emergency_contact = coalesce(answer.emergency_contact, p.emergency_contact),
        emergency_phone = coalesce(answer.emergency_phone, p.emergency_phone), time_zone = coalesce(answer.time_zone, p.time_zone),
        updated_at = pg_catalog.clock_timestamp()
    WHERE p.uid = update_patient.uid;
    -- A caller who may change but not see the person gets only the values that were sent.
    IF EXISTS (SELECT FROM murallink_private.visible_patients() AS seen WHERE seen = update_patient.uid) THEN
        SELECT * INTO answer FROM murallink_private.patient_infos() p WHERE p.uid = update_patient.uid;
        answer.audit_history := murallink_private.audit_history(update_patient.uid);
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.update_patient(murallink.ksuid, text, text, text, text, boolean, boolean, jsonb, text, text, text, murallink.read_only, murallink.read_only) IS
'Changes a patient (document: Update Patient). uid: the patient; the rest as add_patient takes it; absent arguments change nothing, nor do absent parts of address; site_uid is one of the patient''s, or absent; audit_history is ignored. Needs update_patient on the patient, at a site that the patient has not left for another one; a caller without view_patients gets only the values that were sent. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key.';
