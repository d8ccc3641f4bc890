-- The table of payouts, and the switch that binds payouts to one place.

CREATE TABLE murallink.payout (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    payment_uid murallink.ksuid NOT NULL UNIQUE REFERENCES murallink.payment,
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    patient_uid murallink.ksuid NOT NULL,
    payment_type_uid murallink.ksuid REFERENCES murallink_private.payment_type,
    partner text,
    card_uid murallink.ksuid,
    amount numeric NOT NULL,
    currency text NOT NULL,
    status murallink.payout_status NOT NULL,
    reason text NOT NULL DEFAULT '',
    attempt integer NOT NULL,
    due_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    reference text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    settled_at timestamptz,
    CHECK (status IN ('waiting', 'done', 'declined', 'cancelled') OR (partner IS NOT NULL AND card_uid IS NOT NULL)),
    CHECK (status IN ('ready', 'claimed', 'done', 'cancelled') OR reason <> '')
) WITH (fillfactor = 70);
COMMENT ON TABLE murallink.payout IS 'An approved payment on its way to the patient; one for each payment.';
COMMENT ON COLUMN murallink.payout.uid IS 'Key; also the reference that the partner is sent, the same in each attempt.';
COMMENT ON COLUMN murallink.payout.payment_uid IS 'The payment.';
COMMENT ON COLUMN murallink.payout.client_uid IS 'The payment''s client.';
COMMENT ON COLUMN murallink.payout.contract_uid IS 'The payment''s contract.';
COMMENT ON COLUMN murallink.payout.trial_uid IS 'The payment''s trial.';
COMMENT ON COLUMN murallink.payout.site_uid IS 'The payment''s site.';
COMMENT ON COLUMN murallink.payout.patient_uid IS 'Who is paid.';
COMMENT ON COLUMN murallink.payout.payment_type_uid IS 'How the patient is paid; null while nobody has chosen.';
COMMENT ON COLUMN murallink.payout.partner IS 'The partner that pays, null where a person or an application does.';
COMMENT ON COLUMN murallink.payout.card_uid IS 'The card that is loaded, where the partner issues cards.';
COMMENT ON COLUMN murallink.payout.amount IS 'The payment''s, in currency units.';
COMMENT ON COLUMN murallink.payout.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.payout.status IS 'Where the payout stands; the payment follows it.';
COMMENT ON COLUMN murallink.payout.reason IS
'What it waits for (held, no_payment_type, settled_by_person, partner_not_configured, other_currency, no_contact, card_pending, card_declined, card_in_doubt), or why the last attempt was not done.';
COMMENT ON COLUMN murallink.payout.attempt IS 'How often it has been claimed; an answer to an earlier attempt changes nothing.';
COMMENT ON COLUMN murallink.payout.due_at IS 'Not to be sent before.';
COMMENT ON COLUMN murallink.payout.reference IS 'The partner''s own reference, or that of the person who settled it.';
COMMENT ON COLUMN murallink.payout.note IS 'What the person wrote who decided last.';
COMMENT ON COLUMN murallink.payout.created_at IS 'When it was made.';
COMMENT ON COLUMN murallink.payout.settled_at IS 'When the last attempt ended.';

CREATE INDEX payout_client ON murallink.payout (client_uid);
CREATE INDEX payout_contract ON murallink.payout (contract_uid);
CREATE INDEX payout_trial ON murallink.payout (trial_uid);
CREATE INDEX payout_site ON murallink.payout (site_uid);
CREATE INDEX payout_stopped ON murallink.payout (contract_uid) WHERE reason <> '';
COMMENT ON INDEX murallink.payout_stopped IS
'What waits or was not done. It speaks of no column that changes while a payout is paid, so that it hinders no update in place.';
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink.payout
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.install_append_only();
CREATE TRIGGER complete BEFORE INSERT ON murallink.payout
    FOR EACH ROW EXECUTE FUNCTION murallink.payout_complete();
CREATE TRIGGER goes BEFORE UPDATE ON murallink.payout
    FOR EACH ROW WHEN (NEW.status <> 'waiting' AND (NEW.payment_type_uid IS DISTINCT FROM OLD.payment_type_uid
        OR NEW.partner IS DISTINCT FROM OLD.partner OR NEW.card_uid IS DISTINCT FROM OLD.card_uid))
    EXECUTE FUNCTION murallink.install_append_only();
COMMENT ON TRIGGER goes ON murallink.payout IS
'Where a payout goes is looked up while it waits, and said by nobody. Fires before what looks it up, by its name.';
CREATE TRIGGER step BEFORE UPDATE ON murallink.payout
    FOR EACH ROW EXECUTE FUNCTION murallink.payout_step();
CREATE TRIGGER lead AFTER UPDATE OF status ON murallink.payout
    FOR EACH ROW WHEN (NEW.status <> OLD.status AND (
        NEW.status IN ('claimed', 'done', 'declined', 'in_doubt') OR OLD.status = 'claimed'))
    EXECUTE FUNCTION murallink.payout_lead();
CREATE TRIGGER audit AFTER UPDATE ON murallink.payout
    FOR EACH ROW WHEN (OLD.status IN ('declined', 'in_doubt', 'done') OR (OLD.status = 'waiting' AND NEW.status IN ('done', 'declined'))
        OR OLD.card_uid <> NEW.card_uid)
    EXECUTE FUNCTION murallink.audit_record();
COMMENT ON TRIGGER audit ON murallink.payout IS
'What people decide. The calls of the worker are in partner_attempt, and their outcome in the audit of the payment.';
CREATE TRIGGER sent BEFORE UPDATE ON murallink.payment
    FOR EACH ROW WHEN (OLD.status = 'processing' AND NEW.status <> 'processing') EXECUTE FUNCTION murallink.payment_being_sent();
CREATE TRIGGER payout AFTER INSERT OR UPDATE OF status ON murallink.payment
    FOR EACH ROW WHEN (NEW.status IN ('approved', 'cancelled'))
    EXECUTE FUNCTION murallink.payout_of_payment();
CREATE POLICY viewer ON murallink.payout FOR SELECT
    USING (murallink.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid));
CREATE POLICY operator ON murallink.payout FOR SELECT TO murallink_operator USING (true);
CREATE POLICY payout ON murallink.audit_event FOR SELECT USING (
    resource = 'payout' AND murallink.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid));

CREATE TABLE murallink_private.payout_switch (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    only_row boolean NOT NULL UNIQUE DEFAULT true CHECK (only_row),
    enabled boolean NOT NULL DEFAULT false,
    place text NOT NULL
);
COMMENT ON TABLE murallink_private.payout_switch IS 'Whether the worker may pay out, and where: a copy of the database does not pay.';
COMMENT ON COLUMN murallink_private.payout_switch.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payout_switch.only_row IS 'Keeps this to one row.';
COMMENT ON COLUMN murallink_private.payout_switch.enabled IS 'Whether it may.';
COMMENT ON COLUMN murallink_private.payout_switch.place IS 'Where it was allowed last, at first where the tables were made: see payout_place().';
INSERT INTO murallink_private.payout_switch (place) VALUES (murallink.payout_place());
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.payout_switch
    FOR EACH ROW EXECUTE FUNCTION murallink.audit_record();
