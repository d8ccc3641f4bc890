-- Notices: messages to people, by e-mail or SMS.

CREATE FUNCTION murallink_private.notices_send(notices murallink.ksuid[], due_at timestamptz DEFAULT pg_catalog.now()) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.call_make_own(n.partner, 'notice', n.uid, 'message', due_at => notices_send.due_at)
    FROM murallink_private.notice n WHERE n.uid = ANY (notices)
$$;
COMMENT ON FUNCTION murallink_private.notices_send(murallink.ksuid[], timestamptz) IS
'Makes the calls that send new notices. due_at: not before this time.';

CREATE FUNCTION murallink_private.notices_cancel(notices murallink.ksuid[], reason text) RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE murallink_private.call c SET status = 'cancelled', reason = notices_cancel.reason
    WHERE c.uid = ANY (notices) AND c.status = 'ready'
$$;
COMMENT ON FUNCTION murallink_private.notices_cancel(murallink.ksuid[], text) IS
'Cancels those of these notices that have not been sent. reason: for operators.';

CREATE FUNCTION murallink_private.wanted_channels(patient_uid murallink.ksuid) RETURNS SETOF murallink.notice_channel
LANGUAGE sql STABLE AS $$
    SELECT way.channel FROM murallink.patient p, LATERAL (VALUES
        ('email'::murallink.notice_channel, p.email_enabled AND p.email OPERATOR(pg_catalog.<>) ''),
        ('sms', p.sms_enabled AND p.phone OPERATOR(pg_catalog.<>) '')) AS way (channel, possible)
    WHERE p.uid OPERATOR(pg_catalog.=) wanted_channels.patient_uid AND way.possible
$$;
COMMENT ON FUNCTION murallink_private.wanted_channels(murallink.ksuid) IS
'The channels by which a patient wants messages and can be reached.';

CREATE FUNCTION murallink_private.remind(appointment_uids murallink.ksuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    wanted record;
    reminder murallink.ksuid;
BEGIN
    FOR wanted IN
        -- A day before means the same hour of the day before, also if daylight saving time begins or ends
        -- between.
        WITH lead AS (
            SELECT a.uid, a.patient_uid, a.moves, NULLIF(l, '')::interval AS lead,
                murallink_private.moment_in_zone(a.local_time - NULLIF(l, '')::interval, a.time_zone) AS due_at
            FROM murallink.appointment a, pg_catalog.regexp_split_to_table(
                pg_catalog.current_setting('murallink.reminder_lead'), '\s*,\s*') l
            WHERE a.uid = ANY (appointment_uids) AND a.status = 'scheduled' AND a.at > pg_catalog.now() AND l <> ''
        ), due AS (
            -- If all of them are overdue, the last one is sent at once.
            SELECT DISTINCT ON (l.uid, GREATEST(l.due_at, pg_catalog.now())) l.*
            FROM lead l
            WHERE l.due_at > pg_catalog.now() OR NOT EXISTS (
                SELECT FROM lead o WHERE o.uid = l.uid AND o.due_at > pg_catalog.now())
            ORDER BY l.uid, GREATEST(l.due_at, pg_catalog.now()), l.due_at DESC
        )
        SELECT d.uid, d.patient_uid, d.lead, d.moves, GREATEST(d.due_at, pg_catalog.now()) AS due_at, way.channel
        FROM due d, LATERAL murallink_private.wanted_channels(d.patient_uid) way (channel)
    LOOP
        INSERT INTO murallink_private.notice (kind, channel, patient_uid, appointment_uid, lead, moves)
        VALUES ('appointment', wanted.channel, wanted.patient_uid, wanted.uid, wanted.lead, wanted.moves)
        ON CONFLICT (appointment_uid, channel, lead, moves) WHERE kind = 'appointment' DO NOTHING
        RETURNING uid INTO reminder;
        IF FOUND THEN
            PERFORM murallink_private.notices_send(ARRAY[reminder], wanted.due_at);
        ELSE
            UPDATE murallink_private.call c SET status = 'ready', due_at = wanted.due_at, delayed_at = NULL, reason = ''
            FROM murallink_private.notice n
            WHERE c.uid = n.uid AND c.status = 'cancelled' AND n.kind = 'appointment' AND n.appointment_uid = wanted.uid
                AND n.channel = wanted.channel AND n.lead = wanted.lead AND n.moves = wanted.moves;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.remind(murallink.ksuid[]) IS
'Queues the reminders of appointments that are not queued or sent yet: one for each lead of murallink.reminder_lead and each channel of the patient.';

CREATE FUNCTION murallink_private.notice_of_appointment(appointment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    planned murallink.appointment;
    told murallink.ksuid[];
BEGIN
    SELECT * INTO planned FROM murallink.appointment a WHERE a.uid = notice_of_appointment.appointment_uid;
    -- Serializes with a change of consent: otherwise both would miss each other.
    PERFORM FROM murallink.patient p WHERE p.uid = planned.patient_uid FOR SHARE;
    PERFORM murallink_private.notices_cancel(
        ARRAY(SELECT n.uid FROM murallink_private.notice n WHERE n.appointment_uid = planned.uid),
        'the appointment ' || CASE planned.status WHEN 'scheduled' THEN 'was moved' ELSE 'is ' || planned.status END);
    PERFORM murallink_private.remind(ARRAY[planned.uid]);
    -- A patient who was sent another time, or is being sent it, gets the new one at once.
    WITH made AS (
        INSERT INTO murallink_private.notice (kind, channel, patient_uid, appointment_uid, lead, moves)
        SELECT DISTINCT 'appointment'::murallink.notice_kind, n.channel, planned.patient_uid, planned.uid, planned.at - pg_catalog.now(), planned.moves
        FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid
        WHERE n.appointment_uid = planned.uid AND n.moves < planned.moves AND c.status IN ('claimed', 'done', 'in_doubt')
            AND planned.status = 'scheduled' AND NOT EXISTS (
                SELECT FROM murallink_private.notice r JOIN murallink_private.call k ON k.uid = r.uid
                WHERE r.appointment_uid = planned.uid AND r.channel = n.channel AND k.status = 'ready' AND k.due_at <= pg_catalog.now())
        RETURNING uid
    )
    SELECT pg_catalog.array_agg(m.uid) INTO told FROM made m;
    PERFORM murallink_private.notices_send(told);
END
$$;
COMMENT ON FUNCTION murallink_private.notice_of_appointment(murallink.ksuid) IS
'Queues the reminders of an appointment, cancels them if it is cancelled, and replaces them if it is moved.';

CREATE FUNCTION murallink_private.notices_of_enrollment(enrollment_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_enrollment murallink.enrollment;
BEGIN
    SELECT * INTO the_enrollment FROM murallink.enrollment e WHERE e.uid = notices_of_enrollment.enrollment_uid;
    IF the_enrollment.status IN ('dropped', 'screen_failed') THEN
        PERFORM murallink_private.notices_cancel(ARRAY(
            SELECT n.uid FROM murallink_private.notice n
            WHERE n.patient_uid = the_enrollment.patient_uid AND (
                n.appointment_uid IN (SELECT a.uid FROM murallink.appointment a WHERE a.enrollment_uid = the_enrollment.uid)
                OR n.bulk_email_uid IN (
                    SELECT b.uid FROM murallink_private.bulk_email b
                    WHERE b.trial_uid = the_enrollment.trial_uid AND b.site_uid = the_enrollment.site_uid))), 'the patient was dropped');
    ELSE
        PERFORM murallink_private.remind(ARRAY(
            SELECT a.uid FROM murallink.appointment a WHERE a.enrollment_uid = the_enrollment.uid AND a.at > pg_catalog.now()));
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.notices_of_enrollment(murallink.ksuid) IS
'Cancels the reminders of a patient who was dropped, and queues them again for one who takes part again.';

CREATE FUNCTION murallink_private.notices_of_consent(patient_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_patient murallink.patient;
BEGIN
    SELECT * INTO the_patient FROM murallink.patient p WHERE p.uid = notices_of_consent.patient_uid;
    PERFORM murallink_private.notices_cancel(ARRAY(
        SELECT n.uid FROM murallink_private.notice n
        WHERE n.patient_uid = the_patient.uid
            AND NOT CASE n.channel WHEN 'email' THEN the_patient.email_enabled ELSE the_patient.sms_enabled END), 'the patient does not want it');
    PERFORM murallink_private.remind(ARRAY(
        SELECT a.uid FROM murallink.appointment a JOIN murallink.enrollment e ON e.uid = a.enrollment_uid
        WHERE a.patient_uid = the_patient.uid AND a.at > pg_catalog.now() AND e.status NOT IN ('dropped', 'screen_failed')));
END
$$;
COMMENT ON FUNCTION murallink_private.notices_of_consent(murallink.ksuid) IS
'Cancels the messages of a patient who has turned them off, and queues reminders for one who has turned them on.';

CREATE FUNCTION murallink_private.notice_of_password_reset(user_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    -- Runs also for an address without an account, so that the time of the answer does not reveal whether there
    -- is one.
    PERFORM murallink_private.notices_cancel(ARRAY(
        SELECT n.uid FROM murallink_private.notice n WHERE n.app_user_uid = user_uid AND n.kind = 'password_reset'),
        'there is a newer one');
    INSERT INTO murallink_private.notice (kind, channel, app_user_uid)
    SELECT 'password_reset', 'email', user_uid WHERE user_uid IS NOT NULL
    RETURNING uid INTO made;
    -- It precedes all queued messages, because the user is waiting for it.
    PERFORM murallink_private.notices_send(ARRAY[made], pg_catalog.now() - interval '1 hour');
END
$$;
COMMENT ON FUNCTION murallink_private.notice_of_password_reset(murallink.ksuid) IS
'Queues the message with a user''s new token, and cancels that with the earlier one. user_uid: null if the address has no account.';

CREATE FUNCTION murallink_private.notice_of_account(user_uid murallink.ksuid, changed text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    -- No more often than tokens, because the address may belong to somebody else.
    INSERT INTO murallink_private.notice (kind, channel, app_user_uid, address, changed)
    SELECT 'account', 'email', u.uid, u.email, notice_of_account.changed
    FROM murallink.app_user u
    WHERE u.uid = user_uid AND (
        SELECT pg_catalog.count(*) FROM murallink_private.notice n
        WHERE n.kind = 'account' AND (n.address = u.email OR n.app_user_uid = u.uid)
            AND n.created_at > pg_catalog.now() - interval '1 hour'
    ) < pg_catalog.current_setting('murallink.reset_requests_per_hour')::integer
    RETURNING uid INTO made;
    PERFORM murallink_private.notices_send(ARRAY[made]);
END
$$;
COMMENT ON FUNCTION murallink_private.notice_of_account(murallink.ksuid, text) IS
'Notifies the current address of a user that the account is changed, at most murallink.reset_requests_per_hour times in an hour. changed: what has changed.';

CREATE FUNCTION murallink_private.notice_of_password(user_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$ SELECT murallink_private.notice_of_account(user_uid, 'password') $$;
COMMENT ON FUNCTION murallink_private.notice_of_password(murallink.ksuid) IS
'Notifies a user that the password has changed.';

CREATE FUNCTION murallink_private.notice_of_email(user_uid murallink.ksuid) RETURNS void
LANGUAGE sql VOLATILE AS $$ SELECT murallink_private.notice_of_account(user_uid, 'e-mail address') $$;
COMMENT ON FUNCTION murallink_private.notice_of_email(murallink.ksuid) IS
'Notifies the old address of a user that the e-mail address changes. Must be called before the change.';

CREATE FUNCTION murallink_private.notices_of_payments(
    payment_uids murallink.ksuid[], note text DEFAULT NULL, came_back boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.ksuid[];
BEGIN
    WITH told AS (
        INSERT INTO murallink_private.notice (kind, channel, patient_uid, payment_uid, returned, note)
        SELECT CASE WHEN p.returned IS NULL THEN 'payment' WHEN came_back THEN 'return' ELSE 'reversal' END::murallink.notice_kind,
            way.channel, p.patient_uid, p.uid, p.returned, CASE WHEN p.returned IS NOT NULL THEN coalesce(notices_of_payments.note, p.decision_note) END
        FROM murallink_private.payment p, LATERAL murallink_private.wanted_channels(p.patient_uid) way (channel)
        WHERE p.uid = ANY (payment_uids) AND p.status IN ('paid', 'reversed', 'returned') AND coalesce(
            (SELECT s.enabled FROM murallink_private.payment_notice s WHERE s.contract_uid = p.contract_uid),
            pg_catalog.current_setting('murallink.payment_notices')::boolean)
        ON CONFLICT DO NOTHING
        RETURNING uid
    )
    SELECT pg_catalog.array_agg(t.uid) INTO made FROM told t;
    PERFORM murallink_private.notices_send(made);
END
$$;
COMMENT ON FUNCTION murallink_private.notices_of_payments(murallink.ksuid[], text, boolean) IS
'Notifies patients that payments were made, or taken back in whole or in part, if they want messages, and if the contract or else murallink.payment_notices says so. note: why they were taken back or came back; came_back: whether what came back has not reached the patient.';

CREATE FUNCTION murallink_private.contact_before(patient_uid murallink.ksuid, field text, since timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT e.changes #>> ARRAY[field, 'from'] FROM murallink_private.audit_event e
        WHERE e.resource_uid = contact_before.patient_uid AND e.resource = 'patient' AND e.action = 'changed' AND e.at >= since
            AND e.changes #>> ARRAY[field, 'from'] <> ''
        ORDER BY e.at, e.uid LIMIT 1), (
        SELECT CASE field WHEN 'email' THEN p.email ELSE p.phone END FROM murallink.patient p WHERE p.uid = contact_before.patient_uid))
$$;
COMMENT ON FUNCTION murallink_private.contact_before(murallink.ksuid, text, timestamptz) IS
'The e-mail address or the phone number that a patient had at a time, from the audit, or has got since. field: email or phone.';

CREATE FUNCTION murallink_private.notice_of_payout_account(account_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    entered murallink_private.payout_account;
    since timestamptz;
    mail_to text;
    made murallink.ksuid;
BEGIN
    SELECT * INTO entered FROM murallink_private.payout_account a WHERE a.uid = account_uid;
    IF NOT entered.cooling THEN
        RETURN;
    END IF;
    -- An address that was changed a short time before is the thief's, if there is one.
    since := entered.entered_at - GREATEST(pg_catalog.current_setting('murallink.account_cooling')::interval, '24 h');
    mail_to := murallink_private.contact_before(entered.patient_uid, 'email', since);
    INSERT INTO murallink_private.notice (kind, channel, patient_uid, payout_account_uid, address)
    SELECT 'payout_account', way.channel, entered.patient_uid, entered.uid, way.address
    FROM murallink.patient p, LATERAL (
        SELECT 'email'::murallink.notice_channel, mail_to WHERE mail_to <> ''
        UNION ALL
        SELECT 'sms', c FROM murallink_private.contact_before(entered.patient_uid, 'phone', since) AS c
        WHERE mail_to = '' AND c <> '' AND p.sms_enabled) AS way (channel, address)
    WHERE p.uid = entered.patient_uid
    RETURNING uid INTO made;
    PERFORM murallink_private.notices_send(ARRAY[made]);
END
$$;
COMMENT ON FUNCTION murallink_private.notice_of_payout_account(murallink.ksuid) IS
'Notifies a patient that the account was changed: at the e-mail address from before, also of a patient who wants no messages, because this is about the patient''s own money; without one by SMS, to a patient who wants them. An address that was changed shortly before does not count.';

CREATE FUNCTION murallink.set_payment_notices(
    contract_uid murallink.ksuid DEFAULT NULL, enabled boolean DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM murallink.contract c WHERE c.uid = murallink_private.required(set_payment_notices.contract_uid, 'contract_uid')) THEN
        PERFORM murallink_private.raise('not_found', 'contract_uid');
    END IF;
    DELETE FROM murallink_private.payment_notice s WHERE s.contract_uid = set_payment_notices.contract_uid
        AND set_payment_notices.enabled IS NULL;
    INSERT INTO murallink_private.payment_notice AS s (contract_uid, enabled)
    SELECT set_payment_notices.contract_uid, set_payment_notices.enabled WHERE set_payment_notices.enabled IS NOT NULL
    ON CONFLICT ON CONSTRAINT payment_notice_contract_uid_key DO UPDATE SET enabled = EXCLUDED.enabled;
END
$$;
COMMENT ON FUNCTION murallink.set_payment_notices(murallink.ksuid, boolean) IS
'Sets whether patients in the trials of a contract are notified of payments. enabled: null: as murallink.payment_notices says. For operators. Errors: missing_field, not_found.';

CREATE FUNCTION murallink.unsubscribe(token murallink.ksuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader murallink.ksuid;
BEGIN
    PERFORM murallink_private.required(unsubscribe.token, 'token');
    SELECT p.uid INTO reader FROM murallink.patient p
    WHERE p.email_enabled
        AND p.uid = (SELECT u.patient_uid FROM murallink_private.unsubscribe_token u WHERE u.token = unsubscribe.token)
    FOR NO KEY UPDATE;
    IF FOUND THEN
        PERFORM murallink_private.note_consent(reader, 'email', false, 'List-Unsubscribe');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink.unsubscribe(murallink.ksuid) IS
'Ends a patient''s consent to e-mail at once. token: from the header List-Unsubscribe of a message of bulk_email(); an unknown token, and one that was used before, is answered in the same way. Needs no session. Errors: missing_field.';

CREATE FUNCTION murallink.bulk_email(
    trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL, subject text DEFAULT NULL, body text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid := murallink_private.trial_at_site(bulk_email.trial_uid, bulk_email.site_uid, 'bulk_email');
    title CONSTANT text := murallink_private.checked_text(bulk_email.subject, 'subject', 200, true);
    message murallink.ksuid;
    outcomes jsonb;
BEGIN
    IF title ~ '[\t\r\n]' THEN
        PERFORM murallink_private.raise('invalid_value', 'subject', 'One line.');
    END IF;
    INSERT INTO murallink_private.bulk_email (client_uid, contract_uid, trial_uid, site_uid, subject, body)
    SELECT s.client_uid, s.contract_uid, s.trial_uid, s.site_uid, title,
        murallink_private.checked_text(bulk_email.body, 'body', 100000, true)
    FROM murallink.trial_site s WHERE s.uid = place
    RETURNING uid INTO message;
    WITH recipients AS (
        SELECT p.uid, CASE WHEN p.email = '' THEN 'no_email' WHEN NOT p.email_enabled THEN 'not_enabled' ELSE 'OK' END AS outcome
        FROM murallink.enrollment e JOIN murallink.patient p ON p.uid = e.patient_uid
        WHERE e.trial_site_uid = place AND e.status = 'enrolled'),
    queued AS (
        INSERT INTO murallink_private.notice (kind, channel, patient_uid, bulk_email_uid)
        SELECT 'bulk_email', 'email', uid, message FROM recipients WHERE outcome = 'OK'),
    known AS (
        INSERT INTO murallink_private.unsubscribe_token (patient_uid)
        SELECT uid FROM recipients WHERE outcome = 'OK' ON CONFLICT DO NOTHING)
    SELECT pg_catalog.jsonb_build_object('OK', 0) || coalesce(pg_catalog.jsonb_object_agg(outcome, patients), '{}') INTO outcomes
    FROM (SELECT outcome, pg_catalog.count(*) AS patients FROM recipients GROUP BY outcome) AS counted;
    PERFORM murallink_private.notices_send(ARRAY(SELECT n.uid FROM murallink_private.notice n WHERE n.bulk_email_uid = message));
    RETURN outcomes;
END
$$;
COMMENT ON FUNCTION murallink.bulk_email(murallink.ksuid, murallink.ksuid, text, text) IS
'Queues an e-mail message to each patient who is enrolled in a trial at a site (document: Bulk E-mail). subject: one line of at most 200 characters; body: plain text of at most 100000. Answers how many were queued (OK) and, if there are any, how many patients have no address (no_email) or do not want e-mail (not_enabled). Needs bulk_email on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, too_long, invalid_value.';

CREATE TYPE murallink.notice_info AS (
    uid murallink.ksuid, kind murallink.notice_kind, channel murallink.notice_channel, patient_uid murallink.ksuid,
    app_user_uid murallink.ksuid, appointment_uid murallink.ksuid, payment_uid murallink.ksuid, bulk_email_uid murallink.ksuid,
    status murallink.payout_status, reason text, attempt integer, due_at timestamptz, note text, created_at timestamptz,
    settled_at timestamptz);
COMMENT ON TYPE murallink.notice_info IS
'A notice. status: ready, claimed, done, declined (refused permanently), in_doubt, cancelled (its reason has gone). reason: why it was not sent.';

CREATE FUNCTION murallink.notices(
    notice_uid murallink.ksuid DEFAULT NULL, status text DEFAULT NULL, patient_uid murallink.ksuid DEFAULT NULL,
    most integer DEFAULT 100
) RETURNS SETOF murallink.notice_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    chosen CONSTANT text := NULLIF(notices.status, '');
BEGIN
    IF chosen <> ALL (pg_catalog.enum_range(NULL::murallink.payout_status)::text[]) THEN
        PERFORM murallink_private.raise('invalid_value', 'status', 'One of waiting, ready, claimed, done, declined, in_doubt and cancelled.');
    ELSIF most < 0 THEN
        PERFORM murallink_private.raise('invalid_value', 'most', 'A number that is not negative.');
    END IF;
    RETURN QUERY
    SELECT n.uid, n.kind, n.channel, n.patient_uid, n.app_user_uid, n.appointment_uid, n.payment_uid, n.bulk_email_uid,
        c.status, c.reason, c.attempt, c.due_at, c.note, n.created_at, c.settled_at
    FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid
    WHERE (notices.notice_uid IS NULL OR n.uid = notices.notice_uid)
        AND (chosen IS NULL OR c.status::text = chosen)
        AND (notices.patient_uid IS NULL OR n.patient_uid = notices.patient_uid)
    ORDER BY n.created_at DESC, n.uid DESC
    LIMIT notices.most;
END
$$;
COMMENT ON FUNCTION murallink.notices(murallink.ksuid, text, murallink.ksuid, integer) IS
'Notices, newest first, without their text. notice_uid, status, patient_uid: only these, where they are not null or empty; most: the most rows, null: all. For operators. Errors: invalid_value.';

CREATE FUNCTION murallink.resolve_notice(
    notice_uid murallink.ksuid DEFAULT NULL, sent boolean DEFAULT NULL, note text DEFAULT NULL, attempt integer DEFAULT NULL
) RETURNS murallink.notice_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present murallink.payout_status;
    last integer;
BEGIN
    SELECT c.status, c.attempt INTO present, last FROM murallink_private.call c
    WHERE c.uid = murallink_private.required(resolve_notice.notice_uid, 'notice_uid') AND c.resource = 'notice' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'notice_uid');
    ELSIF present <> 'in_doubt' AND (present <> 'declined' OR murallink_private.required(resolve_notice.sent, 'sent')) THEN
        PERFORM murallink_private.raise('wrong_status', 'notice_uid');
    ELSIF last <> resolve_notice.attempt THEN
        PERFORM murallink_private.raise('wrong_status', 'attempt', 'It was sent again since: ask the partner about the last attempt.');
    END IF;
    UPDATE murallink_private.call c
    SET status = CASE WHEN murallink_private.required(resolve_notice.sent, 'sent') THEN 'done' ELSE 'ready' END::murallink.payout_status,
        due_at = pg_catalog.clock_timestamp(), delayed_at = pg_catalog.clock_timestamp(),
        note = murallink_private.checked_text(resolve_notice.note, 'note', 1000, true)
    WHERE c.uid = resolve_notice.notice_uid;
    PERFORM murallink_private.worker_wake();
    RETURN (SELECT n FROM murallink.notices(resolve_notice.notice_uid) n);
END
$$;
COMMENT ON FUNCTION murallink.resolve_notice(murallink.ksuid, boolean, text, integer) IS
'Decides a notice in doubt, for example by the mail server''s log, or sends a declined one again. sent: whether it was sent; if not, it is sent again. note: how this is known. attempt: the attempt about which the partner was asked, so that nothing is decided of one that was sent since; null: the last. For operators. Errors: missing_field, not_found, too_long, invalid_value, wrong_status.';
