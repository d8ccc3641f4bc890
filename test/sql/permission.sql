-- What a grant reaches, and what row level security shows of it.
\set SHOW_CONTEXT never
CREATE ROLE regress_permission_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_permission_analyst LOGIN IN ROLE murallink_analyst;
CREATE ROLE regress_permission_stranger LOGIN IN ROLE murallink_analyst;
SELECT uid AS admin FROM murallink.create_admin('admin.permission@example.com', 'correct horse', 'Ada', 'Admin') \gset
SELECT uid AS analyst FROM murallink.register('analyst.permission@example.com', 'correct horse', 'Ann', 'Analyst') \gset
SELECT session_id AS admin_session FROM murallink.login('admin.permission@example.com', 'correct horse') \gset
SELECT session_id AS analyst_session FROM murallink.login('analyst.permission@example.com', 'correct horse') \gset
SELECT murallink.set_db_role('admin.permission@example.com', 'regress_permission_admin');

-- Two clients. A1 and A2 are contracts of A, B1 is B's. Trial A1T takes part at two sites of its own contract and at
-- one of B's
SET SESSION AUTHORIZATION regress_permission_admin;
SELECT uid AS a FROM murallink.create_client(name => 'A') \gset
SELECT uid AS b FROM murallink.create_client(name => 'B') \gset
SELECT uid AS a1 FROM murallink.create_contract(client_uid => :'a', name => 'A1', currency => 'USD') \gset
SELECT uid AS a2 FROM murallink.create_contract(client_uid => :'a', name => 'A2', currency => 'USD') \gset
SELECT uid AS b1 FROM murallink.create_contract(client_uid => :'b', name => 'B1', currency => 'USD') \gset
SELECT uid AS a1t FROM murallink.create_trial(contract_uid => :'a1', name => 'A1T') \gset
SELECT uid AS a1u FROM murallink.create_trial(contract_uid => :'a1', name => 'A1U') \gset
SELECT uid AS a2t FROM murallink.create_trial(contract_uid => :'a2', name => 'A2T') \gset
SELECT uid AS b1t FROM murallink.create_trial(contract_uid => :'b1', name => 'B1T') \gset
SELECT uid AS a1s FROM murallink.create_site(trial_uid => :'a1t', name => 'A1S') \gset
SELECT uid AS a1r FROM murallink.create_site(trial_uid => :'a1t', name => 'A1R') \gset
SELECT uid AS a2s FROM murallink.create_site(trial_uid => :'a2t', name => 'A2S') \gset
SELECT uid AS b1s FROM murallink.create_site(trial_uid => :'b1t', name => 'B1S') \gset
SELECT uid IS NOT NULL AS associated FROM murallink.add_trial_site(:'a1u', :'a1s');
SELECT uid IS NOT NULL AS associated FROM murallink.add_trial_site(:'a1t', :'b1s');
RESET SESSION AUTHORIZATION;

CREATE TEMP TABLE place AS
SELECT uid, r.kind || ' ' || r.name AS place, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid,
    dense_rank() OVER (ORDER BY array_position('{client,contract,trial,site,trial_site}', r.kind), r.name COLLATE "C") AS n
FROM (SELECT uid FROM murallink.client UNION ALL SELECT uid FROM murallink.contract UNION ALL SELECT uid FROM murallink.trial
      UNION ALL SELECT uid FROM murallink.site UNION ALL SELECT uid FROM murallink.trial_site) AS every,
    murallink_private.resource(uid) AS r
WHERE r.client_uid IN (:'a', :'b');

-- The permissions, and that each is one
SELECT * FROM unnest(enum_range(NULL::murallink.permission)) AS permission;

-- A grant reaches the place that it is made on and all that stands below, and ends when it is deleted
CREATE FUNCTION pg_temp.reach(granted murallink.permission, on_place murallink.ksuid, asked murallink.permission, admin text, analyst text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    reached text;
BEGIN
    PERFORM murallink.authenticate(admin);
    PERFORM murallink.grant(on_place, granted::text, uid) FROM murallink.app_user WHERE email = 'analyst.permission@example.com';
    PERFORM murallink.authenticate(analyst);
    SELECT string_agg(place, ', ' ORDER BY n) INTO reached FROM place
    WHERE murallink_private.permitted(asked, client_uid, contract_uid, trial_uid, site_uid);
    DELETE FROM murallink.permission_grant WHERE granted_by_uid = (
        SELECT uid FROM murallink.app_user WHERE email = 'admin.permission@example.com');
    IF EXISTS (SELECT FROM place WHERE murallink_private.visible(client_uid, contract_uid, trial_uid, site_uid)) THEN
        RAISE 'something is left of a deleted grant';
    END IF;
    RETURN reached;
END
$$;
SELECT place AS granted_on, pg_temp.reach('enroll', uid, 'enroll', :'admin_session', :'analyst_session') FROM place ORDER BY n;
SELECT count(*) AS others FROM unnest(enum_range(NULL::murallink.permission)) AS asked
WHERE asked <> 'enroll' AND pg_temp.reach('enroll', :'a', asked, :'admin_session', :'analyst_session') IS NOT NULL;
SELECT count(*) AS each_by_itself FROM unnest(enum_range(NULL::murallink.permission)) AS asked
WHERE pg_temp.reach(asked, :'b1t', asked, :'admin_session', :'analyst_session') = 'trial B1T, trial_site B1T at B1S';

-- What moves money or sets prices, granted on a site, does not reach another contract's trial there: neither is it held
-- there, nor does it make the place visible. Granted on the trial at that site it does
SELECT asked AS moves_money, murallink_private.moves_money(asked) FROM unnest(enum_range(NULL::murallink.permission)) AS asked
WHERE pg_temp.reach(asked, :'b1s', asked, :'admin_session', :'analyst_session') !~ 'A1T at B1S';
SELECT count(*) AS each_moves_money, count(DISTINCT pg_temp.reach(asked, :'b1s', asked, :'admin_session', :'analyst_session')) AS ways,
    min(pg_temp.reach(asked, :'b1s', asked, :'admin_session', :'analyst_session')) AS reach_on_site,
    bool_and(pg_temp.reach(asked, (SELECT uid FROM place WHERE place = 'trial_site A1T at B1S'), asked,
        :'admin_session', :'analyst_session') = 'trial_site A1T at B1S') AS on_trial_site
FROM unnest(enum_range(NULL::murallink.permission)) AS asked WHERE murallink_private.moves_money(asked);
CREATE FUNCTION pg_temp.hears(granted murallink.permission, on_place murallink.ksuid, at place, admin text, analyst text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    heard text;
BEGIN
    PERFORM murallink.authenticate(admin);
    PERFORM murallink.grant(on_place, granted::text, uid) FROM murallink.app_user WHERE email = 'analyst.permission@example.com';
    PERFORM murallink.authenticate(analyst);
    heard := test.refusal(format('SELECT murallink_private.permit(%L, %L, %L, %L, %L, ''place'')', granted, at.client_uid, at.contract_uid,
        at.trial_uid, at.site_uid));
    DELETE FROM murallink.permission_grant WHERE granted_by_uid = (
        SELECT uid FROM murallink.app_user WHERE email = 'admin.permission@example.com');
    RETURN heard;
END
$$;
SELECT pg_temp.hears('manual_payment', :'b1s', p, :'admin_session', :'analyst_session') AS a_stranger,
    pg_temp.hears('enroll', :'b1s', p, :'admin_session', :'analyst_session') AS enrolls
FROM place p WHERE place = 'trial_site A1T at B1S';

-- granted() lists the resources themselves by kind, of one permission
BEGIN;
SELECT murallink.authenticate(:'admin_session');
SELECT count(murallink.grant(uid, 'enroll', :'analyst')) AS granted FROM place WHERE place NOT IN ('client B', 'contract B1');
COMMIT;
CREATE FUNCTION pg_temp.lists(permission murallink.permission, session_id text) RETURNS TABLE (kind text, places text) LANGUAGE sql AS $$
    SELECT murallink.authenticate(session_id);
    SELECT kind, (SELECT string_agg(place, ', ' ORDER BY n) FROM place WHERE uid = ANY (murallink_private.granted(permission, kind)))
    FROM unnest('{client,contract,trial,site,trial_site}'::text[]) AS kind;
$$;
SELECT * FROM pg_temp.lists('enroll', :'analyst_session');
SELECT * FROM pg_temp.lists('view_patients', :'analyst_session') WHERE places IS NOT NULL;
SELECT * FROM pg_temp.lists('enroll', :'admin_session') WHERE places IS NOT NULL;
SELECT murallink_private.granted('enroll', 'client') AS nobodys;
SELECT murallink_private.granted('enroll', 'clients');

-- They are read again in a parallel query, too
BEGIN;
SELECT murallink.authenticate(:'analyst_session');
SET LOCAL force_parallel_mode = on;
SELECT EXISTS (SELECT FROM place WHERE murallink_private.visible(client_uid, contract_uid, trial_uid, site_uid)) AS before;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'analyst';
SELECT EXISTS (SELECT FROM place WHERE murallink_private.visible(client_uid, contract_uid, trial_uid, site_uid)) AS after;
COMMIT;

-- Parallel workers ask as who asks here, also as nobody, and no SET makes them ask as anybody else
CREATE FUNCTION pg_temp.asks() RETURNS TABLE (caller text, admin boolean, in_worker boolean) LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT murallink_private.caller(), murallink_private.caller_is_admin() LOOP
        in_worker := in_worker IS TRUE OR line ~ 'Workers Launched: 1';
    END LOOP;
    SELECT u.email, murallink_private.caller_is_admin() INTO caller, admin
    FROM (SELECT murallink_private.caller() AS uid) AS c LEFT JOIN murallink.app_user u USING (uid);
    RETURN NEXT;
END
$$;
BEGIN;
SET LOCAL force_parallel_mode = on;
SELECT * FROM pg_temp.asks();
SELECT murallink.authenticate(:'analyst_session');
SELECT * FROM pg_temp.asks();
SELECT murallink.authenticate(:'admin_session');
SELECT * FROM pg_temp.asks();
SAVEPOINT before;
SELECT murallink.authenticate(:'analyst_session');
SELECT * FROM pg_temp.asks();
ROLLBACK TO before;
SELECT * FROM pg_temp.asks();
COMMIT;
BEGIN;
SET LOCAL force_parallel_mode = on;
GRANT USAGE ON SCHEMA murallink_private TO regress_permission_admin;
GRANT EXECUTE ON FUNCTION murallink_private.caller(), murallink_private.caller_is_admin() TO regress_permission_admin;
GRANT SELECT ON murallink.app_user TO regress_permission_admin;
SET LOCAL SESSION AUTHORIZATION regress_permission_admin;
SELECT * FROM pg_temp.asks();
ROLLBACK;
SET SESSION AUTHORIZATION regress_permission_stranger;
SELECT set_config('murallink.parallel_caller', 'nobody', false);
SET murallink.parallel_caller = '';
RESET murallink.parallel_caller;
RESET SESSION AUTHORIZATION;
ALTER ROLE regress_permission_stranger SET murallink.parallel_caller = 'nobody';

-- Which permission is asked may be another in each row: then no index is
BEGIN;
CREATE TEMP TABLE asked ON COMMIT DROP AS SELECT * FROM place, unnest(enum_range(NULL::murallink.permission)) AS permission;
CREATE INDEX ON asked (client_uid);
CREATE INDEX ON asked (contract_uid);
CREATE INDEX ON asked (trial_uid);
CREATE INDEX ON asked (site_uid);
SELECT murallink.authenticate(:'admin_session');
SELECT murallink.grant(:'a1t', 'enroll', :'analyst'), murallink.grant(:'b1s', 'view_patients', :'analyst');
SELECT murallink.authenticate(:'analyst_session');
SET LOCAL enable_seqscan = off;
SELECT permission, place FROM asked WHERE murallink_private.permitted(permission, client_uid, contract_uid, trial_uid, site_uid)
ORDER BY permission, n;
SELECT permission, place FROM asked WHERE murallink_private.permitted('enroll', client_uid, contract_uid, trial_uid, site_uid)
AND permission = 'enroll' ORDER BY n;
ROLLBACK;

-- A revocation takes effect in the next statement, a rolled back grant never
SET SESSION AUTHORIZATION regress_permission_admin;
SELECT murallink.grant(resource_uid => :'a1', permission => 'create_trial', user_uid => :'analyst');
RESET SESSION AUTHORIZATION;
SELECT test.answer('create_trial', jsonb_build_object('contract_uid', :'a1', 'name', 'Granted'), :'analyst_session');
BEGIN;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'analyst';
SELECT test.answer('create_trial', jsonb_build_object('contract_uid', :'a1', 'name', 'Revoked'), :'analyst_session');
ROLLBACK;
BEGIN;
SELECT test.answer('create_trial', jsonb_build_object('contract_uid', :'a1', 'name', 'Granted again'), :'analyst_session');
SAVEPOINT before;
UPDATE murallink.permission_grant SET permission = 'create_site' WHERE app_user_uid = :'analyst';
SELECT test.answer('create_trial', jsonb_build_object('contract_uid', :'a1', 'name', 'Changed'), :'analyst_session'),
    test.answer('create_site', jsonb_build_object('contract_uid', :'a1', 'name', 'Changed'), :'analyst_session');
ROLLBACK TO before;
SELECT test.answer('create_trial', jsonb_build_object('contract_uid', :'a1', 'name', 'Granted again'), :'analyst_session'),
    test.answer('create_site', jsonb_build_object('contract_uid', :'a1', 'name', 'Changed'), :'analyst_session');
ROLLBACK;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'analyst';
SELECT test.answer('create_trial', jsonb_build_object('contract_uid', :'a1', 'name', 'Revoked'), :'analyst_session');

-- Who holds nothing at a place is told that it does not exist, who holds something else that it is forbidden
CREATE FUNCTION pg_temp.told(permission murallink.permission, place place, session_id text) RETURNS text LANGUAGE sql AS $$
    SELECT murallink.authenticate(session_id);
    SELECT test.refusal(format('SELECT murallink_private.permit(%L, %L, %L, %L, %L, ''place'')',
        permission, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid));
$$;
SET SESSION AUTHORIZATION regress_permission_admin;
SELECT murallink.grant(:'a1t', 'enroll', :'analyst'), murallink.grant(:'a1s', 'view_patients', :'analyst');
RESET SESSION AUTHORIZATION;
SELECT p.place, pg_temp.told('enroll', p, :'analyst_session'), pg_temp.told('enroll', p, :'admin_session') AS told_admin
FROM place AS p ORDER BY n;
SELECT pg_temp.told('enroll', NULL, :'analyst_session') AS nowhere, pg_temp.told('enroll', NULL, :'admin_session') AS admin_nowhere;
SELECT murallink_private.permit('enroll', :'a', NULL, NULL, NULL);
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'analyst';

-- Things of every kind below A and B, for row level security to tell apart. Bea is B's patient in A's trial
UPDATE murallink.contract SET default_payment_type_uid = '28LLqy3paByy5jcqpoU9wXuTiYo' WHERE uid IN (:'a1', :'b1');
SET SESSION AUTHORIZATION regress_permission_admin;
SELECT uid AS al FROM murallink.add_patient(site_uid => :'a1s', first_name => 'Al', last_name => 'Patient') \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'b1s', first_name => 'Bea', last_name => 'Patient') \gset
SELECT uid AS bob FROM murallink.add_patient(site_uid => :'b1s', first_name => 'Bob', last_name => 'Patient') \gset
SELECT murallink.enroll(:'al', :'a1t', :'a1s', 'S-1'), murallink.enroll(:'bea', :'a1t', :'b1s', 'S-2'),
    murallink.enroll(:'bob', :'b1t', :'b1s', 'S-1');
SELECT murallink.add_funding(:'a1', 1000), murallink.add_funding(:'b1', 1000);
SELECT (murallink.add_milestone('Week 1', 10, NULL, trial_uid, site_uid)).milestone
FROM (VALUES (:'a1t'::murallink.ksuid, :'a1s'::murallink.ksuid), (:'b1t', :'b1s')) AS schedule (trial_uid, site_uid);
SELECT (murallink.approve_payment((murallink.manual_payment(patient_uid, trial_uid, 5)).uid)).status
FROM (VALUES (:'al'::murallink.ksuid, :'a1t'::murallink.ksuid), (:'bob', :'b1t')) AS paid (patient_uid, trial_uid);
SELECT (murallink.manual_payment(patient_uid, trial_uid, 6)).status
FROM (VALUES (:'al'::murallink.ksuid, :'a1t'::murallink.ksuid), (:'bob', :'b1t')) AS pends (patient_uid, trial_uid);
SELECT (murallink.schedule_appointment(patient_uid => uid, datetime => '2999-01-01T09:00:00')).datetime
FROM (VALUES (:'al'::murallink.ksuid), (:'bob')) AS patient (uid);
SELECT r.kind FROM (VALUES (:'a1t'::murallink.ksuid), (:'b1t')) AS referenced (uid), murallink.set_reference('trial', uid, 'ctms', uid::text) r;
SELECT v.state, v.reason FROM (VALUES (1, :'a1t'::murallink.ksuid, 'S-1'), (2, :'a1t', 'S-9'), (3, :'a1t', 'S-8'), (4, :'b1t', 'S-1'), (5, :'b1t', 'S-2'))
    AS reported (n, trial_uid, subject), murallink.visit_done('ctms', CASE WHEN n = 3 THEN 'visit 2' ELSE 'visit ' || n END, trial_ref => trial_uid::text,
        subject_id => subject, visit_code => 'Week 1', visit_date => (now() AT TIME ZONE 'UTC')::date) v ORDER BY n;
SELECT murallink.upload_contract(uid, 'eA==', 'contract.pdf') FROM (VALUES (:'a1'::murallink.ksuid), (:'b1')) AS uploaded (uid);
SELECT uid AS carer FROM murallink.register_caregiver(patient_uid => :'bea', first_name => 'Cara', last_name => 'Carer') \gset
SELECT last_name FROM murallink.register_caregiver(patient_uid => :'bob', first_name => 'Cora', last_name => 'Carer');
SELECT murallink.upload_document(patient_uid => :'al', filename => 'al.txt', data => 'QWw='),
    murallink.upload_document(patient_uid => :'bob', filename => 'bob.txt', data => 'Qm9i');
RESET SESSION AUTHORIZATION;
SELECT (murallink.settle_payout(uid, 'paid', 'check')).status FROM murallink.payout WHERE patient_uid IN (:'al', :'bob');
UPDATE murallink.patient SET email_enabled = true WHERE uid IN (:'al', :'bob');
SELECT uid AS file FROM murallink.document WHERE patient_uid = :'al' \gset
INSERT INTO murallink.sponsor (client_uid, name) VALUES (:'a', 'Sponsor of A'), (:'b', 'Sponsor of B');
INSERT INTO murallink.merged_patient (uid, into_uid, note) VALUES (murallink.gen_ksuid(), :'al', 'twice'), (murallink.gen_ksuid(), :'bob', 'twice');
INSERT INTO murallink.enrollment_note (enrollment_uid, note) SELECT uid, 'moved' FROM murallink.enrollment WHERE patient_uid IN (:'al', :'bob');
INSERT INTO murallink.visit_due (client_uid, contract_uid, trial_uid, code, due_after)
SELECT client_uid, contract_uid, uid, 'Week 1', 7 FROM murallink.trial WHERE uid IN (:'a1t', :'b1t');
SET session_replication_role = replica;
INSERT INTO murallink_private.reversal (client_uid, contract_uid, trial_uid, site_uid, patient_uid, enrollment_uid, chain_uid, payment_uid, amount, currency, reason, note)
SELECT client_uid, contract_uid, trial_uid, site_uid, patient_uid, enrollment_uid, chain_uid, uid, amount, currency, 'other', 'x'
FROM murallink_private.payment WHERE patient_uid IN (:'al', :'bob') AND amount = 5;
INSERT INTO murallink.recovery (client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, reversal_uid, payment_uid, amount, currency, status, ended_at)
SELECT client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, uid, payment_uid, amount, currency, 'given_back', now() FROM murallink.reversal
WHERE patient_uid IN (:'al', :'bob');
RESET session_replication_role;
SELECT murallink.set_db_role('analyst.permission@example.com', 'regress_permission_analyst');

-- What stands below A in each table: the rows with its client_uid, but for these. A table that has no client_uid and
-- is not here breaks the tests that follow
CREATE TEMP TABLE below_a (relation, condition) AS VALUES
    ('app_user', format('uid = %L', :'analyst')),
    ('client', format('uid = %L', :'a')),
    ('approval', format('payment_uid IN (SELECT uid FROM murallink_private.payment WHERE client_uid = %L)', :'a')),
    ('enrollment_note', format('enrollment_uid IN (SELECT uid FROM murallink.enrollment WHERE client_uid = %L)', :'a')),
    ('fund_slot', format('contract_uid IN (%L, %L)', :'a1', :'a2')),
    ('visit_change', format('visit_uid IN (SELECT uid FROM murallink.visit WHERE client_uid = %L)', :'a')),
    ('patient', format('uid IN (%L, %L)', :'al', :'bea')),
    ('caregiver', format('uid = %L', :'carer')),
    ('document', format('uid = %L', :'file')),
    ('consent', format('patient_uid = %L', :'al')),
    ('merged_patient', format('into_uid = %L', :'al')),
    ('audit_event', format('client_uid = %L OR resource_uid IN (%L, %L, %L, %L)', :'a', :'al', :'bea', :'carer', :'file')),
    ('', format('client_uid = %L', :'a'));
GRANT SELECT ON below_a TO PUBLIC;
-- The rows of each table and view that the current role sees, or those of them that stand below A; Bastion's lists stand nowhere.
-- computed: also of the views that are computed from several tables, which take longest
CREATE FUNCTION pg_temp.sees(only_of_a boolean, computed boolean DEFAULT true) RETURNS TABLE (relation text, sees text[]) LANGUAGE plpgsql AS $$
BEGIN
    FOR relation IN
        SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'murallink'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
            AND has_table_privilege('murallink_analyst', c.oid, 'SELECT')
            AND c.relname !~ '^bastion_'
            AND (computed OR c.relname NOT IN ('expected_visit', 'funding_runway', 'liability', 'owed', 'paid_by_month', 'payment_history'))
    LOOP
        EXECUTE format('SELECT array_agg(t::text ORDER BY t::text) FROM murallink.%I AS t WHERE %s', relation, CASE WHEN only_of_a
            THEN (SELECT b.condition FROM below_a AS b WHERE b.relation IN (sees.relation, '') ORDER BY b.relation DESC LIMIT 1)
            ELSE 'true' END) INTO sees;
        RETURN NEXT;
    END LOOP;
END
$$;

-- With every permission on A an analyst sees all of A and nothing else, in every table and view, but for the site of B that takes
-- part in A's trial, without its name
SET SESSION AUTHORIZATION regress_permission_admin;
SELECT count(murallink.grant(:'a', permission::text, :'analyst')) FROM unnest(enum_range(NULL::murallink.permission)) AS permission;
RESET SESSION AUTHORIZATION;
CREATE TEMP TABLE all_of_a AS SELECT * FROM pg_temp.sees(true);
GRANT SELECT ON all_of_a TO PUBLIC;
SELECT relation AS has_nothing_of_a FROM all_of_a WHERE sees IS NULL;
SET SESSION AUTHORIZATION regress_permission_analyst;
SELECT relation, cardinality(ARRAY(SELECT unnest(s.sees) EXCEPT SELECT unnest(a.sees))) AS too_many,
    cardinality(ARRAY(SELECT unnest(a.sees) EXCEPT SELECT unnest(s.sees))) AS too_few
FROM pg_temp.sees(false) AS s JOIN all_of_a AS a USING (relation) WHERE s.sees IS DISTINCT FROM a.sees;
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'analyst';

-- An analyst without grants sees the own account, one who is no user sees nothing, an administrator sees everything
SET SESSION AUTHORIZATION regress_permission_analyst;
SELECT relation, cardinality(sees) FROM pg_temp.sees(false) WHERE sees IS NOT NULL;
SELECT email FROM murallink.app_user;
SET SESSION AUTHORIZATION regress_permission_stranger;
SELECT relation FROM pg_temp.sees(false) WHERE sees IS NOT NULL;
RESET SESSION AUTHORIZATION;
GRANT murallink_analyst TO regress_permission_admin;
CREATE TEMP TABLE everything AS SELECT * FROM pg_temp.sees(false);
GRANT SELECT ON everything TO PUBLIC;
SET SESSION AUTHORIZATION regress_permission_admin;
SELECT relation FROM pg_temp.sees(false) AS s JOIN everything AS e USING (relation) WHERE s.sees IS DISTINCT FROM e.sees;
RESET SESSION AUTHORIZATION;

-- What each permission shows by itself
CREATE FUNCTION pg_temp.shows(permission text, on_place murallink.ksuid, admin text, analyst text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    shown text;
BEGIN
    PERFORM murallink.authenticate(admin);
    PERFORM murallink.grant(on_place, permission, uid) FROM murallink.app_user WHERE email = 'analyst.permission@example.com';
    PERFORM murallink.authenticate(analyst), set_config('role', 'regress_permission_analyst', true);
    SELECT string_agg(relation, ', ' ORDER BY relation COLLATE "C") INTO shown FROM pg_temp.sees(false, false)
    WHERE sees IS NOT NULL AND relation NOT IN ('app_user', 'permission_grant');
    PERFORM set_config('role', 'none', true);
    DELETE FROM murallink.permission_grant WHERE app_user_uid = (
        SELECT uid FROM murallink.app_user WHERE email = 'analyst.permission@example.com');
    RETURN shown;
END
$$;
SELECT permission, shows
FROM unnest(enum_range(NULL::murallink.permission)) AS permission,
    pg_temp.shows(permission::text, :'a', :'admin_session', :'analyst_session') AS shows
WHERE shows IS NOT NULL;

-- Further down, what stands above is not shown
SELECT place AS granted_on, pg_temp.shows('view_contract', uid, :'admin_session', :'analyst_session') AS view_contract,
    pg_temp.shows('view_trials', uid, :'admin_session', :'analyst_session') AS view_trials,
    pg_temp.shows('view_patients', uid, :'admin_session', :'analyst_session') AS view_patients
FROM place WHERE uid IN (:'a1', :'a1t', :'a1s') OR place = 'trial_site A1T at A1S' ORDER BY n;

-- Nothing of this opens murallink_private, nor any way to write
SET SESSION AUTHORIZATION regress_permission_analyst;
SELECT statement, test.refusal(statement) FROM (VALUES
    ('SELECT * FROM murallink_private.credential'), ('SELECT * FROM murallink_private.session'),
    ('INSERT INTO murallink.client (name) VALUES (''C'')'), ('UPDATE murallink.client SET name = ''C'''),
    ('DELETE FROM murallink.permission_grant'), ('TRUNCATE murallink.milestone CASCADE'), ('UPDATE murallink.payment SET amount = 1'), ('SET ROLE murallink_owner'),
    ('SET row_security = off; SELECT * FROM murallink.payment'), ('SELECT murallink.install()'),
    ('CREATE FUNCTION murallink.permitted() RETURNS boolean LANGUAGE sql AS ''SELECT true''')) AS tried (statement);
RESET SESSION AUTHORIZATION;

-- An index on uids serves under row level security too
CREATE FUNCTION pg_temp.index_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (COSTS OFF, FORMAT JSON) ' || statement INTO plan;
    RETURN coalesce(substring(plan::text FROM '"Index Name": "(\w+)"'), 'none');
END
$$;
SET SESSION AUTHORIZATION regress_permission_analyst;
SET enable_seqscan = off;
SELECT count(*) > 40 AS indexes, count(*) FILTER (WHERE index_of = 'none') AS unused
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0],
    pg_temp.index_of(format('SELECT * FROM murallink.%I WHERE %I = ''000000000000000000000000000''', c.relname, a.attname))
WHERE (c.relnamespace = 'murallink'::regnamespace OR c.relname = 'payment') AND a.atttypid = 'murallink.ksuid'::regtype;
RESET enable_seqscan;
RESET SESSION AUTHORIZATION;

-- and is chosen where it pays
BEGIN;
INSERT INTO murallink.patient (uid, first_name, last_name)
SELECT overlay('000000000000000000000000000' PLACING lpad(n::text, 5, '0') FROM 20)::murallink.ksuid, 'N', 'N' FROM generate_series(1, 5000) AS n;
INSERT INTO murallink.patient_site (uid, patient_uid, client_uid, contract_uid, site_uid)
SELECT uid, uid, :'a', :'a1', :'a1s' FROM murallink.patient WHERE first_name = 'N';
INSERT INTO murallink.enrollment (uid, client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id)
SELECT p.uid, t.client_uid, t.contract_uid, t.trial_uid, t.site_uid, t.uid, p.uid, p.uid::text
FROM murallink.patient p, murallink.trial_site t WHERE p.first_name = 'N' AND t.trial_uid = :'a1t' AND t.site_uid = :'a1s';
ANALYZE murallink.patient, murallink.patient_site, murallink.enrollment;
SET LOCAL ROLE regress_permission_analyst;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT relation, key, pg_temp.index_of(format('SELECT * FROM murallink.%I WHERE %I = ''000000000000000000000000000''', relation, key))
FROM (VALUES ('enrollment', 'patient_uid'), ('patient', 'uid'), ('patient_site', 'uid'), ('patient_site', 'patient_uid')) AS asked (relation, key);
ROLLBACK;

-- but never where each row asks for another permission, or another kind
CREATE TEMP TABLE asked AS
SELECT permission, kind, :'a'::murallink.ksuid AS uid
FROM unnest(enum_range(NULL::murallink.permission)) AS permission, unnest('{client,contract}'::text[]) AS kind;
CREATE INDEX ON asked (uid);
GRANT SELECT ON asked TO regress_permission_analyst;
GRANT USAGE ON SCHEMA murallink_private TO regress_permission_analyst;
SET SESSION AUTHORIZATION regress_permission_admin;
SELECT murallink.grant(:'a', 'view_clients', :'analyst');
SET SESSION AUTHORIZATION regress_permission_analyst;
SET enable_seqscan = off;
SELECT permission, kind FROM asked WHERE murallink_private.granted_on(permission, 'client', uid) AND kind = 'client';
SELECT permission, kind FROM asked WHERE murallink_private.granted_on('view_clients', kind, uid) AND permission = 'grant';
SELECT count(*) FROM asked WHERE murallink_private.granted_at(permission, NULL, NULL, uid);
RESET enable_seqscan;
RESET SESSION AUTHORIZATION;
REVOKE USAGE ON SCHEMA murallink_private FROM regress_permission_analyst;

-- and a cast may ask, which the planner simplifies without a query
BEGIN;
CREATE CAST (murallink.ksuid AS boolean) WITH FUNCTION murallink_private.granted_all(murallink.ksuid) AS ASSIGNMENT;
CREATE FUNCTION pg_temp.as_boolean(uid murallink.ksuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN uid; END $$;
SELECT pg_temp.as_boolean(:'a');
ROLLBACK;

-- because no operator of the type could tell what the policy has not been asked about yet
SELECT oprname, oprcode FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
WHERE 'murallink.ksuid'::regtype IN (o.oprleft, o.oprright) AND NOT p.proleakproof;

-- What a call has answered last in a transaction is asked again after a grant, a revocation, and the rollback of either, for another user or
-- permission, and once a grant has come to its end
BEGIN;
CREATE FUNCTION pg_temp.at_site(permission murallink.permission DEFAULT 'view_payments') RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN RETURN murallink_private.granted_at(permission, NULL, NULL, current_setting(''test.site'')::murallink.ksuid); END';
CREATE FUNCTION pg_temp.on_client(permission murallink.permission DEFAULT 'view_payments') RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN RETURN murallink_private.granted_on(permission, ''client'', current_setting(''test.client'')::murallink.ksuid); END';
CREATE FUNCTION pg_temp.holds(session_id text, OUT at_site boolean, OUT on_client boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink.authenticate(session_id);
    at_site := pg_temp.at_site();
    on_client := pg_temp.on_client();
END
$$;
CREATE PROCEDURE pg_temp.give(ends_in interval DEFAULT NULL) LANGUAGE sql AS $$
    INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, site_uid, until)
    SELECT u.uid, 'view_payments', g.kind, g.place, s.client, g.contract, g.site, clock_timestamp() + ends_in
    FROM murallink.app_user u, (SELECT client_uid, contract_uid, uid FROM murallink.site WHERE uid::text = current_setting('test.site')) AS s (client, contract, at),
        LATERAL (VALUES ('site', s.at, s.contract, s.at), ('client', s.client, NULL, NULL)) AS g (kind, place, contract, site) WHERE u.email = 'analyst.permission@example.com'
$$;
CREATE PROCEDURE pg_temp.take() LANGUAGE sql AS $$
    UPDATE murallink.permission_grant g SET ended_at = clock_timestamp(), ended_note = 'test' FROM murallink.app_user u
    WHERE u.uid = g.app_user_uid AND u.email = 'analyst.permission@example.com' AND g.ended_at IS NULL
$$;
SELECT set_config('test.site', :'a1s', true) IS NOT NULL AND set_config('test.client', :'a', true) IS NOT NULL AS set;
CALL pg_temp.take();
SELECT * FROM pg_temp.holds(:'analyst_session');
CALL pg_temp.give();
SELECT *, pg_temp.at_site('enroll') AS another_at, pg_temp.on_client('enroll') AS another_on, pg_temp.at_site() AS again_at, pg_temp.on_client() AS again_on
FROM pg_temp.holds(:'analyst_session');
SAVEPOINT ended;
CALL pg_temp.take();
SELECT * FROM pg_temp.holds(:'analyst_session');
ROLLBACK TO ended;
SELECT * FROM pg_temp.holds(:'analyst_session');
SELECT * FROM pg_temp.holds(:'admin_session');
SELECT * FROM pg_temp.holds(:'analyst_session');
CALL pg_temp.take();
SELECT * FROM pg_temp.holds(:'analyst_session');
SAVEPOINT granted;
CALL pg_temp.give();
SELECT * FROM pg_temp.holds(:'analyst_session');
ROLLBACK TO granted;
SELECT * FROM pg_temp.holds(:'analyst_session');
CALL pg_temp.give('2 s');
SELECT * FROM pg_temp.holds(:'analyst_session');
SELECT pg_sleep(extract(epoch FROM max(until) - clock_timestamp())) FROM murallink.permission_grant;
SELECT * FROM pg_temp.holds(:'analyst_session');
ROLLBACK;

DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'admin', :'analyst');
UPDATE murallink.app_user SET db_role = NULL WHERE uid IN (:'admin', :'analyst');
DROP TABLE asked;
DROP ROLE regress_permission_admin, regress_permission_analyst, regress_permission_stranger;
