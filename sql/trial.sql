CREATE TYPE murallink.trial_info AS (uid murallink.ksuid, contract_uid murallink.ksuid, name text, protocol_id text);
COMMENT ON TYPE murallink.trial_info IS 'A trial, as create_trial answers.';

CREATE FUNCTION murallink.create_trial(
    contract_uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, protocol_id text DEFAULT NULL,
    approve_milestones boolean DEFAULT false, separate_approver boolean DEFAULT false
) RETURNS murallink.trial_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    caller murallink.ksuid := murallink.require_caller();
    the_contract murallink.contract;
    added murallink.trial;
BEGIN
    SELECT * INTO the_contract FROM murallink.contract WHERE uid = murallink.required(create_trial.contract_uid, 'contract_uid');
    caller := murallink.permit('create_trial', the_contract.client_uid, the_contract.uid, NULL, NULL, 'contract_uid');
    INSERT INTO murallink.trial (client_uid, contract_uid, name, protocol_id, approve_milestones, separate_approver)
    VALUES (
        the_contract.client_uid, the_contract.uid,
        murallink.checked_text(create_trial.name, 'name', 200, true),
        murallink.checked_text(create_trial.protocol_id, 'protocol_id', 100, false),
        coalesce(create_trial.approve_milestones, false), coalesce(create_trial.separate_approver, false))
    RETURNING * INTO added;
    RETURN ROW(added.uid, added.contract_uid, added.name, added.protocol_id);
END
$$;
COMMENT ON FUNCTION murallink.create_trial(murallink.ksuid, text, text, boolean, boolean) IS
'Adds a trial to a contract (document: Create Trial). approve_milestones: milestone payments are approved as they are made; separate_approver: another person than the requester must approve. Needs create_trial on the contract. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';
