CREATE TRIGGER look_up AFTER UPDATE OF status ON murallink.payout
    FOR EACH ROW WHEN (OLD.status = 'claimed' AND NEW.status = 'in_doubt') EXECUTE FUNCTION murallink.look_up_begin();
CREATE TRIGGER settled_look_up AFTER UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.operation = 'look_up' AND OLD.status = 'claimed' AND NEW.status <> 'ready')
    EXECUTE FUNCTION murallink.look_up_end();
