-- What is on a card, and moving it to the card that has replaced it: the old one is unloaded, and only then the new one loaded.

CREATE FUNCTION murallink_private.balance_reference(call_uid murallink.ksuid, params jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN coalesce(params ->> 'unload_uid', call_uid::text);
COMMENT ON FUNCTION murallink_private.balance_reference(murallink.ksuid, jsonb) IS
'The reference with which a move of a balance is sent: the uid of its unload, for the load as well, so that a copy of the database, which makes a load of its own, sends and looks up the same reference. call_uid, params: of the call.';

CREATE FUNCTION murallink_private.card_payouts(card_uid murallink.ksuid) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT o.uid FROM murallink_private.card c JOIN murallink.enrollment e ON e.patient_uid = c.patient_uid
    JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
    JOIN murallink_private.payout o ON o.payment_uid = p.uid AND o.card_uid = c.uid
    WHERE c.uid = card_payouts.card_uid
$$;
COMMENT ON FUNCTION murallink_private.card_payouts(murallink.ksuid) IS 'The payouts of a card, whatever their state.';

CREATE FUNCTION murallink_private.card_calls(card_uid murallink.ksuid)
RETURNS TABLE (uid murallink.ksuid, operation text, amount numeric, status murallink.payout_status, reference text)
LANGUAGE sql STABLE AS $$
    SELECT t.uid, t.operation, (t.params ->> 'amount')::numeric, t.status, t.params ->> 'reference'
    FROM murallink_private.card c JOIN murallink.enrollment e ON e.patient_uid = c.patient_uid
    JOIN murallink_private.payment p ON p.enrollment_uid = e.uid JOIN murallink_private.payout o ON o.payment_uid = p.uid
    JOIN murallink_private.call t ON t.subject_uid = o.uid AND t.subject_uid <> t.uid
    WHERE c.uid = card_calls.card_uid AND t.operation = 'unload'
        AND (t.params ->> 'program', t.params ->> 'proxy_key') = (c.program, c.proxy_key)
    UNION ALL
    SELECT t.uid, t.operation, (t.params ->> 'amount')::numeric, t.status, murallink_private.balance_reference(t.uid, t.params)
    FROM murallink_private.call t
    WHERE t.subject_uid = card_calls.card_uid AND t.subject_uid <> t.uid AND t.operation IN ('unload_balance', 'load_balance')
$$;
COMMENT ON FUNCTION murallink_private.card_calls(murallink.ksuid) IS
'The calls that move money on or off a card beside its payouts: unloads, also of payments that were loaded on the card before it, and moves of balances. reference: what they are sent with.';

CREATE FUNCTION murallink_private.card_balance(card_uid murallink.ksuid) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT (
        SELECT coalesce(pg_catalog.sum(p.amount - coalesce(p.recovered, 0)), 0)
        FROM murallink_private.card_payouts(card_balance.card_uid) u JOIN murallink_private.payout o ON o.uid = u
        JOIN murallink_private.payment p ON p.uid = o.payment_uid JOIN murallink_private.call l ON l.uid = o.uid
        WHERE l.status = 'done' AND (p.status = 'paid' OR EXISTS (
            SELECT FROM murallink_private.call t
            WHERE t.subject_uid = o.uid AND t.subject_uid <> t.uid AND t.operation = 'unload' AND t.status = 'done')
            OR EXISTS (SELECT FROM murallink_private.reversal r WHERE r.payment_uid = p.uid AND r.recovered > 0))
    ) + (
        SELECT coalesce(pg_catalog.sum(CASE t.operation WHEN 'load_balance' THEN t.amount ELSE -t.amount END), 0)
        FROM murallink_private.card_calls(card_balance.card_uid) t
        WHERE CASE t.operation WHEN 'load_balance' THEN t.status = 'done' ELSE t.status NOT IN ('declined', 'cancelled') END)
$$;
COMMENT ON FUNCTION murallink_private.card_balance(murallink.ksuid) IS
'What is known to have been loaded on a card and not unloaded, in units of its currency. What is being loaded or in doubt does not count, and what is being unloaded or in doubt counts as unloaded. A payment that was reversed only in the books had never been loaded.';

CREATE FUNCTION murallink_private.balance_load(unload_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    unload CONSTANT murallink.call_state := (SELECT c FROM murallink_private.calls(ARRAY[unload_uid]) c);
    the_card record;
BEGIN
    -- As in call_end(): do not wait for locks. replace_card() waits for this one, and then sees the load.
    SELECT c.uid, c.proxy_key INTO the_card
    FROM murallink_private.card k
    JOIN murallink_private.card c ON (c.patient_uid, c.partner, c.program) = (k.patient_uid, k.partner, k.program)
    WHERE k.uid = unload.subject_uid AND c.ended_at = 'infinity' AND c.status = 'done' FOR KEY SHARE OF c NOWAIT;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN murallink_private.call_make(unload.partner, 'card', the_card.uid, 'load_balance', pg_catalog.jsonb_build_object(
        'program', unload.params -> 'program', 'proxy_key', the_card.proxy_key, 'amount', unload.params -> 'amount',
        'unload_uid', unload.uid), false, once => 'load_balance ' || unload.uid::text, suspect => unload.suspect);
END
$$;
COMMENT ON FUNCTION murallink_private.balance_load(murallink.ksuid) IS
'Makes the call that loads on the present card what was unloaded from the old one, and returns it. Null if there is no such card, or if it was made already and may be carried out.';

CREATE FUNCTION murallink_private.balances_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE sql VOLATILE AS $$
    SELECT c.uid, c.operation, c.params || pg_catalog.jsonb_build_object('reference', murallink_private.balance_reference(c.uid, c.params)),
        CASE WHEN c.operation = 'load_balance' AND k.ended_at <> 'infinity' AND NOT c.suspect THEN 'the card was replaced' ELSE '' END
    FROM murallink_private.call c JOIN murallink_private.card k ON k.uid = c.subject_uid WHERE c.uid = ANY (calls)
$$;
COMMENT ON FUNCTION murallink_private.balances_ask(murallink.ksuid[]) IS
'What to send to move a balance. A card that was replaced meanwhile is not loaded.';

CREATE FUNCTION murallink_private.balances_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.balance_load(c.uid) FROM murallink_private.call c
    WHERE c.uid = ANY (calls) AND c.operation = 'unload_balance' AND c.status = 'done';
    PERFORM murallink_private.call_look_up(c.uid, c.partner, 'call', 'look_up_balance',
        pg_catalog.jsonb_build_object('program', k.program, 'proxy_key', k.proxy_key, 'order_id', k.order_id))
    FROM murallink_private.call c JOIN murallink_private.card k ON k.uid = c.subject_uid
    JOIN murallink_private.partner p ON p.name = c.partner
    WHERE c.uid = ANY (calls) AND c.status = 'in_doubt' AND (p.settings ->> 'look_up')::boolean;
END
$$;
COMMENT ON FUNCTION murallink_private.balances_follow(murallink.ksuid[]) IS
'Loads the present card after the old one was unloaded, and starts look-ups of what is in doubt.';

CREATE FUNCTION murallink_private.balance_look_ups_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE sql VOLATILE AS $$
    SELECT c.uid, 'look_up', c.params, '' FROM murallink_private.call c WHERE c.uid = ANY (calls)
$$;
COMMENT ON FUNCTION murallink_private.balance_look_ups_ask(murallink.ksuid[]) IS 'What to send to look up a move of a balance.';

CREATE FUNCTION murallink_private.balance_learn(doubt murallink.call_state, loads jsonb, unloads jsonb) RETURNS void
LANGUAGE sql VOLATILE AS $$
    WITH known AS MATERIALIZED (
        SELECT o.uid::text AS reference, p.amount - coalesce(p.recovered, 0) AS amount
        FROM murallink_private.card_payouts(doubt.subject_uid) u JOIN murallink_private.payout o ON o.uid = u
        JOIN murallink_private.payment p ON p.uid = o.payment_uid
        UNION ALL
        SELECT t.reference, t.amount FROM murallink_private.card_calls(doubt.subject_uid) t
    )
    INSERT INTO murallink_private.look_up_shown (partner, base_url, customer, by_order, what, payout_uid)
    SELECT p.name, p.base_url, p.settings ->> 'customer_id', c.order_id <> '', k.what, doubt.uid
    FROM murallink_private.card c JOIN murallink_private.partner p ON p.name = c.partner, LATERAL (
        SELECT 'reference' AS what FROM pg_catalog.jsonb_to_recordset(loads) AS r(reference text) WHERE r.reference <> ''
        UNION
        SELECT w FROM pg_catalog.jsonb_to_recordset(loads) AS r(reference text, amount numeric)
        JOIN known x ON r.reference = x.reference AND r.amount = x.amount, pg_catalog.unnest('{load,own}'::text[]) AS w
        UNION
        SELECT 'unload' FROM pg_catalog.jsonb_to_recordset(unloads) AS r(reference text, amount numeric)
        JOIN known x ON r.reference = x.reference AND r.amount = x.amount) AS k
    WHERE c.uid = doubt.subject_uid
    ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION murallink_private.balance_learn(murallink.call_state, jsonb, jsonb) IS
'Records in look_up_shown what the lists of a partner prove about its look-ups in general. doubt: the move of a balance that was looked up; loads, unloads: as in look_up_judge().';

CREATE FUNCTION murallink_private.balance_judge(
    doubt murallink.call_state, looked timestamptz, entries jsonb, whole boolean, OUT verdict text, OUT why text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    what CONSTANT text := pg_catalog.split_part(doubt.operation, '_', 1);
    ours CONSTANT text := murallink_private.balance_reference(doubt.uid, doubt.params);
    the_card record;
    listed record;
BEGIN
    SELECT c.uid, c.patient_uid, p.settings ->> 'currency' AS currency INTO the_card
    FROM murallink_private.card c JOIN murallink_private.partner p ON p.name = c.partner WHERE c.uid = doubt.subject_uid;
    WITH entry AS MATERIALIZED (
        SELECT coalesce(j.reference, '') AS reference, coalesce(j.order_id, '') AS order_id,
            j.amount = (doubt.params ->> 'amount')::numeric AS amount, coalesce(j.currency, the_card.currency) = the_card.currency AS currency
        FROM pg_catalog.jsonb_to_recordset(balance_judge.entries) AS j(reference text, amount numeric, currency text, order_id text)
    ), known AS (
        SELECT l.uid::text AS reference, l.facts ->> 'order_id' AS order_id, l.settled_at
        FROM murallink_private.card_payouts(the_card.uid) u JOIN murallink_private.call l ON l.uid = u AND l.outcome = 'done'
        WHERE what = 'load'
        UNION ALL
        SELECT t.reference, l.facts ->> 'order_id', l.settled_at
        FROM murallink_private.card_calls(the_card.uid) t JOIN murallink_private.call l ON l.uid = t.uid AND l.outcome = 'done'
        WHERE t.operation = doubt.operation OR what = 'unload' AND t.operation = 'unload'
    )
    SELECT pg_catalog.count(*) FILTER (WHERE e.reference = ours) AS ours,
        pg_catalog.count(*) FILTER (WHERE e.reference = ours AND e.amount AND e.currency) AS ours_equal,
        -- Without a reference, or with one that is not certainly of something else of ours.
        pg_catalog.count(*) FILTER (WHERE e.amount AND e.reference <> ours
            AND NOT murallink_private.look_up_known(the_card.patient_uid, what, e.reference)) AS alike,
        -- If the list lacks the last one that we know, it is incomplete.
        EXISTS (
            SELECT FROM (
                SELECT k.order_id, k.reference FROM known k
                WHERE k.order_id <> '' AND (k.settled_at < looked OR k.settled_at > pg_catalog.clock_timestamp())
                ORDER BY k.settled_at DESC LIMIT 1) AS k
            WHERE NOT EXISTS (SELECT FROM entry x WHERE x.order_id = k.order_id OR x.reference = k.reference)) AS partial
    INTO listed
    FROM entry e;
    why := coalesce(murallink_private.look_up_ours(what, entries IS NOT NULL, listed.ours, listed.ours_equal), CASE
        WHEN listed.alike > 0 THEN pg_catalog.format('there is one that may be it among the %ss, without our reference', what)
        ELSE murallink_private.look_up_unlisted(
            murallink_private.look_up_card_shown(the_card.uid, what), what, whole, listed.partial) END);
    verdict := CASE
        WHEN why <> '' AND entries IS NOT NULL AND listed.ours + listed.alike = 0 AND whole AND NOT listed.partial THEN 'unproven'
        WHEN why <> '' THEN 'unclear'
        WHEN listed.ours = 1 THEN 'moved'
        ELSE 'none' END;
END
$$;
COMMENT ON FUNCTION murallink_private.balance_judge(murallink.call_state, timestamptz, jsonb, boolean) IS
'What the loads or unloads that a partner lists for a card prove about a move of a balance in doubt. verdict: moved: our reference is listed; none: it was not carried out; unproven: it is not listed, but this issuer has never shown one of ours; unclear. why: the reason of the last two, for people. doubt: the call; looked: when the partner was asked; entries: the loads or unloads, as loads of look_up_judge(), and whole as there.';

CREATE FUNCTION murallink_private.balance_look_up_follow(look murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    doubt CONSTANT murallink.call_state := (SELECT c FROM murallink_private.calls(ARRAY[look.subject_uid]) c);
    what CONSTANT text := pg_catalog.split_part(doubt.operation, '_', 1);
    entries CONSTANT jsonb := look.facts -> (what || 's');
    silent CONSTANT boolean := look.status <> 'done' OR entries IS NULL;
    refused CONSTANT boolean := doubt.outcome = 'not_sent';
    settling CONSTANT double precision := (
        SELECT (p.settings ->> 'settling')::double precision FROM murallink_private.partner p WHERE p.name = look.partner);
    -- As in look_up_follow(): before anything is learnt from this answer.
    trusted CONSTANT boolean := refused AND NOT murallink_private.look_up_card_shown(doubt.subject_uid, what);
    judged record;
    next record;
BEGIN
    IF doubt.status <> 'in_doubt' OR doubt.attempt <> look.subject_attempt THEN
        RETURN;
    END IF;
    PERFORM murallink_private.balance_learn(doubt, look.facts -> 'loads', look.facts -> 'unloads');
    judged := murallink_private.balance_judge(doubt, look.claimed_at, entries, murallink_private.look_up_whole(look));
    SELECT w.verdict, w.why INTO judged.verdict, judged.why
    FROM murallink_private.look_up_weigh(judged.verdict, judged.why, doubt.outcome, silent, trusted) w;
    next := murallink_private.look_up_again(look, silent, judged.verdict = 'moved' OR judged.verdict = 'none' AND refused, trusted, settling);
    PERFORM murallink_private.look_up_settle(look, doubt.uid, doubt.reason, judged.verdict, judged.why, refused OR what = 'load',
        next.again, next.counted);
END
$$;
COMMENT ON FUNCTION murallink_private.balance_look_up_follow(murallink.call_state) IS
'Decides a move of a balance in doubt by an ended look-up. If the partner shows it with our reference, it is done. If a look-up that started after the settling time does not show it, it was not carried out: a load is sent again, an unload counts as declined, and a person can request it again; at once and both are sent again if the partner had refused the call without processing it. Otherwise a person decides, and its reason says why.';

CREATE FUNCTION murallink_private.balance_look_ups_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.balance_look_up_follow(c) FROM murallink_private.calls(calls) c WHERE c.status <> 'ready';
END
$$;
COMMENT ON FUNCTION murallink_private.balance_look_ups_follow(murallink.ksuid[]) IS 'Applies the results of ended look-ups of moves of balances.';

CREATE FUNCTION murallink_private.balance_problems() RETURNS TABLE (currency text, problem text)
LANGUAGE sql STABLE AS $$
    SELECT p.settings ->> 'currency', pg_catalog.format('card %s: %s more than is known to have been loaded was taken off it', c.uid, -b.balance)
    FROM (SELECT DISTINCT m.card_uid FROM murallink_private.balance_move m) moved
    JOIN murallink_private.card c ON c.uid = moved.card_uid LEFT JOIN murallink_private.partner p ON p.name = c.partner,
    LATERAL (SELECT murallink_private.card_balance(c.uid) AS balance) b
    WHERE b.balance < 0
    UNION ALL
    SELECT p.settings ->> 'currency', pg_catalog.format('load %s of the balance %s: its unload %s of %s is %s',
        l.uid, l.params ->> 'amount', l.params ->> 'unload_uid', coalesce(m.amount, 0), coalesce(m.status::text, 'not there'))
    FROM (SELECT DISTINCT k.patient_uid FROM murallink_private.balance_move m JOIN murallink_private.card k ON k.uid = m.card_uid) moved
    JOIN murallink_private.card c ON c.patient_uid = moved.patient_uid LEFT JOIN murallink_private.partner p ON p.name = c.partner
    JOIN murallink_private.call l ON l.subject_uid = c.uid AND l.subject_uid <> l.uid AND l.operation = 'load_balance'
        AND l.status NOT IN ('declined', 'cancelled')
    LEFT JOIN murallink_private.balance_move m ON m.load_uid = l.uid
    WHERE (m.status = 'done' AND m.amount = (l.params ->> 'amount')::numeric) IS NOT TRUE
$$;
COMMENT ON FUNCTION murallink_private.balance_problems() IS
'Contradictions in moves of balances, for verify_ledger(): each load follows one unload of the same amount that is done, and no card gives more than it got.';

CREATE FUNCTION murallink.move_balance(
    card_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL, note text DEFAULT NULL, confirmed boolean DEFAULT false
) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
    owner CONSTANT murallink.ksuid := (
        SELECT c.patient_uid FROM murallink_private.card c WHERE c.uid = murallink_private.required(move_balance.card_uid, 'card_uid'));
    old murallink_private.card;
    begun murallink_private.balance_move;
    again murallink.ksuid;
    config jsonb;
BEGIN
    -- Serializes with other moves, with replacements, and with reversals, which lock the card that they unload.
    PERFORM FROM murallink_private.card c WHERE c.patient_uid = owner ORDER BY c.uid FOR NO KEY UPDATE;
    SELECT * INTO old FROM murallink_private.card c WHERE c.uid = move_balance.card_uid;
    -- What was declined before is decided by this: nobody is asked about it any more.
    UPDATE murallink_private.call c SET note = said
    WHERE c.subject_uid = old.uid AND c.operation = 'unload_balance' AND c.status = 'declined' AND c.note = '';
    config := (SELECT p.settings FROM murallink_private.partner p WHERE p.name = old.partner);
    PERFORM murallink_private.check_money(amount, coalesce(config ->> 'currency', 'USD'));
    SELECT * INTO begun FROM murallink_private.balance_move m
    WHERE m.card_uid = old.uid AND m.status NOT IN ('declined', 'cancelled') AND m.load_status IS DISTINCT FROM 'done' LIMIT 1;
    IF old.uid IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'card_uid');
    ELSIF old.status <> 'done' OR old.ended_reason = '' OR (config ->> 'replacement_moves_balance')::boolean OR NOT EXISTS (
        SELECT FROM murallink_private.card c WHERE (c.patient_uid, c.partner, c.program) = (old.patient_uid, old.partner, old.program)
            AND c.ended_at = 'infinity' AND c.status = 'done') THEN
        PERFORM murallink_private.raise('wrong_status', 'card_uid');
    ELSIF old.ended_reason = 'stolen' AND confirmed IS NOT TRUE THEN
        PERFORM murallink_private.raise('missing_field', 'confirmed');
    ELSIF begun.status = 'done' AND begun.load_uid IS NULL AND begun.amount = move_balance.amount THEN
        -- The card was unloaded before.
        again := murallink_private.balance_load(begun.uid);
        RETURN murallink_private.task_info(again);
    ELSIF begun.uid IS NOT NULL THEN
        PERFORM murallink_private.raise('already_exists', 'card_uid', 'A move from this card is under way: partner_tasks shows it.');
    ELSIF amount > murallink_private.card_balance(old.uid) THEN
        PERFORM murallink_private.raise('invalid_amount', 'amount',
            'At most what is known to have been loaded on the card, and not unloaded, can be moved: replace_card answered it as balance.');
    END IF;
    RETURN murallink_private.task_begin(old.partner, 'unload_balance', pg_catalog.jsonb_build_object('program', old.program,
        'proxy_key', old.proxy_key, 'amount', move_balance.amount::numeric(16, 2)::text, 'note', said), false, 'card', old.uid);
END
$$;
COMMENT ON FUNCTION murallink.move_balance(murallink.ksuid, numeric, text, boolean) IS
'Moves money from a card that was replaced to the present one: the worker unloads the old card, and only when that is done loads the new one, each once; in doubt, both are looked up. No fund changes. If the old card was unloaded and the new one could not be loaded, this loads it. card_uid: the old card, see cards(); amount: at most what is known to have been loaded on it and not unloaded; note: why; confirmed: required of a stolen card: that the money has not been spent. Returns the task. For operators. Errors: missing_field, too_long, invalid_value, not_found, invalid_amount (also if it is more than is known to be on the card), wrong_status (it is the present card, it was never issued, the new one is not there yet, or the program moves balances itself), already_exists (a move from this card is under way, or an earlier one of another amount has not reached the new card).';
