-- The triggers of Inside Rx's tasks.

-- After the trigger "answered", which looks at what was answered, and before "step", which looks at the step that comes of it.
CREATE TRIGGER exists_already BEFORE UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'inside_rx' AND OLD.status = 'claimed' AND NEW.status = 'declined'
        AND NEW.params ->> 'action' = 'create' AND NEW.facts ->> 'code' = 'ENROLLMENT_ALREADY_EXISTS')
    EXECUTE FUNCTION murallink.inside_rx_exists();
CREATE TRIGGER missing_already BEFORE UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'inside_rx' AND OLD.status = 'claimed' AND NEW.status = 'declined'
        AND NEW.params ->> 'action' = 'update' AND NEW.params ->> 'active' = 'false' AND NEW.facts ->> 'code' = 'MEMBER_NOT_FOUND')
    EXECUTE FUNCTION murallink.inside_rx_absent();
