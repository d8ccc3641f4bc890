-- Bastion: health insurance.

CREATE FUNCTION murallink.refresh_bastion() RETURNS SETOF murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    list text;
    begun murallink.ksuid;
BEGIN
    FOREACH list IN ARRAY '{plans,conditions,states,providers}'::text[] LOOP
        begun := murallink_private.request_begin('bastion', list,
            CASE list WHEN 'states' THEN '{"and_cities": true}' ELSE '{}' END::jsonb);
        RETURN NEXT murallink_private.task_info(begun);
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink.refresh_bastion() IS
'Requests Bastion''s lists of plans, conditions, states, the cities of each state, and providers; the tables bastion_plan and so on store them. For operators. Errors: not_found.';

CREATE FUNCTION murallink_private.bastion_list(listing murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    of_kind CONSTANT text := CASE listing.operation WHEN 'cities' THEN 'city' ELSE pg_catalog.rtrim(listing.operation, 's') END;
    rows CONSTANT text := CASE listing.operation WHEN 'plan' THEN 'plans' ELSE listing.operation END;
    of_state CONSTANT jsonb := CASE WHEN listing.operation = 'cities'
        THEN pg_catalog.jsonb_build_object('state_id', listing.params ->> 'state_id') ELSE '{}' END;
    whole CONSTANT boolean := rows = listing.operation AND listing.params - 'and_cities' - 'state_id' = '{}'
        AND (listing.operation = 'cities' OR NOT listing.params ? 'state_id');
BEGIN
    EXECUTE pg_catalog.format($sql$
        WITH listed AS MATERIALIZED (
            SELECT DISTINCT ON (l.%2$I) l.*
            FROM pg_catalog.jsonb_array_elements($1) e,
                LATERAL pg_catalog.jsonb_populate_record(NULL::murallink.%1$I,
                    $2 || e || pg_catalog.jsonb_build_object('heard_at', pg_catalog.clock_timestamp())) l
        ), gone AS (
            DELETE FROM murallink.%1$I t
            -- An empty list proves nothing.
            WHERE $3 AND EXISTS (SELECT FROM listed) AND pg_catalog.to_jsonb(t) @> $2 AND t.%2$I NOT IN (SELECT l.%2$I FROM listed l)
        )
        MERGE INTO murallink.%1$I t USING listed l ON t.%2$I = l.%2$I
        WHEN MATCHED THEN UPDATE SET %3$s
        WHEN NOT MATCHED THEN INSERT VALUES (l.*)
        $sql$, 'bastion_' || of_kind, CASE of_kind WHEN 'provider' THEN 'code' ELSE 'id' END,
        (SELECT pg_catalog.string_agg(pg_catalog.format('%1$I = l.%1$I', a.attname), ', ')
         FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = ('murallink.bastion_' || of_kind)::regclass AND a.attnum > 0 AND NOT a.attisdropped))
    USING listing.facts -> rows, of_state, whole;
    IF (listing.params ->> 'and_cities')::boolean THEN
        PERFORM murallink_private.request_begin('bastion', 'cities', pg_catalog.jsonb_build_object('state_id', s.id))
        FROM murallink.bastion_state s ORDER BY s.id;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_list(murallink.call_state) IS
'Stores a list of Bastion''s, and deletes the rows that it lacks, if it is complete.';

CREATE FUNCTION murallink_private.bastion_lists_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.bastion_list(c) FROM murallink_private.calls(calls) c WHERE c.status = 'done';
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_lists_follow(murallink.ksuid[]) IS 'Stores the lists in Bastion''s answers.';

CREATE FUNCTION murallink_private.bastion_password_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    answered CONSTANT murallink.payout_status := (
        SELECT c.status FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status IN ('done', 'declined') LIMIT 1);
BEGIN
    IF answered IS NULL THEN
        RETURN;
    END IF;
    UPDATE murallink_private.call c SET once = NULL WHERE c.uid = ANY (calls) AND c.once IS NOT NULL;
    UPDATE murallink_private.partner p SET revision = p.revision + 1, secrets_changed_at = pg_catalog.clock_timestamp()
    WHERE p.name = 'bastion';
    UPDATE murallink_private.partner_secret s
    SET secrets = s.secrets - 'new_password' || CASE answered
        WHEN 'done' THEN pg_catalog.jsonb_build_object('password', s.secrets -> 'new_password') ELSE '{}' END
    FROM murallink_private.partner p
    WHERE p.uid = s.partner_uid AND p.name = 'bastion' AND s.secrets ? 'new_password';
    PERFORM murallink_private.follow('partner', p.uid) FROM murallink_private.partner p WHERE p.name = 'bastion';
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_password_follow(murallink.ksuid[]) IS
'After Bastion''s answer, makes the secret new_password the password, or removes it. Then another change can be requested.';

CREATE FUNCTION murallink_private.bastion_agrees(params jsonb, data jsonb, config jsonb, OUT named boolean, OUT alike boolean, OUT other boolean)
LANGUAGE sql STABLE AS $$
    WITH field AS (
        -- Compare values in one spelling.
        SELECT f.name, murallink_private.label_key(said.ours) AS ours,
            murallink_private.label_key(said.theirs) AS theirs
        FROM (VALUES ('reference', 'reference'), ('plan_id', 'planId'), ('policy_id', 'policyId'), ('first_name', 'firstName'),
            ('middle_name', 'middleName'), ('last_name', 'lastName'), ('maiden_name', 'maidenName'), ('gender', 'gender'),
            ('dob', 'dob'), ('phone', 'phone'), ('email', '_email'), ('email', 'email'), ('address', 'address')) AS f (name, theirs),
            LATERAL (SELECT coalesce(NULLIF(params ->> f.name, ''), config ->> f.name) AS ours, CASE f.name
                WHEN 'dob' THEN pg_catalog.regexp_replace(data ->> f.theirs, '^(\d{2})-(\d{2})-(\d{4})$', '\3-\2-\1')
                WHEN 'phone' THEN CASE WHEN params ->> 'phone' ~ '^\+' THEN '+' ELSE '' END || pg_catalog.ltrim(data ->> 'phone', '+')
                ELSE data ->> f.theirs END AS theirs) AS said
        WHERE said.ours <> '' AND said.theirs <> ''
    )
    SELECT count(*) FILTER (WHERE f.name IN ('first_name', 'last_name') AND f.ours = f.theirs) = 2,
        count(*) FILTER (WHERE f.ours <> f.theirs) = 0 AND (count(*) FILTER (WHERE f.name = 'reference') > 0
            -- Several people may have the same name, and even the same birthday.
            OR count(*) FILTER (WHERE f.name IN ('first_name', 'last_name')) = 2
                AND count(*) FILTER (WHERE f.name IN ('phone', 'email')) > 0),
        count(*) FILTER (WHERE f.ours <> f.theirs AND f.name IN ('reference', 'plan_id', 'policy_id', 'first_name', 'last_name')) > 0
    FROM field f
$$;
COMMENT ON FUNCTION murallink_private.bastion_agrees(jsonb, jsonb, jsonb, OUT boolean, OUT boolean, OUT boolean) IS
'Whether an event may be about the member of an endorsement. data: of the event; params: of the endorsement; config: settings, which stand in for absent params. named: the names are the same; alike: all fields that both have are equal, among them our reference, or the names and the phone number or e-mail address; other: it is about another person or plan.';

CREATE FUNCTION murallink_private.bastion_knows(member_id text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
            SELECT FROM murallink_private.call t
            WHERE t.partner = 'bastion' AND murallink_private.member_key(t.facts ->> 'member_id') = murallink_private.member_key(bastion_knows.member_id))
        OR EXISTS (
            SELECT FROM murallink_private.call t
            WHERE t.partner = 'bastion' AND murallink_private.member_key(t.params ->> 'member_id') = murallink_private.member_key(bastion_knows.member_id))
        OR EXISTS (
            SELECT FROM murallink_private.participation p
            WHERE p.partner = 'bastion' AND murallink_private.member_key(p.member ->> 'member_id') = murallink_private.member_key(bastion_knows.member_id))
$$;
COMMENT ON FUNCTION murallink_private.bastion_knows(text) IS
'Whether Bastion''s number of a member is already in a task or participation.';

CREATE FUNCTION murallink_private.bastion_settle(event_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    heard murallink_private.bastion_event;
    data jsonb;
    meant murallink.ksuid[];
    doubtful murallink.ksuid[];
    named murallink.ksuid[];
BEGIN
    SELECT * INTO heard FROM murallink_private.bastion_event e WHERE e.uid = event_uid AND e.task_uid IS NULL;
    data := heard.content -> 'data';
    -- Only a new member can be the result of an endorsement. For others, enrollee-status is more reliable than
    -- events, which may be late.
    IF heard.event IS DISTINCT FROM 'added-policy-member' OR coalesce(data ->> 'memberId', '') = ''
        OR murallink_private.bastion_knows(data ->> 'memberId') THEN
        RETURN;
    END IF;
    -- An event may overtake the answer to another endorsement, or be about one that a person has decided without
    -- a member id.
    SELECT coalesce(pg_catalog.array_agg(t.uid) FILTER (WHERE a.alike), '{}'),
        coalesce(pg_catalog.array_agg(t.uid) FILTER (WHERE a.alike AND t.status = 'in_doubt'), '{}'),
        coalesce(pg_catalog.array_agg(t.uid) FILTER (WHERE a.named AND t.status = 'in_doubt'), '{}')
    INTO meant, doubtful, named
    FROM murallink_private.call t
    JOIN murallink_private.partner p ON p.name = t.partner,
        LATERAL murallink_private.bastion_agrees(t.params, data, p.settings) a
    WHERE t.partner = 'bastion' AND t.operation = 'endorse' AND t.claimed_at < heard.heard_at
        AND (t.status IN ('claimed', 'in_doubt') OR t.status = 'done' AND NOT coalesce(t.facts, '{}') ? 'member_id');
    IF pg_catalog.cardinality(meant) = 1 AND meant = doubtful THEN
        PERFORM murallink_private.call_decide(meant[1], 'done', 'Bastion has reported it: event ' || event_uid,
            pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('member_id', data ->> 'memberId',
                'policy_id', data ->> 'policyId', 'plan_id', data ->> 'planId')));
        UPDATE murallink_private.bastion_event e SET task_uid = meant[1] WHERE e.uid = event_uid;
    ELSE
        UPDATE murallink_private.call t
        SET reason = t.reason || '; an event may be about it: see bastion_events() and ask Bastion, then resolve_task(), '
            'and retry_participation() with the member_id'
        WHERE t.uid = ANY (named) AND t.reason !~ 'bastion_events';
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_settle(murallink.ksuid) IS
'Decides endorsements in doubt by events: one is done if an event that arrived after it was sent shows a new member and can be about no other endorsement. If this is not certain, its reason says so, for a person.';

CREATE FUNCTION murallink_private.bastion_endorsements_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF EXISTS (SELECT FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'in_doubt') THEN
        -- Serializes with the webhook: either the event is visible here, or the event sees this call.
        LOCK TABLE murallink_private.bastion_event IN SHARE ROW EXCLUSIVE MODE;
        PERFORM murallink_private.bastion_settle(e.uid) FROM murallink_private.bastion_event e
        WHERE e.task_uid IS NULL AND e.heard_at > (
            SELECT pg_catalog.min(c.claimed_at) FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'in_doubt');
    END IF;
    PERFORM murallink_private.participations_follow(calls);
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_endorsements_follow(murallink.ksuid[]) IS
'Decides endorsements in doubt by events that have arrived.';

CREATE FUNCTION murallink_private.bastion_endorsement_judge(ended murallink.call_state) RETURNS murallink.call_state
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    config CONSTANT jsonb := (SELECT p.settings FROM murallink_private.partner p WHERE p.name = ended.partner);
    answered CONSTANT jsonb := ended.answer::jsonb;
    another CONSTANT boolean := murallink_private.bastion_knows(ended.facts ->> 'member_id');
    agrees record;
BEGIN
    IF ended.status <> 'done' THEN
        RETURN ended;
    END IF;
    SELECT * INTO agrees FROM murallink_private.bastion_agrees(ended.params,
        coalesce(answered #> '{data,membersDetails}', answered #> '{data,member}', answered -> 'data'), config);
    IF another OR agrees.other THEN
        ended.status := 'in_doubt';
        ended.reason := 'the answer ' || CASE WHEN another THEN 'has the number of another member' ELSE 'is about another person or plan' END
            || ': ask Bastion, then resolve_task(), and retry_participation() with the member_id';
        ended.facts := ended.facts - 'member_id';
    END IF;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_endorsement_judge(murallink.call_state) IS
'The status of an endorsement after an attempt: in doubt if the answer has the number of a known member, or shows another person than was sent.';

CREATE FUNCTION murallink_private.bastion_change_judge(ended murallink.call_state) RETURNS murallink.call_state
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF ended.status = 'declined' THEN
        ended.status := 'in_doubt';
    END IF;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_change_judge(murallink.call_state) IS
'The status of a change of a member after an attempt: a refusal is in doubt, because the member may already be in that state.';

CREATE FUNCTION murallink_private.bastion_changes_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.call_look_up(c.uid, c.partner, 'call',
        CASE c.operation WHEN 'change_plan' THEN 'member_plan' ELSE 'member_status' END,
        pg_catalog.jsonb_build_object('member_id', c.params -> 'member_id'))
    FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'in_doubt';
    PERFORM murallink_private.participations_follow(calls);
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_changes_follow(murallink.ksuid[]) IS
'Looks up the member after a removal, a restoration or a change of plan in doubt.';

CREATE FUNCTION murallink_private.bastion_shows(operation text, params jsonb, facts jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN CASE operation
    WHEN 'change_plan' THEN CASE facts ->> 'plan_id' WHEN params ->> 'new_plan_id' THEN true
        WHEN params ->> 'old_plan_id' THEN false END
    ELSE CASE WHEN murallink_private.lowered(facts ->> 'status') = 'active' THEN operation = 'undo_remove'
        WHEN murallink_private.lowered(facts ->> 'status') IN ('inactive', 'deleted', 'removed') THEN operation = 'remove' END END;
COMMENT ON FUNCTION murallink_private.bastion_shows(text, jsonb, jsonb) IS
'Whether a member is in the state that an operation with these params requests, by the facts of enrollee-status or enrollee-plan; null if these do not show it.';

CREATE FUNCTION murallink_private.bastion_answer_follow(answer murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    asked murallink.call_state;
    tried record;
    shown boolean;
    next record;
BEGIN
    SELECT * INTO asked FROM murallink_private.calls(ARRAY[answer.subject_uid]) c;
    IF asked.status <> 'in_doubt' OR asked.attempt <> answer.subject_attempt THEN
        RETURN;
    END IF;
    SELECT asked.outcome = 'declined' AS refused, (p.settings ->> 'settling')::double precision AS settling
    INTO tried
    FROM murallink_private.partner p WHERE p.name = asked.partner;
    shown := CASE answer.status WHEN 'done' THEN murallink_private.bastion_shows(asked.operation, asked.params, answer.facts) END;
    next := murallink_private.look_while_settling(answer, tried.settling);
    -- Do not wait for a transaction that decides it, because the worker must read answers.
    PERFORM FROM murallink_private.call c
    WHERE c.uid = asked.uid AND c.status = 'in_doubt' AND c.attempt = answer.subject_attempt FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        PERFORM murallink_private.call_again(ARRAY[answer.uid], pg_catalog.clock_timestamp() + interval '1 s', answer.counted_from);
    ELSIF shown THEN
        PERFORM murallink_private.call_decide(asked.uid, 'done', 'asked of Bastion');
    ELSIF tried.refused THEN
        PERFORM murallink_private.call_decide(asked.uid, 'declined', '');
    ELSIF next.again IS NOT NULL THEN
        PERFORM murallink_private.call_again(ARRAY[answer.uid], next.again, next.counted);
    ELSIF NOT shown THEN
        UPDATE murallink_private.call c SET note = 'asked of Bastion' WHERE c.uid = asked.uid;
        PERFORM murallink_private.call_again(ARRAY[asked.uid]);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_answer_follow(murallink.call_state) IS
'Decides a removal, a restoration or a change of plan by an ended look-up: done if Bastion shows the requested state; else declined if Bastion had refused it, and sent again if it cannot arrive any more. If Bastion does not show the state, a person decides.';

CREATE FUNCTION murallink_private.bastion_answers_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.bastion_answer_follow(c) FROM murallink_private.calls(calls) c WHERE c.status IN ('done', 'declined');
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_answers_follow(murallink.ksuid[]) IS
'Applies the results of ended look-ups of members.';

CREATE FUNCTION murallink.bastion_event(jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_content CONSTANT jsonb := CASE pg_catalog.jsonb_typeof($1) WHEN 'object' THEN $1 - 'accessKey' ELSE '{}' END;
    heard murallink_private.bastion_event;
BEGIN
    PERFORM murallink_private.webhook_checked('bastion', $1 ->> 'accessKey', 'accessKey');
    IF pg_catalog.length(the_content::text) > 1000000 THEN
        PERFORM murallink_private.raise('too_long', 'data', 'An event has at most 1,000,000 characters.');
    END IF;
    LOCK TABLE murallink_private.bastion_event IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO murallink_private.bastion_event AS e (event, content_hash, content)
    VALUES (murallink_private.checked_text(the_content ->> 'event', 'event', 100, true),
        pg_catalog.sha256(pg_catalog.convert_to(the_content::text, 'UTF8')), the_content)
    ON CONFLICT (content_hash) DO UPDATE SET times = e.times + 1, last_heard_at = pg_catalog.clock_timestamp()
    RETURNING * INTO heard;
    IF heard.times = 1 THEN
        PERFORM murallink_private.bastion_settle(heard.uid);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.bastion_event(jsonb) IS
'Bastion''s webhook for events about members, in any order and any number of times. The body has accessKey (the secret webhook_access_key), event and data, at most a million characters. Unknown events are stored, too. Errors: wrong_access_key, missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink.bastion_events(
    OUT uid murallink.ksuid, OUT event text, OUT content jsonb, OUT task_uid murallink.ksuid, OUT heard_at timestamptz,
    OUT times integer
) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.uid, e.event, e.content, e.task_uid, e.heard_at, e.times FROM murallink_private.bastion_event e ORDER BY e.heard_at, e.uid
$$;
COMMENT ON FUNCTION murallink.bastion_events() IS
'The events of Bastion''s webhook, oldest first. task_uid: the task that it has decided; times: how often it has arrived. For operators.';

CREATE FUNCTION murallink_private.bastion_membership(
    person jsonb, settings jsonb, config jsonb, wanted boolean, member jsonb,
    OUT operation text, OUT params jsonb, OUT meant jsonb, OUT reason text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    -- The fields of a member that can be changed.
    details CONSTANT text[] := '{first_name,middle_name,last_name,maiden_name,email,dob,gender,phone,address}';
    held CONSTANT jsonb := coalesce(member -> 'params', '{}');
    policy CONSTANT jsonb := pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('policy_id', held -> 'policy_id'));
    active CONSTANT boolean := coalesce((member ->> 'active')::boolean, false);
    whole jsonb;
    changed jsonb;
BEGIN
    whole := pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('reference', person -> 'enrollment_uid',
        'plan_id', config -> 'plan_id', 'policy_id', config -> 'policy_id', 'first_name', person -> 'first_name',
        'last_name', person -> 'last_name', 'email', NULLIF(person ->> 'email', ''),
        'phone', coalesce(murallink_private.phone_dialled(person ->> 'phone'), NULLIF(person ->> 'phone', '')),
        'address', NULLIF(person ->> 'address_text', ''))) || settings;
    changed := (SELECT pg_catalog.jsonb_object_agg(w.key, w.value) FROM pg_catalog.jsonb_each(whole) w WHERE w.key = ANY (details));
    meant := member;
    IF member IS NULL THEN
        IF wanted THEN
            operation := 'endorse';
            params := whole;
            meant := pg_catalog.jsonb_build_object('active', true, 'params', whole);
        END IF;
        RETURN;
    ELSIF member ->> 'member_id' IS NULL THEN
        reason := 'no_member_id';
        RETURN;
    END IF;
    params := pg_catalog.jsonb_build_object('member_id', member -> 'member_id');
    IF active <> wanted THEN
        operation := CASE WHEN wanted THEN 'undo_remove' ELSE 'remove' END;
        params := params || CASE WHEN wanted THEN '{}' ELSE policy END;
        meant := member || pg_catalog.jsonb_build_object('active', wanted);
    ELSIF wanted AND held ->> 'plan_id' <> whole ->> 'plan_id' THEN
        operation := 'change_plan';
        params := params || pg_catalog.jsonb_build_object('old_plan_id', held -> 'plan_id', 'new_plan_id', whole -> 'plan_id');
        meant := pg_catalog.jsonb_set(member, '{params,plan_id}', whole -> 'plan_id');
    ELSIF wanted AND (member ? 'unsure' OR held - details || changed <> held) THEN
        operation := 'change_details';
        params := params || changed || policy;
        meant := pg_catalog.jsonb_set(member - 'unsure', '{params}', held - details || changed);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.bastion_membership(jsonb, jsonb, jsonb, boolean, jsonb) IS
'The next step for a patient at Bastion: an endorsement, its end or its restoration, another plan, other details. Arguments and result: see participation_next().';

GRANT EXECUTE ON FUNCTION murallink.bastion_event TO murallink_client;
GRANT EXECUTE ON FUNCTION murallink.bastion_events, murallink.refresh_bastion TO murallink_operator;
