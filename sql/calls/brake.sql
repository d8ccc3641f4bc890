-- The switch for all payouts, which a copy of the database does not share, and holds of some of them.

CREATE FUNCTION murallink_private.payout_place() RETURNS text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'payout_place';
COMMENT ON FUNCTION murallink_private.payout_place() IS
'The identity of this cluster, its timeline and data directory, and this database with its tables. No copy has the same value.';

CREATE FUNCTION murallink_private.payouts_state() RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((
        SELECT CASE WHEN NOT s.enabled THEN 'off' WHEN s.place = murallink_private.payout_place() THEN 'on' ELSE 'elsewhere' END
        FROM murallink_private.payout_switch s), 'off');
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_state() IS
'Whether payouts are enabled: on; off; elsewhere: enabled in the database of which this one is a copy, so not here.';

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
'The open transactions that hold payouts, configure a partner or disable payouts. Nothing is claimed until they end. pid: null for a prepared transaction.';
