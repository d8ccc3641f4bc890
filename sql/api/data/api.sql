-- Idempotency keys, with the answers that a repeat gets again.

CREATE TABLE murallink_private.idempotency (
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    key text NOT NULL,
    hash bytea NOT NULL,
    answer jsonb,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    ended_grants bigint NOT NULL,
    PRIMARY KEY (app_user_uid, key)
);
COMMENT ON TABLE murallink_private.idempotency IS 'Answers that a repeat of the request gets again. Keys never expire.';
COMMENT ON COLUMN murallink_private.idempotency.app_user_uid IS 'The user whose key it is.';
COMMENT ON COLUMN murallink_private.idempotency.key IS 'The key, chosen by the client.';
COMMENT ON COLUMN murallink_private.idempotency.hash IS 'SHA-256 of the action and its payload, or its arguments.';
COMMENT ON COLUMN murallink_private.idempotency.answer IS 'The answer to the first request, or the rows of its result, as texts; null during that request, which no other transaction can see.';
COMMENT ON COLUMN murallink_private.idempotency.created_at IS 'When the key was first used.';
COMMENT ON COLUMN murallink_private.idempotency.ended_grants IS
'Which grants of the user had ended before, as ended_grants() answers it. If that changes, the answer is not repeated.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON murallink_private.idempotency
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
