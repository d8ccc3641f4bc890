-- The table of payments. Its unique index lets each milestone be paid once.

CREATE TABLE murallink.payment (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    trial_site_uid murallink.ksuid NOT NULL,
    patient_uid murallink.ksuid NOT NULL,
    enrollment_uid murallink.ksuid NOT NULL,
    payment_type murallink.payment_kind NOT NULL,
    milestone_uid murallink.ksuid,
    milestone_name text,
    occurrence integer,
    amount numeric NOT NULL,
    currency murallink.currency NOT NULL,
    note text NOT NULL DEFAULT '',
    visit_date date,
    status murallink.payment_status NOT NULL DEFAULT 'pending',
    requested_by_uid murallink.ksuid,
    decided_by_uid murallink.ksuid,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    counts boolean NOT NULL GENERATED ALWAYS AS (status NOT IN ('rejected', 'cancelled', 'reversed')) STORED,
    CHECK (murallink_private.amount_fits(amount, currency)),
    CHECK ((payment_type = 'milestone') = (milestone_uid IS NOT NULL))
);
COMMENT ON TABLE murallink.payment IS 'Money owed to a patient, from the request until it is paid.';
COMMENT ON COLUMN murallink.payment.uid IS 'Key.';
COMMENT ON COLUMN murallink.payment.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.payment.contract_uid IS 'The trial''s contract, whose funds pay.';
COMMENT ON COLUMN murallink.payment.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.payment.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.payment.trial_site_uid IS 'The trial at that site.';
COMMENT ON COLUMN murallink.payment.patient_uid IS 'The patient who is paid.';
COMMENT ON COLUMN murallink.payment.enrollment_uid IS 'The patient in the trial at the site.';
COMMENT ON COLUMN murallink.payment.payment_type IS 'milestone, manual or travel.';
COMMENT ON COLUMN murallink.payment.milestone_uid IS 'The version of the milestone in force when the payment was made, for milestone payments.';
COMMENT ON COLUMN murallink.payment.milestone_name IS 'The name of that milestone.';
COMMENT ON COLUMN murallink.payment.occurrence IS 'Which of the payments of this milestone to this enrollment it is, from 1.';
COMMENT ON COLUMN murallink.payment.amount IS 'In currency units; for milestone payments that of the version.';
COMMENT ON COLUMN murallink.payment.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.payment.note IS 'The requester''s note.';
COMMENT ON COLUMN murallink.payment.visit_date IS 'The day of the visit that is paid for, where given.';
COMMENT ON COLUMN murallink.payment.status IS 'Where the payment stands.';
COMMENT ON COLUMN murallink.payment.requested_by_uid IS 'The requester.';
COMMENT ON COLUMN murallink.payment.decided_by_uid IS 'The user who last approved, rejected or cancelled it.';
COMMENT ON COLUMN murallink.payment.created_at IS 'When it was made; this time decides which version of the milestone applies.';
COMMENT ON COLUMN murallink.payment.counts IS
'Whether it counts as a payment of its milestone: false if it is rejected, cancelled or reversed. It is a column because an index on the status would be written with each step.';
CREATE UNIQUE INDEX payment_once ON murallink.payment (enrollment_uid, murallink_private.label_key(milestone_name), occurrence)
    WHERE counts;
COMMENT ON INDEX murallink.payment_once IS 'Each milestone is paid once, whichever version, session or statement pays it.';
CREATE INDEX payment_enrollment ON murallink.payment (enrollment_uid, uid);
CREATE INDEX payment_client ON murallink.payment (client_uid);
CREATE INDEX payment_contract ON murallink.payment (contract_uid);
CREATE INDEX payment_trial ON murallink.payment (trial_uid);
CREATE INDEX payment_site ON murallink.payment (site_uid);

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink.payment
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE TRIGGER price BEFORE INSERT ON murallink.payment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.payment_price();
CREATE TRIGGER step BEFORE UPDATE ON murallink.payment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.payment_step();
CREATE TRIGGER funds AFTER INSERT OR UPDATE OF status ON murallink.payment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.payment_funds();
COMMENT ON TRIGGER funds ON murallink.payment IS
'Without a condition: PostgreSQL reads and plans one again for every statement, which costs 20 times as much as the call that it saves.';
CREATE POLICY viewer ON murallink.payment FOR SELECT
    USING (murallink_private.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.payment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY payment ON murallink.audit_event FOR SELECT USING (
    resource = 'payment' AND murallink_private.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid));
