-- The partners' configuration in this database, and their secrets.

CREATE TABLE murallink_private.partner (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    name text NOT NULL UNIQUE,
    base_url text NOT NULL,
    settings jsonb NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    moved integer NOT NULL DEFAULT 1,
    secrets_changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.partner IS 'The partners that configure_partner() has configured.';
COMMENT ON COLUMN murallink_private.partner.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.partner.name IS 'The name in src/calls/partner_table.h.';
COMMENT ON COLUMN murallink_private.partner.base_url IS 'The URL to which the path of each call is appended.';
COMMENT ON COLUMN murallink_private.partner.settings IS 'All settings, including defaults.';
COMMENT ON COLUMN murallink_private.partner.revision IS 'Raised with each change of settings or secrets: the worker signs in again.';
COMMENT ON COLUMN murallink_private.partner.moved IS
'The first revision with this base_url, customer_id and choice of references. Earlier calls cannot be looked up with this configuration.';
COMMENT ON COLUMN murallink_private.partner.secrets_changed_at IS
'When the secrets were changed last. The audit does not show their values.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.partner
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('values');

CREATE TABLE murallink_private.partner_secret (
    partner_uid murallink.ksuid PRIMARY KEY REFERENCES murallink_private.partner,
    secrets jsonb NOT NULL
);
COMMENT ON TABLE murallink_private.partner_secret IS
'The secrets of partners, in a table of their own, which is not audited.';
COMMENT ON COLUMN murallink_private.partner_secret.partner_uid IS 'The partner.';
COMMENT ON COLUMN murallink_private.partner_secret.secrets IS 'Passwords and keys, by name.';
