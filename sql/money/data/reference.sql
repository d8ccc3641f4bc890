-- What other systems call a trial, a site, an enrollment, a milestone or a payment.

CREATE TABLE murallink.external_reference (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    kind text NOT NULL CHECK (kind IN ('trial', 'site', 'enrollment', 'milestone', 'payment')),
    source text NOT NULL CHECK (murallink_private.is_source(source)),
    ref text NOT NULL CHECK (murallink_private.is_label(ref)),
    resource_uid murallink.ksuid NOT NULL,
    milestone_code text CHECK (murallink_private.is_label(milestone_code)),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid REFERENCES murallink.trial ON DELETE CASCADE,
    site_uid murallink.ksuid REFERENCES murallink.site ON DELETE CASCADE,
    scope_uid murallink.ksuid NOT NULL
        GENERATED ALWAYS AS (CASE WHEN kind IN ('enrollment', 'milestone') THEN trial_uid ELSE client_uid END) STORED,
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at timestamptz,
    ended_by_uid murallink.ksuid REFERENCES murallink.app_user,
    ended_note text,
    CHECK ((kind = 'milestone') = (milestone_code IS NOT NULL)),
    CHECK (CASE WHEN ended_at IS NULL THEN ended_by_uid IS NULL AND ended_note IS NULL ELSE ended_by_uid IS NOT NULL AND ended_note <> '' END)
);
COMMENT ON TABLE murallink.external_reference IS
'What another system calls a resource of ours. A reference that is corrected or removed stays as a row that has ended, with the user and the reason.';
COMMENT ON COLUMN murallink.external_reference.uid IS 'Key.';
COMMENT ON COLUMN murallink.external_reference.kind IS 'trial, site, enrollment, milestone or payment.';
COMMENT ON COLUMN murallink.external_reference.source IS 'The name of the other system.';
COMMENT ON COLUMN murallink.external_reference.ref IS 'What that system calls the resource.';
COMMENT ON COLUMN murallink.external_reference.resource_uid IS 'The resource; for a milestone its trial.';
COMMENT ON COLUMN murallink.external_reference.milestone_code IS 'The code of the milestone, null for other kinds.';
COMMENT ON COLUMN murallink.external_reference.client_uid IS 'The client of the resource.';
COMMENT ON COLUMN murallink.external_reference.contract_uid IS 'The contract of the resource.';
COMMENT ON COLUMN murallink.external_reference.trial_uid IS 'The trial, null for a site.';
COMMENT ON COLUMN murallink.external_reference.site_uid IS 'The site, null for a trial and a milestone.';
COMMENT ON COLUMN murallink.external_reference.scope_uid IS
'Where the reference is unique: in the trial for enrollments and milestones, which other systems number in each trial; else in the client.';
COMMENT ON COLUMN murallink.external_reference.app_user_uid IS 'The user who set it.';
COMMENT ON COLUMN murallink.external_reference.created_at IS 'When it was set.';
COMMENT ON COLUMN murallink.external_reference.ended_at IS 'When it was corrected or removed, null while it holds.';
COMMENT ON COLUMN murallink.external_reference.ended_by_uid IS 'The user who corrected or removed it.';
COMMENT ON COLUMN murallink.external_reference.ended_note IS 'Why.';
CREATE UNIQUE INDEX external_reference_once ON murallink.external_reference (scope_uid, kind, source, ref) WHERE ended_at IS NULL;
COMMENT ON INDEX murallink.external_reference_once IS 'In a system a reference means one resource of a kind.';
CREATE UNIQUE INDEX external_reference_resource ON murallink.external_reference
    (resource_uid, kind, source, murallink_private.label_key(coalesce(milestone_code, ''))) WHERE ended_at IS NULL;
COMMENT ON INDEX murallink.external_reference_resource IS 'A resource has one reference in each system.';
CREATE INDEX external_reference_trial ON murallink.external_reference (trial_uid);
CREATE INDEX external_reference_site ON murallink.external_reference (site_uid);
-- The tables of the resources have policies of their own. The note of a reference that has ended may be about a patient.
CREATE POLICY viewer ON murallink.external_reference FOR SELECT USING ((ended_at IS NULL OR kind NOT IN ('enrollment', 'payment')
    OR murallink_private.text_shown(
        client_uid, contract_uid, trial_uid, site_uid, CASE kind WHEN 'enrollment' THEN resource_uid END, ended_by_uid))
    AND CASE kind
    WHEN 'trial' THEN EXISTS (SELECT FROM murallink.trial t WHERE t.uid = resource_uid)
    WHEN 'site' THEN EXISTS (SELECT FROM murallink.site s WHERE s.uid = resource_uid)
    WHEN 'enrollment' THEN EXISTS (SELECT FROM murallink.enrollment e WHERE e.uid = resource_uid)
    WHEN 'milestone' THEN EXISTS (
        SELECT FROM murallink.milestone m WHERE m.trial_uid = resource_uid
        AND murallink_private.label_key(m.code) = murallink_private.label_key(milestone_code))
    ELSE EXISTS (SELECT FROM murallink_private.payment p WHERE p.uid = resource_uid) END);
