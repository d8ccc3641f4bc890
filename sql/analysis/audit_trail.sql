-- The audit of one patient.

CREATE TYPE murallink.patient_event AS (
    at timestamptz, resource text, resource_uid murallink.ksuid, action text, changes text, user_uid murallink.ksuid, "user" text,
    switched_by_uid murallink.ksuid, db_user text, db_role text);
COMMENT ON TYPE murallink.patient_event IS
'An event in the audit of a patient, as patient_audit answers. resource, resource_uid: the table and the row that changed; action: created, changed or deleted; changes: in words; user_uid, user: who made it, absent for callers without a user; switched_by_uid: the admin who acted as that user; db_user, db_role: the PostgreSQL roles.';

CREATE FUNCTION murallink_private.patient_resources(patient_uid murallink.ksuid) RETURNS SETOF murallink.ksuid
LANGUAGE sql STABLE AS $$
    WITH enrolled AS (
        SELECT e.* FROM murallink.enrollment e WHERE e.patient_uid = patient_resources.patient_uid
    ), paid AS (
        SELECT p.uid FROM enrolled e JOIN murallink_private.payment p ON p.enrollment_uid = e.uid
        WHERE murallink_private.permitted('view_payments', p.client_uid, p.contract_uid, p.trial_uid, p.site_uid)
            OR murallink_private.granted_moved('view_payments', p.enrollment_uid))
    SELECT patient_resources.patient_uid
    UNION ALL SELECT m.uid FROM murallink.merged_patient m WHERE m.into_uid = patient_resources.patient_uid
    UNION ALL SELECT c.uid FROM murallink.caregiver c WHERE c.patient_uid = patient_resources.patient_uid
    UNION ALL SELECT d.uid FROM murallink.document d WHERE d.patient_uid = patient_resources.patient_uid
    UNION ALL SELECT s.uid FROM murallink.patient_site s WHERE s.patient_uid = patient_resources.patient_uid
        AND murallink_private.permitted('view_patients', s.client_uid, s.contract_uid, NULL, s.site_uid)
    UNION ALL SELECT e.uid FROM enrolled e
    WHERE murallink_private.permitted('view_enrollments', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
        OR murallink_private.permitted('view_patients', e.client_uid, e.contract_uid, e.trial_uid, e.site_uid)
        OR murallink_private.granted_moved('view_enrollments', e.uid) OR murallink_private.granted_moved('view_patients', e.uid)
    UNION ALL SELECT a.uid FROM murallink.appointment a WHERE a.patient_uid = patient_resources.patient_uid
        AND murallink_private.permitted('view_patients', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid)
    UNION ALL SELECT p.uid FROM paid p
    UNION ALL SELECT o.uid FROM paid p JOIN murallink_private.payout o ON o.payment_uid = p.uid
    UNION ALL SELECT r.uid FROM paid p JOIN murallink_private.reversal r ON r.payment_uid = p.uid
$$;
COMMENT ON FUNCTION murallink_private.patient_resources(murallink.ksuid) IS
'The rows that are about a patient whom the caller may see, and that the policies of their tables show the caller.';

CREATE FUNCTION murallink_private.patient_events(patient_uid murallink.ksuid) RETURNS SETOF murallink.patient_event
LANGUAGE sql STABLE AS $$
    SELECT e.at, e.resource, e.resource_uid, e.action::text,
        coalesce(CASE WHEN e.action <> 'deleted' THEN murallink_private.audit_words(e.changes) END, ''),
        e.app_user_uid, pg_catalog.btrim(u.first_name || ' ' || u.last_name), e.switched_by_uid, e.db_user::text, e.db_role
    FROM murallink_private.patient_resources(patient_uid) r JOIN murallink.audit_event e ON e.resource_uid = r
        LEFT JOIN murallink.app_user u ON u.uid = e.app_user_uid
    ORDER BY e.at, e.uid
$$;
COMMENT ON FUNCTION murallink_private.patient_events(murallink.ksuid) IS
'The audit of a patient whom the caller may see, oldest first, as far as the caller may see what it is about.';

CREATE FUNCTION murallink.patient_audit(patient_uid murallink.ksuid DEFAULT NULL) RETURNS SETOF murallink.patient_event
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.permit_patient(patient_audit.patient_uid, 'view_patients');
BEGIN
    RETURN QUERY SELECT * FROM murallink_private.patient_events(patient_audit.patient_uid);
END
$$;
COMMENT ON FUNCTION murallink.patient_audit(murallink.ksuid) IS
'All that has changed about a patient, oldest first: the record, caregivers, documents, sites, enrollments, appointments, payments, payouts and reversals, as far as the caller may see each of these. Also for analysts in SQL. Needs view_patients on the patient. Errors: unauthenticated, forbidden, not_found, missing_field.';
