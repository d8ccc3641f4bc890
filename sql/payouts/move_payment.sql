-- A payment to the wrong patient is moved to the right one.

CREATE FUNCTION murallink_private.payment_undo(the_payment murallink.ksuid, note text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    present CONSTANT murallink.payment_status := (SELECT p.status FROM murallink_private.payment p WHERE p.uid = the_payment);
    asked CONSTANT numeric := murallink_private.reversals_asked(the_payment);
BEGIN
    IF present IN ('pending', 'approved', 'failed') THEN
        UPDATE murallink_private.payment p
        SET status = CASE present WHEN 'pending' THEN 'rejected' ELSE 'cancelled' END::murallink.payment_status,
            decided_by_uid = murallink_private.caller(), decision_note = payment_undo.note
        WHERE p.uid = the_payment;
    ELSIF present = 'paid' AND asked < (SELECT p.amount FROM murallink_private.payment p WHERE p.uid = the_payment) THEN
        PERFORM murallink.request_reversal(the_payment, NULL, 'wrong_patient', note);
    ELSIF present NOT IN ('paid', 'reversed', 'returned') THEN
        PERFORM murallink_private.refuse_step(the_payment);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.payment_undo(murallink.ksuid, text) IS
'Undoes a payment, which must be locked, as far as it has come: rejects or cancels it, or requests the reversal of what is left of it. Errors: wrong_status (it is being sent, in doubt, or undone already), already_exists (a part of it is being taken back).';

CREATE FUNCTION murallink.move_payment(
    payment_uid murallink.ksuid DEFAULT NULL, to_patient_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL,
    source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    wrong murallink_private.payment;
    place murallink.ksuid;
    why text;
    made murallink_private.payment;
BEGIN
    SELECT * INTO wrong FROM murallink_private.payment p WHERE p.uid = murallink_private.required(move_payment.payment_uid, 'payment_uid');
    caller := murallink_private.permit((coalesce(wrong.payment_type, 'milestone') || '_payment')::murallink.permission,
        wrong.client_uid, wrong.contract_uid, wrong.trial_uid, wrong.site_uid, 'payment_uid');
    why := murallink_private.checked_text(note, 'note', 1000, true);
    PERFORM murallink_private.reference_unused('payment', wrong.client_uid, move_payment.source, move_payment.ref);
    IF murallink_private.required(to_patient_uid, 'to_patient_uid') = wrong.patient_uid THEN
        PERFORM murallink_private.raise('invalid_value', 'to_patient_uid', 'Another patient than that of the payment.');
    END IF;
    -- As milestone_payment() finds it: of several, the one in whose time the visit was.
    SELECT e.uid INTO place FROM murallink.enrollment e, LATERAL (SELECT coalesce(e.left_on, 'infinity') AS last_day) d
    WHERE e.patient_uid = move_payment.to_patient_uid AND e.trial_site_uid = wrong.trial_site_uid
    ORDER BY e.status = 'merged', CASE WHEN d.last_day >= coalesce(wrong.visit_date, 'infinity') THEN d.last_day END NULLS LAST,
        d.last_day DESC, e.created_at DESC, e.uid DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise(CASE WHEN murallink_private.patient_visible(to_patient_uid) THEN 'not_enrolled' ELSE 'not_found' END, 'to_patient_uid');
    END IF;
    PERFORM murallink_private.enrollments_lock(ARRAY[place, wrong.enrollment_uid]);
    PERFORM FROM murallink_private.payment p WHERE p.uid = wrong.uid FOR NO KEY UPDATE;
    -- The two may have been merged meanwhile.
    SELECT * INTO wrong FROM murallink_private.payment p WHERE p.uid = wrong.uid;
    IF EXISTS (SELECT FROM murallink.enrollment e WHERE e.uid = place AND e.patient_uid = wrong.patient_uid) THEN
        PERFORM murallink_private.raise('invalid_value', 'to_patient_uid', 'Another patient than that of the payment.');
    END IF;
    SELECT * INTO made FROM murallink_private.payment p WHERE p.moved_from_uid = wrong.uid;
    IF made.patient_uid <> to_patient_uid THEN
        PERFORM murallink_private.raise('already_exists', 'payment_uid');
    ELSIF made.uid IS NULL THEN
        -- Its rest would stay with the wrong patient.
        IF EXISTS (
            SELECT FROM murallink_private.payment r WHERE r.enrollment_uid = wrong.enrollment_uid AND r.completes_uid = wrong.uid AND r.counts) THEN
            PERFORM murallink_private.raise('wrong_status', 'payment_uid', 'Its rest was paid: undo that payment first.');
        END IF;
        PERFORM murallink_private.payment_undo(wrong.uid, why);
        WHILE made.uid IS NULL LOOP
            BEGIN
                INSERT INTO murallink_private.payment (enrollment_uid, moved_from_uid, payment_type, amount, currency, note, requested_by_uid, status)
                VALUES (place, wrong.uid, wrong.payment_type, wrong.amount, wrong.currency, why, caller,
                    CASE WHEN wrong.payment_type <> 'milestone' THEN 'pending'::murallink.payment_status END)
                RETURNING * INTO made;
            EXCEPTION WHEN unique_violation THEN
                -- Another session has paid this occurrence: the next attempt takes another one, or is refused.
                NULL;
            END;
        END LOOP;
        IF made.status = 'approved' THEN
            PERFORM murallink_private.payout_begin(made.uid);
        END IF;
    END IF;
    PERFORM murallink_private.refer('payment', made.uid, move_payment.source, move_payment.ref);
    RETURN murallink_private.payment_answer(made.uid, NULL,
        murallink_private.permitted('view_payments', made.client_uid, made.contract_uid, made.trial_uid, made.site_uid));
END
$$;
COMMENT ON FUNCTION murallink.move_payment(murallink.ksuid, murallink.ksuid, text, text, text) IS
'Moves a payment to the patient who should have been paid, in the same trial at the same site: the wrong payment is rejected if it is pending, cancelled if it was approved and is not being sent, or its reversal is requested as by request_reversal; and the right patient is paid for the same milestone, visit and part of it at the original price, as milestone_payment or manual_payment would (the cap of the day is that of the right patient), without waiting for the money to come back. All of it happens, or nothing. Each of the two payments shows the other (moved_from_uid, moved_to_uid). note: why; it is the note of the new payment, too; the message to the wrong patient does not have it; source, ref: what another system calls the new payment, as set_reference takes them; that of the wrong one stays with it. The same request again answers the first, but one with a source and ref is refused (already_exists, field ref), and find_reference shows what there is. A caller without view_payments gets only the uid and the status. Needs the permission to pay at the trial at the site: milestone_payment, manual_payment or travel_payment, by the kind of the payment. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, too_long, invalid_value, wrong_status (it is being sent, in doubt, was not to be paid any more, pays a rest or the difference to a raised price, or its rest was paid), already_exists (it was moved to another patient, a part of it is being taken back, or the reference), already_paid, dropped, not_covered, not_payable, day_capped, insufficient_funds.';
