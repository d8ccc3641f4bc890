-- The payouts, and the views of them with the state of their payments and calls.

CREATE TABLE murallink_private.payout (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    payment_uid murallink.ksuid NOT NULL UNIQUE REFERENCES murallink_private.payment,
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    patient_uid murallink.ksuid NOT NULL,
    payment_type_uid murallink.ksuid REFERENCES murallink_private.payment_type,
    partner text,
    card_uid murallink.ksuid,
    -- Without a foreign key, because that would be checked for each payout by card, too. Accounts are not deleted.
    account_uid murallink.ksuid,
    reason text NOT NULL DEFAULT '',
    suspect boolean NOT NULL DEFAULT false,
    reference text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    settled_at timestamptz,
    -- Deferrable, because merge_patients() changes both.
    CONSTRAINT payout_card FOREIGN KEY (card_uid, patient_uid) REFERENCES murallink_private.card (uid, patient_uid) DEFERRABLE
) WITH (fillfactor = 70);
COMMENT ON TABLE murallink_private.payout IS
'How an approved payment reaches the patient; one for each payment. payment has the state of the payment, call that of its load; murallink.payout shows them together.';
COMMENT ON COLUMN murallink_private.payout.uid IS
'Key, also of the call that pays it; and the reference that is sent to the partner, the same in each attempt.';
COMMENT ON COLUMN murallink_private.payout.payment_uid IS 'The payment.';
COMMENT ON COLUMN murallink_private.payout.client_uid IS 'The payment''s client.';
COMMENT ON COLUMN murallink_private.payout.contract_uid IS 'The payment''s contract.';
COMMENT ON COLUMN murallink_private.payout.trial_uid IS 'The payment''s trial.';
COMMENT ON COLUMN murallink_private.payout.site_uid IS 'The payment''s site.';
COMMENT ON COLUMN murallink_private.payout.patient_uid IS 'The patient who is paid.';
COMMENT ON COLUMN murallink_private.payout.payment_type_uid IS
'How the patient is paid; null if neither the patient nor the contract has a payment type.';
COMMENT ON COLUMN murallink_private.payout.partner IS 'The partner that pays; null if a person or an application pays.';
COMMENT ON COLUMN murallink_private.payout.card_uid IS 'The card that is loaded, if the partner issues cards.';
COMMENT ON COLUMN murallink_private.payout.account_uid IS 'The account of the patient that it is paid to, if the payment type has accounts.';
COMMENT ON COLUMN murallink_private.payout.reason IS
'What it waits for (held, no_payment_type, settled_by_person, partner_not_configured, other_currency, no_contact, card_pending, card_declined, card_in_doubt, no_account, account_new), or the result of a look-up; empty if its call has the reason.';
COMMENT ON COLUMN murallink_private.payout.suspect IS
'Whether another server may have sent it: see enable_payouts(). Its call is put in doubt without being sent.';
COMMENT ON COLUMN murallink_private.payout.reference IS 'The reference from the person or the look-up that settled it.';
COMMENT ON COLUMN murallink_private.payout.note IS 'The note of the last person who decided it.';
COMMENT ON COLUMN murallink_private.payout.created_at IS 'When it was made.';
COMMENT ON COLUMN murallink_private.payout.settled_at IS 'When a person or a look-up settled it; null if its call did.';

CREATE INDEX payout_stopped ON murallink_private.payout (contract_uid) WHERE reason <> '';
COMMENT ON INDEX murallink_private.payout_stopped IS 'The payouts that wait.';
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON murallink_private.payout
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON murallink_private.payout
    FOR EACH ROW EXECUTE FUNCTION murallink_private.payout_guard();
CREATE TRIGGER audit AFTER UPDATE ON murallink_private.payout
    FOR EACH ROW WHEN (OLD.card_uid <> NEW.card_uid OR OLD.account_uid <> NEW.account_uid OR OLD.reference <> NEW.reference OR OLD.note <> NEW.note
        OR OLD.settled_at IS DISTINCT FROM NEW.settled_at OR OLD.reason <> NEW.reason)
    EXECUTE FUNCTION murallink_private.audit_record('event:reason=payout.waiting');
COMMENT ON TRIGGER audit ON murallink_private.payout IS
'Audits decisions of people, and what a payout waits for. The worker''s calls are in call, and their outcomes in the audit of the payment.';
CREATE POLICY payout ON murallink_private.audit_event FOR SELECT USING (
    resource = 'payout' AND murallink_private.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid));
CREATE POLICY operator ON murallink_private.audit_event FOR SELECT TO murallink_operator USING (
    resource IN ('call', 'card', 'partner', 'payout', 'payout_hold', 'payout_switch', 'webhook'));
INSERT INTO murallink_private.call_kind (resource, operation, asks, judges, follows)
VALUES ('payout', 'load', 'payouts_ask', 'payout_judge', 'payouts_follow');

CREATE VIEW murallink_private.payout_shown AS
SELECT o.uid, o.payment_uid, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.patient_uid, o.payment_type_uid, o.partner, o.card_uid,
    p.amount - coalesce(p.recovered, 0) AS amount, p.currency::text AS currency, s.status,
    CASE s.status WHEN 'waiting' THEN o.reason WHEN 'ready' THEN c.reason WHEN 'declined' THEN s.why WHEN 'in_doubt' THEN s.why ELSE '' END AS reason,
    coalesce(c.attempt, 0) AS attempt, coalesce(c.due_at, o.created_at) AS due_at,
    coalesce(NULLIF(o.reference, ''), c.facts ->> 'order_id', '') AS reference, o.note, o.created_at,
    coalesce(o.settled_at, c.settled_at) AS settled_at, p.enrollment_uid,
    CASE WHEN c.attempt > 0 AND c.outcome IS DISTINCT FROM 'not_sent' THEN c.claimed_at END AS sent_at
FROM murallink_private.payout o JOIN murallink_private.payment p ON p.uid = o.payment_uid LEFT JOIN murallink_private.call c ON c.uid = o.uid,
    LATERAL (SELECT CASE p.status
            WHEN 'approved' THEN CASE c.status WHEN 'ready' THEN c.status WHEN 'claimed' THEN c.status WHEN 'done' THEN 'claimed' ELSE 'waiting' END
            WHEN 'paid' THEN 'done' WHEN 'reversed' THEN 'done' WHEN 'returned' THEN 'done' WHEN 'failed' THEN 'declined' WHEN 'in_doubt' THEN 'in_doubt'
            ELSE 'cancelled' END::murallink.payout_status AS status,
        coalesce(NULLIF(o.reason, ''), c.reason, '') AS why) s
WHERE pg_catalog.pg_has_role('murallink_owner', 'USAGE') OR pg_catalog.pg_has_role('murallink_operator', 'USAGE')
    OR pg_catalog.pg_has_role('murallink_monitor', 'USAGE') OR pg_catalog.pg_has_role('murallink_analyst', 'USAGE');
COMMENT ON VIEW murallink_private.payout_shown IS
'The payouts with the state of their payments and calls. Empty for roles that read none of our views: a member of pg_read_all_data may read every view, but passes no row level security.';

-- The outer query keeps the barrier: a view that is UNION ALL itself is flattened without it.
CREATE VIEW murallink.payout WITH (security_barrier) AS
SELECT s.* FROM (
    SELECT o.uid, o.payment_uid, o.client_uid, o.contract_uid, o.trial_uid, o.site_uid, o.patient_uid, o.payment_type_uid, o.partner,
        o.card_uid, o.amount, o.currency, o.status, o.reason, o.attempt, o.due_at, o.reference,
        CASE WHEN murallink_private.text_shown(o.client_uid, o.contract_uid, o.trial_uid, o.site_uid, o.enrollment_uid, NULL) THEN o.note END
            AS note,
        o.created_at, o.settled_at, o.enrollment_uid, o.sent_at
    FROM murallink_private.payout_shown o
    WHERE NOT (pg_catalog.pg_has_role('murallink_operator', 'USAGE') OR pg_catalog.pg_has_role('murallink_owner', 'USAGE'))
        AND (murallink_private.permitted('view_payments', o.client_uid, o.contract_uid, o.trial_uid, o.site_uid)
            OR murallink_private.granted_moved('view_payments', o.enrollment_uid))
    UNION ALL
    SELECT o.* FROM murallink_private.payout_shown o
    WHERE pg_catalog.pg_has_role('murallink_operator', 'USAGE') OR pg_catalog.pg_has_role('murallink_owner', 'USAGE')) s;
COMMENT ON VIEW murallink.payout IS 'How approved payments reach the patients; one row for each payment.';
COMMENT ON COLUMN murallink.payout.uid IS
'Key; also the reference that is sent to the partner, the same in each attempt.';
COMMENT ON COLUMN murallink.payout.payment_uid IS 'The payment.';
COMMENT ON COLUMN murallink.payout.client_uid IS 'The payment''s client.';
COMMENT ON COLUMN murallink.payout.contract_uid IS 'The payment''s contract.';
COMMENT ON COLUMN murallink.payout.trial_uid IS 'The payment''s trial.';
COMMENT ON COLUMN murallink.payout.site_uid IS 'The payment''s site.';
COMMENT ON COLUMN murallink.payout.patient_uid IS 'The patient who is paid.';
COMMENT ON COLUMN murallink.payout.payment_type_uid IS
'How the patient is paid; null if neither the patient nor the contract has a payment type.';
COMMENT ON COLUMN murallink.payout.partner IS 'The partner that pays; null if a person or an application pays.';
COMMENT ON COLUMN murallink.payout.card_uid IS 'The card that is loaded, if the partner issues cards.';
COMMENT ON COLUMN murallink.payout.amount IS 'What is paid out: the amount of the payment, less what is kept of it, in units of its currency.';
COMMENT ON COLUMN murallink.payout.currency IS 'Currency of the amount.';
COMMENT ON COLUMN murallink.payout.status IS
'The state of the payout: that of its payment or, until this is decided, of the call that loads the card.';
COMMENT ON COLUMN murallink.payout.reason IS 'What it waits for (held, no_payment_type, settled_by_person, partner_not_configured, other_currency, no_contact, card_pending, card_declined, card_in_doubt, no_account, account_new), or why the last attempt was not done.';
COMMENT ON COLUMN murallink.payout.attempt IS 'Number of the last attempt, 0: none.';
COMMENT ON COLUMN murallink.payout.due_at IS 'It is not sent before this time.';
COMMENT ON COLUMN murallink.payout.reference IS 'The reference from the partner or from the person who settled it.';
COMMENT ON COLUMN murallink.payout.note IS
'The note of the last person who decided it; null for those who may not see patients there.';
COMMENT ON COLUMN murallink.payout.created_at IS 'When it was made.';
COMMENT ON COLUMN murallink.payout.settled_at IS 'When the last attempt ended.';
COMMENT ON COLUMN murallink.payout.enrollment_uid IS 'The payment''s enrollment.';
COMMENT ON COLUMN murallink.payout.sent_at IS 'When the last attempt was begun; null if nothing has been sent.';
