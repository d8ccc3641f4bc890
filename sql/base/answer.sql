-- What an action says beside its result: a message, and a refusal that is not an error.

CREATE FUNCTION murallink_private.say(message text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'answer_say';
COMMENT ON FUNCTION murallink_private.say(text) IS 'Sets the message that murallink.api() answers with instead of OK.';

CREATE FUNCTION murallink_private.refuse(error text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'answer_refuse';
COMMENT ON FUNCTION murallink_private.refuse(text) IS
'Answers with an error of murallink.errors() without a rollback; sets response.status for PostgREST.';
