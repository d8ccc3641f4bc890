-- Cards: when one can be ordered, its states, and a decision by a person.

CREATE FUNCTION murallink.card_person(patient_uid murallink.ksuid) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.jsonb_build_object('first_name', p.first_name, 'last_name', p.last_name,
        'phone', coalesce(murallink.phone_number(p.phone), ''), 'email', p.email)
    FROM murallink.patient p WHERE p.uid = card_person.patient_uid
$$;
COMMENT ON FUNCTION murallink.card_person(murallink.ksuid) IS
'What a partner who issues cards is told of a patient: a phone number only where it is clear which one it is, in E.164.';

CREATE FUNCTION murallink.card_route() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.task_uid IS NOT NULL THEN
        NEW.reason := 'bulk_order';
        RETURN NEW;
    END IF;
    -- The lock is for an address that is on its way: either it is seen here, or whoever brings it sees this card.
    SELECT CASE WHEN p.email = '' AND murallink.phone_number(p.phone) IS NULL THEN 'no_contact' ELSE '' END INTO NEW.reason
    FROM murallink.patient p WHERE p.uid = NEW.patient_uid FOR SHARE;
    IF NEW.reason = '' THEN
        NEW.status := 'ready';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.card_route() IS
'Trigger: a card is ready to be ordered once the patient can be told of it, unless it is ordered with others.';

CREATE FUNCTION murallink.card_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('waiting', 'ready'), ('ready', 'waiting'), ('ready', 'claimed'),
        ('waiting', 'done'), ('waiting', 'declined'), ('waiting', 'in_doubt'),
        ('claimed', 'done'), ('claimed', 'declined'), ('claimed', 'in_doubt'), ('claimed', 'waiting'), ('claimed', 'ready'),
        ('declined', 'waiting'), ('declined', 'ready'), ('declined', 'done'),
        ('in_doubt', 'waiting'), ('in_doubt', 'ready'), ('in_doubt', 'done'), ('in_doubt', 'declined'))
        OR OLD.status = 'waiting' AND NEW.status IN ('done', 'declined', 'in_doubt') AND OLD.task_uid IS NULL
    THEN
        PERFORM murallink.raise('wrong_status', 'card_uid');
    END IF;
    IF NEW.status = 'done' AND OLD.status IN ('waiting', 'claimed') AND EXISTS (
        SELECT FROM murallink_private.card c
        WHERE c.partner = NEW.partner AND (c.program = NEW.program OR c.patient_uid <> NEW.patient_uid) AND c.status = 'done'
        AND c.uid <> NEW.uid
        AND pg_catalog.ltrim(c.proxy_key, '0') = pg_catalog.ltrim(NEW.proxy_key, '0')) THEN
        NEW.status := 'in_doubt';
        NEW.reason := 'the answer has the key of another patient''s card';
        NEW.proxy_key := '';
    END IF;
    IF (NEW.uid, NEW.patient_uid, NEW.partner, NEW.program, NEW.created_at)
            <> (OLD.uid, OLD.patient_uid, OLD.partner, OLD.program, OLD.created_at)
        OR OLD.status = 'done' AND NEW.proxy_key <> OLD.proxy_key
    THEN
        PERFORM murallink.raise('append_only', 'card');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.card_step() IS
'Trigger: a card goes one allowed step at a time; one that was never claimed has an outcome only where it was ordered with others; it stays its patient''s, and one that can be loaded keeps its key. Where the partner answers with the key of another card, the order is in doubt. Errors: wrong_status, append_only.';

CREATE FUNCTION murallink.resolve_card(card_uid murallink.ksuid, ordered boolean, note text, proxy_key text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present murallink.payout_status;
BEGIN
    SELECT c.status INTO present FROM murallink_private.card c
    WHERE c.uid = murallink.required(resolve_card.card_uid, 'card_uid') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink.raise('not_found', 'card_uid');
    ELSIF present NOT IN ('declined', 'in_doubt') THEN
        PERFORM murallink.raise('wrong_status', 'card_uid');
    END IF;
    IF resolve_card.proxy_key <> '' AND resolve_card.proxy_key !~ '^[0-9]+$' THEN
        PERFORM murallink.raise('invalid_value', 'proxy_key');
    END IF;
    UPDATE murallink_private.card c
    SET status = CASE WHEN murallink.required(ordered, 'ordered') THEN 'done' ELSE 'waiting' END::murallink.payout_status,
        proxy_key = murallink.checked_text(resolve_card.proxy_key, 'proxy_key', 100, ordered),
        note = murallink.checked_text(resolve_card.note, 'note', 1000, true),
        reason = '', due_at = pg_catalog.clock_timestamp()
    WHERE c.uid = resolve_card.card_uid;
EXCEPTION WHEN unique_violation THEN
    PERFORM murallink.raise('already_exists', 'proxy_key');
END
$$;
COMMENT ON FUNCTION murallink.resolve_card(murallink.ksuid, boolean, text, text) IS
'Decides an order that was declined or is in doubt, after asking the partner. ordered: whether there is a card, whose proxy_key is then needed, all its digits; if not, it is ordered again. note: how this is known. For operators. Errors: missing_field, not_found, too_long, wrong_status, invalid_value; already_exists: the key is of another patient''s card.';
