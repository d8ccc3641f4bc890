-- How operators stop and resume payouts, and decide those that need a person.

CREATE FUNCTION murallink.settle_payout(
    payout_uid murallink.ksuid DEFAULT NULL, outcome text DEFAULT NULL, reference text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout CONSTANT murallink.payout_info := murallink_private.payout_locked(payout_uid);
BEGIN
    IF murallink_private.required(outcome, 'outcome') NOT IN ('paid', 'failed') THEN
        PERFORM murallink_private.raise('invalid_value', 'outcome', 'One of paid and failed.');
    END IF;
    IF the_payout.status <> 'waiting' OR the_payout.reason <> 'settled_by_person' THEN
        PERFORM murallink_private.raise('wrong_status', 'payout_uid');
    END IF;
    UPDATE murallink_private.payout p
    SET reference = murallink_private.checked_text(settle_payout.reference, 'reference', 200, false),
        note = murallink_private.checked_text(settle_payout.note, 'note', 1000, false),
        reason = CASE settle_payout.outcome WHEN 'paid' THEN '' ELSE p.reason END, settled_at = pg_catalog.clock_timestamp()
    WHERE p.uid = settle_payout.payout_uid;
    UPDATE murallink_private.payment p
    SET status = CASE settle_payout.outcome WHEN 'paid' THEN 'paid' ELSE 'failed' END::murallink.payment_status
    WHERE p.uid = the_payout.payment_uid;
    PERFORM murallink_private.notices_of_payments(ARRAY[the_payout.payment_uid]);
    RETURN murallink_private.payout_info(payout_uid);
END
$$;
COMMENT ON FUNCTION murallink.settle_payout(murallink.ksuid, text, text, text) IS
'Records the outcome of a payout that no partner pays, such as a check. outcome: paid or failed; reference: such as the check''s number. For operators. Errors: missing_field, not_found, invalid_value, too_long, wrong_status.';

CREATE FUNCTION murallink.resolve_payout(
    payout_uid murallink.ksuid DEFAULT NULL, outcome text DEFAULT NULL, note text DEFAULT NULL, attempt integer DEFAULT NULL
) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout CONSTANT murallink.payout_info := murallink_private.payout_locked(payout_uid, outcome = 'not_paid');
    decided CONSTANT murallink.payment_status := CASE murallink_private.required(outcome, 'outcome')
        WHEN 'paid' THEN 'paid' WHEN 'not_paid' THEN 'approved' WHEN 'cancelled' THEN 'cancelled' END;
BEGIN
    IF decided IS NULL THEN
        PERFORM murallink_private.raise('invalid_value', 'outcome', 'One of paid, not_paid and cancelled.');
    END IF;
    IF the_payout.status <> 'in_doubt' THEN
        PERFORM murallink_private.raise('wrong_status', 'payout_uid');
    ELSIF the_payout.attempt <> resolve_payout.attempt THEN
        PERFORM murallink_private.raise('wrong_status', 'attempt', 'It was sent again since: ask the partner about the last attempt.');
    END IF;
    UPDATE murallink_private.payout p
    SET note = murallink_private.checked_text(resolve_payout.note, 'note', 1000, true),
        reason = CASE decided WHEN 'paid' THEN '' ELSE p.reason END,
        settled_at = CASE decided WHEN 'paid' THEN pg_catalog.clock_timestamp() ELSE p.settled_at END
    WHERE p.uid = resolve_payout.payout_uid;
    IF decided = 'paid' THEN
        PERFORM murallink_private.call_decide(resolve_payout.payout_uid, 'done', resolve_payout.note);
        RETURN murallink_private.payout_info(payout_uid);
    END IF;
    UPDATE murallink_private.payment p
    SET status = decided, decision_note = CASE decided
        WHEN 'cancelled' THEN murallink_private.checked_text(resolve_payout.note, 'note', 1000, true) ELSE p.decision_note END
    WHERE p.uid = the_payout.payment_uid;
    IF decided = 'approved' THEN
        PERFORM murallink_private.payout_begin(the_payout.payment_uid);
    END IF;
    RETURN murallink_private.payout_info(payout_uid);
END
$$;
COMMENT ON FUNCTION murallink.resolve_payout(murallink.ksuid, text, text, integer) IS
'Decides a payout in doubt, after asking the partner. outcome: paid; not_paid: sent again; cancelled: neither paid nor sent again, its funds are released. note: how this is known. attempt: the attempt about which the partner was asked, so that nothing is decided of one that was sent since; null: the last. For operators. Errors: missing_field, not_found, invalid_value, too_long, wrong_status.';

CREATE FUNCTION murallink.retry_payout(
    payout_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout CONSTANT murallink.payout_info := murallink_private.payout_locked(payout_uid, true);
BEGIN
    IF the_payout.status <> 'declined' THEN
        PERFORM murallink_private.raise('wrong_status', 'payout_uid');
    END IF;
    UPDATE murallink_private.payout p SET note = murallink_private.checked_text(retry_payout.note, 'note', 1000, true)
    WHERE p.uid = retry_payout.payout_uid;
    UPDATE murallink_private.payment p SET status = 'approved' WHERE p.uid = the_payout.payment_uid;
    PERFORM murallink_private.payout_begin(the_payout.payment_uid);
    RETURN murallink_private.payout_info(payout_uid);
END
$$;
COMMENT ON FUNCTION murallink.retry_payout(murallink.ksuid, text) IS
'Sends a declined payout again. note: why it should work now. For operators. Errors: missing_field, not_found, too_long, wrong_status.';

CREATE FUNCTION murallink_private.hold_subject(payout_uid murallink.ksuid, contract_uid murallink.ksuid, partner text)
RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    subject CONSTANT murallink.ksuid := coalesce(
        (SELECT o.uid FROM murallink_private.payout o WHERE o.uid = hold_subject.payout_uid),
        (SELECT c.uid FROM murallink.contract c WHERE c.uid = hold_subject.contract_uid),
        (SELECT p.uid FROM murallink_private.partner p WHERE p.name = hold_subject.partner));
BEGIN
    IF pg_catalog.num_nonnulls(payout_uid, contract_uid, NULLIF(partner, '')) <> 1 THEN
        PERFORM murallink_private.raise('missing_field', 'payout_uid');
    ELSIF subject IS NULL THEN
        PERFORM murallink_private.raise('not_found', CASE
            WHEN payout_uid IS NOT NULL THEN 'payout_uid' WHEN contract_uid IS NOT NULL THEN 'contract_uid' ELSE 'partner' END);
    END IF;
    RETURN subject;
END
$$;
COMMENT ON FUNCTION murallink_private.hold_subject(murallink.ksuid, murallink.ksuid, text) IS
'The subject to hold or release: the one argument that is given. Exactly one must be. Errors: missing_field, not_found.';

CREATE FUNCTION murallink.hold_payouts(
    note text DEFAULT NULL, payout_uid murallink.ksuid DEFAULT NULL, contract_uid murallink.ksuid DEFAULT NULL,
    partner text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    subject CONSTANT murallink.ksuid := murallink_private.hold_subject(payout_uid, contract_uid, partner);
BEGIN
    -- Waits for claims under way, so that later claims see the hold, and for nothing else.
    INSERT INTO murallink_private.payout_hold AS h (subject_uid, note)
    VALUES (subject, murallink_private.checked_text(hold_payouts.note, 'note', 1000, true))
    ON CONFLICT (subject_uid) DO UPDATE SET note = EXCLUDED.note;
    -- Payouts that are locked are marked later.
    PERFORM murallink_private.payouts_park(murallink_private.unclaimed(hold_payouts.contract_uid, NULL) || hold_payouts.payout_uid);
    INSERT INTO murallink_private.route_change (subject_uid) VALUES (subject);
END
$$;
COMMENT ON FUNCTION murallink.hold_payouts(text, murallink.ksuid, murallink.ksuid, text) IS
'Holds a payout, all payouts of a contract, or all calls to a partner until release_payouts(). Give one of the three. Calls under way are finished. note: why. For operators. Errors: missing_field, not_found, too_long, invalid_value.';

CREATE FUNCTION murallink.release_payouts(
    payout_uid murallink.ksuid DEFAULT NULL, contract_uid murallink.ksuid DEFAULT NULL, partner text DEFAULT NULL,
    note text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    subject CONSTANT murallink.ksuid := murallink_private.hold_subject(payout_uid, contract_uid, partner);
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, false);
    concerned CONSTANT murallink.ksuid[] := murallink_private.unclaimed(release_payouts.contract_uid, NULL) || release_payouts.payout_uid;
BEGIN
    -- payout_route() locks the contracts of payouts without a payment type. Take these locks before all others, as a
    -- change of a contract does; and before the hold is locked, without which no call is claimed.
    PERFORM FROM murallink.contract c WHERE c.uid IN (
        SELECT o.contract_uid FROM murallink_private.payout o WHERE o.uid = ANY (concerned) AND o.payment_type_uid IS NULL)
    FOR SHARE;
    -- For the audit, which shows the note of the deleted row.
    UPDATE murallink_private.payout_hold h SET note = why WHERE h.subject_uid = subject AND why <> '';
    DELETE FROM murallink_private.payout_hold h WHERE h.subject_uid = subject;
    IF NOT FOUND AND NOT EXISTS (
        SELECT FROM murallink_private.payout_shown o
        WHERE (o.uid = subject OR o.contract_uid = subject) AND o.status = 'waiting' AND o.reason = 'held'
            AND NOT EXISTS (SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (o.uid, o.contract_uid))) THEN
        PERFORM murallink_private.raise('wrong_status', CASE
            WHEN payout_uid IS NOT NULL THEN 'payout_uid' WHEN contract_uid IS NOT NULL THEN 'contract_uid' ELSE 'partner' END);
    END IF;
    PERFORM murallink_private.payouts_route(concerned);
    INSERT INTO murallink_private.route_change (subject_uid) VALUES (subject);
    PERFORM murallink_private.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.release_payouts(murallink.ksuid, murallink.ksuid, text, text) IS
'Ends a hold of hold_payouts(). A payout whose contract is held, too, still waits. note: why, for the audit. For operators. Errors: missing_field, not_found, too_long, invalid_value; wrong_status (it is not held, or only its contract or payouts of it are).';

CREATE FUNCTION murallink_private.prepared_writers() RETURNS TABLE (gid text)
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
COMMENT ON FUNCTION murallink_private.prepared_writers() IS
'The names of the prepared transactions that have written to murallink''s tables, oldest first.';

CREATE FUNCTION murallink_private.suspect_calls() RETURNS void
LANGUAGE sql VOLATILE AS $$
    -- Lock cards before payouts, each by uid, as everywhere.
    UPDATE murallink_private.card c SET suspect = true WHERE c.uid IN (
        SELECT k.uid FROM murallink_private.card k WHERE k.status IN ('waiting', 'ready') AND NOT k.suspect ORDER BY k.uid FOR NO KEY UPDATE);
    UPDATE murallink_private.payout o SET suspect = true WHERE o.uid IN (
        SELECT q.uid FROM murallink_private.payout q JOIN murallink_private.payment p ON p.uid = q.payment_uid
        WHERE p.status IN ('approved', 'failed', 'in_doubt') AND NOT q.suspect ORDER BY q.uid FOR NO KEY UPDATE OF q);
    UPDATE murallink_private.call c SET suspect = true, due_at = LEAST(c.due_at, pg_catalog.clock_timestamp())
    WHERE NOT c.suspect AND CASE c.resource
        WHEN 'payout' THEN c.status NOT IN ('done', 'cancelled') AND (c.operation IN ('load', 'pay') OR c.status IN ('ready', 'claimed') AND NOT c.repeatable)
        WHEN 'notice' THEN c.status = 'claimed' OR c.status = 'ready' AND c.due_at <= pg_catalog.clock_timestamp()
        ELSE c.status IN ('waiting', 'ready', 'claimed') AND NOT c.repeatable
            -- There the load that follows is another call, which may have been sent.
            OR c.operation = 'unload_balance' AND c.status IN ('in_doubt', 'done') AND NOT EXISTS (
                SELECT FROM murallink_private.call l WHERE l.once = 'load_balance ' || c.uid::text AND l.status = 'done') END;
$$;
COMMENT ON FUNCTION murallink_private.suspect_calls() IS
'Marks everything that another server may have sent, so that it is put in doubt instead of being sent: calls that are ready at once, the others when they would be sent. Card orders and requests that were declined or are in doubt are not marked, because a person asks the partner about them; but moves of balances that have not reached the new card are, because of the load that follows.';

CREATE FUNCTION murallink_private.trust_calls() RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE murallink_private.card c SET suspect = false WHERE c.uid IN (
        SELECT k.uid FROM murallink_private.card k WHERE k.suspect ORDER BY k.uid FOR NO KEY UPDATE);
    UPDATE murallink_private.payout o SET suspect = false WHERE o.uid IN (
        SELECT q.uid FROM murallink_private.payout q WHERE q.suspect ORDER BY q.uid FOR NO KEY UPDATE);
    UPDATE murallink_private.call SET suspect = false WHERE suspect;
$$;
COMMENT ON FUNCTION murallink_private.trust_calls() IS
'Removes the marks of suspect_calls() from calls that have not been put in doubt yet.';

CREATE FUNCTION murallink.enable_payouts(look_first boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here CONSTANT text := murallink_private.payout_place();
    earlier text;
BEGIN
    SELECT s.place INTO earlier FROM murallink_private.payout_switch s FOR NO KEY UPDATE;
    IF earlier <> here THEN
        IF look_first THEN
            -- Payments that such a transaction has approved may have been committed and sent there, and are
            -- not visible here.
            PERFORM murallink_private.raise('blocked', pg_catalog.format('prepared transaction %L', p.gid)) FROM murallink_private.prepared_writers() p LIMIT 1;
        END IF;
        PERFORM murallink_private.recover_calls();
        PERFORM murallink_private.suspect_calls();
    END IF;
    IF NOT murallink_private.required(look_first, 'look_first') THEN
        PERFORM murallink_private.trust_calls();
    END IF;
    UPDATE murallink_private.payout_switch s SET enabled = true, place = here;
    PERFORM murallink_private.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.enable_payouts(boolean) IS
'Enables payouts in this database of this server, and in no copy of it. First make sure that no other server pays out for it. look_first: true: if payouts were enabled elsewhere, that server may have sent open payouts since the copy was made, so they are put in doubt and looked up instead of being sent; false: nothing was sent there since then. Payouts that were approved only there cannot be looked up: see reconcile_funding(). For operators. Errors: missing_field, blocked (first commit or roll back the prepared transaction that came with the copy).';

CREATE FUNCTION murallink.disable_payouts() RETURNS void
-- Not in SQL, which locks the table for the UPDATE before the first statement: two that do so wait for each other.
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Waits for claims under way, and for nothing else.
    LOCK TABLE murallink_private.payout_switch IN EXCLUSIVE MODE;
    UPDATE murallink_private.payout_switch SET enabled = false;
END
$$;
COMMENT ON FUNCTION murallink.disable_payouts() IS
'Disables payouts. Calls that are being sent are finished; no others are sent. For operators.';

CREATE FUNCTION murallink.verify_ledger(OUT contract_uid murallink.ksuid, OUT currency text, OUT problem text) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT v.contract_uid, v.currency, v.problem FROM murallink_private.verify_payments() v
    UNION ALL
    SELECT v.contract_uid, v.currency, v.problem FROM murallink_private.verify_chains() v
    UNION ALL
    SELECT v.contract_uid, v.currency, v.problem FROM murallink_private.verify_reversals() v
    UNION ALL
    SELECT p.contract_uid, p.currency::text, CASE
        WHEN o.uid IS NULL THEN pg_catalog.format('payment %s of %s is %s and has no payout', p.uid, p.amount, p.status)
        ELSE pg_catalog.format('payment %s of %s to %s is %s, its payout %s to %s waits for %s and its call is %s',
            p.uid, p.amount, p.patient_uid, p.status, o.uid, o.patient_uid, coalesce(NULLIF(o.reason, ''), 'nothing'), coalesce(c.status::text, 'not made')) END
    FROM murallink_private.payment p LEFT JOIN murallink_private.payout o ON o.payment_uid = p.uid
    LEFT JOIN murallink_private.call c ON c.uid = o.uid
        -- Where a person paid, its call was never made, or was stopped before.
        CROSS JOIN LATERAL (
            SELECT coalesce(c.status = 'waiting', true) AND o.partner IS NULL AND o.settled_at IS NOT NULL AS settled) by_person
    WHERE p.status NOT IN ('pending', 'rejected', 'elsewhere', 'unmarked') AND (o.uid IS NULL
        OR (p.client_uid, p.contract_uid, p.patient_uid) <> (o.client_uid, o.contract_uid, o.patient_uid)
        OR CASE p.status
            WHEN 'approved' THEN c.status IN ('ready', 'claimed') OR o.reason <> '' AND (c.uid IS NULL OR c.status = 'waiting')
            WHEN 'cancelled' THEN c.uid IS NULL OR c.status = 'cancelled'
            WHEN 'failed' THEN c.status = 'declined' OR by_person.settled
            WHEN 'in_doubt' THEN c.status = 'in_doubt'
            ELSE c.status = 'done' OR by_person.settled END IS NOT TRUE)
    UNION ALL
    SELECT NULL, b.currency, b.problem FROM murallink_private.balance_problems() b
$$;
COMMENT ON FUNCTION murallink.verify_ledger() IS
'Checks that balances, entries, fundings, payments, reversals, payouts and moves of card balances agree, and that each payment is in the chain of its enrollment. Returns one row for each contradiction; of a move without a contract.';

CREATE FUNCTION murallink.resolve_card(
    card_uid murallink.ksuid DEFAULT NULL, ordered boolean DEFAULT NULL, note text DEFAULT NULL, proxy_key text DEFAULT NULL,
    attempt integer DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner CONSTANT murallink.ksuid := (
        SELECT c.patient_uid FROM murallink_private.card c WHERE c.uid = murallink_private.required(resolve_card.card_uid, 'card_uid'));
    present murallink.payout_status;
    last integer;
    ended boolean;
BEGIN
    -- card_send() and payouts_route() need these locks, too. Take them before that of the card, as everywhere.
    PERFORM FROM murallink.patient p WHERE p.uid = owner FOR SHARE;
    PERFORM FROM murallink_private.card c WHERE c.patient_uid = owner ORDER BY c.uid FOR NO KEY UPDATE;
    SELECT c.status, c.attempt, c.ended_at <> 'infinity' INTO present, last, ended
    FROM murallink_private.card c WHERE c.uid = resolve_card.card_uid;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'card_uid');
    ELSIF present NOT IN ('declined', 'in_doubt') OR ended THEN
        PERFORM murallink_private.raise('wrong_status', 'card_uid');
    ELSIF last <> resolve_card.attempt THEN
        PERFORM murallink_private.raise('wrong_status', 'attempt', 'It was sent again since: ask the partner about the last attempt.');
    END IF;
    IF resolve_card.proxy_key <> '' AND resolve_card.proxy_key !~ '^[0-9]+$' THEN
        PERFORM murallink_private.raise('invalid_value', 'proxy_key', 'Digits only.');
    END IF;
    UPDATE murallink_private.card c
    SET status = CASE WHEN murallink_private.required(ordered, 'ordered') THEN 'done' ELSE 'waiting' END::murallink.payout_status,
        proxy_key = murallink_private.checked_text(resolve_card.proxy_key, 'proxy_key', 100, ordered),
        note = murallink_private.checked_text(resolve_card.note, 'note', 1000, true), reason = ''
    WHERE c.uid = resolve_card.card_uid;
    IF ordered THEN
        UPDATE murallink_private.call c SET status = 'done', reason = '', note = resolve_card.note
        WHERE c.uid = resolve_card.card_uid AND c.status IN ('declined', 'in_doubt');
    ELSE
        PERFORM murallink_private.card_send(resolve_card.card_uid);
    END IF;
    PERFORM murallink_private.payouts_of_cards(ARRAY[resolve_card.card_uid]);
EXCEPTION WHEN unique_violation THEN
    PERFORM murallink_private.raise('already_exists', 'proxy_key');
END
$$;
COMMENT ON FUNCTION murallink.resolve_card(murallink.ksuid, boolean, text, text, integer) IS
'Decides an order that was declined or is in doubt, after asking the partner. ordered: true: there is a card, and proxy_key has all digits of its key; false: it is ordered again. note: how this is known. attempt: the order about which the partner was asked, as cards() shows it, so that nothing is decided of one that was sent since; null: the last. For operators. Errors: missing_field, not_found, too_long, wrong_status, invalid_value; already_exists: another card has or had this key.';
