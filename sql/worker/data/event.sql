-- The feed of events, as a view of the audit.

CREATE VIEW murallink_private.event WITH (security_invoker) AS
SELECT e."position", e.step, murallink_private.event_sequence(e."position", e.step) AS sequence, e.event, e.uid, e.at, e.resource, e.resource_uid,
    e.client_uid, e.contract_uid, e.trial_uid, e.site_uid,
    CASE e.resource WHEN 'payment' THEN e.resource_uid
        WHEN 'payout' THEN (SELECT o.payment_uid FROM murallink_private.payout o WHERE o.uid = e.resource_uid) END AS payment_uid,
    CASE WHEN e.resource = 'payment' AND e.action = 'created' THEN pg_catalog.split_part(e.event::text, '.', 2)
        WHEN e.resource IN ('payment', 'enrollment', 'card') THEN e.changes #>> '{status,to}' END AS status,
    CASE e.resource WHEN 'payout' THEN e.changes #>> '{reason,to}' END AS reason,
    pg_catalog.trim_scale(CASE e.resource WHEN 'contract' THEN (e.changes #>> '{funds_low,to}')::numeric ELSE e.amount END) AS amount, e.currency,
    CASE e.resource WHEN 'payment' THEN (e.changes #>> '{returned,to}')::numeric END AS returned
FROM murallink_private.audit_event e WHERE e."position" IS NOT NULL;
COMMENT ON VIEW murallink_private.event IS 'The events of the feed, without names and free text: see the type event_info.';
