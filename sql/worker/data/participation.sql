-- Participations of patients at partners, and the changes that concern them.

CREATE TABLE murallink_private.trial_partner (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    trial_uid murallink.ksuid NOT NULL REFERENCES murallink.trial ON DELETE CASCADE,
    partner text NOT NULL,
    settings jsonb NOT NULL,
    UNIQUE (trial_uid, partner)
);
COMMENT ON TABLE murallink_private.trial_partner IS 'The partners whose members the patients of a trial become.';
COMMENT ON COLUMN murallink_private.trial_partner.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.trial_partner.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink_private.trial_partner.partner IS 'The partner.';
COMMENT ON COLUMN murallink_private.trial_partner.settings IS 'Values for the enrollment, by the partner''s fields.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.trial_partner
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('values');

CREATE TABLE murallink_private.participation_detail (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    partner text NOT NULL,
    details jsonb NOT NULL,
    UNIQUE (patient_uid, partner)
);
COMMENT ON TABLE murallink_private.participation_detail IS
'Data of patients that partners need and the record does not have.';
COMMENT ON COLUMN murallink_private.participation_detail.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.participation_detail.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink_private.participation_detail.partner IS 'The partner.';
COMMENT ON COLUMN murallink_private.participation_detail.details IS 'Values, by the partner''s fields.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.participation_detail
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();

-- Without a foreign key to the patient, because the worker must not wait if another transaction has locked the row.
CREATE TABLE murallink_private.participation (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL,
    partner text NOT NULL,
    enrollment_uid murallink.ksuid NOT NULL,
    wanted boolean NOT NULL,
    member jsonb,
    meant jsonb,
    begun_with jsonb,
    task_uid murallink.ksuid,
    reason text NOT NULL DEFAULT '',
    seen bigint,
    revision integer,
    since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    UNIQUE (patient_uid, partner)
) WITH (fillfactor = 70);
COMMENT ON TABLE murallink_private.participation IS 'Whether a patient is and should be a member at a partner.';
COMMENT ON COLUMN murallink_private.participation.uid IS 'Key; the subject of its tasks.';
COMMENT ON COLUMN murallink_private.participation.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink_private.participation.partner IS 'The partner.';
COMMENT ON COLUMN murallink_private.participation.enrollment_uid IS 'The enrollment whose trial has the settings.';
COMMENT ON COLUMN murallink_private.participation.wanted IS 'Whether the patient should be a member.';
COMMENT ON COLUMN murallink_private.participation.member IS
'What the partner has: active, member_id, and the data sent last; unsure: it may have these or the earlier ones; null: nothing was sent.';
COMMENT ON COLUMN murallink_private.participation.meant IS 'The same after the task is done.';
COMMENT ON COLUMN murallink_private.participation.begun_with IS
'The original params of the task, which the partner''s file may change.';
COMMENT ON COLUMN murallink_private.participation.task_uid IS 'The last step.';
COMMENT ON COLUMN murallink_private.participation.reason IS 'Why the next step is not begun: no_consent, partner_not_configured, no_member_id, declined, or a wrong or missing field.';
COMMENT ON COLUMN murallink_private.participation.seen IS 'Hash of the patient''s record at the last step.';
COMMENT ON COLUMN murallink_private.participation.revision IS
'Revision of the partner''s configuration at that time, null if it was not configured.';
COMMENT ON COLUMN murallink_private.participation.since IS 'When any of this changed last.';
CREATE UNIQUE INDEX participation_member ON murallink_private.participation (partner, murallink_private.member_key(member ->> 'member_id'));
COMMENT ON INDEX murallink_private.participation_member IS
'No two patients are the same member, because the end of one membership would end the other.';
CREATE INDEX participation_stopped ON murallink_private.participation (partner) WHERE reason <> '';
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink_private.participation
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();

CREATE TABLE murallink_private.participation_change (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL,
    due_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    problem text NOT NULL DEFAULT ''
);
COMMENT ON TABLE murallink_private.participation_change IS
'The patients whose participations the worker must step, because something has changed.';
COMMENT ON COLUMN murallink_private.participation_change.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.participation_change.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink_private.participation_change.due_at IS 'Not before this time.';
COMMENT ON COLUMN murallink_private.participation_change.problem IS 'The error of the last attempt.';
CREATE INDEX participation_change_due ON murallink_private.participation_change (due_at);
CREATE INDEX participation_change_patient ON murallink_private.participation_change (patient_uid);

CREATE TABLE murallink_private.participation_sweep (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    only_row boolean NOT NULL DEFAULT true UNIQUE CHECK (only_row),
    after murallink.ksuid NOT NULL DEFAULT '000000000000000000000000000',
    due_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.participation_sweep IS
'How far the worker has looked for changes that were not recorded.';
COMMENT ON COLUMN murallink_private.participation_sweep.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.participation_sweep.only_row IS 'Keeps this to one row.';
COMMENT ON COLUMN murallink_private.participation_sweep.after IS 'The last enrollment checked.';
COMMENT ON COLUMN murallink_private.participation_sweep.due_at IS 'Not continued before this time.';
INSERT INTO murallink_private.participation_sweep DEFAULT VALUES;

CREATE POLICY operator_participation ON murallink_private.audit_event FOR SELECT TO murallink_operator
    USING (resource IN ('trial_partner', 'participation_detail'));
INSERT INTO murallink_private.call_kind (resource, follows) VALUES ('participation', 'participations_follow');
