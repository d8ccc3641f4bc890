-- The list of ways to be paid.

CREATE TYPE murallink.payment_type_info AS (uid murallink.ksuid, name text, description text);
COMMENT ON TYPE murallink.payment_type_info IS 'A way for patients to receive their money.';

CREATE FUNCTION murallink.get_payment_types() RETURNS SETOF murallink.payment_type_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 AS $$
BEGIN
    PERFORM murallink_private.require_caller();
    RETURN QUERY SELECT uid, name, description FROM murallink_private.payment_type ORDER BY sort_order;
END
$$;
COMMENT ON FUNCTION murallink.get_payment_types() IS
'The ways for patients to receive their money, always in the same order (document: Get Payment Types). Errors: unauthenticated.';
