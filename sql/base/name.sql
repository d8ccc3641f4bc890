-- Search by name.

CREATE FUNCTION murallink_private.name_folded(name text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'name_folded';
COMMENT ON FUNCTION murallink_private.name_folded(text) IS
'A name as it is searched for and sorted: in one case, without accents (also of Arabic and Hebrew) and characters of no width, with one character for all apostrophes, one for all quotation marks and one for all dashes, and one blank before, between and after its words.';

CREATE FUNCTION murallink_private.name_parts(name text) RETURNS bigint[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'name_parts';
COMMENT ON FUNCTION murallink_private.name_parts(text) IS 'The parts of a name, of one to three letters each, packed into numbers, for its index.';

CREATE FUNCTION murallink_private.pattern_parts(pattern text) RETURNS bigint[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'pattern_parts';
COMMENT ON FUNCTION murallink_private.pattern_parts(text) IS
'The parts of a folded pattern, which are among the parts of every name that has the pattern in it.';

CREATE FUNCTION murallink_private.name_has(name text, patterns text[]) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'name_has';
COMMENT ON FUNCTION murallink_private.name_has(text, text[]) IS 'Whether a name, once folded, has one of these folded patterns in it.';

CREATE FUNCTION murallink_private.name_patterns(word text) RETURNS text[]
LANGUAGE sql STABLE AS $$
    SELECT ARRAY[word] || ARRAY(
        SELECT DISTINCT pg_catalog.format(' %s ', other.name) COLLATE "C"
        FROM murallink_private.nickname own JOIN murallink_private.nickname other USING (formal_name)
        WHERE own.name = word AND other.name <> word ORDER BY 1)
$$;
COMMENT ON FUNCTION murallink_private.name_patterns(text) IS
'The patterns for a word of a search: the word anywhere in a name, and each equivalent name as a whole word.';

CREATE FUNCTION murallink_private.name_condition(query text, name text, OUT condition text, OUT verbatim text)
LANGUAGE sql STABLE AS $$
    SELECT
        coalesce(pg_catalog.string_agg(pg_catalog.format('(%s) AND murallink_private.name_has(%s, %L)', (
            SELECT pg_catalog.string_agg(
                pg_catalog.format('murallink_private.name_parts(%s) @> %L', $2, murallink_private.pattern_parts(pattern)), ' OR ')
            FROM pg_catalog.unnest(patterns) AS pattern), $2, patterns), ' AND ' ORDER BY patterns COLLATE "C"), 'true'),
        coalesce(pg_catalog.string_agg(
            pg_catalog.format('murallink_private.name_has(%s, %L)', $2, patterns[1:1]), ' AND ' ORDER BY patterns COLLATE "C"), 'true')
    FROM (
        SELECT DISTINCT murallink_private.name_patterns(word) AS patterns
        FROM pg_catalog.string_to_table(pg_catalog.btrim(murallink_private.name_folded(query)), ' ') AS word WHERE word <> '') AS words
$$;
COMMENT ON FUNCTION murallink_private.name_condition(text, text) IS
'The SQL condition under which a name has every word of the query, in it or by a nickname; verbatim: the condition that needs no nickname. name: the name, as an SQL expression that an index on name_parts() has.';
