CREATE FUNCTION murallink.partner_checked(partner text, base_url text, INOUT settings jsonb, INOUT secrets jsonb)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'partner_checked';
COMMENT ON FUNCTION murallink.partner_checked(text, text, jsonb, jsonb) IS
'The settings and secrets of a partner, with the initial values of those that are absent. Errors: not_found, insecure_url, wrong_type, unknown_key, invalid_value, missing_field.';

CREATE FUNCTION murallink.configure_partner(
    partner text, base_url text DEFAULT NULL, settings jsonb DEFAULT NULL, secrets jsonb DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    present record;
    checked record;
    changed murallink.ksuid;
BEGIN
    -- Whoever routes a payout by the settings of a partner waits for this, which so must not wait for long itself.
    LOCK TABLE murallink_private.partner IN EXCLUSIVE MODE;
    SELECT p.base_url, p.settings, s.secrets INTO present
    FROM murallink_private.partner p JOIN murallink_private.partner_secret s ON s.partner_uid = p.uid
    WHERE p.name = configure_partner.partner;
    base_url := murallink.required(coalesce(configure_partner.base_url, present.base_url), 'base_url');
    IF configure_partner.secrets IS NULL AND pg_catalog.rtrim(base_url, '/') <> present.base_url THEN
        -- Secrets are not sent to an address that whoever gave them has not seen.
        PERFORM murallink.raise('missing_field', 'secrets');
    END IF;
    checked := murallink.partner_checked(
        murallink.required(configure_partner.partner, 'partner'), pg_catalog.rtrim(base_url, '/'),
        coalesce(configure_partner.settings, present.settings, '{}'), coalesce(configure_partner.secrets, present.secrets, '{}'));
    IF murallink.currency_decimals(checked.settings ->> 'currency') IS DISTINCT FROM 2 THEN
        PERFORM murallink.raise('invalid_value', 'settings.currency');
    END IF;
    INSERT INTO murallink_private.partner AS p (name, base_url, settings)
    VALUES (configure_partner.partner, pg_catalog.rtrim(base_url, '/'), checked.settings)
    ON CONFLICT (name) DO UPDATE
    SET base_url = EXCLUDED.base_url, settings = EXCLUDED.settings, revision = p.revision + 1
    RETURNING p.uid INTO changed;
    INSERT INTO murallink_private.partner_secret (partner_uid, secrets) VALUES (changed, checked.secrets)
    ON CONFLICT (partner_uid) DO UPDATE SET secrets = EXCLUDED.secrets;
    -- Cards before payouts, as the worker locks them.
    PERFORM FROM murallink_private.card c WHERE c.partner = configure_partner.partner ORDER BY c.uid FOR SHARE;
    UPDATE murallink.payout p SET status = 'waiting'
    WHERE p.partner = configure_partner.partner AND p.status IN ('waiting', 'ready');
    PERFORM murallink.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.configure_partner(text, text, jsonb, jsonb) IS
'Sets up a partner, or changes what is given of it. base_url: https, or http on this machine; settings, secrets: objects, which replace the earlier ones; with another base_url the secrets must be given again. For operators. Errors: not_found, missing_field, insecure_url, wrong_type, unknown_key, invalid_value.';

CREATE FUNCTION murallink.payout_route() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    the_partner murallink_private.partner;
    the_card murallink_private.card;
    the_program text;
BEGIN
    NEW.card_uid := NULL;
    -- What is not there is looked for again under a lock, for it may be on its way: then it is seen, or whoever
    -- brings it sees this payout.
    FOR look IN 1..2 LOOP
        SELECT t.uid, t.partner INTO NEW.payment_type_uid, NEW.partner
        FROM murallink.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
        JOIN murallink.contract c ON c.uid = p.contract_uid
        JOIN murallink_private.payment_type t ON t.uid = coalesce(e.payment_type_uid, c.default_payment_type_uid)
        WHERE p.uid = NEW.payment_uid;
        EXIT WHEN FOUND;
        PERFORM FROM murallink.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
        WHERE p.uid = NEW.payment_uid FOR SHARE OF e;
    END LOOP;
    IF NEW.partner IS NULL THEN
        NEW.reason := CASE WHEN NEW.payment_type_uid IS NULL THEN 'no_payment_type' ELSE 'settled_by_person' END;
        RETURN NEW;
    END IF;

    LOCK TABLE murallink_private.partner IN ROW SHARE MODE;
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
        WHEN 'done' THEN ''
        WHEN 'waiting' THEN the_card.reason
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

CREATE FUNCTION murallink.card_route() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- The lock is for an address that is on its way: either it is seen here, or whoever brings it sees this card.
    SELECT CASE WHEN p.email = '' AND p.phone = '' THEN 'no_contact' ELSE '' END INTO NEW.reason
    FROM murallink.patient p WHERE p.uid = NEW.patient_uid FOR SHARE;
    IF NEW.reason = '' THEN
        NEW.status := 'ready';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.card_route() IS
'Trigger: a card is ready to be ordered once the patient can be told of it.';

CREATE FUNCTION murallink.card_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('waiting', 'ready'), ('ready', 'claimed'),
        ('claimed', 'done'), ('claimed', 'declined'), ('claimed', 'in_doubt'), ('claimed', 'ready'),
        ('declined', 'waiting'), ('declined', 'ready'), ('declined', 'done'),
        ('in_doubt', 'waiting'), ('in_doubt', 'ready'), ('in_doubt', 'done'))
    THEN
        PERFORM murallink.raise('wrong_status', 'card_uid');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.card_step() IS 'Trigger: a card goes one allowed step at a time. Errors: wrong_status.';

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
    -- Cards before payouts, as the worker locks them.
    PERFORM FROM murallink_private.card c WHERE c.patient_uid = NEW.patient_uid ORDER BY c.uid FOR SHARE;
    UPDATE murallink.payout SET status = 'waiting'
    WHERE status IN ('waiting', 'ready')
        AND payment_uid IN (SELECT p.uid FROM murallink.payment p WHERE p.enrollment_uid = NEW.uid AND p.status = 'approved');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.enrollment_reroute() IS 'Trigger: payouts that have not been claimed go the new way.';

CREATE FUNCTION murallink.patient_reroute() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink_private.card SET status = 'waiting' WHERE patient_uid = NEW.uid AND status = 'waiting';
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.patient_reroute() IS 'Trigger: a card that waited for the patient''s e-mail address or phone can be ordered.';

CREATE FUNCTION murallink.partner_enqueue() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'ready' THEN
        INSERT INTO murallink_private.partner_queue (subject_uid, partner, due_at) VALUES (NEW.uid, NEW.partner, NEW.due_at)
        ON CONFLICT (subject_uid) DO UPDATE SET partner = EXCLUDED.partner, due_at = EXCLUDED.due_at;
    ELSIF NEW.status = 'claimed' THEN
        UPDATE murallink_private.partner_queue SET due_at = 'infinity' WHERE subject_uid = NEW.uid;
    ELSIF TG_OP = 'UPDATE' THEN
        DELETE FROM murallink_private.partner_queue WHERE subject_uid = NEW.uid;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.partner_enqueue() IS 'Trigger: keeps the queue as the status of cards and payouts wants it.';

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
    UPDATE murallink_private.card c
    SET status = CASE WHEN murallink.required(ordered, 'ordered') THEN 'done' ELSE 'waiting' END::murallink.payout_status,
        proxy_key = murallink.checked_text(resolve_card.proxy_key, 'proxy_key', 100, ordered),
        note = murallink.checked_text(resolve_card.note, 'note', 1000, true),
        reason = '', due_at = pg_catalog.clock_timestamp()
    WHERE c.uid = resolve_card.card_uid;
END
$$;
COMMENT ON FUNCTION murallink.resolve_card(murallink.ksuid, boolean, text, text) IS
'Decides an order that was declined or is in doubt, after asking the partner. ordered: whether there is a card, whose proxy_key is then needed; if not, it is ordered again. note: how this is known. For operators. Errors: missing_field, not_found, too_long, wrong_status.';

CREATE FUNCTION murallink.claim_calls(partner text, most integer)
RETURNS TABLE (attempt_uid murallink.ksuid, operation text, params jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    due murallink.ksuid[];
    subject murallink.ksuid;
BEGIN
    IF murallink.payouts_state() <> 'on' THEN
        RETURN;
    END IF;
    -- What is locked is updated in the same subtransaction: otherwise both would need a multixact, whose dead rows
    -- every later scan of the index has to visit.
    BEGIN
        due := ARRAY(
            SELECT q.subject_uid FROM murallink_private.partner_queue q
            WHERE q.partner = claim_calls.partner AND q.due_at <= moment
            ORDER BY q.due_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED);
        RETURN QUERY SELECT * FROM murallink.claim_subjects(due);
    EXCEPTION WHEN OTHERS THEN
        FOREACH subject IN ARRAY due LOOP
            BEGIN
                RETURN QUERY SELECT * FROM murallink.claim_subjects(ARRAY(
                    SELECT q.subject_uid FROM murallink_private.partner_queue q
                    WHERE q.subject_uid = subject AND q.due_at <= moment FOR NO KEY UPDATE SKIP LOCKED));
            EXCEPTION WHEN OTHERS THEN
                RAISE WARNING 'murallink: % cannot be claimed: %', subject, SQLERRM;
            END;
        END LOOP;
    END;
    -- What could not be claimed now must not be in the way of the others.
    UPDATE murallink_private.partner_queue q SET due_at = moment + '5 s'
    WHERE q.subject_uid = ANY (ARRAY(
        SELECT q.subject_uid FROM murallink_private.partner_queue q
        WHERE q.subject_uid = ANY (due) AND q.due_at <= moment FOR NO KEY UPDATE SKIP LOCKED));
END
$$;
COMMENT ON FUNCTION murallink.claim_calls(text, integer) IS
'Takes what is due for a partner, at most so many, and writes an attempt for each. It must be committed before the calls are made. One that cannot be claimed stops no other.';

CREATE FUNCTION murallink.claim_subjects(subjects murallink.ksuid[])
RETURNS TABLE (attempt_uid murallink.ksuid, operation text, params jsonb)
LANGUAGE sql VOLATILE AS $$
    WITH free_payout AS MATERIALIZED (
        SELECT p.uid FROM murallink.payout p JOIN murallink.payment y ON y.uid = p.payment_uid
        WHERE p.uid = ANY (subjects) AND p.status = 'ready' FOR NO KEY UPDATE SKIP LOCKED
    ), payout AS (
        UPDATE murallink.payout p SET status = 'claimed', attempt = p.attempt + 1, reason = ''
        FROM free_payout f WHERE p.uid = f.uid
        RETURNING p.uid, p.partner, p.attempt, p.amount, p.card_uid
    ), free_card AS MATERIALIZED (
        SELECT c.uid FROM murallink_private.card c
        WHERE c.uid = ANY (subjects) AND c.status = 'ready' FOR NO KEY UPDATE SKIP LOCKED
    ), card AS (
        UPDATE murallink_private.card c SET status = 'claimed', attempt = c.attempt + 1, reason = ''
        FROM free_card f WHERE c.uid = f.uid
        RETURNING c.uid, c.partner, c.attempt, c.program, c.patient_uid
    ), call AS (
        SELECT p.uid, p.partner, p.attempt, 'load' AS operation, pg_catalog.jsonb_build_object(
            'program', c.program, 'proxy_key', c.proxy_key, 'amount', p.amount::numeric(16, 2)::text,
            'reference', p.uid::text) AS params
        FROM payout p JOIN murallink_private.card c ON c.uid = p.card_uid
        UNION ALL
        SELECT c.uid, c.partner, c.attempt, 'order', pg_catalog.jsonb_build_object(
            'program', c.program, 'first_name', p.first_name, 'last_name', p.last_name, 'phone', p.phone, 'email', p.email)
        FROM card c JOIN murallink.patient p ON p.uid = c.patient_uid
    ), attempt AS (
        INSERT INTO murallink_private.partner_attempt (subject_uid, attempt, partner, operation, content_hash)
        SELECT c.uid, c.attempt, c.partner, c.operation,
            pg_catalog.sha256(pg_catalog.convert_to(p.settings::text || c.params::text, 'UTF8'))
        FROM call c JOIN murallink_private.partner p ON p.name = c.partner
        RETURNING uid, subject_uid
    )
    SELECT a.uid, c.operation, c.params FROM attempt a JOIN call c ON c.uid = a.subject_uid
$$;
COMMENT ON FUNCTION murallink.claim_subjects(murallink.ksuid[]) IS
'Claims those of the cards and payouts that are ready and locked by nobody.';

CREATE FUNCTION murallink.settle_calls(results jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    settled murallink.ksuid[];
BEGIN
    WITH attempt AS (
        UPDATE murallink_private.partner_attempt a
        SET settled_at = pg_catalog.clock_timestamp(), outcome = r.outcome, http_status = r.http_status, reason = r.reason,
            facts = r.facts, answer = r.answer::json
        FROM pg_catalog.jsonb_to_recordset(results) AS r(
            attempt_uid murallink.ksuid, outcome text, http_status integer, reason text, facts jsonb, answer text)
        WHERE a.uid = r.attempt_uid AND a.outcome IS NULL
        RETURNING a.subject_uid
    )
    SELECT pg_catalog.array_agg(subject_uid) INTO settled FROM attempt;
    PERFORM murallink.apply_outcomes(settled);
END
$$;
COMMENT ON FUNCTION murallink.settle_calls(jsonb) IS
'Writes what became of calls. results: an array of {attempt_uid, outcome, http_status, reason, facts, answer}, answer being JSON as text.';

CREATE FUNCTION murallink.apply_outcomes(subjects murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    subject murallink.ksuid;
BEGIN
    PERFORM murallink.apply_together(subjects);
    SET CONSTRAINTS ALL IMMEDIATE;
EXCEPTION WHEN OTHERS THEN
    FOREACH subject IN ARRAY subjects LOOP
        BEGIN
            PERFORM murallink.apply_together(ARRAY[subject]);
            SET CONSTRAINTS ALL IMMEDIATE;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'murallink: the outcome of % cannot be applied: %', subject, SQLERRM;
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink.apply_outcomes(murallink.ksuid[]) IS
'Brings cards and payouts to the outcome of their last attempt. One that fails stops no other; its outcome is kept, and applied later.';

CREATE FUNCTION murallink.apply_together(subjects murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    free_payouts murallink.ksuid[];
BEGIN
    free_payouts := ARRAY(
        SELECT p.uid FROM murallink.payout p JOIN murallink.payment y ON y.uid = p.payment_uid
        WHERE p.uid = ANY (subjects) AND p.status = 'claimed' FOR NO KEY UPDATE SKIP LOCKED);
    -- A payer may hold a slot for long. Answers must be read meanwhile, so what cannot be settled now is settled later.
    free_payouts := ARRAY(
        SELECT p.uid FROM murallink.payout p
        WHERE p.uid = ANY (free_payouts) AND p.payment_uid IN (
            SELECT murallink.fund_held(ARRAY(SELECT f.payment_uid FROM murallink.payout f WHERE f.uid = ANY (free_payouts)))));
    UPDATE murallink.payout p
    SET status = murallink.status_after(a.outcome), reason = CASE a.outcome WHEN 'done' THEN '' ELSE a.reason END,
        reference = coalesce(a.facts ->> 'order_id', ''), due_at = murallink.due_after(a.outcome, a.attempt),
        settled_at = a.settled_at
    FROM murallink_private.partner_attempt a
    WHERE p.uid = ANY (free_payouts) AND a.subject_uid = p.uid AND a.attempt = p.attempt AND a.outcome IS NOT NULL;
    UPDATE murallink_private.card c
    SET status = murallink.status_after(a.outcome), reason = CASE a.outcome WHEN 'done' THEN '' ELSE a.reason END,
        proxy_key = coalesce(a.facts ->> 'proxy_key', ''), order_id = coalesce(a.facts ->> 'order_id', ''),
        person_id = coalesce(a.facts ->> 'person_id', ''), due_at = murallink.due_after(a.outcome, a.attempt),
        settled_at = a.settled_at
    FROM murallink_private.partner_attempt a
    WHERE c.uid = ANY (ARRAY(
            SELECT f.uid FROM murallink_private.card f
            WHERE f.uid = ANY (subjects) AND f.status = 'claimed' FOR NO KEY UPDATE SKIP LOCKED))
        AND a.subject_uid = c.uid AND a.attempt = c.attempt AND a.outcome IS NOT NULL;
END
$$;
COMMENT ON FUNCTION murallink.apply_together(murallink.ksuid[]) IS
'Applies outcomes to those cards and payouts that are claimed and locked by nobody: an answer to an earlier attempt changes nothing.';

CREATE FUNCTION murallink.status_after(outcome text) RETURNS murallink.payout_status
LANGUAGE sql IMMUTABLE STRICT
RETURN CASE outcome WHEN 'not_sent' THEN 'ready' ELSE outcome END::murallink.payout_status;
COMMENT ON FUNCTION murallink.status_after(text) IS 'The status of a card or payout after an attempt with that outcome.';

CREATE FUNCTION murallink.due_after(outcome text, attempt integer) RETURNS timestamptz
LANGUAGE sql VOLATILE STRICT
RETURN pg_catalog.clock_timestamp() + CASE outcome WHEN 'not_sent' THEN
    LEAST(300, 2 ^ LEAST(attempt - 1, 10)) * (0.5 + pg_catalog.random()) * interval '1 s' ELSE interval '0' END;
COMMENT ON FUNCTION murallink.due_after(text, integer) IS
'When to send again what was not sent: after a second, then after twice as long each time up to five minutes, with half of it more or less by chance.';

CREATE FUNCTION murallink.recover_calls() RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    claimed CONSTANT murallink.ksuid[] := ARRAY(SELECT subject_uid FROM murallink_private.partner_queue WHERE due_at = 'infinity');
    doubtful integer;
BEGIN
    UPDATE murallink_private.partner_attempt a
    SET settled_at = pg_catalog.clock_timestamp(), outcome = 'in_doubt', reason = 'the worker ended while the call was under way'
    WHERE a.subject_uid = ANY (claimed) AND a.outcome IS NULL;
    GET DIAGNOSTICS doubtful = ROW_COUNT;
    PERFORM murallink.apply_outcomes(claimed);
    RETURN doubtful;
END
$$;
COMMENT ON FUNCTION murallink.recover_calls() IS
'Puts in doubt what an earlier worker had under way when it ended, and returns how many calls that were. Only for a worker before its first claim.';

CREATE FUNCTION murallink.apply_late() RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink.apply_outcomes(ARRAY(SELECT q.subject_uid FROM murallink_private.partner_queue q WHERE q.due_at = 'infinity'));
$$;
COMMENT ON FUNCTION murallink.apply_late() IS 'Applies outcomes that could not be applied when they were written.';
