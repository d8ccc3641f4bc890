-- Requests of operators to partners, and how they see them.

CREATE FUNCTION murallink_private.partner_built(
    partner text, base_url text, settings jsonb, secrets jsonb, operation text, params jsonb
) RETURNS jsonb
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'partner_built';
COMMENT ON FUNCTION murallink_private.partner_built(text, text, jsonb, jsonb, text, jsonb) IS
'The request of an operation as it would be sent, and whether it is repeatable. secrets: an object; JSON null: their names stand in for them. Errors: not_found; for wrong params, with the partner''s own code as hint: unknown_key, missing_field, wrong_type, too_long, invalid_value.';

CREATE FUNCTION murallink_private.partner_meaning(partner text, operation text, params jsonb, http_status integer, answer text)
RETURNS jsonb
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'partner_meaning';
COMMENT ON FUNCTION murallink_private.partner_meaning(text, text, jsonb, integer, text) IS
'What an answer of a partner would mean: its outcome, the reason and the facts. answer: JSON. Errors: not_found.';

CREATE FUNCTION murallink.partner_operations(
    OUT partner text, OUT operation text, OUT field text, OUT kind text, OUT required boolean, OUT longest integer,
    OUT setting text, OUT choices text, OUT code text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'partner_operations';
COMMENT ON FUNCTION murallink.partner_operations() IS
'What partner_request() takes: a row for each field of params, those within others after a dot. longest: in characters, or rows; setting: the default if the field is absent; code: the partner''s error for a wrong value. For operators.';

CREATE FUNCTION murallink.partner_preview(
    partner text DEFAULT NULL, operation text DEFAULT NULL, params jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    preview jsonb;
BEGIN
    SELECT murallink_private.partner_built(p.name, p.base_url, p.settings, k.names, murallink_private.required(partner_preview.operation, 'operation'),
        coalesce(partner_preview.params, '{}'))
    INTO preview
    FROM murallink_private.partner p JOIN murallink_private.partner_secret s ON s.partner_uid = p.uid,
        LATERAL (SELECT pg_catalog.jsonb_object_agg(n, '<' || n || '>') AS names FROM pg_catalog.jsonb_object_keys(s.secrets) n) k
    WHERE p.name = murallink_private.required(partner_preview.partner, 'partner');
    IF preview IS NULL THEN
        PERFORM murallink_private.raise('not_found', 'partner', 'configure_partner sets a partner up; partner_operations() lists those that there are.');
    END IF;
    RETURN preview;
END
$$;
COMMENT ON FUNCTION murallink.partner_preview(text, text, jsonb) IS
'The request that partner_request() would send: method, url, headers and body, with names in place of secrets; and whether it is repeated if the answer is lost. For operators. Errors: missing_field, not_found, unknown_key, wrong_type, too_long, invalid_value.';

CREATE TYPE murallink.task_info AS (
    uid murallink.ksuid, partner text, operation text, subject_uid murallink.ksuid, status murallink.payout_status, reason text,
    attempt integer, facts jsonb, note text, requested_by name, created_at timestamptz, settled_at timestamptz);
COMMENT ON TYPE murallink.task_info IS
'A request to a partner and its answer. facts: with murallink''s own names; reason: why it was not done.';

CREATE FUNCTION murallink_private.task_info(task_uid murallink.ksuid) RETURNS murallink.task_info
LANGUAGE sql STABLE AS $$
    SELECT c.uid, c.partner, c.operation, c.subject_uid, c.status, c.reason, c.attempt, c.facts, c.note, c.requested_by,
        c.created_at, c.settled_at
    FROM murallink_private.call c
    WHERE c.uid = task_info.task_uid AND c.resource <> 'notice' AND c.operation NOT IN ('load', 'pay', 'order')
$$;
COMMENT ON FUNCTION murallink_private.task_info(murallink.ksuid) IS
'A call other than an order, a load or a message, as functions for operators answer.';

CREATE FUNCTION murallink_private.task_begin(
    partner text, operation text, params jsonb, repeatable boolean, resource text DEFAULT 'request', subject_uid murallink.ksuid DEFAULT NULL,
    once text DEFAULT NULL
) RETURNS murallink.task_info
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    IF NOT EXISTS (SELECT FROM murallink_private.partner p WHERE p.name = task_begin.partner) THEN
        PERFORM murallink_private.raise('not_found', 'partner', 'configure_partner sets a partner up; partner_operations() lists those that there are.');
    END IF;
    made := murallink_private.call_make(partner, resource, subject_uid, operation, params, repeatable, once);
    IF made IS NULL THEN
        PERFORM murallink_private.raise('conflict', 'operation');
    END IF;
    RETURN murallink_private.task_info(made);
END
$$;
COMMENT ON FUNCTION murallink_private.task_begin(text, text, jsonb, boolean, text, murallink.ksuid, text) IS
'Makes a call to a configured partner. Arguments: those of call_make(). Errors: not_found; conflict (there is a call with the key once).';

CREATE FUNCTION murallink_private.request_begin(
    partner text, operation text, params jsonb, resource text DEFAULT 'request', subject_uid murallink.ksuid DEFAULT NULL
) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    preview CONSTANT jsonb := murallink.partner_preview(partner, operation, params);
    begun murallink.task_info;
BEGIN
    IF operation = 'login' THEN
        PERFORM murallink_private.raise('not_found', 'operation', 'partner_operations() lists them.');
    END IF;
    begun := murallink_private.task_begin(partner, operation, coalesce(params, '{}'), (preview ->> 'repeatable')::boolean, resource, subject_uid,
        CASE operation WHEN 'change_password' THEN partner || ' ' || operation END);
    RETURN begun.uid;
END
$$;
COMMENT ON FUNCTION murallink_private.request_begin(text, text, jsonb, text, murallink.ksuid) IS
'Makes a call for one of the operations of partner_operations(), about a subject. Only one change of password at a time is possible. Errors: missing_field, not_found, unknown_key, wrong_type, too_long, invalid_value, conflict.';

CREATE FUNCTION murallink_private.request_state(task_uid murallink.ksuid) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
    SELECT pg_catalog.jsonb_build_object('uid', c.uid, 'status', c.status, 'reason', c.reason, 'http_status', c.http_status,
        'facts', c.facts, 'answer', c.answer)
    FROM murallink_private.call c WHERE c.uid = request_state.task_uid AND c.resource <> 'notice' AND c.operation NOT IN ('load', 'pay', 'order')
$$;
COMMENT ON FUNCTION murallink_private.request_state(murallink.ksuid) IS
'The state of a call, as await_partner() answers it.';

CREATE FUNCTION murallink.partner_request(
    partner text DEFAULT NULL, operation text DEFAULT NULL, params jsonb DEFAULT '{}'
) RETURNS murallink.ksuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT murallink_private.request_begin(partner, operation, params);
END;
COMMENT ON FUNCTION murallink.partner_request(text, text, jsonb) IS
'Sends a request to a partner: the worker does it after the commit. await_partner() and partner_tasks() show the outcome. operation, params: see partner_operations(). For operators. Errors: missing_field, not_found, unknown_key, wrong_type, too_long, invalid_value, with the partner''s own code in the hint; conflict (another change of password is under way).';

CREATE FUNCTION murallink_private.is_ours(transaction xid) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'request_is_ours';
COMMENT ON FUNCTION murallink_private.is_ours(xid) IS
'Whether this is the id of the current transaction or of one of its subtransactions.';

CREATE FUNCTION murallink.await_partner(task_uid murallink.ksuid DEFAULT NULL, timeout numeric DEFAULT 30) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deadline timestamptz;
    pause double precision := 0.005;
    state jsonb;
BEGIN
    IF murallink_private.required(timeout, 'timeout') NOT BETWEEN 0 AND 300 THEN
        PERFORM murallink_private.raise('invalid_value', 'timeout', 'Seconds from 0 to 300.');
    END IF;
    deadline := pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => timeout);
    -- A request of this transaction is not sent before the commit, and commits of others must be visible here.
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' OR EXISTS (
        SELECT FROM murallink_private.call t
        WHERE t.uid = await_partner.task_uid AND murallink_private.is_ours(t.xmin)) THEN
        PERFORM murallink_private.raise('wrong_status', 'task_uid');
    END IF;
    LOOP
        state := murallink_private.request_state(murallink_private.required(await_partner.task_uid, 'task_uid'));
        IF state IS NULL THEN
            PERFORM murallink_private.raise('not_found', 'task_uid');
        END IF;
        EXIT WHEN state ->> 'status' NOT IN ('ready', 'claimed') OR pg_catalog.clock_timestamp() >= deadline;
        PERFORM pg_catalog.pg_sleep(pause);
        pause := LEAST(pause * 1.5, 0.1);
    END LOOP;
    RETURN state;
END
$$;
COMMENT ON FUNCTION murallink.await_partner(murallink.ksuid, numeric) IS
'Waits for the answer to a request of partner_request() or a similar function, which must have been committed. Returns uid, status (done, declined, in_doubt; after the timeout ready or claimed), reason, http_status, facts and answer. timeout: in seconds, at most 300, and less than statement_timeout. For operators. Errors: missing_field, invalid_value, not_found; wrong_status: asked for by this transaction, or it is not read committed.';
