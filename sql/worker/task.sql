-- Calls other than orders, loads and messages, and how people decide them.

CREATE FUNCTION murallink.partner_tasks(
    task_uid murallink.ksuid DEFAULT NULL, operation text DEFAULT NULL, status text DEFAULT NULL,
    subject_uid murallink.ksuid DEFAULT NULL, patient_uid murallink.ksuid DEFAULT NULL, most integer DEFAULT 100
) RETURNS SETOF murallink.task_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    asked CONSTANT text := NULLIF(murallink_private.checked_text(operation, 'operation', 100, false), '');
    chosen CONSTANT text := NULLIF(partner_tasks.status, '');
BEGIN
    IF chosen <> ALL (pg_catalog.enum_range(NULL::murallink.payout_status)::text[]) THEN
        PERFORM murallink_private.raise('invalid_value', 'status', 'One of waiting, ready, claimed, done, declined, in_doubt and cancelled.');
    ELSIF most < 0 THEN
        PERFORM murallink_private.raise('invalid_value', 'most', 'A number that is not negative.');
    END IF;
    RETURN QUERY
    SELECT t.uid, t.partner, t.operation, t.subject_uid, t.status, t.reason, t.attempt, t.facts, t.note, t.requested_by,
        t.created_at, t.settled_at
    FROM murallink_private.call t
    WHERE t.resource <> 'notice' AND t.operation NOT IN ('load', 'pay', 'order')
        AND (partner_tasks.task_uid IS NULL OR t.uid = partner_tasks.task_uid)
        AND (asked IS NULL OR t.operation = asked)
        AND (chosen IS NULL OR t.status::text = chosen)
        -- The index on subjects does not contain calls with the uid of their subject.
        AND (partner_tasks.subject_uid IS NULL OR t.subject_uid = partner_tasks.subject_uid AND t.subject_uid <> t.uid)
        AND (partner_tasks.patient_uid IS NULL OR t.subject_uid <> t.uid AND t.subject_uid = ANY (ARRAY(
            SELECT c.uid FROM murallink_private.card c WHERE c.patient_uid = partner_tasks.patient_uid
            UNION ALL
            SELECT a.uid FROM murallink_private.participation a WHERE a.patient_uid = partner_tasks.patient_uid
            UNION ALL
            SELECT o.uid FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
            JOIN murallink_private.payout o ON o.payment_uid = p.uid WHERE e.patient_uid = partner_tasks.patient_uid)))
    ORDER BY t.created_at DESC, t.uid DESC
    LIMIT partner_tasks.most;
END
$$;
COMMENT ON FUNCTION murallink.partner_tasks(murallink.ksuid, text, text, murallink.ksuid, murallink.ksuid, integer) IS
'Calls other than card orders, loads and messages, newest first. task_uid, operation, status, subject_uid (a card, a payout or a participation), patient_uid: only these, where they are not null or empty; most: how many at most, null for all. For operators. Errors: too_long, invalid_value.';

CREATE FUNCTION murallink.resolve_task(
    task_uid murallink.ksuid DEFAULT NULL, done boolean DEFAULT NULL, note text DEFAULT NULL, attempt integer DEFAULT NULL
) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present murallink.payout_status;
    last integer;
BEGIN
    -- The payment of a reversal before its unload, as everywhere.
    PERFORM FROM murallink_private.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid
    JOIN murallink_private.call t ON t.subject_uid = o.uid AND t.operation = 'unload'
    WHERE t.uid = murallink_private.required(resolve_task.task_uid, 'task_uid') FOR NO KEY UPDATE OF p;
    -- And the cards of a balance before its move: balance_load() does not wait for a replacement.
    PERFORM FROM murallink_private.card c JOIN murallink_private.card k ON k.patient_uid = c.patient_uid
    JOIN murallink_private.call t ON t.subject_uid = k.uid AND t.operation = 'unload_balance'
    WHERE t.uid = resolve_task.task_uid ORDER BY c.uid FOR KEY SHARE OF c;
    SELECT t.status, t.attempt INTO present, last FROM murallink_private.call t
    WHERE t.uid = resolve_task.task_uid AND t.resource <> 'notice' AND t.operation NOT IN ('load', 'pay', 'order')
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'task_uid');
    ELSIF present <> 'in_doubt' AND NOT EXISTS (
        SELECT FROM murallink.needs_person n WHERE n.kind = 'task' AND n.uid = resolve_task.task_uid
        UNION ALL
        SELECT FROM murallink_private.participation p
        WHERE p.task_uid = resolve_task.task_uid AND p.reason ~ '^declined'
        UNION ALL
        -- Money that the issuer has declined to take back may have come back in another way.
        SELECT FROM murallink_private.call t JOIN murallink_private.reversal r ON r.uid = (t.params ->> 'reference')::murallink.ksuid
        WHERE t.uid = resolve_task.task_uid AND t.operation = 'unload' AND t.status = 'declined' AND resolve_task.done
            AND r.status IN ('owed_back', 'recovering') AND (t.params ->> 'amount')::numeric <= r.amount - r.returned - r.kept
            AND NOT EXISTS (
                SELECT FROM murallink_private.call l
                WHERE l.subject_uid = t.subject_uid AND l.subject_uid <> l.uid AND l.operation = 'unload'
                    AND l.params ->> 'reference' = r.uid::text AND (l.created_at, l.uid) > (t.created_at, t.uid))) THEN
        PERFORM murallink_private.raise('wrong_status', 'task_uid');
    ELSIF last <> resolve_task.attempt THEN
        PERFORM murallink_private.raise('wrong_status', 'attempt', 'It was sent again since: ask the partner about the last attempt.');
    END IF;
    PERFORM murallink_private.call_decide(task_uid, CASE WHEN murallink_private.required(done, 'done') THEN 'done' ELSE 'declined' END::murallink.payout_status,
        murallink_private.checked_text(resolve_task.note, 'note', 1000, true));
    RETURN murallink_private.task_info(task_uid);
END
$$;
COMMENT ON FUNCTION murallink.resolve_task(murallink.ksuid, boolean, text, integer) IS
'Decides a task: one in doubt, after asking the partner; the declined unload of a reversal that is owed back (done: true: the money came back in another way); a declined step of a participation that is done nevertheless; or (done: false) one that is repeated without success. done: whether it was done, or the money came back in another way; if not, it can be requested again. note: how this is known. attempt: the attempt about which the partner was asked, so that nothing is decided of one that was sent since; null: the last. For operators. Errors: missing_field, not_found, too_long, invalid_value, wrong_status.';
