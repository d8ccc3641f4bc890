-- Postal addresses, as requests bring them.
\set SHOW_CONTEXT never

-- Every part may be absent, null or empty; white space at the ends goes; an address gets a uid and is not confirmed
SELECT address.uid IS NOT NULL AS has_uid, street1, street2, city, state, post_code, valid
FROM (VALUES
    ('{"street1": "168 Old Pinbrick Dr", "street2": "", "city": "Hampton", "state": "VA", "post_code": "23670"}'::jsonb),
    ('{"city": "\t Hampton\n "}'), ('{"street1": null, "city": "Zürich"}')) AS sent (address),
    murallink_private.checked_address(sent.address) AS address;
SELECT DISTINCT count(DISTINCT (murallink_private.checked_address('{"city": "Hampton"}')).uid) FROM generate_series(1, 3);

-- Each part is one line, in NFC: it is printed on what is sent there
SELECT street1, city = 'Zürich' AS nfc
FROM murallink_private.checked_address(jsonb_build_object('street1', E'168 Old Pinbrick Dr\r\n  Apt\u00a04', 'city', E'Zu\u0308rich')) AS address;

-- Nothing in it is no address
SELECT address, murallink_private.checked_address(address) IS NULL AS none
FROM (VALUES (NULL::jsonb), ('null'), ('{}'), ('{"city": ""}'), ('{"street1": null, "city": " \t\n", "valid": true}')) AS sent (address);

-- What clients send back of an address is ignored, whatever it is
SELECT (murallink_private.checked_address(address)).valid, (murallink_private.checked_address(address)).uid <> '0ujtsYcgvSTl8PAuAdqWYSMnLOv' AS new_uid
FROM (VALUES
    (jsonb '{"uid": "0ujtsYcgvSTl8PAuAdqWYSMnLOv", "valid": true, "city": "Hampton"}'),
    ('{"uid": 1, "valid": "yes", "city": "Hampton"}'), ('{"uid": {}, "valid": [], "city": "Hampton"}')) AS sent (address);

-- What is refused, by the name of the part
SELECT address, test.refusal(format('SELECT murallink_private.checked_address(%L)', address))
FROM (VALUES
    (jsonb '"Hampton"'), ('""'), ('1'), ('true'), ('[]'), ('["Hampton"]'),
    ('{"street": "168 Old Pinbrick Dr"}'), ('{"City": "Hampton"}'), ('{"": "Hampton"}'), ('{"city": "Hampton", "zip": ""}'),
    ('{"city": 1}'), ('{"city": false}'), ('{"city": {}}'), ('{"post_code": ["23670"]}'),
    ('{"city": "Hamp\u0007ton"}'), ('{"street2": "\u007f"}'), ('{"city": "\u202eHampton"}'),
    ('{"state": "\u200b"}')) AS refused (address);
SELECT test.refusal(format('SELECT murallink_private.checked_address(%L)', jsonb_build_object('state', repeat('ä', n))))
FROM (VALUES (200), (201)) AS long (n);
SELECT murallink_private.checked_address('{"city": 1}', 'home');
