-- The trigger that wakes the worker.

CREATE TRIGGER wake AFTER INSERT ON murallink_private.partner_queue
    FOR EACH STATEMENT EXECUTE FUNCTION murallink.worker_wake_trigger();
