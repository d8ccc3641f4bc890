-- The feed of events, which other software reads with a cursor.

CREATE TYPE murallink.event_info AS (
    uid murallink.ksuid, sequence text, type text, at timestamptz, resource text, resource_uid murallink.ksuid,
    client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid,
    payment_uid murallink.ksuid, status text, reason text, amount numeric, currency text, returned numeric);
COMMENT ON TYPE murallink.event_info IS
'An event, without names and free text. sequence: its place in the feed, which sorts as text, and the argument after for what follows it; resource, resource_uid: what has changed; the uids of its place; payment_uid: the payment, of an event about a payment or its payout; status: the new status of a payment, an enrollment or a card, if it has changed; reason: what a payout waits for; amount, currency: of the payment, the price of the milestone, or what was available of funds that are low; returned: what has come back of the payment so far, if that has changed.';

CREATE TYPE murallink.event_page AS (events murallink.event_info[], next text, more boolean);
COMMENT ON TYPE murallink.event_page IS
'A part of the feed. next: the argument after for what follows, also if no event is shown; null if there has never been one; more: whether more may be there already.';

CREATE FUNCTION murallink_private.event_types(types text[]) RETURNS murallink.event_type[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT types <@ pg_catalog.enum_range(NULL::murallink.event_type)::text[] THEN
        PERFORM murallink_private.raise('invalid_value', 'types', 'The types that the description of events names.');
    END IF;
    RETURN NULLIF(types, '{}')::murallink.event_type[];
END
$$;
COMMENT ON FUNCTION murallink_private.event_types(text[]) IS 'The types of events that a request names; null for all. Errors: invalid_value.';

CREATE FUNCTION murallink_private.event_after(after text, OUT "position" bigint, OUT step integer)
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF after <> '' AND after !~ '^[0-7][0-9a-f]{15}[0-7][0-9a-f]{7}$' THEN
        PERFORM murallink_private.raise('invalid_value', 'after', 'What an earlier answer has as next, or absent.');
    END IF;
    "position" := coalesce(('x' || pg_catalog.left(NULLIF(after, ''), 16))::bit(64)::bigint, 0);
    step := coalesce(('x' || pg_catalog.right(NULLIF(after, ''), 8))::bit(32)::integer, 0);
END
$$;
COMMENT ON FUNCTION murallink_private.event_after(text) IS
'The position and the step that event_sequence() has written; zero for null and an empty text, which come before all events. Errors: invalid_value.';

CREATE FUNCTION murallink.events(after text DEFAULT NULL, types text[] DEFAULT NULL, most integer DEFAULT 1000) RETURNS murallink.event_page
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    admin CONSTANT boolean := murallink_private.caller_is_admin();
    wanted CONSTANT murallink.event_type[] := murallink_private.event_types(types);
    start CONSTANT record := murallink_private.event_after(after);
    until CONSTANT bigint := murallink_private.events_end();
    -- How many events that are not shown are passed over at most.
    most_read CONSTANT integer := 20000;
    answer murallink.event_page;
BEGIN
    most := coalesce(most, 1000);
    IF most NOT BETWEEN 0 AND 10000 THEN
        PERFORM murallink_private.raise('invalid_value', 'most', 'A number from 0 to 10000.');
    END IF;
    SELECT coalesce(pg_catalog.array_agg(page.info), '{}') INTO answer.events
    FROM (
        SELECT ROW(e.uid, e.sequence, e.event, e.at, e.resource, e.resource_uid, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid,
            e.payment_uid, e.status, e.reason, e.amount, e.currency, e.returned)::murallink.event_info AS info
        FROM (
            SELECT * FROM murallink_private.event v
            WHERE (v."position", v.step) > (start."position", start.step) AND v."position" < until
            ORDER BY v."position", v.step LIMIT most_read) e
        WHERE (wanted IS NULL OR e.event = ANY (wanted)) AND (admin OR CASE
            WHEN e.resource IN ('payment', 'payout') THEN
                murallink_private.permitted('view_payments', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
                OR e.payment_uid IN (
                    SELECT p.uid FROM murallink_private.payment p WHERE murallink_private.granted_moved('view_payments', p.enrollment_uid))
            WHEN e.resource = 'enrollment' THEN
                murallink_private.permitted('view_enrollments', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
                OR murallink_private.permitted('view_patients', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
                OR murallink_private.granted_moved('view_enrollments', e.resource_uid)
                OR murallink_private.granted_moved('view_patients', e.resource_uid)
            WHEN e.resource = 'milestone' THEN
                murallink_private.permitted('view_payment_schedule', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
            WHEN e.resource = 'contract' THEN
                murallink_private.permitted('view_contract', e.client_uid, e.contract_uid, NULL, NULL)
                OR murallink_private.permitted('view_report', e.client_uid, e.contract_uid, NULL, NULL)
            WHEN e.resource = 'permission_grant' THEN
                murallink_private.permitted('grant', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
            ELSE false END)
        ORDER BY e."position", e.step LIMIT most) page;
    IF most > 0 AND pg_catalog.cardinality(answer.events) = most THEN
        answer.next := answer.events[most].sequence;
        answer.more := true;
        RETURN answer;
    END IF;
    SELECT murallink_private.event_sequence(e."position", e.step) INTO answer.next FROM murallink_private.audit_event e
    WHERE (e."position", e.step) > (start."position", start.step) AND e."position" < until AND most > 0
    ORDER BY e."position", e.step LIMIT 1 OFFSET most_read - 1;
    answer.more := FOUND;
    IF NOT FOUND THEN
        answer.next := coalesce((
            SELECT murallink_private.event_sequence(e."position", e.step) FROM murallink_private.audit_event e
            WHERE (e."position", e.step) > (start."position", start.step) AND e."position" < until
            ORDER BY e."position" DESC, e.step DESC LIMIT 1), NULLIF(after, ''));
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.events(text, text[], integer) IS
'The events after a place in the feed that the caller may see, oldest first. Nothing is skipped that is committed later: an event is shown when all transactions that began before its own have ended. after: next or sequence of an earlier answer; null or empty: from the beginning; types: only these; null or empty: all; most: how many at most, up to 10,000; null: 1000; 0: none, and next is the end of the feed. Shows events of payments and payouts to callers who hold view_payments at their place; of enrollments: view_enrollments or view_patients; of milestones: view_payment_schedule; of funds: view_contract or view_report; of grants: grant; of cards and accounts: to admins. Errors: unauthenticated, invalid_value.';

CREATE FUNCTION murallink_private.funds_watch() RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE murallink.contract c
    SET funds_low = CASE WHEN w.low THEN w.available END, funds_low_at = CASE WHEN w.low THEN pg_catalog.clock_timestamp() END
    FROM (
        SELECT k.uid, f.available, f.available < k.low_funds AS low
        FROM murallink.contract k, LATERAL (
            SELECT coalesce(pg_catalog.sum(s.available), 0) AS available FROM murallink.fund_slot s
            WHERE s.contract_uid = k.uid AND s.currency = k.currency) f
        WHERE k.low_funds IS NOT NULL AND (f.available < k.low_funds) <> (k.funds_low IS NOT NULL)
            AND murallink_private.payouts_state() <> 'elsewhere'
        -- What somebody changes now is looked at the next time.
        FOR NO KEY UPDATE OF k SKIP LOCKED) w
    WHERE c.uid = w.uid
$$;
COMMENT ON FUNCTION murallink_private.funds_watch() IS
'Finds contracts whose available funds have become low, or are not low any more (set_low_funds): the first is an event. Nothing in a copy of a database for which payouts were enabled elsewhere. For the worker, so that no payer does it.';
