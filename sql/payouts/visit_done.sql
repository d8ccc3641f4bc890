-- Visits that other systems report: each is kept, paid once, and corrected.

CREATE TYPE murallink.visit_info AS (
    uid murallink.optional_uid, source text, source_ref text, state text, reason murallink.optional_text,
    payment_uid murallink.optional_uid);
COMMENT ON TYPE murallink.visit_info IS
'A visit that another system has reported, as visit_done answers. state, reason: as in the table visit; payment_uid: the payment of the visit, also if somebody else has made it.';

CREATE TYPE murallink.visit_outcome AS (
    n integer, uid murallink.ksuid, error text, field text, hint text);
COMMENT ON TYPE murallink.visit_outcome IS 'What became of one of several reported visits. error, field, hint: why it was refused, null otherwise.';

CREATE FUNCTION murallink_private.visits_paid(visits murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink.visit v SET state = CASE WHEN q.payment_uid IS NULL THEN 'payable' ELSE 'already_paid' END,
        reason = CASE WHEN q.payment_uid IS NULL THEN 'already_paid' ELSE '' END, payment_uid = coalesce(q.payment_uid, v.payment_uid),
        made_payment = false, changed_at = pg_catalog.clock_timestamp()
    FROM (
        -- Subqueries, so that the planner looks rows up one by one.
        SELECT w.uid, w.reason, (
            SELECT p.uid FROM murallink_private.payment p
            WHERE p.counts AND p.completes_uid IS NULL
            AND p.chain_uid = (SELECT e.chain_uid FROM murallink.enrollment e WHERE e.uid = w.enrollment_uid)
            AND murallink_private.label_key(p.milestone_code) = (
                SELECT murallink_private.label_key(m.code) FROM murallink.milestone m WHERE m.uid = w.milestone_uid)
            AND CASE WHEN w.occurrence IS NOT NULL THEN p.occurrence = w.occurrence ELSE w.visit_date = murallink_private.visit_day(
                p.visit_date, p.created_at, (SELECT s.time_zone FROM murallink.site s WHERE s.uid = p.site_uid)) END LIMIT 1) AS payment_uid,
            -- A payment without a day, made later than the visit, may be of it: that is for a person.
            w.occurrence IS NULL AND EXISTS (
                SELECT FROM murallink_private.payment p
                WHERE p.counts AND p.completes_uid IS NULL AND p.visit_date IS NULL
                AND p.chain_uid = (SELECT e.chain_uid FROM murallink.enrollment e WHERE e.uid = w.enrollment_uid)
                AND murallink_private.label_key(p.milestone_code) = (
                    SELECT murallink_private.label_key(m.code) FROM murallink.milestone m WHERE m.uid = w.milestone_uid)
                AND murallink_private.local_day(
                    p.created_at, (SELECT s.time_zone FROM murallink.site s WHERE s.uid = p.site_uid)) > w.visit_date
                AND NOT EXISTS (
                    SELECT FROM murallink.visit o WHERE o.enrollment_uid = p.enrollment_uid AND o.payment_uid = p.uid)) AS doubtful
        FROM murallink.visit w WHERE w.uid = ANY (visits) AND w.state IN ('payable', 'waiting')) q
    WHERE v.uid = q.uid AND (q.payment_uid IS NOT NULL OR q.doubtful AND q.reason IN ('', 'insufficient_funds'));
END
$$;
COMMENT ON FUNCTION murallink_private.visits_paid(murallink.ksuid[]) IS
'Notes which visits somebody else has paid: by the same number of the milestone in the chain or, for visits without a number, by the milestone on the same day. A visit without a number that a payment without a day may have paid is left to a person: payable, already_paid.';

CREATE FUNCTION murallink_private.visits_insert(visits murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    payments CONSTANT murallink.ksuid[] := ARRAY(SELECT murallink.gen_ksuid() FROM pg_catalog.unnest(visits));
BEGIN
    INSERT INTO murallink_private.payment (uid, enrollment_uid, payment_type, milestone_uid, occurrence, note, visit_date, status, requested_by_uid)
    SELECT u.payment_uid, v.enrollment_uid, 'milestone', v.milestone_uid, v.occurrence, v.note, v.visit_date, NULL, v.app_user_uid
    FROM ROWS FROM (pg_catalog.unnest(visits), pg_catalog.unnest(payments)) WITH ORDINALITY AS u (visit_uid, payment_uid, n)
    JOIN murallink.visit v ON v.uid = u.visit_uid
    ORDER BY u.n
    ON CONFLICT DO NOTHING;
    -- A number that the schedule does not have is another one in the payment.
    IF EXISTS (
        SELECT FROM ROWS FROM (pg_catalog.unnest(visits), pg_catalog.unnest(payments)) AS u (visit_uid, payment_uid)
        JOIN murallink.visit v ON v.uid = u.visit_uid JOIN murallink_private.payment p ON p.uid = u.payment_uid
        WHERE p.occurrence <> v.occurrence) THEN
        PERFORM murallink_private.raise('already_paid', 'repeat');
    END IF;
    UPDATE murallink.visit v SET state = 'payment_made', reason = '', payment_uid = p.uid, made_payment = true, changed_at = pg_catalog.clock_timestamp()
    FROM ROWS FROM (pg_catalog.unnest(visits), pg_catalog.unnest(payments)) AS u (visit_uid, payment_uid)
    JOIN murallink_private.payment p ON p.uid = u.payment_uid
    WHERE v.uid = u.visit_uid;
    PERFORM murallink_private.payout_begin(p.uid)
    FROM pg_catalog.unnest(payments) WITH ORDINALITY AS u (payment_uid, n) JOIN murallink_private.payment p ON p.uid = u.payment_uid
    WHERE p.status = 'approved' ORDER BY u.n;
END
$$;
COMMENT ON FUNCTION murallink_private.visits_insert(murallink.ksuid[]) IS
'Pays visits by the rules of milestone_payment, in this order, without those that somebody pays meanwhile. If one cannot be paid, it raises the error of milestone_payment, or already_paid for a repeat that the schedule does not have, and pays none.';

CREATE FUNCTION murallink_private.visit_pay(visit_uid murallink.ksuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    error text;
BEGIN
    LOOP
        PERFORM murallink_private.visits_paid(ARRAY[visit_uid]);
        EXIT WHEN NOT EXISTS (
            SELECT FROM murallink.visit v
            WHERE v.uid = visit_uid AND v.state IN ('payable', 'waiting') AND v.reason IN ('', 'insufficient_funds'));
        -- If another session has paid it, and that has been rejected meanwhile, it is payable again.
        PERFORM murallink_private.visits_insert(ARRAY[visit_uid]);
    END LOOP;
    RETURN true;
EXCEPTION WHEN SQLSTATE 'PT402' OR SQLSTATE 'PT409' OR SQLSTATE 'PT400' OR SQLSTATE 'PT404' THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME;
    UPDATE murallink.visit v SET changed_at = pg_catalog.clock_timestamp(),
        state = CASE error WHEN 'insufficient_funds' THEN 'waiting' ELSE 'payable' END, reason = error
    WHERE v.uid = visit_uid;
    -- By the same number, or by others.
    PERFORM murallink_private.visits_paid(ARRAY[visit_uid]);
    RETURN error <> 'insufficient_funds';
END
$$;
COMMENT ON FUNCTION murallink_private.visit_pay(murallink.ksuid) IS
'Pays a visit, or notes why it cannot be paid. Returns false if there are no funds.';

CREATE FUNCTION murallink_private.funds_awaited(visit_uid murallink.ksuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT EXISTS (
        SELECT FROM murallink.visit w JOIN murallink.milestone o ON o.uid = w.milestone_uid
        WHERE w.state = 'waiting' AND w.contract_uid = v.contract_uid AND o.currency = m.currency AND w.uid <> v.uid)
    FROM murallink.visit v JOIN murallink.milestone m ON m.uid = v.milestone_uid WHERE v.uid = visit_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.funds_awaited(murallink.ksuid) IS
'Whether other visits wait for the funds from which a visit is paid: then it waits, too, and the oldest is paid first.';

CREATE FUNCTION murallink_private.visits_pay(visits murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    due murallink.ksuid[];
    one murallink.ksuid;
BEGIN
    PERFORM murallink_private.visits_paid(visits);
    due := ARRAY(
        SELECT v.uid FROM pg_catalog.unnest(visits) WITH ORDINALITY AS u (uid, n)
        JOIN murallink.visit v ON v.uid = u.uid JOIN murallink.trial t ON t.uid = v.trial_uid
        WHERE v.state = 'payable' AND v.reason = '' AND v.payment_uid IS NULL AND t.auto_pay ORDER BY u.n);
    IF pg_catalog.cardinality(due) > 1 AND NOT EXISTS (
        SELECT FROM murallink.visit w WHERE w.state = 'waiting' AND w.contract_uid IN (
            SELECT v.contract_uid FROM murallink.visit v WHERE v.uid = ANY (due))) THEN
        BEGIN
            -- Of several reports of one visit the first one pays it.
            PERFORM murallink_private.visits_insert(ARRAY(
                SELECT f.uid FROM (
                    SELECT u.uid, u.n, pg_catalog.row_number() OVER (
                        PARTITION BY e.chain_uid, murallink_private.label_key(m.code), v.occurrence,
                            CASE WHEN v.occurrence IS NULL THEN v.visit_date END ORDER BY u.n) AS turn
                    FROM pg_catalog.unnest(due) WITH ORDINALITY AS u (uid, n) JOIN murallink.visit v ON v.uid = u.uid
                    JOIN murallink.enrollment e ON e.uid = v.enrollment_uid JOIN murallink.milestone m ON m.uid = v.milestone_uid) f
                WHERE f.turn = 1 ORDER BY f.n));
            due := ARRAY(
                SELECT u.uid FROM pg_catalog.unnest(due) WITH ORDINALITY AS u (uid, n)
                JOIN murallink.visit v ON v.uid = u.uid WHERE v.state = 'payable' ORDER BY u.n);
        EXCEPTION WHEN SQLSTATE 'PT402' OR SQLSTATE 'PT409' OR SQLSTATE 'PT400' OR SQLSTATE 'PT404' THEN
            NULL; -- One of them cannot be paid: each by itself.
        END;
    END IF;
    FOREACH one IN ARRAY due LOOP
        IF murallink_private.funds_awaited(one) THEN
            UPDATE murallink.visit v SET state = 'waiting', reason = 'insufficient_funds' WHERE v.uid = one;
        ELSE
            PERFORM murallink_private.visit_pay(one);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.visits_pay(murallink.ksuid[]) IS
'Pays those of these visits that are payable in trials that pay visits by themselves, in this order, and notes which of all have been paid by others.';

CREATE FUNCTION murallink_private.visit_state(status text, problem text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN status IN ('not_done', 'withdrawn') THEN 'not_owed' WHEN problem <> '' THEN 'unmatched' ELSE 'payable' END;
COMMENT ON FUNCTION murallink_private.visit_state(text, text) IS 'The state of a visit with this report, before it is paid.';

CREATE FUNCTION murallink_private.visit_reason(status text, problem text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN status IN ('not_done', 'withdrawn') THEN '' WHEN problem <> '' THEN problem WHEN status = 'partial' THEN 'partial' ELSE '' END;
COMMENT ON FUNCTION murallink_private.visit_reason(text, text) IS
'Why a visit with this report is not paid by itself: a person decides how much is paid for a part.';

CREATE FUNCTION murallink_private.visits_set(visits murallink.ksuid[], matches murallink.visit_match[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink.visit v SET contract_uid = coalesce(m.contract_uid, v.contract_uid), trial_uid = m.trial_uid, site_uid = m.site_uid,
        enrollment_uid = m.enrollment_uid, milestone_uid = m.milestone_uid, occurrence = m.occurrence,
        state = CASE WHEN m.refusal IS NULL THEN murallink_private.visit_state(v.status, m.problem) ELSE 'conflict' END,
        reason = coalesce(m.refusal, NULLIF(murallink_private.visit_reason(v.status, m.problem), ''),
            CASE WHEN v.payment_uid IS NOT NULL AND v.status = 'done' THEN 'payment_ended' ELSE '' END), changed_at = pg_catalog.clock_timestamp()
    FROM pg_catalog.unnest(matches) AS m WHERE v.uid = visits[m.n];
    PERFORM murallink_private.visits_pay(visits);
END
$$;
COMMENT ON FUNCTION murallink_private.visits_set(murallink.ksuid[], murallink.visit_match[]) IS
'Gives visits the meaning that has been found, and pays those that are to be paid. matches: n of each is the place of its visit among these.';

CREATE FUNCTION murallink_private.visit_undo(payment_uid murallink.ksuid, user_uid murallink.ksuid, note text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.payment p
    SET status = CASE p.status WHEN 'pending' THEN 'rejected' ELSE 'cancelled' END::murallink.payment_status,
        decided_by_uid = user_uid, decision_note = visit_undo.note
    WHERE p.uid = visit_undo.payment_uid AND p.status IN ('pending', 'approved', 'failed');
    RETURN FOUND;
EXCEPTION WHEN SQLSTATE 'PT409' THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_undo(murallink.ksuid, murallink.ksuid, text) IS
'Rejects or cancels the payment that a visit has made, if nothing of it has been sent. Returns whether it did.';

CREATE FUNCTION murallink_private.visit_change(visit_uid murallink.ksuid, user_uid murallink.ksuid, said murallink.visit_said) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO murallink.visit_change (
        visit_uid, subject_id, visit_code, visit_date, repeat, status, note, state, app_user_uid, reported_at)
    SELECT v.uid, v.subject_id, v.visit_code, v.visit_date, v.repeat, v.status, v.note, v.state, v.app_user_uid, v.changed_at
    FROM murallink.visit v WHERE v.uid = visit_change.visit_uid;
    UPDATE murallink.visit v SET protocol_id = said.protocol_id, trial_ref = said.trial_ref, site_ref = said.site_ref,
        subject_id = said.subject_id, visit_code = said.visit_code, visit_date = said.visit_date, repeat = said.repeat,
        status = said.status, note = said.note, app_user_uid = user_uid, changed_at = pg_catalog.clock_timestamp(),
        closed_by_uid = NULL, closed_note = '', state = CASE v.state WHEN 'closed' THEN 'conflict' ELSE v.state END
    WHERE v.uid = visit_change.visit_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_change(murallink.ksuid, murallink.ksuid, murallink.visit_said) IS
'Replaces what was reported of a visit, and keeps it in the table of that name.';

CREATE FUNCTION murallink_private.visit_again(
    visit_uid murallink.ksuid, user_uid murallink.ksuid, said murallink.visit_said, match murallink.visit_match
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    known murallink.visit;
    pays murallink_private.payment;
    changed boolean;
BEGIN
    SELECT * INTO known FROM murallink.visit v WHERE v.uid = visit_uid FOR UPDATE;
    -- A visit that is not matched has no place, and belongs to the user who has reported it.
    IF (known.app_user_uid <> user_uid OR known.enrollment_uid IS NOT NULL)
        AND NOT murallink_private.may_report(user_uid, known.client_uid, known.contract_uid, known.trial_uid, known.site_uid) THEN
        PERFORM murallink_private.raise('conflict', 'source_ref', 'This is the reference of a visit that you may not report.');
    END IF;
    changed := (known.protocol_id, known.trial_ref, known.site_ref, known.subject_id, known.visit_code, known.visit_date, known.repeat, known.status)
        <> (said.protocol_id, said.trial_ref, said.site_ref, said.subject_id, said.visit_code, said.visit_date, said.repeat, said.status);
    SELECT p.* INTO pays FROM murallink_private.payment p WHERE p.uid = known.payment_uid AND p.counts;
    match.n := 1;
    IF NOT changed THEN
        IF known.state = 'unmatched' THEN
            PERFORM murallink_private.visits_set(ARRAY[known.uid], ARRAY[match]);
        ELSIF known.state = 'payable' THEN
            PERFORM murallink_private.visits_pay(ARRAY[known.uid]);
        END IF;
        RETURN;
    ELSIF pays.uid IS NULL AND match.refusal IS NOT NULL THEN
        PERFORM murallink_private.refuse_visit(match.refusal);
    END IF;
    PERFORM murallink_private.visit_change(known.uid, user_uid, said);
    IF pays.uid IS NULL AND known.state <> 'closed' THEN
        PERFORM murallink_private.visits_set(ARRAY[known.uid], ARRAY[match]);
    ELSIF known.made_payment AND pays.uid IS NOT NULL AND said.status IN ('not_done', 'withdrawn') AND murallink_private.visit_undo(
        pays.uid, user_uid, pg_catalog.format('%s: %s by %s', said.status, said.source_ref, said.source)) THEN
        UPDATE murallink.visit v SET state = 'not_owed', reason = '' WHERE v.uid = known.uid;
    ELSIF said.status = 'done' AND match.problem = '' AND (pays.enrollment_uid, pays.visit_date) = (match.enrollment_uid, said.visit_date)
        AND pays.occurrence = coalesce(match.occurrence, pays.occurrence) AND murallink_private.label_key(pays.milestone_code) = (
            SELECT murallink_private.label_key(m.code) FROM murallink.milestone m WHERE m.uid = match.milestone_uid) THEN
        UPDATE murallink.visit v SET reason = '',
            state = CASE WHEN v.made_payment THEN 'payment_made' ELSE 'already_paid' END
        WHERE v.uid = known.uid;
    ELSE
        UPDATE murallink.visit v SET state = 'conflict',
            reason = CASE WHEN pays.uid IS NULL THEN 'changed after it was closed' ELSE 'changed after it was paid' END
        WHERE v.uid = known.uid;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_again(murallink.ksuid, murallink.ksuid, murallink.visit_said, murallink.visit_match) IS
'Takes another report of a visit: the same one changes nothing, but tries again what is not matched; another one replaces it while nothing is paid, takes back a payment that was not sent if the visit was not done, and else is a conflict for a person. Errors: those of the date, conflict.';

CREATE FUNCTION murallink_private.visit_client(user_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    clients CONSTANT murallink.ksuid[] := ARRAY(
        SELECT DISTINCT g.client_uid FROM murallink.permission_grant g
        WHERE g.app_user_uid = user_uid AND g.permission = 'visit_done' AND murallink_private.in_force(g.until, g.ended_at));
BEGIN
    RETURN CASE pg_catalog.cardinality(clients) WHEN 1 THEN clients[1] END;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_client(murallink.ksuid) IS
'The client for which a user reports visits whose trial is not found; null unless the user holds visit_done at places of one client only.';

CREATE FUNCTION murallink_private.visits_take(user_uid murallink.ksuid, said murallink.visit_said[]) RETURNS SETOF murallink.visit_outcome
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    matches murallink.visit_match[] := murallink_private.visits_match(user_uid, said);
    usual CONSTANT murallink.ksuid := murallink_private.visit_client(user_uid);
    uids CONSTANT murallink.ksuid[] := ARRAY(SELECT murallink.gen_ksuid() FROM pg_catalog.unnest(said));
    began CONSTANT timestamptz := pg_catalog.clock_timestamp();
    added bigint;
    known record;
    outcome murallink.visit_outcome;
BEGIN
    -- The three arrays have one order. Rows are inserted in another one, which two tables with the same visits have in common.
    INSERT INTO murallink.visit (
        uid, client_uid, contract_uid, trial_uid, site_uid, source, source_ref, protocol_id, trial_ref, site_ref, subject_id, visit_code,
        visit_date, repeat, status, note, enrollment_uid, milestone_uid, occurrence, state, reason, app_user_uid, created_at)
    SELECT u.uid, coalesce(u.client_uid, usual), u.contract_uid, u.trial_uid, u.site_uid, u.source, u.source_ref, u.protocol_id, u.trial_ref,
        u.site_ref, u.subject_id, u.visit_code, u.visit_date, u.repeat, u.status, u.note, u.enrollment_uid, u.milestone_uid, u.occurrence,
        murallink_private.visit_state(u.status, u.problem), murallink_private.visit_reason(u.status, u.problem), user_uid,
        began + u.place * interval '1 us'
    FROM ROWS FROM (pg_catalog.unnest(said), pg_catalog.unnest(matches), pg_catalog.unnest(uids)) WITH ORDINALITY AS u (
        n, source, source_ref, protocol_id, trial_ref, site_ref, subject_id, visit_code, visit_date, repeat, status, note,
        n_again, client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, left_on, milestone_uid, occurrence, problem, refusal, uid, place)
    WHERE u.refusal IS NULL AND coalesce(u.client_uid, usual) IS NOT NULL ORDER BY u.source, u.source_ref
    ON CONFLICT ON CONSTRAINT visit_once DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF added < pg_catalog.cardinality(said) AND pg_catalog.cardinality(said) > 1 THEN
        -- The known ones in the same order, and before any payment.
        PERFORM FROM ROWS FROM (pg_catalog.unnest(said), pg_catalog.unnest(matches), pg_catalog.unnest(uids)) AS u (
            n, source, source_ref, protocol_id, trial_ref, site_ref, subject_id, visit_code, visit_date, repeat, status, note,
            n_again, client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, left_on, milestone_uid, occurrence, problem, refusal, uid)
        JOIN murallink.visit v ON v.client_uid = coalesce(u.client_uid, usual) AND v.source = u.source AND v.source_ref = u.source_ref
        WHERE v.uid <> u.uid ORDER BY v.source, v.source_ref FOR UPDATE OF v;
    END IF;
    PERFORM murallink_private.visits_pay(uids);
    FOR known IN
        SELECT said[i] AS s, matches[i] AS m, coalesce((matches[i]).client_uid, usual) AS client_uid, v.uid, v.uid = uids[i] AS is_new
        FROM pg_catalog.generate_series(1, pg_catalog.cardinality(said)) AS i
        LEFT JOIN murallink.visit v ON v.client_uid = coalesce((matches[i]).client_uid, usual)
            AND v.source = (said[i]).source AND v.source_ref = (said[i]).source_ref
        ORDER BY i
    LOOP
        outcome := ROW((known.s).n, known.uid, NULL, NULL, NULL);
        BEGIN
            IF known.uid IS NULL THEN
                IF known.client_uid IS NULL THEN
                    PERFORM murallink_private.raise('not_found', CASE (known.s).trial_ref WHEN '' THEN 'protocol_id' ELSE 'trial_ref' END,
                        'No trial for which you may report has this; set_reference says what a system calls a trial.');
                END IF;
                PERFORM murallink_private.refuse_visit((known.m).refusal);
            ELSIF NOT known.is_new THEN
                PERFORM murallink_private.visit_again(known.uid, user_uid, known.s, known.m);
            END IF;
        EXCEPTION WHEN SQLSTATE 'PT400' OR SQLSTATE 'PT404' OR SQLSTATE 'PT409' THEN
            GET STACKED DIAGNOSTICS outcome.error = CONSTRAINT_NAME, outcome.field = COLUMN_NAME, outcome.hint = PG_EXCEPTION_HINT;
            outcome.uid := NULL;
        END;
        RETURN NEXT outcome;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.visits_take(murallink.ksuid, murallink.visit_said[]) IS
'Takes reports of visits, of which no two are of one visit, from a user: new ones are added and paid, known ones are compared. Answers in the order of n, with the error of each that is refused, such as not_found.';

CREATE FUNCTION murallink_private.visit_info(visit_uid murallink.ksuid) RETURNS murallink.visit_info
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT ROW(v.uid, v.source, v.source_ref, v.state, NULLIF(v.reason, ''), v.payment_uid)::murallink.visit_info
        FROM murallink.visit v WHERE v.uid = visit_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.visit_info(murallink.ksuid) IS 'A visit as visit_done answers it.';

-- visit_done and visits_done keep one plan for any number of visits. It looks rows up by keys, because tables may be empty
-- when it is made, or the visits few. JIT is off because the cost of such a plan would start it.
CREATE FUNCTION murallink.visit_done(
    source text DEFAULT NULL, source_ref text DEFAULT NULL, protocol_id text DEFAULT NULL, trial_ref text DEFAULT NULL,
    site_ref text DEFAULT NULL, subject_id text DEFAULT NULL, visit_code text DEFAULT NULL, visit_date murallink.day DEFAULT NULL,
    repeat integer DEFAULT 1, status text DEFAULT 'done', note text DEFAULT NULL
) RETURNS murallink.visit_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.permit_somewhere('visit_done');
    outcome murallink.visit_outcome;
BEGIN
    SELECT * INTO outcome FROM murallink_private.visits_take(caller, ARRAY[murallink_private.visit_said(
        1, source, source_ref, protocol_id, trial_ref, site_ref, subject_id, visit_code, visit_date, repeat, status, note)]);
    IF outcome.error IS NOT NULL THEN
        PERFORM murallink_private.raise(outcome.error, outcome.field, NULLIF(outcome.hint, ''));
    END IF;
    RETURN murallink_private.visit_info(outcome.uid);
END
$$;
COMMENT ON FUNCTION murallink.visit_done(text, text, text, text, text, text, text, murallink.day, integer, text, text) IS
'Takes the report of another system that a visit was made. It is paid by the rules of milestone_payment: at once in a trial with auto_pay (set_visit_rules), else as soon as somebody calls milestone_payment. source: the name of the system, in lower case; source_ref: what it calls this visit; protocol_id, trial_ref: the trial, by its protocol id, by what the system calls it (set_reference), or by both; site_ref: what the system calls the site, if it says so; subject_id: the number of the patient in the trial, or what the system calls the enrollment; visit_code: the code or name of the milestone, or what the system calls it; visit_date: the day of the visit, from the enrollment to today; repeat: which visit of this kind it is, from 1; status: done, partial (a person decides how much is paid), not_done, or withdrawn (the report was a mistake); note: becomes that of the payment. The same report again changes nothing and has the same answer. Another one with this source_ref replaces it while nothing has been paid; if the visit was not done, its payment is rejected or cancelled if nothing was sent; any other change after a payment is a conflict for a person (resolve_visit), and nothing is paid or taken back. What is not found is kept (state unmatched), and so is what waits for funds (state waiting); the worker tries them again, the oldest first. If somebody else has paid the visit, the answer has the state already_paid and the uid of that payment. Needs visit_done on the trial at the site; what is reported of other places is not found. Errors: unauthenticated, forbidden, not_found (the trial, if the caller reports for several clients), missing_field, too_long, invalid_value, dropped, not_enrolled, conflict.';

CREATE FUNCTION murallink_private.visit_in_row(n integer, given jsonb) RETURNS murallink.visit_said
LANGUAGE plpgsql STABLE AS $$
DECLARE
    texts CONSTANT text[] := '{source,source_ref,protocol_id,trial_ref,site_ref,subject_id,visit_code,visit_date,status,note}';
    wrong text;
BEGIN
    IF pg_catalog.jsonb_typeof(given) <> 'object' THEN
        PERFORM murallink_private.raise('wrong_type', '', 'A row is an object.');
    END IF;
    SELECT k.key INTO wrong FROM pg_catalog.jsonb_each(given) k
    WHERE CASE k.key WHEN 'repeat' THEN pg_catalog.jsonb_typeof(k.value) NOT IN ('number', 'null') OR k.value <> 'null' AND k.value::numeric % 1 <> 0
        ELSE k.key <> ALL (texts) OR pg_catalog.jsonb_typeof(k.value) NOT IN ('string', 'null') END LIMIT 1;
    IF wrong IS NOT NULL THEN
        PERFORM murallink_private.raise(CASE WHEN wrong = 'repeat' OR wrong = ANY (texts) THEN 'wrong_type' ELSE 'unknown_key' END, wrong,
            CASE WHEN wrong = 'repeat' THEN 'It is a whole number.' WHEN wrong = ANY (texts) THEN 'It is a text.' END);
    END IF;
    RETURN murallink_private.visit_said(
        n, given ->> 'source', given ->> 'source_ref', given ->> 'protocol_id', given ->> 'trial_ref', given ->> 'site_ref',
        given ->> 'subject_id', given ->> 'visit_code', murallink_private.row_value(given, 'visit_date', NULL::murallink.day),
        CASE WHEN given ->> 'repeat' IS NOT NULL THEN GREATEST(LEAST((given ->> 'repeat')::numeric, 1001), 0) END::integer,
        given ->> 'status', given ->> 'note');
END
$$;
COMMENT ON FUNCTION murallink_private.visit_in_row(integer, jsonb) IS
'The report of a visit that a row of visits_done describes: a JSON object with the arguments of visit_done. Errors: unknown_key, wrong_type, missing_field, too_long, invalid_value.';

CREATE TYPE murallink.visit_row AS (
    row_number integer, uid murallink.optional_uid, source_ref murallink.optional_text, state murallink.optional_text,
    reason murallink.optional_text, payment_uid murallink.optional_uid, error murallink.optional_text, field murallink.optional_text,
    hint murallink.optional_text);
COMMENT ON TYPE murallink.visit_row IS
'What became of a row of visits_done. row_number: from 1; uid to payment_uid: as visit_done answers; error, field, hint: why the row was refused, and what to do.';

CREATE FUNCTION murallink_private.visits_take_all(user_uid murallink.ksuid, said murallink.visit_said[]) RETURNS SETOF murallink.visit_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    turn murallink.visit_said[];
    outcomes murallink.visit_outcome[];
BEGIN
    -- A visit that is reported more than once is taken in as many turns.
    FOR turn IN
        SELECT pg_catalog.array_agg(t.one ORDER BY t.n) FROM (
            SELECT s AS one, s.n, pg_catalog.row_number() OVER (PARTITION BY s.source, s.source_ref ORDER BY s.n) AS turn
            FROM pg_catalog.unnest(said) s) t
        GROUP BY t.turn ORDER BY t.turn
    LOOP
        outcomes := ARRAY(SELECT o FROM murallink_private.visits_take(user_uid, turn) AS o);
        RETURN QUERY
        SELECT o.n, v.uid::murallink.optional_uid, v.source_ref::murallink.optional_text, v.state::murallink.optional_text,
            NULLIF(v.reason, '')::murallink.optional_text, v.payment_uid::murallink.optional_uid, o.error::murallink.optional_text,
            o.field::murallink.optional_text, NULLIF(o.hint, '')::murallink.optional_text
        FROM pg_catalog.unnest(outcomes) o LEFT JOIN murallink.visit v ON v.uid = o.uid;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.visits_take_all(murallink.ksuid, murallink.visit_said[]) IS
'Takes reports of visits from a user, also several of one visit, each in the order of n.';

CREATE FUNCTION murallink.visits_done(rows jsonb DEFAULT NULL, dry_run boolean DEFAULT false) RETURNS SETOF murallink.visit_row
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.permit_somewhere('visit_done');
    tries CONSTANT boolean := coalesce(dry_run, false);
    n integer := 0;
    given jsonb;
    said murallink.visit_said[] := '{}';
    refused murallink.visit_row;
    refusals murallink.visit_row[] := '{}';
    answers murallink.visit_row[];
BEGIN
    IF coalesce(pg_catalog.jsonb_typeof(rows), 'null') = 'null' THEN
        PERFORM murallink_private.raise('missing_field', 'rows');
    ELSIF pg_catalog.jsonb_typeof(rows) <> 'array' THEN
        PERFORM murallink_private.raise('wrong_type', 'rows', 'It must be an array of objects.');
    ELSIF pg_catalog.jsonb_array_length(rows) > 10000 THEN
        PERFORM murallink_private.raise('too_long', 'rows', 'At most 10,000 visits are taken at once.');
    END IF;
    FOR given IN SELECT e FROM pg_catalog.jsonb_array_elements(rows) AS e LOOP
        n := n + 1;
        BEGIN
            said := said || murallink_private.visit_in_row(n, given);
        EXCEPTION WHEN SQLSTATE 'PT400' THEN
            refused := NULL;
            GET STACKED DIAGNOSTICS refused.error = CONSTRAINT_NAME, refused.field = COLUMN_NAME, refused.hint = PG_EXCEPTION_HINT;
            refused.row_number := n;
            refusals := refusals || refused;
        END;
    END LOOP;
    BEGIN
        answers := ARRAY(SELECT a FROM murallink_private.visits_take_all(caller, said) AS a);
        IF tries THEN
            RAISE USING ERRCODE = 'MLDRY', MESSAGE = 'takes back what was tried';
        END IF;
    EXCEPTION WHEN SQLSTATE 'MLDRY' THEN
        NULL;
    END;
    -- What was only tried is not there.
    RETURN QUERY
    SELECT a.row_number, (CASE WHEN NOT tries THEN a.uid END)::murallink.optional_uid, a.source_ref, a.state, a.reason,
        (SELECT p.uid FROM murallink_private.payment p WHERE p.uid = a.payment_uid)::murallink.optional_uid, a.error, a.field,
        NULLIF(a.hint, '')::murallink.optional_text
    FROM (SELECT * FROM pg_catalog.unnest(answers) UNION ALL SELECT * FROM pg_catalog.unnest(refusals)) a ORDER BY a.row_number;
END
$$;
COMMENT ON FUNCTION murallink.visits_done(jsonb, boolean) IS
'Takes many reports of visits at once: the same as a call of visit_done for each, one after the other, but faster. rows: an array of at most 10,000 objects with the arguments of visit_done; dry_run: does nothing, and answers what would be done. Answers for each row in order; a row that is refused has the error, and stops no other. Needs visit_done anywhere. Errors: unauthenticated, forbidden, missing_field, wrong_type, too_long.';

CREATE TYPE murallink.visit_rules AS (
    trial_uid murallink.ksuid, auto_pay boolean, unscheduled_milestone murallink.optional_text, note text);
COMMENT ON TYPE murallink.visit_rules IS
'How reported visits of a trial are paid, as set_visit_rules answers. unscheduled_milestone: its code; note: why they were last set.';

CREATE FUNCTION murallink.set_visit_rules(
    trial_uid murallink.ksuid DEFAULT NULL, auto_pay boolean DEFAULT NULL, unscheduled_milestone text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.visit_rules
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted CONSTANT murallink.ksuid := murallink_private.permit_trial(
        murallink_private.permit_trial(trial_uid, 'edit_trial', 'trial_uid'), 'milestone_payment', 'trial_uid');
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
    called CONSTANT text := murallink_private.checked_label(unscheduled_milestone, 'unscheduled_milestone', 200, false);
    its_code CONSTANT text := CASE WHEN called <> '' THEN murallink_private.code_in_trial(permitted, called, 'unscheduled_milestone') END;
    answer murallink.visit_rules;
BEGIN
    UPDATE murallink.trial t SET auto_pay = coalesce(set_visit_rules.auto_pay, t.auto_pay), visit_note = why,
        unscheduled_code = CASE WHEN unscheduled_milestone IS NULL THEN t.unscheduled_code ELSE its_code END,
        updated_at = pg_catalog.clock_timestamp()
    WHERE t.uid = permitted RETURNING t.uid, t.auto_pay, t.unscheduled_code, t.visit_note INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.set_visit_rules(murallink.ksuid, boolean, text, text) IS
'Sets how visits that other systems report (visit_done) are paid. auto_pay: whether at once, default false: a visit that was payable before stays so until it is reported again; false: also those that wait for funds become payable; unscheduled_milestone: the code or name of the milestone as which visits are paid whose code is in no schedule; empty: none, so that such visits are unmatched. An absent argument changes nothing. note: why. Needs edit_trial and milestone_payment on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';
