-- Who may configure the mail server.

CREATE TRIGGER tokens BEFORE INSERT OR UPDATE ON murallink_private.partner
    FOR EACH ROW WHEN (NEW.name = 'smtp') EXECUTE FUNCTION murallink_private.guard_tokens('partner');
COMMENT ON TRIGGER tokens ON murallink_private.partner IS
'Protects the tokens that reset passwords, which the mail server sends.';
