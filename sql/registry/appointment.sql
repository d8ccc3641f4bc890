-- Appointments: schedule, move, cancel, list.

CREATE TYPE murallink.appointment_status AS ENUM ('scheduled', 'cancelled', 'kept', 'missed');
COMMENT ON TYPE murallink.appointment_status IS 'Whether a patient is still to come, and whether the patient came.';

CREATE TYPE murallink.appointment_info AS (
    uid murallink.ksuid, enrollment_uid murallink.ksuid, description text, datetime text, patient_uid murallink.ksuid,
    status murallink.optional_text, milestone_code murallink.optional_text);
COMMENT ON TYPE murallink.appointment_info IS
'An appointment, as schedule_appointment answers. description: empty for those who may not see patients there; datetime: local time of the patient, YYYY-MM-DDTHH:MM:SS; status: kept, missed or cancelled, absent while it is to come; milestone_code: of the milestone that the visit reaches, if one is named.';

CREATE FUNCTION murallink_private.appointment_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moved CONSTANT boolean := (NEW.local_time, NEW.time_zone) <> (OLD.local_time, OLD.time_zone);
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT e.client_uid, e.contract_uid, e.trial_uid, e.site_uid, e.patient_uid
        INTO NEW.client_uid, NEW.contract_uid, NEW.trial_uid, NEW.site_uid, NEW.patient_uid
        FROM murallink.enrollment e WHERE e.uid = NEW.enrollment_uid;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM murallink_private.raise('append_only', 'appointment');
    ELSIF OLD.status <> 'scheduled' AND moved OR NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('scheduled', 'cancelled'), ('scheduled', 'kept'), ('scheduled', 'missed'), ('kept', 'missed'), ('missed', 'kept'))
    THEN
        PERFORM murallink_private.raise('wrong_status', 'appointment_uid');
    ELSIF NEW.status <> OLD.status AND (
        NEW.status = 'kept' AND NEW.local_time::date > murallink_private.local_day(pg_catalog.clock_timestamp(), NEW.time_zone)
        OR NEW.status = 'missed' AND NEW.at > pg_catalog.clock_timestamp())
    THEN
        PERFORM murallink_private.raise('invalid_value', 'status', 'The appointment is still to come.');
    ELSIF moved THEN
        OLD.local_time := NEW.local_time;
        OLD.time_zone := NEW.time_zone;
        OLD.at := murallink_private.moment_in_zone(NEW.local_time, NEW.time_zone);
        OLD.moves := OLD.moves + 1;
        NEW.moves := OLD.moves;
    ELSIF NEW.status = 'scheduled' AND NEW.enrollment_uid <> OLD.enrollment_uid THEN
        SELECT e.uid, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid
        INTO OLD.enrollment_uid, OLD.client_uid, OLD.contract_uid, OLD.trial_uid, OLD.site_uid
        FROM murallink.enrollment e
        WHERE e.previous_uid = OLD.enrollment_uid AND e.uid = NEW.enrollment_uid AND e.patient_uid = OLD.patient_uid;
        NEW.client_uid := OLD.client_uid;
        NEW.contract_uid := OLD.contract_uid;
        NEW.trial_uid := OLD.trial_uid;
        NEW.site_uid := OLD.site_uid;
    END IF;
    OLD.status := NEW.status;
    IF NEW.status <> 'cancelled' THEN
        OLD.milestone_code := NEW.milestone_code;
    END IF;
    IF NEW.patient_uid <> OLD.patient_uid AND murallink_private.merged_into(OLD.patient_uid, NEW.patient_uid) THEN
        OLD.patient_uid := NEW.patient_uid;
    END IF;
    IF NEW IS DISTINCT FROM OLD THEN
        PERFORM murallink_private.raise('append_only', 'appointment');
    END IF;
    NEW.updated_at := pg_catalog.clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.appointment_guard() IS
'Trigger: completes a new appointment from its enrollment; later it can only be moved, cancelled, kept from its day on or missed once its time is over, each of which corrects the other, name another milestone, and follow the patient to the next enrollment. updated_at shows each change. Errors: wrong_status, invalid_value, append_only.';

CREATE FUNCTION murallink_private.appointment_info(appointment_uid murallink.ksuid) RETURNS murallink.appointment_info
LANGUAGE sql STABLE AS $$
    SELECT uid, enrollment_uid,
        CASE WHEN murallink_private.text_shown(client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, NULL) THEN description END,
        pg_catalog.to_char(local_time, 'YYYY-MM-DD"T"HH24:MI:SS'), patient_uid, NULLIF(status, 'scheduled')::text, milestone_code
    FROM murallink.appointment WHERE uid = appointment_uid
$$;
COMMENT ON FUNCTION murallink_private.appointment_info(murallink.ksuid) IS 'An appointment as clients see it.';

CREATE FUNCTION murallink_private.checked_local_time(value text, field text) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    written CONSTANT text := coalesce(value, '');
BEGIN
    IF written = '' THEN
        PERFORM murallink_private.raise('missing_field', field);
    ELSIF written !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$' THEN
        PERFORM murallink_private.raise('invalid_value', field, 'Local times are written 2022-08-08T20:30, without a time zone.');
    END IF;
    BEGIN
        RETURN pg_catalog.make_timestamp(
            pg_catalog.substr(written, 1, 4)::integer, pg_catalog.substr(written, 6, 2)::integer,
            pg_catalog.substr(written, 9, 2)::integer, pg_catalog.substr(written, 12, 2)::integer,
            pg_catalog.substr(written, 15, 2)::integer,
            coalesce(NULLIF(pg_catalog.substr(written, 18, 2), ''), '0')::double precision);
    EXCEPTION WHEN datetime_field_overflow THEN
        PERFORM murallink_private.raise('invalid_value', field, 'There is no such day.');
    END;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_local_time(text, text) IS
'A time without a time zone, from YYYY-MM-DDTHH:MM:SS, also without the seconds, as a form of HTML has it. field: its name in errors. Errors: missing_field, invalid_value.';

CREATE FUNCTION murallink_private.enrollment_to_visit(enrollment_uid murallink.ksuid, patient_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    candidates murallink.ksuid[];
    the_enrollment murallink.enrollment;
BEGIN
    IF enrollment_to_visit.enrollment_uid IS NULL THEN
        PERFORM murallink_private.required(enrollment_to_visit.patient_uid, 'patient_uid');
        -- The count must not reveal trials that the caller may not see.
        SELECT pg_catalog.array_agg(e.uid) INTO candidates FROM murallink.enrollment e
        WHERE e.patient_uid = enrollment_to_visit.patient_uid AND e.status = 'enrolled'
        AND murallink_private.visible(e.client_uid, e.contract_uid, e.trial_uid, e.site_uid);
        IF pg_catalog.cardinality(candidates) > 1 THEN
            PERFORM murallink_private.raise('missing_field', 'enrollment_uid');
        ELSIF candidates IS NULL AND murallink_private.patient_visible(enrollment_to_visit.patient_uid) THEN
            PERFORM murallink_private.raise('not_enrolled', 'patient_uid');
        END IF;
    END IF;
    SELECT * INTO the_enrollment FROM murallink.enrollment
    WHERE uid = coalesce(enrollment_to_visit.enrollment_uid, candidates[1]);
    caller := murallink_private.permit(
        'create_appointment', the_enrollment.client_uid, the_enrollment.contract_uid, the_enrollment.trial_uid,
        the_enrollment.site_uid, CASE WHEN enrollment_to_visit.enrollment_uid IS NULL THEN 'patient_uid' ELSE 'enrollment_uid' END);
    IF the_enrollment.patient_uid <> enrollment_to_visit.patient_uid THEN
        PERFORM murallink_private.raise('invalid_value', 'patient_uid', 'The patient of the enrollment.');
    END IF;
    RETURN the_enrollment.uid;
END
$$;
COMMENT ON FUNCTION murallink_private.enrollment_to_visit(murallink.ksuid, murallink.ksuid) IS
'The enrollment of an appointment, where the caller holds create_appointment: the one named, also when the patient was dropped or has completed; else the only one of the patient that the caller can see and that is not over. Errors: unauthenticated, missing_field, forbidden, not_found, not_enrolled, invalid_value when the patient is another.';

CREATE FUNCTION murallink_private.visit_time(
    enrollment_uid murallink.ksuid, datetime text, OUT at timestamptz, OUT local_time timestamp, OUT time_zone text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    local_time := murallink_private.checked_local_time(datetime, 'datetime');
    time_zone := (
        SELECT coalesce(NULLIF(p.time_zone, ''), NULLIF(s.time_zone, ''), 'UTC')
        FROM murallink.enrollment e
        JOIN murallink.patient p ON p.uid = e.patient_uid
        JOIN murallink.site s ON s.uid = e.site_uid
        WHERE e.uid = visit_time.enrollment_uid);
    at := murallink_private.moment_in_zone(local_time, time_zone);
    IF EXISTS (
        SELECT FROM murallink.enrollment e
        WHERE e.uid = visit_time.enrollment_uid AND local_time::date > e.left_on
        AND EXISTS (SELECT FROM murallink.enrollment n WHERE n.previous_uid = e.uid)) THEN
        PERFORM murallink_private.raise('not_enrolled', 'datetime', 'On that day the patient is at another site, which schedules the visit.');
    END IF;
    -- A time that the clock skips is converted to a different one.
    IF at <= pg_catalog.now() OR murallink_private.local_time(at, time_zone) <> local_time THEN
        PERFORM murallink_private.raise('invalid_value', 'datetime', 'The time must be in the future, and one that the clock does not skip there.');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_time(murallink.ksuid, text) IS
'When a patient is to come. datetime: as schedule_appointment takes it. Errors: missing_field, invalid_value, not_enrolled (on that day the patient is at another site).';

CREATE FUNCTION murallink_private.hold_enrollment(enrollment_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT FROM murallink.enrollment e WHERE e.uid = hold_enrollment.enrollment_uid FOR SHARE
$$;
COMMENT ON FUNCTION murallink_private.hold_enrollment(murallink.ksuid) IS
'Waits for a transfer or a merge of an enrollment, which moves the appointments that it finds, and holds off the next one.';

CREATE FUNCTION murallink_private.milestone_to_reach(enrollment_uid murallink.ksuid, milestone text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    key CONSTANT text := murallink_private.label_key(murallink_private.checked_label(milestone, 'milestone', 200, false));
    known text;
BEGIN
    IF key <> '' THEN
        SELECT l.code INTO known
        FROM murallink.enrollment e, LATERAL murallink_private.latest_versions(e.trial_uid) l
        WHERE e.uid = milestone_to_reach.enrollment_uid AND l.trial_site_uid = e.trial_site_uid
            AND key IN (murallink_private.label_key(l.code), murallink_private.label_key(l.milestone))
        ORDER BY murallink_private.label_key(l.code) = key DESC LIMIT 1;
        IF NOT FOUND THEN
            PERFORM murallink_private.raise('not_found', 'milestone', 'get_payment_schedule shows the milestones and their codes.');
        END IF;
    END IF;
    RETURN known;
END
$$;
COMMENT ON FUNCTION murallink_private.milestone_to_reach(murallink.ksuid, text) IS
'The code of the milestone with this name or code, at the site of an enrollment; null if none is named. Errors: too_long, invalid_value, not_found.';

CREATE FUNCTION murallink.schedule_appointment(
    enrollment_uid murallink.ksuid DEFAULT NULL, patient_uid murallink.ksuid DEFAULT NULL, datetime text DEFAULT NULL,
    description text DEFAULT NULL, milestone text DEFAULT NULL
) RETURNS murallink.appointment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visitor murallink.ksuid :=
        murallink_private.enrollment_to_visit(schedule_appointment.enrollment_uid, schedule_appointment.patient_uid);
    agreed record;
    added murallink.ksuid;
BEGIN
    PERFORM murallink_private.hold_enrollment(visitor);
    agreed := murallink_private.visit_time(visitor, schedule_appointment.datetime);
    INSERT INTO murallink.appointment (enrollment_uid, at, local_time, time_zone, description, milestone_code)
    VALUES (visitor, agreed.at, agreed.local_time, agreed.time_zone,
        murallink_private.checked_text(schedule_appointment.description, 'description', 1000, false),
        murallink_private.milestone_to_reach(visitor, schedule_appointment.milestone))
    ON CONFLICT DO NOTHING RETURNING uid INTO added;
    IF added IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'datetime');
    END IF;
    PERFORM murallink_private.follow('appointment', added);
    RETURN murallink_private.appointment_info(added);
END
$$;
COMMENT ON FUNCTION murallink.schedule_appointment(murallink.ksuid, murallink.ksuid, text, text, text) IS
'Schedules a visit of a patient to the site and queues the reminders (document: Schedule Appointment). enrollment_uid or patient_uid is required, enrollment_uid when the patient takes part in several trials; datetime: YYYY-MM-DDTHH:MM:SS in the future, local time of the patient''s time zone, else of the site''s, else UTC; an hour that the clock skips is refused, of one that it repeats the second is meant; milestone: the name or the code of the milestone that the visit reaches. Needs create_appointment on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_enrolled (also at a site that the patient has left, for a later day), missing_field, too_long, invalid_value, already_exists.';

CREATE FUNCTION murallink.get_appointments(patient_uid murallink.ksuid DEFAULT NULL, enrollment_uid murallink.ksuid DEFAULT NULL)
RETURNS SETOF murallink.appointment_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller murallink.ksuid := murallink_private.require_caller();
    the_enrollment murallink.enrollment;
BEGIN
    IF get_appointments.enrollment_uid IS NOT NULL THEN
        SELECT * INTO the_enrollment FROM murallink.enrollment WHERE uid = get_appointments.enrollment_uid;
        caller := murallink_private.permit(
            'view_patients', the_enrollment.client_uid, the_enrollment.contract_uid, the_enrollment.trial_uid,
            the_enrollment.site_uid, 'enrollment_uid');
    ELSE
        caller := murallink_private.permit_patient(get_appointments.patient_uid, 'view_patients');
    END IF;
    RETURN QUERY
    SELECT i.* FROM murallink.appointment a, LATERAL murallink_private.appointment_info(a.uid) i
    WHERE (get_appointments.patient_uid IS NULL OR a.patient_uid = get_appointments.patient_uid)
    AND (get_appointments.enrollment_uid IS NULL OR a.enrollment_uid = get_appointments.enrollment_uid)
    AND a.status <> 'cancelled' AND murallink_private.permitted('view_patients', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid)
    ORDER BY a.at, a.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_appointments(murallink.ksuid, murallink.ksuid) IS
'The appointments of a patient, or of one of the patient''s enrollments, that were not cancelled, in the order of time. patient_uid or enrollment_uid is required. Needs view_patients on the patient, or on the trial at the site of the enrollment; shows the appointments of the trials and sites where the caller holds it. Errors: unauthenticated, forbidden, not_found, missing_field.';

CREATE FUNCTION murallink_private.permit_appointment(appointment_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    the_appointment murallink.appointment;
BEGIN
    SELECT * INTO the_appointment FROM murallink.appointment
    WHERE uid = murallink_private.required(permit_appointment.appointment_uid, 'appointment_uid');
    PERFORM murallink_private.permit(
        'create_appointment', the_appointment.client_uid, the_appointment.contract_uid, the_appointment.trial_uid,
        the_appointment.site_uid, 'appointment_uid');
    RETURN the_appointment.enrollment_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.permit_appointment(murallink.ksuid) IS
'The enrollment of an appointment that the caller may change. Errors: unauthenticated, forbidden, not_found, missing_field.';

CREATE FUNCTION murallink.move_appointment(appointment_uid murallink.ksuid DEFAULT NULL, datetime text DEFAULT NULL)
RETURNS murallink.appointment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    agreed record;
    moved boolean;
BEGIN
    PERFORM murallink_private.hold_enrollment(murallink_private.permit_appointment(move_appointment.appointment_uid));
    -- It may be one of the next enrollment now.
    agreed := murallink_private.visit_time(murallink_private.permit_appointment(move_appointment.appointment_uid), move_appointment.datetime);
    WITH present AS (
        SELECT a.uid, a.moves FROM murallink.appointment a
        WHERE a.uid = move_appointment.appointment_uid AND a.status = 'scheduled' FOR NO KEY UPDATE
    )
    UPDATE murallink.appointment a SET at = agreed.at, local_time = agreed.local_time, time_zone = agreed.time_zone
    FROM present p WHERE a.uid = p.uid RETURNING a.moves > p.moves INTO moved;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('wrong_status', 'appointment_uid');
    ELSIF moved THEN
        PERFORM murallink_private.follow('appointment', move_appointment.appointment_uid);
    END IF;
    RETURN murallink_private.appointment_info(move_appointment.appointment_uid);
EXCEPTION WHEN unique_violation THEN
    PERFORM murallink_private.raise('already_exists', 'datetime');
END
$$;
COMMENT ON FUNCTION murallink.move_appointment(murallink.ksuid, text) IS
'Moves an appointment and its reminders; a patient who was reminded of the old time is told the new one at once. datetime: as schedule_appointment takes it, in the patient''s present time zone. Needs create_appointment on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_enrolled, missing_field, invalid_value, already_exists, wrong_status.';

CREATE FUNCTION murallink.cancel_appointment(appointment_uid murallink.ksuid DEFAULT NULL) RETURNS murallink.appointment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.permit_appointment(cancel_appointment.appointment_uid);
    UPDATE murallink.appointment a SET status = 'cancelled'
    WHERE a.uid = cancel_appointment.appointment_uid AND a.status = 'scheduled';
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('wrong_status', 'appointment_uid');
    END IF;
    PERFORM murallink_private.follow('appointment', cancel_appointment.appointment_uid);
    RETURN murallink_private.appointment_info(cancel_appointment.appointment_uid);
END
$$;
COMMENT ON FUNCTION murallink.cancel_appointment(murallink.ksuid) IS
'Cancels an appointment and the reminders that were not sent. Needs create_appointment on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, wrong_status.';

CREATE FUNCTION murallink.set_appointment_status(
    appointment_uid murallink.ksuid DEFAULT NULL, status text DEFAULT NULL, milestone text DEFAULT NULL
) RETURNS murallink.appointment_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visitor CONSTANT murallink.ksuid := murallink_private.permit_appointment(set_appointment_status.appointment_uid);
    outcome CONSTANT text := coalesce(set_appointment_status.status, '');
    reached text;
BEGIN
    IF outcome = '' THEN
        PERFORM murallink_private.raise('missing_field', 'status');
    ELSIF outcome NOT IN ('kept', 'missed') THEN
        PERFORM murallink_private.raise('invalid_value', 'status', 'One of kept and missed.');
    END IF;
    reached := murallink_private.milestone_to_reach(visitor, set_appointment_status.milestone);
    UPDATE murallink.appointment a SET status = outcome::murallink.appointment_status, milestone_code = coalesce(reached, a.milestone_code)
    WHERE a.uid = set_appointment_status.appointment_uid AND a.status <> 'cancelled';
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('wrong_status', 'appointment_uid');
    END IF;
    PERFORM murallink_private.follow('appointment', set_appointment_status.appointment_uid);
    RETURN murallink_private.appointment_info(set_appointment_status.appointment_uid);
END
$$;
COMMENT ON FUNCTION murallink.set_appointment_status(murallink.ksuid, text, text) IS
'Records that a patient came to an appointment, or did not; the last word counts. Nothing is paid: a kept visit that names a milestone is owed until the milestone is paid, see the view murallink.owed. status: kept, from the day of the appointment on, or missed, once its time is over; milestone: the name or the code of the milestone that the visit reaches, by default the one named before. Needs create_appointment on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value (also while it is still to come), wrong_status (it is cancelled).';
