-- The audit: triggers that record every change of a row, and the history that an edit answers with.

CREATE TYPE murallink.audit_action AS ENUM ('created', 'changed', 'deleted');
COMMENT ON TYPE murallink.audit_action IS 'The kind of a change to a row.';

CREATE TYPE murallink.event_type AS ENUM (
    'payment.pending', 'payment.approved', 'payment.rejected', 'payment.cancelled', 'payment.paid', 'payment.failed', 'payment.in_doubt',
    'payment.reversed', 'payment.returned', 'payment.elsewhere', 'payment.unmarked', 'payout.waiting', 'card.ordered', 'card.active',
    'card.replaced', 'enrollment.changed', 'schedule.changed', 'access.changed', 'funds.low');
COMMENT ON TYPE murallink.event_type IS
'What an event of the feed says. payment.*: the payment has got that status; payment.returned: a part of it has come back; payout.waiting: an approved payment cannot be sent yet; card.*: a card was ordered, can be loaded, or was replaced; enrollment.changed, schedule.changed, access.changed: an enrollment, a version of a milestone, a grant or a user''s account was made or changed; funds.low: less is available of a contract''s funds than set_low_funds says.';

CREATE FUNCTION murallink_private.audit_record() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'audit_record';
COMMENT ON FUNCTION murallink_private.audit_record() IS
'Trigger for each row: writes an audit_event for each row that is created, changed or deleted. Argument values: also with the values of created rows. Argument remembered: makes every session forget its cached rows of the table, as install_changed() does; such a trigger must be enabled always, and writes no event for replicated rows. Arguments event=TYPE, event:COLUMN=TYPE and event:COLUMN:VALUE=TYPE: the change is an event of the feed; always, if that column gets a value, or if it gets this value. Argument awaited: others can wait until every session has done so.';

CREATE FUNCTION murallink_private.audit_place() RETURNS text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'audit_place';
COMMENT ON FUNCTION murallink_private.audit_place() IS
'The identity of this cluster, its timeline and data directory, and this database. No copy has the same value.';

CREATE FUNCTION murallink_private.audit_writer() RETURNS xid8
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'audit_writer';
COMMENT ON FUNCTION murallink_private.audit_writer() IS
'The id of the transaction or subtransaction that writes now, which is in the rows that it writes.';

CREATE FUNCTION murallink_private.audit_epoch_begin(nothing jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
    INSERT INTO murallink_private.audit_epoch (epoch, place, began_at, written_by)
    SELECT last.epoch + 1, murallink_private.audit_place(), pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()),
        murallink_private.audit_writer()
    FROM (SELECT e.epoch, e.place FROM murallink_private.audit_epoch e ORDER BY e.epoch DESC LIMIT 1) last
    WHERE last.place <> murallink_private.audit_place()
    ON CONFLICT (epoch) DO NOTHING;
    SELECT nothing
$$;
COMMENT ON FUNCTION murallink_private.audit_epoch_begin(jsonb) IS
'Begins the next epoch of events, unless the last one is of this place. nothing: is returned.';

CREATE FUNCTION murallink_private.event_sequence("position" bigint, step integer) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'audit_event_sequence';
COMMENT ON FUNCTION murallink_private.event_sequence(bigint, integer) IS 'The place of an event in the feed, as text that sorts in the order of the feed.';

CREATE FUNCTION murallink_private.events_end() RETURNS bigint
LANGUAGE sql STABLE AS $$
    WITH ours AS (
        SELECT e.epoch::bigint << 44 AS base, e.began_at FROM murallink_private.audit_epoch e
        WHERE pg_catalog.split_part(e.place, ',', 1) = pg_catalog.split_part(murallink_private.audit_place(), ',', 1)
            -- In a restored dump the row was written by another transaction.
            AND e.xmin::text::bigint = (e.written_by::text::bigint & 4294967295)
    ), oldest AS (
        SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) AS id
    )
    SELECT coalesce(
        (SELECT o.base + oldest.id::text::bigint FROM ours o, oldest WHERE o.began_at <= oldest.id ORDER BY o.base DESC LIMIT 1),
        (SELECT pg_catalog.min(o.base) FROM ours o),
        (SELECT pg_catalog.max(e.epoch) + 1 FROM murallink_private.audit_epoch e)::bigint << 44)
$$;
COMMENT ON FUNCTION murallink_private.events_end() IS
'The position below which no event can appear any more: that of the oldest open transaction. After a promotion a prepared transaction may be older than the epoch; then the epoch of this cluster in which it began counts. Must be called with the snapshot that reads the events.';

CREATE FUNCTION murallink_private.audit_note(resource text, resource_uid murallink.ksuid, action murallink.audit_action, changes jsonb) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'audit_note';
COMMENT ON FUNCTION murallink_private.audit_note(text, murallink.ksuid, murallink.audit_action, jsonb) IS
'Writes an audit_event of a row without a trigger, which only commands change. The arguments are columns of audit_event.';

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
    FROM murallink_private.audit_event e WHERE e.resource_uid = audit_history.resource_uid
$$;
COMMENT ON FUNCTION murallink_private.audit_history(murallink.ksuid) IS
'The history of a resource, newest first, in the form of the documents.';

CREATE FUNCTION murallink_private.changed_since(resource text, since timestamptz) RETURNS murallink.ksuid[]
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE AS $$
    SELECT pg_catalog.array_agg(DISTINCT e.resource_uid) FROM murallink_private.audit_event e
    WHERE e.uid >= murallink.ksuid_from_timestamp(since) AND e.resource = changed_since.resource
$$;
COMMENT ON FUNCTION murallink_private.changed_since(text, timestamptz) IS
'The rows of a table that were made, changed or deleted since a time, by their audit, also those that the caller does not see: the query that asks must leave these out. Planning with the policies of audit_event would take 30 times as long.';
