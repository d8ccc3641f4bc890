-- What follows from a change in a subject that comes later.

CREATE FUNCTION murallink_private.follow(change text, uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE pg_catalog.format('SELECT murallink_private.%I($1)', (
        SELECT k.follows FROM murallink_private.change_kind k WHERE k.change = follow.change)) USING follow.uid;
END
$$;
COMMENT ON FUNCTION murallink_private.follow(text, murallink.ksuid) IS
'Calls the function of change_kind that brings later subjects to a change. uid: of what was changed.';
