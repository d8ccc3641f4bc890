-- Named roles: permissions that are granted together.

CREATE TABLE murallink_private.role (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    name text NOT NULL,
    permissions murallink.permission[] NOT NULL,
    note text NOT NULL,
    set_by_uid murallink.ksuid REFERENCES murallink.app_user,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX role_name ON murallink_private.role (name, created_at);
COMMENT ON TABLE murallink_private.role IS
'Named roles, each in versions that only set_role() and remove_role() add, so that the table is its own audit. The last version of a name is in force; one without permissions removes the role. Grants are of permissions: a role that changes changes none of them.';
COMMENT ON COLUMN murallink_private.role.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.role.name IS 'The name, in lower case.';
COMMENT ON COLUMN murallink_private.role.permissions IS 'What is granted by this name; none if the role was removed.';
COMMENT ON COLUMN murallink_private.role.note IS 'Why it was made or changed.';
COMMENT ON COLUMN murallink_private.role.set_by_uid IS 'The administrator who made or changed it; null as shipped.';
COMMENT ON COLUMN murallink_private.role.created_at IS 'When.';
INSERT INTO murallink_private.role (name, note, permissions) VALUES
    ('coordinator', 'as shipped', '{add_patient,create_appointment,enroll,get_document,manual_payment,milestone_payment,replace_card,
        set_enrollment_status,set_payment_type,travel_payment,update_patient,upload_document,view_enrollments,view_patients,
        view_payment_schedule,view_payments,view_sites,view_trials}'),
    ('approver', 'as shipped', '{approve_payments,approve_travel,view_enrollments,view_payments,view_sites,view_trials}'),
    ('blinded analyst', 'as shipped', '{view_enrollments,view_payment_schedule,view_payments,view_sites,view_trials}'),
    ('monitor', 'as shipped', '{get_document,view_enrollments,view_patients,view_payment_schedule,view_payments,view_report,view_sites,
        view_trials}');
