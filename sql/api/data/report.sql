-- Reports to be downloaded.

CREATE TABLE murallink_private.report (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    filename text NOT NULL,
    content_type text NOT NULL,
    content bytea NOT NULL,
    app_user_uid murallink.ksuid NOT NULL REFERENCES murallink.app_user,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    ended_grants bigint NOT NULL
);
COMMENT ON TABLE murallink_private.report IS 'Reports to be downloaded, until their links expire.';
COMMENT ON COLUMN murallink_private.report.uid IS
'The key in the link, which is all that is needed to download the report; 128 of its bits are random.';
COMMENT ON COLUMN murallink_private.report.filename IS 'The name of the file.';
COMMENT ON COLUMN murallink_private.report.content_type IS 'Its media type.';
COMMENT ON COLUMN murallink_private.report.content IS 'The file.';
COMMENT ON COLUMN murallink_private.report.app_user_uid IS 'The user who requested it.';
COMMENT ON COLUMN murallink_private.report.expires_at IS
'When the link expires. The row is deleted when another report is made.';
COMMENT ON COLUMN murallink_private.report.created_at IS 'When it was made.';
COMMENT ON COLUMN murallink_private.report.ended_grants IS
'Which grants of the user had ended before, as ended_grants() answers it. If that changes, the link no longer works.';
CREATE INDEX report_expires ON murallink_private.report (expires_at);
