-- What becomes of reported visits later: matched again, paid when there are funds, put right by a person.

CREATE FUNCTION murallink_private.visit_retry(visit_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    said murallink.visit_said;
    reported_by murallink.ksuid;
    matches murallink.visit_match[];
    reason_before text;
BEGIN
    SELECT 1, v.source, v.source_ref, v.protocol_id, v.trial_ref, v.site_ref, v.subject_id, v.visit_code, v.visit_date, v.repeat, v.status, v.note
    INTO said FROM murallink.visit v WHERE v.uid = visit_uid;
    SELECT v.app_user_uid INTO reported_by FROM murallink.visit v WHERE v.uid = visit_uid;
    -- In the order of locks: the enrollment, then the visit. A newer report of the visit holds its lock, and decides.
    matches := murallink_private.visits_match(reported_by, ARRAY[said]);
    SELECT v.reason INTO reason_before FROM murallink.visit v WHERE v.uid = visit_uid AND v.state = 'unmatched' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    ELSIF (matches[1]).problem = reason_before AND (matches[1]).refusal IS NULL THEN
        PERFORM murallink_private.visits_later(ARRAY[visit_uid]);
    ELSE
        PERFORM murallink_private.visits_set(ARRAY[visit_uid], matches);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_retry(murallink.ksuid) IS
'Tries again a visit that is not matched, for the user who has reported it; if the date is refused now, it is a conflict.';

CREATE FUNCTION murallink_private.visit_go_on(visit_uid murallink.ksuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    waits murallink.visit;
BEGIN
    SELECT * INTO waits FROM murallink.visit v WHERE v.uid = visit_uid;
    IF waits.state = 'unmatched' THEN
        PERFORM murallink_private.visit_retry(visit_uid);
        RETURN true;
    END IF;
    PERFORM murallink_private.enrollments_lock(ARRAY[waits.enrollment_uid]);
    SELECT * INTO waits FROM murallink.visit v WHERE v.uid = visit_uid AND v.state = 'waiting' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN true;
    ELSIF NOT murallink_private.may_report(waits.app_user_uid, waits.client_uid, waits.contract_uid, waits.trial_uid, waits.site_uid) THEN
        UPDATE murallink.visit v SET state = 'payable', reason = 'forbidden', changed_at = pg_catalog.clock_timestamp() WHERE v.uid = visit_uid;
        RETURN true;
    ELSIF NOT (SELECT t.auto_pay FROM murallink.trial t WHERE t.uid = waits.trial_uid) THEN
        UPDATE murallink.visit v SET state = 'payable', reason = '', changed_at = pg_catalog.clock_timestamp() WHERE v.uid = visit_uid;
        RETURN true;
    END IF;
    RETURN murallink_private.visit_pay(visit_uid);
EXCEPTION
    WHEN lock_not_available OR deadlock_detected OR SQLSTATE 'PT503' THEN
        RETURN false;
    WHEN OTHERS THEN
        -- One visit must not stop the others.
        UPDATE murallink.visit v SET state = 'conflict', reason = pg_catalog.left(SQLERRM, 200), changed_at = pg_catalog.clock_timestamp()
        WHERE v.uid = visit_uid;
        RETURN true;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_go_on(murallink.ksuid) IS
'Tries again a visit that is not matched, or pays one that waits for funds, unless its user has lost the right to report it, or its trial no longer pays visits by itself. Returns false if it has to wait: for funds, or because others have locked it.';

CREATE FUNCTION murallink_private.visits_later(visits murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink.visit v SET due_at = pg_catalog.clock_timestamp()
        + LEAST(pg_catalog.clock_timestamp() - v.changed_at + interval '5 seconds', interval '10 minutes')
    WHERE v.uid = ANY (visits);
END
$$;
COMMENT ON FUNCTION murallink_private.visits_later(murallink.ksuid[]) IS
'Postpones the worker''s next look at visits: by the time for which nothing has happened to them, at most by ten minutes.';

-- It keeps one plan, as visit_done does; the worker reads no whole table anyway.
CREATE FUNCTION murallink_private.visits_go_on(most integer DEFAULT 100) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET lock_timeout = '50ms'
SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    payable murallink.ksuid[];
    queue record;
    one murallink.ksuid;
    tried integer := 0;
    blocked integer := 0;
BEGIN
    FOR one IN
        SELECT v.uid FROM murallink.visit v WHERE v.state = 'unmatched' AND v.due_at <= pg_catalog.clock_timestamp() ORDER BY v.due_at LIMIT most
    LOOP
        tried := tried + 1;
        -- The worker waits for a few locks at most, because it sends no payouts meanwhile.
        IF NOT murallink_private.visit_go_on(one) THEN
            blocked := blocked + 1;
            EXIT WHEN blocked = 3;
        END IF;
    END LOOP;
    payable := ARRAY(
        SELECT v.uid FROM murallink.visit v WHERE v.state = 'payable' AND v.due_at <= pg_catalog.clock_timestamp()
        ORDER BY v.due_at LIMIT most FOR UPDATE SKIP LOCKED);
    tried := tried + pg_catalog.cardinality(payable);
    PERFORM murallink_private.visits_later(payable), murallink_private.visits_paid(payable);
    FOR queue IN
        SELECT DISTINCT v.contract_uid, m.currency FROM murallink.visit v JOIN murallink.milestone m ON m.uid = v.milestone_uid
        WHERE v.state = 'waiting'
    LOOP
        FOR one IN
            SELECT v.uid FROM murallink.visit v JOIN murallink.milestone m ON m.uid = v.milestone_uid
            WHERE v.state = 'waiting' AND v.contract_uid = queue.contract_uid AND m.currency = queue.currency
            ORDER BY v.visit_date, v.created_at, v.uid LIMIT most
        LOOP
            EXIT WHEN NOT murallink_private.visit_go_on(one);
            tried := tried + 1;
        END LOOP;
    END LOOP;
    RETURN tried >= most;
END
$$;
COMMENT ON FUNCTION murallink_private.visits_go_on(integer) IS
'Looks again at visits that are due: tries those that are not matched, and notes which of the payable ones have been paid meanwhile. Then it pays those that wait for funds, for each contract and currency the oldest first, until there are no more funds. For the worker, which sends no payouts meanwhile: what others have locked is left for the next time. most: how many of each; returns whether there may be more.';

CREATE FUNCTION murallink_private.visits_moved(enrollment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink.visit v SET state = 'unmatched', reason = 'moved', enrollment_uid = NULL, milestone_uid = NULL, occurrence = NULL,
        site_uid = NULL, changed_at = pg_catalog.clock_timestamp(), due_at = pg_catalog.clock_timestamp()
    FROM murallink.enrollment e
    WHERE e.uid = visits_moved.enrollment_uid AND v.enrollment_uid = e.uid AND v.state IN ('payable', 'waiting') AND v.visit_date > e.left_on;
END
$$;
COMMENT ON FUNCTION murallink_private.visits_moved(murallink.ksuid) IS
'After a transfer: the visits that are not paid and belong to the time of the next site are looked for again.';

CREATE FUNCTION murallink.resolve_visit(visit_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.visit_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := CASE WHEN NOT murallink_private.caller_is_operator() THEN murallink_private.require_caller()
        ELSE murallink_private.caller() END;
    place murallink.visit;
    why text;
BEGIN
    SELECT * INTO place FROM murallink.visit v WHERE v.uid = murallink_private.required(resolve_visit.visit_uid, 'visit_uid');
    IF NOT murallink_private.caller_is_operator() THEN
        PERFORM murallink_private.permit(
            'milestone_payment', place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, 'visit_uid');
    ELSIF place.uid IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'visit_uid');
    END IF;
    why := murallink_private.checked_text(resolve_visit.note, 'note', 1000, true);
    UPDATE murallink.visit v SET state = 'closed', reason = '', closed_by_uid = caller, closed_note = why,
        changed_at = pg_catalog.clock_timestamp()
    WHERE v.uid = place.uid AND v.state IN ('unmatched', 'payable', 'waiting', 'conflict');
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('wrong_status', 'visit_uid', 'It is paid, not owed, or closed.');
    END IF;
    RETURN murallink_private.visit_info(place.uid);
END
$$;
COMMENT ON FUNCTION murallink.resolve_visit(murallink.ksuid, text) IS
'Closes a reported visit that is a conflict, or that is not to be paid: nothing more follows from it, unless its system reports it otherwise. A payment that is wrong is taken back, and another one made, by the functions for payments. note: what was decided. Needs milestone_payment on the trial at the site, or a role that is a member of murallink_operator. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, wrong_status.';
