CREATE DOMAIN murallink.numeric_text AS text;
COMMENT ON DOMAIN murallink.numeric_text IS 'A number that clients may also send as text.';

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

CREATE TYPE murallink.trial_info AS (uid murallink.ksuid, contract_uid murallink.ksuid, name text, protocol_id text);
COMMENT ON TYPE murallink.trial_info IS 'A trial, as create_trial answers.';

CREATE TYPE murallink.site_info AS (uid murallink.ksuid, name text, contract_uid murallink.ksuid);
COMMENT ON TYPE murallink.site_info IS 'A site, as create_site answers.';

CREATE TYPE murallink.site_name AS (uid murallink.ksuid, name text);
COMMENT ON TYPE murallink.site_name IS 'A site inside another answer.';

CREATE TYPE murallink.trial_site_info AS (
    uid murallink.ksuid, site_uid murallink.ksuid, trial_uid murallink.ksuid, site murallink.site_name, trial murallink.trial_info);
COMMENT ON TYPE murallink.trial_site_info IS 'A trial at a site, as add_trial_site answers.';

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

CREATE FUNCTION murallink.create_trial(
    contract_uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, protocol_id text DEFAULT NULL,
    approve_milestones boolean DEFAULT false, separate_approver boolean DEFAULT false
) RETURNS murallink.trial_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    caller murallink.ksuid := murallink.require_caller();
    the_contract murallink.contract;
    added murallink.trial;
BEGIN
    SELECT * INTO the_contract FROM murallink.contract WHERE uid = murallink.required(create_trial.contract_uid, 'contract_uid');
    caller := murallink.permit('create_trial', the_contract.client_uid, the_contract.uid, NULL, NULL, 'contract_uid');
    INSERT INTO murallink.trial (client_uid, contract_uid, name, protocol_id, approve_milestones, separate_approver)
    VALUES (
        the_contract.client_uid, the_contract.uid,
        murallink.checked_text(create_trial.name, 'name', 200, true),
        murallink.checked_text(create_trial.protocol_id, 'protocol_id', 100, false),
        coalesce(create_trial.approve_milestones, false), coalesce(create_trial.separate_approver, false))
    RETURNING * INTO added;
    RETURN ROW(added.uid, added.contract_uid, added.name, added.protocol_id);
END
$$;
COMMENT ON FUNCTION murallink.create_trial(murallink.ksuid, text, text, boolean, boolean) IS
'Adds a trial to a contract (document: Create Trial). approve_milestones: milestone payments are approved as they are made; separate_approver: another person than the requester must approve. Needs create_trial on the contract. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink.associate_site(trial_uid murallink.ksuid, site_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    added murallink.ksuid;
BEGIN
    INSERT INTO murallink.trial_site (client_uid, contract_uid, trial_uid, site_uid)
    SELECT client_uid, contract_uid, uid, associate_site.site_uid FROM murallink.trial WHERE uid = associate_site.trial_uid
    ON CONFLICT (trial_uid, site_uid) DO NOTHING RETURNING uid INTO added;
    IF added IS NULL THEN
        PERFORM murallink.raise('already_exists', 'site_uid');
    END IF;
    RETURN added;
END
$$;
COMMENT ON FUNCTION murallink.associate_site(murallink.ksuid, murallink.ksuid) IS
'Makes a site take part in a trial and returns the uid of that. Errors: already_exists.';

CREATE FUNCTION murallink.create_site(
    name text DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, contract_uid murallink.ksuid DEFAULT NULL,
    time_zone text DEFAULT NULL
) RETURNS murallink.site_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    caller murallink.ksuid := murallink.require_caller();
    zone text := murallink.checked_text(create_site.time_zone, 'time_zone', 60, false);
    the_contract murallink.contract;
    the_trial murallink.trial;
    added murallink.site;
BEGIN
    IF create_site.trial_uid IS NULL THEN
        SELECT * INTO the_contract FROM murallink.contract WHERE uid = murallink.required(create_site.contract_uid, 'contract_uid');
        caller := murallink.permit('create_site', the_contract.client_uid, the_contract.uid, NULL, NULL, 'contract_uid');
    ELSE
        SELECT * INTO the_trial FROM murallink.trial WHERE uid = create_site.trial_uid;
        caller := murallink.permit('create_site', the_trial.client_uid, the_trial.contract_uid, the_trial.uid, NULL, 'trial_uid');
        IF create_site.contract_uid <> the_trial.contract_uid THEN
            PERFORM murallink.raise('invalid_value', 'contract_uid');
        END IF;
        SELECT * INTO the_contract FROM murallink.contract WHERE uid = the_trial.contract_uid;
    END IF;
    IF zone <> '' AND NOT EXISTS (SELECT FROM pg_catalog.pg_timezone_names z WHERE z.name = zone) THEN
        PERFORM murallink.raise('invalid_value', 'time_zone');
    END IF;
    INSERT INTO murallink.site (client_uid, contract_uid, name, time_zone)
    VALUES (the_contract.client_uid, the_contract.uid, murallink.checked_text(create_site.name, 'name', 200, true), zone)
    RETURNING * INTO added;
    IF the_trial.uid IS NOT NULL THEN
        PERFORM murallink.associate_site(the_trial.uid, added.uid);
    END IF;
    RETURN ROW(added.uid, added.name, added.contract_uid);
END
$$;
COMMENT ON FUNCTION murallink.create_site(text, murallink.ksuid, murallink.ksuid, text) IS
'Adds a site to a contract (document: Create Site). trial_uid or contract_uid is required; with trial_uid the site takes part in that trial at once. time_zone: a name of the tz database. Needs create_site on the contract or on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink.add_trial_site(trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL)
RETURNS murallink.trial_site_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    caller murallink.ksuid := murallink.require_caller();
    the_trial murallink.trial;
    the_site murallink.site;
BEGIN
    SELECT * INTO the_trial FROM murallink.trial WHERE uid = murallink.required(add_trial_site.trial_uid, 'trial_uid');
    caller := murallink.permit('add_trial_site', the_trial.client_uid, the_trial.contract_uid, the_trial.uid, NULL, 'trial_uid');
    SELECT * INTO the_site FROM murallink.site WHERE uid = murallink.required(add_trial_site.site_uid, 'site_uid');
    caller := murallink.permit('add_trial_site', the_site.client_uid, the_site.contract_uid, NULL, the_site.uid, 'site_uid');
    RETURN ROW(murallink.associate_site(the_trial.uid, the_site.uid), the_site.uid, the_trial.uid, NULL::murallink.site_name, NULL::murallink.trial_info);
END
$$;
COMMENT ON FUNCTION murallink.add_trial_site(murallink.ksuid, murallink.ksuid) IS
'Associates a site with a trial, also one of another contract (document: Add Trial Site). Needs add_trial_site on both. Errors: unauthenticated, forbidden, not_found, missing_field, already_exists.';

CREATE FUNCTION murallink.resource(
    resource_uid murallink.ksuid, OUT kind text, OUT name text, OUT client_uid murallink.ksuid, OUT contract_uid murallink.ksuid,
    OUT trial_uid murallink.ksuid, OUT site_uid murallink.ksuid)
LANGUAGE sql STABLE AS $$
    SELECT 'client', name, uid, NULL::murallink.ksuid, NULL::murallink.ksuid, NULL::murallink.ksuid
    FROM murallink.client WHERE uid = resource_uid
    UNION ALL SELECT 'contract', name, client_uid, uid, NULL, NULL FROM murallink.contract WHERE uid = resource_uid
    UNION ALL SELECT 'trial', name, client_uid, contract_uid, uid, NULL FROM murallink.trial WHERE uid = resource_uid
    UNION ALL SELECT 'site', name, client_uid, contract_uid, NULL, uid FROM murallink.site WHERE uid = resource_uid
    UNION ALL SELECT 'trial_site', t.name || ' at ' || s.name, a.client_uid, a.contract_uid, a.trial_uid, a.site_uid
    FROM murallink.trial_site a JOIN murallink.trial t ON t.uid = a.trial_uid JOIN murallink.site s ON s.uid = a.site_uid
    WHERE a.uid = resource_uid
$$;
COMMENT ON FUNCTION murallink.resource(murallink.ksuid) IS
'The client, contract, trial, site or trial at a site with a uid, and where it stands; nulls when there is none.';

CREATE FUNCTION murallink.trial_visible(trial_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink.trial t WHERE t.uid = $1 AND murallink.visible(t.client_uid, t.contract_uid, t.uid, NULL))
    OR EXISTS (
        SELECT FROM murallink.trial_site s
        WHERE s.trial_uid = $1 AND murallink.visible(s.client_uid, s.contract_uid, s.trial_uid, s.site_uid))
$$;
COMMENT ON FUNCTION murallink.trial_visible(murallink.ksuid) IS
'Whether the caller holds any permission at a trial, or at it at one of its sites, and so may know that it exists.';

CREATE FUNCTION murallink.site_visible(site_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink.site s WHERE s.uid = $1 AND murallink.visible(s.client_uid, s.contract_uid, NULL, s.uid))
    OR EXISTS (
        SELECT FROM murallink.trial_site s
        WHERE s.site_uid = $1 AND murallink.visible(s.client_uid, s.contract_uid, s.trial_uid, s.site_uid))
$$;
COMMENT ON FUNCTION murallink.site_visible(murallink.ksuid) IS
'Whether the caller holds any permission at a site, or at one of its trials there, and so may know that it exists.';

CREATE FUNCTION murallink.trial_at_site(trial_uid murallink.ksuid, site_uid murallink.ksuid, permission murallink.permission)
RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    caller murallink.ksuid := murallink.require_caller();
    place murallink.trial_site;
BEGIN
    SELECT * INTO place FROM murallink.trial_site
    WHERE trial_uid = murallink.required(trial_at_site.trial_uid, 'trial_uid')
    AND site_uid = murallink.required(trial_at_site.site_uid, 'site_uid');
    IF FOUND THEN
        caller := murallink.permit(permission, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, 'trial_uid');
        RETURN place.uid;
    ELSIF NOT murallink.trial_visible(trial_at_site.trial_uid) THEN
        PERFORM murallink.raise('not_found', 'trial_uid');
    ELSIF NOT murallink.site_visible(trial_at_site.site_uid) THEN
        PERFORM murallink.raise('not_found', 'site_uid');
    END IF;
    PERFORM murallink.raise('not_associated', 'site_uid');
END
$$;
COMMENT ON FUNCTION murallink.trial_at_site(murallink.ksuid, murallink.ksuid, murallink.permission) IS
'The uid of a trial at a site, where the caller holds the permission. Errors: unauthenticated, missing_field, forbidden, not_found, not_associated.';
