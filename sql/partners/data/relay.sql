-- Relay's results about phone numbers, and the functions of its calls.

CREATE TABLE murallink_private.relay_number (
    number text PRIMARY KEY,
    result text NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.relay_number IS
'Relay''s last result about each number with which a patient was onboarded.';
COMMENT ON COLUMN murallink_private.relay_number.number IS 'In digits.';
COMMENT ON COLUMN murallink_private.relay_number.result IS 'In Relay''s words, such as landline.';
COMMENT ON COLUMN murallink_private.relay_number.heard_at IS 'When Relay answered it.';
INSERT INTO murallink_private.call_kind (resource, partner, asks, follows)
VALUES ('participation', 'relay', 'relay_ask', 'relay_follow'), ('request', 'relay', '', 'relay_follow');
