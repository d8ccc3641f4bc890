-- Dash: digital and physical cards.

CREATE FUNCTION murallink_private.dash_params(patient_uid murallink.ksuid) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    params jsonb;
BEGIN
    SELECT pg_catalog.jsonb_build_object(
        'card_uid', c.uid, 'program', c.program, 'proxy_key', c.proxy_key, 'order_id', c.order_id)
    INTO params
    FROM murallink_private.card c
    JOIN murallink_private.partner p ON p.name = c.partner AND p.settings ->> 'cust_prog_id' = c.program
    WHERE c.patient_uid = murallink_private.required(dash_params.patient_uid, 'patient_uid') AND c.partner = 'dash' AND c.status = 'done'
        AND c.ended_at = 'infinity';
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'patient_uid');
    END IF;
    RETURN params;
END
$$;
COMMENT ON FUNCTION murallink_private.dash_params(murallink.ksuid) IS
'The params by which Dash identifies a patient''s card of the current program. Errors: missing_field, not_found.';

CREATE FUNCTION murallink.resend_card_link(
    patient_uid murallink.ksuid DEFAULT NULL, method text DEFAULT NULL
) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    params CONSTANT jsonb := murallink_private.dash_params(patient_uid);
BEGIN
    IF murallink_private.required(method, 'method') NOT IN ('email', 'sms') THEN
        PERFORM murallink_private.raise('invalid_value', 'method', 'One of email and sms.');
    END IF;
    RETURN murallink_private.task_begin('dash', 'alert', params || pg_catalog.jsonb_build_object('method', method), false, 'card',
        (params ->> 'card_uid')::murallink.ksuid);
END
$$;
COMMENT ON FUNCTION murallink.resend_card_link(murallink.ksuid, text) IS
'Makes Dash send the link to the digital card to a patient again. method: email or sms. For operators. Errors: missing_field, not_found, invalid_value.';

CREATE FUNCTION murallink.ask_card(
    patient_uid murallink.ksuid DEFAULT NULL, question text DEFAULT NULL
) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    params CONSTANT jsonb := murallink_private.dash_params(patient_uid);
BEGIN
    IF murallink_private.required(question, 'question') NOT IN ('details', 'shipping', 'tracking')
        OR question = 'tracking' AND params ->> 'order_id' = '' THEN
        PERFORM murallink_private.raise('invalid_value', 'question', 'One of details, shipping and, once there is an order, tracking.');
    END IF;
    RETURN murallink_private.task_begin('dash', question, params, true, 'card', (params ->> 'card_uid')::murallink.ksuid);
END
$$;
COMMENT ON FUNCTION murallink.ask_card(murallink.ksuid, text) IS
'Requests information about a patient''s card from Dash; partner_tasks() shows the answer. question: details of the order, shipping of the card, or tracking of all cards of the order. For operators. Errors: missing_field, not_found, invalid_value.';

CREATE FUNCTION murallink_private.shipment_rank(status text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT
RETURN CASE
    WHEN status COLLATE "C" ~* 'return|undeliver|refused' THEN 4
    WHEN status COLLATE "C" ~* 'delivered' AND status COLLATE "C" !~* '(\m(not|be|being|for|attempt\w*)\M.*|un|re)delivered' THEN 3
    WHEN status COLLATE "C" ~* 'shipped|transit|dispatched|mailed' AND status COLLATE "C" !~* '\mnot\M|\mbe\M|label|pending' THEN 2
    WHEN status COLLATE "C" ~* 'order|process|print|pending|creat' THEN 1
    WHEN status = '' THEN 0
    ELSE 2 END;
COMMENT ON FUNCTION murallink_private.shipment_rank(text) IS
'The progress of a shipment by the partner''s word for its status: ordered, shipped, delivered, returned. An unknown status counts as shipped.';

CREATE FUNCTION murallink_private.tracking_key(number text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
RETURN murallink_private.lowered(pg_catalog.regexp_replace(number, '[^0-9A-Za-z]', '', 'g'));
COMMENT ON FUNCTION murallink_private.tracking_key(text) IS
'The form in which tracking numbers are compared: without blanks and dashes.';

CREATE FUNCTION murallink_private.record_shipment(card_uid murallink.ksuid, status text, carrier text, tracking_number text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    heard CONSTANT murallink_private.card_shipment := ROW(
        NULL, record_shipment.card_uid, coalesce(record_shipment.status, ''), coalesce(record_shipment.carrier, ''),
        coalesce(record_shipment.tracking_number, ''), clock_timestamp());
    present murallink_private.card_shipment;
    another boolean;
BEGIN
    -- Serializes events about the same card.
    PERFORM FROM murallink_private.card c WHERE c.uid = heard.card_uid FOR NO KEY UPDATE;
    SELECT * INTO present FROM murallink_private.card_shipment s WHERE s.card_uid = heard.card_uid;
    another := present.tracking_number <> '' AND heard.tracking_number <> ''
        AND murallink_private.tracking_key(heard.tracking_number) <> murallink_private.tracking_key(present.tracking_number);
    IF present.card_uid IS NULL THEN
        INSERT INTO murallink_private.card_shipment (card_uid, status, carrier, tracking_number)
        VALUES (heard.card_uid, heard.status, heard.carrier, heard.tracking_number);
    ELSIF another AND NOT EXISTS (
        SELECT FROM murallink_private.card_shipment_event e
        WHERE e.card_uid = heard.card_uid
            AND murallink_private.tracking_key(e.tracking_number) = murallink_private.tracking_key(heard.tracking_number)) THEN
        -- Another shipment of the card.
        UPDATE murallink_private.card_shipment s
        SET status = heard.status, carrier = heard.carrier, tracking_number = heard.tracking_number, heard_at = heard.heard_at
        WHERE s.card_uid = heard.card_uid;
    ELSIF NOT another AND (
        heard.status = ''
        OR murallink_private.shipment_rank(heard.status) >= murallink_private.shipment_rank(present.status)) THEN
        UPDATE murallink_private.card_shipment s
        SET status = coalesce(NULLIF(heard.status, ''), s.status), carrier = coalesce(NULLIF(heard.carrier, ''), s.carrier),
            tracking_number = coalesce(NULLIF(heard.tracking_number, ''), s.tracking_number), heard_at = heard.heard_at
        WHERE s.card_uid = heard.card_uid;
    END IF;
    INSERT INTO murallink_private.card_shipment_event (card_uid, status, carrier, tracking_number)
    VALUES (heard.card_uid, heard.status, heard.carrier, heard.tracking_number);
END
$$;
COMMENT ON FUNCTION murallink_private.record_shipment(murallink.ksuid, text, text, text) IS
'Stores an event about the shipment of a physical card, and the state of the shipment. A late event of an earlier step or shipment does not change the state; missing details stay unchanged.';

CREATE FUNCTION murallink_private.dash_shipments_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.record_shipment(c.uid, f.shipping_status, f.carrier, f.tracking_number)
    FROM murallink_private.call a CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(a.facts -> 'cards') AS f(
        proxy_key text, shipping_status text, carrier text, tracking_number text)
    JOIN murallink_private.card c ON c.partner = 'dash' AND c.program = a.params ->> 'program'
        AND pg_catalog.ltrim(c.proxy_key, '0') = pg_catalog.ltrim(f.proxy_key, '0')
    WHERE a.uid = ANY (calls) AND a.status = 'done' AND f.shipping_status <> '';
END
$$;
COMMENT ON FUNCTION murallink_private.dash_shipments_follow(murallink.ksuid[]) IS
'Stores Dash''s answers about shipments.';

CREATE FUNCTION murallink.dash_shipping_update(jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_order CONSTANT text := coalesce($1 ->> 'orderId', '');
    the_card CONSTANT text := coalesce($1 ->> 'proxyKey', '');
    the_status CONSTANT text := murallink_private.checked_text($1 ->> 'status', 'status', 100, false);
    the_carrier CONSTANT text := murallink_private.checked_text($1 ->> 'carrier', 'carrier', 100, false);
    the_number CONSTANT text := murallink_private.checked_text($1 ->> 'trackingNumber', 'trackingNumber', 100, false);
    addressed murallink.ksuid[];
BEGIN
    PERFORM murallink_private.webhook_checked('dash', $1 ->> 'accessKey', 'accessKey');
    addressed := ARRAY(
        SELECT c.uid FROM murallink_private.card c
        WHERE c.partner = 'dash' AND (the_order, the_card) <> ('', '')
        -- A card of a bulk order may be shipped before its key is known. Keys are compared without leading
        -- zeros, which JSON numbers lose.
        AND (the_card = '' OR c.status = 'done' AND pg_catalog.ltrim(the_card, '0') = pg_catalog.ltrim(c.proxy_key, '0'))
        AND the_order IN ('', c.order_id) ORDER BY c.uid);
    IF addressed = '{}' THEN
        PERFORM murallink_private.raise('not_found', 'proxyKey', 'No card has this key or this number of an order.');
    END IF;
    PERFORM murallink_private.record_shipment(a, the_status, the_carrier, the_number) FROM pg_catalog.unnest(addressed) AS a;
END
$$;
COMMENT ON FUNCTION murallink.dash_shipping_update(jsonb) IS
'Dash''s webhook for the shipment of one card or of the cards of an order, in any order and any number of times: a late event does not undo a later step. The body has accessKey (the secret webhook_access_key), orderId or proxyKey, status, carrier, trackingNumber. Errors: wrong_access_key, not_found, too_long, invalid_value.';

CREATE TYPE murallink.card_info AS (
    uid murallink.ksuid, patient_uid murallink.ksuid, partner text, program text, status murallink.payout_status, reason text,
    attempt integer, order_id text, shipping_status text, carrier text, tracking_number text,
    since timestamptz, until timestamptz, ended_reason text, ended_note text, expires_on date);
COMMENT ON TYPE murallink.card_info IS
'A card, as operators see it. since: when it was made; until: when it was replaced, null for the present card; ended_reason, ended_note: why; expires_on: the last day on which it can be used, if Dash has answered it.';

CREATE FUNCTION murallink.cards(patient_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.card_info
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.uid, c.patient_uid, c.partner, c.program, c.status, c.reason, c.attempt, c.order_id, s.status, s.carrier, s.tracking_number,
        c.created_at, NULLIF(c.ended_at, 'infinity'), c.ended_reason, c.ended_note, c.expires_on
    FROM murallink_private.card c LEFT JOIN murallink_private.card_shipment s ON s.card_uid = c.uid
    WHERE c.patient_uid = coalesce(cards.patient_uid, c.patient_uid) ORDER BY c.created_at, c.uid
$$;
COMMENT ON FUNCTION murallink.cards(murallink.ksuid) IS
'The cards, oldest first, those that were replaced included, with the state of their shipment. patient_uid: only the cards of this patient; null: all. For operators.';

CREATE FUNCTION murallink.cards_expiring(days integer DEFAULT 60) RETURNS SETOF murallink.card_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF murallink_private.required(days, 'days') NOT BETWEEN 0 AND 36500 THEN
        PERFORM murallink_private.raise('invalid_value', 'days', 'A number from 0 to 36500.');
    END IF;
    RETURN QUERY
    SELECT i.* FROM murallink_private.card c, LATERAL murallink.cards(c.patient_uid) i
    WHERE c.ended_at = 'infinity' AND c.expires_on <= (clock_timestamp() AT TIME ZONE 'UTC')::date + days AND i.uid = c.uid
    ORDER BY c.expires_on, c.uid;
END
$$;
COMMENT ON FUNCTION murallink.cards_expiring(integer) IS
'The present cards that expire within so many days or have expired, the first to expire first, as cards() shows them. Only cards whose last day Dash has answered: see ask_card(). days: 0: up to today. For operators. Errors: missing_field, invalid_value.';

CREATE FUNCTION murallink_private.dash_details_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.card c SET expires_on = murallink_private.card_expiry(f.expires_on)
    FROM murallink_private.call a CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(a.facts -> 'cards') AS f(proxy_key text, expires_on text)
    WHERE a.uid = ANY (calls) AND a.status = 'done' AND c.partner = 'dash' AND c.status = 'done'
        AND pg_catalog.ltrim(c.proxy_key, '0') = pg_catalog.ltrim(f.proxy_key, '0')
        AND murallink_private.card_expiry(f.expires_on) IS DISTINCT FROM c.expires_on AND murallink_private.card_expiry(f.expires_on) IS NOT NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.dash_details_follow(murallink.ksuid[]) IS 'Stores what Dash''s details say about when cards expire.';

CREATE FUNCTION murallink.order_cards(patient_uids murallink.ksuid[] DEFAULT NULL) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    wanted CONSTANT murallink.ksuid[] := ARRAY(
        SELECT DISTINCT u FROM pg_catalog.unnest(murallink_private.required(patient_uids, 'patient_uids')) AS u ORDER BY 1);
    bulk murallink.task_info;
    the_program text;
BEGIN
    IF pg_catalog.cardinality(wanted) NOT BETWEEN 1 AND 500 THEN
        PERFORM murallink_private.raise('invalid_value', 'patient_uids', 'From 1 to 500 patients.');
    ELSIF EXISTS (
        SELECT FROM pg_catalog.unnest(wanted) AS w LEFT JOIN murallink.patient p ON p.uid = w WHERE p.uid IS NULL) THEN
        PERFORM murallink_private.raise('not_found', 'patient_uids');
    END IF;
    -- card_begin() needs these locks, too. Take them before those of the cards, as a change of a patient does.
    PERFORM FROM murallink.patient p WHERE p.uid = ANY (wanted) ORDER BY p.uid FOR SHARE;
    LOCK TABLE murallink_private.partner IN SHARE MODE;
    SELECT p.settings ->> 'cust_prog_id' INTO the_program FROM murallink_private.partner p WHERE p.name = 'dash';
    bulk := murallink_private.task_begin('dash', 'bulk_order', pg_catalog.jsonb_build_object('program', the_program), false);
    -- Not for the others, because two orders that have a lock of the same card for reading could not change it.
    PERFORM murallink_private.card_begin(w, 'dash', the_program) FROM pg_catalog.unnest(wanted) AS w
    WHERE NOT EXISTS (
        SELECT FROM murallink_private.card c WHERE c.patient_uid = w AND c.partner = 'dash' AND c.program = the_program);
    -- Waits for cards that the worker is ordering, and leaves them out.
    PERFORM FROM murallink_private.card c
    WHERE c.patient_uid = ANY (wanted) AND c.partner = 'dash' AND c.program = the_program AND c.ended_at = 'infinity'
    ORDER BY c.uid FOR NO KEY UPDATE;
    UPDATE murallink_private.call k SET status = 'waiting'
    FROM murallink_private.card c
    WHERE k.uid = c.uid AND k.status IN ('ready', 'declined') AND c.patient_uid = ANY (wanted) AND c.partner = 'dash'
        AND c.program = the_program AND c.ended_at = 'infinity' AND c.status IN ('ready', 'declined');
    UPDATE murallink_private.card c SET status = 'waiting', reason = 'bulk_order', task_uid = bulk.uid
    WHERE c.patient_uid = ANY (wanted) AND c.partner = 'dash' AND c.program = the_program AND c.ended_at = 'infinity'
        AND c.status IN ('ready', 'declined')
        AND NOT EXISTS (SELECT FROM murallink_private.call k WHERE k.uid = c.uid AND k.status <> 'waiting');
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('wrong_status', 'patient_uids');
    END IF;
    RETURN bulk;
END
$$;
COMMENT ON FUNCTION murallink.order_cards(murallink.ksuid[]) IS
'Orders cards for up to 500 patients in one call, instead of one by one. Leaves out patients who have a card, or one that is being ordered or in doubt; the card of a patient without an e-mail address and phone number waits for one. If the order is declined, its cards are, and can be in another order. If it is in doubt, decide each card with resolve_card(), or all open ones with resolve_task() and done = false. For operators. Errors: missing_field, invalid_value, not_found, wrong_status.';

CREATE FUNCTION murallink_private.dash_bulk_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Nothing of this order has arrived at Dash yet, so leave out cards that were replaced, and patients who have lost
    -- their address.
    UPDATE murallink_private.card c SET status = 'cancelled', reason = '', task_uid = NULL
    WHERE c.task_uid = ANY (calls) AND c.ended_at <> 'infinity';
    UPDATE murallink_private.card c SET reason = 'no_contact', task_uid = NULL
    FROM murallink.patient p
    WHERE c.task_uid = ANY (calls) AND p.uid = c.patient_uid AND p.email = '' AND murallink_private.phone_number(p.phone) IS NULL;
    UPDATE murallink_private.call b SET params = b.params || pg_catalog.jsonb_build_object('rows', (
        SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('card_uid', c.uid)
            || murallink_private.card_person(c.patient_uid) ORDER BY c.uid), '[]')
        FROM murallink_private.card c WHERE c.task_uid = b.uid))
    WHERE b.uid = ANY (calls);
    RETURN QUERY SELECT b.uid, b.operation, b.params, '' FROM murallink_private.call b WHERE b.uid = ANY (calls);
END
$$;
COMMENT ON FUNCTION murallink_private.dash_bulk_ask(murallink.ksuid[]) IS
'What to send for a bulk order: the current data of its patients, which are stored to assign the keys in the answer.';

CREATE FUNCTION murallink_private.dash_bulk_order_follow(bulk murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    concerned CONSTANT murallink.ksuid[] := ARRAY(
        SELECT r.card_uid FROM pg_catalog.jsonb_to_recordset(bulk.params -> 'rows') AS r(card_uid murallink.ksuid));
BEGIN
    -- Do not wait for locks, because the worker must read answers. If this fails, the outcome is kept and
    -- applied later.
    PERFORM murallink_private.cards_lock(concerned || ARRAY(
        SELECT c.uid FROM murallink_private.card c WHERE c.task_uid = bulk.uid));
    IF bulk.status = 'done' THEN
        UPDATE murallink_private.card c SET order_id = bulk.facts ->> 'order_id' WHERE c.task_uid = bulk.uid;
        PERFORM murallink_private.call_make(bulk.partner, 'call', bulk.uid, 'bulk_details',
            pg_catalog.jsonb_build_object('order_id', bulk.facts ->> 'order_id'), true,
            due_at => pg_catalog.clock_timestamp() + '1 s')
        WHERE EXISTS (SELECT FROM murallink_private.card c WHERE c.task_uid = bulk.uid);
    ELSIF bulk.note = '' THEN
        UPDATE murallink_private.card c
        SET status = bulk.status, reason = bulk.reason, settled_at = bulk.settled_at, task_uid = NULL WHERE c.task_uid = bulk.uid;
    ELSE
        -- The cards that are in doubt because of this order.
        UPDATE murallink_private.card c SET status = 'declined', note = bulk.note
        WHERE c.uid = ANY (concerned) AND c.status = 'in_doubt' AND c.settled_at = bulk.settled_at;
    END IF;
    PERFORM murallink_private.payouts_of_cards(concerned);
END
$$;
COMMENT ON FUNCTION murallink_private.dash_bulk_order_follow(murallink.call_state) IS
'Applies the outcome of a bulk order to its cards, and requests their keys if it is done. A note means that a person has decided it.';

CREATE FUNCTION murallink_private.dash_bulk_details_follow(details murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    sent CONSTANT jsonb := (SELECT b.params -> 'rows' FROM murallink_private.call b WHERE b.uid = details.subject_uid);
    asked_at CONSTANT timestamptz := (SELECT d.created_at FROM murallink_private.call d WHERE d.uid = details.uid);
    missing bigint;
BEGIN
    -- As above.
    PERFORM murallink_private.cards_lock(ARRAY(SELECT c.uid FROM murallink_private.card c WHERE c.task_uid = details.subject_uid));
    -- A row belongs to a patient if all that it shows of a person was sent for this patient and for no other.
    WITH shown AS (
        SELECT s.*, count(*) OVER (PARTITION BY s.proxy_key) AS keys
        FROM ROWS FROM (pg_catalog.jsonb_to_recordset(details.facts -> 'ordered') AS (
            proxy_key text, person_id text, first_name text, last_name text, phone text, email text, expires_on text))
            WITH ORDINALITY AS s(proxy_key, person_id, first_name, last_name, phone, email, expires_on, place)
    ), pair AS (
        SELECT r.card_uid, s.proxy_key, s.person_id, s.expires_on, s.keys, count(*) OVER (PARTITION BY r.card_uid) AS rows,
            count(*) OVER (PARTITION BY s.place) AS patients
        FROM pg_catalog.jsonb_to_recordset(sent) AS r(
            card_uid murallink.ksuid, first_name text, last_name text, phone text, email text)
        JOIN shown s ON coalesce(s.email, s.phone, s.first_name || s.last_name) IS NOT NULL
            AND coalesce(murallink_private.lowered(s.email) = murallink_private.lowered(r.email), true)
            AND coalesce(murallink_private.phone_or_digits(s.phone) = murallink_private.phone_or_digits(r.phone), true)
            AND coalesce(murallink_private.label_key(s.first_name) = murallink_private.label_key(r.first_name), true)
            AND coalesce(murallink_private.label_key(s.last_name) = murallink_private.label_key(r.last_name), true)
    )
    UPDATE murallink_private.card c
    SET status = CASE WHEN p.wrong IS NULL THEN 'done' ELSE 'in_doubt' END::murallink.payout_status,
        reason = coalesce(p.wrong, ''),
        proxy_key = CASE WHEN p.wrong IS NULL THEN p.proxy_key ELSE '' END, person_id = p.person_id,
        expires_on = murallink_private.card_expiry(p.expires_on), settled_at = details.settled_at, task_uid = NULL
    FROM (SELECT r.*, murallink_private.card_of_another(r.card_uid, r.proxy_key) AS wrong FROM pair r) p
    WHERE c.uid = p.card_uid AND c.task_uid = details.subject_uid AND p.proxy_key ~ '^[0-9]+$' AND p.person_id <> ''
        AND (p.rows, p.patients, p.keys) = (1, 1, 1);
    SELECT pg_catalog.jsonb_array_length(sent)
        - count(*) FILTER (WHERE s.proxy_key <> '' AND s.person_id <> '') INTO missing
    FROM pg_catalog.jsonb_to_recordset(details.facts -> 'ordered') AS s(proxy_key text, person_id text);
    IF missing > 0 AND asked_at > pg_catalog.clock_timestamp() - interval '1 day' THEN
        PERFORM murallink_private.call_again(ARRAY[details.uid], murallink_private.due_after('not_sent', details.attempt));
    ELSE
        UPDATE murallink_private.card c
        SET status = 'in_doubt', reason = 'the details of the order do not show which card it is', settled_at = details.settled_at,
            task_uid = NULL
        WHERE c.task_uid = details.subject_uid;
    END IF;
    PERFORM murallink_private.payouts_of_cards(ARRAY(
        SELECT r.card_uid FROM pg_catalog.jsonb_to_recordset(sent) AS r(card_uid murallink.ksuid)));
END
$$;
COMMENT ON FUNCTION murallink_private.dash_bulk_details_follow(murallink.call_state) IS
'Sets the keys of the cards of a bulk order by Dash''s answer. Repeats the request until all are known, for a day; after that, cards that cannot be assigned are in doubt, and a person decides.';

CREATE FUNCTION murallink_private.dash_bulk_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM CASE c.operation WHEN 'bulk_order' THEN murallink_private.dash_bulk_order_follow(c) ELSE murallink_private.dash_bulk_details_follow(c) END
    FROM murallink_private.calls(calls) c WHERE c.status <> 'ready';
END
$$;
COMMENT ON FUNCTION murallink_private.dash_bulk_follow(murallink.ksuid[]) IS
'Applies the outcomes of bulk orders and the answers about their cards.';

CREATE FUNCTION murallink.refresh_dash() RETURNS SETOF murallink.task_info
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.* FROM pg_catalog.unnest('{customers,programs,accounts}'::text[]) AS operation,
        LATERAL murallink_private.task_begin('dash', operation, '{}', true) AS t
$$;
COMMENT ON FUNCTION murallink.refresh_dash() IS
'Requests Dash''s lists of customers, programs and virtual funding accounts, for reconcile_funding(). For operators. Errors: not_found.';

CREATE FUNCTION murallink_private.dash_list(listing murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    of_kind CONSTANT text := pg_catalog.rtrim(listing.operation, 's');
BEGIN
    DELETE FROM murallink_private.dash_record r
    WHERE r.kind = of_kind AND r.id NOT IN (
        SELECT f.id FROM pg_catalog.jsonb_to_recordset(listing.facts -> listing.operation) AS f(id text) WHERE f.id <> '')
        -- An empty list says nothing.
        AND pg_catalog.jsonb_array_length(listing.facts -> listing.operation) > 0;
    INSERT INTO murallink_private.dash_record (kind, id, name, balance)
    SELECT DISTINCT ON (f.id) of_kind, f.id, coalesce(f.name, ''),
        CASE WHEN f.balance ~ '^-?[0-9]+(\.[0-9]+)?$' THEN f.balance::numeric END
    FROM pg_catalog.jsonb_to_recordset(listing.facts -> listing.operation) AS f(id text, name text, balance text) WHERE f.id <> ''
    ON CONFLICT (kind, id) DO UPDATE SET name = EXCLUDED.name, balance = EXCLUDED.balance, heard_at = EXCLUDED.heard_at;
END
$$;
COMMENT ON FUNCTION murallink_private.dash_list(murallink.call_state) IS
'Stores a list of customers, programs or accounts.';

CREATE FUNCTION murallink_private.dash_lists_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.dash_list(c) FROM murallink_private.calls(calls) c WHERE c.status = 'done';
END
$$;
COMMENT ON FUNCTION murallink_private.dash_lists_follow(murallink.ksuid[]) IS 'Stores the lists in Dash''s answers.';

CREATE FUNCTION murallink.reconcile_funding(OUT subject text, OUT problem text) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH dash AS (
        SELECT p.settings, p.settings ->> 'currency' AS currency FROM murallink_private.partner p WHERE p.name = 'dash'
    ), books AS (
        SELECT coalesce(pg_catalog.sum(b.available + b.reserved), 0) AS held
        FROM murallink.fund_balance b, dash d WHERE b.currency = d.currency
    ), doubtful AS (
        SELECT coalesce(pg_catalog.sum(o.amount), 0) AS amount FROM murallink_private.payout_shown o, dash d
        WHERE o.partner = 'dash' AND o.status IN ('claimed', 'in_doubt') AND o.currency = d.currency
    ), by_person AS (
        SELECT coalesce(pg_catalog.sum(o.amount), 0) AS amount FROM murallink_private.payout_shown o, dash d
        WHERE o.partner IS NULL AND o.status = 'done' AND o.currency = d.currency
    )
    SELECT 'setting ' || k.name, pg_catalog.format('is %s, which Dash does not list', d.settings ->> k.name)
    FROM dash d, (VALUES ('customer_id', 'customer'), ('cust_prog_id', 'program'), ('funding_id', 'account')) AS k (name, kind)
    WHERE EXISTS (SELECT FROM murallink_private.dash_record r WHERE r.kind = k.kind)
        AND NOT EXISTS (SELECT FROM murallink_private.dash_record r WHERE r.kind = k.kind AND r.id = d.settings ->> k.name)
    UNION ALL
    SELECT k.kind || 's', 'have never been listed: see refresh_dash()'
    FROM dash d, (VALUES ('customer'), ('program'), ('account')) AS k (kind)
    WHERE NOT EXISTS (SELECT FROM murallink_private.dash_record r WHERE r.kind = k.kind)
    UNION ALL
    SELECT 'account ' || r.id, 'does not show its balance'
    FROM dash d JOIN murallink_private.dash_record r ON r.kind = 'account' AND r.id = d.settings ->> 'funding_id'
    WHERE r.balance IS NULL
    UNION ALL
    SELECT 'account ' || r.id, pg_catalog.format('holds %s, the books say %s; %s are being sent or in doubt',
        r.balance, b.held + m.amount, o.amount)
    FROM dash d JOIN murallink_private.dash_record r ON r.kind = 'account' AND r.id = d.settings ->> 'funding_id',
        books b, doubtful o, by_person m
    WHERE r.balance NOT BETWEEN b.held + m.amount - o.amount AND b.held + m.amount
$$;
COMMENT ON FUNCTION murallink.reconcile_funding() IS
'Compares Dash''s last lists (see refresh_dash) with the settings and with our books. Returns one row for each difference. The funding account should have all funds of its currency that are available or reserved, and what people have paid out by other means; payouts that are being sent or in doubt may be missing there. For operators.';

CREATE FUNCTION murallink_private.dash_profiles_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE sql VOLATILE AS $$
    SELECT a.uid, a.operation, pg_catalog.jsonb_build_object(
        'program', c.program, 'proxy_key', c.proxy_key, 'person_id', c.person_id) || murallink_private.card_person(c.patient_uid), ''
    FROM murallink_private.call a JOIN murallink_private.card c ON c.uid = a.subject_uid WHERE a.uid = ANY (calls)
$$;
COMMENT ON FUNCTION murallink_private.dash_profiles_ask(murallink.ksuid[]) IS
'What to send to Dash for changed profiles: the current data of the patients.';

GRANT EXECUTE ON FUNCTION murallink.dash_shipping_update TO murallink_client;
GRANT EXECUTE ON FUNCTION
    murallink.ask_card,
    murallink.cards,
    murallink.cards_expiring,
    murallink.order_cards,
    murallink.reconcile_funding,
    murallink.refresh_dash,
    murallink.resend_card_link
    TO murallink_operator;
