-- Currencies and amounts.

CREATE FUNCTION murallink_private.currency_decimals(currency text) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'money_currency_decimals';
COMMENT ON FUNCTION murallink_private.currency_decimals(text) IS
'The decimals of a currency''s minor unit (USD 2, JPY 0, KWD 3), null for a code that is not in ISO 4217.';

CREATE FUNCTION murallink_private.amount_fits(amount numeric, currency text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'money_amount_fits';
COMMENT ON FUNCTION murallink_private.amount_fits(numeric, text) IS
'Whether an amount in currency units can be paid: above zero, below a million millions, no more decimals than the currency has.';

CREATE FUNCTION murallink_private.check_money(amount numeric, currency text) RETURNS void
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'money_check';
COMMENT ON FUNCTION murallink_private.check_money(numeric, text) IS
'Raises missing_field, unknown_currency or invalid_amount unless the amount (in currency units) can be paid.';

CREATE DOMAIN murallink.currency AS text CHECK (VALUE IS NULL OR murallink_private.currency_decimals(VALUE) IS NOT NULL);
COMMENT ON DOMAIN murallink.currency IS 'A currency code of ISO 4217.';

CREATE FUNCTION murallink_private.money_text(amount numeric, currency text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE currency WHEN 'USD' THEN '$' WHEN 'EUR' THEN '€' WHEN 'GBP' THEN '£' WHEN 'JPY' THEN '¥' ELSE currency || ' ' END
    || pg_catalog.to_char(amount, 'FM999,999,999,999,990'
        || CASE WHEN murallink_private.currency_decimals(currency) > 0
                THEN '.' || pg_catalog.repeat('0', murallink_private.currency_decimals(currency)) ELSE '' END);
COMMENT ON FUNCTION murallink_private.money_text(numeric, text) IS
'An amount as people write it: $371,000.00; a currency without a sign of its own shows its code.';

CREATE DOMAIN murallink.optional_amount AS numeric;
COMMENT ON DOMAIN murallink.optional_amount IS 'An amount that the JSON protocol omits if it is absent.';

CREATE DOMAIN murallink.numeric_text AS text;
COMMENT ON DOMAIN murallink.numeric_text IS 'A number that clients may also send as text.';
