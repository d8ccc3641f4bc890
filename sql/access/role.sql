-- Named roles, such as coordinator: permissions that are granted together.

CREATE TYPE murallink.role_info AS (name text, permissions text[], note text, set_by_uid murallink.ksuid, set_at timestamptz);
COMMENT ON TYPE murallink.role_info IS 'A named role. note: why it was set; set_by_uid: by whom, null as shipped; set_at: when.';

CREATE FUNCTION murallink_private.role_infos() RETURNS SETOF murallink.role_info
LANGUAGE sql STABLE AS $$
    SELECT * FROM (
        SELECT DISTINCT ON (r.name) r.name, r.permissions::text[] AS permissions, r.note, r.set_by_uid, r.created_at
        FROM murallink_private.role r ORDER BY r.name, r.created_at DESC, r.uid DESC) AS last
    WHERE last.permissions <> '{}'
$$;
COMMENT ON FUNCTION murallink_private.role_infos() IS 'The roles in force, by name.';

CREATE FUNCTION murallink_private.role_moment(name text) RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.moment_after(pg_catalog.clock_timestamp(), (
        SELECT pg_catalog.max(r.created_at) FROM murallink_private.role r WHERE r.name = role_moment.name))
$$;
COMMENT ON FUNCTION murallink_private.role_moment(text) IS 'The moment of the next version of a role.';

CREATE FUNCTION murallink_private.role_name(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN murallink_private.lowered(murallink_private.checked_text(name, 'name', 100, true));
END
$$;
COMMENT ON FUNCTION murallink_private.role_name(text) IS 'The name of a role as it is stored. Errors: missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink_private.checked_permissions(permission text, permissions text[], role text DEFAULT NULL)
RETURNS murallink.permission[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    -- The names of the arguments are those of the requests.
    ways CONSTANT text[] := pg_catalog.array_remove(ARRAY[
        CASE WHEN permission <> '' THEN 'permission' END, CASE WHEN pg_catalog.cardinality(permissions) > 0 THEN 'permissions' END,
        CASE WHEN role <> '' THEN 'role' END], NULL);
    named text[];
BEGIN
    IF ways = '{}' THEN
        PERFORM murallink_private.raise('missing_field', 'permission', 'Send one of permission, permissions and role.');
    ELSIF pg_catalog.cardinality(ways) > 1 THEN
        PERFORM murallink_private.raise('invalid_value', ways[2], 'Send one of permission, permissions and role.');
    END IF;
    named := CASE ways[1] WHEN 'permission' THEN ARRAY[permission] WHEN 'permissions' THEN permissions ELSE (
        SELECT i.permissions FROM murallink_private.role_infos() i WHERE i.name = murallink_private.role_name(role)) END;
    IF named IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'role', 'get_roles returns all roles.');
    ELSIF (named <@ pg_catalog.enum_range(NULL::murallink.permission)::text[]) IS NOT TRUE THEN
        PERFORM murallink_private.raise('unknown_permission', ways[1]);
    END IF;
    -- Each once, and in one order, so that concurrent grants do not deadlock.
    RETURN ARRAY(SELECT DISTINCT p::murallink.permission FROM pg_catalog.unnest(named) AS p ORDER BY 1);
END
$$;
COMMENT ON FUNCTION murallink_private.checked_permissions(text, text[], text) IS
'The permissions that a request names: one in permission, several in permissions, or those of a role. Errors: missing_field, invalid_value (more than one way), unknown_permission, not_found (role).';

CREATE FUNCTION murallink.get_roles() RETURNS SETOF murallink.role_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 AS $$
BEGIN
    PERFORM murallink_private.require_caller();
    RETURN QUERY SELECT * FROM murallink_private.role_infos();
END
$$;
COMMENT ON FUNCTION murallink.get_roles() IS
'The named roles, by name, each with the permissions that grant gives for it. Errors: unauthenticated.';

CREATE FUNCTION murallink.set_role(name text DEFAULT NULL, permissions text[] DEFAULT NULL, note text DEFAULT NULL)
RETURNS murallink.role_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    named CONSTANT text := murallink_private.role_name(set_role.name);
    given murallink.permission[];
    answer murallink.role_info;
BEGIN
    IF coalesce(pg_catalog.cardinality(set_role.permissions), 0) = 0 THEN
        PERFORM murallink_private.raise('missing_field', 'permissions');
    END IF;
    given := murallink_private.checked_permissions(NULL, set_role.permissions);
    INSERT INTO murallink_private.role (name, permissions, note, set_by_uid, created_at)
    SELECT named, given, murallink_private.checked_text(set_role.note, 'note', 1000, true), caller, murallink_private.role_moment(named)
    WHERE NOT EXISTS (SELECT FROM murallink_private.role_infos() i WHERE i.name = named AND i.permissions = given::text[]);
    SELECT * INTO answer FROM murallink_private.role_infos() i WHERE i.name = named;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.set_role(text, text[], text) IS
'Makes a named role, or changes what grant gives for it from now on; grants that were made stay as they are. name: in any case; permissions: all of them; note: why. With the same permissions this changes nothing. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_value, unknown_permission.';

CREATE FUNCTION murallink.remove_role(name text DEFAULT NULL, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    named CONSTANT text := murallink_private.role_name(remove_role.name);
BEGIN
    INSERT INTO murallink_private.role (name, permissions, note, set_by_uid, created_at)
    SELECT named, '{}', murallink_private.checked_text(remove_role.note, 'note', 1000, true), caller, murallink_private.role_moment(named)
    FROM murallink_private.role_infos() i WHERE i.name = named;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'name', 'get_roles returns all roles.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.remove_role(text, text) IS
'Removes a named role, also a shipped one; grants that were made stay. note: why. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_value, not_found.';
