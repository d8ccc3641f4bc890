CREATE FUNCTION murallink.random_digits(count integer) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'password_reset_random_digits';
COMMENT ON FUNCTION murallink.random_digits(integer) IS 'So many digits that nobody can foresee.';

CREATE FUNCTION murallink.same_secret(secret text, tried text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'password_reset_same_secret';
COMMENT ON FUNCTION murallink.same_secret(text, text) IS
'Whether both are the same, in a time that does not tell how far they agree.';

CREATE FUNCTION murallink.request_password_reset(email text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    account CONSTANT text := murallink.checked_email(request_password_reset.email, 'email', true);
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
BEGIN
    PERFORM murallink.require_installed();
    INSERT INTO murallink_private.password_reset AS r (email, app_user_uid, token, counted_since, created_at, expires_at)
    VALUES (
        account,
        (SELECT uid FROM murallink.app_user WHERE email = account),
        murallink.random_digits(pg_catalog.current_setting('murallink.reset_token_digits')::integer),
        moment,
        moment,
        moment + pg_catalog.current_setting('murallink.reset_token_lifetime')::interval)
    ON CONFLICT (email) DO UPDATE SET
        app_user_uid = EXCLUDED.app_user_uid,
        token = EXCLUDED.token,
        tries = 0,
        requests = CASE WHEN r.counted_since > moment - interval '1 hour' THEN r.requests + 1 ELSE 1 END,
        counted_since = CASE WHEN r.counted_since > moment - interval '1 hour' THEN r.counted_since ELSE moment END,
        created_at = moment,
        expires_at = EXCLUDED.expires_at
    WHERE r.counted_since <= moment - interval '1 hour'
        OR r.requests < pg_catalog.current_setting('murallink.reset_requests_per_hour')::integer;
    -- What nobody can use any more goes away with time, few at a time, so that requests cannot fill the disk.
    DELETE FROM murallink_private.password_reset WHERE email IN (
        SELECT email FROM murallink_private.password_reset WHERE counted_since < moment - interval '2 days'
        ORDER BY counted_since LIMIT 10 FOR UPDATE SKIP LOCKED);
    -- How long it takes is not to tell that there is an account, and so a message to be queued.
    PERFORM pg_catalog.pg_sleep_until(moment + interval '20 ms');
END
$$;
COMMENT ON FUNCTION murallink.request_password_reset(text) IS
'Makes a token for a user who forgot the password, good for murallink.reset_token_lifetime and in place of the last one (document: Request Password Reset). email: of the account; the answer is the same for an address that nobody has, and where murallink.reset_requests_per_hour are exceeded, which make no token. Needs no session. Errors: missing_field, too_long, invalid_email, invalid_value.';

CREATE FUNCTION murallink.reset_password(email text DEFAULT NULL, password text DEFAULT NULL, token text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    account CONSTANT text := murallink.checked_email(reset_password.email, 'email', true);
    new_hash CONSTANT text := murallink.password_hash(reset_password.password, 'password');
    tried CONSTANT text := murallink.checked_text(reset_password.token, 'token', 100, true);
    live murallink_private.live_reset_token;
BEGIN
    PERFORM murallink.require_installed();
    IF pg_catalog.current_setting('transaction_read_only') = 'on' THEN
        -- A try that cannot be counted must not tell whether the token was right.
        PERFORM murallink.raise('invalid_request');
    END IF;
    -- Whoever tries at the same time waits here: first for the password, as set_password() does, then for the count.
    PERFORM FROM murallink_private.credential
    WHERE app_user_uid = (SELECT uid FROM murallink.app_user WHERE email = account) FOR UPDATE;
    PERFORM FROM murallink_private.password_reset WHERE email = account FOR UPDATE;
    SELECT * INTO live FROM murallink_private.live_reset_token WHERE email = account;
    IF murallink.same_secret(live.token, tried) THEN
        PERFORM murallink.set_password(live.app_user_uid, new_hash, NULL);
    ELSE
        UPDATE murallink_private.password_reset SET tries = tries + 1 WHERE email = account;
        PERFORM murallink.refuse('invalid_token');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.reset_password(text, text, text) IS
'Sets the password of a user who has a token, ends all of the user''s sessions and unlocks the account (document: Reset Password). email: of the account; password: the new one, 8 to 1024 bytes; token: as it was sent. A token that is wrong, used or expired is answered with invalid_token, as is an e-mail address that nobody has, as data, so that the try is counted: in SQL response.status is then 400. Needs no session. Errors: invalid_request (in a read-only transaction), missing_field, too_long, invalid_email, invalid_value, weak_password.';

-- VOLATILE, because for HEAD PostgREST does not read the answer: PostgreSQL would not call it, and nothing be refused.
CREATE FUNCTION murallink.reset_tokens() RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink.require_admin();
    IF NOT pg_catalog.current_setting('murallink.expose_reset_tokens')::boolean THEN
        PERFORM murallink.raise('forbidden', 'murallink.expose_reset_tokens');
    END IF;
    RETURN pg_catalog.jsonb_build_object('tokens', coalesce(
        (SELECT pg_catalog.jsonb_object_agg(app_user_uid::text, token) FROM murallink_private.live_reset_token), '{}'));
END
$$;
COMMENT ON FUNCTION murallink.reset_tokens() IS
'The tokens that are good now: tokens has one for each user''s uid (document: Reset Tokens). For admins, and only where murallink.expose_reset_tokens is on, as test systems have it. Errors: unauthenticated, forbidden.';
