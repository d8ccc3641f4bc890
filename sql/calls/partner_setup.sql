-- Configures partners.

CREATE FUNCTION murallink.configure_partner(
    partner text DEFAULT NULL, base_url text DEFAULT NULL, settings jsonb DEFAULT NULL, secrets jsonb DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    present record;
    checked record;
    changed murallink.ksuid;
BEGIN
    PERFORM murallink_private.hide_statement();
    -- Serializes with other configurations and with claims, but not with the routing of payouts.
    LOCK TABLE murallink_private.partner IN SHARE ROW EXCLUSIVE MODE;
    SELECT p.base_url, p.settings, s.secrets INTO present
    FROM murallink_private.partner p JOIN murallink_private.partner_secret s ON s.partner_uid = p.uid
    WHERE p.name = configure_partner.partner;
    PERFORM murallink_private.required(configure_partner.partner, 'partner');
    base_url := murallink_private.required(coalesce(NULLIF(configure_partner.base_url, ''), present.base_url), 'base_url');
    IF configure_partner.secrets IS NULL AND pg_catalog.rtrim(base_url, '/') <> present.base_url THEN
        -- Never send secrets to an address that was configured after them.
        PERFORM murallink_private.raise('missing_field', 'secrets');
    END IF;
    checked := murallink_private.partner_checked(
        configure_partner.partner, pg_catalog.rtrim(base_url, '/'),
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
    PERFORM murallink_private.follow('partner', changed);
    PERFORM murallink_private.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.configure_partner(text, text, jsonb, jsonb) IS
'Configures a partner; absent arguments change nothing. base_url: https, or http on this machine; settings, secrets: objects, which replace the earlier ones; with another base_url the secrets must be given again. For operators; for the mail server, which sends tokens, for superusers and for operators who are administrators. Errors: forbidden, not_found, missing_field, insecure_url, wrong_type, unknown_key, invalid_value.';
