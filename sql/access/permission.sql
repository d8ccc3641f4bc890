-- Permissions: their names, and the functions that ask whether the caller holds one at a place.

CREATE TYPE murallink.permission AS ENUM (
    'add_milestone', 'add_patient', 'add_trial_site', 'approve_payments', 'approve_travel', 'bulk_email', 'create_appointment',
    'create_site', 'create_trial', 'delete_site', 'delete_trial', 'edit_contract', 'edit_trial', 'enroll', 'get_document', 'grant',
    'manual_payment', 'milestone_payment', 'set_enrollment_status', 'set_payment_type', 'travel_payment', 'update_patient',
    'upload_document', 'view_clients', 'view_contract', 'view_enrollments', 'view_patients', 'view_payment_schedule',
    'view_payments', 'view_report', 'view_sites', 'view_trials', 'replace_card', 'visit_done', 'view_tax');
COMMENT ON TYPE murallink.permission IS 'The permissions that can be granted.';

CREATE FUNCTION murallink_private.moves_money(permission murallink.permission) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN permission IN (
    'add_milestone', 'approve_payments', 'approve_travel', 'manual_payment', 'milestone_payment', 'replace_card', 'travel_payment',
    'visit_done');
COMMENT ON FUNCTION murallink_private.moves_money(murallink.permission) IS
'Whether a permission moves money, says where it goes, or sets prices. Granted on a site, it reaches only trials of the site''s own contract there, because other trials are paid from funds of other clients.';

CREATE FUNCTION murallink_private.granted(permission murallink.permission, kind text) RETURNS murallink.ksuid[]
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'permission_granted';
COMMENT ON FUNCTION murallink_private.granted(murallink.permission, text) IS
'The uids of the resources of a kind (client, contract, trial, site, trial_site) on which the caller was granted the permission, without resources below them. Empty for a caller without a user, and for administrators, who need no grants.';

CREATE FUNCTION murallink_private.granted_sites(permission murallink.permission) RETURNS murallink.ksuid[]
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'permission_granted_sites';
COMMENT ON FUNCTION murallink_private.granted_sites(murallink.permission) IS
'The uids of the sites on which, or on trials at which, the caller was granted the permission.';

CREATE FUNCTION murallink_private.granted_from() RETURNS murallink.ksuid
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'permission_granted_from';
COMMENT ON FUNCTION murallink_private.granted_from() IS
'The least ksuid for an administrator, else the greatest: the caller needs no grants for keys at or above it.';

CREATE FUNCTION murallink_private.granted_support(internal) RETURNS internal
LANGUAGE c AS 'MODULE_PATHNAME', 'permission_granted_support';
COMMENT ON FUNCTION murallink_private.granted_support(internal) IS
'Planner support for the functions that make up permitted(): estimates, index conditions on the uids of places, and for the user of the login role the answer of granted_all().';

CREATE FUNCTION murallink_private.granted_all(client_uid murallink.ksuid) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE SUPPORT murallink_private.granted_support AS 'MODULE_PATHNAME', 'permission_granted_all';
COMMENT ON FUNCTION murallink_private.granted_all(murallink.ksuid) IS
'Whether the caller is an administrator and needs no grants. An index on client_uid finds the rows.';

CREATE FUNCTION murallink_private.granted_on(permission murallink.permission, kind text, uid murallink.ksuid) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE SUPPORT murallink_private.granted_support AS 'MODULE_PATHNAME', 'permission_granted_on';
COMMENT ON FUNCTION murallink_private.granted_on(murallink.permission, text, murallink.ksuid) IS
'Whether uid is one of granted(permission, kind). An index on uid finds the rows.';

CREATE FUNCTION murallink_private.granted_at(
    permission murallink.permission, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid
) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE SUPPORT murallink_private.granted_support AS 'MODULE_PATHNAME', 'permission_granted_at';
COMMENT ON FUNCTION murallink_private.granted_at(murallink.permission, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether the caller was granted the permission on the trial at the site, or on the site; on the site, a permission that moves money counts only for the site''s own contract. An index on site_uid finds the rows.';

CREATE FUNCTION murallink_private.permitted(
    permission murallink.permission, client_uid murallink.ksuid, contract_uid murallink.ksuid,
    trial_uid murallink.ksuid, site_uid murallink.ksuid
) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN murallink_private.granted_all(client_uid)
    OR murallink_private.granted_on(permission, 'client', client_uid)
    OR murallink_private.granted_at(permission, contract_uid, trial_uid, site_uid)
    OR murallink_private.granted_on(permission, 'contract', contract_uid)
    OR murallink_private.granted_on(permission, 'trial', trial_uid);
COMMENT ON FUNCTION murallink_private.permitted(murallink.permission, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether the caller holds the permission at a place or at any level above it. Null for the levels that a row does not have. Row level security asks this of each row that indexes on these columns find, where all of them have one; the levels at which most grants are come first.';

CREATE FUNCTION murallink_private.shown(
    permission murallink.permission, client_uid murallink.ksuid, contract_uid murallink.ksuid,
    trial_uid murallink.ksuid, site_uid murallink.ksuid
) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN murallink_private.permitted(permission, client_uid, contract_uid, trial_uid, site_uid)
    OR murallink_private.caller() IS NULL AND pg_catalog.pg_has_role('murallink_owner', 'USAGE');
COMMENT ON FUNCTION murallink_private.shown(murallink.permission, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether a view that asks this itself shows what needs the permission at a place: to the caller who holds it there or above, and to the owner without a caller.';

CREATE FUNCTION murallink_private.permit(
    permission murallink.permission, client_uid murallink.ksuid, contract_uid murallink.ksuid,
    trial_uid murallink.ksuid, site_uid murallink.ksuid, field text DEFAULT NULL
) RETURNS murallink.ksuid
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'permission_permit';
COMMENT ON FUNCTION murallink_private.permit(murallink.permission, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, text) IS
'Checks that the caller holds the permission at a place, and returns the caller''s uid. field: named in errors. Errors: unauthenticated; forbidden if the caller holds another permission there; not_found if the caller holds none there, as if the place did not exist.';

CREATE FUNCTION murallink_private.visible(
    client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid
) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'permission_visible';
COMMENT ON FUNCTION murallink_private.visible(murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether the caller holds any permission at a place, and so may learn that it exists.';

CREATE FUNCTION murallink_private.granted_somewhere(permission murallink.permission) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'permission_granted_somewhere';
COMMENT ON FUNCTION murallink_private.granted_somewhere(murallink.permission) IS
'Whether the caller is an administrator or was granted the permission anywhere.';

CREATE FUNCTION murallink_private.permit_somewhere(permission murallink.permission) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
BEGIN
    IF NOT murallink_private.granted_somewhere(permission) THEN
        PERFORM murallink_private.raise('forbidden', NULL, pg_catalog.format('The permission %s is required somewhere.', permission));
    END IF;
    RETURN caller;
END
$$;
COMMENT ON FUNCTION murallink_private.permit_somewhere(murallink.permission) IS
'Checks that the caller holds the permission anywhere, and returns the caller''s uid; a list then shows where. Errors: unauthenticated, forbidden.';

CREATE FUNCTION murallink_private.caller_is_operator() RETURNS boolean
LANGUAGE sql STABLE
RETURN pg_catalog.pg_has_role(coalesce(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER), 'murallink_operator', 'USAGE');
COMMENT ON FUNCTION murallink_private.caller_is_operator() IS
'Whether the role of the session, that of SET ROLE or else of the login, is a member of murallink_operator. For actions that clients and operators share.';

CREATE FUNCTION murallink_private.known_from() RETURNS murallink.ksuid
LANGUAGE sql STABLE
RETURN CASE WHEN murallink_private.caller() IS NOT NULL OR murallink_private.caller_is_operator()
    THEN '000000000000000000000000000' ELSE 'aWgEPTl1tmebfsQzFP4bxwgy80V' END::murallink.ksuid;
COMMENT ON FUNCTION murallink_private.known_from() IS 'The least ksuid for a user or an operator, else the greatest: a caller who is neither sees no key below it.';

CREATE FUNCTION murallink_private.in_force(until timestamptz, ended_at timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE
RETURN ended_at IS NULL AND coalesce(until > pg_catalog.clock_timestamp(), true);
COMMENT ON FUNCTION murallink_private.in_force(timestamptz, timestamptz) IS
'Whether a grant is in force: it was not revoked, and its end, if it has one, has not come by the clock of the server.';

CREATE FUNCTION murallink_private.reaches(
    permission murallink.permission, kind text, client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid,
    site_uid murallink.ksuid, at_client_uid murallink.ksuid, at_contract_uid murallink.ksuid, at_trial_uid murallink.ksuid,
    at_site_uid murallink.ksuid
) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind
    WHEN 'client' THEN client_uid = at_client_uid
    WHEN 'contract' THEN contract_uid = at_contract_uid
    WHEN 'trial' THEN trial_uid = at_trial_uid
    WHEN 'site' THEN site_uid = at_site_uid AND (NOT murallink_private.moves_money(permission) OR contract_uid = at_contract_uid)
    ELSE trial_uid = at_trial_uid AND site_uid = at_site_uid END IS TRUE;
COMMENT ON FUNCTION murallink_private.reaches(murallink.permission, text, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether a grant, of any user, holds at a place, as permitted() decides it for the caller. permission, kind and the place of the grant; then the place that is asked about, with nulls for the levels that it does not have.';

CREATE FUNCTION murallink_private.held_until(
    permission murallink.permission, client_uid murallink.ksuid, contract_uid murallink.ksuid,
    trial_uid murallink.ksuid, site_uid murallink.ksuid
) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN murallink_private.caller_is_admin() THEN 'infinity' ELSE pg_catalog.max(coalesce(g.until, 'infinity')) END
    FROM murallink.permission_grant g
    WHERE g.app_user_uid = murallink_private.caller() AND g.permission = held_until.permission
        AND murallink_private.in_force(g.until, g.ended_at)
        AND murallink_private.reaches(g.permission, g.resource, g.client_uid, g.contract_uid, g.trial_uid, g.site_uid,
            held_until.client_uid, held_until.contract_uid, held_until.trial_uid, held_until.site_uid)
$$;
COMMENT ON FUNCTION murallink_private.held_until(murallink.permission, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Until when the caller holds a permission at a place: infinity where no end is set, and for administrators; null if the caller does not hold it.';

CREATE FUNCTION murallink_private.end_grants(grants murallink.ksuid[], note text) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    ended integer;
BEGIN
    -- In one order, so that concurrent calls do not deadlock.
    PERFORM FROM murallink.permission_grant g WHERE g.uid = ANY (grants) ORDER BY g.uid FOR UPDATE;
    UPDATE murallink.permission_grant g
    SET ended_at = pg_catalog.clock_timestamp(), ended_by_uid = murallink_private.caller(), ended_note = note
    WHERE g.uid = ANY (grants) AND g.ended_at IS NULL;
    GET DIAGNOSTICS ended = ROW_COUNT;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.end_grants(murallink.ksuid[], text) IS
'Ends grants, for the caller, and returns how many of them had not ended before. note: why.';

CREATE FUNCTION murallink_private.ended_grants() RETURNS bigint
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'permission_ended_grants';
COMMENT ON FUNCTION murallink_private.ended_grants() IS
'A number that says which grants of the caller have ended so far; 0 for none, -1 for an administrator, who needs no grants. Kept beside what was answered, for still_entitled(). Errors: unauthenticated.';

CREATE FUNCTION murallink_private.still_entitled(user_uid murallink.ksuid, ended_grants bigint) RETURNS boolean
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'permission_still_entitled';
COMMENT ON FUNCTION murallink_private.still_entitled(murallink.ksuid, bigint) IS
'Whether a user may still be shown what was answered to them: no grant of theirs has ended since, or they are an administrator. ended_grants: what the function of that name answered then.';

CREATE FUNCTION murallink_private.delete_resource(kind text, resource_uid murallink.ksuid, field text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    deleted integer;
BEGIN
    EXECUTE pg_catalog.format('DELETE FROM murallink.%I WHERE uid = $1', kind) USING resource_uid;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted = 0 THEN
        PERFORM murallink_private.raise('not_found', field);
    END IF;
EXCEPTION WHEN foreign_key_violation THEN
    PERFORM murallink_private.raise('in_use', field);
END
$$;
COMMENT ON FUNCTION murallink_private.delete_resource(text, murallink.ksuid, text) IS
'Deletes a client, contract, trial or site, and the grants on it, unless something refers to it. kind: its table; field: named in errors. Errors: not_found, in_use.';
