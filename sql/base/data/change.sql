-- What follows from each change: the function that a command calls by the name of the change.

CREATE TABLE murallink_private.change_kind (
    change text PRIMARY KEY,
    follows text NOT NULL
);
COMMENT ON TABLE murallink_private.change_kind IS
'Which function of a later subject follows from a change: a command that makes the change calls follow(). Each later subject''s file adds its own.';
COMMENT ON COLUMN murallink_private.change_kind.change IS 'The change, or what was changed.';
COMMENT ON COLUMN murallink_private.change_kind.follows IS 'The function (ksuid), which is given the uid of what was changed.';
