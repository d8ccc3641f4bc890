-- Services, which are users that are other software, and their API keys.

CREATE TYPE murallink.api_key_made AS (uid murallink.ksuid, user_uid murallink.ksuid, name text, key text, until timestamptz);
COMMENT ON TYPE murallink.api_key_made IS
'A new API key. key: the key itself, which is shown once and stored nowhere; until: when it ends.';

CREATE TYPE murallink.api_key_info AS (
    uid murallink.ksuid, user_uid murallink.ksuid, email text, name text, status text, note text, created_by_uid murallink.ksuid,
    created_at timestamptz, until timestamptz, last_used murallink.optional_moment, ended_at murallink.optional_moment,
    ended_by_uid murallink.ksuid, ended_note text);
COMMENT ON TYPE murallink.api_key_info IS
'An API key. user_uid, email: of the service; status: active; expired, if its end has come; revoked; deactivated, if the service is or was so since the key was made; note: why it was made, by created_by_uid; last_used: null for never; ended_note: why it was revoked, by ended_by_uid.';

CREATE FUNCTION murallink.create_service(email text DEFAULT NULL, name text DEFAULT NULL) RETURNS murallink.user_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    account CONSTANT text := murallink_private.checked_email(create_service.email, 'email', true);
    added murallink.ksuid;
BEGIN
    INSERT INTO murallink.app_user (email, first_name, kind)
    VALUES (account, murallink_private.checked_name(create_service.name, 'name', true), 'service')
    ON CONFLICT DO NOTHING RETURNING uid INTO added;
    IF added IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'email');
    END IF;
    INSERT INTO murallink_private.last_seen (app_user_uid) VALUES (added);
    RETURN murallink_private.user_info(added);
END
$$;
COMMENT ON FUNCTION murallink.create_service(text, text) IS
'Registers a service: a user that is other software, has API keys in place of a password, and can do nothing until permissions are granted. email: of those who look after it, an address that no other user has; name: what it is. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_email, invalid_value, already_exists.';

CREATE FUNCTION murallink.create_api_key(
    user_uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, note text DEFAULT NULL, until murallink.moment DEFAULT NULL
) RETURNS murallink.api_key_made
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    now CONSTANT timestamptz := pg_catalog.clock_timestamp();
    longest CONSTANT timestamptz := now + pg_catalog.current_setting('murallink.api_key_lifetime')::interval;
    ends CONSTANT timestamptz := coalesce(create_api_key.until::timestamptz, longest);
    named CONSTANT text := murallink_private.checked_text(create_api_key.name, 'name', 100, true);
    why CONSTANT text := murallink_private.checked_text(create_api_key.note, 'note', 1000, true);
    -- 244 bits of a cryptographic source.
    key CONSTANT text := 'mlk_' || pg_catalog.replace(pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text, '-', '');
    answer murallink.api_key_made;
BEGIN
    PERFORM murallink_private.required(create_api_key.user_uid, 'user_uid');
    IF ends <= now OR ends > longest THEN
        PERFORM murallink_private.raise('invalid_value', 'until', pg_catalog.format(
            'A key ends in the future, and within %s (murallink.api_key_lifetime).', pg_catalog.current_setting('murallink.api_key_lifetime')));
    END IF;
    UPDATE murallink.app_user u SET status_note = pg_catalog.format('API key %s was made: %s', named, why)
    WHERE u.uid = create_api_key.user_uid AND u.kind = 'service' AND murallink_private.is_active(u.deactivated);
    IF NOT FOUND THEN
        PERFORM murallink_private.raise(
            CASE WHEN EXISTS (SELECT FROM murallink.app_user u WHERE u.uid = create_api_key.user_uid) THEN 'wrong_status' ELSE 'not_found' END,
            'user_uid', 'A key is for a service that is active: create_service registers one.');
    END IF;
    INSERT INTO murallink_private.api_key AS k (app_user_uid, name, hash, note, created_by_uid, created_at, until)
    VALUES (create_api_key.user_uid, named, pg_catalog.sha256(pg_catalog.convert_to(key, 'UTF8')), why, caller, now, ends)
    RETURNING k.uid, k.app_user_uid, k.name, key, k.until INTO answer;
    INSERT INTO murallink_private.api_key_use (api_key_uid) VALUES (answer.uid);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.create_api_key(murallink.ksuid, text, text, murallink.moment) IS
'Makes an API key for a service and answers it, once: only its SHA-256 is stored. A service may have several, so that a new one is in use before the old one is revoked. user_uid: the service; name: where the key is used; note: why; until: its end, by default and at most murallink.api_key_lifetime from now. Under an idempotency key it makes a new one each time. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_value, not_found, wrong_status (no service, or deactivated).';

CREATE FUNCTION murallink.get_api_keys(user_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.api_key_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    RETURN QUERY
    SELECT k.uid, k.app_user_uid, u.email, k.name,
        CASE WHEN k.ended_at IS NOT NULL THEN 'revoked' WHEN k.until <= pg_catalog.clock_timestamp() THEN 'expired'
            WHEN murallink_private.active_since(u.deactivated, k.created_at) THEN 'active' ELSE 'deactivated' END,
        k.note, k.created_by_uid, k.created_at, k.until, e.used_at::murallink.optional_moment, k.ended_at::murallink.optional_moment,
        k.ended_by_uid, k.ended_note
    FROM murallink_private.api_key k
        JOIN murallink_private.api_key_use e ON e.api_key_uid = k.uid
        JOIN murallink.app_user u ON u.uid = k.app_user_uid
    WHERE get_api_keys.user_uid IS NULL OR k.app_user_uid = get_api_keys.user_uid
    ORDER BY u.email, k.created_at, k.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_api_keys(murallink.ksuid) IS
'The API keys of a service, or of all, also those that have ended, by e-mail address and age; never the keys themselves. user_uid: the service, default all. For admins. Errors: unauthenticated, forbidden.';

CREATE FUNCTION murallink.revoke_api_key(api_key_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    why CONSTANT text := murallink_private.checked_text(revoke_api_key.note, 'note', 1000, true);
    known murallink_private.api_key;
BEGIN
    PERFORM murallink_private.required(revoke_api_key.api_key_uid, 'api_key_uid');
    SELECT * INTO known FROM murallink_private.api_key k WHERE k.uid = revoke_api_key.api_key_uid FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'api_key_uid');
    ELSIF known.ended_at IS NOT NULL THEN
        PERFORM murallink_private.raise('wrong_status', 'api_key_uid', 'The key is revoked already.');
    END IF;
    UPDATE murallink_private.api_key k SET ended_at = pg_catalog.clock_timestamp(), ended_by_uid = caller, ended_note = why
    WHERE k.uid = known.uid;
    -- This also ends what the key has begun: every session looks its user up again.
    UPDATE murallink.app_user u SET status_note = pg_catalog.format('API key %s was revoked: %s', known.name, why)
    WHERE u.uid = known.app_user_uid;
END
$$;
COMMENT ON FUNCTION murallink.revoke_api_key(murallink.ksuid, text) IS
'Ends an API key at once, also for transactions that are open. api_key_uid: of the key, as get_api_keys answers it; note: why. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_value, not_found, wrong_status (revoked already).';
