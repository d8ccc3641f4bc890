-- Funds: deposits, reservations, and the spread of a contract's funds over slots.

CREATE TYPE murallink.fund_movement AS ENUM ('deposit', 'reserve', 'release', 'disburse', 'return', 'withdraw', 'correct');
COMMENT ON TYPE murallink.fund_movement IS 'How funds move.';

CREATE DOMAIN murallink.balance AS numeric CHECK (VALUE >= 0);
COMMENT ON DOMAIN murallink.balance IS 'Money that is somewhere, in currency units: never below zero.';

CREATE DOMAIN murallink.positive AS numeric CHECK (VALUE > 0);
COMMENT ON DOMAIN murallink.positive IS 'Money that moves, in currency units: always above zero.';

CREATE FUNCTION murallink_private.contract_keeps_currency(contract_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF EXISTS (SELECT FROM murallink.trial t WHERE t.contract_uid = contract_keeps_currency.contract_uid)
        OR EXISTS (SELECT FROM murallink.fund f WHERE f.contract_uid = contract_keeps_currency.contract_uid) THEN
        PERFORM murallink_private.raise('in_use', 'currency', 'A contract with trials or funds keeps its currency: create another contract.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.contract_keeps_currency(murallink.ksuid) IS
'Checks that a contract has neither a trial nor funds: once it has, its currency stays, because amounts there that named no currency are in this one. Errors: in_use.';

CREATE FUNCTION murallink_private.fund_hold(contract_uid murallink.ksuid, slot bigint) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'fund_hold';
COMMENT ON FUNCTION murallink_private.fund_hold(murallink.ksuid, bigint) IS
'Locks a slot of a contract''s funds until the end of the transaction. Callers that need several slots lock them in order. Waits for lock_timeout, or murallink.lock_timeout if that is not set. Errors: blocked.';

CREATE FUNCTION murallink_private.fund_deposit() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'fund_deposit';
COMMENT ON FUNCTION murallink_private.fund_deposit() IS
'Trigger: a funding adds to the balance of its contract, or takes from what is available, as its movement says, and is written down as a fund_entry. Errors: insufficient_funds.';

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

CREATE TYPE murallink.funding_info AS (
    uid murallink.ksuid, contract_uid murallink.ksuid, movement text, amount numeric, currency text, note text, reference text,
    corrects_uid murallink.optional_uid, date date);
COMMENT ON TYPE murallink.funding_info IS
'A movement of a contract''s own money, as withdraw_funding and correct_funding answer. movement: deposit or withdraw; correct takes a deposit back; a correction of a withdrawal is a deposit. corrects_uid: the funding that it corrects; date: the day it was recorded, UTC.';

CREATE FUNCTION murallink_private.funding_info(funding_uid murallink.ksuid) RETURNS murallink.funding_info
LANGUAGE sql STABLE AS $$
    SELECT f.uid, f.contract_uid, f.movement::text, pg_catalog.trim_scale(f.amount), f.currency::text, f.note, f.reference,
        f.corrects_uid, (f.created_at AT TIME ZONE 'UTC')::date
    FROM murallink.funding f WHERE f.uid = funding_uid
$$;
COMMENT ON FUNCTION murallink_private.funding_info(murallink.ksuid) IS 'A movement of a contract''s own money, as clients see it.';

CREATE FUNCTION murallink.withdraw_funding(
    contract_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL, currency text DEFAULT NULL, note text DEFAULT NULL,
    reference text DEFAULT NULL
) RETURNS murallink.funding_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_contract murallink.contract;
    why text;
    proof text;
    withdrawn text;
    the_funding murallink.funding;
BEGIN
    PERFORM murallink_private.require_admin();
    SELECT * INTO the_contract FROM murallink.contract c
    WHERE c.uid = murallink_private.required(withdraw_funding.contract_uid, 'contract_uid');
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'contract_uid');
    END IF;
    withdrawn := coalesce(NULLIF(withdraw_funding.currency, ''), the_contract.currency);
    PERFORM murallink_private.check_money(withdraw_funding.amount, withdrawn);
    why := murallink_private.checked_text(withdraw_funding.note, 'note', 1000, true);
    proof := murallink_private.checked_text(withdraw_funding.reference, 'reference', 200, true);
    INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency, movement, note, reference)
    VALUES (the_contract.uid, the_contract.client_uid, withdraw_funding.amount, withdrawn, 'withdraw', why, proof)
    ON CONFLICT DO NOTHING RETURNING * INTO the_funding;
    IF NOT FOUND THEN
        SELECT * INTO the_funding FROM murallink.funding f
        WHERE f.contract_uid = the_contract.uid AND f.reference = proof AND f.movement = 'withdraw';
        IF (the_funding.amount, the_funding.currency::text) <> (withdraw_funding.amount, withdrawn) THEN
            PERFORM murallink_private.raise('already_exists', 'reference', 'A withdrawal of another amount has this reference.');
        ELSIF EXISTS (SELECT FROM murallink.funding f WHERE f.corrects_uid = the_funding.uid) THEN
            PERFORM murallink_private.raise(
                'already_exists', 'reference', 'The withdrawal with this reference was corrected: to record another one, add a word to it.');
        END IF;
    END IF;
    RETURN murallink_private.funding_info(the_funding.uid);
END
$$;
COMMENT ON FUNCTION murallink.withdraw_funding(murallink.ksuid, numeric, text, text, text) IS
'Records money that leaves the funds of a contract, such as what is left when it is closed; never more than is available. amount: in units of currency, which defaults to the contract''s; note: why; reference: of the transfer, at most 200 characters: asked again with the same reference and amount, it answers the first withdrawal. For admins. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, unknown_currency, invalid_amount, insufficient_funds, already_exists (the reference of a withdrawal of another amount, or of one that was corrected), blocked.';

CREATE FUNCTION murallink.correct_funding(funding_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL)
RETURNS murallink.funding_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong murallink.funding;
    correction murallink.ksuid;
BEGIN
    PERFORM murallink_private.require_admin();
    SELECT * INTO wrong FROM murallink.funding f
    WHERE f.uid = murallink_private.required(correct_funding.funding_uid, 'funding_uid');
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'funding_uid');
    ELSIF wrong.corrects_uid IS NOT NULL THEN
        PERFORM murallink_private.raise('wrong_status', 'funding_uid', 'A correction is not corrected: record the funding or the withdrawal again.');
    END IF;
    INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency, movement, note, corrects_uid)
    VALUES (
        wrong.contract_uid, wrong.client_uid, wrong.amount, wrong.currency,
        CASE wrong.movement WHEN 'deposit' THEN 'correct' ELSE 'deposit' END::murallink.fund_movement,
        murallink_private.checked_text(correct_funding.note, 'note', 1000, true), wrong.uid)
    ON CONFLICT DO NOTHING RETURNING uid INTO correction;
    IF correction IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'funding_uid', 'It has been corrected: funding_report shows by what.');
    END IF;
    RETURN murallink_private.funding_info(correction);
END
$$;
COMMENT ON FUNCTION murallink.correct_funding(murallink.ksuid, text) IS
'Takes back a funding, or a withdrawal, that was recorded by mistake, by an opposite entry; a funding only if its amount is still available. Both stay in the books. note: why. For admins. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, wrong_status (it is a correction), already_exists (it has been corrected), insufficient_funds, blocked.';
