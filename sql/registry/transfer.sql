-- Patients who move to another site of their trial, and numbers that are corrected.

CREATE TYPE murallink.transfer_info AS (
    enrollment murallink.enrollment_info, previous_uid murallink.ksuid, left_on date, appointments murallink.ksuid[]);
COMMENT ON TYPE murallink.transfer_info IS
'A transfer, as transfer_enrollment answers. enrollment: the one at the new site; previous_uid: the one at the old site; left_on: the last day that the old site pays; appointments: those that are now at the new site, for callers who hold view_patients there.';

CREATE FUNCTION murallink_private.appointments_follow(
    enrollment_uid murallink.ksuid, to_uid murallink.ksuid, after date, OUT appointment_uid murallink.ksuid
) RETURNS SETOF murallink.ksuid
LANGUAGE sql VOLATILE AS $$
    WITH moved AS (
        UPDATE murallink.appointment a SET enrollment_uid = to_uid
        WHERE a.enrollment_uid = appointments_follow.enrollment_uid AND a.status = 'scheduled' AND a.at > pg_catalog.now()
            AND a.local_time::date > after
        RETURNING a.uid, a.at)
    SELECT m.uid FROM moved m ORDER BY m.at, m.uid
$$;
COMMENT ON FUNCTION murallink_private.appointments_follow(murallink.ksuid, murallink.ksuid, date) IS
'Moves the appointments of an enrollment that are still to come after a day to the enrollment that follows it, with their reminders, and returns them.';

CREATE FUNCTION murallink.transfer_enrollment(
    patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, to_site_uid murallink.ksuid DEFAULT NULL,
    on_date murallink.day DEFAULT NULL, note text DEFAULT NULL, subject_id text DEFAULT NULL
) RETURNS murallink.transfer_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    place_uid CONSTANT murallink.ksuid :=
        murallink_private.trial_at_site(transfer_enrollment.trial_uid, transfer_enrollment.to_site_uid, 'enroll', 'to_site_uid');
    left_uid CONSTANT murallink.ksuid :=
        murallink_private.enrolled_now(transfer_enrollment.patient_uid, transfer_enrollment.trial_uid, 'set_enrollment_status');
    why CONSTANT text := murallink_private.checked_text(transfer_enrollment.note, 'note', 1000, true);
    subject text := murallink_private.checked_label(transfer_enrollment.subject_id, 'subject_id', 100, false);
    last_day date := murallink_private.checked_date(transfer_enrollment.on_date, 'on_date');
    previous murallink.enrollment;
    place murallink.trial_site;
    shown boolean;
    added CONSTANT murallink.ksuid := murallink.gen_ksuid();
    moved murallink.ksuid[];
    answer murallink.transfer_info;
BEGIN
    SELECT * INTO previous FROM murallink.enrollment e WHERE e.uid = left_uid;
    SELECT * INTO place FROM murallink.trial_site s WHERE s.uid = place_uid;
    shown := murallink_private.permitted('view_patients', place.client_uid, place.contract_uid, place.trial_uid, place.site_uid);
    -- As in enroll(): the transfer must not show the caller a person whom the caller has not seen before.
    IF shown AND NOT EXISTS (SELECT FROM murallink_private.visible_patients() AS seen WHERE seen = transfer_enrollment.patient_uid) THEN
        PERFORM murallink_private.raise('forbidden', 'patient_uid');
    ELSIF previous.site_uid = place.site_uid THEN
        PERFORM murallink_private.raise('already_exists', 'to_site_uid', 'The patient is enrolled at this site.');
    ELSIF previous.status <> 'enrolled' THEN
        PERFORM murallink_private.raise('wrong_status', 'patient_uid');
    ELSIF last_day > (pg_catalog.clock_timestamp() AT TIME ZONE 'UTC')::date + 1
        OR last_day < (SELECT e.left_on FROM murallink.enrollment e WHERE e.uid = previous.previous_uid) THEN
        PERFORM murallink_private.raise('invalid_value', 'on_date', 'A day from the transfer before to today.');
    END IF;
    subject := coalesce(NULLIF(subject, ''), previous.subject_id);
    last_day := coalesce(last_day, murallink_private.today_at(previous.site_uid));
    INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
    SELECT previous.patient_uid, s.client_uid, s.contract_uid, s.uid FROM murallink.site s WHERE s.uid = place.site_uid
    ON CONFLICT ON CONSTRAINT patient_site_patient_uid_site_uid_key DO NOTHING;
    UPDATE murallink.enrollment e SET status = 'transferred', left_on = last_day WHERE e.uid = previous.uid;
    UPDATE murallink.enrollment e SET subject_held = false
    WHERE e.chain_uid = previous.chain_uid AND e.subject_held
    AND murallink_private.label_key(e.subject_id) = murallink_private.label_key(subject);
    INSERT INTO murallink.enrollment (
        uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id, payment_type_uid, previous_uid)
    VALUES (
        added, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, place.uid, previous.patient_uid, subject,
        previous.payment_type_uid, previous.uid)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('already_exists', 'subject_id');
    END IF;
    INSERT INTO murallink.enrollment_note (enrollment_uid, app_user_uid, note)
    SELECT e, murallink_private.caller(), why FROM pg_catalog.unnest(ARRAY[previous.uid, added]) AS e;
    moved := ARRAY(SELECT murallink_private.appointments_follow(previous.uid, added, last_day));
    PERFORM murallink_private.follow('transfer', previous.uid);
    answer.enrollment := murallink_private.changed_enrollment(added);
    answer.previous_uid := previous.uid;
    answer.left_on := last_day;
    answer.appointments := CASE WHEN shown THEN moved END;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.transfer_enrollment(murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.day, text, text) IS
'Moves a patient to another site of a trial. The enrollment at the old site stays, with the status transferred; the old site pays visits up to and including on_date at its prices, and decides what is pending there; the new site pays later ones at its own. No milestone is paid again that was paid at another site. Appointments after that day, card, consents and memberships go on. The way back is another transfer; with the same on_date it undoes the first. to_site_uid: a site that takes part in the trial; on_date: the last day at the old site, not after tomorrow (UTC) nor before the transfer to it, default today where that site is; note: why; subject_id: the number at the new site, default as before. Needs enroll on the trial at the new site and set_enrollment_status on the trial at the old one, and view_patients on the patient if the caller holds it at the new site. Errors: unauthenticated, forbidden, not_found, not_associated, not_enrolled, missing_field, too_long, invalid_value, already_exists, wrong_status (only while enrolled).';

CREATE FUNCTION murallink.correct_subject_id(
    patient_uid murallink.ksuid DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, subject_id text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.enrollment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present CONSTANT murallink.ksuid :=
        murallink_private.enrolled_now(correct_subject_id.patient_uid, correct_subject_id.trial_uid, 'enroll');
    subject CONSTANT text := murallink_private.checked_label(correct_subject_id.subject_id, 'subject_id', 100, true);
    why CONSTANT text := murallink_private.checked_text(correct_subject_id.note, 'note', 1000, true);
    mistaken text;
    answer murallink.enrollment_info;
BEGIN
    SELECT e.subject_id INTO mistaken FROM murallink.enrollment e WHERE e.uid = present;
    IF mistaken <> subject THEN
        -- At sites that the patient has left the number was the same, or another one, which becomes the patient's again.
        UPDATE murallink.enrollment e SET subject_held = false
        FROM murallink.enrollment p
        WHERE p.uid = present AND e.chain_uid = p.chain_uid AND e.uid <> p.uid AND e.subject_held
        AND murallink_private.label_key(e.subject_id) = murallink_private.label_key(subject)
        AND murallink_private.screening_of(e.uid) = murallink_private.screening_of(p.uid);
        WITH corrected AS (
            UPDATE murallink.enrollment e SET subject_id = subject
            FROM murallink.enrollment p
            WHERE p.uid = present AND e.chain_uid = p.chain_uid
            AND murallink_private.label_key(e.subject_id) = murallink_private.label_key(mistaken)
            RETURNING e.uid)
        INSERT INTO murallink.enrollment_note (enrollment_uid, app_user_uid, note)
        SELECT c.uid, murallink_private.caller(), why FROM corrected c;
    END IF;
    answer := murallink_private.changed_enrollment(present);
    answer.subject_id := subject;
    RETURN answer;
EXCEPTION WHEN unique_violation THEN
    PERFORM murallink_private.raise('already_exists', 'subject_id');
END
$$;
COMMENT ON FUNCTION murallink.correct_subject_id(murallink.ksuid, murallink.ksuid, text, text) IS
'Corrects a patient''s number in a trial, also where the patient had it at sites left since; reports show the present one. subject_id: one that no other patient has there, or had at a site left since; note: why. Needs enroll on the trial at the present site; a caller without view_enrollments and view_patients gets only the values that were sent. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, too_long, invalid_value, already_exists.';
