-- The table of reversals, and the functions behind unloads.

CREATE TABLE murallink_private.reversal (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    patient_uid murallink.ksuid NOT NULL,
    enrollment_uid murallink.ksuid NOT NULL,
    chain_uid murallink.ksuid NOT NULL,
    payment_uid murallink.ksuid NOT NULL REFERENCES murallink_private.payment,
    amount numeric NOT NULL,
    currency murallink.currency NOT NULL,
    reason murallink.reversal_reason NOT NULL,
    note text NOT NULL CHECK (note <> ''),
    status murallink.reversal_status NOT NULL DEFAULT 'requested',
    for_operator boolean NOT NULL DEFAULT true,
    returned numeric NOT NULL DEFAULT 0,
    recovered numeric NOT NULL DEFAULT 0,
    kept numeric NOT NULL DEFAULT 0,
    written_off numeric NOT NULL DEFAULT 0,
    requested_by_uid murallink.ksuid,
    decided_by_uid murallink.ksuid,
    decision_note text NOT NULL DEFAULT '',
    return_key text UNIQUE CHECK (return_key <> ''),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK (murallink_private.amount_fits(amount, currency)),
    CHECK (returned >= 0 AND kept >= 0 AND written_off >= 0 AND returned + kept + written_off <= amount),
    CHECK (recovered BETWEEN 0 AND returned),
    CHECK (kept = 0 OR status IN ('recovering', 'written_off')),
    CHECK (written_off = 0 OR status = 'written_off'),
    CHECK ((status = 'returned') = (returned = amount)),
    CHECK (return_key IS NULL OR returned > 0),
    CHECK (reason <> 'came_back' OR return_key IS NOT NULL OR status = 'requested')
);
COMMENT ON TABLE murallink_private.reversal IS 'What is taken back of paid payments: the whole amount, or parts of it.';
COMMENT ON COLUMN murallink_private.reversal.uid IS
'Key; also the reference that is sent to the partner, by which the unloads of one payment are told apart.';
COMMENT ON COLUMN murallink_private.reversal.client_uid IS 'The payment''s client.';
COMMENT ON COLUMN murallink_private.reversal.contract_uid IS 'The payment''s contract.';
COMMENT ON COLUMN murallink_private.reversal.trial_uid IS 'The payment''s trial.';
COMMENT ON COLUMN murallink_private.reversal.site_uid IS 'The payment''s site.';
COMMENT ON COLUMN murallink_private.reversal.patient_uid IS 'The patient who was paid.';
COMMENT ON COLUMN murallink_private.reversal.enrollment_uid IS 'The payment''s enrollment.';
COMMENT ON COLUMN murallink_private.reversal.chain_uid IS 'The chain of enrollments from whose stipends it can be recovered.';
COMMENT ON COLUMN murallink_private.reversal.payment_uid IS 'The payment.';
COMMENT ON COLUMN murallink_private.reversal.amount IS 'What is taken back, in currency units.';
COMMENT ON COLUMN murallink_private.reversal.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink_private.reversal.reason IS 'Why, for reports.';
COMMENT ON COLUMN murallink_private.reversal.note IS 'The requester''s note.';
COMMENT ON COLUMN murallink_private.reversal.status IS 'The state of the reversal.';
COMMENT ON COLUMN murallink_private.reversal.for_operator IS
'Whether only an operator decides it while it is requested; else also a second person who may approve payments.';
COMMENT ON COLUMN murallink_private.reversal.returned IS 'What has come back of it, in currency units.';
COMMENT ON COLUMN murallink_private.reversal.recovered IS 'What of this was kept from later payments, in currency units.';
COMMENT ON COLUMN murallink_private.reversal.kept IS 'What is kept from approved payments that are not paid yet, in currency units.';
COMMENT ON COLUMN murallink_private.reversal.written_off IS 'What the contract''s funds bear, in currency units.';
COMMENT ON COLUMN murallink_private.reversal.requested_by_uid IS 'The requester; null for an operator without a user.';
COMMENT ON COLUMN murallink_private.reversal.decided_by_uid IS 'The user who decided it last; null for an operator without a user.';
COMMENT ON COLUMN murallink_private.reversal.decision_note IS 'The note of the last person who decided it.';
COMMENT ON COLUMN murallink_private.reversal.return_key IS
'What the partner or the person calls it who has said that it came back: each counts once; null: it was taken back.';
COMMENT ON COLUMN murallink_private.reversal.created_at IS 'When it was requested.';
CREATE UNIQUE INDEX reversal_open ON murallink_private.reversal (payment_uid) WHERE status IN ('requested', 'unloading');
COMMENT ON INDEX murallink_private.reversal_open IS
'One reversal of a payment at a time: no two unloads of the same payment are ever under way or in doubt.';
CREATE INDEX reversal_recovering ON murallink_private.reversal (chain_uid) WHERE status = 'recovering';
COMMENT ON INDEX murallink_private.reversal_recovering IS 'Tells payout_begin() that a patient owes nothing, at no cost.';
CREATE INDEX reversal_payment ON murallink_private.reversal (payment_uid);
CREATE INDEX reversal_enrollment ON murallink_private.reversal (enrollment_uid);
CREATE INDEX reversal_client ON murallink_private.reversal (client_uid);
CREATE INDEX reversal_contract ON murallink_private.reversal (contract_uid);
CREATE INDEX reversal_trial ON murallink_private.reversal (trial_uid);
CREATE INDEX reversal_site ON murallink_private.reversal (site_uid);
CREATE TRIGGER step BEFORE INSERT OR UPDATE OR DELETE ON murallink_private.reversal
    FOR EACH ROW EXECUTE FUNCTION murallink_private.reversal_step();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.reversal
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('values');
CREATE POLICY viewer ON murallink_private.reversal FOR SELECT
    USING (murallink_private.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid)
        OR murallink_private.granted_moved('view_payments', enrollment_uid));
CREATE POLICY operator ON murallink_private.reversal FOR SELECT TO murallink_operator USING (true);
CREATE POLICY reversal ON murallink_private.audit_event FOR SELECT USING (
    resource = 'reversal' AND (
        murallink_private.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid)
        OR resource_uid IN (
            SELECT r.uid FROM murallink_private.reversal r WHERE murallink_private.granted_moved('view_payments', r.enrollment_uid))));
CREATE POLICY operator_reversal ON murallink_private.audit_event FOR SELECT TO murallink_operator USING (resource = 'reversal');

CREATE VIEW murallink.reversal WITH (security_invoker) AS
SELECT r.uid, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid, r.patient_uid, r.enrollment_uid, r.chain_uid, r.payment_uid, r.amount,
    r.currency, r.reason,
    CASE WHEN murallink_private.text_shown(r.client_uid, r.contract_uid, r.trial_uid, r.site_uid, r.enrollment_uid, r.requested_by_uid) THEN r.note END
        AS note,
    r.status, r.for_operator, r.returned, r.recovered, r.kept, r.written_off, r.requested_by_uid, r.decided_by_uid, r.return_key,
    CASE WHEN murallink_private.text_shown(r.client_uid, r.contract_uid, r.trial_uid, r.site_uid, r.enrollment_uid, r.decided_by_uid)
        THEN r.decision_note END AS decision_note,
    r.created_at
FROM murallink_private.reversal r;
COMMENT ON VIEW murallink.reversal IS 'What is taken back of paid payments: the whole amount, or parts of it.';
PERFORM murallink_private.copy_comments('murallink_private.reversal', 'murallink.reversal');
COMMENT ON COLUMN murallink.reversal.note IS 'The requester''s note; null for readers other than its author who may not see patients there.';
COMMENT ON COLUMN murallink.reversal.decision_note IS
'The note of the last person who decided it; null for readers other than its author who may not see patients there.';

INSERT INTO murallink_private.call_kind (resource, operation, judges, follows) VALUES ('payout', 'unload', 'payout_judge', 'unloads_follow');
