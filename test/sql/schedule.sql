-- Milestones, their versions, and what is in force.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_schedule_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_schedule_user LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('admin.schedule@example.com', 'correct horse', 'Sami', 'Admin');
SELECT uid AS "user" FROM murallink.register('user.schedule@example.com', 'correct horse', 'Sue', 'User') \gset
SELECT murallink.set_db_role(name || '.schedule@example.com', 'regress_schedule_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
CREATE FUNCTION pg_temp.schedule(trial murallink.ksuid, site murallink.ksuid, include_future boolean DEFAULT NULL)
RETURNS TABLE (milestone text, price text, num_payments int, sort_order int, "from" text)
LANGUAGE sql AS $$
    SELECT s.milestone, s.amount || ' ' || s.currency, s.num_payments, s.sort_order,
        CASE WHEN s.effective_date > now() THEN 'to come'
            WHEN s.effective_date < now() - interval '1 hour' THEN s.effective_date::date::text ELSE 'now' END
    FROM murallink.get_payment_schedule(trial, site, include_future) AS s
$$;

SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Scheduler') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Scheduler', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid AS free_site FROM murallink.create_site(contract_uid => :'contract', name => 'Free') \gset
SELECT uid AS trial_site FROM murallink.trial_site WHERE trial_uid = :'trial' AND site_uid = :'site' \gset

-- A milestone is in force from now on, in the contract's currency, payable once, at the end of the schedule
SELECT uid AS week_1, trial_site_uid = :'trial_site' AS trial_site, trial_uid = :'trial' AS trial, site_uid = :'site' AS site, milestone,
    amount, currency, num_payments,
    sort_order, now() - effective_date < interval '1 minute' AS from_now
FROM murallink.add_milestone(milestone => ' Week 1 ', amount => 75.00, trial_uid => :'trial', site_uid => :'site') \gset got_
\echo :got_trial_site :got_trial :got_site :got_milestone :got_amount :got_currency :got_num_payments :got_sort_order :got_from_now
SELECT milestone, amount, currency, num_payments, sort_order FROM murallink.add_milestone('Week 2', 0.01, 'USD', :'trial', :'site', 3);
SELECT milestone, amount, currency, num_payments, sort_order FROM murallink.add_milestone('Week 3', 1500, 'JPY', :'trial', :'site', sort_order => 10);
SELECT milestone, amount, currency, num_payments, sort_order FROM murallink.add_milestone('Week 4', 1.234, 'KWD', :'trial', :'site');
SELECT milestone, amount, currency, num_payments, sort_order FROM murallink.add_milestone('Week 0', 1, '', :'trial', :'site', NULL, NULL, 0);
SELECT * FROM pg_temp.schedule(:'trial', :'site');

-- Of the versions with one name the latest that is in force counts; it stands where the milestone stood
SELECT sort_order FROM murallink.add_milestone('Week 1', 1, NULL, :'trial', :'site', effective_date => '2020-01-01');
SELECT sort_order FROM murallink.add_milestone('Week 1', 100, NULL, :'trial', :'site', effective_date => now() + interval '1 day');
SELECT sort_order FROM murallink.add_milestone('Week 2', 80, 'EUR', :'trial', :'site');
SELECT sort_order FROM murallink.add_milestone('Week 3', 2000, 'JPY', :'trial', :'site', sort_order => 2);
SELECT sort_order FROM murallink.add_milestone('Week 5', 5, 'USD', :'trial', :'site', effective_date => now() + interval '1 day');
SELECT sort_order FROM murallink.add_milestone('Week 6', 6, 'USD', :'trial', :'site', effective_date => '2020-02-02 23:00:00-02:00');
SELECT * FROM pg_temp.schedule(:'trial', :'site');
SELECT * FROM pg_temp.schedule(:'trial', :'site', true);
-- a version with an earlier date than the one in force changes nothing today, and at its moment a version is in force
BEGIN;
SELECT amount FROM murallink.add_milestone('Week 6', 66, 'USD', :'trial', :'site', effective_date => '2020-02-01');
SELECT amount FROM murallink.add_milestone('Week 4', 44, 'USD', :'trial', :'site', effective_date => now());
SELECT amount FROM murallink.add_milestone('Week 2', 22, 'USD', :'trial', :'site', effective_date => now() + interval '1 us');
SELECT milestone, price FROM pg_temp.schedule(:'trial', :'site') WHERE milestone IN ('Week 2', 'Week 4', 'Week 6');
ROLLBACK;

-- num_payments 0 retires a milestone, from its moment on; a later version brings it back
SELECT num_payments FROM murallink.add_milestone('Week 4', 1, 'USD', :'trial', :'site', 0);
SELECT num_payments FROM murallink.add_milestone('Week 6', 6, 'USD', :'trial', :'site', 0, now() + interval '1 day');
SELECT * FROM pg_temp.schedule(:'trial', :'site', true) WHERE milestone IN ('Week 4', 'Week 6');
SELECT sort_order FROM murallink.add_milestone('Week 4', 4, 'USD', :'trial', :'site');
SELECT * FROM pg_temp.schedule(:'trial', :'site') WHERE milestone IN ('Week 4', 'Week 6');
SELECT milestone, amount, sort_order FROM murallink.payment_schedule WHERE trial_site_uid = :'trial_site'
EXCEPT SELECT milestone, amount, sort_order FROM murallink.get_payment_schedule(:'trial', :'site');

-- The same moment twice is refused, in any notation
SELECT effective_date, test.answer('add_milestone', jsonb_build_object('milestone', 'Week 7', 'amount', 7, 'trial_uid', :'trial',
    'site_uid', :'site', 'effective_date', effective_date))
FROM (VALUES ('2020-03-03'), ('2020-03-03'), ('2020-03-03T00:00:00Z'), ('2020-03-03T00:00:00'), ('2020-03-03 00:00:00.000'),
    ('2020-03-03T01:30:00+01:30'), ('2020-03-02T19:00:00.000000-05:00'),
    ('2020-03-03T00:00:00.000001Z'), ('2020-03-03T00:00:00.0000019Z'), ('0001-01-01'), ('9999-12-31T23:59:59.999999Z')) AS moment (effective_date);
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
SELECT murallink.api(jsonb_build_object('action', 'add_milestone', 'payload',
    jsonb_build_object('milestone', 'Week 7', 'amount', 7, 'trial_uid', :'trial', 'site_uid', :'site',
    'effective_date', '2020-07-04'))) #>> '{payload,effective_date}' AS shown_in_utc;
SET timezone = 'UTC';
SET datestyle = 'ISO';

SELECT jsonb_build_object('milestone', 'Refused', 'amount', 1, 'currency', 'USD', 'trial_uid', :'trial', 'site_uid', :'site') AS fine \gset
SELECT changed, test.answer('add_milestone', :'fine' || changed)
FROM (VALUES
    (jsonb '{"milestone": ""}'), ('{"milestone": null}'), ('{"milestone": 1}'), ('{"milestone": "Week\u00011"}'),
    ('{"amount": null}'), ('{"amount": "1"}'), ('{"amount": ""}'), ('{"amount": 0}'), ('{"amount": -1}'), ('{"amount": 0.001}'),
    ('{"amount": 1000000000000}'), ('{"amount": 0.5, "currency": "JPY"}'),
    ('{"amount": 1.2345, "currency": "KWD"}'), ('{"currency": "usd"}'), ('{"currency": "XXX"}'), ('{"currency": 840}'),
    ('{"num_payments": -1}'), ('{"num_payments": 1001}'), ('{"num_payments": 1.5}'), ('{"num_payments": "1"}'),
    ('{"num_payments": 3000000000}'), ('{"num_payments": true}'),
    ('{"sort_order": -1}'), ('{"sort_order": 1000001}'), ('{"sort_order": 2147483648}'), ('{"sort_order": 0.5}'),
    ('{"effective_date": "2022-02-29"}'), ('{"effective_date": "2022-02-28T24:00:00Z"}'), ('{"effective_date": "2022-02-28T23:60:00Z"}'),
    ('{"effective_date": "2022-02-28T23:59:60Z"}'),
    ('{"effective_date": "2022-02-28T12Z"}'), ('{"effective_date": "2022-02-28T12:00:00."}'),
    ('{"effective_date": "2022-02-28T12:00:00 UTC"}'), ('{"effective_date": "2022-02-28T12:00:00+0100"}'),
    ('{"effective_date": "2022-02-28T12:00:00+16:00"}'), ('{"effective_date": "0000-12-31"}'),
    ('{"effective_date": "0001-01-01T00:00:00+01:00"}'), ('{"effective_date": "9999-12-31T23:59:59-01:00"}'),
    ('{"effective_date": "10000-01-01"}'), ('{"effective_date": "infinity"}'), ('{"effective_date": "now"}'), ('{"effective_date": 1645000000}'),
    ('{"trial_uid": ""}'), ('{"site_uid": null}'), ('{"trial_uid": "000000000000000000000000000"}'),
    ('{"site_uid": "000000000000000000000000000"}'), ('{"trial_site_uid": ""}'), ('{"uid": ""}')) AS refused (changed);
SELECT what, test.answer('add_milestone', :'fine' || jsonb_build_object(field, value))
FROM (VALUES (1, 'long', 'milestone', repeat('x', 201)), (2, 'site as trial', 'trial_uid', :'site'),
    (3, 'trial as site', 'site_uid', :'trial'), (4, 'trial at site as site', 'site_uid', :'trial_site'),
    (5, 'not associated', 'site_uid', :'free_site')) AS refused (n, what, field, value) ORDER BY n;
SELECT test.refusal(format('SELECT murallink.add_milestone(''Refused'', 1, ''USD'', %L, %L, effective_date => %L::timestamptz)', :'trial', :'site',
    effective_date))
FROM (VALUES ('infinity'), ('-infinity'), ('0001-12-31 BC'), ('10000-01-01')) AS refused (effective_date);
SELECT jsonb_build_object('trial_uid', :'trial', 'site_uid', :'site') AS fine \gset
SELECT payload, test.answer('get_payment_schedule', :'fine' || payload)
FROM (VALUES (jsonb '{}'), ('{"include_future": null}'), ('{"include_future": "yes"}'), ('{"trial_uid": ""}'), ('{"site_uid": ""}'),
    ('{"site_uid": "000000000000000000000000000"}'), ('{"future": true}')) AS asked (payload);
SELECT murallink.get_payment_schedule(:'trial', :'free_site');
SELECT count(*) FROM murallink.get_payment_schedule(:'trial', :'site', true) WHERE milestone = 'Refused';

-- What it takes
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.answers(trial text, site text, place text DEFAULT NULL)
RETURNS TABLE (add_milestone text, get_payment_schedule text, rename_milestone text) LANGUAGE sql AS $$
    SELECT test.answer('add_milestone', jsonb_build_object('milestone', 'Granted', 'amount', 1, 'trial_uid', trial, 'site_uid', site)),
        test.answer('get_payment_schedule', jsonb_build_object('trial_uid', trial, 'site_uid', site)),
        test.answer('rename_milestone', jsonb_build_object('trial_site_uid', coalesce(place, site), 'code', 'Week 1', 'name', clock_timestamp(),
            'note', 'audit'))
$$;
SELECT * FROM pg_temp.answers(:'trial', :'site', :'trial_site');
SET SESSION AUTHORIZATION regress_schedule_user;
SELECT * FROM pg_temp.answers(:'trial', :'site', :'trial_site');
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT murallink.grant(:'site', 'view_sites', :'user');
SET SESSION AUTHORIZATION regress_schedule_user;
SELECT * FROM pg_temp.answers(:'trial', :'site', :'trial_site');
SELECT * FROM pg_temp.answers(:'trial', :'free_site') AS of_a_site_that_is_not_seen;
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT murallink.grant(:'trial_site', 'add_milestone', :'user'), murallink.grant(:'client', 'view_payment_schedule', :'user');
SET SESSION AUTHORIZATION regress_schedule_user;
SELECT * FROM pg_temp.answers(:'trial', :'site', :'trial_site');
RESET SESSION AUTHORIZATION;
-- also before there is any trial at any site, by whatever plan
BEGIN;
SET LOCAL session_replication_role = replica;
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL client_min_messages = warning;
TRUNCATE murallink.trial_site CASCADE;
SELECT * FROM pg_temp.answers(:'trial', :'site', :'trial_site');
ROLLBACK;

-- Versions are never edited, not by their owner and not by a superuser
SELECT statement, test.refusal(statement) FROM (VALUES
    ('UPDATE murallink.milestone SET amount = 1000'), ('DELETE FROM murallink.milestone'), ('TRUNCATE murallink.milestone CASCADE'))
    AS tried (statement);
SET ROLE murallink_owner;
SELECT test.refusal('UPDATE murallink.milestone SET amount = 1000'), test.refusal('DELETE FROM murallink.milestone');
RESET ROLE;
SELECT field, test.refusal(format('INSERT INTO murallink.milestone'
    ' (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, num_payments, sort_order, code)'
    ' SELECT %s FROM murallink.trial_site WHERE uid = %L',
    (SELECT string_agg(CASE column_name WHEN field THEN value ELSE usual END, ', ' ORDER BY n) FROM (VALUES
        (1, 'client_uid', 'client_uid'), (2, 'contract_uid', 'contract_uid'), (3, 'trial_uid', 'trial_uid'), (4, 'site_uid', 'site_uid'),
        (5, 'trial_site_uid', 'uid'), (6, 'milestone', '''By hand'''),
        (7, 'effective_date', 'now()'), (8, 'amount', '1'), (9, 'currency', '''USD'''), (10, 'num_payments', '1'), (11, 'sort_order', '0'),
        (12, 'code', '''By hand'''))
        AS columns (n, column_name, usual)), :'trial_site'))
FROM (VALUES ('client_uid', 'contract_uid'), ('site_uid', 'murallink.gen_ksuid()'), ('amount', '0.001'), ('amount', '0'),
    ('currency', '''usd'''), ('num_payments', '-1'), ('milestone', ''''''), ('code', '''''')) AS wrong (field, value);

-- One milestone has one spelling: what looks the same is a version of it, what differs in case or width is refused
BEGIN;
SELECT jsonb_build_object('trial_uid', :'trial', 'site_uid', :'site', 'amount', 1) AS priced \gset
SET LOCAL SESSION AUTHORIZATION regress_schedule_admin;
SELECT milestone, test.answer('add_milestone', :'priced' || jsonb_build_object('milestone', milestone, 'effective_date', day))
FROM (VALUES ('Café visit 1', date '2030-01-01'), (E' Cafe\u0301\u00a0visit  1 ', '2030-01-02'), ('café VISIT 1', '2030-01-03'),
    ('Ｃafé visit 1', '2030-01-04'), ('Patient''s 2–3', '2030-01-01'), ('Patient’s 2–3', '2030-01-02'), ('Patient''s 2-3', '2030-01-03'),
    ('Patient''s 2–3', '2030-01-04'), (E'Caf\u00e9 visit 1\u200b', '2030-01-05'), (E'Caf\u00e9\u202e visit 1', '2030-01-06'), (E'\u00a0', '2030-01-07'))
    AS entered (milestone, day);
RESET SESSION AUTHORIZATION;
SELECT milestone, count(*) FROM murallink.milestone WHERE milestone ILIKE ANY ('{%visit%,patient%}') GROUP BY 1 ORDER BY milestone COLLATE "C";
-- two spellings that are there all the same, by hand or at the same moment, can both be changed and retired
INSERT INTO murallink.milestone
    (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, num_payments, sort_order, code)
SELECT client_uid, contract_uid, trial_uid, site_uid, uid, 'CAFÉ visit 1', '2030-01-08Z', 1, 'USD', 1, 0, 'CAFÉ visit 1'
FROM murallink.trial_site WHERE uid = :'trial_site';
SET LOCAL SESSION AUTHORIZATION regress_schedule_admin;
SELECT milestone, test.answer('add_milestone', :'priced' || jsonb_build_object('milestone', milestone, 'num_payments', 0, 'effective_date', day))
FROM (VALUES ('Café visit 1', date '2030-01-09'), ('CAFÉ visit 1', '2030-01-10'), ('café visit 1', '2030-01-11')) AS entered (milestone, day);
RESET SESSION AUTHORIZATION;
-- by hand as well: another spelling is a version, and takes no second price at the same moment
SELECT spelled, test.refusal(format('INSERT INTO murallink.milestone'
    ' (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount, currency, num_payments, sort_order, code)'
    ' SELECT client_uid, contract_uid, trial_uid, site_uid, uid, %1$L, ''2030-01-01Z'', 1, ''USD'', 1, 0, %1$L FROM murallink.trial_site'
    ' WHERE uid = %2$L', spelled, :'trial_site'))
FROM unnest(ARRAY['CAFÉ VISIT 1', 'Café visit 1 ', E'Cafe\u0301 visit 1', E'Café\u00a0visit 1', E'Café visit 1\u200b']) AS spelled;
ROLLBACK;

-- A milestone is known by its code, which is its first name: another name is a version of it, and it is paid once all the same (S9)
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT uid AS coded FROM murallink.create_trial(contract_uid => :'contract', name => 'Coded') \gset
SELECT uid AS here FROM murallink.create_site(trial_uid => :'coded', name => 'Here') \gset
SELECT uid AS there FROM murallink.create_site(trial_uid => :'coded', name => 'There') \gset
SELECT uid AS at_here FROM murallink.trial_site WHERE trial_uid = :'coded' AND site_uid = :'here' \gset
SELECT uid AS at_there FROM murallink.trial_site WHERE trial_uid = :'coded' AND site_uid = :'there' \gset
SELECT murallink.add_funding(:'contract', 1000);
SELECT uid AS patient FROM murallink.add_patient(:'here', 'Pat', 'Ient') \gset
SELECT murallink.enroll(:'patient', :'coded', :'here', 'S-1');
RESET SESSION AUTHORIZATION;
CREATE VIEW pg_temp.versions AS
SELECT CASE site_uid WHEN :'here' THEN 'here' ELSE 'there' END AS site, code, milestone, amount, sort_order, note,
    CASE WHEN effective_date > now() THEN 'to come' ELSE 'now' END AS "from", effective_date
FROM murallink.milestone WHERE trial_uid = :'coded';
GRANT SELECT ON pg_temp.versions TO PUBLIC;
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT uid AS first, code FROM murallink.add_milestone('Week 1', 50, NULL, :'coded', :'here', 2, '2026-01-01') \gset
\echo :code
SELECT uid AS week_2, code FROM murallink.add_milestone('Week 2', 20, NULL, :'coded', :'here', effective_date => '2026-01-01', code => 'W2') \gset
\echo :code
SELECT amount FROM murallink.add_milestone('Week 1', 60, NULL, :'coded', :'here', 2, now() + interval '1 day', note => 'Amendment 2');
SELECT amount FROM murallink.milestone_payment(:'patient', :'first');
SELECT code, milestone, amount, num_payments, sort_order, now() - effective_date < interval '1 minute' AS from_now
FROM murallink.rename_milestone(:'at_here', 'week  1', 'Visit 1', 'The protocol calls it so');
SELECT code, milestone, amount, note, "from" FROM pg_temp.versions ORDER BY code COLLATE "C", effective_date;
SELECT milestone, amount, code, num_payments, paid FROM murallink.payable_milestones(:'patient', :'coded');
SELECT amount FROM murallink.milestone_payment(:'patient', :'first');
SELECT test.answer('milestone_payment', jsonb_build_object('patient_uid', :'patient', 'milestone_uid', :'first')) AS paid_twice;
SELECT milestone_name, milestone_code, occurrence, amount FROM murallink.payment WHERE patient_uid = :'patient' ORDER BY occurrence;
-- the name that it has now is a version of it, the name that it had is refused, unless a code says what is meant
SELECT changed, test.answer('add_milestone', jsonb_build_object('trial_uid', :'coded', 'site_uid', :'here', 'amount', 55, 'effective_date', day) || changed)
FROM (VALUES (jsonb '{"milestone": "Visit 1"}', date '2026-02-01'), ('{"milestone": "Week 1"}', '2026-02-02'), ('{"code": "WEEK 1"}', '2026-02-03'),
    ('{"code": "Week 1", "milestone": "Week 1"}', '2026-02-04'), ('{"code": "other", "milestone": "Visit 1"}', '2026-02-05'),
    ('{"code": "other", "milestone": "Week 1"}', '2026-02-06'), ('{"code": "new"}', '2026-02-07'), ('{"code": "", "milestone": ""}', '2026-02-07'),
    ('{"milestone": "W2"}', '2026-02-08'), ('{"code": "w2", "milestone": null}', '2026-02-09')) AS entered (changed, day);
SELECT test.answer('add_milestone', jsonb_build_object('trial_uid', :'coded', 'site_uid', :'here', 'amount', 1, 'milestone', 'x',
    field, repeat('x', longest + 1)))
FROM (VALUES ('code', 200), ('note', 1000)) AS limited (field, longest);
SELECT code, milestone, amount FROM pg_temp.versions WHERE effective_date::date BETWEEN '2026-02-01' AND '2026-02-28' ORDER BY effective_date;
-- at other sites of the trial the same milestone has the same code, whichever of its names it is added under
SELECT code, milestone FROM murallink.add_milestone('Visit 1', 70, NULL, :'coded', :'there');
SELECT code, milestone FROM murallink.add_milestone('Week 2', 30, NULL, :'coded', :'there');
SELECT code, milestone FROM murallink.add_milestone('Day 3', 30, NULL, :'coded', :'there', code => 'week 3');
SELECT code, milestone FROM murallink.add_milestone('Day III', 30, NULL, :'coded', :'here', code => 'WEEK 3');
SELECT test.answer('add_milestone', jsonb_build_object('trial_uid', :'coded', 'site_uid', :'here', 'amount', 1, 'milestone', 'Day 3'))
    AS the_same_under_another_name_here;
BEGIN;
SELECT uid AS third FROM murallink.create_site(trial_uid => :'coded', name => 'Third') \gset
SELECT code, milestone FROM murallink.add_milestone('Day III', 70, NULL, :'coded', :'third');
SELECT milestone FROM murallink.rename_milestone(:'at_there', 'W2', 'Week 1', 'By mistake');
SELECT uid AS fourth FROM murallink.create_site(trial_uid => :'coded', name => 'Fourth') \gset
SELECT test.answer('add_milestone', jsonb_build_object('trial_uid', :'coded', 'site_uid', :'fourth', 'amount', 1, 'milestone', 'Week 1')) AS of_two;
ROLLBACK;
-- what is asked twice, or makes two of one name, says so; what it takes
SELECT changed, test.answer('rename_milestone', jsonb_build_object('trial_site_uid', :'at_here', 'code', 'Week 1', 'name', 'Visit 1',
    'note', 'again') || changed)
FROM (VALUES (jsonb '{}'), ('{"name": "week 2"}'), ('{"code": "Visit 1"}'), ('{"code": ""}'), ('{"name": ""}'), ('{"note": ""}'), ('{"note": null}'),
    ('{"trial_site_uid": ""}'), ('{"trial_site_uid": "000000000000000000000000000"}'), ('{"name": "Visit\u00011"}'), ('{"name": "VISIT 1"}'))
    AS entered (changed);
SELECT field, test.answer('rename_milestone', jsonb_build_object('trial_site_uid', :'at_here', 'code', 'Week 1', 'name', 'New', 'note', 'why') ||
    jsonb_build_object(field, repeat('x', longest + 1)))
FROM (VALUES ('code', 200), ('name', 200), ('note', 1000)) AS limited (field, longest);
-- one that is not in force yet, or retired, has its name from the first moment on
BEGIN;
SELECT milestone FROM murallink.add_milestone('To come', 5, NULL, :'coded', :'here', effective_date => now() + interval '1 day');
SELECT milestone, effective_date > now() AS to_come FROM murallink.rename_milestone(:'at_here', 'To come', 'Came', 'why');
SELECT milestone, num_payments FROM murallink.add_milestone(code => 'W2', amount => 5, trial_uid => :'coded', site_uid => :'here', num_payments => 0);
SELECT milestone, num_payments FROM murallink.rename_milestone(:'at_here', 'W2', 'Old week 2', 'why');
ROLLBACK;
RESET SESSION AUTHORIZATION;
SELECT count(*) AS contradictions FROM murallink.verify_ledger();

-- What may be the same visit is answered, not refused: another spelling, other blanks and signs, the same place and the same numbers
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT uid AS alike FROM murallink.create_site(trial_uid => :'trial', name => 'Alike') \gset
CREATE FUNCTION pg_temp.added(payload jsonb) RETURNS TABLE (milestone text, code text, "similar" text, warnings text) LANGUAGE sql AS $$
    SELECT a #>> '{payload,milestone}', a #>> '{payload,code}',
        (SELECT string_agg(concat_ws('/', s ->> 'code', s ->> 'milestone', s ->> 'sort_order'), ', ')
        FROM jsonb_array_elements(a #> '{payload,similar}') AS s),
        (SELECT string_agg(concat(w ->> 'warning', substring(w ->> 'message' FROM ' [0-9.]+ %')), ', ')
        FROM jsonb_array_elements(a #> '{payload,warnings}') AS w)
    FROM murallink.api(jsonb_build_object('action', 'add_milestone', 'payload', payload)) AS a
$$;
SELECT jsonb_build_object('trial_uid', :'trial', 'site_uid', :'alike', 'amount', 10) AS priced \gset
SELECT entered, a.* FROM (VALUES
    (jsonb '{"milestone": "Visit 1", "sort_order": 1}'), ('{"milestone": "VISIT 1", "effective_date": "2025-01-01"}'), ('{"milestone": "Visit-1."}'),
    ('{"milestone": "Week 1", "sort_order": 1}'), ('{"milestone": "Week 2", "sort_order": 1}'), ('{"milestone": "Screening", "sort_order": 1}'),
    ('{"milestone": "Day 1 of 2", "sort_order": 9}'), ('{"milestone": "Tag 1/2", "sort_order": 9}'),
    ('{"milestone": "Visit  1", "effective_date": "2025-01-02"}'))
    AS tried (entered), LATERAL pg_temp.added(:'priced' || entered) AS a;
SELECT milestone, code, sort_order, count(*) AS versions FROM murallink.milestone WHERE site_uid = :'alike'
GROUP BY 1, 2, 3 ORDER BY sort_order, milestone COLLATE "C";
-- in any script: accents, which capitals of some languages do not have, digits of other scripts, zeros before them; but no vowel signs
SELECT uid AS scripts FROM murallink.create_site(trial_uid => :'trial', name => 'Scripts') \gset
SELECT jsonb_build_object('trial_uid', :'trial', 'site_uid', :'scripts', 'amount', 10) AS priced_there \gset
SELECT n, entered, a.milestone, a.code, a."similar" FROM unnest(ARRAY[
    'Μάρτιος 1', 'ΜΑΡΤΙΟΣ 1', 'زيارة 1', 'زيارة ١', 'زيارة ۱', 'ครั้งที่ ๑', 'ครั้งที่ 1', 'Visite d’été', U&'VISITE D''E\0301TE\0301', 'Visite d''ete', 'Ｖｉｓｉｔｅ　ｄ''ｅｔｅ',
    'Woche 07', 'Woche 7', 'Woche 70', '第1週', '第１週', '第一週', 'दिन', 'दान', '한국', U&'\1112\1161\11ab\1100\116e\11a8', 'İlk', 'ilk', 'ILK', U&'il\200bk', U&'il\200dk',
    U&'\202eilk', '👍', '👍👍', U&'क\094dष', U&'क\094d\200dष']) WITH ORDINALITY AS name (entered, n),
    LATERAL pg_temp.added(:'priced_there' || jsonb_build_object('milestone', entered, 'sort_order', n,
        'effective_date', date '2025-01-01' + n::integer)) AS a ORDER BY n;
-- one that is retired is not in force
SELECT num_payments FROM murallink.add_milestone('Week 1', 10, NULL, :'trial', :'alike', 0);
SELECT a.* FROM pg_temp.added(:'priced' || jsonb '{"milestone": "Month 1", "sort_order": 1}') AS a;
-- who may not see the schedule is not told what is in it
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT murallink.grant(:'trial', 'add_milestone', :'user');
SET SESSION AUTHORIZATION regress_schedule_user;
SELECT a.* FROM pg_temp.added(:'priced' || jsonb '{"milestone": "Jour 1", "sort_order": 1, "amount": 1000}') AS a;

-- A milestone that is a large share of the schedule is warned of, with what is in force at its moment, in its currency
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT uid AS bonus FROM murallink.create_site(trial_uid => :'trial', name => 'Bonus') \gset
SELECT jsonb_build_object('trial_uid', :'trial', 'site_uid', :'bonus', 'amount', 100) AS priced \gset
SELECT entered, a.warnings FROM (VALUES
    (jsonb '{"milestone": "A"}'), ('{"milestone": "B", "currency": "EUR"}'), ('{"milestone": "C"}'), ('{"milestone": "D"}'), ('{"milestone": "E"}'),
    ('{"milestone": "F", "amount": 133.33}'), ('{"milestone": "F", "amount": 133.34}'), ('{"milestone": "G", "amount": 1000, "effective_date": "2999-01-01"}'),
    ('{"milestone": "F", "amount": 400, "num_payments": 0}'), ('{"milestone": "A", "amount": 50}'))
    AS tried (entered), LATERAL pg_temp.added(:'priced' || entered) AS a;

-- A trial may price by the day of the visit, where the site is (S10)
SELECT uid AS visits FROM murallink.create_trial(contract_uid => :'contract', name => 'Visits') \gset
SELECT uid AS clinic FROM murallink.create_site(trial_uid => :'visits', name => 'Clinic', time_zone => 'America/New_York') \gset
SELECT uid AS vera FROM murallink.add_patient(:'clinic', 'Vera', 'Visit') \gset
SELECT murallink.enroll(:'vera', :'visits', :'clinic', 'S-1');
RESET SESSION AUTHORIZATION;
UPDATE murallink.enrollment SET created_at = '2024-12-01Z' WHERE trial_uid = :'visits';
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT changed, test.answer('set_pricing', jsonb_build_object('trial_uid', :'visits', 'price_by', 'visit', 'note', 'Protocol 3') || changed)
FROM (VALUES (jsonb '{"note": ""}'), ('{"note": null}'), ('{"price_by": "day"}'), ('{"price_by": ""}'), ('{"price_by": 1}'), ('{"need_approval_ref": "yes"}'),
    ('{"trial_uid": ""}'), ('{"trial_uid": "000000000000000000000000000"}')) AS refused (changed);
SELECT uid AS infusion FROM murallink.add_milestone('Infusion', 50, NULL, :'visits', :'clinic', 20, '2025-01-01') \gset
SELECT trial_uid = :'visits' AS trial, price_by, need_approval_ref, note FROM murallink.set_pricing(:'visits', 'visit', note => 'Protocol 3');
SELECT jsonb_build_object('trial_uid', :'visits', 'site_uid', :'clinic', 'milestone', 'Infusion', 'num_payments', 20) AS priced \gset
SELECT entered, a.warnings FROM (VALUES
    (jsonb '{"amount": 60, "effective_date": "2025-03-01"}'), ('{"amount": 70, "effective_date": "2025-04-10T02:00:00Z"}'),
    ('{"amount": 71, "effective_date": "2025-04-10T01:00:00Z"}'), ('{"amount": 80, "effective_date": "2025-05-01"}'),
    ('{"amount": 80, "num_payments": 0, "effective_date": "2025-06-01"}'), ('{"amount": 65, "effective_date": "2025-03-20"}'))
    AS tried (entered), LATERAL pg_temp.added(:'priced' || entered) AS a;
SELECT test.answer('milestone_payment', jsonb_build_object('patient_uid', :'vera', 'milestone_uid', :'infusion')) AS without_a_day,
    test.answer('milestone_payment', jsonb_build_object('patient_uid', :'vera', 'milestone_uid', :'infusion', 'visit_date', '')) AS an_empty_one;
CREATE FUNCTION pg_temp.paid(patient murallink.ksuid, milestone murallink.ksuid, day date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    amount text;
BEGIN
    SELECT p.amount::text INTO amount FROM murallink.milestone_payment(patient, milestone, visit_date => day) p;
    RETURN amount;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END
$$;
SELECT day, pg_temp.paid(:'vera', :'infusion', day), (
    SELECT string_agg(m.amount::text, ', ') FROM murallink.payable_milestones(:'vera', :'visits', day) m) AS payable
FROM unnest(('{2024-12-31,2025-01-01,2025-02-28,2025-03-01,2025-03-19,2025-03-20,'
    '2025-04-08,2025-04-09,2025-04-30,2025-05-01,2025-05-31,2025-06-01}')::date[]) AS day;
SELECT test.answer('payable_milestones', jsonb_build_object('patient_uid', :'vera', 'trial_uid', :'visits')) AS today;
-- another time zone of the site is another day
RESET SESSION AUTHORIZATION;
BEGIN;
UPDATE murallink.site SET time_zone = '' WHERE uid = :'clinic';
SET LOCAL SESSION AUTHORIZATION regress_schedule_admin;
SELECT day, pg_temp.paid(:'vera', :'infusion', day) FROM unnest('{2025-04-09,2025-04-10}'::date[]) AS day;
ROLLBACK;
-- no statement pays without a day, or the price of another one
SELECT uid AS enrollment FROM murallink.enrollment WHERE trial_uid = :'visits' \gset
SET ROLE murallink_owner;
BEGIN;
SELECT test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, status) VALUES (%L, ''milestone'', %L, NULL)',
    :'enrollment', :'infusion'));
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, amount, visit_date, status)
VALUES (:'enrollment', 'milestone', :'infusion', 1, '2025-04-09', NULL) RETURNING amount;
ROLLBACK;
RESET ROLE;
-- manual payments need no day; a later change of the rule changes nothing that is paid, and pays nothing again
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT amount FROM murallink.manual_payment(:'vera', :'visits', 5);
SELECT uid AS once FROM murallink.add_milestone('Once', 40, NULL, :'visits', :'clinic', effective_date => '2025-01-01') \gset
SELECT amount FROM murallink.add_milestone('Once', 45, NULL, :'visits', :'clinic', effective_date => '2025-02-01');
SELECT pg_temp.paid(:'vera', :'once', '2025-01-31');
SELECT price_by FROM murallink.set_pricing(:'visits', 'payment', note => 'Back');
SELECT pg_temp.paid(:'vera', :'once', '2025-02-02') AS once, pg_temp.paid(:'vera', :'infusion', '2025-02-02') AS retired;
SELECT amount FROM murallink.add_milestone('Infusion', 90, NULL, :'visits', :'clinic', 20);
SELECT pg_temp.paid(:'vera', :'infusion', '2025-02-02') AS infusion;
SELECT milestone_code, amount, count(*) FROM murallink.payment WHERE trial_uid = :'visits' AND milestone_code <> '' GROUP BY 1, 2 ORDER BY 1, 2;
-- a version before the one in force has no effect where the moment of the payment counts, and one that is later takes nothing back
SELECT entered, a.warnings
FROM (VALUES (jsonb '{"amount": 1, "effective_date": "2025-07-01"}'), ('{"amount": 90, "effective_date": "2999-07-01"}'), ('{"amount": 91}'))
    AS tried (entered), LATERAL pg_temp.added(:'priced' || entered) AS a;
SELECT a.warnings FROM pg_temp.added(jsonb_build_object('trial_uid', :'visits', 'site_uid', :'clinic', 'milestone', 'Once', 'amount', 46,
    'effective_date', now() - interval '1 hour')) AS a;

-- A trial may refuse versions that the ethics committee has not approved
SELECT uid AS ethics FROM murallink.create_trial(contract_uid => :'contract', name => 'Ethics') \gset
SELECT uid AS ward FROM murallink.create_site(trial_uid => :'ethics', name => 'Ward') \gset
SELECT uid AS ward_place FROM murallink.trial_site WHERE trial_uid = :'ethics' \gset
SELECT uid AS ella FROM murallink.add_patient(:'ward', 'Ella', 'Ethics') \gset
SELECT murallink.enroll(:'ella', :'ethics', :'ward', 'S-1');
SELECT jsonb_build_object('trial_uid', :'ethics', 'site_uid', :'ward', 'milestone', 'Week 1', 'num_payments', 9,
    'amount', 10, 'effective_date', '2025-01-01') AS priced \gset
SELECT uid AS ethical FROM murallink.add_milestone('Week 1', 10, NULL, :'ethics', :'ward', 9, '2025-01-01') \gset
SELECT need_approval_ref, price_by FROM murallink.set_pricing(:'ethics', need_approval_ref => true, note => 'Asked by the sponsor');
SELECT test.answer('milestone_payment', jsonb_build_object('patient_uid', :'ella', 'milestone_uid', :'ethical')) AS not_approved,
    (SELECT count(*) FROM murallink.payable_milestones(:'ella', :'ethics')) AS payable,
    (SELECT count(*) FROM murallink.get_payment_schedule(:'ethics', :'ward')) AS in_force;
SELECT entered, a.warnings, test.answer('add_milestone', :'priced' || entered) AS again
FROM (VALUES (jsonb '{"approved_on": "2025-01-02"}'), ('{"approval_ref": "IRB 25-1", "approved_on": "2999-01-02"}'), ('{"approval_ref": "IRB\u00011"}'),
    ('{"approval_ref": "IRB 25-1", "approved_on": "2025-01-02"}'), ('{"amount": 20, "effective_date": "2025-02-01"}'))
    AS tried (entered), LATERAL pg_temp.added(:'priced' || entered) AS a;
SELECT pg_temp.paid(:'ella', :'ethical', NULL) AS the_approved_one, milestone, amount, approval_ref, approved_on
FROM murallink.get_payment_schedule(:'ethics', :'ward');
SELECT amount FROM murallink.payable_milestones(:'ella', :'ethics');
SELECT milestone, amount, approval_ref FROM murallink.rename_milestone(:'ward_place', 'Week 1', 'Visit 1', 'Renamed');
SELECT pg_temp.paid(:'ella', :'ethical', NULL) AS still, milestone, amount FROM murallink.get_payment_schedule(:'ethics', :'ward');
SELECT amount, approval_ref, warnings
FROM murallink.add_milestone('Visit 1', 20, NULL, :'ethics', :'ward', 9, approval_ref => 'IRB 25-2', approved_on => date '2025-02-01');
SELECT pg_temp.paid(:'ella', :'ethical', NULL) AS then_the_next;
DROP FUNCTION pg_temp.added(jsonb), pg_temp.paid(murallink.ksuid, murallink.ksuid, date);
RESET SESSION AUTHORIZATION;
SELECT amount, approval_ref FROM murallink.payment_schedule WHERE trial_uid = :'ethics';
-- Milestones for many sites at once, each with all or none, and first to try (S12)
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT uid AS many FROM murallink.create_trial(contract_uid => :'contract', name => 'Many') \gset
SELECT murallink.set_pricing(:'many', 'payment', note => 'as before') IS NOT NULL AS set;
SELECT test.answer('add_milestones', jsonb_build_object('trial_uid', :'many', 'note', 'New',
    'rows', '[{"milestone": "A", "amount": 1}]'::jsonb)) AS no_site;
SELECT uid AS north FROM murallink.create_site(trial_uid => :'many', name => 'North') \gset
SELECT uid AS south FROM murallink.create_site(trial_uid => :'many', name => 'South') \gset
SELECT uid AS west FROM murallink.create_site(trial_uid => :'many', name => 'West') \gset
SELECT amount FROM murallink.add_milestone('Week 1', 10, NULL, :'many', :'south', effective_date => '2025-01-01');
SELECT milestone FROM murallink.add_milestone('Visit 2', 20, NULL, :'many', :'west', code => 'Week 2', sort_order => 2);
CREATE FUNCTION pg_temp.many(payload jsonb) RETURNS TABLE (site text, added boolean, milestones text, error text, field text) LANGUAGE sql AS $$
    SELECT s.name, m.added, (
            SELECT string_agg(concat_ws(' ', v.code, v.milestone, v.amount, v.currency, v.num_payments, v.sort_order, v.approval_ref, v.uid IS NULL),
                ', ') FROM unnest(m.milestones) AS v),
        m.error, m.field
    FROM murallink.add_milestones((payload ->> 'trial_uid')::murallink.ksuid, payload -> 'rows',
        (SELECT array_agg(e::murallink.ksuid) FROM jsonb_array_elements_text(payload -> 'sites') AS e),
        payload ->> 'note', (payload ->> 'dry_run')::boolean) m
    JOIN murallink.site s ON s.uid = m.site_uid ORDER BY s.name COLLATE "C"
$$;
SELECT jsonb_build_object('trial_uid', :'many', 'note', 'Amendment 1', 'rows', '[{"milestone": "Week 1", "amount": 50, "effective_date": "2025-01-01"},
    {"milestone": "Week 2", "amount": 60, "num_payments": 2, "sort_order": 2, "approval_ref": "IRB 1", "approved_on": "2025-01-02"}]'::jsonb) AS amended \gset
SELECT * FROM pg_temp.many(:'amended' || jsonb '{"dry_run": true}');
-- a share is that of the schedule with all rows; to try needs no note
SELECT v.milestone, v.warnings FROM murallink.add_milestones(:'many', '[{"milestone": "A", "amount": 30}, {"milestone": "B", "amount": 25},
    {"milestone": "C", "amount": 25}, {"milestone": "D", "amount": 20}]', ARRAY[:'north']::murallink.ksuid[], dry_run => true) AS s,
    unnest(s.milestones) AS v;
SELECT count(*) AS nothing_is_added FROM murallink.milestone WHERE trial_uid = :'many';
SELECT * FROM pg_temp.many(:'amended');
SELECT * FROM pg_temp.many(jsonb_set(:'amended', '{rows,0,effective_date}', '"2025-02-01"')
    || jsonb_build_object('sites', jsonb_build_array(:'south', :'north', :'south')));
SELECT count(*), string_agg(DISTINCT note, ', ') AS note FROM murallink.milestone WHERE trial_uid = :'many';
-- a version without num_payments can be paid once: a warning says so where it was more
SELECT v.milestone, v.num_payments, v.warnings FROM murallink.add_milestones(:'many', '[{"milestone": "Week 1", "amount": 55},
    {"milestone": "Week 2", "amount": 55}]', ARRAY[:'north']::murallink.ksuid[], dry_run => true) AS s, unnest(s.milestones) AS v;
-- a row that is wrong anywhere refuses everything, and is named
SELECT rows, a #>> '{error,code}' AS error, a #>> '{error,field}' AS field, NULLIF(a #>> '{error,hint}', e.hint) AS own_hint
FROM (VALUES (jsonb 'null'), ('{}'), ('[]'), ('[1]'), ('[{"milestone": "A", "amount": 1}, {"milestone": "B"}]'), ('[{"amount": 1}]'),
    ('[{"milestone": "A", "amount": "1"}]'), ('[{"milestone": "A", "amount": 0}]'), ('[{"milestone": "A", "amount": 1, "price": 1}]'),
    ('[{"milestone": 1, "amount": 1}]'), ('[{"milestone": "A", "amount": 1, "currency": "XXX"}]'),
    ('[{"milestone": "A", "amount": 1, "num_payments": 1.5}]'), ('[{"milestone": "A", "amount": 1, "num_payments": 1001}]'),
    ('[{"milestone": "A", "amount": 1, "num_payments": 1e30}]'), ('[{"milestone": "A", "amount": 1, "sort_order": -1}]'),
    ('[{"milestone": "A", "amount": 1, "effective_date": "tomorrow"}]'), ('[{"milestone": "A", "amount": 1, "approved_on": "2025-02-29"}]'),
    ('[{"milestone": "A", "amount": 1, "approved_on": "2025-02-28"}]')) AS refused (rows),
    LATERAL murallink.api(jsonb_build_object('action', 'add_milestones',
        'payload', jsonb_build_object('trial_uid', :'many', 'note', 'New', 'rows', rows))) AS a
    LEFT JOIN murallink.errors() e ON e.name = a #>> '{error,code}';
SELECT changed, test.answer('add_milestones', :'amended' || changed)
FROM (VALUES (jsonb '{"note": ""}'), ('{"trial_uid": ""}'), ('{"trial_uid": "000000000000000000000000000"}'), ('{"sites": ["x"]}'), ('{"sites": "x"}'),
    ('{"sites": ["000000000000000000000000000"]}')) AS refused (changed);
SELECT test.answer('add_milestones', :'amended' || jsonb_build_object('sites', jsonb_build_array(:'here'))) AS a_site_of_another_trial;
SELECT test.answer('add_milestones', :'amended' || jsonb_build_object('rows', (SELECT jsonb_agg('{"milestone": "A", "amount": 1}'::jsonb)
    FROM generate_series(1, 501)))) AS too_many;
-- who holds the permission at some sites adds there; one site where it is missing refuses all that are named
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
SET SESSION AUTHORIZATION regress_schedule_user;
SELECT test.answer('add_milestones', :'amended') AS stranger;
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT murallink.grant(:'north', 'view_sites', :'user');
SET SESSION AUTHORIZATION regress_schedule_user;
SELECT test.answer('add_milestones', :'amended') AS somebody;
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT murallink.grant(uid, 'add_milestone', :'user') FROM murallink.trial_site WHERE trial_uid = :'many' AND site_uid = :'north';
SET SESSION AUTHORIZATION regress_schedule_user;
SELECT jsonb_array_length(a -> 'payload') AS sites, a #>> '{payload,0,site_uid}' = :'north' AS north, a #> '{payload,0,added}' AS added
FROM murallink.api(jsonb_build_object('action', 'add_milestones',
    'payload', :'amended' || jsonb '{"rows": [{"milestone": "Week 3", "amount": 5}]}')) AS a;
SELECT test.answer('add_milestones', :'amended' || jsonb_build_object('sites', jsonb_build_array(:'north', :'south'))) AS one_is_missing;
SET SESSION AUTHORIZATION regress_schedule_admin;
DROP FUNCTION pg_temp.many(jsonb);
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_schedule_admin;
SELECT amount, approval_ref FROM murallink.payment_schedule WHERE trial_uid = :'ethics';
RESET SESSION AUTHORIZATION;
SELECT count(*) AS contradictions FROM murallink.verify_ledger();

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_schedule_%';
DROP ROLE regress_schedule_admin, regress_schedule_user;
