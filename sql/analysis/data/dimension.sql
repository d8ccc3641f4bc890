-- What payments refer to, for those who see payments: a join of payments with these views drops no row.

-- Like murallink.payout, they read with the rights of their owner, and check for each row whether the caller may see it:
-- the policies of the tables demand other permissions. The barrier keeps conditions of the caller from hidden rows.
CREATE VIEW murallink.dim_trial WITH (security_barrier) AS
SELECT t.uid, t.client_uid, t.contract_uid, CASE WHEN named THEN t.name END AS name, CASE WHEN named THEN t.protocol_id END AS protocol_id
FROM murallink.trial t, LATERAL (
    SELECT murallink_private.shown('view_trials', t.client_uid, t.contract_uid, t.uid, NULL) OR EXISTS (
        SELECT FROM murallink.trial_site s WHERE s.trial_uid = t.uid
        AND murallink_private.shown('view_trials', s.client_uid, s.contract_uid, s.trial_uid, s.site_uid))) AS v (named)
WHERE t.uid IN (
    SELECT s.trial_uid FROM murallink.trial_site s
    WHERE murallink_private.shown('view_payments', s.client_uid, s.contract_uid, s.trial_uid, s.site_uid)
    UNION ALL
    SELECT e.trial_uid FROM murallink.enrollment e WHERE murallink_private.granted_moved('view_payments', e.uid));
COMMENT ON VIEW murallink.dim_trial IS 'The trials of the payments that the caller may see.';
COMMENT ON COLUMN murallink.dim_trial.uid IS 'Key.';
COMMENT ON COLUMN murallink.dim_trial.client_uid IS 'The client.';
COMMENT ON COLUMN murallink.dim_trial.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink.dim_trial.name IS 'The name; null for those who may see neither the trial nor a site of it with view_trials.';
COMMENT ON COLUMN murallink.dim_trial.protocol_id IS 'The official identification; null like the name.';

CREATE VIEW murallink.dim_site WITH (security_barrier) AS
SELECT l.uid, l.client_uid, l.contract_uid,
    CASE WHEN murallink_private.shown('view_sites', l.client_uid, l.contract_uid, NULL, l.uid) OR EXISTS (
        SELECT FROM murallink.trial_site s WHERE s.site_uid = l.uid AND s.contract_uid = l.contract_uid
        AND murallink_private.shown('view_sites', s.client_uid, s.contract_uid, s.trial_uid, s.site_uid)) THEN l.name END AS name
FROM murallink.site l
WHERE l.uid IN (
    SELECT s.site_uid FROM murallink.trial_site s
    WHERE murallink_private.shown('view_payments', s.client_uid, s.contract_uid, s.trial_uid, s.site_uid)
    UNION ALL
    SELECT e.site_uid FROM murallink.enrollment e WHERE murallink_private.granted_moved('view_payments', e.uid));
COMMENT ON VIEW murallink.dim_site IS 'The sites of the payments that the caller may see.';
COMMENT ON COLUMN murallink.dim_site.uid IS 'Key.';
COMMENT ON COLUMN murallink.dim_site.client_uid IS 'The client of the site''s contract.';
COMMENT ON COLUMN murallink.dim_site.contract_uid IS 'The contract that it works under.';
COMMENT ON COLUMN murallink.dim_site.name IS 'The name; null for those who hold view_sites neither on the site nor on a trial of its own contract there.';

CREATE VIEW murallink.dim_contract WITH (security_barrier) AS
SELECT c.uid, c.client_uid, c.currency,
    CASE WHEN murallink_private.shown('view_contract', c.client_uid, c.uid, NULL, NULL) THEN c.name END AS name,
    CASE WHEN murallink_private.shown('view_clients', c.client_uid, NULL, NULL, NULL) THEN l.name END AS client_name
FROM murallink.contract c JOIN murallink.client l ON l.uid = c.client_uid
WHERE c.uid IN (
    SELECT s.contract_uid FROM murallink.trial_site s
    WHERE murallink_private.shown('view_payments', s.client_uid, s.contract_uid, s.trial_uid, s.site_uid)
    UNION ALL
    SELECT e.contract_uid FROM murallink.enrollment e WHERE murallink_private.granted_moved('view_payments', e.uid));
COMMENT ON VIEW murallink.dim_contract IS 'The contracts, with their clients, of the payments that the caller may see.';
COMMENT ON COLUMN murallink.dim_contract.uid IS 'Key.';
COMMENT ON COLUMN murallink.dim_contract.client_uid IS 'The client.';
COMMENT ON COLUMN murallink.dim_contract.currency IS 'The currency of amounts that name none.';
COMMENT ON COLUMN murallink.dim_contract.name IS 'The name; null without view_contract.';
COMMENT ON COLUMN murallink.dim_contract.client_name IS 'The name of the client; null without view_clients.';

CREATE VIEW murallink.dim_subject WITH (security_barrier) AS
SELECT e.uid, e.chain_uid, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid,
    CASE WHEN murallink_private.shown('view_enrollments', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
        OR murallink_private.shown('view_patients', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
        OR murallink_private.granted_moved('view_enrollments', e.uid) OR murallink_private.granted_moved('view_patients', e.uid)
        THEN e.subject_id END AS subject_id
FROM murallink.enrollment e
WHERE murallink_private.shown('view_payments', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
    OR murallink_private.granted_moved('view_payments', e.uid);
COMMENT ON VIEW murallink.dim_subject IS 'The enrollments where the caller may see payments, without the patients.';
COMMENT ON COLUMN murallink.dim_subject.uid IS 'Key: the enrollment_uid of payments.';
COMMENT ON COLUMN murallink.dim_subject.chain_uid IS 'The chain of enrollments: the same for all of one patient in a trial.';
COMMENT ON COLUMN murallink.dim_subject.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.dim_subject.contract_uid IS 'The trial''s contract.';
COMMENT ON COLUMN murallink.dim_subject.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.dim_subject.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.dim_subject.subject_id IS
'The patient''s number in the trial; null for those who may see neither enrollments nor patients there.';

CREATE VIEW murallink.dim_milestone WITH (security_barrier) AS
SELECT m.uid, m.client_uid, m.contract_uid, m.trial_uid, m.site_uid, m.code, m.milestone, m.sort_order
FROM murallink.milestone m
WHERE murallink_private.shown('view_payments', m.client_uid, m.contract_uid, m.trial_uid, m.site_uid)
    OR m.uid IN (
        SELECT p.milestone_uid FROM murallink_private.payment p WHERE murallink_private.granted_moved('view_payments', p.enrollment_uid)
        UNION ALL
        SELECT p.top_up_version_uid FROM murallink_private.payment p WHERE murallink_private.granted_moved('view_payments', p.enrollment_uid));
COMMENT ON VIEW murallink.dim_milestone IS 'The versions of milestones where the caller may see payments, without their prices.';
COMMENT ON COLUMN murallink.dim_milestone.uid IS 'Key: the milestone_uid of payments.';
COMMENT ON COLUMN murallink.dim_milestone.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.dim_milestone.contract_uid IS 'The trial''s contract.';
COMMENT ON COLUMN murallink.dim_milestone.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.dim_milestone.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.dim_milestone.code IS 'What the milestone is known by in all versions and at all sites of the trial.';
COMMENT ON COLUMN murallink.dim_milestone.milestone IS 'The name of this version.';
COMMENT ON COLUMN murallink.dim_milestone.sort_order IS 'Place in the schedule.';
