-- Clients, and the sponsors that they work for.

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
    address murallink.address,
    audit_history murallink.optional_history
);
COMMENT ON TYPE murallink.client_info IS 'A client, as create_client answers. audit_history: in the answers of get_client and edit_client.';

CREATE FUNCTION murallink_private.client_info(client_uid murallink.ksuid, with_history boolean DEFAULT false)
RETURNS murallink.client_info
LANGUAGE sql STABLE AS $$
    SELECT uid, name, sales_contact, client_type, tax_id, client_signature_date::timestamp AT TIME ZONE 'UTC', contact_name,
        contact_phone, contact_email, address, CASE WHEN with_history THEN murallink_private.audit_history(uid) END
    FROM murallink.client WHERE uid = client_uid
$$;
COMMENT ON FUNCTION murallink_private.client_info(murallink.ksuid, boolean) IS 'A client as users see it. with_history: whether its history is included.';

CREATE FUNCTION murallink_private.contains(value text, query text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.strpos(
    murallink_private.name_folded(value) COLLATE "C", pg_catalog.btrim(murallink_private.name_folded(query)) COLLATE "C") > 0
    OR pg_catalog.btrim(murallink_private.name_folded(query)) = '';
COMMENT ON FUNCTION murallink_private.contains(text, text) IS
'Whether a value has the query in it, as name_folded() has both: without regard to case and accents, whatever the locale; every value has the empty one.';

CREATE FUNCTION murallink_private.sponsor_named(client_uid murallink.ksuid, name text) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_sponsor murallink.ksuid;
BEGIN
    INSERT INTO murallink.sponsor (client_uid, name) VALUES (sponsor_named.client_uid, sponsor_named.name)
    ON CONFLICT DO NOTHING RETURNING uid INTO the_sponsor;
    IF the_sponsor IS NULL THEN
        SELECT s.uid INTO the_sponsor FROM murallink.sponsor s
        WHERE s.client_uid = sponsor_named.client_uid
            AND murallink_private.label_key(s.name) = murallink_private.label_key(sponsor_named.name);
    END IF;
    RETURN the_sponsor;
END
$$;
COMMENT ON FUNCTION murallink_private.sponsor_named(murallink.ksuid, text) IS
'The sponsor of a client with that name in any case, added when there is none.';

CREATE FUNCTION murallink.create_client(
    name text DEFAULT NULL, sales_contact text DEFAULT NULL, client_type text DEFAULT NULL, tax_id text DEFAULT NULL,
    client_signature_date murallink.day DEFAULT NULL, contact_name text DEFAULT NULL, contact_phone text DEFAULT NULL,
    contact_email text DEFAULT NULL, address jsonb DEFAULT NULL
) RETURNS murallink.client_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added murallink.ksuid;
BEGIN
    PERFORM murallink_private.require_admin();
    INSERT INTO murallink.client (
        name, sales_contact, client_type, tax_id, client_signature_date, contact_name, contact_phone, contact_email, address)
    VALUES (
        murallink_private.checked_label(create_client.name, 'name', 200, true),
        murallink_private.checked_text(create_client.sales_contact, 'sales_contact', 200, false),
        murallink_private.checked_text(create_client.client_type, 'client_type', 100, false),
        murallink_private.checked_text(create_client.tax_id, 'tax_id', 50, false),
        murallink_private.checked_date(create_client.client_signature_date, 'client_signature_date'),
        murallink_private.checked_text(create_client.contact_name, 'contact_name', 200, false),
        murallink_private.checked_text(create_client.contact_phone, 'contact_phone', 50, false),
        murallink_private.checked_email(create_client.contact_email, 'contact_email', false),
        murallink_private.checked_address(create_client.address))
    RETURNING uid INTO added;
    RETURN murallink_private.client_info(added);
END
$$;
COMMENT ON FUNCTION murallink.create_client(text, text, text, text, murallink.day, text, text, text, jsonb) IS
'Adds a client (document: Create Client). name is required; client_signature_date: yyyy-mm-dd; sales_contact: the person who looks after the client; contact_name, contact_phone, contact_email: the contact person there; address: an object with street1, street2, city, state, post_code. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key.';

CREATE FUNCTION murallink.get_clients() RETURNS SETOF murallink.client_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    RETURN QUERY
    SELECT i.* FROM murallink.client c, LATERAL murallink_private.client_info(c.uid) i ORDER BY c.created_at, c.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_clients() IS
'All clients in the order of their creation (document: Get Clients). For admins. Errors: unauthenticated, forbidden.';

CREATE FUNCTION murallink.search_clients(query text DEFAULT NULL) RETURNS SETOF murallink.client_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part CONSTANT text := murallink_private.checked_text(query, 'query', 200, false);
BEGIN
    PERFORM murallink_private.permit_somewhere('view_clients');
    RETURN QUERY
    SELECT i.* FROM murallink.client c, LATERAL murallink_private.client_info(c.uid) i
    WHERE murallink_private.permitted('view_clients', c.uid, NULL, NULL, NULL) AND murallink_private.contains(c.name, part)
    ORDER BY c.created_at, c.uid;
END
$$;
COMMENT ON FUNCTION murallink.search_clients(text) IS
'The clients with the query in their name, without regard to case and accents, in the order of their creation (document: Search Clients). query: at most 200 characters, all ordinary characters; empty finds all. Shows those on which the caller holds view_clients. Errors: unauthenticated, forbidden (if the caller holds it nowhere), too_long, invalid_value.';

CREATE FUNCTION murallink.get_client(uid murallink.ksuid DEFAULT NULL) RETURNS murallink.client_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    known murallink.ksuid;
BEGIN
    SELECT c.uid INTO known FROM murallink.client c WHERE c.uid = murallink_private.required(get_client.uid, 'uid');
    PERFORM murallink_private.permit('view_clients', known, NULL, NULL, NULL, 'uid');
    RETURN murallink_private.client_info(known, true);
END
$$;
COMMENT ON FUNCTION murallink.get_client(murallink.ksuid) IS
'A client and its history (document: Get Client). Needs view_clients on the client. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink.edit_client(
    uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, sales_contact text DEFAULT NULL, client_type text DEFAULT NULL,
    tax_id text DEFAULT NULL, client_signature_date murallink.day DEFAULT NULL, contact_name text DEFAULT NULL,
    contact_phone text DEFAULT NULL, contact_email text DEFAULT NULL, address jsonb DEFAULT NULL,
    audit_history murallink.read_only DEFAULT NULL
) RETURNS murallink.client_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin(), murallink_private.required(edit_client.uid, 'uid');
    UPDATE murallink.client c SET
        name = murallink_private.checked_label(coalesce(edit_client.name, c.name), 'name', 200, true),
        sales_contact = murallink_private.checked_text(coalesce(edit_client.sales_contact, c.sales_contact), 'sales_contact', 200, false),
        client_type = murallink_private.checked_text(coalesce(edit_client.client_type, c.client_type), 'client_type', 100, false),
        tax_id = murallink_private.checked_text(coalesce(edit_client.tax_id, c.tax_id), 'tax_id', 50, false),
        client_signature_date = murallink_private.checked_date(
            coalesce(edit_client.client_signature_date::date, c.client_signature_date), 'client_signature_date'),
        contact_name = murallink_private.checked_text(coalesce(edit_client.contact_name, c.contact_name), 'contact_name', 200, false),
        contact_phone = murallink_private.checked_text(coalesce(edit_client.contact_phone, c.contact_phone), 'contact_phone', 50, false),
        contact_email = murallink_private.checked_email(coalesce(edit_client.contact_email, c.contact_email), 'contact_email', false),
        address = murallink_private.changed_address(c.address, edit_client.address)
    WHERE c.uid = edit_client.uid;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'uid');
    END IF;
    RETURN murallink_private.client_info(edit_client.uid, true);
END
$$;
COMMENT ON FUNCTION murallink.edit_client(murallink.ksuid, text, text, text, text, murallink.day, text, text, text, jsonb, murallink.read_only) IS
'Changes a client (document: Edit Client). Arguments as create_client takes them. An argument that is absent, or null in SQL, changes nothing, nor does such a part of address. audit_history: ignored. For admins. Errors: unauthenticated, forbidden, missing_field, not_found, too_long, invalid_email, invalid_value, wrong_type, unknown_key.';

CREATE FUNCTION murallink.delete_client(client_uid murallink.ksuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    PERFORM murallink_private.delete_resource('client', murallink_private.required(client_uid, 'client_uid'), 'client_uid');
END
$$;
COMMENT ON FUNCTION murallink.delete_client(murallink.ksuid) IS
'Deletes a client that has no contracts, with its sponsors and the grants on it (document: Delete Client). For admins. Errors: unauthenticated, forbidden, missing_field, not_found, in_use.';
