DO $$
DECLARE
    role text;
BEGIN
    IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'murallink') THEN
        RAISE 'the schema murallink belongs to somebody who is no superuser'
            USING HINT = 'Who owns a schema can put functions beside ours. Drop or rename it.';
    END IF;
    IF pg_catalog.current_setting('standard_conforming_strings') <> 'on' THEN
        RAISE 'standard_conforming_strings is off' USING HINT = 'Set it on to create the extension.';
    END IF;
    FOREACH role IN ARRAY ARRAY['murallink_owner', 'murallink_client', 'murallink_analyst', 'murallink_operator'] LOOP
        IF pg_catalog.to_regrole(role) IS NULL THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA murallink_private AUTHORIZATION murallink_owner;
COMMENT ON SCHEMA murallink_private IS 'Secrets and machinery of murallink; no role but murallink_owner reads it.';

GRANT USAGE, CREATE ON SCHEMA murallink TO murallink_owner;
GRANT USAGE ON SCHEMA murallink TO murallink_client, murallink_analyst, murallink_operator;

CREATE FUNCTION murallink.install_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'install_changed';
COMMENT ON FUNCTION murallink.install_changed() IS
'Trigger: tells every session to forget what it remembers of this table, at commit.';

CREATE FUNCTION murallink.install_append_only() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'install_append_only';
COMMENT ON FUNCTION murallink.install_append_only() IS
'Trigger: refuses to change, delete or truncate what has been recorded. Errors: append_only.';

CREATE FUNCTION murallink.install() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $murallink_install$
DECLARE
    relation regclass;
BEGIN
    IF pg_catalog.to_regclass('murallink_private.data_version') IS NOT NULL THEN
        PERFORM murallink.raise('already_exists');
    END IF;
-- @data@
    FOR relation IN
        SELECT c.oid FROM pg_catalog.pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace)
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', relation);
        EXECUTE pg_catalog.format('CREATE POLICY owner ON %s TO murallink_owner USING (true)', relation);
    END LOOP;
    GRANT SELECT ON ALL TABLES IN SCHEMA murallink TO murallink_analyst, murallink_operator;
    REVOKE SELECT ON murallink.needs_person FROM murallink_analyst;
    NOTIFY pgrst, 'reload schema';
END
$murallink_install$;
COMMENT ON FUNCTION murallink.install() IS
'Creates the tables, indexes, policies and views in this database, as ordinary objects of murallink_owner, and has PostgREST look at the functions again. Run once after CREATE EXTENSION. Errors: already_exists.';

CREATE FUNCTION murallink.upgrade() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known CONSTANT integer := murallink.known_data_version();
    present integer;
BEGIN
    IF pg_catalog.to_regclass('murallink_private.data_version') IS NULL THEN
        PERFORM murallink.raise('not_installed');
    END IF;
    SELECT version INTO present FROM murallink_private.data_version FOR UPDATE;
    IF present IS NULL OR present > known THEN
        PERFORM murallink.raise('unknown_data_version');
    END IF;
    WHILE present < known LOOP
        EXECUTE pg_catalog.format('SELECT murallink.upgrade_from_%s()', present);
        present := present + 1;
        UPDATE murallink_private.data_version SET version = present, since = pg_catalog.now();
    END LOOP;
    NOTIFY pgrst, 'reload schema';
    RETURN present;
END
$$;
COMMENT ON FUNCTION murallink.upgrade() IS
'Brings the tables to the version that the installed library works on and returns it; PostgREST looks at the functions again. Errors: not_installed, unknown_data_version when they are newer than the library.';

CREATE FUNCTION murallink.known_data_version() RETURNS integer
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'install_known_data_version';
COMMENT ON FUNCTION murallink.known_data_version() IS 'The version of the tables that the installed library works on.';

CREATE FUNCTION murallink.require_installed() RETURNS void
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'install_require';
COMMENT ON FUNCTION murallink.require_installed() IS
'For what does not ask who is calling, where this is looked at too. Errors: not_installed, unknown_data_version.';
