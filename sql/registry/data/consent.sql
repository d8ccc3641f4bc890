-- The record of consents, which only grows.

CREATE TABLE murallink.consent (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    number bigint GENERATED ALWAYS AS IDENTITY,
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    channel murallink.notice_channel NOT NULL,
    given boolean NOT NULL,
    source text NOT NULL,
    noted_by name NOT NULL DEFAULT coalesce(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER),
    noted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink.consent IS
'When patients have agreed to messages, and when they have ended that: the last of a channel holds, and none means no.';
COMMENT ON COLUMN murallink.consent.uid IS 'Key.';
COMMENT ON COLUMN murallink.consent.number IS 'The order of the rows.';
COMMENT ON COLUMN murallink.consent.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink.consent.channel IS 'By which messages may come.';
COMMENT ON COLUMN murallink.consent.given IS 'Whether they may.';
COMMENT ON COLUMN murallink.consent.source IS 'The source: the record of the patient, a message, or an operator''s words.';
COMMENT ON COLUMN murallink.consent.noted_by IS 'The PostgreSQL role that noted it: the one of SET ROLE, else the login role.';
COMMENT ON COLUMN murallink.consent.noted_at IS 'When.';
CREATE INDEX consent_patient ON murallink.consent (patient_uid, channel, number);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink.consent
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE TRIGGER consent AFTER INSERT OR UPDATE OF email_enabled, sms_enabled ON murallink.patient
    FOR EACH ROW EXECUTE FUNCTION murallink_private.consent_of_record();
CREATE POLICY viewer ON murallink.consent FOR SELECT
    USING (EXISTS (SELECT FROM murallink.patient p WHERE p.uid = patient_uid));
