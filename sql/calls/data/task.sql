-- The table of tasks: what a partner is asked beside cards and loads.

CREATE TABLE murallink_private.partner_task (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    partner text NOT NULL,
    operation text NOT NULL,
    params jsonb NOT NULL,
    repeatable boolean NOT NULL,
    subject_uid murallink.ksuid,
    subject_attempt integer,
    status murallink.payout_status NOT NULL DEFAULT 'ready' CHECK (status NOT IN ('waiting', 'cancelled')),
    reason text NOT NULL DEFAULT '',
    attempt integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    counted_from murallink.server_moment,
    waited double precision,
    facts jsonb,
    note text NOT NULL DEFAULT '',
    requested_by name NOT NULL DEFAULT coalesce(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    settled_at timestamptz
) WITH (fillfactor = 70);
COMMENT ON TABLE murallink_private.partner_task IS 'What a partner is asked besides ordering and loading cards: look-ups, and what operators want.';
COMMENT ON COLUMN murallink_private.partner_task.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.partner_task.partner IS 'Who is asked.';
COMMENT ON COLUMN murallink_private.partner_task.operation IS 'What it is asked, by the partner''s file.';
COMMENT ON COLUMN murallink_private.partner_task.params IS 'What the request is made of, settings and secrets apart.';
COMMENT ON COLUMN murallink_private.partner_task.repeatable IS
'Whether it changes nothing at the partner, so that it is simply asked again when the answer is lost.';
COMMENT ON COLUMN murallink_private.partner_task.subject_uid IS 'The payout, card or participation that it is about, where there is one.';
COMMENT ON COLUMN murallink_private.partner_task.subject_attempt IS 'The attempt of that payout that it is about.';
COMMENT ON COLUMN murallink_private.partner_task.status IS 'ready, claimed, done, declined or in_doubt.';
COMMENT ON COLUMN murallink_private.partner_task.reason IS 'Why the last attempt was not done.';
COMMENT ON COLUMN murallink_private.partner_task.attempt IS 'How often it has been claimed.';
COMMENT ON COLUMN murallink_private.partner_task.due_at IS 'Not to be asked before.';
COMMENT ON COLUMN murallink_private.partner_task.counted_from IS
'Of a look-up: since when the payout is surely in doubt; after a restart, since the first look in this run of the server.';
COMMENT ON COLUMN murallink_private.partner_task.waited IS
'How many seconds had surely passed since then when it was claimed last; null: nobody knows.';
COMMENT ON COLUMN murallink_private.partner_task.facts IS 'What the last answer told, by murallink''s own names.';
COMMENT ON COLUMN murallink_private.partner_task.note IS 'What the person wrote who decided it.';
COMMENT ON COLUMN murallink_private.partner_task.requested_by IS 'The PostgreSQL login role that wanted it; the worker''s for look-ups.';
COMMENT ON COLUMN murallink_private.partner_task.created_at IS 'When it was wanted.';
COMMENT ON COLUMN murallink_private.partner_task.settled_at IS 'When the last attempt ended.';
CREATE INDEX partner_task_subject ON murallink_private.partner_task (subject_uid);
CREATE INDEX partner_task_created ON murallink_private.partner_task (created_at, uid);
CREATE INDEX partner_task_declined ON murallink_private.partner_task (operation) WHERE status = 'declined' AND note = '';
CREATE INDEX partner_task_repeated ON murallink_private.partner_task (partner) WHERE status = 'ready' AND attempt >= 5;
CREATE INDEX partner_task_doubtful ON murallink_private.partner_task (partner) WHERE status = 'in_doubt';
ALTER TABLE murallink_private.card ADD FOREIGN KEY (task_uid) REFERENCES murallink_private.partner_task;
CREATE INDEX card_task ON murallink_private.card (task_uid) WHERE task_uid IS NOT NULL;
CREATE TRIGGER step BEFORE UPDATE ON murallink_private.partner_task
    FOR EACH ROW EXECUTE FUNCTION murallink.task_step();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink_private.partner_task
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.install_append_only();
CREATE TRIGGER audit AFTER UPDATE ON murallink_private.partner_task
    FOR EACH ROW WHEN (OLD.status IN ('declined', 'in_doubt')) EXECUTE FUNCTION murallink.audit_record();
CREATE TRIGGER audit_wanted AFTER INSERT ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.operation NOT IN ('look_up', 'profile')) EXECUTE FUNCTION murallink.audit_record('values');
COMMENT ON TRIGGER audit_wanted ON murallink_private.partner_task IS
'What operators want. Payouts are looked up, and changed profiles sent, by themselves.';
