-- Every function that change_kind names is there, with the argument and the result with which it is called
SELECT k.change, k.follows FROM murallink_private.change_kind k
WHERE pg_get_function_result(to_regprocedure(format('murallink_private.%I(murallink.ksuid)', k.follows))) IS DISTINCT FROM 'void';
-- What follows from each change
SELECT change, follows FROM murallink_private.change_kind ORDER BY change COLLATE "C";
-- A change from which nothing follows is no change that a command names
SELECT test.refusal($$SELECT murallink_private.follow('nothing', NULL)$$) AS unknown;
