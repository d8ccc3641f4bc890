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

CREATE TRIGGER settled_onboard AFTER UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'relay' AND NEW.status = 'done' AND OLD.status <> 'done' AND NEW.facts IS NOT NULL)
    EXECUTE FUNCTION murallink.relay_onboarded();
CREATE TRIGGER consented BEFORE UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'relay' AND OLD.status = 'ready' AND NEW.status = 'claimed' AND NEW.subject_uid IS NOT NULL)
    EXECUTE FUNCTION murallink.relay_consented();
CREATE TRIGGER reachable BEFORE INSERT ON murallink_private.notice
    FOR EACH ROW WHEN (NEW.channel = 'sms') EXECUTE FUNCTION murallink.relay_reaches();
