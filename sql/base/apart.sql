-- Runs a statement in a transaction of its own.

CREATE FUNCTION murallink_private.apart(function text, argument jsonb) RETURNS jsonb
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'apart';
COMMENT ON FUNCTION murallink_private.apart(text, jsonb) IS
'Runs a function of schema murallink_private that takes and returns jsonb, in a transaction of its own in another process, and returns its result once that has committed: no ending of the caller''s transaction undoes it. The caller must hold no lock that the function waits for. It needs one of the server''s background workers; where it has failed, the server''s log says why. Errors: busy, invalid_request (on a standby).';
