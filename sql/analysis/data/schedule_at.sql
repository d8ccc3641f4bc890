-- The versions of milestones, with what decides which of them is in force.

CREATE VIEW murallink.schedule_version WITH (security_invoker) AS
SELECT m.uid, m.client_uid, m.contract_uid, m.trial_uid, m.site_uid, m.trial_site_uid, m.code, murallink_private.label_key(m.code) AS code_key,
    m.milestone, m.effective_date, m.created_at AS known_from, m.amount, m.currency::text AS currency, m.num_payments, m.sort_order,
    m.approval_ref, m.approval_ref <> '' OR m.trial_uid NOT IN (SELECT murallink_private.approval_trials()) AS approved
FROM murallink.milestone m;
COMMENT ON VIEW murallink.schedule_version IS
'All versions of milestones in both times: from when each is in force, and since when it is known. murallink.schedule_at() picks those of a moment.';
COMMENT ON COLUMN murallink.schedule_version.uid IS 'Key.';
COMMENT ON COLUMN murallink.schedule_version.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.schedule_version.contract_uid IS 'The trial''s contract.';
COMMENT ON COLUMN murallink.schedule_version.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.schedule_version.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.schedule_version.trial_site_uid IS 'The trial at that site.';
COMMENT ON COLUMN murallink.schedule_version.code IS 'What the milestone is known by.';
COMMENT ON COLUMN murallink.schedule_version.code_key IS 'The code in one spelling: the same for all versions of a milestone.';
COMMENT ON COLUMN murallink.schedule_version.milestone IS 'The name of this version.';
COMMENT ON COLUMN murallink.schedule_version.effective_date IS 'The time from which it is in force, until another version is.';
COMMENT ON COLUMN murallink.schedule_version.known_from IS 'When it was added.';
COMMENT ON COLUMN murallink.schedule_version.amount IS 'In currency units.';
COMMENT ON COLUMN murallink.schedule_version.currency IS 'Of the amount.';
COMMENT ON COLUMN murallink.schedule_version.num_payments IS 'How often it may be paid; 0 retires the milestone.';
COMMENT ON COLUMN murallink.schedule_version.sort_order IS 'Place in the schedule.';
COMMENT ON COLUMN murallink.schedule_version.approval_ref IS 'The reference of the approval by the ethics committee (IRB); empty where there is none.';
COMMENT ON COLUMN murallink.schedule_version.approved IS 'Whether it has an approval, or its trial, as it is today, needs none: otherwise it is not in force.';
