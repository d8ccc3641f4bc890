-- The type ksuid. Its operators and aggregates are in pg_catalog, so that they are found under every search_path.

CREATE TYPE murallink.ksuid;

CREATE FUNCTION murallink.ksuid_in(cstring) RETURNS murallink.ksuid
AS 'MODULE_PATHNAME', 'ksuid_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_in(cstring) IS
'Reads the 27 base 62 digits of a ksuid. Raises invalid_text_representation for anything else.';

CREATE FUNCTION murallink.ksuid_out(murallink.ksuid) RETURNS cstring
AS 'MODULE_PATHNAME', 'ksuid_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_out(murallink.ksuid) IS 'The 27 base 62 digits of a ksuid.';

CREATE FUNCTION murallink.ksuid_recv(internal) RETURNS murallink.ksuid
AS 'MODULE_PATHNAME', 'ksuid_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_recv(internal) IS
'Reads the 20 bytes of a ksuid. Raises protocol_violation for fewer, invalid_binary_representation for more.';

CREATE FUNCTION murallink.ksuid_send(murallink.ksuid) RETURNS bytea
AS 'MODULE_PATHNAME', 'ksuid_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_send(murallink.ksuid) IS 'The 20 bytes of a ksuid.';

CREATE TYPE murallink.ksuid (
    INPUT = murallink.ksuid_in,
    OUTPUT = murallink.ksuid_out,
    RECEIVE = murallink.ksuid_recv,
    SEND = murallink.ksuid_send,
    INTERNALLENGTH = 20,
    ALIGNMENT = char,
    STORAGE = plain
);
COMMENT ON TYPE murallink.ksuid IS
'A key that sorts by the second it was made in: 4 bytes of seconds since 2014-05-13 16:53:20 UTC, then 16 random bytes. '
'Its text is 27 base 62 digits (0-9A-Za-z).';

CREATE FUNCTION murallink.gen_ksuid() RETURNS murallink.ksuid
AS 'MODULE_PATHNAME', 'gen_ksuid' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION murallink.gen_ksuid() IS 'A new ksuid of the current time.';

-- Comparison

CREATE FUNCTION murallink.ksuid_lt(murallink.ksuid, murallink.ksuid) RETURNS boolean
AS 'MODULE_PATHNAME', 'ksuid_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_lt(murallink.ksuid, murallink.ksuid) IS
'Whether the first ksuid is less than the second.';

CREATE FUNCTION murallink.ksuid_le(murallink.ksuid, murallink.ksuid) RETURNS boolean
AS 'MODULE_PATHNAME', 'ksuid_le' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_le(murallink.ksuid, murallink.ksuid) IS
'Whether the first ksuid is less than or equal to the second.';

CREATE FUNCTION murallink.ksuid_eq(murallink.ksuid, murallink.ksuid) RETURNS boolean
AS 'MODULE_PATHNAME', 'ksuid_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_eq(murallink.ksuid, murallink.ksuid) IS 'Whether two ksuids are equal.';

CREATE FUNCTION murallink.ksuid_ge(murallink.ksuid, murallink.ksuid) RETURNS boolean
AS 'MODULE_PATHNAME', 'ksuid_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_ge(murallink.ksuid, murallink.ksuid) IS
'Whether the first ksuid is greater than or equal to the second.';

CREATE FUNCTION murallink.ksuid_gt(murallink.ksuid, murallink.ksuid) RETURNS boolean
AS 'MODULE_PATHNAME', 'ksuid_gt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_gt(murallink.ksuid, murallink.ksuid) IS
'Whether the first ksuid is greater than the second.';

CREATE FUNCTION murallink.ksuid_ne(murallink.ksuid, murallink.ksuid) RETURNS boolean
AS 'MODULE_PATHNAME', 'ksuid_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_ne(murallink.ksuid, murallink.ksuid) IS 'Whether two ksuids differ.';

CREATE FUNCTION murallink.ksuid_cmp(murallink.ksuid, murallink.ksuid) RETURNS integer
AS 'MODULE_PATHNAME', 'ksuid_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_cmp(murallink.ksuid, murallink.ksuid) IS
'Below, equal to or above zero, as the first ksuid is less than, equal to or greater than the second.';

CREATE OPERATOR pg_catalog.< (
    FUNCTION = murallink.ksuid_lt, LEFTARG = murallink.ksuid, RIGHTARG = murallink.ksuid,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
    RESTRICT = pg_catalog.scalarltsel, JOIN = pg_catalog.scalarltjoinsel
);

CREATE OPERATOR pg_catalog.<= (
    FUNCTION = murallink.ksuid_le, LEFTARG = murallink.ksuid, RIGHTARG = murallink.ksuid,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
    RESTRICT = pg_catalog.scalarlesel, JOIN = pg_catalog.scalarlejoinsel
);

CREATE OPERATOR pg_catalog.= (
    FUNCTION = murallink.ksuid_eq, LEFTARG = murallink.ksuid, RIGHTARG = murallink.ksuid,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
    RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel, HASHES, MERGES
);

CREATE OPERATOR pg_catalog.>= (
    FUNCTION = murallink.ksuid_ge, LEFTARG = murallink.ksuid, RIGHTARG = murallink.ksuid,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
    RESTRICT = pg_catalog.scalargesel, JOIN = pg_catalog.scalargejoinsel
);

CREATE OPERATOR pg_catalog.> (
    FUNCTION = murallink.ksuid_gt, LEFTARG = murallink.ksuid, RIGHTARG = murallink.ksuid,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
    RESTRICT = pg_catalog.scalargtsel, JOIN = pg_catalog.scalargtjoinsel
);

CREATE OPERATOR pg_catalog.<> (
    FUNCTION = murallink.ksuid_ne, LEFTARG = murallink.ksuid, RIGHTARG = murallink.ksuid,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
    RESTRICT = pg_catalog.neqsel, JOIN = pg_catalog.neqjoinsel
);

-- Indexes

CREATE FUNCTION murallink.ksuid_sortsupport(internal) RETURNS void
AS 'MODULE_PATHNAME', 'ksuid_sortsupport' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_sortsupport(internal) IS
'Sorts ksuids by their first 8 bytes as one number, then by the rest.';

CREATE FUNCTION murallink.ksuid_hash(murallink.ksuid) RETURNS integer
AS 'MODULE_PATHNAME', 'ksuid_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_hash(murallink.ksuid) IS 'The hash of a ksuid, 32 bits.';

CREATE FUNCTION murallink.ksuid_hash_extended(murallink.ksuid, bigint) RETURNS bigint
AS 'MODULE_PATHNAME', 'ksuid_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_hash_extended(murallink.ksuid, bigint) IS
'The hash of a ksuid from a seed, 64 bits.';

CREATE OPERATOR CLASS murallink.ksuid_ops DEFAULT FOR TYPE murallink.ksuid USING btree AS
    OPERATOR 1 pg_catalog.<,
    OPERATOR 2 pg_catalog.<=,
    OPERATOR 3 pg_catalog.=,
    OPERATOR 4 pg_catalog.>=,
    OPERATOR 5 pg_catalog.>,
    FUNCTION 1 murallink.ksuid_cmp(murallink.ksuid, murallink.ksuid),
    FUNCTION 2 murallink.ksuid_sortsupport(internal),
    FUNCTION 4 pg_catalog.btequalimage(oid);

CREATE OPERATOR CLASS murallink.ksuid_ops DEFAULT FOR TYPE murallink.ksuid USING hash AS
    OPERATOR 1 pg_catalog.=,
    FUNCTION 1 murallink.ksuid_hash(murallink.ksuid),
    FUNCTION 2 murallink.ksuid_hash_extended(murallink.ksuid, bigint);

CREATE OPERATOR CLASS murallink.ksuid_minmax_ops DEFAULT FOR TYPE murallink.ksuid USING brin AS
    OPERATOR 1 pg_catalog.<,
    OPERATOR 2 pg_catalog.<=,
    OPERATOR 3 pg_catalog.=,
    OPERATOR 4 pg_catalog.>=,
    OPERATOR 5 pg_catalog.>,
    FUNCTION 1 pg_catalog.brin_minmax_opcinfo(internal),
    FUNCTION 2 pg_catalog.brin_minmax_add_value(internal, internal, internal, internal),
    FUNCTION 3 pg_catalog.brin_minmax_consistent(internal, internal, internal),
    FUNCTION 4 pg_catalog.brin_minmax_union(internal, internal, internal);

-- Aggregates

CREATE FUNCTION murallink.ksuid_smaller(murallink.ksuid, murallink.ksuid) RETURNS murallink.ksuid
AS 'MODULE_PATHNAME', 'ksuid_smaller' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_smaller(murallink.ksuid, murallink.ksuid) IS 'The smaller of two ksuids.';

CREATE FUNCTION murallink.ksuid_larger(murallink.ksuid, murallink.ksuid) RETURNS murallink.ksuid
AS 'MODULE_PATHNAME', 'ksuid_larger' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_larger(murallink.ksuid, murallink.ksuid) IS 'The larger of two ksuids.';

CREATE AGGREGATE pg_catalog.min(murallink.ksuid) (
    SFUNC = murallink.ksuid_smaller, STYPE = murallink.ksuid,
    COMBINEFUNC = murallink.ksuid_smaller, SORTOP = OPERATOR(pg_catalog.<), PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.min(murallink.ksuid) IS 'The least ksuid.';

CREATE AGGREGATE pg_catalog.max(murallink.ksuid) (
    SFUNC = murallink.ksuid_larger, STYPE = murallink.ksuid,
    COMBINEFUNC = murallink.ksuid_larger, SORTOP = OPERATOR(pg_catalog.>), PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.max(murallink.ksuid) IS 'The greatest ksuid.';

-- Casts, all of them explicit. Those to the text types replace PostgreSQL's own, which an INSERT would use implicitly.

CREATE FUNCTION murallink.ksuid_timestamp(murallink.ksuid) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'ksuid_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_timestamp(murallink.ksuid) IS
'The time in a ksuid: the second in which it was made.';

CREATE FUNCTION murallink.ksuid_from_timestamp(timestamptz) RETURNS murallink.ksuid
AS 'MODULE_PATHNAME', 'ksuid_from_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_from_timestamp(timestamptz) IS
'The least ksuid of the second of a time: rows with this uid or a greater one were made in this second or later. Times before 2014-05-13 16:53:20 UTC mean that second.';
CREATE FUNCTION murallink.ksuid_from_bytea(bytea) RETURNS murallink.ksuid
AS 'MODULE_PATHNAME', 'ksuid_from_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION murallink.ksuid_from_bytea(bytea) IS
'The ksuid of these 20 bytes. Raises invalid_binary_representation for another number of bytes.';

CREATE CAST (murallink.ksuid AS text) WITH INOUT;
CREATE CAST (murallink.ksuid AS varchar) WITH INOUT;
CREATE CAST (murallink.ksuid AS bpchar) WITH INOUT;
CREATE CAST (text AS murallink.ksuid) WITH INOUT;
CREATE CAST (murallink.ksuid AS bytea) WITH FUNCTION murallink.ksuid_send(murallink.ksuid);
CREATE CAST (bytea AS murallink.ksuid) WITH FUNCTION murallink.ksuid_from_bytea(bytea);
CREATE CAST (murallink.ksuid AS timestamptz) WITH FUNCTION murallink.ksuid_timestamp(murallink.ksuid);
