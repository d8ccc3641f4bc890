-- Claims, settles and recovers what partners are asked, for the worker.

CREATE FUNCTION murallink.claim_calls(partner text, most integer, wanted text DEFAULT NULL)
RETURNS TABLE (attempt_uid murallink.ksuid, operation text, params jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    due murallink.ksuid[];
    suspects murallink.ksuid[];
    astray murallink.ksuid[];
    left_over murallink.ksuid[];
    subject murallink.ksuid;
BEGIN
    -- Whoever holds payouts, or sets up the partner, waits for this, or this for him.
    LOCK TABLE murallink_private.payout_hold, murallink_private.partner IN SHARE MODE;
    IF murallink.payouts_state() <> 'on' OR EXISTS (
        SELECT FROM murallink_private.payout_hold h JOIN murallink_private.partner p ON p.uid = h.subject_uid
        WHERE p.name = claim_calls.partner) THEN
        RETURN;
    END IF;
    -- What is locked is updated in the same subtransaction: otherwise both would need a multixact, whose dead rows
    -- every later scan of the index has to visit.
    BEGIN
        due := ARRAY(
            SELECT q.subject_uid FROM murallink_private.partner_queue q
            WHERE q.partner = claim_calls.partner AND q.due_at > '-infinity' AND q.due_at <= moment
                AND (wanted IS NULL OR EXISTS (
                    SELECT FROM murallink_private.partner_task t WHERE t.uid = q.subject_uid AND t.operation = wanted))
            ORDER BY q.due_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED);
        -- These are not sent, so they are not among the most. Answers are not read meanwhile, so it is not all of them.
        suspects := ARRAY(
            SELECT q.subject_uid FROM murallink_private.partner_queue q
            WHERE q.partner = claim_calls.partner AND q.due_at = '-infinity' LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED);
        due := due || suspects;
        RETURN QUERY SELECT * FROM murallink.claim_subjects(due);
    EXCEPTION WHEN OTHERS THEN
        FOREACH subject IN ARRAY due LOOP
            BEGIN
                RETURN QUERY SELECT * FROM murallink.claim_subjects(ARRAY(
                    SELECT q.subject_uid FROM murallink_private.partner_queue q
                    WHERE q.subject_uid = subject AND q.due_at <= moment FOR NO KEY UPDATE SKIP LOCKED));
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            WHEN OTHERS THEN
                PERFORM murallink.queue_problem(subject, 'cannot be claimed: ' || SQLERRM);
            END;
        END LOOP;
    END;
    astray := ARRAY(SELECT murallink.astray(due));
    IF astray <> '{}' THEN
        BEGIN
            PERFORM murallink.reroute(astray);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END IF;
    -- What could not be claimed now must not be in the way of the others.
    left_over := ARRAY(
        SELECT q.subject_uid FROM murallink_private.partner_queue q
        WHERE q.subject_uid = ANY (due) AND q.due_at <= moment FOR NO KEY UPDATE SKIP LOCKED);
    IF left_over <> '{}' THEN
        UPDATE murallink_private.partner_queue q SET due_at = moment + '5 s', delayed_at = moment
        WHERE q.subject_uid = ANY (left_over);
        PERFORM murallink.queue_held(left_over, 'cannot be claimed');
    END IF;
    IF suspects <> '{}' THEN
        PERFORM murallink.apply_outcomes(suspects);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.claim_calls(text, integer, text) IS
'Takes what is due for a partner, at most so many, and writes an attempt for each. wanted: only tasks with this operation. It must be committed before the calls are made. One that cannot be claimed stops no other; one that is astray finds its way again.';

CREATE FUNCTION murallink.claim_subjects(subjects murallink.ksuid[])
RETURNS TABLE (attempt_uid murallink.ksuid, operation text, params jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH free_payout AS MATERIALIZED (
        SELECT p.uid FROM murallink.payout p JOIN murallink.payment y ON y.uid = p.payment_uid
        WHERE p.uid = ANY (subjects) AND p.status = 'ready' AND p.uid NOT IN (SELECT murallink.astray(subjects))
        FOR NO KEY UPDATE SKIP LOCKED
    ), payout AS (
        UPDATE murallink.payout p SET status = 'claimed', attempt = p.attempt + 1, reason = ''
        FROM free_payout f WHERE p.uid = f.uid
        RETURNING p.uid, p.partner, p.attempt, p.amount, p.card_uid
    ), free_card AS MATERIALIZED (
        SELECT c.uid FROM murallink_private.card c
        WHERE c.uid = ANY (subjects) AND c.status = 'ready' FOR NO KEY UPDATE SKIP LOCKED
    ), card AS (
        UPDATE murallink_private.card c SET status = 'claimed', attempt = c.attempt + 1, reason = ''
        FROM free_card f WHERE c.uid = f.uid
        RETURNING c.uid, c.partner, c.attempt, c.program, c.patient_uid
    ), free_task AS MATERIALIZED (
        SELECT t.uid FROM murallink_private.partner_task t
        WHERE t.uid = ANY (subjects) AND t.status = 'ready' FOR NO KEY UPDATE SKIP LOCKED
    ), task AS (
        UPDATE murallink_private.partner_task t
        SET status = 'claimed', attempt = t.attempt + 1, reason = '', waited = murallink.seconds_since(t.counted_from)
        FROM free_task f WHERE t.uid = f.uid
        RETURNING t.uid, t.partner, t.attempt, t.operation, t.params, t.subject_uid
    ), free_notice AS MATERIALIZED (
        SELECT n.uid FROM murallink_private.notice n
        WHERE n.uid = ANY (subjects) AND n.status = 'ready' AND NOT (n.kind = 'appointment' AND EXISTS (
            -- It may say the time before the last move, so it is to arrive first.
            SELECT FROM murallink_private.notice o
            WHERE o.kind = 'appointment' AND o.appointment_uid = n.appointment_uid AND o.channel = n.channel AND o.status = 'claimed'))
        FOR NO KEY UPDATE SKIP LOCKED
    ), message AS MATERIALIZED (
        SELECT f.uid, m.operation, m.params, m.problem FROM free_notice f, LATERAL murallink.notice_message(f.uid) m
    ), notice AS (
        UPDATE murallink_private.notice n SET status = CASE m.problem WHEN '' THEN 'claimed' ELSE 'cancelled' END::murallink.payout_status,
            attempt = n.attempt + (m.problem = '')::integer, reason = m.problem
        FROM message m WHERE n.uid = m.uid
        RETURNING n.uid, n.partner, n.attempt, m.operation, m.params, n.status
    ), call AS (
        SELECT p.uid, p.partner, p.attempt, 'load' AS operation, pg_catalog.jsonb_build_object(
            'program', c.program, 'proxy_key', c.proxy_key, 'amount', p.amount::numeric(16, 2)::text,
            'reference', p.uid::text) AS params
        FROM payout p JOIN murallink_private.card c ON c.uid = p.card_uid
        UNION ALL
        SELECT c.uid, c.partner, c.attempt, 'order',
            pg_catalog.jsonb_build_object('program', c.program) || murallink.card_person(c.patient_uid)
        FROM card c
        UNION ALL
        -- Whatever the profile was when it changed, what it is now is sent.
        SELECT t.uid, t.partner, t.attempt, t.operation, CASE WHEN c.uid IS NULL THEN t.params ELSE pg_catalog.jsonb_build_object(
            'program', c.program, 'proxy_key', c.proxy_key, 'person_id', c.person_id) || murallink.card_person(c.patient_uid) END
        FROM task t LEFT JOIN murallink_private.card c ON t.operation = 'profile' AND c.uid = t.subject_uid
        UNION ALL
        SELECT n.uid, n.partner, n.attempt, n.operation, n.params FROM notice n WHERE n.status = 'claimed'
    ), suspect AS (
        DELETE FROM murallink_private.partner_suspect s
        WHERE s.subject_uid = ANY (subjects) AND s.subject_uid IN (SELECT c.uid FROM call c) RETURNING s.subject_uid
    ), attempt AS (
        INSERT INTO murallink_private.partner_attempt (
            subject_uid, attempt, partner, operation, content_hash, revision, outcome, settled_at, reason)
        SELECT c.uid, c.attempt, c.partner, c.operation,
            pg_catalog.sha256(pg_catalog.convert_to(p.settings::text || (c.params - '{text,secret}'::text[])::text, 'UTF8')),
            p.revision, d.*
        FROM call c JOIN murallink_private.partner p ON p.name = c.partner LEFT JOIN suspect s ON s.subject_uid = c.uid
        LEFT JOIN (VALUES (
            'in_doubt', pg_catalog.clock_timestamp(), 'not sent: it may have been sent from where this was copied')) AS d
            ON s.subject_uid IS NOT NULL
        RETURNING uid, subject_uid, outcome
    )
    SELECT a.uid, c.operation, c.params FROM attempt a JOIN call c ON c.uid = a.subject_uid WHERE a.outcome IS NULL;
END
$$;
COMMENT ON FUNCTION murallink.claim_subjects(murallink.ksuid[]) IS
'Claims those of the cards, payouts, tasks and notices that are ready and locked by nobody, and returns what is to be sent of them: the attempt of a suspect ends in doubt at once, and a notice that has nothing to say any more is cancelled. The hash of a message leaves out its text, which a token could be guessed from.';

CREATE FUNCTION murallink.attempt_decides() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    ended CONSTANT text := (
        SELECT a.outcome FROM murallink_private.partner_attempt a WHERE a.subject_uid = NEW.uid AND a.attempt = OLD.attempt);
BEGIN
    IF ended = NEW.status::text
        OR ended = 'not_sent' AND NEW.status IN ('waiting', 'ready')
        -- Refused as signed out, or when it is sent again, it is looked for first.
        OR ended IN ('not_sent', 'declined') AND NEW.status = 'in_doubt'
        OR ended = 'in_doubt' AND NEW.status = 'ready' AND (pg_catalog.to_jsonb(NEW) ->> 'repeatable')::boolean
    THEN
        RETURN NEW;
    END IF;
    PERFORM murallink.raise('wrong_status', 'status');
END
$$;
COMMENT ON FUNCTION murallink.attempt_decides() IS
'Trigger: a card, payout or task that is being sent goes on as its attempt has ended, and not before: no statement has it sent a second time meanwhile, or invents its outcome. Errors: wrong_status.';

CREATE FUNCTION murallink.settle_calls(results jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    settled murallink.ksuid[];
BEGIN
    WITH attempt AS (
        UPDATE murallink_private.partner_attempt a
        SET settled_at = pg_catalog.clock_timestamp(), outcome = r.outcome, http_status = r.http_status, reason = r.reason,
            facts = r.facts, answer = r.answer::json
        FROM pg_catalog.jsonb_to_recordset(results) AS r(
            attempt_uid murallink.ksuid, outcome text, http_status integer, reason text, facts jsonb, answer text)
        WHERE a.uid = r.attempt_uid AND a.outcome IS NULL
        RETURNING a.subject_uid
    )
    SELECT pg_catalog.array_agg(subject_uid) INTO settled FROM attempt;
    PERFORM murallink.apply_outcomes(settled);
END
$$;
COMMENT ON FUNCTION murallink.settle_calls(jsonb) IS
'Writes what became of calls. results: an array of {attempt_uid, outcome, http_status, reason, facts, answer}, answer being JSON as text.';

CREATE FUNCTION murallink.apply_outcomes(subjects murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    subject murallink.ksuid;
BEGIN
    PERFORM murallink.apply_together(subjects);
    SET CONSTRAINTS ALL IMMEDIATE;
EXCEPTION WHEN OTHERS THEN
    FOREACH subject IN ARRAY subjects LOOP
        BEGIN
            PERFORM murallink.apply_together(ARRAY[subject]);
            SET CONSTRAINTS ALL IMMEDIATE;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        WHEN OTHERS THEN
            PERFORM murallink.queue_problem(subject, 'its outcome cannot be applied: ' || SQLERRM);
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink.apply_outcomes(murallink.ksuid[]) IS
'Brings cards, payouts, tasks and notices to the outcome of their last attempt. One that fails stops no other; its outcome is kept, and applied later.';

CREATE FUNCTION murallink.note_of_look_up() RETURNS text
LANGUAGE sql IMMUTABLE
RETURN 'looked up at the partner';
COMMENT ON FUNCTION murallink.note_of_look_up() IS
'The note of a payout or an unload that no person has decided: a look-up has shown it, or has not and had the payout sent again.';

CREATE FUNCTION murallink.apply_together(subjects murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    free_payouts murallink.ksuid[];
    unsent murallink.ksuid[];
    refused murallink.ksuid[];
BEGIN
    free_payouts := ARRAY(
        SELECT p.uid FROM murallink.payout p JOIN murallink.payment y ON y.uid = p.payment_uid
        WHERE p.uid = ANY (subjects) AND p.status = 'claimed' FOR NO KEY UPDATE SKIP LOCKED);
    -- What was not sent is routed again, because the route may have changed meanwhile.
    unsent := ARRAY(
        SELECT p.uid
        FROM murallink.payout p JOIN murallink_private.partner_attempt a ON a.subject_uid = p.uid AND a.attempt = p.attempt
        WHERE p.uid = ANY (free_payouts) AND a.outcome = 'not_sent');
    -- What was answered as signed out, or as too many calls, is looked for before it is sent again. What is refused when it
    -- is sent again, because a look-up did not show it, may be so since it was done the first time.
    refused := ARRAY(
        SELECT o.uid
        FROM murallink.payout o JOIN murallink_private.partner_attempt a ON a.subject_uid = o.uid AND a.attempt = o.attempt
        JOIN murallink_private.partner p ON p.name = o.partner
        WHERE o.uid = ANY (free_payouts) AND (p.settings ->> 'look_up')::boolean AND (
            a.outcome = 'not_sent' AND a.http_status IN (401, 429)
            OR a.outcome = 'declined' AND o.note = murallink.note_of_look_up()));
    UPDATE murallink.payout p
    SET status = CASE WHEN p.uid = ANY (refused) THEN 'in_doubt' WHEN p.uid = ANY (unsent) THEN 'waiting'
            ELSE murallink.status_after(a.outcome) END,
        reason = CASE a.outcome WHEN 'done' THEN '' ELSE a.reason END,
        reference = coalesce(a.facts ->> 'order_id', ''), due_at = murallink.due_after(a.outcome, a.attempt),
        settled_at = a.settled_at
    FROM murallink_private.partner_attempt a
    WHERE p.uid = ANY (free_payouts) AND a.subject_uid = p.uid AND a.attempt = p.attempt AND a.outcome IS NOT NULL;
    UPDATE murallink_private.card c
    SET status = murallink.status_after(a.outcome), reason = CASE a.outcome WHEN 'done' THEN '' ELSE a.reason END,
        proxy_key = coalesce(a.facts ->> 'proxy_key', ''), order_id = coalesce(a.facts ->> 'order_id', ''),
        person_id = coalesce(a.facts ->> 'person_id', ''), due_at = murallink.due_after(a.outcome, a.attempt),
        settled_at = a.settled_at
    FROM murallink_private.partner_attempt a
    WHERE c.uid = ANY (ARRAY(
            SELECT f.uid FROM murallink_private.card f
            WHERE f.uid = ANY (subjects) AND f.status = 'claimed' FOR NO KEY UPDATE SKIP LOCKED))
        AND a.subject_uid = c.uid AND a.attempt = c.attempt AND a.outcome IS NOT NULL;
    UPDATE murallink_private.partner_task t
    SET status = murallink.status_after(a.outcome), reason = CASE a.outcome WHEN 'done' THEN '' ELSE a.reason END,
        facts = a.facts, due_at = murallink.due_after(a.outcome, a.attempt), settled_at = a.settled_at
    FROM (
        SELECT r.uid, r.attempt, o.facts, o.reason, o.settled_at,
            CASE WHEN r.repeatable AND o.outcome = 'in_doubt' THEN 'not_sent' ELSE o.outcome END AS outcome
        FROM murallink_private.partner_task r
        JOIN murallink_private.partner_attempt o ON o.subject_uid = r.uid AND o.attempt = r.attempt
        WHERE r.uid = ANY (subjects) AND r.status = 'claimed' AND o.outcome IS NOT NULL FOR NO KEY UPDATE OF r SKIP LOCKED) a
    WHERE t.uid = a.uid;
    UPDATE murallink_private.notice n
    SET status = CASE WHEN a.resend_after IS NOT NULL THEN 'ready' ELSE murallink.status_after(a.outcome) END,
        reason = CASE a.outcome WHEN 'done' THEN '' ELSE a.reason END,
        due_at = coalesce(a.settled_at + a.resend_after * interval '1 s', murallink.due_after(a.outcome, a.attempt)),
        settled_at = a.settled_at
    FROM (
        SELECT f.uid, f.attempt, o.outcome, o.reason, o.settled_at,
            CASE o.outcome WHEN 'in_doubt' THEN (p.settings ->> 'resend_after')::double precision END AS resend_after
        FROM murallink_private.notice f
        JOIN murallink_private.partner_attempt o ON o.subject_uid = f.uid AND o.attempt = f.attempt
        JOIN murallink_private.partner p ON p.name = f.partner
        WHERE f.uid = ANY (subjects) AND f.status = 'claimed' AND o.outcome IS NOT NULL FOR NO KEY UPDATE OF f SKIP LOCKED) a
    WHERE n.uid = a.uid;
END
$$;
COMMENT ON FUNCTION murallink.apply_together(murallink.ksuid[]) IS
'Applies outcomes to those cards, payouts, tasks and notices that are claimed and locked by nobody: an answer to an earlier attempt changes nothing. A task that changes nothing at the partner is asked again where the outcome is in doubt, a message after the time that the setting resend_after says.';

CREATE FUNCTION murallink.status_after(outcome text) RETURNS murallink.payout_status
LANGUAGE sql IMMUTABLE STRICT
RETURN CASE outcome WHEN 'not_sent' THEN 'ready' ELSE outcome END::murallink.payout_status;
COMMENT ON FUNCTION murallink.status_after(text) IS 'The status of a card, payout or task after an attempt with that outcome.';

CREATE FUNCTION murallink.due_after(outcome text, attempt integer) RETURNS timestamptz
LANGUAGE sql VOLATILE STRICT
RETURN pg_catalog.clock_timestamp() + CASE outcome WHEN 'not_sent' THEN
    LEAST(300, 2 ^ LEAST(attempt - 1, 10)) * (0.5 + pg_catalog.random()) * interval '1 s' ELSE interval '0' END;
COMMENT ON FUNCTION murallink.due_after(text, integer) IS
'When to send again what was not sent: after a second, then after twice as long each time up to five minutes, with half of it more or less by chance.';

CREATE FUNCTION murallink.recover_calls(mail boolean DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    claimed CONSTANT murallink.ksuid[] := ARRAY(
        SELECT q.subject_uid FROM murallink_private.partner_queue q
        WHERE q.due_at = 'infinity' AND (mail IS NULL OR murallink.partner_by_mail(q.partner) = mail));
    doubtful integer;
BEGIN
    UPDATE murallink_private.partner_attempt a
    SET settled_at = pg_catalog.clock_timestamp(), outcome = 'in_doubt', reason = 'the worker ended while the call was under way'
    WHERE a.subject_uid = ANY (claimed) AND a.outcome IS NULL;
    GET DIAGNOSTICS doubtful = ROW_COUNT;
    PERFORM murallink.apply_outcomes(claimed);
    RETURN doubtful;
END
$$;
COMMENT ON FUNCTION murallink.recover_calls(boolean) IS
'Puts in doubt what an earlier worker had under way when it ended, and returns how many calls that were. Only for a worker before its first claim. mail: true: of the partners that are sent mail, false: of all others; null: of all.';

CREATE FUNCTION murallink.apply_late(look boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    most CONSTANT integer := 200;
    late CONSTANT murallink.ksuid[] := ARRAY(
        SELECT q.subject_uid
        FROM murallink_private.partner p JOIN murallink_private.partner_queue q ON q.partner = p.name AND q.due_at = 'infinity'
        WHERE NOT EXISTS (
            SELECT FROM murallink_private.partner_attempt a WHERE a.subject_uid = q.subject_uid AND a.outcome IS NULL)
        ORDER BY pg_catalog.random() LIMIT most);
BEGIN
    PERFORM murallink.reroute_late();
    PERFORM murallink.apply_outcomes(late);
    IF look THEN
        PERFORM murallink.queue_held(ARRAY(
            SELECT q.subject_uid
            FROM murallink_private.partner p JOIN murallink_private.partner_queue q ON q.partner = p.name AND q.due_at = 'infinity'
            WHERE NOT EXISTS (
                SELECT FROM murallink_private.partner_attempt a WHERE a.subject_uid = q.subject_uid AND a.outcome IS NULL)),
            'its outcome cannot be applied');
    END IF;
    RETURN pg_catalog.cardinality(late) = most AND (
        SELECT pg_catalog.count(*) < most FROM murallink_private.partner_queue q
        WHERE q.subject_uid = ANY (late) AND q.due_at = 'infinity');
END
$$;
COMMENT ON FUNCTION murallink.apply_late(boolean) IS
'Applies some of the outcomes that could not be applied when they were written: not all, for answers are not read meanwhile. look: true every five seconds, where what is still held by others is noted. Returns whether there may be more that can be.';

CREATE FUNCTION murallink.prepared_writers() RETURNS TABLE (gid text)
LANGUAGE sql VOLATILE AS $$
    SELECT x.gid FROM pg_catalog.pg_prepared_xacts x
    WHERE x.database = pg_catalog.current_database() AND EXISTS (
        SELECT FROM pg_catalog.pg_locks own JOIN pg_catalog.pg_locks l USING (virtualtransaction)
        JOIN pg_catalog.pg_class c ON c.oid = l.relation
        WHERE own.locktype = 'transactionid' AND own.transactionid = x.transaction AND own.pid IS NULL
            AND l.locktype = 'relation' AND l.pid IS NULL AND l.mode = 'RowExclusiveLock'
            AND c.relnamespace IN ('murallink'::pg_catalog.regnamespace, 'murallink_private'::pg_catalog.regnamespace))
    ORDER BY x.prepared
$$;
COMMENT ON FUNCTION murallink.prepared_writers() IS
'The names of the prepared transactions that have written to murallink''s tables, the oldest first.';

CREATE FUNCTION murallink.enable_payouts(look_first boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here CONSTANT text := murallink.payout_place();
    earlier text;
BEGIN
    SELECT s.place INTO earlier FROM murallink_private.payout_switch s FOR NO KEY UPDATE;
    IF earlier <> here THEN
        IF look_first THEN
            -- What one of these has approved may have been committed, and sent, from there, and cannot be seen here yet.
            PERFORM murallink.raise('blocked', pg_catalog.format('prepared transaction %L', p.gid)) FROM murallink.prepared_writers() p LIMIT 1;
        END IF;
        PERFORM murallink.recover_calls();
        PERFORM murallink.suspect_calls();
    END IF;
    IF NOT murallink.required(look_first, 'look_first') THEN
        PERFORM murallink.trust_calls();
    END IF;
    UPDATE murallink_private.payout_switch s SET enabled = true, place = here;
    PERFORM murallink.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.enable_payouts(boolean) IS
'Lets the worker pay out in this database of this server, and in no copy of it. Nothing else may be paying out for it any more. look_first: where payouts were enabled elsewhere before, payouts that are open now may have been sent from there since the copy was made, so they are put in doubt, and looked up, instead of being sent; false: surely nothing was sent meanwhile. What was approved there and is not known here cannot be looked for: see reconcile_funding. For operators. Errors: missing_field, blocked (a prepared transaction that came with the copy is to be committed or rolled back before).';
