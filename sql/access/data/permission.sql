-- The table of grants: who may do what, and on which client, contract, trial or site.

CREATE TABLE murallink.permission_grant (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    permission murallink.permission NOT NULL,
    resource text NOT NULL CHECK (resource IN ('client', 'contract', 'trial', 'site', 'trial_site')),
    resource_uid murallink.ksuid NOT NULL,
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid,
    trial_uid murallink.ksuid,
    site_uid murallink.ksuid,
    granted_by_uid murallink.ksuid REFERENCES murallink.app_user,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    until timestamptz CHECK (until > created_at),
    ended_at timestamptz,
    ended_by_uid murallink.ksuid REFERENCES murallink.app_user,
    ended_note text,
    CHECK (CASE WHEN ended_at IS NULL THEN ended_by_uid IS NULL AND ended_note IS NULL ELSE ended_note IS NOT NULL END),
    CHECK (CASE resource
           WHEN 'client' THEN resource_uid = client_uid AND contract_uid IS NULL AND trial_uid IS NULL AND site_uid IS NULL
           WHEN 'contract' THEN resource_uid = contract_uid AND trial_uid IS NULL AND site_uid IS NULL
           WHEN 'trial' THEN resource_uid = trial_uid AND contract_uid IS NOT NULL AND site_uid IS NULL
           WHEN 'site' THEN resource_uid = site_uid AND contract_uid IS NOT NULL AND trial_uid IS NULL
           ELSE contract_uid IS NOT NULL AND trial_uid IS NOT NULL AND site_uid IS NOT NULL END IS TRUE)
);
CREATE UNIQUE INDEX permission_grant_once ON murallink.permission_grant (app_user_uid, permission, resource_uid) WHERE ended_at IS NULL;
COMMENT ON INDEX murallink.permission_grant_once IS 'A user has a permission on a resource once; earlier grants that have ended stay.';
CREATE INDEX permission_grant_user ON murallink.permission_grant (app_user_uid);
COMMENT ON TABLE murallink.permission_grant IS
'Grants: a user''s permission on a resource, which holds for everything below it. A grant that ends stays as a row, so that who was allowed what is known of any day.';
COMMENT ON COLUMN murallink.permission_grant.uid IS 'Key.';
COMMENT ON COLUMN murallink.permission_grant.app_user_uid IS 'The user.';
COMMENT ON COLUMN murallink.permission_grant.permission IS 'The permission.';
COMMENT ON COLUMN murallink.permission_grant.resource IS 'The kind of resource granted on.';
COMMENT ON COLUMN murallink.permission_grant.resource_uid IS 'The resource granted on.';
COMMENT ON COLUMN murallink.permission_grant.client_uid IS 'The client that the resource is or belongs to.';
COMMENT ON COLUMN murallink.permission_grant.contract_uid IS 'The contract that it is or belongs to.';
COMMENT ON COLUMN murallink.permission_grant.trial_uid IS 'The trial that it is or belongs to.';
COMMENT ON COLUMN murallink.permission_grant.site_uid IS 'The site that it is or belongs to.';
COMMENT ON COLUMN murallink.permission_grant.granted_by_uid IS 'The user who granted it.';
COMMENT ON COLUMN murallink.permission_grant.created_at IS 'When it was granted.';
COMMENT ON COLUMN murallink.permission_grant.until IS 'When it ends by itself, by the clock of the server; null for a grant without an end.';
COMMENT ON COLUMN murallink.permission_grant.ended_at IS 'When it was revoked, or replaced by another grant; null while it was neither.';
COMMENT ON COLUMN murallink.permission_grant.ended_by_uid IS 'The user who revoked or replaced it.';
COMMENT ON COLUMN murallink.permission_grant.ended_note IS 'Why.';
CREATE POLICY viewer ON murallink.permission_grant FOR SELECT
    USING (app_user_uid = murallink_private.caller() OR murallink_private.permitted('grant', client_uid, contract_uid, trial_uid, site_uid));
