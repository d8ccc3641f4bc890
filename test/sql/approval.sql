-- Approvals: how many people must approve, who they are, what their names stand for, many at once, and what waits for whom.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_approve_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_approve_analyst LOGIN IN ROLE murallink_analyst;
SELECT email FROM murallink.create_admin('approve.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('approve.admin@example.com', 'regress_approve_admin');
CREATE TEMP TABLE person AS
SELECT name, (murallink.register('approve.' || lower(name) || '@example.com', 'correct horse', name, 'Approver')).uid
FROM unnest('{Rita,Ann,Bob,Cy,Tess,Stan}'::text[]) AS name;
INSERT INTO person SELECT 'Ada', uid FROM murallink.app_user WHERE email = 'approve.admin@example.com';
CREATE TEMP TABLE opened AS
SELECT name, (murallink.login('approve.' || CASE name WHEN 'Ada' THEN 'admin' ELSE lower(name) END || '@example.com', 'correct horse')).session_id FROM person;
GRANT SELECT ON person, opened TO PUBLIC;
CREATE FUNCTION pg_temp.by(who text, action text, payload jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT murallink.api(jsonb_build_object('action', action, 'payload', payload, 'session_id', (SELECT session_id FROM opened WHERE name = who)))
$$;
CREATE FUNCTION pg_temp.said(who text, action text, payload jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN a ? 'error' THEN concat_ws(' ', a #>> '{error,code}', NULLIF(a #>> '{error,field}', ''))
        ELSE coalesce(a #>> '{payload,status}', a ->> 'message') END FROM pg_temp.by(who, action, payload) AS a
$$;
-- What Rita requests for a patient, and who says what to it
CREATE FUNCTION pg_temp.ask(patient text, trial text, amount numeric, currency text DEFAULT 'USD', kind text DEFAULT 'manual') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.by('Rita', kind || '_payment',
        jsonb_build_object('patient_uid', patient, 'trial_uid', trial, 'amount', amount, 'currency', currency)) #>> '{payload,uid}'
$$;
CREATE FUNCTION pg_temp.approve(who text, payment text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.said(who, 'approve_payment', jsonb_build_object('payment_uid', payment) || more)
$$;

SET SESSION AUTHORIZATION regress_approve_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Approved Pharma') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Approved', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Tiers') \gset
SELECT uid AS strict FROM murallink.create_trial(contract_uid => :'contract', name => 'Strict', separate_approver => true) \gset
SELECT uid AS quick FROM murallink.create_trial(contract_uid => :'contract', name => 'Quick', approve_milestones => true) \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Hampton') \gset
SELECT uid AS other_site FROM murallink.create_site(trial_uid => :'trial', name => 'Biloxi') \gset
SELECT count(murallink.add_trial_site(t, :'site')) FROM unnest(ARRAY[:'strict', :'quick']::murallink.ksuid[]) AS t;
SELECT uid AS grover FROM murallink.add_patient(site_uid => :'site', first_name => 'Grover', last_name => 'Street') \gset
SELECT uid AS oscar FROM murallink.add_patient(site_uid => :'other_site', first_name => 'Oscar', last_name => 'Street') \gset
SELECT murallink.enroll(:'grover', t, :'site', 'G-1') FROM unnest(ARRAY[:'trial', :'strict', :'quick']::murallink.ksuid[]) AS t;
SELECT murallink.enroll(:'oscar', :'trial', :'other_site', 'O-1');
SELECT murallink.add_funding(:'contract', 1000000), murallink.add_funding(:'contract', 1000000, 'JPY');
SELECT count(murallink.grant(:'contract', permission, uid)) FROM person, unnest(CASE name
    WHEN 'Rita' THEN '{manual_payment,milestone_payment,travel_payment,view_payments,add_milestone}'
    WHEN 'Ann' THEN '{approve_payments,edit_trial,manual_payment,view_payments,view_enrollments,view_trials,view_sites}'
    WHEN 'Bob' THEN '{approve_payments,view_payments}' WHEN 'Cy' THEN '{approve_payments}' WHEN 'Tess' THEN '{approve_travel,edit_trial,view_payments}'
    END::text[]) AS permission WHERE name IN ('Rita', 'Ann', 'Bob', 'Cy', 'Tess');

-- The rules of a trial: which are taken, who may set them, and what the audit shows
RESET SESSION AUTHORIZATION;
SELECT tiers, pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'tiers', tiers::jsonb, 'note', 'n')) AS said
FROM unnest('{[],"[{\"above\": 100, \"approvers\": 2}]","[{\"above\": 0, \"approvers\": 9, \"currency\": \"JPY\"}]","{}",1,"\"x\"",[1],
    "[{\"above\": 100}]","[{\"approvers\": 2}]","[{\"above\": \"100\", \"approvers\": 2}]","[{\"above\": -1, \"approvers\": 2}]",
    "[{\"above\": 0.001, \"approvers\": 2}]","[{\"above\": 1e12, \"approvers\": 2}]","[{\"above\": 100, \"approvers\": 0}]",
    "[{\"above\": 100, \"approvers\": 10}]","[{\"above\": 100, \"approvers\": 1.5}]","[{\"above\": 100, \"approvers\": 2, \"currency\": \"XXX\"}]",
    "[{\"above\": 100, \"approvers\": 2, \"currency\": null}]","[{\"above\": 100, \"approvers\": 2, \"bellow\": 5}]"}'::text[]) AS tiers;
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', 'n', 'tiers',
    (SELECT jsonb_agg(jsonb_build_object('above', n, 'approvers', 2)) FROM generate_series(1, 21) AS n))) AS too_many;
SELECT signature, note, pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'signature', signature, 'note', note)) AS said
FROM (VALUES ('fingerprint', 'n'), ('password', ''), ('sign_on', NULL), ('', 'n')) AS given (signature, note);
SELECT name, pg_temp.said(name, 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'tiers', '[]'::jsonb, 'note', 'n')) AS said
FROM person ORDER BY name;
SELECT (pg_temp.by('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', 'the sponsor wants it',
    'tiers', '[{"above": 100, "approvers": 2}, {"above": 1000, "approvers": 3}]'::jsonb)) -> 'payload') - 'trial_uid' AS rules;
SELECT name, coalesce(a #>> '{payload,note}', a #>> '{error,code}') AS rules
FROM person, LATERAL pg_temp.by(name, 'get_approval_rules', jsonb_build_object('trial_uid', :'trial')) AS a ORDER BY name;
SELECT changes FROM murallink.audit_event WHERE resource = 'trial' AND resource_uid = :'trial' ORDER BY at DESC LIMIT 1;
SET ROLE murallink_owner;
SELECT test.refusal(format('UPDATE murallink.trial SET updated_at = now(), %s WHERE uid = %L', change, :'trial')) FROM (VALUES
    ('approval_tiers = ''[{"above": 100}]'''), ('approval_tiers = ''{}'''), ('approval_signature = ''none''')) AS wrong (change);
RESET ROLE;

-- Tiers by amount: up to 100 one person, above it two, above 1,000 three; what no tier is about needs the most. Each person once
SELECT amount, currency, murallink_private.approvals_needed(t.approval_tiers, amount, currency) AS needed, murallink_private.free_up_to(t.approval_tiers, currency)
FROM murallink.trial t, (VALUES (0.01, 'USD'), (100, 'USD'), (100.01, 'USD'), (1000, 'USD'), (1000.01, 'USD'), (1, 'JPY')) AS paid (amount, currency)
WHERE t.uid = :'trial';
SELECT pg_temp.ask(:'grover', :'trial', 100) AS small, pg_temp.ask(:'grover', :'trial', 100.01) AS middle, pg_temp.ask(:'grover', :'trial', 5000) AS large,
    pg_temp.ask(:'grover', :'trial', 1, 'JPY') AS yen, pg_temp.ask(:'grover', :'trial', 700, 'USD', 'travel') AS trip \gset
SELECT n, amount, who, pg_temp.approve(who, payment) FROM (VALUES
    (1, 100, :'small', 'Ann'), (2, 100, :'small', 'Bob'), (2.5, 100, :'small', 'Ann'),
    (3, 100.01, :'middle', 'Ann'), (4, 100.01, :'middle', 'Ann'), (5, 100.01, :'middle', 'Tess'), (6, 100.01, :'middle', 'Stan'), (7, 100.01, :'middle', 'Bob'),
    (8, 100.01, :'middle', 'Cy'),
    (9, 5000, :'large', 'Bob'), (10, 5000, :'large', 'Ada'), (11, 5000, :'large', 'Bob'), (12, 5000, :'large', 'Cy'),
    (13, 700, :'trip', 'Tess'), (14, 700, :'trip', 'Cy'),
    (15, 1, :'yen', 'Ann'), (16, 1, :'yen', 'Bob')) AS said (n, amount, payment, who) ORDER BY n;
SELECT amount, p.status, a.signer_name, a.meaning, a.signed_by, a.note, a.at BETWEEN p.created_at AND clock_timestamp() AS then,
    a.app_user_uid = p.decided_by_uid AS decided
FROM murallink.approval a JOIN murallink.payment p ON p.uid = a.payment_uid WHERE p.trial_uid = :'trial' ORDER BY amount, a.at;
SELECT count(*) AS payouts FROM murallink.payout WHERE payment_uid IN (:'middle', :'yen');
-- The audit has each approval, and why; a person may reject what others have approved
SELECT changes -> 'status' AS status, p.name AS decided, changes #>> '{decision_note,to}' AS note
FROM murallink.audit_event e LEFT JOIN person p ON p.uid::text = changes #>> '{decided_by_uid,to}'
WHERE resource_uid = :'middle' AND action = 'changed' ORDER BY at;
SELECT pg_temp.approve('Cy', :'yen', '{"note": "it is in yen"}') AS third, status FROM murallink.payment WHERE uid = :'yen';
SELECT pg_temp.ask(:'grover', :'trial', 150) AS unwanted \gset
SELECT pg_temp.approve('Ann', :'unwanted') AS approved, pg_temp.said('Bob', 'reject_payment', jsonb_build_object('payment_uid', :'unwanted', 'note', 'paid in cash')) AS rejected,
    pg_temp.approve('Cy', :'unwanted') AS too_late;
-- What the tiers say when somebody approves holds: with fewer people than before, and with more
SELECT pg_temp.ask(:'grover', :'trial', 500) AS fewer, pg_temp.ask(:'grover', :'trial', 50) AS more \gset
SELECT pg_temp.approve('Ann', :'fewer');
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', 'fewer', 'tiers', '[{"above": 10, "approvers": 2}]'::jsonb));
SELECT pg_temp.approve('Ann', :'more'), pg_temp.approve('Bob', :'more'), pg_temp.approve('Cy', :'fewer');

-- Neither the owner's UPDATE nor an INSERT passes a tier; only an approval is followed by another decider
SELECT pg_temp.ask(:'grover', :'trial', 500) AS waiting \gset
SELECT pg_temp.approve('Ann', :'waiting', '{"note": "seen"}');
SET ROLE murallink_owner;
SELECT test.refusal(format('UPDATE murallink_private.payment SET %s WHERE uid = %L', change, :'waiting')) FROM (VALUES
    ('status = ''approved'''), ('decided_by_uid = NULL'), ('decision_note = ''unseen'''), ('note = ''x''')) AS wrong (change);
SELECT enrollment_uid AS enrollment FROM murallink.payment WHERE uid = :'waiting' \gset
BEGIN;
SELECT test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, status) VALUES (%L, %L, 1, %L, %L)',
    :'enrollment', 'manual', 'USD', 'approved'));
ROLLBACK;
RESET ROLE;

-- A trial that approves milestones by itself does so up to the lowest tier: by the amount of the payment
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'quick', 'note', 'n', 'tiers', '[{"above": 100, "approvers": 1}, {"above": 200, "approvers": 2}]'::jsonb));
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT price.amount, price.currency, (murallink.milestone_payment(:'grover', m.uid)).status
FROM (VALUES (100, 'USD'), (100.01, 'USD'), (200.01, 'USD'), (1, 'JPY')) AS price (amount, currency),
    LATERAL murallink.add_milestone(concat_ws(' ', 'At', price.amount, price.currency), price.amount, price.currency, :'quick', :'site') AS m;
RESET SESSION AUTHORIZATION;
SELECT amount, currency, pg_temp.approve('Bob', uid::text), pg_temp.approve('Ann', uid::text) FROM murallink.payment
WHERE trial_uid = :'quick' AND status = 'pending' ORDER BY amount;
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT uid AS dear FROM murallink.add_milestone('Dear', 300, 'USD', :'quick', :'site') \gset
RESET SESSION AUTHORIZATION;
SET ROLE murallink_owner;
SELECT status, test.refusal(format('INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, status) SELECT e.uid, %L, %L, %L'
    ' FROM murallink.enrollment e WHERE e.patient_uid = %L AND e.trial_uid = %L', 'milestone', :'dear', status, :'grover', :'quick'))
FROM unnest('{approved,pending}'::text[]) AS status;
RESET ROLE;

-- New rules hold at once, also in a session that has paid by the old ones
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT uid AS often FROM murallink.add_milestone('Often', 90, 'USD', :'quick', :'site', 2) \gset
SELECT (murallink.milestone_payment(:'grover', :'often')).status;
SELECT signature FROM murallink.set_approval_rules(:'quick', '[{"above": 80, "approvers": 1}]', NULL, 'less');
SELECT (murallink.milestone_payment(:'grover', :'often')).status;
RESET SESSION AUTHORIZATION;

-- Where another person must approve, none of them is the requester, nor made by another of them: who requests and acts as an approver
-- (S24), an approver whom an approver made, and an admin who acts as one of them
SELECT pg_temp.said('Ada', 'set_approval_rules', jsonb_build_object('trial_uid', :'strict', 'note', 'n', 'tiers', '[{"above": 100, "approvers": 2}]'::jsonb));
SELECT pg_temp.by('Ann', 'manual_payment', jsonb_build_object('patient_uid', :'grover', 'trial_uid', :'strict', 'amount', 200)) #>> '{payload,uid}' AS anns \gset
SELECT pg_temp.approve('Ann', :'anns') AS requester, pg_temp.approve('Bob', :'anns') AS bob, pg_temp.approve('Bob', :'anns') AS again;
SELECT pg_temp.said('Ada', 'switch_user', jsonb_build_object('uid', uid)) FROM person WHERE name = 'Bob';
SELECT pg_temp.approve('Ada', :'anns') AS ada_as_bob;
SELECT pg_temp.said('Ada', 'switch_user', jsonb_build_object('uid', uid)) FROM person WHERE name = 'Ann';
SELECT pg_temp.approve('Ada', :'anns') AS ada_as_requester;
SELECT pg_temp.said('Ada', 'switch_user', jsonb_build_object('uid', uid)) FROM person WHERE name = 'Cy';
SELECT pg_temp.approve('Ada', :'anns') AS ada_as_cy;
SELECT signer_name, (SELECT name FROM person WHERE uid = app_user_uid) AS with_rights_of, meaning FROM murallink.approval WHERE payment_uid = :'anns' ORDER BY at;
SELECT pg_temp.ask(:'grover', :'strict', 200) AS ritas, pg_temp.ask(:'grover', :'trial', 200) AS loose \gset
SELECT pg_temp.approve('Ada', :'ritas') AS ada_as_cy;
SELECT pg_temp.said('Ada', 'switch_user', jsonb_build_object('uid', uid)) FROM person WHERE name = 'Ada';
SELECT pg_temp.approve('Ada', :'ritas') AS ada, pg_temp.approve('Cy', :'ritas') AS cy, pg_temp.approve('Bob', :'ritas') AS bob_whom_ada_made_an_approver;
-- Bob makes an approver of Stan; where no other person must approve, they are two
SELECT pg_temp.said('Ada', 'grant', jsonb_build_object('resource_uid', :'contract', 'permission', 'grant', 'user_uid', b.uid)),
    pg_temp.said('Bob', 'grant', jsonb_build_object('resource_uid', :'contract', 'permission', 'approve_payments', 'user_uid', s.uid))
FROM person b, person s WHERE b.name = 'Bob' AND s.name = 'Stan';
SELECT pg_temp.ask(:'grover', :'strict', 200) AS by_both \gset
SELECT pg_temp.approve('Bob', :'by_both') AS bob, pg_temp.approve('Stan', :'by_both') AS puppet, pg_temp.approve('Cy', :'by_both') AS cy;
SELECT pg_temp.ask(:'grover', :'strict', 200) AS by_both \gset
SELECT pg_temp.approve('Stan', :'by_both') AS puppet, pg_temp.approve('Bob', :'by_both') AS bob, pg_temp.approve('Cy', :'by_both') AS cy;
SELECT pg_temp.approve('Bob', :'loose') AS bob, pg_temp.approve('Stan', :'loose') AS puppet;

-- A signature: the password again, which is counted as a login is, whatever becomes of the transaction; or a fresh sign-on
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', '21 CFR 11.200', 'tiers', '[]'::jsonb, 'signature', 'password'));
SELECT pg_temp.ask(:'grover', :'trial', 10) AS signed \gset
SELECT pg_temp.approve('Bob', :'signed') AS none, pg_temp.approve('Bob', :'signed', '{"password": ""}') AS empty, pg_temp.approve('Bob', :'signed', '{"password": "wrong"}') AS wrong;
CREATE VIEW pg_temp.failures AS SELECT count(*) AS places, sum(failures) AS failures FROM murallink_private.login_attempt WHERE email = 'approve.bob@example.com';
SELECT failures FROM pg_temp.failures;
BEGIN;
SELECT pg_temp.approve('Bob', :'signed', '{"password": "wrong again"}') AS wrong;
ROLLBACK;
SELECT failures FROM pg_temp.failures;
SELECT pg_temp.approve('Bob', :'signed', '{"password": "correct horse", "note": "as agreed"}') AS right;
SELECT coalesce(failures, 0) AS failures FROM pg_temp.failures;
SELECT signer_name, meaning, signed_by, note FROM murallink.approval WHERE payment_uid = :'signed';
SELECT pg_temp.ask(:'grover', :'trial', 11) AS locked \gset
SELECT n, pg_temp.approve('Cy', :'locked', jsonb_build_object('password', 'wrong ' || n)) AS wrong FROM generate_series(1, 10) AS n;
SELECT pg_temp.approve('Cy', :'locked', '{"password": "correct horse"}') AS right_but_locked;
SELECT pg_temp.said('Ada', 'switch_user', jsonb_build_object('uid', uid)) FROM person WHERE name = 'Bob';
SELECT pg_temp.approve('Ada', :'locked', '{"password": "correct horse"}') AS acting, pg_temp.approve('Ada', :'locked') AS without;
SELECT pg_temp.said('Ada', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', 'n', 'signature', 'sign_on')) AS acting_as_bob;
SELECT pg_temp.said('Ada', 'switch_user', jsonb_build_object('uid', uid)) FROM person WHERE name = 'Ada';
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', 'n', 'signature', 'sign_on'));
SELECT pg_temp.approve('Bob', :'locked') AS requested_before;
SELECT pg_temp.ask(:'grover', :'trial', 11) AS locked \gset
UPDATE murallink_private.session s SET created_at = created_at - interval '16 minutes' FROM person p WHERE p.uid = s.app_user_uid AND p.name = 'Bob';
SELECT pg_temp.approve('Bob', :'locked') AS long_ago, pg_temp.approve('Bob', :'locked', '{"password": "wrong"}') AS wrong;
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT test.refusal(format('SELECT murallink.approve_payment(%L)', :'locked')) AS without_a_session;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.approve('Ann', :'locked') AS fresh;
SELECT signed_by FROM murallink.approval WHERE payment_uid = :'locked';
SELECT pg_temp.ask(:'grover', :'trial', 12) AS by_password \gset
SELECT pg_temp.approve('Bob', :'by_password', '{"password": "correct horse"}') AS instead;
-- The name is that of the moment, whatever the person is called later
SELECT pg_temp.said('Bob', 'update_user', jsonb_build_object('uid', uid, 'first_name', 'Robert', 'last_name', 'Renamed')) FROM person WHERE name = 'Bob';
SELECT a ->> 'name' AS name, a ->> 'meaning' AS meaning, a ->> 'signed_by' AS signed_by, a ->> 'note' AS note
FROM jsonb_array_elements(pg_temp.by('Rita', 'get_approvals', jsonb_build_object('payment_uid', :'signed')) -> 'payload') AS a;
SELECT name, pg_temp.said(name, 'get_approvals', jsonb_build_object('payment_uid', :'signed')) AS said FROM person ORDER BY name;
-- Who takes the name of another to sign is known by the uid
SELECT pg_temp.said('Bob', 'update_user', jsonb_build_object('uid', uid, 'first_name', 'Ada', 'last_name', 'Admin')) FROM person WHERE name = 'Bob';
SELECT pg_temp.ask(:'grover', :'trial', 13) AS borrowed \gset
SELECT pg_temp.approve('Bob', :'borrowed', '{"password": "correct horse"}') AS approved;
SELECT pg_temp.said('Bob', 'update_user', jsonb_build_object('uid', uid, 'first_name', 'Robert', 'last_name', 'Renamed')) FROM person WHERE name = 'Bob';
SELECT a ->> 'name' AS signed_as, p.name AS who
FROM jsonb_array_elements(pg_temp.by('Rita', 'get_approvals', jsonb_build_object('payment_uid', :'borrowed')) -> 'payload') AS a
JOIN person p ON p.uid::text = a ->> 'user_uid';

-- What was approved is what is paid: no column changes, for neither the owner nor a superuser; and what was signed stays
SELECT uid AS agreed FROM murallink.payment WHERE uid = :'by_password' AND status = 'approved' \gset
CREATE FUNCTION pg_temp.changes(payment text) RETURNS TABLE (refusal text, columns text) LANGUAGE sql AS $$
    SELECT coalesce(r, 'CHANGED'), string_agg(attname, ' ' ORDER BY attnum)
    FROM pg_attribute, LATERAL (SELECT CASE
            WHEN attname = 'status' THEN quote_literal('pending') WHEN attname = 'payment_type' THEN quote_literal('travel') WHEN attname = 'currency' THEN quote_literal('JPY')
            WHEN atttypid = 'numeric'::regtype THEN attname || ' + 1' WHEN atttypid = 'integer'::regtype THEN '1'
            WHEN atttypid = 'boolean'::regtype THEN 'NOT ' || attname WHEN atttypid = 'timestamptz'::regtype THEN attname || ' + interval ''1 day'''
            WHEN atttypid = 'date'::regtype THEN 'CURRENT_DATE' WHEN atttypid = 'text'::regtype THEN quote_literal('changed') ELSE 'murallink.gen_ksuid()' END AS other) AS v,
        test.refusal(format('UPDATE murallink_private.payment SET %I = %s WHERE uid = %L', attname, v.other, payment)) AS r
    WHERE attrelid = 'murallink_private.payment'::regclass AND attnum > 0 AND NOT attisdropped GROUP BY 1
$$;
SET ROLE murallink_owner;
SELECT refusal, columns ~ 'amount' AS amount, columns ~ 'patient_uid' AS patient, columns ~ 'decided_by_uid' AS decided FROM pg_temp.changes(:'agreed') ORDER BY refusal;
RESET ROLE;
SELECT DISTINCT refusal FROM pg_temp.changes(:'agreed') ORDER BY refusal;
SET ROLE murallink_owner;
SELECT write, test.refusal(format(write, :'agreed')) FROM unnest(ARRAY['UPDATE murallink_private.approval SET signer_name = ''Somebody''', 'DELETE FROM murallink_private.approval',
    'TRUNCATE murallink_private.approval', 'INSERT INTO murallink_private.approval (payment_uid, app_user_uid, signer_name, meaning, signed_by) SELECT payment_uid, app_user_uid, ''x'', ''x'', ''session'' FROM murallink_private.approval WHERE payment_uid = %L']) AS write;
RESET ROLE;

-- Many at once, each with its own outcome, in one call (S25): once for a uid that is there twice; a name for each refusal
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', 'n', 'signature', 'session', 'tiers', '[{"above": 900, "approvers": 2}]'::jsonb));
SELECT pg_temp.ask(:'grover', :'trial', 20) AS one, pg_temp.ask(:'grover', :'trial', 901) AS two, pg_temp.ask(:'grover', :'strict', 30) AS three,
    pg_temp.ask(:'grover', :'trial', 40, 'USD', 'travel') AS four,
    pg_temp.by('Ann', 'manual_payment', jsonb_build_object('patient_uid', :'grover', 'trial_uid', :'strict', 'amount', 50)) #>> '{payload,uid}' AS own \gset
CREATE FUNCTION pg_temp.outcomes(who text, uids text[], more jsonb DEFAULT '{"note": "in one go"}', decide text DEFAULT 'approve_payments')
RETURNS TABLE (n bigint, status text, error text) LANGUAGE sql AS $$
    SELECT array_position(uids, a ->> 'uid'), a ->> 'status', a ->> 'error'
    FROM jsonb_array_elements(pg_temp.by(who, decide, jsonb_build_object('uids', uids) || more) -> 'payload') AS a ORDER BY 1
$$;
\set missing '0ujtsYcgvSTl8PAuAdqWYSMnLOv'
SELECT * FROM pg_temp.outcomes('Ann', ARRAY[:'one', :'two', :'three', :'one', :'own', :'missing', :'agreed', :'grover', :'four']);
SELECT * FROM pg_temp.outcomes('Tess', ARRAY[:'two', :'four']);
SELECT * FROM pg_temp.outcomes('Bob', ARRAY[:'two', :'one', :'own']);
SELECT * FROM pg_temp.outcomes('Stan', ARRAY[:'two', :'missing']);
SELECT DISTINCT decision_note FROM murallink.payment WHERE uid IN (:'one', :'two', :'three', :'own', :'four');
SELECT n, pg_temp.said('Ann', 'approve_payments', given) AS said FROM (VALUES
    (1, jsonb_build_object('uids', '[]'::jsonb, 'note', 'n')), (2, jsonb_build_object('note', 'n')), (3, jsonb_build_object('uids', jsonb_build_array(:'one'::text))),
    (4, jsonb_build_object('uids', jsonb_build_array(:'one'::text), 'note', repeat('x', 1001))), (5, jsonb_build_object('uids', '["x"]'::jsonb, 'note', 'n')),
    (6, jsonb_build_object('uids', (SELECT jsonb_agg(:'one'::text) FROM generate_series(1, 10001)), 'note', 'n')),
    (7, jsonb_build_object('uids', jsonb_build_array(:'one'::text), 'note', 'n', 'password', 'wrong')),
    (8, jsonb_build_object('uids', (SELECT jsonb_agg(:'one'::text) FROM generate_series(1, 10000)), 'note', 'n'))) AS asked (n, given) ORDER BY n;
SELECT pg_temp.said('Nobody', 'approve_payments', jsonb_build_object('uids', jsonb_build_array(:'one'::text), 'note', 'n')) AS nobody;
SELECT count(pg_temp.ask(:'grover', :'trial', 1)) FROM generate_series(1, 200);
SELECT status, error, count(*) FROM pg_temp.outcomes('Cy', ARRAY(SELECT uid::text FROM murallink.payment WHERE status = 'pending' AND amount = 1 AND trial_uid = :'trial'))
GROUP BY status, error;
SELECT status, count(*) FROM murallink.payment WHERE amount = 1 AND currency = 'USD' AND trial_uid = :'trial' GROUP BY status;
-- and rejected in the same way, also one's own; of each its funds are released, and no signature is demanded
SELECT pg_temp.ask(:'grover', :'trial', 21) AS one, pg_temp.ask(:'grover', :'strict', 31) AS two, pg_temp.ask(:'grover', :'trial', 41, 'USD', 'travel') AS three,
    pg_temp.by('Ann', 'manual_payment', jsonb_build_object('patient_uid', :'grover', 'trial_uid', :'strict', 'amount', 51)) #>> '{payload,uid}' AS own \gset
CREATE FUNCTION pg_temp.rejected(who text, uids text[]) RETURNS TABLE (n bigint, status text, error text) LANGUAGE sql AS $$
    SELECT o.* FROM pg_temp.outcomes(who, uids, '{"note": "no visit"}', 'reject_payments') o
$$;
SELECT * FROM pg_temp.rejected('Rita', ARRAY[:'one']);
SELECT * FROM pg_temp.rejected('Tess', ARRAY[:'one', :'three']);
SELECT * FROM pg_temp.rejected('Ann', ARRAY[:'one', :'two', :'three', :'one', :'own', :'missing', :'agreed', :'grover']);
SELECT amount, status, decision_note, u.first_name AS decided_by, (SELECT string_agg(e.movement || ' ' || e.amount, ', ' ORDER BY e.movement) FROM murallink.fund_entry e WHERE e.source_uid = p.uid) AS funds
FROM murallink.payment p JOIN murallink.app_user u ON u.uid = p.decided_by_uid WHERE p.uid IN (:'one', :'two', :'three', :'own') ORDER BY amount;
SELECT n, pg_temp.said('Ann', 'reject_payments', given) AS said FROM (VALUES
    (1, jsonb_build_object('uids', '[]'::jsonb, 'note', 'n')), (2, jsonb_build_object('note', 'n')), (3, jsonb_build_object('uids', jsonb_build_array(:'one'::text))),
    (4, jsonb_build_object('uids', jsonb_build_array(:'one'::text), 'note', repeat('x', 1001))), (5, jsonb_build_object('uids', '["x"]'::jsonb, 'note', 'n')),
    (6, jsonb_build_object('uids', (SELECT jsonb_agg(:'one'::text) FROM generate_series(1, 10001)), 'note', 'n')),
    (7, jsonb_build_object('uids', jsonb_build_array(:'one'::text), 'note', 'n', 'password', 'correct horse')),
    (8, jsonb_build_object('uids', (SELECT jsonb_agg(:'one'::text) FROM generate_series(1, 10000)), 'note', 'n'))) AS asked (n, given) ORDER BY n;
SELECT pg_temp.said('Nobody', 'reject_payments', jsonb_build_object('uids', jsonb_build_array(:'one'::text), 'note', 'n')) AS nobody;
-- A password is checked once for all
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', 'n', 'signature', 'password'));
SELECT pg_temp.ask(:'grover', :'trial', 60) AS with_password, pg_temp.ask(:'grover', :'strict', 60) AS without \gset
SELECT * FROM pg_temp.outcomes('Bob', ARRAY[:'with_password', :'without']);
SELECT * FROM pg_temp.outcomes('Bob', ARRAY[:'with_password', :'without'], '{"note": "signed", "password": "correct horse"}');
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'trial', 'note', 'n', 'signature', 'session'));

-- What waits for whom: only what they may approve now, what they may see of it, filtered, in order, page by page
SELECT pg_temp.said('Ada', 'reject_payment', jsonb_build_object('payment_uid', uid, 'note', 'before the list')) AS said, count(*)
FROM murallink.payment WHERE status = 'pending' AND contract_uid = :'contract' GROUP BY 1;
SELECT pg_temp.ask(:'grover', :'trial', 5) AS first, pg_temp.ask(:'grover', :'trial', 905) AS second, pg_temp.ask(:'oscar', :'trial', 3) AS third,
    pg_temp.ask(:'grover', :'strict', 4) AS fourth, pg_temp.ask(:'grover', :'trial', 2, 'USD', 'travel') AS fifth,
    pg_temp.by('Ann', 'manual_payment', jsonb_build_object('patient_uid', :'grover', 'trial_uid', :'strict', 'amount', 6)) #>> '{payload,uid}' AS own \gset
SET session_replication_role = replica;
UPDATE murallink_private.payment p SET created_at = p.created_at - age * interval '1 day' FROM (VALUES (:'first', 5), (:'second', 4), (:'third', 3), (:'fourth', 2), (:'fifth', 1)) AS made (uid, age)
WHERE made.uid = p.uid::text;
UPDATE murallink_private.audit_event SET at = at - interval '10 days' WHERE resource = 'trial';
RESET session_replication_role;
SELECT pg_temp.approve('Bob', :'second');
CREATE FUNCTION pg_temp.waits(who text, asked jsonb DEFAULT '{}') RETURNS TABLE (
    n bigint, trial text, site text, subject_id text, kind text, amount text, currency text, days text, requested_by text, approvals text) LANGUAGE sql AS $$
    SELECT n, p ->> 'trial', p ->> 'site', p ->> 'subject_id', p ->> 'payment_type', p ->> 'amount', p ->> 'currency', p ->> 'days', p ->> 'requested_by',
        concat_ws('/', p ->> 'approvals', p ->> 'approvals_needed')
    FROM jsonb_array_elements(pg_temp.by(who, 'pending_payments', asked) -> 'payload') WITH ORDINALITY AS listed (p, n)
$$;
SELECT * FROM pg_temp.waits('Ann');
SELECT * FROM pg_temp.waits('Bob');
SELECT * FROM pg_temp.waits('Tess');
SELECT * FROM pg_temp.waits('Cy');
-- Neither the order nor a filter shows what the list does not: with payments of their own, approvers would find the amount
SELECT asked, array_agg(p ->> 'uid' ORDER BY n) = array_agg(p ->> 'uid' ORDER BY p ->> 'uid' COLLATE "C") AS in_order_of_uid, count(n) AS listed
FROM unnest('{"{\"sort\": \"largest\"}","{\"kind\": \"manual\"}"}'::text[]) AS asked
    LEFT JOIN LATERAL jsonb_array_elements(pg_temp.by('Cy', 'pending_payments', asked::jsonb) -> 'payload') WITH ORDINALITY AS listed (p, n) ON true
GROUP BY asked ORDER BY asked DESC;
SELECT count(*) AS who_may_approve_nothing FROM pg_temp.waits('Rita');
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT murallink.grant(:'other_site', 'view_payments', uid) FROM person WHERE name = 'Cy';
SELECT murallink.revoke(uid, 'view_payments', :'contract', 'travel only') FROM person WHERE name = 'Tess';
RESET SESSION AUTHORIZATION;
-- where some are shown, these are the first of the largest, and a page after a hidden one has none of them
WITH largest AS (
    SELECT p ->> 'uid' AS uid, n FROM jsonb_array_elements(pg_temp.by('Cy', 'pending_payments', '{"sort": "largest"}') -> 'payload') WITH ORDINALITY AS listed (p, n)
)
SELECT l.n AS after, (
        SELECT string_agg(coalesce(w.amount, '-'), ' ' ORDER BY w.n) FROM pg_temp.waits('Cy', jsonb_build_object('sort', 'largest', 'after_uid', l.uid)) AS w) AS amounts
FROM (SELECT 0 AS n, '' AS uid UNION ALL SELECT n, uid FROM largest) AS l ORDER BY l.n LIMIT 4;
-- and who approves travel alone knows the kind
SELECT count(*) FROM pg_temp.waits('Tess', '{"kind": "travel"}');
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT murallink.grant(:'contract', 'view_payments', uid) FROM person WHERE name IN ('Cy', 'Tess');
RESET SESSION AUTHORIZATION;
SELECT asked, (SELECT string_agg(w.amount, ' ' ORDER BY n) FROM pg_temp.waits('Cy', asked::jsonb) AS w) AS amounts FROM (VALUES
    ('{"sort": "oldest"}'), ('{"sort": "newest"}'), ('{"sort": "largest"}'), ('{"kind": "travel"}'), ('{"older_than_days": 3}'), ('{"most": 2}')) AS lists (asked);
SELECT name, (SELECT string_agg(w.amount, ' ' ORDER BY n) FROM pg_temp.waits('Cy', jsonb_build_object(name, uid)) AS w) AS amounts FROM (VALUES
    ('trial_uid', :'strict'), ('site_uid', :'other_site'), ('trial_uid', :'quick')) AS places (name, uid);
SELECT asked, pg_temp.said('Cy', 'pending_payments', asked::jsonb) AS said FROM unnest('{"{\"sort\": \"oldest first\"}","{\"kind\": \"cash\"}","{\"older_than_days\": -1}","{\"older_than_days\": 2147483647}",
    "{\"most\": 0}","{\"most\": 10001}","{\"after_uid\": \"0ujtsYcgvSTl8PAuAdqWYSMnLOv\"}"}'::text[]) AS asked;
-- The pages of each order have each payment once, also if the last of a page is decided, and new ones come, before the next is asked for
CREATE FUNCTION pg_temp.pages(sort text, decide text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    page jsonb;
    last text;
    pages text[] := '{}';
BEGIN
    LOOP
        page := pg_temp.by('Cy', 'pending_payments', jsonb_build_object('sort', sort, 'most', 2, 'after_uid', coalesce(last, ''))) -> 'payload';
        EXIT WHEN page = '[]';
        pages := pages || (SELECT string_agg(p ->> 'amount', ' ' ORDER BY n) FROM jsonb_array_elements(page) WITH ORDINALITY AS listed (p, n));
        last := page -> -1 ->> 'uid';
        IF (page -> -1 ->> 'amount') = decide THEN
            PERFORM pg_temp.said('Cy', 'reject_payment', jsonb_build_object('payment_uid', last, 'note', 'beside the list'));
        END IF;
    END LOOP;
    RETURN array_to_string(pages, ', ');
END
$$;
SELECT sort, pg_temp.pages(sort) FROM unnest('{oldest,newest,largest}'::text[]) AS sort;
SELECT pg_temp.pages('oldest', '905') AS with_a_decision, pg_temp.pages('oldest') AS after_it;
SELECT pg_temp.said('Tess', 'pending_payments', jsonb_build_object('after_uid', :'first')) AS not_hers;

-- The wrong person is paid (S6), and it is seen before it is approved: rejected with the reason, the milestone is open again, and the right
-- person is paid at the price of the day
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT uid AS visit FROM murallink.add_milestone('Visit', 80, 'USD', :'trial', :'site') \gset
SELECT uid AS bill FROM murallink.add_patient(site_uid => :'site', first_name => 'Bill', last_name => 'Street') \gset
SELECT murallink.enroll(:'bill', :'trial', :'site', 'B-1');
RESET SESSION AUTHORIZATION;
SELECT pg_temp.by('Rita', 'milestone_payment', jsonb_build_object('patient_uid', :'grover', 'milestone_uid', :'visit')) #>> '{payload,uid}' AS wrong \gset
SELECT pg_temp.said('Bob', 'reject_payment', jsonb_build_object('payment_uid', :'wrong', 'note', 'It was Bill who came.')) AS rejected;
SELECT pg_temp.by('Rita', 'milestone_payment', jsonb_build_object('patient_uid', patient, 'milestone_uid', :'visit')) #> '{payload,amount}' AS amount,
    pg_temp.said('Rita', 'milestone_payment', jsonb_build_object('patient_uid', patient, 'milestone_uid', :'visit')) AS again
FROM unnest(ARRAY[:'bill', :'grover']) AS patient;
SELECT p ->> 'status' AS status, p ->> 'amount' AS amount, p ->> 'decision_note' AS why
FROM jsonb_array_elements(pg_temp.by('Rita', 'get_patient_payments', jsonb_build_object('patient_uid', :'grover', 'trial_uid', :'trial')) -> 'payload') AS p
WHERE p #>> '{milestone,milestone}' = 'Visit' ORDER BY 1;

-- Who may edit the trial and approve frees nothing that was requested before from the rules of then: neither from a second person, nor
-- from the number of people, nor from their signature; what is requested afterwards has the new rules
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'strict', 'note', 'strict', 'signature', 'password',
    'tiers', '[{"above": 100, "approvers": 2}]'::jsonb));
SELECT pg_temp.ask(:'grover', :'strict', 500) AS bound \gset
SELECT pg_temp.by('Ann', 'manual_payment', jsonb_build_object('patient_uid', :'grover', 'trial_uid', :'strict', 'amount', 500)) #>> '{payload,uid}' AS own \gset
SELECT pg_temp.said('Ann', 'set_approval_rules', jsonb_build_object('trial_uid', :'strict', 'note', 'lax', 'signature', 'session', 'tiers', '[]'::jsonb)),
    pg_temp.said('Ann', 'edit_trial', jsonb_build_object('uid', :'strict', 'separate_approver', false));
SELECT n, who, pg_temp.approve(who, payment, more) FROM (VALUES
    (1, 'Ann', :'bound', jsonb '{}'), (2, 'Ann', :'bound', '{"password": "correct horse"}'), (3, 'Ann', :'own', '{"password": "correct horse"}'))
    AS said (n, who, payment, more) ORDER BY n;
SELECT p ->> 'approvals' AS approvals, p ->> 'approvals_needed' AS needed, p ->> 'signature' AS signature
FROM jsonb_array_elements(pg_temp.by('Bob', 'pending_payments', jsonb_build_object('trial_uid', :'strict')) -> 'payload') AS p
WHERE p ->> 'uid' IN (:'bound', :'own') ORDER BY 1;
SET ROLE murallink_owner;
SELECT test.refusal(format('UPDATE murallink_private.payment SET status = ''approved'' WHERE uid = %L', :'bound'));
RESET ROLE;
SELECT pg_temp.approve('Bob', :'bound', '{"password": "correct horse"}') AS second, pg_temp.approve('Ann', pg_temp.ask(:'grover', :'strict', 500)) AS later;
-- Nor do two parts of a visit need fewer people than the visit, or none
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT uid AS halves FROM murallink.add_milestone('In halves', 160, 'USD', :'quick', :'site') \gset
SELECT signature FROM murallink.set_approval_rules(:'quick', '[{"above": 100, "approvers": 2}]', 'session', 'two');
SELECT uid AS half, amount, status FROM murallink.milestone_payment(:'grover', :'halves', 'left early', fraction => 0.5) \gset
\echo :amount :status
SELECT uid AS rest, amount, status FROM murallink.complete_payment(:'half', 'came back') \gset
\echo :amount :status
RESET SESSION AUTHORIZATION;
SELECT n, who, pg_temp.approve(who, part) FROM unnest(ARRAY[:'half', :'rest']) WITH ORDINALITY AS p (part, n),
    unnest('{Ann,Bob}'::text[]) AS who ORDER BY n, who;
-- nor does a visit whose price is raised in two steps
SET SESSION AUTHORIZATION regress_approve_admin;
SELECT uid AS steps FROM murallink.add_milestone('In steps', 90, 'USD', :'quick', :'site') \gset
SELECT amount, status FROM murallink.milestone_payment(:'grover', :'steps');
SELECT trial_site_uid AS quick_site FROM murallink.add_milestone('In steps', 170, 'USD', :'quick', :'site') \gset
SELECT (payments[1]).top_up_uid AS step, total FROM murallink.top_up(:'quick_site', 'In steps', '2020-01-01', 'the new budget') \gset
\echo :total
RESET SESSION AUTHORIZATION;
SELECT who, pg_temp.approve(who, :'step') FROM unnest('{Ann,Bob}'::text[]) AS who ORDER BY who;

-- Analysts see the approvals of the payments that they see
SELECT murallink.set_db_role('approve.rita@example.com', 'regress_approve_analyst');
SET SESSION AUTHORIZATION regress_approve_analyst;
SELECT count(*) > 20 AS of_all, count(*) FILTER (WHERE payment_uid = :'signed') AS signed FROM murallink.approval;
RESET SESSION AUTHORIZATION;
UPDATE murallink.app_user SET db_role = NULL WHERE db_role = 'regress_approve_analyst';
SELECT murallink.set_db_role('approve.stan@example.com', 'regress_approve_analyst');
SET SESSION AUTHORIZATION regress_approve_analyst;
SELECT count(*) AS of_one_who_only_approves FROM murallink.approval;
RESET SESSION AUTHORIZATION;
SELECT * FROM murallink.verify_ledger();
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_approve_%';
DROP ROLE regress_approve_admin, regress_approve_analyst;
