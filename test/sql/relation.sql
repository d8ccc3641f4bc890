-- What PostgREST embeds where no foreign key says so.
\set SHOW_CONTEXT never
CREATE ROLE regress_relation_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE regress_relation_site LOGIN IN ROLE murallink_client, murallink_analyst;
SELECT email FROM murallink.create_admin('admin.relation@example.com', 'correct horse', 'Ada', 'Admin');
SELECT uid AS rita FROM murallink.register('site.relation@example.com', 'correct horse', 'Rita', 'Relation') \gset
SELECT murallink.set_db_role(name || '.relation@example.com', 'regress_relation_' || name) FROM unnest('{admin,site}'::text[]) AS name;

CREATE FUNCTION pg_temp.called(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        RETURN QUERY SELECT line WHERE line LIKE '%Function Scan%';
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION pg_temp.called TO PUBLIC;

-- Each relation has a function, by the name of what it leads to, for readers, with their own rights
SELECT proname AS relation, string_agg(split_part(proargtypes[0]::regtype::text, '.', 2), ' ' ORDER BY proargtypes[0]::regtype::text COLLATE "C") AS of,
    bool_and(NOT prosecdef AND provolatile = 's' AND proconfig IS NULL AND proretset) AS inlined,
    bool_and(has_function_privilege('murallink_analyst', p.oid, 'EXECUTE') AND has_function_privilege('murallink_operator', p.oid, 'EXECUTE')
        AND NOT has_function_privilege('murallink_client', p.oid, 'EXECUTE')) AS for_readers
FROM pg_proc p JOIN pg_class c ON c.reltype = proargtypes[0]
WHERE pronamespace = 'murallink'::regnamespace AND pronargs = 1 AND c.relkind <> 'c' GROUP BY proname ORDER BY proname COLLATE "C";

-- They show what the tables show, and become part of the query
SET SESSION AUTHORIZATION regress_relation_admin;
SELECT uid AS client FROM murallink.create_client('Related') \gset
SELECT uid AS contract FROM murallink.create_contract(:'client', 'Related', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(:'contract', 'Sleep') \gset
SELECT uid AS site FROM murallink.create_site('Here', :'trial') \gset
SELECT uid AS pat FROM murallink.add_patient(:'site', 'Pat', 'Related', trial_uid => :'trial', subject_id => 'R-1') \gset
SELECT murallink.add_funding(:'contract', 100), murallink.grant(:'site', permissions => '{view_payments,view_sites}', user_uid => :'rita');
SELECT (murallink.manual_payment(:'pat', :'trial', amount)).status FROM unnest('{5,6}'::numeric[]) AS amount;
SELECT format('FROM murallink.payment p LEFT JOIN murallink.trial(p) t ON true LEFT JOIN murallink.site(p) s ON true LEFT JOIN murallink.patient(p) a ON true
    LEFT JOIN murallink.requester(p) u ON true WHERE p.site_uid = %L', :'site') AS related \gset
SELECT p.amount, t.name, s.name, a.first_name, u.email, (SELECT count(*) FROM murallink.payment(s)) :related ORDER BY 1;
SET SESSION AUTHORIZATION regress_relation_site;
SELECT p.amount, t.name, s.name, a.first_name, u.email, (SELECT count(*) FROM murallink.payment(s)) :related ORDER BY 1;
SELECT pg_temp.called('SELECT t.name, s.name, a.first_name ' || :'related') AS called;
SELECT pg_temp.called(format('SELECT p.amount, t.name, a.first_name FROM murallink.payment p LEFT JOIN LATERAL (SELECT x.name FROM murallink.trial(p) x) t ON true
    LEFT JOIN LATERAL (SELECT y.first_name FROM murallink.patient(p) y) a ON true WHERE p.site_uid = %L', :'site')) AS called_by_postgrest;

-- Made again, they are the same
RESET SESSION AUTHORIZATION;
SELECT count(*) AS functions FROM pg_proc WHERE pronamespace = 'murallink'::regnamespace \gset
SET ROLE murallink_owner;
SET client_min_messages = warning;
SELECT murallink_private.make_relations();
RESET ROLE;
SELECT count(*) = :functions AS the_same FROM pg_proc WHERE pronamespace = 'murallink'::regnamespace;
DROP ROLE regress_relation_admin, regress_relation_site;
