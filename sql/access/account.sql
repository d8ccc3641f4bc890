-- Accounts that end: deactivate, reactivate and close them.

CREATE FUNCTION murallink_private.lock_account(
    user_uid murallink.ksuid, OUT is_admin boolean, OUT admin_until timestamptz, OUT deactivated tstzmultirange
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    known murallink.app_user;
BEGIN
    SELECT * INTO known FROM murallink.app_user u WHERE u.uid = user_uid;
    IF known.user_role = 'admin' THEN
        -- All of them, in one order: so of two administrators who end each other's accounts side by side, the second waits.
        PERFORM FROM murallink.app_user u WHERE u.user_role = 'admin' AND murallink_private.is_active(u.deactivated)
        ORDER BY u.uid FOR NO KEY UPDATE;
    END IF;
    SELECT * INTO known FROM murallink.app_user u WHERE u.uid = user_uid FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    ELSIF known.user_role = 'admin' AND murallink_private.is_active(known.deactivated) AND NOT EXISTS (
        SELECT FROM murallink.app_user u WHERE u.user_role = 'admin' AND murallink_private.is_active(u.deactivated) AND u.uid <> user_uid)
    THEN
        PERFORM murallink_private.raise('in_use', 'user_uid', 'One administrator stays active: a superuser makes another one with create_admin.');
    END IF;
    -- The transaction before may have ended the caller's own account.
    PERFORM murallink_private.require_caller();
    is_admin := known.user_role = 'admin';
    admin_until := known.admin_until;
    deactivated := known.deactivated;
END
$$;
COMMENT ON FUNCTION murallink_private.lock_account(murallink.ksuid) IS
'Locks a user whose account is about to end or to begin again, and returns its state. is_admin, admin_until, deactivated: see murallink.app_user. Errors: not_found, in_use (the last active administrator), unauthenticated.';

CREATE FUNCTION murallink_private.permit_account(user_uid murallink.ksuid, another boolean) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    somewhere boolean;
    everywhere boolean;
BEGIN
    IF murallink_private.required(user_uid, 'user_uid') IN (murallink_private.caller(), murallink_private.caller_switched_by()) AND another THEN
        PERFORM murallink_private.raise('invalid_value', 'user_uid', 'You cannot do this to your own account.');
    ELSIF murallink_private.caller_is_admin() THEN
        RETURN;
    END IF;
    SELECT pg_catalog.bool_or(held), pg_catalog.bool_and(held) INTO somewhere, everywhere
    FROM murallink.permission_grant g,
        LATERAL (SELECT murallink_private.permitted('grant', g.client_uid, g.contract_uid, g.trial_uid, g.site_uid) AS held) AS h
    WHERE g.app_user_uid = user_uid AND murallink_private.in_force(g.until, g.ended_at);
    IF somewhere IS NOT TRUE THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    ELSIF NOT everywhere OR EXISTS (SELECT FROM murallink.app_user u WHERE u.uid = user_uid AND u.user_role = 'admin') THEN
        PERFORM murallink_private.raise('forbidden', 'user_uid',
            'An administrator can do this, and a user who holds grant on every resource on which this user has a grant.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.permit_account(murallink.ksuid, boolean) IS
'Checks that the caller may end the account of a user: administrators may, and so may users who hold grant on every resource on which the user has a grant, unless the user is an administrator. another: whether it must not be the caller''s own. Errors: missing_field; invalid_value (oneself); forbidden if the caller holds grant on some of them; not_found if on none.';

CREATE FUNCTION murallink.deactivate_user(user_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    known record;
    why text;
BEGIN
    PERFORM murallink_private.permit_account(deactivate_user.user_uid, true);
    why := murallink_private.checked_text(deactivate_user.note, 'note', 1000, true);
    SELECT * INTO known FROM murallink_private.lock_account(deactivate_user.user_uid);
    IF NOT murallink_private.is_active(known.deactivated) THEN
        PERFORM murallink_private.raise('wrong_status', 'user_uid', 'The user is deactivated already.');
    END IF;
    -- A session in use may be locked, and stays. It is not valid any more, even after a reactivation, because it is older.
    DELETE FROM murallink_private.session WHERE hash IN (
        SELECT s.hash FROM murallink_private.session s WHERE deactivate_user.user_uid IN (s.app_user_uid, s.switched_by_uid) FOR UPDATE SKIP LOCKED);
    UPDATE murallink.app_user u SET
        deactivated = known.deactivated + pg_catalog.tstzmultirange(pg_catalog.tstzrange(pg_catalog.clock_timestamp(), NULL)),
        status_note = why
    WHERE u.uid = deactivate_user.user_uid;
END
$$;
COMMENT ON FUNCTION murallink.deactivate_user(murallink.ksuid, text) IS
'Locks a user out at once: sessions end, also those of administrators who act as the user; login answers login_failed; tokens to reset the password are no longer valid, and none are sent; stored answers are not repeated; the user''s PostgreSQL role, API keys and tokens of an identity provider have no rights. Grants stay, so that reactivate_user restores everything. user_uid: of another user; note: why. For admins, and for users who hold grant on every resource on which the user has a grant. Errors: unauthenticated, missing_field, invalid_value (oneself), forbidden, not_found, too_long, wrong_status (is deactivated already), in_use (the last active administrator).';

CREATE FUNCTION murallink_private.deactivated_by_admin(user_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT NOT coalesce((
        SELECT u.user_role = 'user' AND coalesce(u.admin_until <= e.at, true) FROM murallink_private.audit_event e
        JOIN murallink.app_user known ON known.uid = e.resource_uid
        LEFT JOIN murallink.app_user u ON u.uid = coalesce(e.switched_by_uid, e.app_user_uid)
        WHERE e.resource_uid = user_uid AND e.resource = 'app_user'
        -- The event of the present state: its time may not be the last, because the clock may have been set back.
        AND (e.changes -> 'deactivated' ->> 'to')::tstzmultirange OPERATOR(pg_catalog.=) known.deactivated LIMIT 1), false)
$$;
COMMENT ON FUNCTION murallink_private.deactivated_by_admin(murallink.ksuid) IS
'Whether a user was last deactivated by an administrator, or by nobody whom the audit names.';

CREATE FUNCTION murallink.reactivate_user(user_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    known record;
    why text;
BEGIN
    PERFORM murallink_private.permit_account(reactivate_user.user_uid, false);
    why := murallink_private.checked_text(reactivate_user.note, 'note', 1000, true);
    SELECT * INTO known FROM murallink_private.lock_account(reactivate_user.user_uid);
    IF murallink_private.is_active(known.deactivated) THEN
        PERFORM murallink_private.raise('wrong_status', 'user_uid', 'The user is not deactivated.');
    ELSIF NOT murallink_private.caller_is_admin() AND murallink_private.deactivated_by_admin(reactivate_user.user_uid) THEN
        PERFORM murallink_private.raise('forbidden', 'user_uid', 'An administrator has deactivated this user, and only one can end that.');
    END IF;
    UPDATE murallink.app_user u SET
        deactivated = known.deactivated - pg_catalog.tstzmultirange(pg_catalog.tstzrange(pg_catalog.clock_timestamp(), NULL)),
        status_note = why
    WHERE u.uid = reactivate_user.user_uid;
END
$$;
COMMENT ON FUNCTION murallink.reactivate_user(murallink.ksuid, text) IS
'Lets a user who was deactivated in again, with the grants that have not ended meanwhile; the user logs in again, and a service gets a new API key. user_uid: the user; note: why. For those who may deactivate the user; but only an administrator lets in a user whom an administrator has deactivated. Errors: unauthenticated, missing_field, forbidden, not_found, too_long, wrong_status (is active).';

CREATE FUNCTION murallink.close_account(user_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    known record;
    why text;
BEGIN
    PERFORM murallink_private.permit_account(close_account.user_uid, true);
    why := murallink_private.checked_text(close_account.note, 'note', 1000, true);
    SELECT * INTO known FROM murallink_private.lock_account(close_account.user_uid);
    -- Lock the credential before the sessions: serializes with a concurrent login, whose session is then ended.
    DELETE FROM murallink_private.credential WHERE app_user_uid = close_account.user_uid;
    DELETE FROM murallink_private.session WHERE coalesce(switched_by_uid, app_user_uid) = close_account.user_uid;
    DELETE FROM murallink_private.known_place WHERE app_user_uid = close_account.user_uid;
    UPDATE murallink_private.api_key k SET ended_at = pg_catalog.clock_timestamp(), ended_by_uid = caller, ended_note = why
    WHERE k.app_user_uid = close_account.user_uid AND k.ended_at IS NULL;
    UPDATE murallink_private.identity i SET ended_at = pg_catalog.clock_timestamp(), ended_by_uid = caller, ended_note = why
    WHERE i.app_user_uid = close_account.user_uid AND i.ended_at IS NULL;
    PERFORM murallink_private.end_grants(ARRAY(
        SELECT g.uid FROM murallink.permission_grant g WHERE g.app_user_uid = close_account.user_uid AND g.ended_at IS NULL), why);
    UPDATE murallink.app_user SET
        user_role = 'user', db_role = NULL, status_note = why,
        admin_until = CASE WHEN known.is_admin THEN pg_catalog.clock_timestamp() ELSE known.admin_until END
    WHERE uid = close_account.user_uid;
END
$$;
COMMENT ON FUNCTION murallink.close_account(murallink.ksuid, text) IS
'Revokes all grants of a user who will not need them again, and removes administrator rights, the PostgreSQL role, the password, the API keys, the identities at identity providers and the sessions. The remaining account is like a new one: it can set a password by e-mail, and has no permissions; to lock a leaver out, use deactivate_user, also after this. user_uid: of another user; note: why. The user''s actions, and the grants that the user made, stay. For admins. Errors: unauthenticated, forbidden, missing_field, invalid_value, not_found, too_long, in_use (the last active administrator).';
