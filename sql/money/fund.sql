-- Funds: deposits, reservations, and the spread of a contract's funds over slots.

CREATE TYPE murallink.fund_movement AS ENUM ('deposit', 'reserve', 'release', 'disburse', 'return');
COMMENT ON TYPE murallink.fund_movement IS 'How funds move.';

CREATE DOMAIN murallink.balance AS numeric CHECK (VALUE >= 0);
COMMENT ON DOMAIN murallink.balance IS 'Money that is somewhere, in currency units: never below zero.';

CREATE DOMAIN murallink.positive AS numeric CHECK (VALUE > 0);
COMMENT ON DOMAIN murallink.positive IS 'Money that moves, in currency units: always above zero.';

CREATE FUNCTION murallink.contract_keeps_currency() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM murallink.trial t WHERE t.contract_uid = OLD.uid)
        OR EXISTS (SELECT FROM murallink.fund f WHERE f.contract_uid = OLD.uid) THEN
        PERFORM murallink.raise('in_use', 'currency');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.contract_keeps_currency() IS
'Trigger: the currency of a contract stays once it has a trial or funds, because amounts there that named no currency are in this one. Errors: in_use.';

CREATE FUNCTION murallink.fund_guard() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'fund_guard';
COMMENT ON FUNCTION murallink.fund_guard() IS
'Trigger: balances are written by murallink''s own functions. Errors: guarded.';

CREATE FUNCTION murallink.fund_hold(contract_uid murallink.ksuid, slot bigint) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'fund_hold';
COMMENT ON FUNCTION murallink.fund_hold(murallink.ksuid, bigint) IS
'Locks a slot of a contract''s funds until the end of the transaction. Callers that need several slots lock them in order. Waits for lock_timeout, or murallink.lock_timeout if that is not set. Errors: blocked.';

CREATE FUNCTION murallink.fund_deposit() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'fund_deposit';
COMMENT ON FUNCTION murallink.fund_deposit() IS 'Trigger: a funding adds to the balance of its contract, and is written down as a fund_entry.';

CREATE FUNCTION murallink.fund_spread(funding_uid murallink.ksuid, slots integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_funding murallink.funding;
    share numeric;
BEGIN
    SELECT * INTO STRICT the_funding FROM murallink.funding WHERE uid = funding_uid;
    INSERT INTO murallink.fund (contract_uid, currency, client_uid)
    VALUES (the_funding.contract_uid, the_funding.currency, the_funding.client_uid) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO murallink.fund_slot (contract_uid, currency, slot)
        SELECT the_funding.contract_uid, the_funding.currency, n FROM pg_catalog.generate_series(0, fund_spread.slots - 1) n;
    END IF;
    PERFORM murallink.fund_hold(s.contract_uid, s.slot) FROM (
        SELECT * FROM murallink.fund_slot s
        WHERE s.slot BETWEEN 0 AND 255 AND s.contract_uid = the_funding.contract_uid AND s.currency = the_funding.currency ORDER BY s.slot) AS s;
    SELECT pg_catalog.trunc(the_funding.amount / pg_catalog.count(*), murallink.currency_decimals(the_funding.currency)),
        pg_catalog.count(*)
    INTO share, slots
    FROM murallink.fund_slot s
    WHERE s.slot BETWEEN 0 AND 255 AND s.contract_uid = the_funding.contract_uid AND s.currency = the_funding.currency;
    UPDATE murallink.fund_slot s
    SET available = s.available + CASE s.slot WHEN 0 THEN the_funding.amount - share * (slots - 1) ELSE share END
    WHERE s.slot BETWEEN 0 AND 255 AND s.contract_uid = the_funding.contract_uid AND s.currency = the_funding.currency;
END
$$;
COMMENT ON FUNCTION murallink.fund_spread(murallink.ksuid, integer) IS
'Adds a funding to its contract''s balance, in equal shares. slots: how many a new fund gets.';

CREATE FUNCTION murallink.fund_gather(contract_uid murallink.ksuid, currency text, amount numeric) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    held bigint[] := '{}';
    more bigint[];
    into_slot bigint;
    other record;
    taken numeric;
    missing numeric := amount;
BEGIN
    -- Slots may be added while this waits for others.
    LOOP
        more := ARRAY(
            SELECT s.slot FROM murallink.fund_slot s
            WHERE s.contract_uid = fund_gather.contract_uid AND s.currency = fund_gather.currency
            AND s.slot >= 0 AND s.slot <> ALL (held)
            ORDER BY s.slot);
        EXIT WHEN more = '{}';
        PERFORM murallink.fund_hold(fund_gather.contract_uid, f.slot) FROM pg_catalog.unnest(more) AS f (slot);
        held := held || more;
    END LOOP;
    FOR other IN
        SELECT s.slot, s.available FROM murallink.fund_slot s
        WHERE s.contract_uid = fund_gather.contract_uid AND s.currency = fund_gather.currency AND s.slot = ANY (held)
        ORDER BY s.available DESC, s.slot
    LOOP
        taken := LEAST(other.available, missing);
        IF into_slot IS NULL THEN
            into_slot := other.slot;
        ELSE
            UPDATE murallink.fund_slot s
            SET available = s.available + CASE s.slot WHEN into_slot THEN taken ELSE -taken END
            WHERE s.contract_uid = fund_gather.contract_uid AND s.currency = fund_gather.currency
            AND s.slot IN (into_slot, other.slot);
        END IF;
        missing := missing - taken;
        EXIT WHEN missing = 0;
    END LOOP;
    WITH closed AS (
        DELETE FROM murallink.fund_slot s
        WHERE s.contract_uid = fund_gather.contract_uid AND s.currency = fund_gather.currency AND s.slot = ANY (held)
        AND s.slot >= 256 AND s.slot <> into_slot AND s.available = 0
        RETURNING s.reserved, s.disbursed
    )
    UPDATE murallink.fund_slot s SET reserved = s.reserved + c.reserved, disbursed = s.disbursed + c.disbursed
    FROM (SELECT pg_catalog.sum(reserved) AS reserved, pg_catalog.sum(disbursed) AS disbursed FROM closed) AS c
    WHERE s.contract_uid = fund_gather.contract_uid AND s.currency = fund_gather.currency AND s.slot = into_slot
    AND c.reserved IS NOT NULL;
    RETURN CASE missing WHEN 0 THEN into_slot END;
END
$$;
COMMENT ON FUNCTION murallink.fund_gather(murallink.ksuid, text, numeric) IS
'Locks all slots of a fund, gathers an amount in one of them and returns that slot; null if all together do not have enough. Empty slots that were made for returned amounts are deleted.';

CREATE FUNCTION murallink.add_funding(
    contract_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL, currency text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    the_contract murallink.contract;
    deposited text := currency;
BEGIN
    PERFORM murallink.require_admin();
    SELECT * INTO the_contract FROM murallink.contract WHERE uid = murallink.required(add_funding.contract_uid, 'contract_uid');
    IF NOT FOUND THEN
        PERFORM murallink.raise('not_found', 'contract_uid');
    END IF;
    deposited := coalesce(NULLIF(deposited, ''), the_contract.currency);
    PERFORM murallink.check_money(add_funding.amount, deposited);
    INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency)
    VALUES (the_contract.uid, the_contract.client_uid, add_funding.amount, deposited);
END
$$;
COMMENT ON FUNCTION murallink.add_funding(murallink.ksuid, numeric, text) IS
'Records money that a client has deposited (document: Funding). amount: in units of currency, which defaults to the contract''s. For admins. Errors: unauthenticated, forbidden, not_found, missing_field, unknown_currency, invalid_amount.';
