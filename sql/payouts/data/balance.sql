-- The calls that move the balance of a card, and the functions behind them.

CREATE INDEX call_balance ON murallink_private.call (subject_uid) WHERE operation = 'unload_balance';
COMMENT ON INDEX murallink_private.call_balance IS 'Finds the moves of balances, which are few.';
INSERT INTO murallink_private.call_kind (resource, operation, asks, judges, follows) VALUES
    ('card', 'unload_balance', 'balances_ask', 'payout_judge', 'balances_follow'),
    ('card', 'load_balance', 'balances_ask', 'payout_judge', 'balances_follow'),
    ('call', 'look_up_balance', 'balance_look_ups_ask', '', 'balance_look_ups_follow');

-- A load that is declined or cancelled has lost its once.
CREATE VIEW murallink_private.balance_move AS
SELECT u.uid, u.subject_uid AS card_uid, (u.params ->> 'amount')::numeric AS amount, u.status, l.uid AS load_uid, l.status AS load_status,
    (SELECT e.reason FROM murallink_private.card k JOIN murallink_private.card c ON c.patient_uid = k.patient_uid
        JOIN murallink_private.call e ON e.subject_uid = c.uid AND e.subject_uid <> e.uid AND e.operation = 'load_balance'
        WHERE k.uid = u.subject_uid AND e.params ->> 'unload_uid' = u.uid::text ORDER BY e.created_at DESC LIMIT 1) AS load_reason
FROM murallink_private.call u LEFT JOIN murallink_private.call l ON l.once = 'load_balance ' || u.uid::text
WHERE u.operation = 'unload_balance';
COMMENT ON VIEW murallink_private.balance_move IS
'The moves of balances. uid: the call that unloads card_uid; status: of this call; load_uid, load_status: of the call that loads the present card, null if there is none that is done, under way or in doubt; load_reason: why the last one was not done.';
