-- Files as arguments and as answers.

-- PostgREST returns the bytes of this type unchanged, whatever media type is requested.
CREATE DOMAIN murallink."*/*" AS bytea;
COMMENT ON DOMAIN murallink."*/*" IS 'A file that PostgREST sends as it is.';

CREATE FUNCTION murallink_private.checked_file(data text, field text) RETURNS bytea
LANGUAGE plpgsql STABLE AS $$
DECLARE
    content bytea;
    most CONSTANT bigint := pg_catalog.pg_size_bytes(pg_catalog.current_setting('murallink.document_limit'));
BEGIN
    IF coalesce(data, '') = '' THEN
        PERFORM murallink_private.raise('missing_field', field);
    ELSIF pg_catalog.strpos(data, ' ') > 0 OR pg_catalog.strpos(data, E'\t') > 0 THEN
        -- decode() skips blanks, one of which may have been a "+".
        PERFORM murallink_private.raise('invalid_value', field, 'A file is in base64, without blanks.');
    END IF;
    BEGIN
        content := pg_catalog.decode(data, 'base64');
    EXCEPTION WHEN invalid_parameter_value THEN
        PERFORM murallink_private.raise('invalid_value', field, 'A file is in base64, without blanks.');
    END;
    IF pg_catalog.octet_length(content) > most THEN
        PERFORM murallink_private.raise('too_long', field, pg_catalog.format('A file has at most %s.', pg_catalog.pg_size_pretty(most)));
    ELSIF pg_catalog.octet_length(content) = 0 THEN
        PERFORM murallink_private.raise('missing_field', field);
    END IF;
    RETURN content;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_file(text, text) IS
'The bytes of a file in base64, with or without line breaks, not more than murallink.document_limit. field: its name in errors. Errors: missing_field, invalid_value, too_long.';

CREATE FUNCTION murallink_private.checked_file_name(filename text, field text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    name CONSTANT text := murallink_private.checked_label(filename, field, 200, true);
BEGIN
    IF pg_catalog.btrim(filename, E' \t\r\n') ~ '[/\\\t\r\n]' OR name IN ('.', '..') THEN
        PERFORM murallink_private.raise('invalid_value', field, 'The name of a file is one line without / and \, and neither . nor ..');
    END IF;
    RETURN name;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_file_name(text, text) IS
'The name of a file as label() keeps it, which is no path. Errors: missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink_private.checked_content_type(content_type text, filename text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    written CONSTANT text := murallink_private.checked_text(content_type, 'content_type', 100, false);
    -- The values of parameters may be in any case.
    type CONSTANT text := murallink_private.lowered(pg_catalog.split_part(written, ';', 1));
    parameters CONSTANT text := pg_catalog.substr(written, pg_catalog.length(type) + 1);
BEGIN
    IF written = '' THEN
        RETURN CASE murallink_private.lowered(pg_catalog.substring(filename, '\.([^.]*)$'))
            WHEN 'pdf' THEN 'application/pdf'
            WHEN 'csv' THEN 'text/csv'
            WHEN 'txt' THEN 'text/plain'
            WHEN 'png' THEN 'image/png'
            WHEN 'jpg' THEN 'image/jpeg'
            WHEN 'jpeg' THEN 'image/jpeg'
            WHEN 'docx' THEN 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'
            WHEN 'xlsx' THEN 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'
            ELSE 'application/octet-stream' END;
    ELSIF type !~ '^[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+ *$'
        OR parameters !~ '^(; *[A-Za-z0-9!#$&^_.+-]+=([A-Za-z0-9!#$%&''*+.^_`|~-]+|"[ !#-\[\]-~]*") *)*$' THEN
        PERFORM murallink_private.raise('invalid_value', 'content_type', 'A media type, such as application/pdf.');
    END IF;
    RETURN type || parameters;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_content_type(text, text) IS
'The media type of a file, with parameters such as charset where it has any; by the ending of its name when none is given. Errors: too_long, invalid_value.';

CREATE FUNCTION murallink_private.serve_as(filename text, content_type text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- This media type returns the bytes as JSON.
    IF (NULLIF(pg_catalog.current_setting('request.headers', true), '')::jsonb ->> 'accept') COLLATE "C" ~* 'application/vnd\.pgrst\.object' THEN
        RETURN;
    END IF;
    PERFORM pg_catalog.set_config('response.headers', pg_catalog.jsonb_build_array(
        pg_catalog.jsonb_build_object('Content-Type', content_type),
        pg_catalog.jsonb_build_object('X-Content-Type-Options', 'nosniff'),
        pg_catalog.jsonb_build_object('Cache-Control', 'private, no-store'),
        pg_catalog.jsonb_build_object('Content-Disposition', pg_catalog.format(
            'attachment; filename="%s"; filename*=UTF-8''''%s',
            pg_catalog.regexp_replace(filename, '[^ !#-\[\]-~]', '_', 'g'), murallink_private.percent_encoded(filename))))::text, true);
END
$$;
COMMENT ON FUNCTION murallink_private.serve_as(text, text) IS
'Has PostgREST send the answer as a file of that name and media type, which browsers save and do not open.';

CREATE FUNCTION murallink_private.percent_encoded(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT pg_catalog.string_agg(
        CASE WHEN byte BETWEEN 48 AND 57 OR byte BETWEEN 65 AND 90 OR byte BETWEEN 97 AND 122 OR byte IN (45, 46, 95, 126)
            THEN pg_catalog.chr(byte)
            ELSE '%' || pg_catalog.translate(pg_catalog.lpad(pg_catalog.to_hex(byte), 2, '0'), 'abcdef', 'ABCDEF') END, '' ORDER BY place)
    FROM (SELECT n AS place, pg_catalog.get_byte(pg_catalog.convert_to(value, 'UTF8'), n) AS byte
          FROM pg_catalog.generate_series(0, pg_catalog.octet_length(pg_catalog.convert_to(value, 'UTF8')) - 1) AS n) AS bytes
$$;
COMMENT ON FUNCTION murallink_private.percent_encoded(text) IS 'The value for a URL or a header, as RFC 3986 encodes it.';
