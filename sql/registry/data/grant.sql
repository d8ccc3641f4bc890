-- The trigger that checks a grant against the resource it names.

CREATE TRIGGER stands BEFORE INSERT OR UPDATE OF resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid
    ON murallink.permission_grant FOR EACH ROW EXECUTE FUNCTION murallink_private.grant_stands();
