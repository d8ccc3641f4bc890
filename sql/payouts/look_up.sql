-- Look-ups at the partner of loads and unloads in doubt.

CREATE FUNCTION murallink_private.note_of_look_up() RETURNS text
LANGUAGE sql IMMUTABLE
RETURN 'looked up at the partner';
COMMENT ON FUNCTION murallink_private.note_of_look_up() IS
'The note of a payout or an unload that a look-up has decided.';

CREATE FUNCTION murallink_private.why_refused_again() RETURNS text
LANGUAGE sql IMMUTABLE
RETURN 'it is not listed, and was refused when it was sent again, perhaps because it had been done';
COMMENT ON FUNCTION murallink_private.why_refused_again() IS
'Why a load or an unload is in doubt that a look-up did not show, and that was refused when it was sent again.';

CREATE FUNCTION murallink_private.look_up_card(call_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE sql STABLE AS $$
    SELECT c.uid
    FROM murallink_private.call l JOIN murallink_private.payout o ON o.uid = l.subject_uid
    -- An unload says itself which card it was sent for: the present one, if the payout's has been replaced.
    JOIN murallink_private.card c ON c.patient_uid = o.patient_uid AND c.partner = l.partner
        AND CASE l.operation WHEN 'load' THEN c.uid = o.card_uid
            ELSE (c.program, c.proxy_key) = (l.params ->> 'program', l.params ->> 'proxy_key') END
    WHERE l.uid = look_up_card.call_uid
$$;
COMMENT ON FUNCTION murallink_private.look_up_card(murallink.ksuid) IS
'The card for which a load or an unload was sent, so that a look-up asks for that one.';

CREATE FUNCTION murallink_private.look_up_begin(call_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.call_look_up(l.uid, c.partner, CASE l.operation WHEN 'load' THEN 'payout' ELSE 'call' END, 'look_up',
        pg_catalog.jsonb_build_object('program', c.program, 'proxy_key', c.proxy_key, 'order_id', c.order_id))
    FROM murallink_private.call l JOIN murallink_private.card c ON c.uid = murallink_private.look_up_card(l.uid)
    JOIN murallink_private.partner p ON p.name = c.partner
    WHERE l.uid = look_up_begin.call_uid AND (p.settings ->> 'look_up')::boolean
$$;
COMMENT ON FUNCTION murallink_private.look_up_begin(murallink.ksuid) IS
'Looks up a load or an unload in doubt at its partner, if the setting look_up is on.';

CREATE FUNCTION murallink_private.look_up_moment(shown text, zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO, YMD' SET "TimeZone" = 'UTC' AS $$
DECLARE
    day_and_time CONSTANT text := '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?';
    moment timestamptz;
BEGIN
    IF shown ~ '^\d{10}(\.\d+)?$' THEN
        RETURN to_timestamp(shown::double precision);
    ELSIF shown ~ '^\d{13}$' THEN
        RETURN to_timestamp(shown::double precision / 1000);
    ELSIF shown COLLATE "C" ~* (day_and_time || ' ?(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)$')
        OR shown ~ '^([A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(:\d\d)? (GMT|UTC|[+-]\d{4})$' THEN
        RETURN replace(shown, ',', CASE WHEN shown ~ '^\d{4}' THEN '.' ELSE ' ' END)::timestamptz;
    ELSIF zone <> '' AND shown ~ (day_and_time || '$') THEN
        moment := replace(shown, ',', '.')::timestamp AT TIME ZONE zone;
        -- Local times that occur twice, or not at all, when the clocks change are ambiguous.
        IF moment AT TIME ZONE zone = replace(shown, ',', '.')::timestamp
            AND (moment - interval '1 h') AT TIME ZONE zone <> moment AT TIME ZONE zone
            AND (moment + interval '1 h') AT TIME ZONE zone <> moment AT TIME ZONE zone THEN
            RETURN moment;
        END IF;
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.look_up_moment(text, text) IS
'A partner''s time as timestamptz; null if it is ambiguous. Understands RFC 3339 and RFC 1123 with a zone, seconds or milliseconds since 1970, and a day with a time in zone. zone: a name of the tz database, or empty.';

CREATE FUNCTION murallink_private.look_up_card_shown(card_uid murallink.ksuid, what text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM murallink_private.card c JOIN murallink_private.partner p ON p.name = c.partner
        JOIN murallink_private.look_up_shown s ON s.partner = p.name AND s.base_url = p.base_url
            AND s.customer = p.settings ->> 'customer_id' AND s.by_order = (c.order_id <> '')
        WHERE c.uid = look_up_card_shown.card_uid AND s.what = look_up_card_shown.what)
$$;
COMMENT ON FUNCTION murallink_private.look_up_card_shown(murallink.ksuid, text) IS
'Whether the issuer of a card, with its current configuration, has ever shown this in a look-up of the same kind. what: see the table look_up_shown.';

CREATE FUNCTION murallink_private.look_up_shown(payout_uid murallink.ksuid, what text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT murallink_private.look_up_card_shown((SELECT o.card_uid FROM murallink_private.payout o WHERE o.uid = payout_uid), what)
$$;
COMMENT ON FUNCTION murallink_private.look_up_shown(murallink.ksuid, text) IS
'Whether the issuer of a payout''s card has ever shown this: see look_up_card_shown().';

CREATE FUNCTION murallink_private.look_up_known(patient_uid murallink.ksuid, what text, reference text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM murallink.enrollment e JOIN murallink_private.payment y ON y.enrollment_uid = e.uid
        JOIN murallink_private.payout x ON x.payment_uid = y.uid
        WHERE e.patient_uid = look_up_known.patient_uid AND (what = 'load' AND x.uid::text = look_up_known.reference OR EXISTS (
            SELECT FROM murallink_private.call t
            WHERE t.subject_uid = x.uid AND t.subject_uid <> t.uid AND t.params ->> 'reference' = look_up_known.reference))
    ) OR EXISTS (
        SELECT FROM murallink_private.card k JOIN murallink_private.call b ON b.subject_uid = k.uid AND b.subject_uid <> b.uid
        WHERE k.patient_uid = look_up_known.patient_uid AND b.operation IN ('unload_balance', 'load_balance')
            AND b.uid::text = look_up_known.reference)
$$;
COMMENT ON FUNCTION murallink_private.look_up_known(murallink.ksuid, text, text) IS
'Whether the reference of an entry is that of a payout to this patient, of an unload or of a move of a balance, whichever of the patient''s cards it went to. what: what the entry is, load or unload; an unload with the reference of a payout is not known, because the issuer may show there what it has taken back.';

CREATE FUNCTION murallink_private.look_up_learn(
    payout_uid murallink.ksuid, card_uid murallink.ksuid, loads jsonb, unloads jsonb DEFAULT NULL
) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH every AS MATERIALIZED (
        SELECT x.uid, x.amount, x.card_uid FROM murallink_private.payout_shown o JOIN murallink.enrollment e ON e.patient_uid = o.patient_uid
        JOIN murallink_private.payment y ON y.enrollment_uid = e.uid JOIN murallink_private.payout_shown x ON x.payment_uid = y.uid
        WHERE o.uid = look_up_learn.payout_uid
    ), ours AS (
        SELECT x.uid, x.amount FROM every x WHERE x.card_uid = look_up_learn.card_uid
    )
    INSERT INTO murallink_private.look_up_shown (partner, base_url, customer, by_order, what, payout_uid)
    SELECT p.name, p.base_url, p.settings ->> 'customer_id', c.order_id <> '', k.what, look_up_learn.payout_uid
    FROM murallink_private.card c JOIN murallink_private.partner p ON p.name = c.partner, LATERAL (
        SELECT 'reference' AS what FROM jsonb_to_recordset(loads) AS r(reference text) WHERE r.reference <> ''
        UNION
        -- Only our own reference, or the order number in the answer to the load, each with the same amount,
        -- proves that a load is ours.
        SELECT 'load' FROM jsonb_to_recordset(loads) AS r(reference text, order_id text, amount numeric), ours x
        WHERE r.amount = x.amount AND (r.reference = x.uid::text OR EXISTS (
            SELECT FROM murallink_private.call a
            WHERE a.uid = x.uid AND a.outcome = 'done' AND a.facts ->> 'order_id' = r.order_id))
        UNION
        SELECT 'own' FROM jsonb_to_recordset(loads) AS r(reference text, amount numeric), ours x
        WHERE r.reference = x.uid::text AND r.amount = x.amount
        UNION
        SELECT 'unload' FROM jsonb_to_recordset(unloads) AS r(reference text, amount numeric), every x
        JOIN murallink_private.call u ON u.subject_uid = x.uid AND u.subject_uid <> u.uid AND u.operation = 'unload'
        WHERE r.reference = u.params ->> 'reference' AND r.amount = (u.params ->> 'amount')::numeric) AS k
    WHERE c.uid = look_up_learn.card_uid
    ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION murallink_private.look_up_learn(murallink.ksuid, murallink.ksuid, jsonb, jsonb) IS
'Records in look_up_shown what the lists of a partner prove about its look-ups in general. payout_uid: whose load or unload was looked up; card_uid: the card that was asked for; loads, unloads: as in look_up_judge().';

CREATE FUNCTION murallink_private.look_up_resembles(shown text, sent text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT strpos(bare.shown, bare.sent) > 0 OR length(bare.shown) >= 8 AND strpos(bare.sent, bare.shown) > 0
    FROM (SELECT regexp_replace(murallink_private.lowered(look_up_resembles.shown), '[^0-9a-z]', '', 'g') AS shown,
        murallink_private.lowered(look_up_resembles.sent) AS sent) AS bare
$$;
COMMENT ON FUNCTION murallink_private.look_up_resembles(text, text) IS
'Whether a reference may be another spelling of one that was sent: in another case, with additions, or a part of it.';

CREATE FUNCTION murallink_private.look_up_loads(payout_uid murallink.ksuid, loads jsonb)
RETURNS TABLE (order_id text, reference text, amount numeric, ours boolean, equal boolean, alike boolean, timely boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- A load with another reference is not ours if this issuer shows our references unchanged; around the time
    -- of the attempt it may not do so yet.
    SELECT r.order_id, r.reference, r.amount, r.ours, r.equal,
        r.alike AND NOT (r.others AND coalesce(r.moment NOT BETWEEN r.began - r.tolerance AND r.ended + r.tolerance, false)),
        r.alike AND r.equal AND r.moment BETWEEN r.began - r.tolerance AND r.ended + r.tolerance
    FROM (
        SELECT l.order_id, l.reference, l.amount, l.reference = o.uid::text AS ours, l.meant AND l.currency AS equal, l.moment,
            a.claimed_at AS began,
            -- The worker waits no longer for an answer, even if the outcome was written later because it
            -- ended.
            LEAST(a.settled_at, a.claimed_at + (
                (p.settings ->> 'connect_timeout')::numeric + (p.settings ->> 'timeout')::numeric) * interval '1 s') AS ended,
            (p.settings ->> 'clock_tolerance')::numeric * interval '1 s' AS tolerance,
            -- Compare the time with a tolerance of days, because its zone may be missing or wrong.
            l.meant AND l.reference <> o.uid::text AND coalesce(l.moment > o.created_at - interval '36 h', true)
            AND NOT murallink_private.look_up_known(o.patient_uid, 'load', l.reference)
            -- An order may have several loads: it explains as many as there are payouts known to be in
            -- it.
            AND (l.order_id = '' OR l.times > (
                SELECT count(*) FROM murallink.enrollment e JOIN murallink_private.payment y ON y.enrollment_uid = e.uid
                JOIN murallink_private.payout_shown x ON x.payment_uid = y.uid
                WHERE e.patient_uid = o.patient_uid AND x.uid <> o.uid AND x.card_uid = o.card_uid AND x.amount = o.amount
                AND x.reference = l.order_id)) AS alike,
            l.reference <> '' AND (p.settings ->> 'send_reference')::boolean AND a.revision >= p.moved
                AND NOT murallink_private.look_up_resembles(l.reference, o.uid::text) AND murallink_private.look_up_shown(o.uid, 'own') AS others
        FROM murallink_private.payout_shown o JOIN murallink_private.partner p ON p.name = o.partner
        JOIN murallink_private.call a ON a.uid = o.uid, LATERAL (
            SELECT coalesce(j.order_id, '') AS order_id, coalesce(j.reference, '') AS reference, j.amount,
                j.amount = o.amount AS meant, coalesce(j.currency, o.currency) = o.currency AS currency,
                count(*) OVER (PARTITION BY j.order_id, j.amount) AS times,
                murallink_private.look_up_moment(j.at, coalesce(p.settings ->> 'load_time_zone', '')) AS moment
            FROM jsonb_to_recordset(loads) AS j(reference text, amount numeric, currency text, order_id text, at text)) AS l
        WHERE o.uid = look_up_loads.payout_uid) AS r
$$;
COMMENT ON FUNCTION murallink_private.look_up_loads(murallink.ksuid, jsonb) IS
'The loads that a partner lists, compared with a payout in doubt. ours: it has our reference; equal: the amount, and the currency if shown, are the same; alike: it may be the payout''s: it has its amount, is not certainly another''s, and is not older; timely: alike, equal, and made during the attempt, within the setting clock_tolerance.';

CREATE FUNCTION murallink_private.look_up_whole(look murallink.call_state) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN NOT coalesce((look.facts ->> 'more')::boolean, false);
COMMENT ON FUNCTION murallink_private.look_up_whole(murallink.call_state) IS
'Whether the lists that a look-up has shown are certainly complete.';

CREATE FUNCTION murallink_private.look_up_ours(what text, listed boolean, ours bigint, ours_equal bigint) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN NOT listed THEN pg_catalog.format('no %ss of the card are listed', what)
    WHEN ours > 1 THEN 'our reference is listed twice'
    WHEN ours_equal < ours THEN 'our reference is listed with another amount or currency'
    WHEN ours = 1 THEN ''
    END;
COMMENT ON FUNCTION murallink_private.look_up_ours(text, boolean, bigint, bigint) IS
'What the entries with our reference prove about a load or an unload in doubt: empty: it was carried out; else why this is unclear; null: there are none. what: load or unload; listed: whether the partner lists these; ours: the number of entries with our reference; ours_equal: of these with the same amount and currency.';

CREATE FUNCTION murallink_private.look_up_unlisted(shown boolean, what text, whole boolean, partial boolean) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN NOT whole THEN 'it is not listed, but there may be more than is listed'
    WHEN partial THEN pg_catalog.format('known %ss are not listed', what)
    WHEN NOT shown
        THEN pg_catalog.format('it is not listed, but no look-up of this issuer has ever shown a%s %s of ours',
            CASE what WHEN 'unload' THEN 'n' ELSE '' END, what)
    ELSE '' END;
COMMENT ON FUNCTION murallink_private.look_up_unlisted(boolean, text, boolean, boolean) IS
'What it proves that a load or an unload in doubt is not listed: empty: it was not carried out; else why this is unclear. shown: whether this issuer has ever shown one of ours; what: load or unload; whole: whether the list is certainly complete; partial: whether an entry that we know is missing.';

CREATE FUNCTION murallink_private.look_up_reason(reason text, look murallink.call_state, why text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN pg_catalog.concat_ws('; looked up: ', reason,
    CASE look.status WHEN 'done' THEN why ELSE pg_catalog.concat_ws(': ', look.status, look.reason) END);
COMMENT ON FUNCTION murallink_private.look_up_reason(text, murallink.call_state, text) IS
'Why something is still in doubt after a look-up. reason: why it was in doubt before; why: what the answer of the look-up leaves unclear.';

CREATE FUNCTION murallink_private.look_up_judge(
    payout_uid murallink.ksuid, looked timestamptz, loads jsonb, whole boolean, OUT verdict text, OUT reference text, OUT why text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout murallink_private.payout_shown;
    tried timestamptz;
    elsewhere boolean;
    listed record;
BEGIN
    SELECT * INTO the_payout FROM murallink_private.payout_shown p WHERE p.uid = look_up_judge.payout_uid;
    SELECT a.claimed_at, a.revision < p.moved INTO tried, elsewhere
    FROM murallink_private.call a JOIN murallink_private.partner p ON p.name = a.partner WHERE a.uid = the_payout.uid;
    WITH other AS MATERIALIZED (
        SELECT o.uid, o.amount, o.reference, o.status, o.settled_at
        FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
        JOIN murallink_private.payout_shown o ON o.payment_uid = p.uid
        WHERE e.patient_uid = the_payout.patient_uid AND o.card_uid = the_payout.card_uid AND o.uid <> the_payout.uid
        AND o.attempt > 0 AND o.status <> 'declined'
    ), load AS MATERIALIZED (
        SELECT * FROM murallink_private.look_up_loads(look_up_judge.payout_uid, look_up_judge.loads)
    )
    SELECT count(*) FILTER (WHERE l.ours) AS ours, count(*) FILTER (WHERE l.ours AND l.equal) AS ours_equal,
        count(*) FILTER (WHERE l.alike) AS alike, count(*) FILTER (WHERE l.timely) AS timely,
        count(*) FILTER (WHERE l.reference <> '') AS named, count(*) FILTER (WHERE l.alike AND l.reference <> '') AS alike_named,
        max(l.order_id) FILTER (WHERE l.ours) AS our_order, max(l.order_id) FILTER (WHERE l.timely) AS timely_order,
        -- Another payout, or the move of a balance, that may have made the load.
        EXISTS (
            SELECT FROM other o WHERE o.amount = the_payout.amount
            AND NOT EXISTS (SELECT FROM load k WHERE k.order_id = o.reference AND o.reference <> '')
        ) OR EXISTS (
            SELECT FROM murallink_private.call b
            WHERE b.subject_uid = the_payout.card_uid AND b.subject_uid <> b.uid AND b.operation = 'load_balance'
                AND b.attempt > 0 AND b.status <> 'declined' AND (b.params ->> 'amount')::numeric = the_payout.amount
                AND NOT EXISTS (SELECT FROM load k WHERE k.order_id = b.facts ->> 'order_id')
        ) AS rivalled,
        -- If the list lacks the last load known before this one, or the last one known at the time of the
        -- look-up, it is incomplete.
        EXISTS (
            SELECT FROM (
                SELECT DISTINCT ON (o.settled_at < tried) o.uid, o.reference, o.amount FROM other o
                WHERE o.status = 'done' AND o.reference <> ''
                    -- A later time means that the clock was set back since.
                    AND (o.settled_at < look_up_judge.looked OR o.settled_at > pg_catalog.clock_timestamp())
                ORDER BY o.settled_at < tried, o.settled_at DESC) AS o
            WHERE NOT EXISTS (
                SELECT FROM load k WHERE (k.order_id = o.reference OR k.reference = o.uid::text) AND k.amount = o.amount)) AS partial
    INTO listed
    FROM load l;
    why := coalesce(murallink_private.look_up_ours('load', loads IS NOT NULL, listed.ours, listed.ours_equal), CASE
        WHEN elsewhere THEN 'the partner was configured with another address, customer or choice of references after it was sent'
        WHEN listed.alike = 0 THEN murallink_private.look_up_unlisted(
            murallink_private.look_up_shown(payout_uid, 'load'), 'load', whole, listed.partial)
        WHEN listed.alike_named > 0 THEN 'there is a load that may be it under another reference, but it is not certainly ours'
        WHEN listed.named > 0 OR murallink_private.look_up_shown(payout_uid, 'reference')
            THEN 'there is a load without a reference that may be it, but this issuer shows references'
        WHEN listed.alike > 1 OR listed.rivalled THEN 'there are loads without a reference, and several payouts may be meant'
        WHEN listed.timely = 0
            THEN 'there is a load without a reference that may be it, but its currency or time is not certainly that of the attempt'
        ELSE '' END);
    verdict := CASE
        WHEN why <> '' AND listed.alike = 0 AND loads IS NOT NULL AND listed.ours = 0 AND NOT listed.partial AND whole AND NOT elsewhere
            THEN 'unproven'
        WHEN why <> '' THEN 'unclear'
        WHEN listed.ours = 1 OR listed.alike = 1 THEN 'paid'
        ELSE 'none' END;
    reference := CASE verdict WHEN 'paid' THEN coalesce(listed.our_order, listed.timely_order, '') ELSE '' END;
END
$$;
COMMENT ON FUNCTION murallink_private.look_up_judge(murallink.ksuid, timestamptz, jsonb, boolean) IS
'What the loads that a partner lists for a card prove about a payout in doubt. verdict: paid, with the partner''s reference; none: it was not carried out; unproven: it is not listed, but this issuer has never shown a load of ours; unclear. why: the reason of the last two, for people. A load without our reference counts as ours only if this issuer shows no references and no other payout can be meant. looked: when the partner was asked; loads: an array of {reference, amount, currency, order_id, at}, null if none are listed; whole: whether the list is certainly complete.';

CREATE FUNCTION murallink_private.look_while_settling(
    look murallink.call_state, settling double precision, OUT again timestamptz, OUT counted murallink.server_moment
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    counted := look.counted_from;
    IF coalesce(look.waited < settling, true) THEN
        -- It may still arrive: look again, less often each time, and once more after the settling time.
        counted := CASE WHEN murallink_private.seconds_since(counted) IS NULL THEN murallink_private.server_moment() ELSE counted END;
        again := LEAST(murallink_private.due_after('not_sent', 2 * look.attempt + 1), clock_timestamp()
            + GREATEST(settling - murallink_private.seconds_since(counted), 0.1) * interval '1 s');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.look_while_settling(murallink.call_state, double precision) IS
'When to look again for a call that may still arrive at the partner (again; null: it cannot any more), and since when its settling time counts (counted). settling: in seconds.';

CREATE FUNCTION murallink_private.look_up_again(
    look murallink.call_state, silent boolean, decided boolean, refused boolean, settling double precision,
    OUT again timestamptz, OUT counted murallink.server_moment
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT integer := 4;
    next record;
BEGIN
    counted := look.counted_from;
    IF look.status = 'declined' AND NOT refused AND look.attempt < most THEN
        -- The partner may refuse this once, and answer the next time.
        again := murallink_private.due_after('not_sent', look.attempt + 1);
    ELSIF NOT silent AND NOT decided THEN
        next := murallink_private.look_while_settling(look, settling);
        again := next.again;
        counted := next.counted;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.look_up_again(murallink.call_state, boolean, boolean, boolean, double precision) IS
'When to repeat a look-up that has ended (again; null: not), and since when its settling time counts (counted). silent: it has shown no list; decided: its result does not depend on the settling time; refused: the partner had refused the call without processing it; settling: in seconds.';

CREATE FUNCTION murallink_private.look_up_weigh(
    INOUT verdict text, INOUT why text, outcome text, silent boolean, trusted boolean
) LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF outcome = 'declined' AND verdict IN ('none', 'unproven') THEN
        verdict := 'unclear';
        why := murallink_private.why_refused_again();
    ELSIF silent OR verdict = 'unproven' THEN
        -- Where no look-up has ever shown anything, only the partner's answer counts: it has refused the call
        -- without processing it.
        verdict := CASE WHEN trusted THEN 'none' ELSE 'unclear' END;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.look_up_weigh(text, text, text, boolean, boolean) IS
'The verdict of look_up_judge() or unload_judge(), and its reason, after the partner''s own answer is considered. outcome: of the call in doubt; silent: the look-up has shown no list; trusted: the partner has refused the call without processing it, and no look-up of this issuer has ever shown such a call.';

CREATE FUNCTION murallink_private.look_up_follow(look murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    silent CONSTANT boolean := look.status <> 'done' OR look.facts -> 'loads' IS NULL;
    judged record;
    next record;
    the_payout record;
BEGIN
    SELECT o.uid, o.payment_uid, o.card_uid, (p.settings ->> 'settling')::double precision AS settling,
        a.outcome, a.outcome = 'not_sent' AS refused, a.reason,
        a.outcome = 'not_sent' AND NOT murallink_private.look_up_shown(o.uid, 'load') AS trusted
    INTO the_payout
    FROM murallink_private.payout o JOIN murallink_private.call a ON a.uid = o.uid
    JOIN murallink_private.partner p ON p.name = look.partner
    WHERE o.uid = look.subject_uid AND a.status = 'in_doubt' AND a.attempt = look.subject_attempt;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM murallink_private.look_up_learn(look.subject_uid, the_payout.card_uid, look.facts -> 'loads', look.facts -> 'unloads');
    judged := murallink_private.look_up_judge(
        look.subject_uid, look.claimed_at, look.facts -> 'loads', murallink_private.look_up_whole(look));
    SELECT w.verdict, w.why INTO judged.verdict, judged.why
    FROM murallink_private.look_up_weigh(judged.verdict, judged.why, the_payout.outcome, silent, the_payout.trusted) w;
    next := murallink_private.look_up_again(look, silent, judged.verdict = 'paid' OR judged.verdict = 'none' AND the_payout.refused,
        the_payout.trusted, the_payout.settling);
    IF next.again IS NULL THEN
        -- Do not wait for a transaction that decides it, because the worker must read answers.
        PERFORM FROM murallink_private.payout o JOIN murallink_private.payment p ON p.uid = o.payment_uid
        WHERE o.uid = the_payout.uid AND p.status = 'in_doubt' FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            next.again := clock_timestamp() + '1 s';
        END IF;
    END IF;
    IF next.again IS NOT NULL THEN
        PERFORM murallink_private.call_again(ARRAY[look.uid], next.again, next.counted);
    ELSIF judged.verdict = 'paid' THEN
        UPDATE murallink_private.payout o
        SET reason = '', reference = judged.reference, settled_at = clock_timestamp(), note = murallink_private.note_of_look_up()
        WHERE o.uid = the_payout.uid;
        PERFORM murallink_private.call_decide(the_payout.uid, 'done', murallink_private.note_of_look_up());
    ELSIF judged.verdict = 'none' THEN
        UPDATE murallink_private.payout o SET note = murallink_private.note_of_look_up() WHERE o.uid = the_payout.uid;
        UPDATE murallink_private.payment p SET status = 'approved' WHERE p.uid = the_payout.payment_uid;
        PERFORM murallink_private.payout_begin(the_payout.payment_uid);
    ELSE
        UPDATE murallink_private.payout o SET reason = murallink_private.look_up_reason(the_payout.reason, look, judged.why)
        WHERE o.uid = the_payout.uid;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.look_up_follow(murallink.call_state) IS
'Decides a payout in doubt by an ended look-up. If the partner shows it, it is paid. If a look-up that started after the settling time does not show it, it is sent again with the same reference; at once if the partner had refused the call without processing it. Otherwise a person decides, and its reason says why.';

CREATE FUNCTION murallink_private.look_ups_follow(calls murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM CASE c.resource WHEN 'payout' THEN murallink_private.look_up_follow(c) ELSE murallink_private.unload_look_up_follow(c) END
    FROM murallink_private.calls(calls) c WHERE c.status <> 'ready';
END
$$;
COMMENT ON FUNCTION murallink_private.look_ups_follow(murallink.ksuid[]) IS 'Applies the results of ended look-ups.';

CREATE FUNCTION murallink_private.unload_judge(
    unload_uid murallink.ksuid, looked timestamptz, unloads jsonb, whole boolean, OUT verdict text, OUT why text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout murallink_private.payout_shown;
    the_unload jsonb;
    ours text;
    taken numeric;
    listed record;
BEGIN
    the_unload := (SELECT c.params FROM murallink_private.call c WHERE c.uid = unload_judge.unload_uid);
    ours := the_unload ->> 'reference';
    taken := (the_unload ->> 'amount')::numeric;
    SELECT p.* INTO the_payout FROM murallink_private.payout_shown p JOIN murallink_private.call c ON c.subject_uid = p.uid
    WHERE c.uid = unload_judge.unload_uid;
    WITH unload AS MATERIALIZED (
        SELECT coalesce(j.reference, '') AS reference, coalesce(j.order_id, '') AS order_id, j.amount = taken AS amount,
            coalesce(j.currency, the_payout.currency) = the_payout.currency AS currency
        FROM jsonb_to_recordset(unload_judge.unloads) AS j(reference text, amount numeric, currency text, order_id text)
    ), other AS MATERIALIZED (
        SELECT t.uid, t.status, t.settled_at, t.params ->> 'reference' AS reference, t.facts ->> 'order_id' AS order_id
        FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
        JOIN murallink_private.payout o ON o.payment_uid = p.uid
        JOIN murallink_private.call t ON t.subject_uid = o.uid AND t.subject_uid <> t.uid
        WHERE e.patient_uid = the_payout.patient_uid AND t.operation = 'unload' AND t.uid <> unload_judge.unload_uid
            -- Of the same card, which may be one that has replaced the payout's.
            AND (t.params ->> 'program', t.params ->> 'proxy_key') = (the_unload ->> 'program', the_unload ->> 'proxy_key')
    )
    SELECT count(*) FILTER (WHERE u.reference = ours) AS ours,
        count(*) FILTER (WHERE u.reference = ours AND u.amount AND u.currency) AS ours_equal,
        -- Without a reference, or with one that is not certainly of something else of ours.
        count(*) FILTER (WHERE u.amount AND u.reference <> ours
            AND NOT murallink_private.look_up_known(the_payout.patient_uid, 'unload', u.reference)) AS alike,
        -- If the list lacks a known unload, it is incomplete.
        EXISTS (
            SELECT FROM other t
            WHERE t.status = 'done' AND t.order_id <> ''
                AND (t.settled_at < unload_judge.looked OR t.settled_at > pg_catalog.clock_timestamp())
                AND NOT EXISTS (SELECT FROM unload k WHERE k.reference = t.reference OR k.order_id = t.order_id)) AS partial
    INTO listed
    FROM unload u;
    why := coalesce(murallink_private.look_up_ours('unload', unloads IS NOT NULL, listed.ours, listed.ours_equal), CASE
        WHEN listed.alike > 0 THEN 'there is an unload that may be it, without our reference'
        ELSE murallink_private.look_up_unlisted(murallink_private.look_up_card_shown(
            murallink_private.look_up_card(unload_judge.unload_uid), 'unload'), 'unload', whole, listed.partial) END);
    verdict := CASE
        WHEN why <> '' AND unloads IS NOT NULL AND listed.ours + listed.alike = 0 AND whole AND NOT listed.partial THEN 'unproven'
        WHEN why <> '' THEN 'unclear'
        WHEN listed.ours = 1 THEN 'unloaded'
        ELSE 'none' END;
END
$$;
COMMENT ON FUNCTION murallink_private.unload_judge(murallink.ksuid, timestamptz, jsonb, boolean) IS
'What the unloads that a partner lists for a card prove about one that is in doubt, and has its reversal as reference. verdict: unloaded: our reference is listed; none: it was not carried out; unproven: it is not listed, but this issuer has never shown an unload of ours; unclear. why: the reason of the last two, for people. looked: when the partner was asked; unloads, whole: as loads and whole of look_up_judge().';

CREATE FUNCTION murallink_private.look_up_settle(
    look murallink.call_state, doubt_uid murallink.ksuid, reason text, verdict text, why text, repeats boolean,
    again timestamptz, counted murallink.server_moment
) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF again IS NULL THEN
        -- Do not wait for a transaction that decides it, because the worker must read answers.
        PERFORM FROM murallink_private.call c
        WHERE c.uid = doubt_uid AND c.status = 'in_doubt' AND c.attempt = look.subject_attempt FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            again := clock_timestamp() + '1 s';
        END IF;
    END IF;
    IF again IS NOT NULL THEN
        PERFORM murallink_private.call_again(ARRAY[look.uid], again, counted);
    ELSIF verdict IN ('unloaded', 'moved') THEN
        PERFORM murallink_private.call_decide(doubt_uid, 'done', murallink_private.note_of_look_up());
    ELSIF verdict = 'none' AND repeats THEN
        UPDATE murallink_private.call c SET note = murallink_private.note_of_look_up() WHERE c.uid = doubt_uid;
        PERFORM murallink_private.call_resume(doubt_uid);
    ELSE
        UPDATE murallink_private.call c SET reason = CASE
            WHEN verdict = 'none' THEN look_up_settle.reason || '; looked up: it is not among the unloads of the card'
            ELSE murallink_private.look_up_reason(look_up_settle.reason, look, why) END
        WHERE c.uid = doubt_uid;
        IF verdict = 'none' THEN
            PERFORM murallink_private.call_decide(doubt_uid, 'declined', '');
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.look_up_settle(murallink.call_state, murallink.ksuid, text, text, text, boolean, timestamptz, murallink.server_moment) IS
'Decides an unload or a move of a balance in doubt by an ended look-up, or has the look-up repeated. doubt_uid, reason: of the call in doubt; verdict, why: of unload_judge() or balance_judge(), after look_up_weigh(); repeats: whether it is sent again if it was not carried out, and does not count as declined; again, counted: as look_up_again() answers.';

CREATE FUNCTION murallink_private.unload_look_up_follow(look murallink.call_state) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    silent CONSTANT boolean := look.status <> 'done' OR look.facts -> 'unloads' IS NULL;
    unload record;
    judged record;
    next record;
BEGIN
    SELECT c.uid, c.subject_uid, c.reason, c.outcome, c.outcome = 'not_sent' AS refused, k.uid AS card_uid,
        c.outcome = 'not_sent' AND NOT murallink_private.look_up_card_shown(k.uid, 'unload') AS trusted,
        (p.settings ->> 'settling')::double precision AS settling
    INTO unload
    FROM murallink_private.call c JOIN murallink_private.partner p ON p.name = c.partner, LATERAL murallink_private.look_up_card(c.uid) AS k(uid)
    WHERE c.uid = look.subject_uid AND c.operation = 'unload' AND c.status = 'in_doubt' AND c.attempt = look.subject_attempt;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM murallink_private.look_up_learn(unload.subject_uid, unload.card_uid, look.facts -> 'loads', look.facts -> 'unloads');
    judged := murallink_private.unload_judge(unload.uid, look.claimed_at, look.facts -> 'unloads',
        murallink_private.look_up_whole(look));
    SELECT w.verdict, w.why INTO judged.verdict, judged.why
    FROM murallink_private.look_up_weigh(judged.verdict, judged.why, unload.outcome, silent, unload.trusted) w;
    next := murallink_private.look_up_again(look, silent, judged.verdict = 'unloaded' OR judged.verdict = 'none' AND unload.refused,
        unload.trusted, unload.settling);
    PERFORM murallink_private.look_up_settle(look, unload.uid, unload.reason, judged.verdict, judged.why, unload.refused,
        next.again, next.counted);
END
$$;
COMMENT ON FUNCTION murallink_private.unload_look_up_follow(murallink.call_state) IS
'Decides an unload in doubt by an ended look-up. If the partner shows it with our reference, it is done. If a look-up that started after the settling time does not show it, it counts as declined, and a person can request it again; if the partner had refused the call without processing it, it is sent again at once. Otherwise a person decides, and its reason says why.';

CREATE FUNCTION murallink.look_up_payout(payout_uid murallink.ksuid DEFAULT NULL) RETURNS murallink.payout_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_payout CONSTANT murallink.payout_info := murallink_private.payout_locked(payout_uid);
BEGIN
    PERFORM murallink_private.call_again(ARRAY[c.uid]) FROM murallink_private.call c
    WHERE c.subject_uid = the_payout.uid AND c.subject_uid <> c.uid AND c.subject_attempt = the_payout.attempt AND c.operation = 'look_up'
        AND c.status IN ('declined', 'done') AND the_payout.status = 'in_doubt';
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('wrong_status', 'payout_uid');
    END IF;
    RETURN the_payout;
END
$$;
COMMENT ON FUNCTION murallink.look_up_payout(murallink.ksuid) IS
'Repeats the look-up of a payout in doubt, if its look-ups have ended without a result. For operators. Errors: missing_field, not_found, wrong_status.';

CREATE TYPE murallink.payout_attempt AS (
    attempt integer, operation text, claimed_at timestamptz, settled_at timestamptz, outcome text, http_status integer,
    reason text, reference text);
COMMENT ON TYPE murallink.payout_attempt IS
'A call about a payout. outcome: done, declined, not_sent, in_doubt, null while it is under way; reference: the partner''s.';

CREATE FUNCTION murallink.payout_attempts(payout_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.payout_attempt
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH about AS (
        SELECT c.* FROM murallink_private.call c WHERE c.uid = murallink_private.required(payout_attempts.payout_uid, 'payout_uid')
        UNION ALL
        SELECT c.* FROM murallink_private.call c
        WHERE c.subject_uid <> c.uid AND c.subject_uid IN (
            SELECT payout_attempts.payout_uid
            UNION ALL
            SELECT u.uid FROM murallink_private.call u
            WHERE u.subject_uid = payout_attempts.payout_uid AND u.subject_uid <> u.uid AND u.operation = 'unload')
    )
    SELECT a.attempt, c.operation, a.claimed_at, a.settled_at, a.outcome, a.http_status, a.reason, a.facts ->> 'order_id'
    FROM about c CROSS JOIN LATERAL (
        SELECT h.attempt, h.claimed_at, h.settled_at, h.outcome, h.http_status, h.reason, h.facts
        FROM murallink_private.call_attempt h WHERE h.call_uid = c.uid
        UNION ALL
        SELECT c.attempt, c.claimed_at, c.settled_at, c.outcome, c.http_status, c.reason, c.facts
        WHERE c.attempt > 0 AND NOT EXISTS (
            SELECT FROM murallink_private.call_attempt h WHERE h.call_uid = c.uid AND h.attempt = c.attempt)) a
    ORDER BY a.claimed_at, c.uid, a.attempt
$$;
COMMENT ON FUNCTION murallink.payout_attempts(murallink.ksuid) IS
'All calls about a payout, oldest first: loads, look-ups, unloads. For operators. Errors: missing_field.';
