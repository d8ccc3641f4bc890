-- Holds, and changes of the way by which payouts go.

CREATE TABLE murallink_private.payout_hold (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    subject_uid murallink.ksuid NOT NULL UNIQUE,
    note text NOT NULL,
    held_by name NOT NULL DEFAULT coalesce(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER),
    held_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.payout_hold IS 'What is held by hold_payouts().';
COMMENT ON COLUMN murallink_private.payout_hold.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payout_hold.subject_uid IS 'The payout, contract or partner.';
COMMENT ON COLUMN murallink_private.payout_hold.note IS 'Why.';
COMMENT ON COLUMN murallink_private.payout_hold.held_by IS 'The PostgreSQL login role that held it.';
COMMENT ON COLUMN murallink_private.payout_hold.held_at IS 'When.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.payout_hold
    FOR EACH ROW EXECUTE FUNCTION murallink.audit_record('values');

CREATE TABLE murallink_private.route_change (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    subject_uid murallink.ksuid NOT NULL,
    running_below xid8
);
COMMENT ON TABLE murallink_private.route_change IS
'Where a hold or a partner has changed: transactions that ran then may have missed it, so that what they have approved is looked at when they have ended.';
COMMENT ON COLUMN murallink_private.route_change.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.route_change.subject_uid IS 'The payout, contract or partner.';
COMMENT ON COLUMN murallink_private.route_change.running_below IS
'All transactions that may have missed it are below; null until the worker has seen the change.';

CREATE TRIGGER route BEFORE INSERT OR UPDATE ON murallink.payout
    FOR EACH ROW WHEN (NEW.status = 'waiting') EXECUTE FUNCTION murallink.payout_route();
CREATE TRIGGER release AFTER UPDATE OF status ON murallink_private.card
    FOR EACH ROW WHEN ((NEW.status, NEW.reason) <> (OLD.status, OLD.reason) AND NEW.status <> 'claimed')
    EXECUTE FUNCTION murallink.card_release();
CREATE TRIGGER reroute AFTER INSERT OR UPDATE ON murallink_private.partner
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_reroute();
CREATE TRIGGER reroute AFTER UPDATE OF payment_type_uid ON murallink.enrollment
    FOR EACH ROW WHEN (NEW.payment_type_uid IS DISTINCT FROM OLD.payment_type_uid)
    EXECUTE FUNCTION murallink.enrollment_reroute();
CREATE TRIGGER reroute AFTER UPDATE OF default_payment_type_uid ON murallink.contract
    FOR EACH ROW WHEN (NEW.default_payment_type_uid IS DISTINCT FROM OLD.default_payment_type_uid)
    EXECUTE FUNCTION murallink.contract_reroute();
-- After reroute, which locks the payments before the partners.
CREATE TRIGGER wants_card AFTER INSERT OR UPDATE OF status, payment_type_uid ON murallink.enrollment
    FOR EACH ROW WHEN (NEW.status = 'enrolled') EXECUTE FUNCTION murallink.enrollment_card();
CREATE TRIGGER wants_cards AFTER UPDATE OF order_cards, default_payment_type_uid ON murallink.contract
    FOR EACH ROW WHEN (NEW.order_cards = 'enrollment') EXECUTE FUNCTION murallink.contract_cards();
CREATE TRIGGER reroute AFTER UPDATE OF email, phone ON murallink.patient
    FOR EACH ROW EXECUTE FUNCTION murallink.patient_reroute();
