-- What is kept of later payments for reversals that are owed.

CREATE TYPE murallink.recovery_status AS ENUM ('kept', 'recovered', 'given_back');
COMMENT ON TYPE murallink.recovery_status IS
'kept: the payment is not paid yet; recovered: it was paid without this; given_back: it was not paid, so that nothing was kept.';

CREATE FUNCTION murallink_private.recoveries_kept(payment_uid murallink.ksuid) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.sum(k.amount) FROM murallink.recovery k WHERE k.payment_uid = recoveries_kept.payment_uid AND k.status = 'kept'
$$;
COMMENT ON FUNCTION murallink_private.recoveries_kept(murallink.ksuid) IS 'How much is kept of an approved payment; null: nothing.';

CREATE FUNCTION murallink_private.recoveries_for(reversal_uid murallink.ksuid) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT coalesce(pg_catalog.sum(k.amount), 0) FROM murallink.recovery k WHERE k.reversal_uid = recoveries_for.reversal_uid AND k.status = 'kept'
$$;
COMMENT ON FUNCTION murallink_private.recoveries_for(murallink.ksuid) IS 'How much is kept of approved payments for a reversal.';

CREATE FUNCTION murallink_private.recoveries_lock(payment_uids murallink.ksuid[]) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT FROM murallink_private.payment d JOIN murallink_private.reversal r ON r.payment_uid = d.uid
    WHERE r.uid IN (SELECT k.reversal_uid FROM murallink.recovery k WHERE k.payment_uid = ANY (payment_uids) AND k.status = 'kept')
    ORDER BY d.uid FOR NO KEY UPDATE NOWAIT
$$;
COMMENT ON FUNCTION murallink_private.recoveries_lock(murallink.ksuid[]) IS
'Locks the reversals for which something is kept of these payments, and what they took back, without waiting.';

CREATE FUNCTION murallink_private.recoveries_begin(payment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_payment murallink_private.payment;
    debt murallink_private.reversal;
    room numeric;
    part numeric;
BEGIN
    SELECT * INTO the_payment FROM murallink_private.payment p WHERE p.uid = recoveries_begin.payment_uid;
    IF the_payment.payment_type = 'travel' OR the_payment.recovered IS NOT NULL THEN
        RETURN;
    END IF;
    room := pg_catalog.trim_scale(pg_catalog.trunc(the_payment.amount * (
        SELECT c.recovery_share FROM murallink.contract c WHERE c.uid = the_payment.contract_uid) / 100,
        murallink_private.currency_decimals(the_payment.currency)));
    FOR debt IN
        SELECT r.* FROM murallink_private.reversal r
        WHERE r.chain_uid = the_payment.chain_uid AND r.currency = the_payment.currency AND r.status = 'recovering'
            AND r.contract_uid = the_payment.contract_uid
        ORDER BY r.created_at, r.uid FOR NO KEY UPDATE
    LOOP
        part := LEAST(room, debt.amount - debt.returned - debt.kept);
        CONTINUE WHEN part <= 0;
        INSERT INTO murallink.recovery (client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, reversal_uid, payment_uid, amount, currency)
        VALUES (the_payment.client_uid, the_payment.contract_uid, the_payment.trial_uid, the_payment.site_uid, the_payment.enrollment_uid,
            debt.uid, the_payment.uid, part, the_payment.currency);
        UPDATE murallink_private.reversal r SET kept = r.kept + part WHERE r.uid = debt.uid;
        room := room - part;
    END LOOP;
    UPDATE murallink_private.payment p SET recovered = kept.amount
    FROM (SELECT murallink_private.recoveries_kept(the_payment.uid) AS amount) AS kept
    WHERE p.uid = the_payment.uid AND kept.amount IS NOT NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.recoveries_begin(murallink.ksuid) IS
'Keeps what the patient owes of an approved payment, oldest debt first, at most the share that the contract sets. Nothing is kept of travel expenses.';

CREATE FUNCTION murallink_private.recoveries_end(payment_uid murallink.ksuid, paid boolean) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    part murallink.recovery;
BEGIN
    FOR part IN
        -- In the order in which recoveries_begin() locks the reversals.
        SELECT k.* FROM murallink.recovery k JOIN murallink_private.reversal r ON r.uid = k.reversal_uid
        WHERE k.payment_uid = recoveries_end.payment_uid AND k.status = 'kept' ORDER BY r.created_at, r.uid
    LOOP
        UPDATE murallink.recovery k SET status = CASE WHEN paid THEN 'recovered' ELSE 'given_back' END::murallink.recovery_status,
            ended_at = pg_catalog.clock_timestamp()
        WHERE k.uid = part.uid;
        -- The payment before its reversal, as everywhere.
        PERFORM FROM murallink_private.payment p JOIN murallink_private.reversal r ON r.payment_uid = p.uid
        WHERE r.uid = part.reversal_uid FOR NO KEY UPDATE OF p;
        UPDATE murallink_private.reversal r
        SET kept = r.kept - part.amount, recovered = r.recovered + CASE WHEN paid THEN part.amount ELSE 0 END,
            returned = r.returned + CASE WHEN paid THEN part.amount ELSE 0 END,
            written_off = r.written_off + CASE WHEN NOT paid AND r.status = 'written_off' THEN part.amount ELSE 0 END,
            status = CASE WHEN paid AND r.returned + part.amount = r.amount THEN 'returned' ELSE r.status END
        WHERE r.uid = part.reversal_uid;
        IF paid THEN
            PERFORM murallink_private.payment_return(part.reversal_uid, part.uid, true);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.recoveries_end(murallink.ksuid, boolean) IS
'Ends what is kept of a payment: it is recovered if the payment is paid, else given back, so that it is owed as before; if the debt was written off meanwhile, the funds bear this part, too.';

CREATE FUNCTION murallink_private.verify_reversals(OUT contract_uid murallink.ksuid, OUT currency text, OUT problem text) RETURNS SETOF record
LANGUAGE sql STABLE AS $$
    WITH back AS MATERIALIZED (
        SELECT e.*, coalesce(r.uid, k.reversal_uid, (c.params ->> 'reference')::murallink.ksuid) AS reversal_uid, k.uid IS NOT NULL AS recovered,
            coalesce(k.amount = e.amount AND k.status = 'recovered', (c.params ->> 'amount')::numeric = e.amount AND c.status = 'done', true) AS agree
        FROM murallink.fund_entry e LEFT JOIN murallink_private.reversal r ON r.uid = e.source_uid
        LEFT JOIN murallink.recovery k ON k.uid = e.source_uid
        LEFT JOIN murallink_private.call c ON c.uid = e.source_uid AND c.operation = 'unload'
        WHERE e.movement = 'return'
    )
    SELECT b.contract_uid, b.currency::text, pg_catalog.format('entry %s (return of %s) has no source', b.uid, b.amount)
    FROM back b WHERE b.reversal_uid IS NULL OR NOT b.agree
    UNION ALL
    SELECT r.contract_uid, r.currency::text, pg_catalog.format(
        'reversal %s of %s of %s is %s, %s has come back, %s of it recovered, its entries are of %s and %s', r.uid, r.amount, r.payment_uid,
        r.status, r.returned, r.recovered, coalesce(e.amount, 0), coalesce(e.recovered, 0))
    FROM murallink_private.reversal r LEFT JOIN (
        SELECT b.reversal_uid, pg_catalog.sum(b.amount) AS amount, pg_catalog.sum(b.amount) FILTER (WHERE b.recovered) AS recovered,
            pg_catalog.bool_and((b.contract_uid, b.client_uid, b.currency) = (q.contract_uid, q.client_uid, q.currency)) AS agree
        FROM back b JOIN murallink_private.reversal q ON q.uid = b.reversal_uid GROUP BY b.reversal_uid) e ON e.reversal_uid = r.uid
    WHERE (coalesce(e.amount, 0), coalesce(e.recovered, 0)) <> (r.returned, r.recovered) OR NOT e.agree
    UNION ALL
    SELECT p.contract_uid, p.currency::text, pg_catalog.format(
        'payment %s of %s is %s, %s of it has come back, its reversals of %s returned %s', p.uid, p.amount, p.status,
        coalesce(p.returned, 0), coalesce(a.asked, 0), coalesce(a.returned, 0))
    FROM murallink_private.payment p
    LEFT JOIN (
        SELECT r.payment_uid, pg_catalog.sum(r.returned) AS returned,
            pg_catalog.sum(r.amount) FILTER (WHERE r.status <> 'refused') AS asked, pg_catalog.bool_or(r.return_key IS NOT NULL) AS came_back,
            pg_catalog.bool_and((r.client_uid, r.contract_uid, r.currency, r.chain_uid) = (q.client_uid, q.contract_uid, q.currency, q.chain_uid))
                AS agree
        FROM murallink_private.reversal r JOIN murallink_private.payment q ON q.uid = r.payment_uid GROUP BY r.payment_uid) a ON a.payment_uid = p.uid
    WHERE (p.returned IS NOT NULL OR a.payment_uid IS NOT NULL) AND (coalesce(p.returned, 0) <> coalesce(a.returned, 0)
        OR (p.status IN ('reversed', 'returned')) <> (coalesce(p.returned, 0) = p.amount)
        OR p.status IN ('reversed', 'returned') AND (p.status = 'returned') <> a.came_back OR a.asked > p.amount OR NOT a.agree)
    UNION ALL
    SELECT r.contract_uid, r.currency::text, pg_catalog.format('reversal %s of %s is %s, its unload is %s', r.uid, r.payment_uid, r.status,
        coalesce((
            SELECT pg_catalog.string_agg(c.status::text, ', ' ORDER BY c.created_at, c.uid)
            FROM murallink_private.payout o JOIN murallink_private.call c ON c.subject_uid = o.uid AND c.subject_uid <> c.uid
            WHERE o.payment_uid = r.payment_uid AND c.operation = 'unload' AND c.params ->> 'reference' = r.uid::text), 'not made'))
    FROM murallink_private.reversal r
    WHERE (r.status = 'unloading') <> EXISTS (
        SELECT FROM murallink_private.payout o JOIN murallink_private.call c ON c.subject_uid = o.uid AND c.subject_uid <> c.uid
        WHERE o.payment_uid = r.payment_uid AND c.operation = 'unload' AND c.params ->> 'reference' = r.uid::text
            AND c.status NOT IN ('done', 'declined'))
    UNION ALL
    SELECT r.contract_uid, r.currency::text, pg_catalog.format('reversal %s of %s is %s, %s is kept for it, %s of payments', r.uid, r.payment_uid,
        r.status, r.kept, coalesce(k.amount, 0))
    FROM murallink_private.reversal r LEFT JOIN (
        SELECT k.reversal_uid, pg_catalog.sum(k.amount) AS amount FROM murallink.recovery k WHERE k.status = 'kept' GROUP BY k.reversal_uid) k
        ON k.reversal_uid = r.uid
    WHERE r.kept <> coalesce(k.amount, 0)
    UNION ALL
    SELECT p.contract_uid, p.currency::text, pg_catalog.format('payment %s of %s is %s, %s of it is kept, its recoveries are %s', p.uid, p.amount,
        p.status, coalesce(p.recovered, 0), coalesce(k.shown, 'none'))
    FROM murallink_private.payment p
    LEFT JOIN (
        SELECT k.payment_uid, pg_catalog.sum(k.amount) AS amount,
            pg_catalog.string_agg(pg_catalog.format('%s of %s', k.status, k.amount), ', ' ORDER BY k.uid) AS shown,
            pg_catalog.bool_and(CASE k.status WHEN 'kept' THEN q.status IN ('approved', 'in_doubt') ELSE q.status IN ('paid', 'reversed', 'returned') END
                AND (q.contract_uid, q.currency, q.chain_uid) = (r.contract_uid, r.currency, r.chain_uid) AND q.payment_type <> 'travel') AS agree
        FROM murallink.recovery k JOIN murallink_private.payment q ON q.uid = k.payment_uid JOIN murallink_private.reversal r ON r.uid = k.reversal_uid
        WHERE k.status <> 'given_back' GROUP BY k.payment_uid) k ON k.payment_uid = p.uid
    WHERE (p.recovered IS NOT NULL OR k.payment_uid IS NOT NULL)
        AND (coalesce(p.recovered, 0) <> coalesce(k.amount, 0) OR NOT k.agree)
$$;
COMMENT ON FUNCTION murallink_private.verify_reversals() IS
'The contradictions between reversals, recoveries, their entries, unloads and payments, for verify_ledger().';
