-- Accounts of payees: what is accepted, how it is sealed, what is shown, and when it is paid to.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET datestyle = 'ISO';
SET timezone = 'UTC';
CREATE ROLE regress_account_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_account_user LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_account_operator LOGIN IN ROLE murallink_operator;
SELECT email FROM murallink.create_admin('account.admin@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS "user" FROM murallink.register('account.user@example.com', 'correct horse', 'Ute', 'User') \gset
SELECT murallink.set_db_role('account.' || name || '@example.com', 'regress_account_' || name) FROM unnest('{admin,user}'::text[]) AS name;
SELECT uid AS paypal FROM murallink_private.payment_type WHERE name = 'PayPal' \gset
SELECT uid AS ach FROM murallink_private.payment_type WHERE name = 'ACH' \gset
SELECT uid AS cash_app FROM murallink_private.payment_type WHERE name = 'Cash App' \gset
SET SESSION AUTHORIZATION regress_account_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Accounts') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Accounts', currency => 'USD') \gset
SELECT murallink.add_funding(:'contract', 1000, 'USD');
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Accounts') \gset
SELECT uid AS other_trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Other') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
SELECT uid AS other FROM murallink.add_trial_site(trial_uid => :'other_trial', site_uid => :'site') \gset
SELECT uid AS pat FROM murallink.add_patient(:'site', 'Pat', 'Payee', email => 'pat@account.example.com', phone => '6105551418') \gset
SELECT uid AS quin FROM murallink.add_patient(:'site', 'Quin', 'Payee', phone => '6105551419', sms_enabled => true) \gset
SELECT count(murallink.enroll(p::murallink.ksuid, t::murallink.ksuid, :'site', right(p, 5)))
FROM unnest(ARRAY[:'pat', :'quin']) AS p, unnest(ARRAY[:'trial', :'other_trial']) AS t;
SELECT murallink.grant(:'trial', permission, :'user') FROM unnest('{set_payment_type,view_enrollments}'::text[]) AS permission;
SELECT jsonb_build_object('payment_type_uid', :'paypal', 'trial_uid', :'trial', 'patient_uid', :'pat') AS pats \gset

-- Without a key nothing is entered; the key is in a file that nobody else can read
SELECT test.answer('set_payment_type', :'pats'::jsonb || '{"account": {"email": "pat@account.example.com"}}') AS no_key;
SET SESSION AUTHORIZATION regress_account_operator;
SELECT test.refusal('SELECT murallink.rotate_payout_key()') AS no_file;
RESET SESSION AUTHORIZATION;
COPY (SELECT encode(sha256('one'), 'base64')) TO PROGRAM 'umask 022; cat > payout_keys';
ALTER SYSTEM SET murallink.key_file = 'payout_keys';
SELECT pg_reload_conf();
\c
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_account_operator;
SELECT test.refusal('SELECT murallink.rotate_payout_key()') AS read_by_others;
RESET SESSION AUTHORIZATION;
COPY (VALUES ('# the first'), ('no key'), (encode(sha256('one'), 'base64'))) TO PROGRAM 'chmod 600 payout_keys; cat > payout_keys';
SET SESSION AUTHORIZATION regress_account_operator;
SELECT public_key, retired_at, accounts, in_file FROM murallink.rotate_payout_key();
SELECT public_key, retired_at, accounts, in_file FROM murallink.rotate_payout_key();
RESET SESSION AUTHORIZATION;
SELECT encode(sha256('one'), 'base64') IN (SELECT encode(public_key, 'base64') FROM murallink_private.payout_key) AS secret_is_stored;

-- What is accepted
SET SESSION AUTHORIZATION regress_account_admin;
CREATE TABLE pg_temp.entry AS SELECT :'pats'::jsonb || jsonb_build_object('patient_uid', :'quin') AS fine;
CREATE FUNCTION pg_temp.enter(payment_type text, account jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(answer #>> '{payload,account_shown}', concat_ws(' ', answer #>> '{error,code}', answer #>> '{error,field}'))
    FROM pg_temp.entry, murallink.api(jsonb_build_object('action', 'set_payment_type', 'payload', fine || jsonb_build_object(
        'payment_type_uid', (SELECT uid FROM murallink.get_payment_types() WHERE name = payment_type), 'account', account))) AS answer
$$;
SELECT payment_type, account, pg_temp.enter(payment_type, account)
FROM (VALUES
    ('PayPal', jsonb '{"email": " Quin.Payee@Example.COM "}'), ('PayPal', '{"email": "quin"}'), ('PayPal', '{"email": ""}'), ('PayPal', '{}'),
    ('PayPal', '{"email": 1}'), ('PayPal', '"quin@example.com"'), ('PayPal', '{"email": "quin@example.com", "quin@example.org": ""}'),
    ('PayPal', jsonb_build_object('email', repeat('q', 60) || '@' || repeat(repeat('e', 30) || '.', 3) || 'com')),
    ('Venmo', '{"phone": "(610) 555-1419"}'), ('Venmo', '{"handle": "@Quin-Payee_1"}'), ('Venmo', '{"handle": "q q"}'), ('Venmo', '{"phone": "+44 20 7946 0958"}'),
    ('Venmo', '{"phone": "6105551419", "handle": "quinpayee"}'), ('Venmo', '{}'), ('Venmo', '{"email": "quin@example.com"}'),
    ('ACH', '{"routing_number": "021000021", "account_number": "000123456789", "kind": "checking"}'),
    ('ACH', '{"routing_number": "0210-0002 1", "account_number": "12 345", "kind": "savings"}'),
    ('ACH', '{"routing_number": "021000022", "account_number": "000123456789", "kind": "checking"}'),
    ('ACH', '{"routing_number": "021000021", "account_number": "0000", "kind": "checking"}'),
    ('ACH', '{"routing_number": "021000021", "account_number": "123456789012345678", "kind": "checking"}'),
    ('ACH', '{"routing_number": "021000021", "account_number": "12345", "kind": "Checking"}'),
    ('ACH', '{"routing_number": "021000021", "account_number": "12345"}'), ('ACH', '{"account_number": "12345", "kind": "savings"}'),
    ('ACH', '{"iban": "DE89370400440532013000"}'),
    ('wire', '{"iban": "de89 3704 0044 0532 0130 00"}'), ('wire', '{"iban": "DE89370400440532013000", "bic": "cobadeffxxx"}'),
    ('wire', '{"iban": "DE89370400440532013000", "bic": "BNPAFRPP"}'), ('wire', '{"iban": "DE89370400440532013001"}'), ('wire', '{"iban": null}'),
    ('wire', '{"routing_number": "026009593", "account_number": "4433221100"}'), ('wire', '{"routing_number": "026009593"}'),
    ('wire', '{"iban": "DE89370400440532013000", "account_number": "1"}'),
    ('check', '{"address": {"street1": "1 Main Street", "city": "Springfield", "state": "IL", "post_code": "62701"}}'),
    ('check', '{"name": "Q. Payee", "address": {"street1": "1 Main Street", "street2": "Apt 2", "city": "Chicago", "state": "IL", "post_code": "60601"}}'),
    ('check', '{"address": {"street1": "1 Main Street", "city": "Springfield", "state": "IL"}}'), ('check', '{"name": "Q. Payee"}'),
    ('check', '{"address": "1 Main Street"}'), ('check', '{"address": {"street": "1 Main Street"}}'),
    ('debit', '{"email": "quin@example.com"}'), ('Cash App', '{"handle": "$quin"}')) AS t (payment_type, account);
RESET SESSION AUTHORIZATION;
SELECT number, murallink_private.is_routing_number(number)
FROM unnest('{011401533,091000019,122105278,322271627,122105279,000000000,12210527,1221052780,"",500000005}'::text[]) AS number;
SELECT iban, murallink_private.is_iban(iban)
FROM unnest('{GB29NWBK60161331926819,FR1420041010050500013M02606,NO9386011117947,MT84MALT011000012345MTLCAST001S,GB29NWBK6016133192681,
    GB30NWBK60161331926819,gb29NWBK60161331926819,US29NWBK60161331926819,"",DE00370400440532013000,NO9386011117948}'::text[]) AS iban;
SELECT bic, iban, murallink_private.is_bic(bic, iban)
FROM (VALUES ('NWBKGB2L', 'GB29'), ('NWBKJESH', 'GB29'), ('BNPAGPGX', 'FR14'), ('COBADEFF', 'FR14'), ('COBADEFFXX', 'DE89'), ('COBA1EFF', 'DE89')) AS b (bic, iban);

-- What is stored says nothing: only the patient's own phone number is there to be found; and a user who may not see patients is shown nothing
SELECT patient_uid = :'quin' AS quin, t.name, a.shown, a.ended_reason, length(a.sealed), usable_from > entered_at AS waits
FROM murallink_private.payout_account a JOIN murallink_private.payment_type t ON t.uid = a.payment_type_uid
WHERE a.patient_uid = :'quin' ORDER BY a.entered_at, a.uid;
SELECT c.oid::regclass FROM pg_class c
WHERE c.relkind IN ('r', 'v') AND c.relnamespace::regnamespace::text ~ '^murallink'
    AND (xpath('count(//row)', query_to_xml(format($q$SELECT 1 FROM %s AS t WHERE t::text ~* '(4400532|40044053|443322110|000123456|quin.payee|quin-payee|5551419"})'$q$, c.oid::regclass), false, false, '')))[1]::text <> '0';
SET SESSION AUTHORIZATION regress_account_admin;
SELECT account_shown FROM murallink.get_enrollments(:'quin') ORDER BY coalesce(account_shown, '') COLLATE "C";
SET SESSION AUTHORIZATION regress_account_user;
SELECT uid = :'quin' AS quin, shown FROM murallink.get_enrolled(:'trial', :'site'), LATERAL (SELECT (enrollments[1]).account_shown) AS e (shown) ORDER BY 1;
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'quin');
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'quin', '{"email": "ute@example.com"}');
SELECT test.refusal('SELECT FROM murallink_private.payout_account') AS as_analyst, test.refusal('SELECT murallink.payout_keys()') AS keys;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT changes FROM unnest((murallink.get_patient(:'quin')).audit_history) LIMIT 3;

-- What a partner repeats of an account is masked, in whatever case and depth, and a phone number also without its country
RESET SESSION AUTHORIZATION;
SELECT murallink_private.partner_meaning('bastion', 'endorse', jsonb_build_object('account', account), 422, answer::text)
FROM (VALUES
    (jsonb '{"email": "pat@account.example.com", "phone": "+16105551418", "address": {"street1": "1 Main Street", "state": "IL"}}',
    jsonb '{"message": "PAT@Account.example.com, 1 MAIN street in IL, +16105551418 and 6105551418 are unknown"}')) AS a (account, answer);

-- S35: the first account is paid to at once; a changed one after a day, and the patient is told at the address from before
BEGIN;
INSERT INTO murallink_private.partner (name, base_url, settings)
VALUES ('dash', 'http://127.0.0.1:1', '{"currency": "USD", "cust_prog_id": 1}') ON CONFLICT (name) DO UPDATE SET settings = EXCLUDED.settings;
UPDATE murallink_private.payment_type SET partner = 'dash' WHERE uid = :'paypal';
CREATE VIEW pg_temp.paid AS
SELECT p.amount, o.status, o.reason, o.partner, c.operation, c.status AS call, a.shown AS account
FROM murallink.payout o JOIN murallink.payment p ON p.uid = o.payment_uid LEFT JOIN murallink_private.call c ON c.uid = o.uid
JOIN murallink_private.payout k ON k.uid = o.uid LEFT JOIN murallink_private.payout_account a ON a.uid = k.account_uid
WHERE o.contract_uid = :'contract' ORDER BY 1;
GRANT SELECT ON pg_temp.paid TO PUBLIC;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'pat');
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'other_trial', :'pat');
SELECT p.status FROM (VALUES (10, :'trial'), (20, :'other_trial')) AS m (amount, trial), murallink.manual_payment(:'pat', trial::murallink.ksuid, amount) AS made,
    murallink.approve_payment(made.uid) AS p;
RESET SESSION AUTHORIZATION;
TABLE pg_temp.paid;
SELECT why, remedy FROM murallink.needs_person WHERE contract_uid = :'contract';
SET SESSION AUTHORIZATION regress_account_admin;
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'pat', '{"email": "pat@account.example.com"}');
RESET SESSION AUTHORIZATION;
-- The worker routes those of the other trial
TABLE pg_temp.paid;
CREATE PROCEDURE pg_temp.route() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink_private.reroute_late();
    UPDATE murallink_private.route_change SET running_below = pg_snapshot_xmin(pg_current_snapshot());
    PERFORM murallink_private.reroute_late();
END
$$;
CALL pg_temp.route();
TABLE pg_temp.paid;
-- The same again changes nothing, whatever its spelling; another one does, and what was ready waits
SELECT murallink_private.notices_cancel(ARRAY(SELECT uid FROM murallink_private.notice), 'test');
SET SESSION AUTHORIZATION regress_account_admin;
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'pat', '{"email": "PAT@account.example.com "}');
SELECT email FROM murallink.update_patient(:'pat', email => 'thief@account.example.com');
SELECT email FROM murallink.update_patient(:'pat', email => 'thief.again@account.example.com');
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'pat', '{"email": "thief@account.example.org"}');
RESET SESSION AUTHORIZATION;
CALL pg_temp.route();
TABLE pg_temp.paid;
SELECT why, remedy FROM murallink.needs_person WHERE contract_uid = :'contract';
SELECT shown, ended_reason, usable_from - entered_at AS waits, cooling FROM murallink_private.payout_account WHERE patient_uid = :'pat' ORDER BY entered_at, uid;
SELECT n.kind, n.channel, m.params ->> 'to' AS "to", m.params ->> 'subject' AS subject, regexp_replace(m.params ->> 'text', '\d', '9', 'g') AS text, m.problem
FROM murallink_private.notice n, murallink_private.notice_message(n.uid) m WHERE n.patient_uid = :'pat';
-- When the time has come, it is paid to; not to one that is sent back, nor to the same again
UPDATE murallink_private.payout_account SET usable_from = clock_timestamp() WHERE cooling;
CALL pg_temp.route();
TABLE pg_temp.paid;
SELECT count(*) FILTER (WHERE cooling) AS cooling FROM murallink_private.payout_account WHERE patient_uid = :'pat';
SELECT a.operation, a.params - '{reference,sealed}'::text[] AS params, a.params ->> 'sealed' = encode(k.sealed, 'hex') AS sealed, a.problem
FROM murallink_private.payout_account k, murallink_private.pays_ask(ARRAY(SELECT o.uid FROM murallink.payout o WHERE o.contract_uid = :'contract')) a
WHERE k.patient_uid = :'pat' AND k.ended_at IS NULL ORDER BY 2;
SELECT murallink_private.payout_account_return(uid, 'closed') FROM murallink_private.payout_account WHERE patient_uid = :'pat' AND ended_at IS NULL;
CALL pg_temp.route();
TABLE pg_temp.paid;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT test.answer('set_payment_type', :'pats'::jsonb || '{"account": {"email": "Thief@Account.example.org"}}') AS returned,
    test.answer('set_payment_type', :'pats'::jsonb || '{"account": {"email": "pat@account.example.com"}}') AS former;
SELECT changes FROM unnest((murallink.get_patient(:'pat')).audit_history) LIMIT 6;
RESET SESSION AUTHORIZATION;
CALL pg_temp.route();
TABLE pg_temp.paid;
-- One that has ended since it was ready is not asked for
UPDATE murallink_private.payout_account SET usable_from = clock_timestamp() WHERE cooling;
CALL pg_temp.route();
UPDATE murallink_private.payout_account SET ended_at = clock_timestamp(), ended_reason = 'changed' WHERE patient_uid = :'pat' AND ended_at IS NULL;
SELECT a.operation FROM murallink_private.pays_ask(ARRAY(SELECT o.uid FROM murallink.payout o WHERE o.contract_uid = :'contract')) a;
TABLE pg_temp.paid;
-- A payout that waits may be paid by card instead, and again to an account
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key) VALUES (:'pat', 'dash', '1', 'done', '70001');
SET SESSION AUTHORIZATION regress_account_admin;
SELECT count(murallink.set_payment_type((SELECT uid FROM murallink.get_payment_types() WHERE name = 'debit'), trial::murallink.ksuid, :'pat'))
FROM unnest(ARRAY[:'trial', :'other_trial']) AS trial;
RESET SESSION AUTHORIZATION;
TABLE pg_temp.paid;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'pat', '{"email": "pat@account.example.net"}');
RESET SESSION AUTHORIZATION;
TABLE pg_temp.paid;
UPDATE murallink_private.payout_account SET usable_from = clock_timestamp() WHERE cooling;
CALL pg_temp.route();
TABLE pg_temp.paid;
ROLLBACK;

-- Somebody without an e-mail address is told by SMS, if at all; an account in another way than before waits, too
BEGIN;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'other_trial', :'quin', '{"email": "quin@account.example.com"}');
RESET SESSION AUTHORIZATION;
SELECT n.channel, m.params -> 'notification_channels' -> 0 ->> 'channel_addr' AS "to", m.problem
FROM murallink_private.notice n, murallink_private.notice_message(n.uid) m WHERE n.patient_uid = :'quin' ORDER BY n.created_at DESC, n.uid DESC LIMIT 1;
ROLLBACK;
SET SESSION AUTHORIZATION regress_account_admin;
SELECT count(murallink.set_payment_type(:'cash_app', :'trial', :'pat'));
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'pat', '{"email": "pat@account.example.com"}');
RESET SESSION AUTHORIZATION;
SELECT usable_from - entered_at AS waits FROM murallink_private.payout_account WHERE patient_uid = :'pat';

-- No repeat of a request keeps an account
SELECT session_id AS session FROM murallink.login('account.admin@example.com', 'correct horse') \gset
SELECT murallink.api(jsonb_build_object('action', 'set_payment_type', 'session_id', :'session', 'idempotency_key', 'account', 'payload',
    :'pats'::jsonb || '{"account": {"email": "pat@account.example.com"}}')) #> '{payload,account_shown}' AS shown, count(*) FROM murallink_private.idempotency WHERE key = 'account';
SELECT count(*) FROM murallink_private.idempotency WHERE key = 'account';

-- Another key; what was sealed to the first one is sealed again
COPY (VALUES (encode(sha256('one'), 'base64')), (encode(sha256('two'), 'base64'))) TO PROGRAM 'cat > payout_keys';
SET SESSION AUTHORIZATION regress_account_operator;
SELECT retired_at IS NULL AS present, accounts, in_file FROM murallink.rotate_payout_key();
SELECT retired_at IS NULL AS present, accounts > 0 AS accounts, in_file FROM murallink.payout_keys();
SELECT murallink.reseal_accounts(3) > 0 AS left, murallink.reseal_accounts() AS none, murallink.reseal_accounts() AS still;
SELECT retired_at IS NULL AS present, accounts > 0 AS accounts, in_file FROM murallink.payout_keys();
RESET SESSION AUTHORIZATION;
COPY (VALUES (encode(sha256('two'), 'base64'))) TO PROGRAM 'cat > payout_keys';
SELECT t.name, a.ended_reason, murallink_private.seals(a.sealed, '{"email": "quin.payee@example.com"}') AS same
FROM murallink_private.payout_account a JOIN murallink_private.payment_type t ON t.uid = a.payment_type_uid
WHERE a.patient_uid = :'quin' ORDER BY a.entered_at, a.uid;
-- Where the file is not, accounts are entered, and nothing is opened
COPY (VALUES (encode(sha256('three'), 'base64'))) TO PROGRAM 'cat > payout_keys';
SET SESSION AUTHORIZATION regress_account_admin;
SELECT account_shown FROM murallink.set_payment_type(:'paypal', :'trial', :'pat', '{"email": "pat@account.example.com"}');
SET SESSION AUTHORIZATION regress_account_operator;
SELECT retired_at IS NULL AS present, accounts > 0 AS accounts, in_file FROM murallink.payout_keys();
SELECT retired_at IS NULL AS present, accounts, in_file FROM murallink.rotate_payout_key();
SELECT murallink.reseal_accounts() > 0 AS sealed_to_what_is_lost;
RESET SESSION AUTHORIZATION;
SELECT shown, ended_reason, murallink_private.seals(sealed, '{"email": "pat@account.example.com"}') AS same
FROM murallink_private.payout_account WHERE patient_uid = :'pat' ORDER BY entered_at, uid;

-- A patient who had two records keeps the accounts of the one that is kept
SET SESSION AUTHORIZATION regress_account_operator;
SELECT murallink.merge_patients(:'pat', :'quin', 'one person');
RESET SESSION AUTHORIZATION;
SELECT t.name, a.shown FROM murallink_private.payout_account a JOIN murallink_private.payment_type t ON t.uid = a.payment_type_uid
WHERE a.patient_uid = :'pat' AND a.ended_at IS NULL ORDER BY t.name COLLATE "C";
SELECT count(*) FROM murallink_private.payout_account WHERE patient_uid = :'pat' AND ended_reason = 'merged';
ALTER SYSTEM RESET murallink.key_file;
SELECT pg_reload_conf();
