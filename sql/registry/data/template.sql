-- Templates of notices.

CREATE TABLE murallink_private.template (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    kind murallink.notice_kind NOT NULL,
    channel murallink.notice_channel NOT NULL,
    subject text NOT NULL,
    body text NOT NULL CHECK (body <> ''),
    UNIQUE (kind, channel)
);
COMMENT ON TABLE murallink_private.template IS 'The texts of notices. The default texts name no trial, site or condition.';
COMMENT ON COLUMN murallink_private.template.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.template.kind IS 'The kind of notice.';
COMMENT ON COLUMN murallink_private.template.channel IS 'How they are sent.';
COMMENT ON COLUMN murallink_private.template.subject IS 'Of an e-mail message, with names in braces; empty for SMS.';
COMMENT ON COLUMN murallink_private.template.body IS 'Plain text, with names in braces.';
INSERT INTO murallink_private.template (kind, channel, subject, body) VALUES
    ('account', 'email', 'Your account was changed',
        E'Hello,\n\nthe {what} of your account was changed on {date} at {time} UTC.\n\n'
        'If this was not you, tell your administrator at once.\n'),
    ('appointment', 'email', 'Your appointment', E'Hello {first_name},\n\nyou have an appointment on {date} at {time}.\n'),
    ('appointment', 'sms', '', 'You have an appointment on {date} at {time}. Reply STOP to end messages.'),
    ('bulk_email', 'email', '{subject}', '{body}'),
    ('password_reset', 'email', 'Your new password',
        E'Hello,\n\nto set a new password, enter this number within {minutes} minutes:\n\n{token}\n\n'
        'If you did not ask for it, do nothing: your password stays as it is.\n'),
    ('payment', 'email', 'You have been paid', E'Hello {first_name},\n\n{amount} {currency} have been paid to you{kept}.\n'),
    ('payment', 'sms', '', '{amount} {currency} have been paid to you{kept}. Reply STOP to end messages.'),
    ('payout_account', 'email', 'Your account was changed',
        E'Hello,\n\nthe account to which you are paid was changed on {date} at {time} UTC: {what}. It is paid to from {from} UTC.\n\n'
        'If this was not you, tell your trial site at once.\n'),
    ('payout_account', 'sms', '',
        'The account to which you are paid was changed: {what}. If this was not you, tell your trial site at once. Reply STOP to end messages.'),
    ('reversal', 'email', 'Money was taken back',
        E'Hello {first_name},\n\n{amount} {currency} that were paid to you have been taken back. The reason: {note}\n'),
    ('reversal', 'sms', '',
        '{amount} {currency} that were paid to you have been taken back. The reason: {note}. Reply STOP to end messages.'),
    ('return', 'email', 'A payment has come back',
        E'Hello {first_name},\n\n{amount} {currency} that were sent to you have come back. The reason: {note}\n\n'
        'Tell your trial site how you want to be paid.\n'),
    ('return', 'sms', '',
        '{amount} {currency} that were sent to you have come back. The reason: {note}. Tell your trial site how you want to be paid. '
        'Reply STOP to end messages.');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.template
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record();
CREATE TRIGGER tokens BEFORE INSERT OR UPDATE ON murallink_private.template
    FOR EACH ROW WHEN (NEW.kind IN ('account', 'password_reset')) EXECUTE FUNCTION murallink_private.guard_tokens('kind');
COMMENT ON TRIGGER tokens ON murallink_private.template IS 'A link beside a token would send the token to the owner of the link''s target.';
