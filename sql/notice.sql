CREATE TYPE murallink.notice_kind AS ENUM ('appointment', 'bulk_email', 'password_reset');
COMMENT ON TYPE murallink.notice_kind IS 'What a notice is about.';

CREATE TYPE murallink.notice_channel AS ENUM ('email', 'sms');
COMMENT ON TYPE murallink.notice_channel IS 'How a notice is sent.';

CREATE TYPE murallink.notice_status AS ENUM ('queued', 'sent', 'failed', 'cancelled');
COMMENT ON TYPE murallink.notice_status IS
'queued: to be sent when it is due; sent; failed: refused for good; cancelled: what it was about is no more.';

CREATE FUNCTION murallink.notice_of_appointment() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'cancelled' THEN
        UPDATE murallink_private.notice SET status = 'cancelled' WHERE appointment_uid = NEW.uid AND status = 'queued';
    ELSIF TG_OP = 'INSERT' THEN
        -- A day before is the same hour of the day before, also when the clock is changed between.
        INSERT INTO murallink_private.notice (kind, channel, patient_uid, appointment_uid, due_at)
        SELECT 'appointment', wanted.channel, NEW.patient_uid, NEW.uid, GREATEST(pg_catalog.now(),
            (NEW.local_time - pg_catalog.current_setting('murallink.reminder_lead')::interval) AT TIME ZONE NEW.time_zone)
        FROM murallink.patient p, LATERAL (VALUES
            ('email'::murallink.notice_channel, p.email_enabled AND p.email <> ''),
            ('sms', p.sms_enabled AND p.phone <> '')) AS wanted (channel, possible)
        WHERE p.uid = NEW.patient_uid AND wanted.possible;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.notice_of_appointment() IS
'Trigger: queues the reminders of an appointment, one for each way in which the patient wants them, murallink.reminder_lead before it; takes them back when it is cancelled.';

CREATE FUNCTION murallink.notice_of_password_reset() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Runs for an address without an account too: how long an answer takes is not to tell that there is one.
    UPDATE murallink_private.notice SET status = 'cancelled'
    WHERE app_user_uid = NEW.app_user_uid AND kind = 'password_reset' AND status = 'queued';
    INSERT INTO murallink_private.notice (kind, channel, app_user_uid)
    SELECT 'password_reset', 'email', NEW.app_user_uid WHERE NEW.app_user_uid IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink.notice_of_password_reset() IS
'Trigger: queues the message with a user''s new token, in place of that with the one before.';

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
        SELECT 'bulk_email', 'email', uid, message FROM recipients WHERE outcome = 'OK')
    SELECT pg_catalog.jsonb_build_object('OK', 0) || coalesce(pg_catalog.jsonb_object_agg(outcome, patients), '{}') INTO outcomes
    FROM (SELECT outcome, pg_catalog.count(*) AS patients FROM recipients GROUP BY outcome) AS counted;
    RETURN outcomes;
END
$$;
COMMENT ON FUNCTION murallink.bulk_email(murallink.ksuid, murallink.ksuid, text, text) IS
'Queues an e-mail message to each patient who is enrolled in a trial at a site (document: Bulk E-mail). subject: one line of at most 200 characters; body: plain text of at most 100000. Answers how many were queued (OK) and, where there are any, how many patients have no address (no_email) or do not want e-mail (not_enabled). Needs bulk_email on the trial at the site. Errors: unauthenticated, forbidden, not_found, not_associated, missing_field, too_long, invalid_value.';
