-- Participations: patients become members at the partners of their trials.

CREATE FUNCTION murallink_private.participation_person(patient_uid murallink.ksuid, enrollment_uid murallink.ksuid) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.jsonb_build_object('patient_uid', p.uid, 'enrollment_uid', participation_person.enrollment_uid,
        'first_name', p.first_name, 'last_name', p.last_name, 'email', p.email, 'phone', p.phone,
        'sms_consent', murallink_private.consent_type(p.uid, 'sms'), 'address', pg_catalog.to_jsonb(p.address),
        'address_text', murallink_private.address_text(p.address))
    FROM murallink.patient p WHERE p.uid = participation_person.patient_uid
$$;
COMMENT ON FUNCTION murallink_private.participation_person(murallink.ksuid, murallink.ksuid) IS
'The data of a patient that partners may get.';

CREATE FUNCTION murallink_private.has_members(partner text) RETURNS boolean
LANGUAGE sql STABLE
RETURN pg_catalog.to_regprocedure(
    pg_catalog.format('murallink_private.%I(jsonb, jsonb, jsonb, boolean, jsonb)', partner || '_membership')) IS NOT NULL;
COMMENT ON FUNCTION murallink_private.has_members(text) IS
'Whether a partner has members: whether its file has a function with its name and _membership.';

CREATE FUNCTION murallink_private.participation_next(
    partner text, person jsonb, settings jsonb, wanted boolean, member jsonb,
    OUT operation text, OUT params jsonb, OUT meant jsonb, OUT reason text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    config CONSTANT jsonb := (SELECT p.settings FROM murallink_private.partner p WHERE p.name = participation_next.partner);
BEGIN
    EXECUTE pg_catalog.format('SELECT * FROM murallink_private.%I($1, $2, $3, $4, $5)', partner || '_membership')
    INTO operation, params, meant, reason USING person, settings, coalesce(config, '{}'), wanted, member;
    IF operation IS NOT NULL AND config IS NULL THEN
        operation := NULL;
        reason := 'partner_not_configured';
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.participation_next(text, jsonb, jsonb, boolean, jsonb) IS
'The next step that a partner''s own function (its name and _membership) proposes. person: see participation_person(); settings: of the trial and the patient; wanted: whether the patient should be a member; member: what the partner has, null: nothing; operation, params: the step, null: none; meant: what the partner has after it; reason: why it must wait.';

CREATE FUNCTION murallink_private.participation_checked(partner text, settings jsonb, field text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    asked record;
    sample jsonb;
BEGIN
    IF NOT murallink_private.has_members(murallink_private.required(partner, 'partner')) THEN
        PERFORM murallink_private.raise('not_found', 'partner', 'This partner has no members.');
    ELSIF pg_catalog.jsonb_typeof(murallink_private.required(settings, field)) <> 'object' THEN
        PERFORM murallink_private.raise('wrong_type', field);
    END IF;
    EXECUTE pg_catalog.format('SELECT * FROM murallink_private.%I($1, $2, $3, true, NULL)', partner || '_membership') INTO asked
    USING '{"patient_uid": "x", "enrollment_uid": "x", "first_name": "x", "last_name": "x", "email": "", "phone": "2025550100",
        "sms_consent": "express", "address": null, "address_text": "x"}'::jsonb, settings, '{}'::jsonb;
    -- Other required fields may come from elsewhere.
    SELECT pg_catalog.jsonb_object_agg(o.field, coalesce(pg_catalog.to_jsonb(pg_catalog.split_part(o.choices, ', ', 1)),
        CASE o.kind WHEN 'date' THEN '"2000-01-01"' WHEN 'e-mail address' THEN '"a@example.com"' WHEN 'boolean' THEN 'true'
            WHEN 'number' THEN '1' WHEN 'whole number' THEN '1' ELSE '"2025550100"' END::jsonb))
    INTO sample
    FROM murallink.partner_operations() o
    WHERE o.partner = participation_checked.partner AND o.operation = asked.operation AND o.required AND o.field !~ '\.';
    PERFORM murallink_private.partner_built(partner, 'https://localhost', '{}', 'null', asked.operation, coalesce(sample, '{}') || asked.params);
    RETURN settings;
END
$$;
COMMENT ON FUNCTION murallink_private.participation_checked(text, jsonb, text) IS
'Checks settings: their keys must be fields of the operation that enrolls at the partner, or settings of its membership function. field: their name in errors. Errors: missing_field, not_found, unknown_key, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink_private.participation_changed(patient_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
BEGIN
    IF participation_changed.patient_uid IS NULL THEN
        UPDATE murallink_private.participation_sweep SET after = DEFAULT, due_at = DEFAULT;
    ELSE
        INSERT INTO murallink_private.participation_change (patient_uid) VALUES (participation_changed.patient_uid);
    END IF;
    PERFORM murallink_private.worker_wake();
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'murallink: a change was not recorded for the partners: %', SQLERRM
        USING HINT = 'The worker looks for such changes every ten minutes.';
END
$$;
COMMENT ON FUNCTION murallink_private.participation_changed(murallink.ksuid) IS
'Records that the participations of patients must be stepped; null: all, because a partner has changed. Only inserts, so that it does not wait for locks; never fails.';

CREATE FUNCTION murallink_private.participations_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO murallink_private.participation_change (patient_uid)
    SELECT p.patient_uid FROM murallink_private.call c JOIN murallink_private.participation p ON p.uid = c.subject_uid
    WHERE c.uid = ANY (calls) AND c.status IN ('done', 'declined', 'in_doubt');
    PERFORM murallink_private.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink_private.participations_follow(murallink.ksuid[]) IS
'Records that participations whose last step has ended must be stepped.';

CREATE FUNCTION murallink_private.participation_member(member jsonb, meant jsonb, task_uid murallink.ksuid) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    task murallink_private.call;
BEGIN
    SELECT * INTO task FROM murallink_private.call t WHERE t.uid = participation_member.task_uid;
    IF task.status = 'done' THEN
        RETURN coalesce(meant || pg_catalog.jsonb_strip_nulls(
            pg_catalog.jsonb_build_object('member_id', coalesce(task.facts -> 'member_id', member -> 'member_id'))), member);
    ELSIF task.status = 'declined' AND task.repeatable AND EXISTS (
        -- A refusal does not prove what became of earlier attempts, unless a look-up has decided them.
        SELECT FROM murallink_private.call_attempt a
        WHERE a.call_uid = task.uid AND a.attempt < task.attempt AND a.outcome IN ('in_doubt', 'declined')) THEN
        RETURN coalesce(meant || '{"unsure": true}', member);
    END IF;
    RETURN member;
END
$$;
COMMENT ON FUNCTION murallink_private.participation_member(jsonb, jsonb, murallink.ksuid) IS
'What a partner has about a patient after a step. member: what it had before; meant: what it has if the step is done; task_uid: the step. See the columns of participation.';

CREATE FUNCTION murallink_private.participation_step(patient_uid murallink.ksuid, partner text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    present murallink_private.participation;
    task murallink_private.call;
    chosen record;
    next record;
    person jsonb;
    unsent boolean;
    field text;
BEGIN
    SELECT * INTO present FROM murallink_private.participation p
    WHERE p.patient_uid = participation_step.patient_uid AND p.partner = participation_step.partner FOR NO KEY UPDATE NOWAIT;
    -- The settings of one trial apply until the patient leaves it; the membership ends with the last trial.
    SELECT e.uid, t.settings INTO chosen
    FROM murallink.enrollment e JOIN murallink_private.trial_partner t ON t.trial_uid = e.trial_uid
    WHERE e.patient_uid = participation_step.patient_uid AND e.status = 'enrolled' AND t.partner = participation_step.partner
    ORDER BY e.uid = present.enrollment_uid DESC NULLS LAST, e.created_at, e.uid LIMIT 1;
    present.wanted := chosen.uid IS NOT NULL;
    IF present.uid IS NULL THEN
        IF NOT present.wanted THEN
            RETURN;
        END IF;
        INSERT INTO murallink_private.participation AS p (patient_uid, partner, enrollment_uid, wanted)
        VALUES (participation_step.patient_uid, participation_step.partner, chosen.uid, true) RETURNING * INTO present;
    END IF;
    present.enrollment_uid := coalesce(chosen.uid, present.enrollment_uid);
    present.reason := '';
    person := murallink_private.participation_person(patient_uid, present.enrollment_uid);
    present.seen := pg_catalog.hashtextextended((person - 'enrollment_uid')::text, 0);
    present.revision := (SELECT p.revision FROM murallink_private.partner p WHERE p.name = participation_step.partner);
    SELECT * INTO task FROM murallink_private.call t WHERE t.uid = present.task_uid;
    present.member := murallink_private.participation_member(present.member, present.meant, task.uid);
    IF task.status = 'done' THEN
        present.meant := NULL;
    END IF;
    -- The next step begins only when the outcome of the last one is known. A step that was certainly not done
    -- yet can be cancelled, for example if consent was withdrawn.
    unsent := task.status = 'ready' AND NOT task.repeatable AND NOT task.suspect;
    IF task.status IS NULL OR task.status IN ('done', 'declined') OR unsent THEN
        next := murallink_private.participation_next(partner, person, coalesce(chosen.settings, '{}') || coalesce((
            SELECT d.details FROM murallink_private.participation_detail d
            WHERE d.patient_uid = participation_step.patient_uid AND d.partner = participation_step.partner), '{}'),
            present.wanted, present.member);
        IF unsent AND (task.operation, task.params) IS DISTINCT FROM (next.operation, next.params) THEN
            UPDATE murallink_private.call c SET status = 'declined', reason = 'no longer wanted' WHERE c.uid = task.uid;
            present.task_uid := NULL;
            present.meant := NULL;
            unsent := false;
        END IF;
        IF unsent THEN
            NULL;
        ELSIF next.operation IS NULL THEN
            present.member := CASE WHEN next.reason IS NULL THEN next.meant ELSE present.member END;
            present.reason := coalesce(next.reason, '');
            -- A step that was declined may be requested again when it is needed again.
            present.task_uid := CASE WHEN task.status = 'declined' AND next.reason IS NULL THEN NULL ELSE present.task_uid END;
        ELSIF task.status = 'declined' AND (task.operation, present.begun_with) = (next.operation, next.params) THEN
            present.reason := pg_catalog.concat_ws('; ', 'declined: ' || task.reason, NULLIF(
                pg_catalog.concat_ws(' of ', task.facts ->> 'code', task.facts ->> 'field'), ''));
        ELSE
            BEGIN
                present.task_uid := murallink_private.request_begin(partner, next.operation, next.params, 'participation', present.uid);
                present.meant := next.meant;
                present.begun_with := next.params;
            EXCEPTION WHEN SQLSTATE 'PT400' THEN
                GET STACKED DIAGNOSTICS present.reason = CONSTRAINT_NAME, field = COLUMN_NAME;
                present.reason := present.reason || ': ' || field;
            END;
        END IF;
    END IF;
    UPDATE murallink_private.participation p
    SET enrollment_uid = present.enrollment_uid, wanted = present.wanted, member = present.member, meant = present.meant,
        begun_with = present.begun_with, task_uid = present.task_uid, reason = present.reason, seen = present.seen, revision = present.revision,
        since = CASE WHEN (p.wanted, p.member, p.task_uid, p.reason)
            IS DISTINCT FROM (present.wanted, present.member, present.task_uid, present.reason)
            THEN pg_catalog.clock_timestamp() ELSE p.since END
    WHERE p.uid = present.uid AND p IS DISTINCT FROM present;
END
$$;
COMMENT ON FUNCTION murallink_private.participation_step(murallink.ksuid, text) IS
'Stores the outcome of the last step of a participation, and begins the next one if one is needed and possible. A declined step is not repeated unchanged.';

CREATE FUNCTION murallink_private.sweep_participations() RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    most CONSTANT integer := 100;
    sweep murallink_private.participation_sweep;
    enrollments murallink.ksuid[];
BEGIN
    SELECT * INTO sweep FROM murallink_private.participation_sweep s
    WHERE s.due_at <= pg_catalog.clock_timestamp() FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    enrollments := ARRAY(SELECT e.uid FROM murallink.enrollment e WHERE e.uid > sweep.after ORDER BY e.uid LIMIT most);
    INSERT INTO murallink_private.participation_change (patient_uid)
    SELECT DISTINCT e.patient_uid FROM murallink.enrollment e
    WHERE e.uid = ANY (enrollments)
        AND NOT EXISTS (SELECT FROM murallink_private.participation_change c WHERE c.patient_uid = e.patient_uid)
        AND (e.status = 'enrolled' AND EXISTS (
                SELECT FROM murallink_private.trial_partner t
                LEFT JOIN murallink_private.participation p ON p.patient_uid = e.patient_uid AND p.partner = t.partner
                WHERE t.trial_uid = e.trial_uid AND p.wanted IS NOT TRUE)
            OR EXISTS (
                SELECT FROM murallink_private.participation p
                LEFT JOIN murallink_private.partner r ON r.name = p.partner
                WHERE p.patient_uid = e.patient_uid AND (
                    p.revision IS DISTINCT FROM r.revision
                    -- Lateral, so that the planner looks tasks up one by one.
                    OR (SELECT t.status = 'done' AND p.meant IS NOT NULL OR t.status = 'declined' AND p.reason = ''
                        FROM murallink_private.call t WHERE t.uid = p.task_uid)
                    OR p.wanted AND NOT EXISTS (
                        SELECT FROM murallink.enrollment o JOIN murallink_private.trial_partner w ON w.trial_uid = o.trial_uid
                        WHERE o.patient_uid = p.patient_uid AND o.status = 'enrolled' AND w.partner = p.partner)
                    OR p.seen IS DISTINCT FROM pg_catalog.hashtextextended(
                        (murallink_private.participation_person(p.patient_uid, NULL) - 'enrollment_uid')::text, 0))));
    IF pg_catalog.cardinality(enrollments) < most THEN
        UPDATE murallink_private.participation_sweep SET after = DEFAULT, due_at = pg_catalog.clock_timestamp() + '10 min';
    ELSE
        UPDATE murallink_private.participation_sweep SET after = enrollments[most];
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION murallink_private.sweep_participations() IS
'Every ten minutes, looks for changes that were not recorded, some patients at a time. Returns whether it looked at any.';

CREATE FUNCTION murallink_private.step_participations() RETURNS boolean
LANGUAGE plpgsql VOLATILE SET lock_timeout = '10ms' AS $$
DECLARE
    most CONSTANT integer := 20;
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    due CONSTANT murallink_private.participation_change[] := ARRAY(
        SELECT c FROM murallink_private.participation_change c WHERE c.due_at <= moment
        ORDER BY c.due_at LIMIT most FOR UPDATE SKIP LOCKED);
    change murallink_private.participation_change;
    member_of text;
    trouble text;
    busy boolean;
BEGIN
    -- A crash may lose this commit; then the steps are begun again. Nothing is sent before a synchronous commit.
    PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
    FOREACH change IN ARRAY due LOOP
        trouble := '';
        busy := false;
        FOR member_of IN
            SELECT t.partner FROM murallink_private.trial_partner t JOIN murallink.enrollment e ON e.trial_uid = t.trial_uid
            WHERE e.patient_uid = change.patient_uid
            UNION
            SELECT p.partner FROM murallink_private.participation p WHERE p.patient_uid = change.patient_uid
        LOOP
            BEGIN
                PERFORM murallink_private.participation_step(change.patient_uid, member_of);
            EXCEPTION WHEN lock_not_available THEN
                busy := true;
            WHEN OTHERS THEN
                trouble := member_of || ': ' || SQLERRM;
            END;
        END LOOP;
        -- One row is enough for a problem, and to try again.
        DELETE FROM murallink_private.participation_change c
        WHERE c.patient_uid = change.patient_uid AND c.problem <> '' AND c.uid <> change.uid;
        IF trouble <> '' THEN
            UPDATE murallink_private.participation_change c SET due_at = pg_catalog.clock_timestamp() + '1 min', problem = trouble
            WHERE c.uid = change.uid;
            RAISE WARNING 'murallink: participation of %: %', change.patient_uid, trouble
                USING HINT = 'It is tried again automatically.';
        ELSIF busy THEN
            UPDATE murallink_private.participation_change c SET due_at = pg_catalog.clock_timestamp() + '1 s'
            WHERE c.uid = change.uid;
        ELSE
            DELETE FROM murallink_private.participation_change c WHERE c.uid = change.uid;
        END IF;
        -- Payouts wait while this runs.
        IF pg_catalog.clock_timestamp() > moment + interval '5 ms' THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN pg_catalog.cardinality(due) = most OR murallink_private.sweep_participations();
END
$$;
COMMENT ON FUNCTION murallink_private.step_participations() IS
'Steps the participations of patients whose data have changed, for a few milliseconds. One that fails does not stop the others. Returns whether there may be more to do. For the worker.';

CREATE FUNCTION murallink_private.participations_set_back() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    first CONSTANT timestamptz := (
        SELECT c.due_at FROM murallink_private.participation_change c WHERE c.due_at > moment ORDER BY c.due_at LIMIT 1);
BEGIN
    UPDATE murallink_private.participation_change c SET due_at = moment + (c.due_at - first)
    WHERE c.uid IN (
        SELECT k.uid FROM murallink_private.participation_change k WHERE k.due_at > moment FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE murallink_private.participation_sweep s SET due_at = LEAST(s.due_at, moment);
END
$$;
COMMENT ON FUNCTION murallink_private.participations_set_back() IS
'After the clock was set back: moves the due_at of delayed changes, so that the first is due now and the others keep their distance. For the worker.';

CREATE FUNCTION murallink_private.participations_of_trial(trial_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    -- One after the other, so that other changes need not wait for all of them.
    INSERT INTO murallink_private.participation_change (patient_uid, due_at)
    SELECT e.patient_uid, pg_catalog.clock_timestamp() + pg_catalog.row_number() OVER () * interval '5 ms'
    FROM murallink.enrollment e WHERE e.trial_uid = participations_of_trial.trial_uid;
    SELECT murallink_private.worker_wake();
$$;
COMMENT ON FUNCTION murallink_private.participations_of_trial(murallink.ksuid) IS
'Records that the participations of a trial''s patients must be stepped.';

CREATE FUNCTION murallink.set_trial_partner(
    trial_uid murallink.ksuid DEFAULT NULL, partner text DEFAULT NULL, settings jsonb DEFAULT '{}'
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    checked CONSTANT jsonb := murallink_private.participation_checked(partner, settings, 'settings');
BEGIN
    IF NOT EXISTS (SELECT FROM murallink.trial t WHERE t.uid = murallink_private.required(set_trial_partner.trial_uid, 'trial_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'trial_uid');
    END IF;
    INSERT INTO murallink_private.trial_partner (trial_uid, partner, settings)
    VALUES (set_trial_partner.trial_uid, set_trial_partner.partner, checked)
    ON CONFLICT ON CONSTRAINT trial_partner_trial_uid_partner_key DO UPDATE SET settings = EXCLUDED.settings;
    PERFORM murallink_private.participations_of_trial(trial_uid);
END
$$;
COMMENT ON FUNCTION murallink.set_trial_partner(murallink.ksuid, text, jsonb) IS
'Makes the patients of a trial members at a partner, also those who are enrolled later, or changes the settings. settings: fields of the operation that enrolls, which take precedence over the patient''s record, and settings of the partner''s membership function. For operators. Errors: missing_field, not_found, unknown_key, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink.remove_trial_partner(trial_uid murallink.ksuid DEFAULT NULL, partner text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM murallink_private.trial_partner t
    WHERE t.trial_uid = murallink_private.required(remove_trial_partner.trial_uid, 'trial_uid')
        AND t.partner = murallink_private.required(remove_trial_partner.partner, 'partner');
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'partner', 'set_trial_partner lets a partner take part in a trial.');
    END IF;
    PERFORM murallink_private.participations_of_trial(trial_uid);
END
$$;
COMMENT ON FUNCTION murallink.remove_trial_partner(murallink.ksuid, text) IS
'Ends what set_trial_partner() has begun: the patients of the trial leave the partner, unless another of their trials has it, too. For operators. Errors: missing_field, not_found.';

CREATE FUNCTION murallink.trial_partners(OUT trial_uid murallink.ksuid, OUT partner text, OUT settings jsonb) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.trial_uid, t.partner, t.settings FROM murallink_private.trial_partner t ORDER BY t.trial_uid, t.partner
$$;
COMMENT ON FUNCTION murallink.trial_partners() IS 'The partners of trials, with their settings. For operators.';

CREATE FUNCTION murallink.set_participation_details(
    patient_uid murallink.ksuid DEFAULT NULL, partner text DEFAULT NULL, details jsonb DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    checked CONSTANT jsonb := murallink_private.participation_checked(partner, details, 'details');
BEGIN
    IF NOT EXISTS (
        SELECT FROM murallink.patient p
        WHERE p.uid = murallink_private.required(set_participation_details.patient_uid, 'patient_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'patient_uid');
    END IF;
    INSERT INTO murallink_private.participation_detail (patient_uid, partner, details)
    VALUES (set_participation_details.patient_uid, set_participation_details.partner, checked)
    ON CONFLICT ON CONSTRAINT participation_detail_patient_uid_partner_key DO UPDATE SET details = EXCLUDED.details;
    INSERT INTO murallink_private.participation_change (patient_uid) VALUES (set_participation_details.patient_uid);
    PERFORM murallink_private.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.set_participation_details(murallink.ksuid, text, jsonb) IS
'Stores data of a patient that a partner needs and the record does not have, such as dob and gender. details: fields of the operation that enrolls; they replace the earlier ones and take precedence over the trial''s settings. For operators. Errors: missing_field, not_found, unknown_key, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink.retry_participation(
    patient_uid murallink.ksuid DEFAULT NULL, partner text DEFAULT NULL, member_id text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present murallink_private.participation;
    known CONSTANT text := NULLIF(murallink_private.checked_text(member_id, 'member_id', 100, false), '');
BEGIN
    SELECT * INTO present FROM murallink_private.participation p
    WHERE p.patient_uid = murallink_private.required(retry_participation.patient_uid, 'patient_uid')
        AND p.partner = murallink_private.required(retry_participation.partner, 'partner') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'partner', 'participations() lists the partners of a patient.');
    ELSIF EXISTS (
        SELECT FROM murallink_private.call t
        WHERE t.uid = present.task_uid AND t.status IN ('ready', 'claimed', 'in_doubt')) THEN
        PERFORM murallink_private.raise('wrong_status', 'patient_uid');
    END IF;
    IF known IS NOT NULL THEN
        present.member := coalesce(present.member, present.meant, '{"active": true}')
            || pg_catalog.jsonb_build_object('member_id', known);
    END IF;
    UPDATE murallink_private.participation p
    SET member = present.member,
        task_uid = CASE WHEN present.reason ~ '^declined' OR known IS NOT NULL THEN NULL ELSE p.task_uid END
    WHERE p.uid = present.uid;
    -- For the audit.
    UPDATE murallink_private.call c SET note = pg_catalog.concat_ws(': ', 'retry_participation', known) WHERE c.uid = present.task_uid;
    INSERT INTO murallink_private.participation_change (patient_uid) VALUES (present.patient_uid);
    PERFORM murallink_private.worker_wake();
EXCEPTION WHEN unique_violation THEN
    PERFORM murallink_private.raise('already_exists', 'member_id');
END
$$;
COMMENT ON FUNCTION murallink.retry_participation(murallink.ksuid, text, text) IS
'Repeats a step that a partner has declined; decide one in doubt with resolve_task() first. member_id: the partner''s number of the patient, if the patient is known to be a member. For operators. Errors: missing_field, not_found, too_long, invalid_value, wrong_status; already_exists (the number is another patient''s).';

CREATE FUNCTION murallink.participations(
    INOUT patient_uid murallink.ksuid DEFAULT NULL, OUT uid murallink.ksuid, OUT partner text,
    OUT wanted text, OUT actual text, OUT member_id text, OUT operation text, OUT status text, OUT reason text,
    OUT since timestamptz, OUT task_uid murallink.ksuid
) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.patient_uid, p.uid, p.partner, CASE WHEN p.wanted THEN 'in' ELSE 'out' END,
        CASE WHEN p.member ? 'unsure' THEN 'unknown' WHEN (p.member ->> 'active')::boolean THEN 'in' ELSE 'out' END,
        p.member ->> 'member_id', t.operation, t.status,
        coalesce(NULLIF(p.reason, ''), CASE WHEN t.status <> 'done' THEN t.reason END, ''), p.since, t.uid
    FROM murallink_private.participation p LEFT JOIN murallink_private.call t ON t.uid = p.task_uid
    WHERE participations.patient_uid IS NULL OR p.patient_uid = participations.patient_uid
    ORDER BY p.patient_uid, p.partner
$$;
COMMENT ON FUNCTION murallink.participations(murallink.ksuid) IS
'The participations of patients. patient_uid: only of this patient; null: all. wanted, actual: in, out, or unknown (a repeat of a call whose answer was lost was refused); operation, status: of the last step, which partner_tasks(task_uid) shows; reason: why the next step is not begun; since: when any of this changed last. For operators.';
