-- Payments: what may be paid to whom, at which price, how often, who decides, and that the books agree.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_pay_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_coordinator LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_approver LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_desk LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_stranger LOGIN IN ROLE murallink_client;
CREATE ROLE regress_pay_unknown LOGIN IN ROLE murallink_client;

-- What becomes of a statement of a caller's: done, or the SQLSTATE, name and field of the error. It is rolled back.
CREATE FUNCTION pg_temp.outcome(caller text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text;
    field text;
BEGIN
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', caller);
    EXECUTE statement;
    RAISE 'done' USING ERRCODE = 'P0000';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME, field = COLUMN_NAME;
    RETURN CASE SQLSTATE WHEN 'P0000' THEN SQLERRM ELSE concat_ws(' ', SQLSTATE, NULLIF(error, ''), NULLIF(field, '')) END;
END
$$;

CREATE FUNCTION pg_temp.patient(site text, trial text, name text) RETURNS murallink.ksuid LANGUAGE plpgsql AS $$
DECLARE
    added murallink.ksuid := uid FROM murallink.add_patient(site_uid => site::murallink.ksuid, first_name => name, last_name => 'Street');
BEGIN
    PERFORM murallink.enroll(added, trial::murallink.ksuid, site::murallink.ksuid, name);
    RETURN added;
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
SELECT uid AS week_2 FROM murallink.add_milestone('Week 2', 75, 'USD', :'trial', :'site', effective_date => '2021-02-01') \gset
SELECT uid AS week_2_dearer FROM murallink.add_milestone('Week 2', 80, 'USD', :'trial', :'site', effective_date => now() + '1 hour') \gset
SELECT uid AS week_2_before FROM murallink.add_milestone('Week 2', 70, 'USD', :'trial', :'site', effective_date => '2021-01-01') \gset
SELECT amount, milestone_uid = :'week_2' AS in_force FROM murallink.milestone_payment(:'grover', :'week_2_dearer');
SELECT amount, milestone_uid = :'week_2' AS in_force FROM murallink.milestone_payment(:'bill', :'week_2_before');
SELECT amount FROM murallink.milestone_payment(:'grover', :'week_2');
SELECT amount FROM murallink.milestone_payment(:'bill', :'week_2_dearer');

-- A version added with a date that has passed holds from now on: what was paid stays as it is, and paid
SELECT uid AS week_2_corrected FROM murallink.add_milestone('Week 2', 77, 'USD', :'trial', :'site', effective_date => '2021-03-01') \gset
SELECT amount FROM murallink.milestone_payment(:'bill', :'week_2_corrected');
SELECT amount FROM murallink.milestone_payment(:'jodi', :'week_2');
SELECT amount, (milestone).amount FROM murallink.get_patient_payments(:'bill', :'trial') WHERE (milestone).milestone = 'Week 2';

-- Across the moment: whoever pays, and whatever was remembered of the schedule before
SELECT uid AS diary FROM murallink.add_milestone('Diary', 10, 'USD', :'trial', :'site', 1000) \gset
SELECT set_config('test.diary', :'diary', false), set_config('test.ernie', :'ernie', false) \g /dev/null
DO $$
DECLARE
    diary murallink.milestone := m FROM murallink.milestone AS m WHERE m.uid::text = current_setting('test.diary');
BEGIN
    PERFORM murallink.milestone_payment(current_setting('test.ernie')::murallink.ksuid, diary.uid);
END
$$;
-- None in force yet
SET SESSION AUTHORIZATION regress_pay_admin;
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
SELECT amount FROM murallink.add_milestone('Call', 7, 'USD', :'trial', :'site', 1, '2021-03-01');
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
SELECT (now() AT TIME ZONE 'UTC')::date AS today \gset
SELECT set_e.status FROM murallink.set_enrollment_status('dropped', :'trial', :'jodi', :'today'::date - 10) AS set_e;
SELECT amount FROM murallink.milestone_payment(:'jodi', :'week_1');
SELECT amount FROM murallink.milestone_payment(:'jodi', :'week_1', visit_date => :'today'::date - 9);
SELECT amount FROM murallink.milestone_payment(:'jodi', :'week_1', visit_date => :'today'::date - 10);
SELECT amount FROM murallink.manual_payment(:'jodi', :'trial', 12);
SELECT amount FROM murallink.manual_payment(:'jodi', :'trial', 12, visit_date => :'today');
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

-- A visit has a day, and not one to come (today somewhere may be tomorrow in UTC)
SELECT visit, pg_temp.outcome('regress_pay_coordinator', format(
    'SELECT murallink.milestone_payment(%L, %L, visit_date => %L)', :'ernie', :'week_1', visit)) AS milestone,
    pg_temp.outcome('regress_pay_coordinator', format(
    'SELECT murallink.travel_payment(%L, %L, 1, visit_date => %L)', :'ernie', :'trial', visit)) AS travel
FROM (VALUES ('today', :'today'::date), ('tomorrow', :'today'::date + 1), ('day after', :'today'::date + 2),
    ('endless', 'infinity'), ('long ago', '-infinity')) AS visits (called, visit);

-- Manual and travel payments: amounts, currencies, notes
SET SESSION AUTHORIZATION regress_pay_coordinator;
SELECT payment_type, amount, currency, note, made.status, milestone_uid, milestone IS NULL AS no_milestone
FROM murallink.manual_payment(:'ernie', :'trial', 7.50, note => ' taxi ') AS made;
SELECT payment_type, amount, currency, note, made.status, milestone_uid, milestone IS NULL AS no_milestone
FROM murallink.travel_payment(:'ernie', :'trial', 99.990, '', NULL) AS made;
RESET SESSION AUTHORIZATION;
SELECT amount, currency,
    pg_temp.outcome('regress_pay_coordinator', format('SELECT murallink.manual_payment(%L, %L, %L, %L)', :'ernie', :'trial', amount, currency))
    AS manual,
    pg_temp.outcome('regress_pay_coordinator', format('SELECT murallink.travel_payment(%L, %L, %L, %L)', :'ernie', :'trial', amount, currency))
    AS travel
FROM (VALUES
    ('0', 'USD'), ('-1', 'USD'), ('0.001', 'USD'), ('0.5', 'JPY'), ('0.0001', 'KWD'), ('NaN', 'USD'), ('Infinity', 'USD'),
    ('-Infinity', 'USD'), ('1e12', 'USD'), ('1e1000', 'USD'), ('1e-1000', 'USD'), (NULL, 'USD'), ('1', 'usd'), ('1', 'XXX'),
    ('1', 'JPY'), ('999999999999.99', 'USD'), ('1', 'USD')) AS bad (amount, currency);
SELECT length(note) AS length, pg_temp.outcome('regress_pay_coordinator', format(
    'SELECT murallink.manual_payment(%L, %L, 1, note => %L)', :'ernie', :'trial', note)) AS manual,
    pg_temp.outcome('regress_pay_coordinator', format(
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
    (5, format('reject_payment(%L)', :'pending')),
    (6, format('cancel_payment(%L)', :'pending')),
    (7, format('get_patient_payments(%L, %L)', :'ernie', :'trial')),
    (8, format('payable_milestones(%L, %L)', :'ernie', :'trial'))) AS listed (n, call);
SELECT split_part(call, '(', 1) AS action, caller, pg_temp.outcome('regress_pay_' || caller, 'SELECT murallink.' || call) AS outcome
FROM action, unnest('{unknown,stranger,desk,approver,coordinator,admin}'::text[]) WITH ORDINALITY AS callers (caller, c) ORDER BY n, c;
SELECT call, pg_temp.outcome('regress_pay_admin', format('SELECT murallink.' || call, VARIADIC uids)) AS outcome FROM (VALUES
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
SELECT murallink.reject_payment(:'manual');
RESET SESSION AUTHORIZATION;
SELECT payment_type, amount, status, decided_by_uid = :'approver' AS by_approver FROM murallink.payment
WHERE patient_uid = :'ernie' ORDER BY created_at;
SET SESSION AUTHORIZATION regress_pay_approver;
SELECT murallink.cancel_payment(:'travel');
SELECT payment_type, amount, decided.status FROM murallink.cancel_payment(:'manual') AS decided;
SELECT murallink.cancel_payment(:'manual');
SELECT murallink.approve_payment(:'manual');
SELECT milestone_uid = :'week_1' AS of_milestone, amount, decided.status FROM murallink.reject_payment(:'pending') AS decided;
SELECT murallink.approve_payment(:'pending');
SELECT murallink.cancel_payment(:'pending');
RESET SESSION AUTHORIZATION;

-- Travel expenses: approve_travel suffices, and so does approve_payments
SELECT decision, caller, pg_temp.outcome('regress_pay_' || caller, format('SELECT murallink.%s(%L)', decision, :'travel'))
FROM unnest('{approve_payment,reject_payment}'::text[]) AS decision, unnest('{desk,approver,coordinator}'::text[]) AS caller;
SET SESSION AUTHORIZATION regress_pay_desk;
SELECT payment_type, decided.status FROM murallink.approve_payment(:'travel') AS decided;
SELECT payment_type, decided.status FROM murallink.cancel_payment(:'travel') AS decided;
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
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_pay_approver;
SELECT uid AS own FROM murallink.manual_payment(:'grover', :'strict_trial', 40) \gset
SELECT murallink.approve_payment(:'own');
RESET SESSION AUTHORIZATION;
SELECT decision, caller, pg_temp.outcome('regress_pay_' || caller, format('SELECT murallink.%s(%L)', decision, :'own'))
FROM unnest('{approve_payment,reject_payment}'::text[]) AS decision, unnest('{approver,admin}'::text[]) AS caller;

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
