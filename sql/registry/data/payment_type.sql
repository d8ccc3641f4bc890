-- The ways to be paid.

CREATE TABLE murallink_private.payment_type (
    uid murallink.ksuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    description text NOT NULL,
    partner text,
    by_account boolean NOT NULL,
    sort_order integer NOT NULL UNIQUE
);
COMMENT ON TABLE murallink_private.payment_type IS 'Ways for patients to receive their money; their uids are the same in every installation.';
COMMENT ON COLUMN murallink_private.payment_type.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.payment_type.name IS 'Short name.';
COMMENT ON COLUMN murallink_private.payment_type.description IS 'In the words of the patient.';
COMMENT ON COLUMN murallink_private.payment_type.partner IS 'The partner that pays it out, null where a person or application settles it; of accounts only if the partner is configured.';
COMMENT ON COLUMN murallink_private.payment_type.by_account IS 'Whether it is paid to an account that the patient enters.';
COMMENT ON COLUMN murallink_private.payment_type.sort_order IS 'Place in lists.';
INSERT INTO murallink_private.payment_type (sort_order, uid, name, description, partner, by_account) VALUES
    (1, '28LLr9EUm9f1G5S5yxoOJKNTDP0', 'PayPal', 'pay me via PayPal', 'paypal', true),
    (2, '2CRrLEBYGVFEyNejc3s3G6Ub7Vm', 'Venmo', 'pay me via Venmo', 'paypal', true),
    (3, '28LLqy3paByy5jcqpoU9wXuTiYo', 'check', 'check mailed to my home address', NULL, true),
    (4, '28LLr8WY5tNSSIDtcjRSmWODmGW', 'debit', 'deposited to my debit card', 'dash', false),
    (5, '2D5Ys2cB6CjDIvaM8VR5qEd4Ach', 'ACH', 'deposited to my bank account by ACH', NULL, true),
    (6, '2D5Ys2cB6CjDIvaM8VR5qEdWire', 'wire', 'sent to my bank account by wire transfer', NULL, true),
    (7, '2D5Ys2cB6CjDIvaM8VR5CashApp', 'Cash App', 'pay me via Cash App', NULL, false);
