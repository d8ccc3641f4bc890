-- Notices: when one is made, for whom, and their states.

CREATE FUNCTION murallink.notice_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('ready', 'claimed'), ('ready', 'cancelled'), ('ready', 'declined'), ('cancelled', 'ready'), ('claimed', 'ready'),
        ('claimed', 'done'), ('claimed', 'declined'), ('claimed', 'in_doubt'), ('in_doubt', 'ready'), ('in_doubt', 'done'),
        ('declined', 'ready')) THEN
        PERFORM murallink.raise('wrong_status', 'notice_uid');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink.notice_step() IS 'Trigger: a notice goes one allowed step at a time. Errors: wrong_status.';

CREATE FUNCTION murallink.wanted_channels(patient_uid murallink.ksuid) RETURNS SETOF murallink.notice_channel
LANGUAGE sql STABLE AS $$
    SELECT way.channel FROM murallink.patient p, LATERAL (VALUES
        ('email'::murallink.notice_channel, p.email_enabled AND p.email <> ''),
        ('sms', p.sms_enabled AND p.phone <> '')) AS way (channel, possible)
    WHERE p.uid = wanted_channels.patient_uid AND way.possible
$$;
COMMENT ON FUNCTION murallink.wanted_channels(murallink.ksuid) IS 'The ways in which a patient wants messages and can be reached.';

CREATE FUNCTION murallink.remind(appointment_uids murallink.ksuid[]) RETURNS void
LANGUAGE sql VOLATILE AS $$
    -- A day before is the same hour of the day before, also when the clock is changed between.
    WITH lead AS (
        SELECT a.uid, a.patient_uid, a.moves, NULLIF(l, '')::interval AS lead,
            murallink.moment_in_zone(a.local_time - NULLIF(l, '')::interval, a.time_zone) AS due_at
        FROM murallink.appointment a, pg_catalog.regexp_split_to_table(
            pg_catalog.current_setting('murallink.reminder_lead'), '\s*,\s*') l
        WHERE a.uid = ANY (appointment_uids) AND a.status = 'scheduled' AND a.at > pg_catalog.now() AND l <> ''
    ), wanted AS (
        -- Of those whose time is over the last is sent at once, unless another is to come.
        SELECT DISTINCT ON (l.uid, GREATEST(l.due_at, pg_catalog.now())) l.*
        FROM lead l
        WHERE l.due_at > pg_catalog.now() OR NOT EXISTS (
            SELECT FROM lead o WHERE o.uid = l.uid AND o.due_at > pg_catalog.now())
        ORDER BY l.uid, GREATEST(l.due_at, pg_catalog.now()), l.due_at DESC
    )
    INSERT INTO murallink_private.notice AS n (kind, channel, patient_uid, appointment_uid, lead, moves, due_at)
    SELECT 'appointment', way.channel, w.patient_uid, w.uid, w.lead, w.moves, GREATEST(w.due_at, pg_catalog.now())
    FROM wanted w, LATERAL murallink.wanted_channels(w.patient_uid) way (channel)
    ON CONFLICT (appointment_uid, channel, lead, moves) WHERE kind = 'appointment'
    DO UPDATE SET status = 'ready', due_at = EXCLUDED.due_at, reason = '' WHERE n.status = 'cancelled'
$$;
COMMENT ON FUNCTION murallink.remind(murallink.ksuid[]) IS
'Queues the reminders of appointments, for each lead of murallink.reminder_lead and each way in which the patient wants them, as far as they are not queued or sent.';

CREATE FUNCTION murallink.notice_of_appointment() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.status, NEW.moves) = (OLD.status, OLD.moves) THEN
        RETURN NULL;
    END IF;
    -- Whose consent is being given or ended now would be missed by both.
    PERFORM FROM murallink.patient p WHERE p.uid = NEW.patient_uid FOR SHARE;
    UPDATE murallink_private.notice n
    SET status = 'cancelled', reason = 'the appointment ' || CASE NEW.status WHEN 'cancelled' THEN 'is cancelled' ELSE 'was moved' END
    WHERE n.appointment_uid = NEW.uid AND n.status = 'ready';
    PERFORM murallink.remind(ARRAY[NEW.uid]);
    -- Who was told another time, or is being told it, is told this one at once.
    INSERT INTO murallink_private.notice (kind, channel, patient_uid, appointment_uid, lead, moves)
    SELECT DISTINCT 'appointment'::murallink.notice_kind, n.channel, NEW.patient_uid, NEW.uid, NEW.at - pg_catalog.now(), NEW.moves
    FROM murallink_private.notice n
    WHERE n.appointment_uid = NEW.uid AND n.moves < NEW.moves AND n.status IN ('claimed', 'done', 'in_doubt')
        AND NEW.status = 'scheduled' AND NOT EXISTS (
            SELECT FROM murallink_private.notice r
            WHERE r.appointment_uid = NEW.uid AND r.channel = n.channel AND r.status = 'ready' AND r.due_at <= pg_catalog.now());
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.notice_of_appointment() IS
'Trigger: queues the reminders of an appointment, takes them back when it is cancelled, and queues them again when it is moved.';

CREATE FUNCTION murallink.notice_of_enrollment() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'dropped' THEN
        UPDATE murallink_private.notice n SET status = 'cancelled', reason = 'the patient was dropped'
        WHERE n.patient_uid = NEW.patient_uid AND n.status = 'ready' AND (
            n.appointment_uid IN (SELECT a.uid FROM murallink.appointment a WHERE a.enrollment_uid = NEW.uid)
            OR n.bulk_email_uid IN (
                SELECT b.uid FROM murallink_private.bulk_email b
                WHERE b.trial_uid = NEW.trial_uid AND b.site_uid = NEW.site_uid));
    ELSE
        PERFORM murallink.remind(ARRAY(
            SELECT a.uid FROM murallink.appointment a WHERE a.enrollment_uid = NEW.uid AND a.at > pg_catalog.now()));
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.notice_of_enrollment() IS
'Trigger: who was dropped is not reminded, and who takes part again is.';

CREATE FUNCTION murallink.notice_of_consent() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink_private.notice n SET status = 'cancelled', reason = 'the patient does not want it'
    WHERE n.patient_uid = NEW.uid AND n.status = 'ready'
        AND NOT CASE n.channel WHEN 'email' THEN NEW.email_enabled ELSE NEW.sms_enabled END;
    PERFORM murallink.remind(ARRAY(
        SELECT a.uid FROM murallink.appointment a JOIN murallink.enrollment e ON e.uid = a.enrollment_uid
        WHERE a.patient_uid = NEW.uid AND a.at > pg_catalog.now() AND e.status <> 'dropped'));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.notice_of_consent() IS
'Trigger: a patient who has turned messages off is sent none; one who has turned them on is reminded of what is to come.';

CREATE FUNCTION murallink.notice_of_password_reset() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Runs for an address without an account too: how long an answer takes is not to tell that there is one.
    UPDATE murallink_private.notice SET status = 'cancelled', reason = 'there is a newer one'
    WHERE app_user_uid = NEW.app_user_uid AND kind = 'password_reset' AND status = 'ready';
    -- Somebody waits for it: however many messages are in the queue, it comes before them.
    INSERT INTO murallink_private.notice (kind, channel, app_user_uid, due_at)
    SELECT 'password_reset', 'email', NEW.app_user_uid, pg_catalog.now() - interval '1 hour'
    WHERE NEW.app_user_uid IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.notice_of_password_reset() IS
'Trigger: queues the message with a user''s new token, in place of that with the one before.';

CREATE FUNCTION murallink.notice_of_account() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    owner CONSTANT murallink.ksuid := coalesce(
        pg_catalog.to_jsonb(NEW) ->> 'app_user_uid', pg_catalog.to_jsonb(NEW) ->> 'uid')::murallink.ksuid;
BEGIN
    -- Not more often than tokens go there: the address may be a stranger's, whom somebody has mail sent to.
    INSERT INTO murallink_private.notice (kind, channel, app_user_uid, address, changed)
    SELECT 'account', 'email', owner, goes.address, TG_ARGV[0]
    FROM murallink.app_user u, LATERAL (SELECT coalesce(pg_catalog.to_jsonb(OLD) ->> 'email', u.email) AS address) goes
    WHERE u.uid = owner AND (
        SELECT pg_catalog.count(*) FROM murallink_private.notice n
        WHERE n.kind = 'account' AND (n.address = goes.address OR n.app_user_uid = owner)
            AND n.created_at > pg_catalog.now() - interval '1 hour'
    ) < pg_catalog.current_setting('murallink.reset_requests_per_hour')::integer;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.notice_of_account() IS
'Trigger of app_user and credential: tells the address from before that the account was changed, at most murallink.reset_requests_per_hour times. Its argument is what was.';

CREATE FUNCTION murallink.notice_of_payment() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO murallink_private.notice (kind, channel, patient_uid, payment_uid)
    SELECT CASE NEW.status WHEN 'paid' THEN 'payment' ELSE 'reversal' END::murallink.notice_kind, way.channel, NEW.patient_uid, NEW.uid
    FROM murallink.wanted_channels(NEW.patient_uid) way (channel)
    WHERE coalesce(
        (SELECT s.enabled FROM murallink_private.payment_notice s WHERE s.contract_uid = NEW.contract_uid),
        pg_catalog.current_setting('murallink.payment_notices')::boolean)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.notice_of_payment() IS
'Trigger: tells a patient who wants it that a payment was made, or was taken back, where the contract, or else murallink.payment_notices, says so.';

CREATE FUNCTION murallink.set_payment_notices(contract_uid murallink.ksuid, enabled boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM murallink.contract c WHERE c.uid = murallink.required(set_payment_notices.contract_uid, 'contract_uid')) THEN
        PERFORM murallink.raise('not_found', 'contract_uid');
    END IF;
    DELETE FROM murallink_private.payment_notice s WHERE s.contract_uid = set_payment_notices.contract_uid
        AND set_payment_notices.enabled IS NULL;
    INSERT INTO murallink_private.payment_notice AS s (contract_uid, enabled)
    SELECT set_payment_notices.contract_uid, set_payment_notices.enabled WHERE set_payment_notices.enabled IS NOT NULL
    ON CONFLICT ON CONSTRAINT payment_notice_contract_uid_key DO UPDATE SET enabled = EXCLUDED.enabled;
END
$$;
COMMENT ON FUNCTION murallink.set_payment_notices(murallink.ksuid, boolean) IS
'Whether patients in the trials of a contract are told when they have been paid; null: as murallink.payment_notices says. For operators. Errors: missing_field, not_found.';

CREATE FUNCTION murallink.unsubscribe(token murallink.ksuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink.required(unsubscribe.token, 'token');
    INSERT INTO murallink.consent (patient_uid, channel, given, source)
    SELECT p.uid, 'email', false, 'List-Unsubscribe'
    FROM murallink_private.unsubscribe_token u JOIN murallink.patient p ON p.uid = u.patient_uid
    WHERE u.token = unsubscribe.token AND p.email_enabled FOR NO KEY UPDATE OF p;
END
$$;
COMMENT ON FUNCTION murallink.unsubscribe(murallink.ksuid) IS
'Ends a patient''s consent to e-mail at once. token: from the header List-Unsubscribe of a message of bulk_email(); an unknown token, and one that was used before, is answered in the same way. Needs no session. Errors: missing_field.';

CREATE FUNCTION murallink.bulk_email(
    trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL, subject text DEFAULT NULL, body text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    place CONSTANT murallink.ksuid := murallink.trial_at_site(bulk_email.trial_uid, bulk_email.site_uid, 'bulk_email');
    title CONSTANT text := murallink.checked_text(bulk_email.subject, 'subject', 200, true);
    message murallink.ksuid;
    outcomes jsonb;
BEGIN
    IF title ~ '[\t\r\n]' THEN
        PERFORM murallink.raise('invalid_value', 'subject');
    END IF;
    INSERT INTO murallink_private.bulk_email (client_uid, contract_uid, trial_uid, site_uid, subject, body)
    SELECT client_uid, contract_uid, trial_uid, site_uid, title, murallink.checked_text(bulk_email.body, 'body', 100000, true)
    FROM murallink.trial_site WHERE uid = place
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
    RETURN outcomes;
END
$$;
COMMENT ON FUNCTION murallink.bulk_email(murallink.ksuid, murallink.ksuid, text, text) IS
'Queues an e-mail message to each patient who is enrolled in a trial at a site (document: Bulk E-mail). subject: one line of at most 200 characters; body: plain text of at most 100000. Answers how many were queued (OK) and, where there are any, how many patients have no address (no_email) or do not want e-mail (not_enabled). Needs bulk_email on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, too_long, invalid_value.';

CREATE TYPE murallink.notice_info AS (
    uid murallink.ksuid, kind murallink.notice_kind, channel murallink.notice_channel, patient_uid murallink.ksuid,
    app_user_uid murallink.ksuid, appointment_uid murallink.ksuid, payment_uid murallink.ksuid, bulk_email_uid murallink.ksuid,
    status murallink.payout_status, reason text, attempt integer, due_at timestamptz, note text, created_at timestamptz,
    settled_at timestamptz);
COMMENT ON TYPE murallink.notice_info IS
'What is sent to somebody. status: ready, claimed, done, declined: refused for good; in_doubt; cancelled: what it was about is no more. reason: why it was not sent.';

CREATE FUNCTION murallink.notices(
    notice_uid murallink.ksuid DEFAULT NULL, status text DEFAULT NULL, patient_uid murallink.ksuid DEFAULT NULL,
    most integer DEFAULT 100
) RETURNS SETOF murallink.notice_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    IF status <> ALL (pg_catalog.enum_range(NULL::murallink.payout_status)::text[]) THEN
        PERFORM murallink.raise('invalid_value', 'status');
    ELSIF most < 0 THEN
        PERFORM murallink.raise('invalid_value', 'most');
    END IF;
    RETURN QUERY
    SELECT n.uid, n.kind, n.channel, n.patient_uid, n.app_user_uid, n.appointment_uid, n.payment_uid, n.bulk_email_uid,
        n.status, n.reason, n.attempt, n.due_at, n.note, n.created_at, n.settled_at
    FROM murallink_private.notice n
    WHERE (notices.notice_uid IS NULL OR n.uid = notices.notice_uid)
        AND (notices.status IS NULL OR n.status::text = notices.status)
        AND (notices.patient_uid IS NULL OR n.patient_uid = notices.patient_uid)
    ORDER BY n.created_at DESC, n.uid DESC
    LIMIT notices.most;
END
$$;
COMMENT ON FUNCTION murallink.notices(murallink.ksuid, text, murallink.ksuid, integer) IS
'What is or was to be sent to people, newest first, without its text. notice_uid, status, patient_uid: only these; most: how many at most, null for all. For operators. Errors: invalid_value.';

CREATE FUNCTION murallink.resolve_notice(notice_uid murallink.ksuid, sent boolean, note text) RETURNS murallink.notice_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present murallink.payout_status;
BEGIN
    SELECT n.status INTO present FROM murallink_private.notice n
    WHERE n.uid = murallink.required(resolve_notice.notice_uid, 'notice_uid') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink.raise('not_found', 'notice_uid');
    ELSIF present <> 'in_doubt' AND (present <> 'declined' OR murallink.required(resolve_notice.sent, 'sent')) THEN
        PERFORM murallink.raise('wrong_status', 'notice_uid');
    END IF;
    UPDATE murallink_private.notice n
    SET status = CASE WHEN murallink.required(resolve_notice.sent, 'sent') THEN 'done' ELSE 'ready' END::murallink.payout_status,
        due_at = pg_catalog.clock_timestamp(), note = murallink.checked_text(resolve_notice.note, 'note', 1000, true)
    WHERE n.uid = resolve_notice.notice_uid;
    RETURN (SELECT n FROM murallink.notices(resolve_notice.notice_uid) n);
END
$$;
COMMENT ON FUNCTION murallink.resolve_notice(murallink.ksuid, boolean, text) IS
'Decides a notice in doubt, after a look at the mail server''s log, or has one that was declined sent after all. sent: whether it was sent; if not, it is sent again. note: how this is known. For operators. Errors: missing_field, not_found, too_long, wrong_status.';
