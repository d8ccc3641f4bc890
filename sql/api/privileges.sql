-- Who may call which function, and the settings that functions run with. Nothing may follow it.

-- The functions of the types ksuid, day and moment are for everybody, as with any type; others are granted by name.
DO $$
DECLARE
    function regprocedure;
    grantee text;
BEGIN
    FOR function IN
        SELECT p.oid FROM pg_catalog.pg_proc p
        WHERE p.prokind = 'f' AND (p.pronamespace = 'murallink_private'::pg_catalog.regnamespace
            OR p.pronamespace = 'murallink'::pg_catalog.regnamespace AND p.proname !~ '^((gen_)?ksuid|day_|moment_)')
    LOOP
        EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO murallink_owner', function);
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
        -- Revoke what default privileges granted. Our own roles are left out: they have only grants that were made by name.
        FOR grantee IN
            SELECT DISTINCT a.grantee::pg_catalog.regrole::text FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
            WHERE p.oid = function AND a.grantee <> p.proowner
                AND a.grantee::pg_catalog.regrole::text NOT IN ('murallink_client', 'murallink_analyst', 'murallink_operator')
        LOOP
            EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM %s', function, grantee);
        END LOOP;
    END LOOP;
END
$$;

-- Each function looks up operators and functions in pg_catalog, whatever the caller's search_path is: otherwise a user's
-- operator on our types could match better than PostgreSQL's. Patterns mean the same whatever
-- standard_conforming_strings says. Functions with a body of the SQL standard (BEGIN ATOMIC) are bound when they are made;
-- C pins the path itself. The functions named here are inlined into the calling query, which a path of their own prevents:
-- only the owner can call them, from pinned functions, and they name the schema of their operators. Those that
-- murallink.install() makes for queries of PostgREST and analysts are inlined, too: they run with the rights of their caller, and
-- either name the schema of their operators (make_relation()) or have a body of the SQL standard (changed_payments()).
DO $$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT p.oid::regprocedure AS signature, p.prosrc, 'search_path=pg_catalog, pg_temp' = ANY (p.proconfig) AS pinned
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace IN ('murallink'::pg_catalog.regnamespace, 'murallink_private'::pg_catalog.regnamespace)
            AND l.lanname IN ('plpgsql', 'sql') AND p.prosqlbody IS NULL
            AND p.proname NOT IN (
                'approval_rules_since', 'astray', 'call_kinds', 'calls', 'caregiver_infos', 'enrollment_infos', 'milestone_infos', 'patient_infos',
                'patient_places', 'payment_infos', 'reversal_infos', 'visible_patients', 'wanted_channels')
    LOOP
        IF f.pinned IS NOT TRUE THEN
            EXECUTE pg_catalog.format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', f.signature);
        END IF;
        IF pg_catalog.strpos(f.prosrc, '\') > 0 THEN
            EXECUTE pg_catalog.format('ALTER FUNCTION %s SET standard_conforming_strings = on', f.signature);
        END IF;
    END LOOP;
    -- The owner's own policies let it see everything; with row_security off they would be errors.
    FOR f IN
        SELECT p.oid::regprocedure AS signature FROM pg_catalog.pg_proc p
        WHERE p.pronamespace IN ('murallink'::pg_catalog.regnamespace, 'murallink_private'::pg_catalog.regnamespace)
            AND p.prosecdef
    LOOP
        EXECUTE pg_catalog.format('ALTER FUNCTION %s SET row_security = on', f.signature);
    END LOOP;
END
$$;

-- Actions of clients. is_action() in src/api/api_action.c says which functions are actions; this says who may perform them.
GRANT EXECUTE ON FUNCTION
    murallink.access_list,
    murallink.add_funding,
    murallink.add_milestone,
    murallink.add_milestones,
    murallink.add_patient,
    murallink.add_trial_site,
    murallink.approve_payment,
    murallink.approve_payments,
    murallink.approve_reversal,
    murallink.bind_identity,
    murallink.bulk_email,
    murallink.cancel_appointment,
    murallink.cancel_payment,
    murallink.change_password,
    murallink.change_user_password,
    murallink.close_account,
    murallink.complete_payment,
    murallink.copy_permissions,
    murallink.correct_funding,
    murallink.correct_subject_id,
    murallink.create_api_key,
    murallink.create_client,
    murallink.create_contract,
    murallink.create_service,
    murallink.create_site,
    murallink.create_trial,
    murallink.create_user,
    murallink.deactivate_user,
    murallink.delete_client,
    murallink.delete_contract,
    murallink.delete_site,
    murallink.delete_trial,
    murallink.edit_client,
    murallink.edit_contract,
    murallink.edit_site,
    murallink.edit_trial,
    murallink.enroll,
    murallink.events,
    murallink.find_reference,
    murallink.funding_report,
    murallink.get_api_keys,
    murallink.get_appointments,
    murallink.get_approval_rules,
    murallink.get_approvals,
    murallink.get_caregivers,
    murallink.get_client,
    murallink.get_clients,
    murallink.get_contract,
    murallink.get_contracts,
    murallink.get_document,
    murallink.get_documents,
    murallink.get_enrolled,
    murallink.get_enrollments,
    murallink.get_identities,
    murallink.get_patient,
    murallink.get_patient_payments,
    murallink.get_patients,
    murallink.get_payment_rules,
    murallink.get_payment_schedule,
    murallink.get_payment_types,
    murallink.get_permissions,
    murallink.get_reversals,
    murallink.get_roles,
    murallink.get_site,
    murallink.get_sites,
    murallink.get_trial,
    murallink.get_trials,
    murallink.get_users,
    murallink.grant,
    murallink.idle_users,
    murallink.import_csv,
    murallink.keepalive,
    murallink.list_permissions,
    murallink.login,
    murallink.logout,
    murallink.manual_payment,
    murallink.mark_paid_elsewhere,
    murallink.milestone_payment,
    murallink.move_appointment,
    murallink.move_payment,
    murallink.my_info,
    murallink.my_permissions,
    murallink.my_places,
    murallink.payable_milestones,
    murallink.patient_audit,
    murallink.patient_audit_report,
    murallink.pending_payments,
    murallink.ping,
    murallink.reactivate_user,
    murallink.recover,
    murallink.register,
    murallink.register_caregiver,
    murallink.reject_payment,
    murallink.reject_payments,
    murallink.reject_reversal,
    murallink.rename_milestone,
    murallink.remove_role,
    murallink.replace_card,
    murallink.request_password_reset,
    murallink.request_reversal,
    murallink.reset_password,
    murallink.reset_tokens,
    murallink.revoke,
    murallink.resolve_visit,
    murallink.revoke_all,
    murallink.revoke_api_key,
    murallink.schedule_appointment,
    murallink.search_clients,
    murallink.search_patients,
    murallink.search_trials,
    murallink.set_appointment_status,
    murallink.set_approval_rules,
    murallink.set_day_cap,
    murallink.set_enrollment_status,
    murallink.set_exclusive_milestones,
    murallink.set_low_funds,
    murallink.set_payment_type,
    murallink.set_recovery,
    murallink.set_reference,
    murallink.set_role,
    murallink.set_pricing,
    murallink.set_visit_due,
    murallink.set_visit_rules,
    murallink.switch_user,
    murallink.top_up,
    murallink.transfer_enrollment,
    murallink.travel_payment,
    murallink.trial_payment_report,
    murallink.unbind_identity,
    murallink.unmark_paid_elsewhere,
    murallink.unsubscribe,
    murallink.update_caregiver,
    murallink.update_patient,
    murallink.update_user,
    murallink.upload_contract,
    murallink.upload_document,
    murallink.visit_done,
    murallink.visits_done,
    murallink.withdraw_funding,
    murallink.write_off
    TO murallink_client;

GRANT EXECUTE ON FUNCTION murallink.api, murallink.authenticate, murallink.errors TO murallink_client;

-- Functions whose only argument is the body of a request.
GRANT EXECUTE ON FUNCTION
    murallink.import_enrollments,
    murallink.import_milestones,
    murallink.import_patients,
    murallink.import_visits,
    murallink.redcap_trigger
    TO murallink_client;

-- Downloads, which answer with bytes.
GRANT EXECUTE ON FUNCTION murallink.contract_document, murallink.report TO murallink_client;

-- A partner's own functions are granted in its file.
GRANT EXECUTE ON FUNCTION
    murallink.await_partner,
    murallink.configure_partner,
    murallink.decide_reversal,
    murallink.disable_payouts,
    murallink.enable_payouts,
    murallink.hold_payouts,
    murallink.look_up_payout,
    murallink.merge_patients,
    murallink.message_received,
    murallink.move_balance,
    murallink.notices,
    murallink.participations,
    murallink.partner_operations,
    murallink.partner_preview,
    murallink.partner_request,
    murallink.partner_tasks,
    murallink.payout_attempts,
    murallink.payout_keys,
    murallink.recover,
    murallink.release_payouts,
    murallink.remove_trial_partner,
    murallink.remove_webhook,
    murallink.resend_webhook,
    murallink.reseal_accounts,
    murallink.resolve_card,
    murallink.resolve_notice,
    murallink.resolve_payout,
    murallink.resolve_task,
    murallink.resolve_visit,
    murallink.retry_participation,
    murallink.retry_payout,
    murallink.return_payment,
    murallink.reverse_payment,
    murallink.rotate_payout_key,
    murallink.rotate_webhook,
    murallink.set_consent,
    murallink.set_participation_details,
    murallink.set_payment_notices,
    murallink.set_template,
    murallink.set_trial_partner,
    murallink.set_webhook,
    murallink.settle_payout,
    murallink.similar_patients,
    murallink.templates,
    murallink.trial_partners,
    murallink.verify_ledger,
    murallink.webhooks,
    murallink.worker_status,
    murallink.write_off
    TO murallink_operator;

-- Functions for analysts, with the rights of the caller.
GRANT EXECUTE ON FUNCTION murallink.patient_audit TO murallink_analyst;
GRANT EXECUTE ON FUNCTION murallink.schedule_at TO murallink_analyst, murallink_operator;

-- The functions that policies and views of tables call.
GRANT EXECUTE ON FUNCTION
    murallink.authenticate,
    murallink_private.approval_trials,
    murallink_private.caller,
    murallink_private.caller_is_admin,
    murallink_private.caller_lost,
    murallink_private.caller_is_operator,
    murallink_private.changed_since,
    murallink_private.granted,
    murallink_private.granted_all,
    murallink_private.granted_at,
    murallink_private.granted_from,
    murallink_private.granted_moved,
    murallink_private.granted_on,
    murallink_private.granted_sites,
    murallink_private.known_from,
    murallink_private.label_key,
    murallink_private.maybe_viewable,
    murallink_private.moved_enrollments,
    murallink_private.payment_being_sent,
    murallink_private.payment_returns,
    murallink_private.payment_waits,
    murallink_private.permitted,
    murallink_private.shown,
    murallink_private.text_shown,
    murallink_private.viewable_patients,
    murallink_private.visit_version
    TO murallink_analyst, murallink_operator;

-- Monitoring: the state of the worker, and the functions that policies of funds call.
GRANT EXECUTE ON FUNCTION
    murallink_private.granted_all,
    murallink_private.granted_at,
    murallink_private.granted_on,
    murallink_private.permitted,
    murallink.worker_status
    TO murallink_monitor;
