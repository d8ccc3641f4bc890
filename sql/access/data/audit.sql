-- The table of audit events, and triggers for the tables that were made before it.

CREATE TABLE murallink_private.audit_event (
    uid murallink.ksuid PRIMARY KEY,
    at timestamptz NOT NULL,
    app_user_uid murallink.ksuid,
    switched_by_uid murallink.ksuid,
    db_user name NOT NULL,
    db_role text,
    resource text NOT NULL,
    resource_uid murallink.ksuid NOT NULL,
    action murallink.audit_action NOT NULL,
    changes jsonb,
    client_uid murallink.ksuid,
    contract_uid murallink.ksuid,
    trial_uid murallink.ksuid,
    site_uid murallink.ksuid,
    "position" bigint,
    step integer,
    event murallink.event_type,
    amount numeric,
    currency text
);
COMMENT ON TABLE murallink_private.audit_event IS 'Each change: by whom, when, and the old and new values. audit_record() writes it without a statement, because every statement is refused. It is never changed.';
COMMENT ON COLUMN murallink_private.audit_event.uid IS 'Key; sorts by the second.';
COMMENT ON COLUMN murallink_private.audit_event.at IS 'When.';
COMMENT ON COLUMN murallink_private.audit_event.app_user_uid IS 'The user who made the change; null for a caller without a user: see db_user.';
COMMENT ON COLUMN murallink_private.audit_event.switched_by_uid IS 'The admin who acted as that user, null otherwise.';
COMMENT ON COLUMN murallink_private.audit_event.db_user IS 'The PostgreSQL login role.';
COMMENT ON COLUMN murallink_private.audit_event.db_role IS 'The role that it had set, null where none: behind PostgREST all log in as one.';
COMMENT ON COLUMN murallink_private.audit_event.resource IS 'The table of the changed row.';
COMMENT ON COLUMN murallink_private.audit_event.resource_uid IS 'The uid of the changed row.';
COMMENT ON COLUMN murallink_private.audit_event.action IS 'created, changed or deleted.';
COMMENT ON COLUMN murallink_private.audit_event.changes IS 'Each changed column with its old (from) and new (to) value, as text; for created rows only in tables that operators change.';
COMMENT ON COLUMN murallink_private.audit_event.client_uid IS 'The client that it is or belongs to, if any.';
COMMENT ON COLUMN murallink_private.audit_event.contract_uid IS 'The contract that it is or belongs to, if any.';
COMMENT ON COLUMN murallink_private.audit_event.trial_uid IS 'The trial that it is or belongs to, if any.';
COMMENT ON COLUMN murallink_private.audit_event.site_uid IS 'The site that it is or belongs to, if any.';
COMMENT ON COLUMN murallink_private.audit_event."position" IS
'Where it is in the feed of events: the epoch, and in the lower 44 bits the id of the transaction. Null if it is no event.';
COMMENT ON COLUMN murallink_private.audit_event.step IS 'Its number among the events of the transaction.';
COMMENT ON COLUMN murallink_private.audit_event.event IS 'What it is in the feed of events, null if it is not in it.';
COMMENT ON COLUMN murallink_private.audit_event.amount IS 'Of an event: the amount of the changed row, in currency units, if it has one.';
COMMENT ON COLUMN murallink_private.audit_event.currency IS 'Of the amount.';
CREATE INDEX audit_event_position ON murallink_private.audit_event ("position", step) WHERE "position" IS NOT NULL;
CREATE INDEX audit_event_resource ON murallink_private.audit_event (resource_uid, uid);
CREATE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON murallink_private.audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION murallink_private.install_append_only();
CREATE POLICY viewer ON murallink_private.audit_event FOR SELECT USING (murallink_private.caller_is_admin());
CREATE POLICY somebody ON murallink_private.audit_event AS RESTRICTIVE FOR SELECT TO murallink_analyst
    USING (uid >= murallink_private.known_from());
COMMENT ON POLICY somebody ON murallink_private.audit_event IS 'By the index of the key, a query of nobody reads nothing: no other index finds the rows that a caller sees.';

CREATE TABLE murallink_private.audit_epoch (
    epoch integer PRIMARY KEY CHECK (epoch > 0),
    place text NOT NULL,
    began_at xid8 NOT NULL,
    written_by xid8 NOT NULL
);
COMMENT ON TABLE murallink_private.audit_epoch IS
'The places at which events were written, in order: a restored dump, a promoted server or one recovered to an earlier point is another place, with other ids of transactions.';
COMMENT ON COLUMN murallink_private.audit_epoch.epoch IS 'Key; a part of positions of events.';
COMMENT ON COLUMN murallink_private.audit_epoch.place IS 'The place: see audit_place().';
COMMENT ON COLUMN murallink_private.audit_epoch.began_at IS 'The next id of a transaction when it began.';
COMMENT ON COLUMN murallink_private.audit_epoch.written_by IS
'The transaction that wrote the row. If the row has another one, it came with a dump, and so did the events of the epoch.';
INSERT INTO murallink_private.audit_epoch (epoch, place, began_at, written_by)
VALUES (1, murallink_private.audit_place(), pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()), murallink_private.audit_writer());

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.app_user
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record(
        'remembered', 'event:user_role=access.changed', 'event:deactivated=access.changed');
ALTER TABLE murallink.app_user ENABLE ALWAYS TRIGGER audit;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.permission_grant
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('remembered', 'event=access.changed');
ALTER TABLE murallink.permission_grant ENABLE ALWAYS TRIGGER audit;
CREATE POLICY permission_grant ON murallink_private.audit_event FOR SELECT USING (
    resource = 'permission_grant' AND murallink_private.permitted('grant', client_uid, contract_uid, trial_uid, site_uid));
