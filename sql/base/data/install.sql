-- The version of the tables.

CREATE TABLE murallink_private.data_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL,
    since timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE murallink_private.data_version IS 'The version of these tables: the library refuses to work on a version that it does not support.';
COMMENT ON COLUMN murallink_private.data_version.only_row IS 'Keeps this to one row.';
COMMENT ON COLUMN murallink_private.data_version.version IS 'Raised by murallink.upgrade().';
COMMENT ON COLUMN murallink_private.data_version.since IS 'When that version was reached.';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON murallink_private.data_version
    FOR EACH ROW EXECUTE FUNCTION murallink_private.install_changed();
ALTER TABLE murallink_private.data_version ENABLE ALWAYS TRIGGER changed;
INSERT INTO murallink_private.data_version (version) VALUES (murallink_private.known_data_version());
