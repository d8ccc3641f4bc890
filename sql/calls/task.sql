-- Tasks: their states, their list, and a decision by a person.

CREATE FUNCTION murallink.task_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('ready', 'claimed'), ('ready', 'declined'), ('claimed', 'ready'), ('claimed', 'done'), ('claimed', 'declined'), ('claimed', 'in_doubt'),
        ('done', 'ready'), ('declined', 'ready'), ('declined', 'done'), ('in_doubt', 'ready'), ('in_doubt', 'done'), ('in_doubt', 'declined'))
        OR OLD.status = 'done' AND NEW.status = 'ready' AND NOT NEW.repeatable
        -- A person may know it, whose word is the note.
        OR OLD.status = 'declined' AND NEW.status = 'done' AND NEW.repeatable AND NEW.note = ''
    THEN
        PERFORM murallink.raise('wrong_status', 'task_uid');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.task_step() IS
'Trigger: a task goes one allowed step at a time, and is done again only where it changes nothing. Errors: wrong_status.';

CREATE TYPE murallink.task_info AS (
    uid murallink.ksuid, partner text, operation text, subject_uid murallink.ksuid, status murallink.payout_status, reason text,
    attempt integer, facts jsonb, note text, requested_by name, created_at timestamptz, settled_at timestamptz);
COMMENT ON TYPE murallink.task_info IS
'What a partner was asked, and what it answered. facts: by murallink''s own names; reason: why it was not done.';

CREATE FUNCTION murallink.partner_tasks(
    task_uid murallink.ksuid DEFAULT NULL, operation text DEFAULT NULL, status text DEFAULT NULL,
    subject_uid murallink.ksuid DEFAULT NULL, patient_uid murallink.ksuid DEFAULT NULL, most integer DEFAULT 100
) RETURNS SETOF murallink.task_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    asked CONSTANT text := NULLIF(murallink.checked_text(operation, 'operation', 100, false), '');
BEGIN
    IF status <> ALL (pg_catalog.enum_range(NULL::murallink.payout_status)::text[]) THEN
        PERFORM murallink.raise('invalid_value', 'status');
    ELSIF most < 0 THEN
        PERFORM murallink.raise('invalid_value', 'most');
    END IF;
    RETURN QUERY
    SELECT t.uid, t.partner, t.operation, t.subject_uid, t.status, t.reason, t.attempt, t.facts, t.note, t.requested_by,
        t.created_at, t.settled_at
    FROM murallink_private.partner_task t
    WHERE (partner_tasks.task_uid IS NULL OR t.uid = partner_tasks.task_uid)
        AND (asked IS NULL OR t.operation = asked)
        AND (partner_tasks.status IS NULL OR t.status::text = partner_tasks.status)
        AND (partner_tasks.subject_uid IS NULL OR t.subject_uid = partner_tasks.subject_uid)
        AND (partner_tasks.patient_uid IS NULL OR t.subject_uid = ANY (ARRAY(
            SELECT c.uid FROM murallink_private.card c WHERE c.patient_uid = partner_tasks.patient_uid
            UNION ALL
            SELECT a.uid FROM murallink_private.participation a WHERE a.patient_uid = partner_tasks.patient_uid
            UNION ALL
            SELECT o.uid FROM murallink.enrollment e JOIN murallink.payment p ON p.enrollment_uid = e.uid
            JOIN murallink.payout o ON o.payment_uid = p.uid WHERE e.patient_uid = partner_tasks.patient_uid)))
    ORDER BY t.created_at DESC, t.uid DESC
    LIMIT partner_tasks.most;
END
$$;
COMMENT ON FUNCTION murallink.partner_tasks(murallink.ksuid, text, text, murallink.ksuid, murallink.ksuid, integer) IS
'What partners were asked besides ordering and loading cards, newest first. task_uid, operation, status, subject_uid (a card, a payout or a participation), patient_uid: only these; most: how many at most, null for all. For operators. Errors: too_long, invalid_value.';

CREATE FUNCTION murallink.task_begin(
    partner text, operation text, params jsonb, repeatable boolean, subject_uid murallink.ksuid DEFAULT NULL
) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    IF NOT EXISTS (SELECT FROM murallink_private.partner p WHERE p.name = task_begin.partner) THEN
        PERFORM murallink.raise('not_found', 'partner');
    END IF;
    INSERT INTO murallink_private.partner_task (partner, operation, params, repeatable, subject_uid)
    VALUES (task_begin.partner, task_begin.operation, task_begin.params, task_begin.repeatable, task_begin.subject_uid)
    ON CONFLICT DO NOTHING
    RETURNING uid INTO made;
    IF made IS NULL THEN
        PERFORM murallink.raise('conflict', 'operation');
    END IF;
    RETURN (SELECT t FROM murallink.partner_tasks(made) t);
END
$$;
COMMENT ON FUNCTION murallink.task_begin(text, text, jsonb, boolean, murallink.ksuid) IS
'Asks a partner for something, which the worker does. Errors: not_found; conflict: it has been asked for already, and may be once only.';

CREATE FUNCTION murallink.member_key(member_id text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.ltrim(pg_catalog.regexp_replace(murallink.lowered(member_id), '\s|\.0+\s*$', '', 'g'), '0');
COMMENT ON FUNCTION murallink.member_key(text) IS
'What a partner''s number of a member is compared by: as a number it has lost its leading zeros, and some write 12.0 for 12.';

CREATE FUNCTION murallink.resolve_task(task_uid murallink.ksuid, done boolean, note text) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present murallink.payout_status;
BEGIN
    SELECT t.status INTO present FROM murallink_private.partner_task t
    WHERE t.uid = murallink.required(resolve_task.task_uid, 'task_uid') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink.raise('not_found', 'task_uid');
    ELSIF present <> 'in_doubt' AND NOT EXISTS (
        SELECT FROM murallink.needs_person n WHERE n.kind = 'task' AND n.uid = resolve_task.task_uid
        UNION ALL
        SELECT FROM murallink_private.participation p
        WHERE p.task_uid = resolve_task.task_uid AND p.reason ~ '^declined') THEN
        PERFORM murallink.raise('wrong_status', 'task_uid');
    END IF;
    UPDATE murallink_private.partner_task t
    SET status = CASE WHEN murallink.required(resolve_task.done, 'done') THEN 'done' ELSE 'declined' END::murallink.payout_status,
        note = murallink.checked_text(resolve_task.note, 'note', 1000, true)
    WHERE t.uid = resolve_task.task_uid;
    RETURN (SELECT t FROM murallink.partner_tasks(resolve_task.task_uid) t);
END
$$;
COMMENT ON FUNCTION murallink.resolve_task(murallink.ksuid, boolean, text) IS
'Decides a task in doubt, after asking the partner, closes a reversal that was declined, says of a step of a participation that was declined that it is so all the same, or ends what is asked for time and again (done: false). done: whether it was done, or the money came back otherwise; if not, it can be wanted again. note: how this is known. For operators. Errors: missing_field, not_found, too_long, wrong_status.';
