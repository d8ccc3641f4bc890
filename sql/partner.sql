CREATE FUNCTION murallink.partner_checked(partner text, base_url text, INOUT settings jsonb, INOUT secrets jsonb)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'partner_checked';
COMMENT ON FUNCTION murallink.partner_checked(text, text, jsonb, jsonb) IS
'The settings and secrets of a partner, with the initial values of those that are absent. Errors: not_found, insecure_url, wrong_type, unknown_key, invalid_value, missing_field.';

CREATE FUNCTION murallink.hide_statement() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'partner_hide_statement';
COMMENT ON FUNCTION murallink.hide_statement() IS
'Keeps the statement that is running, which has secrets, out of pg_stat_activity and of the log.';

CREATE FUNCTION murallink.configure_partner(
    partner text, base_url text DEFAULT NULL, settings jsonb DEFAULT NULL, secrets jsonb DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    present record;
    checked record;
    changed murallink.ksuid;
BEGIN
    PERFORM murallink.hide_statement();
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
    SET base_url = EXCLUDED.base_url, settings = EXCLUDED.settings, revision = p.revision + 1,
        secrets_changed_at = CASE checked.secrets WHEN present.secrets THEN p.secrets_changed_at
            ELSE EXCLUDED.secrets_changed_at END
    RETURNING p.uid INTO changed;
    INSERT INTO murallink_private.partner_secret (partner_uid, secrets) VALUES (changed, checked.secrets)
    ON CONFLICT (partner_uid) DO UPDATE SET secrets = EXCLUDED.secrets;
    PERFORM murallink.order_enrolled(ARRAY(
        SELECT e.uid FROM murallink.contract c JOIN murallink.enrollment e ON e.contract_uid = c.uid
        WHERE c.order_cards = 'enrollment'));
    PERFORM murallink.reroute(murallink.unclaimed(NULL, configure_partner.partner));
    PERFORM murallink.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.configure_partner(text, text, jsonb, jsonb) IS
'Sets up a partner, or changes what is given of it. base_url: https, or http on this machine; settings, secrets: objects, which replace the earlier ones; with another base_url the secrets must be given again. For operators. Errors: not_found, missing_field, insecure_url, wrong_type, unknown_key, invalid_value.';

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
BEGIN
    NEW.card_uid := NULL;
    -- Whoever changes the enrollment waits for the lock of the payment, and so sees this payout afterwards. The contract's
    -- default is looked for again under a lock, for it may be on its way: then it is seen, or whoever brings it sees this.
    FOR look IN 1..2 LOOP
        SELECT t.uid, t.partner INTO NEW.payment_type_uid, NEW.partner
        FROM murallink.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
        JOIN murallink.contract c ON c.uid = p.contract_uid
        JOIN murallink_private.payment_type t ON t.uid = coalesce(e.payment_type_uid, c.default_payment_type_uid)
        WHERE p.uid = NEW.payment_uid;
        EXIT WHEN FOUND;
        PERFORM FROM murallink.contract c WHERE c.uid = NEW.contract_uid FOR SHARE;
    END LOOP;
    -- Who holds payouts, or sets up a partner, waits for this, and so sees this payout afterwards.
    LOCK TABLE murallink_private.partner IN ROW SHARE MODE;
    IF EXISTS (SELECT FROM murallink_private.payout_hold h WHERE h.subject_uid IN (NEW.uid, NEW.contract_uid)) THEN
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
        WHEN 'done' THEN CASE OLD.status WHEN 'claimed' THEN NEW.reason ELSE '' END
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
    LOCK TABLE murallink_private.partner IN EXCLUSIVE MODE;
    INSERT INTO murallink_private.payout_hold AS h (subject_uid, note)
    VALUES (subject, murallink.checked_text(hold_payouts.note, 'note', 1000, true))
    ON CONFLICT (subject_uid) DO UPDATE SET note = EXCLUDED.note;
    PERFORM murallink.reroute(murallink.unclaimed(hold_payouts.contract_uid, NULL) || hold_payouts.payout_uid);
END
$$;
COMMENT ON FUNCTION murallink.hold_payouts(text, murallink.ksuid, murallink.ksuid, text) IS
'Holds a payout, all of a contract, or all that a partner is asked, one of which is given, until release_payouts(). What is being sent is finished. note: why. For operators. Errors: missing_field, not_found, too_long, invalid_value.';

CREATE FUNCTION murallink.release_payouts(
    payout_uid murallink.ksuid DEFAULT NULL, contract_uid murallink.ksuid DEFAULT NULL, partner text DEFAULT NULL,
    note text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    subject CONSTANT murallink.ksuid := murallink.hold_subject(payout_uid, contract_uid, partner);
    why CONSTANT text := murallink.checked_text(note, 'note', 1000, false);
BEGIN
    LOCK TABLE murallink_private.partner IN EXCLUSIVE MODE;
    -- For the audit, which tells the note of what is deleted.
    UPDATE murallink_private.payout_hold h SET note = why WHERE h.subject_uid = subject AND why <> '';
    DELETE FROM murallink_private.payout_hold h WHERE h.subject_uid = subject;
    IF NOT FOUND THEN
        PERFORM murallink.raise('wrong_status', NULL);
    END IF;
    PERFORM murallink.reroute(murallink.unclaimed(release_payouts.contract_uid, NULL) || release_payouts.payout_uid);
    PERFORM murallink.worker_wake();
END
$$;
COMMENT ON FUNCTION murallink.release_payouts(murallink.ksuid, murallink.ksuid, text, text) IS
'Releases what hold_payouts() held; a payout whose contract is held, too, still waits. note: why, for the audit. For operators. Errors: missing_field, not_found, too_long, invalid_value, wrong_status.';

CREATE FUNCTION murallink.card_route() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.task_uid IS NOT NULL THEN
        NEW.reason := 'bulk_order';
        RETURN NEW;
    END IF;
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
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.card_step() IS
'Trigger: a card goes one allowed step at a time; one that was never claimed has an outcome only where it was ordered with others. Errors: wrong_status.';

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
    -- enrollment_card() locks; then the partners.
    PERFORM FROM murallink.contract c WHERE c.uid = NEW.contract_uid FOR SHARE;
    PERFORM FROM murallink.payment p
    WHERE p.enrollment_uid = NEW.uid AND p.status IN ('pending', 'approved', 'processing', 'failed', 'in_doubt')
    ORDER BY p.uid FOR SHARE;
    LOCK TABLE murallink_private.partner IN ROW SHARE MODE;
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
    LOCK TABLE murallink_private.partner IN ROW SHARE MODE;
    PERFORM murallink.reroute(murallink.unclaimed(NEW.uid, NULL));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.contract_reroute() IS
'Trigger: payouts that have not been claimed go the new way, where patients have chosen nothing.';

CREATE FUNCTION murallink.order_enrolled(enrollment_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Who sets up a partner waits for this, or this for him: either sees what the other has brought.
    LOCK TABLE murallink_private.partner IN ROW SHARE MODE;
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
    UPDATE murallink_private.card SET status = 'waiting' WHERE patient_uid = NEW.uid AND status = 'waiting';
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.patient_reroute() IS 'Trigger: a card that waited for the patient''s e-mail address or phone can be ordered.';

CREATE FUNCTION murallink.task_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('ready', 'claimed'), ('claimed', 'ready'), ('claimed', 'done'), ('claimed', 'declined'), ('claimed', 'in_doubt'),
        ('done', 'ready'), ('declined', 'ready'), ('in_doubt', 'ready'), ('in_doubt', 'done'), ('in_doubt', 'declined'))
        OR OLD.status = 'done' AND NEW.status = 'ready' AND NOT NEW.repeatable
    THEN
        PERFORM murallink.raise('wrong_status', 'task_uid');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.task_step() IS
'Trigger: a task goes one allowed step at a time, and is done again only where it changes nothing. Errors: wrong_status.';

CREATE FUNCTION murallink.partner_enqueue() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'ready' THEN
        INSERT INTO murallink_private.partner_queue (subject_uid, resource, partner, due_at)
        VALUES (NEW.uid, TG_TABLE_NAME, NEW.partner, CASE WHEN EXISTS (
            SELECT FROM murallink_private.partner_suspect s WHERE s.subject_uid = NEW.uid) THEN '-infinity' ELSE NEW.due_at END)
        ON CONFLICT (subject_uid) DO UPDATE SET partner = EXCLUDED.partner, due_at = EXCLUDED.due_at, problem = '';
    ELSIF NEW.status = 'claimed' THEN
        UPDATE murallink_private.partner_queue SET due_at = 'infinity', problem = '' WHERE subject_uid = NEW.uid;
    ELSIF TG_OP = 'UPDATE' THEN
        DELETE FROM murallink_private.partner_queue WHERE subject_uid = NEW.uid;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.partner_enqueue() IS 'Trigger: keeps the queue as the status of cards, payouts and tasks wants it.';

CREATE FUNCTION murallink.queue_problem(subject murallink.ksuid, problem text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.partner_queue q SET problem = queue_problem.problem, problem_at = pg_catalog.clock_timestamp()
    WHERE q.subject_uid IN (
        SELECT k.subject_uid FROM murallink_private.partner_queue k
        WHERE k.subject_uid = subject AND k.problem <> queue_problem.problem FOR NO KEY UPDATE SKIP LOCKED);
    IF FOUND THEN
        RAISE WARNING 'murallink: %: %', subject, queue_problem.problem USING HINT = 'It is tried again by itself. See murallink.needs_person.';
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.queue_problem(murallink.ksuid, text) IS
'Keeps, for needs_person, why a card, payout or task cannot go on; a problem is logged when it is new.';

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

CREATE TYPE murallink.task_info AS (
    uid murallink.ksuid, partner text, operation text, subject_uid murallink.ksuid, status murallink.payout_status, reason text,
    attempt integer, facts jsonb, note text, requested_by name, created_at timestamptz, settled_at timestamptz);
COMMENT ON TYPE murallink.task_info IS
'What a partner was asked, and what it answered. facts: by murallink''s own names; reason: why it was not done.';

CREATE FUNCTION murallink.partner_tasks(
    task_uid murallink.ksuid DEFAULT NULL, operation text DEFAULT NULL, status text DEFAULT NULL,
    subject_uid murallink.ksuid DEFAULT NULL, patient_uid murallink.ksuid DEFAULT NULL, most integer DEFAULT 100
) RETURNS SETOF murallink.task_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    wanted CONSTANT text := NULLIF(murallink.checked_text(operation, 'operation', 100, false), '');
BEGIN
    IF status <> ALL (pg_catalog.enum_range(NULL::murallink.payout_status)::text[]) THEN
        PERFORM murallink.raise('invalid_value', 'status');
    ELSIF most < 0 THEN
        PERFORM murallink.raise('invalid_value', 'most');
    END IF;
    RETURN QUERY
    SELECT t.uid, t.partner, t.operation, t.subject_uid, t.status, t.reason, t.attempt, t.facts, t.note, t.requested_by,
        t.created_at, t.settled_at
    FROM murallink_private.partner_task t
    WHERE (partner_tasks.task_uid IS NULL OR t.uid = partner_tasks.task_uid)
        AND (wanted IS NULL OR t.operation = wanted)
        AND (partner_tasks.status IS NULL OR t.status::text = partner_tasks.status)
        AND (partner_tasks.subject_uid IS NULL OR t.subject_uid = partner_tasks.subject_uid)
        AND (partner_tasks.patient_uid IS NULL OR t.subject_uid = ANY (ARRAY(
            SELECT c.uid FROM murallink_private.card c WHERE c.patient_uid = partner_tasks.patient_uid
            UNION ALL
            SELECT o.uid FROM murallink.enrollment e JOIN murallink.payment p ON p.enrollment_uid = e.uid
            JOIN murallink.payout o ON o.payment_uid = p.uid WHERE e.patient_uid = partner_tasks.patient_uid)))
    ORDER BY t.created_at DESC, t.uid DESC
    LIMIT partner_tasks.most;
END
$$;
COMMENT ON FUNCTION murallink.partner_tasks(murallink.ksuid, text, text, murallink.ksuid, murallink.ksuid, integer) IS
'What partners were asked besides ordering and loading cards, newest first. task_uid, operation, status, subject_uid (a card or a payout), patient_uid: only these; most: how many at most, null for all. For operators. Errors: too_long, invalid_value.';

CREATE FUNCTION murallink.task_begin(
    partner text, operation text, params jsonb, repeatable boolean, subject_uid murallink.ksuid DEFAULT NULL
) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    IF NOT EXISTS (SELECT FROM murallink_private.partner p WHERE p.name = task_begin.partner) THEN
        PERFORM murallink.raise('not_found', 'partner');
    END IF;
    INSERT INTO murallink_private.partner_task (partner, operation, params, repeatable, subject_uid)
    VALUES (task_begin.partner, task_begin.operation, task_begin.params, task_begin.repeatable, task_begin.subject_uid)
    RETURNING uid INTO made;
    RETURN (SELECT t FROM murallink.partner_tasks(made) t);
END
$$;
COMMENT ON FUNCTION murallink.task_begin(text, text, jsonb, boolean, murallink.ksuid) IS
'Asks a partner for something, which the worker does. Errors: not_found.';

CREATE FUNCTION murallink.resolve_task(task_uid murallink.ksuid, done boolean, note text) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present murallink.payout_status;
BEGIN
    SELECT t.status INTO present FROM murallink_private.partner_task t
    WHERE t.uid = murallink.required(resolve_task.task_uid, 'task_uid') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink.raise('not_found', 'task_uid');
    ELSIF present <> 'in_doubt' THEN
        PERFORM murallink.raise('wrong_status', 'task_uid');
    END IF;
    UPDATE murallink_private.partner_task t
    SET status = CASE WHEN murallink.required(resolve_task.done, 'done') THEN 'done' ELSE 'declined' END::murallink.payout_status,
        note = murallink.checked_text(resolve_task.note, 'note', 1000, true)
    WHERE t.uid = resolve_task.task_uid;
    RETURN (SELECT t FROM murallink.partner_tasks(resolve_task.task_uid) t);
END
$$;
COMMENT ON FUNCTION murallink.resolve_task(murallink.ksuid, boolean, text) IS
'Decides a task in doubt, after asking the partner. done: whether it was done; if not, it can be wanted again. note: how this is known. For operators. Errors: missing_field, not_found, too_long, wrong_status.';

CREATE FUNCTION murallink.claim_calls(partner text, most integer)
RETURNS TABLE (attempt_uid murallink.ksuid, operation text, params jsonb)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment CONSTANT timestamptz := pg_catalog.clock_timestamp();
    due murallink.ksuid[];
    suspects murallink.ksuid[];
    subject murallink.ksuid;
BEGIN
    IF murallink.payouts_state() <> 'on' OR EXISTS (
        SELECT FROM murallink_private.payout_hold h JOIN murallink_private.partner p ON p.uid = h.subject_uid
        WHERE p.name = claim_calls.partner) THEN
        RETURN;
    END IF;
    -- What is locked is updated in the same subtransaction: otherwise both would need a multixact, whose dead rows
    -- every later scan of the index has to visit.
    BEGIN
        due := ARRAY(
            SELECT q.subject_uid FROM murallink_private.partner_queue q
            WHERE q.partner = claim_calls.partner AND q.due_at > '-infinity' AND q.due_at <= moment
            ORDER BY q.due_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED);
        -- These are not sent, so they are not among the most. Answers are not read meanwhile, so it is not all of them.
        suspects := ARRAY(
            SELECT q.subject_uid FROM murallink_private.partner_queue q
            WHERE q.partner = claim_calls.partner AND q.due_at = '-infinity' LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED);
        due := due || suspects;
        RETURN QUERY SELECT * FROM murallink.claim_subjects(due);
    EXCEPTION WHEN OTHERS THEN
        FOREACH subject IN ARRAY due LOOP
            BEGIN
                RETURN QUERY SELECT * FROM murallink.claim_subjects(ARRAY(
                    SELECT q.subject_uid FROM murallink_private.partner_queue q
                    WHERE q.subject_uid = subject AND q.due_at <= moment FOR NO KEY UPDATE SKIP LOCKED));
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            WHEN OTHERS THEN
                PERFORM murallink.queue_problem(subject, 'cannot be claimed: ' || SQLERRM);
            END;
        END LOOP;
    END;
    -- What could not be claimed now must not be in the way of the others.
    UPDATE murallink_private.partner_queue q SET due_at = moment + '5 s'
    WHERE q.subject_uid = ANY (ARRAY(
        SELECT q.subject_uid FROM murallink_private.partner_queue q
        WHERE q.subject_uid = ANY (due) AND q.due_at <= moment FOR NO KEY UPDATE SKIP LOCKED));
    IF suspects <> '{}' THEN
        PERFORM murallink.apply_outcomes(suspects);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.claim_calls(text, integer) IS
'Takes what is due for a partner, at most so many, and writes an attempt for each. It must be committed before the calls are made. One that cannot be claimed stops no other.';

CREATE FUNCTION murallink.claim_subjects(subjects murallink.ksuid[])
RETURNS TABLE (attempt_uid murallink.ksuid, operation text, params jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
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
    ), free_task AS MATERIALIZED (
        SELECT t.uid FROM murallink_private.partner_task t
        WHERE t.uid = ANY (subjects) AND t.status = 'ready' FOR NO KEY UPDATE SKIP LOCKED
    ), task AS (
        UPDATE murallink_private.partner_task t SET status = 'claimed', attempt = t.attempt + 1, reason = ''
        FROM free_task f WHERE t.uid = f.uid
        RETURNING t.uid, t.partner, t.attempt, t.operation, t.params, t.subject_uid
    ), call AS (
        SELECT p.uid, p.partner, p.attempt, 'load' AS operation, pg_catalog.jsonb_build_object(
            'program', c.program, 'proxy_key', c.proxy_key, 'amount', p.amount::numeric(16, 2)::text,
            'reference', p.uid::text) AS params
        FROM payout p JOIN murallink_private.card c ON c.uid = p.card_uid
        UNION ALL
        SELECT c.uid, c.partner, c.attempt, 'order', pg_catalog.jsonb_build_object(
            'program', c.program, 'first_name', p.first_name, 'last_name', p.last_name, 'phone', p.phone, 'email', p.email)
        FROM card c JOIN murallink.patient p ON p.uid = c.patient_uid
        UNION ALL
        -- Whatever the profile was when it changed, what it is now is sent.
        SELECT t.uid, t.partner, t.attempt, t.operation, CASE WHEN c.uid IS NULL THEN t.params ELSE pg_catalog.jsonb_build_object(
            'program', c.program, 'proxy_key', c.proxy_key, 'person_id', c.person_id, 'first_name', p.first_name,
            'last_name', p.last_name, 'phone', p.phone, 'email', p.email) END
        FROM task t LEFT JOIN murallink_private.card c ON t.operation = 'profile' AND c.uid = t.subject_uid
        LEFT JOIN murallink.patient p ON p.uid = c.patient_uid
    ), suspect AS (
        DELETE FROM murallink_private.partner_suspect s
        WHERE s.subject_uid = ANY (subjects) AND s.subject_uid IN (SELECT c.uid FROM call c) RETURNING s.subject_uid
    ), attempt AS (
        INSERT INTO murallink_private.partner_attempt (
            subject_uid, attempt, partner, operation, content_hash, outcome, settled_at, reason)
        SELECT c.uid, c.attempt, c.partner, c.operation,
            pg_catalog.sha256(pg_catalog.convert_to(p.settings::text || c.params::text, 'UTF8')), d.*
        FROM call c JOIN murallink_private.partner p ON p.name = c.partner LEFT JOIN suspect s ON s.subject_uid = c.uid
        LEFT JOIN (VALUES (
            'in_doubt', pg_catalog.clock_timestamp(), 'not sent: it may have been sent from where this was copied')) AS d
            ON s.subject_uid IS NOT NULL
        RETURNING uid, subject_uid, outcome
    )
    SELECT a.uid, c.operation, c.params FROM attempt a JOIN call c ON c.uid = a.subject_uid WHERE a.outcome IS NULL;
END
$$;
COMMENT ON FUNCTION murallink.claim_subjects(murallink.ksuid[]) IS
'Claims those of the cards, payouts and tasks that are ready and locked by nobody, and returns what is to be sent of them: the attempt of a suspect ends in doubt at once.';

CREATE FUNCTION murallink.suspect_calls() RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO murallink_private.partner_suspect (subject_uid)
    SELECT p.uid FROM murallink.payout p WHERE p.status NOT IN ('done', 'cancelled')
    UNION ALL
    SELECT c.uid FROM murallink_private.card c WHERE c.status IN ('waiting', 'ready', 'claimed')
    UNION ALL
    SELECT t.uid FROM murallink_private.partner_task t WHERE t.status IN ('ready', 'claimed') AND NOT t.repeatable
    ON CONFLICT DO NOTHING;
    UPDATE murallink_private.partner_queue q SET due_at = '-infinity'
    FROM murallink_private.partner_suspect s WHERE s.subject_uid = q.subject_uid AND q.due_at <> 'infinity';
$$;
COMMENT ON FUNCTION murallink.suspect_calls() IS
'Has all that another server may have sent put in doubt instead of being sent here: at once what is ready, and the rest when it would be. Orders of cards and tasks that were declined or are in doubt are left out: a person asks the partner before they go on.';

CREATE FUNCTION murallink.trust_calls() RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM murallink_private.partner_suspect;
    UPDATE murallink_private.partner_queue SET due_at = pg_catalog.clock_timestamp() WHERE due_at = '-infinity';
$$;
COMMENT ON FUNCTION murallink.trust_calls() IS 'Has what suspect_calls() found sent after all, as far as it has not been put in doubt.';

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
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        WHEN OTHERS THEN
            PERFORM murallink.queue_problem(subject, 'its outcome cannot be applied: ' || SQLERRM);
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink.apply_outcomes(murallink.ksuid[]) IS
'Brings cards, payouts and tasks to the outcome of their last attempt. One that fails stops no other; its outcome is kept, and applied later.';

CREATE FUNCTION murallink.apply_together(subjects murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    free_payouts murallink.ksuid[];
    unsent murallink.ksuid[];
    refused murallink.ksuid[];
BEGIN
    free_payouts := ARRAY(
        SELECT p.uid FROM murallink.payout p JOIN murallink.payment y ON y.uid = p.payment_uid
        WHERE p.uid = ANY (subjects) AND p.status = 'claimed' FOR NO KEY UPDATE SKIP LOCKED);
    -- A payer may hold a slot for long. Answers must be read meanwhile, so what cannot be settled now is settled later.
    free_payouts := ARRAY(
        SELECT p.uid FROM murallink.payout p
        WHERE p.uid = ANY (free_payouts) AND p.payment_uid IN (
            SELECT murallink.fund_held(ARRAY(SELECT f.payment_uid FROM murallink.payout f WHERE f.uid = ANY (free_payouts)))));
    -- What was not sent finds its way anew, which may have changed meanwhile: as soon as the partners are at rest.
    unsent := ARRAY(
        SELECT p.uid
        FROM murallink.payout p JOIN murallink_private.partner_attempt a ON a.subject_uid = p.uid AND a.attempt = p.attempt
        WHERE p.uid = ANY (free_payouts) AND a.outcome = 'not_sent');
    IF unsent <> '{}' AND NOT murallink.partners_at_rest() THEN
        free_payouts := ARRAY(SELECT f FROM pg_catalog.unnest(free_payouts) f WHERE f <> ALL (unsent));
    END IF;
    -- What was answered as signed out, or as too many calls, is looked for before it is sent again.
    refused := ARRAY(
        SELECT o.uid
        FROM murallink.payout o JOIN murallink_private.partner_attempt a ON a.subject_uid = o.uid AND a.attempt = o.attempt
        JOIN murallink_private.partner p ON p.name = o.partner
        WHERE o.uid = ANY (unsent) AND a.http_status IN (401, 429) AND (p.settings ->> 'look_up')::boolean);
    UPDATE murallink.payout p
    SET status = CASE WHEN p.uid = ANY (refused) THEN 'in_doubt' WHEN p.uid = ANY (unsent) THEN 'waiting'
            ELSE murallink.status_after(a.outcome) END,
        reason = CASE a.outcome WHEN 'done' THEN '' ELSE a.reason END,
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
    UPDATE murallink_private.partner_task t
    SET status = murallink.status_after(a.outcome), reason = CASE a.outcome WHEN 'done' THEN '' ELSE a.reason END,
        facts = a.facts, due_at = murallink.due_after(a.outcome, a.attempt), settled_at = a.settled_at
    FROM (
        SELECT r.uid, r.attempt, o.facts, o.reason, o.settled_at,
            CASE WHEN r.repeatable AND o.outcome = 'in_doubt' THEN 'not_sent' ELSE o.outcome END AS outcome
        FROM murallink_private.partner_task r
        JOIN murallink_private.partner_attempt o ON o.subject_uid = r.uid AND o.attempt = r.attempt
        WHERE r.uid = ANY (subjects) AND r.status = 'claimed' AND o.outcome IS NOT NULL FOR NO KEY UPDATE OF r SKIP LOCKED) a
    WHERE t.uid = a.uid;
END
$$;
COMMENT ON FUNCTION murallink.apply_together(murallink.ksuid[]) IS
'Applies outcomes to those cards, payouts and tasks that are claimed and locked by nobody: an answer to an earlier attempt changes nothing. A task that changes nothing at the partner is asked again where the outcome is in doubt.';

CREATE FUNCTION murallink.partners_at_rest() RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    LOCK TABLE murallink_private.partner IN ROW SHARE MODE NOWAIT;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION murallink.partners_at_rest() IS
'Whether nobody is configuring a partner; if so, nobody does until this transaction ends.';

CREATE FUNCTION murallink.status_after(outcome text) RETURNS murallink.payout_status
LANGUAGE sql IMMUTABLE STRICT
RETURN CASE outcome WHEN 'not_sent' THEN 'ready' ELSE outcome END::murallink.payout_status;
COMMENT ON FUNCTION murallink.status_after(text) IS 'The status of a card, payout or task after an attempt with that outcome.';

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
