-- The switch, which enables payouts in one place only, and holds.

CREATE TABLE murallink_private.payout_switch (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    only_row boolean NOT NULL UNIQUE DEFAULT true CHECK (only_row),
    enabled boolean NOT NULL DEFAULT false,
    place text NOT NULL
);
COMMENT ON TABLE murallink_private.payout_switch IS
'Whether the worker may pay out, and in which place, so that a copy of the database does not pay.';
COMMENT ON COLUMN murallink_private.payout_switch.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payout_switch.only_row IS 'Keeps this to one row.';
COMMENT ON COLUMN murallink_private.payout_switch.enabled IS 'Whether payouts are enabled.';
COMMENT ON COLUMN murallink_private.payout_switch.place IS
'The place for which payouts were enabled last, initially that of install(): see payout_place().';
INSERT INTO murallink_private.payout_switch (place) VALUES (murallink_private.payout_place());
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.payout_switch
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();

CREATE TABLE murallink_private.payout_hold (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    subject_uid murallink.ksuid NOT NULL UNIQUE,
    note text NOT NULL,
    held_by name NOT NULL DEFAULT coalesce(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER),
    held_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.payout_hold IS 'The holds of hold_payouts().';
COMMENT ON COLUMN murallink_private.payout_hold.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payout_hold.subject_uid IS 'The payout, contract or partner that is held.';
COMMENT ON COLUMN murallink_private.payout_hold.note IS 'Why.';
COMMENT ON COLUMN murallink_private.payout_hold.held_by IS 'The PostgreSQL role that called hold_payouts(): the one of SET ROLE, else the login role.';
COMMENT ON COLUMN murallink_private.payout_hold.held_at IS 'When.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.payout_hold
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('values');
