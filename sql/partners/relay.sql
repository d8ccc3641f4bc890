-- Relay: messages by SMS.

CREATE FUNCTION murallink_private.relay_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO murallink_private.relay_number (number, result)
    SELECT DISTINCT ON (f.key) f.key, f.value
    FROM murallink_private.call c, LATERAL pg_catalog.jsonb_each_text(c.facts -> 'numbers') f
    WHERE c.uid = ANY (calls) AND c.status = 'done' ORDER BY f.key, c.settled_at DESC
    ON CONFLICT (number) DO UPDATE SET result = EXCLUDED.result, heard_at = EXCLUDED.heard_at;
    PERFORM murallink_private.participations_follow(calls);
END
$$;
COMMENT ON FUNCTION murallink_private.relay_follow(murallink.ksuid[]) IS 'Stores Relay''s results about phone numbers.';

CREATE FUNCTION murallink_private.relay_is_landline(number text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink_private.relay_number n
        WHERE n.number IN (relay_is_landline.number, '1' || relay_is_landline.number) AND murallink_private.lowered(n.result) = 'landline')
$$;
COMMENT ON FUNCTION murallink_private.relay_is_landline(text) IS
'Whether Relay has found that a number is a landline, which cannot receive SMS.';

CREATE FUNCTION murallink_private.relay_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE sql VOLATILE AS $$
    SELECT c.uid, c.operation, c.params, ''
    FROM murallink_private.call c LEFT JOIN murallink_private.participation p ON p.uid = c.subject_uid
    WHERE c.uid = ANY (calls) AND (p.uid IS NULL OR c.suspect OR coalesce(murallink_private.consent_type(p.patient_uid, 'sms'), 'stop') <> 'stop')
$$;
COMMENT ON FUNCTION murallink_private.relay_ask(murallink.ksuid[]) IS
'What to send for onboardings. A patient who has withdrawn the consent since is not onboarded; participation_step() cancels the call.';

CREATE FUNCTION murallink.relay_numbers(OUT number text, OUT result text, OUT heard_at timestamptz) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.number, n.result, n.heard_at FROM murallink_private.relay_number n ORDER BY n.number
$$;
COMMENT ON FUNCTION murallink.relay_numbers() IS
'Relay''s results about phone numbers, such as landline, which cannot receive SMS. For operators.';

CREATE FUNCTION murallink_private.relay_message(message jsonb, config jsonb, OUT operation text, OUT params jsonb, OUT problem text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF murallink_private.relay_is_landline(message ->> 'to') THEN
        problem := 'the number is a landline';
        RETURN;
    END IF;
    -- Relay sends the text of its journey, with our words as parameters of at most 100 characters.
    operation := 'onboard';
    params := pg_catalog.jsonb_build_object(
        -- Never send to a previous number of the patient, which may belong to somebody else.
        'deactivate_previous_connections', true,
        'ccid', message -> 'patient_uid', 'client_message_tag', message -> 'uid', 'trigger_id', config -> 'notice_trigger_id',
        'input_parameters', (
            SELECT pg_catalog.jsonb_object_agg('input_message' || CASE n WHEN 1 THEN '' ELSE '_' || n END, part[1])
            FROM pg_catalog.regexp_matches(message ->> 'text', '.{1,100}$|.{0,99}\s|\S{100}', 'g') WITH ORDINALITY AS m (part, n)),
        'notification_channels', pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object(
            'channel_type', 'sms', 'channel_addr', message -> 'to', 'consent_type', message -> 'consent')));
END
$$;
COMMENT ON FUNCTION murallink_private.relay_message(jsonb, jsonb) IS
'The operation and params that send a notice by Relay. See notice_message().';

CREATE FUNCTION murallink_private.relay_membership(
    person jsonb, settings jsonb, config jsonb, wanted boolean, member jsonb,
    OUT operation text, OUT params jsonb, OUT meant jsonb, OUT reason text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    digits CONSTANT text := murallink_private.phone_north_american(person ->> 'phone');
BEGIN
    -- There is one onboarding, because another would send the patient another SMS. It cannot be undone.
    meant := CASE WHEN member IS NOT NULL THEN member || pg_catalog.jsonb_build_object('active', wanted) END;
    IF member IS NOT NULL OR NOT wanted THEN
        RETURN;
    ELSIF coalesce(person ->> 'sms_consent', 'stop') = 'stop' THEN
        reason := 'no_consent';
        RETURN;
    ELSIF digits IS NULL AND NOT settings ? 'notification_channels' THEN
        -- A number that Relay cannot reach may belong to somebody else there.
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
COMMENT ON FUNCTION murallink_private.relay_membership(jsonb, jsonb, jsonb, boolean, jsonb) IS
'The next step for a patient at Relay: one onboarding, if a consent to SMS is recorded. Arguments and result: see participation_next().';

GRANT EXECUTE ON FUNCTION murallink.relay_numbers TO murallink_operator;
