-- Consents of patients to messages, by channel.

CREATE TYPE murallink.notice_channel AS ENUM ('email', 'sms');
COMMENT ON TYPE murallink.notice_channel IS 'How a notice is sent.';

CREATE FUNCTION murallink_private.consent_of_record() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO murallink.consent (patient_uid, channel, given, source)
    SELECT NEW.uid, now.channel, now.given, CASE TG_OP WHEN 'INSERT' THEN 'add_patient' ELSE 'update_patient' END
    FROM (VALUES ('email'::murallink.notice_channel, NEW.email_enabled), ('sms', NEW.sms_enabled)) AS now (channel, given)
    WHERE now.given <> coalesce((
        SELECT c.given FROM murallink.consent c
        WHERE c.patient_uid = NEW.uid AND c.channel = now.channel ORDER BY c.number DESC LIMIT 1), false);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.consent_of_record() IS
'Trigger: a change of consent in a patient''s record is added to the history of consent.';

CREATE FUNCTION murallink_private.note_consent(patient_uid murallink.ksuid, channel murallink.notice_channel, given boolean, source text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO murallink.consent (patient_uid, channel, given, source)
    VALUES (note_consent.patient_uid, note_consent.channel, note_consent.given, note_consent.source);
    UPDATE murallink.patient p SET
        email_enabled = CASE note_consent.channel WHEN 'email' THEN note_consent.given ELSE p.email_enabled END,
        sms_enabled = CASE note_consent.channel WHEN 'sms' THEN note_consent.given ELSE p.sms_enabled END,
        updated_at = pg_catalog.clock_timestamp()
    WHERE p.uid = note_consent.patient_uid
        AND CASE note_consent.channel WHEN 'email' THEN p.email_enabled ELSE p.sms_enabled END <> note_consent.given;
END
$$;
COMMENT ON FUNCTION murallink_private.note_consent(murallink.ksuid, murallink.notice_channel, boolean, text) IS
'Adds to the history of consent, and has the record of the patient show it. Assumes that the patient is locked.';

CREATE FUNCTION murallink_private.checked_channel(channel text) RETURNS murallink.notice_channel
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF murallink_private.required(channel, 'channel') NOT IN ('email', 'sms') THEN
        PERFORM murallink_private.raise('invalid_value', 'channel', 'One of email and sms.');
    END IF;
    RETURN channel::murallink.notice_channel;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_channel(text) IS 'email or sms. Errors: missing_field, invalid_value.';

CREATE FUNCTION murallink_private.consent_type(patient_uid murallink.ksuid, channel murallink.notice_channel) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN NOT c.given THEN 'stop' WHEN murallink_private.lowered(c.source) ~ '^written\M' COLLATE "C" THEN 'written' ELSE 'express' END
    FROM murallink.consent c
    WHERE c.patient_uid = consent_type.patient_uid AND c.channel = consent_type.channel ORDER BY c.number DESC LIMIT 1
$$;
COMMENT ON FUNCTION murallink_private.consent_type(murallink.ksuid, murallink.notice_channel) IS
'The consent on record: written, express or stop; null where there never was any.';

CREATE FUNCTION murallink.set_consent(
    patient_uid murallink.ksuid DEFAULT NULL, channel text DEFAULT NULL, given boolean DEFAULT NULL, source text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM murallink.patient p
    WHERE p.uid = murallink_private.required(set_consent.patient_uid, 'patient_uid') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'patient_uid');
    END IF;
    PERFORM murallink_private.note_consent(
        set_consent.patient_uid, murallink_private.checked_channel(set_consent.channel), murallink_private.required(set_consent.given, 'given'),
        murallink_private.checked_text(set_consent.source, 'source', 200, true));
END
$$;
COMMENT ON FUNCTION murallink.set_consent(murallink.ksuid, text, boolean, text) IS
'Records that a patient agrees to messages by a channel, or no longer agrees, with immediate effect. channel: email or sms; source: how this is known, such as "written form"; a source that begins with "written" is written consent, any other is express consent. For operators. Errors: missing_field, not_found, invalid_value, too_long.';

CREATE FUNCTION murallink.message_received(
    channel text DEFAULT NULL, sender text DEFAULT NULL, body text DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    way CONSTANT murallink.notice_channel := murallink_private.checked_channel(message_received.channel);
    origin CONSTANT text := murallink_private.checked_text(message_received.sender, 'sender', 500, true);
    bare CONSTANT text := pg_catalog.regexp_replace(origin, '\s*\([^()]*\)$', '');
    mailbox CONSTANT text := murallink_private.mail_address(coalesce(pg_catalog.substring(bare, '<([^<>]*)>$'), bare));
    said CONSTANT text := murallink_private.checked_text(message_received.body, 'body', 100000, true);
    word CONSTANT text := murallink_private.words(CASE way WHEN 'email' THEN pg_catalog.substring(said, '^[^\r\n]*') ELSE said END);
    senders murallink.ksuid[];
BEGIN
    IF word = '' OR word NOT IN (
        SELECT murallink_private.words(listed)
        FROM pg_catalog.string_to_table(pg_catalog.current_setting('murallink.stop_words'), ',') AS listed) THEN
        RETURN 0;
    END IF;
    senders := ARRAY(
        SELECT p.uid FROM murallink.patient p
        WHERE CASE way WHEN 'email' THEN p.email_enabled AND p.email = mailbox
            ELSE p.sms_enabled AND murallink_private.phone_or_digits(p.phone) = NULLIF(murallink_private.phone_or_digits(origin), '') END
        ORDER BY p.uid FOR NO KEY UPDATE);
    PERFORM murallink_private.note_consent(s, way, false, 'the message "' || word || '"') FROM pg_catalog.unnest(senders) AS s;
    RETURN pg_catalog.cardinality(senders);
END
$$;
COMMENT ON FUNCTION murallink.message_received(text, text, text) IS
'Records an answer from patients: a word of murallink.stop_words ends at once the consent of all patients with that address; anything else has no effect. Case, blanks, and characters other than letters and digits are ignored. channel: email or sms; sender: the phone number, or the address, alone or as a header has it, such as Who <who@example.com> or who@example.com (Who); body: of an e-mail message its first line counts. Returns how many consents have ended. For operators and their programs that receive messages. Errors: missing_field, too_long, invalid_value.';
