-- Notices to patients and users, and their subjects.

CREATE TABLE murallink_private.bulk_email (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    subject text NOT NULL CHECK (subject <> ''),
    body text NOT NULL CHECK (body <> ''),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE murallink_private.bulk_email IS 'An e-mail message to the patients of a trial at a site; notice has one row for each recipient.';
COMMENT ON COLUMN murallink_private.bulk_email.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.bulk_email.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink_private.bulk_email.contract_uid IS 'The trial''s contract.';
COMMENT ON COLUMN murallink_private.bulk_email.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink_private.bulk_email.site_uid IS 'The site.';
COMMENT ON COLUMN murallink_private.bulk_email.subject IS 'The subject, one line.';
COMMENT ON COLUMN murallink_private.bulk_email.body IS 'Plain text.';
COMMENT ON COLUMN murallink_private.bulk_email.created_at IS 'When it was requested.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink_private.bulk_email
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.bulk_email
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY bulk_email ON murallink_private.audit_event FOR SELECT USING (
    resource = 'bulk_email' AND murallink_private.permitted('bulk_email', client_uid, contract_uid, trial_uid, site_uid));

CREATE TABLE murallink_private.unsubscribe_token (
    token murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient ON DELETE CASCADE,
    former boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX unsubscribe_token_patient ON murallink_private.unsubscribe_token (patient_uid) WHERE NOT former;
COMMENT ON TABLE murallink_private.unsubscribe_token IS
'The tokens by which unsubscribe() recognizes patients who were sent a bulk_email().';
COMMENT ON COLUMN murallink_private.unsubscribe_token.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink_private.unsubscribe_token.token IS
'Random; in the header List-Unsubscribe of every such message. It never expires.';
COMMENT ON COLUMN murallink_private.unsubscribe_token.former IS
'Whether the patient was sent it under a uid that was merged into another one, which has a token, too.';

CREATE TABLE murallink_private.payment_notice (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    contract_uid murallink.ksuid NOT NULL UNIQUE REFERENCES murallink.contract,
    enabled boolean NOT NULL
);
COMMENT ON TABLE murallink_private.payment_notice IS 'Settings of set_payment_notices() for contracts.';
COMMENT ON COLUMN murallink_private.payment_notice.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payment_notice.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink_private.payment_notice.enabled IS 'Whether patients are notified of payments.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.payment_notice
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('values');
CREATE POLICY operator_message ON murallink_private.audit_event FOR SELECT TO murallink_operator
    USING (resource IN ('payment_notice', 'template'));

CREATE TABLE murallink_private.notice (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    kind murallink.notice_kind NOT NULL,
    channel murallink.notice_channel NOT NULL,
    patient_uid murallink.ksuid REFERENCES murallink.patient,
    app_user_uid murallink.ksuid REFERENCES murallink.app_user,
    appointment_uid murallink.ksuid REFERENCES murallink.appointment,
    lead interval,
    moves integer,
    payment_uid murallink.ksuid REFERENCES murallink_private.payment,
    bulk_email_uid murallink.ksuid REFERENCES murallink_private.bulk_email,
    address text,
    changed text,
    returned numeric,
    note text,
    payout_account_uid murallink.ksuid REFERENCES murallink_private.payout_account,
    partner text NOT NULL GENERATED ALWAYS AS (CASE channel WHEN 'email' THEN 'smtp' ELSE 'relay' END) STORED,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CHECK ((kind IN ('account', 'password_reset')) = (app_user_uid IS NOT NULL)),
    CHECK ((kind IN ('account', 'password_reset')) = (patient_uid IS NULL)),
    CHECK ((kind IN ('account', 'payout_account')) = (address IS NOT NULL)),
    CHECK ((kind = 'account') = (changed IS NOT NULL)),
    CHECK ((kind = 'appointment') = (appointment_uid IS NOT NULL)),
    CHECK ((kind = 'appointment') = (lead IS NOT NULL)),
    CHECK ((kind = 'appointment') = (moves IS NOT NULL)),
    CHECK ((kind IN ('payment', 'reversal', 'return')) = (payment_uid IS NOT NULL)),
    CHECK ((kind IN ('reversal', 'return')) = (returned IS NOT NULL)),
    CHECK ((kind IN ('reversal', 'return')) = (note IS NOT NULL)),
    CHECK ((kind = 'bulk_email') = (bulk_email_uid IS NOT NULL)),
    CHECK ((kind = 'payout_account') = (payout_account_uid IS NOT NULL))
);
COMMENT ON TABLE murallink_private.notice IS
'Messages to people, by e-mail or SMS. A row refers to the person and the subject; address and text are read when it is sent.';
COMMENT ON COLUMN murallink_private.notice.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.notice.kind IS 'What it is about.';
COMMENT ON COLUMN murallink_private.notice.channel IS 'How it is sent.';
COMMENT ON COLUMN murallink_private.notice.patient_uid IS 'The patient who receives it, null if it goes to a user.';
COMMENT ON COLUMN murallink_private.notice.app_user_uid IS 'The user who receives it, or whose account was changed.';
COMMENT ON COLUMN murallink_private.notice.appointment_uid IS 'The appointment of a reminder.';
COMMENT ON COLUMN murallink_private.notice.lead IS 'How long before the appointment.';
COMMENT ON COLUMN murallink_private.notice.moves IS
'How often the appointment had been moved when this was queued. A reminder from before the last move is not sent.';
COMMENT ON COLUMN murallink_private.notice.payment_uid IS 'The payment that it is about.';
COMMENT ON COLUMN murallink_private.notice.bulk_email_uid IS 'The bulk e-mail message.';
COMMENT ON COLUMN murallink_private.notice.address IS 'The old address or phone number, for the notice that an account was changed.';
COMMENT ON COLUMN murallink_private.notice.changed IS 'What was changed: the password or the e-mail address.';
COMMENT ON COLUMN murallink_private.notice.returned IS
'How much of the payment had come back, in currency units; the notice reports the part of it that earlier notices have not reported.';
COMMENT ON COLUMN murallink_private.notice.note IS 'Why that was taken back.';
COMMENT ON COLUMN murallink_private.notice.payout_account_uid IS 'The account that was entered.';
COMMENT ON COLUMN murallink_private.notice.partner IS 'The partner that sends it.';
COMMENT ON COLUMN murallink_private.notice.created_at IS 'When it was queued.';
CREATE UNIQUE INDEX notice_appointment ON murallink_private.notice (appointment_uid, channel, lead, moves) WHERE kind = 'appointment';
CREATE UNIQUE INDEX notice_payment ON murallink_private.notice (payment_uid, kind, channel, coalesce(returned, 0)) WHERE payment_uid IS NOT NULL;
CREATE INDEX notice_patient ON murallink_private.notice (patient_uid);
CREATE INDEX notice_created ON murallink_private.notice (created_at, uid);
CREATE INDEX notice_bulk_email ON murallink_private.notice (bulk_email_uid, patient_uid) WHERE kind = 'bulk_email';
CREATE INDEX notice_app_user ON murallink_private.notice (app_user_uid) WHERE app_user_uid IS NOT NULL;
CREATE INDEX notice_account ON murallink_private.notice (app_user_uid, created_at) WHERE kind = 'account';
CREATE INDEX notice_address ON murallink_private.notice (address, created_at) WHERE kind = 'account';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink_private.notice
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
INSERT INTO murallink_private.change_kind (change, follows)
VALUES ('appointment', 'notice_of_appointment'), ('e-mail address', 'notice_of_email'), ('password', 'notice_of_password'),
    ('password_reset', 'notice_of_password_reset');
INSERT INTO murallink_private.call_kind (resource, asks, judges) VALUES ('notice', 'notices_ask', 'notice_judge');
