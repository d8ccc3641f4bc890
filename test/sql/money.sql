-- Currencies and the amounts that can be paid in them.
\set SHOW_CONTEXT never

-- The codes of ISO 4217, as they are written there and in no other way
SELECT currency, murallink_private.currency_decimals(currency) FROM (VALUES
    ('USD'), ('EUR'), ('GBP'), ('CHF'), ('JPY'), ('KRW'), ('KWD'), ('TND'), ('CLF'), ('UYW'), ('ZWG'),
    ('usd'), ('Usd'), ('US'), ('USDX'), ('USD '), (' USD'), (' US'), ('U D'), ('   '), (''), ('XXX'), ('XTS'), ('XAU'), ('BTC'),
    ('DEM'), ('€'), ('€€€'), ('D U'), (NULL)) AS asked (currency);
SELECT count(*), array_agg(DISTINCT murallink_private.currency_decimals(code)) AS decimals
FROM (SELECT chr(a) || chr(b) || chr(c) AS code
      FROM generate_series(65, 90) AS a, generate_series(65, 90) AS b, generate_series(65, 90) AS c) AS codes
WHERE murallink_private.currency_decimals(code) IS NOT NULL;
SELECT 'EUR'::murallink.currency, test.refusal('SELECT ''EURO''::murallink.currency'), test.refusal('SELECT ''eur''::murallink.currency');

-- An amount is above zero, below a million millions, and no finer than its currency
SELECT amount, currency, murallink_private.amount_fits(amount, currency), test.refusal(format('SELECT murallink_private.check_money(%L, %L)', amount, currency))
FROM (VALUES
    (0.01, 'USD'), (1, 'USD'), (1.50, 'USD'), (1.500000, 'USD'), (999999999999.99, 'USD'), (1e2, 'USD'),
    (1, 'JPY'), (1.000, 'JPY'), (999999999999, 'JPY'), (0.001, 'KWD'), (12.345, 'KWD'), (0.0001, 'CLF'),
    (0, 'USD'), (0.00, 'USD'), (-0.01, 'USD'), (-1, 'JPY'), (0.001, 'USD'), (1.005, 'USD'), (0.5, 'JPY'), (0.0001, 'KWD'), (0.00001, 'CLF'),
    (1000000000000, 'USD'), (1e12, 'JPY'), (1e13, 'KWD'), ('NaN', 'USD'), ('Infinity', 'USD'), ('-Infinity', 'USD'),
    (1, 'usd'), (1, 'XXX'), (1, ''), (1, NULL), (NULL, 'USD'), (NULL, NULL), ('NaN', 'XXX')) AS asked (amount, currency);
SELECT murallink_private.amount_fits(1e400, 'USD') AS huge, murallink_private.amount_fits(1e-400, 'USD') AS tiny,
    murallink_private.amount_fits(1 + 1e-400, 'USD') AS nearly, murallink_private.amount_fits(1e131071, 'USD') AS greatest;
SELECT murallink_private.check_money(0, 'USD');
SELECT murallink_private.check_money(1, 'Dollar');

-- As people write it: the sign or the code of the currency, and its decimals
SELECT murallink_private.money_text(amount, currency) FROM (VALUES
    (371000, 'USD'), (0.5, 'USD'), (999999999999.99, 'USD'), (12, 'EUR'), (1234.5, 'GBP'), (1500, 'JPY'), (1234.5, 'KWD'), (1, 'CHF'),
    (0, 'USD'), (NULL, 'USD'), (1, NULL)) AS shown (amount, currency);
