-- The table of appointments.

CREATE TABLE murallink.appointment (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    enrollment_uid murallink.ksuid NOT NULL REFERENCES murallink.enrollment,
    patient_uid murallink.ksuid NOT NULL,
    at timestamptz NOT NULL,
    local_time timestamp NOT NULL,
    time_zone text NOT NULL,
    description text NOT NULL DEFAULT '',
    status murallink.appointment_status NOT NULL DEFAULT 'scheduled',
    moves integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    milestone_code text CHECK (murallink_private.is_label(milestone_code))
);
COMMENT ON TABLE murallink.appointment IS 'A visit that a patient is to make to the site.';
COMMENT ON COLUMN murallink.appointment.uid IS 'Key.';
COMMENT ON COLUMN murallink.appointment.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.appointment.contract_uid IS 'The trial''s contract.';
COMMENT ON COLUMN murallink.appointment.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.appointment.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.appointment.enrollment_uid IS 'The patient in the trial at the site.';
COMMENT ON COLUMN murallink.appointment.patient_uid IS 'The patient of the enrollment.';
COMMENT ON COLUMN murallink.appointment.at IS 'When.';
COMMENT ON COLUMN murallink.appointment.local_time IS 'The local time in time_zone, as it was agreed with the patient.';
COMMENT ON COLUMN murallink.appointment.time_zone IS 'The time zone that held: the patient''s, else the site''s, else UTC.';
COMMENT ON COLUMN murallink.appointment.description IS 'The purpose.';
COMMENT ON COLUMN murallink.appointment.status IS 'scheduled, cancelled, kept (the patient came) or missed.';
COMMENT ON COLUMN murallink.appointment.moves IS 'How often it was moved.';
COMMENT ON COLUMN murallink.appointment.created_at IS 'When it was made.';
COMMENT ON COLUMN murallink.appointment.updated_at IS 'When it was changed last.';
COMMENT ON COLUMN murallink.appointment.milestone_code IS 'The code of the milestone that the visit reaches, where one was named.';
CREATE UNIQUE INDEX appointment_once ON murallink.appointment (enrollment_uid, at) WHERE status = 'scheduled';
COMMENT ON INDEX murallink.appointment_once IS 'A patient has one appointment at a time in a trial.';
CREATE INDEX appointment_enrollment ON murallink.appointment (enrollment_uid, at);
CREATE INDEX appointment_patient ON murallink.appointment (patient_uid, at);
CREATE INDEX appointment_client ON murallink.appointment (client_uid);
CREATE INDEX appointment_contract ON murallink.appointment (contract_uid);
CREATE INDEX appointment_trial ON murallink.appointment (trial_uid);
CREATE INDEX appointment_site ON murallink.appointment (site_uid);
CREATE INDEX appointment_updated ON murallink.appointment (updated_at);
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON murallink.appointment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.appointment_guard();
COMMENT ON TRIGGER guard ON murallink.appointment IS 'Not of TRUNCATE, which would take notices along, and is refused there.';
CREATE POLICY viewer ON murallink.appointment FOR SELECT
    USING (murallink_private.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.appointment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY appointment ON murallink_private.audit_event FOR SELECT USING (
    resource = 'appointment' AND murallink_private.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid));
