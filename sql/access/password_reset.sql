-- Reset of a forgotten password by a token that goes out by e-mail.

CREATE FUNCTION murallink.random_digits(count integer) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'password_reset_random_digits';
COMMENT ON FUNCTION murallink.random_digits(integer) IS 'So many digits that nobody can foresee.';

CREATE FUNCTION murallink.same_secret(secret text, tried text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'password_reset_same_secret';
COMMENT ON FUNCTION murallink.same_secret(text, text) IS
'Whether both are the same, in a time that does not tell how far they agree.';

CREATE FUNCTION murallink.make_reset_token(argument jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    account CONSTANT text := argument ->> 'email';
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    since CONSTANT timestamptz := moment - interval '1 hour';
    lifetime CONSTANT interval := pg_catalog.current_setting('murallink.reset_token_lifetime')::interval;
BEGIN
    INSERT INTO murallink_private.reset_request AS r (email, place, requests, counted_since, made_at)
    VALUES (account, pg_catalog.decode(argument ->> 'place', 'hex'), 1, moment, moment)
    ON CONFLICT (email, place) DO UPDATE SET
        requests = CASE WHEN r.counted_since > since THEN r.requests + 1 ELSE 1 END,
        counted_since = CASE WHEN r.counted_since > since THEN r.counted_since ELSE moment END,
        made_at = moment
    WHERE r.counted_since <= since OR r.requests < pg_catalog.current_setting('murallink.reset_requests_per_hour')::integer
        -- Beyond these, a token follows the last one before that ends: who reads the mail always has one that is good.
        OR r.made_at <= moment - 0.8 * lifetime;
    IF FOUND THEN
        INSERT INTO murallink_private.password_reset (email, app_user_uid, token, created_at, expires_at) VALUES (
            account, (SELECT uid FROM murallink.app_user WHERE email = account),
            murallink.random_digits(pg_catalog.current_setting('murallink.reset_token_digits')::integer),
            moment, moment + lifetime);
    END IF;
    -- What nobody can use any more goes away with time, few at a time, so that requests cannot fill the disk.
    DELETE FROM murallink_private.password_reset WHERE uid IN (
        SELECT uid FROM murallink_private.password_reset WHERE expires_at < moment - interval '2 days'
        ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    DELETE FROM murallink_private.reset_request WHERE (email, place) IN (
        SELECT email, place FROM murallink_private.reset_request WHERE made_at < moment - interval '2 days'
        ORDER BY made_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    RETURN '{}';
END
$$;
COMMENT ON FUNCTION murallink.make_reset_token(jsonb) IS
'For murallink.apart(): makes a token and queues its message, unless there were too many requests. email: of the account, or any; place: the known_place that asks, in hexadecimal digits, empty for strangers, who are counted apart.';

CREATE FUNCTION murallink.request_password_reset(email text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    account CONSTANT text := murallink.checked_email(request_password_reset.email, 'email', true);
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    from_place bytea;
BEGIN
    PERFORM murallink.require_installed();
    PERFORM murallink.require_read_write();
    from_place := murallink.known_place(account);
    IF NOT murallink.take_hash_slot(from_place IS NOT NULL) THEN
        PERFORM murallink.refuse('busy');
        RETURN;
    END IF;
    -- Apart, so that a transaction that stays open keeps nobody else's request waiting.
    PERFORM murallink.apart('make_reset_token', murallink.counted_at(account, from_place));
    PERFORM murallink.leave_hash_slot();
    -- How long it takes is not to tell that there is an account, and so a message to be queued.
    PERFORM pg_catalog.pg_sleep_until(moment + interval '40 ms');
END
$$;
COMMENT ON FUNCTION murallink.request_password_reset(text) IS
'Makes a token for a user who forgot the password, good for murallink.reset_token_lifetime beside those made before (document: Request Password Reset). email: of the account; the answer is the same for an address that nobody has, and where murallink.reset_requests_per_hour are exceeded: then a token is made only when the last one is about to end. Requests of strangers, and of a client that shows the id of a session that it had, are counted apart. What is made stays whatever becomes of the transaction. Needs no session. Errors: invalid_request (in a read-only transaction), missing_field, too_long, invalid_email, invalid_value, busy.';

CREATE FUNCTION murallink.count_reset_try(argument jsonb) RETURNS jsonb
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
COMMENT ON FUNCTION murallink.count_reset_try(jsonb) IS
'For murallink.apart(): counts a try before it is compared, and returns the tokens that it may be, as an array of uids. The first half of a token of 12 digits or more names it, so that a stranger, who cannot name it, does not use its tries up; shorter ones are all tried at once. email: of the account; token: what is tried.';

CREATE FUNCTION murallink.reset_password(email text DEFAULT NULL, password text DEFAULT NULL, token text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    account CONSTANT text := murallink.checked_email(reset_password.email, 'email', true);
    tried CONSTANT text := murallink.checked_text(reset_password.token, 'token', 100, true);
    new_hash text;
    candidates jsonb;
    live murallink_private.valid_reset_token;
BEGIN
    PERFORM murallink.require_installed();
    PERFORM murallink.require_read_write();
    IF NOT murallink.take_hash_slot(murallink.known_place(account) IS NOT NULL) THEN
        PERFORM murallink.refuse('busy');
        RETURN;
    END IF;
    new_hash := murallink.password_hash(reset_password.password, 'password');
    candidates := murallink.apart('count_reset_try', pg_catalog.jsonb_build_object('email', account, 'token', tried));
    PERFORM murallink.leave_hash_slot();
    FOR look IN 1..2 LOOP
        SELECT * INTO live FROM murallink_private.valid_reset_token
        WHERE email = account AND candidates ? uid::text AND murallink.same_secret(token, tried);
        IF NOT FOUND THEN
            PERFORM murallink.refuse('invalid_token');
            RETURN;
        END IF;
        -- Two who use a token at the same time wait here for each other, as in set_password(), and look again. A wrong token
        -- takes no lock, which would keep the user from logging in for as long as the transaction stays open.
        PERFORM FROM murallink_private.credential WHERE app_user_uid = live.app_user_uid FOR UPDATE;
    END LOOP;
    PERFORM murallink.set_password(live.app_user_uid, new_hash, NULL);
    -- Whoever had the token may log in at once, even if strangers have locked the account: it serves as a session id does.
    PERFORM murallink.know_place(live.app_user_uid, tried, NULL);
END
$$;
COMMENT ON FUNCTION murallink.reset_password(text, text, text) IS
'Sets the password of a user who has a token, ends all of the user''s sessions and unlocks the account (document: Reset Password). email: of the account; password: the new one, 8 to 1024 bytes; token: as it was sent. A token that is wrong, used or expired is answered with invalid_token, as is an e-mail address that nobody has, as data: in SQL response.status is then 400. A try is counted whatever becomes of the transaction. Afterwards the token, sent in place of an old session id, is one that login knows. Needs no session. Errors: invalid_request (in a read-only transaction), missing_field, too_long, invalid_email, invalid_value, weak_password, busy.';

-- VOLATILE, because for HEAD PostgREST does not read the answer: PostgreSQL would not call it, and nothing be refused.
CREATE FUNCTION murallink.reset_tokens() RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink.require_admin();
    IF NOT pg_catalog.current_setting('murallink.expose_reset_tokens')::boolean THEN
        PERFORM murallink.raise('forbidden', 'murallink.expose_reset_tokens');
    END IF;
    RETURN pg_catalog.jsonb_build_object('tokens', coalesce(
        (SELECT pg_catalog.jsonb_object_agg(app_user_uid::text, token ORDER BY created_at) FROM murallink_private.live_reset_token), '{}'));
END
$$;
COMMENT ON FUNCTION murallink.reset_tokens() IS
'The tokens that are good now: tokens has the last one for each user''s uid (document: Reset Tokens). For admins, and only where murallink.expose_reset_tokens is on, as test systems have it. Errors: unauthenticated, forbidden.';
