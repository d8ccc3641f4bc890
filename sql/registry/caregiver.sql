-- Caregivers of patients.

CREATE TYPE murallink.caregiver_info AS (
    uid murallink.ksuid,
    patient_uid murallink.ksuid,
    email text,
    first_name text,
    last_name text,
    phone text,
    address murallink.address
);
COMMENT ON TYPE murallink.caregiver_info IS 'A caregiver, as register_caregiver answers.';

CREATE FUNCTION murallink_private.caregiver_infos() RETURNS SETOF murallink.caregiver_info
LANGUAGE sql STABLE AS $$
    SELECT uid, patient_uid, email, first_name, last_name, phone, address FROM murallink.caregiver
$$;
COMMENT ON FUNCTION murallink_private.caregiver_infos() IS
'The caregivers as clients see them. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink_private.permit_caregiver(caregiver_uid murallink.ksuid, permission murallink.permission, field text)
RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    the_patient murallink.ksuid := (
        SELECT patient_uid FROM murallink.caregiver WHERE uid = murallink_private.required(permit_caregiver.caregiver_uid, field));
BEGIN
    IF the_patient IS NULL THEN
        PERFORM murallink_private.raise('not_found', field);
    END IF;
    caller := murallink_private.permit_patient(the_patient, permission, field);
    RETURN the_patient;
END
$$;
COMMENT ON FUNCTION murallink_private.permit_caregiver(murallink.ksuid, murallink.permission, text) IS
'The patient of a caregiver; checks that the caller holds the permission on the patient. field: named in errors. Errors: unauthenticated, missing_field, forbidden, not_found.';

CREATE FUNCTION murallink.register_caregiver(
    patient_uid murallink.ksuid DEFAULT NULL, first_name text DEFAULT NULL, last_name text DEFAULT NULL, email text DEFAULT NULL,
    phone text DEFAULT NULL, address jsonb DEFAULT NULL
) RETURNS murallink.caregiver_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.permit_patient(register_caregiver.patient_uid, 'add_patient');
    answer murallink.caregiver_info;
BEGIN
    INSERT INTO murallink.caregiver AS c (patient_uid, email, first_name, last_name, phone, address)
    VALUES (
        register_caregiver.patient_uid,
        murallink_private.checked_email(register_caregiver.email, 'email', false),
        murallink_private.checked_name(register_caregiver.first_name, 'first_name', true),
        murallink_private.checked_name(register_caregiver.last_name, 'last_name', false),
        murallink_private.checked_text(register_caregiver.phone, 'phone', 50, false),
        murallink_private.checked_address(register_caregiver.address))
    RETURNING c.uid, c.patient_uid, c.email, c.first_name, c.last_name, c.phone, c.address INTO answer;
    PERFORM murallink_private.say('caregiver added');
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.register_caregiver(murallink.ksuid, text, text, text, text, jsonb) IS
'Adds a person who acts on behalf of a patient (document: Register Caregiver). address: an object with street1, street2, city, state, post_code. Needs add_patient on the patient: at one of the patient''s sites or trials, which the patient has not left for another site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key.';

CREATE FUNCTION murallink.update_caregiver(
    uid murallink.ksuid DEFAULT NULL, email text DEFAULT NULL, first_name text DEFAULT NULL, last_name text DEFAULT NULL,
    phone text DEFAULT NULL, address jsonb DEFAULT NULL, patient_uid murallink.read_only DEFAULT NULL
) RETURNS murallink.caregiver_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_patient CONSTANT murallink.ksuid := murallink_private.permit_caregiver(update_caregiver.uid, 'update_patient', 'uid');
    answer murallink.caregiver_info;
BEGIN
    PERFORM murallink_private.unchanged(update_caregiver.patient_uid, ARRAY[the_patient::text], 'patient_uid');
    answer.uid := update_caregiver.uid;
    answer.patient_uid := the_patient;
    answer.email := CASE WHEN email IS NOT NULL THEN murallink_private.checked_email(email, 'email', false) END;
    answer.first_name := CASE WHEN first_name IS NOT NULL THEN murallink_private.checked_name(first_name, 'first_name', true) END;
    answer.last_name := CASE WHEN last_name IS NOT NULL THEN murallink_private.checked_name(last_name, 'last_name', false) END;
    answer.phone := CASE WHEN phone IS NOT NULL THEN murallink_private.checked_text(phone, 'phone', 50, false) END;
    UPDATE murallink.caregiver c SET
        email = coalesce(answer.email, c.email), first_name = coalesce(answer.first_name, c.first_name),
        last_name = coalesce(answer.last_name, c.last_name), phone = coalesce(answer.phone, c.phone),
        address = murallink_private.changed_address(c.address, update_caregiver.address)
    WHERE c.uid = update_caregiver.uid;
    -- A caller who may change but not see the person gets only the values that were sent.
    IF EXISTS (SELECT FROM murallink_private.visible_patients() AS seen WHERE seen = the_patient) THEN
        SELECT * INTO answer FROM murallink_private.caregiver_infos() c WHERE c.uid = update_caregiver.uid;
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.update_caregiver(murallink.ksuid, text, text, text, text, jsonb, murallink.read_only) IS
'Changes a caregiver (document: Update Caregiver). uid: the caregiver; absent arguments change nothing, nor do absent parts of address; patient_uid is the caregiver''s, or absent. Needs update_patient on the patient, at a site that the patient has not left for another one; a caller without view_patients gets only the values that were sent. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key.';

CREATE FUNCTION murallink.get_caregivers(patient_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.caregiver_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.permit_patient(get_caregivers.patient_uid, 'view_patients');
BEGIN
    RETURN QUERY
    SELECT i.* FROM murallink_private.caregiver_infos() i WHERE i.patient_uid = get_caregivers.patient_uid
    ORDER BY murallink_private.name_folded(i.last_name || ' ' || i.first_name) COLLATE "C", i.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_caregivers(murallink.ksuid) IS
'The caregivers of a patient, by last and first name. Needs view_patients on the patient. Errors: unauthenticated, forbidden, not_found, missing_field.';
