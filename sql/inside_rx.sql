CREATE FUNCTION murallink.inside_rx_exists() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.params ->> 'or_update')::boolean THEN
        NEW.params := NEW.params || '{"action": "update"}' || pg_catalog.jsonb_build_object(
            'active', coalesce((NEW.params ->> 'active')::boolean, true));
        NEW.status := 'ready';
        NEW.due_at := pg_catalog.clock_timestamp();
    ELSIF EXISTS (
        SELECT FROM murallink_private.partner_attempt a
        WHERE a.subject_uid = NEW.uid AND a.attempt < NEW.attempt AND a.outcome = 'in_doubt') THEN
        NEW.status := 'done';
        NEW.reason := '';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.inside_rx_exists() IS
'Trigger: an enrollment that exists already is updated, where that was asked for; or it is there because an attempt whose answer was lost has made it.';
