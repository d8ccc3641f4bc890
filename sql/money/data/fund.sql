-- Funds of contracts: levels, deposits, and an append-only ledger of every movement.

CREATE TABLE murallink.fund (
    contract_uid murallink.ksuid NOT NULL,
    currency murallink.currency NOT NULL,
    client_uid murallink.ksuid NOT NULL,
    PRIMARY KEY (contract_uid, currency),
    FOREIGN KEY (contract_uid, client_uid) REFERENCES murallink.contract (uid, client_uid)
);
COMMENT ON TABLE murallink.fund IS 'The funds of a contract in one currency. Never updated, so that it can be referenced without waiting.';
COMMENT ON COLUMN murallink.fund.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink.fund.currency IS 'The currency.';
COMMENT ON COLUMN murallink.fund.client_uid IS 'The contract''s client.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON murallink.fund
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_guarded();
CREATE POLICY viewer ON murallink.fund FOR SELECT USING (
    murallink_private.permitted('view_contract', client_uid, contract_uid, NULL, NULL)
    OR murallink_private.permitted('view_report', client_uid, contract_uid, NULL, NULL));
CREATE POLICY monitor ON murallink.fund FOR SELECT TO murallink_monitor USING (true);

CREATE TABLE murallink.fund_slot (
    contract_uid murallink.ksuid NOT NULL,
    currency murallink.currency NOT NULL,
    slot bigint NOT NULL,
    available murallink.balance NOT NULL DEFAULT 0,
    reserved numeric NOT NULL DEFAULT 0,
    disbursed numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (contract_uid, currency, slot),
    FOREIGN KEY (contract_uid, currency) REFERENCES murallink.fund
) WITH (fillfactor = 50);
COMMENT ON TABLE murallink.fund_slot IS
'The amounts of a fund, spread over slots so that payers on one contract do not wait for each other, and the worker does not wait for payers. fund_balance adds them up.';
COMMENT ON COLUMN murallink.fund_slot.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink.fund_slot.currency IS 'The currency.';
COMMENT ON COLUMN murallink.fund_slot.slot IS 'Number of the slot: from 0 for payers, below 0 for disbursed amounts only, above 255 for amounts that came back while all others were locked.';
COMMENT ON COLUMN murallink.fund_slot.available IS 'Deposited and not yet spoken for, in currency units.';
COMMENT ON COLUMN murallink.fund_slot.reserved IS
'Reserved by payments, in currency units; negative if the reservations that were disbursed here are in other slots.';
COMMENT ON COLUMN murallink.fund_slot.disbursed IS 'Disbursed less returned amounts, in currency units; negative if the amounts that returned here were disbursed in other slots.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON murallink.fund_slot
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_guarded();
CREATE POLICY viewer ON murallink.fund_slot FOR SELECT
    USING (EXISTS (SELECT FROM murallink.fund f WHERE f.contract_uid = fund_slot.contract_uid AND f.currency = fund_slot.currency));

CREATE TABLE murallink.funding (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    contract_uid murallink.ksuid NOT NULL,
    client_uid murallink.ksuid NOT NULL,
    amount numeric NOT NULL,
    currency murallink.currency NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    movement murallink.fund_movement NOT NULL DEFAULT 'deposit' CHECK (movement IN ('deposit', 'withdraw', 'correct')),
    note text NOT NULL DEFAULT '',
    reference text NOT NULL DEFAULT '',
    corrects_uid murallink.ksuid,
    FOREIGN KEY (contract_uid, client_uid) REFERENCES murallink.contract (uid, client_uid),
    CHECK (murallink_private.amount_fits(amount, currency)),
    UNIQUE (uid, contract_uid, currency, amount),
    CONSTRAINT funding_corrects FOREIGN KEY (corrects_uid, contract_uid, currency, amount)
        REFERENCES murallink.funding (uid, contract_uid, currency, amount),
    CONSTRAINT funding_corrected_once UNIQUE (corrects_uid),
    CONSTRAINT funding_corrects_one CHECK (CASE movement WHEN 'correct' THEN corrects_uid IS NOT NULL WHEN 'withdraw' THEN corrects_uid IS NULL ELSE true END),
    CONSTRAINT funding_says_why CHECK (note <> '' OR movement = 'deposit' AND corrects_uid IS NULL),
    CONSTRAINT funding_has_reference CHECK (reference <> '' OR movement <> 'withdraw')
);
COMMENT ON TABLE murallink.funding IS
'Money that a client has deposited for the patients of a contract, that was withdrawn from it, and corrections of both.';
COMMENT ON COLUMN murallink.funding.uid IS 'Key.';
COMMENT ON COLUMN murallink.funding.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink.funding.client_uid IS 'The contract''s client.';
COMMENT ON COLUMN murallink.funding.amount IS 'In currency units.';
COMMENT ON COLUMN murallink.funding.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.funding.created_at IS 'When it was recorded.';
COMMENT ON COLUMN murallink.funding.movement IS
'deposit adds the amount, withdraw and correct take it: correct takes a deposit back; a deposit that corrects takes a withdrawal back.';
COMMENT ON COLUMN murallink.funding.note IS 'Why it was withdrawn or corrected.';
COMMENT ON COLUMN murallink.funding.reference IS 'Of the transfer by which it was withdrawn.';
COMMENT ON COLUMN murallink.funding.corrects_uid IS 'The funding of the same amount that this one takes back.';
CREATE INDEX funding_contract ON murallink.funding (contract_uid);
CREATE UNIQUE INDEX funding_withdrawn_once ON murallink.funding (contract_uid, reference) WHERE movement = 'withdraw';
COMMENT ON INDEX murallink.funding_withdrawn_once IS 'A transfer is recorded once.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink.funding
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE TRIGGER deposit AFTER INSERT ON murallink.funding
    FOR EACH ROW EXECUTE FUNCTION murallink_private.fund_deposit();
CREATE POLICY viewer ON murallink.funding FOR SELECT USING (
    murallink_private.permitted('view_contract', client_uid, contract_uid, NULL, NULL)
    OR murallink_private.permitted('view_report', client_uid, contract_uid, NULL, NULL));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.funding
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY funding ON murallink_private.audit_event FOR SELECT USING (
    resource = 'funding' AND (
        murallink_private.permitted('view_contract', client_uid, contract_uid, NULL, NULL)
        OR murallink_private.permitted('view_report', client_uid, contract_uid, NULL, NULL)));

CREATE TABLE murallink.fund_entry (
    -- Without an index of its own, which each payment would write: entries are looked for by contract and by source.
    uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    client_uid murallink.ksuid NOT NULL,
    currency murallink.currency NOT NULL,
    movement murallink.fund_movement NOT NULL,
    amount murallink.positive NOT NULL,
    source_uid murallink.ksuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (source_uid, movement)
);
COMMENT ON TABLE murallink.fund_entry IS
'Every movement of funds; written by murallink without a statement, because every statement is refused; never changed. A payment moves its funds at most once in each way, a reversal returns once, and a funding deposits once.';
COMMENT ON COLUMN murallink.fund_entry.uid IS 'Number of the entry; sorts by the second.';
COMMENT ON COLUMN murallink.fund_entry.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink.fund_entry.client_uid IS 'The contract''s client.';
COMMENT ON COLUMN murallink.fund_entry.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.fund_entry.movement IS
'deposit: from the client; reserve: for a payment; release: a payment gave back; disburse: paid out; return: a paid payment, or a part of it, came back; withdraw: to the client; correct: a deposit was wrong.';
COMMENT ON COLUMN murallink.fund_entry.amount IS 'In currency units, always above zero.';
COMMENT ON COLUMN murallink.fund_entry.source_uid IS 'The funding, payment or reversal that moved them.';
COMMENT ON COLUMN murallink.fund_entry.at IS 'When.';
CREATE INDEX fund_entry_contract ON murallink.fund_entry (contract_uid, currency, uid);
CREATE INDEX fund_entry_client ON murallink.fund_entry (client_uid);
CREATE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON murallink.fund_entry
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE POLICY viewer ON murallink.fund_entry FOR SELECT USING (
    murallink_private.permitted('view_contract', client_uid, contract_uid, NULL, NULL)
    OR murallink_private.permitted('view_report', client_uid, contract_uid, NULL, NULL));

CREATE VIEW murallink.fund_balance WITH (security_invoker = true) AS
SELECT f.contract_uid, f.client_uid, f.currency, pg_catalog.sum(s.available + s.reserved + s.disbursed) AS funded,
    pg_catalog.sum(s.reserved) AS reserved, pg_catalog.sum(s.disbursed) AS disbursed, pg_catalog.sum(s.available) AS available
FROM murallink.fund f JOIN murallink.fund_slot s USING (contract_uid, currency)
GROUP BY f.contract_uid, f.client_uid, f.currency;
COMMENT ON VIEW murallink.fund_balance IS 'The funds of each contract and currency: available = funded - reserved - disbursed, in currency units.';
