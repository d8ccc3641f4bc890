-- The function behind unloads.

INSERT INTO murallink_private.call_kind (resource, operation, follows) VALUES ('payout', 'unload', 'unloads_follow');
