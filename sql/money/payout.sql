-- Payouts: their states, decisions by a person, and the switch that stops all.

CREATE TYPE murallink.payout_status AS ENUM ('waiting', 'ready', 'claimed', 'done', 'declined', 'in_doubt', 'cancelled');
COMMENT ON TYPE murallink.payout_status IS
'waiting: for what the reason says; ready: to be sent; claimed: being sent; done; declined: surely not done; in_doubt: sent, outcome unknown; cancelled.';

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

CREATE FUNCTION murallink.payout_of_payment() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'cancelled' THEN
        UPDATE murallink.payout SET status = 'cancelled', reason = '' WHERE payment_uid = NEW.uid;
    ELSIF TG_OP = 'UPDATE' AND OLD.status <> 'pending' THEN
        -- What was refused before it was looked at has its time of the next attempt already.
        UPDATE murallink.payout SET status = 'waiting', due_at = LEAST(
            GREATEST(due_at, pg_catalog.clock_timestamp()), pg_catalog.clock_timestamp() + '450 s')
        WHERE payment_uid = NEW.uid AND status IN ('declined', 'in_doubt');
    ELSE
        IF TG_OP = 'INSERT' THEN
            -- Nobody sees a new payment yet: who is just changing how the patient is paid is waited for, or waits for this.
            PERFORM FROM murallink.enrollment e WHERE e.uid = NEW.enrollment_uid FOR SHARE;
        END IF;
        INSERT INTO murallink.payout (payment_uid) VALUES (NEW.uid);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.payout_of_payment() IS
'Trigger: an approved payment has a payout, the same one after each approval; a cancelled one takes it along.';

CREATE FUNCTION murallink.payout_complete() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    SELECT p.client_uid, p.contract_uid, p.trial_uid, p.site_uid, p.patient_uid, p.amount, p.currency
    INTO NEW.client_uid, NEW.contract_uid, NEW.trial_uid, NEW.site_uid, NEW.patient_uid, NEW.amount, NEW.currency
    FROM murallink.payment p WHERE p.uid = NEW.payment_uid AND p.status = 'approved';
    IF NOT FOUND THEN
        PERFORM murallink.raise('wrong_status', 'payment_uid');
    END IF;
    NEW.status := 'waiting';
    NEW.attempt := 0;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.payout_complete() IS
'Trigger: a payout takes all that it is from its payment, which must be approved. Errors: wrong_status.';

CREATE FUNCTION murallink.payout_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('waiting', 'ready'), ('waiting', 'done'), ('waiting', 'declined'), ('waiting', 'cancelled'),
        ('ready', 'waiting'), ('ready', 'claimed'), ('ready', 'cancelled'),
        ('claimed', 'done'), ('claimed', 'declined'), ('claimed', 'in_doubt'), ('claimed', 'waiting'), ('claimed', 'ready'),
        ('declined', 'waiting'), ('declined', 'ready'), ('declined', 'cancelled'),
        ('in_doubt', 'done'), ('in_doubt', 'waiting'), ('in_doubt', 'ready'), ('in_doubt', 'cancelled'))
    THEN
        PERFORM murallink.raise('wrong_status', 'payout_uid');
    END IF;
    -- A person settles nothing that waits for something else.
    IF OLD.status = 'waiting' AND NEW.status IN ('done', 'declined') AND OLD.reason <> 'settled_by_person' THEN
        PERFORM murallink.raise('wrong_status', 'payout_uid');
    END IF;
    IF OLD.status IN ('declined', 'in_doubt') AND NEW.status IN ('waiting', 'ready') AND NOT EXISTS (
        SELECT FROM murallink.payment p WHERE p.uid = NEW.payment_uid AND p.status = 'approved')
    THEN
        PERFORM murallink.raise('wrong_status', 'payment_uid');
    END IF;
    IF (NEW.uid, NEW.payment_uid, NEW.client_uid, NEW.contract_uid, NEW.trial_uid, NEW.site_uid, NEW.patient_uid, NEW.amount,
            NEW.currency, NEW.created_at)
        IS DISTINCT FROM (OLD.uid, OLD.payment_uid, OLD.client_uid, OLD.contract_uid, OLD.trial_uid, OLD.site_uid,
            OLD.patient_uid, OLD.amount, OLD.currency, OLD.created_at)
    THEN
        PERFORM murallink.raise('append_only', 'payout');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.payout_step() IS
'Trigger: a payout goes one allowed step at a time, is sent again only when its payment is approved again, and keeps what it is. Errors: wrong_status, append_only.';

CREATE FUNCTION murallink.payout_lead() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    step murallink.payment_status;
BEGIN
    FOREACH step IN ARRAY CASE
        WHEN NEW.status = 'claimed' THEN '{processing}'
        WHEN NEW.status = 'in_doubt' THEN '{in_doubt}'
        WHEN NEW.status IN ('waiting', 'ready') THEN '{failed,approved}'
        WHEN NEW.status = 'done' AND OLD.status = 'waiting' THEN '{processing,paid}'
        WHEN NEW.status = 'done' THEN '{paid}'
        WHEN OLD.status = 'waiting' THEN '{processing,failed}'
        ELSE '{failed}' END::murallink.payment_status[]
    LOOP
        UPDATE murallink.payment SET status = step WHERE uid = NEW.payment_uid;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.payout_lead() IS
'Trigger: the payment follows its payout, by steps of its own. One that was not sent is approved again, and so can be cancelled. Errors: wrong_status.';

CREATE FUNCTION murallink.payment_being_sent() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM murallink.payout p WHERE p.payment_uid = NEW.uid AND p.status = 'claimed') THEN
        PERFORM murallink.raise('wrong_status', 'payment_uid');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.payment_being_sent() IS
'Trigger: the payout of a payment that is being sent says how it ends, and nobody else. Errors: wrong_status.';

CREATE FUNCTION murallink.payout_info(payout_uid murallink.ksuid) RETURNS murallink.payout_info
LANGUAGE sql STABLE AS $$
    SELECT p.uid, p.payment_uid, p.partner, p.amount, p.currency::text, p.status, p.reason, p.attempt, p.reference, p.note
    FROM murallink.payout p WHERE p.uid = payout_uid
$$;
COMMENT ON FUNCTION murallink.payout_info(murallink.ksuid) IS 'A payout, as the functions for operators answer.';

CREATE FUNCTION murallink.payout_locked(payout_uid murallink.ksuid) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    its_payment CONSTANT murallink.ksuid := (
        SELECT p.payment_uid FROM murallink.payout p
        WHERE p.uid = murallink.required(payout_locked.payout_uid, 'payout_uid'));
BEGIN
    IF its_payment IS NULL THEN
        PERFORM murallink.raise('not_found', 'payout_uid');
    END IF;
    PERFORM FROM murallink.payment p WHERE p.uid = its_payment FOR NO KEY UPDATE;
    PERFORM FROM murallink.payout p WHERE p.uid = payout_locked.payout_uid FOR NO KEY UPDATE;
    RETURN murallink.payout_info(payout_locked.payout_uid);
END
$$;
COMMENT ON FUNCTION murallink.payout_locked(murallink.ksuid) IS
'A payout, locked with its payment, in the order in which a payment''s own steps lock them. Errors: missing_field, not_found.';

CREATE FUNCTION murallink.settle_payout(
    payout_uid murallink.ksuid, outcome text, reference text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout CONSTANT murallink.payout_info := murallink.payout_locked(payout_uid);
BEGIN
    IF coalesce(outcome, '') NOT IN ('paid', 'failed') THEN
        PERFORM murallink.raise('invalid_value', 'outcome');
    END IF;
    IF the_payout.status <> 'waiting' OR the_payout.reason <> 'settled_by_person' THEN
        PERFORM murallink.raise('wrong_status', 'payout_uid');
    END IF;
    UPDATE murallink.payout p
    SET status = CASE settle_payout.outcome WHEN 'paid' THEN 'done' ELSE 'declined' END::murallink.payout_status,
        reference = murallink.checked_text(settle_payout.reference, 'reference', 200, false),
        note = murallink.checked_text(settle_payout.note, 'note', 1000, false),
        reason = CASE settle_payout.outcome WHEN 'paid' THEN '' ELSE p.reason END, settled_at = pg_catalog.clock_timestamp()
    WHERE p.uid = settle_payout.payout_uid;
    RETURN murallink.payout_info(payout_uid);
END
$$;
COMMENT ON FUNCTION murallink.settle_payout(murallink.ksuid, text, text, text) IS
'Records what became of a payout that no partner serves, such as a check. outcome: paid or failed; reference: such as the check''s number. For operators. Errors: missing_field, not_found, invalid_value, too_long, wrong_status.';

CREATE FUNCTION murallink.resolve_payout(payout_uid murallink.ksuid, outcome text, note text) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout CONSTANT murallink.payout_info := murallink.payout_locked(payout_uid);
    decided CONSTANT murallink.payment_status := CASE outcome
        WHEN 'paid' THEN 'paid' WHEN 'not_paid' THEN 'approved' WHEN 'cancelled' THEN 'cancelled' END;
BEGIN
    IF decided IS NULL THEN
        PERFORM murallink.raise('invalid_value', 'outcome');
    END IF;
    IF the_payout.status <> 'in_doubt' THEN
        PERFORM murallink.raise('wrong_status', 'payout_uid');
    END IF;
    UPDATE murallink.payout p SET note = murallink.checked_text(resolve_payout.note, 'note', 1000, true)
    WHERE p.uid = resolve_payout.payout_uid;
    IF decided = 'paid' THEN
        UPDATE murallink.payout p SET status = 'done', reason = '', settled_at = pg_catalog.clock_timestamp()
        WHERE p.uid = resolve_payout.payout_uid;
    ELSE
        UPDATE murallink.payment p SET status = decided WHERE p.uid = the_payout.payment_uid;
    END IF;
    RETURN murallink.payout_info(payout_uid);
END
$$;
COMMENT ON FUNCTION murallink.resolve_payout(murallink.ksuid, text, text) IS
'Decides a payout in doubt, after asking the partner. outcome: paid; not_paid: sent again; cancelled: neither paid nor sent again, its funds are released. note: how this is known. For operators. Errors: missing_field, not_found, invalid_value, too_long, wrong_status.';

CREATE FUNCTION murallink.retry_payout(payout_uid murallink.ksuid, note text) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout CONSTANT murallink.payout_info := murallink.payout_locked(payout_uid);
BEGIN
    IF the_payout.status <> 'declined' THEN
        PERFORM murallink.raise('wrong_status', 'payout_uid');
    END IF;
    UPDATE murallink.payout p SET note = murallink.checked_text(retry_payout.note, 'note', 1000, true)
    WHERE p.uid = retry_payout.payout_uid;
    UPDATE murallink.payment p SET status = 'approved' WHERE p.uid = the_payout.payment_uid;
    RETURN murallink.payout_info(payout_uid);
END
$$;
COMMENT ON FUNCTION murallink.retry_payout(murallink.ksuid, text) IS
'Sends a declined payout again. note: why it should work now. For operators. Errors: missing_field, not_found, too_long, wrong_status.';

CREATE FUNCTION murallink.payout_place() RETURNS text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'payout_place';
COMMENT ON FUNCTION murallink.payout_place() IS
'This cluster, its timeline and data directory, and this database with its tables: together, no copy of them has it.';

CREATE FUNCTION murallink.payouts_state() RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((
        SELECT CASE WHEN NOT s.enabled THEN 'off' WHEN s.place = murallink.payout_place() THEN 'on' ELSE 'elsewhere' END
        FROM murallink_private.payout_switch s), 'off');
END
$$;
COMMENT ON FUNCTION murallink.payouts_state() IS
'on; off; elsewhere: on where this database was copied from, and so off here.';

CREATE FUNCTION murallink.disable_payouts() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    -- Whoever is just claiming is waited for; nobody else is.
    LOCK TABLE murallink_private.payout_switch IN EXCLUSIVE MODE;
    UPDATE murallink_private.payout_switch SET enabled = false;
$$;
COMMENT ON FUNCTION murallink.disable_payouts() IS
'Stops paying out: what is being sent is finished, nothing else is begun. For operators.';

CREATE FUNCTION murallink.verify_ledger(OUT contract_uid murallink.ksuid, OUT currency text, OUT problem text) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT v.contract_uid, v.currency, v.problem FROM murallink.verify_payments() v
    UNION ALL
    SELECT p.contract_uid, p.currency::text, CASE
        WHEN o.uid IS NULL THEN pg_catalog.format('payment %s of %s is %s and has no payout', p.uid, p.amount, p.status)
        ELSE pg_catalog.format('payment %s of %s to %s is %s, its payout %s of %s to %s is %s',
            p.uid, p.amount, p.patient_uid, p.status, o.uid, o.amount, o.patient_uid, o.status) END
    FROM murallink.payment p LEFT JOIN murallink.payout o ON o.payment_uid = p.uid
    WHERE p.status NOT IN ('pending', 'rejected') AND o.uid IS NULL
        OR (p.client_uid, p.contract_uid, p.patient_uid, p.amount, p.currency::text)
            <> (o.client_uid, o.contract_uid, o.patient_uid, o.amount, o.currency)
        -- What waits is not sent unless its payment is approved, and so is no contradiction.
        OR o.status NOT IN ('waiting', 'ready') AND p.status <> ALL (CASE o.status WHEN 'claimed' THEN '{processing}'
            WHEN 'done' THEN '{paid,reversed}' WHEN 'declined' THEN '{failed}' WHEN 'in_doubt' THEN '{in_doubt}'
            WHEN 'cancelled' THEN '{cancelled}' END::murallink.payment_status[])
$$;
COMMENT ON FUNCTION murallink.verify_ledger() IS
'Proves that balances, entries, fundings, payments and payouts agree: one row for each contradiction, none when the books are right.';
