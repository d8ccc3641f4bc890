-- The function behind unloads.

INSERT INTO murallink_private.call_kind (resource, operation, hears) VALUES ('payout', 'unload', 'unloads_hear');
