-- What has happened to payments, what is owed, and who is shown what people have written about patients.
\set SHOW_CONTEXT never
SET jit = off;
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_history_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_history_second LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_history_blind LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_history_operator LOGIN IN ROLE murallink_operator;
SELECT email FROM murallink.create_admin('admin.history@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS second FROM murallink.register('second.history@example.com', 'correct horse', 'Seth', 'Second') \gset
SELECT uid AS blind FROM murallink.register('blind.history@example.com', 'correct horse', 'Bo', 'Blind') \gset
SELECT murallink.set_db_role(name || '.history@example.com', 'regress_history_' || name) FROM unnest('{admin,second,blind}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_history_admin;
SELECT uid AS client FROM murallink.create_client(name => 'History') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'History', currency => 'USD', default_payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS auto FROM murallink.create_trial(contract_uid => :'contract', name => 'Automatic', approve_milestones => true) \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid IS NOT NULL AS associated FROM murallink.add_trial_site(:'auto', :'site');
SELECT murallink.add_funding(:'contract', 10000);
SELECT uid AS milestone FROM murallink.add_milestone('Week 1', 10, 'USD', :'auto', :'site') \gset
SELECT (murallink.add_milestone('Week 1', 30, 'USD', :'trial', :'site')).milestone;
SELECT uid AS al FROM murallink.add_patient(site_uid => :'site', first_name => 'Al', last_name => 'Patient') \gset
SELECT murallink.enroll(:'al', :'trial', :'site', 'H-1'), murallink.enroll(:'al', :'auto', :'site', 'H-1');
SELECT count(murallink.grant(:'trial', permission::text, :'second')) FROM unnest('{approve_payments,view_payments,view_patients}'::text[]) AS permission;
SELECT count(murallink.grant(:'client', permission::text, :'blind'))
FROM unnest('{view_enrollments,view_payment_schedule,view_payments,view_sites,view_trials,approve_payments,manual_payment,view_report}'::text[]) AS permission;
SELECT trial_uid IS NOT NULL AS two FROM murallink.set_approval_rules(:'trial', '[{"above": 50, "approvers": 2}]', note => 'large ones');

-- One that two people approve, that is paid by hand, and taken back in parts
SELECT uid AS long FROM murallink.manual_payment(:'al', :'trial', 100, note => 'secret of the requester') \gset
SELECT status FROM murallink.approve_payment(:'long', 'secret of the first');
SET SESSION AUTHORIZATION regress_history_second;
SELECT status FROM murallink.approve_payment(:'long', 'secret of the second');
RESET SESSION AUTHORIZATION;
SELECT (murallink.settle_payout(uid, 'paid', 'check 1', 'secret of the operator')).status FROM murallink.payout WHERE payment_uid = :'long';
SET SESSION AUTHORIZATION regress_history_admin;
SELECT status, returned FROM murallink.request_reversal(:'long', 30, 'wrong_amount', 'secret of the part');
SELECT uid AS back FROM murallink.reversal WHERE payment_uid = :'long' \gset
RESET SESSION AUTHORIZATION;
SELECT (murallink.decide_reversal(:'back', true, 'secret of the decision')).status;
SET SESSION AUTHORIZATION regress_history_admin;
SELECT status FROM murallink.request_reversal(:'long', reason => 'not_due', note => 'secret of the rest');
-- One that is rejected, one that the trial approves by itself, one that somebody else has paid, and one that pends
SET SESSION AUTHORIZATION regress_history_admin;
SELECT status FROM murallink.reject_payment((SELECT uid FROM murallink.manual_payment(:'al', :'trial', 7)), 'secret of the refusal');
SELECT uid AS automatic, status FROM murallink.milestone_payment(:'al', :'milestone') \gset
SELECT uid AS mark, status FROM murallink.mark_paid_elsewhere(:'al', :'trial', 'Week 1', 'secret of the mark') \gset
SELECT status FROM murallink.unmark_paid_elsewhere(:'al', :'trial', 'Week 1', 'secret of the mistake');
SELECT uid AS pends FROM murallink.travel_payment(:'al', :'trial', 8, note => 'secret of the way') \gset

SELECT p.amount AS of_payment, h.step, h.amount, h.currency, u.first_name AS by_whom
FROM murallink.payment_history h JOIN murallink.payment p ON p.uid = h.payment_uid LEFT JOIN murallink.app_user u ON u.uid = h.app_user_uid
WHERE h.contract_uid = :'contract' ORDER BY p.created_at, p.uid, h.at, h.step;
-- No step is before the one that it follows
SELECT count(*) FROM murallink.payment_history h JOIN murallink.payment p ON p.uid = h.payment_uid
WHERE h.contract_uid = :'contract' AND h.at < p.created_at;
SELECT payment_type, milestone_code, state, reason, amount, days, payment_uid IN (:'pends', :'automatic') AS these
FROM murallink.owed WHERE contract_uid = :'contract' ORDER BY payment_type;

-- What is written is shown to those who see patients there, and to its author
CREATE FUNCTION pg_temp.texts(OUT of_what text, OUT texts bigint, OUT nulls bigint) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT 'payment', count(*) FILTER (WHERE p::text LIKE '%secret%'), count(*) FILTER (WHERE note IS NULL) FROM murallink.payment p
    UNION ALL SELECT 'approval', count(*) FILTER (WHERE a::text LIKE '%secret%'), count(*) FILTER (WHERE note IS NULL) FROM murallink.approval a
    UNION ALL SELECT 'reversal', count(*) FILTER (WHERE r::text LIKE '%secret%'), count(*) FILTER (WHERE note IS NULL) FROM murallink.reversal r
    UNION ALL SELECT 'payout', count(*) FILTER (WHERE o::text LIKE '%secret%'), count(*) FILTER (WHERE note IS NULL) FROM murallink.payout o
    UNION ALL SELECT 'audit_event', count(*) FILTER (WHERE e.changes::text LIKE '%secret%'), count(*) FILTER (WHERE e.changes IS NULL)
    FROM murallink.audit_event e WHERE e.resource IN ('payment', 'reversal', 'payout')
    UNION ALL SELECT 'get_patient_payments', count(*) FILTER (WHERE p::text LIKE '%secret%'), count(*) FILTER (WHERE note IS NULL)
    FROM murallink.enrollment e, LATERAL murallink.get_patient_payments(e.patient_uid, e.trial_uid) p
    UNION ALL SELECT 'get_approvals', count(*) FILTER (WHERE a::text LIKE '%secret%'), count(*) FILTER (WHERE a.note IS NULL)
    FROM murallink.payment p, LATERAL murallink.get_approvals(p.uid) a
    UNION ALL SELECT 'get_reversals', count(*) FILTER (WHERE r::text LIKE '%secret%'), count(*) FILTER (WHERE r.note IS NULL)
    FROM murallink.enrollment e, LATERAL murallink.get_reversals(e.patient_uid, e.trial_uid) r
    UNION ALL SELECT 'pending_payments', count(*) FILTER (WHERE p::text LIKE '%secret%'), count(*) FILTER (WHERE note IS NULL)
    FROM murallink.pending_payments() p
$$;
SET SESSION AUTHORIZATION regress_history_blind;
SELECT * FROM pg_temp.texts();
SELECT note FROM murallink.manual_payment(:'al', :'trial', 3, note => 'secret of the blinded');
SELECT count(*) FROM murallink.payment WHERE note = 'secret of the blinded';
SELECT decision_note FROM murallink.reject_payment(:'pends', 'secret of the blinded');
SELECT note, decision_note FROM murallink.payment WHERE uid = :'pends';
SELECT changes ? 'status' AS status, changes ? 'decision_note' AS note FROM murallink.audit_event WHERE resource_uid = :'pends' AND action = 'changed';
SET SESSION AUTHORIZATION regress_history_second;
SELECT * FROM pg_temp.texts() WHERE of_what NOT LIKE 'get_pa%' AND of_what NOT LIKE 'get_re%';
SET SESSION AUTHORIZATION regress_history_operator;
SELECT note FROM murallink.reversal WHERE uid = :'back';
RESET SESSION AUTHORIZATION;
-- The report of somebody who may have it, but sees no patients
SELECT session_id AS blind_session FROM murallink.login('blind.history@example.com', 'correct horse') \gset
BEGIN;
SELECT murallink.authenticate(:'blind_session');
SELECT substring(murallink.trial_payment_report(:'trial') FROM '=(.*)') AS report \gset
SELECT strpos(convert_from(content, 'UTF8'), 'secret of the requester') AS secret, strpos(convert_from(content, 'UTF8'), 'secret of the blinded') > 0 AS own
FROM murallink_private.report WHERE uid = :'report';
ROLLBACK;

-- A join of payments with what they refer to drops no row, whatever else may be seen; names are for those who hold what shows them
SET SESSION AUTHORIZATION regress_history_admin;
SELECT count(murallink.revoke(resource_uid => :'client', permission => permission::text, user_uid => :'blind', note => 'only payments'))
FROM unnest('{view_enrollments,view_payment_schedule,view_sites,view_trials,approve_payments,manual_payment,view_report}'::text[]) AS permission;
SET SESSION AUTHORIZATION regress_history_blind;
CREATE FUNCTION pg_temp.joined(OUT payments bigint, OUT joined bigint, OUT names text) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM murallink.payment), count(*), string_agg(DISTINCT concat_ws(' ', c.name, c.client_name, t.name, s.name, j.subject_id, m.code), ', ')
    FROM murallink.payment p JOIN murallink.dim_contract c ON c.uid = p.contract_uid JOIN murallink.dim_trial t ON t.uid = p.trial_uid
    JOIN murallink.dim_site s ON s.uid = p.site_uid JOIN murallink.dim_subject j ON j.uid = p.enrollment_uid
    LEFT JOIN murallink.dim_milestone m ON m.uid = p.milestone_uid
    WHERE p.milestone_uid IS NULL OR m.uid IS NOT NULL
$$;
SELECT * FROM pg_temp.joined();
SET SESSION AUTHORIZATION regress_history_admin;
SELECT count(murallink.revoke_all(user_uid => :'blind', resource_uid => :'client', note => 'another place')), murallink.grant(:'trial', 'view_payments', :'blind'),
    murallink.grant(:'trial', 'view_sites', :'blind'), murallink.grant(:'trial', 'view_trials', :'blind'), murallink.grant(:'trial', 'view_enrollments', :'blind');
SET SESSION AUTHORIZATION regress_history_blind;
SELECT * FROM pg_temp.joined();
SELECT count(*) AS of_sites_themselves FROM murallink.site;
SET SESSION AUTHORIZATION regress_history_admin;
SELECT count(murallink.revoke_all(user_uid => :'blind', resource_uid => :'client', note => 'no more'));
SET SESSION AUTHORIZATION regress_history_blind;
SELECT * FROM pg_temp.joined();
SELECT (SELECT count(*) FROM murallink.payment_history) + (SELECT count(*) FROM murallink.owed) + (SELECT count(*) FROM murallink.dim_trial) AS nothing;
RESET SESSION AUTHORIZATION;
