-- The table of cards.

CREATE TABLE murallink_private.card (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    partner text NOT NULL,
    program text NOT NULL,
    status murallink.payout_status NOT NULL DEFAULT 'waiting' CHECK (status <> 'claimed'),
    reason text NOT NULL DEFAULT '',
    attempt integer NOT NULL DEFAULT 0,
    suspect boolean NOT NULL DEFAULT false,
    proxy_key text NOT NULL DEFAULT '' CHECK (proxy_key ~ '^[0-9]*$'),
    order_id text NOT NULL DEFAULT '',
    person_id text NOT NULL DEFAULT '',
    task_uid murallink.ksuid REFERENCES murallink_private.call,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    settled_at timestamptz,
    ended_at timestamptz NOT NULL DEFAULT 'infinity',
    ended_reason text NOT NULL DEFAULT '' CHECK (ended_reason IN ('', 'lost', 'stolen', 'expired', 'damaged', 'never_arrived', 'merged')),
    ended_note text NOT NULL DEFAULT '',
    expires_on date,
    CONSTRAINT card_present UNIQUE (patient_uid, partner, program, ended_at),
    UNIQUE (uid, patient_uid),
    CHECK (status <> 'done' OR proxy_key <> ''),
    CHECK ((task_uid IS NOT NULL) = (status = 'waiting' AND reason = 'bulk_order')),
    CHECK (status NOT IN ('declined', 'in_doubt') OR reason <> ''),
    CHECK ((ended_at = 'infinity') = (ended_reason = '') AND (ended_reason = '') = (ended_note = '')),
    CHECK (status <> 'cancelled' OR ended_reason <> '')
) WITH (fillfactor = 70);
COMMENT ON TABLE murallink_private.card IS
'The cards of patients in partners'' programs. A patient has one in each program, until it is replaced; each is ordered once.';
COMMENT ON COLUMN murallink_private.card.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.card.patient_uid IS 'The patient whose card it is.';
COMMENT ON COLUMN murallink_private.card.partner IS 'The partner that issues it.';
COMMENT ON COLUMN murallink_private.card.program IS 'The partner''s number of the program.';
COMMENT ON COLUMN murallink_private.card.status IS
'waiting; ready: it is being ordered, by the call with its uid; done: it can be loaded, unless it has ended; declined; in_doubt; cancelled: replaced before it was ordered.';
COMMENT ON COLUMN murallink_private.card.reason IS 'What it waits for (no_contact, bulk_order), or why the last attempt was not done.';
COMMENT ON COLUMN murallink_private.card.attempt IS
'Number of orders, its own and bulk orders, that ended as declined or in doubt. Names the order about which a person decides.';
COMMENT ON COLUMN murallink_private.card.suspect IS
'Whether another server may have ordered it: see enable_payouts(). Its call is put in doubt without being sent.';
COMMENT ON COLUMN murallink_private.card.proxy_key IS
'The partner''s key for loads: digits, as text because it may begin with zeros.';
COMMENT ON COLUMN murallink_private.card.order_id IS 'The partner''s number of the order.';
COMMENT ON COLUMN murallink_private.card.person_id IS 'The partner''s number of the patient.';
COMMENT ON COLUMN murallink_private.card.task_uid IS 'The bulk order that contains it, until that has an outcome.';
COMMENT ON COLUMN murallink_private.card.note IS 'The note of the last person who decided it.';
COMMENT ON COLUMN murallink_private.card.created_at IS 'When it was made.';
COMMENT ON COLUMN murallink_private.card.settled_at IS 'When the last attempt ended.';
COMMENT ON COLUMN murallink_private.card.ended_at IS 'When it was replaced; infinity: it is the present one. After that nothing new is loaded on it.';
COMMENT ON COLUMN murallink_private.card.ended_reason IS 'Why it was replaced: lost, stolen, expired, damaged, never_arrived or merged (the patient had two); empty: it was not.';
COMMENT ON COLUMN murallink_private.card.ended_note IS 'The note of the person who replaced it.';
COMMENT ON COLUMN murallink_private.card.expires_on IS 'The last day on which it can be used, if the partner has answered it.';
COMMENT ON CONSTRAINT card_present ON murallink_private.card IS
'A patient has one present card in a program. Because ended_at is part of a key, the end of a card waits for transactions that have just made a payout for it, and they for it.';
CREATE UNIQUE INDEX card_key ON murallink_private.card (partner, pg_catalog.ltrim(proxy_key, '0')) WHERE status = 'done';
COMMENT ON INDEX murallink_private.card_key IS
'A key is of one card, for ever, also of one that was replaced. Keys are compared without leading zeros, which JSON numbers lose.';
CREATE INDEX card_stopped ON murallink_private.card (partner) WHERE reason <> '';
CREATE INDEX card_task ON murallink_private.card (task_uid) WHERE task_uid IS NOT NULL;
CREATE INDEX card_expiring ON murallink_private.card (expires_on) WHERE ended_at = 'infinity' AND expires_on IS NOT NULL;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON murallink_private.card
    FOR EACH ROW EXECUTE FUNCTION murallink_private.card_guard();
COMMENT ON TRIGGER guard ON murallink_private.card IS
'Not for TRUNCATE, which would include payouts, whose triggers refuse it.';
CREATE TRIGGER audit AFTER UPDATE ON murallink_private.card
    FOR EACH ROW WHEN (OLD.status IN ('declined', 'in_doubt') OR OLD.proxy_key <> '' AND NEW.proxy_key <> OLD.proxy_key
        OR NEW.ended_at <> OLD.ended_at OR NEW.status <> OLD.status OR NEW.task_uid IS DISTINCT FROM OLD.task_uid)
    EXECUTE FUNCTION murallink_private.audit_record(
        'event:ended_reason=card.replaced', 'event:status:done=card.active', 'event:status:ready=card.ordered', 'event:task_uid=card.ordered');
INSERT INTO murallink_private.call_kind (resource, operation, asks, judges, follows)
VALUES ('card', 'order', 'cards_ask', 'card_judge', 'cards_follow');
