-- When the visits of a trial are due.

CREATE TYPE murallink.visit_due_info AS (trial_uid murallink.ksuid, code text, due_after integer, due_window integer, note text);
COMMENT ON TYPE murallink.visit_due_info IS
'When the visit of a milestone is due, as set_visit_due answers. code: of the milestone; due_after: days after the enrollment; due_window: days before and after that day; note: why it was set.';

CREATE FUNCTION murallink.set_visit_due(
    trial_uid murallink.ksuid DEFAULT NULL, milestone text DEFAULT NULL, due_after integer DEFAULT NULL, due_window integer DEFAULT 0,
    note text DEFAULT NULL
) RETURNS murallink.visit_due_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted CONSTANT murallink.ksuid := murallink_private.permit_trial(set_visit_due.trial_uid, 'add_milestone', 'trial_uid');
    key CONSTANT text := murallink_private.label_key(murallink_private.checked_label(set_visit_due.milestone, 'milestone', 200, true));
    why CONSTANT text := murallink_private.checked_text(set_visit_due.note, 'note', 1000, false);
    answer murallink.visit_due_info;
BEGIN
    SELECT l.code INTO answer.code FROM murallink_private.latest_versions(permitted) l
    WHERE key IN (murallink_private.label_key(l.code), murallink_private.label_key(l.milestone))
    ORDER BY murallink_private.label_key(l.code) = key DESC, l.code LIMIT 1;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'milestone', 'get_payment_schedule shows the milestones and their codes.');
    ELSIF set_visit_due.due_after NOT BETWEEN 0 AND 36500 THEN
        PERFORM murallink_private.raise('invalid_value', 'due_after', 'Days from 0 to 36500.');
    ELSIF coalesce(set_visit_due.due_window, 0) NOT BETWEEN 0 AND 3650 THEN
        PERFORM murallink_private.raise('invalid_value', 'due_window', 'Days from 0 to 3650.');
    END IF;
    -- The last row counts: those of two sessions must not have the same moment, nor come in another order.
    PERFORM FROM murallink.trial t WHERE t.uid = permitted FOR NO KEY UPDATE;
    INSERT INTO murallink.visit_due AS d (client_uid, contract_uid, trial_uid, code, due_after, due_window, note, set_by_uid)
    SELECT t.client_uid, t.contract_uid, t.uid, answer.code, set_visit_due.due_after,
        CASE WHEN set_visit_due.due_after IS NULL THEN 0 ELSE coalesce(set_visit_due.due_window, 0) END, why, murallink_private.caller()
    FROM murallink.trial t WHERE t.uid = permitted
    RETURNING d.trial_uid, d.code, d.due_after, d.due_window, d.note INTO answer;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION murallink.set_visit_due(murallink.ksuid, text, integer, integer, text) IS
'Sets when the visit that reaches a milestone is due, at all sites of a trial: the view murallink.expected_visit shows what is to come and what it costs. It changes no price, and nothing that is payable. milestone: its name or code; due_after: days from the day of the enrollment, from 0 to 36500, absent: the visit has no such day any more; due_window: how many days earlier or later it may be, default 0, at most 3650; note: why. Needs add_milestone on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value.';
