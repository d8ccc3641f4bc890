-- Who may read which table, and execute which function of its rows. Revoke what default privileges have granted first.
DECLARE
    relation regclass;
    function regprocedure;
    grantee text;
BEGIN
    FOR relation, grantee IN
        SELECT DISTINCT c.oid::regclass, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
        FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
        WHERE c.relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND c.relkind <> 'c'
            AND a.grantee <> c.relowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', relation, grantee);
    END LOOP;
    -- Functions of rows run with the rights of their reader.
    FOR function IN
        SELECT p.oid FROM pg_catalog.pg_proc p
        WHERE p.pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND NOT p.prosecdef AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    LOOP
        FOR grantee IN
            SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
            FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
            WHERE p.oid = function AND a.grantee <> p.proowner
        LOOP
            EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM %s', function, grantee);
        END LOOP;
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO murallink_analyst, murallink_operator', function);
    END LOOP;
    -- Approvals stay as they were signed, and notes as they were written; this needs no trigger.
    REVOKE UPDATE, DELETE, TRUNCATE ON murallink_private.approval, murallink.enrollment_note, murallink.visit_due FROM murallink_owner;
    GRANT SELECT ON ALL TABLES IN SCHEMA murallink TO murallink_analyst, murallink_operator;
    -- The views of these names in murallink read them with the rights of the caller, so that their policies decide.
    GRANT SELECT ON murallink_private.approval, murallink_private.audit_event, murallink_private.payment, murallink_private.reversal
        TO murallink_analyst, murallink_operator;
    GRANT SELECT ON murallink_private.payout_sent TO murallink_analyst, murallink_operator;
    REVOKE SELECT ON murallink.needs_person FROM murallink_analyst;
    GRANT SELECT ON murallink.needs_person, murallink.fund_balance, murallink.fund, murallink.fund_slot TO murallink_monitor;
END;
