-- What was paid and what came back, by month.

CREATE FUNCTION murallink_private.payment_returns(payment_uid murallink.ksuid, OUT at timestamptz, OUT amount numeric) RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
    SELECT e.at, e.amount
    FROM (
        SELECT r.uid FROM murallink_private.reversal r WHERE r.payment_uid = payment_returns.payment_uid
        UNION ALL
        SELECT k.uid FROM murallink_private.reversal r JOIN murallink.recovery k ON k.reversal_uid = r.uid
        WHERE r.payment_uid = payment_returns.payment_uid
        UNION ALL
        SELECT c.uid FROM murallink_private.payout o JOIN murallink_private.call c ON c.subject_uid = o.uid AND c.subject_uid <> c.uid
        WHERE o.payment_uid = payment_returns.payment_uid AND c.operation = 'unload') s
    JOIN murallink.fund_entry e ON e.source_uid = s.uid AND e.movement = 'return'
$$;
COMMENT ON FUNCTION murallink_private.payment_returns(murallink.ksuid) IS
'When parts of a payment came back, and how much, in currency units. The view murallink.paid_by_month calls it with the rights of its reader.';
