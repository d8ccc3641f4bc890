-- Payments: the rules of their rows, and how they are requested and listed. approval.sql decides them.

CREATE TYPE murallink.payment_status AS ENUM (
    'pending', 'approved', 'processing', 'paid', 'failed', 'in_doubt', 'rejected', 'cancelled', 'reversed', 'elsewhere',
    'unmarked', 'returned');
COMMENT ON TYPE murallink.payment_status IS
'pending: made; approved: to be paid out; processing: being sent; paid; failed: refused by the partner; in_doubt: sent, outcome unknown; rejected: not approved; cancelled: after approval; reversed: taken back; elsewhere: somebody else has paid, and no funds move; unmarked: that was a mistake; returned: paid, and it came back, because it did not reach the patient.';

CREATE TYPE murallink.payment_kind AS ENUM ('milestone', 'manual', 'travel');
COMMENT ON TYPE murallink.payment_kind IS 'The purpose of a payment: a milestone of the schedule, a one-off, or travel expenses.';

CREATE TYPE murallink.milestone_version AS (
    uid murallink.ksuid, effective_date timestamptz, milestone text, amount numeric, num_payments integer, currency text,
    sort_order integer);
COMMENT ON TYPE murallink.milestone_version IS 'The version of a milestone that priced a payment.';

CREATE TYPE murallink.payment_info AS (
    uid murallink.ksuid,
    enrollment_uid murallink.ksuid,
    payment_type text,
    milestone_uid murallink.optional_uid,
    amount numeric,
    currency text,
    note text,
    status text,
    date murallink.optional_date,
    milestone murallink.milestone_version,
    decision_note murallink.optional_text,
    net_amount murallink.optional_amount,
    moved_from_uid murallink.optional_uid,
    moved_to_uid murallink.optional_uid,
    fraction murallink.optional_number,
    completes_uid murallink.optional_uid,
    capped_from murallink.optional_number
);
COMMENT ON TYPE murallink.payment_info IS
'A payment, as milestone_payment and get_patient_payments answer. date: the day it was made, UTC. decision_note: why it was rejected, cancelled, reversed or returned, or the note of the approval; net_amount: what is left of it where a part has come back; moved_from_uid, moved_to_uid: see move_payment; fraction: the part of the milestone that is paid; completes_uid: the payment of the part whose rest this is; capped_from: the amount before the cap of the day.';

CREATE FUNCTION murallink_private.payment_price() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'payment_price';
COMMENT ON FUNCTION murallink_private.payment_price() IS
'Trigger: completes a new payment from its enrollment, and a milestone payment from the version in force; if no status is given, sets the one in which the trial makes such payments; refuses a payment that is not allowed. Errors: missing_field, not_found, not_enrolled, dropped, not_covered, not_payable, already_paid, day_capped, wrong_status, invalid_value.';

CREATE FUNCTION murallink_private.payment_funds() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'payment_funds';
COMMENT ON FUNCTION murallink_private.payment_funds() IS
'Trigger: moves the funds with each step of a payment. Errors: insufficient_funds.';

CREATE FUNCTION murallink_private.payment_may(payment_uid murallink.ksuid, status murallink.payment_status) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT CASE payment_may.status
            WHEN 'cancelled' THEN CASE WHEN coalesce(c.status IN ('waiting', 'ready', 'declined'), true)
                THEN NOT (coalesce(c.suspect, o.suspect) AND o.partner IS NOT NULL)
                -- A look-up that sends it again may pay it.
                ELSE (c.status, p.status) = ('in_doubt', 'in_doubt') AND NOT (c.operation = 'pay' AND EXISTS (
                    SELECT FROM murallink_private.call l
                    WHERE l.subject_uid = o.uid AND l.subject_uid <> l.uid AND l.operation = 'look_up' AND l.status = 'claimed')) END
            WHEN 'paid' THEN c.status = 'done' OR o.partner IS NULL AND o.settled_at IS NOT NULL
            WHEN 'failed' THEN c.status = 'declined' OR o.partner IS NULL AND o.settled_at IS NOT NULL
            ELSE c.status = 'in_doubt' END
        FROM murallink_private.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid
        LEFT JOIN murallink_private.call c ON c.uid = o.uid WHERE p.uid = payment_may.payment_uid), status = 'cancelled')
$$;
COMMENT ON FUNCTION murallink_private.payment_may(murallink.ksuid, murallink.payment_status) IS
'Whether what has become of the payout of a payment allows a status: paid and failed are what its call, or a person where no partner pays, has come to; a payment that is being sent, also by a look-up, or was sent and is neither refused nor in doubt, or may have been sent by another server, is not cancelled, and one that has no payout may only be cancelled; what is in doubt is approved again only while its call is in doubt.';

CREATE FUNCTION murallink_private.approvals_required(payment_uid murallink.ksuid) RETURNS integer
LANGUAGE plpgsql STABLE SET plan_cache_mode = auto AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.max(murallink_private.approvals_needed(r.tiers, GREATEST(p.amount, m.amount), p.currency))
        FROM murallink_private.payment p
        -- Otherwise two parts of a visit, or a price raised in steps, would need fewer people than the visit.
        LEFT JOIN murallink.milestone m ON m.uid = CASE WHEN pg_catalog.num_nonnulls(p.fraction, p.completes_uid) > 0 THEN p.milestone_uid
            ELSE p.top_up_version_uid END,
            LATERAL murallink_private.approval_rules_since(p.trial_uid, p.created_at) r
        WHERE p.uid = approvals_required.payment_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.approvals_required(murallink.ksuid) IS
'How many people must approve a payment by the tiers of its trial that have held since it was requested: see approvals_needed(). A part of a milestone needs as many as the whole, and a top-up as many as the price to which it adds up.';

CREATE FUNCTION murallink_private.approvals_suffice(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.count(*) >= murallink_private.approvals_required(approvals_suffice.payment_uid)
    FROM murallink_private.approval a WHERE a.payment_uid = approvals_suffice.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.approvals_suffice(murallink.ksuid) IS
'Whether as many people have approved a payment as the tiers of its trial require.';

CREATE FUNCTION murallink_private.refuse_step(payment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    present CONSTANT text := (SELECT p.status::text FROM murallink_private.payment p WHERE p.uid = refuse_step.payment_uid);
BEGIN
    PERFORM murallink_private.raise('wrong_status', 'payment_uid', CASE present
        WHEN 'pending' THEN 'It is pending: approve_payment or reject_payment decides it.'
        WHEN 'approved' THEN 'It is approved: cancel_payment takes it back, as long as it is not being sent.'
        WHEN 'paid' THEN 'It is paid: request_reversal takes it back.'
        WHEN 'elsewhere' THEN 'Somebody else has paid it: unmark_paid_elsewhere takes the mark back.'
        ELSE pg_catalog.format('It is %s.', pg_catalog.replace(present, '_', ' ')) END);
END
$$;
COMMENT ON FUNCTION murallink_private.refuse_step(murallink.ksuid) IS
'Refuses a step of a payment, with a hint that says what its status is and what can be done then. Errors: wrong_status.';

CREATE FUNCTION murallink_private.payment_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM murallink_private.raise('append_only', 'payment');
    END IF;
    IF (NEW.patient_uid, NEW.chain_uid, NEW.occurrence) IS DISTINCT FROM (OLD.patient_uid, OLD.chain_uid, OLD.occurrence)
        AND NEW.status = OLD.status AND murallink_private.merged_into(OLD.patient_uid, NEW.patient_uid) THEN
        OLD.patient_uid := NEW.patient_uid;
        OLD.chain_uid := NEW.chain_uid;
        OLD.occurrence := NEW.occurrence;
    ELSIF OLD.status = 'pending' AND NEW.status = 'pending' AND EXISTS (
        SELECT FROM murallink_private.approval a
        WHERE a.payment_uid = NEW.uid AND a.app_user_uid = NEW.decided_by_uid AND a.note = NEW.decision_note) THEN
        OLD.decided_by_uid := NEW.decided_by_uid;
        OLD.decision_note := NEW.decision_note;
    ELSIF (OLD.status, NEW.status) NOT IN (
        ('pending', 'approved'), ('pending', 'rejected'),
        ('approved', 'paid'), ('approved', 'failed'), ('approved', 'in_doubt'), ('approved', 'cancelled'),
        ('failed', 'approved'), ('failed', 'cancelled'),
        ('in_doubt', 'paid'), ('in_doubt', 'approved'), ('in_doubt', 'cancelled'),
        ('paid', 'reversed'), ('paid', 'returned'), ('elsewhere', 'unmarked'))
        -- A part that comes back leaves the rest paid.
        AND (NEW.status <> 'paid' OR OLD.status <> 'paid' OR NEW.returned IS NOT DISTINCT FROM OLD.returned)
        -- The approval decides how much of it is kept.
        AND (NEW.status <> 'approved' OR OLD.status <> 'approved' OR NEW.recovered IS NOT DISTINCT FROM OLD.recovered)
        OR NEW.status = ANY ('{reversed,returned}') AND NEW.returned IS DISTINCT FROM NEW.amount
        OR NEW.status <> OLD.status AND OLD.status = 'paid' AND (NEW.status = 'returned') <> murallink_private.reversals_came_back(NEW.uid)
        OR (OLD.status IN ('approved', 'in_doubt') AND NEW.status <> OLD.status OR NEW.status = 'cancelled')
            AND NOT murallink_private.payment_may(NEW.uid, NEW.status)
        OR OLD.status = 'pending' AND NEW.status = 'approved' AND NOT murallink_private.approvals_suffice(NEW.uid)
    THEN
        PERFORM murallink_private.raise('wrong_status', 'payment_uid');
    END IF;
    IF NEW.returned IS DISTINCT FROM OLD.returned AND NEW.returned IS DISTINCT FROM murallink_private.reversals_returned(NEW.uid)
        OR NEW.recovered IS DISTINCT FROM OLD.recovered AND (
            OLD.recovered IS NOT NULL OR OLD.status <> 'approved' OR NEW.status <> 'approved'
            OR NEW.recovered IS DISTINCT FROM murallink_private.recoveries_kept(NEW.uid))
    THEN
        PERFORM murallink_private.raise('wrong_status', 'payment_uid');
    END IF;
    -- A payment is approved before its top-ups, and cancelled or taken back after them. Wait for a concurrent change of it.
    IF NEW.top_up_of_uid IS NOT NULL AND (OLD.status, NEW.status) = ('pending', 'approved') THEN
        PERFORM FROM murallink_private.payment p WHERE p.uid = NEW.top_up_of_uid AND p.counts AND p.status <> 'pending' FOR SHARE;
        IF NOT FOUND OR murallink_private.reversal_of_all(NEW.top_up_of_uid) THEN
            PERFORM murallink_private.raise('wrong_status', 'top_up_of_uid', 'Decide the payment that this one tops up first.');
        ELSIF NOT murallink_private.top_up_stands(NEW.uid) THEN
            PERFORM murallink_private.raise('wrong_status', 'top_up_of_uid', 'Less of the payment is left: reject this one, and call top_up again.');
        END IF;
    ELSIF OLD.status IN ('approved', 'failed') AND NEW.status = 'cancelled' AND EXISTS (
        SELECT FROM murallink_private.payment t WHERE t.top_up_of_uid = NEW.uid AND t.counts AND t.status <> 'pending') THEN
        PERFORM murallink_private.raise('wrong_status', 'payment_uid', 'Cancel its top-ups, or take them back, first.');
    END IF;
    IF NEW.status = 'cancelled' AND OLD.status <> 'cancelled' THEN
        PERFORM murallink_private.payout_cancel(NEW.uid);
    END IF;
    IF OLD.recovered IS NOT NULL AND NEW.status <> OLD.status AND NEW.status IN ('paid', 'failed', 'cancelled') THEN
        PERFORM murallink_private.recoveries_end(NEW.uid, NEW.status = 'paid');
        IF NEW.status <> 'paid' THEN
            NEW.recovered := NULL;
        END IF;
    END IF;
    OLD.recovered := NEW.recovered;
    OLD.status := NEW.status;
    IF NEW.status IN ('approved', 'rejected', 'cancelled', 'reversed', 'returned', 'unmarked') THEN
        OLD.decided_by_uid := NEW.decided_by_uid;
        OLD.decision_note := NEW.decision_note;
    END IF;
    OLD.returned := NEW.returned;
    OLD.returned_by_uid := NEW.returned_by_uid;
    -- The generated column is computed after this trigger.
    OLD.counts := NEW.counts;
    IF NEW IS DISTINCT FROM OLD THEN
        PERFORM murallink_private.raise('append_only', 'payment');
    END IF;
    NEW.updated_at := pg_catalog.clock_timestamp();
    IF NEW.status = 'paid' THEN
        NEW.paid_at := coalesce(OLD.paid_at, NEW.updated_at);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.payment_step() IS
'Trigger: only the status of a payment changes, one allowed step at a time, and with a decision the user who decided and the note, with an approval that others must follow only these, and what has come back of it, which is what its reversals say, and whether that was taken back or has not reached the patient; what is kept of it is decided when it is approved, and goes back if it is not paid; it is approved only by as many people as the tiers of its trial require; while its payout is being sent, only the outcome of that ends it, a payment that is cancelled takes its payout along, and a top-up is approved after the payment that it adds to, if it is still due, and that one is not cancelled before it. If its patient is merged into another one, its patient, its chain and its number there change. updated_at shows each change, and paid_at the one to paid. Errors: wrong_status, append_only.';

CREATE FUNCTION murallink_private.payment_being_sent(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
    SELECT EXISTS (
        SELECT FROM murallink_private.payout o JOIN murallink_private.call c ON c.uid = o.uid
        WHERE o.payment_uid = payment_being_sent.payment_uid AND c.status IN ('claimed', 'done'))
$$;
COMMENT ON FUNCTION murallink_private.payment_being_sent(murallink.ksuid) IS
'Whether an approved payment is being sent, or its partner has accepted it and has not paid it yet. The view murallink.payment calls it with the rights of its reader.';

CREATE FUNCTION murallink_private.payment_infos(OUT created_at timestamptz, OUT info murallink.payment_info) RETURNS SETOF record
LANGUAGE sql STABLE AS $$
    SELECT p.created_at, ROW(
        p.uid, p.enrollment_uid, p.payment_type::text, p.milestone_uid, pg_catalog.trim_scale(p.amount), p.currency::text, p.note,
        p.status::text, (p.created_at AT TIME ZONE 'UTC')::date,
        CASE WHEN m.uid IS NOT NULL THEN ROW(m.uid, m.effective_date, m.milestone, pg_catalog.trim_scale(m.amount), m.num_payments,
            m.currency::text, m.sort_order)::murallink.milestone_version END, p.decision_note,
        CASE WHEN p.returned IS NOT NULL THEN pg_catalog.trim_scale(p.net_amount) END, p.moved_from_uid, p.moved_to_uid,
        pg_catalog.trim_scale(p.fraction), p.completes_uid, pg_catalog.trim_scale(p.capped_from))::murallink.payment_info
    FROM murallink.payment p LEFT JOIN murallink.milestone m ON m.uid OPERATOR(pg_catalog.=) p.milestone_uid
$$;
COMMENT ON FUNCTION murallink_private.payment_infos() IS
'The payments as clients see them, and when they were made. It is inlined into the calling query, so that only the necessary rows are read.';

CREATE FUNCTION murallink_private.payment_info(payment_uid murallink.ksuid) RETURNS murallink.payment_info
LANGUAGE sql STABLE AS $$
    SELECT i.info FROM murallink_private.payment_infos() i WHERE (i.info).uid = payment_uid
$$;
COMMENT ON FUNCTION murallink_private.payment_info(murallink.ksuid) IS 'A payment as clients see it.';

CREATE FUNCTION murallink_private.payment_answer(payment_uid murallink.ksuid, note text, seen boolean) RETURNS murallink.payment_info
LANGUAGE plpgsql STABLE AS $$
DECLARE
    whole murallink.payment_info := murallink_private.payment_info(payment_uid);
    answer murallink.payment_info;
BEGIN
    IF seen THEN
        whole.decision_note := coalesce(whole.decision_note, note);
        RETURN whole;
    END IF;
    answer.uid := whole.uid;
    answer.status := whole.status;
    answer.decision_note := note;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink_private.payment_answer(murallink.ksuid, text, boolean) IS
'A payment as the caller may see it. note: the caller''s own, of the decision; seen: whether the caller sees payments there; otherwise the answer has only the uid, the status and the note.';

CREATE FUNCTION murallink_private.visit_day(visit_date date, created_at timestamptz, time_zone text) RETURNS date
LANGUAGE sql STABLE
RETURN coalesce(visit_date, murallink_private.local_day(created_at, time_zone));
COMMENT ON FUNCTION murallink_private.visit_day(date, timestamptz, text) IS
'The day of the visit that a payment pays: its visit_date, or the day on which it was made, where the site is. The library has the same rule: payment_visit_day().';

CREATE FUNCTION murallink_private.payment_rest(
    payment_uid murallink.ksuid, enrollment_uid murallink.ksuid, OUT milestone_uid murallink.ksuid, OUT occurrence integer,
    OUT amount numeric, OUT visit_date date
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    part murallink_private.payment;
BEGIN
    -- The part stays as it is until the rest is made.
    SELECT * INTO part FROM murallink_private.payment p
    WHERE p.uid = payment_rest.payment_uid AND p.enrollment_uid = payment_rest.enrollment_uid FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'payment_uid');
    ELSIF part.fraction IS NULL OR NOT part.counts OR EXISTS (
        SELECT FROM murallink_private.payment m WHERE m.moved_from_uid = part.uid) THEN
        PERFORM murallink_private.raise(
            'wrong_status', 'payment_uid', 'Only a payment with a fraction that is neither undone nor moved has a rest.');
    END IF;
    milestone_uid := part.milestone_uid;
    occurrence := part.occurrence;
    SELECT m.amount - coalesce(part.capped_from, part.amount) INTO amount FROM murallink.milestone m WHERE m.uid = part.milestone_uid;
    IF amount <= 0 THEN
        PERFORM murallink_private.raise('already_paid', 'payment_uid');
    END IF;
    SELECT murallink_private.visit_day(part.visit_date, part.created_at, s.time_zone) INTO visit_date
    FROM murallink.site s WHERE s.uid = part.site_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.payment_rest(murallink.ksuid, murallink.ksuid) IS
'What is left to be paid of a milestone of which a payment to the enrollment has paid a part: at the price of that payment, for the day of its visit. Locks the payment. Errors: not_found, wrong_status (it paid no part, does not count any more, or was moved to another patient), already_paid (nothing is left).';

CREATE FUNCTION murallink.milestone_payment(
    patient_uid murallink.ksuid DEFAULT NULL, milestone_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL,
    visit_date murallink.day DEFAULT NULL, fraction numeric DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'milestone_payment';
COMMENT ON FUNCTION murallink.milestone_payment(murallink.ksuid, murallink.ksuid, text, murallink.day, numeric, text, text) IS
'Pays a patient for a milestone (document: Milestone Payment), at the price in force now, or on the day of the visit if the trial prices by visit, whichever version''s uid is given. visit_date: the day of the visit, from the enrollment to today, required if the trial prices by visit, or the patient has been dropped or the contract has ended since; fraction: the part of the visit that is paid, above 0 and at most 1 (the default), with at most two decimals: below 1 it needs a note, the amount is rounded half up, and only complete_payment pays the rest; source, ref: what another system calls the payment, as set_reference takes them; a repetition with the same is refused (already_exists, field ref), and find_reference shows what there is. Needs milestone_payment on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, not_enrolled, dropped, not_covered, not_payable, already_exists (the reference), already_paid (also by a milestone that excludes it), day_capped, insufficient_funds.';

CREATE FUNCTION murallink_private.make_payment(
    enrollment_uid murallink.ksuid, payment_type murallink.payment_kind, amount numeric, currency text, note text, visit_date date,
    source text, ref text
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    payer text := currency;
    made murallink.ksuid;
    refers CONSTANT boolean := '' <> ANY (ARRAY[source, ref]);
BEGIN
    IF refers THEN
        PERFORM murallink_private.reference_unused('payment', e.client_uid, source, ref)
        FROM murallink.enrollment e WHERE e.uid = make_payment.enrollment_uid;
    END IF;
    IF coalesce(payer, '') = '' THEN
        SELECT c.currency INTO payer
        FROM murallink.enrollment e JOIN murallink.contract c ON c.uid = e.contract_uid WHERE e.uid = make_payment.enrollment_uid;
    END IF;
    PERFORM murallink_private.check_money(make_payment.amount, payer);
    INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, note, visit_date, requested_by_uid)
    VALUES (
        make_payment.enrollment_uid, make_payment.payment_type, make_payment.amount, payer,
        murallink_private.checked_text(make_payment.note, 'note', 1000, false), make_payment.visit_date, murallink_private.caller())
    RETURNING uid INTO made;
    IF refers THEN
        PERFORM murallink_private.refer('payment', made, source, ref);
    END IF;
    RETURN murallink_private.payment_info(made);
END
$$;
COMMENT ON FUNCTION murallink_private.make_payment(murallink.ksuid, murallink.payment_kind, numeric, text, text, date, text, text) IS
'Makes a manual or travel payment. currency: default the contract''s; source, ref: what another system calls it.';

CREATE FUNCTION murallink.manual_payment(
    patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL,
    currency text DEFAULT NULL, note text DEFAULT NULL, visit_date murallink.day DEFAULT NULL,
    source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.make_payment(
        murallink_private.enrolled(patient_uid, trial_uid, 'manual_payment', visit_date), 'manual', amount, currency, note, visit_date, source, ref);
END
$$;
COMMENT ON FUNCTION murallink.manual_payment(murallink.ksuid, murallink.ksuid, numeric, text, text, murallink.day, text, text) IS
'Makes a one-off payment (document: Manual Payment), which always waits for approval. amount: in units of currency, which defaults to the contract''s; visit_date: the day of the visit, from the enrollment to today, required if the patient has been dropped or the contract has ended since; source, ref: what another system calls the payment, as set_reference takes them; a repetition with the same is refused (already_exists, field ref), and find_reference shows what there is. Needs manual_payment on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, too_long, unknown_currency, invalid_amount, invalid_value, dropped, not_covered, already_exists (the reference), insufficient_funds.';

CREATE FUNCTION murallink.travel_payment(
    patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, amount numeric DEFAULT NULL,
    currency text DEFAULT NULL, note text DEFAULT NULL, visit_date murallink.day DEFAULT NULL,
    source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.payment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.make_payment(
        murallink_private.enrolled(patient_uid, trial_uid, 'travel_payment', visit_date), 'travel', amount, currency, note, visit_date, source, ref);
END
$$;
COMMENT ON FUNCTION murallink.travel_payment(murallink.ksuid, murallink.ksuid, numeric, text, text, murallink.day, text, text) IS
'Reimburses travel expenses (document: Travel Payment), after approval. amount, currency, visit_date, source, ref: as manual_payment takes them. Needs travel_payment on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, too_long, unknown_currency, invalid_amount, invalid_value, dropped, not_covered, already_exists (the reference), insufficient_funds.';

CREATE FUNCTION murallink.get_patient_payments(patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL)
RETURNS SETOF murallink.payment_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place murallink.ksuid := murallink_private.enrolled(get_patient_payments.patient_uid, get_patient_payments.trial_uid, 'view_payments');
BEGIN
    RETURN QUERY
    SELECT (i.info).* FROM murallink_private.payment_infos() i
    WHERE (i.info).enrollment_uid = ANY (ARRAY(
        SELECT murallink_private.enrollments_seen(get_patient_payments.patient_uid, get_patient_payments.trial_uid, 'view_payments')))
    ORDER BY i.created_at, (i.info).uid;
END
$$;
COMMENT ON FUNCTION murallink.get_patient_payments(murallink.ksuid, murallink.ksuid) IS
'The payments made to a patient in a trial, oldest first (document: Get Patient Payments); after a transfer the new site sees those of all sites, the old one its own. Needs view_payments on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field.';

CREATE TYPE murallink.payable_milestone AS (
    uid murallink.ksuid, milestone text, amount numeric, currency text, num_payments integer, paid integer, sort_order integer,
    code text, elsewhere integer);
COMMENT ON TYPE murallink.payable_milestone IS 'A milestone that can still be paid. paid: how often it has been, at any site; code: what it is known by, whatever its name; elsewhere: how often of these somebody else has paid it.';

CREATE FUNCTION murallink.payable_milestones(
    patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, visit_date murallink.day DEFAULT NULL
) RETURNS SETOF murallink.payable_milestone
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place murallink.ksuid := murallink_private.enrolled(payable_milestones.patient_uid, payable_milestones.trial_uid, 'milestone_payment');
BEGIN
    RETURN QUERY
    SELECT m.uid, m.milestone, m.amount, m.currency, m.num_payments, pg_catalog.count(DISTINCT p.occurrence)::integer,
        m.sort_order, m.code::text, (pg_catalog.count(*) FILTER (WHERE p.status = 'elsewhere'))::integer
    FROM murallink.enrollment e
    CROSS JOIN murallink_private.versions_in_force(
        e.trial_site_uid, murallink_private.checked_date(payable_milestones.visit_date, 'visit_date')) m
    LEFT JOIN murallink_private.payment p ON p.chain_uid = e.chain_uid
        AND murallink_private.label_key(p.milestone_code) = murallink_private.label_key(m.code)
        AND p.counts AND (m.per IS NULL
            OR murallink_private.screening_of(p.enrollment_uid) = murallink_private.screening_of(e.uid))
    WHERE e.uid = place AND NOT EXISTS (
        SELECT FROM murallink.trial t
        JOIN murallink_private.payment paid ON paid.chain_uid = e.chain_uid AND paid.counts
            AND murallink_private.label_key(paid.milestone_code) = ANY (murallink_private.rivals(t.exclusive_milestones, m.code))
            AND (m.per IS NULL OR murallink_private.screening_of(paid.enrollment_uid) = murallink_private.screening_of(e.uid))
        WHERE t.uid = e.trial_uid)
    GROUP BY m.uid, m.milestone, m.amount, m.currency, m.num_payments, m.sort_order, m.code
    HAVING pg_catalog.count(DISTINCT p.occurrence) < m.num_payments
    ORDER BY m.sort_order, m.milestone COLLATE "C";
END
$$;
COMMENT ON FUNCTION murallink.payable_milestones(murallink.ksuid, murallink.ksuid, murallink.day) IS
'The milestones that a patient can still be paid for in a trial, in the order of the schedule, at the prices in force; those paid at sites that the patient has left are not payable again, nor those that are excluded by one that was paid. visit_date: the day of the visit, for a trial that prices by visit; default today at the site. Needs milestone_payment on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, invalid_value.';

CREATE TYPE murallink.top_up_line AS (
    payment_uid murallink.ksuid, enrollment_uid murallink.ksuid, visit_date date, milestone_uid murallink.ksuid, paid numeric,
    due numeric, amount numeric, top_up_uid murallink.optional_uid);
COMMENT ON TYPE murallink.top_up_line IS
'A payment that is topped up. visit_date: of the visit, or the day of the payment at the site; milestone_uid: the version that prices it now; paid: what was paid, with earlier top-ups; due: what would be paid now; amount: the difference, or what the cap of the day leaves of it; top_up_uid: the payment of the difference.';

CREATE FUNCTION murallink_private.left_of_day(
    trial_site_uid murallink.ksuid, chain_uid murallink.ksuid, currency text, day date
) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT a.day_cap - (
        SELECT coalesce(pg_catalog.sum(p.amount - coalesce(p.returned, 0)), 0)
        FROM murallink_private.payment p JOIN murallink.site s ON s.uid = p.site_uid
        WHERE p.chain_uid = $2 AND p.counts AND p.currency = $3 AND p.status <> 'elsewhere'
            AND (p.payment_type = 'milestone' OR p.top_up_of_uid IS NOT NULL)
            AND murallink_private.visit_day(p.visit_date, p.created_at, s.time_zone) = $4)
    FROM murallink.trial_site a WHERE a.uid = $1 AND a.day_cap_currency = $3
$$;
COMMENT ON FUNCTION murallink_private.left_of_day(murallink.ksuid, murallink.ksuid, text, date) IS
'How much the cap of a trial at a site leaves for milestones and top-ups of visits on a day, in currency units: the cap less what was paid for visits of that day in the whole chain of enrollments and has not come back; null if there is no cap in that currency.';

CREATE FUNCTION murallink_private.payment_at(payment_uid murallink.ksuid, price numeric) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p.completes_uid IS NULL THEN d.part ELSE payment_at.price - d.part END
    FROM murallink_private.payment p LEFT JOIN murallink_private.payment q ON q.uid = p.completes_uid, LATERAL (
        SELECT pg_catalog.round(payment_at.price * coalesce(p.fraction, q.fraction, 1), murallink_private.currency_decimals(p.currency)) AS part) d
    WHERE p.uid = payment_at.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.payment_at(murallink.ksuid, numeric) IS
'What a milestone payment would be at another price of its milestone: all of it, the part that it pays, rounded half up, or the rest of a part.';

CREATE FUNCTION murallink_private.top_up_stands(payment_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT t.amount <= pg_catalog.round(b.kept / p.amount * murallink_private.payment_at(p.uid, v.amount),
        murallink_private.currency_decimals(p.currency)) - b.kept - b.topped
    FROM murallink_private.payment t JOIN murallink_private.payment p ON p.uid = t.top_up_of_uid
    JOIN murallink.milestone v ON v.uid = t.top_up_version_uid
    CROSS JOIN LATERAL (
        SELECT p.amount - murallink_private.reversals_asked(p.uid) AS kept,
            (SELECT coalesce(pg_catalog.sum(o.amount - coalesce(o.returned, 0)), 0) FROM murallink_private.payment o
            WHERE o.top_up_of_uid = p.uid AND o.counts AND (o.created_at, o.uid) < (t.created_at, t.uid)) AS topped) b
    WHERE t.uid = top_up_stands.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.top_up_stands(murallink.ksuid) IS
'Whether a top-up that was made is still due: not if so much of the payment has been asked back since that less is.';

CREATE FUNCTION murallink_private.top_up_due(payment_uid murallink.ksuid) RETURNS SETOF murallink.top_up_line
LANGUAGE sql STABLE AS $$
    SELECT p.uid, p.enrollment_uid, b.visit, n.uid, pg_catalog.trim_scale(b.kept + b.topped), pg_catalog.trim_scale(w.due),
        pg_catalog.trim_scale(w.due - b.kept - b.topped), NULL::murallink.ksuid
    FROM murallink_private.payment p JOIN murallink.site s ON s.uid = p.site_uid
    JOIN murallink.milestone o ON o.uid = p.milestone_uid
    CROSS JOIN LATERAL (
        SELECT murallink_private.visit_day(p.visit_date, p.created_at, s.time_zone) AS visit,
            p.amount - coalesce(p.returned, 0) AS kept,
            (SELECT coalesce(pg_catalog.sum(t.amount - coalesce(t.returned, 0)), 0) FROM murallink_private.payment t
            WHERE t.top_up_of_uid = p.uid AND t.counts) AS topped) b
    CROSS JOIN LATERAL (
        SELECT v.* FROM murallink_private.versions_in_force(p.trial_site_uid, b.visit) v
        WHERE murallink_private.label_key(v.code) = murallink_private.label_key(p.milestone_code)) n
    CROSS JOIN LATERAL (
        SELECT pg_catalog.round(b.kept / p.amount * murallink_private.payment_at(p.uid, n.amount),
            murallink_private.currency_decimals(p.currency)) AS due) w
    WHERE p.uid = $1 AND p.counts AND p.status <> 'elsewhere' AND p.capped_from IS NULL AND n.currency = p.currency AND n.num_payments > 0
        AND n.effective_date > o.effective_date
        AND w.due > b.kept + b.topped
        AND NOT EXISTS (SELECT FROM murallink_private.payment t WHERE t.top_up_of_uid = p.uid AND t.top_up_version_uid = n.uid AND t.counts)
$$;
COMMENT ON FUNCTION murallink_private.top_up_due(murallink.ksuid) IS
'The top-up of a milestone payment that is not rejected, cancelled, reversed, returned, paid elsewhere or cut to the cap of its day, if a later version in the same currency prices its visit higher, in the way in which its trial prices now: by the version in force now, or on the day of the visit. Of a payment that paid a part, or of which a part was taken back, the same part of the new price is due, rounded half up.';

CREATE FUNCTION murallink_private.top_ups_due(trial_site_uid murallink.ksuid, code_key text, from_date date)
RETURNS SETOF murallink.top_up_line
LANGUAGE sql STABLE AS $$
    SELECT t.payment_uid, t.enrollment_uid, t.visit_date, t.milestone_uid, t.paid, t.due, least(t.amount, t.left_before), NULL::murallink.ksuid
    FROM (
        SELECT d.*, p.currency, l.amount - (coalesce(pg_catalog.sum(d.amount) OVER (PARTITION BY p.chain_uid, p.currency, d.visit_date
            ORDER BY d.payment_uid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS left_before
        FROM murallink.trial_site a
        JOIN murallink_private.payment p ON p.site_uid = a.site_uid AND p.trial_site_uid = a.uid
        CROSS JOIN LATERAL murallink_private.top_up_due(p.uid) d
        CROSS JOIN LATERAL murallink_private.left_of_day(p.trial_site_uid, p.chain_uid, p.currency, d.visit_date) l (amount)
        WHERE a.uid = $1 AND p.counts AND murallink_private.label_key(p.milestone_code) = $2 AND d.visit_date >= $3) t
    WHERE (t.left_before > 0) IS NOT FALSE
    ORDER BY t.visit_date, t.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.top_ups_due(murallink.ksuid, text, date) IS
'The top-ups of the payments of a milestone of a trial at a site, for visits from a day on, one after the other as far as the cap of the day goes. code_key: label_key() of its code.';

CREATE FUNCTION murallink_private.top_up_allowed(
    payment_uid murallink.ksuid, version_uid murallink.ksuid, enrollment_uid murallink.ksuid, amount numeric, currency text
) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink_private.top_up_due($1) d JOIN murallink_private.payment p ON p.uid = d.payment_uid
        WHERE p.currency = $5 AND d.milestone_uid = $2 AND d.enrollment_uid = $3 AND d.amount >= $4)
$$;
COMMENT ON FUNCTION murallink_private.top_up_allowed(murallink.ksuid, murallink.ksuid, murallink.ksuid, numeric, text) IS
'Whether a payment may be topped up by an amount for a version. payment_price() asks it of each new top-up.';

CREATE FUNCTION murallink_private.verify_payments(OUT contract_uid murallink.ksuid, OUT currency text, OUT problem text) RETURNS SETOF record
LANGUAGE sql STABLE AS $$
    WITH entered AS (
        SELECT contract_uid, currency,
            pg_catalog.sum(CASE WHEN movement IN ('reserve', 'withdraw', 'correct') THEN -amount WHEN movement = 'disburse' THEN 0 ELSE amount END)
                AS available,
            pg_catalog.sum(CASE movement WHEN 'reserve' THEN amount WHEN 'release' THEN -amount WHEN 'disburse' THEN -amount ELSE 0 END)
                AS reserved,
            pg_catalog.sum(CASE movement WHEN 'disburse' THEN amount WHEN 'return' THEN -amount ELSE 0 END) AS disbursed
        FROM murallink.fund_entry GROUP BY contract_uid, currency),
    held AS (
        SELECT contract_uid, currency, pg_catalog.sum(available) AS available, pg_catalog.sum(reserved) AS reserved,
            pg_catalog.sum(disbursed) AS disbursed
        FROM murallink.fund_slot GROUP BY contract_uid, currency)
    SELECT contract_uid, currency::text, pg_catalog.format(
        'the slots hold %s available, %s reserved and %s disbursed, the entries add up to %s, %s and %s',
        coalesce(h.available, 0), coalesce(h.reserved, 0), coalesce(h.disbursed, 0),
        coalesce(e.available, 0), coalesce(e.reserved, 0), coalesce(e.disbursed, 0))
    FROM held h FULL JOIN entered e USING (contract_uid, currency)
    WHERE (coalesce(h.available, 0), coalesce(h.reserved, 0), coalesce(h.disbursed, 0))
        <> (coalesce(e.available, 0), coalesce(e.reserved, 0), coalesce(e.disbursed, 0))
    UNION ALL
    SELECT f.contract_uid, f.currency::text, pg_catalog.format('funding %s of %s has no entry of that amount', f.uid, f.amount)
    FROM murallink.funding f LEFT JOIN murallink.fund_entry e ON e.source_uid = f.uid AND e.movement = f.movement
    WHERE (f.contract_uid, f.client_uid, f.currency, f.amount) IS DISTINCT FROM (e.contract_uid, e.client_uid, e.currency, e.amount)
    UNION ALL
    SELECT f.contract_uid, f.currency::text, pg_catalog.format('funding %s (%s) corrects %s (%s)', f.uid, f.movement, w.uid, w.movement)
    FROM murallink.funding f JOIN murallink.funding w ON w.uid = f.corrects_uid
    WHERE w.corrects_uid IS NOT NULL OR (w.movement = 'deposit') <> (f.movement = 'correct')
    UNION ALL
    SELECT p.contract_uid, p.currency::text, pg_catalog.format(
        'payment %s of %s is %s, its entries are %s', p.uid, p.amount, p.status, coalesce(e.shown, 'none'))
    FROM murallink_private.payment p
    LEFT JOIN LATERAL (
        SELECT pg_catalog.array_agg(f.movement ORDER BY f.movement) AS movements,
            pg_catalog.string_agg(pg_catalog.format('%s of %s', f.movement, f.amount), ', ' ORDER BY f.movement) AS shown,
            pg_catalog.bool_and((f.contract_uid, f.client_uid, f.currency, f.amount)
                = (p.contract_uid, p.client_uid, p.currency, p.amount)) AS agree
        FROM murallink.fund_entry f WHERE f.source_uid = p.uid) e ON true
    WHERE CASE WHEN p.status IN ('elsewhere', 'unmarked') THEN e.shown IS NOT NULL ELSE e.agree IS NOT TRUE OR e.movements <> CASE
        WHEN p.status IN ('rejected', 'cancelled') THEN '{reserve,release}'
        WHEN p.status IN ('paid', 'reversed', 'returned') THEN '{reserve,disburse}'
        ELSE '{reserve}' END::murallink.fund_movement[] END
    UNION ALL
    SELECT p.contract_uid, p.currency::text, pg_catalog.format(
        'payment %s of %s is not what a fraction of %s, the rest after %s, and the cap leave of %s', p.uid, p.amount,
        coalesce(p.fraction, 1), coalesce(part.amount, 0), m.amount)
    FROM murallink_private.payment p JOIN murallink.milestone m ON m.uid = p.milestone_uid
    LEFT JOIN murallink_private.payment part ON part.uid = p.completes_uid
    WHERE coalesce(p.capped_from, p.amount) <> pg_catalog.round(
        m.amount * coalesce(p.fraction, 1), murallink_private.currency_decimals(p.currency)) - coalesce(part.capped_from, part.amount, 0)
    OR p.completes_uid IS NOT NULL AND (part.milestone_uid, part.enrollment_uid, part.occurrence)
        IS DISTINCT FROM (p.milestone_uid, p.enrollment_uid, p.occurrence)
    UNION ALL
    SELECT t.contract_uid, t.currency::text, pg_catalog.format('payment %s of %s tops up payment %s, which it does not fit',
        t.uid, t.amount, t.top_up_of_uid)
    FROM murallink_private.payment t
    LEFT JOIN murallink_private.payment p ON p.uid = t.top_up_of_uid
    LEFT JOIN murallink.milestone o ON o.uid = p.milestone_uid
    LEFT JOIN murallink.milestone v ON v.uid = t.top_up_version_uid
    WHERE t.top_up_of_uid IS NOT NULL AND (
        (t.enrollment_uid, t.currency) = (p.enrollment_uid, p.currency)
        AND (v.trial_site_uid, v.currency, murallink_private.label_key(v.code))
            = (o.trial_site_uid, p.currency, murallink_private.label_key(p.milestone_code))
        AND p.amount + t.amount <= murallink_private.payment_at(p.uid, v.amount)) IS NOT TRUE
    UNION ALL
    SELECT e.contract_uid, e.currency::text, pg_catalog.format('entry %s (%s of %s) has no source', e.uid, e.movement, e.amount)
    FROM murallink.fund_entry e
    WHERE CASE
        -- verify_reversals() proves these.
        WHEN movement = 'return' THEN false
        WHEN movement IN ('deposit', 'withdraw', 'correct') THEN NOT EXISTS (SELECT FROM murallink.funding f WHERE f.uid = e.source_uid)
        ELSE NOT EXISTS (SELECT FROM murallink_private.payment p WHERE p.uid = e.source_uid) END
$$;
COMMENT ON FUNCTION murallink_private.verify_payments() IS
'The contradictions between balances, entries, fundings and payments, for verify_ledger().';

CREATE FUNCTION murallink_private.verify_chains(OUT contract_uid murallink.ksuid, OUT currency text, OUT problem text) RETURNS SETOF record
LANGUAGE sql STABLE AS $$
    SELECT p.contract_uid, p.currency::text, pg_catalog.format(
        'payment %s of %s to %s is in the chain %s, its enrollment %s of %s in %s',
        p.uid, p.amount, p.patient_uid, p.chain_uid, p.enrollment_uid, coalesce(e.patient_uid::text, 'nobody'), coalesce(e.chain_uid::text, 'none'))
    FROM murallink_private.payment p LEFT JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
    WHERE (p.chain_uid, p.patient_uid, p.contract_uid, p.trial_uid, p.site_uid)
        IS DISTINCT FROM (e.chain_uid, e.patient_uid, e.contract_uid, e.trial_uid, e.site_uid)
    UNION ALL
    SELECT e.contract_uid, NULL, pg_catalog.format(
        'enrollment %s is %s and followed by %s', e.uid, e.status, coalesce(n.uid::text, 'none'))
    FROM murallink.enrollment e LEFT JOIN murallink.enrollment n ON n.previous_uid = e.uid
    WHERE CASE WHEN n.uid IS NULL THEN e.status IN ('transferred', 'merged') ELSE e.status NOT IN ('transferred', 'screen_failed', 'merged') END
$$;
COMMENT ON FUNCTION murallink_private.verify_chains() IS
'The contradictions between payments and the chains of enrollments, for verify_ledger().';
