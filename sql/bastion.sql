CREATE FUNCTION murallink.refresh_bastion() RETURNS SETOF murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    list text;
    begun murallink.ksuid;
BEGIN
    FOREACH list IN ARRAY '{plans,conditions,states,providers}'::text[] LOOP
        begun := murallink.request_begin('bastion', list,
            CASE list WHEN 'states' THEN '{"and_cities": true}' ELSE '{}' END::jsonb, NULL);
        RETURN QUERY SELECT * FROM murallink.partner_tasks(begun);
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink.refresh_bastion() IS
'Asks Bastion for its plans, conditions, states, the cities of each state, and providers, which the tables bastion_plan and so on keep. For operators. Errors: not_found.';

CREATE FUNCTION murallink.bastion_listed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    of_kind CONSTANT text := CASE NEW.operation WHEN 'cities' THEN 'city' ELSE pg_catalog.rtrim(NEW.operation, 's') END;
    rows CONSTANT text := CASE NEW.operation WHEN 'plan' THEN 'plans' ELSE NEW.operation END;
    of_state CONSTANT jsonb := CASE WHEN NEW.operation = 'cities'
        THEN pg_catalog.jsonb_build_object('state_id', NEW.params ->> 'state_id') ELSE '{}' END;
    whole CONSTANT boolean := rows = NEW.operation AND NEW.params - 'and_cities' - 'state_id' = '{}'
        AND (NEW.operation = 'cities' OR NOT NEW.params ? 'state_id');
BEGIN
    EXECUTE pg_catalog.format($sql$
        WITH listed AS MATERIALIZED (
            SELECT DISTINCT ON (l.%2$I) l.*
            FROM pg_catalog.jsonb_array_elements($1) e,
                LATERAL pg_catalog.jsonb_populate_record(NULL::murallink.%1$I,
                    $2 || e || pg_catalog.jsonb_build_object('heard_at', pg_catalog.clock_timestamp())) l
        ), gone AS (
            DELETE FROM murallink.%1$I t
            WHERE $3 AND pg_catalog.to_jsonb(t) @> $2 AND t.%2$I NOT IN (SELECT l.%2$I FROM listed l)
        )
        MERGE INTO murallink.%1$I t USING listed l ON t.%2$I = l.%2$I
        WHEN MATCHED THEN UPDATE SET %3$s
        WHEN NOT MATCHED THEN INSERT VALUES (l.*)
        $sql$, 'bastion_' || of_kind, CASE of_kind WHEN 'provider' THEN 'code' ELSE 'id' END,
        (SELECT pg_catalog.string_agg(pg_catalog.format('%1$I = l.%1$I', a.attname), ', ')
         FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = ('murallink.bastion_' || of_kind)::regclass AND a.attnum > 0 AND NOT a.attisdropped))
    USING NEW.facts -> rows, of_state, whole;
    IF (NEW.params ->> 'and_cities')::boolean THEN
        PERFORM murallink.request_begin('bastion', 'cities', pg_catalog.jsonb_build_object('state_id', s.id), NULL)
        FROM murallink.bastion_state s ORDER BY s.id;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.bastion_listed() IS
'Trigger: keeps what Bastion lists. What is no longer in a whole list goes.';

CREATE FUNCTION murallink.bastion_password() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink_private.partner p SET revision = p.revision + 1, secrets_changed_at = pg_catalog.clock_timestamp()
    WHERE p.name = 'bastion';
    UPDATE murallink_private.partner_secret s
    SET secrets = s.secrets - 'new_password' || CASE NEW.status
        WHEN 'done' THEN pg_catalog.jsonb_build_object('password', s.secrets -> 'new_password') ELSE '{}' END
    FROM murallink_private.partner p
    WHERE p.uid = s.partner_uid AND p.name = 'bastion' AND s.secrets ? 'new_password';
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.bastion_password() IS
'Trigger: the secret new_password becomes the password, or goes, when Bastion has answered.';

CREATE FUNCTION murallink.bastion_same_person(params jsonb, data jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN data ? 'reference' THEN data ->> 'reference' IS NOT DISTINCT FROM params ->> 'reference'
    ELSE pg_catalog.lower(data ->> 'firstName') IS NOT DISTINCT FROM pg_catalog.lower(params ->> 'first_name')
        AND pg_catalog.lower(data ->> 'lastName') IS NOT DISTINCT FROM pg_catalog.lower(params ->> 'last_name')
        AND coalesce(data ->> 'dob' IN (params ->> 'dob',
            pg_catalog.regexp_replace(params ->> 'dob', '^(....)-(..)-(..)$', '\3-\2-\1')), true) END;
COMMENT ON FUNCTION murallink.bastion_same_person(jsonb, jsonb) IS
'Whether an event is about whom an endorsement was for: by our reference where the event has it, else by name and date of birth.';

CREATE FUNCTION murallink.bastion_settle(event_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    heard murallink_private.bastion_event;
    meant murallink.ksuid[];
BEGIN
    SELECT * INTO heard FROM murallink_private.bastion_event e WHERE e.uid = event_uid AND e.task_uid IS NULL;
    meant := ARRAY(
        SELECT t.uid
        FROM murallink_private.partner_task t
        JOIN murallink_private.partner_attempt a ON a.subject_uid = t.uid AND a.attempt = t.attempt
        WHERE t.partner = 'bastion' AND t.status = 'in_doubt' AND a.claimed_at < heard.heard_at
            AND CASE heard.event
                WHEN 'added-policy-member' THEN
                    t.operation = 'endorse' AND murallink.bastion_same_person(t.params, heard.content -> 'data')
                WHEN 're-endorsed-member' THEN
                    t.operation = 'undo_remove' AND t.params ->> 'member_id' = heard.content #>> '{data,memberId}'
                ELSE false END);
    -- Of two who might be meant neither is.
    IF pg_catalog.cardinality(meant) = 1 AND heard.content #>> '{data,memberId}' <> '' THEN
        UPDATE murallink_private.partner_task t
        SET status = 'done', note = 'Bastion has told of it: event ' || event_uid,
            facts = pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('member_id', heard.content #>> '{data,memberId}',
                'policy_id', heard.content #>> '{data,policyId}', 'plan_id', heard.content #>> '{data,planId}'))
        WHERE t.uid = meant[1];
        UPDATE murallink_private.bastion_event e SET task_uid = meant[1] WHERE e.uid = event_uid;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.bastion_settle(murallink.ksuid) IS
'An endorsement in doubt, or its return, is done where an event that was heard after it was sent tells so of it alone.';

CREATE FUNCTION murallink.bastion_doubt() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- An event may be on its way: either it sees this task, or this sees the event.
    LOCK TABLE murallink_private.bastion_event IN SHARE ROW EXCLUSIVE MODE;
    PERFORM murallink.bastion_settle(e.uid) FROM murallink_private.bastion_event e
    WHERE e.task_uid IS NULL AND e.heard_at > (
        SELECT a.claimed_at FROM murallink_private.partner_attempt a WHERE a.subject_uid = NEW.uid AND a.attempt = NEW.attempt);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.bastion_doubt() IS 'Trigger: looks for an event that tells what became of an endorsement in doubt.';

CREATE FUNCTION murallink.bastion_event(jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_content CONSTANT jsonb := CASE pg_catalog.jsonb_typeof($1) WHEN 'object' THEN $1 - 'accessKey' ELSE '{}' END;
    heard murallink_private.bastion_event;
BEGIN
    PERFORM murallink.webhook_checked('bastion', $1 ->> 'accessKey', 'accessKey');
    IF pg_catalog.length(the_content::text) > 1000000 THEN
        PERFORM murallink.raise('too_long', 'data');
    END IF;
    LOCK TABLE murallink_private.bastion_event IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO murallink_private.bastion_event AS e (event, content_hash, content)
    VALUES (murallink.checked_text(the_content ->> 'event', 'event', 100, true),
        pg_catalog.sha256(pg_catalog.convert_to(the_content::text, 'UTF8')), the_content)
    ON CONFLICT (content_hash) DO UPDATE SET times = e.times + 1, last_heard_at = pg_catalog.clock_timestamp()
    RETURNING * INTO heard;
    IF heard.times = 1 THEN
        PERFORM murallink.bastion_settle(heard.uid);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.bastion_event(jsonb) IS
'Bastion''s webhook: what has become of members; in any order, any number of times. The body has accessKey (the secret webhook_access_key), event and data, a million characters at most. What murallink does not know is kept, too. Errors: unauthenticated, missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink.bastion_events(
    OUT uid murallink.ksuid, OUT event text, OUT content jsonb, OUT task_uid murallink.ksuid, OUT heard_at timestamptz,
    OUT times integer
) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.uid, e.event, e.content, e.task_uid, e.heard_at, e.times FROM murallink_private.bastion_event e ORDER BY e.heard_at, e.uid
$$;
COMMENT ON FUNCTION murallink.bastion_events() IS
'What Bastion''s webhook has told, oldest first. task_uid: what it has settled; times: how often it was told. For operators.';

CREATE FUNCTION murallink.bastion_membership(
    person jsonb, settings jsonb, config jsonb, wanted boolean, member jsonb,
    OUT operation text, OUT params jsonb, OUT meant jsonb, OUT reason text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    -- What can be changed of a member.
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
        'phone', NULLIF(pg_catalog.regexp_replace(person ->> 'phone', '[^0-9+]', '', 'g'), ''),
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
    ELSIF wanted AND held - details || changed <> held THEN
        operation := 'change_details';
        params := params || changed || policy;
        meant := pg_catalog.jsonb_set(member, '{params}', held - details || changed);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.bastion_membership(jsonb, jsonb, jsonb, boolean, jsonb) IS
'What to ask Bastion for next about a patient: an endorsement, its end or its return, another plan, other details. See participation_step().';

GRANT EXECUTE ON FUNCTION murallink.bastion_event TO murallink_client;
GRANT EXECUTE ON FUNCTION murallink.bastion_events, murallink.refresh_bastion TO murallink_operator;
