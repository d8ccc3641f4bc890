-- What is owed to patients.

CREATE FUNCTION murallink_private.payment_waits(payment_uid murallink.ksuid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
    SELECT coalesce(NULLIF(o.reason, ''), c.reason, '')
    FROM murallink_private.payout o LEFT JOIN murallink_private.call c ON c.uid = o.uid WHERE o.payment_uid = payment_waits.payment_uid
$$;
COMMENT ON FUNCTION murallink_private.payment_waits(murallink.ksuid) IS
'Why the payout of a payment waits, or was not done; empty if it does not wait, null if there is none. The view murallink.owed calls it with the rights of its reader.';

CREATE FUNCTION murallink_private.visit_version(trial_site_uid murallink.ksuid, code text, visit_date date) RETURNS murallink.ksuid
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
    SELECT v.uid FROM murallink_private.versions_in_force(visit_version.trial_site_uid, visit_version.visit_date) v
    WHERE murallink_private.label_key(v.code) = murallink_private.label_key(visit_version.code)
$$;
COMMENT ON FUNCTION murallink_private.visit_version(murallink.ksuid, text, date) IS
'The version of a milestone that prices a payment for the visit of a day if it is made now; null if there is none. The view murallink.owed calls it with the rights of its reader.';
