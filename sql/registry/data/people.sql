-- Patients, and the sites at which they are seen.

CREATE TABLE murallink.patient (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    email text NOT NULL DEFAULT '' CHECK (email = '' OR murallink_private.is_mail_address(email)),
    phone text NOT NULL DEFAULT '',
    first_name text NOT NULL CHECK (murallink_private.is_name(first_name)),
    last_name text NOT NULL CHECK (last_name = '' OR murallink_private.is_name(last_name)),
    email_enabled boolean NOT NULL DEFAULT false,
    sms_enabled boolean NOT NULL DEFAULT false,
    address murallink.address,
    emergency_contact text NOT NULL DEFAULT '',
    emergency_phone text NOT NULL DEFAULT '',
    time_zone text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink.patient IS 'A person who takes part in trials.';
COMMENT ON COLUMN murallink.patient.uid IS 'Key.';
COMMENT ON COLUMN murallink.patient.email IS 'In lower case; families may share one.';
COMMENT ON COLUMN murallink.patient.phone IS 'As entered.';
COMMENT ON COLUMN murallink.patient.first_name IS 'First name.';
COMMENT ON COLUMN murallink.patient.last_name IS 'Last name.';
COMMENT ON COLUMN murallink.patient.email_enabled IS 'Whether the patient agrees to e-mail.';
COMMENT ON COLUMN murallink.patient.sms_enabled IS 'Whether the patient agrees to SMS.';
COMMENT ON COLUMN murallink.patient.address IS 'Postal address, null where unknown.';
COMMENT ON COLUMN murallink.patient.emergency_contact IS 'The person to call in an emergency.';
COMMENT ON COLUMN murallink.patient.emergency_phone IS 'Their phone.';
COMMENT ON COLUMN murallink.patient.time_zone IS 'A name of the tz database; empty: the site''s.';
COMMENT ON COLUMN murallink.patient.created_at IS 'When the patient was added.';
COMMENT ON COLUMN murallink.patient.updated_at IS 'When it was changed last: each UPDATE of the owner has to set it.';
CREATE INDEX patient_name ON murallink.patient USING gin (murallink_private.name_parts(first_name || ' ' || last_name));
CREATE INDEX patient_email ON murallink.patient (email) WHERE email <> '';
CREATE INDEX patient_phone ON murallink.patient (murallink_private.phone_key(phone)) WHERE phone <> '';
CREATE INDEX patient_address ON murallink.patient (murallink_private.address_key(address)) WHERE address IS NOT NULL;
CREATE INDEX patient_updated ON murallink.patient (updated_at);
CREATE POLICY updated ON murallink.patient AS RESTRICTIVE FOR UPDATE TO murallink_owner
    USING (true) WITH CHECK (updated_at >= pg_catalog.transaction_timestamp());
COMMENT ON POLICY updated ON murallink.patient IS 'updated_at shows every change that a function makes; a policy needs no trigger.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.patient
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY patient ON murallink_private.audit_event FOR SELECT USING (
    resource = 'patient' AND EXISTS (SELECT FROM murallink.patient p WHERE p.uid = resource_uid));

CREATE TABLE murallink.merged_patient (
    uid murallink.ksuid PRIMARY KEY,
    into_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    note text NOT NULL CHECK (note <> ''),
    merged_by name NOT NULL DEFAULT coalesce(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER),
    merged_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK (into_uid <> uid)
);
COMMENT ON TABLE murallink.merged_patient IS
'The records of patients who had two, which were merged into the other one and exist no more.';
COMMENT ON COLUMN murallink.merged_patient.uid IS 'The uid that the record had. No patient has it again.';
COMMENT ON COLUMN murallink.merged_patient.into_uid IS 'The patient.';
COMMENT ON COLUMN murallink.merged_patient.note IS 'Why.';
COMMENT ON COLUMN murallink.merged_patient.merged_by IS 'The PostgreSQL role that merged them: the one of SET ROLE, else the login role.';
COMMENT ON COLUMN murallink.merged_patient.merged_at IS 'When.';
CREATE INDEX merged_patient_into ON murallink.merged_patient (into_uid);

CREATE TABLE murallink.patient_site (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (patient_uid, site_uid),
    FOREIGN KEY (site_uid, contract_uid, client_uid) REFERENCES murallink.site (uid, contract_uid, client_uid)
);
COMMENT ON TABLE murallink.patient_site IS 'The sites to which a patient belongs.';
COMMENT ON COLUMN murallink.patient_site.uid IS 'Key.';
COMMENT ON COLUMN murallink.patient_site.patient_uid IS 'The patient.';
COMMENT ON COLUMN murallink.patient_site.client_uid IS 'The site''s client.';
COMMENT ON COLUMN murallink.patient_site.contract_uid IS 'The site''s contract.';
COMMENT ON COLUMN murallink.patient_site.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.patient_site.created_at IS 'When the patient came to the site.';
CREATE INDEX patient_site_site ON murallink.patient_site (site_uid);
CREATE INDEX patient_site_client ON murallink.patient_site (client_uid);
CREATE INDEX patient_site_contract ON murallink.patient_site (contract_uid);
CREATE POLICY viewer ON murallink.patient_site FOR SELECT
    USING (murallink_private.permitted('view_patients', client_uid, contract_uid, NULL, site_uid));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.patient_site
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY patient_site ON murallink_private.audit_event FOR SELECT USING (
    resource = 'patient_site' AND murallink_private.permitted('view_patients', client_uid, contract_uid, NULL, site_uid));
