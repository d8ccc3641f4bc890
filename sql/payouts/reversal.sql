-- Reversals of paid payments.

CREATE FUNCTION murallink_private.payment_reverse(payment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.payment p SET status = 'reversed', decision_note = o.note
    FROM murallink_private.payout o WHERE o.payment_uid = p.uid AND p.uid = payment_reverse.payment_uid;
    PERFORM murallink_private.notices_of_payments(ARRAY[payment_uid]);
END
$$;
COMMENT ON FUNCTION murallink_private.payment_reverse(murallink.ksuid) IS
'Reverses a paid payment in the books, with the note of its payout, and notifies the patient.';

CREATE FUNCTION murallink.reverse_payment(
    payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL, loaded boolean DEFAULT NULL
) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
    its_payout murallink.ksuid;
    the_payout murallink.payout_info;
    shown boolean;
    load jsonb;
    its_card murallink.ksuid;
BEGIN
    its_payout := (
        SELECT o.uid FROM murallink_private.payout o
        WHERE o.payment_uid = murallink_private.required(reverse_payment.payment_uid, 'payment_uid'));
    IF its_payout IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'payment_uid');
    END IF;
    the_payout := murallink_private.payout_locked(its_payout, true);
    IF the_payout.status <> 'done' OR EXISTS (
        SELECT FROM murallink_private.payment p WHERE p.uid = reverse_payment.payment_uid AND p.status <> 'paid') THEN
        PERFORM murallink_private.raise('wrong_status', 'payment_uid');
    ELSIF EXISTS (
        SELECT FROM murallink_private.call c
        WHERE c.operation = 'unload' AND c.subject_uid = the_payout.uid AND c.subject_uid <> c.uid AND c.status <> 'declined') THEN
        PERFORM murallink_private.raise('already_exists', 'payment_uid');
    END IF;
    -- If only a person has said that it was loaded, an unload may take the money of another payment.
    shown := the_payout.reference <> '' OR the_payout.note = murallink_private.note_of_look_up() OR EXISTS (
        SELECT FROM murallink_private.call c WHERE c.uid = the_payout.uid AND c.outcome = 'done');
    IF the_payout.partner IS NULL AND loaded OR the_payout.partner IS NOT NULL AND shown AND NOT loaded THEN
        PERFORM murallink_private.raise('invalid_value', 'loaded');
    ELSIF the_payout.partner IS NOT NULL AND NOT shown THEN
        PERFORM murallink_private.required(loaded, 'loaded');
    END IF;
    UPDATE murallink_private.payout o SET note = why WHERE o.uid = the_payout.uid;
    IF the_payout.partner IS NULL OR NOT loaded THEN
        PERFORM murallink_private.payment_reverse(payment_uid);
    ELSE
        its_card := murallink_private.card_to_unload(its_payout);
        IF its_card IS NULL THEN
            PERFORM murallink_private.raise('wrong_status', 'card_uid');
        END IF;
        SELECT pg_catalog.jsonb_build_object('program', c.program, 'proxy_key', c.proxy_key,
            'amount', the_payout.amount::numeric(16, 2)::text, 'reference', o.uid::text)
        INTO load
        FROM murallink_private.payout o JOIN murallink_private.card c ON c.uid = its_card WHERE o.uid = the_payout.uid;
        PERFORM murallink_private.task_begin(the_payout.partner, 'unload', load, false, 'payout', the_payout.uid, 'unload ' || the_payout.uid);
    END IF;
    RETURN murallink_private.payout_info(the_payout.uid);
END
$$;
COMMENT ON FUNCTION murallink.reverse_payment(murallink.ksuid, text, boolean) IS
'Reverses a paid payment: the card is unloaded, if the money is still there; if it was replaced, the new card is; a payment that a person has settled is reversed in the books only. After the partner has done it, the payment is reversed and its funds are available. note: why; loaded: whether the money is on the card: required if a person decided that it was paid, otherwise not allowed; false: reverse it in the books only. For operators. Errors: missing_field, too_long, invalid_value, not_found, wrong_status (also of a card that was replaced, until there is a new one), already_exists.';

CREATE FUNCTION murallink_private.unloads_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.payment_reverse(o.payment_uid)
    FROM murallink_private.call c JOIN murallink_private.payout o ON o.uid = c.subject_uid
    WHERE c.uid = ANY (calls) AND c.status = 'done';
    PERFORM murallink_private.look_up_begin(c.uid) FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'in_doubt';
END
$$;
COMMENT ON FUNCTION murallink_private.unloads_follow(murallink.ksuid[]) IS
'Reverses the payments of unloads that are done, and starts look-ups of unloads in doubt.';
