CREATE TABLE murallink_private.password_reset (
    email text PRIMARY KEY,
    app_user_uid murallink.ksuid REFERENCES murallink.app_user,
    token text NOT NULL,
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    requests integer NOT NULL DEFAULT 1 CHECK (requests > 0),
    counted_since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink_private.password_reset IS
'Tokens that were requested, by e-mail address whether it is known or not: a request costs the same. A new one replaces the last, and is what sets token: a trigger after INSERT OR UPDATE OF token, where app_user_uid is not null, is where it is sent.';
COMMENT ON COLUMN murallink_private.password_reset.email IS 'In lower case; where the token goes.';
COMMENT ON COLUMN murallink_private.password_reset.app_user_uid IS 'Whose address it was, null when nobody''s.';
COMMENT ON COLUMN murallink_private.password_reset.token IS 'Digits.';
COMMENT ON COLUMN murallink_private.password_reset.tries IS 'Wrong tokens since this one was made.';
COMMENT ON COLUMN murallink_private.password_reset.requests IS 'Tokens made since counted_since.';
COMMENT ON COLUMN murallink_private.password_reset.counted_since IS 'When the hour began for which requests are counted.';
COMMENT ON COLUMN murallink_private.password_reset.created_at IS 'When the token was made.';
COMMENT ON COLUMN murallink_private.password_reset.expires_at IS 'When the token stops to be good.';
CREATE INDEX password_reset_counted_since ON murallink_private.password_reset (counted_since);

CREATE VIEW murallink_private.live_reset_token WITH (security_invoker) AS
SELECT r.email, r.app_user_uid, r.token
FROM murallink_private.password_reset r
    JOIN murallink.app_user u ON u.uid = r.app_user_uid AND u.email = r.email
    LEFT JOIN murallink_private.credential c ON c.app_user_uid = u.uid
WHERE r.expires_at > pg_catalog.clock_timestamp()
    AND r.tries < pg_catalog.current_setting('murallink.reset_token_tries')::integer
    AND (r.created_at > c.changed_at OR c.changed_at IS NULL);
COMMENT ON VIEW murallink_private.live_reset_token IS
'The tokens that are good: neither expired nor tried too often, of an address that the user still has and since the password was last changed, so that each is used once.';
