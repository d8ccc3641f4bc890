-- How approved payments reach the patients.

CREATE TYPE murallink.payout_info AS (
    uid murallink.ksuid,
    payment_uid murallink.ksuid,
    partner text,
    amount numeric,
    currency text,
    status murallink.payout_status,
    reason text,
    attempt integer,
    reference text,
    note text
);
COMMENT ON TYPE murallink.payout_info IS 'A payout, as the functions for operators answer.';

CREATE FUNCTION murallink_private.payout_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.patient_uid
        INTO NEW.client_uid, NEW.contract_uid, NEW.trial_uid, NEW.site_uid, NEW.patient_uid
        -- Serializes with a cancellation of the payment, which may not have a payout yet.
        FROM murallink_private.payment p WHERE p.uid = NEW.payment_uid AND p.status = 'approved' FOR SHARE;
        IF NOT FOUND THEN
            PERFORM murallink_private.raise('wrong_status', 'payment_uid');
        END IF;
        NEW.settled_at := NULL;
        RETURN NEW;
    END IF;
    IF NEW.settled_at IS DISTINCT FROM OLD.settled_at AND NEW.settled_at IS NOT NULL AND OLD.reason <> 'settled_by_person'
        AND NOT EXISTS (SELECT FROM murallink_private.call c WHERE c.uid = NEW.uid AND c.status = 'in_doubt') THEN
        PERFORM murallink_private.raise('wrong_status', 'payout_uid');
    END IF;
    IF (NEW.uid, NEW.payment_uid, NEW.client_uid, NEW.contract_uid, NEW.trial_uid, NEW.site_uid, NEW.created_at)
            IS DISTINCT FROM (OLD.uid, OLD.payment_uid, OLD.client_uid, OLD.contract_uid, OLD.trial_uid, OLD.site_uid, OLD.created_at)
        OR NEW.patient_uid <> OLD.patient_uid AND NOT murallink_private.merged_into(OLD.patient_uid, NEW.patient_uid)
        OR (NEW.payment_type_uid, NEW.partner, NEW.card_uid, NEW.account_uid)
            IS DISTINCT FROM (OLD.payment_type_uid, OLD.partner, OLD.card_uid, OLD.account_uid) AND EXISTS (
            SELECT FROM murallink_private.call c WHERE c.uid = NEW.uid AND c.status <> 'waiting')
    THEN
        PERFORM murallink_private.raise('append_only', 'payout');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.payout_guard() IS
'Trigger: checks the rules of payouts. A payout is made only for an approved payment, and keeps its payment and place, and its patient, unless that one is merged into another one. Its route changes only while it waits. A person settles it only if no partner pays it, or if it is in doubt. Errors: wrong_status, append_only.';

CREATE FUNCTION murallink_private.load_step(load_uid murallink.ksuid, before murallink.payout_status, after murallink.payout_status) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (before, after) IN (('ready', 'declined'), ('declined', 'done'), ('in_doubt', 'declined'), ('cancelled', 'ready'))
        OR (before IN ('declined', 'in_doubt') AND after IN ('waiting', 'ready') OR before = 'done' AND after = 'declined') AND NOT EXISTS (
            SELECT FROM murallink_private.payout o JOIN murallink_private.payment p ON p.uid = o.payment_uid
            WHERE o.uid = load_uid AND p.status = 'approved') THEN
        PERFORM murallink_private.raise('wrong_status', 'payout_uid');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.load_step(murallink.ksuid, murallink.payout_status, murallink.payout_status) IS
'Checks a change of status of a load: it is sent again only if its payment was approved again, only its partner declines it, and what the partner has accepted only while it is not paid. Errors: wrong_status.';

CREATE FUNCTION murallink_private.payout_route(
    payout_uid murallink.ksuid, payment_uid murallink.ksuid,
    OUT payment_type_uid murallink.ksuid, OUT partner text, OUT card_uid murallink.ksuid, OUT account_uid murallink.ksuid, OUT reason text
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_payment murallink_private.payment;
    the_partner murallink_private.partner;
    the_program text;
    the_card record;
    to_account boolean;
    held boolean;
BEGIN
    SELECT * INTO the_payment FROM murallink_private.payment p WHERE p.uid = payout_route.payment_uid;
    -- Does not serialize with hold_payouts() and configure_partner(). A payout that has missed such a change is
    -- found by astray() when it is claimed, and by reroute_late().
    held := EXISTS (SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (payout_uid, the_payment.contract_uid));
    -- A change of the enrollment waits for the lock of the payment, and sees this payout then. Read the
    -- contract's default again under a lock: either a change is visible here, or it sees this payout.
    FOR look IN 1..2 LOOP
        SELECT t.uid, CASE WHEN NOT t.by_account OR EXISTS (SELECT FROM murallink_private.partner p WHERE p.name = t.partner) THEN t.partner END,
            t.by_account
        INTO payment_type_uid, partner, to_account
        FROM murallink.enrollment e JOIN murallink.contract c ON c.uid = the_payment.contract_uid
        JOIN murallink_private.payment_type t ON t.uid = coalesce(e.payment_type_uid, c.default_payment_type_uid)
        WHERE e.uid = the_payment.enrollment_uid;
        EXIT WHEN FOUND OR held;
        PERFORM FROM murallink.contract c WHERE c.uid = the_payment.contract_uid FOR SHARE;
    END LOOP;
    IF held THEN
        reason := 'held';
        RETURN;
    ELSIF partner IS NULL THEN
        reason := CASE WHEN payment_type_uid IS NULL THEN 'no_payment_type' ELSE 'settled_by_person' END;
        RETURN;
    END IF;
    SELECT * INTO the_partner FROM murallink_private.partner p WHERE p.name = payout_route.partner;
    IF the_partner.uid IS NULL THEN
        reason := 'partner_not_configured';
        RETURN;
    ELSIF the_partner.settings ->> 'currency' <> the_payment.currency THEN
        reason := 'other_currency';
        RETURN;
    END IF;
    IF to_account THEN
        SELECT a.account_uid, a.reason INTO account_uid, reason
        FROM murallink_private.account_to_pay(the_payment.patient_uid, payment_type_uid) a;
        RETURN;
    END IF;
    the_program := the_partner.settings ->> 'cust_prog_id';
    SELECT c.uid, c.status, c.reason INTO the_card FROM murallink_private.card c
    WHERE c.patient_uid = the_payment.patient_uid AND c.partner = payout_route.partner AND c.program = the_program AND c.ended_at = 'infinity';
    IF the_card.status IS DISTINCT FROM 'done' THEN
        the_card := murallink_private.card_begin(the_payment.patient_uid, partner, the_program);
    END IF;
    card_uid := the_card.uid;
    reason := CASE the_card.status
        WHEN 'done' THEN ''
        WHEN 'waiting' THEN CASE the_card.reason WHEN 'no_contact' THEN 'no_contact' ELSE 'card_pending' END
        WHEN 'declined' THEN 'card_declined'
        WHEN 'in_doubt' THEN 'card_in_doubt'
        ELSE 'card_pending' END;
END
$$;
COMMENT ON FUNCTION murallink_private.payout_route(murallink.ksuid, murallink.ksuid) IS
'Routes a payout: returns its payment type, partner, card or account, and the reason if it must wait. Orders a card if the patient needs one.';

CREATE FUNCTION murallink_private.payout_send(payout_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.call_make_own(o.partner, 'payout', o.uid, CASE WHEN o.account_uid IS NULL THEN 'load' ELSE 'pay' END, o.suspect)
    FROM murallink_private.payout o WHERE o.uid = payout_uid
$$;
COMMENT ON FUNCTION murallink_private.payout_send(murallink.ksuid) IS
'Makes the call that loads the card of a payout, or pays it to an account.';

CREATE FUNCTION murallink_private.payouts_lock_ways(payout_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Also those of payouts that are held, because a hold may end before the payout is locked.
    PERFORM FROM murallink.patient s
    WHERE s.uid IN (
        SELECT y.patient_uid FROM murallink_private.payout o JOIN murallink_private.payment y ON y.uid = o.payment_uid
        JOIN murallink.enrollment e ON e.uid = y.enrollment_uid JOIN murallink.contract c ON c.uid = y.contract_uid
        JOIN murallink_private.payment_type t ON t.uid = coalesce(e.payment_type_uid, c.default_payment_type_uid)
        JOIN murallink_private.partner p ON p.name = t.partner
        WHERE o.uid = ANY (payout_uids) AND NOT t.by_account AND NOT EXISTS (
            SELECT FROM murallink_private.card k
            WHERE k.patient_uid = y.patient_uid AND k.partner = p.name AND k.program = p.settings ->> 'cust_prog_id'))
    ORDER BY s.uid FOR SHARE;
    PERFORM FROM murallink_private.card c
    WHERE c.patient_uid IN (SELECT o.patient_uid FROM murallink_private.payout o WHERE o.uid = ANY (payout_uids))
    ORDER BY c.uid FOR SHARE;
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_lock_ways(murallink.ksuid[]) IS
'Locks what must be locked before payouts that are routed: the patients for whom card_begin() may order a card, then all cards of the patients.';

CREATE FUNCTION murallink_private.payouts_route(payout_uids murallink.ksuid[], held boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_payout murallink_private.payout;
    present murallink_private.call;
    route record;
BEGIN
    IF NOT held THEN
        PERFORM murallink_private.payouts_lock_ways(payout_uids);
    END IF;
    FOR the_payout IN
        SELECT o.* FROM murallink_private.payout o JOIN murallink_private.payment p ON p.uid = o.payment_uid AND p.status = 'approved'
        WHERE o.uid = ANY (payout_uids) ORDER BY o.uid FOR NO KEY UPDATE OF o
    LOOP
        -- The payment may have been cancelled before the payout was locked. Do not lock it, because
        -- hold_payouts() must not wait, and cancel_payment() changes the payout itself.
        CONTINUE WHEN NOT EXISTS (SELECT FROM murallink_private.payment p WHERE p.uid = the_payout.payment_uid AND p.status = 'approved');
        SELECT * INTO present FROM murallink_private.call c
        WHERE c.uid = the_payout.uid AND c.status IN ('waiting', 'ready') FOR NO KEY UPDATE;
        CONTINUE WHEN NOT FOUND AND EXISTS (SELECT FROM murallink_private.call c WHERE c.uid = the_payout.uid);
        route := murallink_private.payout_route(the_payout.uid, the_payout.payment_uid);
        -- Another server may have loaded the card that was replaced since: the look-up must ask for that one.
        IF present.suspect AND route.reason <> 'held' AND EXISTS (
            SELECT FROM murallink_private.card c WHERE c.uid = the_payout.card_uid AND c.status = 'done' AND c.ended_at <> 'infinity') THEN
            route.partner := the_payout.partner;
            route.card_uid := the_payout.card_uid;
            route.reason := '';
        END IF;
        IF present.status = 'ready' AND (route.payment_type_uid, route.partner, route.card_uid, route.account_uid, route.reason)
            IS DISTINCT FROM (the_payout.payment_type_uid, the_payout.partner, the_payout.card_uid, the_payout.account_uid, '') THEN
            UPDATE murallink_private.call c SET status = 'waiting' WHERE c.uid = present.uid RETURNING c.* INTO present;
        END IF;
        UPDATE murallink_private.payout o
        SET payment_type_uid = route.payment_type_uid, partner = route.partner, card_uid = route.card_uid, account_uid = route.account_uid,
            reason = route.reason
        WHERE o.uid = the_payout.uid AND (o.payment_type_uid, o.partner, o.card_uid, o.account_uid, o.reason)
            IS DISTINCT FROM (route.payment_type_uid, route.partner, route.card_uid, route.account_uid, route.reason);
        IF route.reason = '' AND present.uid IS NULL THEN
            PERFORM murallink_private.payout_send(the_payout.uid);
        ELSIF present.status = 'waiting' AND route.reason = '' THEN
            UPDATE murallink_private.call c
            SET partner = route.partner, operation = CASE WHEN route.account_uid IS NULL THEN 'load' ELSE 'pay' END
            WHERE c.uid = present.uid AND (c.partner <> route.partner OR (c.operation = 'load') = (route.account_uid IS NOT NULL));
            PERFORM murallink_private.call_resume(present.uid);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_route(murallink.ksuid[], boolean) IS
'Routes those of these payouts again that have not been sent or must be sent again: those that can be sent become due, the others wait. Locks them, and before them what payouts_lock_ways() locks; not if held is true: all of them are on hold and need no card, and hold_payouts() must not wait.';

CREATE FUNCTION murallink_private.payout_begin(payment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    known CONSTANT murallink.ksuid := (SELECT o.uid FROM murallink_private.payout o WHERE o.payment_uid = payout_begin.payment_uid);
    made CONSTANT murallink.ksuid := murallink.gen_ksuid();
    owes boolean;
    route record;
BEGIN
    IF known IS NOT NULL THEN
        PERFORM murallink_private.recoveries_begin(payment_uid);
        UPDATE murallink_private.payout o SET settled_at = NULL, reference = ''
        WHERE o.uid = known AND (o.settled_at IS NOT NULL OR o.reference <> '');
        UPDATE murallink_private.call c SET status = 'waiting' WHERE c.uid = known AND c.status IN ('declined', 'in_doubt');
        PERFORM murallink_private.payouts_route(ARRAY[known]);
        RETURN;
    END IF;
    -- Serializes with a change of how the patient is paid, which does not see an uncommitted payment.
    SELECT EXISTS (SELECT FROM murallink_private.reversal r WHERE r.chain_uid = p.chain_uid AND r.status = 'recovering') INTO owes
    FROM murallink_private.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
    WHERE p.uid = payout_begin.payment_uid FOR SHARE OF e;
    IF owes THEN
        PERFORM murallink_private.recoveries_begin(payment_uid);
    END IF;
    route := murallink_private.payout_route(made, payment_uid);
    INSERT INTO murallink_private.payout (uid, payment_uid, payment_type_uid, partner, card_uid, account_uid)
    VALUES (made, payout_begin.payment_uid, route.payment_type_uid, route.partner, route.card_uid, route.account_uid);
    IF route.reason = '' THEN
        PERFORM murallink_private.payout_send(made);
    ELSE
        -- A change, for the audit.
        UPDATE murallink_private.payout o SET reason = route.reason WHERE o.uid = made;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.payout_begin(murallink.ksuid) IS
'Starts the payout of a payment that has been approved; a payment keeps its payout if it is approved again. What the patient owes is kept of it.';

CREATE FUNCTION murallink_private.payout_cancel(payment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    its_payout CONSTANT murallink.ksuid := (SELECT o.uid FROM murallink_private.payout o WHERE o.payment_uid = payout_cancel.payment_uid);
BEGIN
    UPDATE murallink_private.payout o SET reason = '' WHERE o.uid = its_payout AND o.reason <> '';
    UPDATE murallink_private.call c SET status = 'cancelled'
    WHERE c.uid = its_payout AND c.status IN ('waiting', 'ready', 'declined', 'in_doubt');
END
$$;
COMMENT ON FUNCTION murallink_private.payout_cancel(murallink.ksuid) IS 'Cancels the payout of a cancelled payment.';

CREATE FUNCTION murallink_private.payouts_of_cards(card_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.payouts_route(ARRAY(
        SELECT o.uid FROM murallink_private.card c JOIN murallink.enrollment e ON e.patient_uid = c.patient_uid
        JOIN murallink_private.payment p ON p.enrollment_uid = e.uid AND p.status = 'approved'
        JOIN murallink_private.payout o ON o.payment_uid = p.uid AND o.card_uid = c.uid AND o.reason <> ''
        WHERE c.uid = ANY (card_uids)));
END
$$;
COMMENT ON FUNCTION murallink_private.payouts_of_cards(murallink.ksuid[]) IS
'Routes the payouts that wait for these cards again.';

CREATE FUNCTION murallink_private.payout_info(payout_uid murallink.ksuid) RETURNS murallink.payout_info
LANGUAGE sql STABLE AS $$
    SELECT p.uid, p.payment_uid, p.partner, p.amount, p.currency, p.status, p.reason, p.attempt, p.reference, p.note
    FROM murallink_private.payout_shown p WHERE p.uid = payout_uid
$$;
COMMENT ON FUNCTION murallink_private.payout_info(murallink.ksuid) IS 'A payout, as the functions for operators answer.';

CREATE FUNCTION murallink_private.payout_locked(payout_uid murallink.ksuid, routed boolean DEFAULT false) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    its_payment CONSTANT murallink.ksuid := (
        SELECT p.payment_uid FROM murallink_private.payout p
        WHERE p.uid = murallink_private.required(payout_locked.payout_uid, 'payout_uid'));
BEGIN
    IF its_payment IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'payout_uid');
    END IF;
    PERFORM FROM murallink_private.payment p WHERE p.uid = its_payment FOR NO KEY UPDATE;
    IF routed THEN
        PERFORM murallink_private.payouts_lock_ways(ARRAY[payout_locked.payout_uid]);
    END IF;
    PERFORM FROM murallink_private.payout p WHERE p.uid = payout_locked.payout_uid FOR NO KEY UPDATE;
    RETURN murallink_private.payout_info(payout_locked.payout_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.payout_locked(murallink.ksuid, boolean) IS
'Locks the payment of a payout, then the payout, and returns it. routed: whether the caller routes it, so that the locks of payouts_lock_ways() are taken in between. Errors: missing_field, not_found.';
