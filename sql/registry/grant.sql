-- Grants: give, take, copy and list permissions, close an account.

CREATE FUNCTION murallink.grant(
    resource_uid murallink.ksuid DEFAULT NULL, permission text DEFAULT NULL, user_uid murallink.ksuid DEFAULT NULL,
    action murallink.read_only DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    granted murallink.permission;
    place record;
BEGIN
    PERFORM murallink_private.unchanged("grant".action, '{grant}', 'action');
    IF murallink_private.required("grant".permission, 'permission')
        <> ALL (pg_catalog.enum_range(NULL::murallink.permission)::text[]) THEN
        PERFORM murallink_private.raise('unknown_permission', 'permission');
    END IF;
    granted := "grant".permission;
    SELECT * INTO place FROM murallink_private.resource(murallink_private.required("grant".resource_uid, 'resource_uid'));
    caller := murallink_private.permit('grant', place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, 'resource_uid');
    caller := murallink_private.permit(granted, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, 'permission');
    IF NOT EXISTS (SELECT FROM murallink.app_user WHERE uid = murallink_private.required("grant".user_uid, 'user_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    END IF;
    INSERT INTO murallink.permission_grant (
        app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid, granted_by_uid)
    VALUES (
        "grant".user_uid, granted, place.kind, "grant".resource_uid, place.client_uid, place.contract_uid, place.trial_uid,
        place.site_uid, caller)
    -- A grant that an administrator repeats makes the holder a second person.
    ON CONFLICT ON CONSTRAINT permission_grant_app_user_uid_permission_resource_uid_key
    DO UPDATE SET granted_by_uid = EXCLUDED.granted_by_uid
        WHERE murallink_private.caller_is_admin() AND EXISTS (
            SELECT FROM murallink.app_user u WHERE u.uid = permission_grant.granted_by_uid AND u.user_role <> 'admin');
END
$$;
COMMENT ON FUNCTION murallink.grant(murallink.ksuid, text, murallink.ksuid, murallink.read_only) IS
'Grants a user a permission on a client, contract, trial, site or trial at a site, and so on everything below it (document: Grant). user_uid: the user; resource_uid: the place; permission: one of list_permissions. Granting again changes nothing, except that a grant that an administrator repeats counts as theirs. Needs grant and the permission itself there. action: grant, or absent. Errors: unauthenticated, invalid_value, missing_field, unknown_permission, forbidden, not_found.';

CREATE FUNCTION murallink.revoke(
    resource_uid murallink.ksuid DEFAULT NULL, permission text DEFAULT NULL, user_uid murallink.ksuid DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    PERFORM murallink_private.required(revoke.resource_uid, 'resource_uid'), murallink_private.required(revoke.user_uid, 'user_uid');
    IF murallink_private.required(revoke.permission, 'permission')
        <> ALL (pg_catalog.enum_range(NULL::murallink.permission)::text[]) THEN
        PERFORM murallink_private.raise('unknown_permission', 'permission');
    END IF;
    DELETE FROM murallink.permission_grant g
    WHERE g.app_user_uid = revoke.user_uid AND g.permission::text = revoke.permission AND g.resource_uid = revoke.resource_uid;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'permission');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.revoke(murallink.ksuid, text, murallink.ksuid) IS
'Revokes a user''s grant on a resource, as get_permissions shows it; grants above it stay. resource_uid: the place; permission: the permission; user_uid: the user. Grants that the user made stay. For admins, because the origin of grants decides whether an approver is a second person. Errors: unauthenticated, forbidden, missing_field, unknown_permission, not_found.';

CREATE FUNCTION murallink.close_account(user_uid murallink.ksuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
BEGIN
    IF murallink_private.required(close_account.user_uid, 'user_uid') = caller THEN
        -- Another administrator remains.
        PERFORM murallink_private.raise('invalid_value', 'user_uid');
    END IF;
    PERFORM FROM murallink.app_user WHERE uid = close_account.user_uid FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    END IF;
    -- Lock the credential before the sessions: serializes with a concurrent login, whose session is then ended.
    DELETE FROM murallink_private.credential WHERE app_user_uid = close_account.user_uid;
    DELETE FROM murallink_private.session WHERE coalesce(switched_by_uid, app_user_uid) = close_account.user_uid;
    DELETE FROM murallink_private.known_place WHERE app_user_uid = close_account.user_uid;
    DELETE FROM murallink.permission_grant WHERE app_user_uid = close_account.user_uid;
    UPDATE murallink.app_user SET user_role = 'user', db_role = NULL WHERE uid = close_account.user_uid;
END
$$;
COMMENT ON FUNCTION murallink.close_account(murallink.ksuid) IS
'Removes all grants of a user who leaves, administrator rights, the PostgreSQL role, the password and the sessions. The remaining account is like a new one: it can set a password by e-mail, and has no permissions. user_uid: of another user. The user''s actions, and the grants that the user made, stay. For admins. Errors: unauthenticated, forbidden, missing_field, invalid_value, not_found.';

CREATE FUNCTION murallink_private.grant_stands() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    place record;
BEGIN
    SELECT * INTO place FROM murallink_private.resource(NEW.resource_uid);
    IF (NEW.resource, NEW.client_uid, NEW.contract_uid, NEW.trial_uid, NEW.site_uid)
        IS DISTINCT FROM (place.kind, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid)
    THEN
        PERFORM murallink_private.raise('invalid_value', 'resource_uid');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.grant_stands() IS
'Trigger: checks that a grant has the place of its resource. Errors: invalid_value.';

CREATE FUNCTION murallink.copy_permissions(from_uid murallink.ksuid DEFAULT NULL, to_uid murallink.ksuid DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.permit_somewhere('grant');
    known bigint;
    copied bigint;
BEGIN
    PERFORM murallink_private.required(from_uid, 'from_uid'), murallink_private.required(to_uid, 'to_uid');
    IF NOT EXISTS (SELECT FROM murallink.app_user WHERE uid = from_uid) THEN
        PERFORM murallink_private.raise('not_found', 'from_uid');
    ELSIF NOT EXISTS (SELECT FROM murallink.app_user WHERE uid = to_uid) THEN
        PERFORM murallink_private.raise('not_found', 'to_uid');
    END IF;
    WITH held AS (
        SELECT *, murallink_private.permitted(permission, client_uid, contract_uid, trial_uid, site_uid) AS may_grant
        FROM murallink.permission_grant
        WHERE app_user_uid = from_uid AND murallink_private.permitted('grant', client_uid, contract_uid, trial_uid, site_uid)
    ), granted AS (
        INSERT INTO murallink.permission_grant (
            app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid, granted_by_uid)
        SELECT to_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid, caller
        FROM held WHERE may_grant
        -- In one order, so that concurrent copies do not deadlock.
        ORDER BY resource_uid, permission
        ON CONFLICT (app_user_uid, permission, resource_uid) DO NOTHING
    )
    SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE may_grant) INTO known, copied FROM held;
    PERFORM murallink_private.say(pg_catalog.format('%s of %s permissions copied successfully', copied, known));
END
$$;
COMMENT ON FUNCTION murallink.copy_permissions(murallink.ksuid, murallink.ksuid) IS
'Copies the grants of one user to another, who keeps other grants (document: Copy Permissions). from_uid: the user whose grants are copied; to_uid: the user who gets them. The message "n of m permissions copied successfully" counts grants: m are those of from_uid on places where the caller holds grant; n are those that the caller holds too, and that to_uid now has. Needs grant anywhere. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink.list_permissions() RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 32 AS $$
BEGIN
    PERFORM murallink_private.require_caller();
    RETURN QUERY SELECT pg_catalog.unnest(pg_catalog.enum_range(NULL::murallink.permission))::text;
END
$$;
COMMENT ON FUNCTION murallink.list_permissions() IS
'All permissions of the system, in alphabetical order (document: List Permissions). Errors: unauthenticated.';

-- VOLATILE, because PostgREST does not read the answer to HEAD: PostgreSQL would not call a STABLE function, and nothing
-- would be refused.
CREATE FUNCTION murallink.get_permissions(user_uid murallink.ksuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    IF NOT EXISTS (SELECT FROM murallink.app_user WHERE uid = murallink_private.required(user_uid, 'user_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    END IF;
    RETURN coalesce(
        (SELECT pg_catalog.jsonb_object_agg(permission, resources)
         FROM (
             SELECT g.permission, pg_catalog.jsonb_agg(
                 pg_catalog.jsonb_build_object(
                     'uid', g.resource_uid::text,
                     'description', pg_catalog.initcap(pg_catalog.replace(r.kind, '_', ' ') COLLATE "C") || ': ' || r.name)
                 ORDER BY g.created_at, g.uid) AS resources
             FROM murallink.permission_grant g, LATERAL murallink_private.resource(g.resource_uid) r
             WHERE g.app_user_uid = get_permissions.user_uid
             GROUP BY g.permission) AS granted),
        '{}');
END
$$;
COMMENT ON FUNCTION murallink.get_permissions(murallink.ksuid) IS
'The grants of a user: for each permission the resources, each with uid and description (document: Get Permissions). For admins. Errors: unauthenticated, forbidden, missing_field, not_found.';
