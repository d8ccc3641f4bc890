-- Reports: what they show, how text and numbers are written, their links, and who may ask for them.
\set SHOW_CONTEXT never
CALL test.begin_day();
SET datestyle = 'German';
SET timezone = 'Pacific/Auckland';
CREATE ROLE regress_report_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_report_user LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.report@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS user FROM murallink.register('user.report@example.com', 'correct horse', 'Ann', 'Analyst') \gset
SELECT murallink.set_db_role(name || '.report@example.com', 'regress_report_' || name) FROM (VALUES ('admin'), ('user')) AS person (name);
SET SESSION AUTHORIZATION regress_report_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Reported') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Reported', currency => 'USD') \gset
SELECT uid AS other_contract FROM murallink.create_contract(client_uid => :'client', name => 'Other', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Tr/i"al ö', protocol_id => '=P') \gset
SELECT uid AS other_trial FROM murallink.create_trial(contract_uid => :'contract', name => '@Other') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Köln, "Mitte"') \gset
SELECT uid AS other_site FROM murallink.create_site(trial_uid => :'other_trial', name => 'Other') \gset
SELECT uid AS al FROM murallink.add_patient(site_uid => :'site', first_name => 'Secretfirst', last_name => 'Secretlast') \gset
SELECT uid AS bea FROM murallink.add_patient(site_uid => :'other_site', first_name => 'Secretfirst', last_name => 'Secretlast') \gset
SELECT murallink.enroll(:'al', :'trial', :'site', '=1+1'), murallink.enroll(:'bea', :'other_trial', :'other_site', 'R-2');
SELECT (murallink.set_payment_type(t.uid, :'trial', :'al')).status FROM murallink.get_payment_types() AS t WHERE t.name = 'check';
SELECT murallink.add_funding(:'contract', 1000);
SELECT murallink.add_funding(:'contract', 234.5);
SELECT murallink.add_funding(:'contract', 5000, 'JPY');
SELECT murallink.add_funding(:'contract', 1.5, 'KWD');
SELECT milestone, uid AS week FROM murallink.add_milestone('Week 1', 12.5, NULL, :'trial', :'site', approval_ref => 'IRB-7') \gset
RESET SESSION AUTHORIZATION;
SET session_replication_role = replica;
UPDATE murallink.enrollment SET created_at = '2022-01-01' WHERE patient_uid = :'al';
RESET session_replication_role;
SET SESSION AUTHORIZATION regress_report_admin;
SELECT uid AS first FROM murallink.milestone_payment(:'al', :'week', NULL, '2022-08-08') \gset
SELECT n, (p).amount FROM (VALUES
    (1, 1000, 'JPY', '-1'), (2, 0.125, 'KWD', '@SUM(A1)'), (3, 7, 'USD', E'two\nlines'), (4, 8, 'USD', '+49 "x", y'), (5, 9, 'USD', '100'),
    (6, 10, 'USD', ''), (7, 11, 'USD', '=cmd|'' /C calc''!A0'), (8, 12, 'USD', 'ü = 1')) AS paid (n, amount, currency, note),
    murallink.manual_payment(:'al', :'trial', amount, currency, note) AS p;
SELECT (murallink.manual_payment(:'bea', :'other_trial', 20, 'USD', 'of the other')).status;
SELECT (murallink.approve_payment(:'first')).status, (murallink.reject_payment(uid, 'a mistake')).status
FROM murallink.get_patient_payments(:'al', :'trial') WHERE amount = 7;
RESET SESSION AUTHORIZATION;
SELECT (murallink.settle_payout(o.uid, 'paid', '-7', 'x')).status FROM murallink.payout o WHERE payment_uid = :'first';

-- What a link leads to, as text. Days and uids are not the same tomorrow
CREATE FUNCTION test.report(link text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(replace(regexp_replace(replace(replace(pg_catalog.convert_from(f, 'UTF8'), E'\r\n', '<' || E'\n'), E'\uFEFF', '<BOM>'),
        '[0-9A-Za-z]{27}', '<uid>', 'g'), to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), '<today>'), '<today> [0-9:]{8}', '<moment>', 'g')
    FROM murallink.report(regexp_replace(link, '^.*=', '')::murallink.ksuid) AS f
$$;

-- All payments of the trial and no other, oldest first; no person, no formula; numbers have their currency's decimals
SET SESSION AUTHORIZATION regress_report_admin;
SELECT regexp_replace(link, '[0-9A-Za-z]{27}$', '<uid>') AS link, test.report(link) FROM murallink.trial_payment_report(:'trial') AS link \gx
SELECT test.report(link) = test.report(murallink.trial_payment_report(:'trial', 'csv')) AS default_is_csv
FROM murallink.trial_payment_report(:'trial', '') AS link;
SELECT test.report(murallink.trial_payment_report(:'trial')) ~ 'Secret' AS names_a_person;

-- What is taken back later: when, and with that what the funds show
BEGIN;
RESET SESSION AUTHORIZATION;
SET LOCAL session_replication_role = replica;
UPDATE murallink_private.payout SET settled_at = '2022-08-31 23:59:59Z' WHERE payment_uid = :'first';
SET LOCAL session_replication_role = origin;
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'first', 2.25, 'wrong_amount', 'too much');
SELECT murallink_private.reversal_return(uid, amount, uid) FROM murallink.reversal WHERE payment_uid = :'first';
SET SESSION AUTHORIZATION regress_report_admin;
SELECT substring(test.report(murallink.trial_payment_report(:'trial')) FROM '[^\n]*2022-08-31[^\n]*') AS in_part;
SELECT substring(test.report(murallink.funding_report(:'contract')) FROM '[^\n]*,USD,,50[^\n]*') AS rest;
RESET SESSION AUTHORIZATION;
INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note) VALUES (:'first', 10.25, 'other', '=paid twice');
SELECT murallink_private.reversal_return(uid, amount, uid) FROM murallink.reversal WHERE payment_uid = :'first' AND status = 'requested';
SET SESSION AUTHORIZATION regress_report_admin;
SELECT substring(test.report(murallink.trial_payment_report(:'trial')) FROM '[^\n]*reversed[^\n]*') AS reversed;
SELECT test.report(murallink.funding_report(:'contract'));
ROLLBACK;

-- What is no formula where commas separate cells is none where semicolons do, and at the end of a line no quote protects it
RESET SESSION AUTHORIZATION;
BEGIN;
DECLARE texts CURSOR FOR SELECT * FROM (VALUES
    (1, 'x;=1+1'), (2, 'x; "=1+1'), (3, 'x;y'), (4, E'list\n- one\r\n+two'), (5, E'tab\t@SUM(A1)'), (6, '＝1+1'), (7, 'x;＋1'), (8, '"=1"'), (9, '1=2; 3-4'),
    (10, '=A1;=B1'), (11, '')) AS noted (n, text);
SELECT replace(convert_from(f, 'UTF8'), E'\r\n', '<' || E'\n') FROM murallink_private.report_file('csv', '{Texts}', '{texts}') AS f \gx
COMMIT;
SET SESSION AUTHORIZATION regress_report_admin;

-- The funds: what the trials hold adds up to the balances
SELECT test.report(murallink.funding_report(:'contract'));
SELECT test.report(murallink.funding_report(:'other_contract')) AS nothing;
RESET SESSION AUTHORIZATION;
SELECT currency, sum(reserved) FILTER (WHERE entry = 'trial') = sum(reserved) FILTER (WHERE entry = 'balance') AS reserved,
    sum(disbursed) FILTER (WHERE entry = 'trial') = sum(disbursed) FILTER (WHERE entry = 'balance') AS disbursed,
    sum(funded) FILTER (WHERE entry = 'funding') = sum(funded) FILTER (WHERE entry = 'balance') AS funded
FROM murallink_private.report_funds(:'contract') GROUP BY currency ORDER BY currency;

-- The headers, and a file name that no system takes for a path
SET SESSION AUTHORIZATION regress_report_admin;
SELECT regexp_replace(link, '^.*=', '') AS link FROM murallink.trial_payment_report(:'trial', 'xlsx') AS link \gset
BEGIN;
SELECT convert_from(substr(file, 1, 2), 'UTF8') AS begins_with FROM murallink.report(:'link') AS file;
SELECT name, replace(content, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), '<today>') AS content
FROM jsonb_array_elements(current_setting('response.headers')::jsonb) AS header, jsonb_each_text(header) AS one (name, content);
COMMIT;

-- A link ends after a while, and is then as one that there never was; what it led to goes with the next report
RESET SESSION AUTHORIZATION;
SELECT count(*) AS kept, bool_and(expires_at - created_at BETWEEN '59 minutes' AND '61 minutes') AS for_an_hour,
    count(DISTINCT app_user_uid) AS askers FROM murallink_private.report;
UPDATE murallink_private.report SET expires_at = now();
SELECT test.refusal(format('SELECT murallink.report(%L)', uid)) FROM (
    (SELECT uid FROM murallink_private.report LIMIT 1) UNION ALL (SELECT murallink.gen_ksuid()) UNION ALL (SELECT NULL)) AS link (uid);
SET SESSION AUTHORIZATION regress_report_admin;
SELECT murallink.funding_report(:'contract') IS NOT NULL AS made;
RESET SESSION AUTHORIZATION;
SELECT count(*) AS left_over FROM murallink_private.report;
SELECT test.answer('report', jsonb_build_object('uid', uid)) AS through_api FROM murallink_private.report;

-- What is refused, and to whom
SET SESSION AUTHORIZATION regress_report_admin;
SELECT action, changed, test.answer(action, jsonb_build_object('format', 'csv', uid_of, uid) || changed)
FROM (VALUES ('trial_payment_report', 'trial_uid', :'trial'), ('funding_report', 'contract_uid', :'contract')) AS report (action, uid_of, uid),
    (VALUES (jsonb '{"format": "pdf"}'), ('{"format": "CSV"}'), ('{"format": 1}'), ('{"format": null}'), ('{"page": 1}')) AS wrong (changed);
SELECT test.answer('trial_payment_report'), test.answer('funding_report'),
    test.answer('trial_payment_report', jsonb_build_object('trial_uid', :'contract')),
    test.answer('funding_report', jsonb_build_object('contract_uid', :'trial'));
RESET SESSION AUTHORIZATION;
SELECT test.answer('trial_payment_report', jsonb_build_object('trial_uid', :'trial')) AS nobody;
SET SESSION AUTHORIZATION regress_report_user;
SELECT test.answer('trial_payment_report', jsonb_build_object('trial_uid', :'trial')) AS trial,
    test.answer('funding_report', jsonb_build_object('contract_uid', :'contract')) AS contract;
SET SESSION AUTHORIZATION regress_report_admin;
SELECT count(murallink.grant(:'contract', permission::text, :'user')) FROM unnest(enum_range(NULL::murallink.permission)) AS permission
WHERE permission <> 'view_report';
SET SESSION AUTHORIZATION regress_report_user;
SELECT test.answer('trial_payment_report', jsonb_build_object('trial_uid', :'trial')) AS trial,
    test.answer('funding_report', jsonb_build_object('contract_uid', :'contract')) AS contract;
RESET SESSION AUTHORIZATION;
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
SET SESSION AUTHORIZATION regress_report_admin;
SELECT murallink.grant(:'trial', 'view_report', :'user');
SET SESSION AUTHORIZATION regress_report_user;
SELECT test.answer('trial_payment_report', jsonb_build_object('trial_uid', :'trial')) AS trial,
    test.answer('trial_payment_report', jsonb_build_object('trial_uid', :'other_trial')) AS other_trial,
    test.answer('funding_report', jsonb_build_object('contract_uid', :'contract')) AS contract;
SELECT test.refusal('SELECT * FROM murallink_private.report');
-- A link ends when a grant of the user who made it ends
SELECT regexp_replace(murallink.trial_payment_report(:'trial'), '^.*=', '') AS link \gset
RESET SESSION AUTHORIZATION;
SELECT length(murallink.report(:'link')) > 100 AS works;
SET SESSION AUTHORIZATION regress_report_admin;
SELECT murallink.deactivate_user(:'user', 'has left');
RESET SESSION AUTHORIZATION;
SELECT test.refusal(format('SELECT murallink.report(%L)', :'link')) AS deactivated;
SET SESSION AUTHORIZATION regress_report_admin;
SELECT murallink.reactivate_user(:'user', 'is back');
RESET SESSION AUTHORIZATION;
SELECT length(murallink.report(:'link')) > 100 AS works_again;
SET SESSION AUTHORIZATION regress_report_admin;
SELECT murallink.revoke(:'user', 'view_report', :'trial', 'has left');
RESET SESSION AUTHORIZATION;
SELECT test.refusal(format('SELECT murallink.report(%L)', :'link')) AS revoked;
SET SESSION AUTHORIZATION regress_report_admin;
SELECT murallink.grant(:'trial', 'view_report', :'user');
SET SESSION AUTHORIZATION regress_report_user;
SELECT regexp_replace(murallink.trial_payment_report(:'trial'), '^.*=', '') AS link \gset
RESET SESSION AUTHORIZATION;
SELECT length(murallink.report(:'link')) > 100 AS works;
UPDATE murallink.permission_grant SET created_at = '2020-01-01', until = '2020-01-02' WHERE app_user_uid = :'user' AND ended_at IS NULL;
SELECT test.refusal(format('SELECT murallink.report(%L)', :'link')) AS expired;

-- An error, or somebody who is impatient, leaves no file open
CREATE FUNCTION test.write(format text, sheet text, rows integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    content refcursor;
BEGIN
    OPEN content FOR EXECUTE pg_catalog.format('SELECT %s AS "X" FROM generate_series(1, %s) AS n', sheet, rows);
    RETURN octet_length(murallink_private.report_file(format, '{X}', ARRAY[content]));
END
$$;
CREATE FUNCTION test.open_files() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/fd')
$$;
SELECT test.write('csv', '''=''::text', 2) AS csv, test.write('xlsx', 'n::numeric', 1000) > 1000 AS xlsx;
SELECT test.open_files() AS before \gset
SELECT format, test.refusal(format('SELECT test.write(%L, ''1 / (2500 - n)'', 3000)', format)) FROM unnest('{csv,xlsx}'::text[]) AS format;
SET statement_timeout = '200ms';
SELECT test.write('xlsx', 'repeat(n::text, 100)', 100000000);
RESET statement_timeout;
SELECT greatest(test.open_files() - :before, 0) AS left_open, count(*) AS temporary_files FROM pg_ls_tmpdir();

DROP FUNCTION test.report(text), test.open_files(), test.write(text, text, integer);
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE db_role LIKE 'regress_report_%';
DROP ROLE regress_report_admin, regress_report_user;
