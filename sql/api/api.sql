-- The function through which clients call every action.

CREATE FUNCTION murallink.ping() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.say('pong');
END
$$;
COMMENT ON FUNCTION murallink.ping() IS 'Answers pong (document: ping). Needs no session.';

CREATE FUNCTION murallink.api(jsonb) RETURNS jsonb
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'api';
COMMENT ON FUNCTION murallink.api(jsonb) IS
'The JSON protocol of the document. Its argument, which has no name so that PostgREST passes the whole body, is an object with action (a function of this schema), payload (its arguments by name), session_id (from login), and optionally idempotency_key: a repeat of the request under the same key returns the first answer and does nothing. The answer has action, payload, status_code, message, request_id, and on failure error with code, field and hint; the HTTP status follows status_code.';
