-- The accounts of payees, sealed, and the public keys to which they are.

CREATE TABLE murallink_private.payout_key (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    public_key bytea NOT NULL UNIQUE CHECK (pg_catalog.length(public_key) = 32),
    made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    retired_at timestamptz,
    registered_by name NOT NULL DEFAULT coalesce(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER)
);
COMMENT ON TABLE murallink_private.payout_key IS
'The public halves of the keys to which accounts are sealed. The secret halves are in murallink.key_file only.';
COMMENT ON COLUMN murallink_private.payout_key.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payout_key.public_key IS 'The public half (X25519).';
COMMENT ON COLUMN murallink_private.payout_key.made_at IS 'When it was registered.';
COMMENT ON COLUMN murallink_private.payout_key.retired_at IS 'When another one took its place; null for the one that new accounts are sealed to.';
COMMENT ON COLUMN murallink_private.payout_key.registered_by IS 'The PostgreSQL role that registered it: the one of SET ROLE, else the login role.';
CREATE UNIQUE INDEX payout_key_present ON murallink_private.payout_key ((true)) WHERE retired_at IS NULL;

CREATE TABLE murallink_private.payout_account (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    patient_uid murallink.ksuid NOT NULL REFERENCES murallink.patient,
    payment_type_uid murallink.ksuid NOT NULL REFERENCES murallink_private.payment_type,
    sealed bytea NOT NULL,
    key_uid murallink.ksuid NOT NULL REFERENCES murallink_private.payout_key,
    shown text NOT NULL,
    entered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    entered_by_uid murallink.ksuid REFERENCES murallink.app_user,
    usable_from timestamptz NOT NULL,
    cooling boolean NOT NULL,
    ended_at timestamptz,
    ended_reason text,
    CHECK ((ended_at IS NULL) = (ended_reason IS NULL)),
    CHECK (ended_at IS NULL OR NOT cooling)
);
COMMENT ON TABLE murallink_private.payout_account IS
'The accounts that payees have entered for a payment type, also earlier ones. The details can be read by the worker only, when it pays.';
COMMENT ON COLUMN murallink_private.payout_account.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payout_account.patient_uid IS 'The patient who is paid to it.';
COMMENT ON COLUMN murallink_private.payout_account.payment_type_uid IS 'How.';
COMMENT ON COLUMN murallink_private.payout_account.sealed IS 'The details, sealed.';
COMMENT ON COLUMN murallink_private.payout_account.key_uid IS 'The key to which they are sealed.';
COMMENT ON COLUMN murallink_private.payout_account.shown IS 'What people are shown of it: the last four characters, or the first one of an e-mail address and its domain.';
COMMENT ON COLUMN murallink_private.payout_account.entered_at IS 'When it was entered.';
COMMENT ON COLUMN murallink_private.payout_account.entered_by_uid IS 'The user who entered it; null for an operator without a user.';
COMMENT ON COLUMN murallink_private.payout_account.usable_from IS 'It is not paid to before this time.';
COMMENT ON COLUMN murallink_private.payout_account.cooling IS 'Whether payouts may wait for that time.';
COMMENT ON COLUMN murallink_private.payout_account.ended_at IS 'Since when it is not paid to any more; null while it is in force.';
COMMENT ON COLUMN murallink_private.payout_account.ended_reason IS
'changed, merged, or returned: and the word of the partner, after which the same details are not entered again.';
CREATE UNIQUE INDEX payout_account_present ON murallink_private.payout_account (patient_uid, payment_type_uid) WHERE ended_at IS NULL;
COMMENT ON INDEX murallink_private.payout_account_present IS 'A patient has one account in force for each payment type.';
CREATE INDEX payout_account_patient ON murallink_private.payout_account (patient_uid);
CREATE INDEX payout_account_key ON murallink_private.payout_account (key_uid);
CREATE INDEX payout_account_cooling ON murallink_private.payout_account (usable_from) WHERE cooling;
