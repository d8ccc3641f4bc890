-- Phone numbers that Relay reaches, and the triggers of its tasks.

CREATE TABLE murallink_private.relay_number (
    number text PRIMARY KEY,
    result text NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.relay_number IS 'What Relay found out last about the numbers that patients were onboarded with.';
COMMENT ON COLUMN murallink_private.relay_number.number IS 'In digits.';
COMMENT ON COLUMN murallink_private.relay_number.result IS 'In Relay''s words, such as landline.';
COMMENT ON COLUMN murallink_private.relay_number.heard_at IS 'When it was told.';
INSERT INTO murallink_private.call_kind (resource, partner, asks, follows)
VALUES ('participation', 'relay', 'relay_ask', 'relay_follow'), ('request', 'relay', '', 'relay_follow');
