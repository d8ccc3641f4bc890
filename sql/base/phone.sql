-- Phone numbers: the check, and how they are written for those who dial.

CREATE FUNCTION murallink_private.phone_number(phone text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'phone_number_sql';
COMMENT ON FUNCTION murallink_private.phone_number(text) IS
'The number that a text means, in E.164, such as +16105551212: one without a country is North American. Null where that is not clear: letters, an extension, too many or too few digits, or digits in groups that are no North American number''s.';

CREATE FUNCTION murallink_private.phone_dialled(phone text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'phone_dialled_sql';
COMMENT ON FUNCTION murallink_private.phone_dialled(text) IS
'The same for a partner in whatever country: where the text does not say the country its digits alone.';

CREATE FUNCTION murallink_private.phone_north_american(phone text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.substring(murallink_private.phone_number(phone), '^\+1(\d{10})$');
COMMENT ON FUNCTION murallink_private.phone_north_american(text) IS
'The ten digits of the North American number in a text, for partners that reach no others; null if it has no such number.';

CREATE FUNCTION murallink_private.phone_or_digits(phone text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN coalesce(murallink_private.phone_number(phone), pg_catalog.regexp_replace(phone COLLATE "C", '\D', '', 'g'));
COMMENT ON FUNCTION murallink_private.phone_or_digits(text) IS
'The number in a text, or else its digits: for comparing with a partner''s data, never for sending.';
