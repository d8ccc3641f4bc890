-- Seals what only the worker may read. No function returns what is sealed.

CREATE FUNCTION murallink_private.sealed(public_key bytea, details jsonb) RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'seal_sealed';
COMMENT ON FUNCTION murallink_private.sealed(bytea, jsonb) IS
'Details, sealed to a public key (crypto_box_seal of libsodium): another value each time. Errors: invalid_value (of the key).';

CREATE FUNCTION murallink_private.sealed_again(sealed bytea, public_key bytea) RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'seal_sealed_again';
COMMENT ON FUNCTION murallink_private.sealed_again(bytea, bytea) IS
'What is sealed, sealed to another public key; null if murallink.key_file has not the secret key that opens it. Errors: invalid_value (of the key).';

CREATE FUNCTION murallink_private.seals(sealed bytea, details jsonb) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'seal_seals';
COMMENT ON FUNCTION murallink_private.seals(bytea, jsonb) IS
'Whether these details are sealed there; null if murallink.key_file has not the secret key that opens it.';

CREATE FUNCTION murallink_private.file_keys() RETURNS SETOF bytea
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'seal_file_keys';
COMMENT ON FUNCTION murallink_private.file_keys() IS
'The public halves of the secret keys in murallink.key_file, in its order; none if it cannot be read.';
