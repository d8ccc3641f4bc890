-- Contracts and their documents.

CREATE TABLE murallink.contract (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL REFERENCES murallink.client,
    sponsor_uid murallink.ksuid,
    name text NOT NULL CHECK (murallink_private.is_label(name)),
    total_contract_value numeric CHECK (murallink_private.amount_fits(total_contract_value, currency)),
    currency murallink.currency NOT NULL,
    client_signature_date date,
    contract_start_date date,
    contract_end_date date,
    default_payment_type_uid murallink.ksuid REFERENCES murallink_private.payment_type,
    order_cards text NOT NULL DEFAULT 'first_payment' CHECK (order_cards IN ('first_payment', 'enrollment')),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    enforce_dates boolean NOT NULL DEFAULT true,
    recovery_share integer NOT NULL DEFAULT 0 CHECK (recovery_share BETWEEN 0 AND 99),
    recovery_note text NOT NULL DEFAULT '',
    low_funds numeric CHECK (low_funds > 0 AND murallink_private.amount_fits(low_funds, currency)),
    low_funds_note text NOT NULL DEFAULT '',
    funds_low numeric,
    funds_low_at timestamptz,
    UNIQUE (uid, client_uid),
    FOREIGN KEY (sponsor_uid, client_uid) REFERENCES murallink.sponsor (uid, client_uid),
    CHECK (contract_end_date >= contract_start_date),
    CHECK ((funds_low IS NULL) = (funds_low_at IS NULL) AND (funds_low IS NULL OR low_funds IS NOT NULL))
);
COMMENT ON TABLE murallink.contract IS 'An agreement with a client, which covers trials and is funded by the client.';
COMMENT ON COLUMN murallink.contract.uid IS 'Key.';
COMMENT ON COLUMN murallink.contract.client_uid IS 'The client.';
COMMENT ON COLUMN murallink.contract.sponsor_uid IS 'The sponsor on whose behalf the client works; null if it is the client itself.';
COMMENT ON COLUMN murallink.contract.name IS 'Name.';
COMMENT ON COLUMN murallink.contract.total_contract_value IS 'In currency units, null where not agreed.';
COMMENT ON COLUMN murallink.contract.currency IS 'Of the value, and of amounts that name none.';
COMMENT ON COLUMN murallink.contract.client_signature_date IS 'When the client signed.';
COMMENT ON COLUMN murallink.contract.contract_start_date IS 'First day.';
COMMENT ON COLUMN murallink.contract.contract_end_date IS 'Last day.';
COMMENT ON COLUMN murallink.contract.default_payment_type_uid IS 'The payment type of patients who have not chosen one.';
COMMENT ON COLUMN murallink.contract.order_cards IS 'When a card is ordered for a patient who is paid by card: at the first payment or the enrollment.';
COMMENT ON COLUMN murallink.contract.created_at IS 'When it was added.';
COMMENT ON COLUMN murallink.contract.enforce_dates IS 'Whether patients are enrolled and visits paid on its days only, from the first to the last.';
COMMENT ON COLUMN murallink.contract.recovery_share IS
'How many percent of a later payment are kept at most for a payment that was taken back and is owed; 0: nothing is kept.';
COMMENT ON COLUMN murallink.contract.recovery_note IS 'Why this share was set last.';
COMMENT ON COLUMN murallink.contract.low_funds IS 'Funds of less than this, in units of the currency, are low; null: never.';
COMMENT ON COLUMN murallink.contract.low_funds_note IS 'Why this was set last.';
COMMENT ON COLUMN murallink.contract.funds_low IS 'What was available when the worker found the funds low; null since it has found that they are not.';
COMMENT ON COLUMN murallink.contract.funds_low_at IS 'When it found that.';
CREATE INDEX contract_client ON murallink.contract (client_uid);
CREATE INDEX contract_sponsor ON murallink.contract (sponsor_uid);
CREATE POLICY viewer ON murallink.contract FOR SELECT USING (murallink_private.permitted('view_contract', client_uid, uid, NULL, NULL));
CREATE POLICY contract ON murallink.sponsor FOR SELECT
    USING (EXISTS (SELECT FROM murallink.contract c WHERE c.sponsor_uid = sponsor.uid));
ALTER TABLE murallink.permission_grant ADD FOREIGN KEY (contract_uid) REFERENCES murallink.contract ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.contract
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('remembered', 'event:funds_low=funds.low');
ALTER TABLE murallink.contract ENABLE ALWAYS TRIGGER audit;
CREATE POLICY contract ON murallink_private.audit_event FOR SELECT USING (
    resource = 'contract' AND murallink_private.permitted('view_contract', client_uid, contract_uid, NULL, NULL));

CREATE TABLE murallink.contract_document (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    filename text NOT NULL CHECK (murallink_private.is_label(filename)),
    content_type text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    FOREIGN KEY (contract_uid, client_uid) REFERENCES murallink.contract (uid, client_uid) ON DELETE CASCADE
);
COMMENT ON TABLE murallink.contract_document IS 'A file of a contract. All are kept, the newest counts.';
COMMENT ON COLUMN murallink.contract_document.uid IS 'Key.';
COMMENT ON COLUMN murallink.contract_document.client_uid IS 'The contract''s client.';
COMMENT ON COLUMN murallink.contract_document.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink.contract_document.filename IS 'Name of the file, without a path.';
COMMENT ON COLUMN murallink.contract_document.content_type IS 'Its media type.';
COMMENT ON COLUMN murallink.contract_document.created_at IS 'When it was uploaded.';
CREATE INDEX contract_document_contract ON murallink.contract_document (contract_uid, created_at);
CREATE POLICY viewer ON murallink.contract_document FOR SELECT
    USING (murallink_private.permitted('view_contract', client_uid, contract_uid, NULL, NULL));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.contract_document
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY contract_document ON murallink_private.audit_event FOR SELECT USING (
    resource = 'contract_document' AND murallink_private.permitted('view_contract', client_uid, contract_uid, NULL, NULL));

CREATE TABLE murallink_private.contract_content (
    contract_document_uid murallink.ksuid PRIMARY KEY REFERENCES murallink.contract_document ON DELETE CASCADE,
    content bytea NOT NULL
);
COMMENT ON TABLE murallink_private.contract_content IS 'The bytes of a contract_document; apart from it so that no list reads them.';
COMMENT ON COLUMN murallink_private.contract_content.contract_document_uid IS 'The file.';
COMMENT ON COLUMN murallink_private.contract_content.content IS 'Its bytes.';
