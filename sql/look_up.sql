CREATE FUNCTION murallink.look_up_begin() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO murallink_private.partner_task (partner, operation, params, repeatable, subject_uid, subject_attempt, due_at)
    SELECT c.partner, 'look_up', pg_catalog.jsonb_build_object(
            'program', c.program, 'proxy_key', c.proxy_key, 'order_id', c.order_id, 'referenced', p.settings -> 'send_reference'),
        true, NEW.uid, NEW.attempt, pg_catalog.clock_timestamp() + '1 s'
    FROM murallink_private.card c JOIN murallink_private.partner p ON p.name = c.partner
    WHERE c.uid = NEW.card_uid AND (p.settings ->> 'look_up')::boolean;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.look_up_begin() IS 'Trigger: a payout in doubt is looked up at its partner, where the setting look_up says so.';

CREATE FUNCTION murallink.look_up_moment(text) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN $1::timestamptz;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.look_up_moment(text) IS 'A partner''s time, null where it is not understood.';

CREATE FUNCTION murallink.look_up_judge(
    payout_uid murallink.ksuid, referenced boolean, looked timestamptz, loads jsonb, OUT verdict text, OUT reference text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    the_payout murallink.payout;
    tried timestamptz;
    listed record;
BEGIN
    SELECT * INTO the_payout FROM murallink.payout p WHERE p.uid = look_up_judge.payout_uid;
    SELECT a.claimed_at INTO tried FROM murallink_private.partner_attempt a
    WHERE a.subject_uid = the_payout.uid AND a.attempt = the_payout.attempt;
    -- A load of the same amount without a reference may be this one, unless another payout is known to have made it. The
    -- time counts by days, for it may be a date, or be told in another zone.
    WITH other AS MATERIALIZED (
        SELECT o.uid, o.amount, o.reference, o.status, o.settled_at
        FROM murallink.enrollment e JOIN murallink.payment p ON p.enrollment_uid = e.uid
        JOIN murallink.payout o ON o.payment_uid = p.uid
        WHERE e.patient_uid = the_payout.patient_uid AND o.card_uid = the_payout.card_uid AND o.uid <> the_payout.uid
        AND o.status IN ('claimed', 'in_doubt', 'done')
    ), load AS (
        SELECT r.order_id, r.reference, r.reference <> '' AS named, coalesce(r.reference = the_payout.uid::text, false) AS ours,
            r.amount = the_payout.amount AS equal, coalesce(r.reference, '') = '' AND r.amount = the_payout.amount
            AND coalesce(murallink.look_up_moment(r.at) > the_payout.created_at - interval '36 h', true)
            AND NOT EXISTS (SELECT FROM other o WHERE o.reference = r.order_id AND r.order_id <> '') AS alike
        FROM pg_catalog.jsonb_to_recordset(loads) AS r(reference text, amount numeric, order_id text, at text)
    )
    SELECT count(*) FILTER (WHERE l.ours) AS ours, count(*) FILTER (WHERE l.ours AND l.equal) AS ours_equal,
        count(*) FILTER (WHERE l.alike) AS alike, count(*) FILTER (WHERE l.named) AS named,
        pg_catalog.max(l.order_id) FILTER (WHERE l.ours) AS our_order,
        pg_catalog.max(l.order_id) FILTER (WHERE l.alike) AS alike_order,
        -- Another payout that may have made it, too.
        EXISTS (
            SELECT FROM other o WHERE o.amount = the_payout.amount
            AND NOT EXISTS (SELECT FROM load k WHERE k.order_id = o.reference AND o.reference <> '')) AS rivalled,
        -- Who does not show the last load known before this one, or the last known when he was asked, does not show all.
        EXISTS (
            SELECT FROM (
                SELECT DISTINCT ON (o.settled_at < tried) o.uid, o.reference FROM other o
                WHERE o.status = 'done' AND o.reference <> '' AND o.settled_at < look_up_judge.looked
                ORDER BY o.settled_at < tried, o.settled_at DESC) AS o
            WHERE NOT EXISTS (SELECT FROM load k WHERE k.order_id = o.reference OR k.reference = o.uid::text)) AS partial
    INTO listed
    FROM load l;
    verdict := CASE
        WHEN loads IS NULL OR listed.ours > 1 OR listed.ours_equal < listed.ours THEN 'unclear'
        WHEN listed.ours = 1 THEN 'paid'
        WHEN listed.alike = 0 AND NOT listed.partial THEN 'none'
        WHEN listed.alike = 0 THEN 'unclear'
        WHEN listed.alike > 1 OR look_up_judge.referenced AND listed.named > 0 OR listed.rivalled THEN 'unclear'
        ELSE 'paid' END;
    reference := coalesce(CASE WHEN listed.ours = 1 THEN listed.our_order ELSE listed.alike_order END, '');
END
$$;
COMMENT ON FUNCTION murallink.look_up_judge(murallink.ksuid, boolean, timestamptz, jsonb) IS
'What the loads that a partner shows on a card say of a payout in doubt: paid, with the partner''s reference; none: it is not among them; unclear. referenced: whether it was sent with its reference; looked: when the partner was asked; loads: an array of {reference, amount, order_id, at}, null where none are listed.';

CREATE FUNCTION murallink.look_up_end() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    judged record;
    the_payout record;
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    silent CONSTANT boolean := NEW.status <> 'done' OR NEW.facts -> 'loads' IS NULL;
    again timestamptz;
BEGIN
    SELECT o.uid, o.payment_uid, o.settled_at + (p.settings ->> 'settling')::numeric * interval '1 s' AS settled,
        a.outcome = 'not_sent' AS refused,
        (SELECT a.claimed_at FROM murallink_private.partner_attempt a
         WHERE a.subject_uid = NEW.uid AND a.attempt = NEW.attempt) AS looked
    INTO the_payout
    FROM murallink.payout o JOIN murallink_private.partner p ON p.name = NEW.partner
    JOIN murallink_private.partner_attempt a ON a.subject_uid = o.uid AND a.attempt = o.attempt
    WHERE o.uid = NEW.subject_uid AND o.status = 'in_doubt' AND o.attempt = NEW.subject_attempt;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    judged := murallink.look_up_judge(
        NEW.subject_uid, (NEW.params ->> 'referenced')::boolean, the_payout.looked, NEW.facts -> 'loads');
    IF silent THEN
        -- Then there is nothing but the partner's word where it has refused to look at it.
        judged.verdict := CASE WHEN the_payout.refused THEN 'none' ELSE 'unclear' END;
    END IF;
    IF NOT silent AND the_payout.looked < the_payout.settled
        AND (judged.verdict = 'unclear' OR judged.verdict = 'none' AND NOT the_payout.refused) THEN
        -- It may still be on its way: it is looked for more and more seldom, and once more when it can be no longer.
        again := LEAST(murallink.due_after('not_sent', 2 * NEW.attempt + 1), GREATEST(the_payout.settled, moment + '0.1 s'));
    ELSIF judged.verdict <> 'unclear' THEN
        PERFORM murallink.fund_need(the_payout.payment_uid);
        -- Answers are read meanwhile, so nobody who decides is waited for.
        PERFORM FROM murallink.payout o JOIN murallink.payment p ON p.uid = o.payment_uid
        WHERE o.uid = the_payout.uid AND o.status = 'in_doubt' AND o.attempt = NEW.subject_attempt FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND OR NOT murallink.partners_at_rest() THEN
            again := moment + '1 s';
        END IF;
    END IF;
    IF again IS NOT NULL THEN
        UPDATE murallink_private.partner_task t SET status = 'ready', due_at = again WHERE t.uid = NEW.uid;
    ELSIF judged.verdict = 'paid' THEN
        UPDATE murallink.payout o
        SET status = 'done', reason = '', reference = judged.reference, settled_at = moment, note = 'looked up at the partner'
        WHERE o.uid = the_payout.uid;
    ELSIF judged.verdict = 'none' THEN
        UPDATE murallink.payout o SET note = 'looked up at the partner' WHERE o.uid = the_payout.uid;
        UPDATE murallink.payment p SET status = 'approved' WHERE p.uid = the_payout.payment_uid;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.look_up_end() IS
'Trigger: a payout that the partner shows is paid; one that it does not show, in a look begun after the settling time, is sent again under the same reference, and at once where the partner had refused to look at it; anything else is left to a person.';

CREATE TYPE murallink.payout_attempt AS (
    attempt integer, operation text, claimed_at timestamptz, settled_at timestamptz, outcome text, http_status integer,
    reason text, reference text);
COMMENT ON TYPE murallink.payout_attempt IS
'A call about a payout. outcome: done, declined, not_sent, in_doubt, null while it is under way; reference: the partner''s.';

CREATE FUNCTION murallink.payout_attempts(payout_uid murallink.ksuid) RETURNS SETOF murallink.payout_attempt
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attempt, a.operation, a.claimed_at, a.settled_at, a.outcome, a.http_status, a.reason, a.facts ->> 'order_id'
    FROM murallink_private.partner_attempt a
    WHERE a.subject_uid = payout_attempts.payout_uid
        OR a.subject_uid IN (SELECT t.uid FROM murallink_private.partner_task t WHERE t.subject_uid = payout_attempts.payout_uid)
    ORDER BY a.claimed_at, a.uid
$$;
COMMENT ON FUNCTION murallink.payout_attempts(murallink.ksuid) IS
'All calls about a payout, oldest first: loads, look-ups, unloads. For operators.';
