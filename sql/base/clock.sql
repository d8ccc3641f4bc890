-- Time that has passed by a clock that nobody sets, and the order of what is told apart by its time.

CREATE TYPE murallink.server_moment AS (run bigint, seconds double precision);
COMMENT ON TYPE murallink.server_moment IS
'A time on a clock that nobody can set: in seconds, comparable only within one run of the server.';

CREATE FUNCTION murallink_private.server_moment() RETURNS murallink.server_moment
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'clock_server_moment';
COMMENT ON FUNCTION murallink_private.server_moment() IS 'The current time on that clock.';

CREATE FUNCTION murallink_private.seconds_since(earlier murallink.server_moment) RETURNS double precision
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE n.run WHEN earlier.run THEN n.seconds - earlier.seconds END FROM murallink_private.server_moment() n
$$;
COMMENT ON FUNCTION murallink_private.seconds_since(murallink.server_moment) IS
'The number of seconds that have certainly passed since a moment; null if the moment is of another run of the server.';

CREATE FUNCTION murallink_private.moment_after(moment timestamptz, last timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE
RETURN GREATEST(moment, last OPERATOR(pg_catalog.+) interval '1 microsecond');
COMMENT ON FUNCTION murallink_private.moment_after(timestamptz, timestamptz) IS
'The moment of something of which the latest counts: now, but in any case just after the last one, which may be later than now if the clock was set back. last: null if there is none.';
