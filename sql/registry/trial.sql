-- Trials: create, list, search, change, delete.

CREATE TYPE murallink.price_rule AS ENUM ('payment', 'visit');
COMMENT ON TYPE murallink.price_rule IS
'Which version of a milestone prices a payment: payment: the one in force when it is made; visit: the one in force on the day of the visit, where the site is.';

CREATE TYPE murallink.trial_info AS (uid murallink.ksuid, contract_uid murallink.ksuid, name text, protocol_id text);
COMMENT ON TYPE murallink.trial_info IS 'A trial, as create_trial answers.';

CREATE FUNCTION murallink_private.trial_info(trial_uid murallink.ksuid) RETURNS murallink.trial_info
LANGUAGE sql STABLE AS $$
    SELECT uid, contract_uid, name, protocol_id FROM murallink.trial WHERE uid = trial_uid
$$;
COMMENT ON FUNCTION murallink_private.trial_info(murallink.ksuid) IS 'A trial as clients see it.';

CREATE FUNCTION murallink_private.tiers_fit(tiers jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN pg_catalog.jsonb_typeof(tiers) <> 'array' OR pg_catalog.jsonb_array_length(tiers) > 20 THEN false ELSE (
        SELECT coalesce(pg_catalog.bool_and(CASE
            WHEN pg_catalog.jsonb_typeof(t) <> 'object' THEN false
            WHEN NOT t ?& '{above,currency,approvers}' OR t - '{above,currency,approvers}'::text[] <> '{}' THEN false
            WHEN pg_catalog.jsonb_typeof(t -> 'above') <> 'number' OR pg_catalog.jsonb_typeof(t -> 'approvers') <> 'number' THEN false
            ELSE coalesce(murallink_private.currency_decimals(t ->> 'currency') IS NOT NULL
                AND ((t ->> 'above')::numeric = 0 OR murallink_private.amount_fits((t ->> 'above')::numeric, t ->> 'currency'))
                AND t ->> 'approvers' ~ '^[1-9]$', false) END), true)
        FROM pg_catalog.jsonb_array_elements(tiers) t) END
$$;
COMMENT ON FUNCTION murallink_private.tiers_fit(jsonb) IS
'Whether these are tiers of approval: an array of at most 20 objects with above (0, or an amount that can be paid), currency and approvers (1 to 9), and nothing else.';

CREATE FUNCTION murallink_private.rivals(groups jsonb, code text) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_catalog.array_agg(DISTINCT murallink_private.label_key(rival))
    FROM pg_catalog.jsonb_each(groups) g, pg_catalog.jsonb_array_elements_text(g.value) own,
        pg_catalog.jsonb_array_elements_text(g.value) rival
    WHERE murallink_private.label_key(own) = murallink_private.label_key(rivals.code)
        AND murallink_private.label_key(rival) <> murallink_private.label_key(rivals.code)
$$;
COMMENT ON FUNCTION murallink_private.rivals(jsonb, text) IS
'The keys of the milestones of which none is payable together with this one, in the groups of exclusive milestones of a trial, null without one.';

CREATE FUNCTION murallink_private.free_up_to(tiers jsonb, currency text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN tiers <> '[]' THEN coalesce(
        (SELECT pg_catalog.min((t ->> 'above')::numeric) FROM pg_catalog.jsonb_array_elements(tiers) t
        WHERE t ->> 'currency' = free_up_to.currency), 0) END
$$;
COMMENT ON FUNCTION murallink_private.free_up_to(jsonb, text) IS
'The amount up to which a trial with these tiers may approve payments by itself, null without a limit. In a currency that no tier is about, none.';

CREATE FUNCTION murallink_private.approvals_needed(tiers jsonb, amount numeric, currency text) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(pg_catalog.max((t ->> 'approvers')::integer) FILTER (WHERE known AND amount > (t ->> 'above')::numeric),
        pg_catalog.max((t ->> 'approvers')::integer) FILTER (WHERE NOT found), 0)
    FROM (
        SELECT t, t ->> 'currency' = approvals_needed.currency AS known,
            pg_catalog.bool_or(t ->> 'currency' = approvals_needed.currency) OVER () AS found
        FROM pg_catalog.jsonb_array_elements(tiers) t) AS tier
$$;
COMMENT ON FUNCTION murallink_private.approvals_needed(jsonb, numeric, text) IS
'How many people must approve a payment by the tiers of its trial: the most that any tier requires that its amount is above; 0 if there is none. A payment in a currency that no tier is about needs the most that any tier requires.';

CREATE FUNCTION murallink_private.approval_rules_since(
    trial_uid murallink.ksuid, since timestamptz, OUT tiers jsonb, OUT separate boolean, OUT signature text
) RETURNS SETOF record
LANGUAGE sql STABLE AS $$
    SELECT t.approval_tiers, t.separate_approver, t.approval_signature FROM murallink.trial t
    WHERE t.uid OPERATOR(pg_catalog.=) approval_rules_since.trial_uid
    UNION ALL
    SELECT (e.changes OPERATOR(pg_catalog.#>>) '{approval_tiers,from}')::jsonb,
        (e.changes OPERATOR(pg_catalog.#>>) '{separate_approver,from}')::boolean, e.changes OPERATOR(pg_catalog.#>>) '{approval_signature,from}'
    FROM murallink_private.audit_event e
    WHERE e.resource_uid OPERATOR(pg_catalog.=) approval_rules_since.trial_uid AND e.resource OPERATOR(pg_catalog.=) 'trial'
        AND e.action OPERATOR(pg_catalog.=) 'changed' AND e.at OPERATOR(pg_catalog.>) since
$$;
COMMENT ON FUNCTION murallink_private.approval_rules_since(murallink.ksuid, timestamptz) IS
'The rules by which payments of a trial are approved: those of now, and each that was replaced since a time, with nulls for what was not. All of them hold for what was requested then: otherwise two rights, to edit the trial and to approve, would free what waits from the rules under which it was requested. It is inlined into the calling query.';

CREATE FUNCTION murallink_private.separate_since(trial_uid murallink.ksuid, since timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE SET plan_cache_mode = auto AS $$
BEGIN
    RETURN (SELECT coalesce(pg_catalog.bool_or(r.separate), false) FROM murallink_private.approval_rules_since(trial_uid, since) r);
END
$$;
COMMENT ON FUNCTION murallink_private.separate_since(murallink.ksuid, timestamptz) IS
'Whether another person must approve what was requested in a trial at a time. As pending_payments() asks it of each row, its plan is kept.';

CREATE FUNCTION murallink.create_trial(
    contract_uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, protocol_id text DEFAULT NULL,
    approve_milestones boolean DEFAULT false, separate_approver boolean DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.trial_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    the_contract murallink.contract;
    usual CONSTANT boolean := pg_catalog.current_setting('murallink.separate_approver')::boolean;
    added murallink.ksuid;
BEGIN
    SELECT * INTO the_contract FROM murallink.contract WHERE uid = murallink_private.required(create_trial.contract_uid, 'contract_uid');
    PERFORM murallink_private.permit('create_trial', the_contract.client_uid, the_contract.uid, NULL, NULL, 'contract_uid');
    IF create_trial.approve_milestones THEN
        PERFORM murallink_private.permit(
            'approve_payments', the_contract.client_uid, the_contract.uid, NULL, NULL, 'approve_milestones');
    END IF;
    IF create_trial.separate_approver < usual THEN
        PERFORM murallink_private.permit(
            'approve_payments', the_contract.client_uid, the_contract.uid, NULL, NULL, 'separate_approver');
    END IF;
    PERFORM murallink_private.reference_unused('trial', the_contract.client_uid, create_trial.source, create_trial.ref);
    INSERT INTO murallink.trial (client_uid, contract_uid, name, protocol_id, approve_milestones, separate_approver)
    VALUES (
        the_contract.client_uid, the_contract.uid,
        murallink_private.checked_label(create_trial.name, 'name', 200, true),
        murallink_private.checked_label(create_trial.protocol_id, 'protocol_id', 100, false),
        coalesce(create_trial.approve_milestones, false), coalesce(create_trial.separate_approver, usual))
    RETURNING uid INTO added;
    PERFORM murallink_private.refer('trial', added, create_trial.source, create_trial.ref);
    RETURN murallink_private.trial_info(added);
END
$$;
COMMENT ON FUNCTION murallink.create_trial(murallink.ksuid, text, text, boolean, boolean, text, text) IS
'Adds a trial to a contract (document: Create Trial). protocol_id: the number of its protocol; approve_milestones: milestone payments are approved as they are made, which needs approve_payments, too; separate_approver: another person than the requester must approve, by default as the setting murallink.separate_approver says; false where that is on needs approve_payments, too; source, ref: what another system calls the trial, as set_reference takes them; a repetition with the same is refused (already_exists, field ref), and find_reference shows what there is. Needs create_trial on the contract. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, already_exists (the protocol id, in any case or width, or the reference).';

CREATE FUNCTION murallink.get_trials(contract_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.trial_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_caller();
    RETURN QUERY
    SELECT i.* FROM murallink.trial t, LATERAL murallink_private.trial_info(t.uid) i
    WHERE t.contract_uid = coalesce(get_trials.contract_uid, t.contract_uid)
    AND murallink_private.permitted('view_trials', t.client_uid, t.contract_uid, t.uid, NULL)
    ORDER BY t.created_at, t.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_trials(murallink.ksuid) IS
'The trials on which the caller holds view_trials, of one contract or of all, in the order of their creation (document: Get Trials). Errors: unauthenticated.';

CREATE FUNCTION murallink.search_trials(query text DEFAULT NULL) RETURNS SETOF murallink.trial_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part CONSTANT text := murallink_private.checked_text(query, 'query', 200, false);
BEGIN
    PERFORM murallink_private.permit_somewhere('view_trials');
    RETURN QUERY
    SELECT i.* FROM murallink.trial t, LATERAL murallink_private.trial_info(t.uid) i
    WHERE murallink_private.permitted('view_trials', t.client_uid, t.contract_uid, t.uid, NULL)
    AND (murallink_private.contains(t.name, part) OR murallink_private.contains(t.protocol_id, part))
    ORDER BY t.created_at, t.uid;
END
$$;
COMMENT ON FUNCTION murallink.search_trials(text) IS
'The trials with the query in their name or protocol id, without regard to case and accents, in the order of their creation (document: Search Trials). query: at most 200 characters, all ordinary characters; empty finds all. Shows those on which the caller holds view_trials. Errors: unauthenticated, forbidden (if the caller holds it nowhere), too_long, invalid_value.';

CREATE FUNCTION murallink_private.permit_trial(trial_uid murallink.ksuid, permission murallink.permission, field text)
RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    the_trial murallink.trial;
BEGIN
    SELECT * INTO the_trial FROM murallink.trial t WHERE t.uid = murallink_private.required(permit_trial.trial_uid, field);
    PERFORM murallink_private.permit(permission, the_trial.client_uid, the_trial.contract_uid, the_trial.uid, NULL, field);
    RETURN the_trial.uid;
END
$$;
COMMENT ON FUNCTION murallink_private.permit_trial(murallink.ksuid, murallink.permission, text) IS
'The uid of a trial on which the caller holds the permission. field: named in errors. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink.get_trial(trial_uid murallink.ksuid DEFAULT NULL) RETURNS murallink.trial_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.trial_info(murallink_private.permit_trial(trial_uid, 'view_trials', 'trial_uid'));
END
$$;
COMMENT ON FUNCTION murallink.get_trial(murallink.ksuid) IS
'A trial (document: Get Trial). Needs view_trials on the trial. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink_private.trial_protocol_spelled_once() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Serialize, so that each sees the spelling of the one before.
    PERFORM FROM murallink.contract WHERE uid = NEW.contract_uid FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT FROM murallink.trial t
        WHERE t.contract_uid = NEW.contract_uid AND t.uid <> NEW.uid AND t.protocol_id <> NEW.protocol_id
        AND murallink_private.label_key(t.protocol_id) = murallink_private.label_key(NEW.protocol_id)) THEN
        PERFORM murallink_private.raise('already_exists', 'protocol_id');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION murallink_private.trial_protocol_spelled_once() IS
'Trigger: a protocol id is spelled in one way in all trials of a contract that have it. Errors: already_exists.';

CREATE FUNCTION murallink.edit_trial(
    uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, protocol_id text DEFAULT NULL,
    approve_milestones boolean DEFAULT NULL, separate_approver boolean DEFAULT NULL,
    contract_uid murallink.read_only DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.trial_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted murallink.ksuid := murallink_private.permit_trial(edit_trial.uid, 'edit_trial', 'uid');
    answer murallink.trial_info;
BEGIN
    PERFORM murallink_private.unchanged(edit_trial.contract_uid, ARRAY[t.contract_uid::text], 'contract_uid')
    FROM murallink.trial t WHERE t.uid = permitted;
    -- A caller who may not approve must not bypass approval.
    IF EXISTS (
        SELECT FROM murallink.trial t WHERE t.uid = permitted
        AND (edit_trial.approve_milestones > t.approve_milestones OR edit_trial.separate_approver < t.separate_approver)) THEN
        permitted := murallink_private.permit_trial(permitted, 'approve_payments', 'uid');
    END IF;
    UPDATE murallink.trial t SET
        name = murallink_private.checked_label(coalesce(edit_trial.name, t.name), 'name', 200, true),
        protocol_id = murallink_private.checked_label(coalesce(edit_trial.protocol_id, t.protocol_id), 'protocol_id', 100, false),
        approve_milestones = coalesce(edit_trial.approve_milestones, t.approve_milestones),
        separate_approver = coalesce(edit_trial.separate_approver, t.separate_approver),
        updated_at = pg_catalog.clock_timestamp()
    WHERE t.uid = permitted;
    PERFORM murallink_private.refer('trial', permitted, edit_trial.source, edit_trial.ref);
    answer := murallink_private.trial_info(permitted);
    IF NOT EXISTS (
        SELECT FROM murallink.trial t
        WHERE t.uid = permitted AND murallink_private.permitted('view_trials', t.client_uid, t.contract_uid, t.uid, NULL))
    THEN
        answer := ROW(permitted, NULL, murallink_private.checked_text(edit_trial.name, 'name', 200, false),
            murallink_private.checked_text(edit_trial.protocol_id, 'protocol_id', 100, false));
    END IF;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.edit_trial(murallink.ksuid, text, text, boolean, boolean, murallink.read_only, text, text) IS
'Changes a trial (document: Edit Trial). An argument that is absent, or null in SQL, changes nothing. approve_milestones, separate_approver: as create_trial takes them, for later payments; separate_approver, where it is turned on, also for those that are pending; turning approve_milestones on or separate_approver off also needs approve_payments. contract_uid: the trial''s, or absent; source, ref: what another system calls the trial, if it has no other reference there, which only set_reference corrects. Needs edit_trial on the trial; a caller without view_trials gets only the values that were sent. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, already_exists (the protocol id, in any case or width, or the reference).';

CREATE FUNCTION murallink.delete_trial(trial_uid murallink.ksuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.delete_resource(
        'trial', murallink_private.permit_trial(trial_uid, 'delete_trial', 'trial_uid'), 'trial_uid');
END
$$;
COMMENT ON FUNCTION murallink.delete_trial(murallink.ksuid) IS
'Deletes a trial that never had an enrolled patient or a milestone, its associations with sites and the grants on it; the sites stay (document: Delete Trial). Needs delete_trial on the trial. Errors: unauthenticated, forbidden, missing_field, not_found, in_use.';

CREATE TYPE murallink.approval_rules AS (
    trial_uid murallink.ksuid, approve_milestones boolean, separate_approver boolean, tiers jsonb, signature text, note text);
COMMENT ON TYPE murallink.approval_rules IS
'How payments of a trial are approved, as set_approval_rules and get_approval_rules answer. note: why they were last set.';

CREATE FUNCTION murallink.set_approval_rules(
    trial_uid murallink.ksuid DEFAULT NULL, tiers jsonb DEFAULT NULL, signature text DEFAULT NULL, note text DEFAULT NULL
) RETURNS murallink.approval_rules
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted CONSTANT murallink.ksuid := murallink_private.permit_trial(
        murallink_private.permit_trial(trial_uid, 'edit_trial', 'trial_uid'), 'approve_payments', 'trial_uid');
    why CONSTANT text := murallink_private.checked_text(note, 'note', 1000, true);
    usual text;
    answer murallink.approval_rules;
BEGIN
    SELECT c.currency INTO usual FROM murallink.trial t JOIN murallink.contract c ON c.uid = t.contract_uid WHERE t.uid = permitted;
    IF pg_catalog.jsonb_typeof(tiers) = 'array' AND NOT pg_catalog.jsonb_path_exists(tiers, 'strict $[*] ? (@.type() <> "object")') THEN
        tiers := coalesce((
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('currency', usual) || t ORDER BY n)
            FROM pg_catalog.jsonb_array_elements(tiers) WITH ORDINALITY AS given (t, n)), '[]');
    END IF;
    IF NOT murallink_private.tiers_fit(tiers) THEN
        PERFORM murallink_private.raise('invalid_value', 'tiers', 'Tiers are written [{"above": 100, "approvers": 2}]; each amount once, 1 to 9 approvers.');
    ELSIF set_approval_rules.signature NOT IN ('', 'session', 'password', 'sign_on') THEN
        PERFORM murallink_private.raise('invalid_value', 'signature', 'One of session, password and sign_on.');
    END IF;
    UPDATE murallink.trial t SET
        approval_tiers = coalesce(set_approval_rules.tiers, t.approval_tiers),
        approval_signature = coalesce(NULLIF(set_approval_rules.signature, ''), t.approval_signature),
        approval_note = why, updated_at = pg_catalog.clock_timestamp()
    WHERE t.uid = permitted
    RETURNING t.uid, t.approve_milestones, t.separate_approver, t.approval_tiers, t.approval_signature, t.approval_note INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.set_approval_rules(murallink.ksuid, jsonb, text, text) IS
'Sets how payments of a trial are approved. tiers: an array of objects with above (an amount), approvers (how many different people must approve a payment of more than that, 1 to 9) and currency (default the contract''s); a payment in a currency without a tier needs the largest number of any tier; milestones above a tier''s amount are not approved automatically; []: no tiers. signature: session; password: each approval needs the password; sign_on: it needs a session opened within murallink.fresh_sign_on, or the password. An absent argument changes nothing. note: why. Payments that are still pending must satisfy the new rules, and all rules that have held since they were requested. Needs edit_trial and approve_payments on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink.get_approval_rules(trial_uid murallink.ksuid DEFAULT NULL) RETURNS murallink.approval_rules
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid := murallink_private.permit_trial(get_approval_rules.trial_uid, 'view_trials', 'trial_uid');
    answer murallink.approval_rules;
BEGIN
    SELECT t.uid, t.approve_milestones, t.separate_approver, t.approval_tiers, t.approval_signature, t.approval_note
    INTO answer FROM murallink.trial t WHERE t.uid = place;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.get_approval_rules(murallink.ksuid) IS
'How payments of a trial are approved that are requested now: as create_trial, edit_trial and set_approval_rules have set it. Needs view_trials on the trial. Errors: unauthenticated, forbidden, not_found, missing_field.';
