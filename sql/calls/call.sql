-- Calls to partners, from the moment they are due until they are decided.

CREATE TYPE murallink.payout_status AS ENUM ('waiting', 'ready', 'claimed', 'done', 'declined', 'in_doubt', 'cancelled');
COMMENT ON TYPE murallink.payout_status IS
'waiting: for what the reason says; ready: to be sent; claimed: being sent; done; declined: certainly not done; in_doubt: sent, outcome unknown; cancelled.';

CREATE FUNCTION murallink_private.call_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM murallink_private.raise('append_only', 'call');
    ELSIF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'ready' OR NEW.attempt <> 0 OR NEW.claimed_at IS NOT NULL OR NEW.outcome IS NOT NULL THEN
            PERFORM murallink_private.raise('guarded', 'call');
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.operation IN ('load', 'pay') AND NEW.status <> OLD.status
        AND (OLD.status IN ('declined', 'in_doubt', 'cancelled') OR NEW.status = 'declined') THEN
        PERFORM murallink_private.load_step(NEW.uid, OLD.status, NEW.status);
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('waiting', 'ready'), ('waiting', 'cancelled'), ('ready', 'waiting'), ('ready', 'claimed'), ('ready', 'cancelled'), ('ready', 'declined'),
        ('claimed', 'ready'), ('claimed', 'waiting'), ('claimed', 'done'), ('claimed', 'declined'), ('claimed', 'in_doubt'),
        ('declined', 'ready'), ('declined', 'waiting'), ('declined', 'done'), ('declined', 'cancelled'),
        ('in_doubt', 'ready'), ('in_doubt', 'waiting'), ('in_doubt', 'done'), ('in_doubt', 'declined'), ('in_doubt', 'cancelled'),
        ('cancelled', 'ready'), ('done', 'ready'), ('done', 'declined'))
        OR OLD.status = 'done' AND NEW.status = 'declined' AND NEW.operation <> 'pay'
        OR OLD.status = 'done' AND NEW.status = 'ready' AND NOT NEW.repeatable
        -- Only a person, who writes the note, may correct this.
        OR OLD.status = 'declined' AND NEW.status = 'done' AND NEW.note = ''
        -- Only the outcome of the attempt ends it, so that no statement sends it a second time.
        OR OLD.status = 'claimed' AND NEW.status <> 'claimed' AND NOT coalesce(CASE NEW.status
            WHEN 'done' THEN NEW.outcome = 'done' OR NEW.outcome = 'declined' AND NEW.repeatable
            WHEN 'declined' THEN NEW.outcome = 'declined'
            WHEN 'in_doubt' THEN NEW.outcome IS NOT NULL
            ELSE NEW.outcome = 'not_sent' OR NEW.outcome IN ('declined', 'in_doubt') AND NEW.repeatable
                OR NEW.outcome = 'in_doubt' AND NEW.resource = 'notice'
            END, false)
    THEN
        PERFORM murallink_private.raise('wrong_status', 'status');
    END IF;
    IF NEW.attempt - OLD.attempt <> (NEW.status = 'claimed' AND OLD.status <> 'claimed')::integer
        OR NEW.attempt = OLD.attempt AND (
            (NEW.claimed_at, NEW.content_hash, NEW.revision) IS DISTINCT FROM (OLD.claimed_at, OLD.content_hash, OLD.revision)
            OR OLD.status <> 'claimed' AND (NEW.outcome, NEW.settled_at, NEW.http_status, NEW.answer::text)
                IS DISTINCT FROM (OLD.outcome, OLD.settled_at, OLD.http_status, OLD.answer::text))
        OR (NEW.uid, NEW.resource, NEW.subject_uid, NEW.subject_attempt, NEW.repeatable, NEW.created_at, NEW.requested_by)
            IS DISTINCT FROM (OLD.uid, OLD.resource, OLD.subject_uid, OLD.subject_attempt, OLD.repeatable, OLD.created_at, OLD.requested_by)
        OR (NEW.partner, NEW.operation) <> (OLD.partner, OLD.operation) AND NEW.status <> 'waiting'
        -- A payout that waits may be paid in another way.
        OR NEW.operation <> OLD.operation AND (NEW.resource <> 'payout' OR NEW.subject_uid <> NEW.uid)
        -- The amount, the card and the reference of an unload, and what a look-up asks.
        OR NEW.resource IN ('payout', 'call', 'card') AND NEW.params IS DISTINCT FROM OLD.params
    THEN
        PERFORM murallink_private.raise('append_only', 'call');
    END IF;
    IF OLD.outcome IS NOT NULL AND (NEW.attempt > OLD.attempt OR (NEW.reason, NEW.facts) IS DISTINCT FROM (OLD.reason, OLD.facts)) THEN
        INSERT INTO murallink_private.call_attempt (
            call_uid, attempt, content_hash, revision, claimed_at, settled_at, outcome, http_status, reason, facts, answer)
        VALUES (OLD.uid, OLD.attempt, OLD.content_hash, OLD.revision, OLD.claimed_at, OLD.settled_at, OLD.outcome, OLD.http_status,
            OLD.reason, OLD.facts, OLD.answer)
        ON CONFLICT (call_uid, attempt) DO NOTHING;
    END IF;
    IF NEW.status IN ('declined', 'cancelled') THEN
        NEW.once := NULL;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.call_step() IS
'Trigger: checks the rules of calls. A new call has neither attempts nor an outcome, and no call is deleted. The status changes only in allowed steps; a claimed call ends only with the outcome of its attempt. Each claim is the next attempt. The ending of an attempt is copied to call_attempt before the next attempt or a decision replaces it. Nothing else that was recorded changes. Errors: guarded, wrong_status, append_only.';

CREATE TYPE murallink.call_state AS (
    uid murallink.ksuid, partner text, resource text, subject_uid murallink.ksuid, subject_attempt integer, operation text, params jsonb,
    repeatable boolean, suspect boolean, status murallink.payout_status, due_at timestamptz, attempt integer, content_hash bytea,
    revision integer, claimed_at timestamptz, counted_from murallink.server_moment, waited double precision, settled_at timestamptz,
    outcome text, http_status integer, reason text, facts jsonb, answer json, note text);
COMMENT ON TYPE murallink.call_state IS 'A call, with the columns of murallink_private.call.';

CREATE FUNCTION murallink_private.call_insert(made murallink.call_state, once text DEFAULT NULL) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    inserted murallink.ksuid;
BEGIN
    INSERT INTO murallink_private.call AS c (
        uid, partner, resource, subject_uid, operation, params, repeatable, once, due_at, delayed_at, subject_attempt, counted_from,
        suspect)
    VALUES (made.uid, made.partner, made.resource, made.subject_uid, made.operation, made.params, coalesce(made.repeatable, false),
        call_insert.once, coalesce(made.due_at, moment),
        CASE WHEN made.operation = 'message' AND made.due_at > moment THEN NULL ELSE moment END,
        made.subject_attempt, made.counted_from, coalesce(made.suspect, false))
    ON CONFLICT ON CONSTRAINT call_once_key DO NOTHING
    RETURNING c.uid INTO inserted;
    PERFORM murallink_private.worker_wake();
    RETURN inserted;
END
$$;
COMMENT ON FUNCTION murallink_private.call_insert(murallink.call_state, text) IS
'Inserts a new call, which the worker sends after the commit, and returns its uid. made: uid to suspect and due_at count; a null due_at is now. once: a key that only one call at a time may have; null: none. Returns null if there is a call with that key.';

CREATE FUNCTION murallink_private.call_make(
    partner text, resource text, subject_uid murallink.ksuid, operation text, params jsonb, repeatable boolean,
    once text DEFAULT NULL, due_at timestamptz DEFAULT NULL, suspect boolean DEFAULT false
) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.call_state;
BEGIN
    made.uid := murallink.gen_ksuid();
    made.suspect := call_make.suspect;
    made.partner := call_make.partner;
    made.resource := call_make.resource;
    made.subject_uid := call_make.subject_uid;
    made.operation := call_make.operation;
    made.params := call_make.params;
    made.repeatable := call_make.repeatable;
    made.due_at := call_make.due_at;
    RETURN murallink_private.call_insert(made, once);
END
$$;
COMMENT ON FUNCTION murallink_private.call_make(text, text, murallink.ksuid, text, jsonb, boolean, text, timestamptz, boolean) IS
'Makes a call about a subject. The arguments are columns of call; due_at: null: now. Returns the call, or null if there is one with the key once.';

CREATE FUNCTION murallink_private.call_make_own(
    partner text, resource text, uid murallink.ksuid, operation text, suspect boolean DEFAULT false, due_at timestamptz DEFAULT NULL
) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.call_state;
BEGIN
    made.uid := call_make_own.uid;
    made.partner := call_make_own.partner;
    made.resource := call_make_own.resource;
    made.subject_uid := call_make_own.uid;
    made.operation := call_make_own.operation;
    made.suspect := call_make_own.suspect;
    made.due_at := call_make_own.due_at;
    RETURN murallink_private.call_insert(made);
END
$$;
COMMENT ON FUNCTION murallink_private.call_make_own(text, text, murallink.ksuid, text, boolean, timestamptz) IS
'Makes the call of a payout, a card or a notice, which has its uid. The arguments are columns of call; due_at: null: now. Returns the call.';

CREATE FUNCTION murallink_private.call_look_up(
    call_uid murallink.ksuid, partner text, resource text, operation text, params jsonb
) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.call_state;
BEGIN
    made.uid := murallink.gen_ksuid();
    made.partner := call_look_up.partner;
    made.resource := call_look_up.resource;
    made.subject_uid := call_uid;
    made.subject_attempt := (SELECT c.attempt FROM murallink_private.call c WHERE c.uid = call_uid);
    made.operation := call_look_up.operation;
    made.params := call_look_up.params;
    made.repeatable := true;
    made.counted_from := murallink_private.server_moment();
    made.due_at := pg_catalog.clock_timestamp() + interval '1 s';
    RETURN murallink_private.call_insert(made);
END
$$;
COMMENT ON FUNCTION murallink_private.call_look_up(murallink.ksuid, text, text, text, jsonb) IS
'Makes a call that asks the partner, in a second, whether the last attempt of another call was carried out. call_uid: of that call; the other arguments are columns of call. Returns the new call.';

CREATE FUNCTION murallink_private.call_again(
    calls murallink.ksuid[], due_at timestamptz DEFAULT pg_catalog.clock_timestamp(), counted_from murallink.server_moment DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.call c
    SET status = 'ready', due_at = call_again.due_at, delayed_at = pg_catalog.clock_timestamp(),
        counted_from = coalesce(call_again.counted_from, c.counted_from), problem = '', looks = 0
    WHERE c.uid = ANY (calls);
    PERFORM murallink_private.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink_private.call_again(murallink.ksuid[], timestamptz, murallink.server_moment) IS
'Makes calls ready to be sent, also again. due_at: not before then; counted_from: since when a look-up counts its settling time; null: unchanged. Errors: wrong_status: one is being sent, or may not be sent.';

CREATE FUNCTION murallink_private.call_resume(call_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.call_again(ARRAY[c.uid], LEAST(GREATEST(
        -- If the clock was set back since, keep the remaining delay.
        CASE WHEN c.delayed_at > m.moment THEN m.moment + (c.due_at - c.delayed_at) ELSE c.due_at END, m.moment), m.moment + '450 s'))
    FROM murallink_private.call c, (SELECT pg_catalog.clock_timestamp() AS moment) m WHERE c.uid = call_uid
$$;
COMMENT ON FUNCTION murallink_private.call_resume(murallink.ksuid) IS
'Sends a call again that was stopped, but not before it was due. Errors: wrong_status.';

CREATE FUNCTION murallink_private.call_kinds(calls murallink.ksuid[])
RETURNS TABLE (uid murallink.ksuid, asks text, judges text, follows text)
LANGUAGE sql STABLE ROWS 10 AS $$
    SELECT c.uid, k.asks, k.judges, k.follows
    FROM murallink_private.call c LEFT JOIN LATERAL (
        SELECT * FROM murallink_private.call_kind k
        WHERE k.resource OPERATOR(pg_catalog.=) c.resource AND k.partner OPERATOR(pg_catalog.=) ANY (ARRAY['', c.partner])
            AND k.operation OPERATOR(pg_catalog.=) ANY (ARRAY['', c.operation])
        ORDER BY k.operation OPERATOR(pg_catalog.<>) '' DESC, k.partner OPERATOR(pg_catalog.<>) '' DESC LIMIT 1) k ON true
    WHERE c.uid OPERATOR(pg_catalog.=) ANY (calls)
$$;
COMMENT ON FUNCTION murallink_private.call_kinds(murallink.ksuid[]) IS
'The functions of call_kind for these calls; null if there are none.';

CREATE FUNCTION murallink_private.calls(calls murallink.ksuid[]) RETURNS SETOF murallink.call_state
LANGUAGE sql STABLE ROWS 10 AS $$
    SELECT c.uid, c.partner, c.resource, c.subject_uid, c.subject_attempt, c.operation, c.params, c.repeatable, c.suspect,
        c.status, c.due_at, c.attempt, c.content_hash, c.revision, c.claimed_at,
        c.counted_from, c.waited, c.settled_at, c.outcome, c.http_status, c.reason, c.facts, c.answer, c.note
    FROM murallink_private.call c WHERE c.uid OPERATOR(pg_catalog.=) ANY (calls)
$$;
COMMENT ON FUNCTION murallink_private.calls(murallink.ksuid[]) IS 'The rows of these calls.';

CREATE FUNCTION murallink_private.status_after(outcome text) RETURNS murallink.payout_status
LANGUAGE sql IMMUTABLE
RETURN CASE outcome WHEN 'not_sent' THEN 'ready' ELSE outcome END::murallink.payout_status;
COMMENT ON FUNCTION murallink_private.status_after(text) IS 'The status of a call after an attempt with this outcome.';

CREATE FUNCTION murallink_private.due_after(outcome text, attempt integer) RETURNS timestamptz
LANGUAGE sql VOLATILE
RETURN pg_catalog.clock_timestamp() + CASE outcome WHEN 'not_sent' THEN
    LEAST(300, 2 ^ LEAST(attempt - 1, 10)) * (0.5 + pg_catalog.random()) * interval '1 s' ELSE interval '0' END;
COMMENT ON FUNCTION murallink_private.due_after(text, integer) IS
'When to send a call again after this attempt. If the outcome is not_sent: after 1 s, doubled with each attempt up to 5 min, plus or minus a random part of up to a half; else now.';

CREATE FUNCTION murallink_private.claim_calls(partner text, most integer, since timestamptz DEFAULT '-infinity', wanted text DEFAULT NULL)
RETURNS TABLE (call_uid murallink.ksuid, attempt integer, operation text, params jsonb, due_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    due murallink.ksuid[] := '{}';
    suspects murallink.ksuid[];
    left_over murallink.ksuid[];
    one murallink.ksuid;
BEGIN
    -- Serializes with transactions that hold payouts or configure the partner.
    LOCK TABLE murallink_private.payout_hold, murallink_private.partner IN SHARE MODE;
    IF murallink_private.payouts_state() <> 'on' OR EXISTS (
        SELECT FROM murallink_private.payout_hold h JOIN murallink_private.partner p ON p.uid = h.subject_uid
        WHERE p.name = claim_calls.partner) THEN
        RETURN;
    END IF;
    -- Lock and update the rows in one subtransaction. Two would make a multixact, whose dead rows every later
    -- index scan has to visit.
    BEGIN
        due := ARRAY(
            SELECT c.uid FROM murallink_private.call c
            WHERE c.partner = claim_calls.partner AND c.open AND c.status = 'ready' AND NOT c.suspect
                AND c.due_at >= claim_calls.since AND c.due_at <= moment AND (wanted IS NULL OR c.operation = wanted)
            ORDER BY c.due_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED);
        RETURN QUERY SELECT * FROM murallink_private.call_claim(due);
    EXCEPTION WHEN OTHERS THEN
        IF due = '{}' THEN
            RAISE;
        END IF;
        FOREACH one IN ARRAY due LOOP
            BEGIN
                RETURN QUERY SELECT * FROM murallink_private.call_claim(ARRAY(
                    SELECT c.uid FROM murallink_private.call c
                    WHERE c.uid = one AND c.status = 'ready' AND c.due_at <= moment FOR NO KEY UPDATE SKIP LOCKED));
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            WHEN OTHERS THEN
                PERFORM murallink_private.call_problem(one, 'cannot be claimed: ' || SQLERRM);
            END;
        END LOOP;
    END;
    -- These are not sent, so they do not count towards most. At most 100, because the worker reads no answers
    -- meanwhile.
    BEGIN
        suspects := ARRAY(
            SELECT c.uid FROM murallink_private.call c
            WHERE c.partner = claim_calls.partner AND c.suspect AND c.status = 'ready' AND c.due_at <= moment
            LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED);
        IF suspects <> '{}' THEN
            due := due || suspects;
            PERFORM murallink_private.call_doubt(suspects);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        PERFORM murallink_private.call_problem(u, 'cannot be claimed: ' || SQLERRM) FROM pg_catalog.unnest(suspects) AS u;
    END;
    -- Delay the calls that could not be claimed, so that they do not block the others.
    left_over := ARRAY(
        SELECT c.uid FROM murallink_private.call c
        WHERE c.uid = ANY (due) AND c.status = 'ready' AND c.due_at <= moment FOR NO KEY UPDATE SKIP LOCKED);
    IF left_over <> '{}' THEN
        UPDATE murallink_private.call c SET due_at = moment + '5 s', delayed_at = moment WHERE c.uid = ANY (left_over);
        PERFORM murallink_private.calls_held(left_over, 'cannot be claimed');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.claim_calls(text, integer, timestamptz, text) IS
'Claims calls of a partner that are due, and returns what to send. The caller must commit before it sends them. A call that cannot be claimed does not stop the others. most: at most this many; since: only calls due at this time or later; wanted: only this operation; null: all.';

CREATE TYPE murallink.call_asked AS (uid murallink.ksuid, operation text, params jsonb, problem text);
COMMENT ON TYPE murallink.call_asked IS
'What to send for a call: the operation and its params. If there is a problem, the call is cancelled instead.';

CREATE FUNCTION murallink_private.call_claim(calls murallink.ksuid[])
RETURNS TABLE (call_uid murallink.ksuid, attempt integer, operation text, params jsonb, due_at timestamptz)
-- The claim does not wait for a payout that must be routed again, because the session that has locked it may wait for
-- one of these calls.
LANGUAGE plpgsql VOLATILE SET lock_timeout = '10ms' AS $$
DECLARE
    kind record;
    asked murallink.call_asked[];
BEGIN
    FOR kind IN
        SELECT coalesce(k.asks, '') AS asks, pg_catalog.array_agg(k.uid) AS uids FROM murallink_private.call_kinds(calls) k GROUP BY 1
    LOOP
        EXECUTE pg_catalog.format('SELECT pg_catalog.array_agg(a) FROM %s a', CASE kind.asks
            WHEN '' THEN '(SELECT c.uid, c.operation, c.params, '''' FROM murallink_private.call c WHERE c.uid = ANY ($1))'
            ELSE pg_catalog.format('murallink_private.%I($1)', kind.asks) END)
        INTO asked USING kind.uids;
        UPDATE murallink_private.call c SET status = 'cancelled', reason = a.problem
        FROM pg_catalog.unnest(asked) a WHERE c.uid = a.uid AND c.status = 'ready' AND a.problem <> '';
        RETURN QUERY
        UPDATE murallink_private.call c
        SET status = 'claimed', attempt = c.attempt + 1, claimed_at = pg_catalog.clock_timestamp(), revision = p.revision,
            -- Leave out the text of messages, because a token in it could be guessed from the hash.
            content_hash = pg_catalog.sha256(pg_catalog.convert_to(
                p.settings::text || (a.params - '{text,secret}'::text[])::text, 'UTF8')),
            waited = CASE WHEN c.counted_from IS NOT NULL THEN murallink_private.seconds_since(c.counted_from) END,
            outcome = NULL, settled_at = NULL, http_status = NULL, reason = '', facts = NULL, answer = NULL, problem = '', looks = 0
        FROM pg_catalog.unnest(asked) a, murallink_private.partner p
        WHERE c.uid = a.uid AND c.status = 'ready' AND a.problem = '' AND p.name = c.partner
        RETURNING c.uid, c.attempt, a.operation, a.params, c.due_at;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.call_claim(murallink.ksuid[]) IS
'Claims those of these calls that are ready and can be sent, and returns what to send. Assumes that the calls are locked.';

CREATE FUNCTION murallink_private.call_doubt(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    claimed CONSTANT murallink.ksuid[] := ARRAY(SELECT c.call_uid FROM murallink_private.call_claim(calls) c);
BEGIN
    -- What follows the unload of a balance may have been sent from there, too.
    UPDATE murallink_private.call c SET suspect = false WHERE c.uid = ANY (claimed) AND c.operation <> 'unload_balance';
    PERFORM murallink_private.calls_settle(claimed, 'in_doubt', 'not sent: it may have been sent from where this was copied');
END
$$;
COMMENT ON FUNCTION murallink_private.call_doubt(murallink.ksuid[]) IS
'Puts calls in doubt that another server may have sent, without sending them.';

CREATE FUNCTION murallink_private.call_judge(judges text, ended murallink.call_state) RETURNS murallink.call_state
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'call_judge';
COMMENT ON FUNCTION murallink_private.call_judge(text, murallink.call_state) IS
'What the function of that name, of call_kind, returns for a call. Errors: forbidden.';

CREATE FUNCTION murallink_private.call_follow(follows text, calls murallink.ksuid[]) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'call_follow';
COMMENT ON FUNCTION murallink_private.call_follow(text, murallink.ksuid[]) IS
'Calls the function of that name, of call_kind, for calls. Errors: forbidden.';

CREATE FUNCTION murallink_private.call_judged(ended murallink.call_state, judges text) RETURNS murallink.call_state
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    ended.status := CASE WHEN ended.outcome = 'in_doubt' AND ended.repeatable THEN 'ready'
        ELSE murallink_private.status_after(ended.outcome) END;
    ended.due_at := murallink_private.due_after(CASE ended.status WHEN 'ready' THEN 'not_sent' ELSE ended.outcome END, ended.attempt);
    ended.reason := CASE ended.outcome WHEN 'done' THEN '' ELSE coalesce(ended.reason, '') END;
    IF judges <> '' THEN
        ended := murallink_private.call_judge(judges, ended);
    END IF;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.call_judged(murallink.call_state, text) IS
'A call with the status, due_at and reason that follow from the outcome of its attempt. A repeatable call in doubt becomes ready again. ended: as call_ended() returns it; judges: the function of call_kind; empty or null: none.';

CREATE FUNCTION murallink_private.call_end(ended murallink.call_state[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    uids murallink.ksuid[] := ARRAY(SELECT e.uid FROM pg_catalog.unnest(ended) e);
    judged CONSTANT murallink.call_state[] := ARRAY(
        SELECT murallink_private.call_judged(e, k.judges) FROM pg_catalog.unnest(ended) e JOIN murallink_private.call_kinds(uids) k ON k.uid = e.uid);
BEGIN
    -- Do not wait for locks, because the worker must read answers. If this fails, the outcome is kept and
    -- applied later.
    PERFORM FROM murallink_private.call c WHERE c.uid = ANY (uids) ORDER BY c.uid FOR NO KEY UPDATE NOWAIT;
    WITH written AS (
        UPDATE murallink_private.call c
        SET status = e.status, outcome = e.outcome, http_status = e.http_status, reason = e.reason, facts = e.facts, answer = e.answer,
            settled_at = e.settled_at, due_at = e.due_at, delayed_at = moment, params = e.params, problem = '', looks = 0
        FROM pg_catalog.unnest(judged) e WHERE c.uid = e.uid AND c.status = 'claimed' AND c.attempt = e.attempt
        RETURNING c.uid, c.attempt
    ), applied AS (
        UPDATE murallink_private.call_attempt a SET kept = false
        FROM written w WHERE a.call_uid = w.uid AND a.attempt = w.attempt AND a.kept
    )
    SELECT coalesce(pg_catalog.array_agg(w.uid), '{}') INTO uids FROM written w;
    PERFORM murallink_private.calls_followed(uids);
    SET CONSTRAINTS ALL IMMEDIATE;
END
$$;
COMMENT ON FUNCTION murallink_private.call_end(murallink.call_state[]) IS
'Ends attempts: writes their outcomes into the calls, and calls the functions that change the subjects. ended: as call_ended() returns them.';

CREATE FUNCTION murallink_private.calls_followed(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    kind record;
BEGIN
    FOR kind IN
        SELECT k.follows, pg_catalog.array_agg(k.uid) AS uids FROM murallink_private.call_kinds(calls) k WHERE k.follows <> '' GROUP BY k.follows
    LOOP
        PERFORM murallink_private.call_follow(kind.follows, kind.uids);
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.calls_followed(murallink.ksuid[]) IS
'Calls the functions of call_kind that update the subjects of calls which have ended or were decided.';

CREATE FUNCTION murallink_private.calls_end(ended murallink.call_state[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET lock_timeout = '10ms' AS $$
DECLARE
    one murallink.call_state;
BEGIN
    PERFORM murallink_private.call_end(ended);
EXCEPTION WHEN OTHERS THEN
    FOREACH one IN ARRAY ended LOOP
        BEGIN
            PERFORM murallink_private.call_end(ARRAY[one]);
            CONTINUE;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        WHEN OTHERS THEN
            PERFORM murallink_private.call_problem(one.uid, 'its outcome cannot be applied: ' || SQLERRM);
        END;
        INSERT INTO murallink_private.call_attempt (
            call_uid, attempt, content_hash, revision, claimed_at, settled_at, outcome, http_status, reason, facts, answer, kept)
        VALUES (one.uid, one.attempt, one.content_hash, one.revision, one.claimed_at, one.settled_at, one.outcome, one.http_status,
            coalesce(one.reason, ''), one.facts, one.answer, true)
        ON CONFLICT (call_uid, attempt) DO NOTHING;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.calls_end(murallink.call_state[]) IS
'Does what call_end() does. If a call fails, or is locked by another transaction, its outcome is kept in call_attempt and applied later; the others are not affected. ended: as call_ended() returns them.';

CREATE FUNCTION murallink_private.call_ended(
    claimed murallink.call_state, outcome text, http_status integer, reason text, facts jsonb, answer json, settled_at timestamptz
) RETURNS murallink.call_state
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    claimed.outcome := call_ended.outcome;
    claimed.http_status := call_ended.http_status;
    claimed.reason := call_ended.reason;
    claimed.facts := call_ended.facts;
    claimed.answer := call_ended.answer;
    claimed.settled_at := call_ended.settled_at;
    RETURN claimed;
END
$$;
COMMENT ON FUNCTION murallink_private.call_ended(murallink.call_state, text, integer, text, jsonb, json, timestamptz) IS
'A claimed call with the ending of its attempt, for calls_end(). The arguments are columns of call.';

CREATE FUNCTION murallink_private.settle_calls(results jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    sent CONSTANT murallink.ksuid[] := ARRAY(
        SELECT (r ->> 'call_uid')::murallink.ksuid FROM pg_catalog.jsonb_array_elements(results) r);
BEGIN
    PERFORM murallink_private.calls_end(ARRAY(
        SELECT murallink_private.call_ended(
            c, r.outcome, r.http_status, r.reason, r.facts, r.answer::json, pg_catalog.clock_timestamp())
        FROM pg_catalog.jsonb_to_recordset(results) AS r(
            call_uid murallink.ksuid, attempt integer, outcome text, http_status integer, reason text, facts jsonb, answer text)
        JOIN murallink_private.calls(sent) c ON c.uid = r.call_uid AND c.attempt = r.attempt
        -- An answer to an earlier attempt changes nothing.
        WHERE c.status = 'claimed' AND NOT EXISTS (
            SELECT FROM murallink_private.call_attempt a WHERE a.call_uid = r.call_uid AND a.attempt = r.attempt)));
END
$$;
COMMENT ON FUNCTION murallink_private.settle_calls(jsonb) IS
'Writes the outcomes of calls. results: an array of {call_uid, attempt, outcome, http_status, reason, facts, answer}; answer is JSON as text. An outcome of an earlier attempt is ignored.';

CREATE FUNCTION murallink_private.calls_settle(calls murallink.ksuid[], outcome text, reason text) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.settle_calls(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'call_uid', c.uid, 'attempt', c.attempt, 'outcome', calls_settle.outcome, 'reason', calls_settle.reason)))
    FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'claimed'
$$;
COMMENT ON FUNCTION murallink_private.calls_settle(murallink.ksuid[], text, text) IS
'Ends those of these calls that are claimed, without an answer. outcome, reason: columns of call.';

CREATE FUNCTION murallink_private.recover_calls(mail boolean DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lost CONSTANT murallink.ksuid[] := ARRAY(
        SELECT c.uid FROM murallink_private.call c
        WHERE c.open AND c.status = 'claimed' AND (mail IS NULL OR murallink_private.partner_by_mail(c.partner) = mail) AND NOT EXISTS (
            SELECT FROM murallink_private.call_attempt a WHERE a.call_uid = c.uid AND a.attempt = c.attempt));
BEGIN
    PERFORM murallink_private.calls_settle(lost, 'in_doubt', 'the worker ended while the call was under way');
    PERFORM murallink_private.apply_late();
    RETURN pg_catalog.cardinality(lost);
END
$$;
COMMENT ON FUNCTION murallink_private.recover_calls(boolean) IS
'Puts in doubt the calls that an earlier worker had under way when it ended, and returns their number. Only for a worker before its first claim. mail: true: only mails; false: only other calls; null: all.';

CREATE FUNCTION murallink_private.apply_late(look boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    most CONSTANT integer := 200;
    earlier murallink_private.call_attempt;
    one murallink.call_state;
    ended murallink.call_state[] := '{}';
BEGIN
    FOR earlier IN SELECT * FROM murallink_private.call_attempt k WHERE k.kept ORDER BY pg_catalog.random() LIMIT most LOOP
        PERFORM FROM murallink_private.call c
        WHERE c.uid = earlier.call_uid AND c.status = 'claimed' AND c.attempt = earlier.attempt FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        one := (SELECT c FROM murallink_private.calls(ARRAY[earlier.call_uid]) c);
        ended := ended || murallink_private.call_ended(one, earlier.outcome, earlier.http_status, earlier.reason, earlier.facts,
            earlier.answer, earlier.settled_at);
    END LOOP;
    PERFORM murallink_private.calls_end(ended);
    IF look THEN
        PERFORM murallink_private.calls_held(ARRAY(SELECT k.call_uid FROM murallink_private.call_attempt k WHERE k.kept), 'its outcome cannot be applied');
    END IF;
    RETURN pg_catalog.cardinality(ended) = most AND (
        SELECT pg_catalog.count(*) < most FROM murallink_private.call_attempt k JOIN pg_catalog.unnest(ended) e ON e.uid = k.call_uid WHERE k.kept);
END
$$;
COMMENT ON FUNCTION murallink_private.apply_late(boolean) IS
'Applies up to 200 of the outcomes that could not be applied before; not all, because the worker reads no answers meanwhile. look: true every five seconds: records which are still locked by other transactions. Returns whether there may be more to apply.';

CREATE FUNCTION murallink_private.call_decide(call_uid murallink.ksuid, decision murallink.payout_status, note text, facts jsonb DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.call c
    SET status = decision, note = call_decide.note, facts = coalesce(call_decide.facts, c.facts),
        reason = CASE decision WHEN 'done' THEN '' ELSE c.reason END
    WHERE c.uid = call_uid;
    PERFORM murallink_private.calls_followed(ARRAY[call_uid]);
END
$$;
COMMENT ON FUNCTION murallink_private.call_decide(murallink.ksuid, murallink.payout_status, text, jsonb) IS
'Decides a call that is in doubt or was declined, by the word of a person or a look-up, and updates its subject. decision: the new status; note: how this is known; facts: null: unchanged. Errors: wrong_status.';

CREATE FUNCTION murallink_private.call_problem(call_uid murallink.ksuid, problem text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.call c SET problem = call_problem.problem, problem_at = pg_catalog.clock_timestamp()
    WHERE c.uid IN (
        SELECT k.uid FROM murallink_private.call k
        WHERE k.uid = call_uid AND k.problem <> call_problem.problem FOR NO KEY UPDATE SKIP LOCKED);
    IF FOUND THEN
        RAISE WARNING 'murallink: %: %', call_uid, call_problem.problem USING HINT = 'It is tried again automatically. See murallink.needs_person.';
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.call_problem(murallink.ksuid, text) IS
'Stores, for needs_person, why a call is stuck, and logs a new problem. problem: in words.';

CREATE FUNCTION murallink_private.calls_set_back() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
BEGIN
    UPDATE murallink_private.call c SET due_at = moment + (c.due_at - c.delayed_at), delayed_at = moment
    WHERE c.uid IN (
        SELECT k.uid FROM murallink_private.call k
        WHERE k.open AND k.status = 'ready' AND k.delayed_at > moment FOR NO KEY UPDATE SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION murallink_private.calls_set_back() IS
'After the clock was set back: moves the due_at of delayed calls, so that each waits from now on for as long as it was delayed. For the worker.';

CREATE FUNCTION murallink_private.holders(call_uid murallink.ksuid) RETURNS text
LANGUAGE sql VOLATILE AS $$
    WITH the_call AS (
        SELECT c.uid, c.subject_uid, c.xmax AS locker FROM murallink_private.call c WHERE c.uid = call_uid
    ), the_payout AS (
        SELECT o.uid, o.payment_uid, o.xmax AS locker FROM murallink_private.payout o, the_call c
        WHERE o.uid IN (c.uid, c.subject_uid)
    ), locker AS (
        SELECT c.locker FROM the_call c
        UNION ALL SELECT p.locker FROM the_payout p
        UNION ALL SELECT y.xmax FROM the_payout p JOIN murallink_private.payment y ON y.uid = p.payment_uid
        UNION ALL SELECT k.xmax FROM murallink_private.card k, the_call c WHERE k.uid IN (c.uid, c.subject_uid)
        UNION ALL SELECT k.xmax FROM murallink_private.call k, the_call c WHERE k.uid = c.subject_uid
    ), held AS (
        SELECT l.pid, l.virtualtransaction
        FROM locker k JOIN pg_catalog.pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = k.locker AND l.granted
        UNION
        SELECT * FROM murallink_private.brake_holders()
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
COMMENT ON FUNCTION murallink_private.holders(murallink.ksuid) IS
'Which transactions lock a call or its subject, in words: processes by pid, prepared transactions by name.';

CREATE FUNCTION murallink_private.calls_held(calls murallink.ksuid[], problem text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    one murallink.ksuid;
BEGIN
    UPDATE murallink_private.call c SET looks = c.looks + 1 WHERE c.uid IN (
        SELECT k.uid FROM murallink_private.call k WHERE k.uid = ANY (calls) AND k.looks < 12 FOR NO KEY UPDATE SKIP LOCKED);
    FOR one IN
        SELECT c.uid FROM murallink_private.call c
        WHERE c.uid = ANY (calls) AND c.looks >= 12 AND (
            c.problem = '' OR pg_catalog.starts_with(c.problem, calls_held.problem || ': held by '))
        ORDER BY c.uid LIMIT 100
    LOOP
        PERFORM murallink_private.call_problem(one, calls_held.problem || ': held by ' || murallink_private.holders(one));
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.calls_held(murallink.ksuid[], text) IS
'Counts that these calls are locked by another transaction. At the twelfth time, after a minute, stores which one for needs_person. problem: what it prevents.';

CREATE FUNCTION murallink_private.calls_locked(locked boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    prefix CONSTANT text := 'cannot be claimed: held by ';
    one murallink.ksuid;
BEGIN
    IF NOT locked THEN
        UPDATE murallink_private.call c SET problem = '' WHERE c.uid IN (
            SELECT k.uid FROM murallink_private.call k
            WHERE k.problem <> '' AND pg_catalog.starts_with(k.problem, prefix) FOR NO KEY UPDATE SKIP LOCKED);
        RETURN;
    END IF;
    -- A few are enough, because all of them are stuck because of the same transaction.
    FOR one IN
        SELECT c.uid FROM murallink_private.call c
        WHERE c.open AND c.status = 'ready' AND c.due_at <= pg_catalog.clock_timestamp()
            AND (c.problem = '' OR pg_catalog.starts_with(c.problem, prefix)) LIMIT 10
    LOOP
        PERFORM murallink_private.call_problem(one, prefix || murallink_private.holders(one));
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.calls_locked(boolean) IS
'Stores, for needs_person, which transaction prevents all claims, in some of the calls that are due. locked: false: removes this again. For the worker.';
