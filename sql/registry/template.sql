-- Templates of notices: their fields, their check, and their list.

CREATE TYPE murallink.notice_kind AS ENUM ('account', 'appointment', 'bulk_email', 'password_reset', 'payment', 'reversal', 'payout_account', 'return');
COMMENT ON TYPE murallink.notice_kind IS 'The subject matter of a notice.';

CREATE FUNCTION murallink_private.template_fields(kind murallink.notice_kind, OUT field text, OUT secret boolean) RETURNS SETOF record
LANGUAGE sql IMMUTABLE AS $$
    SELECT f, f = 'token' FROM pg_catalog.unnest(CASE kind
        WHEN 'account' THEN '{what, date, time}'
        WHEN 'appointment' THEN '{first_name, last_name, date, time, description, trial, site}'
        WHEN 'bulk_email' THEN '{first_name, last_name, subject, body, trial, site}'
        WHEN 'password_reset' THEN '{first_name, last_name, token, minutes}'
        WHEN 'reversal' THEN '{first_name, last_name, amount, currency, note, trial, site}'
        WHEN 'payout_account' THEN '{what, from, date, time}'
        WHEN 'return' THEN '{first_name, last_name, amount, currency, note, trial, site}'
        WHEN 'payment' THEN '{first_name, last_name, amount, currency, kept, trial, site}'
        ELSE '{first_name, last_name, amount, currency, trial, site}' END::text[]) f
$$;
COMMENT ON FUNCTION murallink_private.template_fields(murallink.notice_kind) IS
'The fields that a template of that kind may have in braces. secret: only in the body. The names in a password_reset are empty until the e-mail address is verified.';

CREATE FUNCTION murallink_private.template_filled(draft text, fields jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    -- In one pass: braces within a value stay as they are.
    SELECT coalesce(pg_catalog.string_agg(coalesce(fields ->> part[1], part[2], ''), '' ORDER BY n), '')
    FROM pg_catalog.regexp_matches(draft, '\{([a-z_]+)\}|([^{]+|\{)', 'g') WITH ORDINALITY AS m (part, n)
$$;
COMMENT ON FUNCTION murallink_private.template_filled(text, jsonb) IS 'A template with the values of its fields.';

CREATE FUNCTION murallink_private.template_checked(draft text, field text, longest integer, kind murallink.notice_kind) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    checked CONSTANT text := murallink_private.checked_text(draft, field, longest, true);
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.regexp_matches(checked, '\{([^{}]*)\}', 'g') AS m
        WHERE m[1] NOT IN (
            SELECT f.field FROM murallink_private.template_fields(kind) f WHERE template_checked.field = 'body' OR NOT f.secret))
        OR template_checked.field = 'subject' AND checked ~ '[\t\r\n]' THEN
        PERFORM murallink_private.raise('invalid_value', field, 'templates() shows what may stand in braces; a subject is one line.');
    END IF;
    RETURN checked;
END
$$;
COMMENT ON FUNCTION murallink_private.template_checked(text, text, integer, murallink.notice_kind) IS
'The template, if all its fields exist. Errors: missing_field, too_long, invalid_value.';

CREATE TYPE murallink.template_info AS (kind murallink.notice_kind, channel murallink.notice_channel, subject text, body text, fields text[]);
COMMENT ON TYPE murallink.template_info IS 'The template of a kind of notice. fields: the names that may be used in braces.';

CREATE FUNCTION murallink.templates() RETURNS SETOF murallink.template_info
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.kind, t.channel, t.subject, t.body, ARRAY(SELECT f.field FROM murallink_private.template_fields(t.kind) f)
    FROM murallink_private.template t ORDER BY t.kind, t.channel
$$;
COMMENT ON FUNCTION murallink.templates() IS 'The texts of notices, and the fields that their templates may have in braces. For operators.';

CREATE FUNCTION murallink.set_template(
    kind text DEFAULT NULL, channel text DEFAULT NULL, body text DEFAULT NULL, subject text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    way CONSTANT murallink.notice_channel := murallink_private.checked_channel(set_template.channel);
    about murallink.notice_kind;
    said text;
    headed text := '';
BEGIN
    IF murallink_private.required(kind, 'kind') <> ALL (pg_catalog.enum_range(NULL::murallink.notice_kind)::text[]) THEN
        PERFORM murallink_private.raise('invalid_value', 'kind', 'A kind of messages, as templates answers it.');
    END IF;
    about := set_template.kind;
    said := murallink_private.template_checked(set_template.body, 'body', CASE way WHEN 'email' THEN 20000 ELSE 500 END, about);
    IF way = 'email' THEN
        headed := murallink_private.template_checked(set_template.subject, 'subject', 200, about);
    ELSIF set_template.subject <> '' THEN
        PERFORM murallink_private.raise('invalid_value', 'subject', 'Only e-mail has a subject.');
    END IF;
    UPDATE murallink_private.template t SET subject = headed, body = said WHERE t.kind = about AND t.channel = way;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('invalid_value', 'channel', 'The message has no template of this channel: see templates.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.set_template(text, text, text, text) IS
'Sets the text of a kind of notice, also for queued ones. kind, channel: as templates() shows them; body, and the subject of e-mail: with the names of fields in braces, such as {date}. For operators; for the kinds account and password_reset, for superusers and for operators who are administrators. Errors: forbidden, missing_field, invalid_value, too_long.';
