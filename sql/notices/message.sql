-- The text and the recipient of a notice, at the moment when it is sent.

CREATE FUNCTION murallink_private.notice_message(notice_uid murallink.ksuid, OUT operation text, OUT params jsonb, OUT problem text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    the_notice murallink_private.notice;
    its_call murallink_private.call;
    the_template murallink_private.template;
    the_patient murallink.patient;
    the_user murallink.app_user;
    the_appointment murallink.appointment;
    the_payment murallink_private.payment;
    the_mail murallink_private.bulk_email;
    the_account record;
    live murallink_private.live_reset_token;
    config jsonb;
    fields jsonb;
    said text;
    digits text;
    recipient text;
    moment timestamp;
BEGIN
    SELECT * INTO the_notice FROM murallink_private.notice n WHERE n.uid = notice_uid;
    SELECT * INTO its_call FROM murallink_private.call c WHERE c.uid = notice_uid;
    SELECT * INTO the_template FROM murallink_private.template t WHERE t.kind = the_notice.kind AND t.channel = the_notice.channel;
    SELECT * INTO the_patient FROM murallink.patient p WHERE p.uid = the_notice.patient_uid;
    SELECT * INTO the_user FROM murallink.app_user u WHERE u.uid = the_notice.app_user_uid;
    -- Anybody can register any address and name, so no text of a user's goes to an address that is not verified.
    IF the_user.email_verified IS NOT TRUE OR the_notice.kind = 'account' THEN
        the_user.first_name := NULL;
        the_user.last_name := NULL;
    END IF;
    recipient := coalesce(the_notice.address, the_user.email, the_patient.email);
    SELECT * INTO the_appointment FROM murallink.appointment a WHERE a.uid = the_notice.appointment_uid;
    SELECT * INTO the_payment FROM murallink_private.payment p WHERE p.uid = the_notice.payment_uid;
    SELECT * INTO the_mail FROM murallink_private.bulk_email b WHERE b.uid = the_notice.bulk_email_uid;
    SELECT * INTO live FROM murallink_private.live_reset_token l WHERE l.app_user_uid = the_notice.app_user_uid
    ORDER BY l.created_at DESC LIMIT 1;
    SELECT p.settings INTO config FROM murallink_private.partner p WHERE p.name = the_notice.partner;
    moment := coalesce(the_appointment.local_time, the_notice.created_at AT TIME ZONE 'UTC');
    SELECT t.name, a.shown, a.usable_from INTO the_account
    FROM murallink_private.payout_account a JOIN murallink_private.payment_type t ON t.uid = a.payment_type_uid
    WHERE a.uid = the_notice.payout_account_uid;
    digits := murallink_private.phone_north_american(CASE the_notice.channel WHEN 'sms' THEN coalesce(the_notice.address, the_patient.phone) END);
    problem := CASE
        WHEN the_notice.kind = 'password_reset' AND live.token IS NULL THEN 'the token is not good any more'
        WHEN the_patient.uid IS NOT NULL AND (the_notice.kind <> 'payout_account' OR the_notice.channel = 'sms')
            AND NOT CASE the_notice.channel WHEN 'email' THEN the_patient.email_enabled ELSE the_patient.sms_enabled END
            THEN 'the patient does not want it'
        WHEN the_notice.channel = 'email' AND NOT murallink_private.is_mail_address(recipient)
            THEN 'there is no address that mail can be sent to'
        WHEN the_notice.channel = 'sms' AND digits IS NULL THEN 'there is no phone number that SMS can be sent to'
        WHEN the_appointment.status <> 'scheduled' THEN 'the appointment is ' || the_appointment.status
        WHEN the_appointment.moves <> the_notice.moves THEN 'the appointment was moved'
        WHEN the_appointment.at <= pg_catalog.clock_timestamp() THEN 'the appointment is over'
        WHEN its_call.attempt > 0 AND its_call.due_at > the_notice.created_at + interval '5 days'
            AND the_notice.kind IN ('payment', 'reversal', 'return', 'bulk_email') THEN 'given up after 5 days: ' || its_call.reason
        ELSE '' END;
    IF problem <> '' THEN
        RETURN;
    END IF;
    fields := pg_catalog.jsonb_build_object(
        'first_name', coalesce(the_user.first_name, the_patient.first_name),
        'last_name', coalesce(the_user.last_name, the_patient.last_name),
        'what', coalesce(the_notice.changed, the_account.name || ' ' || the_account.shown),
        'from', pg_catalog.to_char(the_account.usable_from AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
        'date', pg_catalog.to_char(moment, 'YYYY-MM-DD'),
        'time', pg_catalog.to_char(moment, 'HH24:MI'),
        'description', the_appointment.description, 'currency', the_payment.currency, 'note', the_notice.note,
        'amount', pg_catalog.round(CASE the_notice.kind WHEN 'payment' THEN the_payment.amount - coalesce(the_payment.recovered, 0)
            ELSE the_notice.returned - coalesce((
                SELECT pg_catalog.max(n.returned) FROM murallink_private.notice n
                WHERE n.payment_uid = the_notice.payment_uid AND n.channel = the_notice.channel AND n.returned < the_notice.returned), 0) END,
            murallink_private.currency_decimals(the_payment.currency))::text,
        'kept', CASE WHEN the_payment.recovered > 0 THEN pg_catalog.format('; %s %s were kept for an earlier payment that was taken back',
            pg_catalog.round(the_payment.recovered, murallink_private.currency_decimals(the_payment.currency)), the_payment.currency) ELSE '' END,
        'subject', the_mail.subject, 'body', the_mail.body, 'token', live.token,
        'minutes', pg_catalog.round(EXTRACT(epoch FROM live.expires_at - pg_catalog.clock_timestamp()) / 60)::text,
        'trial', (SELECT t.name FROM murallink.trial t
            WHERE t.uid = coalesce(the_appointment.trial_uid, the_payment.trial_uid, the_mail.trial_uid)),
        'site', (SELECT s.name FROM murallink.site s
            WHERE s.uid = coalesce(the_appointment.site_uid, the_payment.site_uid, the_mail.site_uid)));
    said := murallink_private.template_filled(the_template.body, fields);
    IF NOT murallink_private.is_visible(said) THEN
        problem := 'there is nothing to say';
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('SELECT * FROM murallink_private.%I($1, $2)', the_notice.partner || '_message') INTO operation, params, problem
    USING pg_catalog.jsonb_build_object('uid', notice_uid, 'patient_uid', the_patient.uid,
        'to', CASE the_notice.channel WHEN 'email' THEN recipient ELSE digits END,
        'name', pg_catalog.concat_ws(' ', fields ->> 'first_name', fields ->> 'last_name'),
        'subject', murallink_private.template_filled(the_template.subject, fields), 'text', said, 'secret', live.token,
        'unsubscribe', (SELECT u.token FROM murallink_private.unsubscribe_token u
            WHERE u.patient_uid = the_notice.patient_uid AND NOT u.former AND the_notice.kind = 'bulk_email'),
        'consent', murallink_private.consent_type(the_patient.uid, the_notice.channel)), config;
    problem := coalesce(problem, '');
END
$$;
COMMENT ON FUNCTION murallink_private.notice_message(murallink.ksuid, OUT text, OUT jsonb, OUT text) IS
'The operation and params that send a notice, from its partner''s own function (its name and _message), or the problem why it is not sent any more. May contain a token, so it is not stored.';

CREATE FUNCTION murallink_private.notices_ask(calls murallink.ksuid[]) RETURNS SETOF murallink.call_asked
LANGUAGE sql VOLATILE AS $$
    SELECT n.uid, m.operation, m.params, m.problem
    FROM murallink_private.notice n, LATERAL murallink_private.notice_message(n.uid) m
    WHERE n.uid = ANY (calls) AND NOT (n.kind = 'appointment' AND EXISTS (
        -- It may have the time from before the last move, so it must arrive first.
        SELECT FROM murallink_private.notice o JOIN murallink_private.call c ON c.uid = o.uid
        WHERE o.kind = 'appointment' AND o.appointment_uid = n.appointment_uid AND o.channel = n.channel AND c.status = 'claimed'))
$$;
COMMENT ON FUNCTION murallink_private.notices_ask(murallink.ksuid[]) IS
'What to send for notices. A notice whose reason has gone is cancelled.';

CREATE FUNCTION murallink_private.notice_judge(ended murallink.call_state) RETURNS murallink.call_state
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    resend_after CONSTANT double precision := (
        SELECT (p.settings ->> 'resend_after')::double precision FROM murallink_private.partner p WHERE p.name = ended.partner);
BEGIN
    IF ended.outcome = 'in_doubt' AND resend_after IS NOT NULL THEN
        ended.status := 'ready';
        ended.due_at := ended.settled_at + resend_after * interval '1 s';
    END IF;
    RETURN ended;
END
$$;
COMMENT ON FUNCTION murallink_private.notice_judge(murallink.call_state) IS
'The status of a message after an attempt: one in doubt is sent again after the setting resend_after.';
