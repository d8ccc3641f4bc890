CREATE TABLE murallink_private.partner (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    name text NOT NULL UNIQUE,
    base_url text NOT NULL,
    settings jsonb NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    secrets_changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.partner IS 'The partners that configure_partner() has set up.';
COMMENT ON COLUMN murallink_private.partner.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.partner.name IS 'Name, such as dash.';
COMMENT ON COLUMN murallink_private.partner.base_url IS 'What the path of each call is appended to.';
COMMENT ON COLUMN murallink_private.partner.settings IS 'All settings, also those with their initial value.';
COMMENT ON COLUMN murallink_private.partner.revision IS 'Raised with each change of settings or secrets: the worker signs in anew.';
COMMENT ON COLUMN murallink_private.partner.secrets_changed_at IS 'When others were given: what they are, no audit shows.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.partner
    FOR EACH ROW EXECUTE FUNCTION murallink.audit_record('values');

CREATE TABLE murallink_private.partner_secret (
    partner_uid murallink.ksuid PRIMARY KEY REFERENCES murallink_private.partner,
    secrets jsonb NOT NULL
);
COMMENT ON TABLE murallink_private.partner_secret IS 'What the partners must not lose; apart from their settings, so that no audit shows it.';
COMMENT ON COLUMN murallink_private.partner_secret.partner_uid IS 'The partner.';
COMMENT ON COLUMN murallink_private.partner_secret.secrets IS 'Passwords and keys, by name.';

CREATE TABLE murallink_private.payout_hold (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    subject_uid murallink.ksuid NOT NULL UNIQUE,
    note text NOT NULL,
    held_by name NOT NULL DEFAULT SESSION_USER,
    held_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.payout_hold IS 'What is held by hold_payouts().';
COMMENT ON COLUMN murallink_private.payout_hold.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payout_hold.subject_uid IS 'The payout, contract or partner.';
COMMENT ON COLUMN murallink_private.payout_hold.note IS 'Why.';
COMMENT ON COLUMN murallink_private.payout_hold.held_by IS 'The PostgreSQL login role that held it.';
COMMENT ON COLUMN murallink_private.payout_hold.held_at IS 'When.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.payout_hold
    FOR EACH ROW EXECUTE FUNCTION murallink.audit_record('values');

CREATE TABLE murallink_private.card (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    partner text NOT NULL,
    program text NOT NULL,
    status murallink.payout_status NOT NULL DEFAULT 'waiting' CHECK (status <> 'cancelled'),
    reason text NOT NULL DEFAULT '',
    attempt integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    proxy_key text NOT NULL DEFAULT '',
    order_id text NOT NULL DEFAULT '',
    person_id text NOT NULL DEFAULT '',
    task_uid murallink.ksuid,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    settled_at timestamptz,
    UNIQUE (patient_uid, partner, program),
    CHECK (status <> 'done' OR proxy_key <> ''),
    CHECK (status = 'waiting' OR task_uid IS NULL),
    CHECK (status NOT IN ('declined', 'in_doubt') OR reason <> '')
) WITH (fillfactor = 70);
COMMENT ON TABLE murallink_private.card IS 'The card of a patient in a partner''s program. There is never a second one: it is ordered once.';
COMMENT ON COLUMN murallink_private.card.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.card.patient_uid IS 'Whose card.';
COMMENT ON COLUMN murallink_private.card.partner IS 'Who issues it.';
COMMENT ON COLUMN murallink_private.card.program IS 'The partner''s number of the program.';
COMMENT ON COLUMN murallink_private.card.status IS 'Where the order stands; done: it can be loaded.';
COMMENT ON COLUMN murallink_private.card.reason IS 'What it waits for (no_contact, bulk_order), or why the last attempt was not done.';
COMMENT ON COLUMN murallink_private.card.attempt IS 'How often the order has been claimed.';
COMMENT ON COLUMN murallink_private.card.due_at IS 'Not to be ordered before.';
COMMENT ON COLUMN murallink_private.card.proxy_key IS 'The partner''s key for loading it; text, for it may begin with zeros.';
COMMENT ON COLUMN murallink_private.card.order_id IS 'The partner''s number of the order.';
COMMENT ON COLUMN murallink_private.card.person_id IS 'The partner''s number of the patient.';
COMMENT ON COLUMN murallink_private.card.task_uid IS 'The bulk order that it is in, until this has an outcome for it.';
COMMENT ON COLUMN murallink_private.card.note IS 'What the person wrote who decided last.';
COMMENT ON COLUMN murallink_private.card.created_at IS 'When it was first needed.';
COMMENT ON COLUMN murallink_private.card.settled_at IS 'When the last attempt ended.';
CREATE INDEX card_stopped ON murallink_private.card (partner) WHERE reason <> '';
ALTER TABLE murallink.payout ADD FOREIGN KEY (card_uid) REFERENCES murallink_private.card;

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
    facts jsonb,
    note text NOT NULL DEFAULT '',
    requested_by name NOT NULL DEFAULT SESSION_USER,
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
COMMENT ON COLUMN murallink_private.partner_task.subject_uid IS 'The payout, card or patient that it is about, where there is one.';
COMMENT ON COLUMN murallink_private.partner_task.subject_attempt IS 'The attempt of that payout that it is about.';
COMMENT ON COLUMN murallink_private.partner_task.status IS 'ready, claimed, done, declined or in_doubt.';
COMMENT ON COLUMN murallink_private.partner_task.reason IS 'Why the last attempt was not done.';
COMMENT ON COLUMN murallink_private.partner_task.attempt IS 'How often it has been claimed.';
COMMENT ON COLUMN murallink_private.partner_task.due_at IS 'Not to be asked before.';
COMMENT ON COLUMN murallink_private.partner_task.facts IS 'What the last answer told, by murallink''s own names.';
COMMENT ON COLUMN murallink_private.partner_task.note IS 'What the person wrote who decided it.';
COMMENT ON COLUMN murallink_private.partner_task.requested_by IS 'The PostgreSQL login role that wanted it; the worker''s for look-ups.';
COMMENT ON COLUMN murallink_private.partner_task.created_at IS 'When it was wanted.';
COMMENT ON COLUMN murallink_private.partner_task.settled_at IS 'When the last attempt ended.';
CREATE INDEX partner_task_subject ON murallink_private.partner_task (subject_uid);
CREATE INDEX partner_task_created ON murallink_private.partner_task (created_at, uid);
CREATE INDEX partner_task_doubtful ON murallink_private.partner_task (partner) WHERE status = 'in_doubt';
ALTER TABLE murallink_private.card ADD FOREIGN KEY (task_uid) REFERENCES murallink_private.partner_task;
CREATE INDEX card_task ON murallink_private.card (task_uid) WHERE task_uid IS NOT NULL;

CREATE TABLE murallink_private.partner_queue (
    subject_uid murallink.ksuid PRIMARY KEY,
    resource text NOT NULL,
    partner text NOT NULL,
    due_at timestamptz NOT NULL,
    problem text NOT NULL DEFAULT '',
    problem_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE murallink_private.partner_queue IS
'What the worker has to do: the cards, payouts and tasks that are ready or claimed, kept by triggers beside their status, so that finding work costs the same whatever was done before.';
COMMENT ON COLUMN murallink_private.partner_queue.subject_uid IS 'The card, payout or task.';
COMMENT ON COLUMN murallink_private.partner_queue.resource IS 'Its table.';
COMMENT ON COLUMN murallink_private.partner_queue.partner IS 'Who is to be called.';
COMMENT ON COLUMN murallink_private.partner_queue.due_at IS
'Not before; infinity: claimed; -infinity: not sent but put in doubt, for it is a partner_suspect.';
COMMENT ON COLUMN murallink_private.partner_queue.problem IS 'Why it cannot be claimed, or its outcome not be applied, though no other holds it.';
COMMENT ON COLUMN murallink_private.partner_queue.problem_at IS 'Since when.';
CREATE INDEX partner_queue_problem ON murallink_private.partner_queue (partner) WHERE problem <> '';
CREATE INDEX partner_queue_due ON murallink_private.partner_queue (partner, due_at);

CREATE TABLE murallink_private.partner_suspect (
    subject_uid murallink.ksuid PRIMARY KEY
);
COMMENT ON TABLE murallink_private.partner_suspect IS
'The cards, payouts and tasks that another server may have sent: see enable_payouts(). The first attempt here is put in doubt without being sent.';
COMMENT ON COLUMN murallink_private.partner_suspect.subject_uid IS 'The card, payout or task.';

CREATE TABLE murallink_private.partner_attempt (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    subject_uid murallink.ksuid NOT NULL,
    attempt integer NOT NULL,
    partner text NOT NULL,
    operation text NOT NULL,
    content_hash bytea NOT NULL,
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
COMMENT ON COLUMN murallink_private.partner_attempt.claimed_at IS 'When it was claimed.';
COMMENT ON COLUMN murallink_private.partner_attempt.settled_at IS 'When the outcome was written.';
COMMENT ON COLUMN murallink_private.partner_attempt.outcome IS
'done; declined: surely not done; not_sent: surely not done, and sent again later; in_doubt: unknown.';
COMMENT ON COLUMN murallink_private.partner_attempt.http_status IS 'Of the answer, null where there was none.';
COMMENT ON COLUMN murallink_private.partner_attempt.reason IS 'Why it had this outcome.';
COMMENT ON COLUMN murallink_private.partner_attempt.facts IS 'What the answer tells, by murallink''s own names.';
COMMENT ON COLUMN murallink_private.partner_attempt.answer IS 'The whole answer.';

CREATE TRIGGER route BEFORE INSERT OR UPDATE ON murallink.payout
    FOR EACH ROW WHEN (NEW.status = 'waiting') EXECUTE FUNCTION murallink.payout_route();
CREATE TRIGGER queue AFTER INSERT OR UPDATE OF status ON murallink.payout
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_enqueue();
CREATE TRIGGER route BEFORE INSERT OR UPDATE ON murallink_private.card
    FOR EACH ROW WHEN (NEW.status = 'waiting') EXECUTE FUNCTION murallink.card_route();
CREATE TRIGGER step BEFORE UPDATE ON murallink_private.card
    FOR EACH ROW EXECUTE FUNCTION murallink.card_step();
CREATE TRIGGER queue AFTER INSERT OR UPDATE OF status ON murallink_private.card
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_enqueue();
CREATE TRIGGER release AFTER UPDATE OF status ON murallink_private.card
    FOR EACH ROW WHEN ((NEW.status, NEW.reason) <> (OLD.status, OLD.reason) AND NEW.status <> 'claimed')
    EXECUTE FUNCTION murallink.card_release();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink_private.card
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.install_append_only();
CREATE TRIGGER audit AFTER UPDATE ON murallink_private.card
    FOR EACH ROW WHEN (OLD.status IN ('declined', 'in_doubt')) EXECUTE FUNCTION murallink.audit_record();
CREATE TRIGGER step BEFORE UPDATE ON murallink_private.partner_task
    FOR EACH ROW EXECUTE FUNCTION murallink.task_step();
CREATE TRIGGER queue AFTER INSERT OR UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_enqueue();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink_private.partner_task
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.install_append_only();
CREATE TRIGGER audit AFTER UPDATE ON murallink_private.partner_task
    FOR EACH ROW WHEN (OLD.status IN ('declined', 'in_doubt')) EXECUTE FUNCTION murallink.audit_record();
CREATE TRIGGER audit_wanted AFTER INSERT ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.operation NOT IN ('look_up', 'profile')) EXECUTE FUNCTION murallink.audit_record('values');
COMMENT ON TRIGGER audit_wanted ON murallink_private.partner_task IS
'What operators want. Payouts are looked up, and changed profiles sent, by themselves.';
CREATE POLICY operator ON murallink.audit_event FOR SELECT TO murallink_operator USING (
    resource IN ('card', 'card_shipment', 'partner', 'partner_task', 'payout', 'payout_hold', 'payout_switch'));
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink_private.partner_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.install_append_only();
CREATE TRIGGER settled_once BEFORE UPDATE ON murallink_private.partner_attempt
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION murallink.install_append_only();

CREATE TRIGGER reroute AFTER UPDATE OF payment_type_uid ON murallink.enrollment
    FOR EACH ROW WHEN (NEW.payment_type_uid IS DISTINCT FROM OLD.payment_type_uid)
    EXECUTE FUNCTION murallink.enrollment_reroute();
CREATE TRIGGER reroute AFTER UPDATE OF default_payment_type_uid ON murallink.contract
    FOR EACH ROW WHEN (NEW.default_payment_type_uid IS DISTINCT FROM OLD.default_payment_type_uid)
    EXECUTE FUNCTION murallink.contract_reroute();
-- After reroute, which locks the payments before the partners.
CREATE TRIGGER wants_card AFTER INSERT OR UPDATE OF status, payment_type_uid ON murallink.enrollment
    FOR EACH ROW WHEN (NEW.status = 'enrolled') EXECUTE FUNCTION murallink.enrollment_card();
CREATE TRIGGER wants_cards AFTER UPDATE OF order_cards, default_payment_type_uid ON murallink.contract
    FOR EACH ROW WHEN (NEW.order_cards = 'enrollment') EXECUTE FUNCTION murallink.contract_cards();
CREATE TRIGGER reroute AFTER UPDATE OF email, phone ON murallink.patient
    FOR EACH ROW EXECUTE FUNCTION murallink.patient_reroute();
