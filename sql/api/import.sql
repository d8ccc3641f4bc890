-- Tables in CSV, row by row, and the form that REDCap sends when a record is saved.

CREATE FUNCTION murallink_private.csv_rows(csv text) RETURNS SETOF text[]
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'csv_rows';
COMMENT ON FUNCTION murallink_private.csv_rows(text) IS
'The rows of a table in CSV (RFC 4180), with null for an empty field. Commas, semicolons or tabs may separate the fields; a byte order mark and empty lines are left out. Errors: invalid_request.';

CREATE FUNCTION murallink_private.url_decoded(value text) RETURNS text
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'url_decoded';
COMMENT ON FUNCTION murallink_private.url_decoded(text) IS 'A name or value of a form, decoded. Errors: invalid_request.';

CREATE FUNCTION murallink_private.csv_objects(csv text, columns text[], OUT row_number integer, OUT given jsonb) RETURNS SETOF record
LANGUAGE plpgsql STABLE AS $$
DECLARE
    fields text[];
    header text[];
    wrong text;
BEGIN
    row_number := 0;
    FOR fields IN SELECT r FROM murallink_private.csv_rows(csv) AS r LOOP
        IF header IS NULL THEN
            header := ARRAY(SELECT pg_catalog.lower(coalesce(f, '') COLLATE "C") FROM pg_catalog.unnest(fields) WITH ORDINALITY AS u (f, n) ORDER BY n);
            SELECT h INTO wrong FROM pg_catalog.unnest(header) AS h WHERE h <> ALL (columns) LIMIT 1;
            IF wrong = '' THEN
                PERFORM murallink_private.raise('invalid_request', 'csv', 'The first line has a name for each column: remove columns without one.');
            ELSIF wrong IS NOT NULL THEN
                PERFORM murallink_private.raise('unknown_key', wrong, pg_catalog.format(
                    'The first line has the names of the columns. There are %s.', pg_catalog.array_to_string(columns, ', ')));
            END IF;
            SELECT h INTO wrong FROM pg_catalog.unnest(header) AS h GROUP BY h HAVING pg_catalog.count(*) > 1 LIMIT 1;
            IF wrong IS NOT NULL THEN
                PERFORM murallink_private.raise('invalid_request', wrong, 'A column occurs once.');
            END IF;
            CONTINUE;
        END IF;
        row_number := row_number + 1;
        IF row_number > 10000 THEN
            PERFORM murallink_private.raise('too_long', 'csv', 'At most 10,000 rows are taken at once.');
        ELSIF pg_catalog.cardinality(fields) = pg_catalog.cardinality(header) THEN
            given := pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_object(header, fields));
        ELSE
            given := NULL;
        END IF;
        -- A line of separators only is what a spreadsheet makes of an empty line.
        CONTINUE WHEN pg_catalog.num_nonnulls(VARIADIC fields) = 0;
        RETURN NEXT;
    END LOOP;
    IF header IS NULL THEN
        PERFORM murallink_private.raise('missing_field', 'csv');
    END IF;
END
$$;
COMMENT ON FUNCTION murallink_private.csv_objects(text, text[]) IS
'The rows of a table in CSV, numbered from 1, as objects with a key for each field that is not empty; null for a row with more or fewer fields than the first line, which has the names of the columns, in any case. columns: the names that are allowed. Errors: missing_field, too_long, unknown_key, invalid_request.';

CREATE FUNCTION murallink_private.csv_number(given jsonb, field text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF given ->> field !~ '^-?[0-9]{1,15}(\.[0-9]{1,10})?$' THEN
        PERFORM murallink_private.raise('wrong_type', field, 'A number is written with digits, and a point before decimals.');
    END IF;
    RETURN given ->> field;
END
$$;
COMMENT ON FUNCTION murallink_private.csv_number(jsonb, text) IS 'A number in a row of CSV, null if the field is empty. Errors: wrong_type.';

CREATE FUNCTION murallink_private.csv_integer(given jsonb, field text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF given ->> field !~ '^-?[0-9]{1,9}$' THEN
        PERFORM murallink_private.raise('wrong_type', field, 'An integer is written with digits.');
    END IF;
    RETURN given ->> field;
END
$$;
COMMENT ON FUNCTION murallink_private.csv_integer(jsonb, text) IS 'An integer in a row of CSV, null if the field is empty. Errors: wrong_type.';

CREATE FUNCTION murallink_private.csv_boolean(given jsonb, field text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF pg_catalog.lower((given ->> field) COLLATE "C") NOT IN ('true', 'false', 'yes', 'no', '1', '0') THEN
        PERFORM murallink_private.raise('wrong_type', field, 'It is yes or no.');
    END IF;
    RETURN pg_catalog.lower((given ->> field) COLLATE "C") IN ('true', 'yes', '1');
END
$$;
COMMENT ON FUNCTION murallink_private.csv_boolean(jsonb, text) IS
'Yes or no, true or false, 1 or 0 in a row of CSV, null if the field is empty. Errors: wrong_type.';

CREATE FUNCTION murallink_private.csv_uid(given jsonb, field text) RETURNS murallink.ksuid
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    uid murallink.ksuid;
BEGIN
    uid := given ->> field;
    RETURN uid;
EXCEPTION WHEN invalid_text_representation THEN
    PERFORM murallink_private.raise('invalid_uid', field);
END
$$;
COMMENT ON FUNCTION murallink_private.csv_uid(jsonb, text) IS 'A uid in a row of CSV, null if the field is empty. Errors: invalid_uid.';

CREATE FUNCTION murallink_private.csv_columns(kind text) RETURNS text[]
LANGUAGE sql IMMUTABLE
RETURN CASE kind
    WHEN 'patients' THEN '{site_uid,first_name,last_name,email,phone,email_enabled,sms_enabled,street1,street2,city,state,post_code,
        emergency_contact,emergency_phone,time_zone,trial_uid,subject_id,payment_type_uid,source,ref}'
    WHEN 'enrollments' THEN '{patient_uid,trial_uid,site_uid,subject_id,source,ref}'
    WHEN 'milestones' THEN '{milestone,amount,currency,trial_uid,site_uid,num_payments,effective_date,sort_order,code,note,per,
        approval_ref,approved_on,source,ref}'
    WHEN 'visits' THEN '{source,source_ref,protocol_id,trial_ref,site_ref,subject_id,visit_code,visit_date,repeat,status,note}' END::text[];
COMMENT ON FUNCTION murallink_private.csv_columns(text) IS 'The columns that a table in CSV may have, null for an unknown kind.';

CREATE FUNCTION murallink_private.import_row(kind text, given jsonb, OUT uid murallink.ksuid, OUT twins boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    place jsonb;
BEGIN
    twins := false;
    CASE kind
        WHEN 'patients' THEN
            SELECT pg_catalog.jsonb_object_agg(k.key, k.value) INTO place FROM pg_catalog.jsonb_each(given) k
            WHERE k.key IN ('street1', 'street2', 'city', 'state', 'post_code');
            SELECT p.uid, p.similar IS NOT NULL INTO import_row.uid, twins FROM murallink.add_patient(
                murallink_private.csv_uid(given, 'site_uid'), given ->> 'first_name', coalesce(given ->> 'last_name', ''), given ->> 'email', given ->> 'phone',
                coalesce(murallink_private.csv_boolean(given, 'email_enabled'), false),
                coalesce(murallink_private.csv_boolean(given, 'sms_enabled'), false), place, given ->> 'emergency_contact',
                given ->> 'emergency_phone', given ->> 'time_zone', murallink_private.csv_uid(given, 'trial_uid'), given ->> 'subject_id',
                murallink_private.csv_uid(given, 'payment_type_uid'), given ->> 'source', given ->> 'ref') p;
        WHEN 'enrollments' THEN
            PERFORM murallink.enroll(
                murallink_private.csv_uid(given, 'patient_uid'), murallink_private.csv_uid(given, 'trial_uid'), murallink_private.csv_uid(given, 'site_uid'),
                given ->> 'subject_id', given ->> 'source', given ->> 'ref');
            SELECT e.uid INTO import_row.uid FROM murallink.enrollment e
            WHERE e.patient_uid = murallink_private.csv_uid(given, 'patient_uid') AND e.trial_uid = murallink_private.csv_uid(given, 'trial_uid')
            ORDER BY e.created_at DESC, e.uid DESC LIMIT 1;
        WHEN 'milestones' THEN
            SELECT m.uid, m.similar IS NOT NULL INTO import_row.uid, twins FROM murallink.add_milestone(
                given ->> 'milestone', murallink_private.csv_number(given, 'amount'), given ->> 'currency',
                murallink_private.csv_uid(given, 'trial_uid'), murallink_private.csv_uid(given, 'site_uid'),
                coalesce(murallink_private.csv_integer(given, 'num_payments'), 1), murallink_private.row_value(given, 'effective_date', NULL::murallink.moment),
                murallink_private.csv_integer(given, 'sort_order'), given ->> 'code', given ->> 'note', given ->> 'per',
                given ->> 'approval_ref', murallink_private.row_value(given, 'approved_on', NULL::murallink.day), given ->> 'source', given ->> 'ref') m;
    END CASE;
END
$$;
COMMENT ON FUNCTION murallink_private.import_row(text, jsonb) IS
'Carries out a row of CSV by the action for its kind, and answers the uid of what was added, and whether there is something similar. Errors: wrong_type, invalid_uid, invalid_value, those of the action.';

CREATE TYPE murallink.imported_row AS (
    row_number integer, uid murallink.optional_uid, state murallink.optional_text, reason murallink.optional_text,
    payment_uid murallink.optional_uid, error murallink.optional_text, field murallink.optional_text, hint murallink.optional_text);
COMMENT ON TYPE murallink.imported_row IS
'What became of a row of import_csv. row_number: from 1, without the first line; uid: of what was added; state: added, or that of the visit; reason: similar, if there is a similar patient or milestone, or that of the visit; payment_uid: of the visit; error, field, hint: why the row was refused.';

CREATE FUNCTION murallink_private.csv_visits(csv text, dry_run boolean) RETURNS SETOF murallink.imported_row
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    given jsonb[];
    numbers integer[];
    refused integer[] := '{}';
    one record;
    row_given jsonb;
BEGIN
    FOR one IN SELECT * FROM murallink_private.csv_objects(csv, murallink_private.csv_columns('visits')) LOOP
        IF one.given IS NULL THEN
            refused := refused || one.row_number;
            CONTINUE;
        END IF;
        row_given := one.given;
        -- In JSON a number is no text.
        IF row_given ->> 'repeat' ~ '^[0-9]{1,9}$' THEN
            row_given := pg_catalog.jsonb_set(row_given, '{repeat}', pg_catalog.to_jsonb((row_given ->> 'repeat')::integer));
        END IF;
        given := given || row_given;
        numbers := numbers || one.row_number;
    END LOOP;
    RETURN QUERY
    SELECT numbers[v.row_number], v.uid, v.state, v.reason, v.payment_uid, v.error, v.field, v.hint
    FROM murallink.visits_done(coalesce(pg_catalog.to_jsonb(given), '[]'), dry_run) v
    UNION ALL
    SELECT (ROW(r, NULL, NULL, NULL, NULL, 'invalid_request', NULL, 'Each row has as many fields as the first line.')::murallink.imported_row).*
    FROM pg_catalog.unnest(refused) AS r
    ORDER BY 1;
END
$$;
COMMENT ON FUNCTION murallink_private.csv_visits(text, boolean) IS 'Takes the reports of visits in CSV, as visits_done takes them.';

CREATE FUNCTION murallink_private.import_lock(kind text, trial_uids text[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM murallink.trial t WHERE t.uid::text IN (SELECT u FROM pg_catalog.unnest(trial_uids) u) AND EXISTS (
        SELECT FROM murallink.trial_site a WHERE a.trial_uid = t.uid AND murallink_private.permitted(
            CASE kind WHEN 'milestones' THEN 'add_milestone' ELSE 'enroll' END::murallink.permission,
            a.client_uid, a.contract_uid, a.trial_uid, a.site_uid))
    ORDER BY t.uid FOR NO KEY UPDATE OF t;
END
$$;
COMMENT ON FUNCTION murallink_private.import_lock(text, text[]) IS
'Locks the trials of a table in which the caller may carry out something of it, in one order. So two tables with the same people or milestones wait for each other, whatever the order of their rows; no payment waits.';

CREATE FUNCTION murallink.import_csv(kind text DEFAULT NULL, csv text DEFAULT NULL, dry_run boolean DEFAULT false)
RETURNS SETOF murallink.imported_row
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    tries CONSTANT boolean := coalesce(import_csv.dry_run, false);
    columns CONSTANT text[] := murallink_private.csv_columns(murallink_private.required(import_csv.kind, 'kind'));
    one record;
    done record;
    answer murallink.imported_row;
    answers murallink.imported_row[] := '{}';
    code text;
BEGIN
    IF columns IS NULL THEN
        PERFORM murallink_private.raise('invalid_value', 'kind', 'It is patients, enrollments, milestones or visits.');
    ELSIF kind = 'visits' THEN
        RETURN QUERY SELECT * FROM murallink_private.csv_visits(murallink_private.required(csv, 'csv'), tries);
        RETURN;
    END IF;
    PERFORM murallink_private.import_lock(kind, ARRAY(
        SELECT DISTINCT o.given ->> 'trial_uid' FROM murallink_private.csv_objects(murallink_private.required(csv, 'csv'), columns) o));
    BEGIN
        FOR one IN SELECT * FROM murallink_private.csv_objects(csv, columns) LOOP
            answer := NULL;
            answer.row_number := one.row_number;
            BEGIN
                IF one.given IS NULL THEN
                    PERFORM murallink_private.raise('invalid_request', NULL, 'Each row has as many fields as the first line.');
                END IF;
                SELECT * INTO done FROM murallink_private.import_row(kind, one.given);
                answer.uid := CASE WHEN NOT tries THEN done.uid END;
                answer.state := 'added';
                answer.reason := CASE WHEN done.twins THEN 'similar' END;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS answer.error = CONSTRAINT_NAME, answer.field = COLUMN_NAME, answer.hint = PG_EXCEPTION_HINT,
                    code = RETURNED_SQLSTATE;
                IF code !~ '^PT4' THEN
                    RAISE;
                END IF;
            END;
            answers := answers || answer;
        END LOOP;
        IF tries THEN
            RAISE USING ERRCODE = 'MLDRY', MESSAGE = 'takes back what was tried';
        END IF;
    EXCEPTION WHEN SQLSTATE 'MLDRY' THEN
        NULL;
    END;
    PERFORM murallink_private.say(pg_catalog.format('%s of %s rows %s', (
        SELECT pg_catalog.count(*) FROM pg_catalog.unnest(answers) AS a WHERE a.error IS NULL), pg_catalog.cardinality(answers),
        CASE WHEN tries THEN 'can be added' ELSE 'added' END));
    RETURN QUERY SELECT a.* FROM pg_catalog.unnest(answers) AS a;
END
$$;
COMMENT ON FUNCTION murallink.import_csv(text, text, boolean) IS
'Carries out a table in CSV, row by row. kind: patients (add_patient), enrollments (enroll), milestones (add_milestone) or visits (visit_done); csv: at most 10,000 rows; the first line has the names of the columns, which are the arguments of that action, for patients with street1, street2, city, state and post_code in place of address; fields are separated by commas, semicolons or tabs; empty ones count as absent; dry_run: answers what would be done, and does nothing. Answers for each row; one that is refused has the error, and stops no other. Each row needs the permission of its action. Errors: unauthenticated, missing_field, too_long, invalid_value (kind), unknown_key (a column), invalid_request (what is no CSV, or has a column twice); the rest is in the answer.';

CREATE FUNCTION murallink_private.request_dry_run() RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    headers CONSTANT json := NULLIF(pg_catalog.current_setting('request.headers', true), '')::json;
    sent CONSTANT text := pg_catalog.lower(pg_catalog.btrim(headers ->> 'dry-run') COLLATE "C");
BEGIN
    IF sent NOT IN ('', 'true', 'false', 'yes', 'no', '1', '0') THEN
        PERFORM murallink_private.raise('invalid_value', 'Dry-Run', 'The header is true or false.');
    ELSIF sent IN ('true', 'yes', '1') AND headers ->> 'idempotency-key' <> '' THEN
        -- The key would answer with this when the same table is to be carried out.
        PERFORM murallink_private.raise('invalid_request', 'Dry-Run', 'Send the Idempotency-Key only with the table that is carried out.');
    END IF;
    RETURN coalesce(sent IN ('true', 'yes', '1'), false);
END
$$;
COMMENT ON FUNCTION murallink_private.request_dry_run() IS
'Whether the request has the header Dry-Run: true, yes or 1. Errors: invalid_value (a header that is neither yes nor no), invalid_request (an Idempotency-Key beside it).';

CREATE FUNCTION murallink_private.request_text(body text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    headers CONSTANT json := NULLIF(pg_catalog.current_setting('request.headers', true), '')::json;
BEGIN
    -- PostgREST's way to the server ends a text at a byte that is zero: what follows would be lost in silence.
    IF headers ->> 'content-length' <> pg_catalog.octet_length(body)::text THEN
        PERFORM murallink_private.raise('invalid_request', NULL, 'The text has a byte that is zero, as files in UTF-16 have: send it in UTF-8.');
    END IF;
    RETURN body;
END
$$;
COMMENT ON FUNCTION murallink_private.request_text(text) IS
'The body of a request in text/plain, if all of it has arrived, by its Content-Length. Errors: invalid_request.';

CREATE FUNCTION murallink.import_patients(text) RETURNS SETOF murallink.imported_row
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM murallink.import_csv('patients', murallink_private.request_text($1), murallink_private.request_dry_run())
$$;
COMMENT ON FUNCTION murallink.import_patients(text) IS
'import_csv for patients, with the CSV as the body of the request (Content-Type: text/plain); with the header "Dry-Run: true" it does nothing. It also refuses another value of that header than yes or no (invalid_value), an Idempotency-Key beside it, and a text with a byte that is zero (invalid_request).';

CREATE FUNCTION murallink.import_enrollments(text) RETURNS SETOF murallink.imported_row
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM murallink.import_csv('enrollments', murallink_private.request_text($1), murallink_private.request_dry_run())
$$;
COMMENT ON FUNCTION murallink.import_enrollments(text) IS 'import_csv for enrollments; see import_patients.';

CREATE FUNCTION murallink.import_milestones(text) RETURNS SETOF murallink.imported_row
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM murallink.import_csv('milestones', murallink_private.request_text($1), murallink_private.request_dry_run())
$$;
COMMENT ON FUNCTION murallink.import_milestones(text) IS 'import_csv for milestones; see import_patients.';

CREATE FUNCTION murallink.import_visits(text) RETURNS SETOF murallink.imported_row
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM murallink.import_csv('visits', murallink_private.request_text($1), murallink_private.request_dry_run())
$$;
COMMENT ON FUNCTION murallink.import_visits(text) IS 'import_csv for visits; see import_patients.';

CREATE FUNCTION murallink.redcap_trigger(text) RETURNS murallink.visit_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.permit_somewhere('visit_done');
    form CONSTANT jsonb := (
        SELECT pg_catalog.jsonb_object_agg(murallink_private.url_decoded(pg_catalog.split_part(part, '=', 1)),
            murallink_private.url_decoded(pg_catalog.substr(part, pg_catalog.strpos(part, '=') + 1)))
        FROM pg_catalog.string_to_table(murallink_private.request_text($1), '&') AS part WHERE pg_catalog.strpos(part, '=') > 1);
    instrument CONSTANT text := coalesce(form ->> 'instrument', '');
    code_sent CONSTANT text := pg_catalog.concat_ws(':', NULLIF(form ->> 'redcap_event_name', ''), instrument);
    instance CONSTANT integer := CASE WHEN form ->> 'redcap_repeat_instance' ~ '^[0-9]{1,4}$' THEN form ->> 'redcap_repeat_instance' ELSE '1' END;
    ref_sent CONSTANT text := pg_catalog.concat_ws(':', form ->> 'project_id', form ->> 'record', code_sent, instance);
    known_trial murallink.ksuid;
BEGIN
    IF coalesce(form ->> 'project_id', '') = '' OR coalesce(form ->> 'record', '') = '' OR instrument = '' THEN
        PERFORM murallink_private.raise('missing_field', CASE WHEN coalesce(form ->> 'project_id', '') = '' THEN 'project_id'
            WHEN instrument = '' THEN 'instrument' ELSE 'record' END);
    END IF;
    SELECT f.trial_uid INTO known_trial FROM murallink_private.visit_trial(caller, 'redcap', '', form ->> 'project_id') f;
    IF known_trial IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'project_id', 'set_reference says which project is which trial, with the source redcap.');
    END IF;
    -- Every save of every form is sent: most are not the end of a visit.
    IF form ->> (instrument || '_complete') IS DISTINCT FROM '2' OR NOT EXISTS (
        SELECT FROM murallink.external_reference r
        WHERE r.scope_uid = known_trial AND r.kind = 'milestone' AND r.source = 'redcap' AND r.ref = code_sent AND r.ended_at IS NULL) THEN
        RETURN NULL;
    END IF;
    -- The form has no date: the visit was on the day on which it was first complete.
    RETURN murallink.visit_done(
        'redcap', ref_sent, trial_ref => form ->> 'project_id', subject_id => form ->> 'record', visit_code => code_sent,
        visit_date => coalesce((
            SELECT v.visit_date FROM murallink.visit v JOIN murallink.trial t ON t.uid = known_trial AND t.client_uid = v.client_uid
            WHERE v.source = 'redcap' AND v.source_ref = ref_sent), (
            SELECT murallink_private.today_at(e.site_uid) FROM murallink_private.visit_chain(known_trial, 'redcap', form ->> 'record') c
            JOIN murallink.enrollment e ON e.chain_uid = c.chain_uid ORDER BY e.left_on DESC NULLS FIRST LIMIT 1),
            (pg_catalog.clock_timestamp() AT TIME ZONE 'UTC')::date),
        repeat => instance);
END
$$;
COMMENT ON FUNCTION murallink.redcap_trigger(text) IS
'Takes what REDCap''s data entry trigger sends when a record is saved: a form with project_id, record, instrument, <instrument>_complete, redcap_event_name and redcap_repeat_instance; other fields are not read. A form that is complete (2) is reported by visit_done, with the source redcap, as a visit of the day, at the patient''s site, on which it was first complete; the project is the trial, the record the subject_id, and redcap_event_name:instrument, or instrument where there are no events, the visit_code. Answers null where there is nothing to do: the form is not complete, or no milestone has this reference (set_reference). Needs visit_done on the trial at the site. Errors: unauthenticated, forbidden, not_found (no trial has the project as its reference), missing_field, invalid_request, too_long, invalid_value, dropped, not_enrolled, conflict.';
