-- Checks of a partner's configuration and of what its webhooks send.

CREATE FUNCTION murallink_private.partner_checked(partner text, base_url text, INOUT settings jsonb, INOUT secrets jsonb)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'partner_checked';
COMMENT ON FUNCTION murallink_private.partner_checked(text, text, jsonb, jsonb) IS
'The settings and secrets of a partner, with the defaults of absent ones. partner: its name; base_url: https, or http on this machine; settings, secrets: objects. Errors: not_found, insecure_url, wrong_type, unknown_key, invalid_value, missing_field.';

CREATE FUNCTION murallink_private.partner_by_mail(partner text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'partner_by_mail_sql';
COMMENT ON FUNCTION murallink_private.partner_by_mail(text) IS
'Whether the worker of mail calls a partner. The other worker calls all others.';

CREATE FUNCTION murallink_private.webhook_checked(partner text, given text, field text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    expected CONSTANT text := (
        SELECT s.secrets ->> 'webhook_access_key'
        FROM murallink_private.partner p JOIN murallink_private.partner_secret s ON s.partner_uid = p.uid
        WHERE p.name = webhook_checked.partner);
    -- Compare values that are random for each call and unknown to the caller, so that the time reveals nothing.
    salt CONSTANT bytea := pg_catalog.uuid_send(pg_catalog.gen_random_uuid());
BEGIN
    IF expected IS NULL OR pg_catalog.sha256(salt || pg_catalog.convert_to(coalesce(given, ''), 'UTF8'))
        <> pg_catalog.sha256(salt || pg_catalog.convert_to(expected, 'UTF8')) THEN
        PERFORM murallink_private.raise('wrong_access_key', field);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.webhook_checked(text, text, text) IS
'Refuses a call of a partner''s webhook without the secret webhook_access_key. field: its name in errors. Errors: wrong_access_key.';

CREATE FUNCTION murallink_private.member_key(member_id text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.ltrim(pg_catalog.regexp_replace(murallink_private.lowered(member_id), '\s|\.0+\s*$', '', 'g'), '0');
COMMENT ON FUNCTION murallink_private.member_key(text) IS
'The form in which partners'' numbers of members are compared: without leading zeros, which JSON numbers lose, and without the .0 that some partners append.';
