-- Texts that name something: what is kept of them, what is the same, and what is refused.
\set SHOW_CONTEXT never

-- NFC, one blank for each run of them, none at the ends
SELECT format('"%s"', murallink_private.label(value)) AS label, format('"%s"', murallink_private.label_key(value)) AS key
FROM (VALUES (1, 'Week 1'), (2, ' week  1 '), (3, E'Week\u00a01'), (4, E'\u2003WEEK\t\u20281\n'), (5, E'Cafe\u0301 visit 1'), (6, 'CAFÉ VISIT 1'),
    (7, 'Ｗｅｅｋ　１'), (8, E'\u2800Straße'), (9, 'İstanbul'), (10, 'ISTANBUL'), (11, 'ΟΔΥΣΣΕΎΣ'), (12, 'Οδυσσεύς'), (13, ''), (14, E' \u3000 '),
    (15, repeat('ﷺ', 2))) AS given (n, value) ORDER BY n;
SELECT bool_and(murallink_private.label(murallink_private.label(value)) = murallink_private.label(value)) AS label_of_label, count(*)
FROM (SELECT chr(n) || ' ' || chr(n) || 'x' AS value FROM generate_series(1, 65535) AS n WHERE n NOT BETWEEN 55296 AND 57343) AS each;

-- One sign for what keyboards, phones and word processors write for an apostrophe, a quotation mark, or a dash
SELECT min(murallink_private.label_key(written)) AS key, count(*), count(DISTINCT murallink_private.label_key(written)) AS keys,
    bool_and(murallink_private.label(written) = written) AS labels_as_written
FROM (VALUES ('Patient''s visit', '''', U&'`\00b4\02b9\02bc\2018\2019\201b\2032\ff07'), ('Day "A"', '"', U&'\201c\201d\201e\00ab\00bb\ff02'),
    ('S-001', '-', U&'\2010\2011\2012\2013\2014\2212\fe63\ff0d')) AS sign (kept, plain, others),
    LATERAL (SELECT kept AS written UNION ALL SELECT replace(kept, plain, other) FROM string_to_table(others, NULL) AS other) AS spelled
GROUP BY kept ORDER BY kept COLLATE "C";
SELECT murallink_private.words(E'don\u02bct \u00abSTOP\u00bb') AS words;

-- Any text, in a time that grows with its length: also marks of which each would be sorted among all before it
SET statement_timeout = '60s';
SELECT form, length(CASE form WHEN 'label' THEN murallink_private.label(marks) WHEN 'key' THEN murallink_private.label_key(marks)
    WHEN 'words' THEN murallink_private.words(marks) ELSE murallink_private.name_folded('x' || marks) END)
FROM unnest('{label,key,words,name}'::text[]) AS form, repeat(U&'\0301\0323', 50000) AS marks;
RESET statement_timeout;

-- What cannot be seen names nothing: controls, no width, directions, variants, fillers, what is not assigned
SELECT n, murallink_private.is_label('Week' || unseen || '1') AS label, murallink_private.is_visible(unseen) AS visible
FROM (VALUES (1, E'\u200b'), (2, E'\u00ad'), (3, E'\ufeff'), (4, E'\u202e'), (5, E'\u2066'), (6, E'\ufe0f'), (7, E'\U000E0100'), (8, E'\u0001'),
    (9, E'\u0085'), (10, E'\u200d'), (11, E'\u3164'), (12, E'\u115f'), (13, E'\U000E0041'), (14, E'\u0378'), (15, E'\u00a0'), (16, '  '),
    (17, E'\u0301\u0301')) AS given (n, unseen) ORDER BY n;
SELECT value, murallink_private.is_label(value) FROM unnest('{Week 1,S-0001,文 太郎,Ĳ,Ёлка,ภาษา,देवनागरी,"", x,"x ",x  y,٣}'::text[]) AS value;

-- As a field
SELECT value, format('"%s"', murallink_private.checked_label(value, 'f', 10, false)) AS kept,
    test.refusal(format('SELECT murallink_private.checked_label(%L, ''f'', 10, true)', value)) AS required
FROM (VALUES (NULL), (''), (' a  b '), (E'\u00a0'), (E'a\u2003\u2003b')) AS given (value);
SELECT test.refusal(format('SELECT murallink_private.checked_label(%L, ''f'', 10, false)', value)) AS refused
FROM unnest(ARRAY[E'a\u200bb', E'a\u202eb', E'a\u0007b', '12345678901', E'\u200b']) AS value;

-- A name of a person has something to see; who has one name has no last one
SELECT format('"%s"', murallink_private.checked_name(value, 'last_name', false)) AS last_name,
    test.refusal(format('SELECT murallink_private.checked_name(%L, ''first_name'', true)', value)) AS first_name
FROM unnest(ARRAY['Suharto', 'Đỗ', '', '  ', E'\u00a0', E'\u200b', E'\u3164', E'\u2800', E'\u0085', E'\u2028', E'\ufe0f\u200d']) AS value;
SELECT test.refusal('SELECT murallink_private.checked_name(NULL, ''last_name'', false)');
-- It is kept in NFC, which partners print on cards, with one blank for each run of them, and with its joiners
SELECT murallink_private.checked_name(E' Jose\u0301\u00a0 Mari\u0301a\u3000', 'first_name', true) = 'José María' AS nfc,
    murallink_private.checked_name(E'\u0645\u06cc\u200c\u0631', 'first_name', true) = E'\u0645\u06cc\u200c\u0631' AS joiners;
-- It is one line, which nothing turns around: mail and lists show it as it is. Joiners and marks of direction are spelling
SELECT n, test.refusal(format('SELECT murallink_private.checked_name(%L, ''last_name'', false)', 'A' || breaks || 'B')) AS name,
    test.refusal(format('INSERT INTO murallink.%s', replace(statement, '?', quote_literal('A' || breaks || 'B')))) AS by_hand
FROM (VALUES (1, E'\n'), (2, E'\r'), (3, E'\t'), (4, E'\u0085'), (5, E'\u2028'), (6, E'\u2029'), (7, E'\u202e'), (8, E'\u202a'), (9, E'\u2066'),
    (10, E'\u2069'), (11, E'\u0001'), (12, E'\u009b')) AS given (n, breaks),
    unnest(ARRAY['app_user (email, first_name) VALUES (''line@example.com'', ?)', 'app_user (email, last_name) VALUES (''line@example.com'', ?)',
    'patient (first_name, last_name) VALUES (?, ''x'')', 'patient (first_name, last_name) VALUES (''x'', ?)',
    'caregiver (patient_uid, first_name, last_name) VALUES (murallink.gen_ksuid(), ?, ''x'')',
    'caregiver (patient_uid, first_name, last_name) VALUES (murallink.gen_ksuid(), ''x'', ?)']) WITH ORDINALITY AS t (statement, kind)
WHERE n < 3 OR kind = 1 + n % 6 ORDER BY n, kind;
SELECT bool_and(murallink_private.is_name('A' || kept || 'B')) FROM unnest(ARRAY[E'\u200c', E'\u200d', E'\u200e', E'\u00a0', '''', '-', '.', E'\u0301']) AS kept;

-- Letters of ASCII only, in every locale
SELECT murallink_private.lowered('ABCXYZ İIıi ÄÖ K ſ Σ');

-- What a locale decides is decided by none: no function, constraint, index or policy folds case by that of the database
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND p.proname <> 'lowered' AND
    regexp_replace(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), '\w+\([^()]*(\([^()]*\))?[^()]* COLLATE "C"\)|COLLATE "C"\)? !?~\*', '', 'g')
    ~ '\m(lower|upper|initcap)\(|~~?\*|\m(ILIKE|SIMILAR)\M';
SELECT conrelid::regclass, conname FROM pg_constraint
WHERE connamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND pg_get_constraintdef(oid) ~ '\m(lower|upper|initcap)\(|~~?\*';
SELECT indexrelid::regclass FROM pg_index
WHERE indrelid::regclass::text ~ '^murallink' AND pg_get_indexdef(indexrelid) ~ '\m(lower|upper|initcap)\(|~~?\*';
SELECT polname FROM pg_policy
WHERE concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~ '\m(lower|upper|initcap)\(|~~?\*';
SELECT c.oid::regclass FROM pg_class c
WHERE c.relkind = 'v' AND c.relnamespace = 'murallink'::regnamespace AND pg_get_viewdef(c.oid) ~ '\m(lower|upper|initcap)\(|~~?\*';

-- A refusal says what is expected
CREATE FUNCTION pg_temp.hint(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE 'SELECT ' || expression;
    RETURN NULL;
EXCEPTION WHEN SQLSTATE 'PT400' OR SQLSTATE 'PT409' THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN hint;
END
$$;
SELECT expression, pg_temp.hint('murallink_private.' || expression) FROM unnest(ARRAY[
    $$checked_label(E'a\u200bb', 'f', 10, true)$$, $$checked_name(E'a\nb', 'f', true)$$, $$checked_line(E'a\u202eb', 'f', 10)$$,
    $$checked_date('infinity', 'f')$$, $$checked_time_zone('CEST', 'f')$$, $$unchanged('"a"', '{b}', 'f')$$, $$checked_file('QQ ==', 'f')$$,
    $$checked_file('Q', 'f')$$, $$checked_file_name('a/b', 'f')$$, $$template_checked('{x}', 'body', 10, 'payment')$$, $$refuse_visit('invalid_value')$$,
    $$refuse_visit('not_enrolled')$$]) AS expression;
