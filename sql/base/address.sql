-- Postal addresses; the domains of values that answers may omit; and arguments that change nothing.

CREATE DOMAIN murallink.optional_text AS text;
COMMENT ON DOMAIN murallink.optional_text IS 'Text that the JSON protocol omits if it is absent.';

CREATE DOMAIN murallink.optional_integer AS integer;
COMMENT ON DOMAIN murallink.optional_integer IS 'A number that the JSON protocol omits if it is absent.';

CREATE DOMAIN murallink.optional_uid AS murallink.ksuid;
COMMENT ON DOMAIN murallink.optional_uid IS 'A uid that the JSON protocol omits if it is absent.';

CREATE DOMAIN murallink.optional_date AS date;
COMMENT ON DOMAIN murallink.optional_date IS 'A date that the JSON protocol omits if it is absent.';

CREATE DOMAIN murallink.optional_boolean AS boolean;
COMMENT ON DOMAIN murallink.optional_boolean IS 'Whether something is so, which the JSON protocol omits if it is absent.';

CREATE DOMAIN murallink.optional_number AS numeric;
COMMENT ON DOMAIN murallink.optional_number IS 'A number that the JSON protocol omits if it is absent.';

CREATE DOMAIN murallink.read_only AS jsonb;
COMMENT ON DOMAIN murallink.read_only IS
'An argument that clients send back as they received it. It changes nothing; a value that differs from the stored one is refused where this matters.';

CREATE FUNCTION murallink_private.unchanged(given murallink.read_only, stored text[], field text) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF given #>> '{}' <> '' AND (given #>> '{}' = ANY (stored)) IS NOT TRUE THEN
        PERFORM murallink_private.raise('invalid_value', field, 'This cannot be changed here: send it as it was received, or leave it out.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.unchanged(murallink.read_only, text[], text) IS
'Refuses a read-only argument that differs from the stored value, because the client expects a change that is not made. stored: the allowed values. Absent, null and empty are allowed. field: named in errors. Errors: invalid_value.';

CREATE TYPE murallink.address AS (
    uid murallink.optional_uid,
    street1 murallink.optional_text,
    street2 murallink.optional_text,
    city murallink.optional_text,
    state murallink.optional_text,
    post_code murallink.optional_text,
    valid boolean
);
COMMENT ON TYPE murallink.address IS 'A postal address. valid: whether a postal service has confirmed it.';

CREATE FUNCTION murallink_private.checked_address(address jsonb, field text DEFAULT 'address') RETURNS murallink.address
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    key text;
    part jsonb;
    part_field text;
    result murallink.address;
BEGIN
    IF address IS NULL OR address = 'null' THEN
        RETURN NULL;
    END IF;
    IF pg_catalog.jsonb_typeof(address) <> 'object' THEN
        PERFORM murallink_private.raise('wrong_type', field);
    END IF;
    FOR key, part IN SELECT * FROM pg_catalog.jsonb_each(address) LOOP
        part_field := field || '.' || key;
        CONTINUE WHEN key IN ('uid', 'valid');
        IF key NOT IN ('street1', 'street2', 'city', 'state', 'post_code') THEN
            PERFORM murallink_private.raise('unknown_key', part_field);
        ELSIF pg_catalog.jsonb_typeof(part) NOT IN ('string', 'null') THEN
            PERFORM murallink_private.raise('wrong_type', part_field);
        END IF;
    END LOOP;
    result := ROW(
        murallink.gen_ksuid(),
        murallink_private.checked_line(address ->> 'street1', field || '.street1', 200),
        murallink_private.checked_line(address ->> 'street2', field || '.street2', 200),
        murallink_private.checked_line(address ->> 'city', field || '.city', 200),
        murallink_private.checked_line(address ->> 'state', field || '.state', 200),
        murallink_private.checked_line(address ->> 'post_code', field || '.post_code', 200),
        false);
    IF pg_catalog.concat(result.street1, result.street2, result.city, result.state, result.post_code) = '' THEN
        RETURN NULL;
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_address(jsonb, text) IS
'The address in a JSON object with street1, street2, city, state and post_code, each one line of at most 200 characters; uid and valid are read-only. Null where all is empty. Errors: wrong_type, unknown_key, too_long, invalid_value.';

CREATE FUNCTION murallink_private.changed_address(address murallink.address, changes jsonb, field text DEFAULT 'address')
RETURNS murallink.address
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result murallink.address;
BEGIN
    IF changes IS NULL OR changes = 'null' THEN
        RETURN address;
    END IF;
    -- Check the types before merging.
    PERFORM murallink_private.checked_address(changes, field);
    result := murallink_private.checked_address(coalesce(pg_catalog.to_jsonb(address), '{}') || changes, field);
    IF address IS NOT DISTINCT FROM NULL OR result IS NOT DISTINCT FROM NULL THEN
        RETURN result;
    END IF;
    result.uid := address.uid;
    result.valid := (result.street1, result.street2, result.city, result.state, result.post_code)
        IS NOT DISTINCT FROM (address.street1, address.street2, address.city, address.state, address.post_code)
        AND address.valid;
    RETURN result;
END
$$;
COMMENT ON FUNCTION murallink_private.changed_address(murallink.address, jsonb, text) IS
'The address with the changes in a JSON object, as checked_address() takes it: parts that the object does not have stay. The uid stays; a changed address is no longer valid. Errors: wrong_type, unknown_key, too_long, invalid_value.';

CREATE FUNCTION murallink_private.address_text(address murallink.address) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.concat_ws(', ', NULLIF((address).street1, ''), NULLIF((address).street2, ''), NULLIF((address).city, ''),
    NULLIF((address).state, ''), NULLIF((address).post_code, ''));
COMMENT ON FUNCTION murallink_private.address_text(murallink.address) IS 'An address in one line.';
