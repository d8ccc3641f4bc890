-- Names as they are searched for: folding, parts, nicknames and the condition that a search becomes.
\set SHOW_CONTEXT never

-- Lower case, without accents, one blank around each word
SELECT format('"%s"', murallink_private.name_folded(name)) FROM (VALUES
    (1, 'Bill Hicks'), (2, '  JO  ANN   O''Neil '), (3, 'Müller'), (4, E'Mu\u0308ller'), (5, 'Øystein Straße'), (6, 'ŁÓDŹ'), (7, 'D’Arcy'),
    (8, '文 太郎'), (9, ''), (10, '   '), (11, E'a\u00a0b'), (12, 'İI'), (13, E'\u0301'), (14, '100%_\'),
    (15, 'ЗОЯ ЁЛКИНА'), (16, 'ﬁ Ⅳ'), (17, E'A\u200Bn\u00ADna \uFEFF \u202EB\u2060')) AS named (n, name) ORDER BY n;
SELECT murallink_private.name_folded(NULL) IS NULL AS nothing, murallink_private.name_parts(NULL) IS NULL AS no_parts;

-- The parts of one, two and three letters, each once; a pattern has only its longest, which the name has too
SELECT name, cardinality(murallink_private.name_parts(name)) FROM (VALUES (''), ('x'), ('aaaa'), ('Bill')) AS named (name);
SELECT pattern, cardinality(murallink_private.pattern_parts(pattern)), murallink_private.name_parts('Bill Hicks') @> murallink_private.pattern_parts(pattern) AS found,
    murallink_private.name_has('Bill Hicks', ARRAY[pattern]) AS has
FROM (VALUES (1, 'b'), (2, 'il'), (3, 'ill'), (4, 'bill'), (5, ' bill '), (6, 'hicks '), (7, 'x'), (8, 'bx'), (9, 'billy'), (10, ' ill'),
    (11, 'hi')) AS asked (n, pattern) ORDER BY n;
SELECT murallink_private.name_has('Bill Hicks', '{}') AS none, murallink_private.name_has('Bill Hicks', '{x,NULL, hicks }') AS one;

-- What people leave out when they type, or write with another sign: accents of Greek, Arabic and Hebrew, apostrophes, dashes
SELECT name, query FROM (VALUES ('ΠΑΠΑΣΤΑΘΗΣ', 'ΠΑΠΑΣ'), ('ΠΑΠΑΣΤΑΘΗΣ', 'παπας'), ('Οδυσσεύς', 'οδυσσευσ'), (U&'\0645\064F\062D\064E\0645\0651\064E\062F', U&'\0645\062D\0645\062F'),
    (U&'\0645\062D\0640\0640\0645\062F', U&'\0645\062D\0645\062F'), (U&'\0623\062D\0645\062F', U&'\0627\062D\0645\062F'), (U&'\0622\0645\0646\0629', U&'\0627\0645\0646\0629'),
    (U&'\05E9\05C1\05B8\05DC\05D5\05B9\05DD', U&'\05E9\05DC\05D5\05DD'), (U&'\845B\+0E0100\57CE', U&'\845B\57CE'), (U&'\2764\FE0FHeart', U&'\2764Heart'),
    (U&'O\00B4Neal', 'O''Neal'), (U&'O\02BCNeill', 'o''neill'), (U&'O\2018Nial', 'O''Nial'), (U&'Ka\02BBahumanu', 'ka''ahumanu'), ('O`Neil', 'O''Neil'),
    ('D''Arcy', U&'D\2019Arcy'), (U&'Smith\2011Jones', 'smith-jones'), (U&'Smith\2013Jones', 'smith-jones'), ('Ħal', 'hal'), ('Đặng', 'dang'), ('Łukasz', 'lukasz'),
    ('Straße', 'STRASSE'), ('Ærø', 'aero'), ('ISTANBUL', 'ıstanbul'), ('İstanbul', 'istanbul'), (U&'\FF34\FF41\FF2E', 'tan')) AS asked (name, query)
WHERE NOT murallink_private.name_has(name, ARRAY[btrim(murallink_private.name_folded(query))]);
SELECT name, query FROM (VALUES ('Müller', 'mueller'), ('O''Neil', 'oneil'), ('Smith-Jones', 'smith jones'), ('Ада', 'Ида')) AS asked (name, query)
WHERE murallink_private.name_has(name, ARRAY[btrim(murallink_private.name_folded(query))]);

-- All that is a part of any name is found by its parts
SELECT count(*) > 1000 AS many, bool_and(murallink_private.name_parts(name) @> murallink_private.pattern_parts(part)) AS all_found,
    bool_and(murallink_private.name_has(name, ARRAY[part])) AS all_had
FROM unnest('{Bill Hicks,Зоя Ёлкина,Ångström Þór,文太郎,Nguyễn Thị,a%b_c\\d}'::text[]) AS name,
    generate_series(1, length(murallink_private.name_folded(name))) AS first, generate_series(1, 20) AS size,
    substr(murallink_private.name_folded(name), first, size) AS part WHERE part <> ' ';

-- Nicknames go both ways, and through one formal name only
SELECT word, murallink_private.name_patterns(word)
FROM unnest('{bill,william,memo,sam,hicks,"il\"\\"}'::text[]) AS word;
SELECT count(*) > 500 AS many, bool_and(formal_name IN (SELECT name FROM murallink_private.nickname)) AS all_known
FROM murallink_private.nickname;
SELECT test.refusal('INSERT INTO murallink_private.nickname VALUES (''Bill'', ''william'')');

-- The condition holds nothing of the query but literals
\x on
SELECT * FROM murallink_private.name_condition(E'O''Neil \\ "x" %s', 'name');
\x off
SELECT * FROM murallink_private.name_condition(' ', 'name');
