-- Sign-on by an identity provider: users without a password, and who at the provider is which user.

CREATE TYPE murallink.identity_info AS (
    uid murallink.ksuid, user_uid murallink.ksuid, email text, issuer text, subject text, note text, bound_by_uid murallink.ksuid,
    bound_at timestamptz, ended_at murallink.optional_moment, ended_by_uid murallink.ksuid, ended_note text);
COMMENT ON TYPE murallink.identity_info IS
'An identity at an identity provider. issuer, subject: who it is there; user_uid, email: the user here; note: why it was bound, by bound_by_uid, null at the first sign-on by the verified e-mail address; ended_note: why it was unbound, by ended_by_uid.';

CREATE FUNCTION murallink_private.identity_infos(user_uid murallink.ksuid, identity_uid murallink.ksuid)
RETURNS SETOF murallink.identity_info
LANGUAGE sql STABLE AS $$
    SELECT i.uid, i.app_user_uid, u.email, i.issuer, i.subject, i.note, i.bound_by_uid, i.created_at, i.ended_at::murallink.optional_moment,
        i.ended_by_uid, i.ended_note
    FROM murallink_private.identity i JOIN murallink.app_user u ON u.uid = i.app_user_uid
    WHERE coalesce(i.app_user_uid = user_uid, true) AND coalesce(i.uid = identity_uid, true)
    ORDER BY u.email, i.created_at, i.uid
$$;
COMMENT ON FUNCTION murallink_private.identity_infos(murallink.ksuid, murallink.ksuid) IS
'The identities of a user, or one of them, or all, by e-mail address and age.';

CREATE FUNCTION murallink.create_user(
    email text DEFAULT NULL, first_name text DEFAULT NULL, last_name text DEFAULT NULL, phone text DEFAULT NULL, address jsonb DEFAULT NULL
) RETURNS murallink.user_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    account CONSTANT text := murallink_private.checked_email(create_user.email, 'email', true);
    added murallink.ksuid;
BEGIN
    INSERT INTO murallink.app_user (email, phone, first_name, last_name, address)
    VALUES (account, murallink_private.checked_text(create_user.phone, 'phone', 50, false),
        murallink_private.checked_name(create_user.first_name, 'first_name', true),
        murallink_private.checked_name(create_user.last_name, 'last_name', false),
        murallink_private.checked_address(create_user.address))
    ON CONFLICT DO NOTHING RETURNING uid INTO added;
    IF added IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'email');
    END IF;
    INSERT INTO murallink_private.last_seen (app_user_uid) VALUES (added);
    RETURN murallink_private.user_info(added);
END
$$;
COMMENT ON FUNCTION murallink.create_user(text, text, text, text, jsonb) IS
'Registers a person without a password, who signs on by an identity provider, and can do nothing until permissions are granted. The first token with the same e-mail address, which the provider has verified, binds its identity to this user. address: an object with street1, street2, city, state, post_code. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key, already_exists.';

CREATE FUNCTION murallink.bind_identity(
    user_uid murallink.ksuid DEFAULT NULL, issuer text DEFAULT NULL, subject text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.identity_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    provider CONSTANT text := murallink_private.checked_text(bind_identity.issuer, 'issuer', 500, true);
    known_as CONSTANT text := murallink_private.checked_text(bind_identity.subject, 'subject', 500, true);
    why CONSTANT text := murallink_private.checked_text(bind_identity.note, 'note', 1000, true);
    added murallink.ksuid;
    answer murallink.identity_info;
BEGIN
    PERFORM murallink_private.required(bind_identity.user_uid, 'user_uid');
    IF NOT murallink_private.is_issuer(provider) THEN
        PERFORM murallink_private.raise('invalid_value', 'issuer', 'murallink.sign_on_issuers has no such issuer.');
    END IF;
    UPDATE murallink.app_user u SET status_note = pg_catalog.format('identity %s of %s was bound: %s', known_as, provider, why)
    WHERE u.uid = bind_identity.user_uid;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    END IF;
    INSERT INTO murallink_private.identity (app_user_uid, issuer, subject, note, bound_by_uid)
    VALUES (bind_identity.user_uid, provider, known_as, why, caller) ON CONFLICT DO NOTHING RETURNING uid INTO added;
    IF added IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'subject', 'This identity is bound: unbind_identity ends that.');
    END IF;
    SELECT * INTO answer FROM murallink_private.identity_infos(NULL, added);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.bind_identity(murallink.ksuid, text, text, text) IS
'Lets somebody at an identity provider be a user here. A user may have several identities; an identity is one user. user_uid: the user, also an administrator or a service; issuer: as the claim iss names it, and one of murallink.sign_on_issuers; subject: who it is there, by the claim that this setting says, such as sub or oid; note: why. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_value (issuer), not_found, already_exists (the identity is bound).';

CREATE FUNCTION murallink.get_identities(user_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.identity_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    RETURN QUERY SELECT * FROM murallink_private.identity_infos(get_identities.user_uid, NULL);
END
$$;
COMMENT ON FUNCTION murallink.get_identities(murallink.ksuid) IS
'The identities of a user, or of all, also those that were unbound, by e-mail address and age. user_uid: the user, default all. For admins. Errors: unauthenticated, forbidden.';

CREATE FUNCTION murallink.unbind_identity(identity_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_admin();
    why CONSTANT text := murallink_private.checked_text(unbind_identity.note, 'note', 1000, true);
    known murallink_private.identity;
BEGIN
    PERFORM murallink_private.required(unbind_identity.identity_uid, 'identity_uid');
    SELECT * INTO known FROM murallink_private.identity i WHERE i.uid = unbind_identity.identity_uid FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'identity_uid');
    ELSIF known.ended_at IS NOT NULL THEN
        PERFORM murallink_private.raise('wrong_status', 'identity_uid', 'The identity is unbound already.');
    END IF;
    UPDATE murallink_private.identity i SET ended_at = pg_catalog.clock_timestamp(), ended_by_uid = caller, ended_note = why
    WHERE i.uid = known.uid;
    -- This also ends what a token has begun: every session looks its user up again.
    UPDATE murallink.app_user u SET status_note = pg_catalog.format('identity %s of %s was unbound: %s', known.subject, known.issuer, why)
    WHERE u.uid = known.app_user_uid;
END
$$;
COMMENT ON FUNCTION murallink.unbind_identity(murallink.ksuid, text) IS
'Ends an identity at once: tokens of it are nobody''s, until bind_identity binds it again. No e-mail address binds it again by itself. identity_uid: as get_identities answers it; note: why. For admins. Errors: unauthenticated, forbidden, missing_field, too_long, invalid_value, not_found, wrong_status (unbound already).';
