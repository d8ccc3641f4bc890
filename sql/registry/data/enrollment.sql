-- Enrollments: which patient takes part in which trial at which site.

CREATE TABLE murallink.enrollment (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    trial_site_uid murallink.ksuid NOT NULL,
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    subject_id text NOT NULL CHECK (murallink_private.is_label(subject_id)),
    payment_type_uid murallink.ksuid REFERENCES murallink_private.payment_type,
    status murallink.enrollment_status NOT NULL DEFAULT 'enrolled',
    dropped_on date,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (patient_uid, trial_uid),
    FOREIGN KEY (trial_site_uid, trial_uid, site_uid, contract_uid, client_uid)
        REFERENCES murallink.trial_site (uid, trial_uid, site_uid, contract_uid, client_uid),
    FOREIGN KEY (patient_uid, site_uid) REFERENCES murallink.patient_site (patient_uid, site_uid),
    CHECK ((status = 'dropped') = (dropped_on IS NOT NULL))
);
COMMENT ON TABLE murallink.enrollment IS 'A patient in a trial at a site; once for each patient and trial.';
COMMENT ON COLUMN murallink.enrollment.uid IS 'Key.';
COMMENT ON COLUMN murallink.enrollment.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.enrollment.contract_uid IS 'The trial''s contract, whose funds pay.';
COMMENT ON COLUMN murallink.enrollment.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.enrollment.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.enrollment.trial_site_uid IS 'The trial at that site.';
COMMENT ON COLUMN murallink.enrollment.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink.enrollment.subject_id IS 'The patient''s number in the trial, unique there; used in place of the name.';
COMMENT ON COLUMN murallink.enrollment.payment_type_uid IS 'The patient''s payment type; null: the contract''s default.';
COMMENT ON COLUMN murallink.enrollment.status IS 'enrolled, dropped or completed.';
COMMENT ON COLUMN murallink.enrollment.dropped_on IS 'The last day whose visits are still owed, when dropped.';
COMMENT ON COLUMN murallink.enrollment.created_at IS 'When the patient was enrolled.';
CREATE UNIQUE INDEX enrollment_subject ON murallink.enrollment (trial_uid, murallink_private.label_key(subject_id));
CREATE TRIGGER keeps BEFORE UPDATE OR DELETE ON murallink.enrollment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.enrollment_keeps();
COMMENT ON TRIGGER keeps ON murallink.enrollment IS 'Not of TRUNCATE, which would take notices along, and is refused there.';
CREATE INDEX enrollment_trial_site ON murallink.enrollment (trial_site_uid);
CREATE INDEX enrollment_client ON murallink.enrollment (client_uid);
CREATE INDEX enrollment_contract ON murallink.enrollment (contract_uid);
CREATE INDEX enrollment_site ON murallink.enrollment (site_uid);
CREATE POLICY viewer ON murallink.enrollment FOR SELECT USING (
    murallink_private.permitted('view_enrollments', client_uid, contract_uid, trial_uid, site_uid)
    OR murallink_private.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid));

CREATE POLICY viewer ON murallink.patient FOR SELECT USING (
    murallink_private.granted_all(uid)
    OR murallink_private.maybe_viewable(uid) AND (
        EXISTS (SELECT FROM murallink.patient_site p WHERE p.patient_uid = patient.uid)
        OR EXISTS (
            SELECT FROM murallink.enrollment e
            WHERE e.patient_uid = patient.uid
            AND murallink_private.permitted('view_patients', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid))));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.enrollment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY enrollment ON murallink.audit_event FOR SELECT USING (
    resource = 'enrollment' AND (
        murallink_private.permitted('view_enrollments', client_uid, contract_uid, trial_uid, site_uid)
        OR murallink_private.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid)));
