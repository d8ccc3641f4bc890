-- Reversals: paid payments are taken back, whole or in part.

CREATE TYPE murallink.reversal_status AS ENUM (
    'requested', 'refused', 'unloading', 'owed_back', 'recovering', 'returned', 'written_off');
COMMENT ON TYPE murallink.reversal_status IS
'requested: waits for a decision; refused; unloading: the partner is asked to take it off the card; owed_back: it is not on the card any more; recovering: it is kept from later payments; returned: it has come back; written_off: the funds bear the rest.';

CREATE TYPE murallink.reversal_reason AS ENUM ('wrong_patient', 'wrong_milestone', 'wrong_amount', 'duplicate', 'not_due', 'other', 'came_back');
COMMENT ON TYPE murallink.reversal_reason IS
'Why a payment is taken back: it was for another patient, milestone or amount, made twice, not due, or for another reason, which the note gives; came_back: nobody took it back, because it has not reached the patient.';

CREATE TYPE murallink.reversal_info AS (
    uid murallink.ksuid,
    payment_uid murallink.ksuid,
    amount numeric,
    currency text,
    reason text,
    note text,
    status text,
    returned numeric,
    net_amount numeric,
    decision_note murallink.optional_text,
    date murallink.optional_date
);
COMMENT ON TYPE murallink.reversal_info IS
'A reversal, as request_reversal and get_reversals answer. returned: what has come back of it; net_amount: what is left of the payment; decision_note: of the last person who decided it; date: the day on which it was requested, UTC.';

CREATE FUNCTION murallink_private.reversal_step() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    the_payment murallink_private.payment;
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM murallink_private.raise('append_only', 'reversal');
    ELSIF TG_OP = 'INSERT' THEN
        SELECT * INTO the_payment FROM murallink_private.payment p
        WHERE p.uid = NEW.payment_uid AND p.status = 'paid' FOR NO KEY UPDATE;
        IF NOT FOUND OR NEW.status <> 'requested' THEN
            PERFORM murallink_private.raise('wrong_status', 'payment_uid');
        ELSIF NEW.amount > the_payment.amount - murallink_private.reversals_asked(NEW.payment_uid) THEN
            PERFORM murallink_private.raise('invalid_amount', 'amount',
                'At most what is left of the payment, and is not being taken back already, can be taken back: get_reversals shows it.');
        ELSIF NEW.amount = the_payment.amount - murallink_private.reversals_asked(NEW.payment_uid) AND EXISTS (
            SELECT FROM murallink_private.payment t WHERE t.top_up_of_uid = NEW.payment_uid AND t.counts AND t.status <> 'pending'
            AND NOT murallink_private.reversal_of_all(t.uid)) THEN
            -- Otherwise the milestone could be paid again at the raised price, beside the difference to it.
            PERFORM murallink_private.raise('wrong_status', 'payment_uid', 'Take its top-ups back first.');
        END IF;
        NEW.client_uid := the_payment.client_uid;
        NEW.contract_uid := the_payment.contract_uid;
        NEW.trial_uid := the_payment.trial_uid;
        NEW.site_uid := the_payment.site_uid;
        NEW.patient_uid := the_payment.patient_uid;
        NEW.enrollment_uid := the_payment.enrollment_uid;
        NEW.chain_uid := the_payment.chain_uid;
        NEW.currency := the_payment.currency;
        RETURN NEW;
    END IF;
    IF (NEW.patient_uid, NEW.chain_uid) IS DISTINCT FROM (OLD.patient_uid, OLD.chain_uid)
        AND (NEW.status, NEW.kept) = (OLD.status, OLD.kept) AND murallink_private.merged_into(OLD.patient_uid, NEW.patient_uid) THEN
        OLD.patient_uid := NEW.patient_uid;
        OLD.chain_uid := NEW.chain_uid;
    ELSIF (OLD.status, NEW.status) NOT IN (
        ('requested', 'refused'), ('requested', 'unloading'), ('requested', 'returned'), ('requested', 'owed_back'),
        ('unloading', 'returned'), ('unloading', 'owed_back'),
        ('owed_back', 'unloading'), ('owed_back', 'returned'), ('owed_back', 'recovering'), ('owed_back', 'written_off'),
        ('recovering', 'unloading'), ('recovering', 'returned'), ('recovering', 'owed_back'), ('recovering', 'written_off'),
        ('written_off', 'returned'))
        -- Payments from which it is kept come and go, and a part of what is owed may come back.
        AND (NEW.status <> OLD.status OR NOT (OLD.status IN ('recovering', 'written_off') AND NEW.kept <> OLD.kept
            OR OLD.status IN ('owed_back', 'recovering') AND NEW.returned > OLD.returned))
        OR NEW.returned < OLD.returned OR NEW.recovered < OLD.recovered
        OR NEW.kept <> OLD.kept AND NEW.kept <> murallink_private.recoveries_for(NEW.uid)
        OR OLD.status = 'unloading' AND (
            SELECT pg_catalog.bool_and(c.status IN ('done', 'declined'))
                AND pg_catalog.bool_or(c.status = CASE WHEN NEW.returned > OLD.returned THEN 'done' ELSE 'declined' END::murallink.payout_status)
            FROM murallink_private.payout o JOIN murallink_private.call c ON c.subject_uid = o.uid AND c.subject_uid <> c.uid
            WHERE o.payment_uid = NEW.payment_uid AND c.operation = 'unload' AND c.params ->> 'reference' = NEW.uid::text) IS NOT TRUE THEN
        PERFORM murallink_private.raise('wrong_status', 'reversal_uid');
    ELSIF (OLD.status, NEW.status) = ('requested', 'refused') THEN
        -- What a top-up adds to is taken back after it; a request for all of that is waited for.
        PERFORM FROM murallink_private.payment p JOIN murallink_private.payment t ON t.top_up_of_uid = p.uid
        WHERE t.uid = NEW.payment_uid FOR SHARE OF p;
        IF FOUND AND (
            SELECT murallink_private.reversal_of_all(t.top_up_of_uid) FROM murallink_private.payment t WHERE t.uid = NEW.payment_uid) THEN
            PERFORM murallink_private.raise('wrong_status', 'top_up_of_uid');
        END IF;
    END IF;
    OLD.status := NEW.status;
    OLD.returned := NEW.returned;
    OLD.recovered := NEW.recovered;
    OLD.kept := NEW.kept;
    OLD.written_off := NEW.written_off;
    OLD.return_key := coalesce(OLD.return_key, NEW.return_key);
    OLD.decided_by_uid := NEW.decided_by_uid;
    OLD.decision_note := NEW.decision_note;
    IF NEW IS DISTINCT FROM OLD THEN
        PERFORM murallink_private.raise('append_only', 'reversal');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.reversal_step() IS
'Trigger: completes a new reversal from its payment, of which never more is taken back than was paid, and all of it only after its top-ups; and lets only its status, what has come back and by what, and its decision change, one allowed step at a time: what is being taken off the card ends only as the last of the partner''s calls ends, and the reversal of a top-up is not refused while all of the payment that it adds to is being taken back. If its patient is merged into another one, its patient changes. Errors: wrong_status, invalid_amount, append_only.';

CREATE FUNCTION murallink_private.reversals_asked(payment_uid murallink.ksuid) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT coalesce(pg_catalog.sum(r.amount), 0) FROM murallink_private.reversal r
    WHERE r.payment_uid = reversals_asked.payment_uid AND r.status <> 'refused'
$$;
COMMENT ON FUNCTION murallink_private.reversals_asked(murallink.ksuid) IS
'How much of a payment has been asked back, without what was refused.';

CREATE FUNCTION murallink_private.reversal_of_all(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT murallink_private.reversals_asked(p.uid) >= p.amount FROM murallink_private.payment p WHERE p.uid = reversal_of_all.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.reversal_of_all(murallink.ksuid) IS 'Whether all of a payment has been asked back.';

CREATE FUNCTION murallink_private.reversals_returned(payment_uid murallink.ksuid) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT NULLIF(pg_catalog.sum(r.returned), 0) FROM murallink_private.reversal r WHERE r.payment_uid = reversals_returned.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.reversals_returned(murallink.ksuid) IS
'How much of a payment has come back; null: nothing.';

CREATE FUNCTION murallink_private.reversals_came_back(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink_private.reversal r WHERE r.payment_uid = reversals_came_back.payment_uid AND r.return_key IS NOT NULL)
$$;
COMMENT ON FUNCTION murallink_private.reversals_came_back(murallink.ksuid) IS
'Whether what was paid out has come back because it did not reach the patient: see payment_came_back().';

CREATE FUNCTION murallink_private.reversal_cash(payment_uid murallink.ksuid) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT p.amount - coalesce(p.recovered, 0) - coalesce((
        SELECT pg_catalog.sum(r.returned - r.recovered) FROM murallink_private.reversal r WHERE r.payment_uid = p.uid), 0)
    FROM murallink_private.payment p WHERE p.uid = reversal_cash.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.reversal_cash(murallink.ksuid) IS
'How much of a paid payment was paid out and has not been given back: what was kept of it never reached the patient.';

CREATE FUNCTION murallink_private.reversal_infos() RETURNS SETOF murallink.reversal_info
LANGUAGE sql STABLE AS $$
    SELECT r.uid, r.payment_uid, pg_catalog.trim_scale(r.amount), r.currency::text, r.reason::text, r.note, r.status::text,
        pg_catalog.trim_scale(r.returned), pg_catalog.trim_scale(p.amount - coalesce(p.returned, 0)), NULLIF(r.decision_note, ''),
        (r.created_at AT TIME ZONE 'UTC')::date
    FROM murallink.reversal r JOIN murallink_private.payment p ON p.uid OPERATOR(pg_catalog.=) r.payment_uid
    ORDER BY r.created_at, r.uid
$$;
COMMENT ON FUNCTION murallink_private.reversal_infos() IS
'The reversals as clients see them, oldest first. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink_private.reversal_info(reversal_uid murallink.ksuid) RETURNS murallink.reversal_info
LANGUAGE sql STABLE AS $$
    SELECT i.* FROM murallink_private.reversal_infos() i WHERE i.uid = reversal_uid
$$;
COMMENT ON FUNCTION murallink_private.reversal_info(murallink.ksuid) IS 'A reversal as clients see it.';

CREATE FUNCTION murallink_private.reversal_answer(reversal_uid murallink.ksuid) RETURNS murallink.reversal_info
LANGUAGE plpgsql STABLE AS $$
DECLARE
    answer murallink.reversal_info := murallink_private.reversal_info(reversal_uid);
BEGIN
    IF NOT EXISTS (
        SELECT FROM murallink_private.reversal r
        WHERE r.uid = reversal_answer.reversal_uid AND (
            murallink_private.caller_is_operator()
            OR murallink_private.permitted('view_payments', r.client_uid, r.contract_uid, r.trial_uid, r.site_uid))) THEN
        answer := ROW(answer.uid, answer.payment_uid, NULL, NULL, NULL, NULL, answer.status, NULL, NULL, NULL, NULL);
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink_private.reversal_answer(murallink.ksuid) IS
'A reversal as the caller may see it: without view_payments only which it is, and its status.';

CREATE FUNCTION murallink_private.reversal_is_sure(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink_private.payout_shown o
        WHERE o.payment_uid = reversal_is_sure.payment_uid AND o.partner IS NOT NULL AND (
            o.reference <> '' OR o.note = murallink_private.note_of_look_up()
            OR EXISTS (SELECT FROM murallink_private.call c WHERE c.uid = o.uid AND c.outcome = 'done')))
$$;
COMMENT ON FUNCTION murallink_private.reversal_is_sure(murallink.ksuid) IS
'Whether a partner has shown that the money of a payment went to a card. If only a person has said so, an unload may take the money of another payment.';

CREATE FUNCTION murallink_private.reversal_unloads(payment_uid murallink.ksuid, loaded boolean) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    issuer CONSTANT text := (SELECT o.partner FROM murallink_private.payout o WHERE o.payment_uid = reversal_unloads.payment_uid);
    sure CONSTANT boolean := murallink_private.reversal_is_sure(payment_uid);
BEGIN
    IF issuer IS NULL AND loaded OR sure AND NOT loaded THEN
        PERFORM murallink_private.raise('invalid_value', 'loaded', 'False where no load was sent, and true where the issuer has shown it.');
    ELSIF issuer IS NOT NULL AND NOT sure THEN
        PERFORM murallink_private.required(loaded, 'loaded');
    END IF;
    RETURN issuer IS NOT NULL AND coalesce(loaded, true);
END
$$;
COMMENT ON FUNCTION murallink_private.reversal_unloads(murallink.ksuid, boolean) IS
'Whether a paid payment is taken back from a card, and not in the books only. loaded: whether the money is on the card: required if a person decided that it was paid, otherwise not allowed. Errors: missing_field, invalid_value.';

CREATE FUNCTION murallink_private.reversal_in_window(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT CASE
        WHEN allowed.time >= '0' THEN o.settled_at + allowed.time
        WHEN s.time_zone <> '' THEN murallink_private.moment_in_zone(
            (murallink_private.local_time(o.settled_at, s.time_zone)::date + 1)::timestamp, s.time_zone)
        ELSE o.settled_at + interval '24 h' END > pg_catalog.clock_timestamp()
    FROM murallink_private.payout_shown o JOIN murallink.site s ON s.uid = o.site_uid,
        LATERAL (SELECT pg_catalog.current_setting('murallink.void_window')::interval AS time) AS allowed
    WHERE o.payment_uid = reversal_in_window.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.reversal_in_window(murallink.ksuid) IS
'Whether so little time has passed since a payment was paid that it is taken back without an operator: see murallink.void_window.';

CREATE FUNCTION murallink_private.payment_return(reversal_uid murallink.ksuid, source_uid murallink.ksuid, kept boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    its_payment murallink.ksuid;
    why text;
    back numeric;
    reached murallink.payment_status;
    came_back boolean;
BEGIN
    SELECT r.payment_uid, coalesce(NULLIF(r.decision_note, ''), r.note), murallink_private.reversals_returned(r.payment_uid),
        murallink_private.reversals_came_back(r.payment_uid)
    INTO its_payment, why, back, came_back FROM murallink_private.reversal r WHERE r.uid = payment_return.reversal_uid;
    UPDATE murallink_private.payment p
    SET returned = back, returned_by_uid = payment_return.source_uid,
        status = CASE WHEN back < p.amount THEN 'paid' WHEN came_back THEN 'returned' ELSE 'reversed' END::murallink.payment_status,
        decision_note = CASE WHEN back = p.amount THEN why ELSE p.decision_note END
    WHERE p.uid = its_payment RETURNING p.status INTO reached;
    -- The message about a payment says what was kept of it.
    IF reached <> 'paid' OR NOT kept THEN
        -- Why it was not for this patient may name another one.
        PERFORM murallink_private.notices_of_payments(ARRAY[its_payment], CASE r.reason
            WHEN 'wrong_patient' THEN 'it was meant for somebody else' ELSE why END, r.return_key IS NOT NULL)
        FROM murallink_private.reversal r WHERE r.uid = payment_return.reversal_uid;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.payment_return(murallink.ksuid, murallink.ksuid, boolean) IS
'Returns to the funds what has come back of a payment by its reversals since the last time. When all of it is back, it is reversed, or returned if it did not reach the patient. The patient is notified. reversal_uid: the one of which something has come back; source_uid: by what it came: an unload, a recovery, or the reversal itself where it is only in the books; kept: whether it was kept of a later payment.';

CREATE FUNCTION murallink_private.reversal_return(
    reversal_uid murallink.ksuid, amount numeric, source_uid murallink.ksuid, note text DEFAULT NULL, return_key text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    its_payment CONSTANT murallink.ksuid := (SELECT r.payment_uid FROM murallink_private.reversal r WHERE r.uid = reversal_return.reversal_uid);
BEGIN
    PERFORM FROM murallink_private.payment p WHERE p.uid = its_payment FOR NO KEY UPDATE;
    UPDATE murallink_private.reversal r
    SET returned = r.returned + reversal_return.amount,
        status = CASE WHEN r.returned + reversal_return.amount = r.amount THEN 'returned'
            WHEN r.status = 'recovering' THEN 'recovering' ELSE 'owed_back' END::murallink.reversal_status,
        return_key = coalesce(r.return_key, reversal_return.return_key), decision_note = coalesce(reversal_return.note, r.decision_note),
        decided_by_uid = CASE WHEN reversal_return.note IS NULL THEN r.decided_by_uid ELSE murallink_private.caller() END
    WHERE r.uid = reversal_return.reversal_uid;
    PERFORM murallink_private.payment_return(reversal_uid, source_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.reversal_return(murallink.ksuid, numeric, murallink.ksuid, text, text) IS
'Records that an amount of a reversal has come back; the rest is owed, or recovered as before. source_uid: as payment_return() takes it; note: of the person who decides this; null: nobody does; return_key: by what it has come back without being taken back; null: it was.';

CREATE FUNCTION murallink_private.reversal_begin(reversal_uid murallink.ksuid, unloads boolean, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_reversal murallink_private.reversal;
    the_payout murallink_private.payout;
    its_card murallink.ksuid;
    take numeric;
BEGIN
    SELECT * INTO the_reversal FROM murallink_private.reversal r WHERE r.uid = reversal_begin.reversal_uid;
    SELECT * INTO the_payout FROM murallink_private.payout o WHERE o.payment_uid = the_reversal.payment_uid;
    take := LEAST(the_reversal.amount - the_reversal.returned, murallink_private.reversal_cash(the_reversal.payment_uid));
    IF take > 0 AND NOT unloads THEN
        PERFORM murallink_private.reversal_return(reversal_uid, take, reversal_uid, coalesce(note, ''));
        RETURN;
    END IF;
    its_card := CASE WHEN take > 0 THEN murallink_private.card_to_unload(the_payout.uid, take, (
        SELECT t.params ->> 'proxy_key' FROM murallink_private.call t
        WHERE t.subject_uid = the_payout.uid AND t.subject_uid <> t.uid AND t.operation = 'unload' AND t.params ->> 'reference' = reversal_uid::text
        ORDER BY t.created_at DESC, t.uid DESC LIMIT 1)) END;
    IF take > 0 AND its_card IS NULL THEN
        PERFORM murallink_private.raise('wrong_status', 'card_uid', 'The card was replaced, and the new one has not been issued yet: try again later.');
    END IF;
    UPDATE murallink_private.reversal r
    SET status = CASE WHEN take > 0 THEN 'unloading' ELSE 'owed_back' END::murallink.reversal_status,
        decision_note = coalesce(reversal_begin.note, r.decision_note),
        decided_by_uid = CASE WHEN reversal_begin.note IS NULL THEN r.decided_by_uid ELSE murallink_private.caller() END
    WHERE r.uid = the_reversal.uid;
    PERFORM murallink_private.task_begin(the_payout.partner, 'unload', pg_catalog.jsonb_build_object('program', c.program,
        'proxy_key', c.proxy_key, 'amount', take::numeric(16, 2)::text, 'reference', the_reversal.uid::text),
        false, 'payout', the_payout.uid, 'unload ' || reversal_uid)
    FROM murallink_private.card c WHERE c.uid = its_card;
END
$$;
COMMENT ON FUNCTION murallink_private.reversal_begin(murallink.ksuid, boolean, text) IS
'Carries a reversal out: its partner is asked to take it off the card, or it is done in the books at once; what was kept of the payment for an earlier one is owed back. unloads: see reversal_unloads(); note: of the person who decides this; null: nobody does. Errors: wrong_status: the card was replaced, and the new one has not been issued yet.';

CREATE FUNCTION murallink.request_reversal(
    payment_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL, reason text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    the_payment murallink_private.payment;
    cause CONSTANT text := murallink_private.checked_text(reason, 'reason', 100, false);
    why text;
    asked numeric;
    made murallink.ksuid;
    at_once boolean;
BEGIN
    SELECT * INTO the_payment FROM murallink_private.payment p WHERE p.uid = murallink_private.required(request_reversal.payment_uid, 'payment_uid');
    caller := murallink_private.permit((coalesce(the_payment.payment_type, 'milestone') || '_payment')::murallink.permission,
        the_payment.client_uid, the_payment.contract_uid, the_payment.trial_uid, the_payment.site_uid, 'payment_uid');
    IF cause = '' THEN
        PERFORM murallink_private.raise('missing_field', 'reason');
    ELSIF cause <> ALL (pg_catalog.array_remove(pg_catalog.enum_range(NULL::murallink.reversal_reason)::text[], 'came_back')) THEN
        PERFORM murallink_private.raise('invalid_value', 'reason', 'One of wrong_patient, wrong_milestone, wrong_amount, duplicate, not_due and other.');
    END IF;
    why := murallink_private.checked_text(note, 'note', 1000, true);
    IF request_reversal.amount IS NOT NULL THEN
        PERFORM murallink_private.check_money(request_reversal.amount, the_payment.currency);
    END IF;
    PERFORM FROM murallink_private.payment p WHERE p.uid = the_payment.uid FOR NO KEY UPDATE;
    SELECT * INTO the_payment FROM murallink_private.payment p WHERE p.uid = the_payment.uid;
    asked := murallink_private.reversals_asked(the_payment.uid);
    -- The same again answers the first. If no amount is given, that is the one after which nothing was left.
    SELECT r.uid INTO made FROM murallink_private.reversal r
    WHERE r.payment_uid = the_payment.uid AND r.status <> 'refused' AND r.reason::text = cause AND r.note = why
        AND CASE WHEN request_reversal.amount IS NULL THEN asked = the_payment.amount ELSE r.amount = request_reversal.amount END
    ORDER BY r.created_at DESC, r.uid DESC LIMIT 1;
    IF FOUND THEN
        RETURN murallink_private.reversal_answer(made);
    ELSIF the_payment.status <> 'paid' THEN
        PERFORM murallink_private.refuse_step(the_payment.uid);
    ELSIF asked = the_payment.amount OR EXISTS (
        SELECT FROM murallink_private.reversal r WHERE r.payment_uid = the_payment.uid AND r.status IN ('requested', 'unloading')) THEN
        PERFORM murallink_private.raise(
            'already_exists', 'payment_uid', 'Nothing is left to take back, or a reversal of it has not ended: get_reversals shows them.');
    END IF;
    at_once := murallink_private.reversal_in_window(the_payment.uid) AND murallink_private.reversal_is_sure(the_payment.uid);
    INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note, for_operator, requested_by_uid)
    VALUES (the_payment.uid, coalesce(request_reversal.amount, the_payment.amount - asked), cause::murallink.reversal_reason, why, NOT at_once, caller)
    RETURNING uid INTO made;
    IF at_once AND NOT (SELECT t.separate_approver FROM murallink.trial t WHERE t.uid = the_payment.trial_uid) THEN
        PERFORM murallink_private.reversal_begin(made, true);
    END IF;
    RETURN murallink_private.reversal_answer(made);
END
$$;
COMMENT ON FUNCTION murallink.request_reversal(murallink.ksuid, numeric, text, text) IS
'Takes a paid payment back, or a part of it. Within murallink.void_window the card is unloaded at once, or, if the trial has separate_approver, when a second person has called approve_reversal; later, and where the partner has not shown that the money is on a card, an operator decides. amount: in units of the payment''s currency; null: all that is left; reason: wrong_patient, wrong_milestone, wrong_amount, duplicate, not_due or other; note: why; the audit has it, and, unless the reason is wrong_patient, the message to the patient. The payment stays paid until all of it has come back; then it is reversed, and its milestone can be paid again. The same request again answers the first. A caller without view_payments gets only the uids and the status. Needs the permission to pay at the trial at the site: milestone_payment, manual_payment or travel_payment, by the kind of the payment. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, invalid_amount, wrong_status (also of a card that was replaced, until there is a new one), already_exists.';

CREATE FUNCTION murallink.get_reversals(patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL)
RETURNS SETOF murallink.reversal_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid := murallink_private.enrolled(get_reversals.patient_uid, get_reversals.trial_uid, 'view_payments');
BEGIN
    RETURN QUERY
    SELECT i.* FROM murallink_private.reversal r JOIN murallink_private.reversal_infos() i ON i.uid = r.uid
    WHERE r.enrollment_uid = ANY (ARRAY(
        SELECT murallink_private.enrollments_seen(get_reversals.patient_uid, get_reversals.trial_uid, 'view_payments')))
    ORDER BY r.created_at, r.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_reversals(murallink.ksuid, murallink.ksuid) IS
'The reversals of the payments that get_patient_payments shows, oldest first. Needs view_payments on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field.';

CREATE FUNCTION murallink_private.reversal_locked(reversal_uid murallink.ksuid) RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM murallink_private.payment p JOIN murallink_private.reversal r ON r.payment_uid = p.uid
    WHERE r.uid = murallink_private.required(reversal_locked.reversal_uid, 'reversal_uid') FOR NO KEY UPDATE OF p;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'reversal_uid');
    END IF;
    PERFORM FROM murallink_private.reversal r WHERE r.uid = reversal_locked.reversal_uid FOR NO KEY UPDATE;
    RETURN murallink_private.reversal_info(reversal_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.reversal_locked(murallink.ksuid) IS
'Locks the payment of a reversal, then the reversal, and returns it. Errors: missing_field, not_found.';

CREATE FUNCTION murallink_private.reversal_decide(the_reversal murallink.reversal_info, accepted boolean, note text, loaded boolean)
RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
BEGIN
    IF the_reversal.status <> 'requested' THEN
        PERFORM murallink_private.raise('wrong_status', 'reversal_uid');
    ELSIF accepted THEN
        PERFORM murallink_private.reversal_begin(
            the_reversal.uid, murallink_private.reversal_unloads(the_reversal.payment_uid, loaded), why);
    ELSE
        UPDATE murallink_private.reversal r SET status = 'refused', decided_by_uid = murallink_private.caller(), decision_note = why
        WHERE r.uid = the_reversal.uid;
    END IF;
    RETURN murallink_private.reversal_info(the_reversal.uid);
END
$$;
COMMENT ON FUNCTION murallink_private.reversal_decide(murallink.reversal_info, boolean, text, boolean) IS
'Accepts or refuses a requested reversal, which must be locked. loaded: see reversal_unloads(). Errors: missing_field, too_long, invalid_value, wrong_status.';

CREATE FUNCTION murallink.decide_reversal(
    reversal_uid murallink.ksuid DEFAULT NULL, accepted boolean DEFAULT NULL, note text DEFAULT NULL, loaded boolean DEFAULT NULL
) RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.reversal_decide(
        murallink_private.reversal_locked(reversal_uid), murallink_private.required(accepted, 'accepted'), note, loaded);
END
$$;
COMMENT ON FUNCTION murallink.decide_reversal(murallink.ksuid, boolean, text, boolean) IS
'Decides a reversal that was requested after murallink.void_window, or that waits for a second person. accepted: true: the card is unloaded, or a payment that a person has settled is reversed in the books only; false: nothing is taken back, and it can be requested again. note: why; the message to the patient has it in place of the requester''s note; loaded: as in reverse_payment. For operators. Errors: missing_field, not_found, too_long, invalid_value; wrong_status: also if the reversal of a top-up is not accepted while all of the payment that it adds to is being taken back.';

CREATE FUNCTION murallink.reverse_payment(
    payment_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL, loaded boolean DEFAULT NULL
) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
    its_payout murallink.ksuid;
    the_payout murallink.payout_info;
    the_payment murallink_private.payment;
    asked numeric;
    the_reversal murallink.ksuid;
BEGIN
    its_payout := (
        SELECT o.uid FROM murallink_private.payout o
        WHERE o.payment_uid = murallink_private.required(reverse_payment.payment_uid, 'payment_uid'));
    IF its_payout IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'payment_uid');
    END IF;
    the_payout := murallink_private.payout_locked(its_payout, true);
    SELECT * INTO the_payment FROM murallink_private.payment p WHERE p.uid = reverse_payment.payment_uid;
    asked := murallink_private.reversals_asked(the_payment.uid);
    -- One that the partner has declined is asked again.
    SELECT r.uid INTO the_reversal FROM murallink_private.reversal r
    WHERE r.payment_uid = the_payment.uid AND r.status IN ('owed_back', 'recovering') AND r.kept = 0
        AND murallink_private.reversal_cash(the_payment.uid) > 0
    ORDER BY r.created_at, r.uid LIMIT 1;
    IF the_payment.status <> 'paid' THEN
        PERFORM murallink_private.refuse_step(the_payment.uid);
    ELSIF asked = the_payment.amount AND the_reversal IS NULL OR EXISTS (
        SELECT FROM murallink_private.reversal r WHERE r.payment_uid = the_payment.uid AND r.status IN ('requested', 'unloading')) THEN
        PERFORM murallink_private.raise(
            'already_exists', 'payment_uid', 'Nothing is left to take back, or a reversal of it has not ended: murallink.reversal shows them.');
    END IF;
    IF the_reversal IS NULL THEN
        INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note, requested_by_uid)
        VALUES (the_payment.uid, the_payment.amount - asked, 'other', why, murallink_private.caller()) RETURNING uid INTO the_reversal;
    END IF;
    PERFORM murallink_private.reversal_begin(the_reversal, murallink_private.reversal_unloads(the_payment.uid, loaded), why);
    RETURN murallink_private.payout_info(the_payout.uid);
END
$$;
COMMENT ON FUNCTION murallink.reverse_payment(murallink.ksuid, text, boolean) IS
'Reverses a paid payment, or what is left of it: the card is unloaded, if the money is still there; if it was replaced, the new card is and, asked again after the partner has declined that, the old one, as long as so much is known to be on it; a payment that a person has settled is reversed in the books only. A reversal that the partner has declined is requested again. After the partner has done it, the payment is reversed and its funds are available. note: why; the message to the patient has it; loaded: whether the money is on the card: required if a person decided that it was paid, otherwise not allowed; false: reverse it in the books only. For operators. Errors: missing_field, too_long, invalid_value, not_found, wrong_status (also of a card that was replaced, until there is a new one), already_exists.';

CREATE FUNCTION murallink_private.unloads_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- As in call_end(): do not wait for locks.
    PERFORM FROM murallink_private.call c JOIN murallink_private.payout o ON o.uid = c.subject_uid
    JOIN murallink_private.payment p ON p.uid = o.payment_uid
    WHERE c.uid = ANY (calls) AND c.status IN ('done', 'declined') ORDER BY p.uid FOR NO KEY UPDATE OF p NOWAIT;
    PERFORM murallink_private.reversal_return(
        (c.params ->> 'reference')::murallink.ksuid, pg_catalog.trim_scale((c.params ->> 'amount')::numeric), c.uid)
    FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'done';
    UPDATE murallink_private.reversal r SET status = 'owed_back'
    FROM murallink_private.call c
    WHERE c.uid = ANY (calls) AND c.status = 'declined' AND r.uid = (c.params ->> 'reference')::murallink.ksuid AND r.status = 'unloading';
    PERFORM murallink_private.look_up_begin(c.uid) FROM murallink_private.call c WHERE c.uid = ANY (calls) AND c.status = 'in_doubt';
END
$$;
COMMENT ON FUNCTION murallink_private.unloads_follow(murallink.ksuid[]) IS
'Returns what unloads that are done have taken off the cards; what the partner has declined is owed back; and starts look-ups of unloads in doubt.';

CREATE FUNCTION murallink_private.reversal_owed(reversal_uid murallink.ksuid, outcome murallink.reversal_status, note text)
RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    present murallink.reversal_info;
    why text;
BEGIN
    IF NOT murallink_private.caller_is_operator() THEN
        PERFORM murallink_private.permit('approve_payments', r.client_uid, r.contract_uid, r.trial_uid, r.site_uid, 'reversal_uid')
        FROM (SELECT murallink_private.require_caller(), murallink_private.required(reversal_owed.reversal_uid, 'reversal_uid') AS uid) AS asked
        LEFT JOIN murallink_private.reversal r ON r.uid = asked.uid;
    END IF;
    present := murallink_private.reversal_locked(reversal_uid);
    why := murallink_private.checked_text(note, 'note', 1000, true);
    IF present.status = outcome::text THEN
        RETURN murallink_private.reversal_answer(reversal_uid);
    ELSIF present.status <> 'owed_back' AND NOT (outcome = 'written_off' AND present.status = 'recovering') THEN
        PERFORM murallink_private.raise('wrong_status', 'reversal_uid');
    ELSIF outcome = 'recovering' AND NOT EXISTS (
        SELECT FROM murallink_private.reversal r JOIN murallink.contract c ON c.uid = r.contract_uid
        WHERE r.uid = present.uid AND c.recovery_share > 0)
    THEN
        PERFORM murallink_private.raise('wrong_status', 'recovery_share',
            'The contract sets no share of later payments: an administrator sets it with set_recovery.');
    END IF;
    UPDATE murallink_private.reversal r SET
        status = outcome, written_off = CASE outcome WHEN 'written_off' THEN r.amount - r.returned - r.kept ELSE 0 END,
        decided_by_uid = murallink_private.caller(), decision_note = why
    WHERE r.uid = present.uid;
    RETURN murallink_private.reversal_answer(reversal_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.reversal_owed(murallink.ksuid, murallink.reversal_status, text) IS
'Decides what becomes of a reversal that is owed_back, for write_off() and recover(). outcome: written_off or recovering; note: why. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, wrong_status.';

CREATE FUNCTION murallink.write_off(reversal_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.reversal_owed(reversal_uid, 'written_off', note);
END
$$;
COMMENT ON FUNCTION murallink.write_off(murallink.ksuid, text) IS
'Ends a reversal that is owed_back or recovering: the funds of the contract bear what has not come back, and the payment stays paid. What is kept of payments that are not paid yet is still recovered. note: why, for the audit. A repeated call answers the same. For operators, and for users with approve_payments on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, wrong_status.';

CREATE FUNCTION murallink.recover(reversal_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL) RETURNS murallink.reversal_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.reversal_owed(reversal_uid, 'recovering', note);
END
$$;
COMMENT ON FUNCTION murallink.recover(murallink.ksuid, text) IS
'Recovers a reversal that is owed_back from later payments to the patient in the same trial, other than travel payments: of each that is approved, at most the share that set_recovery has set for the contract is kept. note: why; the audit has it, and the message to the patient. A repeated call answers the same. For operators, and for users with approve_payments on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value; wrong_status: also if the contract sets no share.';
