-- Users, their passwords, sessions and known places, and attempts to log in.

CREATE TABLE murallink.app_user (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    email text NOT NULL CHECK (murallink_private.is_mail_address(email)),
    phone text NOT NULL DEFAULT '',
    first_name text NOT NULL DEFAULT '' CHECK (first_name = '' OR murallink_private.is_name(first_name)),
    last_name text NOT NULL DEFAULT '' CHECK (last_name = '' OR murallink_private.is_name(last_name)),
    address murallink.address,
    email_verified boolean NOT NULL DEFAULT false,
    sms_verified boolean NOT NULL DEFAULT false,
    user_role text NOT NULL DEFAULT 'user' CHECK (user_role IN ('admin', 'user')),
    kind text NOT NULL DEFAULT 'person' CHECK (kind = 'person' OR kind = 'service' AND user_role = 'user'),
    db_role text,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    deactivated tstzmultirange NOT NULL DEFAULT '{}',
    admin_until timestamptz,
    status_note text NOT NULL DEFAULT '',
    UNIQUE (uid, kind)
);
CREATE UNIQUE INDEX app_user_email_key ON murallink.app_user (email) WHERE email IS NOT NULL;
COMMENT ON INDEX murallink.app_user_email_key IS
'With a condition, which is always true: otherwise a change of the address would wait for all transactions that refer to the user, such as requests with an idempotency key.';
CREATE UNIQUE INDEX app_user_db_role_key ON murallink.app_user (db_role) WHERE db_role IS NOT NULL;
COMMENT ON INDEX murallink.app_user_db_role_key IS 'With a condition, as app_user_email_key has one.';
COMMENT ON TABLE murallink.app_user IS 'A person or application that asks: coordinators, analysts, administrators.';
COMMENT ON COLUMN murallink.app_user.uid IS 'Key.';
COMMENT ON COLUMN murallink.app_user.email IS 'In lower case; the name to log in with.';
COMMENT ON COLUMN murallink.app_user.phone IS 'As entered.';
COMMENT ON COLUMN murallink.app_user.first_name IS 'First name.';
COMMENT ON COLUMN murallink.app_user.last_name IS 'Last name.';
COMMENT ON COLUMN murallink.app_user.address IS 'Postal address, null where unknown.';
COMMENT ON COLUMN murallink.app_user.email_verified IS 'Whether the e-mail address was confirmed.';
COMMENT ON COLUMN murallink.app_user.sms_verified IS 'Whether the phone was confirmed by SMS.';
COMMENT ON COLUMN murallink.app_user.user_role IS 'admin: may do everything; user: may do what was granted.';
COMMENT ON COLUMN murallink.app_user.kind IS
'person: may have a password; service: other software, which has API keys, no password, and is never an administrator.';
COMMENT ON COLUMN murallink.app_user.db_role IS 'The PostgreSQL login role that is this user without a session.';
COMMENT ON COLUMN murallink.app_user.created_at IS 'When the user was registered.';
COMMENT ON COLUMN murallink.app_user.deactivated IS
'When the user was deactivated, and until when; the last range has no end while the user is deactivated. A deactivated user is nobody: murallink_private.is_active() says so.';
COMMENT ON COLUMN murallink.app_user.admin_until IS 'When the account of an administrator was closed last, null if it never was.';
COMMENT ON COLUMN murallink.app_user.status_note IS 'The last reason why the user was deactivated, reactivated or closed, or why an API key or an identity of the user was made or ended.';
CREATE POLICY viewer ON murallink.app_user FOR SELECT
    USING (uid = murallink_private.caller() OR murallink_private.caller_is_admin());

CREATE TABLE murallink_private.credential (
    app_user_uid murallink.ksuid PRIMARY KEY,
    kind text NOT NULL DEFAULT 'person' CHECK (kind = 'person'),
    password_hash text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    FOREIGN KEY (app_user_uid, kind) REFERENCES murallink.app_user (uid, kind)
);
COMMENT ON TABLE murallink_private.credential IS 'Passwords, as Argon2id.';
COMMENT ON COLUMN murallink_private.credential.app_user_uid IS 'The user.';
COMMENT ON COLUMN murallink_private.credential.kind IS 'That of the user: a service has no password.';
COMMENT ON COLUMN murallink_private.credential.password_hash IS 'The hash with its salt and cost, as libsodium writes it.';
COMMENT ON COLUMN murallink_private.credential.changed_at IS 'When it was set.';

CREATE TABLE murallink_private.session (
    hash bytea PRIMARY KEY,
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    switched_by_uid murallink.ksuid REFERENCES murallink.app_user,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.session IS 'Open sessions.';
COMMENT ON COLUMN murallink_private.session.hash IS 'SHA-256 of the session id; the id itself is stored nowhere.';
COMMENT ON COLUMN murallink_private.session.app_user_uid IS 'The user whose permissions apply.';
COMMENT ON COLUMN murallink_private.session.switched_by_uid IS 'The admin who acts as that user, null otherwise.';
COMMENT ON COLUMN murallink_private.session.expires_at IS 'Moved on by use.';
COMMENT ON COLUMN murallink_private.session.created_at IS 'When it was opened.';
CREATE INDEX session_opened_by ON murallink_private.session ((coalesce(switched_by_uid, app_user_uid)));
CREATE INDEX session_expires ON murallink_private.session (expires_at);

CREATE TABLE murallink_private.api_key (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    app_user_uid murallink.ksuid NOT NULL,
    kind text NOT NULL DEFAULT 'service' CHECK (kind = 'service'),
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    note text NOT NULL,
    created_by_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    until timestamptz NOT NULL CHECK (until > created_at),
    ended_at timestamptz,
    ended_by_uid murallink.ksuid REFERENCES murallink.app_user,
    ended_note text,
    FOREIGN KEY (app_user_uid, kind) REFERENCES murallink.app_user (uid, kind),
    CHECK ((ended_at IS NULL) = (ended_by_uid IS NULL) AND (ended_at IS NULL) = (ended_note IS NULL))
);
CREATE INDEX api_key_user ON murallink_private.api_key (app_user_uid);
COMMENT ON TABLE murallink_private.api_key IS
'API keys of services. A key that ends or is revoked stays as a row, so that the table is its own audit.';
COMMENT ON COLUMN murallink_private.api_key.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.api_key.app_user_uid IS 'The service.';
COMMENT ON COLUMN murallink_private.api_key.kind IS 'That of the user: a person has no API keys.';
COMMENT ON COLUMN murallink_private.api_key.name IS 'Where the key is used.';
COMMENT ON COLUMN murallink_private.api_key.hash IS 'SHA-256 of the key; the key itself is stored nowhere.';
COMMENT ON COLUMN murallink_private.api_key.note IS 'Why it was made.';
COMMENT ON COLUMN murallink_private.api_key.created_by_uid IS 'The administrator who made it.';
COMMENT ON COLUMN murallink_private.api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN murallink_private.api_key.until IS 'When it ends by itself, by the clock of the server.';
COMMENT ON COLUMN murallink_private.api_key.ended_at IS 'When it was revoked; null if it was not.';
COMMENT ON COLUMN murallink_private.api_key.ended_by_uid IS 'The administrator who revoked it.';
COMMENT ON COLUMN murallink_private.api_key.ended_note IS 'Why.';

CREATE TABLE murallink_private.api_key_use (
    api_key_uid murallink.ksuid PRIMARY KEY REFERENCES murallink_private.api_key,
    used_at timestamptz
);
COMMENT ON TABLE murallink_private.api_key_use IS
'When each API key was last used. A table of its own, so that to revoke a key waits for no transaction that uses it.';
COMMENT ON COLUMN murallink_private.api_key_use.api_key_uid IS 'The API key.';
COMMENT ON COLUMN murallink_private.api_key_use.used_at IS 'To within a tenth of murallink.session_timeout; null for never.';

CREATE TABLE murallink_private.identity (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    issuer text NOT NULL,
    subject text NOT NULL,
    note text NOT NULL,
    bound_by_uid murallink.ksuid REFERENCES murallink.app_user,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at timestamptz,
    ended_by_uid murallink.ksuid REFERENCES murallink.app_user,
    ended_note text,
    CHECK ((ended_at IS NULL) = (ended_by_uid IS NULL) AND (ended_at IS NULL) = (ended_note IS NULL))
);
CREATE UNIQUE INDEX identity_once ON murallink_private.identity (issuer, subject) WHERE ended_at IS NULL;
CREATE INDEX identity_user ON murallink_private.identity (app_user_uid, issuer);
CREATE INDEX identity_subject ON murallink_private.identity (issuer, subject);
COMMENT ON TABLE murallink_private.identity IS
'Who at an identity provider is which user. An identity that is unbound stays as a row, so that the table is its own audit.';
COMMENT ON COLUMN murallink_private.identity.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.identity.app_user_uid IS 'The user.';
COMMENT ON COLUMN murallink_private.identity.issuer IS 'The identity provider, as the claim iss names it.';
COMMENT ON COLUMN murallink_private.identity.subject IS 'Who it is there, by the claim that murallink.sign_on_issuers says.';
COMMENT ON COLUMN murallink_private.identity.note IS 'Why it was bound.';
COMMENT ON COLUMN murallink_private.identity.bound_by_uid IS
'The administrator who bound it; null if it was bound at the first sign-on by the verified e-mail address.';
COMMENT ON COLUMN murallink_private.identity.created_at IS 'When it was bound.';
COMMENT ON COLUMN murallink_private.identity.ended_at IS 'When it was unbound; null if it was not.';
COMMENT ON COLUMN murallink_private.identity.ended_by_uid IS 'The administrator who unbound it.';
COMMENT ON COLUMN murallink_private.identity.ended_note IS 'Why.';

CREATE TABLE murallink_private.last_seen (
    app_user_uid murallink.ksuid PRIMARY KEY REFERENCES murallink.app_user,
    seen_at timestamptz
);
COMMENT ON TABLE murallink_private.last_seen IS
'When each user was last seen, to within a tenth of murallink.session_timeout, or an hour for a user of a login role.';
COMMENT ON COLUMN murallink_private.last_seen.app_user_uid IS 'The user.';
COMMENT ON COLUMN murallink_private.last_seen.seen_at IS 'When the user last logged in, used a session or called an action; null for never.';

CREATE TABLE murallink_private.known_place (
    hash bytea PRIMARY KEY,
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink_private.known_place IS
'Clients that have logged in before. A client proves this with the id of an earlier session. Its failed logins are counted separately, so that strangers who lock the account do not lock it out.';
COMMENT ON COLUMN murallink_private.known_place.hash IS 'SHA-256 of the session id, or of the token that has set the password.';
COMMENT ON COLUMN murallink_private.known_place.app_user_uid IS 'The user who has logged in there.';
COMMENT ON COLUMN murallink_private.known_place.created_at IS 'When.';
COMMENT ON COLUMN murallink_private.known_place.expires_at IS 'When the client becomes a stranger: murallink.known_place_lifetime.';
CREATE INDEX known_place_user ON murallink_private.known_place (app_user_uid, created_at);
CREATE INDEX known_place_expires ON murallink_private.known_place (expires_at);

CREATE TABLE murallink_private.login_attempt (
    email text,
    place bytea DEFAULT '',
    failures integer NOT NULL CHECK (failures >= 0),
    locked_until timestamptz NOT NULL DEFAULT '-infinity',
    counted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (email, place)
);
COMMENT ON TABLE murallink_private.login_attempt IS
'Logins since the last success, each counted before the password is compared, by e-mail address whether it is known or not: a lock does not reveal who has an account. Written in transactions of its own, by murallink_private.apart().';
COMMENT ON COLUMN murallink_private.login_attempt.email IS 'In lower case.';
COMMENT ON COLUMN murallink_private.login_attempt.place IS 'The known_place from which it is tried; empty for all strangers together.';
COMMENT ON COLUMN murallink_private.login_attempt.failures IS 'Passwords tried since the last success.';
COMMENT ON COLUMN murallink_private.login_attempt.locked_until IS 'No login is tried before.';
COMMENT ON COLUMN murallink_private.login_attempt.counted_at IS 'When the last one was tried.';
CREATE INDEX login_attempt_counted ON murallink_private.login_attempt (counted_at);
