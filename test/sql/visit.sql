-- Visits: on which days they are paid.
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
SELECT enforce_dates, murallink.api(:'asked') -> 'payload' ? 'enforce_dates' AS shown FROM murallink.edit_contract(pg_temp.uid('contract'), enforce_dates => true);
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

UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_visit_%';
DROP TABLE thing;
DROP ROLE regress_visit_admin, regress_visit_coordinator, regress_visit_approver;
