-- Visits: on which days they are paid, in parts, by somebody else, and what limits them.
\set SHOW_CONTEXT never
CALL test.begin_day();
SET client_min_messages = warning;
SET datestyle = 'ISO';
CREATE ROLE regress_visit_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_visit_coordinator LOGIN IN ROLE murallink_client;
CREATE ROLE regress_visit_approver LOGIN IN ROLE murallink_client;

CREATE TEMPORARY TABLE thing (name text PRIMARY KEY, uid murallink.ksuid NOT NULL);
GRANT SELECT, INSERT ON thing TO PUBLIC;
CREATE FUNCTION pg_temp.uid(name text) RETURNS murallink.ksuid LANGUAGE sql AS 'SELECT uid FROM thing t WHERE t.name = uid.name';

-- What an action answers to a caller with these values, of which those in braces are uids by their name
CREATE FUNCTION pg_temp.says(action text, payload jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT test.answer(action, (
        SELECT jsonb_object_agg(key, CASE WHEN value #>> '{}' ~ '^\{.*\}$' THEN to_jsonb(pg_temp.uid(btrim(value #>> '{}', '{}'))) ELSE value END)
        FROM jsonb_each(payload)))
$$;

-- What becomes of somebody's enrollment at either site, and of payments to Ann there
CREATE FUNCTION pg_temp.days(name text) RETURNS TABLE (site text, enroll text, milestone text, manual text, travel text)
LANGUAGE plpgsql AS $$
BEGIN
    FOREACH site IN ARRAY '{west,east}'::text[] LOOP
        enroll := pg_temp.says('enroll', jsonb_build_object('patient_uid', format('{%s %s}', name, site), 'trial_uid', '{trial}',
            'site_uid', format('{%s}', site), 'subject_id', format('%s %s', name, site)));
        milestone := pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', format('{Ann %s}', site),
            'milestone_uid', format('{week %s}', site)));
        manual := pg_temp.says('manual_payment', jsonb_build_object('patient_uid', format('{Ann %s}', site), 'trial_uid', '{trial}', 'amount', 1));
        travel := pg_temp.says('travel_payment', jsonb_build_object('patient_uid', format('{Ann %s}', site), 'trial_uid', '{trial}', 'amount', 1));
        RETURN NEXT;
    END LOOP;
END
$$;

SELECT email FROM murallink.create_admin('visit.admin@example.com', 'correct horse', 'Ada', 'Admin');
INSERT INTO thing SELECT name, (murallink.register('visit.' || name || '@example.com', 'correct horse', name, 'Visit')).uid
FROM unnest('{coordinator,approver}'::text[]) AS name;
SELECT murallink.set_db_role('visit.' || name || '@example.com', 'regress_visit_' || name)
FROM unnest('{admin,coordinator,approver}'::text[]) AS name;

-- A trial at two sites, one of which has today what the other has tomorrow, whenever that is
SET SESSION AUTHORIZATION regress_visit_admin;
INSERT INTO thing SELECT 'client', uid FROM murallink.create_client('Visit Pharma');
INSERT INTO thing SELECT 'contract', uid FROM murallink.create_contract(pg_temp.uid('client'), 'Visits', currency => 'USD');
INSERT INTO thing SELECT 'trial', uid FROM murallink.create_trial(pg_temp.uid('contract'), 'Visits');
INSERT INTO thing SELECT 'west', uid FROM murallink.create_site('West', pg_temp.uid('trial'), time_zone => 'Pacific/Honolulu');
INSERT INTO thing SELECT 'east', uid FROM murallink.create_site('East', pg_temp.uid('trial'), time_zone => 'Pacific/Kiritimati');
INSERT INTO thing SELECT name || ' ' || site, (murallink.add_patient(pg_temp.uid(site), name, 'Visit')).uid
FROM unnest('{Ann,Bob,Cid,Dan,Eve,Fay}'::text[]) AS name, unnest('{west,east}'::text[]) AS site;
INSERT INTO thing SELECT 'week ' || site, (murallink.add_milestone('Week', 100, 'USD', pg_temp.uid('trial'), pg_temp.uid(site), 1000)).uid
FROM unnest('{west,east}'::text[]) AS site;
SELECT murallink.add_funding(pg_temp.uid('contract'), 100000);
SELECT count(murallink.grant(pg_temp.uid('trial'), permission, pg_temp.uid(person))) FROM (VALUES
    ('milestone_payment', 'coordinator'), ('manual_payment', 'coordinator'), ('travel_payment', 'coordinator'),
    ('enroll', 'coordinator'), ('view_payments', 'coordinator'), ('add_patient', 'coordinator'), ('approve_payments', 'approver'))
    AS granted (permission, person);
SELECT (now() AT TIME ZONE 'Pacific/Honolulu')::date AS west_day, (now() AT TIME ZONE 'Pacific/Honolulu')::date + 1 AS east_day \gset

-- The dates of a contract: nobody is enrolled and no visit is paid before the first or after the last day, where the site is
SELECT enforce_dates, contract_start_date, contract_end_date FROM murallink.get_contract(pg_temp.uid('contract'));
SELECT * FROM pg_temp.days('Ann');
SELECT contract_end_date = :'west_day'::timestamp AT TIME ZONE 'UTC' AS ends
FROM murallink.edit_contract(pg_temp.uid('contract'), contract_end_date => :'west_day');
SELECT * FROM pg_temp.days('Bob');
-- what was earned before is paid, a later visit is not
SELECT day, pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', '{Ann east}', 'milestone_uid', '{week east}', 'visit_date', date)) AS milestone,
    pg_temp.says('manual_payment', jsonb_build_object('patient_uid', '{Ann east}', 'trial_uid', '{trial}', 'amount', 1, 'visit_date', date)) AS manual,
    pg_temp.says('travel_payment', jsonb_build_object('patient_uid', '{Ann east}', 'trial_uid', '{trial}', 'amount', 1, 'visit_date', date)) AS travel
FROM (VALUES (1, 'the last', :'west_day'::date), (2, 'the next', :'east_day'::date)) AS visit (n, day, date) ORDER BY n;
RESET SESSION AUTHORIZATION;
-- also by a statement of the owner
SELECT test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, amount, currency, visit_date)
    SELECT uid, %L, %s, 1, ''USD'', %L FROM murallink.enrollment WHERE patient_uid = %L', kind,
    CASE kind WHEN 'milestone' THEN quote_literal(pg_temp.uid('week east')::text) ELSE 'NULL' END, :'east_day', pg_temp.uid('Ann east'))), kind
FROM unnest(enum_range(NULL::murallink.payment_kind)) AS kind;
SET SESSION AUTHORIZATION regress_visit_admin;
-- before the first day likewise
SELECT enforce_dates FROM murallink.edit_contract(pg_temp.uid('contract'), contract_start_date => :'east_day', contract_end_date => :'east_day');
SELECT * FROM pg_temp.days('Cid');
SELECT day, pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', '{Ann west}', 'milestone_uid', '{week west}', 'visit_date', date)) AS milestone
FROM (VALUES (1, 'the first', :'east_day'::date), (2, 'the one before', :'west_day'::date)) AS visit (n, day, date) ORDER BY n;
-- a site that moves to another time zone has another day
BEGIN;
SELECT (murallink.edit_site(pg_temp.uid('west'), time_zone => 'Pacific/Kiritimati')).time_zone;
SELECT * FROM pg_temp.days('Dan');
SELECT (murallink.edit_site(pg_temp.uid('west'), time_zone => 'Pacific/Honolulu')).time_zone;
SELECT milestone FROM pg_temp.days('Eve');
ROLLBACK;
-- unless the contract says otherwise
SELECT enforce_dates FROM murallink.edit_contract(pg_temp.uid('contract'), enforce_dates => false);
SELECT enforce_dates FROM murallink.edit_contract(pg_temp.uid('contract'), name => 'Visits of weeks');
SELECT jsonb_build_object('action', 'get_contract', 'payload', jsonb_build_object('contract_uid', pg_temp.uid('contract'))) AS asked \gset
SELECT murallink.api(:'asked') #> '{payload,enforce_dates}' AS shown;
SELECT * FROM pg_temp.days('Dan');
SELECT enforce_dates, murallink.api(:'asked') -> 'payload' ? 'enforce_dates' AS shown
FROM murallink.edit_contract(pg_temp.uid('contract'), enforce_dates => true);
SELECT * FROM pg_temp.days('Eve');
SELECT enforce_dates FROM murallink.create_contract(pg_temp.uid('client'), 'Open', currency => 'USD', enforce_dates => false);
SELECT value, pg_temp.says('edit_contract', jsonb_build_object('uid', '{contract}', 'enforce_dates', value))
FROM (VALUES (jsonb '"no"'), ('0'), ('null')) AS sent (value);
-- where there is only one date, or none
RESET SESSION AUTHORIZATION;
UPDATE murallink.contract SET contract_start_date = NULL WHERE uid = pg_temp.uid('contract');
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT site, milestone FROM pg_temp.days('Fay');
RESET SESSION AUTHORIZATION;
UPDATE murallink.contract SET contract_end_date = NULL WHERE uid = pg_temp.uid('contract');

-- A part of a visit is paid at its part of the price, rounded half up to the currency, with a note; the rest only by complete_payment,
-- once, at the price of the part
SET SESSION AUTHORIZATION regress_visit_admin;
INSERT INTO thing SELECT lower(name COLLATE "C"), (murallink.add_milestone(name, amount, currency, pg_temp.uid('trial'), pg_temp.uid('west'), times)).uid
FROM (VALUES ('Half', 75.01, 'USD', 1), ('Yen', 1, 'JPY', 1), ('Dinar', 1.001, 'KWD', 1), ('Twice', 30, 'USD', 2), ('Cent', 0.01, 'USD', 1))
    AS milestone (name, amount, currency, times);
SELECT pg_temp.says('enroll', jsonb_build_object('patient_uid', format('{%s west}', name), 'trial_uid', '{trial}', 'site_uid', '{west}',
    'subject_id', name)) AS enrolled
FROM unnest('{Cid,Eve}'::text[]) AS name;
SELECT murallink.add_funding(pg_temp.uid('contract'), 1000, currency) FROM unnest('{JPY,KWD}'::text[]) AS currency;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_visit_coordinator;
SELECT fraction, pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', '{Ann west}', 'milestone_uid', '{half}', 'note', 'left early',
    'fraction', fraction))
FROM unnest('{0,-0.5,1.01,0.001,0.505,1e-3,"\"0.5\"","\"\"",true}'::jsonb[]) AS fraction;
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Ann west}", "milestone_uid": "{half}", "fraction": 0.5}') AS no_note,
    pg_temp.says('milestone_payment', '{"patient_uid": "{Ann west}", "milestone_uid": "{half}", "fraction": 0.5, "note": " "}') AS blank_note,
    pg_temp.says('milestone_payment', '{"patient_uid": "{Ann west}", "milestone_uid": "{cent}", "fraction": 0.49, "note": "x"}') AS nothing_left;
SELECT murallink.api(jsonb_build_object('action', 'milestone_payment', 'payload', jsonb_build_object('patient_uid', pg_temp.uid('Ann west'),
    'milestone_uid', pg_temp.uid('half'), 'fraction', 0.50, 'note', 'left early'))) -> 'payload' AS part \gset
INSERT INTO thing VALUES ('part', (:'part'::jsonb ->> 'uid')::murallink.ksuid);
SELECT key, value FROM jsonb_each(:'part') WHERE key IN ('amount', 'currency', 'fraction', 'note', 'status', 'completes_uid', 'capped_from');
-- a half is up
SELECT amount, currency, fraction FROM murallink.milestone_payment(pg_temp.uid('Ann west'), pg_temp.uid('yen'), 'x', fraction => 0.5);
SELECT amount, currency, fraction FROM murallink.milestone_payment(pg_temp.uid('Ann west'), pg_temp.uid('dinar'), 'x', fraction => 0.5);
SELECT amount, fraction FROM murallink.milestone_payment(pg_temp.uid('Bob west'), pg_temp.uid('half'), fraction => 1.00);
SELECT amount, fraction FROM murallink.milestone_payment(pg_temp.uid('Cid west'), pg_temp.uid('half'), 'x', fraction => 0.01);
-- the rest is not payable but by its own command
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Ann west}", "milestone_uid": "{half}", "fraction": 0.5, "note": "x"}') AS other_half,
    (SELECT count(*) FROM murallink.payable_milestones(pg_temp.uid('Ann west'), pg_temp.uid('trial')) WHERE milestone = 'Half') AS payable;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT amount FROM murallink.add_milestone('Half', 90, 'USD', pg_temp.uid('trial'), pg_temp.uid('west'));
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_visit_coordinator;
SELECT payload, pg_temp.says('complete_payment', '{"payment_uid": "{part}", "note": "came back"}' || payload)
FROM (VALUES (jsonb '{"note": ""}'), ('{"note": null}'), ('{"payment_uid": null}'), ('{"payment_uid": "{Ann west}"}')) AS sent (payload);
SELECT pg_temp.says('complete_payment', jsonb_build_object('payment_uid', uid, 'note', 'x')) AS whole
FROM murallink.get_patient_payments(pg_temp.uid('Bob west'), pg_temp.uid('trial')) WHERE (milestone).milestone = 'Half';
SELECT pg_temp.says('complete_payment', jsonb_build_object('payment_uid', uid, 'note', 'x')) AS manual
FROM murallink.manual_payment(pg_temp.uid('Ann west'), pg_temp.uid('trial'), 1);
SELECT pg_temp.says('complete_payment', jsonb_build_object('payment_uid', uid, 'note', 'x')) AS nothing_left_of_a_yen
FROM murallink.get_patient_payments(pg_temp.uid('Ann west'), pg_temp.uid('trial')) WHERE (milestone).milestone = 'Yen';
SELECT amount, currency, p.status, note, fraction, completes_uid = pg_temp.uid('part') AS completes, (milestone).amount AS price
FROM murallink.complete_payment(pg_temp.uid('part'), 'came back') AS p;
SELECT pg_temp.says('complete_payment', '{"payment_uid": "{part}", "note": "again"}') AS again;
SELECT amount, fraction, completes_uid = pg_temp.uid('part') AS completes, note
FROM murallink.get_patient_payments(pg_temp.uid('Ann west'), pg_temp.uid('trial')) WHERE (milestone).milestone = 'Half';
SELECT amount FROM murallink.complete_payment((SELECT uid FROM murallink.get_patient_payments(pg_temp.uid('Ann west'), pg_temp.uid('trial'))
    WHERE (milestone).milestone = 'Dinar'), 'x');
-- the rest itself is no part
SELECT pg_temp.says('complete_payment', jsonb_build_object('payment_uid', uid, 'note', 'x')) AS rest_of_the_rest
FROM murallink.get_patient_payments(pg_temp.uid('Ann west'), pg_temp.uid('trial')) WHERE completes_uid IS NOT NULL LIMIT 1;
RESET SESSION AUTHORIZATION;
-- a rest that was rejected can be paid again; a part that was is none any more, and the milestone is open when the rest is gone, too
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT (murallink.reject_payment(uid, 'mistake')).status FROM murallink.get_patient_payments(pg_temp.uid('Ann west'), pg_temp.uid('trial'))
WHERE completes_uid = pg_temp.uid('part');
SELECT amount FROM murallink.complete_payment(pg_temp.uid('part'), 'now');
SELECT (murallink.reject_payment(pg_temp.uid('part'), 'mistake')).status;
SELECT pg_temp.says('complete_payment', '{"payment_uid": "{part}", "note": "again"}') AS completed,
    pg_temp.says('milestone_payment', '{"patient_uid": "{Ann west}", "milestone_uid": "{half}"}') AS milestone;
SELECT (murallink.reject_payment(uid, 'mistake')).status FROM murallink.get_patient_payments(pg_temp.uid('Ann west'), pg_temp.uid('trial')) AS p
WHERE completes_uid = pg_temp.uid('part') AND p.status = 'pending';
SELECT pg_temp.says('complete_payment', '{"payment_uid": "{part}", "note": "again"}') AS completed;
SELECT amount, fraction FROM murallink.milestone_payment(pg_temp.uid('Ann west'), pg_temp.uid('half'), 'x', fraction => 0.25);
-- parts of a milestone that is paid twice count as one payment each
SELECT count(murallink.milestone_payment(pg_temp.uid('Ann west'), pg_temp.uid('twice'), 'x', fraction => 0.5));
SELECT amount FROM murallink.complete_payment((SELECT uid FROM murallink.get_patient_payments(pg_temp.uid('Ann west'), pg_temp.uid('trial'))
    WHERE (milestone).milestone = 'Twice'), 'x');
SELECT milestone, num_payments, paid FROM murallink.payable_milestones(pg_temp.uid('Ann west'), pg_temp.uid('trial')) WHERE milestone = 'Twice';
SELECT amount FROM murallink.milestone_payment(pg_temp.uid('Ann west'), pg_temp.uid('twice'));
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Ann west}", "milestone_uid": "{twice}"}') AS third;
RESET SESSION AUTHORIZATION;
-- a part that was paid and comes back: its rest stays paid, and as long as it is, the milestone is not payable
UPDATE murallink.contract SET default_payment_type_uid = (SELECT uid FROM murallink_private.payment_type WHERE name = 'check')
WHERE uid = pg_temp.uid('contract');
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT uid AS bobs, amount FROM murallink.milestone_payment(pg_temp.uid('Bob west'), pg_temp.uid('dinar'), 'x', fraction => 0.5) \gset
SELECT uid AS bobs_rest, amount FROM murallink.complete_payment(:'bobs', 'x') \gset
SELECT (murallink.approve_payment(uid::murallink.ksuid)).status FROM unnest(ARRAY[:'bobs', :'bobs_rest']) AS uid;
RESET SESSION AUTHORIZATION;
SELECT (murallink.settle_payout(o.uid, 'paid', 'check 1', 'by mail')).amount FROM murallink_private.payout o WHERE o.payment_uid IN (:'bobs', :'bobs_rest')
ORDER BY 1;
SELECT (murallink.reverse_payment(:'bobs', 'the check was lost')).amount;
SELECT p.status, amount, fraction, decision_note FROM murallink.payment p WHERE uid IN (:'bobs', :'bobs_rest') ORDER BY amount;
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT pg_temp.says('complete_payment', jsonb_build_object('payment_uid', :'bobs', 'note', 'again')) AS completed,
    pg_temp.says('milestone_payment', '{"patient_uid": "{Bob west}", "milestone_uid": "{dinar}"}') AS milestone;
RESET SESSION AUTHORIZATION;
SELECT (murallink.reverse_payment(:'bobs_rest', 'the check was lost')).amount;
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Bob west}", "milestone_uid": "{dinar}"}') AS again;
RESET SESSION AUTHORIZATION;
-- A patient who withdraws in the middle (S18): what was done before is owed, half a visit as a half; what is owed is a list
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT (murallink.set_enrollment_status('dropped', pg_temp.uid('trial'), pg_temp.uid('Dan west'), :'west_day')).status;
SELECT string_agg(milestone, ', ') AS owed FROM murallink.payable_milestones(pg_temp.uid('Dan west'), pg_temp.uid('trial'));
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Dan west}", "milestone_uid": "{half}", "fraction": 0.5, "note": "left"}') AS no_day;
SELECT uid AS dans, amount FROM murallink.milestone_payment(pg_temp.uid('Dan west'), pg_temp.uid('half'), 'left', :'west_day'::date, 0.5) \gset
\echo :amount
SELECT amount FROM murallink.complete_payment(:'dans', 'the sponsor pays all of it');
RESET SESSION AUTHORIZATION;
SELECT visit_date = :'west_day' AS day_of_the_part, note, requested_by_uid IS NOT NULL AS by FROM murallink.payment WHERE completes_uid = :'dans';
-- no statement of the owner pays another part, another rest, or a rest of somebody else's
SELECT what, test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, amount, currency, note, fraction,
    completes_uid) SELECT e.uid, %L, %L, 1, ''USD'', %L, %s, %s FROM murallink.enrollment e WHERE patient_uid = %L',
    kind, CASE kind WHEN 'milestone' THEN pg_temp.uid('half') END, note, fraction, completes, pg_temp.uid('Eve west')))
FROM (VALUES (1, 'too fine', 'milestone', 'x', '0.505', 'NULL'), (2, 'nothing', 'milestone', 'x', '0', 'NULL'),
    (3, 'too much', 'milestone', 'x', '1.5', 'NULL'),
    (4, 'no note', 'milestone', '', '0.5', 'NULL'), (5, 'a part of no milestone', 'manual', 'x', '0.5', 'NULL'),
    (6, 'a rest of no milestone', 'travel', 'x', 'NULL', quote_literal(:'dans')), (7, 'the rest of another', 'milestone', 'x', 'NULL', quote_literal(:'dans')))
    AS tried (n, what, kind, note, fraction, completes) ORDER BY n;
-- what was paid does not change; a contradiction is seen
SELECT test.refusal(format('UPDATE murallink_private.payment SET %s WHERE uid = %L', assignment, :'dans')) AS refused
FROM unnest('{fraction = 0.25,fraction = NULL,completes_uid = uid,capped_from = 100}'::text[]) AS assignment;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.payment SET fraction = 0.25 WHERE uid = :'dans';
SELECT regexp_replace(problem, '[0-9A-Za-z]{27}', '<uid>') AS problem FROM murallink_private.verify_payments();
ROLLBACK;

-- A milestone that somebody else has paid is not payable and moves no funds
CREATE VIEW pg_temp.books AS SELECT currency, reserved, available FROM murallink.fund_balance WHERE contract_uid = pg_temp.uid('contract');
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.books;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_visit_coordinator;
SELECT payload, pg_temp.says('mark_paid_elsewhere', '{"patient_uid": "{Fay west}", "trial_uid": "{trial}", "milestone": "Half",
    "note": "the sponsor paid"}' || payload)
FROM (VALUES (jsonb '{"note": " "}'), ('{"note": null}'), ('{"milestone": ""}'), ('{"milestone": "Week 99"}'), ('{"patient_uid": "{trial}"}'),
    ('{"trial_uid": "{west}"}'), ('{"trial_uid": null}')) AS sent (payload);
SELECT p.status, amount, note, (milestone).milestone, payment_type
FROM murallink.mark_paid_elsewhere(pg_temp.uid('Fay west'), pg_temp.uid('trial'), ' HALF ', 'the sponsor paid') AS p;
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Fay west}", "milestone_uid": "{half}"}') AS pay,
    pg_temp.says('mark_paid_elsewhere', '{"patient_uid": "{Fay west}", "trial_uid": "{trial}", "milestone": "half", "note": "x"}') AS again,
    (SELECT count(*) FROM murallink.payable_milestones(pg_temp.uid('Fay west'), pg_temp.uid('trial')) WHERE milestone = 'Half') AS payable;
-- one that is paid twice is left once
SELECT p.status FROM murallink.mark_paid_elsewhere(pg_temp.uid('Fay west'), pg_temp.uid('trial'), 'Twice', 'the sponsor paid') AS p;
SELECT milestone, num_payments, paid, elsewhere FROM murallink.payable_milestones(pg_temp.uid('Fay west'), pg_temp.uid('trial')) WHERE milestone = 'Twice';
-- what is paid cannot be marked
SELECT pg_temp.says('mark_paid_elsewhere', '{"patient_uid": "{Bob west}", "trial_uid": "{trial}", "milestone": "Half", "note": "x"}') AS paid;
SELECT p.status, amount, note FROM murallink.get_patient_payments(pg_temp.uid('Fay west'), pg_temp.uid('trial')) AS p;
RESET SESSION AUTHORIZATION;
SELECT count(*) AS moved FROM (TABLE pg_temp.books EXCEPT TABLE before) AS moved;
-- also when the contract has ended, and for a patient who was dropped
UPDATE murallink.contract SET contract_end_date = '2000-01-01' WHERE uid = pg_temp.uid('contract');
SET SESSION AUTHORIZATION regress_visit_coordinator;
SELECT pg_temp.says('mark_paid_elsewhere', '{"patient_uid": "{Dan west}", "trial_uid": "{trial}", "milestone": "Cent", "note": "x"}') AS marked;
RESET SESSION AUTHORIZATION;
UPDATE murallink.contract SET contract_end_date = NULL WHERE uid = pg_temp.uid('contract');
-- a mark is no payment: it is not approved, rejected, cancelled or completed
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT action, pg_temp.says(action, jsonb_build_object('payment_uid', uid, 'note', 'x'))
FROM murallink.get_patient_payments(pg_temp.uid('Fay west'), pg_temp.uid('trial')) AS p,
    unnest('{approve_payment,reject_payment,cancel_payment,complete_payment}'::text[]) AS action
WHERE (milestone).milestone = 'Half';
SELECT action, a #>> '{error,hint}' AS hint
FROM murallink.get_patient_payments(pg_temp.uid('Fay west'), pg_temp.uid('trial')) AS p,
    unnest('{approve_payment,reject_payment,cancel_payment}'::text[]) AS action,
    LATERAL murallink.api(jsonb_build_object('action', action, 'payload', jsonb_build_object('payment_uid', p.uid, 'note', 'x'))) AS a
WHERE (milestone).milestone = 'Half';
RESET SESSION AUTHORIZATION;
-- and the way back
SET SESSION AUTHORIZATION regress_visit_coordinator;
SELECT payload, pg_temp.says('unmark_paid_elsewhere', '{"patient_uid": "{Fay west}", "trial_uid": "{trial}", "milestone": "Half", "note": "no"}' || payload)
FROM (VALUES (jsonb '{"note": ""}'), ('{"milestone": null}'), ('{"milestone": "Week 99"}'), ('{"milestone": "Yen"}'),
    ('{"patient_uid": "{Bob west}"}')) AS sent (payload);
SELECT p.status, decision_note FROM murallink.unmark_paid_elsewhere(pg_temp.uid('Fay west'), pg_temp.uid('trial'), 'half', 'another patient') AS p;
SELECT pg_temp.says('unmark_paid_elsewhere', '{"patient_uid": "{Fay west}", "trial_uid": "{trial}", "milestone": "Half", "note": "no"}') AS again,
    pg_temp.says('milestone_payment', '{"patient_uid": "{Fay west}", "milestone_uid": "{half}"}') AS pay;
RESET SESSION AUTHORIZATION;
SELECT (e.changes -> 'status') AS status, (e.changes -> 'decision_note') AS note FROM murallink.audit_event e JOIN murallink.payment p ON p.uid = e.resource_uid
WHERE p.patient_uid = pg_temp.uid('Fay west') AND p.status = 'unmarked' AND e.action = 'changed';
SELECT (b.reserved, b.available) = (a.reserved + 90, a.available - 90) AS moved_by_the_payment_only
FROM pg_temp.books b JOIN before a USING (currency) WHERE currency = 'USD';
-- no statement of the owner moves funds for a mark, or makes one of another kind
SELECT kind, test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, amount, currency, status, note)
    SELECT uid, %L, %s, 1, ''USD'', %L, %L FROM murallink.enrollment WHERE patient_uid = %L', kind,
    CASE kind WHEN 'milestone' THEN quote_literal(pg_temp.uid('cent')::text) ELSE 'NULL' END, status, note, pg_temp.uid('Eve west'))) AS refused, status, note
FROM (VALUES ('manual', 'elsewhere', 'x'), ('milestone', 'unmarked', 'x'), ('milestone', 'elsewhere', '')) AS tried (kind, status, note);
SELECT count(*) AS problems FROM murallink_private.verify_payments() WHERE contract_uid = pg_temp.uid('contract');
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.payment SET status = 'pending' WHERE patient_uid = pg_temp.uid('Fay west') AND status = 'elsewhere';
SELECT regexp_replace(problem, '[0-9A-Za-z]{27}', '<uid>') AS problem FROM murallink_private.verify_payments();
ROLLBACK;

-- In a trial that prices by the day of the visit a mark needs none; it has the version of the day at the site. Payments do need one
SET SESSION AUTHORIZATION regress_visit_admin;
INSERT INTO thing SELECT 'priced', uid FROM murallink.create_trial(pg_temp.uid('contract'), 'Priced by visit');
SELECT count(murallink.add_trial_site(pg_temp.uid('priced'), pg_temp.uid(site))), (murallink.set_pricing(pg_temp.uid('priced'), 'visit', note => 'protocol')).price_by
FROM unnest('{west,east}'::text[]) AS site GROUP BY 2;
INSERT INTO thing SELECT 'lab ' || site, (murallink.add_milestone('Lab', 30, 'USD', pg_temp.uid('priced'), pg_temp.uid(site))).uid
FROM unnest('{west,east}'::text[]) AS site;
SELECT count(murallink.add_milestone('Lab', 20, 'USD', pg_temp.uid('priced'), pg_temp.uid(site), effective_date => '2025-01-01'))
FROM unnest('{west,east}'::text[]) AS site;
SELECT site, pg_temp.says('enroll', jsonb_build_object('patient_uid', format('{Eve %s}', site), 'trial_uid', '{priced}', 'site_uid', format('{%s}', site),
    'subject_id', 'priced ' || site)) AS enrolled
FROM unnest('{west,east}'::text[]) AS site;
CREATE FUNCTION pg_temp.priced(site text, more jsonb) RETURNS text LANGUAGE sql
RETURN pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', format('{Eve %s}', site), 'milestone_uid', format('{lab %s}', site)) || more);
SELECT site, p.status, p.amount, (p.milestone).amount AS price, m.amount AS payable
FROM unnest('{west,east}'::text[]) AS site, LATERAL murallink.payable_milestones(pg_temp.uid('Eve ' || site), pg_temp.uid('priced')) AS m,
    LATERAL murallink.mark_paid_elsewhere(pg_temp.uid('Eve ' || site), pg_temp.uid('priced'), 'lab', 'cash') AS p;
SELECT site, pg_temp.priced(site, jsonb_build_object('visit_date', date)) AS paid
FROM (VALUES ('west', :'west_day'), ('east', :'east_day')) AS place (site, date);
SELECT site, p.status FROM unnest('{west,east}'::text[]) AS site,
    LATERAL murallink.unmark_paid_elsewhere(pg_temp.uid('Eve ' || site), pg_temp.uid('priced'), 'LAB', 'no') AS p;
SELECT site, pg_temp.priced(site, '{}') AS no_day, pg_temp.priced(site, jsonb_build_object('visit_date', date)) AS with_day
FROM (VALUES ('west', :'west_day'), ('east', :'east_day')) AS place (site, date);
DROP FUNCTION pg_temp.priced(text, jsonb);
RESET SESSION AUTHORIZATION;

-- A visit that nobody had planned (S20) is paid as often as its price says, and then needs a decision
SET SESSION AUTHORIZATION regress_visit_admin;
INSERT INTO thing SELECT 'unplanned', uid FROM murallink.add_milestone('Unplanned visit', 20, 'USD', pg_temp.uid('trial'), pg_temp.uid('west'), 2);
SELECT n, pg_temp.says('milestone_payment', '{"patient_uid": "{Eve west}", "milestone_uid": "{unplanned}"}') FROM generate_series(1, 3) AS n;
SELECT p.status FROM murallink.manual_payment(pg_temp.uid('Eve west'), pg_temp.uid('trial'), 20, note => 'unplanned visit') AS p;
RESET SESSION AUTHORIZATION;

-- Of a group of milestones one is payable: what is paid, or marked, excludes the others, also what was paid before there was the group
SET SESSION AUTHORIZATION regress_visit_admin;
INSERT INTO thing SELECT lower(name COLLATE "C"), (murallink.add_milestone(name, 40, 'USD', pg_temp.uid('trial'), pg_temp.uid('west'), times)).uid
FROM (VALUES ('Week 10', 1), ('Early termination', 1), ('Diary', 3)) AS milestone (name, times);
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Ann west}", "milestone_uid": "{week 10}"}') AS paid_before;
SELECT payload, pg_temp.says('set_exclusive_milestones', '{"trial_uid": "{trial}", "group_name": "End", "note": "protocol 3.2",
    "milestones": ["week 10", "Early Termination"]}' || payload)
FROM (VALUES (jsonb '{"note": ""}'), ('{"group_name": null}'), ('{"milestones": null}'), ('{"milestones": "Week 10"}'), ('{"milestones": [1]}'),
    ('{"milestones": ["Week 10"]}'), ('{"milestones": ["Week 10", "WEEK 10"]}'), ('{"milestones": ["Week 10", "Week 99"]}'), ('{"trial_uid": "{west}"}'))
    AS sent (payload);
SELECT murallink.set_exclusive_milestones(pg_temp.uid('trial'), 'End', '["week 10", "Early Termination"]', 'protocol 3.2') AS groups;
SELECT pg_temp.says('set_exclusive_milestones', '{"trial_uid": "{trial}", "group_name": "Last", "note": "x", "milestones": ["Diary",
    "week 10"]}') AS in_another;
SELECT who, pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', who, 'milestone_uid', milestone)), milestone
FROM (VALUES (1, '{Ann west}', '{early termination}'), (2, '{Bob west}', '{early termination}'), (3, '{Bob west}', '{week 10}'),
    (4, '{Ann west}', '{week 10}')) AS paid (n, who, milestone) ORDER BY n;
SELECT pg_temp.says('mark_paid_elsewhere', '{"patient_uid": "{Fay west}", "trial_uid": "{trial}", "milestone": "Week 10", "note": "cash"}') AS mark,
    pg_temp.says('milestone_payment', '{"patient_uid": "{Fay west}", "milestone_uid": "{early termination}"}') AS pay,
    pg_temp.says('mark_paid_elsewhere', '{"patient_uid": "{Fay west}", "trial_uid": "{trial}", "milestone": "Early termination", "note": "cash"}') AS mark_both;
SELECT who, (SELECT string_agg(milestone, ', ') FROM murallink.payable_milestones(pg_temp.uid(who), pg_temp.uid('trial'))
    WHERE milestone IN ('Week 10', 'Early termination')) AS payable
FROM unnest('{Ann west,Bob west,Fay west,Eve west}'::text[]) AS who;
-- what was rejected or unmarked excludes nothing
SELECT (murallink.reject_payment(uid, 'no')).status FROM murallink.get_patient_payments(pg_temp.uid('Ann west'), pg_temp.uid('trial'))
WHERE (milestone).milestone = 'Week 10';
SELECT (murallink.unmark_paid_elsewhere(pg_temp.uid('Fay west'), pg_temp.uid('trial'), 'Week 10', 'no')).status;
SELECT who, pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', who, 'milestone_uid', '{early termination}'))
FROM unnest('{\{Ann west\},\{Fay west\}}'::text[]) AS who;
-- one that is payable several times stays so
SELECT murallink.set_exclusive_milestones(pg_temp.uid('trial'), 'END', '["Week 10", "Diary"]', 'amendment 2') AS groups;
SELECT n, pg_temp.says('milestone_payment', '{"patient_uid": "{Eve west}", "milestone_uid": "{diary}"}') FROM generate_series(1, 4) AS n;
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Eve west}", "milestone_uid": "{week 10}"}') AS excluded,
    pg_temp.says('milestone_payment', '{"patient_uid": "{Eve west}", "milestone_uid": "{early termination}"}') AS not_any_more;
-- a part of one can be completed
SELECT amount FROM murallink.milestone_payment(pg_temp.uid('Cid west'), pg_temp.uid('diary'), 'x', fraction => 0.5);
SELECT (murallink.complete_payment(uid, 'x')).amount
FROM murallink.get_patient_payments(pg_temp.uid('Cid west'), pg_temp.uid('trial')) WHERE fraction IS NOT NULL
    AND (milestone).milestone = 'Diary';
SELECT murallink.set_exclusive_milestones(pg_temp.uid('trial'), 'End', '[]', 'no group any more') AS groups;
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Eve west}", "milestone_uid": "{week 10}"}') AS after_the_group;
RESET SESSION AUTHORIZATION;
SELECT e.changes ->> 'exclusive_milestones' AS milestones, e.changes ->> 'exclusive_note' AS why
FROM murallink.audit_event e WHERE e.resource_uid = pg_temp.uid('trial') AND e.action = 'changed' ORDER BY e.at;
SET SESSION AUTHORIZATION regress_visit_coordinator;
SELECT pg_temp.says('set_exclusive_milestones', '{"trial_uid": "{trial}", "group_name": "End", "note": "x", "milestones": []}') AS groups,
    pg_temp.says('set_day_cap', '{"trial_uid": "{trial}", "site_uid": "{west}", "note": "x", "amount": 1}') AS cap;
RESET SESSION AUTHORIZATION;

-- What milestones are paid for the visits of one day is cut to the cap, and says so
SET SESSION AUTHORIZATION regress_visit_admin;
INSERT INTO thing SELECT lower(name COLLATE "C"), (murallink.add_milestone(name, amount, currency, pg_temp.uid('trial'), pg_temp.uid('west'), 10)).uid
FROM (VALUES ('Blood', 60, 'USD'), ('X-ray', 50, 'USD'), ('Interview', 500, 'JPY')) AS milestone (name, amount, currency);
INSERT INTO thing SELECT 'Gus west', (murallink.add_patient(pg_temp.uid('west'), 'Gus', 'Visit')).uid;
SELECT pg_temp.says('enroll', '{"patient_uid": "{Gus west}", "trial_uid": "{trial}", "site_uid": "{west}", "subject_id": "Gus"}') AS enrolled;
SELECT payload, pg_temp.says('set_day_cap', '{"trial_uid": "{trial}", "site_uid": "{west}", "amount": 100, "note": "two visits on one day"}' || payload)
FROM (VALUES (jsonb '{"note": ""}'), ('{"amount": null}'), ('{"amount": -1}'), ('{"amount": 1.001}'), ('{"currency": "usd"}'),
    ('{"currency": "JPY", "amount": 1.5}'),
    ('{"site_uid": null}'), ('{"trial_uid": "{west}"}')) AS sent (payload);
SELECT murallink.set_day_cap(pg_temp.uid('trial'), pg_temp.uid('west'), 100, note => 'two visits on one day');
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('blood'));
-- today is the day where the site is, given or not
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('x-ray'), visit_date => :'west_day'::date);
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Gus west}", "milestone_uid": "{blood}"}') AS nothing_left,
    pg_temp.says('manual_payment', '{"patient_uid": "{Gus west}", "trial_uid": "{trial}", "amount": 5}') AS manual,
    pg_temp.says('travel_payment', '{"patient_uid": "{Gus west}", "trial_uid": "{trial}", "amount": 5}') AS travel,
    pg_temp.says('mark_paid_elsewhere', '{"patient_uid": "{Gus west}", "trial_uid": "{trial}", "milestone": "Blood", "note": "cash"}') AS mark;
SELECT amount, currency, capped_from FROM murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('interview'));
-- another day has its own, and what is rejected makes room
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('x-ray'), visit_date => :'east_day'::date);
SELECT (murallink.reject_payment(uid, 'no')).amount
FROM murallink.get_patient_payments(pg_temp.uid('Gus west'), pg_temp.uid('trial')) WHERE capped_from IS NOT NULL;
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('blood'));
-- parts are cut, too; the rest is for the same day, and what was cut stays cut
SELECT uid AS part, amount, fraction, capped_from FROM murallink.milestone_payment(
    pg_temp.uid('Gus west'), pg_temp.uid('blood'), 'x', :'east_day'::date, fraction => 0.9) \gset
\echo :amount :fraction :capped_from
SELECT pg_temp.says('complete_payment', jsonb_build_object('payment_uid', :'part', 'note', 'x')) AS nothing_left;
SELECT murallink.set_day_cap(pg_temp.uid('trial'), pg_temp.uid('west'), 103, note => 'more');
SELECT amount, capped_from FROM murallink.complete_payment(:'part', 'x');
-- without the cap
SELECT murallink.set_day_cap(pg_temp.uid('trial'), pg_temp.uid('west'), 0, note => 'no cap');
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('blood'));
RESET SESSION AUTHORIZATION;
SELECT changes ->> 'day_cap' AS cap, changes ->> 'day_cap_note' AS why FROM murallink.audit_event
WHERE resource = 'trial_site' AND action = 'changed' AND trial_uid = pg_temp.uid('trial') ORDER BY at;
SELECT count(*) AS problems FROM murallink.verify_ledger() WHERE contract_uid = pg_temp.uid('contract');

-- A raised price tops up neither what somebody else has paid nor what the cap has cut, and a part by its part
SELECT uid AS trial_site FROM murallink.trial_site WHERE trial_uid = pg_temp.uid('trial') AND site_uid = pg_temp.uid('west') \gset
SELECT uid AS quarter FROM murallink.payment WHERE milestone_code = 'Half' AND fraction = 0.25 AND counts \gset
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT amount FROM murallink.complete_payment(:'quarter', 'the rest');
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT count(murallink.add_milestone(name, amount, currency, pg_temp.uid('trial'), pg_temp.uid('west'), 10))
FROM (VALUES ('Cent', 10, 'USD'), ('X-ray', 100, 'USD'), ('Twice', 60, 'USD'), ('Half', 100, 'USD'), ('Yen', 1001, 'JPY'), ('Dinar', 2, 'KWD'))
    AS raised (name, amount, currency);
SELECT code, t.total, ARRAY(SELECT l.paid || ' to ' || l.due FROM unnest(t.payments) AS l ORDER BY l.paid, l.due) AS lines
FROM unnest('{Cent,X-ray,Twice,Half,Yen,Dinar}'::text[]) AS code, LATERAL murallink.top_up(:'trial_site', code, '2000-01-01', dry_run => true) AS t;
RESET SESSION AUTHORIZATION;

-- Limits hold over the sites of a patient who moves: a visit of a day at the new site, when the old one has paid for that day
SET SESSION AUTHORIZATION regress_visit_admin;
INSERT INTO thing SELECT 'Hal ' || site, (murallink.add_patient(pg_temp.uid(site), 'Hal', 'Visit')).uid FROM unnest('{west}'::text[]) AS site;
SELECT pg_temp.says('enroll', '{"patient_uid": "{Hal west}", "trial_uid": "{trial}", "site_uid": "{west}", "subject_id": "Hal"}') AS enrolled;
INSERT INTO thing SELECT lower(name COLLATE "C") || ' east', (murallink.add_milestone(name, 50, 'USD', pg_temp.uid('trial'), pg_temp.uid('east'))).uid
FROM unnest('{X-RAY,EARLY Termination}'::text[]) AS name;
INSERT INTO thing SELECT 'scan', (murallink.add_milestone('Scan', 60, 'USD', pg_temp.uid('trial'), pg_temp.uid('west'), 10)).uid;
SELECT murallink.set_exclusive_milestones(pg_temp.uid('trial'), 'End', '["Week 10", "Early termination"]', 'protocol 3.2') AS groups;
SELECT murallink.set_day_cap(pg_temp.uid('trial'), pg_temp.uid(site), 100, note => 'one day') FROM unnest('{west,east}'::text[]) AS site;
-- which those who see the schedule of a site are shown, with the codes that it has
SELECT site, (murallink.api(jsonb_build_object('action', 'get_payment_rules', 'payload', jsonb_build_object(
    'trial_uid', pg_temp.uid('trial'), 'site_uid', pg_temp.uid(site))))
    -> 'payload') - '{trial_uid,site_uid,trial_site_uid}'::text[] AS rules
FROM unnest('{west,east}'::text[]) AS site;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_visit_coordinator;
SELECT pg_temp.says('get_payment_rules', '{"trial_uid": "{trial}", "site_uid": "{west}"}') AS without_the_permission;
RESET SESSION AUTHORIZATION;
UPDATE murallink.enrollment SET created_at = created_at - interval '30 days' WHERE patient_uid IN (pg_temp.uid('Hal west'), pg_temp.uid('Gus west'));
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Hal west'), pg_temp.uid('blood'), visit_date => :'west_day'::date - 3);
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Hal west'), pg_temp.uid('week 10'), visit_date => :'west_day'::date - 9);
SELECT (enrollment).status, left_on = :'west_day'::date - 4 AS left
FROM murallink.transfer_enrollment(pg_temp.uid('Hal west'), pg_temp.uid('trial'), pg_temp.uid('east'), :'west_day'::date - 4, 'moved');
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Hal west'), pg_temp.uid('x-ray east'), visit_date => :'west_day'::date - 3);
SELECT pg_temp.says('milestone_payment', '{"patient_uid": "{Hal west}", "milestone_uid": "{early termination east}"}') AS excluded,
    (SELECT string_agg(milestone, ', ') FROM murallink.payable_milestones(pg_temp.uid('Hal west'), pg_temp.uid('trial'))) AS payable;
RESET SESSION AUTHORIZATION;

-- What has come back of a payment is not paid for that day any more
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT uid AS scanned, amount, capped_from
FROM murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('scan'), visit_date => :'west_day'::date - 5) \gset
SELECT (murallink.approve_payment(:'scanned')).status;
RESET SESSION AUTHORIZATION;
SELECT (murallink.settle_payout(o.uid, 'paid', 'check 2', 'by mail')).amount FROM murallink_private.payout o WHERE o.payment_uid = :'scanned';
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT uid AS taken, status FROM murallink.request_reversal(:'scanned', 15, 'wrong_amount', 'a part of it') \gset
RESET SESSION AUTHORIZATION;
SELECT (murallink.decide_reversal(:'taken', true, 'the check was changed')).status;
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('scan'), visit_date => :'west_day'::date - 5);
SELECT pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', '{Gus west}', 'milestone_uid', '{scan}', 'visit_date', :'west_day'::date - 5)) AS nothing_left;

-- What tops a payment up is paid for the day of its visit, too: cut to what the cap leaves, in dry run as well
SELECT count(murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('scan'), visit_date => :'west_day'::date - 8));
SELECT murallink.set_day_cap(pg_temp.uid('trial'), pg_temp.uid('west'), 130, note => 'more');
SELECT count(murallink.milestone_payment(pg_temp.uid('Gus west'), pg_temp.uid('scan'), visit_date => :'west_day'::date - 7)) FROM generate_series(1, 2);
BEGIN;
-- the cap is that of one patient and one day
SELECT count(murallink.milestone_payment(pg_temp.uid('Hal west'), pg_temp.uid('scan'), visit_date => :'west_day'::date - d)) FROM unnest('{6,6,7,7}'::integer[]) AS d;
SELECT amount FROM murallink.add_milestone('Scan', 80, 'USD', pg_temp.uid('trial'), pg_temp.uid('west'), 10);
SELECT total, l.visit_date - :'west_day' AS day, l.amount
FROM murallink.top_up(:'trial_site', 'Scan', :'west_day'::date - 9, dry_run => true) AS t, unnest(t.payments) AS l ORDER BY day, amount;
ROLLBACK;
SELECT amount FROM murallink.add_milestone('Scan', 80, 'USD', pg_temp.uid('trial'), pg_temp.uid('west'), 10);
SELECT total, l.visit_date - :'west_day' AS day, l.paid, l.due, l.amount, l.top_up_uid
FROM murallink.top_up(:'trial_site', 'Scan', :'west_day'::date - 9, dry_run => true) AS t, unnest(t.payments) AS l;
RESET SESSION AUTHORIZATION;
BEGIN;
-- also one that the owner inserts
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, visit_date, note, top_up_of_uid, top_up_version_uid)
SELECT p.enrollment_uid, 'manual', 20, 'USD', p.visit_date, 'x', p.uid, v.uid
FROM murallink_private.payment p, murallink.milestone v
WHERE p.patient_uid = pg_temp.uid('Gus west') AND p.visit_date = :'west_day'::date - 7 AND v.code = 'Scan' AND v.amount = 80 LIMIT 1
RETURNING amount, capped_from;
SELECT test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, visit_date, note, top_up_of_uid,
    top_up_version_uid) SELECT p.enrollment_uid, ''manual'', 20, ''USD'', p.visit_date, ''x'', p.uid, v.uid
    FROM murallink.payment p, murallink.milestone v WHERE p.patient_uid = %L AND p.visit_date = %L AND v.code = ''Scan'' AND v.amount = 80
    AND p.payment_type = ''milestone'' AND NOT EXISTS (SELECT FROM murallink.payment t WHERE t.top_up_of_uid = p.uid)',
    pg_temp.uid('Gus west'), :'west_day'::date - 7)) AS nothing_left;
ROLLBACK;
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT total, l.visit_date - :'west_day' AS day, l.paid, l.due, l.amount, l.top_up_uid IS NOT NULL AS made
FROM murallink.top_up(:'trial_site', 'Scan', :'west_day'::date - 9, 'amendment 4') AS t, unnest(t.payments) AS l;
SELECT pg_temp.says('milestone_payment', jsonb_build_object('patient_uid', '{Gus west}', 'milestone_uid', '{scan}', 'visit_date', :'west_day'::date - 7)) AS nothing_left;
SELECT total FROM murallink.top_up(:'trial_site', 'Scan', :'west_day'::date - 9, 'again');
-- with a higher cap and another price, what is still due
SELECT murallink.set_day_cap(pg_temp.uid('trial'), pg_temp.uid('west'), 155, note => 'more');
SELECT amount FROM murallink.add_milestone('Scan', 90, 'USD', pg_temp.uid('trial'), pg_temp.uid('west'), 10);
SELECT total, l.visit_date - :'west_day' AS day, l.paid, l.due, l.amount
FROM murallink.top_up(:'trial_site', 'Scan', :'west_day'::date - 9, 'amendment 5') AS t, unnest(t.payments) AS l ORDER BY day, paid DESC;
RESET SESSION AUTHORIZATION;
SELECT p.visit_date - :'west_day' AS day, p.amount, p.capped_from, p.top_up_of_uid IS NOT NULL AS tops_up, p.returned
FROM murallink.payment p WHERE patient_uid = pg_temp.uid('Gus west') AND p.visit_date < :'west_day' ORDER BY p.visit_date, p.created_at;
-- A payment that is moved is cut by what the right patient was paid for the day of the visit, not by what the wrong one was; if its day was
-- not given, that is the day on which it was made
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT murallink.set_day_cap(pg_temp.uid('trial'), pg_temp.uid('west'), 100, note => 'one day');
INSERT INTO thing SELECT name || ' west', (murallink.add_patient(pg_temp.uid('west'), name, 'Visit')).uid FROM unnest('{Ida,Jon,Kim}'::text[]) AS name;
SELECT pg_temp.says('enroll', jsonb_build_object('patient_uid', format('{%s west}', name), 'trial_uid', '{trial}', 'site_uid', '{west}', 'subject_id', name))
FROM unnest('{Ida,Jon,Kim}'::text[]) AS name;
RESET SESSION AUTHORIZATION;
UPDATE murallink.enrollment SET created_at = created_at - interval '30 days' WHERE patient_uid IN (pg_temp.uid('Ida west'), pg_temp.uid('Jon west'));
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Jon west'), pg_temp.uid('scan'), visit_date => :'west_day'::date - 2);
SELECT uid AS cut, amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Jon west'), pg_temp.uid('scan'), visit_date => :'west_day'::date - 2) \gset
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Ida west'), pg_temp.uid('scan'));
SELECT uid AS undated FROM murallink.milestone_payment(pg_temp.uid('Jon west'), pg_temp.uid('scan')) \gset
SELECT uid AS unknown FROM murallink.milestone_payment(pg_temp.uid('Jon west'), pg_temp.uid('blood')) \gset
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.payment SET created_at = created_at - interval '4 days' WHERE uid IN (:'undated', :'unknown');
UPDATE murallink.milestone SET effective_date = effective_date - interval '10 days' WHERE trial_uid = pg_temp.uid('trial') AND code IN ('Scan', 'Blood');
COMMIT;
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT :amount AS of_jon, :capped_from AS before, amount, capped_from FROM murallink.move_payment(:'cut', pg_temp.uid('Ida west'), 'it was Ida');
SELECT amount, capped_from FROM murallink.move_payment(:'undated', pg_temp.uid('Ida west'), 'it was Ida');
SELECT amount, capped_from FROM murallink.milestone_payment(pg_temp.uid('Ida west'), pg_temp.uid('scan'), visit_date => :'west_day'::date - 4);
-- but not one on which the right patient was not enrolled
SELECT amount, capped_from FROM murallink.move_payment(:'unknown', pg_temp.uid('Kim west'), 'it was Kim, who is here since today');
RESET SESSION AUTHORIZATION;
SELECT p.visit_date - :'west_day' AS day, p.amount, p.capped_from FROM murallink.payment p
WHERE patient_uid IN (pg_temp.uid('Ida west'), pg_temp.uid('Kim west')) ORDER BY p.created_at;
SELECT count(*) AS problems FROM murallink.verify_ledger() WHERE contract_uid = pg_temp.uid('contract');
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT murallink.set_day_cap(pg_temp.uid('trial'), pg_temp.uid(site), 0, note => 'no cap') FROM unnest('{west,east}'::text[]) AS site;
SELECT murallink.set_exclusive_milestones(pg_temp.uid('trial'), 'End', '[]', 'no group any more') AS groups;
RESET SESSION AUTHORIZATION;

-- The report has parts, cuts and marks; what somebody else has paid has no amount
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT murallink.trial_payment_report(pg_temp.uid('trial')) AS link \gset
RESET SESSION AUTHORIZATION;
WITH line AS (
    SELECT n, string_to_array(regexp_replace(line, '"[^"]*"', 'quoted', 'g'), ',') AS f
    FROM regexp_split_to_table(convert_from(murallink.report(regexp_replace(:'link', '^.*=', '')::murallink.ksuid), 'UTF8'), '\r\n')
        WITH ORDINALITY AS l (line, n)),
head AS (
    SELECT array_position(f, 'Milestone') AS milestone, array_position(f, 'Amount') AS amount, array_position(f, 'Status') AS status,
        array_position(f, 'Fraction') AS fraction, array_position(f, 'Capped from') AS capped FROM line WHERE n = 1)
SELECT DISTINCT f[h.milestone] COLLATE "C" AS milestone, f[h.amount] AS amount, f[h.status] AS status, f[h.fraction] AS fraction,
    f[h.capped] AS capped_from
FROM line, head h WHERE n > 1 AND (f[h.status] IN ('elsewhere', 'unmarked') OR f[h.fraction] || f[h.capped] <> '') ORDER BY 1, 2, 3, 4, 5;

-- What my_places counts as payable is what payable_milestones shows for each patient, in all trials so far
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT count(*) > 10 AS places, count(*) FILTER (WHERE payable > 0) > 10 AS with_payable FROM murallink.my_places(most => 10000);
CREATE TEMP TABLE counted AS SELECT trial_site_uid, payable FROM murallink.my_places(most => 10000);
RESET SESSION AUTHORIZATION;
CREATE TEMP TABLE enrolled AS SELECT e.patient_uid, e.trial_uid, e.trial_site_uid FROM murallink.enrollment e WHERE e.status = 'enrolled';
GRANT SELECT ON enrolled TO regress_visit_admin;
SET SESSION AUTHORIZATION regress_visit_admin;
SELECT c.trial_site_uid, c.payable, s.shown FROM counted c LEFT JOIN (
    SELECT e.trial_site_uid, count(m.uid) AS shown FROM enrolled e LEFT JOIN LATERAL murallink.payable_milestones(e.patient_uid, e.trial_uid) m ON true
    GROUP BY e.trial_site_uid) AS s USING (trial_site_uid)
WHERE c.payable <> coalesce(s.shown, 0);
RESET SESSION AUTHORIZATION;
DROP TABLE counted, enrolled;

DELETE FROM murallink_private.report WHERE app_user_uid = (SELECT uid FROM murallink.app_user WHERE db_role = 'regress_visit_admin');
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_visit_%';
DROP TABLE thing;
DROP ROLE regress_visit_admin, regress_visit_coordinator, regress_visit_approver;
