-- The table of calls, their earlier attempts, and the functions behind each kind of call.

CREATE TABLE murallink_private.call (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    partner text NOT NULL,
    resource text NOT NULL CHECK (resource IN ('payout', 'card', 'notice', 'participation', 'call', 'request')),
    subject_uid murallink.ksuid,
    subject_attempt integer,
    operation text NOT NULL,
    params jsonb,
    repeatable boolean NOT NULL DEFAULT false,
    once text UNIQUE,
    status murallink.payout_status NOT NULL DEFAULT 'ready',
    open boolean NOT NULL GENERATED ALWAYS AS (status IN ('ready', 'claimed')) STORED,
    suspect boolean NOT NULL DEFAULT false,
    due_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    delayed_at timestamptz DEFAULT pg_catalog.clock_timestamp(),
    attempt integer NOT NULL DEFAULT 0,
    content_hash bytea,
    revision integer,
    claimed_at timestamptz,
    counted_from murallink.server_moment,
    waited double precision,
    settled_at timestamptz,
    outcome text CHECK (outcome IN ('done', 'declined', 'not_sent', 'in_doubt')),
    http_status integer,
    reason text NOT NULL DEFAULT '',
    facts jsonb,
    answer json,
    problem text NOT NULL DEFAULT '',
    problem_at timestamptz,
    looks integer NOT NULL DEFAULT 0,
    note text NOT NULL DEFAULT '',
    requested_by name NOT NULL DEFAULT coalesce(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK ((resource = 'request') = (subject_uid IS NULL)),
    CHECK (status <> 'claimed' OR claimed_at IS NOT NULL AND outcome IS NULL),
    CHECK (attempt > 0 OR status NOT IN ('claimed', 'done', 'in_doubt')),
    CHECK ((outcome IS NULL) = (settled_at IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE murallink_private.call IS
'Everything that a partner is asked: each order, load, unload, look-up, message, step of a membership and request of an operator, from the moment it is due until it is decided.';
COMMENT ON COLUMN murallink_private.call.uid IS
'Key. The call that a payout, a card or a notice is there for has its uid.';
COMMENT ON COLUMN murallink_private.call.partner IS 'The partner that is asked.';
COMMENT ON COLUMN murallink_private.call.resource IS 'The table of the subject; request: an operator asked, and there is no other subject.';
COMMENT ON COLUMN murallink_private.call.subject_uid IS 'The payout, card, notice, participation or call that it is about.';
COMMENT ON COLUMN murallink_private.call.subject_attempt IS 'The attempt of the subject''s call that it is about, where it looks up what became of it.';
COMMENT ON COLUMN murallink_private.call.operation IS
'The operation of the partner''s file; of a notice message: its partner says at each attempt by which operation it is sent.';
COMMENT ON COLUMN murallink_private.call.params IS
'The values that the request is made of, settings and secrets apart; null where they are read from the subject at each attempt.';
COMMENT ON COLUMN murallink_private.call.repeatable IS
'Whether it changes nothing at the partner, so that it is asked again when the answer is lost.';
COMMENT ON COLUMN murallink_private.call.once IS
'A key of which there is one call at a time; null where there may be more. A call that is declined or cancelled gives it up.';
COMMENT ON COLUMN murallink_private.call.status IS
'waiting: held back by its subject; ready: to be sent at due_at; claimed: being sent; done; declined: surely not done; in_doubt: sent, outcome unknown; cancelled.';
COMMENT ON COLUMN murallink_private.call.open IS
'Whether it is ready or claimed. A column, because an index that speaks of the status would be written when the call is claimed.';
COMMENT ON COLUMN murallink_private.call.suspect IS
'Whether another server may have sent it: see enable_payouts(). Its first attempt here is put in doubt without being sent.';
COMMENT ON COLUMN murallink_private.call.due_at IS 'It is not sent before.';
COMMENT ON COLUMN murallink_private.call.delayed_at IS
'When it was put off until due_at: by that time the clock may have been set back. Null where due_at is the time of day that is meant, as of a reminder.';
COMMENT ON COLUMN murallink_private.call.attempt IS
'Number of the last attempt, 0: none. The columns from content_hash to answer are about it, where call_attempt has nothing of it.';
COMMENT ON COLUMN murallink_private.call.content_hash IS 'SHA-256 of all that the request is made of, secrets apart.';
COMMENT ON COLUMN murallink_private.call.revision IS 'The partner''s, as it was set up when this was claimed.';
COMMENT ON COLUMN murallink_private.call.claimed_at IS 'When it was claimed.';
COMMENT ON COLUMN murallink_private.call.counted_from IS
'Of a look-up: since when the subject is surely in doubt; after a restart, since the first look in this run of the server.';
COMMENT ON COLUMN murallink_private.call.waited IS
'How many seconds had surely passed since then when it was claimed; null: that is unknown.';
COMMENT ON COLUMN murallink_private.call.settled_at IS 'When the outcome was written.';
COMMENT ON COLUMN murallink_private.call.outcome IS
'What became of the last attempt. done; declined: surely not done; not_sent: surely not done, and sent again later; in_doubt: unknown; null: it is under way.';
COMMENT ON COLUMN murallink_private.call.http_status IS 'Of the answer, null where there was none.';
COMMENT ON COLUMN murallink_private.call.reason IS 'Why it was not done.';
COMMENT ON COLUMN murallink_private.call.facts IS 'The facts of the answer, by murallink''s own names.';
COMMENT ON COLUMN murallink_private.call.answer IS 'The whole answer; where it is long or no JSON, how it begins.';
COMMENT ON COLUMN murallink_private.call.problem IS 'Why it cannot be claimed, or its outcome not be applied.';
COMMENT ON COLUMN murallink_private.call.problem_at IS 'Since when.';
COMMENT ON COLUMN murallink_private.call.looks IS
'How often the worker has looked, every five seconds, and found it held by another transaction: no clock that is set measures that.';
COMMENT ON COLUMN murallink_private.call.note IS 'The note of the person who decided it.';
COMMENT ON COLUMN murallink_private.call.requested_by IS 'The PostgreSQL login role that asked for it; the worker''s for look-ups.';
COMMENT ON COLUMN murallink_private.call.created_at IS 'When it was asked for.';
CREATE INDEX call_due ON murallink_private.call (partner, due_at) WHERE open;
COMMENT ON INDEX murallink_private.call_due IS
'Finding work costs the same whatever was done before. No index speaks of what a claim changes, so that it is written in place.';
CREATE INDEX call_subject ON murallink_private.call (subject_uid) WHERE subject_uid <> uid;
CREATE INDEX call_created ON murallink_private.call (created_at, uid) WHERE resource <> 'notice' AND operation NOT IN ('load', 'order');
CREATE INDEX call_stopped ON murallink_private.call (partner) WHERE reason <> '';
CREATE INDEX call_suspect ON murallink_private.call (partner) WHERE suspect;
CREATE INDEX call_problem ON murallink_private.call (partner) WHERE problem <> '';
CREATE TRIGGER step BEFORE INSERT OR UPDATE OR DELETE ON murallink_private.call
    FOR EACH ROW EXECUTE FUNCTION murallink_private.call_step();
COMMENT ON TRIGGER step ON murallink_private.call IS 'Not of TRUNCATE, which would take cards and payouts along, and is refused there.';
CREATE TRIGGER audit AFTER UPDATE ON murallink_private.call
    FOR EACH ROW WHEN (OLD.status IN ('declined', 'in_doubt')) EXECUTE FUNCTION murallink_private.audit_record();
CREATE TRIGGER audit_asked AFTER INSERT ON murallink_private.call
    FOR EACH ROW WHEN (NEW.operation NOT IN ('load', 'order', 'message', 'look_up', 'profile'))
    EXECUTE FUNCTION murallink_private.audit_record('values');
COMMENT ON TRIGGER audit_asked ON murallink_private.call IS
'What operators ask for, and steps of memberships. The rest follows from what is audited itself.';

-- Without a reference to the call, which somebody may have locked: the worker does not wait for it.
CREATE TABLE murallink_private.call_attempt (
    call_uid murallink.ksuid NOT NULL,
    attempt integer NOT NULL,
    content_hash bytea NOT NULL,
    revision integer NOT NULL,
    claimed_at timestamptz NOT NULL,
    settled_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'declined', 'not_sent', 'in_doubt')),
    http_status integer,
    reason text NOT NULL,
    facts jsonb,
    answer json,
    kept boolean NOT NULL DEFAULT false,
    PRIMARY KEY (call_uid, attempt)
);
COMMENT ON TABLE murallink_private.call_attempt IS
'The attempts of calls before the last one, and the last one where its outcome could not be applied yet, or something was decided since.';
COMMENT ON COLUMN murallink_private.call_attempt.call_uid IS 'The call.';
COMMENT ON COLUMN murallink_private.call_attempt.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN murallink_private.call_attempt.content_hash IS 'As in call, as the columns up to answer are.';
COMMENT ON COLUMN murallink_private.call_attempt.revision IS 'The partner''s.';
COMMENT ON COLUMN murallink_private.call_attempt.claimed_at IS 'When it was claimed.';
COMMENT ON COLUMN murallink_private.call_attempt.settled_at IS 'When the outcome was written.';
COMMENT ON COLUMN murallink_private.call_attempt.outcome IS 'done, declined, not_sent or in_doubt.';
COMMENT ON COLUMN murallink_private.call_attempt.http_status IS 'Of the answer, null where there was none.';
COMMENT ON COLUMN murallink_private.call_attempt.reason IS 'Why it had this outcome.';
COMMENT ON COLUMN murallink_private.call_attempt.facts IS 'The facts of the answer, by murallink''s own names.';
COMMENT ON COLUMN murallink_private.call_attempt.answer IS 'The whole answer; where it is long or no JSON, how it begins.';
COMMENT ON COLUMN murallink_private.call_attempt.kept IS 'Whether it is yet to be applied to the call, which is still claimed.';
CREATE INDEX call_attempt_kept ON murallink_private.call_attempt (call_uid) WHERE kept;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink_private.call_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE TRIGGER applied_once BEFORE UPDATE ON murallink_private.call_attempt
    FOR EACH ROW WHEN (NOT OLD.kept) EXECUTE FUNCTION murallink_private.install_append_only();

CREATE TABLE murallink_private.call_kind (
    resource text NOT NULL,
    partner text NOT NULL DEFAULT '',
    operation text NOT NULL DEFAULT '',
    asks text NOT NULL DEFAULT '',
    judges text NOT NULL DEFAULT '',
    follows text NOT NULL DEFAULT '',
    PRIMARY KEY (resource, partner, operation)
);
COMMENT ON TABLE murallink_private.call_kind IS
'Which functions stand behind a call: the way from each subject to its partner and back. Each subject''s file adds its own; where several rows match, the one that names the operation counts, and then the one that names the partner.';
COMMENT ON COLUMN murallink_private.call_kind.resource IS 'As in call.';
COMMENT ON COLUMN murallink_private.call_kind.partner IS 'The partner; empty: any.';
COMMENT ON COLUMN murallink_private.call_kind.operation IS 'The operation; empty: any.';
COMMENT ON COLUMN murallink_private.call_kind.asks IS
'The function (calls ksuid[]) that returns (uid, operation, params, problem) for those of the calls that can be sent now; with a problem a call is cancelled. Empty: they are sent as they are.';
COMMENT ON COLUMN murallink_private.call_kind.judges IS
'The function (call) that returns the call with another status than its outcome alone gives it. Empty: none does.';
COMMENT ON COLUMN murallink_private.call_kind.follows IS
'The function (calls ksuid[]) that is called when calls have ended, or a person has decided them. Empty: none is.';
