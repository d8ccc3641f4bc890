-- Payments: what may be paid to whom, at which price, how often, who decides, and that the books agree.
\set SHOW_CONTEXT never
CALL test.begin_day();
SET client_min_messages = warning;
CREATE ROLE regress_pay_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_coordinator LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_approver LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_desk LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_stranger LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_unknown LOGIN IN ROLE murallink_client;


CREATE FUNCTION pg_temp.patient(site text, trial text, name text) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    added murallink.ksuid := uid
        FROM murallink.add_patient(site_uid => site::murallink.ksuid, first_name => name, last_name => 'Street');
BEGIN
    PERFORM murallink.enroll(added, trial::murallink.ksuid, site::murallink.ksuid, name);
    RETURN added;
END
$$;

-- Pays a milestone whose price rises in the meantime, before and after
CREATE FUNCTION pg_temp.pay_across(trial murallink.ksuid, site murallink.ksuid, patient murallink.ksuid, milestone murallink.ksuid)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM murallink.milestone_payment(patient, milestone);
    moment := clock_timestamp() + interval '0.1 seconds';
    PERFORM murallink.add_milestone('Diary', 11, 'USD', trial, site, 1000, moment);
    WHILE clock_timestamp() <= moment LOOP
        PERFORM murallink.milestone_payment(patient, milestone), pg_sleep(0.01);
    END LOOP;
    PERFORM murallink.milestone_payment(patient, milestone);
END
$$;

-- A trial at two sites, and the people: an admin, a coordinator and an approver at one site, a desk for travel expenses
SELECT email FROM murallink.create_admin('pay.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('pay.admin@example.com', 'regress_pay_admin');
SELECT (murallink.register('pay.coordinator@example.com', 'correct horse', 'Carl', 'Coordinator')).uid AS coordinator,
    (murallink.register('pay.approver@example.com', 'correct horse', 'Anna', 'Approver')).uid AS approver,
    (murallink.register('pay.desk@example.com', 'correct horse', 'Dora', 'Desk')).uid AS desk,
    (murallink.register('pay.stranger@example.com', 'correct horse', 'Stan', 'Stranger')).uid AS stranger \gset
SELECT murallink.set_db_role('pay.' || name || '@example.com', 'regress_pay_' || name)
FROM unnest('{coordinator,approver,desk,stranger}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Payment Pharma') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Payments', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Ten weeks') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Hampton') \gset
SELECT uid AS other_site FROM murallink.create_site(trial_uid => :'trial', name => 'Biloxi') \gset
SELECT pg_temp.patient(:'site', :'trial', 'Grover') AS grover, pg_temp.patient(:'site', :'trial', 'Bill') AS bill,
    pg_temp.patient(:'site', :'trial', 'Jodi') AS jodi, pg_temp.patient(:'site', :'trial', 'Ernie') AS ernie,
    pg_temp.patient(:'other_site', :'trial', 'Oscar') AS oscar \gset
SELECT murallink.add_funding(contract_uid => :'contract', amount => 100000);
SELECT count(murallink.grant(:'site', permission, person::murallink.ksuid)) FROM (VALUES
    ('milestone_payment', :'coordinator'), ('manual_payment', :'coordinator'), ('travel_payment', :'coordinator'),
    ('view_payments', :'coordinator'), ('approve_payments', :'approver'), ('manual_payment', :'approver'),
    ('approve_travel', :'desk')) AS granted (permission, person);

-- A milestone is paid at its price, and once
SELECT uid AS week_1 FROM murallink.add_milestone('Week 1', 100, 'USD', :'trial', :'site') \gset
SELECT uid AS other_week_1 FROM murallink.add_milestone('Week 1', 90, 'USD', :'trial', :'other_site') \gset
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_pay_coordinator;
SELECT payment_type, amount, currency, note, p.status, date = (now() AT TIME ZONE 'UTC')::date AS today,
    milestone_uid = :'week_1' AS of_milestone, (milestone).uid = :'week_1' AS shows_milestone, (milestone).milestone,
    (milestone).amount, (milestone).num_payments, (milestone).currency, (milestone).sort_order
FROM murallink.milestone_payment(:'grover', :'week_1', '  it went well ') AS p;
SELECT amount FROM murallink.milestone_payment(:'grover', :'week_1');
SELECT amount FROM murallink.milestone_payment(:'bill', :'week_1');

-- The same name at another site is another milestone, for who is enrolled there
SELECT amount FROM murallink.milestone_payment(:'oscar', :'week_1');
SELECT amount FROM murallink.milestone_payment(:'oscar', :'other_week_1');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT amount FROM murallink.milestone_payment(:'oscar', :'other_week_1');
SELECT amount FROM murallink.milestone_payment(:'oscar', :'week_1');
SELECT amount FROM murallink.milestone_payment(:'grover', :'other_week_1');

-- A price of the future or of the past leaves the amount of today alone, whichever version's uid is given
SELECT uid AS week_2 FROM murallink.add_milestone('Week 2', 75, 'USD', :'trial', :'site', 1, '2021-02-01') \gset
SELECT uid AS week_2_dearer FROM murallink.add_milestone('Week 2', 80, 'USD', :'trial', :'site', 1, now() + '1 hour') \gset
SELECT uid AS week_2_before FROM murallink.add_milestone('Week 2', 70, 'USD', :'trial', :'site', 1, '2021-01-01') \gset
SELECT amount, milestone_uid = :'week_2' AS in_force FROM murallink.milestone_payment(:'grover', :'week_2_dearer');
SELECT amount, milestone_uid = :'week_2' AS in_force FROM murallink.milestone_payment(:'bill', :'week_2_before');
SELECT amount FROM murallink.milestone_payment(:'grover', :'week_2');
SELECT amount FROM murallink.milestone_payment(:'bill', :'week_2_dearer');

-- A version added with a date that has passed holds from now on: what was paid stays as it is, and paid
SELECT uid AS week_2_corrected FROM murallink.add_milestone('Week 2', 77, 'USD', :'trial', :'site', 1, '2021-03-01') \gset
SELECT amount FROM murallink.milestone_payment(:'bill', :'week_2_corrected');
SELECT amount FROM murallink.milestone_payment(:'jodi', :'week_2');
SELECT amount, (milestone).amount FROM murallink.get_patient_payments(:'bill', :'trial') WHERE (milestone).milestone = 'Week 2';

-- Before, at and after the moment
SELECT uid AS diary FROM murallink.add_milestone('Diary', 10, 'USD', :'trial', :'site', 1000) \gset
SELECT pg_temp.pay_across(:'trial', :'site', :'ernie', :'diary');
BEGIN;
SELECT milestone, amount FROM murallink.payable_milestones(:'ernie', :'trial') WHERE milestone = 'Diary';
SELECT amount FROM murallink.add_milestone('Diary', 12, 'USD', :'trial', :'site', 1000, now() + interval '1 microsecond');
SELECT milestone, amount FROM murallink.payable_milestones(:'ernie', :'trial') WHERE milestone = 'Diary';
SELECT amount FROM murallink.add_milestone('Diary', 13, 'USD', :'trial', :'site', 1000, now());
SELECT milestone, amount FROM murallink.payable_milestones(:'ernie', :'trial') WHERE milestone = 'Diary';
SELECT amount FROM murallink.milestone_payment(:'ernie', :'diary');
ROLLBACK;
SELECT amount FROM murallink.milestone_payment(:'ernie', :'diary');
RESET SESSION AUTHORIZATION;
SELECT amount, bool_and(created_at >= effective_date) AS after, bool_or(created_at >= next) AS too_late
FROM murallink.payment p JOIN (
    SELECT uid, effective_date, lead(effective_date) OVER (ORDER BY effective_date) AS next FROM murallink.milestone
    WHERE trial_uid = :'trial' AND milestone = 'Diary') AS version ON version.uid = p.milestone_uid
GROUP BY amount ORDER BY amount;
SET SESSION AUTHORIZATION regress_pay_admin;

-- None in force yet
SELECT uid AS week_9 FROM murallink.add_milestone('Week 9', 150, 'USD', :'trial', :'site', effective_date => now() + '1 hour') \gset
SELECT amount FROM murallink.milestone_payment(:'grover', :'week_9');

-- Twice, then three times, then no more: the version in force counts
SELECT uid AS call FROM murallink.add_milestone('Call', 5, 'USD', :'trial', :'site', 2, '2021-01-01') \gset
SELECT amount FROM murallink.milestone_payment(:'grover', :'call');
SELECT amount FROM murallink.milestone_payment(:'grover', :'call');
SELECT amount FROM murallink.milestone_payment(:'grover', :'call');
SELECT amount FROM murallink.add_milestone('Call', 6, 'USD', :'trial', :'site', 3, '2021-02-01');
SELECT amount FROM murallink.milestone_payment(:'grover', :'call');
SELECT amount FROM murallink.milestone_payment(:'grover', :'call');
SELECT amount FROM murallink.add_milestone('Call', 7, 'USD', :'trial', :'site', 2, '2021-03-01');
SELECT amount FROM murallink.milestone_payment(:'grover', :'call');
SELECT count(murallink.reject_payment(uid, 'a mistake')) FROM murallink.get_patient_payments(:'grover', :'trial') WHERE amount = 6;
SELECT amount FROM murallink.milestone_payment(:'grover', :'call');
SELECT (SELECT uid FROM murallink.get_patient_payments(:'grover', :'trial') WHERE amount = 5 LIMIT 1) AS first_call \gset
SELECT rejected.status FROM murallink.reject_payment(:'first_call', 'a mistake') AS rejected;
SELECT amount FROM murallink.add_milestone('Call', 8, 'USD', :'trial', :'site', 1, '2021-04-01');
SELECT amount FROM murallink.milestone_payment(:'grover', :'call');

-- Retired, which is refused through each version; retired from tomorrow on; and back
SELECT uid AS scan FROM murallink.add_milestone('Scan', 30, 'USD', :'trial', :'site', 2, '2021-01-01') \gset
SELECT amount FROM murallink.milestone_payment(:'grover', :'scan');
SELECT amount FROM murallink.add_milestone('Scan', 30, 'USD', :'trial', :'site', 0, now() + '1 day');
SELECT amount FROM murallink.milestone_payment(:'bill', :'scan');
SELECT uid AS scan_retired FROM murallink.add_milestone('Scan', 30, 'USD', :'trial', :'site', 0, '2021-02-01') \gset
SELECT amount FROM murallink.milestone_payment(:'grover', :'scan');
SELECT amount FROM murallink.milestone_payment(:'jodi', :'scan_retired');
SELECT amount FROM murallink.add_milestone('Scan', 31, 'USD', :'trial', :'site', 2, '2021-03-01');
SELECT amount FROM murallink.milestone_payment(:'grover', :'scan_retired');

-- What a coordinator still sees for payment, in the order of the schedule
SELECT milestone, amount, num_payments, paid FROM murallink.payable_milestones(:'grover', :'trial');
SELECT milestone, amount, num_payments, paid FROM murallink.payable_milestones(:'bill', :'trial');

-- Dropped: visits up to the day of dropping are owed. Completed: all is.
RESET SESSION AUTHORIZATION;
SET session_replication_role = replica;
UPDATE murallink.enrollment SET created_at = created_at - interval '12 days' WHERE patient_uid = :'jodi';
RESET session_replication_role;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT (now() AT TIME ZONE 'UTC')::date AS today \gset
SELECT set_e.status FROM murallink.set_enrollment_status('dropped', :'trial', :'jodi', :'today'::date - 10) AS set_e;
SELECT amount FROM murallink.milestone_payment(:'jodi', :'week_1');
SELECT amount FROM murallink.milestone_payment(:'jodi', :'week_1', visit_date => :'today'::date - 9);
SELECT amount FROM murallink.milestone_payment(:'jodi', :'week_1', visit_date => :'today'::date - 10);
SELECT amount FROM murallink.manual_payment(:'jodi', :'trial', 12);
SELECT amount FROM murallink.manual_payment(:'jodi', :'trial', 12, visit_date => :'today'::date);
SELECT amount FROM murallink.manual_payment(:'jodi', :'trial', 12, visit_date => :'today'::date - 11);
SELECT amount FROM murallink.travel_payment(:'jodi', :'trial', 13, visit_date => :'today'::date - 9);
SELECT amount FROM murallink.travel_payment(:'jodi', :'trial', 13, visit_date => :'today'::date - 10);
SELECT set_e.status FROM murallink.set_enrollment_status('completed', :'trial', :'jodi') AS set_e;
SELECT amount FROM murallink.milestone_payment(:'jodi', :'scan', visit_date => :'today'::date - 9);
SELECT set_e.status FROM murallink.set_enrollment_status('enrolled', :'trial', :'jodi') AS set_e;
SELECT amount FROM murallink.milestone_payment(:'jodi', :'call');
RESET SESSION AUTHORIZATION;
SELECT payment_type, milestone_name, amount, :'today' - visit_date AS days_ago FROM murallink.payment
WHERE patient_uid = :'jodi' ORDER BY created_at;

-- A visit has a day, and not one to come (today somewhere may be tomorrow in UTC) or before the patient took part (it may have
-- been yesterday there)
SELECT called, test.outcome('regress_pay_coordinator', format(
    'SELECT murallink.milestone_payment(%L, %L, visit_date => %L::date)', :'ernie', :'week_1', visit)) AS milestone,
    test.outcome('regress_pay_coordinator', format(
    'SELECT murallink.travel_payment(%L, %L, 1, visit_date => %L::date)', :'ernie', :'trial', visit)) AS travel
FROM (VALUES ('today', :'today'::date), ('tomorrow', :'today'::date + 1), ('day after', :'today'::date + 2),
    ('never', 'infinity'), ('always', '-infinity'), ('yesterday', :'today'::date - 1), ('before', :'today'::date - 2),
    ('long ago', '4000-01-01 BC')) AS visits (called, visit);
SELECT called, test.outcome(session_user, format(
    'INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, visit_date)'
    ' SELECT uid, %L, 1, %L, %L FROM murallink.enrollment WHERE patient_uid = %L', 'manual', 'USD', visit, :'ernie')) AS by_hand
FROM (VALUES ('before', :'today'::date - 2), ('long ago', '4000-01-01 BC')) AS visits (called, visit);

-- Manual and travel payments: amounts, currencies, notes
SET SESSION AUTHORIZATION regress_pay_coordinator;
SELECT payment_type, amount, currency, note, made.status, milestone_uid, milestone IS NULL AS no_milestone
FROM murallink.manual_payment(:'ernie', :'trial', 7.50, note => ' taxi ') AS made;
SELECT payment_type, amount, currency, note, made.status, milestone_uid, milestone IS NULL AS no_milestone
FROM murallink.travel_payment(:'ernie', :'trial', 99.990, '', NULL) AS made;
RESET SESSION AUTHORIZATION;
SELECT amount, currency,
    test.outcome('regress_pay_coordinator', format(
    'SELECT murallink.manual_payment(%L, %L, %L, %L)', :'ernie', :'trial', amount, currency)) AS manual,
    test.outcome('regress_pay_coordinator', format(
    'SELECT murallink.travel_payment(%L, %L, %L, %L)', :'ernie', :'trial', amount, currency)) AS travel
FROM (VALUES
    ('0', 'USD'), ('-1', 'USD'), ('0.001', 'USD'), ('0.5', 'JPY'), ('0.0001', 'KWD'), ('NaN', 'USD'), ('Infinity', 'USD'),
    ('-Infinity', 'USD'), ('1e12', 'USD'), ('1e1000', 'USD'), ('1e-1000', 'USD'), (NULL, 'USD'), ('1', 'usd'), ('1', 'XXX'),
    ('1', 'JPY'), ('999999999999.99', 'USD'), ('1', 'USD')) AS bad (amount, currency);
SELECT length(note) AS length, test.outcome('regress_pay_coordinator', format(
    'SELECT murallink.manual_payment(%L, %L, 1, note => %L)', :'ernie', :'trial', note)) AS manual,
    test.outcome('regress_pay_coordinator', format(
    'SELECT murallink.milestone_payment(%L, %L, note => %L)', :'ernie', :'week_1', note)) AS milestone
FROM unnest(ARRAY[repeat('é', 1000), repeat('é', 1001), E'a\tb\nc', E'a\x01b']) AS note;

-- A milestone in a currency without funds
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT uid AS abroad FROM murallink.add_milestone('Abroad', 100, 'CHF', :'trial', :'site') \gset
SELECT amount FROM murallink.milestone_payment(:'grover', :'abroad');
SELECT murallink.add_funding(:'contract', 100, 'CHF');
SELECT amount, currency FROM murallink.milestone_payment(:'grover', :'abroad');
RESET SESSION AUTHORIZATION;

-- Who may do what: nobody known, nothing granted, something else granted, a patient or milestone that is none
\set missing '0ujtsYcgvSTl8PAuAdqWYSMnLOv'
SELECT uid AS pending FROM murallink.payment WHERE patient_uid = :'bill' AND milestone_name = 'Week 1' \gset
CREATE TEMP TABLE action AS SELECT * FROM (VALUES
    (1, format('milestone_payment(%L, %L)', :'ernie', :'week_1')),
    (2, format('manual_payment(%L, %L, 1)', :'ernie', :'trial')),
    (3, format('travel_payment(%L, %L, 1)', :'ernie', :'trial')),
    (4, format('approve_payment(%L)', :'pending')),
    (5, format('reject_payment(%L, ''a mistake'')', :'pending')),
    (6, format('cancel_payment(%L, ''a mistake'')', :'pending')),
    (7, format('get_patient_payments(%L, %L)', :'ernie', :'trial')),
    (8, format('payable_milestones(%L, %L)', :'ernie', :'trial'))) AS listed (n, call);
SELECT split_part(call, '(', 1) AS action, caller, test.outcome('regress_pay_' || caller, 'SELECT murallink.' || call) AS outcome
FROM action, unnest('{unknown,stranger,desk,approver,coordinator,admin}'::text[]) WITH ORDINALITY AS callers (caller, c)
ORDER BY n, c;
SELECT call, test.outcome('regress_pay_admin', format('SELECT murallink.' || call, VARIADIC uids)) AS outcome FROM (VALUES
    ('milestone_payment(NULL, %L)', ARRAY[:'week_1']), ('milestone_payment(%L, NULL)', ARRAY[:'grover']),
    ('milestone_payment(%L, %L)', ARRAY[:'missing', :'week_1']), ('milestone_payment(%L, %L)', ARRAY[:'ernie', :'missing']),
    ('milestone_payment(%L, %L)', ARRAY[:'week_1', :'ernie']),
    ('manual_payment(NULL, %L, 1)', ARRAY[:'trial']), ('manual_payment(%L, NULL, 1)', ARRAY[:'ernie']),
    ('manual_payment(%L, %L, 1)', ARRAY[:'missing', :'trial']), ('manual_payment(%L, %L, 1)', ARRAY[:'ernie', :'missing']),
    ('approve_payment(NULL)', ARRAY['']), ('approve_payment(%L)', ARRAY[:'missing']), ('approve_payment(%L)', ARRAY[:'grover']),
    ('get_patient_payments(NULL, %L)', ARRAY[:'trial']), ('get_patient_payments(%L, %L)', ARRAY[:'ernie', :'missing']),
    ('payable_milestones(%L, NULL)', ARRAY[:'ernie'])) AS bad (call, uids);

-- Approved, rejected or cancelled: one at a time, and the others stay as they are
SELECT uid AS manual FROM murallink.payment WHERE patient_uid = :'ernie' AND payment_type = 'manual' \gset
SELECT uid AS travel FROM murallink.payment WHERE patient_uid = :'ernie' AND payment_type = 'travel' \gset
SET SESSION AUTHORIZATION regress_pay_approver;
SELECT payment_type, amount, decided.status FROM murallink.approve_payment(:'manual') AS decided;
SELECT murallink.approve_payment(:'manual');
SELECT murallink.reject_payment(:'manual', 'a mistake');
RESET SESSION AUTHORIZATION;
SELECT payment_type, amount, status, decided_by_uid = :'approver' AS by_approver FROM murallink.payment
WHERE patient_uid = :'ernie' AND payment_type <> 'milestone' ORDER BY created_at;
SET SESSION AUTHORIZATION regress_pay_approver;
SELECT murallink.cancel_payment(:'travel', 'a mistake');
SELECT payment_type, amount, decided.status FROM murallink.cancel_payment(:'manual', 'a mistake') AS decided;
SELECT murallink.cancel_payment(:'manual', 'a mistake');
SELECT murallink.approve_payment(:'manual');
SELECT milestone_uid = :'week_1' AS of_milestone, amount, decided.status FROM murallink.reject_payment(:'pending', 'a mistake') AS decided;
SELECT murallink.approve_payment(:'pending');
SELECT murallink.cancel_payment(:'pending', 'a mistake');
RESET SESSION AUTHORIZATION;

-- Rejecting and cancelling need a note that says why, which the payments and the audit show
CREATE FUNCTION pg_temp.decisions(payment_uid text) RETURNS TABLE (decision text, note text, outcome text) LANGUAGE sql AS $$
    SELECT d, format('%s characters', length(n)),
        test.outcome('regress_pay_approver', format('SELECT murallink.%s(%L, %L)', d, payment_uid, n))
    FROM unnest('{reject_payment,cancel_payment}'::text[]) AS d, unnest(ARRAY['', ' ', repeat('é', 1000), repeat('é', 1001), E'a\x01b']) AS n
$$;
SELECT uid AS unwanted FROM murallink.payment WHERE patient_uid = :'ernie' AND payment_type = 'milestone' AND status = 'pending' ORDER BY uid LIMIT 1 \gset
SELECT * FROM pg_temp.decisions(:'unwanted');
SELECT decision, test.outcome('regress_pay_stranger', format('SELECT murallink.%s(%L)', decision, :'unwanted')) AS stranger
FROM unnest('{reject_payment,cancel_payment}'::text[]) AS decision;
SET SESSION AUTHORIZATION regress_pay_approver;
SELECT decided.status, amount, decision_note FROM murallink.reject_payment(:'unwanted', ' paid to the wrong person ') AS decided;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT p.status, decision_note FROM murallink.get_patient_payments(:'ernie', :'trial') AS p WHERE decision_note <> '';
RESET SESSION AUTHORIZATION;
SELECT changes - 'decided_by_uid' AS changes FROM murallink.audit_event WHERE resource_uid = :'unwanted' AND action = 'changed';
SELECT test.outcome('murallink_owner', format('UPDATE murallink_private.payment SET status = ''rejected'' WHERE uid = %L', p.uid)) AS without_a_note
FROM murallink.payment p WHERE patient_uid = :'ernie' AND payment_type = 'milestone' AND status = 'pending' ORDER BY uid LIMIT 1;

-- Travel expenses: approve_travel suffices, and so does approve_payments
SELECT decision, caller, test.outcome('regress_pay_' || caller, format('SELECT murallink.%s(%L, note => ''a mistake'')', decision, :'travel'))
FROM unnest('{approve_payment,reject_payment}'::text[]) AS decision, unnest('{desk,approver,coordinator}'::text[]) AS caller;
SET SESSION AUTHORIZATION regress_pay_desk;
SELECT payment_type, decided.status FROM murallink.approve_payment(:'travel') AS decided;
SELECT payment_type, decided.status FROM murallink.cancel_payment(:'travel', 'a mistake') AS decided;
RESET SESSION AUTHORIZATION;

-- What was rejected can be paid again, at the price of now, and once
SET SESSION AUTHORIZATION regress_pay_coordinator;
SELECT milestone, paid FROM murallink.payable_milestones(:'bill', :'trial') WHERE milestone = 'Week 1';
SELECT amount FROM murallink.milestone_payment(:'bill', :'week_1');
SELECT amount FROM murallink.milestone_payment(:'bill', :'week_1');
SELECT milestone, paid FROM murallink.payable_milestones(:'bill', :'trial') WHERE milestone = 'Week 1';

-- Oldest first, also what came to nothing
SELECT payment_type, (milestone).milestone, amount, p.status FROM murallink.get_patient_payments(:'bill', :'trial') AS p;
RESET SESSION AUTHORIZATION;

-- A trial that wants another person than the requester to approve; rejecting is no approval
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT uid AS strict_trial FROM murallink.create_trial(:'contract', 'Strict', separate_approver => true) \gset
SELECT uid AS strict_trial_site FROM murallink.add_trial_site(:'strict_trial', :'site') \gset
SELECT murallink.enroll(:'grover', :'strict_trial', :'site', 'S-1');
SELECT amount FROM murallink.manual_payment(:'ernie', :'strict_trial', 40);
SELECT amount FROM murallink.get_patient_payments(:'ernie', :'strict_trial');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_pay_approver;
SELECT uid AS own FROM murallink.manual_payment(:'grover', :'strict_trial', 40) \gset
SELECT murallink.approve_payment(:'own');
RESET SESSION AUTHORIZATION;
SELECT decision, caller, test.outcome('regress_pay_' || caller, format('SELECT murallink.%s(%L, note => ''a mistake'')', decision, :'own'))
FROM unnest('{approve_payment,reject_payment}'::text[]) AS decision, unnest('{approver,admin}'::text[]) AS caller;

-- An admin who acts as another user is the same person still, whichever of the two requests
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT uid AS admins FROM murallink.manual_payment(:'grover', :'strict_trial', 41) \gset
RESET SESSION AUTHORIZATION;
SELECT session_id AS acting FROM murallink.login('pay.admin@example.com', 'correct horse') \gset
SELECT test.answer('switch_user', jsonb_build_object('uid', :'approver'), :'acting') AS switched;
SELECT test.answer('approve_payment', jsonb_build_object('payment_uid', :'admins'), :'acting') AS acting;
SELECT test.outcome('regress_pay_approver', format('SELECT murallink.approve_payment(%L)', :'admins')) AS approver;
BEGIN;
SELECT murallink.authenticate(:'acting');
SELECT uid AS acted FROM murallink.manual_payment(:'grover', :'strict_trial', 42) \gset
COMMIT;
SELECT caller, test.outcome('regress_pay_' || caller, format('SELECT murallink.approve_payment(%L)', :'acted'))
FROM unnest('{approver,admin}'::text[]) AS caller;

-- Nor is a puppet a second person: whoever the requester made an approver, and who made the requester a requester, at any
-- remove, nor are two puppets of the same user; somebody else's grant makes one of the approver
SELECT uid AS boss FROM murallink.register('pay.boss@example.com', 'correct horse', 'Bo', 'Boss') \gset
SELECT uid AS puppet FROM murallink.register('pay.puppet@example.com', 'correct horse', 'Pu', 'Puppet') \gset
SELECT uid AS third FROM murallink.register('pay.third@example.com', 'correct horse', 'Thi', 'Rd') \gset
SELECT uid AS second FROM murallink.register('pay.second@example.com', 'correct horse', 'Se', 'Second') \gset
CREATE TEMP TABLE session (name text, session_id text);
INSERT INTO session SELECT name, (murallink.login('pay.' || name || '@example.com', 'correct horse')).session_id
FROM unnest('{boss,puppet,second,third}'::text[]) AS name;
GRANT SELECT ON session TO PUBLIC;
CREATE FUNCTION pg_temp.by(person text, action text, payload jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT murallink.api(jsonb_build_object('action', action, 'payload', payload, 'session_id', (SELECT s.session_id FROM session s WHERE s.name = person)))
$$;
CREATE FUNCTION pg_temp.decided(requester text, approver text, patient text, trial text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    made text := pg_temp.by(requester, 'manual_payment', jsonb_build_object('patient_uid', patient, 'trial_uid', trial, 'amount', 1)) #>> '{payload,uid}';
    told text;
BEGIN
    told := pg_temp.by(approver, 'approve_payment', jsonb_build_object('payment_uid', made)) #>> '{error,code}';
    PERFORM pg_temp.by('boss', 'reject_payment', jsonb_build_object('payment_uid', made, 'note', 'a mistake')) WHERE told IS NOT NULL;
    RETURN coalesce(told, 'approved');
END
$$;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT count(murallink.grant(:'strict_trial', permission, :'boss')) FROM unnest('{manual_payment,approve_payments,grant}'::text[]) AS permission;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.by(who, 'grant', jsonb_build_object('resource_uid', :'strict_trial', 'permission', permission, 'user_uid', whom)) -> 'status_code' AS granted
FROM (VALUES (1, 'boss', 'approve_payments', :'puppet'), (2, 'boss', 'grant', :'puppet'), (3, 'boss', 'manual_payment', :'puppet'),
    (7, 'boss', 'approve_payments', :'third'), (4, 'puppet', 'approve_payments', :'second'), (5, 'puppet', 'grant', :'second'), (6, 'puppet', 'manual_payment', :'second'))
    AS granted (n, who, permission, whom) ORDER BY n;
SELECT requester, approver, pg_temp.decided(requester, approver, :'grover', :'strict_trial')
FROM unnest('{boss,puppet,second}'::text[]) AS requester, unnest('{boss,puppet,second,third}'::text[]) AS approver;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.grant(:'strict_trial_site', 'approve_payments', :'second');
RESET SESSION AUTHORIZATION;
SELECT requester, approver, pg_temp.decided(requester, approver, :'grover', :'strict_trial')
FROM unnest('{boss,puppet}'::text[]) AS requester, unnest('{puppet,second,third}'::text[]) AS approver;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.grant(:'strict_trial', 'manual_payment', :'puppet');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.decided('puppet', 'third', :'grover', :'strict_trial') AS let_by_others;

-- nor by revoking and granting again, whoever does it, at which remove, before or after the request
CREATE FUNCTION pg_temp.changes(VARIADIC steps text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(coalesce(pg_temp.by(split_part(step, ' ', 1), split_part(step, ' ', 2), jsonb_build_object(
            'resource_uid', split_part(step, ' ', 5), 'permission', split_part(step, ' ', 3),
            'user_uid', (SELECT u.uid FROM murallink.app_user u WHERE u.email = 'pay.' || split_part(step, ' ', 4) || '@example.com'))
            || CASE split_part(step, ' ', 2) WHEN 'revoke' THEN '{"note": "x"}' ELSE '{}' END::jsonb) #>> '{error,code}', 'done'), ' ' ORDER BY n)
    FROM unnest(steps) WITH ORDINALITY AS s (step, n)
$$;
DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'boss', :'puppet', :'second', :'third');
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.grant(:'strict_trial', permissions => '{manual_payment,approve_payments,grant}', user_uid => :'boss');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.changes(VARIADIC ARRAY(SELECT s || ' ' || :'strict_trial' FROM unnest(ARRAY['boss grant approve_payments puppet',
    'boss grant grant puppet', 'boss grant manual_payment puppet', 'puppet grant approve_payments second', 'puppet grant manual_payment third']) AS s)) AS built;
SELECT pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS before;
-- the one in between loses everything
SELECT pg_temp.changes(VARIADIC ARRAY(SELECT s || ' ' || :'strict_trial' FROM unnest(ARRAY['boss revoke approve_payments puppet',
    'boss revoke manual_payment puppet', 'boss revoke grant puppet']) AS s)) AS cut;
SELECT pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS requested_by_boss, pg_temp.decided('third', 'boss', :'grover', :'strict_trial') AS approved_by_boss;
-- the requester loses the right after the request
SELECT pg_temp.by('third', 'manual_payment', jsonb_build_object('patient_uid', :'grover', 'trial_uid', :'strict_trial', 'amount', 1)) #>> '{payload,uid}' AS made \gset
SELECT pg_temp.changes('boss revoke manual_payment third ' || :'strict_trial') AS cut,
    pg_temp.by('boss', 'approve_payment', jsonb_build_object('payment_uid', :'made')) #>> '{error,code}' AS approved,
    pg_temp.by('boss', 'reject_payment', jsonb_build_object('payment_uid', :'made', 'note', 'a mistake')) #>> '{error,code}' AS rejected;
-- an administrator had made the second an approver once, and took it back: the boss's grant is the boss's
SELECT pg_temp.changes('boss revoke approve_payments second ' || :'strict_trial') AS cut;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.grant(:'strict_trial', 'approve_payments', :'second');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_admin;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.revoke(:'second', 'approve_payments', :'strict_trial', 'x');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.changes('boss grant approve_payments second ' || :'strict_trial') AS granted, pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_boss;
-- and so is a grant that the boss revokes and makes anew, or that has come to its end
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.grant(:'strict_trial', 'approve_payments', :'second');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_admin,
    pg_temp.changes('boss revoke approve_payments second ' || :'strict_trial', 'boss grant approve_payments second ' || :'strict_trial') AS taken_over,
    pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_boss;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.grant(:'strict_trial', 'approve_payments', :'second');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_admin;
UPDATE murallink.permission_grant SET created_at = '2020-01-01', until = '2020-01-02'
WHERE app_user_uid = :'second' AND ended_at IS NULL AND permission = 'approve_payments';
SELECT pg_temp.changes('boss grant approve_payments second ' || :'strict_trial') AS granted, pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_boss;
-- Who has been granted it by somebody independent stays a second person when that one leaves
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.grant(:'strict_trial', permissions => '{manual_payment,approve_payments,grant}', user_uid => :'third');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.changes('third grant approve_payments puppet ' || :'strict_trial') AS granted, pg_temp.decided('boss', 'puppet', :'grover', :'strict_trial') AS independent;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.revoke_all(:'third', :'strict_trial', 'has left');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.decided('boss', 'puppet', :'grover', :'strict_trial') AS independent_still;
-- An administrator who has made both keeps having been one when the account is closed; what is granted afterwards counts
DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'boss', :'puppet', :'second', :'third');
SELECT uid AS former FROM murallink.create_admin('pay.former@example.com', 'correct horse', 'For', 'Mer') \gset
INSERT INTO session SELECT 'former', (murallink.login('pay.former@example.com', 'correct horse')).session_id;
SELECT pg_temp.changes(VARIADIC ARRAY(SELECT s || ' ' || :'strict_trial' FROM unnest(ARRAY['former grant manual_payment boss',
    'former grant approve_payments boss', 'former grant approve_payments second']) AS s)) AS granted;
SELECT pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_admin;
-- also for one whom the requester has made an approver, too
SELECT pg_temp.changes(VARIADIC ARRAY(SELECT s || ' ' || :'strict_trial' FROM unnest(ARRAY['former grant grant boss', 'boss grant approve_payments third',
    'boss revoke approve_payments third', 'former grant approve_payments third']) AS s)) AS granted;
SELECT pg_temp.decided('boss', 'third', :'grover', :'strict_trial') AS by_admin_too;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.close_account(:'former', 'has left');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_former_admin,
    pg_temp.decided('boss', 'third', :'grover', :'strict_trial') AS by_former_admin_too;
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT murallink.grant(:'strict_trial', permissions => '{grant,manual_payment,approve_payments}', user_uid => :'former');
RESET SESSION AUTHORIZATION;
UPDATE session SET session_id = murallink_private.open_session(:'former') WHERE name = 'former';
SELECT pg_temp.changes(VARIADIC ARRAY(SELECT s || ' ' || :'strict_trial' FROM unnest(ARRAY['former revoke manual_payment boss',
    'former revoke approve_payments second', 'former grant manual_payment boss', 'former grant approve_payments second']) AS s)) AS granted;
SELECT pg_temp.decided('boss', 'second', :'grover', :'strict_trial') AS by_the_same_user;
DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'boss', :'puppet', :'second', :'third', :'former');

-- A trial that approves milestone payments by itself, and no others
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT uid AS quick_trial FROM murallink.create_trial(:'contract', 'Quick', approve_milestones => true) \gset
SELECT uid AS quick_trial_site FROM murallink.add_trial_site(:'quick_trial', :'site') \gset
SELECT murallink.enroll(:'grover', :'quick_trial', :'site', 'Q-1');
SELECT uid AS quick FROM murallink.add_milestone('Week 1', 20, 'USD', :'quick_trial', :'site') \gset
SELECT amount, made.status FROM murallink.milestone_payment(:'grover', :'quick') AS made;
SELECT amount, made.status FROM murallink.manual_payment(:'grover', :'quick_trial', 21) AS made;
SELECT amount, made.status FROM murallink.travel_payment(:'grover', :'quick_trial', 22) AS made;
RESET SESSION AUTHORIZATION;
SELECT amount, status, decided_by_uid FROM murallink.payment WHERE trial_uid = :'quick_trial' ORDER BY amount;

-- The owner's own INSERT pays no other price, patient, contract or time than the functions, and no more often
SELECT uid AS ernies FROM murallink.enrollment WHERE patient_uid = :'ernie' \gset
SET ROLE murallink_owner;
INSERT INTO murallink_private.payment (
    client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, enrollment_uid, payment_type, milestone_uid,
    milestone_name, occurrence, amount, currency, created_at)
VALUES (
    :'missing', :'missing', :'missing', :'missing', :'missing', :'grover', :'ernies', 'milestone', :'week_2_dearer',
    'Week 99', 99, 1000, 'EUR', '2021-02-15')
RETURNING milestone_uid = :'week_2_corrected' AS in_force, milestone_name, occurrence, amount, currency, status,
    patient_uid = :'ernie' AS of_patient, contract_uid = :'contract' AS of_contract, created_at > now() AS of_now;
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_name, occurrence, amount, currency, created_at)
VALUES (:'ernies', 'manual', 'Week 1', 1, 3, 'USD', '2021-02-15')
RETURNING milestone_name, occurrence, amount, currency, status, patient_uid = :'ernie' AS of_patient, created_at > now() AS of_now;
RESET ROLE;
SELECT n, test.outcome('murallink_owner', statement) AS owner, test.outcome(session_user, statement) AS superuser FROM (VALUES
    (1, :'ernies', 'milestone', :'week_1', 1, 100, 'pending', NULL),
    (2, :'ernies', 'milestone', :'week_2', 1, 100, 'pending', NULL),
    (3, :'ernies', 'milestone', :'week_2_dearer', 2, 100, 'pending', NULL),
    (4, :'ernies', 'milestone', :'week_2', NULL, 100, 'pending', NULL),
    (5, :'ernies', 'milestone', :'week_2', -1, 100, 'pending', NULL),
    (6, :'ernies', 'milestone', :'week_2', 2147483647, 100, 'pending', NULL),
    (7, :'ernies', 'milestone', :'week_9', 1, 100, 'pending', NULL),
    (8, :'ernies', 'milestone', :'other_week_1', 1, 100, 'pending', NULL),
    (9, :'ernies', 'milestone', NULL, 1, 100, 'pending', NULL),
    (10, NULL, 'milestone', :'week_1', 1, 100, 'pending', NULL),
    (11, :'missing', 'milestone', :'week_1', 1, 100, 'pending', NULL),
    (12, :'ernies', 'milestone', :'week_1', 1, 100, 'approved', NULL),
    (13, :'ernies', 'manual', NULL, NULL, 100, 'approved', NULL),
    (14, :'ernies', 'manual', NULL, NULL, 100, 'paid', NULL),
    (15, :'ernies', 'manual', NULL, NULL, 100, 'cancelled', NULL),
    (16, :'ernies', 'manual', :'week_1', NULL, 100, 'pending', NULL),
    (17, :'ernies', 'manual', NULL, NULL, 0.001, 'pending', NULL),
    (18, :'ernies', 'manual', NULL, NULL, 999999999, 'pending', NULL),
    (19, :'ernies', 'travel', NULL, NULL, 100, 'pending', 'infinity')
) AS given (n, enrollment, kind, milestone, occurrence, amount, status, visit), format(
    'INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, occurrence, amount, currency, status, visit_date)'
    ' VALUES (%L, %L, %L, %L, %L, ''USD'', %L, %L)', enrollment, kind, milestone, occurrence, amount, status, visit) AS statement;

-- A statement that pays several times is no other than several statements; without a status, the trial's way decides
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_pay_admin;
SELECT uid AS thrice FROM murallink.add_milestone('Thrice', 5, 'USD', :'trial', :'site', 3) \gset
RESET SESSION AUTHORIZATION;
UPDATE murallink.trial SET approve_milestones = true WHERE uid = :'trial';
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, status)
SELECT :'ernies', 'milestone', :'thrice', NULL FROM generate_series(1, 2)
RETURNING milestone_name, occurrence, amount, status;
SELECT test.outcome('murallink_owner', format(
    'INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, status)'
    ' SELECT %L, ''milestone'', %L, ''pending'' FROM generate_series(1, %s)', :'ernies', :'thrice', n)) AS more
FROM generate_series(2, 1, -1) AS n;
SELECT test.outcome('murallink_owner', format(
    'INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, status)'
    ' VALUES (%L, ''manual'', 1, ''USD'', NULL)', :'ernies')) AS manual;
ROLLBACK;

-- A payment that was cut short leaves nothing behind for the next INSERT
BEGIN READ ONLY;
SELECT test.outcome('regress_pay_coordinator', format('SELECT murallink.milestone_payment(%L, %L)', :'ernie', :'week_1'));
ROLLBACK;
SELECT test.outcome('murallink_owner', format(
    'INSERT INTO murallink_private.payment (uid, enrollment_uid, payment_type, amount) VALUES (NULL, %L, ''manual'', 1)', :'ernies'));

-- What a session has prepared for payments follows their table, its indexes and its domains
PREPARE paid (text) AS SELECT test.outcome('regress_pay_coordinator', format(
    'SELECT murallink.milestone_payment(%L, %L, %L)', :'ernie', :'week_1', $1)) AS paid;
EXECUTE paid ('x');
BEGIN;
ALTER TABLE murallink_private.payment ADD CONSTRAINT not_x CHECK (note <> 'x');
EXECUTE paid ('x');
EXECUTE paid ('y');
ALTER TABLE murallink_private.payment DROP CONSTRAINT not_x;
EXECUTE paid ('x');
CREATE INDEX of_x ON murallink_private.payment ((1 / (length(note) - 1))) WHERE note = 'x';
EXECUTE paid ('x');
EXECUTE paid ('y');
DROP INDEX murallink_private.of_x;
ALTER DOMAIN murallink.currency ADD CONSTRAINT no_dollar CHECK (value <> 'USD') NOT VALID;
EXECUTE paid ('x');
ROLLBACK;
EXECUTE paid ('x');
DEALLOCATE paid;

-- Nor does a session that fires no triggers: the index is there for any statement
BEGIN;
SET LOCAL session_replication_role = replica;
CREATE TEMP TABLE again ON COMMIT DROP AS SELECT * FROM murallink.payment
WHERE patient_uid = :'grover' AND milestone_name = 'Week 1' AND trial_uid = :'trial';
UPDATE again SET uid = murallink.gen_ksuid(), milestone_uid = :'missing';
SELECT format('INSERT INTO murallink_private.payment (%1$s) SELECT %1$s FROM again', string_agg(attname, ', ')) AS again
FROM pg_attribute WHERE attrelid = 'murallink_private.payment'::regclass AND attnum > 0 AND attgenerated = '' \gset
SELECT test.outcome(session_user, :'again');
UPDATE again SET milestone_name = 'Visit 1', milestone_code = 'WEEK 1';
SELECT test.outcome(session_user, :'again') AS another_spelling;
UPDATE again SET status = 'cancelled', decision_note = 'a mistake';
SELECT test.outcome(session_user, :'again');
ROLLBACK;

-- Two spellings of a milestone, which come by hand or at the same moment, are one: paid once, at the price in force
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_pay_admin;
SELECT uid AS spelt FROM murallink.add_milestone('Spelt', 5, 'USD', :'trial', :'site', effective_date => now() - interval '2 days') \gset
RESET SESSION AUTHORIZATION;
INSERT INTO murallink.milestone (
    client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, sort_order, code)
SELECT client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, 'SPELT', now() - interval '1 day', 7, currency, sort_order, 'SPELT'
FROM murallink.milestone WHERE uid = :'spelt' RETURNING uid AS respelt \gset
SET LOCAL SESSION AUTHORIZATION regress_pay_admin;
SELECT milestone, amount, num_payments, paid FROM murallink.payable_milestones(:'ernie', :'trial') WHERE milestone ILIKE 'spelt';
SELECT sort_order FROM murallink.add_milestone('Spelt', 9, 'USD', :'trial', :'site', effective_date => now() + interval '1 day');
SELECT amount FROM murallink.milestone_payment(:'ernie', :'spelt');
SELECT test.outcome('regress_pay_admin', format('SELECT murallink.milestone_payment(%L, %L)', :'ernie', version)) AS again
FROM unnest(ARRAY[:'spelt', :'respelt']) AS version;
SELECT milestone, amount, num_payments, paid FROM murallink.payable_milestones(:'ernie', :'trial') WHERE milestone ILIKE 'spelt';
ROLLBACK;

-- What was paid and priced stays: not even the owner or a superuser may change or delete it
SELECT relation, split_part(write, ' ', 1) AS write, test.outcome('murallink_owner', statement) AS owner,
    test.outcome(session_user, statement) AS superuser
FROM (VALUES ('murallink_private.payment', :'own'), ('murallink.milestone', :'week_1')) AS written (relation, uid), (VALUES
    ('UPDATE %1$s SET amount = amount'),
    ('INSERT INTO %1$s (%3$s) SELECT %3$s FROM %1$s WHERE uid = %2$L ON CONFLICT (uid) DO UPDATE SET amount = EXCLUDED.amount'),
    ('MERGE INTO %1$s t USING %1$s s ON t.uid = s.uid WHEN MATCHED THEN UPDATE SET amount = s.amount'),
    ('DELETE FROM %1$s'),
    ('TRUNCATE %1$s CASCADE')) AS writes (write),
    LATERAL (SELECT string_agg(attname, ', ') AS columns FROM pg_attribute
        WHERE attrelid = relation::regclass AND attnum > 0 AND attgenerated = '') AS written_columns,
    format(write, relation, uid, columns) AS statement;

-- A payment changes its status and who decided, nothing else
SELECT uid AS whole FROM murallink.payment WHERE patient_uid = :'jodi' AND milestone_name = 'Week 1' \gset
SELECT test.outcome(session_user, format('UPDATE murallink_private.payment SET status = ''approved'', %s = %L WHERE uid = %L',
    attname, CASE attname WHEN 'currency' THEN 'EUR' END, :'whole')) AS outcome, string_agg(attname, ' ' ORDER BY attnum) AS columns
FROM pg_attribute WHERE attrelid = 'murallink_private.payment'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'status'
GROUP BY outcome ORDER BY outcome;

-- The steps of a payment: all that there could be are tried, on a payment that has come to each state by allowed steps. Its call
-- is moved as the worker moves it.
CREATE FUNCTION pg_temp.call_step(call text, next text, outcome text DEFAULT NULL, note text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT format('UPDATE murallink_private.call SET status = %L, note = %L%s WHERE uid = %L', next, note, CASE
        WHEN next = 'claimed' THEN ', attempt = attempt + 1, claimed_at = clock_timestamp(), content_hash = '''', revision = 1, outcome = NULL, settled_at = NULL'
        WHEN outcome IS NOT NULL THEN format(', outcome = %L, settled_at = clock_timestamp()', outcome) ELSE '' END, call)
$$;
CREATE FUNCTION pg_temp.payment_at(enrollment murallink.ksuid, way text[]) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    made murallink.ksuid;
    its_payout murallink.ksuid;
    step text;
    word text[];
BEGIN
    INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency) VALUES (enrollment, 'manual', 1, 'USD')
    RETURNING uid INTO made;
    FOREACH step IN ARRAY way LOOP
        word := string_to_array(step, ' ');
        CASE word[1]
            WHEN 'send' THEN
                INSERT INTO murallink_private.payout (payment_uid, partner) VALUES (made, 'issuer') RETURNING uid INTO its_payout;
                INSERT INTO murallink_private.call (uid, partner, resource, subject_uid, operation)
                VALUES (its_payout, 'issuer', 'payout', its_payout, 'load');
            WHEN 'idle' THEN
                INSERT INTO murallink_private.payout (payment_uid, partner) VALUES (made, 'issuer');
            WHEN 'person' THEN
                INSERT INTO murallink_private.payout (payment_uid, reason) VALUES (made, 'settled_by_person') RETURNING uid INTO its_payout;
            WHEN 'settle' THEN
                UPDATE murallink_private.payout SET settled_at = clock_timestamp() WHERE uid = its_payout;
            WHEN 'call' THEN
                EXECUTE pg_temp.call_step(its_payout::text, word[2], word[3]);
            WHEN 'reversed' THEN
                INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (made, 1, 'other', 'all of it');
                PERFORM murallink_private.reversal_return(r.uid, r.amount, r.uid) FROM murallink.reversal r WHERE r.payment_uid = made;
            ELSE
                UPDATE murallink_private.payment SET status = step::murallink.payment_status, decision_note = 'a step' WHERE uid = made;
        END CASE;
    END LOOP;
    RETURN made;
END
$$;
CREATE TEMP TABLE way (n integer GENERATED ALWAYS AS IDENTITY, way text[]);
INSERT INTO way (way) VALUES ('{}'), ('{rejected}'), ('{approved}'),
    ('{approved,idle}'), ('{approved,send}'), ('{approved,send,call waiting}'), ('{approved,send,cancelled}'), ('{approved,send,call claimed}'),
    ('{approved,send,call claimed,call ready not_sent}'), ('{approved,send,call claimed,call waiting not_sent}'),
    ('{approved,send,call claimed,call done done}'), ('{approved,send,call claimed,call declined declined}'),
    ('{approved,send,call claimed,call in_doubt in_doubt}'), ('{approved,send,call claimed,call done done,paid}'),
    ('{approved,send,call claimed,call declined declined,failed}'), ('{approved,send,call claimed,call in_doubt in_doubt,in_doubt}'),
    ('{approved,send,call claimed,call in_doubt not_sent,in_doubt}'), ('{approved,send,call claimed,call in_doubt declined,in_doubt}'),
    ('{approved,send,call claimed,call done done,paid,reversed}'), ('{approved,send,call claimed,call declined declined,failed,approved,call waiting}'),
    ('{approved,send,call claimed,call declined declined,failed,cancelled}'), ('{approved,send,call claimed,call in_doubt in_doubt,in_doubt,call done}'),
    ('{approved,send,call claimed,call in_doubt in_doubt,in_doubt,call done,paid}'), ('{approved,send,call claimed,call in_doubt in_doubt,in_doubt,approved}'),
    ('{approved,send,call claimed,call in_doubt in_doubt,in_doubt,approved,call waiting,call ready,call claimed,call done done,paid}'),
    ('{approved,send,call claimed,call in_doubt in_doubt,in_doubt,cancelled}'),
    ('{approved,person}'), ('{approved,person,settle}'), ('{approved,person,settle,paid}'), ('{approved,person,settle,failed}'),
    ('{approved,person,settle,failed,cancelled}'), ('{approved,person,settle,paid,reversed}'), ('{approved,person,cancelled}');
BEGIN;
CREATE TEMP TABLE walked AS SELECT n, way, pg_temp.payment_at(:'ernies', way) AS uid FROM way ORDER BY n;
CREATE TEMP VIEW state AS
SELECT w.n, w.way, w.uid, o.uid AS payout, c.uid AS call, p.status AS payment, CASE
    WHEN c.uid IS NOT NULL THEN 'call ' || c.status WHEN o.uid IS NULL THEN 'no payout' WHEN o.partner IS NOT NULL THEN 'no call' WHEN o.settled_at IS NULL THEN 'for a person' ELSE 'settled' END AS payout_is
FROM walked w JOIN murallink.payment p ON p.uid = w.uid LEFT JOIN murallink_private.payout o ON o.payment_uid = w.uid
LEFT JOIN murallink_private.call c ON c.uid = o.uid;
GRANT SELECT ON walked TO PUBLIC;
SELECT payment, payout_is, string_agg(DISTINCT next::text, ' ') FILTER (WHERE outcome = 'done') AS allowed,
    string_agg(DISTINCT outcome, ', ') FILTER (WHERE outcome <> 'done') AS all_others
FROM state, unnest(enum_range(NULL::murallink.payment_status)) AS next,
    test.outcome('murallink_owner', format('UPDATE murallink_private.payment SET status = %L, decision_note = ''a step'' WHERE uid = %L', next, uid)) AS outcome
GROUP BY payment, payout_is ORDER BY payment, payout_is;

-- The same of the call that loads the card: with which outcome, or with none (-)
CREATE FUNCTION pg_temp.call_steps(call text) RETURNS TABLE (next murallink.payout_status, words text, outcome text) LANGUAGE sql AS $$
    SELECT n.next, string_agg(coalesce(s.answer, NULLIF(s.note, ''), '-'), ' or '), o.outcome
    FROM murallink_private.call c, unnest(enum_range(NULL::murallink.payout_status)) AS n (next),
        (VALUES (NULL, ''), (NULL, 'a note'), ('done', ''), ('declined', ''), ('not_sent', ''), ('in_doubt', '')) AS s (answer, note),
        test.outcome('murallink_owner', pg_temp.call_step(call, n.next::text, s.answer, s.note)) AS o (outcome)
    WHERE c.uid::text = call AND c.status <> n.next AND (n.next <> 'claimed' OR s.answer IS NULL)
    GROUP BY n.next, o.outcome
$$;
SELECT payment, payout_is, string_agg(DISTINCT format('%s: %s', next, words), ', ') FILTER (WHERE outcome = 'done') AS allowed,
    string_agg(DISTINCT outcome, ', ') FILTER (WHERE outcome <> 'done') AS all_others
FROM state, pg_temp.call_steps(call::text) WHERE call IS NOT NULL GROUP BY payment, payout_is ORDER BY payment, payout_is;

-- And of other calls, which are kept by what they are about: an order, a message, and requests that may or may not be repeated
CREATE FUNCTION pg_temp.call_at(resource text, operation text, repeatable boolean, way text[]) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    made CONSTANT murallink.ksuid := murallink.gen_ksuid();
    step text;
BEGIN
    INSERT INTO murallink_private.call (uid, partner, resource, subject_uid, operation, repeatable)
    VALUES (made, 'issuer', resource, CASE WHEN resource <> 'request' THEN made END, operation, repeatable);
    FOREACH step IN ARRAY way LOOP
        EXECUTE pg_temp.call_step(made::text, split_part(step, ' ', 1), NULLIF(split_part(step, ' ', 2), ''));
    END LOOP;
    RETURN made;
END
$$;
CREATE TEMP TABLE called AS
SELECT kind, way[cardinality(way)] AS status, pg_temp.call_at(resource, operation, repeatable, way) AS uid
FROM (VALUES (1, 'order', 'card', 'order', false), (2, 'message', 'notice', 'message', false), (3, 'request', 'request', 'ask', false),
        (4, 'repeatable', 'request', 'ask', true)) AS kinds (n, kind, resource, operation, repeatable),
    (VALUES ('{}'::text[]), ('{waiting}'), ('{claimed}'), ('{claimed,done done}'), ('{claimed,declined declined}'), ('{claimed,in_doubt in_doubt}'),
        ('{cancelled}')) AS ways (way) ORDER BY n;
SELECT kind, coalesce(split_part(status, ' ', 1), 'ready') AS status,
    string_agg(format('%s: %s', next, words), ', ' ORDER BY next) FILTER (WHERE outcome = 'done') AS allowed,
    string_agg(DISTINCT outcome, ', ') FILTER (WHERE outcome <> 'done') AS all_others
FROM called, pg_temp.call_steps(uid::text) GROUP BY kind, status ORDER BY kind, status;

-- What of it people may do: neither send, nor decide what is in doubt
SELECT payment, payout_is, string_agg(DISTINCT approve, ', ') AS approve, string_agg(DISTINCT reject, ', ') AS reject, string_agg(DISTINCT cancel, ', ') AS cancel
FROM state, test.outcome('regress_pay_approver', format('SELECT murallink.approve_payment(%L)', uid)) AS approve,
    test.outcome('regress_pay_approver', format('SELECT murallink.reject_payment(%L, ''a mistake'')', uid)) AS reject,
    test.outcome('regress_pay_approver', format('SELECT murallink.cancel_payment(%L, ''a mistake'')', uid)) AS cancel
GROUP BY payment, payout_is ORDER BY payment, payout_is;

-- The funds follow each step, and each movement happens once
SELECT way, array_agg(movement ORDER BY movement) AS movements,
    sum(e.amount * CASE movement WHEN 'reserve' THEN 1 WHEN 'return' THEN 0 ELSE -1 END) AS reserved,
    sum(e.amount * CASE movement WHEN 'disburse' THEN 1 WHEN 'return' THEN -1 ELSE 0 END) AS disbursed
FROM walked JOIN murallink.payment p ON p.uid = walked.uid JOIN murallink.fund_entry e ON e.source_uid IN (p.uid, p.returned_by_uid)
GROUP BY n, way ORDER BY n;
-- The books name those whose payment has not yet gone as its payout has
SELECT way, shown
FROM murallink.verify_ledger() JOIN walked ON strpos(problem, 'payment ' || uid) > 0,
    regexp_replace(problem, '[0-9A-Za-z]{27}', 'X', 'g') AS shown ORDER BY n;
SET LOCAL session_replication_role = replica;
SELECT DISTINCT movement, test.outcome(session_user, format(
    'INSERT INTO murallink.fund_entry (uid, contract_uid, client_uid, currency, movement, amount, source_uid, at)'
    ' SELECT murallink.gen_ksuid(), contract_uid, client_uid, currency, movement, amount, source_uid, now() FROM murallink.fund_entry WHERE uid = %L',
    e.uid)) AS again
FROM walked JOIN murallink.payment p ON p.uid = walked.uid JOIN murallink.fund_entry e ON e.source_uid IN (p.uid, p.returned_by_uid)
ORDER BY movement;
ROLLBACK;

-- The books: each kind of contradiction is found and named
SET SESSION AUTHORIZATION regress_pay_admin;
SELECT uid AS book_contract FROM murallink.create_contract(client_uid => :'client', name => 'Books', currency => 'USD') \gset
SELECT uid AS book_trial FROM murallink.create_trial(contract_uid => :'book_contract', name => 'Books') \gset
SELECT uid AS book_site FROM murallink.create_site(trial_uid => :'book_trial', name => 'Desk') \gset
SELECT pg_temp.patient(:'book_site', :'book_trial', 'Lucca') AS lucca \gset
SELECT murallink.add_funding(:'book_contract', 800);
RESET SESSION AUTHORIZATION;
SELECT uid AS luccas FROM murallink.enrollment WHERE patient_uid = :'lucca' \gset
SELECT pg_temp.payment_at(:'luccas', '{}') AS pending, pg_temp.payment_at(:'luccas', '{rejected}') AS rejected,
    pg_temp.payment_at(:'luccas', '{approved,send,call claimed,call done done,paid}') AS paid,
    pg_temp.payment_at(:'luccas', '{approved,send,call claimed,call done done,paid,reversed}') AS reversed \gset
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'book_contract';
SELECT * FROM murallink.verify_ledger();
SELECT damage, test.problems(format(statement, uid)) FROM (VALUES
    (1, 'a slot reserves more', 'UPDATE murallink.fund_slot SET reserved = reserved + 1, available = available - 1'
        ' WHERE contract_uid = %L AND slot = 0', :'book_contract'),
    (2, 'a slot disbursed more', 'UPDATE murallink.fund_slot SET disbursed = disbursed + 1, available = available - 1'
        ' WHERE contract_uid = %L AND slot = 0', :'book_contract'),
    (3, 'a slot got richer', 'UPDATE murallink.fund_slot SET available = available + 1 WHERE contract_uid = %L AND slot = 0',
        :'book_contract'),
    (4, 'the slots are gone', 'DELETE FROM murallink.fund_slot WHERE contract_uid = %L', :'book_contract'),
    (5, 'a funding grew', 'UPDATE murallink.funding SET amount = 801 WHERE contract_uid = %L', :'book_contract'),
    (6, 'a funding is gone', 'DELETE FROM murallink.funding WHERE contract_uid = %L', :'book_contract'),
    (7, 'a deposit grew', 'UPDATE murallink.fund_entry SET amount = 801 WHERE contract_uid = %L AND movement = ''deposit''',
        :'book_contract'),
    (8, 'a deposit is gone', 'DELETE FROM murallink.fund_entry WHERE contract_uid = %L AND movement = ''deposit''',
        :'book_contract'),
    (9, 'a payment is paid without disbursing', 'UPDATE murallink_private.payment SET status = ''paid'', paid_at = now() WHERE uid = %L', :'pending'),
    (10, 'a payment grew', 'UPDATE murallink_private.payment SET amount = 2 WHERE uid = %L', :'paid'),
    (11, 'a payment is gone', 'DELETE FROM murallink_private.payment WHERE uid = %L', :'pending'),
    (12, 'a release is gone', 'DELETE FROM murallink.fund_entry WHERE source_uid = %L AND movement = ''release''', :'rejected'),
    (13, 'a return is gone', 'DELETE FROM murallink.fund_entry e USING murallink_private.payment p'
        ' WHERE e.source_uid = p.returned_by_uid AND p.uid = %L', :'reversed'),
    (14, 'all entries of a payment are gone', 'DELETE FROM murallink.fund_entry WHERE source_uid = %L', :'rejected'),
    (15, 'an entry is another client''s', 'UPDATE murallink.fund_entry SET client_uid = murallink.gen_ksuid()'
        ' WHERE source_uid = %L', :'pending'),
    (16, 'a deposit is another client''s', 'UPDATE murallink.fund_entry SET client_uid = murallink.gen_ksuid()'
        ' WHERE contract_uid = %L AND movement = ''deposit''', :'book_contract'),
    (17, 'a funding reserved and released', 'INSERT INTO murallink.fund_entry'
        ' (uid, contract_uid, client_uid, currency, movement, amount, source_uid, at)'
        ' SELECT murallink.gen_ksuid(), contract_uid, client_uid, currency, moved, 1, uid, now() FROM murallink.funding,'
        ' unnest(''{reserve,release}''::murallink.fund_movement[]) AS moved WHERE contract_uid = %L', :'book_contract'),
    (18, 'a payout is gone', 'DELETE FROM murallink_private.payout WHERE payment_uid = %L', :'paid'),
    (19, 'a payout is another patient''s', 'UPDATE murallink_private.payout SET patient_uid = murallink.gen_ksuid() WHERE payment_uid = %L', :'paid'),
    (20, 'a call is gone', 'DELETE FROM murallink_private.call c USING murallink_private.payout o WHERE c.uid = o.uid AND o.payment_uid = %L', :'paid'),
    (21, 'a call was declined', 'UPDATE murallink_private.call c SET status = ''declined'' FROM murallink_private.payout o'
        ' WHERE c.uid = o.uid AND o.payment_uid = %L', :'reversed'),
    (22, 'a return grew', 'UPDATE murallink.fund_entry e SET amount = 2 FROM murallink_private.payment p'
        ' WHERE e.source_uid = p.returned_by_uid AND p.uid = %L', :'reversed'),
    (23, 'a reversal is gone', 'DELETE FROM murallink_private.reversal WHERE payment_uid = %L', :'reversed'),
    (24, 'a reversal came back that did not', 'INSERT INTO murallink_private.reversal'
        ' (client_uid, contract_uid, trial_uid, site_uid, patient_uid, enrollment_uid, chain_uid, payment_uid, amount, currency, reason, note, status, returned)'
        ' SELECT client_uid, contract_uid, trial_uid, site_uid, patient_uid, enrollment_uid, chain_uid, uid, 1, currency, ''other'', ''x'', ''returned'', 1'
        ' FROM murallink_private.payment WHERE uid = %L', :'paid'),
    (25, 'more is taken back than was paid', 'INSERT INTO murallink_private.reversal'
        ' (client_uid, contract_uid, trial_uid, site_uid, patient_uid, enrollment_uid, chain_uid, payment_uid, amount, currency, reason, note)'
        ' SELECT client_uid, contract_uid, trial_uid, site_uid, patient_uid, enrollment_uid, chain_uid, uid, 1.01, currency, ''other'', ''x'''
        ' FROM murallink_private.payment WHERE uid = %L', :'paid'),
    (26, 'a reversal is unloading without a call', 'INSERT INTO murallink_private.reversal'
        ' (client_uid, contract_uid, trial_uid, site_uid, patient_uid, enrollment_uid, chain_uid, payment_uid, amount, currency, reason, note, status)'
        ' SELECT client_uid, contract_uid, trial_uid, site_uid, patient_uid, enrollment_uid, chain_uid, uid, 1, currency, ''other'', ''x'', ''unloading'''
        ' FROM murallink_private.payment WHERE uid = %L', :'paid')
) AS damages (n, damage, statement, uid) ORDER BY n;
SELECT * FROM murallink.verify_ledger();

-- When a payment was changed and paid; and what has changed since a time, found by the audit, for those who see it
SELECT status, updated_at = created_at AS new, paid_at IS NOT NULL AS was_paid, updated_at > paid_at AS changed_since
FROM murallink.payment WHERE uid IN (:'pending', :'paid', :'reversed') ORDER BY status;
GRANT murallink_analyst TO regress_pay_admin, regress_pay_coordinator, regress_pay_stranger;
CREATE FUNCTION pg_temp.changed_since(caller text, OUT several boolean, OUT right_ones boolean, OUT indexes text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    line text;
    since CONSTANT timestamptz := (SELECT updated_at FROM murallink_private.payment ORDER BY updated_at OFFSET 10 LIMIT 1);
BEGIN
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', caller);
    SELECT count(*) > 10, count(*) = (SELECT count(*) FROM murallink.payment WHERE updated_at >= since) INTO several, right_ones
    FROM murallink.changed_payments(since);
    FOR line IN EXECUTE format('EXPLAIN (COSTS off) SELECT * FROM murallink.changed_payments(%L::timestamptz)', since) LOOP
        indexes := NULLIF(concat_ws(' ', indexes, (regexp_match(line, 'Index Scan (?:using|on) (\w+)'))[1]), '');
    END LOOP;
    RESET SESSION AUTHORIZATION;
END
$$;
SELECT caller, s.* FROM unnest('{admin,coordinator,stranger}'::text[]) AS caller, LATERAL pg_temp.changed_since('regress_pay_' || caller) AS s;
SELECT test.refusal('SELECT murallink.changed_payments(''soon'')');

DROP ROLE regress_pay_admin, regress_pay_coordinator, regress_pay_approver, regress_pay_desk, regress_pay_stranger,
    regress_pay_unknown;
