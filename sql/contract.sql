CREATE TYPE murallink.contract_info AS (
    uid murallink.ksuid,
    client_uid murallink.ksuid,
    name text,
    total_contract_value text,
    currency text,
    client_signature_date timestamptz,
    contract_start_date timestamptz,
    contract_end_date timestamptz,
    document_url text
);
COMMENT ON TYPE murallink.contract_info IS 'A contract, as create_contract answers. total_contract_value: with the sign of its currency.';

CREATE FUNCTION murallink.contract_info(contract_uid murallink.ksuid) RETURNS murallink.contract_info
LANGUAGE sql STABLE AS $$
    SELECT uid, client_uid, name, coalesce(murallink.money_text(total_contract_value, currency), ''), currency::text,
        client_signature_date::timestamp AT TIME ZONE 'UTC', contract_start_date::timestamp AT TIME ZONE 'UTC',
        contract_end_date::timestamp AT TIME ZONE 'UTC',
        pg_catalog.current_setting('murallink.public_url') || '/rpc/contract_document?uid=' || uid::text
    FROM murallink.contract WHERE uid = contract_uid
$$;
COMMENT ON FUNCTION murallink.contract_info(murallink.ksuid) IS 'A contract as clients see it.';

CREATE FUNCTION murallink.create_contract(
    client_uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, client_signature_date date DEFAULT NULL,
    contract_start_date date DEFAULT NULL, contract_end_date date DEFAULT NULL,
    total_contract_value murallink.numeric_text DEFAULT NULL, currency text DEFAULT NULL,
    default_payment_type_uid murallink.ksuid DEFAULT NULL
) RETURNS murallink.contract_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    value numeric;
    added murallink.ksuid;
BEGIN
    PERFORM murallink.require_admin();
    IF NOT EXISTS (SELECT FROM murallink.client WHERE uid = murallink.required(create_contract.client_uid, 'client_uid')) THEN
        PERFORM murallink.raise('not_found', 'client_uid');
    END IF;
    IF coalesce(create_contract.currency, '') = '' THEN
        PERFORM murallink.raise('missing_field', 'currency');
    ELSIF murallink.currency_decimals(create_contract.currency) IS NULL THEN
        PERFORM murallink.raise('unknown_currency', 'currency');
    END IF;
    IF create_contract.total_contract_value <> '' THEN
        IF create_contract.total_contract_value !~ '^[0-9]{1,12}(\.[0-9]{1,4})?$' THEN
            PERFORM murallink.raise('invalid_amount', 'total_contract_value');
        END IF;
        value := create_contract.total_contract_value;
        IF NOT murallink.amount_fits(value, create_contract.currency) THEN
            PERFORM murallink.raise('invalid_amount', 'total_contract_value');
        END IF;
    END IF;
    IF create_contract.contract_end_date < create_contract.contract_start_date THEN
        PERFORM murallink.raise('invalid_value', 'contract_end_date');
    END IF;
    IF create_contract.default_payment_type_uid IS NOT NULL
        AND NOT EXISTS (SELECT FROM murallink_private.payment_type WHERE uid = create_contract.default_payment_type_uid) THEN
        PERFORM murallink.raise('not_found', 'default_payment_type_uid');
    END IF;
    INSERT INTO murallink.contract (
        client_uid, name, total_contract_value, currency, client_signature_date, contract_start_date, contract_end_date,
        default_payment_type_uid)
    VALUES (
        create_contract.client_uid, murallink.checked_text(create_contract.name, 'name', 200, true), value,
        create_contract.currency,
        murallink.checked_date(create_contract.client_signature_date, 'client_signature_date'),
        murallink.checked_date(create_contract.contract_start_date, 'contract_start_date'),
        murallink.checked_date(create_contract.contract_end_date, 'contract_end_date'),
        create_contract.default_payment_type_uid)
    RETURNING uid INTO added;
    RETURN murallink.contract_info(added);
END
$$;
COMMENT ON FUNCTION murallink.create_contract(murallink.ksuid, text, date, date, date, murallink.numeric_text, text, murallink.ksuid) IS
'Adds a contract (document: Create Contract). total_contract_value: a number, or a number as text, in units of currency; default_payment_type_uid: how patients are paid who have chosen nothing. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, not_found, unknown_currency, invalid_amount, invalid_value.';
