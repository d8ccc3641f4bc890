-- Grants: give, take, copy and list permissions.

CREATE FUNCTION murallink_private.described(
    kind text, name text, client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid
) RETURNS text
LANGUAGE sql STABLE
RETURN CASE kind
    WHEN 'client' THEN 'Client' WHEN 'contract' THEN 'Contract' WHEN 'trial' THEN 'Trial' WHEN 'site' THEN 'Site' ELSE 'Trial Site' END
    || CASE WHEN CASE kind
    WHEN 'client' THEN murallink_private.permitted('view_clients', client_uid, NULL, NULL, NULL)
    WHEN 'contract' THEN murallink_private.permitted('view_contract', client_uid, contract_uid, NULL, NULL)
    WHEN 'trial' THEN murallink_private.permitted('view_trials', client_uid, contract_uid, trial_uid, NULL)
    WHEN 'site' THEN murallink_private.permitted('view_sites', client_uid, contract_uid, NULL, site_uid)
    ELSE murallink_private.permitted('view_trials', client_uid, contract_uid, trial_uid, site_uid)
        AND murallink_private.permitted('view_sites', client_uid, contract_uid, trial_uid, site_uid) END
    THEN ': ' || name ELSE '' END;
COMMENT ON FUNCTION murallink_private.described(text, text, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'A resource in words, such as "Trial: ABC"; only "Trial" for a caller who may not view it. kind, name and place, as resource() returns them.';

CREATE FUNCTION murallink_private.give(
    user_uid murallink.ksuid, granted murallink.permission, resource_uid murallink.ksuid, until timestamptz
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    known murallink.permission_grant;
BEGIN
    LOOP
        SELECT * INTO known FROM murallink.permission_grant g
        WHERE g.app_user_uid = user_uid AND g.permission = granted AND g.resource_uid = give.resource_uid AND g.ended_at IS NULL
        FOR UPDATE;
        IF FOUND THEN
            -- A grant that an administrator repeats makes the holder a second person.
            EXIT WHEN murallink_private.in_force(known.until, known.ended_at) AND known.until IS NOT DISTINCT FROM give.until
                AND NOT (murallink_private.caller_is_admin() AND EXISTS (
                    SELECT FROM murallink.app_user u WHERE u.uid = known.granted_by_uid AND u.user_role <> 'admin'));
            UPDATE murallink.permission_grant g
            SET ended_at = pg_catalog.clock_timestamp(), ended_by_uid = caller, ended_note = 'granted again' WHERE g.uid = known.uid;
        END IF;
        INSERT INTO murallink.permission_grant (
            app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid, granted_by_uid, until)
        SELECT user_uid, granted, r.kind, give.resource_uid, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid, caller, give.until
        FROM murallink_private.resource(give.resource_uid) r
        -- Another transaction may have granted it meanwhile.
        ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.give(murallink.ksuid, murallink.permission, murallink.ksuid, timestamptz) IS
'Grants a user a permission on a resource, by the caller, until a time (null: without an end). If it is in force already with the same end, this changes nothing, unless an administrator repeats a grant of somebody else. Otherwise the grant before it ends, and stays as a row. Errors: unauthenticated.';

CREATE FUNCTION murallink_private.permit_grants(
    resource_uid murallink.ksuid, OUT kind text, OUT client_uid murallink.ksuid, OUT contract_uid murallink.ksuid,
    OUT trial_uid murallink.ksuid, OUT site_uid murallink.ksuid
)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT r.kind, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid INTO kind, client_uid, contract_uid, trial_uid, site_uid
    FROM murallink_private.resource(murallink_private.required(permit_grants.resource_uid, 'resource_uid')) r;
    PERFORM murallink_private.permit('grant', client_uid, contract_uid, trial_uid, site_uid, 'resource_uid');
END
$$;
COMMENT ON FUNCTION murallink_private.permit_grants(murallink.ksuid) IS
'The kind and the place of a resource, as resource() returns them, on which the caller holds grant. Errors: unauthenticated, missing_field, forbidden, not_found.';

CREATE FUNCTION murallink.grant(
    resource_uid murallink.ksuid DEFAULT NULL, permission text DEFAULT NULL, user_uid murallink.ksuid DEFAULT NULL,
    action murallink.read_only DEFAULT NULL, permissions text[] DEFAULT NULL, until murallink.moment DEFAULT NULL,
    role text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    ends CONSTANT timestamptz := "grant".until;
    named murallink.permission[];
    granted murallink.permission;
    place record;
BEGIN
    PERFORM murallink_private.unchanged("grant".action, '{grant}', 'action');
    named := murallink_private.checked_permissions("grant".permission, "grant".permissions, "grant".role);
    SELECT * INTO place FROM murallink_private.permit_grants("grant".resource_uid);
    FOREACH granted IN ARRAY named LOOP
        caller := murallink_private.permit(granted, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid,
            CASE WHEN "grant".permission <> '' THEN 'permission' WHEN "grant".role <> '' THEN 'role' ELSE 'permissions' END);
    END LOOP;
    IF NOT EXISTS (SELECT FROM murallink.app_user WHERE uid = murallink_private.required("grant".user_uid, 'user_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    ELSIF ends <= pg_catalog.clock_timestamp() THEN
        PERFORM murallink_private.raise('invalid_value', 'until', 'A time in the future.');
    END IF;
    FOREACH granted IN ARRAY named LOOP
        -- Otherwise users could grant themselves for ever what they hold for a time.
        IF coalesce(ends, 'infinity') > LEAST(
            murallink_private.held_until('grant', place.client_uid, place.contract_uid, place.trial_uid, place.site_uid),
            murallink_private.held_until(granted, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid)) THEN
            PERFORM murallink_private.raise('forbidden', 'until', 'A grant ends no later than your own grants of grant and of this permission there.');
        END IF;
        PERFORM murallink_private.give("grant".user_uid, granted, "grant".resource_uid, ends);
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink.grant(murallink.ksuid, text, murallink.ksuid, murallink.read_only, text[], murallink.moment, text) IS
'Grants a user a permission, or several, on a client, contract, trial, site or trial at a site, and so on everything below it (document: Grant). user_uid: the user; resource_uid: the place; permission: one of list_permissions; permissions: several of them instead, of which all are granted or none; role: or those of a named role: see get_roles. until: when the grant ends by itself; absent: it has no end, also where the grant before it had one. Granting again with the same end changes nothing, except that a grant that an administrator repeats counts as theirs. Needs grant and each permission itself there, and neither may end before until. action: grant, or absent. Errors: unauthenticated, invalid_value (also an until that is past), missing_field, unknown_permission, forbidden, not_found (also a role that does not exist).';

CREATE FUNCTION murallink.revoke(
    user_uid murallink.ksuid DEFAULT NULL, permission text DEFAULT NULL, resource_uid murallink.ksuid DEFAULT NULL,
    note text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    named murallink.permission[];
    place record;
    why text;
    found murallink.ksuid[];
BEGIN
    named := murallink_private.checked_permissions(revoke.permission, NULL);
    SELECT * INTO place FROM murallink_private.permit_grants(revoke.resource_uid);
    PERFORM murallink_private.required(revoke.user_uid, 'user_uid');
    why := murallink_private.checked_text(revoke.note, 'note', 1000, true);
    LOOP
        found := ARRAY(
            SELECT g.uid FROM murallink.permission_grant g
            WHERE g.app_user_uid = revoke.user_uid AND g.permission = named[1] AND g.resource_uid = revoke.resource_uid
                AND g.ended_at IS NULL AND murallink_private.in_force(g.until, g.ended_at));
        IF found = '{}' THEN
            PERFORM murallink_private.raise('not_found', 'permission',
                'The user has no such grant on this resource: access_list shows the grants that reach it.');
        END IF;
        -- Another transaction may have replaced it by a grant with another end meanwhile.
        EXIT WHEN murallink_private.end_grants(found, why) > 0;
    END LOOP;
    RETURN pg_catalog.jsonb_build_object('still_holds', coalesce((
        SELECT pg_catalog.jsonb_agg(
            pg_catalog.jsonb_build_object(
                'resource_uid', g.resource_uid::text,
                'description', murallink_private.described(r.kind, r.name, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid))
            ORDER BY g.created_at, g.uid)
        FROM murallink.permission_grant g, LATERAL murallink_private.resource(g.resource_uid) r
        WHERE g.app_user_uid = revoke.user_uid AND g.permission = named[1] AND murallink_private.in_force(g.until, g.ended_at)
            AND murallink_private.reaches(g.permission, g.resource, g.client_uid, g.contract_uid, g.trial_uid, g.site_uid,
                place.client_uid, place.contract_uid, place.trial_uid, place.site_uid)), '[]'));
END
$$;
COMMENT ON FUNCTION murallink.revoke(murallink.ksuid, text, murallink.ksuid, text) IS
'Revokes one grant of a user, at once: see docs/applications.md. user_uid: the user; permission: the permission; resource_uid: the place on which it was granted; note: why. Answers still_holds: the uid and the description of each place above from which the user still holds the permission there. Grants that the user made stay. Needs grant on the place, and not the permission. Errors: unauthenticated, forbidden, not_found (also where that grant is not in force), missing_field, unknown_permission, too_long.';

CREATE FUNCTION murallink.revoke_all(
    user_uid murallink.ksuid DEFAULT NULL, resource_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    place record;
    why text;
    found murallink.ksuid[];
    ended integer := 0;
BEGIN
    SELECT * INTO place FROM murallink_private.permit_grants(revoke_all.resource_uid);
    IF NOT EXISTS (SELECT FROM murallink.app_user WHERE uid = murallink_private.required(revoke_all.user_uid, 'user_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    END IF;
    why := murallink_private.checked_text(revoke_all.note, 'note', 1000, true);
    LOOP
        found := ARRAY(
            SELECT g.uid FROM murallink.permission_grant g
            WHERE g.app_user_uid = revoke_all.user_uid AND murallink_private.in_force(g.until, g.ended_at)
                AND murallink_private.reaches('grant', place.kind, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid,
                    g.client_uid, g.contract_uid, g.trial_uid, g.site_uid)
                AND murallink_private.permitted('grant', g.client_uid, g.contract_uid, g.trial_uid, g.site_uid));
        -- Also where there are none, because that is certain only at READ COMMITTED.
        ended := ended + murallink_private.end_grants(found, why);
        -- Another transaction may replace some of them by grants with another end meanwhile.
        EXIT WHEN found = '{}';
    END LOOP;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink.revoke_all(murallink.ksuid, murallink.ksuid, text) IS
'Revokes all grants of a user on a place and below it, at once, and answers how many these were. user_uid: the user; resource_uid: the place; note: why. Grants above the place stay: see revoke. Needs grant on the place. Errors: unauthenticated, forbidden, not_found, missing_field, too_long.';

CREATE FUNCTION murallink_private.grant_stands() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    place record;
BEGIN
    SELECT * INTO place FROM murallink_private.resource(NEW.resource_uid);
    IF (NEW.resource, NEW.client_uid, NEW.contract_uid, NEW.trial_uid, NEW.site_uid)
        IS DISTINCT FROM (place.kind, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid)
    THEN
        PERFORM murallink_private.raise('invalid_value', 'resource_uid', 'grant() finds out what the resource is, and where.');
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
    SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE may_grant),
        pg_catalog.count(murallink_private.give(to_uid, permission, resource_uid, ends)) FILTER (WHERE may_grant AND NOT has_it)
    INTO known, copied
    FROM (
        SELECT g.permission, g.resource_uid,
            murallink_private.permitted(g.permission, g.client_uid, g.contract_uid, g.trial_uid, g.site_uid) AS may_grant,
            EXISTS (
                SELECT FROM murallink.permission_grant has
                WHERE has.app_user_uid = to_uid AND has.permission = g.permission AND has.resource_uid = g.resource_uid
                    AND murallink_private.in_force(has.until, has.ended_at)) AS has_it,
            NULLIF(LEAST(g.until,
                murallink_private.held_until('grant', g.client_uid, g.contract_uid, g.trial_uid, g.site_uid),
                murallink_private.held_until(g.permission, g.client_uid, g.contract_uid, g.trial_uid, g.site_uid)), 'infinity') AS ends
        FROM murallink.permission_grant g
        WHERE g.app_user_uid = from_uid AND murallink_private.in_force(g.until, g.ended_at)
            AND murallink_private.permitted('grant', g.client_uid, g.contract_uid, g.trial_uid, g.site_uid)
        -- In one order, so that concurrent copies do not deadlock.
        ORDER BY g.resource_uid, g.permission) AS held;
    PERFORM murallink_private.say(pg_catalog.format('%s of %s permissions copied successfully', copied, known));
END
$$;
COMMENT ON FUNCTION murallink.copy_permissions(murallink.ksuid, murallink.ksuid) IS
'Copies the grants of one user to another, who keeps other grants (document: Copy Permissions). from_uid: the user whose grants are copied; to_uid: the user who gets them. The message "n of m permissions copied successfully" counts grants: m are those of from_uid on places where the caller holds grant; n are those that the caller holds too, and that to_uid now has. A grant with an end is copied with it; no copy lasts longer than the caller''s own grants. Needs grant anywhere. Errors: unauthenticated, forbidden, missing_field, not_found.';

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
                 pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
                     'uid', g.resource_uid::text,
                     'description', murallink_private.described(r.kind, r.name, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid),
                     'until', pg_catalog.to_char(g.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))
                 ORDER BY g.created_at, g.uid) AS resources
             FROM murallink.permission_grant g, LATERAL murallink_private.resource(g.resource_uid) r
             WHERE g.app_user_uid = get_permissions.user_uid AND murallink_private.in_force(g.until, g.ended_at)
             GROUP BY g.permission) AS granted),
        '{}');
END
$$;
COMMENT ON FUNCTION murallink.get_permissions(murallink.ksuid) IS
'The grants of a user that are in force: for each permission the resources, each with uid, description and, if the grant has an end, until (document: Get Permissions). For admins. Errors: unauthenticated, forbidden, missing_field, not_found.';
