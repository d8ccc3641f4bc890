-- The audit as its readers see it.

CREATE VIEW murallink.audit_event WITH (security_invoker) AS
SELECT e.uid, e.at, e.app_user_uid, e.switched_by_uid, e.db_user, e.db_role, e.resource, e.resource_uid, e.action,
    CASE WHEN e.resource NOT IN ('payment', 'payout', 'reversal') OR NOT e.changes ?| '{note,decision_note}'
            OR murallink_private.text_shown(e.client_uid, e.contract_uid, e.trial_uid, e.site_uid, NULL, NULL)
            OR e.resource_uid IN (
                SELECT p.uid FROM murallink_private.payment p WHERE murallink_private.granted_moved('view_patients', p.enrollment_uid)
                UNION ALL
                SELECT r.uid FROM murallink_private.reversal r WHERE murallink_private.granted_moved('view_patients', r.enrollment_uid))
        THEN e.changes ELSE e.changes - '{note,decision_note}'::text[] END AS changes,
    e.client_uid, e.contract_uid, e.trial_uid, e.site_uid, e."position", e.step, e.event, e.amount, e.currency
FROM murallink_private.audit_event e;
COMMENT ON VIEW murallink.audit_event IS
'Each change: by whom, when, and the old and new values, without what people have written about patients for those who may not see patients there.';
PERFORM murallink_private.copy_comments('murallink_private.audit_event', 'murallink.audit_event');
