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

CREATE FUNCTION murallink_private.merged_into(from_uid murallink.ksuid, to_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN from_uid = to_uid THEN EXISTS (SELECT FROM murallink.merged_patient m WHERE to_uid IN (m.uid, m.into_uid))
        ELSE EXISTS (SELECT FROM murallink.merged_patient m WHERE m.uid = from_uid AND m.into_uid = to_uid) END
$$;
COMMENT ON FUNCTION murallink_private.merged_into(murallink.ksuid, murallink.ksuid) IS
'Whether a patient was merged into another one; of one and the same, whether it was, or another one into it: the rows may then be moved.';

CREATE FUNCTION murallink_private.phone_key(phone text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN pg_catalog.length(murallink_private.phone_or_digits(phone)) >= 7 THEN murallink_private.phone_or_digits(phone) END;
COMMENT ON FUNCTION murallink_private.phone_key(text) IS
'What the spellings of a phone number have in common; null for less than seven characters.';

CREATE FUNCTION murallink_private.address_key(address murallink.address) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (address).street1 <> '' THEN
    pg_catalog.translate(murallink_private.name_folded((address).street1), '.,#-', '')
    || murallink_private.name_folded(coalesce(NULLIF((address).post_code, ''), (address).city, '')) END;
COMMENT ON FUNCTION murallink_private.address_key(murallink.address) IS
'What the spellings of an address have in common: the first line of the street, and the post code or, if there is none, the city; null without a street.';
