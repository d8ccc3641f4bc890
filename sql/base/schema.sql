-- The roles, the schemas, and who may use them. All else is in these schemas.

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
        RAISE 'the owner of the schema murallink is not a superuser'
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
    -- The owner of an existing role of this name could use it to gain rights.
    FOR role IN
        SELECT r.rolname FROM pg_catalog.pg_roles r
        WHERE r.rolname = ANY (known)
            AND (r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
                OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid
                    AND (r.rolname = 'murallink_owner' OR pg_catalog.pg_get_userbyid(m.roleid) = ANY (known)))
                OR r.rolname = 'murallink_owner' AND EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = r.oid))
    LOOP
        RAISE 'the role % exists already, with more rights than murallink gives it', role
            USING HINT = 'It must be NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION and not a member of '
                'a role of murallink''s; murallink_owner must have no members and be a member of no role. Alter or drop the role; '
                'murallink creates a dropped role again.';
    END LOOP;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) a
        WHERE a.grantee <> d.defaclrole AND a.grantee IN (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = ANY (known)))
    THEN
        RAISE 'default privileges name a role of murallink'
            USING HINT = 'Such a role may do what is granted to it by name. See \ddp, and ALTER DEFAULT PRIVILEGES ... REVOKE.';
    END IF;
    -- Revoke what default privileges granted.
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
