-- Funds: deposits, how they are spread over slots, and that no door lets more out than came in.
\set SHOW_CONTEXT never
CREATE ROLE regress_fund_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_fund_nobody LOGIN IN ROLE murallink_client;
SELECT email FROM murallink.create_admin('fund.admin@example.com', 'correct horse', 'Frida', 'Fund');
SELECT murallink.set_db_role('fund.admin@example.com', 'regress_fund_admin');

CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text;
    field text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME, field = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, error, field);
END
$$;

-- A contract, and a patient who can be paid from it
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Fund Pharma') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Funded', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Funds') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Vault') \gset
SELECT uid AS patient FROM murallink.add_patient(site_uid => :'site', first_name => 'Penny', last_name => 'Lane') \gset
SELECT murallink.enroll(patient_uid => :'patient', trial_uid => :'trial', site_uid => :'site', subject_id => 'F-1');

-- Deposits: the contract's currency by default, each currency by itself, every unit in some slot
SELECT murallink.add_funding(contract_uid => :'contract', amount => 1000.01);
SELECT murallink.add_funding(contract_uid => :'contract', amount => 0.02, currency => 'USD');
SELECT murallink.add_funding(contract_uid => :'contract', amount => 13, currency => 'JPY');
SELECT murallink.add_funding(contract_uid => :'contract', amount => 0.001, currency => 'KWD');
SELECT murallink.add_funding(contract_uid => :'contract', amount => 999999999999.99, currency => 'EUR');
RESET SESSION AUTHORIZATION;
SELECT currency, funded, reserved, disbursed, available FROM murallink.fund_balance
WHERE contract_uid = :'contract' ORDER BY currency;
SELECT currency, count(*) AS slots, min(funded), max(funded), sum(funded),
    bool_and(scale(trim_scale(funded)) <= murallink.currency_decimals(currency)) AS fits
FROM murallink.fund_slot WHERE contract_uid = :'contract' GROUP BY currency ORDER BY currency;
SELECT currency, movement, amount, slot, client_uid = :'client' AS of_client FROM murallink.fund_entry
WHERE contract_uid = :'contract' ORDER BY currency, amount;

-- Who may deposit what
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT amount, currency, pg_temp.refusal(format('SELECT murallink.add_funding(%L, %L, %L)', :'contract', amount, currency))
FROM (VALUES
    (0, 'USD'), (-1, 'USD'), (0.001, 'USD'), (0.5, 'JPY'), (0.0001, 'KWD'), ('NaN', 'USD'), ('Infinity', 'USD'),
    ('-Infinity', 'USD'), (1e12, 'USD'), (1e1000, 'USD'), (1e-1000, 'USD'), (NULL, 'USD'),
    (1, 'usd'), (1, 'US'), (1, 'XXX'), (1, 'USDX'), (1, ' USD ')) AS deposit (amount, currency);
SELECT pg_temp.refusal('SELECT murallink.add_funding(NULL, 1)');
SELECT pg_temp.refusal(format('SELECT murallink.add_funding(%L, 1)', uid)) FROM (VALUES
    (:'client'), (:'trial'), (:'patient'), (murallink.gen_ksuid()::text)) AS other (uid);
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_fund_nobody;
SELECT murallink.add_funding(contract_uid => :'contract', amount => 1);
RESET SESSION AUTHORIZATION;
SELECT email FROM murallink.register('fund.nobody@example.com', 'correct horse', 'Nora', 'Nobody');
SELECT murallink.set_db_role('fund.nobody@example.com', 'regress_fund_nobody');
SET SESSION AUTHORIZATION regress_fund_nobody;
SELECT murallink.add_funding(contract_uid => :'contract', amount => 1);
RESET SESSION AUTHORIZATION;

-- More than any slot holds is gathered, whatever the slots hold; to the last unit and not one further
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT amount, reserve.status FROM murallink.manual_payment(:'patient', :'trial', 333.35) AS reserve;
SELECT amount, reserve.status FROM murallink.manual_payment(:'patient', :'trial', 333.34) AS reserve;
SELECT murallink.manual_payment(:'patient', :'trial', 333.35);
SELECT amount, reserve.status FROM murallink.manual_payment(:'patient', :'trial', 333.34) AS reserve;
SELECT murallink.manual_payment(:'patient', :'trial', 0.01);
SELECT amount, reserve.status FROM murallink.manual_payment(:'patient', :'trial', 13, 'JPY') AS reserve;
SELECT murallink.manual_payment(:'patient', :'trial', 1, 'JPY');
SELECT amount, reserve.status FROM murallink.manual_payment(:'patient', :'trial', 0.001, 'KWD') AS reserve;
SELECT amount, reserve.status FROM murallink.manual_payment(:'patient', :'trial', 999999999999.99, 'EUR') AS reserve;
SELECT murallink.manual_payment(:'patient', :'trial', 1, 'CHF');

-- In small steps, through a second deposit, until nothing is left
SELECT murallink.add_funding(contract_uid => :'contract', amount => 10);
SELECT count(*) AS paid FROM generate_series(1, 14), murallink.manual_payment(:'patient', :'trial', 0.7);
SELECT murallink.manual_payment(:'patient', :'trial', 0.7);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 0.2);
RESET SESSION AUTHORIZATION;
SELECT currency, funded, reserved, disbursed, available FROM murallink.fund_balance
WHERE contract_uid = :'contract' ORDER BY currency;

-- What is given back can be reserved again, as one amount
SELECT uid AS given_back FROM murallink.payment WHERE contract_uid = :'contract' AND amount IN (333.34, 333.35) \gset back_
SET SESSION AUTHORIZATION regress_fund_admin;
SELECT rejected.status FROM murallink.get_patient_payments(:'patient', :'trial') p, murallink.reject_payment(p.uid) AS rejected
WHERE p.amount IN (0.7, 333.34);
SELECT murallink.manual_payment(:'patient', :'trial', 676.49);
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 676.48);
RESET SESSION AUTHORIZATION;
SELECT funded, reserved, disbursed, available FROM murallink.fund_balance WHERE contract_uid = :'contract' AND currency = 'USD';

-- An order to which slots cannot be added: the setting is read when a fund is first deposited into
SELECT name, setting, min_val, max_val, context FROM pg_settings WHERE name = 'murallink.fund_slots';

-- Balances and entries are written by murallink alone; what was deposited is kept; not even an owner or superuser may
CREATE FUNCTION pg_temp.refusals() RETURNS TABLE (relation text, write text, refusal text) LANGUAGE sql AS $$
    SELECT relation, split_part(write, ' ', 1), pg_temp.refusal(format(write, 'murallink.' || relation))
    FROM unnest('{fund,fund_slot,fund_entry,funding}'::text[]) AS relation,
        unnest('{INSERT INTO %1$s SELECT * FROM %1$s,UPDATE %s SET currency = currency,DELETE FROM %s,TRUNCATE %s CASCADE}'::text[])
        AS write
$$;
SELECT * FROM pg_temp.refusals();
SET ROLE murallink_owner;
SELECT * FROM pg_temp.refusals() EXCEPT SELECT * FROM pg_temp.refusals();
