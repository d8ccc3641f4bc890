-- What schedules still promise, how long the funds last, and the schedule as it was known.
\set SHOW_CONTEXT never
SET jit = off;
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_liability_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_liability_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.liability@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS user FROM murallink.register('user.liability@example.com', 'correct horse', 'Ann', 'Lyst') \gset
SELECT murallink.set_db_role(name || '.liability@example.com', 'regress_liability_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_liability_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Liability') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Liability', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS north FROM murallink.create_site(trial_uid => :'trial', name => 'North') \gset
SELECT uid AS south FROM murallink.create_site(trial_uid => :'trial', name => 'South') \gset
SELECT murallink.add_funding(:'contract', 1000);
SELECT site.name, (murallink.add_milestone(m.name, m.price, 'USD', :'trial', site.uid, m.often, per => m.per)).num_payments
FROM (VALUES ('North', :'north'::murallink.ksuid), ('South', :'south')) AS site (name, uid),
    (VALUES ('Screening', 10, 1, 'enrollment'), ('Week 1', 20, 1, 'person'), ('Diary', 5, 3, 'person')) AS m (name, price, often, per);
SELECT uid AS al FROM murallink.add_patient(site_uid => :'north', first_name => 'Al', last_name => 'Patient') \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'north', first_name => 'Bea', last_name => 'Patient') \gset
SELECT uid AS cy FROM murallink.add_patient(site_uid => :'south', first_name => 'Cy', last_name => 'Patient') \gset
SELECT murallink.enroll(:'al', :'trial', :'north', 'L-1'), murallink.enroll(:'bea', :'trial', :'north', 'L-2'), murallink.enroll(:'cy', :'trial', :'south', 'L-3');
CREATE FUNCTION pg_temp.promised(OUT site text, OUT enrolled bigint, OUT remaining numeric) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT s.name, l.enrolled, l.remaining FROM murallink.liability l JOIN murallink.dim_site s ON s.uid = l.site_uid
    WHERE s.name IN ('North', 'South') AND l.trial_uid IN (SELECT t.uid FROM murallink.dim_trial t WHERE t.client_uid IN (
        SELECT c.client_uid FROM murallink.dim_contract c WHERE c.client_name = 'Liability')) ORDER BY 1
$$;
SELECT * FROM pg_temp.promised();

-- What is requested is promised no more; what is rejected is again; a patient who leaves is promised nothing
SELECT amount FROM murallink.milestone_payment(:'al', (SELECT uid FROM murallink.payment_schedule WHERE site_uid = :'north' AND milestone = 'Week 1'));
SELECT amount FROM murallink.milestone_payment(:'al', (SELECT uid FROM murallink.payment_schedule WHERE site_uid = :'north' AND milestone = 'Diary'));
SELECT uid AS screened FROM murallink.milestone_payment(:'cy', (SELECT uid FROM murallink.payment_schedule WHERE site_uid = :'south' AND milestone = 'Screening')) \gset
SELECT * FROM pg_temp.promised();
SELECT status FROM murallink.reject_payment(:'screened', 'not screened');
SELECT (murallink.set_enrollment_status('dropped', :'trial', :'bea')).status;
SELECT * FROM pg_temp.promised();
-- At another site the patient is promised what is left there
SELECT left_on IS NOT NULL AS moved FROM murallink.transfer_enrollment(:'al', :'trial', :'south', note => 'moved');
SELECT * FROM pg_temp.promised();
SELECT available, reserved, remaining, after_all, a_month, months_left FROM murallink.funding_runway WHERE contract_uid = :'contract';
-- What was taken counts from the first payment of the last 90 days on, and 30 days at least
BEGIN;
RESET SESSION AUTHORIZATION;
SET LOCAL session_replication_role = replica;
UPDATE murallink.fund_entry SET at = at - interval '45 days' WHERE contract_uid = :'contract' AND movement = 'reserve' AND amount = 20;
SELECT a_month, months_left FROM murallink.funding_runway WHERE contract_uid = :'contract';
UPDATE murallink.fund_entry SET at = at - interval '46 days' WHERE contract_uid = :'contract' AND movement = 'reserve' AND amount = 20;
SELECT a_month, months_left FROM murallink.funding_runway WHERE contract_uid = :'contract';
ROLLBACK;
SET SESSION AUTHORIZATION regress_liability_admin;

-- Each sees what the grants allow: the same as the sum over what is visible, or nothing
SELECT murallink.grant((SELECT uid FROM murallink.trial_site WHERE site_uid = :'south'), permission::text, :'user')
FROM unnest('{view_enrollments,view_payment_schedule}'::text[]) AS permission;
SET SESSION AUTHORIZATION regress_liability_user;
SELECT enrolled, remaining FROM murallink.liability;
SET SESSION AUTHORIZATION regress_liability_admin;
SELECT murallink.grant((SELECT uid FROM murallink.trial_site WHERE site_uid = :'south'), 'view_payments', :'user');
SET SESSION AUTHORIZATION regress_liability_user;
SELECT enrolled, remaining FROM murallink.liability;
SELECT count(*) FROM murallink.funding_runway;
SET SESSION AUTHORIZATION regress_liability_admin;
SELECT murallink.grant(:'contract', 'view_report', :'user');
SET SESSION AUTHORIZATION regress_liability_user;
SELECT available, remaining FROM murallink.funding_runway;

-- The schedule at a moment, as it was known at another one: a price that is backdated was not known before it was added
SET SESSION AUTHORIZATION regress_liability_admin;
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS before \gset
SELECT (murallink.add_milestone('Week 1', 25, 'USD', :'trial', :'north', effective_date => '2020-01-01')).warnings IS NOT NULL AS backdated;
SELECT (murallink.add_milestone('Week 1', 30, 'USD', :'trial', :'north', effective_date => '2090-01-01')).amount;
SELECT (murallink.add_milestone('Diary', 5, 'USD', :'trial', :'north', num_payments => 0)).num_payments;
CREATE FUNCTION pg_temp.prices(at text, known text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(milestone || ' ' || amount, ', ' ORDER BY milestone) FROM murallink.schedule_at(at::murallink.moment, known::murallink.moment)
    WHERE site_uid = (SELECT uid FROM murallink.site WHERE name = 'North' AND client_uid IN (SELECT uid FROM murallink.client WHERE name = 'Liability'))
$$;
SELECT pg_temp.prices(NULL, NULL) AS now, pg_temp.prices('2021-01-01', NULL) AS then, pg_temp.prices('2091-01-01', NULL) AS later,
    pg_temp.prices(:'before', :'before') AS as_it_was, pg_temp.prices('2021-01-01', :'before') AS not_known, pg_temp.prices('2091-01-01', :'before') AS was_to_come;
SELECT count(*) FROM (SELECT uid FROM murallink.schedule_at() EXCEPT SELECT uid FROM murallink.payment_schedule) AS differs;
SELECT count(*) FROM (SELECT uid FROM murallink.payment_schedule EXCEPT SELECT uid FROM murallink.schedule_at()) AS differs;
SET SESSION AUTHORIZATION regress_liability_user;
SELECT count(*), count(*) FILTER (WHERE site_uid = :'south') AS south FROM murallink.schedule_at(now(), now() - interval '1 us');
RESET SESSION AUTHORIZATION;
-- A currency that the schedule promises and that was never funded is missing as a whole, for those who may see the funds
SET SESSION AUTHORIZATION regress_liability_admin;
SELECT (murallink.add_milestone('Abroad', 70, 'EUR', :'trial', :'south')).amount;
SELECT currency, available, remaining, after_all, a_month, months_left FROM murallink.funding_runway WHERE contract_uid = :'contract' AND currency = 'EUR';
SET SESSION AUTHORIZATION regress_liability_user;
SELECT currency, remaining FROM murallink.funding_runway ORDER BY 1;
SET SESSION AUTHORIZATION regress_liability_admin;
SELECT murallink.revoke(:'user', 'view_report', :'contract', 'moved');
SET SESSION AUTHORIZATION regress_liability_user;
SELECT (SELECT count(*) FROM murallink.liability WHERE currency = 'EUR') AS promised, (SELECT count(*) FROM murallink.funding_runway) AS without_the_funds;
RESET SESSION AUTHORIZATION;
