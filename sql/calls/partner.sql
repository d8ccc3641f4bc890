CREATE FUNCTION murallink.partner_checked(partner text, base_url text, INOUT settings jsonb, INOUT secrets jsonb)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'partner_checked';
COMMENT ON FUNCTION murallink.partner_checked(text, text, jsonb, jsonb) IS
'The settings and secrets of a partner, with the initial values of those that are absent. Errors: not_found, insecure_url, wrong_type, unknown_key, invalid_value, missing_field.';

CREATE FUNCTION murallink.configure_partner(
    partner text, base_url text DEFAULT NULL, settings jsonb DEFAULT NULL, secrets jsonb DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    present record;
    checked record;
    changed murallink.ksuid;
BEGIN
    PERFORM murallink.hide_statement();
    -- Whoever sets it up at the same time, or is just claiming, is waited for; whoever finds the way of a payout is not.
    LOCK TABLE murallink_private.partner IN SHARE ROW EXCLUSIVE MODE;
    SELECT p.base_url, p.settings, s.secrets INTO present
    FROM murallink_private.partner p JOIN murallink_private.partner_secret s ON s.partner_uid = p.uid
    WHERE p.name = configure_partner.partner;
    base_url := murallink.required(coalesce(configure_partner.base_url, present.base_url), 'base_url');
    IF configure_partner.secrets IS NULL AND pg_catalog.rtrim(base_url, '/') <> present.base_url THEN
        -- Secrets are not sent to an address that whoever gave them has not seen.
        PERFORM murallink.raise('missing_field', 'secrets');
    END IF;
    checked := murallink.partner_checked(
        murallink.required(configure_partner.partner, 'partner'), pg_catalog.rtrim(base_url, '/'),
        coalesce(configure_partner.settings, present.settings, '{}'), coalesce(configure_partner.secrets, present.secrets, '{}'));
    INSERT INTO murallink_private.partner AS p (name, base_url, settings)
    VALUES (configure_partner.partner, pg_catalog.rtrim(base_url, '/'), checked.settings)
    ON CONFLICT (name) DO UPDATE
    SET base_url = EXCLUDED.base_url, settings = EXCLUDED.settings, revision = p.revision + 1,
        moved = CASE WHEN (p.base_url, p.settings -> 'customer_id', p.settings -> 'send_reference')
            IS NOT DISTINCT FROM (EXCLUDED.base_url, EXCLUDED.settings -> 'customer_id', EXCLUDED.settings -> 'send_reference')
            THEN p.moved ELSE p.revision + 1 END,
        secrets_changed_at = CASE checked.secrets WHEN present.secrets THEN p.secrets_changed_at
            ELSE EXCLUDED.secrets_changed_at END
    RETURNING p.uid INTO changed;
    INSERT INTO murallink_private.partner_secret (partner_uid, secrets) VALUES (changed, checked.secrets)
    ON CONFLICT (partner_uid) DO UPDATE SET secrets = EXCLUDED.secrets;
    PERFORM murallink.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.configure_partner(text, text, jsonb, jsonb) IS
'Sets up a partner, or changes what is given of it. base_url: https, or http on this machine; settings, secrets: objects, which replace the earlier ones; with another base_url the secrets must be given again. For operators; of the mail server, by which tokens go, for superusers and for operators who are administrators. Errors: forbidden, not_found, missing_field, insecure_url, wrong_type, unknown_key, invalid_value.';

CREATE FUNCTION murallink.guard_tokens() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (murallink.asked_by_owner() OR murallink.caller_is_admin()) THEN
        PERFORM murallink.raise('forbidden', TG_ARGV[0]);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.guard_tokens() IS
'Trigger: where the tokens go with which anybody''s password is reset, and what is said beside them, is for superusers and administrators to say. Argument: the field that errors name. Errors: forbidden.';

CREATE FUNCTION murallink.webhook_checked(partner text, given text, field text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    expected CONSTANT text := (
        SELECT s.secrets ->> 'webhook_access_key'
        FROM murallink_private.partner p JOIN murallink_private.partner_secret s ON s.partner_uid = p.uid
        WHERE p.name = webhook_checked.partner);
    -- What is compared is another each time and nothing that the caller could know, so that the time tells nothing.
    salt CONSTANT bytea := pg_catalog.uuid_send(pg_catalog.gen_random_uuid());
BEGIN
    IF expected IS NULL OR pg_catalog.sha256(salt || pg_catalog.convert_to(coalesce(given, ''), 'UTF8'))
        <> pg_catalog.sha256(salt || pg_catalog.convert_to(expected, 'UTF8')) THEN
        PERFORM murallink.raise('wrong_access_key', field);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.webhook_checked(text, text, text) IS
'Refuses a call of a partner''s webhook without the secret webhook_access_key. field: where it stands. Errors: wrong_access_key.';
