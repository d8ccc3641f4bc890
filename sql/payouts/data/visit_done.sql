-- The visits that other systems have reported, and what was said of them before.

CREATE TABLE murallink.visit (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL REFERENCES murallink.client,
    contract_uid murallink.ksuid,
    trial_uid murallink.ksuid REFERENCES murallink.trial ON DELETE SET NULL,
    site_uid murallink.ksuid REFERENCES murallink.site ON DELETE SET NULL,
    source text NOT NULL CHECK (murallink_private.is_source(source)),
    source_ref text NOT NULL CHECK (murallink_private.is_label(source_ref)),
    protocol_id text NOT NULL,
    trial_ref text NOT NULL,
    site_ref text NOT NULL,
    subject_id text NOT NULL CHECK (murallink_private.is_label(subject_id)),
    visit_code text NOT NULL CHECK (murallink_private.is_label(visit_code)),
    visit_date date NOT NULL,
    repeat integer NOT NULL CHECK (repeat BETWEEN 1 AND 1000),
    status text NOT NULL CHECK (status IN ('done', 'partial', 'not_done', 'withdrawn')),
    note text NOT NULL,
    enrollment_uid murallink.ksuid REFERENCES murallink.enrollment,
    milestone_uid murallink.ksuid REFERENCES murallink.milestone,
    occurrence integer,
    state text NOT NULL CHECK (state IN (
        'unmatched', 'payable', 'waiting', 'payment_made', 'already_paid', 'not_owed', 'conflict', 'closed')),
    reason text NOT NULL DEFAULT '',
    payment_uid murallink.ksuid REFERENCES murallink_private.payment,
    made_payment boolean NOT NULL DEFAULT false,
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp() + interval '5 seconds',
    closed_by_uid murallink.ksuid REFERENCES murallink.app_user,
    closed_note text NOT NULL DEFAULT '',
    CONSTRAINT visit_once UNIQUE (client_uid, source, source_ref),
    CHECK (state IN ('unmatched', 'not_owed', 'conflict', 'closed') OR pg_catalog.num_nulls(enrollment_uid, milestone_uid) = 0),
    CHECK (state NOT IN ('payment_made', 'waiting') OR (payment_uid IS NULL) = (state = 'waiting')),
    CHECK ((state = 'closed') = (closed_note <> ''))
);
COMMENT ON TABLE murallink.visit IS
'A visit as another system has reported it last, and what becomes of it here. A report that is replaced by another one becomes a row of visit_change.';
COMMENT ON COLUMN murallink.visit.uid IS 'Key.';
COMMENT ON COLUMN murallink.visit.client_uid IS 'The client of the trial, or, while that is not found, of the user.';
COMMENT ON COLUMN murallink.visit.contract_uid IS 'The contract of the trial, null while that is not found.';
COMMENT ON COLUMN murallink.visit.trial_uid IS 'The trial, null while it is not found.';
COMMENT ON COLUMN murallink.visit.site_uid IS 'The site where the patient was on that day, null while it is not found.';
COMMENT ON COLUMN murallink.visit.source IS 'The system that has reported it.';
COMMENT ON COLUMN murallink.visit.source_ref IS 'What that system calls the visit: once in a client.';
COMMENT ON COLUMN murallink.visit.protocol_id IS 'The protocol id of the trial, where reported.';
COMMENT ON COLUMN murallink.visit.trial_ref IS 'What the system calls the trial, where reported.';
COMMENT ON COLUMN murallink.visit.site_ref IS 'What the system calls the site, where reported.';
COMMENT ON COLUMN murallink.visit.subject_id IS 'The number of the patient in the trial, or what the system calls the enrollment.';
COMMENT ON COLUMN murallink.visit.visit_code IS 'The code or name of the milestone, or what the system calls it.';
COMMENT ON COLUMN murallink.visit.visit_date IS 'The day of the visit.';
COMMENT ON COLUMN murallink.visit.repeat IS 'Which visit of this kind it is, from 1.';
COMMENT ON COLUMN murallink.visit.status IS 'What the system says: done, partial, not_done, or withdrawn (its report was a mistake).';
COMMENT ON COLUMN murallink.visit.note IS 'The note of the system.';
COMMENT ON COLUMN murallink.visit.enrollment_uid IS 'The patient in the trial at the site, null while that is not found.';
COMMENT ON COLUMN murallink.visit.milestone_uid IS 'A version of the milestone that the visit is paid as, null while that is not found.';
COMMENT ON COLUMN murallink.visit.occurrence IS
'Which payment of the milestone it is: the repeat. Null for an unscheduled visit and for a milestone that is paid for each screening: the next one.';
COMMENT ON COLUMN murallink.visit.state IS
'unmatched: something of it is not found yet; payable: milestone_payment pays it; waiting: for funds; payment_made: by the visit; already_paid: by somebody else; not_owed: it was not done; conflict: a person decides; closed: a person has decided.';
COMMENT ON COLUMN murallink.visit.reason IS
'Why: of unmatched what was not found or is ambiguous; of payable why it is not paid by itself, or empty; of conflict what happened.';
COMMENT ON COLUMN murallink.visit.payment_uid IS 'The payment of the visit.';
COMMENT ON COLUMN murallink.visit.made_payment IS 'Whether the visit has made this payment, and nobody else.';
COMMENT ON COLUMN murallink.visit.app_user_uid IS 'The user who has reported it last.';
COMMENT ON COLUMN murallink.visit.created_at IS 'When it was reported first.';
COMMENT ON COLUMN murallink.visit.changed_at IS 'When it was reported last, or its state changed.';
COMMENT ON COLUMN murallink.visit.due_at IS 'When the worker looks at it again, if it is unmatched or payable.';
COMMENT ON COLUMN murallink.visit.closed_by_uid IS 'The user who has closed it; null: an operator.';
COMMENT ON COLUMN murallink.visit.closed_note IS 'What the person who closed it has decided.';
CREATE INDEX visit_contract ON murallink.visit (contract_uid);
CREATE INDEX visit_trial ON murallink.visit (trial_uid);
CREATE INDEX visit_site ON murallink.visit (site_uid);
CREATE INDEX visit_enrollment ON murallink.visit (enrollment_uid);
CREATE INDEX visit_retry ON murallink.visit (due_at) WHERE state IN ('unmatched', 'payable');
CREATE INDEX visit_waiting ON murallink.visit (contract_uid, visit_date, created_at, uid) WHERE state = 'waiting';
CREATE INDEX visit_stuck ON murallink.visit (changed_at) WHERE state = 'conflict' OR state = 'payable' AND reason <> '';
-- Not with view_enrollments: a note of a visit is not for the blinded.
CREATE POLICY viewer ON murallink.visit FOR SELECT USING (
    murallink_private.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid)
    OR murallink_private.permitted('visit_done', client_uid, contract_uid, trial_uid, site_uid)
    OR murallink_private.granted_moved('view_patients', enrollment_uid)
    OR app_user_uid = (SELECT murallink_private.caller()));

CREATE TABLE murallink.visit_change (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    visit_uid murallink.ksuid NOT NULL REFERENCES murallink.visit,
    subject_id text NOT NULL,
    visit_code text NOT NULL,
    visit_date date NOT NULL,
    repeat integer NOT NULL,
    status text NOT NULL,
    note text NOT NULL,
    state text NOT NULL,
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    reported_at timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink.visit_change IS 'What was reported of a visit before the present report. Nobody may change or delete a row.';
COMMENT ON COLUMN murallink.visit_change.uid IS 'Key.';
COMMENT ON COLUMN murallink.visit_change.visit_uid IS 'The visit.';
COMMENT ON COLUMN murallink.visit_change.subject_id IS 'As reported then.';
COMMENT ON COLUMN murallink.visit_change.visit_code IS 'As reported then.';
COMMENT ON COLUMN murallink.visit_change.visit_date IS 'As reported then.';
COMMENT ON COLUMN murallink.visit_change.repeat IS 'As reported then.';
COMMENT ON COLUMN murallink.visit_change.status IS 'As reported then.';
COMMENT ON COLUMN murallink.visit_change.note IS 'As reported then.';
COMMENT ON COLUMN murallink.visit_change.state IS 'The state of the visit until it was replaced.';
COMMENT ON COLUMN murallink.visit_change.app_user_uid IS 'The user who had reported it.';
COMMENT ON COLUMN murallink.visit_change.reported_at IS 'When it was reported, or its state changed last.';
COMMENT ON COLUMN murallink.visit_change.replaced_at IS 'When the next report came.';
CREATE INDEX visit_change_visit ON murallink.visit_change (visit_uid);
CREATE POLICY viewer ON murallink.visit_change FOR SELECT
    USING (EXISTS (SELECT FROM murallink.visit v WHERE v.uid = visit_uid));

CREATE VIEW murallink.unmatched_visits WITH (security_invoker) AS
SELECT v.uid, v.client_uid, v.contract_uid, v.trial_uid, v.site_uid, v.source, v.source_ref, v.protocol_id, v.trial_ref, v.site_ref,
    v.subject_id, v.visit_code, v.visit_date, v.repeat, v.reason, v.app_user_uid, v.created_at, v.due_at
FROM murallink.visit v WHERE v.state = 'unmatched';
COMMENT ON VIEW murallink.unmatched_visits IS
'The visits of which something has not been found yet. reason: trial, site_ref, subject_id or visit_code: that was not found; wrong_site: the patient was at another site on that day; ambiguous_...: it means several things; moved: the patient has been transferred since. The worker tries them again.';
PERFORM murallink_private.copy_comments('murallink.visit', 'murallink.unmatched_visits');
COMMENT ON COLUMN murallink.unmatched_visits.reason IS 'What was not found, or is ambiguous.';

INSERT INTO murallink_private.change_kind (change, follows) VALUES ('transfer', 'visits_moved');
