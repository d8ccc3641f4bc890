-- PayPal: payouts to accounts of PayPal and Venmo, which PayPal accepts first and pays later.

CREATE FUNCTION murallink_private.paypal_name(payout_uid murallink.ksuid) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT payout_uid || CASE WHEN b.earlier > 0 THEN '-' || b.earlier ELSE '' END
    FROM (
        SELECT pg_catalog.count(*) AS earlier FROM murallink_private.call c
        WHERE c.subject_uid = payout_uid AND c.subject_uid <> c.uid AND c.operation = 'batch' AND c.status = 'cancelled') b
$$;
COMMENT ON FUNCTION murallink_private.paypal_name(murallink.ksuid) IS
'The sender_batch_id of a payout, by which PayPal recognizes repetitions: its uid, and after PayPal has not paid an accepted batch of it, another name.';

CREATE FUNCTION murallink_private.paypal_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE sql VOLATILE AS $$
    SELECT a.uid, a.operation, a.params || pg_catalog.jsonb_build_object('batch', murallink_private.paypal_name(a.uid)), a.problem
    FROM murallink_private.pays_ask(calls) a
$$;
COMMENT ON FUNCTION murallink_private.paypal_ask(murallink.ksuid[]) IS 'What to send to PayPal for payouts: a batch of one item for each.';

CREATE FUNCTION murallink_private.paypal_watch(payout_uid murallink.ksuid, batch_id text) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.call_make(o.partner, 'payout', o.uid, 'batch', pg_catalog.jsonb_build_object('batch_id', paypal_watch.batch_id), true,
        'paypal ' || o.uid || ' ' || paypal_watch.batch_id,
        pg_catalog.clock_timestamp() + (p.settings ->> 'look_after')::double precision * interval '1 s')
    FROM murallink_private.payout o JOIN murallink_private.partner p ON p.name = o.partner WHERE o.uid = payout_uid
$$;
COMMENT ON FUNCTION murallink_private.paypal_watch(murallink.ksuid, text) IS
'Has PayPal asked what has become of a batch of a payout, once for each batch. batch_id: PayPal''s number of it.';

CREATE FUNCTION murallink_private.paypal_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.payouts_follow(ARRAY(
        SELECT c.uid FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status <> 'done'));
    PERFORM murallink_private.call_look_up(c.uid, c.partner, 'payout', 'look_up', '{}')
    FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'in_doubt';
    -- It is accepted, and not paid: the payment stays as it is until its item says more.
    PERFORM murallink_private.paypal_watch(c.uid, c.facts ->> 'batch_id')
    FROM murallink_private.call c JOIN murallink_private.payout o ON o.uid = c.uid
    WHERE c.uid = ANY (calls) AND c.status = 'done' AND o.settled_at IS NULL;
    -- A person has decided it.
    PERFORM murallink_private.payouts_follow(ARRAY(
        SELECT c.uid FROM murallink_private.call c JOIN murallink_private.payout o ON o.uid = c.uid
        WHERE c.uid = ANY (calls) AND c.status = 'done' AND o.settled_at IS NOT NULL));
END
$$;
COMMENT ON FUNCTION murallink_private.paypal_follow(murallink.ksuid[]) IS
'What follows from ended payouts: what PayPal has accepted is watched, and what is in doubt is looked up by sending the same again.';

CREATE FUNCTION murallink_private.paypal_look_up_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- It may pay: skip what is on hold, and payments that another transaction is cancelling.
    RETURN QUERY
    WITH free AS MATERIALIZED (
        SELECT l.uid, o.uid AS payout_uid, o.account_uid, p.status, p.amount - coalesce(p.recovered, 0) AS amount, p.currency
        FROM murallink_private.call l JOIN murallink_private.payout o ON o.uid = l.subject_uid
        JOIN murallink_private.payment p ON p.uid = o.payment_uid
        WHERE l.uid = ANY (calls) AND NOT EXISTS (
            SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (o.uid, o.contract_uid))
        FOR NO KEY UPDATE OF p SKIP LOCKED
    )
    SELECT f.uid, 'look_up', pg_catalog.jsonb_build_object(
        'amount', pg_catalog.round(f.amount, murallink_private.currency_decimals(f.currency))::text, 'currency', f.currency,
        'reference', f.payout_uid::text, 'batch', murallink_private.paypal_name(f.payout_uid), 'sealed', pg_catalog.encode(a.sealed, 'hex')),
        CASE WHEN f.status <> 'in_doubt' THEN 'it has been decided'
            WHEN c.created_at < pg_catalog.clock_timestamp() - (k.settings ->> 'repeat_days')::double precision * interval '1 day'
                THEN 'PayPal may not recognize it any more'
            ELSE '' END
    FROM free f JOIN murallink_private.call c ON c.uid = f.payout_uid JOIN murallink_private.partner k ON k.name = c.partner
    JOIN murallink_private.payout_account a ON a.uid = f.account_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.paypal_look_up_ask(murallink.ksuid[]) IS
'What to send to PayPal to look up payouts: the same again, as long as PayPal recognizes that.';

CREATE FUNCTION murallink_private.paypal_look_up_judge(ended murallink.call_state) RETURNS murallink.call_state
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF ended.outcome = 'declined' THEN
        ended.status := CASE WHEN ended.facts ? 'duplicate' THEN 'done' ELSE 'declined' END;
    END IF;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.paypal_look_up_judge(murallink.call_state) IS
'The status of a look-up: done also if PayPal says that it has accepted the batch before.';

CREATE FUNCTION murallink_private.paypal_look_up_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.paypal_watch(l.subject_uid, l.facts ->> 'batch_id')
    FROM murallink_private.calls(calls) l WHERE l.status = 'done' AND l.facts ? 'batch_id';
    UPDATE murallink_private.payout o
    SET reason = pg_catalog.concat_ws('; looked up: ', c.reason, CASE l.status WHEN 'declined' THEN l.reason ELSE 'PayPal does not say which batch it is' END)
    FROM murallink_private.calls(calls) l JOIN murallink_private.call c ON c.uid = l.subject_uid
    WHERE o.uid = l.subject_uid AND c.status = 'in_doubt' AND (l.status = 'declined' OR l.status = 'done' AND NOT l.facts ? 'batch_id');
END
$$;
COMMENT ON FUNCTION murallink_private.paypal_look_up_follow(murallink.ksuid[]) IS
'What follows from look-ups: the batch that PayPal names is watched; if it names none, a person decides.';

CREATE FUNCTION murallink_private.paypal_wrong(look murallink.call_state) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN pg_catalog.jsonb_array_length(look.facts -> 'items') <> 1 THEN 'the batch has not one item'
        WHEN look.facts ->> 'sender_batch_id' IS DISTINCT FROM murallink_private.paypal_name(o.uid) THEN 'the batch has another name'
        WHEN look.facts #>> '{items,0,reference}' IS DISTINCT FROM o.uid::text THEN 'its item has another reference'
        WHEN (look.facts #>> '{items,0,amount}', look.facts #>> '{items,0,currency}') IS DISTINCT FROM
            (pg_catalog.round(o.amount, murallink_private.currency_decimals(o.currency))::text, o.currency) THEN 'its item has another amount'
        ELSE '' END
    FROM murallink_private.payout_shown o WHERE o.uid = look.subject_uid
$$;
COMMENT ON FUNCTION murallink_private.paypal_wrong(murallink.call_state) IS
'Why a batch that PayPal shows is not the one of its payout; empty: it is.';

CREATE FUNCTION murallink_private.paypal_look_at(look murallink.call_state, started timestamptz) RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$
    SELECT pg_catalog.clock_timestamp() + CASE WHEN look.facts #>> '{items,0,status}' IN ('SUCCESS', 'UNCLAIMED')
        THEN GREATEST(interval '1 day', pg_catalog.clock_timestamp() - started)
        ELSE ('{5,15,60,360}'::integer[])[LEAST(look.attempt, 4)] * (p.settings ->> 'look_after')::double precision * interval '1 s' END
    FROM murallink_private.partner p WHERE p.name = look.partner
$$;
COMMENT ON FUNCTION murallink_private.paypal_look_at(murallink.call_state, timestamptz) IS
'When to ask again what has become of a payout: soon until PayPal has processed it, and then after a day, two, four and so on. started: when it was accepted.';

CREATE FUNCTION murallink_private.paypal_unpaid(state text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT
RETURN state IN ('FAILED', 'BLOCKED', 'DENIED', 'RETURNED');
COMMENT ON FUNCTION murallink_private.paypal_unpaid(text) IS
'Whether an item of PayPal that has this status, and has not been paid before, is not paid and never will be.';

CREATE FUNCTION murallink_private.paypal_settle(look murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    item CONSTANT jsonb := look.facts #> '{items,0}';
    state CONSTANT text := item ->> 'status';
    paid CONSTANT boolean := state IN ('SUCCESS', 'REFUNDED', 'REVERSED');
    unpaid CONSTANT boolean := murallink_private.paypal_unpaid(state);
    why CONSTANT text := 'PayPal: ' || pg_catalog.concat_ws(': ', state, item ->> 'error');
    the_payment murallink_private.payment;
BEGIN
    SELECT p.* INTO the_payment FROM murallink_private.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid
    WHERE o.uid = look.subject_uid;
    -- An accepted batch is no doubt any more.
    IF the_payment.status = 'in_doubt' THEN
        UPDATE murallink_private.payment p SET status = 'approved' WHERE p.uid = the_payment.uid;
        PERFORM murallink_private.call_decide(look.subject_uid, 'done', murallink_private.note_of_look_up(),
            pg_catalog.jsonb_build_object('batch_id', look.params -> 'batch_id'));
        the_payment.status := 'approved';
    END IF;
    IF the_payment.status = 'approved' AND the_payment.recovered IS NOT NULL AND (paid OR unpaid) THEN
        PERFORM murallink_private.recoveries_lock(ARRAY[the_payment.uid]);
    END IF;
    IF the_payment.status = 'approved' AND paid THEN
        UPDATE murallink_private.payout o SET reference = item ->> 'item_id' WHERE o.uid = look.subject_uid;
        UPDATE murallink_private.payment p SET status = 'paid' WHERE p.uid = the_payment.uid;
        PERFORM murallink_private.notices_of_payments(ARRAY[the_payment.uid]);
        the_payment.status := 'paid';
    ELSIF the_payment.status = 'approved' AND unpaid THEN
        UPDATE murallink_private.call c SET status = 'declined', reason = why WHERE c.uid = look.subject_uid;
        UPDATE murallink_private.payment p SET status = 'failed' WHERE p.uid = the_payment.uid;
    END IF;
    IF the_payment.status = 'paid' AND state IN ('REFUNDED', 'REVERSED', 'RETURNED') THEN
        PERFORM murallink_private.payment_came_back(the_payment.uid, pg_catalog.format('paypal %s %s', item ->> 'item_id', state),
            CASE state WHEN 'REFUNDED' THEN 'it was sent back by its receiver' ELSE 'PayPal has taken it back' END);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.paypal_settle(murallink.call_state) IS
'Settles a payout, whose payment must be locked, by its item: SUCCESS is paid; FAILED, BLOCKED, DENIED and RETURNED have not paid it, and it can be sent again under another name; REFUNDED and REVERSED have paid it, and it came back.';

CREATE FUNCTION murallink_private.paypal_batch_follow(look murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    wrong CONSTANT text := CASE look.status WHEN 'done' THEN murallink_private.paypal_wrong(look) ELSE 'it is not shown' END;
    started CONSTANT timestamptz := (SELECT c.created_at FROM murallink_private.call c WHERE c.uid = look.uid);
    state CONSTANT text := look.facts #>> '{items,0,status}';
    present text;
BEGIN
    IF wrong = '' THEN
        PERFORM murallink_private.paypal_settle(look);
    END IF;
    SELECT p.status::text INTO present FROM murallink_private.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid
    WHERE o.uid = look.subject_uid;
    IF wrong <> '' AND present = 'in_doubt' AND look.status = 'done' THEN
        UPDATE murallink_private.payout o SET reason = 'looked up: ' || wrong WHERE o.uid = look.subject_uid;
    ELSIF wrong <> '' AND look.status = 'done' THEN
        PERFORM murallink_private.call_problem(look.uid, 'PayPal shows another payout: ' || wrong);
    END IF;
    IF wrong = '' AND murallink_private.paypal_unpaid(state) THEN
        -- Counts as a batch of an earlier name: see paypal_name().
        PERFORM murallink_private.call_again(ARRAY[look.uid]);
        UPDATE murallink_private.call c SET status = 'cancelled', reason = 'PayPal: ' || state WHERE c.uid = look.uid;
    ELSIF present IN ('approved', 'in_doubt') OR present = 'paid' AND started > pg_catalog.clock_timestamp() - interval '45 days' THEN
        PERFORM murallink_private.call_again(ARRAY[look.uid], murallink_private.paypal_look_at(look, started));
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.paypal_batch_follow(murallink.call_state) IS
'What follows from what PayPal shows of a batch: its payout is settled, if it is certainly the one of the payout, and PayPal is asked again until nothing more can become of it.';

CREATE FUNCTION murallink_private.paypal_batches_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- As in call_end(): do not wait for locks.
    PERFORM FROM murallink_private.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid
    JOIN murallink_private.call c ON c.subject_uid = o.uid
    WHERE c.uid = ANY (calls) ORDER BY p.uid FOR NO KEY UPDATE OF p, o NOWAIT;
    PERFORM murallink_private.paypal_batch_follow(c) FROM murallink_private.calls(calls) c WHERE c.status <> 'ready';
END
$$;
COMMENT ON FUNCTION murallink_private.paypal_batches_follow(murallink.ksuid[]) IS
'What follows from the batches that PayPal shows: see paypal_batch_follow().';
