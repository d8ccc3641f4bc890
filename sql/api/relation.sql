-- Relations that no foreign key gives, for PostgREST: payment?select=amount,trial(name),site(name).

CREATE FUNCTION murallink_private.make_relation(
    name text, from_relation text, from_column text, to_relation text, to_column text, many boolean, words text
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE pg_catalog.format(
        'CREATE OR REPLACE FUNCTION murallink.%I(murallink.%I) RETURNS SETOF murallink.%I LANGUAGE sql STABLE PARALLEL SAFE ROWS %s AS %L',
        name, from_relation, to_relation, CASE WHEN many THEN 100 ELSE 1 END, pg_catalog.format(
            'SELECT t.* FROM murallink.%I t WHERE t.%I OPERATOR(pg_catalog.=) ($1).%I', to_relation, to_column, from_column));
    EXECUTE pg_catalog.format('COMMENT ON FUNCTION murallink.%I(murallink.%I) IS %L', name, from_relation, pg_catalog.format(
        '%s of a row of %s, as far as the caller sees it. For PostgREST: %s?select=*,%s(*).', words, from_relation, from_relation, name));
END
$$;
COMMENT ON FUNCTION murallink_private.make_relation(text, text, text, text, text, boolean, text) IS
'Makes the function by which PostgREST embeds rows of to_relation in those of from_relation. name: of the function; from_column, to_column: what is equal; many: whether there may be several; words: for its comment. It is inlined into the calling query, and reads with the rights of the caller. Its body is a text, so that the columns and domains of tables can be changed.';

CREATE FUNCTION murallink_private.make_relations() RETURNS void
LANGUAGE sql VOLATILE AS $$
    WITH relation AS (
        SELECT c.oid, c.relname::text AS name FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'murallink'::pg_catalog.regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> 'needs_person'),
    known AS (
        SELECT r.name AS from_relation, a.attname::text AS from_column, t.name AS to_relation
        FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid JOIN relation t ON a.attname = t.name || '_uid'
        WHERE NOT a.attisdropped AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint k
            WHERE k.contype = 'f' AND k.conrelid = r.oid AND k.confrelid = t.oid AND a.attnum = ANY (k.conkey)))
    SELECT murallink_private.make_relation(to_relation, from_relation, from_column, to_relation, 'uid', false,
        'The ' || pg_catalog.replace(to_relation, '_', ' ')) FROM known
    UNION ALL
    SELECT murallink_private.make_relation(from_relation, to_relation, 'uid', from_relation, from_column, true, 'What ' || from_relation || ' has')
    FROM known WHERE from_relation IN ('appointment', 'enrollment', 'payment', 'payout')
    UNION ALL
    SELECT murallink_private.make_relation(name, from_relation, column_name, 'app_user', 'uid', false, words)
    FROM (VALUES ('requester', 'requested_by_uid', 'The user who requested the payment'), ('decider', 'decided_by_uid', 'The user who decided last'))
        AS person (name, column_name, words), (VALUES ('payment'), ('reversal')) AS decided (from_relation)
$$;
COMMENT ON FUNCTION murallink_private.make_relations() IS
'Makes functions for the relations of tables and views that have no foreign key: of a column trial_uid the trial, and so on; and back to appointments, enrollments, payments and payouts. Called once the tables are made, and again when there are others.';
