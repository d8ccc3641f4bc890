-- Relay: messages, and what to ask next about a patient.

CREATE FUNCTION murallink.relay_onboarded() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO murallink_private.relay_number (number, result)
    SELECT f.key, f.value FROM pg_catalog.jsonb_each_text(NEW.facts -> 'numbers') f ORDER BY f.key
    ON CONFLICT (number) DO UPDATE SET result = EXCLUDED.result, heard_at = EXCLUDED.heard_at;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.relay_onboarded() IS 'Trigger: keeps what Relay has found out about numbers.';

CREATE FUNCTION murallink.relay_reaches() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM murallink.patient p JOIN murallink_private.relay_number n
            ON n.number IN (murallink.phone_north_american(p.phone), '1' || murallink.phone_north_american(p.phone))
        WHERE p.uid = NEW.patient_uid AND murallink.lowered(n.result) = 'landline') THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.relay_reaches() IS 'Trigger: a number that Relay has found to be a landline is sent no SMS.';

CREATE FUNCTION murallink.relay_consented() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM murallink_private.participation p
        WHERE p.uid = NEW.subject_uid AND coalesce(murallink.consent_type(p.patient_uid, 'sms'), 'stop') = 'stop')
        AND NOT EXISTS (SELECT FROM murallink_private.partner_suspect s WHERE s.subject_uid = NEW.uid) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.relay_consented() IS
'Trigger: who has withdrawn the consent since the onboarding was wanted is not onboarded. participation_step() takes it back.';

CREATE FUNCTION murallink.relay_numbers(OUT number text, OUT result text, OUT heard_at timestamptz) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.number, n.result, n.heard_at FROM murallink_private.relay_number n ORDER BY n.number
$$;
COMMENT ON FUNCTION murallink.relay_numbers() IS
'What Relay has found out about phone numbers, such as landline, which cannot take SMS. For operators.';

CREATE FUNCTION murallink.relay_message(message jsonb, config jsonb, OUT operation text, OUT params jsonb)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    -- Relay sends what its journey says, of which our words are parameters, of 100 characters at most.
    operation := 'onboard';
    params := pg_catalog.jsonb_build_object(
        -- Whoever has the number that the patient had before is told nothing.
        'deactivate_previous_connections', true,
        'ccid', message -> 'patient_uid', 'client_message_tag', message -> 'uid', 'trigger_id', config -> 'notice_trigger_id',
        'input_parameters', (
            SELECT pg_catalog.jsonb_object_agg('input_message' || CASE n WHEN 1 THEN '' ELSE '_' || n END, part[1])
            FROM pg_catalog.regexp_matches(message ->> 'text', '.{1,100}$|.{0,99}\s|\S{100}', 'g') WITH ORDINALITY AS m (part, n)),
        'notification_channels', pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object(
            'channel_type', 'sms', 'channel_addr', message -> 'to', 'consent_type', message -> 'consent')));
END
$$;
COMMENT ON FUNCTION murallink.relay_message(jsonb, jsonb) IS 'What Relay is asked for a notice. See notice_message().';

CREATE FUNCTION murallink.relay_membership(
    person jsonb, settings jsonb, config jsonb, wanted boolean, member jsonb,
    OUT operation text, OUT params jsonb, OUT meant jsonb, OUT reason text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    digits CONSTANT text := murallink.phone_north_american(person ->> 'phone');
BEGIN
    -- Another onboarding would text the patient again: there is one, and nothing takes it back.
    meant := CASE WHEN member IS NOT NULL THEN member || pg_catalog.jsonb_build_object('active', wanted) END;
    IF member IS NOT NULL OR NOT wanted THEN
        RETURN;
    ELSIF coalesce(person ->> 'sms_consent', 'stop') = 'stop' THEN
        reason := 'no_consent';
        RETURN;
    ELSIF digits IS NULL AND NOT settings ? 'notification_channels' THEN
        -- What Relay cannot reach may be a number of somebody else's there.
        reason := CASE person ->> 'phone' WHEN '' THEN 'missing_field' ELSE 'invalid_value' END || ': phone';
        RETURN;
    END IF;
    operation := 'onboard';
    params := pg_catalog.jsonb_build_object('deactivate_previous_connections', true, 'ccid', person -> 'patient_uid', 'first_name', person -> 'first_name',
        'last_name', person -> 'last_name', 'notification_channels', pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object(
            'channel_type', 'sms', 'channel_addr', digits,
            'consent_type', person -> 'sms_consent'))) || settings;
    meant := '{"active": true}';
END
$$;
COMMENT ON FUNCTION murallink.relay_membership(jsonb, jsonb, jsonb, boolean, jsonb) IS
'What to ask Relay for next about a patient: to be onboarded, once, where there is a consent to SMS on record. See participation_step().';

GRANT EXECUTE ON FUNCTION murallink.relay_numbers TO murallink_operator;
