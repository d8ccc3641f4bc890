-- The type ksuid: text, bytes and the wire; comparison, indexes and joins; casts; generation.
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- Known values: the reference, the nil and the greatest one
CREATE TEMP TABLE vector (uid murallink.ksuid, hex text);
INSERT INTO vector VALUES
    ('0ujtsYcgvSTl8PAuAdqWYSMnLOv', '0669f7efb5a1cd34b5f99d1154fb6853345c9735'),
    ('000000000000000000000000000', repeat('00', 20)),
    ('aWgEPTl1tmebfsQzFP4bxwgy80V', repeat('ff', 20));
SELECT uid, encode(uid::bytea, 'hex') = hex AS bytes, decode(hex, 'hex')::murallink.ksuid = uid AS back,
    uid::timestamptz, uid::timestamptz = murallink.ksuid_timestamp(uid) AS same_time
FROM vector;

-- As JSON
SELECT jsonb_agg(uid) FROM vector;
SELECT * FROM jsonb_to_record('{"uid": "0ujtsYcgvSTl8PAuAdqWYSMnLOv"}') AS record (uid murallink.ksuid);

-- What is refused, and how
CREATE FUNCTION pg_temp.refusal(text text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM text::murallink.ksuid;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT pg_temp.refusal(text) FROM (VALUES
    (''),
    ('0'),
    ('00000000000000000000000000'),
    ('0000000000000000000000000000'),
    (' 00000000000000000000000000'),
    ('00000000000000000000000000 '),
    (' 000000000000000000000000000'),
    ('0ujtsYcgvSTl8PAuAdqWYSMnLO_'),
    ('0ujtsYcgvSTl8-AuAdqWYSMnLOv'),
    ('aWgEPTl1tmebfsQzFP4bxwgy80W'),
    ('aWgEPTl1tmebfsQzFP4bxwgy900'),
    ('aWgEPTl1tmecfsQzFP4bxwgy80V'),
    ('b00000000000000000000000000'),
    ('zzzzzzzzzzzzzzzzzzzzzzzzzzz')
) AS refused (text);
SELECT string_agg(chr(code), '' ORDER BY code) AS alphabet
FROM generate_series(1, 255) AS code
WHERE pg_temp.refusal(repeat('0', 27 - octet_length(chr(code))) || chr(code)) IS NULL;
SELECT '0ujtsYcgvSTl8PAuAdqWYSMnLOv0'::murallink.ksuid;
SELECT ''::bytea::murallink.ksuid;
SELECT decode(repeat('00', 19), 'hex')::murallink.ksuid;
SELECT decode(repeat('00', 21), 'hex')::murallink.ksuid;

-- Many values, in tens that share their first 8 bytes, each value twice
CREATE TEMP TABLE sample AS
    SELECT n, bytes, bytes::murallink.ksuid AS uid
    FROM generate_series(0, 99999) AS n,
        LATERAL (
            SELECT substr(sha256((n / 20)::text::bytea), 1, 8) || substr(sha256((n / 2)::text::bytea), 1, 12)
        ) AS made (bytes);
ANALYZE sample;
SELECT count(*), count(DISTINCT bytes) AS distinct_bytes, count(DISTINCT uid) AS distinct_uids FROM sample;
SELECT count(*) FROM sample
WHERE uid::bytea <> bytes OR uid::text::murallink.ksuid <> uid OR uid::text !~ '^[0-9A-Za-z]{27}$';

-- The text is the number, by an independent calculation
CREATE FUNCTION pg_temp.number(digits int[], base int) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    number numeric := 0;
    digit int;
BEGIN
    FOREACH digit IN ARRAY digits LOOP
        number := number * base + digit;
    END LOOP;
    RETURN number;
END $$;
SELECT count(*) FROM sample
WHERE n % 100 = 0
    AND pg_temp.number(ARRAY(SELECT get_byte(bytes, i) FROM generate_series(0, 19) AS i), 256)
        = pg_temp.number(ARRAY(
            SELECT strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', substr(uid::text, i, 1)) - 1
            FROM generate_series(1, 27) AS i), 62);

-- The wire
SELECT current_setting('data_directory') || '/ksuid_test.copy' AS file \gset
SELECT format('cat %1$L && rm %1$L', :'file') AS read_and_remove \gset
COPY (SELECT n, uid FROM sample) TO :'file' (FORMAT binary);
CREATE TEMP TABLE received (n int, uid murallink.ksuid);
COPY received FROM PROGRAM :'read_and_remove' (FORMAT binary);
SELECT count(*) FROM sample JOIN received USING (n, uid);
CREATE TEMP TABLE short_or_long (uid murallink.ksuid);
\set header 'PGCOPY\\n\\377\\r\\n\\0\\0\\0\\0\\0\\0\\0\\0\\0'
SELECT format('printf "%s\0\001\0\0\0\023%s\377\377"', :'header', repeat('x', 19)) AS send_19_bytes,
    format('printf "%s\0\001\0\0\0\025%s\377\377"', :'header', repeat('x', 21)) AS send_21_bytes \gset
COPY short_or_long FROM PROGRAM :'send_19_bytes' (FORMAT binary);
COPY short_or_long FROM PROGRAM :'send_21_bytes' (FORMAT binary);

-- Bytes, text and ksuids order alike, in memory and on disk
SELECT count(*) FROM (
    SELECT rank() OVER (ORDER BY uid) AS by_uid, rank() OVER (ORDER BY bytes) AS by_bytes,
        rank() OVER (ORDER BY uid::text COLLATE "C") AS by_text
    FROM sample
) AS ranked WHERE by_uid <> by_bytes OR by_uid <> by_text;
SET work_mem = '64kB';
SELECT count(*) FROM (
    SELECT rank() OVER (ORDER BY uid DESC) AS by_uid, rank() OVER (ORDER BY bytes DESC) AS by_bytes FROM sample
) AS ranked WHERE by_uid <> by_bytes;
RESET work_mem;

-- Every operator agrees with bytea's
SELECT count(*) FROM (
    SELECT uid AS a, bytes AS x, lag(uid) OVER (ORDER BY n) AS b, lag(bytes) OVER (ORDER BY n) AS y FROM sample
) AS pair
WHERE (a < b, a <= b, a = b, a >= b, a > b, a <> b) IS DISTINCT FROM (x < y, x <= y, x = y, x >= y, x > y, x <> y)
    OR sign(murallink.ksuid_cmp(a, b)) <> sign(byteacmp(x, y));

-- min() and max(), by scan and by index
SELECT min(uid) = (SELECT uid FROM sample ORDER BY bytes LIMIT 1) AS least,
    max(uid) = (SELECT uid FROM sample ORDER BY bytes DESC LIMIT 1) AS greatest,
    min(uid) FILTER (WHERE false) AS none
FROM sample;
CREATE INDEX sample_btree ON sample (uid);
EXPLAIN (COSTS OFF) SELECT max(uid) FROM sample;
SELECT max(uid) = (SELECT uid FROM sample ORDER BY bytes DESC LIMIT 1) AS greatest FROM sample;

-- Operator classes and their indexes
SELECT amname, opcname, opcdefault, amvalidate(opclass.oid)
FROM pg_opclass AS opclass JOIN pg_am ON pg_am.oid = opcmethod
WHERE opcintype = 'murallink.ksuid'::regtype ORDER BY amname;

SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM sample WHERE uid = '0ujtsYcgvSTl8PAuAdqWYSMnLOv';
EXPLAIN (COSTS OFF) SELECT * FROM sample WHERE uid > '0ujtsYcgvSTl8PAuAdqWYSMnLOv' ORDER BY uid LIMIT 1;
SELECT count(*) FROM sample AS a WHERE (SELECT count(*) FROM sample AS b WHERE b.uid = a.uid) <> 2;
SELECT pg_relation_size('sample_btree') < 100000 * 36 AS deduplicated;
DROP INDEX sample_btree;

CREATE INDEX sample_hash ON sample USING hash (uid);
EXPLAIN (COSTS OFF) SELECT * FROM sample WHERE uid = '0ujtsYcgvSTl8PAuAdqWYSMnLOv';
SELECT count(*) FROM sample AS a WHERE (SELECT count(*) FROM sample AS b WHERE b.uid = a.uid) <> 2;
DROP INDEX sample_hash;

CREATE TEMP TABLE in_order AS SELECT * FROM sample ORDER BY uid;
CREATE INDEX in_order_brin ON in_order USING brin (uid) WITH (pages_per_range = 8);
EXPLAIN (COSTS OFF) SELECT * FROM in_order WHERE uid < '0ujtsYcgvSTl8PAuAdqWYSMnLOv';
SELECT (SELECT count(*) FROM in_order WHERE uid < '0ujtsYcgvSTl8PAuAdqWYSMnLOv')
    = (SELECT count(*) FROM sample WHERE bytes < '0ujtsYcgvSTl8PAuAdqWYSMnLOv'::murallink.ksuid::bytea) AS same;
RESET enable_seqscan;

-- Joins
SET enable_nestloop = off;
SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM sample JOIN in_order USING (uid);
SELECT count(*) FROM sample JOIN in_order USING (uid);
RESET enable_mergejoin;
SET enable_hashjoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM sample JOIN in_order USING (uid);
SELECT count(*) FROM sample JOIN in_order USING (uid);
RESET enable_nestloop;
RESET enable_hashjoin;

-- Groups, sorted and hashed; the extended hash with seed 0 ends in the plain one, as hash partitions and joins expect
SET enable_hashagg = off;
SELECT count(*), min(rows), max(rows) FROM (SELECT count(*) AS rows FROM sample GROUP BY uid) AS grouped;
RESET enable_hashagg;
SET enable_sort = off;
SELECT count(*), min(rows), max(rows) FROM (SELECT count(*) AS rows FROM sample GROUP BY uid) AS grouped;
SELECT count(*) FROM (SELECT DISTINCT uid FROM sample) AS value;
RESET enable_sort;
SELECT count(*) FROM sample
WHERE murallink.ksuid_hash(uid)::bit(32) <> murallink.ksuid_hash_extended(uid, 0)::bit(32)
    OR murallink.ksuid_hash_extended(uid, 0) = murallink.ksuid_hash_extended(uid, 1);

-- Keys
CREATE TEMP TABLE parent (uid murallink.ksuid PRIMARY KEY);
CREATE TEMP TABLE child (parent_uid murallink.ksuid NOT NULL REFERENCES parent);
INSERT INTO parent SELECT uid FROM vector;
INSERT INTO parent VALUES ('0ujtsYcgvSTl8PAuAdqWYSMnLOv');
INSERT INTO parent VALUES ('0ujtsYcgvSTl8PAuAdqWYSMnLOv') ON CONFLICT DO NOTHING;
INSERT INTO child SELECT uid FROM vector;
INSERT INTO child VALUES ('0ujtsYcgvSTl8PAuAdqWYSMnLOw');
DELETE FROM parent WHERE uid = '000000000000000000000000000';
CREATE TEMP TABLE divided (uid murallink.ksuid) PARTITION BY HASH (uid);
CREATE TEMP TABLE divided_0 PARTITION OF divided FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE divided_1 PARTITION OF divided FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO divided SELECT uid FROM sample;
SELECT count(*) BETWEEN 49000 AND 51000 AS about_half FROM divided_0;

-- The functions' promises
SELECT oid::regprocedure AS function, provolatile, proisstrict AS strict, proleakproof AS leakproof, proparallel,
    obj_description(oid, 'pg_proc') IS NOT NULL AS commented
FROM pg_proc
WHERE prorettype = 'murallink.ksuid'::regtype AND prokind = 'a'
    OR pronamespace = 'murallink'::regnamespace AND proname ~ '^(gen_)?ksuid'
ORDER BY proname;
SELECT oid::regoperator AS operator, oprcom::regoper::text AS commutator, oprnegate::regoper::text AS negator,
    oprrest, oprjoin, oprcanhash, oprcanmerge
FROM pg_operator WHERE oprleft = 'murallink.ksuid'::regtype ORDER BY oprname COLLATE "C";

-- Leakproof: the index serves behind a security barrier
CREATE INDEX sample_btree ON sample (uid);
CREATE TEMP VIEW barrier WITH (security_barrier) AS SELECT * FROM sample WHERE n % 2 = 0;
EXPLAIN (COSTS OFF) SELECT * FROM barrier WHERE uid = '0ujtsYcgvSTl8PAuAdqWYSMnLOv';

-- The operators need no search path
SET search_path = pg_catalog, pg_temp;
SELECT max(uid) = 'aWgEPTl1tmebfsQzFP4bxwgy80V' AS found FROM vector WHERE uid > '0ujtsYcgvSTl8PAuAdqWYSMnLOv';
RESET search_path;

-- No cast happens unasked
SELECT castsource::regtype, casttarget::regtype, castcontext FROM pg_cast
WHERE 'murallink.ksuid'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";
SELECT * FROM vector WHERE uid = '0ujtsYcgvSTl8PAuAdqWYSMnLOv'::text;
INSERT INTO vector (hex) SELECT uid FROM vector;
INSERT INTO vector (uid) SELECT hex FROM vector;
SELECT length(max(uid)) FROM vector;

-- Generation: of now, of 16 bytes that differ
SELECT count(DISTINCT uid) AS uids, count(DISTINCT substr(uid::bytea, 5)) AS random_parts,
    bool_and(uid::timestamptz BETWEEN date_trunc('second', now()) AND clock_timestamp()) AS current
FROM (SELECT murallink.gen_ksuid() AS uid FROM generate_series(1, 100000)) AS generated;
SELECT min(ones) > 4700 AND max(ones) < 5300 AS even
FROM (
    SELECT sum(get_bit(uid::bytea, bit)) AS ones
    FROM (SELECT murallink.gen_ksuid() AS uid FROM generate_series(1, 10000)) AS generated,
        generate_series(32, 159) AS bit
    GROUP BY bit
) AS bits;
