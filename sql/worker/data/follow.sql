-- What follows changes of the registry. Triggers, because a statement of the owner, such as a correction of many phone numbers,
-- must also set waiting payouts and memberships going; a partner is changed by its own commands only.

CREATE TRIGGER follow AFTER UPDATE ON murallink.patient
    FOR EACH ROW EXECUTE FUNCTION murallink_private.patient_follows();
CREATE TRIGGER follow AFTER INSERT OR UPDATE ON murallink.enrollment
    FOR EACH ROW EXECUTE FUNCTION murallink_private.enrollment_follows();
CREATE TRIGGER follow AFTER UPDATE ON murallink.contract
    FOR EACH ROW EXECUTE FUNCTION murallink_private.contract_follows();
INSERT INTO murallink_private.change_kind (change, follows) VALUES ('partner', 'partner_follows');
