-- Patients as clients see them, and how they are added. roster.sql finds and changes them.

CREATE TYPE murallink.patient_info AS (
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
    audit_history murallink.audit_entry[]
);
COMMENT ON TYPE murallink.patient_info IS 'A patient, as get_patient answers. audit_history: for callers who hold view_patients, and not in lists.';

CREATE FUNCTION murallink_private.patient_infos() RETURNS SETOF murallink.patient_info
LANGUAGE sql STABLE AS $$
    SELECT uid, NULL::murallink.ksuid, email, phone, first_name, last_name, email_enabled, sms_enabled, address,
        emergency_contact, emergency_phone, time_zone, NULL::murallink.audit_entry[]
    FROM murallink.patient
$$;
COMMENT ON FUNCTION murallink_private.patient_infos() IS
'The patients as clients see them. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink.add_patient(
    site_uid murallink.ksuid DEFAULT NULL, first_name text DEFAULT NULL, last_name text DEFAULT NULL, email text DEFAULT NULL,
    phone text DEFAULT NULL, email_enabled boolean DEFAULT false, sms_enabled boolean DEFAULT false, address jsonb DEFAULT NULL,
    emergency_contact text DEFAULT NULL, emergency_phone text DEFAULT NULL, time_zone text DEFAULT NULL
) RETURNS murallink.patient_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    the_site murallink.site;
    added murallink.ksuid;
    answer murallink.patient_info;
BEGIN
    SELECT * INTO the_site FROM murallink.site WHERE uid = murallink_private.required(add_patient.site_uid, 'site_uid');
    PERFORM murallink_private.permit('add_patient', the_site.client_uid, the_site.contract_uid, NULL, the_site.uid, 'site_uid');
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
    SELECT * INTO answer FROM murallink_private.patient_infos() WHERE uid = added;
    IF murallink_private.permitted('view_patients', the_site.client_uid, the_site.contract_uid, NULL, the_site.uid) THEN
        answer.audit_history := murallink_private.audit_history(added);
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.add_patient(murallink.ksuid, text, text, text, text, boolean, boolean, jsonb, text, text, text) IS
'Adds a patient to a site (document: Add Patient). address: an object with street1, street2, city, state, post_code; time_zone: a name of the tz database. Needs add_patient on the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key.';
