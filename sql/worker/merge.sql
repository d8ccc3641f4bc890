-- Two records of one patient are merged.

CREATE FUNCTION murallink_private.move_rows(index text, from_uid murallink.ksuid, to_uid murallink.ksuid) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'merge_move_rows';
COMMENT ON FUNCTION murallink_private.move_rows(text, murallink.ksuid, murallink.ksuid) IS
'Sets patient_uid of the rows that an index finds by it, also in tables whose rows no statement changes, and returns how many these were. The index begins with patient_uid. For merge_patients().';

CREATE FUNCTION murallink_private.merge_under_way(keep_uid murallink.ksuid, drop_uid murallink.ksuid) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN EXISTS (
            SELECT FROM murallink_private.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
            LEFT JOIN murallink_private.payout o ON o.payment_uid = p.uid
            WHERE e.patient_uid IN (keep_uid, drop_uid) AND (
                p.status = 'in_doubt' OR EXISTS (
                    SELECT FROM murallink_private.call c
                    WHERE c.subject_uid = o.uid AND c.status IN ('ready', 'claimed', 'in_doubt')))) THEN 'payment'
        WHEN EXISTS (
            SELECT FROM murallink_private.card k WHERE k.patient_uid IN (keep_uid, drop_uid) AND (
                k.status IN ('ready', 'in_doubt') OR k.task_uid IS NOT NULL OR EXISTS (
                    SELECT FROM murallink_private.call c
                    WHERE c.subject_uid = k.uid AND c.status IN ('ready', 'claimed', 'in_doubt')))) THEN 'card'
        WHEN EXISTS (
            SELECT FROM murallink_private.participation a JOIN murallink_private.call c ON c.subject_uid = a.uid
            WHERE a.patient_uid IN (keep_uid, drop_uid) AND c.status IN ('ready', 'claimed', 'in_doubt')) THEN 'participation'
        END
$$;
COMMENT ON FUNCTION murallink_private.merge_under_way(murallink.ksuid, murallink.ksuid) IS
'The reason against a merge: a partner is being asked, or may be, to pay one of two patients, to issue a card or to change a membership; null if there is none.';

CREATE FUNCTION murallink_private.merge_enrollments(keep_uid murallink.ksuid, drop_uid murallink.ksuid, note text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    double record;
BEGIN
    -- In a trial in which both are enrolled, the enrollment that goes on follows the other one.
    FOR double IN
        SELECT k.trial_uid, l.uid AS ended_uid, f.uid AS first_uid, o.chain_uid
        FROM murallink.enrollment k JOIN murallink.enrollment d ON d.trial_uid = k.trial_uid AND d.patient_uid = drop_uid
            CROSS JOIN LATERAL (
                SELECT (d.status = 'enrolled' AND k.status <> 'enrolled') AS dropped_goes_on) which
            JOIN murallink.enrollment l ON l.uid = CASE WHEN which.dropped_goes_on THEN k.uid ELSE d.uid END
            JOIN murallink.enrollment o ON o.uid = l.uid
            JOIN murallink.enrollment f ON f.uid = CASE WHEN which.dropped_goes_on THEN d.chain_uid ELSE k.chain_uid END
        WHERE k.patient_uid = keep_uid
            AND NOT EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = k.uid)
            AND NOT EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = d.uid)
    LOOP
        UPDATE murallink.enrollment e
        SET status = 'merged', left_on = coalesce(e.left_on, murallink_private.today_at(e.site_uid))
        WHERE e.uid = double.ended_uid AND e.status <> 'screen_failed';
        INSERT INTO murallink.enrollment_note (enrollment_uid, app_user_uid, note)
        SELECT e.uid, murallink_private.caller(), merge_enrollments.note FROM murallink.enrollment e
        WHERE e.uid = double.ended_uid AND e.status = 'merged' AND e.patient_uid = keep_uid;
        UPDATE murallink.enrollment e
        SET chain_uid = double.chain_uid, previous_uid = CASE e.uid WHEN double.first_uid THEN double.ended_uid ELSE e.previous_uid END
        WHERE e.chain_uid = double.first_uid;
    END LOOP;
    INSERT INTO murallink.enrollment_note (enrollment_uid, app_user_uid, note)
    SELECT e.uid, murallink_private.caller(), merge_enrollments.note FROM murallink.enrollment e WHERE e.patient_uid = drop_uid;
    UPDATE murallink.enrollment e SET patient_uid = keep_uid WHERE e.patient_uid = drop_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.merge_enrollments(murallink.ksuid, murallink.ksuid, text) IS
'Moves the enrollments of a patient to another one. Where both are enrolled in a trial, their enrollments become one chain: the last one of it goes on, the other one ends as merged. Assumes that both are locked, and that constraints are deferred.';

CREATE FUNCTION murallink_private.merge_payments(keep_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Of a group of milestones of which only one is payable, each record may have been paid another one.
    IF EXISTS (
        SELECT FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
        JOIN murallink.milestone m ON m.uid = p.milestone_uid JOIN murallink.trial t ON t.uid = e.trial_uid
        JOIN murallink.enrollment f ON f.chain_uid = e.chain_uid JOIN murallink_private.payment q ON q.enrollment_uid = f.uid
        WHERE e.patient_uid = keep_uid AND p.counts AND q.counts AND q.chain_uid <> p.chain_uid
        AND (q.created_at, q.uid) < (p.created_at, p.uid)
        AND murallink_private.label_key(q.milestone_code) = ANY (murallink_private.rivals(t.exclusive_milestones, p.milestone_code))
        AND (m.per = 'person' OR murallink_private.screening_of(f.uid) = murallink_private.screening_of(e.uid))) THEN
        PERFORM murallink_private.raise('already_paid', 'drop_uid', 'Both were paid milestones of which only one is payable: undo one payment first.');
    END IF;
    -- Payments of a milestone that was paid in both chains get numbers after those of the chain that the other follows. A part and its
    -- rest keep one number, even if one of them does not count.
    WITH chained AS (
        SELECT p.uid, p.chain_uid AS before_uid, e.chain_uid, p.occurrence, p.counts, murallink_private.label_key(p.milestone_code) AS key
        FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid WHERE e.patient_uid = keep_uid),
    numbered AS (
        SELECT c.uid, c.chain_uid, c.occurrence + coalesce((
            SELECT pg_catalog.max(o.occurrence) FROM chained o
            WHERE o.chain_uid = c.chain_uid AND o.before_uid = o.chain_uid AND o.key = c.key AND o.counts), 0) AS occurrence
        FROM chained c WHERE c.before_uid <> c.chain_uid)
    UPDATE murallink_private.payment p
    SET patient_uid = keep_uid, chain_uid = n.chain_uid, occurrence = CASE WHEN p.payment_type = 'milestone' THEN n.occurrence END
    FROM numbered n WHERE n.uid = p.uid;
    UPDATE murallink_private.payment p SET patient_uid = keep_uid
    FROM murallink.enrollment e WHERE e.uid = p.enrollment_uid AND e.patient_uid = keep_uid AND p.patient_uid <> keep_uid;
    UPDATE murallink_private.reversal r SET patient_uid = keep_uid, chain_uid = e.chain_uid
    FROM murallink.enrollment e
    WHERE e.uid = r.enrollment_uid AND e.patient_uid = keep_uid AND (r.patient_uid, r.chain_uid) <> (keep_uid, e.chain_uid);
    IF EXISTS (
        SELECT FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
        JOIN murallink.milestone m ON m.uid = p.milestone_uid
        WHERE e.patient_uid = keep_uid AND p.counts
        GROUP BY p.chain_uid, murallink_private.label_key(p.milestone_code),
            CASE m.per WHEN 'enrollment' THEN murallink_private.screening_of(e.uid) END
        -- A part and its rest have one number.
        HAVING pg_catalog.count(DISTINCT p.occurrence) > pg_catalog.max(m.num_payments)) THEN
        PERFORM murallink_private.raise('already_paid', 'drop_uid', 'Both were paid the same milestone, together too often: undo one payment first.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.merge_payments(murallink.ksuid) IS
'Moves the payments of a patient''s enrollments, and their reversals, to the patient and to the chains of the enrollments. Errors: already_paid if a milestone was paid to both more often than it may be paid to one, or if they were paid milestones that exclude one another.';

CREATE FUNCTION murallink_private.merge_cards(keep_uid murallink.ksuid, drop_uid murallink.ksuid, note text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- A patient has one present card in a program: the one of the record that is kept.
    PERFORM murallink_private.card_end(d.uid, 'merged', merge_cards.note)
    FROM murallink_private.card d JOIN murallink_private.card k
        ON (k.partner, k.program, k.ended_at) = (d.partner, d.program, d.ended_at) AND k.patient_uid = keep_uid
    WHERE d.patient_uid = drop_uid AND d.ended_at = 'infinity';
    UPDATE murallink_private.card c SET patient_uid = keep_uid WHERE c.patient_uid = drop_uid;
    UPDATE murallink_private.payout o SET patient_uid = keep_uid
    FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
    WHERE e.patient_uid = keep_uid AND o.payment_uid = p.uid AND o.patient_uid <> keep_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.merge_cards(murallink.ksuid, murallink.ksuid, text) IS
'Moves the cards and payouts of a patient to another one. Where both have a card in a program, the moved one ends.';

CREATE FUNCTION murallink_private.merge_accounts(keep_uid murallink.ksuid, drop_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE murallink_private.payout_account d SET ended_at = pg_catalog.clock_timestamp(), ended_reason = 'merged', cooling = false
    FROM murallink_private.payout_account k
    WHERE d.patient_uid = drop_uid AND d.ended_at IS NULL
        AND k.patient_uid = keep_uid AND k.ended_at IS NULL AND k.payment_type_uid = d.payment_type_uid;
    UPDATE murallink_private.payout_account a SET patient_uid = keep_uid WHERE a.patient_uid = drop_uid;
$$;
COMMENT ON FUNCTION murallink_private.merge_accounts(murallink.ksuid, murallink.ksuid) IS
'Moves the accounts of a patient to another one. Where both have one for a payment type, the moved one ends.';

CREATE FUNCTION murallink_private.merge_consents(keep_uid murallink.ksuid, drop_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    way murallink.notice_channel;
    last_said boolean;
    agreed boolean;
BEGIN
    PERFORM murallink_private.move_rows('consent_patient', drop_uid, keep_uid);
    FOREACH way IN ARRAY pg_catalog.enum_range(NULL::murallink.notice_channel) LOOP
        agreed := (SELECT CASE way WHEN 'email' THEN p.email_enabled ELSE p.sms_enabled END FROM murallink.patient p WHERE p.uid = keep_uid);
        last_said := (
            SELECT c.given FROM murallink.consent c
            WHERE c.patient_uid = keep_uid AND c.channel = way ORDER BY c.number DESC LIMIT 1);
        -- A refusal under one of the uids holds. Consent under the other one was for an address that the patient does not have here.
        IF agreed AND NOT coalesce(last_said, true) OR NOT agreed AND last_said THEN
            PERFORM murallink_private.note_consent(keep_uid, way, false, 'merge_patients');
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.merge_consents(murallink.ksuid, murallink.ksuid) IS
'Moves the history of consent of a patient to another one, who gets no more messages than before.';

CREATE FUNCTION murallink_private.merge_memberships(keep_uid murallink.ksuid, drop_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink_private.participation a SET patient_uid = keep_uid
    WHERE a.patient_uid = drop_uid AND NOT EXISTS (
        SELECT FROM murallink_private.participation k WHERE k.patient_uid = keep_uid AND k.partner = a.partner);
    UPDATE murallink_private.participation_detail a SET patient_uid = keep_uid
    WHERE a.patient_uid = drop_uid AND NOT EXISTS (
        SELECT FROM murallink_private.participation_detail k WHERE k.patient_uid = keep_uid AND k.partner = a.partner);
    DELETE FROM murallink_private.participation_detail a WHERE a.patient_uid = drop_uid;
    -- A second membership of the patient ends, because nobody with the old uid is enrolled any more.
    PERFORM murallink_private.participation_changed(drop_uid);
    PERFORM murallink_private.participation_changed(keep_uid);
END
$$;
COMMENT ON FUNCTION murallink_private.merge_memberships(murallink.ksuid, murallink.ksuid) IS
'Moves the memberships of a patient to another one. Where both are members, the membership of the first ends.';

CREATE FUNCTION murallink_private.merge_rest(keep_uid murallink.ksuid, drop_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE murallink.appointment a SET patient_uid = keep_uid WHERE a.patient_uid = drop_uid;
    UPDATE murallink.caregiver c SET patient_uid = keep_uid WHERE c.patient_uid = drop_uid;
    PERFORM murallink_private.move_rows('document_newest', drop_uid, keep_uid), murallink_private.move_rows('notice_patient', drop_uid, keep_uid);
    UPDATE murallink_private.unsubscribe_token u
    SET patient_uid = keep_uid, former = u.former OR EXISTS (
        SELECT FROM murallink_private.unsubscribe_token k WHERE k.patient_uid = keep_uid AND NOT k.former)
    WHERE u.patient_uid = drop_uid;
    DELETE FROM murallink.patient_site s WHERE s.patient_uid = drop_uid;
    UPDATE murallink.merged_patient m SET into_uid = keep_uid WHERE m.into_uid = drop_uid;
    DELETE FROM murallink.patient p WHERE p.uid = drop_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.merge_rest(murallink.ksuid, murallink.ksuid) IS
'Moves everything else of a patient to another one, and removes the record. Foreign keys prove that nothing was left behind.';

CREATE FUNCTION murallink.merge_patients(
    keep_uid murallink.ksuid DEFAULT NULL, drop_uid murallink.ksuid DEFAULT NULL, note text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    why CONSTANT text := murallink_private.checked_text(merge_patients.note, 'note', 1000, true);
    waiting murallink.ksuid[];
BEGIN
    PERFORM murallink_private.required(merge_patients.keep_uid, 'keep_uid'), murallink_private.required(merge_patients.drop_uid, 'drop_uid');
    IF merge_patients.keep_uid = merge_patients.drop_uid THEN
        PERFORM murallink_private.raise('invalid_value', 'drop_uid', 'Another patient than keep_uid.');
    END IF;
    -- Payments lock no enrollment: those under way are waited for, others wait. First, because they lock patients later.
    LOCK TABLE murallink_private.payment IN SHARE ROW EXCLUSIVE MODE;
    PERFORM FROM murallink.patient p WHERE p.uid IN (merge_patients.keep_uid, merge_patients.drop_uid) ORDER BY p.uid FOR UPDATE;
    IF NOT EXISTS (SELECT FROM murallink.patient p WHERE p.uid = merge_patients.keep_uid) THEN
        PERFORM murallink_private.raise('not_found', 'keep_uid');
    ELSIF EXISTS (
        SELECT FROM murallink.merged_patient m WHERE m.uid = merge_patients.drop_uid AND m.into_uid = merge_patients.keep_uid) THEN
        PERFORM murallink_private.raise('already_exists', 'drop_uid', 'It was merged into this patient before: murallink.merged_patient shows it.');
    ELSIF NOT EXISTS (SELECT FROM murallink.patient p WHERE p.uid = merge_patients.drop_uid) THEN
        PERFORM murallink_private.raise('not_found', 'drop_uid');
    END IF;
    PERFORM FROM murallink.enrollment e
    WHERE e.patient_uid IN (merge_patients.keep_uid, merge_patients.drop_uid) ORDER BY e.uid FOR UPDATE;
    PERFORM FROM murallink_private.card c
    WHERE c.patient_uid IN (merge_patients.keep_uid, merge_patients.drop_uid) ORDER BY c.uid FOR UPDATE;
    waiting := ARRAY(
        SELECT o.uid FROM murallink.enrollment e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
        JOIN murallink_private.payout o ON o.payment_uid = p.uid
        WHERE e.patient_uid IN (merge_patients.keep_uid, merge_patients.drop_uid) ORDER BY o.uid FOR UPDATE OF o);
    IF murallink_private.merge_under_way(merge_patients.keep_uid, merge_patients.drop_uid) IS NOT NULL THEN
        PERFORM murallink_private.raise('wrong_status', murallink_private.merge_under_way(merge_patients.keep_uid, merge_patients.drop_uid));
    END IF;
    SET CONSTRAINTS murallink.enrollment_follows, murallink.document_of_caregiver, murallink_private.payout_card DEFERRED;
    -- This lets the rows of the one be moved to the other.
    INSERT INTO murallink.merged_patient (uid, into_uid, note) VALUES (merge_patients.drop_uid, merge_patients.keep_uid, why);
    INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
    SELECT merge_patients.keep_uid, s.client_uid, s.contract_uid, s.site_uid FROM murallink.patient_site s
    WHERE s.patient_uid = merge_patients.drop_uid
    ON CONFLICT ON CONSTRAINT patient_site_patient_uid_site_uid_key DO NOTHING;
    PERFORM murallink_private.merge_enrollments(merge_patients.keep_uid, merge_patients.drop_uid, why);
    PERFORM murallink_private.merge_payments(merge_patients.keep_uid);
    PERFORM murallink_private.merge_cards(merge_patients.keep_uid, merge_patients.drop_uid, why);
    PERFORM murallink_private.merge_accounts(merge_patients.keep_uid, merge_patients.drop_uid);
    PERFORM murallink_private.merge_consents(merge_patients.keep_uid, merge_patients.drop_uid);
    PERFORM murallink_private.merge_memberships(merge_patients.keep_uid, merge_patients.drop_uid);
    PERFORM murallink_private.merge_rest(merge_patients.keep_uid, merge_patients.drop_uid);
    SET CONSTRAINTS murallink.enrollment_follows, murallink.document_of_caregiver, murallink_private.payout_card IMMEDIATE;
    PERFORM murallink_private.payouts_route(waiting);
EXCEPTION WHEN lock_not_available THEN
    PERFORM murallink_private.raise('blocked');
END
$$;
COMMENT ON FUNCTION murallink.merge_patients(murallink.ksuid, murallink.ksuid, text) IS
'Merges two records of one patient: enrollments, payments, cards, accounts, documents, consents, appointments, caregivers and memberships of the dropped record move to the kept one, and the dropped one no longer exists. In a trial in which both are enrolled, the enrollments become one chain, in which nothing is paid twice, and one screening, unless one of them is screen_failed; the enrollment that goes on is that of the kept record, unless only the other one is still enrolled; both sites go on paying the visits of their time. keep_uid: the record that stays, with its name and addresses; drop_uid: the one that is removed; note: why. For operators. Errors: missing_field, too_long, invalid_value, not_found, already_exists (it was merged before), wrong_status (a payment, a card or a membership is under way at a partner, or in doubt), already_paid (both were paid a milestone, together more often than it may be paid, or milestones that exclude one another: reverse, reject or cancel what is too much), blocked (another transaction has locked what must be moved, or has just paid somebody).';
