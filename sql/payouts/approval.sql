-- Who approves, rejects and cancels payments, and approves and rejects reversals.

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

CREATE FUNCTION murallink_private.same_hand(
    approver murallink.ksuid, other murallink.ksuid, payment_uid murallink.ksuid, approved_at timestamptz DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    asked_as murallink.payment_kind;
    acted_at timestamptz;
    approves murallink.permission[];
    others murallink.permission[];
BEGIN
    SELECT p.payment_type, coalesce(approved_at, p.created_at) INTO asked_as, acted_at
    FROM murallink_private.payment p WHERE p.uid = same_hand.payment_uid;
    approves := CASE asked_as WHEN 'travel' THEN '{approve_payments,approve_travel}' ELSE '{approve_payments}' END;
    others := CASE WHEN approved_at IS NULL THEN ARRAY[asked_as || '_payment']::murallink.permission[] ELSE approves END;
    RETURN other = approver
        OR murallink_private.holds_by_way_of(approver, other, approves, payment_uid, moment)
        OR NOT murallink_private.caller_is_admin() AND (
            murallink_private.holds_by_way_of(other, approver, others, payment_uid, acted_at)
            OR EXISTS (
                SELECT FROM murallink_private.granters(approver, approves, payment_uid) AS a
                    JOIN murallink_private.granters(other, others, payment_uid) AS r ON r = a
                    JOIN murallink.app_user u ON u.uid = a AND u.user_role <> 'admin' AND CASE WHEN u.admin_until IS NULL THEN true ELSE EXISTS (
                        SELECT FROM murallink.permission_grant g WHERE g.granted_by_uid = u.uid AND g.created_at > u.admin_until) END
                WHERE murallink_private.holds_by_way_of(approver, a, approves, payment_uid, moment)
                AND murallink_private.holds_by_way_of(other, a, others, payment_uid, acted_at)));
END
$$;
COMMENT ON FUNCTION murallink_private.same_hand(murallink.ksuid, murallink.ksuid, murallink.ksuid, timestamptz) IS
'Whether the approver of a payment does not count as a second person beside another: because they are the same, the other made them an approver, or, unless an administrator approves, they gave the other the right, or the same user gave both their rights. So a second account to which somebody grants the missing right does not help, nor does revoking it afterwards. approved_at: when the other has approved the payment; null: they requested it.';

CREATE FUNCTION murallink_private.may_decide(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT murallink_private.permitted('approve_payments', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
            OR p.payment_type = 'travel' AND murallink_private.permitted('approve_travel', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
        FROM murallink_private.payment p WHERE p.uid = may_decide.payment_uid), false)
$$;
COMMENT ON FUNCTION murallink_private.may_decide(murallink.ksuid) IS
'Whether the caller holds the permission to decide a payment.';

CREATE FUNCTION murallink_private.may_sign(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE plpgsql STABLE SET plan_cache_mode = auto AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.caller();
    -- An admin who acts as another user is still the same person.
    signer CONSTANT murallink.ksuid := coalesce(murallink_private.caller_switched_by(), caller);
    requester murallink.ksuid;
    separate boolean;
BEGIN
    SELECT p.requested_by_uid, murallink_private.separate_since(p.trial_uid, p.created_at) INTO requester, separate
    FROM murallink_private.payment p WHERE p.uid = may_sign.payment_uid;
    IF EXISTS (
        SELECT FROM murallink_private.approval a
        WHERE a.payment_uid = may_sign.payment_uid AND (
            caller IN (a.app_user_uid, a.signer_uid) OR signer IN (a.app_user_uid, a.signer_uid)
            OR separate AND (
                murallink_private.same_hand(caller, a.app_user_uid, a.payment_uid, a.at)
                OR murallink_private.same_hand(caller, a.signer_uid, a.payment_uid, a.at)))) THEN
        RETURN false;
    END IF;
    RETURN NOT separate OR NOT (
        murallink_private.same_hand(caller, requester, may_sign.payment_uid) OR EXISTS (
            SELECT FROM murallink_private.audit_event e,
                LATERAL (SELECT coalesce(e.switched_by_uid, e.app_user_uid) AS uid) AS asked
            WHERE e.resource_uid = may_sign.payment_uid AND e.action = 'created'
            AND (asked.uid = signer OR murallink_private.same_hand(caller, asked.uid, may_sign.payment_uid))));
END
$$;
COMMENT ON FUNCTION murallink_private.may_sign(murallink.ksuid) IS
'Whether the caller, who holds the permission, counts as another person than all who have approved a payment and, in a trial with separate_approver, than its requester.';

CREATE FUNCTION murallink_private.password_shown(password text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.require_caller();
    IF coalesce(password, '') = '' THEN
        RETURN false;
    END IF;
    PERFORM murallink_private.hide_statement();
    IF murallink_private.caller_switched_by() IS NOT NULL THEN
        PERFORM murallink_private.raise('forbidden', 'password', 'This is not possible while acting as another user: end it with switch_user to your own uid.');
    END IF;
    PERFORM murallink_private.check_own_password(password, 'password');
    RETURN true;
END
$$;
COMMENT ON FUNCTION murallink_private.password_shown(text) IS
'Whether an approver has shown the password, which is checked and counted as login() does it. Errors: unauthenticated, forbidden (where it is wrong; to an admin who acts as another user), locked_out, busy.';

CREATE FUNCTION murallink_private.signature_demanded(payment_uid murallink.ksuid) RETURNS text
LANGUAGE plpgsql STABLE SET plan_cache_mode = auto AS $$
BEGIN
    RETURN (
        SELECT r.signature FROM murallink_private.payment p, LATERAL murallink_private.approval_rules_since(p.trial_uid, p.created_at) r
        WHERE p.uid = signature_demanded.payment_uid AND r.signature IS NOT NULL
        ORDER BY pg_catalog.array_position('{password,sign_on,session}', r.signature) LIMIT 1);
END
$$;
COMMENT ON FUNCTION murallink_private.signature_demanded(murallink.ksuid) IS
'How an approver of a payment must show who they are: the strictest that its trial has demanded since it was requested.';

CREATE FUNCTION murallink_private.signed_by(payment_uid murallink.ksuid, shown boolean) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    demanded CONSTANT text := murallink_private.signature_demanded(payment_uid);
BEGIN
    IF demanded <> 'session' AND murallink_private.caller_switched_by() IS NOT NULL THEN
        PERFORM murallink_private.raise('forbidden', 'password', 'This is not possible while acting as another user: end it with switch_user to your own uid.');
    ELSIF demanded = 'password' AND NOT shown THEN
        PERFORM murallink_private.raise('missing_field', 'password', 'The rules since it was requested demand the approver''s password.');
    ELSIF demanded = 'sign_on' AND NOT shown AND NOT murallink_private.freshly_signed_on() THEN
        PERFORM murallink_private.raise('sign_on_required', 'session_id');
    END IF;
    RETURN CASE WHEN shown THEN 'password' ELSE demanded END;
END
$$;
COMMENT ON FUNCTION murallink_private.signed_by(murallink.ksuid, boolean) IS
'How the caller, who approves a payment, is recognised. shown: whether the password was shown. Errors: unauthenticated, missing_field, sign_on_required, forbidden (to an admin who acts as another user where a signature is demanded).';

CREATE FUNCTION murallink_private.sign_payment(payment_uid murallink.ksuid, signed_by text, note text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_payment murallink_private.payment;
    needed integer;
    so_far bigint;
BEGIN
    -- Serializes with other decisions about it.
    SELECT * INTO the_payment FROM murallink_private.payment p WHERE p.uid = sign_payment.payment_uid FOR NO KEY UPDATE;
    IF the_payment.status <> 'pending' THEN
        PERFORM murallink_private.refuse_step(the_payment.uid);
    ELSIF NOT murallink_private.may_sign(the_payment.uid) THEN
        PERFORM murallink_private.raise('same_person', 'payment_uid');
    END IF;
    needed := GREATEST(murallink_private.approvals_required(the_payment.uid), 1);
    SELECT pg_catalog.count(*) + 1 INTO so_far FROM murallink_private.approval a WHERE a.payment_uid = the_payment.uid;
    INSERT INTO murallink_private.approval (payment_uid, app_user_uid, switched_by_uid, signer_name, meaning, signed_by, note)
    SELECT the_payment.uid, murallink_private.caller(), murallink_private.caller_switched_by(),
        coalesce(NULLIF(pg_catalog.btrim(u.first_name || ' ' || u.last_name), ''), u.email),
        pg_catalog.format('approves the payment of %s %s, as approver %s of %s',
            pg_catalog.round(the_payment.amount, murallink_private.currency_decimals(the_payment.currency)), the_payment.currency, so_far,
            GREATEST(needed, so_far)), sign_payment.signed_by, sign_payment.note
    FROM murallink.app_user u WHERE u.uid = coalesce(murallink_private.caller_switched_by(), murallink_private.caller());
    RETURN so_far >= needed;
END
$$;
COMMENT ON FUNCTION murallink_private.sign_payment(murallink.ksuid, text, text) IS
'Records that the caller, who holds the permission, approves a pending payment, and locks it. Returns whether enough people have approved it. Errors: wrong_status, same_person.';

CREATE FUNCTION murallink_private.decide_payment(
    payment_uid murallink.ksuid, decision murallink.payment_status, note text, password_shown boolean DEFAULT false
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    the_payment murallink_private.payment;
    why text;
    signature text;
BEGIN
    SELECT * INTO the_payment FROM murallink_private.payment WHERE uid = murallink_private.required(decide_payment.payment_uid, 'payment_uid');
    IF NOT murallink_private.may_decide(the_payment.uid) THEN
        caller := murallink_private.permit(
            'approve_payments', the_payment.client_uid, the_payment.contract_uid, the_payment.trial_uid, the_payment.site_uid, 'payment_uid');
    END IF;
    why := murallink_private.checked_text(decide_payment.note, 'note', 1000, decision <> 'approved');
    IF decision = 'approved' THEN
        signature := murallink_private.signed_by(the_payment.uid, password_shown);
        -- payout_begin() needs this lock, too. Take it before that of the payment, as a change of the payment type does.
        PERFORM FROM murallink.enrollment WHERE uid = the_payment.enrollment_uid FOR SHARE;
        IF NOT murallink_private.sign_payment(the_payment.uid, signature, why) THEN
            decision := 'pending';
        END IF;
    END IF;
    IF decision = 'pending' THEN
        UPDATE murallink_private.payment SET decided_by_uid = caller, decision_note = why WHERE uid = the_payment.uid;
    ELSE
        UPDATE murallink_private.payment SET status = decision, decided_by_uid = caller, decision_note = why
        WHERE uid = the_payment.uid AND status = ANY (CASE decision
            WHEN 'cancelled' THEN '{approved,failed}' ELSE '{pending}' END::murallink.payment_status[]);
        IF NOT FOUND THEN
            PERFORM murallink_private.refuse_step(the_payment.uid);
        END IF;
    END IF;
    IF decision = 'approved' THEN
        PERFORM murallink_private.payout_begin(the_payment.uid);
    END IF;
    RETURN murallink_private.payment_answer(the_payment.uid, why, murallink_private.permitted(
        'view_payments', the_payment.client_uid, the_payment.contract_uid, the_payment.trial_uid, the_payment.site_uid));
END
$$;
COMMENT ON FUNCTION murallink_private.decide_payment(murallink.ksuid, murallink.payment_status, text, boolean) IS
'Approves, rejects or cancels a payment for the caller; one that more people must approve stays pending. note: why, required unless it is approved; password_shown: whether the caller has shown the password. A caller without view_payments gets only its uid, its status and the note. Errors: unauthenticated, missing_field, forbidden, not_found, too_long, invalid_value, sign_on_required, same_person, wrong_status.';

CREATE FUNCTION murallink.approve_payment(
    payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL, password text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.decide_payment(payment_uid, 'approved', note, murallink_private.password_shown(password));
END
$$;
COMMENT ON FUNCTION murallink.approve_payment(murallink.ksuid, text, text) IS
'Approves a pending payment, so that it is paid out (document: Approve Payment); if the tiers of the trial require more people, it stays pending until they have approved it, too. note: at most 1000 characters; password: the caller''s own, checked if it is given, and required if the trial demands it: see set_approval_rules. Needs approve_payments, or approve_travel for a travel payment, on the trial at the site. Each person approves a payment once; if the trial has separate_approver, all must be other people than the requester: see docs/reference.md. Errors: unauthenticated, forbidden (also where the password is wrong, and to an admin who acts as another user where a signature is demanded), not_found, missing_field, too_long, invalid_value, wrong_status, same_person, sign_on_required, locked_out, busy.';

CREATE TYPE murallink.approval_outcome AS (uid murallink.ksuid, status text, error text);
COMMENT ON TYPE murallink.approval_outcome IS
'What became of a payment in approve_payments or reject_payments. status: approved; pending if more people must approve it; rejected; absent on failure. error: the name of the error, absent on success.';

CREATE FUNCTION murallink_private.error_name(state text, name text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN state LIKE 'PT%' THEN name WHEN state IN ('55P03', '40P01') THEN 'blocked' WHEN state LIKE '23%' THEN 'conflict' END
$$;
COMMENT ON FUNCTION murallink_private.error_name(text, text) IS
'The name of an error for clients, null for one that they cannot do anything about. name: of the constraint, which is that of our own errors.';

CREATE FUNCTION murallink_private.decide_payments(
    uids murallink.ksuid[], decision murallink.payment_status, note text, password_shown boolean DEFAULT false
) RETURNS SETOF murallink.approval_outcome
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    this murallink.ksuid;
    outcome murallink.approval_outcome;
    state text;
BEGIN
    IF pg_catalog.cardinality(uids) > 10000 THEN
        PERFORM murallink_private.raise('too_long', 'uids', 'At most 10,000 payments are taken at once.');
    END IF;
    -- In the order of their locks: enrollments, and payments of each.
    FOR this IN
        SELECT w.uid FROM (SELECT DISTINCT u AS uid FROM pg_catalog.unnest(uids) u) w
        LEFT JOIN murallink_private.payment p ON p.uid = w.uid ORDER BY p.enrollment_uid, w.uid
    LOOP
        outcome := ROW(this, NULL, NULL);
        BEGIN
            outcome.status := (murallink_private.decide_payment(this, decision, decide_payments.note, password_shown)).status;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, outcome.error = CONSTRAINT_NAME;
            outcome.error := murallink_private.error_name(state, outcome.error);
            outcome.status := NULL;
            IF outcome.error IS NULL THEN
                RAISE;
            END IF;
        END;
        IF outcome.error = 'blocked' THEN
            -- Do not wait as long for each that follows.
            PERFORM pg_catalog.set_config('lock_timeout', '50ms', true);
        END IF;
        RETURN NEXT outcome;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.decide_payments(murallink.ksuid[], murallink.payment_status, text, boolean) IS
'Approves or rejects payments for the caller, each as decide_payment() does, and answers what became of each. Assumes a lock_timeout of the calling action. Errors: too_long.';

CREATE FUNCTION murallink.approve_payments(
    uids murallink.ksuid[] DEFAULT NULL, note text DEFAULT NULL, password text DEFAULT NULL
) RETURNS SETOF murallink.approval_outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    wanted CONSTANT murallink.ksuid[] := murallink_private.required(uids, 'uids');
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
    shown CONSTANT boolean := murallink_private.password_shown(password);
BEGIN
    RETURN QUERY SELECT o.* FROM murallink_private.decide_payments(wanted, 'approved', why, shown) o;
END
$$;
COMMENT ON FUNCTION murallink.approve_payments(murallink.ksuid[], text, text) IS
'Approves payments, each as approve_payment does, and answers what became of each, once for a uid that is given several times; what is refused does not hold up the others. uids: at most 10000; note: required, of each approval; password: as approve_payment takes it, checked once. Needs approve_payments, or approve_travel for travel payments, on the trials at the sites. Errors: unauthenticated, missing_field, too_long, invalid_value, forbidden (the password), locked_out, busy. In the answers: also not_found, wrong_status, same_person, sign_on_required, blocked, conflict.';

CREATE FUNCTION murallink.reject_payment(payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.decide_payment(payment_uid, 'rejected', note);
END
$$;
COMMENT ON FUNCTION murallink.reject_payment(murallink.ksuid, text) IS
'Rejects a pending payment and releases its funds; the milestone can be paid again. note: why, at most 1000 characters; get_patient_payments, the report and the audit show it. Needs the same permission as approve_payment. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, wrong_status.';

CREATE FUNCTION murallink.reject_payments(uids murallink.ksuid[] DEFAULT NULL, note text DEFAULT NULL) RETURNS SETOF murallink.approval_outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    wanted CONSTANT murallink.ksuid[] := murallink_private.required(uids, 'uids');
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
BEGIN
    RETURN QUERY SELECT o.* FROM murallink_private.decide_payments(wanted, 'rejected', why) o;
END
$$;
COMMENT ON FUNCTION murallink.reject_payments(murallink.ksuid[], text) IS
'Rejects payments, each as reject_payment does, and answers what became of each, once for a uid that is given several times; what is refused does not hold up the others. uids: at most 10000; note: why, of each. Needs the same permission as approve_payments. Errors: unauthenticated, missing_field, too_long, invalid_value. In the answers: also forbidden, not_found, wrong_status, blocked, conflict.';

CREATE FUNCTION murallink.cancel_payment(payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.decide_payment(payment_uid, 'cancelled', note);
END
$$;
COMMENT ON FUNCTION murallink.cancel_payment(murallink.ksuid, text) IS
'Cancels a payment that was approved but is not being sent, or that failed, and releases its funds. note: why, as reject_payment takes it. Needs the same permission as approve_payment. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, wrong_status.';

CREATE TYPE murallink.approval_info AS (
    uid murallink.ksuid, name text, at timestamptz, meaning text, signed_by text, note text, user_uid murallink.ksuid);
COMMENT ON TYPE murallink.approval_info IS
'Who approved a payment. name: of the person at that moment, which users choose themselves; user_uid: of the person, which tells two of one name apart; signed_by: how the person was recognised: session, password or sign_on.';

CREATE FUNCTION murallink.get_approvals(payment_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.approval_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    the_payment murallink_private.payment;
BEGIN
    SELECT * INTO the_payment FROM murallink_private.payment p
    WHERE p.uid = murallink_private.required(get_approvals.payment_uid, 'payment_uid');
    IF NOT EXISTS (
        SELECT FROM murallink_private.enrollments_seen(the_payment.patient_uid, the_payment.trial_uid, 'view_payments') AS seen
        WHERE seen = the_payment.enrollment_uid) THEN
        PERFORM murallink_private.permit(
            'view_payments', the_payment.client_uid, the_payment.contract_uid, the_payment.trial_uid, the_payment.site_uid, 'payment_uid');
    END IF;
    RETURN QUERY
    SELECT a.uid, a.signer_name, a.at, a.meaning, a.signed_by, a.note, a.signer_uid
    FROM murallink.approval a WHERE a.payment_uid = the_payment.uid ORDER BY a.at, a.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_approvals(murallink.ksuid) IS
'Who approved a payment, in the order of the approvals. Needs view_payments on the trial at the site, or at the one to which the patient has come. Errors: unauthenticated, forbidden, not_found, missing_field.';

CREATE TYPE murallink.pending_payment AS (
    uid murallink.ksuid, trial_uid murallink.ksuid, trial text, site_uid murallink.ksuid, site text, subject_id text,
    payment_type text, milestone text, amount numeric, currency text, note text, visit_date date, created_at timestamptz, days integer,
    requested_by text, approvals integer, approvals_needed integer, signature text);
COMMENT ON TYPE murallink.pending_payment IS
'A payment that waits for the caller''s approval; what the caller may not see is absent: names without view_trials and view_sites, the subject id without view_enrollments or view_patients, and all that is paid without view_payments. days: since it was made; requested_by: the name of the requester; approvals: how many people have approved it of those that are needed; signature: what the approval demands, see set_approval_rules.';

CREATE FUNCTION murallink_private.pending_payment(payment_uid murallink.ksuid) RETURNS murallink.pending_payment
LANGUAGE sql STABLE AS $$
    SELECT p.uid, p.trial_uid,
        CASE WHEN murallink_private.permitted('view_trials', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid) THEN t.name END, p.site_uid,
        CASE WHEN murallink_private.permitted('view_sites', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
            OR murallink_private.permitted('view_sites', s.client_uid, s.contract_uid, NULL, s.uid) THEN s.name END,
        CASE WHEN murallink_private.permitted('view_enrollments', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
            OR murallink_private.permitted('view_patients', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid) THEN e.subject_id END,
        CASE WHEN seen THEN p.payment_type::text END, CASE WHEN seen THEN p.milestone_name END,
        CASE WHEN seen THEN pg_catalog.trim_scale(p.amount) END, CASE WHEN seen THEN p.currency::text END,
        CASE WHEN seen AND murallink_private.text_shown(p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.enrollment_uid, p.requested_by_uid)
            THEN p.note END,
        CASE WHEN seen THEN p.visit_date END, p.created_at,
        pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.now() - p.created_at) / 86400)::integer,
        CASE WHEN seen THEN pg_catalog.btrim(u.first_name || ' ' || u.last_name) END,
        (SELECT pg_catalog.count(*)::integer FROM murallink_private.approval a WHERE a.payment_uid = p.uid),
        GREATEST(murallink_private.approvals_required(p.uid), 1), murallink_private.signature_demanded(p.uid)
    FROM murallink_private.payment p JOIN murallink.trial t ON t.uid = p.trial_uid JOIN murallink.site s ON s.uid = p.site_uid
    JOIN murallink.enrollment e ON e.uid = p.enrollment_uid LEFT JOIN murallink.app_user u ON u.uid = p.requested_by_uid,
    LATERAL murallink_private.permitted('view_payments', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid) AS seen
    WHERE p.uid = payment_uid
$$;
COMMENT ON FUNCTION murallink_private.pending_payment(murallink.ksuid) IS
'A payment as its approver sees it.';

CREATE FUNCTION murallink.pending_payments(
    trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL, kind text DEFAULT NULL,
    older_than_days integer DEFAULT NULL, sort text DEFAULT NULL, after_uid murallink.ksuid DEFAULT NULL, most integer DEFAULT 100
) RETURNS SETOF murallink.pending_payment
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    sorted CONSTANT text := coalesce(NULLIF(sort, ''), 'oldest');
    chosen CONSTANT text := NULLIF(kind, '');
    last murallink_private.payment;
    last_amount numeric;
BEGIN
    IF sorted NOT IN ('oldest', 'newest', 'largest') THEN
        PERFORM murallink_private.raise('invalid_value', 'sort', 'One of oldest, newest and largest.');
    ELSIF chosen <> ALL (pg_catalog.enum_range(NULL::murallink.payment_kind)::text[]) THEN
        PERFORM murallink_private.raise('invalid_value', 'kind', 'One of milestone, manual and travel.');
    ELSIF older_than_days NOT BETWEEN 0 AND 36500 THEN
        PERFORM murallink_private.raise('invalid_value', 'older_than_days', 'A number from 0 to 36500.');
    ELSIF coalesce(most, 0) NOT BETWEEN 1 AND 10000 THEN
        PERFORM murallink_private.raise('invalid_value', 'most', 'A number from 1 to 10000.');
    END IF;
    SELECT * INTO last FROM murallink_private.payment p WHERE p.uid = after_uid AND murallink_private.may_decide(p.uid);
    IF NOT FOUND AND after_uid IS NOT NULL THEN
        PERFORM murallink_private.raise('not_found', 'after_uid');
    ELSIF murallink_private.permitted('view_payments', last.client_uid, last.contract_uid, last.trial_uid, last.site_uid) THEN
        last_amount := last.amount;
    END IF;
    RETURN QUERY
    SELECT i.* FROM (
        SELECT p.uid, pg_catalog.row_number() OVER () AS n FROM (
            SELECT p.uid FROM murallink_private.payment p,
                -- What is not shown must not be found by the order of the list either.
                LATERAL (SELECT CASE WHEN sorted = 'largest' AND murallink_private.permitted(
                    'view_payments', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid) THEN p.amount END AS amount) AS shown
            WHERE p.status = 'pending'
                AND (murallink_private.permitted('approve_payments', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
                    OR p.payment_type = 'travel'
                        AND murallink_private.permitted('approve_travel', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid))
                AND (pending_payments.trial_uid IS NULL OR p.trial_uid = pending_payments.trial_uid)
                AND (pending_payments.site_uid IS NULL OR p.site_uid = pending_payments.site_uid)
                -- A caller who approves travel payments alone knows that they are.
                AND (chosen IS NULL OR p.payment_type::text = chosen AND (
                    murallink_private.permitted('view_payments', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
                    OR NOT murallink_private.permitted('approve_payments', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)))
                AND (older_than_days IS NULL OR p.created_at < pg_catalog.now() - older_than_days * interval '24 h')
                AND CASE WHEN after_uid IS NULL THEN true WHEN sorted = 'oldest' THEN (p.created_at, p.uid) > (last.created_at, last.uid)
                    WHEN sorted = 'newest' THEN (p.created_at, p.uid) < (last.created_at, last.uid)
                    WHEN last_amount IS NULL THEN shown.amount IS NULL AND p.uid > last.uid
                    ELSE shown.amount < last_amount OR shown.amount = last_amount AND p.uid > last.uid OR shown.amount IS NULL END
            ORDER BY CASE WHEN sorted = 'oldest' THEN p.created_at END, CASE WHEN sorted = 'newest' THEN p.created_at END DESC,
                shown.amount DESC NULLS LAST,
                CASE WHEN sorted <> 'newest' THEN p.uid END, p.uid DESC
            -- So that may_sign(), which costs more, is asked only until there are enough.
            OFFSET 0) AS p
        WHERE murallink_private.may_sign(p.uid) LIMIT most) AS listed,
        LATERAL murallink_private.pending_payment(listed.uid) AS i
    ORDER BY listed.n;
END
$$;
COMMENT ON FUNCTION murallink.pending_payments(murallink.ksuid, murallink.ksuid, text, integer, text, murallink.ksuid, integer) IS
'The payments that wait for the caller''s approval: those that the caller may approve now, which excludes the caller''s own where another person must approve, and those that the caller has approved. trial_uid, site_uid, kind (milestone, manual, travel), older_than_days: only these, where given; sort: oldest (default), newest or largest (by the number, whatever the currency); a payment whose kind and amount the caller does not see is in no list of a kind, and last among the largest; after_uid: those that follow a payment in this order, such as the last one of the page before, also if it has been decided since; most: the most rows, 1 to 10000. Errors: unauthenticated, invalid_value, not_found (to what does not name a payment that the caller may approve).';

CREATE FUNCTION murallink_private.approver_decides_reversal(reversal_uid murallink.ksuid, accepted boolean, note text)
RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    the_reversal murallink_private.reversal;
    kind CONSTANT murallink.payment_kind := (
        SELECT p.payment_type FROM murallink_private.reversal r JOIN murallink_private.payment p ON p.uid = r.payment_uid
        WHERE r.uid = murallink_private.required(approver_decides_reversal.reversal_uid, 'reversal_uid'));
    present murallink.reversal_info;
BEGIN
    SELECT * INTO the_reversal FROM murallink_private.reversal r WHERE r.uid = approver_decides_reversal.reversal_uid;
    IF kind IS DISTINCT FROM 'travel' OR NOT murallink_private.permitted(
        'approve_travel', the_reversal.client_uid, the_reversal.contract_uid, the_reversal.trial_uid, the_reversal.site_uid) THEN
        caller := murallink_private.permit('approve_payments', the_reversal.client_uid, the_reversal.contract_uid,
            the_reversal.trial_uid, the_reversal.site_uid, 'reversal_uid');
    END IF;
    -- An admin who acts as another user is still the same person.
    IF accepted AND murallink_private.separate_since(the_reversal.trial_uid, the_reversal.created_at)
        AND (murallink_private.same_hand(caller, the_reversal.requested_by_uid, the_reversal.payment_uid) OR EXISTS (
            SELECT FROM murallink_private.audit_event e,
                LATERAL (SELECT coalesce(e.switched_by_uid, e.app_user_uid) AS uid) AS requester
            WHERE e.resource_uid = the_reversal.uid AND e.action = 'created'
            AND (requester.uid = coalesce(murallink_private.caller_switched_by(), caller)
                OR murallink_private.same_hand(caller, requester.uid, the_reversal.payment_uid)))) THEN
        PERFORM murallink_private.raise('same_person', 'reversal_uid');
    END IF;
    present := murallink_private.reversal_locked(reversal_uid);
    IF the_reversal.for_operator THEN
        PERFORM murallink_private.raise('wrong_status', 'reversal_uid', 'An operator decides this reversal.');
    END IF;
    PERFORM murallink_private.reversal_decide(present, accepted, note, NULL);
    RETURN murallink_private.reversal_answer(reversal_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.approver_decides_reversal(murallink.ksuid, boolean, text) IS
'Approves or rejects a requested reversal for the caller. A caller without view_payments gets only the uids and the status. Errors: unauthenticated, missing_field, forbidden, not_found, same_person, too_long, invalid_value, wrong_status.';

CREATE FUNCTION murallink.approve_reversal(reversal_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.approver_decides_reversal(reversal_uid, true, note);
END
$$;
COMMENT ON FUNCTION murallink.approve_reversal(murallink.ksuid, text) IS
'Approves a reversal that was requested within murallink.void_window in a trial with separate_approver, so that the card is unloaded. The caller must be a second person, as for approve_payment, and needs the same permission. note: why; the message to the patient has it in place of the requester''s note. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, same_person; wrong_status: also if an operator decides it.';

CREATE FUNCTION murallink.reject_reversal(reversal_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.approver_decides_reversal(reversal_uid, false, note);
END
$$;
COMMENT ON FUNCTION murallink.reject_reversal(murallink.ksuid, text) IS
'Rejects such a reversal; it can be requested again. note: why, for the audit. Needs the same permission as approve_reversal. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value; wrong_status: also if an operator decides it, or if it is that of a top-up and all of the payment that it adds to is being taken back.';
