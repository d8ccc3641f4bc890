CREATE TYPE murallink.audit_action AS ENUM ('created', 'changed', 'deleted');
COMMENT ON TYPE murallink.audit_action IS 'What happened to a row.';

CREATE FUNCTION murallink.audit_record() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'audit_record';
COMMENT ON FUNCTION murallink.audit_record() IS
'Trigger: writes an audit_event for each row created, changed or deleted.';
