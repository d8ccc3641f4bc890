-- The triggers that follow changes of the registry.

CREATE TRIGGER follow AFTER UPDATE ON murallink.patient
    FOR EACH ROW EXECUTE FUNCTION murallink.patient_follows();
CREATE TRIGGER follow AFTER INSERT OR UPDATE ON murallink.enrollment
    FOR EACH ROW EXECUTE FUNCTION murallink.enrollment_follows();
CREATE TRIGGER follow AFTER UPDATE ON murallink.contract
    FOR EACH ROW EXECUTE FUNCTION murallink.contract_follows();
CREATE TRIGGER follow AFTER INSERT OR UPDATE ON murallink_private.partner
    FOR EACH ROW EXECUTE FUNCTION murallink.partner_follows();
