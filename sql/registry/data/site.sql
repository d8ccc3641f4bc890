-- Sites, and which trials they run.

CREATE TABLE murallink.site (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    name text NOT NULL CHECK (murallink_private.is_label(name)),
    time_zone text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    UNIQUE (uid, contract_uid, client_uid),
    FOREIGN KEY (contract_uid, client_uid) REFERENCES murallink.contract (uid, client_uid)
);
COMMENT ON TABLE murallink.site IS 'A practice, hospital or university where trials are conducted.';
COMMENT ON COLUMN murallink.site.uid IS 'Key.';
COMMENT ON COLUMN murallink.site.client_uid IS 'The contract''s client.';
COMMENT ON COLUMN murallink.site.contract_uid IS 'The contract that it works under.';
COMMENT ON COLUMN murallink.site.name IS 'Name.';
COMMENT ON COLUMN murallink.site.time_zone IS 'Where it is, as a name of the tz database; empty where unknown.';
COMMENT ON COLUMN murallink.site.created_at IS 'When it was added.';
COMMENT ON COLUMN murallink.site.updated_at IS 'When it was changed last: each UPDATE of the owner has to set it.';
CREATE INDEX site_contract ON murallink.site (contract_uid);
CREATE INDEX site_updated ON murallink.site (updated_at);
CREATE POLICY updated ON murallink.site AS RESTRICTIVE FOR UPDATE TO murallink_owner
    USING (true) WITH CHECK (updated_at >= pg_catalog.transaction_timestamp());
COMMENT ON POLICY updated ON murallink.site IS 'updated_at shows every change that a function makes; a policy needs no trigger.';
CREATE POLICY viewer ON murallink.site FOR SELECT USING (murallink_private.permitted('view_sites', client_uid, contract_uid, NULL, uid));
ALTER TABLE murallink.permission_grant ADD FOREIGN KEY (site_uid) REFERENCES murallink.site ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.site
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('remembered');
ALTER TABLE murallink.site ENABLE ALWAYS TRIGGER audit;
CREATE POLICY site ON murallink_private.audit_event FOR SELECT USING (
    resource = 'site' AND murallink_private.permitted('view_sites', client_uid, contract_uid, NULL, site_uid));

CREATE TABLE murallink.trial_site (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL REFERENCES murallink.site,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    day_cap numeric CHECK (murallink_private.amount_fits(day_cap, day_cap_currency)),
    day_cap_currency murallink.currency,
    day_cap_note text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK ((day_cap IS NULL) = (day_cap_currency IS NULL)),
    UNIQUE (trial_uid, site_uid),
    UNIQUE (uid, trial_uid, site_uid, contract_uid, client_uid),
    FOREIGN KEY (trial_uid, contract_uid, client_uid) REFERENCES murallink.trial (uid, contract_uid, client_uid)
        ON DELETE CASCADE
);
COMMENT ON TABLE murallink.trial_site IS 'A trial at one of its sites: below both.';
COMMENT ON COLUMN murallink.trial_site.uid IS 'Key.';
COMMENT ON COLUMN murallink.trial_site.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.trial_site.contract_uid IS 'The trial''s contract, which may be another than the site''s.';
COMMENT ON COLUMN murallink.trial_site.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.trial_site.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.trial_site.created_at IS 'When they were associated.';
COMMENT ON COLUMN murallink.trial_site.updated_at IS 'When it was changed last: each UPDATE of the owner has to set it.';
COMMENT ON COLUMN murallink.trial_site.day_cap IS 'How much a patient is paid at most for milestones, with what tops them up, of the visits of one day, in currency units; null: no limit.';
COMMENT ON COLUMN murallink.trial_site.day_cap_currency IS 'Of the cap; milestones in other currencies have none.';
COMMENT ON COLUMN murallink.trial_site.day_cap_note IS 'Why the cap was set last.';
CREATE INDEX trial_site_site ON murallink.trial_site (site_uid);
CREATE INDEX trial_site_updated ON murallink.trial_site (updated_at);
CREATE POLICY updated ON murallink.trial_site AS RESTRICTIVE FOR UPDATE TO murallink_owner
    USING (true) WITH CHECK (updated_at >= pg_catalog.transaction_timestamp());
COMMENT ON POLICY updated ON murallink.trial_site IS 'updated_at shows every change that a function makes; a policy needs no trigger.';
CREATE POLICY viewer ON murallink.trial_site FOR SELECT USING (
    murallink_private.permitted('view_sites', client_uid, contract_uid, trial_uid, site_uid)
    OR murallink_private.permitted('view_trials', client_uid, contract_uid, trial_uid, site_uid));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.trial_site
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('remembered', 'awaited');
ALTER TABLE murallink.trial_site ENABLE ALWAYS TRIGGER audit;
CREATE POLICY trial_site ON murallink_private.audit_event FOR SELECT USING (
    resource = 'trial_site' AND (
        murallink_private.permitted('view_sites', client_uid, contract_uid, trial_uid, site_uid)
        OR murallink_private.permitted('view_trials', client_uid, contract_uid, trial_uid, site_uid)));
