-- Accounts and sessions: log in, log out, register, change a user, find out who calls.

CREATE FUNCTION murallink_private.is_active(deactivated tstzmultirange) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN NOT pg_catalog.upper_inf(deactivated);
COMMENT ON FUNCTION murallink_private.is_active(tstzmultirange) IS
'Whether a user is active, by the column deactivated of app_user. Whatever finds a user by a session, a login role or an e-mail address, so that this user may do something, asks this.';

CREATE FUNCTION murallink_private.active_since(deactivated tstzmultirange, since timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.isempty(deactivated) OR deactivated OPERATOR(pg_catalog.<<) pg_catalog.tstzrange(since, NULL);
COMMENT ON FUNCTION murallink_private.active_since(tstzmultirange, timestamptz) IS
'Whether a user is active and has been so since a time, by the column deactivated of app_user. Sessions and tokens from before a deactivation are not valid after it.';

CREATE FUNCTION murallink.authenticate(session_id text DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'identity_authenticate_sql';
COMMENT ON FUNCTION murallink.authenticate(text) IS
'Takes on the identity of a session for the rest of this transaction. session_id: as login answered it, or an API key; default: the header Session-Id or Api-Key that PostgREST received, or the token that it has verified, by the claims in request.jwt.claims, which count only for the login roles of murallink.sign_on_roles and once in a transaction. Meant as PostgREST''s db-pre-request. Errors: unauthenticated; invalid_request (several of them); too_long (Idempotency-Key); conflict in a statement that reads rows as the user of the login role.';

CREATE FUNCTION murallink_private.caller() RETURNS murallink.ksuid
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'identity_caller_uid';
COMMENT ON FUNCTION murallink_private.caller() IS
'The caller: the user of the session of authenticate(), else the user whose db_role is the login role, else null.';

CREATE FUNCTION murallink_private.caller_lost() RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'identity_caller_lost';
COMMENT ON FUNCTION murallink_private.caller_lost() IS
'Whether this transaction has lost its caller, for example to deactivate_user. Unlike caller(), raises nothing within a function that has waited meanwhile.';

CREATE FUNCTION murallink_private.caller_is_admin() RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'identity_caller_is_admin';
COMMENT ON FUNCTION murallink_private.caller_is_admin() IS 'Whether an admin is asking.';

CREATE FUNCTION murallink_private.guard_tokens() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (murallink_private.asked_by_owner() OR murallink_private.caller_is_admin()) THEN
        PERFORM murallink_private.raise('forbidden', TG_ARGV[0]);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.guard_tokens() IS
'Trigger: only superusers and administrators decide which server sends the tokens that reset passwords, and the text beside them. Argument: the field that errors name. Errors: forbidden.';

CREATE FUNCTION murallink_private.caller_session() RETURNS bytea
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_caller_session';
COMMENT ON FUNCTION murallink_private.caller_session() IS
'The SHA-256 of the caller''s session id, null for a caller without a session. Errors: unauthenticated.';

CREATE FUNCTION murallink_private.caller_signed_on() RETURNS timestamptz
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_caller_signed_on';
COMMENT ON FUNCTION murallink_private.caller_signed_on() IS
'When the caller has signed on at an identity provider, by the token of this request; null for other callers, and if the token does not say so. Errors: unauthenticated.';

CREATE FUNCTION murallink_private.is_issuer(name text) RETURNS boolean
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'identity_is_issuer';
COMMENT ON FUNCTION murallink_private.is_issuer(text) IS 'Whether murallink.sign_on_issuers has an identity provider.';

CREATE FUNCTION murallink_private.caller_switched_by() RETURNS murallink.ksuid
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_caller_switched_by';
COMMENT ON FUNCTION murallink_private.caller_switched_by() IS
'The admin who acts as the caller after switch_user(); null otherwise.';

CREATE FUNCTION murallink_private.reload_session() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'identity_reload_session';
COMMENT ON FUNCTION murallink_private.reload_session() IS
'Makes the session''s current user the caller for the rest of this transaction. Errors: unauthenticated, also for a caller without a session.';

CREATE FUNCTION murallink_private.require_caller() RETURNS murallink.ksuid
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_require_caller';
COMMENT ON FUNCTION murallink_private.require_caller() IS 'The caller''s uid. Errors: unauthenticated.';

CREATE FUNCTION murallink_private.require_admin() RETURNS murallink.ksuid
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_require_admin';
COMMENT ON FUNCTION murallink_private.require_admin() IS 'The uid of the caller, who must be an admin. Errors: unauthenticated, forbidden.';

CREATE FUNCTION murallink_private.open_session(app_user_uid murallink.ksuid) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'identity_open_session';
COMMENT ON FUNCTION murallink_private.open_session(murallink.ksuid) IS
'Opens a session for a user and returns its id, of which only the SHA-256 is stored. Only for functions with the owner''s rights. Errors: forbidden.';

CREATE FUNCTION murallink_private.see(user_uid murallink.ksuid) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'identity_see';
COMMENT ON FUNCTION murallink_private.see(murallink.ksuid) IS
'Remembers that a user was seen now, unless another transaction is doing so. Only for functions with the owner''s rights. Errors: forbidden.';

CREATE FUNCTION murallink_private.presented_session() RETURNS bytea
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_presented_session';
COMMENT ON FUNCTION murallink_private.presented_session() IS
'The SHA-256 of the session id that this transaction was given, whether that session is alive or has ended; null without one.';

CREATE FUNCTION murallink_private.take_hash_slot(known boolean) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'password_take_hash_slot';
COMMENT ON FUNCTION murallink_private.take_hash_slot(boolean) IS
'Takes one of the slots for hashing passwords until leave_hash_slot() or the end of the transaction. There are murallink.passwords_at_once, and one more for known clients. Returns false, without waiting, if none is free.';

CREATE FUNCTION murallink_private.leave_hash_slot() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'password_leave_hash_slot';
COMMENT ON FUNCTION murallink_private.leave_hash_slot() IS 'Releases the slot of take_hash_slot().';

CREATE FUNCTION murallink_private.password_hash(password text, field text, known boolean DEFAULT false) RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'password_hash';
COMMENT ON FUNCTION murallink_private.password_hash(text, text, boolean) IS
'The Argon2id hash of a password. field: its name in errors; known: whether the client has logged in before. Errors: missing_field, weak_password, busy.';

CREATE FUNCTION murallink_private.password_matches(hash text, password text) RETURNS boolean
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'password_matches';
COMMENT ON FUNCTION murallink_private.password_matches(text, text) IS
'Whether a password is the one that was hashed. A null hash is false and takes as long. Errors: busy.';

CREATE TYPE murallink.user_info AS (
    uid murallink.ksuid,
    email text,
    first_name text,
    last_name text,
    address murallink.address,
    phone text,
    email_verified boolean,
    sms_verified boolean
);
COMMENT ON TYPE murallink.user_info IS 'A user, as register and my_info answer.';

CREATE TYPE murallink.login_info AS (
    session_id text, user_role text, invalid_attempts integer, error murallink.optional_text, message murallink.optional_text);
COMMENT ON TYPE murallink.login_info IS
'session_id: to send with every request, empty when the login was refused; invalid_attempts: failed logins since the last success; error, message: why the login was refused, as for every error, null for a success.';

CREATE FUNCTION murallink_private.user_info(user_uid murallink.ksuid) RETURNS murallink.user_info
LANGUAGE sql STABLE AS $$
    SELECT uid, email, first_name, last_name, address, phone, email_verified, sms_verified
    FROM murallink.app_user WHERE uid = user_uid
$$;
COMMENT ON FUNCTION murallink_private.user_info(murallink.ksuid) IS 'A user as clients see it.';

CREATE FUNCTION murallink_private.raise_taken(account text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- The caller learns that the address is taken even if this transaction is rolled back, so it counts as a guess.
    IF (murallink_private.apart('count_login', pg_catalog.jsonb_build_object('email', account)) ->> 'locked')::boolean THEN
        PERFORM murallink_private.raise('locked_out');
    END IF;
    PERFORM murallink_private.raise('already_exists', 'email');
END
$$;
COMMENT ON FUNCTION murallink_private.raise_taken(text) IS
'Raises the error that somebody else has an e-mail address, and counts this as a failed login. Errors: already_exists, locked_out (the address was asked for too often).';

CREATE FUNCTION murallink_private.add_user(
    email text, password text, first_name text, last_name text, phone text, address jsonb, user_role text
) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    account CONSTANT text := murallink_private.checked_email(add_user.email, 'email', true);
    hash CONSTANT text := murallink_private.password_hash(add_user.password, 'password');
    added murallink.ksuid;
BEGIN
    add_user.phone := murallink_private.checked_text(add_user.phone, 'phone', 50, false);
    add_user.first_name := murallink_private.checked_name(add_user.first_name, 'first_name', true);
    add_user.last_name := murallink_private.checked_name(add_user.last_name, 'last_name', false);
    INSERT INTO murallink.app_user (email, phone, first_name, last_name, address, user_role)
    VALUES (account, add_user.phone, add_user.first_name, add_user.last_name, murallink_private.checked_address(add_user.address),
        add_user.user_role)
    ON CONFLICT DO NOTHING RETURNING uid INTO added;
    IF added IS NULL THEN
        PERFORM murallink_private.raise_taken(account);
    END IF;
    INSERT INTO murallink_private.credential (app_user_uid, password_hash) VALUES (added, hash);
    INSERT INTO murallink_private.last_seen (app_user_uid) VALUES (added);
    RETURN added;
END
$$;
COMMENT ON FUNCTION murallink_private.add_user(text, text, text, text, text, jsonb, text) IS
'Adds a user with a password and returns the uid. Errors: missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key, weak_password, already_exists, locked_out (the address was asked for too often), busy.';

CREATE FUNCTION murallink.register(
    email text DEFAULT NULL, password text DEFAULT NULL, first_name text DEFAULT NULL, last_name text DEFAULT NULL,
    phone text DEFAULT NULL, address jsonb DEFAULT NULL
) RETURNS murallink.user_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added murallink.ksuid := murallink_private.add_user(email, password, first_name, last_name, phone, address, 'user');
BEGIN
    RETURN murallink_private.user_info(added);
END
$$;
COMMENT ON FUNCTION murallink.register(text, text, text, text, text, jsonb) IS
'Registers a user, who can do nothing until permissions are granted (document: Register). address: an object with street1, street2, city, state, post_code. Errors: missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key, weak_password, already_exists, locked_out (the address was asked for too often), busy.';

CREATE FUNCTION murallink.create_admin(email text, password text, first_name text, last_name text) RETURNS murallink.user_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added murallink.ksuid;
BEGIN
    PERFORM murallink_private.require_owner();
    added := murallink_private.add_user(email, password, first_name, last_name, NULL, NULL, 'admin');
    RETURN murallink_private.user_info(added);
END
$$;
COMMENT ON FUNCTION murallink.create_admin(text, text, text, text) IS
'Registers an administrator. For superusers. Errors: forbidden, and as register.';

CREATE FUNCTION murallink.set_db_role(email text, db_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_owner();
    UPDATE murallink.app_user u SET db_role = set_db_role.db_role WHERE u.email = murallink_private.mail_address(set_db_role.email);
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'email', 'No user has this address.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.set_db_role(text, text) IS
'Binds a user to a PostgreSQL login role, which then is that user without a session: how analysts and applications come in. db_role: null unbinds. For superusers. Errors: forbidden, not_found.';

CREATE FUNCTION murallink_private.count_login(argument jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account CONSTANT text := argument ->> 'email';
    from_place CONSTANT bytea := pg_catalog.decode(coalesce(argument ->> 'place', ''), 'hex');
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    most CONSTANT integer := pg_catalog.current_setting('murallink.login_max_failures')::integer;
    attempt murallink_private.login_attempt;
BEGIN
    INSERT INTO murallink_private.login_attempt AS a (email, place, failures, counted_at) VALUES (account, from_place, 0, moment)
    ON CONFLICT (email, place) DO UPDATE SET counted_at = moment RETURNING * INTO attempt;
    IF attempt.locked_until > moment THEN
        RETURN pg_catalog.jsonb_build_object('locked', true, 'failures', attempt.failures);
    END IF;
    UPDATE murallink_private.login_attempt SET
        failures = failures + 1,
        locked_until = CASE WHEN failures + 1 < most THEN locked_until
            ELSE moment + pg_catalog.current_setting('murallink.login_lockout')::interval END
    WHERE email = account AND place = from_place RETURNING * INTO attempt;
    IF attempt.failures >= most THEN
        DELETE FROM murallink_private.known_place WHERE hash = from_place;
    END IF;
    -- Deletes some expired rows with each call, so that guesses cannot fill the disk.
    DELETE FROM murallink_private.login_attempt WHERE (email, place) IN (
        SELECT email, place FROM murallink_private.login_attempt
        WHERE counted_at < moment - interval '30 days' AND locked_until < moment
        ORDER BY counted_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    RETURN pg_catalog.jsonb_build_object('locked', false, 'failures', attempt.failures);
END
$$;
COMMENT ON FUNCTION murallink_private.count_login(jsonb) IS
'For murallink_private.apart(): counts a login before the password is compared, and says whether it may be: locked, and failures since the last success with this one. email: of the account; place: the known_place from which it is tried, in hexadecimal digits, null for a stranger. A place that reaches murallink.login_max_failures is known no longer.';

CREATE FUNCTION murallink_private.forget_failures(argument jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM murallink_private.login_attempt
    WHERE email = argument ->> 'email' AND place = coalesce(pg_catalog.decode(argument ->> 'place', 'hex'), place);
    RETURN '{}';
END
$$;
COMMENT ON FUNCTION murallink_private.forget_failures(jsonb) IS
'For murallink_private.apart(): deletes the counts of count_login() for an e-mail address, at a place (in hexadecimal digits, empty for strangers), or at all places if the key place is absent.';

CREATE FUNCTION murallink_private.known_place(account text) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.hash FROM murallink_private.known_place k JOIN murallink.app_user u ON u.uid = k.app_user_uid
    WHERE k.hash = murallink_private.presented_session() AND u.email = account AND k.expires_at > pg_catalog.clock_timestamp()
        AND murallink_private.is_active(u.deactivated)
$$;
COMMENT ON FUNCTION murallink_private.known_place(text) IS
'The known_place of which the client has shown the session id, null for a stranger. account: the e-mail address, in lower case.';

CREATE FUNCTION murallink_private.know_place(user_uid murallink.ksuid, secret text, former bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
BEGIN
    INSERT INTO murallink_private.known_place (hash, app_user_uid, expires_at) VALUES (
        pg_catalog.sha256(pg_catalog.convert_to(secret, 'UTF8')), user_uid,
        moment + pg_catalog.current_setting('murallink.known_place_lifetime')::interval)
    ON CONFLICT DO NOTHING;
    DELETE FROM murallink_private.known_place WHERE hash = former OR hash IN (
        SELECT hash FROM murallink_private.known_place WHERE app_user_uid = user_uid ORDER BY created_at DESC OFFSET 100);
    DELETE FROM murallink_private.known_place WHERE hash IN (
        SELECT hash FROM murallink_private.known_place WHERE expires_at < moment
        ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION murallink_private.know_place(murallink.ksuid, text, bytea) IS
'Makes the client that gets a secret, such as a session id, a place where the user has logged in, in place of a former one; the last 100 of a user are kept.';

CREATE FUNCTION murallink_private.counted_at(account text, place bytea) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_catalog.jsonb_build_object('email', account, 'place', coalesce(pg_catalog.encode(place, 'hex'), ''))
$$;
COMMENT ON FUNCTION murallink_private.counted_at(text, bytea) IS
'The argument with which murallink_private.apart() counts requests for an e-mail address at a known_place; null for strangers.';

CREATE FUNCTION murallink_private.require_read_write() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_catalog.current_setting('transaction_read_only') = 'on' THEN
        PERFORM murallink_private.raise('invalid_request', NULL,
            'The transaction is read-only, as all are on a standby: send it to the server, to be read and written.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.require_read_write() IS
'Refuses a password or a token in a transaction that cannot write the result. Errors: invalid_request (in a read-only transaction).';

CREATE FUNCTION murallink_private.refuse_login(error text, failures integer) RETURNS murallink.login_info
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.refuse(error);
    RETURN (SELECT ROW('', '', failures, e.name, e.message)::murallink.login_info FROM murallink.errors() e WHERE e.name = error);
END
$$;
COMMENT ON FUNCTION murallink_private.refuse_login(text, integer) IS
'Answers a login with an error of the table, as data, because failed logins are counted. failures: since the last success.';

CREATE FUNCTION murallink.login(email text DEFAULT NULL, password text DEFAULT NULL) RETURNS murallink.login_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account CONSTANT text := murallink_private.checked_email(login.email, 'email', true);
    from_place bytea;
    counting jsonb;
    counted jsonb;
    account_user record;
    matches boolean;
    session_id text;
BEGIN
    PERFORM murallink_private.require_installed();
    IF coalesce(login.password, '') = '' THEN
        PERFORM murallink_private.raise('missing_field', 'password');
    END IF;
    PERFORM murallink_private.require_read_write();
    from_place := murallink_private.known_place(account);
    IF NOT murallink_private.take_hash_slot(from_place IS NOT NULL) THEN
        RETURN murallink_private.refuse_login('busy', 0);
    END IF;
    -- Count before comparing, in a transaction of its own, so that neither a rollback nor parallel guesses help. A locked
    -- account answers the right password in the same way.
    counting := murallink_private.counted_at(account, from_place);
    counted := murallink_private.apart('count_login', counting);
    IF (counted ->> 'locked')::boolean THEN
        PERFORM murallink_private.leave_hash_slot();
        RETURN murallink_private.refuse_login('locked_out', (counted ->> 'failures')::integer);
    END IF;
    SELECT u.uid, u.user_role, c.password_hash INTO account_user
    FROM murallink.app_user u JOIN murallink_private.credential c ON c.app_user_uid = u.uid
    WHERE u.email = account AND murallink_private.is_active(u.deactivated);
    matches := murallink_private.password_matches(account_user.password_hash, login.password);
    IF matches THEN
        PERFORM murallink_private.apart('forget_failures', counting);
    END IF;
    PERFORM murallink_private.leave_hash_slot();
    IF matches THEN
        -- Serializes with a concurrent change of the password, which ends the session that is opened here.
        PERFORM FROM murallink_private.credential
        WHERE app_user_uid = account_user.uid AND password_hash = account_user.password_hash FOR SHARE;
        matches := FOUND;
    END IF;
    IF NOT matches THEN
        RETURN murallink_private.refuse_login('login_failed', (counted ->> 'failures')::integer);
    END IF;
    -- Deletes some expired sessions with each login.
    DELETE FROM murallink_private.session WHERE hash IN (
        SELECT hash FROM murallink_private.session WHERE expires_at < pg_catalog.clock_timestamp()
        ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED);
    session_id := murallink_private.open_session(account_user.uid);
    PERFORM murallink_private.see(account_user.uid);
    PERFORM murallink_private.know_place(account_user.uid, session_id, from_place);
    RETURN ROW(session_id, account_user.user_role, 0, NULL::murallink.optional_text, NULL::murallink.optional_text);
END
$$;
COMMENT ON FUNCTION murallink.login(text, text) IS
'Opens a session (document: Log In). A wrong password, an unknown e-mail address and that of a deactivated user are answered with login_failed, a locked account with locked_out whatever the password, and busy where as many passwords are hashed as may be at once; all as data: session_id is then empty, error and message say why. A client that has logged in before sends the id of its last session, even an ended one, as with any request: it is not locked out by strangers. Errors: invalid_request (in a read-only transaction), missing_field, too_long, invalid_email, invalid_value, busy.';

CREATE FUNCTION murallink.keepalive() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own CONSTANT bytea := murallink_private.caller_session();
BEGIN
    UPDATE murallink_private.session
    SET expires_at = LEAST(
        pg_catalog.clock_timestamp() + pg_catalog.current_setting('murallink.session_timeout')::interval,
        created_at + pg_catalog.current_setting('murallink.session_lifetime')::interval)
    WHERE hash = own;
    PERFORM murallink_private.say('session valid');
END
$$;
COMMENT ON FUNCTION murallink.keepalive() IS
'Says whether the session is valid and moves its end (document: keepalive). Errors: unauthenticated.';

CREATE FUNCTION murallink.logout() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own CONSTANT bytea := murallink_private.caller_session();
BEGIN
    DELETE FROM murallink_private.session WHERE hash = own;
END
$$;
COMMENT ON FUNCTION murallink.logout() IS 'Ends the session (document: Log Out). Errors: unauthenticated.';

CREATE FUNCTION murallink.my_info() RETURNS murallink.user_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
BEGIN
    RETURN murallink_private.user_info(caller);
END
$$;
COMMENT ON FUNCTION murallink.my_info() IS 'The caller''s own account (document: My Info). Errors: unauthenticated.';

CREATE FUNCTION murallink.get_users() RETURNS SETOF murallink.user_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    RETURN QUERY
    SELECT i.* FROM murallink.app_user u, LATERAL murallink_private.user_info(u.uid) i
    ORDER BY murallink_private.name_folded(u.last_name || ' ' || u.first_name) COLLATE "C", u.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_users() IS
'All users, by last and first name (document: Get Users). For admins. Errors: unauthenticated, forbidden.';

CREATE FUNCTION murallink_private.set_password(user_uid murallink.ksuid, password_hash text, spared_session bytea) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF murallink_private.caller_switched_by() IS NOT NULL THEN
        PERFORM murallink_private.raise('forbidden', NULL, 'This is not possible while acting as another user: end it with switch_user to your own uid.');
    ELSIF EXISTS (SELECT FROM murallink.app_user u WHERE u.uid = user_uid AND u.kind = 'service') THEN
        PERFORM murallink_private.raise('wrong_status', NULL, 'A service has no password: create_api_key makes a key for it.');
    END IF;
    -- Lock the credential first: everything that sets a password, or opens a session with one, serializes here.
    LOOP
        UPDATE murallink_private.credential
        SET password_hash = set_password.password_hash, changed_at = pg_catalog.clock_timestamp() WHERE app_user_uid = user_uid;
        IF FOUND THEN
            PERFORM murallink_private.follow('password', user_uid);
            EXIT;
        END IF;
        -- The first password. Meanwhile another transaction may set it.
        INSERT INTO murallink_private.credential (app_user_uid, password_hash, changed_at)
        VALUES (user_uid, set_password.password_hash, pg_catalog.clock_timestamp())
        ON CONFLICT (app_user_uid) DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
    -- The transaction before may have ended the caller's session.
    IF murallink_private.caller() IS NOT NULL AND murallink_private.caller_session() IS NOT NULL THEN
        PERFORM murallink_private.reload_session();
    END IF;
    DELETE FROM murallink_private.session
    WHERE coalesce(switched_by_uid, app_user_uid) = user_uid AND hash IS DISTINCT FROM spared_session;
    PERFORM murallink_private.apart('forget_failures', pg_catalog.jsonb_build_object('email', u.email))
    FROM murallink.app_user u WHERE u.uid = user_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.set_password(murallink.ksuid, text, bytea) IS
'Sets the password of a user, ends the sessions that the user has opened and unlocks the account. password_hash: as password_hash() makes it; spared_session: a session that does not end; null for none. Errors: forbidden to an admin who acts as another user; wrong_status (a service); unauthenticated to a caller whose session was ended meanwhile.';

CREATE FUNCTION murallink_private.check_own_password(password text, field text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    account CONSTANT text := (SELECT email FROM murallink.app_user WHERE uid = caller);
    from_place CONSTANT bytea := murallink_private.known_place(account);
    counting CONSTANT jsonb := murallink_private.counted_at(account, from_place);
BEGIN
    -- A stolen session must not make guessing the password easier than login does.
    IF NOT murallink_private.take_hash_slot(from_place IS NOT NULL) THEN
        PERFORM murallink_private.raise('busy');
    ELSIF (murallink_private.apart('count_login', counting) ->> 'locked')::boolean THEN
        PERFORM murallink_private.raise('locked_out');
    ELSIF NOT murallink_private.password_matches(
        (SELECT password_hash FROM murallink_private.credential WHERE app_user_uid = caller), check_own_password.password) THEN
        PERFORM murallink_private.raise('forbidden', field, 'The password is wrong.');
    END IF;
    PERFORM murallink_private.apart('forget_failures', counting);
    PERFORM murallink_private.leave_hash_slot();
END
$$;
COMMENT ON FUNCTION murallink_private.check_own_password(text, text) IS
'Checks the caller''s own password, and counts the attempt as login() does. field: its name in errors. Errors: unauthenticated, forbidden, locked_out, busy.';

CREATE FUNCTION murallink_private.check_current_password(current_password text, demanded boolean) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.require_caller();
    IF current_password <> '' THEN
        PERFORM murallink_private.check_own_password(current_password, 'current_password');
    ELSIF demanded AND pg_catalog.current_setting('murallink.require_current_password')::boolean THEN
        PERFORM murallink_private.raise('missing_field', 'current_password');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.check_current_password(text, boolean) IS
'Checks the caller''s own password if it is given, as check_own_password() does. demanded: whether murallink.require_current_password applies here. Errors: unauthenticated, missing_field, forbidden, locked_out, busy.';

CREATE FUNCTION murallink_private.freshly_signed_on() RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink_private.session s
        WHERE s.hash = murallink_private.caller_session()
            AND s.created_at > pg_catalog.clock_timestamp() - pg_catalog.current_setting('murallink.fresh_sign_on')::interval)
        OR coalesce(murallink_private.caller_signed_on()
            > pg_catalog.clock_timestamp() - pg_catalog.current_setting('murallink.fresh_sign_on')::interval, false)
$$;
COMMENT ON FUNCTION murallink_private.freshly_signed_on() IS
'Whether the caller has a session that was opened within murallink.fresh_sign_on, or has signed on at the identity provider within it. Errors: unauthenticated.';

CREATE FUNCTION murallink.update_user(
    uid murallink.ksuid DEFAULT NULL, email text DEFAULT NULL, first_name text DEFAULT NULL, last_name text DEFAULT NULL,
    address jsonb DEFAULT NULL, phone text DEFAULT NULL, password text DEFAULT NULL,
    email_verified murallink.read_only DEFAULT NULL, sms_verified murallink.read_only DEFAULT NULL,
    current_password text DEFAULT NULL
) RETURNS murallink.user_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    oneself CONSTANT boolean := murallink_private.required(update_user.uid, 'uid') = caller;
    permitted CONSTANT boolean := oneself OR murallink_private.caller_is_admin();
    known murallink.app_user;
    new_email text;
    new_phone text;
    new_hash text;
BEGIN
    SELECT * INTO known FROM murallink.app_user u WHERE u.uid = update_user.uid AND permitted FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'uid');
    END IF;
    PERFORM murallink_private.unchanged(update_user.email_verified, ARRAY[known.email_verified::text], 'email_verified'),
        murallink_private.unchanged(update_user.sms_verified, ARRAY[known.sms_verified::text], 'sms_verified');
    new_email := murallink_private.checked_email(coalesce(update_user.email, known.email), 'email', true);
    PERFORM murallink_private.check_current_password(update_user.current_password,
        oneself AND (update_user.password <> '' OR new_email <> known.email));
    IF new_email <> known.email AND murallink_private.caller_switched_by() IS NOT NULL THEN
        -- Tokens to set a password are sent to it.
        PERFORM murallink_private.raise('forbidden', 'email', 'This is not possible while acting as another user: end it with switch_user to your own uid.');
    END IF;
    new_phone := murallink_private.checked_text(coalesce(update_user.phone, known.phone), 'phone', 50, false);
    IF update_user.password <> '' THEN
        new_hash := murallink_private.password_hash(update_user.password, 'password', true);
        PERFORM murallink_private.set_password(known.uid, new_hash, CASE WHEN oneself THEN murallink_private.caller_session() END);
    END IF;
    BEGIN
        IF new_email <> known.email THEN
            PERFORM murallink_private.follow('e-mail address', known.uid);
        END IF;
        UPDATE murallink.app_user u SET
            email = new_email,
            phone = new_phone,
            first_name = murallink_private.checked_name(coalesce(update_user.first_name, u.first_name), 'first_name', true),
            last_name = murallink_private.checked_name(coalesce(update_user.last_name, u.last_name), 'last_name', false),
            address = murallink_private.changed_address(u.address, update_user.address),
            email_verified = u.email_verified AND u.email = new_email,
            sms_verified = u.sms_verified AND u.phone = new_phone
        WHERE u.uid = known.uid;
    EXCEPTION WHEN unique_violation THEN
        PERFORM murallink_private.raise_taken(new_email);
    END;
    RETURN murallink_private.user_info(known.uid);
END
$$;
COMMENT ON FUNCTION murallink.update_user(murallink.ksuid, text, text, text, jsonb, text, text, murallink.read_only, murallink.read_only, text) IS
'Changes an account (document: Update User). uid: of the user; other arguments change nothing if they are absent. email, phone: a new one is not verified. address: an object with street1, street2, city, state, post_code. password: ends the sessions of the account except this one, if it is not empty. email_verified, sms_verified: as they are, or absent. current_password: that of the caller, checked if it is given, and required for one''s own password or e-mail address if murallink.require_current_password is on. For oneself and for admins. Errors: unauthenticated, not_found (also to callers other than the user and admins), forbidden (a password or an e-mail address set by an admin who acts as another user; where the current password is wrong), locked_out, busy, missing_field, too_long, invalid_email, invalid_value, wrong_type, unknown_key, weak_password, wrong_status (the password of a service), already_exists.';

CREATE FUNCTION murallink.switch_user(uid murallink.ksuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    own CONSTANT bytea := murallink_private.caller_session();
    administrator CONSTANT murallink.ksuid := coalesce(murallink_private.caller_switched_by(), caller);
BEGIN
    IF own IS NULL THEN
        PERFORM murallink_private.raise('unauthenticated', 'session_id');
    ELSIF NOT EXISTS (SELECT FROM murallink.app_user u WHERE u.uid = administrator AND u.user_role = 'admin') THEN
        PERFORM murallink_private.raise('forbidden', NULL, 'Only administrators may do this.');
    END IF;
    PERFORM murallink_private.required(switch_user.uid, 'uid');
    IF NOT EXISTS (SELECT FROM murallink.app_user u WHERE u.uid = switch_user.uid) THEN
        PERFORM murallink_private.raise('not_found', 'uid');
    END IF;
    IF NOT EXISTS (SELECT FROM murallink.app_user u WHERE u.uid = switch_user.uid AND murallink_private.is_active(u.deactivated)) THEN
        PERFORM murallink_private.raise('wrong_status', 'uid');
    END IF;
    UPDATE murallink_private.session
    SET app_user_uid = switch_user.uid, switched_by_uid = NULLIF(administrator, switch_user.uid) WHERE hash = own;
    PERFORM murallink_private.reload_session();
END
$$;
COMMENT ON FUNCTION murallink.switch_user(murallink.ksuid) IS
'Lets an admin''s session act as another user, with that user''s permissions only; audit_event keeps both names (document: Switch User). uid: of the user; one''s own ends it. For sessions that an admin opened. Errors: unauthenticated (also for an admin who connected with a PostgreSQL role, without a session), forbidden, missing_field, not_found, wrong_status (the user is deactivated).';

CREATE FUNCTION murallink.change_password(new_password text DEFAULT NULL, current_password text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
BEGIN
    PERFORM murallink_private.check_current_password(current_password, true);
    PERFORM murallink_private.set_password(
        caller, murallink_private.password_hash(new_password, 'new_password', true), murallink_private.caller_session());
END
$$;
COMMENT ON FUNCTION murallink.change_password(text, text) IS
'Changes one''s own password and ends one''s other sessions (document: Change Password). new_password: 8 to 1024 bytes; current_password: checked if it is given, and required if murallink.require_current_password is on. Errors: unauthenticated, forbidden (to an admin who acts as another user; where the current password is wrong), wrong_status (a service), locked_out, busy, missing_field, weak_password.';

CREATE FUNCTION murallink.change_user_password(user_uid murallink.ksuid DEFAULT NULL, new_password text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin();
    PERFORM murallink_private.required(user_uid, 'user_uid');
    IF NOT EXISTS (SELECT FROM murallink.app_user WHERE uid = user_uid) THEN
        PERFORM murallink_private.raise('not_found', 'user_uid');
    ELSIF user_uid = murallink_private.caller() THEN
        PERFORM murallink_private.check_current_password(NULL, true);
    END IF;
    PERFORM murallink_private.set_password(user_uid, murallink_private.password_hash(new_password, 'new_password', true), NULL);
END
$$;
COMMENT ON FUNCTION murallink.change_user_password(murallink.ksuid, text) IS
'Changes a user''s password, ends all of the user''s sessions and unlocks the account (document: Change User Password). new_password: 8 to 1024 bytes. For admins; if murallink.require_current_password is on, only change_password changes one''s own. Errors: unauthenticated, forbidden (also to an admin who acts as another user), missing_field, not_found, wrong_status (a service), weak_password.';
