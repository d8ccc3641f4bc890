-- How payouts and cards follow what changes: holds, partners, the choices of patients and contracts.

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
        WHERE c.partner = unclaimed.partner AND c.open AND c.resource = 'payout' AND c.operation = 'load')
$$;
COMMENT ON FUNCTION murallink_private.unclaimed(murallink.ksuid, text) IS
'All payouts of a contract or of a partner that wait or are ready, and some others that are not done: found by what is open, whatever was paid before.';

CREATE FUNCTION murallink_private.astray(payout_uids murallink.ksuid[]) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT o.uid
    FROM murallink_private.call l JOIN murallink_private.payout o ON o.uid = l.uid
    JOIN murallink_private.payment y ON y.uid = o.payment_uid
    JOIN murallink_private.card c ON c.uid = o.card_uid
    JOIN murallink_private.partner p ON p.name = o.partner
    WHERE l.uid = ANY (payout_uids) AND l.status = 'ready' AND (
        p.settings ->> 'currency' <> y.currency OR p.settings ->> 'cust_prog_id' <> c.program
        OR EXISTS (SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (o.uid, o.contract_uid)))
$$;
COMMENT ON FUNCTION murallink_private.astray(murallink.ksuid[]) IS
'Those of the payouts that are ready and must not be sent as they are: they are held, or the partner has been set up otherwise, and the transaction that approved them could not see it yet.';

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
        WHERE u = ANY (ours) OR NOT EXISTS (SELECT FROM murallink_private.call c WHERE c.uid = u)));
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_park(murallink.ksuid[]) IS
'Has those of these payouts wait that are held and that nobody is at work on.';

CREATE FUNCTION murallink_private.reroute_missed(payout_uids murallink.ksuid[]) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.payouts_route(ARRAY(
        SELECT o.uid FROM murallink_private.payout o WHERE o.uid = ANY (payout_uids) AND o.reason <> ''
        UNION SELECT murallink_private.astray(payout_uids)));
$$;
COMMENT ON FUNCTION murallink_private.reroute_missed(murallink.ksuid[]) IS
'Looks again how those of these payouts are paid that wait or are astray; a payout that is ready and right keeps its place in the queue.';

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
'Has what waits for a partner, or has not been claimed, go on as the partner is set up now.';

CREATE FUNCTION murallink_private.reroute_late() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    running CONSTANT pg_snapshot := pg_catalog.pg_current_snapshot();
    change record;
BEGIN
    FOR change IN
        SELECT c.uid, c.subject_uid, p.name AS partner
        FROM murallink_private.route_change c LEFT JOIN murallink_private.partner p ON p.uid = c.subject_uid
        -- What is above all transactions was written in the cluster that this is a copy of.
        WHERE c.running_below <= pg_catalog.pg_snapshot_xmin(running)
            OR c.running_below > pg_catalog.pg_snapshot_xmax(running)
    LOOP
        BEGIN
            IF change.partner IS NOT NULL THEN
                PERFORM murallink_private.reroute_partner(change.partner);
            ELSE
                PERFORM murallink_private.reroute_missed(murallink_private.unclaimed(change.subject_uid, NULL) || change.subject_uid);
            END IF;
            DELETE FROM murallink_private.route_change c WHERE c.uid = change.uid;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- Somebody is at work on one of them: later.
            NULL;
        END;
    END LOOP;
    UPDATE murallink_private.route_change c SET running_below = pg_catalog.pg_snapshot_xmax(running) WHERE c.running_below IS NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.reroute_late() IS
'Looks again how payouts are paid where holds or partners have changed, once no transaction runs that may have missed it. For the worker, now and then.';

CREATE FUNCTION murallink_private.order_enrolled(enrollment_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.card_begin(w.patient_uid, w.name, w.program)
    FROM (
        SELECT DISTINCT e.patient_uid, p.name, p.settings ->> 'cust_prog_id' AS program
        FROM murallink.enrollment e JOIN murallink.contract c ON c.uid = e.contract_uid
        JOIN murallink_private.payment_type t ON t.uid = coalesce(e.payment_type_uid, c.default_payment_type_uid)
        JOIN murallink_private.partner p ON p.name = t.partner AND p.settings ->> 'currency' = c.currency
        WHERE e.uid = ANY (enrollment_uids) AND e.status = 'enrolled' AND c.order_cards = 'enrollment'
        ORDER BY 1) w;
END
$$;
COMMENT ON FUNCTION murallink_private.order_enrolled(murallink.ksuid[]) IS
'Sees to it that of these enrollments, those in contracts with order_cards = enrollment have a card, or one that is being ordered, where a partner that is set up, in the contract''s currency, pays the patient.';

CREATE FUNCTION murallink_private.enrollment_rerouted(enrollment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Payments that are being approved, or given back by the worker, are waited for. Before them comes the contract, which
    -- enrollment_begun() locks.
    PERFORM FROM murallink.contract c JOIN murallink.enrollment e ON e.contract_uid = c.uid
    WHERE e.uid = enrollment_rerouted.enrollment_uid FOR SHARE OF c;
    PERFORM FROM murallink_private.payment p
    WHERE p.enrollment_uid = enrollment_rerouted.enrollment_uid AND p.status IN ('pending', 'approved', 'failed', 'in_doubt')
    ORDER BY p.uid FOR SHARE;
    PERFORM murallink_private.payouts_route(ARRAY(
        SELECT o.uid FROM murallink_private.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid
        WHERE p.enrollment_uid = enrollment_rerouted.enrollment_uid AND p.status = 'approved'));
    PERFORM murallink_private.enrollment_begun(enrollment_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.enrollment_rerouted(murallink.ksuid) IS
'Has payouts that have not been sent go the way that the patient has chosen.';

CREATE FUNCTION murallink_private.enrollment_begun(enrollment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    -- A transaction that turns the choice on waits for this one, or this one for it.
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
'A patient who is enrolled, or has chosen how to be paid, gets a card where the contract says so.';

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
'Has payouts that have not been sent go the way that the contract has chosen, where patients have chosen nothing, and orders the cards that it wants ordered on enrollment.';

CREATE FUNCTION murallink_private.partner_rerouted(partner_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO murallink_private.route_change (subject_uid) VALUES (partner_rerouted.partner_uid);
    BEGIN
        PERFORM murallink_private.reroute_partner(p.name) FROM murallink_private.partner p WHERE p.uid = partner_rerouted.partner_uid;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        -- How a partner is called does not wait for a transaction that is at work on a payout: what waits goes on a little later.
        NULL;
    END;
END
$$;
COMMENT ON FUNCTION murallink_private.partner_rerouted(murallink.ksuid) IS
'Has what waits for a partner, or has not been claimed, go on as the partner is set up.';

CREATE FUNCTION murallink_private.cards_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- As in call_end(): nobody is waited for.
    PERFORM FROM murallink_private.card c WHERE c.uid = ANY (calls) ORDER BY c.uid FOR NO KEY UPDATE NOWAIT;
    UPDATE murallink_private.card c
    SET status = o.status, reason = o.reason, settled_at = o.settled_at,
        proxy_key = CASE o.status WHEN 'done' THEN coalesce(o.facts ->> 'proxy_key', '') ELSE '' END,
        order_id = coalesce(o.facts ->> 'order_id', ''), person_id = coalesce(o.facts ->> 'person_id', '')
    FROM murallink_private.call o
    WHERE o.uid = ANY (calls) AND c.uid = o.uid AND c.status = 'ready' AND o.status IN ('done', 'declined', 'in_doubt');
    -- The patient may have no address any more since it was sent.
    PERFORM murallink_private.card_send(o.uid) FROM murallink_private.call o WHERE o.uid = ANY (calls) AND o.status = 'ready';
    PERFORM murallink_private.payouts_of_card(o.uid) FROM murallink_private.call o WHERE o.uid = ANY (calls);
END
$$;
COMMENT ON FUNCTION murallink_private.cards_follow(murallink.ksuid[]) IS
'Cards are there, declined or in doubt as the calls that ordered them have ended, and payouts that wait for them go on.';

CREATE FUNCTION murallink_private.cards_of_patient(patient_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.card_send(c.uid), murallink_private.payouts_of_card(c.uid)
    FROM murallink_private.card c
    WHERE c.patient_uid = cards_of_patient.patient_uid AND c.status IN ('waiting', 'ready') AND c.task_uid IS NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.cards_of_patient(murallink.ksuid) IS
'A card that waited for the patient''s e-mail address or phone can be ordered, and one that was to be ordered waits where neither is left.';
