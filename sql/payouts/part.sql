-- Visits that are paid in parts, and milestones that somebody else has paid.

CREATE FUNCTION murallink.complete_payment(
    payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    part murallink_private.payment;
    why text;
    made murallink.ksuid;
    its_status murallink.payment_status;
BEGIN
    SELECT * INTO part FROM murallink_private.payment p WHERE p.uid = murallink_private.required(complete_payment.payment_uid, 'payment_uid');
    caller := murallink_private.permit(
        'milestone_payment', part.client_uid, part.contract_uid, part.trial_uid, part.site_uid, 'payment_uid');
    why := murallink_private.checked_text(complete_payment.note, 'note', 1000, true);
    PERFORM murallink_private.reference_unused('payment', part.client_uid, complete_payment.source, complete_payment.ref);
    IF part.payment_type <> 'milestone' THEN
        PERFORM murallink_private.raise('wrong_status', 'payment_uid', 'Only a payment with a fraction has a rest.');
    END IF;
    -- A limit and payout_begin() need these locks, and payment_rest() that of the payment.
    PERFORM murallink_private.enrollments_lock(ARRAY[part.enrollment_uid]);
    INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, note, status, requested_by_uid, completes_uid)
    VALUES (part.enrollment_uid, 'milestone', part.milestone_uid, why, NULL, caller, part.uid)
    ON CONFLICT DO NOTHING RETURNING uid, status INTO made, its_status;
    IF made IS NULL THEN
        PERFORM murallink_private.raise('already_paid', 'payment_uid', 'Its rest has been paid, or is pending.');
    ELSIF its_status = 'approved' THEN
        PERFORM murallink_private.payout_begin(made);
    END IF;
    PERFORM murallink_private.refer('payment', made, complete_payment.source, complete_payment.ref);
    RETURN murallink_private.payment_info(made);
END
$$;
COMMENT ON FUNCTION murallink.complete_payment(murallink.ksuid, text, text, text) IS
'Pays once what is left of a milestone of which a payment has paid a part (milestone_payment with a fraction): the price that it was made at less what it paid, for the day of its visit. payment_uid: that of the part; note: why; source, ref: what another system calls the payment of the rest, as milestone_payment takes them. As long as the rest counts, the milestone is not payable again, even if the part is rejected, cancelled or reversed; once the part does not count, there is no rest to pay, and the milestone is paid again as a whole. Needs milestone_payment on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, already_exists (the reference), wrong_status (it has paid no part, does not count, or was moved to another patient), already_paid, dropped, not_covered, day_capped, insufficient_funds.';

CREATE FUNCTION murallink_private.milestone_called(trial_site_uid murallink.ksuid, called text) RETURNS murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT m.uid FROM murallink.milestone m, (SELECT murallink_private.label_key(called) AS key) AS asked
    WHERE m.trial_site_uid = milestone_called.trial_site_uid AND asked.key IN (
        murallink_private.label_key(m.code), murallink_private.label_key(m.milestone))
    ORDER BY murallink_private.label_key(m.milestone) = asked.key AND m.uid IN (
            SELECT s.uid FROM murallink.payment_schedule s WHERE s.trial_site_uid = milestone_called.trial_site_uid) DESC,
        murallink_private.label_key(m.code) = asked.key DESC, m.effective_date DESC, m.uid DESC LIMIT 1
$$;
COMMENT ON FUNCTION murallink_private.milestone_called(murallink.ksuid, text) IS
'The uid of a version of the milestone of a trial at a site that has this name now, or this code, or had this name; null if there is none.';

CREATE FUNCTION murallink_private.milestone_to_mark(enrollment_uid murallink.ksuid, called text) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    label CONSTANT text := murallink_private.checked_label(called, 'milestone', 200, true);
    version CONSTANT murallink.ksuid := (
        SELECT murallink_private.milestone_called(e.trial_site_uid, label) FROM murallink.enrollment e WHERE e.uid = enrollment_uid);
BEGIN
    IF version IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'milestone', 'get_payment_schedule shows the milestones and their codes.');
    END IF;
    RETURN version;
END
$$;
COMMENT ON FUNCTION murallink_private.milestone_to_mark(murallink.ksuid, text) IS
'The uid of a version of the milestone with this name or code, at the site of an enrollment. Errors: missing_field, too_long, invalid_value, not_found.';

CREATE FUNCTION murallink.mark_paid_elsewhere(
    patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, milestone text DEFAULT NULL, note text DEFAULT NULL,
    source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid :=
        murallink_private.enrolled(mark_paid_elsewhere.patient_uid, mark_paid_elsewhere.trial_uid, 'milestone_payment');
    why CONSTANT text := murallink_private.checked_text(mark_paid_elsewhere.note, 'note', 1000, true);
    version CONSTANT murallink.ksuid := murallink_private.milestone_to_mark(place, mark_paid_elsewhere.milestone);
    made murallink.ksuid;
BEGIN
    PERFORM murallink_private.reference_unused('payment', e.client_uid, mark_paid_elsewhere.source, mark_paid_elsewhere.ref)
    FROM murallink.enrollment e WHERE e.uid = place;
    -- If another session pays meanwhile, the next round sees what it paid.
    WHILE made IS NULL LOOP
        INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, note, status, requested_by_uid)
        VALUES (place, 'milestone', version, why, 'elsewhere', murallink_private.caller())
        ON CONFLICT DO NOTHING RETURNING uid INTO made;
    END LOOP;
    PERFORM murallink_private.refer('payment', made, mark_paid_elsewhere.source, mark_paid_elsewhere.ref);
    RETURN murallink_private.payment_info(made);
END
$$;
COMMENT ON FUNCTION murallink.mark_paid_elsewhere(murallink.ksuid, murallink.ksuid, text, text, text, text) IS
'Marks a milestone of a patient as paid by somebody else: it moves no funds, and counts as one payment of the milestone, so that one that is payable once is not payable any more. milestone: its name or code; note: why; source, ref: what another system calls the mark, as milestone_payment takes them. The mark has the price of the day. Answers with the mark, a payment with the status elsewhere. Needs milestone_payment on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, too_long, invalid_value, not_payable, already_exists (the reference), already_paid (also if it is marked already).';

CREATE FUNCTION murallink.unmark_paid_elsewhere(
    patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, milestone text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid :=
        murallink_private.enrolled(unmark_paid_elsewhere.patient_uid, unmark_paid_elsewhere.trial_uid, 'milestone_payment');
    why CONSTANT text := murallink_private.checked_text(unmark_paid_elsewhere.note, 'note', 1000, true);
    version CONSTANT murallink.ksuid := murallink_private.milestone_to_mark(place, unmark_paid_elsewhere.milestone);
    marked murallink_private.payment;
BEGIN
    SELECT p.* INTO marked FROM murallink.enrollment e JOIN murallink_private.payment p ON p.chain_uid = e.chain_uid
    JOIN murallink.milestone m ON m.uid = version
    WHERE e.uid = place AND p.status = 'elsewhere'
    -- A site that the patient has left does not open a milestone that the present one has marked.
    AND p.enrollment_uid IN (SELECT murallink_private.enrollments_seen(e.patient_uid, e.trial_uid, 'milestone_payment'))
    AND murallink_private.label_key(p.milestone_code) = murallink_private.label_key(m.code) ORDER BY p.occurrence DESC LIMIT 1;
    UPDATE murallink_private.payment p
    SET status = 'unmarked', decided_by_uid = murallink_private.caller(), decision_note = why
    WHERE p.uid = marked.uid AND p.status = 'elsewhere';
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('wrong_status', 'milestone', 'It is not marked as paid elsewhere, or not by this site: see get_patient_payments.');
    END IF;
    RETURN murallink_private.payment_answer(marked.uid, why,
        murallink_private.permitted('view_payments', marked.client_uid, marked.contract_uid, marked.trial_uid, marked.site_uid));
END
$$;
COMMENT ON FUNCTION murallink.unmark_paid_elsewhere(murallink.ksuid, murallink.ksuid, text, text) IS
'Takes the last mark of mark_paid_elsewhere back, so that the milestone is payable again. milestone: its name or code; note: why. Needs milestone_payment on the trial at the site, and a site that the patient has left takes back only its own marks; a caller without view_payments gets only the uid, the status and the note. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, too_long, invalid_value, wrong_status (it is not marked).';
