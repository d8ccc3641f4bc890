-- Tokens that reset a password, and the requests for them.

CREATE TABLE murallink_private.password_reset (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    email text NOT NULL,
    app_user_uid murallink.ksuid REFERENCES murallink.app_user,
    token text NOT NULL,
    password_set_at timestamptz,
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink_private.password_reset IS
'Tokens that were requested, by e-mail address whether it is known or not: a request costs the same. Several of one address may be good. make_reset_token() makes them, and the messages that carry them.';
COMMENT ON COLUMN murallink_private.password_reset.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.password_reset.email IS 'In lower case; where the token goes.';
COMMENT ON COLUMN murallink_private.password_reset.app_user_uid IS 'The user with this address; null if there is none.';
COMMENT ON COLUMN murallink_private.password_reset.token IS 'Digits.';
COMMENT ON COLUMN murallink_private.password_reset.password_set_at IS 'When the password that it replaces was set; null if the user had none.';
COMMENT ON COLUMN murallink_private.password_reset.tries IS 'Tokens tried that may have been guesses at this one, counted before they are compared.';
COMMENT ON COLUMN murallink_private.password_reset.created_at IS 'When the token was made.';
COMMENT ON COLUMN murallink_private.password_reset.expires_at IS 'When the token stops to be good.';
CREATE INDEX password_reset_email ON murallink_private.password_reset (email);
CREATE INDEX password_reset_user ON murallink_private.password_reset (app_user_uid);
CREATE INDEX password_reset_expires ON murallink_private.password_reset (expires_at);

CREATE TABLE murallink_private.reset_request (
    email text,
    place bytea DEFAULT '',
    requests integer NOT NULL CHECK (requests > 0),
    counted_since timestamptz NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (email, place)
);
COMMENT ON TABLE murallink_private.reset_request IS 'How many tokens were requested.';
COMMENT ON COLUMN murallink_private.reset_request.email IS 'For which address, in lower case.';
COMMENT ON COLUMN murallink_private.reset_request.place IS 'From which known_place; empty for all strangers together.';
COMMENT ON COLUMN murallink_private.reset_request.requests IS 'Tokens made since counted_since.';
COMMENT ON COLUMN murallink_private.reset_request.counted_since IS 'When the hour began for which requests are counted.';
COMMENT ON COLUMN murallink_private.reset_request.made_at IS 'When the last token was made.';
CREATE INDEX reset_request_made ON murallink_private.reset_request (made_at);

CREATE VIEW murallink_private.valid_reset_token WITH (security_invoker) AS
SELECT r.uid, r.email, r.app_user_uid, r.token, r.tries, r.created_at, r.expires_at
FROM murallink_private.password_reset r
    JOIN murallink.app_user u ON u.uid = r.app_user_uid AND u.email = r.email AND murallink_private.active_since(u.deactivated, r.created_at)
    LEFT JOIN murallink_private.credential c ON c.app_user_uid = u.uid
WHERE r.expires_at > pg_catalog.clock_timestamp()
    AND r.password_set_at IS NOT DISTINCT FROM c.changed_at;
COMMENT ON VIEW murallink_private.valid_reset_token IS
'The tokens that have not expired, of an address that an active user still has, since the password was last changed, so that each is used once, and since the user was last reactivated.';

CREATE VIEW murallink_private.live_reset_token WITH (security_invoker) AS
SELECT v.uid, v.email, v.app_user_uid, v.token, v.created_at, v.expires_at
FROM murallink_private.valid_reset_token v
WHERE v.tries < pg_catalog.current_setting('murallink.reset_token_tries')::integer;
COMMENT ON VIEW murallink_private.live_reset_token IS 'The tokens that are good: those of them that were not tried too often.';
