-- Tokens for users who forgot their password.
\set SHOW_CONTEXT never
SELECT uid AS rita, email FROM murallink.register('rita.reset@example.com', 'correct horse', 'Rita', 'Reset') \gset
SELECT uid AS rolf FROM murallink.register('rolf.reset@example.com', 'correct horse', 'Rolf', 'Reset') \gset
SELECT uid AS admin FROM murallink.create_admin('admin.reset@example.com', 'correct horse', 'Ruth', 'Admin') \gset
CREATE FUNCTION pg_temp.session(email text, password text DEFAULT 'correct horse') RETURNS text LANGUAGE sql AS $$
    SELECT session_id FROM murallink.login(email, password)
$$;
CREATE FUNCTION pg_temp.request(email text) RETURNS text LANGUAGE sql AS $$
    SELECT test.answer('request_password_reset', jsonb_build_object('email', email))
$$;
CREATE FUNCTION pg_temp.reset(email text, token text, password text DEFAULT 'a new horse') RETURNS text LANGUAGE sql AS $$
    SELECT test.answer('reset_password', jsonb_build_object('email', email, 'password', password, 'token', token))
$$;
CREATE FUNCTION pg_temp.token(email text) RETURNS text LANGUAGE sql AS $$
    SELECT token FROM murallink_private.password_reset r WHERE r.email = token.email ORDER BY created_at DESC LIMIT 1
$$;
CREATE FUNCTION pg_temp.tries(email text) RETURNS int[] LANGUAGE sql AS $$
    SELECT array_agg(tries ORDER BY created_at) FROM murallink_private.password_reset r WHERE r.email = tries.email
$$;
-- A guess at a token that is known by its first half, and one of a stranger
CREATE FUNCTION pg_temp.wrong(token text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN left(token, 6) || translate(right(token, 6), '0123456789', '1234567890');
CREATE FUNCTION pg_temp.strange(token text) RETURNS text LANGUAGE sql IMMUTABLE RETURN translate(token, '0123456789', '1234567890');

-- The answer is the same for an address that nobody has, and so is what is written
SELECT murallink.api(jsonb_build_object('action', 'request_password_reset', 'payload', jsonb_build_object('email', asked))) - 'request_id'
FROM (VALUES (' Rita.Reset@example.com'), ('nobody.reset@example.com')) AS request (asked);
SHOW murallink.reset_token_digits;
SHOW murallink.reset_token_lifetime;
SELECT r.email, app_user_uid = :'rita' AS rita, token ~ '^\d{12}$' AS digits, tries, requests, counted_since = created_at AS counted,
    made_at = created_at AS made, expires_at - created_at AS lifetime
FROM murallink_private.password_reset r JOIN murallink_private.reset_request q ON q.email = r.email AND q.place = '' ORDER BY r.email DESC;
SELECT payload, test.answer('request_password_reset', payload)
FROM (VALUES (jsonb '{}'), ('{"email": ""}'), ('{"email": "rita"}'), ('{"email": 1}'), ('{"user_uid": ""}'),
    (jsonb_build_object('email', repeat('x', 250) || '@y.example'))) AS refused (payload);

-- A token sets the password, ends all sessions and the lock of the account, and is used up
SELECT pg_temp.session(:'email') AS session, pg_temp.token(:'email') AS token \gset
SELECT test.answer('login', jsonb_build_object('email', :'email', 'password', 'wrong horse')) FROM generate_series(1, 6);
SELECT murallink.api(jsonb_build_object('action', 'reset_password', 'payload', jsonb_build_object(
    'email', 'RITA.reset@example.com', 'password', 'monkey123', 'token', :'token'))) - 'request_id';
SELECT test.answer('my_info', '{}', :'session') AS old_session, test.answer('login', jsonb_build_object('email', :'email', 'password', 'monkey123')) AS new_password,
    test.answer('login', jsonb_build_object('email', :'email', 'password', 'correct horse')) AS old_password;
SELECT pg_temp.reset(:'email', :'token') AS used, pg_temp.reset('nobody.reset@example.com', pg_temp.token('nobody.reset@example.com')) AS unknown,
    pg_temp.reset('never.reset@example.com', '12345678') AS never_asked;

-- Wrong, used and expired tokens and addresses that nobody has are answered alike
SELECT murallink.api(jsonb_build_object('action', 'reset_password', 'payload', jsonb_build_object(
    'email', asked, 'password', 'a new horse', 'token', :'token'))) - 'request_id'
FROM unnest(ARRAY[:'email', 'nobody.reset@example.com']) AS asked;
SELECT pg_temp.request(:'email');
SELECT pg_temp.reset(:'email', tried) FROM (VALUES (pg_temp.wrong(pg_temp.token(:'email'))), (left(pg_temp.token(:'email'), 11)),
    (pg_temp.token(:'email') || '0'), ('%'), (pg_temp.strange(pg_temp.token(:'email')))) AS wrong (tried);
SELECT pg_temp.tries(:'email');
SELECT payload, test.answer('reset_password', jsonb_build_object('email', :'email', 'password', 'a new horse', 'token', '1') || payload)
FROM (VALUES (jsonb '{"email": ""}'), ('{"password": ""}'), ('{"token": ""}'), ('{"email": "rita"}'), ('{"password": "1234567"}'), ('{"token": 1}'),
    ('{"token": null}'), (jsonb_build_object('token', repeat('1', 101))), ('{"new_password": "a new horse"}')) AS refused (payload);
SELECT pg_temp.tries(:'email');
UPDATE murallink_private.password_reset SET expires_at = now() - interval '1 us' WHERE email = :'email';
SELECT pg_temp.reset(:'email', pg_temp.token(:'email')) AS expired;
UPDATE murallink_private.password_reset SET expires_at = now() + interval '1 min', tries = 0 WHERE email = :'email';
SELECT pg_temp.reset('rolf.reset@example.com', pg_temp.token(:'email')) AS of_another;
SELECT pg_temp.reset(:'email', ' ' || pg_temp.token(:'email') || E'\n') AS pasted;

-- In SQL the refusal shows in what PostgREST reads the status from; where it cannot be counted, nothing is tried
SELECT pg_temp.request(:'email');
BEGIN;
SELECT murallink.reset_password(:'email', 'a new horse', pg_temp.wrong(pg_temp.token(:'email')));
SELECT current_setting('response.status');
ROLLBACK;
SELECT pg_temp.tries(:'email') AS counted_all_the_same;
BEGIN READ ONLY;
SELECT pg_temp.reset(:'email', pg_temp.token(:'email'));
COMMIT;

-- After so many wrong tries the right one is none either; guesses of strangers, who cannot name it, do not count
SHOW murallink.reset_token_tries;
SELECT pg_temp.reset(:'email', pg_temp.wrong(pg_temp.token(:'email'))) FROM generate_series(1, 4);
SELECT pg_temp.reset(:'email', pg_temp.token(:'email'));
SELECT pg_temp.request(:'email');
SELECT DISTINCT pg_temp.reset(:'email', pg_temp.strange(pg_temp.token(:'email'))) FROM generate_series(1, 10);
SELECT pg_temp.tries(:'email');

-- A token is good beside the next one; both end when one is used
SELECT pg_temp.token(:'email') AS token \gset
SELECT pg_temp.request(:'email');
SELECT pg_temp.token(:'email') <> :'token' AS another;
SELECT pg_temp.reset(:'email', :'token', 'correct horse') AS one, pg_temp.reset(:'email', pg_temp.token(:'email')) AS other;

-- Requests are counted for an hour: beyond so many one makes a token only when the last one is about to end, whether the
-- address is known or not
SHOW murallink.reset_requests_per_hour;
SELECT requests FROM murallink_private.reset_request WHERE email = :'email';
SELECT pg_temp.request(asked) FROM generate_series(1, 6), unnest(ARRAY[:'email', 'nobody.reset@example.com']) AS asked;
SELECT email, requests, cardinality(pg_temp.tries(email)) AS tokens FROM murallink_private.reset_request ORDER BY email DESC;
SELECT pg_temp.token(:'email') AS token \gset
SELECT pg_temp.request(:'email');
SELECT pg_temp.token(:'email') = :'token' AS the_same;
UPDATE murallink_private.reset_request SET made_at = made_at - interval '11 min' WHERE email = :'email';
SELECT pg_temp.request(:'email');
SELECT pg_temp.token(:'email') = :'token' AS the_same;
UPDATE murallink_private.reset_request SET made_at = made_at - interval '70 s' WHERE email = :'email';
SELECT pg_temp.request(:'email');
SELECT pg_temp.token(:'email') <> :'token' AS another;
SELECT pg_temp.token(:'email') AS token \gset
UPDATE murallink_private.reset_request SET counted_since = counted_since - interval '1 hour' WHERE email = :'email';
SELECT pg_temp.request(:'email');
SELECT pg_temp.token(:'email') <> :'token' AS another, requests, counted_since = made_at AS counted_again
FROM murallink_private.reset_request WHERE email = :'email';

-- A token ends when the password or the address of its user changes
SELECT pg_temp.session(:'email') AS session, pg_temp.token(:'email') AS token \gset
SELECT test.answer('change_password', '{"new_password": "correct horse"}', :'session');
SELECT pg_temp.reset(:'email', :'token');
SELECT pg_temp.request(:'email');
SELECT pg_temp.token(:'email') AS token \gset
SELECT test.answer('update_user', jsonb_build_object('uid', :'rita', 'email', 'new.rita.reset@example.com'), :'session');
SELECT pg_temp.reset(:'email', :'token') AS old_address, pg_temp.reset('new.rita.reset@example.com', :'token') AS new_address;
SELECT test.answer('update_user', jsonb_build_object('uid', :'rolf', 'email', :'email'), pg_temp.session('rolf.reset@example.com'));
SELECT pg_temp.reset(:'email', :'token') AS who_has_it_now;

-- also one that was made before the clock was set back; and then another can be made and used, once
UPDATE murallink_private.reset_request SET counted_since = counted_since - interval '1 hour';
SELECT pg_temp.request('new.rita.reset@example.com');
SELECT pg_temp.token('new.rita.reset@example.com') AS token \gset
UPDATE murallink_private.password_reset SET created_at = created_at + interval '1 hour' WHERE email = 'new.rita.reset@example.com';
SELECT test.answer('change_password', '{"new_password": "another horse"}', pg_temp.session('new.rita.reset@example.com'));
SELECT pg_temp.reset('new.rita.reset@example.com', :'token');
DELETE FROM murallink_private.password_reset WHERE email = 'new.rita.reset@example.com';
UPDATE murallink_private.credential SET changed_at = changed_at + interval '1 hour' WHERE app_user_uid = :'rita';
SELECT pg_temp.request('new.rita.reset@example.com');
SELECT pg_temp.token('new.rita.reset@example.com') AS token \gset
SELECT pg_temp.reset('new.rita.reset@example.com', :'token', 'correct horse') AS one, pg_temp.reset('new.rita.reset@example.com', :'token') AS again;

-- What nobody can use any more goes away
INSERT INTO murallink_private.password_reset (email, token, expires_at)
SELECT 'old' || n || '.reset@example.com', '1', now() - interval '3 days' FROM generate_series(1, 15) AS n;
SELECT pg_temp.request('nobody.reset@example.com');
SELECT count(*) FROM murallink_private.password_reset WHERE email LIKE 'old%';
SELECT pg_temp.request('nobody.reset@example.com');
SELECT count(*) FROM murallink_private.password_reset WHERE email LIKE 'old%';

-- The tokens, for administrators of test systems
SELECT pg_temp.session('admin.reset@example.com') AS admin_session \gset
SELECT pg_temp.request(asked) FROM unnest('{admin.reset@example.com,new.rita.reset@example.com}'::text[]) AS asked;
SHOW murallink.expose_reset_tokens;
SELECT murallink.api(jsonb_build_object('action', 'reset_tokens', 'session_id', :'admin_session')) - 'request_id';
SET murallink.expose_reset_tokens = on;
ALTER SYSTEM SET murallink.expose_reset_tokens = on;
SELECT pg_reload_conf();
\c
CREATE FUNCTION pg_temp.request(email text) RETURNS text LANGUAGE sql AS $$
    SELECT test.answer('request_password_reset', jsonb_build_object('email', email))
$$;
CREATE FUNCTION pg_temp.token(email text) RETURNS text LANGUAGE sql AS $$
    SELECT token FROM murallink_private.password_reset r WHERE r.email = token.email ORDER BY created_at DESC LIMIT 1
$$;
SELECT murallink.api(jsonb_build_object('action', 'reset_tokens', 'session_id', :'admin_session')) AS answer \gset
SELECT answer - 'request_id' - 'payload', answer -> 'payload' = jsonb_build_object('tokens', jsonb_build_object(
    :'admin', a.token, :'rita', r.token)) AS of_both
FROM (VALUES (:'answer'::jsonb)) AS answered (answer), pg_temp.token('admin.reset@example.com') AS a (token),
    pg_temp.token('new.rita.reset@example.com') AS r (token);
UPDATE murallink_private.password_reset SET expires_at = now() WHERE app_user_uid IS NOT NULL;
SELECT murallink.api(jsonb_build_object('action', 'reset_tokens', 'session_id', :'admin_session')) -> 'payload';
SELECT test.answer('reset_tokens', '{}', session_id) FROM murallink.login('new.rita.reset@example.com', 'correct horse');
SELECT test.answer('reset_tokens');
ALTER SYSTEM RESET murallink.expose_reset_tokens;
SELECT pg_reload_conf();

-- A token is not kept for a repeat of its request, and shows nowhere else; digits are as likely as each other
SELECT test.answer('request_password_reset', '{"email": "admin.reset@example.com"}', :'admin_session');
SELECT murallink.api(jsonb_build_object('action', 'reset_password', 'session_id', :'admin_session', 'idempotency_key', 'secret', 'payload',
    jsonb_build_object('email', 'admin.reset@example.com', 'password', 'a secret horse', 'token', pg_temp.token('admin.reset@example.com')))) - 'request_id';
SELECT count(*) FROM murallink_private.idempotency WHERE key = 'secret';
SELECT count(*) AS audited FROM murallink.audit_event WHERE resource IN ('password_reset', 'credential', 'session');
SELECT count(DISTINCT made) AS different, bool_and(made ~ '^\d{12}$') AS digits FROM
    (SELECT murallink_private.random_digits(12) AS made FROM generate_series(1, 1000)) AS many;
SELECT digit, count(*) BETWEEN 800 AND 1200 AS fair
FROM string_to_table(murallink_private.random_digits(10000), NULL) AS digit GROUP BY digit ORDER BY digit;
SELECT murallink_private.same_secret('1234', tried) FROM unnest('{1234,1235,123,12345,""}'::text[]) AS tried;
