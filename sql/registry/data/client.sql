-- Clients and sponsors.

CREATE TABLE murallink.client (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    name text NOT NULL CHECK (murallink_private.is_label(name)),
    sales_contact text NOT NULL DEFAULT '',
    client_type text NOT NULL DEFAULT '',
    tax_id text NOT NULL DEFAULT '',
    client_signature_date date,
    contact_name text NOT NULL DEFAULT '',
    contact_phone text NOT NULL DEFAULT '',
    contact_email text NOT NULL DEFAULT '' CHECK (contact_email = '' OR murallink_private.is_mail_address(contact_email)),
    address murallink.address,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE murallink.client IS 'The company under contract: a manufacturer, or a CRO on behalf of one.';
COMMENT ON COLUMN murallink.client.uid IS 'Key.';
COMMENT ON COLUMN murallink.client.name IS 'Name.';
COMMENT ON COLUMN murallink.client.sales_contact IS 'The person who looks after the client.';
COMMENT ON COLUMN murallink.client.client_type IS 'The kind of company.';
COMMENT ON COLUMN murallink.client.tax_id IS 'Tax identification.';
COMMENT ON COLUMN murallink.client.client_signature_date IS 'When the client signed.';
COMMENT ON COLUMN murallink.client.contact_name IS 'The contact person at the client.';
COMMENT ON COLUMN murallink.client.contact_phone IS 'Their phone.';
COMMENT ON COLUMN murallink.client.contact_email IS 'Their e-mail address, in lower case.';
COMMENT ON COLUMN murallink.client.address IS 'Postal address, null where unknown.';
COMMENT ON COLUMN murallink.client.created_at IS 'When it was added.';
CREATE POLICY viewer ON murallink.client FOR SELECT USING (murallink_private.permitted('view_clients', uid, NULL, NULL, NULL));
ALTER TABLE murallink.permission_grant ADD FOREIGN KEY (client_uid) REFERENCES murallink.client ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.client
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY client ON murallink_private.audit_event FOR SELECT USING (
    resource = 'client' AND murallink_private.permitted('view_clients', client_uid, NULL, NULL, NULL));

CREATE TABLE murallink.sponsor (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL REFERENCES murallink.client ON DELETE CASCADE,
    name text NOT NULL CHECK (murallink_private.is_label(name)),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (uid, client_uid)
);
COMMENT ON TABLE murallink.sponsor IS 'The company that a client works on behalf of.';
COMMENT ON COLUMN murallink.sponsor.uid IS 'Key.';
COMMENT ON COLUMN murallink.sponsor.client_uid IS 'The client that works for the sponsor.';
COMMENT ON COLUMN murallink.sponsor.name IS 'Name, once for each client in any case and with any blanks.';
COMMENT ON COLUMN murallink.sponsor.created_at IS 'When it was added.';
CREATE UNIQUE INDEX sponsor_name ON murallink.sponsor (client_uid, murallink_private.label_key(name));
CREATE POLICY viewer ON murallink.sponsor FOR SELECT USING (murallink_private.permitted('view_clients', client_uid, NULL, NULL, NULL));
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.sponsor
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE POLICY sponsor ON murallink_private.audit_event FOR SELECT USING (
    resource = 'sponsor' AND murallink_private.permitted('view_clients', client_uid, NULL, NULL, NULL));
