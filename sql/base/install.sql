-- Installs and upgrades the tables, and the triggers that many of them share.

CREATE FUNCTION murallink.install_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'install_changed';
COMMENT ON FUNCTION murallink.install_changed() IS
'Trigger for each row, which has to be enabled always, because rows that replication brings fire no other and none for statements: tells every session to forget what it remembers of this table, at commit. TRUNCATE does that by itself.';

CREATE FUNCTION murallink.install_append_only() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'install_append_only';
COMMENT ON FUNCTION murallink.install_append_only() IS
'Trigger for each statement: refuses to change, delete or truncate what has been recorded (append_only), and to insert where murallink inserts rows without a statement (guarded). Errors: append_only, guarded.';

CREATE FUNCTION murallink.asked_by_owner() RETURNS boolean
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'install_asked_by_owner';
COMMENT ON FUNCTION murallink.asked_by_owner() IS
'Whether the role that has connected, or has set itself by SET ROLE, is a superuser or has the privileges of murallink_owner, whatever function of whose rights asks.';

CREATE FUNCTION murallink.require_owner() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT murallink.asked_by_owner() THEN
        PERFORM murallink.raise('forbidden');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.require_owner() IS
'Asked first by what only superusers do, because somebody may have granted all functions of the schema to somebody. Errors: forbidden.';

CREATE FUNCTION murallink.install() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $murallink_install$
DECLARE
    relation regclass;
BEGIN
    PERFORM murallink.require_owner();
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
    NOTIFY pgrst, 'reload schema';
END
$murallink_install$;
COMMENT ON FUNCTION murallink.install() IS
'Creates the tables, indexes, policies and views in this database, as ordinary objects of murallink_owner, and has PostgREST look at the functions again. Run once after CREATE EXTENSION. For superusers. Errors: forbidden, already_exists.';

CREATE FUNCTION murallink.upgrade() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known CONSTANT integer := murallink.known_data_version();
    present integer;
BEGIN
    PERFORM murallink.require_owner();
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
'Brings the tables to the version that the installed library works on and returns it; PostgREST looks at the functions again. For superusers. Errors: forbidden, not_installed, unknown_data_version when they are newer than the library.';

CREATE FUNCTION murallink.known_data_version() RETURNS integer
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'install_known_data_version';
COMMENT ON FUNCTION murallink.known_data_version() IS 'The version of the tables that the installed library works on.';

CREATE FUNCTION murallink.require_installed() RETURNS void
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'install_require';
COMMENT ON FUNCTION murallink.require_installed() IS
'For what does not ask who is calling, where this is looked at too. Errors: not_installed, unknown_data_version.';
