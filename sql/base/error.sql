-- Errors with stable names, and checks of arguments that raise them.

CREATE FUNCTION murallink_private.raise(error text, field text DEFAULT NULL, hint text DEFAULT NULL) RETURNS void
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'error_raise';
COMMENT ON FUNCTION murallink_private.raise(text, text, text) IS
'Raises an error of murallink.errors(). error: its stable name; field: the field that it is about, shown in the detail; hint: what to do about it here, where the error''s own hint does not fit.';

CREATE FUNCTION murallink.errors(OUT name text, OUT sqlstate text, OUT http_status integer, OUT message text, OUT hint text)
RETURNS SETOF record LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 42 AS 'MODULE_PATHNAME', 'error_list';
COMMENT ON FUNCTION murallink.errors() IS
'All errors of murallink: stable name, SQLSTATE, HTTP status, message and hint.';

CREATE FUNCTION murallink_private.checked_text(value text, field text, longest integer, required boolean) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'error_checked_text_sql';
COMMENT ON FUNCTION murallink_private.checked_text(text, text, integer, boolean) IS
'The value without white space at its ends, empty for null. field: its name in errors; longest: in characters; required: whether an empty value is refused. Errors: missing_field, too_long, invalid_value (control characters).';

CREATE FUNCTION murallink_private.required(value anyelement, field text) RETURNS anyelement
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'error_required';
COMMENT ON FUNCTION murallink_private.required(anyelement, text) IS 'The value itself. field: its name in the error. Errors: missing_field when it is null.';

CREATE FUNCTION murallink_private.checked_date(value date, field text) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF value NOT BETWEEN '0001-01-01' AND '9999-12-31' THEN
        PERFORM murallink_private.raise('invalid_value', field, 'Years are 1 to 9999.');
    END IF;
    RETURN value;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_date(date, text) IS 'The date itself, or null. field: its name in the error. Errors: invalid_value outside of the years 1 to 9999.';
