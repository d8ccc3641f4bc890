-- Shipments of cards, Dash's lists, and the functions of its calls.

CREATE TABLE murallink_private.card_shipment (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    card_uid murallink.ksuid NOT NULL UNIQUE REFERENCES murallink_private.card,
    status text NOT NULL,
    carrier text NOT NULL,
    tracking_number text NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.card_shipment IS 'The shipments of physical cards, by all of Dash''s events.';
COMMENT ON COLUMN murallink_private.card_shipment.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.card_shipment.card_uid IS 'The card.';
COMMENT ON COLUMN murallink_private.card_shipment.status IS 'In Dash''s words.';
COMMENT ON COLUMN murallink_private.card_shipment.carrier IS 'The carrier.';
COMMENT ON COLUMN murallink_private.card_shipment.tracking_number IS 'The carrier''s tracking number.';
COMMENT ON COLUMN murallink_private.card_shipment.heard_at IS 'When the event arrived.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON murallink_private.card_shipment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('values');
CREATE POLICY operator_shipment ON murallink_private.audit_event FOR SELECT TO murallink_operator USING (resource = 'card_shipment');

CREATE TABLE murallink_private.card_shipment_event (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    card_uid murallink.ksuid NOT NULL REFERENCES murallink_private.card,
    status text NOT NULL,
    carrier text NOT NULL,
    tracking_number text NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.card_shipment_event IS 'All events about shipments of physical cards.';
COMMENT ON COLUMN murallink_private.card_shipment_event.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.card_shipment_event.card_uid IS 'The card.';
COMMENT ON COLUMN murallink_private.card_shipment_event.status IS
'In Dash''s words; empty: none, as in the next columns.';
COMMENT ON COLUMN murallink_private.card_shipment_event.carrier IS 'The carrier.';
COMMENT ON COLUMN murallink_private.card_shipment_event.tracking_number IS 'The carrier''s tracking number.';
COMMENT ON COLUMN murallink_private.card_shipment_event.heard_at IS 'When the event arrived.';
CREATE INDEX card_shipment_event_card ON murallink_private.card_shipment_event (card_uid);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink_private.card_shipment_event
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();

CREATE TABLE murallink_private.dash_record (
    kind text NOT NULL CHECK (kind IN ('customer', 'program', 'account')),
    id text NOT NULL,
    name text NOT NULL,
    balance numeric,
    heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (kind, id)
);
COMMENT ON TABLE murallink_private.dash_record IS 'The customers, programs and virtual funding accounts that Dash listed last.';
COMMENT ON COLUMN murallink_private.dash_record.kind IS 'customer, program or account.';
COMMENT ON COLUMN murallink_private.dash_record.id IS 'Dash''s number.';
COMMENT ON COLUMN murallink_private.dash_record.name IS 'Name.';
COMMENT ON COLUMN murallink_private.dash_record.balance IS
'Balance of an account, in units of its currency, if Dash shows it.';
COMMENT ON COLUMN murallink_private.dash_record.heard_at IS 'When it was listed.';

INSERT INTO murallink_private.call_kind (resource, partner, operation, asks, follows)
VALUES
    ('card', 'dash', 'shipping', '', 'dash_shipments_follow'),
    ('card', 'dash', 'tracking', '', 'dash_shipments_follow'),
    ('card', 'dash', 'details', '', 'dash_details_follow'),
    ('card', 'dash', 'profile', 'dash_profiles_ask', ''),
    ('request', 'dash', 'customers', '', 'dash_lists_follow'),
    ('request', 'dash', 'programs', '', 'dash_lists_follow'),
    ('request', 'dash', 'accounts', '', 'dash_lists_follow'),
    ('request', 'dash', 'bulk_order', 'dash_bulk_ask', 'dash_bulk_follow'),
    ('call', 'dash', 'bulk_details', '', 'dash_bulk_follow');
