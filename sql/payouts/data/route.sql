-- Changes that concurrent approvals may have missed.

CREATE TABLE murallink_private.route_change (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    subject_uid murallink.ksuid NOT NULL,
    running_below xid8
);
COMMENT ON TABLE murallink_private.route_change IS
'Changes of holds and partners. Transactions that ran at the same time may have missed them, so their payouts are routed again after they have ended.';
COMMENT ON COLUMN murallink_private.route_change.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.route_change.subject_uid IS 'The payout, contract or partner.';
COMMENT ON COLUMN murallink_private.route_change.running_below IS
'Transactions that may have missed it have lower ids; null until the worker has seen the change.';
