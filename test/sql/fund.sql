-- Funds: deposits, how they are spread over slots, and that no door lets more out than came in.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_fund_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_fund_user LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('fund.admin@example.com', 'correct horse', 'Frida', 'Fund');
SELECT murallink.set_db_role('fund.admin@example.com', 'regress_fund_admin');

-- A contract, and a patient who can be paid from it
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Fund Pharma') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Funded', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Funds') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Vault') \gset
SELECT uid AS patient FROM murallink.add_patient(site_uid => :'site', first_name => 'Penny', last_name => 'Lane') \gset
SELECT murallink.enroll(patient_uid => :'patient', trial_uid => :'trial', site_uid => :'site', subject_id => 'F-1');

-- Deposits: in the contract's currency by default, each currency by itself, every unit in some slot
SELECT murallink.add_funding(contract_uid => :'contract', amount => 1000.01);
SELECT murallink.add_funding(contract_uid => :'contract', amount => 0.02, currency => '');
SELECT murallink.add_funding(contract_uid => :'contract', amount => 13, currency => 'JPY');
SELECT murallink.add_funding(contract_uid => :'contract', amount => 0.001, currency => 'KWD');
SELECT murallink.add_funding(contract_uid => :'contract', amount => 999999999999.99, currency => 'EUR');
RESET SESSION AUTHORIZATION;
SELECT currency, funded, reserved, disbursed, available FROM murallink.fund_balance
WHERE contract_uid = :'contract' ORDER BY currency;
SELECT currency, count(*) AS slots, min(available) AS least, max(available) AS most, sum(available) AS all,
    bool_and(scale(trim_scale(available)) <= murallink_private.currency_decimals(currency)) AS payable
FROM murallink.fund_slot WHERE contract_uid = :'contract' GROUP BY currency ORDER BY currency;
SELECT e.currency, e.movement, e.amount, e.client_uid = :'client' AS of_client, f.uid IS NOT NULL AS of_funding
FROM murallink.fund_entry e LEFT JOIN murallink.funding f ON f.uid = e.source_uid
WHERE e.contract_uid = :'contract' ORDER BY 1, 3;

-- Who may deposit, what, and where
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT amount, currency, test.refusal(format('SELECT murallink.add_funding(%L, %L, %L)', :'contract', amount, currency))
FROM (VALUES
    ('0', 'USD'), ('-1', 'USD'), ('0.001', 'USD'), ('0.5', 'JPY'), ('0.0001', 'KWD'), ('NaN', 'USD'), ('Infinity', 'USD'),
    ('-Infinity', 'USD'), ('1e12', 'USD'), ('1e1000', 'USD'), ('1e-1000', 'USD'), (NULL, 'USD'),
    ('1', 'usd'), ('1', 'US'), ('1', 'XXX'), ('1', 'USDX'), ('1', ' USD ')) AS deposit (amount, currency);
SELECT test.refusal(format('SELECT murallink.add_funding(%L, 1)', uid))
FROM (VALUES (NULL), (:'client'), (:'trial'), (:'patient'), ('0ujtsYcgvSTl8PAuAdqWYSMnLOv')) AS other (uid);
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_fund_user;
SELECT murallink.add_funding(contract_uid => :'contract', amount => 1);
RESET SESSION AUTHORIZATION;
SELECT email FROM murallink.register('fund.user@example.com', 'correct horse', 'Fritz', 'User');
SELECT murallink.set_db_role('fund.user@example.com', 'regress_fund_user');
SET SESSION AUTHORIZATION regress_fund_user;
SELECT murallink.add_funding(contract_uid => :'contract', amount => 1);
RESET SESSION AUTHORIZATION;

-- What no slot holds alone is gathered; to the last unit and not one further
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 333.35);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 333.34);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 333.35);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 333.34);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 0.01);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 13, 'JPY');
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 1, 'JPY');
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 0.001, 'KWD');
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 999999999999.99, 'EUR');

-- In steps that do not divide what a slot holds
SELECT murallink.add_funding(contract_uid => :'contract', amount => 10);
SELECT count(murallink.manual_payment(:'patient', :'trial', 0.7)) FROM generate_series(1, 14);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 0.7);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 0.2);

-- A currency without funds
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 1, 'CHF');
RESET SESSION AUTHORIZATION;
SELECT currency, funded, reserved, disbursed, available FROM murallink.fund_balance
WHERE contract_uid = :'contract' ORDER BY currency;

-- What many payments give back is there for one
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT count(murallink.reject_payment(uid, 'a mistake')) FROM murallink.get_patient_payments(:'patient', :'trial')
WHERE currency = 'USD' AND amount <> 333.35;
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 676.69);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 676.68);
RESET SESSION AUTHORIZATION;
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract' AND currency = 'USD';
SELECT movement, count(*), sum(amount) FROM murallink.fund_entry WHERE contract_uid = :'contract' AND currency = 'USD'
GROUP BY movement ORDER BY movement;

-- Balances and entries are written by murallink alone, and what was deposited stays: not even the owner or a superuser may
CREATE FUNCTION pg_temp.refusals() RETURNS TABLE (relation text, write text, refusal text) LANGUAGE sql AS $$
    SELECT relation, split_part(write, ' ', 1), test.refusal(format(write, 'murallink.' || relation))
    FROM unnest('{fund,fund_slot,fund_entry,funding}'::text[]) AS relation,
        unnest('{INSERT INTO %1$s SELECT * FROM %1$s,UPDATE %s SET currency = currency,DELETE FROM %s,TRUNCATE %s CASCADE}'::text[])
        AS write
$$;
SELECT * FROM pg_temp.refusals();
SET ROLE murallink_owner;
SELECT * FROM pg_temp.refusals();
SET ROLE murallink_operator;
SELECT DISTINCT refusal FROM pg_temp.refusals();
RESET ROLE;

-- The cost does not grow with the dead versions of a slot, which an old snapshot keeps; nor is a slot lost that was written
-- and rolled back
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT murallink.add_funding(contract_uid => :'contract', amount => 99999, currency => 'JPY');
BEGIN;
SELECT count(murallink.manual_payment(:'patient', :'trial', 1, 'JPY')) FROM generate_series(1, 2000);
SELECT pg_stat_get_xact_blocks_fetched('murallink.fund_slot'::regclass) AS fetched \gset
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 1, 'JPY');
SELECT pg_stat_get_xact_blocks_fetched('murallink.fund_slot'::regclass) - :fetched < 10 AS few_pages;
ROLLBACK;
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 1, 'JPY');
RESET SESSION AUTHORIZATION;

-- An error on the way does not leave the door open
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_fund_admin;
SELECT test.refusal(format('SELECT murallink.manual_payment(%L, %L, 1)', :'patient', :'trial'));
RESET SESSION AUTHORIZATION;
UPDATE murallink.fund_slot SET available = 1;
ROLLBACK;

-- A deposit of the owner's own is booked like any other, and no other client's
SET ROLE murallink_owner;
INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency) VALUES (:'contract', :'client', 0.17, 'USD');
INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency) VALUES (:'contract', :'client', -0.17, 'USD');
INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency) VALUES (:'contract', :'contract', 0.17, 'USD');
RESET ROLE;
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract' AND currency = 'USD';
SELECT * FROM murallink.verify_ledger();

-- Money leaves: what was recorded by mistake, and what is left at the end; each once, never more than is available
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT uid AS closing FROM murallink.create_contract(client_uid => :'client', name => 'Closing', currency => 'USD') \gset
SELECT uid AS closing_trial FROM murallink.create_trial(contract_uid => :'closing', name => 'Closing') \gset
SELECT uid AS closing_site FROM murallink.create_site(trial_uid => :'closing_trial', name => 'Closing') \gset
SELECT uid AS closer FROM murallink.add_patient(site_uid => :'closing_site', first_name => 'Cloe', last_name => 'Lane') \gset
SELECT murallink.enroll(patient_uid => :'closer', trial_uid => :'closing_trial', site_uid => :'closing_site', subject_id => 'C-1');
SELECT murallink.add_funding(:'closing', 1000);
SELECT murallink.add_funding(:'closing', 10000);
SELECT murallink.add_funding(:'closing', 500, 'JPY');
SELECT amount FROM murallink.manual_payment(:'closer', :'closing_trial', 600);
RESET SESSION AUTHORIZATION;
SELECT uid AS right FROM murallink.funding WHERE contract_uid = :'closing' AND amount = 1000 \gset
SELECT uid AS wrong FROM murallink.funding WHERE contract_uid = :'closing' AND amount = 10000 \gset
SELECT uid AS yen FROM murallink.funding WHERE contract_uid = :'closing' AND amount = 500 \gset
CREATE VIEW pg_temp.closing AS
SELECT b.currency, trim_scale(funded) AS funded, trim_scale(reserved) AS reserved, trim_scale(available) AS available
FROM murallink.fund_balance b JOIN murallink.contract c ON c.uid = b.contract_uid WHERE c.name = 'Closing' ORDER BY b.currency;
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT movement, amount, currency, note, reference, corrects_uid = :'wrong' AS corrects, date = (now() AT TIME ZONE 'UTC')::date AS today
FROM murallink.correct_funding(:'wrong', ' a zero too many ');
SELECT test.refusal(format('SELECT murallink.correct_funding(%L, %L)', uid, note)) FROM (VALUES
    (1, :'wrong', 'again'), (2, :'right', 'half of it is reserved'), (3, :'closer', 'no funding'), (4, NULL, 'which'), (5, :'yen', ''), (6, :'yen', NULL),
    (7, :'yen', repeat('x', 1001))) AS bad (n, uid, note) ORDER BY n;
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.closing;
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT amount, currency, left(reference, 3) AS reference, test.refusal(format('SELECT murallink.withdraw_funding(%L, %L, %L, %L, %L)', :'closing', amount, currency, 'closed', reference))
FROM (VALUES ('400.01', 'USD', 'W-1'), ('0', 'USD', 'W-1'), ('-1', 'USD', 'W-1'), ('0.001', 'USD', 'W-1'), ('NaN', 'USD', 'W-1'), (NULL, 'USD', 'W-1'),
    ('1', 'usd', 'W-1'), ('1', 'EUR', 'W-1'), ('1', 'USD', ''), ('1', 'USD', NULL), ('1', 'USD', repeat('x', 201))) AS bad (amount, currency, reference);
SELECT test.refusal(format('SELECT murallink.withdraw_funding(%L, 1, NULL, %L, %L)', uid, note, 'W-1'))
FROM (VALUES (NULL, 'closed'), (:'closer', 'closed'), (:'closing', ''), (:'closing', E'a\x01b')) AS bad (uid, note);
SELECT uid AS withdrawn FROM murallink.withdraw_funding(:'closing', 399.99, NULL, 'closed', ' W-1 ') \gset
SELECT uid = :'withdrawn' AS the_first, movement, amount, currency, note, reference FROM murallink.withdraw_funding(:'closing', 399.990, 'USD', 'asked again', 'W-1');
SELECT test.refusal(format('SELECT murallink.withdraw_funding(%L, %L, %L, %L, %L)', :'closing', amount, currency, 'another', 'W-1'))
FROM (VALUES ('399.98', 'USD'), ('399', 'JPY')) AS another (amount, currency);
SELECT amount FROM murallink.withdraw_funding(:'closing', 0.02, 'USD', 'one cent too many', 'W-2');
SELECT amount FROM murallink.withdraw_funding(:'closing', 0.01, 'USD', 'the last cent', 'W-2');
SELECT amount FROM murallink.withdraw_funding(:'closing', 500, 'JPY', 'all of it', 'W-3');
SELECT amount FROM murallink.manual_payment(:'closer', :'closing_trial', 0.01);
SELECT test.refusal(format('SELECT murallink.correct_funding(%L, %L)', :'yen', 'it has left'));

-- A withdrawal that was recorded by mistake comes back, and is not answered again as if it had not; what corrects is not corrected
SELECT uid AS back, movement, amount, corrects_uid = :'withdrawn' AS corrects FROM murallink.correct_funding(:'withdrawn', 'the bank sent it back') \gset
SELECT :'movement' AS movement, :'amount' AS amount, :'corrects' AS corrects, test.refusal(format('SELECT murallink.correct_funding(%L, %L)', :'back', 'no'));
SELECT test.refusal(format('SELECT murallink.withdraw_funding(%L, 399.99, ''USD'', ''asked again'', ''W-1'')', :'closing'));
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.closing;
SELECT action, movement, f.amount, note, reference, db_user
FROM murallink.audit_event e JOIN murallink.funding f ON f.uid = e.resource_uid WHERE f.contract_uid = :'closing' ORDER BY at;
SELECT entry, currency, funded, reserved, disbursed, available, reference, note, funding_uid IS NOT NULL AS has_uid, corrects_uid IS NOT NULL AS corrects
FROM murallink_private.report_funds(:'closing');
SELECT currency, sum(funded) FILTER (WHERE entry NOT IN ('balance', 'trial')) = sum(funded) FILTER (WHERE entry = 'balance') AS adds_up
FROM murallink_private.report_funds(:'closing') GROUP BY currency ORDER BY currency;
SELECT * FROM murallink.verify_ledger();

-- Who may, and what the owner's own INSERT may not: correct another amount, twice, or what is no funding; withdraw without a reference
SET SESSION AUTHORIZATION regress_fund_user;
SELECT test.refusal(format('SELECT murallink.correct_funding(%L, %L)', :'right', 'mine')),
    test.refusal(format('SELECT murallink.withdraw_funding(%L, 1, NULL, %L, %L)', :'closing', 'mine', 'W-9'));
RESET SESSION AUTHORIZATION;
SET ROLE murallink_owner;
SELECT n, test.refusal(format('INSERT INTO murallink.funding (contract_uid, client_uid, amount, currency, movement, note, reference, corrects_uid)'
    ' VALUES (%L, %L, %s, ''USD'', %L, %L, %L, %L)', :'closing', :'client', amount, movement, note, reference, corrects))
FROM (VALUES (1, 999, 'correct', 'n', '', :'right'), (2, 10000, 'correct', 'n', '', :'wrong'), (3, 1000, 'correct', 'n', '', :'closing'),
    (4, 1000, 'correct', '', '', :'right'), (5, 1000, 'correct', 'n', '', NULL), (6, 1, 'withdraw', 'n', '', NULL), (7, 1, 'withdraw', '', 'W-9', NULL),
    (8, 0.01, 'withdraw', 'n', 'W-2', NULL), (9, 1, 'reserve', 'n', 'W-9', NULL), (10, 1000, 'correct', 'n', '', :'right'))
    AS bad (n, amount, movement, note, reference, corrects) ORDER BY n;
RESET ROLE;

-- Funds that become low: once until they have risen; in the currency of the contract only
CREATE FUNCTION pg_temp.watch() RETURNS TABLE (low numeric, events bigint, last numeric, person text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink_private.funds_watch();
    RETURN QUERY
    SELECT c.funds_low, (SELECT count(*) FROM murallink_private.event e WHERE e.resource_uid = c.uid),
        (SELECT e.amount FROM murallink_private.event e WHERE e.resource_uid = c.uid AND e.event = 'funds.low' AND e.currency = 'USD' AND e.contract_uid = c.uid
            ORDER BY e."position" DESC, e.step DESC LIMIT 1),
        (SELECT n.why || '; ' || n.remedy FROM murallink.needs_person n WHERE n.kind = 'funds' AND n.uid = c.uid)
    FROM murallink.contract c WHERE c.name = 'Low';
END
$$;
SET SESSION AUTHORIZATION regress_fund_user;
SELECT test.refusal(format('SELECT murallink.set_low_funds(%L, 10, %L)', :'contract', 'mine'));
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT uid AS low, low_funds FROM murallink.create_contract(:'client', 'Low', currency => 'USD') \gset
SELECT n, test.refusal(format('SELECT murallink.set_low_funds(%s)', format(args, :'low'))) FROM (VALUES (1, '%L, 10'), (2, '%L, 0, ''n'''), (3, '%L, -1, ''n'''),
    (4, '%L, 0.001, ''n'''), (5, '''000000000000000000000000000'', 1, ''n'''), (6, 'NULL, 1, ''n'''), (7, '%L, ''NaN'', ''n''')) AS bad (n, args) ORDER BY n;
SELECT murallink.add_funding(:'low', 1000), murallink.add_funding(:'low', 5, 'EUR');
SELECT low_funds FROM murallink.set_low_funds(:'low', 100.5, 'the sponsor asks');
SELECT low_funds FROM murallink.get_contract(:'low');
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.watch();
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT count(murallink.withdraw_funding(:'low', 899.50, note => 'n', reference => 'L-1'));
RESET SESSION AUTHORIZATION;
SELECT available, low_funds, is_low FROM murallink.funding_runway WHERE contract_uid = :'low' ORDER BY currency;
SELECT * FROM pg_temp.watch();
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT count(murallink.withdraw_funding(:'low', 0.01, note => 'n', reference => 'L-2'));
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.watch();
SELECT available, low_funds, is_low FROM murallink.funding_runway WHERE contract_uid = :'low' ORDER BY currency;
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT count(murallink.withdraw_funding(:'low', 50, note => 'n', reference => 'L-3'));
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.watch();
-- risen, and low again; off; a currency with fewer decimals
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT murallink.add_funding(:'low', 50.01);
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.watch();
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT count(murallink.withdraw_funding(:'low', 100, note => 'n', reference => 'L-4'));
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.watch();
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT low_funds IS NULL AS off FROM murallink.set_low_funds(:'low', NULL, 'not needed');
RESET SESSION AUTHORIZATION;
SELECT * FROM pg_temp.watch();
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT uid AS never FROM murallink.create_contract(:'client', 'Never funded', currency => 'USD') \gset
SELECT count(murallink.set_low_funds(:'never', 1.5, 'n'));
SELECT test.refusal(format('SELECT murallink.edit_contract(%L, currency => %L)', :'never', 'JPY'));
SELECT count(murallink.set_low_funds(:'never', NULL, 'n'));
RESET SESSION AUTHORIZATION;

-- The books name what does not agree
SELECT damage, test.problems(statement) FROM (VALUES
    (1, 'a withdrawal grew', format('UPDATE murallink.funding SET amount = 400 WHERE uid = %L', :'withdrawn')),
    (2, 'the entry of a withdrawal is gone', format('DELETE FROM murallink.fund_entry WHERE source_uid = %L', :'withdrawn')),
    (3, 'a withdrawal is gone', format('DELETE FROM murallink.funding WHERE uid = %L', :'withdrawn')),
    (4, 'a correction is gone', format('DELETE FROM murallink.funding WHERE corrects_uid = %L', :'wrong')),
    (5, 'a correction added', format('UPDATE murallink.funding SET movement = ''deposit'' WHERE corrects_uid = %L', :'wrong')),
    (6, 'a correction of a correction', format('UPDATE murallink.funding SET corrects_uid = %L, note = ''x'' WHERE uid = %L', :'back', :'right')),
    (7, 'withdrawn twice', format('INSERT INTO murallink.fund_entry (uid, contract_uid, client_uid, currency, movement, amount, source_uid, at)'
        ' SELECT murallink.gen_ksuid(), contract_uid, client_uid, currency, ''withdraw'', amount, %L, at FROM murallink.fund_entry WHERE source_uid = %L',
        :'closing', :'withdrawn')))
    AS damages (n, damage, statement) ORDER BY n;
SELECT * FROM murallink.verify_ledger();

DROP ROLE regress_fund_admin, regress_fund_user;
