-- Cards that take the place of others.

CREATE TYPE murallink.card_replacement AS (
    card_uid murallink.ksuid, status murallink.payout_status, reason text, replaced_uid murallink.ksuid, in_flight bigint,
    waiting bigint, balance numeric);
COMMENT ON TYPE murallink.card_replacement IS
'A card and the one that it replaces. card_uid, status, reason: of the new card, as cards() shows it; in_flight: the loads and unloads of the old card that are being sent or in doubt, and end there; waiting: the payouts that go to the new card; balance: what is known to have been loaded on the old card and not unloaded, for operators.';

CREATE FUNCTION murallink_private.permit_card(patient_uid murallink.ksuid, permission murallink.permission) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    place murallink.enrollment;
BEGIN
    SELECT * INTO place FROM murallink.enrollment e
    WHERE e.patient_uid = murallink_private.required(permit_card.patient_uid, 'patient_uid')
        AND NOT murallink_private.patient_left(e.patient_uid, e.trial_uid, e.site_uid)
    ORDER BY murallink_private.permitted(permission, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid) DESC,
        murallink_private.visible(e.client_uid, e.contract_uid, e.trial_uid, e.site_uid) DESC LIMIT 1;
    IF NOT murallink_private.visible(place.client_uid, place.contract_uid, place.trial_uid, place.site_uid)
        AND murallink_private.patient_visible(permit_card.patient_uid) THEN
        PERFORM murallink_private.raise('forbidden', 'patient_uid');
    END IF;
    RETURN murallink_private.permit(permission, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, 'patient_uid');
END
$$;
COMMENT ON FUNCTION murallink_private.permit_card(murallink.ksuid, murallink.permission) IS
'Checks that the caller holds the permission on a trial at a site in which the patient is or was enrolled, and which was not left for another site, and returns the caller''s uid. Not on the patient''s site alone: the card has the money of trials. Errors: unauthenticated, missing_field, forbidden, not_found.';

CREATE FUNCTION murallink_private.card_to_unload(payout_uid murallink.ksuid, amount numeric, asked text) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Serializes with a replacement: a card that is unloaded is not replaced meanwhile.
    PERFORM FROM murallink_private.card c
    WHERE c.patient_uid = (SELECT o.patient_uid FROM murallink_private.payout o WHERE o.uid = card_to_unload.payout_uid)
    ORDER BY c.uid FOR SHARE;
    RETURN (
        SELECT c.uid FROM murallink_private.payout o JOIN murallink_private.card k ON k.uid = o.card_uid
        JOIN murallink_private.card c ON (c.patient_uid, c.partner, c.program) = (k.patient_uid, k.partner, k.program)
        WHERE o.uid = card_to_unload.payout_uid AND c.status = 'done' AND (c.ended_at = 'infinity'
            OR c.uid = k.uid AND (k.ended_reason = 'merged' OR asked <> '') AND murallink_private.card_balance(k.uid) >= card_to_unload.amount)
        -- A card that ended with a merge was not lost.
        ORDER BY c.proxy_key = asked, (c.ended_at = 'infinity') = (k.ended_reason = 'merged') LIMIT 1);
END
$$;
COMMENT ON FUNCTION murallink_private.card_to_unload(murallink.ksuid, numeric, text) IS
'The card from which an amount of a payout is taken back: the one that was loaded or, if that was replaced, the present one; if it only ended because its patient was merged into another one, still that one. asked: the key of the card from which it could not be taken the last time: then the other one of the two, if it is the present one, or as long as so much is known to be on it; null: it was not tried. Null if there is no such card yet.';

CREATE FUNCTION murallink_private.card_end(card_uid murallink.ksuid, reason text, note text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.card c
    SET ended_at = pg_catalog.clock_timestamp(), ended_reason = card_end.reason, ended_note = card_end.note
    WHERE c.uid = card_end.card_uid;
    PERFORM murallink_private.order_stop(card_end.card_uid);
    -- Waits for a claim, too.
    UPDATE murallink_private.call c SET status = 'cancelled', reason = 'the card was replaced'
    WHERE c.subject_uid = card_end.card_uid AND c.subject_uid <> c.uid AND c.operation = 'load_balance' AND c.status = 'ready' AND NOT c.suspect;
END
$$;
COMMENT ON FUNCTION murallink_private.card_end(murallink.ksuid, text, text) IS
'Ends a card: nothing new is loaded on it, and an order or the rest of a move of a balance that certainly was not sent is cancelled. Assumes that the card is locked.';

CREATE FUNCTION murallink_private.card_replaced(old murallink.ksuid, new murallink.ksuid) RETURNS murallink.card_replacement
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    replaced murallink.card_replacement;
BEGIN
    -- Waits for claims under way. What they have taken is in flight; the rest goes to the new card.
    PERFORM murallink_private.payouts_route(ARRAY(
        SELECT u FROM murallink_private.card_payouts(old) u JOIN murallink_private.payout o ON o.uid = u
        JOIN murallink_private.payment p ON p.uid = o.payment_uid AND p.status = 'approved'));
    SELECT c.uid, c.status, c.reason INTO replaced.card_uid, replaced.status, replaced.reason FROM murallink_private.card c WHERE c.uid = new;
    replaced.replaced_uid := old;
    replaced.in_flight := (
        SELECT pg_catalog.count(*) FROM murallink_private.card_payouts(old) u JOIN murallink_private.call l ON l.uid = u
        WHERE l.status IN ('claimed', 'in_doubt') OR l.status = 'ready' AND l.suspect
    ) + (
        SELECT pg_catalog.count(*) FROM murallink_private.card_calls(old) t WHERE t.status IN ('ready', 'claimed', 'in_doubt'));
    replaced.waiting := (
        SELECT pg_catalog.count(*) FROM murallink_private.card_payouts(new) u JOIN murallink_private.payout o ON o.uid = u
        JOIN murallink_private.payment p ON p.uid = o.payment_uid AND p.status = 'approved');
    IF murallink_private.caller_is_operator() THEN
        replaced.balance := murallink_private.card_balance(old);
    END IF;
    RETURN replaced;
END
$$;
COMMENT ON FUNCTION murallink_private.card_replaced(murallink.ksuid, murallink.ksuid) IS
'Routes the payouts of a card that has ended to the new card, and returns what replace_card() answers.';

CREATE FUNCTION murallink.replace_card(
    patient_uid murallink.ksuid DEFAULT NULL, reason text DEFAULT NULL, note text DEFAULT NULL, proxy_key text DEFAULT NULL
) RETURNS murallink.card_replacement
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator CONSTANT boolean := murallink_private.caller_is_operator();
    why CONSTANT text := NULLIF(replace_card.reason, '');
    said text;
    key text;
    old murallink_private.card;
    new murallink.ksuid;
BEGIN
    IF NOT operator THEN
        PERFORM murallink_private.permit_card(patient_uid, 'replace_card');
    END IF;
    said := murallink_private.checked_text(note, 'note', 1000, true);
    key := murallink_private.checked_text(proxy_key, 'proxy_key', 100, false);
    IF murallink_private.required(why, 'reason') NOT IN ('lost', 'stolen', 'expired', 'damaged', 'never_arrived') THEN
        PERFORM murallink_private.raise('invalid_value', 'reason', 'One of lost, stolen, expired, damaged and never_arrived.');
    ELSIF replace_card.proxy_key <> '' AND replace_card.proxy_key !~ '^0*[1-9][0-9]*$' THEN
        PERFORM murallink_private.raise('invalid_value', 'proxy_key', 'Digits only, and not only zeros.');
    END IF;
    -- card_begin() and payouts_route() need these locks, too. Take them before those of the payouts, as everywhere; and of
    -- the cards the one at once that their key needs.
    PERFORM FROM murallink.patient p WHERE p.uid = murallink_private.required(replace_card.patient_uid, 'patient_uid') FOR SHARE;
    PERFORM FROM murallink_private.card c WHERE c.patient_uid = replace_card.patient_uid ORDER BY c.uid FOR UPDATE;
    SELECT c.* INTO old FROM murallink_private.card c LEFT JOIN murallink_private.partner p ON p.name = c.partner
    WHERE c.patient_uid = replace_card.patient_uid AND c.ended_at = 'infinity'
    ORDER BY coalesce(p.settings ->> 'cust_prog_id' = c.program, false) DESC, c.created_at DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'patient_uid', 'The patient has no card. One is ordered before the first payment.');
    ELSIF key = '' AND old.status NOT IN ('done', 'declined') THEN
        PERFORM murallink_private.raise('already_exists', 'patient_uid', 'The new card is being ordered already.');
    ELSIF NOT operator AND (
        SELECT pg_catalog.count(*) FROM murallink_private.card c
        WHERE c.patient_uid = replace_card.patient_uid AND c.ended_reason NOT IN ('', 'merged'))
            >= pg_catalog.current_setting('murallink.card_replacements')::integer THEN
        PERFORM murallink_private.raise('forbidden', 'patient_uid',
            'This patient''s card was replaced as often as murallink.card_replacements allows: ask an operator.');
    ELSIF key <> '' AND EXISTS (
        SELECT FROM murallink_private.card c
        WHERE c.partner = old.partner AND c.status = 'done' AND pg_catalog.ltrim(c.proxy_key, '0') = pg_catalog.ltrim(key, '0')) THEN
        PERFORM murallink_private.raise('already_exists', 'proxy_key');
    END IF;
    PERFORM murallink_private.card_end(old.uid, why, said);
    IF key = '' THEN
        new := (murallink_private.card_begin(replace_card.patient_uid, old.partner, old.program)).uid;
    ELSE
        BEGIN
            INSERT INTO murallink_private.card AS c (patient_uid, partner, program, status, proxy_key, note, settled_at)
            VALUES (replace_card.patient_uid, old.partner, old.program, 'done', key, said, pg_catalog.clock_timestamp())
            RETURNING c.uid INTO new;
        EXCEPTION WHEN unique_violation THEN
            PERFORM murallink_private.raise('already_exists', 'proxy_key');
        END;
    END IF;
    RETURN murallink_private.card_replaced(old.uid, new);
END
$$;
COMMENT ON FUNCTION murallink.replace_card(murallink.ksuid, text, text, text) IS
'Replaces a patient''s card: from now on nothing new is loaded on the present one. Loads that are being sent or in doubt end there; payouts that wait go to the new card. reason: lost, stolen, expired, damaged or never_arrived; note: what happened; proxy_key: all digits of the key of a card that the patient was handed; empty: a card is ordered. Needs replace_card on a trial at a site in which the patient is or was enrolled, as often as murallink.card_replacements says; operators need neither. Errors: unauthenticated, forbidden (also if it has been replaced as often as that already: ask an operator), missing_field, too_long, invalid_value, not_found (also if the patient has no card), already_exists (the present card is still being ordered, or somebody has or had a card with this key).';
