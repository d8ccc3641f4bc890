CREATE TABLE murallink.audit_event (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    app_user_uid murallink.ksuid,
    switched_by_uid murallink.ksuid,
    db_user name NOT NULL DEFAULT SESSION_USER,
    resource text NOT NULL,
    resource_uid murallink.ksuid NOT NULL,
    action murallink.audit_action NOT NULL,
    changes jsonb,
    client_uid murallink.ksuid,
    contract_uid murallink.ksuid,
    trial_uid murallink.ksuid,
    site_uid murallink.ksuid
);
COMMENT ON TABLE murallink.audit_event IS 'Who changed what from what to what, and when. Written by triggers, never changed.';
COMMENT ON COLUMN murallink.audit_event.uid IS 'Key; sorts by the second.';
COMMENT ON COLUMN murallink.audit_event.at IS 'When.';
COMMENT ON COLUMN murallink.audit_event.app_user_uid IS 'Who, null when nobody was known to ask: then db_user tells.';
COMMENT ON COLUMN murallink.audit_event.switched_by_uid IS 'The admin who acted as that user, null otherwise.';
COMMENT ON COLUMN murallink.audit_event.db_user IS 'The PostgreSQL login role.';
COMMENT ON COLUMN murallink.audit_event.resource IS 'The table of what was changed.';
COMMENT ON COLUMN murallink.audit_event.resource_uid IS 'The uid of what was changed.';
COMMENT ON COLUMN murallink.audit_event.action IS 'created, changed or deleted.';
COMMENT ON COLUMN murallink.audit_event.changes IS 'For changed and deleted: each column that differs, with its value before (from) and after (to), as text.';
COMMENT ON COLUMN murallink.audit_event.client_uid IS 'The client that it is or stands below, where it has one.';
COMMENT ON COLUMN murallink.audit_event.contract_uid IS 'The contract that it is or stands below, where it has one.';
COMMENT ON COLUMN murallink.audit_event.trial_uid IS 'The trial that it is or stands below, where it has one.';
COMMENT ON COLUMN murallink.audit_event.site_uid IS 'The site that it is or stands below, where it has one.';
CREATE INDEX audit_event_resource ON murallink.audit_event (resource_uid, uid);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink.audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.install_append_only();
CREATE POLICY viewer ON murallink.audit_event FOR SELECT USING (
    murallink.caller_is_admin() OR CASE resource
        WHEN 'client' THEN murallink.permitted('view_clients', client_uid, NULL, NULL, NULL)
        WHEN 'sponsor' THEN murallink.permitted('view_clients', client_uid, NULL, NULL, NULL)
        WHEN 'contract' THEN murallink.permitted('view_contract', client_uid, contract_uid, NULL, NULL)
        WHEN 'funding' THEN murallink.permitted('view_contract', client_uid, contract_uid, NULL, NULL)
            OR murallink.permitted('view_report', client_uid, contract_uid, NULL, NULL)
        WHEN 'trial' THEN murallink.permitted('view_trials', client_uid, contract_uid, trial_uid, NULL)
        WHEN 'site' THEN murallink.permitted('view_sites', client_uid, contract_uid, NULL, site_uid)
        WHEN 'trial_site' THEN murallink.permitted('view_sites', client_uid, contract_uid, trial_uid, site_uid)
            OR murallink.permitted('view_trials', client_uid, contract_uid, trial_uid, site_uid)
        WHEN 'patient' THEN EXISTS (SELECT FROM murallink.patient p WHERE p.uid = resource_uid)
        WHEN 'patient_site' THEN murallink.permitted('view_patients', client_uid, contract_uid, NULL, site_uid)
        WHEN 'enrollment' THEN murallink.permitted('view_enrollments', client_uid, contract_uid, trial_uid, site_uid)
            OR murallink.permitted('view_patients', client_uid, contract_uid, trial_uid, site_uid)
        WHEN 'milestone' THEN murallink.permitted('view_payment_schedule', client_uid, contract_uid, trial_uid, site_uid)
        WHEN 'payment' THEN murallink.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid)
        WHEN 'payout' THEN murallink.permitted('view_payments', client_uid, contract_uid, trial_uid, site_uid)
        WHEN 'permission_grant' THEN murallink.permitted('grant', client_uid, contract_uid, trial_uid, site_uid)
        ELSE false
    END);

FOREACH relation IN ARRAY ARRAY[
    'murallink.app_user', 'murallink.permission_grant', 'murallink.client', 'murallink.sponsor', 'murallink.contract',
    'murallink.trial', 'murallink.site', 'murallink.trial_site', 'murallink.patient', 'murallink.patient_site',
    'murallink.enrollment', 'murallink.milestone', 'murallink.funding', 'murallink.payment']::regclass[]
LOOP
    EXECUTE pg_catalog.format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %s'
        ' FOR EACH ROW EXECUTE FUNCTION murallink.audit_record()', relation);
END LOOP;
