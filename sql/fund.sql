CREATE TYPE murallink.fund_movement AS ENUM ('deposit', 'reserve', 'release', 'disburse', 'return');
COMMENT ON TYPE murallink.fund_movement IS 'How funds move.';

CREATE DOMAIN murallink.balance AS numeric CHECK (VALUE >= 0);
COMMENT ON DOMAIN murallink.balance IS 'Money that is somewhere, in currency units: never below zero.';

CREATE DOMAIN murallink.positive AS numeric CHECK (VALUE > 0);
COMMENT ON DOMAIN murallink.positive IS 'Money that moves, in currency units: always above zero.';

CREATE FUNCTION murallink.fund_guard() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'fund_guard';
COMMENT ON FUNCTION murallink.fund_guard() IS
'Trigger: balances and entries are written together, by murallink''s own functions. Errors: guarded.';

CREATE FUNCTION murallink.fund_hold(contract_uid murallink.ksuid, slot integer) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'fund_hold';
COMMENT ON FUNCTION murallink.fund_hold(murallink.ksuid, integer) IS
'Waits until nobody else holds a slot of a contract''s funds, and keeps others off it until the end of the transaction. All who need several take them in order. Waits for lock_timeout, or murallink.lock_timeout where that says nothing. Errors: blocked.';

CREATE FUNCTION murallink.fund_try_hold(contract_uid murallink.ksuid, slot integer) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'fund_try_hold';
COMMENT ON FUNCTION murallink.fund_try_hold(murallink.ksuid, integer) IS
'Does what fund_hold() does without waiting: false when somebody else holds the slot.';

CREATE FUNCTION murallink.fund_lock_class(contract_uid murallink.ksuid) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'fund_lock_class';
COMMENT ON FUNCTION murallink.fund_lock_class(murallink.ksuid) IS 'What pg_locks has as classid of the locks of a contract''s slots.';

CREATE FUNCTION murallink.fund_holders(contract_uid murallink.ksuid, slot integer, OUT pid integer, OUT virtualtransaction text)
RETURNS SETOF record
LANGUAGE sql VOLATILE AS $$
    SELECT l.pid, l.virtualtransaction
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.objsubid = 5 AND l.granted AND d.datname = pg_catalog.current_database()
        AND l.classid::bigint = murallink.fund_lock_class(fund_holders.contract_uid) AND l.objid::bigint = fund_holders.slot
$$;
COMMENT ON FUNCTION murallink.fund_holders(murallink.ksuid, integer) IS
'Who holds a slot of a contract''s funds, as pg_locks has them; a prepared transaction has no pid.';

CREATE FUNCTION murallink.fund_want(contract_uid murallink.ksuid, slot integer) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'fund_want';
COMMENT ON FUNCTION murallink.fund_want(murallink.ksuid, integer) IS
'Has payers leave a slot to the worker for a moment when they come to hold it. For the worker, which so settles however busy they are.';

CREATE FUNCTION murallink.fund_deposit() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'fund_deposit';
COMMENT ON FUNCTION murallink.fund_deposit() IS 'Trigger: a funding adds to the balance of its contract.';

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
        WHERE s.contract_uid = the_funding.contract_uid AND s.currency = the_funding.currency ORDER BY s.slot) AS s;
    SELECT pg_catalog.trunc(the_funding.amount / pg_catalog.count(*), murallink.currency_decimals(the_funding.currency)),
        pg_catalog.count(*)
    INTO share, slots
    FROM murallink.fund_slot s WHERE s.contract_uid = the_funding.contract_uid AND s.currency = the_funding.currency;
    UPDATE murallink.fund_slot s
    SET available = s.available + CASE s.slot WHEN 0 THEN the_funding.amount - share * (slots - 1) ELSE share END
    WHERE s.contract_uid = the_funding.contract_uid AND s.currency = the_funding.currency;
    INSERT INTO murallink.fund_entry (contract_uid, client_uid, currency, movement, amount, source_uid, slot)
    VALUES (the_funding.contract_uid, the_funding.client_uid, the_funding.currency, 'deposit', the_funding.amount, the_funding.uid, -1);
END
$$;
COMMENT ON FUNCTION murallink.fund_spread(murallink.ksuid, integer) IS
'Adds a funding to its contract''s balance, in equal shares. slots: how many a new fund gets.';

CREATE FUNCTION murallink.fund_gather(contract_uid murallink.ksuid, currency text, amount numeric) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    into_slot integer;
    other record;
    taken numeric;
    missing numeric := amount;
BEGIN
    PERFORM murallink.fund_hold(s.contract_uid, s.slot) FROM (
        SELECT * FROM murallink.fund_slot s
        WHERE s.contract_uid = fund_gather.contract_uid AND s.currency = fund_gather.currency ORDER BY s.slot) AS s;
    FOR other IN
        SELECT s.slot, s.available FROM murallink.fund_slot s
        WHERE s.contract_uid = fund_gather.contract_uid AND s.currency = fund_gather.currency
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
        IF missing = 0 THEN
            RETURN into_slot;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.fund_gather(murallink.ksuid, text, numeric) IS
'Locks all slots of a fund and gathers an amount in one of them, which it returns; null when all together have not enough.';

CREATE FUNCTION murallink.fund_held(payment_uids murallink.ksuid[]) RETURNS SETOF murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN QUERY
    SELECT e.source_uid FROM murallink.fund_entry e
    WHERE e.source_uid = ANY (payment_uids) AND e.movement = 'reserve' AND murallink.fund_try_hold(e.contract_uid, e.slot);
END
$$;
COMMENT ON FUNCTION murallink.fund_held(murallink.ksuid[]) IS
'Those of the payments whose slot nobody else holds; it is held from here on. For a transaction that settles several and must not wait.';

CREATE FUNCTION murallink.fund_need(payment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM murallink.fund_held(ARRAY[payment_uid])) THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = 'the funds are held by another transaction';
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.fund_need(murallink.ksuid) IS
'Holds the slot of a payment; fails where somebody else does, maybe for long. For what becomes of an outcome, which is then kept, and applied later.';

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
