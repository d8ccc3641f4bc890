-- Every attempt to ask a partner, and what came of it.

CREATE TABLE murallink_private.partner_attempt (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    subject_uid murallink.ksuid NOT NULL,
    attempt integer NOT NULL,
    partner text NOT NULL,
    operation text NOT NULL,
    content_hash bytea NOT NULL,
    revision integer NOT NULL DEFAULT 0,
    claimed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    settled_at timestamptz,
    outcome text CHECK (outcome IN ('done', 'declined', 'not_sent', 'in_doubt')),
    http_status integer,
    reason text,
    facts jsonb,
    answer json,
    UNIQUE (subject_uid, attempt)
) WITH (fillfactor = 50);
COMMENT ON TABLE murallink_private.partner_attempt IS
'Every call that was claimed, written before it is sent: one without an outcome was under way when its worker ended.';
COMMENT ON COLUMN murallink_private.partner_attempt.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.partner_attempt.subject_uid IS 'The card, payout or task.';
COMMENT ON COLUMN murallink_private.partner_attempt.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN murallink_private.partner_attempt.partner IS 'Who was called.';
COMMENT ON COLUMN murallink_private.partner_attempt.operation IS 'order: a card; load: a card for a payout; others: of a task.';
COMMENT ON COLUMN murallink_private.partner_attempt.content_hash IS 'SHA-256 of all that the request is made of, secrets apart.';
COMMENT ON COLUMN murallink_private.partner_attempt.revision IS 'Of the partner, as it was set up when this was claimed.';
COMMENT ON COLUMN murallink_private.partner_attempt.claimed_at IS 'When it was claimed.';
COMMENT ON COLUMN murallink_private.partner_attempt.settled_at IS 'When the outcome was written.';
COMMENT ON COLUMN murallink_private.partner_attempt.outcome IS
'done; declined: surely not done; not_sent: surely not done, and sent again later; in_doubt: unknown.';
COMMENT ON COLUMN murallink_private.partner_attempt.http_status IS 'Of the answer, null where there was none.';
COMMENT ON COLUMN murallink_private.partner_attempt.reason IS 'Why it had this outcome.';
COMMENT ON COLUMN murallink_private.partner_attempt.facts IS 'What the answer tells, by murallink''s own names.';
COMMENT ON COLUMN murallink_private.partner_attempt.answer IS 'The whole answer; where it is long or no JSON, how it begins.';
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink_private.partner_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.install_append_only();
CREATE TRIGGER settled_once BEFORE UPDATE ON murallink_private.partner_attempt
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION murallink.install_append_only();
CREATE TRIGGER answered BEFORE UPDATE ON murallink.payout
    FOR EACH ROW WHEN (OLD.status = 'claimed' AND NEW.status <> 'claimed') EXECUTE FUNCTION murallink.attempt_decides();
CREATE TRIGGER answered BEFORE UPDATE ON murallink_private.card
    FOR EACH ROW WHEN (OLD.status = 'claimed' AND NEW.status <> 'claimed') EXECUTE FUNCTION murallink.attempt_decides();
CREATE TRIGGER answered BEFORE UPDATE ON murallink_private.partner_task
    FOR EACH ROW WHEN (OLD.status = 'claimed' AND NEW.status <> 'claimed') EXECUTE FUNCTION murallink.attempt_decides();
CREATE TRIGGER tried BEFORE UPDATE ON murallink.payout
    FOR EACH ROW WHEN (NEW.attempt - OLD.attempt <> (NEW.status = 'claimed' AND OLD.status <> 'claimed')::integer)
    EXECUTE FUNCTION murallink.install_append_only();
COMMENT ON TRIGGER tried ON murallink.payout IS
'Each claim is the next attempt, and nothing else changes its number: the outcome is found by it.';
CREATE TRIGGER tried BEFORE UPDATE ON murallink_private.card
    FOR EACH ROW WHEN (NEW.attempt - OLD.attempt <> (NEW.status = 'claimed' AND OLD.status <> 'claimed')::integer)
    EXECUTE FUNCTION murallink.install_append_only();
COMMENT ON TRIGGER tried ON murallink_private.card IS 'As that of payout.';
