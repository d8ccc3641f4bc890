-- The queue of what is to be sent: reminders, bulk e-mail and tokens to reset a password.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
SET timezone = 'Pacific/Auckland';
CREATE ROLE regress_notice_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_notice_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.notice@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS user FROM murallink.register('user.notice@example.com', 'correct horse', 'Cora', 'Coordinator') \gset
SELECT murallink.set_db_role(name || '.notice@example.com', 'regress_notice_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Notices') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Notices', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site', time_zone => 'America/New_York') \gset
SELECT uid AS empty FROM murallink.create_site(trial_uid => :'trial', name => 'Empty') \gset
SELECT uid AS apart FROM murallink.create_site(contract_uid => :'contract', name => 'Apart') \gset
SELECT murallink.enroll(p.uid, :'trial', :'site', name) FROM (VALUES
    ('both', 'a@example.com', '1', true, true), ('email', 'b@example.com', '1', true, false), ('sms', 'b@example.com', '1', false, true),
    ('unwanted', 'd@example.com', '1', false, false), ('no address', '', '', true, true)) AS wants (name, email, phone, by_email, by_sms),
    murallink.add_patient(site_uid => :'site', first_name => name, last_name => 'Patient', email => email, phone => phone,
        email_enabled => by_email, sms_enabled => by_sms) AS p;
RESET SESSION AUTHORIZATION;
CREATE VIEW test.notice AS
SELECT e.subject_id, n.kind, n.channel, c.status, c.due_at AT TIME ZONE 'America/New_York' AS due, a.local_time, b.subject, b.body,
    c.due_at = n.created_at AS at_once, e.trial_uid
FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid JOIN murallink.enrollment e USING (patient_uid)
LEFT JOIN murallink.appointment a ON a.uid = n.appointment_uid
LEFT JOIN murallink_private.bulk_email b ON b.uid = n.bulk_email_uid
WHERE e.trial_uid = (SELECT uid FROM murallink.trial WHERE client_uid = (SELECT uid FROM murallink.client WHERE name = 'Notices'))
ORDER BY n.kind, a.local_time, b.subject, e.subject_id, n.channel;

CREATE TEMP TABLE enrolled AS SELECT uid, patient_uid, subject_id FROM murallink.enrollment WHERE trial_uid = :'trial';
GRANT SELECT ON enrolled TO PUBLIC;
CREATE FUNCTION pg_temp.notices(visit text, channel text) RETURNS murallink.ksuid[] LANGUAGE sql AS $$
    SELECT array_agg(n.uid) FROM murallink_private.notice n WHERE n.appointment_uid::text = visit AND n.channel::text = notices.channel
$$;

-- Each patient is reminded in the ways that they want and can be reached, at the same hour of the day before, also when
-- the clock is changed in the night
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT count(murallink.schedule_appointment(enrollment_uid => uid, datetime => '2035-03-11T10:00:00')) FROM enrolled;
RESET SESSION AUTHORIZATION;
SELECT subject_id, kind, channel, status, due, local_time, at_once FROM test.notice;

-- and at once when that has passed
BEGIN;
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT count(murallink.schedule_appointment(enrollment_uid => uid,
    datetime => to_char(now() AT TIME ZONE 'America/New_York' + interval '3 hours', 'YYYY-MM-DD"T"HH24:MI:SS'))) FROM enrolled;
RESET SESSION AUTHORIZATION;
SELECT count(*), bool_and(status = 'ready') AS ready FROM test.notice WHERE at_once;
ROLLBACK;

-- A moved appointment has its reminders moved; a patient who was told another time is told the new one at once, and reminded of it
BEGIN;
CREATE TEMP VIEW moved AS
SELECT n.channel, c.status, c.reason, n.moves, a.local_time - c.due_at AT TIME ZONE a.time_zone AS before, c.due_at <= now() AS at_once
FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid JOIN murallink.appointment a ON a.uid = n.appointment_uid JOIN enrolled e ON e.uid = a.enrollment_uid
WHERE e.subject_id = 'both' ORDER BY n.channel, n.moves, c.due_at;
INSERT INTO murallink_private.partner (name, base_url, settings) VALUES ('smtp', 'smtp://mail.example.com', '{}');
SELECT a.uid AS visit FROM murallink.appointment a JOIN enrolled e ON e.uid = a.enrollment_uid WHERE e.subject_id = 'both' \gset
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT datetime FROM murallink.move_appointment(:'visit', '2035-11-05T01:30:00');
RESET SESSION AUTHORIZATION;
SELECT channel, status, reason, moves, before FROM moved;
SELECT count(*) AS claimed FROM murallink_private.call_claim(pg_temp.notices(:'visit', 'email'));
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT datetime FROM murallink.move_appointment(:'visit', '2035-11-05T01:30:00') AS where_it_is;
SELECT datetime FROM murallink.move_appointment(:'visit', '2035-05-05T01:30:00');
RESET SESSION AUTHORIZATION;
SELECT channel, status, reason, at_once, CASE WHEN NOT at_once THEN before END AS before FROM moved WHERE moves > 0;
-- what is queued waits for what is under way; what has the old time is not sent again
SELECT n.moves, m.problem FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid, murallink_private.notice_message(n.uid) m
WHERE n.appointment_uid = :'visit' AND n.channel = 'email' AND c.open ORDER BY n.moves, c.due_at;
SELECT FROM murallink_private.call_claim(pg_temp.notices(:'visit', 'email'));
SELECT moves, status FROM moved WHERE channel = 'email' AND moves > 0;
SELECT murallink_private.calls_settle(pg_temp.notices(:'visit', 'email'), 'not_sent', 'so');
SELECT FROM murallink_private.call_claim(pg_temp.notices(:'visit', 'email'));
SELECT moves, status, reason FROM moved WHERE channel = 'email' AND moves > 0;
-- once, also where all leads are over
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT FROM murallink.move_appointment(:'visit', to_char(now() AT TIME ZONE 'America/New_York' + interval '3 hours', 'YYYY-MM-DD"T"HH24:MI:SS'));
RESET SESSION AUTHORIZATION;
SELECT channel, count(*) FROM moved WHERE at_once AND status = 'ready' GROUP BY 1 ORDER BY 1;
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT FROM murallink.cancel_appointment(:'visit');
RESET SESSION AUTHORIZATION;
SELECT DISTINCT status FROM moved;
ROLLBACK;

-- A text is as long as it is: parts of at most 100 characters, cut at words where there are any
BEGIN;
UPDATE murallink.patient SET phone = '6105551213' WHERE uid = (SELECT patient_uid FROM enrolled WHERE subject_id = 'sms');
SELECT n.uid AS text FROM murallink_private.notice n JOIN enrolled USING (patient_uid) WHERE subject_id = 'sms' \gset
CREATE FUNCTION pg_temp.parts(said text) RETURNS TABLE (name text, part text) LANGUAGE sql AS $$
    SELECT murallink.set_template('appointment', 'sms', said);
    SELECT p.key, p.value FROM murallink_private.notice n, murallink_private.notice_message(n.uid) m,
        jsonb_each_text(m.params -> 'input_parameters') p
    WHERE n.channel = 'sms' AND m.params -> 'notification_channels' @> '[{"channel_addr": "6105551213"}]' ORDER BY p.key
$$;
SELECT name, length(part), right(part, 6) || '|' AS ends FROM pg_temp.parts(repeat('words of ', 55));
SELECT left(t.said, 14) AS said, (SELECT string_agg(length(part)::text, ' ' ORDER BY name) FROM pg_temp.parts(t.said)) AS lengths,
    (SELECT string_agg(part, '' ORDER BY name) = t.said FROM pg_temp.parts(t.said)) AS whole
FROM (VALUES ('x'), (repeat('ö', 100)), (repeat('ö', 101)), (repeat('a', 250)), (repeat('a', 99) || ' b'), (repeat('a', 100) || ' b'),
    ('a ' || repeat('b', 150)), (E'first line\nand second')) AS t (said);
SELECT n.problem FROM murallink.set_template('appointment', 'sms', '{description}'), murallink_private.notice_message(:'text') n;
ROLLBACK;

-- A cancelled appointment takes along what was not sent yet
SELECT a.uid AS visit FROM murallink.appointment a JOIN enrolled e ON e.uid = a.enrollment_uid WHERE e.subject_id = 'both' \gset
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT (murallink.move_appointment(uid, datetime)).datetime = datetime AS not_moved
FROM murallink.get_appointments((SELECT patient_uid FROM enrolled WHERE subject_id = 'both')) WHERE uid = :'visit';
RESET SESSION AUTHORIZATION;
SELECT n.channel, c.status, c.reason FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid
WHERE n.appointment_uid = :'visit' ORDER BY n.channel;
UPDATE murallink_private.call SET status = 'claimed', attempt = attempt + 1, claimed_at = now(), content_hash = '', revision = 1
WHERE uid = ANY (pg_temp.notices(:'visit', 'sms'));
SELECT murallink_private.calls_settle(pg_temp.notices(:'visit', 'sms'), 'done', '');
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT datetime FROM murallink.cancel_appointment(:'visit');
RESET SESSION AUTHORIZATION;
SELECT subject_id, channel, status FROM test.notice;

-- Bulk e-mail goes to those who are enrolled, have an address and want it
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT jsonb_build_object('trial_uid', :'trial', 'site_uid', :'site', 'subject', 'Test Subject', 'body', E'Test Body\n\tin \u00f6') AS mail \gset
SELECT answer -> 'payload' AS payload, answer -> 'status_code' AS status
FROM murallink.api(jsonb_build_object('action', 'bulk_email', 'payload', :'mail'::jsonb)) AS answer;
RESET SESSION AUTHORIZATION;
SELECT subject_id, channel, status, subject, body, at_once FROM test.notice WHERE kind = 'bulk_email';
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT murallink.bulk_email(:'trial', :'site', 'Test Subject', 'Test Body') AS the_same_again;
SELECT murallink.bulk_email(:'trial', :'empty', 'Test Subject', 'Test Body') AS no_patients;
SELECT (murallink.set_enrollment_status('dropped', :'trial', patient_uid)).status FROM enrolled WHERE subject_id = 'both';
SELECT murallink.bulk_email(:'trial', :'site', 'Test Subject', 'Test Body') AS one_dropped;
RESET SESSION AUTHORIZATION;
SELECT subject_id, count(*) FROM test.notice WHERE kind = 'bulk_email' GROUP BY 1 ORDER BY 1;

-- What is no message
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT left(replace(replace(changed::text, :'apart', '<apart>'), :'site', '<site>'), 50) AS changed, test.answer('bulk_email', :'mail' || changed)
FROM (VALUES (jsonb '{"subject": ""}'), ('{"subject": null}'), ('{"subject": "a\r\nBcc: b@example.com"}'), ('{"subject": "a\tb"}'),
    ('{"subject": "\u0007"}'), ('{"body": " "}'), ('{"body": "\u0007"}'), ('{"body": 1}'), ('{"trial_uid": ""}'), ('{"site_uid": ""}'),
    (jsonb_build_object('subject', repeat('ß', 201))), (jsonb_build_object('body', repeat('ß', 100001))), ('{"to": "x@example.com"}'),
    (jsonb_build_object('site_uid', :'apart')), (jsonb_build_object('trial_uid', :'site'))) AS wrong (changed);

-- Who may
RESET SESSION AUTHORIZATION;
SELECT test.answer('bulk_email', :'mail') AS nobody;
SET SESSION AUTHORIZATION regress_notice_user;
SELECT test.answer('bulk_email', :'mail') AS stranger;
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT murallink.grant(:'trial', 'view_patients', :'user');
SET SESSION AUTHORIZATION regress_notice_user;
SELECT test.answer('bulk_email', :'mail') AS may_only_look;
SELECT test.refusal('SELECT * FROM murallink_private.notice'), test.refusal('SELECT * FROM murallink_private.bulk_email');
SELECT count(*) AS audited FROM murallink.audit_event WHERE resource = 'bulk_email';
SET SESSION AUTHORIZATION regress_notice_admin;
SELECT murallink.grant(:'trial', 'bulk_email', :'user');
SET SESSION AUTHORIZATION regress_notice_user;
SELECT test.answer('bulk_email', :'mail') AS may;
SELECT count(*) AS audited FROM murallink.audit_event WHERE resource = 'bulk_email';
RESET SESSION AUTHORIZATION;

-- A user is sent the token that is good now, one that nobody has none; the token itself is not copied
SELECT test.answer('request_password_reset', jsonb_build_object('email', email))
FROM (VALUES ('User.Notice@example.com'), ('user.notice@example.com'), ('nobody.notice@example.com')) AS asked (email);
SELECT n.kind, n.channel, c.status, n.patient_uid IS NULL AS no_patient FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid
WHERE n.app_user_uid = :'user' ORDER BY c.status;
SELECT count(*) AS to_nobody FROM murallink_private.notice WHERE app_user_uid IS NULL AND patient_uid IS NULL;

-- Consent: what the record says and what came as an answer are its history, and the end of it holds at once
CREATE TEMP VIEW wanted AS
SELECT e.subject_id, c.channel, c.given, c.source FROM murallink.consent c JOIN enrolled e USING (patient_uid) ORDER BY 1, c.number;
SELECT patient_uid AS email_patient FROM enrolled WHERE subject_id = 'email' \gset
SELECT * FROM wanted;
SELECT murallink.message_received('email', 'B@example.com', answer) AS ended, answer
FROM (VALUES ('Please stop'), (E' STOP.\n'), ('stop')) AS said (answer);
SELECT murallink.set_consent(:'email_patient', 'email', true, 'a form');
SELECT murallink.message_received('sms', '(1)', 'Unsubscribe') AS ended;
SELECT * FROM wanted WHERE source !~ '_patient$';

-- The words of the FCC's list (47 CFR 64.1200(a)(10)), as phones and mail programs write them
BEGIN;
CREATE FUNCTION pg_temp.ended(channel text, patient murallink.ksuid, sender text, said text) RETURNS integer LANGUAGE sql AS $$
    SELECT murallink.set_consent(patient, channel, true, 'again');
    SELECT murallink.message_received(channel, sender, said)
$$;
SELECT said, pg_temp.ended('email', :'email_patient', 'b@example.com', said) AS ended
FROM unnest(ARRAY['stop', 'QUIT', 'End', 'revoke', 'Opt out', 'OPT-OUT', 'optout', 'cancel', 'UNSUBSCRIBE', 'STOPALL', 'Stop all', '“STOP”', '«Stop»',
    E'STOP\u00a0', E'\u200bSTOP', 'STOP?', '(stop)', 'STOP…', 'ＳＴＯＰ', '''stop''', E'STOP\r\n\r\n> You have an appointment', E'Stop.\n--\nPat Smith']) AS said;
SELECT said, pg_temp.ended('email', :'email_patient', 'b@example.com', said) AS not_ended
FROM unnest(ARRAY['stopp', 'please call', 'do not stop', 'unquıt', 'QUİT', '!', '?', E'Thanks\nstop', 'st op', 'weekend']) AS said;
SELECT sender, pg_temp.ended('email', :'email_patient', sender, 'stop') AS ended
FROM unnest(ARRAY['B <B@Example.com>', '"Bee, B" <b@example.com>', '<b@example.com>', 'b@example.com (B)', 'B <b@example.com> (at home)', 'a@example.com <x@example.com>',
    'x@example.com (b@example.com)', 'x@example.com (<b@example.com>)', 'B']) AS sender;
ROLLBACK;

SELECT subject_id, channel, c.status, c.reason FROM murallink_private.notice n JOIN murallink_private.call c ON c.uid = n.uid JOIN enrolled e USING (patient_uid)
WHERE n.kind = 'appointment' ORDER BY 1, 2;
SELECT test.refusal(format('SELECT murallink.set_consent(%L, %L, %L, %L)', who, channel, given, source))
FROM (VALUES (:'email_patient', 'fax', 't', 'x'), (:'email_patient', 'email', NULL, 'x'), (:'email_patient', 'email', 't', ''),
    (:'user', 'email', 't', 'x')) AS wrong (who, channel, given, source);

-- Who is dropped is not reminded
BEGIN;
INSERT INTO murallink.appointment (enrollment_uid, at, local_time, time_zone)
SELECT uid, local AT TIME ZONE 'America/New_York', local, 'America/New_York'
FROM enrolled, (SELECT date_trunc('hour', now() AT TIME ZONE 'America/New_York') + interval '3 days') AS visit (local)
WHERE subject_id = 'email' RETURNING uid AS visit \gset
SELECT murallink_private.follow('appointment', :'visit');
SELECT local_time - due AS before, status FROM test.notice n WHERE n.local_time < '2035-01-01' AND kind = 'appointment' ORDER BY 1;
UPDATE murallink.enrollment SET status = 'dropped', left_on = (now() AT TIME ZONE 'UTC')::date WHERE patient_uid = :'email_patient';
SELECT DISTINCT status FROM test.notice n WHERE n.local_time < '2035-01-01' AND kind = 'appointment';
UPDATE murallink.enrollment SET status = 'enrolled', left_on = NULL WHERE patient_uid = :'email_patient';
SELECT DISTINCT status FROM test.notice n WHERE n.local_time < '2035-01-01' AND kind = 'appointment';
ROLLBACK;

-- Templates: what is in braces must be known, and a token stands in no subject
SELECT kind, channel, fields FROM murallink.templates();
SELECT test.refusal(format('SELECT murallink.set_template(%L, %L, %L, %L)', kind, channel, body, subject)), kind, "left"(body, 20) AS body, subject
FROM (VALUES ('appointment', 'email', 'at {tme}', 'a'), ('appointment', 'email', 'at {time}', E'a\r\nb'), ('appointment', 'email', 'a', ''),
    ('password_reset', 'email', '{token}', '{token}'), ('appointment', 'sms', 'a', 'b'), ('bulk_email', 'sms', 'a', ''),
    ('birthday', 'email', 'a', 'b'), ('appointment', 'fax', 'a', 'b'), ('appointment', 'sms', repeat('a', 501), NULL)) AS wrong (kind, channel, body, subject);
SELECT murallink_private.template_filled('{a} {b} {c {a', '{"a": "{b}", "b": "2"}');
-- Who may decide
SELECT test.refusal(format('SELECT murallink.resolve_notice(%L, true, %L)', uid, 'seen')) FROM murallink.notices(most => 1);
SELECT test.refusal($$SELECT murallink.resolve_notice(NULL, true, 'seen')$$), test.refusal($$SELECT murallink.notices(status => 'lost')$$),
    test.refusal($$SELECT murallink.notices(most => -1)$$), test.refusal($$SELECT murallink.set_payment_notices(NULL, true)$$);

DROP VIEW wanted;
DROP VIEW test.notice;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_notice_%';
DROP ROLE regress_notice_admin, regress_notice_user;
