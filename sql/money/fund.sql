-- Funds: deposits, reservations, and the spread of a contract's funds over slots.

CREATE TYPE murallink.fund_movement AS ENUM ('deposit', 'reserve', 'release', 'disburse', 'return');
COMMENT ON TYPE murallink.fund_movement IS 'How funds move.';

CREATE DOMAIN murallink.balance AS numeric CHECK (VALUE >= 0);
COMMENT ON DOMAIN murallink.balance IS 'Money that is somewhere, in currency units: never below zero.';

CREATE DOMAIN murallink.positive AS numeric CHECK (VALUE > 0);
COMMENT ON DOMAIN murallink.positive IS 'Money that moves, in currency units: always above zero.';

CREATE FUNCTION murallink_private.contract_keeps_currency() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM murallink.trial t WHERE t.contract_uid = OLD.uid)
        OR EXISTS (SELECT FROM murallink.fund f WHERE f.contract_uid = OLD.uid) THEN
        PERFORM murallink_private.raise('in_use', 'currency');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.contract_keeps_currency() IS
'Trigger: the currency of a contract stays once it has a trial or funds, because amounts there that named no currency are in this one. Errors: in_use.';

CREATE FUNCTION murallink_private.fund_hold(contract_uid murallink.ksuid, slot bigint) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'fund_hold';
COMMENT ON FUNCTION murallink_private.fund_hold(murallink.ksuid, bigint) IS
'Locks a slot of a contract''s funds until the end of the transaction. Callers that need several slots lock them in order. Waits for lock_timeout, or murallink.lock_timeout if that is not set. Errors: blocked.';

CREATE FUNCTION murallink_private.fund_deposit() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'fund_deposit';
COMMENT ON FUNCTION murallink_private.fund_deposit() IS 'Trigger: a funding adds to the balance of its contract, and is written down as a fund_entry.';

CREATE FUNCTION murallink.add_funding(
    contract_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL, currency text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_contract murallink.contract;
    deposited text := currency;
BEGIN
    PERFORM murallink_private.require_admin();
    SELECT * INTO the_contract FROM murallink.contract WHERE uid = murallink_private.required(add_funding.contract_uid, 'contract_uid');
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'contract_uid');
    END IF;
    deposited := coalesce(NULLIF(deposited, ''), the_contract.currency);
    PERFORM murallink_private.check_money(add_funding.amount, deposited);
    INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency)
    VALUES (the_contract.uid, the_contract.client_uid, add_funding.amount, deposited);
END
$$;
COMMENT ON FUNCTION murallink.add_funding(murallink.ksuid, numeric, text) IS
'Records money that a client has deposited (document: Funding). amount: in units of currency, which defaults to the contract''s. For admins. Errors: unauthenticated, forbidden, not_found, missing_field, unknown_currency, invalid_amount.';
