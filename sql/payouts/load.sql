-- The call that loads a card for a payout, and what follows for the payment.

CREATE FUNCTION murallink_private.payouts_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    astray CONSTANT murallink.ksuid[] := ARRAY(SELECT a FROM murallink_private.astray(calls) a);
BEGIN
    IF astray <> '{}' THEN
        BEGIN
            PERFORM murallink_private.payouts_route(astray);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END IF;
    -- Skip payments that another transaction is cancelling.
    RETURN QUERY
    WITH free AS MATERIALIZED (
        SELECT o.uid, o.card_uid, p.amount - coalesce(p.recovered, 0) AS amount
        FROM murallink_private.payout o JOIN murallink_private.payment p ON p.uid = o.payment_uid
        WHERE o.uid = ANY (calls) AND p.status = 'approved' AND o.reason = '' AND o.uid <> ALL (astray)
        FOR NO KEY UPDATE OF p SKIP LOCKED
    )
    SELECT f.uid, 'load', pg_catalog.jsonb_build_object('program', c.program, 'proxy_key', c.proxy_key,
        'amount', f.amount::numeric(16, 2)::text, 'reference', f.uid::text), ''
    FROM free f JOIN murallink_private.card c ON c.uid = f.card_uid AND c.status = 'done'
    -- A load that another server may have sent is put in doubt, and not sent.
    WHERE c.ended_at = 'infinity' OR EXISTS (SELECT FROM murallink_private.call l WHERE l.uid = f.uid AND l.suspect);
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_ask(murallink.ksuid[]) IS
'What to send to load the cards of payouts. Payouts that are held, whose partner was configured differently or whose card was replaced since, are routed again instead.';

CREATE FUNCTION murallink_private.payout_judge(ended murallink.call_state) RETURNS murallink.call_state
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- After an answer "signed out" or "too many calls", look it up before it is sent again. A refusal of a
    -- repeat, after a look-up that did not show it, may mean that the first attempt was carried out.
    IF ended.outcome = 'not_sent' AND ended.http_status IN (401, 429) AND (
            SELECT (p.settings ->> 'look_up')::boolean FROM murallink_private.partner p WHERE p.name = ended.partner)
        OR ended.outcome = 'declined' AND murallink_private.note_of_look_up() = (CASE WHEN ended.operation IN ('load', 'pay')
            THEN (SELECT o.note FROM murallink_private.payout o WHERE o.uid = ended.uid) ELSE ended.note END) THEN
        ended.status := 'in_doubt';
    END IF;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.payout_judge(murallink.call_state) IS
'The status of a load or an unload after an attempt: in doubt if it must be looked up before it is sent again or counts as declined.';

CREATE FUNCTION murallink_private.payouts_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    paid murallink.ksuid[];
    owing CONSTANT murallink.ksuid[] := pg_catalog.array_remove(ARRAY(
        -- As in call_end(): do not wait for locks.
        SELECT CASE WHEN p.recovered IS NOT NULL THEN p.uid END
        FROM murallink_private.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid
        WHERE o.uid = ANY (calls) ORDER BY p.uid FOR NO KEY UPDATE OF p, o NOWAIT), NULL);
BEGIN
    IF owing <> '{}' THEN
        PERFORM murallink_private.recoveries_lock(owing);
    END IF;
    WITH decided AS (
        UPDATE murallink_private.payment p
        SET status = CASE c.status WHEN 'done' THEN 'paid' WHEN 'declined' THEN 'failed' ELSE 'in_doubt' END::murallink.payment_status
        FROM murallink_private.call c JOIN murallink_private.payout o ON o.uid = c.uid
        WHERE c.uid = ANY (calls) AND p.uid = o.payment_uid AND c.status IN ('done', 'declined', 'in_doubt')
        RETURNING p.uid, p.status
    )
    SELECT pg_catalog.array_agg(d.uid) FILTER (WHERE d.status = 'paid') INTO paid FROM decided d;
    PERFORM murallink_private.notices_of_payments(paid);
    PERFORM murallink_private.look_up_begin(c.uid) FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'in_doubt';
    -- Route payouts that were not sent again, because their route may have changed.
    PERFORM murallink_private.payouts_route(ARRAY(
        SELECT c.uid FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'ready'));
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_follow(murallink.ksuid[]) IS
'Sets the payments of ended calls to paid, failed or in_doubt, and starts look-ups of those in doubt.';
