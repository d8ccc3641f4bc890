-- Installs and upgrades the tables, and the triggers that many of them share.

DO $$
DECLARE
    known CONSTANT text[] := ARRAY['murallink_owner', 'murallink_client', 'murallink_analyst', 'murallink_operator', 'murallink_monitor'];
    role text;
    grantee text;
BEGIN
    IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
        RAISE 'murallink needs a database with the encoding UTF8, not %', pg_catalog.getdatabaseencoding();
    END IF;
    IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'murallink') THEN
        RAISE 'the schema murallink belongs to somebody who is no superuser'
            USING HINT = 'The owner of a schema can put functions beside ours. Drop or rename it.';
    END IF;
    IF pg_catalog.current_setting('standard_conforming_strings') <> 'on' THEN
        RAISE 'standard_conforming_strings is off' USING HINT = 'Set it on to create the extension.';
    END IF;
    FOREACH role IN ARRAY known LOOP
        IF pg_catalog.to_regrole(role) IS NULL THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
    -- Whoever made such a role before may come in by it, or by what it may do elsewhere.
    FOR role IN
        SELECT r.rolname FROM pg_catalog.pg_roles r
        WHERE r.rolname = ANY (known)
            AND (r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
                OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid
                    AND (r.rolname = 'murallink_owner' OR pg_catalog.pg_get_userbyid(m.roleid) = ANY (known)))
                OR r.rolname = 'murallink_owner' AND EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = r.oid))
    LOOP
        RAISE 'the role % is there already, with more than murallink gives it', role
            USING HINT = 'It has to be NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION, a member of no role of murallink''s, and murallink_owner without members and a member of nothing. Alter it, or drop it: it is made again.';
    END LOOP;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) a
        WHERE a.grantee <> d.defaclrole AND a.grantee IN (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = ANY (known)))
    THEN
        RAISE 'default privileges name a role of murallink'
            USING HINT = 'Such a role may do what is granted to it by name. See \ddp, and ALTER DEFAULT PRIVILEGES ... REVOKE.';
    END IF;
    -- What default privileges gave.
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END
        FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a WHERE n.nspname = 'murallink' AND a.grantee <> n.nspowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA murallink FROM %s', grantee);
    END LOOP;
END
$$;

CREATE SCHEMA murallink_private AUTHORIZATION murallink_owner;
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END
        FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
        WHERE n.nspname = 'murallink_private' AND a.grantee <> n.nspowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA murallink_private FROM %s', grantee);
    END LOOP;
END
$$;
COMMENT ON SCHEMA murallink_private IS 'Secrets and machinery of murallink; no role but murallink_owner reads it.';

GRANT USAGE, CREATE ON SCHEMA murallink TO murallink_owner;
GRANT USAGE ON SCHEMA murallink TO murallink_client, murallink_analyst, murallink_operator, murallink_monitor;

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
