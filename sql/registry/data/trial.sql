-- The table of trials.

CREATE TABLE murallink.trial (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    client_uid murallink.ksuid NOT NULL,
    contract_uid murallink.ksuid NOT NULL,
    name text NOT NULL CHECK (murallink_private.is_label(name)),
    protocol_id text NOT NULL DEFAULT '' CHECK (protocol_id = '' OR murallink_private.is_label(protocol_id)),
    approve_milestones boolean NOT NULL DEFAULT false,
    separate_approver boolean NOT NULL
        DEFAULT coalesce(pg_catalog.current_setting('murallink.separate_approver', true)::boolean, false),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    approval_tiers jsonb NOT NULL DEFAULT '[]' CHECK (murallink_private.tiers_fit(approval_tiers)),
    approval_signature text NOT NULL DEFAULT 'session' CHECK (approval_signature IN ('session', 'password', 'sign_on')),
    approval_note text NOT NULL DEFAULT '',
    price_by murallink.price_rule NOT NULL DEFAULT 'payment',
    need_approval_ref boolean NOT NULL DEFAULT false,
    pricing_note text NOT NULL DEFAULT '',
    exclusive_milestones jsonb NOT NULL DEFAULT '{}',
    exclusive_note text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    auto_pay boolean NOT NULL DEFAULT false,
    unscheduled_code text CHECK (murallink_private.is_label(unscheduled_code)),
    visit_note text NOT NULL DEFAULT '',
    UNIQUE (uid, contract_uid, client_uid),
    FOREIGN KEY (contract_uid, client_uid) REFERENCES murallink.contract (uid, client_uid)
);
COMMENT ON TABLE murallink.trial IS 'A clinical trial.';
COMMENT ON COLUMN murallink.trial.uid IS 'Key.';
COMMENT ON COLUMN murallink.trial.client_uid IS 'The contract''s client.';
COMMENT ON COLUMN murallink.trial.contract_uid IS 'The contract that covers it and whose funds pay for it.';
COMMENT ON COLUMN murallink.trial.name IS 'The name that people use.';
COMMENT ON COLUMN murallink.trial.protocol_id IS 'The official identification.';
COMMENT ON COLUMN murallink.trial.approve_milestones IS 'Whether milestone payments are approved as they are made.';
COMMENT ON COLUMN murallink.trial.separate_approver IS 'Whether another person than the requester must approve.';
COMMENT ON COLUMN murallink.trial.created_at IS 'When it was added.';
COMMENT ON COLUMN murallink.trial.updated_at IS 'When it was changed last: each UPDATE of the owner has to set it.';
COMMENT ON COLUMN murallink.trial.approval_tiers IS
'How many people must approve a payment: an array of objects with above (an amount), currency and approvers. See approvals_needed().';
COMMENT ON COLUMN murallink.trial.approval_signature IS
'How approvers show who they are: session: by their session; password: by their password with each approval; sign_on: by a session that was opened within murallink.fresh_sign_on, or by the password.';
COMMENT ON COLUMN murallink.trial.approval_note IS 'Why the rules of approval were last changed.';
COMMENT ON COLUMN murallink.trial.price_by IS 'Whether a milestone has the price in force when the payment is made, or on the day of the visit.';
COMMENT ON COLUMN murallink.trial.need_approval_ref IS
'Whether versions of milestones without the reference of an approval by the ethics committee (IRB) are not in force.';
COMMENT ON COLUMN murallink.trial.pricing_note IS 'Why price_by and need_approval_ref were last set.';
COMMENT ON COLUMN murallink.trial.exclusive_milestones IS
'Groups of milestones by their name: an array of codes for each. Of a group only one milestone is payable to a patient. A code is in one group at most.';
COMMENT ON COLUMN murallink.trial.exclusive_note IS 'Why the groups were changed last.';
COMMENT ON COLUMN murallink.trial.auto_pay IS 'Whether a visit that another system reports is paid at once: see visit_done.';
COMMENT ON COLUMN murallink.trial.unscheduled_code IS
'The code of the milestone as which reported visits are paid whose code is in no schedule; null: none.';
COMMENT ON COLUMN murallink.trial.visit_note IS 'Why auto_pay and unscheduled_code were last set.';
CREATE INDEX trial_protocol ON murallink.trial (murallink_private.label_key(protocol_id));
CREATE TRIGGER spelled_once BEFORE INSERT OR UPDATE OF protocol_id ON murallink.trial
    FOR EACH ROW WHEN (NEW.protocol_id <> '') EXECUTE FUNCTION murallink_private.trial_protocol_spelled_once();
CREATE INDEX trial_contract ON murallink.trial (contract_uid);
CREATE INDEX trial_updated ON murallink.trial (updated_at);
CREATE POLICY updated ON murallink.trial AS RESTRICTIVE FOR UPDATE TO murallink_owner
    USING (true) WITH CHECK (updated_at >= pg_catalog.transaction_timestamp());
COMMENT ON POLICY updated ON murallink.trial IS 'updated_at shows every change that a function makes; a policy needs no trigger.';
CREATE POLICY viewer ON murallink.trial FOR SELECT USING (murallink_private.permitted('view_trials', client_uid, contract_uid, uid, NULL));
ALTER TABLE murallink.permission_grant ADD FOREIGN KEY (trial_uid) REFERENCES murallink.trial ON DELETE CASCADE;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON murallink.trial
    FOR EACH ROW EXECUTE FUNCTION murallink_private.audit_record('remembered', 'awaited');
ALTER TABLE murallink.trial ENABLE ALWAYS TRIGGER audit;
CREATE POLICY trial ON murallink_private.audit_event FOR SELECT USING (
    resource = 'trial' AND murallink_private.permitted('view_trials', client_uid, contract_uid, trial_uid, NULL));
