-- The mail server.

CREATE FUNCTION murallink_private.smtp_message(message jsonb, config jsonb, OUT operation text, OUT params jsonb, OUT problem text)
LANGUAGE sql IMMUTABLE AS $$
    SELECT 'message', message - 'patient_uid', ''
$$;
COMMENT ON FUNCTION murallink_private.smtp_message(jsonb, jsonb) IS
'The operation and params that send a notice by e-mail. See notice_message().';
