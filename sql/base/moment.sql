-- Dates and times as arguments. PostgreSQL reads its own types by the session's TimeZone and DateStyle; these are read as in
-- the JSON protocol, also in SQL.

CREATE TYPE murallink.day;

CREATE FUNCTION murallink.day_in(cstring) RETURNS murallink.day
AS 'MODULE_PATHNAME', 'day_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.day_in(cstring) IS
'Reads a date, yyyy-mm-dd (or its start in UTC, as answers show it); an empty text is no day. Errors: invalid_value.';

CREATE FUNCTION murallink.day_out(murallink.day) RETURNS cstring
AS 'MODULE_PATHNAME', 'day_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.day_out(murallink.day) IS 'The date as yyyy-mm-dd.';

CREATE TYPE murallink.day (INPUT = murallink.day_in, OUTPUT = murallink.day_out, LIKE = pg_catalog.date);
COMMENT ON TYPE murallink.day IS
'A date as an argument: yyyy-mm-dd, whatever DateStyle says, or a value of type date. An empty text counts as absent.';

CREATE FUNCTION murallink.day_date(murallink.day) RETURNS date
AS 'MODULE_PATHNAME', 'day_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.day_date(murallink.day) IS 'The date, null for none.';

CREATE CAST (murallink.day AS date) WITH FUNCTION murallink.day_date(murallink.day) AS IMPLICIT;
CREATE CAST (date AS murallink.day) WITHOUT FUNCTION AS IMPLICIT;

CREATE TYPE murallink.moment;

CREATE FUNCTION murallink.moment_in(cstring) RETURNS murallink.moment
AS 'MODULE_PATHNAME', 'moment_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.moment_in(cstring) IS
'Reads a time as RFC 3339 writes it, without an offset as UTC; a date means its start in UTC, an empty text is null. Decimals beyond the microsecond are cut off. Errors: invalid_value.';

CREATE FUNCTION murallink.moment_out(murallink.moment) RETURNS cstring
AS 'MODULE_PATHNAME', 'moment_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.moment_out(murallink.moment) IS 'The time in UTC.';

CREATE TYPE murallink.moment (INPUT = murallink.moment_in, OUTPUT = murallink.moment_out, LIKE = pg_catalog.timestamptz);
COMMENT ON TYPE murallink.moment IS
'A time as an argument: as RFC 3339 writes it, or a date, which means its start in UTC, whatever TimeZone and DateStyle say; or a value of type timestamptz or date. An empty text counts as absent.';

CREATE FUNCTION murallink.moment_timestamptz(murallink.moment) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'moment_timestamptz' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.moment_timestamptz(murallink.moment) IS 'The time, null for none.';

CREATE FUNCTION murallink.moment_of_date(date) RETURNS murallink.moment
AS 'MODULE_PATHNAME', 'moment_of_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.moment_of_date(date) IS 'The start of a date in UTC.';

CREATE CAST (murallink.moment AS timestamptz) WITH FUNCTION murallink.moment_timestamptz(murallink.moment) AS IMPLICIT;
CREATE CAST (timestamptz AS murallink.moment) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (date AS murallink.moment) WITH FUNCTION murallink.moment_of_date(date) AS IMPLICIT;

CREATE DOMAIN murallink.optional_moment AS timestamptz;
COMMENT ON DOMAIN murallink.optional_moment IS 'A time that the JSON protocol leaves out where there is none.';

CREATE FUNCTION murallink_private.row_value(given jsonb, field text, INOUT value anyelement)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    hint text;
BEGIN
    value := given ->> field;
EXCEPTION WHEN SQLSTATE 'PT400' THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    PERFORM murallink_private.raise('invalid_value', field, hint);
END
$$;
COMMENT ON FUNCTION murallink_private.row_value(jsonb, text, anyelement) IS
'A date or a time in a row of a table, null if there is none. value: NULL::murallink.day or NULL::murallink.moment. Errors: invalid_value.';
