-- The functions behind unloads.

INSERT INTO murallink_private.call_kind (resource, operation, judges, follows) VALUES ('payout', 'unload', 'payout_judge', 'unloads_follow');
