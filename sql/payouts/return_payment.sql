-- Payments that were paid and came back, because they have not reached the patient.

CREATE FUNCTION murallink_private.payment_came_back(payment_uid murallink.ksuid, return_key text, note text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_payment murallink_private.payment;
    made murallink.ksuid;
    whole numeric;
    back numeric;
BEGIN
    SELECT * INTO the_payment FROM murallink_private.payment p WHERE p.uid = payment_came_back.payment_uid FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT FROM murallink_private.reversal r
        WHERE r.return_key = payment_came_back.return_key AND r.payment_uid = the_payment.uid) THEN
        RETURN false;
    ELSIF the_payment.status <> 'paid' THEN
        PERFORM murallink_private.refuse_step(the_payment.uid);
    ELSIF EXISTS (
        SELECT FROM murallink_private.payout o WHERE o.payment_uid = the_payment.uid AND o.card_uid IS NOT NULL) THEN
        PERFORM murallink_private.raise('wrong_status', 'payment_uid', 'It is on a card: reverse_payment takes it off.');
    END IF;
    -- What was to be taken back need not be any more.
    SELECT r.uid, r.amount INTO made, whole FROM murallink_private.reversal r
    WHERE r.payment_uid = the_payment.uid AND r.status = 'requested' FOR NO KEY UPDATE;
    IF FOUND AND whole < murallink_private.reversal_cash(the_payment.uid) THEN
        PERFORM murallink_private.reversal_return(made, whole, made, note);
        made := NULL;
    END IF;
    back := murallink_private.reversal_cash(the_payment.uid);
    IF back = 0 THEN
        PERFORM murallink_private.refuse_step(the_payment.uid);
    ELSIF made IS NULL THEN
        INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note)
        VALUES (the_payment.uid, the_payment.amount - murallink_private.reversals_asked(the_payment.uid), 'came_back', note)
        RETURNING uid INTO made;
    END IF;
    PERFORM murallink_private.reversal_return(made, back, made, note, return_key);
    RETURN true;
END
$$;
COMMENT ON FUNCTION murallink_private.payment_came_back(murallink.ksuid, text, text) IS
'Records that all that was paid out of a payment has come back without being taken back: the account is closed, nobody has claimed it, or the bank has returned it. Its funds are available again, the patient is notified, and the payment is returned, so that its milestone can be paid once more; what was kept of it for an earlier payment is owed back. Returns false, and does nothing, if it has done so before for this return_key. return_key: what the partner or the person calls it who says so, different of each return; note: why, for the patient. Errors: wrong_status (the payment is not paid or on a card, nothing of it is left, or its top-ups must be taken back first).';

CREATE FUNCTION murallink.return_payment(
    payment_uid murallink.ksuid DEFAULT NULL, reference text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named CONSTANT text := murallink_private.checked_text(reference, 'reference', 200, true);
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
    its_payout murallink.ksuid;
BEGIN
    SELECT o.uid INTO its_payout FROM murallink_private.payout o
    WHERE o.payment_uid = murallink_private.required(return_payment.payment_uid, 'payment_uid');
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'payment_uid');
    END IF;
    PERFORM murallink_private.payment_came_back(return_payment.payment_uid, pg_catalog.format('%s %s', return_payment.payment_uid, named), why);
    RETURN murallink_private.payout_info(its_payout);
END
$$;
COMMENT ON FUNCTION murallink.return_payment(murallink.ksuid, text, text) IS
'Records that a payment that was paid has come back, such as a check that the post returned or a transfer to a closed account: it is returned, its funds are available again, and its milestone can be paid once more. reference: what the bank calls the return; the same again does nothing; note: why; the message to the patient has it. What is on a card is taken back by reverse_payment instead. For operators. Errors: missing_field, too_long, invalid_value, not_found, wrong_status.';
