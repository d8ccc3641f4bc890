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
'Calls to partners: card orders, loads, unloads, look-ups, messages, steps of memberships and requests of operators, from the moment they are due until they are decided.';
COMMENT ON COLUMN murallink_private.call.uid IS
'Key. What pays a payout, the order of a card and the message of a notice have the uid of their subject.';
COMMENT ON COLUMN murallink_private.call.partner IS 'The partner that is called.';
COMMENT ON COLUMN murallink_private.call.resource IS
'The table of the subject; request: a request of an operator, without a subject.';
COMMENT ON COLUMN murallink_private.call.subject_uid IS
'The payout, card, notice, participation or call that this is about.';
COMMENT ON COLUMN murallink_private.call.subject_attempt IS
'Of a look-up: the attempt of the other call that it looks up.';
COMMENT ON COLUMN murallink_private.call.operation IS
'The operation in the partner''s file. For a notice it is message; the partner chooses the operation at each attempt.';
COMMENT ON COLUMN murallink_private.call.params IS
'The values for the request, without settings and secrets; null if they are read from the subject at each attempt.';
COMMENT ON COLUMN murallink_private.call.repeatable IS
'Whether it is repeated if the answer is lost, because it changes nothing at the partner.';
COMMENT ON COLUMN murallink_private.call.once IS
'A key that only one call at a time may have; null: none. A call that is declined or cancelled loses it.';
COMMENT ON COLUMN murallink_private.call.status IS
'waiting: held back by its subject; ready: to be sent at due_at; claimed: being sent; done; declined: certainly not done; in_doubt: sent, outcome unknown; cancelled.';
COMMENT ON COLUMN murallink_private.call.open IS
'Whether it is ready or claimed. This is a column, because an index on the status would be written at each claim.';
COMMENT ON COLUMN murallink_private.call.suspect IS
'Whether another server may have sent it: see enable_payouts(). Its first attempt here is put in doubt without being sent.';
COMMENT ON COLUMN murallink_private.call.due_at IS 'It is not sent before this time.';
COMMENT ON COLUMN murallink_private.call.delayed_at IS
'When due_at was set, to correct it if the clock is set back later. Null if due_at is a time of day, as for a reminder.';
COMMENT ON COLUMN murallink_private.call.attempt IS
'Number of the last attempt, 0: none. The columns from content_hash to answer are about it, unless call_attempt has a row for it.';
COMMENT ON COLUMN murallink_private.call.content_hash IS
'SHA-256 of the settings and params of the request, without secrets.';
COMMENT ON COLUMN murallink_private.call.revision IS
'The revision of the partner''s configuration when this was claimed.';
COMMENT ON COLUMN murallink_private.call.claimed_at IS 'When it was claimed.';
COMMENT ON COLUMN murallink_private.call.counted_from IS
'Of a look-up: since when the settling time counts, because the subject was certainly in doubt; after a restart, since the first look-up in this run of the server.';
COMMENT ON COLUMN murallink_private.call.waited IS
'How many seconds had certainly passed since counted_from when it was claimed; null: unknown.';
COMMENT ON COLUMN murallink_private.call.settled_at IS 'When the outcome was written.';
COMMENT ON COLUMN murallink_private.call.outcome IS
'The outcome of the last attempt. done; declined: certainly not done; not_sent: certainly not done, and to be sent again later; in_doubt: unknown; null: under way.';
COMMENT ON COLUMN murallink_private.call.http_status IS 'HTTP status of the answer, null without an answer.';
COMMENT ON COLUMN murallink_private.call.reason IS 'Why it was not done.';
COMMENT ON COLUMN murallink_private.call.facts IS 'The facts in the answer, with murallink''s own names.';
COMMENT ON COLUMN murallink_private.call.answer IS 'The whole answer; if it is long or not JSON, its beginning.';
COMMENT ON COLUMN murallink_private.call.problem IS 'Why it cannot be claimed, or why its outcome cannot be applied.';
COMMENT ON COLUMN murallink_private.call.problem_at IS 'When the problem was first found.';
COMMENT ON COLUMN murallink_private.call.looks IS
'How often the worker, every five seconds, has found it locked by another transaction. A count, because the clock can be set.';
COMMENT ON COLUMN murallink_private.call.note IS 'The note of the person who decided it.';
COMMENT ON COLUMN murallink_private.call.requested_by IS
'The PostgreSQL role that requested it: the one of SET ROLE, else the login role; for look-ups, that of the worker.';
COMMENT ON COLUMN murallink_private.call.created_at IS 'When it was made.';
CREATE INDEX call_due ON murallink_private.call (partner, due_at) WHERE open;
COMMENT ON INDEX murallink_private.call_due IS
'Finds due calls, at a cost that does not grow with ended ones. No index has a column that a claim changes, so that claims are HOT updates.';
CREATE INDEX call_subject ON murallink_private.call (subject_uid) WHERE subject_uid <> uid;
CREATE INDEX call_created ON murallink_private.call (created_at, uid) WHERE resource <> 'notice' AND operation NOT IN ('load', 'pay', 'order');
CREATE INDEX call_stopped ON murallink_private.call (partner) WHERE reason <> '';
CREATE INDEX call_suspect ON murallink_private.call (partner) WHERE suspect;
CREATE INDEX call_problem ON murallink_private.call (partner) WHERE problem <> '';
CREATE TRIGGER step BEFORE INSERT OR UPDATE OR DELETE ON murallink_private.call
    FOR EACH ROW EXECUTE FUNCTION murallink_private.call_step();
COMMENT ON TRIGGER step ON murallink_private.call IS
'Not for TRUNCATE, which would include cards and payouts, whose triggers refuse it.';
CREATE TRIGGER audit AFTER UPDATE ON murallink_private.call
    FOR EACH ROW WHEN (OLD.status IN ('declined', 'in_doubt') OR OLD.note <> NEW.note) EXECUTE FUNCTION murallink_private.audit_record();
CREATE TRIGGER audit_asked AFTER INSERT ON murallink_private.call
    FOR EACH ROW WHEN (NEW.operation NOT IN ('load', 'pay', 'order', 'message', 'look_up', 'look_up_balance', 'profile'))
    EXECUTE FUNCTION murallink_private.audit_record('values');
COMMENT ON TRIGGER audit_asked ON murallink_private.call IS
'Requests of operators and steps of memberships. Other calls follow from changes that are audited themselves.';

-- Without a foreign key to the call, because the worker must not wait if another transaction has locked the call.
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
'Earlier attempts of calls; also the last attempt if its outcome could not be applied yet, or if the call was decided afterwards.';
COMMENT ON COLUMN murallink_private.call_attempt.call_uid IS 'The call.';
COMMENT ON COLUMN murallink_private.call_attempt.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN murallink_private.call_attempt.content_hash IS 'As in call; so are the columns up to answer.';
COMMENT ON COLUMN murallink_private.call_attempt.revision IS 'Revision of the partner''s configuration.';
COMMENT ON COLUMN murallink_private.call_attempt.claimed_at IS 'When it was claimed.';
COMMENT ON COLUMN murallink_private.call_attempt.settled_at IS 'When the outcome was written.';
COMMENT ON COLUMN murallink_private.call_attempt.outcome IS 'done, declined, not_sent or in_doubt.';
COMMENT ON COLUMN murallink_private.call_attempt.http_status IS 'HTTP status of the answer, null without an answer.';
COMMENT ON COLUMN murallink_private.call_attempt.reason IS 'Why it had this outcome.';
COMMENT ON COLUMN murallink_private.call_attempt.facts IS 'The facts in the answer, with murallink''s own names.';
COMMENT ON COLUMN murallink_private.call_attempt.answer IS
'The whole answer; if it is long or not JSON, its beginning.';
COMMENT ON COLUMN murallink_private.call_attempt.kept IS
'Whether the outcome still has to be applied to the call, which is still claimed.';
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
'The functions of each kind of call, which connect a subject and its partner. Each subject''s file adds its rows. If several rows match, one with an operation precedes one with a partner only.';
COMMENT ON COLUMN murallink_private.call_kind.resource IS 'As in call.';
COMMENT ON COLUMN murallink_private.call_kind.partner IS 'The partner; empty: any.';
COMMENT ON COLUMN murallink_private.call_kind.operation IS 'The operation; empty: any.';
COMMENT ON COLUMN murallink_private.call_kind.asks IS
'The function (calls ksuid[]) that returns call_asked for those of the calls that can be sent now. Empty: they are sent with their own params.';
COMMENT ON COLUMN murallink_private.call_kind.judges IS
'The function (call) that may change the status that follows from the outcome. Empty: none.';
COMMENT ON COLUMN murallink_private.call_kind.follows IS
'The function (calls ksuid[]) that updates the subjects after calls have ended or were decided. Empty: none.';
