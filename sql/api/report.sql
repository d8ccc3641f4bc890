-- Reports of payments, of funds and of the audit, as CSV or XLSX, and their download.

CREATE FUNCTION murallink_private.checked_report_format(format text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF coalesce(format, '') NOT IN ('', 'csv', 'xlsx') THEN
        PERFORM murallink_private.raise('invalid_value', 'format', 'One of csv and xlsx.');
    END IF;
    RETURN coalesce(NULLIF(format, ''), 'csv');
END
$$;
COMMENT ON FUNCTION murallink_private.checked_report_format(text) IS 'The format of a report: csv, which is the default, or xlsx. Errors: invalid_value.';

CREATE FUNCTION murallink_private.report_file(format text, titles text[], sheets refcursor[]) RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'report_file';
COMMENT ON FUNCTION murallink_private.report_file(text, text[], refcursor[]) IS
'The file of a report, csv or xlsx. sheets: open cursors, one for each sheet, which are read to the end and closed; the names of their columns are the headings, numeric and date columns become numbers, with their decimals, and dates. csv is RFC 4180 in UTF-8 with a byte order mark; a text, or its part after a semicolon, a tab or an end of line, that begins with = + - @ gets an apostrophe before it, because spreadsheets would read it as a formula. Errors: too_long above 256 MB.';

CREATE FUNCTION murallink_private.keep_report(name text, format text, content bytea, ended_grants bigint) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    file CONSTANT text := pg_catalog.format('%s %s.%s', pg_catalog.regexp_replace(name, '[/\\:*?"<>|[:cntrl:]]', '_', 'g'),
        pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), keep_report.format);
    made murallink.ksuid;
BEGIN
    DELETE FROM murallink_private.report WHERE uid IN (
        SELECT uid FROM murallink_private.report WHERE expires_at <= pg_catalog.now() FOR UPDATE SKIP LOCKED);
    INSERT INTO murallink_private.report (filename, content_type, content, app_user_uid, expires_at, ended_grants)
    VALUES (
        file, CASE keep_report.format WHEN 'csv' THEN 'text/csv; charset=utf-8' ELSE murallink_private.checked_content_type('', file) END,
        keep_report.content, murallink_private.caller(),
        pg_catalog.clock_timestamp() + pg_catalog.current_setting('murallink.report_lifetime')::interval,
        keep_report.ended_grants)
    RETURNING uid INTO made;
    RETURN pg_catalog.current_setting('murallink.public_url') || '/rpc/report?uid=' || made;
END
$$;
COMMENT ON FUNCTION murallink_private.keep_report(text, text, bytea, bigint) IS
'Stores the file of a report for murallink.report_lifetime, deletes expired ones, and returns the link. name: of the file, to which the day and the format are appended; ended_grants: what the function of that name answered before the permission for the report was checked.';

-- VOLATILE, because for HEAD PostgREST does not read the answer: PostgreSQL would not call a STABLE function, and a
-- wrong uid would not be refused.
CREATE FUNCTION murallink.report(uid murallink.ksuid DEFAULT NULL) RETURNS murallink."*/*"
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted murallink_private.report;
BEGIN
    PERFORM murallink_private.require_installed();
    SELECT * INTO wanted FROM murallink_private.report r WHERE r.uid = report.uid AND r.expires_at > pg_catalog.clock_timestamp()
        AND murallink_private.still_entitled(r.app_user_uid, r.ended_grants);
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'uid');
    END IF;
    PERFORM murallink_private.serve_as(wanted.filename, wanted.content_type);
    RETURN wanted.content;
END
$$;
COMMENT ON FUNCTION murallink.report(murallink.ksuid) IS
'The file of a report, for PostgREST: GET /rpc/report?uid=... uid: of the link that trial_payment_report, funding_report or patient_audit_report answered; it is the key, no session is needed. Errors: not_found, also when the link has expired, or when a grant of the user who made the report has ended since.';

CREATE FUNCTION murallink.trial_payment_report(trial_uid murallink.ksuid DEFAULT NULL, format text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    ended CONSTANT bigint := murallink_private.ended_grants();
    kind CONSTANT text := murallink_private.checked_report_format(format);
    the_trial murallink.trial;
    payments refcursor;
BEGIN
    SELECT * INTO the_trial FROM murallink.trial t WHERE t.uid = murallink_private.required(trial_payment_report.trial_uid, 'trial_uid');
    PERFORM murallink_private.permit('view_report', the_trial.client_uid, the_trial.contract_uid, the_trial.uid, NULL, 'trial_uid');
    OPEN payments FOR
        SELECT (p.created_at AT TIME ZONE 'UTC')::date AS "Date", s.name AS "Site", e.subject_id AS "Subject ID",
            CASE WHEN p.top_up_of_uid IS NULL THEN p.payment_type::text ELSE 'top-up' END AS "Payment",
            coalesce(p.milestone_name, m.milestone) AS "Milestone", m.approval_ref AS "Approval", p.visit_date AS "Visit date",
            CASE WHEN p.status NOT IN ('elsewhere', 'unmarked') THEN pg_catalog.round(p.amount, murallink_private.currency_decimals(p.currency)) END
                AS "Amount",
            CASE WHEN p.status NOT IN ('elsewhere', 'unmarked') THEN pg_catalog.round(p.net_amount, murallink_private.currency_decimals(p.currency)) END
                AS "Net amount",
            pg_catalog.round(p.recovered, murallink_private.currency_decimals(p.currency)) AS "Recovered", p.currency::text AS "Currency",
            p.status::text AS "Status",
            CASE WHEN p.status IN ('paid', 'reversed', 'returned') THEN (o.settled_at AT TIME ZONE 'UTC')::date END AS "Paid on",
            (r.at AT TIME ZONE 'UTC')::date AS "Reversed on",
            o.reference AS "Reference", p.note AS "Note", p.decision_note AS "Decision note",
            (SELECT pg_catalog.string_agg(pg_catalog.format('%s %s (%s) %s', pg_catalog.to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
                a.signer_name, a.signer_uid, a.meaning), '; ' ORDER BY a.at)
            FROM murallink_private.approval a WHERE a.payment_uid = p.uid) AS "Approvals", p.fraction AS "Fraction",
            pg_catalog.round(p.capped_from, murallink_private.currency_decimals(p.currency)) AS "Capped from", p.uid::text AS "Payment UID"
        FROM murallink.enrollment e
        JOIN murallink.payment p ON p.enrollment_uid = e.uid
        JOIN murallink.site s ON s.uid = p.site_uid
        LEFT JOIN murallink.milestone m ON m.uid = coalesce(p.milestone_uid, p.top_up_version_uid)
        LEFT JOIN murallink_private.payout_shown o ON o.payment_uid = p.uid
        LEFT JOIN murallink.fund_entry r ON r.source_uid = p.returned_by_uid AND r.movement = 'return'
        WHERE e.trial_uid = the_trial.uid
        ORDER BY p.created_at, p.uid;
    RETURN murallink_private.keep_report('Payments ' || the_trial.name, kind,
        murallink_private.report_file(kind, ARRAY['Payments'], ARRAY[payments]), ended);
END
$$;
COMMENT ON FUNCTION murallink.trial_payment_report(murallink.ksuid, text) IS
'Makes a report of all payments of a trial, oldest first, and returns the link to it (document: Trial Payment Report), which needs no session and works for murallink.report_lifetime. It names subject ids, who approved (in UTC, with the uid of the user and the meaning), and no patient. What is marked as paid elsewhere has no amount; Fraction is the part of a visit that was paid, Capped from the amount before the cap of the day. The days on which a payment was made, paid and reversed, or returned, are those of UTC. format: csv, the default, or xlsx. Needs view_report on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, invalid_value, too_long.';

CREATE FUNCTION murallink_private.report_funds(
    contract_uid murallink.ksuid, OUT entry text, OUT trial text, OUT protocol_id text, OUT day date, OUT currency text,
    OUT funded numeric, OUT reserved numeric, OUT disbursed numeric, OUT available numeric, OUT reference text, OUT note text,
    OUT funding_uid text, OUT corrects_uid text)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
    WITH entries AS (
        SELECT 1 AS place, 'balance' AS entry, NULL AS trial, NULL AS protocol_id, NULL::timestamptz AS at, b.currency::text,
            b.funded, b.reserved, b.disbursed, b.available, NULL::murallink.ksuid AS uid, NULL AS reference, NULL AS note,
            NULL::murallink.ksuid AS corrects_uid
        FROM murallink.fund_balance b WHERE b.contract_uid = report_funds.contract_uid
        UNION ALL
        SELECT 2, 'trial', t.name, t.protocol_id, NULL, p.currency::text, NULL,
            pg_catalog.sum(CASE WHEN p.status IN ('pending', 'approved', 'processing', 'failed', 'in_doubt') THEN p.amount ELSE 0 END),
            pg_catalog.sum(CASE WHEN p.status = 'paid' THEN p.net_amount ELSE 0 END), NULL, t.uid, NULL, NULL, NULL
        FROM murallink.trial t
        JOIN murallink.enrollment e ON e.trial_uid = t.uid
        JOIN murallink.payment p ON p.enrollment_uid = e.uid
        WHERE t.contract_uid = report_funds.contract_uid
        GROUP BY t.uid, t.name, t.protocol_id, p.currency
        UNION ALL
        SELECT 3, CASE WHEN f.corrects_uid IS NOT NULL THEN 'correction' WHEN f.movement = 'withdraw' THEN 'withdrawal' ELSE 'funding' END,
            NULL, NULL, f.created_at, f.currency::text, CASE f.movement WHEN 'deposit' THEN f.amount ELSE -f.amount END,
            NULL, NULL, NULL, f.uid, f.reference, f.note, f.corrects_uid
        FROM murallink.funding f WHERE f.contract_uid = report_funds.contract_uid)
    SELECT entry, trial, protocol_id, (at AT TIME ZONE 'UTC')::date, currency, pg_catalog.round(funded, decimals),
        pg_catalog.round(reserved, decimals), pg_catalog.round(disbursed, decimals), pg_catalog.round(available, decimals), reference, note,
        CASE place WHEN 3 THEN uid END::text, corrects_uid::text
    FROM entries, LATERAL murallink_private.currency_decimals(currency) AS decimals
    ORDER BY place, trial, at, uid, currency
$$;
COMMENT ON FUNCTION murallink_private.report_funds(murallink.ksuid) IS
'What funding_report shows. entry: balance, with all amounts of a currency; trial, with what its payments have reserved and disbursed; funding, withdrawal and correction, with the amount that was added on a day (UTC), negative if it was taken. Amounts are in currency units.';

CREATE FUNCTION murallink.funding_report(contract_uid murallink.ksuid DEFAULT NULL, format text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    ended CONSTANT bigint := murallink_private.ended_grants();
    kind CONSTANT text := murallink_private.checked_report_format(format);
    the_contract murallink.contract;
    all_in_one refcursor;
    balances refcursor;
    trials refcursor;
    deposits refcursor;
    content bytea;
BEGIN
    SELECT * INTO the_contract FROM murallink.contract c
    WHERE c.uid = murallink_private.required(funding_report.contract_uid, 'contract_uid');
    PERFORM murallink_private.permit('view_report', the_contract.client_uid, the_contract.uid, NULL, NULL, 'contract_uid');
    IF kind = 'csv' THEN
        OPEN all_in_one FOR
            SELECT entry AS "Entry", trial AS "Trial", protocol_id AS "Protocol ID", day AS "Date", currency AS "Currency",
                funded AS "Funded", reserved AS "Reserved", disbursed AS "Disbursed", available AS "Available",
                reference AS "Reference", note AS "Note", funding_uid AS "Funding UID", corrects_uid AS "Corrects"
            FROM murallink_private.report_funds(the_contract.uid);
        content := murallink_private.report_file(kind, ARRAY['Funds'], ARRAY[all_in_one]);
    ELSE
        OPEN balances FOR
            SELECT currency AS "Currency", funded AS "Funded", reserved AS "Reserved", disbursed AS "Disbursed",
                available AS "Available"
            FROM murallink_private.report_funds(the_contract.uid) WHERE entry = 'balance';
        OPEN trials FOR
            SELECT trial AS "Trial", protocol_id AS "Protocol ID", currency AS "Currency", reserved AS "Reserved",
                disbursed AS "Disbursed"
            FROM murallink_private.report_funds(the_contract.uid) WHERE entry = 'trial';
        OPEN deposits FOR
            SELECT day AS "Date", currency AS "Currency", funded AS "Funded", entry AS "Entry", reference AS "Reference", note AS "Note",
                funding_uid AS "Funding UID", corrects_uid AS "Corrects"
            FROM murallink_private.report_funds(the_contract.uid) WHERE entry NOT IN ('balance', 'trial');
        content := murallink_private.report_file(kind, ARRAY['Balances', 'Trials', 'Fundings'], ARRAY[balances, trials, deposits]);
    END IF;
    RETURN murallink_private.keep_report('Funding ' || the_contract.name, kind, content, ended);
END
$$;
COMMENT ON FUNCTION murallink.funding_report(murallink.ksuid, text) IS
'Makes a report of the funds of a contract (document: Funding Report) and returns the link to it, which needs no session and works for murallink.report_lifetime: for each currency what is funded, reserved, disbursed and available, what each trial has reserved and disbursed, and each funding, withdrawal and correction. format: csv (the default), where the first column tells balance, trial, funding, withdrawal and correction apart, or xlsx with a sheet for each. Needs view_report on the contract. Errors: unauthenticated, forbidden, not_found, missing_field, invalid_value, too_long.';

CREATE FUNCTION murallink.patient_audit_report(patient_uid murallink.ksuid DEFAULT NULL, format text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    ended CONSTANT bigint := murallink_private.ended_grants();
    kind CONSTANT text := murallink_private.checked_report_format(format);
    events refcursor;
BEGIN
    PERFORM murallink_private.permit_patient(patient_audit_report.patient_uid, 'view_patients');
    OPEN events FOR
        SELECT pg_catalog.to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS "At (UTC)", e.resource AS "Resource",
            e.resource_uid::text AS "UID", e.action AS "Action", e.changes AS "Changes", e."user" AS "User", e.user_uid::text AS "User UID",
            e.switched_by_uid::text AS "Switched by", e.db_user AS "Database user", e.db_role AS "Database role"
        FROM murallink_private.patient_events(patient_audit_report.patient_uid) e;
    RETURN murallink_private.keep_report('Audit ' || patient_audit_report.patient_uid, kind,
        murallink_private.report_file(kind, ARRAY['Audit'], ARRAY[events]), ended);
END
$$;
COMMENT ON FUNCTION murallink.patient_audit_report(murallink.ksuid, text) IS
'Makes a report of what patient_audit answers, and returns the link to it, which needs no session and works for murallink.report_lifetime. Unlike other reports it names the patient, where the name has changed. format: csv, the default, or xlsx. Needs view_patients on the patient. Errors: unauthenticated, forbidden, not_found, missing_field, invalid_value, too_long.';
