-- Milestones with their amounts, by version of the trial's protocol.

CREATE TABLE murallink.milestone (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    trial_site_uid murallink.ksuid NOT NULL,
    milestone text NOT NULL CHECK (murallink_private.is_label(milestone)),
    effective_date timestamptz NOT NULL,
    amount numeric NOT NULL,
    currency murallink.currency NOT NULL,
    num_payments integer NOT NULL DEFAULT 1 CHECK (num_payments BETWEEN 0 AND 1000),
    sort_order integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    code text NOT NULL CHECK (murallink_private.is_label(code)),
    note text NOT NULL DEFAULT '',
    per murallink.milestone_per NOT NULL DEFAULT 'person',
    approval_ref text NOT NULL DEFAULT '' CHECK (approval_ref = '' OR murallink_private.is_label(approval_ref)),
    approved_on date,
    CHECK (murallink_private.amount_fits(amount, currency)),
    CHECK (approved_on IS NULL OR approval_ref <> ''),
    FOREIGN KEY (trial_site_uid, trial_uid, site_uid, contract_uid, client_uid)
        REFERENCES murallink.trial_site (uid, trial_uid, site_uid, contract_uid, client_uid)
);
COMMENT ON TABLE murallink.milestone IS
'The price and the name of a milestone of a trial at a site from a given time on. Rows with the same code, in any case and with any blanks, are its versions; the latest in force applies. Rows are never edited: a correction is a new version.';
COMMENT ON COLUMN murallink.milestone.uid IS 'Key of this version.';
COMMENT ON COLUMN murallink.milestone.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.milestone.contract_uid IS 'The trial''s contract.';
COMMENT ON COLUMN murallink.milestone.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.milestone.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.milestone.trial_site_uid IS 'The trial at that site, to which the milestone belongs.';
COMMENT ON COLUMN murallink.milestone.milestone IS 'The name that people read.';
COMMENT ON COLUMN murallink.milestone.effective_date IS 'The time from which this version is in force.';
COMMENT ON COLUMN murallink.milestone.amount IS 'In currency units.';
COMMENT ON COLUMN murallink.milestone.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.milestone.num_payments IS 'How often it may be paid; 0 retires the milestone.';
COMMENT ON COLUMN murallink.milestone.sort_order IS 'Place in the schedule.';
COMMENT ON COLUMN murallink.milestone.created_at IS 'When the version was added.';
COMMENT ON COLUMN murallink.milestone.code IS
'What the milestone is known by, whatever its name: by default its first name. The same milestone has the same code at all sites of the trial.';
COMMENT ON COLUMN murallink.milestone.note IS 'Why the version was added; always given for another name.';
COMMENT ON COLUMN murallink.milestone.per IS
'Over what it is paid that often: person, over all enrollments of a patient in the trial; enrollment, over those of each screening.';
COMMENT ON COLUMN murallink.milestone.approval_ref IS
'The reference of the approval by the ethics committee (IRB); empty where there is none, which keeps the version from being in force if the trial has need_approval_ref.';
COMMENT ON COLUMN murallink.milestone.approved_on IS 'The day of that approval, where given.';
CREATE UNIQUE INDEX milestone_once ON murallink.milestone
    (trial_site_uid, murallink_private.label_key(code), effective_date, (approval_ref <> ''));
COMMENT ON INDEX murallink.milestone_once IS 'One version for each moment, and one more if it is approved later, which then is the one in force.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink.milestone
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE POLICY viewer ON murallink.milestone FOR SELECT
    USING (murallink_private.permitted('view_payment_schedule', client_uid, contract_uid, trial_uid, site_uid));

CREATE VIEW murallink.payment_schedule WITH (security_invoker = true) AS
SELECT m.*
FROM murallink.milestone m
WHERE m.num_payments > 0 AND m.uid = (
    SELECT v.uid FROM murallink.milestone v
    WHERE v.trial_site_uid = m.trial_site_uid AND murallink_private.label_key(v.code) = murallink_private.label_key(m.code)
        AND v.effective_date <= pg_catalog.now()
        AND (v.approval_ref <> '' OR v.trial_uid NOT IN (SELECT murallink_private.approval_trials()))
    ORDER BY v.effective_date DESC, (v.approval_ref <> '') DESC LIMIT 1);
COMMENT ON VIEW murallink.payment_schedule IS 'The versions in force at this moment, without retired milestones.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.milestone
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('remembered', 'event=schedule.changed');
ALTER TABLE murallink.milestone ENABLE ALWAYS TRIGGER audit;
CREATE POLICY milestone ON murallink_private.audit_event FOR SELECT USING (
    resource = 'milestone' AND murallink_private.permitted('view_payment_schedule', client_uid, contract_uid, trial_uid, site_uid));
