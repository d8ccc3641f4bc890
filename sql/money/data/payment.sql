-- The table of payments, whose unique index lets each milestone be paid once, and how it is shown.

CREATE TABLE murallink_private.payment (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    trial_site_uid murallink.ksuid NOT NULL,
    patient_uid murallink.ksuid NOT NULL,
    enrollment_uid murallink.ksuid NOT NULL,
    payment_type murallink.payment_kind NOT NULL,
    milestone_uid murallink.ksuid,
    milestone_name text,
    occurrence integer,
    amount numeric NOT NULL,
    currency murallink.currency NOT NULL,
    note text NOT NULL DEFAULT '',
    visit_date date,
    status murallink.payment_status NOT NULL DEFAULT 'pending',
    -- Beside the status: the log of an UPDATE spans what changes from the first to the last column.
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    paid_at timestamptz,
    requested_by_uid murallink.ksuid,
    decided_by_uid murallink.ksuid,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    counts boolean NOT NULL GENERATED ALWAYS AS (status NOT IN ('rejected', 'cancelled', 'reversed', 'returned', 'unmarked')) STORED,
    milestone_code text,
    chain_uid murallink.ksuid NOT NULL,
    decision_note text NOT NULL DEFAULT '',
    returned numeric,
    returned_by_uid murallink.ksuid,
    recovered numeric CONSTRAINT payment_recovered CHECK (recovered > 0 AND recovered < amount),
    moved_from_uid murallink.ksuid,
    top_up_of_uid murallink.ksuid,
    top_up_version_uid murallink.ksuid,
    fraction numeric,
    completes_uid murallink.ksuid,
    capped_from numeric,
    CHECK (murallink_private.amount_fits(amount, currency)),
    CHECK ((payment_type = 'milestone') = (milestone_uid IS NOT NULL)),
    CHECK ((payment_type = 'milestone') = (milestone_code IS NOT NULL)),
    CONSTRAINT payment_top_up_whole CHECK ((top_up_of_uid IS NULL) = (top_up_version_uid IS NULL)),
    CONSTRAINT payment_top_up_manual CHECK (top_up_of_uid IS NULL OR payment_type = 'manual'),
    CONSTRAINT payment_says_why CHECK (status NOT IN ('rejected', 'cancelled', 'reversed', 'returned', 'unmarked') OR decision_note <> ''),
    -- Only a paid payment comes back, never more than was paid, and it is reversed or returned when all of it is back.
    CONSTRAINT payment_returned CHECK (CASE WHEN returned IS NULL THEN status NOT IN ('reversed', 'returned') AND returned_by_uid IS NULL
        ELSE returned > 0 AND returned <= amount AND returned_by_uid IS NOT NULL
            AND CASE WHEN returned = amount THEN status IN ('reversed', 'returned') ELSE status = 'paid' END END),
    CONSTRAINT payment_fraction CHECK (fraction > 0 AND fraction < 1 AND fraction = pg_catalog.round(fraction, 2)),
    CONSTRAINT payment_part_says_why CHECK (pg_catalog.num_nonnulls(fraction, completes_uid) = 0 OR payment_type = 'milestone' AND note <> ''),
    CONSTRAINT payment_mark_says_why CHECK (status NOT IN ('elsewhere', 'unmarked') OR payment_type = 'milestone' AND note <> ''),
    CONSTRAINT payment_one_part CHECK (pg_catalog.num_nonnulls(fraction, completes_uid) < 2 AND (
        pg_catalog.num_nonnulls(fraction, completes_uid, capped_from) = 0 OR status <> 'elsewhere')),
    CONSTRAINT payment_cut CHECK (capped_from > amount),
    CONSTRAINT payment_paid_at CHECK ((paid_at IS NOT NULL) = (status IN ('paid', 'reversed', 'returned')))
);
COMMENT ON TABLE murallink_private.payment IS
'Money owed to a patient, from the request until it is paid; and, with the status elsewhere, what somebody else has paid for a milestone.';
COMMENT ON COLUMN murallink_private.payment.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payment.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink_private.payment.contract_uid IS 'The trial''s contract, whose funds pay.';
COMMENT ON COLUMN murallink_private.payment.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink_private.payment.site_uid IS 'The site.';
COMMENT ON COLUMN murallink_private.payment.trial_site_uid IS 'The trial at that site.';
COMMENT ON COLUMN murallink_private.payment.patient_uid IS 'The patient who is paid.';
COMMENT ON COLUMN murallink_private.payment.enrollment_uid IS 'The patient in the trial at the site.';
COMMENT ON COLUMN murallink_private.payment.payment_type IS 'milestone, manual or travel.';
COMMENT ON COLUMN murallink_private.payment.milestone_uid IS 'The version of the milestone in force when the payment was made, for milestone payments.';
COMMENT ON COLUMN murallink_private.payment.milestone_name IS 'The name of that version.';
COMMENT ON COLUMN murallink_private.payment.occurrence IS 'Which of the payments of this milestone in its chain it is, from 1.';
COMMENT ON COLUMN murallink_private.payment.amount IS 'In currency units; for milestone payments that of the version, or what the fraction, the rest or the cap leaves of it.';
COMMENT ON COLUMN murallink_private.payment.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink_private.payment.note IS 'The requester''s note.';
COMMENT ON COLUMN murallink_private.payment.visit_date IS 'The day of the visit that is paid for, where given.';
COMMENT ON COLUMN murallink_private.payment.status IS 'The state of the payment.';
COMMENT ON COLUMN murallink_private.payment.requested_by_uid IS 'The requester.';
COMMENT ON COLUMN murallink_private.payment.decided_by_uid IS 'The user who last approved, rejected or cancelled it.';
COMMENT ON COLUMN murallink_private.payment.decision_note IS 'Why it was rejected, cancelled, reversed or returned, or the note of the approval.';
COMMENT ON COLUMN murallink_private.payment.fraction IS 'The part of the milestone that is paid, with at most two decimals; null for all of it.';
COMMENT ON COLUMN murallink_private.payment.completes_uid IS 'The payment of a part whose rest this one pays.';
COMMENT ON COLUMN murallink_private.payment.capped_from IS 'The amount that the cap of the visit''s day has cut, in currency units.';
COMMENT ON COLUMN murallink_private.payment.updated_at IS
'When it was changed last. It has no index, because that would be written with each step: changed_payments() finds what has changed.';
COMMENT ON COLUMN murallink_private.payment.paid_at IS 'When it became paid, also if it was reversed or returned later; null: it was not.';
COMMENT ON COLUMN murallink_private.payment.created_at IS 'When it was made; this time decides which version of the milestone applies.';
COMMENT ON COLUMN murallink_private.payment.counts IS
'Whether it counts as a payment of its milestone: false if it is rejected, cancelled, reversed, returned or unmarked. It is a column because an index on the status would be written with each step.';
COMMENT ON COLUMN murallink_private.payment.milestone_code IS 'The code of the milestone, by which it is paid once, whatever its name.';
COMMENT ON COLUMN murallink_private.payment.chain_uid IS 'The chain of enrollments in which the milestone is paid once.';
COMMENT ON COLUMN murallink_private.payment.returned IS 'What has come back of it, in currency units; null: nothing.';
COMMENT ON COLUMN murallink_private.payment.returned_by_uid IS 'The reversal, its unload or the recovery by which the last part came back.';
COMMENT ON COLUMN murallink_private.payment.recovered IS 'What is kept of it for payments that were taken back and are owed, in currency units; the rest is paid out. Null: nothing.';
COMMENT ON COLUMN murallink_private.payment.moved_from_uid IS 'The payment to another patient in whose place it was made, at the same price; null: none.';
COMMENT ON COLUMN murallink_private.payment.top_up_of_uid IS 'The payment whose difference to a raised price it pays; see top_up.';
COMMENT ON COLUMN murallink_private.payment.top_up_version_uid IS 'The version of the milestone with that price.';
CREATE UNIQUE INDEX payment_once ON murallink_private.payment (chain_uid, murallink_private.label_key(milestone_code), occurrence,
    (completes_uid IS NOT NULL)) WHERE counts;
COMMENT ON INDEX murallink_private.payment_once IS 'Each milestone is paid once, whichever version, name, site, session or statement pays it, and the rest of a part once.';
CREATE UNIQUE INDEX payment_moved ON murallink_private.payment (moved_from_uid) WHERE moved_from_uid IS NOT NULL;
COMMENT ON INDEX murallink_private.payment_moved IS 'A payment is moved once.';
CREATE UNIQUE INDEX payment_top_up ON murallink_private.payment (top_up_of_uid, top_up_version_uid)
    WHERE counts AND top_up_of_uid IS NOT NULL;
COMMENT ON INDEX murallink_private.payment_top_up IS 'Each payment is topped up once for each version of its milestone.';
CREATE INDEX payment_enrollment ON murallink_private.payment (enrollment_uid, uid);
CREATE INDEX payment_client ON murallink_private.payment (client_uid);
CREATE INDEX payment_contract ON murallink_private.payment (contract_uid);
CREATE INDEX payment_trial ON murallink_private.payment (trial_uid);
CREATE INDEX payment_site ON murallink_private.payment (site_uid);

CREATE TRIGGER price BEFORE INSERT ON murallink_private.payment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.payment_price();
CREATE TRIGGER step BEFORE UPDATE OR DELETE ON murallink_private.payment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.payment_step();
COMMENT ON TRIGGER step ON murallink_private.payment IS
'Not for TRUNCATE, which would include payouts, whose trigger refuses it.';
CREATE TRIGGER funds AFTER INSERT OR UPDATE OF status, returned ON murallink_private.payment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.payment_funds();
COMMENT ON TRIGGER funds ON murallink_private.payment IS
'Without a condition: PostgreSQL reads and plans one again for every statement, which costs 20 times as much as the call that it saves.';
CREATE POLICY viewer ON murallink_private.payment FOR SELECT
    USING (murallink_private.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid)
        OR murallink_private.granted_moved('view_payments', enrollment_uid));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.payment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('event:status=payment.*', 'event:returned=payment.returned');
CREATE POLICY payment ON murallink_private.audit_event FOR SELECT USING (
    resource = 'payment' AND (
        murallink_private.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid)
        OR resource_uid IN (
            SELECT p.uid FROM murallink_private.payment p WHERE murallink_private.granted_moved('view_payments', p.enrollment_uid))));

CREATE TABLE murallink_private.approval (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    payment_uid murallink.ksuid NOT NULL REFERENCES murallink_private.payment,
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    switched_by_uid murallink.ksuid REFERENCES murallink.app_user,
    signer_uid murallink.ksuid NOT NULL GENERATED ALWAYS AS (coalesce(switched_by_uid, app_user_uid)) STORED,
    signer_name text NOT NULL CHECK (signer_name <> ''),
    meaning text NOT NULL CHECK (meaning <> ''),
    signed_by text NOT NULL CHECK (signed_by IN ('session', 'password', 'sign_on')),
    note text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    UNIQUE (payment_uid, app_user_uid),
    UNIQUE (payment_uid, signer_uid)
);
COMMENT ON TABLE murallink_private.approval IS
'Who approved which payment: each person once. Nobody may change or delete a row: not even the owner has the right to.';
COMMENT ON COLUMN murallink_private.approval.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.approval.payment_uid IS 'The payment, whose amount and patient never change.';
COMMENT ON COLUMN murallink_private.approval.app_user_uid IS 'The user whose permission it needed.';
COMMENT ON COLUMN murallink_private.approval.switched_by_uid IS 'The admin who acted as that user, null otherwise.';
COMMENT ON COLUMN murallink_private.approval.signer_uid IS 'The person who approved.';
COMMENT ON COLUMN murallink_private.approval.signer_name IS 'The name of that person at that moment.';
COMMENT ON COLUMN murallink_private.approval.meaning IS 'What the person approved.';
COMMENT ON COLUMN murallink_private.approval.signed_by IS 'How the person was recognised: see approval_signature of the trial.';
COMMENT ON COLUMN murallink_private.approval.note IS 'The note of the approver.';
COMMENT ON COLUMN murallink_private.approval.at IS 'When.';
CREATE POLICY viewer ON murallink_private.approval FOR SELECT
    USING (EXISTS (SELECT FROM murallink_private.payment p WHERE p.uid = payment_uid));

CREATE FUNCTION murallink_private.payment_moved_to(payment_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT m.uid FROM murallink_private.payment m WHERE m.moved_from_uid = payment_uid;
END;
COMMENT ON FUNCTION murallink_private.payment_moved_to(murallink.ksuid) IS
'The payment that was made in the place of another one, as far as the caller sees it. A subquery of the view in its place would keep functions of its rows from being inlined.';

CREATE VIEW murallink.payment WITH (security_invoker) AS
SELECT p.uid, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.trial_site_uid, p.patient_uid, p.enrollment_uid, p.payment_type,
    p.milestone_uid, p.milestone_name, p.occurrence, p.amount, p.currency,
    CASE WHEN murallink_private.text_shown(p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid,
        p.requested_by_uid) THEN p.note END
        AS note,
    p.visit_date,
    CASE WHEN p.status = 'approved' AND murallink_private.payment_being_sent(p.uid) THEN 'processing' ELSE p.status END AS status,
    p.requested_by_uid, p.decided_by_uid, p.created_at, p.counts, p.milestone_code, p.chain_uid,
    -- Why it was reversed or returned is the note of its reversal, not that of an earlier decision.
    CASE WHEN murallink_private.text_shown(p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid,
        CASE WHEN p.status NOT IN ('reversed', 'returned') THEN p.decided_by_uid END) THEN p.decision_note END AS decision_note,
    p.returned, p.returned_by_uid, p.recovered,
    CASE WHEN p.status IN ('elsewhere', 'unmarked') THEN 0 ELSE p.amount - coalesce(p.returned, 0) END AS net_amount, p.moved_from_uid,
    p.top_up_of_uid, p.top_up_version_uid, p.fraction, p.completes_uid, p.capped_from,
    murallink_private.payment_moved_to(p.uid) AS moved_to_uid, p.updated_at, p.paid_at
FROM murallink_private.payment p;
COMMENT ON VIEW murallink.payment IS
'Money owed to a patient, from the request until it is paid; and, with the status elsewhere, what somebody else has paid. What the table does not store: an approved payment is processing while it is being sent.';
PERFORM murallink_private.copy_comments('murallink_private.payment', 'murallink.payment');
COMMENT ON COLUMN murallink.payment.moved_to_uid IS 'The payment to another patient that was made in its place; null: none.';
COMMENT ON COLUMN murallink.payment.net_amount IS 'The amount less what has come back of it, in currency units; 0 for what somebody else has paid.';
COMMENT ON COLUMN murallink.payment.note IS 'The requester''s note; null for readers other than its author who may not see patients there.';
COMMENT ON COLUMN murallink.payment.decision_note IS
'Why it was rejected, cancelled, reversed or returned, or the note of the approval; null for readers other than its author who may not see patients there.';

CREATE VIEW murallink.approval WITH (security_invoker) AS
SELECT a.uid, a.payment_uid, a.app_user_uid, a.switched_by_uid, a.signer_uid, a.signer_name, a.meaning, a.signed_by,
    CASE WHEN murallink_private.text_shown(p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid, a.app_user_uid) THEN a.note END AS note,
    a.at
FROM murallink_private.approval a JOIN murallink_private.payment p ON p.uid = a.payment_uid;
COMMENT ON VIEW murallink.approval IS 'Who approved which payment: each person once.';
PERFORM murallink_private.copy_comments('murallink_private.approval', 'murallink.approval');
COMMENT ON COLUMN murallink.approval.note IS 'The note of the approver; null for readers other than its author who may not see patients there.';

CREATE FUNCTION murallink.changed_payments(since murallink.moment) RETURNS SETOF murallink.payment
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT p.* FROM murallink.payment p
    WHERE p.updated_at >= since::timestamptz AND p.uid = ANY ((SELECT murallink_private.changed_since('payment', since))::murallink.ksuid[]);
END;
COMMENT ON FUNCTION murallink.changed_payments(murallink.moment) IS
'The payments that were made or changed since a time, as far as the caller sees them; also those that were paid since then. It finds them by their audit, and is inlined into the calling query. A change is seen when its transaction commits, so ask from a minute before the last answer. For analysts, and for applications that read tables. Errors: invalid_value.';
