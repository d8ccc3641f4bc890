-- Patients as clients see them. roster.sql adds, finds and changes them.

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
