-- The webhooks, their secrets, and the deliveries that are tried again.

CREATE TABLE murallink_private.webhook (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    name text NOT NULL UNIQUE,
    url text NOT NULL,
    types murallink.event_type[],
    resource_uid murallink.ksuid,
    "position" bigint NOT NULL,
    step integer NOT NULL,
    off text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.webhook IS 'The addresses to which the worker posts events.';
COMMENT ON COLUMN murallink_private.webhook.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.webhook.name IS 'What operators call it.';
COMMENT ON COLUMN murallink_private.webhook.url IS 'Where the events are posted.';
COMMENT ON COLUMN murallink_private.webhook.types IS 'Only events of these types; null: all.';
COMMENT ON COLUMN murallink_private.webhook.resource_uid IS
'Only events of this client, contract, trial, site or trial at a site; null: all, also those without a place.';
COMMENT ON COLUMN murallink_private.webhook."position" IS 'The position of the last event that was posted or passed over.';
COMMENT ON COLUMN murallink_private.webhook.step IS 'The step of that event.';
COMMENT ON COLUMN murallink_private.webhook.off IS 'Why nothing is posted; empty if it is.';
COMMENT ON COLUMN murallink_private.webhook.changed_at IS 'When an operator changed it, or it was switched off.';

CREATE TABLE murallink_private.webhook_secret (
    webhook_uid murallink.ksuid PRIMARY KEY REFERENCES murallink_private.webhook ON DELETE CASCADE,
    secret bytea NOT NULL,
    earlier bytea,
    earlier_until timestamptz,
    CHECK ((earlier IS NULL) = (earlier_until IS NULL))
);
COMMENT ON TABLE murallink_private.webhook_secret IS 'The secrets with which events are signed, in a table of their own, like those of partners.';
COMMENT ON COLUMN murallink_private.webhook_secret.webhook_uid IS 'The webhook.';
COMMENT ON COLUMN murallink_private.webhook_secret.secret IS 'The key.';
COMMENT ON COLUMN murallink_private.webhook_secret.earlier IS 'The key before the last rotation, null if there was none.';
COMMENT ON COLUMN murallink_private.webhook_secret.earlier_until IS 'Until when it signs, too.';

CREATE TABLE murallink_private.webhook_delivery (
    webhook_uid murallink.ksuid NOT NULL REFERENCES murallink_private.webhook ON DELETE CASCADE,
    event_uid murallink.ksuid NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    http_status integer,
    reason text NOT NULL DEFAULT '',
    tried_at timestamptz,
    PRIMARY KEY (webhook_uid, event_uid)
);
COMMENT ON TABLE murallink_private.webhook_delivery IS
'The events that a webhook did not accept, or that are to be posted again. A row is deleted when the event is accepted.';
COMMENT ON COLUMN murallink_private.webhook_delivery.webhook_uid IS 'The webhook.';
COMMENT ON COLUMN murallink_private.webhook_delivery.event_uid IS 'The event.';
COMMENT ON COLUMN murallink_private.webhook_delivery.attempt IS 'How often it has been posted.';
COMMENT ON COLUMN murallink_private.webhook_delivery.due_at IS 'When it is posted again; null: never, it has failed.';
COMMENT ON COLUMN murallink_private.webhook_delivery.http_status IS 'The answer to the last attempt, null if there was none.';
COMMENT ON COLUMN murallink_private.webhook_delivery.reason IS 'Why it was not accepted.';
COMMENT ON COLUMN murallink_private.webhook_delivery.tried_at IS 'When it was posted last.';
CREATE INDEX webhook_delivery_due ON murallink_private.webhook_delivery (webhook_uid, due_at);
