-- Documents of patients and caregivers, with every version.

CREATE TABLE murallink.document (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    caregiver_uid murallink.ksuid,
    filename text NOT NULL CHECK (murallink_private.is_label(filename)),
    content_type text NOT NULL,
    size integer NOT NULL CHECK (size > 0),
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    -- Not now(): the second of two uploads in one transaction is the later one.
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    -- Deferrable, because merge_patients() changes both.
    CONSTRAINT document_of_caregiver FOREIGN KEY (caregiver_uid, patient_uid) REFERENCES murallink.caregiver (uid, patient_uid) DEFERRABLE
);
COMMENT ON TABLE murallink.document IS
'A file of a patient or of one of the patient''s caregivers. Never changed: a file of the same name is the next version.';
COMMENT ON COLUMN murallink.document.uid IS 'Key.';
COMMENT ON COLUMN murallink.document.patient_uid IS 'The patient, also where it is a caregiver''s.';
COMMENT ON COLUMN murallink.document.caregiver_uid IS 'The caregiver whose document it is; null for the patient''s own.';
COMMENT ON COLUMN murallink.document.filename IS 'The name of the file; of several of one name the newest is the one in use.';
COMMENT ON COLUMN murallink.document.content_type IS 'Media type.';
COMMENT ON COLUMN murallink.document.size IS 'In bytes.';
COMMENT ON COLUMN murallink.document.app_user_uid IS 'The user who uploaded it.';
COMMENT ON COLUMN murallink.document.created_at IS 'When it was uploaded.';
CREATE INDEX document_newest ON murallink.document (patient_uid, filename, created_at);
CREATE INDEX document_caregiver ON murallink.document (caregiver_uid) WHERE caregiver_uid IS NOT NULL;
CREATE POLICY viewer ON murallink.document FOR SELECT USING (
    murallink_private.granted_all(patient_uid)
    OR murallink_private.maybe_viewable(patient_uid) AND EXISTS (SELECT FROM murallink.patient p WHERE p.uid = patient_uid));
CREATE TRIGGER spelled_once BEFORE INSERT ON murallink.document
    FOR EACH ROW EXECUTE FUNCTION murallink_private.document_spelled_once();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink.document
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.document
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY document ON murallink_private.audit_event FOR SELECT USING (
    resource = 'document' AND EXISTS (SELECT FROM murallink.document d WHERE d.uid = resource_uid));

CREATE TABLE murallink_private.document_content (
    document_uid murallink.ksuid PRIMARY KEY REFERENCES murallink.document,
    content bytea NOT NULL
);
COMMENT ON TABLE murallink_private.document_content IS 'The bytes of documents, for get_document only: a user who may see that a file exists may not see its content.';
COMMENT ON COLUMN murallink_private.document_content.document_uid IS 'The document.';
COMMENT ON COLUMN murallink_private.document_content.content IS 'Its bytes, not compressed: most files are already.';
ALTER TABLE murallink_private.document_content ALTER content SET STORAGE EXTERNAL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink_private.document_content
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
