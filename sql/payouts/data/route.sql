-- Changes that payouts may have missed.

CREATE TABLE murallink_private.route_change (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    subject_uid murallink.ksuid NOT NULL,
    running_below xid8
);
COMMENT ON TABLE murallink_private.route_change IS
'Where a hold or a partner has changed: transactions that ran then may have missed it, so that what they have approved is looked at when they have ended.';
COMMENT ON COLUMN murallink_private.route_change.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.route_change.subject_uid IS 'The payout, contract or partner.';
COMMENT ON COLUMN murallink_private.route_change.running_below IS
'All transactions that may have missed it are below; null until the worker has seen the change.';
