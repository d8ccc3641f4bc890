-- The view of all that waits for a person.

CREATE VIEW murallink.needs_person WITH (security_barrier) AS
SELECT n.* FROM (
    SELECT 'payout' AS kind, o.uid,
        CASE o.status WHEN 'waiting' THEN o.reason ELSE pg_catalog.concat_ws(': ', o.status, o.reason) END AS why,
        CASE WHEN o.status = 'in_doubt' THEN 'resolve_payout'
            WHEN o.status = 'declined' THEN 'retry_payout' || CASE WHEN stopped.suspect THEN '' ELSE ' or cancel_payment' END
            WHEN o.status = 'ready' AND o.reason ~ '^no_key' THEN 'murallink.key_file'
            WHEN o.status = 'ready' THEN 'ask the partner, or configure_partner'
            WHEN o.reason = 'held' THEN coalesce((
                SELECT 'release_payouts of ' || pg_catalog.string_agg(
                    CASE h.subject_uid WHEN o.uid THEN 'payout_uid' ELSE 'contract_uid' END, ' and of ' ORDER BY h.subject_uid = o.uid)
                FROM murallink_private.payout_hold h WHERE h.subject_uid IN (o.uid, o.contract_uid)), 'release_payouts')
            WHEN o.reason IN ('no_payment_type', 'no_account') THEN 'set_payment_type'
            WHEN o.reason = 'settled_by_person' THEN 'settle_payout'
            WHEN o.reason = 'partner_not_configured' THEN 'configure_partner'
            WHEN o.reason = 'no_contact' THEN 'update_patient'
            WHEN o.reason IN ('card_declined', 'card_in_doubt') THEN 'resolve_card'
            ELSE 'set_payment_type or cancel_payment' END AS remedy,
        CASE o.status WHEN 'in_doubt' THEN o.attempt END AS attempt, coalesce(o.settled_at, o.created_at) AS since, o.partner,
        o.amount, o.currency, o.client_uid, o.contract_uid, o.trial_uid, o.site_uid, o.patient_uid
    FROM (
        SELECT p.uid, p.suspect FROM murallink_private.payout p WHERE p.reason <> ''
        UNION
        SELECT c.uid, c.suspect FROM murallink_private.call c WHERE c.reason <> '' AND c.operation IN ('load', 'pay')) stopped
    JOIN murallink_private.payout_shown o ON o.uid = stopped.uid
    WHERE o.reason <> '' AND (
        o.status = 'declined'
        OR o.status = 'waiting' AND o.reason NOT IN ('card_pending', 'account_new')
        OR o.status = 'ready' AND (o.attempt >= 5 OR o.reason ~ '^no_key')
        OR o.status = 'in_doubt' AND NOT EXISTS (
            SELECT FROM murallink_private.call t
            WHERE t.subject_uid = o.uid AND t.subject_uid <> t.uid AND t.subject_attempt = o.attempt AND t.operation = 'look_up'
            AND t.status IN ('ready', 'claimed') AND (t.reason = '' OR t.attempt < 10)))
    UNION ALL
    SELECT 'card', c.uid, CASE c.status WHEN 'waiting' THEN c.reason ELSE pg_catalog.concat_ws(': ', c.status, c.reason) END,
        CASE c.status WHEN 'waiting' THEN 'update_patient' WHEN 'declined' THEN 'resolve_card or order_cards' ELSE 'resolve_card' END,
        CASE WHEN c.status <> 'waiting' THEN c.attempt END, coalesce(c.settled_at, c.created_at), c.partner, NULL, NULL, NULL,
        NULL, NULL, NULL, c.patient_uid
    FROM murallink_private.card c
    WHERE c.reason <> '' AND c.ended_at = 'infinity' AND (c.status IN ('declined', 'in_doubt') OR c.reason = 'no_contact')
    UNION ALL
    -- Before the issuer declines loads: a card of somebody who may still be paid.
    SELECT 'card', c.uid, pg_catalog.format('it expires on %s', c.expires_on), 'replace_card', NULL,
        (c.expires_on - 30)::timestamp AT TIME ZONE 'UTC', c.partner, NULL, NULL, NULL, NULL, NULL, NULL, c.patient_uid
    FROM murallink_private.card c
    WHERE c.ended_at = 'infinity' AND c.status = 'done' AND c.expires_on < (pg_catalog.clock_timestamp() AT TIME ZONE 'UTC')::date + 30
        AND EXISTS (SELECT FROM murallink.enrollment e WHERE e.patient_uid = c.patient_uid AND e.status = 'enrolled')
    UNION ALL
    SELECT 'task', t.uid, pg_catalog.format('%s of %s: %s', t.status, t.operation, t.reason), 'resolve_task', t.attempt, t.settled_at,
        t.partner, CASE WHEN t.operation ~ '^(un)?load' THEN (t.params ->> 'amount')::numeric ELSE o.amount END, o.currency,
        o.client_uid, o.contract_uid, o.trial_uid, o.site_uid, coalesce(o.patient_uid, c.patient_uid, a.patient_uid)
    FROM murallink_private.call t
    -- Laterals with LIMIT, so that the planner looks rows up one by one.
    LEFT JOIN LATERAL (SELECT * FROM murallink_private.payout_shown p WHERE p.uid = t.subject_uid LIMIT 1) o ON true
    LEFT JOIN LATERAL (SELECT * FROM murallink_private.card k WHERE k.uid = t.subject_uid LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT * FROM murallink_private.participation r WHERE r.uid = t.subject_uid LIMIT 1) a ON true
    WHERE t.status = 'in_doubt' AND t.reason <> '' AND t.operation NOT IN ('load', 'pay', 'order', 'message') AND NOT EXISTS (
        -- A look-up that is under way may decide it.
        SELECT FROM murallink_private.call l
        WHERE l.subject_uid = t.uid AND l.subject_uid <> l.uid AND l.subject_attempt = t.attempt AND l.status IN ('ready', 'claimed')
        AND (l.reason = '' OR l.attempt < 10))
    UNION ALL
    SELECT 'reversal', r.uid, CASE r.status
            WHEN 'requested' THEN pg_catalog.format('requested: %s: %s', r.reason, r.note)
            WHEN 'owed_back' THEN 'owed_back: ' || coalesce(NULLIF(u.reason, ''), 'it is not on the card')
            ELSE 'recovering: no payment is to come of which it can be kept' END,
        CASE r.status WHEN 'requested' THEN 'decide_reversal' ELSE pg_catalog.array_to_string(ARRAY[
            CASE WHEN u.status = 'declined' AND r.kept = 0 THEN 'reverse_payment' END,
            CASE WHEN r.status = 'owed_back' AND k.recovery_share > 0 THEN 'recover' END,
            'write_off', CASE WHEN u.status = 'declined' THEN 'resolve_task' END], ' or ') END,
        NULL, coalesce(u.settled_at, r.created_at), o.partner,
        r.amount - r.returned, r.currency::text, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid, r.patient_uid
    FROM murallink_private.reversal r JOIN murallink.contract k ON k.uid = r.contract_uid
    LEFT JOIN murallink_private.payout o ON o.payment_uid = r.payment_uid
    LEFT JOIN LATERAL (
        SELECT t.status, t.reason, t.settled_at FROM murallink_private.call t
        WHERE t.subject_uid = o.uid AND t.subject_uid <> t.uid AND t.operation = 'unload' AND t.params ->> 'reference' = r.uid::text
        ORDER BY t.created_at DESC, t.uid DESC LIMIT 1) u ON true
    WHERE r.status IN ('requested', 'owed_back') OR r.status = 'recovering' AND r.kept = 0 AND (k.recovery_share = 0 OR NOT EXISTS (
        SELECT FROM murallink.enrollment e WHERE e.chain_uid = r.chain_uid AND e.status = 'enrolled'))
    UNION ALL
    SELECT 'task', t.uid, pg_catalog.format('declined of %s: %s', t.operation, t.reason), 'move_balance or resolve_task', t.attempt,
        t.settled_at, t.partner, (t.params ->> 'amount')::numeric, NULL, NULL, NULL, NULL, NULL, c.patient_uid
    FROM murallink_private.call t JOIN murallink_private.card c ON c.uid = t.subject_uid
    WHERE t.operation = 'unload_balance' AND t.status = 'declined' AND t.reason <> '' AND t.note = ''
    UNION ALL
    SELECT 'task', t.uid, pg_catalog.concat_ws(': ', 'it was taken off the card, and is not on the new one', NULLIF(b.load_reason, '')),
        'move_balance', t.attempt, t.settled_at, t.partner, b.amount, NULL, NULL, NULL, NULL, NULL, c.patient_uid
    FROM murallink_private.balance_move b JOIN murallink_private.call t ON t.uid = b.uid
    JOIN murallink_private.card c ON c.uid = b.card_uid WHERE b.status = 'done' AND b.load_uid IS NULL
    UNION ALL
    -- Calls that are repeated automatically, and that fail while others of the partner succeed.
    SELECT 'task', t.uid, pg_catalog.format('tried several times: %s: %s', t.operation, t.reason),
        'ask the partner, or resolve_task', t.attempt, t.settled_at, t.partner,
        NULL, NULL, NULL, NULL, NULL, NULL, coalesce(c.patient_uid, a.patient_uid)
    FROM murallink_private.call t
    LEFT JOIN LATERAL (SELECT * FROM murallink_private.card k WHERE k.uid = t.subject_uid LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT * FROM murallink_private.participation r WHERE r.uid = t.subject_uid LIMIT 1) a ON true
    WHERE t.status = 'ready' AND t.attempt >= 5 AND t.reason <> '' AND t.subject_attempt IS NULL AND t.operation NOT IN ('load', 'pay', 'order', 'message')
    UNION ALL
    SELECT 'card', c.uid, 'ready: ' || o.reason, 'ask the partner, or configure_partner', NULL, o.settled_at, c.partner, NULL, NULL,
        NULL, NULL, NULL, NULL, c.patient_uid
    FROM murallink_private.call o JOIN murallink_private.card c ON c.uid = o.uid
    WHERE o.reason <> '' AND o.status = 'ready' AND o.operation = 'order' AND o.attempt >= 5
    UNION ALL
    SELECT 'notice', n.uid, pg_catalog.concat_ws(': ', c.status, c.reason), 'resolve_notice', c.attempt, c.settled_at, n.partner,
        NULL, NULL, NULL, NULL, NULL, NULL, n.patient_uid
    FROM murallink_private.call c JOIN murallink_private.notice n ON n.uid = c.uid
    WHERE c.reason <> '' AND c.status = 'in_doubt' AND c.resource = 'notice' AND n.kind <> 'password_reset'
    UNION ALL
    SELECT CASE q.operation WHEN 'load' THEN 'payout' WHEN 'pay' THEN 'payout' WHEN 'order' THEN 'card' WHEN 'message' THEN 'notice' ELSE 'task' END,
        q.uid, q.problem, 'remove the cause', NULL, q.problem_at, q.partner,
        o.amount, o.currency, o.client_uid, o.contract_uid, o.trial_uid, o.site_uid, o.patient_uid
    FROM murallink_private.call q
    LEFT JOIN LATERAL (SELECT * FROM murallink_private.payout_shown p WHERE p.uid = q.uid LIMIT 1) o ON true
    WHERE q.problem <> ''
    UNION ALL
    SELECT 'participation', a.uid, a.reason, CASE WHEN a.reason = 'partner_not_configured' THEN 'configure_partner'
            -- A new value of the wrong field starts it again without help.
            WHEN a.reason ~ '^(declined|no_member_id)' AND (t.status = 'declined' AND t.facts ? 'field') IS NOT TRUE
                THEN 'retry_participation or resolve_task'
            ELSE 'update_patient or set_participation_details' END,
        t.attempt, a.since, a.partner, NULL, NULL, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid, a.patient_uid
    FROM murallink_private.participation a JOIN murallink.enrollment e ON e.uid = a.enrollment_uid
    LEFT JOIN LATERAL (SELECT * FROM murallink_private.call k WHERE k.uid = a.task_uid LIMIT 1) t ON true
    WHERE a.reason NOT IN ('', 'no_consent')
    UNION ALL
    SELECT 'participation', c.uid, c.problem, 'remove the cause', NULL, c.due_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, c.patient_uid
    FROM murallink_private.participation_change c WHERE c.problem <> ''
    UNION ALL
    SELECT 'visit', v.uid, v.state || ': ' || v.reason,
        CASE v.state WHEN 'payable' THEN 'milestone_payment or resolve_visit' ELSE 'resolve_visit' END, NULL, v.changed_at, NULL,
        p.amount, p.currency::text, v.client_uid, v.contract_uid, v.trial_uid, v.site_uid, e.patient_uid
    FROM murallink.visit v LEFT JOIN murallink.enrollment e ON e.uid = v.enrollment_uid
    LEFT JOIN murallink_private.payment p ON p.uid = v.payment_uid
    WHERE v.state = 'conflict' OR v.state = 'payable' AND v.reason <> ''
    UNION ALL
    SELECT 'funds', c.uid, pg_catalog.format('low: %s %s are available, less than %s', pg_catalog.trim_scale(f.available), c.currency,
            pg_catalog.trim_scale(c.low_funds)),
        'add_funding or set_low_funds', NULL, c.funds_low_at, NULL, f.available, c.currency::text, c.client_uid, c.uid, NULL, NULL, NULL
    FROM murallink.contract c, LATERAL (
        SELECT coalesce(pg_catalog.sum(s.available), 0) AS available FROM murallink.fund_slot s WHERE s.contract_uid = c.uid AND s.currency = c.currency) f
    WHERE c.funds_low IS NOT NULL AND f.available < c.low_funds
    UNION ALL
    SELECT 'webhook', w.uid, pg_catalog.concat_ws(': ', 'webhook ' || w.name, NULLIF(w.off, ''), CASE WHEN d.failed > 0
            THEN pg_catalog.format('%s events were not accepted: %s', d.failed, d.reason) END),
        CASE WHEN w.off <> '' THEN 'set_webhook' ELSE 'resend_webhook or remove_webhook' END, NULL, coalesce(d.since, w.changed_at),
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM murallink_private.webhook w, LATERAL (
        SELECT count(*) AS failed, pg_catalog.max(f.reason) AS reason, pg_catalog.min(f.tried_at) AS since
        FROM murallink_private.webhook_delivery f WHERE f.webhook_uid = w.uid AND f.due_at IS NULL) d
    WHERE w.off NOT IN ('', 'it was switched off') OR d.failed > 0) n
-- GRANT SELECT ON ALL TABLES must not be enough to read it.
WHERE pg_catalog.pg_has_role('murallink_operator', 'USAGE') OR pg_catalog.pg_has_role('murallink_monitor', 'USAGE')
    OR pg_catalog.pg_has_role('murallink_owner', 'USAGE');
COMMENT ON VIEW murallink.needs_person IS
'Everything that is stuck until a person acts. kind: payout, card, task, reversal, notice, participation, visit, funds or webhook; why: the status and the reason; remedy: the function that helps; attempt: the argument attempt of the functions that decide; null if nothing is to be decided; since: when the last attempt ended, the row was created or the problem arose; the uids: its place. A payout in doubt is included only when its look-ups have ended, or when the partner has not answered ten times. For operators and monitoring.';
