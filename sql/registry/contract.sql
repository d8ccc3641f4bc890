-- Contracts and their documents.

CREATE TYPE murallink.contract_info AS (
    uid murallink.ksuid,
    client_uid murallink.ksuid,
    name text,
    total_contract_value text,
    currency text,
    client_signature_date timestamptz,
    contract_start_date timestamptz,
    contract_end_date timestamptz,
    document_url text,
    sponsor murallink.optional_text,
    default_payment_type_uid murallink.optional_uid,
    order_cards murallink.optional_text,
    enforce_dates murallink.optional_boolean,
    recovery_share murallink.optional_integer,
    low_funds murallink.optional_amount
);
COMMENT ON TYPE murallink.contract_info IS
'A contract, as create_contract answers. total_contract_value: with the sign of its currency; document_url: where contract_document() answers with the newest file; order_cards: absent where it is first_payment; enforce_dates: absent where it is true; recovery_share: in percent, absent where nothing is recovered; low_funds: see set_low_funds, absent where it is off.';

CREATE FUNCTION murallink_private.contract_info(contract_uid murallink.ksuid) RETURNS murallink.contract_info
LANGUAGE sql STABLE AS $$
    SELECT c.uid, c.client_uid, c.name, coalesce(murallink_private.money_text(c.total_contract_value, c.currency), ''), c.currency::text,
        c.client_signature_date::timestamp AT TIME ZONE 'UTC', c.contract_start_date::timestamp AT TIME ZONE 'UTC',
        c.contract_end_date::timestamp AT TIME ZONE 'UTC',
        pg_catalog.current_setting('murallink.public_url') || '/rpc/contract_document?uid=' || c.uid::text,
        s.name, c.default_payment_type_uid, NULLIF(c.order_cards, 'first_payment'),
        NULLIF(c.enforce_dates, true), NULLIF(c.recovery_share, 0), pg_catalog.trim_scale(c.low_funds)
    FROM murallink.contract c LEFT JOIN murallink.sponsor s ON s.uid = c.sponsor_uid WHERE c.uid = contract_uid
$$;
COMMENT ON FUNCTION murallink_private.contract_info(murallink.ksuid) IS 'A contract as clients see it.';

CREATE FUNCTION murallink_private.write_contract(
    contract_uid murallink.ksuid, client_uid murallink.ksuid, name text, sponsor text, client_signature_date date,
    contract_start_date date, contract_end_date date, total_contract_value text, currency text,
    default_payment_type_uid murallink.ksuid, order_cards text, enforce_dates boolean
) RETURNS murallink.contract_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_contract murallink.contract;
    party text := murallink_private.checked_label(write_contract.sponsor, 'sponsor', 200, false);
BEGIN
    -- Serializes with adding a trial or funds, which depend on the currency.
    SELECT * INTO the_contract FROM murallink.contract WHERE uid = write_contract.contract_uid FOR UPDATE;
    IF write_contract.contract_uid IS NULL THEN
        the_contract.uid := murallink.gen_ksuid();
        the_contract.client_uid := write_contract.client_uid;
        the_contract.created_at := pg_catalog.now();
        the_contract.recovery_share := 0;
        the_contract.recovery_note := '';
        the_contract.low_funds_note := '';
    ELSIF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'uid');
    END IF;
    the_contract.name := murallink_private.checked_label(coalesce(write_contract.name, the_contract.name), 'name', 200, true);
    IF write_contract.total_contract_value
        <> coalesce(murallink_private.money_text(the_contract.total_contract_value, the_contract.currency), '') THEN
        IF write_contract.total_contract_value !~ '^([0-9]{1,12}(\.[0-9]{1,4})?)?$' THEN
            PERFORM murallink_private.raise('invalid_amount', 'total_contract_value');
        END IF;
        the_contract.total_contract_value := pg_catalog.trim_scale(NULLIF(write_contract.total_contract_value, '')::numeric);
    END IF;
    write_contract.currency := coalesce(NULLIF(write_contract.currency, ''), the_contract.currency);
    IF write_contract.currency IS NULL THEN
        PERFORM murallink_private.raise('missing_field', 'currency');
    ELSIF murallink_private.currency_decimals(write_contract.currency) IS NULL THEN
        PERFORM murallink_private.raise('unknown_currency', 'currency');
    ELSIF NOT murallink_private.amount_fits(the_contract.total_contract_value, write_contract.currency) THEN
        PERFORM murallink_private.raise('invalid_amount', 'total_contract_value');
    ELSIF NOT murallink_private.amount_fits(the_contract.low_funds, write_contract.currency) THEN
        PERFORM murallink_private.raise('invalid_amount', 'currency', 'What set_low_funds has set has more decimals than this currency.');
    END IF;
    the_contract.currency := write_contract.currency;
    the_contract.client_signature_date := murallink_private.checked_date(
        coalesce(write_contract.client_signature_date, the_contract.client_signature_date), 'client_signature_date');
    the_contract.contract_start_date := murallink_private.checked_date(
        coalesce(write_contract.contract_start_date, the_contract.contract_start_date), 'contract_start_date');
    the_contract.contract_end_date := murallink_private.checked_date(
        coalesce(write_contract.contract_end_date, the_contract.contract_end_date), 'contract_end_date');
    IF the_contract.contract_end_date < the_contract.contract_start_date THEN
        PERFORM murallink_private.raise('invalid_value', 'contract_end_date', 'Not before contract_start_date.');
    END IF;
    the_contract.default_payment_type_uid :=
        coalesce(write_contract.default_payment_type_uid, the_contract.default_payment_type_uid);
    IF the_contract.default_payment_type_uid IS NOT NULL
        AND NOT EXISTS (SELECT FROM murallink_private.payment_type WHERE uid = the_contract.default_payment_type_uid) THEN
        PERFORM murallink_private.raise('not_found', 'default_payment_type_uid');
    END IF;
    the_contract.order_cards := coalesce(
        NULLIF(write_contract.order_cards, ''), the_contract.order_cards, 'first_payment');
    IF the_contract.order_cards NOT IN ('first_payment', 'enrollment') THEN
        PERFORM murallink_private.raise('invalid_value', 'order_cards', 'One of first_payment and enrollment.');
    END IF;
    the_contract.enforce_dates := coalesce(write_contract.enforce_dates, the_contract.enforce_dates, true);
    IF write_contract.sponsor IS NOT NULL THEN
        the_contract.sponsor_uid := CASE WHEN party <> '' THEN murallink_private.sponsor_named(the_contract.client_uid, party) END;
    END IF;
    INSERT INTO murallink.contract SELECT the_contract.*
    ON CONFLICT (uid) DO UPDATE SET
        name = excluded.name,
        sponsor_uid = excluded.sponsor_uid,
        total_contract_value = excluded.total_contract_value,
        currency = excluded.currency,
        client_signature_date = excluded.client_signature_date,
        contract_start_date = excluded.contract_start_date,
        contract_end_date = excluded.contract_end_date,
        default_payment_type_uid = excluded.default_payment_type_uid,
        order_cards = excluded.order_cards,
        enforce_dates = excluded.enforce_dates;
    RETURN murallink_private.contract_info(the_contract.uid);
END
$$;
COMMENT ON FUNCTION murallink_private.write_contract(murallink.ksuid, murallink.ksuid, text, text, date, date, date, text, text, murallink.ksuid, text, boolean) IS
'Changes a contract where the arguments are not null, or with a contract_uid of null adds one. total_contract_value: digits, as contract_info shows it, or empty for none; sponsor: empty for none. Errors: missing_field, too_long, not_found, unknown_currency, invalid_amount, invalid_value, in_use.';

CREATE FUNCTION murallink.create_contract(
    client_uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, client_signature_date murallink.day DEFAULT NULL,
    contract_start_date murallink.day DEFAULT NULL, contract_end_date murallink.day DEFAULT NULL,
    total_contract_value murallink.numeric_text DEFAULT NULL, currency text DEFAULT NULL,
    default_payment_type_uid murallink.ksuid DEFAULT NULL, sponsor text DEFAULT NULL, order_cards text DEFAULT NULL,
    enforce_dates boolean DEFAULT NULL
) RETURNS murallink.contract_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    IF NOT EXISTS (
        SELECT FROM murallink.client c WHERE c.uid = murallink_private.required(create_contract.client_uid, 'client_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'client_uid');
    END IF;
    RETURN murallink_private.write_contract(
        NULL, client_uid, name, sponsor, client_signature_date, contract_start_date, contract_end_date, total_contract_value,
        currency, default_payment_type_uid, order_cards, enforce_dates);
END
$$;
COMMENT ON FUNCTION murallink.create_contract(murallink.ksuid, text, murallink.day, murallink.day, murallink.day, murallink.numeric_text, text, murallink.ksuid, text, text, boolean) IS
'Adds a contract (document: Create Contract). client_signature_date, contract_start_date, contract_end_date: yyyy-mm-dd; currency: ISO 4217, such as USD; total_contract_value: a number, or a number as text, in units of currency; default_payment_type_uid: the payment type of patients who have not chosen one; sponsor: the name of the company on whose behalf the client works, added when it is new to the client; order_cards: when a card is ordered for a patient who is paid by card: first_payment (the default) or enrollment; enforce_dates: whether nobody is enrolled and no visit is paid before contract_start_date or after contract_end_date, by default true; without the date there is no limit. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, not_found, unknown_currency, invalid_amount, invalid_value.';

CREATE FUNCTION murallink.edit_contract(
    uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, client_signature_date murallink.day DEFAULT NULL,
    contract_start_date murallink.day DEFAULT NULL, contract_end_date murallink.day DEFAULT NULL,
    total_contract_value murallink.numeric_text DEFAULT NULL, currency text DEFAULT NULL,
    default_payment_type_uid murallink.ksuid DEFAULT NULL, sponsor text DEFAULT NULL,
    order_cards text DEFAULT NULL, client_uid murallink.read_only DEFAULT NULL, document_url murallink.read_only DEFAULT NULL,
    enforce_dates boolean DEFAULT NULL
) RETURNS murallink.contract_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    PERFORM murallink_private.unchanged(edit_contract.client_uid, ARRAY[c.client_uid::text], 'client_uid')
    FROM murallink.contract c WHERE c.uid = edit_contract.uid;
    RETURN murallink_private.write_contract(
        murallink_private.required(uid, 'uid'), NULL, name, sponsor, client_signature_date, contract_start_date, contract_end_date,
        total_contract_value, currency, default_payment_type_uid, order_cards, enforce_dates);
END
$$;
COMMENT ON FUNCTION murallink.edit_contract(murallink.ksuid, text, murallink.day, murallink.day, murallink.day, murallink.numeric_text, text, murallink.ksuid, text, text, murallink.read_only, murallink.read_only, boolean) IS
'Changes a contract (document: Edit Contract). An argument that is absent, or null in SQL, changes nothing; an empty total_contract_value or sponsor is removed. total_contract_value: as create_contract takes it or as answers show it; currency: stays once the contract has trials or funds; order_cards: enrollment orders the cards of enrolled patients at once; enforce_dates: as create_contract takes it. A date can be changed and not removed: for an open end, send one far away. A change of the dates holds for later payments and enrollments; what was made stays. client_uid: the contract''s, or absent; document_url: ignored. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, not_found, unknown_currency, invalid_amount, invalid_value, in_use.';

CREATE FUNCTION murallink.set_recovery(
    contract_uid murallink.ksuid DEFAULT NULL, share integer DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.contract_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    why text;
BEGIN
    PERFORM murallink_private.require_admin();
    PERFORM murallink_private.required(set_recovery.contract_uid, 'contract_uid');
    IF murallink_private.required(share, 'share') NOT BETWEEN 0 AND 99 THEN
        PERFORM murallink_private.raise('invalid_value', 'share', 'A percentage from 0 to 99.');
    END IF;
    why := murallink_private.checked_text(note, 'note', 1000, true);
    UPDATE murallink.contract c SET recovery_share = share, recovery_note = why WHERE c.uid = set_recovery.contract_uid;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'contract_uid');
    END IF;
    RETURN murallink_private.contract_info(contract_uid);
END
$$;
COMMENT ON FUNCTION murallink.set_recovery(murallink.ksuid, integer, text) IS
'Sets how much of a later payment is kept at most to recover a payment that was taken back and whose money is not on the card any more: see recover. share: in percent, from 0, which is the default and keeps nothing, to 99; note: why, such as the approval of the review board. Payments that are approved already stay as they are. For admins. Errors: unauthenticated, forbidden, missing_field, not_found, too_long, invalid_value.';

CREATE FUNCTION murallink.set_low_funds(contract_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL, note text DEFAULT NULL)
RETURNS murallink.contract_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    why text;
    its_currency text;
BEGIN
    PERFORM murallink_private.require_admin(), murallink_private.required(set_low_funds.contract_uid, 'contract_uid');
    why := murallink_private.checked_text(set_low_funds.note, 'note', 1000, true);
    -- The currency of a contract without trials and funds may be changed.
    SELECT c.currency INTO its_currency FROM murallink.contract c WHERE c.uid = set_low_funds.contract_uid FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'contract_uid');
    ELSIF set_low_funds.amount IS NOT NULL THEN
        PERFORM murallink_private.check_money(set_low_funds.amount, its_currency);
    END IF;
    UPDATE murallink.contract c SET low_funds = set_low_funds.amount, low_funds_note = why,
        funds_low = CASE WHEN set_low_funds.amount IS NOT NULL THEN c.funds_low END,
        funds_low_at = CASE WHEN set_low_funds.amount IS NOT NULL THEN c.funds_low_at END
    WHERE c.uid = set_low_funds.contract_uid;
    RETURN murallink_private.contract_info(set_low_funds.contract_uid);
END
$$;
COMMENT ON FUNCTION murallink.set_low_funds(murallink.ksuid, numeric, text) IS
'Sets the amount below which the available funds of a contract, in its currency, are low: the worker then writes the event funds.low, once until as much is available again, and needs_person shows it. amount: in units of the currency; null or absent: off, as for a new contract; note: why. For admins. Errors: unauthenticated, forbidden, missing_field, not_found, too_long, invalid_value, invalid_amount.';

CREATE FUNCTION murallink.get_contracts(client_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.contract_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.permit_somewhere('view_contract');
    RETURN QUERY
    SELECT i.* FROM murallink.contract c, LATERAL murallink_private.contract_info(c.uid) i
    WHERE c.client_uid = coalesce(get_contracts.client_uid, c.client_uid)
    AND murallink_private.permitted('view_contract', c.client_uid, c.uid, NULL, NULL)
    ORDER BY c.created_at, c.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_contracts(murallink.ksuid) IS
'The contracts on which the caller holds view_contract, of one client or of all, in the order of their creation (document: Get Contracts). Errors: unauthenticated, forbidden (if the caller holds it nowhere).';

CREATE FUNCTION murallink_private.permit_contract(contract_uid murallink.ksuid, permission murallink.permission, field text)
RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    owner murallink.ksuid;
BEGIN
    SELECT c.client_uid INTO owner FROM murallink.contract c
    WHERE c.uid = murallink_private.required(permit_contract.contract_uid, field);
    PERFORM murallink_private.permit(permission, owner, permit_contract.contract_uid, NULL, NULL, field);
    RETURN permit_contract.contract_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.permit_contract(murallink.ksuid, murallink.permission, text) IS
'The uid of a contract on which the caller holds the permission. field: named in errors. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink.get_contract(contract_uid murallink.ksuid DEFAULT NULL) RETURNS murallink.contract_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.contract_info(murallink_private.permit_contract(contract_uid, 'view_contract', 'contract_uid'));
END
$$;
COMMENT ON FUNCTION murallink.get_contract(murallink.ksuid) IS
'A contract (document: Get Contract). Needs view_contract on the contract. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink.delete_contract(contract_uid murallink.ksuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    PERFORM murallink_private.delete_resource('contract', murallink_private.required(contract_uid, 'contract_uid'), 'contract_uid');
END
$$;
COMMENT ON FUNCTION murallink.delete_contract(murallink.ksuid) IS
'Deletes a contract that was never funded and has no trials or sites, with its files and the grants on it (document: Delete Contract). For admins. Errors: unauthenticated, forbidden, missing_field, not_found, in_use.';

CREATE FUNCTION murallink.upload_contract(
    contract_uid murallink.ksuid DEFAULT NULL, data text DEFAULT NULL, filename text DEFAULT NULL,
    client_signature_date murallink.day DEFAULT NULL, contract_start_date murallink.day DEFAULT NULL, contract_end_date murallink.day DEFAULT NULL,
    total_contract_value murallink.numeric_text DEFAULT NULL, currency text DEFAULT NULL, content_type text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted murallink.ksuid := murallink_private.permit_contract(contract_uid, 'edit_contract', 'contract_uid');
    file_name text := murallink_private.checked_file_name(filename, 'filename');
    added murallink.ksuid;
BEGIN
    PERFORM murallink_private.write_contract(
        permitted, NULL, NULL, NULL, client_signature_date, contract_start_date, contract_end_date, total_contract_value,
        currency, NULL, NULL, NULL);
    INSERT INTO murallink.contract_document (client_uid, contract_uid, filename, content_type, created_at)
    SELECT c.client_uid, c.uid, file_name, murallink_private.checked_content_type(upload_contract.content_type, file_name),
        murallink_private.moment_after(pg_catalog.clock_timestamp(), (
            SELECT pg_catalog.max(d.created_at) FROM murallink.contract_document d WHERE d.contract_uid = c.uid))
    FROM murallink.contract c WHERE c.uid = permitted
    RETURNING uid INTO added;
    INSERT INTO murallink_private.contract_content (contract_document_uid, content)
    VALUES (added, murallink_private.checked_file(data, 'data'));
END
$$;
COMMENT ON FUNCTION murallink.upload_contract(murallink.ksuid, text, text, murallink.day, murallink.day, murallink.day, murallink.numeric_text, text, text) IS
'Adds a file to a contract, and changes its dates and value where they are given, as edit_contract does (document: Upload Contract). data: the file in base64, at most murallink.document_limit; filename: at most 200 characters, no path; content_type: default by the ending of the file name. Every file is kept; document_url answers with the newest. Needs edit_contract on the contract. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, unknown_currency, invalid_amount, invalid_value, in_use.';

CREATE FUNCTION murallink.contract_document(uid murallink.ksuid DEFAULT NULL) RETURNS murallink."*/*"
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted murallink.ksuid := murallink_private.permit_contract(uid, 'view_contract', 'uid');
    file record;
BEGIN
    SELECT d.filename, d.content_type, c.content INTO file
    FROM murallink.contract_document d JOIN murallink_private.contract_content c ON c.contract_document_uid = d.uid
    WHERE d.contract_uid = permitted ORDER BY d.created_at DESC, d.uid DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'uid');
    END IF;
    PERFORM murallink_private.serve_as(file.filename, file.content_type);
    RETURN file.content;
END
$$;
COMMENT ON FUNCTION murallink.contract_document(murallink.ksuid) IS
'The newest file of a contract, for a GET through PostgREST: document_url points here. uid: the contract''s. Needs view_contract on the contract. Errors: unauthenticated, forbidden, missing_field, not_found (also when no file was uploaded).';
