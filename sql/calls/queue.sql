-- The queue: enters what is ready, and keeps why something cannot go on.

CREATE FUNCTION murallink.partner_enqueue() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    due timestamptz := NEW.due_at;
    settled timestamptz;
BEGIN
    IF NEW.status = 'ready' THEN
        IF due > moment THEN
            -- Where the clock was set back since the last attempt, it waits for as long as it would have.
            SELECT a.settled_at INTO settled FROM murallink_private.partner_attempt a
            WHERE a.subject_uid = NEW.uid AND a.attempt = NEW.attempt AND a.settled_at > moment;
            due := coalesce(moment + (due - settled), due);
        END IF;
        INSERT INTO murallink_private.partner_queue (subject_uid, resource, partner, due_at, delayed_at)
        VALUES (NEW.uid, TG_TABLE_NAME, NEW.partner,
            CASE WHEN EXISTS (SELECT FROM murallink_private.partner_suspect s WHERE s.subject_uid = NEW.uid) THEN '-infinity'
                ELSE due END,
            CASE WHEN TG_TABLE_NAME <> 'notice' OR NEW.attempt > 0 OR NEW.due_at <= moment THEN moment END)
        ON CONFLICT (subject_uid) DO UPDATE
        SET partner = EXCLUDED.partner, due_at = EXCLUDED.due_at, delayed_at = EXCLUDED.delayed_at, problem = '', looks = 0;
    ELSIF NEW.status = 'claimed' THEN
        UPDATE murallink_private.partner_queue SET due_at = 'infinity', problem = '', looks = 0 WHERE subject_uid = NEW.uid;
    ELSIF TG_OP = 'UPDATE' THEN
        DELETE FROM murallink_private.partner_queue WHERE subject_uid = NEW.uid;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.partner_enqueue() IS 'Trigger: keeps the queue in step with the status of cards, payouts, tasks and notices.';

CREATE FUNCTION murallink.queue_problem(subject murallink.ksuid, problem text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.partner_queue q SET problem = queue_problem.problem, problem_at = pg_catalog.clock_timestamp()
    WHERE q.subject_uid IN (
        SELECT k.subject_uid FROM murallink_private.partner_queue k
        WHERE k.subject_uid = subject AND k.problem <> queue_problem.problem FOR NO KEY UPDATE SKIP LOCKED);
    IF FOUND THEN
        RAISE WARNING 'murallink: %: %', subject, queue_problem.problem USING HINT = 'It is tried again by itself. See murallink.needs_person.';
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.queue_problem(murallink.ksuid, text) IS
'Keeps, for needs_person, why a card, payout, task or notice cannot go on; a problem is logged when it is new.';

CREATE FUNCTION murallink.queue_set_back() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
BEGIN
    UPDATE murallink_private.partner_queue q SET due_at = moment + (q.due_at - q.delayed_at), delayed_at = moment
    WHERE q.subject_uid IN (
        SELECT k.subject_uid FROM murallink_private.partner_queue k
        WHERE k.delayed_at > moment AND pg_catalog.isfinite(k.due_at) FOR NO KEY UPDATE SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION murallink.queue_set_back() IS
'After the clock was set back: what was put off until a time that is further away than it was then is put off from now on, by as much. For the worker.';

CREATE FUNCTION murallink.brake_holders(OUT pid integer, OUT virtualtransaction text) RETURNS SETOF record
LANGUAGE sql VOLATILE AS $$
    SELECT l.pid, l.virtualtransaction
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
    WHERE l.locktype = 'relation' AND l.granted AND d.datname = pg_catalog.current_database() AND l.mode <> 'AccessShareLock' AND (
        l.relation IN ('murallink_private.partner'::pg_catalog.regclass, 'murallink_private.payout_hold'::pg_catalog.regclass)
            AND l.mode NOT IN ('RowShareLock', 'ShareLock')
        OR l.relation = 'murallink_private.payout_switch'::pg_catalog.regclass AND l.mode IN ('ExclusiveLock', 'AccessExclusiveLock'))
$$;
COMMENT ON FUNCTION murallink.brake_holders() IS
'Whose transactions hold payouts, set up a partner or switch payouts off, and have not ended: until then nothing is claimed. pid: null where one was prepared.';

CREATE FUNCTION murallink.holders(subject murallink.ksuid) RETURNS text
LANGUAGE sql VOLATILE AS $$
    WITH the_payout AS (
        SELECT o.uid, o.payment_uid, o.xmax AS locker FROM murallink.payout o
        WHERE o.uid IN (subject, (SELECT t.subject_uid FROM murallink_private.partner_task t WHERE t.uid = subject))
    ), locker AS (
        SELECT p.locker FROM the_payout p
        UNION ALL SELECT y.xmax FROM the_payout p JOIN murallink.payment y ON y.uid = p.payment_uid
        UNION ALL SELECT c.xmax FROM murallink_private.card c WHERE c.uid = subject
        UNION ALL SELECT t.xmax FROM murallink_private.partner_task t WHERE t.uid = subject
        UNION ALL SELECT n.xmax FROM murallink_private.notice n WHERE n.uid = subject
    ), held AS (
        SELECT l.pid, l.virtualtransaction
        FROM locker k JOIN pg_catalog.pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = k.locker AND l.granted
        UNION
        SELECT * FROM murallink.brake_holders()
    )
    SELECT coalesce(pg_catalog.string_agg(DISTINCT CASE
            WHEN h.pid IS NOT NULL THEN pg_catalog.format('process %s', h.pid)
            ELSE pg_catalog.format('the prepared transaction %L', x.gid) END, ', '), 'another transaction')
    FROM held h
        LEFT JOIN pg_catalog.pg_locks o ON h.pid IS NULL AND o.pid IS NULL AND o.locktype = 'transactionid'
            AND o.virtualtransaction = h.virtualtransaction
        LEFT JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = o.transactionid
    WHERE h.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
$$;
COMMENT ON FUNCTION murallink.holders(murallink.ksuid) IS
'Who holds a card, payout, task or notice, in words: processes by their pid, prepared transactions by their name.';

CREATE FUNCTION murallink.queue_held(subjects murallink.ksuid[], problem text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    subject murallink.ksuid;
BEGIN
    UPDATE murallink_private.partner_queue q SET looks = q.looks + 1 WHERE q.subject_uid = ANY (subjects) AND q.looks < 12;
    FOR subject IN
        SELECT q.subject_uid FROM murallink_private.partner_queue q
        WHERE q.subject_uid = ANY (subjects) AND q.looks >= 12 AND (
            q.problem = '' OR pg_catalog.starts_with(q.problem, queue_held.problem || ': held by '))
        ORDER BY q.subject_uid LIMIT 100
    LOOP
        PERFORM murallink.queue_problem(subject, queue_held.problem || ': held by ' || murallink.holders(subject));
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink.queue_held(murallink.ksuid[], text) IS
'Takes note that somebody else holds these; after a minute, that is twelve looks, of who does, for needs_person. problem: what they hold up.';

CREATE FUNCTION murallink.queue_locked(locked boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    prefix CONSTANT text := 'cannot be claimed: held by ';
    subject murallink.ksuid;
BEGIN
    IF NOT locked THEN
        UPDATE murallink_private.partner_queue q SET problem = '' WHERE q.subject_uid IN (
            SELECT k.subject_uid FROM murallink_private.partner_queue k
            WHERE k.problem <> '' AND pg_catalog.starts_with(k.problem, prefix) FOR NO KEY UPDATE SKIP LOCKED);
        RETURN;
    END IF;
    -- A few: who ends what holds them lets all go on.
    FOR subject IN
        SELECT q.subject_uid FROM murallink_private.partner_queue q
        WHERE q.due_at <= pg_catalog.clock_timestamp() AND (q.problem = '' OR pg_catalog.starts_with(q.problem, prefix)) LIMIT 10
    LOOP
        PERFORM murallink.queue_problem(subject, prefix || murallink.holders(subject));
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink.queue_locked(boolean) IS
'Keeps, for needs_person, who keeps everything from being claimed, at some of what is due. locked: false: nobody does any more. For the worker.';

CREATE FUNCTION murallink.suspect_calls() RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO murallink_private.partner_suspect (subject_uid)
    SELECT p.uid FROM murallink.payout p WHERE p.status NOT IN ('done', 'cancelled')
    UNION ALL
    SELECT c.uid FROM murallink_private.card c WHERE c.status IN ('waiting', 'ready', 'claimed')
    UNION ALL
    SELECT t.uid FROM murallink_private.partner_task t WHERE t.status IN ('ready', 'claimed') AND NOT t.repeatable
    UNION ALL
    SELECT n.uid FROM murallink_private.notice n
    WHERE n.status = 'claimed' OR n.status = 'ready' AND n.due_at <= pg_catalog.clock_timestamp()
    ON CONFLICT DO NOTHING;
    UPDATE murallink_private.partner_queue q SET due_at = '-infinity'
    FROM murallink_private.partner_suspect s WHERE s.subject_uid = q.subject_uid AND q.due_at <> 'infinity';
$$;
COMMENT ON FUNCTION murallink.suspect_calls() IS
'Has all that another server may have sent put in doubt instead of being sent here: at once what is ready, and the rest when it would be. Orders of cards and tasks that were declined or are in doubt are left out: a person asks the partner before they go on.';

CREATE FUNCTION murallink.trust_calls() RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM murallink_private.partner_suspect;
    UPDATE murallink_private.partner_queue SET due_at = pg_catalog.clock_timestamp(), delayed_at = pg_catalog.clock_timestamp()
    WHERE due_at = '-infinity';
$$;
COMMENT ON FUNCTION murallink.trust_calls() IS 'Has what suspect_calls() found sent after all, as far as it has not been put in doubt.';

CREATE FUNCTION murallink.suspect_kept() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM murallink_private.partner_suspect s WHERE s.subject_uid = NEW.uid) THEN
        PERFORM murallink.raise('wrong_status', 'payment_uid');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.suspect_kept() IS
'Trigger: what another server may have paid is not cancelled before it was looked up. Errors: wrong_status.';
