-- Events that the worker announces to listening sessions, and posts to webhooks.

CREATE FUNCTION murallink_private.events_announce(after text, since timestamptz, OUT next text, OUT more boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    start CONSTANT record := murallink_private.event_after(after);
    most CONSTANT integer := 1000;
    count bigint;
    lines text[];
BEGIN
    IF after = '' THEN
        SELECT e.sequence INTO next FROM murallink_private.event e WHERE e.at < since ORDER BY e."position" DESC, e.step DESC LIMIT 1;
        next := coalesce(next, murallink_private.event_sequence(0, 0));
        more := true;
        RETURN;
    END IF;
    SELECT coalesce(pg_catalog.max(e.sequence), after), pg_catalog.array_agg(pg_catalog.concat_ws(' ', e.event, e.resource_uid)), count(*)
    INTO next, lines, count
    FROM (
        SELECT v.sequence, v.event, v.resource_uid FROM murallink_private.event v
        WHERE (v."position", v.step) > (start."position", start.step) AND v."position" < murallink_private.events_end()
        ORDER BY v."position", v.step LIMIT most) e;
    -- A line has at most 50 bytes, a notification fewer than 8000.
    FOR i IN 1 .. count BY 150 LOOP
        PERFORM pg_catalog.pg_notify('murallink_events', pg_catalog.array_to_string(lines[i:i + 149], E'\n'));
    END LOOP;
    more := count = most;
END
$$;
COMMENT ON FUNCTION murallink_private.events_announce(text, timestamptz) IS
'Announces the events that follow to the sessions that listen on the channel murallink_events: one line for each, with its type and the uid of what has changed. after: the sequence of the last one that was announced; empty: announces nothing, and answers with the last event before since. For the worker.';

CREATE FUNCTION murallink_private.webhook_wait(attempt integer) RETURNS interval
LANGUAGE sql VOLATILE
RETURN (ARRAY['5 s', '5 min', '30 min', '2 h', '5 h', '10 h', '14 h', '20 h', '24 h']::interval[])[attempt] * (1 + pg_catalog.random() / 10);
COMMENT ON FUNCTION murallink_private.webhook_wait(integer) IS
'How long to wait after this attempt, with up to a tenth more at random; null if it was the last.';

CREATE FUNCTION murallink_private.webhook_concerns(resource_uid murallink.ksuid, client_uid murallink.ksuid, contract_uid murallink.ksuid,
    trial_uid murallink.ksuid, site_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT resource_uid IS NULL OR resource_uid IN (client_uid, contract_uid, trial_uid, site_uid) IS TRUE OR EXISTS (
        SELECT FROM murallink.trial_site a
        WHERE a.uid = webhook_concerns.resource_uid AND a.trial_uid = webhook_concerns.trial_uid AND a.site_uid = webhook_concerns.site_uid)
$$;
COMMENT ON FUNCTION murallink_private.webhook_concerns(murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether an event at a place concerns the resource of a webhook. resource_uid: null for a webhook that all events concern.';

CREATE FUNCTION murallink_private.webhooks_take(busy murallink.ksuid[])
RETURNS TABLE (webhook_uid murallink.ksuid, as_of timestamptz, next text, event_uid murallink.ksuid, url text, body text, secrets text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    until CONSTANT bigint := murallink_private.events_end();
    -- How many events are read, and how many are posted at the same time: new ones, and others again.
    most_read CONSTANT integer := 1000;
    most CONSTANT integer := 20;
    most_again CONSTANT integer := 10;
    hook murallink_private.webhook;
    chosen murallink.ksuid[];
    again murallink.ksuid[];
    read record;
BEGIN
    IF murallink_private.payouts_state() = 'elsewhere' THEN
        RETURN;
    END IF;
    FOR hook IN SELECT * FROM murallink_private.webhook w WHERE w.off = '' AND w.uid <> ALL (busy) ORDER BY w.uid LOOP
        SELECT count(*) AS count, pg_catalog.max(e.sequence) AS last, pg_catalog.min(e.at) AS first_at,
            pg_catalog.array_agg(e.uid ORDER BY e.sequence) FILTER (WHERE e.wanted) AS uids,
            pg_catalog.array_agg(e.sequence ORDER BY e.sequence) FILTER (WHERE e.wanted) AS sequences
        INTO read FROM (
            SELECT v.uid, v.sequence, v.at, (hook.types IS NULL OR v.event = ANY (hook.types)) AND murallink_private.webhook_concerns(
                hook.resource_uid, v.client_uid, v.contract_uid, v.trial_uid, v.site_uid) AS wanted
            FROM murallink_private.event v
            WHERE (v."position", v.step) > (hook."position", hook.step) AND v."position" < until
            ORDER BY v."position", v.step LIMIT most_read) e;
        chosen := coalesce(read.uids[:most], '{}');
        again := ARRAY(
            SELECT d.event_uid FROM murallink_private.webhook_delivery d
            WHERE d.webhook_uid = hook.uid AND d.due_at <= pg_catalog.clock_timestamp() ORDER BY d.due_at LIMIT most_again);
        next := CASE WHEN pg_catalog.cardinality(read.uids) > most THEN read.sequences[most] ELSE read.last END;
        IF pg_catalog.cardinality(chosen || again) = 0 THEN
            -- Nothing but what it passes over: stored now and then.
            IF read.count = most_read OR read.first_at < pg_catalog.clock_timestamp() - interval '30 s' THEN
                PERFORM murallink_private.webhook_passed(hook.uid, next);
            END IF;
            CONTINUE;
        END IF;
        RETURN QUERY
        SELECT hook.uid, hook.changed_at, webhooks_take.next, v.uid, hook.url, pg_catalog.jsonb_build_object(
                'type', v.event, 'timestamp', pg_catalog.to_char(v.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'sequence', v.sequence,
                'data', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('uid', v.uid, 'resource', v.resource, 'resource_uid', v.resource_uid,
                    'client_uid', v.client_uid, 'contract_uid', v.contract_uid, 'trial_uid', v.trial_uid, 'site_uid', v.site_uid,
                    'payment_uid', v.payment_uid, 'status', v.status, 'reason', v.reason, 'amount', v.amount, 'currency', v.currency,
                    'returned', v.returned)))::text,
            pg_catalog.concat_ws(' ', pg_catalog.encode(s.secret, 'hex'),
                CASE WHEN s.earlier_until > pg_catalog.clock_timestamp() THEN pg_catalog.encode(s.earlier, 'hex') END)
        FROM murallink_private.event v, murallink_private.webhook_secret s
        WHERE v.uid = ANY (chosen || again) AND s.webhook_uid = hook.uid ORDER BY v."position", v.step;
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.webhooks_take(murallink.ksuid[]) IS
'What to post now: for each webhook new events and some that are tried again. busy: webhooks for which posts are under way, which get none. as_of: when the webhook was changed last; next: how far the webhook has come when all of them have ended; secrets: in hexadecimal digits, with a blank between them. Nothing in a copy of a database for which payouts were enabled elsewhere. For the worker.';

CREATE FUNCTION murallink_private.webhook_passed(webhook_uid murallink.ksuid, next text) RETURNS void
LANGUAGE sql VOLATILE AS $$
    UPDATE murallink_private.webhook w SET ("position", step) = (a."position", a.step)
    FROM murallink_private.event_after(next) a
    WHERE w.uid = webhook_uid AND (a."position", a.step) > (w."position", w.step)
$$;
COMMENT ON FUNCTION murallink_private.webhook_passed(murallink.ksuid, text) IS
'Stores how far a webhook has come. next: the sequence of the last event that was posted or passed over; null: none.';

CREATE FUNCTION murallink_private.webhooks_settle(batches jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    batch record;
BEGIN
    FOR batch IN
        SELECT b.webhook_uid, b.next, b.results, w.changed_at > b.as_of AS outdated
        FROM pg_catalog.jsonb_to_recordset(batches) AS b (webhook_uid murallink.ksuid, as_of timestamptz, next text, results jsonb)
        JOIN murallink_private.webhook w ON w.uid = b.webhook_uid ORDER BY w.uid FOR NO KEY UPDATE OF w
    LOOP
        DELETE FROM murallink_private.webhook_delivery d
        USING pg_catalog.jsonb_to_recordset(batch.results) AS r (event_uid murallink.ksuid, http_status integer, reason text)
        WHERE d.webhook_uid = batch.webhook_uid AND d.event_uid = r.event_uid AND r.reason IS NULL;
        INSERT INTO murallink_private.webhook_delivery AS d (webhook_uid, event_uid, attempt, due_at, http_status, reason, tried_at)
        SELECT batch.webhook_uid, r.event_uid, 1, pg_catalog.clock_timestamp() + murallink_private.webhook_wait(1), r.http_status, r.reason,
            pg_catalog.clock_timestamp()
        FROM pg_catalog.jsonb_to_recordset(batch.results) AS r (event_uid murallink.ksuid, http_status integer, reason text)
        WHERE r.reason IS NOT NULL
        ON CONFLICT ON CONSTRAINT webhook_delivery_pkey DO UPDATE
        SET attempt = d.attempt + 1, due_at = pg_catalog.clock_timestamp() + murallink_private.webhook_wait(d.attempt + 1),
            http_status = EXCLUDED.http_status, reason = EXCLUDED.reason, tried_at = EXCLUDED.tried_at;
        -- It has got another place in the feed or another URL since: what follows that place is posted again, and 410 was not its answer.
        CONTINUE WHEN batch.outdated;
        PERFORM murallink_private.webhook_passed(batch.webhook_uid, batch.next);
        UPDATE murallink_private.webhook w SET off = 'it answered 410', changed_at = pg_catalog.clock_timestamp()
        WHERE w.uid = batch.webhook_uid AND w.off = '' AND batch.results @> '[{"http_status": 410}]';
    END LOOP;
END
$$;
COMMENT ON FUNCTION murallink_private.webhooks_settle(jsonb) IS
'Stores how posts have ended, by webhook: webhook_uid, as_of and next as webhooks_take() has returned them, and results: event_uid, http_status and reason, which is null if the event was accepted. The answer 410 switches a webhook off. If an operator has changed the webhook since, it stays where it is and on. For the worker.';

CREATE FUNCTION murallink_private.checked_webhook_url(url text) RETURNS text
LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'webhook_checked_url';
COMMENT ON FUNCTION murallink_private.checked_webhook_url(text) IS
'The URL of a webhook, which must be https, or http on this machine, without user, query and fragment. Errors: missing_field, too_long, invalid_value, insecure_url.';

CREATE FUNCTION murallink_private.webhook_key(secret text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    key bytea;
BEGIN
    PERFORM murallink_private.checked_text(secret, 'secret', 200, true);
    key := pg_catalog.decode(pg_catalog.substr(secret, 7), 'base64');
    IF pg_catalog.starts_with(secret, 'whsec_') AND pg_catalog.length(key) BETWEEN 24 AND 64 THEN
        RETURN key;
    END IF;
    PERFORM murallink_private.raise('invalid_value', 'secret', 'It is whsec_ and 24 to 64 bytes in base64.');
EXCEPTION WHEN invalid_parameter_value THEN
    PERFORM murallink_private.raise('invalid_value', 'secret', 'It is whsec_ and 24 to 64 bytes in base64.');
END
$$;
COMMENT ON FUNCTION murallink_private.webhook_key(text) IS
'The key in a secret: whsec_ and 24 to 64 bytes in base64. Errors: missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink_private.webhook_uid(name text) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    known murallink.ksuid;
BEGIN
    SELECT w.uid INTO known FROM murallink_private.webhook w
    WHERE w.name = murallink_private.checked_label(webhook_uid.name, 'name', 100, true) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'name', 'webhooks() lists them.');
    END IF;
    RETURN known;
END
$$;
COMMENT ON FUNCTION murallink_private.webhook_uid(text) IS 'The webhook of that name, which is locked. Errors: missing_field, too_long, invalid_value, not_found.';

CREATE TYPE murallink.webhook_info AS (
    name text, url text, types text[], resource_uid murallink.ksuid, enabled boolean, why_off text, next text, behind_since timestamptz,
    waiting bigint, failed bigint, earlier_until timestamptz);
COMMENT ON TYPE murallink.webhook_info IS
'A webhook. types: empty: all; resource_uid: only events of this resource; null: all; why_off: why nothing is posted; next: the sequence up to which events were posted or passed over; behind_since: when the first event after that was written, null if there is none; waiting: events that are posted again later; failed: events that are given up; earlier_until: until when the secret before the last rotation signs, too.';

CREATE FUNCTION murallink_private.webhook_infos() RETURNS SETOF murallink.webhook_info
LANGUAGE sql STABLE ROWS 10 AS $$
    SELECT w.name, w.url, coalesce(w.types::text[], '{}'), w.resource_uid, w.off = '', w.off, murallink_private.event_sequence(w."position", w.step),
        (SELECT e.at FROM murallink_private.event e WHERE (e."position", e.step) > (w."position", w.step) ORDER BY e."position", e.step LIMIT 1),
        d.waiting, d.failed, CASE WHEN s.earlier_until > pg_catalog.clock_timestamp() THEN s.earlier_until END
    FROM murallink_private.webhook w JOIN murallink_private.webhook_secret s ON s.webhook_uid = w.uid, LATERAL (
        SELECT count(*) FILTER (WHERE d.due_at IS NOT NULL) AS waiting, count(*) FILTER (WHERE d.due_at IS NULL) AS failed
        FROM murallink_private.webhook_delivery d WHERE d.webhook_uid = w.uid) d
    ORDER BY w.name COLLATE "C"
$$;
COMMENT ON FUNCTION murallink_private.webhook_infos() IS 'The webhooks, by name.';

CREATE FUNCTION murallink.webhooks() RETURNS SETOF murallink.webhook_info
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10 AS $$
    SELECT * FROM murallink_private.webhook_infos()
$$;
COMMENT ON FUNCTION murallink.webhooks() IS 'The webhooks and how far each has come, by name. For operators.';

CREATE FUNCTION murallink.set_webhook(
    name text DEFAULT NULL, url text DEFAULT NULL, types text[] DEFAULT NULL, resource_uid murallink.ksuid DEFAULT NULL,
    secret text DEFAULT NULL, enabled boolean DEFAULT NULL, after text DEFAULT NULL
) RETURNS murallink.webhook_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named CONSTANT text := murallink_private.checked_label(set_webhook.name, 'name', 100, true);
    wanted CONSTANT murallink.event_type[] := murallink_private.event_types(types);
    start record := murallink_private.event_after(after);
    was murallink_private.webhook;
    made murallink_private.webhook;
    answer murallink.webhook_info;
BEGIN
    PERFORM murallink_private.hide_statement();
    LOCK TABLE murallink_private.webhook IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO was FROM murallink_private.webhook w WHERE w.name = named;
    made := was;
    IF NOT FOUND OR url <> '' THEN
        made.url := murallink_private.checked_webhook_url(url);
    END IF;
    IF types IS NOT NULL THEN
        made.types := wanted;
    END IF;
    IF set_webhook.resource_uid IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM murallink_private.resource(set_webhook.resource_uid) r WHERE r.kind IS NOT NULL) THEN
            PERFORM murallink_private.raise('not_found', 'resource_uid');
        END IF;
        made.resource_uid := set_webhook.resource_uid;
    END IF;
    IF was.uid IS NULL AND coalesce(after, '') = '' THEN
        -- What is written from now on.
        SELECT murallink_private.events_end() - 1 AS "position", 2147483647 AS step INTO start;
    END IF;
    IF was.uid IS NULL OR after <> '' THEN
        made."position" := start."position";
        made.step := start.step;
    END IF;
    made.off := CASE WHEN enabled THEN '' WHEN NOT enabled THEN 'it was switched off' ELSE coalesce(was.off, '') END;
    IF was.uid IS NULL THEN
        INSERT INTO murallink_private.webhook AS w (name, url, types, resource_uid, "position", step, off)
        VALUES (named, made.url, made.types, made.resource_uid, made."position", made.step, made.off) RETURNING w.* INTO made;
        INSERT INTO murallink_private.webhook_secret (webhook_uid, secret) VALUES (made.uid, murallink_private.webhook_key(secret));
    ELSE
        UPDATE murallink_private.webhook w
        SET url = made.url, types = made.types, resource_uid = made.resource_uid, "position" = made."position", step = made.step, off = made.off,
            changed_at = pg_catalog.clock_timestamp()
        WHERE w.uid = made.uid;
        IF secret <> '' THEN
            UPDATE murallink_private.webhook_secret s SET secret = murallink_private.webhook_key(set_webhook.secret), earlier = NULL, earlier_until = NULL
            WHERE s.webhook_uid = made.uid;
        END IF;
    END IF;
    PERFORM murallink_private.webhook_noted(made.uid, CASE WHEN was.uid IS NULL THEN 'created' ELSE 'changed' END,
        pg_catalog.to_jsonb(was), pg_catalog.to_jsonb(made), secret <> '');
    PERFORM murallink_private.worker_wake();
    SELECT * INTO answer FROM murallink_private.webhook_infos() i WHERE i.name = named;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.set_webhook(text, text, text[], murallink.ksuid, text, boolean, text) IS
'Makes a webhook, to which the worker posts events, or changes one; absent arguments change nothing. name: of the webhook; url: https, or http on this machine; types: only events of these types; empty: all; resource_uid: only events of this client, contract, trial, site or trial at a site; secret: whsec_ and 24 to 64 bytes in base64, with which posts are signed; it replaces the one before at once: see rotate_webhook; enabled: false: posts nothing until it is true again, and then what was left; after: posts what follows this sequence, also what was posted before; absent for a new webhook: what happens from now on. For operators, because a webhook shows events of every place to the owner of the URL. Errors: missing_field, too_long, invalid_value, insecure_url, not_found (the resource).';

CREATE FUNCTION murallink_private.webhook_noted(
    webhook_uid murallink.ksuid, action text, was jsonb, made jsonb, secret boolean) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT murallink_private.audit_note('webhook', webhook_uid, action::murallink.audit_action, pg_catalog.jsonb_object_agg(c.column, c.change))
    FROM (
        SELECT k.column, pg_catalog.jsonb_build_object('from', was ->> k.column, 'to', made ->> k.column) AS change
        FROM pg_catalog.unnest('{name,url,types,resource_uid,off,position,step}'::text[]) AS k ("column")
        WHERE was ->> k.column IS DISTINCT FROM made ->> k.column
        UNION ALL
        SELECT 'secret', '{"from": null, "to": "another"}' WHERE secret) c
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION murallink_private.webhook_noted(murallink.ksuid, text, jsonb, jsonb, boolean) IS
'Writes the audit_event of a change of a webhook by an operator. action: created, changed or deleted; was, made: its row before and after; secret: whether it has another secret, which is not shown.';

CREATE FUNCTION murallink.rotate_webhook(name text DEFAULT NULL, secret text DEFAULT NULL, hours integer DEFAULT 24) RETURNS murallink.webhook_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_webhook CONSTANT murallink.ksuid := murallink_private.webhook_uid(name);
    answer murallink.webhook_info;
BEGIN
    PERFORM murallink_private.hide_statement();
    IF coalesce(hours, 24) NOT BETWEEN 0 AND 8760 THEN
        PERFORM murallink_private.raise('invalid_value', 'hours', 'Hours from 0 to 8760.');
    END IF;
    UPDATE murallink_private.webhook_secret s
    SET secret = murallink_private.webhook_key(rotate_webhook.secret), earlier = s.secret,
        earlier_until = pg_catalog.clock_timestamp() + coalesce(hours, 24) * interval '1 hour'
    WHERE s.webhook_uid = the_webhook;
    PERFORM murallink_private.webhook_noted(the_webhook, 'changed', NULL, NULL, true);
    SELECT i.* INTO answer FROM murallink_private.webhook w JOIN murallink_private.webhook_infos() i ON i.name = w.name WHERE w.uid = the_webhook;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.rotate_webhook(text, text, integer) IS
'Gives a webhook another secret; for some hours (24) posts are signed with the one before, too. name: the webhook; secret: as set_webhook takes it. For operators. Errors: missing_field, too_long, invalid_value, not_found.';

CREATE FUNCTION murallink.remove_webhook(name text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_webhook CONSTANT murallink.ksuid := murallink_private.webhook_uid(name);
BEGIN
    PERFORM murallink_private.webhook_noted(the_webhook, 'deleted', (
        SELECT pg_catalog.to_jsonb(w) FROM murallink_private.webhook w WHERE w.uid = the_webhook), NULL, false);
    DELETE FROM murallink_private.webhook w WHERE w.uid = the_webhook;
END
$$;
COMMENT ON FUNCTION murallink.remove_webhook(text) IS
'Removes a webhook, its secrets, and what was to be posted again. name: the webhook. For operators. Errors: missing_field, too_long, invalid_value, not_found.';

CREATE FUNCTION murallink.resend_webhook(name text DEFAULT NULL, event_uid murallink.ksuid DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    the_webhook CONSTANT murallink.ksuid := murallink_private.webhook_uid(name);
    sent integer;
BEGIN
    INSERT INTO murallink_private.webhook_delivery AS d (webhook_uid, event_uid, due_at)
    SELECT the_webhook, e.uid, pg_catalog.clock_timestamp()
    FROM murallink_private.event e WHERE e.uid = resend_webhook.event_uid
    UNION ALL
    SELECT d.webhook_uid, d.event_uid, pg_catalog.clock_timestamp() FROM murallink_private.webhook_delivery d
    WHERE d.webhook_uid = the_webhook AND d.due_at IS NULL AND resend_webhook.event_uid IS NULL
    ON CONFLICT ON CONSTRAINT webhook_delivery_pkey DO UPDATE SET attempt = 0, due_at = EXCLUDED.due_at;
    GET DIAGNOSTICS sent = ROW_COUNT;
    IF sent = 0 AND event_uid IS NOT NULL THEN
        PERFORM murallink_private.raise('not_found', 'event_uid');
    END IF;
    PERFORM murallink_private.worker_wake();
    RETURN sent;
END
$$;
COMMENT ON FUNCTION murallink.resend_webhook(text, murallink.ksuid) IS
'Posts an event to a webhook again, whether it was accepted or not, of whatever type and place. name: the webhook; event_uid: the event; absent: all that have failed. Returns how many. For operators. Errors: missing_field, too_long, invalid_value, not_found.';
