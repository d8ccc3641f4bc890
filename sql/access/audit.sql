-- The audit: triggers that record every change of a row, and the history that an edit answers with.

CREATE TYPE murallink.audit_action AS ENUM ('created', 'changed', 'deleted');
COMMENT ON TYPE murallink.audit_action IS 'The kind of a change to a row.';

CREATE FUNCTION murallink_private.audit_record() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'audit_record';
COMMENT ON FUNCTION murallink_private.audit_record() IS
'Trigger for each row: writes an audit_event for each row that is created, changed or deleted. Argument values: also with the values of created rows. Argument remembered: makes every session forget its cached rows of the table, as install_changed() does; such a trigger must be enabled always, and writes no event for replicated rows. Argument awaited: others can wait until every session has done so.';

CREATE TYPE murallink.audit_entry AS (uid murallink.ksuid, resource_uid murallink.ksuid, user_uid murallink.ksuid, changes text);
COMMENT ON TYPE murallink.audit_entry IS 'An event in the history of a resource, in words. user_uid: the user who caused it.';

CREATE DOMAIN murallink.optional_history AS murallink.audit_entry[];
COMMENT ON DOMAIN murallink.optional_history IS 'A history that the JSON protocol leaves out where it is not asked for.';

CREATE FUNCTION murallink_private.audit_words(changes jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT 'changed ' || pg_catalog.string_agg(
        pg_catalog.format('%s from %s to %s', pg_catalog.replace(change.key, '_', ' '),
            pg_catalog.to_json(coalesce(change.value ->> 'from', '')), pg_catalog.to_json(coalesce(change.value ->> 'to', ''))),
        ', ' ORDER BY change.key)
    FROM pg_catalog.jsonb_each(changes) AS part,
        LATERAL (
            SELECT part.key, CASE WHEN part.key <> 'address' THEN part.value ELSE pg_catalog.jsonb_build_object(
                'from', murallink_private.address_text((part.value ->> 'from')::murallink.address),
                'to', murallink_private.address_text((part.value ->> 'to')::murallink.address)) END AS value) AS change
$$;
COMMENT ON FUNCTION murallink_private.audit_words(jsonb) IS 'The changes of an audit_event as a sentence: changed name from "A" to "B".';

CREATE FUNCTION murallink_private.audit_history(resource_uid murallink.ksuid) RETURNS murallink.audit_entry[]
LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.array_agg(
        ROW(e.uid, e.resource_uid, e.app_user_uid, CASE e.action
            WHEN 'changed' THEN murallink_private.audit_words(e.changes)
            ELSE e.action || ' ' || pg_catalog.replace(e.resource, '_', ' ') END)::murallink.audit_entry
        ORDER BY e.at DESC, e.uid DESC)
    FROM murallink.audit_event e WHERE e.resource_uid = audit_history.resource_uid
$$;
COMMENT ON FUNCTION murallink_private.audit_history(murallink.ksuid) IS
'The history of a resource, newest first, in the form of the documents.';

CREATE FUNCTION murallink_private.changed_since(resource text, since timestamptz) RETURNS murallink.ksuid[]
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE AS $$
    SELECT pg_catalog.array_agg(DISTINCT e.resource_uid) FROM murallink.audit_event e
    WHERE e.uid >= murallink.ksuid_from_timestamp(since) AND e.resource = changed_since.resource
$$;
COMMENT ON FUNCTION murallink_private.changed_since(text, timestamptz) IS
'The rows of a table that were made, changed or deleted since a time, by their audit, also those that the caller does not see: for a query that shows only the others. Planning with the policies of audit_event would take 30 times as long.';
