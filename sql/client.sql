CREATE TYPE murallink.client_info AS (
    uid murallink.ksuid,
    name text,
    sales_contact text,
    client_type text,
    tax_id text,
    client_signature_date timestamptz,
    contact_name text,
    contact_phone text,
    contact_email text,
    address murallink.address
);
COMMENT ON TYPE murallink.client_info IS 'A client, as create_client answers.';

CREATE FUNCTION murallink.client_info(client_uid murallink.ksuid) RETURNS murallink.client_info
LANGUAGE sql STABLE AS $$
    SELECT uid, name, sales_contact, client_type, tax_id, client_signature_date::timestamp AT TIME ZONE 'UTC', contact_name,
        contact_phone, contact_email, address
    FROM murallink.client WHERE uid = client_uid
$$;
COMMENT ON FUNCTION murallink.client_info(murallink.ksuid) IS 'A client as users see it.';

CREATE FUNCTION murallink.create_client(
    name text DEFAULT NULL, sales_contact text DEFAULT NULL, client_type text DEFAULT NULL, tax_id text DEFAULT NULL,
    client_signature_date date DEFAULT NULL, contact_name text DEFAULT NULL, contact_phone text DEFAULT NULL,
    contact_email text DEFAULT NULL, address jsonb DEFAULT NULL
) RETURNS murallink.client_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    added murallink.ksuid;
BEGIN
    PERFORM murallink.require_admin();
    INSERT INTO murallink.client (
        name, sales_contact, client_type, tax_id, client_signature_date, contact_name, contact_phone, contact_email, address)
    VALUES (
        murallink.checked_text(create_client.name, 'name', 200, true),
        murallink.checked_text(create_client.sales_contact, 'sales_contact', 200, false),
        murallink.checked_text(create_client.client_type, 'client_type', 100, false),
        murallink.checked_text(create_client.tax_id, 'tax_id', 50, false),
        murallink.checked_date(create_client.client_signature_date, 'client_signature_date'),
        murallink.checked_text(create_client.contact_name, 'contact_name', 200, false),
        murallink.checked_text(create_client.contact_phone, 'contact_phone', 50, false),
        murallink.checked_email(create_client.contact_email, 'contact_email', false),
        murallink.checked_address(create_client.address))
    RETURNING uid INTO added;
    RETURN murallink.client_info(added);
END
$$;
COMMENT ON FUNCTION murallink.create_client(text, text, text, text, date, text, text, text, jsonb) IS
'Adds a client (document: Create Client). For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key.';
