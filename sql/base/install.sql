-- Installs and upgrades the tables, and the triggers that many of them share.

CREATE FUNCTION murallink_private.install_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'install_changed';
COMMENT ON FUNCTION murallink_private.install_changed() IS
'Trigger for each row: makes every session forget its cached rows of this table, at commit. It must be enabled always, because replicated rows fire no other triggers, and none for statements. TRUNCATE has the same effect without a trigger.';

CREATE FUNCTION murallink_private.install_append_only() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'install_append_only';
COMMENT ON FUNCTION murallink_private.install_append_only() IS
'Trigger for each statement: refuses to change, delete or truncate rows (append_only), and to insert rows that only murallink inserts, without a statement (guarded). Errors: append_only, guarded.';

CREATE FUNCTION murallink_private.install_guarded() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'install_guarded';
COMMENT ON FUNCTION murallink_private.install_guarded() IS
'Trigger for each statement: refuses it, because murallink writes the rows of this table without a statement. Errors: guarded.';

CREATE FUNCTION murallink_private.asked_by_owner() RETURNS boolean
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'install_asked_by_owner';
COMMENT ON FUNCTION murallink_private.asked_by_owner() IS
'Whether the role that has connected, or that SET ROLE has set, is a superuser or has the privileges of murallink_owner, even within SECURITY DEFINER functions.';

CREATE FUNCTION murallink_private.require_owner() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT murallink_private.asked_by_owner() THEN
        PERFORM murallink_private.raise('forbidden');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.require_owner() IS
'Called first by functions that are for superusers only, because all functions of the schema may have been granted to another role. Errors: forbidden.';

CREATE FUNCTION murallink.install() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $murallink_install$
DECLARE
    relation regclass;
BEGIN
    PERFORM murallink_private.require_owner();
    IF pg_catalog.to_regclass('murallink_private.data_version') IS NOT NULL THEN
        PERFORM murallink_private.raise('already_exists');
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
    known CONSTANT integer := murallink_private.known_data_version();
    present integer;
BEGIN
    PERFORM murallink_private.require_owner();
    IF pg_catalog.to_regclass('murallink_private.data_version') IS NULL THEN
        PERFORM murallink_private.raise('not_installed');
    END IF;
    SELECT version INTO present FROM murallink_private.data_version FOR UPDATE;
    IF present IS NULL OR present > known THEN
        PERFORM murallink_private.raise('unknown_data_version');
    END IF;
    WHILE present < known LOOP
        EXECUTE pg_catalog.format('SELECT murallink_private.upgrade_from_%s()', present);
        present := present + 1;
        UPDATE murallink_private.data_version SET version = present, since = pg_catalog.now();
    END LOOP;
    NOTIFY pgrst, 'reload schema';
    RETURN present;
END
$$;
COMMENT ON FUNCTION murallink.upgrade() IS
'Brings the tables to the version that the installed library works on and returns it; PostgREST looks at the functions again. For superusers. Errors: forbidden, not_installed, unknown_data_version when they are newer than the library.';

CREATE FUNCTION murallink_private.copy_comments(source regclass, target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    about record;
BEGIN
    FOR about IN
        SELECT t.attname, pg_catalog.col_description(s.attrelid, s.attnum) AS words
        FROM pg_catalog.pg_attribute s JOIN pg_catalog.pg_attribute t USING (attname)
        WHERE s.attrelid = source AND t.attrelid = target AND s.attnum > 0
    LOOP
        EXECUTE pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', target, about.attname, about.words);
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.copy_comments(regclass, regclass) IS
'Gives the columns of a view the comments of the columns with the same names in the table that it shows. source: the table; target: the view. Called by install().';

CREATE FUNCTION murallink_private.known_data_version() RETURNS integer
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'install_known_data_version';
COMMENT ON FUNCTION murallink_private.known_data_version() IS 'The version of the tables that the installed library works on.';

CREATE FUNCTION murallink_private.require_installed() RETURNS void
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'install_require';
COMMENT ON FUNCTION murallink_private.require_installed() IS
'Checks that the tables are installed; for functions that do not identify the caller, which would check this too. Errors: not_installed, unknown_data_version.';
