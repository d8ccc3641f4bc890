-- Documents: upload and download.

CREATE TYPE murallink.document_info AS (
    patient_uid murallink.optional_uid,
    caregiver_uid murallink.optional_uid,
    data text,
    filename text,
    content_type text
);
COMMENT ON TYPE murallink.document_info IS 'A document, as get_document answers. data: in base64.';

CREATE FUNCTION murallink_private.permit_document(
    patient_uid murallink.ksuid, caregiver_uid murallink.ksuid, permission murallink.permission
) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
BEGIN
    IF caregiver_uid IS NULL THEN
        caller := murallink_private.permit_patient(patient_uid, permission);
        RETURN patient_uid;
    ELSIF patient_uid IS NOT NULL THEN
        PERFORM murallink_private.raise('invalid_value', 'caregiver_uid', 'Send one of patient_uid and caregiver_uid.');
    END IF;
    RETURN murallink_private.permit_caregiver(caregiver_uid, permission, 'caregiver_uid');
END
$$;
COMMENT ON FUNCTION murallink_private.permit_document(murallink.ksuid, murallink.ksuid, murallink.permission) IS
'The given patient, or that of the given caregiver; checks that the caller holds the permission on the patient. Errors: unauthenticated, missing_field (neither), invalid_value (both), forbidden, not_found.';

CREATE FUNCTION murallink_private.document_spelled_once() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Serialize, so that each sees the spelling of the one before.
    PERFORM FROM murallink.patient WHERE uid = NEW.patient_uid FOR NO KEY UPDATE;
    -- After a merge there may be two spellings: each goes on.
    IF (SELECT pg_catalog.count(*) > 0 AND NOT pg_catalog.bool_or(d.filename = NEW.filename)
        FROM murallink.document d
        WHERE d.patient_uid = NEW.patient_uid AND d.caregiver_uid IS NOT DISTINCT FROM NEW.caregiver_uid
        AND murallink_private.label_key(d.filename) = murallink_private.label_key(NEW.filename)) THEN
        PERFORM murallink_private.raise('already_exists', 'filename');
    END IF;
    NEW.created_at := murallink_private.moment_after(NEW.created_at, (
        SELECT pg_catalog.max(d.created_at) FROM murallink.document d
        WHERE d.patient_uid = NEW.patient_uid AND d.caregiver_uid IS NOT DISTINCT FROM NEW.caregiver_uid AND d.filename = NEW.filename));
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.document_spelled_once() IS
'Trigger: the name of a file is spelled in one way in all its versions, unless a merge has brought two, and each version is later than the one before. Errors: already_exists.';

CREATE FUNCTION murallink.upload_document(
    patient_uid murallink.ksuid DEFAULT NULL, caregiver_uid murallink.ksuid DEFAULT NULL, filename text DEFAULT NULL,
    data text DEFAULT NULL, content_type text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner CONSTANT murallink.ksuid :=
        murallink_private.permit_document(upload_document.patient_uid, upload_document.caregiver_uid, 'upload_document');
    file_name CONSTANT text := murallink_private.checked_file_name(upload_document.filename, 'filename');
    media_type CONSTANT text := murallink_private.checked_content_type(upload_document.content_type, file_name);
    bytes CONSTANT bytea := murallink_private.checked_file(upload_document.data, 'data');
BEGIN
    WITH added AS (
        INSERT INTO murallink.document (patient_uid, caregiver_uid, filename, content_type, size, app_user_uid)
        VALUES (owner, upload_document.caregiver_uid, file_name, media_type, pg_catalog.octet_length(bytes), murallink_private.caller())
        RETURNING uid)
    INSERT INTO murallink_private.document_content (document_uid, content) SELECT uid, bytes FROM added;
END
$$;
COMMENT ON FUNCTION murallink.upload_document(murallink.ksuid, murallink.ksuid, text, text, text) IS
'Stores a document of a patient or of a caregiver; one with the name of an existing document is its next version (document: Upload Document). patient_uid or caregiver_uid is required, not both; filename: at most 200 characters, no path; data: in base64, at most murallink.document_limit; content_type: the media type, default by the ending of the filename. Needs upload_document on the patient, at a site that the patient has not left for another one. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, already_exists (the name in another case or width).';

CREATE FUNCTION murallink.get_document(
    patient_uid murallink.ksuid DEFAULT NULL, caregiver_uid murallink.ksuid DEFAULT NULL, filename text DEFAULT NULL
) RETURNS murallink.document_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner CONSTANT murallink.ksuid :=
        murallink_private.permit_document(get_document.patient_uid, get_document.caregiver_uid, 'get_document');
    file_name CONSTANT text := murallink_private.checked_file_name(get_document.filename, 'filename');
    answer murallink.document_info;
BEGIN
    SELECT get_document.patient_uid, d.caregiver_uid,
        pg_catalog.replace(pg_catalog.encode(c.content, 'base64'), E'\n', ''), d.filename, d.content_type
    INTO answer
    FROM murallink.document d JOIN murallink_private.document_content c ON c.document_uid = d.uid
    WHERE d.patient_uid = owner AND d.caregiver_uid IS NOT DISTINCT FROM get_document.caregiver_uid  AND d.filename = file_name
    ORDER BY d.created_at DESC, d.uid DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'filename', 'get_documents lists the files.');
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.get_document(murallink.ksuid, murallink.ksuid, text) IS
'The newest document of that name of a patient or of a caregiver, in base64 (document: Get Document). filename: as it was uploaded; patient_uid or caregiver_uid is required, not both. Needs get_document on the patient. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';

CREATE TYPE murallink.listed_document AS (
    uid murallink.ksuid,
    caregiver_uid murallink.optional_uid,
    filename text,
    content_type text,
    size integer,
    created_at timestamptz,
    versions integer
);
COMMENT ON TYPE murallink.listed_document IS
'A document without its content, as get_documents answers. uid: of the newest version; caregiver_uid: the caregiver whose document it is; size: in bytes; created_at: when that version was uploaded; versions: how many there are.';

CREATE FUNCTION murallink.get_documents(patient_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.listed_document
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.permit_patient(get_documents.patient_uid, 'view_patients');
BEGIN
    RETURN QUERY
    SELECT n.uid, n.caregiver_uid::murallink.optional_uid, n.filename, n.content_type, n.size, n.created_at, n.versions
    FROM (
        SELECT DISTINCT ON (d.caregiver_uid, d.filename) d.*,
            (pg_catalog.count(*) OVER (PARTITION BY d.caregiver_uid, d.filename))::integer AS versions
        FROM murallink.document d WHERE d.patient_uid = get_documents.patient_uid
        ORDER BY d.caregiver_uid, d.filename, d.created_at DESC, d.uid DESC) AS n
    ORDER BY n.caregiver_uid IS NOT NULL, n.caregiver_uid, n.filename COLLATE "C";
END
$$;
COMMENT ON FUNCTION murallink.get_documents(murallink.ksuid) IS
'The documents of a patient and of the patient''s caregivers, the newest version of each, without the content: the patient''s own first, by filename. get_document has the content. Needs view_patients on the patient. Errors: unauthenticated, forbidden, not_found, missing_field.';
