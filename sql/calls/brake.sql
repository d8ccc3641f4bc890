-- What stops all payouts, or some: the switch, which no copy of the database shares, and holds.

CREATE FUNCTION murallink_private.payout_place() RETURNS text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'payout_place';
COMMENT ON FUNCTION murallink_private.payout_place() IS
'This cluster, its timeline and data directory, and this database with its tables: together, no copy of them has it.';

CREATE FUNCTION murallink_private.payouts_state() RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((
        SELECT CASE WHEN NOT s.enabled THEN 'off' WHEN s.place = murallink_private.payout_place() THEN 'on' ELSE 'elsewhere' END
        FROM murallink_private.payout_switch s), 'off');
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_state() IS
'on; off; elsewhere: on where this database was copied from, and so off here.';

CREATE FUNCTION murallink_private.brake_holders(OUT pid integer, OUT virtualtransaction text) RETURNS SETOF record
LANGUAGE sql VOLATILE AS $$
    SELECT l.pid, l.virtualtransaction
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
    WHERE l.locktype = 'relation' AND l.granted AND d.datname = pg_catalog.current_database() AND l.mode <> 'AccessShareLock' AND (
        l.relation IN ('murallink_private.partner'::pg_catalog.regclass, 'murallink_private.payout_hold'::pg_catalog.regclass)
            AND l.mode NOT IN ('RowShareLock', 'ShareLock')
        OR l.relation = 'murallink_private.payout_switch'::pg_catalog.regclass AND l.mode IN ('ExclusiveLock', 'AccessExclusiveLock'))
$$;
COMMENT ON FUNCTION murallink_private.brake_holders() IS
'Whose transactions hold payouts, set up a partner or switch payouts off, and have not ended: until then nothing is claimed. pid: null where one was prepared.';
