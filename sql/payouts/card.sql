-- Cards: one for each patient in a partner's program, until it is replaced; each is ordered once.

CREATE FUNCTION murallink_private.card_person(patient_uid murallink.ksuid) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.jsonb_build_object('first_name', p.first_name, 'last_name', p.last_name,
        'phone', coalesce(murallink_private.phone_number(p.phone), ''), 'email', p.email)
    FROM murallink.patient p WHERE p.uid = card_person.patient_uid
$$;
COMMENT ON FUNCTION murallink_private.card_person(murallink.ksuid) IS
'What a card issuer gets about a patient: name, e-mail address, and the phone number in E.164, if it is unambiguous.';

CREATE FUNCTION murallink_private.card_profiles(patient_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.call_make(c.partner, 'card', c.uid, 'profile', '{}', true)
    FROM murallink.patient y JOIN murallink_private.card c ON c.patient_uid = y.uid JOIN murallink_private.partner p ON p.name = c.partner
    WHERE y.uid = card_profiles.patient_uid AND c.status = 'done' AND c.ended_at = 'infinity' AND c.person_id <> ''
        AND (p.settings ->> 'send_profile')::boolean
        -- An issuer refuses a profile without an e-mail address and a phone number.
        AND (y.email <> '' OR murallink_private.phone_number(y.phone) IS NOT NULL)
$$;
COMMENT ON FUNCTION murallink_private.card_profiles(murallink.ksuid) IS
'Sends a changed name, phone number or e-mail address of a patient to the partners that have issued a card, if their setting send_profile is on.';

CREATE FUNCTION murallink_private.last_of_month(year integer, month integer) RETURNS date
LANGUAGE sql IMMUTABLE
RETURN (pg_catalog.make_date(year, month, 1) + interval '1 month' - interval '1 day')::date;
COMMENT ON FUNCTION murallink_private.last_of_month(integer, integer) IS 'The last day of a month.';

CREATE FUNCTION murallink_private.card_expiry(shown text) RETURNS date
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN CASE
        WHEN shown ~ '^\d{4}-\d\d-\d\d([T ].*)?$'
            THEN pg_catalog.make_date(pg_catalog.left(shown, 4)::integer, pg_catalog.substr(shown, 6, 2)::integer, pg_catalog.substr(shown, 9, 2)::integer)
        WHEN shown ~ '^\d{4}-\d\d$' THEN murallink_private.last_of_month(pg_catalog.left(shown, 4)::integer, pg_catalog.right(shown, 2)::integer)
        WHEN shown ~ '^\d\d?/\d{4}$'
            THEN murallink_private.last_of_month(pg_catalog.right(shown, 4)::integer, pg_catalog.split_part(shown, '/', 1)::integer)
        WHEN shown ~ '^\d\d?/\d\d$'
            THEN murallink_private.last_of_month(2000 + pg_catalog.right(shown, 2)::integer, pg_catalog.split_part(shown, '/', 1)::integer)
        END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.card_expiry(text) IS
'The last day on which a card can be used, by a partner''s word: 2029-11-30, or the end of a month written 2029-11, 11/2029 or 11/29. Null for anything else, such as 1129 or 11/12/2029, which may mean several days.';

CREATE FUNCTION murallink_private.card_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM murallink_private.raise('append_only', 'card');
    END IF;
    IF NEW.status <> OLD.status AND (
        (OLD.status, NEW.status) NOT IN (
            ('waiting', 'ready'), ('ready', 'waiting'), ('waiting', 'done'), ('waiting', 'declined'), ('waiting', 'in_doubt'),
            ('ready', 'done'), ('ready', 'declined'), ('ready', 'in_doubt'),
            ('declined', 'waiting'), ('declined', 'ready'), ('declined', 'done'),
            ('in_doubt', 'waiting'), ('in_doubt', 'ready'), ('in_doubt', 'done'), ('in_doubt', 'declined'),
            ('waiting', 'cancelled'), ('ready', 'cancelled'))
        OR NEW.status IN ('waiting', 'ready') AND NEW.ended_at <> 'infinity'
        OR OLD.status = 'waiting' AND NEW.status IN ('done', 'declined', 'in_doubt') AND OLD.task_uid IS NULL
        -- Until its call has an outcome, the state of the order is unknown.
        OR OLD.status = 'ready' AND NOT EXISTS (
            SELECT FROM murallink_private.call c WHERE c.uid = NEW.uid AND (
                c.status = NEW.status OR NEW.status = 'waiting' AND c.status = 'ready')))
    THEN
        PERFORM murallink_private.raise('wrong_status', 'card_uid');
    END IF;
    IF (NEW.uid, NEW.partner, NEW.program, NEW.created_at) <> (OLD.uid, OLD.partner, OLD.program, OLD.created_at)
        OR NEW.patient_uid <> OLD.patient_uid AND NOT murallink_private.merged_into(OLD.patient_uid, NEW.patient_uid)
        OR OLD.status = 'done' AND NEW.proxy_key <> OLD.proxy_key
        OR OLD.ended_at <> 'infinity' AND (NEW.ended_at, NEW.ended_reason, NEW.ended_note) <> (OLD.ended_at, OLD.ended_reason, OLD.ended_note)
    THEN
        PERFORM murallink_private.raise('append_only', 'card');
    END IF;
    NEW.attempt := OLD.attempt + (OLD.status IN ('waiting', 'ready') AND NEW.status IN ('declined', 'in_doubt'))::integer;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.card_guard() IS
'Trigger: checks the rules of cards, and counts the orders that were declined or are in doubt. The status changes only in allowed steps, and after an order only as its call has ended; a card that was never ordered itself gets an outcome only from a bulk order. Cards are not deleted and keep their patient, unless that one is merged into another one; a card that can be loaded keeps its key; one that was replaced is not ordered again, and stays replaced. Errors: wrong_status, append_only.';

CREATE FUNCTION murallink_private.card_of_another(card_uid murallink.ksuid, proxy_key text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN c.patient_uid = k.patient_uid THEN 'the answer has the key of another card of this patient'
        ELSE 'the answer has the key of another patient''s card' END
    FROM murallink_private.card k JOIN murallink_private.card c ON c.partner = k.partner AND c.uid <> k.uid AND c.status = 'done'
        AND pg_catalog.ltrim(c.proxy_key, '0') = pg_catalog.ltrim(card_of_another.proxy_key, '0')
    WHERE k.uid = card_of_another.card_uid
$$;
COMMENT ON FUNCTION murallink_private.card_of_another(murallink.ksuid, text) IS
'Why the key that a partner answers for a card cannot be its key: it belongs to another card, or did until that was replaced. Null if it can.';

CREATE FUNCTION murallink_private.card_send(card_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_card murallink_private.card;
    reached boolean;
BEGIN
    SELECT * INTO the_card FROM murallink_private.card c
    WHERE c.uid = card_uid AND c.status IN ('waiting', 'ready') AND c.task_uid IS NULL AND c.ended_at = 'infinity';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- Serializes with a change of the address: either it is visible here, or the change sees this card.
    SELECT p.email <> '' OR murallink_private.phone_number(p.phone) IS NOT NULL INTO reached
    FROM murallink.patient p WHERE p.uid = the_card.patient_uid FOR SHARE;
    IF NOT reached THEN
        UPDATE murallink_private.call c SET status = 'waiting' WHERE c.uid = card_uid AND c.status IN ('ready', 'declined', 'in_doubt');
        UPDATE murallink_private.card c SET status = 'waiting', reason = 'no_contact'
        WHERE c.uid = card_uid AND c.reason <> 'no_contact'
            AND NOT EXISTS (SELECT FROM murallink_private.call k WHERE k.uid = c.uid AND k.status = 'claimed');
        RETURN;
    END IF;
    UPDATE murallink_private.card c SET status = 'ready', reason = '' WHERE c.uid = card_uid AND (c.status, c.reason) <> ('ready', '');
    IF NOT EXISTS (SELECT FROM murallink_private.call c WHERE c.uid = card_uid) THEN
        PERFORM murallink_private.call_make_own(the_card.partner, 'card', card_uid, 'order', the_card.suspect);
    ELSE
        PERFORM murallink_private.call_again(ARRAY(
            SELECT c.uid FROM murallink_private.call c WHERE c.uid = card_uid AND c.status IN ('waiting', 'declined', 'in_doubt')));
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.card_send(murallink.ksuid) IS
'Orders a card if the patient has an e-mail address or phone number, unless it is part of a bulk order.';

CREATE FUNCTION murallink_private.card_begin(
    patient_uid murallink.ksuid, partner text, program text, OUT uid murallink.ksuid, OUT status murallink.payout_status, OUT reason text
)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- card_send() needs this lock, too. Take it before that of the card, as a change of the patient does.
    PERFORM FROM murallink.patient p
    WHERE p.uid = card_begin.patient_uid AND NOT EXISTS (
        SELECT FROM murallink_private.card c
        WHERE c.patient_uid = p.uid AND c.partner = card_begin.partner AND c.program = card_begin.program AND c.ended_at = 'infinity')
    FOR SHARE;
    INSERT INTO murallink_private.card AS c (patient_uid, partner, program)
    VALUES (card_begin.patient_uid, card_begin.partner, card_begin.program)
    ON CONFLICT ON CONSTRAINT card_present DO NOTHING RETURNING c.uid INTO uid;
    IF FOUND THEN
        PERFORM murallink_private.card_send(uid);
    END IF;
    SELECT c.uid, c.status, c.reason INTO uid, status, reason FROM murallink_private.card c
    WHERE c.patient_uid = card_begin.patient_uid AND c.partner = card_begin.partner AND c.program = card_begin.program
        AND c.ended_at = 'infinity' FOR SHARE;
END
$$;
COMMENT ON FUNCTION murallink_private.card_begin(murallink.ksuid, text, text) IS
'Returns the present card of a patient in a program; orders one if there is none.';

CREATE FUNCTION murallink_private.cards_lock(cards murallink.ksuid[]) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT FROM murallink_private.card c
    WHERE c.patient_uid IN (SELECT k.patient_uid FROM murallink_private.card k WHERE k.uid = ANY (cards))
    ORDER BY c.uid FOR NO KEY UPDATE NOWAIT
$$;
COMMENT ON FUNCTION murallink_private.cards_lock(murallink.ksuid[]) IS
'Locks cards for what changes them and routes their payouts, without waiting: with the other cards of the patients, which payouts_lock_ways() would wait for.';

CREATE FUNCTION murallink_private.order_stop(card_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Waits for a claim; what is claimed ends with its outcome.
    UPDATE murallink_private.call o SET status = 'cancelled' WHERE o.uid = card_uid AND o.status IN ('waiting', 'ready');
    UPDATE murallink_private.card c SET status = 'cancelled', reason = ''
    WHERE c.uid = card_uid AND c.task_uid IS NULL AND (c.status = 'waiting' OR c.status = 'ready' AND EXISTS (
        SELECT FROM murallink_private.call o WHERE o.uid = card_uid AND o.status = 'cancelled'));
END
$$;
COMMENT ON FUNCTION murallink_private.order_stop(murallink.ksuid) IS
'Cancels the order of a card that was replaced, unless it may have been sent. A bulk order leaves the card out when it is sent.';

CREATE FUNCTION murallink_private.cards_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE sql VOLATILE AS $$
    WITH free AS MATERIALIZED (
        SELECT c.uid, c.program, c.patient_uid FROM murallink_private.card c
        WHERE c.uid = ANY (calls) AND c.status = 'ready' AND c.ended_at = 'infinity' FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT f.uid, 'order', pg_catalog.jsonb_build_object('program', f.program) || murallink_private.card_person(f.patient_uid), '' FROM free f
$$;
COMMENT ON FUNCTION murallink_private.cards_ask(murallink.ksuid[]) IS 'What to send to order cards.';

CREATE FUNCTION murallink_private.card_judge(ended murallink.call_state) RETURNS murallink.call_state
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    wrong CONSTANT text := murallink_private.card_of_another(ended.uid, ended.facts ->> 'proxy_key');
BEGIN
    IF ended.status = 'done' AND wrong IS NOT NULL THEN
        ended.status := 'in_doubt';
        ended.reason := wrong;
    END IF;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.card_judge(murallink.call_state) IS
'The status of an order after an attempt: in doubt if the partner answers with the key of another card.';
