-- Payouts to accounts of payees.

CREATE FUNCTION murallink_private.pays_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    astray CONSTANT murallink.ksuid[] := ARRAY(SELECT a FROM murallink_private.accounts_astray(calls) a);
BEGIN
    IF astray <> '{}' THEN
        BEGIN
            PERFORM murallink_private.payouts_route(astray);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            NULL;
        END;
    END IF;
    -- Skip payments that another transaction is cancelling.
    RETURN QUERY
    WITH free AS MATERIALIZED (
        SELECT o.uid, o.account_uid, p.patient_uid, p.amount - coalesce(p.recovered, 0) AS amount, p.currency
        FROM murallink_private.payout o JOIN murallink_private.payment p ON p.uid = o.payment_uid
        WHERE o.uid = ANY (calls) AND p.status = 'approved' AND o.reason = '' AND o.uid <> ALL (astray)
        FOR NO KEY UPDATE OF p SKIP LOCKED
    )
    SELECT f.uid, 'pay', pg_catalog.jsonb_build_object(
        'amount', pg_catalog.round(f.amount, murallink_private.currency_decimals(f.currency))::text, 'currency', f.currency,
        'reference', f.uid::text, 'type', t.name, 'name', pg_catalog.btrim(s.first_name || ' ' || s.last_name),
        'sealed', pg_catalog.encode(a.sealed, 'hex')), ''
    FROM free f JOIN murallink_private.payout_account a ON a.uid = f.account_uid
    JOIN murallink_private.payment_type t ON t.uid = a.payment_type_uid JOIN murallink.patient s ON s.uid = f.patient_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.pays_ask(murallink.ksuid[]) IS
'What to send to pay payouts to accounts; the worker opens the account just before. Payouts that are held, whose partner was configured differently or whose account has ended since, are routed again instead.';

CREATE FUNCTION murallink_private.account_follows(account_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    changed murallink_private.payout_account;
BEGIN
    SELECT * INTO changed FROM murallink_private.payout_account a WHERE a.uid = account_uid;
    -- The worker routes those of other trials again, because here they would be locked out of their order.
    INSERT INTO murallink_private.route_change (subject_uid)
    SELECT o FROM murallink_private.account_payouts(changed.patient_uid) AS o
    WHERE NOT EXISTS (SELECT FROM murallink_private.payout k WHERE k.uid = o AND k.account_uid = changed.uid);
    PERFORM murallink_private.notice_of_payout_account(account_uid), murallink_private.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink_private.account_follows(murallink.ksuid) IS
'What follows from a new account of a patient: payouts are paid to it, and to no earlier one.';

CREATE FUNCTION murallink_private.payout_account_return(account_uid murallink.ksuid, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    returned murallink_private.payout_account;
BEGIN
    UPDATE murallink_private.payout_account a
    SET ended_at = coalesce(a.ended_at, pg_catalog.clock_timestamp()), ended_reason = 'returned: ' || payout_account_return.reason, cooling = false
    WHERE a.uid = account_uid RETURNING * INTO returned;
    IF FOUND THEN
        PERFORM murallink_private.audit_note('patient', returned.patient_uid, 'changed', pg_catalog.jsonb_build_object(
            (SELECT t.name || ' account' FROM murallink_private.payment_type t WHERE t.uid = returned.payment_type_uid),
            pg_catalog.jsonb_build_object('from', returned.shown, 'to', returned.ended_reason)));
        INSERT INTO murallink_private.route_change (subject_uid) SELECT o FROM murallink_private.account_payouts(returned.patient_uid) AS o;
        PERFORM murallink_private.worker_wake();
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.payout_account_return(murallink.ksuid, text) IS
'Ends an account that a partner has returned a payment from, because it is closed or unknown: nothing is paid to it any more, and the same details are not entered again. reason: the partner''s word for it, without the details.';
