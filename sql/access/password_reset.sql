-- Reset of a forgotten password by a token that goes out by e-mail.

CREATE FUNCTION murallink_private.random_digits(count integer) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'password_reset_random_digits';
COMMENT ON FUNCTION murallink_private.random_digits(integer) IS 'So many random digits, from a cryptographic source.';

CREATE FUNCTION murallink_private.same_secret(secret text, tried text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'password_reset_same_secret';
COMMENT ON FUNCTION murallink_private.same_secret(text, text) IS
'Whether both are equal; the time that it takes does not depend on how far they agree.';

CREATE FUNCTION murallink_private.make_reset_token(argument jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account CONSTANT text := argument ->> 'email';
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    since CONSTANT timestamptz := moment - interval '1 hour';
    lifetime CONSTANT interval := pg_catalog.current_setting('murallink.reset_token_lifetime')::interval;
    -- Null where the address has no account, or that of a service, or of a user who is deactivated.
    owner CONSTANT murallink.ksuid := (
        SELECT u.uid FROM murallink.app_user u
        WHERE u.email = account AND u.kind = 'person' AND murallink_private.is_active(u.deactivated));
BEGIN
    INSERT INTO murallink_private.reset_request AS r (email, place, requests, counted_since, made_at)
    VALUES (account, pg_catalog.decode(argument ->> 'place', 'hex'), 1, moment, moment)
    ON CONFLICT (email, place) DO UPDATE SET
        requests = CASE WHEN r.counted_since > since THEN r.requests + 1 ELSE 1 END,
        counted_since = CASE WHEN r.counted_since > since THEN r.counted_since ELSE moment END,
        made_at = moment
    WHERE r.counted_since <= since OR r.requests < pg_catalog.current_setting('murallink.reset_requests_per_hour')::integer
        -- Beyond the limit, a new token is made shortly before the last one expires: the owner always has a valid one.
        OR r.made_at <= moment - 0.8 * lifetime;
    IF FOUND THEN
        INSERT INTO murallink_private.password_reset (email, app_user_uid, password_set_at, token, created_at, expires_at) VALUES (
            account, owner, (SELECT c.changed_at FROM murallink_private.credential c WHERE c.app_user_uid = owner),
            murallink_private.random_digits(pg_catalog.current_setting('murallink.reset_token_digits')::integer),
            moment, moment + lifetime);
        PERFORM murallink_private.follow('password_reset', owner);
    END IF;
    -- Deletes some expired tokens with each request, so that requests cannot fill the disk.
    DELETE FROM murallink_private.password_reset WHERE uid IN (
        SELECT uid FROM murallink_private.password_reset WHERE expires_at < moment - interval '2 days'
        ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    DELETE FROM murallink_private.reset_request WHERE (email, place) IN (
        SELECT email, place FROM murallink_private.reset_request WHERE made_at < moment - interval '2 days'
        ORDER BY made_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    RETURN '{}';
END
$$;
COMMENT ON FUNCTION murallink_private.make_reset_token(jsonb) IS
'For murallink_private.apart(): makes a token and queues its message, unless there were too many requests. email: of the account, or any address; place: the client''s known_place in hexadecimal digits, empty for strangers, who are counted separately.';

CREATE FUNCTION murallink.request_password_reset(email text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account CONSTANT text := murallink_private.checked_email(request_password_reset.email, 'email', true);
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    from_place bytea;
BEGIN
    PERFORM murallink_private.require_installed();
    PERFORM murallink_private.require_read_write();
    from_place := murallink_private.known_place(account);
    IF NOT murallink_private.take_hash_slot(from_place IS NOT NULL) THEN
        PERFORM murallink_private.refuse('busy');
        RETURN;
    END IF;
    -- In a transaction of its own, so that an open transaction does not block other requests.
    PERFORM murallink_private.apart('make_reset_token', murallink_private.counted_at(account, from_place));
    PERFORM murallink_private.leave_hash_slot();
    -- The time that it takes must not reveal whether there is an account, for which a message is queued.
    PERFORM pg_catalog.pg_sleep_until(moment + interval '40 ms');
END
$$;
COMMENT ON FUNCTION murallink.request_password_reset(text) IS
'Sends a token to reset a password, valid for murallink.reset_token_lifetime beside earlier ones (document: Request Password Reset). email: of the account; the answer is the same for an unknown address, and if murallink.reset_requests_per_hour is exceeded: then a token is made only when the last one is about to expire. Requests of strangers and of known clients are counted separately. The token stays valid even if the transaction is rolled back. Needs no session. Errors: invalid_request (in a read-only transaction), missing_field, too_long, invalid_email, invalid_value, busy.';

CREATE FUNCTION murallink_private.count_reset_try(argument jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH tried AS (
        UPDATE murallink_private.password_reset SET tries = tries + 1
        WHERE email = argument ->> 'email' AND expires_at > pg_catalog.clock_timestamp()
            AND tries < pg_catalog.current_setting('murallink.reset_token_tries')::integer
            AND (pg_catalog.length(token) < 12
                OR pg_catalog.left(argument ->> 'token', pg_catalog.length(token) / 2) = pg_catalog.left(token, pg_catalog.length(token) / 2))
        RETURNING uid
    )
    SELECT coalesce(pg_catalog.jsonb_agg(uid), '[]') FROM tried
$$;
COMMENT ON FUNCTION murallink_private.count_reset_try(jsonb) IS
'For murallink_private.apart(): counts an attempt before it is compared, and returns the tokens that may match, as an array of uids. The first half of a token of 12 digits or more identifies it, so that a stranger, who cannot guess it, does not use up its attempts; shorter ones are all compared. email: of the account; token: as it was sent.';

CREATE FUNCTION murallink.reset_password(email text DEFAULT NULL, password text DEFAULT NULL, token text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account CONSTANT text := murallink_private.checked_email(reset_password.email, 'email', true);
    tried CONSTANT text := murallink_private.checked_text(reset_password.token, 'token', 100, true);
    new_hash text;
    candidates jsonb;
    live murallink_private.valid_reset_token;
BEGIN
    PERFORM murallink_private.require_installed();
    PERFORM murallink_private.require_read_write();
    IF NOT murallink_private.take_hash_slot(murallink_private.known_place(account) IS NOT NULL) THEN
        PERFORM murallink_private.refuse('busy');
        RETURN;
    END IF;
    new_hash := murallink_private.password_hash(reset_password.password, 'password');
    candidates := murallink_private.apart('count_reset_try', pg_catalog.jsonb_build_object('email', account, 'token', tried));
    PERFORM murallink_private.leave_hash_slot();
    FOR look IN 1..2 LOOP
        SELECT * INTO live FROM murallink_private.valid_reset_token t
        WHERE t.email = account AND candidates ? t.uid::text AND murallink_private.same_secret(t.token, tried);
        IF NOT FOUND THEN
            PERFORM murallink_private.refuse('invalid_token');
            RETURN;
        END IF;
        -- Concurrent uses of a token serialize here, as in set_password(), and check again. A wrong token takes no lock,
        -- because an open transaction would then block the user's login.
        PERFORM FROM murallink_private.credential WHERE app_user_uid = live.app_user_uid FOR UPDATE;
    END LOOP;
    PERFORM murallink_private.set_password(live.app_user_uid, new_hash, NULL);
    -- The owner of the token may log in at once, even if strangers have locked the account: the token acts as a session id.
    PERFORM murallink_private.know_place(live.app_user_uid, tried, NULL);
END
$$;
COMMENT ON FUNCTION murallink.reset_password(text, text, text) IS
'Sets the password of a user who has a token, ends all of the user''s sessions and unlocks the account (document: Reset Password). email: of the account; password: the new one, 8 to 1024 bytes; token: as it was sent. A wrong, used or expired token, or an unknown e-mail address, is answered with invalid_token as data: in SQL, response.status is then 400. An attempt is counted even if the transaction is rolled back. Afterwards login accepts the token in place of an old session id. Needs no session. Errors: invalid_request (in a read-only transaction), missing_field, too_long, invalid_email, invalid_value, weak_password, busy.';

-- VOLATILE, because PostgREST does not read the answer to HEAD: PostgreSQL would not call a STABLE function, and nothing
-- would be refused.
CREATE FUNCTION murallink.reset_tokens() RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    IF NOT pg_catalog.current_setting('murallink.expose_reset_tokens')::boolean THEN
        PERFORM murallink_private.raise('forbidden', 'murallink.expose_reset_tokens');
    END IF;
    RETURN pg_catalog.jsonb_build_object('tokens', coalesce(
        (SELECT pg_catalog.jsonb_object_agg(app_user_uid::text, token ORDER BY created_at) FROM murallink_private.live_reset_token), '{}'));
END
$$;
COMMENT ON FUNCTION murallink.reset_tokens() IS
'The tokens that are good now: tokens has the last one for each user''s uid (document: Reset Tokens). For admins, and only where murallink.expose_reset_tokens is on, as test systems have it. Errors: unauthenticated, forbidden.';
