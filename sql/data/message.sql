CREATE TABLE murallink_private.payment_notice (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    contract_uid murallink.ksuid NOT NULL UNIQUE REFERENCES murallink.contract,
    enabled boolean NOT NULL
);
COMMENT ON TABLE murallink_private.payment_notice IS 'The contracts for which set_payment_notices() has said whether patients are told of payments.';
COMMENT ON COLUMN murallink_private.payment_notice.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payment_notice.contract_uid IS 'The contract.';
COMMENT ON COLUMN murallink_private.payment_notice.enabled IS 'Whether they are.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink_private.payment_notice
    FOR EACH ROW EXECUTE FUNCTION murallink.audit_record('values');
ALTER TABLE murallink_private.notice ADD FOREIGN KEY (payment_uid) REFERENCES murallink.payment;
CREATE TRIGGER tell AFTER UPDATE OF status ON murallink.payment
    FOR EACH ROW WHEN (NEW.status = 'paid' AND OLD.status <> 'paid') EXECUTE FUNCTION murallink.notice_of_payment();
