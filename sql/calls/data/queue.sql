-- The queue of what is to be asked now or later, and calls under suspicion.

CREATE TABLE murallink_private.partner_queue (
    subject_uid murallink.ksuid PRIMARY KEY,
    resource text NOT NULL,
    partner text NOT NULL,
    due_at timestamptz NOT NULL,
    delayed_at timestamptz,
    problem text NOT NULL DEFAULT '',
    problem_at timestamptz,
    looks integer NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE murallink_private.partner_queue IS
'What the worker has to do: the cards, payouts, tasks and notices that are ready or claimed, kept by triggers beside their status, so that finding work costs the same whatever was done before.';
COMMENT ON COLUMN murallink_private.partner_queue.subject_uid IS 'The card, payout, task or notice.';
COMMENT ON COLUMN murallink_private.partner_queue.resource IS 'Its table.';
COMMENT ON COLUMN murallink_private.partner_queue.partner IS 'Who is to be called.';
COMMENT ON COLUMN murallink_private.partner_queue.due_at IS
'Not before; infinity: claimed; -infinity: not sent but put in doubt, for it is a partner_suspect.';
COMMENT ON COLUMN murallink_private.partner_queue.delayed_at IS
'When it was put off until due_at: by that time the clock may have been set back. Null where due_at is the time of day that is meant, as of a reminder.';
COMMENT ON COLUMN murallink_private.partner_queue.problem IS 'Why it cannot be claimed, or its outcome not be applied.';
COMMENT ON COLUMN murallink_private.partner_queue.problem_at IS 'Since when.';
COMMENT ON COLUMN murallink_private.partner_queue.looks IS
'How often the worker has looked, every five seconds, and found it held by somebody else: no clock that is set measures that.';
CREATE INDEX partner_queue_problem ON murallink_private.partner_queue (partner) WHERE problem <> '';
CREATE INDEX partner_queue_due ON murallink_private.partner_queue (partner, due_at);

CREATE TABLE murallink_private.partner_suspect (
    subject_uid murallink.ksuid PRIMARY KEY
);
COMMENT ON TABLE murallink_private.partner_suspect IS
'The cards, payouts, tasks and notices that another server may have sent: see enable_payouts(). The first attempt here is put in doubt without being sent.';
COMMENT ON COLUMN murallink_private.partner_suspect.subject_uid IS 'The card, payout, task or notice.';

CREATE TRIGGER queue AFTER INSERT OR UPDATE OF status ON murallink.payout
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_enqueue();
CREATE TRIGGER queue AFTER INSERT OR UPDATE OF status ON murallink_private.card
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_enqueue();
CREATE TRIGGER queue AFTER INSERT OR UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_enqueue();
CREATE TRIGGER queue AFTER INSERT OR UPDATE OF status ON murallink_private.notice
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_enqueue();
CREATE TRIGGER suspect BEFORE UPDATE OF status ON murallink.payout
    FOR EACH ROW WHEN (OLD.status IN ('waiting', 'ready') AND NEW.status = 'cancelled' AND NEW.partner IS NOT NULL)
    EXECUTE FUNCTION murallink.suspect_kept();
