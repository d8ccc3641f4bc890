-- E-mail addresses: what is entered is what mail can be sent to, and nobody else's.
\set SHOW_CONTEXT never

-- As they are kept: lower case by ASCII, a domain as DNS has it
SELECT value, murallink_private.mail_address(value) FROM unnest(ARRAY['Bob@Example.COM', 'INFO@EXAMPLE.COM', 'o''neil+x_y-z=1@mail.example.co.uk',
    'bob@münchen.de', 'bob@MÜNCHEN.de', 'bob@xn--mnchen-3ya.de', 'bob@faß.de', 'bob@例え.テスト', 'bob@localhost', 'x!#$%&*/?^`{|}~@example.com',
    repeat('a', 64) || '@example.com']) AS value;

-- What is none
SELECT row_number() OVER () AS n, value FROM unnest(ARRAY['bob', 'bob@', '@example.com', 'a@b@example.com', '"bob smith"@example.com', 'bob(comment)@example.com',
    'mailto:bob@example.com', 'bob:x@example.com', 'bob\@example.com', 'bob@[192.168.1.1]', 'bob@192.168.1.1', 'Bob <bob@example.com>',
    'bob@example.com, al@example.com', 'bob@example.com;', 'bob @example.com', '.bob@example.com', 'bob.@example.com', 'b..b@example.com',
    'bob@.com', 'bob@example.com.', 'bob@-x.com', 'bob@x-.com', 'bob@a_b.com', 'bob@xn--a.com', 'üñîçøðé@example.com', E'bob\u200b@example.com',
    E'\ufeffbob@example.com', E'bob@example.com\u202e', E'bob\u00a0@example.com', E'bob@exam\u00adple.com', E'bob@mün\u200bchen.de',
    E'bob@example\u3002com', repeat('a', 65) || '@example.com', 'bob@' || repeat('a', 64) || '.com',
    'bob@' || repeat(repeat('a', 60) || '.', 4) || 'example.com', '']) AS value WHERE murallink_private.mail_address(value) IS NOT NULL;

-- No letter becomes one of ASCII, in the mailbox or in the domain
SELECT count(murallink_private.mail_address(chr(n) || 'nfo@example.com')) AS mailboxes,
    count(murallink_private.mail_address('info@' || chr(n) || '.com')) FILTER (WHERE murallink_private.mail_address('info@' || chr(n) || '.com') !~ '@xn--') AS domains
FROM generate_series(128, 65535) AS n WHERE n NOT BETWEEN 55296 AND 57343;

-- Only what is as it is kept is kept, whoever writes it
SELECT value, murallink_private.is_mail_address(value) FROM unnest('{bob@example.com,Bob@example.com,bob@münchen.de,bob@xn--mnchen-3ya.de,""}'::text[]) AS value;
SELECT test.refusal(format('INSERT INTO murallink.%s', statement)) FROM (VALUES
    ('app_user (email) VALUES (''bob@münchen.de'')'), ('app_user (email) VALUES (''quicK@example.com'')'), ('app_user (email) VALUES ('''')'),
    ('patient (first_name, last_name, email) VALUES (''x'', ''x'', ''mailto:x@example.com'')'),
    ('client (name, contact_email) VALUES (''x'', ''"x"@example.com'')')) AS by_hand (statement);

-- As a field
SELECT value, murallink_private.checked_email(value, 'email', false) AS kept FROM (VALUES (NULL), (' '), (' Bob@MÜNCHEN.de ')) AS given (value);
SELECT test.refusal(format('SELECT murallink_private.checked_email(%L, ''email'', true)', value))
FROM unnest(ARRAY[NULL, '', 'bob', 'üñîçøðé@example.com', E'bob\u200b@example.com', E'bob\u0001@example.com', repeat('a', 255)]) AS value;

-- One account for one mailbox, in every locale
SELECT test.answer('register', jsonb_build_object('email', email, 'password', 'correct horse', 'first_name', 'Ina', 'last_name', ''))
FROM unnest(ARRAY['INFO@Mail.example.com', 'info@mail.example.com', 'ınfo@mail.example.com', 'İnfo@mail.example.com']) WITH ORDINALITY AS e (email, n);
SELECT (murallink.login('INFO@MAIL.example.com', 'correct horse')).session_id <> '' AS logged_in;
