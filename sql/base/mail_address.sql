-- E-mail addresses: the check, and how one is written.

CREATE FUNCTION murallink_private.mail_address(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mail_address_sql';
COMMENT ON FUNCTION murallink_private.mail_address(text) IS
'An e-mail address in its stored form: in lower case, with an international domain as xn--. Null if no mail can be sent to it: quoted, with a comment, at an IP address, or with letters outside ASCII before the @.';

CREATE FUNCTION murallink_private.is_mail_address(value text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mail_address_is';
COMMENT ON FUNCTION murallink_private.is_mail_address(text) IS 'Whether mail can be sent to an address, and it is as mail_address() makes it.';

CREATE FUNCTION murallink_private.checked_email(email text, field text, required boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entered CONSTANT text := murallink_private.checked_text(email, field, 254, required);
    result CONSTANT text := murallink_private.mail_address(entered);
BEGIN
    IF result IS NULL AND entered <> '' THEN
        PERFORM murallink_private.raise('invalid_email', field);
    END IF;
    RETURN coalesce(result, '');
END
$$;
COMMENT ON FUNCTION murallink_private.checked_email(text, text, boolean) IS
'The e-mail address as mail_address() keeps it, empty for null. Errors: missing_field, too_long, invalid_email, invalid_value.';
