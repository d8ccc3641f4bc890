-- The table of caregivers.

CREATE TABLE murallink.caregiver (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    email text NOT NULL DEFAULT '' CHECK (email = '' OR murallink_private.is_mail_address(email)),
    first_name text NOT NULL CHECK (murallink_private.is_name(first_name)),
    last_name text NOT NULL CHECK (last_name = '' OR murallink_private.is_name(last_name)),
    phone text NOT NULL DEFAULT '',
    address murallink.address,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (uid, patient_uid)
);
COMMENT ON TABLE murallink.caregiver IS 'A person who acts on behalf of a patient.';
COMMENT ON COLUMN murallink.caregiver.uid IS 'Key.';
COMMENT ON COLUMN murallink.caregiver.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink.caregiver.email IS 'In lower case; families may share one.';
COMMENT ON COLUMN murallink.caregiver.first_name IS 'First name.';
COMMENT ON COLUMN murallink.caregiver.last_name IS 'Last name.';
COMMENT ON COLUMN murallink.caregiver.phone IS 'As entered.';
COMMENT ON COLUMN murallink.caregiver.address IS 'Postal address, null where unknown.';
COMMENT ON COLUMN murallink.caregiver.created_at IS 'When the caregiver was added.';
CREATE INDEX caregiver_patient ON murallink.caregiver (patient_uid);
CREATE POLICY viewer ON murallink.caregiver FOR SELECT USING (
    murallink_private.granted_all(patient_uid)
    OR murallink_private.maybe_viewable(patient_uid) AND EXISTS (SELECT FROM murallink.patient p WHERE p.uid = patient_uid));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.caregiver
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY caregiver ON murallink_private.audit_event FOR SELECT USING (
    resource = 'caregiver' AND EXISTS (SELECT FROM murallink.caregiver c WHERE c.uid = resource_uid));
