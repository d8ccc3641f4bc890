-- The table of what is kept of payments for reversals that are owed.

CREATE TABLE murallink.recovery (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    enrollment_uid murallink.ksuid NOT NULL,
    reversal_uid murallink.ksuid NOT NULL REFERENCES murallink_private.reversal,
    payment_uid murallink.ksuid NOT NULL REFERENCES murallink_private.payment,
    amount murallink.positive NOT NULL,
    currency murallink.currency NOT NULL,
    status murallink.recovery_status NOT NULL DEFAULT 'kept',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at timestamptz,
    CHECK ((status = 'kept') = (ended_at IS NULL))
);
COMMENT ON TABLE murallink.recovery IS
'What is kept of approved payments for payments that were taken back and whose money is owed: the rest of such a payment is paid out.';
COMMENT ON COLUMN murallink.recovery.uid IS 'Key.';
COMMENT ON COLUMN murallink.recovery.client_uid IS 'The payment''s client.';
COMMENT ON COLUMN murallink.recovery.contract_uid IS 'The payment''s contract.';
COMMENT ON COLUMN murallink.recovery.trial_uid IS 'The payment''s trial.';
COMMENT ON COLUMN murallink.recovery.site_uid IS 'The payment''s site.';
COMMENT ON COLUMN murallink.recovery.enrollment_uid IS 'The payment''s enrollment.';
COMMENT ON COLUMN murallink.recovery.reversal_uid IS 'The reversal that is owed.';
COMMENT ON COLUMN murallink.recovery.payment_uid IS 'The payment of which it is kept.';
COMMENT ON COLUMN murallink.recovery.amount IS 'In currency units.';
COMMENT ON COLUMN murallink.recovery.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.recovery.status IS 'kept, recovered or given_back.';
COMMENT ON COLUMN murallink.recovery.created_at IS 'When the payment was approved.';
COMMENT ON COLUMN murallink.recovery.ended_at IS 'When the payment was paid, or when it was certain that it is not.';
CREATE UNIQUE INDEX recovery_once ON murallink.recovery (payment_uid, reversal_uid) WHERE status <> 'given_back';
CREATE INDEX recovery_reversal ON murallink.recovery (reversal_uid);
CREATE INDEX recovery_enrollment ON murallink.recovery (enrollment_uid);
CREATE INDEX recovery_client ON murallink.recovery (client_uid);
CREATE INDEX recovery_contract ON murallink.recovery (contract_uid);
CREATE INDEX recovery_trial ON murallink.recovery (trial_uid);
CREATE INDEX recovery_site ON murallink.recovery (site_uid);
CREATE POLICY viewer ON murallink.recovery FOR SELECT
    USING (murallink_private.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid)
        OR murallink_private.granted_moved('view_payments', enrollment_uid));
CREATE POLICY operator ON murallink.recovery FOR SELECT TO murallink_operator USING (true);
