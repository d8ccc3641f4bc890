-- What a reported visit means: the trial, the patient, the enrollment of that day, and the milestone.

CREATE TYPE murallink.visit_said AS (
    n integer, source text, source_ref text, protocol_id text, trial_ref text, site_ref text, subject_id text, visit_code text,
    visit_date date, repeat integer, status text, note text);
COMMENT ON TYPE murallink.visit_said IS 'What another system says of a visit: the arguments of visit_done. n: which of several.';

CREATE TYPE murallink.visit_match AS (
    n integer, client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid,
    enrollment_uid murallink.ksuid, left_on date, milestone_uid murallink.ksuid, occurrence integer, problem text, refusal text);
COMMENT ON TYPE murallink.visit_match IS
'What a reported visit means here. n: which of several; left_on: of the enrollment; problem: what is not found, or empty; refusal: the error with which its date is refused, or null.';

CREATE FUNCTION murallink_private.visit_said(
    n integer, source text, source_ref text, protocol_id text, trial_ref text, site_ref text, subject_id text, visit_code text,
    visit_date date, repeat integer, status text, note text
) RETURNS murallink.visit_said
LANGUAGE plpgsql STABLE AS $$
DECLARE
    said murallink.visit_said;
BEGIN
    said.n := n;
    said.source := murallink_private.checked_source(source);
    said.source_ref := murallink_private.checked_label(source_ref, 'source_ref', 200, true);
    said.protocol_id := murallink_private.checked_label(protocol_id, 'protocol_id', 100, coalesce(trial_ref, '') = '');
    said.trial_ref := murallink_private.checked_label(trial_ref, 'trial_ref', 200, false);
    said.site_ref := murallink_private.checked_label(site_ref, 'site_ref', 200, false);
    said.subject_id := murallink_private.checked_label(subject_id, 'subject_id', 200, true);
    said.visit_code := murallink_private.checked_label(visit_code, 'visit_code', 200, true);
    said.visit_date := murallink_private.checked_date(murallink_private.required(visit_date, 'visit_date'), 'visit_date');
    said.repeat := coalesce(repeat, 1);
    said.status := coalesce(NULLIF(status, ''), 'done');
    said.note := murallink_private.checked_text(note, 'note', 1000, false);
    IF said.repeat NOT BETWEEN 1 AND 1000 THEN
        PERFORM murallink_private.raise('invalid_value', 'repeat', 'It is 1 for the first visit of this kind, and at most 1000.');
    ELSIF said.status NOT IN ('done', 'partial', 'not_done', 'withdrawn') THEN
        PERFORM murallink_private.raise('invalid_value', 'status', 'The description of visit_done lists them.');
    END IF;
    RETURN said;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_said(integer, text, text, text, text, text, text, text, date, integer, text, text) IS
'A report of a visit whose values are checked by themselves. Errors: missing_field, too_long, invalid_value.';

CREATE FUNCTION murallink_private.may_report(
    user_uid murallink.ksuid, client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid
) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF user_uid = murallink_private.caller() THEN
        RETURN murallink_private.permitted('visit_done', client_uid, contract_uid, trial_uid, site_uid);
    END IF;
    RETURN EXISTS (
        SELECT FROM murallink.app_user u WHERE u.uid = user_uid AND murallink_private.is_active(u.deactivated)
        AND (u.user_role = 'admin' OR EXISTS (
            SELECT FROM murallink.permission_grant g WHERE g.app_user_uid = u.uid AND g.permission = 'visit_done'
            AND murallink_private.in_force(g.until, g.ended_at)
            AND murallink_private.reaches(g.permission, g.resource, g.client_uid, g.contract_uid, g.trial_uid, g.site_uid,
                may_report.client_uid, may_report.contract_uid, may_report.trial_uid, may_report.site_uid))));
END
$$;
COMMENT ON FUNCTION murallink_private.may_report(murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid, murallink.ksuid) IS
'Whether a user holds visit_done at a place now: the caller, or the one for whom the worker goes on.';

CREATE FUNCTION murallink_private.visit_trial(
    user_uid murallink.ksuid, source text, protocol_id text, trial_ref text, OUT trial_uid murallink.ksuid, OUT problem text
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    key CONSTANT text := murallink_private.label_key(protocol_id);
    meant murallink.ksuid[];
BEGIN
    IF visit_trial.trial_ref <> '' THEN
        meant := ARRAY(
            SELECT r.resource_uid FROM murallink.external_reference r
            WHERE r.kind = 'trial' AND r.source = visit_trial.source AND r.ref = visit_trial.trial_ref AND r.ended_at IS NULL);
    ELSE
        meant := ARRAY(SELECT t.uid FROM murallink.trial t WHERE murallink_private.label_key(t.protocol_id) = key);
    END IF;
    meant := ARRAY(
        SELECT t.uid FROM murallink.trial t
        WHERE t.uid = ANY (meant) AND (key = '' OR murallink_private.label_key(t.protocol_id) = key)
        AND (murallink_private.may_report(user_uid, t.client_uid, t.contract_uid, t.uid, NULL) OR EXISTS (
            SELECT FROM murallink.trial_site a
            WHERE a.trial_uid = t.uid AND murallink_private.may_report(user_uid, a.client_uid, a.contract_uid, a.trial_uid, a.site_uid))));
    trial_uid := CASE pg_catalog.cardinality(meant) WHEN 1 THEN meant[1] END;
    problem := CASE pg_catalog.cardinality(meant) WHEN 1 THEN '' WHEN 0 THEN 'trial' ELSE 'ambiguous_trial' END;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_trial(murallink.ksuid, text, text, text) IS
'The trial in which a user may report visits and that has this protocol id, this reference in a system, or both; if there is none or several, the problem.';

CREATE FUNCTION murallink_private.visit_chain(trial_uid murallink.ksuid, source text, subject_id text, OUT chain_uid murallink.ksuid, OUT problem text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    meant CONSTANT murallink.ksuid[] := ARRAY(
        SELECT e.chain_uid FROM murallink.enrollment e
        WHERE e.trial_uid = visit_chain.trial_uid AND e.subject_held
        AND murallink_private.label_key(e.subject_id) = murallink_private.label_key(visit_chain.subject_id)
        UNION
        SELECT e.chain_uid FROM murallink.external_reference r JOIN murallink.enrollment e ON e.uid = r.resource_uid
        WHERE r.scope_uid = visit_chain.trial_uid AND r.kind = 'enrollment' AND r.source = visit_chain.source
        AND r.ref = visit_chain.subject_id AND r.ended_at IS NULL);
BEGIN
    chain_uid := CASE pg_catalog.cardinality(meant) WHEN 1 THEN meant[1] END;
    problem := CASE pg_catalog.cardinality(meant) WHEN 1 THEN '' WHEN 0 THEN 'subject_id' ELSE 'ambiguous_subject_id' END;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_chain(murallink.ksuid, text, text) IS
'The chain of enrollments of the patient of a trial who has this number, or this reference in a system; if there is none, or two patients are meant, the problem.';

CREATE FUNCTION murallink_private.visit_milestone(
    source text, trial_uid murallink.ksuid, trial_site_uid murallink.ksuid, visit_code text,
    OUT milestone_uid murallink.ksuid, OUT numbered boolean, OUT problem text
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    mapped CONSTANT text := (
        SELECT r.milestone_code FROM murallink.external_reference r
        WHERE r.scope_uid = visit_milestone.trial_uid AND r.kind = 'milestone' AND r.source = visit_milestone.source
        AND r.ref = visit_milestone.visit_code AND r.ended_at IS NULL);
    called CONSTANT murallink.ksuid := murallink_private.milestone_called(trial_site_uid, visit_code);
    unscheduled text;
BEGIN
    problem := '';
    milestone_uid := CASE WHEN mapped IS NULL THEN called ELSE murallink_private.milestone_called(trial_site_uid, mapped) END;
    IF mapped IS NOT NULL AND called IS NOT NULL AND murallink_private.label_key(mapped) <> (
        SELECT murallink_private.label_key(m.code) FROM murallink.milestone m WHERE m.uid = called) THEN
        milestone_uid := NULL;
        problem := 'ambiguous_visit_code';
    ELSIF mapped IS NULL AND called IS NULL THEN
        SELECT t.unscheduled_code INTO unscheduled FROM murallink.trial t WHERE t.uid = visit_milestone.trial_uid;
        milestone_uid := murallink_private.milestone_called(trial_site_uid, unscheduled);
    END IF;
    IF milestone_uid IS NULL AND problem = '' THEN
        problem := 'visit_code';
    END IF;
    SELECT unscheduled IS NULL AND m.per = 'person' INTO numbered FROM murallink.milestone m WHERE m.uid = milestone_uid;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_milestone(text, murallink.ksuid, murallink.ksuid, text) IS
'A version of the milestone of a trial at a site that has this reference in a system, or this code or name, else of the one as which unscheduled visits are paid; if there is none, or two are meant, the problem. numbered: whether the repeat of the visit is the number of its payment.';

CREATE FUNCTION murallink_private.visit_matches(user_uid murallink.ksuid, said murallink.visit_said[]) RETURNS SETOF murallink.visit_match
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (SELECT * FROM pg_catalog.unnest(said)),
    -- Many visits are of few trials, sites and milestones, which are looked for once.
    trials AS MATERIALIZED (
        SELECT d.*, f.problem, t.uid AS trial_uid, t.contract_uid, t.client_uid
        FROM (SELECT DISTINCT a.source, a.protocol_id, a.trial_ref FROM asked a) d
        CROSS JOIN LATERAL murallink_private.visit_trial(user_uid, d.source, d.protocol_id, d.trial_ref) f
        LEFT JOIN murallink.trial t ON t.uid = f.trial_uid),
    sites AS MATERIALIZED (
        SELECT d.*, ARRAY(
            SELECT x.site_uid FROM murallink.external_reference r
            JOIN murallink.trial_site x ON x.site_uid = r.resource_uid AND x.trial_uid = d.trial_uid
            WHERE r.kind = 'site' AND r.source = d.source AND r.ref = d.site_ref AND r.ended_at IS NULL) AS known
        FROM (
            SELECT DISTINCT a.source, t.trial_uid, a.site_ref
            FROM asked a JOIN trials t USING (source, protocol_id, trial_ref) WHERE a.site_ref <> '') d),
    enrolled AS MATERIALIZED (
        SELECT a.n, a.source, a.site_ref, a.visit_code, a.visit_date, a.repeat, a.status, t.client_uid, t.contract_uid, t.trial_uid,
            e.uid, e.trial_site_uid, e.site_uid, e.left_on,
            CASE WHEN t.problem <> '' THEN t.problem WHEN c.problem <> '' THEN c.problem WHEN e.uid IS NULL THEN 'subject_id' ELSE '' END AS problem
        FROM asked a JOIN trials t USING (source, protocol_id, trial_ref)
        CROSS JOIN LATERAL murallink_private.visit_chain(t.trial_uid, a.source, a.subject_id) c
        LEFT JOIN LATERAL (
            SELECT e.* FROM murallink.enrollment e LEFT JOIN murallink.enrollment b ON b.uid = e.previous_uid
            WHERE e.chain_uid = c.chain_uid
            ORDER BY e.status = 'merged', (a.visit_date <= coalesce(e.left_on, 'infinity')
                AND a.visit_date > coalesce(b.left_on, '-infinity')) DESC, e.left_on DESC NULLS FIRST LIMIT 1) e
            ON murallink_private.may_report(user_uid, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)),
    milestones AS MATERIALIZED (
        SELECT d.*, f.* FROM (SELECT DISTINCT e.source, e.trial_uid, e.trial_site_uid, e.visit_code FROM enrolled e WHERE e.uid IS NOT NULL) d
        CROSS JOIN LATERAL murallink_private.visit_milestone(d.source, d.trial_uid, d.trial_site_uid, d.visit_code) f)
    SELECT e.n, e.client_uid, e.contract_uid, e.trial_uid, e.site_uid, e.uid, e.left_on, m.milestone_uid,
        CASE WHEN m.numbered THEN e.repeat END,
        CASE WHEN e.problem <> '' THEN e.problem
            WHEN e.site_ref <> '' AND pg_catalog.cardinality(s.known) <> 1 THEN 'site_ref'
            WHEN e.site_ref <> '' AND s.known[1] <> e.site_uid THEN 'wrong_site'
            ELSE m.problem END,
        CASE WHEN e.status IN ('done', 'partial') THEN CASE
            WHEN e.visit_date > (pg_catalog.clock_timestamp() AT TIME ZONE 'UTC')::date + 1 THEN 'invalid_value'
            ELSE murallink_private.visit_refusal(e.uid, e.visit_date) END END
    FROM enrolled e
    LEFT JOIN sites s ON (s.source, s.trial_uid, s.site_ref) = (e.source, e.trial_uid, e.site_ref)
    LEFT JOIN milestones m ON (m.source, m.trial_uid, m.trial_site_uid, m.visit_code) = (e.source, e.trial_uid, e.trial_site_uid, e.visit_code)
    ORDER BY e.n;
END
$$;
COMMENT ON FUNCTION murallink_private.visit_matches(murallink.ksuid, murallink.visit_said[]) IS
'What reported visits mean here, as far as a user may report them, in the order of n.';

CREATE FUNCTION murallink_private.visits_match(user_uid murallink.ksuid, said murallink.visit_said[]) RETURNS murallink.visit_match[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    matches murallink.visit_match[];
BEGIN
    LOOP
        matches := ARRAY(SELECT m FROM murallink_private.visit_matches(user_uid, said) AS m);
        -- A transfer waits, and then moves what is reported here. Limits and payouts need these locks, too.
        PERFORM murallink_private.enrollments_lock(ARRAY(
            SELECT DISTINCT m.enrollment_uid FROM pg_catalog.unnest(matches) AS m WHERE m.enrollment_uid IS NOT NULL));
        EXIT WHEN NOT EXISTS (
            SELECT FROM pg_catalog.unnest(matches) AS m JOIN murallink.enrollment e ON e.uid = m.enrollment_uid
            WHERE e.left_on IS DISTINCT FROM m.left_on);
    END LOOP;
    RETURN matches;
END
$$;
COMMENT ON FUNCTION murallink_private.visits_match(murallink.ksuid, murallink.visit_said[]) IS
'What reported visits mean here; their enrollments are locked, so that this stays true.';
