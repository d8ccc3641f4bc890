-- Finds the way of a payout, again when something it depends on changes, and holds payouts.

CREATE FUNCTION murallink.unclaimed(contract_uid murallink.ksuid, partner text) RETURNS murallink.ksuid[]
LANGUAGE sql STABLE AS $$
    SELECT ARRAY(
        SELECT o.uid FROM murallink.payout o WHERE o.contract_uid = unclaimed.contract_uid AND o.reason <> ''
        UNION
        SELECT o.uid FROM murallink_private.partner_queue q JOIN murallink.payout o ON o.uid = q.subject_uid
        WHERE o.contract_uid = unclaimed.contract_uid AND q.resource = 'payout' AND unclaimed.contract_uid IS NOT NULL
        UNION
        SELECT o.uid FROM murallink.payout o WHERE o.partner = unclaimed.partner AND o.reason <> ''
        UNION
        SELECT q.subject_uid FROM murallink_private.partner_queue q
        WHERE q.partner = unclaimed.partner AND q.resource = 'payout')
$$;
COMMENT ON FUNCTION murallink.unclaimed(murallink.ksuid, text) IS
'All payouts of a contract or of a partner that are waiting or ready, and some others that are not done: found by what is open, whatever was paid before.';

CREATE FUNCTION murallink.reroute(payout_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Cards before payouts, as everybody locks them.
    PERFORM FROM murallink_private.card c
    WHERE c.patient_uid IN (SELECT o.patient_uid FROM murallink.payout o WHERE o.uid = ANY (payout_uids))
    ORDER BY c.uid FOR SHARE;
    PERFORM FROM murallink.payout o
    WHERE o.uid = ANY (payout_uids) AND o.status IN ('waiting', 'ready') ORDER BY o.uid FOR NO KEY UPDATE;
    UPDATE murallink.payout SET status = 'waiting' WHERE uid = ANY (payout_uids) AND status IN ('waiting', 'ready');
END
$$;
COMMENT ON FUNCTION murallink.reroute(murallink.ksuid[]) IS
'Looks anew how those of these payouts are paid that are waiting or ready, and locks them and the cards of their patients.';

CREATE FUNCTION murallink.payout_route() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    the_partner murallink_private.partner;
    the_card murallink_private.card;
    the_program text;
    held boolean;
BEGIN
    NEW.card_uid := NULL;
    -- Nobody who holds payouts or sets up a partner is waited for, or waits for this: what has missed that is found astray
    -- when it is to be claimed, and by reroute_late().
    held := EXISTS (SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (NEW.uid, NEW.contract_uid));
    -- Whoever changes the enrollment waits for the lock of the payment, and so sees this payout afterwards. The contract's
    -- default is looked for again under a lock, for it may be on its way: then it is seen, or whoever brings it sees this.
    FOR look IN 1..2 LOOP
        SELECT t.uid, t.partner INTO NEW.payment_type_uid, NEW.partner
        FROM murallink.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
        JOIN murallink.contract c ON c.uid = p.contract_uid
        JOIN murallink_private.payment_type t ON t.uid = coalesce(e.payment_type_uid, c.default_payment_type_uid)
        WHERE p.uid = NEW.payment_uid;
        EXIT WHEN FOUND OR held;
        PERFORM FROM murallink.contract c WHERE c.uid = NEW.contract_uid FOR SHARE;
    END LOOP;
    IF held THEN
        NEW.reason := 'held';
        RETURN NEW;
    ELSIF NEW.partner IS NULL THEN
        NEW.reason := CASE WHEN NEW.payment_type_uid IS NULL THEN 'no_payment_type' ELSE 'settled_by_person' END;
        RETURN NEW;
    END IF;

    SELECT * INTO the_partner FROM murallink_private.partner p WHERE p.name = NEW.partner;
    IF the_partner.uid IS NULL THEN
        NEW.reason := 'partner_not_configured';
        RETURN NEW;
    ELSIF the_partner.settings ->> 'currency' <> NEW.currency THEN
        NEW.reason := 'other_currency';
        RETURN NEW;
    END IF;

    the_program := the_partner.settings ->> 'cust_prog_id';
    SELECT * INTO the_card FROM murallink_private.card c
    WHERE c.patient_uid = NEW.patient_uid AND c.partner = NEW.partner AND c.program = the_program;
    IF the_card.status IS DISTINCT FROM 'done' THEN
        INSERT INTO murallink_private.card (patient_uid, partner, program) VALUES (NEW.patient_uid, NEW.partner, the_program)
        ON CONFLICT (patient_uid, partner, program) DO NOTHING;
        SELECT * INTO the_card FROM murallink_private.card c
        WHERE c.patient_uid = NEW.patient_uid AND c.partner = NEW.partner AND c.program = the_program FOR SHARE;
    END IF;
    NEW.card_uid := the_card.uid;
    NEW.reason := CASE the_card.status
        WHEN 'done' THEN CASE WHEN OLD.status IN ('claimed', 'in_doubt') THEN NEW.reason ELSE '' END
        WHEN 'waiting' THEN CASE the_card.reason WHEN 'bulk_order' THEN 'card_pending' ELSE the_card.reason END
        WHEN 'declined' THEN 'card_declined'
        WHEN 'in_doubt' THEN 'card_in_doubt'
        ELSE 'card_pending' END;
    IF the_card.status = 'done' THEN
        NEW.status := 'ready';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.payout_route() IS
'Trigger: finds out how a waiting payout is paid; it becomes ready, or its reason says what it waits for.';

CREATE FUNCTION murallink.astray(payout_uids murallink.ksuid[]) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT o.uid
    FROM murallink.payout o JOIN murallink_private.card c ON c.uid = o.card_uid
    JOIN murallink_private.partner p ON p.name = o.partner
    WHERE o.uid = ANY (payout_uids) AND o.status = 'ready' AND (
        p.settings ->> 'currency' <> o.currency OR p.settings ->> 'cust_prog_id' <> c.program
        OR EXISTS (SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (o.uid, o.contract_uid)))
$$;
COMMENT ON FUNCTION murallink.astray(murallink.ksuid[]) IS
'Those of the payouts that are ready and must not be sent as they are: they are held, or the partner has been set up otherwise, and whoever approved them could not see it yet.';

CREATE FUNCTION murallink.reroute_missed(payout_uids murallink.ksuid[]) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink.reroute(ARRAY(
        SELECT o.uid FROM murallink.payout o WHERE o.uid = ANY (payout_uids) AND o.status = 'waiting'
        UNION SELECT murallink.astray(payout_uids)));
$$;
COMMENT ON FUNCTION murallink.reroute_missed(murallink.ksuid[]) IS
'Looks anew how those of these payouts are paid that wait or are astray; a payout that is ready and right keeps its place in the queue.';

CREATE FUNCTION murallink.reroute_partner(partner_name text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink.order_enrolled(ARRAY(
        SELECT e.uid FROM murallink.contract c JOIN murallink.enrollment e ON e.contract_uid = c.uid
        WHERE c.order_cards = 'enrollment'));
    PERFORM murallink.reroute_missed(murallink.unclaimed(NULL, partner_name));
END
$$;
COMMENT ON FUNCTION murallink.reroute_partner(text) IS
'Has what waits for a partner, or has not been claimed, go on as the partner is set up now.';

CREATE FUNCTION murallink.reroute_late() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    running CONSTANT pg_snapshot := pg_catalog.pg_current_snapshot();
    change record;
BEGIN
    FOR change IN
        SELECT c.uid, c.subject_uid, p.name AS partner
        FROM murallink_private.route_change c LEFT JOIN murallink_private.partner p ON p.uid = c.subject_uid
        -- What is above all transactions was written in the cluster that this is a copy of.
        WHERE c.running_below <= pg_catalog.pg_snapshot_xmin(running)
            OR c.running_below > pg_catalog.pg_snapshot_xmax(running)
    LOOP
        BEGIN
            IF change.partner IS NOT NULL THEN
                PERFORM murallink.reroute_partner(change.partner);
            ELSE
                PERFORM murallink.reroute_missed(murallink.unclaimed(change.subject_uid, NULL) || change.subject_uid);
            END IF;
            DELETE FROM murallink_private.route_change c WHERE c.uid = change.uid;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- Somebody is at work on one of them: later.
            NULL;
        END;
    END LOOP;
    UPDATE murallink_private.route_change c SET running_below = pg_catalog.pg_snapshot_xmax(running) WHERE c.running_below IS NULL;
END
$$;
COMMENT ON FUNCTION murallink.reroute_late() IS
'Looks again how payouts are paid where holds or partners have changed, once no transaction runs that may have missed it. For the worker, now and then.';

CREATE FUNCTION murallink.hold_subject(payout_uid murallink.ksuid, contract_uid murallink.ksuid, partner text)
RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    subject CONSTANT murallink.ksuid := coalesce(
        (SELECT o.uid FROM murallink.payout o WHERE o.uid = hold_subject.payout_uid),
        (SELECT c.uid FROM murallink.contract c WHERE c.uid = hold_subject.contract_uid),
        (SELECT p.uid FROM murallink_private.partner p WHERE p.name = hold_subject.partner));
BEGIN
    IF pg_catalog.num_nonnulls(payout_uid, contract_uid, partner) <> 1 THEN
        PERFORM murallink.raise('missing_field', 'payout_uid');
    ELSIF subject IS NULL THEN
        PERFORM murallink.raise('not_found', CASE
            WHEN payout_uid IS NOT NULL THEN 'payout_uid' WHEN contract_uid IS NOT NULL THEN 'contract_uid' ELSE 'partner' END);
    END IF;
    RETURN subject;
END
$$;
COMMENT ON FUNCTION murallink.hold_subject(murallink.ksuid, murallink.ksuid, text) IS
'What is to be held or released, of which exactly one must be given. Errors: missing_field, not_found.';

CREATE FUNCTION murallink.hold_payouts(
    note text, payout_uid murallink.ksuid DEFAULT NULL, contract_uid murallink.ksuid DEFAULT NULL, partner text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    subject CONSTANT murallink.ksuid := murallink.hold_subject(payout_uid, contract_uid, partner);
BEGIN
    -- Whoever is just claiming is waited for, and claims nothing of this afterwards; nobody else is waited for.
    INSERT INTO murallink_private.payout_hold AS h (subject_uid, note)
    VALUES (subject, murallink.checked_text(hold_payouts.note, 'note', 1000, true))
    ON CONFLICT (subject_uid) DO UPDATE SET note = EXCLUDED.note;
    -- For those who look; what somebody is at work on is marked later.
    UPDATE murallink.payout SET status = 'waiting' WHERE uid IN (
        SELECT o.uid FROM murallink.payout o
        WHERE o.uid = ANY (murallink.unclaimed(hold_payouts.contract_uid, NULL) || hold_payouts.payout_uid)
            AND o.status IN ('waiting', 'ready') ORDER BY o.uid FOR NO KEY UPDATE SKIP LOCKED);
    INSERT INTO murallink_private.route_change (subject_uid) VALUES (subject);
END
$$;
COMMENT ON FUNCTION murallink.hold_payouts(text, murallink.ksuid, murallink.ksuid, text) IS
'Holds a payout, all of a contract, or all that a partner is asked, one of which is given, until release_payouts(). Calls under way are finished. note: why. For operators. Errors: missing_field, not_found, too_long, invalid_value.';

CREATE FUNCTION murallink.release_payouts(
    payout_uid murallink.ksuid DEFAULT NULL, contract_uid murallink.ksuid DEFAULT NULL, partner text DEFAULT NULL,
    note text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    subject CONSTANT murallink.ksuid := murallink.hold_subject(payout_uid, contract_uid, partner);
    why CONSTANT text := murallink.checked_text(note, 'note', 1000, false);
BEGIN
    -- For the audit, which tells the note of what is deleted.
    UPDATE murallink_private.payout_hold h SET note = why WHERE h.subject_uid = subject AND why <> '';
    DELETE FROM murallink_private.payout_hold h WHERE h.subject_uid = subject;
    IF NOT FOUND AND NOT EXISTS (
        SELECT FROM murallink.payout o
        WHERE (o.uid = subject OR o.contract_uid = subject) AND o.status = 'waiting' AND o.reason = 'held'
            AND NOT EXISTS (SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (o.uid, o.contract_uid))) THEN
        PERFORM murallink.raise('wrong_status', CASE
            WHEN payout_uid IS NOT NULL THEN 'payout_uid' WHEN contract_uid IS NOT NULL THEN 'contract_uid' ELSE 'partner' END);
    END IF;
    PERFORM murallink.reroute(murallink.unclaimed(release_payouts.contract_uid, NULL) || release_payouts.payout_uid);
    INSERT INTO murallink_private.route_change (subject_uid) VALUES (subject);
    PERFORM murallink.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.release_payouts(murallink.ksuid, murallink.ksuid, text, text) IS
'Releases what hold_payouts() held; a payout whose contract is held, too, still waits. note: why, for the audit. For operators. Errors: missing_field, not_found, too_long, invalid_value; wrong_status: it is not held, or only its contract is, or only payouts of it are.';

CREATE FUNCTION murallink.card_release() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink.payout SET status = 'waiting'
    WHERE card_uid = NEW.uid AND status = 'waiting' AND payment_uid IN (
        SELECT p.uid FROM murallink.enrollment e JOIN murallink.payment p ON p.enrollment_uid = e.uid
        WHERE e.patient_uid = NEW.patient_uid AND p.status = 'approved');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.card_release() IS 'Trigger: payouts that wait for a card go on with it, or wait for another reason.';

CREATE FUNCTION murallink.enrollment_reroute() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Payments that are being approved, or given back by the worker, are waited for. Before them comes the contract, which
    -- enrollment_card() locks.
    PERFORM FROM murallink.contract c WHERE c.uid = NEW.contract_uid FOR SHARE;
    PERFORM FROM murallink.payment p
    WHERE p.enrollment_uid = NEW.uid AND p.status IN ('pending', 'approved', 'processing', 'failed', 'in_doubt')
    ORDER BY p.uid FOR SHARE;
    PERFORM murallink.reroute(ARRAY(
        SELECT o.uid FROM murallink.payment p JOIN murallink.payout o ON o.payment_uid = p.uid
        WHERE p.enrollment_uid = NEW.uid));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.enrollment_reroute() IS 'Trigger: payouts that have not been claimed go the new way.';

CREATE FUNCTION murallink.contract_reroute() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink.reroute(murallink.unclaimed(NEW.uid, NULL));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.contract_reroute() IS
'Trigger: payouts that have not been claimed go the new way, where patients have chosen nothing.';

CREATE FUNCTION murallink.order_enrolled(enrollment_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO murallink_private.card (patient_uid, partner, program)
    SELECT DISTINCT e.patient_uid, p.name, p.settings ->> 'cust_prog_id'
    FROM murallink.enrollment e JOIN murallink.contract c ON c.uid = e.contract_uid
    JOIN murallink_private.payment_type t ON t.uid = coalesce(e.payment_type_uid, c.default_payment_type_uid)
    JOIN murallink_private.partner p ON p.name = t.partner AND p.settings ->> 'currency' = c.currency
    WHERE e.uid = ANY (enrollment_uids) AND e.status = 'enrolled' AND c.order_cards = 'enrollment'
    ORDER BY 1
    ON CONFLICT (patient_uid, partner, program) DO NOTHING;
END
$$;
COMMENT ON FUNCTION murallink.order_enrolled(murallink.ksuid[]) IS
'Sees to it that of these enrollments, those in contracts with order_cards = enrollment have a card, or one that is being ordered, where a partner that is set up, in the contract''s currency, pays the patient.';

CREATE FUNCTION murallink.partner_reroute() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO murallink_private.route_change (subject_uid) VALUES (NEW.uid);
    PERFORM murallink.reroute_partner(NEW.name);
    RETURN NULL;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    -- How a partner is called does not wait for who is at work on a payout: what waits goes on a little later.
    INSERT INTO murallink_private.route_change (subject_uid) VALUES (NEW.uid);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.partner_reroute() IS
'Trigger: what waits for a partner, or has not been claimed, goes on as the partner is set up now.';

CREATE FUNCTION murallink.enrollment_card() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    chosen text;
BEGIN
    -- Who turns the choice on waits for this, or this for him.
    SELECT c.order_cards INTO chosen FROM murallink.contract c WHERE c.uid = NEW.contract_uid FOR SHARE;
    IF chosen = 'enrollment' THEN
        PERFORM murallink.order_enrolled(ARRAY[NEW.uid]);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.enrollment_card() IS 'Trigger: a patient is enrolled, or has chosen how to be paid, and gets a card where the contract says so.';

CREATE FUNCTION murallink.contract_cards() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink.order_enrolled(ARRAY(SELECT e.uid FROM murallink.enrollment e WHERE e.contract_uid = NEW.uid));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.contract_cards() IS 'Trigger: the patients of a contract that now orders cards on enrollment get theirs.';

CREATE FUNCTION murallink.patient_reroute() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink_private.card SET status = 'waiting'
    WHERE patient_uid = NEW.uid AND (
        status = 'waiting' OR status = 'ready' AND NEW.email = '' AND murallink.phone_number(NEW.phone) IS NULL);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.patient_reroute() IS 'Trigger: a card that waited for the patient''s e-mail address or phone can be ordered, and one that was to be ordered waits where neither is left.';
