-- Loads that a partner has shown in a look-up, and the triggers of look-ups.

CREATE TABLE murallink_private.look_up_shown (
    partner text,
    base_url text,
    customer text,
    by_order boolean,
    what text CHECK (what IN ('load', 'reference', 'own', 'unload')),
    payout_uid murallink.ksuid NOT NULL,
    shown_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (partner, base_url, customer, by_order, what)
);
COMMENT ON TABLE murallink_private.look_up_shown IS
'What look-ups of an issuer have ever shown: where they have shown no load of ours, a list without one proves nothing.';
COMMENT ON COLUMN murallink_private.look_up_shown.partner IS 'Who was asked.';
COMMENT ON COLUMN murallink_private.look_up_shown.base_url IS 'Where; at another address there may be another issuer.';
COMMENT ON COLUMN murallink_private.look_up_shown.customer IS 'As which customer.';
COMMENT ON COLUMN murallink_private.look_up_shown.by_order IS 'Whether it was asked by the number of an order, or else by the key of a card.';
COMMENT ON COLUMN murallink_private.look_up_shown.what IS
'load: one of ours, by our reference or by the order that its own answer told; reference: of whatever load; own: the reference of one of ours, just as we had sent it; unload: one of ours.';
COMMENT ON COLUMN murallink_private.look_up_shown.payout_uid IS 'The payout that was looked up, or whose unload was, when this was shown first.';
COMMENT ON COLUMN murallink_private.look_up_shown.shown_at IS 'When that was.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink_private.look_up_shown
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
INSERT INTO murallink_private.call_kind (resource, operation, follows)
VALUES ('payout', 'look_up', 'look_ups_follow'), ('call', 'look_up', 'look_ups_follow');
