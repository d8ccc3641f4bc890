-- Who approves, rejects and cancels payments.

CREATE FUNCTION murallink_private.granters(
    holder murallink.ksuid, permissions murallink.permission[], payment_uid murallink.ksuid
) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE ROWS 10 AS $$
    WITH RECURSIVE reached AS (
        SELECT holder AS uid
        UNION SELECT g.granted_by_uid
        FROM reached r JOIN murallink.permission_grant g ON g.app_user_uid = r.uid
            JOIN murallink_private.payment place ON place.uid = payment_uid AND place.client_uid = g.client_uid
        WHERE g.permission = ANY (permissions)
            AND coalesce(g.contract_uid = place.contract_uid, true) AND coalesce(g.trial_uid = place.trial_uid, true)
            AND coalesce(g.site_uid = place.site_uid, true))
    SELECT uid FROM reached WHERE uid IS NOT NULL
$$;
COMMENT ON FUNCTION murallink_private.granters(murallink.ksuid, murallink.permission[], murallink.ksuid) IS
'A user, the users who have ever granted them one of these permissions at the place of a payment, the users who have ever granted it to those, and so on. Grants that have ended count, because otherwise a granter could hide by revoking them.';

CREATE FUNCTION murallink_private.holds_without(
    holder murallink.ksuid, granter murallink.ksuid, permissions murallink.permission[], payment_uid murallink.ksuid, at timestamptz
) RETURNS boolean
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE reached AS (
        SELECT holder AS uid, holds_without.at AS at
        UNION SELECT g.granted_by_uid, g.created_at
        FROM reached r JOIN murallink.permission_grant g ON g.app_user_uid = r.uid
            JOIN murallink_private.payment place ON place.uid = payment_uid AND place.client_uid = g.client_uid
        WHERE g.permission = ANY (permissions) AND (g.granted_by_uid = granter) IS NOT TRUE
            AND coalesce(g.contract_uid = place.contract_uid, true) AND coalesce(g.trial_uid = place.trial_uid, true)
            AND coalesce(g.site_uid = place.site_uid, true)
            AND (murallink_private.in_force(g.until, g.ended_at)
                OR g.created_at <= r.at AND coalesce(g.until > r.at, true) AND coalesce(g.ended_at > r.at, true)))
    SELECT EXISTS (
        SELECT FROM reached r LEFT JOIN murallink.app_user u ON u.uid = r.uid
        WHERE r.uid IS NULL OR u.user_role = 'admin' OR r.at < u.admin_until)
$$;
COMMENT ON FUNCTION murallink_private.holds_without(murallink.ksuid, murallink.ksuid, murallink.permission[], murallink.ksuid, timestamptz) IS
'Whether a user holds these permissions at the place of a payment by a way that leads to an administrator (also one whose account was closed afterwards), or to a grant made by hand, without the grants of another user. A grant counts if it is in force, or was when it was needed: by the holder at a time, and by each granter when they granted. So what a user revokes or grants again afterwards opens no such way.';

CREATE FUNCTION murallink_private.holds_by_way_of(
    holder murallink.ksuid, granter murallink.ksuid, permissions murallink.permission[], payment_uid murallink.ksuid, at timestamptz
) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT granter IN (SELECT murallink_private.granters(holder, permissions, payment_uid))
        AND NOT murallink_private.holds_without(holder, granter, permissions, payment_uid, at)
$$;
COMMENT ON FUNCTION murallink_private.holds_by_way_of(murallink.ksuid, murallink.ksuid, murallink.permission[], murallink.ksuid, timestamptz) IS
'Whether a user holds, at a time, these permissions at the place of a payment only because another has granted them, directly or by others in between: see holds_without().';

CREATE FUNCTION murallink_private.same_hand(approver murallink.ksuid, requester murallink.ksuid, payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    kind murallink.payment_kind;
    requested_at timestamptz;
    approves murallink.permission[];
    requests murallink.permission[];
BEGIN
    SELECT p.payment_type, p.created_at INTO kind, requested_at FROM murallink_private.payment p WHERE p.uid = same_hand.payment_uid;
    approves := CASE kind WHEN 'travel' THEN '{approve_payments,approve_travel}' ELSE '{approve_payments}' END;
    requests := ARRAY[kind || '_payment'];
    RETURN requester = approver
        OR murallink_private.holds_by_way_of(approver, requester, approves, payment_uid, moment)
        OR NOT murallink_private.caller_is_admin() AND (
            murallink_private.holds_by_way_of(requester, approver, requests, payment_uid, requested_at)
            OR EXISTS (
                SELECT FROM murallink_private.granters(approver, approves, payment_uid) AS a
                    JOIN murallink_private.granters(requester, requests, payment_uid) AS r ON r = a
                    JOIN murallink.app_user u ON u.uid = a AND u.user_role <> 'admin' AND CASE WHEN u.admin_until IS NULL THEN true ELSE EXISTS (
                        SELECT FROM murallink.permission_grant g WHERE g.granted_by_uid = u.uid AND g.created_at > u.admin_until) END
                WHERE murallink_private.holds_by_way_of(approver, a, approves, payment_uid, moment)
                AND murallink_private.holds_by_way_of(requester, a, requests, payment_uid, requested_at)));
END
$$;
COMMENT ON FUNCTION murallink_private.same_hand(murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether the approver of a payment does not count as a second person beside the requester: because they are the same, the requester made them an approver, or, unless an administrator approves, they gave the requester the right to request, or the same user gave both their rights. So a second account to which the requester grants the missing right does not help, nor does revoking it afterwards.';

CREATE FUNCTION murallink_private.decide_payment(
    payment_uid murallink.ksuid, decision murallink.payment_status, note text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    the_payment murallink_private.payment;
    why text;
    answer murallink.payment_info;
BEGIN
    SELECT * INTO the_payment FROM murallink_private.payment WHERE uid = murallink_private.required(decide_payment.payment_uid, 'payment_uid');
    IF the_payment.payment_type <> 'travel' OR the_payment.uid IS NULL OR NOT murallink_private.permitted(
        'approve_travel', the_payment.client_uid, the_payment.contract_uid, the_payment.trial_uid, the_payment.site_uid) THEN
        caller := murallink_private.permit(
            'approve_payments', the_payment.client_uid, the_payment.contract_uid, the_payment.trial_uid, the_payment.site_uid, 'payment_uid');
    END IF;
    why := murallink_private.checked_text(decide_payment.note, 'note', 1000, decision <> 'approved');
    -- An admin who acts as another user is still the same person.
    IF decision = 'approved' AND (SELECT t.separate_approver FROM murallink.trial t WHERE t.uid = the_payment.trial_uid)
        AND (murallink_private.same_hand(caller, the_payment.requested_by_uid, the_payment.uid) OR EXISTS (
            SELECT FROM murallink.audit_event e,
                LATERAL (SELECT coalesce(e.switched_by_uid, e.app_user_uid) AS uid) AS requester
            WHERE e.resource_uid = the_payment.uid AND e.action = 'created'
            AND (requester.uid = coalesce(murallink_private.caller_switched_by(), caller)
                OR murallink_private.same_hand(caller, requester.uid, the_payment.uid)))) THEN
        PERFORM murallink_private.raise('same_person', 'payment_uid');
    END IF;
    IF decision = 'approved' THEN
        -- payout_begin() needs this lock, too. Take it before that of the payment, as a change of the payment type does.
        PERFORM FROM murallink.enrollment WHERE uid = the_payment.enrollment_uid FOR SHARE;
    END IF;
    UPDATE murallink_private.payment SET status = decision, decided_by_uid = caller, decision_note = why
    WHERE uid = the_payment.uid AND status = ANY (CASE decision
        WHEN 'cancelled' THEN '{approved,failed}' ELSE '{pending}' END::murallink.payment_status[]);
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('wrong_status', 'payment_uid');
    END IF;
    IF decision = 'approved' THEN
        PERFORM murallink_private.payout_begin(the_payment.uid);
    END IF;
    answer := murallink_private.payment_info(the_payment.uid);
    IF NOT murallink_private.permitted(
        'view_payments', the_payment.client_uid, the_payment.contract_uid, the_payment.trial_uid, the_payment.site_uid) THEN
        answer := ROW(answer.uid, NULL, NULL, NULL, NULL, NULL, NULL, answer.status, NULL, NULL, why);
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink_private.decide_payment(murallink.ksuid, murallink.payment_status, text) IS
'Approves, rejects or cancels a payment for the caller. note: why, required unless it is approved. A caller without view_payments gets only its uid, its status and the note. Errors: unauthenticated, missing_field, forbidden, not_found, too_long, invalid_value, same_person, wrong_status.';

CREATE FUNCTION murallink.approve_payment(payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.decide_payment(payment_uid, 'approved', note);
END
$$;
COMMENT ON FUNCTION murallink.approve_payment(murallink.ksuid, text) IS
'Approves a pending payment, so that it is paid out (document: Approve Payment). note: at most 1000 characters. Needs approve_payments, or approve_travel for a travel payment, on the trial at the site. If the trial has separate_approver, the caller must be a second person: see docs/reference.md. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, wrong_status, same_person.';

CREATE FUNCTION murallink.reject_payment(payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.decide_payment(payment_uid, 'rejected', note);
END
$$;
COMMENT ON FUNCTION murallink.reject_payment(murallink.ksuid, text) IS
'Rejects a pending payment and releases its funds; the milestone can be paid again. note: why, at most 1000 characters; get_patient_payments, the report and the audit show it. Needs the same permission as approve_payment. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, wrong_status.';

CREATE FUNCTION murallink.cancel_payment(payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.decide_payment(payment_uid, 'cancelled', note);
END
$$;
COMMENT ON FUNCTION murallink.cancel_payment(murallink.ksuid, text) IS
'Cancels a payment that was approved but is not being sent, or that failed, and releases its funds. note: why, as reject_payment takes it. Needs the same permission as approve_payment. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, wrong_status.';
