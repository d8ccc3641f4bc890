-- Who may do what: the list of access to a resource, of now and of any day, and the users who are idle.

CREATE TYPE murallink.access_info AS (
    user_uid murallink.ksuid, email text, first_name text, last_name text, permission text, status text, resource_uid murallink.ksuid,
    description text, grant_uid murallink.ksuid, granted_by_uid murallink.ksuid, granted_by text, granted_at timestamptz,
    until murallink.optional_moment, last_seen murallink.optional_moment, kind text, api_keys integer,
    api_keys_until murallink.optional_moment);
COMMENT ON TYPE murallink.access_info IS
'One grant of a user that reaches a resource, or is below it; or an administrator, without permission, resource and grant. status: active; expired, if its end has come; deactivated, if the user is. resource_uid, description: on what it was granted; granted_by: the name of the user who granted it, empty for one made by hand; until: its end, null for none; last_seen: when the user last logged in or called, null for never; kind: person, or service for other software; api_keys: how many API keys the service could use at that time; api_keys_until: when the last of them ends by itself, null for none.';

CREATE FUNCTION murallink.access_list(resource_uid murallink.ksuid DEFAULT NULL, at murallink.moment DEFAULT NULL)
RETURNS SETOF murallink.access_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment CONSTANT timestamptz := coalesce(access_list.at::timestamptz, pg_catalog.clock_timestamp());
    place record;
BEGIN
    PERFORM murallink_private.require_caller();
    SELECT * INTO place FROM murallink_private.permit_grants(access_list.resource_uid);
    RETURN QUERY
    SELECT u.uid, u.email, u.first_name, u.last_name, g.permission::text,
        CASE WHEN u.deactivated @> moment THEN 'deactivated' WHEN g.until <= moment THEN 'expired' ELSE 'active' END,
        g.resource_uid,
        murallink_private.described(g.resource, CASE g.resource
            WHEN 'client' THEN c.name WHEN 'contract' THEN k.name WHEN 'trial' THEN t.name WHEN 'site' THEN s.name
            ELSE t.name || ' at ' || s.name END, g.client_uid, g.contract_uid, g.trial_uid, g.site_uid),
        g.uid, g.granted_by_uid, coalesce(pg_catalog.btrim(b.first_name || ' ' || b.last_name), ''), g.created_at, g.until::murallink.optional_moment,
        l.seen_at::murallink.optional_moment, u.kind, keys.count, keys.until::murallink.optional_moment
    FROM murallink.permission_grant g
        JOIN murallink.app_user u ON u.uid = g.app_user_uid
        JOIN murallink.client c ON c.uid = g.client_uid
        LEFT JOIN murallink.contract k ON k.uid = g.contract_uid
        LEFT JOIN murallink.trial t ON t.uid = g.trial_uid
        LEFT JOIN murallink.site s ON s.uid = g.site_uid
        LEFT JOIN murallink.app_user b ON b.uid = g.granted_by_uid
        LEFT JOIN murallink_private.last_seen l ON l.app_user_uid = u.uid
        CROSS JOIN LATERAL (
            SELECT pg_catalog.count(*)::integer AS count, pg_catalog.max(a.until) AS until
            FROM murallink_private.api_key a
            WHERE a.app_user_uid = u.uid AND a.created_at <= moment AND a.until > moment AND coalesce(a.ended_at > moment, true)
                AND NOT u.deactivated && pg_catalog.tstzrange(a.created_at, moment, '[]')) AS keys
    WHERE g.created_at <= moment AND coalesce(g.ended_at > moment, true)
        AND (murallink_private.reaches(g.permission, g.resource, g.client_uid, g.contract_uid, g.trial_uid, g.site_uid,
                place.client_uid, place.contract_uid, place.trial_uid, place.site_uid)
            OR murallink_private.reaches('grant', place.kind, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid,
                    g.client_uid, g.contract_uid, g.trial_uid, g.site_uid)
                AND murallink_private.permitted('grant', g.client_uid, g.contract_uid, g.trial_uid, g.site_uid))
    UNION ALL
    SELECT u.uid, u.email, u.first_name, u.last_name, NULL, CASE WHEN u.deactivated @> moment THEN 'deactivated' ELSE 'active' END,
        NULL, 'Administrator', NULL, NULL, '', u.created_at,
        u.admin_until::murallink.optional_moment, l.seen_at::murallink.optional_moment, u.kind, 0, NULL::murallink.optional_moment
    FROM murallink.app_user u LEFT JOIN murallink_private.last_seen l ON l.app_user_uid = u.uid
    WHERE murallink_private.caller_is_admin() AND u.created_at <= moment AND (u.user_role = 'admin' OR u.admin_until > moment)
    ORDER BY 2, 5, 12, 9;
END
$$;
COMMENT ON FUNCTION murallink.access_list(murallink.ksuid, murallink.moment) IS
'Who may do what on a resource, and by which grant, by e-mail address: the grants on it, those above that reach it, and those below it where the caller holds grant; for administrators, also the administrators. Grants whose end has come are listed as expired until they are granted again. resource_uid: the place; at: the time that is asked about, also a past one, default now. Needs grant on the place. Errors: unauthenticated, missing_field, invalid_value, forbidden, not_found.';

CREATE TYPE murallink.idle_user AS (
    user_uid murallink.ksuid, email text, first_name text, last_name text, last_seen murallink.optional_moment, grants integer, db_role text,
    kind text);
COMMENT ON TYPE murallink.idle_user IS
'A user who may do something and has not been seen for long. last_seen: when the user last logged in or called an action, null for never; grants: how many grants in force the caller may revoke; db_role: the PostgreSQL role of the user, whose queries of tables are not counted as calls, for administrators; kind: person, or service for other software.';

CREATE FUNCTION murallink.idle_users(days integer DEFAULT 180) RETURNS SETOF murallink.idle_user
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.permit_somewhere('grant');
    since timestamptz;
BEGIN
    IF coalesce(days, 0) NOT BETWEEN 1 AND 36500 THEN
        PERFORM murallink_private.raise('invalid_value', 'days', 'A number from 1 to 36500.');
    END IF;
    since := pg_catalog.clock_timestamp() - pg_catalog.make_interval(hours => 24 * days);
    RETURN QUERY
    SELECT u.uid, u.email, u.first_name, u.last_name, l.seen_at::murallink.optional_moment, coalesce(h.grants, 0),
        CASE WHEN murallink_private.caller_is_admin() THEN u.db_role END, u.kind
    FROM murallink.app_user u
        LEFT JOIN murallink_private.last_seen l ON l.app_user_uid = u.uid
        LEFT JOIN (
            SELECT g.app_user_uid, pg_catalog.count(*)::integer AS grants FROM murallink.permission_grant g
            WHERE murallink_private.in_force(g.until, g.ended_at)
                AND murallink_private.permitted('grant', g.client_uid, g.contract_uid, g.trial_uid, g.site_uid)
            GROUP BY g.app_user_uid) AS h ON h.app_user_uid = u.uid
    WHERE u.uid <> caller AND murallink_private.is_active(u.deactivated) AND coalesce(l.seen_at, u.created_at) <= since
        AND (h.grants > 0 OR murallink_private.caller_is_admin())
    ORDER BY l.seen_at NULLS FIRST, u.email;
END
$$;
COMMENT ON FUNCTION murallink.idle_users(integer) IS
'The other active users who have neither logged in nor called anything for so many days (default 180), nor were registered since, longest first. For administrators all; for others those who hold grants where the caller holds grant. Needs grant anywhere. Errors: unauthenticated, forbidden, invalid_value.';

CREATE TYPE murallink.place_permissions AS (resource text, resource_uid murallink.ksuid, permissions text[]);
COMMENT ON TYPE murallink.place_permissions IS 'What the caller may do at a place. resource: client, contract, trial, site or trial_site; permissions: in the order of list_permissions.';

CREATE FUNCTION murallink.my_permissions(resource_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.place_permissions
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
BEGIN
    RETURN QUERY
    SELECT p.kind, p.place_uid, ARRAY(
        SELECT held::text FROM pg_catalog.unnest(pg_catalog.enum_range(NULL::murallink.permission)) WITH ORDINALITY AS known (held, n)
        WHERE murallink_private.permitted(held, p.client_uid, p.contract_uid, p.trial_uid, p.site_uid) ORDER BY n)
    FROM (
        SELECT 1 AS level, 'client' AS kind, c.uid AS place_uid, c.uid AS client_uid, NULL::murallink.ksuid AS contract_uid,
            NULL::murallink.ksuid AS trial_uid, NULL::murallink.ksuid AS site_uid FROM murallink.client c
        UNION ALL
        SELECT 2, 'contract', c.uid, c.client_uid, c.uid, NULL, NULL FROM murallink.contract c
        UNION ALL
        SELECT 3, 'trial', t.uid, t.client_uid, t.contract_uid, t.uid, NULL FROM murallink.trial t
        UNION ALL
        SELECT 4, 'site', s.uid, s.client_uid, s.contract_uid, NULL, s.uid FROM murallink.site s
        UNION ALL
        SELECT 5, 'trial_site', a.uid, a.client_uid, a.contract_uid, a.trial_uid, a.site_uid FROM murallink.trial_site a) AS p
    WHERE (my_permissions.resource_uid IS NULL OR p.place_uid = my_permissions.resource_uid)
        AND murallink_private.visible(p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
    ORDER BY p.level, p.place_uid;
END
$$;
COMMENT ON FUNCTION murallink.my_permissions(murallink.ksuid) IS
'What the caller may do, at each place where the caller may do anything: a permission that is held at a place is listed at every place below it, too. resource_uid: only this client, contract, trial, site or trial at a site; an empty list means nothing there. Errors: unauthenticated.';
