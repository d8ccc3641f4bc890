-- The functions behind payouts by PayPal.

INSERT INTO murallink_private.call_kind (resource, partner, operation, asks, judges, follows)
VALUES
    ('payout', 'paypal', 'pay', 'paypal_ask', 'payout_judge', 'paypal_follow'),
    ('payout', 'paypal', 'look_up', 'paypal_look_up_ask', 'paypal_look_up_judge', 'paypal_look_up_follow'),
    ('payout', 'paypal', 'batch', '', '', 'paypal_batches_follow');
