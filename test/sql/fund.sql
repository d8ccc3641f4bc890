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
SELECT e.currency, movement, e.amount, e.client_uid = :'client' AS of_client, f.uid IS NOT NULL AS of_funding
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

DROP ROLE regress_fund_admin, regress_fund_user;
