-- Visits that other systems report: found, paid once, corrected, kept while something is missing, and paid when funds come.
\set SHOW_CONTEXT never
CALL test.begin_day();
SET client_min_messages = warning;
SET datestyle = 'ISO';
CREATE ROLE regress_visit_done_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_visit_done_ctms LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_visit_done_edc LOGIN IN ROLE murallink_client;
CREATE ROLE regress_visit_done_coordinator LOGIN IN ROLE murallink_client;
CREATE ROLE regress_visit_done_operator LOGIN IN ROLE murallink_client, murallink_operator;

CREATE TEMPORARY TABLE thing (name text PRIMARY KEY, uid murallink.ksuid NOT NULL);
GRANT SELECT, INSERT ON thing TO PUBLIC;
CREATE FUNCTION pg_temp.uid(name text) RETURNS murallink.ksuid LANGUAGE sql AS 'SELECT uid FROM thing t WHERE t.name = uid.name';
-- What a report of the protocol V-1 is answered: the state and the reason, whose payment it has, or the error
CREATE FUNCTION pg_temp.report(source_ref text, subject_id text, visit_code text, days_ago integer DEFAULT 0, more jsonb DEFAULT '{}') RETURNS text
LANGUAGE sql AS $$
    SELECT CASE WHEN answer -> 'status_code' = '200' THEN concat_ws(' ', answer #>> '{payload,state}', answer #>> '{payload,reason}',
            CASE WHEN answer -> 'payload' ? 'payment_uid' THEN 'paid as ' || (
                SELECT coalesce(max(t.name), 'another') FROM thing t WHERE t.uid::text = answer #>> '{payload,payment_uid}') END)
        ELSE concat_ws(' ', answer -> 'status_code', answer #>> '{error,code}', answer #>> '{error,field}') END
    FROM murallink.api(jsonb_build_object('action', 'visit_done', 'payload', jsonb_build_object(
        'source', 'ctms', 'source_ref', source_ref, 'protocol_id', 'V-1', 'subject_id', subject_id, 'visit_code', visit_code,
        'visit_date', ((now() AT TIME ZONE 'UTC')::date - days_ago)::text) || more)) AS answer
$$;
-- The payments of a subject, each remembered by a name
CREATE FUNCTION pg_temp.payments(subject text) RETURNS TABLE (milestone text, occurrence integer, amount numeric, status text, days_ago integer)
LANGUAGE sql AS $$
    INSERT INTO thing SELECT format('%s %s %s', subject, p.milestone_code, p.occurrence), p.uid
    FROM murallink_private.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid WHERE e.subject_id = subject AND p.counts
    ON CONFLICT DO NOTHING;
    SELECT p.milestone_code, p.occurrence, p.amount, p.status::text, (now() AT TIME ZONE 'UTC')::date - p.visit_date
    FROM murallink_private.payment p JOIN murallink.enrollment e ON e.uid = p.enrollment_uid
    WHERE e.subject_id = subject ORDER BY p.milestone_code COLLATE "C", p.occurrence, p.created_at
$$;

SELECT email FROM murallink.create_admin('visit_done.admin@example.com', 'correct horse', 'Ada', 'Admin');
INSERT INTO thing SELECT name, (murallink.register('visit_done.' || name || '@example.com', 'correct horse', name, 'Report')).uid
FROM unnest('{ctms,edc,coordinator}'::text[]) AS name;
SELECT murallink.set_db_role('visit_done.' || name || '@example.com', 'regress_visit_done_' || name)
FROM unnest('{admin,ctms,edc,coordinator}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_visit_done_admin;
INSERT INTO thing SELECT 'client', uid FROM murallink.create_client('Reporting Pharma');
INSERT INTO thing SELECT 'contract', uid FROM murallink.create_contract(pg_temp.uid('client'), 'Reports', currency => 'USD');
INSERT INTO thing SELECT 'trial', uid FROM murallink.create_trial(pg_temp.uid('contract'), 'Reports', 'V-1');
INSERT INTO thing SELECT n, (murallink.create_site(n, pg_temp.uid('trial'))).uid FROM unnest('{north,south}'::text[]) AS n;
INSERT INTO thing SELECT name, (murallink.add_patient(pg_temp.uid('north'), name, 'Report', trial_uid => pg_temp.uid('trial'),
    subject_id => 'N-' || n)).uid
FROM unnest('{Ann,Bob,Cid,Dan,Eve,Fay,Gus}'::text[]) WITH ORDINALITY AS p (name, n);
SELECT count(murallink.add_milestone(name, amount, 'USD', pg_temp.uid('trial'), pg_temp.uid(site), times))
FROM (VALUES ('Week 1', 100, 1), ('Week 2', 50, 1), ('Call', 10, 3), ('Unscheduled', 25, 5)) AS m (name, amount, times), unnest('{north,south}'::text[]) AS site;
SELECT count(murallink.grant(pg_temp.uid('contract'), 'visit_done', pg_temp.uid(name))) FROM unnest('{ctms,edc}'::text[]) AS name;
SELECT count(murallink.grant(pg_temp.uid('contract'), permission, pg_temp.uid('coordinator')))
FROM unnest('{milestone_payment,view_enrollments,approve_payments}'::text[]) AS permission;
SELECT murallink.add_funding(pg_temp.uid('contract'), 1000);
RESET SESSION AUTHORIZATION;
UPDATE murallink.enrollment SET created_at = now() - interval '30 days' WHERE trial_uid = pg_temp.uid('trial');

-- In a trial that does not pay by itself a visit is payable, and milestone_payment pays it
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('v1', 'N-1', 'Week 1', 5) AS first, pg_temp.report('v1', 'N-1', 'Week 1', 5) AS again,
    pg_temp.report('v2', 'n-1 ', 'WEEK 2', 4) AS spelled, pg_temp.report('v3', 'N-1', 'Call', 4, '{"status": "partial"}') AS part;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-1');
SET SESSION AUTHORIZATION regress_visit_done_coordinator;
SELECT amount, status FROM murallink.milestone_payment(pg_temp.uid('Ann'), (
    SELECT uid FROM murallink.payable_milestones(pg_temp.uid('Ann'), pg_temp.uid('trial')) WHERE milestone = 'Week 1'), visit_date => (now() AT TIME ZONE 'UTC')::date - 5);
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-1');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('v1', 'N-1', 'Week 1', 5) AS paid, pg_temp.report('v1', 'N-1', 'Week 1', 6) AS changed;

-- the worker notes that somebody has paid a visit
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT amount FROM murallink.milestone_payment(pg_temp.uid('Ann'), (
    SELECT uid FROM murallink.payable_milestones(pg_temp.uid('Ann'), pg_temp.uid('trial')) WHERE milestone = 'Call'), 'half', fraction => 0.5);
RESET SESSION AUTHORIZATION;
UPDATE murallink.visit SET due_at = now() WHERE source_ref IN ('v2', 'v3') AND trial_uid = pg_temp.uid('trial');
SELECT murallink_private.visits_go_on() AS more;
SELECT source_ref, state, reason FROM murallink.visit WHERE source_ref LIKE 'v_' ORDER BY source_ref;

-- What is refused: a caller without the permission, a future day, one before the enrollment, and values that are none
SET SESSION AUTHORIZATION regress_visit_done_coordinator;
SELECT pg_temp.report('w', 'N-1', 'Week 1');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('w', 'N-2', 'Week 1', -2) AS future, pg_temp.report('w', 'N-2', 'Week 1', 40) AS before,
    pg_temp.report('w', 'N-2', 'Week 1', 40, '{"status": "not_done"}') AS before_not_done,
    pg_temp.report('w2', 'N-2', 'Week 1', 0, '{"repeat": 0}') AS repeat, pg_temp.report('w2', 'N-2', 'Week 1', 0, '{"status": "paid"}') AS status,
    pg_temp.report('w2', 'N-2', 'Week 1', 0, '{"source": "CTMS"}') AS source, pg_temp.report('', 'N-2', 'Week 1') AS no_ref,
    pg_temp.report('w2', 'N-2', 'Week 1', 0, '{"protocol_id": ""}') AS no_trial, pg_temp.report('w2', 'N-2', 'Week 1', 0, '{"amount": 7}') AS amount;
SELECT source_ref, state FROM murallink.visit WHERE source_ref LIKE 'w%' ORDER BY source_ref;
-- A caller with rights at several clients has no client for a trial that is not found
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT pg_temp.report('w3', 'N-2', 'Week 1', 0, '{"protocol_id": "V-9"}');
SELECT murallink.api('{"action": "visit_done", "payload": {"source": "ctms", "source_ref": "w4", "trial_ref": "T-9", "subject_id": "N-2",
    "visit_code": "Week 1", "visit_date": "2026-01-01"}}') #>> '{error,hint}' AS hint;
RESET SESSION AUTHORIZATION;

-- auto_pay pays at once, by the rules of milestone_payment; it is turned on by somebody who may pay
SET SESSION AUTHORIZATION regress_visit_done_coordinator;
SELECT test.answer('set_visit_rules', jsonb_build_object('trial_uid', pg_temp.uid('trial'), 'auto_pay', true, 'note', 'why'));
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT auto_pay, unscheduled_milestone, note FROM murallink.set_visit_rules(pg_temp.uid('trial'), true, note => 'CTMS is validated');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('b1', 'N-2', 'Week 1', 5) LIKE 'payment_made paid as %' AS made, pg_temp.report('v2', 'N-1', 'Week 2', 4) LIKE 'payment_made%' AS spelling_changed;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-2');
SELECT (u.email), p.note FROM murallink_private.payment p JOIN murallink.app_user u ON u.uid = p.requested_by_uid WHERE p.uid = pg_temp.uid('N-2 Week 1 1');
-- S31: the same report again, also from another system or after a coordinator, is paid once, and shows the first payment
SET SESSION AUTHORIZATION regress_visit_done_edc;
SELECT pg_temp.report('e1', 'N-2', 'Week 1', 5, '{"source": "edc"}') AS other_system, pg_temp.report('b1', 'N-2', 'Week 1', 5) AS other_user;
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('b1', 'N-2', 'Week 1', 5) AS again, pg_temp.report('b1', 'N-2', 'Week 1', 5, '{"note": "x"}') AS noted;
-- repeats are numbers of payments, in any order
SELECT n, left(pg_temp.report('c' || n, 'N-2', 'Call', 5 - n, jsonb_build_object('repeat', n)), 12) FROM unnest('{2,1,4}'::integer[]) AS n;
SELECT pg_temp.report('c1b', 'N-2', 'Call', 3, '{"repeat": 1}') LIKE 'already_paid%' AS twice;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-2');

-- A change of a paid visit is a conflict for a person; nothing is paid or taken. Said as it was paid, it is none
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('b1', 'N-2', 'Week 1', 3) AS changed, pg_temp.report('b1', 'N-2', 'Week 1', 3) AS again;
SET SESSION AUTHORIZATION regress_visit_done_operator;
SELECT kind, why, remedy, amount FROM murallink.needs_person WHERE kind = 'visit' ORDER BY why;
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('b1', 'N-2', 'Week 1', 5) AS changed_back, pg_temp.report('b1', 'N-2', 'Week 1', 2) AS once_more;
SELECT (now() AT TIME ZONE 'UTC')::date - c.visit_date AS days_ago, c.state FROM murallink.visit_change c JOIN murallink.visit v ON v.uid = c.visit_uid
WHERE v.source_ref = 'b1' ORDER BY c.replaced_at;
RESET SESSION AUTHORIZATION;
INSERT INTO thing SELECT 'b1', uid FROM murallink.visit WHERE source_ref = 'b1';
SELECT count(*) FROM pg_temp.payments('N-2') WHERE milestone = 'Week 1';
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT test.answer('resolve_visit', jsonb_build_object('visit_uid', pg_temp.uid('b1'), 'note', 'seen'));
SET SESSION AUTHORIZATION regress_visit_done_coordinator;
SELECT test.answer('resolve_visit', jsonb_build_object('visit_uid', pg_temp.uid('b1'))) AS no_note,
    test.answer('resolve_visit', jsonb_build_object('visit_uid', pg_temp.uid('b1'), 'note', 'typing error of the site')) AS resolved,
    test.answer('resolve_visit', jsonb_build_object('visit_uid', pg_temp.uid('b1'), 'note', 'again')) AS again;
SET SESSION AUTHORIZATION regress_visit_done_operator;
SELECT count(*) FROM murallink.needs_person WHERE uid = pg_temp.uid('b1');
SELECT test.answer('resolve_visit', jsonb_build_object('visit_uid', pg_temp.uid('b1'), 'note', 'again'));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('b1', 'N-2', 'Week 1', 2) AS closed, pg_temp.report('b1', 'N-2', 'Week 1', 1) AS changed;

-- another patient, another number, and a change of what a person has closed without a payment, are conflicts, too
SELECT pg_temp.report('c1', 'N-1', 'Call', 4, '{"repeat": 1}') AS patient, pg_temp.report('c2', 'N-2', 'Call', 3, '{"repeat": 1}') AS number,
    pg_temp.report('h1', 'N-1', 'Unscheduled', 3, '{"status": "partial"}') AS to_be_closed;
RESET SESSION AUTHORIZATION;
INSERT INTO thing SELECT 'h1', uid FROM murallink.visit WHERE source_ref = 'h1';
SET SESSION AUTHORIZATION regress_visit_done_coordinator;
SELECT test.answer('resolve_visit', jsonb_build_object('visit_uid', pg_temp.uid('h1'), 'note', 'not to be paid'));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('h1', 'N-1', 'Unscheduled', 3) AS changed;

-- A visit that was not done takes its own payment back while nothing is sent, and only then
SELECT pg_temp.report('d1', 'N-3', 'Week 1', 5) LIKE 'payment_made%' AS made, left(pg_temp.report('d1', 'N-3', 'Week 1', 5, '{"status": "not_done"}'), 8) AS not_done;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-3');
SELECT decision_note FROM murallink_private.payment WHERE status = 'rejected' AND trial_uid = pg_temp.uid('trial');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT left(pg_temp.report('d1', 'N-3', 'Week 1', 5), 21) AS done_after_all;
SELECT pg_temp.report('v1', 'N-1', 'Week 1', 5, '{"status": "withdrawn"}') AS paid_by_coordinator;
SELECT pg_temp.report('d2', 'N-3', 'Week 2', 5, '{"status": "not_done"}') AS never_done, left(pg_temp.report('d2', 'N-3', 'Week 2', 4), 12) AS done_later;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-3');

-- What is not found is kept, and paid when it appears: the subject, the code, the site, the trial
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('u1', 'N-99', 'Week 1', 1) AS subject, pg_temp.report('u2', 'N-4', 'SE_V2', 1) AS code,
    pg_temp.report('u3', 'N-4', 'Week 1', 1, '{"site_ref": "101"}') AS site, pg_temp.report('u4', 'N-4', 'Call', 1, '{"protocol_id": "", "trial_ref": "S77"}') AS trial;
SELECT source_ref, reason FROM murallink.unmatched_visits ORDER BY source_ref;
SET SESSION AUTHORIZATION regress_visit_done_edc;
SELECT pg_temp.report('u1', 'N-99', 'Week 1', 1) AS known_to_others;
SET SESSION AUTHORIZATION regress_visit_done_admin;
INSERT INTO thing SELECT 'Hal', (murallink.add_patient(pg_temp.uid('north'), 'Hal', 'Report', trial_uid => pg_temp.uid('trial'), subject_id => 'N-99')).uid;
SELECT kind, milestone FROM murallink.set_reference('milestone', pg_temp.uid('trial'), 'ctms', 'SE_V2', 'Week 2');
SELECT kind FROM murallink.set_reference('site', pg_temp.uid('north'), 'ctms', '101');
SELECT kind FROM murallink.set_reference('trial', pg_temp.uid('trial'), 'ctms', 'S77');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
-- sent again, it is tried again at once
SELECT left(pg_temp.report('u2', 'N-4', 'SE_V2', 1), 12) AS code;
RESET SESSION AUTHORIZATION;
-- the worker tries the others when they are due
SELECT murallink_private.visits_go_on() AS more;
SELECT source_ref, state FROM murallink.visit WHERE source_ref LIKE 'u%' ORDER BY source_ref;
UPDATE murallink.visit SET due_at = now() WHERE state = 'unmatched';
SELECT murallink_private.visits_go_on() AS more;
SELECT source_ref, state, reason, due_at > now() AS later FROM murallink.visit WHERE source_ref LIKE 'u%' ORDER BY source_ref;
SELECT * FROM pg_temp.payments('N-99');
SELECT * FROM pg_temp.payments('N-4');
-- whatever is ambiguous is not paid
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT kind FROM murallink.set_reference('enrollment', (SELECT uid FROM murallink.get_enrollments(pg_temp.uid('Eve'))), 'ctms', 'N-6');
SELECT kind FROM murallink.set_reference('enrollment', (SELECT uid FROM murallink.get_enrollments(pg_temp.uid('Gus'))), 'ctms', 'R-7');
SELECT kind FROM murallink.set_reference('milestone', pg_temp.uid('trial'), 'ctms', 'Week 1', 'Call');
SELECT kind FROM murallink.set_reference('site', pg_temp.uid('south'), 'ctms', '202');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('a1', 'N-6', 'Week 2', 1) AS subject, pg_temp.report('a2', 'N-5', 'Week 1', 1) AS code,
    left(pg_temp.report('a3', 'R-7', 'Week 2', 1), 12) AS referenced, pg_temp.report('a4', 'N-5', 'Week 2', 1, '{"site_ref": "202"}') AS site;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-7');

-- S20: a visit that nobody had planned is paid as the milestone for such visits, each reference once, and a day once
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT auto_pay, unscheduled_milestone FROM murallink.set_visit_rules(pg_temp.uid('trial'), unscheduled_milestone => 'unscheduled', note => 'protocol 6.2');
SELECT test.refusal(format('SELECT murallink.set_visit_rules(%L, unscheduled_milestone => ''Week 77'', note => ''no such milestone'')', pg_temp.uid('trial')));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT left(pg_temp.report('x1', 'N-5', 'AE-1', 9), 12) AS first, left(pg_temp.report('x2', 'N-5', 'AE-2', 7), 12) AS second,
    left(pg_temp.report('x1', 'N-5', 'AE-1', 9), 12) AS again, left(pg_temp.report('x3', 'N-5', 'ae visit', 9, '{"source": "edc"}'), 12) AS other_system;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-5');

-- many reports of one such visit at once pay it once, too
RESET SESSION AUTHORIZATION;
SELECT jsonb_agg(jsonb_build_object('source', source, 'source_ref', ref, 'protocol_id', 'V-1', 'subject_id', 'N-5', 'visit_code', code,
    'visit_date', ((now() AT TIME ZONE 'UTC')::date - days)::text) ORDER BY n) AS rows
FROM (VALUES (1, 'ctms', 'x4', 'AE-4', 5), (2, 'edc', 'x4', 'ae visit', 5), (3, 'ctms', 'x6', 'AE-4', 4)) AS given (n, source, ref, code, days) \gset
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT row_number, state, min(row_number) OVER (PARTITION BY payment_uid) AS paid_by FROM murallink.visits_done(:'rows') ORDER BY row_number;
-- A payment that does not say its day may be that of an earlier visit: a person decides. One of the same day is it
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT amount FROM murallink.milestone_payment(pg_temp.uid('Dan'), (
    SELECT uid FROM murallink.payable_milestones(pg_temp.uid('Dan'), pg_temp.uid('trial')) WHERE milestone = 'Unscheduled'));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('x7', 'N-4', 'AE-7', 2) AS earlier, pg_temp.report('x7', 'N-4', 'AE-7', 2) AS again, left(pg_temp.report('x8', 'N-4', 'AE-8', 0), 12) AS same_day,
    left(pg_temp.report('x9', 'N-4', 'AE-9', 3), 12) AS once_it_is_known;
-- one that was rejected, that names another day, or that was made before the visit, is not
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT uid AS rejected FROM murallink.milestone_payment(pg_temp.uid('Ann'), (
    SELECT uid FROM murallink.payable_milestones(pg_temp.uid('Ann'), pg_temp.uid('trial')) WHERE milestone = 'Unscheduled')) \gset
SELECT status FROM murallink.reject_payment(:'rejected', 'a mistake');
SELECT count(*) FROM murallink.milestone_payment(pg_temp.uid('Ann'), (
    SELECT uid FROM murallink.payable_milestones(pg_temp.uid('Ann'), pg_temp.uid('trial')) WHERE milestone = 'Unscheduled'), visit_date => (now() AT TIME ZONE 'UTC')::date - 4);
SELECT uid AS before FROM murallink.milestone_payment(pg_temp.uid('Ann'), (
    SELECT uid FROM murallink.payable_milestones(pg_temp.uid('Ann'), pg_temp.uid('trial')) WHERE milestone = 'Unscheduled')) \gset
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.payment SET created_at = now() - interval '9 days' WHERE uid = :'before';
COMMIT;
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT left(pg_temp.report('x10', 'N-1', 'AE-1', 6), 12) AS none_of_them, pg_temp.report('x11', 'N-1', 'AE-1', 10, '{"status": "partial"}') AS part,
    pg_temp.report('x12', 'N-1', 'AE-1', 11) AS that_one;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-4') WHERE milestone = 'Unscheduled';

-- S26: without funds what is owed is kept, and paid as soon as funds come, the oldest first
RESET SESSION AUTHORIZATION;
SELECT available AS left FROM murallink.fund_balance WHERE contract_uid = pg_temp.uid('contract') \gset
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT count(murallink.withdraw_funding(pg_temp.uid('contract'), :left, note => 'test', reference => 'all'));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('f1', 'N-6', 'Call', 2) AS newer, pg_temp.report('f2', 'N-7', 'Week 1', 8, '{"visit_code": "Call", "repeat": 2}') AS older,
    pg_temp.report('f2', 'N-7', 'Week 1', 8, '{"visit_code": "Call", "repeat": 2}') AS again;
RESET SESSION AUTHORIZATION;
SELECT murallink_private.visits_go_on() AS more;
SELECT source_ref, state, reason FROM murallink.visit WHERE source_ref LIKE 'f%' ORDER BY source_ref;
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT murallink.add_funding(pg_temp.uid('contract'), 15);
SET SESSION AUTHORIZATION regress_visit_done_ctms;
-- a new one does not overtake them
SELECT pg_temp.report('f3', 'N-5', 'Call', 1) AS new;
RESET SESSION AUTHORIZATION;
SELECT murallink_private.visits_go_on() AS more;
SELECT source_ref, state FROM murallink.visit WHERE source_ref LIKE 'f%' ORDER BY source_ref;
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT murallink.add_funding(pg_temp.uid('contract'), 1000);
-- what a user has reported who may not any more is left to a person
SELECT count(*) FROM murallink.revoke_all(pg_temp.uid('ctms'), pg_temp.uid('contract'), 'replaced');
RESET SESSION AUTHORIZATION;
SELECT murallink_private.visits_go_on() AS more;
SELECT source_ref, state FROM murallink.visit WHERE source_ref LIKE 'f%' ORDER BY source_ref;
SELECT count(*) FROM murallink.verify_ledger();

-- After a transfer what is not paid belongs to the site of its day; a reference to the patient holds
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT auto_pay FROM murallink.set_visit_rules(pg_temp.uid('trial'), false, note => 'by hand');
SELECT count(murallink.grant(pg_temp.uid('contract'), 'visit_done', pg_temp.uid('ctms')));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('t1', 'R-7', 'Week 1', 9, '{"visit_code": "call", "repeat": 3}') AS before, pg_temp.report('t2', 'R-7', 'Unscheduled', 1) AS after;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT left_on - (now() AT TIME ZONE 'UTC')::date AS left_on
FROM murallink.transfer_enrollment(pg_temp.uid('Gus'), pg_temp.uid('trial'), pg_temp.uid('south'), (now() AT TIME ZONE 'UTC')::date - 3, 'moved', 'S-7');
RESET SESSION AUTHORIZATION;
SELECT v.source_ref, v.state, v.reason, s.name FROM murallink.visit v LEFT JOIN murallink.site s ON s.uid = v.site_uid WHERE v.source_ref LIKE 't%' ORDER BY 1;
SELECT murallink_private.visits_go_on() AS more;
SELECT v.source_ref, v.state, v.reason, s.name FROM murallink.visit v LEFT JOIN murallink.site s ON s.uid = v.site_uid WHERE v.source_ref LIKE 't%' ORDER BY 1;
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('t3', 'R-7', 'Week 2', 0) AS by_reference, pg_temp.report('t4', 'S-7', 'Unscheduled', 8, '{"repeat": 2}') AS of_the_old_site;
RESET SESSION AUTHORIZATION;
SELECT v.source_ref, s.name FROM murallink.visit v JOIN murallink.site s ON s.uid = v.site_uid WHERE v.source_ref IN ('t3', 't4') ORDER BY 1;
-- Two records of one patient: what was reported of each stays with it, and both references hold
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('m1', 'N-5', 'Week 2', 2) AS of_the_one, pg_temp.report('m2', 'N-3', 'Week 2', 2) AS of_the_other;
RESET SESSION AUTHORIZATION;
SELECT murallink.merge_patients(pg_temp.uid('Eve'), pg_temp.uid('Cid'), 'one person');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('m1', 'N-5', 'Week 2', 2) AS of_the_one, pg_temp.report('m3', 'N-3', 'Week 2', 2) AS by_the_other;
RESET SESSION AUTHORIZATION;

-- A date that a trial refuses once a subject is found is a conflict for a person
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('g1', 'N-77', 'Week 1', 20) AS kept;
SET SESSION AUTHORIZATION regress_visit_done_admin;
INSERT INTO thing SELECT 'Ian', (murallink.add_patient(pg_temp.uid('north'), 'Ian', 'Report', trial_uid => pg_temp.uid('trial'), subject_id => 'N-77')).uid;
RESET SESSION AUTHORIZATION;
UPDATE murallink.visit SET due_at = now() WHERE source_ref = 'g1';
SELECT murallink_private.visits_go_on() AS more;
SELECT state, reason FROM murallink.visit WHERE source_ref = 'g1';

-- Many at once: each has an outcome of its own, in order, as as many calls would have; tried first, nothing remains
SELECT jsonb_agg(jsonb_build_object('source', 'ctms', 'source_ref', ref, 'protocol_id', 'V-1', 'subject_id', subject, 'visit_code', code,
    'visit_date', ((now() AT TIME ZONE 'UTC')::date - days)::text) || more ORDER BY n) AS rows
FROM (VALUES
    (1, 'r1', 'N-2', 'Week 2', 3, '{}'::jsonb), (2, 'r2', 'N-2', 'Call', 2, '{"repeat": 3}'), (3, 'r2', 'N-2', 'Call', 1, '{"repeat": 3}'),
    (4, 'r3', 'N-2', 'Call', 1, '{"repeat": 3, "source": "edc"}'), (5, 'r4', 'N-2', 'Week 1', -5, '{}'), (6, 'r5', 'N-404', 'Week 1', 1, '{}'),
    (7, 'r6', '', 'Week 1', 1, '{}'), (8, 'r7', 'N-2', 'Week 1', 1, '{"amount": 5}'), (9, 'r8', 'N-2', 'Week 1', 1, '{"repeat": "x"}'),
    (10, 'r9', 'N-1', 'Week 2', 1, '{"status": "withdrawn"}'), (11, 'r1', 'N-2', 'Week 2', 3, '{}'), (12, 'q1', 'N-6', 'Call', 5, '{"protocol_id": "V-404"}'),
    (13, 'q2', 'N-4', 'Call', 5, '{"repeat": 2}'), (14, 'q3', 'N-4', 'Call', 5, '{"repeat": 4}')) AS given (n, ref, subject, code, days, more) \gset
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT auto_pay FROM murallink.set_visit_rules(pg_temp.uid('trial'), true, note => 'again');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT count(*) AS before FROM murallink.visit \gset
SELECT row_number, source_ref, state, reason, uid IS NOT NULL AS known, payment_uid IS NOT NULL AS paid, error, field FROM murallink.visits_done(:'rows', true);
SELECT count(*) - :before AS added FROM murallink.visit;
SELECT row_number, source_ref, state, reason, uid IS NOT NULL AS known, payment_uid IS NOT NULL AS paid, error, field FROM murallink.visits_done(:'rows');
SELECT count(*) - :before AS added FROM murallink.visit;
-- sent again, nothing more is paid, and the answers are the same but for what the last row of a visit had changed
SELECT row_number, source_ref, state, reason, error, field FROM murallink.visits_done(:'rows');
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.payments('N-2') WHERE milestone <> 'Week 1';
SELECT * FROM pg_temp.payments('N-4');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT value, test.answer('visits_done', jsonb_build_object('rows', value)) FROM (VALUES ('null'::jsonb), ('{}'), ('[]'), ('[1]'), ('[{}]')) AS sent (value);
SELECT test.answer('visits_done', jsonb_build_object('rows', (SELECT jsonb_agg('{}'::jsonb) FROM generate_series(1, 10001)))) AS too_many;
RESET SESSION AUTHORIZATION;

-- Who reports for one site finds nothing of another one, nor learns that it is there; who sent a report sees it
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT count(murallink.revoke_all(pg_temp.uid('edc'), pg_temp.uid('contract'), 'test'));
SELECT count(murallink.grant(pg_temp.uid('south'), 'visit_done', pg_temp.uid('edc')));
SET SESSION AUTHORIZATION regress_visit_done_edc;
SELECT pg_temp.report('s1', 'N-1', 'Week 1', 1, '{"source": "edc"}') AS other_site, pg_temp.report('s2', 'S-7', 'Week 2', 1, '{"source": "edc"}') AS own_site,
    pg_temp.report('t4', 'S-7', 'Week 2', 1) AS of_another_user;
RESET SESSION AUTHORIZATION;
SELECT source_ref, state, (site_uid IS NULL) AS nowhere FROM murallink.visit WHERE source_ref LIKE 's_' ORDER BY source_ref;
SELECT count(*) FROM murallink.verify_ledger();

-- After a right has ended, its user changes nothing of the visits there, and pays none
SET SESSION AUTHORIZATION regress_visit_done_admin;
INSERT INTO thing SELECT 'other', uid FROM murallink.create_trial(pg_temp.uid('contract'), 'Other', 'V-2');
SELECT auto_pay FROM murallink.set_visit_rules(pg_temp.uid('trial'), false, note => 'by hand');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('z1', 'N-77', 'Week 2', 0) AS before;
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT auto_pay FROM murallink.set_visit_rules(pg_temp.uid('trial'), true, note => 'again');
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('z2', 'N-77', 'Call', 0) LIKE 'payment_made%' AS paid;
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT count(murallink.grant(pg_temp.uid('other'), 'visit_done', pg_temp.uid('ctms')));
SELECT count(murallink.revoke(user_uid => pg_temp.uid('ctms'), permission => 'visit_done', resource_uid => pg_temp.uid('contract'), note => 'test'));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('z1', 'N-77', 'Week 2', 0) AS same, pg_temp.report('z2', 'N-77', 'Call', 0, '{"status": "withdrawn"}') AS withdrawn,
    pg_temp.report('z2', 'N-77', 'Call', 0, '{"protocol_id": "V-2"}') AS elsewhere;
RESET SESSION AUTHORIZATION;
SELECT v.source_ref, v.state, p.status FROM murallink.visit v LEFT JOIN murallink_private.payment p ON p.uid = v.payment_uid WHERE v.source_ref LIKE 'z_' ORDER BY 1;

-- Visits that wait for funds are not paid once their trial pays visits no more by itself
SELECT available AS left FROM murallink.fund_balance WHERE contract_uid = pg_temp.uid('contract') \gset
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT count(murallink.grant(pg_temp.uid('contract'), 'visit_done', pg_temp.uid('ctms')));
SELECT count(murallink.withdraw_funding(pg_temp.uid('contract'), :left, note => 'test', reference => 'once more'));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('o1', 'N-77', 'Call', 0, '{"repeat": 2}') AS reported;
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT auto_pay FROM murallink.set_visit_rules(pg_temp.uid('trial'), false, note => 'the CTMS reports nonsense');
SELECT murallink.add_funding(pg_temp.uid('contract'), 1000);
RESET SESSION AUTHORIZATION;
SELECT murallink_private.visits_go_on() AS more;
SELECT state, reason, payment_uid FROM murallink.visit WHERE source_ref = 'o1';
-- nor is one that a payment by hand may have paid meanwhile
SELECT available AS left FROM murallink.fund_balance WHERE contract_uid = pg_temp.uid('contract') \gset
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT auto_pay FROM murallink.set_visit_rules(pg_temp.uid('trial'), true, note => 'again');
SELECT count(murallink.withdraw_funding(pg_temp.uid('contract'), :left, note => 'test', reference => 'last'));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('o2', 'N-77', 'AE-1', 0) AS reported;
RESET SESSION AUTHORIZATION;
UPDATE murallink.visit SET visit_date = visit_date - 1 WHERE source_ref = 'o2';
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT murallink.add_funding(pg_temp.uid('contract'), 1000);
SELECT amount FROM murallink.milestone_payment(pg_temp.uid('Ian'), (
    SELECT uid FROM murallink.payable_milestones(pg_temp.uid('Ian'), pg_temp.uid('trial')) WHERE milestone = 'Unscheduled'));
RESET SESSION AUTHORIZATION;
SELECT murallink_private.visits_go_on() AS more;
SELECT state, reason, payment_uid FROM murallink.visit WHERE source_ref = 'o2';

-- A reference that was removed finds nothing any more, and a trial of another client is as one that there is not
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT count(murallink.set_reference('trial', pg_temp.uid('trial'), 'ctms', '', note => 'a mistake')),
    count(murallink.set_reference('enrollment', (SELECT uid FROM murallink.get_enrollments(pg_temp.uid('Gus')) ORDER BY left_on NULLS LAST LIMIT 1), 'ctms', '', note => 'a mistake')),
    count(murallink.set_reference('milestone', pg_temp.uid('trial'), 'ctms', '', 'Call', 'a mistake'));
SELECT count(murallink.create_trial((murallink.create_contract((murallink.create_client('Another one')).uid, 'Another one', currency => 'USD')).uid, 'Another', 'V-7'));
SET SESSION AUTHORIZATION regress_visit_done_ctms;
SELECT pg_temp.report('n1', 'N-77', 'Call', 0, '{"protocol_id": "", "trial_ref": "S77"}') AS trial, pg_temp.report('n2', 'R-7', 'Week 2', 0) AS subject,
    left(pg_temp.report('n3', 'N-77', 'Week 1', 0), 12) AS code, pg_temp.report('n4', 'N-77', 'Week 1', 0, '{"protocol_id": "V-7"}') AS other_client;
-- The worker does nothing for a user who is deactivated
SELECT pg_temp.report('n5', 'N-88', 'Week 1', 0) AS kept;
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT murallink.deactivate_user(pg_temp.uid('ctms'), 'replaced');
SELECT count(murallink.add_patient(pg_temp.uid('north'), 'Jo', 'Report', trial_uid => pg_temp.uid('trial'), subject_id => 'N-88'));
RESET SESSION AUTHORIZATION;
UPDATE murallink.visit SET due_at = now() WHERE source_ref = 'n5';
SELECT murallink_private.visits_go_on() AS more;
SELECT state, reason FROM murallink.visit WHERE source_ref = 'n5';

-- A user reports for the client where the right is in force, whatever has ended elsewhere; what is not found there keeps the order of the reports
SET SESSION AUTHORIZATION regress_visit_done_admin;
INSERT INTO thing SELECT 'far', (murallink.create_client('Far')).uid;
SELECT count(murallink.grant(pg_temp.uid('far'), 'visit_done', pg_temp.uid('edc')));
SET SESSION AUTHORIZATION regress_visit_done_edc;
SELECT pg_temp.report('f1', 'N-1', 'Week 1', 0, '{"protocol_id": "V-9", "source": "edc"}') AS of_two_clients;
SET SESSION AUTHORIZATION regress_visit_done_admin;
SELECT count(murallink.revoke(user_uid => pg_temp.uid('edc'), permission => 'visit_done', resource_uid => pg_temp.uid('far'), note => 'test'));
SET SESSION AUTHORIZATION regress_visit_done_edc;
SELECT pg_temp.report('f1', 'N-1', 'Week 1', 0, '{"protocol_id": "V-9", "source": "edc"}') AS of_one;
SELECT count(v.uid) AS kept FROM murallink.visits_done((SELECT jsonb_agg(jsonb_build_object('source', 'edc', 'source_ref', ref, 'protocol_id', 'V-9', 'subject_id', 'N-1',
    'visit_code', 'Week 1', 'visit_date', ((now() AT TIME ZONE 'UTC')::date)::text) ORDER BY n) FROM unnest('{f4,f2,f3}'::text[]) WITH ORDINALITY AS r (ref, n))) v;
RESET SESSION AUTHORIZATION;
SELECT string_agg(source_ref, ' ' ORDER BY created_at) AS reported FROM murallink.visit WHERE source = 'edc' AND source_ref IN ('f2', 'f3', 'f4');
