-- The accounts of payees: what is asked for each payment type, how it is sealed, and what is shown of it.

CREATE FUNCTION murallink_private.is_routing_number(number text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'payout_account_is_routing_number';
COMMENT ON FUNCTION murallink_private.is_routing_number(text) IS
'Whether nine digits are a routing number of the American Bankers Association, with the right check digit.';

CREATE FUNCTION murallink_private.is_iban(iban text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'payout_account_is_iban';
COMMENT ON FUNCTION murallink_private.is_iban(text) IS
'Whether a text is an IBAN, in capitals without blanks: with the length that its country has, and the right check digits.';

CREATE FUNCTION murallink_private.is_bic(bic text, iban text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'payout_account_is_bic';
COMMENT ON FUNCTION murallink_private.is_bic(text, text) IS
'Whether a text is a BIC, in capitals, of the country of an IBAN, or of one whose banks have IBANs of that country.';

CREATE FUNCTION murallink_private.account_field(account jsonb, field text, required boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF pg_catalog.jsonb_typeof(account -> field) NOT IN ('string', 'null') THEN
        PERFORM murallink_private.raise('wrong_type', 'account.' || field);
    END IF;
    RETURN murallink_private.checked_text(account ->> field, 'account.' || field, 200, required);
END
$$;
COMMENT ON FUNCTION murallink_private.account_field(jsonb, text, boolean) IS
'A field of an account, empty where it is absent. Errors: missing_field, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink_private.account_known(account jsonb, fields text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    key text;
BEGIN
    FOR key IN SELECT k FROM pg_catalog.jsonb_object_keys(account) k WHERE k <> ALL (fields) LOOP
        -- A key can be a value by mistake, so it is not repeated.
        PERFORM murallink_private.raise('unknown_key', 'account', pg_catalog.format(
            'The account of this payment type has %s.', pg_catalog.array_to_string(fields, ', ')));
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.account_known(jsonb, text[]) IS 'Refuses an account that has other keys than these. Errors: unknown_key.';

CREATE FUNCTION murallink_private.email_masked(email text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.regexp_replace(email, '^(.)[^@]*', '\1***');
COMMENT ON FUNCTION murallink_private.email_masked(text) IS 'An e-mail address of which only the first letter and the domain are shown.';

CREATE FUNCTION murallink_private.account_masked(number text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '***' || CASE WHEN pg_catalog.length(number) >= 8 THEN pg_catalog.right(number, 4)
    WHEN pg_catalog.length(number) >= 5 THEN pg_catalog.right(number, 2) ELSE '' END;
COMMENT ON FUNCTION murallink_private.account_masked(text) IS 'A number of which only the last four characters are shown, fewer of a short one.';

CREATE FUNCTION murallink_private.bank_account_checked(account jsonb, INOUT details jsonb, OUT shown text)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    routing CONSTANT text := pg_catalog.translate(murallink_private.account_field(account, 'routing_number', true), ' -', '');
    number text := pg_catalog.replace(murallink_private.account_field(account, 'account_number', true), ' ', '');
BEGIN
    number := pg_catalog.upper(number COLLATE "C");
    IF NOT murallink_private.is_routing_number(routing) THEN
        PERFORM murallink_private.raise('invalid_value', 'account.routing_number', 'Nine digits of a bank of the USA, the last one a check digit.');
    ELSIF number !~ '^[A-Z0-9-]{4,17}$' OR number !~ '[1-9A-Z]' THEN
        PERFORM murallink_private.raise('invalid_value', 'account.account_number', '4 to 17 digits, with letters and hyphens as the bank has them.');
    END IF;
    details := details || pg_catalog.jsonb_build_object('routing_number', routing, 'account_number', number);
    shown := murallink_private.account_masked(number);
END
$$;
COMMENT ON FUNCTION murallink_private.bank_account_checked(jsonb, jsonb) IS
'Details with the routing number and the account number of an account at a bank of the USA, and what is shown of it. Errors: missing_field, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink_private.wire_account_checked(account jsonb, OUT details jsonb, OUT shown text)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    iban text;
    bic text;
BEGIN
    IF NOT account ? 'iban' THEN
        PERFORM murallink_private.account_known(account, '{routing_number,account_number}');
        SELECT b.details, b.shown INTO details, shown FROM murallink_private.bank_account_checked(account, '{}') b;
        RETURN;
    END IF;
    PERFORM murallink_private.account_known(account, '{iban,bic}');
    iban := pg_catalog.replace(murallink_private.account_field(account, 'iban', true), ' ', '');
    iban := pg_catalog.upper(iban COLLATE "C");
    bic := murallink_private.account_field(account, 'bic', false);
    bic := pg_catalog.upper(bic COLLATE "C");
    IF NOT murallink_private.is_iban(iban) THEN
        PERFORM murallink_private.raise('invalid_value', 'account.iban', 'As long as the country has it, with the right check digits.');
    ELSIF bic <> '' AND NOT murallink_private.is_bic(bic, iban) THEN
        PERFORM murallink_private.raise('invalid_value', 'account.bic', '8 or 11 characters, of the country of the IBAN.');
    END IF;
    details := pg_catalog.jsonb_build_object('iban', iban)
        || CASE WHEN bic <> '' THEN pg_catalog.jsonb_build_object('bic', bic) ELSE '{}' END;
    shown := pg_catalog.left(iban, 2) || murallink_private.account_masked(iban);
END
$$;
COMMENT ON FUNCTION murallink_private.wire_account_checked(jsonb) IS
'The details of an account for transfers, an IBAN or one at a bank of the USA, and what is shown of it. Errors: unknown_key, missing_field, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink_private.venmo_account_checked(account jsonb, OUT details jsonb, OUT shown text)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    phone text;
    handle text;
BEGIN
    PERFORM murallink_private.account_known(account, '{phone,handle}');
    phone := murallink_private.account_field(account, 'phone', false);
    handle := pg_catalog.ltrim(murallink_private.account_field(account, 'handle', phone = ''), '@');
    IF phone <> '' AND handle <> '' THEN
        PERFORM murallink_private.raise('invalid_value', 'account.handle', 'Either a phone number or a handle.');
    ELSIF phone = '' AND handle !~ '^[A-Za-z0-9_-]{5,30}$' THEN
        PERFORM murallink_private.raise('invalid_value', 'account.handle', 'A handle of Venmo has 5 to 30 letters, digits, hyphens and underscores.');
    ELSIF phone <> '' AND murallink_private.phone_north_american(phone) IS NULL THEN
        PERFORM murallink_private.raise('invalid_value', 'account.phone', 'A mobile number in the USA.');
    END IF;
    phone := '+1' || murallink_private.phone_north_american(phone);
    details := CASE WHEN phone IS NULL THEN pg_catalog.jsonb_build_object('handle', handle) ELSE pg_catalog.jsonb_build_object('phone', phone) END;
    shown := CASE WHEN phone IS NULL THEN '@' || pg_catalog.left(handle, 1) || '***' ELSE murallink_private.account_masked(phone) END;
END
$$;
COMMENT ON FUNCTION murallink_private.venmo_account_checked(jsonb) IS
'The details of an account at Venmo, a phone number or a handle, and what is shown of it. Errors: unknown_key, missing_field, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink_private.postal_account_checked(account jsonb, OUT details jsonb, OUT shown text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    name text;
    place murallink.address;
    part text;
BEGIN
    PERFORM murallink_private.account_known(account, '{name,address}');
    name := murallink_private.checked_name(murallink_private.account_field(account, 'name', false), 'account.name', false);
    IF pg_catalog.jsonb_typeof(account -> 'address') = 'object' THEN
        PERFORM murallink_private.account_known(account -> 'address', '{street1,street2,city,state,post_code,uid,valid}');
    END IF;
    place := murallink_private.checked_address(account -> 'address', 'account.address');
    FOREACH part IN ARRAY '{street1,city,state,post_code}'::text[] LOOP
        IF coalesce(pg_catalog.to_jsonb(place) ->> part, '') = '' THEN
            PERFORM murallink_private.raise('missing_field', 'account.address.' || part);
        END IF;
    END LOOP;
    details := pg_catalog.jsonb_build_object('address', pg_catalog.to_jsonb(place) - '{uid,valid}'::text[])
        || CASE WHEN name <> '' THEN pg_catalog.jsonb_build_object('name', name) ELSE '{}' END;
    shown := '*** ' || place.city;
END
$$;
COMMENT ON FUNCTION murallink_private.postal_account_checked(jsonb) IS
'The name and the address to which checks are sent, and what is shown of it. Errors: unknown_key, missing_field, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink_private.account_checked(named text, account jsonb, OUT details jsonb, OUT shown text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    email text;
BEGIN
    IF pg_catalog.jsonb_typeof(account) <> 'object' THEN
        PERFORM murallink_private.raise('wrong_type', 'account');
    END IF;
    CASE named
        WHEN 'PayPal' THEN
            PERFORM murallink_private.account_known(account, '{email}');
            email := murallink_private.checked_email(murallink_private.account_field(account, 'email', true), 'account.email', true);
            IF pg_catalog.length(email) > 127 THEN
                PERFORM murallink_private.raise('too_long', 'account.email');
            END IF;
            details := pg_catalog.jsonb_build_object('email', email);
            shown := murallink_private.email_masked(email);
        WHEN 'Venmo' THEN
            SELECT c.details, c.shown INTO details, shown FROM murallink_private.venmo_account_checked(account) c;
        WHEN 'ACH' THEN
            PERFORM murallink_private.account_known(account, '{routing_number,account_number,kind}');
            IF murallink_private.account_field(account, 'kind', true) NOT IN ('checking', 'savings') THEN
                PERFORM murallink_private.raise('invalid_value', 'account.kind', 'checking or savings.');
            END IF;
            SELECT c.details, c.shown INTO details, shown FROM murallink_private.bank_account_checked(
                account, pg_catalog.jsonb_build_object('kind', murallink_private.account_field(account, 'kind', true))) c;
        WHEN 'wire' THEN
            SELECT c.details, c.shown INTO details, shown FROM murallink_private.wire_account_checked(account) c;
        WHEN 'check' THEN
            SELECT c.details, c.shown INTO details, shown FROM murallink_private.postal_account_checked(account) c;
        ELSE
            PERFORM murallink_private.raise('invalid_value', 'account', 'This payment type takes no account.');
    END CASE;
END
$$;
COMMENT ON FUNCTION murallink_private.account_checked(text, jsonb) IS
'The details of an account as they are kept, and what is shown of it. named: the name of the payment type, which says what the account has. No error repeats a value. Errors: wrong_type, unknown_key, missing_field, too_long, invalid_email, invalid_value.';

CREATE FUNCTION murallink_private.account_enter(
    payee_uid murallink.ksuid, type_uid murallink.ksuid, account jsonb, otherwise boolean
) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    named CONSTANT text := (SELECT t.name FROM murallink_private.payment_type t WHERE t.uid = type_uid);
    checked record;
    the_key murallink_private.payout_key;
    present murallink_private.payout_account;
    waits boolean;
    moment timestamptz;
    entered murallink.ksuid;
BEGIN
    SELECT c.details, c.shown INTO checked FROM murallink_private.account_checked(named, account) c;
    SELECT * INTO the_key FROM murallink_private.payout_key k WHERE k.retired_at IS NULL;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('no_key', 'account');
    END IF;
    LOOP
        SELECT * INTO present FROM murallink_private.payout_account a
        WHERE a.patient_uid = payee_uid AND a.payment_type_uid = type_uid AND a.ended_at IS NULL
        FOR UPDATE;
        IF murallink_private.seals(present.sealed, checked.details) THEN
            RETURN NULL;
        ELSIF EXISTS (
            SELECT FROM murallink_private.payout_account a
            WHERE a.patient_uid = payee_uid AND a.payment_type_uid = type_uid
                AND a.ended_reason ~ '^returned' AND murallink_private.seals(a.sealed, checked.details)) THEN
            PERFORM murallink_private.raise('invalid_value', 'account', 'A payment to this account was returned: enter another one.');
        END IF;
        UPDATE murallink_private.payout_account a SET ended_at = pg_catalog.clock_timestamp(), ended_reason = 'changed', cooling = false
        WHERE a.uid = present.uid;
        waits := otherwise OR EXISTS (
            SELECT FROM murallink_private.payout_account a
            WHERE a.patient_uid = payee_uid AND a.payment_type_uid = type_uid);
        moment := pg_catalog.clock_timestamp();
        INSERT INTO murallink_private.payout_account (
            patient_uid, payment_type_uid, sealed, key_uid, shown, entered_at, entered_by_uid, usable_from, cooling)
        VALUES (
            payee_uid, type_uid, murallink_private.sealed(the_key.public_key, checked.details), the_key.uid,
            checked.shown, moment, murallink_private.caller(), moment + CASE WHEN waits
                THEN pg_catalog.current_setting('murallink.account_cooling')::interval ELSE '0' END, waits)
        ON CONFLICT (patient_uid, payment_type_uid) WHERE ended_at IS NULL DO NOTHING RETURNING uid INTO entered;
        -- If another session has entered the first one meanwhile, that is the present one.
        EXIT WHEN FOUND;
    END LOOP;
    PERFORM murallink_private.audit_note('patient', payee_uid, 'changed', pg_catalog.jsonb_build_object(
        named || ' account', pg_catalog.jsonb_build_object('from', present.shown, 'to', checked.shown)));
    RETURN entered;
END
$$;
COMMENT ON FUNCTION murallink_private.account_enter(murallink.ksuid, murallink.ksuid, jsonb, boolean) IS
'Seals an account of a patient for a payment type, which takes the place of the earlier one, and returns it; null if it is the same account. otherwise: whether the patient has been paid in another way: then, or if it is a change, it waits for murallink.account_cooling. The same details are recognized only where murallink.key_file is. Errors: no_key, wrong_type, unknown_key, missing_field, too_long, invalid_email, invalid_value.';

CREATE FUNCTION murallink_private.account_shown(patient_uid murallink.ksuid, payment_type_uid murallink.ksuid) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT a.shown FROM murallink_private.payout_account a
    WHERE a.patient_uid = account_shown.patient_uid AND a.payment_type_uid = account_shown.payment_type_uid AND a.ended_at IS NULL
$$;
COMMENT ON FUNCTION murallink_private.account_shown(murallink.ksuid, murallink.ksuid) IS
'What is shown of the account of a patient for a payment type; null if there is none.';

CREATE FUNCTION murallink_private.account_to_pay(
    patient_uid murallink.ksuid, payment_type_uid murallink.ksuid, OUT account_uid murallink.ksuid, OUT reason text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    usable timestamptz;
BEGIN
    SELECT a.uid, a.usable_from INTO account_uid, usable FROM murallink_private.payout_account a
    WHERE a.patient_uid = account_to_pay.patient_uid AND a.payment_type_uid = account_to_pay.payment_type_uid AND a.ended_at IS NULL;
    reason := CASE WHEN account_uid IS NULL THEN 'no_account' WHEN usable > pg_catalog.clock_timestamp() THEN 'account_new' ELSE '' END;
END
$$;
COMMENT ON FUNCTION murallink_private.account_to_pay(murallink.ksuid, murallink.ksuid) IS
'The account of a patient for a payment type, and why it is not paid to now: no_account, account_new (it was changed a short time ago), or empty.';

CREATE TYPE murallink.payout_key_info AS (
    uid murallink.ksuid, public_key text, made_at timestamptz, retired_at timestamptz, accounts bigint, in_file boolean);
COMMENT ON TYPE murallink.payout_key_info IS
'A key to which accounts of payees are sealed. public_key: its public half, in base64; retired_at: null for the one that new accounts are sealed to; accounts: how many are sealed to it; in_file: whether murallink.key_file has its secret half here.';

CREATE FUNCTION murallink.payout_keys() RETURNS SETOF murallink.payout_key_info
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 5 AS $$
    SELECT k.uid, pg_catalog.encode(k.public_key, 'base64'), k.made_at, k.retired_at,
        (SELECT count(*) FROM murallink_private.payout_account a WHERE a.key_uid = k.uid),
        k.public_key IN (SELECT f FROM murallink_private.file_keys() f)
    FROM murallink_private.payout_key k ORDER BY k.made_at, k.uid
$$;
COMMENT ON FUNCTION murallink.payout_keys() IS
'The keys to which accounts of payees are or were sealed, oldest first. For operators.';

CREATE FUNCTION murallink.rotate_payout_key() RETURNS murallink.payout_key_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest CONSTANT bytea := (
        SELECT f.key FROM murallink_private.file_keys() WITH ORDINALITY AS f (key, n) ORDER BY f.n DESC LIMIT 1);
    answer murallink.payout_key_info;
BEGIN
    IF newest IS NULL THEN
        PERFORM murallink_private.raise('no_key', NULL, 'murallink.key_file has no key, or others than the user of the server may read it.');
    END IF;
    LOCK TABLE murallink_private.payout_key IN SHARE ROW EXCLUSIVE MODE;
    UPDATE murallink_private.payout_key k SET retired_at = pg_catalog.clock_timestamp()
    WHERE k.retired_at IS NULL AND k.public_key <> newest;
    INSERT INTO murallink_private.payout_key AS k (public_key) VALUES (newest)
    ON CONFLICT ON CONSTRAINT payout_key_public_key_key DO UPDATE SET retired_at = NULL;
    SELECT * INTO answer FROM murallink.payout_keys() i WHERE i.retired_at IS NULL;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.rotate_payout_key() IS
'Seals accounts of payees from now on to the last key of murallink.key_file. Earlier ones stay sealed to theirs until reseal_accounts(). For operators. Errors: no_key.';

CREATE FUNCTION murallink.reseal_accounts(most integer DEFAULT 1000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present murallink_private.payout_key;
BEGIN
    SELECT * INTO present FROM murallink_private.payout_key k WHERE k.retired_at IS NULL;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('no_key');
    END IF;
    WITH old AS (
        SELECT a.uid FROM murallink_private.payout_account a JOIN murallink_private.payout_key k ON k.uid = a.key_uid
        WHERE a.key_uid <> present.uid AND k.public_key IN (SELECT f FROM murallink_private.file_keys() f)
        ORDER BY a.uid LIMIT GREATEST(reseal_accounts.most, 0) FOR UPDATE OF a
    ), again AS MATERIALIZED (
        SELECT a.uid, murallink_private.sealed_again(a.sealed, present.public_key) AS sealed
        FROM old JOIN murallink_private.payout_account a USING (uid))
    UPDATE murallink_private.payout_account a SET sealed = g.sealed, key_uid = present.uid
    FROM again g WHERE a.uid = g.uid AND g.sealed IS NOT NULL;
    RETURN (SELECT count(*) FROM murallink_private.payout_account a WHERE a.key_uid <> present.uid);
END
$$;
COMMENT ON FUNCTION murallink.reseal_accounts(integer) IS
'Seals accounts of payees that are sealed to earlier keys to the present one, and returns how many are left; once there are none, the earlier keys can be removed from murallink.key_file. most: at most this many at once. For operators. Errors: no_key, invalid_value.';
