-- What other systems call our resources: set, also by what makes them (S31: once), found by those who see the resource, corrected, removed, and unique.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_reference_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_reference_user LOGIN IN ROLE murallink_client, murallink_analyst;

CREATE TEMPORARY TABLE thing (name text PRIMARY KEY, uid murallink.ksuid NOT NULL);
GRANT SELECT, INSERT ON thing TO PUBLIC;
CREATE FUNCTION pg_temp.uid(name text) RETURNS murallink.ksuid LANGUAGE sql AS 'SELECT uid FROM thing t WHERE t.name = uid.name';
CREATE FUNCTION pg_temp.sets(kind text, resource text, ref text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT test.answer('set_reference', jsonb_build_object(
        'kind', kind, 'resource_uid', pg_temp.uid(resource), 'source', 'ctms', 'ref', ref) || more)
$$;
CREATE FUNCTION pg_temp.finds(kind text, ref text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(concat_ws(' ', t.name, f.milestone), ', ' ORDER BY t.name), 'none')
    FROM murallink.find_reference(kind, 'ctms', ref) f LEFT JOIN thing t ON t.uid = f.resource_uid
$$;

SELECT email FROM murallink.create_admin('reference.admin@example.com', 'correct horse', 'Ada', 'Admin');
INSERT INTO thing SELECT 'user', uid FROM murallink.register('reference.user@example.com', 'correct horse', 'Una', 'User');
SELECT murallink.set_db_role('reference.' || name || '@example.com', 'regress_reference_' || name) FROM unnest('{admin,user}'::text[]) AS name;
SET SESSION AUTHORIZATION regress_reference_admin;
INSERT INTO thing SELECT n || 'client', (murallink.create_client(n || 'Referenced')).uid FROM unnest('{"",far_}'::text[]) AS n;
INSERT INTO thing SELECT n || 'contract', (murallink.create_contract(pg_temp.uid(n || 'client'), 'R', currency => 'USD')).uid FROM unnest('{"",far_}'::text[]) AS n;
INSERT INTO thing SELECT n || 'trial', (murallink.create_trial(pg_temp.uid(CASE n WHEN 'far_' THEN n ELSE '' END || 'contract'), n || 'R')).uid
FROM unnest('{"",other_,far_}'::text[]) AS n;
INSERT INTO thing SELECT n || 'site', (murallink.create_site(n || 'Site', pg_temp.uid(n || 'trial'))).uid FROM unnest('{"",other_,far_}'::text[]) AS n;
INSERT INTO thing SELECT n || 'patient', (murallink.add_patient(pg_temp.uid(n || 'site'), n || 'Pat', 'R', trial_uid => pg_temp.uid(n || 'trial'), subject_id => '1')).uid
FROM unnest('{"",other_}'::text[]) AS n;
INSERT INTO thing SELECT n || 'enrollment', e.uid FROM unnest('{"",other_}'::text[]) AS n, murallink.get_enrollments(pg_temp.uid(n || 'patient')) e;
SELECT count(murallink.add_milestone('Week 1', 1, 'USD', pg_temp.uid(n || 'trial'), pg_temp.uid(n || 'site'), code => 'W1'))
FROM unnest('{"",other_}'::text[]) AS n;
SELECT murallink.add_funding(pg_temp.uid('contract'), 100);
INSERT INTO thing SELECT 'payment', uid FROM murallink.manual_payment(pg_temp.uid('patient'), pg_temp.uid('trial'), 5);

-- Each kind is found by its reference
SELECT pg_temp.sets('trial', 'trial', 'A-1') AS trial, pg_temp.sets('site', 'site', '101') AS site, pg_temp.sets('enrollment', 'enrollment', '1001') AS enrollment,
    pg_temp.sets('milestone', 'trial', 'SE_1', '{"milestone": "week 1"}') AS milestone, pg_temp.sets('payment', 'payment', 'P-1') AS payment;
SELECT pg_temp.finds('trial', 'A-1') AS trial, pg_temp.finds('site', '101') AS site, pg_temp.finds('enrollment', '1001') AS enrollment,
    pg_temp.finds('milestone', 'SE_1') AS milestone, pg_temp.finds('payment', 'P-1') AS payment, pg_temp.finds('site', 'A-1') AS other_kind;
-- once in the client, those of patients and milestones once in the trial
SELECT pg_temp.sets('trial', 'other_trial', 'A-1') AS trial, pg_temp.sets('trial', 'far_trial', 'A-1') AS of_another_client,
    pg_temp.sets('enrollment', 'other_enrollment', '1001') AS enrollment, pg_temp.sets('milestone', 'other_trial', 'SE_1', '{"milestone": "W1"}') AS milestone,
    pg_temp.sets('trial', 'trial', 'A-1') AS again;
SELECT pg_temp.finds('trial', 'A-1') AS trials, pg_temp.finds('enrollment', '1001') AS enrollments,
    (SELECT count(*) FROM murallink.find_reference('enrollment', 'ctms', '1001', pg_temp.uid('trial'))) AS in_one_trial;
-- corrected and removed with a note; what was stays with the user and the reason
SELECT pg_temp.sets('trial', 'trial', 'A-2') AS no_note, pg_temp.sets('trial', 'trial', 'A-2', '{"note": "typing error"}') AS corrected,
    pg_temp.sets('trial', 'other_trial', 'A-1') AS free_again, pg_temp.sets('site', 'site', '') AS removed_without_note,
    pg_temp.sets('site', 'site', '', '{"note": "closed"}') AS removed, pg_temp.sets('site', 'site', '', '{"note": "closed"}') AS again;
SELECT pg_temp.finds('trial', 'A-1') AS old, pg_temp.finds('trial', 'A-2') AS new, pg_temp.finds('site', '101') AS removed;
-- what is no kind, source, resource or milestone
SELECT pg_temp.sets('patient', 'patient', 'x') AS kind, pg_temp.sets('trial', 'trial', 'x', '{"source": "C T"}') AS source,
    pg_temp.sets('trial', 'nothing', 'x') AS resource, pg_temp.sets('trial', 'site', 'x') AS other_resource,
    pg_temp.sets('milestone', 'trial', 'x') AS no_milestone, pg_temp.sets('milestone', 'trial', 'x', '{"milestone": "Week 9"}') AS milestone;
SELECT test.answer('find_reference', '{"kind": "x", "source": "ctms", "ref": "1"}') AS kind, test.answer('find_reference', '{"kind": "trial", "ref": "1"}') AS source,
    test.answer('find_reference', '{"kind": "trial", "source": "ctms"}') AS ref;
RESET SESSION AUTHORIZATION;
SELECT kind, ref, ended_note, (ended_by_uid = app_user_uid) AS same_user FROM murallink.external_reference WHERE client_uid = pg_temp.uid('client')
ORDER BY kind, ref, created_at;

SET SESSION AUTHORIZATION regress_reference_admin;
SELECT pg_temp.sets('site', 'site', 'S-1') AS site;
-- Actions that make something set its reference in the same step; a repetition with the same makes nothing more, and says why
SET SESSION AUTHORIZATION regress_reference_admin;
CREATE FUNCTION pg_temp.made(action text, payload jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' / ', test.answer(action, '{"source": "edc"}' || payload), test.answer(action, '{"source": "edc"}' || payload))
$$;
SELECT pg_temp.made('create_trial', jsonb_build_object('contract_uid', pg_temp.uid('contract'), 'name', 'Made', 'protocol_id', 'EDC-1', 'ref', 'T')) AS trial,
    pg_temp.made('create_site', jsonb_build_object('trial_uid', pg_temp.uid('trial'), 'name', 'Made', 'ref', 'S')) AS site,
    pg_temp.made('add_patient', jsonb_build_object('site_uid', pg_temp.uid('site'), 'first_name', 'Made', 'last_name', 'R', 'trial_uid', pg_temp.uid('trial'),
        'subject_id', '2', 'ref', 'E')) AS patient;
INSERT INTO thing SELECT 'third_patient', uid FROM murallink.add_patient(pg_temp.uid('site'), 'Third', 'R');
SELECT pg_temp.made('enroll', jsonb_build_object('patient_uid', pg_temp.uid('third_patient'), 'trial_uid', pg_temp.uid('trial'),
        'site_uid', pg_temp.uid('site'), 'subject_id', '3', 'ref', 'E2')) AS enroll,
    pg_temp.made('manual_payment', jsonb_build_object('patient_uid', pg_temp.uid('patient'), 'trial_uid', pg_temp.uid('trial'), 'amount', 1, 'ref', 'P')) AS manual,
    pg_temp.made('travel_payment', jsonb_build_object('patient_uid', pg_temp.uid('patient'), 'trial_uid', pg_temp.uid('trial'), 'amount', 2, 'ref', 'Q')) AS travel,
    pg_temp.made('milestone_payment', jsonb_build_object('patient_uid', pg_temp.uid('patient'), 'milestone_uid', m.uid, 'ref', 'R')) AS milestone
FROM murallink.get_payment_schedule(pg_temp.uid('trial'), pg_temp.uid('site')) m;
-- a milestone has one at all sites of the trial, so that a new version may bring it again
CREATE FUNCTION pg_temp.milestone(name text, ref text, months integer) RETURNS text LANGUAGE sql AS $$
    SELECT test.answer('add_milestone', jsonb_build_object('milestone', name, 'amount', 3, 'trial_uid', pg_temp.uid('trial'), 'site_uid', pg_temp.uid('site'),
        'effective_date', to_char(now() AT TIME ZONE 'UTC' + interval '1 month' * months, 'YYYY-MM-DD"T"HH24:MI:SS'), 'source', 'edc', 'ref', ref))
$$;
SELECT pg_temp.milestone('Week 2', 'M', 0) AS new, pg_temp.milestone('Week 2', 'M', 1) AS version, pg_temp.milestone('Week 3', 'M', 0) AS of_another,
    pg_temp.milestone('Week 2', 'N', 2) AS another;
-- many at once bring theirs row by row: the same one at each site, or the site gets none of them
CREATE FUNCTION pg_temp.milestones(rows jsonb, dry_run boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(nullif(concat_ws(' ', a #>> '{error,code}', a #>> '{error,field}'), ''), (
        SELECT string_agg(concat_ws(' ', s ->> 'added', s ->> 'error', s ->> 'field'), ', ' ORDER BY s ->> 'added')
        FROM jsonb_array_elements(a -> 'payload') AS s))
    FROM murallink.api(jsonb_build_object('action', 'add_milestones', 'payload',
        jsonb_build_object('trial_uid', pg_temp.uid('trial'), 'note', 'protocol', 'rows', rows, 'dry_run', dry_run))) AS a
$$;
SELECT pg_temp.milestones('[{"milestone": "Week 4", "amount": 4, "source": "edc", "ref": "W4"}]', true) AS tried,
    pg_temp.milestones('[{"milestone": "Week 4", "amount": 4, "source": "edc", "ref": "W4"}, {"milestone": "Week 5", "amount": 5, "source": "", "ref": null}]') AS new;
SELECT pg_temp.milestones('[{"milestone": "Week 4", "amount": 5, "source": "edc", "ref": "W4"}]') AS version,
    pg_temp.milestones('[{"milestone": "Week 6", "amount": 6}, {"milestone": "Week 7", "amount": 7, "source": "edc", "ref": "W4"}]') AS of_another;
SELECT pg_temp.milestones('[{"milestone": "Week 4", "amount": 6, "source": "edc", "ref": "W5"}]') AS another,
    pg_temp.milestones('[{"milestone": "Week 8", "amount": 8, "source": "edc"}]') AS no_ref,
    pg_temp.milestones('[{"milestone": "Week 8", "amount": 8, "source": null, "ref": "W8"}]') AS no_source,
    pg_temp.milestones('[{"milestone": "Week 8", "amount": 8, "source": "EDC", "ref": "W8"}]') AS wrong_source,
    pg_temp.milestones('[{"milestone": "Week 8", "amount": 8, "source": 5, "ref": "W8"}]') AS no_text;
-- the payment of a rest, the mark of what others have paid, and the payment to the right patient have their own
SELECT pg_temp.made('milestone_payment', jsonb_build_object('patient_uid', pg_temp.uid('patient'), 'milestone_uid', m.uid, 'fraction', 0.5, 'note', 'left', 'ref', 'H')) AS part
FROM murallink.get_payment_schedule(pg_temp.uid('trial'), pg_temp.uid('site')) m WHERE m.milestone = 'Week 4';
INSERT INTO thing SELECT 'part', resource_uid FROM murallink.find_reference('payment', 'edc', 'H');
INSERT INTO thing SELECT 'wrong', resource_uid FROM murallink.find_reference('payment', 'edc', 'P');
CREATE FUNCTION pg_temp.all_of_them(more jsonb) RETURNS TABLE (rest text, mark text, moved text) LANGUAGE sql AS $$
    SELECT pg_temp.made('complete_payment', more || jsonb_build_object('payment_uid', pg_temp.uid('part'), 'note', 'came back')),
        pg_temp.made('mark_paid_elsewhere', more || jsonb_build_object('patient_uid', pg_temp.uid('third_patient'), 'trial_uid', pg_temp.uid('trial'), 'milestone', 'W1',
            'note', 'by the sponsor')),
        pg_temp.made('move_payment', more || jsonb_build_object('payment_uid', pg_temp.uid('wrong'), 'to_patient_uid', pg_temp.uid('third_patient'), 'note', 'her sister'))
$$;
SELECT * FROM pg_temp.all_of_them('{"ref": ""}');
SELECT * FROM pg_temp.all_of_them('{"source": null, "ref": "U"}');
SELECT * FROM pg_temp.all_of_them('{"source": "EDC", "ref": "U"}');
SELECT * FROM pg_temp.all_of_them('{"ref": "H"}');
SELECT pg_temp.made('complete_payment', jsonb_build_object('payment_uid', pg_temp.uid('part'), 'note', 'came back', 'ref', 'U')) AS rest,
    pg_temp.made('mark_paid_elsewhere', jsonb_build_object('patient_uid', pg_temp.uid('third_patient'), 'trial_uid', pg_temp.uid('trial'), 'milestone', 'W1',
        'note', 'by the sponsor', 'ref', 'V')) AS mark,
    pg_temp.made('move_payment', jsonb_build_object('payment_uid', pg_temp.uid('wrong'), 'to_patient_uid', pg_temp.uid('third_patient'), 'note', 'her sister',
        'ref', 'W')) AS moved;
-- editing sets one where there is none, and corrects none
SELECT pg_temp.made('edit_trial', jsonb_build_object('uid', pg_temp.uid('trial'), 'ref', 'T2')) AS trial,
    pg_temp.made('edit_site', jsonb_build_object('uid', pg_temp.uid('site'), 'ref', 'S2')) AS site,
    pg_temp.made('edit_trial', jsonb_build_object('uid', pg_temp.uid('trial'), 'name', 'Renamed', 'ref', 'T3')) AS correct,
    pg_temp.made('edit_trial', jsonb_build_object('uid', pg_temp.uid('other_trial'), 'ref', 'T2')) AS used,
    pg_temp.made('edit_trial', jsonb_build_object('uid', pg_temp.uid('trial'), 'source', '', 'ref', '')) AS nothing;
-- half of a reference is none
SELECT pg_temp.made('create_site', jsonb_build_object('trial_uid', pg_temp.uid('trial'), 'name', 'Half')) AS no_ref,
    pg_temp.made('create_site', jsonb_build_object('trial_uid', pg_temp.uid('trial'), 'name', 'Half', 'source', NULL, 'ref', 'H')) AS no_source,
    pg_temp.made('milestone_payment', jsonb_build_object('patient_uid', pg_temp.uid('patient'), 'milestone_uid', m.uid)) AS of_payment,
    pg_temp.made('manual_payment', jsonb_build_object('patient_uid', pg_temp.uid('patient'), 'trial_uid', pg_temp.uid('trial'), 'amount', 1, 'source', NULL, 'ref', 'H')) AS of_manual,
    pg_temp.made('add_patient', jsonb_build_object('site_uid', pg_temp.uid('site'), 'first_name', 'Half', 'last_name', 'R', 'ref', 'H')) AS no_enrollment
FROM murallink.get_payment_schedule(pg_temp.uid('trial'), pg_temp.uid('site')) m WHERE m.milestone = 'Week 1';
RESET SESSION AUTHORIZATION;
SELECT r.kind, r.ref, r.milestone_code, coalesce(t.name, s.name, p.first_name, concat_ws(' ', y.payment_type, y.amount, y.status, 'of part' || left(y.completes_uid::text, 0),
    'moved' || left(y.moved_from_uid::text, 0))) AS resource
FROM murallink.external_reference r LEFT JOIN murallink.trial t ON t.uid = r.resource_uid LEFT JOIN murallink.site s ON s.uid = r.resource_uid
    LEFT JOIN (murallink.enrollment e JOIN murallink.patient p ON p.uid = e.patient_uid) ON e.uid = r.resource_uid
    LEFT JOIN murallink_private.payment y ON y.uid = r.resource_uid WHERE r.source = 'edc' ORDER BY r.kind, r.ref;
SELECT (SELECT count(*) FROM murallink_private.payment y WHERE y.enrollment_uid = pg_temp.uid('enrollment')) AS payments,
    (SELECT count(*) FROM murallink.patient p WHERE p.first_name = 'Made') AS patients, (SELECT count(*) FROM murallink.trial t WHERE t.name = 'Made') AS trials,
    (SELECT count(*) FROM murallink.site s WHERE s.name IN ('Made', 'Half')) AS sites,
    (SELECT count(*) FROM murallink.milestone m WHERE m.trial_uid = pg_temp.uid('trial')) AS versions;

-- A stranger sets and finds nothing; a resource's own permissions show its reference, and let it be set
SET SESSION AUTHORIZATION regress_reference_user;
SELECT pg_temp.sets('trial', 'trial', 'x') AS trial, pg_temp.sets('enrollment', 'enrollment', 'x') AS enrollment, pg_temp.finds('trial', 'A-2') AS found,
    (SELECT count(*) FROM murallink.external_reference) AS rows;
SELECT kind, pg_temp.sets(kind, resource, 'x', '{"milestone": "W1", "note": "x"}') AS sets, pg_temp.finds(kind, ref) AS finds
FROM (VALUES ('site', 'site', 'S-1'), ('milestone', 'trial', 'SE_1'), ('payment', 'payment', 'P-1'), ('enrollment', 'enrollment', '1001')) AS r (kind, resource, ref);
SET SESSION AUTHORIZATION regress_reference_admin;
SELECT murallink.grant(pg_temp.uid('site'), 'view_enrollments', pg_temp.uid('user'));
SET SESSION AUTHORIZATION regress_reference_user;
SELECT pg_temp.sets('enrollment', 'enrollment', 'x') AS enrollment, pg_temp.finds('enrollment', '1001') AS found, pg_temp.finds('trial', 'A-2') AS trial,
    (SELECT string_agg(kind, ', ' ORDER BY kind) FROM murallink.external_reference) AS rows;
SET SESSION AUTHORIZATION regress_reference_admin;
SELECT count(murallink.grant(pg_temp.uid('trial'), p, pg_temp.uid('user')))
FROM unnest('{enroll,view_trials,view_payments,view_payment_schedule,manual_payment}'::text[]) AS p;
SET SESSION AUTHORIZATION regress_reference_user;
SELECT pg_temp.sets('enrollment', 'enrollment', '1002', '{"note": "x"}') AS enrollment, pg_temp.sets('payment', 'payment', 'P-2', '{"note": "x"}') AS payment,
    pg_temp.sets('trial', 'trial', 'x', '{"note": "x"}') AS trial, pg_temp.sets('milestone', 'trial', 'x', '{"milestone": "W1", "note": "x"}') AS milestone;
SELECT pg_temp.finds('trial', 'A-2') AS trial, pg_temp.finds('milestone', 'SE_1') AS milestone, pg_temp.finds('payment', 'P-2') AS payment,
    (SELECT string_agg(kind || ' ' || ref, ', ' ORDER BY kind, created_at) FROM murallink.external_reference) AS rows;
-- each by its own permission: those of the others do not suffice
SELECT pg_temp.sets('site', 'site', 'x', '{"note": "x"}') AS site, pg_temp.finds('site', 'S-1') AS found;
SET SESSION AUTHORIZATION regress_reference_admin;
SELECT count(murallink.grant(pg_temp.uid('contract'), p, pg_temp.uid('user'))) FROM unnest('{view_sites,edit_trial}'::text[]) AS p;
SET SESSION AUTHORIZATION regress_reference_user;
SELECT pg_temp.sets('site', 'site', 'x', '{"note": "x"}') AS site, pg_temp.finds('site', 'S-1') AS found,
    pg_temp.sets('milestone', 'trial', 'x', '{"milestone": "W1", "note": "x"}') AS milestone;
-- what has ended is shown, with its note, as other notes about patients are: to those who may see them, and to its author
SET SESSION AUTHORIZATION regress_reference_admin;
SELECT pg_temp.sets('enrollment', 'enrollment', '1003', '{"note": "1002 was her sister"}') AS enrollment,
    pg_temp.sets('payment', 'payment', 'P-3', '{"note": "was paid after her death"}') AS payment;
SET SESSION AUTHORIZATION regress_reference_user;
SELECT string_agg(kind || ' ' || ref, ', ' ORDER BY kind, created_at) AS blinded FROM murallink.external_reference WHERE kind IN ('enrollment', 'payment');
SET SESSION AUTHORIZATION regress_reference_admin;
SELECT murallink.grant(pg_temp.uid('trial'), 'view_patients', pg_temp.uid('user'));
SET SESSION AUTHORIZATION regress_reference_user;
SELECT string_agg(concat_ws(' ', kind, ref, ended_note), ', ' ORDER BY kind, created_at) AS seen FROM murallink.external_reference WHERE kind IN ('enrollment', 'payment');
-- A permission on the schedule of one site prices its milestones, and names none for the trial
SET SESSION AUTHORIZATION regress_reference_admin;
SELECT murallink.grant((SELECT a.uid FROM murallink.add_trial_site(pg_temp.uid('trial'), pg_temp.uid('other_site')) a), 'add_milestone', pg_temp.uid('user'));
SET SESSION AUTHORIZATION regress_reference_user;
SELECT test.answer('add_milestone', p || '{"source": "site", "ref": "W"}') AS with_reference, test.answer('add_milestone', p) AS without
FROM jsonb_build_object('milestone', 'Week 1', 'amount', 3, 'currency', 'USD', 'trial_uid', pg_temp.uid('trial'), 'site_uid', pg_temp.uid('other_site')) AS p;
SELECT pg_temp.milestones('[{"milestone": "Week 1", "amount": 4, "source": "site", "ref": "W"}]') AS with_reference, pg_temp.milestones('[{"milestone": "Week 1", "amount": 4}]') AS without;
RESET SESSION AUTHORIZATION;
-- A trial that goes takes its references along
SET SESSION AUTHORIZATION regress_reference_admin;
INSERT INTO thing SELECT 'brief', uid FROM murallink.create_trial(pg_temp.uid('contract'), 'Brief');
SELECT pg_temp.sets('trial', 'brief', 'B-1') AS set, test.answer('delete_trial', jsonb_build_object('trial_uid', pg_temp.uid('brief'))) AS deleted,
    pg_temp.finds('trial', 'B-1') AS found;
RESET SESSION AUTHORIZATION;
