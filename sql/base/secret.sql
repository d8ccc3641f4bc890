-- Keeps secrets out of the statement that others see in pg_stat_activity.

CREATE FUNCTION murallink_private.hide_statement() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'secret_hide';
COMMENT ON FUNCTION murallink_private.hide_statement() IS
'Keeps the statement that is running, which has secrets, out of pg_stat_activity and of the log.';
