-- Patients who may be one person.

CREATE TYPE murallink.similar_patient AS (uid murallink.ksuid, first_name text, last_name text, by text[]);
COMMENT ON TYPE murallink.similar_patient IS
'A patient who may be the same person as another. by: what is the same: address, email, name, phone.';

CREATE DOMAIN murallink.optional_similar AS murallink.similar_patient[];
COMMENT ON DOMAIN murallink.optional_similar IS 'Similar patients, which the JSON protocol omits if there are none.';

CREATE TYPE murallink.similar_pair AS (patient_uid murallink.ksuid, similar_uid murallink.ksuid, by text[]);
COMMENT ON TYPE murallink.similar_pair IS 'Two patients who may be one person. by: what is the same: address, email, name, phone.';

CREATE FUNCTION murallink_private.name_words(name text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY(
    SELECT DISTINCT word FROM pg_catalog.string_to_table(pg_catalog.translate(murallink_private.name_folded(name), '.,', '  '), ' ') AS word
    WHERE word <> '');
COMMENT ON FUNCTION murallink_private.name_words(text) IS 'The words of a name, folded, each once, in no particular order.';

CREATE FUNCTION murallink_private.name_letters(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN NULLIF(pg_catalog.replace(murallink_private.words(murallink_private.name_folded(name)), ' ', ''), '');
COMMENT ON FUNCTION murallink_private.name_letters(text) IS
'The letters and digits of a name, folded, with nothing between them; null if there are none.';

CREATE FUNCTION murallink_private.same_name(one text, other text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(pg_catalog.bool_and(EXISTS (
        SELECT FROM pg_catalog.unnest(b.words) AS w
        WHERE w = v.word OR pg_catalog.format(' %s ', w) = ANY (murallink_private.name_patterns(v.word)))), false)
        OR murallink_private.name_letters(one) = murallink_private.name_letters(other)
    FROM (SELECT murallink_private.name_words(one) AS words) a, (SELECT murallink_private.name_words(other) AS words) b,
        pg_catalog.unnest(a.words) AS v (word)
    WHERE pg_catalog.cardinality(a.words) <= pg_catalog.cardinality(b.words)
$$;
COMMENT ON FUNCTION murallink_private.same_name(text, text) IS
'Whether each word of a name is in another one, in any order and case, without accents, or by a nickname; or both are spelled with the same letters, whatever is between them.';

CREATE FUNCTION murallink_private.similar_to(patient_uid murallink.ksuid) RETURNS SETOF murallink.similar_patient
LANGUAGE sql STABLE AS $$
    SELECT s.uid, s.first_name, s.last_name, s.by
    FROM murallink.patient p, LATERAL (
        SELECT q.uid FROM murallink.patient q WHERE q.email = p.email AND q.email <> ''
        UNION
        SELECT q.uid FROM murallink.patient q
        WHERE q.phone <> '' AND murallink_private.phone_key(q.phone) = murallink_private.phone_key(p.phone)
        UNION
        SELECT q.uid FROM murallink.patient q
        WHERE q.address IS NOT NULL AND murallink_private.address_key(q.address) = murallink_private.address_key(p.address)
    ) found, LATERAL (
        SELECT q.uid, q.first_name, q.last_name, pg_catalog.array_remove(ARRAY[
            CASE WHEN murallink_private.address_key(q.address) = murallink_private.address_key(p.address) THEN 'address' END,
            CASE WHEN q.email = p.email AND q.email <> '' THEN 'email' END,
            CASE WHEN murallink_private.same_name(q.first_name || ' ' || q.last_name, p.first_name || ' ' || p.last_name)
                OR murallink_private.same_name(p.first_name || ' ' || p.last_name, q.first_name || ' ' || q.last_name) THEN 'name' END,
            CASE WHEN murallink_private.phone_key(q.phone) = murallink_private.phone_key(p.phone) THEN 'phone' END], NULL) AS by
        FROM murallink.patient q WHERE q.uid = found.uid
    ) s
    WHERE p.uid = similar_to.patient_uid AND s.uid <> p.uid AND s.by <> '{address}'
    ORDER BY pg_catalog.cardinality(s.by) DESC, s.uid LIMIT 100
$$;
COMMENT ON FUNCTION murallink_private.similar_to(murallink.ksuid) IS
'The patients who have the phone number, the e-mail address, or the name and the address of a patient, however spelled; those with most in common first, 100 at most.';

CREATE FUNCTION murallink.similar_patients(patient_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.similar_pair
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF similar_patients.patient_uid IS NOT NULL
        AND NOT EXISTS (SELECT FROM murallink.patient p WHERE p.uid = similar_patients.patient_uid) THEN
        PERFORM murallink_private.raise('not_found', 'patient_uid');
    END IF;
    RETURN QUERY
    SELECT p.uid, s.uid, s.by FROM murallink.patient p, LATERAL murallink_private.similar_to(p.uid) s
    WHERE CASE WHEN similar_patients.patient_uid IS NULL THEN p.uid < s.uid ELSE p.uid = similar_patients.patient_uid END
    ORDER BY pg_catalog.cardinality(s.by) DESC, p.uid, s.uid;
END
$$;
COMMENT ON FUNCTION murallink.similar_patients(murallink.ksuid) IS
'The pairs of patients who may be one person: with the same phone number, the same e-mail address, or the same name and address, however spelled; families may share the first two. Those with most in common come first. patient_uid: only those similar to this patient; default: all pairs. For operators; merge_patients() merges two. Errors: not_found.';
