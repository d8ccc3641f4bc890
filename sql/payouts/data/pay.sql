-- The functions of the calls that pay to accounts, and of what follows from new accounts.

INSERT INTO murallink_private.call_kind (resource, operation, asks, judges, follows)
VALUES ('payout', 'pay', 'pays_ask', 'payout_judge', 'payouts_follow');
INSERT INTO murallink_private.change_kind (change, follows)
VALUES ('account of enrollment', 'enrollment_rerouted'), ('account', 'account_follows');
