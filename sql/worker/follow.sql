-- What follows from changes of the registry: for payouts, cards, messages and memberships, in this order.

CREATE FUNCTION murallink_private.patient_follows() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.email, NEW.phone) IS DISTINCT FROM (OLD.email, OLD.phone) THEN
        PERFORM murallink_private.cards_of_patient(NEW.uid);
    END IF;
    IF (NEW.email_enabled, NEW.sms_enabled) <> (OLD.email_enabled, OLD.sms_enabled) THEN
        PERFORM murallink_private.notices_of_consent(NEW.uid);
    END IF;
    IF (NEW.first_name, NEW.last_name, NEW.email, NEW.phone, NEW.address, NEW.sms_enabled)
        IS DISTINCT FROM (OLD.first_name, OLD.last_name, OLD.email, OLD.phone, OLD.address, OLD.sms_enabled) THEN
        PERFORM murallink_private.participation_changed(NEW.uid);
    END IF;
    IF (NEW.first_name, NEW.last_name, NEW.email, murallink_private.phone_number(NEW.phone))
        IS DISTINCT FROM (OLD.first_name, OLD.last_name, OLD.email, murallink_private.phone_number(OLD.phone)) THEN
        PERFORM murallink_private.card_profiles(NEW.uid);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.patient_follows() IS
'Trigger: what follows from a change of a patient''s record.';

CREATE FUNCTION murallink_private.enrollment_follows() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.payment_type_uid IS DISTINCT FROM OLD.payment_type_uid THEN
        PERFORM murallink_private.enrollment_rerouted(NEW.uid);
    ELSIF NEW.status = 'enrolled' AND NEW.status IS DISTINCT FROM OLD.status THEN
        PERFORM murallink_private.enrollment_begun(NEW.uid);
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.status <> OLD.status AND (NEW.status IN ('dropped', 'screen_failed') OR OLD.status IN ('dropped', 'screen_failed')) THEN
        PERFORM murallink_private.notices_of_enrollment(NEW.uid);
    END IF;
    IF NEW.status IS DISTINCT FROM OLD.status THEN
        PERFORM murallink_private.participation_changed(NEW.patient_uid);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.enrollment_follows() IS
'Trigger: what follows from an enrollment, its end, and a change of its payment type.';

CREATE FUNCTION murallink_private.contract_follows() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.currency <> OLD.currency THEN
        PERFORM murallink_private.contract_keeps_currency(NEW.uid);
    END IF;
    IF (NEW.default_payment_type_uid, NEW.order_cards) IS DISTINCT FROM (OLD.default_payment_type_uid, OLD.order_cards) THEN
        PERFORM murallink_private.contract_rerouted(NEW.uid);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION murallink_private.contract_follows() IS
'Trigger: what follows from a change of a contract''s payment type or order_cards, and whether its currency may change. Errors: in_use.';

CREATE FUNCTION murallink_private.partner_follows(partner_uid murallink.ksuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM murallink_private.partner_rerouted(partner_uid);
    IF murallink_private.has_members((SELECT p.name FROM murallink_private.partner p WHERE p.uid = partner_uid)) THEN
        PERFORM murallink_private.participation_changed(NULL);
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.partner_follows(murallink.ksuid) IS
'What follows from a change of a partner''s configuration.';
