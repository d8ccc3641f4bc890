-- Inside Rx: savings on drugs.

CREATE FUNCTION murallink_private.inside_rx_judge(ended murallink.call_state) RETURNS murallink.call_state
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF ended.status <> 'declined' THEN
        RETURN ended;
    ELSIF ended.params ->> 'action' = 'create' AND ended.facts ->> 'code' = 'ENROLLMENT_ALREADY_EXISTS' THEN
        IF (ended.params ->> 'or_update')::boolean THEN
            ended.params := ended.params || '{"action": "update"}' || pg_catalog.jsonb_build_object(
                'active', coalesce((ended.params ->> 'active')::boolean, true));
            ended.status := 'ready';
            ended.due_at := pg_catalog.clock_timestamp();
        ELSIF EXISTS (
            SELECT FROM murallink_private.call_attempt a
            WHERE a.call_uid = ended.uid AND a.attempt < ended.attempt AND a.outcome = 'in_doubt') THEN
            ended.status := 'done';
            ended.reason := '';
        END IF;
    ELSIF ended.params ->> 'action' = 'update' AND ended.params ->> 'active' = 'false' AND ended.facts ->> 'code' = 'MEMBER_NOT_FOUND'
        AND EXISTS (SELECT FROM murallink_private.participation p WHERE p.uid = ended.subject_uid AND p.member ? 'unsure') THEN
        ended.status := 'done';
        ended.reason := '';
    END IF;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.inside_rx_judge(murallink.call_state) IS
'The status of an enrollment after an attempt. If it exists already, it is updated, if that was requested; or it is done, because an attempt whose answer was lost has made it. If one that may never have been made must end and does not exist, that is done; if one that was made does not exist, a person decides.';

CREATE FUNCTION murallink_private.inside_rx_membership(
    person jsonb, settings jsonb, config jsonb, wanted boolean, member jsonb,
    OUT operation text, OUT params jsonb, OUT meant jsonb, OUT reason text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    home CONSTANT jsonb := person -> 'address';
    -- In the locales of ICU \d has the digits of all scripts.
    zip CONSTANT text[] := pg_catalog.regexp_match((home ->> 'post_code') COLLATE "C", '^(\d{5})(?:-(\d{4}))?$');
    whole jsonb;
    same boolean;
    active CONSTANT boolean := coalesce((member ->> 'active')::boolean, false);
    -- An enrollment that may or may not exist is ended, and made, as in both cases.
    unsure CONSTANT boolean := coalesce(member ? 'unsure', false);
    known CONSTANT jsonb := member - 'unsure';
BEGIN
    -- Omit optional fields whose value does not fit. An update has all fields, because it removes those that it
    -- lacks.
    whole := pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('member_id', person -> 'patient_uid',
        'group', config -> 'group', 'first_name', person -> 'first_name', 'last_name', person -> 'last_name',
        'email', NULLIF(person ->> 'email', ''), 'phone', murallink_private.phone_north_american(person ->> 'phone'),
        'address', CASE WHEN zip IS NOT NULL AND home ->> 'state' ~ '^[A-Z]{2}$' THEN pg_catalog.jsonb_build_object(
            'line1', home -> 'street1', 'line2', home -> 'street2', 'city', home -> 'city', 'state', home -> 'state',
            'zip', zip[1], 'zip_extension', zip[2]) END)) || (settings - 'operation');
    operation := coalesce(settings ->> 'operation', 'enroll_person');
    same := (member ->> 'operation', member #>> '{params,group}', member #>> '{params,sub_id}', member #>> '{params,member_id}')
        IS NOT DISTINCT FROM (operation, whole ->> 'group', whole ->> 'sub_id', whole ->> 'member_id');
    IF (active OR unsure) AND NOT (wanted AND same) THEN
        operation := member ->> 'operation';
        params := (member -> 'params') || '{"action": "update", "active": false}';
        meant := known || '{"active": false}' || CASE WHEN unsure THEN '{"made": false}' ELSE '{}' END::jsonb;
    ELSIF wanted AND NOT (active AND NOT unsure AND member -> 'params' = whole AND member ->> 'operation' = operation) THEN
        params := whole || CASE WHEN same AND NOT unsure AND NOT member ? 'made' THEN '{"action": "update", "active": true}'
            ELSE '{"action": "create", "or_update": true}' END::jsonb;
        meant := pg_catalog.jsonb_build_object('active', true, 'operation', operation, 'params', whole);
    ELSE
        operation := NULL;
        meant := member;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.inside_rx_membership(jsonb, jsonb, jsonb, boolean, jsonb) IS
'The next step for a patient at Inside Rx: an enrollment, its update or its end. Another group, or the other operation, means another enrollment. member.made is false if it is unknown whether the enrollment was ever made. The setting operation is enroll_person (default) or enroll_card. Arguments and result: see participation_next().';
