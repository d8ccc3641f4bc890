-- What look-ups have ever shown, and the functions of look-ups.

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
'What look-ups of an issuer have ever shown. If they have never shown a load of ours, a list without one proves nothing.';
COMMENT ON COLUMN murallink_private.look_up_shown.partner IS 'The issuer.';
COMMENT ON COLUMN murallink_private.look_up_shown.base_url IS 'Its base_url: another address may be another issuer.';
COMMENT ON COLUMN murallink_private.look_up_shown.customer IS 'The customer_id in its settings.';
COMMENT ON COLUMN murallink_private.look_up_shown.by_order IS
'Whether the look-up was by the number of an order; else by the key of a card.';
COMMENT ON COLUMN murallink_private.look_up_shown.what IS
'load: a load of ours, with our reference or the order number in its answer; reference: a reference of any load; own: our reference, unchanged; unload: an unload of ours.';
COMMENT ON COLUMN murallink_private.look_up_shown.payout_uid IS 'The payout, or the call that moves a balance, whose look-up showed this first.';
COMMENT ON COLUMN murallink_private.look_up_shown.shown_at IS 'When this was first shown.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink_private.look_up_shown
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
INSERT INTO murallink_private.call_kind (resource, operation, follows)
VALUES ('payout', 'look_up', 'look_ups_follow'), ('call', 'look_up', 'look_ups_follow');
