CREATE TABLE murallink.client (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    name text NOT NULL CHECK (name <> ''),
    sales_contact text NOT NULL DEFAULT '',
    client_type text NOT NULL DEFAULT '',
    tax_id text NOT NULL DEFAULT '',
    client_signature_date date,
    contact_name text NOT NULL DEFAULT '',
    contact_phone text NOT NULL DEFAULT '',
    contact_email text NOT NULL DEFAULT '' CHECK (contact_email = pg_catalog.lower(contact_email)),
    address murallink.address,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE murallink.client IS 'The company under contract: a manufacturer, or a CRO on behalf of one.';
COMMENT ON COLUMN murallink.client.uid IS 'Key.';
COMMENT ON COLUMN murallink.client.name IS 'Name.';
COMMENT ON COLUMN murallink.client.sales_contact IS 'Who looks after the client.';
COMMENT ON COLUMN murallink.client.client_type IS 'What kind of company it is.';
COMMENT ON COLUMN murallink.client.tax_id IS 'Tax identification.';
COMMENT ON COLUMN murallink.client.client_signature_date IS 'When the client signed.';
COMMENT ON COLUMN murallink.client.contact_name IS 'Whom to ask at the client.';
COMMENT ON COLUMN murallink.client.contact_phone IS 'Their phone.';
COMMENT ON COLUMN murallink.client.contact_email IS 'Their e-mail address, in lower case.';
COMMENT ON COLUMN murallink.client.address IS 'Postal address, null where unknown.';
COMMENT ON COLUMN murallink.client.created_at IS 'When it was added.';
CREATE POLICY viewer ON murallink.client FOR SELECT USING (murallink.permitted('view_clients', uid, NULL, NULL, NULL));

CREATE TABLE murallink.sponsor (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL REFERENCES murallink.client,
    name text NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (uid, client_uid)
);
COMMENT ON TABLE murallink.sponsor IS 'The company that a client works on behalf of.';
COMMENT ON COLUMN murallink.sponsor.uid IS 'Key.';
COMMENT ON COLUMN murallink.sponsor.client_uid IS 'The client that works for it.';
COMMENT ON COLUMN murallink.sponsor.name IS 'Name.';
COMMENT ON COLUMN murallink.sponsor.created_at IS 'When it was added.';
CREATE INDEX sponsor_client ON murallink.sponsor (client_uid);
CREATE POLICY viewer ON murallink.sponsor FOR SELECT USING (murallink.permitted('view_clients', client_uid, NULL, NULL, NULL));

CREATE TABLE murallink.contract (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL REFERENCES murallink.client,
    sponsor_uid murallink.ksuid,
    name text NOT NULL CHECK (name <> ''),
    total_contract_value numeric CHECK (murallink.amount_fits(total_contract_value, currency)),
    currency murallink.currency NOT NULL,
    client_signature_date date,
    contract_start_date date,
    contract_end_date date,
    default_payment_type_uid murallink.ksuid REFERENCES murallink_private.payment_type,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (uid, client_uid),
    FOREIGN KEY (sponsor_uid, client_uid) REFERENCES murallink.sponsor (uid, client_uid),
    CHECK (contract_end_date >= contract_start_date)
);
COMMENT ON TABLE murallink.contract IS 'An agreement with a client, which covers trials and is funded by the client.';
COMMENT ON COLUMN murallink.contract.uid IS 'Key.';
COMMENT ON COLUMN murallink.contract.client_uid IS 'With whom.';
COMMENT ON COLUMN murallink.contract.sponsor_uid IS 'On whose behalf, null where it is the client''s own.';
COMMENT ON COLUMN murallink.contract.name IS 'Name.';
COMMENT ON COLUMN murallink.contract.total_contract_value IS 'In currency units, null where not agreed.';
COMMENT ON COLUMN murallink.contract.currency IS 'Of the value, and of amounts that name none.';
COMMENT ON COLUMN murallink.contract.client_signature_date IS 'When the client signed.';
COMMENT ON COLUMN murallink.contract.contract_start_date IS 'First day.';
COMMENT ON COLUMN murallink.contract.contract_end_date IS 'Last day.';
COMMENT ON COLUMN murallink.contract.default_payment_type_uid IS 'How patients are paid who have chosen nothing.';
COMMENT ON COLUMN murallink.contract.created_at IS 'When it was added.';
CREATE INDEX contract_client ON murallink.contract (client_uid);
CREATE POLICY viewer ON murallink.contract FOR SELECT USING (murallink.permitted('view_contract', client_uid, uid, NULL, NULL));

CREATE TABLE murallink.trial (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    protocol_id text NOT NULL DEFAULT '',
    approve_milestones boolean NOT NULL DEFAULT false,
    separate_approver boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (uid, contract_uid, client_uid),
    FOREIGN KEY (contract_uid, client_uid) REFERENCES murallink.contract (uid, client_uid)
);
COMMENT ON TABLE murallink.trial IS 'A clinical trial.';
COMMENT ON COLUMN murallink.trial.uid IS 'Key.';
COMMENT ON COLUMN murallink.trial.client_uid IS 'The contract''s client.';
COMMENT ON COLUMN murallink.trial.contract_uid IS 'The contract that covers it and whose funds pay for it.';
COMMENT ON COLUMN murallink.trial.name IS 'The name that people use.';
COMMENT ON COLUMN murallink.trial.protocol_id IS 'The official identification.';
COMMENT ON COLUMN murallink.trial.approve_milestones IS 'Whether milestone payments are approved as they are made.';
COMMENT ON COLUMN murallink.trial.separate_approver IS 'Whether another person than the requester must approve.';
COMMENT ON COLUMN murallink.trial.created_at IS 'When it was added.';
CREATE TRIGGER changed AFTER UPDATE ON murallink.trial
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.install_changed();
CREATE INDEX trial_contract ON murallink.trial (contract_uid);
CREATE POLICY viewer ON murallink.trial FOR SELECT USING (murallink.permitted('view_trials', client_uid, contract_uid, uid, NULL));

CREATE TABLE murallink.site (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    time_zone text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
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
CREATE INDEX site_contract ON murallink.site (contract_uid);
CREATE POLICY viewer ON murallink.site FOR SELECT USING (murallink.permitted('view_sites', client_uid, contract_uid, NULL, uid));

CREATE TABLE murallink.trial_site (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    trial_uid murallink.ksuid NOT NULL,
    site_uid murallink.ksuid NOT NULL REFERENCES murallink.site,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (trial_uid, site_uid),
    UNIQUE (uid, trial_uid, site_uid, contract_uid, client_uid),
    FOREIGN KEY (trial_uid, contract_uid, client_uid) REFERENCES murallink.trial (uid, contract_uid, client_uid)
);
COMMENT ON TABLE murallink.trial_site IS 'A trial at one of its sites: below both.';
COMMENT ON COLUMN murallink.trial_site.uid IS 'Key.';
COMMENT ON COLUMN murallink.trial_site.client_uid IS 'The client of the trial''s contract.';
COMMENT ON COLUMN murallink.trial_site.contract_uid IS 'The trial''s contract, which may be another than the site''s.';
COMMENT ON COLUMN murallink.trial_site.trial_uid IS 'The trial.';
COMMENT ON COLUMN murallink.trial_site.site_uid IS 'The site.';
COMMENT ON COLUMN murallink.trial_site.created_at IS 'When they were associated.';
CREATE INDEX trial_site_site ON murallink.trial_site (site_uid);
CREATE POLICY viewer ON murallink.trial_site FOR SELECT USING (
    murallink.permitted('view_sites', client_uid, contract_uid, trial_uid, site_uid)
    OR murallink.permitted('view_trials', client_uid, contract_uid, trial_uid, site_uid));
