-- When the visits of a trial are due.

CREATE TABLE murallink.visit_due (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    code text NOT NULL CHECK (murallink_private.is_label(code)),
    due_after integer CHECK (due_after BETWEEN 0 AND 36500),
    due_window integer NOT NULL DEFAULT 0 CHECK (due_window BETWEEN 0 AND 3650),
    note text NOT NULL DEFAULT '',
    set_by_uid murallink.ksuid REFERENCES murallink.app_user,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink.visit_due IS
'How long after the enrollment the visit of a milestone is due. Rows never change, because not even the owner may update them: the last row of a code counts. A trial that has a milestone is not deleted.';
COMMENT ON COLUMN murallink.visit_due.uid IS 'Key.';
COMMENT ON COLUMN murallink.visit_due.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.visit_due.contract_uid IS 'The trial''s contract.';
COMMENT ON COLUMN murallink.visit_due.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.visit_due.code IS 'The code of the milestone, at all sites of the trial.';
COMMENT ON COLUMN murallink.visit_due.due_after IS 'Days from the day of the enrollment to the day of the visit; null: the visit has no such day any more.';
COMMENT ON COLUMN murallink.visit_due.due_window IS 'How many days before and after that day the visit may be.';
COMMENT ON COLUMN murallink.visit_due.note IS 'Why it was set.';
COMMENT ON COLUMN murallink.visit_due.set_by_uid IS 'The user who set it.';
COMMENT ON COLUMN murallink.visit_due.created_at IS 'When.';
CREATE INDEX visit_due_trial ON murallink.visit_due (trial_uid, murallink_private.label_key(code), created_at);
CREATE POLICY viewer ON murallink.visit_due FOR SELECT USING (
    murallink_private.permitted('view_payment_schedule', client_uid, contract_uid, trial_uid, NULL)
    OR EXISTS (SELECT FROM murallink.milestone m WHERE m.trial_uid = visit_due.trial_uid));
