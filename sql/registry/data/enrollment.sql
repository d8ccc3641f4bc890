-- Enrollments: which patient takes part in which trial at which site, and how one follows another.

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
    left_on date,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    previous_uid murallink.ksuid UNIQUE,
    chain_uid murallink.ksuid NOT NULL,
    subject_held boolean NOT NULL DEFAULT true,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    UNIQUE (uid, chain_uid, patient_uid, trial_uid),
    FOREIGN KEY (trial_site_uid, trial_uid, site_uid, contract_uid, client_uid)
        REFERENCES murallink.trial_site (uid, trial_uid, site_uid, contract_uid, client_uid),
    FOREIGN KEY (patient_uid, site_uid) REFERENCES murallink.patient_site (patient_uid, site_uid),
    -- Deferrable, because merge_patients() changes all of a chain.
    CONSTRAINT enrollment_follows FOREIGN KEY (previous_uid, chain_uid, patient_uid, trial_uid)
        REFERENCES murallink.enrollment (uid, chain_uid, patient_uid, trial_uid) DEFERRABLE,
    CHECK ((previous_uid IS NULL) = (chain_uid = uid)),
    CHECK ((status IN ('dropped', 'transferred', 'screen_failed', 'merged')) = (left_on IS NOT NULL))
);
COMMENT ON TABLE murallink.enrollment IS
'A patient in a trial at a site. A transfer to another site and a new screening end one enrollment and begin the next: all of a patient in a trial are a chain, of which one is open.';
COMMENT ON COLUMN murallink.enrollment.uid IS 'Key.';
COMMENT ON COLUMN murallink.enrollment.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.enrollment.contract_uid IS 'The trial''s contract, whose funds pay.';
COMMENT ON COLUMN murallink.enrollment.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.enrollment.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.enrollment.trial_site_uid IS 'The trial at that site.';
COMMENT ON COLUMN murallink.enrollment.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink.enrollment.subject_id IS 'The patient''s number in the trial, of no other patient there; used in place of the name.';
COMMENT ON COLUMN murallink.enrollment.payment_type_uid IS 'The patient''s payment type; null: the contract''s default.';
COMMENT ON COLUMN murallink.enrollment.status IS 'enrolled, dropped, completed, transferred (the next enrollment is at another site), screen_failed, or merged (the patient was enrolled twice, under two uids).';
COMMENT ON COLUMN murallink.enrollment.left_on IS
'The last day, at the site, whose visits are still paid here, when dropped, transferred, screen_failed or merged.';
COMMENT ON COLUMN murallink.enrollment.created_at IS 'When the patient was enrolled.';
COMMENT ON COLUMN murallink.enrollment.updated_at IS 'When it was changed last.';
COMMENT ON COLUMN murallink.enrollment.previous_uid IS 'The enrollment that this one follows, by a transfer, a new screening or a merge; null for the first.';
COMMENT ON COLUMN murallink.enrollment.chain_uid IS 'The first enrollment of the chain; itself for the first. Nothing is paid twice in a chain.';
COMMENT ON COLUMN murallink.enrollment.subject_held IS
'Whether this row keeps its subject_id from other patients: false where a later enrollment of the chain has the same one, and keeps it.';
CREATE UNIQUE INDEX enrollment_open ON murallink.enrollment (patient_uid, trial_uid) WHERE status NOT IN ('transferred', 'screen_failed', 'merged');
COMMENT ON INDEX murallink.enrollment_open IS 'A patient has one enrollment in a trial that is neither transferred nor screen_failed nor merged.';
CREATE UNIQUE INDEX enrollment_first ON murallink.enrollment (patient_uid, trial_uid) WHERE previous_uid IS NULL;
COMMENT ON INDEX murallink.enrollment_first IS 'All enrollments of a patient in a trial are one chain.';
CREATE INDEX enrollment_patient ON murallink.enrollment (patient_uid, trial_uid);
CREATE INDEX enrollment_chain ON murallink.enrollment (chain_uid);
CREATE INDEX enrollment_moved ON murallink.enrollment (chain_uid) WHERE previous_uid IS NOT NULL;
CREATE INDEX enrollment_updated ON murallink.enrollment (updated_at);
CREATE UNIQUE INDEX enrollment_subject ON murallink.enrollment (trial_uid, murallink_private.label_key(subject_id)) WHERE subject_held;
CREATE TRIGGER keeps BEFORE INSERT OR UPDATE OR DELETE ON murallink.enrollment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.enrollment_keeps();
COMMENT ON TRIGGER keeps ON murallink.enrollment IS 'Not of TRUNCATE, which would take notices along, and is refused there.';
CREATE INDEX enrollment_subject_key ON murallink.enrollment (murallink_private.label_key(subject_id));
CREATE INDEX enrollment_trial ON murallink.enrollment (trial_uid);
CREATE INDEX enrollment_trial_site ON murallink.enrollment (trial_site_uid);
CREATE INDEX enrollment_client ON murallink.enrollment (client_uid);
CREATE INDEX enrollment_contract ON murallink.enrollment (contract_uid);
CREATE INDEX enrollment_site ON murallink.enrollment (site_uid);
CREATE POLICY viewer ON murallink.enrollment FOR SELECT USING (
    murallink_private.permitted('view_enrollments', client_uid, contract_uid, trial_uid, site_uid)
    OR murallink_private.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid)
    OR murallink_private.granted_moved('view_enrollments', uid) OR murallink_private.granted_moved('view_patients', uid));

CREATE POLICY viewer ON murallink.patient FOR SELECT USING (
    murallink_private.granted_all(uid)
    OR murallink_private.maybe_viewable(uid) AND (
        EXISTS (SELECT FROM murallink.patient_site p WHERE p.patient_uid = patient.uid)
        OR EXISTS (
            SELECT FROM murallink.enrollment e
            WHERE e.patient_uid = patient.uid
            AND murallink_private.permitted('view_patients', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid))));
CREATE POLICY operator ON murallink.merged_patient FOR SELECT TO murallink_operator USING (true);
CREATE POLICY viewer ON murallink.merged_patient FOR SELECT USING (
    murallink_private.granted_all(into_uid)
    OR murallink_private.maybe_viewable(into_uid) AND EXISTS (SELECT FROM murallink.patient p WHERE p.uid = into_uid));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.enrollment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('event=enrollment.changed');
CREATE POLICY enrollment ON murallink_private.audit_event FOR SELECT USING (
    resource = 'enrollment' AND (
        murallink_private.permitted('view_enrollments', client_uid, contract_uid, trial_uid, site_uid)
        OR murallink_private.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid)
        OR murallink_private.granted_moved('view_enrollments', resource_uid)
        OR murallink_private.granted_moved('view_patients', resource_uid)));

CREATE TABLE murallink.enrollment_note (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    enrollment_uid murallink.ksuid NOT NULL REFERENCES murallink.enrollment,
    app_user_uid murallink.ksuid REFERENCES murallink.app_user,
    note text NOT NULL CHECK (note <> ''),
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink.enrollment_note IS
'Why enrollments were transferred, corrected or merged. It is a table of its own because it is not for everybody who sees enrollments. Nobody may change or delete a row: not even the owner has the right to.';
COMMENT ON COLUMN murallink.enrollment_note.uid IS 'Key.';
COMMENT ON COLUMN murallink.enrollment_note.enrollment_uid IS 'The enrollment.';
COMMENT ON COLUMN murallink.enrollment_note.app_user_uid IS 'The user who wrote it; null for an operator without a user.';
COMMENT ON COLUMN murallink.enrollment_note.note IS 'Why.';
COMMENT ON COLUMN murallink.enrollment_note.at IS 'When.';
CREATE INDEX enrollment_note_enrollment ON murallink.enrollment_note (enrollment_uid);
CREATE POLICY viewer ON murallink.enrollment_note FOR SELECT USING (
    EXISTS (
        SELECT FROM murallink.enrollment e
        WHERE e.uid = enrollment_uid AND (
            murallink_private.permitted('view_patients', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
            OR murallink_private.granted_moved('view_patients', e.uid))));
