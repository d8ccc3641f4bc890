-- Relay: what the request is, what it may hold, and what an answer means.
\set SHOW_CONTEXT never
SELECT murallink.configure_partner('relay', 'https://api.relay.example.com', '{"client_id": "acme/1", "product_group_id": "default"}', '{"api_key": "secret"}');

-- Every field of the document
CREATE TEMP TABLE whole (params jsonb);
INSERT INTO whole VALUES ('{
    "trigger_id": "7028cb2e-d62d-4d5f-a285-91d25781ea86", "lb_name": "user@company.com", "lb_source": "company-system",
    "product_group_id": "gold", "deactivate_previous_connections": true,
    "input_parameters": {"input_account_active": "true", "input_account_funding_date": "12/01/2023"},
    "asset_id": "5da610e9-896r-3ba4-7a13-321c87c7ff6a", "client_message_tag": "campaignA",
    "ccid": "BAK-11984-007", "secondary_account_id": "ABC123", "first_name": "Roger", "middle_name": "Harold",
    "last_name": "Moore", "date_of_birth": "1954-12-01", "ssn_last4": "0034", "gender": "M",
    "addresses": [{"address1": "201 King of Prussia Road", "address2": "Suite 161", "city": "Radnor", "state_province": "PA", "postal_code": "19087", "country": "US"}],
    "notification_channels": [{"channel_type": "sms", "channel_addr": "6105551212", "consent_type": "written", "phone_type": "mobile"}],
    "ext": {"member_since": "1999", "membership_level": "gold"},
    "powerups_parameters": {"fullName_first": "John", "Address_state": "PA", "contact": "Email;SMS"}}');
SELECT jsonb_pretty(murallink.partner_preview('relay', 'onboard', params)) FROM whole;
SELECT murallink.partner_preview('relay', 'onboard', '{"ccid": "A", "first_name": "", "last_name": null}') - 'headers' AS least;

-- Maximal lengths: all of it fits, one character more does not; characters, not bytes
CREATE TEMP TABLE longest AS
SELECT f.field, f.kind, f.longest FROM murallink.partner_operations() f
WHERE f.operation = 'onboard' AND f.kind IN ('text', 'capital letters') AND f.field NOT IN ('client_id');
CREATE FUNCTION test.relay_with(params jsonb, path text[], value jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT test.refusal(format('SELECT murallink.partner_preview(''relay'', ''onboard'', %L)', jsonb_set(params, path, value)))
$$;
SELECT l.field, l.longest, test.relay_with(w.params, p.path, to_jsonb(repeat(p.letter, l.longest))) AS as_long,
    test.relay_with(w.params, p.path, to_jsonb(repeat(p.letter, l.longest + 1))) AS longer
FROM whole w, longest l, LATERAL (SELECT string_to_array(replace(replace(replace(l.field, 'addresses.', 'addresses.0.'),
    'notification_channels.', 'notification_channels.0.'), '*', 'x'), '.') AS path,
    CASE l.kind WHEN 'text' THEN U&'\00E9' ELSE 'X' END AS letter) p
WHERE l.longest <= 255 ORDER BY l.field COLLATE "C";

-- What is wrong
SELECT path, value, test.relay_with(params, path::text[], value::jsonb)
FROM whole, (VALUES
    ('{ccid}', '""'), ('{ccid}', '7'), ('{first name}', '"A"'), ('{date_of_birth}', '"01/12/1954"'), ('{date_of_birth}', '"1955-02-29"'),
    ('{ssn_last4}', '"123"'), ('{ssn_last4}', '"12345"'), ('{ssn_last4}', '"123x"'), ('{gender}', '"male"'),
    ('{deactivate_previous_connections}', '"true"'), ('{input_parameters}', '{"account": "x"}'), ('{input_parameters}', '{"input_x": 1}'),
    ('{input_parameters}', '[]'), ('{addresses,0,country}', '"USA"'), ('{addresses,0,country}', '"us"'), ('{addresses,0,street}', '"x"'),
    ('{addresses}', '{}'), ('{addresses}', '["x"]'),
    ('{notification_channels,0,channel_type}', '"email"'), ('{notification_channels,0,channel_addr}', 'null'),
    ('{notification_channels,0,channel_addr}', '"610555121"'), ('{notification_channels,0,channel_addr}', '"16105551212"'),
    ('{notification_channels,0,channel_addr}', '"26105551212"'), ('{notification_channels,0,channel_addr}', '"610-555-1212"'),
    ('{notification_channels,0,channel_addr}', '"116105551212"'), ('{notification_channels,0,consent_type}', 'null'),
    ('{notification_channels,0,consent_type}', '"express"'), ('{notification_channels,0,consent_type}', '"oral"'),
    ('{notification_channels,0,consent_type}', '"stop"'), ('{notification_channels,0,phone_type}', '"mobile phone"'),
    ('{powerups_parameters}', '{"x_zipcode": "19087-1234-5"}'), ('{client_id}', '"other"')) AS wrong (path, value);

-- What answers mean
SELECT status, answer, murallink_private.partner_meaning('relay', 'onboard',
    '{"notification_channels": [{"channel_addr": "5555555555"}, {"channel_addr": "15556667777"}]}', status, answer)
FROM (VALUES
    (200, '{"message": "Accepted", "mobile_analysis_results": {"15555555555": "type-not-resolved", "15556667777": "landline"}}'),
    (200, '{"message": "Accepted", "mobile_analysis_results": {"16105550000": "landline", "5556667777": "mobile"}}'),
    (200, '{"message": "Invalid client", "mobile_analysis_results": {}}'), (200, '{"message": "Accepted"}'), (200, '{"message": "Later"}'), (200, '[]'), (200, 'Accepted'),
    (400, '{"message": "Invalid request"}'), (401, '{"message": "Unauthorized"}'), (404, '{"message": "Not Found"}'),
    (409, '{"message": "Conflict"}'), (409, 'Conflict'), (500, '{"message": "Please retry"}')) AS answered (status, answer);
SELECT number, result FROM murallink.relay_numbers();
