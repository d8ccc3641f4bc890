-- Top-ups: the difference for visits that were paid before a price was raised. payment.sql says what is due.

CREATE TYPE murallink.top_up_info AS (
    trial_site_uid murallink.ksuid, milestone text, from_date date, total numeric, currency text, dry_run boolean,
    payments murallink.top_up_line[]);
COMMENT ON TYPE murallink.top_up_info IS 'What top_up has made, or would make. milestone: the code; total: of the amounts, in units of currency.';

CREATE FUNCTION murallink.top_up(
    trial_site_uid murallink.ksuid DEFAULT NULL, milestone text DEFAULT NULL, from_date murallink.day DEFAULT NULL,
    note text DEFAULT NULL, dry_run boolean DEFAULT false
) RETURNS murallink.top_up_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place CONSTANT murallink.ksuid := murallink_private.permit_trial_site(top_up.trial_site_uid, 'manual_payment', 'trial_site_uid');
    also CONSTANT murallink.ksuid := murallink_private.permit_trial_site(top_up.trial_site_uid, 'view_payments', 'trial_site_uid');
    key CONSTANT text := murallink_private.label_key(murallink_private.checked_label(top_up.milestone, 'milestone', 200, true));
    since CONSTANT date := murallink_private.required(murallink_private.checked_date(top_up.from_date, 'from_date'), 'from_date');
    tries CONSTANT boolean := coalesce(top_up.dry_run, false);
    why CONSTANT text := murallink_private.checked_text(top_up.note, 'note', 1000, NOT tries);
    answer murallink.top_up_info;
    line murallink.top_up_line;
BEGIN
    -- One after the other, and after each change of the schedule, so that each sees what the one before has paid.
    PERFORM FROM murallink.trial t JOIN murallink.trial_site a ON a.trial_uid = t.uid WHERE a.uid = place FOR NO KEY UPDATE OF t;
    SELECT place, l.code, since, 0, l.currency, tries, '{}' INTO answer
    FROM murallink.trial_site a, LATERAL murallink_private.latest_versions(a.trial_uid) l
    WHERE a.uid = place AND l.trial_site_uid = a.uid AND murallink_private.label_key(l.code) = key;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'milestone', 'get_payment_schedule shows the milestones and their codes.');
    END IF;
    -- Each that is cut to the cap of its day locks its chain.
    IF NOT tries AND EXISTS (SELECT FROM murallink.trial_site a WHERE a.uid = place AND a.day_cap IS NOT NULL) THEN
        PERFORM murallink_private.enrollments_lock(ARRAY(
            SELECT d.enrollment_uid FROM murallink_private.top_ups_due(place, key, since) d));
    END IF;
    FOR line IN
        SELECT d.* FROM murallink_private.top_ups_due(place, key, since) d
        JOIN murallink_private.payment p ON p.uid = d.payment_uid AND p.currency = answer.currency ORDER BY d.visit_date, d.payment_uid
    LOOP
        IF NOT tries THEN
            INSERT INTO murallink_private.payment (
                enrollment_uid, payment_type, amount, currency, note, visit_date, requested_by_uid, top_up_of_uid, top_up_version_uid)
            VALUES (
                line.enrollment_uid, 'manual', line.due - line.paid, answer.currency, why, line.visit_date, murallink_private.caller(),
                line.payment_uid, line.milestone_uid)
            RETURNING uid, pg_catalog.trim_scale(amount) INTO line.top_up_uid, line.amount;
        END IF;
        answer.total := answer.total + line.amount;
        answer.payments := answer.payments || line;
    END LOOP;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.top_up(murallink.ksuid, text, murallink.day, text, boolean) IS
'Pays the difference for visits that were paid before the price of their milestone was raised: for each payment that is not rejected, cancelled or reversed, of a visit from a day on, a manual payment, which waits for approval, is approved only after that payment, and counts for no milestone. The new price is that of the version that would price the visit today; a lower one takes nothing back. Each payment is topped up once for each version, so a repeated call finds nothing. If the funds are not enough for all, none is made. trial_site_uid: the trial at the site; milestone: the code; from_date: the first day of the visits, or, where none was given, of the payments at the site; note: why, not needed with dry_run, which answers the list and the total and does nothing. Only payments in the currency of the last version are topped up, and none beyond the cap of its day (set_day_cap). Needs manual_payment and view_payments on the trial at the site. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, day_capped (others were paid for that day meanwhile), insufficient_funds.';
