-- How payouts and cards follow changes of holds, partners, enrollments and contracts.

CREATE FUNCTION murallink_private.unclaimed(contract_uid murallink.ksuid, partner text) RETURNS murallink.ksuid[]
LANGUAGE sql STABLE AS $$
    SELECT ARRAY(
        SELECT o.uid FROM murallink_private.payout o WHERE o.contract_uid = unclaimed.contract_uid AND o.reason <> ''
        UNION
        SELECT o.uid FROM murallink_private.call c JOIN murallink_private.payout o ON o.uid = c.uid
        WHERE o.contract_uid = unclaimed.contract_uid AND c.open AND c.resource = 'payout' AND unclaimed.contract_uid IS NOT NULL
        UNION
        SELECT o.uid FROM murallink_private.payout o WHERE o.partner = unclaimed.partner AND o.reason <> ''
        UNION
        SELECT c.uid FROM murallink_private.call c
        WHERE c.partner = unclaimed.partner AND c.open AND c.resource = 'payout' AND c.operation IN ('load', 'pay'))
$$;
COMMENT ON FUNCTION murallink_private.unclaimed(murallink.ksuid, text) IS
'The payouts of a contract or a partner that wait or are ready, and some others that are not done. The cost does not grow with payouts that are done.';

CREATE FUNCTION murallink_private.astray(payout_uids murallink.ksuid[]) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT o.uid
    FROM murallink_private.call l JOIN murallink_private.payout o ON o.uid OPERATOR(pg_catalog.=) l.uid
    JOIN murallink_private.payment y ON y.uid OPERATOR(pg_catalog.=) o.payment_uid
    JOIN murallink_private.card c ON c.uid OPERATOR(pg_catalog.=) o.card_uid
    JOIN murallink_private.partner p ON p.name OPERATOR(pg_catalog.=) o.partner
    WHERE l.uid OPERATOR(pg_catalog.=) ANY (payout_uids) AND l.status OPERATOR(pg_catalog.=) 'ready' AND (
        p.settings OPERATOR(pg_catalog.->>) 'currency' OPERATOR(pg_catalog.<>) y.currency
        OR p.settings OPERATOR(pg_catalog.->>) 'cust_prog_id' OPERATOR(pg_catalog.<>) c.program
        OR c.ended_at OPERATOR(pg_catalog.<>) 'infinity' AND NOT l.suspect
        OR EXISTS (SELECT FROM murallink_private.payout_hold h
            WHERE h.subject_uid OPERATOR(pg_catalog.=) ANY (ARRAY[o.uid, o.contract_uid])))
$$;
COMMENT ON FUNCTION murallink_private.astray(murallink.ksuid[]) IS
'Those of these payouts that are ready but must be routed again, because the transaction that approved them did not see a hold, a new configuration of the partner or a new card.';

CREATE FUNCTION murallink_private.accounts_astray(payout_uids murallink.ksuid[]) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT o.uid FROM murallink_private.payout o JOIN murallink_private.payment y ON y.uid = o.payment_uid
    JOIN murallink_private.call l ON l.uid = o.uid AND l.status = 'ready' AND NOT l.suspect
    JOIN murallink_private.partner p ON p.name = o.partner
    LEFT JOIN murallink_private.payout_account a ON a.uid = o.account_uid AND a.patient_uid = y.patient_uid AND a.ended_at IS NULL
    WHERE o.uid = ANY (payout_uids) AND o.account_uid IS NOT NULL AND (a.uid IS NULL OR p.settings ->> 'currency' <> y.currency OR EXISTS (
        SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (o.uid, o.contract_uid)))
$$;
COMMENT ON FUNCTION murallink_private.accounts_astray(murallink.ksuid[]) IS
'Those of these payouts to accounts that are ready but must be routed again, because the transaction that approved them did not see a hold, a new configuration of the partner or a new account.';

CREATE FUNCTION murallink_private.payouts_park(payout_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    free CONSTANT murallink.ksuid[] := ARRAY(
        SELECT o.uid FROM murallink_private.payout o WHERE o.uid = ANY (payout_uids) ORDER BY o.uid FOR NO KEY UPDATE SKIP LOCKED);
    ours CONSTANT murallink.ksuid[] := ARRAY(
        SELECT c.uid FROM murallink_private.call c
        WHERE c.uid = ANY (free) AND c.status IN ('waiting', 'ready') FOR NO KEY UPDATE SKIP LOCKED);
BEGIN
    PERFORM murallink_private.payouts_route(ARRAY(
        SELECT u FROM pg_catalog.unnest(free) AS u
        WHERE u = ANY (ours) OR NOT EXISTS (SELECT FROM murallink_private.call c WHERE c.uid = u)), held => true);
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_park(murallink.ksuid[]) IS
'Makes those of these payouts wait that are held and not locked.';

CREATE FUNCTION murallink_private.reroute_missed(payout_uids murallink.ksuid[]) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.payouts_route(ARRAY(
        SELECT o.uid FROM murallink_private.payout o WHERE o.uid = ANY (payout_uids) AND o.reason <> ''
        UNION SELECT a FROM murallink_private.astray(payout_uids) a
        UNION SELECT a FROM murallink_private.accounts_astray(payout_uids) a));
$$;
COMMENT ON FUNCTION murallink_private.reroute_missed(murallink.ksuid[]) IS
'Routes those of these payouts again that wait or are astray. Others that are ready keep their due_at.';

CREATE FUNCTION murallink_private.reroute_partner(partner_name text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.order_enrolled(ARRAY(
        SELECT e.uid FROM murallink.contract c JOIN murallink.enrollment e ON e.contract_uid = c.uid
        WHERE c.order_cards = 'enrollment'));
    PERFORM murallink_private.reroute_missed(murallink_private.unclaimed(NULL, partner_name));
END
$$;
COMMENT ON FUNCTION murallink_private.reroute_partner(text) IS
'Routes payouts and cards that wait for a partner, or have not been claimed, with its current configuration.';

CREATE FUNCTION murallink_private.account_payouts(patient_uid murallink.ksuid) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT o.uid FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid AND p.status = 'approved'
    JOIN murallink_private.payout o ON o.payment_uid = p.uid JOIN murallink_private.payment_type t ON t.uid = o.payment_type_uid
    WHERE e.patient_uid = account_payouts.patient_uid AND t.by_account
$$;
COMMENT ON FUNCTION murallink_private.account_payouts(murallink.ksuid) IS
'The payouts of a patient to accounts that are approved and not paid yet.';

CREATE FUNCTION murallink_private.accounts_cooled() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    WITH cooled AS (
        UPDATE murallink_private.payout_account a SET cooling = false
        WHERE a.uid IN (
            SELECT k.uid FROM murallink_private.payout_account k WHERE k.cooling AND k.usable_from <= pg_catalog.clock_timestamp()
            ORDER BY k.usable_from LIMIT 100 FOR UPDATE SKIP LOCKED)
        RETURNING a.patient_uid
    )
    INSERT INTO murallink_private.route_change (subject_uid) SELECT DISTINCT o FROM cooled c, murallink_private.account_payouts(c.patient_uid) AS o;
END
$$;
COMMENT ON FUNCTION murallink_private.accounts_cooled() IS
'Has the payouts routed again that have waited for an account which was changed. For the worker.';

CREATE FUNCTION murallink_private.reroute_late() RETURNS void
-- The worker reads no answers while it waits, and others may wait for what it has locked meanwhile.
LANGUAGE plpgsql VOLATILE SET lock_timeout = '100ms' AS $$
DECLARE
    running CONSTANT pg_snapshot := pg_catalog.pg_current_snapshot();
    change record;
BEGIN
    PERFORM murallink_private.accounts_cooled();
    FOR change IN
        SELECT c.subject_uid, p.name AS partner, pg_catalog.array_agg(c.uid) AS uids
        FROM murallink_private.route_change c LEFT JOIN murallink_private.partner p ON p.uid = c.subject_uid
        -- A number above all transactions comes from the cluster of which this is a copy.
        WHERE c.running_below <= pg_catalog.pg_snapshot_xmin(running)
            OR c.running_below > pg_catalog.pg_snapshot_xmax(running)
        GROUP BY 1, 2
    LOOP
        BEGIN
            IF change.partner IS NOT NULL THEN
                PERFORM murallink_private.reroute_partner(change.partner);
            ELSE
                PERFORM murallink_private.reroute_missed(murallink_private.unclaimed(change.subject_uid, NULL) || change.subject_uid);
            END IF;
            DELETE FROM murallink_private.route_change c WHERE c.uid = ANY (change.uids);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- One of them is locked: try again later.
            NULL;
        END;
    END LOOP;
    UPDATE murallink_private.route_change c SET running_below = pg_catalog.pg_snapshot_xmax(running) WHERE c.running_below IS NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.reroute_late() IS
'Routes payouts again after a hold or a partner has changed, when no transaction that may have missed the change is running any more. For the worker.';

CREATE FUNCTION murallink_private.order_enrolled(enrollment_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.card_begin(w.patient_uid, w.name, w.program)
    FROM (
        SELECT DISTINCT e.patient_uid, p.name, p.settings ->> 'cust_prog_id' AS program
        FROM murallink.enrollment e JOIN murallink.contract c ON c.uid = e.contract_uid
        JOIN murallink_private.payment_type t ON t.uid = coalesce(e.payment_type_uid, c.default_payment_type_uid)
        JOIN murallink_private.partner p ON p.name = t.partner AND p.settings ->> 'currency' = c.currency
        WHERE e.uid = ANY (enrollment_uids) AND e.status = 'enrolled' AND c.order_cards = 'enrollment' AND NOT t.by_account
            -- card_begin() would lock the other cards, but not in their order.
            AND NOT EXISTS (
                SELECT FROM murallink_private.card k
                WHERE k.patient_uid = e.patient_uid AND k.partner = p.name AND k.program = p.settings ->> 'cust_prog_id')
        ORDER BY 1) w;
END
$$;
COMMENT ON FUNCTION murallink_private.order_enrolled(murallink.ksuid[]) IS
'Orders cards for those of these enrollments that have none, if the contract has order_cards = enrollment and a configured partner pays the patient in the contract''s currency.';

CREATE FUNCTION murallink_private.enrollment_rerouted(enrollment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    -- The payment type changes in the whole chain: one call for all locks the payouts in their order.
    chained CONSTANT murallink.ksuid[] := ARRAY(
        SELECT c.uid FROM murallink.enrollment e JOIN murallink.enrollment c ON c.chain_uid = e.chain_uid
        WHERE e.uid = enrollment_rerouted.enrollment_uid);
BEGIN
    -- Lock the contract first, as enrollment_begun() does; then wait for payments that are being approved, or
    -- set back by the worker.
    PERFORM FROM murallink.contract c JOIN murallink.enrollment e ON e.contract_uid = c.uid
    WHERE e.uid = enrollment_rerouted.enrollment_uid FOR SHARE OF c;
    PERFORM FROM murallink_private.payment p
    WHERE p.enrollment_uid = ANY (chained) AND p.status IN ('pending', 'approved', 'failed', 'in_doubt')
    ORDER BY p.uid FOR SHARE;
    PERFORM murallink_private.payouts_route(ARRAY(
        SELECT o.uid FROM murallink_private.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid
        WHERE p.enrollment_uid = ANY (chained) AND p.status = 'approved'));
    PERFORM murallink_private.enrollment_begun(enrollment_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.enrollment_rerouted(murallink.ksuid) IS
'Routes payouts of the chain of an enrollment that have not been sent again, after its payment type has changed.';

CREATE FUNCTION murallink_private.enrollment_begun(enrollment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    -- Serializes with a concurrent change of order_cards.
    chosen CONSTANT text := (
        SELECT c.order_cards FROM murallink.contract c JOIN murallink.enrollment e ON e.contract_uid = c.uid
        WHERE e.uid = enrollment_begun.enrollment_uid FOR SHARE OF c);
BEGIN
    IF chosen = 'enrollment' THEN
        PERFORM murallink_private.order_enrolled(ARRAY[enrollment_uid]);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.enrollment_begun(murallink.ksuid) IS
'Orders a card after an enrollment or a change of its payment type, if the contract has order_cards = enrollment.';

CREATE FUNCTION murallink_private.contract_rerouted(contract_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.payouts_route(murallink_private.unclaimed(contract_uid, NULL));
    PERFORM murallink_private.order_enrolled(ARRAY(
        SELECT e.uid FROM murallink.contract c JOIN murallink.enrollment e ON e.contract_uid = c.uid
        WHERE c.uid = contract_rerouted.contract_uid AND c.order_cards = 'enrollment'));
END
$$;
COMMENT ON FUNCTION murallink_private.contract_rerouted(murallink.ksuid) IS
'Routes payouts that depend on the contract''s default payment type and have not been sent again, after the contract has changed, and orders cards if it has order_cards = enrollment.';

CREATE FUNCTION murallink_private.partner_rerouted(partner_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO murallink_private.route_change (subject_uid) VALUES (partner_rerouted.partner_uid);
    BEGIN
        PERFORM murallink_private.reroute_partner(p.name) FROM murallink_private.partner p WHERE p.uid = partner_rerouted.partner_uid;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        -- configure_partner() must not wait for transactions that lock payouts, so waiting payouts are
        -- routed a little later.
        NULL;
    END;
END
$$;
COMMENT ON FUNCTION murallink_private.partner_rerouted(murallink.ksuid) IS
'Routes payouts and cards again after a change of a partner''s configuration.';

CREATE FUNCTION murallink_private.cards_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- As in call_end(): do not wait for locks.
    PERFORM murallink_private.cards_lock(calls);
    UPDATE murallink_private.card c
    SET status = o.status, reason = o.reason, settled_at = o.settled_at,
        proxy_key = CASE o.status WHEN 'done' THEN coalesce(o.facts ->> 'proxy_key', '') ELSE '' END,
        order_id = coalesce(o.facts ->> 'order_id', ''), person_id = coalesce(o.facts ->> 'person_id', ''),
        expires_on = murallink_private.card_expiry(o.facts ->> 'expires_on')
    FROM murallink_private.call o
    WHERE o.uid = ANY (calls) AND c.uid = o.uid AND c.status = 'ready' AND o.status IN ('done', 'declined', 'in_doubt');
    -- The patient may have lost the address since it was sent.
    PERFORM murallink_private.card_send(o.uid) FROM murallink_private.call o WHERE o.uid = ANY (calls) AND o.status = 'ready';
    -- An order that was not sent is stopped if its card was replaced meanwhile.
    PERFORM murallink_private.order_stop(c.uid) FROM murallink_private.card c
    WHERE c.uid = ANY (calls) AND c.status = 'ready' AND c.ended_at <> 'infinity';
    PERFORM murallink_private.payouts_of_cards(calls);
END
$$;
COMMENT ON FUNCTION murallink_private.cards_follow(murallink.ksuid[]) IS
'Sets cards to done, declined or in_doubt as their orders have ended, and routes the payouts that wait for them.';

CREATE FUNCTION murallink_private.cards_of_patient(patient_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    open murallink.ksuid[];
BEGIN
    -- All of them, because payouts_lock_ways() locks those that were replaced, too.
    PERFORM FROM murallink_private.card c WHERE c.patient_uid = cards_of_patient.patient_uid ORDER BY c.uid FOR NO KEY UPDATE;
    open := ARRAY(
        SELECT c.uid FROM murallink_private.card c
        WHERE c.patient_uid = cards_of_patient.patient_uid AND c.status IN ('waiting', 'ready') AND c.task_uid IS NULL ORDER BY c.uid);
    PERFORM murallink_private.card_send(u) FROM pg_catalog.unnest(open) AS u;
    PERFORM murallink_private.payouts_of_cards(open);
END
$$;
COMMENT ON FUNCTION murallink_private.cards_of_patient(murallink.ksuid) IS
'Orders the cards of a patient that waited for an e-mail address or phone number; cards to be ordered wait if the patient has neither any more.';
