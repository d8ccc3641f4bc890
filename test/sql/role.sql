-- Named roles: as shipped, as administrators set them, and what is granted by them.
\set SHOW_CONTEXT never
CREATE ROLE regress_role_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_role_lead LOGIN IN ROLE murallink_client;
SELECT uid AS admin FROM murallink.create_admin('admin.role@example.com', 'correct horse', 'Ada', 'Admin') \gset
SELECT uid AS lead FROM murallink.register('lead.role@example.com', 'correct horse', 'Lea', 'Lead') \gset
SELECT uid AS "user" FROM murallink.register('user.role@example.com', 'correct horse', 'Uma', 'User') \gset
SELECT murallink.set_db_role(name || '.role@example.com', 'regress_role_' || name) FROM unnest('{admin,lead}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_role_admin;
SELECT uid AS client FROM murallink.create_client('Roles') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Roles', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Roles') \gset

-- As shipped; the documented recipes are these
SELECT name, note, set_by_uid, permissions FROM murallink.get_roles();

-- A role is granted like its permissions: all or none, until the same end, one way at a time
SELECT test.answer('grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'user') || asked)
FROM (VALUES (jsonb '{"role": "nurse"}'), ('{"role": "coordinator", "permission": "enroll"}'), ('{"role": "coordinator", "permissions": ["enroll"]}'), ('{"role": ""}'),
    ('{"role": " Coordinator ", "until": "2999-01-01", "permission": null}')) AS sent (asked);
SELECT array_agg(DISTINCT key ORDER BY key) = (SELECT array_agg(p ORDER BY p) FROM murallink.get_roles() r, unnest(r.permissions) AS p WHERE r.name = 'coordinator') AS the_same,
    array_agg(DISTINCT value #>> '{0,until}') AS until
FROM jsonb_each(murallink.get_permissions(:'user'));
SELECT murallink.grant(:'trial', permissions => '{grant,approve_payments,view_enrollments,view_payments}', user_uid => :'lead');
SET SESSION AUTHORIZATION regress_role_lead;
SELECT role, test.answer('grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'user', 'role', role)) FROM unnest('{approver,monitor}'::text[]) AS role;

-- What the shipped roles show: a blinded analyst no person, a monitor all of them, and neither may change anything
RESET SESSION AUTHORIZATION;
CREATE ROLE regress_role_blind LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT uid AS blind FROM murallink.register('blind.role@example.com', 'correct horse', 'Bea', 'Blind') \gset
SELECT murallink.set_db_role('blind.role@example.com', 'regress_role_blind');
SET SESSION AUTHORIZATION regress_role_admin;
SELECT uid AS site FROM murallink.create_site('Roles', :'trial') \gset
SELECT uid AS patient FROM murallink.add_patient(:'site', 'Pia', 'Patient') \gset
SELECT murallink.enroll(:'patient', :'trial', :'site', 'R-1');
SELECT murallink.grant(:'trial', role => 'blinded analyst', user_uid => :'blind');
SET SESSION AUTHORIZATION regress_role_blind;
SELECT (SELECT count(*) FROM murallink.patient) AS patients, (SELECT string_agg(subject_id, ' ') FROM murallink.enrollment) AS subjects,
    test.answer('get_patient', jsonb_build_object('patient_uid', :'patient')) AS patient,
    test.answer('set_enrollment_status', jsonb_build_object('patient_uid', :'patient', 'trial_uid', :'trial', 'status', 'completed')) AS change;
SET SESSION AUTHORIZATION regress_role_admin;
SELECT murallink.revoke_all(:'blind', :'trial', 'is a monitor now') AS revoked;
SELECT murallink.grant(:'trial', role => 'monitor', user_uid => :'blind');
SET SESSION AUTHORIZATION regress_role_blind;
SELECT (SELECT count(*) FROM murallink.patient) AS patients,
    test.answer('get_patient', jsonb_build_object('patient_uid', :'patient')) AS patient,
    test.answer('update_patient', jsonb_build_object('uid', :'patient', 'phone', '1')) AS change;
SET SESSION AUTHORIZATION regress_role_lead;

-- Administrators set them; what was granted stays
SELECT test.answer('set_role', '{"name": "nurse", "permissions": ["enroll"], "note": "asked for"}'), test.answer('remove_role', '{"name": "nurse", "note": "x"}'),
    test.answer('get_roles');
SET SESSION AUTHORIZATION regress_role_admin;
SELECT n, test.answer('set_role', jsonb '{"name": "nurse", "permissions": ["enroll"], "note": "asked for"}' || changed)
FROM (VALUES (1, jsonb '{"name": " "}'), (2, '{"permissions": []}'), (3, '{"permissions": null}'), (4, '{"permissions": ["all"]}'), (5, '{"note": ""}'),
    (6, jsonb_build_object('name', repeat('n', 101))), (7, '{}'), (8, '{"name": "NURSE"}')) AS asked (n, changed) ORDER BY n;
SELECT name, permissions, note, set_by_uid = :'admin' AS by_admin FROM murallink.set_role('Nurse', '{view_patients,enroll,enroll}', 'sees patients');
SELECT count(*) AS versions FROM murallink.get_roles() WHERE name = 'nurse';
SELECT murallink.grant(:'contract', role => 'nurse', user_uid => :'user');
SELECT (murallink.set_role('nurse', '{view_patients}', 'enrolls no more')).permissions;
SELECT test.answer('remove_role', '{"name": "nurse"}') AS why, test.answer('remove_role', '{"name": "Nurse", "note": "not used"}') AS removed,
    test.answer('remove_role', '{"name": "nurse", "note": "not used"}') AS twice,
    test.answer('grant', jsonb_build_object('resource_uid', :'trial', 'user_uid', :'user', 'role', 'nurse')) AS gone;
RESET SESSION AUTHORIZATION;
SELECT permissions, note, set_by_uid = :'admin' AS by_admin FROM murallink_private.role WHERE name = 'nurse' ORDER BY created_at;
SELECT permission FROM murallink.permission_grant WHERE app_user_uid = :'user' AND resource = 'contract' AND ended_at IS NULL ORDER BY 1;
-- The last change counts, also if the clock was set back since the one before
UPDATE murallink_private.role SET created_at = created_at + interval '1 hour' WHERE name = 'nurse';
SET SESSION AUTHORIZATION regress_role_admin;
SELECT (murallink.set_role('nurse', '{view_patients,enroll}', 'is back')).permissions, (murallink.set_role('nurse', '{enroll}', 'sees nobody')).permissions;
SELECT test.answer('remove_role', '{"name": "nurse", "note": "not used"}') AS removed, test.answer('remove_role', '{"name": "nurse", "note": "x"}') AS twice;
RESET SESSION AUTHORIZATION;

DELETE FROM murallink_private.role WHERE name = 'nurse';
DELETE FROM murallink.permission_grant WHERE app_user_uid IN (:'user', :'lead', :'blind');
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_role_%';
DROP ROLE regress_role_admin, regress_role_lead, regress_role_blind;
