-- Time that has passed by a clock that nobody sets.

CREATE TYPE murallink.server_moment AS (run bigint, seconds double precision);
COMMENT ON TYPE murallink.server_moment IS
'A moment by a clock that nobody sets: in seconds, which count in one run of the server only, from its start to its end.';

CREATE FUNCTION murallink.server_moment() RETURNS murallink.server_moment
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'clock_server_moment';
COMMENT ON FUNCTION murallink.server_moment() IS 'The present moment.';

CREATE FUNCTION murallink.seconds_since(earlier murallink.server_moment) RETURNS double precision
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE n.run WHEN earlier.run THEN n.seconds - earlier.seconds END FROM murallink.server_moment() n
$$;
COMMENT ON FUNCTION murallink.seconds_since(murallink.server_moment) IS
'How many seconds have surely passed since a moment; null where it is of another run of the server, and nobody knows.';
