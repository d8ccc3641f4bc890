-- Labels, names and lines of text: what may be in them, and how they are compared.

CREATE FUNCTION murallink_private.label(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'text_label';
COMMENT ON FUNCTION murallink_private.label(text) IS
'A text that names something as it is kept: in NFC, one blank for each run of blanks, none at the ends.';

CREATE FUNCTION murallink_private.label_key(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'text_label_key';
COMMENT ON FUNCTION murallink_private.label_key(text) IS
'The same of all texts that name one thing: those that differ by case, by the width of letters, by blanks, or by the sign of an apostrophe, a quotation mark or a hyphen alone. As Unicode has it (NFKC_Casefold), whatever the locale.';

CREATE FUNCTION murallink_private.words(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'text_words';
COMMENT ON FUNCTION murallink_private.words(text) IS
'The words of a text as label_key() has them, with the digits of ASCII for those of other scripts, and one blank in place of all that is no letter and no digit.';

CREATE FUNCTION murallink_private.is_label(value text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'text_is_label';
COMMENT ON FUNCTION murallink_private.is_label(text) IS
'Whether a text can name something: it is as label() makes it, it can be seen, and it has no character that cannot be seen.';

CREATE FUNCTION murallink_private.is_visible(value text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'text_is_visible_sql';
COMMENT ON FUNCTION murallink_private.is_visible(text) IS 'Whether a text has a letter, a digit or a sign that can be seen.';

CREATE FUNCTION murallink_private.is_name(value text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'text_is_name';
COMMENT ON FUNCTION murallink_private.is_name(text) IS
'Whether a text can be the name of a person: it can be seen, in one line that nothing turns around.';

CREATE FUNCTION murallink_private.lowered(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.lower(value COLLATE "C");
COMMENT ON FUNCTION murallink_private.lowered(text) IS 'The value with the letters of ASCII in lower case and all others as they are, whatever the locale.';

CREATE FUNCTION murallink_private.checked_label(value text, field text, longest integer, required boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result CONSTANT text := murallink_private.label(murallink_private.checked_text(value, field, longest, required));
BEGIN
    IF result <> '' AND NOT murallink_private.is_label(result) THEN
        PERFORM murallink_private.raise('invalid_value', field, 'It is one line of characters that can be seen.');
    ELSIF result = '' AND required THEN
        PERFORM murallink_private.raise('missing_field', field);
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_label(text, text, integer, boolean) IS
'The value as label() keeps it, empty for null. field: its name in errors; longest: in characters; required: whether an empty value is refused. Errors: missing_field, too_long, invalid_value (invisible characters).';

CREATE FUNCTION murallink_private.checked_name(value text, field text, required boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result CONSTANT text := murallink_private.checked_text(value, field, 100, required);
BEGIN
    IF murallink_private.is_name(result) THEN
        RETURN murallink_private.label(result);
    ELSIF murallink_private.is_visible(result) THEN
        PERFORM murallink_private.raise('invalid_value', field, 'A name is one line, without characters that turn its direction.');
    ELSIF required OR value IS NULL THEN
        PERFORM murallink_private.raise('missing_field', field);
    END IF;
    RETURN '';
END
$$;
COMMENT ON FUNCTION murallink_private.checked_name(text, text, boolean) IS
'A first or last name of a person as label() keeps it, empty where nothing of it can be seen. field: its name in errors; required: whether it may not be empty. Errors: missing_field (also for null), too_long, invalid_value (more than one line, or one that is turned around).';

CREATE FUNCTION murallink_private.checked_line(value text, field text, longest integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result CONSTANT text := murallink_private.label(murallink_private.checked_text(value, field, longest, false));
BEGIN
    IF result <> '' AND NOT murallink_private.is_name(result) THEN
        PERFORM murallink_private.raise('invalid_value', field, 'It is one line of characters that can be seen, and none that turns its direction.');
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_line(text, text, integer) IS
'The value as label() keeps it, so in one line, empty for null. field: its name in errors; longest: in characters. Errors: too_long, invalid_value (invisible characters, or characters that change the direction).';
