-- Who may set up the mail server.

CREATE TRIGGER tokens BEFORE INSERT OR UPDATE ON murallink_private.partner
    FOR EACH ROW WHEN (NEW.name = 'smtp') EXECUTE FUNCTION murallink_private.guard_tokens('partner');
COMMENT ON TRIGGER tokens ON murallink_private.partner IS 'Tokens to reset a password go by the mail server.';
